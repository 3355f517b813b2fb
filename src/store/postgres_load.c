/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL engine: many rows at once, by COPY in its binary form. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "postgres.h"

#define COPY_BUFFER (64 * 1024)
#define SQL_MAX 512

/* Rows on their way to the server. */
struct copy {
	int64_t rows;
	size_t len;
	char bytes[COPY_BUFFER];
};

/* Signature, flags, and the length of nothing more. */
static const char copy_header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
#define COPY_HEADER_SIZE 19
_Static_assert(sizeof(copy_header) - 1 == COPY_HEADER_SIZE, "PGCOPY");

static int
copy_flush(struct postgres_db *d, struct copy *c)
{
	int rc = PQputCopyData(d->conn, c->bytes, (int)c->len);

	c->len = 0;
	return rc == 1 ? 0 : -1;
}

static int
copy_put(struct postgres_db *d, struct copy *c, const void *bytes, size_t len)
{
	if (len > sizeof(c->bytes) - c->len && copy_flush(d, c) == -1)
		return -1;
	if (len > sizeof(c->bytes))
		return PQputCopyData(d->conn, bytes, (int)len) == 1 ? 0 : -1;
	memcpy(c->bytes + c->len, bytes, len);
	c->len += len;
	return 0;
}

static int
copy_put_be(struct postgres_db *d, struct copy *c, int64_t value, int size)
{
	uint8_t bytes[8];
	int i;

	for (i = size - 1; i >= 0; i--, value >>= 8)
		bytes[i] = (uint8_t)value;
	return copy_put(d, c, bytes, (size_t)size);
}

static int
copy_begin(struct postgres_db *d, struct db_query *q, struct err *err)
{
	char sql[SQL_MAX];
	struct copy *c;

	if (d->conn == NULL)
		return postgres_fault(d, NULL, err);
	snprintf(
	    sql, sizeof(sql), "COPY %s FROM STDIN (FORMAT binary)", q->sql);
	if (postgres_exec(d, sql, d->timeout_ms, err) == -1)
		return -1;
	if ((c = malloc(sizeof(*c))) == NULL) {
		postgres_disconnect(d);
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	c->rows = 0;
	c->len = COPY_HEADER_SIZE;
	memcpy(c->bytes, copy_header, COPY_HEADER_SIZE);
	q->handle = c;
	return 0;
}

/* The connection has failed: nothing more can be sent. */
static int
copy_fail(struct postgres_db *d, struct db_query *q, struct err *err)
{
	free(q->handle);
	q->handle = NULL;
	return postgres_fault(d, NULL, err);
}

int
postgres_load_row(struct db_query *q, struct err *err)
{
	struct postgres_db *d = postgres_of(q->db);
	struct postgres_parameter p;
	const char *bytes;
	struct copy *c;
	int i, len, rc;

	if (q->handle == NULL && copy_begin(d, q, err) == -1)
		return -1;
	c = q->handle;
	rc = copy_put_be(d, c, q->n_values, 2);
	for (i = 0; rc == 0 && i < q->n_values; i++) {
		bytes = postgres_parameter(&p, &q->values[i], &len);
		rc = copy_put_be(d, c, bytes != NULL ? len : -1, 4);
		if (rc == 0 && bytes != NULL)
			rc = copy_put(d, c, bytes, (size_t)len);
	}
	c->rows++;
	return rc == 0 ? 0 : copy_fail(d, q, err);
}

int
postgres_load_end(struct db_query *q, struct err *err)
{
	struct postgres_db *d = postgres_of(q->db);
	struct copy *c = q->handle;
	PGresult *result = NULL;
	int rc;

	if (c == NULL) /* there were no rows */
		return 0;
	if (copy_put_be(d, c, -1, 2) == -1 || copy_flush(d, c) == -1)
		return copy_fail(d, q, err);
	if (PQputCopyEnd(d->conn, NULL) == 1)
		result = postgres_wait(d, d->timeout_ms);
	rc = PQresultStatus(result) == PGRES_COMMAND_OK
	    ? 0
	    : postgres_fault(d, result, err);
	PQclear(result);
	d->db.written += c->rows;
	free(c);
	q->handle = NULL;
	return rc;
}

int
postgres_new_ids(struct store_db *db, const char *table, int64_t *ids, size_t n,
    struct err *err)
{
	struct postgres_db *d = postgres_of(db);
	char sql[SQL_MAX];
	PGresult *result;
	size_t i;

	snprintf(sql, sizeof(sql),
	    "SELECT nextval(pg_get_serial_sequence('%s', 'id'))"
	    " FROM generate_series(1, %zu)",
	    table, n);
	if ((result = postgres_ask(d, sql, d->timeout_ms, err)) == NULL)
		return -1;
	for (i = 0; i < n; i++)
		ids[i] = strtoll(PQgetvalue(result, (int)i, 0), NULL, 10);
	PQclear(result);
	return 0;
}

int
postgres_last_number(struct store_db *db, const char *table, const char *column,
    int64_t *last, struct err *err)
{
	struct postgres_db *d = postgres_of(db);
	char sql[SQL_MAX];
	PGresult *result;

	snprintf(sql, sizeof(sql),
	    "SELECT greatest(coalesce((SELECT max(%s) FROM %s), 0),"
	    " coalesce(pg_sequence_last_value("
	    "pg_get_serial_sequence('%s', '%s')::regclass), 0))",
	    column, table, table, column);
	if ((result = postgres_ask(d, sql, d->timeout_ms, err)) == NULL)
		return -1;
	*last = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return 0;
}

int
postgres_set_last_number(struct store_db *db, const char *table,
    const char *column, int64_t last, struct err *err)
{
	struct postgres_db *d = postgres_of(db);
	char sql[SQL_MAX];

	if (last == 0) /* a sequence begins at 1 */
		return 0;
	snprintf(sql, sizeof(sql),
	    "SELECT setval(pg_get_serial_sequence('%s', '%s'), %" PRId64 ")",
	    table, column, last);
	return postgres_exec(d, sql, d->timeout_ms, err);
}
