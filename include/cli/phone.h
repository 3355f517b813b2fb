/* SPDX-License-Identifier: Apache-2.0 */
/*
 * phone.h -- Asterisk's side of FastAGI, for a caller made of software.
 *
 * Takes the server's command lines, keeps channel variables, and answers as
 * Asterisk does: replies, HANGUP, 511 on a dead channel, READSTATUS.  No I/O
 * and no clock: bytes go in by phone_input(), out by the port; what is played
 * and collected goes to the driver, which says how the caller behaves.  Used
 * by `holdline call` and by the replay tests.  Any one thread.
 */
#ifndef CLI_PHONE_H
#define CLI_PHONE_H

#include <stdbool.h>
#include <stddef.h>

struct phone; /* opaque */

#define PHONE_FILES_MAX 64

/* What the server asked to be played, and perhaps collected. */
struct phone_play {
	const char *lang;                   /* the channel's language */
	size_t n;                           /* files */
	const char *files[PHONE_FILES_MAX]; /* ids without "holdline/" */
	bool collect;                       /* digits are wanted */
	unsigned int max;                   /* at most so many */
};

struct phone_driver {
	/* Send bytes to the server.  -1 when the connection is gone. */
	int (*write)(void *ctx, const char *bytes, size_t len);
	/* Something is to be played.  Must lead to exactly one
	 * phone_played(), now or later. */
	void (*play)(void *ctx, const struct phone_play *play);
};

struct phone_options {
	const char *call_id;               /* agi_uniqueid */
	const char *from;                  /* calling number; NULL: withheld */
	const char *to;                    /* agi_dnid */
	const char *lang;                  /* channel language, "ja" */
	const struct phone_driver *driver; /* borrowed */
	void *ctx;
};

/* Owned (phone_free); NULL when out of memory.  Strings are copied. */
struct phone *phone_new(const struct phone_options *options);

/* NULL is a no-op. */
void phone_free(struct phone *p);

/* The call is connected: send the environment. */
void phone_dial(struct phone *p);

/* Bytes from the server.  Returns 0, or -1 when they are not FastAGI; `why`
 * (borrowed, may be NULL) then says what was wrong. */
int phone_input(
    struct phone *p, const void *bytes, size_t len, const char **why);

/*
 * The play under way has ended: the caller typed `digits` (a final '#' ends
 * the entry), or hung up after typing them.  "" = nothing until the time-out.
 */
void phone_played(struct phone *p, const char *digits, bool hung_up);

/* The caller hangs up now, while nothing is playing or in mid-play. */
void phone_hang_up(struct phone *p);

/* A channel variable the server has set, or NULL.  Borrowed. */
const char *phone_variable(const struct phone *p, const char *name);

/* Has the server set HOLDLINE_DONE? */
bool phone_done(const struct phone *p);

#endif
