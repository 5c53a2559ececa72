/* SPDX-License-Identifier: MIT
 *
 * The document of a directory's tokenizer: its tokenizer.json, or one that says the same as the vocab.json and
 * merges.txt which Qwen2's Python tokenizer writes. Those do not say how text is cut; the tokenizer's class does.
 */
#include "text/tokenizer_parts.h"

#include "files/json.h"
#include "files/map.h"
#include "text/tokenizer_gguf.h"

/* Many times the largest tokenizer in use. */
#define MAX_FILE_BYTES ((uint64_t)1 << 29)

/* Is this the name that other files may stand for? */
static bool is_standard(const char *path)
{
	const char *slash = strrchr(path, '/');
	return strcmp(slash ? slash + 1 : path, "tokenizer.json") == 0;
}

/* The path of a file beside it; NULL when memory is out. */
static char *file_beside(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
	char *file = malloc(folder + strlen(name) + 1);
	if (!file) return NULL;
	memcpy(file, path, folder);
	strcpy(file + folder, name);
	return file;
}

vita_status vita_tokenizer_companion(const char *path, const char *name, json_t **out, vita_error *err)
{
	char *file = file_beside(path, name);
	*out = NULL;
	if (!file) return vita_fail(err, VITA_E_NOMEM, "%s: no memory to read it", path);
	vita_status status = vita_json_read(file, MAX_FILE_BYTES, out, err);
	free(file);
	return status == VITA_E_NOTFOUND ? VITA_OK : status;
}

/* A merge a line, "LEFT RIGHT"; lines that begin with "#version" are comments. */
static vita_status list_merges(const vita_map *map, const char *file, json_t *list, vita_error *err)
{
	const char *at = (const char *)map->data, *end = at + map->size;
	for (size_t line = 1; at < end; line++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t size = (size_t)((newline ? newline : end) - at);
		if (size > 0 && at[size - 1] == '\r') size--;
		if (memchr(at, 0, size) || !vita_is_utf8(at, size))
			return vita_fail(err, VITA_E_FORMAT, "%s:%zu: is no UTF-8 text without NULs", file,
			                 line);
		bool wanted = size > 0 && !(size >= 8 && memcmp(at, "#version", 8) == 0);
		if (wanted && json_array_append_new(list, json_stringn_nocheck(at, size)) != 0)
			return vita_fail(err, VITA_E_NOMEM, "%s: no memory to read it", file);
		at = newline ? newline + 1 : end;
	}
	return VITA_OK;
}

static vita_status read_merges(const char *path, json_t *list, vita_error *err)
{
	vita_map map;
	char *file = file_beside(path, "merges.txt");
	if (!file) return vita_fail(err, VITA_E_NOMEM, "%s: no memory to read it", path);
	vita_status status = vita_map_open(file, &map, err);
	if (status == VITA_OK) {
		status = list_merges(&map, file, list, err);
		vita_map_close(&map);
	}
	free(file);
	return status;
}

/* Qwen2Tokenizer cuts in one known way; without a class the file is taken for Qwen2's. */
static vita_status check_class(const char *path, vita_error *err)
{
	json_t *config;
	vita_shown shown;
	vita_status status = vita_tokenizer_companion(path, "tokenizer_config.json", &config, err);
	const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
	if (status == VITA_OK && class && strncmp(class, "Qwen2Tokenizer", 14) != 0)
		status = vita_fail(err, VITA_E_UNSUPPORTED,
		                   "%s: is missing, and how a %s cuts text, vocab.json and merges.txt do not say; "
		                   "only for a Qwen2Tokenizer is it known",
		                   path, vita_show(shown, class));
	json_decref(config);
	return status;
}

static vita_status assemble(const char *path, json_t *vocab, json_t **out, vita_error *err)
{
	json_t *merges = json_array(), *added = json_array();
	vita_status status = check_class(path, err);
	if (status == VITA_OK) status = read_merges(path, merges, err);
	if (status == VITA_OK && !(*out = vita_qwen2_document(vocab, merges, added)))
		status = vita_fail(err, VITA_E_NOMEM, "%s: no memory for its tokenizer", path);
	json_decref(merges);
	json_decref(added);
	return status;
}

vita_status vita_tokenizer_document(const char *path, json_t **out, vita_error *err)
{
	json_t *vocab;
	vita_error ignored;
	vita_status status = vita_json_read(path, MAX_FILE_BYTES, out, err);
	if (status != VITA_E_NOTFOUND || !is_standard(path)) return status;
	status = vita_tokenizer_companion(path, "vocab.json", &vocab, &ignored);
	if (status != VITA_OK) return vita_fail(err, status, "%s", ignored.message);
	if (!vocab) return VITA_E_NOTFOUND; /* err says so of tokenizer.json */
	status = assemble(path, vocab, out, err);
	json_decref(vocab);
	return status;
}

static bool open_beside(const char *path, const char *name, vita_map *map)
{
	vita_error ignored;
	char *file = file_beside(path, name);
	bool ok = file && vita_map_open(file, map, &ignored) == VITA_OK;
	free(file);
	return ok;
}

/* A document with nothing in its lists. */
static json_t *empty_document(void)
{
	json_t *vocab = json_object(), *merges = json_array(), *added = json_array();
	json_t *document = vita_qwen2_document(vocab, merges, added);
	json_decref(vocab);
	json_decref(merges);
	json_decref(added);
	return document;
}

static bool skim_older(const char *path, json_t **document, vita_lists *lists)
{
	vita_map vocab = { NULL, 0 }, merges = { NULL, 0 };
	vita_error ignored;
	bool ok = is_standard(path) && open_beside(path, "vocab.json", &vocab) &&
	          open_beside(path, "merges.txt", &merges) && vocab.size <= MAX_FILE_BYTES &&
	          merges.size <= MAX_FILE_BYTES && check_class(path, &ignored) == VITA_OK &&
	          vita_lists_skim_files((const char *)vocab.data, vocab.size, (const char *)merges.data, merges.size,
	                                lists);
	vita_map_close(&vocab);
	vita_map_close(&merges);
	*document = ok ? empty_document() : NULL;
	if (ok && !*document) vita_lists_clear(lists);
	return *document != NULL;
}

/* Files as they should be; others are left to those who can say what is wrong. */
static bool skim(const char *path, json_t **document, vita_lists *lists)
{
	vita_map map;
	vita_error ignored;
	vita_status status = vita_map_open(path, &map, &ignored);
	if (status == VITA_E_NOTFOUND) return skim_older(path, document, lists);
	if (status != VITA_OK) return false;
	bool ok = map.size <= MAX_FILE_BYTES &&
	          vita_lists_skim((const char *)map.data, map.size, document, lists);
	vita_map_close(&map);
	return ok;
}

vita_status vita_tokenizer_read(const char *path, json_t **document, vita_lists *lists, vita_error *err)
{
	vita_error reason;
	*document = NULL;
	memset(lists, 0, sizeof *lists);
	if (skim(path, document, lists)) return VITA_OK;
	vita_status status = vita_tokenizer_document(path, document, err);
	if (status != VITA_OK) return status;
	status = vita_lists_of_model(*document, lists, &reason);
	return status == VITA_OK ? VITA_OK : vita_fail(err, status, "%s: %s", path, reason.message);
}
