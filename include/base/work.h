/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work.h -- work that must leave the event loop, and comes back to it.
 *
 * A queue with worker threads behind it.  Items go in on the loop thread,
 * run on a worker, and their done() is called on the loop thread by
 * work_dispatch(), exactly once, never inside work_submit().  Two kinds of
 * worker: one that takes a single item (slow arithmetic), and one that takes
 * everything that is waiting as one batch (the store: one commit for all).
 *
 * With threads = 0 the work runs inside work_dispatch(): tests, commands and
 * virtual time use the same code without a thread.
 */
#ifndef BASE_WORK_H
#define BASE_WORK_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct work; /* opaque: the queue and its threads */

/* Embed as the first member of a request; zero-initialise it. */
struct work_item {
	struct work_item *next;
	void (*done)(struct work_item *item); /* loop thread */
};

/*
 * Run on a worker thread.  `items` is a list linked by next, oldest first; a
 * single item unless the queue was made to take batches.
 */
typedef void work_fn(void *ctx, struct work_item *items);

struct work_options {
	unsigned int threads; /* 0: run inside work_dispatch() */
	bool batch;           /* take all that is waiting at once */
	size_t batch_max;     /* most items of one batch; 0 = no limit */
	size_t queue_max;     /* work_submit() refuses more; 0 = no limit */
	work_fn *run;
	void *ctx; /* for run; borrowed */
};

/* Start the threads.  Owned (work_free); NULL with *err on failure. */
struct work *work_new(const struct work_options *options, struct err *err);

/*
 * Finish everything submitted (done() is called for all of it), stop the
 * threads, free.  NULL is a no-op.
 */
void work_free(struct work *w);

/* Hand an item over; it is borrowed until its done().  Returns 0, or -1 when
 * queue_max items are waiting already (nothing happens then). */
int work_submit(struct work *w, struct work_item *item);

/* Hand an item back that shall not run, such as one that was refused: only its
 * done() is called, by the next work_dispatch(). */
void work_return(struct work *w, struct work_item *item);

/* A descriptor that is readable when work_dispatch() has something to do;
 * -1 with threads = 0. */
int work_fd(const struct work *w);

/* Call done() of everything that has finished; returns how many. */
size_t work_dispatch(struct work *w);

/* Items submitted whose done() was not called yet. */
size_t work_pending(const struct work *w);

/* Dispatch until nothing is pending; blocks.  For commands and shutdown. */
void work_drain(struct work *w);

#endif
