/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite engine: prepared statements, their parameters and columns. */
#include <assert.h>
#include <string.h>

#include "sqlite.h"

/* Drop `n` characters. */
static void
text_drop(char *at, size_t n)
{
	memmove(at, at + n, strlen(at + n) + 1);
}

/* SQLite has one writer and no words for locking a row, nor lists: one of one
 * is a value. */
static void
text_for_sqlite(char *sql)
{
	char *at;

	if ((at = strstr(sql, DB_SKIP_LOCKED)) != NULL)
		text_drop(at, strlen(DB_SKIP_LOCKED));
	else if ((at = strstr(sql, DB_FOR_UPDATE)) != NULL)
		*at = '\0'; /* and what it is of */
	if ((at = strstr(sql, DB_ANY "(")) != NULL)
		text_drop(at, strlen(DB_ANY));
}

static int
query_prepare(struct db_query *q)
{
	char *sql = sqlite3_mprintf("%s", q->sql);
	sqlite3_stmt *stmt;
	int rc;

	if (sql == NULL)
		return SQLITE_NOMEM;
	text_for_sqlite(sql);
	rc = sqlite3_prepare_v3(sqlite_of(q->db)->sqlite, sql, -1,
	    SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	q->handle = stmt;
	sqlite3_free(sql);
	return rc;
}

static int
bind_value(sqlite3_stmt *stmt, int i, const struct db_value *v)
{
	switch (v->type) {
	case DB_INT:
		return sqlite3_bind_int64(stmt, i, v->number);
	case DB_TEXT:
		return sqlite3_bind_text64(
		    stmt, i, v->bytes, v->len, SQLITE_STATIC, SQLITE_UTF8);
	case DB_BLOB:
		return sqlite3_bind_blob64(
		    stmt, i, v->bytes, v->len, SQLITE_STATIC);
	default:
		return sqlite3_bind_null(stmt, i);
	}
}

/* A bind fails only by our own mistake. */
void
sqlite_bind(struct db_query *q)
{
	sqlite3_stmt *stmt = q->handle;
	int i, rc;

	assert(q->n_values == sqlite3_bind_parameter_count(stmt));
	assert(q->db->writing || sqlite3_stmt_readonly(stmt));
	for (i = 0; i < q->n_values; i++) {
		rc = bind_value(stmt, i + 1, &q->values[i]);
		assert(rc == SQLITE_OK);
		(void)rc;
	}
}

int
sqlite_step(struct db_query *q, struct err *err)
{
	struct sqlite_db *d = sqlite_of(q->db);
	int rc;

	if (q->handle == NULL && (rc = query_prepare(q)) != SQLITE_OK)
		return sqlite_fault(d, rc, err);
	if (!q->running)
		sqlite_bind(q);
	rc = sqlite3_step(q->handle);
	if (rc == SQLITE_ROW)
		return 1;
	q->db->changes = sqlite3_changes64(d->sqlite);
	q->db->written = sqlite3_total_changes64(d->sqlite);
	return rc == SQLITE_DONE ? 0 : sqlite_fault(d, rc, err);
}

int64_t
sqlite_last_id(struct store_db *db)
{
	return sqlite3_last_insert_rowid(sqlite_of(db)->sqlite);
}

struct db_value
sqlite_column(struct db_query *q, int column)
{
	sqlite3_stmt *stmt = q->handle;
	struct db_value v = { .type = DB_NULL };

	switch (sqlite3_column_type(stmt, column)) {
	case SQLITE_INTEGER:
		v.type = DB_INT;
		v.number = sqlite3_column_int64(stmt, column);
		break;
	case SQLITE_TEXT:
	case SQLITE_BLOB:
		v.type = sqlite3_column_type(stmt, column) == SQLITE_TEXT
		    ? DB_TEXT
		    : DB_BLOB;
		v.bytes = sqlite3_column_blob(stmt, column);
		v.len = (size_t)sqlite3_column_bytes(stmt, column);
		if (v.bytes == NULL)
			v.bytes = ""; /* nothing, which is not NULL */
		break;
	default:
		break;
	}
	return v;
}

void
sqlite_reset(struct db_query *q)
{
	sqlite3_reset(q->handle);
}
