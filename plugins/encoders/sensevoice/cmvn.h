/* SPDX-License-Identifier: MIT
 *
 * am.mvn: what is added to feature rows, and what they are then multiplied by, as Kaldi's nnet text.
 *
 *     <Nnet>
 *     <Splice> 560 560
 *     [ 0 ]
 *     <AddShift> 560 560
 *     <LearnRateCoef> 0 [ -8.31 … ]
 *     <Rescale> 560 560
 *     <LearnRateCoef> 0 [ 0.155 … ]
 *     </Nnet>
 */
#ifndef SENSEVOICE_CMVN_H
#define SENSEVOICE_CMVN_H

#include <vita/host.h>

/* Read n values of each from text of size bytes, which a NUL need not end; path is for errors.
 * OK | E_FORMAT (a part is missing, or holds anything but n numbers) */
vita_status cmvn_parse(const char *path, const char *text, size_t size, uint32_t n, float *shift,
		       float *scale, vita_error *err);

/* The same from a file.  OK | E_NOTFOUND | E_IO | E_FORMAT | E_NOMEM */
vita_status cmvn_read(const vita_host *host, const char *path, uint32_t n, float *shift, float *scale,
		      vita_error *err);

#endif
