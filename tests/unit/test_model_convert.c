/* SPDX-License-Identifier: MIT
 *
 * Models in other formats and types: what comes back is what was put in, bit for bit where no type changes,
 * and vita_convert's bytes where one does.
 */
#include <vita/convert.h>
#include <vita/tokenizer.h>

#include "files_support.h"
#include "text_support.h"

#include "files/gguf.h"

#include <math.h>

static const char *golden_model(const char *name)
{
	static char path[1024];
	(void)snprintf(path, sizeof path, "%s/tests/golden/llm/%s", unit_srcdir(), name);
	return path;
}

static vita_model *open_model(const char *path)
{
	vita_error err;
	vita_model *model = NULL;
	assert_ok(vita_model_open(path, VITA_MODEL_WANT_TENSORS, &model, &err), &err);
	return model;
}

/* What the conversion said, one sentence a line. */
static char notes[4096];
static uint64_t last_done, last_total;

static void take_note(void *user, const char *text)
{
	assert_ptr_equal(user, notes);
	size_t n = strlen(notes);
	(void)snprintf(notes + n, sizeof notes - n, "%s\n", text);
}

static void take_progress(void *user, const char *tensor, uint64_t done, uint64_t total)
{
	assert_ptr_equal(user, notes);
	assert_non_null(tensor);
	assert_true(done >= last_done && done <= total);
	last_done = done;
	last_total = total;
}

static vita_status convert(const char *from, const char *to, uint32_t dtype, vita_error *err)
{
	vita_conversion how;
	vita_model *model = open_model(from);
	VITA_INIT(&how);
	how.dtype = dtype;
	how.user = notes;
	how.progress = take_progress;
	how.note = take_note;
	notes[0] = '\0';
	last_done = last_total = 0;
	vita_status status = vita_model_convert(model, to, &how, err);
	vita_model_close(model);
	return status;
}

static void assert_converts(const char *from, const char *to, uint32_t dtype)
{
	vita_error err;
	assert_ok(convert(from, to, dtype, &err), &err);
	assert_int_equal(last_done, last_total);
}

/* ---- there and back ------------------------------------------------------------------------------- */

static void assert_same_tensors(const char *path, const char *other_path)
{
	vita_model *model = open_model(path), *other = open_model(other_path);
	assert_int_equal(vita_model_n_tensors(model), vita_model_n_tensors(other));
	for (uint64_t i = 0; i < vita_model_n_tensors(model); i++) {
		vita_array a, b;
		assert_int_equal(vita_model_tensor_at(model, i, &a), VITA_OK);
		assert_int_equal(vita_model_tensor_at(other, i, &b), VITA_OK);
		assert_string_equal(a.name, b.name);
		assert_int_equal(a.dtype, b.dtype);
		assert_int_equal(a.rank, b.rank);
		assert_memory_equal(a.shape, b.shape, sizeof a.shape);
		assert_int_equal(a.size_bytes, b.size_bytes);
		assert_memory_equal(a.data, b.data, a.size_bytes);
	}
	vita_model_close(model);
	vita_model_close(other);
}

static void assert_same_json(const char *folder, const char *other, const char *name)
{
	char path[1200];
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	json_t *a = json_load_file(path, 0, NULL);
	(void)snprintf(path, sizeof path, "%s/%s", other, name);
	json_t *b = json_load_file(path, 0, NULL);
	assert_non_null(a);
	assert_non_null(b);
	assert_true(json_equal(a, b));
	json_decref(a);
	json_decref(b);
}

static void test_round_trip(void **state)
{
	static const char *const models[] = { "tiny", "tiny-tied", "tiny-bf16-sharded" };
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char folder[1024];
		const char *from = golden_model(models[i]), *gguf = in_scratch("m.gguf"),
			   *again = in_scratch("again.gguf");
		(void)snprintf(folder, sizeof folder, "%s/back-%s", scratch, models[i]);
		assert_converts(from, gguf, VITA_DTYPE_NONE);
		assert_non_null(strstr(notes, "no tokenizer"));
		assert_same_tensors(from, gguf);
		assert_converts(gguf, folder, VITA_DTYPE_NONE);
		assert_same_tensors(from, folder);
		assert_same_json(from, folder, "config.json");
		assert_same_json(from, folder, "generation_config.json");
		/* From a GGUF file to another one: nothing changes. */
		assert_converts(gguf, again, VITA_DTYPE_NONE);
		assert_same_tensors(from, again);
		assert_converts(folder, in_scratch("m.safetensors"), VITA_DTYPE_NONE);
		assert_same_tensors(from, in_scratch("m.safetensors"));
	}
}

/* What other programs look for, in the file itself. */
static void test_words_of_gguf(void **state)
{
	static const struct {
		const char *key;
		int64_t value;
	} numbers[] = {
		{ "qwen2.block_count", 6 },
		{ "qwen2.nextn_predict_layers", 3 },
		{ "qwen2.embedding_length", 64 },
		{ "qwen2.attention.head_count_kv", 2 },
		{ "qwen2.rope.dimension_count", 16 },
		{ "qwen2.vocab_size", 300 },
		{ "tokenizer.ggml.eos_token_id", 2 },
		{ "general.file_type", 7 },
		{ "general.quantization_version", 2 },
	};
	static const char *const names[] = { "token_embd.weight",        "output.weight",
		                             "output_norm.weight",       "blk.0.attn_q.bias",
		                             "blk.2.ffn_down.weight",    "blk.3.nextn.eh_proj.weight",
		                             "blk.5.nextn.hnorm.weight", "blk.5.attn_output.weight" };
	vita_map map;
	vita_gguf gguf;
	vita_gguf_text text;
	vita_error err;
	int64_t value = 0;
	(void)state;
	assert_converts(golden_model("tiny"), in_scratch("m.gguf"), VITA_Q8_0);
	assert_ok(vita_map_open(in_scratch("m.gguf"), &map, &err), &err);
	assert_ok(vita_gguf_open(&map, "m.gguf", &gguf, &err), &err);
	assert_int_equal(gguf.version, 3);
	assert_true(vita_gguf_string(vita_gguf_find(&gguf, "general.architecture"), &text));
	assert_memory_equal(text.data, "qwen2", 5);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		assert_non_null(vita_gguf_find(&gguf, numbers[i].key));
		assert_true(vita_gguf_int(vita_gguf_find(&gguf, numbers[i].key), &value));
		assert_int_equal(value, numbers[i].value);
	}
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const vita_gguf_tensor *t = vita_gguf_find_tensor(&gguf, names[i]);
		assert_non_null(t);
		assert_int_equal((t->data - map.data) % 32, 0);
		assert_int_equal(t->type, t->rank == 1 ? 0 : 8);
	}
	vita_gguf_close(&gguf);
	vita_map_close(&map);
}

/* ---- other types ---------------------------------------------------------------------------------- */

static void expect_bytes(const vita_array *from, const vita_array *to, uint32_t dtype)
{
	vita_error err;
	uint64_t n = 1;
	for (uint32_t i = 0; i < from->rank; i++) n *= (uint64_t)from->shape[i];
	unsigned char *bytes = malloc((size_t)to->size_bytes + 1);
	assert_int_equal(to->dtype, dtype);
	assert_ok(vita_convert(from->dtype, from->data, dtype, bytes, n, &err), &err);
	assert_memory_equal(bytes, to->data, to->size_bytes);
	free(bytes);
}

static void test_types(void **state)
{
	static const uint32_t types[] = { VITA_F32,  VITA_F16,  VITA_BF16, VITA_Q8_0,
		                          VITA_Q4_0, VITA_Q4_1, VITA_Q4_K, VITA_Q6_K };
	(void)state;
	for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
		/* Rows of 64 and 160 values: blocks of 256 do not divide them. */
		uint32_t wanted = types[k], matrix = wanted == VITA_Q4_K   ? VITA_Q4_1
		                                     : wanted == VITA_Q6_K ? VITA_Q8_0
		                                                           : wanted;
		assert_converts(golden_model("tiny-bf16-sharded"), in_scratch("m.gguf"), wanted);
		assert_int_equal(matrix != wanted, strstr(notes, "no whole number of ") != NULL);
		vita_model *from = open_model(golden_model("tiny-bf16-sharded")),
			   *to = open_model(in_scratch("m.gguf"));
		for (uint64_t i = 0; i < vita_model_n_tensors(from); i++) {
			vita_array a, b;
			assert_int_equal(vita_model_tensor_at(from, i, &a), VITA_OK);
			assert_int_equal(vita_model_tensor_at(to, i, &b), VITA_OK);
			expect_bytes(&a, &b, a.rank == 1 ? VITA_F32 : matrix);
		}
		vita_model_close(from);
		vita_model_close(to);
	}
}

static void test_back_from_blocks(void **state)
{
	vita_error err;
	vita_array a, b;
	(void)state;
	assert_converts(golden_model("tiny"), in_scratch("m.gguf"), VITA_Q4_0);
	assert_failure(convert(in_scratch("m.gguf"), in_scratch("m"), VITA_DTYPE_NONE, &err),
	               VITA_E_UNSUPPORTED, &err,
	               "is of type Q4_0, which safetensors files cannot hold; choose f32, f16 or bf16");
	assert_int_equal(access(in_scratch("m"), F_OK), -1);
	assert_converts(in_scratch("m.gguf"), in_scratch("m"), VITA_BF16);
	vita_model *from = open_model(in_scratch("m.gguf")), *to = open_model(in_scratch("m"));
	assert_ok(vita_model_tensor(from, "mtp_projs.1.weight", 0, NULL, &a, &err), &err);
	assert_ok(vita_model_tensor(to, "mtp_projs.1.weight", 0, NULL, &b, &err), &err);
	expect_bytes(&a, &b, VITA_BF16);
	const char *type;
	assert_ok(vita_model_get_string(to, VITA_CONFIG_MODEL, "torch_dtype", &type, &err), &err);
	assert_string_equal(type, "bfloat16");
	vita_model_close(from);
	vita_model_close(to);
	assert_converts(in_scratch("m.gguf"), in_scratch("again.gguf"), VITA_Q8_0);
	assert_non_null(strstr(notes, "were quantised before"));
}

/* Rows of thousands of pieces, and of more bytes than a piece. */
static void test_large(void **state)
{
	enum { ROWS = 3, COLUMNS = 3 << 20 };
	float *values = malloc(sizeof *values * ROWS * COLUMNS);
	vita_error err;
	vita_array array, a, b;
	(void)state;
	assert_non_null(values);
	for (size_t i = 0; i < (size_t)ROWS * COLUMNS; i++)
		values[i] = (float)((i * 2654435761u >> 8 & 0xffff) / 65536.0 - 0.5);
	for (int flat = 0; flat < 2; flat++) {
		VITA_INIT(&array);
		array.name = "token_embd.weight";
		array.rank = 2;
		array.shape[0] = flat ? ROWS * COLUMNS / 32 : ROWS;
		array.shape[1] = flat ? 32 : COLUMNS;
		array.size_bytes = sizeof *values * ROWS * COLUMNS;
		array.data = values;
		assert_ok(vita_safetensors_write(in_scratch("m.safetensors"), &array, 1, NULL, 0, &err),
		          &err);
		assert_converts(in_scratch("m.safetensors"), in_scratch("m.gguf"), VITA_Q4_0);
		vita_model *from = open_model(in_scratch("m.safetensors")),
			   *to = open_model(in_scratch("m.gguf"));
		assert_int_equal(vita_model_tensor_at(from, 0, &a), VITA_OK);
		assert_int_equal(vita_model_tensor_at(to, 0, &b), VITA_OK);
		expect_bytes(&a, &b, VITA_Q4_0);
		vita_model_close(from);
		vita_model_close(to);
	}
	free(values);
}

/* ---- Llama ---------------------------------------------------------------------------------------- */

#define HEADS 4
#define KV_HEADS 2
#define HEAD 6
#define HIDDEN 8

static void put_llama(const char *folder)
{
	static float q[HEADS * HEAD * HIDDEN], k[KV_HEADS * HEAD * HIDDEN], bias[HEADS * HEAD],
		embedding[5 * HIDDEN];
	const struct {
		const char *name;
		const float *data;
		int64_t rows, columns;
	} tensors[] = {
		{ "model.layers.0.self_attn.q_proj.weight", q, HEADS * HEAD, HIDDEN },
		{ "model.layers.0.self_attn.k_proj.weight", k, KV_HEADS * HEAD, HIDDEN },
		{ "model.layers.0.self_attn.q_proj.bias", bias, HEADS * HEAD, 0 },
		{ "model.layers.0.self_attn.v_proj.weight", k, KV_HEADS * HEAD, HIDDEN },
		{ "model.embed_tokens.weight", embedding, 5, HIDDEN },
	};
	char path[1200];
	vita_array arrays[5];
	vita_error err;
	for (size_t i = 0; i < sizeof q / sizeof q[0]; i++) q[i] = (float)i;
	for (size_t i = 0; i < sizeof k / sizeof k[0]; i++) k[i] = (float)i + 1000;
	for (size_t i = 0; i < sizeof bias / sizeof bias[0]; i++) bias[i] = (float)i;
	for (size_t i = 0; i < 5; i++) {
		VITA_INIT(&arrays[i]);
		arrays[i].name = tensors[i].name;
		arrays[i].data = tensors[i].data;
		arrays[i].rank = tensors[i].columns ? 2 : 1;
		arrays[i].shape[0] = tensors[i].rows;
		arrays[i].shape[1] = tensors[i].columns;
		arrays[i].size_bytes =
			(uint64_t)(tensors[i].rows * (tensors[i].columns ? tensors[i].columns : 1)) *
			sizeof(float);
	}
	assert_int_equal(mkdir(folder, 0700), 0);
	(void)snprintf(path, sizeof path, "%s/model.safetensors", folder);
	assert_ok(vita_safetensors_write(path, arrays, 5, NULL, 0, &err), &err);
	(void)snprintf(path, sizeof path, "%s/config.json", folder);
	put_text(path, "{\"model_type\":\"llama\",\"hidden_size\":8,\"vocab_size\":5,\"num_hidden_layers\":1,"
	               "\"num_attention_heads\":4,"
	               "\"num_key_value_heads\":2,\"head_dim\":6,\"tie_word_embeddings\":true,\"rope_theta\":"
	               "500000.0,"
	               "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,"
	               "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192}}");
}

/* Row 2j + p of a head is the row j + p · half that it was. */
static void expect_pairs(const vita_model *model, const char *name, int64_t n_heads, int64_t columns,
                         float first)
{
	vita_array array;
	vita_error err;
	assert_ok(vita_model_tensor(model, name, 0, NULL, &array, &err), &err);
	const float *values = array.data;
	for (int64_t head = 0; head < n_heads; head++)
		for (int64_t row = 0; row < HEAD; row++) {
			int64_t before = head * HEAD + row % 2 * (HEAD / 2) + row / 2,
				now = head * HEAD + row;
			for (int64_t c = 0; c < columns; c++)
				assert_true(values[now * columns + c] ==
				            first + (float)(before * columns + c));
		}
}

static void test_llama(void **state)
{
	char folder[1024];
	vita_array factors;
	vita_error err;
	int32_t pairs = 0;
	(void)state;
	(void)snprintf(folder, sizeof folder, "%s/llama", scratch);
	put_llama(folder);
	assert_converts(folder, in_scratch("m.gguf"), VITA_DTYPE_NONE);
	vita_model *model = open_model(in_scratch("m.gguf"));
	assert_ok(vita_model_get_bool(model, VITA_CONFIG_MODEL, "rope_interleave", &pairs, &err), &err);
	assert_int_equal(pairs, 1);
	expect_pairs(model, "model.layers.0.self_attn.q_proj.weight", HEADS, HIDDEN, 0);
	expect_pairs(model, "model.layers.0.self_attn.k_proj.weight", KV_HEADS, HIDDEN, 1000);
	expect_pairs(model, "model.layers.0.self_attn.q_proj.bias", HEADS, 1, 0);
	/* Llama 3's scaling is a tensor there: waves of 2π, 500 and 39 738 tokens in a context of 8 192. */
	assert_ok(vita_model_tensor(model, "rope_freqs.weight", 1, (const int64_t[]){ 3 }, &factors, &err),
	          &err);
	assert_true(((const float *)factors.data)[0] == 1);
	assert_true(((const float *)factors.data)[1] == 1);
	assert_true(((const float *)factors.data)[2] == 8);
	vita_model_close(model);
	assert_converts(in_scratch("m.gguf"), in_scratch("back"), VITA_DTYPE_NONE);
	assert_same_tensors(folder, in_scratch("back"));
	assert_same_json(folder, in_scratch("back"), "config.json");
	assert_converts(in_scratch("m.gguf"), in_scratch("again.gguf"), VITA_DTYPE_NONE);
	assert_same_tensors(in_scratch("m.gguf"), in_scratch("again.gguf"));
}

static void test_heads_that_do_not_fit(void **state)
{
	char folder[1024], path[1200];
	vita_error err;
	(void)state;
	(void)snprintf(folder, sizeof folder, "%s/llama", scratch);
	put_llama(folder);
	(void)snprintf(path, sizeof path, "%s/config.json", folder);
	put_text(path, "{\"model_type\":\"llama\",\"num_attention_heads\":5,\"num_hidden_layers\":1}");
	assert_failure(convert(folder, in_scratch("m.gguf"), VITA_DTYPE_NONE, &err), VITA_E_FORMAT, &err,
	               "for each of the 5 heads that the settings give");
	assert_int_equal(access(in_scratch("m.gguf"), F_OK), -1);
}

/* ---- tokenizers ----------------------------------------------------------------------------------- */

/* A model that is a tokenizer and little else. */
static void put_tokenizer_model(const char *folder, int64_t n_tokens)
{
	char path[1200];
	vita_array array;
	vita_error err;
	float *values = calloc((size_t)n_tokens, sizeof *values);
	VITA_INIT(&array);
	array.name = "model.embed_tokens.weight";
	array.rank = 2;
	array.shape[0] = n_tokens;
	array.shape[1] = 1;
	array.size_bytes = (uint64_t)n_tokens * sizeof *values;
	array.data = values;
	assert_int_equal(mkdir(folder, 0700), 0);
	(void)snprintf(path, sizeof path, "%s/model.safetensors", folder);
	assert_ok(vita_safetensors_write(path, &array, 1, NULL, 0, &err), &err);
	(void)snprintf(path, sizeof path, "%s/config.json", folder);
	put_text(path, "{\"model_type\":\"qwen2\",\"num_hidden_layers\":1}");
	free(values);
}

static void copy_golden(const char *folder, const char *name)
{
	char path[1200];
	size_t size;
	char *text = get_file(golden_path(name), &size);
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	put_file(path, text, size);
	free(text);
}

static void expect_encoding(const vita_tokenizer *tokenizer, const json_t *line)
{
	const json_t *text = json_object_get(line, "text"), *wanted = json_object_get(line, "ids");
	int32_t *ids;
	uint64_t n;
	vita_error err;
	assert_ok(vita_tokenizer_encode(tokenizer, json_string_value(text), json_string_length(text), 0, &ids,
	                                &n, &err),
	          &err);
	json_t *found = ids_to_json(ids, n);
	if (!json_equal(found, wanted)) fail_msg("\"%s\" has other ids", json_string_value(text));
	json_decref(found);
	vita_free(ids);
}

static void expect_golden_tokenizer(const char *path)
{
	vita_tokenizer *tokenizer;
	vita_error err;
	assert_ok(vita_tokenizer_open(path, &tokenizer, &err), &err);
	json_t *lines = golden_lines("encode.jsonl");
	for (size_t i = 0; i < json_array_size(lines); i++)
		expect_encoding(tokenizer, json_array_get(lines, i));
	json_decref(lines);
	lines = golden_lines("decode.jsonl");
	for (size_t i = 0; i < json_array_size(lines); i++) {
		const json_t *line = json_array_get(lines, i);
		size_t n;
		char *text;
		uint64_t size;
		int32_t *ids = ids_of_json(json_object_get(line, "ids"), &n);
		assert_ok(vita_tokenizer_decode(tokenizer, ids, n, 0, &text, &size, &err), &err);
		assert_int_equal(size, json_string_length(json_object_get(line, "text")));
		assert_memory_equal(text, json_string_value(json_object_get(line, "text")), size);
		vita_free(text);
		free(ids);
	}
	json_decref(lines);
	vita_tokenizer_close(tokenizer);
}

static bool has_key(const char *path, const char *key)
{
	vita_metadata metadata;
	bool found = false;
	vita_model *model = open_model(path);
	for (uint64_t i = 0; vita_model_metadata_at(model, i, &metadata) == VITA_OK; i++)
		found |= strcmp(metadata.key, key) == 0;
	vita_model_close(model);
	return found;
}

static void test_tokenizer(void **state)
{
	char folder[1024], path[1200];
	(void)state;
	(void)snprintf(folder, sizeof folder, "%s/qwen", scratch);
	put_tokenizer_model(folder, 151936);
	copy_golden(folder, "tokenizer.json");
	copy_golden(folder, "tokenizer_config.json");
	assert_converts(folder, in_scratch("m.gguf"), VITA_DTYPE_NONE);
	assert_string_equal(notes, "");
	expect_golden_tokenizer(in_scratch("m.gguf"));
	assert_false(
		has_key(in_scratch("m.gguf"), "tokenizer.huggingface.json")); /* GGUF's own words suffice */
	assert_true(has_key(in_scratch("m.gguf"), "tokenizer.chat_template"));
	assert_converts(in_scratch("m.gguf"), in_scratch("back"), VITA_DTYPE_NONE);
	(void)snprintf(path, sizeof path, "%s/back/tokenizer.json", scratch);
	expect_golden_tokenizer(path);
}

#define TINY_TOKENIZER                                                                                       \
	"{\"added_tokens\":[{\"id\":4,\"content\":\"<a>\",\"special\":true%s}],\"normalizer\":null,"         \
	"\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":%s,\"use_regex\":true},"             \
	"\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"\\u0120\":3},\"merges\":[\"a "    \
	"b\"]}}"

static void expect_ids(const char *path, const char *text, const char *wanted)
{
	vita_tokenizer *tokenizer;
	vita_error err;
	json_t *line = json_pack("{s:s, s:o}", "text", text, "ids", json_loads(wanted, 0, NULL));
	assert_ok(vita_tokenizer_open(path, &tokenizer, &err), &err);
	expect_encoding(tokenizer, line);
	json_decref(line);
	vita_tokenizer_close(tokenizer);
}

/* What GGUF has no words for makes the file carry the document whole; companions' tokens come along. */
static void test_tokenizers_beyond_gguf(void **state)
{
	static const struct {
		const char *flags, *prefix, *companion;
		const char *text, *ids;
		bool whole, odd;
	} cases[] = {
		{ "", "false", NULL, "ab<a> abb", "[2,4,3,2,1]", false, false },
		{ ",\"rstrip\":true", "false", NULL, "ab<a> abb", "[2,4,2,1]", true, false },
		{ "", "true", NULL, "ab<a> abb", "[3,2,4,3,2,1]", true, true },
		{ "", "false", "{\"<b>\":5}", "ab<a> ab<b>", "[2,4,3,2,5]", false, false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char folder[1024], path[1200], text[1024];
		const char *gguf = in_scratch("m.gguf");
		(void)snprintf(folder, sizeof folder, "%s/case%zu", scratch, i);
		put_tokenizer_model(folder, 8);
		(void)snprintf(path, sizeof path, "%s/tokenizer.json", folder);
		(void)snprintf(text, sizeof text, TINY_TOKENIZER, cases[i].flags, cases[i].prefix);
		put_text(path, text);
		char companion[1200];
		(void)snprintf(companion, sizeof companion, "%s/added_tokens.json", folder);
		if (cases[i].companion) put_text(companion, cases[i].companion);
		expect_ids(path, cases[i].text, cases[i].ids);
		assert_converts(folder, gguf, VITA_DTYPE_NONE);
		expect_ids(gguf, cases[i].text, cases[i].ids);
		assert_int_equal(has_key(gguf, "tokenizer.huggingface.json"), cases[i].whole);
		assert_int_equal(strstr(notes, "no word for the way") != NULL, cases[i].odd);
	}
}

static void test_too_many_tokens(void **state)
{
	char folder[1024], path[1200], text[1024];
	vita_error err;
	(void)state;
	(void)snprintf(folder, sizeof folder, "%s/small", scratch);
	put_tokenizer_model(folder, 3);
	(void)snprintf(path, sizeof path, "%s/tokenizer.json", folder);
	(void)snprintf(text, sizeof text, TINY_TOKENIZER, "", "false");
	put_text(path, text);
	assert_failure(convert(folder, in_scratch("m.gguf"), VITA_DTYPE_NONE, &err), VITA_E_FORMAT, &err,
	               "its tokenizer has 5 tokens, but model.embed_tokens.weight has rows for only 3");
	assert_int_equal(access(in_scratch("m.gguf"), F_OK), -1);
}

/* ---- refusals ------------------------------------------------------------------------------------- */

static void test_refusals(void **state)
{
	vita_error err;
	vita_conversion how;
	(void)state;
	assert_failure(convert(golden_model("tiny"), in_scratch("m"), VITA_Q4_0, &err), VITA_E_UNSUPPORTED,
	               &err, "safetensors files cannot hold q4_0");
	assert_failure(convert(golden_model("tiny"), in_scratch("m.gguf"), VITA_I32, &err), VITA_E_INVALID,
	               &err, "i32 is not a type for weights");
	assert_failure(convert(golden_model("tiny"), in_scratch("a/b/m.gguf"), VITA_F16, &err),
	               VITA_E_NOTFOUND, &err, "m.gguf");
	assert_failure(convert(golden_model("tiny"), in_scratch("a/b"), VITA_F16, &err), VITA_E_NOTFOUND,
	               &err, "cannot be made");
	assert_converts(golden_model("tiny"), in_scratch("m"), VITA_F16);
	assert_failure(convert(golden_model("tiny"), in_scratch("m"), VITA_F16, &err), VITA_E_STATE, &err,
	               "holds config.json already");
	assert_converts(in_scratch("m/model.safetensors"), in_scratch("m.gguf"),
	                VITA_DTYPE_NONE); /* tensors alone */
	assert_failure(convert(in_scratch("m/model.safetensors"), in_scratch("n"), VITA_DTYPE_NONE, &err),
	               VITA_E_NOTFOUND, &err, "has no settings");
	/* Cancelled: nothing is left behind. */
	vita_model *model = open_model(golden_model("tiny"));
	vita_cancel *cancel = vita_cancel_create();
	vita_cancel_request(cancel);
	VITA_INIT(&how);
	how.dtype = VITA_DTYPE_NONE;
	how.cancel = cancel;
	int before = count_entries();
	assert_failure(vita_model_convert(model, in_scratch("c.gguf"), &how, &err), VITA_E_CANCELLED, &err,
	               "cancelled");
	assert_int_equal(count_entries(), before);
	vita_cancel_destroy(cancel);
	vita_model_close(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_words_of_gguf, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_types, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_back_from_blocks, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_large, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_llama, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_heads_that_do_not_fit, setup_directory,
		                                teardown_directory),
		cmocka_unit_test_setup_teardown(test_tokenizer, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_tokenizers_beyond_gguf, setup_directory,
		                                teardown_directory),
		cmocka_unit_test_setup_teardown(test_too_many_tokens, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_refusals, setup_directory, teardown_directory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
