/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: tokenizer.json; what opens must encode and decode without harm. The first half of the input's bytes
 * also serve as a text to encode.
 */
#include "fuzz.h"

#include <vita/context.h>
#include <vita/tokenizer.h>

static void round_trip(const vita_tokenizer *tokenizer, const char *text, size_t size, uint32_t flags)
{
	vita_error err;
	int32_t *ids = NULL;
	uint64_t n = 0, n_bytes;
	char *decoded = NULL;
	if (vita_tokenizer_encode(tokenizer, text, size, flags, &ids, &n, &err) == VITA_OK) {
		fuzz_touch(ids, n * sizeof *ids);
		if (vita_tokenizer_decode(tokenizer, ids, n, 0, &decoded, &n_bytes, &err) == VITA_OK)
			fuzz_touch(decoded, n_bytes + 1);
		vita_free(decoded);
	}
	vita_free(ids);
}

static void stream(const vita_tokenizer *tokenizer)
{
	vita_text_stream *out;
	vita_error err;
	const char *text;
	uint64_t size;
	if (vita_text_stream_open(tokenizer, 0, &out, &err) != VITA_OK) return;
	for (int32_t id = -1; id < 300; id++)
		if (vita_text_stream_push(out, id, &text, &size, &err) == VITA_OK) fuzz_touch(text, size);
	if (vita_text_stream_finish(out, &text, &size, &err) == VITA_OK) fuzz_touch(text, size);
	vita_text_stream_close(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char text[] = "Hello, w\xc3\xb6rld! <|im_start|> 123\n  \xe4\xbd\xa0\xe5\xa5\xbd\xf0\x9f\x99\x82 \xff";
	vita_tokenizer *tokenizer;
	vita_error err;
	if (vita_tokenizer_open(fuzz_write("tokenizer.json", data, size), &tokenizer, &err) != VITA_OK) return 0;
	round_trip(tokenizer, text, sizeof text - 1, 0);
	round_trip(tokenizer, (const char *)data, size / 2, VITA_ENCODE_PLAIN);
	stream(tokenizer);
	for (int32_t id = -1; id < 300; id++) {
		uint64_t n;
		const char *bytes = vita_tokenizer_bytes(tokenizer, id, &n, NULL);
		if (bytes) fuzz_touch(bytes, n);
	}
	(void)vita_tokenizer_id(tokenizer, "<|im_start|>");
	vita_tokenizer_close(tokenizer);
	return 0;
}
