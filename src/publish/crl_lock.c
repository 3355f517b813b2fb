/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "crl_lock.h"

#define LOCK_NAME ".lock"
#define FLAGS (O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
#define LOOK_NS 50000000 /* flock() knows no time limit: ask so often */

static int
odd_file(const char *dir, struct err *err)
{
	return err_set(err, ERR_REFUSED,
	    "crl.dir %s: " LOCK_NAME " in it is not our lock, a file of mode "
	    "600 of this user or the folder's owner; see who made it, and "
	    "remove it",
	    dir);
}

static int
dir_fail(const char *dir, struct err *err)
{
	return err_set(err, ERR_IO, "crl.dir %s: %s", dir, strerror(errno));
}

/* Made by root it is the folder's owner's, who must be able to open it, too.
 * What was there already is left alone: it may be a link to anything. */
static int
lock_open(
    const char *dir, int folder, const struct stat *owner, struct err *err)
{
	int fd = openat(folder, LOCK_NAME, FLAGS | O_CREAT | O_EXCL, 0600);

	if (fd == -1 && errno != EEXIST)
		return dir_fail(dir, err);
	if (fd == -1) {
		fd = openat(folder, LOCK_NAME, FLAGS);
		return fd == -1 ? odd_file(dir, err) : fd;
	}
	if (geteuid() == 0 && owner->st_uid != 0 &&
	    fchown(fd, owner->st_uid, owner->st_gid) == -1) {
		dir_fail(dir, err);
		close(fd);
		return -1;
	}
	return fd;
}

static bool
is_ours(int fd, const struct stat *owner)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mode & 077) == 0 &&
	    (st.st_uid == geteuid() || st.st_uid == owner->st_uid);
}

/* The process that has the lock, as the kernel tells; 0 = it does not. */
static long
holder(int fd)
{
	FILE *f = fopen("/proc/locks", "re");
	unsigned int major, minor;
	unsigned long inode;
	long pid = 0, one;
	struct stat st;
	char line[200];

	if (f == NULL)
		return 0;
	while (pid == 0 && fstat(fd, &st) == 0 &&
	    fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%*s FLOCK %*s WRITE %ld %x:%x:%lu", &one,
			&major, &minor, &inode) == 4 &&
		    inode == st.st_ino && makedev(major, minor) == st.st_dev)
			pid = one;
	fclose(f);
	return pid;
}

static int
still_busy(const char *dir, int fd, int64_t wait_us, struct err *err)
{
	long pid = holder(fd);
	char who[64] = "fuser -v on that file names it";

	if (pid > 0)
		snprintf(who, sizeof(who), "it is process %ld", pid);
	return err_set(err, ERR_CONFLICT,
	    "crl.dir %s: another process writes CRLs there, or only keeps " LOCK_NAME
	    " in it locked, for more than %" PRId64
	    " s now; %s: let it finish, or end it",
	    dir, wait_us / CLOCK_S_US, who);
}

static int
lock_wait(const char *dir, int fd, int64_t wait_us, struct err *err)
{
	const struct timespec look = { 0, LOOK_NS };
	int64_t until_us = clock_mono_us() + wait_us;

	while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return dir_fail(dir, err);
		if (clock_mono_us() >= until_us)
			return still_busy(dir, fd, wait_us, err);
		nanosleep(&look, NULL);
	}
	return 0;
}

static int
lock_take(const char *dir, int folder, int64_t wait_us, struct err *err)
{
	struct stat owner;
	int fd;

	if (fstat(folder, &owner) == -1)
		return dir_fail(dir, err);
	if ((fd = lock_open(dir, folder, &owner, err)) == -1)
		return -1;
	if ((is_ours(fd, &owner) ? lock_wait(dir, fd, wait_us, err)
				 : odd_file(dir, err)) == 0)
		return fd;
	close(fd);
	return -1;
}

int
crl_lock(const char *dir, int64_t wait_us, struct err *err)
{
	int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;

	if (folder == -1)
		return dir_fail(dir, err);
	fd = lock_take(dir, folder, wait_us, err);
	close(folder);
	return fd;
}
