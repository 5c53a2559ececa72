/* SPDX-License-Identifier: MIT
 *
 * f32 products through oneDNN.
 */
#include "onednn.h"

struct onednn *onednn_open(void)
{
	return NULL;
}

void onednn_close(struct onednn *onednn)
{
	(void)onednn;
}

const char *onednn_version(void)
{
	return "";
}

bool onednn_takes(const vita_backend *backend, const op_call *c)
{
	(void)backend, (void)c;
	return false;
}

void onednn_needs(struct step *s)
{
	(void)s;
}

void onednn_multiply(const struct step *s, int thread, int n_threads)
{
	(void)s, (void)thread, (void)n_threads;
}
