/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agi.h -- FastAGI: lines from a gateway to events, commands to lines.
 *
 * Bytes in, events out, no I/O and no policy.  The parser takes the bytes of
 * one connection in pieces of any size: first the environment, up to the
 * empty line, then replies and HANGUP events.  Facts: Asterisk's res_agi.c;
 * doc/gateway.md.  Loop thread only.
 */
#ifndef WIRE_AGI_H
#define WIRE_AGI_H

#include <stdbool.h>
#include <stddef.h>

struct err;

#define AGI_LINE_MAX 8192 /* bytes of a line from the gateway, with \n */
#define AGI_COMMAND_MAX \
	1024 /* bytes of a command, with \n; Asterisk cuts at
				2,048 and has crashed on long ones */

/* Reply codes of res_agi.c. */
enum {
	AGI_TRYING = 100, /* interim (GOSUB); the real reply follows */
	AGI_OK = 200,
	AGI_UNKNOWN = 510,
	AGI_DEAD = 511, /* not permitted on a dead channel */
	AGI_USAGE = 520
};

enum agi_event_type {
	AGI_ENV,     /* one environment line: name, value */
	AGI_ENV_END, /* the empty line: it is our turn to speak */
	AGI_REPLY,   /* the final reply to the command in flight */
	AGI_HANGUP,  /* the caller hung up; not a reply */
	AGI_ODD      /* a line that makes no sense here; skipped */
};

struct agi_event {
	enum agi_event_type type;
	const char *name;  /* ENV: "agi_uniqueid"; borrowed */
	const char *value; /* ENV: after ": ", may be empty; borrowed */
	int code;          /* REPLY: 200, 510, 511, 520, ... */
	bool has_result;   /* REPLY: "result=" was followed by a number */
	long result;       /* REPLY: that number; 0 without one */
	/*
	 * REPLY: what stood between the first '(' and the last ')', or NULL
	 * when there were none.  Borrowed.  A caller's digits may be in it.
	 */
	const char *data;
	const char *rest; /* REPLY: all after the code; borrowed, not NULL */
};

/*
 * Called for each event, in order.  Pointers are valid during the call.
 * Return 0 to go on, -1 to stop: agi_feed() then returns 1 at once, and the
 * parser may have been freed by the callee.
 */
typedef int agi_event_fn(void *ctx, const struct agi_event *event);

struct agi_parser; /* opaque; small while no half line is buffered */

/* Owned (agi_parser_free); NULL when out of memory. */
struct agi_parser *agi_parser_new(agi_event_fn *fn, void *ctx);

/* Cleanse what is buffered and free.  NULL is a no-op. */
void agi_parser_free(struct agi_parser *p);

/*
 * Take bytes.  Returns 0; 1 when a callback said stop; or -1 with *err when a
 * line is longer than AGI_LINE_MAX (ERR_RANGE) or memory is out: the
 * connection is then of no more use.
 */
int agi_feed(
    struct agi_parser *p, const void *bytes, size_t len, struct err *err);

/*
 * Write a command line: the words, each but the first in quotes with '"' and
 * '\' escaped, CR, LF and NUL left out, ended by one LF.  `words` ends with
 * NULL.  The first word is written as it is ("EXEC Read", "ANSWER").
 * Returns the length, or -1 with *err (ERR_RANGE) when it would not fit into
 * AGI_COMMAND_MAX or `size`.
 */
int agi_command(
    char *out, size_t size, const char *const *words, struct err *err);

#endif
