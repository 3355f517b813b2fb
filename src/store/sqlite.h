/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite.h -- what the two files of the SQLite engine share.  Nobody else
 * includes it.  Store thread only.
 */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include <sqlite3.h>

#include "db.h"

#define SQLITE_QUERIES 128 /* more than there are literals; power of two */

struct db_query {
	struct store_db *db;
	const char *sql;    /* the literal; NULL = free place */
	sqlite3_stmt *stmt; /* NULL when it could not be prepared: rc */
	int rc;
	int parameter, column;      /* the last one that was used */
	bool open;                  /* it may have more rows */
	struct db_query *next_open; /* while it may */
};

struct store_db {
	sqlite3 *sqlite;
	char *path;
	int64_t (*wall_us)(void *ctx); /* NULL = the machine's */
	void *wall_ctx;
	bool writing; /* of the transaction that is open */
	struct db_query *open;
	size_t n_queries;
	struct db_query queries[SQLITE_QUERIES]; /* by address of sql */
};

/* Turn a result code into a sentence; returns -1. */
int sqlite_fault(struct store_db *db, int rc, struct err *err);

/* Reset every statement that has rows left. */
void sqlite_reset_open(struct store_db *db);

/* Finalize every statement. */
void sqlite_forget(struct store_db *db);

#endif
