/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/timer.h"
#include "wire/loop.h"

#define MANY 10000

/* A world whose clocks stand still until they are moved. */
struct world {
	int64_t mono_us, wall_us;
	struct timers *timers;
	struct timer a, b, c;
	int n;
	char fired[64]; /* letters, in order */
};

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

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct timer_clock clock = { world_mono, world_wall, w };

	w->mono_us = 1000;
	w->wall_us = INT64_C(1000000000000);
	w->timers = timers_new(&clock);
	assert_non_null(w->timers);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	timers_free(w->timers);
	free(w);
	return 0;
}

static void
note(struct world *w, char letter)
{
	assert_true((size_t)w->n + 1 < sizeof(w->fired));
	w->fired[w->n++] = letter;
}

static void
fire_a(void *ctx)
{
	note(ctx, 'a');
}

static void
fire_b(void *ctx)
{
	note(ctx, 'b');
}

static void
fire_c(void *ctx)
{
	note(ctx, 'c');
}

static void
run_to(struct world *w, int64_t mono_us)
{
	w->mono_us = mono_us;
	timers_run(w->timers);
}

static void
test_an_empty_set_waits_for_nothing(void **state)
{
	struct world *w = *state;

	assert_true(timers_next(w->timers) == INT64_MAX);
	timers_run(w->timers);
	timer_stop(w->timers, &w->a);
	assert_true(timers_next(w->timers) == INT64_MAX);
	assert_int_equal(timers_mono_us(w->timers), 1000);
	assert_int_equal(timers_wall_us(w->timers), INT64_C(1000000000000));
}

static void
test_they_fire_in_order_and_not_too_early(void **state)
{
	struct world *w = *state;

	timer_start(w->timers, &w->b, 20, fire_b, w);
	timer_start(w->timers, &w->a, 10, fire_a, w);
	timer_start(w->timers, &w->c, 30, fire_c, w);
	assert_int_equal(timers_next(w->timers), 1010);
	run_to(w, 1009);
	assert_string_equal(w->fired, "");
	run_to(w, 1010);
	assert_string_equal(w->fired, "a");
	assert_int_equal(timers_next(w->timers), 1020);
	run_to(w, 5000);
	assert_string_equal(w->fired, "abc");
	run_to(w, 9000);
	assert_string_equal(w->fired, "abc");
}

static void
test_starting_again_replaces_the_time(void **state)
{
	struct world *w = *state;

	timer_start(w->timers, &w->a, 10, fire_a, w);
	timer_start(w->timers, &w->a, 50, fire_b, w);
	run_to(w, 1049);
	assert_string_equal(w->fired, "");
	run_to(w, 1050);
	assert_string_equal(w->fired, "b");
	timer_start(w->timers, &w->a, 50, fire_a, w);
	timer_start(w->timers, &w->a, 0, fire_c, w);
	assert_int_equal(timers_next(w->timers), 1050);
	run_to(w, 2000);
	assert_string_equal(w->fired, "bc");
}

static void
test_stopped_ones_do_not_fire(void **state)
{
	struct world *w = *state;

	timer_start(w->timers, &w->a, 10, fire_a, w);
	timer_start(w->timers, &w->b, 20, fire_b, w);
	timer_stop(w->timers, &w->a);
	timer_stop(w->timers, &w->a);
	assert_int_equal(timers_next(w->timers), 1020);
	run_to(w, 5000);
	assert_string_equal(w->fired, "b");
}

static void
fire_stops_b(void *ctx)
{
	struct world *w = ctx;

	note(w, 'a');
	timer_stop(w->timers, &w->b);
	timer_stop(w->timers, &w->a);
}

static void
test_one_can_stop_another_that_is_due_as_well(void **state)
{
	struct world *w = *state;

	timer_start(w->timers, &w->a, 10, fire_stops_b, w);
	timer_start(w->timers, &w->b, 11, fire_b, w);
	timer_start(w->timers, &w->c, 12, fire_c, w);
	run_to(w, 5000);
	assert_string_equal(w->fired, "ac");
	assert_true(timers_next(w->timers) == INT64_MAX);
}

static void
fire_again(void *ctx)
{
	struct world *w = ctx;

	note(w, 'a');
	if (w->n < 3)
		timer_start(w->timers, &w->a, 100, fire_again, w);
}

static void
test_one_can_start_itself_again(void **state)
{
	struct world *w = *state;

	timer_start(w->timers, &w->a, 100, fire_again, w);
	run_to(w, 1100);
	assert_string_equal(w->fired, "a");
	assert_int_equal(timers_next(w->timers), 1200);
	run_to(w, 1200);
	run_to(w, 1300);
	run_to(w, 9000);
	assert_string_equal(w->fired, "aaa");
}

static void
fire_and_free(void *ctx)
{
	free(ctx);
}

/* It is borrowed only until it fires. */
static void
test_one_can_be_freed_when_it_fires(void **state)
{
	struct world *w = *state;
	struct timer *t = calloc(1, sizeof(*t));

	timer_start(w->timers, t, 5, fire_and_free, t);
	timer_start(w->timers, &w->a, 6, fire_a, w);
	run_to(w, 2000);
	assert_string_equal(w->fired, "a");
}

static void
test_pending_ones_never_fire_after_the_set_is_freed(void **state)
{
	struct world *w = *state;

	timer_start(w->timers, &w->a, 10, fire_a, w);
	timers_free(w->timers);
	w->timers = NULL;
	timers_free(NULL);
	assert_string_equal(w->fired, "");
}

struct mark {
	struct timer timer;
	struct world *w;
	int64_t want_us; /* 0 = stopped */
	int fired;
};

static int64_t last_us;

static void
fire_mark(void *ctx)
{
	struct mark *m = ctx;

	assert_true(m->want_us >= last_us);
	assert_true(m->want_us <= m->w->mono_us);
	last_us = m->want_us;
	m->fired++;
}

static int
by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Start, restart and stop at random; then let time jump from one to the next
 * and compare with a sorted list. */
static void
test_ten_thousand_agree_with_a_sorted_list(void **state)
{
	struct world *w = *state;
	struct mark *marks = calloc(MANY, sizeof(*marks)), *m;
	int64_t *want = calloc(MANY, sizeof(*want));
	size_t n = 0, i, step;

	srand(20261123);
	for (step = 0; step < 3 * MANY; step++) {
		m = &marks[step < MANY ? step : (size_t)(rand() % MANY)];
		m->w = w;
		if (step >= MANY && rand() % 3 == 0) {
			timer_stop(w->timers, &m->timer);
			m->want_us = 0;
			continue;
		}
		m->want_us = w->mono_us + rand() % 50000;
		timer_start(w->timers, &m->timer, m->want_us - w->mono_us,
		    fire_mark, m);
	}
	for (i = 0; i < MANY; i++)
		if (marks[i].want_us != 0)
			want[n++] = marks[i].want_us;
	qsort(want, n, sizeof(*want), by_time);
	last_us = 0;
	for (i = 0; i < n; i++) {
		if (i > 0 && want[i] == want[i - 1])
			continue; /* they fired together */
		assert_int_equal(timers_next(w->timers), want[i]);
		run_to(w, want[i]);
	}
	assert_true(timers_next(w->timers) == INT64_MAX);
	for (i = 0; i < MANY; i++)
		assert_int_equal(marks[i].fired, marks[i].want_us != 0);
	free(want);
	free(marks);
}

static void
test_the_real_clock_is_the_machines(void **state)
{
	struct timers *t = timers_new(&timer_clock_real);
	int64_t mono = clock_mono_us(), wall = clock_wall_us();

	(void)state;
	assert_in_range(timers_mono_us(t), mono, mono + 10 * CLOCK_S_US);
	assert_in_range(
	    timers_wall_us(t), wall - CLOCK_S_US, wall + 10 * CLOCK_S_US);
	timers_free(t);
}

static void
fired(void *ctx)
{
	(*(int *)ctx)++;
}

static void
test_a_loop_waits_for_a_timer_or_at_most_so_long(void **state)
{
	struct timer late = { 0 }, soon = { 0 };
	struct loop loop = { .base = NULL };
	int n_late = 0, n_soon = 0;
	struct err err;

	(void)state;
	assert_int_equal(loop_open(&loop, &err), 0);
	assert_int_equal(loop_turn(&loop, 0), 0); /* nothing is due, ever */
	timer_start(loop.timers, &late, 3600 * CLOCK_S_US, fired, &n_late);
	assert_int_equal(loop_turn(&loop, 1000), 0);
	timer_start(loop.timers, &soon, 1000, fired, &n_soon);
	while (n_soon == 0)
		assert_int_equal(loop_turn(&loop, INT64_MAX), 0);
	assert_int_equal(n_late, 0);
	loop_close(&loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_empty_set_waits_for_nothing),
		TEST(test_they_fire_in_order_and_not_too_early),
		TEST(test_starting_again_replaces_the_time),
		TEST(test_stopped_ones_do_not_fire),
		TEST(test_one_can_stop_another_that_is_due_as_well),
		TEST(test_one_can_start_itself_again),
		TEST(test_one_can_be_freed_when_it_fires),
		TEST(test_pending_ones_never_fire_after_the_set_is_freed),
		TEST(test_ten_thousand_agree_with_a_sorted_list),
		TEST(test_the_real_clock_is_the_machines),
		TEST(test_a_loop_waits_for_a_timer_or_at_most_so_long),
	};
	return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
