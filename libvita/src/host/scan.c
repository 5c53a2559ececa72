/* SPDX-License-Identifier: MIT
 *
 * The scan: one forked child asks file after file and tells through a pipe how far it is. Where it crashes,
 * hangs or ends, the file it was at is refused and a fresh child goes on with the next. So a good set of
 * files costs one fork, and none once they are loaded.
 */
#include <config.h>

#include "host/scan.h"

#include "host/scan_examine.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NO_FILE UINT32_MAX

typedef struct scan {
	vita_scan_file *files;
	uint32_t n;
	unsigned char *asked;  /* [n] 1: there is an answer, or the file is loaded already */
	unsigned char *passed; /* [n] */
	int time_limit_ms;
	vita_status status;
	/* the child's progress */
	uint32_t current; /* file that it is at, or NO_FILE */
	char phase[VITA_REASON_SIZE];
	int exit_called, done;
} scan;

/* ---- results ---------------------------------------------------------------------------------------- */

VITA_PRINTF(3, 4)
static void refuse(scan *s, uint32_t file, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vsnprintf(s->files[file].reason, VITA_REASON_SIZE, format, args);
	va_end(args);
	s->asked[file] = 1;
	s->passed[file] = 0;
}

static void add_device(scan *s, vita_scan_file *file, const vita_probed *probed)
{
	vita_probed *grown = realloc(file->probed, (file->n_probed + 1u) * sizeof *grown);
	if (!grown) {
		s->status = VITA_E_NOMEM;
		return;
	}
	file->probed = grown;
	file->probed[file->n_probed++] = *probed;
}

/* A step of the examination; also called straight from it where there is no child. */
static void apply(void *user, const vita_scan_message *message)
{
	scan *s = user;
	if (message->file >= s->n) return;
	vita_scan_file *file = &s->files[message->file];
	switch (message->event) {
	case VITA_SCAN_PHASE:
		s->current = message->file;
		(void)snprintf(s->phase, sizeof s->phase, "%s", message->text);
		break;
	case VITA_SCAN_REFUSED:
		refuse(s, message->file, "%s", message->text);
		s->current = NO_FILE;
		break;
	case VITA_SCAN_DEVICE: add_device(s, file, &message->probed); break;
	case VITA_SCAN_PASSED:
		s->asked[message->file] = s->passed[message->file] = 1;
		s->current = NO_FILE;
		break;
	case VITA_SCAN_EXIT_CALLED: s->exit_called = 1; break;
	case VITA_SCAN_DONE: s->done = 1; break;
	default: break;
	}
}

/* ---- the parent ------------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One message, whole: 1; the pipe's end: 0; nothing until the deadline: -1. */
static int receive(int pipe_end, int64_t deadline, vita_scan_message *message)
{
	size_t have = 0;
	while (have < sizeof *message) {
		struct pollfd waiting = { .fd = pipe_end, .events = POLLIN };
		int64_t left = deadline - now_ms();
		if (left <= 0) return -1;
		int ready = poll(&waiting, 1, (int)left);
		if (ready < 0 && errno != EINTR) return 0;
		if (ready <= 0) continue;
		ssize_t n = read(pipe_end, (char *)message + have, sizeof *message - have);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) return 0;
		have += (size_t)n;
	}
	message->text[sizeof message->text - 1] = '\0';
	message->probed.reason[sizeof message->probed.reason - 1] = '\0';
	return 1;
}

/* Why the child stopped at the current file. */
static void refuse_current(scan *s, int timed_out, int child_status)
{
	uint32_t file = s->current;
	s->files[file].n_probed = 0;
	if (timed_out)
		refuse(s, file, "did not come back within %g s %s", s->time_limit_ms / 1000.0, s->phase);
	else if (s->exit_called)
		refuse(s, file, "ended its process %s", s->phase);
	else if (WIFSIGNALED(child_status))
		refuse(s, file, "crashed (signal %d, %s) %s", WTERMSIG(child_status),
		       strsignal(WTERMSIG(child_status)), s->phase);
	else
		refuse(s, file, "ended its process %s", s->phase);
}

/* Take what the child tells until it is done, gone, or too slow. 1: it was too slow. */
static int follow(scan *s, int pipe_end)
{
	vita_scan_message message;
	while (!s->done) {
		int got = receive(pipe_end, now_ms() + s->time_limit_ms, &message);
		if (got <= 0) return got < 0;
		apply(s, &message);
	}
	return 0;
}

/* One child, as far as it comes. 0 where none could be had. */
static int run_child(scan *s)
{
	int ends[2], status = 0;
	pid_t parent = getpid();
	if (pipe2(ends, O_CLOEXEC) != 0) return 0;
	s->current = NO_FILE;
	s->exit_called = s->done = 0;
	pid_t child = fork();
	if (child == 0) {
		(void)close(ends[0]);
		vita_scan_child(s->files, s->asked, s->n, parent, ends[1]);
	}
	(void)close(ends[1]);
	if (child < 0) {
		(void)close(ends[0]);
		return 0;
	}
	int timed_out = follow(s, ends[0]);
	if (timed_out) (void)kill(child, SIGKILL);
	(void)close(ends[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
	if (s->current != NO_FILE) refuse_current(s, timed_out, status);
	return 1;
}

static uint32_t n_unasked(const scan *s)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < s->n; i++) n += !s->asked[i];
	return n;
}

/* Children until every file is asked. A child that brings nothing forward is the last one: then, as where
 * there is no child to be had, the rest is asked here. */
static void ask_in_children(scan *s, const vita_log *log)
{
	for (uint32_t before = n_unasked(s), after; before > 0; before = after) {
		if (!run_child(s)) break;
		after = n_unasked(s);
		if (after == before) break;
	}
	if (n_unasked(s) > 0)
		vita_log_format(log, VITA_LOG_WARNING, "loader",
		                "no child process to test modules in; asking them directly");
	for (uint32_t i = 0; i < s->n; i++)
		if (!s->asked[i]) vita_scan_examine(i, s->files[i].path, apply, s);
}

/* Is the file a module of this process already? Then it was tested, and a second test in a child could
 * disagree with drivers that dislike forks. */
static int is_loaded(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
	if (handle) (void)dlclose(handle);
	return handle != NULL;
}

vita_status vita_scan(vita_scan_file *files, uint32_t n, int time_limit_ms, const vita_log *log,
                      vita_error *err)
{
	scan s = { .files = files, .n = n, .time_limit_ms = time_limit_ms };
	s.asked = calloc((size_t)n + 1, 1);
	s.passed = calloc((size_t)n + 1, 1);
	if (!s.asked || !s.passed) s.status = VITA_E_NOMEM;
	for (uint32_t i = 0; i < n && s.status == VITA_OK; i++)
		if (is_loaded(files[i].path)) vita_scan_examine(i, files[i].path, apply, &s);
	if (s.status == VITA_OK) ask_in_children(&s, log);
	for (uint32_t i = 0; i < n && s.status == VITA_OK; i++)
		if (s.passed[i]) files[i].module = vita_scan_load(files[i].path, files[i].reason);
	free(s.asked);
	free(s.passed);
	return s.status == VITA_OK ? VITA_OK : vita_fail(err, s.status, "no memory to look for modules");
}

void vita_scan_clear(vita_scan_file *files, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		free(files[i].path);
		free(files[i].probed);
	}
}
