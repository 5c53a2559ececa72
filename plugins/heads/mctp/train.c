/* SPDX-License-Identifier: MIT
 *
 * Training the cascade. Module k, on the sample's row i, with h⁰ the LLM's hidden states:
 *
 *     z = P [ RMSNorm(E[token i + k + 1]) ‖ RMSNorm(hᵏ) ]    s = layer(z) at position i + k + 1
 *     hᵏ⁺¹ = RMSNorm(s; the final norm)                      predicts token i + k + 2
 *
 * All modules run over all rows of the batch. The last k + 1 rows of a sample have no token to be paired with;
 * they are given one that means nothing, since no other row sees them and nothing is learnt from them.
 */
#include "train.h"

#include "../../common/train_layer.h"

typedef struct module {
	vita_parameter *projection, *embed_norm, *hidden_norm;
	train_layer layer;
	train_kept kept;
	device_memory memory; /* of the next tensors */
	int64_t capacity;     /* rows that they are cut for */
	vita_tensor embedded, pair, z, s, hidden;
	vita_tensor inverse_embedded, inverse_hidden, inverse_s;
} module;

struct vita_train_head {
	train_graph graph;
	train_table table;
	vita_train_shared shared;
	uint32_t count;
	module *modules;
	int32_t *ids, *positions; /* [count][most rows] */
	int64_t most;
	device_memory memory;     /* of the next tensors */
	int64_t capacity;
	vita_tensor dhidden, dpair, dembedded;
};

static void head_close(vita_train_head *head)
{
	if (!head) return;
	const vita_host *host = head->graph.setup.host;
	const vita_device *device = head->graph.setup.device;
	for (uint32_t k = 0; head->modules && k < head->count; k++) {
		train_kept_free(&head->graph, &head->modules[k].kept);
		device_memory_free(device, &head->modules[k].memory);
	}
	device_memory_free(device, &head->memory);
	train_graph_close(&head->graph);
	train_table_close(&head->table);
	host_release(host, head->modules);
	host_release(host, head->ids);
	host_release(host, head->positions);
	host_release(host, head);
}

/* ---- parameters ------------------------------------------------------------------------------------- */

static vita_parameter *add(vita_train_head *head, uint32_t k, uint32_t start, int64_t columns, const char *what)
{
	char name[96];
	(void)snprintf(name, sizeof name, "%s.%u.weight", what, k);
	vita_parameter *p = train_table_add(&head->table, start, head->graph.initial, head->graph.config.hidden_size,
	                                    columns, name);
	if (k > 0) (void)snprintf(p->like_name, sizeof p->like_name, "%s.%u.weight", what, k - 1);
	return p;
}

/* A module that is not there starts as the one before it, the first one's layer as the LLM's last. */
static void add_module(vita_train_head *head, uint32_t k)
{
	module *m = &head->modules[k];
	const int64_t index = head->graph.config.n_layers + (int64_t)k;
	m->projection = add(head, k, VITA_PARAMETER_NORMAL, 2 * head->graph.config.hidden_size, "mtp_projs");
	m->embed_norm = add(head, k, VITA_PARAMETER_ONE, 0, "mtp_embed_norms");
	m->hidden_norm = add(head, k, VITA_PARAMETER_ONE, 0, "mtp_hidden_norms");
	train_layer_add(&head->graph, &head->table, index, index - 1, &m->layer);
}

static vita_status head_open(const vita_train_setup *setup, const vita_train_llm_api *llm_api, vita_train_llm *llm,
                             uint32_t count, vita_train_head **out, vita_error *err)
{
	*out = NULL;
	vita_train_head *head = host_zeroed(setup->host, 1, sizeof *head);
	if (!head) return vita_fail(err, VITA_E_NOMEM, "no memory for heads");
	vita_status status = train_graph_open(&head->graph, setup, err);
	if (status == VITA_OK)
		status = train_table_open(&head->table, setup->host, (uint64_t)count * (TRAIN_LAYER_PARAMETERS + 3), err);
	head->count = count;
	VITA_INIT(&head->shared);
	llm_api->share(llm, &head->shared);
	head->modules = host_zeroed(setup->host, count ? count : 1, sizeof *head->modules);
	if (status == VITA_OK && !head->modules) status = vita_fail(err, VITA_E_NOMEM, "no memory for %u heads", count);
	for (uint32_t k = 0; k < count && status == VITA_OK; k++) add_module(head, k);
	if (status != VITA_OK) {
		head_close(head);
		return status;
	}
	*out = head;
	return VITA_OK;
}

static vita_parameter *parameters(vita_train_head *head, uint32_t *n)
{
	*n = head->table.n;
	return head->table.list;
}

static vita_status config(const vita_train_head *head, uint32_t index, const char **key, int64_t *value)
{
	static const char *const keys[] = { "num_nextn_predict_layers", "num_hidden_layers" };
	if (index >= sizeof keys / sizeof keys[0]) return VITA_END;
	*key = keys[index];
	*value = (int64_t)head->count + (index == 0 ? 0 : head->graph.config.n_layers);
	return VITA_OK;
}

/* ---- memory ----------------------------------------------------------------------------------------- */

static vita_status reserve(vita_train_head *head, int64_t n, vita_error *err)
{
	const vita_host *host = head->graph.setup.host;
	const vita_device *device = head->graph.setup.device;
	const int64_t h = head->shared.hidden_size;
	const train_cut own[] = { { &head->dhidden, h }, { &head->dpair, 2 * h }, { &head->dembedded, h } };
	vita_status status = train_cut_reserve(device, &head->memory, &head->capacity, n, own, 3, err);
	for (uint32_t k = 0; k < head->count && status == VITA_OK; k++) {
		module *m = &head->modules[k];
		const train_cut cuts[] = {
			{ &m->embedded, h },         { &m->pair, 2 * h },         { &m->z, h },         { &m->s, h },
			{ &m->hidden, h },           { &m->inverse_embedded, 0 }, { &m->inverse_hidden, 0 },
			{ &m->inverse_s, 0 },
		};
		status = train_cut_reserve(device, &m->memory, &m->capacity, n, cuts, sizeof cuts / sizeof cuts[0], err);
		if (status == VITA_OK) status = train_kept_reserve(&head->graph, &m->kept, n, err);
	}
	if (status != VITA_OK || n <= head->most) return status;
	host_release(host, head->ids);
	host_release(host, head->positions);
	head->most = 0;
	head->ids = host_zeroed(host, (uint64_t)n, head->count * sizeof(int32_t));
	head->positions = host_zeroed(host, (uint64_t)n, head->count * sizeof(int32_t));
	if (!head->ids || !head->positions) return vita_fail(err, VITA_E_NOMEM, "no memory for %lld rows", (long long)n);
	head->most = n;
	return VITA_OK;
}

/* The tokens and positions that module k pairs the rows with. */
static void shift(const vita_train_rows *rows, int64_t by, int32_t *ids, int32_t *positions)
{
	for (uint32_t s = 0; s < rows->n_samples; s++)
		for (int64_t i = rows->starts[s], end = rows->starts[s + 1]; i < end; i++) {
			ids[i] = rows->ids[i + by < end ? i + by : i];
			positions[i] = (int32_t)(rows->positions[i] + by);
		}
}

/* ---- forward and back ------------------------------------------------------------------------------- */

/* Everything about one module and one pass. */
typedef struct step {
	train_graph *g;
	const module *m;
	const vita_train_head_pass *pass;
	const int32_t *ids, *positions;
	vita_tensor before; /* hidden states that go in */
} step;

static step step_of(vita_train_head *head, const vita_train_head_pass *pass, uint32_t k)
{
	const int64_t at = (int64_t)k * head->most;
	step s = { &head->graph, &head->modules[k], pass, head->ids + at, head->positions + at, *pass->hidden };
	if (k > 0) s.before = train_first(&head->modules[k - 1].hidden, pass->rows->n);
	return s;
}

/* The embedding's half of the pair, or the hidden state's. */
static vita_tensor half_of(const vita_tensor *pair, int64_t n, int64_t which)
{
	vita_tensor rows = train_first(pair, n);
	return vita_slice(&rows, 1, which * (rows.shape[1] / 2), rows.shape[1] / 2);
}

static vita_status module_forward(vita_train_head *head, module *m, const step *s, vita_error *err)
{
	train_graph *g = s->g;
	const vita_train_api *ops = g->setup.ops;
	const int64_t n = s->pass->rows->n;
	const double epsilon = head->shared.norm_epsilon;
	vita_tensor embedded = train_first(&m->embedded, n), pair = train_first(&m->pair, n);
	vita_tensor left = half_of(&m->pair, n, 0), right = half_of(&m->pair, n, 1);
	vita_tensor inverse_e = train_first(&m->inverse_embedded, n), inverse_h = train_first(&m->inverse_hidden, n);
	vita_tensor inverse_s = train_first(&m->inverse_s, n), z = train_first(&m->z, n), out = train_first(&m->s, n);
	vita_tensor hidden = train_first(&m->hidden, n);
	vita_status status = ops->gather(g->backend, &head->shared.embedding->value, s->ids, &embedded, err);
	if (status == VITA_OK)
		status = ops->rms_norm(g->backend, &embedded, &m->embed_norm->value, epsilon, &left, &inverse_e, err);
	if (status == VITA_OK)
		status = ops->rms_norm(g->backend, &s->before, &m->hidden_norm->value, epsilon, &right, &inverse_h, err);
	if (status == VITA_OK)
		status = ops->matmul(g->backend, g->setup.flags, &pair, &m->projection->value, NULL, NULL, &z, err);
	if (status == VITA_OK)
		status = train_layer_forward(g, &m->layer, &m->kept, s->pass->rows, s->positions, &z, &out, err);
	if (status == VITA_OK)
		status = ops->rms_norm(g->backend, &out, &head->shared.norm->value, epsilon, &hidden, &inverse_s, err);
	return status;
}

/* The module's cross-entropy; its gradient joins in d what later modules gave to the same hidden states. */
static vita_status module_loss(vita_train_head *head, const step *s, uint32_t k, const vita_tensor *d, vita_error *err)
{
	train_graph *g = s->g;
	const vita_train_head_pass *pass = s->pass;
	const uint32_t add = k + 1 < head->count ? VITA_TRAIN_F_ADD : 0;
	vita_tensor hidden = train_first(&s->m->hidden, pass->rows->n);
	return g->setup.ops->cross_entropy(g->backend, g->setup.flags | add, &hidden, &head->shared.output->value,
	                                   pass->targets[k], pass->factors[k], pass->backward ? d : NULL,
	                                   pass->backward ? train_gradient(head->shared.output) : NULL, &pass->sums[k],
	                                   err);
}

/* d is the gradient of the module's hidden states, and becomes that of the hidden states before it. */
static vita_status module_backward(vita_train_head *head, module *m, const step *s, uint32_t k, const vita_tensor *d,
                                   vita_error *err)
{
	train_graph *g = s->g;
	const vita_train_api *ops = g->setup.ops;
	const vita_train_head_pass *pass = s->pass;
	const int64_t n = pass->rows->n;
	vita_tensor embedded = train_first(&m->embedded, n), pair = train_first(&m->pair, n), z = train_first(&m->z, n);
	vita_tensor out = train_first(&m->s, n), dpair = train_first(&head->dpair, n);
	vita_tensor left = half_of(&head->dpair, n, 0), right = half_of(&head->dpair, n, 1);
	vita_tensor inverse_e = train_first(&m->inverse_embedded, n), inverse_h = train_first(&m->inverse_hidden, n);
	vita_tensor inverse_s = train_first(&m->inverse_s, n), dembedded = train_first(&head->dembedded, n);
	const vita_tensor *to_table = pass->detach ? NULL : train_gradient(head->shared.embedding);
	const vita_tensor *before = k > 0 ? d : pass->detach ? NULL : pass->dhidden;
	const uint32_t add = k > 0 ? 0 : VITA_TRAIN_F_ADD;

	vita_status status = ops->rms_norm_backward(g->backend, 0, d, &out, &head->shared.norm->value, &inverse_s, d,
	                                            train_gradient(head->shared.norm), err);
	if (status == VITA_OK)
		status = train_layer_backward(g, &m->layer, &m->kept, pass->rows, s->positions, &z, d, err);
	if (status == VITA_OK)
		status = ops->matmul_backward(g->backend, g->setup.flags, d, &pair, &m->projection->value, &dpair,
		                              train_gradient(m->projection), NULL, err);
	if (status == VITA_OK)
		status = ops->rms_norm_backward(g->backend, 0, &left, &embedded, &m->embed_norm->value, &inverse_e,
		                                to_table ? &dembedded : NULL, train_gradient(m->embed_norm), err);
	if (status == VITA_OK && to_table) status = ops->gather_backward(g->backend, &dembedded, s->ids, to_table, err);
	if (status == VITA_OK)
		status = ops->rms_norm_backward(g->backend, add, &right, &s->before, &m->hidden_norm->value, &inverse_h,
		                                before, train_gradient(m->hidden_norm), err);
	return status;
}

static vita_status run(vita_train_head *head, const vita_train_head_pass *pass, vita_error *err)
{
	const int64_t n = pass->rows->n;
	vita_status status = reserve(head, n, err);
	for (uint32_t k = 0; k < head->count && status == VITA_OK; k++) {
		const int64_t at = (int64_t)k * head->most;
		shift(pass->rows, (int64_t)k + 1, head->ids + at, head->positions + at);
		const step s = step_of(head, pass, k);
		status = module_forward(head, &head->modules[k], &s, err);
	}
	if (status != VITA_OK) return status;
	const vita_tensor d = train_first(&head->dhidden, n);
	for (uint32_t k = head->count; k-- > 0 && status == VITA_OK;) {
		const step s = step_of(head, pass, k);
		status = module_loss(head, &s, k, &d, err);
		if (status == VITA_OK && pass->backward) status = module_backward(head, &head->modules[k], &s, k, &d, err);
	}
	return status;
}

const vita_train_head_api mctp_train_api = {
	.struct_size = sizeof mctp_train_api,
	.open = head_open,
	.close = head_close,
	.parameters = parameters,
	.run = run,
	.config = config,
};
