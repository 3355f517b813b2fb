/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service's connections live for days, and PostgreSQL keeps the plans of what
 * is prepared on them, its own checks of references among those.  A plan that
 * was made while a table was empty must do when it no longer is: no statement
 * may read more rows the more of them there are.
 */
#include "store_world.h"

#include "store/dispatch.h"
#include "store/feed.h"

#define PEOPLE 200
#define PIECE 50
#define TELL_ALL \
	(1U << STORE_TELL_CA | 1U << STORE_TELL_HOLDER | \
	    1U << STORE_TELL_MUNICIPALITY)

/* Rows that a person's entry, hold, second call and publishing may read of one
 * table or index.  Reading half of a table once for each is PEOPLE / 2. */
#define EACH 40

/* Nobody else may make the plans anew. */
static int
setup(void **state)
{
	int rc = cluster_setup(state);

	cluster_kill(SIGINT);
	cluster_start_with("autovacuum=off", NULL, NULL);
	return rc;
}

static struct store *
open_telling(struct world *w)
{
	struct store_options o = world_options(w, 1);
	struct err err = { 0 };
	struct store *s;

	o.tell = TELL_ALL;
	if ((s = store_open(&o, &err)) == NULL)
		fail_msg("%s", err.text);
	return s;
}

static void
finish(struct store *s)
{
	while (store_pending(s) > 0)
		if (store_dispatch(s) == 0)
			poll(&(struct pollfd){ store_fd(s), POLLIN, 0 }, 1, -1);
}

static void
enter_people(struct store *s)
{
	struct store_put *puts = calloc(2 * PEOPLE, sizeof(*puts));
	char serial[16];
	size_t i, nr;

	assert_non_null(puts);
	for (i = 0; i < 2 * PEOPLE; i++) {
		nr = i / 2;
		snprintf(serial, sizeof(serial), "%08zx", i);
		puts[i] = row(0, serial, i % 2);
		memcpy(puts[i].ref, &nr, sizeof(nr));
		memcpy(puts[i].tag, &nr, sizeof(nr));
		store_put(s, &puts[i]);
	}
	finish(s);
	for (i = 0; i < 2 * PEOPLE; i++)
		if (puts[i].req.err.code != ERR_NONE)
			fail_msg("%s", puts[i].req.err.text);
	free(puts);
}

static void
look_up(struct store *s, size_t first, int64_t holders[PIECE])
{
	static struct store_lookup r[PIECE];
	size_t k, nr;

	memset(r, 0, sizeof(r));
	for (k = 0; k < PIECE; k++) {
		nr = first + k;
		r[k].n_tags = 1;
		memset(r[k].tags[0], 0x80, STORE_MAC_SIZE);
		memcpy(r[k].tags[0], &nr, sizeof(nr));
		store_lookup(s, &r[k]);
	}
	finish(s);
	for (k = 0; k < PIECE; k++) {
		assert_int_equal(r[k].n, 1);
		holders[k] = r[k].candidates[0].holder;
	}
}

/* Everybody rings, as call `prefix`-nr, and hears `outcome`. */
static void
everybody_rings(struct store *s, const char *prefix, bool again,
    enum store_hold_outcome outcome)
{
	static struct store_hold holds[PIECE];
	int64_t holders[PIECE];
	char call[32], receipt[16];
	size_t i, k;

	for (i = 0; i < PEOPLE; i += PIECE) {
		look_up(s, i, holders);
		for (k = 0; k < PIECE; k++) {
			snprintf(call, sizeof(call), "%s-%zu", prefix, i + k);
			snprintf(receipt, sizeof(receipt), "%010zu", i + k);
			holds[k] = hold_request(call, holders[k], receipt);
			store_hold(s, &holds[k]);
		}
		finish(s);
		for (k = 0; k < PIECE; k++) {
			if (holds[k].req.err.code != ERR_NONE)
				fail_msg("%s", holds[k].req.err.text);
			assert_int_equal(holds[k].outcome, outcome);
			assert_int_equal(holds[k].again, again);
		}
	}
}

/* Some of what is to be told, of one kind. */
static void
tell_some(struct store *s, enum store_dispatch_kind kind)
{
	static struct store_dispatch_settle done[STORE_DISPATCH_PAGE];
	struct store_dispatch_take r = { .kind = kind,
		.max = STORE_DISPATCH_PAGE,
		.lease_us = 60 * CLOCK_S_US };
	size_t i;

	store_dispatch_take(s, &r);
	must(s, &r.req);
	assert_int_equal(r.n, STORE_DISPATCH_PAGE);
	for (i = 0; i < r.n; i++) {
		done[i] = (struct store_dispatch_settle){ .id = r.rows[i].id,
			.tries = r.rows[i].tries,
			.state = STORE_DISPATCH_DONE };
		store_dispatch_settle(s, &done[i]);
	}
	finish(s);
	for (i = 0; i < r.n; i++)
		assert_int_equal(done[i].req.err.code, ERR_NONE);
}

static void
read_news(struct store *s)
{
	static struct store_feed r;

	for (r = (struct store_feed){ .place = true }; r.since < PEOPLE;
	     r.since = r.events[r.n - 1].place) {
		store_feed(s, &r);
		must(s, &r.req);
		assert_true(r.n > 0);
	}
}

/* What was read is all told when the server has stopped. */
static void
check_reads(
    struct world *w, const char *view, const char *name, const char *reads)
{
	char text[240], most[200] = "";
	PGconn *conn;
	PGresult *result;

	snprintf(text, sizeof(text),
	    "SELECT %s, %s FROM %s WHERE %s > %d ORDER BY 2 DESC", name, reads,
	    view, reads, EACH * PEOPLE);
	assert_non_null(conn = cluster_connect(w->dir));
	result = PQexec(conn, text);
	assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
	if (PQntuples(result) > 0)
		snprintf(most, sizeof(most), "%s: %s rows were read",
		    PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1));
	PQclear(result);
	PQfinish(conn);
	if (most[0] != '\0')
		fail_msg("%s for %d people", most, PEOPLE);
}

static void
test_plans_of_empty_tables_do_for_full_ones(void **state)
{
	struct world *w = *state;
	struct store_outbox_ack ack;
	size_t i;

	store_close(open_telling(w));
	/* an operator's nightly ANALYZE, before the first person is there */
	cluster_sql(w->dir, "ANALYZE");
	w->store = open_telling(w);
	enter_people(w->store);
	everybody_rings(w->store, "first", false, STORE_HOLD_PLACED);
	everybody_rings(w->store, "first", true, STORE_HOLD_PLACED);
	everybody_rings(w->store, "second", false, STORE_HOLD_ALREADY);
	for (i = 0; i < 2 * PEOPLE; i += STORE_OUTBOX_PAGE)
		publish_all(w, NOON, &ack);
	for (i = 0; i < STORE_TELL_COUNT; i++)
		tell_some(w->store, (enum store_dispatch_kind)i);
	read_news(w->store);
	store_close(w->store);
	w->store = NULL;
	assert_int_equal(world_sql(w, "SELECT count(*) FROM outbox"), 0);

	cluster_kill(SIGINT);
	cluster_start();
	check_reads(w, "pg_stat_user_tables", "relname", "seq_tup_read");
	check_reads(w, "pg_stat_user_indexes", "indexrelname", "idx_tup_read");
	w->store = open_telling(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_plans_of_empty_tables_do_for_full_ones,
		    world_setup_folder, world_teardown),
	};
	return cmocka_run_group_tests_name(
	    "store_postgres_plan", tests, setup, cluster_teardown);
}
