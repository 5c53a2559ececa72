/* SPDX-License-Identifier: MIT
 *
 * config.json of decoder-only language models; see decoder_config.h.
 */
#include "decoder_config.h"

#include <math.h>

/* Transformers leaves values out of config.json that equal a family's defaults. */
typedef struct family {
	const char *model_type;
	int64_t intermediate_size, n_kv_heads, head_dim, context, n_predict; /* 0: derived */
	int32_t qkv_bias, qk_norm;
	int32_t plain_window; /* sliding_window counts without use_sliding_window */
} family;

static const family families[] = {
	{ "qwen2", 22016, 0, 0, 32768, 0, 1, 0, 0 },
	{ "qwen2_mtp", 22016, 0, 0, 32768, 1, 1, 0, 0 },
	{ "qwen2_mtp_sensevoice", 22016, 0, 0, 32768, 1, 1, 0, 0 },
	{ "qwen3", 22016, 0, 128, 32768, 0, 0, 1, 0 },
	{ "llama", 11008, 0, 0, 2048, 0, 0, 0, 0 },
	{ "mistral", 14336, 8, 0, 131072, 0, 0, 0, 1 },
};
#define N_FAMILIES (sizeof families / sizeof families[0])

/* Reads values one after the other; the first failure sticks. */
typedef struct reader {
	const vita_host *host;
	const vita_model *model;
	vita_error *err;
	vita_status status;
} reader;

/* An absent value keeps its fallback. Returns 1 where the value is there. */
static int note(reader *r, vita_status status)
{
	if (status != VITA_OK && status != VITA_E_NOTFOUND) r->status = status;
	return status == VITA_OK;
}

static int read_int(reader *r, const char *key, int64_t min, int64_t max, int64_t *value)
{
	if (r->status != VITA_OK) return 0;
	return note(r, r->host->model_get_int(r->host->context, r->model, VITA_CONFIG_MODEL, key, min, max,
	                                      value, r->err));
}

/* A default that shapes follow from, for the sentence that tells of a wrong shape. */
static void assume(decoder_config *c, const char *key, int64_t value)
{
	size_t n = strlen(c->assumed);
	(void)snprintf(c->assumed + n, sizeof c->assumed - n, "%s%s (%lld)", n ? ", " : "", key, (long long)value);
}

/* A size that shapes follow from; without it the family's default is noted as assumed. */
static int read_size(reader *r, const char *key, int64_t max, decoder_config *c, int64_t *value)
{
	if (read_int(r, key, 1, max, value)) return 1;
	assume(c, key, *value);
	return 0;
}

static int read_bool(reader *r, const char *key, int32_t *value)
{
	if (r->status != VITA_OK) return 0;
	return note(r, r->host->model_get_bool(r->host->context, r->model, VITA_CONFIG_MODEL, key, value,
	                                       r->err));
}

static int read_string(reader *r, const char *key, const char **value)
{
	if (r->status != VITA_OK) return 0;
	return note(r, r->host->model_get_string(r->host->context, r->model, VITA_CONFIG_MODEL, key, value,
	                                         r->err));
}

/* A number above 0, or from 0 on where zero is set. */
static int read_float(reader *r, const char *key, int zero, double *value)
{
	double found = *value;
	if (r->status != VITA_OK) return 0;
	if (!note(r, r->host->model_get_float(r->host->context, r->model, VITA_CONFIG_MODEL, key, &found,
	                                      r->err)))
		return 0;
	if (!isfinite(found) || found < 0 || (found == 0 && !zero)) {
		r->status = vita_fail(r->err, VITA_E_FORMAT, "%s: %s in config.json is %g, but must be %s",
		                      r->host->model_path(r->host->context, r->model), key, found,
		                      zero ? "0 or more" : "above 0");
		return 0;
	}
	*value = found;
	return 1;
}

VITA_PRINTF(3, 4)
static void refuse(reader *r, vita_status status, const char *format, ...)
{
	char text[512];
	va_list args;
	if (r->status != VITA_OK) return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	r->status = vita_fail(r->err, status, "%s: %s", r->host->model_path(r->host->context, r->model),
	                      text);
}

static int has_tensor(const reader *r, const char *name)
{
	vita_array array;
	VITA_INIT(&array);
	return r->host->model_tensor(r->host->context, r->model, name, 0, NULL, &array, NULL) == VITA_OK;
}

static const family *find_family(reader *r)
{
	const char *type = NULL;
	(void)read_string(r, "model_type", &type);
	for (size_t i = 0; type && i < N_FAMILIES; i++)
		if (strcmp(families[i].model_type, type) == 0) return &families[i];
	char known[128] = "";
	for (size_t i = 0, n = 0; i < N_FAMILIES && n < sizeof known; i++)
		n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "",
		                      families[i].model_type);
	if (type)
		refuse(r, VITA_E_UNSUPPORTED, "model_type is \"%.64s\", but must be one of %s", type, known);
	else
		refuse(r, VITA_E_FORMAT, "config.json must give a model_type (one of %s)", known);
	return NULL;
}

static void read_heads(reader *r, const family *f, decoder_config *c)
{
	c->n_heads = 32;
	(void)read_size(r, "num_attention_heads", 65536, c, &c->n_heads);
	c->n_kv_heads = f->n_kv_heads ? f->n_kv_heads : c->n_heads;
	(void)read_size(r, "num_key_value_heads", 65536, c, &c->n_kv_heads);
	c->head_dim = f->head_dim;
	int said = read_int(r, "head_dim", 2, 65536, &c->head_dim);
	if (!said && f->head_dim)
		assume(c, "head_dim", f->head_dim);
	else if (!said && c->hidden_size % c->n_heads != 0)
		refuse(r, VITA_E_FORMAT,
		       "hidden_size %lld is not a multiple of num_attention_heads %lld, and config.json gives no "
		       "head_dim",
		       (long long)c->hidden_size, (long long)c->n_heads);
	else if (!said)
		c->head_dim = c->hidden_size / c->n_heads;
	if (c->head_dim % 2 != 0 || c->head_dim == 0)
		refuse(r, VITA_E_FORMAT, "heads of %lld values cannot be rotated; head_dim must be even",
		       (long long)c->head_dim);
	if (c->n_heads % c->n_kv_heads != 0)
		refuse(r, VITA_E_FORMAT,
		       "num_attention_heads %lld is not a multiple of num_key_value_heads %lld",
		       (long long)c->n_heads, (long long)c->n_kv_heads);
}

static void read_layers(reader *r, const family *f, decoder_config *c)
{
	int64_t all = 32;
	(void)read_size(r, "num_hidden_layers", 16384, c, &all);
	c->n_predict = f->n_predict;
	(void)read_int(r, "num_nextn_predict_layers", 0, 16384, &c->n_predict);
	if (c->n_predict >= all)
		refuse(r, VITA_E_FORMAT,
		       "num_hidden_layers %lld counts the num_nextn_predict_layers %lld too, and leaves no "
		       "layer for the backbone",
		       (long long)all, (long long)c->n_predict);
	c->n_layers = all - c->n_predict;
}

/* What config.json says decides; where it is silent, the tensors do. */
static void read_biases(reader *r, const family *f, decoder_config *c)
{
	int32_t said = 0;
	c->qkv_bias = f->qkv_bias || has_tensor(r, "model.layers.0.self_attn.q_proj.bias");
	c->out_bias = has_tensor(r, "model.layers.0.self_attn.o_proj.bias");
	if (read_bool(r, "attention_bias", &said)) {
		c->qkv_bias = said;
		c->out_bias = c->out_bias && said;
	}
	c->mlp_bias = has_tensor(r, "model.layers.0.mlp.down_proj.bias");
	(void)read_bool(r, "mlp_bias", &c->mlp_bias);
	c->qk_norm = f->qk_norm || has_tensor(r, "model.layers.0.self_attn.q_norm.weight");
}

/* A member of the object that describes RoPE, which newer files name rope_parameters. */
static const char *rope_key(char *key, size_t size, int newer, const char *member)
{
	(void)snprintf(key, size, "%s.%s", newer ? "rope_parameters" : "rope_scaling", member);
	return key;
}

/* What checkpoints of other kinds have: GGUF files of Llama models keep the rows of queries and keys in
 * another order, and what Llama 3 divides angles by in a tensor. */
static void read_rope_variant(reader *r, decoder_config *c)
{
	double share = 1;
	(void)read_bool(r, "rope_interleave", &c->rope_interleave);
	(void)read_float(r, "partial_rotary_factor", 0, &share);
	if (r->status == VITA_OK && share != 1)
		refuse(r, VITA_E_UNSUPPORTED,
		       "partial_rotary_factor is %g, but only heads that are rotated whole are supported",
		       share);
	c->rope_tensor = has_tensor(r, "rope_freqs.weight");
}

static void read_rope(reader *r, decoder_config *c)
{
	char key[64];
	const char *type = "default";
	c->rope_theta = 10000;
	int newer = read_float(r, "rope_parameters.rope_theta", 0, &c->rope_theta);
	(void)read_float(r, "rope_theta", 0, &c->rope_theta);
	if (!read_string(r, rope_key(key, sizeof key, newer, "rope_type"), &type))
		(void)read_string(r, rope_key(key, sizeof key, newer, "type"), &type);
	if (r->status != VITA_OK || strcmp(type, "default") == 0) return;
	c->rope_factor = 1;
	(void)read_float(r, rope_key(key, sizeof key, newer, "factor"), 0, &c->rope_factor);
	if (strcmp(type, "linear") == 0) {
		c->rope_kind = DECODER_ROPE_LINEAR;
		return;
	}
	if (strcmp(type, "llama3") != 0) {
		refuse(r, VITA_E_UNSUPPORTED,
		       "RoPE scaling \"%.64s\" is not known; default, linear and llama3 are", type);
		return;
	}
	c->rope_kind = DECODER_ROPE_LLAMA3;
	c->rope_low = 1;
	c->rope_high = 4;
	c->rope_original = 8192;
	(void)read_float(r, rope_key(key, sizeof key, newer, "low_freq_factor"), 0, &c->rope_low);
	(void)read_float(r, rope_key(key, sizeof key, newer, "high_freq_factor"), 0, &c->rope_high);
	(void)read_float(r, rope_key(key, sizeof key, newer, "original_max_position_embeddings"), 0,
	                 &c->rope_original);
	if (c->rope_high <= c->rope_low)
		refuse(r, VITA_E_FORMAT,
		       "RoPE scaling wants high_freq_factor (%g) above low_freq_factor (%g)", c->rope_high,
		       c->rope_low);
}

static void read_context(reader *r, const family *f, decoder_config *c)
{
	int32_t use = f->plain_window;
	int64_t window = 0;
	c->context = f->context;
	(void)read_int(r, "max_position_embeddings", 1, INT32_MAX, &c->context);
	(void)read_bool(r, "use_sliding_window", &use);
	if (!use) return;
	if (read_int(r, "sliding_window", 1, INT32_MAX, &window)) c->window = window;
}

int32_t decoder_config_known(const vita_host *host, const vita_model *model)
{
	reader r = { host, model, NULL, VITA_OK };
	return find_family(&r) != NULL;
}

vita_status decoder_config_read(const vita_host *host, const vita_model *model, decoder_config *c,
                                vita_error *err)
{
	reader r = { host, model, err, VITA_OK };
	const char *activation = "silu";
	memset(c, 0, sizeof *c);
	const family *f = find_family(&r);
	if (!f) return r.status;
	c->hidden_size = 4096;
	c->intermediate_size = f->intermediate_size;
	c->norm_epsilon = 1e-6;
	(void)read_int(&r, "vocab_size", 1, 1 << 28, &c->vocab_size);
	(void)read_size(&r, "hidden_size", 1 << 20, c, &c->hidden_size);
	(void)read_size(&r, "intermediate_size", 1 << 22, c, &c->intermediate_size);
	(void)read_float(&r, "rms_norm_eps", 1, &c->norm_epsilon);
	(void)read_bool(&r, "tie_word_embeddings", &c->tied);
	(void)read_string(&r, "hidden_act", &activation);
	if (r.status == VITA_OK && strcmp(activation, "silu") != 0 && strcmp(activation, "swish") != 0)
		refuse(&r, VITA_E_UNSUPPORTED, "hidden_act is \"%.64s\", but only silu is supported",
		       activation);
	if (r.status == VITA_OK) read_heads(&r, f, c);
	if (r.status == VITA_OK) read_layers(&r, f, c);
	if (r.status == VITA_OK) read_biases(&r, f, c);
	if (r.status == VITA_OK) read_rope(&r, c);
	if (r.status == VITA_OK) read_rope_variant(&r, c);
	if (r.status == VITA_OK) read_context(&r, f, c);
	return r.status;
}

vita_status decoder_config_explain(const decoder_config *c, vita_status status, vita_error *err)
{
	if (!err || !c->assumed[0] || (status != VITA_E_SHAPE && status != VITA_E_NOTFOUND)) return status;
	size_t n = strlen(err->message);
	(void)snprintf(err->message + n, sizeof err->message - n, "; config.json does not give %s", c->assumed);
	return status;
}
