/* SPDX-License-Identifier: MIT
 *
 * Which checkpoints qwen2 and mctp take, and what they say of those that they cannot: tensors that are missing
 * or of another shape, settings that are absurd or contradict each other, models of other kinds.
 */
#include "lm_random.h"
#include "lm_setup.h"

#define VOCAB 70

static const lm_options llm_only = { NULL, 0, 1 };
static const lm_shape plain = { "qwen2", VOCAB, 32, 24, 4, 2, 8, 2, 0, 0, 1, 0, "" };
static const lm_shape with_heads = { "qwen2_mtp", 90, 24, 40, 6, 2, 8, 2, 4, 0, 1, 0, "" };

static void expect_refused(const char *path, const lm_options *options, vita_status expected,
                           const char *words)
{
	vita_error err = { 0 };
	lm m;
	vita_status status = lm_open(&m, path, options, &err);
	if (status != expected || !strstr(err.message, words))
		fail_msg("status %d instead of %d, \"%s\" does not say \"%s\"", status, expected, err.message,
		         words);
}

static void test_bad_tensors(void **state)
{
	static const char *const names[] = {
		"model.embed_tokens.weight",
		"model.norm.weight",
		"lm_head.weight",
		"model.layers.1.self_attn.k_proj.weight",
		"model.layers.0.self_attn.v_proj.bias",
		"model.layers.1.mlp.down_proj.weight",
		"model.layers.0.post_attention_layernorm.weight",
	};
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char *path = lm_random_write(&plain, 3, names[i], NULL);
		expect_refused(path, &llm_only, VITA_E_NOTFOUND, names[i]);
		lm_random_remove(path);
		path = lm_random_write(&plain, 3, NULL, names[i]);
		expect_refused(path, &llm_only, VITA_E_SHAPE, names[i]);
		lm_random_remove(path);
	}
}

static void test_bad_configs(void **state)
{
	static const struct {
		const char *members; /* beside model_type and the sizes that the weights have */
		vita_status status;
		const char *words;
	} cases[] = {
		{ "\"num_attention_heads\": 0", VITA_E_FORMAT, "num_attention_heads" },
		{ "\"num_attention_heads\": 2147483648", VITA_E_FORMAT, "num_attention_heads" },
		{ "\"num_attention_heads\": \"four\"", VITA_E_FORMAT, "num_attention_heads" },
		{ "\"num_attention_heads\": 5", VITA_E_FORMAT, "not a multiple" },
		{ "\"num_attention_heads\": 3, \"head_dim\": 8", VITA_E_FORMAT, "num_key_value_heads" },
		{ "\"num_attention_heads\": 8, \"head_dim\": 8", VITA_E_SHAPE, "q_proj" },
		{ "\"num_attention_heads\": 4, \"head_dim\": 7", VITA_E_FORMAT, "even" },
		{ "\"num_attention_heads\": 4, \"num_hidden_layers\": 0", VITA_E_FORMAT,
		  "num_hidden_layers" },
		{ "\"num_attention_heads\": 4, \"num_hidden_layers\": 1e30", VITA_E_FORMAT,
		  "num_hidden_layers" },
		{ "\"num_attention_heads\": 4, \"num_hidden_layers\": 3", VITA_E_NOTFOUND,
		  "model.layers.2." },
		{ "\"num_attention_heads\": 4, \"num_nextn_predict_layers\": 2", VITA_E_FORMAT,
		  "num_nextn_predict_layers" },
		{ "\"num_attention_heads\": 4, \"hidden_size\": -32", VITA_E_FORMAT, "hidden_size" },
		{ "\"num_attention_heads\": 4, \"hidden_size\": 64", VITA_E_SHAPE,
		  "model.embed_tokens.weight" },
		{ "\"num_attention_heads\": 4, \"vocab_size\": 71", VITA_E_SHAPE,
		  "model.embed_tokens.weight" },
		{ "\"num_attention_heads\": 4, \"rms_norm_eps\": -1", VITA_E_FORMAT, "rms_norm_eps" },
		{ "\"num_attention_heads\": 4, \"rope_theta\": 0", VITA_E_FORMAT, "rope_theta" },
		{ "\"num_attention_heads\": 4, \"hidden_act\": \"gelu\"", VITA_E_UNSUPPORTED, "hidden_act" },
		{ "\"num_attention_heads\": 4, \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4}",
		  VITA_E_UNSUPPORTED, "yarn" },
		{ "\"num_attention_heads\": 4, "
		  "\"rope_scaling\": {\"rope_type\": \"llama3\", \"low_freq_factor\": 4}",
		  VITA_E_FORMAT, "high_freq_factor" },
	};
	(void)state;
	char *weights = lm_random_write(&plain, 12, NULL, NULL);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char config[1024];
		static const char *const keys[] = { "vocab_size", "hidden_size", "num_hidden_layers" };
		static const int sizes[] = { VOCAB, 32, 2 };
		int at = snprintf(config, sizeof config,
		                  "{\"model_type\": \"qwen2\", \"intermediate_size\": 24, "
		                  "\"num_key_value_heads\": 2, %s",
		                  cases[i].members);
		for (int k = 0; k < 3; k++)
			if (!strstr(cases[i].members, keys[k]))
				at += snprintf(config + at, sizeof config - (size_t)at, ", \"%s\": %d",
				               keys[k], sizes[k]);
		(void)snprintf(config + at, sizeof config - (size_t)at, "}");
		char *path = lm_random_config(weights, config);
		expect_refused(path, &llm_only, cases[i].status, cases[i].words);
		lm_random_remove(path);
	}
	/* A size that is left out has its family's default, which the sentence owns up to. */
	char *path = lm_random_config(weights, "{\"model_type\": \"qwen2\", \"num_attention_heads\": 4}");
	expect_refused(path, &llm_only, VITA_E_SHAPE, "config.json does not give hidden_size (4096)");
	lm_random_remove(path);
	path = lm_random_config(weights, "{\"model_type\": \"qwen3\", \"num_attention_heads\": 4, "
	                                 "\"num_key_value_heads\": 2, \"hidden_size\": 32, "
	                                 "\"intermediate_size\": 24, \"num_hidden_layers\": 2}");
	expect_refused(path, &llm_only, VITA_E_SHAPE, "config.json does not give head_dim (128)");
	lm_random_remove(path);
	path = lm_random_config(weights, "{\"model_type\": \"gemma\"}");
	expect_refused(path, &llm_only, VITA_E_UNSUPPORTED, "gemma");
	lm_random_remove(path);
	path = lm_random_config(weights, "{}");
	expect_refused(path, &llm_only, VITA_E_FORMAT, "model_type");
	lm_random_remove(path);
	lm_random_remove(weights);
}

/* How the plugins take to a model. */
static void check_match(const char *path, int32_t llm, int32_t head)
{
	const vita_factory *qwen2, *mctp;
	vita_context *context;
	vita_config *config;
	vita_model *model;
	vita_error err;
	lm_ok(vita_config_create(&config, &err), &err);
	lm_ok(vita_context_create(config, NULL, NULL, &context, &err), &err);
	lm_ok(vita_context_factory(context, "llm", "qwen2", &qwen2, &err), &err);
	lm_ok(vita_context_factory(context, "head", "mctp", &mctp, &err), &err);
	lm_ok(vita_model_open(path, VITA_MODEL_WANT_CONFIG | VITA_MODEL_WANT_TENSORS, &model, &err), &err);
	const vita_host *host = vita_context_host(context);
	assert_int_equal(((const vita_llm_api *)qwen2->api)->match(host, model) > 0, llm);
	assert_int_equal(((const vita_head_api *)mctp->api)->match(host, model) > 0, head);
	vita_model_close(model);
	vita_context_destroy(context);
	vita_config_destroy(config);
}

static void test_match(void **state)
{
	(void)state;
	char *path = lm_random_write(&plain, 3, NULL, NULL);
	char *other = lm_random_config(path, "{\"model_type\": \"gemma\"}");
	check_match(path, 1, 0);
	check_match(other, 0, 0);
	lm_random_remove(other);
	lm_random_remove(path);
	path = lm_random_write(&with_heads, 3, NULL, NULL);
	check_match(path, 1, 1);
	lm_random_remove(path);
}

/* Inside the window such models see what others do, so the context ends there. */
static void test_sliding_window(void **state)
{
	lm_shape shape = plain;
	static const char *const more[] = { "llm.context=100", NULL };
	const lm_options options = { more, 0, 1 };
	vita_error err;
	lm m;
	(void)state;
	shape.extra = ", \"use_sliding_window\": true, \"sliding_window\": 64";
	char *path = lm_random_write(&shape, 3, NULL, NULL);
	lm_ok(lm_open(&m, path, &llm_only, &err), &err);
	assert_int_equal(m.info.context, 64);
	lm_close(&m);
	expect_refused(path, &options, VITA_E_CONFIG, "sliding window of 64");
	lm_random_remove(path);
	shape.extra = ", \"use_sliding_window\": false, \"sliding_window\": 64";
	path = lm_random_write(&shape, 3, NULL, NULL);
	lm_ok(lm_open(&m, path, &options, &err), &err);
	assert_int_equal(m.info.context, 100);
	lm_close(&m);
	lm_random_remove(path);
}

static void test_bad_heads(void **state)
{
	static const char *const names[] = {
		"mtp_projs.2.weight",
		"mtp_embed_norms.0.weight",
		"mtp_hidden_norms.3.weight",
		"model.layers.5.mlp.up_proj.weight",
		"model.layers.2.self_attn.q_proj.bias",
	};
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		for (int misshapen = 0; misshapen < 2; misshapen++) {
			char *path = lm_random_write(&with_heads, 5, misshapen ? NULL : names[i],
			                             misshapen ? names[i] : NULL);
			vita_error err;
			lm m;
			vita_status status = lm_open(&m, path, NULL, &err);
			assert_int_equal(status, misshapen ? VITA_E_SHAPE : VITA_E_NOTFOUND);
			assert_non_null(strstr(err.message, names[i]));
			lm_random_remove(path);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_tensors), cmocka_unit_test(test_bad_configs),
		cmocka_unit_test(test_bad_heads),   cmocka_unit_test(test_match),
		cmocka_unit_test(test_sliding_window),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
