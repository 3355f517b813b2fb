/* SPDX-License-Identifier: Apache-2.0 */
/* Who looks for holds that have lasted too long, and when: in virtual time,
 * over a store that answers what it is told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/timer.h"
#include "hold/deadline.h"
#include "store/deadline.h"

#define WALL INT64_C(1795485600000000) /* 2026-11-24, Japan */
#define LOOK (600 * CLOCK_S_US)
#define DAY (86400 * CLOCK_S_US)

struct store {
	struct store_lease *lease;   /* asked for, or NULL */
	struct store_deadline *page; /* likewise */
};

struct world {
	struct store store;
	struct timers *timers;
	int64_t mono_us, wall_us;
	struct deadline *deadline;
	int commits;
};

void
store_lease(struct store *s, struct store_lease *r)
{
	assert_null(s->lease);
	assert_null(s->page);
	s->lease = r;
}

void
store_deadline(struct store *s, struct store_deadline *r)
{
	assert_null(s->lease);
	assert_null(s->page);
	s->page = r;
}

static int64_t
world_mono(void *ctx)
{
	return ((struct world *)ctx)->mono_us;
}

static int64_t
world_wall(void *ctx)
{
	return ((struct world *)ctx)->wall_us;
}

static void
on_commit(void *ctx)
{
	((struct world *)ctx)->commits++;
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct timer_clock clock = { world_mono, world_wall, w };
	struct deadline_options o = { .store = &w->store,
		.node = "0123456789abcdef",
		.max_hold_us = 90 * DAY,
		.revoke = true,
		.crl_reason = 5,
		.on_commit = on_commit,
		.ctx = w };

	w->mono_us = CLOCK_S_US;
	w->wall_us = WALL;
	w->timers = o.timers = timers_new(&clock);
	w->deadline = deadline_new(&o);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	deadline_free(w->deadline);
	assert_int_equal(timers_next(w->timers), INT64_MAX);
	timers_free(w->timers);
	free(w);
	return 0;
}

/* Let time pass up to the next look; how much that was. */
static int64_t
next_look(struct world *w)
{
	int64_t passed_us = timers_next(w->timers) - w->mono_us;

	if (passed_us < 0)
		passed_us = 0;
	w->mono_us += passed_us;
	w->wall_us += passed_us;
	timers_run(w->timers);
	assert_non_null(w->store.lease);
	assert_string_equal(w->store.lease->name, "deadlines");
	assert_string_equal(w->store.lease->node, "0123456789abcdef");
	assert_true(w->store.lease->ttl_us > LOOK);
	return passed_us;
}

static void
answer_lease(struct world *w, bool held, enum err_code code)
{
	struct store_lease *r = w->store.lease;

	w->store.lease = NULL;
	r->held = held;
	r->req.err.code = code;
	r->req.done(&r->req);
}

/* What the last look that was asked for says; with a next page, if any. */
static void
answer_page(struct world *w, unsigned int revoked, int64_t watch_us,
    int64_t next_id, enum err_code code)
{
	struct store_deadline *r = w->store.page;

	assert_non_null(r);
	w->store.page = NULL;
	r->revoked = revoked;
	r->watch_us = watch_us;
	r->next_id = next_id;
	r->req.err.code = code;
	r->req.done(&r->req);
}

static void
test_the_owner_looks_every_ten_minutes(void **state)
{
	struct world *w = *state;

	assert_int_equal(next_look(w), 0);
	answer_lease(w, true, ERR_NONE);
	assert_int_equal(w->store.page->max_hold_us, 90 * DAY);
	assert_true(w->store.page->revoke);
	assert_int_equal(w->store.page->crl_reason, 5);
	assert_int_equal(w->store.page->now_us, WALL);
	assert_int_equal(w->store.page->floor_us, 0);
	assert_int_equal(w->store.page->after_id, 0);
	answer_page(w, 0, WALL, 0, ERR_NONE);
	assert_int_equal(w->commits, 0);
	assert_int_equal(next_look(w), LOOK);
	answer_lease(w, true, ERR_NONE);
	answer_page(w, 0, WALL + LOOK, 0, ERR_NONE);
}

static void
test_page_follows_page_and_revocations_are_told(void **state)
{
	struct world *w = *state;

	next_look(w);
	answer_lease(w, true, ERR_NONE);
	answer_page(w, 2, WALL, 77, ERR_NONE);
	assert_int_equal(w->commits, 1);
	assert_int_equal(w->store.page->after_id, 77);
	answer_page(w, 0, WALL, 99, ERR_NONE);
	assert_int_equal(w->commits, 1);
	assert_int_equal(w->store.page->after_id, 99);
	answer_page(w, 1, WALL, 0, ERR_NONE);
	assert_int_equal(w->commits, 2);
	assert_null(w->store.page);
	assert_int_equal(next_look(w), LOOK);
}

static void
test_who_has_no_lease_looks_at_nothing(void **state)
{
	struct world *w = *state;

	next_look(w);
	answer_lease(w, false, ERR_NONE);
	assert_null(w->store.page);
	assert_int_equal(next_look(w), LOOK);
	answer_lease(w, true, ERR_STORE); /* says nothing */
	assert_null(w->store.page);
	assert_int_equal(next_look(w), LOOK);
	answer_lease(w, true, ERR_NONE);
	answer_page(w, 0, 0, 5, ERR_STORE); /* the rest waits, too */
	assert_null(w->store.page);
	assert_int_equal(next_look(w), LOOK);
}

/* A clock that is set forward shortens no hold: what has passed is told by the
 * clock that nobody sets, as far as this node has watched. */
static void
test_time_is_what_has_passed_since_the_last_look(void **state)
{
	struct world *w = *state;

	next_look(w);
	answer_lease(w, true, ERR_NONE);
	answer_page(w, 0, WALL - 7, 0, ERR_NONE);
	w->wall_us += 1000 * DAY;
	next_look(w);
	answer_lease(w, true, ERR_NONE);
	assert_int_equal(w->store.page->now_us, WALL + 1000 * DAY + LOOK);
	assert_int_equal(w->store.page->floor_us, WALL - 7 + LOOK);
	answer_page(w, 0, WALL - 7 + LOOK, 0, ERR_NONE);
	/* another node had the lease: what it saw is not known here */
	next_look(w);
	answer_lease(w, false, ERR_NONE);
	next_look(w);
	answer_lease(w, true, ERR_NONE);
	assert_int_equal(w->store.page->floor_us, 0);
	answer_page(w, 0, WALL, 0, ERR_NONE);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_the_owner_looks_every_ten_minutes),
		TEST(test_page_follows_page_and_revocations_are_told),
		TEST(test_who_has_no_lease_looks_at_nothing),
		TEST(test_time_is_what_has_passed_since_the_last_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
