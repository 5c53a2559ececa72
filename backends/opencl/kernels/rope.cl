/* SPDX-License-Identifier: MIT
 *
 * ROPE: a work-item a pair of values, along x over pairs, y over heads, z over rows; 64 a group.
 *
 * (a, b) becomes (a cos - b sin, b cos + a sin), the angle positions[i] · step[j] / factor[j]. Steps come as turns, in
 * two floats whose sum has 48 bits, so that whole turns can be taken away exactly and position 100,000 is as precise as
 * position 1.
 */

ELEMENT_KERNEL void rope(global uchar *x_buffer, view x, global uchar *p_buffer, view positions, global uchar *f_buffer,
                         view factor, global uchar *y_buffer, view y, global const float2 *steps, int n_rotated, int style)
{
	const int j = (int)get_global_id(0), half_ = n_rotated / 2, d = (int)x.shape[3];
	/* pairs, then what is only copied */
	if (j >= half_ + d - n_rotated) return;
	const long head = get_global_id(1), i = get_global_id(2);
	global const float *from = FLOATS(x_buffer, x.offset + i * x.stride[1] + head * x.stride[2]);
	global float *to = FLOATS(y_buffer, y.offset + i * y.stride[1] + head * y.stride[2]);
	if (j >= half_) {
		to[n_rotated + j - half_] = from[n_rotated + j - half_];
		return;
	}
	const float position = (float)*(global const int *)(p_buffer + positions.offset + i * positions.stride[3]);
	float high = steps[j].x, low = steps[j].y;
	if (factor.shape[3]) {
		const float f = FLOATS(f_buffer, factor.offset)[j], q = high / f;
		low = (fma(-q, f, high) + low) / f;
		high = q;
	}
	const float turns = position * high, rest = fma(position, high, -turns) + position * low;
	const float angle = 2 * ((turns - rint(turns)) + rest), cosine = cospi(angle), sine = sinpi(angle);
	const int first = style == 0 ? j : 2 * j, second = style == 0 ? j + half_ : 2 * j + 1;
	const float a = from[first], b = from[second];
	to[first] = a * cosine - b * sine;
	to[second] = b * cosine + a * sine;
}
