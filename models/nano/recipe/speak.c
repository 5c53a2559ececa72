/* SPDX-License-Identifier: MIT
 *
 * speak JOBS.jsonl OUT: synthesise a list of strings.
 *
 * Each line of JOBS is an object: "text" and "voice", and any of speed, pitch, range, warp, lead, tail, room,
 * tilt, snr, band, peak, seed (speak.h). OUT.pcm is all recordings one behind the other, 16-bit, mono,
 * 16 kHz, no header; OUT.jsonl has the jobs in the same order, each with "offset" and "samples", and "words",
 * [[word, end], …] in samples from the recording's own start, where the synthesiser says it.
 */
#include "speak.h"

#include <jansson.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_PROCESSES 64

/* ---- jobs ----------------------------------------------------------------------------------------- */

static int number(const json_t *job, const char *key, double low, double high, double *value, char why[256])
{
	const json_t *given = json_object_get(job, key);
	if (!given) return 0;
	double x = json_number_value(given);
	if (json_is_number(given) && x >= low && x <= high) {
		*value = x;
		return 0;
	}
	(void)snprintf(why, 256, "\"%s\" must be a number from %g to %g", key, low, high);
	return -1;
}

static int speak_job_read(const json_t *json, struct speak_job *job, char why[256])
{
	*job = (struct speak_job){.speed = 1,
				  .pitch = 1,
				  .range = 1,
				  .warp = 1,
				  .lead = 0.06,
				  .tail = 0.06,
				  .snr = 100,
				  .band = SPEAK_RATE / 2.0,
				  .peak = 0.7};
	job->text = json_string_value(json_object_get(json, "text"));
	job->voice = json_string_value(json_object_get(json, "voice"));
	job->seed = (uint64_t)json_integer_value(json_object_get(json, "seed"));
	(void)snprintf(why, 256, "\"text\" and \"voice\" must be strings");
	if (!job->text || !job->voice) return -1;
	return number(json, "speed", 0.4, 3, &job->speed, why) ||
			       number(json, "pitch", 0.2, 2, &job->pitch, why) ||
			       number(json, "range", 0, 2, &job->range, why) ||
			       number(json, "warp", 0.5, 2, &job->warp, why) ||
			       number(json, "lead", 0, 10, &job->lead, why) ||
			       number(json, "tail", 0, 10, &job->tail, why) ||
			       number(json, "room", 0, 3, &job->room, why) ||
			       number(json, "tilt", -1, 1, &job->tilt, why) ||
			       number(json, "snr", -20, 200, &job->snr, why) ||
			       number(json, "band", 500, 8000, &job->band, why) ||
			       number(json, "peak", 0, 1, &job->peak, why)
		       ? -1
		       : 0;
}

static int render(const struct speak_job *job, struct speak_sound *sound, char why[256])
{
	int result = -1;
	if (strncmp(job->voice, "flite:", 6) == 0)
		result = speak_flite(job, job->voice + 6, sound, why);
	else if (strncmp(job->voice, "espeak:", 7) == 0)
		result = speak_espeak(job, job->voice + 7, sound, why);
	else
		(void)snprintf(why, 256, "\"voice\" must begin with flite: or espeak:");
	if (result == 0 && sound->n > (size_t)SPEAK_MOST_SECONDS * sound->rate) {
		(void)snprintf(why, 256, "longer than %d s", SPEAK_MOST_SECONDS);
		result = -1;
	}
	return result == 0 ? speak_finish(job, sound, why) : result;
}

/* ---- files ---------------------------------------------------------------------------------------- */

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
	free(path);
	return file;
}

static int dump(FILE *file, const json_t *job)
{
	if (json_dumpf(job, file, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9)) != 0) return -1;
	return fputc('\n', file) == EOF ? -1 : 0;
}

/* ---- one process's share -------------------------------------------------------------------------- */

static int write_sound(FILE *pcm, const struct speak_sound *sound)
{
	for (size_t i = 0; i < sound->n; i++) {
		long x = lrintf(sound->pcm[i] * 32767.0f);
		x = x < -32768 ? -32768 : x > 32767 ? 32767 : x;
		unsigned char bytes[2] = {(unsigned char)(x & 255), (unsigned char)(x >> 8 & 255)};
		if (fwrite(bytes, 1, 2, pcm) != 2) return -1;
	}
	return 0;
}

static int write_index(FILE *index, json_t *job, const struct speak_sound *sound)
{
	json_t *words = json_array();
	for (size_t i = 0; i < sound->n_words; i++)
		json_array_append_new(words,
				      json_pack("[s, I]", sound->word[i], (json_int_t)sound->word_end[i]));
	json_object_set_new(job, "samples", json_integer((json_int_t)sound->n));
	if (sound->n_words > 0)
		json_object_set_new(job, "words", words);
	else
		json_decref(words);
	return dump(index, job);
}

/* Lines first … end-1 of the jobs into PART.pcm and PART.jsonl. 0, or 1 with a message. */
static int speak_lines(char **lines, size_t first, size_t end, const char *part)
{
	char why[256] = "cannot write";
	FILE *pcm = open_beside(part, ".pcm", "wb"), *index = open_beside(part, ".jsonl", "w");
	int result = pcm && index ? 0 : -1;
	for (size_t i = first; i < end && result == 0; i++) {
		struct speak_sound sound = {0};
		struct speak_job job;
		json_error_t error;
		json_t *json = json_loads(lines[i], 0, &error);
		if (!json) result = -1, (void)snprintf(why, sizeof why, "not JSON: %.160s", error.text);
		if (result == 0) result = speak_job_read(json, &job, why);
		if (result == 0) result = render(&job, &sound, why);
		if (result == 0)
			result = write_sound(pcm, &sound) || write_index(index, json, &sound) ? -1 : 0;
		if (result != 0) (void)fprintf(stderr, "speak: job %zu: %s\n", i + 1, why);
		free(sound.pcm);
		json_decref(json);
	}
	if (pcm && fclose(pcm) != 0) result = -1;
	if (index && fclose(index) != 0) result = -1;
	return result ? 1 : 0;
}

/* ---- all ------------------------------------------------------------------------------------------ */

/* Append a part's sound, then its jobs with their offsets. */
static int join_sound(FILE *part, FILE *pcm)
{
	static char block[1 << 16];
	size_t n;
	while ((n = fread(block, 1, sizeof block, part)) > 0)
		if (fwrite(block, 1, n, pcm) != n) return -1;
	return ferror(part) ? -1 : 0;
}

static int join_jobs(FILE *part, FILE *index, json_int_t *offset)
{
	char *line = NULL;
	size_t size = 0;
	int result = 0;
	while (result == 0 && getline(&line, &size, part) > 0) {
		json_t *job = json_loads(line, 0, NULL);
		json_object_set_new(job, "offset", json_integer(*offset));
		*offset += json_integer_value(json_object_get(job, "samples"));
		result = dump(index, job);
		json_decref(job);
	}
	free(line);
	return result;
}

static void remove_beside(const char *base, const char *suffix)
{
	char *path = joined(base, suffix);
	(void)remove(path);
	free(path);
}

static char *part_of(const char *out, size_t i)
{
	char suffix[32];
	(void)snprintf(suffix, sizeof suffix, ".part%zu", i);
	return joined(out, suffix);
}

static int join_part(const char *part, FILE *pcm, FILE *index, json_int_t *offset)
{
	FILE *sound = open_beside(part, ".pcm", "rb"), *jobs = open_beside(part, ".jsonl", "r");
	int result =
		sound && jobs && join_sound(sound, pcm) == 0 && join_jobs(jobs, index, offset) == 0 ? 0 : -1;
	if (sound) (void)fclose(sound);
	if (jobs) (void)fclose(jobs);
	return result;
}

static int publish(const char *out, const char *from, const char *to)
{
	char *new = joined(out, from), *final = joined(out, to);
	int result = rename(new, final);
	free(new);
	free(final);
	return result;
}

static int join_all(const char *out, size_t n_parts)
{
	json_int_t offset = 0;
	FILE *pcm = open_beside(out, ".pcm.new", "wb"), *index = open_beside(out, ".jsonl.new", "w");
	int result = pcm && index ? 0 : -1;
	for (size_t i = 0; i < n_parts; i++) {
		char *part = part_of(out, i);
		if (result == 0) result = join_part(part, pcm, index, &offset);
		remove_beside(part, ".pcm");
		remove_beside(part, ".jsonl");
		free(part);
	}
	if (pcm && fclose(pcm) != 0) result = -1;
	if (index && fclose(index) != 0) result = -1;
	if (result == 0) result = publish(out, ".pcm.new", ".pcm") | publish(out, ".jsonl.new", ".jsonl");
	if (result != 0) (void)fprintf(stderr, "speak: %s: %s\n", out, strerror(errno));
	return result;
}

static char **read_lines(const char *path, size_t *n)
{
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	char **lines = NULL, *line = NULL;
	size_t size = 0, capacity = 0;
	*n = 0;
	while (in && getline(&line, &size, in) > 0) {
		if (*n == capacity) {
			capacity = capacity ? 2 * capacity : 1024;
			lines = realloc(lines, capacity * sizeof *lines);
			if (!lines) abort();
		}
		lines[(*n)++] = line;
		line = NULL;
		size = 0;
	}
	free(line);
	if (!in) (void)fprintf(stderr, "speak: %s: %s\n", path, strerror(errno));
	return lines;
}

int main(int argc, char **argv)
{
	size_t n, n_processes = 1;
	int option, failed = 0;
	while ((option = getopt(argc, argv, "j:")) > 0) {
		n_processes = option == 'j' ? strtoul(optarg, NULL, 10) : 0;
		if (n_processes < 1 || n_processes > MOST_PROCESSES) break;
	}
	if (argc - optind != 2 || n_processes < 1 || n_processes > MOST_PROCESSES) {
		(void)fprintf(stderr, "Usage: speak [-j PROCESSES] JOBS.jsonl OUT\n");
		return 2;
	}
	const char *out = argv[optind + 1];
	char **lines = read_lines(argv[optind], &n);
	if (!lines) return 1;
	for (size_t i = 0; i < n_processes; i++) {
		pid_t child = fork();
		if (child == 0)
			_exit(speak_lines(lines, n * i / n_processes, n * (i + 1) / n_processes,
					  part_of(out, i)));
		if (child < 0) failed = 1;
	}
	for (int status; wait(&status) > 0;)
		failed |= status != 0;
	for (size_t i = 0; i < n; i++)
		free(lines[i]);
	free(lines);
	return failed || join_all(out, n_processes) != 0 ? 1 : 0;
}
