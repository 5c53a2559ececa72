/* SPDX-License-Identifier: MIT
 *
 * Reading am.mvn; see cmvn.h.
 */
#include <config.h>

#include "cmvn.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

/* The real one has 11 kB. */
#define MAX_BYTES (1u << 20)

typedef struct scanner {
	const char *path;
	const char *at, *end;
} scanner;

static int is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next word between white space; 0 at the end. */
static size_t next_word(scanner *s, const char **word)
{
	while (s->at < s->end && is_space(*s->at))
		s->at++;
	*word = s->at;
	while (s->at < s->end && !is_space(*s->at))
		s->at++;
	return (size_t)(s->at - *word);
}

static int is_word(const char *word, size_t size, const char *wanted)
{
	return size == strlen(wanted) && memcmp(word, wanted, size) == 0;
}

/* A finite number that is the whole word. strtof would read beyond text that no NUL ends. */
static int to_number(const char *word, size_t size, float *out)
{
	char copy[64], *end;
	if (size >= sizeof copy) return 0;
	memcpy(copy, word, size);
	copy[size] = '\0';
	*out = strtof(copy, &end);
	return end == copy + size && size > 0 && isfinite(*out);
}

/* The n numbers between the brackets that stand after the word `part`. */
static vita_status read_part(scanner *s, const char *part, uint32_t n, float *out, vita_error *err)
{
	const char *word;
	size_t size;
	uint32_t count = 0;
	while ((size = next_word(s, &word)) > 0 && !is_word(word, size, part))
		continue;
	if (size == 0)
		return vita_fail(err, VITA_E_FORMAT, "%s: has no %s after its beginning", s->path, part);
	while ((size = next_word(s, &word)) > 0 && !is_word(word, size, "[")) {
		if (word[0] == '<' && !is_word(word, size, "<LearnRateCoef>")) size = 0;
		if (size == 0) break;
	}
	if (size == 0) return vita_fail(err, VITA_E_FORMAT, "%s: no [ follows %s", s->path, part);
	while ((size = next_word(s, &word)) > 0 && !is_word(word, size, "]")) {
		float value;
		if (!to_number(word, size, &value))
			return vita_fail(err, VITA_E_FORMAT, "%s: \"%.*s\" in %s is no number", s->path,
					 (int)(size < 40 ? size : 40), word, part);
		if (count < n) out[count] = value;
		count++;
	}
	if (size == 0) return vita_fail(err, VITA_E_FORMAT, "%s: no ] ends the numbers of %s", s->path, part);
	if (count != n)
		return vita_fail(err, VITA_E_FORMAT, "%s: %s has %u numbers; the model's features have %u",
				 s->path, part, (unsigned)count, (unsigned)n);
	return VITA_OK;
}

vita_status cmvn_parse(const char *path, const char *text, size_t size, uint32_t n, float *shift,
		       float *scale, vita_error *err)
{
	scanner s = {path, text, text + size};
	/* The file's numbers have a point, whatever the program's locale has. */
	locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (c_locale == (locale_t)0) return vita_fail(err, VITA_E_NOMEM, "%s: no memory to read it", path);
	locale_t callers = uselocale(c_locale);
	vita_status status = read_part(&s, "<AddShift>", n, shift, err);
	if (status == VITA_OK) status = read_part(&s, "<Rescale>", n, scale, err);
	(void)uselocale(callers);
	freelocale(c_locale);
	return status;
}

vita_status cmvn_read(const vita_host *host, const char *path, uint32_t n, float *shift, float *scale,
		      vita_error *err)
{
	struct stat kind;
	if (stat(path, &kind) == 0 && !S_ISREG(kind.st_mode)) /* opening a pipe would wait for its writer */
		return vita_fail(err, VITA_E_IO, "%s: is not a regular file", path);
	FILE *file = fopen(path, "rb");
	if (!file)
		return vita_fail(err, errno == ENOENT || errno == ENOTDIR ? VITA_E_NOTFOUND : VITA_E_IO,
				 "%s: cannot be opened: %s", path, strerror(errno));
	char *text = host->allocate(host->context, MAX_BYTES);
	vita_status status = text ? VITA_OK : vita_fail(err, VITA_E_NOMEM, "%s: no memory to read it", path);
	if (status == VITA_OK) {
		size_t size = fread(text, 1, MAX_BYTES, file);
		if (ferror(file))
			status = vita_fail(err, VITA_E_IO, "%s: cannot be read: %s", path, strerror(errno));
		else if (size == MAX_BYTES)
			status = vita_fail(err, VITA_E_FORMAT, "%s: is larger than any am.mvn", path);
		else
			status = cmvn_parse(path, text, size, n, shift, scale, err);
	}
	if (text) host->release(host->context, text);
	(void)fclose(file);
	return status;
}
