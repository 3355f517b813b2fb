/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/lookup.h"
#include "verify/verify.h"

/* What was typed, under two key versions; every MAC is a byte repeated. */
#define PHONE_NEW 0x11
#define PIN_NEW 0x22
#define PHONE_OLD 0x33
#define PIN_OLD 0x44
#define OTHER 0x99

static struct verify_macs
typed(void)
{
	struct verify_macs m = { .n = 2, .versions = { 7, 3 } };

	memset(m.phones[0], PHONE_NEW, SECRET_MAC_SIZE);
	memset(m.pins[0], PIN_NEW, SECRET_MAC_SIZE);
	memset(m.phones[1], PHONE_OLD, SECRET_MAC_SIZE);
	memset(m.pins[1], PIN_OLD, SECRET_MAC_SIZE);
	return m;
}

/* A candidate: the registered telephones' bytes, and the PIN's (0 = none). */
static struct store_candidate
holder(int64_t id, uint32_t version, const char *phones, int pin)
{
	struct store_candidate c = { .holder = id, .key_version = version };

	for (; phones[c.n_phones] != '\0'; c.n_phones++)
		memset(
		    c.phones[c.n_phones], phones[c.n_phones], STORE_MAC_SIZE);
	c.has_pin = pin != 0;
	memset(c.pin, pin, STORE_MAC_SIZE);
	return c;
}

static enum verify_verdict
judge(struct store_candidate a, int64_t *who)
{
	struct verify_macs m = typed();
	struct store_lookup found = { .n = 1, .candidates = { a } };

	return verify_judge(&m, &found, who);
}

static void
test_every_factor_registered_must_match(void **state)
{
	static const struct {
		uint32_t version;
		const char *phones;
		int pin;
		bool fits;
	} rows[] = {
		{ 7, "\x11", 0x22, true },
		{ 7, "\x11", 0, true },
		{ 7, "", 0x22, true },
		{ 7, "", 0, false },
		{ 7, "\x99", 0x22, false },
		{ 7, "\x11", OTHER, false },
		{ 7, "\x99", OTHER, false },
		{ 7, "\x99", 0, false },
		{ 7, "", OTHER, false },
		/* any one of several telephones will do */
		{ 7, "\x99\x98\x97\x11", 0x22, true },
		{ 7, "\x11\x99", 0x22, true },
		{ 7, "\x99\x98\x97\x96", 0x22, false },
		{ 7, "\x99\x11", OTHER, false },
		/* under the older key */
		{ 3, "\x33", 0x44, true },
		{ 3, "\x33", 0, true },
		{ 3, "", 0x44, true },
		{ 3, "\x33", OTHER, false },
		{ 3, "\x11", 0x22, false },
		{ 3, "\x33", 0x22, false },
		{ 7, "\x33", 0x44, false },
		/* under a key that is not there any more */
		{ 1, "\x11", 0x22, false },
		{ 1, "\x33", 0x44, false },
		{ 0, "\x11", 0x22, false },
		{ 1, "", 0, false },
	};
	enum verify_verdict verdict;
	int64_t who;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		who = -1;
		verdict = judge(
		    holder(5, rows[i].version, rows[i].phones, rows[i].pin),
		    &who);
		if (verdict != (rows[i].fits ? VERIFY_OK : VERIFY_NO) ||
		    who != (rows[i].fits ? 5 : 0))
			fail_msg(
			    "row %zu: %s", i, verify_verdict_name(verdict));
	}
}

/* Bytes that are not registered do not count, whatever they are. */
static void
test_what_is_not_registered_does_not_match(void **state)
{
	struct store_candidate c = holder(5, 7, "\x99", 0);
	int64_t who;

	(void)state;
	memset(c.phones[1], PHONE_NEW, STORE_MAC_SIZE);
	memset(c.pin, PIN_NEW, STORE_MAC_SIZE);
	assert_int_equal(judge(c, &who), VERIFY_NO);
	c = holder(5, 7, "", 0);
	memset(c.phones[0], PHONE_NEW, STORE_MAC_SIZE);
	memset(c.pin, PIN_NEW, STORE_MAC_SIZE);
	assert_int_equal(judge(c, &who), VERIFY_NO);
}

/* One wrong bit anywhere is a wrong answer. */
static void
test_every_bit_counts(void **state)
{
	struct store_candidate c;
	unsigned int bit;
	int64_t who;

	(void)state;
	for (bit = 0; bit < STORE_MAC_SIZE * 8; bit++) {
		c = holder(5, 7, "\x11", PIN_NEW);
		c.pin[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(judge(c, &who), VERIFY_NO);
		c = holder(5, 7, "\x11", PIN_NEW);
		c.phones[0][bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(judge(c, &who), VERIFY_NO);
	}
}

/* The kinds of holder there are, and whether each fits. */
static const struct {
	uint32_t version;
	const char *phones;
	int pin;
	bool fits, wrong_pin;
} kinds[] = {
	{ 7, "\x11", PIN_NEW, true, false },
	{ 7, "\x11", 0, true, false },
	{ 7, "", PIN_NEW, true, false },
	{ 7, "", 0, false, false },
	{ 7, "\x99", PIN_NEW, false, false },
	{ 7, "\x11", OTHER, false, true },
	{ 7, "\x99", OTHER, false, true },
	{ 7, "", OTHER, false, true },
	{ 3, "\x33", PIN_OLD, true, false },
	{ 3, "\x33", OTHER, false, true },
	{ 1, "\x11", PIN_NEW, false, false },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct store_candidate
of_kind(size_t kind, int64_t id)
{
	return holder(
	    id, kinds[kind].version, kinds[kind].phones, kinds[kind].pin);
}

/* All threesomes of them: exactly one must fit, and a right telephone never
 * makes up for a wrong PIN. */
static void
test_exactly_one_must_fit(void **state)
{
	struct verify_macs m = typed();
	struct store_lookup found = { .n = 3 };
	size_t at[3], i, n, fits;
	int64_t who, want;
	bool near;

	(void)state;
	for (n = 0; n < 2 * KINDS * KINDS * KINDS; n++) {
		at[0] = n / 2 % KINDS;
		at[1] = n / 2 / KINDS % KINDS;
		at[2] = n / 2 / KINDS / KINDS;
		found.more = n % 2 == 1;
		for (i = 0, fits = 0, want = 0, near = false; i < 3; i++) {
			near |= at[i] == 5 || at[i] == 9; /* all but the PIN */
			found.candidates[i] = of_kind(at[i], (int64_t)i + 1);
			if (kinds[at[i]].fits) {
				fits++;
				want = (int64_t)i + 1;
			}
		}
		who = -1;
		if (fits > 1 || (found.more && fits > 0)) {
			assert_int_equal(
			    verify_judge(&m, &found, &who), VERIFY_PERSON);
			assert_int_equal(who, 0);
		} else if (fits == 0) {
			assert_int_equal(
			    verify_judge(&m, &found, &who), VERIFY_NO);
			assert_int_equal(who, 0);
		} else if (near && kinds[at[want - 1]].pin == 0) {
			/* perhaps the other one mistyped a PIN */
			assert_int_equal(
			    verify_judge(&m, &found, &who), VERIFY_PERSON);
			assert_int_equal(who, 0);
		} else {
			assert_int_equal(
			    verify_judge(&m, &found, &who), VERIFY_OK);
			assert_int_equal(who, want);
			assert_false(kinds[at[want - 1]].wrong_pin);
		}
	}
}

static void
test_nobody_is_a_no(void **state)
{
	struct verify_macs m = typed();
	struct store_lookup found = { 0 };
	int64_t who = -1;

	(void)state;
	assert_int_equal(verify_judge(&m, &found, &who), VERIFY_NO);
	assert_int_equal(who, 0);
	found.more = true; /* a crowd says no more than nobody does */
	assert_int_equal(verify_judge(&m, &found, &who), VERIFY_NO);
	assert_int_equal(who, 0);
}

static void
test_the_last_of_many_is_judged_too(void **state)
{
	struct verify_macs m = typed();
	struct store_lookup found = { .n = STORE_CANDIDATES_MAX };
	int64_t who;
	int i;

	(void)state;
	for (i = 0; i < STORE_CANDIDATES_MAX; i++)
		found.candidates[i] = holder(i + 1, 7, "\x99", 0);
	assert_int_equal(verify_judge(&m, &found, &who), VERIFY_NO);
	found.candidates[STORE_CANDIDATES_MAX - 1] = of_kind(0, 42);
	assert_int_equal(verify_judge(&m, &found, &who), VERIFY_OK);
	assert_int_equal(who, 42);
	found.n--; /* what is beyond the end is nobody */
	assert_int_equal(verify_judge(&m, &found, &who), VERIFY_NO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_factor_registered_must_match),
		cmocka_unit_test(test_what_is_not_registered_does_not_match),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_exactly_one_must_fit),
		cmocka_unit_test(test_nobody_is_a_no),
		cmocka_unit_test(test_the_last_of_many_is_judged_too),
	};
	return cmocka_run_group_tests_name("verify judge", tests, NULL, NULL);
}
