/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"

#define DAY_US (86400 * CLOCK_S_US)

/* The calendar once more, the slow way. */
static int
days_in(int y, int m)
{
	static const int days[] = { 0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
		30, 31 };

	if (m < 1 || m > 12)
		return 0;
	if (m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0))
		return 29;
	return days[m];
}

static void
test_every_day_follows_the_one_before(void **state)
{
	int64_t start = clock_jst_start_us(18680101);
	int y, m, d, ymd, before = 18671231;

	(void)state;
	for (y = 1868; y <= 9999; y++)
		for (m = 1; m <= 12; m++)
			for (d = 1; d <= days_in(y, m); d++) {
				ymd = y * 10000 + m * 100 + d;
				assert_int_equal(
				    clock_jst_start_us(ymd), start);
				assert_int_equal(clock_jst_ymd(start), ymd);
				assert_int_equal(
				    clock_jst_ymd(start - 1), before);
				before = ymd;
				start += DAY_US;
			}
}

static void
test_only_days_of_the_calendar_are_valid(void **state)
{
	int y, m, d;

	(void)state;
	for (y = 1868; y <= 2120; y++)
		for (m = 0; m < 100; m++)
			for (d = 0; d < 100; d++)
				assert_int_equal(
				    clock_ymd_valid(y * 10000 + m * 100 + d),
				    d >= 1 && d <= days_in(y, m));
}

static void
test_the_calendar_has_a_first_and_a_last_day(void **state)
{
	static const struct {
		int ymd;
		bool valid;
	} rows[] = { { 18680101, true }, { 18671231, false }, { 0, false },
		{ -20200101, false }, { 99991231, true }, { 99991232, false },
		{ 100000101, false }, { INT32_MAX, false },
		{ INT32_MIN, false }, { 19000229, false }, { 20000229, true },
		{ 21000229, false }, { 20240229, true } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(clock_ymd_valid(rows[i].ymd), rows[i].valid);
}

/* A Japanese day begins at 15:00 UTC of the day before. */
static void
test_the_day_changes_at_midnight_in_japan(void **state)
{
	static const struct {
		int64_t utc_s;
		int ymd;
	} rows[] = { { 951749999, 20000228 }, { 951750000, 20000229 },
		{ 951836399, 20000229 }, { 951836400, 20000301 },
		{ 0, 19700101 }, { -32400, 19700101 }, { -32401, 19691231 },
		{ 1767193199, 20251231 }, { 1767193200, 20260101 } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
		    clock_jst_ymd(rows[i].utc_s * CLOCK_S_US), rows[i].ymd);
	assert_int_equal(clock_jst_ymd(INT64_C(951750000000000) - 1), 20000228);
	assert_int_equal(clock_jst_start_us(19700101), -32400 * CLOCK_S_US);
	assert_int_equal(
	    clock_jst_start_us(20000229), INT64_C(951750000000000));
}

static void
test_certificates_end_on_birthdays(void **state)
{
	static const struct {
		int from, years, to;
	} rows[] = { { 20240229, 5, 20290228 }, { 20240229, 4, 20280229 },
		{ 20240229, 10, 20340228 }, { 20240228, 5, 20290228 },
		{ 20240301, 5, 20290301 }, { 18960229, 4, 19000228 },
		{ 19960229, 4, 20000229 }, { 20231231, 5, 20281231 },
		{ 20240229, 0, 20240229 }, { 20240229, -1, 20230228 } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
		    clock_ymd_add_years(rows[i].from, rows[i].years),
		    rows[i].to);
}

static void
test_dates_are_read(void **state)
{
	static const struct {
		const char *text;
		int ymd;
	} rows[] = { { "2026-11-23", 20261123 }, { "2024-02-29", 20240229 },
		{ "1868-01-01", 18680101 }, { "9999-12-31", 99991231 },
		{ "2023-02-29", 0 }, { "2026-00-10", 0 }, { "2026-13-10", 0 },
		{ "2026-04-31", 0 }, { "2026-04-00", 0 }, { "1867-12-31", 0 },
		{ "0000-00-00", 0 }, { "", 0 }, { "2026-11-2", 0 },
		{ "2026-11-231", 0 }, { "2026-11-23 ", 0 }, { "2026/11/23", 0 },
		{ "20261123", 0 }, { "2026-1a-23", 0 }, { "+026-11-23", 0 },
		{ " 026-11-23", 0 }, { "----------", 0 },
		{ "２０２６-11-23", 0 } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(clock_ymd_parse(rows[i].text), rows[i].ymd);
}

static void
test_instants_are_written_in_japanese_time(void **state)
{
	static const struct {
		int64_t us;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T09:00:00.000+09:00" },
		{ INT64_C(951750000000000), "2000-02-29T00:00:00.000+09:00" },
		{ INT64_C(951749999999999), "2000-02-28T23:59:59.999+09:00" },
		{ -1, "1970-01-01T08:59:59.999+09:00" },
		{ INT64_C(-32400000001), "1969-12-31T23:59:59.999+09:00" },
		{ INT64_C(1767193201234567), "2026-01-01T00:00:01.234+09:00" },
	};
	char out[CLOCK_TEXT_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		clock_format(rows[i].us, out);
		assert_string_equal(out, rows[i].text);
	}
}

/* However odd the instant, the text stays in its room. */
static void
test_no_instant_overruns_its_text(void **state)
{
	static const int64_t odd[] = { INT64_MIN, INT64_MIN / 2, INT64_MAX / 2,
		INT64_MAX - 9 * 3600 * CLOCK_S_US };
	char out[CLOCK_TEXT_SIZE + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		memset(out, '~', sizeof(out));
		clock_format(odd[i], out);
		assert_true(strlen(out) < CLOCK_TEXT_SIZE);
		assert_int_equal(out[CLOCK_TEXT_SIZE], '~');
	}
}

static void
test_the_clocks_run(void **state)
{
	int64_t last = clock_mono_us(), now;
	int i;

	(void)state;
	for (i = 0; i < 10000; i++) {
		now = clock_mono_us();
		assert_true(now >= last);
		last = now;
	}
	now = clock_wall_us() / CLOCK_S_US;
	assert_in_range(now, time(NULL) - 5, time(NULL) + 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_day_follows_the_one_before),
		cmocka_unit_test(test_only_days_of_the_calendar_are_valid),
		cmocka_unit_test(test_the_calendar_has_a_first_and_a_last_day),
		cmocka_unit_test(test_the_day_changes_at_midnight_in_japan),
		cmocka_unit_test(test_certificates_end_on_birthdays),
		cmocka_unit_test(test_dates_are_read),
		cmocka_unit_test(test_instants_are_written_in_japanese_time),
		cmocka_unit_test(test_no_instant_overruns_its_text),
		cmocka_unit_test(test_the_clocks_run),
	};
	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
