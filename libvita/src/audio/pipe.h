/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: recordings from pipes in formats that libsndfile reads only where it can go back and forth.
 */
#ifndef VITA_AUDIO_PIPE_H
#define VITA_AUDIO_PIPE_H

#include <vita/types.h>

/* Look at what a pipe begins with, without taking it. Formats that are read as they come (WAV, AU, AIFF, Ogg), and
 * descriptors that are no pipe, leave *file NULL; of others *file is everything up to the pipe's end, in a file
 * without a name, to be closed with fclose. A pipe whose writer begins with fewer than four bytes is taken for the former.
 * OK | E_IO | E_NOMEM                                                     [may-block] */
vita_status vita_pipe_spool(int descriptor, FILE **file, vita_error *err);

#endif
