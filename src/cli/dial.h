/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dial.h -- one call from the terminal: the connection, and who acts next.
 *
 * Ties a telephone (phone.h) and a caller (caller.h) to a socket, the
 * terminal's keys, the clock and Ctrl-C.  One call at a time in a process.
 *
 * With several servers it does what a dialplan does (doc/asterisk): a server
 * that cannot be reached, or that leaves before it said that all was done, is
 * followed by the next one, with the same call and the same unique id.
 */
#ifndef CLI_DIAL_H
#define CLI_DIAL_H

#include <stdint.h>

#include "cli/phone.h"

struct caller;
struct dial; /* opaque */
struct err;

struct dial_options {
	const char *servers;        /* "127.0.0.1:4573", more after commas */
	int64_t timeout_us;         /* for connecting; its longest silence */
	struct phone_options phone; /* all but driver and ctx */
	struct caller *caller;      /* borrowed, must outlive the call */
};

/* Connect to the first server that can be had.  Owned (dial_close); NULL with
 * *err, which says what to do. */
struct dial *dial_open(const struct dial_options *options, struct err *err);

/*
 * Call until a server closes that had said that all was done: 0.  Or -1 with
 * *err: the last of them left early, was silent for too long, or did not speak
 * FastAGI.
 */
int dial_talk(struct dial *d, struct err *err);

/* The telephone, with the variables that the server has set. */
const struct phone *dial_phone(const struct dial *d);

/* Close and free.  NULL is a no-op. */
void dial_close(struct dial *d);

#endif
