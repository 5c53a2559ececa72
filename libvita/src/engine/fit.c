/* SPDX-License-Identifier: MIT
 *
 * Will the language model fit into memory? Better said before a minute of loading than by the system's killing.
 */
#include "engine/fit.h"

#include <stdio.h>
#include <string.h>
#include <vita/blocks.h>

double vita_memory_left(void)
{
	char line[128];
	unsigned long long kib = 0;
	FILE *f = fopen("/proc/meminfo", "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1) break;
	if (f) (void)fclose(f);
	const double system = kib > 0 ? (double)kib * 1024 : 1e300;
	const double group = vita_group_memory_left("/proc/self/cgroup", "/sys/fs/cgroup");
	return system < group ? system : group;
}

/* As loading does it: matrices take the type, the rest stays f32 at most. */
double vita_weight_bytes(const vita_model *model, uint32_t dtype)
{
	vita_tensor_info info;
	double bytes = 0;
	VITA_INIT(&info);
	for (uint64_t i = 0; vita_model_tensor_describe(model, i, &info) == VITA_OK; i++) {
		const int64_t columns = info.rank > 0 ? info.shape[info.rank - 1] : 1;
		const int64_t row = dtype != VITA_DTYPE_NONE && info.rank >= 2 ? vita_row_bytes(dtype, columns) : -1;
		if (row >= 0 && columns > 0) bytes += (double)info.n_values / (double)columns * (double)row;
		else bytes += (double)info.size_bytes;
	}
	return bytes;
}

const char *vita_fitting_type(const vita_model *model, double left, double *bytes)
{
	static const uint32_t smaller[] = { VITA_BF16, VITA_Q8_0, VITA_Q6_K, VITA_Q4_1, VITA_Q4_K, VITA_Q4_0 };
	for (size_t i = 0; i < sizeof smaller / sizeof *smaller; i++) {
		*bytes = vita_weight_bytes(model, smaller[i]);
		if (*bytes <= 0.9 * left) return vita_dtype_name(smaller[i]);
	}
	return NULL;
}

vita_status vita_check_fit(const vita_model *model, const char *dtype_name, double left, vita_error *err)
{
	const uint32_t dtype = dtype_name && *dtype_name ? vita_dtype_parse(dtype_name) : VITA_DTYPE_NONE;
	const double needed = vita_weight_bytes(model, dtype);
	double bytes;
	if (needed <= left) return VITA_OK;
	const char *fits = vita_fitting_type(model, left, &bytes);
	if (fits)
		return vita_fail(err, VITA_E_NOMEM, "%s: its weights take %.1f GB and %.1f GB of memory are free; with "
		                 "llm.dtype = %s they would take %.1f GB", vita_model_path(model), needed / 1e9, left / 1e9,
		                 fits, bytes / 1e9);
	return vita_fail(err, VITA_E_NOMEM, "%s: its weights take %.1f GB and %.1f GB of memory are free; even as q4_0 they "
	                 "would take %.1f GB%s", vita_model_path(model), needed / 1e9, left / 1e9, bytes / 1e9,
	                 bytes <= left ? ", which leaves too little for caches" : "");
}
