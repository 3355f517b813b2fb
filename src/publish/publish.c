/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/str.h"
#include "base/timer.h"
#include "publish/publish.h"

#define LATE_US (10 * CLOCK_S_US)       /* a row that waits longer: alarm */
#define PARK_US (30 * CLOCK_S_US)       /* a row that contradicts the cache */
#define BEHIND_US (CLOCK_S_US / 2)      /* a row that replicas do not have */
#define STORE_RETRY_US (CLOCK_S_US / 2) /* the store refused a request */

enum state {
	STATE_IDLE,    /* for a kick, or the poll timer */
	STATE_TAKING,  /* for a page of the outbox */
	STATE_LINK,    /* for the link: a page is in hand */
	STATE_PUSHING, /* for the cache's answers */
	STATE_ACKING   /* for the store to commit them */
};

struct publish {
	struct publish_options o;
	enum state state;
	bool again;         /* kicked meanwhile */
	bool said_late;     /* the alarm was given */
	bool behind;        /* rows wait for replicas */
	struct timer timer; /* for the state */
	struct timer late;  /* rows wait for the link, or for replicas, since
			     * its start */
	struct store_outbox_take take;
	struct store_outbox_ack ack;
	struct store_outbox_release release;
	bool releasing; /* `release` is with the store */
};

static const char *const outcome_names[] = {
	[PUBLISH_SHOWN] = "shown",
	[PUBLISH_REPAIRED] = "repaired",
	[PUBLISH_CONFLICT] = "conflict",
	[PUBLISH_REFUSED] = "refused",
	[PUBLISH_BEHIND] = "behind",
	[PUBLISH_ODD] = "odd",
};
_Static_assert(
    sizeof(outcome_names) / sizeof(outcome_names[0]) == PUBLISH_OUTCOME_COUNT,
    "every publish_outcome needs a name");

static void publish_take(struct publish *p);
static void publish_in_time(struct publish *p);
static void publish_push(struct publish *p);
static void publish_submit_ack(void *ctx);

const char *
publish_outcome_name(enum publish_outcome outcome)
{
	return outcome_names[outcome];
}

static void
publish_poll(void *ctx)
{
	publish_kick(ctx);
}

static void
enter_idle(struct publish *p, int64_t wait_us)
{
	p->state = STATE_IDLE;
	if (p->again)
		publish_take(p);
	else
		timer_start(p->o.timers, &p->timer, wait_us, publish_poll, p);
}

struct publish *
publish_new(const struct publish_options *options)
{
	struct publish *p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	p->o = *options;
	timer_start(p->o.timers, &p->timer, 0, publish_poll, p);
	return p;
}

void
publish_free(struct publish *p)
{
	if (p == NULL)
		return;
	timer_stop(p->o.timers, &p->timer);
	timer_stop(p->o.timers, &p->late);
	free(p);
}

void
publish_kick(struct publish *p)
{
	p->again = true;
	if (p->state == STATE_IDLE)
		publish_take(p);
}

void
publish_link_up(struct publish *p)
{
	if (p->state != STATE_LINK)
		return;
	p->state = STATE_IDLE; /* what was taken may be old by now */
	publish_take(p);
}

static void
publish_taken(struct store_req *req)
{
	struct publish *p = req->ctx;

	assert(p->state == STATE_TAKING);
	if (req->err.code != ERR_NONE) {
		log_error("publish", NULL, "event=take-failed error=\"%s\"",
		    req->err.text);
		p->again = false;
		enter_idle(p, STORE_RETRY_US);
	} else if (p->take.n == 0) {
		if (!p->behind)
			publish_in_time(p);
		enter_idle(p, p->behind ? BEHIND_US : p->o.poll_us);
	} else
		publish_push(p);
}

static void
publish_take(struct publish *p)
{
	assert(p->state == STATE_IDLE);
	timer_stop(p->o.timers, &p->timer);
	p->again = false;
	p->state = STATE_TAKING;
	memset(&p->take.req, 0, sizeof(p->take.req));
	p->take.after_seq = 0;
	if (p->o.node != NULL)
		str_copy(p->take.node, sizeof(p->take.node), p->o.node);
	p->take.now_us = timers_wall_us(p->o.timers);
	p->take.req.done = publish_taken;
	p->take.req.ctx = p;
	store_outbox_take(p->o.store, &p->take);
}

/* Holds wait for the cache for longer than anybody should have to. */
static void
publish_late(void *ctx)
{
	struct publish *p = ctx;

	log_error("publish", NULL,
	    "event=backlog-late rows=%zu%s hint=\"holds are durable "
	    "but not visible; see to Redis\"",
	    p->take.n, p->take.n == STORE_OUTBOX_PAGE ? "+" : "");
	p->said_late = true;
	metric_add(METRIC_PUBLISH_LATE, 1);
}

/* Whatever became of it: what is not given back is free in a few seconds. */
static void
publish_released(struct store_req *req)
{
	((struct publish *)req->ctx)->releasing = false;
}

/* Another node may have the link that this one has lost. */
static void
publish_give_back(struct publish *p)
{
	if (p->o.node == NULL || p->releasing)
		return;
	p->releasing = true;
	memset(&p->release, 0, sizeof(p->release));
	str_copy(p->release.node, sizeof(p->release.node), p->o.node);
	p->release.req.done = publish_released;
	p->release.req.ctx = p;
	store_outbox_release(p->o.store, &p->release);
}

/* The alarm runs from the first push that failed, however often the link comes
 * up for a moment meanwhile. */
static void
publish_waits(struct publish *p)
{
	if (p->late.slot == 0 && !p->said_late)
		timer_start(p->o.timers, &p->late, LATE_US, publish_late, p);
}

static void
enter_link(struct publish *p)
{
	p->state = STATE_LINK;
	publish_give_back(p);
	publish_waits(p);
}

/* Nothing waits for the link any more. */
static void
publish_in_time(struct publish *p)
{
	timer_stop(p->o.timers, &p->late);
	p->said_late = false;
}

static void
publish_push(struct publish *p)
{
	p->state = STATE_PUSHING;
	if (p->o.push(p->o.ctx, p->take.rows, p->take.n) == -1)
		enter_link(p);
}

static void
publish_acked(struct store_req *req)
{
	struct publish *p = req->ctx;
	size_t i;

	assert(p->state == STATE_ACKING);
	if (req->err.code != ERR_NONE) {
		/* Also when nobody knows whether it was committed: an
		 * acknowledgement may be repeated. */
		log_error("publish", NULL, "event=ack-failed error=\"%s\"",
		    req->err.text);
		timer_start(p->o.timers, &p->timer, STORE_RETRY_US,
		    publish_submit_ack, p);
		return;
	}
	p->state = STATE_IDLE;
	for (i = 0; i < p->ack.n_visible; i++)
		if (p->o.on_visible != NULL)
			p->o.on_visible(
			    p->o.ctx, p->ack.visible[i], p->ack.visible_us[i]);
	if (p->state == STATE_IDLE)
		publish_take(p); /* there may be more than a page */
}

static void
publish_submit_ack(void *ctx)
{
	struct publish *p = ctx;

	memset(&p->ack.req, 0, sizeof(p->ack.req));
	p->ack.req.done = publish_acked;
	p->ack.req.ctx = p;
	store_outbox_ack(p->o.store, &p->ack);
}

/* How long must the row wait; 0 = it is settled.  Counts and says what is
 * wrong. */
static int64_t
outcome_wait_us(
    const struct store_outbox_row *row, enum publish_outcome outcome)
{
	switch (outcome) {
	case PUBLISH_REPAIRED:
		metric_add(METRIC_PUBLISH_REPAIRED, 1);
		log_warn("publish", NULL,
		    "event=repaired issuer=%s serial=%s hint=\"something else "
		    "writes into the revocation cache\"",
		    row->issuer, row->serial);
		__attribute__((fallthrough));
	case PUBLISH_SHOWN:
		metric_add(METRIC_PUBLISH_VISIBLE, 1);
		return 0;
	case PUBLISH_BEHIND:
		return BEHIND_US; /* the cache has said so */
	case PUBLISH_ODD:
		metric_add(METRIC_PUBLISH_ODD_REPLY, 1);
		break;
	default:
		metric_add(METRIC_PUBLISH_CONFLICT, 1);
	}
	log_error("publish", NULL,
	    "event=not-published outcome=%s issuer=%s serial=%s "
	    "generation=%lld hint=\"compare the record in the cache with "
	    "holdline cert status\"",
	    outcome_names[outcome], row->issuer, row->serial,
	    (long long)row->generation);
	return PARK_US;
}

void
publish_settled(struct publish *p, const enum publish_outcome *outcomes)
{
	int64_t now_us = timers_wall_us(p->o.timers), wait_us;
	size_t i;

	assert(p->state == STATE_PUSHING);
	if (outcomes == NULL) {
		enter_link(p);
		return;
	}
	p->state = STATE_ACKING;
	p->behind = false;
	p->ack.n = p->take.n;
	p->ack.now_us = now_us;
	for (i = 0; i < p->take.n; i++) {
		wait_us = outcome_wait_us(&p->take.rows[i], outcomes[i]);
		p->behind = p->behind || outcomes[i] == PUBLISH_BEHIND;
		p->ack.seqs[i] = p->take.rows[i].seq;
		p->ack.holds[i] = p->take.rows[i].hold_id;
		p->ack.park_us[i] = wait_us == 0 ? 0 : now_us + wait_us;
	}
	if (p->behind)
		publish_waits(p);
	else
		publish_in_time(p);
	publish_submit_ack(p);
}
