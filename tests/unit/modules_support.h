/* SPDX-License-Identifier: MIT
 *
 * What tests with modules share: copies of stubs in the test's directory, contexts that find them, and the
 * log.
 */
#ifndef TESTS_MODULES_SUPPORT_H
#define TESTS_MODULES_SUPPORT_H

#include "files_support.h"

#include <vita/context.h>

VITA_UNUSED static const char *builddir(void)
{
	const char *path = getenv("VITA_BUILDDIR");
	return path && path[0] ? path : ".";
}

/* Put tests/stubs/STUB.so into the test's directory as NAME.so. */
VITA_UNUSED static void put_stub(const char *stub, const char *name)
{
	char from[1024], to[64];
	size_t size;
	(void)snprintf(from, sizeof from, "%s/tests/stubs/.libs/%s.so", builddir(), stub);
	(void)snprintf(to, sizeof to, "%s.so", name);
	char *bytes = get_file(from, &size);
	put_file(in_scratch(to), bytes, size);
	free(bytes);
}

/* The installed kind of module, from the build tree. */
VITA_UNUSED static void put_module(const char *name)
{
	char from[1024], to[64];
	size_t size;
	(void)snprintf(from, sizeof from, "%s/modules/%s.so", builddir(), name);
	(void)snprintf(to, sizeof to, "%s.so", name);
	char *bytes = get_file(from, &size);
	put_file(in_scratch(to), bytes, size);
	free(bytes);
}

/* ---- the log ------------------------------------------------------------------------------------------ */

static char logged[16384];

VITA_UNUSED static void write_log(void *user, uint32_t level, const char *topic, const char *text)
{
	size_t used = strlen(logged);
	(void)user;
	(void)snprintf(logged + used, sizeof logged - used, "%u %s: %s\n", level, topic, text);
}

VITA_UNUSED static int times_logged(const char *text)
{
	int n = 0;
	for (const char *at = logged; (at = strstr(at, text)); at++) n++;
	return n;
}

/* ---- contexts ----------------------------------------------------------------------------------------- */

static vita_error context_err;

/* A context of the test's directory and these overrides, NULL-terminated; NULL with context_err. */
VITA_UNUSED static vita_context *try_context(const char *const *overrides)
{
	vita_config *config;
	vita_context *context = NULL;
	logged[0] = '\0';
	assert_int_equal(setenv("VITA_PLUGIN_PATH", scratch, 1), 0);
	assert_int_equal(vita_config_create(&config, &context_err), VITA_OK);
	for (; *overrides; overrides++)
		if (vita_config_set(config, *overrides, &context_err) != VITA_OK)
			fail_msg("%s", context_err.message);
	vita_status status = vita_context_create(config, write_log, NULL, &context, &context_err);
	assert_int_equal(status == VITA_OK, context != NULL);
	vita_config_destroy(config);
	return context;
}

#define CONTEXT(...) try_context((const char *const[]){ __VA_ARGS__, NULL })

VITA_UNUSED static vita_context *must_context(vita_context *context)
{
	if (!context) fail_msg("no context: %s", context_err.message);
	return context;
}

/* The offer of this name among those from the test's directory; fails where there is none. */
VITA_UNUSED static vita_offer find_offer(const vita_context *context, const char *name)
{
	vita_offer offer;
	VITA_INIT(&offer);
	for (uint32_t i = 0; i < vita_context_n_offers(context); i++) {
		assert_int_equal(vita_context_offer(context, i, &offer), VITA_OK);
		if (strcmp(offer.name, name) == 0 && strncmp(offer.path, scratch, strlen(scratch)) == 0)
			return offer;
	}
	fail_msg("nothing is offered as \"%s\"", name);
	return offer;
}

#endif
