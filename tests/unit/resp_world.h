/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resp_world.h -- one connection to a server, real or scripted, and what came
 * over it.
 */
#ifndef TESTS_RESP_WORLD_H
#define TESTS_RESP_WORLD_H

#include "redis_world.h"

#include "base/err.h"
#include "wire/resp.h"
#include "wire/stream.h"

#define MANY 3000

struct world {
	unsigned int timeout_s;
	struct event_base *base;
	struct server server;
	struct fake fake;
	struct resp *resp, *idle;
	bool open, idle_open, idle_closed;
	int closes;
	char why[100];
	size_t replies, lost; /* replies that came, and NULLs */
	size_t wanted;
	int type; /* of the last one */
	char text[64];
	long long number;
	bool in_order;
};

static inline void
on_open(void *ctx)
{
	((struct world *)ctx)->open = true;
}

static inline void
on_closed(void *ctx, const char *why)
{
	struct world *w = ctx;

	w->closes++;
	snprintf(w->why, sizeof(w->why), "%s", why);
	assert_int_equal(resp_pending(w->resp), 0);
}

static const struct resp_handler handler = { .on_open = on_open,
	.on_closed = on_closed };

static inline void
idle_open(void *ctx)
{
	((struct world *)ctx)->idle_open = true;
}

static inline void
idle_closed(void *ctx, const char *why)
{
	(void)why;
	((struct world *)ctx)->idle_closed = true;
}

static const struct resp_handler idle_handler = { .on_open = idle_open,
	.on_closed = idle_closed };

static inline void
on_reply(void *ctx, const struct redisReply *reply)
{
	struct world *w = ctx;

	if (reply == NULL) {
		assert_int_equal(w->closes, 0); /* before on_closed() */
		w->lost++;
		return;
	}
	if (reply->type == REDIS_REPLY_INTEGER &&
	    reply->integer != (long long)w->replies + 1)
		w->in_order = false;
	w->replies++;
	w->type = reply->type;
	w->number = reply->integer;
	snprintf(w->text, sizeof(w->text), "%s",
	    reply->str == NULL ? "" : reply->str);
}

static inline bool
is_open(void *ctx)
{
	return ((struct world *)ctx)->open;
}

static inline bool
both_open(void *ctx)
{
	return is_open(ctx) && ((struct world *)ctx)->idle_open;
}

static inline bool
is_closed(void *ctx)
{
	return ((struct world *)ctx)->closes > 0;
}

static inline bool
has_replies(void *ctx)
{
	struct world *w = ctx;

	return w->replies + w->lost >= w->wanted;
}

static inline bool
has_heard(void *ctx)
{
	struct world *w = ctx;

	return evbuffer_get_length(w->fake.heard) >= w->wanted;
}

static inline void
wait_for(struct world *w, bool (*until)(void *ctx))
{
	loop_until(w->base, until, NULL, w);
}

static inline struct resp *
connect_to(struct world *w, const char *address,
    const struct resp_handler *with, struct err *err)
{
	struct stream_addr addr;

	assert_int_equal(stream_addr_parse(address, &addr, err), 0);
	return resp_connect(w->base, &addr, w->timeout_s, with, w, err);
}

static inline void
connect_now(struct world *w)
{
	struct err err;

	w->resp = connect_to(w, w->server.address, &handler, &err);
	if (w->resp == NULL)
		fail_msg("%s", err.text);
	wait_for(w, is_open);
}

static inline int
send_words(struct world *w, const char *a, const char *b, const char *c)
{
	const char *argv[] = { a, b, c };
	int argc = b == NULL ? 1 : c == NULL ? 2 : 3, i;
	size_t lens[3];

	for (i = 0; i < argc; i++)
		lens[i] = strlen(argv[i]);
	return resp_send(w->resp, argc, argv, lens, on_reply, w);
}

static inline int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->base = event_base_new();
	w->in_order = true;
	w->timeout_s = 1;
	server_folder(&w->server);
	*state = w;
	return 0;
}

static inline int
teardown(void **state)
{
	struct world *w = *state;

	resp_free(w->resp);
	resp_free(w->idle);
	fake_stop(&w->fake);
	event_base_loop(w->base, EVLOOP_NONBLOCK); /* libevent's own frees */
	event_base_free(w->base);
	server_remove(&w->server);
	free(w);
	return 0;
}

#endif
