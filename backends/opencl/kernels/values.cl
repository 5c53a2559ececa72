/* SPDX-License-Identifier: MIT
 *
 * Single values of every type, bit by bit as vita/blocks.h has them, functions of one number, and notes of wrong ids.
 */

/* Exact. In integers and normal floats alone, so that devices without subnormal floats get them right too. */
static inline float half_to_float(ushort h)
{
	const uint magnitude = h & 0x7fff;
	const float small = as_float(0x3f000000u | magnitude) - 0.5f;
	const uint large = (magnitude << 13) + (magnitude < 0x7c00 ? 112u << 23 : 224u << 23);
	return as_float((uint)(h & 0x8000) << 16 | (magnitude < 0x400 ? as_uint(small) : large));
}

static inline float brain_to_float(ushort b) { return as_float((uint)b << 16); }

/* To nearest, ties to even; a NaN stays one. */
static inline ushort float_to_half(float value)
{
	const uint bits = as_uint(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
	if (magnitude > 0x7f800000) return (ushort)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
	if (magnitude >= 0x477ff000) return (ushort)(sign | 0x7c00);
	if (magnitude < 0x38800000) return (ushort)(sign | (as_uint(as_float(magnitude) + 0.5f) - 0x3f000000));
	return (ushort)(sign | ((magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13));
}

static inline ushort float_to_brain(float value)
{
	const uint bits = as_uint(value);
	if ((bits & 0x7fffffff) > 0x7f800000) return (ushort)(bits >> 16 | 0x40);
	return (ushort)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Two bytes wherever they lie. */
static inline ushort load_ushort(global const uchar *at) { return (ushort)(at[0] | at[1] << 8); }

static inline float load_scale(global const uchar *at) { return half_to_float(load_ushort(at)); }

/* ---- block types ----------------------------------------------------------------------------------------- */

static inline float q8_0_value(global const uchar *block, int i)
{
	return load_scale(block) * (float)(char)block[2 + i];
}

static inline int nibble(global const uchar *nibbles, int i)
{
	return i < 16 ? nibbles[i] & 15 : nibbles[i - 16] >> 4;
}

static inline float q4_k_value(global const uchar *block, int i)
{
	global const uchar *packed = block + 4;
	const int sub = i / 32, j = sub & 3;
	int scale = packed[j] & 63, minimum = packed[j + 4] & 63;
	if (sub >= 4) {
		scale = (packed[j + 8] & 15) | packed[j] >> 6 << 4;
		minimum = packed[j + 8] >> 4 | packed[j + 4] >> 6 << 4;
	}
	const float step = load_scale(block) * (float)scale, base = load_scale(block + 2) * (float)minimum;
	return step * (float)(block[16 + sub / 2 * 32 + i % 32] >> (sub % 2 * 4) & 15) - base;
}

static inline float q6_k_value(global const uchar *block, int i)
{
	const int sub = i / 16, half_ = sub / 8, quarter = sub % 8 / 2, at = sub % 2 * 16 + i % 16;
	const int low = block[half_ * 64 + quarter % 2 * 32 + at] >> (quarter / 2 * 4) & 15;
	const int high = block[128 + half_ * 32 + at] >> (quarter * 2) & 3;
	return load_scale(block + 208) * (float)(char)block[192 + sub] * (float)((low | high << 4) - 32);
}

/* Value i of a row of floats or blocks. */
static inline float row_value(int dtype, global const uchar *row, int i)
{
	switch (dtype) {
	case F32: return ((global const float *)row)[i];
	case F16: return half_to_float(((global const ushort *)row)[i]);
	case BF16: return brain_to_float(((global const ushort *)row)[i]);
	case Q8_0: return q8_0_value(row + i / 32 * 34, i % 32);
	case Q4_0: row += i / 32 * 18; return load_scale(row) * (float)(nibble(row + 2, i % 32) - 8);
	case Q4_1: row += i / 32 * 20; return load_scale(row) * (float)nibble(row + 4, i % 32) + load_scale(row + 2);
	case Q4_K: return q4_k_value(row + i / 256 * 144, i % 256);
	default: return q6_k_value(row + i / 256 * 210, i % 256);
	}
}

/* ---- storing values as other types ----------------------------------------------------------------------- */

/* Toward zero, clipped; NaN becomes 0. */
static inline int to_int(float value, int low, int high)
{
	if (!(value > (float)low)) return value <= (float)low ? low : 0;
	return value < (float)high ? (int)value : high;
}

/* To f32, but what lies between two of them goes to the odd one: rounding to fewer bits afterwards then gives what
 * rounding once would have given. */
static inline float int_to_odd(int value)
{
	const float toward_zero = convert_float_rtz(value);
	const long back = (long)toward_zero;
	return back == (long)value ? toward_zero : as_float(as_uint(toward_zero) | 1);
}

static inline void store_value(int dtype, global uchar *at, float value, int whole, bool is_whole)
{
	switch (dtype) {
	case F32: *(global float *)at = is_whole ? convert_float_rte(whole) : value; break;
	case F16: *(global ushort *)at = float_to_half(is_whole ? int_to_odd(whole) : value); break;
	case BF16: *(global ushort *)at = float_to_brain(is_whole ? int_to_odd(whole) : value); break;
	case I32: *(global int *)at = is_whole ? whole : to_int(value, INT_MIN, INT_MAX); break;
	default: *at = (uchar)(is_whole ? clamp(whole, 0, 255) : to_int(value, 0, 255)); break;
	}
}

/* ---- functions (VITA_UNARY_* but SNAKE) ------------------------------------------------------------------ */

static float apply(int function, float x, float alpha)
{
	switch (function) {
	case 1: return x / (1 + exp(-x));
	case 2: return x * (1 + erf(x * M_SQRT1_2_F)) * 0.5f;
	case 3: return x * (1 + tanh(0.7978845608f * (x + 0.044715f * x * x * x))) * 0.5f;
	case 4: return x < 0 ? 0 : x;
	case 5: return x < 0 ? alpha * x : x;
	case 6: return x < 0 ? alpha * expm1(x) : x;
	case 7: return tanh(x);
	case 8: return 1 / (1 + exp(-x));
	case 9: return x > 20 ? x : x * tanh(log1p(exp(x)));
	case 11: return exp(x);
	case 12: return log(x);
	case 13: return sin(x);
	case 14: return cos(x);
	case 15: return sqrt(x);
	case 16: return fabs(x);
	case 17: return x * x;
	default: return x;
	}
}

/* ---- faults ------------------------------------------------------------------------------------------------- */

/* A note for the host, by the first work-item that comes. */
static void note_fault(global int *fault, int op, int place, int id, int rows)
{
	if (atomic_cmpxchg((volatile global int *)fault, 0, 1 + op) != 0) return;
	fault[1] = place;
	fault[2] = id;
	fault[3] = rows;
}
