/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delta_row.h -- one row of a file of the registry's news: checked and
 * normalised.
 *
 * The file begins with a line that names it, "delta,NAME,NUMBER,ROWS", then
 * comes a header, then the rows.  Columns that the registry's own file has
 * too follow its rules (registry_row.h).  Pure: no store, no keys, no clock.
 * Written down for those who make the file in doc/registry.md.  Any thread.
 */
#ifndef CLI_DELTA_ROW_H
#define CLI_DELTA_ROW_H

#include "cli/registry_row.h"
#include "store/delta.h"

/* Columns of its own, after the registry's. */
enum delta_column {
	DELTA_CHANGE = REGISTRY_COLUMN_COUNT,
	DELTA_DATE,
	DELTA_REASON,
	DELTA_REPLACES,
	DELTA_REPLACES_ISSUER,
	DELTA_COLUMN_COUNT
};

/* For sentences about the first two lines. */
#define DELTA_FIRST_LINE "delta,NAME,NUMBER,ROWS"

#define DELTA_NUMBER_DIGITS 15 /* of the number and the count, at most */

/* The first line: which file it is. */
struct delta_line {
	char name[STORE_DELTA_NAME_MAX + 1]; /* a-z 0-9 . _ - */
	int64_t seq;                         /* over 0 */
	int64_t rows;                        /* that follow the header */
};

/* Where each column stands; not below n: not there. */
struct delta_header {
	size_t n;
	size_t at[DELTA_COLUMN_COUNT];
};

/* A row, normalised.  Personal data: cleanse it. */
struct delta_row {
	enum store_delta_kind kind;
	bool whole; /* moved: a person, and not a municipality's code */
	int date;
	int crl_reason; /* -1 = the kind's own */
	char old_issuer[STORE_ISSUER_HEX + 1];
	char old_serial[STORE_SERIAL_MAX + 1];
	struct registry_row row; /* what of it the kind has */
};

/* Read the first line.  Returns 0, or -1 with *err (ERR_PARSE), which shows
 * nothing of it. */
int delta_line_parse(
    struct delta_line *line, const struct csv_row *row, struct err *err);

/* Read the header row, as registry_header_parse().  Only `change` and
 * `holder_ref` must be there.  0, or -1 with *err. */
int delta_header_parse(
    struct delta_header *header, const struct csv_row *row, struct err *err);

/*
 * Check and normalise a row that has no fault.  `today` is a Japanese day.
 * Returns 0, or -1 with the reason in *err, which names the column and never
 * repeats personal data.
 */
int delta_row_parse(struct delta_row *out, const struct delta_header *header,
    const struct csv_row *row, int today, struct err *err);

#endif
