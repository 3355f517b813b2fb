/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dial.h -- one call from the terminal: the connection, and who acts next.
 *
 * Ties a telephone (phone.h) and a caller (caller.h) to a socket, the
 * terminal's keys, the clock and Ctrl-C.  One call at a time in a process.
 */
#ifndef CLI_DIAL_H
#define CLI_DIAL_H

#include <stdint.h>

#include "cli/phone.h"

struct caller;
struct dial; /* opaque */
struct err;

struct dial_options {
	const char *address;        /* of the server, "127.0.0.1:4573" */
	int64_t timeout_us;         /* for connecting; its longest silence */
	struct phone_options phone; /* all but driver and ctx */
	struct caller *caller;      /* borrowed, must outlive the call */
};

/* Connect.  Owned (dial_close); NULL with *err, which says what to do. */
struct dial *dial_open(const struct dial_options *options, struct err *err);

/*
 * Call until the server closes.  Returns 0 when it had said that all was done,
 * or -1 with *err: it left early, was silent for too long, or did not speak
 * FastAGI.
 */
int dial_talk(struct dial *d, struct err *err);

/* The telephone, with the variables that the server has set. */
const struct phone *dial_phone(const struct dial *d);

/* Close and free.  NULL is a no-op. */
void dial_close(struct dial *d);

#endif
