/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: the files of a directory's tokenizer. `path` is always that of its tokenizer.json, whether it is
 * there or not.
 */
#ifndef VITA_TEXT_TOKENIZER_PARTS_H
#define VITA_TEXT_TOKENIZER_PARTS_H

#include "text/lists.h"

/* Read a document beside it; *out is NULL where there is none.
 * OK | E_IO | E_FORMAT | E_NOMEM */
vita_status vita_tokenizer_companion(const char *path, const char *name, json_t **out, vita_error *err);

/* Its tokenizer.json, or where that is missing one made of vocab.json and merges.txt. Added tokens of companions
 * (added_tokens.json, tokenizer_config.json) are not in it.
 * OK | E_NOTFOUND (neither is there) | E_IO | E_FORMAT | E_UNSUPPORTED (no Qwen2Tokenizer) | E_NOMEM */
vita_status vita_tokenizer_document(const char *path, json_t **out, vita_error *err);

/* The same with vocabulary and merges in the lists instead of in the document, where they are empty. */
vita_status vita_tokenizer_read(const char *path, json_t **document, vita_lists *lists, vita_error *err);

#endif
