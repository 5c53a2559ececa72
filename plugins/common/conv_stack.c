/* SPDX-License-Identifier: MIT
 *
 * A stack of residual convolutions; see conv_stack.h.
 */
#include "conv_stack.h"

#include "plugin_memory.h"

#define MOST_WIDTH 4096
#define MOST_KERNEL 63
#define MOST_DILATION 64
#define EPSILON 1e-5

/* ---- weights --------------------------------------------------------------------------------------- */

static vita_status load(const vita_host *host, const vita_device *device, const vita_model *model,
			const char *name, const char *part, uint32_t rank, const int64_t *shape,
			vita_tensor *out, vita_error *err)
{
	char full[128];
	vita_array array;
	VITA_INIT(&array);
	(void)snprintf(full, sizeof full, "%s.%s", name, part);
	vita_status status = host->model_tensor(host->context, model, full, rank, shape, &array, err);
	if (status != VITA_OK) return status;
	VITA_INIT(out);
	status = host->weight_load(host->context, device, &array, rank == 1 ? VITA_F32 : VITA_DTYPE_NONE, out,
				   err);
	if (status != VITA_OK) out->buffer = NULL;
	return status;
}

vita_status conv_weights_load(const vita_host *host, const vita_device *device, const vita_model *model,
			      const char *name, uint32_t rank, const int64_t *shape, int64_t n_bias,
			      conv_weights *out, vita_error *err)
{
	vita_status status = load(host, device, model, name, "weight", rank, shape, &out->weight, err);
	if (status != VITA_OK) return status;
	return load(host, device, model, name, "bias", 1, &n_bias, &out->bias, err);
}

void conv_weights_free(const vita_device *device, conv_weights *weights)
{
	device_tensor_free(device, &weights->weight);
	device_tensor_free(device, &weights->bias);
}

/* ---- the stack ------------------------------------------------------------------------------------- */

/* A required list of at most CONV_STACK_MOST integers, each in min … max. */
static vita_status get_list(const vita_host *host, const vita_model *model, const char *key, int64_t min,
			    int64_t max, int64_t *values, uint32_t *n, vita_error *err)
{
	vita_status status = host->model_get_ints(host->context, model, VITA_CONFIG_MODEL, key, values,
						  CONV_STACK_MOST, n, err);
	if (status == VITA_E_NOTFOUND)
		return vita_fail(err, VITA_E_FORMAT, "%s: config.json lacks \"%s\", a list of integers",
				 host->model_path(host->context, model), key);
	if (status != VITA_OK) return status;
	if (*n > CONV_STACK_MOST)
		return vita_fail(err, VITA_E_FORMAT,
				 "%s: config.json: \"%s\" has %u entries, expected at most %d",
				 host->model_path(host->context, model), key, *n, CONV_STACK_MOST);
	for (uint32_t i = 0; i < *n; i++)
		if (values[i] < min || values[i] > max)
			return vita_fail(err, VITA_E_FORMAT,
					 "%s: config.json: \"%s\" holds %lld, expected %lld to %lld",
					 host->model_path(host->context, model), key, (long long)values[i],
					 (long long)min, (long long)max);
	return VITA_OK;
}

static vita_status get_size(const vita_host *host, const vita_model *model, const char *key, int64_t max,
			    int64_t *value, vita_error *err)
{
	vita_status status =
		host->model_get_int(host->context, model, VITA_CONFIG_MODEL, key, 1, max, value, err);
	if (status != VITA_E_NOTFOUND) return status;
	return vita_fail(err, VITA_E_FORMAT, "%s: config.json lacks \"%s\", an integer from 1 to %lld",
			 host->model_path(host->context, model), key, (long long)max);
}

vita_status conv_stack_configure(const vita_host *host, const vita_model *model, const char *width,
				 const char *kernel, const char *dilations, const char *ahead,
				 conv_stack *out, vita_error *err)
{
	int64_t dilation[CONV_STACK_MOST], taps[CONV_STACK_MOST];
	uint32_t n_taps = 0;
	vita_status status = get_size(host, model, width, MOST_WIDTH, &out->width, err);
	if (status == VITA_OK) status = get_size(host, model, kernel, MOST_KERNEL, &out->kernel, err);
	if (status == VITA_OK)
		status = get_list(host, model, dilations, 1, MOST_DILATION, dilation, &out->n_blocks, err);
	if (status == VITA_OK && ahead)
		status = get_list(host, model, ahead, 0, out->kernel - 1, taps, &n_taps, err);
	if (status != VITA_OK) return status;
	if (ahead && n_taps != out->n_blocks)
		return vita_fail(err, VITA_E_FORMAT,
				 "%s: config.json: \"%s\" has %u entries, expected %u as in \"%s\"",
				 host->model_path(host->context, model), ahead, n_taps, out->n_blocks,
				 dilations);
	for (uint32_t i = 0; i < out->n_blocks; i++) {
		out->block[i].dilation = dilation[i];
		out->block[i].ahead = ahead ? taps[i] : out->kernel / 2;
	}
	return VITA_OK;
}

vita_status conv_stack_load(const vita_host *host, const vita_device *device, const vita_model *model,
			    const char *prefix, conv_stack *stack, vita_error *err)
{
	const int64_t vector[1] = {stack->width}, matrix[2] = {stack->width, stack->width};
	const int64_t kernels[3] = {stack->width, stack->width, stack->kernel};
	stack->device = device;
	for (uint32_t i = 0; i < stack->n_blocks; i++) {
		conv_block *b = &stack->block[i];
		char norm[96], conv[96], linear[96];
		(void)snprintf(norm, sizeof norm, "%s.%u.norm", prefix, i);
		(void)snprintf(conv, sizeof conv, "%s.%u.conv", prefix, i);
		(void)snprintf(linear, sizeof linear, "%s.%u.linear", prefix, i);
		vita_status status =
			conv_weights_load(host, device, model, norm, 1, vector, stack->width, &b->norm, err);
		if (status == VITA_OK)
			status = conv_weights_load(host, device, model, conv, 3, kernels, stack->width,
						   &b->conv, err);
		if (status == VITA_OK)
			status = conv_weights_load(host, device, model, linear, 2, matrix, stack->width,
						   &b->linear, err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

void conv_stack_free(conv_stack *stack)
{
	for (uint32_t i = 0; i < stack->n_blocks; i++) {
		conv_weights_free(stack->device, &stack->block[i].norm);
		conv_weights_free(stack->device, &stack->block[i].conv);
		conv_weights_free(stack->device, &stack->block[i].linear);
	}
}

int64_t conv_stack_before(const conv_stack *stack)
{
	int64_t n = 0;
	for (uint32_t i = 0; i < stack->n_blocks; i++)
		n += (stack->kernel - 1 - stack->block[i].ahead) * stack->block[i].dilation;
	return n;
}

int64_t conv_stack_ahead(const conv_stack *stack)
{
	int64_t n = 0;
	for (uint32_t i = 0; i < stack->n_blocks; i++)
		n += stack->block[i].ahead * stack->block[i].dilation;
	return n;
}

/* ---- passes ---------------------------------------------------------------------------------------- */

uint64_t conv_stack_work(const conv_stack *stack, int64_t n)
{
	return 3 * (uint64_t)n * (uint64_t)stack->width * sizeof(float);
}

/* Convolutions want time innermost, everything else wants channels there: columns are turned rows. */
void conv_rows(vita_recorder *r, const conv_weights *conv, const vita_tensor *rows, int64_t dilation,
	       int64_t pad_left, int64_t pad_right, vita_buffer *work, const vita_tensor *out)
{
	int64_t n = rows->shape[0], c_in = rows->shape[1], c_out = out->shape[1];
	vita_tensor columns = vita_view(work, 0, VITA_F32, 2, c_in, n, 0, 0);
	vita_tensor result =
		vita_view(work, (uint64_t)(c_in * n) * sizeof(float), VITA_F32, 2, c_out, n, 0, 0);
	vita_tensor turned_rows = vita_transpose(rows, 0, 1), turned_result = vita_transpose(&result, 0, 1);
	vita_conv_params p = {.struct_size = sizeof p,
			      .stride = 1,
			      .groups = 1,
			      .dilation = (uint32_t)dilation,
			      .pad_left = pad_left,
			      .pad_right = pad_right};
	vita_copy(r, &turned_rows, &columns);
	vita_conv1d(r, &columns, &conv->weight, &conv->bias, &p, &result);
	vita_unary(r, VITA_UNARY_RELU, &result, NULL, 0, &result);
	vita_copy(r, &turned_result, out);
}

void conv_stack_run(vita_recorder *r, const conv_stack *stack, const vita_tensor *rows, vita_buffer *work)
{
	int64_t n = rows->shape[0], width = stack->width;
	vita_tensor normed =
		vita_view(work, 2 * (uint64_t)(n * width) * sizeof(float), VITA_F32, 2, n, width, 0, 0);
	for (uint32_t i = 0; i < stack->n_blocks; i++) {
		const conv_block *b = &stack->block[i];
		vita_layer_norm(r, rows, &b->norm.weight, &b->norm.bias, EPSILON, &normed);
		conv_rows(r, &b->conv, &normed, b->dilation, (stack->kernel - 1 - b->ahead) * b->dilation,
			  b->ahead * b->dilation, work, &normed);
		vita_matmul(r, &normed, &b->linear.weight, &b->linear.bias, rows, VITA_UNARY_NONE, rows);
	}
}
