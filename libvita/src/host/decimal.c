/* SPDX-License-Identifier: MIT
 *
 * Numbers in every locale; see decimal.h.
 */
#include <config.h>

#include "host/decimal.h"

#include <locale.h>
#include <stdint.h>
#include <stdlib.h>

double vita_decimal(const char *text, char **end)
{
	*end = (char *)(uintptr_t)text;
	locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (c_locale == (locale_t)0) return 0;
	locale_t callers = uselocale(c_locale);
	const double number = strtod(text, end);
	(void)uselocale(callers);
	freelocale(c_locale);
	return number;
}
