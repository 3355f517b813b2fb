/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL engine: opening, transactions, and whether they happened.
 *
 * Batches that write run READ COMMITTED: what they rest on is locked first and
 * read then (DB_FOR_UPDATE, db_lock()), which lets nodes write beside each
 * other and needs no repeating but after a deadlock or when two make the same
 * thing at once.  Such a batch is run again alone: every batch holds the
 * writers' lock shared, that one holds it for itself, so it cannot lose twice.
 * Batches that only read see one instant (REPEATABLE READ).
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "postgres.h"
#include "store/audit.h"

#define TIMEOUT_MS 10000
#define STALE_US (1 * CLOCK_S_US) /* to find out that a connection is dead */

#define STRINGIFY(x) #x
#define STRING(x) STRINGIFY(x)
#define WRITERS STRING(POSTGRES_LOCKS_DECIMAL) ", 1"
#define POSTGRES_LOCKS_DECIMAL 1752132708
_Static_assert(
    POSTGRES_LOCKS_DECIMAL == POSTGRES_LOCKS && POSTGRES_LOCK_WRITERS == 1,
    "as SQL says it");

struct postgres_db *
postgres_of(struct store_db *db)
{
	assert(db->engine == &postgres_engine);
	return (struct postgres_db *)db;
}

/* ---- opening */

static void
pg_close(struct store_db *db)
{
	struct postgres_db *d = postgres_of(db);

	size_t i;

	postgres_disconnect(d);
	postgres_url_free(&d->url);
	for (i = 0; i < DB_QUERIES; i++)
		postgres_rows_free(&db->queries[i]);
	free(d->list.bytes);
	free(d);
}

static struct store_db *
pg_open(const struct store_options *options, struct err *err)
{
	struct postgres_db *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	d->db.engine = &postgres_engine;
	d->chain = -1;
	d->timeout_ms = options->timeout_us != 0
	    ? (int)(options->timeout_us / 1000)
	    : TIMEOUT_MS;
	if (postgres_url_parse(&d->url, options->path, err) == -1 ||
	    postgres_connect(d, err) == -1 ||
	    postgres_check_owner(d, err) == -1) {
		pg_close(&d->db);
		return NULL;
	}
	return &d->db;
}

/* ---- transactions */

static bool
pg_in_transaction(struct store_db *db)
{
	struct postgres_db *d = postgres_of(db);

	return d->conn != NULL && d->open && !d->failed;
}

static void
pg_rollback(struct store_db *db)
{
	struct postgres_db *d = postgres_of(db);
	struct err ignored;

	if (d->conn != NULL && d->open &&
	    (postgres_pipeline_exit(d, &ignored), d->conn != NULL) &&
	    postgres_exec(d, "ROLLBACK", d->timeout_ms, &ignored) == -1)
		postgres_disconnect(d);
	d->open = d->failed = false;
}

static int
begin_now(struct postgres_db *d, const char *sql, struct err *err)
{
	d->open = true;
	d->failed = false;
	return postgres_exec(d, sql, d->timeout_ms, err);
}

/* A connection that was idle may have died since; then nothing is lost by
 * making another one. */
static int
pg_begin(struct store_db *db, enum db_mode mode, struct err *err)
{
	static const char *const begin[] = {
		[DB_READ] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
		[DB_ASIDE] = "BEGIN ISOLATION LEVEL READ COMMITTED",
		[DB_WRITE] = "BEGIN ISOLATION LEVEL READ COMMITTED; "
			     "SELECT pg_advisory_xact_lock_shared(" WRITERS ")",
		[DB_ALONE] = "BEGIN ISOLATION LEVEL READ COMMITTED; "
			     "SELECT pg_advisory_xact_lock(" WRITERS ")",
	};
	struct postgres_db *d = postgres_of(db);
	int64_t begun_us = clock_mono_us();
	bool had_one = d->conn != NULL;

	if (!had_one && postgres_connect(d, err) == -1)
		return -1;
	if (begin_now(d, begin[mode], err) == 0)
		return 0;
	if (had_one && d->conn == NULL &&
	    clock_mono_us() - begun_us < STALE_US &&
	    postgres_connect(d, err) == 0 &&
	    begin_now(d, begin[mode], err) == 0)
		return 0;
	pg_rollback(db);
	return -1;
}

static int
pg_lock(struct store_db *db, enum db_lock lock, struct err *err)
{
	char sql[80];

	snprintf(sql, sizeof(sql), "SELECT pg_advisory_xact_lock(%d, %d)",
	    POSTGRES_LOCKS, POSTGRES_LOCK_FIRST + (int)lock);
	return postgres_exec(
	    postgres_of(db), sql, postgres_of(db)->timeout_ms, err);
}

/* 1 = the chain is ours, until the connection ends; 0 = it is another's. */
static int
chain_try(struct postgres_db *d, unsigned int chain, struct err *err)
{
	PGresult *result;
	char sql[80];
	int got;

	snprintf(sql, sizeof(sql), "SELECT pg_try_advisory_lock(%d, %u)",
	    POSTGRES_LOCKS, POSTGRES_LOCK_CHAIN + chain);
	if ((result = postgres_ask(d, sql, d->timeout_ms, err)) == NULL)
		return -1;
	got = *PQgetvalue(result, 0, 0) == 't';
	PQclear(result);
	return got;
}

static int
pg_chain(struct store_db *db, unsigned int *chain, struct err *err)
{
	struct postgres_db *d = postgres_of(db);
	unsigned int i;
	int rc = 0;

	for (i = 0; d->chain == -1 && i < STORE_AUDIT_CHAINS; i++) {
		if ((rc = chain_try(d, i, err)) == -1)
			return -1;
		if (rc == 1)
			d->chain = (int)i;
	}
	if (d->chain == -1)
		return err_set(err, ERR_STORE,
		    "store %s: more than %d connections write; lower "
		    "store_connections",
		    d->url.where, STORE_AUDIT_CHAINS);
	*chain = (unsigned int)d->chain;
	return 0;
}

/* ---- the commit */

/* Did the server say that it undid it?  A session that is being ended may
 * have committed before. */
static bool
surely_undone(const PGresult *result)
{
	const char *severity;

	if (PQresultStatus(result) == PGRES_COMMAND_OK)
		return strcmp(PQcmdStatus((PGresult *)result), "ROLLBACK") == 0;
	severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	return severity != NULL && strcmp(severity, "ERROR") == 0;
}

/* A server that gave up waiting for its standby only warns: the commit may be
 * lost with it. */
static bool
surely_done(const struct postgres_db *d, const PGresult *result)
{
	return PQresultStatus(result) == PGRES_COMMAND_OK && !d->warned &&
	    strcmp(PQcmdStatus((PGresult *)result), "COMMIT") == 0;
}

static int
commit_fault(struct postgres_db *d, PGresult *result, struct err *err)
{
	bool unsure = d->db.writing && !surely_undone(result);

	if (PQresultStatus(result) == PGRES_COMMAND_OK)
		err_set(err, ERR_STORE,
		    "store %s: the server %s; look at its log, and at the "
		    "standby that it waits for",
		    d->url.where,
		    unsure ? "did not confirm a commit" : "undid a commit");
	else
		postgres_fault(d, result, err);
	if (unsure) {
		err->code = ERR_UNSURE;
		d->db.again = false;
		postgres_disconnect(d);
	}
	return -1;
}

static int
pg_commit(struct store_db *db, struct err *err)
{
	struct postgres_db *d = postgres_of(db);
	PGresult *result = NULL;
	int rc;

	if (!pg_in_transaction(db)) {
		pg_rollback(db);
		return postgres_fault(d, NULL, err);
	}
	if (postgres_pipeline_exit(d, err) == -1) {
		pg_rollback(db);
		return -1;
	}
	d->warned = false;
	if (PQsendQuery(d->conn, "COMMIT"))
		result = postgres_wait(d, d->timeout_ms);
	rc = result != NULL && surely_done(d, result)
	    ? 0
	    : commit_fault(d, result, err);
	PQclear(result);
	if (rc == -1)
		pg_rollback(db);
	d->open = false;
	return rc;
}

const struct db_engine postgres_engine = {
	.several = true,
	.open = pg_open,
	.close = pg_close,
	.version = postgres_version,
	.script = postgres_script,
	.set_version = postgres_set_version,
	.swap_check = postgres_swap_check,
	.swap = postgres_swap,
	.begin = pg_begin,
	.commit = pg_commit,
	.rollback = pg_rollback,
	.in_transaction = pg_in_transaction,
	.lock = pg_lock,
	.chain = pg_chain,
	.ahead = postgres_ahead,
	.post = postgres_post,
	.row = postgres_row,
	.post_rows = postgres_post_rows,
	.step = postgres_step,
	.column = postgres_column,
	.load_row = postgres_load_row,
	.load_end = postgres_load_end,
	.new_ids = postgres_new_ids,
	.last_number = postgres_last_number,
	.set_last_number = postgres_set_last_number,
	.reset = postgres_reset,
	.hosts = postgres_hosts,
	.standby = postgres_standby,
	.news = postgres_news,
	.news_start = postgres_news_start,
	.news_fd = postgres_news_fd,
	.news_read = postgres_news_read,
	.clock = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000"
		 " AS BIGINT)",
	.outbox_issued = "SELECT last_value FROM outbox_seq_seq"
			 " WHERE is_called",
	.hold_ids = "SELECT nextval('holds_id_seq'), nextval('cases_id_seq')"
		    " FROM generate_series(1, CAST($1 AS BIGINT))",
};
