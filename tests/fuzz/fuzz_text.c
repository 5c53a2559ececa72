/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: text for a sound tokenizer. Decoding what was encoded gives valid UTF-8 back.
 */
#include "fuzz.h"

#include <vita/context.h>
#include <vita/tokenizer.h>

#include <stdio.h>
#include <stdlib.h>

static vita_tokenizer *open_tokenizer(void)
{
	const char *root = getenv("VITA_SRCDIR");
	char path[4096];
	vita_tokenizer *tokenizer;
	vita_error err;
	snprintf(path, sizeof path, "%s/tests/golden/text-tokenizer/tokenizer.json", root ? root : ".");
	if (vita_tokenizer_open(path, &tokenizer, &err) == VITA_OK) return tokenizer;
	fprintf(stderr, "%s\n", err.message);
	exit(99);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static vita_tokenizer *tokenizer;
	vita_error err;
	int32_t *ids;
	uint64_t n, n_bytes;
	char *text;
	if (!tokenizer) tokenizer = open_tokenizer();
	for (uint32_t flags = 0; flags <= VITA_ENCODE_PLAIN; flags++) {
		if (vita_tokenizer_encode(tokenizer, (const char *)data, size, flags, &ids, &n, &err) != VITA_OK) __builtin_trap();
		if (vita_tokenizer_decode(tokenizer, ids, n, 0, &text, &n_bytes, &err) != VITA_OK) __builtin_trap();
		fuzz_touch(text, n_bytes + 1);
		vita_free(text);
		vita_free(ids);
	}
	return 0;
}
