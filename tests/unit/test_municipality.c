/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/municipality.h"
#include "base/str.h"

static void
test_every_row_is_sound(void **state)
{
	const struct municipality *m, *last = NULL;
	size_t i;

	(void)state;
	assert_in_range(municipality_count(), 1700, 2500);
	for (i = 0; i < municipality_count(); i++, last = m) {
		m = municipality_at(i);
		if (!municipality_code_valid(m->code))
			fail_msg("%s", m->code);
		assert_ptr_equal(municipality_find(m->code), m);
		if (last != NULL)
			assert_true(strcmp(last->code, m->code) < 0);
		assert_true(strlen(m->prefecture) > 0);
		assert_true(strlen(m->name) > 0);
		assert_true(strlen(m->kana) > 0);
		assert_true(str_is_utf8(m->prefecture, strlen(m->prefecture)));
		assert_true(str_is_utf8(m->name, strlen(m->name)));
		assert_true(str_is_utf8(m->kana, strlen(m->kana)));
		/* A prefecture is nobody's municipality. */
		assert_memory_not_equal(m->code + 2, "000", 3);
	}
}

static void
test_known_places_are_found(void **state)
{
	static const struct {
		const char *code, *prefecture, *name;
	} rows[] = { { "131016", "東京都", "千代田区" },
		{ "011002", "北海道", "札幌市" },
		{ "011011", "北海道", "札幌市中央区" },
		{ "473821", "沖縄県", "与那国町" },
		{ "271004", "大阪府", "大阪市" } };
	const struct municipality *m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		m = municipality_find(rows[i].code);
		if (m == NULL)
			fail_msg("%s is missing", rows[i].code);
		assert_string_equal(m->code, rows[i].code);
		assert_string_equal(m->prefecture, rows[i].prefecture);
		assert_string_equal(m->name, rows[i].name);
	}
}

static void
test_prefectures_and_nonsense_are_not_found(void **state)
{
	static const char *const rows[] = { "130001", "010006", "470007", "",
		"131015", "13101", "1310160", "000000", "999999", "abcdef",
		"１３１０１６" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_null(municipality_find(rows[i]));
}

/* Exactly one check digit is right. */
static void
test_every_wrong_check_digit_is_caught(void **state)
{
	char code[7];
	size_t i;
	char d;

	(void)state;
	for (i = 0; i < municipality_count(); i++) {
		memcpy(code, municipality_at(i)->code, 7);
		for (d = '0'; d <= '9'; d++) {
			code[5] = d;
			assert_int_equal(municipality_code_valid(code),
			    d == municipality_at(i)->code[5]);
		}
	}
}

static void
test_the_check_digit_is_the_standards(void **state)
{
	static const struct {
		const char *code;
		bool valid;
	} rows[] = { { "131016", true }, { "131024", true }, { "130001", true },
		{ "010006", true }, { "011002", true },
		/* the weighted sum is 0, 12 (1 mod 11), and 2 */
		{ "000001", true }, { "000060", true }, { "000019", true },
		{ "131017", false }, { "113016", false }, { "", false },
		{ "13101", false }, { "1310160", false }, { "13101a", false },
		{ "-31016", false }, { " 31016", false } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (municipality_code_valid(rows[i].code) != rows[i].valid)
			fail_msg("%s", rows[i].code);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_is_sound),
		cmocka_unit_test(test_known_places_are_found),
		cmocka_unit_test(test_prefectures_and_nonsense_are_not_found),
		cmocka_unit_test(test_every_wrong_check_digit_is_caught),
		cmocka_unit_test(test_the_check_digit_is_the_standards),
	};
	return cmocka_run_group_tests_name("municipality", tests, NULL, NULL);
}
