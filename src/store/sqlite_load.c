/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite engine: many rows at once, by one prepared INSERT. */
#include <stdio.h>
#include <string.h>

#include "sqlite.h"

#define SQL_MAX 512

/* "table (a, b)" becomes INSERT INTO table (a, b) VALUES (?, ?). */
static int
load_prepare(struct db_query *q)
{
	char sql[SQL_MAX];
	const char *p;
	sqlite3_stmt *stmt;
	int len, rc;

	len = snprintf(sql, sizeof(sql), "INSERT INTO %s VALUES (?", q->sql);
	for (p = q->sql; (p = strchr(p, ',')) != NULL; p++)
		len += snprintf(sql + len, sizeof(sql) - (size_t)len, ", ?");
	snprintf(sql + len, sizeof(sql) - (size_t)len, ")");
	rc = sqlite3_prepare_v3(sqlite_of(q->db)->sqlite, sql, -1,
	    SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	q->handle = stmt;
	return rc;
}

int
sqlite_load_row(struct db_query *q, struct err *err)
{
	struct sqlite_db *d = sqlite_of(q->db);
	int rc;

	if (q->handle == NULL && (rc = load_prepare(q)) != SQLITE_OK)
		return sqlite_fault(d, rc, err);
	sqlite_bind(q);
	rc = sqlite3_step(q->handle);
	sqlite3_reset(q->handle);
	return rc == SQLITE_DONE ? 0 : sqlite_fault(d, rc, err);
}

int
sqlite_load_end(struct db_query *q, struct err *err)
{
	(void)err;
	q->db->written = sqlite3_total_changes64(sqlite_of(q->db)->sqlite);
	return 0;
}

/* The only number that a statement gives. */
static int
one_number(struct sqlite_db *d, const char *sql, int64_t *n, struct err *err)
{
	sqlite3_stmt *stmt;
	int rc;

	rc = sqlite3_prepare_v2(d->sqlite, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		*n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? 0 : sqlite_fault(d, rc, err);
}

/* Nobody else writes, and no such row is ever deleted. */
int
sqlite_new_ids(struct store_db *db, const char *table, int64_t *ids, size_t n,
    struct err *err)
{
	char sql[SQL_MAX];
	int64_t last;
	size_t i;

	snprintf(sql, sizeof(sql), "SELECT max(id) FROM %s", table);
	if (one_number(sqlite_of(db), sql, &last, err) == -1)
		return -1;
	for (i = 0; i < n; i++)
		ids[i] = last + 1 + (int64_t)i;
	return 0;
}

/* Only where AUTOINCREMENT says so is there more to know than the rows. */
int
sqlite_last_number(struct store_db *db, const char *table, const char *column,
    int64_t *last, struct err *err)
{
	char sql[SQL_MAX];

	snprintf(sql, sizeof(sql),
	    "SELECT max(coalesce((SELECT max(%s) FROM %s), 0),"
	    " coalesce((SELECT max(seq) FROM sqlite_sequence"
	    " WHERE name = '%s'), 0))",
	    column, table, table);
	return one_number(sqlite_of(db), sql, last, err);
}

int
sqlite_set_last_number(struct store_db *db, const char *table,
    const char *column, int64_t last, struct err *err)
{
	struct sqlite_db *d = sqlite_of(db);
	char sql[SQL_MAX];
	int rc;

	(void)column;
	snprintf(sql, sizeof(sql),
	    "DELETE FROM sqlite_sequence WHERE name = '%s';"
	    "INSERT INTO sqlite_sequence (name, seq) VALUES ('%s', %lld)",
	    table, table, (long long)last);
	rc = sqlite3_exec(d->sqlite, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : sqlite_fault(d, rc, err);
}
