/* SPDX-License-Identifier: Apache-2.0 */
/* The driver between a store and a port that answer when and what they are
 * told to, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/metric.h"
#include "base/str.h"
#include "base/timer.h"
#include "publish/dispatch.h"

#define S CLOCK_S_US
#define WALL INT64_C(1795485600000000) /* 2026-11-24 */
#define ROWS 40

struct store {
	struct store_dispatch rows[ROWS];
	int64_t due_us[ROWS]; /* by the world's clock; INT64_MAX = never */
	size_t n;
	int64_t now_us;
	struct store_dispatch_take *take; /* with the store, or NULL */
	struct store_dispatch_settle *settles[ROWS];
	size_t n_settles;
	struct store_dispatch_settle last;
	struct store_dispatch_depth depth;
	size_t looks;
};

/* What the port was given, and has not ended. */
struct flight {
	struct dispatch_run *run;
	const struct store_dispatch *row;
};

struct world {
	struct store store;
	struct timers *timers;
	struct dispatch *dispatch;
	struct flight flights[ROWS];
	size_t n_flights, cancelled, begun;
	bool at_once; /* the port ends it itself */
};

void
store_dispatch_take(struct store *s, struct store_dispatch_take *r)
{
	assert_null(s->take);
	assert_true(r->max >= 1 && r->max <= STORE_DISPATCH_PAGE);
	assert_int_equal(r->lease_us, 60 * S);
	s->take = r;
}

void
store_dispatch_settle(struct store *s, struct store_dispatch_settle *r)
{
	s->settles[s->n_settles++] = r;
	s->last = *r;
}

void
store_dispatch_depth(struct store *s, struct store_dispatch_depth *r)
{
	s->looks++;
	s->depth.req = r->req;
	*r = s->depth;
	r->req.done(&r->req);
}

static void
take_ends(struct world *w, enum err_code code)
{
	struct store_dispatch_take *r = w->store.take;
	size_t i;

	assert_non_null(r);
	w->store.take = NULL;
	r->req.err.code = code;
	r->n = 0;
	for (i = 0; code == ERR_NONE && i < w->store.n && r->n < r->max; i++) {
		if (w->store.due_us[i] > w->store.now_us)
			continue;
		w->store.due_us[i] = INT64_MAX;
		w->store.rows[i].tries++;
		r->rows[r->n++] = w->store.rows[i];
	}
	r->req.done(&r->req);
}

/* Everything that is with the store comes back. */
static void
store_works(struct world *w)
{
	while (w->store.take != NULL || w->store.n_settles > 0) {
		if (w->store.n_settles > 0) {
			struct store_dispatch_settle *r =
			    w->store.settles[--w->store.n_settles];

			if (r->after_us != 0)
				w->store.due_us[r->id - 1] =
				    w->store.now_us + r->after_us;
			r->req.done(&r->req);
		} else {
			take_ends(w, ERR_NONE);
		}
	}
}

static void *
port_begin(void *ctx, const struct store_dispatch *row,
    struct dispatch_run *run, struct dispatch_result *now)
{
	struct world *w = ctx;

	w->begun++;
	if (w->at_once) {
		now->state = STORE_DISPATCH_FAILED;
		str_copy(now->words, sizeof(now->words), "no address");
		return NULL;
	}
	w->flights[w->n_flights] = (struct flight){ run, row };
	return &w->flights[w->n_flights++];
}

static struct world *cancelling;

static void
port_cancel(void *task)
{
	assert_non_null(task);
	cancelling->cancelled++;
}

/* The first of what flies ends so. */
static void
ends(struct world *w, enum store_dispatch_state state, bool fault,
    int64_t retry_after_us)
{
	struct dispatch_result r = {
		.state = state, .fault = fault, .retry_after_us = retry_after_us
	};
	struct dispatch_run *run = w->flights[0].run;

	assert_true(w->n_flights > 0);
	memmove(
	    w->flights, w->flights + 1, --w->n_flights * sizeof(*w->flights));
	str_copy(r.words, sizeof(r.words), "words");
	dispatch_ended(run, &r);
}

static int64_t
mono(void *ctx)
{
	return ((struct world *)ctx)->store.now_us;
}

static int64_t
wall(void *ctx)
{
	return WALL + mono(ctx);
}

static void
pass(struct world *w, int64_t us)
{
	int64_t end = w->store.now_us + us;

	while (timers_next(w->timers) <= end) {
		w->store.now_us = timers_next(w->timers);
		timers_run(w->timers);
		store_works(w);
	}
	w->store.now_us = end;
}

static void
open_dispatch(struct world *w, enum store_dispatch_kind kind)
{
	struct dispatch_options o = { .store = &w->store,
		.timers = w->timers,
		.kind = kind,
		.port = { port_begin, port_cancel, w },
		.flying = 4,
		.lease_us = 60 * S,
		.poll_us = 2 * S,
		.retry_us = 8 * S,
		.retry_max_us = 600 * S,
		.give_up_us = kind == STORE_TELL_CA ? 0 : 3600 * S,
		.audit_us = kind == STORE_TELL_CA ? 86400 * S : 0,
		.faults_max = 3,
		.pause_us = 30 * S };

	w->dispatch = dispatch_new(&o);
	assert_non_null(w->dispatch);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct timer_clock clock = { mono, wall, w };

	w->timers = timers_new(&clock);
	cancelling = w;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	dispatch_free(w->dispatch);
	timers_free(w->timers);
	free(w);
	return 0;
}

static void
add(struct world *w, enum store_dispatch_kind kind, size_t n)
{
	for (; n > 0; n--) {
		struct store_dispatch *row = &w->store.rows[w->store.n];

		w->store.due_us[w->store.n++] = 0;
		row->id = (int64_t)w->store.n;
		row->kind = kind;
		row->created_us = wall(w);
		row->cert.id = kind == STORE_TELL_CA ? row->id : 0;
		row->cert.not_after = 20290401;
	}
}

static void
test_so_many_at_once_and_then_the_rest(void **state)
{
	struct world *w = *state;

	add(w, STORE_TELL_CA, 6);
	open_dispatch(w, STORE_TELL_CA);
	pass(w, 0);
	assert_int_equal(w->n_flights, 4);
	assert_int_equal(w->flights[0].row->id, 1);
	ends(w, STORE_DISPATCH_DONE, false, 0);
	assert_int_equal(w->store.last.id, 1);
	assert_int_equal(w->store.last.tries, 1);
	assert_int_equal(w->store.last.after_us, 86400 * S);
	assert_string_equal(w->store.last.words, "words");
	store_works(w);
	assert_int_equal(w->n_flights, 4);
	while (w->n_flights > 0) {
		ends(w, STORE_DISPATCH_DONE, false, 0);
		store_works(w);
	}
	assert_int_equal(w->begun, 6);
}

static void
test_a_kick_is_enough(void **state)
{
	struct world *w = *state;

	open_dispatch(w, STORE_TELL_CA);
	pass(w, 0);
	add(w, STORE_TELL_CA, 1);
	dispatch_kick(w->dispatch);
	dispatch_kick(w->dispatch); /* while the store looks */
	store_works(w);
	assert_int_equal(w->n_flights, 1);
	add(w, STORE_TELL_CA, 1);
	pass(w, 2 * S); /* another node's: found by looking */
	assert_int_equal(w->n_flights, 2);
}

static void
test_failures_are_repeated_ever_later(void **state)
{
	struct world *w = *state;
	int64_t last = 0;
	int i;

	add(w, STORE_TELL_CA, 1);
	open_dispatch(w, STORE_TELL_CA);
	for (i = 0; i < 6; i++) {
		while (w->n_flights == 0)
			pass(w, S);
		ends(w, STORE_DISPATCH_WAITING, false, 0);
		assert_true(w->store.last.after_us > last);
		last = w->store.last.after_us;
		store_works(w);
	}
	while (w->n_flights == 0)
		pass(w, S);
	ends(w, STORE_DISPATCH_WAITING, false, 590 * S); /* its own wish */
	assert_in_range(w->store.last.after_us, 450 * S, 750 * S);
	store_works(w);
	while (w->n_flights == 0)
		pass(w, S);
	ends(w, STORE_DISPATCH_WAITING, false, 86400 * S); /* too modest */
	assert_in_range(w->store.last.after_us, 450 * S, 750 * S);
	store_works(w);
}

static void
test_a_dead_server_is_left_alone_and_probed(void **state)
{
	struct world *w = *state;

	add(w, STORE_TELL_CA, 20);
	open_dispatch(w, STORE_TELL_CA);
	pass(w, 0);
	while (w->n_flights > 0)
		ends(w, STORE_DISPATCH_WAITING, true, 0);
	store_works(w);
	assert_int_equal(w->n_flights, 0);
	assert_int_equal(w->begun, 4);
	pass(w, 29 * S);
	assert_int_equal(w->begun, 4);
	pass(w, 3 * S);
	assert_int_equal(w->n_flights, 1); /* the probe */
	pass(w, 5 * S);
	assert_int_equal(w->n_flights, 1);
	ends(w, STORE_DISPATCH_WAITING, true, 0);
	store_works(w);
	pass(w, 58 * S); /* twice as long */
	assert_int_equal(w->n_flights, 0);
	pass(w, 4 * S);
	assert_int_equal(w->n_flights, 1);
	ends(w, STORE_DISPATCH_DONE, false, 0);
	store_works(w);
	assert_int_equal(w->n_flights, 4); /* all is well */
}

static void
test_a_row_that_is_refused_stops_no_other(void **state)
{
	struct world *w = *state;
	uint64_t before = metric_get(METRIC_CA_DISAGREES);
	int i;

	add(w, STORE_TELL_CA, 20);
	open_dispatch(w, STORE_TELL_CA);
	pass(w, 0);
	for (i = 0; i < 20; i++) {
		ends(w, STORE_DISPATCH_DISAGREES, false, 0);
		assert_true(w->store.last.after_us > 0);
		store_works(w);
	}
	assert_int_equal(w->begun, 20);
	assert_int_equal(metric_get(METRIC_CA_DISAGREES) - before, 20);
}

static void
test_what_cannot_be_begun_ends_at_once(void **state)
{
	struct world *w = *state;

	w->at_once = true;
	add(w, STORE_TELL_HOLDER, 3);
	open_dispatch(w, STORE_TELL_HOLDER);
	pass(w, 0);
	assert_int_equal(w->begun, 3);
	assert_int_equal(w->store.last.state, STORE_DISPATCH_FAILED);
	assert_int_equal(w->store.last.after_us, 0);
	assert_string_equal(w->store.last.words, "no address");
}

static void
test_old_news_is_given_up(void **state)
{
	struct world *w = *state;

	add(w, STORE_TELL_HOLDER, 1);
	w->store.rows[0].created_us -= 3600 * S - 10;
	open_dispatch(w, STORE_TELL_HOLDER);
	pass(w, 0);
	ends(w, STORE_DISPATCH_WAITING, false, 0);
	assert_int_equal(w->store.last.state, STORE_DISPATCH_WAITING);
	store_works(w);
	while (w->n_flights == 0)
		pass(w, S);
	ends(w, STORE_DISPATCH_WAITING, false, 0);
	assert_int_equal(w->store.last.state, STORE_DISPATCH_FAILED);
	store_works(w);
}

static void
test_the_dead_are_not_compared_again(void **state)
{
	struct world *w = *state;

	add(w, STORE_TELL_CA, 1);
	w->store.rows[0].cert.not_after = 20261123; /* yesterday */
	open_dispatch(w, STORE_TELL_CA);
	pass(w, 0);
	ends(w, STORE_DISPATCH_DONE, false, 0);
	assert_int_equal(w->store.last.after_us, 0);
	store_works(w);
}

static void
test_the_store_may_refuse(void **state)
{
	struct world *w = *state;
	struct store_dispatch_settle *r;

	add(w, STORE_TELL_CA, 1);
	open_dispatch(w, STORE_TELL_CA);
	timers_run(w->timers);
	take_ends(w, ERR_STORE);
	assert_int_equal(w->n_flights, 0);
	pass(w, 2 * S);
	assert_int_equal(w->n_flights, 1);
	ends(w, STORE_DISPATCH_DONE, false, 0);
	r = w->store.settles[--w->store.n_settles];
	r->req.err.code = ERR_UNSURE;
	r->req.done(&r->req);
	w->store.last.id = 0;
	pass(w, S);
	assert_int_equal(w->store.last.id, 1); /* the same again */
	assert_int_equal(w->begun, 1);
}

static void
test_what_piles_up_is_said_each_minute(void **state)
{
	struct world *w = *state;
	uint64_t before = metric_get(METRIC_DISPATCH_LATE);

	open_dispatch(w, STORE_TELL_CA);
	pass(w, 60 * S);
	assert_int_equal(w->store.looks, 1);
	assert_int_equal(metric_get(METRIC_DISPATCH_LATE), before);
	w->store.depth.disagrees[STORE_TELL_CA] = 1;
	pass(w, 120 * S);
	assert_int_equal(metric_get(METRIC_DISPATCH_LATE) - before, 2);
	w->store.depth.disagrees[STORE_TELL_CA] = 0;
	w->store.depth.oldest_us[STORE_TELL_CA] = wall(w) - 539 * S;
	pass(w, 60 * S);
	assert_int_equal(metric_get(METRIC_DISPATCH_LATE) - before, 2);
	pass(w, 60 * S);
	assert_int_equal(metric_get(METRIC_DISPATCH_LATE) - before, 3);
}

static void
test_at_the_end_nothing_is_begun(void **state)
{
	struct world *w = *state;

	add(w, STORE_TELL_CA, 6);
	open_dispatch(w, STORE_TELL_CA);
	pass(w, 0);
	dispatch_stop(w->dispatch);
	ends(w, STORE_DISPATCH_DONE, false, 0);
	store_works(w);
	assert_int_equal(w->n_flights, 3);
	dispatch_free(w->dispatch);
	w->dispatch = NULL;
	assert_int_equal(w->cancelled, 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_so_many_at_once_and_then_the_rest),
		TEST(test_a_kick_is_enough),
		TEST(test_failures_are_repeated_ever_later),
		TEST(test_a_dead_server_is_left_alone_and_probed),
		TEST(test_a_row_that_is_refused_stops_no_other),
		TEST(test_what_cannot_be_begun_ends_at_once),
		TEST(test_old_news_is_given_up),
		TEST(test_the_dead_are_not_compared_again),
		TEST(test_the_store_may_refuse),
		TEST(test_what_piles_up_is_said_each_minute),
		TEST(test_at_the_end_nothing_is_begun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
