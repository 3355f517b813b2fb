/* SPDX-License-Identifier: Apache-2.0 */
/*
 * site_world.h -- a store and a real redis-server under one loop, in virtual
 * time: what stands between the two is the test's.
 */
#ifndef TESTS_SITE_WORLD_H
#define TESTS_SITE_WORLD_H

#include "redis_world.h"
#include "store_world.h"

#include "base/err.h"
#include "base/secret.h"
#include "base/timer.h"
#include "publish/cache.h"
#include "publish/library.h"

#define KEY(serial) "jpki:st:" ISSUER ":" serial

struct site {
	struct world *w; /* the store, and the wall clock */
	struct server server;
	struct event_base *base;
	struct timers *timers;
	int64_t mono_us, stop_us; /* time jumps no further than this */
	struct cache *cache;
	struct keyring *mac;
	int ups;
	void *test; /* the test's own */
};

static inline int64_t
site_mono(void *ctx)
{
	return ((struct site *)ctx)->mono_us;
}

static inline int64_t
site_wall(void *ctx)
{
	return ((struct site *)ctx)->w->now_us;
}

/* All time passes together. */
static inline void
site_pass(struct site *s, int64_t us)
{
	s->mono_us += us;
	s->w->now_us += us;
}

/* Before each turn: the store's work, then the next timer. */
static inline bool
site_idle(void *ctx)
{
	struct site *s = ctx;
	int64_t next_us;

	if (s->w->store != NULL && store_pending(s->w->store) > 0) {
		store_dispatch(s->w->store);
		return true;
	}
	next_us = timers_next(s->timers);
	if (next_us == INT64_MAX || next_us > s->stop_us)
		return false;
	if (next_us > s->mono_us)
		site_pass(s, next_us - s->mono_us);
	timers_run(s->timers);
	return true;
}

static inline void
site_until(struct site *s, bool (*until)(void *ctx))
{
	s->stop_us = INT64_MAX;
	loop_until(s->base, until, site_idle, s);
}

static inline void
site_on_up(void *ctx)
{
	((struct site *)ctx)->ups++;
}

static inline bool
site_is_up(void *ctx)
{
	return ((struct site *)ctx)->ups > 0;
}

/* A key that signs records; another one for another digit. */
static inline struct keyring *
site_key(int digit)
{
	char path[] = "/tmp/holdline-test-key.XXXXXX", line[80];
	struct keyring *k;
	struct err err;
	int fd = mkstemp(path), n;

	n = snprintf(line, sizeof(line), "cache 1 %064d\n", digit);
	assert_int_equal(write(fd, line, (size_t)n), n);
	close(fd);
	if ((k = keyring_load_cache(path, &err)) == NULL)
		fail_msg("%s", err.text);
	unlink(path);
	return k;
}

/* Without a link yet. */
static inline struct site *
site_new(void)
{
	struct site *s = calloc(1, sizeof(*s));
	struct timer_clock clock = { site_mono, site_wall, s };

	s->w = world_folder();
	s->w->store = world_open_store(s->w, 0);
	server_folder(&s->server);
	server_start(&s->server);
	s->base = event_base_new();
	s->mono_us = CLOCK_S_US;
	s->timers = timers_new(&clock);
	return s;
}

/* Connect, and wait until it is up. */
static inline void
site_connect(struct site *s, struct cache_options *o)
{
	struct err err;

	o->base = s->base;
	o->timers = s->timers;
	o->place = (struct redis_place){ .address = s->server.address,
		.master = "",
		.user = "",
		.password_file = "",
		.files = { "", "", "", "" } };
	o->timeout_s = 60; /* a test may keep the loop waiting */
	o->retry_us = 100000;
	o->mac = s->mac;
	if ((s->cache = cache_new(o, &err)) == NULL)
		fail_msg("%s", err.text);
}

/* What the test made must be gone, apart from the cache. */
static inline void
site_free(struct site *s)
{
	cache_free(s->cache);
	keyring_free(s->mac);
	timers_free(s->timers);
	event_base_loop(s->base, EVLOOP_NONBLOCK);
	event_base_free(s->base);
	server_remove(&s->server);
	world_remove(s->w);
	free(s->w);
	free(s);
}

/* A command of words with blanks between; its answer in s->... a static
 * buffer, good until the next one. */
static inline const char *
site_redis(struct site *s, const char *command)
{
	static char out[400];
	redisContext *redis = redisConnectUnix(s->server.path);
	redisReply *r = redisCommand(redis, command);
	size_t i, used = 0;

	out[0] = '\0';
	for (i = 0; i < (r->type == REDIS_REPLY_ARRAY ? r->elements : 1); i++) {
		redisReply *e =
		    r->type == REDIS_REPLY_ARRAY ? r->element[i] : r;

		used += (size_t)(e->type == REDIS_REPLY_INTEGER
			? snprintf(out + used, sizeof(out) - used, "%s%lld",
			      i > 0 ? " " : "", e->integer)
			: snprintf(out + used, sizeof(out) - used, "%s%s",
			      i > 0 ? " " : "",
			      e->type == REDIS_REPLY_NIL ? "-" : e->str));
		assert_true(used < sizeof(out));
	}
	freeReplyObject(r);
	redisFree(redis);
	return out;
}

/* A library under our name that says what ours says, and writes nothing. */
static inline void
site_foreign_library(struct site *s)
{
	static const char text[] =
	    "#!lua name=holdline\n-- version 3\n"
	    "redis.register_function('jpki_set', function() return 'set' end)\n"
	    "redis.register_function('jpki_force',"
	    " function() return 'forced' end)\n"
	    "redis.register_function('jpki_beat',"
	    " function() return 'beat' end)\n";
	char out[400];

	assert_string_equal(
	    server_ask(&s->server, out, "FUNCTION LOAD REPLACE %s", text),
	    "holdline");
}

#endif
