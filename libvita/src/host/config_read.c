/* SPDX-License-Identifier: MIT
 *
 * Reading INI files with inih.
 *
 * inih is built with limits that differ from system to system: lines of 200 bytes, values that go on in
 * indented lines. So the file is read whole here and handed to inih line by line, without leading space
 * (nothing is then a continuation), and a line that is too long for inih has its value taken from the text
 * itself.
 */
#include <config.h>

#include "host/config_keys.h"
#include "host/config_store.h"
#include "host/words.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdlib.h>
#include <unistd.h>

#define LARGEST_FILE (1u << 20)

typedef struct ini_file {
	const char *path; /* as messages name it */
	char *base;
	char *text;       /* with a NUL behind it */
	size_t size, at;  /* bytes; where the next line begins */
	uint32_t line;    /* number of the current one, from 1 */
	char *long_value; /* in text: the current line's value where inih only saw its name; else NULL */
	vita_config *into;
	vita_status status; /* of the first failure, which ends the reading */
	vita_error *err;
} ini_file;

/* ---- the file's bytes ------------------------------------------------------------------------------ */

static vita_status read_all(ini_file *file, int fd)
{
	file->text = malloc(LARGEST_FILE + 2u);
	if (!file->text) return vita_fail(file->err, VITA_E_NOMEM, "%s: no memory to read it", file->path);
	for (;;) {
		ssize_t n = read(fd, file->text + file->size, LARGEST_FILE + 1u - file->size);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0)
			return vita_fail(file->err, VITA_E_IO, "%s: cannot be read: %s", file->path,
			                 strerror(errno));
		if (n == 0) break;
		file->size += (size_t)n;
		if (file->size > LARGEST_FILE)
			return vita_fail(file->err, VITA_E_CONFIG,
			                 "%s: is larger than 1 MiB, which no INI file needs to be",
			                 file->path);
	}
	file->text[file->size] = '\0';
	if (file->size >= 3 && memcmp(file->text, "\xef\xbb\xbf", 3) == 0) file->at = 3; /* byte order mark */
	return VITA_OK;
}

static vita_status load(ini_file *file, const char *path)
{
	if (strcmp(path, "-") == 0) return read_all(file, STDIN_FILENO);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return vita_fail(file->err, errno == ENOENT || errno == ENOTDIR ? VITA_E_NOTFOUND : VITA_E_IO,
		                 "%s: cannot be opened: %s", file->path, strerror(errno));
	vita_status status = read_all(file, fd);
	(void)close(fd);
	return status;
}

/* ---- lines ----------------------------------------------------------------------------------------- */

VITA_PRINTF(2, 3)
static void stop(ini_file *file, const char *format, ...)
{
	char what[600];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(what, sizeof what, format, args);
	va_end(args);
	file->status = vita_fail(file->err, VITA_E_CONFIG, "%s:%u: %s", file->path, file->line, what);
}

static const char *place(const ini_file *file, char *out, size_t size)
{
	(void)snprintf(out, size, "%s:%u", file->path, file->line);
	return out;
}

/* inih's rule for values: a ';' after a space begins a comment, space at both ends goes. */
static char *value_of(char *text)
{
	for (char *c = text; *c; c++) {
		if (*c != ';' || c == text || !isspace((unsigned char)c[-1])) continue;
		*c = '\0';
		break;
	}
	while (isspace((unsigned char)*text)) text++;
	size_t size = strlen(text);
	while (size && isspace((unsigned char)text[size - 1])) text[--size] = '\0';
	return text;
}

/* A line that does not fit into inih's buffer of `room` bytes: give it the name alone, keep the value. */
static void shorten(ini_file *file, char *line, char *out, size_t room)
{
	out[0] = '\0';
	if (*line == ';' || *line == '#') return;
	size_t name = strcspn(line, "=:");
	if (*line == '[' || !line[name] || name + 2 > room) {
		stop(file, "a line of %zu bytes is neither a section nor \"key = value\"", strlen(line));
		return;
	}
	memcpy(out, line, name);
	memcpy(out + name, "=", 2);
	file->long_value = value_of(line + name + 1);
}

static void check_section(ini_file *file, const char *line)
{
	char name[64], at[400];
	size_t size = strcspn(line + 1, "]");
	if (!line[1 + size]) {
		stop(file, "\"%s\" has no ] at its end", vita_quotable(name, sizeof name, line));
		return;
	}
	(void)snprintf(name, sizeof name, "%.*s", (int)(size < sizeof name ? size : sizeof name), line + 1);
	if (!vita_section_find(name))
		file->status = vita_config_check(name, "", "", NULL, place(file, at, sizeof at), file->err);
}

/* What inih calls for each line, as fgets; NULL ends the reading. */
static char *next_line(char *out, int room, void *stream)
{
	ini_file *file = stream;
	if (file->status != VITA_OK || file->at >= file->size || room < 8) return NULL;
	char *line = file->text + file->at;
	size_t size = strcspn(line, "\n");
	file->line++;
	file->long_value = NULL;
	if (file->at + size < file->size && line[size] != '\n') {
		stop(file, "holds a NUL byte; this is not a text file");
		return NULL;
	}
	line[size] = '\0';
	file->at += size + 1;
	if (size && line[size - 1] == '\r') line[--size] = '\0';
	while (isspace((unsigned char)*line)) line++, size--;
	if (size + 3 <= (size_t)room) {
		if (*line == '[') check_section(file, line);
		memcpy(out, line, size + 1);
	} else {
		shorten(file, line, out, (size_t)room - 1);
	}
	return file->status == VITA_OK ? out : NULL;
}

/* What inih calls for each value. */
static int take_value(void *user, const char *section, const char *name, const char *value)
{
	ini_file *file = user;
	char at[400], quoted[64];
	if (!name || file->status != VITA_OK) return 1;
	if (file->long_value) value = file->long_value;
	if (!section[0]) {
		stop(file, "the key \"%s\" stands before any [section]",
		     vita_quotable(quoted, sizeof quoted, name));
		return 0;
	}
	if (!name[0]) {
		stop(file, "there is no key before \"=\"");
		return 0;
	}
	(void)place(file, at, sizeof at);
	file->status = vita_config_check(section, name, value ? value : "", file->base, at, file->err);
	if (file->status == VITA_OK)
		file->status = vita_config_store(file->into, section, name, value ? value : "", file->base,
		                                 at, file->err);
	return file->status == VITA_OK;
}

/* ---- the whole ------------------------------------------------------------------------------------- */

static vita_status parse(ini_file *file)
{
	int bad_line = ini_parse_stream(next_line, file, take_value, file);
	if (bad_line < 0) return vita_fail(file->err, VITA_E_NOMEM, "%s: no memory to read it", file->path);
	int first = file->status == VITA_OK ||
	            (uint32_t)bad_line < file->line; /* inih reads on after a bad line */
	if (bad_line > 0 && first)
		return vita_fail(file->err, VITA_E_CONFIG,
		                 "%s:%d: the line is neither [section] nor \"key = value\"", file->path,
		                 bad_line);
	if (file->status == VITA_OK && file->at < file->size)
		return vita_fail(file->err, VITA_E_INTERNAL, "%s: this build of inih cannot hold a line",
		                 file->path);
	return file->status;
}

vita_status vita_config_read(vita_config *config, const char *path, vita_error *err)
{
	ini_file file = { .path = strcmp(path, "-") == 0 ? "standard input" : path, .err = err };
	vita_status status = vita_config_create(&file.into, err);
	if (status != VITA_OK) return status;
	file.base = vita_config_base(path);
	if (file.base)
		status = load(&file, path);
	else
		status = vita_fail(err, VITA_E_NOMEM, "%s: no memory to read it", file.path);
	if (status == VITA_OK) status = parse(&file);
	if (status == VITA_OK)
		status = vita_config_merge(config, file.into, err); /* a failed read changes nothing */
	vita_config_destroy(file.into);
	free(file.base);
	free(file.text);
	return status;
}
