/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: tokenizers within GGUF files, and the tokenizer.json that says the same.
 */
#ifndef VITA_TEXT_TOKENIZER_GGUF_H
#define VITA_TEXT_TOKENIZER_GGUF_H

#include "files/gguf.h"
#include "text/lists.h"

/* A whole tokenizer.json; where it is there, it says more than the other keys and counts. */
#define VITA_GGUF_TOKENIZER_KEY "tokenizer.huggingface.json"

/* tokenizer.ggml.token_type */
#define VITA_GGUF_TOKEN_NORMAL 1
#define VITA_GGUF_TOKEN_CONTROL 3
#define VITA_GGUF_TOKEN_USER_DEFINED 4
#define VITA_GGUF_TOKEN_UNUSED 5

/* Does the file have a tokenizer? */
bool vita_gguf_has_tokenizer(const vita_gguf *gguf);

/* The file's tokenizer as a tokenizer.json whose vocabulary and merges are in the lists; the file must outlive these.
 * Sentences do not name it, as vita_tokenizer_build's. What vita_gguf_tokenizer_document returns. */
vita_status vita_gguf_tokenizer_read(const vita_gguf *gguf, json_t **document, vita_lists *lists, vita_error *err);

/* The file's tokenizer as a whole tokenizer.json; sentences do not name the file, as vita_tokenizer_build's.
 * OK | E_NOTFOUND (there is none) | E_UNSUPPORTED (no byte-level BPE, or an unknown way to cut text) |
 * E_FORMAT | E_NOMEM */
vita_status vita_gguf_tokenizer_document(const vita_gguf *gguf, json_t **out, vita_error *err);

/* A tokenizer.json that cuts text as Qwen2's does, around a vocabulary (an object), merges and added tokens (lists),
 * which stay the caller's too; NULL when memory is out. */
json_t *vita_qwen2_document(json_t *vocab, json_t *merges, json_t *added);

/* What GGUF calls the way in which this tokenizer.json cuts text (tokenizer.ggml.pre); NULL where it has no
 * word for it. */
const char *vita_gguf_cutting_name(const json_t *document);

#endif
