/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy_inner.h -- what copying all of a store and bringing a copy up to date
 * have in common, inside store/.
 */
#ifndef STORE_COPY_INNER_H
#define STORE_COPY_INNER_H

#include "engine.h"
#include "store/copy.h"
#include "store/node.h"
#include "table.h"

#define COPY_KEY_BYTES 512 /* of a key's columns, at most */

/* What a table holds: its rows, and the sum of their SHA-256, as four numbers
 * modulo 2^64. */
struct copy_sum {
	int64_t rows;
	uint64_t lanes[4];
};

/* The key of the last row of a page. */
struct copy_key {
	struct db_value values[TABLE_KEY_MAX];
	unsigned char bytes[COPY_KEY_BYTES];
};

struct copy_run {
	struct store_copy *copy;
	struct store_db *from, *to;
	int64_t done, total;
	struct copy_sum sums[STORE_TABLES_MAX];
};

/* ---- copy.c */

/* Add a row of n columns. */
void copy_sum_add(
    struct copy_sum *sum, const struct db_value *values, unsigned int n);

/* The rows after `key`, NULL = the first ones; TABLE_PAGE at most. */
struct db_query *copy_page(
    struct store_db *db, const struct table *t, const struct copy_key *key);

/* Keep the key of a row for the next page. */
void copy_key_keep(
    struct copy_key *key, const struct db_value *values, unsigned int n);

/* One more row was dealt with. */
void copy_tell(struct copy_run *r, bool verifying);

/* All rows of a table into an empty one; none of what is a store's own. */
int copy_table(struct copy_run *r, const struct table *t, struct err *err);

/* Numbers that were given out on one side are not given out on the other. */
int copy_number(struct copy_run *r, const struct table *t, struct err *err);

/* How many servers live on a store, and the name of one; -1 with *err. */
int copy_alive(
    struct store_db *db, char name[STORE_NODE_NAME + 1], struct err *err);

/* ---- copy_update.c */

/* Make an earlier copy of `from` in `to` the same again.  The sums are those
 * of `from`. */
int copy_update(struct copy_run *r, struct err *err);

#endif
