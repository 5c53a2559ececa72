/* SPDX-License-Identifier: MIT
 *
 * Decoder layers on a device; see decoder_layer.h.
 */
#include "decoder_layer.h"

#include <math.h>

#define CACHE_STEP 64 /* rows; a cache's capacity is a multiple of it, or the whole context */
#define ALIGNMENT 256 /* bytes, of each tensor in the scratch buffer */

static vita_status read_cache_dtype(decoder *d, const vita_settings *settings, vita_error *err)
{
	const char *name = d->host->setting_string(d->host->context, settings, "cache");
	d->cache_dtype = vita_dtype_parse(name && name[0] ? name : "f32");
	if (d->cache_dtype == VITA_DTYPE_NONE)
		return vita_fail(err, VITA_E_CONFIG,
		                 "cache = %.64s is not a type; f32, f16, bf16 and q8_0 are", name);
	if (d->config.head_dim % (int64_t)vita_dtype_block(d->cache_dtype) != 0)
		return vita_fail(err, VITA_E_CONFIG,
		                 "cache = %s needs heads of a multiple of %u values; this model's have %lld",
		                 name, vita_dtype_block(d->cache_dtype), (long long)d->config.head_dim);
	return VITA_OK;
}

vita_status decoder_open(decoder *d, decoder_loader *loader, const vita_settings *settings, vita_error *err)
{
	memset(d, 0, sizeof *d);
	d->host = loader->host;
	d->device = loader->device;
	vita_status status = decoder_config_read(loader->host, loader->model, &d->config, err);
	if (status == VITA_OK) status = decoder_dtype_setting(loader->host, settings, &loader->dtype, err);
	if (status == VITA_OK) status = read_cache_dtype(d, settings, err);
	if (status != VITA_OK) return status;
	const decoder_config *c = &d->config;
	VITA_INIT(&d->rope);
	d->rope.style = c->rope_interleave ? VITA_ROPE_INTERLEAVED : VITA_ROPE_HALF;
	d->rope.n_rotated = (uint32_t)c->head_dim;
	d->rope.theta = c->rope_theta;
	d->rope.scale = c->rope_kind == DECODER_ROPE_LINEAR ? 1 / c->rope_factor : 1;
	if (c->rope_tensor)
		return decoder_vector_load(loader, "rope_freqs.weight", c->head_dim / 2, &d->rope_factors,
		                           err);
	if (c->rope_kind == DECODER_ROPE_LLAMA3)
		return decoder_rope_factors(loader, c, &d->rope_factors, err);
	return VITA_OK;
}

void decoder_close(decoder *d)
{
	if (d->device) device_tensor_free(d->device, &d->rope_factors);
}

/* ---- KV cache -------------------------------------------------------------------------------------- */

/* Keys (part 0) or values (part 1) of rows first … first + count - 1: [count, n_kv_heads * head_dim]. */
static vita_tensor cache_rows(const decoder *d, const decoder_cache *cache, int part, int64_t first,
                              int64_t count)
{
	int64_t width = d->config.n_kv_heads * d->config.head_dim;
	int64_t row = vita_row_bytes(d->cache_dtype, width);
	uint64_t offset = (uint64_t)((part * cache->capacity + first) * row);
	return vita_view(cache->buffer, offset, d->cache_dtype, 2, count, width, 0, 0);
}

uint64_t decoder_cache_row_bytes(const decoder *d)
{
	return 2 * (uint64_t)vita_row_bytes(d->cache_dtype, d->config.n_kv_heads * d->config.head_dim);
}

/* The next capacity for a cache that is too small; context where that is less. */
static int64_t grown(int64_t capacity, int64_t needed, int64_t context)
{
	int64_t rows = capacity + capacity / 2;
	if (rows < needed) rows = needed;
	rows = (rows + CACHE_STEP - 1) / CACHE_STEP * CACHE_STEP;
	return rows < context ? rows : context;
}

vita_status decoder_cache_reserve(const decoder *d, vita_recorder *r, decoder_cache *cache, int64_t used,
                                  int64_t needed, vita_error *err)
{
	const vita_backend_api *api = d->device->api;
	if (needed <= cache->capacity) return VITA_OK;
	decoder_cache larger = { NULL, grown(cache->capacity, needed, d->context) };
	vita_status status = api->alloc(d->device->self,
	                                (uint64_t)larger.capacity * decoder_cache_row_bytes(d),
	                                &larger.buffer, err);
	if (status != VITA_OK) return status;
	vita_recorder_begin(r, d->device, err);
	for (int part = 0; part < 2 && used > 0; part++) {
		vita_tensor from = cache_rows(d, cache, part, 0, used);
		vita_tensor to = cache_rows(d, &larger, part, 0, used);
		vita_copy(r, &from, &to);
	}
	status = vita_recorder_end(r);
	if (status != VITA_OK) {
		api->free(d->device->self, larger.buffer);
		return status;
	}
	decoder_cache_free(d, cache);
	*cache = larger;
	return VITA_OK;
}

void decoder_cache_free(const decoder *d, decoder_cache *cache)
{
	if (cache->buffer) d->device->api->free(d->device->self, cache->buffer);
	cache->buffer = NULL;
	cache->capacity = 0;
}

/* ---- one pass -------------------------------------------------------------------------------------- */

int64_t decoder_walk_next(decoder_walk *walk)
{
	int64_t rows = 0;
	walk->n_segments = 0;
	while (walk->block < walk->n_blocks && rows < DECODER_MAX_ROWS) {
		const decoder_block *block = &walk->blocks[walk->block];
		int64_t left = block->count - walk->first, room = DECODER_MAX_ROWS - rows;
		decoder_segment *segment = &walk->segments[walk->n_segments++];
		segment->caches = block->caches;
		segment->block = walk->block;
		segment->first = walk->first;
		segment->row = rows;
		segment->count = left < room ? left : room;
		segment->length = block->length + walk->first;
		segment->last = segment->count == left;
		segment->watch = block->watch;
		rows += segment->count;
		walk->first += segment->count;
		if (!segment->last) break;
		walk->block++;
		walk->first = 0;
	}
	return rows;
}

static int64_t aligned(int64_t bytes)
{
	return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

vita_status decoder_scratch_reserve(const decoder *d, decoder_scratch *scratch, int64_t rows, vita_error *err)
{
	const decoder_config *c = &d->config;
	int64_t q = c->n_heads * c->head_dim, kv = c->n_kv_heads * c->head_dim;
	const struct {
		vita_tensor *tensor;
		int64_t width;
	} parts[] = {
		{ &scratch->x, c->hidden_size },
		{ &scratch->a, c->hidden_size },
		{ &scratch->q, q },
		{ &scratch->k, kv },
		{ &scratch->v, kv },
		{ &scratch->o, q },
		{ &scratch->gate, c->intermediate_size },
		{ &scratch->up, c->intermediate_size },
	};
	const size_t n_parts = sizeof parts / sizeof parts[0];
	int64_t capacity = 16, offset = 0;
	if (rows <= scratch->capacity) return VITA_OK;
	while (capacity < rows)
		capacity *= 2;
	for (size_t i = 0; i < n_parts; i++)
		offset += aligned(capacity * parts[i].width * (int64_t)sizeof(float));
	scratch->capacity = 0;
	vita_status status = device_memory_reserve(d->device, &scratch->memory, (uint64_t)offset, err);
	if (status != VITA_OK) return status;
	offset = 0;
	for (size_t i = 0; i < n_parts; i++) {
		*parts[i].tensor = vita_view(scratch->memory.buffer, (uint64_t)offset, VITA_F32, 2, capacity,
		                             parts[i].width, 0, 0);
		offset += aligned(capacity * parts[i].width * (int64_t)sizeof(float));
	}
	scratch->capacity = capacity;
	return VITA_OK;
}

vita_status decoder_indices_upload(const vita_device *device, decoder_indices *indices, int64_t n,
                                   vita_tensor *out, vita_error *err)
{
	vita_status status = device_memory_reserve(device, &indices->memory, sizeof indices->host, err);
	if (status != VITA_OK) return status;
	*out = vita_view(indices->memory.buffer, 0, VITA_I32, 1, n, 0, 0, 0);
	return device->api->write(device->self, out, indices->host, (uint64_t)n * sizeof(int32_t), err);
}

/* y = x weightᵀ + bias, then act; y += residual where there is one. */
static void linear(vita_recorder *r, const vita_tensor *x, const decoder_linear *w,
                   const vita_tensor *residual, const vita_tensor *y)
{
	vita_matmul(r, x, &w->weight, w->bias.buffer ? &w->bias : NULL, residual, VITA_UNARY_NONE, y);
}

/* Each head of q or k normalised (where the model does so) and rotated, in place. */
static void rotate(const decoder *d, vita_recorder *r, const vita_tensor *rows, int64_t n_heads,
                   const vita_tensor *norm, const vita_tensor *positions)
{
	vita_tensor heads = vita_split(rows, n_heads, d->config.head_dim);
	if (norm->buffer) vita_rms_norm(r, &heads, norm, d->config.norm_epsilon, &heads);
	vita_rope(r, &heads, positions, d->rope_factors.buffer ? &d->rope_factors : NULL, &d->rope, &heads);
}

/* What the attention below makes of q [count, heads, d] and the cache's keys [seen, kv_heads, d], head by head,
 * for those who look on: weights of this layer += softmax(q · kᵀ / √d + hidden) / heads. */
static void watch_attention(const decoder *d, vita_recorder *r, const decoder_segment *segment, uint32_t layer,
                            const vita_tensor *q, const vita_tensor *k, const vita_tensor *hidden)
{
	const decoder_config *c = &d->config;
	const decoder_watch *watch = segment->watch;
	int64_t n = segment->count, n_seen = k->shape[0], width = watch->weights.shape[2];
	vita_tensor keys = vita_slice(&watch->keys, 0, 0, n_seen);
	vita_tensor scores = vita_view(watch->scores.buffer, watch->scores.offset, VITA_F32, 2, n, n_seen, 0, 0);
	vita_tensor sum = vita_view(watch->weights.buffer,
	                            watch->weights.offset +
	                                    (uint64_t)((layer * width + segment->length) * width) * sizeof(float),
	                            VITA_F32, 2, n, width, 0, 0);
	sum = vita_slice(&sum, 1, 0, n_seen);
	for (int64_t head = 0; head < c->n_heads; head++) {
		vita_tensor query = vita_slice(q, 1, head, 1);
		vita_tensor key = vita_slice(k, 1, head / (c->n_heads / c->n_kv_heads), 1);
		vita_tensor rows = vita_view(query.buffer, query.offset, VITA_F32, 2, n, c->head_dim, 0, 0);
		rows.stride[0] = q->stride[0];
		vita_tensor plain = vita_split(&keys, 1, c->head_dim);
		vita_copy(r, &key, &plain);
		vita_matmul(r, &rows, &keys, NULL, hidden, VITA_UNARY_NONE, &scores);
		vita_softmax(r, &scores, 1 / sqrt((double)c->head_dim), &scores);
		vita_affine(r, &scores, 1 / (double)c->n_heads, 0, &scores);
		vita_binary(r, VITA_BINARY_ADD, &sum, &scores, &sum);
	}
}

/* The segment's keys and values join its cache; its queries, but for the first `skip`, look at all of it. */
static void attend(const decoder *d, vita_recorder *r, const decoder_scratch *s, const decoder_segment *all_rows,
                   int64_t skip, uint32_t layer)
{
	const decoder_segment asking = { .row = all_rows->row + skip,
		                         .count = all_rows->count - skip,
		                         .length = all_rows->length + skip,
		                         .watch = all_rows->watch };
	const decoder_segment *segment = &asking;
	const decoder_cache *cache = &all_rows->caches[layer];
	const decoder_watch *watch = segment->watch;
	const decoder_config *c = &d->config;
	vita_tensor fresh[2] = { vita_slice(&s->k, 0, all_rows->row, all_rows->count),
		                 vita_slice(&s->v, 0, all_rows->row, all_rows->count) };
	vita_tensor seen[2];
	for (int part = 0; part < 2; part++) {
		vita_tensor slot = cache_rows(d, cache, part, all_rows->length, all_rows->count);
		vita_tensor all = cache_rows(d, cache, part, 0, all_rows->length + all_rows->count);
		vita_copy(r, &fresh[part], &slot);
		seen[part] = vita_split(&all, c->n_kv_heads, c->head_dim);
	}
	vita_tensor q = vita_slice(&s->q, 0, segment->row, segment->count);
	vita_tensor o = vita_slice(&s->o, 0, segment->row, segment->count);
	q = vita_split(&q, c->n_heads, c->head_dim);
	o = vita_split(&o, c->n_heads, c->head_dim);
	vita_tensor hidden, bias;
	if (watch) {
		int64_t n_seen = segment->length + segment->count;
		hidden = vita_slice(&watch->hidden, 0, segment->length, segment->count);
		hidden = vita_slice(&hidden, 1, 0, n_seen);
		bias = vita_view(hidden.buffer, hidden.offset, VITA_F32, 3, 1, segment->count, n_seen, 0);
		bias.stride[1] = hidden.stride[0];
	}
	vita_attention(r, &q, &seen[0], &seen[1], watch ? &bias : NULL, VITA_MASK_CAUSAL, 0,
	               1 / sqrt((double)c->head_dim), &o);
	if (watch && watch->weights.buffer) watch_attention(d, r, segment, layer, &q, &seen[0], &hidden);
}

/* Rows `first` and later through the layer; of the earlier ones, which belong to the only segment, keys and values. */
static void record(const decoder *d, vita_recorder *r, const decoder_layer *layer, uint32_t index,
                   const decoder_scratch *scratch, const vita_tensor *positions, int64_t first, int64_t n,
                   const decoder_segment *segments, uint32_t n_segments)
{
	const decoder_config *c = &d->config;
	const int64_t asking = n - first;
	vita_tensor x_all = vita_slice(&scratch->x, 0, 0, n), a_all = vita_slice(&scratch->a, 0, 0, n);
	vita_tensor x = vita_slice(&x_all, 0, first, asking), a = vita_slice(&a_all, 0, first, asking);
	vita_tensor k = vita_slice(&scratch->k, 0, 0, n), v = vita_slice(&scratch->v, 0, 0, n);
	vita_tensor q = vita_slice(&scratch->q, 0, first, asking), o = vita_slice(&scratch->o, 0, first, asking);
	vita_tensor gate = vita_slice(&scratch->gate, 0, 0, asking), up = vita_slice(&scratch->up, 0, 0, asking);
	vita_tensor q_positions = vita_slice(positions, 0, first, asking);

	vita_rms_norm(r, &x_all, &layer->input_norm, c->norm_epsilon, &a_all);
	linear(r, &a, &layer->q, NULL, &q);
	linear(r, &a_all, &layer->k, NULL, &k);
	linear(r, &a_all, &layer->v, NULL, &v);
	rotate(d, r, &q, c->n_heads, &layer->q_norm, &q_positions);
	rotate(d, r, &k, c->n_kv_heads, &layer->k_norm, positions);
	for (uint32_t i = 0; i < n_segments; i++)
		attend(d, r, scratch, &segments[i], first, index);
	linear(r, &o, &layer->o, &x, &x);

	vita_rms_norm(r, &x, &layer->post_norm, c->norm_epsilon, &a);
	linear(r, &a, &layer->gate, NULL, &gate);
	linear(r, &a, &layer->up, NULL, &up);
	vita_glu(r, VITA_UNARY_SILU, &gate, &up, &gate);
	linear(r, &gate, &layer->down, &x, &x);
}

void decoder_layer_record(const decoder *d, vita_recorder *r, const decoder_layer *layer, uint32_t index,
                          const decoder_scratch *scratch, const vita_tensor *positions, int64_t n,
                          const decoder_segment *segments, uint32_t n_segments)
{
	record(d, r, layer, index, scratch, positions, 0, n, segments, n_segments);
}

void decoder_layer_record_from(const decoder *d, vita_recorder *r, const decoder_layer *layer, uint32_t index,
                               const decoder_scratch *scratch, const vita_tensor *positions, int64_t first,
                               const decoder_segment *segment)
{
	record(d, r, layer, index, scratch, positions, first, segment->count, segment, 1);
}
