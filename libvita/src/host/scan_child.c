/* SPDX-License-Identifier: MIT
 *
 * The forked child of the scan. Whatever modules do here, crash, hang or call exit, ends this process alone;
 * it is the one place in libvita that ends a process, and always its own.
 */
#include <config.h>

#include "host/scan_examine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

static int child_pipe = -1;

static void child_emit(void *user, const vita_scan_message *message)
{
	const char *at = (const char *)message;
	size_t left = sizeof *message;
	(void)user;
	while (left) {
		ssize_t n = write(child_pipe, at, left);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) _exit(1);
		at += n;
		left -= (size_t)n;
	}
}

/* A module that calls exit must not run the parent's exit handlers here nor flush its files a second time. */
static void child_exit_called(void)
{
	vita_scan_message message;
	memset(&message, 0, sizeof message);
	message.event = VITA_SCAN_EXIT_CALLED;
	child_emit(NULL, &message);
	_exit(1);
}

/* Whatever the parent does on signals, and where its output goes, is none of the modules' business. */
static void child_settle(pid_t parent)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	struct rlimit none = { 0, 0 };
	sigset_t all;
	for (int number = 1; number < NSIG; number++) (void)sigaction(number, &standard, NULL);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_UNBLOCK, &all, NULL);
	(void)setrlimit(RLIMIT_CORE, &none);
#ifdef __linux__
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
	if (getppid() != parent) _exit(1);
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		if (fd != child_pipe) (void)dup2(null, fd);
	if (atexit(child_exit_called) != 0) _exit(1);
}

void vita_scan_child(const vita_scan_file *files, const unsigned char *asked, uint32_t n, pid_t parent,
                     int pipe_end)
{
	vita_scan_message message;
	child_pipe = pipe_end;
	child_settle(parent);
	for (uint32_t i = 0; i < n; i++)
		if (!asked[i]) vita_scan_examine(i, files[i].path, child_emit, NULL);
	memset(&message, 0, sizeof message);
	message.event = VITA_SCAN_DONE;
	child_emit(NULL, &message);
	_exit(0);
}
