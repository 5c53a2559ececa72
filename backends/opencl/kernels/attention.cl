/* SPDX-License-Identifier: MIT
 *
 * ATTENTION, for any size of head and any cache type: a work-group a query of a head, online softmax (Milakov and
 * Gimelshein 2018) with the output row itself as the sum.
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
