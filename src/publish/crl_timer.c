/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/timer.h"
#include "base/work.h"
#include "publish/crl_timer.h"

#define RETRY_US (30 * CLOCK_S_US) /* after a run that failed */
/* Not long: whoever stops the server waits for the run's end. */
#define LOCK_WAIT_US (5 * CLOCK_S_US)

/* Idle (waits for the timer), or running (the item is with the thread). */
struct crl_timer {
	struct work_item item; /* first */
	struct crl_timer_options options;
	struct work *work;
	struct timer timer;
	bool running;
	bool again;      /* something changed since the run began */
	int64_t free_us; /* monotonic: no run begins before this */
	int rc;          /* of the last run, and why; the thread's */
	struct err err;
};

static void
log_result(void *ctx, const struct crl_result *r)
{
	(void)ctx;
	if (r->error != NULL) {
		log_error("crl", r->issuer[0] != '\0' ? r->issuer : NULL,
		    "event=not-written signer=%s error=\"%s\"", r->signer,
		    r->error);
		return;
	}
	metric_add(METRIC_CRL_WRITTEN, 1);
	log_info("crl", r->issuer,
	    "event=written number=%" PRId64 " base=%" PRId64 " entries=%" PRId64
	    " delta=%" PRId64 " bytes=%" PRId64 " ms=%" PRId64,
	    r->number, r->is_base ? r->number : r->base, r->entries,
	    r->delta_entries, r->bytes, r->took_us / 1000);
}

/* The thread. */
static void
timer_work(void *ctx, struct work_item *items)
{
	struct crl_timer *t = (struct crl_timer *)items;

	(void)ctx;
	t->rc = crl_write(&t->options.crl, "", log_result, NULL, &t->err);
}

static void
timer_run(void *ctx)
{
	struct crl_timer *t = ctx;

	t->running = true;
	t->again = false;
	work_submit(t->work, &t->item); /* its queue has no limit */
}

static void
timer_in(struct crl_timer *t, int64_t delay_us)
{
	timer_start(t->options.timers, &t->timer, delay_us, timer_run, t);
}

static void
timer_done(struct work_item *item)
{
	struct crl_timer *t = (struct crl_timer *)item;
	int64_t next_us = t->options.every_us;

	t->running = false;
	t->free_us = timers_mono_us(t->options.timers) + t->options.gap_us;
	if (t->rc == -1) {
		metric_add(METRIC_CRL_FAILED, 1);
		log_error(
		    "crl", NULL, "event=not-written error=\"%s\"", t->err.text);
		if (next_us > RETRY_US)
			next_us = RETRY_US;
	}
	if (t->again && next_us > t->options.gap_us)
		next_us = t->options.gap_us;
	timer_in(t, next_us);
}

void
crl_timer_kick(struct crl_timer *t)
{
	int64_t wait_us;

	if (t == NULL || !t->options.on_change || t->again)
		return;
	wait_us = t->free_us - timers_mono_us(t->options.timers);
	t->again = true;
	if (!t->running)
		timer_in(t, wait_us > 0 ? wait_us : 0);
}

struct crl_timer *
crl_timer_new(const struct crl_timer_options *options, struct err *err)
{
	struct work_options work = { .threads = 1, .run = timer_work };
	struct crl_timer *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	t->options = *options;
	t->options.crl.lock_wait_us = LOCK_WAIT_US;
	t->item.done = timer_done;
	if ((t->work = work_new(&work, err)) == NULL) {
		free(t);
		return NULL;
	}
	timer_in(t, 0);
	return t;
}

void
crl_timer_free(struct crl_timer *t)
{
	if (t == NULL)
		return;
	work_free(t->work);
	timer_stop(t->options.timers, &t->timer);
	free(t);
}

int
crl_timer_fd(const struct crl_timer *t)
{
	return work_fd(t->work);
}

void
crl_timer_dispatch(struct crl_timer *t)
{
	work_dispatch(t->work);
}
