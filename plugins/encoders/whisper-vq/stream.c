/* SPDX-License-Identifier: MIT
 *
 * Encoder whisper-vq: a recording as it comes. Samples become rows of features at once; blocks are encoded as soon as
 * they are full and known, the last one when the recording or its segment ends.
 *
 * All that a block is computed from lies before its end, but for one thing: features count what is 80 dB below the
 * loudest of the whole segment as being just that. While somebody still speaks the loudest so far must do. A louder
 * sound later would then have changed blocks that are out already; the log says so where it happened. What is pushed
 * at once is listened to before any of it is encoded, so a segment that comes in one piece is exact.
 */
#include "whisper.h"

#include <math.h>

/* Segments that the reference computes at once; the last of them are padded to the longest. */
#define BATCH 128

#define LOUDEST_SAMPLE 1e9f /* squares of sums of these are still numbers */

struct vita_encoder_stream {
	vita_encoder *encoder;
	whisper_features features;
	whisper_pass pass;
	int64_t segment; /* number of the present one */
	int64_t n;       /* its samples so far */
	int64_t done;    /* its frames that are encoded, whole blocks */
	float *floors;   /* [blocks] that they were encoded with */
	int32_t *ids;    /* ready: from ids_at to n_ids */
	uint64_t n_ids, ids_at, capacity;
	uint64_t n_deviating; /* tokens of blocks that a louder sound came after */
	float most;           /* by which log10 of a feature's power was too low */
	int32_t ended, warned;
};

/* ---- open and close ----------------------------------------------------------------------------------- */

void whisper_stream_close(vita_encoder_stream *s)
{
	if (!s) return;
	const vita_host *host = s->encoder->host;
	whisper_pass_free(s->encoder, &s->pass);
	whisper_features_close(&s->features);
	host_release(host, s->floors);
	host_release(host, s->ids);
	host_release(host, s);
}

vita_status whisper_stream_open(vita_encoder *encoder, vita_encoder_stream **out, vita_error *err)
{
	const vita_host *host = encoder->host;
	const whisper_config *c = &encoder->config;
	*out = NULL;
	vita_encoder_stream *s = host_zeroed(host, 1, sizeof *s);
	if (!s) return vita_fail(err, VITA_E_NOMEM, "whisper-vq: no memory for a stream");
	s->encoder = encoder;
	vita_status status = whisper_features_open(&s->features, host, c, err);
	if (status == VITA_OK) {
		int64_t n_blocks = c->segment / whisper_frame_samples(c) / c->block + 1;
		s->floors = host_zeroed(host, (uint64_t)n_blocks, sizeof *s->floors);
		s->pass.caches = host_zeroed(host, (uint64_t)c->n_layers, sizeof *s->pass.caches);
		if (!s->floors || !s->pass.caches)
			status = vita_fail(err, VITA_E_NOMEM, "whisper-vq: no memory for a stream");
	}
	if (status == VITA_OK)
		*out = s;
	else
		whisper_stream_close(s);
	return status;
}

/* ---- encoding ----------------------------------------------------------------------------------------- */

static vita_status make_room(vita_encoder_stream *s, uint64_t n, vita_error *err)
{
	const vita_host *host = s->encoder->host;
	if (s->n_ids + n <= s->capacity) return VITA_OK;
	uint64_t capacity = 2 * s->capacity + n;
	int32_t *ids = host->reallocate(host->context, s->ids, capacity * sizeof *ids);
	if (!ids)
		return vita_fail(err, VITA_E_NOMEM, "whisper-vq: no memory for %llu tokens",
				 (unsigned long long)capacity);
	s->ids = ids;
	s->capacity = capacity;
	return VITA_OK;
}

/* Encode frames from `done` to `end`. */
static vita_status encode(vita_encoder_stream *s, int64_t end, int32_t whole, const vita_cancel *cancel,
			  vita_error *err)
{
	const whisper_config *c = &s->encoder->config;
	const int64_t frame = whisper_frame_samples(c);
	const whisper_span span = {s->done, end - s->done, (s->n + frame - 1) / frame, whole};
	if (span.n <= 0) return VITA_OK;
	vita_status status = make_room(s, (uint64_t)(span.n / c->pool), err);
	if (status == VITA_OK)
		status = whisper_pass_run(s->encoder, &s->pass, &s->features, &span, s->ids + s->n_ids,
					  cancel, err);
	if (status != VITA_OK) return status;
	for (int64_t b = span.first / c->block; b * c->block < end; b++)
		s->floors[b] = whisper_features_floor(&s->features);
	s->n_ids += (uint64_t)(span.n / c->pool);
	s->done = end;
	return VITA_OK;
}

/* Of the blocks that were encoded before the loudest sound came: how far are their features off? */
static void report_deviation(vita_encoder_stream *s)
{
	const whisper_config *c = &s->encoder->config;
	const int64_t block = c->block * WHISPER_STRIDE;
	uint64_t changed = 0;
	float most = 0;
	for (int64_t b = 0; (b + 1) * c->block <= s->done && (b + 1) * block <= s->features.n_rows; b++) {
		uint64_t n = whisper_features_changed(&s->features, b * block, block, s->floors[b], &most);
		s->n_deviating += n > 0 ? (uint64_t)(c->block / c->pool) : 0;
		changed += n;
	}
	if (changed == 0) return;
	if (most > s->most) s->most = most;
	vita_logf(
		s->encoder->host, s->warned ? VITA_LOG_INFO : VITA_LOG_WARNING, "whisper-vq",
		"segment from %.0f s: a sound came that was louder than all before it, and %llu of %llu "
		"features of "
		"blocks that were encoded already lie up to %.1f dB below what they are in the whole segment",
		(double)(s->segment * c->segment) / (double)c->rate_hz, (unsigned long long)changed,
		(unsigned long long)(s->done * WHISPER_STRIDE * c->n_mels), 10 * (double)most);
	s->warned = 1;
}

/* The segment ends where it stands. The reference pads the last segment of a recording to a whole number of codes,
 * but to a full segment where another is in the same batch; that may only matter to the loudest. */
static vita_status end_segment(vita_encoder_stream *s, const vita_cancel *cancel, vita_error *err)
{
	const whisper_config *c = &s->encoder->config;
	const int64_t code = whisper_code_samples(c), padded = (s->n + code - 1) / code * code;
	int64_t heard = padded;
	if (s->segment % BATCH != 0) {
		heard += (c->n_fft + c->hop - 1) / c->hop * c->hop; /* later rows are silent */
		if (heard > c->segment) heard = c->segment;
	}
	whisper_features_end(&s->features, s->n, heard);
	vita_status status = encode(s, padded / whisper_frame_samples(c), 1, cancel, err);
	if (status != VITA_OK) return status;
	report_deviation(s);
	whisper_features_reset(&s->features);
	s->segment++;
	s->n = s->done = 0;
	return VITA_OK;
}

/* Encode the blocks that are full. */
static vita_status encode_ready(vita_encoder_stream *s, const vita_cancel *cancel, vita_error *err)
{
	const whisper_config *c = &s->encoder->config;
	if (s->encoder->exact) return VITA_OK;
	return encode(s, s->n / whisper_frame_samples(c) / c->block * c->block, 0, cancel, err);
}

/* ---- push and pull ------------------------------------------------------------------------------------ */

static vita_status check_samples(const float *pcm, uint64_t n, vita_error *err)
{
	for (uint64_t i = 0; i < n; i++)
		if (!(fabsf(pcm[i]) <= LOUDEST_SAMPLE))
			return vita_fail(
				err, VITA_E_INVALID,
				"whisper-vq: sample %llu of a push is %g; samples are numbers, full scale ±1",
				(unsigned long long)i, (double)pcm[i]);
	return VITA_OK;
}

static vita_status hear(vita_encoder_stream *s, const float *pcm, uint64_t n, const vita_cancel *cancel,
			vita_error *err)
{
	const int64_t segment = s->encoder->config.segment;
	for (uint64_t at = 0; at < n;) {
		uint64_t room = (uint64_t)(segment - s->n), take = n - at < room ? n - at : room;
		whisper_features_push(&s->features, pcm + at, take);
		at += take;
		s->n += (int64_t)take;
		if (s->n < segment) continue;
		vita_status status = end_segment(s, cancel, err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

vita_status whisper_push(vita_encoder_stream *s, const float *pcm, uint64_t n, int32_t last,
			 const vita_cancel *cancel, vita_error *err)
{
	if (s->ended)
		return vita_fail(err, VITA_E_STATE,
				 "whisper-vq: samples came after the end of the recording");
	vita_status status = check_samples(pcm, n, err);
	if (status == VITA_OK) status = hear(s, pcm, n, cancel, err);
	if (status == VITA_OK && !last) status = encode_ready(s, cancel, err);
	if (status == VITA_OK && last && s->n > 0) status = end_segment(s, cancel, err);
	s->ended = last || status != VITA_OK;
	return status;
}

vita_status whisper_pull(vita_encoder_stream *s, int32_t *ids, float *rows, uint64_t capacity, uint64_t *n,
			 vita_error *err)
{
	(void)rows, (void)err;
	*n = s->n_ids - s->ids_at;
	if (*n > capacity) *n = capacity;
	if (*n > 0) memcpy(ids, s->ids + s->ids_at, *n * sizeof *ids);
	s->ids_at += *n;
	if (s->ids_at < s->n_ids) return VITA_OK;
	s->ids_at = s->n_ids = 0;
	return *n == 0 && s->ended ? VITA_END : VITA_OK;
}

void whisper_deviation(const vita_encoder_stream *s, vita_deviation *out)
{
	const vita_deviation all = {out->struct_size, 0, s->n_deviating, 10 * (double)s->most};
	memcpy(out, &all, out->struct_size < sizeof all ? out->struct_size : sizeof all);
}
