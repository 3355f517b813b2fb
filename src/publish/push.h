/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push.h -- one page of status changes on its way: written, on enough
 * replicas, read back where responders read.  Inside publish/ only.
 *
 * FCALL for each row and WAIT go pipelined over the writer's link; then the
 * records are read, again and again until the reader has them or the time for
 * the replicas is over.  Loop thread only.
 */
#ifndef PUBLISH_PUSH_H
#define PUBLISH_PUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/timer.h"
#include "publish/publish.h"

struct keyring;
struct redis_link;

/* Embed it, zeroed, and fill in the first part. */
struct push {
	struct timers *timers;     /* borrowed */
	const struct keyring *mac; /* borrowed; NULL = records are not signed */
	struct redis_link *writer; /* borrowed */
	struct redis_link *reader; /* borrowed; NULL = the writer's server */
	unsigned int replicas;     /* that must have it; 0 = none */
	int64_t wait_us;           /* for them, and for the reader */
	bool *said_behind; /* borrowed, shared: logged, and none was in time
			    * since */
	/* All rows have an outcome, in p->outcomes. */
	void (*on_end)(void *ctx, const struct push *p,
	    const struct store_outbox_row *rows);
	/* The server refuses: the push never ends by itself then. */
	void (*on_refused)(void *ctx, const char *error);
	/* A function is missing; the push goes on. */
	void (*on_library_gone)(void *ctx);
	void *ctx;

	const struct store_outbox_row *rows; /* borrowed; NULL = none */
	size_t n, asked;                     /* rows; replies of FCALL */
	size_t sent, read;  /* reads under way; their replies */
	size_t skip;        /* replies to reads of a push that was given up */
	bool refused;       /* on_refused() was called */
	bool library_gone;  /* on_library_gone() was called */
	bool short_of;      /* WAIT came back with too few replicas */
	struct timer again; /* to read once more */
	int64_t until_us, pause_us;
	enum publish_outcome said[STORE_OUTBOX_PAGE];
	enum publish_outcome outcomes[STORE_OUTBOX_PAGE];
};

/* Start.  Returns 0, or -1 when half of it could not be sent: drop the
 * writer's link, and give it up when that is down. */
int push_start(struct push *p, const struct store_outbox_row *rows, size_t n);

/* Forget the push under way: its rows, or NULL when there is none. */
const struct store_outbox_row *push_give_up(struct push *p);

#endif
