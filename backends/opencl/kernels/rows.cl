/* SPDX-License-Identifier: MIT
 *
 * What stands around products with tiles: activations to 8 bits, and rows of tiles by number (GATHER).
 */

/* 32 values of a row become signed bytes q with value = d q. Of a row of k values there are left, one after the other,
 * k bytes q, k / 16 floats d Σ q over 16 each, and k / 32 floats d. */
static inline void quantise_block(global const float *from, global uchar *row, int k, int b)
{
#if CPU
	const float16 x0 = vload16(0, from), x1 = vload16(1, from);
	const float16 m16 = fmax(fabs(x0), fabs(x1));
	const float8 m8 = fmax(m16.lo, m16.hi);
	const float4 m4 = fmax(m8.lo, m8.hi);
	const float2 m2 = fmax(m4.lo, m4.hi);
	const float d = fmax(m2.x, m2.y) / 127, inverse = d > 0 ? 1 / d : 0;
	const int16 q0 = convert_int16_rte(x0 * inverse), q1 = convert_int16_rte(x1 * inverse);
	vstore16(convert_char16(q0), 0, (global char *)row + b * 32);
	vstore16(convert_char16(q1), 1, (global char *)row + b * 32);
	const int8 a8 = q0.lo + q0.hi, b8 = q1.lo + q1.hi;
	const int4 a4 = a8.lo + a8.hi, b4 = b8.lo + b8.hi;
	const int2 a2 = a4.lo + a4.hi, b2 = b4.lo + b4.hi;
	const int s0 = a2.x + a2.y, s1 = b2.x + b2.y;
#else
	float largest = 0;
	for (int i = 0; i < 32; i++) largest = fmax(largest, fabs(from[i]));
	const float d = largest / 127, inverse = d > 0 ? 1 / d : 0;
	int s0 = 0, s1 = 0;
	for (int i = 0; i < 32; i++) {
		const int q = convert_int_rte(from[i] * inverse);
		row[b * 32 + i] = (uchar)q;
		if (i < 16) s0 += q;
		else s1 += q;
	}
#endif
	((global float2 *)(row + k))[b] = (float2)(d * (float)s0, d * (float)s1);
	((global float *)(row + k + k / 4))[b] = d;
}

/* A work-item a block, along y a row. */
ELEMENT_KERNEL void quantise_x(global uchar *x_buffer, long x_at, long x_step, int k, global uchar *to, int to_step)
{
	const int b = (int)get_global_id(0), row = (int)get_global_id(1);
	if (b * 32 >= k) return;
	quantise_block(FLOATS(x_buffer, x_at + row * x_step) + b * 32, to + (long)row * to_step, k, b);
}

/* RMS_NORM (norm.cl) whose result is wanted in 8 bits as well: a work-group a row. */
ROW_KERNEL void rms_norm_quantise(global uchar *x_buffer, long x_at, long x_step, global uchar *w_buffer, long w_at,
                                  int weighted, global uchar *y_buffer, long y_at, long y_step, float epsilon, int k,
                                  global uchar *q, int q_step)
{
	local float scratch[GROUP];
	const int row = (int)get_group_id(0);
	global const float *from = FLOATS(x_buffer, x_at + row * x_step), *weight = FLOATS(w_buffer, w_at);
	global float *to = FLOATS(y_buffer, y_at + row * y_step);
	float squares;
	SHARE_OF_SUM(squares, i, k, from[i] * from[i]);
	const float scale = 1 / sqrt(group_sum(squares, scratch) / (float)k + epsilon);
	for (int b = LANE; b < k / 32; b += GROUP) {
		for (int i = b * 32; i < b * 32 + 32; i++) to[i] = from[i] * scale * (weighted ? weight[i] : 1);
		quantise_block(to + b * 32, q + (long)row * q_step, k, b);
	}
}

/* ---- GATHER ---------------------------------------------------------------------------------------------- */

#define WORD(i) ((global const uint *)words)[(long)(i) * LANES + lane]
#define HALF(i) half_to_float(((global const ushort *)tile)[(long)(i) * LANES + lane])

static inline int nibble_of(uint word, int i) { return (int)(word >> (i % 4 * 8 + i / 16 * 4) & 15); }

/* Value i of lane `lane`. Words of nibbles: word i / 4 % 4 of a block of 32. */
static float tile_value(int dtype, global const uchar *tile, global const uchar *words, int lane, int i)
{
	const int b = i / 32, in = i % 32, word = in / 4 % 4;
	switch (dtype) {
	case F32: return as_float(WORD(i));
	case F16: return HALF(i);
	case BF16: return as_float(i % 2 ? WORD(i / 2) & 0xffff0000u : WORD(i / 2) << 16);
	case Q8_0: return HALF(b) * (float)(char)(WORD(b * 8 + in / 4) >> (in % 4 * 8));
	case Q4_0: return HALF(b) * (float)(nibble_of(WORD(b * 4 + word), in) - 8);
	case Q4_1: return HALF(2 * b) * (float)nibble_of(WORD(b * 4 + word), in) + HALF(2 * b + 1);
	case Q4_K: {
		const int block = i / 256, sub = b % 8, at = block * 36, shift = sub % 4 * 8;
		const float step = HALF(2 * block) * (float)(WORD(at + sub / 4) >> shift & 63);
		const float base = HALF(2 * block + 1) * (float)(WORD(at + 2 + sub / 4) >> shift & 63);
		return step * (float)nibble_of(WORD(at + 4 + sub * 4 + word), in) - base;
	}
	default: {
		const int block = i / 256, sub = b % 8, at = block * 52 + 4 + sub * 6, scale = sub * 2 + in / 16;
		const int upper = (int)(WORD(at + 4 + in / 16) >> (in % 4 * 8 + in % 16 / 4 * 2) & 3) << 4;
		return HALF(block) * (float)(char)(WORD(block * 52 + scale / 4) >> (scale % 4 * 8)) *
		       (float)((nibble_of(WORD(at + word), in) | upper) - 32);
	}
	}
}

/* y[i] = row first + ids[i] of a packed weight of `rows` rows; zeros where an id is wrong. As gather in move.cl. */
ELEMENT_KERNEL void gather_tiles(global uchar *w, int dtype, long tile_bytes, long words_at, int first, int rows,
                                 global uchar *id_buffer, view ids, global uchar *y_buffer, view y, global int *faults,
                                 int slot)
{
	const int i = (int)get_global_id(0), row = (int)get_global_id(1);
	if (i >= (int)y.shape[3]) return;
	const int id = *(global const int *)(id_buffer + ids.offset + row * ids.stride[3]);
	const bool good = id >= 0 && id < rows;
	if (!good && i == 0) note_fault(faults + 4 * slot, 2, row, id, rows);
	float value = 0;
	if (good) {
		global const uchar *tile = w + (first + id) / LANES * tile_bytes;
		value = tile_value(dtype, tile, tile + words_at, (first + id) % LANES, i);
	}
	FLOATS(y_buffer, y.offset + row * y.stride[2])[i] = value;
}
