/* SPDX-License-Identifier: MIT
 *
 * vita_convert for large matrices, in several threads.
 */
#ifndef VITA_FILES_CONVERT_ROWS_H
#define VITA_FILES_CONVERT_ROWS_H

#include <vita/model.h>

/* n_rows dense rows of row_values values; rows are handed to vita_processors(most_threads) threads, fewer where
 * there is little to do. The result does not depend on how many. */
vita_status vita_convert_rows(uint32_t from, const void *source, uint32_t to, void *target, int64_t n_rows,
                              int64_t row_values, int64_t most_threads, vita_error *err);

#endif
