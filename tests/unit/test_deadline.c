/* SPDX-License-Identifier: Apache-2.0 */
#include "store_world.h"

#include "store/deadline.h"

#define DAY (24 * 3600 * CLOCK_S_US)
#define YEARS (3650 * DAY)

/* As the server does it: all pages at one instant. */
static struct store_deadline
look(struct world *w, int64_t now_us, int64_t floor_us, int64_t max_hold_us,
    bool revoke)
{
	struct store_deadline r = { .now_us = now_us,
		.floor_us = floor_us,
		.max_hold_us = max_hold_us,
		.revoke = revoke,
		.crl_reason = 1 };

	w->now_us = now_us;
	store_deadline(w->store, &r);
	must(w->store, &r.req);
	return r;
}

/* The same, every two days, until `days` after NOON. */
static struct store_deadline
look_through(struct world *w, int days, int64_t max_hold_us, bool revoke)
{
	struct store_deadline r = { .now_us = 0 };
	int64_t at;

	for (at = 0; at <= days; at += 2)
		r = look(w, NOON + at * DAY, 0, max_hold_us, revoke);
	return r;
}

static void
hold_one(struct world *w, uint8_t who, const char *receipt)
{
	struct store_hold r = hold_request(receipt, person(w, who), receipt);

	place(w, &r);
	assert_int_equal(r.outcome, STORE_HOLD_PLACED);
}

static int64_t
count_status(struct world *w, int status)
{
	char sql[80];

	snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM certificates WHERE status = %d", status);
	return world_sql(w, sql);
}

static int64_t
count_events(struct world *w, const char *what)
{
	char sql[80];

	snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM case_events WHERE what = '%s'", what);
	return world_sql(w, sql);
}

static void
test_a_hold_may_last_for_ever(void **state)
{
	struct world *w = *state;

	hold_one(w, 1, "1000000001");
	look_through(w, 400, 0, true);
	assert_int_equal(count_status(w, STORE_HELD), 2);
	assert_int_equal(count_events(w, "max-hold"), 0);
}

static void
test_at_its_end_it_is_revoked_and_the_case_closed(void **state)
{
	struct world *w = *state;
	struct store_case_show show = { .receipt = "1000000001" };
	struct store_deadline r;

	hold_one(w, 1, "1000000001");
	look_through(w, 98, 100 * DAY, true);
	assert_int_equal(count_status(w, STORE_HELD), 2);
	r = look(w, NOON + 100 * DAY - 1, 0, 100 * DAY, true);
	assert_int_equal(r.revoked, 0);
	r = look(w, NOON + 100 * DAY, 0, 100 * DAY, true);
	assert_int_equal(r.revoked, 1);
	assert_int_equal(count_status(w, STORE_REVOKED), 2);
	store_case_show(w->store, &show);
	must(w->store, &show.req);
	assert_string_equal(show.found.status, "closed");
	assert_string_equal(show.found.outcome, "max-hold");
	assert_string_equal(show.found.entry, "deadline");
	/* the instant of the hold, and the reason of what is lost */
	assert_int_equal(show.certs[0].status_us, NOON);
	assert_int_equal(show.certs[0].reason, 1);
	r = look(w, NOON + 101 * DAY, 0, 100 * DAY, true);
	assert_int_equal(r.revoked, 0);
}

static void
test_or_it_is_noted_once_and_stays(void **state)
{
	struct world *w = *state;

	hold_one(w, 1, "1000000001");
	look_through(w, 120, 100 * DAY, false);
	assert_int_equal(count_status(w, STORE_HELD), 2);
	assert_int_equal(count_events(w, "max-hold"), 1);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM cases WHERE status = 'open'"),
	    1);
}

/* Nothing that a clock does, either way, ends a hold or brings it back. */
static void
test_a_clock_that_jumps_ten_years_revokes_nothing(void **state)
{
	struct world *w = *state;
	struct store_deadline r;

	hold_one(w, 1, "1000000001");
	look(w, NOON, 0, 100 * DAY, true);
	r = look(w, NOON + YEARS, 0, 100 * DAY, true);
	assert_true(r.jumped);
	assert_int_equal(r.watch_us, NOON);
	assert_int_equal(count_status(w, STORE_HELD), 2);
	assert_int_equal(count_events(w, "expired"), 0);
	/* it goes on by what passes on a clock that nobody sets */
	r = look(w, NOON + YEARS + DAY, r.watch_us + DAY, 100 * DAY, true);
	assert_true(r.jumped);
	assert_int_equal(r.watch_us, NOON + DAY);
	assert_int_equal(count_status(w, STORE_HELD), 2);
	/* and is followed again when it is right */
	r = look(w, NOON + 2 * DAY, 0, 100 * DAY, true);
	assert_false(r.jumped);
	assert_int_equal(r.watch_us, NOON + 2 * DAY);
}

static void
test_a_clock_that_goes_back_brings_nothing_back(void **state)
{
	struct world *w = *state;
	struct store_deadline r;

	hold_one(w, 1, "1000000001");
	look(w, NOON, 0, 100 * DAY, true);
	r = look(w, NOON - YEARS, 0, 100 * DAY, true);
	assert_true(r.jumped);
	assert_int_equal(r.watch_us, NOON);
	assert_int_equal(count_status(w, STORE_HELD), 2);
	r = look(w, NOON - 60 * CLOCK_S_US, 0, 100 * DAY, true);
	assert_false(r.jumped); /* a little is nothing */
	assert_int_equal(r.watch_us, NOON);
}

/* Wrong from the first start on: the newest hold is what is known. */
static void
test_a_wrong_clock_at_the_first_look(void **state)
{
	struct world *w = *state;
	struct store_deadline r;

	hold_one(w, 1, "1000000001");
	r = look(w, NOON + YEARS, 0, 100 * DAY, true);
	assert_true(r.jumped);
	assert_int_equal(r.watch_us, NOON);
	assert_int_equal(count_status(w, STORE_HELD), 2);
}

static void
test_what_expires_on_hold_stays_as_it_is(void **state)
{
	struct world *w = *state;

	hold_one(w, 1, "1000000001");
	world_sql(w, "UPDATE certificates SET not_after = 20261210");
	/* its last day is the 16th after NOON's */
	look_through(w, 16, 0, true);
	assert_int_equal(count_events(w, "expired"), 0);
	look_through(w, 20, 0, true);
	assert_int_equal(count_events(w, "expired"), 1);
	assert_int_equal(count_status(w, STORE_HELD), 2);
	/* nor does the longest life revoke it; the case waits for the clerk */
	look_through(w, 40, 30 * DAY, true);
	assert_int_equal(count_status(w, STORE_HELD), 2);
	assert_int_equal(count_events(w, "max-hold"), 1);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM cases WHERE status = 'open'"),
	    1);
}

static void
test_more_cases_than_a_page(void **state)
{
	struct world *w = *state;
	struct store_deadline r;
	char receipt[16];
	unsigned int i;

	for (i = 0; i < STORE_DEADLINE_PAGE + 3; i++) {
		struct store_put p = row(0, "", STORE_SIGNATURE);
		struct store_hold h;

		snprintf(p.cert.serial, sizeof(p.cert.serial), "%06x", i + 1);
		memcpy(p.ref, &i, sizeof(i));
		put(w, &p);
		snprintf(receipt, sizeof(receipt), "1%09u", i);
		h = hold_request(receipt,
		    world_sql(w, "SELECT max(id) FROM holders"), receipt);
		place(w, &h);
	}
	look_through(w, 8, 0, true);
	r = look(w, NOON + 10 * DAY, 0, 10 * DAY, true);
	assert_int_equal(r.revoked, STORE_DEADLINE_PAGE);
	assert_int_not_equal(r.next_id, 0);
	r.req = (struct store_req){ .ctx = NULL };
	r.after_id = r.next_id;
	store_deadline(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(r.revoked, 3);
	assert_int_equal(r.next_id, 0);
	assert_int_equal(count_status(w, STORE_HELD), 0);
}

int
main(void)
{
#define STORE_TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_a_hold_may_last_for_ever),
		STORE_TEST(test_at_its_end_it_is_revoked_and_the_case_closed),
		STORE_TEST(test_or_it_is_noted_once_and_stays),
		STORE_TEST(test_a_clock_that_jumps_ten_years_revokes_nothing),
		STORE_TEST(test_a_clock_that_goes_back_brings_nothing_back),
		STORE_TEST(test_a_wrong_clock_at_the_first_look),
		STORE_TEST(test_what_expires_on_hold_stays_as_it_is),
		STORE_TEST(test_more_cases_than_a_page),
	};
	return cmocka_run_group_tests_name(
	    "deadline", tests, WORLD_START, WORLD_STOP);
}
