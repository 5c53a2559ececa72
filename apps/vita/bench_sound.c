/* SPDX-License-Identifier: MIT
 *
 * vita bench: the two ends, sound to tokens and tokens to sound.
 */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#define HEARD_SECONDS 30 /* of sound that an encoder hears: a segment of Whisper */
#define PULL 4096

static double now(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A gliding tone with a little noise: something for every stage of an encoder to do. */
static void make_sound(float *pcm, uint64_t n, uint32_t rate_hz)
{
	uint32_t noise = 1;
	double phase = 0;
	for (uint64_t i = 0; i < n; i++) {
		double t = (double)i / rate_hz;
		noise = noise * 1664525u + 1013904223u;
		phase += 6.283185307179586 * (150 + 100 * sin(t)) / rate_hz;
		pcm[i] = (float)(0.3 * sin(phase) + 0.1 * sin(3 * phase)) + ((float)(noise >> 8) / 16777216.0f - 0.5f) * 0.02f;
	}
}

/* Take out all that is ready; ids or rows do not matter here. */
static vita_status drain_encoder(const vita_encoder_api *api, vita_encoder_stream *stream, const vita_encoder_info *info,
                                 uint64_t n_samples, void *space, vita_error *err)
{
	for (uint64_t total = 0;;) {
		uint64_t n = 0;
		int tokens = info->output == VITA_ENCODER_TOKENS;
		vita_status status = vita_encoder_pull(api, stream, info, tokens ? space : NULL, tokens ? NULL : space, PULL,
		                                       &n, err);
		total += n;
		if (status == VITA_OK) status = vita_encoder_check_length(info, n_samples, total, err);
		if (status != VITA_OK || n == 0) return status < 0 ? status : VITA_OK;
	}
}

static vita_status encode_once(struct bench *b, const float *pcm, uint64_t n, void *space, double *seconds)
{
	vita_encoder *encoder;
	vita_encoder_stream *stream = NULL;
	const vita_encoder_api *api = vita_engine_encoder(b->cli->engine, &encoder);
	const vita_encoder_info *info = b->cli->info.encoder_info;
	vita_error *err = &b->cli->err;
	double start = now();
	vita_status status = vita_encoder_stream_open(api, encoder, &stream, err);
	if (status == VITA_OK) status = vita_encoder_push(api, stream, pcm, n, 1, cli_cancel, err);
	if (status == VITA_OK) status = drain_encoder(api, stream, info, n, space, err);
	*seconds = now() - start;
	api->stream_close(stream);
	return status;
}

vita_status bench_encoder(struct bench *b)
{
	const vita_encoder_info *info = b->cli->info.encoder_info;
	uint64_t n = (uint64_t)info->sample_rate * HEARD_SECONDS, width = info->output == VITA_ENCODER_TOKENS ? 1 : info->width;
	float *pcm = malloc(n * sizeof *pcm);
	void *space = calloc(PULL * width, sizeof(float));
	double values[BENCH_MAX_RUNS];
	vita_status status = pcm && space ? VITA_OK : vita_fail(&b->cli->err, VITA_E_NOMEM, "no memory for %d s of sound", HEARD_SECONDS);
	if (status == VITA_OK) make_sound(pcm, n, info->sample_rate);
	for (uint32_t i = 0; i <= b->runs && status == VITA_OK; i++) {
		double seconds = 0;
		progress_show("encoder", i, b->runs + 1);
		status = encode_once(b, pcm, n, space, &seconds);
		if (i > 0) values[i - 1] = seconds / HEARD_SECONDS;
	}
	if (status == VITA_OK) (void)json_object_set_new(b->report, "encoder_rtf", json_real(bench_median(values, b->runs)));
	free(pcm);
	free(space);
	return status;
}

/* Tokens as the encoder of the same config would give them are not to be had; any tokens take as long. */
static vita_status decode_once(struct bench *b, const int32_t *ids, uint64_t n, float *space, double *seconds, uint64_t *samples)
{
	vita_codec *codec;
	vita_codec_stream *stream = NULL;
	const vita_codec_api *api = vita_engine_codec(b->cli->engine, &codec);
	vita_error *err = &b->cli->err;
	double start = now();
	vita_status status = vita_codec_stream_open(api, codec, &stream, err);
	if (status == VITA_OK) status = vita_codec_push(api, stream, ids, n, 1, cli_cancel, err);
	*samples = 0;
	while (status == VITA_OK) {
		uint64_t pulled = 0;
		status = vita_codec_pull(api, stream, space, PULL, &pulled, err);
		*samples += pulled;
		if (status == VITA_OK) status = vita_codec_check_length(b->cli->info.codec_info, n, *samples, err);
		if (pulled == 0) break;
	}
	*seconds = now() - start;
	api->stream_close(stream);
	return status < 0 ? status : VITA_OK;
}

vita_status bench_codec(struct bench *b)
{
	const vita_codec_info *info = b->cli->info.codec_info;
	uint64_t n = (uint64_t)(info->rate * b->seconds), samples = 0;
	uint32_t x = 1;
	int32_t *ids = malloc((n + 1) * sizeof *ids);
	float *space = malloc(PULL * sizeof *space);
	double values[BENCH_MAX_RUNS];
	vita_status status = ids && space ? VITA_OK : vita_fail(&b->cli->err, VITA_E_NOMEM, "no memory for %u s of sound", b->seconds);
	for (uint64_t i = 0; i < n && status == VITA_OK; i++) {
		x = x * 1664525u + 1013904223u;
		ids[i] = (int32_t)((x >> 8) % info->vocab_size);
	}
	for (uint32_t i = 0; i <= b->runs && status == VITA_OK; i++) {
		double seconds = 0;
		progress_show("codec", i, b->runs + 1);
		status = decode_once(b, ids, n, space, &seconds, &samples);
		if (i > 0) values[i - 1] = samples ? seconds / ((double)samples / info->sample_rate) : 0;
	}
	if (status == VITA_OK && samples > 0)
		(void)json_object_set_new(b->report, "codec_rtf", json_real(bench_median(values, b->runs)));
	free(ids);
	free(space);
	return status;
}
