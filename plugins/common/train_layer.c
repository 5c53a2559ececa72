/* SPDX-License-Identifier: MIT
 *
 * A decoder layer forward and back; see train_layer.h.
 */
#include "train_layer.h"

#include <math.h>

#define ALIGNMENT 256 /* bytes, of each tensor in a cut buffer */

/* ---- parameters ------------------------------------------------------------------------------------- */

vita_status train_table_open(train_table *t, const vita_host *host, uint64_t capacity, vita_error *err)
{
	memset(t, 0, sizeof *t);
	t->host = host;
	if (capacity > UINT32_MAX) return vita_fail(err, VITA_E_INVALID, "more parameters than can be counted");
	t->list = host_zeroed(host, capacity ? capacity : 1, sizeof *t->list);
	if (!t->list) return vita_fail(err, VITA_E_NOMEM, "no memory for %llu parameters", (unsigned long long)capacity);
	t->capacity = (uint32_t)capacity;
	return VITA_OK;
}

void train_table_close(train_table *t)
{
	if (t->host) host_release(t->host, t->list);
}

vita_parameter *train_table_add(train_table *t, uint32_t start, double deviation, int64_t rows, int64_t columns,
                                const char *name)
{
	vita_parameter *p = &t->list[t->n++];
	VITA_INIT(p);
	p->start = start;
	p->deviation = deviation;
	p->rank = columns ? 2 : 1;
	p->shape[0] = rows;
	p->shape[1] = columns ? columns : 1;
	p->flags = columns ? 0 : VITA_PARAMETER_F_NO_DECAY;
	(void)snprintf(p->name, sizeof p->name, "%s", name);
	return p;
}

/* What adding a layer goes by. */
typedef struct layer_adding {
	train_graph *g;
	train_table *t;
	int64_t index, like;
} layer_adding;

static vita_parameter *add(const layer_adding *to, uint32_t start, double deviation, int64_t rows, int64_t columns,
                           const char *part)
{
	char name[96];
	(void)snprintf(name, sizeof name, "model.layers.%lld.%s", (long long)to->index, part);
	vita_parameter *p = train_table_add(to->t, start, deviation, rows, columns, name);
	if (to->like >= 0)
		(void)snprintf(p->like_name, sizeof p->like_name, "model.layers.%lld.%s", (long long)to->like, part);
	return p;
}

static train_linear add_linear(const layer_adding *to, double deviation, int64_t rows, int64_t columns, int32_t bias,
                               const char *part)
{
	char name[96];
	train_linear linear = { NULL, NULL };
	(void)snprintf(name, sizeof name, "%s.weight", part);
	linear.weight = add(to, VITA_PARAMETER_NORMAL, deviation, rows, columns, name);
	(void)snprintf(name, sizeof name, "%s.bias", part);
	if (bias) linear.bias = add(to, VITA_PARAMETER_ZERO, 0, rows, 0, name);
	return linear;
}

/* Weights that write into the residual stream start smaller, so that the stream's size does not depend on the
 * number of layers (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"). */
void train_layer_add(train_graph *g, train_table *t, int64_t index, int64_t like, train_layer *out)
{
	const decoder_config *c = &g->config;
	const layer_adding to = { g, t, index, like };
	const double into = g->initial / sqrt(2 * (double)(c->n_layers > 0 ? c->n_layers : 1));
	const int64_t h = c->hidden_size, m = c->intermediate_size;
	const int64_t q = c->n_heads * c->head_dim, kv = c->n_kv_heads * c->head_dim;
	out->input_norm = add(&to, VITA_PARAMETER_ONE, 0, h, 0, "input_layernorm.weight");
	out->q = add_linear(&to, g->initial, q, h, c->qkv_bias, "self_attn.q_proj");
	out->k = add_linear(&to, g->initial, kv, h, c->qkv_bias, "self_attn.k_proj");
	out->v = add_linear(&to, g->initial, kv, h, c->qkv_bias, "self_attn.v_proj");
	out->o = add_linear(&to, into, h, q, c->out_bias, "self_attn.o_proj");
	out->post_norm = add(&to, VITA_PARAMETER_ONE, 0, h, 0, "post_attention_layernorm.weight");
	out->gate = add_linear(&to, g->initial, m, h, c->mlp_bias, "mlp.gate_proj");
	out->up = add_linear(&to, g->initial, m, h, c->mlp_bias, "mlp.up_proj");
	out->down = add_linear(&to, into, h, m, c->mlp_bias, "mlp.down_proj");
}

/* ---- memory ----------------------------------------------------------------------------------------- */

vita_status train_graph_open(train_graph *g, const vita_train_setup *setup, vita_error *err)
{
	memset(g, 0, sizeof *g);
	g->setup = *setup;
	g->backend = setup->device->self;
	const vita_host *host = setup->host;
	vita_status status = decoder_config_read(host, setup->model, &g->config, err);
	if (status != VITA_OK) return status;
	const decoder_config *c = &g->config;
	if (c->qk_norm || c->rope_interleave || c->rope_tensor || c->rope_kind == DECODER_ROPE_LLAMA3 || c->window)
		return vita_fail(err, VITA_E_UNSUPPORTED,
		                 "%s: models with %s cannot be trained, only those of Qwen2's kind",
		                 host->model_path(host->context, setup->model),
		                 c->qk_norm ? "norms of queries and keys"
		                 : c->window ? "sliding windows" : "rotary positions of other kinds");
	g->initial = 0.02;
	status = host->model_get_float(host->context, setup->model, VITA_CONFIG_MODEL, "initializer_range", &g->initial,
	                               err);
	return status == VITA_E_NOTFOUND ? VITA_OK : status;
}

void train_graph_close(train_graph *g)
{
	if (g->setup.device) device_memory_free(g->setup.device, &g->memory);
}

static uint64_t padded(uint64_t bytes)
{
	return (bytes + (ALIGNMENT - 1)) & ~(uint64_t)(ALIGNMENT - 1);
}

vita_status train_cut_reserve(const vita_device *device, device_memory *memory, int64_t *capacity, int64_t n,
                              const train_cut *cuts, uint32_t n_cuts, vita_error *err)
{
	uint64_t size = 0;
	if (n <= *capacity) return VITA_OK;
	for (uint32_t i = 0; i < n_cuts; i++)
		size += padded((uint64_t)n * (uint64_t)(cuts[i].width ? cuts[i].width : 1) * sizeof(float));
	*capacity = 0;
	vita_status status = device_memory_reserve(device, memory, size, err);
	if (status != VITA_OK) return status;
	size = 0;
	for (uint32_t i = 0; i < n_cuts; i++) {
		const int64_t width = cuts[i].width;
		*cuts[i].tensor = vita_view(memory->buffer, size, VITA_F32, width ? 2 : 1, n, width, 0, 0);
		size += padded((uint64_t)n * (uint64_t)(width ? width : 1) * sizeof(float));
	}
	*capacity = n;
	return VITA_OK;
}

vita_status train_kept_reserve(const train_graph *g, train_kept *kept, int64_t n, vita_error *err)
{
	const decoder_config *c = &g->config;
	const int64_t h = c->hidden_size, m = c->intermediate_size;
	const int64_t q = c->n_heads * c->head_dim, kv = c->n_kv_heads * c->head_dim;
	const train_cut cuts[] = {
		{ &kept->a, h },           { &kept->q, q },         { &kept->k, kv },
		{ &kept->v, kv },          { &kept->o, q },         { &kept->log_sum, c->n_heads },
		{ &kept->mid, h },         { &kept->b, h },         { &kept->gate, m },
		{ &kept->up, m },          { &kept->product, m },   { &kept->inverse_a, 0 },
		{ &kept->inverse_b, 0 },
	};
	return train_cut_reserve(g->setup.device, &kept->memory, &kept->capacity, n, cuts,
	                         sizeof cuts / sizeof cuts[0], err);
}

void train_kept_free(const train_graph *g, train_kept *kept)
{
	device_memory_free(g->setup.device, &kept->memory);
}

static vita_status reserve_gradients(train_graph *g, int64_t n, vita_error *err)
{
	const decoder_config *c = &g->config;
	const int64_t q = c->n_heads * c->head_dim, kv = c->n_kv_heads * c->head_dim;
	const train_cut cuts[] = {
		{ &g->dwide, c->intermediate_size }, { &g->dnarrow, c->hidden_size }, { &g->dqueries, q },
		{ &g->dq, q },                       { &g->dk, kv },                  { &g->dv, kv },
	};
	return train_cut_reserve(g->setup.device, &g->memory, &g->capacity, n, cuts, sizeof cuts / sizeof cuts[0], err);
}

vita_tensor train_first(const vita_tensor *t, int64_t n)
{
	return vita_slice(t, 0, 0, n);
}

/* ---- forward ---------------------------------------------------------------------------------------- */

/* Activations and inner gradients, cut to the rows at hand. */
typedef struct layer_view {
	vita_tensor a, q, k, v, o, log_sum, mid, b, gate, up, product, inverse_a, inverse_b;
} layer_view;

static layer_view view_of(const train_kept *kept, int64_t n)
{
	return (layer_view){
		.a = train_first(&kept->a, n),             .q = train_first(&kept->q, n),
		.k = train_first(&kept->k, n),             .v = train_first(&kept->v, n),
		.o = train_first(&kept->o, n),             .log_sum = train_first(&kept->log_sum, n),
		.mid = train_first(&kept->mid, n),         .b = train_first(&kept->b, n),
		.gate = train_first(&kept->gate, n),       .up = train_first(&kept->up, n),
		.product = train_first(&kept->product, n), .inverse_a = train_first(&kept->inverse_a, n),
		.inverse_b = train_first(&kept->inverse_b, n),
	};
}

static vita_status linear(const train_graph *g, const vita_tensor *x, const train_linear *l,
                          const vita_tensor *residual, const vita_tensor *y, vita_error *err)
{
	return g->setup.ops->matmul(g->backend, g->setup.flags, x, &l->weight->value, l->bias ? &l->bias->value : NULL,
	                            residual, y, err);
}

static vita_train_attention attention_of(const train_graph *g, const vita_train_rows *rows)
{
	const decoder_config *c = &g->config;
	vita_train_attention a;
	VITA_INIT(&a);
	a.n_samples = rows->n_samples;
	a.starts = rows->starts;
	a.heads = c->n_heads;
	a.kv_heads = c->n_kv_heads;
	a.size = c->head_dim;
	a.scale = 1 / sqrt((double)c->head_dim);
	return a;
}

static vita_status rotate(const train_graph *g, uint32_t back, const vita_tensor *x, const int32_t *positions,
                          vita_error *err)
{
	const decoder_config *c = &g->config;
	const double scale = c->rope_kind == DECODER_ROPE_LINEAR ? 1 / c->rope_factor : 1;
	return g->setup.ops->rope(g->backend, back, x, positions, c->head_dim, c->rope_theta, scale, err);
}

vita_status train_layer_forward(train_graph *g, const train_layer *layer, train_kept *kept,
                                const vita_train_rows *rows, const int32_t *positions, const vita_tensor *x,
                                const vita_tensor *y, vita_error *err)
{
	const vita_train_api *ops = g->setup.ops;
	const vita_train_attention attention = attention_of(g, rows);
	const double epsilon = g->config.norm_epsilon;
	layer_view t = view_of(kept, rows->n);
	vita_status s = ops->rms_norm(g->backend, x, &layer->input_norm->value, epsilon, &t.a, &t.inverse_a, err);
	if (s == VITA_OK) s = linear(g, &t.a, &layer->q, NULL, &t.q, err);
	if (s == VITA_OK) s = linear(g, &t.a, &layer->k, NULL, &t.k, err);
	if (s == VITA_OK) s = linear(g, &t.a, &layer->v, NULL, &t.v, err);
	if (s == VITA_OK) s = rotate(g, 0, &t.q, positions, err);
	if (s == VITA_OK) s = rotate(g, 0, &t.k, positions, err);
	if (s == VITA_OK) s = ops->attention(g->backend, &attention, &t.q, &t.k, &t.v, &t.o, &t.log_sum, err);
	if (s == VITA_OK) s = linear(g, &t.o, &layer->o, x, &t.mid, err);
	if (s == VITA_OK)
		s = ops->rms_norm(g->backend, &t.mid, &layer->post_norm->value, epsilon, &t.b, &t.inverse_b, err);
	if (s == VITA_OK) s = linear(g, &t.b, &layer->gate, NULL, &t.gate, err);
	if (s == VITA_OK) s = linear(g, &t.b, &layer->up, NULL, &t.up, err);
	if (s == VITA_OK) s = ops->glu(g->backend, &t.gate, &t.up, &t.product, err);
	if (s == VITA_OK) s = linear(g, &t.product, &layer->down, &t.mid, y, err);
	return s;
}

/* ---- back ------------------------------------------------------------------------------------------- */

static vita_status linear_back(const train_graph *g, const vita_tensor *dy, const vita_tensor *x, const train_linear *l,
                               const vita_tensor *dx, uint32_t add, vita_error *err)
{
	return g->setup.ops->matmul_backward(g->backend, g->setup.flags | add, dy, x, &l->weight->value, dx,
	                                     train_gradient(l->weight), train_gradient(l->bias), err);
}

static vita_status norm_back(const train_graph *g, const vita_tensor *dy, const vita_tensor *x, const vita_parameter *p,
                             const vita_tensor *inverse, const vita_tensor *dx, vita_error *err)
{
	return g->setup.ops->rms_norm_backward(g->backend, VITA_TRAIN_F_ADD, dy, x, &p->value, inverse, dx,
	                                       train_gradient(p), err);
}

vita_status train_layer_backward(train_graph *g, const train_layer *layer, train_kept *kept,
                                 const vita_train_rows *rows, const int32_t *positions, const vita_tensor *x,
                                 const vita_tensor *d, vita_error *err)
{
	const vita_train_api *ops = g->setup.ops;
	const vita_train_attention attention = attention_of(g, rows);
	vita_status s = reserve_gradients(g, rows->n, err);
	if (s != VITA_OK) return s;
	layer_view t = view_of(kept, rows->n);
	const int64_t n = rows->n;
	vita_tensor dwide = train_first(&g->dwide, n), dnarrow = train_first(&g->dnarrow, n);
	vita_tensor dqueries = train_first(&g->dqueries, n), dq = train_first(&g->dq, n);
	vita_tensor dk = train_first(&g->dk, n), dv = train_first(&g->dv, n);

	s = linear_back(g, d, &t.product, &layer->down, &dwide, 0, err);
	if (s == VITA_OK) s = ops->glu_backward(g->backend, &dwide, &t.gate, &t.up, &t.gate, &t.up, err);
	if (s == VITA_OK) s = linear_back(g, &t.gate, &t.b, &layer->gate, &dnarrow, 0, err);
	if (s == VITA_OK) s = linear_back(g, &t.up, &t.b, &layer->up, &dnarrow, VITA_TRAIN_F_ADD, err);
	if (s == VITA_OK) s = norm_back(g, &dnarrow, &t.mid, layer->post_norm, &t.inverse_b, d, err);

	if (s == VITA_OK) s = linear_back(g, d, &t.o, &layer->o, &dqueries, 0, err);
	if (s == VITA_OK)
		s = ops->attention_backward(g->backend, &attention, &dqueries, &t.q, &t.k, &t.v, &t.o, &t.log_sum, &dq,
		                            &dk, &dv, err);
	if (s == VITA_OK) s = rotate(g, 1, &dq, positions, err);
	if (s == VITA_OK) s = rotate(g, 1, &dk, positions, err);
	if (s == VITA_OK) s = linear_back(g, &dq, &t.a, &layer->q, &dnarrow, 0, err);
	if (s == VITA_OK) s = linear_back(g, &dk, &t.a, &layer->k, &dnarrow, VITA_TRAIN_F_ADD, err);
	if (s == VITA_OK) s = linear_back(g, &dv, &t.a, &layer->v, &dnarrow, VITA_TRAIN_F_ADD, err);
	if (s == VITA_OK) s = norm_back(g, &dnarrow, x, layer->input_norm, &t.inverse_a, d, err);
	return s;
}
