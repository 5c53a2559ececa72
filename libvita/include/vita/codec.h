/* SPDX-License-Identifier: MIT
 *
 * vita/codec.h - speech out. open -> (stream_open -> (push -> pull*)* -> stream_close)* -> close.
 *
 * A codec turns audio token ids (of its own codebook, from 0) into samples. Its work for a chunk grows
 * with the chunk, never with all that was said before; a stream keeps what is needed to join chunks
 * without a click.
 */
#ifndef VITA_CODEC_H
#define VITA_CODEC_H

#include <vita/host.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VITA_CODEC_ID "vita.codec/1"

typedef struct vita_codec vita_codec;               /* the plugin defines both */
typedef struct vita_codec_stream vita_codec_stream;

typedef struct vita_codec_info {
	uint32_t struct_size;
	uint32_t sample_rate;   /* of the samples that come out, Hz; mono */
	uint32_t vocab_size;    /* ids are 0 … vocab_size-1 */
	uint32_t min_chunk;     /* tokens below which a chunk gives no sound yet (a frame), at least 1 */
	double rate;            /* tokens a second of sound, on average; 0: not known */
	double latency_s;       /* sound held back until more tokens come */
} vita_codec_info;

/* get_extension(NULL, VITA_MATCH_ID) gives a vita_match_api (vita/host.h), with which the host finds the plugin for
 * [codec] model where the config names none. */
#define VITA_CODEC_F_MATCH 1u

typedef struct vita_codec_api {
	uint32_t struct_size;
	uint32_t flags;         /* VITA_CODEC_F_* */

	/* settings: this factory's keys of [codec], and the host's `model` (path; "" where not given).
	 * Borrows host and device until close.
	 * OK | E_NOTFOUND | E_FORMAT | E_SHAPE | E_NOMEM | E_CONFIG               [any-thread, may-block] */
	vita_status (*open)(const vita_host *host, const vita_device *device, const vita_settings *settings,
	                    vita_codec **out, vita_error *err);
	void (*close)(vita_codec *codec);                        /* NULL is a no-op         [one-thread] */
	void (*describe)(const vita_codec *codec, vita_codec_info *info);                    /* [any-thread] */

	vita_status (*stream_open)(vita_codec *codec, vita_codec_stream **out, vita_error *err); /* [any-thread] */
	void (*stream_close)(vita_codec_stream *stream);         /* NULL is a no-op         [one-thread] */

	/* Synthesise a chunk of n tokens, any n. With last = 1 (n may be 0) the tail is flushed; a further
	 * push is E_STATE. E_INVALID names an id outside the codebook; nothing of that chunk is synthesised.
	 * OK | E_INVALID | E_STATE | E_CANCELLED | E_NOMEM | E_DEVICE             [one-thread, may-block] */
	vita_status (*push)(vita_codec_stream *stream, const int32_t *ids, uint64_t n, int32_t last,
	                    const vita_cancel *cancel, vita_error *err);

	/* At most capacity samples that are ready, full scale ±1. *n = 0 when none is; END when none will be.
	 * OK | END                                                                [one-thread] */
	vita_status (*pull)(vita_codec_stream *stream, float *pcm, uint64_t capacity, uint64_t *n, vita_error *err);

	const void *(*get_extension)(vita_codec *codec, const char *id);         /* NULL where absent [any-thread] */
} vita_codec_api;

/* ---- for hosts: calls of a codec; what it must not answer becomes E_INTERNAL ---- */

VITA_UNUSED static inline vita_status vita_codec_stream_open(const vita_codec_api *api, vita_codec *codec,
                                                             vita_codec_stream **out, vita_error *err)
{
	*out = NULL;
	vita_status status = vita_answer(api->stream_open(codec, out, err), "the codec", "stream_open", err);
	if (status != VITA_OK || *out) return status;
	return vita_fail(err, VITA_E_INTERNAL, "the codec opened a stream and gave none");
}

VITA_UNUSED static inline vita_status vita_codec_push(const vita_codec_api *api, vita_codec_stream *stream,
                                                      const int32_t *ids, uint64_t n, int32_t last,
                                                      const vita_cancel *cancel, vita_error *err)
{
	return vita_answer(api->push(stream, ids, n, last, cancel, err), "the codec", "push", err);
}

VITA_UNUSED static inline vita_status vita_codec_pull(const vita_codec_api *api, vita_codec_stream *stream, float *pcm,
                                                      uint64_t capacity, uint64_t *n, vita_error *err)
{
	*n = 0;
	vita_status status = api->pull(stream, pcm, capacity, n, err);
	if (status != VITA_END) status = vita_answer(status, "the codec", "pull", err);
	if (status >= VITA_OK && *n > capacity)
		status = vita_fail(err, VITA_E_INTERNAL, "the codec gave %llu samples where %llu were asked for",
		                   (unsigned long long)*n, (unsigned long long)capacity);
	if (status < 0) *n = 0;
	return status;
}

/* E_INTERNAL once a stream of n_tokens gave n_samples, a minute more than ten times the sound that so many tokens are on
 * average (of an unknown rate: a second each). Such a codec does not end. */
VITA_UNUSED static inline vita_status vita_codec_check_length(const vita_codec_info *info, uint64_t n_tokens,
                                                              uint64_t n_samples, vita_error *err)
{
	double seconds = (double)n_samples / info->sample_rate, rate = info->rate > 0 ? info->rate : 1;
	if (seconds <= 60 + 10 * (double)n_tokens / rate) return VITA_OK;
	return vita_fail(err, VITA_E_INTERNAL, "the codec does not end: it gave %.0f s of sound for %llu tokens", seconds,
	                 (unsigned long long)n_tokens);
}

#ifdef __cplusplus
}
#endif
#endif
