/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

/* A link that O_NOFOLLOW stops at, and a socket, cannot even be opened. */
static int
open_fail(const char *path, struct err *err)
{
	if (errno == ELOOP || errno == ENXIO)
		return err_set(
		    err, ERR_REFUSED, "%s: it is not a regular file", path);
	return err_set(err, errno == ENOENT ? ERR_NOTFOUND : ERR_IO,
	    "%s: cannot be read: %s", path, strerror(errno));
}

FILE *
file_open(const char *path, int flags, struct err *err)
{
	int fd =
	    open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags);
	struct stat st;
	FILE *f = NULL;

	if (fd == -1) {
		open_fail(path, err);
		return NULL;
	}
	if (fstat(fd, &st) == -1)
		open_fail(path, err);
	else if (!S_ISREG(st.st_mode))
		err_set(err, ERR_REFUSED, "%s: it is not a regular file", path);
	else if ((f = fdopen(fd, "r")) == NULL)
		open_fail(path, err);
	if (f == NULL)
		close(fd);
	return f;
}
