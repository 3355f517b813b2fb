/* SPDX-License-Identifier: Apache-2.0 */
#include "flow_talk.h"

static void
test_the_table_passes_its_check(void **state)
{
	struct err err;

	(void)state;
	if (flow_check(&err) != 0)
		fail_msg("%s", err.text);
}

static void
test_a_whole_conversation(void **state)
{
	struct talk t;
	struct store_cert certs[] = {
		cert(STORE_CARD, STORE_SIGNATURE, STORE_GOOD),
		cert(STORE_CARD, STORE_AUTHENTICATION, STORE_GOOD),
	};
	struct hold_answer held = {
		.result = HOLD_VISIBLE, .visible = true, .receipt = "1234567890"
	};
	static const char number[] =
	    "digit-1 digit-2 digit-3 pause digit-4 digit-5 digit-6 pause "
	    "digit-7 digit-8 digit-9 digit-0";
	char want[1000];

	(void)state;
	begin(&t);
	next(&t, EVENT(SAID, 0));
	expect(&t, FLOW_MENU, FLOW_DO_COLLECT, "menu");
	digits(&t, "1");
	expect(&t, FLOW_BIRTH, FLOW_DO_COLLECT, "ask-birth");
	assert_int_equal(t.a.max, 8);
	digits(&t, "19800229");
	expect(&t, FLOW_POSTAL, FLOW_DO_COLLECT, "ask-postal");
	assert_int_equal(t.a.max, 7);
	digits(&t, "1000001");
	expect(&t, FLOW_PHONE, FLOW_DO_COLLECT, "ask-phone");
	assert_int_equal(t.a.max, 4);
	digits(&t, "0178");
	expect(&t, FLOW_PIN, FLOW_DO_COLLECT, "ask-pin");
	assert_int_equal(t.a.max, 10);
	digits(&t, "98765");
	expect(&t, FLOW_CHECK, FLOW_DO_VERIFY, "checking");
	assert_string_equal(t.f.answers.birth, "19800229");
	assert_string_equal(t.f.answers.postal, "1000001");
	assert_string_equal(t.f.answers.phone, "0178");
	assert_string_equal(t.f.answers.pin, "98765");
	next(&t, EVENT(VERDICT, .verdict = VERIFY_OK));
	assert_string_equal(t.f.answers.birth, "");
	assert_string_equal(t.f.answers.pin, "");
	expect(&t, FLOW_LOOK, FLOW_DO_LOOK, "");
	next(&t, EVENT(LOOKED, .certs = certs, .n_certs = 2));
	expect(&t, FLOW_PLAN, FLOW_DO_SAY, "plan-both plan-counter confirm");
	assert_int_equal(t.f.carriers, 1u << STORE_CARD);
	next(&t, EVENT(SAID, 0));
	expect(&t, FLOW_CONFIRM, FLOW_DO_COLLECT, "confirm-now");
	digits(&t, "1");
	expect(&t, FLOW_HOLD, FLOW_DO_HOLD, "holding");
	next(&t, EVENT(HELD, .held = &held));
	snprintf(want, sizeof(want),
	    "done-visible receipt-is %s receipt-again %s next-counter "
	    "next-police",
	    number, number);
	expect(&t, FLOW_RECEIPT, FLOW_DO_SAY, want);
	next(&t, EVENT(SAID, 0));
	expect(&t, FLOW_AGAIN, FLOW_DO_COLLECT, "ask-again");
	digits(&t, "1");
	snprintf(want, sizeof(want),
	    "receipt-is %s receipt-again %s next-counter next-police", number,
	    number);
	expect(&t, FLOW_RECEIPT, FLOW_DO_SAY, want);
	next(&t, EVENT(SAID, 0));
	silence(&t);
	expect(&t, FLOW_GOODBYE, FLOW_DO_SAY, "goodbye");
	next(&t, EVENT(SAID, 0));
	expect(&t, FLOW_END, FLOW_DO_BYE, "");
}

/* 0 reaches a person and silence an end, wherever somebody listens; trouble
 * reaches a person and a hang-up the end, everywhere. */
static void
test_every_step_has_its_ways_out(void **state)
{
	struct talk t;
	unsigned int s;
	bool keeps;

	(void)state;
	for (s = 0; s < FLOW_END; s++) {
		go_to(&t, (enum flow_step)s);
		if (t.a.what == FLOW_DO_COLLECT) {
			keeps = s == FLOW_AGAIN || s == FLOW_NOTHING;
			digits(&t, "0");
			expect(&t, FLOW_TO_PERSON, FLOW_DO_SAY, "to-person");
			go_to(&t, (enum flow_step)s);
			silence(&t);
			if (!keeps) {
				assert_int_equal(t.f.step, s);
				silence(&t);
			}
			expect(&t, keeps ? FLOW_GOODBYE : FLOW_TO_PERSON,
			    FLOW_DO_SAY, keeps ? "goodbye" : "to-person");
			next(&t, EVENT(SAID, 0));
			expect(&t, FLOW_END,
			    keeps ? FLOW_DO_BYE : FLOW_DO_PERSON, "");
		}
		go_to(&t, (enum flow_step)s);
		next(&t, EVENT(TROUBLE, 0));
		expect(
		    &t, FLOW_TO_PERSON, FLOW_DO_SAY, "sorry-trouble to-person");
		go_to(&t, (enum flow_step)s);
		next(&t, EVENT(HANGUP, 0));
		if (s == FLOW_HOLD)
			expect(&t, FLOW_HOLD, FLOW_DO_NOTHING, "");
		else if (s == FLOW_TO_PERSON)
			assert_int_equal(t.f.step, FLOW_END);
		else
			expect(&t, FLOW_END, FLOW_DO_BYE, "");
	}
}

/* What was confirmed goes on without the caller; nothing is said then. */
static void
test_a_hang_up_while_holding_waits_for_the_hold(void **state)
{
	static const enum hold_result results[] = { HOLD_VISIBLE, HOLD_ACCEPTED,
		HOLD_ALREADY, HOLD_NOTHING, HOLD_FAILED };
	struct hold_answer held = { 0 };
	struct talk t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		go_to(&t, FLOW_HOLD);
		next(&t, EVENT(HANGUP, 0));
		held.result = results[i];
		next(&t, EVENT(HELD, .held = &held));
		expect(&t, FLOW_END, FLOW_DO_BYE, "");
		next(&t, EVENT(HANGUP, 0));
		expect(&t, FLOW_END, FLOW_DO_NOTHING, "");
	}
}

static void
test_verdicts_lead_on_back_or_to_a_person(void **state)
{
	struct talk t;

	(void)state;
	go_to(&t, FLOW_CHECK);
	next(&t, EVENT(VERDICT, .verdict = VERIFY_NO));
	expect(&t, FLOW_BIRTH, FLOW_DO_COLLECT, "no-match ask-birth");
	assert_string_equal(t.f.answers.birth, "");
	digits(&t, "19800229");
	expect(&t, FLOW_POSTAL, FLOW_DO_COLLECT, "ask-postal");
	digits(&t, "1000001");
	digits(&t, "0178");
	digits(&t, "");
	next(&t, EVENT(VERDICT, .verdict = VERIFY_NO));
	expect(&t, FLOW_TO_PERSON, FLOW_DO_SAY, "to-person");
	go_to(&t, FLOW_CHECK);
	next(&t, EVENT(VERDICT, .verdict = VERIFY_PERSON));
	expect(&t, FLOW_TO_PERSON, FLOW_DO_SAY, "to-person");
	go_to(&t, FLOW_CHECK);
	next(&t, EVENT(VERDICT, .verdict = VERIFY_TROUBLE));
	expect(&t, FLOW_TO_PERSON, FLOW_DO_SAY, "sorry-trouble to-person");
	assert_string_equal(t.f.answers.pin, "");
}

/* A certificate a letter as in test_status.c, for card and smartphone. */
static void
look(struct talk *t, const char *fates)
{
	struct store_cert certs[4];
	size_t i, n = 0;

	go_to(t, FLOW_LOOK);
	for (i = 0; i < 4; i++) {
		if (fates[i] == '-')
			continue;
		certs[n] =
		    cert((enum store_carrier)(i / 2), (enum store_kind)(i % 2),
			fates[i] == 'r'       ? STORE_REVOKED
			    : fates[i] == 'o' ? STORE_HELD
					      : STORE_GOOD);
		if (fates[i] == 'e')
			certs[n].not_after = TODAY - 1;
		n++;
	}
	next(t, EVENT(LOOKED, .certs = certs, .n_certs = n));
}

static void
test_what_is_registered_decides_what_is_said(void **state)
{
	static const struct {
		const char *fates;
		enum flow_step step;
		const char *said;
		unsigned int carriers;
	} rows[] = {
		{ "hh--", FLOW_PLAN, "plan-both plan-counter confirm", 1 },
		{ "-h--", FLOW_PLAN, "plan-authentication plan-counter confirm",
		    1 },
		{ "h---", FLOW_PLAN, "plan-signature plan-counter confirm", 1 },
		{ "eh--", FLOW_PLAN,
		    "plan-authentication dead-signature plan-counter confirm",
		    1 },
		{ "ho--", FLOW_PLAN,
		    "plan-signature held-authentication plan-counter confirm",
		    1 },
		{ "--hh", FLOW_PLAN, "plan-both plan-counter confirm", 2 },
		{ "eehh", FLOW_PLAN, "plan-both plan-counter confirm", 2 },
		{ "hhhh", FLOW_CARRIER, "ask-carrier", 3 },
		{ "h--h", FLOW_CARRIER, "ask-carrier", 3 },
		{ "hhoo", FLOW_CARRIER, "ask-carrier", 3 },
		{ "oooo", FLOW_CARRIER, "ask-carrier", 3 },
		{ "oo--", FLOW_HOLD, "holding", 1 },
		{ "oorr", FLOW_HOLD, "holding", 1 },
		{ "ee--", FLOW_NOTHING,
		    "nothing-expired next-counter ask-person", 3 },
		{ "rr--", FLOW_NOTHING,
		    "nothing-revoked next-counter ask-person", 3 },
		{ "er--", FLOW_NOTHING, "nothing-valid next-counter ask-person",
		    3 },
		{ "----", FLOW_NOTHING,
		    "nothing-registered next-counter ask-person", 3 },
	};
	struct talk t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		look(&t, rows[i].fates);
		if (t.f.step != rows[i].step)
			fail_msg("%s", rows[i].fates);
		assert_string_equal(t.said, rows[i].said);
		assert_int_equal(t.f.carriers, rows[i].carriers);
	}
}

static void
test_the_caller_chooses_a_carrier(void **state)
{
	static const struct {
		const char *key;
		unsigned int carriers;
		const char *said;
	} rows[] = { { "1", 1, "on-card plan-signature plan-counter confirm" },
		{ "2", 2,
		    "on-smartphone plan-authentication plan-counter confirm" },
		{ "3", 3, "on-both plan-both plan-counter confirm" } };
	struct talk t;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		look(&t, "h--h");
		digits(&t, rows[i].key);
		expect(&t, FLOW_PLAN, FLOW_DO_SAY, rows[i].said);
		assert_int_equal(t.f.carriers, rows[i].carriers);
	}
}

#define HELD(how, seen, number) \
	{ \
		.result = how, .visible = seen, .receipt = number, \
		.plan.revoked = true \
	}

static void
test_results_are_told_as_they_are(void **state)
{
	static const struct {
		struct hold_answer held;
		enum flow_step step;
		const char *first; /* words */
	} rows[] = {
		{ HELD(HOLD_VISIBLE, true, "1234567890"), FLOW_RECEIPT,
		    "done-visible receipt-is digit-1 " },
		{ HELD(HOLD_ACCEPTED, false, "1234567890"), FLOW_RECEIPT,
		    "done-accepted receipt-is digit-1 " },
		{ HELD(HOLD_ALREADY, true, "1234567890"), FLOW_RECEIPT,
		    "done-already receipt-is digit-1 " },
		{ HELD(HOLD_ALREADY, false, "1234567890"), FLOW_RECEIPT,
		    "done-already done-shortly receipt-is digit-1 " },
		{ HELD(HOLD_ALREADY, true, ""), FLOW_RECEIPT,
		    "done-already next-counter next-police" },
		{ HELD(HOLD_FAILED, false, ""), FLOW_TO_PERSON,
		    "sorry-trouble to-person" },
		{ HELD(HOLD_NOTHING, false, ""), FLOW_NOTHING,
		    "nothing-revoked next-counter" },
	};
	struct talk t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		go_to(&t, FLOW_HOLD);
		next(&t, EVENT(HELD, .held = &rows[i].held));
		assert_int_equal(t.f.step, rows[i].step);
		if (strncmp(t.said, rows[i].first, strlen(rows[i].first)) != 0)
			fail_msg("%zu: %s", i, t.said);
	}
}

static void
test_declining_leads_back_to_the_menu(void **state)
{
	struct talk t;

	(void)state;
	go_to(&t, FLOW_CONFIRM);
	digits(&t, "2");
	expect(&t, FLOW_DECLINED, FLOW_DO_SAY, "declined");
	next(&t, EVENT(SAID, 0));
	expect(&t, FLOW_MENU, FLOW_DO_COLLECT, "menu");
	digits(&t, "2");
	expect(&t, FLOW_MENU, FLOW_DO_COLLECT, "menu");
}

/* ---- a call that goes on after it was cut off */

static void
goes_on(struct talk *t, const struct flow_resume *was,
    const struct store_cert *certs, size_t n)
{
	flow_init(&t->f);
	next(t, EVENT(BEGIN, .resume = was));
	expect(t, FLOW_CUT_OFF, FLOW_DO_SAY, "cut-off");
	next(t, EVENT(SAID, .resume = was));
	expect(t, FLOW_LOOK, FLOW_DO_LOOK, "");
	next(t, EVENT(LOOKED, .certs = certs, .n_certs = n));
}

static void
test_a_call_that_was_cut_off_goes_on(void **state)
{
	const struct store_cert both[] = {
		cert(STORE_CARD, STORE_SIGNATURE, STORE_GOOD),
		cert(STORE_SMARTPHONE, STORE_SIGNATURE, STORE_GOOD),
	};
	const struct store_cert half[] = {
		cert(STORE_CARD, STORE_SIGNATURE, STORE_HELD),
		cert(STORE_SMARTPHONE, STORE_SIGNATURE, STORE_GOOD),
	};
	struct flow_resume was = { .verified = false, .confirmed = true };
	struct talk t;

	(void)state;
	begin(&t); /* it becomes known during the greeting; not verified */
	next(&t, EVENT(SAID, .resume = &was));
	expect(&t, FLOW_CUT_OFF, FLOW_DO_SAY, "cut-off");
	next(&t, EVENT(SAID, .resume = &was));
	expect(&t, FLOW_BIRTH, FLOW_DO_COLLECT, "ask-birth");

	was = (struct flow_resume){ .verified = true };
	goes_on(&t, &was, both, 1);
	assert_int_equal(t.f.step, FLOW_PLAN);
	assert_false(t.f.confirmed);
	goes_on(&t, &was, both, 2);
	assert_int_equal(t.f.step, FLOW_CARRIER);

	was.carriers = 1u << STORE_SMARTPHONE; /* chosen, not confirmed */
	goes_on(&t, &was, both, 2);
	assert_int_equal(t.f.step, FLOW_PLAN);
	assert_int_equal(t.f.carriers, 1u << STORE_SMARTPHONE);
	assert_false(t.f.confirmed);

	was.confirmed = true; /* the server died with the yes in its hands */
	goes_on(&t, &was, both, 2);
	expect(&t, FLOW_HOLD, FLOW_DO_HOLD, "holding");
	assert_true(t.f.confirmed);
	assert_int_equal(t.f.carriers, 1u << STORE_SMARTPHONE);
	goes_on(&t, &was, both, 1); /* other things than were confirmed */
	assert_int_equal(t.f.step, FLOW_PLAN);
	assert_false(t.f.confirmed);

	was.carriers = 1u << STORE_CARD; /* held: told, nothing new is taken */
	was.held = true;
	goes_on(&t, &was, half, 2);
	expect(&t, FLOW_HOLD, FLOW_DO_HOLD, "holding");
	assert_false(t.f.confirmed);
	assert_int_equal(t.f.carriers, 1u << STORE_CARD);
}

/* What was confirmed once does not count for another conversation. */
static void
test_a_resumption_is_used_up(void **state)
{
	const struct store_cert certs[] = {
		cert(STORE_CARD, STORE_SIGNATURE, STORE_GOOD),
	};
	struct flow_resume was = { .verified = true };
	struct talk t;

	(void)state;
	goes_on(&t, &was, certs, 1);
	next(&t, EVENT(SAID, .resume = &was));
	digits(&t, "2");
	next(&t, EVENT(SAID, .resume = &was));
	expect(&t, FLOW_MENU, FLOW_DO_COLLECT, "menu");
	digits(&t, "1");
	expect(&t, FLOW_BIRTH, FLOW_DO_COLLECT, "ask-birth");
	assert_false(t.f.resume.verified);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_table_passes_its_check),
		cmocka_unit_test(test_a_whole_conversation),
		cmocka_unit_test(test_every_step_has_its_ways_out),
		cmocka_unit_test(
		    test_a_hang_up_while_holding_waits_for_the_hold),
		cmocka_unit_test(test_verdicts_lead_on_back_or_to_a_person),
		cmocka_unit_test(test_what_is_registered_decides_what_is_said),
		cmocka_unit_test(test_the_caller_chooses_a_carrier),
		cmocka_unit_test(test_results_are_told_as_they_are),
		cmocka_unit_test(test_declining_leads_back_to_the_menu),
		cmocka_unit_test(test_a_call_that_was_cut_off_goes_on),
		cmocka_unit_test(test_a_resumption_is_used_up),
	};
	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
