/* SPDX-License-Identifier: MIT
 *
 * One recording on its way through mel-vq. A row waits until the level a little ahead of it is known, and a
 * token until the rows that its network looks at have come; then a window of tokens is run at once, of which
 * those at the edges are only there for the others' sake. What comes out does not depend on how the sound was cut
 * into pushes.
 */
#include "mel_vq.h"

#include <math.h>

#define TOKENS_A_PASS 64 /* at most, unless `chunk` asks for more: bounds the memory of a stream */

struct vita_encoder_stream {
	const vita_encoder *encoder;
	sound_frames frames;
	stft stft;
	float *spectrum; /* [n_fft / 2 + 1] */

	/* rows whose level is not known yet, in a ring of level_ahead + 1 */
	float *waiting, *loudest;
	uint64_t n_heard, n_levelled;
	double level;

	/* rows for the network from token `first` on */
	float *rows;
	uint64_t first, n_rows, most_tokens;
	uint64_t done; /* tokens that are out */

	/* the network's memory on the device */
	device_memory memory, work;
	vita_tensor input, x, code, ids;
	vita_recorder recorder;

	int32_t ended;  /* last was pushed, or a push failed half-way */
	int32_t *queue; /* ready: from queue_at to n_queue */
	uint64_t n_queue, queue_at, capacity;
};

/* ---- opening --------------------------------------------------------------------------------------- */

static uint64_t tokens_a_pass(const vita_encoder *e)
{
	return e->chunk > TOKENS_A_PASS ? e->chunk : TOKENS_A_PASS;
}

static uint64_t row_width(const vita_encoder *e)
{
	return e->front.bands;
}

/* Tensors of [most_tokens, …] behind each other in one buffer, and the convolutions' work at its end. */
static vita_status open_memory(vita_encoder_stream *s, vita_error *err)
{
	const vita_encoder *e = s->encoder;
	int64_t n = (int64_t)s->most_tokens, in = (int64_t)e->front.stack * e->front.bands;
	int64_t width = e->blocks.width, work = 3 * width > in + width ? 3 * width : in + width;
	uint64_t at_x = (uint64_t)(n * in) * sizeof(float),
		 at_code = at_x + (uint64_t)(n * width) * sizeof(float);
	uint64_t at_ids = at_code + (uint64_t)(n * e->width) * sizeof(float);
	vita_status status =
		device_memory_reserve(e->device, &s->memory, at_ids + (uint64_t)n * sizeof(int32_t), err);
	if (status == VITA_OK)
		status =
			device_memory_reserve(e->device, &s->work, (uint64_t)(n * work) * sizeof(float), err);
	if (status != VITA_OK) return status;
	vita_buffer *buffer = s->memory.buffer;
	s->input = vita_view(buffer, 0, VITA_F32, 2, n, in, 0, 0);
	s->x = vita_view(buffer, at_x, VITA_F32, 2, n, width, 0, 0);
	s->code = vita_view(buffer, at_code, VITA_F32, 2, n, e->width, 0, 0);
	s->ids = vita_view(buffer, at_ids, VITA_I32, 1, n, 0, 0, 0);
	return VITA_OK;
}

static vita_status open_parts(vita_encoder_stream *s, vita_error *err)
{
	const vita_encoder *e = s->encoder;
	const vita_host *host = e->host;
	const mel_vq_front *f = &e->front;
	s->level = e->level_least;
	s->most_tokens = tokens_a_pass(e) + (uint64_t)(e->before + e->ahead) + 1;
	vita_status status = sound_frames_open(&s->frames, host, f->window, f->hop, FRAMES_ZERO, err);
	if (status == VITA_OK) status = stft_open(&s->stft, host, f->n_fft, e->window, f->window, err);
	if (status != VITA_OK) return status;
	s->spectrum = host_zeroed(host, f->n_fft / 2 + 1, sizeof *s->spectrum);
	s->waiting = host_zeroed(host, (e->level_ahead + 1) * row_width(e), sizeof *s->waiting);
	s->loudest = host_zeroed(host, e->level_ahead + 1, sizeof *s->loudest);
	s->rows = host_zeroed(host, s->most_tokens * f->stack * row_width(e), sizeof *s->rows);
	if (!s->spectrum || !s->waiting || !s->loudest || !s->rows)
		return vita_fail(err, VITA_E_NOMEM, "mel-vq: out of memory");
	return open_memory(s, err);
}

void mel_vq_stream_close(vita_encoder_stream *s)
{
	if (!s) return;
	const vita_host *host = s->encoder->host;
	sound_frames_close(&s->frames);
	stft_close(&s->stft);
	device_memory_free(s->encoder->device, &s->memory);
	device_memory_free(s->encoder->device, &s->work);
	host_release(host, s->spectrum);
	host_release(host, s->waiting);
	host_release(host, s->loudest);
	host_release(host, s->rows);
	host_release(host, s->queue);
	host_release(host, s);
}

vita_status mel_vq_stream_open(vita_encoder *encoder, vita_encoder_stream **out, vita_error *err)
{
	*out = NULL;
	vita_encoder_stream *s = host_zeroed(encoder->host, 1, sizeof *s);
	if (!s) return vita_fail(err, VITA_E_NOMEM, "mel-vq: out of memory");
	s->encoder = encoder;
	vita_status status = open_parts(s, err);
	if (status == VITA_OK)
		*out = s;
	else
		mel_vq_stream_close(s);
	return status;
}

/* ---- the network ----------------------------------------------------------------------------------- */

static int32_t *queue_reserve(vita_encoder_stream *s, uint64_t n, vita_error *err)
{
	if (s->n_queue + n > s->capacity) {
		uint64_t capacity = 2 * s->capacity + n;
		const vita_host *host = s->encoder->host;
		int32_t *queue = host->reallocate(host->context, s->queue, capacity * sizeof *queue);
		if (!queue) {
			(void)vita_fail(err, VITA_E_NOMEM, "mel-vq: out of memory");
			return NULL;
		}
		s->queue = queue;
		s->capacity = capacity;
	}
	return s->queue + s->n_queue;
}

/* The codes of a window of n tokens, from their rows. */
static vita_status run_network(vita_encoder_stream *s, int64_t n, vita_error *err)
{
	const vita_encoder *e = s->encoder;
	const vita_device *device = e->device;
	vita_recorder *r = &s->recorder;
	vita_tensor input = vita_slice(&s->input, 0, 0, n), x = vita_slice(&s->x, 0, 0, n);
	vita_tensor code = vita_slice(&s->code, 0, 0, n), ids = vita_slice(&s->ids, 0, 0, n);
	uint64_t bytes = (uint64_t)(n * input.shape[1]) * sizeof(float);
	vita_status status = device->api->write(device->self, &input, s->rows, bytes, err);
	if (status != VITA_OK) return status;
	vita_recorder_begin(r, device, err);
	conv_rows(r, &e->input, &input, 1, e->input_before, e->input_ahead, s->work.buffer, &x);
	conv_stack_run(r, &e->blocks, &x, s->work.buffer);
	vita_matmul(r, &x, &e->output.weight, &e->output.bias, NULL, VITA_UNARY_NONE, &code);
	vita_nearest(r, &code, &e->codebook, &ids);
	return vita_recorder_end(r);
}

/* Run all tokens that are there; those whose rows ahead are missing come again later, unless none will. */
static vita_status run_window(vita_encoder_stream *s, int32_t last, const vita_cancel *cancel,
			      vita_error *err)
{
	const vita_encoder *e = s->encoder;
	const vita_host *host = e->host;
	uint64_t n = s->n_rows / e->front.stack, end = s->first + n - (last ? 0 : (uint64_t)e->ahead);
	uint64_t fresh = end - s->done;
	if (host->cancelled(host->context, cancel))
		return vita_fail(err, VITA_E_CANCELLED, "encoding was cancelled");
	int32_t *target = queue_reserve(s, fresh, err);
	if (!target) return VITA_E_NOMEM;
	vita_status status = run_network(s, (int64_t)n, err);
	if (status != VITA_OK) return status;
	vita_tensor ids = vita_slice(&s->ids, 0, (int64_t)(s->done - s->first), (int64_t)fresh);
	status = e->device->api->read(e->device->self, &ids, target, fresh * sizeof *target, err);
	if (status != VITA_OK) return status;
	s->n_queue += fresh;
	s->done = end;
	/* the next window begins `before` tokens before its first new one */
	uint64_t first = end > (uint64_t)e->before ? end - (uint64_t)e->before : 0,
		 gone = (first - s->first) * e->front.stack;
	memmove(s->rows, s->rows + gone * row_width(e), (s->n_rows - gone) * row_width(e) * sizeof *s->rows);
	s->n_rows -= gone;
	s->first = first;
	return VITA_OK;
}

/* Tokens whose rows are all there, but for the last of the recording. */
static uint64_t tokens_ready(const vita_encoder_stream *s)
{
	const vita_encoder *e = s->encoder;
	uint64_t end = s->first + s->n_rows / e->front.stack, wanted = s->done + (uint64_t)e->ahead;
	return end > wanted ? end - wanted : 0;
}

/* ---- rows ------------------------------------------------------------------------------------------ */

/* The oldest waiting row against the level goes to the network's rows. */
static vita_status level_row(vita_encoder_stream *s, const vita_cancel *cancel, vita_error *err)
{
	const vita_encoder *e = s->encoder;
	const float *mel = s->waiting + s->n_levelled % (e->level_ahead + 1) * row_width(e);
	float *row = s->rows + s->n_rows * row_width(e);
	double range = e->level_range, scale = 4 / range;
	for (uint32_t i = 0; i < e->front.bands; i++)
		row[i] = (float)((fmax((double)mel[i] - s->level, -range) + range / 2) * scale);
	s->level = fmax(s->level - e->level_decay, e->level_least);
	s->n_levelled++;
	s->n_rows++;
	return tokens_ready(s) >= tokens_a_pass(e) ? run_window(s, 0, cancel, err) : VITA_OK;
}

static vita_status hear_frame(vita_encoder_stream *s, const float *frame, const vita_cancel *cancel,
			      vita_error *err)
{
	const vita_encoder *e = s->encoder;
	uint64_t slot = s->n_heard % (e->level_ahead + 1);
	float *mel = s->waiting + slot * row_width(e), loudest = -INFINITY;
	stft_power(&s->stft, frame, s->spectrum);
	for (uint32_t k = 0; k <= e->front.n_fft / 2; k++)
		s->spectrum[k] = sqrtf(s->spectrum[k]);
	mel_bank_apply(&e->bank, s->spectrum, mel);
	for (uint32_t i = 0; i < e->front.bands; i++) {
		mel[i] = logf(fmaxf(mel[i], MEL_VQ_FLOOR));
		loudest = fmaxf(loudest, mel[i]);
	}
	s->n_heard++;
	s->level = fmax(s->level, (double)loudest);
	return s->n_heard > e->level_ahead ? level_row(s, cancel, err) : VITA_OK;
}

static vita_status hear_frames(vita_encoder_stream *s, const vita_cancel *cancel, vita_error *err)
{
	const float *frame;
	vita_status status = VITA_OK;
	while (status == VITA_OK && (frame = sound_frames_next(&s->frames)) != NULL)
		status = hear_frame(s, frame, cancel, err);
	return status;
}

/* The recording is over: level what waits, fill up the last token, run what is left. */
static vita_status finish(vita_encoder_stream *s, const vita_cancel *cancel, vita_error *err)
{
	const vita_encoder *e = s->encoder;
	sound_frames_end(&s->frames);
	vita_status status = hear_frames(s, cancel, err);
	while (status == VITA_OK && s->n_levelled < s->n_heard)
		status = level_row(s, cancel, err);
	if (status != VITA_OK) return status;
	uint64_t missing = (e->front.stack - s->n_rows % e->front.stack) % e->front.stack;
	for (uint64_t i = 0; i < missing * row_width(e); i++)
		s->rows[s->n_rows * row_width(e) + i] = MEL_VQ_EDGE;
	s->n_rows += missing;
	return s->first + s->n_rows / e->front.stack > s->done ? run_window(s, 1, cancel, err) : VITA_OK;
}

/* ---- in and out ------------------------------------------------------------------------------------ */

static vita_status push_samples(vita_encoder_stream *s, const float *pcm, uint64_t n, int32_t last,
				const vita_cancel *cancel, vita_error *err)
{
	vita_status status = VITA_OK;
	while (n > 0 && status == VITA_OK) {
		uint64_t taken = sound_frames_push(&s->frames, pcm, n);
		pcm += taken;
		n -= taken;
		status = hear_frames(s, cancel, err);
	}
	if (status != VITA_OK) return status;
	if (last) return finish(s, cancel, err);
	return tokens_ready(s) >= s->encoder->chunk ? run_window(s, 0, cancel, err) : VITA_OK;
}

vita_status mel_vq_stream_push(vita_encoder_stream *s, const float *pcm, uint64_t n, int32_t last,
			       const vita_cancel *cancel, vita_error *err)
{
	if (s->ended)
		return vita_fail(err, VITA_E_STATE, "mel-vq: samples came after the end of the recording");
	for (uint64_t i = 0; i < n; i++)
		if (!isfinite(pcm[i]))
			return vita_fail(err, VITA_E_INVALID, "mel-vq: sample %llu of a push is not a number",
					 (unsigned long long)i);
	vita_status status = push_samples(s, pcm, n, last, cancel, err);
	s->ended = last || status != VITA_OK;
	return status;
}

vita_status mel_vq_stream_pull(vita_encoder_stream *s, int32_t *ids, float *rows, uint64_t capacity,
			       uint64_t *n, vita_error *err)
{
	(void)rows, (void)err;
	*n = s->n_queue - s->queue_at;
	if (*n > capacity) *n = capacity;
	if (*n > 0) memcpy(ids, s->queue + s->queue_at, *n * sizeof *ids);
	s->queue_at += *n;
	if (s->queue_at < s->n_queue) return VITA_OK;
	s->queue_at = s->n_queue = 0;
	return *n == 0 && s->ended ? VITA_END : VITA_OK;
}
