/* SPDX-License-Identifier: Apache-2.0 */
#include "flow_talk.h"

static void
test_entries_are_accepted_or_asked_again(void **state)
{
	static const struct {
		enum flow_step step;
		const char *typed;
		bool accepted;
	} rows[] = {
		{ FLOW_BIRTH, "20261123", true },
		{ FLOW_BIRTH, "18900101", true },
		{ FLOW_BIRTH, "20261124", false },
		{ FLOW_BIRTH, "18891231", false },
		{ FLOW_BIRTH, "20230229", false },
		{ FLOW_BIRTH, "19801301", false },
		{ FLOW_BIRTH, "1980010", false },
		{ FLOW_BIRTH, "", false },
		{ FLOW_BIRTH, "198001011", false },
		{ FLOW_BIRTH, "00000000", false },
		{ FLOW_BIRTH, "1", false },
		{ FLOW_POSTAL, "0000000", true },
		{ FLOW_POSTAL, "100000", false },
		{ FLOW_POSTAL, "10000011", false },
		{ FLOW_POSTAL, "", false },
		{ FLOW_PHONE, "0000", true },
		{ FLOW_PHONE, "017", false },
		{ FLOW_PHONE, "01789", false },
		{ FLOW_PHONE, "", false },
		{ FLOW_PIN, "", true },
		{ FLOW_PIN, "1234", true },
		{ FLOW_PIN, "1234567890", true },
		{ FLOW_PIN, "123", false },
		{ FLOW_PIN, "12345678901", false },
		/* '*' starts an answer afresh */
		{ FLOW_BIRTH, "123*19800101", true },
		{ FLOW_PIN, "999*8*1234", true },
		{ FLOW_PHONE, "1*", false },
		{ FLOW_MENU, "9", false },
		{ FLOW_MENU, "3", false },
		{ FLOW_MENU, "11", false },
		{ FLOW_CONFIRM, "3", false },
		{ FLOW_CONFIRM, "", false },
		{ FLOW_CARRIER, "4", false },
	};
	struct talk t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		go_to(&t, rows[i].step);
		digits(&t, rows[i].typed);
		if ((t.f.step != rows[i].step) != rows[i].accepted)
			fail_msg("%s: %s", flow_step_name(rows[i].step),
			    rows[i].typed);
	}
	go_to(&t, FLOW_PIN);
	digits(&t, "999*8*1234");
	assert_string_equal(t.f.answers.pin, "1234");
}

static void
test_a_second_bad_answer_leads_to_a_person(void **state)
{
	struct talk t;

	(void)state;
	go_to(&t, FLOW_BIRTH);
	digits(&t, "19801301");
	expect(&t, FLOW_BIRTH, FLOW_DO_COLLECT, "bad-birth ask-birth");
	digits(&t, "99999999");
	expect(&t, FLOW_TO_PERSON, FLOW_DO_SAY, "to-person");
	/* Failures are counted for each question anew. */
	go_to(&t, FLOW_BIRTH);
	digits(&t, "1");
	digits(&t, "19800101");
	silence(&t);
	expect(&t, FLOW_POSTAL, FLOW_DO_COLLECT, "bad-postal ask-postal");
	digits(&t, "1000001");
	digits(&t, "1");
	expect(&t, FLOW_PHONE, FLOW_DO_COLLECT, "bad-phone ask-phone");
}

static void
test_a_star_alone_clears_and_is_no_failure(void **state)
{
	struct talk t;
	int i;

	(void)state;
	go_to(&t, FLOW_PIN);
	for (i = 0; i < 5; i++) {
		digits(&t, "12*");
		expect(&t, FLOW_PIN, FLOW_DO_COLLECT, "ask-pin");
	}
	digits(&t, "12*"); /* not for ever */
	expect(&t, FLOW_PIN, FLOW_DO_COLLECT, "bad-pin ask-pin");
	digits(&t, "12*");
	expect(&t, FLOW_TO_PERSON, FLOW_DO_SAY, "to-person");
	go_to(&t, FLOW_PIN);
	digits(&t, "12*0");
	expect(&t, FLOW_TO_PERSON, FLOW_DO_SAY, "to-person");
}

/* '#' alone says "I never chose a PIN"; silence says nothing. */
static void
test_silence_is_not_an_empty_pin(void **state)
{
	struct talk t;

	(void)state;
	go_to(&t, FLOW_PIN);
	silence(&t);
	expect(&t, FLOW_PIN, FLOW_DO_COLLECT, "bad-pin ask-pin");
	digits(&t, "");
	expect(&t, FLOW_CHECK, FLOW_DO_VERIFY, "checking");
	assert_string_equal(t.f.answers.pin, "");
}

/* Random events never lead astray, and nothing confirms but a 1. */
static void
test_only_a_one_at_the_question_confirms(void **state)
{
	static const char *const typed[] = { "", "0", "2", "3", "9", "*", "11",
		"12", "1*", "*2", "19800229" };
	struct talk t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
		go_to(&t, FLOW_CONFIRM);
		digits(&t, typed[i]);
		assert_int_not_equal(t.f.step, FLOW_HOLD);
		assert_int_not_equal(t.a.what, FLOW_DO_HOLD);
	}
}

/* News that comes too late changes nothing. */
static void
test_nothing_happens_after_the_end(void **state)
{
	static const struct hold_answer held = { .result = HOLD_VISIBLE };
	static const enum flow_event_type late[] = { FLOW_EV_SAID,
		FLOW_EV_DIGITS, FLOW_EV_VERDICT, FLOW_EV_LOOKED, FLOW_EV_HELD,
		FLOW_EV_HANGUP, FLOW_EV_TROUBLE };
	struct talk t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
		go_to(&t, FLOW_CONFIRM);
		next(&t, EVENT(HANGUP, 0));
		expect(&t, FLOW_END, FLOW_DO_BYE, "");
		next(&t,
		    (struct flow_event){
			.type = late[i], .digits = "1", .held = &held });
		expect(&t, FLOW_END, FLOW_DO_NOTHING, "");
	}
}

static void
test_steps_have_names(void **state)
{
	enum flow_step step;
	unsigned int s;

	(void)state;
	for (s = 0; s < FLOW_STEP_COUNT; s++) {
		assert_int_equal(
		    flow_step_parse(flow_step_name((enum flow_step)s), &step),
		    0);
		assert_int_equal(step, s);
	}
	assert_int_equal(flow_step_parse("", &step), -1);
	assert_int_equal(flow_step_parse("Birth", &step), -1);
}

static void
test_a_prompt_tells_its_step(void **state)
{
	static const struct {
		const char *prompt;
		enum flow_step step;
	} rows[] = { { "greeting", FLOW_GREETING }, { "ask-pin", FLOW_PIN },
		{ "ask-birth", FLOW_BIRTH }, { "plan-both", FLOW_PLAN },
		{ "done-already", FLOW_RECEIPT },
		{ "to-person", FLOW_TO_PERSON } };
	enum flow_step step;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(flow_step_of_prompt(rows[i].prompt, &step), 0);
		assert_int_equal(step, rows[i].step);
	}
	assert_int_equal(flow_step_of_prompt("no-such-words", &step), -1);
}

/* The drawing and the text name every step. */
static void
test_the_table_can_be_printed(void **state)
{
	char *text = NULL;
	unsigned int s;
	size_t size, l;
	int dot;
	FILE *f;

	(void)state;
	for (dot = 0; dot < 2; dot++)
		for (l = 0; l < prompt_lang_count(); l++) {
			f = open_memstream(&text, &size);
			flow_print(f, prompt_lang(l), dot != 0);
			fclose(f);
			for (s = 0; s < FLOW_STEP_COUNT; s++)
				assert_non_null(strstr(
				    text, flow_step_name((enum flow_step)s)));
			assert_null(strstr(text, "(no text)"));
			assert_null(strstr(text, "(null)"));
			assert_int_equal(
			    strstr(text, "digraph flow {") != NULL, dot);
			free(text);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries_are_accepted_or_asked_again),
		cmocka_unit_test(test_a_second_bad_answer_leads_to_a_person),
		cmocka_unit_test(test_a_star_alone_clears_and_is_no_failure),
		cmocka_unit_test(test_silence_is_not_an_empty_pin),
		cmocka_unit_test(test_only_a_one_at_the_question_confirms),
		cmocka_unit_test(test_nothing_happens_after_the_end),
		cmocka_unit_test(test_steps_have_names),
		cmocka_unit_test(test_a_prompt_tells_its_step),
		cmocka_unit_test(test_the_table_can_be_printed),
	};
	return cmocka_run_group_tests_name("flow, answers", tests, NULL, NULL);
}
