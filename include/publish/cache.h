/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.h -- the revocation cache in Redis: the publisher's link to it.
 *
 * Over a managed link (wire/redis_link.h); loads the function library
 * (publish/library.h) when the server does not have it, or has another.  A
 * record (wire/status_record.h) is compared and set by generation; then it is
 * read back where responders read, and only what was read there counts.  Loop thread only.
 */
#ifndef PUBLISH_CACHE_H
#define PUBLISH_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "publish/publish.h"
#include "wire/redis_link.h"

struct cache; /* opaque */
struct err;
struct event_base;
struct keyring;
struct record;
struct redisReply;

struct cache_options {
	struct event_base *base;  /* borrowed */
	struct timers *timers;    /* borrowed */
	struct redis_place place; /* copied */
	/* Where responders read, if that is another server; copied. */
	const struct redis_place *read_place;
	unsigned int replicas; /* that must have a change; 0 = none */
	int64_t wait_us;       /* for them, below timeout_s */
	unsigned int timeout_s;
	int64_t retry_us; /* first delay; doubles up to 5 s */
	/* Signs the records; borrowed, NULL = none does. */
	const struct keyring *mac;
	void (*on_up)(void *ctx); /* work can be done (again) */
	/* It cannot any more; may be NULL.  Commands in flight have got
	 * NULL.  Not once for each on_up(). */
	void (*on_down)(void *ctx);
	/* As publish_settled(). */
	void (*on_settled)(void *ctx, const struct store_outbox_row *rows,
	    const enum publish_outcome *outcomes);
	void *ctx;
};

/* Starts connecting.  Owned (cache_free); NULL with *err. */
struct cache *cache_new(const struct cache_options *options, struct err *err);

/* NULL is a no-op. */
void cache_free(struct cache *c);

/* Push rows and read them back, as publish_options.push; ctx is the cache. */
int cache_push(void *ctx, const struct store_outbox_row *rows, size_t n);

/* The link, borrowed, for whoever else works on the cache, while it is up; else
 * NULL. */
struct redis_link *cache_link(struct cache *c);

/* The server it is up with; borrowed until on_down(). */
const struct redis_server *cache_server(const struct cache *c);

/* A function was not there: it is loaded again, and on_up() follows. */
void cache_library_gone(struct cache *c);

/* Are the functions in Redis still ours?  Others are replaced, as when the link
 * comes up. */
void cache_check_library(struct cache *c);

/* The record that says what the store says.  event = 0: not from an outbox
 * row.  Pure. */
void cache_record(struct record *record, enum store_status status,
    int64_t generation, int reason, int64_t status_us, int64_t event);

/* What a record's read-back (HMGET RECORD_FIELDS) says about a row, with what
 * jpki_set had answered.  Pure. */
enum publish_outcome cache_judge(const struct store_outbox_row *row,
    const struct keyring *mac, const struct redisReply *set,
    const struct redisReply *seen);

#endif
