/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/str.h"
#include "base/timer.h"
#include "publish/beat.h"
#include "publish/cache.h"
#include "publish/library.h"
#include "store/status_scan.h"

#define BEAT_US CLOCK_S_US
/* An owner that dies is followed before its last beat is stale. */
#define LEASE_US (3 * CLOCK_S_US)
#define SERVER_HEX 8 /* the end of an epoch: which server it is about */

enum state {
	BEAT_AWAY,    /* for the link, or the lease */
	BEAT_UNREAD,  /* for the watermark that is there */
	BEAT_FILLING, /* for beat_filled() */
	BEAT_WHOLE    /* the cache is known to be whole */
};

struct beat {
	struct beat_options o;
	struct timer tick;
	bool stopped;

	/* the lease */
	bool asking; /* the store, for the lease or for the progress */
	int64_t asked_us;
	bool owner;
	int64_t fence, until_us; /* by the monotonic clock */
	int64_t above;           /* a later fence that was met in the cache */
	struct store_lease lease;
	struct store_status_progress progress;

	/* the watermark */
	enum state state;
	bool link_up, sending, fill_asked, said_refused;
	char server[SERVER_HEX + 1];
	uint32_t epochs; /* made under this fence */
	char epoch[WATERMARK_EPOCH_HEX + 1];
	/* of the beat under way */
	char sent_epoch[WATERMARK_EPOCH_HEX + 1], sent_seq[RECORD_TEXT_SIZE];
	char expect[WATERMARK_EPOCH_HEX + 1]; /* that stands there; "" =
						     whatever does */
	char expect_seq[RECORD_TEXT_SIZE];
	char nobodys[RECORD_TEXT_SIZE]; /* fence that stands there; "" = none */
	int64_t seq;
	int64_t skew_us; /* wall clock - monotonic clock */

	/* how long something waits */
	int64_t mark_seq, mark_us;
	bool withheld, doubted, unwanted;
};

static void beat_tick(void *ctx);

static int64_t
mono_us(const struct beat *b)
{
	return timers_mono_us(b->o.timers);
}

static void
beat_soon(struct beat *b)
{
	if (!b->stopped)
		timer_start(b->o.timers, &b->tick, 0, beat_tick, b);
}

/* ---- epochs */

static void
epoch_next(struct beat *b)
{
	snprintf(b->epoch, sizeof(b->epoch), "%016" PRIx64 "%08" PRIx32 "%s",
	    (uint64_t)b->fence, ++b->epochs, b->server);
}

/* Which server, in this run of it, with this history?  All zeros when it does
 * not say: then no two are the same. */
static void
server_word(const struct redis_server *server, char out[SERVER_HEX + 1])
{
	uint32_t run = 0, history = 0;

	if (sscanf(server->run_id, "%8" SCNx32, &run) == 1 &&
	    sscanf(server->replid, "%8" SCNx32, &history) == 1)
		run ^= history;
	else
		run = 0;
	snprintf(out, SERVER_HEX + 1, "%08" PRIx32, run);
}

/* Was this watermark made for the server that we are connected to? */
static bool
is_of_server(const struct beat *b, const struct watermark *wm)
{
	return strcmp(b->server, "00000000") != 0 &&
	    strcmp(wm->epoch + WATERMARK_EPOCH_HEX - SERVER_HEX, b->server) ==
	    0;
}

/* ---- whose it is */

static void
beat_lose(struct beat *b)
{
	if (!b->owner)
		return;
	b->owner = false;
	b->state = BEAT_AWAY;
	log_info(
	    "publish", NULL, "event=heartbeat-lost fence=%" PRId64, b->fence);
	b->o.on_owner(b->o.ctx, false, b->fence);
}

static void
beat_read(struct beat *b)
{
	b->state = b->owner && b->link_up ? BEAT_UNREAD : BEAT_AWAY;
}

static void
beat_own(struct beat *b, int64_t fence)
{
	if (b->owner && b->fence == fence)
		return;
	b->owner = true;
	b->fence = fence;
	b->epochs = 0;
	b->seq = 0;
	b->mark_us = 0;
	b->doubted = false;
	log_info(
	    "publish", NULL, "event=heartbeat-owned fence=%" PRId64, fence);
	beat_read(b);
	b->o.on_owner(b->o.ctx, true, fence);
}

/* A later owner has written the watermark: the store must give us a fence
 * above it, or the lease to that owner. */
static void
beat_fenced(struct beat *b, int64_t fence)
{
	log_warn("publish", NULL,
	    "event=heartbeat-fenced ours=%" PRId64 " there=%" PRId64
	    " hint=\"another server took over, or the store is an older copy; "
	    "a higher number is asked for\"",
	    b->fence, fence);
	b->above = fence;
	beat_lose(b);
	beat_soon(b);
}

/* ---- filling */

static void
beat_fill(struct beat *b, const char *why)
{
	log_warn("publish", NULL,
	    "event=cache-filling why=\"%s\" hint=\"responders answer try "
	    "later for what has no record until it is complete\"",
	    why);
	metric_add(METRIC_CACHE_FILLS, 1);
	b->state = BEAT_FILLING;
	b->expect[0] = '\0';
	b->fill_asked = true;
	epoch_next(b);
	b->o.on_fill(b->o.ctx);
}

/* ---- what waits */

/*
 * Of what was numbered up to the mark something still waits: then it waits at
 * least since the mark was set.  No clock of the rows is asked.
 */
static bool
is_stuck(struct beat *b)
{
	int64_t now_us = mono_us(b), unsafe = b->progress.unsafe;

	if (b->mark_us == 0 || unsafe == 0 || unsafe > b->mark_seq) {
		b->mark_seq = b->progress.issued;
		b->mark_us = now_us;
		return false;
	}
	return b->o.stuck_us != 0 && now_us - b->mark_us > b->o.stuck_us;
}

static void
beat_withhold(struct beat *b)
{
	bool stuck = is_stuck(b);

	if (stuck && !b->withheld) {
		metric_add(METRIC_CACHE_WITHHELD, 1);
		log_error("publish", NULL,
		    "event=heartbeat-withheld hint=\"a hold is stored and has "
		    "not come to the cache for too long; responders answer try "
		    "later instead of good; see to not-published and Redis\"");
	} else if (!stuck && b->withheld)
		log_info("publish", NULL, "event=heartbeat-complete");
	b->withheld = stuck;
}

/* ---- the beat */

static void
beat_number(struct beat *b)
{
	const struct store_status_progress *p = &b->progress;
	int64_t seq = p->waiting == 0 ? p->issued : p->waiting - 1;

	if (seq < b->seq) /* a row came late: readers begin anew */
		epoch_next(b);
	b->seq = seq;
}

static void on_beat(void *ctx, const struct redisReply *reply);

static void
beat_send(struct beat *b)
{
	struct redis_link *link = cache_link(b->o.cache);
	struct watermark wm = { .complete = b->state == BEAT_WHOLE };
	struct watermark_text text;

	if (link == NULL || b->sending)
		return;
	beat_number(b);
	beat_withhold(b);
	str_copy(wm.epoch, sizeof(wm.epoch), b->epoch);
	wm.seq = b->seq;
	wm.time_us = timers_wall_us(b->o.timers);
	wm.fence = b->fence;
	wm.complete = wm.complete && !b->withheld && !b->doubted;
	watermark_format(&wm, b->o.mac, &text);
	str_copy(b->sent_epoch, sizeof(b->sent_epoch), b->epoch);
	str_copy(b->sent_seq, sizeof(b->sent_seq), text.seq);
	if (library_send_beat(link, &text, b->expect, b->expect_seq, b->nobodys,
		on_beat, b) == 0)
		b->sending = true;
}

static bool
reply_is(const struct redisReply *reply, const char *word)
{
	return reply->type == REDIS_REPLY_STRING &&
	    strcmp(reply->str, word) == 0;
}

static void
beat_refused(struct beat *b, const struct redisReply *reply)
{
	const char *why =
	    reply->type == REDIS_REPLY_ERROR ? reply->str : "an odd reply";

	if (strstr(why, "Function not found") != NULL) {
		cache_library_gone(b->o.cache);
		return;
	}
	if (!b->said_refused)
		log_error("publish", NULL,
		    "event=heartbeat-refused error=\"%s\" hint=\"see to Redis; "
		    "responders answer try later for what has no record\"",
		    why);
	b->said_refused = true;
}

static void
on_beat(void *ctx, const struct redisReply *reply)
{
	struct beat *b = ctx;

	b->sending = false;
	if (reply == NULL || b->state < BEAT_FILLING)
		return;
	if (reply_is(reply, "beat")) {
		str_copy(b->expect, sizeof(b->expect), b->sent_epoch);
		str_copy(b->expect_seq, sizeof(b->expect_seq), b->sent_seq);
		b->nobodys[0] = '\0';
		b->said_refused = false;
		metric_add(METRIC_CACHE_BEATS, 1);
	} else if (reply_is(reply, "other")) {
		beat_fill(b, "the watermark is gone or another one's");
		beat_send(b);
	} else if (reply_is(reply, "fenced")) {
		beat_read(b); /* whose is it? */
		beat_soon(b);
	} else
		beat_refused(b, reply);
}

/* ---- the watermark that is there */

/* Why the cache may not be whole; NULL: it is. */
static const char *
watermark_doubt(const struct beat *b, const struct watermark *wm)
{
	if (wm->found == RECORD_ABSENT)
		return "there is no watermark";
	if (wm->found != RECORD_WHOLE)
		return "the watermark is no publisher's";
	if (!is_of_server(b, wm))
		return "the watermark was made for another server, or before "
		       "this one was restarted";
	if (!wm->complete)
		return "whoever filled it did not come to an end";
	if (wm->time_us > timers_wall_us(b->o.timers) + WATERMARK_AGE_US)
		return "the watermark is from the future: a clock was set";
	if (wm->seq > b->progress.issued)
		return "the store is older than the cache";
	return NULL;
}

static void
on_watermark(void *ctx, const struct redisReply *reply)
{
	struct beat *b = ctx;
	struct watermark wm;
	const char *doubt;

	b->sending = false;
	if (reply == NULL || b->state != BEAT_UNREAD)
		return;
	watermark_parse(&wm, b->o.mac, reply);
	if (wm.found == RECORD_UNREAD) {
		beat_refused(b, reply);
		return;
	}
	if (wm.found == RECORD_WHOLE &&
	    wm.fence > b->fence + WATERMARK_FENCE_STEP)
		wm.found = RECORD_MALFORMED; /* of an owner that cannot be */
	if (wm.found == RECORD_WHOLE && wm.fence > b->fence) {
		beat_fenced(b, wm.fence);
		return;
	}
	b->nobodys[0] = '\0';
	if ((wm.found == RECORD_UNSIGNED || wm.found == RECORD_MALFORMED) &&
	    reply->type == REDIS_REPLY_ARRAY &&
	    reply->element[4]->type == REDIS_REPLY_STRING)
		(void)str_copy(
		    b->nobodys, sizeof(b->nobodys), reply->element[4]->str);
	if ((doubt = watermark_doubt(b, &wm)) != NULL)
		beat_fill(b, doubt);
	else {
		b->state = BEAT_WHOLE;
		str_copy(b->expect, sizeof(b->expect), wm.epoch);
		snprintf(
		    b->expect_seq, sizeof(b->expect_seq), "%" PRId64, wm.seq);
		epoch_next(b);
	}
	beat_send(b);
}

static void
beat_read_watermark(struct beat *b)
{
	struct redis_link *link = cache_link(b->o.cache);

	if (link != NULL && !b->sending &&
	    library_send_watermark(link, on_watermark, b) == 0)
		b->sending = true;
}

/* ---- every second */

/* A clock that was set back: what was dropped because certificates had ended
 * may be missing again. */
static void
beat_watch_clock(struct beat *b)
{
	int64_t skew_us = timers_wall_us(b->o.timers) - mono_us(b);

	if (b->state == BEAT_WHOLE && skew_us < b->skew_us - WATERMARK_AGE_US)
		beat_fill(b, "this server's clock was set back");
	b->skew_us = skew_us;
}

static void
on_progress(struct store_req *req)
{
	struct beat *b = req->ctx;

	b->asking = false;
	if (b->stopped || !b->owner || req->err.code != ERR_NONE)
		return; /* the store's trouble is told by others */
	beat_watch_clock(b);
	if (b->state == BEAT_UNREAD)
		beat_read_watermark(b);
	else if (b->state >= BEAT_FILLING) {
		if (b->state == BEAT_FILLING && !b->fill_asked) {
			b->fill_asked = true;
			b->o.on_fill(b->o.ctx);
		}
		beat_send(b);
	}
}

/* A store that has nobody may be the wrong one: what the cache has is left
 * alone, and is proved by nobody. */
static void
beat_say_unwanted(struct beat *b)
{
	if (b->lease.not_whole && !b->unwanted)
		log_warn("publish", NULL,
		    "event=heartbeat-unwanted hint=\"nobody is on record, or a "
		    "first load of the registry has not ended: the cache is "
		    "left alone and responders answer try later; import the "
		    "registry, go on with the first load, or see that store "
		    "names the right place\"");
	b->unwanted = b->lease.not_whole;
}

static void
on_lease(struct store_req *req)
{
	struct beat *b = req->ctx;

	b->asking = false;
	if (b->stopped || req->err.code != ERR_NONE)
		return; /* what was ours is ours until its end */
	beat_say_unwanted(b);
	if (!b->lease.held || mono_us(b) >= b->asked_us + LEASE_US) {
		beat_lose(b);
		return;
	}
	b->until_us = b->asked_us + LEASE_US;
	beat_own(b, b->lease.fence);
	b->asking = true;
	b->progress.req = (struct store_req){ .done = on_progress, .ctx = b };
	store_status_progress(b->o.store, &b->progress);
}

static void
beat_ask(struct beat *b, bool release)
{
	b->asking = true;
	b->asked_us = mono_us(b);
	memset(&b->lease, 0, sizeof(b->lease));
	str_copy(b->lease.name, sizeof(b->lease.name), STORE_LEASE_BEAT);
	str_copy(b->lease.node, sizeof(b->lease.node), b->o.node);
	b->lease.ttl_us = LEASE_US;
	b->lease.above = b->above;
	b->lease.release = release;
	b->lease.if_whole = true;
	b->lease.req.done = on_lease;
	b->lease.req.ctx = b;
	store_lease(b->o.store, &b->lease);
}

static void
beat_tick(void *ctx)
{
	struct beat *b = ctx;

	timer_start(b->o.timers, &b->tick, BEAT_US, beat_tick, b);
	if (b->owner && mono_us(b) >= b->until_us)
		beat_lose(b); /* the store is silent: another may own it */
	if (!b->asking)
		beat_ask(b, false);
}

/* ---- beginning and end */

struct beat *
beat_new(const struct beat_options *options)
{
	struct beat *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->o = *options;
	b->skew_us = timers_wall_us(b->o.timers) - mono_us(b);
	timer_start(b->o.timers, &b->tick, 0, beat_tick, b);
	return b;
}

void
beat_free(struct beat *b)
{
	if (b == NULL)
		return;
	timer_stop(b->o.timers, &b->tick);
	free(b);
}

void
beat_stop(struct beat *b)
{
	b->stopped = true;
	timer_stop(b->o.timers, &b->tick);
	if (b->owner && !b->asking)
		beat_ask(b, true);
	b->state = BEAT_AWAY;
}

void
beat_link_up(struct beat *b)
{
	b->link_up = true;
	server_word(cache_server(b->o.cache), b->server);
	beat_read(b);
	beat_soon(b);
}

void
beat_link_down(struct beat *b)
{
	b->link_up = false;
	b->state = BEAT_AWAY;
}

void
beat_filled(struct beat *b, bool ok)
{
	b->fill_asked = false;
	if (!ok || b->state != BEAT_FILLING)
		return;
	log_info("publish", NULL, "event=cache-complete");
	b->state = BEAT_WHOLE;
	beat_send(b);
}

void
beat_doubt(struct beat *b, bool doubted)
{
	if (doubted && !b->doubted) {
		metric_add(METRIC_CACHE_WITHHELD, 1);
		log_error("publish", NULL,
		    "event=heartbeat-withheld hint=\"the cache is not what the "
		    "store says, and cannot be repaired: see the lines before; "
		    "responders answer try later instead of good\"");
	} else if (!doubted && b->doubted)
		log_info("publish", NULL, "event=heartbeat-complete");
	b->doubted = doubted;
}
