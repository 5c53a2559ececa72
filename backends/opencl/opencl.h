/* SPDX-License-Identifier: MIT
 *
 * The opencl backend's insides: devices, memory, programs, and launches of kernels.
 *
 * Two classes of devices want different kernels. On CPU devices a work-item is a thread's share of the work
 * and uses vectors itself; on all others a work-group is 64 to 256 work-items that share a row or a tile. The
 * kernels' sources are the same: macros of kernels/common.cl stand for the lanes.
 */
#ifndef VITA_OPENCL_H
#define VITA_OPENCL_H

#define CL_TARGET_OPENCL_VERSION 300 /* names only: what is called is OpenCL 1.2 */
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>

#include <pthread.h>
#include <stdbool.h>

#include <vita/host.h>

#include "../common/op_check.h"
#include "../common/slab.h"

/* ---- devices (devices.c) ----------------------------------------------------------------- */

struct device_info {
	cl_platform_id platform;
	cl_device_id id;
	cl_device_type type;
	cl_uint compute_units;
	cl_uint c_version;          /* of OpenCL C: 102, 200 … */
	cl_ulong memory, largest;   /* bytes in all, and of one buffer */
	size_t group_limit;         /* work-items of a work-group */
	size_t parameter_limit;     /* bytes of arguments of a kernel */
	cl_ulong local_memory;
	bool shares_memory;         /* with the host */
	bool fp64, int_dot, subgroups; /* extensions that the kernels use */
	char name[128], version[96], driver[64], platform_name[96];
	char reason[256];           /* why it cannot be used, or "" */
};

/* Device number `index` over all platforms; 0 past the last. A platform that answers with an error counts as
 * one device with a reason. */
bool device_find(uint32_t index, struct device_info *out);
/* Why there is not a single one. */
const char *device_none(void);
void device_describe(const struct device_info *d, char *details, size_t size);
int64_t device_score(const struct device_info *d);
/* Does it get the kernels for CPU devices? $VITA_OPENCL_CLASS (cpu, gpu) overrules its type. */
bool device_is_cpu(const struct device_info *d);

/* "CL_OUT_OF_RESOURCES" */
const char *cl_error_name(cl_int error);

/* ---- memory (memory.c) ----------------------------------------------------------------------------- */

struct vita_buffer {
	cl_mem memory;
	uint64_t size;          /* that a caller may address; for packed weights that of the plain rows */
	uint64_t taken;         /* bytes of the device */
	bool constant, wrapped;
	struct slab *slab;      /* whose memory it is */
	uint32_t packed_dtype;  /* VITA_DTYPE_NONE where plain */
	int64_t rows, columns;  /* of packed weights */
};

/* Host memory that a queued write reads from; freed once the queue has been waited for. */
struct staged {
	struct staged *next;
	uint64_t size;
};

#define SUBMIT_MOST 64 /* ops that are looked at together */
#define FAULT_SLOTS 64 /* threads that can have a wrong id reported to themselves alone */

#define TUNED_TYPES 16 /* VITA_F32 … */

/* What was found quickest for weights of each type; 0: not known. */
struct tuning {
	uint8_t rows[TUNED_TYPES], slices[TUNED_TYPES];
};

struct vita_backend {
	const vita_host *host;
	struct device_info device;
	cl_device_id id;            /* the device, or a part of it */
	bool is_cpu;
	bool dot;                   /* products of 8-bit values are quicker than those of floats */
	uint32_t lanes;             /* rows of a tile of packed weights; work-items side by side */
	uint32_t group;             /* work-items of a group that works on one row */
	cl_context context;
	pthread_mutex_t lock;       /* over everything below, and over the order of commands */
	cl_command_queue queue;
	uint64_t limit;             /* bytes that may be taken */
	uint64_t taken;             /* bytes of all buffers */
	struct staged *staged;
	uint64_t staged_bytes;
	struct slabs slabs;         /* weights of devices that work in the host's memory */
	cl_int lost;                /* the error after which the device cannot be used, CL_SUCCESS before */
	struct programs *programs;
	struct rope_table *rope_tables;
	struct tuning tuned;
	op_call *calls;             /* SUBMIT_MOST of them */
	struct vita_buffer *scratch;
	cl_mem faults;              /* FAULT_SLOTS × 4 ints: 1 + op code, place, id, rows */
	cl_int noted[FAULT_SLOTS][4]; /* the same as read */
	uint64_t armed;             /* slots whose threads have queued ops that check ids */
};

vita_status memory_alloc(vita_backend *backend, uint64_t size, vita_buffer **out, vita_error *err);
/* The same for a weight, which takes memory_weight_bytes: where the device works in the host's memory, in huge pages. */
uint64_t memory_weight_bytes(const vita_backend *backend, uint64_t size);
vita_status memory_alloc_weight(vita_backend *backend, uint64_t size, vita_buffer **out, vita_error *err);
void memory_free(vita_backend *backend, vita_buffer *buffer);
/* Does a buffer over host memory serve as it lies? */
bool memory_wraps(const vita_backend *backend);
vita_status memory_wrap(vita_backend *backend, void *memory, uint64_t size, uint32_t constant, vita_buffer **out,
                        vita_error *err);
vita_status memory_write(vita_backend *backend, const vita_tensor *target, const void *source, uint64_t size,
                         vita_error *err);
vita_status memory_read(vita_backend *backend, const vita_tensor *source, void *target, uint64_t size,
                        vita_error *err);
vita_status memory_wait(vita_backend *backend, vita_error *err);
void memory_close(vita_backend *backend);
op_memory memory_facts(const vita_buffer *buffer);

/* The rest is called with the lock held. */

/* Queue a copy of host memory to bytes of a buffer; `source` is not needed afterwards. */
vita_status memory_put(vita_backend *backend, cl_mem memory, uint64_t offset, const void *source, uint64_t size,
                       vita_error *err);
/* At least size bytes that the next op may overwrite. */
vita_status memory_scratch(vita_backend *backend, uint64_t size, cl_mem *out, vita_error *err);

/* An OpenCL call failed: a sentence, and whether the device can still be used. */
vita_status cl_failure(vita_backend *backend, const char *call, cl_int error, vita_error *err);
/* E_DEVICE where the device has been lost. */
vita_status check_lost(const vita_backend *backend, vita_error *err);

static inline bool is_packed(const vita_tensor *t)
{
	return t && t->buffer && t->buffer->packed_dtype != VITA_DTYPE_NONE;
}

/* ---- programs (program.c, cache.c) ------------------------------------------------------------------ */

/* A file of kernels/ as it was when this was built. */
struct kernel_file {
	const char *name;           /* "matmul.cl" */
	const unsigned char *text;
	size_t size;
};
extern const struct kernel_file kernel_files[]; /* ends with a name of NULL; the first two come before all others */

/* A kernel, of which a program has one for each variant: options writes what -D is to say beside what all
 * programs get. One static const struct a kernel; its address is its identity. */
struct kernel_source {
	const char *file, *name;
	void (*options)(const vita_backend *backend, uint64_t variant, char *text, size_t size);
};

vita_status programs_open(vita_backend *backend, vita_error *err);
void programs_close(vita_backend *backend);
/* Built on first use, from the cache on disk where that has it. */
vita_status program_kernel(vita_backend *backend, const struct kernel_source *source, uint64_t variant,
                           cl_kernel *out, vita_error *err);

/* The cache: binary of a program under its key, NULL where there is none or it is damaged; free() it. */
unsigned char *cache_read(const char *key, size_t *size);
void cache_write(const char *key, const unsigned char *binary, size_t size);
/* "" or, where there is a folder that others could have filled, so that it is not used: which one, and why. */
void cache_describe_distrust(char *text, size_t size);
/* 64-bit FNV-1a, for keys and check sums. */
uint64_t cache_hash(uint64_t hash, const void *bytes, size_t size);
#define CACHE_HASH_BEGIN UINT64_C(0xcbf29ce484222325)

/* ---- launches (launch.c) ---------------------------------------------------------------------------- */

/* What a kernel gets for a tensor beside its buffer: four dimensions, the innermost last, those that are
 * missing of size 1 ahead. The same struct is in kernels/common.cl. */
struct view {
	cl_long offset;
	cl_long shape[4], stride[4];
};

struct view view_of(const vita_tensor *t);

/* One launch: begin, arguments in order, run. The first failure sticks. */
struct launch {
	vita_backend *backend;
	const op_call *c;
	vita_error *err;
	vita_status status;
	cl_kernel kernel;
	cl_uint n;
};

struct launch launch_begin(vita_backend *backend, const op_call *c, const struct kernel_source *source,
                           uint64_t variant, vita_error *err);
void launch_tensor(struct launch *l, const vita_tensor *t); /* two arguments; NULL: no buffer, size 0 */
void launch_buffer(struct launch *l, cl_mem memory);
void launch_int(struct launch *l, int64_t value);           /* an int: what does not fit fails */
void launch_long(struct launch *l, int64_t value);
void launch_float(struct launch *l, double value);
void launch_bytes(struct launch *l, const void *bytes, size_t size);
/* Work-groups of `group` items along x (and 1 along y, z) enough for n[0] × n[1] × n[2] items. */
vita_status launch_run(struct launch *l, size_t group, const int64_t n[3]);
/* The same for groups of group_x × group_y items. */
vita_status launch_run_2d(struct launch *l, size_t group_x, size_t group_y, const int64_t n[3]);

/* Elements of all dimensions but the last `trailing`. */
static inline int64_t count_of(const vita_tensor *t, uint32_t trailing)
{
	int64_t n = 1;
	for (uint32_t i = 0; i + trailing < t->rank; i++) n *= t->shape[i];
	return n;
}

/* ---- ops -------------------------------------------------------------------------------------------- */

#define ELEMENTS 64 /* work-items of a group where each makes one element */

int32_t ops_supports(vita_backend *backend, const vita_op *op);
vita_status ops_submit(vita_backend *backend, const vita_op *const *ops, uint32_t n, vita_error *err);

/* This thread's slot of backend->faults; it is armed. */
uint32_t fault_slot(vita_backend *backend);

typedef vita_status op_run(vita_backend *backend, const op_call *c, vita_error *err);
op_run run_matmul, run_gather, run_scatter, run_rms_norm, run_layer_norm, run_group_norm, run_rope, run_attention,
	run_softmax, run_unary, run_binary, run_glu, run_affine, run_conv1d, run_conv_transpose1d, run_pool,
	run_interpolate, run_cumsum, run_argmax, run_top_k, run_nearest, run_reduce, run_copy, run_concat, run_fill;

void rope_close(vita_backend *backend);
/* ROPE of q (may be NULL) and k in place, and k and v into the caches' rows: fuse.c looks that they fit. */
vita_status rope_into_cache(vita_backend *backend, const op_call *q, const op_call *k, const op_call *k_copy,
                            const op_call *v_copy, vita_error *err);
vita_status copy_tensor(vita_backend *backend, const op_call *c, const vita_tensor *x, const vita_tensor *y,
                        vita_error *err);

#endif
