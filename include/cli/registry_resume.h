/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry_resume.h -- an import that was stopped goes on where it was.
 *
 * The store keeps, with the rows, how far the import of a file has come.  A
 * file is known again by a MAC of its size and its beginning under the newest
 * key, so that under a new key it is another one, and what was read of it by
 * its SHA-256.  Regular files only.  One thread, which is the store's loop.
 */
#ifndef CLI_REGISTRY_RESUME_H
#define CLI_REGISTRY_RESUME_H

#include <stdbool.h>
#include <stdint.h>

#include <sodium.h>

#include "store/registry.h"

struct err;
struct keyring;
struct store;

struct registry_resume {
	struct store *store; /* borrowed; NULL = this input cannot resume */
	int fd;              /* borrowed; read at places of its own */
	bool found;          /* `mark` says where to go on */
	struct store_import_mark mark;
	/* of the file up to `hashed` */
	crypto_hash_sha256_state state;
	int64_t hashed;
};

/*
 * Look for a mark of the file `fd` of `size` bytes.  Returns 0, or -1 with
 * *err.  A mark that does not fit the file is as if there were none: what was
 * read has been changed since.  A first load's marks are its own: nobody else
 * goes on where its rows end.
 */
int registry_resume_open(struct registry_resume *r, struct store *store,
    const struct keyring *keys, int fd, int64_t size, bool first,
    struct err *err);

/* Start from the beginning, whatever was found. */
void registry_resume_forget(struct registry_resume *r);

/* The mark for a page whose first row begins at `start`, on line `line`, after
 * `rejects` bytes of rejected rows. */
int registry_resume_mark(struct registry_resume *r, uint64_t start,
    uint64_t line, int64_t rejects, struct store_import_mark *mark,
    struct err *err);

/* The import has reached the end, after it accepted so many rows.  *loading: a
 * first load of another kind of import is under way still. */
int registry_resume_end(const struct registry_resume *r, struct store *store,
    int64_t accepted, bool *loading, struct err *err);

#endif
