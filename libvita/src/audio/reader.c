/* SPDX-License-Identifier: MIT
 *
 * Recordings in: libsndfile decodes, this file mixes channels down to one, and libsamplerate, or the sinc
 * that models were trained behind, brings the result to the rate that was asked for. Blocks of constant
 * size flow through, so that memory does not grow with the recording.
 */
#include "audio/pipe.h"
#include "audio/sinc.h"

#include <vita/audio.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <samplerate.h>
#include <sndfile.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_SAMPLES 8192 /* interleaved samples read at once; at least one frame */
#define BLOCK_FRAMES 4096

struct vita_audio_reader {
	char *path; /* as errors call it */
	SNDFILE *file;
	FILE *spool; /* what came from a pipe and is read from here, or NULL */
	SF_INFO info;
	uint32_t rate_hz;
	uint32_t mix;
	SRC_STATE *converter; /* one of the two, or neither at the file's own rate */
	vita_sinc *sinc;
	vita_error failure;   /* the first one; every later read repeats it */
	int at_end;           /* the file has been read to its end */
	uint64_t n_frames_read;
	uint64_t n_delivered;
	float *interleaved; /* [block_frames, channels] */
	sf_count_t block_frames;
	uint32_t n_mono, mono_at; /* frames in mono, and how many of them are used up */
	float mono[BLOCK_FRAMES];
};

/* ---- open ---------------------------------------------------------------------------------------- */

static vita_status fail_path(vita_error *err, const char *path, int number)
{
	vita_status status = number == ENOENT || number == ENOTDIR ? VITA_E_NOTFOUND : VITA_E_IO;
	return vita_fail(err, status, "%s: cannot be opened: %s", path, strerror(number));
}

/* libsndfile says "System error." for all that the operating system refuses, so that is asked first. */
static vita_status check_path(const char *path, vita_error *err)
{
	struct stat there;
	if (!*path) return vita_fail(err, VITA_E_INVALID, "\"\" does not name a recording");
	if (stat(path, &there) != 0) return fail_path(err, path, errno);
	if (S_ISDIR(there.st_mode))
		return vita_fail(err, VITA_E_INVALID, "%s: is a directory; the name of a recording is needed",
		                 path);
	if (access(path, R_OK) != 0) return fail_path(err, path, errno);
	if (S_ISREG(there.st_mode) && there.st_size == 0)
		return vita_fail(err, VITA_E_FORMAT, "%s: is empty; a recording such as a WAV file is needed",
		                 path);
	return VITA_OK;
}

static vita_status open_file(vita_audio_reader *r, const char *path, vita_error *err)
{
	if (strcmp(path, "-") == 0) {
		vita_status status = vita_pipe_spool(STDIN_FILENO, &r->spool, err);
		if (status != VITA_OK) return status;
		r->file = sf_open_fd(r->spool ? fileno(r->spool) : STDIN_FILENO, SFM_READ, &r->info, SF_FALSE);
	} else {
		vita_status status = check_path(path, err);
		if (status != VITA_OK) return status;
		r->file = sf_open(path, SFM_READ, &r->info);
	}
	if (!r->file) {
		vita_status status = sf_error(NULL) == SF_ERR_SYSTEM ? VITA_E_IO : VITA_E_FORMAT;
		return vita_fail(err, status, "%s: is not a recording that can be read: %s", r->path,
		                 sf_strerror(NULL));
	}
	if (r->info.channels < 1 || r->info.samplerate < 1)
		return vita_fail(err, VITA_E_FORMAT,
		                 "%s: claims %d channels at %d Hz; both must be at least 1", r->path,
		                 r->info.channels, r->info.samplerate);
	return VITA_OK;
}

static vita_status open_converter(vita_audio_reader *r, int sinc, vita_error *err)
{
	int error = 0;
	if ((uint32_t)r->info.samplerate == r->rate_hz) return VITA_OK;
	if (!src_is_valid_ratio((double)r->rate_hz / r->info.samplerate))
		return vita_fail(err, VITA_E_FORMAT,
		                 "%s: is at %d Hz, which cannot be brought to %" PRIu32
		                 " Hz: the rates may differ by at most 256 times",
		                 r->path, r->info.samplerate, r->rate_hz);
	if (sinc) {
		r->sinc = vita_sinc_open((uint32_t)r->info.samplerate, r->rate_hz);
		return r->sinc ? VITA_OK : vita_fail(err, VITA_E_NOMEM, "%s: no memory to resample it", r->path);
	}
	/* Medium: 121 dB signal to noise and flat to 90 % of the band, at a third of the best one's time. */
	r->converter = src_new(SRC_SINC_MEDIUM_QUALITY, 1, &error);
	if (!r->converter) return vita_fail(err, VITA_E_NOMEM, "%s: %s", r->path, src_strerror(error));
	return VITA_OK;
}

static vita_status open_all(vita_audio_reader *r, const char *path, int sinc, vita_error *err)
{
	r->path = strdup(strcmp(path, "-") == 0 ? "standard input" : path);
	if (!r->path) return vita_fail(err, VITA_E_NOMEM, "%s: out of memory", path);
	vita_status status = open_file(r, path, err);
	if (status != VITA_OK) return status;
	status = open_converter(r, sinc, err);
	if (status != VITA_OK) return status;

	r->block_frames = BLOCK_SAMPLES / r->info.channels;
	if (r->block_frames > BLOCK_FRAMES) r->block_frames = BLOCK_FRAMES;
	if (r->block_frames < 1) r->block_frames = 1;
	r->interleaved = calloc((size_t)r->block_frames * (size_t)r->info.channels, sizeof *r->interleaved);
	if (!r->interleaved) return vita_fail(err, VITA_E_NOMEM, "%s: out of memory", path);
	return VITA_OK;
}

vita_status vita_audio_open(const char *path, uint32_t rate_hz, uint32_t mix, vita_audio_reader **out,
                            vita_error *err)
{
	*out = NULL;
	if (rate_hz == 0 || (mix & ~VITA_RESAMPLE_SINC) > VITA_MIX_MEAN)
		return vita_fail(err, VITA_E_INVALID,
		                 "%s: asked for %" PRIu32 " Hz and mix %" PRIu32
		                 "; the rate must be at least 1 and mix VITA_MIX_FIRST or VITA_MIX_MEAN",
		                 path, rate_hz, mix);
	vita_audio_reader *r = calloc(1, sizeof *r);
	if (!r) return vita_fail(err, VITA_E_NOMEM, "%s: out of memory", path);
	r->rate_hz = rate_hz;
	r->mix = mix & ~VITA_RESAMPLE_SINC;
	vita_status status = open_all(r, path, (mix & VITA_RESAMPLE_SINC) != 0, err);
	if (status != VITA_OK) {
		vita_audio_close(r);
		return status;
	}
	*out = r;
	return VITA_OK;
}

void vita_audio_close(vita_audio_reader *reader)
{
	if (!reader) return;
	if (reader->file) sf_close(reader->file);
	if (reader->spool) (void)fclose(reader->spool);
	if (reader->converter) src_delete(reader->converter);
	vita_sinc_close(reader->sinc);
	free(reader->interleaved);
	free(reader->path);
	free(reader);
}

void vita_audio_describe(const vita_audio_reader *reader, uint32_t *rate_hz, uint32_t *channels,
                         int64_t *n_samples)
{
	/* The header of a pipe may have been written before its writer knew the length. */
	if (rate_hz) *rate_hz = (uint32_t)reader->info.samplerate;
	if (channels) *channels = (uint32_t)reader->info.channels;
	if (n_samples) *n_samples = reader->info.seekable ? reader->info.frames : -1;
}

/* ---- read ---------------------------------------------------------------------------------------- */

static float mix_down(const vita_audio_reader *r, const float *frame)
{
	double sum = 0;
	if (r->mix == VITA_MIX_FIRST || r->info.channels == 1) return frame[0];
	for (int c = 0; c < r->info.channels; c++) sum += frame[c];
	return (float)(sum / r->info.channels);
}

/* Refill the used up mono block from the file; an empty block is the end of the recording. */
static vita_status fill_mono(vita_audio_reader *r)
{
	r->n_mono = r->mono_at = 0;
	if (r->at_end) return VITA_OK;
	sf_count_t n = sf_readf_float(r->file, r->interleaved, r->block_frames);
	if (n < r->block_frames) {
		int error = sf_error(r->file);
		if (error != SF_ERR_NO_ERROR)
			return vita_fail(&r->failure, error == SF_ERR_SYSTEM ? VITA_E_IO : VITA_E_FORMAT,
			                 "%s: cannot be read after %.3f s: %s", r->path,
			                 (double)r->n_frames_read / r->info.samplerate, sf_strerror(r->file));
	}
	if (n <= 0) {
		r->at_end = 1;
		return VITA_OK;
	}
	for (sf_count_t i = 0; i < n; i++) {
		r->mono[i] = mix_down(r, r->interleaved + i * r->info.channels);
		if (!isfinite(r->mono[i]))
			return vita_fail(&r->failure, VITA_E_FORMAT,
			                 "%s: the sample at %.6f s is not a finite number", r->path,
			                 (double)(r->n_frames_read + (uint64_t)i) / r->info.samplerate);
	}
	r->n_mono = (uint32_t)n;
	r->n_frames_read += (uint64_t)n;
	return VITA_OK;
}

static vita_status read_plain(vita_audio_reader *r, float *pcm, uint64_t capacity, uint64_t *n)
{
	while (*n < capacity) {
		if (r->mono_at == r->n_mono) {
			vita_status status = fill_mono(r);
			if (status != VITA_OK) return status;
			if (r->n_mono == 0) return VITA_OK;
		}
		uint64_t take = r->n_mono - r->mono_at;
		if (take > capacity - *n) take = capacity - *n;
		memcpy(pcm + *n, r->mono + r->mono_at, (size_t)take * sizeof *pcm);
		r->mono_at += (uint32_t)take;
		*n += take;
	}
	return VITA_OK;
}

/* round(frames · rate_hz / rate of the file), without overflow. */
static uint64_t n_resampled(const vita_audio_reader *r)
{
	if (r->sinc) return vita_sinc_length(r->sinc, r->n_frames_read);
	uint64_t from = (uint64_t)r->info.samplerate, to = r->rate_hz;
	return r->n_frames_read / from * to + (r->n_frames_read % from * to + from / 2) / from;
}

/* Some of the mono block to at most `want` samples, *made of them. */
static vita_status convert(vita_audio_reader *r, float *pcm, uint64_t want, uint64_t *made)
{
	const float *in = r->mono + r->mono_at;
	uint64_t n_in = r->n_mono - r->mono_at, used = 0;
	if (r->sinc) {
		*made = vita_sinc_process(r->sinc, in, n_in, &used, pcm, want);
		r->mono_at += (uint32_t)used;
		return VITA_OK;
	}
	SRC_DATA data = { .data_in = in,
		          .input_frames = (long)n_in,
		          .data_out = pcm,
		          .output_frames = (long)want,
		          .src_ratio = (double)r->rate_hz / r->info.samplerate };
	int error = src_process(r->converter, &data);
	if (error)
		return vita_fail(&r->failure, VITA_E_INTERNAL, "%s: cannot be resampled: %s", r->path,
		                 src_strerror(error));
	r->mono_at += (uint32_t)data.input_frames_used;
	*made = (uint64_t)data.output_frames_gen;
	return VITA_OK;
}

/* The converter's output lies in time where its input did, but it needs half a filter of input beyond:
 * after the end it is given silence until the last sample that belongs to the recording is out. */
static vita_status read_resampled(vita_audio_reader *r, float *pcm, uint64_t capacity, uint64_t *n)
{
	while (*n < capacity) {
		uint64_t want = capacity - *n < BLOCK_FRAMES ? capacity - *n : BLOCK_FRAMES;
		if (r->mono_at == r->n_mono) {
			vita_status status = fill_mono(r);
			if (status != VITA_OK) return status;
		}
		if (r->at_end) {
			uint64_t left = n_resampled(r) - r->n_delivered;
			if (left == 0) return VITA_OK;
			if (want > left) want = left;
			memset(r->mono, 0, sizeof r->mono);
			r->n_mono = BLOCK_FRAMES;
		}
		uint64_t made = 0;
		vita_status status = convert(r, pcm + *n, want, &made);
		if (status != VITA_OK) return status;
		*n += made;
		r->n_delivered += made;
	}
	return VITA_OK;
}

vita_status vita_audio_read(vita_audio_reader *reader, float *pcm, uint64_t capacity, uint64_t *n,
                            vita_error *err)
{
	*n = 0;
	vita_status status = reader->failure.status;
	if (status == VITA_OK)
		status = reader->converter || reader->sinc ? read_resampled(reader, pcm, capacity, n)
		                           : read_plain(reader, pcm, capacity, n);
	if (status != VITA_OK) {
		*n = 0;
		return vita_fail(err, status, "%s", reader->failure.message);
	}
	return *n == 0 && capacity > 0 ? VITA_END : VITA_OK;
}
