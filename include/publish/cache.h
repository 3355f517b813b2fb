/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.h -- the revocation cache in Redis: the publisher's link to it.
 *
 * Over a managed link (wire/redis_link.h); loads the function library when the
 * server does not have it.  A record is
 *
 *	jpki:st:<issuer key hash>:<serial>  ->  hash v s r t e
 *
 * generation, status G/H/R, RFC 5280 reason, revocation time in seconds, event
 * id.  The function jpki_set compares and sets by generation; then the record
 * is read back, and only what was read counts.  Loop thread only.
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
struct redisReply;

struct cache_options {
	struct event_base *base;  /* borrowed */
	struct timers *timers;    /* borrowed */
	struct redis_place place; /* copied */
	unsigned int timeout_s;
	int64_t retry_us; /* first delay; doubles up to 5 s */
	void (*on_up)(void *ctx);
	/* As publish_settled(). */
	void (*on_settled)(void *ctx, const enum publish_outcome *outcomes);
	void *ctx;
};

/* Starts connecting.  Owned (cache_free); NULL with *err. */
struct cache *cache_new(const struct cache_options *options, struct err *err);

/* NULL is a no-op. */
void cache_free(struct cache *c);

/* Push rows and read them back, as publish_options.push; ctx is the cache. */
int cache_push(void *ctx, const struct store_outbox_row *rows, size_t n);

/* The key of a record; out takes CACHE_KEY_SIZE bytes. */
#define CACHE_KEY_SIZE (8 + STORE_ISSUER_HEX + 1 + STORE_SERIAL_MAX + 1)
void cache_key(const char *issuer, const char *serial, char *out);

/* What a record's read-back (HMGET v s r t) says about a row, with what
 * jpki_set had answered.  Pure. */
enum publish_outcome cache_judge(const struct store_outbox_row *row,
    const struct redisReply *set, const struct redisReply *seen);

/* The function library, Lua. */
extern const char cache_library[];

#endif
