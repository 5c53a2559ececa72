/* SPDX-License-Identifier: MIT
 *
 * The golden files of encoder sensevoice, for its tests.
 */
#ifndef SENSEVOICE_SUPPORT_H
#define SENSEVOICE_SUPPORT_H

#include "unit.h"

#include <vita/vita.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_SAMPLES 40000

VITA_UNUSED static char *golden_path(const char *name)
{
	static char path[2][4096];
	static int turn;
	turn ^= 1;
	(void)snprintf(path[turn], sizeof path[turn], "%.3900s/tests/golden/sensevoice/%s", unit_srcdir(),
		       name);
	return path[turn];
}

VITA_UNUSED static void ok(vita_status status, const vita_error *err)
{
	if (status != VITA_OK) fail_msg("status %d: %s", (int)status, err->message);
}

VITA_UNUSED static float worst(const float *a, const float *b, size_t n)
{
	float w = 0;
	for (size_t i = 0; i < n; i++) {
		float d = fabsf(a[i] - b[i]);
		if (!(d <= w)) w = d; /* a NaN counts */
	}
	return w;
}

/* A recording of the golden set; returns its samples' number. */
VITA_UNUSED static uint64_t read_wav(const char *name, float *pcm)
{
	vita_error err;
	vita_audio_reader *reader;
	uint64_t n = 0, got;
	ok(vita_audio_open(golden_path(name), 16000, VITA_MIX_MEAN, &reader, &err), &err);
	while (vita_audio_read(reader, pcm + n, MAX_SAMPLES - n, &got, &err) == VITA_OK)
		n += got;
	vita_audio_close(reader);
	assert_true(n > 0);
	return n;
}

VITA_UNUSED static vita_model *open_golden(const char *name)
{
	vita_error err;
	vita_model *model;
	ok(vita_model_open(golden_path(name), VITA_MODEL_WANT_TENSORS, &model, &err), &err);
	return model;
}

VITA_UNUSED static vita_array tensor(const vita_model *model, const char *name)
{
	vita_error err;
	vita_array array;
	VITA_INIT(&array);
	ok(vita_model_tensor(model, name, 0, NULL, &array, &err), &err);
	assert_int_equal(array.dtype, VITA_F32);
	return array;
}

#endif
