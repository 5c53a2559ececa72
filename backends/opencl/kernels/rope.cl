/* SPDX-License-Identifier: MIT
 *
 * ROPE: a work-item a pair of values (or one that is only copied), along x over pairs, y over heads, z over rows; 64 a
 * group.
 *
 * (a, b) becomes (a cos - b sin, b cos + a sin), the angle positions[i] · step[j] / factor[j]. Steps come as turns, in
 * two floats whose sum has 48 bits, so that whole turns can be taken away exactly and position 100,000 is as precise as
 * position 1.
 */

/* cos and sin of the angle of pair j at a position */
static inline float2 rotation(global const float2 *steps, global uchar *f_buffer, const view *factor, int j, float position)
{
	float high = steps[j].x, low = steps[j].y;
	if (factor->shape[3]) {
		const float f = FLOATS(f_buffer, factor->offset)[j], q = high / f;
		low = (fma(-q, f, high) + low) / f;
		high = q;
	}
	const float turns = position * high, rest = fma(position, high, -turns) + position * low;
	const float angle = 2 * ((turns - rint(turns)) + rest);
	return (float2)(cospi(angle), sinpi(angle));
}

static inline float position_of(global uchar *p_buffer, const view *positions, long i)
{
	return (float)*(global const int *)(p_buffer + positions->offset + i * positions->stride[3]);
}

ELEMENT_KERNEL void rope(global uchar *x_buffer, view x, global uchar *p_buffer, view positions, global uchar *f_buffer,
                         view factor, global uchar *y_buffer, view y, global const float2 *steps, int n_rotated, int style)
{
	const int j = (int)get_global_id(0), half_ = n_rotated / 2, d = (int)x.shape[3];
	if (j >= half_ + d - n_rotated) return;
	const long head = get_global_id(1), i = get_global_id(2);
	global const float *from = FLOATS(x_buffer, x.offset + i * x.stride[1] + head * x.stride[2]);
	global float *to = FLOATS(y_buffer, y.offset + i * y.stride[1] + head * y.stride[2]);
	if (j >= half_) {
		to[j + half_] = from[j + half_];
		return;
	}
	const float2 turn = rotation(steps, f_buffer, &factor, j, position_of(p_buffer, &positions, i));
	const int first = style == 0 ? j : 2 * j, second = style == 0 ? j + half_ : 2 * j + 1;
	const float a = from[first], b = from[second];
	to[first] = a * turn.x - b * turn.y;
	to[second] = b * turn.x + a * turn.y;
}

/* The same for queries and keys in place, and keys and values into a cache: heads of q, then of k, then of v along y. */
ELEMENT_KERNEL void rope_cache(global uchar *q_buffer, view q, global uchar *k_buffer, view k, global uchar *p_buffer,
                               view positions, global uchar *f_buffer, view factor, global const float2 *steps,
                               int n_rotated, int style, global uchar *v_buffer, long v_at, long v_step,
                               global uchar *k_slot, long k_slot_at, long k_slot_step, int k_type, global uchar *v_slot,
                               long v_slot_at, long v_slot_step, int v_type)
{
	const int half_ = n_rotated / 2, d = (int)k.shape[3], kv_heads = (int)k.shape[2], q_heads = (int)q.shape[2];
	const int j = (int)get_global_id(0), pairs = half_ + d - n_rotated;
	if (j >= pairs) return;
	const long i = get_global_id(2);
	int head = (int)get_global_id(1);
	const bool is_query = head < q_heads;
	if (!is_query) head -= q_heads;
	if (!is_query && head >= kv_heads) {
		head -= kv_heads;
		global const float *from = FLOATS(v_buffer, v_at + i * v_step) + head * d;
		global uchar *to = v_slot + v_slot_at + i * v_slot_step;
		const int size = v_type == F32 ? 4 : 2;
		for (int c = j; c < d; c += pairs) store_value(v_type, to + (head * d + c) * size, from[c], 0, false);
		return;
	}
	global float *row = is_query ? FLOATS(q_buffer, q.offset + i * q.stride[1] + head * q.stride[2])
	                             : FLOATS(k_buffer, k.offset + i * k.stride[1] + head * k.stride[2]);
	global uchar *slot = k_slot + k_slot_at + i * k_slot_step;
	const int size = k_type == F32 ? 4 : 2;
	if (j >= half_) {
		if (!is_query) store_value(k_type, slot + (head * d + j + half_) * size, row[j + half_], 0, false);
		return;
	}
	const float2 turn = rotation(steps, f_buffer, &factor, j, position_of(p_buffer, &positions, i));
	const int first = style == 0 ? j : 2 * j, second = style == 0 ? j + half_ : 2 * j + 1;
	const float a = row[first], b = row[second], x = a * turn.x - b * turn.y, y = b * turn.x + a * turn.y;
	row[first] = x;
	row[second] = y;
	if (is_query) return;
	store_value(k_type, slot + (head * d + first) * size, x, 0, false);
	store_value(k_type, slot + (head * d + second) * size, y, 0, false);
}
