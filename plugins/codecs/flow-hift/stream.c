/* SPDX-License-Identifier: MIT
 *
 * Speech as its codes come, at a cost that depends on the chunk and not on what was said before.
 *
 *   codes       a chunk is decoded together with a few codes before it. The spectrogram that those gave is known and
 *               told to the estimator, as it was trained to fill in the rest of a spectrogram
 *   frames      all positions are counted from the beginning of the speech, and noise is chosen by position. The
 *               last frames of a chunk are held back, made again with the next, and faded from one into the other; the two
 *               weights always add up to one
 *   sound       frames that are final go through the vocoder in windows with HIFT_REACH more on either side, which
 *               gives what the whole at once would give; the phases of its source run on
 *
 * Speech that comes whole is the same with one chunk and nothing before it.
 */
#include "flow_hift.h"

#include <math.h>

#define WINDOW_FRAMES 320 /* of the vocoder at a time: bounds its memory */

/* Values that come at the end and go at the front. */
typedef struct queue {
	float *value;
	uint64_t first, n, capacity; /* value[first … first + n - 1] are there */
} queue;

struct vita_codec_stream {
	vita_codec *codec;
	flow_space flow_space;
	hift_space hift_space;
	noise_stream noise;

	int32_t *codes;         /* from code number first_code on: context, then those that wait */
	int64_t first_code, n_codes, codes_capacity, n_decoded; /* n_decoded: of all codes since the beginning */

	queue mel;              /* final frames, [frame][mel], from frame number first_frame on */
	int64_t first_frame, n_final, n_sounded; /* frames since the beginning */
	float *held;            /* [n_held][mel]: what the last chunk would go on with */
	int64_t n_held;

	source_state source;
	float *tail;            /* source of the last n_tail frames that sounded */
	int64_t n_tail;
	queue pcm;
	int32_t begun, ended;   /* ended: last was pushed, or a push failed half-way */
};

static vita_status fail_memory(vita_error *err)
{
	return vita_fail(err, VITA_E_NOMEM, "flow-hift: out of memory while decoding");
}

/* ---- queues ---------------------------------------------------------------------------------------- */

/* Room for n more values at the end; NULL where there is no memory. */
static float *queue_room(const vita_host *host, queue *q, uint64_t n)
{
	if (q->first > 0 && q->n > 0) memmove(q->value, q->value + q->first, q->n * sizeof *q->value);
	q->first = 0;
	if (q->n + n > q->capacity) {
		const uint64_t capacity = q->n + n + q->n / 2;
		float *grown = host->reallocate(host->context, q->value, capacity * sizeof *grown);
		if (!grown) return NULL;
		q->value = grown;
		q->capacity = capacity;
	}
	return q->value + q->n;
}

static void queue_drop(queue *q, uint64_t n)
{
	q->first += n;
	q->n -= n;
}

/* ---- open and close -------------------------------------------------------------------------------- */

vita_status stream_open(vita_codec *codec, vita_codec_stream **out, vita_error *err)
{
	const vita_host *host = codec->host;
	*out = NULL;
	vita_codec_stream *s = host_zeroed(host, 1, sizeof *s);
	if (!s) return fail_memory(err);
	s->codec = codec;
	s->held = host_zeroed(host, (uint64_t)(codec->flow.encoder.mel * (codec->overlap + 1)), sizeof *s->held);
	s->tail = host_zeroed(host, (uint64_t)(HIFT_REACH * codec->hift.config.frame_samples), sizeof *s->tail);
	if (!s->held || !s->tail) {
		stream_close(s);
		return fail_memory(err);
	}
	*out = s;
	return VITA_OK;
}

void stream_close(vita_codec_stream *s)
{
	if (!s) return;
	const vita_host *host = s->codec->host;
	flow_space_free(s->codec->device, &s->flow_space);
	hift_space_free(s->codec->device, &s->hift_space);
	host_release(host, s->codes);
	host_release(host, s->mel.value);
	host_release(host, s->held);
	host_release(host, s->tail);
	host_release(host, s->pcm.value);
	host_release(host, s);
}

/* ---- the vocoder ----------------------------------------------------------------------------------- */

/* Frames first … first + n - 1 in the vocoder's order, [mel][n]. */
static void turn_frames(const vita_codec_stream *s, int64_t first, int64_t n, float *out)
{
	const int64_t mel = s->codec->flow.encoder.mel;
	const float *from = s->mel.value + s->mel.first + (first - s->first_frame) * mel;
	for (int64_t t = 0; t < n; t++)
		for (int64_t c = 0; c < mel; c++) out[c * n + t] = from[t * mel + c];
}

/* One window: `left` frames that have sounded, n that shall, `right` that are known already. */
typedef struct window {
	int64_t left, n, right, all;
	float *mel, *f0, *g, *source, *pcm;
} window;

static void window_free(const vita_host *host, window *w)
{
	host_release(host, w->mel);
	host_release(host, w->f0);
	host_release(host, w->g);
	host_release(host, w->source);
	host_release(host, w->pcm);
}

static vita_status window_take(const vita_codec *codec, window *w, vita_error *err)
{
	const vita_host *host = codec->host;
	const uint64_t all = (uint64_t)w->all, samples = all * (uint64_t)codec->hift.config.frame_samples;
	w->mel = host_zeroed(host, all * (uint64_t)codec->hift.mel, sizeof(float));
	w->f0 = host_zeroed(host, all, sizeof(float));
	w->g = host_zeroed(host, samples * (uint64_t)codec->noise.n_sines, sizeof(float));
	w->source = host_zeroed(host, samples, sizeof(float));
	w->pcm = host_zeroed(host, samples, sizeof(float));
	return w->mel && w->f0 && w->g && w->source && w->pcm ? VITA_OK : fail_memory(err);
}

/* The source of the window: what was made before, the frames that shall sound, and a look ahead that will be made again
 * once what follows is known. */
static void make_source(vita_codec_stream *s, const window *w)
{
	const hift *h = &s->codec->hift;
	const int64_t samples = h->config.frame_samples;
	memcpy(w->source, s->tail + (s->n_tail - w->left) * samples, (size_t)(w->left * samples) * sizeof(float));
	noise_samples(&s->noise, w->n * samples, w->g);
	source_make(&h->config, &h->mix, &s->source, s->noise.phase, w->f0 + w->left, w->g, w->n, w->source + w->left * samples);
	if (w->right == 0) return;
	noise_stream ahead_noise = s->noise;
	source_state ahead = s->source;
	noise_samples(&ahead_noise, w->right * samples, w->g);
	source_make(&h->config, &h->mix, &ahead, s->noise.phase, w->f0 + w->left + w->n, w->g, w->right,
	            w->source + (w->left + w->n) * samples);
}

/* Keep the source of the last frames. */
static void keep_tail(vita_codec_stream *s, const window *w)
{
	const int64_t samples = s->codec->hift.config.frame_samples, have = w->left + w->n;
	s->n_tail = have < HIFT_REACH ? have : HIFT_REACH;
	memcpy(s->tail, w->source + (have - s->n_tail) * samples, (size_t)(s->n_tail * samples) * sizeof(float));
}

static vita_status emit(vita_codec_stream *s, const window *w, vita_error *err)
{
	const int64_t samples = s->codec->hift.config.frame_samples;
	const float *from = w->pcm + w->left * samples;
	float *to = queue_room(s->codec->host, &s->pcm, (uint64_t)(w->n * samples));
	if (!to) return fail_memory(err);
	for (int64_t i = 0; i < w->n * samples; i++) {
		const float x = from[i] * s->codec->gain;
		to[i] = x > 1 ? 1 : x < -1 ? -1 : x;
	}
	s->pcm.n += (uint64_t)(w->n * samples);
	return VITA_OK;
}

static vita_status sound_window(vita_codec_stream *s, window *w, vita_error *err)
{
	const vita_codec *codec = s->codec;
	vita_status status = window_take(codec, w, err);
	if (status != VITA_OK) return status;
	turn_frames(s, s->n_sounded - w->left, w->all, w->mel);
	status = hift_f0(&codec->hift, codec->device, &s->hift_space, w->mel, w->all, w->f0, err);
	if (status != VITA_OK) return status;
	make_source(s, w);
	status = hift_wave(&codec->hift, codec->host, codec->device, &s->hift_space, w->source, w->pcm, err);
	if (status != VITA_OK) return status;
	keep_tail(s, w);
	s->n_sounded += w->n;
	return emit(s, w, err);
}

/* All final frames that have HIFT_REACH more behind them, or all where nothing more will come. */
static vita_status sound(vita_codec_stream *s, int32_t last, const vita_cancel *cancel, vita_error *err)
{
	const vita_host *host = s->codec->host;
	const int64_t end = last ? s->n_final : s->n_final - HIFT_REACH;
	vita_status status = VITA_OK;
	while (s->n_sounded < end && status == VITA_OK) {
		if (host->cancelled(host->context, cancel)) return vita_fail(err, VITA_E_CANCELLED, "decoding was cancelled");
		const int64_t left = end - s->n_sounded;
		window w = { .left = s->n_tail, .n = left < WINDOW_FRAMES ? left : WINDOW_FRAMES };
		w.right = s->n_final - s->n_sounded - w.n;
		if (w.right > HIFT_REACH) w.right = HIFT_REACH;
		w.all = w.left + w.n + w.right;
		status = sound_window(s, &w, err);
		window_free(host, &w);
	}
	return status;
}

/* ---- the spectrogram ------------------------------------------------------------------------------- */

/* What a chunk is decoded with: codes from number `code` on and the frames that they stand for. */
typedef struct chunk {
	int64_t code, n_codes, frame, n_frames;
	int64_t known;      /* frames that are final already */
	int32_t *sources;
	float *noise, *mel, *prompt;
} chunk;

static chunk plan_chunk(const vita_codec_stream *s)
{
	const vita_codec *codec = s->codec;
	const int64_t block = codec->flow.config.block, end = s->first_code + s->n_codes;
	chunk c = { .code = s->n_decoded - codec->context };
	/* Whole blocks of the encoder, or codes would see others than before. */
	c.code = c.code > 0 ? c.code / block * block : 0;
	while (c.code > 0 && flow_frames(&codec->flow, c.code) > s->n_final) c.code -= block; /* held frames are made again */
	c.n_codes = end - c.code;
	c.frame = flow_frames(&codec->flow, c.code);
	c.n_frames = flow_frames(&codec->flow, end) - c.frame;
	c.known = s->n_final - c.frame;
	return c;
}

/* The code that each frame belongs to: in f32 as the reference does it, as long as that can count the frames. */
static void find_sources(const chunk *c)
{
	const int64_t codes = c->code + c->n_codes, frames = c->frame + c->n_frames;
	const float ratio = (float)codes / (float)frames;
	for (int64_t i = 0; i < c->n_frames; i++) {
		const int64_t t = c->frame + i;
		int64_t code = c->frame == 0 ? (int64_t)((float)t * ratio) : t * codes / frames;
		if (code >= codes) code = codes - 1;
		code -= c->code;
		c->sources[i] = (int32_t)(code < 0 ? 0 : code);
	}
}

static vita_status chunk_take(vita_codec_stream *s, chunk *c, int32_t last, vita_error *err)
{
	const vita_host *host = s->codec->host;
	const int64_t mel = s->codec->flow.encoder.mel;
	const uint64_t size = (uint64_t)(c->n_frames * mel);
	c->sources = host_zeroed(host, (uint64_t)c->n_frames, sizeof *c->sources);
	c->noise = host_zeroed(host, size, sizeof *c->noise);
	c->mel = host_zeroed(host, size, sizeof *c->mel);
	if (!c->sources || !c->noise || !c->mel) return fail_memory(err);
	find_sources(c);
	if (!s->begun) noise_begin(&s->noise, &s->codec->noise, last ? c->n_frames : -1, c->noise);
	if (s->begun || !last) noise_frames(&s->noise, c->frame, c->n_frames, c->noise);
	s->begun = 1;
	c->prompt = s->mel.value + s->mel.first + (c->frame - s->first_frame) * mel;
	return VITA_OK;
}

static void chunk_free(const vita_host *host, chunk *c)
{
	host_release(host, c->sources);
	host_release(host, c->noise);
	host_release(host, c->mel);
}

/* The chunk's new frames, those held back before faded in, to the final ones; its own last frames are held. */
static vita_status take_frames(vita_codec_stream *s, const chunk *c, int32_t last, vita_error *err)
{
	const int64_t mel = s->codec->flow.encoder.mel, fresh = c->n_frames - c->known;
	const int64_t hold = last ? 0 : fresh < s->codec->overlap ? fresh : s->codec->overlap;
	float *to = queue_room(s->codec->host, &s->mel, (uint64_t)(fresh * mel));
	if (!to) return fail_memory(err);
	for (int64_t t = 0; t < fresh; t++) {
		const double share = t < s->n_held ? ((double)t + 0.5) / (double)s->n_held : 1;
		const float w = (float)(0.5 - 0.5 * cos(acos(-1.0) * share)); /* rises as the other falls */
		for (int64_t i = 0; i < mel; i++) {
			const float made = c->mel[i * c->n_frames + c->known + t];
			to[t * mel + i] = t < s->n_held ? made * w + s->held[t * mel + i] * (1 - w) : made;
		}
	}
	memcpy(s->held, to + (fresh - hold) * mel, (size_t)(hold * mel) * sizeof *to);
	s->n_held = hold;
	s->mel.n += (uint64_t)((fresh - hold) * mel);
	s->n_final += fresh - hold;
	return VITA_OK;
}

/* What nobody will ask for again goes: codes and frames before the next chunk's context, and behind the vocoder. */
static void forget(vita_codec_stream *s)
{
	const int64_t mel = s->codec->flow.encoder.mel;
	const chunk next = plan_chunk(s);
	int64_t frame = s->n_sounded - HIFT_REACH;
	if (next.frame < frame) frame = next.frame;
	if (frame > s->first_frame) {
		queue_drop(&s->mel, (uint64_t)((frame - s->first_frame) * mel));
		s->first_frame = frame;
	}
	const int64_t gone = next.code - s->first_code;
	if (gone <= 0) return;
	memmove(s->codes, s->codes + gone, (size_t)(s->n_codes - gone) * sizeof *s->codes);
	s->first_code += gone;
	s->n_codes -= gone;
}

/* Decode all codes that wait. */
static vita_status decode(vita_codec_stream *s, int32_t last, const vita_cancel *cancel, vita_error *err)
{
	const vita_codec *codec = s->codec;
	chunk c = plan_chunk(s);
	vita_status status = chunk_take(s, &c, last, err);
	if (status == VITA_OK) {
		const flow_input in = { .codes = s->codes + (c.code - s->first_code), .sources = c.sources, .noise = c.noise,
			                .prompt = c.prompt, .n_codes = c.n_codes, .n_frames = c.n_frames, .prompt_frames = c.known };
		status = flow_run(&codec->flow, codec->host, codec->device, &s->flow_space, &in, cancel, c.mel, err);
	}
	if (status == VITA_OK) status = take_frames(s, &c, last, err);
	if (status == VITA_OK) s->n_decoded = c.code + c.n_codes;
	chunk_free(codec->host, &c);
	return status;
}

/* Nothing more comes: what was held back is final as it is. */
static vita_status release_held(vita_codec_stream *s, vita_error *err)
{
	const uint64_t size = (uint64_t)(s->n_held * s->codec->flow.encoder.mel);
	float *to = queue_room(s->codec->host, &s->mel, size);
	if (!to && size > 0) return fail_memory(err);
	if (size > 0) memcpy(to, s->held, size * sizeof *to);
	s->mel.n += size;
	s->n_final += s->n_held;
	s->n_held = 0;
	return VITA_OK;
}

/* ---- push and pull --------------------------------------------------------------------------------- */

int64_t stream_first_sound(const vita_codec *codec)
{
	int64_t n = STREAM_LEAST;
	while (flow_frames(&codec->flow, n) <= codec->overlap + HIFT_REACH) n++;
	return n;
}

static vita_status add_codes(vita_codec_stream *s, const int32_t *ids, int64_t n, vita_error *err)
{
	const vita_host *host = s->codec->host;
	if (s->n_codes + n > s->codes_capacity) {
		const int64_t capacity = s->n_codes + n + s->n_codes / 2;
		int32_t *codes = host->reallocate(host->context, s->codes, (uint64_t)capacity * sizeof *codes);
		if (!codes) return fail_memory(err);
		s->codes = codes;
		s->codes_capacity = capacity;
	}
	if (n > 0) memcpy(s->codes + s->n_codes, ids, (size_t)n * sizeof *ids);
	s->n_codes += n;
	return VITA_OK;
}

static vita_status push_piece(vita_codec_stream *s, const int32_t *ids, int64_t n, int32_t last, const vita_cancel *cancel,
                              vita_error *err)
{
	vita_status status = add_codes(s, ids, n, err);
	if (status != VITA_OK) return status;
	const int64_t waiting = s->first_code + s->n_codes - s->n_decoded;
	if (waiting >= STREAM_LEAST || (last && waiting > 0)) status = decode(s, last, cancel, err);
	else if (!last) return VITA_OK;
	if (status == VITA_OK && last) status = release_held(s, err);
	if (status == VITA_OK) status = sound(s, last, cancel, err);
	if (status == VITA_OK && !last) forget(s);
	return status;
}

static vita_status push(vita_codec_stream *s, const int32_t *ids, int64_t n, int32_t last, const vita_cancel *cancel,
                        vita_error *err)
{
	vita_status status = VITA_OK;
	int64_t at = 0;
	const int64_t piece = s->codec->piece_codes;
	if (n > s->codec->whole_codes)
		for (; n - at > piece && status == VITA_OK; at += piece) status = push_piece(s, ids + at, piece, 0, cancel, err);
	return status == VITA_OK ? push_piece(s, ids + at, n - at, last, cancel, err) : status;
}

vita_status stream_push(vita_codec_stream *s, const int32_t *ids, uint64_t n, int32_t last, const vita_cancel *cancel,
                        vita_error *err)
{
	const int64_t vocab = s->codec->flow.encoder.vocab;
	if (s->ended) return vita_fail(err, VITA_E_STATE, "flow-hift: tokens came after the end of the speech");
	for (uint64_t i = 0; i < n; i++)
		if (ids[i] < 0 || ids[i] >= vocab)
			return vita_fail(err, VITA_E_INVALID, "flow-hift: token %ld is outside 0 ... %lld, the model's codebook",
			                 (long)ids[i], (long long)vocab - 1);
	if (n > INT32_MAX) return vita_fail(err, VITA_E_INVALID, "flow-hift: %llu tokens at once are too many", (unsigned long long)n);
	vita_status status = push(s, ids, (int64_t)n, last, cancel, err);
	s->ended = last || status != VITA_OK;
	return status;
}

vita_status stream_pull(vita_codec_stream *s, float *pcm, uint64_t capacity, uint64_t *n, vita_error *err)
{
	(void)err;
	*n = s->pcm.n < capacity ? s->pcm.n : capacity;
	if (*n > 0) memcpy(pcm, s->pcm.value + s->pcm.first, *n * sizeof *pcm);
	queue_drop(&s->pcm, *n);
	return *n == 0 && s->ended ? VITA_END : VITA_OK;
}
