/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/timer.h"
#include "ocsp/lookup.h"
#include "wire/redis_link.h"

#define LOOK_US CLOCK_S_US /* the watermark is read so often when idle */

STAILQ_HEAD(asks, ocsp_ask);

/* Asked together.  Replies come in the order of the commands: the records,
 * then the watermark. */
struct batch {
	struct ocsp_lookup *lookup;
	struct batch *next;
	struct asks asks;
	struct ocsp_ask *at; /* whose reply is next; NULL = the watermark's */
	size_t nr;           /* of its questions */
	struct timer late;
	bool over; /* all were told; replies that still come are dropped */
};

struct ocsp_lookup {
	struct ocsp_lookup_options o;
	struct redis_link *link;
	struct event *turn; /* owned; the end of this turn of the loop */
	struct asks waiting;
	struct batch *batches; /* whose replies have not all come */
	struct timer look;
	struct watermark before; /* the last one read on this connection */
	struct watermark_seen seen;
	bool up, proven;
	char why[160]; /* not proven; as logged last */
};

/* ---- the watermark */

static void
lookup_log(struct ocsp_lookup *l, bool proven, const char *why)
{
	if (proven == l->proven && strcmp(why, l->why) == 0)
		return;
	if (proven)
		log_info(
		    "ocsp", NULL, "event=proven epoch=%s", l->before.epoch);
	else
		log_error("ocsp", NULL,
		    "event=unproven why=\"%s\" hint=\"good is answered by "
		    "tryLater until the cache proves itself again\"",
		    why);
	l->proven = proven;
	snprintf(l->why, sizeof(l->why), "%s", why);
}

/* Why a watermark is no proof, without figures that change every second. */
static const char *
watermark_flaw(const struct watermark *wm, int64_t now_us)
{
	if (wm->found == RECORD_ABSENT)
		return "there is no watermark: the cache is empty, or no "
		       "holdlined publishes into it";
	if (wm->found != RECORD_WHOLE)
		return record_found_name(wm->found);
	if (!wm->complete)
		return "the publisher is still filling the cache";
	if (wm->time_us > now_us + WATERMARK_AGE_US)
		return "the publisher's clock is ahead of this machine's by "
		       "more than 5 s; set the clocks";
	if (wm->time_us < now_us - WATERMARK_AGE_US)
		return "the watermark is older than 5 s: no holdlined "
		       "publishes, or its clock is behind this machine's";
	return "the cache is behind what it was: a fail-over lost data";
}

/* A watermark was read.  Does it, after the one before it, prove that what
 * was absent between the two is good? */
static bool
lookup_take_watermark(struct ocsp_lookup *l, const struct watermark *wm)
{
	int64_t now_us = timers_wall_us(l->o.timers);
	bool same = l->before.found == RECORD_WHOLE && l->before.complete &&
	    strcmp(l->before.epoch, wm->epoch) == 0;
	bool proves = watermark_proves(wm, &l->seen, now_us);

	watermark_note(&l->seen, wm, now_us);
	l->before = *wm;
	lookup_log(l, proves, proves ? "" : watermark_flaw(wm, now_us));
	return proves && same;
}

/* ---- a batch */

/* Tell everybody; the batch itself stays for the replies that are missing. */
static void
batch_tell(struct batch *b, const struct watermark *wm)
{
	struct ocsp_lookup *l = b->lookup;
	int64_t now_us = timers_wall_us(l->o.timers);
	struct ocsp_question *q;
	struct ocsp_ask *ask;
	size_t i;

	timer_stop(l->o.timers, &b->late);
	b->over = true;
	while ((ask = STAILQ_FIRST(&b->asks)) != NULL) {
		STAILQ_REMOVE_HEAD(&b->asks, link);
		for (i = 0; i < ask->n; i++) {
			q = &ask->questions[i];
			q->verdict =
			    record_judge(&q->record, wm, &l->seen, now_us);
		}
		ask->done(ask);
	}
}

static const struct watermark no_watermark = { .found = RECORD_UNREAD };

static void
on_late(void *ctx)
{
	batch_tell(ctx, &no_watermark);
}

static void
batch_forget(struct batch *b)
{
	struct batch **at = &b->lookup->batches;

	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	free(b);
}

/* To the next question that has no reply. */
static void
batch_step(struct batch *b)
{
	while (b->at != NULL && b->nr >= b->at->n) {
		b->at = STAILQ_NEXT(b->at, link);
		b->nr = 0;
	}
}

static void
on_record(void *ctx, const struct redisReply *reply)
{
	struct batch *b = ctx;
	struct ocsp_question *q;

	if (b->over)
		return;
	q = &b->at->questions[b->nr++];
	if (reply != NULL)
		record_parse(&q->record, q->key, b->lookup->o.mac, reply);
	batch_step(b);
}

static void
on_watermark(void *ctx, const struct redisReply *reply)
{
	struct watermark wm;
	struct batch *b = ctx;
	struct ocsp_lookup *l = b->lookup;
	bool proves = false; /* without a reply; on_down() follows */

	if (reply != NULL) {
		watermark_parse(&wm, l->o.mac, reply);
		proves = lookup_take_watermark(l, &wm);
	}
	if (!b->over)
		batch_tell(b, proves ? &wm : &no_watermark);
	batch_forget(b);
}

static int
send_watermark(struct ocsp_lookup *l, resp_reply_fn *fn, void *ctx)
{
	static const char *argv[] = { "HMGET", WATERMARK_KEY,
		WATERMARK_FIELDS };

	return redis_link_send(
	    l->link, 2 + WATERMARK_N_FIELDS, argv, NULL, fn, ctx);
}

static int
send_record(struct batch *b, const struct ocsp_question *q)
{
	const char *argv[] = { "HMGET", q->key, RECORD_FIELDS };

	return redis_link_send(
	    b->lookup->link, 2 + RECORD_N_FIELDS, argv, NULL, on_record, b);
}

/* Send all of it.  -1: not everything went out. */
static int
batch_send(struct batch *b)
{
	struct ocsp_ask *ask;
	size_t i;

	STAILQ_FOREACH(ask, &b->asks, link)
	for (i = 0; i < ask->n; i++)
		if (send_record(b, &ask->questions[i]) == -1)
			return -1;
	return send_watermark(b->lookup, on_watermark, b);
}

/* Take as many of those who wait as the link has room for. */
static struct batch *
batch_new(struct ocsp_lookup *l)
{
	struct batch *b = calloc(1, sizeof(*b));
	size_t room = redis_link_room(l->link), need = 1;
	struct ocsp_ask *ask;

	if (b == NULL)
		return NULL;
	b->lookup = l;
	STAILQ_INIT(&b->asks);
	while ((ask = STAILQ_FIRST(&l->waiting)) != NULL &&
	    need + ask->n <= room) {
		need += ask->n;
		STAILQ_REMOVE_HEAD(&l->waiting, link);
		STAILQ_INSERT_TAIL(&b->asks, ask, link);
	}
	b->at = STAILQ_FIRST(&b->asks);
	batch_step(b);
	b->next = l->batches;
	l->batches = b;
	return b;
}

/* Those for whom there is no room, or no link. */
static void
lookup_turn_away(struct ocsp_lookup *l)
{
	struct batch rest = { .lookup = l };

	STAILQ_INIT(&rest.asks);
	STAILQ_CONCAT(&rest.asks, &l->waiting);
	batch_tell(&rest, &no_watermark);
}

static void on_look(void *ctx);

static void
lookup_send(struct ocsp_lookup *l)
{
	struct batch *b = NULL;

	if (l->up && redis_link_room(l->link) > 0)
		b = batch_new(l);
	if (b != NULL) {
		timer_start(l->o.timers, &b->late, l->o.wait_us, on_late, b);
		/* Half a batch would take its replies for others': the link
		 * is dropped, and with it all that is in flight. */
		if (batch_send(b) == -1)
			redis_link_refuse(l->link,
			    "not all of a look-up could be sent", NULL);
		timer_start(l->o.timers, &l->look, LOOK_US, on_look, l);
	}
	if (!STAILQ_EMPTY(&l->waiting))
		lookup_turn_away(l);
}

/* Nobody has asked for a while: a batch of nothing but the watermark. */
static void
on_look(void *ctx)
{
	lookup_send(ctx);
}

static void
on_turn(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	lookup_send(ctx);
}

void
ocsp_lookup_ask(struct ocsp_lookup *l, struct ocsp_ask *ask)
{
	size_t i;

	for (i = 0; i < ask->n; i++)
		ask->questions[i].record.found = RECORD_UNREAD;
	if (STAILQ_EMPTY(&l->waiting))
		event_active(l->turn, EV_TIMEOUT, 0);
	STAILQ_INSERT_TAIL(&l->waiting, ask, link);
}

bool
ocsp_lookup_proven(const struct ocsp_lookup *l)
{
	return l->proven;
}

/* ---- the link */

/* Nothing is asked before one watermark has been read. */
static void
on_first(void *ctx, const struct redisReply *reply)
{
	struct ocsp_lookup *l = ctx;
	struct watermark wm;

	if (reply == NULL)
		return; /* on_down() follows */
	if (reply->type == REDIS_REPLY_ERROR &&
	    strncmp(reply->str, "WRONGTYPE", 9) != 0) {
		redis_link_refuse(l->link, reply->str,
		    "the responder reads jpki:wm and jpki:st:* by HMGET; let "
		    "its user do that");
		return;
	}
	watermark_parse(&wm, l->o.mac, reply);
	(void)lookup_take_watermark(l, &wm);
	l->up = true;
	redis_link_good(l->link);
	timer_start(l->o.timers, &l->look, LOOK_US, on_look, l);
}

static void
on_up(void *ctx, const struct redis_server *server)
{
	struct ocsp_lookup *l = ctx;

	(void)server;
	l->before = no_watermark;
	if (send_watermark(l, on_first, l) == -1)
		redis_link_refuse(
		    l->link, "a command could not be sent", "see to it");
}

/* Batches of which not everything was sent get no last reply. */
static void
lookup_drop_batches(struct ocsp_lookup *l)
{
	struct batch *b;

	while ((b = l->batches) != NULL) {
		if (!b->over)
			batch_tell(b, &no_watermark);
		batch_forget(b);
	}
}

static void
on_down(void *ctx)
{
	struct ocsp_lookup *l = ctx;

	l->up = false;
	timer_stop(l->o.timers, &l->look);
	lookup_drop_batches(l);
	l->before = no_watermark;
	lookup_log(l, false, "there is no link to the cache");
}

struct ocsp_lookup *
ocsp_lookup_new(const struct ocsp_lookup_options *options, struct err *err)
{
	struct ocsp_lookup *l = calloc(1, sizeof(*l));
	struct redis_link_options link = *options->link;

	if (l == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	l->o = *options;
	l->before = no_watermark;
	STAILQ_INIT(&l->waiting);
	link.base = l->o.base;
	link.timers = l->o.timers;
	link.on_up = on_up;
	link.on_down = on_down;
	link.ctx = l;
	if ((l->turn = event_new(l->o.base, -1, 0, on_turn, l)) == NULL)
		err_set(err, ERR_NOMEM, "out of memory");
	else if ((l->link = redis_link_new(&link, err)) != NULL)
		return l;
	ocsp_lookup_free(l);
	return NULL;
}

void
ocsp_lookup_free(struct ocsp_lookup *l)
{
	if (l == NULL)
		return;
	l->up = false;
	timer_stop(l->o.timers, &l->look);
	redis_link_free(l->link); /* forgets what is in flight */
	lookup_drop_batches(l);
	lookup_turn_away(l);
	if (l->turn != NULL)
		event_free(l->turn);
	free(l);
}
