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
#define SAY_US (60 * CLOCK_S_US)        /* the same trouble is said again */
#define STORE_RETRY_US (CLOCK_S_US / 2) /* the store refused a request */

/* One page of the outbox: while it is settled in the store, or waits for the
 * cache, the other one is taken and pushed. */
enum page_state {
	PAGE_FREE,    /* for a take */
	PAGE_TAKING,  /* for rows; one page at a time */
	PAGE_PUSHING, /* for the cache's answers */
	PAGE_ACKING   /* for the store to commit them */
};

struct page {
	struct publish *publish; /* its own */
	enum page_state state;
	struct timer retry; /* of the acknowledgement */
	struct store_outbox_take take;
	struct store_outbox_ack ack;
};

struct publish {
	struct publish_options o;
	struct page pages[PUBLISH_PAGES];
	bool again;         /* kicked meanwhile */
	bool away;          /* the link: what is in hand waits for it */
	bool said_late;     /* the alarm was given */
	bool refused;       /* the last look into the outbox */
	int64_t said_us;    /* when that was said last */
	size_t found;       /* rows of the last page */
	int64_t behind_us;  /* rows wait for replicas until then; by the
			     * monotonic clock */
	struct timer timer; /* to look into the outbox */
	struct timer late;  /* rows wait for the link, or for replicas, since
			     * its start */
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
static void page_push(struct page *page);
static void page_submit_ack(void *ctx);

const char *
publish_outcome_name(enum publish_outcome outcome)
{
	return outcome_names[outcome];
}

/* A page in this state, or NULL. */
static struct page *
page_in(struct publish *p, enum page_state state)
{
	size_t i;

	for (i = 0; i < PUBLISH_PAGES; i++)
		if (p->pages[i].state == state)
			return &p->pages[i];
	return NULL;
}

/* Is nothing in hand? */
static bool
is_idle(struct publish *p)
{
	size_t i;

	for (i = 0; i < PUBLISH_PAGES; i++)
		if (p->pages[i].state != PAGE_FREE)
			return false;
	return !p->away;
}

static bool
is_behind(const struct publish *p)
{
	return timers_mono_us(p->o.timers) < p->behind_us;
}

/* Nothing waits for the link any more. */
static void
publish_in_time(struct publish *p)
{
	timer_stop(p->o.timers, &p->late);
	p->said_late = false;
}

static void
publish_poll(void *ctx)
{
	publish_kick(ctx);
}

/* A take has brought nothing.  While a page is in hand its end looks again. */
static void
publish_wait(struct publish *p, int64_t wait_us)
{
	if (!is_idle(p))
		return;
	if (p->again)
		publish_take(p);
	else
		timer_start(p->o.timers, &p->timer, wait_us, publish_poll, p);
}

struct publish *
publish_new(const struct publish_options *options)
{
	struct publish *p;
	size_t i;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	p->o = *options;
	for (i = 0; i < PUBLISH_PAGES; i++)
		p->pages[i].publish = p;
	timer_start(p->o.timers, &p->timer, 0, publish_poll, p);
	return p;
}

void
publish_free(struct publish *p)
{
	size_t i;

	if (p == NULL)
		return;
	for (i = 0; i < PUBLISH_PAGES; i++)
		timer_stop(p->o.timers, &p->pages[i].retry);
	timer_stop(p->o.timers, &p->timer);
	timer_stop(p->o.timers, &p->late);
	free(p);
}

void
publish_kick(struct publish *p)
{
	p->again = true;
	if (is_idle(p))
		publish_take(p);
}

void
publish_link_up(struct publish *p)
{
	if (!p->away)
		return;
	p->away = false;
	publish_take(p); /* anew: what was taken may be old by now */
}

/* ---- taking */

/*
 * Both pages may have a row of one certificate, and the older row's read-back
 * find the newer generation: it is known since the newer page was taken.
 */
static void
page_learn(struct page *older, const struct page *newer)
{
	const struct store_outbox_row *row;
	size_t i, j;

	if (older->state != PAGE_PUSHING)
		return;
	for (i = 0; i < newer->take.n; i++) {
		row = &newer->take.rows[i];
		for (j = 0; j < older->take.n; j++)
			if (older->take.rows[j].cert == row->cert)
				older->take.rows[j].latest = row->latest;
	}
}

/* A store that is away is asked twice a second, and told of once a minute. */
static void
say_refused(struct publish *p, const char *why)
{
	int64_t now_us = timers_mono_us(p->o.timers);

	if (p->refused && now_us - p->said_us < SAY_US)
		return;
	p->refused = true;
	p->said_us = now_us;
	log_error("publish", NULL, "event=take-failed error=\"%s\"", why);
}

static void
publish_taken(struct store_req *req)
{
	struct page *page = req->ctx;
	struct publish *p = page->publish;
	size_t i;

	assert(page->state == PAGE_TAKING);
	page->state = PAGE_FREE;
	if (req->err.code != ERR_NONE) {
		say_refused(p, req->err.text);
		p->again = false;
		publish_wait(p, STORE_RETRY_US);
		return;
	}
	if (p->refused)
		log_info("publish", NULL, "event=take-again");
	p->refused = false;
	if (page->take.n > 0) {
		for (i = 0; i < PUBLISH_PAGES; i++)
			page_learn(&p->pages[i], page);
		page_push(page);
	} else if (is_behind(p))
		publish_wait(p, p->behind_us - timers_mono_us(p->o.timers));
	else {
		if (is_idle(p))
			publish_in_time(p);
		publish_wait(p, p->o.poll_us);
	}
}

/* What the other page has in hand is left out. */
static void
page_take(struct page *page, const struct page *other)
{
	struct publish *p = page->publish;
	struct store_outbox_take *take = &page->take;

	page->state = PAGE_TAKING;
	take->req = (struct store_req){ .done = publish_taken, .ctx = page };
	take->skip_from = take->skip_to = 0;
	if (other->state != PAGE_FREE) {
		take->skip_from = other->take.rows[0].seq;
		take->skip_to = other->take.rows[other->take.n - 1].seq;
	}
	if (p->o.node != NULL)
		str_copy(take->node, sizeof(take->node), p->o.node);
	take->now_us = timers_wall_us(p->o.timers);
	store_outbox_take(p->o.store, take);
}

/* Look for work, if there is a page for it and the last look is over. */
static void
publish_take(struct publish *p)
{
	struct page *page = page_in(p, PAGE_FREE);

	if (page == NULL || p->away || page_in(p, PAGE_TAKING) != NULL)
		return;
	timer_stop(p->o.timers, &p->timer);
	p->again = false;
	page_take(page, &p->pages[page == &p->pages[0]]);
}

/* ---- the link */

/* Holds wait for the cache for longer than anybody should have to. */
static void
publish_late(void *ctx)
{
	struct publish *p = ctx;

	log_error("publish", NULL,
	    "event=backlog-late rows=%zu%s hint=\"holds are durable "
	    "but not visible; see to Redis\"",
	    p->found, p->found == STORE_OUTBOX_PAGE ? "+" : "");
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
publish_goes_away(struct publish *p)
{
	p->away = true;
	publish_give_back(p);
	publish_waits(p);
}

static void
page_push(struct page *page)
{
	struct publish *p = page->publish;

	p->found = page->take.n;
	if (p->o.push(p->o.ctx, page->take.rows, page->take.n) == -1) {
		publish_goes_away(p);
		return;
	}
	page->state = PAGE_PUSHING;
	if (page->take.n == STORE_OUTBOX_PAGE)
		publish_take(p); /* a backlog: into the other page */
}

/* ---- the end of a page */

static void
page_acked(struct store_req *req)
{
	struct page *page = req->ctx;
	struct publish *p = page->publish;
	size_t i;

	assert(page->state == PAGE_ACKING);
	if (req->err.code != ERR_NONE) {
		/* Also when nobody knows whether it was committed: an
		 * acknowledgement may be repeated. */
		log_error("publish", NULL, "event=ack-failed error=\"%s\"",
		    req->err.text);
		timer_start(p->o.timers, &page->retry, STORE_RETRY_US,
		    page_submit_ack, page);
		return;
	}
	page->state = PAGE_FREE;
	for (i = 0; i < page->ack.n_visible; i++)
		if (p->o.on_visible != NULL)
			p->o.on_visible(p->o.ctx, page->ack.visible[i],
			    page->ack.visible_us[i]);
	publish_take(p); /* there may be more than a page */
}

static void
page_submit_ack(void *ctx)
{
	struct page *page = ctx;

	page->ack.req = (struct store_req){ .done = page_acked, .ctx = page };
	store_outbox_ack(page->publish->o.store, &page->ack);
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

/* Returns whether replicas do not have a row. */
static bool
page_settle(struct page *page, const enum publish_outcome *outcomes)
{
	struct store_outbox_ack *ack = &page->ack;
	int64_t now_us = timers_wall_us(page->publish->o.timers), wait_us;
	bool behind = false;
	size_t i;

	ack->n = page->take.n;
	ack->now_us = now_us;
	for (i = 0; i < ack->n; i++) {
		wait_us = outcome_wait_us(&page->take.rows[i], outcomes[i]);
		behind = behind || outcomes[i] == PUBLISH_BEHIND;
		ack->seqs[i] = page->take.rows[i].seq;
		ack->holds[i] = page->take.rows[i].hold_id;
		ack->park_us[i] = wait_us == 0 ? 0 : now_us + wait_us;
	}
	return behind;
}

void
publish_settled(struct publish *p, const struct store_outbox_row *rows,
    const enum publish_outcome *outcomes)
{
	struct page *page = &p->pages[rows != p->pages[0].take.rows];

	assert(page->state == PAGE_PUSHING && page->take.rows == rows);
	if (outcomes == NULL) {
		page->state = PAGE_FREE;
		publish_goes_away(p);
		return;
	}
	page->state = PAGE_ACKING;
	if (page_settle(page, outcomes)) {
		p->behind_us = timers_mono_us(p->o.timers) + BEHIND_US;
		publish_waits(p);
	} else if (!is_behind(p))
		publish_in_time(p);
	page_submit_ack(page);
}
