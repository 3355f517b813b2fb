/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h -- the conversation's table, inside the flow room.
 */
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H

#include "flow/flow.h"

#define FLOW_ROW_PROMPTS 3

/* The ways out of a step. */
enum flow_on {
	FLOW_ON_SAID,  /* all was said */
	FLOW_ON_CUT,   /* the call was cut off before, and goes on */
	FLOW_ON_KEY_0, /* a person, in every step that listens */
	FLOW_ON_KEY_1,
	FLOW_ON_KEY_2,
	FLOW_ON_KEY_3,
	FLOW_ON_ENTRY,   /* digits that can be an answer */
	FLOW_ON_GIVE_UP, /* the question was asked twice, in vain */
	FLOW_ON_OK,      /* verified */
	FLOW_ON_NO,      /* not verified, the first time */
	FLOW_ON_NO_TWICE,
	FLOW_ON_PERSON,  /* a person must decide */
	FLOW_ON_CHOOSE,  /* both carriers have something to hold */
	FLOW_ON_READY,   /* it is clear what to hold */
	FLOW_ON_HELD,    /* on hold, now or before */
	FLOW_ON_NOTHING, /* nothing can be held */
	FLOW_ON_TROUBLE, /* something behind us failed */
	FLOW_ON_HANGUP,
	FLOW_ON_COUNT
};

struct flow_row {
	const char *name;
	enum flow_do what;
	const char *prompts[FLOW_ROW_PROMPTS]; /* fixed ones; NULL-ended */
	const char *again; /* said first when the question is repeated */
	unsigned int max;  /* digits; 0 = the step does not listen */
	/* Is this an answer?  May keep it in *f.  NULL: single keys only. */
	bool (*accept)(struct flow *f, const char *digits, int64_t now_us);
	enum flow_step to[FLOW_ON_COUNT]; /* 0 = no such way out */
};

extern const struct flow_row flow_rows[FLOW_STEP_COUNT];

/* "1", "two failures", ...: a way out in words; never NULL. */
const char *flow_on_name(enum flow_on on);

#endif
