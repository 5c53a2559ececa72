/* SPDX-License-Identifier: MIT
 *
 * The oracle; see lm_oracle.h. Written for reading: plain loops, everything in double.
 */
#include "lm_oracle.h"

#include <math.h>
#include <stdlib.h>

typedef struct shape {
	int64_t vocab, hidden, intermediate, heads, kv_heads, head_dim, layers, modules;
	int32_t tied;
	double epsilon, theta;
	const char *rope;
	double factor, low, high, original;
	const uint8_t *hidden_from; /* [n, n] of the backbone; NULL: nothing */
	double *looks;         /* [n, n] of the present layer, or NULL */
} shape;

static void *must(void *memory)
{
	if (!memory) abort();
	return memory;
}

static double *zeros(int64_t n)
{
	return must(calloc((size_t)(n ? n : 1), sizeof(double)));
}

static void get_int(const vita_model *m, const char *key, int64_t *value)
{
	(void)vita_model_get_int(m, VITA_CONFIG_MODEL, key, 0, INT32_MAX, value, NULL);
}

static void get_float(const vita_model *m, const char *key, double *value)
{
	(void)vita_model_get_float(m, VITA_CONFIG_MODEL, key, value, NULL);
}

static shape read_shape(const vita_model *m)
{
	shape s = { 0 };
	s.epsilon = 1e-6;
	s.theta = 10000;
	s.rope = "default";
	get_int(m, "vocab_size", &s.vocab);
	get_int(m, "hidden_size", &s.hidden);
	get_int(m, "intermediate_size", &s.intermediate);
	get_int(m, "num_attention_heads", &s.heads);
	get_int(m, "num_key_value_heads", &s.kv_heads);
	s.head_dim = s.hidden / s.heads;
	get_int(m, "head_dim", &s.head_dim);
	get_int(m, "num_hidden_layers", &s.layers);
	get_int(m, "num_nextn_predict_layers", &s.modules);
	s.layers -= s.modules;
	(void)vita_model_get_bool(m, VITA_CONFIG_MODEL, "tie_word_embeddings", &s.tied, NULL);
	get_float(m, "rms_norm_eps", &s.epsilon);
	get_float(m, "rope_theta", &s.theta);
	(void)vita_model_get_string(m, VITA_CONFIG_MODEL, "rope_scaling.rope_type", &s.rope, NULL);
	(void)vita_model_get_string(m, VITA_CONFIG_MODEL, "rope_scaling.type", &s.rope, NULL);
	get_float(m, "rope_scaling.factor", &s.factor);
	get_float(m, "rope_scaling.low_freq_factor", &s.low);
	get_float(m, "rope_scaling.high_freq_factor", &s.high);
	get_float(m, "rope_scaling.original_max_position_embeddings", &s.original);
	return s;
}

/* A tensor as doubles; NULL where the model has none of that name. */
static double *weights(const vita_model *m, const char *format, int64_t number)
{
	char name[128];
	vita_array a;
	VITA_INIT(&a);
	(void)snprintf(name, sizeof name, format, (int)number);
	if (vita_model_tensor(m, name, 0, NULL, &a, NULL) != VITA_OK) return NULL;
	int64_t n = 1;
	for (uint32_t i = 0; i < a.rank; i++)
		n *= a.shape[i];
	float *f = must(malloc((size_t)n * sizeof *f));
	if (vita_convert(a.dtype, a.data, VITA_F32, f, (uint64_t)n, NULL) != VITA_OK) abort();
	double *d = zeros(n);
	for (int64_t i = 0; i < n; i++)
		d[i] = (double)f[i];
	free(f);
	return d;
}

/* The same for a tensor of one layer. */
static double *layer_weights(const vita_model *m, int64_t layer, const char *part)
{
	char format[96];
	(void)snprintf(format, sizeof format, "model.layers.%%d.%s", part);
	return weights(m, format, layer);
}

/* y[n, rows] = x[n, columns] wᵀ + b; frees w and b. */
static double *product(const double *x, int64_t n, double *w, double *b, int64_t rows, int64_t columns)
{
	double *y = zeros(n * rows);
	for (int64_t i = 0; i < n; i++)
		for (int64_t o = 0; o < rows; o++) {
			double sum = b ? b[o] : 0;
			for (int64_t j = 0; j < columns; j++)
				sum += x[i * columns + j] * w[o * columns + j];
			y[i * rows + o] = sum;
		}
	free(w);
	free(b);
	return y;
}

/* Rows of k values normalised; frees w. */
static double *normed(const double *x, int64_t n, int64_t k, double *w, double epsilon)
{
	double *y = zeros(n * k);
	for (int64_t i = 0; i < n; i++) {
		double sum = 0;
		for (int64_t j = 0; j < k; j++)
			sum += x[i * k + j] * x[i * k + j];
		for (int64_t j = 0; j < k; j++)
			y[i * k + j] = x[i * k + j] / sqrt(sum / (double)k + epsilon) * w[j];
	}
	free(w);
	return y;
}

static double frequency(const shape *s, int64_t j)
{
	double f = pow(s->theta, -2.0 * (double)j / (double)s->head_dim), wave = 2 * acos(-1.0) / f;
	if (strcmp(s->rope, "linear") == 0) return f / s->factor;
	if (strcmp(s->rope, "llama3") != 0 || wave < s->original / s->high) return f;
	if (wave > s->original / s->low) return f / s->factor;
	double smooth = (s->original / wave - s->low) / (s->high - s->low);
	return (1 - smooth) * f / s->factor + smooth * f;
}

/* x [n, heads, head_dim], row i at position first + i. */
static void rotate(const shape *s, double *x, int64_t n, int64_t heads, int64_t first)
{
	int64_t half = s->head_dim / 2;
	for (int64_t i = 0; i < n * heads; i++)
		for (int64_t j = 0; j < half; j++) {
			double angle = (double)(first + i / heads) * frequency(s, j);
			double *a = &x[i * s->head_dim + j], *b = a + half;
			double turned = *a * cos(angle) - *b * sin(angle);
			*b = *b * cos(angle) + *a * sin(angle);
			*a = turned;
		}
}

static double *attention(const shape *s, const double *q, const double *k, const double *v, int64_t n)
{
	int64_t d = s->head_dim, group = s->heads / s->kv_heads;
	double *o = zeros(n * s->heads * d), *score = zeros(n);
	for (int64_t i = 0; i < n; i++)
		for (int64_t h = 0; h < s->heads; h++) {
			double sum = 0, top = -INFINITY;
			for (int64_t j = 0; j <= i; j++) {
				score[j] = 0;
				for (int64_t e = 0; e < d; e++)
					score[j] += q[(i * s->heads + h) * d + e] *
					            k[(j * s->kv_heads + h / group) * d + e];
				score[j] /= sqrt((double)d);
				if (s->hidden_from && i != j && s->hidden_from[i * n + j]) score[j] = -INFINITY;
				if (score[j] > top) top = score[j];
			}
			for (int64_t j = 0; j <= i; j++)
				sum += score[j] = exp(score[j] - top);
			for (int64_t j = 0; j <= i && s->looks; j++)
				s->looks[i * n + j] += score[j] / sum / (double)s->heads;
			for (int64_t j = 0; j <= i; j++)
				for (int64_t e = 0; e < d; e++)
					o[(i * s->heads + h) * d + e] +=
						score[j] / sum * v[(j * s->kv_heads + h / group) * d + e];
		}
	free(score);
	return o;
}

/* Queries or keys of a layer, rotated. */
static double *rotated(const vita_model *m, const shape *s, int64_t layer, const double *a, int64_t n,
                       int64_t heads, const char *letter, int64_t first)
{
	char weight[64], bias[64], norm[64];
	(void)snprintf(weight, sizeof weight, "self_attn.%s_proj.weight", letter);
	(void)snprintf(bias, sizeof bias, "self_attn.%s_proj.bias", letter);
	(void)snprintf(norm, sizeof norm, "self_attn.%s_norm.weight", letter);
	double *x = product(a, n, layer_weights(m, layer, weight), layer_weights(m, layer, bias),
	                    heads * s->head_dim, s->hidden);
	double *w = layer_weights(m, layer, norm);
	if (w) {
		double *y = normed(x, n * heads, s->head_dim, w, s->epsilon);
		free(x);
		x = y;
	}
	rotate(s, x, n, heads, first);
	return x;
}

static void add(double *x, double *y, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		x[i] += y[i];
	free(y);
}

/* One decoder layer over x [n, hidden], in place; row i is at position first + i. */
static void decode(const vita_model *m, const shape *s, int64_t layer, double *x, int64_t n, int64_t first)
{
	int64_t kv = s->kv_heads * s->head_dim, width = s->heads * s->head_dim;
	double *a = normed(x, n, s->hidden, layer_weights(m, layer, "input_layernorm.weight"), s->epsilon);
	double *q = rotated(m, s, layer, a, n, s->heads, "q", first);
	double *k = rotated(m, s, layer, a, n, s->kv_heads, "k", first);
	double *v = product(a, n, layer_weights(m, layer, "self_attn.v_proj.weight"),
	                    layer_weights(m, layer, "self_attn.v_proj.bias"), kv, s->hidden);
	double *o = attention(s, q, k, v, n);
	add(x, product(o, n, layer_weights(m, layer, "self_attn.o_proj.weight"), NULL, s->hidden, width),
	    n * s->hidden);
	double *b = normed(x, n, s->hidden, layer_weights(m, layer, "post_attention_layernorm.weight"),
	                   s->epsilon);
	double *g = product(b, n, layer_weights(m, layer, "mlp.gate_proj.weight"), NULL, s->intermediate,
	                    s->hidden);
	double *u = product(b, n, layer_weights(m, layer, "mlp.up_proj.weight"), NULL, s->intermediate,
	                    s->hidden);
	for (int64_t i = 0; i < n * s->intermediate; i++)
		g[i] = g[i] / (1 + exp(-g[i])) * u[i];
	add(x,
	    product(g, n, layer_weights(m, layer, "mlp.down_proj.weight"), NULL, s->hidden, s->intermediate),
	    n * s->hidden);
	free(a), free(q), free(k), free(v), free(o), free(b), free(g), free(u);
}

/* Final norm, then logits; *hidden gets the normed rows. */
static double *logits(const vita_model *m, const shape *s, const double *x, int64_t n, double **hidden)
{
	*hidden = normed(x, n, s->hidden, weights(m, "model.norm.weight", 0), s->epsilon);
	return product(*hidden, n, weights(m, s->tied ? "model.embed_tokens.weight" : "lm_head.weight", 0),
	               NULL, s->vocab, s->hidden);
}

/* Module k: rows of [ norm(embedding of token i+k+1) ‖ norm(hidden i) ], projected, through its layer. */
static double *module_rows(const vita_model *m, const shape *s, int64_t k, const double *table,
                           const int32_t *ids, const double *hidden, int64_t n)
{
	double *e = zeros(n * s->hidden), *u = zeros(n * 2 * s->hidden);
	for (int64_t i = 0; i < n; i++)
		memcpy(&e[i * s->hidden], &table[ids[i + k + 1] * s->hidden], (size_t)s->hidden * sizeof *e);
	double *en = normed(e, n, s->hidden, weights(m, "mtp_embed_norms.%d.weight", k), s->epsilon);
	double *hn = normed(hidden, n, s->hidden, weights(m, "mtp_hidden_norms.%d.weight", k), s->epsilon);
	for (int64_t i = 0; i < n; i++) {
		memcpy(&u[2 * i * s->hidden], &en[i * s->hidden], (size_t)s->hidden * sizeof *u);
		memcpy(&u[(2 * i + 1) * s->hidden], &hn[i * s->hidden], (size_t)s->hidden * sizeof *u);
	}
	double *z = product(u, n, weights(m, "mtp_projs.%d.weight", k), NULL, s->hidden, 2 * s->hidden);
	decode(m, s, s->layers + k, z, n, k + 1);
	free(e), free(u), free(en), free(hn);
	return z;
}

double *lm_oracle_attention(const vita_model *m, const int32_t *ids, int64_t n, const uint8_t *hidden,
                            double **looks)
{
	shape s = read_shape(m);
	double *table = weights(m, "model.embed_tokens.weight", 0), *x = zeros(n * s.hidden), *rows;
	*looks = zeros(s.layers * n * n);
	s.hidden_from = hidden;
	for (int64_t i = 0; i < n; i++)
		memcpy(&x[i * s.hidden], &table[ids[i] * s.hidden], (size_t)s.hidden * sizeof *x);
	for (int64_t l = 0; l < s.layers; l++) {
		s.looks = *looks + l * n * n;
		decode(m, &s, l, x, n, 0);
	}
	double *scores = logits(m, &s, x, n, &rows);
	free(table), free(x), free(rows);
	return scores;
}

void lm_oracle_run(const vita_model *m, const int32_t *ids, int64_t n, const float *rows,
                   const uint32_t *row_index, uint32_t n_rows, lm_oracle *out)
{
	shape s = read_shape(m);
	double *table = weights(m, "model.embed_tokens.weight", 0), *x = zeros(n * s.hidden), *hidden = NULL;
	memset(out, 0, sizeof *out);
	out->n = n;
	out->vocab = s.vocab;
	out->modules = s.modules;
	for (int64_t i = 0; i < n; i++)
		memcpy(&x[i * s.hidden], &table[ids[i] * s.hidden], (size_t)s.hidden * sizeof *x);
	for (uint32_t r = 0; r < n_rows; r++)
		for (int64_t j = 0; j < s.hidden; j++)
			x[row_index[r] * s.hidden + j] = (double)rows[r * s.hidden + j];
	for (int64_t l = 0; l < s.layers; l++)
		decode(m, &s, l, x, n, 0);
	out->main = logits(m, &s, x, n, &hidden);
	free(x);
	for (int64_t k = 0; k < s.modules && n - 1 - k > 0; k++) {
		double *next = NULL, *z = module_rows(m, &s, k, table, ids, hidden, n - 1 - k);
		out->module[k] = logits(m, &s, z, n - 1 - k, &next);
		free(z);
		free(hidden);
		hidden = next;
	}
	free(hidden);
	free(table);
}

void lm_oracle_free(lm_oracle *o)
{
	free(o->main);
	for (int k = 0; k < 8; k++)
		free(o->module[k]);
}
