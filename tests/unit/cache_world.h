/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_world.h -- the publisher's link to a cache, real or scripted: the
 * network is real, the time between attempts to connect is not.
 */
#ifndef TESTS_CACHE_WORLD_H
#define TESTS_CACHE_WORLD_H

#include "redis_world.h"

#include "base/err.h"
#include "base/secret.h"
#include "base/timer.h"
#include "publish/cache.h"
#include "publish/library.h"

#define ISSUER "00112233445566778899aabbccddeeff00112233"
#define RETRY_US INT64_C(100000)
#define DELAYS_MAX 32

struct world {
	struct event_base *base;
	struct server server;
	struct fake fake;
	struct timers *timers;
	int64_t mono_us;
	int64_t delays[DELAYS_MAX]; /* that were waited for, in order */
	size_t n_delays;
	struct cache *cache;
	struct keyring *mac; /* NULL = nothing is signed */
	int ups, ups_wanted;
	int settles;
	const struct store_outbox_row *settled[PUBLISH_PAGES]; /* in turn */
	bool lost; /* the last push was settled by NULL */
	int n_lost;
	size_t n; /* rows of the last push */
	enum publish_outcome outcomes[STORE_OUTBOX_PAGE];
	const char *load, *set, *seen; /* a scripted cache's words */
	const char *library; /* and its library; NULL = silence, "" = none */
	int loads;
};

static inline int64_t
world_time(void *ctx)
{
	return ((struct world *)ctx)->mono_us;
}

static inline void
on_up(void *ctx)
{
	((struct world *)ctx)->ups++;
}

static inline void
on_settled(void *ctx, const struct store_outbox_row *rows,
    const enum publish_outcome *outcomes)
{
	struct world *w = ctx;

	w->settled[w->settles++ % PUBLISH_PAGES] = rows;
	w->lost = outcomes == NULL;
	w->n_lost += w->lost;
	if (outcomes != NULL)
		memcpy(w->outcomes, outcomes, w->n * sizeof(outcomes[0]));
}

/* A timer is only pending while there is nothing else to wait for. */
static inline bool
time_jumps(void *ctx)
{
	struct world *w = ctx;
	int64_t next_us = timers_next(w->timers);

	if (next_us == INT64_MAX)
		return false;
	if (next_us > w->mono_us) {
		if (w->n_delays < DELAYS_MAX)
			w->delays[w->n_delays++] = next_us - w->mono_us;
		w->mono_us = next_us;
	}
	timers_run(w->timers);
	return true;
}

static inline bool
is_up(void *ctx)
{
	struct world *w = ctx;

	return w->ups >= w->ups_wanted;
}

static inline bool
is_settled(void *ctx)
{
	return ((struct world *)ctx)->settles > 0;
}

static inline void
wait_for(struct world *w, bool (*until)(void *ctx))
{
	loop_until(w->base, until, time_jumps, w);
}

static inline void
wait_up(struct world *w, int times)
{
	w->ups_wanted = times;
	wait_for(w, is_up);
	assert_int_equal(w->ups, times);
}

static inline void
open_cache(struct world *w)
{
	struct cache_options o = { .base = w->base,
		.timers = w->timers,
		.place = { .address = w->server.address,
		    .master = "",
		    .user = "",
		    .password_file = "",
		    .files = { "", "", "", "" } },
		.timeout_s = 1,
		.retry_us = RETRY_US,
		.mac = w->mac,
		.on_up = on_up,
		.on_settled = on_settled,
		.ctx = w };
	struct err err;

	w->cache = cache_new(&o, &err);
	if (w->cache == NULL)
		fail_msg("%s", err.text);
	assert_int_equal(w->ups, 0);
}

static inline int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct timer_clock clock = { world_time, world_time, w };

	w->base = event_base_new();
	w->mono_us = 1000;
	w->timers = timers_new(&clock);
	server_folder(&w->server);
	*state = w;
	return 0;
}

static inline int
teardown(void **state)
{
	struct world *w = *state;

	cache_free(w->cache);
	keyring_free(w->mac);
	assert_true(timers_next(w->timers) == INT64_MAX);
	timers_free(w->timers);
	fake_stop(&w->fake);
	event_base_loop(w->base, EVLOOP_NONBLOCK); /* libevent's own frees */
	event_base_free(w->base);
	server_remove(&w->server);
	free(w);
	return 0;
}

/* A key that signs records; the same one for the same digit. */
static inline struct keyring *
mac_key(int digit)
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

/* A row: certificate `serial`, its generation, its status. */
static inline struct store_outbox_row
change(const char *serial, int64_t generation, enum store_status status)
{
	struct store_outbox_row r = { .seq = 41,
		.hold_id = 9,
		.issuer = ISSUER,
		.generation = generation,
		.status = status,
		.reason = status == STORE_HELD ? 6 : 0,
		.status_us = INT64_C(1795485600999999) };

	snprintf(r.serial, sizeof(r.serial), "%s", serial);
	return r;
}

static inline void
start_push(struct world *w, const struct store_outbox_row *rows, size_t n)
{
	w->settles = 0;
	w->n = n;
	assert_int_equal(cache_push(w->cache, rows, n), 0);
	assert_int_equal(w->settles, 0); /* from a later event */
}

static inline bool
both_settled(void *ctx)
{
	return ((struct world *)ctx)->settles > 1;
}

/* Two pages of n rows each, one after the other. */
static inline void
start_pushes(struct world *w, const struct store_outbox_row *a,
    const struct store_outbox_row *b, size_t n)
{
	start_push(w, a, n);
	start_push(w, b, n); /* nothing was settled meanwhile */
}

static inline void
push(struct world *w, const struct store_outbox_row *rows, size_t n)
{
	start_push(w, rows, n);
	wait_for(w, is_settled);
	assert_int_equal(w->settles, 1);
}

#endif
