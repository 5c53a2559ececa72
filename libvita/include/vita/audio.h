/* SPDX-License-Identifier: MIT
 *
 * vita/audio.h - recordings: any file that libsndfile reads in, WAV out.
 *
 * Samples are 32-bit float, full scale is -1 … 1, mono. Reading works in chunks of constant size, so
 * that hours of sound take no more memory than seconds.
 */
#ifndef VITA_AUDIO_H
#define VITA_AUDIO_H

#include <vita/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vita_audio_reader vita_audio_reader;
typedef struct vita_audio_writer vita_audio_writer;

/* How several channels become one. */
#define VITA_MIX_FIRST 0u /* channel 0 alone */
#define VITA_MIX_MEAN 1u  /* the mean of all */

/* Or'ed into mix: resample as torchaudio does by default, a Hann-windowed sinc of six zero crossings cut off at
 * 99 % of the band, for models that were trained behind it. n_in samples then become n_in · rate_hz / rate_in,
 * rounded up. Without it the band is flatter and the images are fainter. */
#define VITA_RESAMPLE_SINC 0x100u

/* Open a recording and deliver it at rate_hz. path "-" reads standard input: WAV, AU, AIFF and Ogg as they
 * come, from a pipe too; other formats in a pipe are first read to its end, into a temporary file.
 * A recording of no samples is opened; the first read then says END. NaN or infinite samples are an
 * error at the read that meets them, E_FORMAT naming the first one's second.
 * OK | E_NOTFOUND | E_IO | E_FORMAT (not a recording that libsndfile knows) | E_INVALID | E_NOMEM
 *                                                                        [any-thread, may-block] */
VITA_EXPORT vita_status vita_audio_open(const char *path, uint32_t rate_hz, uint32_t mix,
                                        vita_audio_reader **out, vita_error *err);
VITA_EXPORT void vita_audio_close(vita_audio_reader *reader);

/* Up to capacity samples into pcm, *n of them; END with *n = 0 after the last. At the file's own rate
 * the samples are exactly those of the file (integer formats divided by their full scale); at another
 * the delay of the resampler is taken out, and n_in samples become round(n_in · rate_hz / rate_in).
 *                                                                        [one-thread, may-block] */
VITA_EXPORT vita_status vita_audio_read(vita_audio_reader *reader, float *pcm, uint64_t capacity, uint64_t *n,
                                        vita_error *err);

/* What the file itself is: rate, channels, samples a channel (-1 where not known ahead). */
VITA_EXPORT void vita_audio_describe(const vita_audio_reader *reader, uint32_t *rate_hz, uint32_t *channels,
                                     int64_t *n_samples);

/* ---- writing -------------------------------------------------------------------------------------
 * A mono WAV that appears under path whole or not at all: samples go to a file beside it, which
 * vita_audio_commit syncs and renames; vita_audio_discard (or a crash) leaves what was there before.
 * path "-" streams to standard output. Values beyond ±1 are clipped; 16-bit values are
 * round(x · 32768) in -32768 … 32767, so that what vita_audio_read gave is written back bit for bit. A
 * sample that is not a number is E_INVALID; after a failure nothing is kept, and commit fails too.
 * OK | E_NOTFOUND (no such directory) | E_IO (a full disk …) | E_INVALID | E_NOMEM   [one-thread, may-block] */
#define VITA_PCM16 0u
#define VITA_PCM_FLOAT 1u

VITA_EXPORT vita_status vita_audio_create(const char *path, uint32_t rate_hz, uint32_t format,
                                          vita_audio_writer **out, vita_error *err);
VITA_EXPORT vita_status vita_audio_write(vita_audio_writer *writer, const float *pcm, uint64_t n, vita_error *err);
/* Both end the writer, whatever they return. NULL is a no-op.             [one-thread, may-block] */
VITA_EXPORT vita_status vita_audio_commit(vita_audio_writer *writer, vita_error *err);
VITA_EXPORT void vita_audio_discard(vita_audio_writer *writer);

#ifdef __cplusplus
}
#endif
#endif
