/* SPDX-License-Identifier: MIT
 *
 * Planning a conversion: names, types and order of the tensors to be written.
 */
#include "convert/plan.h"

#include "files/gguf.h"
#include "files/gguf_config.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define ROPE_TENSOR "rope_freqs.weight"

void vita_plan_note(const vita_plan *plan, const char *format, ...)
{
	char text[1024];
	va_list args;
	if (!plan->how->note) return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	plan->how->note(plan->how->user, text);
}

int64_t vita_plan_int(const vita_plan *plan, const char *key, int64_t fallback)
{
	int64_t value = fallback;
	if (plan->config)
		(void)vita_model_get_int(plan->model, VITA_CONFIG_MODEL, key, 0, INT32_MAX, &value, NULL);
	return value;
}

static vita_status fail_memory(const vita_plan *plan, vita_error *err)
{
	return vita_fail(err, VITA_E_NOMEM, "%s: out of memory", plan->path);
}

/* ---- the whole ------------------------------------------------------------------------------------ */

static bool ends_in(const char *path, const char *suffix)
{
	size_t n = strlen(path), m = strlen(suffix);
	return n > m && strcmp(path + n - m, suffix) == 0;
}

static bool is_block_type(uint32_t dtype)
{
	return vita_dtype_block(dtype) > 1;
}

static vita_status check_request(const vita_plan *plan, vita_error *err)
{
	uint32_t dtype = plan->how->dtype;
	if (dtype != VITA_DTYPE_NONE &&
	    (vita_dtype_block(dtype) == 0 || dtype == VITA_I32 || dtype == VITA_U8))
		return vita_fail(err, VITA_E_INVALID, "%s is not a type for weights", vita_dtype_name(dtype));
	if (dtype != VITA_DTYPE_NONE && is_block_type(dtype) && plan->form != VITA_TO_GGUF)
		return vita_fail(err, VITA_E_UNSUPPORTED,
		                 "%s: safetensors files cannot hold %s; choose f32, f16 or bf16, or a name "
		                 "that ends in .gguf",
		                 plan->path, vita_dtype_name(dtype));
	return VITA_OK;
}

/* How many modules does the model have whose projection is there? */
static int64_t count_modules(const vita_model *model)
{
	char name[64];
	int64_t n = 0;
	vita_array array;
	do (void)snprintf(name, sizeof name, "mtp_projs.%" PRId64 ".weight", n);
	while (vita_model_tensor(model, name, 0, NULL, &array, NULL) == VITA_OK && ++n < INT32_MAX);
	return n;
}

static vita_status read_documents(vita_plan *plan, vita_error *err)
{
	const char *name;
	vita_status status = VITA_OK;
	const vita_model_document *config = &plan->model->documents[VITA_CONFIG_MODEL];
	const vita_model_document *generation = &plan->model->documents[VITA_CONFIG_GENERATION];
	if (config->root && !config->is_text) plan->config = config->root;
	if (generation->root && !generation->is_text) plan->generation = generation->root;
	const char *type = json_string_value(json_object_get(plan->config, "model_type"));
	if (plan->model->gguf) {
		status = vita_gguf_get_text(plan->model->gguf, "general.architecture", &plan->arena, &name,
		                            err);
		plan->architecture = status == VITA_OK ? vita_gguf_architecture_find(name) : NULL;
	} else if (type) {
		plan->architecture = vita_gguf_architecture_for(type);
	}
	plan->naming.known = plan->architecture != NULL;
	plan->naming.n_predict = vita_plan_int(plan, "num_nextn_predict_layers", -1);
	if (plan->naming.n_predict < 0) plan->naming.n_predict = count_modules(plan->model);
	plan->naming.n_layers = vita_plan_int(plan, "num_hidden_layers", 0) - plan->naming.n_predict;
	if (plan->naming.n_layers < 0) plan->naming.n_layers = plan->naming.n_predict = 0;
	return status;
}

/* ---- types ---------------------------------------------------------------------------------------- */

/* Weights that products are made with: those of the layers, the embedding and the output. */
static bool is_matrix(const vita_plan *plan, const vita_model_entry *entry)
{
	vita_gguf_name other;
	const char *name = entry->name;
	if (entry->rank != 2) return false;
	if (plan->naming.known) return vita_gguf_name_from_hf(&plan->naming, name, other) != name;
	return strncmp(name, "blk.", 4) == 0 || strcmp(name, "token_embd.weight") == 0 ||
	       strcmp(name, "output.weight") == 0;
}

/* Types whose blocks of 256 values do not divide a row give way to those of 32, and these to f16. */
static uint32_t fitting_type(uint32_t wanted, int64_t columns)
{
	if (columns % (int64_t)vita_dtype_block(wanted) == 0) return wanted;
	if (columns % 32 != 0) return VITA_F16;
	return wanted == VITA_Q6_K ? VITA_Q8_0 : VITA_Q4_1;
}

static vita_status choose_type(const vita_plan *plan, const vita_model_entry *entry, uint32_t *out,
                               vita_error *err)
{
	vita_shown shown;
	uint32_t wanted = plan->how->dtype;
	*out = entry->dtype;
	if (entry->dtype == VITA_I32 || entry->dtype == VITA_U8) return VITA_OK;
	if (wanted == VITA_DTYPE_NONE && plan->form != VITA_TO_GGUF && is_block_type(entry->dtype))
		return vita_fail(err, VITA_E_UNSUPPORTED,
		                 "tensor \"%s\" is of type %s, which safetensors files cannot hold; choose "
		                 "f32, f16 or bf16",
		                 vita_show(shown, entry->name), entry->type);
	if (wanted == VITA_DTYPE_NONE) return VITA_OK;
	if (plan->form == VITA_TO_GGUF && entry->rank <= 1) *out = VITA_F32;
	else if (!is_block_type(wanted)) *out = wanted;
	else if (is_matrix(plan, entry)) *out = fitting_type(wanted, entry->shape[1]);
	return VITA_OK;
}

/* GGUF names in a directory mean something only to this project. */
static void note_names(const vita_plan *plan)
{
	uint64_t n = 0;
	const char *last = NULL;
	if (!plan->model->gguf || plan->form == VITA_TO_GGUF) return;
	for (uint64_t i = 0; i < plan->n_tensors; i++) {
		const char *name = plan->tensors[i].target.name;
		if (plan->architecture && strncmp(name, "blk.", 4) != 0) continue;
		n++;
		last = name;
	}
	if (n > 0)
		vita_plan_note(
			plan,
			"%" PRIu64
			" tensors like %s have no known name in Hugging Face checkpoints, and keep theirs",
			n, last);
}

/* Say once what did not become the type that was asked for. */
static void note_types(const vita_plan *plan)
{
	uint64_t n_other = 0, n_odd = 0, n_again = 0;
	const vita_array *odd = NULL, *other = NULL;
	uint32_t wanted = plan->how->dtype;
	if (wanted == VITA_DTYPE_NONE || !is_block_type(wanted)) return;
	for (uint64_t i = 0; i < plan->n_tensors; i++) {
		const vita_array *t = &plan->tensors[i].target;
		if (is_block_type(t->dtype) && plan->tensors[i].from != t->dtype &&
		    is_block_type(plan->tensors[i].from))
			n_again++;
		if (t->rank < 2 || t->dtype == wanted || t->dtype == VITA_I32 || t->dtype == VITA_U8)
			continue;
		if (t->rank == 2 && t->shape[1] % (int64_t)vita_dtype_block(wanted) != 0) n_odd++, odd = t;
		else n_other++, other = t;
	}
	if (n_again > 0)
		vita_plan_note(plan,
		               "%" PRIu64 " tensors were quantised before, and lose by it a second time; a "
		               "model of f16 or bf16 makes a better one",
		               n_again);
	if (n_odd > 0)
		vita_plan_note(plan,
		               "%" PRIu64 " tensors like %s have rows of %" PRId64 " values or so, no whole "
		               "number of %s's blocks of %u, and become %s",
		               n_odd, odd->name, odd->shape[1], vita_dtype_name(wanted),
		               vita_dtype_block(wanted), vita_dtype_name(odd->dtype));
	if (n_other > 0)
		vita_plan_note(plan,
		               "%" PRIu64 " tensors like %s are no matrices of a language model or its "
		               "heads, and are not made %s",
		               n_other, other->name, vita_dtype_name(wanted));
}

/* ---- rows of queries and keys --------------------------------------------------------------------- */

/* "model.layers.N.self_attn.q_proj.*" 1, k_proj 2, else 0. */
static int projection_of(const char *name)
{
	const char *rest = strncmp(name, "model.layers.", 13) == 0 ? strchr(name + 13, '.') : NULL;
	if (!rest ||
	    (strncmp(rest, ".self_attn.q_proj.", 18) != 0 && strncmp(rest, ".self_attn.k_proj.", 18) != 0))
		return 0;
	return rest[11] == 'q' ? 1 : 2;
}

static vita_status plan_rows(const vita_plan *plan, const vita_model_entry *entry, vita_plan_tensor *t,
                             vita_error *err)
{
	vita_shown shown;
	int32_t from_pairs = 0;
	int projection = plan->architecture ? projection_of(entry->name) : 0;
	bool to_pairs = plan->form == VITA_TO_GGUF && plan->architecture && plan->architecture->interleaved;
	(void)vita_model_get_bool(plan->model, VITA_CONFIG_MODEL, VITA_ROPE_KEY, &from_pairs, NULL);
	if (projection == 0 || (from_pairs != 0) == to_pairs) return VITA_OK;
	int64_t n_heads = vita_plan_int(plan, "num_attention_heads", 0);
	if (projection == 2) n_heads = vita_plan_int(plan, "num_key_value_heads", n_heads);
	if (n_heads < 1 || entry->rank < 1 || entry->shape[0] % (2 * n_heads) != 0)
		return vita_fail(err, VITA_E_FORMAT,
		                 "tensor \"%s\" has %" PRId64
		                 " rows, which are no even number for each of the %" PRId64
		                 " heads that the settings give",
		                 vita_show(shown, entry->name), entry->rank > 0 ? entry->shape[0] : 1,
		                 n_heads);
	t->head_rows = entry->shape[0] / n_heads;
	t->turn = to_pairs ? VITA_TURN_TO_PAIRS : VITA_TURN_TO_HALVES;
	return VITA_OK;
}

/* ---- tensors -------------------------------------------------------------------------------------- */

/* In a GGUF file: the embedding, the layers by number, the rest. Tensors of a layer by name. */
static uint32_t place_of(const char *name)
{
	if (strcmp(name, "token_embd.weight") == 0) return 0;
	if (strncmp(name, "blk.", 4) != 0) return UINT32_MAX;
	unsigned long layer = strtoul(name + 4, NULL, 10);
	return layer < UINT32_MAX - 2 ? (uint32_t)layer + 1 : UINT32_MAX - 1;
}

static vita_status plan_tensor(vita_plan *plan, const vita_model_entry *entry, vita_plan_tensor *t,
                               vita_error *err)
{
	vita_gguf_name other;
	vita_shown shown;
	if (entry->dtype == VITA_DTYPE_NONE || entry->rank > VITA_MAX_RANK)
		return vita_fail(
			err, VITA_E_UNSUPPORTED,
			"tensor \"%s\" is of type %s and has %u dimensions, which cannot be converted",
			vita_show(shown, entry->name), entry->type, (unsigned)entry->rank);
	const char *name = plan->form == VITA_TO_GGUF
	                           ? vita_gguf_name_from_hf(&plan->naming, entry->name, other)
	                           : entry->name;
	VITA_INIT(&t->target);
	t->source = entry->name;
	t->from = entry->dtype;
	t->target.name = vita_arena_string(&plan->arena, name);
	if (!t->target.name) return fail_memory(plan, err);
	t->target.rank = entry->rank;
	for (uint32_t i = 0; i < VITA_MAX_RANK; i++)
		t->target.shape[i] = i < entry->rank ? entry->shape[i] : 1;
	vita_status status = choose_type(plan, entry, &t->target.dtype, err);
	if (status == VITA_OK) status = plan_rows(plan, entry, t, err);
	if (status != VITA_OK) return status;
	uint64_t blocks = entry->n_values / vita_dtype_block(t->target.dtype);
	t->target.size_bytes = blocks * vita_dtype_bytes(t->target.dtype);
	t->place = place_of(name);
	return VITA_OK;
}

static const json_t *llama3_scaling(const vita_plan *plan)
{
	const json_t *scaling = json_object_get(plan->config, "rope_scaling");
	if (!json_is_object(scaling)) scaling = json_object_get(plan->config, "rope_parameters");
	const char *type = json_string_value(json_object_get(scaling, "rope_type"));
	return type && strcmp(type, "llama3") == 0 ? scaling : NULL;
}

static double number_of(const json_t *object, const char *key, double fallback)
{
	double value = json_number_value(json_object_get(object, key));
	return value > 0 ? value : fallback;
}

/* Other programs know Llama 3.1's RoPE scaling only as a tensor: by what each angle is divided. 1 where the
 * wave is short against the context of pretraining, `factor` where it is long, smooth in frequency
 * between. */
static vita_status add_rope_tensor(vita_plan *plan, const json_t *scaling, vita_error *err)
{
	int64_t heads = vita_plan_int(plan, "num_attention_heads", 0);
	int64_t head = vita_plan_int(plan, "head_dim",
	                             heads > 0 ? vita_plan_int(plan, "hidden_size", 0) / heads : 0);
	double theta = number_of(scaling, "rope_theta", number_of(plan->config, "rope_theta", 10000));
	double factor = number_of(scaling, "factor", 1), low = number_of(scaling, "low_freq_factor", 1);
	double high = number_of(scaling, "high_freq_factor", 4),
	       context = number_of(scaling, "original_max_position_embeddings", 8192);
	if (head < 2 || head > 65536 || head % 2 != 0) return VITA_OK;
	float *values = vita_arena_alloc(&plan->arena, (size_t)head / 2 * sizeof *values);
	if (!values) return fail_memory(plan, err);
	for (int64_t j = 0; j < head / 2; j++) {
		double waves =
			context * pow(theta, -2.0 * (double)j / (double)head) / (2 * 3.14159265358979323846);
		double share = (waves - low) / (high - low);
		if (waves > high) share = 1;
		if (waves < low) share = 0;
		values[j] = (float)(1 / ((1 - share) / factor + share));
	}
	vita_plan_tensor *t = &plan->tensors[plan->n_tensors++];
	VITA_INIT(&t->target);
	t->target.name = ROPE_TENSOR;
	t->target.dtype = VITA_F32;
	t->target.rank = 1;
	for (uint32_t i = 0; i < VITA_MAX_RANK; i++) t->target.shape[i] = i == 0 ? head / 2 : 1;
	t->target.size_bytes = (uint64_t)head / 2 * sizeof *values;
	t->target.data = values;
	t->place = UINT32_MAX;
	return VITA_OK;
}

static int compare_places(const void *a, const void *b)
{
	const vita_plan_tensor *x = a, *y = b;
	if (x->place != y->place) return x->place < y->place ? -1 : 1;
	return strcmp(x->target.name, y->target.name);
}

/* The one tensor that comes and goes with the format: see add_rope_tensor. */
static bool is_left_out(const vita_plan *plan, const vita_model_entry *entry)
{
	return plan->form == VITA_TO_DIRECTORY && llama3_scaling(plan) &&
	       strcmp(entry->name, ROPE_TENSOR) == 0;
}

static vita_status plan_tensors(vita_plan *plan, vita_error *err)
{
	const vita_model *model = plan->model;
	const json_t *scaling = llama3_scaling(plan);
	vita_status status = VITA_OK;
	vita_array found;

	plan->tensors = calloc(model->n_entries + 1, sizeof *plan->tensors);
	plan->order = calloc(model->n_entries + 1, sizeof *plan->order);
	if (!plan->tensors || !plan->order) return fail_memory(plan, err);
	for (size_t i = 0; i < model->n_entries && status == VITA_OK; i++) {
		if (is_left_out(plan, &model->entries[i])) continue;
		status = plan_tensor(plan, &model->entries[i], &plan->tensors[plan->n_tensors], err);
		plan->n_tensors++;
	}
	if (status == VITA_OK && plan->form == VITA_TO_GGUF && plan->architecture && scaling &&
	    vita_model_tensor(model, ROPE_TENSOR, 0, NULL, &found, NULL) != VITA_OK)
		status = add_rope_tensor(plan, scaling, err);
	if (status != VITA_OK) return status;
	qsort(plan->tensors, (size_t)plan->n_tensors, sizeof *plan->tensors, compare_places);
	for (uint64_t i = 0; i < plan->n_tensors; i++) {
		plan->order[i] = &plan->tensors[i].target;
		plan->n_bytes += plan->order[i]->size_bytes;
	}
	note_types(plan);
	note_names(plan);
	return VITA_OK;
}

vita_status vita_plan_make(vita_plan *plan, vita_model *model, const char *path, const vita_conversion *how,
                           vita_error *err)
{
	memset(plan, 0, sizeof *plan);
	plan->model = model;
	plan->path = path;
	plan->how = how;
	plan->form = ends_in(path, ".gguf")          ? VITA_TO_GGUF
	             : ends_in(path, ".safetensors") ? VITA_TO_SAFETENSORS
	                                             : VITA_TO_DIRECTORY;
	vita_status status = check_request(plan, err);
	if (status == VITA_OK) status = vita_model_require(model, VITA_MODEL_WANT_TENSORS, err);
	if (status == VITA_OK) status = read_documents(plan, err);
	return status == VITA_OK ? plan_tensors(plan, err) : status;
}

void vita_plan_free(vita_plan *plan)
{
	free(plan->tensors);
	free(plan->order);
	vita_arena_free(&plan->arena);
	memset(plan, 0, sizeof *plan);
}
