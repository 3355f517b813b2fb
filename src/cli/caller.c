/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "cli/caller.h"
#include "cli/phone.h"
#include "flow/prompt.h"
#include "hold/receipt.h"

#define BOLD "\033[1m"
#define CYAN "\033[36m"
#define PLAIN "\033[0m"

struct caller {
	FILE *out; /* borrowed; may be NULL */
	bool colour, echo;
	bool scripted;
	char *script, *rest; /* owned; what is left of it */
	bool hangs_up;
	enum flow_step hangup_at;
	bool hung_up_as_told;

	enum flow_step step; /* FLOW_STEP_COUNT until one is known */
	unsigned int max;    /* of the entry that is wanted */
	json_t *steps, *prompts;
	char receipt[RECEIPT_DIGITS + 1];
	bool in_receipt;     /* its digits are being heard */
	int64_t confirm_us;  /* when `confirm` was answered; 0 = not yet */
	int64_t answered_us; /* when `receipt` began after it */
};

/* ---- the script */

/* "-", or keys, then maybe 'h'; *out may be NULL. */
static int
caller_parse(const char *item, struct caller_act *act)
{
	size_t n = strspn(item, "0123456789*#");
	bool hangs_up = item[n] == 'h';

	if (strcmp(item, "-") == 0) {
		*act = (struct caller_act){ .what = CALLER_LISTENS };
		return 0;
	}
	if (n + hangs_up == 0 || n > CALLER_KEYS_MAX ||
	    item[n + hangs_up] != '\0')
		return -1;
	act->what = hangs_up ? CALLER_HANGS_UP : CALLER_TYPES;
	memcpy(act->keys, item, n);
	act->keys[n] = '\0';
	return 0;
}

static int
caller_check_script(const char *script, struct err *err)
{
	char *copy = strdup(script), *rest = copy, *item;
	struct caller_act act;
	int n = 0, rc = 0;

	if (copy == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	while (rc == 0 && (item = strsep(&rest, ",")) != NULL) {
		n++;
		if (caller_parse(item, &act) == -1)
			rc = err_set(err, ERR_PARSE,
			    "--keys: entry %d is not keys (0-9 * #), keys and "
			    "h to hang up, or - for nothing",
			    n);
	}
	secret_cleanse(copy, strlen(script));
	secret_cleanse(&act, sizeof(act));
	free(copy);
	return rc;
}

/* ---- writing */

static void
caller_mark(const struct caller *c, const char *mark)
{
	if (c->colour)
		fputs(mark, c->out);
}

static const char *
caller_digit(const char *prompt)
{
	return strncmp(prompt, "digit-", 6) == 0 &&
		str_is_digits(prompt + 6, 1, 1)
	    ? prompt + 6
	    : NULL;
}

/* Digits stand on one line, a pause among them as a space; returns how many
 * files that took. */
static size_t
caller_write_digits(struct caller *c, const struct phone_play *play, size_t i)
{
	const char *digit;
	size_t from = i;

	fputs("  ", c->out);
	for (; i < play->n; i++) {
		if ((digit = caller_digit(play->files[i])) != NULL)
			fputs(digit, c->out);
		else if (strcmp(play->files[i], "pause") == 0)
			putc(' ', c->out);
		else
			break;
	}
	putc('\n', c->out);
	return i - from;
}

static void
caller_write(struct caller *c, const struct phone_play *play)
{
	const char *text;
	size_t i = 0;

	while (i < play->n) {
		if (caller_digit(play->files[i]) != NULL) {
			i += caller_write_digits(c, play, i);
			continue;
		}
		text = prompt_text(play->lang, play->files[i]);
		if (text != NULL && text[0] != '\0')
			fprintf(c->out, "  %s\n", text);
		else if (strcmp(play->files[i], "silence") != 0 &&
		    strcmp(play->files[i], "pause") != 0)
			fprintf(c->out, "  [%s]\n", play->files[i]);
		i++;
	}
}

static void
caller_write_step(const struct caller *c)
{
	caller_mark(c, BOLD);
	fprintf(c->out, "[%s]", flow_step_name(c->step));
	caller_mark(c, PLAIN);
	putc('\n', c->out);
}

static void
caller_write_question(const struct caller *c)
{
	if (c->out == NULL)
		return;
	caller_mark(c, CYAN);
	fprintf(c->out, "  keys (max %u)> ", c->max);
	caller_mark(c, PLAIN);
	fflush(c->out);
}

static void
caller_write_act(const struct caller *c, const struct caller_act *act)
{
	if (c->out == NULL)
		return;
	fputs(act->keys, c->out);
	if (act->what == CALLER_HANGS_UP)
		fprintf(
		    c->out, "%s(hangs up)", act->keys[0] == '\0' ? "" : " ");
	else if (act->keys[0] == '\0')
		fputs("(nothing)", c->out);
	putc('\n', c->out);
}

/* ---- remembering */

/* The receipt number is said twice: the first is taken. */
static void
caller_note_digit(struct caller *c, const char *digit)
{
	size_t n = strlen(c->receipt);

	if (c->in_receipt && n < RECEIPT_DIGITS) {
		c->receipt[n] = digit[0];
		c->receipt[n + 1] = '\0';
	}
}

static void
caller_note(struct caller *c, const struct phone_play *play)
{
	const char *digit, *file;
	size_t i;

	for (i = 0; i < play->n; i++) {
		file = play->files[i];
		if ((digit = caller_digit(file)) != NULL) {
			caller_note_digit(c, digit);
			continue;
		}
		if (strcmp(file, "pause") != 0 && strcmp(file, "silence") != 0)
			json_array_append_new(c->prompts, json_string(file));
		if (strcmp(file, "pause") != 0)
			c->in_receipt = strcmp(file, "receipt-is") == 0 &&
			    c->receipt[0] == '\0';
	}
}

/* Which step speaks?  Returns whether another one did before. */
static bool
caller_note_step(
    struct caller *c, const struct phone_play *play, int64_t mono_us)
{
	enum flow_step step = FLOW_STEP_COUNT;
	size_t i;

	for (i = 0; i < play->n; i++)
		if (flow_step_of_prompt(play->files[i], &step) == 0)
			break;
	if (i == play->n || step == c->step)
		return false;
	if (step == FLOW_RECEIPT && c->confirm_us != 0 && c->answered_us == 0)
		c->answered_us = mono_us;
	c->step = step;
	json_array_append_new(c->steps, json_string(flow_step_name(step)));
	return true;
}

static void
caller_note_act(struct caller *c, const struct caller_act *act, int64_t mono_us)
{
	if (c->step == FLOW_CONFIRM && act->what == CALLER_TYPES)
		c->confirm_us = mono_us;
}

/* ---- doing */

static void
caller_next_item(struct caller *c, int64_t mono_us, struct caller_act *act)
{
	char *item = strsep(&c->rest, ",");

	caller_write_question(c);
	if (item == NULL)
		act->what = CALLER_HANGS_UP; /* the script has ended */
	else
		(void)caller_parse(item, act); /* was checked */
	caller_write_act(c, act);
	caller_note_act(c, act, mono_us);
}

void
caller_hear(struct caller *c, const struct phone_play *play, int64_t mono_us,
    struct caller_act *act)
{
	bool entered = caller_note_step(c, play, mono_us);

	*act = (struct caller_act){ .what = CALLER_LISTENS };
	if (entered && c->out != NULL)
		caller_write_step(c);
	if (entered && c->hangs_up && c->step == c->hangup_at) {
		c->hung_up_as_told = true;
		act->what = CALLER_HANGS_UP;
		if (c->out != NULL)
			fputs("  (hangs up)\n", c->out);
		return;
	}
	caller_note(c, play);
	if (c->out != NULL)
		caller_write(c, play);
	if (!play->collect)
		return;
	c->max = play->max;
	if (c->scripted) {
		caller_next_item(c, mono_us, act);
	} else {
		act->what = CALLER_IS_ASKED;
		caller_write_question(c);
	}
}

void
caller_typed(
    struct caller *c, const char *line, int64_t mono_us, struct caller_act *act)
{
	*act = (struct caller_act){ .what = CALLER_LISTENS };
	if (line == NULL)
		act->what = CALLER_HANGS_UP;
	else if (line[0] != '\0' && caller_parse(line, act) == -1) {
		if (c->out != NULL)
			fputs("  A telephone has the keys 0-9 * and #; h hangs "
			      "up, Enter alone says nothing.\n",
			    c->out);
		act->what = CALLER_IS_ASKED;
		caller_write_question(c);
		return;
	}
	if (line == NULL || c->echo)
		caller_write_act(c, act);
	caller_note_act(c, act, mono_us);
}

void
caller_too_late(struct caller *c, struct caller_act *act)
{
	*act = (struct caller_act){ .what = CALLER_LISTENS };
	caller_write_act(c, act);
}

void
caller_moved(struct caller *c)
{
	if (c->out != NULL)
		fputs(
		    "\n  (the line is cut off; the gateway goes on to the next "
		    "server)\n",
		    c->out);
	c->step = FLOW_STEP_COUNT;
}

/* ---- the report */

bool
caller_hung_up_as_told(const struct caller *c)
{
	return !c->hangs_up || c->hung_up_as_told;
}

const char *
caller_receipt(const struct caller *c)
{
	return c->receipt;
}

int
caller_report(const struct caller *c, json_t *object)
{
	json_t *ms = c->answered_us == 0
	    ? json_null()
	    : json_real((double)(c->answered_us - c->confirm_us) / 1000);
	json_t *receipt =
	    c->receipt[0] == '\0' ? json_null() : json_string(c->receipt);

	return json_object_set_new(object, "receipt", receipt) |
	    json_object_set(object, "steps", c->steps) |
	    json_object_set(object, "prompts", c->prompts) |
	    json_object_set_new(object, "confirm_to_answer_ms", ms);
}

/* ---- life */

struct caller *
caller_new(const struct caller_options *options, struct err *err)
{
	struct caller *c;

	if (options->keys != NULL &&
	    caller_check_script(options->keys, err) == -1)
		return NULL;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		goto nomem;
	c->out = options->out;
	c->colour = options->colour && c->out != NULL;
	c->echo = options->echo;
	c->hangs_up = options->hangs_up;
	c->hangup_at = options->hangup_at;
	c->step = FLOW_STEP_COUNT;
	c->steps = json_array();
	c->prompts = json_array();
	c->scripted = options->keys != NULL;
	if (c->scripted && (c->script = strdup(options->keys)) == NULL)
		goto nomem;
	c->rest = c->script;
	if (c->steps != NULL && c->prompts != NULL)
		return c;
nomem:
	err_set(err, ERR_NOMEM, "out of memory");
	caller_free(c);
	return NULL;
}

void
caller_free(struct caller *c)
{
	if (c == NULL)
		return;
	json_decref(c->steps);
	json_decref(c->prompts);
	free(c->script);
	free(c);
}
