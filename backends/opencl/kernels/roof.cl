/* SPDX-License-Identifier: MIT
 *
 * How quickly a device reads its memory, and multiplies and adds in registers.
 */

/* Each work-item reads `vectors` vectors: CPU devices one after the other, others every `items`-th, so that neighbours
 * read side by side. */
ROW_KERNEL void read_all(global const int16 *from, long vectors, long items, global int *never)
{
	const long item = get_global_id(0);
	int16 a = 0, b = 0;
	for (long i = 0; i + 2 <= vectors; i += 2) {
#if CPU
		a ^= from[item * vectors + i];
		b ^= from[item * vectors + i + 1];
#else
		a ^= from[i * items + item];
		b ^= from[(i + 1) * items + item];
#endif
	}
	a ^= b;
	if (a.s0 == 1 && a.s7 == 2 && a.sf == 3) *never = a.s1 ^ a.s2 ^ a.s3 ^ a.s4 ^ a.s5 ^ a.s6 ^ a.s8 ^ a.s9 ^ a.sa ^ a.sb ^ a.sc ^ a.sd ^ a.se;
}

#if !CPU && defined(__opencl_c_integer_dot_product_input_4x8bit_packed)
/* Eight independent chains of products of four bytes. */
ROW_KERNEL void spin_bytes(int steps, global int *never)
{
	const uint x = 0x01020304u + (uint)get_global_id(0);
	int a = 0, b = 1, c = 2, d = 3, e = 4, f = 5, g = 6, h = 7;
	for (int i = 0; i < steps; i++) {
		const uint y = x ^ (uint)i;
		a += dot_4x8packed_ss_int(as_uint(a), y), b += dot_4x8packed_ss_int(as_uint(b), y);
		c += dot_4x8packed_ss_int(as_uint(c), y), d += dot_4x8packed_ss_int(as_uint(d), y);
		e += dot_4x8packed_ss_int(as_uint(e), y), f += dot_4x8packed_ss_int(as_uint(f), y);
		g += dot_4x8packed_ss_int(as_uint(g), y), h += dot_4x8packed_ss_int(as_uint(h), y);
	}
	if ((a ^ b ^ c ^ d ^ e ^ f ^ g ^ h) == 0x12345678) *never = a;
}
#endif

/* Eight independent chains of 16 lanes. */
ROW_KERNEL void spin(int steps, global int *never)
{
	const float16 x = 1 + 1e-7f * (float)get_global_id(0), y = 1e-7f;
	float16 a = 0, b = 1, c = 2, d = 3, e = 4, f = 5, g = 6, h = 7;
	for (int i = 0; i < steps; i++) {
		a = fma(a, x, y), b = fma(b, x, y), c = fma(c, x, y), d = fma(d, x, y);
		e = fma(e, x, y), f = fma(f, x, y), g = fma(g, x, y), h = fma(h, x, y);
	}
	const float16 sum = a + b + c + d + e + f + g + h;
	if (sum.s0 + sum.s1 + sum.s2 + sum.s3 + sum.s4 + sum.s5 + sum.s6 + sum.s7 + sum.s8 + sum.s9 + sum.sa + sum.sb + sum.sc +
	    sum.sd + sum.se + sum.sf == -1.0f)
		*never = 1;
}
