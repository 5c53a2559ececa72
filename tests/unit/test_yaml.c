/* SPDX-License-Identifier: MIT
 *
 * YAML settings: values, tags that build nothing, and refusals.
 */
#include "files/yaml.h"
#include "files_support.h"
#include "unit.h"

#include <vita/model.h>

static json_t *parse(const char *text)
{
	vita_error err;
	json_t *root = NULL;
	assert_ok(vita_yaml_parse(text, strlen(text), "a.yaml", &root, &err), &err);
	return root;
}

static void assert_refused(const char *text, const char *says)
{
	vita_error err;
	json_t *root;
	vita_status status = vita_yaml_parse(text, strlen(text), "a.yaml", &root, &err);
	if (status != VITA_E_FORMAT || root || !strstr(err.message, says))
		fail_msg("status %d, \"%s\" instead of \"%s\"", (int)status, status ? err.message : "", says);
}

static void assert_json(const char *yaml, const char *json)
{
	json_t *found = parse(yaml), *expected = json_loads(json, 0, NULL);
	assert_non_null(expected);
	if (!json_equal(found, expected)) fail_msg("%s became %s instead of %s", yaml, json_dumps(found, 0), json);
	json_decref(found);
	json_decref(expected);
}

static void test_scalars(void **state)
{
	(void)state;
	assert_json("a: 1\nb: -2.5\nc: 1e-06\nd: text\ne: '1'\nf: \"true\"\ng: true\nh: False\ni: null\nj:\nk: ~\nl: 1.2.3\nm: 12abc\n",
	            "{\"a\":1,\"b\":-2.5,\"c\":1e-06,\"d\":\"text\",\"e\":\"1\",\"f\":\"true\",\"g\":true,\"h\":false,\"i\":null,"
	            "\"j\":null,\"k\":null,\"l\":\"1.2.3\",\"m\":\"12abc\"}");
	assert_json("a: [1, [2, x], {y: 3}]\nb:\n  - p\n  - q: r\n", "{\"a\":[1,[2,\"x\"],{\"y\":3}],\"b\":[\"p\",{\"q\":\"r\"}]}");
	assert_json("a: 99999999999999999999\nb: !!str 7\nc: .nan\nd: '-'\n",
	            "{\"a\":1e20,\"b\":\"7\",\"c\":\".nan\",\"d\":\"-\"}");
}

static void test_any_locale(void **state)
{
	(void)state;
	unit_comma_locale();
	assert_json("a: -2.5\nb: 1e-06\nc: 0,5\n", "{\"a\":-2.5,\"b\":1e-06,\"c\":\"0,5\"}");
	(void)setlocale(LC_ALL, "C");
}

static void test_tags(void **state)
{
	(void)state;
	assert_json("rate: 22050\nuse: !new:pkg.Class\n    rate: !ref <rate>\n    n: [!ref <rate>, 1]\n",
	            "{\"rate\":22050,\"use\":{\"!new\":\"pkg.Class\",\"rate\":22050,\"n\":[22050,1]}}");
	assert_json("later: !ref <rate>\nrate: 16000\nsum: !ref <rate> * 2\npart: !ref <a[b]>\n",
	            "{\"later\":16000,\"rate\":16000,\"sum\":\"<rate> * 2\",\"part\":\"<a[b]>\"}");
	assert_json("seed: !apply:random.seed [1986]\nf: !name:torch.nn.LSTM\n    size: 2\ng: !!python/object/apply:os.system [ls]\n",
	            "{\"seed\":[1986],\"f\":{\"!name\":\"torch.nn.LSTM\",\"size\":2},\"g\":[\"ls\"]}");
}

static void test_refusals(void **state)
{
	char deep[400];
	(void)state;
	assert_refused("", "must hold a mapping");
	assert_refused("- 1\n", "must hold a mapping");
	assert_refused("a: 1\na: 2\n", "a.yaml:2: \"a\" is there twice");
	assert_refused("a: &x 1\nb: *x\n", "aliases");
	assert_refused("a: !ref <b>\n", "a.yaml:1: !ref <b>");
	assert_refused("a: !ref <a>\n", "!ref <a>");
	assert_refused("b: [1]\na: !ref <b>\n", "!ref <b>");
	assert_refused("a: {!ref <b>: 1}\nb: [", "is not valid YAML");
	assert_refused("[1]: 2\n", "a key must be a text");
	assert_refused("a: \"x\\0y\"\n", "NUL");
	assert_refused("a: b: c\n", "is not valid YAML");
	memset(deep, '[', sizeof deep - 1);
	memcpy(deep, "a: ", 3);
	deep[sizeof deep - 1] = '\0';
	assert_refused(deep, "nested more than 64 deep");
}

/* As a directory's document: values through the getters, and failures only where somebody asks. */
static void test_document(void **state)
{
	static const char text[] = "flow: !new:a.B\n  rate: 12.5\n  blocks: [1, 2]\n  lists: [[3, 4, 5], [6]]\n", broken[] = "a: [\n";
	vita_error err;
	vita_model *model;
	double rate = 0;
	int64_t blocks[4], number;
	uint32_t n = 0;
	const char *class = NULL;
	(void)state;
	put_file(in_scratch("config.yaml"), text, sizeof text - 1);
	assert_ok(vita_model_open(scratch, 0, &model, &err), &err);
	assert_ok(vita_model_get_float(model, VITA_CONFIG_YAML, "flow.rate", &rate, &err), &err);
	assert_true(rate == 12.5);
	assert_ok(vita_model_get_string(model, VITA_CONFIG_YAML, "flow.!new", &class, &err), &err);
	assert_string_equal(class, "a.B");
	assert_ok(vita_model_get_ints(model, VITA_CONFIG_YAML, "flow.blocks", blocks, 4, &n, &err), &err);
	assert_int_equal(n, 2);
	assert_ok(vita_model_get_ints(model, VITA_CONFIG_YAML, "flow.lists.0", blocks, 4, &n, &err), &err);
	assert_int_equal(n, 3);
	assert_ok(vita_model_get_int(model, VITA_CONFIG_YAML, "flow.lists.1.0", 0, 9, &number, &err), &err);
	assert_int_equal(number, 6);
	assert_int_equal(vita_model_get_int(model, VITA_CONFIG_YAML, "flow.lists.2", 0, 9, &number, &err), VITA_E_NOTFOUND);
	assert_int_equal(vita_model_get_int(model, VITA_CONFIG_YAML, "flow.lists.-1", 0, 9, &number, &err), VITA_E_NOTFOUND);
	assert_int_equal(vita_model_get_int(model, VITA_CONFIG_YAML, "flow.absent", 0, 9, &number, &err), VITA_E_NOTFOUND);
	vita_model_close(model);

	put_file(in_scratch("config.yaml"), broken, sizeof broken - 1);
	assert_ok(vita_model_open(scratch, 0, &model, &err), &err);
	assert_int_equal(vita_model_get_int(model, VITA_CONFIG_YAML, "a", 0, 9, &number, &err), VITA_E_FORMAT);
	assert_non_null(strstr(err.message, "config.yaml:2: is not valid YAML"));
	vita_model_close(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_any_locale),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test_setup_teardown(test_document, setup_directory, teardown_directory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
