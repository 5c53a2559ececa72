/* SPDX-License-Identifier: MIT
 *
 * Output files that appear whole or not at all, and the table from which a signal handler removes the
 * unfinished ones.
 *
 * The table is of fixed size and each entry changes hands through one atomic word, because the handler
 * may interrupt any instruction of any thread and may neither lock nor follow freed memory. A name
 * enters the table before its file is created, so that there is no moment at which a file exists that
 * the handler does not know.
 *
 * Where the system can do so a file has no name until it is whole, and only then the hidden one for as long as it takes
 * to put it in place: so SIGKILL leaves nothing behind of what is still being written.
 */
#include <config.h> /* O_PATH and O_TMPFILE */

#include "files/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define N_SLOTS 1024
#define NAME_SIZE 32
#define BUFFER_SIZE 65536u

enum { SLOT_FREE, SLOT_CLAIMED, SLOT_ACTIVE, SLOT_ABANDONING };

struct slot {
	atomic_int state;
	int directory;        /* descriptor; open as long as the slot is active */
	pid_t process;        /* a forked child must not remove its parent's files */
	char name[NAME_SIZE]; /* within directory */
};

static struct slot slots[N_SLOTS];
static atomic_bool is_ending; /* vita_files_abandon was called */

struct vita_file {
	struct slot *slot; /* NULL: written to directly */
	int fd;
	bool unnamed;     /* not in its directory yet */
	int error_number; /* of the first failure */
	char *path;       /* as the caller says it */
	char *target;     /* where commit puts it: path with links resolved */
	size_t n_buffered;
	unsigned char buffer[BUFFER_SIZE];
};

/* ---- the table ----------------------------------------------------------------------------------- */

static struct slot *slot_claim(void)
{
	for (size_t i = 0; i < N_SLOTS; i++) {
		int expected = SLOT_FREE;
		if (atomic_compare_exchange_strong(&slots[i].state, &expected, SLOT_CLAIMED))
			return &slots[i];
	}
	return NULL;
}

/* Take an active slot away from the handler; false when the handler was first. */
static bool slot_deactivate(struct slot *slot)
{
	int expected = SLOT_ACTIVE;
	return atomic_compare_exchange_strong(&slot->state, &expected, SLOT_CLAIMED);
}

/* An abandoned slot is never given back: the handler may still be reading it, and the process ends. */
static void slot_release(struct slot *slot)
{
	if (!slot || atomic_load(&slot->state) != SLOT_CLAIMED) return;
	if (slot->directory >= 0) close(slot->directory);
	atomic_store(&slot->state, SLOT_FREE);
}

void vita_files_abandon(void)
{
	int saved = errno;
	pid_t process = getpid();
	atomic_store(&is_ending, true);
	for (size_t i = 0; i < N_SLOTS; i++) {
		int expected = SLOT_ACTIVE;
		if (atomic_load(&slots[i].state) != SLOT_ACTIVE || slots[i].process != process) continue;
		if (atomic_compare_exchange_strong(&slots[i].state, &expected, SLOT_ABANDONING))
			(void)unlinkat(slots[i].directory, slots[i].name, 0);
	}
	errno = saved;
}

/* ---- create -------------------------------------------------------------------------------------- */

static vita_status fail_abandoned(vita_error *err, const char *path)
{
	return vita_fail(err, VITA_E_CANCELLED, "%s: was abandoned, because the program is ending", path);
}

static vita_status fail_errno(vita_error *err, const char *path, const char *what, int number)
{
	vita_status status = number == ENOENT || number == ENOTDIR ? VITA_E_NOTFOUND : VITA_E_IO;
	if (number == ENOMEM) status = VITA_E_NOMEM;
	return vita_fail(err, status, "%s: %s: %s", path, what, strerror(number));
}

/* 64 bits that two processes or threads do not share by accident. */
static uint64_t unique_number(void)
{
	static atomic_uint_fast64_t counter;
	uint64_t x = 0;
	struct timespec now;
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	bool random = fd >= 0 && read(fd, &x, sizeof x) == (ssize_t)sizeof x;
	if (fd >= 0) close(fd);
	if (random) return x;
	clock_gettime(CLOCK_REALTIME, &now);
	x = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	return x ^ (uint64_t)getpid() << 40 ^ (uint64_t)atomic_fetch_add(&counter, 1) << 32;
}

static int open_directory(const char *target)
{
	const char *slash = strrchr(target, '/');
	size_t length = slash ? (size_t)(slash - target) + 1 : 0;
	char *directory = malloc(length + 2);
	if (!directory) {
		errno = ENOMEM;
		return -1;
	}
	memcpy(directory, length ? target : ".", length ? length : 1);
	directory[length ? length : 1] = '\0';
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
#ifdef O_PATH
	/* A directory in which one may write but not look: only its sync is lost. */
	if (fd < 0 && errno == EACCES) fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
#endif
	int saved = errno;
	free(directory);
	errno = saved;
	return fd;
}

/* The name by which a descriptor's file can be linked to. */
static void descriptor_path(char out[NAME_SIZE], int fd)
{
	(void)snprintf(out, NAME_SIZE, "/proc/self/fd/%d", fd);
}

/* A file in this directory without a name; -1 where there is no such thing, or no way to name it later. */
static int create_unnamed(int directory)
{
#ifdef O_TMPFILE
	char path[NAME_SIZE];
	struct stat there;
	int fd = openat(directory, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0666);
	if (fd < 0) return -1;
	descriptor_path(path, fd);
	if (stat(path, &there) == 0) return fd;
	close(fd);
#else
	(void)directory;
#endif
	return -1;
}

/* With the hidden name just made: the handler of another thread may have looked for it before it was there. */
static vita_status check_ending(const vita_file *file, vita_error *err)
{
	if (!atomic_load(&is_ending)) return VITA_OK;
	(void)unlinkat(file->slot->directory, file->slot->name, 0);
	return fail_abandoned(err, file->path);
}

/* Create the hidden file and enter it into the table. */
static vita_status create_hidden(vita_file *file, const struct stat *old, vita_error *err)
{
	struct slot *slot = slot_claim();
	if (!slot)
		return vita_fail(err, VITA_E_STATE,
		                 "%s: %d output files of this process are unfinished, "
		                 "and no more can be begun",
		                 file->path, N_SLOTS);
	file->slot = slot;
	slot->process = getpid();
	slot->directory = open_directory(file->target);
	if (slot->directory < 0)
		return fail_errno(err, file->path, "cannot open the directory of this file", errno);

	(void)snprintf(slot->name, sizeof slot->name, ".vita-%016llx", (unsigned long long)unique_number());
	atomic_store(&slot->state, SLOT_ACTIVE);
	file->fd = create_unnamed(slot->directory);
	file->unnamed = file->fd >= 0;
	if (!file->unnamed)
		file->fd = openat(slot->directory, slot->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (file->fd < 0) {
		int number = errno;
		(void)slot_deactivate(slot);
		return fail_errno(err, file->path, "cannot create a file in this directory", number);
	}
	if (!file->unnamed) {
		vita_status status = check_ending(file, err);
		if (status != VITA_OK) return status;
	}
	/* Where this is refused (another owner's file system), the umask's permissions are good enough. */
	if (old && fchmod(file->fd, old->st_mode & 0777) != 0) errno = 0;
	return VITA_OK;
}

static vita_status create_at(vita_file *file, vita_error *err)
{
	struct stat there, named;
	bool exists = stat(file->path, &there) == 0;

	if (exists && S_ISDIR(there.st_mode))
		return vita_fail(err, VITA_E_INVALID, "%s: is a directory; the name of a file is needed",
		                 file->path);
	if (exists && !S_ISREG(there.st_mode)) {
		file->fd = open(file->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return file->fd >= 0 ? VITA_OK : fail_errno(err, file->path, "cannot be written to", errno);
	}
	if (lstat(file->path, &named) == 0 && S_ISLNK(named.st_mode)) {
		file->target = realpath(file->path, NULL);
		if (!file->target)
			return fail_errno(err, file->path, "is a link that cannot be followed", errno);
	} else {
		file->target = strdup(file->path);
		if (!file->target) return vita_fail(err, VITA_E_NOMEM, "%s: out of memory", file->path);
	}
	const char *slash = strrchr(file->target, '/');
	if ((slash ? slash + 1 : file->target)[0] == '\0')
		return vita_fail(err, VITA_E_INVALID, "\"%s\" does not name a file", file->path);
	return create_hidden(file, exists ? &there : NULL, err);
}

static void file_free(vita_file *file)
{
	slot_release(file->slot);
	free(file->target);
	free(file->path);
	free(file);
}

vita_status vita_file_create(const char *path, vita_file **out, vita_error *err)
{
	*out = NULL;
	vita_file *file = malloc(sizeof *file);
	if (!file) return vita_fail(err, VITA_E_NOMEM, "%s: out of memory", path);
	file->slot = NULL;
	file->fd = -1;
	file->unnamed = false;
	file->error_number = 0;
	file->target = NULL;
	file->n_buffered = 0;
	file->path = strdup(path);
	vita_status status =
		file->path ? create_at(file, err) : vita_fail(err, VITA_E_NOMEM, "%s: out of memory", path);
	if (status != VITA_OK) {
		vita_file_discard(file);
		return status;
	}
	*out = file;
	return VITA_OK;
}

/* ---- write --------------------------------------------------------------------------------------- */

static vita_status fail_write(const vita_file *file, vita_error *err)
{
	return vita_fail(err, VITA_E_IO, "%s: cannot be written: %s", file->path,
	                 strerror(file->error_number));
}

static vita_status write_all(vita_file *file, const unsigned char *data, uint64_t size, vita_error *err)
{
	while (size > 0) {
		ssize_t n = write(file->fd, data, size < INT_MAX ? (size_t)size : INT_MAX);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) {
			file->error_number = n < 0 ? errno : EIO;
			return fail_write(file, err);
		}
		data += n;
		size -= (uint64_t)n;
	}
	return VITA_OK;
}

static vita_status flush(vita_file *file, vita_error *err)
{
	if (file->error_number) return fail_write(file, err);
	size_t n = file->n_buffered;
	file->n_buffered = 0;
	return write_all(file, file->buffer, n, err);
}

vita_status vita_file_write(vita_file *file, const void *data, uint64_t size, vita_error *err)
{
	if (file->error_number) return fail_write(file, err);
	if (size > BUFFER_SIZE - file->n_buffered) {
		vita_status status = flush(file, err);
		if (status != VITA_OK) return status;
		if (size >= BUFFER_SIZE) return write_all(file, data, size, err);
	}
	if (size > 0) memcpy(file->buffer + file->n_buffered, data, (size_t)size);
	file->n_buffered += (size_t)size;
	return VITA_OK;
}

int vita_file_descriptor(const vita_file *file)
{
	return file->fd;
}

bool vita_file_is_seekable(const vita_file *file)
{
	return file->slot != NULL;
}

void vita_file_set_failed(vita_file *file, int error_number)
{
	if (!file->error_number) file->error_number = error_number ? error_number : EIO;
}

/* ---- end ----------------------------------------------------------------------------------------- */

static vita_status fail_write_now(vita_file *file, vita_error *err)
{
	file->error_number = errno;
	return fail_write(file, err);
}

static vita_status sync_file(vita_file *file, vita_error *err)
{
	return fsync(file->fd) == 0 ? VITA_OK : fail_write_now(file, err);
}

/* What the descriptor holds goes to the file, which has been flushed. */
static vita_status copy_from(vita_file *file, int from, vita_error *err)
{
	for (off_t at = 0;;) {
		ssize_t n = pread(from, file->buffer, BUFFER_SIZE, at);
		if (n == 0) return sync_file(file, err);
		if (n < 0 && errno != EINTR) return fail_write_now(file, err);
		if (n < 0) continue;
		vita_status status = write_all(file, file->buffer, (uint64_t)n, err);
		if (status != VITA_OK) return status;
		at += n;
	}
}

/* Go on with a file that has the hidden name from the beginning. */
static vita_status change_to_named(vita_file *file, vita_error *err)
{
	const int from = file->fd;
	struct stat s;
	file->fd = openat(file->slot->directory, file->slot->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	vita_status status = file->fd >= 0 ? check_ending(file, err) : fail_write_now(file, err);
	if (status == VITA_OK && fstat(from, &s) == 0 && fchmod(file->fd, s.st_mode & 0777) != 0) errno = 0;
	if (status == VITA_OK) status = copy_from(file, from, err);
	close(from);
	return status;
}

/* Give an unnamed file its hidden name, from which it can be put in the place of another one. Systems that make such files
 * may still not let them have a name (rules against links; no /proc any more): then the contents are copied. */
static vita_status give_name(vita_file *file, vita_error *err)
{
	char path[NAME_SIZE];
	descriptor_path(path, file->fd);
	file->unnamed = false;
	if (linkat(AT_FDCWD, path, file->slot->directory, file->slot->name, AT_SYMLINK_FOLLOW) != 0)
		return change_to_named(file, err);
	return check_ending(file, err);
}

static vita_status rename_over(vita_file *file, vita_error *err)
{
	struct slot *slot = file->slot;
	const char *slash = strrchr(file->target, '/');
	const char *base = slash ? slash + 1 : file->target;

	if (renameat(slot->directory, slot->name, slot->directory, base) != 0) {
		if (atomic_load(&slot->state) == SLOT_ABANDONING) return fail_abandoned(err, file->path);
		return fail_errno(err, file->path, "cannot be put in place", errno);
	}
	/* Best effort: not every file system can sync a directory, and the file is whole in any case. */
	(void)fsync(slot->directory);
	return VITA_OK;
}

vita_status vita_file_commit(vita_file *file, vita_error *err)
{
	if (!file) return vita_fail(err, VITA_E_INVALID, "there is no file to commit");
	vita_status status = flush(file, err);
	if (status == VITA_OK && file->slot) status = sync_file(file, err);
	if (status == VITA_OK && file->unnamed) status = give_name(file, err);
	/* Some file systems (NFS) tell of a full disk only here. */
	int closed = close(file->fd);
	if (closed != 0 && errno != EINTR && status == VITA_OK) status = fail_write_now(file, err);
	file->fd = -1;
	if (status == VITA_OK && file->slot) status = rename_over(file, err);
	if (status != VITA_OK) {
		vita_file_discard(file);
		return status;
	}
	if (file->slot) (void)slot_deactivate(file->slot);
	file_free(file);
	return VITA_OK;
}

void vita_file_discard(vita_file *file)
{
	if (!file) return;
	if (file->fd >= 0) close(file->fd);
	/* Removed while still in the table: should the handler come between, it removes nothing twice. */
	if (file->slot) {
		if (atomic_load(&file->slot->state) == SLOT_ACTIVE)
			(void)unlinkat(file->slot->directory, file->slot->name, 0);
		(void)slot_deactivate(file->slot);
	}
	file_free(file);
}

vita_status vita_file_save(const char *path, const void *data, uint64_t size, vita_error *err)
{
	vita_file *file;
	vita_status status = vita_file_create(path, &file, err);
	if (status != VITA_OK) return status;
	status = vita_file_write(file, data, size, err);
	if (status != VITA_OK) {
		vita_file_discard(file);
		return status;
	}
	return vita_file_commit(file, err);
}
