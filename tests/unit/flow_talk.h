/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow_talk.h -- a conversation led by hand, for the tests of the flow room.
 */
#ifndef TESTS_FLOW_TALK_H
#define TESTS_FLOW_TALK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "flow/flow.h"
#include "flow/prompt.h"

#define TODAY 20261123
#define SIG (1u << STORE_SIGNATURE)
#define AUT (1u << STORE_AUTHENTICATION)

/* A conversation, its last action, and the action's prompts as one text. */
struct talk {
	struct flow f;
	struct flow_action a;
	char said[1000];
};

static inline void
look_at(struct talk *t)
{
	size_t i, bytes = 0;

	assert_true(t->a.n <= FLOW_PROMPTS_MAX);
	t->said[0] = '\0';
	for (i = 0; i < t->a.n; i++) {
		assert_non_null(prompt_text("ja", t->a.prompts[i]));
		strcat(t->said, t->a.prompts[i]);
		strcat(t->said, i + 1 < t->a.n ? " " : "");
		bytes += strlen("holdline/&") + strlen(t->a.prompts[i]);
	}
	if (t->a.what == FLOW_DO_COLLECT) {
		assert_true(t->a.max > 0);
		assert_true(
		    bytes + strlen("EXEC Read \"D,,10,s,1,10\"\n") < 1000);
	}
}

static inline void
next(struct talk *t, struct flow_event e)
{
	e.now_us = clock_jst_start_us(TODAY);
	flow_next(&t->f, &e, &t->a);
	look_at(t);
}

#define EVENT(kind, ...) \
	(struct flow_event) \
	{ \
		.type = FLOW_EV_##kind, __VA_ARGS__ \
	}

static inline void
digits(struct talk *t, const char *typed)
{
	next(t, EVENT(DIGITS, .digits = typed));
}

static inline void
silence(struct talk *t)
{
	next(t, EVENT(DIGITS, .digits = "", .timeout = true));
}

static inline void
expect(struct talk *t, enum flow_step step, enum flow_do what, const char *said)
{
	if (t->f.step != step)
		fail_msg("in step %s, not %s", flow_step_name(t->f.step),
		    flow_step_name(step));
	assert_int_equal(t->a.what, what);
	assert_string_equal(t->said, said);
}

static inline void
begin(struct talk *t)
{
	memset(t, 0xff, sizeof(*t));
	flow_init(&t->f);
	next(t, EVENT(BEGIN, 0));
	expect(t, FLOW_GREETING, FLOW_DO_SAY, "greeting notice");
}

static inline struct store_cert
cert(enum store_carrier carrier, enum store_kind kind, enum store_status status)
{
	return (struct store_cert){ .carrier = carrier,
		.kind = kind,
		.status = status,
		.not_after = TODAY };
}

/* On to a step, the shortest way. */
static inline void
go_to(struct talk *t, enum flow_step step)
{
	static const char *const answers[] = { "1", "19800229", "1000001",
		"0178", "123456" };
	struct store_cert card[] = {
		cert(STORE_CARD, STORE_SIGNATURE, STORE_GOOD),
		cert(STORE_CARD, STORE_AUTHENTICATION, STORE_GOOD),
		cert(STORE_SMARTPHONE, STORE_SIGNATURE, STORE_GOOD),
	};
	struct hold_answer held = {
		.result = HOLD_VISIBLE, .visible = true, .receipt = "1234567890"
	};

	static const struct flow_resume nothing;

	begin(t);
	if (step == FLOW_GREETING)
		return;
	next(t, EVENT(SAID, .resume = step == FLOW_CUT_OFF ? &nothing : NULL));
	while (t->f.step != step)
		switch (t->f.step) {
		case FLOW_CHECK:
			next(t, EVENT(VERDICT, .verdict = VERIFY_OK));
			break;
		case FLOW_LOOK:
			next(t,
			    EVENT(LOOKED, .certs = card,
				.n_certs = step == FLOW_NOTHING ? 0
				    : step == FLOW_CARRIER      ? 3
								: 2));
			break;
		case FLOW_CONFIRM:
			digits(t, step == FLOW_DECLINED ? "2" : "1");
			break;
		case FLOW_HOLD:
			next(t, EVENT(HELD, .held = &held));
			break;
		case FLOW_AGAIN:
			silence(t);
			break;
		case FLOW_PLAN:
		case FLOW_RECEIPT:
			next(t, EVENT(SAID, 0));
			break;
		default:
			if (step == FLOW_TO_PERSON)
				digits(t, "0");
			else
				digits(t, answers[t->f.step - FLOW_MENU]);
		}
}

#endif
