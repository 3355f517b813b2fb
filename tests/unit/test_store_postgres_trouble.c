/* SPDX-License-Identifier: Apache-2.0 */
/* A PostgreSQL that has no connection or no space left, and one that goes away
 * while its schema is being upgraded: a sentence, and nothing is lost. */
#include <pthread.h>

#include "store/db.h"
#include "store_world.h"

static void
says(const struct err *err, enum err_code code, const char *what)
{
	if (strstr(err->text, what) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err->text, what);
	assert_int_equal(err->code, code);
	assert_null(strchr(err->text, '\n'));
}

static struct store_call_open
call_nr(int nr)
{
	struct store_call_open r = { .begun_us = NOON };

	snprintf(r.call_id, sizeof(r.call_id), "call%059d", nr);
	memset(r.dnis, '0', sizeof(r.dnis) - 1);
	return r;
}

/* ---- no connection left */

enum { SLOTS = 60 };

static void
test_all_connections_are_taken(void **state)
{
	struct world *w = *state;
	struct store_options o = world_options(w, 0);
	struct store_call_open r = call_nr(1);
	PGconn *others[SLOTS];
	struct err err = { 0 };
	int n = 0;

	cluster_sql("postgres",
	    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
	    " WHERE usename = 'holdline'"); /* ours, too */
	while (n < SLOTS) {
		others[n] = PQconnectdb(w->path);
		if (PQstatus(others[n++]) != CONNECTION_OK)
			break;
	}
	assert_true(n < SLOTS);
	assert_null(store_open(&o, &err));
	says(&err, ERR_STORE,
	    "it has no connection left; raise "
	    "max_connections");
	store_call_open(w->store, &r); /* a call meanwhile goes to people */
	assert_int_equal(store_wait(w->store, &r.req), -1);
	says(&r.req.err, ERR_STORE, "no connection left");
	while (n > 0)
		PQfinish(others[--n]);
	do { /* it is not asked again at once, and backends take a moment */
		r = call_nr(1);
		store_call_open(w->store, &r);
	} while (store_wait(w->store, &r.req) == -1 && ++n < 1000000);
	assert_int_equal(r.req.err.code, ERR_NONE);
	assert_false(r.again);
}

/* ---- no space left */

/* Start it anew; no file may get longer than `max`.  A page that crosses that
 * line is written in part, as on a disk that is full. */
static void
restart(rlim_t max)
{
	cluster_kill(SIGINT);
	cluster.file_max = max;
	cluster_start();
}

/* Short rows for the table of calls: where one does not fit, neither does a
 * call.  False: they do not fit. */
static bool
add_rows(PGconn *conn, int n)
{
	PGresult *result;
	char sql[320];
	bool fit;

	snprintf(sql, sizeof(sql),
	    "INSERT INTO calls (call_id, dnis, lang, begun_us)"
	    " SELECT gen_random_uuid()::text, '', 'ja', 1"
	    " FROM generate_series(1, %d)",
	    n);
	result = PQexec(conn, sql);
	fit = PQresultStatus(result) == PGRES_COMMAND_OK;
	PQclear(result);
	return fit;
}

/* To the line: at last in small steps, because the space of rows that did not
 * fit is used again. */
static void
fill_table(struct world *w)
{
	PGconn *conn = PQconnectdb(w->path);
	int i;

	PQclear(PQexec(conn, "SET synchronous_commit = off"));
	for (i = 0; i < 200 &&
	     world_sql(w, "SELECT pg_relation_size('calls')") < 16 << 20;
	     i++)
		assert_true(add_rows(conn, 5000));
	for (i = 0; i < 2000 && add_rows(conn, 10); i++)
		;
	assert_true(i < 2000);
	PQfinish(conn);
}

static void
test_the_disk_is_full(void **state)
{
	enum { N = 400 };
	struct world *w = *state;
	struct store_call_open r;
	int i, stored;

	store_close(w->store);
	w->store = NULL;
	restart((17 << 20) + 4096); /* log segments have 16 MB */
	w->store = world_open_store(w, 0);
	fill_table(w);
	for (stored = 0; stored < N; stored++) {
		r = call_nr(stored);
		store_call_open(w->store, &r);
		if (store_wait(w->store, &r.req) == -1)
			break;
	}
	assert_true(stored < N);
	says(&r.req.err, ERR_STORE, "disk is full; free some space");
	restart(0); /* some space was freed */
	r = call_nr(stored);
	store_call_open(w->store, &r);
	must(w->store, &r.req);
	assert_false(r.again); /* nothing was written then */
	for (i = 0; i < stored; i++) {
		r = call_nr(i);
		store_call_open(w->store, &r);
		must(w->store, &r.req);
		assert_true(r.again); /* and nothing is lost */
	}
}

/* ---- a migration that is interrupted */

static void
make_oldest(struct world *w)
{
	struct store_options o = world_options(w, 0);
	struct err err = { 0 };
	struct store_db *db = db_open(&o, &err);

	if (db == NULL || migrate_to(db, 1, &err) == -1)
		fail_msg("%s", err.text);
	db_close(db);
}

struct opening {
	struct store_options o;
	struct store *store;
	struct err err;
};

static void *
open_thread(void *arg)
{
	struct opening *x = arg;

	x->store = store_open(&x->o, &x->err);
	return NULL;
}

/* Some of it is done and the rest waits for a table that is locked; then the
 * connection is cut.  None of it remains, and the next start does it all. */
static void
test_a_migration_is_interrupted(void **state)
{
	struct world *w = *state;
	struct opening x = { .o = world_options(w, 0) };
	PGconn *lock;
	pthread_t thread;
	int waited;

	make_oldest(w);
	lock = PQconnectdb(w->path);
	PQclear(PQexec(lock, "BEGIN; LOCK TABLE outbox"));
	assert_int_equal(pthread_create(&thread, NULL, open_thread, &x), 0);
	for (waited = 0; waited < 1000; waited++) {
		if (world_sql(w,
			"SELECT count(*) FROM pg_stat_activity WHERE"
			" wait_event_type = 'Lock' AND query LIKE"
			" '%ALTER TABLE outbox%' AND datname ="
			" current_database() AND pid <> pg_backend_pid()") > 0)
			break;
		poll(NULL, 0, 20);
	}
	assert_true(waited < 1000);
	cluster_sql("postgres",
	    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
	    " WHERE wait_event_type = 'Lock'");
	pthread_join(thread, NULL);
	assert_null(x.store);
	says(&x.err, ERR_STORE, "upgrading the store's schema: store ");
	PQfinish(lock);
	assert_int_equal(world_sql(w, WORLD_VERSION), 1);
	assert_int_equal(
	    world_sql(
		w, "SELECT count(*) FROM pg_class WHERE relname = 'leases'"),
	    0);
	w->store = world_open_store(w, 0);
	assert_int_equal(world_sql(w, WORLD_VERSION), migrate_newest());
	person(w, 1);
}

/* ---- what others made in holdline's database */

static void
test_a_name_is_taken(void **state)
{
	struct world *w = *state;
	struct store_options o = world_options(w, 0);
	struct err err = { 0 };

	make_oldest(w);
	world_sql(w, "CREATE TABLE leases (x int)");
	assert_null(store_open(&o, &err));
	says(&err, ERR_STORE,
	    "something that is not holdline's has a name that is needed");
	says(&err, ERR_STORE, "\"leases\"");
	assert_int_equal(world_sql(w, WORLD_VERSION), 1);
}

static void
test_a_view_is_in_the_way(void **state)
{
	struct world *w = *state;
	struct store_options o = world_options(w, 0);
	struct err err = { 0 };

	make_oldest(w);
	world_sql(w, "CREATE VIEW report AS SELECT mac FROM phones");
	assert_null(store_open(&o, &err));
	says(&err, ERR_STORE,
	    "something that is not holdline's, such as a view, depends on a "
	    "table");
	assert_int_equal(world_sql(w, WORLD_VERSION), 1);
}

#define F(f) \
	cmocka_unit_test_setup_teardown(f, world_setup_folder, world_teardown)
#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_all_connections_are_taken),
		T(test_the_disk_is_full),
		F(test_a_migration_is_interrupted),
		F(test_a_name_is_taken),
		F(test_a_view_is_in_the_way),
	};
	return cmocka_run_group_tests_name(
	    "store_postgres_trouble", tests, cluster_setup, cluster_teardown);
}
