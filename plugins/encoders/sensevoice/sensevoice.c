/* SPDX-License-Identifier: MIT
 *
 * Encoder sensevoice: speech to feature rows for the language model, as VITA-Audio-Plus hears. This file
 * describes the plugin and its streams.
 */
#include "sensevoice.h"

#include "plugin_memory.h"

#include <vita/audio.h>

#include <math.h>

#define LOUDEST_SAMPLE 1e9f /* squares of sums of these are still numbers */

struct vita_encoder_stream {
	vita_encoder *encoder;
	frontend frontend;
	int32_t ended; /* last was pushed, or a push failed */
	float *rows;   /* [n_rows, projected], from the end of the recording on */
	uint64_t n_rows, at;
};

/* ---- the encoder ---------------------------------------------------------------------------------- */

static void encoder_close(vita_encoder *encoder)
{
	if (!encoder) return;
	sensevoice_unload(encoder);
	host_release(encoder->host, encoder);
}

static void read_settings(vita_encoder *e, const vita_settings *settings)
{
	const vita_host *host = e->host;
	const char *how = host->setting_string(host->context, settings, "positions");
	const char *noise = host->setting_string(host->context, settings, "dither");
	e->positions = strcmp(how, "bf16") == 0       ? POSITIONS_BF16
		       : strcmp(how, "bf16-cpu") == 0 ? POSITIONS_BF16_CPU
						      : POSITIONS_F32;
	e->frontend.dither = strcmp(noise, "silence") == 0 ? DITHER_SILENCE
			     : strcmp(noise, "all") == 0   ? DITHER_ALL
							   : DITHER_OFF;
	e->frontend.seed = (uint64_t)host->setting_int(host->context, settings, "dither_seed");
	e->max_seconds = host->setting_int(host->context, settings, "max_seconds");
	e->projects = strcmp(host->setting_string(host->context, settings, "rows"), "encoder") != 0;
}

static vita_status encoder_open(const vita_host *host, const vita_device *device,
				const vita_settings *settings, vita_encoder **out, vita_error *err)
{
	*out = NULL;
	vita_encoder *encoder = host_zeroed(host, 1, sizeof *encoder);
	if (!encoder) return vita_fail(err, VITA_E_NOMEM, "sensevoice: out of memory");
	encoder->host = host;
	encoder->device = device;
	read_settings(encoder, settings);
	vita_status status = sensevoice_load(encoder, settings, err);
	if (status == VITA_OK)
		*out = encoder;
	else
		encoder_close(encoder);
	return status;
}

static void encoder_describe(const vita_encoder *encoder, vita_encoder_info *info)
{
	info->output = VITA_ENCODER_FEATURES;
	info->sample_rate = FBANK_RATE_HZ;
	info->mix = VITA_MIX_MEAN | VITA_RESAMPLE_SINC;
	info->width = (uint32_t)encoder->sizes.projected;
	info->rate = (double)FBANK_RATE_HZ / (FBANK_SHIFT * LFR_STEP);
	info->latency_s = (double)encoder->max_seconds; /* the whole recording, however long it may be */
}

/* ---- streams -------------------------------------------------------------------------------------- */

static void stream_close(vita_encoder_stream *stream)
{
	if (!stream) return;
	const vita_host *host = stream->encoder->host;
	frontend_close(&stream->frontend);
	host_release(host, stream->rows);
	host_release(host, stream);
}

static vita_status stream_open(vita_encoder *encoder, vita_encoder_stream **out, vita_error *err)
{
	*out = NULL;
	vita_encoder_stream *stream = host_zeroed(encoder->host, 1, sizeof *stream);
	if (!stream) return vita_fail(err, VITA_E_NOMEM, "sensevoice: out of memory");
	stream->encoder = encoder;
	vita_status status = frontend_open(&stream->frontend, encoder->host, &encoder->frontend, err);
	if (status == VITA_OK)
		*out = stream;
	else
		stream_close(stream);
	return status;
}

static vita_status check_samples(const vita_encoder_stream *stream, const float *pcm, uint64_t n,
				 vita_error *err)
{
	uint64_t most = (uint64_t)stream->encoder->max_seconds * FBANK_RATE_HZ;
	if (n > most || stream->frontend.n_samples > most - n)
		return vita_fail(
			err, VITA_E_INVALID,
			"sensevoice: the recording is longer than %lld s; every row looks at the whole of "
			"it, so that time grows with its square ([encoder] max_seconds)",
			(long long)stream->encoder->max_seconds);
	for (uint64_t i = 0; i < n; i++)
		if (!(fabsf(pcm[i]) <= LOUDEST_SAMPLE))
			return vita_fail(
				err, VITA_E_INVALID,
				"sensevoice: sample %llu of a push is %g; samples are numbers, full scale ±1",
				(unsigned long long)i, (double)pcm[i]);
	return VITA_OK;
}

/* The recording is over: all rows at once. None come of a recording of no samples. */
static vita_status encode_all(vita_encoder_stream *stream, const vita_cancel *cancel, vita_error *err)
{
	const vita_encoder *encoder = stream->encoder;
	const frontend *f = &stream->frontend;
	if (f->n_rows == 0) return VITA_OK;
	uint64_t n = f->n_rows + SENSEVOICE_QUERIES, width = (uint64_t)encoder->sizes.projected;
	stream->rows = host_zeroed(encoder->host, n, width * sizeof *stream->rows);
	if (!stream->rows)
		return vita_fail(err, VITA_E_NOMEM, "sensevoice: no memory for %llu rows",
				 (unsigned long long)n);
	vita_status status = sensevoice_encode(encoder, f->rows, f->n_rows, stream->rows, cancel, err);
	if (status == VITA_OK) stream->n_rows = n;
	frontend_close(&stream->frontend);
	return status;
}

static vita_status push(vita_encoder_stream *stream, const float *pcm, uint64_t n, int32_t last,
			const vita_cancel *cancel, vita_error *err)
{
	if (stream->ended)
		return vita_fail(err, VITA_E_STATE,
				 "sensevoice: samples came after the end of the recording");
	vita_status status = check_samples(stream, pcm, n, err);
	if (status == VITA_OK) status = frontend_push(&stream->frontend, pcm, n, last, err);
	if (status == VITA_OK && last) status = encode_all(stream, cancel, err);
	stream->ended = last || status != VITA_OK;
	return status;
}

static vita_status pull(vita_encoder_stream *stream, int32_t *ids, float *rows, uint64_t capacity,
			uint64_t *n, vita_error *err)
{
	(void)ids, (void)err;
	uint64_t width = (uint64_t)stream->encoder->sizes.projected;
	*n = stream->n_rows - stream->at;
	if (*n > capacity) *n = capacity;
	if (*n > 0) memcpy(rows, stream->rows + stream->at * width, *n * width * sizeof *rows);
	stream->at += *n;
	return *n == 0 && stream->ended && stream->at == stream->n_rows ? VITA_END : VITA_OK;
}

static const void *get_extension(vita_encoder *encoder, const char *id)
{
	static const vita_match_api match = {sizeof match, 0, sensevoice_match};
	(void)encoder;
	return strcmp(id, VITA_MATCH_ID) == 0 ? &match : NULL;
}

/* ---- what the module tells its host --------------------------------------------------------------- */

static const vita_encoder_api api = {
	.struct_size = sizeof api,
	.flags = VITA_ENCODER_F_MATCH,
	.open = encoder_open,
	.close = encoder_close,
	.describe = encoder_describe,
	.stream_open = stream_open,
	.stream_close = stream_close,
	.push = push,
	.pull = pull,
	.get_extension = get_extension,
};

#define KEY(type, name, fallback, help, choices, min, max)                                                   \
	&(const vita_key)                                                                                    \
	{                                                                                                    \
		sizeof(vita_key), VITA_KEY_##type, name, fallback, help, choices, min, max                   \
	}

/* clang-format off */
static const vita_key *const keys[] = {
	KEY(PATH, "cmvn", NULL,
	    "am.mvn, the features' means and deviations; not given: beside [encoder] or [llm] model",
	    NULL, 0, 0),
	KEY(PATH, "projector", NULL,
	    "file with the projector; not given: where the encoder is, or [llm] model", NULL, 0, 0),
	KEY(CHOICE, "rows", "projected",
	    "rows for the language model, or the encoder's own, without a projector",
	    "projected encoder", 0, 0),
	KEY(CHOICE, "dtype", "as-is", "type to hold the weights in",
	    "as-is f32 f16 bf16 q8_0 q4_0 q4_1 q4_k q6_k", 0, 0),
	KEY(CHOICE, "positions", "f32",
	    "arithmetic of the position table: f32 as SenseVoice was trained, bf16 as VITA-Audio ran on a "
	    "GPU, bf16-cpu as on a CPU",
	    "f32 bf16 bf16-cpu", 0, 0),
	KEY(CHOICE, "dither", "off",
	    "noise of one 16-bit step: none, in frames of digital silence, or in all",
	    "off silence all", 0, 0),
	KEY(INT, "dither_seed", "0", "start of that noise's random numbers", NULL, 0, 0),
	KEY(INT, "max_seconds", "600", "longest recording; time grows with the square of the length",
	    NULL, 1, 7200),
	KEY(INT, "attention_heads", NULL,
	    "attention heads of the encoder; not given: as config.yaml says, else 4", NULL, 1, 4096),
};
/* clang-format on */

static const vita_factory factory = {
	.struct_size = sizeof factory,
	.interface_id = VITA_ENCODER_ID,
	.name = "sensevoice",
	.summary = "The SenseVoice encoder and projector of VITA-Audio-Plus: speech to rows for the language "
		   "model.",
	.api = &api,
	.keys = keys,
	.n_keys = sizeof keys / sizeof *keys,
};

static const vita_factory *const factories[] = {&factory};

static const vita_module module = {
	.struct_size = sizeof module,
	.abi_major = VITA_ABI_MAJOR,
	.abi_minor = VITA_ABI_MINOR,
	.n_factories = 1,
	.name = "encoder-sensevoice",
	.version = "1.0",
	.licence = "MIT",
	.factories = factories,
};

const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
