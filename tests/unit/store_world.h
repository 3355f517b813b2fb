/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_world.h -- a store of a test's own, with a clock of its own and short
 * ways to put people into it.  Included once by each store test.  Compiled
 * with -DSTORE_POSTGRES it is a database in a private cluster, otherwise an
 * SQLite file in a temporary folder: one suite for both engines.
 */
#ifndef TESTS_STORE_WORLD_H
#define TESTS_STORE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#ifdef STORE_POSTGRES
#include "tests/unit/postgres_cluster.h"
#else
#include <sqlite3.h>
#endif

#include "base/clock.h"
#include "base/str.h"
#include "store/audit.h"
#include "store/call.h"
#include "store/cases.h"
#include "store/cert.h"
#include "store/hold.h"
#include "store/lookup.h"
#include "store/outbox.h"
#include "store/registry.h"
#include "store/store.h"

#define ISSUER "00112233445566778899aabbccddeeff00112233"
#define NOON INT64_C(1795485600000000) /* 2026-11-24, Japan */

struct world {
	char dir[128], path[300];
	int64_t now_us; /* the store's wall clock */
	struct store *store;
};

static inline int64_t
world_now(void *ctx)
{
	return ((struct world *)ctx)->now_us;
}

static inline struct store_options
world_options(struct world *w, unsigned int threads)
{
	return (struct store_options){ .path = w->path,
		.threads = threads,
		.wall_us = world_now,
		.wall_ctx = w };
}

static inline struct store *
world_open_store(struct world *w, unsigned int threads)
{
	struct store_options o = world_options(w, threads);
	struct err err = { 0 };
	struct store *s = store_open(&o, &err);

	if (s == NULL)
		fail_msg("%s", err.text);
	return s;
}

#ifndef STORE_POSTGRES

#define WORLD_START NULL /* once for all tests of a program */
#define WORLD_STOP NULL

/* A temporary folder, and no store in it yet. */
static inline struct world *
world_folder(void)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *tmp = getenv("TMPDIR");

	assert_non_null(w);
	snprintf(w->dir, sizeof(w->dir), "%s/holdline-store-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/store.db", w->dir);
	w->now_us = NOON;
	return w;
}

static inline void
world_remove(struct world *w)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
	char path[320];
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", w->path, ends[i]);
		unlink(path);
	}
	if (rmdir(w->dir) == -1)
		fail_msg("files are left in %s", w->dir);
}

/* Ask the file itself, over another connection. */
static inline int64_t
world_sql(struct world *w, const char *sql)
{
	sqlite3_stmt *stmt;
	sqlite3 *db;
	int64_t value = -1;

	assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	if (sqlite3_step(stmt) == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	sqlite3_close(db);
	return value;
}

#define WORLD_VERSION "SELECT user_version FROM pragma_user_version"
#define WORLD_SET_VERSION "PRAGMA user_version = "

/* Keep everybody from writing, until world_release(). */
static inline void *
world_block(struct world *w)
{
	sqlite3 *other;

	assert_int_equal(sqlite3_open(w->path, &other), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
	    SQLITE_OK);
	return other;
}

static inline void
world_release(void *other)
{
	sqlite3_close(other);
}

#else

#define WORLD_START cluster_setup
#define WORLD_STOP cluster_teardown

/* A database, and no store in it yet. */
static inline struct world *
world_folder(void)
{
	static unsigned int nr;
	struct world *w = calloc(1, sizeof(*w));
	char sql[320];

	assert_non_null(w);
	snprintf(w->dir, sizeof(w->dir), "t%u", ++nr);
	snprintf(sql, sizeof(sql), "CREATE DATABASE %s OWNER holdline", w->dir);
	cluster_sql("postgres", sql);
	snprintf(w->path, sizeof(w->path), "postgresql://holdline@/%s?host=%s",
	    w->dir, cluster.dir);
	w->now_us = NOON;
	return w;
}

static inline void
world_remove(struct world *w)
{
	char sql[320];

	snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", w->dir);
	cluster_sql("postgres", sql);
}

/* Ask the database itself, over another connection. */
static inline int64_t
world_sql(struct world *w, const char *sql)
{
	PGconn *conn = PQconnectdb(w->path);
	PGresult *result = PQexec(conn, sql);
	const char *text;
	int64_t value = -1;

	if (PQresultStatus(result) != PGRES_TUPLES_OK &&
	    PQresultStatus(result) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(conn));
	if (PQntuples(result) > 0) {
		text = PQgetvalue(result, 0, 0);
		value = *text == 't' ? 1 : strtoll(text, NULL, 10);
	}
	PQclear(result);
	PQfinish(conn);
	return value;
}

#define WORLD_VERSION "SELECT version FROM holdline"
#define WORLD_SET_VERSION "UPDATE holdline SET version = "

/* Keep everybody from writing, until world_release(). */
static inline void *
world_block(struct world *w)
{
	PGconn *other = PQconnectdb(w->path);
	PGresult *result =
	    PQexec(other, "SELECT pg_advisory_lock(1752132708, 1)");

	assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
	PQclear(result);
	return other;
}

static inline void
world_release(void *other)
{
	PQfinish(other);
}

#endif

static inline int
world_setup(void **state)
{
	struct world *w = world_folder();

	w->store = world_open_store(w, 0);
	*state = w;
	return 0;
}

static inline int
world_setup_folder(void **state)
{
	*state = world_folder();
	return 0;
}

static inline int
world_teardown(void **state)
{
	struct world *w = *state;

	store_close(w->store);
	world_remove(w);
	free(w);
	return 0;
}

/* Wait for a request that must work. */
static inline void
must(struct store *s, struct store_req *req)
{
	if (store_wait(s, req) == -1)
		fail_msg("%s", req->err.text);
}

/* The registry's row for person `who`, certificate `serial`. */
static inline struct store_put
row(uint8_t who, const char *serial, enum store_kind kind)
{
	struct store_put r = { 0 };

	memset(r.ref, who, sizeof(r.ref));
	memset(r.tag, 0x80 | who, sizeof(r.tag));
	r.key_version = 1;
	snprintf(r.municipality, sizeof(r.municipality), "131016");
	snprintf(r.cert.issuer, sizeof(r.cert.issuer), ISSUER);
	str_copy(r.cert.serial, sizeof(r.cert.serial), serial);
	r.cert.kind = kind;
	r.cert.not_before = 20240401;
	r.cert.not_after = 20290401;
	r.now_us = NOON - 1000;
	return r;
}

static inline void
put(struct world *w, struct store_put *r)
{
	store_put(w->store, r);
	must(w->store, &r->req);
}

/* The only candidate with a person's tag; its id. */
static inline int64_t
holder_of(struct world *w, uint8_t who)
{
	struct store_lookup r = { .n_tags = 1 };

	memset(r.tags[0], 0x80 | who, STORE_MAC_SIZE);
	store_lookup(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(r.n, 1);
	return r.candidates[0].holder;
}

/* A person with a pair of certificates on a card, serials <who>01, <who>02. */
static inline int64_t
person(struct world *w, uint8_t who)
{
	struct store_put r;
	char serial[8];

	snprintf(serial, sizeof(serial), "%02x01", who);
	r = row(who, serial, STORE_SIGNATURE);
	put(w, &r);
	snprintf(serial, sizeof(serial), "%02x02", who);
	r = row(who, serial, STORE_AUTHENTICATION);
	put(w, &r);
	return holder_of(w, who);
}

/* Take whatever is not over, as the hold room does. */
static inline void
decide_all(void *ctx, const struct store_cert *certs, size_t n, int64_t now_us,
    bool *take)
{
	size_t i;

	(void)ctx;
	for (i = 0; i < n; i++)
		take[i] = certs[i].status == STORE_GOOD &&
		    clock_jst_ymd(now_us) <= certs[i].not_after;
}

/* Take everything, even what may not be taken. */
static inline void
decide_rash(void *ctx, const struct store_cert *certs, size_t n, int64_t now_us,
    bool *take)
{
	size_t i;

	(void)ctx, (void)certs, (void)now_us;
	for (i = 0; i < n; i++)
		take[i] = true;
}

static inline struct store_hold
hold_request(const char *call, int64_t holder, const char *receipt)
{
	struct store_hold r = { .holder = holder,
		.reported_us = NOON - 60000000,
		.verified_us = NOON - 20000000,
		.lang = "ja",
		.decide = decide_all };

	str_copy(r.call_id, sizeof(r.call_id), call);
	str_copy(r.receipts[0], sizeof(r.receipts[0]), receipt);
	return r;
}

static inline void
place(struct world *w, struct store_hold *r)
{
	store_hold(w->store, r);
	must(w->store, &r->req);
}

/* Everything in the outbox, read back from a cache that works. */
static inline void
publish_all(struct world *w, int64_t now_us, struct store_outbox_ack *ack)
{
	struct store_outbox_take take = { .now_us = now_us };
	size_t i;

	store_outbox_take(w->store, &take);
	must(w->store, &take.req);
	memset(ack, 0, sizeof(*ack));
	ack->n = take.n;
	ack->now_us = now_us;
	for (i = 0; i < take.n; i++) {
		ack->seqs[i] = take.rows[i].seq;
		ack->holds[i] = take.rows[i].hold_id;
	}
	store_outbox_ack(w->store, ack);
	must(w->store, &ack->req);
}

/* ---- after a crash, when all certificates that changed were held in pairs */

/* Every row has its others, and the chain holds. */
static inline void
world_check_whole(struct world *w)
{
	struct store_audit_verify v = { 0 };
	int64_t holds = world_sql(w, "SELECT count(*) FROM holds");

	store_audit_verify(w->store, &v);
	must(w->store, &v.req);
	assert_int_equal(v.leaves, holds);
	assert_int_equal(
	    world_sql(w,
		"SELECT count(*) FROM audit AS a JOIN holds AS h ON a.text LIKE"
		" '{\"hold\":' || h.id || ',\"call\":\"' || h.call_id"
		" || '\",%'"),
	    holds);
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM cases JOIN holds"
			     " ON holds.id = cases.hold"),
	    holds);
	assert_int_equal(
	    world_sql(w,
		"SELECT count(*) FROM outbox AS o JOIN certificates AS c"
		" ON c.id = o.cert AND c.generation = o.generation"
		" AND c.status = o.status JOIN hold_certs AS t"
		" ON t.cert = c.id AND t.hold = o.hold"),
	    2 * holds);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM certificates WHERE status = 1"),
	    2 * holds);
}

/* What a caller was told is there. */
static inline void
world_check_told(struct world *w, const char *receipt)
{
	struct store_case_show show = { 0 };

	memcpy(show.receipt, receipt, STORE_RECEIPT_DIGITS);
	store_case_show(w->store, &show);
	if (store_wait(w->store, &show.req) == -1)
		fail_msg("told, then lost: %s", show.req.err.text);
	assert_int_equal(show.n, 2);
	assert_int_equal(show.certs[0].status, STORE_HELD);
}

#endif
