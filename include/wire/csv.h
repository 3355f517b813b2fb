/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csv.h -- RFC 4180: bytes to rows of fields, a row at a time.
 *
 * Takes the file in pieces of any size; memory does not grow with the file.
 * LF or CRLF ends a row; a quoted field may hold commas, quotes ("") and line
 * ends.  A byte order mark at the start is skipped.  A row that is malformed,
 * too long or not UTF-8 is reported as such and the next line is read.
 * Any one thread.
 */
#ifndef WIRE_CSV_H
#define WIRE_CSV_H

#include <stddef.h>
#include <stdint.h>

struct csv; /* opaque */

#define CSV_ROW_MAX 16384 /* bytes of one row as it stands in the file */
#define CSV_FIELDS_MAX 32

struct csv_row {
	uint64_t line;  /* number of the row's first line, from 1 */
	uint64_t start; /* where it begins, in bytes from the file's start */
	size_t n;       /* fields; 0 when `fault` is set */
	const char *fields[CSV_FIELDS_MAX]; /* NUL-terminated; borrowed */
	const char *fault; /* NULL, or why the row could not be read */
	const char *raw;   /* the row as it stood, without its line end;
			      borrowed; may be cut when it was too long */
	size_t raw_len;
};

/* Called for each row that is not empty; the row is valid during the call.
 * Return 0 to go on, -1 to stop. */
typedef int csv_row_fn(void *ctx, const struct csv_row *row);

/* Owned (csv_free); NULL when out of memory. */
struct csv *csv_new(csv_row_fn *fn, void *ctx);

/* Cleanse and free.  NULL is a no-op. */
void csv_free(struct csv *c);

/* Take bytes.  Returns 0, or -1 when the callback said stop. */
int csv_feed(struct csv *c, const void *bytes, size_t len);

/* Forget what was gathered, and go on as if all before `start` had been read,
 * where line number `line` begins.  Not from the callback. */
void csv_jump(struct csv *c, uint64_t start, uint64_t line);

/* The file has ended: a last row without a line end is reported.  An open
 * quote is a fault of that row.  Returns as csv_feed(). */
int csv_end(struct csv *c);

#endif
