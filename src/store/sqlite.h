/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite.h -- what the two files of the SQLite engine share.  Nobody else
 * includes it.  Store thread only.
 */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include <sqlite3.h>

#include "engine.h"

struct sqlite_db {
	struct store_db db; /* first */
	sqlite3 *sqlite;
	char *path;
};

/* The engine's struct of a database. */
struct sqlite_db *sqlite_of(struct store_db *db);

/* Turn a result code into a sentence; returns -1. */
int sqlite_fault(struct sqlite_db *db, int rc, struct err *err);

/* The name of the VFS that writes the log in few pieces: sqlite_log.c.  Not
 * the default one; any thread. */
#define SQLITE_LOG_VFS "holdline-log"
const char *sqlite_log_vfs(void);

/* Forget what was not synced: before a transaction that writes is undone, and
 * before one begins. */
void sqlite_log_drop(sqlite3 *db);

/* The engine's functions on statements: sqlite_query.c. */
int sqlite_step(struct db_query *q, struct err *err);
int64_t sqlite_last_id(struct store_db *db);
struct db_value sqlite_column(struct db_query *q, int column);
void sqlite_reset(struct db_query *q);

/* And on many rows: sqlite_load.c. */
int sqlite_load_row(struct db_query *q, struct err *err);
int sqlite_load_end(struct db_query *q, struct err *err);
int sqlite_new_ids(struct store_db *db, const char *table, int64_t *ids,
    size_t n, struct err *err);
int sqlite_last_number(struct store_db *db, const char *table,
    const char *column, int64_t *last, struct err *err);
int sqlite_set_last_number(struct store_db *db, const char *table,
    const char *column, int64_t last, struct err *err);
/* Set the parameters: sqlite_query.c. */
void sqlite_bind(struct db_query *q);

#endif
