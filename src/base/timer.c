/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/timer.h"

/* A binary heap, earliest first. */
struct timers {
	struct timer **heap;
	size_t n, cap;
	struct timer_clock clock;
	int64_t steady_us; /* wall - monotonic, when the set was made */
};

static int64_t
real_mono(void *ctx)
{
	(void)ctx;
	return clock_mono_us();
}

static int64_t
real_wall(void *ctx)
{
	(void)ctx;
	return clock_wall_us();
}

const struct timer_clock timer_clock_real = { real_mono, real_wall, NULL };

struct timers *
timers_new(const struct timer_clock *clock)
{
	struct timers *t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	t->clock = *clock;
	t->steady_us = timers_wall_us(t) - timers_mono_us(t);
	return t;
}

void
timers_free(struct timers *t)
{
	if (t == NULL)
		return;
	free(t->heap);
	free(t);
}

static void
heap_put(struct timers *t, size_t i, struct timer *timer)
{
	t->heap[i] = timer;
	timer->slot = i + 1;
}

static void
heap_up(struct timers *t, size_t i, struct timer *timer)
{
	while (i > 0 && t->heap[(i - 1) / 2]->at_us > timer->at_us) {
		heap_put(t, i, t->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(t, i, timer);
}

static void
heap_down(struct timers *t, size_t i, struct timer *timer)
{
	size_t child;

	while ((child = 2 * i + 1) < t->n) {
		if (child + 1 < t->n &&
		    t->heap[child + 1]->at_us < t->heap[child]->at_us)
			child++;
		if (t->heap[child]->at_us >= timer->at_us)
			break;
		heap_put(t, i, t->heap[child]);
		i = child;
	}
	heap_put(t, i, timer);
}

void
timer_stop(struct timers *t, struct timer *timer)
{
	size_t i;
	struct timer *last;

	if (timer->slot == 0)
		return;
	i = timer->slot - 1;
	assert(i < t->n && t->heap[i] == timer);
	timer->slot = 0;
	last = t->heap[--t->n];
	if (last == timer)
		return;
	if (i > 0 && t->heap[(i - 1) / 2]->at_us > last->at_us)
		heap_up(t, i, last);
	else
		heap_down(t, i, last);
}

void
timer_start(struct timers *t, struct timer *timer, int64_t delay_us,
    void (*fn)(void *ctx), void *ctx)
{
	struct timer **heap;

	assert(delay_us >= 0);
	timer_stop(t, timer);
	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 64 : t->cap * 2;
		if ((heap = realloc(t->heap, t->cap * sizeof(*heap))) == NULL)
			abort();
		t->heap = heap;
	}
	timer->fire = fn;
	timer->ctx = ctx;
	timer->at_us = timers_mono_us(t) + delay_us;
	heap_up(t, t->n++, timer);
}

void
timers_run(struct timers *t)
{
	int64_t now_us = timers_mono_us(t);
	struct timer *due;

	while (t->n > 0 && (due = t->heap[0])->at_us <= now_us) {
		timer_stop(t, due);
		due->fire(due->ctx);
	}
}

int64_t
timers_next(const struct timers *t)
{
	return t->n == 0 ? INT64_MAX : t->heap[0]->at_us;
}

int64_t
timers_mono_us(const struct timers *t)
{
	return t->clock.mono_us(t->clock.ctx);
}

int64_t
timers_wall_us(const struct timers *t)
{
	return t->clock.wall_us(t->clock.ctx);
}

int64_t
timers_steady_us(const struct timers *t)
{
	return t->steady_us + timers_mono_us(t);
}
