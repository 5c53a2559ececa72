/* SPDX-License-Identifier: MIT
 *
 * A codec and an encoder that answer what they must not, as their key `lie` says. Built by tests/cli/outside.sh: a
 * defect of a plugin ends the work with a sentence, not the process.
 */
#include <vita/codec.h>
#include <vita/encoder.h>

#define LIES "none no-handle no-stream no-reason odd-status too-many bad-id bad-rate bad-sample endless"

struct vita_codec { char lie[32]; };
struct vita_encoder { char lie[32]; };
struct vita_codec_stream { const char *lie; int32_t last; };
struct vita_encoder_stream { const char *lie; int32_t last; };

static struct vita_codec codec;
static struct vita_encoder encoder;
static struct vita_codec_stream speech;
static struct vita_encoder_stream hearing;

static int is(const char *lie, const char *name)
{
	return strcmp(lie, name) == 0;
}

static double rate_of(const char *lie)
{
	return is(lie, "bad-rate") ? -1 : 50;
}

static vita_status answer_of(const char *lie)
{
	if (is(lie, "no-reason")) return VITA_E_DEVICE;
	return is(lie, "odd-status") ? 7 : VITA_OK;
}

/* One answer after the last push, and then the end; or no end. */
static vita_status count_of(const char *lie, int32_t *last, uint64_t capacity, uint64_t *n)
{
	*n = is(lie, "too-many") ? capacity + 1 : (uint64_t)*last;
	if (!*last || is(lie, "endless")) return VITA_OK;
	*last = 0;
	return *n > 0 ? VITA_OK : VITA_END;
}

/* ---- codec ---------------------------------------------------------------------------------------- */

static vita_status codec_open(const vita_host *host, const vita_device *device, const vita_settings *settings,
                              vita_codec **out, vita_error *err)
{
	(void)device, (void)err;
	snprintf(codec.lie, sizeof codec.lie, "%s", host->setting_string(host->context, settings, "lie"));
	*out = is(codec.lie, "no-handle") ? NULL : &codec;
	return VITA_OK;
}

static void codec_close(vita_codec *self)
{
	(void)self;
}

static void codec_describe(const vita_codec *self, vita_codec_info *info)
{
	info->sample_rate = 8000;
	info->vocab_size = 256;
	info->min_chunk = 1;
	info->rate = rate_of(self->lie);
}

static vita_status codec_stream_open(vita_codec *self, vita_codec_stream **out, vita_error *err)
{
	(void)err;
	speech.lie = self->lie;
	*out = is(self->lie, "no-stream") ? NULL : &speech;
	return VITA_OK;
}

static void codec_stream_close(vita_codec_stream *stream)
{
	(void)stream;
}

static vita_status codec_push(vita_codec_stream *stream, const int32_t *ids, uint64_t n, int32_t last,
                              const vita_cancel *cancel, vita_error *err)
{
	(void)ids, (void)n, (void)cancel, (void)err;
	stream->last = last;
	return answer_of(stream->lie);
}

static vita_status codec_pull(vita_codec_stream *stream, float *pcm, uint64_t capacity, uint64_t *n, vita_error *err)
{
	(void)err;
	const float zero = 0;
	pcm[0] = is(stream->lie, "bad-sample") ? zero / zero : 0.5f;
	return count_of(stream->lie, &stream->last, capacity, n);
}

static const void *codec_extension(vita_codec *self, const char *id)
{
	(void)self, (void)id;
	return NULL;
}

static const vita_codec_api codec_api = {
	.struct_size = sizeof(vita_codec_api), .open = codec_open, .close = codec_close, .describe = codec_describe,
	.stream_open = codec_stream_open, .stream_close = codec_stream_close, .push = codec_push, .pull = codec_pull,
	.get_extension = codec_extension,
};

/* ---- encoder -------------------------------------------------------------------------------------- */

static vita_status encoder_open(const vita_host *host, const vita_device *device, const vita_settings *settings,
                                vita_encoder **out, vita_error *err)
{
	(void)device, (void)err;
	snprintf(encoder.lie, sizeof encoder.lie, "%s", host->setting_string(host->context, settings, "lie"));
	*out = is(encoder.lie, "no-handle") ? NULL : &encoder;
	return VITA_OK;
}

static void encoder_close(vita_encoder *self)
{
	(void)self;
}

static void encoder_describe(const vita_encoder *self, vita_encoder_info *info)
{
	info->output = VITA_ENCODER_TOKENS;
	info->sample_rate = 8000;
	info->vocab_size = 256;
	info->rate = rate_of(self->lie);
}

static vita_status encoder_stream_open(vita_encoder *self, vita_encoder_stream **out, vita_error *err)
{
	(void)err;
	hearing.lie = self->lie;
	*out = is(self->lie, "no-stream") ? NULL : &hearing;
	return VITA_OK;
}

static void encoder_stream_close(vita_encoder_stream *stream)
{
	(void)stream;
}

static vita_status encoder_push(vita_encoder_stream *stream, const float *pcm, uint64_t n, int32_t last,
                                const vita_cancel *cancel, vita_error *err)
{
	(void)pcm, (void)n, (void)cancel, (void)err;
	stream->last = last;
	return answer_of(stream->lie);
}

static vita_status encoder_pull(vita_encoder_stream *stream, int32_t *ids, float *rows, uint64_t capacity, uint64_t *n,
                                vita_error *err)
{
	(void)rows, (void)err;
	ids[0] = is(stream->lie, "bad-id") ? 256 : 7;
	return count_of(stream->lie, &stream->last, capacity, n);
}

static const void *encoder_extension(vita_encoder *self, const char *id)
{
	(void)self, (void)id;
	return NULL;
}

static const vita_encoder_api encoder_api = {
	.struct_size = sizeof(vita_encoder_api), .open = encoder_open, .close = encoder_close,
	.describe = encoder_describe, .stream_open = encoder_stream_open, .stream_close = encoder_stream_close,
	.push = encoder_push, .pull = encoder_pull, .get_extension = encoder_extension,
};

/* ---- module --------------------------------------------------------------------------------------- */

static const vita_key lie_key = {
	.struct_size = sizeof(vita_key), .type = VITA_KEY_CHOICE, .name = "lie", .fallback = "none",
	.help = "what to answer wrongly", .choices = LIES,
};
static const vita_key *const keys[] = { &lie_key };

static const vita_factory factory[] = {
	{ .struct_size = sizeof(vita_factory), .interface_id = VITA_CODEC_ID, .name = "liar", .summary = "Lies.",
	  .api = &codec_api, .keys = keys, .n_keys = 1 },
	{ .struct_size = sizeof(vita_factory), .interface_id = VITA_ENCODER_ID, .name = "liar", .summary = "Lies.",
	  .api = &encoder_api, .keys = keys, .n_keys = 1 },
};
static const vita_factory *const factories[] = { &factory[0], &factory[1] };

static const vita_module module = {
	.struct_size = sizeof(vita_module), .abi_major = VITA_ABI_MAJOR, .abi_minor = VITA_ABI_MINOR, .n_factories = 2,
	.name = "liar", .version = "0", .licence = "MIT", .factories = factories,
};

VITA_EXPORT const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
