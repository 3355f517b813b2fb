/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/timer.h"
#include "hold/deadline.h"
#include "store/deadline.h"

#define LOOK_US (600 * CLOCK_S_US) /* from one look to the next */
#define LEASE_US (3 * LOOK_US)     /* an owner that is gone is missed */
#define LEASE_NAME "deadlines"

/* Waits for the timer, then for the lease, then for page after page. */
struct deadline {
	struct deadline_options options;
	struct timer timer;
	struct store_lease lease;
	struct store_deadline page;
	int64_t watch_us; /* of the last look; 0 = there was none */
	int64_t mono_us;  /* when that was */
	bool warned;      /* of a clock that is not followed */
};

static void deadline_look(void *ctx);

static void
deadline_later(struct deadline *d)
{
	timer_start(d->options.timers, &d->timer, LOOK_US, deadline_look, d);
}

static void
deadline_log(struct deadline *d)
{
	const struct store_deadline *p = &d->page;

	if (p->jumped && !d->warned)
		log_error("hold", NULL,
		    "event=clock-jumped hint=\"this machine's clock is over "
		    "three days from the time that the store has seen; no "
		    "deadline goes by it until it is right\"");
	d->warned = p->jumped;
	if (p->over > 0 || p->expired > 0)
		log_warn("hold", NULL,
		    "event=deadlines over=%u revoked=%u expired=%u", p->over,
		    p->revoked, p->expired);
}

static void deadline_page(struct deadline *d, int64_t after_id);

static void
deadline_seen(struct store_req *req)
{
	struct deadline *d = req->ctx;
	struct store_deadline *p = &d->page;

	if (req->err.code != ERR_NONE) {
		log_error("hold", NULL, "event=deadlines-failed error=\"%s\"",
		    req->err.text);
		deadline_later(d);
		return;
	}
	deadline_log(d);
	d->watch_us = p->watch_us;
	d->mono_us = timers_mono_us(d->options.timers);
	if (p->revoked > 0 && d->options.on_commit != NULL)
		d->options.on_commit(d->options.ctx);
	if (p->next_id != 0)
		deadline_page(d, p->next_id);
	else
		deadline_later(d);
}

static void
deadline_page(struct deadline *d, int64_t after_id)
{
	struct timers *timers = d->options.timers;
	struct store_deadline *p = &d->page;

	memset(p, 0, sizeof(*p));
	p->req.done = deadline_seen;
	p->req.ctx = d;
	p->now_us = timers_wall_us(timers);
	if (d->watch_us != 0)
		p->floor_us = d->watch_us + timers_mono_us(timers) - d->mono_us;
	p->max_hold_us = d->options.max_hold_us;
	p->revoke = d->options.revoke;
	p->crl_reason = d->options.crl_reason;
	p->after_id = after_id;
	store_deadline(d->options.store, p);
}

static void
deadline_leased(struct store_req *req)
{
	struct deadline *d = req->ctx;

	if (req->err.code != ERR_NONE)
		log_error("hold", NULL, "event=deadlines-failed error=\"%s\"",
		    req->err.text);
	if (req->err.code == ERR_NONE && d->lease.held) {
		deadline_page(d, 0);
		return;
	}
	/* what another node has watched since is not known here */
	d->watch_us = 0;
	deadline_later(d);
}

static void
deadline_look(void *ctx)
{
	struct deadline *d = ctx;

	memset(&d->lease, 0, sizeof(d->lease));
	d->lease.req.done = deadline_leased;
	d->lease.req.ctx = d;
	str_copy(d->lease.name, sizeof(d->lease.name), LEASE_NAME);
	str_copy(d->lease.node, sizeof(d->lease.node), d->options.node);
	d->lease.ttl_us = LEASE_US;
	store_lease(d->options.store, &d->lease);
}

struct deadline *
deadline_new(const struct deadline_options *options)
{
	struct deadline *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->options = *options;
	timer_start(options->timers, &d->timer, 0, deadline_look, d);
	return d;
}

void
deadline_free(struct deadline *d)
{
	if (d == NULL)
		return;
	timer_stop(d->options.timers, &d->timer);
	free(d);
}
