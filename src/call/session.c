/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/secret.h"
#include "base/str.h"
#include "call/session_inner.h"
#include "flow/prompt.h"
#include "hold/report.h"

static void session_perform(struct session *s, const struct flow_action *a);

/* ---- the end */

/* One word on how the call went, for the dialplan and the record. */
const char *
session_result(const struct session *s)
{
	if (s->answered)
		return hold_result_name(s->answer.result);
	return s->flow.nothing ? hold_result_name(HOLD_NOTHING) : "none";
}

static void
session_free(struct session *s)
{
	struct sessions *room = s->room;

	timer_stop(room->o.timers, &s->timer);
	if (s->report != NULL)
		report_cancel(s->report);
	if (s->check != NULL)
		verify_cancel(s->check);
	if (s->job != NULL)
		hold_cancel(s->job);
	leg_free(s->leg);
	*s->prev = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	room->n--;
	secret_cleanse(s, sizeof(*s));
	free(s);
	if (room->o.on_end != NULL)
		room->o.on_end(room->o.ctx);
}

/* The leg is gone; so is the session, unless a hold is being placed. */
void
session_maybe_free(struct session *s)
{
	if (s->leg == NULL && s->awaiting != AWAIT_HOLD)
		session_free(s);
}

void
session_note(struct session *s, unsigned int carriers, bool confirmed)
{
	const struct report_known known = { .holder = s->holder,
		.verified_us = s->verified_us,
		.carriers = carriers,
		.confirmed = confirmed };

	report_note(s->room->o.store, s->call_id, &known);
}

void
session_record_end(struct session *s, const char *outcome)
{
	int64_t now_us = timers_wall_us(s->room->o.timers);

	if (s->call_id[0] == '\0')
		return;
	report_close(s->room->o.store, s->call_id, outcome, s->over, now_us);
	log_info("call", s->call_id, "event=ended outcome=%s step=%s s=%d",
	    outcome, flow_step_name(s->flow.step),
	    (int)((now_us - s->begun_us) / CLOCK_S_US));
}

/* Give the call back to the gateway: the one way a call with a caller on it
 * ends. */
static void
session_end(struct session *s, enum leg_next next)
{
	s->gone = s->over = true;
	timer_stop(s->room->o.timers, &s->timer);
	s->awaiting = AWAIT_NOTHING;
	if (next == LEG_NEXT_PERSON)
		metric_add(METRIC_CALLS_TO_PERSON, 1);
	session_record_end(
	    s, next == LEG_NEXT_PERSON ? "person" : session_result(s));
	leg_end(s->leg, next, session_result(s));
}

/* ---- speaking */

void
session_speak(struct session *s, const struct flow_action *a)
{
	const struct conf *conf = s->room->o.conf;
	struct leg_collect c = {
		.say = { .lang = s->lang, .files = a->prompts, .n = a->n }
	};
	size_t i;

	for (i = 0; i < a->n; i++)
		c.say.ms += prompt_ms(s->lang, a->prompts[i]);
	s->leg_busy = true;
	if (a->what != FLOW_DO_COLLECT) {
		leg_say(s->leg, &c.say);
		return;
	}
	c.max = a->max;
	c.first_ms = (unsigned int)(conf->call_first_us / 1000);
	c.next_ms = (unsigned int)(conf->call_next_us / 1000);
	leg_collect(s->leg, &c);
}

/* ---- the conversation */

static void
session_perform(struct session *s, const struct flow_action *a)
{
	switch (a->what) {
	case FLOW_DO_VERIFY:
		session_verify(s);
		session_speak(s, a);
		break;
	case FLOW_DO_SAY:
	case FLOW_DO_COLLECT:
		session_speak(s, a);
		break;
	case FLOW_DO_LOOK:
		session_look(s);
		break;
	case FLOW_DO_HOLD:
		session_hold(s);
		break;
	case FLOW_DO_PERSON:
		session_end(s, LEG_NEXT_PERSON);
		break;
	case FLOW_DO_BYE:
		session_end(s, LEG_NEXT_HANGUP);
		break;
	default:
		break;
	}
}

void
session_step(struct session *s, struct flow_event *e)
{
	enum flow_step before = s->flow.step;
	struct flow_action a;

	if (s->goes_on)
		e->resume = &s->resume;
	e->now_us = timers_wall_us(s->room->o.timers);
	flow_next(&s->flow, e, &a);
	log_debug("call", s->call_id, "event=step step=%s",
	    flow_step_name(s->flow.step));
	if (before == FLOW_CARRIER && s->flow.step == FLOW_PLAN)
		session_note(s, s->flow.carriers, false);
	session_perform(s, &a);
}

/* Trouble leads to a person until a hold is submitted; from then on only its
 * being late does. */
static bool
session_must_leave(const struct session *s)
{
	return s->trouble &&
	    (s->flow.step < FLOW_HOLD ||
		(s->late && s->awaiting == AWAIT_HOLD && !s->answered));
}

/* ---- what the leg reports */

static const char *
session_lang(const struct sessions *room, const struct leg_info *info)
{
	const struct conf *conf = room->o.conf;
	size_t i;

	for (i = 0; i < conf->n_lines; i++)
		if (strcmp(conf->lines[i].dnis, info->dnis) == 0)
			return conf->lines[i].lang;
	for (i = 0; i < prompt_lang_count(); i++)
		if (strcmp(prompt_lang(i), info->lang) == 0)
			return prompt_lang(i);
	return conf->call_lang;
}

/* The same call, cut off at another server: it goes on here. */
static void
session_take_over(struct session *s, const struct report_known *known)
{
	size_t i;

	s->goes_on = true;
	s->holder = known->holder;
	s->verified_us = known->verified_us;
	s->resume = (struct flow_resume){ .verified = known->holder != 0,
		.carriers = known->carriers,
		.confirmed = known->confirmed,
		.held = known->held };
	for (i = 0; i < prompt_lang_count(); i++)
		if (strcmp(prompt_lang(i), known->lang) == 0)
			s->lang = prompt_lang(i);
	metric_add(METRIC_CALLS_GO_ON, 1);
	log_info("call", s->call_id,
	    "event=goes-on verified=%d confirmed=%d held=%d",
	    s->resume.verified, s->resume.confirmed, s->resume.held);
}

static void
session_reported(void *ctx, bool ok, const struct report_known *known)
{
	struct session *s = ctx;
	struct flow_event e = { .type = FLOW_EV_SAID };

	s->report = NULL;
	if (ok) {
		s->reported_us = known->reported_us;
		if (known->goes_on)
			session_take_over(s, known);
	} else
		s->trouble = true; /* acted on when the leg is idle */
	if (s->awaiting != AWAIT_REPORT)
		return;
	timer_stop(s->room->o.timers, &s->timer);
	s->awaiting = AWAIT_NOTHING;
	if (s->leg_busy)
		return; /* on_said() goes on */
	if (s->trouble)
		session_trouble(s);
	else
		session_step(s, &e);
}

static void
on_ready(void *ctx, const struct leg_info *info)
{
	struct session *s = ctx;
	struct sessions *room = s->room;
	uint8_t bind[REPORT_BIND_SIZE];

	s->begun_us = s->reported_us = timers_wall_us(room->o.timers);
	str_copy(s->call_id, sizeof(s->call_id), info->call_id);
	if (info->number != NULL)
		str_copy(s->number, sizeof(s->number), info->number);
	s->lang = session_lang(room, info);
	metric_add(METRIC_CALLS, 1);
	log_info("call", s->call_id, "event=begun lang=%s", s->lang);
	verify_bind(
	    room->o.verify, info->gateway, info->dnis, info->number, bind);
	s->report = report_open(room->o.store, s->call_id, info->dnis, s->lang,
	    bind, s->begun_us, session_reported, s);
	s->trouble = s->report == NULL;
	s->leg_busy = true;
	leg_answer(s->leg);
}

static void
on_answered(void *ctx)
{
	struct session *s = ctx;
	struct flow_event e = { .type = FLOW_EV_BEGIN };

	s->leg_busy = false;
	session_step(s, &e);
}

static void
on_said(void *ctx)
{
	struct session *s = ctx;
	struct flow_event e = { .type = FLOW_EV_SAID };

	s->leg_busy = false;
	if (session_must_leave(s))
		session_trouble(s);
	else if (s->report != NULL && s->flow.step == FLOW_GREETING) {
		if (s->awaiting != AWAIT_REPORT)
			session_wait(s, AWAIT_REPORT, REASSURE_US);
	} else if (s->awaiting == AWAIT_VERDICT)
		session_give_verdict(s);
	else if (s->awaiting == AWAIT_HOLD)
		session_give_answer(s);
	else
		session_step(s, &e);
}

static void
on_collected(void *ctx, enum leg_collect_end end, const char *digits)
{
	struct session *s = ctx;
	struct flow_event e = { .type = FLOW_EV_DIGITS,
		.digits = digits,
		.timeout = end != LEG_COLLECT_FULL };

	s->leg_busy = false;
	if (end == LEG_COLLECT_HANGUP) {
		/* Only a confirmation still counts; see on_hung_up() too. */
		if (s->flow.step != FLOW_CONFIRM || strcmp(digits, "1") != 0 ||
		    s->trouble)
			return;
		s->leg_busy = true; /* nothing can be said any more */
	}
	if (session_must_leave(s))
		session_trouble(s);
	else
		session_step(s, &e);
}

/* The caller is gone, or the gateway: what was confirmed goes on. */
static void
session_gone(struct session *s)
{
	struct flow_event e = { .type = FLOW_EV_HANGUP };
	struct flow_action a;

	s->gone = true;
	if (s->awaiting != AWAIT_HOLD || s->answered)
		session_stop_waiting(s);
	else /* nobody to reassure; but not for ever */
		session_wait(s, AWAIT_HOLD, BACKEND_US);
	flow_wipe(&s->flow);
	if (s->call_id[0] == '\0')
		return;
	metric_add(METRIC_CALLS_HUNG_UP, 1);
	if (s->awaiting != AWAIT_HOLD)
		session_record_end(
		    s, s->answered ? session_result(s) : "hung-up");
	flow_next(&s->flow, &e, &a); /* nothing left to perform */
}

static void
on_hung_up(void *ctx)
{
	struct session *s = ctx;

	s->over = true;
	session_gone(s);
	leg_end(s->leg, LEG_NEXT_HANGUP, session_result(s));
}

static void
on_failed(void *ctx, const char *why)
{
	struct session *s = ctx;

	log_warn("call", s->call_id[0] == '\0' ? NULL : s->call_id,
	    "event=gateway-failed why=\"%s\"", why);
	if (!s->gone)
		session_gone(s);
	leg_free(s->leg);
	s->leg = NULL;
	session_maybe_free(s);
}

static void
on_ended(void *ctx)
{
	struct session *s = ctx;

	leg_free(s->leg);
	s->leg = NULL;
	session_maybe_free(s);
}

const struct leg_events session_events = {
	.ready = on_ready,
	.answered = on_answered,
	.said = on_said,
	.collected = on_collected,
	.hung_up = on_hung_up,
	.failed = on_failed,
	.ended = on_ended,
};

/* ---- all of them */

struct sessions *
sessions_new(const struct sessions_options *options)
{
	struct sessions *all;

	if ((all = calloc(1, sizeof(*all))) == NULL)
		return NULL;
	all->o = *options;
	return all;
}

void
sessions_free(struct sessions *all)
{
	if (all == NULL)
		return;
	all->o.on_end = NULL;
	while (all->first != NULL)
		session_free(all->first);
	free(all);
}

void *
sessions_admit(void *ctx, struct leg *leg)
{
	struct sessions *all = ctx;
	struct session *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->room = all;
	s->leg = leg;
	s->lang = all->o.conf->call_lang;
	flow_init(&s->flow);
	s->next = all->first;
	s->prev = &all->first;
	if (s->next != NULL)
		s->next->prev = &s->next;
	all->first = s;
	all->n++;
	return s;
}

unsigned int
sessions_count(const struct sessions *all)
{
	return all->n;
}

void
sessions_hand_over(struct sessions *all)
{
	struct session *s, *next;

	for (s = all->first; s != NULL; s = next) {
		next = s->next;
		if (s->leg == NULL || s->gone)
			continue;
		/* Mid-command there is no polite word: closing makes the
		 * dialplan go on to the next server, or a person. */
		session_gone(s);
		leg_free(s->leg);
		s->leg = NULL;
		session_maybe_free(s);
	}
}
