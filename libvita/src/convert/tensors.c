/* SPDX-License-Identifier: MIT
 *
 * Writing a conversion's tensors: some rows at a time, converted on all processors.
 */
#include "convert/tensors.h"

#include "files/convert_rows.h"
#include "host/context_internal.h"

#include <stdlib.h>

#define PIECE_BYTES (8 << 20) /* of source and of target, about */

typedef struct writing {
	const vita_plan *plan;
	vita_file *file;
	uint64_t done; /* bytes of tensors */
	vita_error *err;
} writing;

/* Rows of one tensor. A vector that keeps its order is one row, one that does not has rows of one value. */
typedef struct rows {
	const unsigned char *source;
	uint32_t from, to;
	int64_t n_rows, values; /* values in a row */
	int64_t from_bytes, to_bytes;
	int64_t head_rows;
	uint32_t turn;
} rows;

static vita_status tell(writing *w, const char *tensor)
{
	const vita_conversion *how = w->plan->how;
	if (how->progress) how->progress(how->user, tensor, w->done, w->plan->n_bytes);
	if (!vita_cancel_requested(how->cancel)) return VITA_OK;
	return vita_fail(w->err, VITA_E_CANCELLED, "%s: cancelled", w->plan->path);
}

/* Where the row that comes to place `row` is now. */
static int64_t source_row(const rows *r, int64_t row)
{
	int64_t within = row % r->head_rows, first = row - within, half = r->head_rows / 2;
	if (r->turn == VITA_TURN_TO_PAIRS) return first + within % 2 * half + within / 2;
	return first + within % half * 2 + within / half;
}

static const void *gather(const rows *r, int64_t first, int64_t n, unsigned char *buffer)
{
	if (r->turn == VITA_TURN_NONE) return r->source + first * r->from_bytes;
	for (int64_t i = 0; i < n; i++)
		memcpy(buffer + i * r->from_bytes, r->source + source_row(r, first + i) * r->from_bytes,
		       (size_t)r->from_bytes);
	return buffer;
}

static vita_status write_rows(writing *w, const rows *r, const char *name)
{
	int64_t row = r->from_bytes > r->to_bytes ? r->from_bytes : r->to_bytes;
	int64_t most = row > 0 && row < PIECE_BYTES ? PIECE_BYTES / row : 1;
	if (most > r->n_rows) most = r->n_rows;
	unsigned char *gathered = malloc((size_t)(r->turn ? most * r->from_bytes : 0) + 1);
	unsigned char *converted = malloc((size_t)(r->from != r->to ? most * r->to_bytes : 0) + 1);
	vita_status status = VITA_OK;

	if (!gathered || !converted)
		status = vita_fail(w->err, VITA_E_NOMEM, "%s: out of memory", w->plan->path);
	for (int64_t first = 0; first < r->n_rows && status == VITA_OK; first += most) {
		int64_t n = r->n_rows - first < most ? r->n_rows - first : most;
		const void *data = gather(r, first, n, gathered);
		if (r->from != r->to) {
			status = vita_convert_rows(r->from, data, r->to, converted, n, r->values, 0, w->err);
			data = converted;
		}
		if (status == VITA_OK)
			status = vita_file_write(w->file, data, (uint64_t)(n * r->to_bytes), w->err);
		w->done += (uint64_t)(n * r->to_bytes);
		if (status == VITA_OK) status = tell(w, name);
	}
	free(gathered);
	free(converted);
	return status;
}

static vita_status write_tensor(writing *w, const vita_plan_tensor *t)
{
	vita_array source;
	vita_model *model = w->plan->model;
	rows r = {
		.to = t->target.dtype, .n_rows = 1, .values = 1, .head_rows = t->head_rows, .turn = t->turn
	};
	if (!t->source) {
		w->done += t->target.size_bytes;
		vita_status written = vita_file_write(w->file, t->target.data, t->target.size_bytes, w->err);
		return written == VITA_OK ? tell(w, t->target.name) : written;
	}
	vita_status status = vita_model_tensor(model, t->source, 0, NULL, &source, w->err);
	if (status != VITA_OK || t->target.size_bytes == 0) return status;
	uint32_t row_rank = source.rank > 1 || t->turn ? 1 : 0; /* from this dimension on it is a row */
	for (uint32_t i = 0; i < source.rank; i++) *(i < row_rank ? &r.n_rows : &r.values) *= source.shape[i];
	r.source = source.data;
	r.from = source.dtype;
	r.from_bytes = vita_row_bytes(r.from, r.values);
	r.to_bytes = vita_row_bytes(r.to, r.values);
	status = write_rows(w, &r, t->target.name);
	vita_model_release(model, source.data, source.size_bytes);
	return status;
}

vita_status vita_plan_write_tensors(const vita_plan *plan, vita_file *file, uint64_t alignment,
                                    vita_error *err)
{
	static const unsigned char zeros[256];
	writing w = { plan, file, 0, err };
	vita_status status = VITA_OK;
	for (uint64_t i = 0; i < plan->n_tensors && status == VITA_OK; i++) {
		const vita_plan_tensor *t =
			(const vita_plan_tensor *)(const void *)plan->order[i]; /* its first member */
		uint64_t padding = (alignment - t->target.size_bytes % alignment) % alignment;
		status = write_tensor(&w, t);
		if (status == VITA_OK) status = vita_file_write(file, zeros, padding, err);
	}
	return status;
}
