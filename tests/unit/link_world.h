/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_world.h -- a managed link to a server, real or scripted, and what it
 * says in the log: the network is real, the time between attempts is not.
 */
#ifndef TESTS_LINK_WORLD_H
#define TESTS_LINK_WORLD_H

#include "redis_world.h"

#include "base/err.h"
#include "base/timer.h"
#include "wire/redis_link.h"

#define RETRY_US INT64_C(100000)

struct world {
	struct event_base *base;
	struct server server;
	struct fake fake;
	struct timers *timers;
	int64_t mono_us;
	int64_t last_delay_us;
	struct event *tick; /* NULL: time jumps; else it passes */
	struct redis_link *link;
	struct redis_link_options o;
	int ups, downs, wanted;
	bool shy; /* does not call the server good */
	struct redis_server server_seen;
	size_t replies, lost;
	char text[200]; /* of the last reply */
	FILE *log, *stderr_real;
	char *said; /* all that was logged */
	size_t said_len;
	const char *said_wanted;
};

static inline int64_t
world_time(void *ctx)
{
	return ((struct world *)ctx)->mono_us;
}

static inline void
world_up(void *ctx, const struct redis_server *server)
{
	struct world *w = ctx;

	assert_int_equal(w->ups, w->downs);
	w->ups++;
	w->server_seen = *server;
	if (!w->shy)
		redis_link_good(w->link);
}

static inline void
world_down(void *ctx)
{
	struct world *w = ctx;

	w->downs++;
	assert_int_equal(w->ups, w->downs);
	assert_int_equal(redis_link_room(w->link), 0);
}

static inline void
world_reply(void *ctx, const struct redisReply *reply)
{
	struct world *w = ctx;

	if (reply == NULL) {
		assert_int_not_equal(w->ups, w->downs); /* before on_down() */
		w->lost++;
		return;
	}
	w->replies++;
	snprintf(w->text, sizeof(w->text), "%s",
	    reply->str == NULL ? "" : reply->str);
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
		w->last_delay_us = next_us - w->mono_us;
		w->mono_us = next_us;
	}
	timers_run(w->timers);
	return true;
}

/* Where a timer may be pending beside the network, time is real. */
static inline void
on_tick(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what, (void)ctx;
}

static inline bool
time_passes(void *ctx)
{
	struct world *w = ctx;
	struct timeval tv = { 0, 0 };
	int64_t wait_us;

	if (w->tick == NULL)
		return time_jumps(w);
	timers_run(w->timers);
	wait_us = timers_next(w->timers) - timers_mono_us(w->timers);
	if (timers_next(w->timers) == INT64_MAX)
		return false;
	if (wait_us > 0) {
		tv.tv_sec = wait_us / 1000000;
		tv.tv_usec = wait_us % 1000000;
	}
	evtimer_add(w->tick, &tv);
	return false;
}

static inline void
let_time_pass(struct world *w)
{
	timers_free(w->timers);
	w->o.timers = w->timers = timers_new(&timer_clock_real);
	w->tick = evtimer_new(w->base, on_tick, w);
}

static inline bool
has_ups(void *ctx)
{
	return ((struct world *)ctx)->ups >= ((struct world *)ctx)->wanted;
}

static inline bool
has_downs(void *ctx)
{
	return ((struct world *)ctx)->downs >= ((struct world *)ctx)->wanted;
}

static inline bool
has_replies(void *ctx)
{
	struct world *w = ctx;

	return w->replies + w->lost >= (size_t)w->wanted;
}

static inline bool
has_said(void *ctx)
{
	struct world *w = ctx;

	fflush(w->log);
	return strstr(w->said, w->said_wanted) != NULL;
}

static inline void
wait_for(struct world *w, bool (*until)(void *ctx), int wanted)
{
	w->wanted = wanted;
	loop_until(w->base, until, time_passes, w);
}

/* Until the log holds these words; it is empty afterwards. */
static inline void
wait_said(struct world *w, const char *words)
{
	w->said_wanted = words;
	loop_until(w->base, has_said, time_passes, w);
	rewind(w->log);
	memset(w->said, '\0', w->said_len);
}

static inline void
open_link(struct world *w)
{
	struct err err;

	w->link = redis_link_new(&w->o, &err);
	if (w->link == NULL)
		fail_msg("%s", err.text);
}

static inline void
close_link(struct world *w)
{
	redis_link_free(w->link);
	w->link = NULL;
	w->ups = w->downs = 0;
}

static inline int
order(struct world *w, const char *a, const char *b, const char *c)
{
	const char *argv[] = { a, b, c };

	return redis_link_send(w->link,
	    b == NULL       ? 1
		: c == NULL ? 2
			    : 3,
	    argv, NULL, world_reply, w);
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
	w->log = open_memstream(&w->said, &w->said_len);
	w->stderr_real = stderr;
	stderr = w->log;
	w->o = (struct redis_link_options){ .base = w->base,
		.timers = w->timers,
		.place = { .address = w->server.address,
		    .master = "",
		    .user = "",
		    .password_file = "",
		    .files = { "", "", "", "" } },
		.want = REDIS_MASTER,
		.timeout_s = 1,
		.retry_us = RETRY_US,
		.module = "test",
		.hint = "it matters",
		.lost = METRIC_PUBLISH_LINK_LOST,
		.on_up = world_up,
		.on_down = world_down,
		.ctx = w };
	*state = w;
	return 0;
}

static inline int
teardown(void **state)
{
	struct world *w = *state;

	redis_link_free(w->link);
	assert_true(timers_next(w->timers) == INT64_MAX);
	timers_free(w->timers);
	if (w->tick != NULL)
		event_free(w->tick);
	fake_stop(&w->fake);
	event_base_loop(w->base, EVLOOP_NONBLOCK); /* libevent's own frees */
	event_base_free(w->base);
	stderr = w->stderr_real;
	fclose(w->log);
	free(w->said);
	server_remove(&w->server);
	free(w);
	return 0;
}

#endif
