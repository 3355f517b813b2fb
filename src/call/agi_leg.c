/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request is a list of prompts and what belongs to it; agi_advance() sends
 * whichever command it still needs, agi_on_reply() judges the reply, and
 * so on until nothing is left to send and the session is told.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/secret.h"
#include "base/str.h"
#include "base/timer.h"
#include "call/agi_leg.h"
#include "call/agi_text.h"
#include "wire/agi.h"

#define MS_US INT64_C(1000)
#define S_US INT64_C(1000000)
#define ENV_US (10 * S_US)
#define ANSWER_US (500 * MS_US) /* Asterisk waits so long for media */
#define GONE_US (2 * S_US)      /* nobody waits for a dead channel longer */

enum state {
	STATE_ENV,
	STATE_IDLE,
	STATE_ANSWER,
	STATE_LANGUAGE,
	STATE_RESPONSE,
	STATE_DIGIT,
	STATE_PLAY,
	STATE_READ,
	STATE_FETCH,
	STATE_CUT,
	STATE_END_WIPE, /* from here on leg_end() was called */
	STATE_END_RESULT,
	STATE_END_NEXT,
	STATE_END_DONE,
	STATE_END_CUT,
	STATE_OVER,
	STATE_COUNT
};

/* The command that is in flight in a state, for sentences. */
static const char *const state_names[] = {
	[STATE_ENV] = "the environment",
	[STATE_IDLE] = "nothing",
	[STATE_ANSWER] = "ANSWER",
	[STATE_LANGUAGE] = "SET VARIABLE CHANNEL(language)",
	[STATE_RESPONSE] = "SET VARIABLE TIMEOUT(response)",
	[STATE_DIGIT] = "SET VARIABLE TIMEOUT(digit)",
	[STATE_PLAY] = "EXEC Playback",
	[STATE_READ] = "EXEC Read",
	[STATE_FETCH] = "GET FULL VARIABLE",
	[STATE_CUT] = "nothing",
	[STATE_END_WIPE] = ("SET VARIABLE " AGI_TEXT_DIGITS),
	[STATE_END_RESULT] = "SET VARIABLE HOLDLINE_RESULT",
	[STATE_END_NEXT] = "SET VARIABLE HOLDLINE_NEXT",
	[STATE_END_DONE] = "SET VARIABLE HOLDLINE_DONE",
	[STATE_END_CUT] = "nothing",
	[STATE_OVER] = "nothing",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == STATE_COUNT,
    "every state needs a name");

static const char *const next_names[] = {
	[LEG_NEXT_PERSON] = "person",
	[LEG_NEXT_HANGUP] = "hangup",
};
_Static_assert(sizeof(next_names) / sizeof(next_names[0]) == LEG_NEXT_COUNT,
    "every leg_next needs a name");

struct agi_leg {
	struct leg leg;
	struct agi_leg_options o;
	struct agi_parser *parser;
	struct timer timer; /* the deadline of what the state waits for */
	enum state state;
	const char *cut; /* why the connection is of no more use, or NULL */
	bool in_event;   /* freeing waits for its end */
	bool freed;
	struct agi_text_env *env; /* owned; NULL once ready() was told */
	char call_id[64];

	bool hung_up; /* known to be */
	bool told;    /* the session knows it too */
	bool warned;  /* of missing sound files */
	bool typed;   /* the channel holds digits */

	char lang[16]; /* the channel's, as far as we know */
	unsigned int first_s, next_s;

	/* The request under way; max = 0 when it is not a collection. */
	char *list, *left; /* list is owned; left: what is still to play */
	char want_lang[16];
	unsigned int max, want_first_s, want_next_s, ms;

	enum leg_next next;
	char result[32];
};

static void agi_on_timer(void *ctx);

static struct agi_leg *
agi_of(struct leg *leg)
{
	return (struct agi_leg *)leg;
}

/* ---- commands */

static void
agi_wait(struct agi_leg *l, int64_t us)
{
	timer_start(l->o.timers, &l->timer, us, agi_on_timer, l);
}

/* The connection is of no more use: tell it later, never in a request. */
static void
agi_cut(struct agi_leg *l, const char *why)
{
	l->cut = why;
	agi_wait(l, 0);
}

/* Send one command, whose reply takes `length_us` when all is well. */
static void
agi_send(struct agi_leg *l, int64_t length_us, const char *const *words)
{
	char line[AGI_COMMAND_MAX];
	struct err err;
	int len = agi_command(line, sizeof(line), words, &err);
	int64_t us = length_us + l->o.slack_us;

	assert(len > 0);
	agi_wait(l, l->hung_up && us > GONE_US ? GONE_US : us);
	if (l->o.write(l->o.write_ctx, line, (size_t)len) == -1)
		agi_cut(l, "the gateway no longer reads what it is sent");
}

static void
agi_set(struct agi_leg *l, const char *name, const char *value)
{
	agi_send(
	    l, 0, (const char *const[]){ "SET VARIABLE", name, value, NULL });
}

static void
agi_set_seconds(struct agi_leg *l, const char *name, unsigned int s)
{
	char value[16];

	snprintf(value, sizeof(value), "%u", s);
	agi_set(l, name, value);
}

static void
agi_send_play(struct agi_leg *l)
{
	size_t n = agi_text_play_length(l->left, l->max > 0);
	char *files = l->left;

	l->left += n + (files[n] != '\0');
	files[n] = '\0';
	agi_send(l, l->ms * MS_US,
	    (const char *const[]){ "EXEC Playback", files, NULL });
}

static void
agi_send_read(struct agi_leg *l)
{
	char args[AGI_COMMAND_MAX];
	int64_t s = l->first_s + (int64_t)l->max * l->next_s;

	snprintf(args, sizeof(args),
	    AGI_TEXT_DIGITS ",%s" AGI_TEXT_LAST ",%u,,1", l->left, l->max);
	l->left += strlen(l->left);
	l->typed = true;
	agi_send(l, l->ms * MS_US + s * S_US,
	    (const char *const[]){ "EXEC Read", args, NULL });
}

/* The list of prompts is no longer needed. */
static void
agi_drop_list(struct agi_leg *l)
{
	free(l->list);
	l->list = l->left = NULL;
}

static void
enter_state(struct agi_leg *l, enum state state)
{
	l->state = state;
	switch (state) {
	case STATE_ENV: /* for the empty line that ends the environment */
		agi_wait(l, ENV_US);
		break;
	case STATE_IDLE: /* for the session's next request, or HANGUP */
	case STATE_CUT:  /* for leg_end() or leg_free(); hung_up was told */
	case STATE_OVER: /* for leg_free() */
		agi_drop_list(l);
		timer_stop(l->o.timers, &l->timer);
		break;
	case STATE_ANSWER: /* for the reply: the channel is up */
		agi_send(l, ANSWER_US, (const char *const[]){ "ANSWER", NULL });
		break;
	case STATE_LANGUAGE: /* for the reply: prompts come in this language */
		agi_set(l, "CHANNEL(language)", l->want_lang);
		break;
	case STATE_RESPONSE: /* for the reply: time to the first digit */
		agi_set_seconds(l, "TIMEOUT(response)", l->want_first_s);
		break;
	case STATE_DIGIT: /* for the reply: time between digits */
		agi_set_seconds(l, "TIMEOUT(digit)", l->want_next_s);
		break;
	case STATE_PLAY: /* for the reply: this part was played to its end */
		agi_send_play(l);
		break;
	case STATE_READ: /* for the reply: the caller has typed, or not */
		agi_send_read(l);
		break;
	case STATE_FETCH: /* for the reply: how Read ended, and the digits */
		agi_send(l, 0,
		    (const char *const[]){ "GET FULL VARIABLE",
			"${READSTATUS}:${" AGI_TEXT_DIGITS "}", NULL });
		break;
	case STATE_END_WIPE: /* for the reply: no digits stay on the channel */
		agi_set(l, AGI_TEXT_DIGITS, "");
		break;
	case STATE_END_RESULT: /* for the reply */
		agi_set(l, "HOLDLINE_RESULT", l->result);
		break;
	case STATE_END_NEXT: /* for the reply */
		agi_set(l, "HOLDLINE_NEXT", next_names[l->next]);
		break;
	case STATE_END_DONE: /* for the reply: the gateway has it all */
		agi_set(l, "HOLDLINE_DONE", "1");
		if (l->cut == NULL && l->o.slack_us > GONE_US)
			agi_wait(l, GONE_US);
		break;
	case STATE_END_CUT: /* for the loop, to say that it has ended */
		agi_cut(l, "ended");
		break;
	case STATE_COUNT:
		abort(); /* not a state */
	}
}

/* ---- what the session is told; each may free the leg */

static void
agi_failed(struct agi_leg *l, const char *why)
{
	enter_state(l, STATE_OVER);
	l->o.events->failed(l->o.ctx, why);
}

static void
agi_hung_up(struct agi_leg *l, enum state state)
{
	l->hung_up = l->told = true;
	enter_state(l, state);
	l->o.events->hung_up(l->o.ctx);
}

static void
agi_ended(struct agi_leg *l)
{
	enter_state(l, STATE_OVER);
	l->o.events->ended(l->o.ctx);
}

/* Nothing more can be sent or will be heard. */
static void
agi_lost(struct agi_leg *l, const char *why)
{
	if (l->state == STATE_OVER)
		return;
	if (l->state >= STATE_END_WIPE)
		agi_ended(l);
	else if (l->hung_up && !l->told)
		agi_hung_up(l, STATE_CUT);
	else
		agi_failed(l, why);
}

static void
agi_on_timer(void *ctx)
{
	struct agi_leg *l = ctx;
	char why[160];

	if (l->cut != NULL) {
		agi_lost(l, l->cut);
		return;
	}
	if (l->state == STATE_ENV) {
		agi_failed(l,
		    "no call came within 10 s of the connection; only "
		    "Asterisk's AGI() should connect to agi.listen");
		return;
	}
	metric_add(METRIC_AGI_TIMEOUT, 1);
	if (l->state >= STATE_END_WIPE && !l->hung_up)
		log_warn("call", l->call_id,
		    "event=end-unsure why=\"no reply to %s; the dialplan may "
		    "try another server\"",
		    state_names[l->state]);
	snprintf(why, sizeof(why),
	    "the gateway did not reply to %s in time; see whether it is "
	    "overloaded, or raise agi.slack",
	    state_names[l->state]);
	agi_lost(l, why);
}

/* ---- requests */

/* Send what the request still needs, or report that it is through. */
static void
agi_advance(struct agi_leg *l)
{
	if (l->hung_up)
		agi_hung_up(l, STATE_IDLE);
	else if (strcmp(l->lang, l->want_lang) != 0)
		enter_state(l, STATE_LANGUAGE);
	else if (l->max > 0 && l->first_s != l->want_first_s)
		enter_state(l, STATE_RESPONSE);
	else if (l->max > 0 && l->next_s != l->want_next_s)
		enter_state(l, STATE_DIGIT);
	else if (l->max > 0 && strlen(l->left) <= AGI_TEXT_READ_ROOM)
		enter_state(l, STATE_READ);
	else if (l->left[0] != '\0')
		enter_state(l, STATE_PLAY);
	else {
		enter_state(l, STATE_IDLE);
		l->o.events->said(l->o.ctx);
	}
}

/* A request comes when we are idle; when the caller has hung up meanwhile,
 * hung_up is on its way and overtakes it. */
static bool
agi_may_ask(const struct agi_leg *l)
{
	if (l->hung_up)
		return false;
	assert(l->state == STATE_IDLE);
	return true;
}

static void
agi_ask(struct agi_leg *l, const struct leg_say *say)
{
	assert(strlen(say->lang) < sizeof(l->want_lang));
	str_copy(l->want_lang, sizeof(l->want_lang), say->lang);
	l->ms = say->ms;
	if ((l->list = l->left = agi_text_list(say)) == NULL)
		agi_cut(l, "no memory for a list of prompts");
	else
		agi_advance(l);
}

static void
agi_leg_answer(struct leg *leg)
{
	struct agi_leg *l = agi_of(leg);

	if (agi_may_ask(l))
		enter_state(l, STATE_ANSWER);
}

static void
agi_leg_say(struct leg *leg, const struct leg_say *say)
{
	struct agi_leg *l = agi_of(leg);

	if (!agi_may_ask(l))
		return;
	l->max = 0;
	agi_ask(l, say);
}

static void
agi_leg_collect(struct leg *leg, const struct leg_collect *c)
{
	struct agi_leg *l = agi_of(leg);

	if (!agi_may_ask(l))
		return;
	l->max = c->max;
	l->want_first_s = c->first_ms / 1000 + (c->first_ms % 1000 > 0);
	l->want_next_s = c->next_ms / 1000 + (c->next_ms % 1000 > 0);
	agi_ask(l, &c->say);
}

static void
agi_leg_end(struct leg *leg, enum leg_next next, const char *result)
{
	struct agi_leg *l = agi_of(leg);

	if (l->state >= STATE_END_WIPE) /* ended once in collected() */
		return;
	assert(l->state == STATE_IDLE || l->state == STATE_CUT);
	assert(strlen(result) < sizeof(l->result));
	str_copy(l->result, sizeof(l->result), result);
	l->next = next;
	if (l->state == STATE_CUT)
		enter_state(l, STATE_END_CUT);
	else
		enter_state(l, l->typed ? STATE_END_WIPE : STATE_END_RESULT);
}

static void
agi_leg_free(struct leg *leg)
{
	struct agi_leg *l = agi_of(leg);

	l->freed = true;
	timer_stop(l->o.timers, &l->timer);
	if (l->in_event)
		return;
	agi_parser_free(l->parser);
	agi_drop_list(l);
	free(l->env);
	free(l);
}

static const struct leg_ops agi_leg_ops = { .answer = agi_leg_answer,
	.say = agi_leg_say,
	.collect = agi_leg_collect,
	.end = agi_leg_end,
	.free = agi_leg_free };

/* ---- what the gateway says */

static void
agi_on_env_end(struct agi_leg *l)
{
	struct agi_text_env *e = l->env;
	struct leg_info info;
	const char *why = agi_text_env_info(e, &info);

	if (why != NULL) {
		agi_failed(l, why);
		return;
	}
	info.gateway = l->o.gateway != NULL ? l->o.gateway : "";
	str_copy(l->call_id, sizeof(l->call_id), info.call_id);
	str_copy(l->lang, sizeof(l->lang), info.lang);
	l->env = NULL;
	enter_state(l, STATE_IDLE);
	l->o.events->ready(l->o.ctx, &info);
	secret_cleanse(e, sizeof(*e));
	free(e);
}

/* Said once a call: the caller hears nothing and is handed to a person. */
static void
agi_warn_of_sounds(struct agi_leg *l)
{
	if (!l->warned)
		log_warn("call", l->call_id,
		    "event=read-failed why=\"Read could not collect digits; "
		    "see that the prompts and " AGI_TEXT_PREFIX
		    "silence are in Asterisk's sounds folder\"");
	l->warned = true;
}

static enum leg_collect_end
agi_collect_end(struct agi_leg *l, enum agi_text_read status)
{
	if (status == AGI_TEXT_READ_HANGUP)
		l->hung_up = true;
	if (l->hung_up)
		return LEG_COLLECT_HANGUP;
	if (status == AGI_TEXT_READ_ERROR)
		agi_warn_of_sounds(l);
	return status == AGI_TEXT_READ_OK ? LEG_COLLECT_FULL
					  : LEG_COLLECT_TIMEOUT;
}

static void
agi_on_fetched(struct agi_leg *l, const char *value)
{
	char digits[LEG_DIGITS_MAX + 1];
	enum agi_text_read status;
	enum leg_collect_end end;

	if (agi_text_read(value, l->max, &status, digits) == -1) {
		metric_add(METRIC_AGI_GARBAGE, 1);
		agi_failed(l,
		    "the gateway's " AGI_TEXT_DIGITS " holds what no telephone "
		    "can type; see that the dialplan does not set it");
		return;
	}
	end = agi_collect_end(l, status);
	enter_state(l, STATE_IDLE);
	l->o.events->collected(l->o.ctx, end, digits);
	secret_cleanse(digits, sizeof(digits));
	if (l->freed || end != LEG_COLLECT_HANGUP)
		return;
	l->told = true; /* also when collected() has ended the leg */
	l->o.events->hung_up(l->o.ctx);
}

/* A reply with a code that none of our commands should get. */
static void
agi_refused(struct agi_leg *l, int code)
{
	char why[160];

	snprintf(why, sizeof(why),
	    "the gateway answered %d to %s; it must be Asterisk 16 or newer "
	    "with res_agi, app_read and app_playback",
	    code, state_names[l->state]);
	agi_failed(l, why);
}

/* Did the command say that the caller is gone? */
static bool
agi_reply_gone(struct agi_leg *l, const struct agi_event *e)
{
	bool runs = l->state == STATE_ANSWER || l->state == STATE_PLAY ||
	    l->state == STATE_READ;

	return e->code == AGI_DEAD ||
	    (e->code == AGI_OK && runs && e->has_result && e->result == -1);
}

static void
agi_on_end_reply(struct agi_leg *l, int code)
{
	if (code != AGI_OK)
		log_warn("call", l->call_id,
		    "event=end-refused command=\"%s\" code=%d",
		    state_names[l->state], code);
	if (l->state == STATE_END_DONE)
		agi_ended(l);
	else if (l->state != STATE_END_CUT)
		enter_state(l, l->state + 1);
}

/* A command has done what it should. */
static void
agi_on_success(struct agi_leg *l, const struct agi_event *e)
{
	switch (l->state) {
	case STATE_ANSWER:
		enter_state(l, STATE_IDLE);
		l->o.events->answered(l->o.ctx);
		return;
	case STATE_READ:
		enter_state(l, STATE_FETCH);
		return;
	case STATE_FETCH:
		agi_on_fetched(l, e->data);
		return;
	case STATE_LANGUAGE:
		str_copy(l->lang, sizeof(l->lang), l->want_lang);
		break;
	case STATE_RESPONSE:
		l->first_s = l->want_first_s;
		break;
	case STATE_DIGIT:
		l->next_s = l->want_next_s;
		break;
	default:
		assert(l->state == STATE_PLAY);
	}
	agi_advance(l);
}

static void
agi_on_reply(struct agi_leg *l, const struct agi_event *e)
{
	bool exec = l->state == STATE_PLAY || l->state == STATE_READ;

	if (e->code == AGI_DEAD)
		metric_add(METRIC_AGI_DEAD, 1);
	if (l->state == STATE_IDLE || l->state == STATE_CUT)
		metric_add(METRIC_AGI_GARBAGE, 1); /* nothing was asked */
	else if (l->state >= STATE_END_WIPE)
		agi_on_end_reply(l, e->code);
	else if (agi_reply_gone(l, e) || l->hung_up) {
		/* What was typed before the hang-up can still be had. */
		l->hung_up = true;
		if (e->code == AGI_OK && l->state == STATE_READ)
			enter_state(l, STATE_FETCH);
		else if (e->code == AGI_OK && l->state == STATE_FETCH)
			agi_on_fetched(l, e->data);
		else
			agi_hung_up(l, STATE_IDLE);
	} else if (e->code != AGI_OK)
		agi_refused(l, e->code);
	else if (exec && e->has_result && e->result == -2)
		agi_failed(l,
		    l->state == STATE_PLAY
			? "Asterisk has no Playback; load app_playback.so"
			: "Asterisk has no Read; load app_read.so");
	else
		agi_on_success(l, e);
}

/* The caller hung up.  A second HANGUP comes at every session's end. */
static void
agi_on_hangup(struct agi_leg *l)
{
	if (l->hung_up)
		return;
	l->hung_up = true;
	if (l->state == STATE_IDLE)
		agi_hung_up(l, STATE_IDLE);
	else if (l->cut == NULL)
		agi_wait(l, GONE_US); /* the reply comes soon, or never */
}

static int
agi_on_event(void *ctx, const struct agi_event *e)
{
	struct agi_leg *l = ctx;

	l->in_event = true;
	switch (l->state == STATE_OVER ? AGI_ODD : e->type) {
	case AGI_ENV:
		agi_text_env_add(l->env, e->name, e->value);
		break;
	case AGI_ENV_END:
		agi_on_env_end(l);
		break;
	case AGI_REPLY:
		agi_on_reply(l, e);
		break;
	case AGI_HANGUP:
		agi_on_hangup(l);
		break;
	case AGI_ODD:
		metric_add(METRIC_AGI_GARBAGE, l->state != STATE_OVER);
		break;
	}
	l->in_event = false;
	if (!l->freed)
		return 0;
	agi_leg_free(&l->leg);
	return -1;
}

/* ---- the connection */

struct leg *
agi_leg_new(const struct agi_leg_options *options)
{
	struct agi_leg *l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return NULL;
	l->leg.ops = &agi_leg_ops;
	l->o = *options;
	l->env = calloc(1, sizeof(*l->env));
	l->parser = agi_parser_new(agi_on_event, l);
	if (l->env == NULL || l->parser == NULL) {
		agi_leg_free(&l->leg);
		return NULL;
	}
	enter_state(l, STATE_ENV);
	return &l->leg;
}

void
agi_leg_input(struct leg *leg, const void *bytes, size_t len)
{
	struct agi_leg *l = agi_of(leg);
	struct err err;

	if (l->state == STATE_OVER ||
	    agi_feed(l->parser, bytes, len, &err) != -1)
		return;
	if (err.code == ERR_RANGE)
		metric_add(METRIC_AGI_TOO_LONG, 1);
	agi_lost(l, err.text);
}

void
agi_leg_closed(struct leg *leg, const char *why)
{
	char text[160];

	snprintf(text, sizeof(text), "the gateway is gone: %s", why);
	agi_lost(agi_of(leg), text);
}
