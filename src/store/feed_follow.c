/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/timer.h"
#include "store/feed.h"

#define LOOK_US (CLOCK_S_US / 10) /* not sooner after the last look */

struct feed {
	struct feed_options o;
	struct store_feed look;
	bool busy;        /* `look` is with the store */
	bool again;       /* kicked meanwhile */
	bool missed;      /* the last look failed, and that was said */
	int64_t since;    /* events up to here were told */
	int64_t begun_us; /* monotonic: the last look */
	struct timer timer;
};

static void feed_look(void *ctx);
static void feed_ask(struct feed *f, bool place);

static void
feed_wait(struct feed *f, int64_t us)
{
	timer_start(f->o.timers, &f->timer, us, feed_look, f);
}

/* Looks are LOOK_US apart, however many kicks there are. */
static void
feed_soon(struct feed *f)
{
	int64_t left_us = f->begun_us + LOOK_US - timers_mono_us(f->o.timers);

	feed_wait(f, left_us > 0 ? left_us : 0);
}

static void
feed_tell(struct feed *f)
{
	const struct store_feed *r = &f->look;
	bool lost = f->since > 0 && r->first > f->since + 1;
	size_t i;

	if (f->since < 0)
		f->since = r->last;
	/* an older copy of the store was restored: from its end on */
	if (r->last < f->since)
		f->since = r->last;
	for (i = 0; i < r->n; i++) {
		f->since = r->events[i].place;
		f->o.on_event(f->o.ctx, &r->events[i], lost);
		lost = false;
	}
}

static void
feed_looked(struct store_req *req)
{
	struct feed *f = req->ctx;

	f->busy = false;
	if (req->err.code == ERR_NONE && f->look.waiting && !f->look.place) {
		feed_ask(f, true);
		return;
	}
	if (req->err.code != ERR_NONE) {
		if (!f->missed)
			log_warn("store", NULL,
			    "event=feed-failed hint=\"live events come late\" "
			    "error=\"%s\"",
			    req->err.text);
		f->missed = true;
		feed_wait(f, f->o.poll_us);
		return;
	}
	f->missed = false;
	feed_tell(f);
	if (f->look.n == STORE_FEED_PAGE || f->again)
		feed_soon(f);
	else
		feed_wait(f, f->o.poll_us);
	f->again = false;
}

static void
feed_look(void *ctx)
{
	struct feed *f = ctx;

	f->begun_us = timers_mono_us(f->o.timers);
	feed_ask(f, false);
}

static void
feed_ask(struct feed *f, bool place)
{
	f->busy = true;
	f->look.req = (struct store_req){ .done = feed_looked, .ctx = f };
	f->look.since = f->since;
	f->look.place = place;
	store_feed(f->o.store, &f->look);
}

struct feed *
feed_new(const struct feed_options *options)
{
	struct feed *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->o = *options;
	f->since = options->since;
	feed_wait(f, 0);
	return f;
}

void
feed_kick(struct feed *f)
{
	if (f->busy)
		f->again = true;
	else
		feed_soon(f);
}

void
feed_free(struct feed *f)
{
	if (f == NULL)
		return;
	timer_stop(f->o.timers, &f->timer);
	free(f);
}
