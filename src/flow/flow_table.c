/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "flow/table.h"

#define BORN_FIRST 18900101 /* the oldest person alive was born later */

static bool
accept_birth(struct flow *f, const char *digits, int64_t now_us)
{
	int ymd = 0;

	if (!str_is_digits(digits, FACTOR_BIRTH_DIGITS, FACTOR_BIRTH_DIGITS))
		return false;
	for (const char *p = digits; *p != '\0'; p++)
		ymd = ymd * 10 + (*p - '0');
	if (!clock_ymd_valid(ymd) || ymd < BORN_FIRST ||
	    ymd > clock_jst_ymd(now_us))
		return false;
	return str_copy(f->answers.birth, sizeof(f->answers.birth), digits) ==
	    0;
}

static bool
accept_postal(struct flow *f, const char *digits, int64_t now_us)
{
	(void)now_us;
	return str_is_digits(
		   digits, FACTOR_POSTAL_DIGITS, FACTOR_POSTAL_DIGITS) &&
	    str_copy(f->answers.postal, sizeof(f->answers.postal), digits) == 0;
}

static bool
accept_phone(struct flow *f, const char *digits, int64_t now_us)
{
	(void)now_us;
	return str_is_digits(
		   digits, FACTOR_PHONE_DIGITS, FACTOR_PHONE_DIGITS) &&
	    str_copy(f->answers.phone, sizeof(f->answers.phone), digits) == 0;
}

/* "#" alone arrives as an entry without digits: no PIN was ever chosen. */
static bool
accept_pin(struct flow *f, const char *digits, int64_t now_us)
{
	(void)now_us;
	if (digits[0] != '\0' &&
	    !str_is_digits(digits, FACTOR_PIN_MIN, FACTOR_PIN_MAX))
		return false;
	return str_copy(f->answers.pin, sizeof(f->answers.pin), digits) == 0;
}

/* clang-format off */
#define OUT(on, step)	[FLOW_ON_##on] = FLOW_##step
#define GONE		OUT(HANGUP, END), OUT(TROUBLE, TO_PERSON)
#define ASKS		OUT(KEY_0, TO_PERSON), OUT(GIVE_UP, TO_PERSON), GONE

const struct flow_row flow_rows[FLOW_STEP_COUNT] = {
[FLOW_GREETING] = { "greeting", FLOW_DO_SAY, { "greeting", "notice" },
	.to = { OUT(SAID, MENU), OUT(CUT, CUT_OFF), GONE } },
[FLOW_CUT_OFF] = { "cut-off", FLOW_DO_SAY, { "cut-off" },
	.to = { OUT(SAID, BIRTH), OUT(OK, LOOK), GONE } },
[FLOW_MENU] = { "menu", FLOW_DO_COLLECT, { "menu" }, "not-understood", 1,
	.to = { OUT(KEY_1, BIRTH), OUT(KEY_2, MENU), ASKS } },
[FLOW_BIRTH] = { "birth", FLOW_DO_COLLECT, { "ask-birth" }, "bad-birth",
	FACTOR_BIRTH_DIGITS, accept_birth,
	.to = { OUT(ENTRY, POSTAL), ASKS } },
[FLOW_POSTAL] = { "postal", FLOW_DO_COLLECT, { "ask-postal" }, "bad-postal",
	FACTOR_POSTAL_DIGITS, accept_postal,
	.to = { OUT(ENTRY, PHONE), ASKS } },
[FLOW_PHONE] = { "phone", FLOW_DO_COLLECT, { "ask-phone" }, "bad-phone",
	FACTOR_PHONE_DIGITS, accept_phone,
	.to = { OUT(ENTRY, PIN), ASKS } },
[FLOW_PIN] = { "pin", FLOW_DO_COLLECT, { "ask-pin" }, "bad-pin",
	FACTOR_PIN_MAX, accept_pin,
	.to = { OUT(ENTRY, CHECK), ASKS } },
[FLOW_CHECK] = { "check", FLOW_DO_VERIFY, { "checking" },
	.to = { OUT(OK, LOOK), OUT(NO, BIRTH), OUT(NO_TWICE, TO_PERSON),
	    OUT(PERSON, TO_PERSON), GONE } },
[FLOW_LOOK] = { "look", FLOW_DO_LOOK,
	.to = { OUT(CHOOSE, CARRIER), OUT(READY, PLAN), OUT(HELD, HOLD),
	    OUT(NOTHING, NOTHING), GONE } },
[FLOW_CARRIER] = { "carrier", FLOW_DO_COLLECT, { "ask-carrier" },
	"not-understood", 1,
	.to = { OUT(KEY_1, PLAN), OUT(KEY_2, PLAN), OUT(KEY_3, PLAN),
	    OUT(READY, PLAN), OUT(HELD, HOLD), ASKS } },
[FLOW_PLAN] = { "plan", FLOW_DO_SAY, /* what, then: */ { "plan-counter",
	"confirm" },
	.to = { OUT(SAID, CONFIRM), GONE } },
[FLOW_CONFIRM] = { "confirm", FLOW_DO_COLLECT, { "confirm-now" },
	"not-understood", 1,
	.to = { OUT(KEY_1, HOLD), OUT(KEY_2, DECLINED), ASKS } },
[FLOW_HOLD] = { "hold", FLOW_DO_HOLD, { "holding" },
	.to = { OUT(HELD, RECEIPT), OUT(NOTHING, NOTHING),
	    OUT(TROUBLE, TO_PERSON), OUT(HANGUP, HOLD) } },
[FLOW_RECEIPT] = { "receipt", FLOW_DO_SAY, /* result, number twice, then: */
	{ "next-counter", "next-police" },
	.to = { OUT(SAID, AGAIN), GONE } },
[FLOW_AGAIN] = { "again", FLOW_DO_COLLECT, { "ask-again" }, NULL, 1,
	.to = { OUT(KEY_1, RECEIPT), OUT(KEY_0, TO_PERSON),
	    OUT(GIVE_UP, GOODBYE), GONE } },
[FLOW_NOTHING] = { "nothing", FLOW_DO_COLLECT, /* why, then: */
	{ "next-counter", "ask-person" }, NULL, 1,
	.to = { OUT(KEY_0, TO_PERSON), OUT(GIVE_UP, GOODBYE), GONE } },
[FLOW_DECLINED] = { "declined", FLOW_DO_SAY, { "declined" },
	.to = { OUT(SAID, MENU), GONE } },
[FLOW_GOODBYE] = { "goodbye", FLOW_DO_SAY, { "goodbye" },
	.to = { OUT(SAID, END), GONE } },
[FLOW_TO_PERSON] = { "person", FLOW_DO_SAY, { "to-person" },
	.to = { OUT(SAID, END), OUT(HANGUP, END), OUT(TROUBLE, TO_PERSON) } },
[FLOW_END] = { "end", FLOW_DO_NOTHING,
	.to = { OUT(HANGUP, END), OUT(TROUBLE, END) } },
};
/* clang-format on */

static const char *const on_names[] = {
	[FLOW_ON_SAID] = "then",
	[FLOW_ON_CUT] = "cut off before",
	[FLOW_ON_KEY_0] = "0",
	[FLOW_ON_KEY_1] = "1",
	[FLOW_ON_KEY_2] = "2",
	[FLOW_ON_KEY_3] = "3",
	[FLOW_ON_ENTRY] = "an answer",
	[FLOW_ON_GIVE_UP] = "asked in vain",
	[FLOW_ON_OK] = "verified",
	[FLOW_ON_NO] = "not verified",
	[FLOW_ON_NO_TWICE] = "not verified again",
	[FLOW_ON_PERSON] = "ambiguous or too often",
	[FLOW_ON_CHOOSE] = "card and smartphone",
	[FLOW_ON_READY] = "something to hold",
	[FLOW_ON_HELD] = "on hold",
	[FLOW_ON_NOTHING] = "nothing to hold",
	[FLOW_ON_TROUBLE] = "trouble",
	[FLOW_ON_HANGUP] = "hang-up",
};
_Static_assert(sizeof(on_names) / sizeof(on_names[0]) == FLOW_ON_COUNT,
    "every flow_on needs a name");

const char *
flow_on_name(enum flow_on on)
{
	return on_names[on];
}

const char *
flow_step_name(enum flow_step step)
{
	return flow_rows[step].name;
}

int
flow_step_parse(const char *name, enum flow_step *step)
{
	unsigned int i;

	for (i = 0; i < FLOW_STEP_COUNT; i++)
		if (strcmp(flow_rows[i].name, name) == 0) {
			*step = (enum flow_step)i;
			return 0;
		}
	return -1;
}
