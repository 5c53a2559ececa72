/* SPDX-License-Identifier: MIT
 *
 * codes -c CONFIG PACK: the audio codes of all recordings that speak put into PACK.pcm and PACK.jsonl,
 * through the encoder of [encoder]; PACK.codes.jsonl gets the lines of PACK.jsonl with "codes", a list of
 * numbers, and with "rate", tokens a second.
 */
#include <vita/vita.h>

#include <jansson.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PACK_RATE 16000 /* Hz */
#define MOST_PROCESSES 64
#define BLOCK 4096u

typedef struct work {
	const char *pack;
	vita_config *config;
	vita_context *context;
	vita_engine *engine;
	const vita_encoder_api *api;
	vita_encoder *encoder;
	vita_encoder_info info;
	vita_error err;
} work;

static char *joined(const char *base, const char *suffix)
{
	size_t n = strlen(base), m = strlen(suffix);
	char *path = malloc(n + m + 1);
	if (!path) abort();
	memcpy(path, base, n);
	memcpy(path + n, suffix, m + 1);
	return path;
}

static FILE *open_beside(const char *base, const char *suffix, const char *mode)
{
	char *path = joined(base, suffix);
	FILE *file = fopen(path, mode);
	if (!file) perror(path);
	free(path);
	return file;
}

/* ---- one recording -------------------------------------------------------------------------------- */

static vita_status take(work *w, vita_encoder_stream *stream, json_t *codes)
{
	int32_t ids[256];
	for (;;) {
		uint64_t n = 0;
		vita_status status = w->api->pull(stream, ids, NULL, 256, &n, &w->err);
		for (uint64_t i = 0; i < n && status >= VITA_OK; i++)
			if (json_array_append_new(codes, json_integer(ids[i])) != 0) return VITA_E_NOMEM;
		if (status != VITA_OK || n == 0) return status;
	}
}

static vita_status encode(work *w, FILE *pcm, int64_t samples, json_t *codes)
{
	vita_encoder_stream *stream;
	vita_status status = w->api->stream_open(w->encoder, &stream, &w->err);
	if (status != VITA_OK) return status;
	while (samples > 0 && status == VITA_OK) {
		unsigned char bytes[2 * BLOCK];
		float block[BLOCK];
		size_t n = samples < (int64_t)BLOCK ? (size_t)samples : BLOCK;
		if (fread(bytes, 2, n, pcm) != n)
			status = vita_fail(&w->err, VITA_E_IO, "the sound ends before its list says so");
		for (size_t i = 0; i < n; i++) {
			int x = bytes[2 * i] | bytes[2 * i + 1] << 8;
			block[i] = (float)(x >= 32768 ? x - 65536 : x) / 32768.0f;
		}
		samples -= (int64_t)n;
		if (status == VITA_OK) status = w->api->push(stream, block, n, samples == 0, NULL, &w->err);
		if (status == VITA_OK) status = take(w, stream, codes);
	}
	w->api->stream_close(stream);
	return status < VITA_OK ? status : VITA_OK;
}

/* ---- one process's share -------------------------------------------------------------------------- */

static vita_status open_encoder(work *w)
{
	vita_status status = vita_context_create(w->config, NULL, NULL, &w->context, &w->err);
	if (status == VITA_OK) status = vita_engine_open(w->context, VITA_PART_ENCODER, &w->engine, &w->err);
	if (status != VITA_OK) return status;
	w->api = vita_engine_encoder(w->engine, &w->encoder);
	VITA_INIT(&w->info);
	w->api->describe(w->encoder, &w->info);
	if (w->info.output != VITA_ENCODER_TOKENS || w->info.sample_rate != PACK_RATE)
		return vita_fail(&w->err, VITA_E_CONFIG, "the encoder must give tokens and take %d Hz",
				 PACK_RATE);
	return VITA_OK;
}

static int do_line(work *w, const char *line, FILE *pcm, FILE *out)
{
	json_t *job = json_loads(line, 0, NULL), *codes = json_array();
	json_int_t offset = json_integer_value(json_object_get(job, "offset"));
	json_int_t samples = json_integer_value(json_object_get(job, "samples"));
	vita_status status = VITA_OK;
	if (!job || fseeko(pcm, (off_t)offset * 2, SEEK_SET) != 0)
		status = vita_fail(&w->err, VITA_E_FORMAT, "the list is damaged");
	else
		status = encode(w, pcm, samples, codes);
	if (status == VITA_OK) {
		(void)json_object_set(job, "codes", codes);
		(void)json_object_set_new(job, "rate", json_real(w->info.rate));
		if (json_dumpf(job, out, JSON_COMPACT | JSON_REAL_PRECISION(9)) != 0 ||
		    fputc('\n', out) == EOF)
			status = vita_fail(&w->err, VITA_E_IO, "cannot write");
	}
	json_decref(codes);
	json_decref(job);
	return status == VITA_OK ? 0 : -1;
}

/* Lines whose number is between first and end. */
static int do_lines(work *w, size_t first, size_t end, const char *part)
{
	char *line = NULL;
	size_t size = 0;
	FILE *list = open_beside(w->pack, ".jsonl", "r"), *pcm = open_beside(w->pack, ".pcm", "rb");
	FILE *out = fopen(part, "w");
	int result = list && pcm && out && open_encoder(w) == VITA_OK ? 0 : -1;
	for (size_t i = 0; result == 0 && i < end && getline(&line, &size, list) > 0; i++)
		if (i >= first) result = do_line(w, line, pcm, out);
	if (result != 0) (void)fprintf(stderr, "codes: %s: %s\n", w->pack, w->err.message);
	if (out && fclose(out) != 0) result = -1;
	if (list) (void)fclose(list);
	if (pcm) (void)fclose(pcm);
	free(line);
	vita_engine_close(w->engine);
	vita_context_destroy(w->context);
	return result ? 1 : 0;
}

/* ---- all ------------------------------------------------------------------------------------------ */

static char *part_of(const work *w, size_t i)
{
	char suffix[40];
	(void)snprintf(suffix, sizeof suffix, ".codes.part%zu", i);
	return joined(w->pack, suffix);
}

static int join(const work *w, size_t n_parts)
{
	static char block[1 << 16];
	FILE *out = open_beside(w->pack, ".codes.jsonl.new", "w");
	int result = out ? 0 : -1;
	for (size_t i = 0; i < n_parts; i++) {
		char *part = part_of(w, i);
		FILE *in = fopen(part, "r");
		size_t n = 0;
		while (in && result == 0 && (n = fread(block, 1, sizeof block, in)) > 0)
			if (fwrite(block, 1, n, out) != n) result = -1;
		if (!in) result = -1;
		if (in) (void)fclose(in);
		(void)remove(part);
		free(part);
	}
	if (out && fclose(out) != 0) result = -1;
	char *from = joined(w->pack, ".codes.jsonl.new"), *to = joined(w->pack, ".codes.jsonl");
	if (result == 0) result = rename(from, to);
	free(from);
	free(to);
	return result;
}

static size_t count_lines(const char *pack)
{
	FILE *list = open_beside(pack, ".jsonl", "r");
	size_t n = 0, size = 0;
	char *line = NULL;
	while (list && getline(&line, &size, list) > 0)
		n++;
	if (list) (void)fclose(list);
	free(line);
	return n;
}

static int usage(void)
{
	(void)fprintf(stderr, "Usage: codes -c CONFIG [-s SECTION.KEY=VALUE]… [-j PROCESSES] PACK\n");
	return 2;
}

int main(int argc, char **argv)
{
	work w = {0};
	size_t n_processes = 1;
	int option, failed = 0;
	vita_status status = vita_config_create(&w.config, &w.err);
	while (status == VITA_OK && (option = getopt(argc, argv, "c:s:j:")) > 0) {
		if (option == 'c')
			status = vita_config_read(w.config, optarg, &w.err);
		else if (option == 's')
			status = vita_config_set(w.config, optarg, &w.err);
		else if (option == 'j')
			n_processes = strtoul(optarg, NULL, 10);
		else
			return usage();
	}
	if (argc - optind != 1 || n_processes < 1 || n_processes > MOST_PROCESSES) return usage();
	w.pack = argv[optind];
	size_t n = count_lines(w.pack);
	if (status != VITA_OK || n == 0) {
		(void)fprintf(stderr, "codes: %s\n", n ? w.err.message : "the list is empty or not there");
		return 1;
	}
	for (size_t i = 0; i < n_processes; i++) {
		pid_t child = fork();
		if (child == 0)
			_exit(do_lines(&w, n * i / n_processes, n * (i + 1) / n_processes, part_of(&w, i)));
		if (child < 0) failed = 1;
	}
	for (int ended; wait(&ended) > 0;)
		failed |= ended != 0;
	if (join(&w, n_processes) != 0) failed = 1;
	vita_config_destroy(w.config);
	return failed;
}
