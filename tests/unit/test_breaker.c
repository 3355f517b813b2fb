/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "publish/breaker.h"

#define S CLOCK_S_US

static struct breaker
fresh(void)
{
	return (struct breaker){
		.faults_max = 3, .pause_us = 10 * S, .pause_max_us = 35 * S
	};
}

static void
test_faults_in_a_row_open_it(void **state)
{
	struct breaker b = fresh();

	(void)state;
	assert_false(breaker_fault(&b, 0));
	assert_false(breaker_fault(&b, 0));
	assert_false(breaker_answered(&b)); /* one answer: all is forgotten */
	assert_false(breaker_fault(&b, 0));
	assert_false(breaker_fault(&b, 0));
	assert_int_equal(breaker_room(&b, 0, 2, 6), 6);
	assert_true(breaker_fault(&b, 0));
	assert_int_equal(breaker_room(&b, 0, 0, 8), 0);
	assert_int_equal(breaker_room(&b, 10 * S - 1, 0, 8), 0);
}

static void
test_a_probe_at_a_time(void **state)
{
	struct breaker b = fresh();

	(void)state;
	while (!breaker_fault(&b, 0))
		;
	assert_int_equal(breaker_room(&b, 10 * S, 1, 7), 0);
	assert_int_equal(breaker_room(&b, 10 * S, 0, 8), 1);
	assert_true(breaker_answered(&b));
	assert_false(breaker_answered(&b));
	assert_int_equal(breaker_room(&b, 10 * S, 0, 8), 8);
}

static void
test_pauses_grow_to_their_limit(void **state)
{
	static const int64_t pauses[] = { 10 * S, 20 * S, 35 * S, 35 * S };
	struct breaker b = fresh();
	int64_t now = 5 * S;
	size_t i;

	(void)state;
	while (!breaker_fault(&b, now))
		;
	for (i = 0; i < 4; i++) {
		/* what was under way when it opened changes nothing */
		assert_false(breaker_fault(&b, now + 1));
		assert_int_equal(
		    breaker_room(&b, now + pauses[i] - 1, 0, 8), 0);
		now += pauses[i];
		assert_int_equal(breaker_room(&b, now, 0, 8), 1);
		assert_false(breaker_fault(&b, now)); /* said already */
	}
}

static void
test_back_off_doubles_and_spreads(void **state)
{
	int64_t id, us, tries, least = INT64_MAX, most = 0;

	(void)state;
	for (id = 1; id <= 200; id++) {
		us = breaker_back_off(8 * S, 3600 * S, 3, id);
		least = us < least ? us : least;
		most = us > most ? us : most;
	}
	assert_in_range(least, 24 * S, 26 * S);
	assert_in_range(most, 38 * S, 40 * S);
	for (tries = 1; tries < 100; tries++) {
		us = breaker_back_off(8 * S, 3600 * S, tries, 7);
		assert_in_range(us, 6 * S, 4500 * S);
	}
	assert_in_range(us, 2700 * S, 4500 * S);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults_in_a_row_open_it),
		cmocka_unit_test(test_a_probe_at_a_time),
		cmocka_unit_test(test_pauses_grow_to_their_limit),
		cmocka_unit_test(test_back_off_doubles_and_spreads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
