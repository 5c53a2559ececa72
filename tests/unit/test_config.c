/* SPDX-License-Identifier: MIT
 *
 * INI files, overrides, typed values, and the sentences about what is wrong with them.
 */
#include "host/config_keys.h"
#include "host/config_store.h"
#include "host/context_internal.h"
#include "host/settings.h"
#include "host/words.h"

#include "files_support.h"
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

static vita_config *config;
static vita_error err;

static int setup(void **state)
{
	if (setup_directory(state) != 0) return -1;
	return vita_config_create(&config, &err) == VITA_OK ? 0 : -1;
}

static int teardown(void **state)
{
	vita_config_destroy(config);
	config = NULL;
	return teardown_directory(state);
}

static vita_status read_bytes(const char *text, size_t size)
{
	put_file(in_scratch("test.ini"), text, size);
	return vita_config_read(config, in_scratch("test.ini"), &err);
}

static vita_status read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

static void assert_value(const char *section, const char *key, const char *value)
{
	const char *found = vita_config_get(config, section, key);
	assert_non_null(found);
	assert_string_equal(found, value);
}

/* The text is refused, and the sentence begins with file and line and holds the rest. */
static void expect_refusal(const char *text, unsigned line, const char *rest)
{
	char place[1100];
	(void)snprintf(place, sizeof place, "%s:%u: ", in_scratch("test.ini"), line);
	vita_status status = read_text(text);
	assert_failure(status, VITA_E_CONFIG, &err, rest);
	if (strncmp(err.message, place, strlen(place)) != 0)
		fail_msg("expected \"%s…\", got \"%s\"", place, err.message);
}

/* ---- syntax ------------------------------------------------------------------------------------------ */

static void reads_sections_and_values(void **state)
{
	(void)state;
	assert_int_equal(read_text("; a comment\n# another\n\n[llm]\nmodel = m\ncontext:77\n"
	                           "  dtype =  q8_0  ; with a remark\n[generation]\nsystem = a;b = c # d\n"),
	                 VITA_OK);
	assert_value("llm", "model", "m");
	assert_value("llm", "context", "77");
	assert_value("llm", "dtype", "q8_0");
	assert_value("generation", "system", "a;b = c # d");
	assert_null(vita_config_get(config, "llm", "plugin"));
	assert_null(vita_config_get(config, "codec", "model"));
}

static void bears_what_editors_do(void **state)
{
	(void)state;
	assert_int_equal(
		read_text("\xef\xbb\xbf[llm]\r\nmodel = m\r\n\r\n[codec]\r\nmodel = \xc3\xa4\xc3\xb6"),
		VITA_OK);
	assert_value("llm", "model", "m");
	assert_value("codec", "model", "\xc3\xa4\xc3\xb6");
	assert_int_equal(read_text(""), VITA_OK);
	assert_int_equal(read_text("\n\n  \n"), VITA_OK);
}

static void later_values_win(void **state)
{
	(void)state;
	assert_int_equal(read_text("[llm]\nmodel = a\n[llm]\nmodel = b\n"), VITA_OK);
	assert_value("llm", "model", "b");
	assert_int_equal(vita_config_set(config, "llm.model=c", &err), VITA_OK);
	assert_value("llm", "model", "c");
	assert_int_equal(read_text("[llm]\nmodel = d\n"), VITA_OK);
	assert_value("llm", "model", "d");
}

static void indented_lines_are_lines(void **state)
{
	(void)state;
	assert_int_equal(read_text("[llm]\nmodel = a\n   context = 5\n"), VITA_OK);
	assert_value("llm", "model", "a");
	assert_value("llm", "context", "5");
	expect_refusal("[llm]\nmodel = a\n   b\n", 3, "neither [section] nor \"key = value\"");
}

/* inih's own buffer has 200 bytes; ours is the file. */
static void long_lines_stay_whole(void **state)
{
	static char text[25000], value[8000];
	(void)state;
	for (size_t length = 150; length < sizeof value; length += length < 260 ? 1 : 1117) {
		memset(value, 'x', length);
		memcpy(value + length - 3, "end", 4);
		(void)snprintf(text, sizeof text, "[generation]\nsystem = %s  ; a remark\nprompt = after\n",
		               value);
		assert_int_equal(read_text(text), VITA_OK);
		assert_value("generation", "system", value);
		assert_value("generation", "prompt", "after");
		(void)snprintf(text, sizeof text, ";%s\n[llm]\n# %s\nmodel:%s", value, value, value);
		assert_int_equal(read_text(text), VITA_OK);
		assert_value("llm", "model", value);
	}
	memset(value, 'x', 500);
	value[500] = '\0';
	(void)snprintf(text, sizeof text, "[llm]\n%s\n", value);
	expect_refusal(text, 2, "neither a section nor \"key = value\"");
	(void)snprintf(text, sizeof text, "[llm]\n%s = 3\n", value);
	expect_refusal(text, 2, "neither a section nor \"key = value\"");
	(void)snprintf(text, sizeof text, "[%s]\n", value);
	expect_refusal(text, 1, "neither a section");
}

static void refuses_what_is_no_ini(void **state)
{
	(void)state;
	expect_refusal("[llm]\nmodel = a\nnonsense\n", 3, "neither [section] nor \"key = value\"");
	expect_refusal("[llm]\nnonsense\n[lllm]\n", 2, "neither [section] nor \"key = value\"");
	expect_refusal("model = a\n", 1, "\"model\" stands before any [section]");
	expect_refusal("[llm\nmodel = a\n", 1, "has no ]");
	expect_refusal("[llm]\n= 3\n", 2, "no key before");
	assert_failure(read_bytes("[llm]\nmodel\0= a\n", 16), VITA_E_CONFIG, &err, "NUL byte");
	expect_refusal("[generation]\n\033[2J = 3\n", 2, "?[2J"); /* what terminals obey is not repeated */
}

static void refuses_unreadable_files(void **state)
{
	(void)state;
	assert_failure(vita_config_read(config, in_scratch("none.ini"), &err), VITA_E_NOTFOUND, &err,
	               "none.ini");
	assert_failure(vita_config_read(config, scratch, &err), VITA_E_IO, &err, scratch);
	char *large = malloc((1u << 20) + 1);
	assert_non_null(large);
	memset(large, '\n', (1u << 20) + 1);
	assert_int_equal(read_bytes(large, 1u << 20), VITA_OK);
	assert_failure(read_bytes(large, (1u << 20) + 1), VITA_E_CONFIG, &err, "1 MiB");
	free(large);
}

static void put_on_stdin(const char *text)
{
	put_text(in_scratch("test.ini"), text);
	const int fd = open(in_scratch("test.ini"), O_RDONLY);
	assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	close(fd);
}

/* "-" is standard input, with no folder of its own. */
static void reads_standard_input(void **state)
{
	const int before = dup(STDIN_FILENO);
	(void)state;
	put_on_stdin("[llm]\nmodel = a\n[oops]\n");
	assert_failure(vita_config_read(config, "-", &err), VITA_E_CONFIG, &err, "standard input:3: ");
	put_on_stdin("[llm]\nmodel = b\n");
	assert_ok(vita_config_read(config, "-", &err), &err);
	assert_value("llm", "model", "b");
	assert_int_equal(dup2(before, STDIN_FILENO), STDIN_FILENO);
	close(before);
}

static void a_failed_read_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(read_text("[llm]\nmodel = a\n"), VITA_OK);
	expect_refusal("[llm]\nmodel = b\n[oops]\n", 3, "no section [oops]");
	assert_value("llm", "model", "a");
}

/* ---- keys and values ------------------------------------------------------------------------------- */

static void names_the_nearest_key(void **state)
{
	(void)state;
	expect_refusal("[generaton]\n", 1, "there is no section [generaton]; did you mean \"generation\"?");
	expect_refusal("[zzz]\n", 1,
	               "the sections are vita, backend, encoder, llm, heads, codec, generation, train");
	expect_refusal("[generation]\ntemprature = 1\n", 2,
	               "[generation] has no key \"temprature\"; did you mean \"temperature\"?");
	expect_refusal("[generation]\nlearning_rate = 1\n", 2,
	               "\"learning_rate\"; the keys are max_tokens, temperature, top_k, top_p, "
	               "repetition_penalty, seed, system, prompt; [train] has one of that name");
	expect_refusal("[vita]\nqqq = 1\n", 2, "the keys are plugin_path, log");
	/* A plugin may declare it: the context will tell. */
	assert_int_equal(read_text("[heads]\nschedul = turbo\n"), VITA_OK);
}

static void checks_values(void **state)
{
	(void)state;
	expect_refusal("[backend]\nthreads = many\n", 2,
	               "[backend] threads = \"many\": must be a whole number from 0 to 4096");
	expect_refusal("[backend]\nthreads = 4097\n", 2, "from 0 to 4096");
	expect_refusal("[backend]\nthreads = -1\n", 2, "from 0 to 4096");
	expect_refusal("[backend]\nthreads = 1.5\n", 2, "whole number");
	expect_refusal("[backend]\nthreads =\n", 2, "whole number");
	expect_refusal("[llm]\ncontext = 99999999999999999999\n", 2, "whole number of at least 0");
	expect_refusal("[llm]\ndtype = q5\n", 2,
	               "one of as-is, f32, f16, bf16, q8_0, q4_0, q4_1, q4_k, q6_k");
	expect_refusal("[llm]\ndtype = q4\n", 2, "one of");
	expect_refusal("[generation]\ntop_p = 1.01\n", 2, "a number from 0 to 1");
	expect_refusal("[generation]\ntop_p = nan\n", 2, "a number");
	expect_refusal("[generation]\ntemperature = inf\n", 2, "a number");
	expect_refusal("[generation]\ntemperature = 0,5\n", 2, "a number");
	expect_refusal("[train]\nstrict = maybe\n", 2, "yes or no");
	expect_refusal("[codec]\nchunk = 1,,2\n", 2, "whole numbers");
	expect_refusal("[codec]\nchunk = 1,2,\n", 2, "whole numbers");
	expect_refusal("[codec]\nchunk = -3\n", 2, "whole numbers");
	assert_int_equal(read_text("[codec]\nchunk = 1, 2 ,4\n[train]\nstrict = Yes\nstage = one-head\n"),
	                 VITA_OK);
}

static void takes_overrides(void **state)
{
	(void)state;
	assert_int_equal(vita_config_set(config, " llm . model = a = b ", &err), VITA_OK);
	assert_value("llm", "model", "a = b");
	assert_failure(vita_config_set(config, "llm.context=x", &err), VITA_E_CONFIG, &err,
	               "-s: [llm] context = \"x\"");
	assert_failure(vita_config_set(config, "lllm.context=1", &err), VITA_E_CONFIG, &err,
	               "did you mean \"llm\"");
	assert_failure(vita_config_set(config, "vita.lok=1", &err), VITA_E_CONFIG, &err,
	               "did you mean \"log\"");
	static const char *const wrong[] = { "",         "llm",    "llm.model", "model=x",
		                             ".model=x", "llm.=x", "=",         "a/b=c.d" };
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_failure(vita_config_set(config, wrong[i], &err), VITA_E_CONFIG, &err,
		               "section.key=value");
}

static vita_setting converted(uint32_t type, const char *text, const char *base)
{
	vita_key key = { sizeof key, type, "k", NULL, "help", "full audio", 0, 0 };
	vita_setting setting;
	assert_ok(vita_setting_convert(&setting, &key, text, base, "here", &err), &err);
	return setting;
}

static void expect_path(const char *text, const char *base, const char *expected)
{
	vita_setting setting = converted(VITA_KEY_PATH, text, base);
	assert_string_equal(setting.string, expected);
	vita_setting_clear(&setting);
}

static void resolves_paths(void **state)
{
	(void)state;
	assert_int_equal(setenv("HOME", "/home/me", 1), 0);
	expect_path("model", "configs", "configs/model");
	expect_path("../model", "/etc/vita", "/etc/vita/../model");
	expect_path("/model", "configs", "/model");
	expect_path("model", "", "model");
	expect_path("model", NULL, "model");
	expect_path("model", "/", "/model");
	expect_path("~/model", "configs", "/home/me/model");
	expect_path("~", "configs", "/home/me");
	expect_path("~you/model", "configs", "configs/~you/model");
	vita_setting none = converted(VITA_KEY_PATH, "", "configs");
	assert_int_equal(none.has, 0);
	vita_setting_clear(&none);
	assert_int_equal(unsetenv("HOME"), 0);
	vita_key key = { sizeof key, VITA_KEY_PATH, "k", NULL, "help", NULL, 0, 0 };
	assert_failure(vita_setting_convert(&none, &key, "~/x", NULL, "here", &err), VITA_E_CONFIG, &err,
	               "$HOME");
}

static void converts_in_any_locale(void **state)
{
	(void)state;
	unit_comma_locale();
	vita_setting setting = converted(VITA_KEY_FLOAT, "0.5", NULL);
	(void)setlocale(LC_ALL, "C");
	assert_true(setting.real == 0.5);
	vita_setting_clear(&setting);
}

static void converts_lists_and_words(void **state)
{
	(void)state;
	vita_setting list = converted(VITA_KEY_LIST, "1, -2,3", NULL);
	assert_int_equal(list.n_list, 3);
	assert_int_equal(list.list[1], -2);
	vita_setting_clear(&list);
	static const char *const yes[] = { "yes", "on", "TRUE", "1" }, *const no[] = { "no", "Off", "false",
		                                                                       "0" };
	for (int i = 0; i < 4; i++) {
		vita_setting a = converted(VITA_KEY_BOOL, yes[i], NULL),
			     b = converted(VITA_KEY_BOOL, no[i], NULL);
		assert_int_equal(a.integer, 1);
		assert_int_equal(b.integer, 0);
		vita_setting_clear(&a);
		vita_setting_clear(&b);
	}
	vita_setting choice = converted(VITA_KEY_CHOICE, "audio", NULL);
	assert_string_equal(choice.string, "audio");
	vita_setting_clear(&choice);
	static char many[3 * 5000];
	for (size_t i = 0; i + 3 < sizeof many; i += 2) memcpy(many + i, "1,", 2);
	many[sizeof many - 2] = '1';
	vita_key key = { sizeof key, VITA_KEY_LIST, "k", NULL, "help", NULL, 0, 0 };
	assert_failure(vita_setting_convert(&list, &key, many, NULL, "here", &err), VITA_E_CONFIG, &err,
	               "at most 4096");
}

/* ---- the tables ------------------------------------------------------------------------------------ */

/* What the manual is made from is whole, and every default is a value that the key takes. */
static void own_keys_are_described(void **state)
{
	(void)state;
	uint32_t n_sections = 0, n = 1;
	for (const char *section; (section = vita_config_section(n_sections)); n_sections++) {
		const vita_key *const *keys = vita_config_keys(section, &n);
		assert_non_null(keys);
		assert_true(n > 0);
		for (uint32_t i = 0; i < n; i++) {
			vita_setting setting;
			assert_non_null(keys[i]->help);
			assert_true(strlen(keys[i]->help) > 5);
			if (!keys[i]->fallback) continue;
			assert_ok(vita_setting_convert(&setting, keys[i], keys[i]->fallback, NULL, "table",
			                               &err),
			          &err);
			vita_setting_clear(&setting);
		}
	}
	assert_int_equal(n_sections, 8);
	assert_null(vita_config_keys("nothing", &n));
	assert_int_equal(n, 0);
}

static void knows_what_was_meant(void **state)
{
	static const char *const names[] = { "schedule", "vocabulary", "verify", "count" };
	static const char *const meant[][2] = { { "schedul", "schedule" }, { "shcedule", "schedule" },
		                                { "vocab", "vocabulary" }, { "Verify", "verify" },
		                                { "conut", "count" },      { "vocabularly", "vocabulary" } };
	(void)state;
	for (size_t i = 0; i < sizeof meant / sizeof meant[0]; i++) {
		const char *nearest = vita_nearest(meant[i][0], names, 4);
		assert_non_null(nearest);
		assert_string_equal(nearest, meant[i][1]);
	}
	assert_null(vita_nearest("temperature", names, 4));
	assert_null(vita_nearest("x", names, 4));
	assert_null(vita_nearest("", names, 4));
}

static void quotes_safely(void **state)
{
	char out[8];
	(void)state;
	assert_string_equal(vita_quotable(out, sizeof out, "a\033b\n"), "a?b?");
	assert_string_equal(vita_quotable(out, sizeof out, "1234567"), "1234567");
	assert_string_equal(vita_quotable(out, sizeof out, "12345678"), "1234...");
	assert_string_equal(vita_quotable(out, sizeof out, "\xc3\xa4\xff\xc3"), "\xc3\xa4??");
	assert_string_equal(vita_quotable(out, sizeof out, "123\xc3\xa4\xc3\xa4\xc3\xa4"),
	                    "123..."); /* no half letters */
	assert_string_equal(vita_quotable(out, sizeof out,
	                                  "\xc2\x9b"
	                                  "2J"),
	                    "?2J"); /* what some terminals obey */
	assert_string_equal(vita_quotable(out, 2, "123"), "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_sections_and_values, setup, teardown),
		cmocka_unit_test_setup_teardown(bears_what_editors_do, setup, teardown),
		cmocka_unit_test_setup_teardown(later_values_win, setup, teardown),
		cmocka_unit_test_setup_teardown(indented_lines_are_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lines_stay_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_what_is_no_ini, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_unreadable_files, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_read_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_standard_input, setup, teardown),
		cmocka_unit_test_setup_teardown(names_the_nearest_key, setup, teardown),
		cmocka_unit_test_setup_teardown(checks_values, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_overrides, setup, teardown),
		cmocka_unit_test(resolves_paths),
		cmocka_unit_test(converts_in_any_locale),
		cmocka_unit_test(converts_lists_and_words),
		cmocka_unit_test(own_keys_are_described),
		cmocka_unit_test(knows_what_was_meant),
		cmocka_unit_test(quotes_safely),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
