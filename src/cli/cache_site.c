/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/timer.h"
#include "cache_site.h"
#include "publish/cache.h"
#include "store/store.h"

#define LOST \
	"Redis cannot be used, for the reason above; see to redis.address and " \
	"the settings beside it"

/* ---- the loop */

void
cache_site_turn(struct cache_site *s, int64_t at_most_us)
{
	if (store_pending(s->site.store) > 0) {
		store_dispatch(s->site.store);
		at_most_us = 0;
	}
	loop_turn(&s->loop, at_most_us);
}

int
cache_site_run(struct cache_site *s, const bool *done, struct err *err)
{
	while (!*done) {
		if (s->down)
			return err_set(err, ERR_IO, LOST);
		cache_site_turn(s, CLOCK_S_US);
	}
	return 0;
}

/* ---- the link */

static void
on_up(void *ctx, const struct redis_server *server)
{
	struct cache_site *s = ctx;

	(void)server;
	s->up = true;
	redis_link_good(s->link);
}

static void
on_cache_up(void *ctx)
{
	((struct cache_site *)ctx)->up = true;
}

static void
on_down(void *ctx)
{
	((struct cache_site *)ctx)->down = true;
}

static void
on_settled(void *ctx, const struct store_outbox_row *rows,
    const enum publish_outcome *outcomes)
{
	(void)ctx, (void)rows, (void)outcomes; /* nothing is pushed from here */
}

/* A command does not try for ever, as a server does. */
static void
on_too_late(void *ctx)
{
	((struct cache_site *)ctx)->down = true;
}

static int
connect_to_read(struct cache_site *s, struct err *err)
{
	struct redis_link_options o = { .base = s->loop.base,
		.timers = s->loop.timers,
		.want = REDIS_MASTER,
		.timeout_s = redis_timeout_s(s->site.conf),
		.retry_us = s->site.conf->redis_retry_us,
		.module = "cache",
		.hint = "this command needs it",
		.lost = METRIC_PUBLISH_LINK_LOST,
		.on_up = on_up,
		.on_down = on_down,
		.ctx = s };

	redis_place_from_conf(s->site.conf, false, &o.place);
	s->link = redis_link_new(&o, err);
	return s->link == NULL ? -1 : 0;
}

static int
connect_to_write(struct cache_site *s, struct err *err)
{
	struct cache_options o = { .base = s->loop.base,
		.timers = s->loop.timers,
		.timeout_s = redis_timeout_s(s->site.conf),
		.retry_us = s->site.conf->redis_retry_us,
		.mac = s->mac,
		.on_up = on_cache_up,
		.on_down = on_down,
		.on_settled = on_settled,
		.ctx = s };

	redis_place_from_conf(s->site.conf, false, &o.place);
	s->cache = cache_new(&o, err);
	return s->cache == NULL ? -1 : 0;
}

int
cache_site_open(
    struct cache_site *s, const char *conf, bool writes, struct err *err)
{
	struct timer late = { 0 };
	int rc;

	memset(s, 0, sizeof(*s));
	if (cli_open(&s->site, conf, err) == -1 ||
	    loop_open(&s->loop, err) == -1)
		return -1;
	if (redis_mac_load(s->site.conf, &s->mac, err) == -1)
		return -1;
	rc = writes ? connect_to_write(s, err) : connect_to_read(s, err);
	if (rc == -1)
		return -1;
	timer_start(s->loop.timers, &late, s->site.conf->redis_timeout_us,
	    on_too_late, s);
	rc = cache_site_run(s, &s->up, err);
	timer_stop(s->loop.timers, &late);
	return rc;
}

void
cache_site_close(struct cache_site *s)
{
	store_close(s->site.store);
	s->site.store = NULL;
	redis_link_free(s->link);
	cache_free(s->cache);
	loop_close(&s->loop);
	keyring_free(s->mac);
	cli_close(&s->site);
}

struct redis_link *
cache_site_link(struct cache_site *s)
{
	return s->cache != NULL ? cache_link(s->cache) : s->link;
}

/* ---- one question */

struct question {
	resp_reply_fn *fn;
	void *ctx;
	bool done, lost;
};

static void
on_answer(void *ctx, const struct redisReply *reply)
{
	struct question *q = ctx;

	q->done = true;
	q->lost = reply == NULL;
	if (reply != NULL)
		q->fn(q->ctx, reply);
}

int
cache_site_ask(struct cache_site *s, int argc, const char **argv,
    resp_reply_fn *fn, void *ctx, struct err *err)
{
	struct redis_link *link = cache_site_link(s);
	struct question q = { .fn = fn, .ctx = ctx };

	if (link == NULL ||
	    redis_link_send(link, argc, argv, NULL, on_answer, &q) == -1)
		return err_set(err, ERR_IO, LOST);
	while (!q.done) /* it comes: a lost link brings NULL */
		cache_site_turn(s, CLOCK_S_US);
	return q.lost ? err_set(err, ERR_IO, LOST) : 0;
}
