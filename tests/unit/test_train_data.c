/* SPDX-License-Identifier: MIT
 *
 * Training data: forms of files, packing, mixing and order, checkpoints, and codes that are kept.
 */
#include "train_data_support.h"

#include <jansson.h>

/* ---- files, packing, order ------------------------------------------------------------------------ */

static void write_numbered(const char *name, int first, int n)
{
	FILE *file = fopen(in_scratch(name), "w");
	assert_non_null(file);
	for (int i = first; i < first + n; i++)
		(void)fprintf(file,
			      "{\"messages\": [{\"role\": \"user\", \"content\": \"%d\"}, "
			      "{\"role\": \"assistant\", \"content\": \"%c\"}]}\r\n",
			      i, 'a' + i % 26);
	assert_int_equal(fclose(file), 0);
}

/* The numbers of a row's samples. */
static int numbers(const vita_train_batch *batch, int *out, int most)
{
	int n = 0;
	for (int64_t i = 0; i < batch->n; i++) {
		if (batch->position_ids[i] != 0) {
			assert_int_equal(batch->position_ids[i], batch->position_ids[i - 1] + 1);
			continue;
		}
		assert_int_equal(batch->input_ids[i], FAKE_IM_START);
		char text[16] = "";
		for (int k = 0; batch->input_ids[i + 6 + k] < 256; k++)
			text[k] = (char)batch->input_ids[i + 6 + k];
		assert_true(n < most);
		out[n++] = atoi(text);
	}
	return n;
}

static void test_forms_of_files(void **state)
{
	static const char *const forms[] = {"[" GOOD ",\n" GOOD "]", " [ " GOOD "," GOOD " ]\n\n", GOOD GOOD,
					    "\n\n" GOOD "\r\n" GOOD, GOOD "\n" GOOD "   "};
	(void)state;
	for (size_t i = 0; i < N(forms); i++) {
		vita_train_batch batch;
		vita_train_data_counts counts;
		write_text("form.jsonl", forms[i]);
		vita_train_data_options options = plain_options(" form.jsonl ,");
		options.strict = true;
		vita_train_data *data = open_data(&options);
		assert_int_equal(next(data, &batch), VITA_OK);
		assert_int_equal(next(data, &batch), VITA_END);
		vita_train_data_count(data, &counts);
		assert_int_equal(counts.n_samples, 2);
		vita_train_data_close(data);
	}
}

static void test_packing(void **state)
{
	vita_train_batch batch;
	int got[16];
	(void)state;
	write_numbered("a.jsonl", 0, 5);
	write_numbered("b.jsonl", 5, 2);
	vita_train_data_options options = plain_options("a.jsonl, b.jsonl");
	options.max_length = 2 * 23; /* two samples fit exactly */
	vita_train_data *data = open_data(&options);
	static const int expected[][3] = {{2, 0, 1}, {2, 2, 3}, {1, 4, 0}, {2, 5, 6}};
	for (size_t i = 0; i < N(expected); i++) {
		assert_int_equal(next(data, &batch), VITA_OK);
		assert_int_equal(numbers(&batch, got, 16), expected[i][0]);
		assert_int_equal(batch.n, 23 * expected[i][0]);
		for (int k = 0; k < expected[i][0]; k++)
			assert_int_equal(got[k], expected[i][1 + k]);
	}
	assert_int_equal(next(data, &batch), VITA_END);
	assert_int_equal(next(data, &batch), VITA_END);
	vita_train_data_close(data);
}

/* How often each of 40 lines comes in n rows of one sample each. */
static void tally(const char *files, int n_rows, int *count)
{
	vita_train_batch batch;
	int got[4];
	vita_train_data_options options = plain_options(files);
	options.shuffle = true;
	options.once = false;
	options.max_length = 30;
	vita_train_data *data = open_data(&options);
	memset(count, 0, 40 * sizeof *count);
	for (int i = 0; i < n_rows; i++) {
		assert_int_equal(next(data, &batch), VITA_OK);
		assert_int_equal(numbers(&batch, got, 4), 1);
		count[got[0]]++;
	}
	vita_train_data_close(data);
}

static void test_mixing(void **state)
{
	int count[40], a = 0, b = 0;
	(void)state;
	write_numbered("a.jsonl", 0, 20);
	write_numbered("b.jsonl", 20, 20);
	/* 10 + 40 lines an epoch; one row lags behind in each file. */
	tally("a.jsonl:0.5,b.jsonl:2", 500, count);
	for (int i = 0; i < 20; i++) {
		a += count[i];
		b += count[20 + i];
		assert_in_range(count[i], 4, 6); /* ten epochs of half */
		assert_in_range(count[20 + i], 19, 21);
	}
	assert_int_equal(a + b, 500);
	assert_in_range(a, 98, 102);
	/* A tenth is another tenth each epoch: ten of them are all. */
	tally("a.jsonl:0.1", 20, count);
	for (int i = 0; i < 20; i++)
		assert_in_range(count[i], 0, 2);
	tally("a.jsonl:0.1,b.jsonl:0", 19, count);
	for (int i = 20; i < 40; i++)
		assert_int_equal(count[i], 0);
}

static void test_shuffled_by_seed(void **state)
{
	int got[3][20], in_order = 0;
	vita_train_batch batch;
	(void)state;
	write_numbered("a.jsonl", 0, 20);
	for (int run = 0; run < 3; run++) {
		vita_train_data_options options = plain_options("a.jsonl");
		options.shuffle = true;
		options.seed = run < 2 ? 3 : 4;
		vita_train_data *data = open_data(&options);
		assert_int_equal(next(data, &batch), VITA_OK);
		assert_int_equal(numbers(&batch, got[run], 20), 20);
		vita_train_data_close(data);
	}
	assert_memory_equal(got[0], got[1], sizeof got[0]);
	assert_memory_not_equal(got[0], got[2], sizeof got[0]);
	for (int i = 0; i < 20; i++)
		in_order += got[0][i] == i;
	assert_true(in_order < 8);
}

/* ---- checkpoints ---------------------------------------------------------------------------------- */

static void test_checkpoint(void **state)
{
	vita_error err = {0};
	(void)state;
	write_numbered("a.jsonl", 0, 23);
	write_numbered("b.jsonl", 23, 11);
	for (int rows = 0; rows < 40; rows += 3) {
		vita_train_batch one, other;
		vita_train_data_counts c1, c2;
		vita_train_data_options options = plain_options("a.jsonl, b.jsonl:0.7");
		options.shuffle = true;
		options.once = false;
		options.max_length = 100;
		vita_train_data *data = open_data(&options), *again = open_data(&options);
		for (int i = 0; i < rows; i++)
			assert_int_equal(next(data, &one), VITA_OK);
		json_t *saved = vita_train_data_save_state(data);
		char *text = json_dumps(saved, 0);
		json_t *loaded = json_loads(text, 0, NULL);
		assert_int_equal(vita_train_data_load_state(again, loaded, &err), VITA_OK);
		for (int i = 0; i < 20; i++) {
			assert_int_equal(next(data, &one), VITA_OK);
			assert_int_equal(next(again, &other), VITA_OK);
			assert_int_equal(one.n, other.n);
			assert_memory_equal(one.input_ids, other.input_ids, (size_t)one.n * 4);
			assert_memory_equal(one.labels, other.labels, (size_t)one.n * 4);
		}
		vita_train_data_count(data, &c1);
		vita_train_data_count(again, &c2);
		assert_memory_equal(&c1, &c2, sizeof c1);
		json_decref(saved);
		json_decref(loaded);
		free(text);
		vita_train_data_close(data);
		vita_train_data_close(again);
	}
}

/* A line that cannot be used is counted once, however many epochs there are and whoever goes on. */
static void test_skipped_once(void **state)
{
	vita_train_batch batch;
	vita_train_data_counts counts;
	vita_error err = {0};
	(void)state;
	write_text("bad.jsonl", GOOD "{}\n" GOOD "[1]\n");
	vita_train_data_options options = plain_options("bad.jsonl");
	options.once = false;
	options.max_length = 30;
	vita_train_data *data = open_data(&options), *again = open_data(&options);
	for (int i = 0; i < 9; i++)
		assert_int_equal(next(data, &batch), VITA_OK);
	json_t *saved = vita_train_data_save_state(data);
	assert_int_equal(vita_train_data_load_state(again, saved, &err), VITA_OK);
	for (int i = 0; i < 9; i++)
		assert_int_equal(next(again, &batch), VITA_OK);
	vita_train_data_count(data, &counts);
	assert_int_equal(counts.n_skipped, 2);
	assert_null(vita_train_data_skipped(data, 2));
	vita_train_data_count(again, &counts);
	assert_int_equal(counts.n_skipped, 2);
	json_decref(saved);
	vita_train_data_close(data);
	vita_train_data_close(again);
}

static void test_foreign_checkpoint(void **state)
{
	vita_error err = {0};
	(void)state;
	write_numbered("a.jsonl", 0, 9);
	vita_train_data_options options = plain_options("a.jsonl");
	options.once = false;
	vita_train_data *data = open_data(&options);
	json_t *good = vita_train_data_save_state(data);
	vita_train_data_close(data);

	options.seed++;
	data = open_data(&options);
	assert_int_equal(vita_train_data_load_state(data, good, &err), VITA_E_FORMAT);
	vita_train_data_close(data);
	options.seed--;

	static const char *const changes[] = {
		"{\"cursor\": 10}",       "{\"cursor\": -1}",     "{\"epoch\": \"x\"}",
		"{\"pending\": []}",      "{\"pending\": [[9]]}", "{\"pending\": [[-1]]}",
		"{\"pending\": [[0.5]]}", "{\"bad\": [[9]]}",     "{\"bad\": 0}",
		"{\"tokens\": null}",     "{\"files\": 1}"};
	for (size_t i = 0; i < N(changes); i++) {
		json_t *bad = json_deep_copy(good), *change = json_loads(changes[i], 0, NULL);
		assert_int_equal(json_object_update(bad, change), 0);
		data = open_data(&options);
		assert_int_equal(vita_train_data_load_state(data, bad, &err), VITA_E_FORMAT);
		vita_train_data_close(data);
		json_decref(bad);
		json_decref(change);
	}
	data = open_data(&options);
	assert_int_equal(vita_train_data_load_state(data, NULL, &err), VITA_E_FORMAT);
	assert_int_equal(vita_train_data_load_state(data, good, &err), VITA_OK);
	vita_train_data_close(data);
	json_decref(good);
}

/* ---- codes that are kept -------------------------------------------------------------------------- */

/* Recordings encoded in one pass over "c.jsonl". */
static int64_t encoded(const char *cache, const char *key, char *text)
{
	char learnt[256];
	vita_train_batch batch;
	vita_train_data_counts counts;
	vita_train_data_options options = plain_options("c.jsonl");
	options.cache = cache;
	options.encoder_key = key;
	vita_train_data *data = open_data(&options);
	assert_int_equal(next(data, &batch), VITA_OK);
	shown(&batch, text, learnt);
	vita_train_data_count(data, &counts);
	vita_train_data_close(data);
	return counts.n_encoded;
}

static const char *only_file(const char *directory)
{
	static char path[1024];
	int n = 0;
	DIR *list = opendir(directory);
	assert_non_null(list);
	for (struct dirent *entry; (entry = readdir(list));)
		if (entry->d_name[0] != '.')
			n++, snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
	(void)closedir(list);
	assert_int_equal(n, 1);
	return path;
}

static void test_cache(void **state)
{
	static const int32_t codes[] = {1, 2}, others[] = {3, 4};
	char cache[600], first[256], text[256];
	(void)state;
	(void)snprintf(cache, sizeof cache, "%s/cache", scratch);
	assert_int_equal(mkdir(cache, 0700), 0);
	write_recording("a.wav", codes, 2);
	write_text("c.jsonl", ASKED("<|audio|>", "[\"a.wav\"]"));
	assert_int_equal(encoded(cache, "one", first), 1);
	assert_non_null(strstr(first, "{BC}"));
	assert_int_equal(encoded(cache, "one", text), 0);
	assert_string_equal(text, first);
	assert_int_equal(encoded(NULL, "one", text), 1);

	/* damage in every byte, and every length */
	const char *path = only_file(cache);
	unsigned char whole[64];
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	size_t n = fread(whole, 1, sizeof whole, file);
	(void)fclose(file);
	assert_int_equal(n, 24 + 8);
	for (size_t i = 0; i < 2 * n; i++) {
		unsigned char changed[64];
		memcpy(changed, whole, n);
		if (i < n) changed[i] ^= 0x41;
		file = fopen(path, "wb");
		assert_int_equal(fwrite(changed, 1, i < n ? n : i - n, file), i < n ? n : i - n);
		(void)fclose(file);
		assert_int_equal(encoded(cache, "one", text), 1);
		assert_string_equal(text, first);
		assert_int_equal(encoded(cache, "one", text), 0);
	}

	/* another encoder, another recording under the same name, a cache that cannot be written */
	assert_int_equal(encoded(cache, "two", text), 1);
	write_recording("a.wav", others, 2);
	assert_int_equal(encoded(cache, "one", text), 1);
	assert_non_null(strstr(text, "{DE}"));
	assert_int_equal(encoded("/nowhere/at/all", "one", text), 1);
	remove_all(cache);
}

/* What names the codes: plugin and settings. */
static char *key_of(const char *mode)
{
	char setting[64], *key = NULL;
	vita_config *config;
	vita_context *context;
	vita_engine *engine = NULL;
	vita_error err = {0};
	(void)snprintf(setting, sizeof setting, "encoder.mode=%s", mode);
	assert_int_equal(vita_config_create(&config, &err), VITA_OK);
	assert_int_equal(vita_config_set(config, "encoder.plugin=codec2", &err), VITA_OK);
	assert_int_equal(vita_config_set(config, setting, &err), VITA_OK);
	if (vita_context_create(config, NULL, NULL, &context, &err) == VITA_OK) {
		if (vita_engine_open(context, VITA_PART_ENCODER, &engine, &err) == VITA_OK)
			assert_int_equal(vita_train_encoder_key(engine, &key, &err), VITA_OK);
		vita_engine_close(engine);
		vita_context_destroy(context);
	}
	vita_config_destroy(config);
	return key;
}

static void test_encoder_key(void **state)
{
	(void)state;
	char *one = key_of("700C"), *same = key_of("700C"), *other = key_of("1300");
	if (!one) skip(); /* built without codec2 */
	assert_string_equal(one, same);
	assert_string_not_equal(one, other);
	assert_non_null(strstr(one, "codec2"));
	free(one);
	free(same);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_forms_of_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_packing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mixing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shuffled_by_seed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_checkpoint, setup, teardown),
		cmocka_unit_test_setup_teardown(test_skipped_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign_checkpoint, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cache, setup, teardown),
		cmocka_unit_test(test_encoder_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
