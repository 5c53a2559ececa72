/* SPDX-License-Identifier: MIT
 *
 * ATTENTION with online softmax (Milakov and Gimelshein 2018): one walk over the keys, with the largest score so far,
 * the sum of weights and the weighted sum of values, which shrink when a larger score comes.
 *
 *   HEAD     0: kernel attention_any, for any size of head and cache type. Else values of a head, a multiple of 16:
 *            kernel attention.
 *   K_TYPE, V_TYPE  of the cache     QUERIES  of one head that share a reading of keys (CPU devices)
 */

/* Keys 0 … answer - 1 are those that query i sees. */
static inline int visible(int mask, int block, int i, int n_q, int n_k)
{
	const int position = i + n_k - n_q;
	if (mask == 0) return n_k;
	if (position < 0) return 0;
	const long end = mask == 1 ? position + 1 : ((long)position / block + 1) * block;
	return end < n_k ? (int)end : n_k;
}

#if HEAD == 0
/* A work-group a query of a head; the output row itself is the weighted sum. */
ROW_KERNEL void attention_any(global uchar *q_buffer, view q, global uchar *k_buffer, view k, int k_type,
                              global uchar *v_buffer, view v, int v_type, global uchar *b_buffer, view bias,
                              global uchar *y_buffer, view y, int mask, int block, float scale)
{
	local float scratch[GROUP];
	const int i = (int)get_group_id(0), head = (int)get_global_id(1), d = (int)q.shape[3];
	const int n_q = (int)q.shape[1], n_k = (int)k.shape[1];
	const int kv_head = head / (int)(q.shape[2] / k.shape[2]);
	global const float *query = FLOATS(q_buffer, q.offset + i * q.stride[1] + head * q.stride[2]);
	global float *to = FLOATS(y_buffer, y.offset + i * y.stride[1] + head * y.stride[2]);
	global const float *extra =
		FLOATS(b_buffer, bias.offset + (bias.shape[1] == 1 ? 0 : head) * bias.stride[1] + i * bias.stride[2]);
	const int n = visible(mask, block, i, n_q, n_k);
	float largest = -INFINITY, total = 0;
	for (int c = LANE; c < d; c += GROUP) to[c] = 0;
	for (int j = 0; j < n; j++) {
		if (bias.shape[3] && extra[j] == -INFINITY) continue;
		global const uchar *key = k_buffer + k.offset + j * k.stride[1] + kv_head * k.stride[2];
		global const uchar *value = v_buffer + v.offset + j * v.stride[1] + kv_head * v.stride[2];
		float dot_ = 0;
		for (int c = LANE; c < d; c += GROUP) dot_ = fma(query[c], row_value(k_type, key, c), dot_);
		const float score = scale * group_sum(dot_, scratch) + (bias.shape[3] ? extra[j] : 0);
		if (score == -INFINITY) continue;
		const float top = fmax(largest, score), keep = exp(largest - top), weight = exp(score - top);
		for (int c = LANE; c < d; c += GROUP) to[c] = to[c] * keep + weight * row_value(v_type, value, c);
		total = total * keep + weight;
		largest = top;
	}
	for (int c = LANE; c < d; c += GROUP) to[c] = total == 0 ? 0 : to[c] / total;
}

#else
/* Value c of a key or value row, and 16 of them from c on. */
#define VALUE_F32(row, c) ((global const float *)(row))[c]
#define VALUE_F16(row, c) vload_half(c, (global const half *)(row))
#define VALUE_BF16(row, c) brain_to_float(((global const ushort *)(row))[c])
#define VALUE_Q8_0(row, c) q8_0_value((row) + (c) / 32 * 34, (c) % 32)
#define LOAD_F32(row, c) vload16(0, (global const float *)(row) + (c))
#define LOAD_F16(row, c) vload_half16(0, (global const half *)(row) + (c))
#define LOAD_BF16(row, c) as_float16(convert_uint16(vload16(0, (global const ushort *)(row) + (c))) << 16)
#define LOAD_Q8_0(row, c)                                                                          \
	(load_scale((row) + (c) / 32 * 34) *                                                       \
	 convert_float16(vload16(0, (global const char *)((row) + (c) / 32 * 34 + 2) + (c) % 32)))
#if K_TYPE == F32
#define LOAD_KEY LOAD_F32
#define KEY VALUE_F32
#elif K_TYPE == F16
#define LOAD_KEY LOAD_F16
#define KEY VALUE_F16
#elif K_TYPE == BF16
#define LOAD_KEY LOAD_BF16
#define KEY VALUE_BF16
#else
#define LOAD_KEY LOAD_Q8_0
#define KEY VALUE_Q8_0
#endif
#if V_TYPE == F32
#define LOAD_VALUE LOAD_F32
#define VALUE VALUE_F32
#elif V_TYPE == F16
#define LOAD_VALUE LOAD_F16
#define VALUE VALUE_F16
#elif V_TYPE == BF16
#define LOAD_VALUE LOAD_BF16
#define VALUE VALUE_BF16
#else
#define LOAD_VALUE LOAD_Q8_0
#define VALUE VALUE_Q8_0
#endif

#if CPU
#define PARTS (HEAD / 16)
#define FOR_QUERIES _Pragma("unroll") for (int t = 0; t < QUERIES; t++)
#define FOR_PARTS _Pragma("unroll") for (int c = 0; c < PARTS; c++)

static inline float sum_of(float16 x)
{
	const float8 a = x.lo + x.hi;
	const float4 b = a.lo + a.hi;
	return b.x + b.y + (b.z + b.w);
}

static inline float max_of(float16 x)
{
	const float8 a = fmax(x.lo, x.hi);
	const float4 b = fmax(a.lo, a.hi);
	return fmax(fmax(b.x, b.y), fmax(b.z, b.w));
}

/* A work-item QUERIES queries of a head, 16 keys at a time. Queries past the last are the last once more. */
ROW_KERNEL void attention(global uchar *q_buffer, view q, global uchar *k_buffer, view k, global uchar *v_buffer, view v,
                          global uchar *b_buffer, view bias, global uchar *y_buffer, view y, int mask, int block,
                          float scale)
{
	const int first = (int)get_group_id(0) * QUERIES, head = (int)get_global_id(1);
	const int n_q = (int)q.shape[1], n_k = (int)k.shape[1], kv_head = head / (int)(q.shape[2] / k.shape[2]);
	global const uchar *keys = k_buffer + k.offset + kv_head * k.stride[2];
	global const uchar *values = v_buffer + v.offset + kv_head * v.stride[2];
	float16 query[QUERIES * PARTS], sum[QUERIES * PARTS], score[QUERIES];
	float largest[QUERIES], total[QUERIES];
	int seen[QUERIES], n = 0;
	FOR_QUERIES {
		const int i = min(first + t, n_q - 1);
		global const float *row = FLOATS(q_buffer, q.offset + i * q.stride[1] + head * q.stride[2]);
		FOR_PARTS query[t * PARTS + c] = vload16(c, row) * scale, sum[t * PARTS + c] = 0;
		seen[t] = visible(mask, block, i, n_q, n_k);
		n = max(n, seen[t]);
		largest[t] = -INFINITY, total[t] = 0;
	}
	for (int j = 0; j < n; j += 16) {
		const int there = min(16, n - j);
		float scores[QUERIES][16];
		for (int l = 0; l < there; l++) {
			global const uchar *row = keys + (j + l) * k.stride[1];
			float16 dots[QUERIES];
			FOR_QUERIES dots[t] = 0;
			FOR_PARTS {
				const float16 key = LOAD_KEY(row, c * 16);
				FOR_QUERIES dots[t] = fma(query[t * PARTS + c], key, dots[t]);
			}
			FOR_QUERIES scores[t][l] = j + l < seen[t] ? sum_of(dots[t]) : -INFINITY;
		}
		for (int l = there; l < 16; l++) FOR_QUERIES scores[t][l] = -INFINITY;
		FOR_QUERIES {
			const int i = min(first + t, n_q - 1);
			global const float *extra =
				FLOATS(b_buffer, bias.offset + (bias.shape[1] == 1 ? 0 : head) * bias.stride[1] + i * bias.stride[2]);
			if (bias.shape[3])
				for (int l = 0; l < there; l++)
					scores[t][l] = extra[j + l] == -INFINITY ? -INFINITY : scores[t][l] + extra[j + l];
			score[t] = vload16(0, scores[t]);
			const float top = fmax(largest[t], max_of(score[t]));
			if (top == -INFINITY) {
				for (int l = 0; l < 16; l++) scores[t][l] = 0;
				continue;
			}
			const float keep = exp(largest[t] - top);
			score[t] = exp(score[t] - top);
			vstore16(score[t], 0, scores[t]);
			total[t] = total[t] * keep + sum_of(score[t]);
			largest[t] = top;
			FOR_PARTS sum[t * PARTS + c] *= keep;
		}
		/* what has weight 0 is left out, so that nothing there can matter */
		for (int l = 0; l < there; l++) {
			global const uchar *row = values + (j + l) * v.stride[1];
			FOR_QUERIES {
				if (scores[t][l] == 0) continue;
				FOR_PARTS sum[t * PARTS + c] = fma((float16)(scores[t][l]), LOAD_VALUE(row, c * 16), sum[t * PARTS + c]);
			}
		}
	}
	FOR_QUERIES {
		if (first + t >= n_q) break;
		global float *to = FLOATS(y_buffer, y.offset + (first + t) * y.stride[1] + head * y.stride[2]);
		FOR_PARTS vstore16(total[t] == 0 ? (float16)0 : sum[t * PARTS + c] / total[t], c, to);
	}
}

#else
#define PER_ITEM ((HEAD + GROUP - 1) / GROUP) /* values of a head that a work-item sums up … */
#define PARTS (GROUP > HEAD ? GROUP / HEAD : 1) /* … over every PARTS-th key */

/* A work-group a query of a head, GROUP keys at a time: first a work-item has a key, then values of a head. */
ROW_KERNEL void attention(global uchar *q_buffer, view q, global uchar *k_buffer, view k, global uchar *v_buffer, view v,
                          global uchar *b_buffer, view bias, global uchar *y_buffer, view y, int mask, int block,
                          float scale)
{
	local float scratch[GROUP], weights[GROUP], query[HEAD], sums[PARTS * HEAD];
	const int i = (int)get_group_id(0), head = (int)get_global_id(1);
	const int n_q = (int)q.shape[1], n_k = (int)k.shape[1], kv_head = head / (int)(q.shape[2] / k.shape[2]);
	global const float *from = FLOATS(q_buffer, q.offset + i * q.stride[1] + head * q.stride[2]);
	global const float *extra =
		FLOATS(b_buffer, bias.offset + (bias.shape[1] == 1 ? 0 : head) * bias.stride[1] + i * bias.stride[2]);
	global const uchar *keys = k_buffer + k.offset + kv_head * k.stride[2];
	global const uchar *values = v_buffer + v.offset + kv_head * v.stride[2];
	const int n = visible(mask, block, i, n_q, n_k), part_ = LANE / HEAD, column = PARTS > 1 ? LANE % HEAD : LANE;
	float sum[PER_ITEM], largest = -INFINITY, total = 0;
	for (int c = LANE; c < HEAD; c += GROUP) query[c] = from[c] * scale;
	for (int c = 0; c < PER_ITEM; c++) sum[c] = 0;
	barrier(CLK_LOCAL_MEM_FENCE);
	for (int j = 0; j < n; j += GROUP) {
		const int there = min(GROUP, n - j);
		float score = -INFINITY;
		if (LANE < there && !(bias.shape[3] && extra[j + LANE] == -INFINITY)) {
			global const uchar *row = keys + (j + LANE) * k.stride[1];
			score = bias.shape[3] ? extra[j + LANE] : 0;
			for (int c = 0; c < HEAD; c++) score = fma(query[c], KEY(row, c), score);
		}
		const float top = fmax(largest, group_max(score, scratch));
		if (top == -INFINITY) continue;
		const float keep = exp(largest - top);
		weights[LANE] = exp(score - top);
		total = total * keep + group_sum(weights[LANE], scratch);
		largest = top;
		for (int c = 0; c < PER_ITEM; c++) sum[c] *= keep;
		for (int l = part_; l < there && part_ < PARTS; l += PARTS) {
			if (weights[l] == 0) continue;
			global const uchar *row = values + (j + l) * v.stride[1];
			for (int c = 0; c < PER_ITEM; c++)
				if (column + c * GROUP < HEAD) sum[c] = fma(weights[l], VALUE(row, column + c * GROUP), sum[c]);
		}
		barrier(CLK_LOCAL_MEM_FENCE); /* before the next weights */
	}
	for (int c = 0; c < PER_ITEM && part_ < PARTS; c++)
		if (column + c * GROUP < HEAD) sums[part_ * HEAD + column + c * GROUP] = sum[c];
	barrier(CLK_LOCAL_MEM_FENCE);
	global float *to = FLOATS(y_buffer, y.offset + i * y.stride[1] + head * y.stride[2]);
	for (int c = LANE; c < HEAD; c += GROUP) {
		float whole = 0;
		for (int p = 0; p < PARTS; p++) whole += sums[p * HEAD + c];
		to[c] = total == 0 ? 0 : whole / total;
	}
}
#endif
#endif
