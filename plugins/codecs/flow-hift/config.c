/* SPDX-License-Identifier: MIT
 *
 * config.yaml of a speech decoder; see config.h.
 */
#include "config.h"

/* The first failure sticks. */
typedef struct reading {
	const vita_host *host;
	const vita_model *model;
	vita_status status;
	vita_error *err;
} reading;

/* Absent keys leave *out alone. */
static void take(reading *r, vita_status status)
{
	if (status != VITA_E_NOTFOUND) r->status = status;
}

static void read_int(reading *r, const char *key, int64_t min, int64_t max, int64_t *out)
{
	if (r->status != VITA_OK) return;
	take(r, r->host->model_get_int(r->host->context, r->model, VITA_CONFIG_YAML, key, min, max, out, r->err));
}

static void read_float(reading *r, const char *key, double min, double max, double *out)
{
	if (r->status != VITA_OK) return;
	take(r, r->host->model_get_float(r->host->context, r->model, VITA_CONFIG_YAML, key, out, r->err));
	if (r->status == VITA_OK && !(*out >= min && *out <= max))
		r->status = vita_fail(r->err, VITA_E_FORMAT, "config.yaml: %s = %g must lie between %g and %g", key, *out, min, max);
}

static uint32_t read_ints(reading *r, const char *key, int64_t min, int64_t max, int64_t *out, uint32_t capacity)
{
	uint32_t n = 0;
	if (r->status != VITA_OK) return 0;
	r->status = r->host->model_get_ints(r->host->context, r->model, VITA_CONFIG_YAML, key, out, capacity, &n, r->err);
	if (r->status != VITA_OK) return 0;
	if (n < 1 || n > capacity)
		r->status = vita_fail(r->err, VITA_E_UNSUPPORTED, "config.yaml: %s has %u entries; 1 to %u are possible", key, n, capacity);
	for (uint32_t i = 0; i < n && r->status == VITA_OK; i++)
		if (out[i] < min || out[i] > max)
			r->status = vita_fail(r->err, VITA_E_FORMAT, "config.yaml: %s holds %lld, which must lie between %lld and %lld", key,
			                      (long long)out[i], (long long)min, (long long)max);
	return r->status == VITA_OK ? n : 0;
}

/* A key that may have only one value here. */
static void want_text(reading *r, const char *key, const char *wanted)
{
	const char *text = wanted;
	if (r->status != VITA_OK) return;
	take(r, r->host->model_get_string(r->host->context, r->model, VITA_CONFIG_YAML, key, &text, r->err));
	if (r->status == VITA_OK && strcmp(text, wanted) != 0)
		r->status = vita_fail(r->err, VITA_E_UNSUPPORTED, "config.yaml: %s = %.64s is not known here; %s is", key, text, wanted);
}

static void want_bool(reading *r, const char *key, int32_t wanted)
{
	int32_t value = wanted;
	if (r->status != VITA_OK) return;
	take(r, r->host->model_get_bool(r->host->context, r->model, VITA_CONFIG_YAML, key, &value, r->err));
	if (r->status == VITA_OK && value != wanted)
		r->status = vita_fail(r->err, VITA_E_UNSUPPORTED, "config.yaml: %s = %s is not known here", key, value ? "True" : "False");
}

/* Is there a config.yaml that can be read at all, and does it have this section? */
static void want_section(reading *r, const char *key)
{
	const char *class;
	vita_status status = r->host->model_get_string(r->host->context, r->model, VITA_CONFIG_YAML, key, &class, r->err);
	if (status == VITA_E_NOTFOUND)
		status = vita_fail(r->err, status, "%s: a config.yaml with \"%s\" is needed beside a speech decoder's weights",
		                   r->host->model_path(r->host->context, r->model), key);
	r->status = status;
}

vita_status flow_config_read(const vita_host *host, const vita_model *model, flow_config *out, vita_error *err)
{
	reading r = { host, model, VITA_OK, err };
	int64_t ratios[16], n;
	const char *schedule = "cosine";
	*out = (flow_config){ .frame_rate = 12.5, .guidance = 0.7, .block = 10, .heads = 8, .n_regulator = 4, .est_heads = 8,
		              .est_head_dim = 64 };
	want_section(&r, "flow.!new");
	want_text(&r, "flow.output_type", "mel");
	read_float(&r, "flow.input_frame_rate", 1, 1000, &out->frame_rate);
	want_text(&r, "flow.encoder.input_layer", "linear");
	want_text(&r, "flow.encoder.pos_enc_layer_type", "rel_pos_espnet");
	want_text(&r, "flow.encoder.selfattention_layer_type", "block_rel_selfattn");
	want_bool(&r, "flow.encoder.normalize_before", 1);
	want_bool(&r, "flow.encoder.use_cnn_module", 0);
	want_bool(&r, "flow.encoder.macaron_style", 0);
	read_int(&r, "flow.encoder.block_size", 1, 4096, &out->block);
	read_int(&r, "flow.encoder.attention_heads", 1, 1024, &out->heads);
	n = read_ints(&r, "flow.length_regulator.sampling_ratios", 1, 1, ratios, 16);
	if (n > 0) out->n_regulator = n;
	want_text(&r, "flow.decoder.cfm_params.content.solver", "euler");
	read_float(&r, "flow.decoder.cfm_params.content.inference_cfg_rate", 0, 100, &out->guidance);
	if (r.status == VITA_OK)
		take(&r, host->model_get_string(host->context, model, VITA_CONFIG_YAML, "flow.decoder.cfm_params.content.t_scheduler",
		                                &schedule, err));
	out->cosine = strcmp(schedule, "cosine") == 0;
	want_text(&r, "flow.decoder.estimator.act_fn", "gelu");
	read_int(&r, "flow.decoder.estimator.num_heads", 1, 1024, &out->est_heads);
	read_int(&r, "flow.decoder.estimator.attention_head_dim", 1, 4096, &out->est_head_dim);
	return r.status;
}

/* Lists of kernels, and of a list of dilations for each. */
static uint32_t read_resblocks(reading *r, const char *kernels, const char *dilations, resblock_config *out, uint32_t most)
{
	int64_t kernel[MOST_KERNELS + MOST_UPS];
	char key[80];
	uint32_t n = read_ints(r, kernels, 1, 99, kernel, most);
	for (uint32_t i = 0; i < n; i++) {
		(void)snprintf(key, sizeof key, "%s.%u", dilations, i);
		out[i].kernel = kernel[i];
		out[i].n = read_ints(r, key, 1, 99, out[i].dilation, MOST_DILATIONS);
		if (r->status == VITA_OK && kernel[i] % 2 == 0)
			r->status = vita_fail(r->err, VITA_E_UNSUPPORTED, "config.yaml: %s holds %lld; odd sizes are possible", kernels,
			                      (long long)kernel[i]);
	}
	return n;
}

vita_status hift_config_read(const vita_host *host, const vita_model *model, hift_config *out, vita_error *err)
{
	reading r = { host, model, VITA_OK, err };
	*out = (hift_config){ .sample_rate = MEL_RATE_HZ, .harmonics = 8, .alpha = 0.1, .sigma = 0.003, .threshold_hz = 10,
		              .slope = 0.1, .limit = 0.99, .n_fft = 16, .hop = 4 };
	want_section(&r, "hift.!new");
	read_int(&r, "hift.sampling_rate", 1000, 384000, &out->sample_rate);
	read_int(&r, "hift.nb_harmonics", 0, 64, &out->harmonics);
	read_float(&r, "hift.nsf_alpha", 0, 10, &out->alpha);
	read_float(&r, "hift.nsf_sigma", 0, 10, &out->sigma);
	read_float(&r, "hift.nsf_voiced_threshold", 0, 1e5, &out->threshold_hz);
	read_float(&r, "hift.lrelu_slope", -10, 10, &out->slope);
	read_float(&r, "hift.audio_limit", 1e-3, 10, &out->limit);
	read_int(&r, "hift.istft_params.n_fft", 4, 1024, &out->n_fft);
	read_int(&r, "hift.istft_params.hop_len", 1, 1024, &out->hop);
	out->n_ups = read_ints(&r, "hift.upsample_rates", 1, 64, out->rate, MOST_UPS);
	out->n_kernels = read_resblocks(&r, "hift.resblock_kernel_sizes", "hift.resblock_dilation_sizes", out->resblock,
	                                MOST_KERNELS);
	uint32_t n_source = read_resblocks(&r, "hift.source_resblock_kernel_sizes", "hift.source_resblock_dilation_sizes",
	                                   out->source, MOST_UPS);
	if (r.status == VITA_OK && n_source != out->n_ups)
		return vita_fail(err, VITA_E_FORMAT, "config.yaml: hift has %u upsample_rates, but %u source_resblock_kernel_sizes",
		                 out->n_ups, n_source);
	if (r.status == VITA_OK && (out->n_fft % 4 != 0 || out->hop * 4 > out->n_fft || out->n_fft % (2 * out->hop) != 0))
		return vita_fail(err, VITA_E_UNSUPPORTED, "config.yaml: hift.istft_params n_fft = %lld with hop_len = %lld is not known "
		                 "here; n_fft must be a multiple of 4, and of 2 and 4 hops", (long long)out->n_fft, (long long)out->hop);
	out->frame_samples = out->hop;
	for (uint32_t i = 0; i < out->n_ups; i++) out->frame_samples *= out->rate[i];
	if (r.status == VITA_OK && (out->frame_samples > 65536 || out->frame_samples <= out->n_fft / 2))
		return vita_fail(err, VITA_E_UNSUPPORTED,
		                 "config.yaml: hift makes %lld samples of a frame; more than n_fft / 2 and at most 65536 are possible",
		                 (long long)out->frame_samples);
	return r.status;
}
