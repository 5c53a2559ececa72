/* SPDX-License-Identifier: MIT
 *
 * Checkpoints: output/checkpoint-STEP is the model as a Hugging Face directory, with
 *
 *   optimizer.safetensors   mean.NAME and square.NAME, AdamW's moments; weight.NAME in f32 where the model's own file
 *                           is rounded
 *   trainer_state.json      step, tokens, stage, seed, the place in the data
 *
 * A directory is filled under another name, synced and renamed, so that what is called a checkpoint is one.
 */
#include <config.h>

#include "train/run.h"

#include "files/json.h"

#include <vita/file.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT 2 /* checkpoints that stay */
#define MOST_STATE ((uint64_t)1 << 26) /* bytes */
#define STATE_NAME "trainer_state.json"
#define OPTIMIZER_NAME "optimizer.safetensors"
#define PARTIAL_NAME ".checkpoint.partial"

/* ---- directories ------------------------------------------------------------------------------------ */

/* The step of a checkpoint's name, or -1. */
static int64_t step_of(const char *name)
{
	const size_t prefix = strlen(VITA_CHECKPOINT_PREFIX);
	char *end;
	if (strncmp(name, VITA_CHECKPOINT_PREFIX, prefix) != 0 || name[prefix] < '0' || name[prefix] > '9') return -1;
	const long long step = strtoll(name + prefix, &end, 10);
	return *end ? -1 : (int64_t)step;
}

/* Remove a directory of files. What cannot be removed stays, and harms nothing. */
static void remove_directory(const char *path)
{
	char file[VITA_PATH_SIZE];
	DIR *directory = opendir(path);
	if (!directory) return;
	for (const struct dirent *e; (e = readdir(directory)) != NULL;)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    vita_path_join(file, path, e->d_name, NULL) == VITA_OK)
			(void)unlink(file);
	(void)closedir(directory);
	(void)rmdir(path);
}

/* The largest step of a checkpoint in output that is below `below`; -1 where there is none. */
static int64_t newest_below(const char *output, int64_t below)
{
	int64_t newest = -1;
	DIR *directory = opendir(output);
	if (!directory) return -1;
	for (const struct dirent *e; (e = readdir(directory)) != NULL;) {
		const int64_t step = step_of(e->d_name);
		if (step > newest && step < below) newest = step;
	}
	(void)closedir(directory);
	return newest;
}

static vita_status checkpoint_path(char *path, const char *output, int64_t step, vita_error *err)
{
	char name[64];
	(void)snprintf(name, sizeof name, VITA_CHECKPOINT_PREFIX "%" PRId64, step);
	return vita_path_join(path, output, name, err);
}

int vita_checkpoint_newest(const char *output, char *path, size_t size)
{
	char full[VITA_PATH_SIZE];
	const int64_t step = newest_below(output, INT64_MAX);
	if (step < 0 || checkpoint_path(full, output, step, NULL) != VITA_OK) return 0;
	return snprintf(path, size, "%s", full) < (int)size;
}

static void remove_old(const char *output)
{
	char path[VITA_PATH_SIZE];
	int64_t step = INT64_MAX;
	for (int i = 0; (step = newest_below(output, step)) >= 0; i++)
		if (i >= KEPT && checkpoint_path(path, output, step, NULL) == VITA_OK) remove_directory(path);
}

/* Give what was written at `partial` its name. A checkpoint of that step, where a run is resumed at its end, stays until then. */
static int give_name(const char *partial, const char *path)
{
#ifdef HAVE_RENAMEAT2
	if (renameat2(AT_FDCWD, partial, AT_FDCWD, path, RENAME_EXCHANGE) == 0) {
		remove_directory(partial);
		return 0;
	}
#endif
	remove_directory(path); /* there is none, or file systems that cannot exchange */
	return rename(partial, path);
}

static void sync_directory(const char *path)
{
	const int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0) return;
	(void)fsync(file);
	(void)close(file);
}

/* ---- saving ----------------------------------------------------------------------------------------- */

static void add_tensor(vita_saved_tensor *s, const char *prefix, const vita_slot *slot, vita_tensor tensor)
{
	const vita_parameter *p = slot->parameter;
	VITA_INIT(&s->array);
	(void)snprintf(s->name, sizeof s->name, "%s.%s", prefix, p->name);
	s->array.name = s->name;
	s->array.dtype = VITA_F32;
	s->array.rank = p->rank;
	s->array.shape[0] = p->shape[0];
	s->array.shape[1] = p->shape[1];
	s->array.size_bytes = slot->n * sizeof(float);
	s->tensor = tensor;
}

static vita_status save_optimizer(const vita_trainer *t, const char *directory, vita_error *err)
{
	char path[VITA_PATH_SIZE];
	uint64_t n = 0;
	vita_saved_tensor *list = calloc((size_t)t->n_slots * 3 + 1, sizeof *list);
	if (!list) return vita_fail(err, VITA_E_NOMEM, "no memory to save the optimizer's state");
	for (uint32_t i = 0; i < t->n_slots; i++) {
		const vita_slot *slot = &t->slots[i];
		if (t->flags & VITA_TRAIN_F_BF16) add_tensor(&list[n++], "weight", slot, slot->parameter->value);
		if (!slot->trained) continue;
		add_tensor(&list[n++], "mean", slot, vita_slot_tensor(slot, t->means, slot->trained_offset));
		add_tensor(&list[n++], "square", slot, vita_slot_tensor(slot, t->squares, slot->trained_offset));
	}
	vita_status status = vita_path_join(path, directory, OPTIMIZER_NAME, err);
	if (status == VITA_OK) status = vita_saved_tensors_write(t, path, list, n, err);
	free(list);
	return status;
}

static const char *dtype_of(uint32_t flags)
{
	return flags & VITA_TRAIN_F_BF16 ? "bf16" : "f32";
}

static vita_status save_state(const vita_trainer *t, const vita_run_state *state, const char *directory, vita_error *err)
{
	char path[VITA_PATH_SIZE];
	vita_status status = vita_path_join(path, directory, STATE_NAME, err);
	if (status != VITA_OK) return status;
	json_t *document = json_pack("{s:I, s:I, s:s, s:s, s:I, s:O}", "step", (json_int_t)state->step, "tokens",
	                             (json_int_t)state->tokens, "stage", vita_context_string(t->context, "train", "stage"),
	                             "dtype", dtype_of(t->flags), "seed", (json_int_t)t->seed, "data", state->data);
	char *text = document ? json_dumps(document, JSON_INDENT(2)) : NULL;
	json_decref(document);
	status = text ? vita_file_save(path, text, strlen(text), err)
	              : vita_fail(err, VITA_E_NOMEM, "no memory to save %s", path);
	free(text);
	return status;
}

vita_status vita_checkpoint_save(const vita_trainer *t, const vita_run_settings *s, const vita_run_state *state,
                                 char *path, vita_error *err)
{
	char partial[VITA_PATH_SIZE];
	vita_status status = vita_path_join(partial, s->output, PARTIAL_NAME, err);
	if (status == VITA_OK) status = checkpoint_path(path, s->output, state->step, err);
	if (status != VITA_OK) return status;
	remove_directory(partial);
	if (mkdir(partial, 0777) != 0)
		return vita_fail(err, VITA_E_IO, "%s: cannot be made: %s", partial, strerror(errno));
	status = vita_trained_save(t, partial, err);
	if (status == VITA_OK) status = save_optimizer(t, partial, err);
	if (status == VITA_OK) status = save_state(t, state, partial, err);
	if (status == VITA_OK) {
		sync_directory(partial);
		if (give_name(partial, path) != 0)
			status = vita_fail(err, VITA_E_IO, "%s: cannot be renamed to %s: %s", partial, path, strerror(errno));
	}
	if (status != VITA_OK) {
		remove_directory(partial);
		return status;
	}
	sync_directory(s->output);
	remove_old(s->output);
	return VITA_OK;
}

/* ---- loading ---------------------------------------------------------------------------------------- */

static vita_status load_tensor(const vita_trainer *t, const vita_model *file, const char *prefix, const vita_slot *slot,
                               const vita_tensor *to, float *values, vita_error *err)
{
	const vita_parameter *p = slot->parameter;
	char name[112];
	vita_array array;
	VITA_INIT(&array);
	(void)snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", p->name);
	vita_status status = vita_model_tensor(file, name, p->rank, p->shape, &array, err);
	if (status == VITA_OK) status = vita_convert(array.dtype, array.data, VITA_F32, values, slot->n, err);
	if (status == VITA_OK) status = vita_slot_write(t, to, values, err);
	return status == VITA_OK ? t->device->api->wait(t->device->self, err) : status;
}

static vita_status load_slot(const vita_trainer *t, const vita_model *weights, const vita_model *optimizer,
                             const vita_slot *slot, vita_error *err)
{
	const vita_tensor mean = vita_slot_tensor(slot, t->means, slot->trained_offset);
	const vita_tensor square = vita_slot_tensor(slot, t->squares, slot->trained_offset);
	const uint32_t rounded = t->flags & VITA_TRAIN_F_BF16;
	float *values = malloc((size_t)slot->n * sizeof *values);
	if (!values) return vita_fail(err, VITA_E_NOMEM, "no memory for %s", slot->parameter->name);
	vita_status status = load_tensor(t, rounded ? optimizer : weights, rounded ? "weight" : "", slot,
	                                 &slot->parameter->value, values, err);
	if (status == VITA_OK && slot->trained) status = load_tensor(t, optimizer, "mean", slot, &mean, values, err);
	if (status == VITA_OK && slot->trained) status = load_tensor(t, optimizer, "square", slot, &square, values, err);
	free(values);
	return status;
}

static vita_status load_state(const vita_trainer *t, const char *path, vita_run_state *state, vita_error *err)
{
	char file[VITA_PATH_SIZE];
	json_t *document = NULL, *data;
	json_int_t step, tokens, seed;
	const char *stage, *dtype = dtype_of(t->flags), *ours = vita_context_string(t->context, "train", "stage");
	vita_status status = vita_path_join(file, path, STATE_NAME, err);
	if (status == VITA_OK) status = vita_json_read(file, MOST_STATE, &document, err);
	if (status == VITA_E_NOTFOUND)
		return vita_fail(err, status, "%s: is no checkpoint to go on from: it has no " STATE_NAME, path);
	if (status != VITA_OK) return status;
	/* dtype: checkpoints of earlier versions do not say; their tensors do, less kindly. */
	if (json_unpack(document, "{s:I, s:I, s:s, s?s, s:I, s:o}", "step", &step, "tokens", &tokens, "stage", &stage,
	                "dtype", &dtype, "seed", &seed, "data", &data) != 0 ||
	    step < 0 || tokens < 0)
		status = vita_fail(err, VITA_E_FORMAT, "%s: step, tokens, stage, seed and data are not all there", file);
	else if (strcmp(stage, ours) != 0)
		status = vita_fail(err, VITA_E_CONFIG, "%s: is of stage %.64s, and cannot go on in stage %s; start that from it with "
		                   "[train] init", path, stage, ours);
	else if (strcmp(dtype, dtype_of(t->flags)) != 0)
		status = vita_fail(err, VITA_E_CONFIG, "%s: was trained with [train] dtype = %.16s, and cannot go on with %s; set "
		                   "dtype = %.16s, or begin a new run from its weights with [train] init",
		                   path, dtype, dtype_of(t->flags), dtype);
	else if ((uint64_t)seed != t->seed)
		status = vita_fail(err, VITA_E_CONFIG, "%s: was trained with seed %lld, not %lld", path, (long long)seed,
		                   (long long)t->seed);
	if (status == VITA_OK) {
		state->step = step;
		state->tokens = tokens;
		json_decref(state->data);
		state->data = json_incref(data);
	}
	json_decref(document);
	return status;
}

vita_status vita_checkpoint_load(vita_trainer *t, const char *path, vita_run_state *state, vita_error *err)
{
	char file[VITA_PATH_SIZE];
	vita_model *weights = NULL, *optimizer = NULL;
	vita_status status = load_state(t, path, state, err);
	if (status == VITA_OK) status = vita_path_join(file, path, OPTIMIZER_NAME, err);
	if (status == VITA_OK) status = vita_model_open(file, VITA_MODEL_WANT_TENSORS, &optimizer, err);
	if (status == VITA_OK) status = vita_path_join(file, path, "model.safetensors", err);
	if (status == VITA_OK) status = vita_model_open(file, VITA_MODEL_WANT_TENSORS, &weights, err);
	for (uint32_t i = 0; i < t->n_slots && status == VITA_OK; i++)
		status = load_slot(t, weights, optimizer, &t->slots[i], err);
	vita_model_close(weights);
	vita_model_close(optimizer);
	return status;
}
