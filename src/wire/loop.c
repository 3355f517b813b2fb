/* SPDX-License-Identifier: Apache-2.0 */
#include <event2/event.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/timer.h"
#include "wire/loop.h"

static void
on_tick(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what, (void)ctx; /* the turn is over */
}

int
loop_open(struct loop *l, struct err *err)
{
	l->base = event_base_new();
	l->timers = timers_new(&timer_clock_real);
	if (l->base == NULL || l->timers == NULL ||
	    (l->tick = evtimer_new(l->base, on_tick, NULL)) == NULL)
		return err_set(err, ERR_NOMEM, "cannot set up the event loop");
	return 0;
}

void
loop_close(struct loop *l)
{
	timers_free(l->timers);
	if (l->tick != NULL)
		event_free(l->tick);
	if (l->base == NULL)
		return;
	/* bufferevents are freed in one more turn of the loop */
	event_base_loop(l->base, EVLOOP_NONBLOCK);
	event_base_free(l->base);
}

static void
loop_arm(struct loop *l, int64_t wait_us)
{
	struct timeval tv;

	if (wait_us == INT64_MAX) {
		evtimer_del(l->tick);
		return;
	}
	if (wait_us < 0)
		wait_us = 0;
	tv.tv_sec = wait_us / CLOCK_S_US;
	tv.tv_usec = wait_us % CLOCK_S_US;
	evtimer_add(l->tick, &tv);
}

int
loop_turn(struct loop *l, int64_t at_most_us)
{
	int64_t next_us = timers_next(l->timers), wait_us = INT64_MAX;
	int rc;

	if (next_us != INT64_MAX)
		wait_us = next_us - timers_mono_us(l->timers);
	loop_arm(l, wait_us < at_most_us ? wait_us : at_most_us);
	rc = event_base_loop(l->base, EVLOOP_ONCE);
	timers_run(l->timers);
	return rc == -1 ? -1 : 0;
}
