/* SPDX-License-Identifier: MIT
 *
 * vita/tokenizer.h - text to token ids and back: byte-level BPE as stored in tokenizer.json and in GGUF files.
 *
 * open -> (encode | decode streams, from any threads) -> close. A tokenizer is never changed after
 * open, so threads share it freely.
 *
 * Encoding: added tokens are cut out first (longest match), each remaining piece is brought to NFC
 * where the file asks for it, cut by the file's own pre-tokenizer pattern, mapped to the byte
 * alphabet of GPT-2, and merged by rank (Sennrich, Haddow and Birch 2016, "Neural Machine Translation
 * of Rare Words with Subword Units"). Nothing is added before or after.
 */
#ifndef VITA_TOKENIZER_H
#define VITA_TOKENIZER_H

#include <vita/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vita_tokenizer vita_tokenizer;
typedef struct vita_text_stream vita_text_stream;

/* Read a tokenizer.json. Files in the same directory complete it where present:
 * added_tokens.json and tokenizer_config.json ("added_tokens_decoder") may add tokens. Its pre-tokenizer
 * ends with ByteLevel, before which Split, Digits and Punctuation may stand; its normalizer, if it has
 * one, is NFC, NFD, NFKC or NFKD. Where it is missing, vocab.json and merges.txt beside it stand for it, if they are
 * those of a Qwen2Tokenizer.
 * Or read the tokenizer within a GGUF file: its tokens, merges and the name of its way to cut text, or the
 * tokenizer.json that it carries.
 * OK | E_NOTFOUND (no such file, or no tokenizer in it) | E_IO | E_FORMAT | E_UNSUPPORTED (not a
 * byte-level BPE) | E_NOMEM
 *                                                                        [any-thread, may-block] */
VITA_EXPORT vita_status vita_tokenizer_open(const char *path, vita_tokenizer **out, vita_error *err);
VITA_EXPORT void vita_tokenizer_close(vita_tokenizer *tokenizer); /* NULL is a no-op. [one-thread] */

/* One more than the largest id that has a string. */
VITA_EXPORT uint32_t vita_tokenizer_size(const vita_tokenizer *tokenizer);

/* Id of a token by its exact string as an added token ("<|im_start|>"), or, where there is no such
 * added token, of a vocabulary entry of that name; -1 where there is none. [any-thread] */
VITA_EXPORT int32_t vita_tokenizer_id(const vita_tokenizer *tokenizer, const char *token);

/* Encode size bytes of UTF-8 (NULs allowed; bytes that are not UTF-8 are taken as U+FFFD).
 * *ids is allocated, the caller frees it with vita_free; *n_ids may be 0, *ids then NULL.
 * OK | E_NOMEM | E_INVALID (longer than 2^31 bytes) | E_UNSUPPORTED (the file's pattern needs steps out
 * of proportion on this text)                                            [any-thread, may-block] */
#define VITA_ENCODE_PLAIN 1u /* do not look for added tokens: text from strangers cannot forge markers */
VITA_EXPORT vita_status vita_tokenizer_encode(const vita_tokenizer *tokenizer, const char *text, uint64_t size,
                                              uint32_t flags, int32_t **ids, uint64_t *n_ids, vita_error *err);

/* The bytes that one token stands for (not always whole characters); they live as long as the
 * tokenizer. NULL and *size 0 for ids without a string. *special: 1 where flagged special (may be
 * NULL).                                                                              [any-thread] */
VITA_EXPORT const char *vita_tokenizer_bytes(const vita_tokenizer *tokenizer, int32_t id, uint64_t *size,
                                             int32_t *special);

/* Decode ids to a NUL-terminated string (vita_free); *size without the NUL. Invalid UTF-8 becomes
 * U+FFFD, one for each maximal ill-formed part as Unicode recommends and Python does.
 * E_INVALID names an id that has no string.                                           [any-thread] */
#define VITA_DECODE_SKIP_SPECIAL 1u /* leave out tokens flagged special */
VITA_EXPORT vita_status vita_tokenizer_decode(const vita_tokenizer *tokenizer, const int32_t *ids, uint64_t n_ids,
                                              uint32_t flags, char **text, uint64_t *size, vita_error *err);

/* ---- decoding as tokens arrive -------------------------------------------------------------------
 * push gives back the text that has become certain: a character cut by a token border waits for its
 * rest. *text lives until the next call on the stream. finish flushes what waits (as U+FFFD) and
 * leaves the stream ready for a new text. The pushed pieces joined equal one decode. [one-thread] */
VITA_EXPORT vita_status vita_text_stream_open(const vita_tokenizer *tokenizer, uint32_t flags,
                                              vita_text_stream **out, vita_error *err);
VITA_EXPORT void vita_text_stream_close(vita_text_stream *stream);
VITA_EXPORT vita_status vita_text_stream_push(vita_text_stream *stream, int32_t id, const char **text,
                                              uint64_t *size, vita_error *err);
VITA_EXPORT vita_status vita_text_stream_finish(vita_text_stream *stream, const char **text, uint64_t *size,
                                                vita_error *err);

#ifdef __cplusplus
}
#endif
#endif
