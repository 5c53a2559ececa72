/* SPDX-License-Identifier: MIT
 *
 * Output files appear whole or not at all: full disks, missing directories, signals.
 */
#include "files/atomic_file.h"
#include "files_support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

static vita_file *begin(const char *path)
{
	vita_error err;
	vita_file *file = NULL;
	assert_ok(vita_file_create(path, &file, &err), &err);
	assert_non_null(file);
	return file;
}

static mode_t mode_of(const char *path)
{
	struct stat info;
	assert_int_equal(stat(path, &info), 0);
	return info.st_mode & 07777;
}

/* In place of libc's, which the library would call else. */
static int links_are_refused;

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
	if (!links_are_refused) return (int)syscall(SYS_linkat, from_directory, from, to_directory, to, flags);
	links_are_refused++;
	errno = EPERM;
	return -1;
}

/* ---- the good cases ------------------------------------------------------------------------------ */

static void test_commit(void **state)
{
	vita_error err;
	const char *path = in_scratch("answer.txt");
	(void)state;
	mode_t old_mask = umask(027);
	vita_file *file = begin(path);
	umask(old_mask);
	assert_ok(vita_file_write(file, "hello ", 6, &err), &err);
	assert_ok(vita_file_write(file, NULL, 0, &err), &err);
	assert_ok(vita_file_write(file, "world", 5, &err), &err);
	assert_int_equal(access(path, F_OK), -1);
	assert_true(count_entries() <= 1); /* it may have no name yet */
	assert_ok(vita_file_commit(file, &err), &err);
	assert_file_is(path, "hello world");
	assert_int_equal(mode_of(path), 0640);
	assert_int_equal(count_entries(), 1);
}

/* A file that was made without a name and may not have one is copied. */
static void test_links_refused(void **state)
{
	static unsigned char block[200000];
	vita_error err;
	size_t size;
	const char *path = in_scratch("answer.bin");
	(void)state;
	for (size_t i = 0; i < sizeof block; i++) block[i] = (unsigned char)(i * i >> 7);
	mode_t old_mask = umask(027);
	vita_file *file = begin(path);
	umask(old_mask);
	const int unnamed = count_entries() == 0;
	assert_ok(vita_file_write(file, block, sizeof block, &err), &err);
	links_are_refused = 1;
	vita_status status = vita_file_commit(file, &err);
	const int refused = links_are_refused - 1;
	links_are_refused = 0;
	assert_ok(status, &err);
	assert_int_equal(refused, unnamed);
	assert_int_equal(mode_of(path), 0640);
	assert_int_equal(count_entries(), 1);
	char *contents = get_file(path, &size);
	assert_int_equal(size, sizeof block);
	assert_memory_equal(contents, block, sizeof block);
	free(contents);
}

static void test_large_and_small_writes_keep_their_order(void **state)
{
	vita_error err;
	size_t size, n = 0;
	unsigned char block[150000];
	const char *path = in_scratch("mixed.bin");
	static const size_t sizes[] = { 1, 65535, 1, 65536, 3, 150000, 65537, 7, 100000, 2 };
	(void)state;
	vita_file *file = begin(path);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		for (size_t k = 0; k < sizes[i]; k++) block[k] = (unsigned char)((n + k) * 31 >> 3);
		assert_ok(vita_file_write(file, block, sizes[i], &err), &err);
		n += sizes[i];
	}
	assert_ok(vita_file_commit(file, &err), &err);
	char *text = get_file(path, &size);
	assert_int_equal(size, n);
	for (size_t k = 0; k < n; k++) assert_int_equal((unsigned char)text[k], (unsigned char)(k * 31 >> 3));
	free(text);
}

static void test_replacing_keeps_permissions(void **state)
{
	vita_error err;
	const char *path = in_scratch("private.txt");
	(void)state;
	put_text(path, "old");
	assert_int_equal(chmod(path, 0600), 0);
	assert_ok(vita_file_save(path, "new", 3, &err), &err);
	assert_file_is(path, "new");
	assert_int_equal(mode_of(path), 0600);
}

static void test_discard_leaves_the_old_file(void **state)
{
	vita_error err;
	const char *path = in_scratch("kept.txt");
	(void)state;
	put_text(path, "old");
	vita_file *file = begin(path);
	assert_ok(vita_file_write(file, "new", 3, &err), &err);
	vita_file_discard(file);
	vita_file_discard(NULL);
	assert_file_is(path, "old");
	assert_int_equal(count_entries(), 1);
}

static void test_links_are_followed(void **state)
{
	vita_error err;
	struct stat info;
	const char *target = in_scratch("target.txt"), *link = in_scratch("link.txt");
	(void)state;
	put_text(target, "old");
	assert_int_equal(symlink("target.txt", link), 0);
	assert_ok(vita_file_save(link, "new", 3, &err), &err);
	assert_int_equal(lstat(link, &info), 0);
	assert_true(S_ISLNK(info.st_mode));
	assert_file_is(target, "new");
	assert_int_equal(unlink(target), 0);
	assert_failure(vita_file_save(link, "new", 3, &err), VITA_E_NOTFOUND, &err,
	               "is a link that cannot be followed");
	assert_int_equal(count_entries(), 1);
}

static void test_relative_paths_outlive_chdir(void **state)
{
	vita_error err;
	char before[1024];
	(void)state;
	assert_non_null(getcwd(before, sizeof before));
	assert_int_equal(chdir(scratch), 0);
	vita_file *file = begin("here.txt");
	assert_int_equal(chdir("/"), 0);
	assert_ok(vita_file_write(file, "x", 1, &err), &err);
	assert_ok(vita_file_commit(file, &err), &err);
	assert_int_equal(chdir(before), 0);
	assert_file_is(in_scratch("here.txt"), "x");
}

/* ---- targets that cannot be ---------------------------------------------------------------------- */

static void test_bad_targets(void **state)
{
	vita_error err;
	vita_file *file = (vita_file *)1;
	(void)state;
	assert_failure(vita_file_create(in_scratch("no/such/place.wav"), &file, &err), VITA_E_NOTFOUND, &err,
	               "no/such/place.wav: cannot open the directory");
	assert_null(file);
	assert_failure(vita_file_create(scratch, &file, &err), VITA_E_INVALID, &err, "is a directory");
	assert_failure(vita_file_create("", &file, &err), VITA_E_INVALID, &err, "does not name a file");
	assert_failure(vita_file_create(in_scratch("new/"), &file, &err), VITA_E_INVALID, &err,
	               "does not name a file");
	put_text(in_scratch("file"), "x");
	assert_failure(vita_file_create(in_scratch("file/below"), &file, &err), VITA_E_NOTFOUND, &err,
	               "file/below");
	assert_failure(vita_file_commit(NULL, &err), VITA_E_INVALID, &err, "no file");
	assert_int_equal(vita_file_create("", &file, NULL), VITA_E_INVALID);
	assert_int_equal(count_entries(), 1);
}

/* A device of /dev: the real one where this test cannot harm it, else a node of its own, for a defect
 * here must not replace root's /dev/null by a file. NULL where that is not allowed. */
static const char *safe_device(const char *name, unsigned minor_number)
{
	if (geteuid() != 0) {
		const char *path = strcmp(name, "null") == 0 ? "/dev/null" : "/dev/full";
		return access(path, W_OK) == 0 ? path : NULL;
	}
	const char *path = in_scratch(name);
	if (mknod(path, S_IFCHR | 0600, makedev(1, minor_number)) != 0) return NULL;
	int fd = open(path, O_WRONLY);
	if (fd < 0) return NULL;
	close(fd);
	return path;
}

static void test_devices_are_written_to(void **state)
{
	vita_error err;
	struct stat info;
	(void)state;
	const char *null_device = safe_device("null", 3), *full_device = safe_device("full", 7);
	if (!null_device || !full_device) {
		print_message("this machine allows no device to be made; the test of pipes stands in\n");
		skip();
	}
	assert_ok(vita_file_save(null_device, "x", 1, &err), &err);
	assert_int_equal(stat(null_device, &info), 0);
	assert_true(S_ISCHR(info.st_mode));
	assert_failure(vita_file_save(full_device, "x", 1, &err), VITA_E_IO, &err, "full: cannot be written");
	vita_file *file = begin(full_device);
	assert_false(vita_file_is_seekable(file));
	vita_file_discard(file);
}

static void test_pipes_are_written_to(void **state)
{
	vita_error err;
	char text[8] = "";
	const char *path = in_scratch("pipe");
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	int reader = open(path, O_RDONLY | O_NONBLOCK);
	assert_true(reader >= 0);
	assert_ok(vita_file_save(path, "through", 7, &err), &err);
	assert_int_equal(read(reader, text, sizeof text), 7);
	assert_memory_equal(text, "through", 7);
	close(reader);
}

/* A limit on file sizes stands in for a full disk: write fails in the middle of a file. */
static void test_full_disk(void **state)
{
	vita_error err;
	struct rlimit old, limit;
	static const unsigned char block[100000];
	const char *path = in_scratch("big.bin");
	(void)state;
	put_text(path, "old");
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 150000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	vita_file *file = begin(path);
	vita_status first = vita_file_write(file, block, sizeof block, &err);
	vita_status second = vita_file_write(file, block, sizeof block, &err);
	vita_status third = vita_file_write(file, block, 1, NULL);
	vita_error commit_err;
	vita_status fourth = vita_file_commit(file, &commit_err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(first, VITA_OK);
	assert_failure(second, VITA_E_IO, &err, "big.bin: cannot be written: ");
	assert_int_equal(third, VITA_E_IO);
	assert_failure(fourth, VITA_E_IO, &commit_err, "big.bin: cannot be written: ");
	assert_file_is(path, "old");
	assert_int_equal(count_entries(), 1);
}

static void test_failure_of_a_foreign_writer(void **state)
{
	vita_error err;
	(void)state;
	vita_file *file = begin(in_scratch("foreign"));
	assert_true(vita_file_is_seekable(file));
	assert_int_equal(write(vita_file_descriptor(file), "abc", 3), 3);
	vita_file_set_failed(file, ENOSPC);
	vita_file_set_failed(file, EIO);
	assert_failure(vita_file_commit(file, &err), VITA_E_IO, &err, strerror(ENOSPC));
	assert_int_equal(count_entries(), 0);
}

static void test_too_many_open_files(void **state)
{
	enum { LIMIT = 64 };
	vita_error err;
	vita_file *files[LIMIT];
	struct rlimit old, limit;
	int n = 0;
	vita_status status = VITA_OK;
	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	limit = old;
	limit.rlim_cur = LIMIT;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (n < LIMIT && status == VITA_OK) {
		status = vita_file_create(in_scratch("many"), &files[n], &err);
		if (status == VITA_OK) n++;
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_failure(status, VITA_E_IO, &err, strerror(EMFILE));
	assert_true(count_entries() == n || count_entries() == 0);
	while (n > 0) vita_file_discard(files[--n]);
	assert_int_equal(count_entries(), 0);
}

/* ---- signals ------------------------------------------------------------------------------------- */

static void abandon_and_exit(int number)
{
	(void)number;
	vita_files_abandon();
	_exit(130);
}

static void test_handler_removes_unfinished_files(void **state)
{
	vita_error err;
	int how;
	(void)state;
	put_text(in_scratch("a"), "old");
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		vita_file *a, *b;
		(void)signal(SIGINT, abandon_and_exit);
		if (vita_file_create(in_scratch("a"), &a, &err) != VITA_OK) _exit(1);
		if (vita_file_create(in_scratch("b"), &b, &err) != VITA_OK) _exit(1);
		if (vita_file_write(b, scratch, sizeof scratch, &err) != VITA_OK) _exit(1);
		/* Where files have no name until they are whole there are none of them. */
		if (count_entries() != 3 && count_entries() != 1) _exit(1);
		(void)raise(SIGINT);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_true(WIFEXITED(how));
	assert_int_equal(WEXITSTATUS(how), 130);
	assert_file_is(in_scratch("a"), "old");
	assert_int_equal(count_entries(), 1);
}

/* Nobody can do anything then; so the file must not have had a name. */
static void test_sigkill_leaves_nothing(void **state)
{
	vita_error err;
	int how;
	(void)state;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		vita_file *file;
		if (vita_file_create(in_scratch("a"), &file, &err) != VITA_OK) _exit(1);
		if (vita_file_write(file, scratch, sizeof scratch, &err) != VITA_OK) _exit(1);
		if (count_entries() == 1) _exit(77); /* this file system has no files without names */
		(void)raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	if (WIFEXITED(how) && WEXITSTATUS(how) == 77) skip();
	assert_true(WIFSIGNALED(how));
	assert_int_equal(count_entries(), 0);
}

static void write_for_ever(void)
{
	(void)signal(SIGTERM, abandon_and_exit);
	for (;;)
		if (vita_file_save(in_scratch("target"), scratch, sizeof scratch, NULL) != VITA_OK) _exit(1);
}

/* Killed at any moment: the target is whole, and nothing else is there. */
static void test_killed_at_any_moment(void **state)
{
	size_t size;
	int how;
	(void)state;
	for (long i = 0; i < 40; i++) {
		struct timespec pause = { 0, 1000000 + i * 173001 };
		put_file(in_scratch("target"), scratch, sizeof scratch);
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) write_for_ever();
		(void)nanosleep(&pause, NULL);
		assert_int_equal(kill(child, SIGTERM), 0);
		assert_int_equal(waitpid(child, &how, 0), child);
		/* Before the child had its handler, the signal simply ended it. */
		assert_true(WIFSIGNALED(how) || WEXITSTATUS(how) == 130);
		free(get_file(in_scratch("target"), &size));
		assert_int_equal(size, sizeof scratch);
		assert_int_equal(count_entries(), 1);
	}
}

static void test_children_leave_their_parents_files(void **state)
{
	vita_error err;
	int how;
	(void)state;
	vita_file *file = begin(in_scratch("parent"));
	assert_ok(vita_file_write(file, "x", 1, &err), &err);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) abandon_and_exit(0);
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_ok(vita_file_commit(file, &err), &err);
	assert_file_is(in_scratch("parent"), "x");
}

static void test_commit_after_abandon(void **state)
{
	vita_error err;
	(void)state;
	vita_file *file = begin(in_scratch("late"));
	vita_file *other = begin(in_scratch("other"));
	vita_files_abandon();
	assert_int_equal(count_entries(), 0);
	assert_failure(vita_file_commit(file, &err), VITA_E_CANCELLED, &err, "late: was abandoned");
	vita_file_discard(other);
	assert_int_equal(count_entries(), 0);
	assert_failure(vita_file_save(in_scratch("next"), "x", 1, &err), VITA_E_CANCELLED, &err,
	               "next: was abandoned");
	assert_int_equal(count_entries(), 0);
}

/* ---- threads ------------------------------------------------------------------------------------- */

static void *save_some(void *name)
{
	for (int i = 0; i < 20; i++) {
		if (i % 3 == 0) {
			vita_file *file;
			if (vita_file_create(name, &file, NULL) != VITA_OK) return name;
			vita_file_discard(file);
		} else if (vita_file_save(name, name, strlen(name), NULL) != VITA_OK) {
			return name;
		}
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[4];
	char names[4][1024];
	(void)state;
	for (int i = 0; i < 4; i++) {
		(void)snprintf(names[i], sizeof names[i], "%s/%d", scratch, i % 3);
		assert_int_equal(pthread_create(&threads[i], NULL, save_some, names[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		void *failed;
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(count_entries(), 3);
	for (int i = 0; i < 3; i++) assert_file_is(names[i], names[i]);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup_directory, teardown_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(test_commit),
		IN_DIRECTORY(test_large_and_small_writes_keep_their_order),
		IN_DIRECTORY(test_replacing_keeps_permissions),
		IN_DIRECTORY(test_discard_leaves_the_old_file),
		IN_DIRECTORY(test_links_are_followed),
		IN_DIRECTORY(test_relative_paths_outlive_chdir),
		IN_DIRECTORY(test_bad_targets),
		IN_DIRECTORY(test_devices_are_written_to),
		IN_DIRECTORY(test_pipes_are_written_to),
		IN_DIRECTORY(test_full_disk),
		IN_DIRECTORY(test_failure_of_a_foreign_writer),
		IN_DIRECTORY(test_too_many_open_files),
		IN_DIRECTORY(test_handler_removes_unfinished_files),
		IN_DIRECTORY(test_sigkill_leaves_nothing),
		IN_DIRECTORY(test_links_refused),
		IN_DIRECTORY(test_killed_at_any_moment),
		IN_DIRECTORY(test_children_leave_their_parents_files),
		IN_DIRECTORY(test_threads),
		/* Last: nothing can be written after it. */
		IN_DIRECTORY(test_commit_after_abandon),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
