/* SPDX-License-Identifier: MIT
 *
 * Where modules are looked for: $VITA_PLUGIN_PATH, [vita] plugin_path, the installed directory; never the
 * current directory unless one of them says so.
 */
#include <config.h>

#include "host/registry.h"
#include "host/settings.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#define MOST_FILES 4096u

static vita_status no_memory(vita_error *err)
{
	return vita_fail(err, VITA_E_NOMEM, "no memory to look for modules");
}

static vita_status add(char ***list, uint32_t *n, char *text, vita_error *err)
{
	char **grown = text ? realloc(*list, (*n + 1u) * sizeof *grown) : NULL;
	if (!grown) {
		free(text);
		return no_memory(err);
	}
	*list = grown;
	grown[(*n)++] = text;
	return VITA_OK;
}

/* The parts between colons; empty ones mean nothing. */
static vita_status add_parts(char ***list, uint32_t *n, const char *path, const char *base, const char *where,
                             vita_error *err)
{
	while (*path) {
		size_t size = strcspn(path, ":");
		if (size) {
			char *directory, *part = strndup(path, size);
			if (!part) return no_memory(err);
			vita_status status = vita_path_resolve(part, base, where, &directory, err);
			free(part);
			if (status == VITA_OK) status = add(list, n, directory, err);
			if (status != VITA_OK) return status;
		}
		path += size + (path[size] == ':');
	}
	return VITA_OK;
}

vita_status vita_search_path(const vita_config *config, char ***out, uint32_t *n, vita_error *err)
{
	const vita_config_entry *written = vita_config_find(config, "vita", "plugin_path");
	const char *environment = secure_getenv("VITA_PLUGIN_PATH");
	vita_status status = VITA_OK;
	*out = NULL;
	*n = 0;
	if (environment) status = add_parts(out, n, environment, NULL, "$VITA_PLUGIN_PATH", err);
	if (status == VITA_OK && written)
		status = add_parts(out, n, written->value, written->base, "[vita] plugin_path", err);
	if (status == VITA_OK) status = add(out, n, strdup(VITA_PLUGINDIR), err);
	if (status != VITA_OK) {
		vita_search_path_free(*out, *n);
		*out = NULL;
		*n = 0;
	}
	return status;
}

void vita_search_path_free(char **directories, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) free(directories[i]);
	free(directories);
}

/* ---- files ----------------------------------------------------------------------------------------- */

static int is_module_name(const struct dirent *entry)
{
	size_t size = strlen(entry->d_name);
	return size > 3 && entry->d_name[0] != '.' && strcmp(entry->d_name + size - 3, ".so") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* *out: the file's real path as a new string, or NULL where it is no file or is in the list. A link that leads nowhere stands
 * for itself, so that people are told why there is no such module. */
static vita_status new_file(const char *directory, const char *name, const vita_scan_file *files, uint32_t n,
                            char **out, vita_error *err)
{
	struct stat found;
	size_t size = strlen(directory) + strlen(name) + 2;
	char *path = malloc(size);
	*out = NULL;
	if (!path) return no_memory(err);
	(void)snprintf(path, size, "%s/%s", directory, name);
	char *real_path = realpath(path, NULL);
	if (!real_path && lstat(path, &found) == 0 && S_ISLNK(found.st_mode)) {
		*out = path;
		return VITA_OK;
	}
	free(path);
	if (!real_path) return VITA_OK;
	int known = stat(real_path, &found) != 0 || !S_ISREG(found.st_mode);
	for (uint32_t i = 0; i < n && !known; i++) known = strcmp(files[i].path, real_path) == 0;
	if (known)
		free(real_path);
	else
		*out = real_path;
	return VITA_OK;
}

static vita_status add_file(const char *directory, const char *name, vita_scan_file **files, uint32_t *n,
                            vita_error *err)
{
	char *path = NULL;
	if (*n == MOST_FILES) return VITA_OK;
	vita_status status = new_file(directory, name, *files, *n, &path, err);
	if (!path) return status;
	vita_scan_file *grown = realloc(*files, (*n + 1u) * sizeof *grown);
	if (!grown) {
		free(path);
		return no_memory(err);
	}
	*files = grown;
	memset(&grown[*n], 0, sizeof *grown);
	grown[(*n)++].path = path;
	return VITA_OK;
}

static vita_status add_directory(const char *directory, vita_scan_file **files, uint32_t *n, vita_error *err)
{
	struct dirent **names = NULL;
	vita_status status = VITA_OK;
	int n_names = scandir(directory, &names, is_module_name, by_bytes);
	for (int i = 0; i < n_names; i++) {
		if (status == VITA_OK) status = add_file(directory, names[i]->d_name, files, n, err);
		free(names[i]);
	}
	free(names);
	return status;
}

vita_status vita_search_files(char *const *directories, uint32_t n, vita_scan_file **out, uint32_t *n_out,
                              vita_error *err)
{
	*out = NULL;
	*n_out = 0;
	for (uint32_t i = 0; i < n; i++) {
		vita_status status = add_directory(directories[i], out, n_out, err);
		if (status == VITA_OK) continue;
		vita_scan_clear(*out, *n_out);
		free(*out);
		*out = NULL;
		*n_out = 0;
		return status;
	}
	return VITA_OK;
}
