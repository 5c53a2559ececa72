/* SPDX-License-Identifier: MIT
 *
 * How a frame of Codec2 is cut into audio tokens; the encoder and the codec of that name share it.
 *
 * A frame's parameters, in Codec2's own order, are put together into fields of at most 10 bits, as many
 * whole parameters a field as fit. A token is one field, and each field has a range of ids of its own:
 * the ids of field 0 come first, then those of field 1, and so on, so that a token says where it belongs.
 */
#ifndef CODEC2_LAYOUT_H
#define CODEC2_LAYOUT_H

#include <vita/module.h>

#include <codec2.h>

#define CODEC2_MAX_FIELDS 8
#define CODEC2_MAX_SAMPLES 320
#define CODEC2_MAX_BYTES 8

#define CODEC2_SAMPLE_RATE 8000

typedef struct codec2_layout {
	const char *name;   /* of the mode, as INI files call it */
	int mode;           /* as codec2_create calls it */
	uint32_t n_samples; /* of a frame */
	uint32_t n_fields;
	unsigned char n_bits[CODEC2_MAX_FIELDS]; /* of each field */
} codec2_layout;

/* The key `mode` of [encoder] and of [codec]. */
extern const vita_key codec2_mode_key;

/* NULL for a name that is not among the key's choices. */
const codec2_layout *codec2_layout_find(const char *name);

/* Make a Codec2 state for the mode and see that the installed library agrees with the layout.
 * OK | E_UNSUPPORTED | E_NOMEM */
vita_status codec2_layout_create(const codec2_layout *layout, struct CODEC2 **out, vita_error *err);

uint32_t codec2_layout_vocab_size(const codec2_layout *layout);

/* A frame's bytes as n_fields ids, and back. */
void codec2_layout_split(const codec2_layout *layout, const unsigned char *frame, int32_t *ids);
void codec2_layout_join(const codec2_layout *layout, const int32_t *ids, unsigned char *frame);

/* The field that an id belongs to; -1 for an id outside the vocabulary. */
int32_t codec2_layout_field(const codec2_layout *layout, int32_t id);

#endif
