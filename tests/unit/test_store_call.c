/* SPDX-License-Identifier: Apache-2.0 */
/* A call that goes on at another node: what is told there, and what is not. */
#include "store_world.h"

static struct store_call_open
come_in(struct store *s, const char *id, uint8_t from)
{
	struct store_call_open r = { .begun_us = NOON, .lang = "ja" };

	str_copy(r.call_id, sizeof(r.call_id), id);
	memset(r.bind, from, sizeof(r.bind));
	store_call_open(s, &r);
	must(s, &r.req);
	return r;
}

static void
note(struct store *s, const char *id, int64_t holder, unsigned int carriers,
    bool confirmed)
{
	struct store_call_note r = { .holder = holder,
		.verified_us = NOON + 1,
		.carriers = carriers,
		.confirmed = confirmed };

	str_copy(r.call_id, sizeof(r.call_id), id);
	store_call_note(s, &r);
	must(s, &r.req);
}

static void
end(struct store *s, const char *id, bool over)
{
	struct store_call_close r = {
		.outcome = "hung-up", .ended_us = NOON + 2, .over = over
	};

	str_copy(r.call_id, sizeof(r.call_id), id);
	store_call_close(s, &r);
	must(s, &r.req);
}

/* The database's clock goes on. */
static void
time_goes(struct world *w, int64_t us)
{
	char sql[100];

	snprintf(sql, sizeof(sql),
	    "UPDATE calls SET proved_us = proved_us - %lld", (long long)us);
	world_sql(w, sql);
}

static void
test_what_it_had_come_to_is_told(void **state)
{
	struct world *w = *state;
	struct store *b = world_open_store(w, 0);
	int64_t who = person(w, 1);
	struct store_call_open r = come_in(w->store, "c1", 1);

	assert_false(r.again);
	assert_false(r.goes_on);
	r = come_in(b, "c1", 1);
	assert_true(r.again);
	assert_true(r.goes_on);
	assert_int_equal(r.holder, 0); /* not verified yet */
	note(w->store, "c1", who, 0, false);
	r = come_in(b, "c1", 1);
	assert_int_equal(r.holder, who);
	assert_true(r.verified_us == NOON + 1);
	assert_int_equal(r.carriers, 0);
	assert_false(r.confirmed);
	assert_false(r.held);
	assert_string_equal(r.first_lang, "ja");
	note(w->store, "c1", who, 2, true);
	r = come_in(b, "c1", 1);
	assert_int_equal(r.carriers, 2);
	assert_true(r.confirmed);
	store_close(b);
}

static void
test_its_hold_is_told(void **state)
{
	struct world *w = *state;
	int64_t who = person(w, 1);
	struct store_hold h = hold_request("c1", who, "1234567890");

	come_in(w->store, "c1", 1);
	note(w->store, "c1", who, 0, true);
	place(w, &h);
	assert_true(come_in(w->store, "c1", 1).held);
}

/* Two gateways may make up the same id; and one may lie. */
static void
test_from_elsewhere_nothing_is_told(void **state)
{
	struct world *w = *state;
	struct store_call_open r;

	come_in(w->store, "c1", 1);
	note(w->store, "c1", person(w, 1), 0, true);
	r = come_in(w->store, "c1", 2);
	assert_true(r.again);
	assert_false(r.goes_on);
	assert_int_equal(r.holder, 0);
	assert_false(r.confirmed);
}

/* A verification lives a few minutes and is not prolonged by going on. */
static void
test_it_does_not_last(void **state)
{
	struct world *w = *state;
	int64_t who = person(w, 1);

	come_in(w->store, "c1", 1);
	note(w->store, "c1", who, 0, false);
	time_goes(w, STORE_CALL_GOES_ON_US - 60 * CLOCK_S_US);
	assert_int_equal(come_in(w->store, "c1", 1).holder, who);
	note(w->store, "c1", who, 1, true);
	time_goes(w, 60 * CLOCK_S_US + CLOCK_S_US);
	assert_int_equal(come_in(w->store, "c1", 1).holder, 0);
	assert_true(come_in(w->store, "c1", 1).goes_on);
	time_goes(w, -20 * STORE_CALL_GOES_ON_US); /* the clock was set back */
	assert_int_equal(come_in(w->store, "c1", 1).holder, 0);
}

static void
test_what_is_over_does_not_go_on(void **state)
{
	struct world *w = *state;
	int64_t who = person(w, 1);

	come_in(w->store, "c1", 1);
	note(w->store, "c1", who, 0, false);
	end(w->store, "c1", false); /* the gateway was lost */
	assert_int_equal(come_in(w->store, "c1", 1).holder, who);
	end(w->store, "c1", true);
	assert_int_equal(come_in(w->store, "c1", 1).holder, 0);
}

static void
test_nothing_is_noted_of_an_unknown_call(void **state)
{
	struct world *w = *state;

	note(w->store, "c1", person(w, 1), 0, true);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM calls"), 0);
	assert_false(come_in(w->store, "c1", 1).again);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_what_it_had_come_to_is_told),
		T(test_its_hold_is_told),
		T(test_from_elsewhere_nothing_is_told),
		T(test_it_does_not_last),
		T(test_what_is_over_does_not_go_on),
		T(test_nothing_is_noted_of_an_unknown_call),
	};
	return cmocka_run_group_tests_name(
	    "store_call", tests, WORLD_START, WORLD_STOP);
}
