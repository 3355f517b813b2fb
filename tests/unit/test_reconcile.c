/* SPDX-License-Identifier: Apache-2.0 */
/* The cache is compared again and again: what puts it in doubt, and what takes
 * the doubt away. */
#include "site_world.h"

#include "publish/reconcile.h"

#define EVERY (30 * CLOCK_S_US)

struct told {
	struct reconcile *reconcile;
	int doubts, trusts; /* in turn */
	bool doubted, filled;
};

static struct told *
told_of(struct site *s)
{
	return s->test;
}

static void
on_doubt(void *ctx, bool doubted)
{
	struct told *t = told_of(ctx);

	t->doubted = doubted;
	if (doubted)
		t->doubts++;
	else
		t->trusts++;
}

static void
on_filled(void *ctx, bool ok)
{
	told_of(ctx)->filled = ok;
}

static void
on_down(void *ctx)
{
	reconcile_link_down(told_of(ctx)->reconcile);
}

static int
setup(void **state)
{
	struct site *s = site_new();
	struct cache_options cache = {
		.on_up = site_on_up, .on_down = on_down, .ctx = s
	};
	struct reconcile_options o = { .store = s->w->store,
		.timers = s->timers,
		.every_us = EVERY,
		.on_filled = on_filled,
		.on_doubt = on_doubt,
		.ctx = s };
	struct told *t = calloc(1, sizeof(*t));
	struct store_outbox_ack ack;
	struct store_hold hold =
	    hold_request("call", person(s->w, 1), "1111111111");

	place(s->w, &hold);
	publish_all(s->w, NOON + 1, &ack);
	s->test = t;
	site_connect(s, &cache);
	site_until(s, site_is_up);
	o.cache = s->cache;
	t->reconcile = reconcile_new(&o);
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct site *s = *state;
	struct told *t = told_of(s);

	store_close(s->w->store);
	cache_free(s->cache);
	s->cache = NULL;
	reconcile_free(t->reconcile);
	free(t);
	site_free(s);
	return 0;
}

static bool
is_filled(void *ctx)
{
	return told_of(ctx)->filled;
}

static bool
is_doubted(void *ctx)
{
	return told_of(ctx)->doubted;
}

static bool
is_trusted(void *ctx)
{
	return told_of(ctx)->trusts > 0 && !told_of(ctx)->doubted;
}

static int trusts_wanted;

static bool
is_compared_again(void *ctx)
{
	return told_of(ctx)->trusts >= trusts_wanted;
}

/* This server owns it, and the cache is whole. */
static void
own(struct site *s)
{
	reconcile_own(told_of(s)->reconcile, true, 1);
	reconcile_fill(told_of(s)->reconcile);
	site_until(s, is_filled);
	site_until(s, is_trusted);
	assert_string_equal(site_redis(s, "HGET " KEY("0101") " s"), "H");
}

static void
test_what_is_repaired_is_no_doubt(void **state)
{
	struct site *s = *state;
	int64_t from_us;

	own(s);
	site_redis(s, "DEL " KEY("0101"));
	from_us = s->mono_us;
	trusts_wanted = told_of(s)->trusts + 1;
	site_until(s, is_compared_again);
	assert_true(s->mono_us - from_us <= EVERY + EVERY / 2);
	assert_string_equal(site_redis(s, "HGET " KEY("0101") " s"), "H");
	assert_int_equal(told_of(s)->doubts, 0);
}

/* Functions that only say that they write: the proof is taken back, ours are
 * loaded again, and the next pass mends it. */
static void
test_repairs_that_do_not_hold_are_doubt(void **state)
{
	struct site *s = *state;
	int64_t from_us;

	own(s);
	site_foreign_library(s);
	site_redis(s, "DEL " KEY("0101"));
	from_us = s->mono_us;
	trusts_wanted = told_of(s)->trusts + 1;
	site_until(s, is_compared_again);
	assert_string_equal(site_redis(s, "HGET " KEY("0101") " s"), "H");
	assert_string_equal(site_redis(s, "FCALL jpki_version 0"), "3");
	/* well within the minute that the page on the cache promises */
	assert_true(s->mono_us - from_us < 60 * CLOCK_S_US);
}

/* A user who may no longer SCAN: passes break off, and after some nobody knows
 * what is there. */
static void
test_passes_that_break_off_are_doubt(void **state)
{
	struct site *s = *state;
	int64_t from_us;

	own(s);
	site_redis(s, "ACL SETUSER default -scan");
	from_us = s->mono_us;
	site_until(s, is_doubted);
	assert_true(s->mono_us - from_us < 60 * CLOCK_S_US);
	site_redis(s, "ACL SETUSER default +scan");
	trusts_wanted = told_of(s)->trusts + 1;
	site_until(s, is_compared_again);
	assert_false(told_of(s)->doubted);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_repaired_is_no_doubt),
		TEST(test_repairs_that_do_not_hold_are_doubt),
		TEST(test_passes_that_break_off_are_doubt),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name(
	    "reconcile", tests, WORLD_START, WORLD_STOP);
}
