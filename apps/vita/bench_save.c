/* SPDX-License-Identifier: MIT
 *
 * vita bench --save: the model that is measured, in a file that others can be measured with.
 */
#include "bench.h"

#include <errno.h>
#include <sys/stat.h>
#include <vita/convert.h>

static void show_progress(void *user, const char *tensor, uint64_t done, uint64_t total)
{
	(void)user, (void)tensor;
	progress_show("saving", done, total);
}

static int ends_with(const char *text, const char *end)
{
	const size_t n = strlen(text), m = strlen(end);
	return n >= m && strcmp(text + n - m, end) == 0;
}

/* Block types are for GGUF files alone: does the model have any? */
static int has_blocks(const vita_model *model)
{
	vita_tensor_info info;
	VITA_INIT(&info);
	for (uint64_t i = 0; vita_model_tensor_describe(model, i, &info) == VITA_OK; i++)
		if (info.dtype != VITA_DTYPE_NONE && vita_dtype_block(info.dtype) > 1) return 1;
	return 0;
}

/* The directory itself, or, where weights are in blocks, DIR/model.gguf. */
static vita_status place(struct bench *b, const vita_model *model, char *path, size_t size)
{
	const int in_directory = has_blocks(model) && !ends_with(b->save, ".gguf");
	if (in_directory && mkdir(b->save, 0777) != 0 && errno != EEXIST)
		return vita_fail(&b->cli->err, VITA_E_IO, "%s cannot be made: %s", b->save, strerror(errno));
	if (snprintf(path, size, "%s%s", b->save, in_directory ? "/model.gguf" : "") >= (int)size)
		return vita_fail(&b->cli->err, VITA_E_INVALID, "--save: the path is too long");
	return VITA_OK;
}

vita_status bench_save(struct bench *b)
{
	vita_error *err = &b->cli->err;
	char path[4096];
	vita_model *model;
	vita_conversion how;
	vita_status status = vita_model_open(vita_config_get(b->cli->config, "llm", "model"), VITA_MODEL_WANT_TENSORS, &model, err);
	if (status != VITA_OK) return status;
	status = place(b, model, path, sizeof path);
	VITA_INIT(&how);
	how.dtype = VITA_DTYPE_NONE;
	how.cancel = cli_cancel;
	how.progress = show_progress;
	if (status == VITA_OK) status = vita_model_convert(model, path, &how, err);
	progress_clear();
	vita_model_close(model);
	if (status == VITA_OK) cli_note(b->cli, "saved as %s", path);
	return status;
}
