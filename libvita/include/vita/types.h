/* SPDX-License-Identifier: MIT
 *
 * vita/types.h - status, error, element types, tensors: the words that every other header uses.
 *
 * Conventions of all vita headers
 *
 *   Growing structs   Every struct begins with `struct_size`, which its maker sets to the sizeof that
 *                     it was compiled with (VITA_INIT does it). Members are only ever appended, below
 *                     a line "Since 1.N"; VITA_HAS asks whether a struct from the other side has one.
 *   Answers           A struct that the callee fills (describe, probe) comes zeroed, with its caller's
 *                     struct_size, which stays as it is: the caller may be older, its struct shorter.
 *                     Members of 1.0 are always there; later ones are written where VITA_COVERS says so.
 *   Ownership         Pointers are borrowed for the call unless the comment says more. Who creates
 *                     destroys. `const` means shared and not to be changed. Strings are UTF-8.
 *   Threads           Each function carries one of these tags:
 *                       [any-thread]   may be called from any thread at any time
 *                       [one-thread]   calls on the same handle must not overlap; different handles
 *                                      of the same kind may be used at once
 *                       [may-block]    added where the call may take long (files, much arithmetic)
 *   Errors            Functions return a vita_status and fill the caller's vita_error (which may be
 *                     NULL) with one sentence. Output pointers are NULL after a failure. Nothing
 *                     prints, exits or aborts.
 *   Shapes            Written outermost dimension first, rows contiguous: [rows, columns].
 */
#ifndef VITA_TYPES_H
#define VITA_TYPES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this ABI. Modules and hosts of one major version work together; a larger minor only adds. */
#define VITA_ABI_MAJOR 1
#define VITA_ABI_MINOR 0

#if defined(__GNUC__)
#define VITA_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define VITA_EXPORT __attribute__((visibility("default")))
#define VITA_UNUSED __attribute__((unused))
#else
#define VITA_PRINTF(fmt, args)
#define VITA_EXPORT
#define VITA_UNUSED
#endif

/* Zero a struct and set its struct_size. */
#define VITA_INIT(ptr) (memset((ptr), 0, sizeof *(ptr)), (void)((ptr)->struct_size = (uint32_t)sizeof *(ptr)))

/* Does the struct at ptr (from a maker perhaps older than us) reach as far as this member? */
#define VITA_COVERS(ptr, type, member) \
	((ptr)->struct_size >= offsetof(type, member) + sizeof((ptr)->member))

/* The same for a method or pointer member: covered and not NULL. */
#define VITA_HAS(ptr, type, member) (VITA_COVERS(ptr, type, member) && (ptr)->member)

/* ---- status and error ---------------------------------------------------------------------------- */

/* 0 is success, positive is news, negative is failure. */
typedef int32_t vita_status;

#define VITA_OK 0
#define VITA_END 1             /* nothing more will come from this stream */
#define VITA_E_NOMEM (-1)      /* memory could not be had */
#define VITA_E_INVALID (-2)    /* an argument, id or value is out of its range */
#define VITA_E_CONFIG (-3)     /* the INI file or an override is wrong */
#define VITA_E_IO (-4)         /* the operating system refused a read, write, open … */
#define VITA_E_FORMAT (-5)     /* a file is damaged, truncated or not of its claimed kind */
#define VITA_E_SHAPE (-6)      /* a tensor's shape or type is not what its user needs */
#define VITA_E_UNSUPPORTED (-7) /* well-formed, but this build, device or module cannot do it */
#define VITA_E_NOTFOUND (-8)   /* no such module, tensor, key, file or device */
#define VITA_E_ABI (-9)        /* a module was built for another ABI */
#define VITA_E_CANCELLED (-10) /* the caller's cancel flag was set */
#define VITA_E_DEVICE (-11)    /* the device failed or was lost */
#define VITA_E_STATE (-12)     /* called in the wrong order, or with a handle that failed before */
#define VITA_E_INTERNAL (-13)  /* a defect of libvita or of a module */

/* One sentence that names the file, key, tensor or module at fault and what would be right. Lives in
 * the caller; filled by the callee; meaningful only after a failure. */
typedef struct vita_error {
	uint32_t struct_size;
	vita_status status;
	char message[1016];
} vita_error;

/* Fill err (may be NULL) and return status, so that `return vita_fail(...)` reads as it works.
 * A message that does not fit is cut. */
VITA_PRINTF(3, 4)
VITA_UNUSED static inline vita_status vita_fail(vita_error *err, vita_status status, const char *format, ...)
{
	if (err) {
		va_list args;
		err->struct_size = (uint32_t)sizeof *err;
		err->status = status;
		va_start(args, format);
		(void)vsnprintf(err->message, sizeof err->message, format, args);
		va_end(args);
	}
	return status;
}

/* ---- element types ------------------------------------------------------------------------------- */

/* The block types are those of GGUF, bit for bit; vita/blocks.h defines their layouts. */
#define VITA_F32 0u
#define VITA_F16 1u   /* IEEE 754 binary16 */
#define VITA_BF16 2u  /* upper half of a binary32 */
#define VITA_I32 3u
#define VITA_U8 4u
#define VITA_Q8_0 8u  /* 32 values in 34 bytes */
#define VITA_Q4_0 9u  /* 32 values in 18 bytes */
#define VITA_Q4_1 10u /* 32 values in 20 bytes */
#define VITA_Q4_K 11u /* 256 values in 144 bytes */
#define VITA_Q6_K 12u /* 256 values in 210 bytes */
#define VITA_DTYPE_NONE 0xffffffffu

/* ---- tensors ------------------------------------------------------------------------------------- */

#define VITA_MAX_RANK 4

typedef struct vita_buffer vita_buffer; /* device memory; the backend that made it defines it */

/* A view of elements in a device buffer. Plain data: copying the struct copies the view, never the
 * elements, and no one owns anything through it. Strides are in bytes, so that block types fit; the
 * innermost dimension of a block type is contiguous and a whole number of blocks. */
typedef struct vita_tensor {
	uint32_t struct_size;
	uint32_t dtype;
	uint32_t rank;                  /* 1 … VITA_MAX_RANK */
	uint32_t flags;                 /* 0 */
	int64_t shape[VITA_MAX_RANK];   /* outermost first; beyond rank: 1 */
	int64_t stride[VITA_MAX_RANK];  /* bytes; may be 0 to repeat a row; beyond rank: 0 */
	uint64_t offset;                /* bytes from the start of buffer to element [0, 0, …] */
	vita_buffer *buffer;
} vita_tensor;

/* The matrix is read by other ops than MATMUL and GATHER: upload it in plain layout (vita_host.weight_load). */
#define VITA_ARRAY_F_PLAIN 1u

/* Elements in host memory, dense, outermost dimension first: a tensor of a model file, or what is
 * written to a device. Lifetime of data and name: see the function that gives it. */
typedef struct vita_array {
	uint32_t struct_size;
	uint32_t dtype;
	uint32_t rank;                  /* 0 (one element) … VITA_MAX_RANK */
	uint32_t flags;                 /* VITA_ARRAY_F_*; 0 from model files */
	int64_t shape[VITA_MAX_RANK];
	uint64_t size_bytes;
	const void *data;
	const char *name;               /* may be NULL */
} vita_array;

/* Values in one block, and bytes of one block; 1 and the element size for plain types, 0 for unknown. */
VITA_UNUSED static inline uint32_t vita_dtype_block(uint32_t dtype)
{
	switch (dtype) {
	case VITA_F32: case VITA_F16: case VITA_BF16: case VITA_I32: case VITA_U8: return 1;
	case VITA_Q8_0: case VITA_Q4_0: case VITA_Q4_1: return 32;
	case VITA_Q4_K: case VITA_Q6_K: return 256;
	default: return 0;
	}
}

VITA_UNUSED static inline uint32_t vita_dtype_bytes(uint32_t dtype)
{
	switch (dtype) {
	case VITA_F32: case VITA_I32: return 4;
	case VITA_F16: case VITA_BF16: return 2;
	case VITA_U8: return 1;
	case VITA_Q8_0: return 34;
	case VITA_Q4_0: return 18;
	case VITA_Q4_1: return 20;
	case VITA_Q4_K: return 144;
	case VITA_Q6_K: return 210;
	default: return 0;
	}
}

/* Bytes of a dense row of n values; -1 where n is negative, not a whole number of blocks, or too large. */
VITA_UNUSED static inline int64_t vita_row_bytes(uint32_t dtype, int64_t n)
{
	int64_t block = (int64_t)vita_dtype_block(dtype), bytes = (int64_t)vita_dtype_bytes(dtype);
	if (block == 0 || n < 0 || n % block != 0 || n / block > INT64_MAX / bytes) return -1;
	return n / block * bytes;
}

/* Name as written in INI files ("q4_0"), or "?"; and back, VITA_DTYPE_NONE where unknown. */
VITA_UNUSED static inline const char *vita_dtype_name(uint32_t dtype)
{
	switch (dtype) {
	case VITA_F32: return "f32";
	case VITA_F16: return "f16";
	case VITA_BF16: return "bf16";
	case VITA_I32: return "i32";
	case VITA_U8: return "u8";
	case VITA_Q8_0: return "q8_0";
	case VITA_Q4_0: return "q4_0";
	case VITA_Q4_1: return "q4_1";
	case VITA_Q4_K: return "q4_k";
	case VITA_Q6_K: return "q6_k";
	default: return "?";
	}
}

VITA_UNUSED static inline uint32_t vita_dtype_parse(const char *name)
{
	for (uint32_t dtype = VITA_F32; dtype <= VITA_Q6_K; dtype++)
		if (vita_dtype_block(dtype) && strcmp(vita_dtype_name(dtype), name) == 0) return dtype;
	return VITA_DTYPE_NONE;
}

/* Set by the caller of long work to ask it to stop; vita_host.cancelled reads it. */
typedef struct vita_cancel vita_cancel;

#ifdef __cplusplus
}
#endif
#endif
