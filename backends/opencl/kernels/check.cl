/* SPDX-License-Identifier: MIT
 *
 * What a device is asked when it is opened: a sum over a work-group whose result is known, and what its compiler has.
 */

/* result[0] = 1 + … + 64; result[1]: can products of 8-bit values be had (tiles.cl)? */
kernel __attribute__((reqd_work_group_size(64, 1, 1))) void self_check(global int *result)
{
	local int scratch[64];
	const int i = (int)get_local_id(0);
	scratch[i] = i + 1;
	barrier(CLK_LOCAL_MEM_FENCE);
	for (int half_ = 32; half_ > 0; half_ /= 2) {
		if (i < half_) scratch[i] += scratch[i + half_];
		barrier(CLK_LOCAL_MEM_FENCE);
	}
	if (i > 0) return;
	result[0] = scratch[0];
#if CPU && defined(__AVX512BW__)
	result[1] = 1;
#elif !CPU && defined(__opencl_c_integer_dot_product_input_4x8bit_packed)
	result[1] = 1;
#else
	result[1] = 0;
#endif
}
