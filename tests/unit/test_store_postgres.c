/* SPDX-License-Identifier: Apache-2.0 */
/* What only PostgreSQL can do to a store: refusals at the start, connections
 * that die, commits of which nobody knows. */
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "store_world.h"
#include "tests/unit/postgres_relay.h"

#define SECRET "battery" /* part of every wrong password */

/* ---- opening */

static void
refused(const char *path, enum err_code code, const char *what)
{
	struct store_options o = { .path = path };
	struct err err = { 0 };

	assert_null(store_open(&o, &err));
	if (strstr(err.text, what) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, what);
	assert_int_equal(err.code, code);
	assert_null(strstr(err.text, SECRET));
	assert_null(strchr(err.text, '\n'));
	assert_true(strlen(err.text) < sizeof(err.text) - 1); /* not cut */
}

/* A URL for the test's database as another role, or with more after it. */
static const char *
url(struct world *w, const char *role, const char *more)
{
	static char text[800];

	snprintf(text, sizeof(text), "postgresql://%s@/%s?host=%s%s", role,
	    w->dir, cluster.dir, more);
	return text;
}

static void
test_urls_that_are_none(void **state)
{
	static const char *const bad[] = {
		"postgresql://holdline:" SECRET "@staple@db1/holdline",
		"postgresql://holdline:" SECRET "/staple@db1/holdline",
		"postgresql://holdline:" SECRET "%zz@db1/holdline",
		"postgresql://db1/holdline?sslmod=" SECRET,
		"postgres://db1:5432x/holdline",
		"host=db1 password=correct " SECRET,
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(bad[i], ERR_REFUSED, "this is no URL of PostgreSQL");
}

static void
test_a_path_with_an_equals_sign_is_a_file(void **state)
{
	(void)state;
	refused("/nowhere/a=b/store.db", ERR_IO, "its folder does not exist");
	refused("nowhere=b/store.db", ERR_IO, "its folder does not exist");
}

static void
test_servers_that_cannot_be_reached(void **state)
{
	(void)state;
	refused("postgresql://holdline@/holdline?host=/nowhere", ERR_STORE,
	    "store holdline at /nowhere: it cannot be reached; see that the "
	    "server runs");
	refused("postgresql://holdline:" SECRET "@127.0.0.1:1/holdline",
	    ERR_STORE, "it cannot be reached");
	refused("host=127.0.0.1 port=1 dbname=holdline password=" SECRET,
	    ERR_STORE, "store holdline at 127.0.0.1:1: it cannot be reached");
}

static void
test_passwords(void **state)
{
	struct world *w = *state;
	struct store_options o = { .path = NULL };
	char sql[320], path[200], more[300];
	struct err err;
	FILE *f;

	snprintf(
	    sql, sizeof(sql), "ALTER DATABASE %s OWNER TO guarded", w->dir);
	cluster_sql("postgres", sql);
	refused(url(w, "guarded", ""), ERR_STORE,
	    "wants a password and there is none; put it into a password file");
	refused(url(w, "guarded:" SECRET, ""), ERR_STORE,
	    "refused; check role, password and database");
	o.path = url(w, "guarded:correct%20horse", "");
	assert_non_null(w->store = store_open(&o, &err));
	store_close(w->store);

	snprintf(path, sizeof(path), "%s/pass", cluster.dir);
	assert_non_null(f = fopen(path, "w"));
	fputs("*:*:*:guarded:correct horse\n", f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
	snprintf(more, sizeof(more), "&passfile=%s", path);
	o.path = url(w, "guarded", more);
	assert_non_null(w->store = store_open(&o, &err));
}

static void
test_roles_and_databases_that_are_not_right(void **state)
{
	struct world *w = *state;
	char path[300];

	snprintf(path, sizeof(path), "postgresql://holdline@/none?host=%s",
	    cluster.dir);
	refused(path, ERR_STORE, "there is no such database");
	cluster_sql("postgres",
	    "CREATE ROLE stranger LOGIN;"
	    " CREATE ROLE crowded LOGIN CONNECTION LIMIT 0");
	refused(url(w, "stranger", ""), ERR_STORE,
	    "this role may not do that; make it the owner");
	refused(url(w, "crowded", ""), ERR_STORE, "no connection left");
}

static void
test_servers_that_would_lose_what_was_told(void **state)
{
	struct world *w = *state;
	char sql[320];

	snprintf(sql, sizeof(sql),
	    "ALTER DATABASE %s SET synchronous_commit=off", w->dir);
	cluster_sql("postgres", sql);
	refused(w->path, ERR_REFUSED, "synchronous_commit is off");
	snprintf(sql, sizeof(sql), "ALTER DATABASE %s RESET ALL", w->dir);
	cluster_sql("postgres", sql);
	cluster_kill(SIGINT);
	cluster_start_with("fsync=off", NULL, NULL);
	refused(w->path, ERR_REFUSED, "fsync is off");
	cluster_kill(SIGINT);
	cluster_start();
}

static void
test_a_server_that_is_read_only(void **state)
{
	struct world *w = *state;

	cluster_sql("postgres",
	    "CREATE ROLE reader LOGIN;"
	    " ALTER ROLE reader SET default_transaction_read_only = on");
	refused(url(w, "reader", ""), ERR_STORE,
	    "no server that can be written; name the primary");
	refused(url(w, "reader", "&target_session_attrs=any"), ERR_REFUSED,
	    "the server is read-only");
}

static void
test_a_database_in_another_encoding(void **state)
{
	struct world *w = *state;
	char path[300];

	(void)w;
	cluster_sql("postgres",
	    "CREATE DATABASE ascii OWNER holdline ENCODING 'SQL_ASCII'"
	    " TEMPLATE template0");
	snprintf(path, sizeof(path), "postgresql://holdline@/ascii?host=%s",
	    cluster.dir);
	refused(path, ERR_REFUSED, "not in UTF-8; make it anew");
}

static void
test_a_database_of_somebody_else(void **state)
{
	static const char tables[] =
	    "SELECT count(*) FROM pg_class"
	    " WHERE relnamespace = 'public'::regnamespace";
	struct world *w = *state;

	world_sql(w, "CREATE TABLE holdline (version BIGINT)");
	refused(w->path, ERR_REFUSED, "belongs to another application");
	world_sql(w, "DROP TABLE holdline");
	world_sql(w, "CREATE SCHEMA app CREATE TABLE t (x INT)");
	refused(w->path, ERR_REFUSED, "make a database of its own");
	assert_int_equal(world_sql(w, tables), 0);
	world_sql(w, "DROP SCHEMA app CASCADE");
	/* what an extension brings is nobody's */
	cluster_sql(w->dir, "CREATE EXTENSION pg_stat_statements");
	w->store = world_open_store(w, 0);
	person(w, 1);
}

/* Over TCP, in clear only when the URL says so. */
static void
test_tls_over_tcp_unless_said_otherwise(void **state)
{
	struct world *w = *state;
	struct store_options o = world_options(w, 0);
	struct relay relay;
	struct err err;
	char path[200];
	int port;

	port = relay_start_tcp(&relay);
	snprintf(path, sizeof(path), "postgresql://holdline@127.0.0.1:%d/%.20s",
	    port, w->dir);
	refused(
	    path, ERR_STORE, "TLS failed; name the authority's certificate");
	strcat(path, "?sslmode=disable");
	o.path = path;
	assert_non_null(w->store = store_open(&o, &err));
	store_close(w->store);
	w->store = NULL;
	relay_stop(&relay);
}

/* ---- fail-over */

/* The first host is gone, the second is a standby, and then promoted. */
static void
test_fail_over_to_a_promoted_standby(void **state)
{
	struct world *w = *state;
	struct store_options o = world_options(w, 0);
	struct store_hold r;
	char path[500], file[200];
	struct err err;
	int64_t holder;
	FILE *f;

	w->store = world_open_store(w, 0);
	holder = person(w, 1);
	store_close(w->store);
	w->store = NULL;
	cluster_kill(SIGINT);
	snprintf(file, sizeof(file), "%s/standby.signal", cluster.data);
	assert_non_null(f = fopen(file, "w"));
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(file, 0666), 0);
	cluster_start();
	snprintf(path, sizeof(path),
	    "postgresql://holdline@/%s?host=/nowhere,%s", w->dir, cluster.dir);
	refused(path, ERR_STORE, "no server that can be written");
	refused(url(w, "holdline", "&target_session_attrs=any"), ERR_REFUSED,
	    "this server is a standby; name the primary");
	cluster_sql("postgres", "SELECT pg_promote()");
	o.path = path;
	assert_non_null(w->store = store_open(&o, &err));
	r = hold_request("c1", holder, "1000000001");
	place(w, &r);
	assert_int_equal(r.outcome, STORE_HOLD_PLACED);
}

/* ---- connections that die before the commit */

static int64_t
backends(struct world *w, const char *what)
{
	char sql[320];

	snprintf(sql, sizeof(sql),
	    "SELECT count(%s) FROM pg_stat_activity WHERE datname = '%s'"
	    " AND application_name = 'holdline'",
	    what, w->dir);
	return world_sql(w, sql);
}

static void
end_backends(struct world *w)
{
	cluster_sql(w->dir,
	    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
	    " WHERE datname = current_database()"
	    " AND application_name = 'holdline'");
}

static pid_t
backend(struct world *w)
{
	int64_t pid;
	char sql[320];

	snprintf(sql, sizeof(sql),
	    "SELECT pid FROM pg_stat_activity WHERE datname = '%s'"
	    " AND application_name = 'holdline'",
	    w->dir);
	pid = world_sql(w, sql);
	assert_true(pid > 1);
	return (pid_t)pid;
}

static void
kill_backends(struct world *w)
{
	assert_int_equal(kill(backend(w), SIGKILL), 0);
}

/* A backend may still commit, truly, until it finds that its server died. */
static void
kill_server(struct world *w)
{
	struct pollfd gone = { pidfd_open(backend(w), 0), POLLIN, 0 };

	assert_int_not_equal(gone.fd, -1);
	cluster_kill(SIGKILL);
	assert_int_equal(poll(&gone, 1, 60000), 1);
	close(gone.fd);
}

static struct deed {
	struct world *w;
	void (*run)(struct world *w);
} deed;

/* Called in the transaction: what a holder's hold meets there. */
static void
decide_and_do(void *ctx, const struct store_cert *certs, size_t n,
    int64_t now_us, bool *take)
{
	struct deed *d = ctx;

	decide_all(NULL, certs, n, now_us, take);
	if (d->run != NULL)
		d->run(d->w);
	d->run = NULL;
}

/* The server may still be recovering from a killed backend: ask until it
 * takes connections. */
static void
place_at_last(struct world *w, struct store_hold *r)
{
	int tries;

	for (tries = 0; tries < 1000; tries++) {
		store_hold(w->store, r);
		if (store_wait(w->store, &r->req) == 0)
			return;
		assert_int_equal(r->req.err.code, ERR_STORE);
		poll(NULL, 0, CLUSTER_STEP_MS);
	}
	fail_msg("%s", r->req.err.text);
}

static void
test_dying_before_the_commit_writes_nothing(void **state)
{
	static void (*const deeds[])(
	    struct world * w) = { end_backends, kill_backends, kill_server };
	struct world *w = *state;
	char call[8], receipt[11];
	struct store_hold r;
	uint8_t i;

	for (i = 0; i < 3; i++) {
		snprintf(call, sizeof(call), "c%u", i);
		snprintf(receipt, sizeof(receipt), "100000000%u", i);
		r = hold_request(call, person(w, (uint8_t)(i + 1)), receipt);
		deed = (struct deed){ w, deeds[i] };
		r.decide = decide_and_do;
		r.decide_ctx = &deed;
		store_hold(w->store, &r);
		assert_int_equal(store_wait(w->store, &r.req), -1);
		assert_int_equal(r.req.err.code, ERR_STORE);
		assert_null(deed.run);
		if (cluster.pid == 0)
			cluster_start();
		place_at_last(w, &r);
		assert_false(r.again);
		assert_int_equal(
		    world_sql(w, "SELECT count(*) FROM holds"), i + 1);
	}
}

/* What was asked ahead for all of a batch dies with the connection: none of it
 * is placed, and each is when it is asked for again. */
static void
test_dying_in_a_batch_writes_nothing_of_it(void **state)
{
	static void (*const deeds[])(
	    struct world * w) = { end_backends, kill_backends, kill_server };
	struct world *w = *state;
	char call[8], receipt[11];
	struct store_hold r[3];
	uint8_t i, k;

	for (i = 0; i < 3; i++) {
		for (k = 0; k < 3; k++) {
			snprintf(call, sizeof(call), "c%u-%u", i, k);
			snprintf(
			    receipt, sizeof(receipt), "10000000%u%u", i, k);
			r[k] = hold_request(
			    call, person(w, (uint8_t)(3 * i + k + 1)), receipt);
			r[k].decide = decide_and_do;
			r[k].decide_ctx = &deed;
		}
		deed = (struct deed){ w, NULL };
		r[1].decide_ctx = &(struct deed){ w, deeds[i] };
		for (k = 0; k < 3; k++)
			store_hold(w->store, &r[k]);
		for (k = 0; k < 3; k++) {
			assert_int_equal(store_wait(w->store, &r[k].req), -1);
			assert_int_equal(r[k].req.err.code, ERR_STORE);
		}
		if (cluster.pid == 0)
			cluster_start();
		for (k = 0; k < 3; k++) {
			place_at_last(w, &r[k]);
			assert_false(r[k].again);
		}
		assert_int_equal(
		    world_sql(w, "SELECT count(*) FROM holds"), 3 * (i + 1));
	}
	world_check_whole(w);
}

static void
test_a_server_that_is_away_is_said_at_once(void **state)
{
	struct world *w = *state;
	struct store_cert_find r = { .serial = "0101" };
	int i;

	person(w, 1);
	kill_server(w);
	for (i = 0; i < 20; i++) {
		store_cert_find(w->store, &r);
		assert_int_equal(store_wait(w->store, &r.req), -1);
		assert_int_equal(r.req.err.code, ERR_STORE);
	}
	assert_non_null(strstr(r.req.err.text, "cannot be reached"));
	cluster_start();
	store_cert_find(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(r.n, 1);
}

/* A firewall forgot it, or the server was restarted between two calls. */
static void
test_an_idle_connection_that_died_costs_nothing(void **state)
{
	struct world *w = *state;

	person(w, 1);
	end_backends(w);
	assert_int_equal(backends(w, "*"), 0);
	person(w, 2);
	assert_int_equal(backends(w, "*"), 1);
	cluster_kill(SIGINT);
	cluster_start();
	person(w, 3);
}

/* The primary was demoted and kept the connection. */
static void
test_a_server_that_becomes_read_only_is_left(void **state)
{
	struct world *w = *state;
	struct store_hold r = hold_request("c1", person(w, 1), "1000000001");

	cluster_sql(
	    "postgres", "ALTER SYSTEM SET default_transaction_read_only = on");
	cluster_sql("postgres", "SELECT pg_reload_conf()");
	while (world_sql(w,
		   "SELECT current_setting('default_transaction_read_only')"
		   " = 'on'") != 1)
		poll(NULL, 0, CLUSTER_STEP_MS);
	store_hold(w->store, &r);
	assert_int_equal(store_wait(w->store, &r.req), -1);
	assert_int_equal(r.req.err.code, ERR_STORE);
	assert_non_null(strstr(r.req.err.text, "read-only"));
	cluster_sql(
	    "postgres", "ALTER SYSTEM RESET default_transaction_read_only");
	cluster_sql("postgres", "SELECT pg_reload_conf()");
	place_at_last(w, &r);
	assert_int_equal(r.outcome, STORE_HOLD_PLACED);
}

/* ---- commits of which nobody knows */

static void
open_over_relay(struct world *w, struct relay *r, int64_t timeout_us)
{
	struct store_options o = world_options(w, 0);
	char path[500];
	struct err err;

	store_close(w->store);
	snprintf(path, sizeof(path), "postgresql://holdline@/%s?host=%s",
	    w->dir, r->dir);
	o.path = path;
	o.timeout_us = timeout_us;
	if ((w->store = store_open(&o, &err)) == NULL)
		fail_msg("%s", err.text);
}

static void
unsure(struct world *w, struct store_hold *r)
{
	store_hold(w->store, r);
	assert_int_equal(store_wait(w->store, &r->req), -1);
	assert_int_equal(r->req.err.code, ERR_UNSURE);
}

static void
test_a_commit_that_is_cut_off_is_unsure(void **state)
{
	static const struct {
		enum relay_cut cut;
		bool there;
	} cuts[] = { { RELAY_CUT_BEFORE, false }, { RELAY_CUT_AFTER, true },
		{ RELAY_MUTE, true } };
	struct world *w = *state;
	struct relay relay;
	struct store_hold r;
	char call[8], receipt[11];
	uint8_t i;

	relay_start(&relay);
	open_over_relay(w, &relay, 500000);
	for (i = 0; i < 3; i++) {
		snprintf(call, sizeof(call), "c%u", i);
		snprintf(receipt, sizeof(receipt), "100000000%u", i);
		r = hold_request(call, person(w, (uint8_t)(i + 1)), receipt);
		atomic_store(&relay.cut, cuts[i].cut);
		unsure(w, &r);
		assert_int_equal(atomic_load(&relay.cut), RELAY_WHOLE);
		place(w, &r); /* the same call again settles it */
		assert_int_equal(r.again, cuts[i].there);
		assert_int_equal(r.outcome, STORE_HOLD_PLACED);
		assert_int_equal(
		    world_sql(w, "SELECT count(*) FROM holds"), i + 1);
	}
	store_close(w->store);
	w->store = NULL;
	relay_stop(&relay);
}

/* The commit is on this server and waits for a standby that does not answer:
 * it could be lost with this server. */
static void
test_a_standby_that_does_not_answer_is_unsure(void **state)
{
	struct world *w = *state;
	struct store_options o = world_options(w, 0);
	struct store_hold r = hold_request("c1", person(w, 1), "1000000001");
	struct err err;

	store_close(w->store);
	cluster_kill(SIGINT);
	cluster_start_with("synchronous_standby_names=nobody", NULL, NULL);
	o.timeout_us = 300000;
	assert_non_null(w->store = store_open(&o, &err));
	unsure(w, &r);
	cluster_kill(SIGQUIT);
	cluster_start();
	place(w, &r);
	assert_true(r.again);
}

/* Somebody ends the wait: the server says COMMIT, and warns. */
static void
test_a_commit_with_a_warning_is_unsure(void **state)
{
	struct world *w = *state;
	struct store_hold r = hold_request("c1", person(w, 1), "1000000001");

	store_close(w->store);
	cluster_kill(SIGINT);
	cluster_start_with("synchronous_standby_names=nobody", NULL, NULL);
	w->store = world_open_store(w, 1);
	store_hold(w->store, &r);
	while (world_sql(w,
		   "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity"
		   " WHERE wait_event = 'SyncRep'"
		   " AND application_name = 'holdline'") == 0)
		poll(NULL, 0, CLUSTER_STEP_MS);
	assert_int_equal(store_wait(w->store, &r.req), -1);
	assert_int_equal(r.req.err.code, ERR_UNSURE);
	assert_non_null(strstr(r.req.err.text, "did not confirm a commit"));
	cluster_kill(SIGQUIT);
	cluster_start();
	place_at_last(w, &r);
	assert_true(r.again);
}

/* ---- what else is different there */

/* A gateway's ids are bytes; the batch must not fail for them. */
static void
test_call_ids_that_are_not_utf8(void **state)
{
	struct world *w = *state;
	struct store_hold a = hold_request("c\xff", person(w, 1), "1000000001");
	struct store_hold b = hold_request("c\xfe", person(w, 2), "1000000002");
	struct store_hold c = hold_request("c\xff", a.holder, "1000000003");

	store_hold(w->store, &a);
	store_hold(w->store, &b);
	store_hold(w->store, &c);
	must(w->store, &a.req);
	must(w->store, &b.req);
	must(w->store, &c.req);
	assert_false(a.again || b.again);
	assert_true(c.again);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), 2);
	/* and again, with another behind it */
	a = hold_request("c\xff", a.holder, "1000000004");
	b = hold_request("c1", person(w, 3), "1000000005");
	store_hold(w->store, &a);
	store_hold(w->store, &b);
	must(w->store, &a.req);
	must(w->store, &b.req);
	assert_true(a.again && !b.again);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), 3);
}

#define F(f) \
	cmocka_unit_test_setup_teardown(f, world_setup_folder, world_teardown)
#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls_that_are_none),
		cmocka_unit_test(test_a_path_with_an_equals_sign_is_a_file),
		cmocka_unit_test(test_servers_that_cannot_be_reached),
		F(test_passwords),
		F(test_roles_and_databases_that_are_not_right),
		F(test_servers_that_would_lose_what_was_told),
		F(test_a_server_that_is_read_only),
		F(test_a_database_in_another_encoding),
		F(test_a_database_of_somebody_else),
		F(test_tls_over_tcp_unless_said_otherwise),
		F(test_fail_over_to_a_promoted_standby),
		T(test_dying_before_the_commit_writes_nothing),
		T(test_dying_in_a_batch_writes_nothing_of_it),
		T(test_a_server_that_is_away_is_said_at_once),
		T(test_an_idle_connection_that_died_costs_nothing),
		T(test_a_server_that_becomes_read_only_is_left),
		T(test_a_commit_that_is_cut_off_is_unsure),
		T(test_a_standby_that_does_not_answer_is_unsure),
		T(test_a_commit_with_a_warning_is_unsure),
		T(test_call_ids_that_are_not_utf8),
	};
	return cmocka_run_group_tests_name(
	    "store_postgres", tests, cluster_setup, cluster_teardown);
}
