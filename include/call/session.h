/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h -- live calls: carrying out what the conversation says.
 *
 * A session stands between one leg and one flow.  It says and collects what
 * flow asks for, starts checks and holds, waits for their results, and ends
 * the call in one place.  A hang-up ends the leg at once; a hold that was
 * confirmed goes on without it.  Loop thread only.
 */
#ifndef CALL_SESSION_H
#define CALL_SESSION_H

#include "call/leg.h"

struct conf;
struct hold;
struct sessions; /* opaque: all live calls */
struct store;
struct timers;
struct verify;

struct sessions_options {
	const struct conf *conf; /* all borrowed */
	struct timers *timers;
	struct store *store; /* for the report, by hold/report.h */
	struct verify *verify;
	struct hold *hold;
	/* A call is over; sessions_count() is one less.  May be NULL. */
	void (*on_end)(void *ctx);
	void *ctx;
};

/* Owned (sessions_free); NULL when out of memory.  Options are copied. */
struct sessions *sessions_new(const struct sessions_options *options);

/* Free every session with its leg.  Checks, holds and reports still under way
 * are cancelled.  NULL is a no-op. */
void sessions_free(struct sessions *all);

/* What legs report to; the context is what sessions_admit() returned. */
extern const struct leg_events session_events;

/* A new call on this leg, which the session then owns.  `ctx` is the struct
 * sessions.  NULL when out of memory (the leg is then still the caller's). */
void *sessions_admit(void *ctx, struct leg *leg);

/* Live sessions, including those whose caller has gone while a hold is being
 * placed. */
unsigned int sessions_count(const struct sessions *all);

/* End every call as politely as can be, now: callers go to a person. */
void sessions_hand_over(struct sessions *all);

#endif
