/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.h -- all of a store into another one, whatever their engines.
 *
 * What is read is of one instant.  What is written is one transaction, which
 * is committed only when every table there has the rows and the digest that it
 * has here: a copy is whole, or there is none, and it can be begun again.  A
 * table's digest is the sum of its rows' SHA-256, so it does not depend on an
 * engine or an order; it finds what got lost or altered on the way, not what
 * somebody forges.  Numbers that were given out are not given out again.
 *
 * Blocks, for as long as it takes: for commands.  Any thread.
 */
#ifndef STORE_COPY_H
#define STORE_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/node.h"

#define STORE_TABLES_MAX 64
#define STORE_DIGEST_SIZE 32

struct store_copy {
	/* in */
	const char *from, *to; /* as store_options.path */
	bool freeze; /* nobody writes into `from` until the copy is committed */
	bool close;  /* nor afterwards: it is kept, and refused when it is
			opened; goes with freeze */
	bool update; /* `to` has an earlier copy of `from`: write only what has
			changed since */
	/* Now and then: so many rows of `total` were written; they are then
	 * read back, and `verifying` is true.  NULL = none. */
	void (*progress)(
	    void *ctx, int64_t rows, int64_t total, bool verifying);
	void *ctx;
	/* out */
	int n_alive; /* servers that lived on `from` when it was read: what
			they do later is not in the copy */
	char alive[STORE_NODE_NAME + 1]; /* one of them */
	unsigned int n_tables;
	int64_t rows;
	int64_t leaves; /* of the audit chain, which was walked */
	uint8_t digest[STORE_DIGEST_SIZE]; /* of all tables */
};

/*
 * Copy.  `to` is made when it is missing; ERR_REFUSED when anybody is on
 * record there, or, to update it, when it has what `from` lacks or a server
 * lives on it; ERR_CONFLICT when what arrived is not what was sent.  Who is
 * alive (node.h) is each store's own and is not copied.  Returns 0, or -1 with *err: nothing was written.  (ERR_UNSURE: the commit's outcome
 * is not known; try again, and `to` is refused if it was made.  Or the copy is
 * whole and only `from` could not be closed; the text says so.)
 */
int store_copy(struct store_copy *copy, struct err *err);

#endif
