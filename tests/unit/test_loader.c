/* SPDX-License-Identifier: MIT
 *
 * Finding modules: good ones of every age, and bad ones of every kind, which all end as a sentence.
 */
#include "host/context_internal.h"
#include "host/scan.h"

#include "modules_support.h"

#include <signal.h>
#include <sys/wait.h>
#include <vita/encoder.h>

#define TIME_LIMIT_MS 1500

static vita_error err;

/* ---- bad files ------------------------------------------------------------------------------------- */

typedef struct bad_file {
	const char *name;
	const char *reason; /* a part of it */
} bad_file;

static const bad_file bad_answers[] = {
	{ "abi2", "was built for ABI 2.0, and this is ABI 1.0" },
	{ "small-module", "struct_size of 3 bytes" },
	{ "huge-module", "struct_size of 4294967280 bytes" },
	{ "many-factories", "claims 4294967295 factories" },
	{ "no-factories", "offers nothing" },
	{ "null-factories", "its factories at NULL" },
	{ "null-factory", "factory 0 is NULL" },
	{ "odd-factory", "factory 0 lies at an address" },
	{ "small-factory", "factory 0 has a struct_size of 8 bytes" },
	{ "wild-factories", "crashed (signal 11" },
	{ "wild-name", "crashed (signal 11" },
	{ "endless-name", "its name is longer than" },
	{ "control-version", "its version holds a control character" },
	{ "latin1-summary", "a factory's summary holds a control character or is not UTF-8" },
	{ "null-licence", "its licence is NULL" },
	{ "wrong-id", "offers only vita.dance/1, which this host does not know" },
	{ "bad-name", "\"Not A Name\", which an INI file cannot write" },
	{ "null-api", "the vita.codec/1 table of \"hostile\" is NULL" },
	{ "small-api", "the vita.codec/1 table of \"hostile\" has a struct_size of 16 bytes" },
	{ "missing-method", "the vita.codec/1 table of \"hostile\" lacks push" },
	{ "many-keys", "\"hostile\" claims 1073741824 keys" },
	{ "twice-key", "declares the key \"depth\" twice" },
	{ "key-type", "key \"depth\" of \"hostile\" is of type 99" },
	{ "key-default",
	  "the default of key \"depth\" of \"hostile\" = \"12\": must be a whole number from 0 to 9" },
	{ "key-range", "key \"depth\" of \"hostile\" has the range 0 to -1" },
	{ "false-reference", "calls itself the reference backend but lacks wrap or address" },
	{ "null", "says that it cannot work with ABI 1.0" },
	{ "wild", "crashed (signal 11" },
};

static const bad_file bad_ends[] = {
	{ "abort", "crashed (signal 6" },
	{ "constructor", "crashed (signal 11" },
	{ "exit", "ended its process while being loaded and asked what it offers" },
	{ "hang", "did not come back within 1.5 s while being loaded and asked what it offers" },
	{ "probe-crash", "while being asked for its devices" },
	{ "quiet-exit", "ended its process" },
	{ "segfault", "while being loaded and asked what it offers" },
};

#define N(array) (sizeof(array) / sizeof(array)[0])

static void scan_bad(const bad_file *bad, uint32_t n, vita_scan_file *files)
{
	for (uint32_t i = 0; i < n; i++) {
		char file[64];
		put_stub("hostile", bad[i].name);
		(void)snprintf(file, sizeof file, "%s.so", bad[i].name);
		memset(&files[i], 0, sizeof files[i]);
		files[i].path = strdup(in_scratch(file));
		assert_non_null(files[i].path);
	}
	assert_ok(vita_scan(files, n, TIME_LIMIT_MS, NULL, &err), &err);
}

static void expect_reasons(const bad_file *bad, uint32_t n, const vita_scan_file *files)
{
	for (uint32_t i = 0; i < n; i++) {
		assert_null(files[i].module);
		if (!strstr(files[i].reason, bad[i].reason))
			fail_msg("%s: expected \"%s\", got \"%s\"", bad[i].name, bad[i].reason,
			         files[i].reason);
		for (const char *c = files[i].reason; *c; c++) assert_true((unsigned char)*c >= 0x20);
	}
}

static void refuses_bad_answers(void **state)
{
	vita_scan_file files[N(bad_answers)];
	(void)state;
	scan_bad(bad_answers, N(bad_answers), files);
	expect_reasons(bad_answers, N(bad_answers), files);
	vita_scan_clear(files, N(bad_answers));
}

static void survives_crashes_exits_and_hangs(void **state)
{
	vita_scan_file files[N(bad_ends)];
	(void)state;
	scan_bad(bad_ends, N(bad_ends), files);
	expect_reasons(bad_ends, N(bad_ends), files);
	vita_scan_clear(files, N(bad_ends));
}

static void refuses_files_that_are_no_modules(void **state)
{
	(void)state;
	put_text(in_scratch("text.so"), "not a shared object\n");
	put_text(in_scratch("nothing.so"), "");
	put_stub("empty", "empty");
	put_stub("good_c", "good_c");
	char *half = get_file(in_scratch("good_c.so"), NULL);
	put_file(in_scratch("half.so"), half, 3000);
	free(half);
	vita_context *context = must_context(CONTEXT("vita.log=warning"));
	vita_offer offer = find_offer(context, "text.so");
	assert_string_equal(offer.kind, "");
	assert_int_equal(offer.available, 0);
	assert_null(offer.factory);
	assert_non_null(strstr(offer.reason, "cannot be loaded: "));
	assert_null(strstr(offer.reason, scratch)); /* the path stands beside it */
	assert_non_null(strstr(find_offer(context, "nothing.so").reason, "cannot be loaded: "));
	assert_true(strlen(find_offer(context, "half.so").reason) > 10); /* the system may even crash on it */
	assert_string_equal(find_offer(context, "empty.so").reason,
	                    "exports no vita_module_query, so it is no vita module");
	assert_int_equal(find_offer(context, "good-c").available, 1);
	assert_int_equal(times_logged("text.so: cannot be loaded"), 1);
	vita_context_destroy(context);
}

/* ---- probes ---------------------------------------------------------------------------------------- */

static void bears_senseless_probes(void **state)
{
	static const bad_file bad[] = {
		{ "probe-status", "its probe fails for device 0 with status 77" },
		{ "probe-fails", "its probe fails for device 0 with status -11: the cable?is out" },
		{ "probe-garbage", "available = 4008636142, which is neither 0 nor 1" },
		{ "probe-endless", "its probe knows no end after 64 devices" },
		{ "probe-none", "it finds no device" },
		{ "probe-nameless", "a device without a name" },
	};
	(void)state;
	for (size_t i = 0; i < N(bad); i++) {
		uint32_t n = 0;
		vita_offer offer;
		VITA_INIT(&offer);
		put_stub("hostile", bad[i].name);
		vita_context *context = must_context(CONTEXT("vita.log=debug"));
		for (uint32_t j = 0; j < vita_context_n_offers(context); j++) {
			assert_int_equal(vita_context_offer(context, j, &offer), VITA_OK);
			if (strcmp(offer.name, "hostile") != 0) continue;
			assert_string_equal(offer.kind, "backend");
			n += strstr(offer.reason, bad[i].reason) != NULL && !offer.available;
		}
		if (n != 1) fail_msg("%s: \"%s\" is not offered once", bad[i].name, bad[i].reason);
		vita_context_destroy(context);
		remove_all(scratch);
		assert_int_equal(mkdir(scratch, 0700), 0);
	}
}

/* ---- good modules ---------------------------------------------------------------------------------- */

static void offers_good_modules(void **state)
{
	(void)state;
	put_stub("good_c", "good_c");
	put_stub("sizes", "older");
	put_stub("sizes", "newer");
	put_stub("toy_backend", "toy");
	vita_context *context = must_context(CONTEXT("vita.log=debug"));
	vita_offer offer = find_offer(context, "good-c");
	assert_int_equal(offer.available, 1);
	assert_string_equal(offer.kind, "codec");
	assert_string_equal(offer.version, "1.0");
	assert_string_equal(offer.licence, "MIT");
	assert_string_equal(offer.summary, "A codec in C.");
	assert_string_equal(offer.device, "");
	assert_string_equal(offer.reason, "");
	assert_non_null(strstr(offer.path, "/good_c.so"));
	assert_int_equal(offer.factory->n_keys, 7);
	assert_int_equal(find_offer(context, "older").available, 1);
	offer = find_offer(context, "newer");
	assert_int_equal(offer.available, 1);
	assert_string_equal(offer.factory->keys[0]->name, "warmth");
	offer = find_offer(context, "toy");
	assert_string_equal(offer.kind, "backend");
	assert_string_equal(offer.device, "wooden toy");
	assert_int_equal(offer.available, 1);
	assert_int_equal(times_logged("error"), 0);
	assert_int_equal(vita_context_offer(context, vita_context_n_offers(context), &offer), VITA_E_INVALID);
	vita_context_destroy(context);
}

static void offers_cxx_modules(void **state)
{
	char path[1024];
	(void)state;
	(void)snprintf(path, sizeof path, "%s/tests/stubs/.libs/good_cxx.so", builddir());
	if (access(path, R_OK) != 0) skip(); /* built without a C++ compiler */
	put_stub("good_cxx", "good_cxx");
	vita_context *context = must_context(CONTEXT("encoder.plugin=good-cxx", "encoder.level=5"));
	vita_offer offer = find_offer(context, "good-cxx");
	const vita_encoder_api *api = offer.factory->api;
	const vita_factory *factory;
	vita_settings *settings;
	vita_encoder *encoder;
	vita_encoder_stream *stream;
	float pcm[3] = { 0 };
	int32_t ids[8];
	uint64_t n;
	assert_ok(vita_context_section_factory(context, "encoder", &factory, &err), &err);
	assert_ptr_equal(factory, offer.factory);
	assert_ok(vita_context_settings(context, "encoder", factory, &settings, &err), &err);
	assert_ok(api->open(vita_context_host(context), NULL, settings, &encoder, &err), &err);
	assert_ok(api->stream_open(encoder, &stream, &err), &err);
	assert_ok(api->push(stream, pcm, 3, 1, NULL, &err), &err);
	assert_int_equal(api->pull(stream, ids, NULL, 8, &n, &err), VITA_OK);
	assert_int_equal(n, 3);
	assert_int_equal(ids[2], 5);
	assert_int_equal(api->pull(stream, ids, NULL, 8, &n, &err), VITA_END);
	api->stream_close(stream);
	api->close(encoder);
	vita_settings_destroy(settings);
	vita_context_destroy(context);
}

static void first_of_a_name_wins(void **state)
{
	char path[1100];
	uint32_t n = 0;
	vita_offer offer;
	(void)state;
	VITA_INIT(&offer);
	put_stub("good_c", "b");
	put_stub("good_c", "a");
	assert_int_equal(symlink("a.so", in_scratch("c.so")), 0); /* the same file: not a second one */
	put_stub("good_c", "notes.txt");
	assert_int_equal(mkdir(in_scratch("folder.so"), 0700), 0);
	(void)snprintf(path, sizeof path, "vita.plugin_path=%s:/no/such/folder::", scratch);
	vita_context *context = must_context(CONTEXT(path));
	for (uint32_t i = 0; i < vita_context_n_offers(context); i++) {
		assert_int_equal(vita_context_offer(context, i, &offer), VITA_OK);
		if (strncmp(offer.path, scratch, strlen(scratch)) != 0 || strstr(offer.path, "notes"))
			continue;
		assert_string_equal(offer.name, "good-c");
		assert_non_null(strstr(offer.path, n == 0 ? "/a.so" : "/b.so"));
		assert_int_equal(offer.available, n == 0);
		if (n == 1) assert_non_null(strstr(offer.reason, "another codec of this name comes first: "));
		n++;
	}
	assert_int_equal(n, 2);
	vita_context_destroy(context);
}

static void finds_paths_beside_the_ini(void **state)
{
	vita_config *config;
	vita_context *context;
	(void)state;
	assert_int_equal(mkdir(in_scratch("modules"), 0700), 0);
	put_stub("good_c", "modules/good");
	put_text(in_scratch("test.ini"), "[vita]\nplugin_path = nothing:modules\n");
	assert_int_equal(unsetenv("VITA_PLUGIN_PATH"), 0);
	assert_ok(vita_config_create(&config, &err), &err);
	assert_ok(vita_config_read(config, in_scratch("test.ini"), &err), &err);
	assert_ok(vita_context_create(config, NULL, NULL, &context, &err), &err);
	assert_non_null(strstr(find_offer(context, "good-c").path, "/modules/good.so"));
	vita_context_destroy(context);
	vita_config_destroy(config);
}

/* ---- what an application feels --------------------------------------------------------------------- */

static volatile sig_atomic_t handled;

static void handle(int number)
{
	(void)number;
	handled++;
}

static void leave_trace(void)
{
	if (getenv("VITA_TEST_TRACE"))
		put_text(getenv("VITA_TEST_TRACE"), "an exit handler ran in the child\n");
}

/* Crashing and leaving modules touch neither the application's handlers nor its unwritten output. */
static void leaves_the_application_alone(void **state)
{
	struct sigaction action = { .sa_handler = handle }, before;
	FILE *file = fopen(in_scratch("output"), "w");
	(void)state;
	assert_non_null(file);
	assert_true(fprintf(file, "once") == 4); /* in the buffer */
	assert_int_equal(setenv("VITA_TEST_TRACE", in_scratch("trace"), 1), 0);
	assert_int_equal(atexit(leave_trace), 0);
	assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
	put_stub("hostile", "segfault");
	put_stub("hostile", "exit");
	put_stub("hostile", "fine");
	vita_context *context = must_context(CONTEXT("vita.log=error"));
	assert_int_equal(find_offer(context, "hostile").available, 1);
	vita_context_destroy(context);
	assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
	assert_int_equal(fclose(file), 0);
	const char *preloaded =
		getenv("LD_PRELOAD"); /* valgrind itself flushes files at the end of a child */
	if (!preloaded || !strstr(preloaded, "vgpreload")) assert_file_is(in_scratch("output"), "once");
	assert_int_equal(access(in_scratch("trace"), F_OK), -1);
	assert_int_equal(unsetenv("VITA_TEST_TRACE"), 0);
	assert_int_equal(handled, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left over */
}

/* SIGCHLD ignored means that children cannot be waited for; the reasons are then shorter, that is all. */
static void works_where_children_are_ignored(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	(void)state;
	assert_int_equal(sigaction(SIGCHLD, &ignore, &before), 0);
	put_stub("hostile", "segfault");
	put_stub("good_c", "good");
	vita_context *context = must_context(CONTEXT("vita.log=error"));
	assert_int_equal(find_offer(context, "good-c").available, 1);
	assert_non_null(strstr(find_offer(context, "segfault.so").reason, "while being loaded"));
	vita_context_destroy(context);
	assert_int_equal(sigaction(SIGCHLD, &before, NULL), 0);
}

/* Modules that are loaded already are not tested in a child again: a second context asks them directly. */
static void contexts_may_repeat(void **state)
{
	(void)state;
	put_stub("toy_backend", "toy");
	put_stub("hostile", "segfault");
	for (int i = 0; i < 3; i++) {
		vita_context *context = must_context(CONTEXT("vita.log=error"));
		assert_int_equal(find_offer(context, "toy").available, 1);
		assert_int_equal(find_offer(context, "segfault.so").available, 0);
		vita_context_destroy(context);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_directory, teardown_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(refuses_bad_answers),
		TEST(survives_crashes_exits_and_hangs),
		TEST(refuses_files_that_are_no_modules),
		TEST(bears_senseless_probes),
		TEST(offers_good_modules),
		TEST(offers_cxx_modules),
		TEST(first_of_a_name_wins),
		TEST(finds_paths_beside_the_ini),
		TEST(leaves_the_application_alone),
		TEST(works_where_children_are_ignored),
		TEST(contexts_may_repeat),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
