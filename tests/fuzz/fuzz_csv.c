/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte says how the rest is cut into pieces.  However it is cut,
 * the same rows come out; lines ascend; fields lie inside the row's bounds.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "wire/csv.h"

struct sum {
	uint64_t hash, line, rows;
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
	return 0;
}
