/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "cli/registry_row.h"
#include "wire/csv.h"

#define TODAY 20261123
#define ISSUER "0123456789abcdef0123456789abcdef01234567"

static const char *const good[REGISTRY_COLUMN_COUNT] = {
	[REGISTRY_HOLDER_REF] = "ref-1",
	[REGISTRY_BIRTH_DATE] = "1980-02-29",
	[REGISTRY_POSTAL_CODE] = "100-0001",
	[REGISTRY_MUNICIPALITY] = "131016",
	[REGISTRY_TELEPHONES] = "090-0000-0001 0300000002",
	[REGISTRY_PIN] = "4711",
	[REGISTRY_KANA_NAME] = "ヤマダ タロウ",
	[REGISTRY_CARRIER] = "smartphone",
	[REGISTRY_KIND] = "authentication",
	[REGISTRY_ISSUER] = ISSUER,
	[REGISTRY_SERIAL] = "0x1ABC",
	[REGISTRY_NOT_BEFORE] = "2024-04-01",
	[REGISTRY_NOT_AFTER] = "2029-02-28",
	[REGISTRY_STATUS] = "hold",
	[REGISTRY_MAIL] = "taro@mail.example",
	[REGISTRY_ADDRESS] = "東京都千代田区丸の内1-2-3",
	[REGISTRY_LANG] = "en",
};

static const struct registry_header in_order = { .n = REGISTRY_COLUMN_COUNT,
	.at = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

/* The good row, with one field changed. */
static int
parse(struct registry_row *out, enum registry_column column, const char *text,
    struct err *err)
{
	struct csv_row row = { .line = 2, .n = REGISTRY_COLUMN_COUNT };

	memcpy(row.fields, good, sizeof(good));
	if (text != NULL)
		row.fields[column] = text;
	err->text[0] = '\0';
	return registry_row_parse(out, &in_order, &row, TODAY, err);
}

static void
test_a_good_row(void **state)
{
	struct registry_row r;
	struct err err;

	(void)state;
	assert_int_equal(parse(&r, REGISTRY_HOLDER_REF, NULL, &err), 0);
	assert_string_equal(r.ref, "ref-1");
	assert_string_equal(r.birth, "19800229");
	assert_string_equal(r.postal, "1000001");
	assert_string_equal(r.municipality, "131016");
	assert_int_equal(r.n_phones, 2);
	assert_string_equal(r.phones[0], "09000000001");
	assert_string_equal(r.phones[1], "0300000002");
	assert_string_equal(r.pin, "4711");
	assert_string_equal(r.kana, "ヤマダ タロウ");
	assert_int_equal(r.cert.carrier, STORE_SMARTPHONE);
	assert_int_equal(r.cert.kind, STORE_AUTHENTICATION);
	assert_string_equal(r.cert.issuer, ISSUER);
	assert_string_equal(r.cert.serial, "1abc");
	assert_int_equal(r.cert.not_before, 20240401);
	assert_int_equal(r.cert.not_after, 20290228);
	assert_int_equal(r.cert.status, STORE_HELD);
	assert_int_equal(r.cert.status_us, 0);
}

static const char ref64[] =
    "0123456789012345678901234567890123456789012345678901234567890123";

/* What each column takes, and the reason for what it does not: NULL = taken. */
static const struct {
	enum registry_column column;
	const char *text, *reason;
} rules[] = {
	{ REGISTRY_HOLDER_REF, "a", NULL },
	{ REGISTRY_HOLDER_REF, " a b ", NULL },
	{ REGISTRY_HOLDER_REF, ref64, NULL },
	{ REGISTRY_HOLDER_REF, "12345678901", NULL },
	{ REGISTRY_HOLDER_REF, "1234567890123", NULL },
	{ REGISTRY_HOLDER_REF, "2024-0000012", NULL },
	{ REGISTRY_HOLDER_REF, "R2024-00000123", NULL },
	{ REGISTRY_HOLDER_REF, "", "holder_ref: empty" },
	{ REGISTRY_HOLDER_REF, "  ", "holder_ref: empty" },
	{ REGISTRY_HOLDER_REF, "a\tb",
	    "holder_ref: a character in it is not printable ASCII" },
	{ REGISTRY_HOLDER_REF, "山",
	    "holder_ref: a character in it is not printable ASCII" },
	{ REGISTRY_HOLDER_REF, "123456789012",
	    "holder_ref: twelve digits could be a My Number, which is never "
	    "stored; use another reference" },
	{ REGISTRY_HOLDER_REF, "1234-5678-9012",
	    "holder_ref: twelve digits could be a My Number, which is never "
	    "stored; use another reference" },
	{ REGISTRY_HOLDER_REF, "1234 5678 9012",
	    "holder_ref: twelve digits could be a My Number, which is never "
	    "stored; use another reference" },
	{ REGISTRY_HOLDER_REF, "1234-56789012",
	    "holder_ref: twelve digits could be a My Number, which is never "
	    "stored; use another reference" },
	{ REGISTRY_HOLDER_REF, "123456-789012",
	    "holder_ref: twelve digits could be a My Number, which is never "
	    "stored; use another reference" },
	{ REGISTRY_HOLDER_REF, "1234.5678.9012",
	    "holder_ref: twelve digits could be a My Number, which is never "
	    "stored; use another reference" },
	{ REGISTRY_HOLDER_REF, "'123456789012",
	    "holder_ref: twelve digits could be a My Number, which is never "
	    "stored; use another reference" },
	{ REGISTRY_HOLDER_REF, "1 2 3 4 5 6 7 8 9 0 1 2",
	    "holder_ref: twelve digits could be a My Number, which is never "
	    "stored; use another reference" },

	{ REGISTRY_BIRTH_DATE, "2026-11-23", NULL },
	{ REGISTRY_BIRTH_DATE, "2026-11-24", "birth_date is in the future" },
	{ REGISTRY_BIRTH_DATE, "1990-02-31",
	    "birth_date: not a day of the calendar written YYYY-MM-DD" },
	{ REGISTRY_BIRTH_DATE, "1990-02-29",
	    "birth_date: not a day of the calendar written YYYY-MM-DD" },
	{ REGISTRY_BIRTH_DATE, "19900228",
	    "birth_date: not a day of the calendar written YYYY-MM-DD" },
	{ REGISTRY_BIRTH_DATE, "1990/02/28",
	    "birth_date: not a day of the calendar written YYYY-MM-DD" },
	{ REGISTRY_BIRTH_DATE, "S55-02-29",
	    "birth_date: not a day of the calendar written YYYY-MM-DD" },
	{ REGISTRY_BIRTH_DATE, "",
	    "birth_date: not a day of the calendar written YYYY-MM-DD" },

	{ REGISTRY_POSTAL_CODE, "1000001", NULL },
	{ REGISTRY_POSTAL_CODE, "100-0001 ", NULL },
	{ REGISTRY_POSTAL_CODE, "100-001",
	    "postal_code: not seven digits such as 100-0001" },
	{ REGISTRY_POSTAL_CODE, "1000-001",
	    "postal_code: not seven digits such as 100-0001" },
	{ REGISTRY_POSTAL_CODE, "100-00012",
	    "postal_code: not seven digits such as 100-0001" },
	{ REGISTRY_POSTAL_CODE, "10000012",
	    "postal_code: not seven digits such as 100-0001" },
	{ REGISTRY_POSTAL_CODE, "１００−０００１",
	    "postal_code: not seven digits such as 100-0001" },
	{ REGISTRY_POSTAL_CODE, "",
	    "postal_code: not seven digits such as 100-0001" },

	{ REGISTRY_MUNICIPALITY, "011002", NULL },
	{ REGISTRY_MUNICIPALITY, "131017",
	    "municipality_code: check digit of 131017 is wrong" },
	{ REGISTRY_MUNICIPALITY, "130001",
	    "municipality_code: no municipality has the code 130001" },
	{ REGISTRY_MUNICIPALITY, "999997",
	    "municipality_code: no municipality has the code 999997" },
	{ REGISTRY_MUNICIPALITY, "11002",
	    "municipality_code: not six digits; a leading zero or the check "
	    "digit may be lost" },
	{ REGISTRY_MUNICIPALITY, "13101a",
	    "municipality_code: not six digits" },
	{ REGISTRY_MUNICIPALITY, "", "municipality_code: not six digits" },

	{ REGISTRY_TELEPHONES, "", NULL },
	{ REGISTRY_TELEPHONES, " ; ", NULL },
	{ REGISTRY_TELEPHONES, "0300000001;0300000002 ;0300000003 0300000004",
	    NULL },
	{ REGISTRY_TELEPHONES,
	    "0300000001;0300000002;0300000003;0300000004;0300000005",
	    "telephones: more than 4 numbers" },
	{ REGISTRY_TELEPHONES, "0300000001;030000002",
	    "telephones: number 2 is not 10 or 11 digits" },
	{ REGISTRY_TELEPHONES, "090000000012",
	    "telephones: number 1 is not 10 or 11 digits" },
	{ REGISTRY_TELEPHONES, "090-0000-000x",
	    "telephones: number 1 is not 10 or 11 digits" },
	{ REGISTRY_TELEPHONES, "+44-20-0000-0000",
	    "telephones: number 1 is not 10 or 11 digits" },
	{ REGISTRY_TELEPHONES, "+81",
	    "telephones: number 1 is not 10 or 11 digits" },

	{ REGISTRY_PIN, "", NULL },
	{ REGISTRY_PIN, "0123", NULL },
	{ REGISTRY_PIN, "0123456789", NULL },
	{ REGISTRY_PIN, "123", "pin: not 4 to 10 digits" },
	{ REGISTRY_PIN, "01234567890", "pin: not 4 to 10 digits" },
	{ REGISTRY_PIN, "12a4", "pin: not 4 to 10 digits" },

	{ REGISTRY_KANA_NAME, "", NULL },
	{ REGISTRY_KANA_NAME, "ヤマダ\tタロウ",
	    "kana_name: a control character is in it" },
	{ REGISTRY_KANA_NAME, "ヤマダ\x7f",
	    "kana_name: a control character is in it" },

	{ REGISTRY_KANA_NAME, "123456789012",
	    "kana_name: twelve digits could be a My Number, which is never "
	    "stored" },

	{ REGISTRY_CARRIER, "card", NULL },
	{ REGISTRY_CARRIER, "Card", "carrier: neither card nor smartphone" },
	{ REGISTRY_CARRIER, "", "carrier: neither card nor smartphone" },
	{ REGISTRY_KIND, "signature", NULL },
	{ REGISTRY_KIND, "both", "kind: neither signature nor authentication" },

	{ REGISTRY_ISSUER, "0123456789ABCDEF0123456789abcdef01234567", NULL },
	{ REGISTRY_ISSUER, "0123456789abcdef0123456789abcdef0123456",
	    "issuer: not the 40 hexadecimal digits of a SHA-1" },
	{ REGISTRY_ISSUER, "0123456789abcdef0123456789abcdef012345678",
	    "issuer: not the 40 hexadecimal digits of a SHA-1" },
	{ REGISTRY_ISSUER, "g123456789abcdef0123456789abcdef01234567",
	    "issuer: not the 40 hexadecimal digits of a SHA-1" },

	{ REGISTRY_SERIAL, "", "serial: not a hexadecimal number" },
	{ REGISTRY_SERIAL, "0x", "serial: not a hexadecimal number" },
	{ REGISTRY_SERIAL, "12:34", "serial: not a hexadecimal number" },
	{ REGISTRY_SERIAL, "-1", "serial: not a hexadecimal number" },
	{ REGISTRY_SERIAL, "0x0000", "serial: zero is no serial number" },
	{ REGISTRY_SERIAL, "123456789012345678901234567890123456789012",
	    "serial: more than 40 hexadecimal digits" },

	{ REGISTRY_NOT_BEFORE, "2029-02-28", NULL },
	{ REGISTRY_NOT_BEFORE, "2029-03-01", "not_before is after not_after" },
	{ REGISTRY_NOT_BEFORE, "2024-04-31",
	    "not_before: not a day of the calendar written YYYY-MM-DD" },
	{ REGISTRY_NOT_AFTER, "2029-02-31",
	    "not_after: not a day of the calendar written YYYY-MM-DD" },

	{ REGISTRY_STATUS, "", NULL },
	{ REGISTRY_STATUS, "revoked", NULL },
	{ REGISTRY_STATUS, "expired",
	    "status: neither good nor hold nor revoked" },

	{ REGISTRY_MAIL, "", NULL },
	{ REGISTRY_MAIL, "a.b+c@d-e.example", NULL },
	{ REGISTRY_MAIL, "a@b@c", "mail: not a mail address" },
	{ REGISTRY_MAIL, "a@b\r\nBcc: c@d", "mail: not a mail address" },
	{ REGISTRY_ADDRESS, "", NULL },
	{ REGISTRY_ADDRESS, "123456789012",
	    "address: twelve digits could be a My Number, which is never "
	    "stored" },
	{ REGISTRY_ADDRESS, "a\"b",
	    "address: a control character, a quote or a backslash is in it" },
	{ REGISTRY_LANG, "", NULL },
	{ REGISTRY_LANG, "ja", NULL },
	{ REGISTRY_LANG, "Japanese", "lang: not a language such as ja or en" },
};

static void
test_every_rule_has_its_reason(void **state)
{
	struct registry_row r;
	struct err err;
	size_t i;
	int rc;

	(void)state;
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		rc = parse(&r, rules[i].column, rules[i].text, &err);
		assert_string_equal(
		    err.text, rules[i].reason != NULL ? rules[i].reason : "");
		assert_int_equal(rc, rules[i].reason != NULL ? -1 : 0);
	}
}

static void
test_the_longest_of_everything(void **state)
{
	char ref[REGISTRY_REF_MAX + 2], kana[4 * REGISTRY_KANA_MAX + 5] = "";
	static char huge[2000];
	struct registry_row r;
	struct err err;
	size_t i;

	(void)state;
	memset(ref, 'x', sizeof(ref) - 1);
	ref[sizeof(ref) - 1] = '\0';
	assert_int_equal(parse(&r, REGISTRY_HOLDER_REF, ref, &err), -1);
	assert_string_equal(err.text, "holder_ref: longer than 64 characters");
	for (i = 0; i < REGISTRY_KANA_MAX; i++)
		strcat(kana, "\xf0\xa0\xae\xb7"); /* 𠮷, four bytes */
	assert_int_equal(parse(&r, REGISTRY_KANA_NAME, kana, &err), 0);
	assert_string_equal(r.kana, kana);
	strcat(kana, "x");
	assert_int_equal(parse(&r, REGISTRY_KANA_NAME, kana, &err), -1);
	assert_string_equal(err.text, "kana_name: longer than 100 characters");
	memset(huge, 'x', REGISTRY_ADDRESS_MAX + 1);
	assert_int_equal(parse(&r, REGISTRY_ADDRESS, huge, &err), -1);
	assert_string_equal(err.text, "address: longer than 210 bytes");
	huge[REGISTRY_ADDRESS_MAX] = '\0';
	assert_int_equal(parse(&r, REGISTRY_ADDRESS, huge, &err), 0);
	memset(huge, '1', sizeof(huge) - 1);
	assert_int_equal(parse(&r, REGISTRY_TELEPHONES, huge, &err), -1);
	assert_string_equal(err.text, "telephones: much too long");
}

/* However a serial is written, it is stored in one way. */
static void
test_serials_have_one_form(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "1", "01" },
		{ "01", "01" },
		{ "0x1", "01" },
		{ "0X0AbC", "0abc" },
		{ "00000abc", "0abc" },
		{ "FF", "ff" },
		{ "00ff", "ff" },
		{ "001234567890123456789012345678901234567890",
		    "1234567890123456789012345678901234567890" },
		{ "123456789012345678901234567890123456789",
		    "0123456789012345678901234567890123456789" },
	};
	char out[STORE_SERIAL_MAX + 1];
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(registry_serial(out, rows[i].in, &err), 0);
		assert_string_equal(out, rows[i].out);
	}
}

static void
test_telephones_have_one_form(void **state)
{
	static const char *const rows[] = { "09000000001", "090-0000-0001",
		"+819000000001", "+81-90-0000-0001", " ;090-00000001; " };
	struct registry_row r;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
		    parse(&r, REGISTRY_TELEPHONES, rows[i], &err), 0);
		assert_int_equal(r.n_phones, 1);
		assert_string_equal(r.phones[0], "09000000001");
	}
}

static void
test_a_row_has_as_many_fields_as_the_header(void **state)
{
	struct csv_row row = { .n = REGISTRY_COLUMN_COUNT - 1 };
	struct registry_row r;
	struct err err;

	(void)state;
	memcpy(row.fields, good, sizeof(good));
	assert_int_equal(
	    registry_row_parse(&r, &in_order, &row, TODAY, &err), -1);
	assert_string_equal(
	    err.text, "the row has 16 fields and the header has 17");
}

/* Read a header (and perhaps a row) from text. */
struct read {
	struct registry_header header;
	struct err err;
	int rc;
};

static int
on_row(void *ctx, const struct csv_row *row)
{
	struct read *r = ctx;

	r->rc = registry_header_parse(&r->header, row, &r->err);
	return 0;
}

static int
read_header(struct read *r, const char *text)
{
	struct csv *c = csv_new(on_row, r);

	r->err.text[0] = '\0';
	csv_feed(c, text, strlen(text));
	csv_end(c);
	csv_free(c);
	return r->rc;
}

static void
test_columns_come_in_any_order(void **state)
{
	struct csv_row row = { .n = REGISTRY_COLUMN_COUNT };
	struct registry_row out;
	struct read r;
	size_t i;

	(void)state;
	assert_int_equal(
	    read_header(&r, REGISTRY_HEADER ",mail,address,lang"), 0);
	assert_memory_equal(&r.header, &in_order, sizeof(in_order));
	assert_int_equal(
	    read_header(&r,
		"lang,address,mail,status, not_after ,not_before,serial,issuer,kind,carrier,"
		"\"kana_name\",pin,telephones,municipality_code,postal_code,"
		"birth_date,holder_ref"),
	    0);
	for (i = 0; i < REGISTRY_COLUMN_COUNT; i++)
		row.fields[REGISTRY_COLUMN_COUNT - 1 - i] = good[i];
	assert_int_equal(
	    registry_row_parse(&out, &r.header, &row, TODAY, &r.err), 0);
	assert_string_equal(out.ref, "ref-1");
	assert_int_equal(out.cert.status, STORE_HELD);
}

static void
test_the_last_columns_may_be_left_out(void **state)
{
	struct csv_row row = { .n = REGISTRY_OPTIONAL };
	struct registry_row out;
	struct read r;

	(void)state;
	assert_int_equal(read_header(&r, REGISTRY_HEADER), 0);
	memcpy(row.fields, good, sizeof(good));
	assert_int_equal(
	    registry_row_parse(&out, &r.header, &row, TODAY, &r.err), 0);
	assert_string_equal(out.mail, "");
	assert_string_equal(out.address, "");
	assert_string_equal(out.lang, "");
	assert_int_equal(read_header(&r, "mail," REGISTRY_HEADER), 0);
	row.n++;
	memcpy(row.fields + 1, good, REGISTRY_OPTIONAL * sizeof(good[0]));
	row.fields[0] = "a@b.example";
	assert_int_equal(
	    registry_row_parse(&out, &r.header, &row, TODAY, &r.err), 0);
	assert_string_equal(out.mail, "a@b.example");
	assert_string_equal(out.ref, "ref-1");
}

static void
test_a_wrong_header_is_explained(void **state)
{
	static const struct {
		const char *in, *text;
	} rows[] = {
		{ "a,b", "there is no header" },
		{ "ref-1,1980-02-29,100-0001", "there is no header" },
		{ REGISTRY_HEADER ",colour\x1b",
		    "the header has the unknown column colour?" },
		{ REGISTRY_HEADER ",colour,size",
		    "the header has the unknown columns colour, size" },
		{ REGISTRY_HEADER ",pin",
		    "the header has twice the column pin" },
		{ "holder_ref,birth_date,postal_code,municipality_code,"
		  "telephones,kana_name,carrier,kind,issuer,serial,"
		  "not_before,not_after",
		    "the header lacks the columns pin, status" },
		{ "holder_ref,birthday,postal_code,municipality_code,"
		  "telephones,pin,kana_name,carrier,kind,issuer,serial,"
		  "not_before,not_after,status",
		    "the header has the unknown column birthday and lacks "
		    "birth_date" },
	};
	struct read r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(read_header(&r, rows[i].in), -1);
		assert_string_equal(r.err.text, rows[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_row),
		cmocka_unit_test(test_every_rule_has_its_reason),
		cmocka_unit_test(test_the_longest_of_everything),
		cmocka_unit_test(test_serials_have_one_form),
		cmocka_unit_test(test_telephones_have_one_form),
		cmocka_unit_test(test_a_row_has_as_many_fields_as_the_header),
		cmocka_unit_test(test_columns_come_in_any_order),
		cmocka_unit_test(test_the_last_columns_may_be_left_out),
		cmocka_unit_test(test_a_wrong_header_is_explained),
	};
	return cmocka_run_group_tests_name("registry_row", tests, NULL, NULL);
}
