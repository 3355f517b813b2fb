/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delta_file.h -- a file of the registry's news, before anything of it is
 * applied.
 *
 * It is read twice: once to know its content and that it is whole, and then
 * its rows.  Regular files only.  Any one thread.
 */
#ifndef CLI_DELTA_FILE_H
#define CLI_DELTA_FILE_H

#include <sys/stat.h>

#include "cli/delta_row.h"

struct keyring;

struct delta_file {
	int fd; /* owned; -1 = closed */
	struct delta_line line;
	struct delta_header header;
	struct store_delta_file known; /* as the store knows it */
	struct stat st;                /* when it was read */
};

/*
 * Open and read it: the first two lines are right, and it has as many rows as
 * it says.  Memory does not grow with it.  Returns 0, or -1 with *err, which
 * shows nothing of the file; close in both cases.
 */
int delta_file_open(struct delta_file *f, const char *path,
    const struct keyring *keys, struct err *err);

/* Is it still as it was read?  Returns 0, or -1 with *err. */
int delta_file_check(const struct delta_file *f, struct err *err);

/* Close it, if it is open. */
void delta_file_close(struct delta_file *f);

#endif
