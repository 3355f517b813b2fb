/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes are gathered until a line ends with an even number of quotes; what
 * was gathered is then split strictly.  A quote that is out of place would so
 * swallow the lines after it: when such a row turns out to be malformed, only
 * its first line is reported, and the rest is gathered again.  No line is
 * read more than a few times, however the quotes stand.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/str.h"
#include "wire/csv.h"

/* The longest row, and the line end that follows it. */
#define GATHER_MAX (CSV_ROW_MAX + 2)

struct csv {
	csv_row_fn *fn;
	void *ctx;
	uint64_t line;  /* number of the first line gathered */
	uint64_t start; /* bytes of the file before what is gathered */
	size_t len;     /* bytes gathered */
	size_t scanned; /* of them, looked at for quotes and line ends */
	bool quoted;    /* an odd number of quotes so far */
	bool skipping;  /* the rest of a line that was too long */
	bool begun;     /* the byte order mark is behind us */
	char raw[GATHER_MAX];
	char cells[CSV_ROW_MAX + 1]; /* the fields, each with its NUL */
};

static const char fault_long[] = "the row is longer than 16384 bytes";
static const char fault_open[] = "a quote is opened and not closed";
static const char fault_inside[] =
    "there is a quote in the middle of a field that does not begin with one";
static const char fault_after[] = "text follows a closing quote";
static const char fault_fields[] = "the row has more than 32 fields";
static const char fault_utf8[] =
    "the row is not UTF-8 text; if the file is Shift_JIS, convert it with "
    "iconv -f CP932 -t UTF-8";

_Static_assert(CSV_ROW_MAX == 16384 && CSV_FIELDS_MAX == 32,
    "the sentences above name the limits");

struct csv *
csv_new(csv_row_fn *fn, void *ctx)
{
	struct csv *c;

	assert(fn != NULL);
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->fn = fn;
	c->ctx = ctx;
	c->line = 1;
	return c;
}

void
csv_free(struct csv *c)
{
	if (c == NULL)
		return;
	secret_cleanse(c, sizeof(*c));
	free(c);
}

/* Take the first `n` bytes out of the buffer. */
static void
drop(struct csv *c, size_t n)
{
	size_t i;

	assert(n <= c->len);
	for (i = 0; i < n; i++)
		c->line += c->raw[i] == '\n';
	memmove(c->raw, c->raw + n, c->len - n);
	c->len -= n;
	c->start += n;
	c->scanned = 0;
	c->quoted = false;
}

/* Copy a quoted field from *in, behind its quote; *in is left behind the
 * closing one.  Returns a fault or NULL. */
static const char *
split_quoted(const char **in, const char *end, char **out)
{
	const char *p = *in;

	for (;; p++) {
		if (p == end)
			return fault_open;
		if (*p == '"' && (++p == end || *p != '"'))
			break;
		*(*out)++ = *p;
	}
	*in = p;
	return p == end || *p == ',' ? NULL : fault_after;
}

static const char *
split_plain(const char **in, const char *end, char **out)
{
	const char *p = *in;

	for (; p < end && *p != ','; p++) {
		if (*p == '"')
			return fault_inside;
		*(*out)++ = *p;
	}
	*in = p;
	return NULL;
}

/* Split `raw` into row->fields; every field and its NUL take no more room
 * than the field and its comma did. */
static const char *
split(struct csv *c, struct csv_row *row)
{
	const char *in = row->raw, *end = in + row->raw_len, *fault;
	char *out = c->cells;

	for (;;) {
		if (row->n == CSV_FIELDS_MAX)
			return fault_fields;
		row->fields[row->n++] = out;
		if (in < end && *in == '"') {
			in++;
			fault = split_quoted(&in, end, &out);
		} else
			fault = split_plain(&in, end, &out);
		if (fault != NULL)
			return fault;
		*out++ = '\0';
		if (in == end)
			return NULL;
		in++;
	}
}

/* What is wrong with a row, or NULL. */
static const char *
judge(struct csv *c, struct csv_row *row, size_t len)
{
	if (len > CSV_ROW_MAX)
		return fault_long;
	if (!str_is_utf8(row->raw, row->raw_len))
		return fault_utf8;
	return split(c, row);
}

/* Report raw[0..len). */
static int
report(struct csv *c, size_t len)
{
	struct csv_row row = {
		.line = c->line,
		.start = c->start,
		.raw = c->raw,
	};

	if (len > 0 && c->raw[len - 1] == '\r')
		len--;
	if (len == 0)
		return 0;
	row.raw_len = len < CSV_ROW_MAX ? len : CSV_ROW_MAX;
	if ((row.fault = judge(c, &row, len)) != NULL)
		row.n = 0;
	return c->fn(c->ctx, &row);
}

/* Report the first line alone; what follows it is gathered again.  A line
 * that leaves a quote open is malformed by itself. */
static int
report_first_line(struct csv *c)
{
	const char *lf = memchr(c->raw, '\n', c->len);
	size_t len = lf != NULL ? (size_t)(lf - c->raw) : c->len;
	int rc = report(c, len);

	drop(c, lf != NULL ? len + 1 : len);
	return rc;
}

/* Does a row of several lines look as if a stray quote had joined them? */
static bool
misjoined(struct csv *c, size_t len)
{
	struct csv_row row = { .raw = c->raw, .raw_len = len };

	if (memchr(c->raw, '\n', len) == NULL)
		return false;
	if (len > 0 && c->raw[len - 1] == '\r')
		row.raw_len--;
	return row.raw_len > CSV_ROW_MAX || split(c, &row) != NULL;
}

/* raw[0..len) is a row and raw[len] its LF. */
static int
row_complete(struct csv *c, size_t len)
{
	int rc;

	if (misjoined(c, len))
		return report_first_line(c);
	rc = report(c, len);
	drop(c, len + 1);
	return rc;
}

/* Find rows in what was gathered.  Returns -1 when the callback said stop. */
static int
scan(struct csv *c)
{
	while (c->scanned < c->len) {
		char b = c->raw[c->scanned];

		if (b == '\n' && !c->quoted) {
			if (row_complete(c, c->scanned) == -1)
				return -1;
			continue;
		}
		if (b == '"')
			c->quoted = !c->quoted;
		c->scanned++;
	}
	return 0;
}

/* The buffer is full and no row has ended in it. */
static int
overflow(struct csv *c)
{
	c->skipping = memchr(c->raw, '\n', c->len) == NULL;
	return report_first_line(c);
}

/* Pass over the rest of a line; returns the bytes used. */
static size_t
skip(struct csv *c, const char *p, size_t len)
{
	const char *lf = memchr(p, '\n', len);

	if (lf != NULL) {
		len = (size_t)(lf - p) + 1;
		c->skipping = false;
		c->line++;
	}
	c->start += len;
	return len;
}

static size_t
gather(struct csv *c, const char *p, size_t len)
{
	size_t n = sizeof(c->raw) - c->len;

	n = n < len ? n : len;
	memcpy(c->raw + c->len, p, n);
	c->len += n;
	return n;
}

/* The byte order mark, once as many bytes are there as it has. */
static void
skip_mark(struct csv *c)
{
	if (c->begun || c->len < 3)
		return;
	c->begun = true;
	if (memcmp(c->raw, "\xef\xbb\xbf", 3) == 0)
		drop(c, 3);
}

int
csv_feed(struct csv *c, const void *bytes, size_t len)
{
	const char *p = bytes;
	size_t n;

	for (; len > 0; p += n, len -= n) {
		if (c->skipping) {
			n = skip(c, p, len);
			continue;
		}
		n = gather(c, p, len);
		skip_mark(c);
		if (!c->begun)
			continue;
		if (scan(c) == -1)
			return -1;
		while (c->len == sizeof(c->raw))
			if (overflow(c) == -1 || scan(c) == -1)
				return -1;
	}
	return 0;
}

void
csv_jump(struct csv *c, uint64_t start, uint64_t line)
{
	c->len = c->scanned = 0;
	c->quoted = c->skipping = false;
	c->begun = true;
	c->start = start;
	c->line = line;
}

int
csv_end(struct csv *c)
{
	c->begun = true;
	if (scan(c) == -1)
		return -1;
	while (c->len > 0) {
		if (!c->quoted) {
			c->scanned = c->len;
			if (report(c, c->len) == -1)
				return -1;
			drop(c, c->len);
		} else if (report_first_line(c) == -1 || scan(c) == -1)
			return -1;
	}
	return 0;
}
