/* SPDX-License-Identifier: MIT
 *
 * Files of training samples: JSON lines, or one JSON list of objects. Only where each line begins is kept;
 * the lines are read when their turn comes, and not through a mapping, since people do edit such files.
 */
#include "train/data_internal.h"

#include "files/map.h"
#include "host/decimal.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK (1u << 16)
#define MOST_FILES 4096u
#define MOST_RATIO 1e6

/* ---- where lines begin ---------------------------------------------------------------------------- */

/* Reads a file once, byte by byte, and notes the beginnings. */
typedef struct scanner {
	vita_data_file *file;
	size_t capacity;
	uint64_t at; /* bytes seen */
	bool is_list, in_string, escaped, blank;
	uint64_t depth; /* of a list's brackets */
	uint64_t end;   /* where the list's last bracket stands */
} scanner;

static bool note(scanner *s, uint64_t start)
{
	void *data = s->file->start;
	bool ok =
		vita_array_reserve(&data, &s->capacity, (size_t)s->file->n_lines, 2, sizeof *s->file->start);
	s->file->start = data;
	if (ok) s->file->start[s->file->n_lines] = start;
	return ok;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A line counts whether it holds anything or not, so that its number is an editor's; blank ones are no
 * samples and are passed over when they are read. */
static bool scan_line(scanner *s, char c)
{
	if (s->blank && !note(s, s->at)) return false;
	s->blank = false;
	if (c != '\n') return true;
	s->file->n_lines++;
	s->blank = true;
	return true;
}

/* Objects of the outermost list. Brackets within texts do not count. */
static bool scan_list(scanner *s, char c)
{
	if (s->in_string) {
		if (s->escaped)
			s->escaped = false;
		else if (c == '\\')
			s->escaped = true;
		else if (c == '"')
			s->in_string = false;
		return true;
	}
	if (c == '"') s->in_string = true;
	if (c == '[' || c == '{') {
		if (s->depth++ == 1 && s->end == 0 && !note(s, s->at)) return false;
		return true;
	}
	if ((c != ']' && c != '}') || s->depth == 0) return true;
	s->depth--;
	if (s->depth == 1 && s->end == 0) s->file->n_lines++;
	if (s->depth == 0 && s->end == 0) s->end = s->at;
	return true;
}

static vita_status no_memory(const vita_data_file *file, vita_error *err)
{
	return vita_fail(err, VITA_E_NOMEM, "%s: no memory for where its lines begin", file->path);
}

static vita_status scan(vita_data_file *file, vita_error *err)
{
	scanner s = {.file = file, .blank = true};
	char block[BLOCK];
	bool decided = false;
	for (;;) {
		ssize_t n = pread(file->fd, block, sizeof block, (off_t)s.at);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) return vita_fail(err, VITA_E_IO, "%s: %s", file->path, strerror(errno));
		if (n == 0) break;
		for (ssize_t i = 0; i < n; i++, s.at++) {
			if (!decided && !is_space(block[i])) decided = true, s.is_list = block[i] == '[';
			if (!(s.is_list ? scan_list(&s, block[i]) : scan_line(&s, block[i])))
				return no_memory(file, err);
		}
	}
	if (!s.is_list && !s.blank) file->n_lines++; /* the last line may lack its newline */
	return note(&s, s.end > 0 ? s.end : s.at) ? VITA_OK : no_memory(file, err);
}

vita_status vita_data_file_line(const vita_data_file *file, int64_t index, vita_bytes *line, vita_error *err)
{
	uint64_t begin = file->start[index], size = file->start[index + 1] - begin, done = 0;
	line->size = 0;
	if (size > VITA_LINE_BYTES) size = VITA_LINE_BYTES;
	if (!vita_bytes_reserve(line, (size_t)size)) return no_memory(file, err);
	while (done < size) {
		ssize_t n = pread(file->fd, line->data + done, (size_t)(size - done), (off_t)(begin + done));
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) return vita_fail(err, VITA_E_IO, "%s: %s", file->path, strerror(errno));
		if (n == 0)
			break; /* shorter than it was: the rest of the line is gone, and will not be JSON */
		done += (uint64_t)n;
	}
	line->size = (size_t)done;
	while (line->size > 0 &&
	       (is_space((char)line->data[line->size - 1]) || line->data[line->size - 1] == ','))
		line->size--;
	return VITA_OK;
}

/* ---- the list of files ---------------------------------------------------------------------------- */

/* The ":0.5" behind a path, taken off; 1 where there is none. */
static double take_ratio(char *path)
{
	char *colon = strrchr(path, ':'), *end;
	if (!colon || colon[1] == '\0') return 1;
	double ratio = vita_decimal(colon + 1, &end);
	if (*end != '\0') return 1; /* a path with a colon of its own */
	*colon = '\0';
	return ratio;
}

static char *join(const char *directory, const char *path)
{
	bool alone = path[0] == '/' || !directory || !*directory;
	size_t n = alone ? 0 : strlen(directory), m = strlen(path);
	bool slash = n > 0 && directory[n - 1] != '/';
	char *out = malloc(n + slash + m + 1);
	if (!out) return NULL;
	if (n > 0) memcpy(out, directory, n);
	if (slash) out[n] = '/';
	memcpy(out + n + slash, path, m + 1);
	return out;
}

static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) + 1 : 0;
	char *out = malloc(n + 1);
	if (!out) return NULL;
	memcpy(out, path, n);
	out[n] = '\0';
	return out;
}

static vita_status open_file(vita_data_file *file, char *name, const char *directory, vita_error *err)
{
	struct stat info;
	vita_shown shown;
	file->fd = -1;
	file->ratio = take_ratio(name);
	if (!(file->ratio >= 0 && file->ratio <= MOST_RATIO))
		return vita_fail(err, VITA_E_CONFIG, "%s: its ratio must be a number from 0 to %.0f",
				 vita_show(shown, name), MOST_RATIO);
	file->path = join(directory, name);
	file->directory = file->path ? directory_of(file->path) : NULL;
	if (!file->directory) return vita_fail(err, VITA_E_NOMEM, "no memory for the name of a data file");
	file->fd = open(file->path, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0)
		return vita_fail(err, errno == ENOENT || errno == ENOTDIR ? VITA_E_NOTFOUND : VITA_E_IO,
				 "%s: cannot be opened: %s", vita_show(shown, file->path), strerror(errno));
	if (fstat(file->fd, &info) != 0 || !S_ISREG(info.st_mode))
		return vita_fail(err, VITA_E_FORMAT, "%s: is not a regular file",
				 vita_show(shown, file->path));
	return scan(file, err);
}

/* The next name of the list, without space around it; *list moves behind it. NULL: no memory. */
static char *take_name(const char **list)
{
	const char *begin = *list + strspn(*list, " \t\r\n"), *comma = strchr(begin, ',');
	const char *end = comma ? comma : begin + strlen(begin);
	*list = comma ? comma + 1 : end;
	while (end > begin && is_space(end[-1]))
		end--;
	char *name = malloc((size_t)(end - begin) + 1);
	if (!name) return NULL;
	memcpy(name, begin, (size_t)(end - begin));
	name[end - begin] = '\0';
	return name;
}

vita_status vita_data_files_open(const char *list, const char *directory, vita_data_file **out, uint32_t *n,
				 vita_error *err)
{
	vita_status status = VITA_OK;
	*out = NULL;
	*n = 0;
	while (*list && status == VITA_OK) {
		char *name = take_name(&list);
		vita_data_file *grown = name ? realloc(*out, (*n + 1) * sizeof **out) : NULL;
		if (grown) *out = grown;
		if (!grown)
			status = vita_fail(err, VITA_E_NOMEM, "no memory for the list of data files");
		else if (!*name)
			status = VITA_OK; /* a comma too many */
		else if (*n == MOST_FILES)
			status = vita_fail(err, VITA_E_CONFIG, "more than %u data files are named",
					   MOST_FILES);
		else {
			memset(&grown[*n], 0, sizeof *grown);
			status = open_file(&grown[(*n)++], name, directory, err);
		}
		free(name);
	}
	if (status == VITA_OK && *n == 0)
		status = vita_fail(err, VITA_E_CONFIG, "name at least one file of training data");
	if (status == VITA_OK) return VITA_OK;
	vita_data_files_close(*out, *n);
	*out = NULL;
	*n = 0;
	return status;
}

void vita_data_files_close(vita_data_file *files, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (files[i].fd >= 0) (void)close(files[i].fd);
		free(files[i].path);
		free(files[i].directory);
		free(files[i].start);
	}
	free(files);
}
