/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "hold/status.h"

#define TODAY 20261123
#define SIG (1u << STORE_SIGNATURE)
#define AUT (1u << STORE_AUTHENTICATION)
#define CARD (1u << STORE_CARD)
#define PHONE (1u << STORE_SMARTPHONE)

static int64_t
noon(int ymd)
{
	return clock_jst_start_us(ymd) + 12 * 3600 * CLOCK_S_US;
}

static struct store_cert
cert(enum store_carrier carrier, enum store_kind kind, enum store_status status,
    int not_after)
{
	return (struct store_cert){ .carrier = carrier,
		.kind = kind,
		.status = status,
		.not_before = 20230101,
		.not_after = not_after };
}

static void
test_a_fate_for_each_status_before_and_after_the_last_day(void **state)
{
	static const struct {
		enum store_status status;
		int not_after;
		enum status_fate fate;
	} rows[] = {
		{ STORE_GOOD, TODAY, STATUS_HOLDABLE },
		{ STORE_GOOD, TODAY + 1, STATUS_HOLDABLE },
		{ STORE_GOOD, TODAY - 1, STATUS_EXPIRED },
		{ STORE_HELD, TODAY, STATUS_ON_HOLD },
		{ STORE_HELD, TODAY - 1, STATUS_EXPIRED },
		{ STORE_REVOKED, TODAY, STATUS_REVOKED },
		{ STORE_REVOKED, TODAY - 1, STATUS_REVOKED },
	};
	struct store_cert c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		c = cert(STORE_CARD, STORE_SIGNATURE, rows[i].status,
		    rows[i].not_after);
		assert_int_equal(status_fate(&c, noon(TODAY)), rows[i].fate);
	}
}

/* Valid through the last moment of the last day, Japanese time. */
static void
test_the_last_day_ends_at_midnight_in_japan(void **state)
{
	struct store_cert c =
	    cert(STORE_CARD, STORE_SIGNATURE, STORE_GOOD, 20280229);
	int64_t midnight = clock_jst_start_us(20280301);

	(void)state;
	assert_int_equal(status_fate(&c, midnight - 1), STATUS_HOLDABLE);
	assert_int_equal(status_fate(&c, midnight), STATUS_EXPIRED);
}

static void
test_nobody_has_no_plan(void **state)
{
	struct status_plan p = status_plan(NULL, 0, 3, noon(TODAY));

	(void)state;
	assert_int_equal(p.take | p.held | p.dead | p.carriers, 0);
	assert_false(p.expired || p.revoked);
}

/* One certificate's fate as a letter: h(oldable), o(n hold), e(xpired),
 * r(evoked), '-' none. */
static size_t
add(struct store_cert *certs, size_t n, enum store_carrier carrier,
    enum store_kind kind, char fate)
{
	if (fate == '-')
		return n;
	certs[n] = cert(carrier, kind,
	    fate == 'r'       ? STORE_REVOKED
		: fate == 'o' ? STORE_HELD
			      : STORE_GOOD,
	    fate == 'e' ? TODAY - 1 : TODAY);
	return n + 1;
}

static void
test_plans_sum_up_the_chosen_carriers(void **state)
{
	/* card signature and authentication, then the smartphone's */
	static const struct {
		const char *fates;
		unsigned int chosen, take, held, dead;
		bool expired, revoked;
		unsigned int carriers;
	} rows[] = {
		{ "hh--", 3, SIG | AUT, 0, 0, false, false, CARD },
		{ "hhhh", 3, SIG | AUT, 0, 0, false, false, CARD | PHONE },
		{ "hhhh", CARD, SIG | AUT, 0, 0, false, false, CARD },
		{ "hhhh", PHONE, SIG | AUT, 0, 0, false, false, PHONE },
		{ "hhhh", 0, 0, 0, 0, false, false, 0 },
		{ "-h--", 3, AUT, 0, 0, false, false, CARD },
		{ "eh--", 3, AUT, 0, SIG, true, false, CARD },
		{ "rh--", 3, AUT, 0, SIG, false, true, CARD },
		{ "oh--", 3, AUT, SIG, 0, false, false, CARD },
		{ "oo--", 3, 0, SIG | AUT, 0, false, false, CARD },
		{ "ee--", 3, 0, 0, SIG | AUT, true, false, 0 },
		{ "rr--", 3, 0, 0, SIG | AUT, false, true, 0 },
		{ "er--", 3, 0, 0, SIG | AUT, true, true, 0 },
		{ "eo--", 3, 0, AUT, SIG, true, false, CARD },
		/* dead on the card, alive on the telephone: not dead */
		{ "eehh", 3, SIG | AUT, 0, 0, true, false, PHONE },
		{ "eehh", CARD, 0, 0, SIG | AUT, true, false, 0 },
		{ "hhoo", 3, SIG | AUT, SIG | AUT, 0, false, false,
		    CARD | PHONE },
		{ "hhoo", PHONE, 0, SIG | AUT, 0, false, false, PHONE },
		{ "rroo", 3, 0, SIG | AUT, 0, false, true, PHONE },
		{ "h--h", 3, SIG | AUT, 0, 0, false, false, CARD | PHONE },
		{ "----", 3, 0, 0, 0, false, false, 0 },
	};
	struct store_cert certs[4];
	struct status_plan p;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n = add(
		    certs, 0, STORE_CARD, STORE_SIGNATURE, rows[i].fates[0]);
		n = add(certs, n, STORE_CARD, STORE_AUTHENTICATION,
		    rows[i].fates[1]);
		n = add(certs, n, STORE_SMARTPHONE, STORE_SIGNATURE,
		    rows[i].fates[2]);
		n = add(certs, n, STORE_SMARTPHONE, STORE_AUTHENTICATION,
		    rows[i].fates[3]);
		p = status_plan(certs, n, rows[i].chosen, noon(TODAY));
		if (p.take != rows[i].take || p.held != rows[i].held ||
		    p.dead != rows[i].dead || p.expired != rows[i].expired ||
		    p.revoked != rows[i].revoked ||
		    p.carriers != rows[i].carriers)
			fail_msg("%s on %u", rows[i].fates, rows[i].chosen);
	}
}

/* A renewed certificate stands beside the one it replaced. */
static void
test_an_old_pair_beside_a_new_one_is_not_dead(void **state)
{
	struct store_cert certs[2] = {
		cert(STORE_CARD, STORE_SIGNATURE, STORE_GOOD, TODAY + 1),
		cert(STORE_CARD, STORE_SIGNATURE, STORE_REVOKED, TODAY + 1),
	};
	struct status_plan p = status_plan(certs, 2, 3, noon(TODAY));

	(void)state;
	assert_int_equal(p.take, SIG);
	assert_int_equal(p.dead, 0);
	assert_true(p.revoked);
}

/* The whole machine: revoked and expired have no way out, and only what is
 * good can be held. */
static void
test_every_move_from_every_status(void **state)
{
	static const struct {
		enum store_status status;
		int not_after;
		bool hold, lift, revoke;
	} rows[] = {
		{ STORE_GOOD, TODAY, true, false, true },
		{ STORE_HELD, TODAY, false, true, true },
		{ STORE_REVOKED, TODAY, false, false, false },
		{ STORE_GOOD, TODAY - 1, false, false, false },
		{ STORE_HELD, TODAY - 1, false, false, false },
		{ STORE_REVOKED, TODAY - 1, false, false, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct store_cert c = cert(STORE_CARD, STORE_SIGNATURE,
		    rows[i].status, rows[i].not_after);
		int64_t now = noon(TODAY);

		assert_int_equal(
		    status_may(&c, STATUS_MOVE_HOLD, now), rows[i].hold);
		assert_int_equal(
		    status_may(&c, STATUS_MOVE_LIFT, now), rows[i].lift);
		assert_int_equal(
		    status_may(&c, STATUS_MOVE_REVOKE, now), rows[i].revoke);
	}
}

static void
test_fates_have_names(void **state)
{
	(void)state;
	assert_string_equal(status_fate_name(STATUS_HOLDABLE), "holdable");
	assert_string_equal(status_fate_name(STATUS_ON_HOLD), "on-hold");
	assert_string_equal(status_fate_name(STATUS_EXPIRED), "expired");
	assert_string_equal(status_fate_name(STATUS_REVOKED), "revoked");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_fate_for_each_status_before_and_after_the_last_day),
		cmocka_unit_test(test_the_last_day_ends_at_midnight_in_japan),
		cmocka_unit_test(test_nobody_has_no_plan),
		cmocka_unit_test(test_plans_sum_up_the_chosen_carriers),
		cmocka_unit_test(test_an_old_pair_beside_a_new_one_is_not_dead),
		cmocka_unit_test(test_every_move_from_every_status),
		cmocka_unit_test(test_fates_have_names),
	};
	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
