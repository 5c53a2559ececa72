/* SPDX-License-Identifier: MIT
 *
 * What tests of files share: a directory of their own, raw bytes in files, and statements about errors.
 */
#ifndef TESTS_FILES_SUPPORT_H
#define TESTS_FILES_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vita/types.h>

/* The directory of the running test; setup_directory makes it, teardown_directory removes it. */
static char scratch[512];

VITA_UNUSED static int setup_directory(void **state)
{
	const char *base = getenv("TMPDIR");
	(void)state;
	(void)snprintf(scratch, sizeof scratch, "%s/vita-test-XXXXXX", base && base[0] ? base : "/tmp");
	return mkdtemp(scratch) ? 0 : -1;
}

/* A path in the test's directory; a few may be in use at once. */
VITA_UNUSED static const char *in_scratch(const char *name)
{
	static char paths[8][1024];
	static unsigned next;
	char *path = paths[next++ % 8];
	(void)snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
	return path;
}

/* Remove the test's directory; tests make at most one level of directories in it. */
VITA_UNUSED static void remove_all(const char *directory)
{
	char path[1024];
	struct dirent *entry;
	DIR *list = opendir(directory);
	while (list && (entry = readdir(list))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
		(void)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
		if (unlink(path) != 0) remove_all(path);
	}
	if (list) closedir(list);
	(void)rmdir(directory);
}

VITA_UNUSED static int teardown_directory(void **state)
{
	(void)state;
	remove_all(scratch);
	return 0;
}

/* How many entries the test's directory has, hidden ones among them. */
VITA_UNUSED static int count_entries(void)
{
	int n = -2;
	DIR *list = opendir(scratch);
	assert_non_null(list);
	while (readdir(list)) n++;
	closedir(list);
	return n;
}

VITA_UNUSED static void put_file(const char *path, const void *data, size_t size)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

VITA_UNUSED static void put_text(const char *path, const char *text)
{
	put_file(path, text, strlen(text));
}

/* A control group's file below the test's directory; its folders are made. */
VITA_UNUSED static void put_in_group(const char *group, const char *name, const char *text)
{
	char path[900];
	(void)snprintf(path, sizeof path, "%s%s", scratch, group);
	for (char *at = path + strlen(scratch) + 1; (at = strchr(at, '/')) != NULL; *at++ = '/') {
		*at = 0;
		(void)mkdir(path, 0777);
	}
	(void)mkdir(path, 0777);
	(void)snprintf(path, sizeof path, "%s%s/%s", scratch, group, name);
	put_text(path, text);
}

/* A safetensors file: length, header, n_data bytes of data (byte i is i). */
VITA_UNUSED static void put_safetensors(const char *path, const char *header, size_t n_data)
{
	size_t length = strlen(header), size = 8 + length + n_data;
	unsigned char *bytes = malloc(size);
	assert_non_null(bytes);
	for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)length >> 8 * i);
	memcpy(bytes + 8, header, length);
	for (size_t i = 0; i < n_data; i++) bytes[8 + length + i] = (unsigned char)i;
	put_file(path, bytes, size);
	free(bytes);
}

/* The whole file as a string; free() it. */
VITA_UNUSED static char *get_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	long n = ftell(file);
	assert_true(n >= 0);
	rewind(file);
	char *text = malloc((size_t)n + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)n, file), (size_t)n);
	(void)fclose(file);
	text[n] = '\0';
	if (size) *size = (size_t)n;
	return text;
}

VITA_UNUSED static void assert_file_is(const char *path, const char *expected)
{
	char *text = get_file(path, NULL);
	assert_string_equal(text, expected);
	free(text);
}

/* A failure of this status whose sentence contains the text and neither a newline nor another control
 * character. */
VITA_UNUSED static void assert_failure(vita_status status, vita_status expected, const vita_error *err,
                                       const char *text)
{
	if (status != expected || !strstr(err->message, text))
		fail_msg("expected status %d and \"%s\", got %d and \"%s\"", (int)expected, text, (int)status,
		         status < 0 ? err->message : "");
	assert_int_equal(err->status, expected);
	for (const char *c = err->message; *c; c++) assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
}

VITA_UNUSED static void assert_ok(vita_status status, const vita_error *err)
{
	if (status != VITA_OK) fail_msg("status %d: %s", (int)status, err->message);
}

#endif
