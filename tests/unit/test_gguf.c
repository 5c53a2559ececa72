/* SPDX-License-Identifier: MIT
 *
 * GGUF files: tensors and settings under the names that Hugging Face uses, and a sentence for every file that
 * is damaged or hostile.
 */
#include <vita/model.h>

#include "files/gguf.h"
#include "files/gguf_names.h"
#include "gguf_support.h"

#include <math.h>

static vita_model *open_file(const char *path)
{
	vita_error err;
	vita_model *model = NULL;
	assert_ok(vita_model_open(path, VITA_MODEL_WANT_CONFIG | VITA_MODEL_WANT_TENSORS, &model, &err),
	          &err);
	return model;
}

static void expect_refusal(sink *s, vita_status status, const char *sentence)
{
	const char *path = in_scratch("hostile.gguf");
	vita_error err;
	vita_model *model;
	put_sink(path, s);
	assert_failure(vita_model_open(path, 0, &model, &err), status, &err, sentence);
	assert_non_null(strstr(err.message, "hostile.gguf"));
	assert_null(model);
}

/* ---- a good file ---------------------------------------------------------------------------------- */

static void put_settings(sink *s, const char *architecture)
{
	char key[64];
	static const struct {
		const char *key;
		uint32_t value;
	} numbers[] = {
		{ "block_count", 5 },
		{ "nextn_predict_layers", 2 },
		{ "context_length", 4096 },
		{ "embedding_length", 64 },
		{ "feed_forward_length", 96 },
		{ "attention.head_count", 4 },
		{ "attention.head_count_kv", 2 },
	};
	put_text_value(s, "general.architecture", architecture);
	for (size_t i = 0; i < 7; i++) {
		(void)snprintf(key, sizeof key, "%s.%s", architecture, numbers[i].key);
		put_u32(s, key, numbers[i].value);
	}
	(void)snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", architecture);
	put_f32(s, key, 1e-6f);
	(void)snprintf(key, sizeof key, "%s.rope.freq_base", architecture);
	put_f32(s, key, 1e6f);
}

#define N_SETTINGS 10

static void put_good(const char *path, const char *architecture)
{
	sink s = { 0 };
	put_head(&s, 3, 9, N_SETTINGS + 3);
	put_settings(&s, architecture);
	put_u32(&s, "tokenizer.ggml.eos_token_id", 7);
	put_u32(&s, "tokenizer.ggml.eot_token_id", 9);
	put_f32(&s, "general.sampling.penalty_repeat", 1.05f);
	put_tensor(&s, "token_embd.weight", 2, 64, 10, 8, 0);    /* Q8_0: 20 blocks of 34 bytes */
	put_tensor(&s, "blk.0.attn_q.weight", 2, 64, 2, 0, 704); /* F32: 512 bytes */
	put_tensor(&s, "blk.0.attn_q.bias", 1, 2, 0, 30, 1216);  /* BF16 */
	put_tensor(&s, "blk.4.ffn_norm.weight", 1, 2, 0, 0, 1248);
	put_tensor(&s, "blk.3.nextn.eh_proj.weight", 2, 4, 2, 1, 1280); /* F16 */
	put_tensor(&s, "blk.4.nextn.enorm.weight", 1, 2, 0, 0, 1312);
	put_tensor(&s, "blk.2.nextn.hnorm.weight", 1, 2, 0, 0, 1344); /* no layer of a head */
	put_tensor(&s, "blk.1.ffn_up.weight", 2, 256, 1, 13, 1376);   /* Q5_K: 176 bytes */
	put_tensor(&s, "something", 2, 3, 2, 77, 1568);
	put_data(&s, 1600);
	put_sink(path, &s);
}

static int64_t get_int(const vita_model *model, uint32_t file, const char *key)
{
	int64_t value = -1;
	vita_error err;
	assert_ok(vita_model_get_int(model, file, key, INT64_MIN, INT64_MAX, &value, &err), &err);
	return value;
}

static double get_float(const vita_model *model, uint32_t file, const char *key)
{
	double value = NAN;
	vita_error err;
	assert_ok(vita_model_get_float(model, file, key, &value, &err), &err);
	return value;
}

static void test_settings(void **state)
{
	const char *path = in_scratch("good.gguf"), *text;
	int64_t ids[4];
	uint32_t n;
	int32_t flag = -1;
	vita_error err;
	(void)state;
	put_good(path, "qwen2");
	vita_model *model = open_file(path);
	assert_ok(vita_model_get_string(model, VITA_CONFIG_MODEL, "model_type", &text, &err), &err);
	assert_string_equal(text, "qwen2_mtp");
	assert_ok(vita_model_get_list_string(model, VITA_CONFIG_MODEL, "architectures", 0, &text, &err),
	          &err);
	assert_string_equal(text, "Qwen2MTPForCausalLM");
	assert_int_equal(get_int(model, VITA_CONFIG_MODEL, "num_hidden_layers"), 5);
	assert_int_equal(get_int(model, VITA_CONFIG_MODEL, "num_nextn_predict_layers"), 2);
	assert_int_equal(get_int(model, VITA_CONFIG_MODEL, "max_position_embeddings"), 4096);
	assert_int_equal(get_int(model, VITA_CONFIG_MODEL, "hidden_size"), 64);
	assert_int_equal(get_int(model, VITA_CONFIG_MODEL, "intermediate_size"), 96);
	assert_int_equal(get_int(model, VITA_CONFIG_MODEL, "num_attention_heads"), 4);
	assert_int_equal(get_int(model, VITA_CONFIG_MODEL, "num_key_value_heads"), 2);
	assert_int_equal(get_int(model, VITA_CONFIG_MODEL, "vocab_size"), 10);
	assert_true(get_float(model, VITA_CONFIG_MODEL, "rms_norm_eps") == 1e-6);
	assert_true(get_float(model, VITA_CONFIG_MODEL, "rope_theta") == 1e6);
	assert_ok(vita_model_get_bool(model, VITA_CONFIG_MODEL, "tie_word_embeddings", &flag, &err), &err);
	assert_int_equal(flag, 1);
	assert_int_equal(vita_model_get_bool(model, VITA_CONFIG_MODEL, "rope_interleave", &flag, &err),
	                 VITA_E_NOTFOUND);
	assert_true(get_float(model, VITA_CONFIG_GENERATION, "repetition_penalty") == 1.05);
	assert_ok(vita_model_get_ints(model, VITA_CONFIG_GENERATION, "eos_token_id", ids, 4, &n, &err), &err);
	assert_int_equal(n, 2);
	assert_int_equal(ids[0], 7);
	assert_int_equal(ids[1], 9);
	vita_model_close(model);
}

static void expect_tensor(const vita_model *model, const char *name, uint32_t dtype, int64_t a, int64_t b,
                          int first)
{
	vita_error err;
	vita_array array;
	const int64_t shape[2] = { a, b };
	assert_ok(vita_model_tensor(model, name, b ? 2 : 1, shape, &array, &err), &err);
	assert_int_equal(array.dtype, dtype);
	assert_string_equal(array.name, name);
	assert_int_equal(((const unsigned char *)array.data)[0], first & 255);
}

static void test_tensors(void **state)
{
	const char *path = in_scratch("good.gguf");
	vita_error err;
	vita_array array;
	vita_tensor_info info;
	(void)state;
	put_good(path, "qwen2");
	vita_model *model = open_file(path);
	assert_int_equal(vita_model_n_tensors(model), 9);
	expect_tensor(model, "model.embed_tokens.weight", VITA_Q8_0, 10, 64, 0);
	expect_tensor(model, "model.layers.0.self_attn.q_proj.weight", VITA_F32, 2, 64, 704);
	expect_tensor(model, "model.layers.0.self_attn.q_proj.bias", VITA_BF16, 2, 0, 1216);
	expect_tensor(model, "model.layers.4.post_attention_layernorm.weight", VITA_F32, 2, 0, 1248);
	expect_tensor(model, "mtp_projs.0.weight", VITA_F16, 2, 4, 1280);
	expect_tensor(model, "mtp_embed_norms.1.weight", VITA_F32, 2, 0, 1312);
	expect_tensor(model, "blk.2.nextn.hnorm.weight", VITA_F32, 2, 0, 1344);
	assert_failure(vita_model_tensor(model, "model.layers.1.mlp.up_proj.weight", 0, NULL, &array, &err),
	               VITA_E_UNSUPPORTED, &err, "\"model.layers.1.mlp.up_proj.weight\" is of type Q5_K");
	assert_failure(vita_model_tensor(model, "something", 0, NULL, &array, &err), VITA_E_UNSUPPORTED, &err,
	               "is of type number 77");
	for (uint64_t i = 0; i < 9; i++) assert_ok(vita_model_tensor_describe(model, i, &info), &err);
	assert_string_equal(info.name, "something");
	assert_int_equal(info.shape[0], 2);
	assert_int_equal(info.size_bytes, 0);
	vita_model_close(model);
}

static void test_other_architectures(void **state)
{
	const char *path = in_scratch("other.gguf"), *text;
	int32_t flag = 0;
	vita_error err;
	(void)state;
	put_good(path, "llama");
	vita_model *model = open_file(path);
	assert_ok(vita_model_get_string(model, VITA_CONFIG_MODEL, "model_type", &text, &err), &err);
	assert_string_equal(text, "llama");
	assert_ok(vita_model_get_bool(model, VITA_CONFIG_MODEL, "rope_interleave", &flag, &err), &err);
	assert_int_equal(flag, 1);
	vita_model_close(model);
	put_good(path, "gizmo"); /* names stay as they are, and nobody mistakes it for what it is not */
	model = open_file(path);
	assert_ok(vita_model_get_string(model, VITA_CONFIG_MODEL, "model_type", &text, &err), &err);
	assert_string_equal(text, "gizmo");
	expect_tensor(model, "token_embd.weight", VITA_Q8_0, 10, 64, 0);
	expect_tensor(model, "blk.3.nextn.eh_proj.weight", VITA_F16, 2, 4, 1280);
	vita_model_close(model);
}

/* The documents that this project's own files carry: standard keys win over config.json, and
 * generation_config.json wins over standard keys. */
static void test_documents(void **state)
{
	const char *path = in_scratch("documents.gguf"), *text;
	sink s = { 0 };
	int64_t ids[4], schedule[4];
	uint32_t n;
	vita_error err;
	(void)state;
	put_head(&s, 2, 1, N_SETTINGS + 3);
	put_settings(&s, "qwen2");
	put_text_value(&s, "vita.config",
	               "{\"model_type\":\"qwen2_mtp_sensevoice\",\"hidden_size\":1,\"extra\":{\"a\":5},"
	               "\"tie_word_embeddings\":true,\"rope_interleave\":true}");
	put_text_value(&s, "vita.generation_config",
	               "{\"eos_token_id\":[4,5],\"mtp_inference_mode\":[1,10]}");
	put_u32(&s, "tokenizer.ggml.eos_token_id", 4);
	put_tensor(&s, "output.weight", 2, 2, 2, 0, 0);
	put_data(&s, 16);
	put_sink(path, &s);
	vita_model *model = open_file(path);
	assert_ok(vita_model_get_string(model, VITA_CONFIG_MODEL, "model_type", &text, &err), &err);
	assert_string_equal(text, "qwen2_mtp_sensevoice");
	assert_int_equal(get_int(model, VITA_CONFIG_MODEL, "hidden_size"), 64);
	assert_int_equal(get_int(model, VITA_CONFIG_MODEL, "extra.a"), 5);
	int32_t flag = 0;
	assert_int_equal(vita_model_get_bool(model, VITA_CONFIG_MODEL, "rope_interleave", &flag, &err),
	                 VITA_E_NOTFOUND);
	assert_ok(vita_model_get_bool(model, VITA_CONFIG_MODEL, "tie_word_embeddings", &flag, &err), &err);
	assert_int_equal(flag, 1);
	assert_ok(vita_model_get_ints(model, VITA_CONFIG_GENERATION, "eos_token_id", ids, 4, &n, &err), &err);
	assert_int_equal(n, 2);
	assert_ok(vita_model_get_ints(model, VITA_CONFIG_GENERATION, "mtp_inference_mode", schedule, 4, &n,
	                              &err),
	          &err);
	assert_int_equal(schedule[1], 10);
	vita_model_close(model);
}

static void test_rope_scaling(void **state)
{
	const char *path = in_scratch("rope.gguf"), *text;
	sink s = { 0 };
	vita_error err;
	(void)state;
	put_head(&s, 3, 0, N_SETTINGS + 4);
	put_settings(&s, "llama");
	put_text_value(&s, "llama.rope.scaling.type", "linear");
	put_f32(&s, "llama.rope.scaling.factor", 2.5f);
	put_u32(&s, "llama.rope.dimension_count", 8);
	put_u32(&s, "llama.vocab_size", 10);
	put_sink(path, &s);
	vita_model *model;
	assert_ok(vita_model_open(path, VITA_MODEL_WANT_CONFIG, &model, &err), &err);
	assert_ok(vita_model_get_string(model, VITA_CONFIG_MODEL, "rope_scaling.rope_type", &text, &err),
	          &err);
	assert_string_equal(text, "linear");
	assert_true(get_float(model, VITA_CONFIG_MODEL, "rope_scaling.factor") == 2.5);
	assert_true(get_float(model, VITA_CONFIG_MODEL, "partial_rotary_factor") == 0.5);
	vita_model_close(model);
	assert_failure(vita_model_open(path, VITA_MODEL_WANT_TENSORS, &model, &err), VITA_E_FORMAT, &err,
	               "holds no tensors");
}

static void expect_metadata(const vita_model *model, uint64_t index, const char *key, const char *text)
{
	vita_metadata metadata;
	assert_int_equal(vita_model_metadata_at(model, index, &metadata), VITA_OK);
	assert_string_equal(metadata.key, key);
	assert_string_equal(metadata.text, text);
}

static void test_metadata(void **state)
{
	const char *path = in_scratch("metadata.gguf");
	const char *const five[] = { "a", "b\n", "c", "d", "e" };
	sink s = { 0 };
	vita_metadata metadata;
	(void)state;
	put_head(&s, 3, 0, 9);
	put_texts(&s, "h.texts", five, 5);
	put_list(&s, "g.lists", 9, 2);
	put_number(&s, 4, 4), put_number(&s, 1, 8), put_number(&s, 7, 4);
	put_number(&s, 8, 4), put_number(&s, 1, 8), put_string(&s, "x");
	put_key(&s, "f.bool", 7), put_number(&s, 1, 1);
	put_key(&s, "e.huge", 10), put_number(&s, UINT64_MAX, 8);
	put_key(&s, "d.negative", 1), put_number(&s, 0xff, 1);
	put_key(&s, "c.short", 3), put_number(&s, 0x8000, 2);
	put_key(&s, "b.double", 12), put_number(&s, 0x3ff8000000000000u, 8);
	put_f32(&s, "a.float", 1e-5f);
	put_key(&s, "i.nul", 8), put_number(&s, 3, 8), put_bytes(&s, "a\0b", 3);
	put_sink(path, &s);
	vita_error err;
	vita_model *model;
	assert_ok(vita_model_open(path, 0, &model, &err), &err);
	assert_int_equal(vita_model_n_metadata(model), 9);
	expect_metadata(model, 0, "a.float", "1e-05");
	expect_metadata(model, 1, "b.double", "1.5");
	expect_metadata(model, 2, "c.short", "-32768");
	expect_metadata(model, 3, "d.negative", "-1");
	expect_metadata(model, 4, "e.huge", "18446744073709551615");
	expect_metadata(model, 5, "f.bool", "true");
	expect_metadata(model, 6, "g.lists", "2 lists");
	expect_metadata(model, 7, "h.texts", "[a, b?, c, d, ... 5 in all]");
	expect_metadata(model, 8, "i.nul", "a b");
	assert_int_equal(vita_model_metadata_at(model, 9, &metadata), VITA_E_INVALID);
	vita_model_close(model);
}

static void test_names(void **state)
{
	static const char *const pairs[][2] = {
		{ "token_embd.weight", "model.embed_tokens.weight" },
		{ "output.weight", "lm_head.weight" },
		{ "output_norm.weight", "model.norm.weight" },
		{ "blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight" },
		{ "blk.10.attn_q.bias", "model.layers.10.self_attn.q_proj.bias" },
		{ "blk.1.attn_q_norm.weight", "model.layers.1.self_attn.q_norm.weight" },
		{ "blk.3.ffn_down.weight", "model.layers.3.mlp.down_proj.weight" },
		{ "blk.3.nextn.eh_proj.weight", "mtp_projs.0.weight" },
		{ "blk.4.nextn.hnorm.weight", "mtp_hidden_norms.1.weight" },
		/* Those that have no other name. */
		{ "blk.5.nextn.hnorm.weight", "blk.5.nextn.hnorm.weight" },
		{ "blk.00.attn_q.weight", "blk.00.attn_q.weight" },
		{ "blk.1.attn_q.scale", "blk.1.attn_q.scale" },
		{ "blk.9999999999.attn_q.weight", "blk.9999999999.attn_q.weight" },
		{ "blk..attn_q.weight", "blk..attn_q.weight" },
		{ "audio.blk.1", "audio.blk.1" },
		{ "mtp_projs.weight", "mtp_projs.weight" },
		{ "mtp_projs.2.weight", "mtp_projs.2.weight" },
		{ "", "" },
	};
	const vita_gguf_naming naming = { true, 3, 2 }, unknown = { false, 3, 2 };
	vita_gguf_name out;
	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		assert_string_equal(vita_gguf_name_to_hf(&naming, pairs[i][0], out), pairs[i][1]);
		assert_string_equal(vita_gguf_name_from_hf(&naming, pairs[i][1], out), pairs[i][0]);
		assert_string_equal(vita_gguf_name_to_hf(&unknown, pairs[i][0], out), pairs[i][0]);
		assert_string_equal(vita_gguf_name_from_hf(&unknown, pairs[i][1], out), pairs[i][1]);
	}
}

/* ---- bad files ------------------------------------------------------------------------------------ */

static void test_bad_heads(void **state)
{
	sink s = { 0 };
	(void)state;
	put_bytes(&s, "GGML", 4), put_number(&s, 0, 60);
	expect_refusal(&s, VITA_E_FORMAT, "does not begin with \"GGUF\"");
	expect_refusal(&s, VITA_E_FORMAT, "does not begin with \"GGUF\""); /* nothing at all */
	put_bytes(&s, "GGUF\3", 5);
	expect_refusal(&s, VITA_E_FORMAT, "ends within its first 8 bytes");
	put_head(&s, 1, 0, 0);
	expect_refusal(&s, VITA_E_UNSUPPORTED, "is a GGUF file of version 1; versions 2 and 3 can be read");
	put_head(&s, 0x03000000u, 0, 0);
	expect_refusal(&s, VITA_E_UNSUPPORTED, "big-endian");
	put_bytes(&s, "GGUF\3\0\0\0\1", 9);
	expect_refusal(&s, VITA_E_FORMAT, "ends within its first 24 bytes");
	put_head(&s, 3, 1, 0), put_number(&s, 0, 8);
	expect_refusal(&s, VITA_E_FORMAT, "claims 1 tensors, more than its 8 bytes can hold");
	put_head(&s, 3, UINT64_MAX, 0), put_data(&s, 640);
	expect_refusal(&s, VITA_E_FORMAT, "claims 18446744073709551615 tensors");
	put_head(&s, 3, 0, UINT64_C(1) << 61), put_data(&s, 640);
	expect_refusal(&s, VITA_E_FORMAT, "claims 2305843009213693952 metadata values");
}

static void expect_bad_value(const void *bytes, size_t size, const char *sentence)
{
	sink s = { 0 };
	put_head(&s, 3, 0, 1);
	put_string(&s, "key");
	put_bytes(&s, bytes, size);
	while (s.size < 80) put_number(&s, 0, 1); /* room enough for the claim of one value */
	expect_refusal(&s, VITA_E_FORMAT, sentence);
}

static void test_bad_values(void **state)
{
	sink s = { 0 };
	(void)state;
	expect_bad_value("\15\0\0\0", 4, "metadata \"key\" is of a type that is not known");
	expect_bad_value("\10\0\0\0\377\377\377\377\377\377\377\377", 12, "\"key\" goes on beyond the end");
	expect_bad_value("\10\0\0\0\377\0\0\0\0\0\0\0", 12, "\"key\" goes on beyond the end");
	expect_bad_value("\11\0\0\0\4\0\0\0\377\377\377\377\377\377\377\77", 16,
	                 "\"key\" goes on beyond the end");
	expect_bad_value("\11\0\0\0\4\0\0\0\0\0\0\0\0\0\0\100", 16,
	                 "\"key\" goes on beyond the end"); /* × 4 = 0 */
	expect_bad_value("\11\0\0\0\10\0\0\0\377\377\377\377\377\377\377\377", 16,
	                 "\"key\" goes on beyond the end");
	expect_bad_value("\11\0\0\0\77\0\0\0\1\0\0\0\0\0\0\0", 16,
	                 "\"key\" holds items of a type that is not known");
	put_head(&s, 3, 0, 1), put_string(&s, "deep"), put_number(&s, 9, 4);
	for (int i = 0; i < 100; i++) put_number(&s, 9, 4), put_number(&s, 1, 8);
	expect_refusal(&s, VITA_E_FORMAT, "\"deep\" holds lists in lists in lists, too deep");
	put_head(&s, 3, 0, 2), put_u32(&s, "same", 1), put_u32(&s, "same", 1);
	expect_refusal(&s, VITA_E_FORMAT, "gives metadata \"same\" twice");
	put_head(&s, 3, 0, 1), put_number(&s, 3, 8), put_bytes(&s, "a\0b", 3), put_data(&s, 64);
	expect_refusal(&s, VITA_E_FORMAT, "the key of a metadata value is no UTF-8 text without NULs");
	put_head(&s, 3, 0, 1), put_u32(&s, "\xff", 1), put_data(&s, 64);
	expect_refusal(&s, VITA_E_FORMAT, "the key of a metadata value is no UTF-8 text without NULs");
}

static void test_bad_settings(void **state)
{
	sink s = { 0 };
	(void)state;
	put_head(&s, 3, 0, 1), put_u32(&s, "general.alignment", 24);
	expect_refusal(&s, VITA_E_FORMAT, "general.alignment must be a power of two");
	put_head(&s, 3, 0, 1), put_u32(&s, "general.alignment", 0);
	expect_refusal(&s, VITA_E_FORMAT, "general.alignment must be a power of two");
	put_head(&s, 3, 0, 1), put_u32(&s, "general.architecture", 5);
	expect_refusal(&s, VITA_E_FORMAT, "metadata \"general.architecture\" must be a UTF-8 text");
	put_head(&s, 3, 0, 2), put_text_value(&s, "general.architecture", "llama"),
		put_text_value(&s, "llama.block_count", "many");
	expect_refusal(&s, VITA_E_FORMAT, "metadata \"llama.block_count\" must be an integer");
	put_head(&s, 3, 0, 2), put_text_value(&s, "general.architecture", "llama"),
		put_key(&s, "llama.block_count", 10), put_number(&s, UINT64_MAX, 8);
	expect_refusal(&s, VITA_E_FORMAT, "metadata \"llama.block_count\" must be an integer");
	put_head(&s, 3, 0, 1), put_text_value(&s, "vita.config", "[1]");
	expect_refusal(&s, VITA_E_FORMAT, "metadata \"vita.config\": must hold a JSON object, but is a list");
	put_head(&s, 3, 0, 1), put_text_value(&s, "vita.config", "{\"a\":");
	expect_refusal(&s, VITA_E_FORMAT, "metadata \"vita.config\":1: the JSON ends too early");
	put_head(&s, 3, 0, 1), put_u32(&s, "split.count", 3);
	expect_refusal(&s, VITA_E_UNSUPPORTED, "is one of 3 parts of a model");
}

static void expect_bad_tensor(uint32_t rank, uint64_t a, uint64_t b, uint32_t type, uint64_t offset,
                              const char *sentence)
{
	sink s = { 0 };
	put_head(&s, 3, 1, 0);
	put_tensor(&s, "w", rank, a, b, type, offset);
	put_data(&s, 64);
	expect_refusal(&s, VITA_E_FORMAT, sentence);
}

static void test_bad_tensors(void **state)
{
	sink s = { 0 };
	(void)state;
	expect_bad_tensor(UINT32_MAX, 1, 1, 0, 0, "tensor \"w\": has more dimensions");
	expect_bad_tensor(2, UINT64_C(1) << 32, UINT64_C(1) << 32, 0, 0,
	                  "the product of its shape is too large");
	expect_bad_tensor(1, UINT64_C(1) << 63, 0, 0, 0, "the product of its shape is too large");
	expect_bad_tensor(1, UINT64_C(1) << 62, 0, 0, 0, "the product of its shape is too large");
	expect_bad_tensor(1, 17, 0, 0, 0,
	                  "has 68 bytes from byte 0 of the data on, but the file has only 64");
	expect_bad_tensor(1, 9, 0, 0, 32, "has 36 bytes from byte 32 of the data on");
	expect_bad_tensor(1, 1, 0, 0, 4,
	                  "begins at byte 4 of the data, which is no multiple of the alignment 32");
	expect_bad_tensor(1, 1, 0, 0, UINT64_MAX - 31, "from byte 18446744073709551584 of the data on");
	expect_bad_tensor(2, 16, 2, 8, 0, "its rows are no whole number of its type's blocks");
	expect_bad_tensor(0, 0, 0, 8, 0, "its rows are no whole number of its type's blocks");
	put_head(&s, 3, 2, 0), put_tensor(&s, "a", 1, 9, 0, 0, 0), put_tensor(&s, "b", 1, 1, 0, 0, 32),
		put_data(&s, 64);
	expect_refusal(&s, VITA_E_FORMAT, "tensors \"a\" and \"b\" lie over each other");
	put_head(&s, 3, 2, 0), put_tensor(&s, "a", 1, 1, 0, 0, 0), put_tensor(&s, "a", 1, 1, 0, 0, 32),
		put_data(&s, 64);
	expect_refusal(&s, VITA_E_FORMAT, "has two tensors named \"a\"");
	put_head(&s, 3, 1, 0), put_tensor(&s, "a", 1, 1, 0, 0, 0);
	expect_refusal(&s, VITA_E_FORMAT, "ends within the padding");
	put_head(&s, 3, 3, 1), put_text_value(&s, "general.architecture", "llama");
	put_tensor(&s, "blk.0.attn_q.weight", 1, 1, 0, 0, 0);
	put_tensor(&s, "model.layers.0.self_attn.q_proj.weight", 1, 1, 0, 0, 32),
		put_tensor(&s, "c", 1, 1, 0, 0, 64);
	put_data(&s, 96);
	expect_refusal(&s, VITA_E_FORMAT, "has two tensors \"model.layers.0.self_attn.q_proj.weight\"");
}

static void test_vocabulary_too_large(void **state)
{
	static const char *const tokens[] = { "a", "b", "c" };
	sink s = { 0 };
	(void)state;
	put_head(&s, 3, 1, 2), put_text_value(&s, "general.architecture", "llama");
	put_texts(&s, "tokenizer.ggml.tokens", tokens, 3);
	put_tensor(&s, "token_embd.weight", 2, 4, 2, 0, 0), put_data(&s, 32);
	expect_refusal(&s, VITA_E_FORMAT,
	               "has a vocabulary of 3 tokens, but token_embd.weight has rows for only 2");
}

/* Cut off anywhere, the file is refused or, behind the last tensor's data, whole. */
static void test_truncation(void **state)
{
	const char *whole = in_scratch("whole.gguf"), *cut = in_scratch("cut.gguf");
	size_t size;
	vita_error err;
	vita_model *model;
	(void)state;
	put_good(whole, "qwen2");
	char *bytes = get_file(whole, &size);
	for (size_t n = 0; n < size; n += n < 1200 ? 1 : 7) {
		put_file(cut, bytes, n);
		vita_status status = vita_model_open(cut, 0, &model, &err);
		if (status == VITA_OK) assert_true(n + 32 >= size);
		else assert_int_equal(status, VITA_E_FORMAT);
		vita_model_close(model);
	}
	free(bytes);
}

static void test_in_a_directory(void **state)
{
	char path[1024];
	vita_error err;
	vita_model *model;
	(void)state;
	(void)snprintf(path, sizeof path, "%s/model", scratch);
	assert_int_equal(mkdir(path, 0700), 0);
	put_good(in_scratch("model/model.safetensors"), "qwen2");
	assert_failure(vita_model_open(path, 0, &model, &err), VITA_E_FORMAT, &err, "name the file itself");
	assert_int_equal(rename(in_scratch("model/model.safetensors"), in_scratch("model/model.gguf")), 0);
	assert_int_equal(vita_model_open(path, VITA_MODEL_WANT_CONFIG | VITA_MODEL_WANT_TENSORS, &model, &err), VITA_OK);
	vita_model_close(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_settings, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_tensors, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_other_architectures, setup_directory,
		                                teardown_directory),
		cmocka_unit_test_setup_teardown(test_documents, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_rope_scaling, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_metadata, setup_directory, teardown_directory),
		cmocka_unit_test(test_names),
		cmocka_unit_test_setup_teardown(test_bad_heads, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_bad_values, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_bad_settings, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_bad_tensors, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_vocabulary_too_large, setup_directory,
		                                teardown_directory),
		cmocka_unit_test_setup_teardown(test_truncation, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_in_a_directory, setup_directory, teardown_directory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
