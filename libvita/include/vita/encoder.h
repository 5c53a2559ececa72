/* SPDX-License-Identifier: MIT
 *
 * vita/encoder.h - speech in. open -> (stream_open -> (push -> pull*)* -> stream_close)* -> close.
 *
 * An encoder turns samples into audio token ids (of its own codebook, from 0), or into feature rows
 * that replace rows of the LLM's input. The encoder holds weights and serves many streams; a stream
 * is one recording.
 */
#ifndef VITA_ENCODER_H
#define VITA_ENCODER_H

#include <vita/host.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VITA_ENCODER_ID "vita.encoder/1"

typedef struct vita_encoder vita_encoder;               /* the plugin defines both */
typedef struct vita_encoder_stream vita_encoder_stream;

#define VITA_ENCODER_TOKENS 0u    /* pull gives ids in 0 … vocab_size-1 */
#define VITA_ENCODER_FEATURES 1u  /* pull gives rows of `width` f32 values */

typedef struct vita_encoder_info {
	uint32_t struct_size;
	uint32_t output;        /* VITA_ENCODER_TOKENS or _FEATURES */
	uint32_t sample_rate;   /* of the samples that it wants, Hz; mono */
	uint32_t mix;           /* VITA_MIX_* (vita/audio.h): how channels become one; or'ed VITA_RESAMPLE_* */
	uint32_t vocab_size;    /* TOKENS */
	uint32_t width;         /* FEATURES: values a row, the LLM's hidden size */
	double rate;            /* tokens or rows a second of sound, on average */
	double latency_s;       /* sound needed beyond a token's own before it can come out */
	/* Samples, counted from the start of the recording, that are best pushed in one piece where they are at
	 * hand: then all tokens are those of the whole recording. 0: they are so whatever the pieces. */
	uint64_t segment;
} vita_encoder_info;

/* How far the tokens of a stream are from those of the recording as a whole, because they came out before all that
 * matters to them was known. get_extension(encoder, VITA_DEVIATION_ID) gives a vita_deviation_api where that can be. */
#define VITA_DEVIATION_ID "vita.deviation/1"

typedef struct vita_deviation {
	uint32_t struct_size;
	uint32_t reserved;
	uint64_t n_tokens;      /* made from features that are other in the whole; later ones may depend on them */
	double most_db;         /* by how much such a feature was too low, at most; dB of power */
} vita_deviation;

typedef struct vita_deviation_api {
	uint32_t struct_size;
	uint32_t reserved;

	/* Of the sound pushed so far whose segment has ended. Fills *out as far as its struct_size reaches. [one-thread] */
	void (*measure)(const vita_encoder_stream *stream, vita_deviation *out);
} vita_deviation_api;

/* get_extension(NULL, VITA_MATCH_ID) gives a vita_match_api (vita/host.h), with which the host finds the plugin for
 * [encoder] model where the config names none. */
#define VITA_ENCODER_F_MATCH 1u

typedef struct vita_encoder_api {
	uint32_t struct_size;
	uint32_t flags;         /* VITA_ENCODER_F_* */

	/* settings: this factory's keys of [encoder], and the host's `model` and `llm_model` (paths, of [llm] the
	 * latter: an encoder's weights may lie in the language model's checkpoint; "" where not given). Borrows host and
	 * device until close.
	 * OK | E_NOTFOUND | E_FORMAT | E_SHAPE | E_NOMEM | E_CONFIG               [any-thread, may-block] */
	vita_status (*open)(const vita_host *host, const vita_device *device, const vita_settings *settings,
	                    vita_encoder **out, vita_error *err);
	void (*close)(vita_encoder *encoder);                    /* NULL is a no-op         [one-thread] */
	void (*describe)(const vita_encoder *encoder, vita_encoder_info *info);              /* [any-thread] */

	vita_status (*stream_open)(vita_encoder *encoder, vita_encoder_stream **out, vita_error *err); /* [any-thread] */
	void (*stream_close)(vita_encoder_stream *stream);       /* NULL is a no-op         [one-thread] */

	/* n samples at sample_rate, full scale ±1, any n. With last = 1 (n may be 0) the recording ends and
	 * what is left is encoded; a further push is E_STATE.
	 * OK | E_INVALID | E_STATE | E_CANCELLED | E_NOMEM | E_DEVICE             [one-thread, may-block] */
	vita_status (*push)(vita_encoder_stream *stream, const float *pcm, uint64_t n, int32_t last,
	                    const vita_cancel *cancel, vita_error *err);

	/* What is ready: at most capacity tokens (ids) or rows (rows, dense [capacity, width]); the other
	 * pointer is NULL. *n = 0 when nothing is ready; END when nothing will be ready any more.
	 * OK | END                                                                [one-thread] */
	vita_status (*pull)(vita_encoder_stream *stream, int32_t *ids, float *rows, uint64_t capacity, uint64_t *n,
	                    vita_error *err);

	const void *(*get_extension)(vita_encoder *encoder, const char *id);     /* NULL where absent [any-thread] */
} vita_encoder_api;

/* ---- for hosts: calls of an encoder; what it must not answer becomes E_INTERNAL ---- */

VITA_UNUSED static inline vita_status vita_encoder_stream_open(const vita_encoder_api *api, vita_encoder *encoder,
                                                               vita_encoder_stream **out, vita_error *err)
{
	*out = NULL;
	vita_status status = vita_answer(api->stream_open(encoder, out, err), "the encoder", "stream_open", err);
	if (status != VITA_OK || *out) return status;
	return vita_fail(err, VITA_E_INTERNAL, "the encoder opened a stream and gave none");
}

VITA_UNUSED static inline vita_status vita_encoder_push(const vita_encoder_api *api, vita_encoder_stream *stream,
                                                        const float *pcm, uint64_t n, int32_t last,
                                                        const vita_cancel *cancel, vita_error *err)
{
	return vita_answer(api->push(stream, pcm, n, last, cancel, err), "the encoder", "push", err);
}

VITA_UNUSED static inline vita_status vita_encoder_pull(const vita_encoder_api *api, vita_encoder_stream *stream,
                                                        const vita_encoder_info *info, int32_t *ids, float *rows,
                                                        uint64_t capacity, uint64_t *n, vita_error *err)
{
	*n = 0;
	vita_status status = api->pull(stream, ids, rows, capacity, n, err);
	if (status != VITA_END) status = vita_answer(status, "the encoder", "pull", err);
	if (status >= VITA_OK && *n > capacity)
		status = vita_fail(err, VITA_E_INTERNAL, "the encoder gave %llu tokens where %llu were asked for",
		                   (unsigned long long)*n, (unsigned long long)capacity);
	for (uint64_t i = 0; ids && i < *n && status >= VITA_OK; i++)
		if (ids[i] < 0 || (uint32_t)ids[i] >= info->vocab_size)
			status = vita_fail(err, VITA_E_INTERNAL, "the encoder gave token %ld; its codebook has %lu", (long)ids[i],
			                   (unsigned long)info->vocab_size);
	if (status < 0) *n = 0;
	return status;
}

/* E_INTERNAL once a stream of n_samples gave n_tokens (or rows), more than ten times those of the sound and a minute on
 * average (of an unknown rate: one a sample). Such an encoder does not end. */
VITA_UNUSED static inline vita_status vita_encoder_check_length(const vita_encoder_info *info, uint64_t n_samples,
                                                                uint64_t n_tokens, vita_error *err)
{
	double seconds = (double)n_samples / info->sample_rate, rate = info->rate > 0 ? info->rate : info->sample_rate;
	if ((double)n_tokens <= rate * (60 + 10 * seconds)) return VITA_OK;
	return vita_fail(err, VITA_E_INTERNAL, "the encoder does not end: it gave %llu tokens for %.1f s of sound",
	                 (unsigned long long)n_tokens, seconds);
}

#ifdef __cplusplus
}
#endif
#endif
