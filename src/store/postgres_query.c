/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL engine: statements, their parameters, rows and columns. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "postgres.h"

/* Types by their numbers in pg_type, which never change. */
enum { OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_INT4 = 23 };

/* ---- asking */

/* Is there something to read?  0 = the connection failed or time is up. */
static int
wait_readable(struct postgres_db *d, int64_t until_us)
{
	struct pollfd pfd = { .fd = PQsocket(d->conn), .events = POLLIN };
	int64_t left = -1;
	int rc;

	do {
		if (until_us != INT64_MAX) {
			left = (until_us - clock_mono_us()) / 1000 + 1;
			if (left <= 0)
				return 0;
		}
		rc = poll(&pfd, 1, (int)left);
	} while (rc == -1 && errno == EINTR);
	return rc == 1 && PQconsumeInput(d->conn);
}

/* The answer: the first that failed, or else the last of them all. */
PGresult *
postgres_wait(struct postgres_db *d, int timeout_ms)
{
	int64_t until_us = timeout_ms == -1
	    ? INT64_MAX
	    : clock_mono_us() + (int64_t)timeout_ms * 1000;
	PGresult *result = NULL, *next;

	for (;;) {
		while (PQisBusy(d->conn))
			if (!wait_readable(d, until_us))
				goto lost;
		if ((next = PQgetResult(d->conn)) == NULL)
			return result;
		if (PQresultStatus(result) == PGRES_FATAL_ERROR &&
		    result != NULL) {
			PQclear(next);
			continue;
		}
		PQclear(result);
		result = next;
		if (PQresultStatus(result) == PGRES_COPY_IN)
			return result; /* it waits for us */
	}

lost:
	/* A result that the rest did not follow may say why. */
	if (result != NULL && PQresultStatus(result) == PGRES_FATAL_ERROR)
		return result;
	PQclear(result);
	return NULL;
}

static bool
succeeded(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ||
	    status == PGRES_COPY_IN;
}

/* What was sent is answered, and it worked; or NULL with *err. */
static PGresult *
answer(struct postgres_db *d, int sent, int timeout_ms, struct err *err)
{
	PGresult *result = NULL;

	if (sent)
		result = postgres_wait(d, timeout_ms);
	if (result != NULL && succeeded(result))
		return result;
	postgres_fault(d, result, err);
	PQclear(result);
	return NULL;
}

PGresult *
postgres_ask(
    struct postgres_db *d, const char *sql, int timeout_ms, struct err *err)
{
	if (d->conn == NULL) {
		postgres_fault(d, NULL, err);
		return NULL;
	}
	if (postgres_pipeline_exit(d, err) == -1)
		return NULL;
	return answer(d, PQsendQuery(d->conn, sql), timeout_ms, err);
}

int
postgres_exec(
    struct postgres_db *d, const char *sql, int timeout_ms, struct err *err)
{
	PGresult *result = postgres_ask(d, sql, timeout_ms, err);

	PQclear(result);
	return result == NULL ? -1 : 0;
}

/* ---- the pipeline: what was sent, and its answers */

/* The next answer; NULL: the connection failed or time is up. */
static PGresult *
next_answer(struct postgres_db *d, int64_t until_us)
{
	PGresult *result;
	int nothing;

	for (nothing = 0; nothing < 2; nothing++) {
		while (PQisBusy(d->conn))
			if (!wait_readable(d, until_us))
				return NULL;
		/* NULL stands between two statements' answers */
		if ((result = PQgetResult(d->conn)) != NULL)
			return result;
	}
	return NULL;
}

/* One statement worked: its rows go where they are wanted.  False: it wrote
 * another number of rows than it must. */
static bool
take_answer(struct postgres_db *d, struct postgres_sent *sent, PGresult *result)
{
	if (strncmp(PQcmdStatus(result), "SELECT", 6) != 0) {
		d->db.changes = strtoll(PQcmdTuples(result), NULL, 10);
		d->db.written += d->db.changes;
		assert(d->db.writing || d->db.changes == 0);
	}
	if (sent->q != NULL)
		sent->q->handle = result;
	else
		PQclear(result);
	return sent->rows == -1 || sent->rows == d->db.changes;
}

/* One statement failed, or was passed over after one that did. */
static void
drop_answer(struct postgres_sent *sent)
{
	if (sent->prepares != NULL)
		*sent->prepares = false;
}

/* Everything that was sent is answered; the first that failed is told. */
static int
collect(struct postgres_db *d, struct err *err)
{
	int64_t until_us = clock_mono_us() + (int64_t)d->timeout_ms * 1000;
	PGresult *result, *bad = NULL;
	bool odd = false, lost = d->conn == NULL || !PQpipelineSync(d->conn);
	size_t i, n = d->n_sent;
	int rc = 0;

	d->n_sent = 0;
	for (i = 0; i <= n && !lost; i++) {
		if ((result = next_answer(d, until_us)) == NULL)
			lost = true;
		else if (i < n && succeeded(result))
			odd |= !take_answer(d, &d->sent[i], result);
		else if (i == n)
			PQclear(result); /* the sync's own */
		else {
			drop_answer(&d->sent[i]);
			if (bad == NULL)
				bad = result;
			else
				PQclear(result);
		}
	}
	if (bad != NULL || lost)
		rc = postgres_fault(d, bad, err);
	else if (odd) {
		d->failed = true;
		rc = db_odd_rows(err);
	}
	PQclear(bad);
	if (lost && d->conn != NULL)
		postgres_disconnect(d);
	return rc;
}

int
postgres_pipeline_exit(struct postgres_db *d, struct err *err)
{
	int rc = 0;

	if (!d->pipeline)
		return 0;
	if (d->n_sent > 0)
		rc = collect(d, err);
	if (d->conn == NULL)
		return -1;
	d->pipeline = false;
	if (PQexitPipelineMode(d->conn) == 1)
		return rc;
	return rc == -1 ? -1 : postgres_fault(d, NULL, err);
}

/* ---- prepared statements */

static void
query_name(const struct db_query *q, bool several, char name[16])
{
	snprintf(name, 16, "%c%u", several ? 'r' : 'h',
	    (unsigned int)(q - q->db->queries));
}

void
postgres_note_sent(
    struct postgres_db *d, struct db_query *q, bool *prepares, int64_t rows)
{
	struct postgres_sent *sent = &d->sent[d->n_sent++];

	assert(d->n_sent <= POSTGRES_SENT_MAX);
	sent->q = q;
	sent->prepares = prepares;
	sent->rows = rows;
}

static void
put_be64(uint8_t out[8], int64_t value)
{
	uint64_t v = (uint64_t)value;
	int i;

	for (i = 7; i >= 0; i--, v >>= 8)
		out[i] = (uint8_t)v;
}

/* Text is UTF-8 there.  What a gateway made up otherwise must not fail the
 * batch: it is stored in hexadecimal, so that different ones stay different. */
static void
put_odd(const struct db_value *v, char odd[POSTGRES_ODD])
{
	memcpy(odd, "\\x", 2);
	str_hex(v->bytes,
	    v->len < STORE_CALL_ID_MAX ? v->len : STORE_CALL_ID_MAX, odd + 2);
}

const char *
postgres_parameter(
    struct postgres_parameter *p, const struct db_value *v, int *len)
{
	*len = (int)v->len;
	switch (v->type) {
	case DB_INT:
		put_be64(p->number, v->number);
		*len = sizeof(p->number);
		return (const char *)p->number;
	case DB_TEXT:
		if (str_is_utf8(v->bytes, v->len))
			return v->bytes;
		put_odd(v, p->odd);
		*len = (int)strlen(p->odd);
		return p->odd;
	case DB_BLOB:
		return v->bytes;
	default:
		return NULL;
	}
}

/* The only list of the statement, as an array. */
static const char *
list_parameter(
    struct postgres_db *d, const struct db_value *v, int *len, struct err *err)
{
	const char *const *texts = v->bytes;
	const int64_t *numbers = v->bytes;
	struct db_value one = { .type = DB_INT };
	size_t i;

	postgres_array_begin(&d->list);
	for (i = 0; i < v->len; i++) {
		if (v->type == DB_TEXTS)
			one = (struct db_value){ DB_TEXT, 0, texts[i],
				strlen(texts[i]) };
		else
			one.number = numbers[i];
		if (postgres_array_add(&d->list, &one, err) == -1)
			return NULL;
	}
	postgres_array_end(&d->list);
	*len = (int)d->list.len;
	return (const char *)d->list.bytes;
}

int
postgres_prepare(struct postgres_db *d, struct db_query *q, bool several,
    const char *sql, int n, const Oid *types)
{
	bool *prepared = several ? &q->prepared_rows : &q->prepared;
	char name[16];

	query_name(q, several, name);
	if (!PQsendPrepare(d->conn, name, sql, n, types))
		return -1;
	postgres_note_sent(d, NULL, prepared, -1);
	*prepared = true;
	return 0;
}

int
postgres_send(struct postgres_db *d, const struct db_query *q, bool several,
    int n, const char *const *values, const int *lengths)
{
	int i, formats[DB_VALUES_MAX];
	char name[16];

	query_name(q, several, name);
	for (i = 0; i < n; i++)
		formats[i] = 1;
	return PQsendQueryPrepared(
		   d->conn, name, n, values, lengths, formats, 1)
	    ? 0
	    : -1;
}

/* *err only when there is no memory. */
static int
send_prepared(struct postgres_db *d, struct db_query *q, struct err *err)
{
	struct postgres_parameter parameters[DB_VALUES_MAX];
	const char *values[DB_VALUES_MAX];
	int i, lengths[DB_VALUES_MAX];
	const struct db_value *v;

	if (!q->prepared &&
	    postgres_prepare(d, q, false, q->sql, 0, NULL) == -1)
		return -1;
	for (i = 0; i < q->n_values; i++) {
		v = &q->values[i];
		if (v->type != DB_INTS && v->type != DB_TEXTS)
			values[i] =
			    postgres_parameter(&parameters[i], v, &lengths[i]);
		else if ((values[i] = list_parameter(d, v, &lengths[i], err)) ==
		    NULL)
			return -1;
	}
	return postgres_send(d, q, false, q->n_values, values, lengths);
}

int
postgres_send_begin(struct postgres_db *d, struct err *err)
{
	if (d->n_sent + 2 > POSTGRES_SENT_MAX && collect(d, err) == -1)
		return -1;
	if (d->conn == NULL)
		return postgres_fault(d, NULL, err);
	if (!d->pipeline && PQenterPipelineMode(d->conn) != 1)
		return postgres_fault(d, NULL, err);
	d->pipeline = true;
	return 0;
}

/* Nobody waits for an answer here; *err only when there is no connection. */
static int
query_send(struct db_query *q, bool wanted, int64_t rows, struct err *err)
{
	struct postgres_db *d = postgres_of(q->db);

	q->row = -1;
	if (postgres_send_begin(d, err) == -1)
		return -1;
	if (send_prepared(d, q, err) == -1)
		return postgres_fault(d, NULL, err);
	postgres_note_sent(d, wanted ? q : NULL, NULL, rows);
	return 0;
}

/* That it was not sent shows when its rows are wanted. */
void
postgres_ahead(struct db_query *q)
{
	struct err ignored;

	query_send(q, true, -1, &ignored);
}

/* It counts as written at once, whatever it does. */
int
postgres_post(struct db_query *q, int64_t rows, struct err *err)
{
	q->db->written++;
	return query_send(q, false, rows, err);
}

/* The first step waits for everything that was sent; the rows of all of it are
 * there then. */
int
postgres_step(struct db_query *q, struct err *err)
{
	struct postgres_db *d = postgres_of(q->db);

	if (!q->running && query_send(q, true, -1, err) == -1)
		return -1;
	if (q->handle == NULL && collect(d, err) == -1)
		return -1;
	if (q->handle == NULL) /* it could not be sent, or was passed over */
		return postgres_fault(d, NULL, err);
	return ++q->row < PQntuples(q->handle);
}

static int64_t
get_be(const char *bytes, int len)
{
	uint64_t v = 0;
	int i;

	for (i = 0; i < len; i++)
		v = v << 8 | (uint8_t)bytes[i];
	if (len == 4)
		return (int32_t)(uint32_t)v;
	return (int64_t)v;
}

struct db_value
postgres_column(struct db_query *q, int column)
{
	const PGresult *rows = q->handle;
	struct db_value v = { .type = DB_NULL };

	assert(column < PQnfields(rows) && PQfformat(rows, column) == 1);
	if (PQgetisnull(rows, q->row, column))
		return v;
	v.bytes = PQgetvalue(rows, q->row, column);
	v.len = (size_t)PQgetlength(rows, q->row, column);
	switch (PQftype(rows, column)) {
	case OID_BOOL:
	case OID_INT4:
	case OID_INT8:
		v.type = DB_INT;
		v.number = get_be(v.bytes, (int)v.len);
		break;
	case OID_BYTEA:
		v.type = DB_BLOB;
		break;
	default:
		v.type = DB_TEXT;
	}
	return v;
}

void
postgres_reset(struct db_query *q)
{
	struct postgres_db *d = postgres_of(q->db);
	size_t i;

	for (i = 0; i < d->n_sent; i++)
		if (d->sent[i].q == q)
			d->sent[i].q = NULL;
	PQclear(q->handle);
	q->handle = NULL;
}
