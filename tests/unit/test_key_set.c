/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "publish/key_set.h"
#include "publish/reconcile.h"

#define KEYS 20000

static void
test_what_was_added_is_there_and_nothing_else(void **state)
{
	struct key_set *s = key_set_new();
	char key[32];
	int i;

	(void)state;
	assert_non_null(s);
	for (i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		assert_false(key_set_has(s, key));
		assert_int_equal(key_set_add(s, key), 0);
		assert_int_equal(key_set_add(s, key), 0);
	}
	for (i = 0; i < 2 * KEYS; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		assert_int_equal(key_set_has(s, key), i < KEYS);
	}
	assert_false(key_set_has(s, ""));
	assert_int_equal(key_set_add(s, ""), 0);
	assert_true(key_set_has(s, ""));
	key_set_free(s);
	key_set_free(NULL);
}

/* A clock that runs ahead, by ten years, deletes no record. */
static void
test_the_earlier_clock_decides_what_is_kept(void **state)
{
	int64_t now_us = INT64_C(1795485600000000); /* 2026-11-24, Japan */
	int64_t years_us = 3650 * 86400 * CLOCK_S_US;

	(void)state;
	assert_int_equal(reconcile_keep_day(now_us, now_us), 20261024);
	assert_int_equal(
	    reconcile_keep_day(now_us + years_us, now_us), 20261024);
	assert_int_equal(
	    reconcile_keep_day(now_us, now_us + years_us), 20261024);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_added_is_there_and_nothing_else),
		cmocka_unit_test(test_the_earlier_clock_decides_what_is_kept),
	};
	return cmocka_run_group_tests_name("key set", tests, NULL, NULL);
}
