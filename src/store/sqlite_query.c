/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite engine: prepared statements, their parameters and columns. */
#include <assert.h>
#include <string.h>

#include "sqlite.h"

/* The statement's place: where it is, or where it belongs. */
static struct db_query *
query_place(struct store_db *db, const char *sql)
{
	size_t i =
	    (size_t)(((uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15)) >> 40);

	for (;; i++) {
		struct db_query *q = &db->queries[i % SQLITE_QUERIES];

		if (q->sql == sql || q->sql == NULL)
			return q;
	}
}

static void
query_reset(struct db_query *q)
{
	struct db_query **p;

	sqlite3_reset(q->stmt);
	if (!q->open)
		return;
	for (p = &q->db->open; *p != q; p = &(*p)->next_open)
		;
	*p = q->next_open;
	q->open = false;
}

struct db_query *
db_query(struct store_db *db, const char *sql)
{
	struct db_query *q = query_place(db, sql);

	if (q->sql == NULL) {
		db->n_queries++;
		assert(db->n_queries < SQLITE_QUERIES);
		q->db = db;
		q->sql = sql;
	}
	if (q->stmt == NULL)
		q->rc = sqlite3_prepare_v3(db->sqlite, sql, -1,
		    SQLITE_PREPARE_PERSISTENT, &q->stmt, NULL);
	else
		query_reset(q);
	q->parameter = 0;
	return q;
}

/* A bind fails only by our own mistake, or because there is no statement;
 * db_step() tells the latter. */
static void
query_bound(struct db_query *q, int rc)
{
	assert(q->stmt == NULL || rc == SQLITE_OK);
	(void)q, (void)rc;
}

void
db_bind_int(struct db_query *q, int64_t value)
{
	q->parameter++;
	query_bound(q,
	    q->stmt == NULL ? 0
			    : sqlite3_bind_int64(q->stmt, q->parameter, value));
}

void
db_bind_text(struct db_query *q, const char *text)
{
	q->parameter++;
	query_bound(q,
	    q->stmt == NULL ? 0
			    : sqlite3_bind_text(q->stmt, q->parameter, text, -1,
				  SQLITE_STATIC));
}

void
db_bind_blob(struct db_query *q, const void *bytes, size_t len)
{
	q->parameter++;
	query_bound(q,
	    q->stmt == NULL ? 0
			    : sqlite3_bind_blob64(q->stmt, q->parameter, bytes,
				  len, SQLITE_STATIC));
}

void
db_bind_null(struct db_query *q)
{
	q->parameter++;
	query_bound(
	    q, q->stmt == NULL ? 0 : sqlite3_bind_null(q->stmt, q->parameter));
}

int
db_step(struct db_query *q, struct err *err)
{
	int rc;

	if (q->stmt == NULL)
		return sqlite_fault(q->db, q->rc, err);
	assert(q->parameter == sqlite3_bind_parameter_count(q->stmt));
	assert(q->db->writing || sqlite3_stmt_readonly(q->stmt));
	q->column = 0;
	rc = sqlite3_step(q->stmt);
	if (rc == SQLITE_ROW) {
		if (!q->open) {
			q->open = true;
			q->next_open = q->db->open;
			q->db->open = q;
		}
		return 1;
	}
	if (rc != SQLITE_DONE)
		sqlite_fault(q->db, rc, err);
	query_reset(q);
	return rc == SQLITE_DONE ? 0 : -1;
}

int
db_run(struct db_query *q, struct err *err)
{
	int rc = db_step(q, err);

	assert(rc != 1); /* it gives no rows */
	return rc;
}

int64_t
db_get_int(struct db_query *q)
{
	return sqlite3_column_int64(q->stmt, q->column++);
}

void
db_get_text(struct db_query *q, char *out, size_t size)
{
	int column = q->column++;
	const void *text = sqlite3_column_text(q->stmt, column);
	size_t len = (size_t)sqlite3_column_bytes(q->stmt, column);

	if (len >= size)
		len = size - 1;
	if (len > 0)
		memcpy(out, text, len);
	out[len] = '\0';
}

size_t
db_get_blob(struct db_query *q, void *out, size_t size)
{
	int column = q->column++;
	const void *bytes = sqlite3_column_blob(q->stmt, column);
	size_t len = (size_t)sqlite3_column_bytes(q->stmt, column);

	if (len > size)
		len = size;
	if (len > 0)
		memcpy(out, bytes, len);
	return len;
}

int64_t
db_changes(struct store_db *db)
{
	return sqlite3_changes64(db->sqlite);
}

int64_t
db_written(struct store_db *db)
{
	return sqlite3_total_changes64(db->sqlite);
}

int64_t
db_last_id(struct store_db *db)
{
	return sqlite3_last_insert_rowid(db->sqlite);
}

void
sqlite_reset_open(struct store_db *db)
{
	while (db->open != NULL)
		query_reset(db->open);
}

void
sqlite_forget(struct store_db *db)
{
	size_t i;

	sqlite_reset_open(db);
	for (i = 0; i < SQLITE_QUERIES; i++) {
		sqlite3_finalize(db->queries[i].stmt);
		db->queries[i].stmt = NULL;
	}
}
