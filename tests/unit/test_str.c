/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void
test_copies_are_whole_or_cut_and_ended(void **state)
{
	static const struct {
		const char *src, *out;
		size_t size;
		int rc;
	} rows[] = { { "", "", 1, 0 }, { "abc", "abc", 4, 0 },
		{ "abc", "ab", 3, -1 }, { "abc", "", 1, -1 },
		{ "abc", "abc", 9, 0 } };
	char out[16];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(out, '~', sizeof(out));
		assert_int_equal(
		    str_copy(out, rows[i].size, rows[i].src), rows[i].rc);
		assert_string_equal(out, rows[i].out);
		assert_int_equal(out[rows[i].size], '~');
	}
}

static void
test_digits_are_ascii_digits(void **state)
{
	static const struct {
		const char *s;
		size_t min, max;
		bool is;
	} rows[] = { { "0123456789", 10, 10, true }, { "", 0, 4, true },
		{ "", 1, 4, false }, { "123", 4, 10, false },
		{ "1234", 4, 10, true }, { "12345678901", 4, 10, false },
		{ "12a4", 4, 4, false }, { "1234 ", 1, 9, false },
		{ " 1234", 1, 9, false }, { "-123", 1, 9, false },
		{ "１２", 1, 9, false }, { "12/4", 1, 9, false },
		{ "12:4", 1, 9, false } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
		    str_is_digits(rows[i].s, rows[i].min, rows[i].max),
		    rows[i].is);
}

static void
test_every_byte_goes_to_hexadecimal_and_back(void **state)
{
	uint8_t bytes[256], back[256];
	char hex[513];
	size_t i;

	(void)state;
	for (i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	str_hex(bytes, 256, hex);
	assert_int_equal(strlen(hex), 512);
	assert_int_equal(strspn(hex, "0123456789abcdef"), 512);
	assert_memory_equal(hex + 2 * 0xa5, "a5", 2);
	assert_int_equal(str_unhex(hex, back, 256), 0);
	assert_memory_equal(bytes, back, 256);
	str_hex(bytes, 0, hex);
	assert_string_equal(hex, "");
}

static void
test_other_text_is_not_hexadecimal(void **state)
{
	static const struct {
		const char *hex;
		int rc;
	} rows[] = { { "00fF", 0 }, { "Abcd", 0 }, { "", -1 }, { "00f", -1 },
		{ "00fff", -1 }, { "00ff0", -1 }, { "00fg", -1 },
		{ "00f ", -1 }, { " 0ff", -1 }, { "0x12", -1 }, { "00:f", -1 },
		{ "00/f", -1 }, { "00@f", -1 }, { "00`f", -1 },
		{ "00Gf", -1 } };
	uint8_t bytes[2];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(str_unhex(rows[i].hex, bytes, 2), rows[i].rc);
	assert_int_equal(str_unhex("", bytes, 0), 0);
	assert_int_equal(str_unhex("0", bytes, 0), -1);
	assert_int_equal(str_unhex("Abcd", bytes, 2), 0);
	assert_int_equal(bytes[0] << 8 | bytes[1], 0xabcd);
}

static void
test_utf8_is_told_from_other_bytes(void **state)
{
	static const struct {
		const char *s;
		size_t len;
		bool is;
	} rows[] = {
		{ "", 0, true },
		{ "abc", 3, true },
		{ "a\0b", 3, false },
		{ "\0", 1, false },
		{ "\x7f", 1, true },
		{ "\x80", 1, false },
		{ "\xc2\x80", 2, true },
		{ "\xdf\xbf", 2, true },
		{ "\xe0\xa0\x80", 3, true },
		{ "\xef\xbf\xbf", 3, true },
		{ "\xf0\x90\x80\x80", 4, true },
		{ "\xf4\x8f\xbf\xbf", 4, true },
		/* overlong forms */
		{ "\xc0\x80", 2, false },
		{ "\xc1\xbf", 2, false },
		{ "\xe0\x80\x80", 3, false },
		{ "\xe0\x9f\xbf", 3, false },
		{ "\xf0\x80\x80\x80", 4, false },
		{ "\xf0\x8f\xbf\xbf", 4, false },
		/* surrogates, and their neighbours */
		{ "\xed\xa0\x80", 3, false },
		{ "\xed\xbf\xbf", 3, false },
		{ "\xed\x9f\xbf", 3, true },
		{ "\xee\x80\x80", 3, true },
		/* beyond U+10FFFF */
		{ "\xf4\x90\x80\x80", 4, false },
		{ "\xf5\x80\x80\x80", 4, false },
		{ "\xf8\x88\x80\x80\x80", 5, false },
		{ "\xff", 1, false },
		{ "\xfe", 1, false },
		/* cut short, or continued by something else */
		{ "\xc2", 1, false },
		{ "\xe3\x81", 2, false },
		{ "\xf0\x9f\x98", 3, false },
		{ "\xc2x", 2, false },
		{ "\xe3\x81x", 3, false },
		{ "\xe3x\x81", 3, false },
		{ "\xc2\xc2\x80", 3, false },
		{ "あ\x80", 4, false },
		{ "東京都", 9, true },
		{ "東京都", 8, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_is_utf8(rows[i].s, rows[i].len) != rows[i].is)
			fail_msg("row %zu", i);
}

static size_t
encode(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static void
test_every_character_but_surrogates_is_utf8(void **state)
{
	char s[4];
	uint32_t c;
	size_t len;

	(void)state;
	for (c = 1; c < 0x120000; c++) {
		len = encode(c, s);
		if (str_is_utf8(s, len) !=
		    (c <= 0x10ffff && (c < 0xd800 || c > 0xdfff)))
			fail_msg("U+%04X", (unsigned int)c);
		assert_false(str_is_utf8(s, len - 1) && len > 1);
	}
}

static void
test_wide_characters_take_two_columns(void **state)
{
	static const struct {
		const char *s;
		size_t columns;
	} rows[] = { { "", 0 }, { "abc", 3 }, { "東京都", 6 },
		{ "ちよだく", 8 }, { "ｱｲｳ", 3 }, { "１２", 4 }, { "é", 1 },
		{ "한", 2 }, { "a東b", 4 }, { "\xff\xfe", 2 }, { "東\xe4", 3 },
		{ "𠮷", 2 }, { "、。", 4 } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(str_columns(rows[i].s), rows[i].columns);
}

static void
test_a_line_is_read_as_it_stands(void **state)
{
	static const char *const lines[] = { "", "Found: it was in a drawer",
		"見つかった。窓口にて確認", "e\xcc\x81", "\xc2\xa0" };
	static const char *const others[] = { "a\nb", "\x1b[31m", "\x7f",
		"a\xc2\x9b"
		"31m",
		"a\xe2\x80\xae"
		"b",
		"\xe2\x81\xa6", "\xe2\x80\xa8", "\xe2\x80\x8f", "\xd8\x9c",
		"\xff" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_true(str_is_line(lines[i]));
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(str_is_line(others[i]));
}

static void
test_numbers_are_printed_as_printf_does(void **state)
{
	static const int64_t rows[] = { 0, 1, 9, 10, 99, 100, -1, -9, -10,
		INT64_C(1795485600000000), INT64_MAX, INT64_MIN };
	char out[STR_INT_SIZE], want[STR_INT_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(want, sizeof(want), "%" PRId64, rows[i]);
		assert_ptr_equal(str_int(out, rows[i]), out + strlen(want));
		assert_string_equal(out, want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies_are_whole_or_cut_and_ended),
		cmocka_unit_test(test_digits_are_ascii_digits),
		cmocka_unit_test(test_every_byte_goes_to_hexadecimal_and_back),
		cmocka_unit_test(test_other_text_is_not_hexadecimal),
		cmocka_unit_test(test_utf8_is_told_from_other_bytes),
		cmocka_unit_test(test_every_character_but_surrogates_is_utf8),
		cmocka_unit_test(test_wide_characters_take_two_columns),
		cmocka_unit_test(test_a_line_is_read_as_it_stands),
		cmocka_unit_test(test_numbers_are_printed_as_printf_does),
	};
	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
