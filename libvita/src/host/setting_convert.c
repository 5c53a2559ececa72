/* SPDX-License-Identifier: MIT
 *
 * Text of an INI file to a typed value: numbers, ranges, choices, lists, paths, each with its own sentence.
 */
#include <config.h>

#include "files/synthetic.h"
#include "host/decimal.h"
#include "host/settings.h"
#include "host/words.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#define MOST_LIST_ENTRIES 4096u

void vita_setting_clear(vita_setting *setting)
{
	free(setting->name);
	free(setting->string);
	free(setting->list);
	memset(setting, 0, sizeof *setting);
}

/* `nano.ini:3: [llm] context = "many": must be …` */
VITA_PRINTF(4, 5)
static vita_status refuse(vita_error *err, const char *where, const char *text, const char *format, ...)
{
	char must[512], value[128];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(must, sizeof must, format, args);
	va_end(args);
	return vita_fail(err, VITA_E_CONFIG, "%s = \"%s\": must be %s", where,
	                 vita_quotable(value, sizeof value, text), must);
}

static vita_status no_memory(vita_error *err, const char *where)
{
	return vita_fail(err, VITA_E_NOMEM, "no memory for the value of %s", where);
}

#define AS_GOOD_AS_UNLIMITED 2147483647.0

/* " from 0 to 4096", " of at least 0" where the value is not above even a very high end, or "" where the key has no
 * range. */
static const char *range_text(char *out, size_t size, const vita_key *key, double value)
{
	out[0] = '\0';
	if (key->min == 0 && key->max == 0) return out;
	if (key->max >= AS_GOOD_AS_UNLIMITED && !(value > key->max))
		(void)snprintf(out, size, " of at least %.10g", key->min);
	else
		(void)snprintf(out, size, " from %.10g to %.10g", key->min, key->max);
	return out;
}

static int in_range(const vita_key *key, double value)
{
	return (key->min == 0 && key->max == 0) || (value >= key->min && value <= key->max);
}

/* The whole number at the start of text; *end is behind it and the space after it, NULL where there is none.
 * */
static int64_t parse_int(const char *text, const char **end)
{
	char *stop;
	errno = 0;
	long long value = strtoll(text, &stop, 10);
	*end = NULL;
	if (stop == text || errno) return 0;
	while (isspace((unsigned char)*stop)) stop++;
	*end = stop;
	return value;
}

static vita_status convert_int(vita_setting *setting, const vita_key *key, const char *text,
                               const char *where, vita_error *err)
{
	char range[64];
	const char *end;
	setting->integer = parse_int(text, &end);
	if (!end || *end || !in_range(key, (double)setting->integer))
		return refuse(err, where, text, "a whole number%s",
		              range_text(range, sizeof range, key, (double)setting->integer));
	return VITA_OK;
}

static vita_status convert_float(vita_setting *setting, const vita_key *key, const char *text,
                                 const char *where, vita_error *err)
{
	char range[64], *end;
	setting->real = vita_decimal(text, &end);
	if (end == text || *end || !isfinite(setting->real) || !in_range(key, setting->real))
		return refuse(err, where, text, "a number%s",
		              range_text(range, sizeof range, key, setting->real));
	return VITA_OK;
}

static vita_status convert_bool(vita_setting *setting, const char *text, const char *where, vita_error *err)
{
	static const char *const words[] = { "no", "yes", "off", "on", "false", "true", "0", "1" };
	for (uint32_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcasecmp(text, words[i]) != 0) continue;
		setting->integer = i & 1;
		return VITA_OK;
	}
	return refuse(err, where, text, "yes or no");
}

static vita_status convert_choice(vita_setting *setting, const vita_key *key, const char *text,
                                  const char *where, vita_error *err)
{
	char all[256] = "";
	size_t size = strlen(text);
	for (const char *word = key->choices; *word;) {
		size_t length = strcspn(word, " ");
		if (length && length == size && memcmp(word, text, size) == 0) {
			setting->string = strdup(text);
			return setting->string ? VITA_OK : no_memory(err, where);
		}
		if (length) vita_append(all, sizeof all, "%s%.*s", all[0] ? ", " : "", (int)length, word);
		word += length + (word[length] == ' ');
	}
	return refuse(err, where, text, "one of %s", all);
}

static vita_status convert_list(vita_setting *setting, const vita_key *key, const char *text,
                                const char *where, vita_error *err)
{
	char range[64];
	uint32_t n = 1;
	for (const char *c = text; *c; c++) n += *c == ',';
	if (n > MOST_LIST_ENTRIES)
		return refuse(err, where, text, "a list of at most %u numbers", MOST_LIST_ENTRIES);
	setting->list = calloc(n, sizeof *setting->list);
	if (!setting->list) return no_memory(err, where);
	const char *at = text;
	for (setting->n_list = 0; setting->n_list < n; setting->n_list++) {
		int64_t value = parse_int(at, &at);
		int last = setting->n_list + 1 == n;
		if (!at || *at != (last ? '\0' : ',') || !in_range(key, (double)value))
			return refuse(err, where, text, "whole numbers%s with commas between them",
			              range_text(range, sizeof range, key, (double)value));
		setting->list[setting->n_list] = value;
		at++;
	}
	return VITA_OK;
}

vita_status vita_path_resolve(const char *path, const char *base, const char *where, char **out,
                              vita_error *err)
{
	const char *home = getenv("HOME");
	const char *front = "", *rest = path;
	*out = NULL;
	if (strcmp(path, "~") == 0 || strncmp(path, "~/", 2) == 0) {
		if (!home || !*home)
			return vita_fail(err, VITA_E_CONFIG,
			                 "%s = \"%.200s\": the home directory is not known, $HOME is not set",
			                 where, path);
		front = home;
		rest = path + 1;
	} else if (path[0] != '/' && path[0] && base && *base && !vita_synthetic_is_path(path)) {
		front = base;
	}
	const char *joint = *front && *rest && *rest != '/' && front[strlen(front) - 1] != '/' ? "/" : "";
	size_t size = strlen(front) + strlen(joint) + strlen(rest) + 1;
	*out = malloc(size);
	if (!*out) return no_memory(err, where);
	(void)snprintf(*out, size, "%s%s%s", front, joint, rest);
	return VITA_OK;
}

static vita_status convert(vita_setting *setting, const vita_key *key, const char *text, const char *base,
                           const char *where, vita_error *err)
{
	switch (key->type) {
	case VITA_KEY_INT: return convert_int(setting, key, text, where, err);
	case VITA_KEY_FLOAT: return convert_float(setting, key, text, where, err);
	case VITA_KEY_BOOL: return convert_bool(setting, text, where, err);
	case VITA_KEY_PATH: return vita_path_resolve(text, base, where, &setting->string, err);
	case VITA_KEY_CHOICE: return convert_choice(setting, key, text, where, err);
	case VITA_KEY_LIST: return convert_list(setting, key, text, where, err);
	case VITA_KEY_SEED:
		if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
			return vita_path_resolve(text, base, where, &setting->string, err);
		setting->string = strdup(text);
		return setting->string ? VITA_OK : no_memory(err, where);
	case VITA_KEY_STRING:
		setting->string = strdup(text);
		return setting->string ? VITA_OK : no_memory(err, where);
	default: return vita_fail(err, VITA_E_INTERNAL, "%s has no known type", where);
	}
}

vita_status vita_setting_convert(vita_setting *setting, const vita_key *key, const char *text,
                                 const char *base, const char *where, vita_error *err)
{
	vita_status status;
	memset(setting, 0, sizeof *setting);
	setting->type = key->type;
	setting->name = strdup(key->name);
	if (!setting->name) return no_memory(err, where);
	status = convert(setting, key, text, base, where, err);
	if (status != VITA_OK) {
		vita_setting_clear(setting);
		return status;
	}
	setting->has = key->type != VITA_KEY_PATH || text[0] != '\0'; /* `model =` means: none */
	return VITA_OK;
}
