/* SPDX-License-Identifier: MIT
 *
 * ARGMAX, TOP_K, NEAREST and REDUCE: a work-group a row, or a part of one, whose work-items look at every GROUP-th
 * value, then halve their candidates until one is left.
 */

/* Is value a at place i before value b at place j? Larger first, then the lower place; NaN after all numbers. */
static inline bool before(float a, int i, float b, int j)
{
	if (isnan(a) || isnan(b)) return isnan(a) && isnan(b) ? i < j : isnan(b);
	return a > b || (a == b && i < j);
}

/* The work-group's first candidate; INT_MAX as place: none. */
#if GROUP == 1
static inline int first_of_group(float value, int place, local float *values, local int *places) { return place; }
#else
static int first_of_group(float value, int place, local float *values, local int *places)
{
	values[LANE] = value;
	places[LANE] = place;
	barrier(CLK_LOCAL_MEM_FENCE);
	for (int half_ = GROUP / 2; half_ > 0; half_ /= 2) {
		if (LANE < half_ && places[LANE + half_] != INT_MAX &&
		    (places[LANE] == INT_MAX ||
		     before(values[LANE + half_], places[LANE + half_], values[LANE], places[LANE]))) {
			values[LANE] = values[LANE + half_];
			places[LANE] = places[LANE + half_];
		}
		barrier(CLK_LOCAL_MEM_FENCE);
	}
	place = places[0];
	barrier(CLK_LOCAL_MEM_FENCE);
	return place;
}
#endif

/* Of x[r], of whose columns this work-group looks at those of part number p, `part` of them: the place of the largest, to
 * places[r · parts + p]; INT_MAX where there is nothing above -inf. CPU devices keep the best of each of 16 columns first. */
ROW_KERNEL void largest_of_part(global uchar *x_buffer, view x, int part, int parts, global int *found)
{
	local float values[GROUP];
	local int places[GROUP];
	const uint row = (uint)get_group_id(0) / (uint)parts;
	const int first = (int)((uint)get_group_id(0) % (uint)parts) * part;
	const int n = min((int)x.shape[3], first + part);
	global const float *from = FLOATS(x_buffer, row_place(&x, row));
	float best[WIDTH];
	int at[WIDTH], base = first + LANE * WIDTH;
	for (int l = 0; l < WIDTH; l++) best[l] = -INFINITY, at[l] = INT_MAX;
	for (; base + WIDTH <= n; base += GROUP * WIDTH)
		for (int l = 0; l < WIDTH; l++) {
			const bool better = from[base + l] > best[l];
			best[l] = better ? from[base + l] : best[l];
			at[l] = better ? base + l : at[l];
		}
	for (int i = base; i < n && i < base + WIDTH; i++)
		if (from[i] > best[i - base]) best[i - base] = from[i], at[i - base] = i;
	for (int l = 1; l < WIDTH; l++)
		if (at[l] != INT_MAX && (at[0] == INT_MAX || before(best[l], at[l], best[0], at[0])))
			best[0] = best[l], at[0] = at[l];
	const int place = first_of_group(best[0], at[0], values, places);
	if (LANE == 0) found[get_group_id(0)] = place;
}

/* y[r] = place of the largest of x[r], found among those of its parts, and v[r] = the largest itself (v_buffer may be
 * NULL). A row with nothing above -inf: the first -inf, or 0 where there are only NaNs. */
ROW_KERNEL void largest_of_parts(global uchar *x_buffer, view x, int parts, global const int *found, global uchar *y_buffer,
                                 view y, global uchar *v_buffer, view v)
{
	local float values[GROUP];
	local int places[GROUP];
	const uint row = (uint)get_group_id(0);
	global const float *from = FLOATS(x_buffer, row_place(&x, row));
	float best = -INFINITY;
	int at = INT_MAX;
	for (int p = LANE; p < parts; p += GROUP) {
		const int i = found[row * parts + p];
		if (i != INT_MAX && (at == INT_MAX || before(from[i], i, best, at))) best = from[i], at = i;
	}
	int place = first_of_group(best, at, values, places);
	if (LANE != 0) return;
	if (place == INT_MAX) {
		place = 0;
		for (int i = (int)x.shape[3] - 1; i >= 0; i--) place = from[i] == -INFINITY ? i : place;
	}
	*(global int *)(y_buffer + row_place(&y, row)) = place;
	if (v_buffer) *FLOATS(v_buffer, row_place(&v, row)) = from[place];
}

/* The n first of x[r], in order: n times the first of those that come after the one before it. */
ROW_KERNEL void top_k(global uchar *x_buffer, view x, global uchar *v_buffer, view v, global uchar *i_buffer, view p)
{
	local float values[GROUP];
	local int places[GROUP];
	const uint row = (uint)get_group_id(0);
	const int n = (int)x.shape[3];
	global const float *from = FLOATS(x_buffer, row_place(&x, row));
	global float *value = FLOATS(v_buffer, row_place(&v, row));
	global int *index = (global int *)(i_buffer + row_place(&p, row));
	float last = 0;
	int last_at = -1;
	for (int j = 0; j < (int)v.shape[3]; j++) {
		float best = 0;
		int at = INT_MAX;
		for (int i = LANE; i < n; i += GROUP) {
			if (last_at >= 0 && !before(last, last_at, from[i], i)) continue;
			if (at == INT_MAX || before(from[i], i, best, at)) best = from[i], at = i;
		}
		last_at = first_of_group(best, at, values, places);
		last = from[last_at];
		if (LANE == 0) value[j] = last, index[j] = last_at;
	}
}

/* y[r] = the first j with the smallest Σ (x[r] - codebook[j])²; a distance of NaN never wins */
ROW_KERNEL void nearest(global uchar *x_buffer, view x, global uchar *c_buffer, view c, int dtype, global uchar *y_buffer,
                        view y)
{
	local float values[GROUP];
	local int places[GROUP];
	const uint row = (uint)get_group_id(0);
	const int d = (int)x.shape[3];
	global const float *from = FLOATS(x_buffer, x.offset + row * x.stride[2]);
	float best = -INFINITY;
	int at = INT_MAX;
	for (int j = LANE; j < (int)c.shape[2]; j += GROUP) {
		global const uchar *code = c_buffer + c.offset + j * c.stride[2];
		float sum = 0;
		for (int i = 0; i < d; i++) {
			const float difference = from[i] - row_value(dtype, code, i);
			sum += difference * difference;
		}
		if (-sum > best) best = -sum, at = j;
	}
	const int place = first_of_group(best, at, values, places);
	if (LANE == 0) *(global int *)(y_buffer + y.offset + row * y.stride[3]) = place == INT_MAX ? 0 : place;
}

/* y[r] = sum, mean or maximum of x[r] */
ROW_KERNEL void reduce(global uchar *x_buffer, view x, global uchar *y_buffer, view y, int kind)
{
	local float scratch[GROUP];
	const uint row = (uint)get_group_id(0);
	const int n = (int)x.shape[3];
	global const float *from = FLOATS(x_buffer, row_place(&x, row));
	float result;
	if (kind == 2) {
		result = -INFINITY;
		for (int i = LANE; i < n; i += GROUP) result = from[i] > result ? from[i] : result;
		result = group_max(result, scratch);
	} else {
		SHARE_OF_SUM(result, i, n, from[i]);
		result = group_sum(result, scratch);
	}
	if (LANE == 0) *FLOATS(y_buffer, row_place(&y, row)) = kind == 1 ? result / (float)n : result;
}
