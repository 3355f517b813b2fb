/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow.h -- the conversation as a table; no I/O.
 *
 * flow_next() takes what happened and says what to do next.  Each step has a
 * row: what is said, what is collected, and where each outcome leads.  The
 * same table is printed by `holdline flow` and checked when the product is
 * built.  Pure; any thread.
 */
#ifndef FLOW_FLOW_H
#define FLOW_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "hold/hold.h"
#include "verify/verify.h"

#define FLOW_PROMPTS_MAX 40 /* prompts of one action */

enum flow_step {
	FLOW_GREETING,  /* greeting and notice; no barge-in */
	FLOW_CUT_OFF,   /* "we were cut off": the call goes on here */
	FLOW_MENU,      /* loss / repeat / a person */
	FLOW_BIRTH,     /* birth date, eight digits */
	FLOW_POSTAL,    /* postal code, seven digits */
	FLOW_PHONE,     /* last four digits of the registered telephone */
	FLOW_PIN,       /* passphrase PIN, '#' when none was chosen */
	FLOW_CHECK,     /* the verdict is awaited */
	FLOW_LOOK,      /* the certificates are awaited */
	FLOW_CARRIER,   /* card / smartphone / both, when both can be held */
	FLOW_PLAN,      /* says what will be held; no barge-in */
	FLOW_CONFIRM,   /* 1 yes, 2 no */
	FLOW_HOLD,      /* the hold is awaited */
	FLOW_RECEIPT,   /* result, receipt number twice, what to do next */
	FLOW_AGAIN,     /* 1: the receipt number again */
	FLOW_NOTHING,   /* why nothing can be held; a person or goodbye */
	FLOW_DECLINED,  /* nothing was held; back to the menu */
	FLOW_GOODBYE,   /* the last words */
	FLOW_TO_PERSON, /* "I connect you to a person" */
	FLOW_END,       /* nothing more happens */
	FLOW_STEP_COUNT
};

/* "birth"; never NULL. */
const char *flow_step_name(enum flow_step step);

/* A step by its name; -1 when there is none. */
int flow_step_parse(const char *name, enum flow_step *step);

/* The step in which `prompt` is the first thing said; -1 when none. */
int flow_step_of_prompt(const char *prompt, enum flow_step *step);

enum flow_event_type {
	FLOW_EV_BEGIN,   /* the call is answered */
	FLOW_EV_SAID,    /* what was to be said was said */
	FLOW_EV_DIGITS,  /* digits, complete or timed out */
	FLOW_EV_VERDICT, /* verification has ended */
	FLOW_EV_LOOKED,  /* the holder's certificates are known */
	FLOW_EV_HELD,    /* the hold has ended, one way or another */
	FLOW_EV_HANGUP,  /* the caller is gone */
	FLOW_EV_TROUBLE, /* something behind us failed */
	FLOW_EV_COUNT
};

/* A call that was cut off at another server goes on. */
struct flow_resume {
	bool verified;         /* not long ago: nothing is asked again */
	unsigned int carriers; /* chosen; 0 = not asked */
	bool confirmed;        /* the caller said yes */
	bool held;             /* the hold is stored */
};

struct flow_event {
	enum flow_event_type type;
	const struct flow_resume *resume; /* BEGIN, and SAID of the greeting;
					     NULL: a new call */
	const char *digits;               /* DIGITS: borrowed, "" when none */
	bool timeout; /* DIGITS: the caller stopped typing */
	enum verify_verdict verdict;
	const struct store_cert *certs; /* LOOKED: borrowed */
	size_t n_certs;
	const struct hold_answer *held; /* HELD: borrowed */
	int64_t now_us;                 /* wall clock */
};

enum flow_do {
	FLOW_DO_SAY,     /* say prompts -> SAID */
	FLOW_DO_COLLECT, /* say prompts, take digits -> DIGITS */
	FLOW_DO_VERIFY,  /* check flow->answers, say prompts meanwhile
			    -> VERDICT (and no SAID) */
	FLOW_DO_LOOK,    /* read the certificates -> LOOKED */
	FLOW_DO_HOLD,    /* hold flow->carriers -> HELD */
	FLOW_DO_PERSON,  /* give the call to a person */
	FLOW_DO_BYE,     /* end the call */
	FLOW_DO_NOTHING, /* wait for what is under way */
	FLOW_DO_COUNT
};

struct flow_action {
	enum flow_do what;
	size_t n;
	const char *prompts[FLOW_PROMPTS_MAX]; /* ids; borrowed, static */
	unsigned int max;                      /* COLLECT: digits */
};

/* One call's place in the conversation.  Start with flow_init(). */
struct flow {
	enum flow_step step;
	int failures; /* of the question being asked */
	int verify_failures;
	int clears; /* '*' for the question being asked */
	bool hung_up;
	bool confirmed; /* the caller said yes to what would be held */
	bool nothing;   /* it was said that nothing can be held */
	bool told;      /* the result was said with the receipt */
	struct flow_resume resume; /* used up when the certificates are known */
	const char *said_first;    /* to be said before the next step's words */
	struct verify_answers answers; /* wiped by flow_wipe() */
	unsigned int carriers;         /* to hold */
	struct status_plan plan;
	struct status_plan plans[4]; /* per set of carriers */
	struct hold_answer held;
};

/* A new conversation. */
void flow_init(struct flow *f);

/* Wipe what the caller typed. */
void flow_wipe(struct flow *f);

/* What happened -> what to do.  Fills *action. */
void flow_next(
    struct flow *f, const struct flow_event *event, struct flow_action *action);

/* Print the conversation in one language: each step, what is said, which keys
 * go where.  With dot = true as a Graphviz graph. */
void flow_print(FILE *out, const char *lang, bool dot);

/*
 * Check the table: every step reachable, every prompt there in every
 * language, every step with an answer to hang-up, time-out and 0.  Returns 0,
 * or -1 with the first fault in *err.
 */
int flow_check(struct err *err);

#endif
