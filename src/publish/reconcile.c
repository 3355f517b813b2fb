/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/timer.h"
#include "publish/cache.h"
#include "publish/compare.h"
#include "publish/reconcile.h"
#include "store/status_scan.h"

#define DAY_US (86400 * CLOCK_S_US)
#define LOGGED_MAX 20 /* differences of a pass; the others are counted */
#define PACE_MAX_US (CLOCK_S_US / 4)
#define SOON_US (5 * CLOCK_S_US) /* after a pass that was of no use */
#define BROKEN_MAX 3             /* passes in a row */

struct reconcile {
	struct reconcile_options o;
	struct compare *compare;
	struct timer timer;
	bool owner;
	int64_t fence;
	bool fill_wanted; /* the heartbeat waits for it */
	bool filling;     /* it is under way */

	/* the pass under way, and the last one */
	int64_t begun_us, compared, last_compared;
	int64_t drift, repaired, failed;
	unsigned int broken; /* passes in a row that broke off */
};

static void reconcile_pass(void *ctx);

int
reconcile_keep_day(int64_t wall_us, int64_t steady_us)
{
	int64_t now_us = wall_us < steady_us ? wall_us : steady_us;

	return clock_jst_ymd(now_us - RECONCILE_KEEP_DAYS * DAY_US);
}

/* ---- what a pass finds */

static void
log_drift(const struct compare_difference *d)
{
	log_error("publish", NULL,
	    "event=drift kind=%s done=%s key=%s store=%s/%" PRId64
	    " cache=%s/%c/%" PRId64
	    " hint=\"something else writes into the revocation cache, or one "
	    "of the two is an older copy\"",
	    compare_kind_name(d->kind), compare_done_name(d->done), d->key,
	    d->row->id == 0 ? "none" : store_status_name(d->row->status),
	    d->row->generation, record_found_name(d->record->found),
	    d->record->status == '\0' ? '-' : d->record->status,
	    d->record->generation);
}

/* While it is filled, records are expected to be missing. */
static bool
is_drift(const struct reconcile *r, const struct compare_difference *d)
{
	if (d->kind == COMPARE_OVER)
		return false;
	return !r->filling ||
	    (d->kind != COMPARE_MISSING && d->kind != COMPARE_BEHIND);
}

static void
on_difference(void *ctx, const struct compare_difference *d)
{
	struct reconcile *r = ctx;

	r->failed += d->done == COMPARE_FAILED; /* also while it is filled */
	if (!is_drift(r, d))
		return;
	r->drift++;
	metric_add(METRIC_CACHE_DRIFT, 1);
	if (d->done != COMPARE_FAILED && d->done != COMPARE_LEFT) {
		r->repaired++;
		metric_add(METRIC_CACHE_REPAIRED, 1);
	}
	if (d->done == COMPARE_FORCED || d->done == COMPARE_DROPPED)
		metric_add(METRIC_CACHE_FORCED, 1);
	if (r->drift <= LOGGED_MAX)
		log_drift(d);
}

static void
on_progress(void *ctx, int64_t compared)
{
	((struct reconcile *)ctx)->compared = compared;
}

/* ---- its end */

static void
on_told(void *ctx, const struct redisReply *reply)
{
	(void)ctx, (void)reply; /* it is for people to look at, no more */
}

static void
tell_pass(struct reconcile *r, int64_t took_us)
{
	struct redis_link *link = cache_link(r->o.cache);
	char values[RECONCILE_N_PASS_FIELDS][24];
	const char *argv[2 + 2 * RECONCILE_N_PASS_FIELDS] = { "HSET",
		RECONCILE_PASS_KEY };
	static const char *const names[] = { RECONCILE_PASS_FIELDS };
	const int64_t numbers[] = { timers_wall_us(r->o.timers), r->compared,
		r->drift, r->repaired, took_us };
	size_t i;

	if (link == NULL)
		return;
	for (i = 0; i < RECONCILE_N_PASS_FIELDS; i++) {
		snprintf(values[i], sizeof(values[i]), "%" PRId64, numbers[i]);
		argv[2 + 2 * i] = names[i];
		argv[3 + 2 * i] = values[i];
	}
	(void)redis_link_send(
	    link, 2 + 2 * RECONCILE_N_PASS_FIELDS, argv, NULL, on_told, r);
}

static void
pass_is_whole(struct reconcile *r)
{
	int64_t took_us = timers_mono_us(r->o.timers) - r->begun_us;

	metric_add(METRIC_CACHE_PASSES, 1);
	r->last_compared = r->compared;
	tell_pass(r, took_us);
	if (r->filling || r->drift > 0)
		log_info("publish", NULL,
		    "event=%s certificates=%" PRId64 " drift=%" PRId64
		    " repaired=%" PRId64 " ms=%" PRId64,
		    r->filling ? "filled" : "compared", r->compared, r->drift,
		    r->repaired, took_us / 1000);
}

/* By what a pass came to: is the cache what the store says? */
static void
reconcile_judge(struct reconcile *r, const char *why)
{
	if (why == NULL && r->failed == 0)
		r->broken = 0;
	else if (why != NULL)
		r->broken++;
	if (r->failed > 0) /* do the functions do what they say? */
		cache_check_library(r->o.cache);
	if (r->broken == 0 || r->broken >= BROKEN_MAX || r->failed > 0)
		r->o.on_doubt(r->o.ctx, r->broken > 0 || r->failed > 0);
}

static void
on_done(void *ctx, const char *why)
{
	struct reconcile *r = ctx;
	bool filled = r->filling, told_to = r->fill_wanted;
	int64_t next_us, every_us = r->o.every_us;

	if (why == NULL)
		pass_is_whole(r);
	else if (r->owner && cache_link(r->o.cache) != NULL && !told_to)
		log_warn("publish", NULL, "event=pass-broken why=\"%s\"", why);
	if (r->owner && cache_link(r->o.cache) != NULL && !told_to)
		reconcile_judge(r, why);
	if ((why != NULL || r->failed > 0) && every_us > SOON_US)
		every_us = SOON_US;
	r->filling = false;
	if (r->fill_wanted && r->owner) { /* asked for meanwhile */
		timer_start(r->o.timers, &r->timer, 0, reconcile_pass, r);
		return;
	}
	next_us = r->begun_us + every_us - timers_mono_us(r->o.timers);
	if (r->owner)
		timer_start(r->o.timers, &r->timer, next_us > 0 ? next_us : 0,
		    reconcile_pass, r);
	if (filled)
		r->o.on_filled(r->o.ctx, why == NULL);
}

/* ---- its beginning */

/* As much pause between pages as spreads the pass over half of its time, by
 * the size that the last one had. */
static int64_t
reconcile_pace(const struct reconcile *r)
{
	int64_t pages = r->last_compared / STORE_STATUS_PAGE + 1;
	int64_t pace_us = r->o.every_us / 2 / pages;

	return pace_us < PACE_MAX_US ? pace_us : PACE_MAX_US;
}

static void
reconcile_pass(void *ctx)
{
	struct reconcile *r = ctx;
	struct compare_pass pass = { .link = cache_link(r->o.cache),
		.repair = true,
		.fill = r->fill_wanted,
		.fence = r->fence };

	r->begun_us = timers_mono_us(r->o.timers);
	cache_check_library(r->o.cache);
	if (pass.link == NULL) {
		/* when it is back, the heartbeat decides what is to be done */
		timer_start(
		    r->o.timers, &r->timer, r->o.every_us, reconcile_pass, r);
		return;
	}
	pass.keep_day = reconcile_keep_day(
	    timers_wall_us(r->o.timers), timers_steady_us(r->o.timers));
	pass.pace_us = pass.fill ? 0 : reconcile_pace(r);
	r->filling = r->fill_wanted;
	r->fill_wanted = false;
	r->compared = r->drift = r->repaired = r->failed = 0;
	compare_start(r->compare, &pass);
}

void
reconcile_own(struct reconcile *r, bool owner, int64_t fence)
{
	r->owner = owner;
	r->fence = fence;
	r->fill_wanted = false;
	r->broken = 0;
	timer_stop(r->o.timers, &r->timer);
	compare_stop(r->compare, "the heartbeat has another owner");
	if (owner && !compare_running(r->compare))
		timer_start(r->o.timers, &r->timer, 0, reconcile_pass, r);
}

void
reconcile_fill(struct reconcile *r)
{
	r->fill_wanted = true;
	if (compare_running(r->compare)) {
		r->filling = false; /* this one is void */
		compare_stop(r->compare, "the cache must be filled first");
		return;
	}
	timer_start(r->o.timers, &r->timer, 0, reconcile_pass, r);
}

void
reconcile_link_down(struct reconcile *r)
{
	compare_stop(r->compare, "the link to Redis was lost");
}

struct reconcile *
reconcile_new(const struct reconcile_options *options)
{
	struct compare_options compare = { .store = options->store,
		.timers = options->timers,
		.mac = options->mac,
		.on_difference = on_difference,
		.on_progress = on_progress,
		.on_done = on_done };
	struct reconcile *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->o = *options;
	compare.ctx = r;
	if ((r->compare = compare_new(&compare)) == NULL) {
		free(r);
		return NULL;
	}
	return r;
}

void
reconcile_free(struct reconcile *r)
{
	if (r == NULL)
		return;
	timer_stop(r->o.timers, &r->timer);
	compare_free(r->compare);
	free(r);
}
