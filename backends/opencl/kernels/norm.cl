/* SPDX-License-Identifier: MIT
 *
 * RMS_NORM, LAYER_NORM, GROUP_NORM and SOFTMAX: a work-group a row (GROUP_NORM: a group of channels). Each work-item
 * writes the elements that it read itself, so outputs may take the place of inputs.
 */

/* y[r, i] = x[r, i] / sqrt(mean(x[r]²) + epsilon) · weight[i] */
ROW_KERNEL void rms_norm(global uchar *x_buffer, view x, global uchar *w_buffer, view w, global uchar *y_buffer, view y,
                         float epsilon)
{
	local float scratch[GROUP];
	const uint row = (uint)get_group_id(0);
	const int n = (int)x.shape[3];
	global const float *from = FLOATS(x_buffer, row_place(&x, row));
	global const float *weight = FLOATS(w_buffer, w.offset);
	global float *to = FLOATS(y_buffer, row_place(&y, row));
	float squares;
	SHARE_OF_SUM(squares, i, n, from[i] * from[i]);
	const float scale = 1 / sqrt(group_sum(squares, scratch) / (float)n + epsilon);
	if (w.shape[3]) for (int i = LANE; i < n; i += GROUP) to[i] = from[i] * scale * weight[i];
	else for (int i = LANE; i < n; i += GROUP) to[i] = from[i] * scale;
}

/* y[r, i] = (x[r, i] - mean) / sqrt(variance + epsilon) · weight[i] + bias[i] */
ROW_KERNEL void layer_norm(global uchar *x_buffer, view x, global uchar *w_buffer, view w, global uchar *b_buffer, view b,
                           global uchar *y_buffer, view y, float epsilon)
{
	local float scratch[GROUP];
	const uint row = (uint)get_group_id(0);
	const int n = (int)x.shape[3];
	global const float *from = FLOATS(x_buffer, row_place(&x, row));
	global const float *weight = FLOATS(w_buffer, w.offset), *bias = FLOATS(b_buffer, b.offset);
	global float *to = FLOATS(y_buffer, row_place(&y, row));
	float sum, squares;
	SHARE_OF_SUM(sum, i, n, from[i]);
	const float mean = group_sum(sum, scratch) / (float)n;
	SHARE_OF_SUM(squares, i, n, (from[i] - mean) * (from[i] - mean));
	const float scale = 1 / sqrt(group_sum(squares, scratch) / (float)n + epsilon);
	for (int i = LANE; i < n; i += GROUP) {
		const float value = (from[i] - mean) * scale * (w.shape[3] ? weight[i] : 1);
		to[i] = b.shape[3] ? value + bias[i] : value;
	}
}

/* The same over `width` rows together, weight and bias a row. */
ROW_KERNEL void group_norm(global uchar *x_buffer, view x, global uchar *w_buffer, view w, global uchar *b_buffer, view b,
                           global uchar *y_buffer, view y, int width, float epsilon)
{
	local float scratch[GROUP];
	const uint first = (uint)get_group_id(0) * (uint)width;
	const int n = (int)x.shape[3];
	const float count = (float)n * (float)width;
	float sum = 0, squares = 0;
	for (int r = 0; r < width; r++) {
		global const float *from = FLOATS(x_buffer, row_place(&x, first + (uint)r));
		float part;
		SHARE_OF_SUM(part, i, n, from[i]);
		sum += part;
	}
	const float mean = group_sum(sum, scratch) / count;
	for (int r = 0; r < width; r++) {
		global const float *from = FLOATS(x_buffer, row_place(&x, first + (uint)r));
		float part;
		SHARE_OF_SUM(part, i, n, (from[i] - mean) * (from[i] - mean));
		squares += part;
	}
	const float scale = 1 / sqrt(group_sum(squares, scratch) / count + epsilon);
	for (int r = 0; r < width; r++) {
		const uint channel = (first + (uint)r) % (uint)x.shape[2];
		global const float *from = FLOATS(x_buffer, row_place(&x, first + (uint)r));
		global float *to = FLOATS(y_buffer, row_place(&y, first + (uint)r));
		const float weight = w.shape[3] ? FLOATS(w_buffer, w.offset)[channel] : 1;
		const float bias = b.shape[3] ? FLOATS(b_buffer, b.offset)[channel] : 0;
		for (int i = LANE; i < n; i += GROUP) to[i] = (from[i] - mean) * scale * weight + bias;
	}
}

/* y[r, i] = exp(scale · x[r, i] - largest) / Σ; a row of nothing but -inf is 0 */
ROW_KERNEL void softmax(global uchar *x_buffer, view x, global uchar *y_buffer, view y, float scale)
{
	local float scratch[GROUP];
	const uint row = (uint)get_group_id(0);
	const int n = (int)x.shape[3];
	global const float *from = FLOATS(x_buffer, row_place(&x, row));
	global float *to = FLOATS(y_buffer, row_place(&y, row));
	float largest = -INFINITY, sum = 0;
	for (int i = LANE; i < n; i += GROUP) largest = fmax(largest, scale * from[i]);
	largest = group_max(largest, scratch);
	for (int i = LANE; i < n && largest != -INFINITY; i += GROUP) {
		const float e = exp(scale * from[i] - largest);
		sum += e;
		to[i] = e;
	}
	sum = group_sum(sum, scratch);
	for (int i = LANE; i < n; i += GROUP) to[i] = largest == -INFINITY ? 0 : to[i] / sum;
}
