/* SPDX-License-Identifier: MIT
 *
 * What unit tests share: cmocka with all that it wants included before it, and where things are.
 */
#ifndef UNIT_H
#define UNIT_H

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* The source tree and the build tree; the Makefile sets both. */
static inline const char *unit_srcdir(void)
{
	const char *path = getenv("VITA_SRCDIR");
	return path ? path : ".";
}

static inline const char *unit_builddir(void)
{
	const char *path = getenv("VITA_BUILDDIR");
	return path ? path : ".";
}

/* A locale that writes one half as "0,5", where there is one; setlocale(LC_ALL, "C") ends it. */
static inline void unit_comma_locale(void)
{
	static const char *const names[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "pt_BR.UTF-8", "ru_RU.UTF-8" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (setlocale(LC_ALL, names[i])) return;
	print_message("no locale with a decimal comma here: tested in the C locale alone\n");
}

#endif
