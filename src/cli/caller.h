/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caller.h -- the person at the terminal's telephone (`holdline call`).
 *
 * Hears what is played, writes it out, and says what the person does: from a
 * script, or by asking for a line of keys.  Remembers what was heard for the
 * report; never what was typed.  No I/O but the given FILE; time is handed
 * in.  Any one thread.
 */
#ifndef CLI_CALLER_H
#define CLI_CALLER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "flow/flow.h"

#define CALLER_KEYS_MAX 255 /* of one entry */

struct caller; /* opaque */
struct err;
struct phone_play;

struct caller_options {
	FILE *out;        /* where the conversation is written; may be NULL */
	bool colour;      /* out is a terminal */
	bool echo;        /* typed lines are written too: no terminal does */
	const char *keys; /* the script, "1,19850412,-,12h"; NULL: ask */
	bool hangs_up;    /* when hangup_at begins */
	enum flow_step hangup_at;
};

enum caller_does {
	CALLER_LISTENS,  /* to the end; types nothing */
	CALLER_TYPES,    /* keys */
	CALLER_HANGS_UP, /* after typing keys, maybe none */
	CALLER_IS_ASKED  /* a line of keys is wanted: caller_typed() */
};

struct caller_act {
	enum caller_does what;
	char keys[CALLER_KEYS_MAX + 1];
};

/* Owned (caller_free); NULL with *err: ERR_PARSE when the script is none. */
struct caller *caller_new(
    const struct caller_options *options, struct err *err);

/* NULL is a no-op. */
void caller_free(struct caller *c);

/* Something is played: write it, and say what the caller does. */
void caller_hear(struct caller *c, const struct phone_play *play,
    int64_t mono_us, struct caller_act *act);

/* The line that was asked for; NULL is its end: hang up.  A line that makes
 * no sense is explained, and another asked for. */
void caller_typed(struct caller *c, const char *line, int64_t mono_us,
    struct caller_act *act);

/* The person has taken too long: nothing is typed. */
void caller_too_late(struct caller *c, struct caller_act *act);

/* The server left, and another one goes on with the call. */
void caller_moved(struct caller *c);

/* Was the step at which to hang up reached, if there is one? */
bool caller_hung_up_as_told(const struct caller *c);

/* The ten digits heard after "receipt-is", or "". */
const char *caller_receipt(const struct caller *c);

/*
 * Add what was heard to an object: steps, prompts (without digits), receipt,
 * confirm_to_answer_ms.  -1: out of memory.
 */
int caller_report(const struct caller *c, json_t *object);

#endif
