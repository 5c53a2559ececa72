/* SPDX-License-Identifier: MIT
 *
 * Encoder "codec2": speech to audio tokens through libcodec2, a vocoder for 8 kHz speech. It needs no
 * weights and no device, and is small enough to be copied as a start for other encoders.
 *
 * Samples are collected to frames, Codec2 turns each frame into bits, and codec2_layout.h says how
 * the bits become tokens. A rest shorter than a frame at the end of a recording is dropped, as Codec2's
 * own program c2enc does.
 */
#include "codec2_layout.h"

#include <vita/audio.h>
#include <vita/encoder.h>

#include <math.h>

struct vita_encoder {
	const vita_host *host;
	const codec2_layout *layout;
};

struct vita_encoder_stream {
	const vita_host *host;
	const codec2_layout *layout;
	struct CODEC2 *codec2;
	short frame[CODEC2_MAX_SAMPLES];
	uint32_t n_in_frame;
	int32_t ended; /* last was pushed, or a push failed half-way */
	int32_t *ids;  /* ready: from ids_at to n_ids */
	uint64_t n_ids, ids_at, capacity;
};

/* ---- the encoder --------------------------------------------------------------------------------- */

static void encoder_close(vita_encoder *encoder)
{
	if (encoder) encoder->host->release(encoder->host->context, encoder);
}

static vita_status encoder_open(const vita_host *host, const vita_device *device,
                                const vita_settings *settings, vita_encoder **out, vita_error *err)
{
	(void)device;
	struct CODEC2 *probe;
	*out = NULL;
	const char *mode = host->setting_string(host->context, settings, "mode");
	const codec2_layout *layout = codec2_layout_find(mode);
	if (!layout)
		return vita_fail(err, VITA_E_CONFIG, "codec2: mode \"%s\" is not one of %s", mode,
		                 codec2_mode_key.choices);
	/* Streams are opened in the middle of a conversation; what is wrong with the library shows here. */
	vita_status status = codec2_layout_create(layout, &probe, err);
	if (status != VITA_OK) return status;
	codec2_destroy(probe);

	vita_encoder *encoder = host->allocate(host->context, sizeof *encoder);
	if (!encoder) return vita_fail(err, VITA_E_NOMEM, "codec2: out of memory");
	encoder->host = host;
	encoder->layout = layout;
	*out = encoder;
	return VITA_OK;
}

static void encoder_describe(const vita_encoder *encoder, vita_encoder_info *info)
{
	const codec2_layout *layout = encoder->layout;
	info->output = VITA_ENCODER_TOKENS;
	info->sample_rate = CODEC2_SAMPLE_RATE;
	info->mix = VITA_MIX_MEAN;
	info->vocab_size = codec2_layout_vocab_size(layout);
	info->width = 0;
	info->rate = (double)layout->n_fields * CODEC2_SAMPLE_RATE / layout->n_samples;
	info->latency_s = 0;
}

/* ---- streams ------------------------------------------------------------------------------------- */

static void stream_close(vita_encoder_stream *stream)
{
	if (!stream) return;
	const vita_host *host = stream->host;
	codec2_destroy(stream->codec2);
	host->release(host->context, stream->ids);
	host->release(host->context, stream);
}

static vita_status stream_open(vita_encoder *encoder, vita_encoder_stream **out, vita_error *err)
{
	const vita_host *host = encoder->host;
	*out = NULL;
	vita_encoder_stream *stream = host->allocate(host->context, sizeof *stream);
	if (!stream) return vita_fail(err, VITA_E_NOMEM, "codec2: out of memory");
	memset(stream, 0, sizeof *stream);
	stream->host = host;
	stream->layout = encoder->layout;
	vita_status status = codec2_layout_create(stream->layout, &stream->codec2, err);
	if (status != VITA_OK) {
		host->release(host->context, stream);
		return status;
	}
	*out = stream;
	return VITA_OK;
}

/* Encode the full frame and queue its tokens. */
static vita_status encode_frame(vita_encoder_stream *stream, vita_error *err)
{
	unsigned char bytes[CODEC2_MAX_BYTES];
	uint32_t n_fields = stream->layout->n_fields;
	if (stream->n_ids + n_fields > stream->capacity) {
		uint64_t capacity = 2 * stream->capacity + n_fields;
		int32_t *ids =
			stream->host->reallocate(stream->host->context, stream->ids, capacity * sizeof *ids);
		if (!ids) return vita_fail(err, VITA_E_NOMEM, "codec2: out of memory");
		stream->ids = ids;
		stream->capacity = capacity;
	}
	codec2_encode(stream->codec2, bytes, stream->frame);
	codec2_layout_split(stream->layout, bytes, stream->ids + stream->n_ids);
	stream->n_ids += n_fields;
	stream->n_in_frame = 0;
	return VITA_OK;
}

/* Nearest 16-bit value; exact for what was read from a 16-bit file. */
static short to_pcm16(float x)
{
	long value = lrintf((x < -1.0f ? -1.0f : x > 1.0f ? 1.0f : x) * 32768.0f);
	return (short)(value > 32767 ? 32767 : value);
}

static vita_status push_samples(vita_encoder_stream *stream, const float *pcm, uint64_t n,
                                const vita_cancel *cancel, vita_error *err)
{
	const vita_host *host = stream->host;
	for (uint64_t i = 0; i < n; i++) {
		stream->frame[stream->n_in_frame++] = to_pcm16(pcm[i]);
		if (stream->n_in_frame < stream->layout->n_samples) continue;
		if (host->cancelled(host->context, cancel))
			return vita_fail(err, VITA_E_CANCELLED, "encoding was cancelled");
		vita_status status = encode_frame(stream, err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

static vita_status push(vita_encoder_stream *stream, const float *pcm, uint64_t n, int32_t last,
                        const vita_cancel *cancel, vita_error *err)
{
	if (stream->ended)
		return vita_fail(err, VITA_E_STATE, "codec2: samples came after the end of the recording");
	for (uint64_t i = 0; i < n; i++)
		if (isnan(pcm[i]))
			return vita_fail(err, VITA_E_INVALID, "codec2: sample %llu of a push is not a number",
			                 (unsigned long long)i);
	vita_status status = push_samples(stream, pcm, n, cancel, err);
	stream->ended = last || status != VITA_OK;
	return status;
}

static vita_status pull(vita_encoder_stream *stream, int32_t *ids, float *rows, uint64_t capacity,
                        uint64_t *n, vita_error *err)
{
	(void)rows, (void)err;
	*n = stream->n_ids - stream->ids_at;
	if (*n > capacity) *n = capacity;
	if (*n > 0) memcpy(ids, stream->ids + stream->ids_at, *n * sizeof *ids);
	stream->ids_at += *n;
	if (stream->ids_at < stream->n_ids) return VITA_OK;
	stream->ids_at = stream->n_ids = 0;
	return *n == 0 && stream->ended ? VITA_END : VITA_OK;
}

static const void *get_extension(vita_encoder *encoder, const char *id)
{
	(void)encoder, (void)id;
	return NULL;
}

/* ---- what the module tells its host -------------------------------------------------------------- */

static const vita_encoder_api api = {
	.struct_size = sizeof api,
	.open = encoder_open,
	.close = encoder_close,
	.describe = encoder_describe,
	.stream_open = stream_open,
	.stream_close = stream_close,
	.push = push,
	.pull = pull,
	.get_extension = get_extension,
};

static const vita_key *const keys[] = { &codec2_mode_key };

static const vita_factory factory = {
	.struct_size = sizeof factory,
	.interface_id = VITA_ENCODER_ID,
	.name = "codec2",
	.summary = "8 kHz speech to the parameters of Codec2, without any weights.",
	.api = &api,
	.keys = keys,
	.n_keys = 1,
};

static const vita_factory *const factories[] = { &factory };

static const vita_module module = {
	.struct_size = sizeof module,
	.abi_major = VITA_ABI_MAJOR,
	.abi_minor = VITA_ABI_MINOR,
	.n_factories = 1,
	.name = "encoder-codec2",
	.version = "1.0",
	.licence = "MIT",
	.factories = factories,
};

const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
