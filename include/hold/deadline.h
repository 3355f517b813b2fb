/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deadline.h -- looks at the open cases now and then, and does what time does
 * to them (store/deadline.h).  There is no way from here to a lift.
 *
 * One node does it at a time, under the lease "deadlines".  Pure; loop thread
 * only.
 */
#ifndef HOLD_DEADLINE_H
#define HOLD_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/lease.h"

struct deadline; /* opaque */
struct store;
struct timers;

struct deadline_options {
	struct store *store;          /* borrowed */
	struct timers *timers;        /* borrowed */
	char node[STORE_NODE_ID + 1]; /* this run of this program */
	int64_t max_hold_us;          /* 0 = no longest life */
	bool revoke;                  /* at its end; else it is only noted */
	int crl_reason;               /* CRLReason of what is revoked */
	void (*on_commit)(void *ctx); /* something was revoked; may be NULL */
	void *ctx;
};

/* Begin with a first look, soon.  Owned (deadline_free); NULL when out of
 * memory.  Options are copied. */
struct deadline *deadline_new(const struct deadline_options *options);

/* The store must have been drained.  NULL is a no-op. */
void deadline_free(struct deadline *d);

#endif
