/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static void
test_setting_overwrites_and_returns_minus_one(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, ERR_IO, "disk %d is full", 7), -1);
	assert_int_equal(err.code, ERR_IO);
	assert_string_equal(err.text, "disk 7 is full");
	assert_int_equal(err_set(&err, ERR_RANGE, "x"), -1);
	assert_int_equal(err.code, ERR_RANGE);
	assert_string_equal(err.text, "x");
}

static void
test_context_goes_in_front_and_the_code_stays(void **state)
{
	struct err err;

	(void)state;
	err_set(&err, ERR_PARSE, "no digits");
	assert_int_equal(err_add(&err, "line %u", 3u), -1);
	assert_int_equal(err_add(&err, "key file %s", "/k"), -1);
	assert_int_equal(err.code, ERR_PARSE);
	assert_string_equal(err.text, "key file /k: line 3: no digits");
}

/* The text may quote what stands in it already. */
static void
test_context_may_be_made_of_the_text(void **state)
{
	struct err err;

	(void)state;
	err_set(&err, ERR_PARSE, "inner");
	err_add(&err, "again %s", err.text);
	assert_string_equal(err.text, "again inner: inner");
}

static void
test_long_texts_are_cut_and_ended(void **state)
{
	char big[1000];
	struct err err;
	int i;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&err, ERR_IO, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	err_add(&err, "first words");
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_memory_equal(err.text, "first words: xxx", 16);
	for (i = 0; i < 50; i++)
		err_add(&err, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_int_equal(err.code, ERR_IO);
}

/* A percent sign in what went wrong is only a percent sign. */
static void
test_texts_are_not_formats(void **state)
{
	struct err err;

	(void)state;
	err_set(&err, ERR_IO, "%s", "100%n %s");
	err_add(&err, "disk");
	assert_string_equal(err.text, "disk: 100%n %s");
}

static void
test_every_code_has_a_name_of_its_own(void **state)
{
	unsigned int i, j;

	(void)state;
	for (i = 0; i < ERR_CODE_COUNT; i++) {
		assert_memory_equal(err_name((enum err_code)i), "ERR_", 4);
		for (j = 0; j < i; j++)
			assert_string_not_equal(err_name((enum err_code)i),
			    err_name((enum err_code)j));
	}
	assert_string_equal(err_name(ERR_RANGE), "ERR_RANGE");
	assert_string_equal(err_name(ERR_CONFLICT), "ERR_CONFLICT");
	assert_non_null(err_name(ERR_CODE_COUNT));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_setting_overwrites_and_returns_minus_one),
		cmocka_unit_test(test_context_goes_in_front_and_the_code_stays),
		cmocka_unit_test(test_context_may_be_made_of_the_text),
		cmocka_unit_test(test_long_texts_are_cut_and_ended),
		cmocka_unit_test(test_texts_are_not_formats),
		cmocka_unit_test(test_every_code_has_a_name_of_its_own),
	};
	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
