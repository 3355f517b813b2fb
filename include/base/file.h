/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.h -- opening a file that somebody else has put there.
 *
 * A FIFO in a file's place would keep whoever opens it waiting until somebody
 * writes into it, and a device may do anything.  Any thread.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdio.h>

struct err;

/*
 * Open a regular file for reading, and nothing else; never waits.
 *   flags	what open() gets besides, such as O_NOFOLLOW
 * Owned (fclose); NULL with *err, which names the path: ERR_NOTFOUND,
 * ERR_REFUSED (it is no regular file), ERR_IO.
 */
FILE *file_open(const char *path, int flags, struct err *err);

#endif
