/* SPDX-License-Identifier: MIT
 *
 * COPY, FILL, GATHER and SCATTER: a work-item an element (q8_0 output: a block), 64 a group.
 */

/* y = x, both of plain types of different kinds, or from any type to f32 */
ELEMENT_KERNEL void convert_values(global uchar *x_buffer, view x, int from, global uchar *y_buffer, view y, int to)
{
	const int i = (int)get_global_id(0);
	const uint row = (uint)get_global_id(1);
	if (i >= (int)y.shape[3]) return;
	global const uchar *x_row = x_buffer + row_place(&x, row);
	global uchar *at = y_buffer + row_place(&y, row) + i * y.stride[3];
	global const uchar *x_at = x_row + i * x.stride[3];
	switch (from) {
	case F32: store_value(to, at, *(global const float *)x_at, 0, false); break;
	case F16: store_value(to, at, half_to_float(*(global const ushort *)x_at), 0, false); break;
	case BF16: store_value(to, at, brain_to_float(*(global const ushort *)x_at), 0, false); break;
	case I32: store_value(to, at, 0, *(global const int *)x_at, true); break;
	case U8: store_value(to, at, 0, *x_at, true); break;
	default: *(global float *)at = row_value(from, x_row, i); break;
	}
}

/* y = x, elements of `size` bytes: 1, 2 or 4 */
ELEMENT_KERNEL void copy_values(global uchar *x_buffer, view x, global uchar *y_buffer, view y, int size)
{
	const int i = (int)get_global_id(0);
	const uint row = (uint)get_global_id(1);
	if (i >= (int)y.shape[3]) return;
	global const uchar *from = x_buffer + row_place(&x, row) + i * x.stride[3];
	global uchar *to = y_buffer + row_place(&y, row) + i * y.stride[3];
	switch (size) {
	case 4: *(global uint *)to = *(global const uint *)from; break;
	case 2: *(global ushort *)to = *(global const ushort *)from; break;
	default: *to = *from; break;
	}
}

/* One f32 row into blocks of q8_0: the largest magnitude becomes 127. */
ELEMENT_KERNEL void quantise_rows(global uchar *x_buffer, view x, global uchar *y_buffer, view y)
{
	const int b = (int)get_global_id(0);
	const uint row = (uint)get_global_id(1);
	if (b >= (int)y.shape[3] / 32) return;
	global const float *from = FLOATS(x_buffer, row_place(&x, row)) + b * 32;
	global uchar *block = y_buffer + row_place(&y, row) + b * 34;
	float largest = 0;
	for (int i = 0; i < 32; i++) largest = fmax(largest, fabs(from[i]));
	const float d = largest / 127, inverse = d > 0 ? 1 / d : 0;
	const ushort scale = float_to_half(d);
	block[0] = (uchar)scale;
	block[1] = (uchar)(scale >> 8);
	for (int i = 0; i < 32; i++) block[2 + i] = (uchar)(char)clamp(round(from[i] * inverse), -128.0f, 127.0f);
}

/* y = the same bytes everywhere */
ELEMENT_KERNEL void fill_values(global uchar *y_buffer, view y, int size, uint bits)
{
	const int i = (int)get_global_id(0);
	const uint row = (uint)get_global_id(1);
	if (i >= (int)y.shape[3]) return;
	global uchar *to = y_buffer + row_place(&y, row) + i * y.stride[3];
	switch (size) {
	case 4: *(global uint *)to = bits; break;
	case 2: *(global ushort *)to = (ushort)bits; break;
	default: *to = (uchar)bits; break;
	}
}

/* y[i] = table[ids[i]]; zeros where an id is wrong */
ELEMENT_KERNEL void gather(global uchar *t_buffer, view table, int dtype, global uchar *id_buffer, view ids,
                           global uchar *y_buffer, view y, global int *faults, int slot)
{
	const int i = (int)get_global_id(0), row = (int)get_global_id(1);
	if (i >= (int)y.shape[3]) return;
	const int id = *(global const int *)(id_buffer + ids.offset + row * ids.stride[3]);
	const bool good = id >= 0 && id < (int)table.shape[2];
	if (!good && i == 0) note_fault(faults + 4 * slot, 2, row, id, (int)table.shape[2]);
	FLOATS(y_buffer, y.offset + row * y.stride[2])[i] =
		good ? row_value(dtype, t_buffer + table.offset + id * table.stride[2], i) : 0;
}

/* Are all ids in range? Nothing is written where one is not. One work-group. */
ROW_KERNEL void check_ids(global uchar *id_buffer, view ids, int rows, global int *faults, int slot, global int *good)
{
	local float scratch[GROUP];
	float wrong = 0;
	for (int i = LANE; i < (int)ids.shape[3]; i += GROUP) {
		const int id = *(global const int *)(id_buffer + ids.offset + i * ids.stride[3]);
		if (id >= 0 && id < rows) continue;
		note_fault(faults + 4 * slot, 3, i, id, rows);
		wrong = 1;
	}
	wrong = group_max(wrong, scratch);
	if (LANE == 0) *good = wrong == 0;
}

/* y[ids[i]] = x[i]: a work-item a column, in order, so that the last of equal ids wins */
ELEMENT_KERNEL void scatter(global uchar *x_buffer, view x, global uchar *id_buffer, view ids, global uchar *y_buffer,
                            view y, int dtype, global const int *good)
{
	const int i = (int)get_global_id(0);
	if (i >= (int)y.shape[3] || !*good) return;
	const int size = dtype == F32 ? 4 : 2;
	for (int j = 0; j < (int)ids.shape[3]; j++) {
		const int id = *(global const int *)(id_buffer + ids.offset + j * ids.stride[3]);
		store_value(dtype, y_buffer + y.offset + id * y.stride[2] + (long)i * size,
		            FLOATS(x_buffer, x.offset + j * x.stride[2])[i], 0, false);
	}
}
