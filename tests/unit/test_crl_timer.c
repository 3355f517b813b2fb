/* SPDX-License-Identifier: Apache-2.0 */
/* When the server writes CRLs: in virtual time, with a writer that lasts until
 * the test lets it end. */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/metric.h"
#include "base/timer.h"
#include "publish/crl_timer.h"

#define EVERY (3600 * CLOCK_S_US)
#define GAP (5 * CLOCK_S_US)

struct world {
	struct timers *timers;
	int64_t mono_us;
	struct crl_timer *crl;
	sem_t begun, end;
	int rc; /* of the run that ends */
};

static struct world *at_work; /* the thread's way to its test */

int
crl_write(const struct crl_options *options, const char *issuer,
    crl_result_fn *done, void *ctx, struct err *err)
{
	const struct crl_result result = { .issuer = "00" };
	const struct crl_result failed = { .signer = "b.crt",
		.error = "the disk is full" };

	assert_string_equal(options->dir, "/crl");
	assert_string_equal(issuer, "");
	sem_post(&at_work->begun);
	sem_wait(&at_work->end);
	done(ctx, &result); /* one issuer's trouble is not another's */
	if (at_work->rc == -1) {
		done(ctx, &failed);
		return err_set(err, ERR_IO, "1 of 2 signers failed");
	}
	return 0;
}

static int64_t
world_mono(void *ctx)
{
	return ((struct world *)ctx)->mono_us;
}

static void
open_timer(struct world *w, bool on_change)
{
	const struct crl_timer_options o = { .crl = { .dir = "/crl" },
		.timers = w->timers,
		.every_us = EVERY,
		.gap_us = GAP,
		.on_change = on_change };
	struct err err;

	w->crl = crl_timer_new(&o, &err);
	assert_non_null(w->crl);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct timer_clock clock = { world_mono, world_mono, w };

	w->mono_us = CLOCK_S_US;
	w->timers = timers_new(&clock);
	sem_init(&w->begun, 0, 0);
	sem_init(&w->end, 0, 0);
	at_work = w;
	open_timer(w, true);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	crl_timer_free(w->crl);
	assert_int_equal(timers_next(w->timers), INT64_MAX);
	timers_free(w->timers);
	sem_destroy(&w->begun);
	sem_destroy(&w->end);
	free(w);
	return 0;
}

/* Let time pass up to the next run; how much that was.  -1: none comes. */
static int64_t
next_run(struct world *w)
{
	int64_t from_us = w->mono_us, at_us = timers_next(w->timers);

	if (at_us == INT64_MAX)
		return -1;
	if (at_us > w->mono_us)
		w->mono_us = at_us;
	timers_run(w->timers);
	sem_wait(&w->begun);
	return w->mono_us - from_us;
}

static void
end_run(struct world *w, int rc)
{
	struct pollfd fd = { .fd = crl_timer_fd(w->crl), .events = POLLIN };

	w->rc = rc;
	sem_post(&w->end);
	assert_int_equal(poll(&fd, 1, 60000), 1);
	crl_timer_dispatch(w->crl);
}

static void
test_it_writes_at_once_and_every_so_often(void **state)
{
	struct world *w = *state;
	uint64_t written = metric_get(METRIC_CRL_WRITTEN);

	assert_int_equal(next_run(w), 0);
	end_run(w, 0);
	assert_int_equal(next_run(w), EVERY);
	end_run(w, 0);
	assert_int_equal(next_run(w), EVERY);
	end_run(w, 0);
	assert_int_equal(metric_get(METRIC_CRL_WRITTEN), written + 3);
}

static void
test_a_change_is_written_soon(void **state)
{
	struct world *w = *state;

	assert_int_equal(next_run(w), 0);
	end_run(w, 0);
	w->mono_us += 60 * CLOCK_S_US;
	crl_timer_kick(w->crl);
	assert_int_equal(next_run(w), 0); /* the gap is long over */
	end_run(w, 0);
	w->mono_us += CLOCK_S_US;
	crl_timer_kick(w->crl);
	crl_timer_kick(w->crl); /* many are one */
	assert_int_equal(next_run(w), GAP - CLOCK_S_US);
	end_run(w, 0);
	assert_int_equal(next_run(w), EVERY);
	end_run(w, 0);
}

/* A change that a run may have missed is one more run. */
static void
test_a_change_during_a_run_is_one_more(void **state)
{
	struct world *w = *state;

	assert_int_equal(next_run(w), 0);
	crl_timer_kick(w->crl);
	assert_int_equal(timers_next(w->timers), INT64_MAX);
	end_run(w, 0);
	assert_int_equal(next_run(w), GAP);
	end_run(w, 0);
	assert_int_equal(next_run(w), EVERY);
	end_run(w, 0);
}

static void
test_a_run_that_failed_is_tried_again(void **state)
{
	struct world *w = *state;
	uint64_t failed = metric_get(METRIC_CRL_FAILED);
	uint64_t written = metric_get(METRIC_CRL_WRITTEN);

	assert_int_equal(next_run(w), 0);
	end_run(w, -1);
	assert_int_equal(metric_get(METRIC_CRL_WRITTEN), written + 1);
	assert_int_equal(metric_get(METRIC_CRL_FAILED), failed + 1);
	assert_int_equal(next_run(w), 30 * CLOCK_S_US);
	crl_timer_kick(w->crl);
	end_run(w, -1);
	assert_int_equal(next_run(w), GAP);
	end_run(w, 0);
	assert_int_equal(next_run(w), EVERY);
	end_run(w, 0);
}

static void
test_changes_may_be_left_to_the_timer(void **state)
{
	struct world *w = *state;

	assert_int_equal(next_run(w), 0);
	end_run(w, 0);
	crl_timer_free(w->crl);
	open_timer(w, false);
	assert_int_equal(next_run(w), 0);
	crl_timer_kick(w->crl);
	end_run(w, 0);
	crl_timer_kick(w->crl);
	assert_int_equal(next_run(w), EVERY);
	end_run(w, 0);
	crl_timer_kick(NULL);
	crl_timer_free(NULL);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_it_writes_at_once_and_every_so_often),
		TEST(test_a_change_is_written_soon),
		TEST(test_a_change_during_a_run_is_one_more),
		TEST(test_a_run_that_failed_is_tried_again),
		TEST(test_changes_may_be_left_to_the_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
