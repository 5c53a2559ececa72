/* SPDX-License-Identifier: MIT
 *
 * A codec by somebody else, in C: token n sounds for 20 ms at n times 10 Hz. Built by tests/cli/outside.sh
 * with nothing but the installed headers, and a pattern to start an own codec from.
 */
#include <vita/codec.h>
#include <vita/module.h>

enum { RATE = 8000, SAMPLES_PER_TOKEN = 160, VOCABULARY = 256 };

struct vita_codec {
	const vita_host *host;
	float gain;
};

struct vita_codec_stream {
	vita_codec *codec;
	float *pcm;                 /* made and not yet pulled: [begin, end) */
	uint64_t begin, end;
	double phase;               /* 0 … 1, carried from token to token so that nothing clicks */
	int32_t last;
};

static vita_status beep_open(const vita_host *host, const vita_device *device, const vita_settings *settings,
                             vita_codec **out, vita_error *err)
{
	(void)device;
	*out = NULL;
	vita_codec *codec = host->allocate(host->context, sizeof *codec);
	if (!codec) return vita_fail(err, VITA_E_NOMEM, "beep: no memory for a codec");
	codec->host = host;
	codec->gain = (float)host->setting_float(host->context, settings, "gain");
	vita_logf(host, VITA_LOG_DEBUG, "beep", "gain %g", (double)codec->gain);
	*out = codec;
	return VITA_OK;
}

static void beep_close(vita_codec *codec)
{
	if (codec) codec->host->release(codec->host->context, codec);
}

static void beep_describe(const vita_codec *codec, vita_codec_info *info)
{
	(void)codec;
	info->sample_rate = RATE;
	info->vocab_size = VOCABULARY;
	info->min_chunk = 1;
	info->rate = (double)RATE / SAMPLES_PER_TOKEN;
	info->latency_s = 0;
}

static vita_status beep_stream_open(vita_codec *codec, vita_codec_stream **out, vita_error *err)
{
	*out = codec->host->allocate(codec->host->context, sizeof **out);
	if (!*out) return vita_fail(err, VITA_E_NOMEM, "beep: no memory for a stream");
	memset(*out, 0, sizeof **out);
	(*out)->codec = codec;
	return VITA_OK;
}

static void beep_stream_close(vita_codec_stream *stream)
{
	if (!stream) return;
	const vita_host *host = stream->codec->host;
	host->release(host->context, stream->pcm);
	host->release(host->context, stream);
}

/* A triangle, which needs no sine from the maths library. */
static float wave(double phase)
{
	double rise = 4 * phase;
	return (float)(rise < 1 ? rise : rise < 3 ? 2 - rise : rise - 4);
}

static vita_status beep_push(vita_codec_stream *stream, const int32_t *ids, uint64_t n, int32_t last,
                             const vita_cancel *cancel, vita_error *err)
{
	const vita_host *host = stream->codec->host;
	if (stream->last) return vita_fail(err, VITA_E_STATE, "beep: tokens after the last one");
	if (host->cancelled(host->context, cancel)) return VITA_E_CANCELLED;
	for (uint64_t i = 0; i < n; i++)
		if (ids[i] < 0 || ids[i] >= VOCABULARY)
			return vita_fail(err, VITA_E_INVALID, "beep: token %d is not in 0 … %d", (int)ids[i], VOCABULARY - 1);

	uint64_t waiting = stream->end - stream->begin;
	if (n > (UINT64_MAX / sizeof(float) - waiting) / SAMPLES_PER_TOKEN)
		return vita_fail(err, VITA_E_NOMEM, "beep: too many tokens at once");
	if (waiting) memmove(stream->pcm, stream->pcm + stream->begin, waiting * sizeof(float));
	stream->begin = 0;
	stream->end = waiting;
	if (n) {
		uint64_t size = (waiting + n * SAMPLES_PER_TOKEN) * sizeof(float);
		float *pcm = host->reallocate(host->context, stream->pcm, size);
		if (!pcm) return vita_fail(err, VITA_E_NOMEM, "beep: no memory for %llu tokens", (unsigned long long)n);
		stream->pcm = pcm;
	}
	for (uint64_t i = 0; i < n * SAMPLES_PER_TOKEN; i++) {
		stream->pcm[stream->end++] = stream->codec->gain * wave(stream->phase);
		stream->phase += ids[i / SAMPLES_PER_TOKEN] * 10.0 / RATE;
		if (stream->phase >= 1) stream->phase -= 1;
	}
	stream->last = last;
	return VITA_OK;
}

static vita_status beep_pull(vita_codec_stream *stream, float *pcm, uint64_t capacity, uint64_t *n, vita_error *err)
{
	(void)err;
	uint64_t ready = stream->end - stream->begin;
	*n = ready < capacity ? ready : capacity;
	if (ready == 0) return stream->last ? VITA_END : VITA_OK;
	memcpy(pcm, stream->pcm + stream->begin, *n * sizeof(float));
	stream->begin += *n;
	return VITA_OK;
}

static const void *beep_get_extension(vita_codec *codec, const char *id)
{
	(void)codec, (void)id;
	return NULL;
}

static const vita_key gain_key = {
	.struct_size = sizeof(vita_key), .type = VITA_KEY_FLOAT, .name = "gain", .fallback = "0.5",
	.help = "loudness of the tone, full scale is 1", .min = 0, .max = 1,
};
static const vita_key *const keys[] = { &gain_key };

static const vita_codec_api api = {
	.struct_size = sizeof(vita_codec_api), .open = beep_open, .close = beep_close, .describe = beep_describe,
	.stream_open = beep_stream_open, .stream_close = beep_stream_close, .push = beep_push, .pull = beep_pull,
	.get_extension = beep_get_extension,
};

static const vita_factory codec_factory = {
	.struct_size = sizeof(vita_factory), .interface_id = VITA_CODEC_ID, .name = "beep",
	.summary = "A tone for every token.", .api = &api, .keys = keys, .n_keys = 1,
};
static const vita_factory *const factories[] = { &codec_factory };

static const vita_module module = {
	.struct_size = sizeof(vita_module), .abi_major = VITA_ABI_MAJOR, .abi_minor = VITA_ABI_MINOR, .n_factories = 1,
	.name = "beep", .version = "0.3", .licence = "MIT", .factories = factories,
};

VITA_EXPORT const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
