/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "base/secret.h"
#include "flow/table.h"

#define ASKED_MAX 2   /* presentations of one question, then a person */
#define VERIFY_MAX 2  /* failed verifications, then a person */
#define CLEARS_MAX 5  /* '*' for one question */
#define BOTH_KINDS 3u /* 1 << STORE_SIGNATURE | 1 << STORE_AUTHENTICATION */

void
flow_init(struct flow *f)
{
	memset(f, 0, sizeof(*f));
	f->step = FLOW_GREETING;
}

void
flow_wipe(struct flow *f)
{
	secret_cleanse(&f->answers, sizeof(f->answers));
}

static void
add(struct flow_action *a, const char *prompt)
{
	assert(a->n < FLOW_PROMPTS_MAX);
	a->prompts[a->n++] = prompt;
}

/* The receipt number in groups of 3, 3 and 4. */
static void
add_receipt(struct flow_action *a, const char *receipt)
{
	static const char *const digits[] = { "digit-0", "digit-1", "digit-2",
		"digit-3", "digit-4", "digit-5", "digit-6", "digit-7",
		"digit-8", "digit-9" };
	int i;

	for (i = 0; receipt[i] != '\0'; i++) {
		if (i == 3 || i == 6)
			add(a, "pause");
		add(a, digits[receipt[i] - '0']);
	}
}

static const char *
by_kind(unsigned int kinds, const char *both, const char *signature,
    const char *authentication)
{
	if (kinds == BOTH_KINDS)
		return both;
	return kinds == 1u << STORE_SIGNATURE ? signature : authentication;
}

static void
say_plan(const struct flow *f, struct flow_action *a)
{
	const struct status_plan *p = &f->plan;
	unsigned int held = p->held & ~p->take;
	static const char *const on[] = { NULL, "on-card", "on-smartphone",
		"on-both" };

	if (f->plans[STATUS_CARRIERS_ALL].carriers == STATUS_CARRIERS_ALL)
		add(a, on[f->carriers]);
	add(a,
	    by_kind(
		p->take, "plan-both", "plan-signature", "plan-authentication"));
	if (p->dead != 0)
		add(a,
		    by_kind(p->dead, "dead-both", "dead-signature",
			"dead-authentication"));
	if (held != 0)
		add(a,
		    by_kind(held, "held-both", "held-signature",
			"held-authentication"));
}

static void
say_receipt(struct flow *f, struct flow_action *a)
{
	const struct hold_answer *h = &f->held;

	if (!f->told) {
		add(a,
		    h->result == HOLD_VISIBLE       ? "done-visible"
			: h->result == HOLD_ALREADY ? "done-already"
						    : "done-accepted");
		if (h->result == HOLD_ALREADY && !h->visible)
			add(a, "done-shortly");
	}
	if (h->receipt[0] != '\0') {
		add(a, "receipt-is");
		add_receipt(a, h->receipt);
		add(a, "receipt-again");
		add_receipt(a, h->receipt);
	}
	f->told = true;
}

static const char *
why_nothing(const struct status_plan *p)
{
	if (p->expired && p->revoked)
		return "nothing-valid";
	return p->expired ? "nothing-expired"
	    : p->revoked  ? "nothing-revoked"
			  : "nothing-registered";
}

/* What a step says before its fixed prompts. */
static void
say_first(struct flow *f, struct flow_action *a)
{
	if (f->said_first != NULL)
		add(a, f->said_first);
	f->said_first = NULL;
	switch (f->step) {
	case FLOW_PLAN:
		say_plan(f, a);
		break;
	case FLOW_RECEIPT:
		say_receipt(f, a);
		break;
	case FLOW_NOTHING:
		add(a, why_nothing(&f->plan));
		break;
	default:
		break;
	}
}

/* Say and do what the present step's row says. */
static void
perform(struct flow *f, struct flow_action *a)
{
	const struct flow_row *row = &flow_rows[f->step];
	int i;

	a->what = row->what;
	a->max = row->max;
	say_first(f, a);
	for (i = 0; i < FLOW_ROW_PROMPTS && row->prompts[i] != NULL; i++)
		add(a, row->prompts[i]);
}

static void
enter_step(struct flow *f, enum flow_step step, struct flow_action *a)
{
	if (step == FLOW_END) {
		a->what =
		    f->step == FLOW_TO_PERSON ? FLOW_DO_PERSON : FLOW_DO_BYE;
		f->step = FLOW_END;
		return;
	}
	f->step = step;
	f->failures = 0;
	f->clears = 0;
	f->nothing |= step == FLOW_NOTHING;
	perform(f, a);
}

static void
leave(struct flow *f, enum flow_on on, struct flow_action *a)
{
	assert(flow_rows[f->step].to[on] != FLOW_GREETING); /* no way out */
	if (on == FLOW_ON_TROUBLE)
		f->said_first = "sorry-trouble";
	else if (on == FLOW_ON_NO)
		f->said_first = "no-match";
	enter_step(f, flow_rows[f->step].to[on], a);
}

/* The question again, or a person. */
static void
ask_again(struct flow *f, struct flow_action *a)
{
	const struct flow_row *row = &flow_rows[f->step];

	if (row->again == NULL || ++f->failures >= ASKED_MAX) {
		leave(f, FLOW_ON_GIVE_UP, a);
		return;
	}
	f->said_first = row->again;
	perform(f, a);
}

static enum flow_on
key_out(const struct flow_row *row, const char *digits)
{
	static const struct {
		const char *digits;
		enum flow_on on;
	} keys[] = { { "0", FLOW_ON_KEY_0 }, { "1", FLOW_ON_KEY_1 },
		{ "2", FLOW_ON_KEY_2 }, { "3", FLOW_ON_KEY_3 } };
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i].digits, digits) == 0 &&
		    row->to[keys[i].on] != 0)
			return keys[i].on;
	return FLOW_ON_COUNT;
}

/* Something there can be held, or all that could be is on hold already. */
static void
choose_carriers(struct flow *f, unsigned int carriers, struct flow_action *a)
{
	f->carriers = carriers;
	f->plan = f->plans[carriers];
	leave(f, f->plan.take != 0 ? FLOW_ON_READY : FLOW_ON_HELD, a);
}

static void
on_carrier(struct flow *f, enum flow_on key, struct flow_action *a)
{
	choose_carriers(f,
	    key == FLOW_ON_KEY_1       ? 1u << STORE_CARD
		: key == FLOW_ON_KEY_2 ? 1u << STORE_SMARTPHONE
				       : STATUS_CARRIERS_ALL,
	    a);
}

static void
on_digits(struct flow *f, const struct flow_event *e, struct flow_action *a)
{
	const struct flow_row *row = &flow_rows[f->step];
	const char *star = strrchr(e->digits, '*');
	const char *digits = star == NULL ? e->digits : star + 1;
	bool nothing_typed = digits[0] == '\0' && (e->timeout || star != NULL);
	enum flow_on key = FLOW_ON_COUNT;

	if (row->accept == NULL || strcmp(digits, "0") == 0)
		key = key_out(row, digits);
	if (f->step == FLOW_CARRIER && key > FLOW_ON_KEY_0 &&
	    key <= FLOW_ON_KEY_3)
		on_carrier(f, key, a);
	else if (key != FLOW_ON_COUNT) {
		if (f->step == FLOW_CONFIRM)
			f->confirmed = key == FLOW_ON_KEY_1;
		leave(f, key, a);
	} else if (row->accept != NULL && !nothing_typed &&
	    row->accept(f, digits, e->now_us))
		leave(f, FLOW_ON_ENTRY, a);
	else if (star != NULL && f->clears++ < CLEARS_MAX)
		perform(f, a); /* cleared: the question again, no failure */
	else
		ask_again(f, a);
}

static void
on_verdict(struct flow *f, const struct flow_event *e, struct flow_action *a)
{
	flow_wipe(f);
	switch (e->verdict) {
	case VERIFY_OK:
		leave(f, FLOW_ON_OK, a);
		break;
	case VERIFY_NO:
		leave(f,
		    ++f->verify_failures < VERIFY_MAX ? FLOW_ON_NO
						      : FLOW_ON_NO_TWICE,
		    a);
		break;
	case VERIFY_PERSON:
		leave(f, FLOW_ON_PERSON, a);
		break;
	default:
		leave(f, FLOW_ON_TROUBLE, a);
	}
}

/* The caller has said yes to just this before the call was cut off. */
static bool
is_confirmed(const struct flow *f, const struct flow_resume *was)
{
	return was->confirmed && was->carriers == f->carriers &&
	    f->plan.take != 0;
}

/* What was chosen before the call was cut off is not asked again. */
static void
go_on(struct flow *f, const struct flow_resume *was, struct flow_action *a)
{
	unsigned int carriers = f->plan.carriers;

	if (was->carriers != 0 && was->carriers <= STATUS_CARRIERS_ALL &&
	    (was->held || carriers == STATUS_CARRIERS_ALL))
		carriers = was->carriers;
	if (was->held && carriers == 0)
		carriers = STATUS_CARRIERS_ALL;
	f->carriers = carriers;
	f->plan = f->plans[carriers];
	f->confirmed = !was->held && is_confirmed(f, was);
	if (was->held || f->confirmed)
		leave(f, FLOW_ON_HELD, a); /* a hold stored already is told */
	else
		choose_carriers(f, carriers, a);
}

static void
on_looked(struct flow *f, const struct flow_event *e, struct flow_action *a)
{
	const struct flow_resume was = f->resume;
	unsigned int carriers;

	memset(&f->resume, 0, sizeof(f->resume));
	for (carriers = 1; carriers <= STATUS_CARRIERS_ALL; carriers++)
		f->plans[carriers] =
		    status_plan(e->certs, e->n_certs, carriers, e->now_us);
	f->plan = f->plans[STATUS_CARRIERS_ALL];
	f->confirmed = false;
	f->carriers = STATUS_CARRIERS_ALL;
	if (was.held || (was.carriers != 0 && f->plan.carriers != 0))
		go_on(f, &was, a);
	else if (f->plan.carriers == STATUS_CARRIERS_ALL)
		leave(f, FLOW_ON_CHOOSE, a);
	else if (f->plan.carriers == 0)
		leave(f, FLOW_ON_NOTHING, a);
	else
		choose_carriers(f, f->plan.carriers, a);
}

static void
on_held(struct flow *f, const struct flow_event *e, struct flow_action *a)
{
	f->held = *e->held;
	f->plan = f->held.plan;
	f->told = false;
	if (f->hung_up)
		enter_step(f, FLOW_END, a);
	else if (f->held.result == HOLD_FAILED ||
	    (f->held.result == HOLD_NOTHING && f->plan.take != 0))
		leave(f, FLOW_ON_TROUBLE, a);
	else
		leave(f,
		    f->held.result == HOLD_NOTHING ? FLOW_ON_NOTHING
						   : FLOW_ON_HELD,
		    a);
}

/* The call goes on where it was cut off. */
static void
on_cut(struct flow *f, const struct flow_resume *was, struct flow_action *a)
{
	f->resume = *was;
	leave(f, FLOW_ON_CUT, a);
}

static void
on_said(struct flow *f, const struct flow_event *e, struct flow_action *a)
{
	if (f->step == FLOW_GREETING && e->resume != NULL)
		on_cut(f, e->resume, a); /* it became known meanwhile */
	else if (f->step == FLOW_CUT_OFF && f->resume.verified)
		leave(f, FLOW_ON_OK, a);
	else
		leave(f, FLOW_ON_SAID, a);
}

/* A hang-up after the confirmation still holds; before it never does. */
static void
on_hangup(struct flow *f, struct flow_action *a)
{
	f->hung_up = true;
	a->what = FLOW_DO_NOTHING;
	if (flow_rows[f->step].to[FLOW_ON_HANGUP] == FLOW_END)
		enter_step(f, FLOW_END, a);
}

void
flow_next(
    struct flow *f, const struct flow_event *event, struct flow_action *action)
{
	memset(action, 0, sizeof(*action));
	action->what = FLOW_DO_NOTHING;
	if (f->step == FLOW_END)
		return; /* news that comes too late */
	switch (event->type) {
	case FLOW_EV_BEGIN:
		if (event->resume != NULL)
			on_cut(f, event->resume, action);
		else
			perform(f, action);
		break;
	case FLOW_EV_SAID:
		on_said(f, event, action);
		break;
	case FLOW_EV_DIGITS:
		on_digits(f, event, action);
		break;
	case FLOW_EV_VERDICT:
		on_verdict(f, event, action);
		break;
	case FLOW_EV_LOOKED:
		on_looked(f, event, action);
		break;
	case FLOW_EV_HELD:
		on_held(f, event, action);
		break;
	case FLOW_EV_HANGUP:
		on_hangup(f, action);
		break;
	case FLOW_EV_TROUBLE:
		leave(f, FLOW_ON_TROUBLE, action);
		break;
	default:
		assert(event->type < FLOW_EV_COUNT);
	}
}
