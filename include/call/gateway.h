/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway.h -- the FastAGI listener and admission.
 *
 * Accepts connections and makes a leg of each.  At the limit a connection is
 * refused with a reset at once and counted; it is never accepted and left
 * waiting, so that the dialplan goes on to the next server or a person.
 * Loop thread only.
 */
#ifndef CALL_GATEWAY_H
#define CALL_GATEWAY_H

#include <stddef.h>
#include <stdint.h>

#include "call/leg.h"

struct err;
struct event_base;
struct gateway; /* opaque */
struct timers;

struct gateway_options {
	struct event_base *base; /* borrowed */
	struct timers *timers;   /* borrowed */
	const char *listen;      /* "127.0.0.1:4573", "[::1]:0"; borrowed */
	unsigned int max_calls;
	int backlog;
	int64_t slack_us; /* see agi_leg.h */
	/*
	 * A connection was admitted.  Fill in who hears the leg's events:
	 * return the context, or NULL to refuse.  The new owner frees the leg.
	 */
	void *(*admit)(void *ctx, struct leg *leg);
	const struct leg_events *events; /* borrowed; ctx is admit's result */
	void *ctx;                       /* for admit */
};

/* Bind and listen.  Owned (gateway_free); NULL with *err, which says what to
 * do when the address is taken. */
struct gateway *gateway_new(
    const struct gateway_options *options, struct err *err);

/* Stop listening and free; all legs must have been freed.  NULL is a no-op. */
void gateway_free(struct gateway *g);

/* Take no more calls: the listening socket closes; legs live on. */
void gateway_stop(struct gateway *g);

/* The port that is listened on (for listen = "...:0"). */
unsigned int gateway_port(const struct gateway *g);

/* Legs that are open. */
unsigned int gateway_calls(const struct gateway *g);

#endif
