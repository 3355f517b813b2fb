/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agi_leg.h -- a leg on an Asterisk channel, over FastAGI.
 *
 * Speaks the protocol and nothing else: bytes from the gateway go in through
 * agi_leg_input(), command lines come out through the port, deadlines run on
 * the timers it is given; so it runs against a real socket and against a
 * scripted gateway in virtual time alike.
 *
 *	answer	ANSWER
 *	say	SET VARIABLE CHANNEL(language) when it changed, then
 *		EXEC Playback "holdline/a&holdline/b"
 *	collect	SET VARIABLE TIMEOUT(response) and TIMEOUT(digit) when they
 *		changed, EXEC Read "HOLDLINE_D,files&holdline/silence,MAX,,1",
 *		GET FULL VARIABLE "${READSTATUS}:${HOLDLINE_D}"
 *	end	SET VARIABLE HOLDLINE_D = "" when something was collected,
 *		HOLDLINE_RESULT, HOLDLINE_NEXT ("person" or "hangup"), and as
 *		the last act HOLDLINE_DONE = 1; then close
 *
 * One command is in flight at any time; each has a deadline of its expected
 * length plus the slack.  Loop thread only.
 */
#ifndef CALL_AGI_LEG_H
#define CALL_AGI_LEG_H

#include <stddef.h>
#include <stdint.h>

#include "call/leg.h"

struct timers;

struct agi_leg_options {
	struct timers *timers;           /* borrowed */
	const struct leg_events *events; /* borrowed */
	void *ctx;                       /* for events */
	const char *gateway;             /* its address, or NULL; borrowed */
	int64_t slack_us;                /* added to a command's length */
	/* Write one whole command line.  Returns 0, or -1 when the connection
	 * is of no more use (the leg then fails by itself, later).  Must not
	 * call agi_leg_input() from inside. */
	int (*write)(void *ctx, const char *line, size_t len);
	void *write_ctx;
};

/* A leg waiting for its environment.  Owned (leg_free); NULL: no memory. */
struct leg *agi_leg_new(const struct agi_leg_options *options);

/* Bytes have come from the gateway.  Events may come from inside this call,
 * and they may free the leg. */
void agi_leg_input(struct leg *leg, const void *bytes, size_t len);

/* The gateway closed the connection: failed, unless already ended. */
void agi_leg_closed(struct leg *leg, const char *why);

#endif
