/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte says how the rest is cut into pieces.  However it is cut,
 * the same rows come out; lines ascend; fields lie inside the row's bounds.
 * Read as a file of the registry's news, what is taken of them keeps the
 * rules, and what is not has a reason.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "cli/delta_row.h"
#include "wire/csv.h"

#define TODAY 20261124

struct sum {
	uint64_t hash, line, rows;
};

/* What the whole file is read as. */
struct news {
	struct sum sum;
	struct delta_header header;
	bool ready; /* the header was taken */
};

static void
sum_add(struct sum *s, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	for (; len > 0; p++, len--)
		s->hash = (s->hash ^ *p) * UINT64_C(1099511628211);
}

static int
on_row(void *ctx, const struct csv_row *row)
{
	struct sum *s = ctx;
	size_t i, total = 0;

	assert(row->line > s->line);
	assert(row->raw_len > 0 && row->raw_len <= CSV_ROW_MAX);
	assert((row->fault == NULL) == (row->n > 0));
	assert(row->n <= CSV_FIELDS_MAX);
	for (i = 0; i < row->n; i++) {
		size_t len = strlen(row->fields[i]);

		assert(str_is_utf8(row->fields[i], len));
		sum_add(s, row->fields[i], len + 1);
		total += len + 1;
	}
	assert(total <= row->raw_len + 1);
	sum_add(s, row->raw, row->raw_len);
	if (row->fault != NULL)
		sum_add(s, row->fault, strlen(row->fault));
	sum_add(s, &row->line, sizeof(row->line));
	s->line = row->line;
	s->rows++;
	return 0;
}

/* ---- as the registry's news */

static void
check_row(const struct delta_row *r)
{
	assert(r->kind < STORE_DELTA_COUNT);
	assert(r->row.ref[0] != '\0');
	assert(r->date <= TODAY && (r->date != 0) == r->whole);
	assert(!r->whole || r->kind == STORE_DELTA_MOVED);
	assert(r->whole == (r->row.birth[0] != '\0'));
	assert(r->row.pin[0] == '\0' || r->whole);
	assert((r->kind == STORE_DELTA_MOVED) ==
	    (strlen(r->row.municipality) == 6));
	assert((r->kind == STORE_DELTA_REISSUED) == (r->old_serial[0] != '\0'));
	assert((r->old_serial[0] != '\0') ==
	    (strlen(r->old_issuer) == STORE_ISSUER_HEX));
	assert(r->row.cert.status == STORE_GOOD);
	assert(r->row.cert.not_before <= r->row.cert.not_after);
	assert(r->crl_reason != 6); /* a hold is no end */
}

static int
on_news(void *ctx, const struct csv_row *row)
{
	struct err err = { 0 };
	struct news *n = ctx;
	struct delta_line line;
	struct delta_row parsed;
	int rc;

	n->sum.rows++;
	if (row->fault != NULL)
		return 0;
	if (n->sum.rows == 1)
		rc = delta_line_parse(&line, row, &err);
	else if (!n->ready)
		rc = delta_header_parse(&n->header, row, &err);
	else
		rc = delta_row_parse(&parsed, &n->header, row, TODAY, &err);
	if (rc == -1) {
		assert(err.code != ERR_NONE && err.text[0] != '\0');
		return 0;
	}
	if (n->sum.rows == 1)
		assert(line.seq > 0 && line.rows >= 0);
	else if (n->ready)
		check_row(&parsed);
	n->ready = n->sum.rows > 1;
	return 0;
}

static void
read_news(const uint8_t *data, size_t size)
{
	struct news n = { .ready = false };
	struct csv *c = csv_new(on_news, &n);

	if (c == NULL || csv_feed(c, data, size) == -1 || csv_end(c) == -1)
		abort();
	csv_free(c);
}

/* ---- as any file */

static struct sum
sum_of(const uint8_t *data, size_t size, size_t piece)
{
	struct sum s = { 0 };
	struct csv *c = csv_new(on_row, &s);
	size_t n;

	if (c == NULL)
		abort();
	for (; size > 0; data += n, size -= n) {
		n = size < piece ? size : piece;
		if (csv_feed(c, data, n) == -1)
			abort();
	}
	if (csv_end(c) == -1)
		abort();
	csv_free(c);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum whole, cut;

	if (size < 1)
		return 0;
	whole = sum_of(data + 1, size - 1, size);
	cut = sum_of(data + 1, size - 1, (size_t)data[0] + 1);
	assert(memcmp(&whole, &cut, sizeof(whole)) == 0);
	read_news(data + 1, size - 1);
	return 0;
}
