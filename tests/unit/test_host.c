/* SPDX-License-Identifier: MIT
 *
 * What a context gives to modules and to the engine: settings, shared models, weights on devices, copies
 * between them, and the choice of devices.
 */
#include "host/context_internal.h"
#include "host/services.h"

#include "modules_support.h"

#include <vita/record.h>

static vita_error err;
static vita_context *context;
static const vita_host *host;

static int setup_stubs(void **state)
{
	if (setup_directory(state) != 0) return -1;
	put_stub("good_c", "good_c");
	put_stub("toy_backend", "toy");
	put_module("backend-reference");
	return 0;
}

static int teardown_stubs(void **state)
{
	vita_context_destroy(context);
	context = NULL;
	return teardown_directory(state);
}

static void open_context(vita_context *made)
{
	context = must_context(made);
	host = vita_context_host(context);
}

static void expect_no_context(vita_context *made, const char *text)
{
	assert_null(made);
	assert_failure(context_err.status, VITA_E_CONFIG, &context_err, text);
}

/* ---- plugins' keys --------------------------------------------------------------------------------- */

static void plugins_keys_are_checked(void **state)
{
	(void)state;
	expect_no_context(CONTEXT("codec.plugin=good-c", "codec.gian=1"),
	                  "-s: [codec] has no key \"gian\"; did you mean \"gain\"?");
	expect_no_context(CONTEXT("codec.gian=1"), "did you mean \"gain\"?");
	expect_no_context(CONTEXT("codec.plugin=good-c", "codec.gain=2"),
	                  "-s: [codec] gain = \"2\": must be a number from 0 to 1");
	expect_no_context(CONTEXT("codec.plugin=good-c", "codec.mood=sad"), "must be one of calm, merry");
	expect_no_context(
		CONTEXT("codec.plugin=good-c", "codec.zzzz=1"),
		"the keys are plugin, model, backend, chunk, gain, voices, quick, voice, table, mood, sizes");
	expect_no_context(CONTEXT("backend.pain=red"), "did you mean \"paint\"?");
	expect_no_context(CONTEXT("backend.name=toy", "backend.paint=green"), "must be one of red, blue");
	expect_no_context(CONTEXT("backend.name=reference", "backend.paint=red"),
	                  "[backend] has no key \"paint\"");
	open_context(CONTEXT("backend.name=reference", "llm.backend=toy",
	                     "backend.paint=red")); /* it goes to the toy */
	vita_context_destroy(context);
	/* What a plugin that is not here declares is told when it is to be opened. */
	open_context(CONTEXT("codec.plugin=absent", "codec.gian=1", "encoder.speed=3"));
	const vita_factory *factory;
	assert_failure(vita_context_section_factory(context, "codec", &factory, &err), VITA_E_CONFIG, &err,
	               "-s: [codec] plugin: there is no codec \"absent\"");
	assert_null(factory);
}

static void typos_name_file_and_line(void **state)
{
	vita_config *config;
	char expected[1100];
	(void)state;
	put_text(in_scratch("nano.ini"), "[codec]\nplugin = good-c\n\nvoicse = 3\n");
	assert_int_equal(setenv("VITA_PLUGIN_PATH", scratch, 1), 0);
	assert_ok(vita_config_create(&config, &err), &err);
	assert_ok(vita_config_read(config, in_scratch("nano.ini"), &err), &err);
	(void)snprintf(expected, sizeof expected,
	               "%s:4: [codec] has no key \"voicse\"; did you mean \"voices\"?",
	               in_scratch("nano.ini"));
	assert_failure(vita_context_create(config, NULL, NULL, &context, &err), VITA_E_CONFIG, &err,
	               expected);
	assert_string_equal(err.message, expected);
	assert_null(context);
	vita_config_destroy(config);
}

static void modules_read_checked_values(void **state)
{
	vita_settings *settings;
	const vita_factory *factory;
	const int64_t *list;
	(void)state;
	open_context(CONTEXT("codec.plugin=good-c", "codec.quick=on", "codec.table=t.bin", "codec.sizes=4, 5",
	                     "codec.model=some/where", "vita.log=warning"));
	assert_ok(vita_context_section_factory(context, "codec", &factory, &err), &err);
	assert_ok(vita_context_settings(context, "codec", factory, &settings, &err), &err);
	void *c = host->context;
	assert_true(host->setting_float(c, settings, "gain") == 0.5); /* its default */
	assert_int_equal(host->setting_int(c, settings, "voices"), 2);
	assert_int_equal(host->setting_int(c, settings, "quick"), 1);
	assert_int_equal(host->setting_has(c, settings, "voice"), 0);
	assert_string_equal(host->setting_string(c, settings, "voice"), "");
	assert_string_equal(host->setting_string(c, settings, "table"), "t.bin");
	assert_string_equal(host->setting_string(c, settings, "mood"), "calm");
	assert_int_equal(host->setting_list(c, settings, "sizes", &list), 2);
	assert_int_equal(list[1], 5);
	assert_string_equal(host->setting_string(c, settings, "model"), "some/where"); /* the host's */
	assert_int_equal(times_logged("codec good-c"), 0);
	/* Wrong questions are the module's defects: harmless, and in the log. */
	assert_int_equal(host->setting_int(c, settings, "gain"), 0);
	assert_int_equal(times_logged("1 codec good-c: asks for the key \"gain\" with setting_int"), 1);
	assert_string_equal(host->setting_string(c, settings, "backend"), "");
	assert_int_equal(times_logged("asks for the key \"backend\", which is not declared"), 1);
	assert_int_equal(host->setting_list(c, settings, "none", &list), 0);
	assert_null(list);
	assert_ok(vita_settings_set_string(settings, "model", "else/where", &err), &err);
	assert_ok(vita_settings_set_int(settings, "extra", 7, &err), &err);
	assert_string_equal(host->setting_string(c, settings, "model"), "else/where");
	assert_int_equal(host->setting_int(c, settings, "extra"), 7);
	vita_settings_destroy(settings);
}

static void the_engine_reads_own_keys(void **state)
{
	const int64_t *list;
	(void)state;
	open_context(CONTEXT("llm.context=99", "codec.chunk=1,2,4", "generation.top_p=0.5"));
	assert_int_equal(vita_context_int(context, "llm", "context"), 99);
	assert_int_equal(vita_context_given(context, "llm", "context"), 1);
	assert_int_equal(vita_context_int(context, "heads", "count"), -1);
	assert_int_equal(vita_context_given(context, "heads", "count"), 0);
	assert_string_equal(vita_context_string(context, "llm", "dtype"), "as-is");
	assert_int_equal(vita_context_list(context, "codec", "chunk", &list), 3);
	assert_int_equal(list[2], 4);
	assert_true(vita_context_float(context, "generation", "top_p") == 0.5);
	assert_int_equal(vita_context_has(context, "generation", "repetition_penalty"), 0);
	assert_string_equal(vita_context_origin(context, "llm", "context"), "-s: [llm] context");
	assert_string_equal(vita_context_origin(context, "llm", "model"), "[llm] model");
	assert_string_equal(vita_context_origin(context, "nothing", "model"), "the config");
	assert_int_equal(vita_context_int(context, "nothing", "x"), 0);
	assert_int_equal(vita_context_int(context, "llm", "x"), 0);
}

static void factories_are_found_by_name(void **state)
{
	const vita_factory *factory;
	(void)state;
	put_text(in_scratch("broken.so"), "text");
	open_context(CONTEXT("codec.plugin=none"));
	assert_ok(vita_context_section_factory(context, "codec", &factory, &err), &err);
	assert_null(factory);
	assert_ok(vita_context_factory(context, "codec", "good-c", &factory, &err), &err);
	assert_string_equal(factory->name, "good-c");
	assert_failure(vita_context_factory(context, "codec", "goodc", &factory, &err), VITA_E_NOTFOUND, &err,
	               "there is no codec \"goodc\"; did you mean \"good-c\"?; refused: broken.so (cannot be "
	               "loaded: ");
	assert_failure(vita_context_factory(context, "head", "x", &factory, &err), VITA_E_NOTFOUND, &err,
	               "nor any other head");
	assert_null(vita_context_factory_at(context, "head", 0));
	assert_int_equal(vita_context_section_factory(context, "llm", &factory, &err), VITA_OK);
	assert_int_equal(vita_context_section_factory(context, "train", &factory, &err), VITA_E_INVALID);
}

/* ---- services -------------------------------------------------------------------------------------- */

static const char *golden(const char *name)
{
	static char path[1024];
	const char *root = getenv("VITA_SRCDIR");
	(void)snprintf(path, sizeof path, "%s/tests/golden/llm/%s", root && root[0] ? root : ".", name);
	return path;
}

static void models_are_shared(void **state)
{
	vita_model *a, *b, *c;
	(void)state;
	open_context(CONTEXT("vita.log=warning"));
	assert_ok(host->model_open(host->context, golden("tiny"), VITA_MODEL_WANT_TENSORS, &a, &err), &err);
	assert_ok(host->model_open(host->context, golden("../llm/tiny/"), 0, &b, &err), &err);
	assert_ptr_equal(a, b);
	assert_ok(host->model_open(host->context, golden("tiny-tied"), VITA_MODEL_WANT_TENSORS, &c, &err),
	          &err);
	assert_ptr_not_equal(a, c);
	host->model_close(host->context, a);
	assert_true(vita_model_n_tensors(b) > 0); /* still open */
	host->model_close(host->context, b);
	host->model_close(host->context, c);
	host->model_close(host->context, NULL);
	assert_int_equal(times_logged("closed more often"), 0);
	host->model_close(host->context, c);
	assert_int_equal(times_logged("closed more often"), 1);
	assert_failure(host->model_open(host->context, golden("no-such"), 0, &a, &err), VITA_E_NOTFOUND, &err,
	               "no-such");
	assert_null(a);
	assert_ok(host->model_open(host->context, golden("tiny"), 0, &a, &err), &err);
	/* left open: the context closes it, as leak checkers confirm */
}

static void memory_and_cancelling(void **state)
{
	(void)state;
	open_context(CONTEXT("vita.log=debug"));
	char *memory = host->allocate(host->context, 0);
	assert_non_null(memory);
	memory = host->reallocate(host->context, memory, 100);
	assert_non_null(memory);
	memory[99] = 1;
	host->release(host->context, memory);
	host->release(host->context, NULL);
	vita_cancel *cancel = vita_cancel_create();
	assert_int_equal(host->cancelled(host->context, NULL), 0);
	assert_int_equal(host->cancelled(host->context, cancel), 0);
	vita_cancel_request(cancel);
	assert_int_equal(host->cancelled(host->context, cancel), 1);
	vita_cancel_clear(cancel);
	assert_int_equal(host->cancelled(host->context, cancel), 0);
	vita_cancel_destroy(cancel);
	vita_logf(host, VITA_LOG_DEBUG, "me\033", "a line\nand %d more", 1);
	assert_int_equal(times_logged("3 me?: a line?and 1 more"), 1);
	vita_context_destroy(context);
	open_context(CONTEXT("vita.log=error"));
	vita_logf(host, VITA_LOG_WARNING, "me", "too unimportant");
	assert_int_equal(times_logged("unimportant"), 0);
}

/* ---- weights and copies ---------------------------------------------------------------------------- */

static const vita_device *toy, *reference;

static void open_both(void)
{
	open_context(CONTEXT("vita.log=info", "llm.backend=toy", "heads.backend=reference"));
	assert_ok(vita_context_device_open(context, "llm", &toy, &err), &err);
	assert_ok(vita_context_device_open(context, "heads", &reference, &err), &err);
}

static void close_both(void)
{
	vita_context_device_close(context, toy);
	vita_context_device_close(context, reference);
	assert_int_equal(times_logged("never freed"), 0);
}

/* Load source as dtype, read it back, compare with the conversion. */
static void round_trip(const vita_device *device, const vita_array *source, uint32_t dtype)
{
	vita_tensor t;
	uint32_t as = dtype == VITA_DTYPE_NONE ? source->dtype : dtype;
	uint64_t n = 1;
	for (uint32_t i = 0; i < source->rank; i++) n *= (uint64_t)source->shape[i];
	uint64_t size = (uint64_t)vita_row_bytes(as, (int64_t)n);
	char *expected = malloc(size), *found = malloc(size);
	assert_true(expected && found);
	assert_ok(vita_convert(source->dtype, source->data, as, expected, n, &err), &err);
	assert_ok(host->weight_load(host->context, device, source, dtype, &t, &err), &err);
	assert_int_equal(t.dtype, as);
	assert_int_equal(t.rank, source->rank ? source->rank : 1);
	for (uint32_t i = 0; i < source->rank; i++) assert_int_equal(t.shape[i], source->shape[i]);
	assert_ok(device->api->read(device->self, &t, found, size, &err), &err);
	assert_memory_equal(found, expected, size);
	device->api->free(device->self, t.buffer);
	free(expected);
	free(found);
}

static void weights_arrive_whole(void **state)
{
	static const uint32_t plain[] = { VITA_F32, VITA_F16, VITA_BF16 };
	unsigned char *memory = malloc(4 * 3 * 64 + 1);
	float values[3 * 64];
	(void)state;
	assert_non_null(memory);
	open_both();
	for (int i = 0; i < 3 * 64; i++) values[i] = (float)(i - 90) / 64;
	for (int odd = 0; odd < 2; odd++) {
		vita_array a = { sizeof a, VITA_F32, 2, 0, { 3, 64, 1, 1 }, 4 * 3 * 64, memory + odd, "w" };
		memcpy(memory + odd, values, sizeof values);
		for (int d = 0; d < 2; d++) {
			const vita_device *device = d ? reference : toy;
			round_trip(device, &a, VITA_DTYPE_NONE);
			for (int i = 0; i < 3; i++) round_trip(device, &a, plain[i]);
			round_trip(device, &a, VITA_Q8_0);
			a.flags = VITA_ARRAY_F_PLAIN;
			round_trip(device, &a, VITA_DTYPE_NONE);
			a.flags = 0;
		}
	}
	vita_array one = { sizeof one, VITA_F32, 0, 0, { 1, 1, 1, 1 }, 4, values, "scale" };
	round_trip(toy, &one, VITA_DTYPE_NONE);
	close_both();
	free(memory);
}

/* More values than are converted at a time. */
static void large_weights_arrive_in_pieces(void **state)
{
	int64_t n = (1 << 20) + 4711;
	uint16_t *values = malloc((size_t)n * 2);
	(void)state;
	assert_non_null(values);
	open_both();
	for (int64_t i = 0; i < n; i++) values[i] = (uint16_t)(i % 0x7c00);
	vita_array a = { sizeof a, VITA_F16, 1, 0, { n, 1, 1, 1 }, (uint64_t)n * 2, values, "long" };
	round_trip(toy, &a, VITA_F32);
	round_trip(toy, &a, VITA_DTYPE_NONE);
	close_both();
	free(values);
}

static void mapped_pages_are_used_as_they_lie(void **state)
{
	vita_model *model;
	vita_array a;
	vita_tensor t;
	(void)state;
	open_both();
	assert_ok(host->model_open(host->context, golden("tiny"), VITA_MODEL_WANT_TENSORS, &model, &err),
	          &err);
	VITA_INIT(&a);
	assert_int_equal(vita_model_tensor_at(model, 0, &a), VITA_OK);
	assert_ok(host->weight_load(host->context, reference, &a, VITA_DTYPE_NONE, &t, &err), &err);
	if ((uintptr_t)a.data % 4 == 0)
		assert_ptr_equal(reference->api->address(reference->self, t.buffer), a.data);
	reference->api->free(reference->self, t.buffer);
	host->model_close(host->context, model);
	close_both();
}

static void senseless_weights_are_refused(void **state)
{
	float values[64] = { 0 };
	vita_tensor t;
	vita_array a = { sizeof a, VITA_F32, 2, 0, { 2, 32, 1, 1 }, 255, values, "w" };
	(void)state;
	open_both();
	assert_failure(host->weight_load(host->context, toy, &a, VITA_DTYPE_NONE, &t, &err), VITA_E_SHAPE,
	               &err, "w: its 255");
	a.size_bytes = 256;
	a.shape[0] = INT64_MAX / 2;
	assert_failure(host->weight_load(host->context, toy, &a, VITA_DTYPE_NONE, &t, &err), VITA_E_SHAPE,
	               &err, "w: its 256");
	a.shape[0] = 4;
	a.shape[1] = 16;
	assert_failure(host->weight_load(host->context, toy, &a, VITA_Q8_0, &t, &err), VITA_E_SHAPE, &err,
	               "w: rows of 16 values cannot be held as q8_0, whose blocks have 32");
	a.rank = 9;
	assert_failure(host->weight_load(host->context, toy, &a, VITA_F32, &t, &err), VITA_E_SHAPE, &err,
	               "w: its");
	close_both();
}

static vita_tensor filled(const vita_device *device, int64_t rows, int64_t columns, int first)
{
	vita_buffer *buffer;
	uint64_t size = (uint64_t)(rows * columns * 4);
	int32_t *values = malloc(size);
	assert_non_null(values);
	for (int64_t i = 0; i < rows * columns; i++) values[i] = (int32_t)(first + i);
	assert_ok(device->api->alloc(device->self, size, &buffer, &err), &err);
	vita_tensor t = vita_view(buffer, 0, VITA_I32, 2, rows, columns, 1, 1);
	assert_ok(device->api->write(device->self, &t, values, size, &err), &err);
	free(values);
	return t;
}

/* Columns 1 … of `from` into columns 0 … of `to`, whose last column must stay as it is. */
static void copy_columns(const vita_device *from_device, const vita_device *to_device, int64_t rows)
{
	enum { COLUMNS = 8 };
	vita_tensor from = filled(from_device, rows, COLUMNS, 1000),
		    to = filled(to_device, rows, COLUMNS, -9000000);
	vita_tensor a = vita_slice(&from, 1, 1, COLUMNS - 1), b = vita_slice(&to, 1, 0, COLUMNS - 1);
	int32_t *found = malloc((size_t)rows * COLUMNS * 4);
	assert_non_null(found);
	assert_ok(host->tensor_copy(host->context, from_device, &a, to_device, &b, &err), &err);
	assert_ok(to_device->api->read(to_device->self, &to, found, (uint64_t)rows * COLUMNS * 4, &err),
	          &err);
	for (int64_t r = 0; r < rows; r++) {
		for (int64_t c = 0; c < COLUMNS - 1; c++)
			assert_int_equal(found[r * COLUMNS + c], 1000 + r * COLUMNS + c + 1);
		assert_int_equal(found[r * COLUMNS + COLUMNS - 1], -9000000 + r * COLUMNS + COLUMNS - 1);
	}
	free(found);
	from_device->api->free(from_device->self, from.buffer);
	to_device->api->free(to_device->self, to.buffer);
}

static void copies_cross_devices(void **state)
{
	vita_tensor a, b, none;
	(void)state;
	open_both();
	copy_columns(toy, reference, 5);
	copy_columns(reference, toy, 5);
	copy_columns(toy, toy, 5);
	copy_columns(reference, reference, 5);
	a = filled(toy, 3, 4, 1);
	b = filled(reference, 3, 4, 5); /* dense: no staging */
	assert_ok(host->tensor_copy(host->context, toy, &a, reference, &b, &err), &err);
	assert_int_equal(((int32_t *)reference->api->address(reference->self, b.buffer))[11], 12);
	assert_ok(host->tensor_copy(host->context, reference, &b, toy, &a, &err), &err);
	none = vita_slice(&a, 0, 0, 2);
	assert_failure(host->tensor_copy(host->context, toy, &none, reference, &b, &err), VITA_E_SHAPE, &err,
	               "one type and shape");
	vita_tensor no_rows = vita_slice(&a, 0, 0, 0), nor_here = vita_slice(&b, 0, 0, 0);
	assert_ok(host->tensor_copy(host->context, toy, &no_rows, reference, &nor_here, &err), &err);
	toy->api->free(toy->self, a.buffer);
	reference->api->free(reference->self, b.buffer);
	close_both();
}

/* ---- devices --------------------------------------------------------------------------------------- */

static void sections_share_devices(void **state)
{
	const vita_device *llm, *heads, *codec, *again;
	(void)state;
	open_context(CONTEXT("vita.log=debug", "backend.name=toy", "heads.backend=toy", "codec.backend=auto",
	                     "backend.threads=3", "backend.paint=blue"));
	assert_ok(vita_context_device_open(context, "llm", &llm, &err), &err);
	assert_ok(vita_context_device_open(context, "heads", &heads, &err), &err);
	assert_ok(vita_context_device_open(context, "codec", &codec, &err), &err);
	assert_ptr_equal(llm, heads);
	assert_ptr_not_equal(llm, codec);
	assert_string_equal(vita_context_device_name(context, llm), "toy");
	assert_string_equal(vita_context_device_name(context, codec), "reference"); /* its score is higher */
	assert_string_equal(vita_context_device_name(context, (const vita_device *)context), "");
	assert_int_equal(times_logged("3 toy: device 0, 3 threads, paint blue"), 1);
	vita_context_device_close(context, llm);
	assert_string_equal(vita_context_device_name(context, heads), "toy"); /* still open */
	vita_context_device_close(context, heads);
	vita_context_device_close(context, NULL);
	assert_ok(vita_context_device_open(context, "llm", &again, &err), &err);
	assert_int_equal(times_logged("toy: device 0"), 2);
	vita_context_device_close(context, again);
	vita_context_device_close(context, codec);
}

static void expect_device(const char *name)
{
	const vita_device *device;
	assert_ok(vita_context_device_open(context, "llm", &device, &err), &err);
	assert_string_equal(vita_context_device_name(context, device), name);
	vita_context_device_close(context, device);
	vita_context_destroy(context);
}

static void expect_no_device(const char *text)
{
	const vita_device *device = (const vita_device *)1;
	assert_failure(vita_context_device_open(context, "llm", &device, &err), VITA_E_CONFIG, &err, text);
	assert_null(device);
	vita_context_destroy(context);
}

static void devices_are_chosen(void **state)
{
	(void)state;
	open_context(CONTEXT("vita.log=error"));
	expect_device("reference"); /* the best score */
	open_context(CONTEXT("backend.device=WOODEN"));
	expect_device("toy"); /* auto, among those whose name fits */
	open_context(CONTEXT("backend.name=toy", "backend.device=0"));
	expect_device("toy");
	open_context(
		CONTEXT("llm.backend=toy", "backend.device=plain C")); /* not a toy's name: any toy will do */
	expect_device("toy");
	open_context(CONTEXT("backend.name=toy", "backend.device=1"));
	expect_no_device("-s: [backend] device: there is no usable device \"1\" of backend \"toy\"; found "
	                 "toy 0 (wooden toy), "
	                 "toy 1 (broken toy) unusable: a wheel is off");
	open_context(CONTEXT("backend.name=refrence"));
	expect_no_device("-s: [backend] name: there is no backend \"refrence\"; did you mean \"reference\"?");
	open_context(CONTEXT("llm.backend=cuda"));
	expect_no_device("-s: [llm] backend: there is no backend \"cuda\"; there are reference, toy");
	context = NULL;
}

/* Its score is the highest, but opening it gives nothing: auto goes on, a name does not. */
static void auto_goes_on_after_a_failure(void **state)
{
	const vita_device *device;
	(void)state;
	put_stub("hostile", "backend");
	open_context(CONTEXT("vita.log=warning"));
	expect_device("reference");
	assert_int_equal(
		times_logged(
			"backend \"hostile\" cannot be used: backend \"hostile\" says that open worked but"),
		1);
	open_context(CONTEXT("llm.backend=hostile"));
	assert_failure(vita_context_device_open(context, "llm", &device, &err), VITA_E_INTERNAL, &err,
	               "gives no handle");
}

/* ---- threads --------------------------------------------------------------------------------------- */

/* Opens and closes what is shared, and computes on it meanwhile, as conversations side by side do. */
static void *work(void *user)
{
	vita_recorder recorder;
	vita_error e;
	intptr_t failed = 0;
	const char *path = user;
	for (int i = 0; i < 20; i++) {
		const vita_device *device = NULL;
		vita_model *model = NULL;
		vita_buffer *buffer = NULL;
		float values[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
		failed += vita_context_device_open(context, i % 2 ? "llm" : "heads", &device, &e) != VITA_OK;
		failed += host->model_open(host->context, path, 0, &model, &e) != VITA_OK;
		if (failed) break;
		failed += device->api->alloc(device->self, sizeof values, &buffer, &e) != VITA_OK;
		vita_tensor x = vita_view(buffer, 0, VITA_F32, 1, 8, 1, 1, 1);
		failed += device->api->write(device->self, &x, values, sizeof values, &e) != VITA_OK;
		vita_recorder_begin(&recorder, device, &e);
		vita_affine(&recorder, &x, 2, 1, &x);
		failed += vita_recorder_end(&recorder) != VITA_OK;
		failed += device->api->read(device->self, &x, values, sizeof values, &e) != VITA_OK;
		failed += values[7] != 17;
		device->api->free(device->self, buffer);
		host->model_close(host->context, model);
		vita_context_device_close(context, device);
	}
	return (void *)failed;
}

static void threads_share(void **state)
{
	pthread_t threads[4];
	void *failed;
	char path[1024];
	(void)state;
	open_context(CONTEXT("vita.log=error", "llm.backend=toy", "heads.backend=reference"));
	(void)snprintf(path, sizeof path, "%s", golden("tiny"));
	for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, work, path), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_stubs, teardown_stubs)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plugins_keys_are_checked),       TEST(typos_name_file_and_line),
		TEST(modules_read_checked_values),    TEST(the_engine_reads_own_keys),
		TEST(factories_are_found_by_name),    TEST(models_are_shared),
		TEST(memory_and_cancelling),          TEST(weights_arrive_whole),
		TEST(large_weights_arrive_in_pieces), TEST(mapped_pages_are_used_as_they_lie),
		TEST(senseless_weights_are_refused),  TEST(copies_cross_devices),
		TEST(sections_share_devices),         TEST(devices_are_chosen),
		TEST(auto_goes_on_after_a_failure),   TEST(threads_share),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
