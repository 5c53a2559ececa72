/* SPDX-License-Identifier: MIT
 *
 * Weights of decoder layers; see decoder_weights.h.
 */
#include "decoder_weights.h"

#include "plugin_memory.h"

#include <vita/record.h>

#include <math.h>

vita_status decoder_dtype_setting(const vita_host *host, const vita_settings *settings, uint32_t *dtype,
                                  vita_error *err)
{
	const char *name = host->setting_string(host->context, settings, "dtype");
	*dtype = VITA_DTYPE_NONE;
	if (!name || !name[0] || strcmp(name, "as-is") == 0) return VITA_OK;
	*dtype = vita_dtype_parse(name);
	if (*dtype != VITA_DTYPE_NONE && *dtype != VITA_I32 && *dtype != VITA_U8) return VITA_OK;
	return vita_fail(err, VITA_E_CONFIG,
	                 "dtype = %.64s is not a type for weights; as-is, f32, f16, bf16, q8_0, q4_0, "
	                 "q4_1, q4_k and q6_k are",
	                 name);
}

/* Types whose blocks of 256 values do not divide a row give way to those of 32, and these to f16. */
static uint32_t fitting_dtype(decoder_loader *loader, const char *name, int64_t columns)
{
	uint32_t wanted = loader->dtype, fitting = VITA_F16;
	if (wanted == VITA_DTYPE_NONE || columns % (int64_t)vita_dtype_block(wanted) == 0) return wanted;
	if (columns % 32 == 0) fitting = wanted == VITA_Q6_K ? VITA_Q8_0 : VITA_Q4_1;
	if (!loader->warned)
		vita_logf(loader->host, VITA_LOG_INFO, "decoder",
		          "rows of %lld values do not fit %s: %s and others like it "
		          "are held in %s",
		          (long long)columns, vita_dtype_name(wanted), name, vita_dtype_name(fitting));
	loader->warned = 1;
	return fitting;
}

static vita_status load(decoder_loader *loader, const vita_array *array, uint32_t dtype, vita_tensor *out,
                        vita_error *err)
{
	const vita_host *host = loader->host;
	VITA_INIT(out);
	vita_status status = host->weight_load(host->context, loader->device, array, dtype, out, err);
	if (status != VITA_OK) {
		out->buffer = NULL;
		return status;
	}
	int64_t row = vita_row_bytes(out->dtype, out->shape[out->rank - 1]);
	loader->bytes += (uint64_t)(out->rank == 2 ? out->shape[0] : 1) * (uint64_t)(row > 0 ? row : 0);
	if (out->rank == 2) loader->macs += (uint64_t)(out->shape[0] * out->shape[1]);
	return VITA_OK;
}

vita_status decoder_matrix_load(decoder_loader *loader, const char *name, int64_t rows, int64_t columns,
                                vita_tensor *out, vita_error *err)
{
	const int64_t shape[2] = { rows, columns };
	vita_array array;
	VITA_INIT(&array);
	vita_status status = loader->host->model_tensor(loader->host->context, loader->model, name, 2, shape,
	                                                &array, err);
	if (status != VITA_OK) return status;
	return load(loader, &array, fitting_dtype(loader, name, columns), out, err);
}

vita_status decoder_vector_load(decoder_loader *loader, const char *name, int64_t n, vita_tensor *out,
                                vita_error *err)
{
	vita_array array;
	VITA_INIT(&array);
	vita_status status = loader->host->model_tensor(loader->host->context, loader->model, name, 1, &n,
	                                                &array, err);
	if (status != VITA_OK) return status;
	return load(loader, &array, VITA_F32, out, err);
}

/* One tensor of a layer: where it goes, what it is called, and its shape. */
typedef struct part {
	vita_tensor *target;
	const char *name;
	int64_t rows, columns; /* columns 0: a vector */
	int32_t wanted;
} part;

vita_status decoder_layer_load(decoder_loader *loader, const decoder_config *c, int64_t index,
                               decoder_layer *out, vita_error *err)
{
	int64_t q = c->n_heads * c->head_dim, kv = c->n_kv_heads * c->head_dim;
	int64_t h = c->hidden_size, m = c->intermediate_size;
	const part parts[] = {
		{ &out->input_norm, "input_layernorm.weight", h, 0, 1 },
		{ &out->q.weight, "self_attn.q_proj.weight", q, h, 1 },
		{ &out->q.bias, "self_attn.q_proj.bias", q, 0, c->qkv_bias },
		{ &out->k.weight, "self_attn.k_proj.weight", kv, h, 1 },
		{ &out->k.bias, "self_attn.k_proj.bias", kv, 0, c->qkv_bias },
		{ &out->v.weight, "self_attn.v_proj.weight", kv, h, 1 },
		{ &out->v.bias, "self_attn.v_proj.bias", kv, 0, c->qkv_bias },
		{ &out->q_norm, "self_attn.q_norm.weight", c->head_dim, 0, c->qk_norm },
		{ &out->k_norm, "self_attn.k_norm.weight", c->head_dim, 0, c->qk_norm },
		{ &out->o.weight, "self_attn.o_proj.weight", h, q, 1 },
		{ &out->o.bias, "self_attn.o_proj.bias", h, 0, c->out_bias },
		{ &out->post_norm, "post_attention_layernorm.weight", h, 0, 1 },
		{ &out->gate.weight, "mlp.gate_proj.weight", m, h, 1 },
		{ &out->gate.bias, "mlp.gate_proj.bias", m, 0, c->mlp_bias },
		{ &out->up.weight, "mlp.up_proj.weight", m, h, 1 },
		{ &out->up.bias, "mlp.up_proj.bias", m, 0, c->mlp_bias },
		{ &out->down.weight, "mlp.down_proj.weight", h, m, 1 },
		{ &out->down.bias, "mlp.down_proj.bias", h, 0, c->mlp_bias },
	};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		const part *p = &parts[i];
		char name[96];
		if (!p->wanted) continue;
		(void)snprintf(name, sizeof name, "model.layers.%lld.%s", (long long)index, p->name);
		vita_status status = p->columns ? decoder_matrix_load(loader, name, p->rows, p->columns,
		                                                      p->target, err)
		                                : decoder_vector_load(loader, name, p->rows, p->target, err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

static void linear_free(const vita_device *device, decoder_linear *linear)
{
	device_tensor_free(device, &linear->weight);
	device_tensor_free(device, &linear->bias);
}

void decoder_layer_free(const vita_device *device, decoder_layer *layer)
{
	device_tensor_free(device, &layer->input_norm);
	device_tensor_free(device, &layer->post_norm);
	device_tensor_free(device, &layer->q_norm);
	device_tensor_free(device, &layer->k_norm);
	linear_free(device, &layer->q);
	linear_free(device, &layer->k);
	linear_free(device, &layer->v);
	linear_free(device, &layer->o);
	linear_free(device, &layer->gate);
	linear_free(device, &layer->up);
	linear_free(device, &layer->down);
}

/* How much longer Llama 3.1's RoPE scaling makes the wave of this frequency: 1 where it is short against
 * the context of pretraining, rope_factor where it is long, smooth in frequency between. */
static double llama3_stretch(const decoder_config *c, double frequency)
{
	double waves = c->rope_original * frequency / (2 * 3.14159265358979323846);
	if (waves > c->rope_high) return 1;
	if (waves < c->rope_low) return c->rope_factor;
	double share = (waves - c->rope_low) / (c->rope_high - c->rope_low);
	return 1 / ((1 - share) / c->rope_factor + share);
}

vita_status decoder_rope_factors(decoder_loader *loader, const decoder_config *c, vita_tensor *out,
                                 vita_error *err)
{
	int64_t half = c->head_dim / 2;
	uint64_t bytes = (uint64_t)half * sizeof(float);
	float *factors = host_zeroed(loader->host, (uint64_t)half, sizeof *factors);
	if (!factors) return vita_fail(err, VITA_E_NOMEM, "no memory for %lld RoPE factors", (long long)half);
	for (int64_t j = 0; j < half; j++)
		factors[j] = (float)llama3_stretch(c, pow(c->rope_theta,
		                                          -2.0 * (double)j / (double)c->head_dim));
	vita_tensor tensor = vita_view(NULL, 0, VITA_F32, 1, half, 0, 0, 0);
	device_memory memory = { 0 };
	vita_status status = device_memory_reserve(loader->device, &memory, bytes, err);
	if (status == VITA_OK) {
		tensor.buffer = memory.buffer;
		status = loader->device->api->write(loader->device->self, &tensor, factors, bytes, err);
		if (status == VITA_OK)
			*out = tensor;
		else
			device_memory_free(loader->device, &memory);
	}
	host_release(loader->host, factors);
	return status;
}
