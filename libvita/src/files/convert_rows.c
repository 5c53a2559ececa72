/* SPDX-License-Identifier: MIT
 *
 * vita_convert for large matrices, on all processors.
 */
#include <config.h>

#include "files/convert_rows.h"

#include "files/processors.h"

#include <pthread.h>

#define LEAST_VALUES (INT64_C(1) << 18) /* what is worth a thread */

struct share {
	uint32_t from, to;
	const char *source;
	char *target;
	int64_t n_values;
	vita_status status;
	vita_error err;
};

static void *convert_share(void *argument)
{
	struct share *s = argument;
	s->status = vita_convert(s->from, s->source, s->to, s->target, (uint64_t)s->n_values, &s->err);
	return NULL;
}

vita_status vita_convert_rows(uint32_t from, const void *source, uint32_t to, void *target, int64_t n_rows,
                              int64_t row_values, int64_t most_threads, vita_error *err)
{
	struct share shares[VITA_MOST_PROCESSORS];
	pthread_t threads[VITA_MOST_PROCESSORS];
	int64_t from_bytes = vita_row_bytes(from, row_values), to_bytes = vita_row_bytes(to, row_values), n_values;
	int64_t n = vita_processors(most_threads), started = 0;
	vita_status status = VITA_OK;

	if (n_rows < 0 || from_bytes < 0 || to_bytes < 0 || __builtin_mul_overflow(n_rows, row_values, &n_values))
		return vita_fail(err, VITA_E_SHAPE, "rows of %lld values cannot be converted from %s to %s", (long long)row_values,
		                 vita_dtype_name(from), vita_dtype_name(to));
	if (n > n_values / LEAST_VALUES) n = n_values / LEAST_VALUES;
	if (n > n_rows) n = n_rows;
	if (n < 1) n = 1;
	for (int64_t i = 0; i < n; i++) {
		int64_t first = n_rows * i / n, end = n_rows * (i + 1) / n;
		shares[i] = (struct share){ .from = from, .to = to, .source = (const char *)source + first * from_bytes,
			.target = (char *)target + first * to_bytes, .n_values = (end - first) * row_values, .status = VITA_OK };
	}
	/* The last share is ours; so is every one for which there is no thread. */
	while (started < n - 1 && pthread_create(&threads[started], NULL, convert_share, &shares[started]) == 0) started++;
	for (int64_t i = started; i < n; i++) (void)convert_share(&shares[i]);
	for (int64_t i = 0; i < started; i++) (void)pthread_join(threads[i], NULL);
	for (int64_t i = 0; i < n && status == VITA_OK; i++)
		if ((status = shares[i].status) != VITA_OK && err) *err = shares[i].err;
	return status;
}
