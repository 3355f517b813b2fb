/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_inner.h -- one live call, as the files of session.h see it.
 *
 * session.c speaks with the leg and follows the conversation; session_wait.c
 * waits for what is behind us: checks, certificates, holds.
 */
#ifndef CALL_SESSION_INNER_H
#define CALL_SESSION_INNER_H

#include "base/clock.h"
#include "base/timer.h"
#include "call/session.h"
#include "flow/flow.h"
#include "hold/hold.h"
#include "verify/verify.h"

#define PATIENCE_US (700 * INT64_C(1000)) /* then "I am doing it now" */
#define REASSURE_US (5 * CLOCK_S_US)      /* and again so often */
#define BACKEND_US (15 * CLOCK_S_US)      /* then a person */

/* What a session waits for besides its leg. */
enum awaiting {
	AWAIT_NOTHING,
	AWAIT_REPORT,  /* the report, before anything is asked */
	AWAIT_VERDICT, /* check or pad; "checking" is being said meanwhile */
	AWAIT_LOOK,
	AWAIT_HOLD
};

struct session {
	struct sessions *room;
	struct session *next, **prev;
	struct leg *leg; /* owned; NULL once the gateway has it back */
	bool leg_busy;   /* a request to the leg is under way */
	bool gone;       /* hung up, failed, or being ended */
	bool over;       /* the caller or we ended it: it goes on nowhere */
	bool trouble;    /* something behind us failed: to a person */
	bool late;       /* ... also when a hold was submitted */

	char call_id[64];
	char number[32]; /* "" = withheld */
	const char *lang;
	int64_t begun_us, reported_us, verified_us, confirmed_us;
	bool goes_on; /* it was cut off at another server */
	struct flow_resume resume;

	struct flow flow;
	enum awaiting awaiting;
	struct timer timer;  /* pad, patience, then the back end's limit */
	int64_t wait_end_us; /* monotonic: when that limit is reached */
	struct report_job *report;
	struct verify_check *check;
	struct hold_job *job;

	bool padded; /* the verdict's pad is over */
	bool judged;
	enum verify_verdict verdict;
	int64_t holder;
	bool answered; /* the hold's answer is there */
	struct hold_answer answer;
};

struct sessions {
	struct sessions_options o;
	struct session *first;
	unsigned int n;
};

/* ---- session.c */

/* Something happened: do what the conversation says next. */
void session_step(struct session *s, struct flow_event *e);

/* Say, or say and collect, what the action names; the leg must be idle. */
void session_speak(struct session *s, const struct flow_action *a);

/* One word on how the call went, for the dialplan and the record. */
const char *session_result(const struct session *s);

/* Store how far it has come, for the server that may have to go on. */
void session_note(struct session *s, unsigned int carriers, bool confirmed);

/* Store and log how the call ended. */
void session_record_end(struct session *s, const char *outcome);

/* The leg is gone; so is the session, unless a hold is being placed. */
void session_maybe_free(struct session *s);

/* ---- session_wait.c */

/* Wait for something behind us, `quiet_us` of it without a word. */
void session_wait(struct session *s, enum awaiting what, int64_t quiet_us);

/* A check or a hold under way goes on, but its result is of no interest. */
void session_stop_waiting(struct session *s);

/* Something behind us failed, or took too long: to a person. */
void session_trouble(struct session *s);

/* Check the answers / read the certificates / place the hold. */
void session_verify(struct session *s);
/* As session_verify(). */
void session_look(struct session *s);
/* As session_verify(). */
void session_hold(struct session *s);

/* The leg is idle again: go on with a verdict or an answer that is there. */
void session_give_verdict(struct session *s);
/* As session_give_verdict(). */
void session_give_answer(struct session *s);

#endif
