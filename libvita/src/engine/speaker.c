/* SPDX-License-Identifier: MIT
 *
 * The answer's tokens become text as soon as their characters are whole, and sound chunk by chunk.
 */
#include "engine/running.h"

#include <stdlib.h>

#define PULL_SAMPLES 4096u

vita_status vita_speaker_open(vita_running *r)
{
	const vita_engine *engine = r->engine;
	memset(&r->speaker, 0, sizeof r->speaker);
	r->speaker.wants_sound = engine->codec && r->events.audio && r->turn->task != VITA_TASK_ASR &&
	                         engine->markers.audio_count > 0;
	if (!engine->tokenizer || !r->events.text) return VITA_OK;
	return vita_text_stream_open(engine->tokenizer, VITA_DECODE_SKIP_SPECIAL, &r->speaker.text, r->err);
}

void vita_speaker_close(vita_running *r)
{
	vita_speaker *speaker = &r->speaker;
	if (speaker->sound) r->engine->codec_api->stream_close(speaker->sound);
	vita_text_stream_close(speaker->text);
	free(speaker->waiting);
	memset(speaker, 0, sizeof *speaker);
}

/* ---- sound ---------------------------------------------------------------------------------------- */

static vita_status tell_samples(vita_running *r, const float *pcm, uint64_t n)
{
	vita_turn_result *result = &r->result;
	if (result->n_samples == 0) result->first_audio_ms = vita_clock_ms() - r->question_end;
	result->n_samples += n;
	result->answer_s = (double)result->n_samples / r->engine->codec_info.sample_rate;
	return r->events.audio(r->events.user, pcm, n, r->err);
}

/* Hand out all that is ready. */
static vita_status pull_samples(vita_running *r)
{
	const vita_codec_api *api = r->engine->codec_api;
	float pcm[PULL_SAMPLES];
	for (;;) {
		uint64_t n = 0;
		vita_status status = vita_codec_pull(api, r->speaker.sound, pcm, PULL_SAMPLES, &n, r->err);
		if (status < 0) return status;
		vita_status told = n ? tell_samples(r, pcm, n) : VITA_OK;
		if (told == VITA_OK)
			told = vita_codec_check_length(&r->engine->codec_info, r->speaker.n_given, r->result.n_samples, r->err);
		if (told != VITA_OK) return told;
		if (status == VITA_END || n == 0) return VITA_OK;
		if ((status = vita_running_check(r)) != VITA_OK) return status;
	}
}

/* Give what was gathered to the codec. */
static vita_status push_chunk(vita_running *r, int last)
{
	vita_speaker *speaker = &r->speaker;
	const vita_engine *engine = r->engine;
	const vita_codec_api *api = engine->codec_api;
	vita_status status = VITA_OK;
	if (!speaker->sound) status = vita_codec_stream_open(api, engine->codec, &speaker->sound, r->err);
	if (status == VITA_OK)
		status = vita_codec_push(api, speaker->sound, speaker->waiting, speaker->n_waiting, last, r->turn->cancel,
		                         r->err);
	if (status != VITA_OK) return status;
	speaker->n_given += speaker->n_waiting;
	speaker->n_waiting = 0;
	speaker->n_chunks++;
	return pull_samples(r);
}

uint64_t vita_speaker_missing(const vita_running *r)
{
	const vita_speaker *speaker = &r->speaker;
	uint32_t chunk = speaker->wants_sound ? vita_engine_chunk(r->engine, speaker->n_chunks) : 0;
	return chunk == 0 ? UINT64_MAX : chunk > speaker->n_waiting ? chunk - speaker->n_waiting : 1;
}

static vita_status gather(vita_running *r, int32_t code)
{
	vita_speaker *speaker = &r->speaker;
	const vita_engine *engine = r->engine;
	if (speaker->n_waiting == speaker->capacity) {
		uint32_t capacity = speaker->capacity * 2 + 64;
		int32_t *waiting = realloc(speaker->waiting, capacity * sizeof *waiting);
		if (!waiting)
			return vita_fail(r->err, VITA_E_NOMEM, "no memory for %u audio tokens",
			                 (unsigned)capacity);
		speaker->waiting = waiting;
		speaker->capacity = capacity;
	}
	speaker->waiting[speaker->n_waiting++] = code;
	uint32_t chunk = vita_engine_chunk(engine, speaker->n_chunks);
	if (chunk == 0 || speaker->n_waiting < chunk) return VITA_OK;
	return push_chunk(r, 0);
}

/* ---- text ----------------------------------------------------------------------------------------- */

/* Markers are never text, whether or not the tokenizer flags them as special; nor is an id without a
 * string. */
static int is_text(const vita_running *r, int32_t id)
{
	const vita_markers *markers = &r->engine->markers;
	uint64_t size;
	if (id == markers->begin_audio || id == markers->end_audio || id == markers->context_audio ||
	    id == markers->message_start || id == markers->message_end || vita_answer_ends(r, id))
		return 0;
	return vita_tokenizer_bytes(r->engine->tokenizer, id, &size, NULL) != NULL;
}

static vita_status tell_text(vita_running *r, const char *text, uint64_t size)
{
	return size ? r->events.text(r->events.user, text, size, r->err) : VITA_OK;
}

vita_status vita_speaker_token(vita_running *r, int32_t id)
{
	const vita_markers *markers = &r->engine->markers;
	if (markers->audio_count > 0 && id >= markers->audio_first &&
	    id - markers->audio_first < markers->audio_count) {
		r->result.n_audio_tokens++;
		return r->speaker.wants_sound ? gather(r, id - markers->audio_first) : VITA_OK;
	}
	const char *text;
	uint64_t size;
	if (!r->speaker.text || !is_text(r, id)) return VITA_OK;
	vita_status status = vita_text_stream_push(r->speaker.text, id, &text, &size, r->err);
	return status == VITA_OK ? tell_text(r, text, size) : status;
}

vita_status vita_speaker_finish(vita_running *r)
{
	vita_status status = VITA_OK;
	if (r->speaker.text) {
		const char *text;
		uint64_t size;
		status = vita_text_stream_finish(r->speaker.text, &text, &size, r->err);
		if (status == VITA_OK) status = tell_text(r, text, size);
	}
	if (status == VITA_OK && (r->speaker.sound || r->speaker.n_waiting > 0)) status = push_chunk(r, 1);
	return status;
}
