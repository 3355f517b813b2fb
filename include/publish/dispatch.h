/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch.h -- work off what somebody is to be told.
 *
 * Takes rows of one kind from the store, the longest due first and some at
 * once, has each told by a port (ca.h, notice.h), and settles it by how that
 * ended: done, again later, given up, or the authority disagrees.  A server
 * that does not answer is left alone for a while (breaker.h).  A crash
 * between telling and settling repeats the telling, with the same key.
 * Nothing waits for this: a hold is stored and visible whoever is dead here.
 * Loop thread only.
 */
#ifndef PUBLISH_DISPATCH_H
#define PUBLISH_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "store/dispatch.h"

#define DISPATCH_FLYING_MAX STORE_DISPATCH_PAGE

struct dispatch;     /* opaque */
struct dispatch_run; /* opaque: one row being told */
struct timers;

/* How it ended. */
struct dispatch_result {
	enum store_dispatch_state state; /* not REPLACED */
	bool fault; /* the server's, not the row's: others would fare alike */
	int64_t retry_after_us;           /* the server's wish; 0 = none */
	char words[STORE_DISPATCH_WORDS]; /* no personal data */
};

/* Who does the telling. */
struct dispatch_port {
	/*
	 * Tell one row; it is borrowed until the end.  Returns what it works
	 * with, and dispatch_ended() then comes exactly once from a later
	 * event; or NULL with *now: it has ended already.
	 */
	void *(*begin)(void *ctx, const struct store_dispatch *row,
	    struct dispatch_run *run, struct dispatch_result *now);
	/* Drop what begin() returned; dispatch_ended() does not come. */
	void (*cancel)(void *task);
	void *ctx;
};

struct dispatch_options {
	struct store *store;   /* borrowed */
	struct timers *timers; /* borrowed */
	enum store_dispatch_kind kind;
	struct dispatch_port port;
	unsigned int flying; /* at once, 1 to DISPATCH_FLYING_MAX */
	int64_t lease_us;    /* longer than the port ever takes */
	int64_t poll_us;     /* look for rows that are due */
	int64_t retry_us;    /* after the first failure; doubles */
	int64_t retry_max_us;
	int64_t give_up_us;      /* a row that waits so long fails; 0 = never */
	int64_t audit_us;        /* compare again what was told; 0 = never */
	unsigned int faults_max; /* in a row, before a pause */
	int64_t pause_us;        /* doubles up to retry_max_us */
};

/* Begins to work at once.  Options are copied.  Owned (dispatch_free); NULL
 * when out of memory. */
struct dispatch *dispatch_new(const struct dispatch_options *options);

/* Take no more.  For the end of the program, before the store is closed. */
void dispatch_stop(struct dispatch *d);

/* Drop what is being told; its lease ends by itself.  Requests at the store
 * must have been drained.  NULL is a no-op. */
void dispatch_free(struct dispatch *d);

/* There may be work.  Cheap: call it after every commit. */
void dispatch_kick(struct dispatch *d);

/* The telling of a row has ended, see dispatch_port. */
void dispatch_ended(
    struct dispatch_run *run, const struct dispatch_result *result);

#endif
