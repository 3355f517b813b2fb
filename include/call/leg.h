/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leg.h -- a caller's telephone, whatever gateway it hangs on.
 *
 * The session asks for one thing at a time and is told how it ended by one
 * event; hung_up and failed may come at any moment and end everything.
 * Events never come from inside a request.  A gateway implements struct
 * leg_ops; FastAGI is the first (agi_leg.h).  Loop thread only.
 */
#ifndef CALL_LEG_H
#define CALL_LEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEG_DIGITS_MAX 32

struct leg; /* opaque to the session; a gateway's own struct starts with it */

/* What the gateway said about the call when it came in.  Borrowed. */
struct leg_info {
	const char *call_id; /* unique id, never empty; same on a second try */
	const char *number;  /* calling number, or NULL: none or withheld */
	const char *dnis;    /* dialled number, or "" */
	const char *lang;    /* the gateway's language, or "" */
	const char *gateway; /* its address, without a port; or "" */
};

/* How a collection of digits ended. */
enum leg_collect_end {
	LEG_COLLECT_FULL,    /* enough digits, or '#': the caller is done */
	LEG_COLLECT_TIMEOUT, /* the caller stopped typing; maybe no digits */
	LEG_COLLECT_HANGUP,  /* hung up; the digits are what came before it,
				and hung_up follows */
	LEG_COLLECT_END_COUNT
};

/* Upwards.  Exactly one of answered, said, collected for each request that
 * was not overtaken by hung_up or failed. */
struct leg_events {
	/* A call is there; answer it. */
	void (*ready)(void *ctx, const struct leg_info *info);
	void (*answered)(void *ctx);
	void (*said)(void *ctx);
	/* `digits` (borrowed, wiped afterwards): 0-9 and '*', without the
	 * ending '#'. */
	void (*collected)(
	    void *ctx, enum leg_collect_end end, const char *digits);
	/* The caller is gone.  Once; only leg_end() and leg_free() now. */
	void (*hung_up)(void *ctx);
	/* The gateway is of no more use; `why` is a sentence without anything
	 * the caller typed.  Once; only leg_free() now. */
	void (*failed)(void *ctx, const char *why);
	/* After leg_end(): the gateway has it; free the leg. */
	void (*ended)(void *ctx);
};

struct leg_say {
	const char *lang;         /* "ja" */
	const char *const *files; /* prompt ids, in order; borrowed */
	size_t n;                 /* at least 1 */
	unsigned int ms;          /* how long they take together */
};

struct leg_collect {
	struct leg_say say;    /* barge-in at any time */
	unsigned int max;      /* digits; full after so many */
	unsigned int first_ms; /* to the first digit, after the prompts */
	unsigned int next_ms;  /* between digits */
};

/* Where the call goes when we are through. */
enum leg_next {
	LEG_NEXT_PERSON, /* to an agent */
	LEG_NEXT_HANGUP, /* all is said */
	LEG_NEXT_COUNT
};

/* Downwards; what a gateway implements. */
struct leg_ops {
	void (*answer)(struct leg *leg);
	void (*say)(struct leg *leg, const struct leg_say *say);
	void (*collect)(struct leg *leg, const struct leg_collect *collect);
	/* Give the call back to the gateway, which sends it to `next`.
	 * `result` is one word for the dialplan, such as "visible". */
	void (*end)(struct leg *leg, enum leg_next next, const char *result);
	void (*free)(struct leg *leg);
};

struct leg {
	const struct leg_ops *ops;
};

/* Pick up. -> answered */
void leg_answer(struct leg *leg);
/* Play; digits pressed meanwhile are thrown away. -> said */
void leg_say(struct leg *leg, const struct leg_say *say);
/* Play and take digits. -> collected */
void leg_collect(struct leg *leg, const struct leg_collect *collect);
/* As leg_ops.end.  Also after hung_up. -> ended */
void leg_end(struct leg *leg, enum leg_next next, const char *result);
/* Drop everything, at once; no events any more.  NULL is a no-op. */
void leg_free(struct leg *leg);

#endif
