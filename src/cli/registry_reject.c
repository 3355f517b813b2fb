/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/registry_load.h"
#include "cli/registry_reject.h"
#include "cli/registry_row.h"

#define REJECT_HEADER "line,reason,row\n"

char *
registry_reject_choose(
    const char *name, const char *asked, int fd, struct err *err)
{
	struct stat in, out;
	char *path;

	if (asprintf(&path, "%s%s", asked != NULL ? asked : name,
		asked != NULL ? "" : ".rejects") == -1) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	if (stat(path, &out) == -1 || fstat(fd, &in) == -1 ||
	    in.st_dev != out.st_dev || in.st_ino != out.st_ino)
		return path;
	err_set(err, ERR_REFUSED, "--rejects %s is the file to be read", path);
	free(path);
	return NULL;
}

static int
broken(const char *path, struct err *err)
{
	return err_set(err, ERR_IO, "rejected rows cannot be written to %s: %s",
	    path, strerror(errno));
}

/* Two that write one list would cut off what the other one has written.  The
 * lock ends with the file, however its process ends; where there are no locks
 * it is as if nobody else was there. */
static bool
is_taken(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK;
}

static FILE *
taken(int fd, const char *path, struct err *err)
{
	close(fd);
	err_set(err, ERR_CONFLICT,
	    "another process is writing its rejected rows to %s; wait until "
	    "it has ended, or name another file with --rejects",
	    path);
	return NULL;
}

/* What was there already: a pipe blocks when nobody reads it, and its owner
 * can read a file whatever its mode. */
static int
check_kind(int fd, const char *path, struct err *err)
{
	const char *why = NULL;
	struct stat st;

	if (fstat(fd, &st) == -1)
		return broken(path, err);
	if (S_ISFIFO(st.st_mode))
		why = "it is a pipe";
	else if (S_ISREG(st.st_mode) && st.st_uid != geteuid())
		why = "it belongs to another user, who could read them";
	return why == NULL
	    ? 0
	    : err_set(err, ERR_REFUSED,
		  "rejected rows are not written to %s: %s; name another file "
		  "with --rejects",
		  path, why);
}

/* A file that was there before may have been open to others; a device is left
 * as it is.  Only an older list of rejected rows is overwritten:
 * a slip of the keyboard must not cost the store or the key. */
static int
make_private(int fd)
{
	char had[sizeof(REJECT_HEADER)] = "";
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	if (!S_ISREG(st.st_mode))
		return 0;
	if (is_taken(fd))
		return -1; /* EWOULDBLOCK */
	if (st.st_size > 0 &&
	    (pread(fd, had, sizeof(had) - 1, 0) == -1 ||
		strcmp(had, REJECT_HEADER) != 0)) {
		errno = EEXIST;
		return -1;
	}
	return fchmod(fd, 0600) == -1 || ftruncate(fd, 0) == -1 ? -1 : 0;
}

FILE *
registry_reject_open(const char *path, struct err *err)
{
	FILE *f = NULL;
	int fd, rc;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd != -1 && check_kind(fd, path, err) == -1) {
		close(fd);
		return NULL;
	}
	rc = fd == -1 ? -1 : make_private(fd);
	if (rc == 0 && (f = fdopen(fd, "w")) != NULL) {
		fputs(REJECT_HEADER, f);
		return f;
	}
	if (rc == -1 && errno == EWOULDBLOCK)
		return taken(fd, path, err);
	err_set(err, ERR_IO,
	    "rejected rows cannot be written to %s: %s; name another file "
	    "with --rejects",
	    path, strerror(errno));
	if (fd != -1)
		close(fd);
	return NULL;
}

FILE *
registry_reject_reopen(const char *path, int64_t len, struct err *err)
{
	char had[sizeof(REJECT_HEADER)] = "";
	struct stat st;
	FILE *f = NULL;
	int fd;

	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd != -1 && is_taken(fd))
		return taken(fd, path, err);
	if (fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_uid == geteuid() && st.st_size >= len &&
	    pread(fd, had, sizeof(had) - 1, 0) == sizeof(had) - 1 &&
	    strcmp(had, REJECT_HEADER) == 0 && ftruncate(fd, len) == 0 &&
	    lseek(fd, 0, SEEK_END) == len && (f = fdopen(fd, "w")) != NULL)
		return f;
	err_set(
	    err, ERR_NOTFOUND, "the rejected rows are no longer in %s", path);
	if (fd != -1)
		close(fd);
	return NULL;
}

int
registry_reject_sync(FILE *f, const char *path, int64_t *len, struct err *err)
{
	struct stat st;

	*len = 0;
	if (f == NULL)
		return 0;
	if (fflush(f) != 0 || fstat(fileno(f), &st) == -1)
		return broken(path, err);
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return 0;
	*len = st.st_size;
	return fdatasync(fileno(f)) == 0 ? 0 : broken(path, err);
}

static void
write_quoted(FILE *f, const char *text, size_t len)
{
	putc('"', f);
	for (; len > 0; text++, len--) {
		if (*text == '"')
			putc('"', f);
		putc(*text, f);
	}
	putc('"', f);
}

int
registry_reject_write(
    FILE *f, const char *path, const struct registry_reject *r, struct err *err)
{
	fprintf(f, "%" PRIu64 ",", r->line);
	write_quoted(f, r->reason, strlen(r->reason));
	putc(',', f);
	/* What may be a My Number is written nowhere. */
	if (strstr(r->reason, REGISTRY_MY_NUMBER) == NULL)
		write_quoted(f, r->raw, r->raw_len);
	putc('\n', f);
	return ferror(f) ? broken(path, err) : 0;
}

int
registry_reject_close(FILE *f, const char *path, struct err *err)
{
	int failed;

	if (f == NULL)
		return 0;
	failed = ferror(f);
	return fclose(f) != 0 || failed ? broken(path, err) : 0;
}
