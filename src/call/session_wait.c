/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/secret.h"
#include "call/session_inner.h"

/* A check or a hold under way goes on, but its result is of no interest. */
void
session_stop_waiting(struct session *s)
{
	timer_stop(s->room->o.timers, &s->timer);
	s->awaiting = AWAIT_NOTHING;
	if (s->check != NULL)
		verify_cancel(s->check);
	if (s->job != NULL)
		hold_cancel(s->job);
	s->check = NULL;
	s->job = NULL;
}

/* Something behind us failed, or took too long: to a person. */
void
session_trouble(struct session *s)
{
	struct flow_event e = { .type = FLOW_EV_TROUBLE };

	session_stop_waiting(s);
	s->trouble = false;
	session_step(s, &e);
}

static void
session_too_long(void *ctx)
{
	struct session *s = ctx;

	log_error("call", s->call_id,
	    "event=back-end-too-slow step=%s hint=\"is the store's disk full "
	    "or stuck?\"",
	    flow_step_name(s->flow.step));
	if (s->gone) { /* nobody is listening any more */
		session_stop_waiting(s);
		session_record_end(s, "unknown");
		session_maybe_free(s);
	} else if (!s->leg_busy)
		session_trouble(s);
	else {
		s->trouble = s->late = true; /* acted on in on_said() */
	}
}

/* Nobody is left in silence: say that it goes on.  While the certificates are
 * read nothing is said, because they are lent only for a moment. */
static void
session_impatient(void *ctx)
{
	struct session *s = ctx;
	struct flow_action a = { .what = FLOW_DO_SAY, .n = 1 };
	int64_t left_us = s->wait_end_us - timers_mono_us(s->room->o.timers);

	if (left_us <= 0) {
		session_too_long(s);
		return;
	}
	timer_start(s->room->o.timers, &s->timer,
	    left_us < REASSURE_US ? left_us : REASSURE_US, session_impatient,
	    s);
	a.prompts[0] = s->awaiting == AWAIT_HOLD ? "holding" : "checking";
	if (!s->gone && !s->leg_busy)
		session_speak(s, &a);
}

/* Wait for something behind us, `quiet_us` of it without a word. */
void
session_wait(struct session *s, enum awaiting what, int64_t quiet_us)
{
	struct timers *timers = s->room->o.timers;

	s->awaiting = what;
	s->wait_end_us = timers_mono_us(timers) + BACKEND_US;
	timer_start(timers, &s->timer, quiet_us, session_impatient, s);
}

/* ---- verification */

void
session_give_verdict(struct session *s)
{
	struct flow_event e = { .type = FLOW_EV_VERDICT,
		.verdict = s->verdict };

	if (s->leg_busy || !s->padded || !s->judged)
		return;
	timer_stop(s->room->o.timers, &s->timer);
	s->awaiting = AWAIT_NOTHING;
	if (s->verdict == VERIFY_OK) {
		s->verified_us = timers_wall_us(s->room->o.timers);
		session_note(s, 0, false);
	}
	session_step(s, &e);
}

static void
session_padded(void *ctx)
{
	struct session *s = ctx;

	s->padded = true;
	session_wait(s, AWAIT_VERDICT, REASSURE_US);
	session_give_verdict(s);
}

static void
session_judged(void *ctx, enum verify_verdict verdict, int64_t holder)
{
	struct session *s = ctx;

	s->check = NULL;
	s->judged = true;
	s->verdict = verdict;
	s->holder = holder;
	log_info("call", s->call_id, "event=judged verdict=%s",
	    verify_verdict_name(verdict));
	session_give_verdict(s);
}

void
session_verify(struct session *s)
{
	s->awaiting = AWAIT_VERDICT;
	s->padded = s->judged = false;
	timer_start(s->room->o.timers, &s->timer, s->room->o.conf->call_pad_us,
	    session_padded, s);
	s->check = verify_start(s->room->o.verify, &s->flow.answers,
	    s->number[0] == '\0' ? NULL : s->number,
	    timers_steady_us(s->room->o.timers), session_judged, s);
	flow_wipe(&s->flow);
	if (s->check == NULL) {
		s->judged = true;
		s->verdict = VERIFY_TROUBLE;
	}
}

/* ---- the certificates, and the hold */

static void
session_looked(void *ctx, bool ok, const struct store_cert *certs, size_t n)
{
	struct session *s = ctx;
	struct flow_event e = { .type = FLOW_EV_LOOKED,
		.certs = certs,
		.n_certs = n,
		.now_us = timers_wall_us(s->room->o.timers) };

	s->job = NULL;
	s->awaiting = AWAIT_NOTHING;
	timer_stop(s->room->o.timers, &s->timer);
	if (ok)
		session_step(s, &e);
	else
		session_trouble(s);
}

void
session_give_answer(struct session *s)
{
	struct flow_event e = { .type = FLOW_EV_HELD, .held = &s->answer };

	if (s->leg_busy || !s->answered)
		return;
	timer_stop(s->room->o.timers, &s->timer);
	s->awaiting = AWAIT_NOTHING;
	session_step(s, &e);
}

static void
session_log_hold(const struct session *s)
{
	const struct hold_answer *a = &s->answer;
	bool now = a->result == HOLD_VISIBLE || a->result == HOLD_ACCEPTED;
	int64_t shown_us =
	    now && a->visible ? a->visible_us - s->confirmed_us : -1;

	log_info("call", s->call_id,
	    "event=hold result=%s confirmed_to_stored_us=%lld "
	    "confirmed_to_visible_us=%lld",
	    hold_result_name(a->result),
	    (long long)(now ? a->stored_us - s->confirmed_us : -1),
	    (long long)shown_us);
}

static void
session_held(void *ctx, const struct hold_answer *answer)
{
	struct session *s = ctx;

	s->job = NULL;
	s->answered = true;
	s->answer = *answer;
	if (answer->result == HOLD_VISIBLE || answer->result == HOLD_ACCEPTED ||
	    answer->result == HOLD_ALREADY)
		metric_add(METRIC_CALLS_HELD, 1);
	session_log_hold(s);
	if (s->gone) {
		s->awaiting = AWAIT_NOTHING;
		session_record_end(s, session_result(s));
		session_maybe_free(s);
	} else
		session_give_answer(s);
}

void
session_hold(struct session *s)
{
	struct hold_request r = { .call_id = s->call_id,
		.holder = s->holder,
		.carriers = s->flow.carriers,
		.confirmed = s->flow.confirmed,
		.lang = s->lang,
		.reported_us = s->reported_us,
		.verified_us = s->verified_us };

	s->answered = false;
	s->confirmed_us = timers_wall_us(s->room->o.timers);
	if (r.confirmed)
		session_note(s, r.carriers, true);
	secret_random(r.random, sizeof(r.random));
	session_wait(s, AWAIT_HOLD, PATIENCE_US);
	if ((s->job = hold_place(s->room->o.hold, &r, session_held, s)) == NULL)
		session_trouble(s);
}

void
session_look(struct session *s)
{
	session_wait(s, AWAIT_LOOK, BACKEND_US);
	if ((s->job = hold_look(
		 s->room->o.hold, s->holder, session_looked, s)) == NULL)
		session_trouble(s);
}
