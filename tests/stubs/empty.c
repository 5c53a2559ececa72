/* SPDX-License-Identifier: MIT
 *
 * A shared object that is no module: it exports something else.
 */
#include <vita/types.h>

VITA_EXPORT int stub_empty(void);

int stub_empty(void)
{
	return 0;
}
