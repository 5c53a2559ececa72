/* SPDX-License-Identifier: MIT
 *
 * POOL and INTERPOLATE: a work-item an element. CUMSUM: a work-item a row, in double, or where the device has none in
 * pairs of floats (Knuth's two-sum), which are as good here.
 */

/* y[…, i] = mean or maximum of x[…, i · stride + j], j = 0 … kernel - 1 */
ELEMENT_KERNEL void pool(global uchar *x_buffer, view x, global uchar *y_buffer, view y, int kind, int size, int stride)
{
	const int i = (int)get_global_id(0);
	const uint row = (uint)get_global_id(1);
	if (i >= (int)y.shape[3]) return;
	global const float *from = FLOATS(x_buffer, row_place(&x, row)) + (long)i * stride;
	float sum = 0, largest = from[0];
	for (int j = 0; j < size; j++) {
		sum += from[j];
		largest = from[j] > largest ? from[j] : largest;
	}
	FLOATS(y_buffer, row_place(&y, row))[i] = kind == 0 ? sum / (float)size : largest;
}

/* NEAREST (0): y[i] = x[min(floor(i · t / t'), t - 1)], ratio and product in f32.
 * LINEAR: y[i] = x[j] (1 - f) + x[j + 1] f, j + f = max((i + 0.5) t / t' - 0.5, 0). In whole numbers: the place is
 * ((2 i + 1) t - t') / (2 t'), so that no place is lost to rounding in long rows. */
ELEMENT_KERNEL void interpolate(global uchar *x_buffer, view x, global uchar *y_buffer, view y, int kind)
{
	const int i = (int)get_global_id(0);
	const uint row = (uint)get_global_id(1);
	if (i >= (int)y.shape[3]) return;
	const long n = y.shape[3], last = x.shape[3] - 1;
	global const float *from = FLOATS(x_buffer, row_place(&x, row));
	long j;
	float f = 0;
	if (kind == 0) {
		j = (long)floor((float)i * ((float)(last + 1) / (float)n));
	} else {
		const long at = (2 * (long)i + 1) * (last + 1) - n;
		j = at > 0 ? at / (2 * n) : 0;
		f = at > 0 ? (float)(at - j * 2 * n) / (float)(2 * n) : 0;
	}
	if (j > last) j = last;
	FLOATS(y_buffer, row_place(&y, row))[i] = f == 0 || j == last ? from[j] : from[j] * (1 - f) + from[j + 1] * f;
}

/* y[…, i] = x[…, 0] + … + x[…, i] */
ELEMENT_KERNEL void cumsum(global uchar *x_buffer, view x, global uchar *y_buffer, view y, int rows)
{
	if (get_global_id(0) >= (size_t)rows) return;
	const uint row = (uint)get_global_id(0);
	global const float *from = FLOATS(x_buffer, row_place(&x, row));
	global float *to = FLOATS(y_buffer, row_place(&y, row));
#if FP64
	double sum = 0;
	for (int i = 0; i < (int)x.shape[3]; i++) to[i] = (float)(sum += (double)from[i]);
#else
	float high = 0, low = 0;
	for (int i = 0; i < (int)x.shape[3]; i++) {
		const float a = from[i], s = high + a, b = s - high;
		low += (high - (s - b)) + (a - b);
		high = s;
		to[i] = high + low;
	}
#endif
}
