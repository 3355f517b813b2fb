/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_site.h -- the store and the revocation cache, for the commands that
 * look at both: a loop of their own, which ends when what was waited for is
 * there, or the link is lost.  One thread.
 */
#ifndef CLI_CACHE_SITE_H
#define CLI_CACHE_SITE_H

#include <stdbool.h>

#include "cli/cli.h"
#include "wire/loop.h"
#include "wire/resp.h"

struct cache;
struct redis_link;

struct cache_site {
	struct cli_site site;
	struct keyring *mac; /* NULL = nothing is signed */
	struct loop loop;
	struct redis_link *link; /* to read; or */
	struct cache *cache;     /* to write as well */
	bool up, down;
};

/* Open the store and connect to Redis.  writes: with the function library.
 * Returns 0, or -1 with *err; close in both cases. */
int cache_site_open(
    struct cache_site *s, const char *conf, bool writes, struct err *err);

/* Close whatever is open. */
void cache_site_close(struct cache_site *s);

/* The link, while it is up. */
struct redis_link *cache_site_link(struct cache_site *s);

/* Turn the loop until *done.  -1 with *err: the link was lost first. */
int cache_site_run(struct cache_site *s, const bool *done, struct err *err);

/* One turn of the loop, at most so long. */
void cache_site_turn(struct cache_site *s, int64_t at_most_us);

/* Send a command of at most 16 words and wait for its reply, which `fn` gets,
 * never NULL.  Returns 0, or -1 with *err. */
int cache_site_ask(struct cache_site *s, int argc, const char **argv,
    resp_reply_fn *fn, void *ctx, struct err *err);

#endif
