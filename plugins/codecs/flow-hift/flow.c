/* SPDX-License-Identifier: MIT
 *
 * From noise to a spectrogram in Euler steps; see flow.h.
 */
#include "flow.h"

#include <math.h>

void flow_load(loader *l, const flow_config *config, uint32_t n_steps, flow *f)
{
	const double quarter = acos(0.0);
	f->config = *config;
	f->n_steps = n_steps;
	f->batch = config->guidance > 0 ? 2 : 1;
	for (uint32_t i = 0; i <= n_steps; i++) {
		const double share = (double)i / n_steps;
		f->time[i] = config->cosine ? 1 - cos(quarter * share) : share;
	}
	flow_encoder_load(l, config, &f->encoder);
	estimator_load(l, config, f->time, n_steps, f->encoder.mel, &f->estimator);
	/* The reference has one voice: an embedding of zeros, of which only the layer's bias is left. */
	load_tensor(l, "spk_embed_affine_layer.bias", 1, &f->encoder.mel, &f->speaker);
}

int64_t flow_frames(const flow *f, int64_t n_codes)
{
	float seconds = (float)n_codes / (float)f->config.frame_rate;
	seconds *= MEL_RATE_HZ;
	return (int64_t)(seconds / MEL_HOP);
}

static vita_status take_all(const flow *f, const vita_device *device, flow_space *s, estimator_space *e,
                            const flow_input *in, vita_error *err)
{
	const int64_t mel = f->encoder.mel, n = in->n_frames;
	space *m = &s->memory;
	space_begin(m);
	s->x = space_take(m, 2, mel, n, 0, 0);
	s->mu = space_take(m, 2, mel, n, 0, 0);
	s->ids = space_take(m, 1, in->n_codes, 0, 0, 0);
	s->sources = space_take(m, 1, n, 0, 0, 0);
	s->ids.dtype = s->sources.dtype = VITA_I32; /* of the same size */
	estimator_take(&f->estimator, m, f->batch, n, e);
	vita_status status = space_reserve(m, device, err);
	if (status != VITA_OK) return status;
	vita_tensor *const all[] = { &s->x, &s->mu, &s->ids, &s->sources };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) space_put(m, all[i]);
	estimator_put(m, e);
	return VITA_OK;
}

/* Channels first … first + mel - 1 of one branch of the estimator's input. */
static vita_tensor input_rows(const flow *f, const estimator_space *e, int64_t branch, int64_t part)
{
	const int64_t mel = f->encoder.mel;
	vita_tensor t = vita_slice(&e->in, 0, branch, 1);
	t = vita_slice(&t, 1, part * mel, mel);
	return vita_view(t.buffer, t.offset, VITA_F32, 2, mel, t.shape[2], 0, 0);
}

/* What stays the same in all steps: mu, speaker and prompt for the first branch, nothing for the other. */
static vita_status fill_input(const flow *f, const vita_device *device, flow_space *s, const estimator_space *e,
                              const flow_input *in, vita_error *err)
{
	vita_recorder *r = &s->recorder;
	const int64_t mel = f->encoder.mel;
	vita_tensor mu = input_rows(f, e, 0, 1), speaker = input_rows(f, e, 0, 2), prompt = input_rows(f, e, 0, 3);
	vita_tensor repeated = f->speaker;
	repeated.rank = 2;
	repeated.shape[0] = mel, repeated.shape[1] = in->n_frames;
	repeated.stride[0] = sizeof(float), repeated.stride[1] = 0;
	vita_fill(r, 0, &e->in);
	vita_copy(r, &s->mu, &mu);
	vita_copy(r, &repeated, &speaker);
	vita_status status = vita_recorder_end(r);
	if (status != VITA_OK || in->prompt_frames == 0) return status;
	vita_tensor known = vita_slice(&prompt, 1, 0, in->prompt_frames);
	known = vita_transpose(&known, 0, 1); /* [prompt_frames, mel] */
	return device->api->write(device->self, &known, in->prompt, (uint64_t)(in->prompt_frames * mel) * sizeof(float), err);
}

/* x += dt · ((1 + g) a - g b), a being the branch that knows what to say and b the one that does not. */
static void advance(const flow *f, flow_space *s, const estimator_space *e, double dt)
{
	vita_recorder *r = &s->recorder;
	const double g = f->batch > 1 ? f->config.guidance : 0;
	for (int64_t b = 0; b < f->batch; b++) {
		vita_tensor t = vita_slice(&e->out, 0, b, 1);
		t = vita_view(t.buffer, t.offset, VITA_F32, 2, t.shape[1], t.shape[2], 0, 0);
		vita_affine(r, &t, b == 0 ? dt * (1 + g) : -dt * g, 0, &t);
		vita_binary(r, VITA_BINARY_ADD, &s->x, &t, &s->x);
	}
}

static vita_status run_steps(const flow *f, const vita_host *host, const vita_device *device, flow_space *s,
                             const estimator_space *e, const flow_input *in, const vita_cancel *cancel, vita_error *err)
{
	vita_status status = VITA_OK;
	for (uint32_t step = 0; step < f->n_steps && status == VITA_OK; step++) {
		if (host->cancelled(host->context, cancel)) return vita_fail(err, VITA_E_CANCELLED, "decoding was cancelled");
		for (int64_t b = 0; b < f->batch; b++) {
			vita_tensor x = input_rows(f, e, b, 0);
			vita_copy(&s->recorder, &s->x, &x);
		}
		estimator_record(&f->estimator, &s->recorder, e, f->batch, in->n_frames, step);
		advance(f, s, e, f->time[step + 1] - f->time[step]);
		status = vita_recorder_end(&s->recorder);
	}
	(void)device;
	return status;
}

vita_status flow_run(const flow *f, const vita_host *host, const vita_device *device, flow_space *s, const flow_input *in,
                     const vita_cancel *cancel, float *mel, vita_error *err)
{
	const vita_backend_api *api = device->api;
	const uint64_t bytes = (uint64_t)(f->encoder.mel * in->n_frames) * sizeof(float);
	estimator_space e;
	vita_recorder_begin(&s->recorder, device, err);
	vita_status status = take_all(f, device, s, &e, in, err);
	if (status == VITA_OK) status = api->write(device->self, &s->ids, in->codes, (uint64_t)in->n_codes * 4, err);
	if (status == VITA_OK) status = api->write(device->self, &s->sources, in->sources, (uint64_t)in->n_frames * 4, err);
	if (status == VITA_OK) status = flow_encoder_run(&f->encoder, host, device, s, in, err);
	if (status == VITA_OK) status = api->write(device->self, &s->x, in->noise, bytes, err);
	if (status == VITA_OK) status = fill_input(f, device, s, &e, in, err);
	if (status == VITA_OK) status = run_steps(f, host, device, s, &e, in, cancel, err);
	if (status == VITA_OK) return api->read(device->self, &s->x, mel, bytes, err);
	(void)api->wait(device->self, NULL);
	return status;
}

void flow_space_free(const vita_device *device, flow_space *s)
{
	device_memory_free(device, &s->memory.memory);
}
