/* SPDX-License-Identifier: MIT
 *
 * Recordings as audio codes, each encoded once: what an encoder made of a recording is kept in a file whose
 * name depends on the recording's bytes and on the encoder, so that a changed recording or another encoder
 * never meets old codes. A cache file that is damaged or of another kind is made again; one that cannot be
 * written is done without.
 */
#include "train/data_internal.h"

#include "files/map.h"

#include <vita/audio.h>
#include <vita/file.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 4096u

static const char magic[8] = {'V', 'I', 'T', 'A', 'C', 'O', 'D', '1'};

/* ---- names ---------------------------------------------------------------------------------------- */

/* Two 64-bit FNV-1a sums side by side (Fowler, Noll and Vo), each stirred at the end: nobody is to be kept
 * from forging a name, only chance. */
typedef struct digest {
	uint64_t a, b;
} digest;

static void digest_add(digest *d, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	for (size_t i = 0; i < size; i++) {
		d->a = (d->a ^ bytes[i]) * UINT64_C(0x100000001b3);
		d->b = (d->b ^ (bytes[i] + 0x5cu)) * UINT64_C(0x9e3779b97f4a7c15) + 1;
	}
}

static uint64_t stir(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static vita_status digest_file(const char *path, digest *d, vita_error *err)
{
	unsigned char block[1 << 14];
	struct stat info;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return vita_fail(err, errno == ENOENT || errno == ENOTDIR ? VITA_E_NOTFOUND : VITA_E_IO,
				 "%s: cannot be opened: %s", path, strerror(errno));
	if (fstat(fd, &info) == 0 && !S_ISREG(info.st_mode)) {
		(void)close(fd);
		return vita_fail(err, VITA_E_FORMAT, "%s: is not a regular file", path);
	}
	while ((n = read(fd, block, sizeof block)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0) digest_add(d, block, (size_t)n);
	(void)close(fd);
	return n == 0 ? VITA_OK : vita_fail(err, VITA_E_IO, "%s: %s", path, strerror(errno));
}

/* Where the codes of this recording are kept. */
static vita_status cache_name(const vita_codes_source *source, const char *path, char **name, vita_error *err)
{
	digest d = {UINT64_C(0xcbf29ce484222325), UINT64_C(0x84222325cbf29ce4)};
	const char *key = source->key ? source->key : "";
	size_t size = strlen(source->cache) + 48;
	digest_add(&d, key, strlen(key) + 1);
	vita_status status = digest_file(path, &d, err);
	if (status != VITA_OK) return status;
	*name = malloc(size);
	if (!*name) return vita_fail(err, VITA_E_NOMEM, "no memory for a name in the cache");
	(void)snprintf(*name, size, "%s/%016" PRIx64 "%016" PRIx64 ".codes", source->cache, stir(d.a),
		       stir(d.b));
	return VITA_OK;
}

/* ---- cache files: magic, number of codes, check sum, codes, in this machine's byte order ---------------- */

typedef struct header {
	char magic[8];
	uint64_t n, sum;
} header;

static uint64_t sum_of(const int32_t *codes, size_t n)
{
	digest d = {n, n};
	digest_add(&d, codes, n * sizeof *codes);
	return stir(d.a ^ d.b);
}

/* Append what the cache holds; false where it has nothing to be trusted. */
static bool recall(const vita_codes_source *source, const char *name, vita_ids *codes)
{
	vita_map map;
	header h;
	if (vita_map_open(name, &map, NULL) != VITA_OK) return false;
	bool good = map.size >= sizeof h;
	if (good) memcpy(&h, map.data, sizeof h);
	good = good && memcmp(h.magic, magic, sizeof magic) == 0 && h.n > 0 &&
	       h.n == (map.size - sizeof h) / sizeof(int32_t) && (map.size - sizeof h) % sizeof(int32_t) == 0;
	size_t before = codes->size;
	good = good && vita_ids_reserve(codes, (size_t)h.n);
	if (good) {
		int32_t *to = codes->data + before;
		memcpy(to, map.data + sizeof h, (size_t)h.n * sizeof *to);
		good = sum_of(to, (size_t)h.n) == h.sum;
		for (size_t i = 0; i < h.n && good; i++)
			good = to[i] >= 0 && (uint32_t)to[i] < source->info.vocab_size;
	}
	if (good) codes->size = before + (size_t)h.n;
	vita_map_close(&map);
	return good;
}

static void keep(const char *name, const int32_t *codes, size_t n)
{
	header h = {.n = n, .sum = sum_of(codes, n)};
	vita_file *file;
	memcpy(h.magic, magic, sizeof magic);
	if (vita_file_create(name, &file, NULL) != VITA_OK) return;
	bool good = vita_file_write(file, &h, sizeof h, NULL) == VITA_OK &&
		    vita_file_write(file, codes, n * sizeof *codes, NULL) == VITA_OK;
	if (good)
		(void)vita_file_commit(file, NULL);
	else
		vita_file_discard(file);
}

/* ---- encoding ------------------------------------------------------------------------------------- */

/* All that is ready. OK or END. */
static vita_status take(const vita_codes_source *source, vita_encoder_stream *stream, const char *path,
			size_t limit, vita_ids *codes, vita_error *err)
{
	for (;;) {
		uint64_t n = 0;
		if (!vita_ids_reserve(codes, BLOCK))
			return vita_fail(err, VITA_E_NOMEM, "%s: no memory for its codes", path);
		vita_status status =
			vita_encoder_pull(source->api, stream, &source->info, codes->data + codes->size, NULL, BLOCK, &n, err);
		if (status < 0) return status;
		codes->size += (size_t)n;
		if (codes->size > limit)
			return vita_fail(err, VITA_E_INVALID, "%s: is longer than a sample may be", path);
		if (n == 0 || status == VITA_END) return status;
	}
}

static vita_status encode(vita_codes_source *source, const char *path, size_t limit, vita_ids *codes,
			  vita_error *err)
{
	vita_audio_reader *recording;
	vita_encoder_stream *stream = NULL;
	float pcm[BLOCK];
	size_t before = codes->size;
	bool over = false;
	vita_status status =
		vita_audio_open(path, source->info.sample_rate, source->info.mix, &recording, err);
	if (status != VITA_OK) return status;
	status = vita_encoder_stream_open(source->api, source->encoder, &stream, err);
	while (status >= VITA_OK && !over) {
		uint64_t n = 0;
		status = vita_audio_read(recording, pcm, BLOCK, &n, err);
		over = status == VITA_END;
		if (status >= VITA_OK) status = vita_encoder_push(source->api, stream, pcm, n, over, source->cancel, err);
		if (status == VITA_OK) status = take(source, stream, path, limit, codes, err);
	}
	if (stream) source->api->stream_close(stream);
	vita_audio_close(recording);
	if (status < VITA_OK) return status;
	source->n_encoded++;
	if (codes->size > before) return VITA_OK;
	return vita_fail(err, VITA_E_FORMAT, "%s: is too short: the encoder made no token of it", path);
}

vita_status vita_codes_read(vita_codes_source *source, const char *path, int64_t most, vita_ids *codes,
			    vita_error *err)
{
	char *name = NULL;
	size_t before = codes->size, limit = before + (size_t)most;
	if (!source->api)
		return vita_fail(err, VITA_E_CONFIG,
				 "%s: [encoder] names no plugin, which recordings in training data need",
				 path);
	vita_status status = VITA_OK;
	if (source->cache && *source->cache) status = cache_name(source, path, &name, err);
	if (status != VITA_OK) return status;
	if (!name || !recall(source, name, codes)) {
		status = encode(source, path, limit, codes, err);
		if (status == VITA_OK && name) keep(name, codes->data + before, codes->size - before);
	}
	if (status == VITA_OK && codes->size > limit)
		status = vita_fail(err, VITA_E_INVALID, "%s: is longer than a sample may be", path);
	free(name);
	if (status != VITA_OK) codes->size = before;
	return status;
}
