/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/work.h"

#define ITEMS 2000

struct job {
	struct work_item item;
	unsigned int number;
	atomic_int runs;
	int dones;
	struct work *again; /* done() submits it there once more */
};

/* What the workers see. */
struct shop {
	struct work *work;
	pthread_t loop;
	sem_t entered, gate; /* with `gated`: posted, waited for */
	bool gated;
	atomic_size_t helpings, biggest;
	atomic_int off_loop;
	unsigned int order[ITEMS]; /* of the runs; one worker only */
	size_t ordered;
	bool in_order;
};

static void
run(void *ctx, struct work_item *items)
{
	struct shop *s = ctx;
	struct job *j;
	size_t n = 0;

	if (s->gated) {
		sem_post(&s->entered);
		sem_wait(&s->gate);
	}
	for (; items != NULL; items = items->next, n++) {
		j = (struct job *)items;
		atomic_fetch_add(&j->runs, 1);
		if (s->in_order)
			s->order[s->ordered++] = j->number;
	}
	atomic_fetch_add(&s->helpings, 1);
	if (n > atomic_load(&s->biggest))
		atomic_store(&s->biggest, n);
	if (!pthread_equal(pthread_self(), s->loop))
		atomic_store(&s->off_loop, 1);
}

static void
done(struct work_item *item)
{
	struct job *j = (struct job *)item;
	struct work *again = j->again;

	j->dones++;
	j->again = NULL;
	if (again != NULL)
		assert_int_equal(work_submit(again, item), 0);
}

static void
shop_open(struct shop *s, struct work_options o)
{
	struct err err;

	memset(s, 0, sizeof(*s));
	s->loop = pthread_self();
	sem_init(&s->entered, 0, 0);
	sem_init(&s->gate, 0, 0);
	o.run = run;
	o.ctx = s;
	s->work = work_new(&o, &err);
	assert_non_null(s->work);
}

static struct job *
jobs_new(size_t n)
{
	struct job *jobs = calloc(n, sizeof(*jobs));
	unsigned int i;

	assert_non_null(jobs);
	for (i = 0; i < n; i++) {
		jobs[i].number = i;
		jobs[i].item.done = done;
	}
	return jobs;
}

static void
submit_all(struct shop *s, struct job *jobs, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		assert_int_equal(work_submit(s->work, &jobs[i].item), 0);
}

static void
assert_each_once(struct job *jobs, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		assert_int_equal(atomic_load(&jobs[i].runs), 1);
		assert_int_equal(jobs[i].dones, 1);
	}
}

/* Whatever the workers, each item runs once and is done once. */
static void
test_each_item_is_done_once(void **state)
{
	static const struct work_options rows[] = {
		{ .threads = 0 },
		{ .threads = 0, .batch = true },
		{ .threads = 0, .batch = true, .batch_max = 7 },
		{ .threads = 1 },
		{ .threads = 4 },
		{ .threads = 1, .batch = true },
		{ .threads = 3, .batch = true, .batch_max = 16 },
	};
	struct job *jobs;
	struct shop s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		jobs = jobs_new(ITEMS);
		shop_open(&s, rows[i]);
		submit_all(&s, jobs, ITEMS);
		assert_int_equal(work_pending(s.work), ITEMS);
		assert_int_equal(jobs[0].dones, 0);
		work_drain(s.work);
		assert_int_equal(work_pending(s.work), 0);
		assert_each_once(jobs, ITEMS);
		assert_int_equal(work_dispatch(s.work), 0);
		assert_int_equal(atomic_load(&s.off_loop), rows[i].threads > 0);
		work_free(s.work);
		free(jobs);
	}
}

static void
test_inline_work_runs_in_dispatch_a_helping_at_a_time(void **state)
{
	struct job *jobs = jobs_new(3);
	struct shop s;

	(void)state;
	shop_open(&s, (struct work_options){ .threads = 0 });
	assert_int_equal(work_fd(s.work), -1);
	submit_all(&s, jobs, 3);
	assert_int_equal(atomic_load(&jobs[0].runs), 0);
	assert_int_equal(work_dispatch(s.work), 1);
	assert_int_equal(jobs[0].dones, 1);
	assert_int_equal(atomic_load(&jobs[1].runs), 0);
	assert_int_equal(work_pending(s.work), 2);
	assert_int_equal(work_dispatch(s.work), 1);
	assert_int_equal(work_dispatch(s.work), 1);
	assert_int_equal(work_dispatch(s.work), 0);
	assert_each_once(jobs, 3);
	work_free(s.work);
	free(jobs);
}

static void
test_a_batch_is_all_that_waits_oldest_first(void **state)
{
	struct job *jobs = jobs_new(10);
	struct shop s;
	unsigned int i;

	(void)state;
	shop_open(&s, (struct work_options){ .threads = 0, .batch = true });
	s.in_order = true;
	submit_all(&s, jobs, 10);
	assert_int_equal(work_dispatch(s.work), 10);
	assert_int_equal(atomic_load(&s.helpings), 1);
	for (i = 0; i < 10; i++)
		assert_int_equal(s.order[i], i);
	work_free(s.work);
	free(jobs);
}

static void
test_a_batch_has_a_limit(void **state)
{
	struct job *jobs = jobs_new(10);
	struct shop s;
	unsigned int i;

	(void)state;
	shop_open(&s,
	    (struct work_options){
		.threads = 0, .batch = true, .batch_max = 4 });
	s.in_order = true;
	submit_all(&s, jobs, 10);
	assert_int_equal(work_dispatch(s.work), 4);
	assert_int_equal(work_dispatch(s.work), 4);
	assert_int_equal(work_dispatch(s.work), 2);
	assert_int_equal(atomic_load(&s.biggest), 4);
	for (i = 0; i < 10; i++)
		assert_int_equal(s.order[i], i);
	work_free(s.work);
	free(jobs);
}

static void
test_a_full_queue_refuses(void **state)
{
	struct job *jobs = jobs_new(5);
	struct shop s;

	(void)state;
	shop_open(&s, (struct work_options){ .threads = 0, .queue_max = 3 });
	submit_all(&s, jobs, 3);
	assert_int_equal(work_submit(s.work, &jobs[3].item), -1);
	assert_int_equal(work_pending(s.work), 3);
	work_dispatch(s.work);
	assert_int_equal(work_submit(s.work, &jobs[3].item), 0);
	assert_int_equal(work_submit(s.work, &jobs[4].item), -1);
	work_drain(s.work);
	assert_each_once(jobs, 4);
	assert_int_equal(jobs[4].dones, 0);
	assert_int_equal(atomic_load(&jobs[4].runs), 0);
	work_free(s.work);
	free(jobs);
}

/* What was refused can come back through the loop like anything else. */
static void
test_a_returned_item_is_done_and_not_run(void **state)
{
	static const unsigned int threads[] = { 0, 1 };
	struct pollfd pfd = { .events = POLLIN };
	struct job *jobs;
	struct shop s;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		jobs = jobs_new(1);
		shop_open(&s, (struct work_options){ .threads = threads[i] });
		work_return(s.work, &jobs[0].item);
		assert_int_equal(jobs[0].dones, 0);
		assert_int_equal(work_pending(s.work), 1);
		pfd.fd = work_fd(s.work);
		if (threads[i] > 0)
			assert_int_equal(poll(&pfd, 1, 10000), 1);
		assert_int_equal(work_dispatch(s.work), 1);
		assert_int_equal(jobs[0].dones, 1);
		assert_int_equal(atomic_load(&jobs[0].runs), 0);
		assert_int_equal(work_pending(s.work), 0);
		work_free(s.work);
		free(jobs);
	}
}

static void
test_the_descriptor_tells_when_there_is_something(void **state)
{
	struct job *jobs = jobs_new(2);
	struct pollfd pfd = { .events = POLLIN };
	struct shop s;

	(void)state;
	shop_open(&s, (struct work_options){ .threads = 1 });
	s.gated = true;
	pfd.fd = work_fd(s.work);
	submit_all(&s, jobs, 2);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	assert_int_equal(work_dispatch(s.work), 0);
	sem_post(&s.gate);
	assert_int_equal(poll(&pfd, 1, 10000), 1);
	assert_int_equal(work_dispatch(s.work), 1);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	sem_post(&s.gate);
	assert_int_equal(poll(&pfd, 1, 10000), 1);
	assert_int_equal(work_dispatch(s.work), 1);
	assert_each_once(jobs, 2);
	work_free(s.work);
	free(jobs);
}

/* While a batch is at the disk, the next one gathers. */
static void
test_a_batch_gathers_while_the_worker_is_busy(void **state)
{
	struct job *jobs = jobs_new(101);
	struct shop s;

	(void)state;
	shop_open(&s, (struct work_options){ .threads = 1, .batch = true });
	s.gated = true;
	submit_all(&s, jobs, 1);
	sem_wait(&s.entered);
	submit_all(&s, jobs + 1, 100);
	sem_post(&s.gate);
	sem_post(&s.gate);
	work_drain(s.work);
	assert_int_equal(atomic_load(&s.helpings), 2);
	assert_int_equal(atomic_load(&s.biggest), 100);
	assert_each_once(jobs, 101);
	work_free(s.work);
	free(jobs);
}

static void
test_done_may_submit_again(void **state)
{
	static const unsigned int threads[] = { 0, 2 };
	struct job *jobs;
	struct shop s;
	size_t i, n;

	(void)state;
	for (i = 0; i < 2; i++) {
		jobs = jobs_new(50);
		shop_open(&s, (struct work_options){ .threads = threads[i] });
		for (n = 0; n < 50; n++)
			jobs[n].again = s.work;
		submit_all(&s, jobs, 50);
		work_drain(s.work);
		for (n = 0; n < 50; n++) {
			assert_int_equal(jobs[n].dones, 2);
			assert_int_equal(atomic_load(&jobs[n].runs), 2);
		}
		work_free(s.work);
		free(jobs);
	}
}

static void
test_freeing_finishes_what_was_submitted(void **state)
{
	static const unsigned int threads[] = { 0, 1, 4 };
	struct job *jobs;
	struct shop s;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		jobs = jobs_new(500);
		shop_open(&s, (struct work_options){ .threads = threads[i] });
		submit_all(&s, jobs, 500);
		work_free(s.work);
		assert_each_once(jobs, 500);
		free(jobs);
	}
	work_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_item_is_done_once),
		cmocka_unit_test(
		    test_inline_work_runs_in_dispatch_a_helping_at_a_time),
		cmocka_unit_test(test_a_batch_is_all_that_waits_oldest_first),
		cmocka_unit_test(test_a_batch_has_a_limit),
		cmocka_unit_test(test_a_full_queue_refuses),
		cmocka_unit_test(test_a_returned_item_is_done_and_not_run),
		cmocka_unit_test(
		    test_the_descriptor_tells_when_there_is_something),
		cmocka_unit_test(test_a_batch_gathers_while_the_worker_is_busy),
		cmocka_unit_test(test_done_may_submit_again),
		cmocka_unit_test(test_freeing_finishes_what_was_submitted),
	};
	return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
