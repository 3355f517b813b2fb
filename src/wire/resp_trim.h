/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resp_trim.h -- what Redis sends, on its way into hiredis' reader: a text or
 * value that is longer than any of ours is cut, its rest never kept.
 *
 * Somebody may put 500 MB under a key of ours.  What is cut is still too long to
 * pass for anything, so it is told, and repaired, as what makes no sense.
 */
#ifndef WIRE_RESP_TRIM_H
#define WIRE_RESP_TRIM_H

#include <stddef.h>

#define RESP_VALUE_MAX 16384 /* bytes; a longer one is cut to ... */
#define RESP_VALUE_CUT 1024  /* ... so many */

struct redisReader;

/* Zero it first. */
struct resp_trim {
	enum { TRIM_TYPE, TRIM_LINE, TRIM_LENGTH, TRIM_VALUE } at;
	char line[32]; /* a length that has not come whole */
	size_t n_line;
	size_t keep, skip, end; /* of a value: bytes to come, in this order */
};

/* Feed bytes of a stream of replies, in pieces of any size.  Returns how many
 * the reader got. */
size_t resp_trim_feed(struct resp_trim *t, struct redisReader *reader,
    const char *bytes, size_t n);

#endif
