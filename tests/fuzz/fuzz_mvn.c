/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: am.mvn, the means and deviations of SenseVoice's features.
 */
#include "fuzz.h"

#include "cmvn.h"

#include <math.h>

enum { N = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	float shift[N], scale[N];
	vita_error err;
	if (cmvn_parse("am.mvn", (const char *)data, size, N, shift, scale, &err) != VITA_OK) return 0;
	for (int i = 0; i < N; i++)
		if (!isfinite(shift[i]) || !isfinite(scale[i])) __builtin_trap();
	return 0;
}
