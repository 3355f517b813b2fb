/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "flow/prompt.h"
#include "flow/table.h"

#define SPOKEN_PROMPTS 12

/* Prompts that a step says besides its row's, depending on what happened. */
static const struct {
	enum flow_step step;
	const char *prompts[SPOKEN_PROMPTS];
} spoken[] = {
	{ FLOW_BIRTH, { "no-match" } },
	{ FLOW_PLAN,
	    { "on-card", "on-smartphone", "on-both", "plan-both",
		"plan-signature", "plan-authentication", "dead-both",
		"dead-signature", "dead-authentication", "held-both",
		"held-signature", "held-authentication" } },
	{ FLOW_RECEIPT,
	    { "done-visible", "done-accepted", "done-already", "done-shortly",
		"receipt-is", "pause", "digit-0", "receipt-again" } },
	{ FLOW_NOTHING,
	    { "nothing-expired", "nothing-revoked", "nothing-valid",
		"nothing-registered" } },
	{ FLOW_TO_PERSON, { "sorry-trouble" } },
};

#define SPOKEN_N (sizeof(spoken) / sizeof(spoken[0]))

/* The i-th prompt a step may say, or NULL after the last: first those that
 * depend, then the row's, then what is said when it asks again. */
static const char *
step_prompt(enum flow_step step, size_t i)
{
	const struct flow_row *row = &flow_rows[step];
	size_t s, n;

	for (s = 0; s < SPOKEN_N; s++) {
		if (spoken[s].step != step)
			continue;
		for (n = 0; n < SPOKEN_PROMPTS && spoken[s].prompts[n] != NULL;
		     n++)
			if (i-- == 0)
				return spoken[s].prompts[n];
	}
	for (n = 0; n < FLOW_ROW_PROMPTS && row->prompts[n] != NULL; n++)
		if (i-- == 0)
			return row->prompts[n];
	return i == 0 ? row->again : NULL;
}

int
flow_step_of_prompt(const char *prompt, enum flow_step *step)
{
	const char *said;
	unsigned int s;
	size_t i;

	for (s = 0; s < FLOW_STEP_COUNT; s++)
		for (i = 0; (said = step_prompt((enum flow_step)s, i)) != NULL;
		     i++)
			if (strcmp(said, prompt) == 0 &&
			    said != flow_rows[s].again) {
				*step = (enum flow_step)s;
				return 0;
			}
	return -1;
}

static const char *
what_name(enum flow_do what)
{
	static const char *const names[] = {
		[FLOW_DO_SAY] = "says",
		[FLOW_DO_COLLECT] = "asks",
		[FLOW_DO_VERIFY] = "checks the answers",
		[FLOW_DO_LOOK] = "reads the certificates",
		[FLOW_DO_HOLD] = "places the hold",
		[FLOW_DO_PERSON] = "to a person",
		[FLOW_DO_BYE] = "ends the call",
		[FLOW_DO_NOTHING] = "nothing more",
	};
	_Static_assert(sizeof(names) / sizeof(names[0]) == FLOW_DO_COUNT,
	    "every flow_do needs a name");

	return names[what];
}

static void
print_step(FILE *out, const char *lang, enum flow_step step)
{
	const struct flow_row *row = &flow_rows[step];
	const char *prompt, *text;
	unsigned int on;
	size_t i;

	fprintf(out, "%s: %s", row->name, what_name(row->what));
	if (row->max > 1)
		fprintf(out, ", %s%u digits", step == FLOW_PIN ? "up to " : "",
		    row->max);
	fprintf(out, "\n");
	for (i = 0; (prompt = step_prompt(step, i)) != NULL; i++) {
		text = prompt_text(lang, prompt);
		fprintf(out, "    %-20s %s\n", prompt,
		    text == NULL ? "(no text)" : text);
	}
	for (on = 0; on < FLOW_ON_COUNT; on++)
		if (row->to[on] != 0)
			fprintf(out, "  %-24s -> %s\n",
			    flow_on_name((enum flow_on)on),
			    flow_rows[row->to[on]].name);
	fprintf(out, "\n");
}

static void
dot_step(FILE *out, enum flow_step step)
{
	const struct flow_row *row = &flow_rows[step];
	unsigned int on;

	fprintf(out, "\t%s [shape=%s];\n", row->name,
	    row->max > 0                   ? "box"
		: row->what == FLOW_DO_SAY ? "oval"
					   : "hexagon");
	for (on = 0; on < FLOW_ON_COUNT; on++) {
		if (row->to[on] == 0 || on == FLOW_ON_HANGUP ||
		    on == FLOW_ON_TROUBLE)
			continue; /* every step has these */
		fprintf(out, "\t%s -> %s [label=\"%s\"];\n", row->name,
		    flow_rows[row->to[on]].name,
		    flow_on_name((enum flow_on)on));
	}
}

void
flow_print(FILE *out, const char *lang, bool dot)
{
	unsigned int s;

	if (dot)
		fprintf(
		    out, "digraph flow {\n\tnode [fontname=\"sans-serif\"];\n");
	for (s = 0; s < FLOW_STEP_COUNT; s++)
		if (dot)
			dot_step(out, (enum flow_step)s);
		else
			print_step(out, lang, (enum flow_step)s);
	if (dot)
		fprintf(out, "}\n");
}

static int
check_prompts(enum flow_step step, struct err *err)
{
	const char *prompt;
	size_t i, l;

	for (i = 0; (prompt = step_prompt(step, i)) != NULL; i++)
		for (l = 0; l < prompt_lang_count(); l++)
			if (prompt_text(prompt_lang(l), prompt) == NULL)
				return err_set(err, ERR_NOTFOUND,
				    "step %s: prompt %s has no text in %s",
				    flow_rows[step].name, prompt,
				    prompt_lang(l));
	return 0;
}

static int
check_answers(enum flow_step step, struct err *err)
{
	const struct flow_row *row = &flow_rows[step];

	if (row->to[FLOW_ON_HANGUP] == 0 || row->to[FLOW_ON_TROUBLE] == 0)
		return err_set(err, ERR_NOTFOUND,
		    "step %s has no answer to a hang-up or to trouble",
		    row->name);
	if (row->what == FLOW_DO_COLLECT &&
	    (row->to[FLOW_ON_KEY_0] != FLOW_TO_PERSON ||
		row->to[FLOW_ON_GIVE_UP] == 0))
		return err_set(err, ERR_NOTFOUND,
		    "step %s listens and has no answer to 0 or to silence",
		    row->name);
	return 0;
}

static int
check_reachable(struct err *err)
{
	bool seen[FLOW_STEP_COUNT] = { [FLOW_GREETING] = true }, more = true;
	unsigned int s, on;

	while (more) {
		more = false;
		for (s = 0; s < FLOW_STEP_COUNT; s++)
			for (on = 0; seen[s] && on < FLOW_ON_COUNT; on++)
				if (flow_rows[s].to[on] != 0 &&
				    !seen[flow_rows[s].to[on]])
					seen[flow_rows[s].to[on]] = more = true;
	}
	for (s = 0; s < FLOW_STEP_COUNT; s++)
		if (!seen[s])
			return err_set(err, ERR_NOTFOUND,
			    "step %s cannot be reached", flow_rows[s].name);
	return 0;
}

int
flow_check(struct err *err)
{
	unsigned int s;

	for (s = 0; s < FLOW_STEP_COUNT; s++)
		if (check_prompts((enum flow_step)s, err) == -1 ||
		    check_answers((enum flow_step)s, err) == -1)
			return -1;
	return check_reachable(err);
}
