/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry_first.h -- the first load of a registry that is empty: what comes
 * after its rows were read.
 *
 * The rows go into the store by a registry_load with options.first; see
 * store/first_load.h for what happens there.  One thread, which is the store's
 * loop.
 */
#ifndef CLI_REGISTRY_FIRST_H
#define CLI_REGISTRY_FIRST_H

#include "cli/registry_load.h"
#include "store/first_load.h"

struct registry_resume;

struct registry_first {
	struct store *store; /* borrowed */
	int fd;              /* of the file, borrowed; read at its places */
	int64_t size;        /* of the file */
	bool bar;            /* somebody is looking */
	int64_t run;
	enum store_first_stage stage; /* ROWS: they are to be read */
};

/* Begin, or go on with what resume->mark says, of a file of `size` bytes; when
 * nothing is kept, the mark is forgotten.  Returns 0, or -1 with *err. */
int registry_first_begin(struct registry_first *f, struct store *store,
    struct registry_resume *resume, int64_t size, bool from_start,
    struct err *err);

/* All rows are there, as *mark says: make their keys and put them in their
 * place. */
int registry_first_place(struct registry_first *f,
    const struct store_import_mark *mark, struct err *err);

/* What was read again. */
struct registry_again {
	int64_t fresh, changed; /* rows */
	int64_t refused;        /* by the store */
	int64_t rows;
};

/* Read what is to be read again.  `options` as for the rows. */
int registry_first_again(struct registry_first *f,
    const struct registry_load_options *options, struct registry_again *again,
    struct err *err);

/* All that was rejected is safe: end the first load.  *counts, of the rows,
 * becomes what all of them have done. */
int registry_first_end(struct registry_first *f,
    const struct registry_again *again, struct registry_counts *counts,
    struct err *err);

#endif
