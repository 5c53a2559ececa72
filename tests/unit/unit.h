/* SPDX-License-Identifier: MIT
 *
 * What unit tests share: cmocka with all that it wants included before it, and where things are.
 */
#ifndef UNIT_H
#define UNIT_H

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

#endif
