/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry_reject.h -- the file of rows that were not taken.
 *
 * CSV with the columns line, reason and row, the last being the row as it
 * stood, as one quoted field.  As personal as the registry's own file: only
 * its owner may read it.  Any one thread.
 */
#ifndef CLI_REGISTRY_REJECT_H
#define CLI_REGISTRY_REJECT_H

#include <stdint.h>
#include <stdio.h>

struct err;
struct registry_reject;

/* The path of the reject file of the file `fd`: `asked`, or NAME.rejects.
 * Never the file itself (ERR_REFUSED).  Owned (free); NULL with *err. */
char *registry_reject_choose(
    const char *name, const char *asked, int fd, struct err *err);

/* Make it, or begin anew, and write its header.  Owned (registry_reject_close);
 * NULL with *err: ERR_IO; ERR_REFUSED when it is a pipe, or a file that belongs
 * to another user; ERR_CONFLICT while another process writes it, which
 * then has lost nothing. */
FILE *registry_reject_open(const char *path, struct err *err);

/* Go on with it after its first `len` bytes; what comes after them is cut off.
 * ERR_NOTFOUND when they are not there; ERR_CONFLICT as registry_reject_open(). */
FILE *registry_reject_reopen(const char *path, int64_t len, struct err *err);

/* All that was written is on disk; *len becomes its length, 0 for a device or
 * for NULL.  0, or -1 with *err. */
int registry_reject_sync(
    FILE *f, const char *path, int64_t *len, struct err *err);

/* Add one row.  `path` is for the error.  Returns 0, or -1 with *err. */
int registry_reject_write(FILE *f, const char *path,
    const struct registry_reject *r, struct err *err);

/* Close it; NULL is a no-op.  Returns 0, or -1 with *err: rows are missing,
 * such as when the disk is full. */
int registry_reject_close(FILE *f, const char *path, struct err *err);

#endif
