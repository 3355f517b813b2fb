/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redis_greet.h -- the first words with a Redis server: sign in, ask who it
 * is, decide whether it will do.  Inside wire/ only.  Loop thread only.
 */
#ifndef WIRE_REDIS_GREET_H
#define WIRE_REDIS_GREET_H

#include "wire/redis_link.h"

struct redisReply;

/* One greeting under way; embed it, zeroed. */
struct redis_greet {
	enum redis_want want;
	struct redis_server server; /* run_id, replid, master: out */
	bool over;                  /* the verdict was given */
	/* From inside a reply callback.  why == NULL: it will do. */
	void (*done)(void *ctx, const char *why, const char *hint);
	void *ctx;
};

/*
 * Say hello on an open connection; done() follows once, unless the connection
 * is lost first.  Returns 0, or -1 with *err: the password cannot be read, or
 * nothing can be sent.
 */
int redis_greet(struct redis_greet *g, struct resp *r,
    const struct redis_place *place, struct err *err);

/* Send AUTH, if the place has a password: fn gets its reply.  Returns 1, 0
 * when there is none, or -1 with *err. */
int redis_greet_auth(struct resp *r, const struct redis_place *place,
    resp_reply_fn *fn, void *ctx, struct err *err);

/* What an operator can do about an error reply of a greeting; never NULL. */
const char *redis_greet_hint(const char *error);

#endif
