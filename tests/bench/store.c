/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/store -- PostgreSQL's holds and both engines' lookups, beside the
 * least they could cost.
 *
 * hold-postgresql: holds per second through a store with 8 connections and a
 * full queue, divided by those of 8 bare libpq connections that write the same
 * rows, prepared and in pipeline mode, as many a transaction, in alternating
 * rounds.  lookup-sqlite: lookups per second through a warm store, divided by
 * those of an LMDB loop over the same people in the same random order, 32-byte
 * keys and 200-byte values, in one read transaction held open.
 * lookup-postgresql: likewise with 8 connections, beside 8 bare libpq ones that
 * run the prepared SELECT, one after the other.  (SQLite's holds beside a bare
 * loop are in bench/hold.)  --quick takes seconds.
 *
 * Needs a disk under $TMPDIR (or /tmp): on tmpfs a sync costs nothing.
 */
#include <assert.h>
#include <err.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/stat.h>

#include "tests/bench/figure.h"
#include "tests/bench/holding.h"
#include "tests/bench/parts.h"
#include "tests/unit/postgres_cluster.h"

#include <lmdb.h>
#include <sodium.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "store/lookup.h"

#define ISSUER "00112233445566778899aabbccddeeff00112233"
#define CONNECTIONS 8
#define PIECE 32    /* holds that a bare loop sends before it reads answers */
#define WINDOW 2048 /* lookups that wait at once */
#define VALUE 200

static unsigned int rounds = 5, each = 1000, people = 1000000, turns = 5,
		    lookups = 400000;

/* ---- PostgreSQL: people with a pair of certificates each */

static const char pg_people[] =
    "INSERT INTO holders (id, ref, tag, key_version, municipality, phones)"
    " SELECT i, sha256(b), sha256(substr(b, 8, 1) || substr(b, 7, 1) ||"
    " substr(b, 6, 1) || substr(b, 5, 1)), 1, '131016', sha256(b)"
    " FROM (SELECT i, int8send(i) AS b FROM generate_series(1, %u) AS i) AS s;"
    "INSERT INTO certificates (id, holder, carrier, kind, issuer, serial,"
    " not_before, not_after, status, generation, reason, status_us,"
    " visible_us) SELECT i, (i + 1) / 2, 0, (i + 1) %% 2, '" ISSUER "',"
    " lpad(to_hex(i), 16, '0'), 20240101, 20990101, 0, 0, 0, 0, 0"
    " FROM generate_series(1, 2 * %u) AS i; ANALYZE";

static void
pg_url(char url[320], const char *database)
{
	snprintf(url, 320, "postgresql://holdline@/%s?host=%s", database,
	    cluster.dir);
}

static void
pg_fill(unsigned int n)
{
	char url[320], sql[1024];

	cluster_sql("postgres", "CREATE DATABASE ours OWNER holdline");
	pg_url(url, "ours");
	store_close(open_store(url, 0));
	snprintf(sql, sizeof(sql), pg_people, n, n);
	cluster_sql("ours", sql);
	cluster_sql(
	    "postgres", "CREATE DATABASE bare TEMPLATE ours OWNER holdline");
	cluster_sql("postgres", "CHECKPOINT");
}

static double
rate_ours(struct store *s, unsigned int first)
{
	unsigned int i, n = CONNECTIONS * each;
	struct store_hold *holds = calloc(n, sizeof(*holds));
	int64_t began;

	for (i = 0; i < n; i++)
		fill_hold(&holds[i], first + i);
	began = clock_mono_us();
	for (i = 0; i < n; i++)
		store_hold(s, &holds[i]);
	drain(s);
	began = clock_mono_us() - began;
	for (i = 0; i < n; i++)
		if (holds[i].req.err.code != ERR_NONE || holds[i].n != 2)
			errx(1, "hold failed: %s", holds[i].req.err.text);
	free(holds);
	return n * 1e6 / (double)began;
}

/* ---- PostgreSQL, bare */

enum { HOLD, CASE, EVENT, CERT, TAKEN, OUTBOX, CRL, NEWS, AUDIT, N_STMTS };

static const char *const pg_sql[N_STMTS] = {
	[HOLD] = "INSERT INTO holds (id, call_id, holder, lang, reported_us,"
		 " verified_us, stored_us, visible_us)"
		 " VALUES ($1, $2, $1, 'ja', 1, 1, $3, 0)",
	[CASE] = "INSERT INTO cases (id, receipt, hold, municipality, status,"
		 " created_us) VALUES ($1, $2, $1, '131016', 'open', $3)",
	[EVENT] = "INSERT INTO case_events (case_id, nr, at_us, what)"
		  " VALUES ($1, 1, $2, 'opened')",
	[CERT] = "UPDATE certificates SET status = 1, generation = 1,"
		 " reason = 6, status_us = $1, visible_us = 0 WHERE id = $2",
	[TAKEN] = "INSERT INTO hold_certs (hold, cert, generation)"
		  " VALUES ($1, $2, 1)",
	[OUTBOX] = "INSERT INTO outbox (hold, cert, generation, status,"
		   " reason, status_us, park_us, made_us)"
		   " VALUES ($1, $2, 1, 1, 6, $3, 0, $3)",
	[CRL] = "INSERT INTO crl_changes (issuer, cert, mark)"
		" VALUES ('" ISSUER "', $1, 0)",
	[NEWS] = "INSERT INTO events (place, kind, at_us, hold, cert)"
		 " VALUES (0, 0, $1, $2, 0)",
	[AUDIT] = "INSERT INTO audit (seq, at_us, text, hash)"
		  " VALUES ($1, $2, $3, decode($4, 'hex'))",
};

struct bare {
	pthread_t thread;
	PGconn *conn;
	unsigned int nr, first;
	int64_t seq;
	uint8_t hash[32];
};

static void
bare_send(struct bare *b, int stmt, int n, const char *const values[])
{
	char name[4];

	snprintf(name, sizeof(name), "s%d", stmt);
	if (!PQsendQueryPrepared(b->conn, name, n, values, NULL, NULL, 0))
		errx(1, "bare loop: %s", PQerrorMessage(b->conn));
}

/* All answers up to the last sync. */
static void
bare_sync(struct bare *b)
{
	PGresult *result;
	ExecStatusType status;

	if (!PQpipelineSync(b->conn))
		errx(1, "bare loop: %s", PQerrorMessage(b->conn));
	for (;;) {
		if ((result = PQgetResult(b->conn)) == NULL)
			continue;
		status = PQresultStatus(result);
		PQclear(result);
		if (status == PGRES_PIPELINE_SYNC)
			return;
		if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
			errx(1, "bare loop: %s", PQerrorMessage(b->conn));
	}
}

static void
bare_leaf(struct bare *b, unsigned int person, int64_t now_us, const char *now)
{
	crypto_hash_sha256_state state;
	char text[300], seq[24], hex[65];
	const char *values[] = { seq, now, text, hex };

	snprintf(text, sizeof(text),
	    "{\"hold\":%u,\"call\":\"1732.%u\",\"case\":\"%010u\",\"certs\":["
	    "\"" ISSUER "/%016x:1\",\"" ISSUER "/%016x:1\"]}",
	    person, person, person, 2 * person - 1, 2 * person);
	b->seq++;
	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, b->hash, 32);
	crypto_hash_sha256_update(&state, (const void *)&b->seq, 8);
	crypto_hash_sha256_update(&state, (const void *)&now_us, 8);
	crypto_hash_sha256_update(&state, (const void *)text, strlen(text));
	crypto_hash_sha256_final(&state, b->hash);
	sodium_bin2hex(hex, sizeof(hex), b->hash, 32);
	snprintf(seq, sizeof(seq), "%" PRId64, b->seq);
	bare_send(b, AUDIT, 4, values);
}

static void
bare_hold(struct bare *b, unsigned int person)
{
	char id[16], call[32], receipt[16], now[24], cert[16];
	int64_t now_us = clock_wall_us();
	unsigned int nr;

	snprintf(id, sizeof(id), "%u", person);
	snprintf(call, sizeof(call), "1732.%u", person);
	snprintf(receipt, sizeof(receipt), "%010u", person);
	snprintf(now, sizeof(now), "%" PRId64, now_us);
	bare_send(b, HOLD, 3, (const char *[]){ id, call, now });
	bare_send(b, CASE, 3, (const char *[]){ id, receipt, now });
	bare_send(b, EVENT, 2, (const char *[]){ id, now });
	for (nr = 2 * person - 1; nr <= 2 * person; nr++) {
		snprintf(cert, sizeof(cert), "%u", nr);
		bare_send(b, CERT, 2, (const char *[]){ now, cert });
		bare_send(b, TAKEN, 2, (const char *[]){ id, cert });
		bare_send(b, OUTBOX, 3, (const char *[]){ id, cert, now });
		bare_send(b, CRL, 1, (const char *[]){ cert });
	}
	bare_send(b, NEWS, 2, (const char *[]){ now, id });
	bare_leaf(b, person, now_us, now);
}

static void *
bare_run(void *ctx)
{
	struct bare *b = ctx;
	unsigned int i;

	PQsendQueryParams(b->conn, "BEGIN", 0, NULL, NULL, NULL, NULL, 0);
	for (i = 0; i < each; i++) {
		bare_hold(b, b->first + b->nr * each + i);
		if (i % PIECE == PIECE - 1)
			bare_sync(b);
	}
	PQsendQueryParams(b->conn, "COMMIT", 0, NULL, NULL, NULL, NULL, 0);
	bare_sync(b);
	return NULL;
}

/* Without plans made for empty tables, as the store's connections are. */
static void
bare_open(struct bare *b, unsigned int nr)
{
	char url[320], name[4];
	PGresult *result;
	int i;

	pg_url(url, "bare");
	b->nr = nr;
	b->seq = (int64_t)(nr + 1) << 40;
	b->conn = PQconnectdb(url);
	PQclear(PQexec(b->conn, "SET enable_seqscan = off; SET jit = off"));
	for (i = 0; i < N_STMTS; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		result = PQprepare(b->conn, name, pg_sql[i], 0, NULL);
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			errx(1, "bare loop: %s", PQerrorMessage(b->conn));
		PQclear(result);
	}
	PQenterPipelineMode(b->conn);
}

static double
rate_bare(struct bare bares[CONNECTIONS], unsigned int first)
{
	int64_t began = clock_mono_us();
	unsigned int i;

	for (i = 0; i < CONNECTIONS; i++) {
		bares[i].first = first;
		pthread_create(&bares[i].thread, NULL, bare_run, &bares[i]);
	}
	for (i = 0; i < CONNECTIONS; i++)
		pthread_join(bares[i].thread, NULL);
	return CONNECTIONS * each * 1e6 / (double)(clock_mono_us() - began);
}

/* How many rows each table has that a hold writes to. */
static void
count_rows(const char *database, char text[200])
{
	PGconn *conn = cluster_connect(database);
	PGresult *result = PQexec(conn,
	    "SELECT concat_ws(' ', (SELECT count(*) FROM holds),"
	    " (SELECT count(*) FROM cases), (SELECT count(*) FROM case_events),"
	    " (SELECT count(*) FROM certificates WHERE status = 1),"
	    " (SELECT count(*) FROM hold_certs), (SELECT count(*) FROM outbox),"
	    " (SELECT count(*) FROM crl_changes), (SELECT count(*) FROM events),"
	    " (SELECT count(*) FROM dispatches), (SELECT count(*) FROM audit))");

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		errx(1, "%s: %s", database, PQerrorMessage(conn));
	snprintf(text, 200, "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	PQfinish(conn);
}

static void
check_same_rows(void)
{
	char ours[200], bare[200];

	count_rows("ours", ours);
	count_rows("bare", bare);
	if (strcmp(ours, bare) != 0)
		errx(1, "not the same rows: store %s, bare %s", ours, bare);
}

static void
bench_holds(void)
{
	unsigned int i, first = 1, n = CONNECTIONS * each;
	struct bare bares[CONNECTIONS] = { 0 };
	double ours[16], bare[16];
	struct store *s;
	char url[320];

	assert(rounds < 16);
	pg_fill((rounds + 1) * n);
	pg_url(url, "ours");
	s = open_store(url, CONNECTIONS);
	for (i = 0; i < CONNECTIONS; i++)
		bare_open(&bares[i], i);
	rate_ours(s, first); /* prepares, and warms the server */
	rate_bare(bares, first);
	for (i = 0, first += n; i < rounds; i++, first += n) {
		ours[i] = rate_ours(s, first);
		bare[i] = rate_bare(bares, first);
	}
	store_close(s);
	for (i = 0; i < CONNECTIONS; i++)
		PQfinish(bares[i].conn);
	check_same_rows();
	printf("PostgreSQL, %d connections: store %.0f holds/s, bare libpq "
	       "%.0f holds/s\n",
	    CONNECTIONS, median(ours, rounds), median(bare, rounds));
	report("hold-postgresql", median(ours, rounds) / median(bare, rounds),
	    ">=", 0.8);
}

/* ---- lookups */

static void
tag_of(uint8_t tag[32], unsigned int person)
{
	crypto_hash_sha256(tag, (const void *)&person, sizeof(person));
}

/* The same for everybody who looks up: xorshift. */
static unsigned int
next_person(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state % people + 1;
}

/* One telephone and a PIN each. */
static void
sqlite_fill(const char *path)
{
	sqlite3_stmt *holder;
	uint8_t tag[32];
	sqlite3 *db;
	unsigned int i;

	store_close(open_store(path, 0));
	if (sqlite3_open(path, &db) != SQLITE_OK ||
	    sqlite3_exec(db, "PRAGMA cache_size = -500000; BEGIN", NULL, NULL,
		NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db,
		"INSERT INTO holders VALUES (?1, ?2, ?2, 1, '131016', ?2,"
		" zeroblob(80), ?2)",
		-1, &holder, NULL) != SQLITE_OK)
		errx(1, "%s: %s", path, sqlite3_errmsg(db));
	for (i = 1; i <= people; i++) {
		tag_of(tag, i);
		sqlite3_bind_int64(holder, 1, i);
		sqlite3_bind_blob(holder, 2, tag, 32, SQLITE_STATIC);
		if (sqlite3_step(holder) != SQLITE_DONE)
			errx(1, "%s: %s", path, sqlite3_errmsg(db));
		sqlite3_reset(holder);
	}
	sqlite3_finalize(holder);
	if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		errx(1, "%s: %s", path, sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void
lmdb_check(int rc)
{
	if (rc != 0)
		errx(1, "LMDB: %s", mdb_strerror(rc));
}

static MDB_env *
lmdb_open(const char *path)
{
	MDB_env *env;

	lmdb_check(mdb_env_create(&env));
	lmdb_check(mdb_env_set_mapsize(env, (size_t)people * 1024 + (1 << 20)));
	lmdb_check(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC, 0600));
	return env;
}

static void
lmdb_fill(MDB_env *env)
{
	uint8_t tag[32], value[VALUE] = { 0 };
	MDB_val key = { sizeof(tag), tag }, data = { VALUE, value };
	MDB_txn *txn;
	MDB_dbi dbi;
	unsigned int i;

	lmdb_check(mdb_txn_begin(env, NULL, 0, &txn));
	lmdb_check(mdb_dbi_open(txn, NULL, 0, &dbi));
	for (i = 1; i <= people; i++) {
		tag_of(tag, i);
		memcpy(value, &i, sizeof(i));
		lmdb_check(mdb_put(txn, dbi, &key, &data, 0));
	}
	lmdb_check(mdb_txn_commit(txn));
}

static double
rate_lmdb(MDB_env *env, uint32_t seed)
{
	uint8_t tag[32], value[VALUE];
	MDB_val key = { sizeof(tag), tag }, data;
	MDB_txn *txn;
	MDB_dbi dbi;
	unsigned int i, person;
	int64_t began = clock_mono_us();

	lmdb_check(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn));
	lmdb_check(mdb_dbi_open(txn, NULL, 0, &dbi));
	for (i = 0; i < lookups; i++) {
		person = next_person(&seed);
		tag_of(tag, person);
		lmdb_check(mdb_get(txn, dbi, &key, &data));
		memcpy(value, data.mv_data, VALUE);
		if (memcmp(value, &person, sizeof(person)) != 0)
			errx(1, "LMDB gave somebody else");
	}
	mdb_txn_abort(txn);
	return lookups * 1e6 / (double)(clock_mono_us() - began);
}

static uint32_t *seed_next;
static unsigned int submitted;
static struct store *looked;

static void look_done(struct store_req *req);

static void
look_next(struct store_lookup *r)
{
	uint32_t person;

	if (submitted++ >= lookups)
		return;
	memset(&r->req, 0, sizeof(r->req));
	person = next_person(seed_next);
	tag_of(r->tags[0], person);
	r->n_tags = 1;
	r->req.done = look_done;
	r->req.ctx = r;
	store_lookup(looked, r);
}

static void
look_done(struct store_req *req)
{
	struct store_lookup *r = req->ctx;

	if (req->err.code != ERR_NONE || r->n != 1)
		errx(1, "lookup failed: %s", req->err.text);
	look_next(r);
}

static double
rate_lookups(struct store *s, uint32_t seed)
{
	struct store_lookup *r = calloc(WINDOW, sizeof(*r));
	int64_t began = clock_mono_us();
	unsigned int i;

	looked = s;
	seed_next = &seed;
	submitted = 0;
	for (i = 0; i < WINDOW; i++)
		look_next(&r[i]);
	drain(s);
	began = clock_mono_us() - began;
	free(r);
	return lookups * 1e6 / (double)began;
}

static void
bench_lookups(void)
{
	double ours[16], peer[16];
	unsigned int i;
	struct store *s;
	MDB_env *env;

	assert(turns < 16);
	sqlite_fill(in_dir("store.db"));
	env = lmdb_open(in_dir("lmdb"));
	lmdb_fill(env);
	s = open_store(in_dir("store.db"), 4);
	rate_lookups(s, 1);
	rate_lmdb(env, 1);
	for (i = 0; i < turns; i++) {
		ours[i] = rate_lookups(s, i + 2);
		peer[i] = rate_lmdb(env, i + 2);
	}
	store_close(s);
	mdb_env_close(env);
	printf("lookups among %u people: SQLite store %.0f/s, LMDB %.0f/s\n",
	    people, median(ours, turns), median(peer, turns));
	report("lookup-sqlite", median(ours, turns) / median(peer, turns),
	    ">=", 0.4);
}

/* ---- lookups in PostgreSQL */

#define LOOKUP \
	"SELECT id, key_version, pin, phones FROM holders WHERE tag = $1" \
	" LIMIT 33"

static void
look_bare(PGconn *conn, unsigned int person)
{
	uint8_t tag[32], phone[32];
	const char *values[] = { (const char *)tag };
	const int lengths[] = { sizeof(tag) }, formats[] = { 1 };
	PGresult *result;

	tag_of(tag, person);
	result = PQexecPrepared(conn, "look", 1, values, lengths, formats, 1);
	if (PQresultStatus(result) != PGRES_TUPLES_OK ||
	    PQntuples(result) != 1 || PQgetlength(result, 0, 3) != 32)
		errx(1, "bare lookup: %s", PQerrorMessage(conn));
	memcpy(phone, PQgetvalue(result, 0, 3), sizeof(phone));
	PQclear(result);
}

static void *
look_bare_run(void *ctx)
{
	struct bare *b = ctx;
	uint32_t seed = b->first + b->nr;
	unsigned int i;

	for (i = 0; i < lookups / CONNECTIONS; i++)
		look_bare(b->conn, next_person(&seed));
	return NULL;
}

static double
rate_look_bare(struct bare bares[CONNECTIONS], unsigned int seed)
{
	int64_t began = clock_mono_us();
	unsigned int i;

	for (i = 0; i < CONNECTIONS; i++) {
		bares[i].first = seed;
		pthread_create(
		    &bares[i].thread, NULL, look_bare_run, &bares[i]);
	}
	for (i = 0; i < CONNECTIONS; i++)
		pthread_join(bares[i].thread, NULL);
	return lookups * 1e6 / (double)(clock_mono_us() - began);
}

static void
look_bare_open(struct bare bares[CONNECTIONS], const char *url)
{
	PGresult *result;
	unsigned int i;

	for (i = 0; i < CONNECTIONS; i++) {
		bares[i].nr = i;
		bares[i].conn = PQconnectdb(url);
		result = PQprepare(bares[i].conn, "look", LOOKUP, 0, NULL);
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			errx(1, "bare lookup: %s",
			    PQerrorMessage(bares[i].conn));
		PQclear(result);
	}
}

/* Among those whom bench_holds() has put there; of a tenth of SQLite's
 * lookups. */
static void
bench_lookups_postgres(void)
{
	unsigned int i, all = lookups, many = people;
	struct bare bares[CONNECTIONS] = { 0 };
	double ours[16], bare[16];
	struct store *s;
	char url[320];

	people = (rounds + 1) * CONNECTIONS * each;
	lookups = all / 10;
	pg_url(url, "ours");
	look_bare_open(bares, url);
	s = open_store(url, CONNECTIONS);
	rate_lookups(s, 1);
	rate_look_bare(bares, 1);
	for (i = 0; i < turns; i++) {
		ours[i] = rate_lookups(s, i + 2);
		bare[i] = rate_look_bare(bares, i + 2);
	}
	store_close(s);
	for (i = 0; i < CONNECTIONS; i++)
		PQfinish(bares[i].conn);
	printf("lookups among %u people: PostgreSQL store %.0f/s, bare libpq "
	       "%.0f/s\n",
	    people, median(ours, turns), median(bare, turns));
	report("lookup-postgresql", median(ours, turns) / median(bare, turns),
	    ">=", 0.8);
	lookups = all;
	people = many;
}

static void
clean_up(void)
{
	folder_remove();
	cluster_teardown(NULL);
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--quick") == 0)
		rounds = 3, each = 250, people = 50000, turns = 3,
		lookups = 50000;
	folder_make();
	cluster_setup(NULL);
	atexit(clean_up);
	bench_holds();
	bench_lookups_postgres();
	bench_lookups();
	return 0;
}
