/* SPDX-License-Identifier: MIT
 *
 * Memory that runs out in the tokenizer: every allocation of libvita's own fails once, the answer is
 * E_NOMEM or, where it can go on without, the right result; a leak checker finds nothing left behind.
 */
#include "text_support.h"

#include "text/chat.h"

/* The linker puts these in the place of libcore's own calls. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static long left = -1; /* allocations until one fails; negative: none does */

static bool fails(void)
{
	return left >= 0 && left-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return fails() ? NULL : __real_realloc(memory, size);
}

static json_t *document;
static char *long_text;

static json_t *make_document(void)
{
	json_t *made = byte_document(
		"{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
		"\"\\\\p{N}{2}+|\\\\w+\"},\"behavior\":\"Isolated\"},{\"type\":\"ByteLevel\","
		"\"add_prefix_space\":true}]}");
	json_t *added = json_array();
	for (int i = 0; i < 40; i++) {
		char content[16];
		(void)snprintf(content, sizeof content, i ? "<|\xc3\xa9%d|>" : "<|im_start|>", i);
		json_array_append_new(added, describe_added(content, 256 + i, i % 2, i % 3 == 0));
	}
	json_array_append_new(added, describe_added("<|im_end|>", 300, true, false));
	json_array_append_new(added, describe_added("e\xcc\x81\xcc\xa3", 301, false, true));
	json_object_set_new(made, "added_tokens", added);
	json_object_set_new(made, "normalizer", json_pack("{s:s}", "type", "NFC"));
	return made;
}

/* Everything that allocates, once; the number of ids, or a failure. */
static vita_status attempt(uint64_t *n_ids)
{
	static const char marks[] =
		"a\xcc\x81\xcc\xa3\xcc\x81\xcc\xa3\xcc\x81\xcc\xa3\xcc\x81\xcc\xa3\xcc\x81\xcc\xa3"
		"\xcc\x81\xcc\xa3\xcc\x81\xcc\xa3\xcc\x81\xcc\xa3\xff<|\xc3\xa9"
		"3|>";
	vita_segment content[] = {vita_segment_plain(marks), vita_segment_plain(long_text)};
	vita_chat_message message = {"user", content, 2};
	vita_tokenizer *tokenizer = NULL;
	vita_text_stream *stream = NULL;
	vita_ids chat = {0};
	int32_t *ids = NULL;
	char *text = NULL, *rendered = NULL;
	const char *piece;
	uint64_t n = 0, size;
	size_t n_rendered;
	vita_error err;
	vita_status status = vita_tokenizer_build(document, NULL, NULL, NULL, &tokenizer, &err);
	if (status == VITA_OK)
		status = vita_tokenizer_encode(tokenizer, marks, sizeof marks - 1, 0, &ids, &n, &err);
	if (status == VITA_OK) status = vita_tokenizer_decode(tokenizer, ids, n, 0, &text, &size, &err);
	if (status == VITA_OK)
		status = vita_chat_encode(tokenizer, &message, 1, VITA_CHAT_ANSWER, &chat, &err);
	if (status == VITA_OK)
		status = vita_chat_render(tokenizer, &message, 1, 0, &rendered, &n_rendered, &err);
	if (status == VITA_OK) status = vita_text_stream_open(tokenizer, 0, &stream, &err);
	if (status == VITA_OK) status = vita_text_stream_push(stream, 0xc3, &piece, &size, &err);
	if (status == VITA_OK) status = vita_text_stream_finish(stream, &piece, &size, &err);
	*n_ids = n + chat.size;
	free(ids);
	free(text);
	free(rendered);
	free(chat.data);
	vita_text_stream_close(stream);
	vita_tokenizer_close(tokenizer);
	return status;
}

static void every_allocation_may_fail(void **state)
{
	uint64_t expected, n;
	long failures = 0;
	(void)state;
	document = make_document();
	long_text = test_calloc(1, 3001);
	memset(long_text, 'x', 3000);
	left = -1;
	assert_int_equal(attempt(&expected), VITA_OK);
	assert_true(expected > 3000);
	for (long k = 0;; k++) {
		left = k;
		vita_status status = attempt(&n);
		bool failed = left < 0;
		left = -1;
		if (status == VITA_OK)
			assert_int_equal(n, expected);
		else
			assert_int_equal(status, VITA_E_NOMEM);
		failures += status != VITA_OK;
		if (!failed) break;
	}
	assert_true(failures > 30);
	test_free(long_text);
	json_decref(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
