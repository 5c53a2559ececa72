/* SPDX-License-Identifier: MIT
 *
 * Recordings out: mono WAV, whole or not at all in a file, as it comes on standard output. The header is
 * written here, because a WAV that streams has none that libsndfile would write.
 */
#include <vita/audio.h>

#include "files/atomic_file.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK_SAMPLES 4096
#define HEADER_MAX 56
#define LENGTH_UNKNOWN UINT32_MAX /* what readers of streams take as "to the end" */

#define WAVE_PCM 1
#define WAVE_FLOAT 3

struct vita_audio_writer {
	char *path;      /* as errors call it */
	vita_file *file; /* NULL: standard output */
	int fd;
	uint32_t rate_hz;
	uint32_t format;
	uint64_t n_samples;
	vita_status failed; /* a write failed: commit must not put the file in place */
};

/* ---- header -------------------------------------------------------------------------------------- */

static unsigned char *put16(unsigned char *p, uint32_t value)
{
	*p++ = (unsigned char)value;
	*p++ = (unsigned char)(value >> 8);
	return p;
}

static unsigned char *put32(unsigned char *p, uint32_t value)
{
	return put16(put16(p, value & 0xffff), value >> 16);
}

static unsigned char *put_tag(unsigned char *p, const char *tag)
{
	memcpy(p, tag, 4);
	return p + 4;
}

static uint32_t sample_bytes(const vita_audio_writer *w)
{
	return w->format == VITA_PCM_FLOAT ? 4 : 2;
}

/* RIFF WAVE: "fmt ", for float also "fact", then "data". Lengths that 32 bits cannot hold are given as
 * unknown, which readers take as "to the end of the file". */
static size_t make_header(const vita_audio_writer *w, int complete, unsigned char *header)
{
	int is_float = w->format == VITA_PCM_FLOAT;
	uint32_t size = sample_bytes(w), rest = is_float ? 48 : 36;
	complete = complete && w->n_samples <= (LENGTH_UNKNOWN - rest - 1) / size;
	uint32_t n = complete ? (uint32_t)w->n_samples : LENGTH_UNKNOWN;
	uint32_t data = complete ? n * size : LENGTH_UNKNOWN;

	unsigned char *p = put_tag(header, "RIFF");
	p = put32(p, complete ? data + rest : LENGTH_UNKNOWN);
	p = put_tag(put_tag(p, "WAVE"), "fmt ");
	p = put32(p, 16);
	p = put16(p, is_float ? WAVE_FLOAT : WAVE_PCM);
	p = put16(p, 1);
	p = put32(p, w->rate_hz);
	p = put32(p, w->rate_hz * size);
	p = put16(p, size);
	p = put16(p, size * 8);
	if (is_float) p = put32(put32(put_tag(p, "fact"), 4), n);
	p = put32(put_tag(p, "data"), data);
	return (size_t)(p - header);
}

/* ---- bytes --------------------------------------------------------------------------------------- */

static vita_status write_bytes(vita_audio_writer *w, const unsigned char *data, size_t size, vita_error *err)
{
	while (size > 0) {
		ssize_t n = write(w->fd, data, size);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) {
			w->failed = VITA_E_IO;
			return vita_fail(err, VITA_E_IO, "%s: cannot be written: %s", w->path,
			                 strerror(n < 0 ? errno : EIO));
		}
		data += n;
		size -= (size_t)n;
	}
	return VITA_OK;
}

/* ---- the writer ---------------------------------------------------------------------------------- */

static vita_status open_target(vita_audio_writer *w, const char *path, vita_error *err)
{
	int to_stdout = strcmp(path, "-") == 0;
	w->fd = STDOUT_FILENO;
	w->path = strdup(to_stdout ? "standard output" : path);
	if (!w->path) return vita_fail(err, VITA_E_NOMEM, "%s: out of memory", path);
	if (to_stdout) return VITA_OK;
	vita_status status = vita_file_create(path, &w->file, err);
	if (status == VITA_OK) w->fd = vita_file_descriptor(w->file);
	return status;
}

vita_status vita_audio_create(const char *path, uint32_t rate_hz, uint32_t format, vita_audio_writer **out,
                              vita_error *err)
{
	unsigned char header[HEADER_MAX];
	*out = NULL;
	if (rate_hz == 0 || rate_hz > INT32_MAX / 4 || format > VITA_PCM_FLOAT)
		return vita_fail(err, VITA_E_INVALID,
		                 "%s: a WAV file cannot have a rate of %" PRIu32 " Hz in format %" PRIu32,
		                 path, rate_hz, format);
	vita_audio_writer *w = calloc(1, sizeof *w);
	if (!w) return vita_fail(err, VITA_E_NOMEM, "%s: out of memory", path);
	w->rate_hz = rate_hz;
	w->format = format;
	vita_status status = open_target(w, path, err);
	if (status == VITA_OK) status = write_bytes(w, header, make_header(w, 0, header), err);
	if (status != VITA_OK) {
		vita_audio_discard(w);
		return status;
	}
	*out = w;
	return VITA_OK;
}

static float clip(float x)
{
	return x < -1.0f ? -1.0f : x > 1.0f ? 1.0f : x;
}

static unsigned char *put_pcm16(unsigned char *p, float x)
{
	long value = lroundf(clip(x) * 32768.0f);
	return put16(p, (uint32_t)(value > 32767 ? 32767 : value) & 0xffff);
}

static unsigned char *put_float(unsigned char *p, float x)
{
	uint32_t bits;
	x = clip(x);
	memcpy(&bits, &x, sizeof bits);
	return put32(p, bits);
}

vita_status vita_audio_write(vita_audio_writer *writer, const float *pcm, uint64_t n, vita_error *err)
{
	unsigned char block[BLOCK_SAMPLES * 4];
	if (writer->failed != VITA_OK)
		return vita_fail(err, VITA_E_STATE, "%s: a write to this recording failed before",
		                 writer->path);
	while (n > 0) {
		unsigned char *p = block;
		uint64_t n_now = n < BLOCK_SAMPLES ? n : BLOCK_SAMPLES;
		for (uint64_t i = 0; i < n_now; i++) {
			if (isnan(pcm[i])) {
				writer->failed = VITA_E_INVALID;
				return vita_fail(err, VITA_E_INVALID,
				                 "%s: sample %" PRIu64 " to be written is not a number",
				                 writer->path, writer->n_samples + i);
			}
			p = writer->format == VITA_PCM_FLOAT ? put_float(p, pcm[i]) : put_pcm16(p, pcm[i]);
		}
		vita_status status = write_bytes(writer, block, (size_t)(p - block), err);
		if (status != VITA_OK) return status;
		writer->n_samples += n_now;
		pcm += n_now;
		n -= n_now;
	}
	return VITA_OK;
}

/* Put the lengths, which are known now, into the header. */
static void complete_header(vita_audio_writer *w)
{
	unsigned char header[HEADER_MAX];
	size_t size = make_header(w, 1, header);
	if (!vita_file_is_seekable(w->file)) return;
	if (pwrite(w->fd, header, size, 0) != (ssize_t)size) vita_file_set_failed(w->file, errno);
}

vita_status vita_audio_commit(vita_audio_writer *writer, vita_error *err)
{
	if (!writer) return vita_fail(err, VITA_E_INVALID, "there is no recording to commit");
	vita_status status = writer->failed;
	if (status != VITA_OK) {
		(void)vita_fail(err, status, "%s: is not kept, because a write to it failed", writer->path);
	} else if (writer->file) {
		complete_header(writer);
		status = vita_file_commit(writer->file, err);
		writer->file = NULL;
	}
	vita_audio_discard(writer);
	return status;
}

void vita_audio_discard(vita_audio_writer *writer)
{
	if (!writer) return;
	vita_file_discard(writer->file);
	free(writer->path);
	free(writer);
}
