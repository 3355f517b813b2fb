/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "cli/phone_inner.h"

/* ---- channel variables */

static struct phone_var *
phone_var_find(const struct phone *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->n_vars; i++)
		if (strcmp(p->vars[i].name, name) == 0)
			return &p->vars[i];
	return NULL;
}

void
phone_value_free(char *value)
{
	if (value != NULL)
		secret_cleanse(value, strlen(value));
	free(value);
}

void *
phone_need(void *mem)
{
	if (mem == NULL)
		abort();
	return mem;
}

void
phone_set(struct phone *p, const char *name, const char *value)
{
	struct phone_var *v = phone_var_find(p, name);

	if (v == NULL) {
		p->vars = phone_need(
		    reallocarray(p->vars, p->n_vars + 1, sizeof(*p->vars)));
		v = &p->vars[p->n_vars++];
		v->name = phone_need(strdup(name));
		v->value = NULL;
	}
	phone_value_free(v->value);
	v->value = phone_need(strdup(value));
}

const char *
phone_variable(const struct phone *p, const char *name)
{
	const struct phone_var *v = phone_var_find(p, name);

	return v == NULL ? NULL : v->value;
}

bool
phone_done(const struct phone *p)
{
	const char *done = phone_variable(p, "HOLDLINE_DONE");

	return done != NULL && strcmp(done, "1") == 0;
}

/* ---- to the server */

void
phone_write(struct phone *p, const char *bytes, size_t len)
{
	if (!p->gone && p->driver->write(p->ctx, bytes, len) == -1)
		p->gone = true;
}

void
phone_reply(struct phone *p, const char *line)
{
	phone_write(p, line, strlen(line));
}

void
phone_result(struct phone *p, int result)
{
	char line[32];

	snprintf(line, sizeof(line), "200 result=%d\n", result);
	phone_reply(p, line);
}

/* One line of the environment; it has no way to escape a line end. */
static void
phone_env(FILE *out, const char *name, const char *value)
{
	fprintf(out, "agi_%s: ", name);
	for (; *value != '\0'; value++)
		if (*value != '\r' && *value != '\n')
			putc(*value, out);
	putc('\n', out);
}

static const char *
phone_or(const char *value, const char *otherwise)
{
	return value == NULL || value[0] == '\0' ? otherwise : value;
}

void
phone_dial(struct phone *p)
{
	const char *env[][2] = {
		{ "network", "yes" },
		{ "request", "agi://localhost" },
		{ "channel", "PJSIP/holdline-00000001" },
		{ "language", phone_variable(p, "CHANNEL(language)") },
		{ "type", "PJSIP" },
		{ "uniqueid", p->call_id },
		{ "version", "23.4.1" },
		{ "callerid", phone_or(p->from, "unknown") },
		{ "calleridname", "unknown" },
		{ "callingpres", p->from == NULL ? "67" : "0" },
		{ "callingani2", "0" },
		{ "callington", "0" },
		{ "callingtns", "0" },
		{ "dnid", phone_or(p->to, "unknown") },
		{ "rdnis", "unknown" },
		{ "context", "holdline" },
		{ "extension", phone_or(p->to, "s") },
		{ "priority", "1" },
		{ "enhanced", "0.0" },
		{ "accountcode", "" },
		{ "threadid", "140000000000001" },
	};
	char *text = NULL;
	size_t i, len = 0;
	FILE *out = phone_need(open_memstream(&text, &len));

	for (i = 0; i < sizeof(env) / sizeof(env[0]); i++)
		phone_env(out, env[i][0], env[i][1]);
	putc('\n', out);
	fclose(out);
	phone_write(p, text, len);
	phone_value_free(text);
}

/* ---- from the server */

/* What Asterisk would not take, or take wrongly. */
static const char *
phone_fault(
    const struct phone *p, const char *bytes, size_t len, const char *end)
{
	size_t n = end == NULL ? len : (size_t)(end - bytes) + 1;

	if (p->busy != PHONE_IDLE)
		return "a second command came while one was in flight";
	if (end != NULL && end + 1 < bytes + len)
		return "two commands came in one piece";
	if (p->len + n > PHONE_LINE_MAX)
		return "a command is longer than 2,047 bytes";
	if (memchr(bytes, '\0', n) != NULL)
		return "a command has a NUL byte";
	return NULL;
}

int
phone_input(struct phone *p, const void *bytes, size_t len, const char **why)
{
	char line[PHONE_LINE_MAX + 1];
	const char *ignored, *end = memchr(bytes, '\n', len);

	if (why == NULL)
		why = &ignored;
	if (len == 0)
		return 0;
	if ((*why = phone_fault(p, bytes, len, end)) != NULL)
		return -1;
	memcpy(p->line + p->len, bytes, len);
	p->len += len;
	if (end == NULL)
		return 0;
	/* A reply may lead to the next command before we are back. */
	memcpy(line, p->line, p->len - 1);
	line[p->len - 1] = '\0';
	p->len = 0;
	*why = phone_command_run(p, line);
	secret_cleanse(line, sizeof(line));
	return *why == NULL ? 0 : -1;
}

/* ---- from the caller */

/* How many digits Read takes of what was typed, and whether they end it. */
static size_t
phone_take(const struct phone *p, const char *digits, bool *complete)
{
	size_t n = strcspn(digits, "#");

	if (n > p->read_max)
		n = p->read_max;
	*complete = n == p->read_max || digits[n] == '#';
	return n;
}

/* Put away what Read collected; was it through before a hang-up? */
static bool
phone_read_end(struct phone *p, const char *digits, bool hung_up)
{
	char taken[PHONE_READ_MAX + 1];
	bool complete;
	size_t n = phone_take(p, digits, &complete);

	memcpy(taken, digits, n);
	taken[n] = '\0';
	phone_set(p, p->read_var, taken);
	secret_cleanse(taken, sizeof(taken));
	phone_set(p, "READSTATUS",
	    complete      ? "OK"
		: hung_up ? "HANGUP"
			  : "TIMEOUT");
	return complete;
}

void
phone_die(struct phone *p)
{
	if (p->dead)
		return;
	p->dead = true;
	phone_reply(p, "HANGUP\n");
}

void
phone_played(struct phone *p, const char *digits, bool hung_up)
{
	bool through = !hung_up, first = hung_up && !p->dead;
	enum phone_busy was = p->busy;

	if (was == PHONE_IDLE)
		return; /* the call was hung up in mid-play */
	p->busy = PHONE_IDLE;
	if (was == PHONE_READ)
		through = phone_read_end(p, digits, hung_up) || !hung_up;
	else
		phone_set(p, "PLAYBACKSTATUS", "SUCCESS");
	/* Dead before the reply, which may lead to the next command. */
	p->dead = p->dead || hung_up;
	phone_result(p, through ? 0 : -1);
	if (first)
		phone_reply(p, "HANGUP\n");
}

void
phone_hang_up(struct phone *p)
{
	if (p->busy != PHONE_IDLE)
		phone_played(p, "", true);
	else
		phone_die(p);
}

/* ---- life */

static char *
phone_copy(const char *text)
{
	return text == NULL ? NULL : phone_need(strdup(text));
}

struct phone *
phone_new(const struct phone_options *options)
{
	struct phone *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->driver = options->driver;
	p->ctx = options->ctx;
	p->call_id = phone_copy(options->call_id);
	p->from = phone_copy(options->from);
	p->to = phone_copy(options->to);
	phone_set(p, "CHANNEL(language)", options->lang);
	return p;
}

void
phone_free(struct phone *p)
{
	size_t i;

	if (p == NULL)
		return;
	for (i = 0; i < p->n_vars; i++) {
		free(p->vars[i].name);
		phone_value_free(p->vars[i].value);
	}
	free(p->vars);
	free(p->call_id);
	free(p->from);
	free(p->to);
	free(p->read_var);
	secret_cleanse(p, sizeof(*p));
	free(p);
}
