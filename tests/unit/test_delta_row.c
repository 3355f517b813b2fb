/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "cli/delta_row.h"
#include "wire/csv.h"

#define ISSUER "00112233445566778899aabbccddeeff00112233"
#define OTHER "ffeeddccbbaa99887766554433221100ffeeddcc"
#define TODAY 20261124
#define HEADER \
	"change,holder_ref,date,birth_date,postal_code,municipality_code," \
	"telephones,pin,kana_name,carrier,kind,issuer,serial,not_before," \
	"not_after,replaces,replaces_issuer,reason,mail,address,lang"

/* A line's fields; none of these tests needs quotes. */
struct fields {
	char text[512];
	struct csv_row row;
};

static const struct csv_row *
split(struct fields *f, const char *line)
{
	char *at = f->text;

	memset(&f->row, 0, sizeof(f->row));
	snprintf(f->text, sizeof(f->text), "%s", line);
	f->row.raw = line;
	f->row.raw_len = strlen(line);
	for (;;) {
		f->row.fields[f->row.n++] = at;
		if ((at = strchr(at, ',')) == NULL)
			return &f->row;
		*at++ = '\0';
	}
}

/* ---- the first line */

static void
test_the_first_line(void **state)
{
	static const struct {
		const char *line, *words; /* NULL = right */
	} rows[] = {
		{ "delta,jpki,42,4", NULL },
		{ "delta,j.l_i-s9,999999999999999,0", NULL },
		{ "delta,jpki,42", "its first line is not delta,NAME" },
		{ "delta,jpki,42,4,", "its first line is not delta,NAME" },
		{ "change,holder_ref", "its first line is not delta,NAME" },
		{ "Delta,jpki,42,4", "its first line is not delta,NAME" },
		{ "delta,,42,4", "NAME is not 1 to 32 of" },
		{ "delta,JPKI,42,4", "NAME is not" },
		{ "delta,a\033b,42,4", "NAME is not" },
		{ "delta,abcdefghijklmnopqrstuvwxyz0123456,1,4",
		    "NAME is not" },
		{ "delta,jpki,0,4", "NUMBER is not 1, 2, 3" },
		{ "delta,jpki,-1,4", "NUMBER is not" },
		{ "delta,jpki,1000000000000000,4", "NUMBER is not" },
		{ "delta,jpki,42,x", "ROWS is not how many" },
		{ "delta,jpki,42,", "ROWS is not how many" },
		{ REGISTRY_HEADER, "it is a file of the whole registry" },
	};
	struct delta_line line;
	struct fields f;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = delta_line_parse(&line, split(&f, rows[i].line), &err);

		if (rc != (rows[i].words == NULL ? 0 : -1))
			fail_msg("%s: %d", rows[i].line, rc);
		if (rc == -1 && strstr(err.text, rows[i].words) == NULL)
			fail_msg("%s: \"%s\"", rows[i].line, err.text);
	}
	assert_int_equal(
	    delta_line_parse(&line, split(&f, rows[0].line), &err), 0);
	assert_string_equal(line.name, "jpki");
	assert_int_equal(line.seq, 42);
	assert_int_equal(line.rows, 4);
}

/* ---- the header */

static void
test_the_header(void **state)
{
	static const struct {
		const char *line, *words;
	} rows[] = {
		{ HEADER, NULL },
		{ "holder_ref, change ", NULL },
		{ "change", "lacks the column holder_ref" },
		{ "holder_ref", "lacks the column change" },
		{ "change,holder_ref,change", "the column change twice" },
		{ "change,holder_ref,colour", "column 3 of it is none" },
		{ "change,holder_ref,status", "column 3 of it is none" },
		{ "died,A-1", "column 1 of it is none" },
	};
	struct delta_header header;
	struct fields f;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc =
		    delta_header_parse(&header, split(&f, rows[i].line), &err);

		if (rc != (rows[i].words == NULL ? 0 : -1))
			fail_msg("%s: %d", rows[i].line, rc);
		if (rc == -1 && strstr(err.text, rows[i].words) == NULL)
			fail_msg("%s: \"%s\"", rows[i].line, err.text);
	}
	/* nothing of what may be a row is shown */
	assert_null(strstr(err.text, "A-1"));
}

/* ---- rows */

static int
parse(struct delta_row *out, const char *line, struct err *err)
{
	struct delta_header header;
	struct fields h, f;

	assert_int_equal(
	    delta_header_parse(&header, split(&h, HEADER), err), 0);
	return delta_row_parse(out, &header, split(&f, line), TODAY, err);
}

#define PERSON \
	"moved,A-1,2026-11-20,1980-02-29,100-0001,131016,090-0000-0001,4711," \
	"ヤマダ,,,,,,,,,,a@b.example,東京都,ja"
#define REISSUED \
	"reissued,A-1,,,,,,,,card,signature," ISSUER \
	",0A02,2026-11-20,2031-02-28,0x0a01,,,,,"

static void
test_each_kind(void **state)
{
	struct delta_row r;
	struct err err;

	(void)state;
	assert_int_equal(parse(&r, PERSON, &err), 0);
	assert_int_equal(r.kind, STORE_DELTA_MOVED);
	assert_true(r.whole);
	assert_int_equal(r.date, 20261120);
	assert_string_equal(r.row.birth, "19800229");
	assert_string_equal(r.row.postal, "1000001");
	assert_string_equal(r.row.pin, "4711");
	assert_int_equal(r.row.n_phones, 1);
	assert_string_equal(r.row.lang, "ja");
	assert_int_equal(r.crl_reason, -1);
	assert_int_equal(
	    parse(&r, "moved,A-1,,,,131016,,,,,,,,,,,,,,,", &err), 0);
	assert_false(r.whole);
	assert_string_equal(r.row.municipality, "131016");
	assert_int_equal(parse(&r, "died,A-1,,,,,,,,,,,,,,,,,,,", &err), 0);
	assert_int_equal(r.kind, STORE_DELTA_DIED);
	assert_string_equal(r.row.ref, "A-1");
	assert_int_equal(parse(&r, REISSUED, &err), 0);
	assert_int_equal(r.kind, STORE_DELTA_REISSUED);
	assert_string_equal(r.row.cert.serial, "0a02");
	assert_int_equal(r.row.cert.not_after, 20310228);
	assert_int_equal(r.row.cert.status, STORE_GOOD);
	assert_string_equal(r.old_serial, "0a01");
	assert_string_equal(r.old_issuer, ISSUER); /* the same one's */
	assert_int_equal(
	    parse(&r,
		"reissued,A-1,,,,,,,,card,signature," ISSUER
		",0a02,2026-11-20,2031-02-28,0a02," OTHER ",keyCompromise,,,",
		&err),
	    0);
	assert_string_equal(r.old_issuer, OTHER);
	assert_int_equal(r.crl_reason, 1);
	assert_int_equal(
	    parse(&r, "expired,A-1,,,,,,,,,," ISSUER ",0a01,,,,,,,,", &err), 0);
	assert_int_equal(r.kind, STORE_DELTA_EXPIRED);
	assert_string_equal(r.row.cert.issuer, ISSUER);
}

static void
test_what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *line, *words;
	} rows[] = {
		{ "gone,A-1,,,,,,,,,,,,,,,,,,,", "change: neither moved nor" },
		{ ",A-1,,,,,,,,,,,,,,,,,,,", "change: neither moved nor" },
		{ "died,,,,,,,,,,,,,,,,,,,,",
		    "holder_ref: empty, and a row with change died needs it" },
		{ "died,A-1", "the row has 2 fields and the header has 21" },
		{ "died,123456789012,,,,,,,,,,,,,,,,,,,",
		    "holder_ref: " REGISTRY_MY_NUMBER },
		{ "died,A-1,2026-11-20,,,,,,,,,,,,,,,,,,",
		    "date: a row with change died has none" },
		{ "died,A-1,,,,131016,,,,,,,,,,,,,,,",
		    "municipality_code: a row with change died has none" },
		{ "died,A-1,,,,,,,,,,,,,,,,tired,,,",
		    "reason: not a reason to revoke" },
		{ "died,A-1,,,,,,,,,,,,,,,,certificateHold,,,",
		    "reason: not a reason to revoke" },
		{ "moved,A-1,2026-02-30,1980-02-29,100-0001,131016,,,,,,,,,,,,,,,",
		    "date: not a day of the calendar" },
		{ "moved,A-1,2026-11-25,1980-02-29,100-0001,131016,,,,,,,,,,,,,,,",
		    "date: it is in the future" },
		{ "moved,A-1,2026-11-20,,100-0001,131016,,,,,,,,,,,,,,,",
		    "birth_date: empty, and a row with change moved needs it" },
		{ "moved,A-1,2026-11-20,2026-11-25,100-0001,131016,,,,,,,,,,,,,,,",
		    "birth_date is in the future" },
		{ "moved,A-1,,1980-02-29,100-0001,131016,,,,,,,,,,,,,,,",
		    "birth_date: a row with change moved and no date has none" },
		{ "moved,A-1,,,,131016,090-0000-0001,,,,,,,,,,,,,,",
		    "telephones: a row with change moved and no date has none" },
		{ "moved,A-1,,,,131016,,,,,,,,,,,,superseded,,,",
		    "reason: a row with change moved and no date has none" },
		{ "moved,A-1,,,,131017,,,,,,,,,,,,,,,",
		    "municipality_code: check digit of 131017 is wrong" },
		{ "moved,A-1,,,,,,,,,,,,,,,,,,,",
		    "municipality_code: empty, and a row with change moved needs it" },
		{ "reissued,A-1,,,,,,,,card,signature," ISSUER
		  ",0a02,2026-11-20,2031-02-28,,,,,,",
		    "replaces: empty, and a row with change reissued needs it" },
		{ "reissued,A-1,,,,,,,,card,signature," ISSUER
		  ",0a02,2026-11-20,2031-02-28,0a02,,,,,",
		    "replaces: a certificate does not replace itself" },
		{ "reissued,A-1,,,,,,,,card,signature," ISSUER
		  ",0a02,2031-11-20,2031-02-28,0a01,,,,,",
		    "not_before is after not_after" },
		{ "reissued,A-1,,,,,,,,card,signature," ISSUER
		  ",0a02,2026-11-20,2031-02-28,0a01,12,,,,",
		    "replaces_issuer: not the 40 hexadecimal" },
		{ "reissued,A-1,,,,,,,,card,signature," ISSUER
		  ",0a02,2026-11-20,2031-02-28,xy,,,,,",
		    "replaces: not a hexadecimal number" },
		{ "expired,A-1,,,,,,,,,," ISSUER ",0a01,,2026-01-01,,,,,,",
		    "not_after: a row with change expired has none" },
		{ "expired,A-1,,,,,,,,,,,0a01,,,,,,,,",
		    "issuer: empty, and a row with change expired" },
	};
	struct delta_row r;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (parse(&r, rows[i].line, &err) == 0)
			fail_msg("%s is taken", rows[i].line);
		if (strncmp(err.text, rows[i].words, strlen(rows[i].words)) !=
		    0)
			fail_msg("%s: \"%s\"", rows[i].line, err.text);
	}
}

/* A column that a file leaves out is as if it were empty. */
static void
test_columns_may_be_left_out(void **state)
{
	struct delta_header header;
	struct delta_row r;
	struct fields f;
	struct err err;

	(void)state;
	assert_int_equal(
	    delta_header_parse(&header, split(&f, "change,holder_ref"), &err),
	    0);
	assert_int_equal(delta_row_parse(&r, &header, split(&f, " died , A-1 "),
			     TODAY, &err),
	    0);
	assert_string_equal(r.row.ref, "A-1");
	assert_int_equal(
	    delta_row_parse(&r, &header, split(&f, "expired,A-1"), TODAY, &err),
	    -1);
	assert_string_equal(
	    err.text, "issuer: empty, and a row with change expired needs it");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_line),
		cmocka_unit_test(test_the_header),
		cmocka_unit_test(test_each_kind),
		cmocka_unit_test(test_what_is_wrong_is_named),
		cmocka_unit_test(test_columns_may_be_left_out),
	};
	return cmocka_run_group_tests_name("delta_row", tests, NULL, NULL);
}
