/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redis_link.h -- one managed connection to the Redis that counts.
 *
 * Asks the Sentinels, where there are some, who that is; connects, signs in,
 * and takes only a server that can be trusted with the
 * revocation cache: the wanted role, and nothing that evicts records.  When
 * the connection is lost, the server says READONLY, or the Sentinels name
 * another one, it is made again after
 * a delay that doubles up to 5 s until the user calls the link good.  Each
 * reason for being down is logged once, with what to do.
 * Loop thread only.
 */
#ifndef WIRE_REDIS_LINK_H
#define WIRE_REDIS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/metric.h"
#include "wire/redis_place.h"
#include "wire/resp.h"

struct err;
struct event_base;
struct redis_link; /* opaque */
struct timers;

/* Commands that may be in flight, and bytes of them that may wait for the
 * socket, before redis_link_send() refuses more. */
#define REDIS_LINK_PENDING_MAX 8192
#define REDIS_LINK_UNSENT_MAX ((size_t)4 * 1024 * 1024)

/* Which server is wanted. */
enum redis_want {
	REDIS_MASTER, /* one that takes writes */
	REDIS_ANY     /* a replica is as good: only reads */
};

/* The server a link is up with. */
struct redis_server {
	char address[128];
	char run_id[41]; /* another one after each start of the server */
	char replid[41]; /* another one after each promotion */
	bool master;
	/* The same process with the same history as when the link was last
	 * called good.  false = what was pushed may be lost. */
	bool same;
};

struct redis_link_options {
	struct event_base *base;  /* borrowed */
	struct timers *timers;    /* borrowed */
	struct redis_place place; /* copied */
	enum redis_want want;
	unsigned int timeout_s; /* for connecting, and for a reply */
	int64_t retry_us;       /* first delay; doubles up to 5 s */
	const char *module;     /* who speaks in the log; static */
	const char *hint;       /* what being without it means; static */
	enum metric lost;       /* counts connections lost or refused */
	/* The link is up; `server` is borrowed.  Commands may be sent: the
	 * user's own preparations first, then redis_link_good(). */
	void (*on_up)(void *ctx, const struct redis_server *server);
	/* It is down again; once after each on_up(), after the commands in
	 * flight have got NULL. */
	void (*on_down)(void *ctx);
	void *ctx;
};

/* Starts connecting.  Owned (redis_link_free); NULL with *err, which names
 * the setting. */
struct redis_link *redis_link_new(
    const struct redis_link_options *options, struct err *err);

/* Commands in flight are forgotten.  Not from inside a callback of its own.
 * NULL is a no-op. */
void redis_link_free(struct redis_link *l);

/*
 * Send one command.  `lens` may be NULL when no word holds a NUL.  Returns 0,
 * and fn is called exactly once later unless redis_link_free() comes first,
 * with NULL when the link was lost; or -1 when it is down or too much is in
 * flight: wait for on_up() or for replies.
 */
int redis_link_send(struct redis_link *l, int argc, const char **argv,
    const size_t *lens, resp_reply_fn *fn, void *ctx);

/* How many more commands redis_link_send() would take now; 0 when down. */
size_t redis_link_room(const struct redis_link *l);

/* The user is content with this server: it is logged as up, and after a loss
 * the delay starts from the first one again.  Idempotent. */
void redis_link_good(struct redis_link *l);

/*
 * The server answers, but not as it must: drop it, from a later event, and
 * try again.  `why` is what it said, `hint` what to do; NULL = logged by the
 * caller already.
 */
void redis_link_refuse(struct redis_link *l, const char *why, const char *hint);

#endif
