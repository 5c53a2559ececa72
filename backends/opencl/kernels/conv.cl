/* SPDX-License-Identifier: MIT
 *
 * CONV1D and CONV_TRANSPOSE1D: a work-item an element of the output, along x over time, along y over channels of all
 * planes; 64 a group, which share the weights that they read.
 */

/* y[…, o, t] = bias[o] + Σ_{i, s} w[o, i, s] · x[…, first channel of o's group + i, t · stride + s · dilation - pad] */
ELEMENT_KERNEL void conv1d(global uchar *x_buffer, view x, global uchar *w_buffer, view w, int dtype, global uchar *b_buffer,
                           view bias, global uchar *y_buffer, view y, int stride, int dilation, int groups, int pad)
{
	const int t = (int)get_global_id(0);
	const uint row = (uint)get_global_id(1), c_out = (uint)y.shape[2];
	if (t >= (int)y.shape[3]) return;
	const uint plane = row / c_out, o = row % c_out;
	const int width = (int)w.shape[2], taps = (int)w.shape[3], t_in = (int)x.shape[3];
	const int first = (int)(o / (c_out / (uint)groups)) * width;
	const long start = (long)t * stride - pad;
	float sum = bias.shape[3] ? FLOATS(b_buffer, bias.offset)[o] : 0;
	for (int i = 0; i < width; i++) {
		global const float *from = FLOATS(x_buffer, row_place(&x, plane * (uint)x.shape[2] + (uint)(first + i)));
		global const uchar *tap = w_buffer + w.offset + o * w.stride[1] + i * w.stride[2];
		for (int s = 0; s < taps; s++) {
			const long at = start + (long)s * dilation;
			if (at >= 0 && at < t_in) sum = fma(row_value(dtype, tap, s), from[at], sum);
		}
	}
	FLOATS(y_buffer, row_place(&y, row))[t] = sum;
}

/* y[…, o, u] = bias[o] + Σ w[i, o - first channel of its group, s] · x[…, i, t] over u = t · stride + s · dilation - pad */
ELEMENT_KERNEL void conv_transpose1d(global uchar *x_buffer, view x, global uchar *w_buffer, view w, int dtype,
                                     global uchar *b_buffer, view bias, global uchar *y_buffer, view y, int stride,
                                     int dilation, int groups, int pad)
{
	const int u = (int)get_global_id(0);
	const uint row = (uint)get_global_id(1), c_out = (uint)y.shape[2];
	if (u >= (int)y.shape[3]) return;
	const uint plane = row / c_out, o = row % c_out;
	const int per_group = (int)w.shape[2], taps = (int)w.shape[3], t_in = (int)x.shape[3];
	const int width = (int)w.shape[1] / groups, first = (int)o / per_group * width;
	float sum = bias.shape[3] ? FLOATS(b_buffer, bias.offset)[o] : 0;
	for (int i = first; i < first + width; i++) {
		global const float *from = FLOATS(x_buffer, row_place(&x, plane * (uint)x.shape[2] + (uint)i));
		global const uchar *tap = w_buffer + w.offset + i * w.stride[1] + (long)((int)o % per_group) * w.stride[2];
		for (int s = 0; s < taps; s++) {
			const long at = (long)u + pad - (long)s * dilation;
			if (at < 0 || at % stride != 0 || at / stride >= t_in) continue;
			sum = fma(row_value(dtype, tap, s), from[at / stride], sum);
		}
	}
	FLOATS(y_buffer, row_place(&y, row))[u] = sum;
}
