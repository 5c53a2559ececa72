/* SPDX-License-Identifier: MIT
 *
 * A stack of residual convolutions along time, as small speech networks use them:
 *
 *     x[t] += linear(relu(conv(norm(x))))[t]
 *
 * A convolution sees some rows before t and some ahead of it, nothing (zeros) outside of the sound. So a row
 * depends on a bounded number of neighbours, and a sound may be computed window by window: every row whose
 * neighbours are all inside the window comes out as if the whole sound had been there.
 */
#ifndef COMMON_CONV_STACK_H
#define COMMON_CONV_STACK_H

#include <vita/record.h>

#include <vita/host.h>

#define CONV_STACK_MOST 16

/* y = x weightᵀ + bias, or a convolution's kernels and its bias. */
typedef struct conv_weights {
	vita_tensor weight, bias;
} conv_weights;

typedef struct conv_block {
	conv_weights norm, conv, linear;
	int64_t dilation, ahead; /* rows between taps; taps that lie ahead */
} conv_block;

typedef struct conv_stack {
	const vita_device *device;
	int64_t width, kernel;
	uint32_t n_blocks;
	conv_block block[CONV_STACK_MOST];
} conv_stack;

/* `name`.weight of this shape (rank 1 to 3) and `name`.bias [n_bias]. Vectors are held in f32. On failure what
 * was loaded stays for conv_weights_free.  OK | E_NOTFOUND | E_SHAPE | E_UNSUPPORTED | E_NOMEM */
vita_status conv_weights_load(const vita_host *host, const vita_device *device, const vita_model *model,
			      const char *name, uint32_t rank, const int64_t *shape, int64_t n_bias,
			      conv_weights *out, vita_error *err);
void conv_weights_free(const vita_device *device, conv_weights *weights); /* also of zeroed ones */

/* What config.json says of the stack: PREFIX.width, .kernel, .dilations and, with `ahead`, .ahead; without it the
 * convolutions are symmetric.  OK | E_FORMAT */
vita_status conv_stack_configure(const vita_host *host, const vita_model *model, const char *width,
				 const char *kernel, const char *dilations, const char *ahead,
				 conv_stack *out, vita_error *err);

/* Weights under PREFIX.0, PREFIX.1, … for a configured stack; on failure see above. */
vita_status conv_stack_load(const vita_host *host, const vita_device *device, const vita_model *model,
			    const char *prefix, conv_stack *stack, vita_error *err);
void conv_stack_free(conv_stack *stack); /* also of a zeroed one */

/* Rows before and ahead that a row depends on. */
int64_t conv_stack_before(const conv_stack *stack);
int64_t conv_stack_ahead(const conv_stack *stack);

/* Bytes of working memory for n rows. */
uint64_t conv_stack_work(const conv_stack *stack, int64_t n);

/* rows [n, width], dense, in place; work: conv_stack_work bytes. */
void conv_stack_run(vita_recorder *r, const conv_stack *stack, const vita_tensor *rows, vita_buffer *work);

/* out [n, channels] = act(conv1d(rows [n, c_in])), through work of n · (c_in + channels) floats. */
void conv_rows(vita_recorder *r, const conv_weights *conv, const vita_tensor *rows, int64_t dilation,
	       int64_t pad_left, int64_t pad_right, vita_buffer *work, const vita_tensor *out);

#endif
