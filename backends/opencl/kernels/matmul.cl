/* SPDX-License-Identifier: MIT
 *
 * MATMUL with weights as they are described, of any type and strides: a work-group an element of y.
 */

/* y[…, i, j] = act(Σ_k x[…, i, k] · w[…, j, k] + bias[j]) + residual[…, i, j] */
ROW_KERNEL void multiply_any(global uchar *x_buffer, view x, global uchar *w_buffer, view w, int dtype,
                             global uchar *b_buffer, view bias, global uchar *r_buffer, view residual,
                             global uchar *y_buffer, view y, int activation)
{
	local float scratch[GROUP];
	const int j = (int)get_group_id(0), k = (int)x.shape[3];
	const uint row = (uint)get_global_id(1), plane = row / (uint)x.shape[2];
	global const float *from = FLOATS(x_buffer, row_place(&x, row));
	global const uchar *weight = w_buffer + w.offset + j * w.stride[2];
	/* w without the leading dimensions serves all planes */
	if (w.shape[0] * w.shape[1] > 1)
		weight += (long)(plane % (uint)w.shape[1]) * w.stride[1] + (long)(plane / (uint)w.shape[1]) * w.stride[0];
	float sum;
	SHARE_OF_SUM(sum, c, k, from[c] * row_value(dtype, weight, c));
	sum = group_sum(sum, scratch);
	if (LANE != 0) return;
	if (bias.shape[3]) sum += FLOATS(b_buffer, bias.offset)[j];
	if (activation) sum = apply(activation, sum, 0);
	if (residual.shape[3]) sum += FLOATS(r_buffer, row_place(&residual, row))[j];
	FLOATS(y_buffer, row_place(&y, row))[j] = sum;
}
