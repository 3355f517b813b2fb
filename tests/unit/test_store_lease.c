/* SPDX-License-Identifier: Apache-2.0 */
#include "store_world.h"

#include "store/lease.h"

#define HOUR INT64_C(3600000000)

static struct store_lease
lease_of(const char *node, int64_t ttl_us)
{
	struct store_lease r = { .name = STORE_LEASE_BEAT, .ttl_us = ttl_us };

	str_copy(r.node, sizeof(r.node), node);
	return r;
}

static struct store_lease
ask(struct store *s, const char *node, int64_t ttl_us)
{
	struct store_lease r = lease_of(node, ttl_us);

	store_lease(s, &r);
	must(s, &r.req);
	return r;
}

static struct store_lease
give_back(struct store *s, const char *node)
{
	struct store_lease r = lease_of(node, 0);

	r.release = true;
	store_lease(s, &r);
	must(s, &r.req);
	return r;
}

/* Let the database's clock go on, or go back. */
static void
time_goes(struct world *w, int64_t by_us)
{
	char sql[120];

	snprintf(sql, sizeof(sql),
	    "UPDATE leases SET until_us = until_us - %lld", (long long)by_us);
	world_sql(w, sql);
}

static void
test_the_first_has_it_and_keeps_it(void **state)
{
	struct world *w = *state;
	struct store_lease r = ask(w->store, "a", HOUR);

	assert_true(r.held);
	assert_string_equal(r.owner, "a");
	assert_true(r.left_us > HOUR - CLOCK_S_US * 60 && r.left_us <= HOUR);
	assert_int_equal(r.fence, 1);
	r = ask(w->store, "b", HOUR);
	assert_false(r.held);
	assert_string_equal(r.owner, "a");
	r = ask(w->store, "a", HOUR);
	assert_true(r.held);
	assert_int_equal(r.fence, 1); /* the same ownership */
}

static void
test_leases_have_nothing_to_do_with_each_other(void **state)
{
	struct world *w = *state;
	struct store_lease r = lease_of("b", HOUR);

	ask(w->store, "a", HOUR);
	str_copy(r.name, sizeof(r.name), "sweep");
	store_lease(w->store, &r);
	must(w->store, &r.req);
	assert_true(r.held);
	assert_int_equal(r.fence, 1);
}

/* An owner that was killed or hangs: another has it when the time is up, with
 * a higher number; the first comes back and hears of it. */
static void
test_who_hangs_loses_it(void **state)
{
	struct world *w = *state;
	struct store *b = world_open_store(w, 0);
	struct store_lease r;

	assert_int_equal(ask(w->store, "a", HOUR).fence, 1);
	assert_false(ask(b, "b", HOUR).held);
	time_goes(w, HOUR);
	r = ask(b, "b", HOUR);
	assert_true(r.held);
	assert_int_equal(r.fence, 2);
	r = ask(w->store, "a", HOUR);
	assert_false(r.held);
	assert_string_equal(r.owner, "b");
	assert_int_equal(r.fence, 2);
	store_close(b);
}

/* Late, but nobody took it: nothing changed hands. */
static void
test_late_and_still_the_owner(void **state)
{
	struct world *w = *state;

	ask(w->store, "a", HOUR);
	time_goes(w, 2 * HOUR);
	assert_int_equal(ask(w->store, "a", HOUR).fence, 1);
	assert_false(ask(w->store, "b", HOUR).held);
}

static void
test_given_back_it_is_free_at_once(void **state)
{
	struct world *w = *state;
	struct store_lease r;

	ask(w->store, "a", HOUR);
	r = give_back(w->store, "b"); /* not its own */
	assert_false(r.held);
	assert_string_equal(r.owner, "a");
	r = give_back(w->store, "a");
	assert_false(r.held);
	assert_string_equal(r.owner, "");
	assert_int_equal(r.left_us, 0);
	r = ask(w->store, "a", HOUR);
	assert_true(r.held);
	assert_int_equal(r.fence, 2); /* it could have been another's */
}

/* The database's clock was set back by an hour, or the server is another one:
 * nobody waits for that hour to pass. */
static void
test_the_databases_clock_is_set_back(void **state)
{
	struct world *w = *state;

	ask(w->store, "a", 10 * CLOCK_S_US);
	time_goes(w, -HOUR);
	assert_int_equal(ask(w->store, "b", 10 * CLOCK_S_US).fence, 2);
}

/* A restored copy of the store knows less than what is written to. */
static void
test_the_number_is_above_what_was_met(void **state)
{
	struct world *w = *state;
	struct store_lease r = lease_of("a", HOUR);

	ask(w->store, "a", HOUR);
	r.above = 41;
	store_lease(w->store, &r);
	must(w->store, &r.req);
	assert_true(r.held);
	assert_int_equal(r.fence, 42);
	assert_int_equal(ask(w->store, "a", HOUR).fence, 42);
	give_back(w->store, "a");
	r = lease_of("b", HOUR);
	r.above = 41; /* long known */
	store_lease(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(r.fence, 43);
}

#ifdef STORE_POSTGRES
/* A node's own clock takes no part. */
static void
test_a_node_that_is_an_hour_wrong(void **state)
{
	struct world *w = *state;
	struct world ahead = *w, behind = *w;
	struct store *a, *b;

	ahead.now_us += HOUR;
	behind.now_us -= HOUR;
	a = world_open_store(&ahead, 0);
	b = world_open_store(&behind, 0);
	assert_true(ask(w->store, "w", 60 * CLOCK_S_US).held);
	assert_false(ask(a, "a", 60 * CLOCK_S_US).held);
	assert_false(ask(b, "b", 60 * CLOCK_S_US).held);
	give_back(w->store, "w");
	assert_true(ask(a, "a", 60 * CLOCK_S_US).held);
	assert_false(ask(w->store, "w", 60 * CLOCK_S_US).held);
	time_goes(w, 60 * CLOCK_S_US);
	assert_true(ask(b, "b", 60 * CLOCK_S_US).held);
	store_close(a);
	store_close(b);
}
#endif

/* Two threads ask at once, again and again, for a lease that is given back
 * each time: never both, and every number is given once. */
static void
test_two_nodes_race(void **state)
{
	enum { N = 60 };
	struct world *w = *state;
	struct store *stores[2] = { world_open_store(w, 1),
		world_open_store(w, 1) };
	static const char *const names[2] = { "a", "b" };
	struct store_lease r[2];
	int64_t fence = 0;
	int i, k;

	for (i = 0; i < N; i++) {
		for (k = 0; k < 2; k++) {
			r[k] = lease_of(names[k], HOUR);
			store_lease(stores[k], &r[k]);
		}
		for (k = 0; k < 2; k++)
			must(stores[k], &r[k].req);
		assert_int_equal(r[0].held + r[1].held, 1);
		k = r[1].held;
		assert_true(r[k].fence > fence);
		assert_true(r[!k].fence == r[k].fence);
		assert_string_equal(r[!k].owner, names[k]);
		fence = r[k].fence;
		give_back(stores[k], names[k]);
	}
	assert_int_equal(fence, N);
	store_close(stores[0]);
	store_close(stores[1]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_the_first_has_it_and_keeps_it),
		T(test_leases_have_nothing_to_do_with_each_other),
		T(test_who_hangs_loses_it),
		T(test_late_and_still_the_owner),
		T(test_given_back_it_is_free_at_once),
		T(test_the_databases_clock_is_set_back),
		T(test_the_number_is_above_what_was_met),
#ifdef STORE_POSTGRES
		T(test_a_node_that_is_an_hour_wrong),
#endif
		T(test_two_nodes_race),
	};
	return cmocka_run_group_tests_name(
	    "store_lease", tests, WORLD_START, WORLD_STOP);
}
