/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/hold -- what placing holds costs, beside the least it could cost.
 *
 * hold-rate: holds per second through the store with a full queue, divided by
 * those of a bare SQLite loop that writes the same rows, 1,000 a transaction,
 * in alternating rounds.  hold-latency: one hold alone until it is durable,
 * pushed to Redis and read back, divided by one fdatasync of 4 KiB plus one
 * Redis SET.  Medians of one run; --quick takes seconds.
 *
 * Needs a disk under $TMPDIR (or /tmp): on tmpfs a sync costs nothing.
 */
#include <assert.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hiredis/hiredis.h>
#include <sodium.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "store/registry.h"
#include "tests/bench/figure.h"
#include "tests/bench/holding.h"
#include "tests/bench/parts.h"

#define BATCH 1000
#define ISSUER "00112233445566778899aabbccddeeff00112233"

static unsigned int rounds = 9, batches = 5, singles = 2000;

/* ---- the registry: person i has certificates 2i - 1 and 2i */

static unsigned int
people(void)
{
	return 2 * rounds * batches * BATCH + singles;
}

static void
fill_row(struct store_put *r, unsigned int person, enum store_kind kind)
{
	memset(r, 0, sizeof(*r));
	memcpy(r->ref, &person, sizeof(person));
	crypto_hash_sha256(r->tag, (const void *)&person, sizeof(person));
	strcpy(r->municipality, "131016");
	strcpy(r->cert.issuer, ISSUER);
	snprintf(r->cert.serial, sizeof(r->cert.serial), "%016x",
	    2 * person - 1 + kind);
	r->cert.kind = kind;
	r->cert.not_before = 20240101;
	r->cert.not_after = 20990101;
	r->now_us = 1;
}

static void
fill(struct store *s)
{
	struct store_put *rows = calloc(BATCH, sizeof(*rows));
	unsigned int i, n = 2 * people();

	for (i = 0; i < n; i++) {
		fill_row(&rows[i % BATCH], i / 2 + 1,
		    i % 2 ? STORE_AUTHENTICATION : STORE_SIGNATURE);
		store_put(s, &rows[i % BATCH]);
		if (i % BATCH == BATCH - 1 || i == n - 1)
			while (store_pending(s) > 0)
				store_dispatch(s);
		if (rows[i % BATCH].req.err.code != ERR_NONE)
			errx(1, "%s", rows[i % BATCH].req.err.text);
	}
	free(rows);
}

static void
copy_file(const char *from, const char *to)
{
	char buf[65536];
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");
	size_t n;

	if (in == NULL || out == NULL)
		err(1, "%s", to);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		fwrite(buf, 1, n, out);
	fclose(in);
	fclose(out);
}

/* ---- through the store */

static double
rate_store(struct store *s, struct store_hold *holds, unsigned int first)
{
	unsigned int i, n = batches * BATCH;
	int64_t began;

	for (i = 0; i < n; i++)
		fill_hold(&holds[i], first + i);
	began = clock_mono_us();
	for (i = 0; i < n; i++)
		store_hold(s, &holds[i]);
	drain(s);
	began = clock_mono_us() - began;
	for (i = 0; i < n; i++)
		if (holds[i].req.err.code != ERR_NONE ||
		    holds[i].outcome != STORE_HOLD_PLACED)
			errx(1, "hold failed: %s", holds[i].req.err.text);
	return n * 1e6 / (double)began;
}

/* ---- bare SQLite */

enum {
	HOLD,
	CASE,
	EVENT,
	CERT,
	TAKEN,
	OUTBOX,
	CHANGE,
	NEWS,
	AUDIT,
	BEGIN,
	COMMIT,
	N_STMTS
};

struct bare {
	sqlite3 *db;
	sqlite3_stmt *stmts[N_STMTS];
	uint8_t hash[32];
	int64_t seq;
};

static void
bare_open(struct bare *b)
{
	static const char *const sql[] = {
		[HOLD] = "INSERT INTO holds VALUES (?, ?, ?, 'ja', 1, 1, ?, 0)",
		[CASE] = "INSERT INTO cases VALUES (?, ?, ?, '131016', 'open',"
			 " ?)",
		[EVENT] = "INSERT INTO case_events VALUES (?, 1, ?, 'opened')",
		[CERT] = "UPDATE certificates SET status = 1, generation = 1,"
			 " reason = 6, status_us = ?, visible_us = 0"
			 " WHERE id = ?",
		[TAKEN] = "INSERT INTO hold_certs VALUES (?, ?, 1)",
		[OUTBOX] = "INSERT INTO outbox (hold, cert, generation, status,"
			   " reason, status_us, park_us, made_us)"
			   " VALUES (?, ?, 1, 1, 6, ?3, 0, ?3)",
		[NEWS] = "INSERT INTO events (place, kind, at_us, hold, cert)"
			 " VALUES (0, 0, ?, ?, 0)",
		[CHANGE] =
		    "INSERT INTO crl_changes VALUES ('" ISSUER "', ?, 0)",
		[AUDIT] = "INSERT INTO audit VALUES (?, ?, ?, ?)",
		[BEGIN] = "BEGIN IMMEDIATE",
		[COMMIT] = "COMMIT",
	};
	size_t i;

	if (sqlite3_open_v2(in_dir("bare.db"), &b->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ||
	    sqlite3_exec(b->db,
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		"PRAGMA cache_size = -65536",
		NULL, NULL, NULL))
		errx(1, "bare.db: %s", sqlite3_errmsg(b->db));
	for (i = 0; i < N_STMTS; i++)
		if (sqlite3_prepare_v2(b->db, sql[i], -1, &b->stmts[i], NULL) !=
		    SQLITE_OK)
			errx(1, "%s: %s", sql[i], sqlite3_errmsg(b->db));
}

static void
bare_step(struct bare *b, int stmt)
{
	if (sqlite3_step(b->stmts[stmt]) != SQLITE_DONE)
		errx(1, "bare loop: %s", sqlite3_errmsg(b->db));
	sqlite3_reset(b->stmts[stmt]);
}

static void
bare_audit(
    struct bare *b, unsigned int person, const char *receipt, int64_t now_us)
{
	crypto_hash_sha256_state state;
	char text[300];
	sqlite3_stmt *s = b->stmts[AUDIT];

	snprintf(text, sizeof(text),
	    "{\"hold\":%u,\"call\":\"1732.%u\",\"case\":\"%s\",\"certs\":["
	    "\"" ISSUER "/%016x:1\",\"" ISSUER "/%016x:1\"]}",
	    person, person, receipt, 2 * person - 1, 2 * person);
	b->seq++;
	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, b->hash, 32);
	crypto_hash_sha256_update(&state, (const void *)&b->seq, 8);
	crypto_hash_sha256_update(&state, (const void *)&now_us, 8);
	crypto_hash_sha256_update(&state, (const void *)text, strlen(text));
	crypto_hash_sha256_final(&state, b->hash);
	sqlite3_bind_int64(s, 1, b->seq);
	sqlite3_bind_int64(s, 2, now_us);
	sqlite3_bind_text(s, 3, text, -1, SQLITE_STATIC);
	sqlite3_bind_blob(s, 4, b->hash, 32, SQLITE_STATIC);
	bare_step(b, AUDIT);
}

static void
bare_hold(struct bare *b, unsigned int person)
{
	char call[32], receipt[16];
	int64_t now_us = clock_wall_us();
	sqlite3_stmt *s = b->stmts[HOLD];
	unsigned int cert;

	snprintf(call, sizeof(call), "1732.%u", person);
	snprintf(receipt, sizeof(receipt), "%010u", person);
	sqlite3_bind_int64(s, 1, person);
	sqlite3_bind_text(s, 2, call, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, person);
	sqlite3_bind_int64(s, 4, now_us);
	bare_step(b, HOLD);
	s = b->stmts[CASE];
	sqlite3_bind_int64(s, 1, person);
	sqlite3_bind_text(s, 2, receipt, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, person);
	sqlite3_bind_int64(s, 4, now_us);
	bare_step(b, CASE);
	s = b->stmts[EVENT];
	sqlite3_bind_int64(s, 1, person);
	sqlite3_bind_int64(s, 2, now_us);
	bare_step(b, EVENT);
	for (cert = 2 * person - 1; cert <= 2 * person; cert++) {
		s = b->stmts[CERT];
		sqlite3_bind_int64(s, 1, now_us);
		sqlite3_bind_int64(s, 2, cert);
		bare_step(b, CERT);
		s = b->stmts[TAKEN];
		sqlite3_bind_int64(s, 1, person);
		sqlite3_bind_int64(s, 2, cert);
		bare_step(b, TAKEN);
		s = b->stmts[OUTBOX];
		sqlite3_bind_int64(s, 1, person);
		sqlite3_bind_int64(s, 2, cert);
		sqlite3_bind_int64(s, 3, now_us);
		bare_step(b, OUTBOX);
		s = b->stmts[CHANGE];
		sqlite3_bind_int64(s, 1, cert);
		bare_step(b, CHANGE);
	}
	s = b->stmts[NEWS];
	sqlite3_bind_int64(s, 1, now_us);
	sqlite3_bind_int64(s, 2, person);
	bare_step(b, NEWS);
	bare_audit(b, person, receipt, now_us);
}

static double
rate_bare(struct bare *b, unsigned int first)
{
	unsigned int i, n = batches * BATCH;
	int64_t began = clock_mono_us();

	for (i = 0; i < n; i++) {
		if (i % BATCH == 0)
			bare_step(b, BEGIN);
		bare_hold(b, first + i);
		if (i % BATCH == BATCH - 1)
			bare_step(b, COMMIT);
	}
	return n * 1e6 / (double)(clock_mono_us() - began);
}

static void
bare_close(struct bare *b)
{
	size_t i;

	for (i = 0; i < N_STMTS; i++)
		sqlite3_finalize(b->stmts[i]);
	sqlite3_close(b->db);
}

static void
bench_rate(struct store *s)
{
	unsigned int i, first = 1, n = batches * BATCH;
	struct store_hold *holds = calloc(n, sizeof(*holds));
	double *ours = calloc(rounds, sizeof(double));
	double *bares = calloc(rounds, sizeof(double));
	struct bare bare = { 0 };

	bare_open(&bare);
	for (i = 0; i < rounds; i++, first += n) {
		ours[i] = rate_store(s, holds, first);
		bares[i] = rate_bare(&bare, first);
	}
	bare_close(&bare);
	printf("store %.0f holds/s, bare SQLite %.0f holds/s\n",
	    median(ours, rounds), median(bares, rounds));
	report("hold-rate", median(ours, rounds) / median(bares, rounds),
	    ">=", 0.6);
	free(holds);
	free(ours);
	free(bares);
}

/* ---- one hold alone */

static void
redis_ok(redisContext *c)
{
	redisReply *reply = NULL;

	if (redisGetReply(c, (void **)&reply) != REDIS_OK ||
	    reply->type == REDIS_REPLY_ERROR)
		errx(1, "redis: %s", c->errstr);
	freeReplyObject(reply);
}

/* Push both certificates and read both back, in one round trip. */
static void
redis_push(redisContext *c, const struct store_hold *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		redisAppendCommand(c,
		    "HSET jpki:st:%s:%s v %lld s H r 6 t %lld e %lld",
		    r->certs[i].issuer, r->certs[i].serial,
		    (long long)r->certs[i].generation, (long long)r->stored_us,
		    (long long)r->hold_id);
	for (i = 0; i < r->n; i++)
		redisAppendCommand(c, "HMGET jpki:st:%s:%s v s",
		    r->certs[i].issuer, r->certs[i].serial);
	for (i = 0; i < 2 * r->n; i++)
		redis_ok(c);
}

static double
time_hold(struct store *s, redisContext *c, unsigned int person)
{
	struct store_hold r;
	int64_t began;

	fill_hold(&r, person);
	began = clock_mono_us();
	store_hold(s, &r);
	drain(s);
	if (r.req.err.code != ERR_NONE || r.n != 2)
		errx(1, "hold failed: %s", r.req.err.text);
	redis_push(c, &r);
	return (double)(clock_mono_us() - began);
}

static double
time_sync(int fd)
{
	static const char page[4096];
	int64_t began = clock_mono_us();

	if (write(fd, page, sizeof(page)) != sizeof(page) ||
	    fdatasync(fd) == -1)
		err(1, "writing a page");
	return (double)(clock_mono_us() - began);
}

static double
time_set(redisContext *c, unsigned int i)
{
	int64_t began = clock_mono_us();

	redisAppendCommand(c, "SET bench:%u %064u", i, i);
	redis_ok(c);
	return (double)(clock_mono_us() - began);
}

static void
bench_latency(struct store *s, redisContext *c)
{
	double *holds = calloc(singles, sizeof(double));
	double *syncs = calloc(singles, sizeof(double));
	double *sets = calloc(singles, sizeof(double));
	unsigned int i, first = people() - singles + 1;
	int fd = open(in_dir("page"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	double hold, sync_us, set;

	for (i = 0; i < singles; i++) {
		holds[i] = time_hold(s, c, first + i);
		syncs[i] = time_sync(fd);
		sets[i] = time_set(c, i);
	}
	close(fd);
	hold = median(holds, singles);
	sync_us = median(syncs, singles);
	set = median(sets, singles);
	printf("one hold %.0f us; fdatasync %.0f us, Redis SET %.0f us\n", hold,
	    sync_us, set);
	report("hold-latency", hold / (sync_us + set), "<=", 2.0);
	free(holds);
	free(syncs);
	free(sets);
}

/* ---- */

int
main(int argc, char **argv)
{
	redisContext *c;
	struct store *s;
	pid_t redis;

	if (argc > 1 && strcmp(argv[1], "--quick") == 0)
		rounds = 3, batches = 2, singles = 200;
	folder_make();
	atexit(folder_remove);
	s = open_store(in_dir("store.db"), 0);
	fill(s);
	store_close(s); /* the last one out empties the log into the file */
	copy_file(in_dir("store.db"), in_dir("bare.db"));
	s = open_store(in_dir("store.db"), 1);
	bench_rate(s);
	redis = redis_start();
	c = redisConnectUnix(in_dir("redis.sock"));
	if (c == NULL || c->err)
		errx(1, "redis: %s", c != NULL ? c->errstr : "no memory");
	bench_latency(s, c);
	redisFree(c);
	kill(redis, SIGTERM);
	waitpid(redis, NULL, 0);
	store_close(s);
	return 0;
}
