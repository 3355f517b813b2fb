/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redis_sentinel.h -- ask the Sentinels which server is the primary, and hear
 * from them when that changes.  Inside wire/ only.
 *
 * All are asked at once; the answer with the highest configuration epoch
 * counts, because a Sentinel that was cut off still names the old primary.
 * Each stays subscribed to +switch-master and is asked anew when it comes back.
 * Loop thread only.
 */
#ifndef WIRE_REDIS_SENTINEL_H
#define WIRE_REDIS_SENTINEL_H

#include "wire/redis_link.h"

struct redis_sentinels; /* opaque */

struct redis_sentinels_options {
	struct event_base *base;         /* borrowed */
	struct timers *timers;           /* borrowed */
	const struct redis_place *place; /* borrowed */
	unsigned int timeout_s;
	/*
	 * The end of redis_sentinels_ask(): the primary's address, numeric, or
	 * NULL and why none is known.  Borrowed.
	 */
	void (*on_found)(void *ctx, const char *address, const char *why);
	/* Another server has become the primary: ask again. */
	void (*on_switch)(void *ctx);
	void *ctx;
};

/* Owned (redis_sentinels_free); NULL with *err, which names the setting. */
struct redis_sentinels *redis_sentinels_new(
    const struct redis_sentinels_options *options, struct err *err);

/* Not from inside a callback.  NULL is a no-op. */
void redis_sentinels_free(struct redis_sentinels *s);

/* Ask all; on_found() follows once, from a later event.  A question under way
 * is begun anew. */
void redis_sentinels_ask(struct redis_sentinels *s);

#endif
