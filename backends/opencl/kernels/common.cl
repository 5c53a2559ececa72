/* SPDX-License-Identifier: MIT
 *
 * What all kernels share. Options of the compiler say what the device is:
 *   CPU      1: a work-group is one work-item (GROUP = 1), which makes long inner loops for the compiler to turn into
 *            vector code; 0: GROUP work-items share a row.
 *   LANES    rows of a tile of packed weights: 16 on CPU devices, where a vector holds them, 32 elsewhere, where
 *            as many work-items side by side do
 *   FP64     doubles are there
 *   SUBGROUPS  sub-groups are there (OpenCL C 3.0)
 */
#if FP64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif

/* As on the host: launch.c. Bytes; four dimensions, the innermost last. */
typedef struct {
	long offset;
	long shape[4], stride[4];
} view;

#define F32 0
#define F16 1
#define BF16 2
#define I32 3
#define U8 4
#define Q8_0 8
#define Q4_0 9
#define Q4_1 10
#define Q4_K 11
#define Q6_K 12

/* Where row `index` of a view begins, its dimensions but the last counted together. */
static inline long row_place(const view *v, uint index)
{
	long at = v->offset;
	at += (long)(index % (uint)v->shape[2]) * v->stride[2];
	index /= (uint)v->shape[2];
	at += (long)(index % (uint)v->shape[1]) * v->stride[1];
	index /= (uint)v->shape[1];
	return at + (long)index * v->stride[0];
}

/* The same for what repeats along dimensions of size 1: index counts rows of `shape`. */
static inline long repeated_row_place(const view *v, const view *shape, uint index)
{
	long at = v->offset;
	at += (long)(index % (uint)shape->shape[2]) * (v->shape[2] == 1 ? 0 : v->stride[2]);
	index /= (uint)shape->shape[2];
	at += (long)(index % (uint)shape->shape[1]) * (v->shape[1] == 1 ? 0 : v->stride[1]);
	index /= (uint)shape->shape[1];
	return at + (long)index * (v->shape[0] == 1 ? 0 : v->stride[0]);
}

#define FLOATS(buffer, place) ((global float *)((buffer) + (place)))

/* ---- rows shared by a work-group ------------------------------------------------------------------------- */

/* A work-item's values are part[0 … WIDTH - 1]: independent sums, which vector registers hold. */
#if CPU
#define WIDTH 16
#define LANE 0
#else
#define WIDTH 1
#define LANE ((int)get_local_id(0))
#endif

/* result = Σ value over i = 0 … n - 1, this work-item's share of it. value is an expression of i. */
#define SHARE_OF_SUM(result, i, n, value)                                                          \
	do {                                                                                       \
		float part_[WIDTH];                                                                \
		int base_ = LANE * WIDTH;                                                          \
		for (int l_ = 0; l_ < WIDTH; l_++) part_[l_] = 0;                                  \
		for (; base_ + WIDTH <= (n); base_ += GROUP * WIDTH)                               \
			for (int l_ = 0; l_ < WIDTH; l_++) {                                       \
				const int i = base_ + l_;                                          \
				part_[l_] += (value);                                              \
			}                                                                          \
		for (int i = base_; i < (n) && i < base_ + WIDTH; i++) part_[i - base_] += (value); \
		(result) = 0;                                                                      \
		for (int l_ = 0; l_ < WIDTH; l_++) (result) += part_[l_];                          \
	} while (0)

/* Over the work-group: everybody gets the result. scratch: GROUP floats. A tree of halves; where there are sub-groups
 * these add up by themselves, and their sums are added in order. */
#if GROUP == 1
static inline float group_sum(float x, local float *scratch) { return x; }
static inline float group_max(float x, local float *scratch) { return x; }
#else
#define GROUP_TREE(x, scratch, combine)                                                            \
	scratch[LANE] = x;                                                                         \
	barrier(CLK_LOCAL_MEM_FENCE);                                                              \
	for (int half_ = GROUP / 2; half_ > 0; half_ /= 2) {                                       \
		if (LANE < half_) scratch[LANE] = combine(scratch[LANE], scratch[LANE + half_]);   \
		barrier(CLK_LOCAL_MEM_FENCE);                                                      \
	}                                                                                          \
	const float whole_ = scratch[0];                                                           \
	barrier(CLK_LOCAL_MEM_FENCE);                                                              \
	return whole_
#define ADDED(a, b) ((a) + (b))
#if SUBGROUPS
static float group_sum(float x, local float *scratch)
{
	const int n = (int)get_num_sub_groups();
	const float part = sub_group_reduce_add(x);
	if (n == 1) return part;
	if (get_sub_group_local_id() == 0) scratch[get_sub_group_id()] = part;
	barrier(CLK_LOCAL_MEM_FENCE);
	float whole = scratch[0];
	for (int i = 1; i < n; i++) whole += scratch[i];
	barrier(CLK_LOCAL_MEM_FENCE);
	return whole;
}
#else
static float group_sum(float x, local float *scratch) { GROUP_TREE(x, scratch, ADDED); }
#endif
static float group_max(float x, local float *scratch) { GROUP_TREE(x, scratch, fmax); }
#endif

#define ROW_KERNEL kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
#define ELEMENT_KERNEL kernel __attribute__((reqd_work_group_size(64, 1, 1)))
