/* SPDX-License-Identifier: Apache-2.0 */
/*
 * phone_inner.h -- the telephone's inside: state and replies (phone.c),
 * commands (phone_command.c).  Any one thread.
 */
#ifndef CLI_PHONE_INNER_H
#define CLI_PHONE_INNER_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/phone.h"

#define PHONE_LINE_MAX 2047 /* a longer line would become two commands */
#define PHONE_READ_MAX 255  /* digits; Read's own limit, and its default */

struct phone_var {
	char *name, *value; /* owned */
};

enum phone_busy { PHONE_IDLE, PHONE_PLAYBACK, PHONE_READ };

struct phone {
	const struct phone_driver *driver;
	void *ctx;
	char *call_id, *from, *to; /* from may be NULL */
	struct phone_var *vars;
	size_t n_vars;
	enum phone_busy busy; /* the play under way */
	char *read_var;       /* where Read puts the digits */
	unsigned int read_max;
	bool up;           /* answered */
	bool dead;         /* hung up */
	bool gone;         /* a write failed: nobody listens any more */
	const char *fault; /* what the server did wrong, or NULL */
	size_t len;
	char line[PHONE_LINE_MAX + 1];
};

/*
 * Carry out one command line (without its end; it is cut up).  The last act is
 * the reply, which may lead to the next command.  Returns NULL, or what was
 * wrong with it.
 */
const char *phone_command_run(struct phone *p, char *line);

/* Set a channel variable. */
void phone_set(struct phone *p, const char *name, const char *value);

/* Send bytes, unless the connection is gone. */
void phone_write(struct phone *p, const char *bytes, size_t len);

/* Send one line, which ends in LF. */
void phone_reply(struct phone *p, const char *line);

/* Send "200 result=N". */
void phone_result(struct phone *p, int result);

/* The channel is gone: from now on 511, and the caller hears nothing.  Sends
 * HANGUP. */
void phone_die(struct phone *p);

/* Cleanse and free text in which a caller's digits may be. */
void phone_value_free(char *value);

/* `mem`, or abort(): a channel that loses its variables is of no use. */
void *phone_need(void *mem);

#endif
