/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/conf.h"
#include "hold/policy.h"

/* Every cell, as the words that a setting takes. */
static const struct cell {
	enum store_carrier carrier;
	enum store_kind kind;
	size_t offset; /* of its setting */
	enum policy_act strict;
} cells[] = {
	{ STORE_CARD, STORE_SIGNATURE,
	    offsetof(struct conf, policy_card_signature), POLICY_REVOKE },
	{ STORE_CARD, STORE_AUTHENTICATION,
	    offsetof(struct conf, policy_card_authentication), POLICY_REVOKE },
	{ STORE_SMARTPHONE, STORE_SIGNATURE,
	    offsetof(struct conf, policy_smartphone_signature), POLICY_REVOKE },
	{ STORE_SMARTPHONE, STORE_AUTHENTICATION,
	    offsetof(struct conf, policy_smartphone_authentication),
	    POLICY_LIFT },
};
#define CELLS (sizeof(cells) / sizeof(cells[0]))
_Static_assert(CELLS == STORE_CARRIER_COUNT * STORE_KIND_COUNT, "the table");

static struct conf *
conf_of(void)
{
	struct conf *c = conf_new();

	assert_non_null(c);
	return c;
}

static void
set(struct conf *c, size_t i, const char *word)
{
	char **field = (char **)((char *)c + cells[i].offset);

	free(*field);
	*field = strdup(word);
	assert_non_null(*field);
}

static void
test_the_default_is_the_stricter_reading(void **state)
{
	struct conf *c = conf_of();
	struct policy p;
	size_t i;

	(void)state;
	policy_load(&p, c);
	for (i = 0; i < CELLS; i++)
		assert_int_equal(policy_act(&p, cells[i].carrier, cells[i].kind,
				     POLICY_FOUND),
		    cells[i].strict);
	conf_free(c);
}

/* All sixteen tables: each setting moves its own cell, and none moves what
 * becomes of a certificate that was not found. */
static void
test_every_table_can_be_set(void **state)
{
	unsigned int bits;
	size_t i;

	(void)state;
	for (bits = 0; bits < 1u << CELLS; bits++) {
		struct conf *c = conf_of();
		struct policy p;

		for (i = 0; i < CELLS; i++)
			set(c, i, (bits & 1u << i) != 0 ? "lift" : "revoke");
		policy_load(&p, c);
		for (i = 0; i < CELLS; i++) {
			assert_int_equal(policy_act(&p, cells[i].carrier,
					     cells[i].kind, POLICY_FOUND),
			    (bits & 1u << i) != 0 ? POLICY_LIFT
						  : POLICY_REVOKE);
			assert_int_equal(policy_act(&p, cells[i].carrier,
					     cells[i].kind, POLICY_LOST),
			    POLICY_REVOKE);
		}
		conf_free(c);
	}
}

static void
test_reasons_are_those_of_the_settings(void **state)
{
	struct conf *c = conf_of();
	struct policy p;

	(void)state;
	policy_load(&p, c);
	assert_int_equal(p.reasons[POLICY_FOUND], 4);
	assert_int_equal(p.reasons[POLICY_LOST], 1);
	free(c->policy_lost_reason);
	c->policy_lost_reason = strdup("cessationOfOperation");
	policy_load(&p, c);
	assert_int_equal(p.reasons[POLICY_LOST], 5);
	conf_free(c);
}

/* RFC 5280, 5.3.1; certificateHold and removeFromCRL revoke nothing. */
static void
test_reasons_have_the_numbers_of_the_rfc(void **state)
{
	static const struct {
		const char *name;
		int reason;
	} rows[] = {
		{ "unspecified", 0 },
		{ "keyCompromise", 1 },
		{ "affiliationChanged", 3 },
		{ "superseded", 4 },
		{ "cessationOfOperation", 5 },
		{ "privilegeWithdrawn", 9 },
		{ "cACompromise", -1 },
		{ "certificateHold", -1 },
		{ "removeFromCRL", -1 },
		{ "keycompromise", -1 },
		{ "", -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
		    policy_reason_parse(rows[i].name), rows[i].reason);
		if (rows[i].reason != -1)
			assert_string_equal(
			    policy_reason_name(rows[i].reason), rows[i].name);
	}
	assert_string_equal(policy_reason_name(77), "unspecified");
	assert_string_equal(policy_outcome_name(POLICY_FOUND), "found");
	assert_string_equal(policy_outcome_name(POLICY_LOST), "lost");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_default_is_the_stricter_reading),
		cmocka_unit_test(test_every_table_can_be_set),
		cmocka_unit_test(test_reasons_are_those_of_the_settings),
		cmocka_unit_test(test_reasons_have_the_numbers_of_the_rfc),
	};
	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
