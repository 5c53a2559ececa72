/* SPDX-License-Identifier: MIT
 *
 * The field layouts of Codec2's modes, and frames to token ids and back.
 */
#include "codec2_layout.h"

/* Parameters within the fields: v voicing, W pitch (Wo), e energy, We both in one, L line spectral pairs,
 * Q vector quantiser indices, s spare. */
static const codec2_layout layouts[] = {
	/* vvW eL LL LL LL LL L */
	{ "3200", CODEC2_MODE_3200, 160, 7, { 9, 10, 10, 10, 10, 10, 5 } },
	/* vvWe LL LL LL LLL Ls */
	{ "2400", CODEC2_MODE_2400, 160, 6, { 10, 8, 8, 8, 10, 4 } },
	/* vvW evv W eL LL LL LL LLL */
	{ "1600", CODEC2_MODE_1600, 320, 8, { 9, 7, 7, 9, 8, 8, 8, 8 } },
	/* vvWe vvWe LL LL LL LLL L */
	{ "1400", CODEC2_MODE_1400, 320, 7, { 10, 10, 8, 8, 8, 10, 2 } },
	/* vvvv W eL LL LL LL LLL */
	{ "1300", CODEC2_MODE_1300, 320, 7, { 4, 7, 9, 8, 8, 8, 8 } },
	/* vvWe vvWe Q Q Qs */
	{ "1200", CODEC2_MODE_1200, 320, 5, { 10, 10, 9, 9, 10 } },
	/* Q Q eW */
	{ "700C", CODEC2_MODE_700C, 320, 3, { 9, 9, 10 } },
};

const vita_key codec2_mode_key = {
	.struct_size = sizeof codec2_mode_key,
	.type = VITA_KEY_CHOICE,
	.name = "mode",
	.fallback = "3200",
	.help = "Codec2 mode, named by its bits a second; encoder and codec must agree",
	.choices = "3200 2400 1600 1400 1300 1200 700C",
};

const codec2_layout *codec2_layout_find(const char *name)
{
	for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
		if (strcmp(layouts[i].name, name) == 0) return &layouts[i];
	return NULL;
}

static int frame_bits(const codec2_layout *layout)
{
	int sum = 0;
	for (uint32_t i = 0; i < layout->n_fields; i++) sum += layout->n_bits[i];
	return sum;
}

vita_status codec2_layout_create(const codec2_layout *layout, struct CODEC2 **out, vita_error *err)
{
	*out = codec2_create(layout->mode);
	if (!*out)
		return vita_fail(err, VITA_E_UNSUPPORTED,
		                 "codec2: libcodec2 cannot start mode %s: it was built without "
		                 "that mode, or memory is out",
		                 layout->name);
	int bits = codec2_bits_per_frame(*out), samples = codec2_samples_per_frame(*out);
	if (bits == frame_bits(layout) && samples == (int)layout->n_samples) return VITA_OK;
	codec2_destroy(*out);
	*out = NULL;
	return vita_fail(err, VITA_E_UNSUPPORTED,
	                 "codec2: a frame of mode %s has %d bits and %u samples, but this libcodec2 "
	                 "makes %d bits of %d samples",
	                 layout->name, frame_bits(layout), (unsigned)layout->n_samples, bits, samples);
}

uint32_t codec2_layout_vocab_size(const codec2_layout *layout)
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < layout->n_fields; i++) sum += 1u << layout->n_bits[i];
	return sum;
}

/* Codec2 fills its bytes from the most significant bit on. */
void codec2_layout_split(const codec2_layout *layout, const unsigned char *frame, int32_t *ids)
{
	int32_t first_id = 0;
	uint32_t bit = 0;
	for (uint32_t i = 0; i < layout->n_fields; i++) {
		int32_t value = 0;
		for (uint32_t k = 0; k < layout->n_bits[i]; k++, bit++)
			value = value << 1 | (frame[bit / 8] >> (7 - bit % 8) & 1);
		ids[i] = first_id + value;
		first_id += 1 << layout->n_bits[i];
	}
}

void codec2_layout_join(const codec2_layout *layout, const int32_t *ids, unsigned char *frame)
{
	int32_t first_id = 0;
	uint32_t bit = 0;
	memset(frame, 0, CODEC2_MAX_BYTES);
	for (uint32_t i = 0; i < layout->n_fields; i++) {
		int32_t value = ids[i] - first_id;
		for (uint32_t k = layout->n_bits[i]; k-- > 0; bit++)
			frame[bit / 8] |= (unsigned char)((value >> k & 1) << (7 - bit % 8));
		first_id += 1 << layout->n_bits[i];
	}
}

int32_t codec2_layout_field(const codec2_layout *layout, int32_t id)
{
	int32_t first_id = 0;
	if (id < 0) return -1;
	for (uint32_t i = 0; i < layout->n_fields; i++) {
		first_id += 1 << layout->n_bits[i];
		if (id < first_id) return (int32_t)i;
	}
	return -1;
}
