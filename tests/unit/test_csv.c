/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/csv.h"

/* Rows as text: "LINE:[a][b]", or "LINE!fault" with the raw row behind it. */
struct seen {
	char text[8192];
	int left; /* say stop when this many rows have come; -1 never */
};

__attribute__((format(printf, 2, 3))) static void
note(struct seen *s, const char *fmt, ...)
{
	size_t len = strlen(s->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->text + len, sizeof(s->text) - len, fmt, ap);
	va_end(ap);
}

static int
on_row(void *ctx, const struct csv_row *row)
{
	struct seen *s = ctx;
	size_t i;

	note(s, "%d:", (int)row->line);
	if (row->fault != NULL) {
		assert_int_equal(row->n, 0);
		note(s, "!%.14s!%.*s", row->fault,
		    (int)(row->raw_len < 40 ? row->raw_len : 40), row->raw);
	}
	for (i = 0; i < row->n; i++)
		note(s, "[%s]", row->fields[i]);
	note(s, "\n");
	return s->left > 0 && --s->left == 0 ? -1 : 0;
}

/* Feed in pieces of `piece` bytes. */
static void
read_all(struct seen *s, const char *bytes, size_t len, size_t piece)
{
	struct csv *c = csv_new(on_row, s);
	size_t n;

	s->text[0] = '\0';
	s->left = -1;
	for (; len > 0; bytes += n, len -= n) {
		n = len < piece ? len : piece;
		assert_int_equal(csv_feed(c, bytes, n), 0);
	}
	assert_int_equal(csv_end(c), 0);
	csv_free(c);
}

static const struct {
	const char *in, *out;
} rows[] = {
	{ "", "" },
	{ "\n\r\n\n", "" },
	{ "a,b\n", "1:[a][b]\n" },
	{ "a,b", "1:[a][b]\n" },
	{ "a,b\r\nc,d\r\n", "1:[a][b]\n2:[c][d]\n" },
	{ "a\n\n\nb\n", "1:[a]\n4:[b]\n" },
	{ ",\n", "1:[][]\n" },
	{ "\"\"\n", "1:[]\n" },
	{ "\"a,b\",c\n", "1:[a,b][c]\n" },
	{ "\"a\"\"b\"\n", "1:[a\"b]\n" },
	{ "\"a\nb\",c\nd\n", "1:[a\nb][c]\n3:[d]\n" },
	{ "\"a\r\nb\"\r\nd\n", "1:[a\r\nb]\n3:[d]\n" },
	{ "\xef\xbb\xbf"
	  "a,b\n",
	    "1:[a][b]\n" },
	{ "\xef\xbb\xbf", "" },
	{ "ab", "1:[ab]\n" },
	{ "\"a\",\"", "1:!a quote is ope!\"a\",\"\n" },
	{ "a\"b,c\n", "1:!there is a quo!a\"b,c\n" },
	{ "\"a\"b\nc\n", "1:!text follows a!\"a\"b\n2:[c]\n" },
	{ "a,\x93\xfa\x96\x7b\nc\n",
	    "1:!the row is not!a,\x93\xfa\x96\x7b\n2:[c]\n" },
};

static void
test_rows_come_out_whatever_the_pieces(void **state)
{
	struct seen s;
	size_t i, piece;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (piece = 1; piece < 8; piece++) {
			read_all(&s, rows[i].in, strlen(rows[i].in), piece);
			assert_string_equal(s.text, rows[i].out);
		}
}

/* A stray quote costs its own line and no other. */
static void
test_a_stray_quote_swallows_no_lines(void **state)
{
	static const char in[] = "a,\"b\nc,d\ne,f\"g\nh,i\n";
	static const char out[] = "1:!a quote is ope!a,\"b\n2:[c][d]\n"
				  "3:!there is a quo!e,f\"g\n4:[h][i]\n";
	struct seen s;
	size_t piece;

	(void)state;
	for (piece = 1; piece <= sizeof(in); piece++) {
		read_all(&s, in, sizeof(in) - 1, piece);
		assert_string_equal(s.text, out);
	}
}

static void
test_a_nul_is_a_fault(void **state)
{
	struct seen s;

	(void)state;
	read_all(&s, "a\0b\nc\n", 6, 6);
	assert_string_equal(s.text, "1:!the row is not!a\n2:[c]\n");
}

static void
test_fields_up_to_the_limit(void **state)
{
	char in[CSV_FIELDS_MAX + 8], want[256] = "1:";
	struct seen s;

	(void)state;
	memset(in, ',', sizeof(in));
	strcpy(in + CSV_FIELDS_MAX - 1, "\n");
	read_all(&s, in, strlen(in), 100);
	while (strlen(want) < 2 + 2 * CSV_FIELDS_MAX)
		strcat(want, "[]");
	strcat(want, "\n");
	assert_string_equal(s.text, want);
	memset(in, ',', sizeof(in));
	strcpy(in + CSV_FIELDS_MAX, "\n");
	read_all(&s, in, strlen(in), 100);
	assert_memory_equal(s.text, "1:!the row has mo", 17);
}

/* A row of exactly CSV_ROW_MAX bytes is read, a longer one is a fault of its
 * own; the line behind it is read in both cases. */
static void
test_length_up_to_the_limit(void **state)
{
	static char in[CSV_ROW_MAX + 32], want[CSV_ROW_MAX + 64];
	size_t extra, piece;
	struct seen s;

	(void)state;
	for (extra = 0; extra < 6; extra++)
		for (piece = 1; piece < sizeof(in); piece += 4093) {
			memset(in, 'x', CSV_ROW_MAX + extra);
			in[5] = ','; /* keep what is noted short */
			strcpy(in + CSV_ROW_MAX + extra, "\r\nend\n");
			read_all(&s, in, strlen(in), piece);
			snprintf(want, sizeof(want), "%s",
			    extra > 0 ? "1:!the row is lon!" : "1:[xxxxx][xx");
			assert_memory_equal(s.text, want, strlen(want));
			if (extra > 0)
				assert_non_null(strstr(s.text, "\n2:[end]\n"));
		}
}

static void
test_a_line_of_a_megabyte_is_one_fault(void **state)
{
	size_t len = 1000000;
	char *in = malloc(len + 5);
	struct seen s;

	(void)state;
	memset(in, 'x', len);
	memcpy(in + len, "\nend\n", 5);
	read_all(&s, in, len + 5, 65536);
	assert_memory_equal(s.text, "1:!the row is lon!xxx", 21);
	assert_non_null(strstr(s.text, "\n2:[end]\n"));
	assert_null(strstr(s.text, "3:"));
	free(in);
}

/* An open quote and then lines for ever: they are all found again. */
static void
test_an_open_quote_is_given_up_when_the_buffer_is_full(void **state)
{
	size_t n = CSV_ROW_MAX / 100 + 10, i, faults = 0, lines = 0;
	struct seen s;
	char *in = calloc(n, 101), *p;

	(void)state;
	strcpy(in, "a,\"b\n");
	for (i = 1; i < n; i++)
		sprintf(in + strlen(in), "%099d\n", 0);
	read_all(&s, in, strlen(in), 1000);
	for (p = s.text; *p != '\0'; p++) {
		faults += *p == '!';
		lines += *p == '\n';
	}
	assert_int_equal(faults, 2);
	assert_true(lines > 70); /* as many as our notes have room for */
	assert_memory_equal(s.text, "1:!a quote is ope!a,\"b\n2:[000", 29);
	free(in);
}

static void
test_the_callback_can_stop(void **state)
{
	struct seen s = { .left = 2 };
	struct csv *c = csv_new(on_row, &s);

	(void)state;
	assert_int_equal(csv_feed(c, "a\nb\nc\n", 6), -1);
	assert_string_equal(s.text, "1:[a]\n2:[b]\n");
	csv_free(c);
	s = (struct seen){ .left = 1 };
	c = csv_new(on_row, &s);
	assert_int_equal(csv_feed(c, "abc", 3), 0);
	assert_int_equal(csv_end(c), -1);
	csv_free(c);
	csv_free(NULL);
}

/* Rows from the middle of a file on: whatever came before, each begins where
 * it says. */
struct places {
	uint64_t start[16], line[16];
	char text[16][40];
	size_t n;
};

static int
note_place(void *ctx, const struct csv_row *row)
{
	struct places *p = ctx;

	p->start[p->n] = row->start;
	p->line[p->n] = row->line;
	snprintf(p->text[p->n++], sizeof(p->text[0]), "%.*s",
	    (int)(row->raw_len < 30 ? row->raw_len : 30), row->raw);
	return 0;
}

static void
test_reading_goes_on_where_a_row_begins(void **state)
{
	static char file[60000];
	struct places all = { .n = 0 }, some;
	struct csv *c = csv_new(note_place, &all);
	size_t len, i, j;

	(void)state;
	len = (size_t)sprintf(file,
	    "\xef\xbb\xbf"
	    "a,b\r\n\n\"two\nlines\",x\nopen\"quote\nc,d\n");
	memset(file + len, 'x', 40000);
	len += 40000;
	len += (size_t)sprintf(file + len, "\ne,f\n\"\nlast");
	for (i = 0; i < len; i += 1000)
		csv_feed(c, file + i, len - i < 1000 ? len - i : 1000);
	csv_end(c);
	assert_int_equal(all.n, 8);
	for (i = 0; i < all.n; i++) {
		assert_memory_equal(
		    file + all.start[i], all.text[i], strlen(all.text[i]));
		some.n = 0;
		csv_free(c);
		c = csv_new(note_place, &some);
		csv_feed(c, "half \"a row", 11);
		csv_jump(c, all.start[i], all.line[i]);
		csv_feed(c, file + all.start[i], len - all.start[i]);
		csv_end(c);
		assert_int_equal(some.n, all.n - i);
		for (j = 0; j < some.n; j++) {
			assert_int_equal(some.start[j], all.start[i + j]);
			assert_int_equal(some.line[j], all.line[i + j]);
			assert_string_equal(some.text[j], all.text[i + j]);
		}
	}
	csv_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_come_out_whatever_the_pieces),
		cmocka_unit_test(test_a_stray_quote_swallows_no_lines),
		cmocka_unit_test(test_a_nul_is_a_fault),
		cmocka_unit_test(test_fields_up_to_the_limit),
		cmocka_unit_test(test_length_up_to_the_limit),
		cmocka_unit_test(test_a_line_of_a_megabyte_is_one_fault),
		cmocka_unit_test(
		    test_an_open_quote_is_given_up_when_the_buffer_is_full),
		cmocka_unit_test(test_the_callback_can_stop),
		cmocka_unit_test(test_reading_goes_on_where_a_row_begins),
	};
	return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
