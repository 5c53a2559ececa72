/* SPDX-License-Identifier: MIT
 *
 * UNARY, BINARY, GLU and AFFINE: a work-item an element, along x within a row, along y over rows; 64 work-items a
 * group.
 */

#define ELEMENT                                                                                    \
	const int i = (int)get_global_id(0);                                                       \
	const uint row = (uint)get_global_id(1);                                                   \
	if (i >= (int)y.shape[3]) return

/* y = f(x); SNAKE: y = x + sin²(a x) / (a + 1e-9), a that of the channel (the last dimension but one) */
ELEMENT_KERNEL void unary(global uchar *x_buffer, view x, global uchar *alpha_buffer, view alpha, global uchar *y_buffer,
                          view y, int function, float value)
{
	ELEMENT;
	const float from = FLOATS(x_buffer, row_place(&x, row))[i];
	float to;
	if (function == 10) {
		const float a = FLOATS(alpha_buffer, alpha.offset)[row % (uint)y.shape[2]];
		const float s = sin(a * from);
		to = from + s * s / (a + 1e-9f);
	} else {
		to = apply(function, from, value);
	}
	FLOATS(y_buffer, row_place(&y, row))[i] = to;
}

/* y = a ∘ b, b repeated where its size is 1 */
ELEMENT_KERNEL void binary(global uchar *a_buffer, view a, global uchar *b_buffer, view b, global uchar *y_buffer, view y,
                           int kind)
{
	ELEMENT;
	const float p = FLOATS(a_buffer, row_place(&a, row))[i];
	const float q = FLOATS(b_buffer, repeated_row_place(&b, &a, row))[b.shape[3] == 1 ? 0 : i];
	float to;
	switch (kind) {
	case 0: to = p + q; break;
	case 1: to = p - q; break;
	case 2: to = p * q; break;
	case 3: to = p / q; break;
	case 4: to = p < q ? q : p; break;
	default: to = p > q ? q : p; break;
	}
	FLOATS(y_buffer, row_place(&y, row))[i] = to;
}

/* y = f(gate) · up */
ELEMENT_KERNEL void glu(global uchar *gate_buffer, view gate, global uchar *up_buffer, view up, global uchar *y_buffer,
                        view y, int function)
{
	ELEMENT;
	const float g = FLOATS(gate_buffer, row_place(&gate, row))[i];
	FLOATS(y_buffer, row_place(&y, row))[i] =
		apply(function, g, 0) * FLOATS(up_buffer, row_place(&up, row))[i];
}

/* y = scale · x + shift, rounded once */
ELEMENT_KERNEL void affine(global uchar *x_buffer, view x, global uchar *y_buffer, view y, float scale, float shift)
{
	ELEMENT;
	FLOATS(y_buffer, row_place(&y, row))[i] = fma(scale, FLOATS(x_buffer, row_place(&x, row))[i], shift);
}
