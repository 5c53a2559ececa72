/* SPDX-License-Identifier: MIT
 *
 * The vocoder; see hift.h.
 */
#include "hift.h"

/* ---- loading --------------------------------------------------------------------------------------- */

static void load_alpha(loader *l, const char *name, int64_t n, vita_tensor *to)
{
	load_plain(l, name, 1, &n, to);
}

static void load_resblock(loader *l, const char *at, const resblock_config *c, int64_t channels, resblock *b)
{
	tensor_name n;
	b->n = c->n;
	for (uint32_t i = 0; i < c->n; i++) {
		b->dilation[i] = c->dilation[i];
		load_folded_conv(l, name_of(n, "%s.convs1.%u", at, i), channels, channels, c->kernel, 0, &b->conv1[i]);
		load_folded_conv(l, name_of(n, "%s.convs2.%u", at, i), channels, channels, c->kernel, 0, &b->conv2[i]);
		load_alpha(l, name_of(n, "%s.activations1.%u.alpha", at, i), channels, &b->alpha1[i]);
		load_alpha(l, name_of(n, "%s.activations2.%u.alpha", at, i), channels, &b->alpha2[i]);
	}
}

/* A transposed kernel must be longer than its stride by an even number: only then it makes `rate` frames of one. */
static void check_up(loader *l, const char *name, const hift_stage *s)
{
	if (l->status == VITA_OK && (s->up.kernel < s->rate || (s->up.kernel - s->rate) % 2 != 0))
		l->status = vita_fail(l->err, VITA_E_SHAPE, "tensor \"%s.weight\": a kernel of %lld does not go with the upsample rate %lld",
		                      name, (long long)s->up.kernel, (long long)s->rate);
}

static void load_stage(loader *l, const hift_config *c, uint32_t i, int64_t in, hift_stage *s)
{
	tensor_name n;
	s->rate = c->rate[i];
	s->source_stride = 1;
	for (uint32_t k = i + 1; k < c->n_ups; k++) s->source_stride *= c->rate[k];
	load_folded_conv(l, name_of(n, "ups.%u", i), -1, in, -1, 1, &s->up);
	check_up(l, n, s);
	if (l->status != VITA_OK) return;
	load_conv(l, name_of(n, "source_downs.%u", i), s->up.out, c->n_fft + 2,
	          s->source_stride == 1 ? 1 : 2 * s->source_stride, &s->source_down);
	load_resblock(l, name_of(n, "source_resblocks.%u", i), &c->source[i], s->up.out, &s->source);
	for (uint32_t k = 0; k < c->n_kernels; k++)
		load_resblock(l, name_of(n, "resblocks.%u", i * c->n_kernels + k), &c->resblock[k], s->up.out, &s->block[k]);
}

/* In f32 whatever the others are in: a phase is the pitch summed up, sample by sample. */
static void load_f0(loader *l, hift *h)
{
	tensor_name n;
	int64_t in = h->mel, size, one = 1;
	const uint32_t dtype = l->dtype;
	l->dtype = VITA_F32;
	for (uint32_t i = 0; i < MOST_F0_LAYERS; i++) {
		int32_t old = has_tensor(l, name_of(n, "f0_predictor.condnet.%u.weight_v", 2 * i));
		if (!old && !has_tensor(l, name_of(n, "f0_predictor.condnet.%u.bias", 2 * i))) break;
		load_folded_conv(l, name_of(n, "f0_predictor.condnet.%u", 2 * i), -1, in, 3, 0, &h->f0_layer[i]);
		in = h->f0_layer[i].out;
		h->n_f0_layers = i + 1;
	}
	l->dtype = dtype;
	const int64_t shape[2] = { 1, in };
	const float *weight = load_values(l, "f0_predictor.classifier.weight", 2, shape, &size);
	load_made(l, weight, 1, in, &h->f0_out.weight);
	load_tensor(l, "f0_predictor.classifier.bias", 1, &one, &h->f0_out.bias);
	/* A kernel of one tap. */
	h->f0_out.weight = vita_view(h->f0_out.weight.buffer, h->f0_out.weight.offset, VITA_F32, 3, 1, in, 1, 0);
	h->f0_out.in = in;
}

void hift_load(loader *l, const hift_config *c, int64_t mel, hift *h)
{
	const int64_t n_sines = c->harmonics + 1, shape[2] = { 1, n_sines }, one = 1;
	int64_t size, channels;
	h->config = *c;
	h->mel = mel;
	if (has_tensor(l, "generator.conv_pre.bias")) l->prefix = "generator.";
	h->mix.weight = load_values(l, "m_source.l_linear.weight", 2, shape, &size);
	const float *bias = load_values(l, "m_source.l_linear.bias", 1, &one, &size);
	h->mix.bias = bias ? bias[0] : 0;
	load_f0(l, h);
	load_folded_conv(l, "conv_pre", -1, mel, 7, 0, &h->pre);
	channels = h->pre.out;
	for (uint32_t i = 0; i < c->n_ups; i++) {
		load_stage(l, c, i, channels, &h->stage[i]);
		channels = h->stage[i].up.out;
	}
	load_folded_conv(l, "conv_post", c->n_fft + 2, channels, 7, 0, &h->post);
	if (l->status == VITA_OK) l->status = short_fourier_open(&h->fourier, l->store->host, c->n_fft, c->hop, l->err);
}

void hift_close(hift *h)
{
	short_fourier_close(&h->fourier);
}

/* ---- memory ---------------------------------------------------------------------------------------- */

static int64_t spectrum_frames(const hift *h, int64_t frames)
{
	return frames * h->config.frame_samples / h->config.hop + 1;
}

/* Values of the largest tensor between layers. */
static int64_t largest(const hift *h, int64_t frames)
{
	int64_t most = h->pre.out * frames, t = frames;
	for (uint32_t i = 0; i < h->n_f0_layers; i++)
		if (h->f0_layer[i].out * frames > most) most = h->f0_layer[i].out * frames;
	for (uint32_t i = 0; i < h->config.n_ups; i++) {
		t *= h->stage[i].rate;
		const int64_t values = h->stage[i].up.out * (t + 1);
		if (values > most) most = values;
	}
	return most;
}

static vita_status take_all(const hift *h, const vita_device *device, hift_space *s, int64_t frames, vita_error *err)
{
	space *m = &s->memory;
	const int64_t spectra = spectrum_frames(h, frames), most = largest(h, frames);
	space_begin(m);
	s->frames = frames;
	s->mel = space_take(m, 2, h->mel, frames, 0, 0);
	s->f0 = space_take(m, 2, 1, frames, 0, 0);
	s->spectrum = space_take(m, 2, h->config.n_fft + 2, spectra, 0, 0);
	s->out = space_take(m, 2, h->config.n_fft + 2, spectra, 0, 0);
	for (int i = 0; i < 5; i++) s->buffer[i] = space_take(m, 1, most, 0, 0, 0);
	vita_status status = space_reserve(m, device, err);
	if (status != VITA_OK) return status;
	vita_tensor *const all[] = { &s->mel, &s->f0, &s->spectrum, &s->out };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) space_put(m, all[i]);
	for (int i = 0; i < 5; i++) space_put(m, &s->buffer[i]);
	return VITA_OK;
}

static vita_tensor shaped(const vita_tensor *t, int64_t channels, int64_t frames)
{
	return vita_view(t->buffer, t->offset, VITA_F32, 2, channels, frames, 0, 0);
}

/* ---- recording ------------------------------------------------------------------------------------- */

static void convolve(vita_recorder *r, const layer *l, const vita_tensor *x, int64_t dilation, const vita_tensor *y)
{
	const int64_t pad = dilation * (l->kernel - 1) / 2;
	const vita_conv_params params = { .struct_size = sizeof params, .stride = 1, .dilation = (uint32_t)dilation, .groups = 1,
		                          .pad_left = pad, .pad_right = pad };
	vita_conv1d(r, x, &l->weight, &l->bias, &params, y);
}

/* x to y; x stays as it is where they are not one. */
static void run_resblock(const hift_space *s, vita_recorder *r, const resblock *b, const vita_tensor *x, const vita_tensor *y)
{
	vita_tensor a = shaped(&s->buffer[3], x->shape[0], x->shape[1]), c = shaped(&s->buffer[4], x->shape[0], x->shape[1]);
	for (uint32_t i = 0; i < b->n; i++) {
		vita_unary(r, VITA_UNARY_SNAKE, x, &b->alpha1[i], 0, &a);
		convolve(r, &b->conv1[i], &a, b->dilation[i], &c);
		vita_unary(r, VITA_UNARY_SNAKE, &c, &b->alpha2[i], 0, &c);
		convolve(r, &b->conv2[i], &c, 1, &a);
		vita_binary(r, VITA_BINARY_ADD, x, &a, y);
		x = y;
	}
}

/* More frames by a transposed convolution. The last stage gets one frame in front, a copy of frame 1 (mirrored). */
static void upsample(vita_recorder *r, const hift_stage *st, const vita_tensor *x, int32_t last, const vita_tensor *y)
{
	const int64_t pad = (st->up.kernel - st->rate) / 2;
	const vita_conv_params params = { .struct_size = sizeof params, .stride = (uint32_t)st->rate, .dilation = 1, .groups = 1,
		                          .pad_left = pad, .pad_right = pad };
	vita_tensor to = last ? vita_slice(y, 1, 1, y->shape[1] - 1) : *y;
	vita_conv_transpose1d(r, x, &st->up.weight, &st->up.bias, &params, &to);
	if (!last) return;
	vita_tensor first = vita_slice(y, 1, 0, 1), second = vita_slice(&to, 1, 1, 1);
	vita_copy(r, &second, &first);
}

static void add_source(const hift_space *s, vita_recorder *r, const hift_stage *st, const vita_tensor *x)
{
	const int64_t stride = st->source_stride, pad = stride == 1 ? 0 : stride / 2;
	const vita_conv_params params = { .struct_size = sizeof params, .stride = (uint32_t)stride, .dilation = 1, .groups = 1,
		                          .pad_left = pad, .pad_right = pad };
	vita_tensor y = shaped(&s->buffer[2], x->shape[0], x->shape[1]);
	vita_conv1d(r, &s->spectrum, &st->source_down.weight, &st->source_down.bias, &params, &y);
	run_resblock(s, r, &st->source, &y, &y);
	vita_binary(r, VITA_BINARY_ADD, x, &y, x);
}

/* x in buffer 0, which also gets the answer. */
static vita_tensor run_stage(const hift *h, const hift_space *s, vita_recorder *r, uint32_t i, const vita_tensor *x)
{
	const hift_stage *st = &h->stage[i];
	const int32_t last = i + 1 == h->config.n_ups;
	const int64_t frames = x->shape[1] * st->rate + last;
	vita_tensor up = shaped(&s->buffer[1], st->up.out, frames), sum = shaped(&s->buffer[0], st->up.out, frames);
	vita_tensor one = shaped(&s->buffer[2], st->up.out, frames);
	vita_unary(r, VITA_UNARY_LEAKY_RELU, x, NULL, h->config.slope, x);
	upsample(r, st, x, last, &up);
	add_source(s, r, st, &up);
	for (uint32_t k = 0; k < h->config.n_kernels; k++) {
		run_resblock(s, r, &st->block[k], &up, k == 0 ? &sum : &one);
		if (k > 0) vita_binary(r, VITA_BINARY_ADD, &sum, &one, &sum);
	}
	vita_affine(r, &sum, 1.0 / h->config.n_kernels, 0, &sum);
	return sum;
}

/* ---- running --------------------------------------------------------------------------------------- */

vita_status hift_f0(const hift *h, const vita_device *device, hift_space *s, const float *mel, int64_t n, float *f0,
                    vita_error *err)
{
	const vita_backend_api *api = device->api;
	vita_recorder *r = &s->recorder;
	vita_status status = take_all(h, device, s, n, err);
	if (status == VITA_OK) status = api->write(device->self, &s->mel, mel, (uint64_t)(h->mel * n) * sizeof *mel, err);
	if (status != VITA_OK) return status;
	vita_recorder_begin(r, device, err);
	vita_tensor x = s->mel;
	for (uint32_t i = 0; i < h->n_f0_layers; i++) {
		vita_tensor y = shaped(&s->buffer[i % 2], h->f0_layer[i].out, n);
		convolve(r, &h->f0_layer[i], &x, 1, &y);
		vita_unary(r, VITA_UNARY_ELU, &y, NULL, 1, &y);
		x = y;
	}
	layer out = h->f0_out;
	out.kernel = 1;
	convolve(r, &out, &x, 1, &s->f0);
	vita_unary(r, VITA_UNARY_ABS, &s->f0, NULL, 0, &s->f0);
	status = vita_recorder_end(r);
	if (status == VITA_OK) return api->read(device->self, &s->f0, f0, (uint64_t)n * sizeof *f0, err);
	(void)api->wait(device->self, NULL);
	return status;
}

static vita_status generate(const hift *h, const vita_device *device, hift_space *s, vita_error *err)
{
	vita_recorder *r = &s->recorder;
	vita_recorder_begin(r, device, err);
	vita_tensor x = shaped(&s->buffer[0], h->pre.out, s->frames);
	convolve(r, &h->pre, &s->mel, 1, &x);
	for (uint32_t i = 0; i < h->config.n_ups; i++) x = run_stage(h, s, r, i, &x);
	vita_unary(r, VITA_UNARY_LEAKY_RELU, &x, NULL, 0.01, &x);
	convolve(r, &h->post, &x, 1, &s->out);
	return vita_recorder_end(r);
}

vita_status hift_wave(const hift *h, const vita_host *host, const vita_device *device, hift_space *s, const float *source,
                      float *pcm, vita_error *err)
{
	const vita_backend_api *api = device->api;
	const int64_t n = s->frames * h->config.frame_samples;
	const uint64_t size = (uint64_t)((h->config.n_fft + 2) * spectrum_frames(h, s->frames));
	float *values = host_zeroed(host, size + (uint64_t)(n + h->config.n_fft), sizeof *values);
	if (!values) return vita_fail(err, VITA_E_NOMEM, "flow-hift: no memory for %lld samples", (long long)n);
	short_fourier_forward(&h->fourier, source, n, values);
	vita_status status = api->write(device->self, &s->spectrum, values, size * sizeof *values, err);
	if (status == VITA_OK) status = generate(h, device, s, err);
	if (status == VITA_OK) status = api->read(device->self, &s->out, values, size * sizeof *values, err);
	else (void)api->wait(device->self, NULL);
	if (status == VITA_OK) short_fourier_back(&h->fourier, values, n, values + size, pcm);
	for (int64_t i = 0; i < n && status == VITA_OK; i++) {
		const float limit = (float)h->config.limit;
		pcm[i] = pcm[i] > limit ? limit : pcm[i] < -limit ? -limit : pcm[i];
	}
	host_release(host, values);
	return status;
}

void hift_space_free(const vita_device *device, hift_space *s)
{
	device_memory_free(device, &s->memory.memory);
}
