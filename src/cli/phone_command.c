/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/secret.h"
#include "cli/phone_inner.h"

#define PHONE_WORDS_MAX 128
#define PHONE_VALUE_SHOWN 1023 /* GET VARIABLE cuts here */
#define PHONE_PREFIX "holdline/"

/* argv[0] is the first word after the command's name. */
struct phone_command {
	const char *words;
	int min, max; /* arguments */
	bool dead_ok; /* works after a hang-up */
	void (*run)(struct phone *p, int argc, char **argv);
};

/* "${A}:${B}" with the variables' values; an unset one is empty. */
static void
phone_substitute(const struct phone *p, const char *text, FILE *out)
{
	const char *end, *value;
	char name[256];

	while (*text != '\0') {
		if (strncmp(text, "${", 2) != 0 ||
		    (end = strchr(text, '}')) == NULL ||
		    (size_t)(end - text) - 2 >= sizeof(name)) {
			putc(*text++, out);
			continue;
		}
		memcpy(name, text + 2, (size_t)(end - text) - 2);
		name[end - text - 2] = '\0';
		if ((value = phone_variable(p, name)) != NULL)
			fputs(value, out);
		text = end + 1;
	}
}

/* Hand "holdline/a&holdline/b" to the driver; `files` is cut up. */
static void
phone_play(struct phone *p, char *files, enum phone_busy busy)
{
	const char *lang = phone_variable(p, "CHANNEL(language)");
	struct phone_play play = { .lang = lang,
		.collect = busy == PHONE_READ,
		.max = busy == PHONE_READ ? p->read_max : 0 };
	const size_t prefix = strlen(PHONE_PREFIX);
	char *file;

	while ((file = strsep(&files, "&")) != NULL) {
		if (strncmp(file, PHONE_PREFIX, prefix) == 0)
			file += prefix;
		if (file[0] == '\0')
			continue;
		if (play.n == PHONE_FILES_MAX) {
			p->fault = "more than 64 files are to be played";
			return;
		}
		play.files[play.n++] = file;
	}
	p->up = true; /* both applications answer */
	p->busy = busy;
	if (p->dead)
		phone_played(p, "", true);
	else
		p->driver->play(p->ctx, &play);
}

static void
phone_cmd_answer(struct phone *p, int argc, char **argv)
{
	(void)argc, (void)argv;
	p->up = true;
	phone_result(p, 0);
}

static void
phone_cmd_noop(struct phone *p, int argc, char **argv)
{
	(void)argc, (void)argv;
	phone_result(p, 0);
}

static void
phone_cmd_verbose(struct phone *p, int argc, char **argv)
{
	(void)argc, (void)argv;
	phone_result(p, 1);
}

static void
phone_cmd_status(struct phone *p, int argc, char **argv)
{
	(void)argc, (void)argv;
	phone_result(p, p->up ? 6 : 4);
}

static void
phone_cmd_hangup(struct phone *p, int argc, char **argv)
{
	(void)argc, (void)argv;
	phone_result(p, 1);
	phone_die(p);
}

static void
phone_cmd_set(struct phone *p, int argc, char **argv)
{
	(void)argc;
	phone_set(p, argv[0], argv[1]);
	phone_result(p, 1);
}

static void
phone_cmd_get(struct phone *p, int argc, char **argv)
{
	const char *value = phone_variable(p, argv[0]);
	char line[PHONE_VALUE_SHOWN + 32];

	(void)argc;
	if (value == NULL) {
		phone_result(p, 0);
		return;
	}
	snprintf(line, sizeof(line), "200 result=1 (%.*s)\n", PHONE_VALUE_SHOWN,
	    value);
	phone_reply(p, line);
	secret_cleanse(line, sizeof(line));
}

static void
phone_cmd_get_full(struct phone *p, int argc, char **argv)
{
	char *line = NULL;
	size_t len = 0;
	FILE *out = phone_need(open_memstream(&line, &len));

	(void)argc;
	fputs("200 result=1 (", out);
	phone_substitute(p, argv[0], out);
	fputs(")\n", out);
	fclose(out);
	phone_write(p, line, len);
	phone_value_free(line);
}

static void
phone_exec_playback(struct phone *p, char *args)
{
	char *files = strsep(&args, ",");

	phone_play(p, files, PHONE_PLAYBACK);
}

/* VAR,files,MAX,OPTIONS,ATTEMPTS,TIMEOUT */
static void
phone_exec_read(struct phone *p, char *args)
{
	char *var = strsep(&args, ","), *files = strsep(&args, ",");
	char *max = strsep(&args, ","), none[] = "";
	long n = max == NULL ? 0 : strtol(max, NULL, 10);

	if (var[0] == '\0') {
		phone_set(p, "READSTATUS", "ERROR");
		phone_result(p, 0);
		return;
	}
	free(p->read_var);
	p->read_var = phone_need(strdup(var));
	p->read_max =
	    n >= 1 && n <= PHONE_READ_MAX ? (unsigned int)n : PHONE_READ_MAX;
	phone_play(p, files == NULL ? none : files, PHONE_READ);
}

static void
phone_cmd_exec(struct phone *p, int argc, char **argv)
{
	char none[] = "", *args = argc > 1 ? argv[1] : none;

	if (strcasecmp(argv[0], "Playback") == 0)
		phone_exec_playback(p, args);
	else if (strcasecmp(argv[0], "Read") == 0)
		phone_exec_read(p, args);
	else
		phone_result(p, -2); /* no such application */
}

static const struct phone_command phone_commands[] = {
	{ "ANSWER", 0, 0, false, phone_cmd_answer },
	{ "CHANNEL STATUS", 0, 1, false, phone_cmd_status },
	{ "EXEC", 1, 2, true, phone_cmd_exec },
	{ "GET FULL VARIABLE", 1, 2, true, phone_cmd_get_full },
	{ "GET VARIABLE", 1, 1, true, phone_cmd_get },
	{ "HANGUP", 0, 1, false, phone_cmd_hangup },
	{ "NOOP", 0, PHONE_WORDS_MAX, true, phone_cmd_noop },
	{ "SET VARIABLE", 2, 2, true, phone_cmd_set },
	{ "VERBOSE", 1, 2, true, phone_cmd_verbose },
};

/*
 * Asterisk's parse_args(): blanks part words, quotes keep them together, a
 * backslash takes the next byte's meaning away, inside quotes and outside.
 * Cuts `s` up; returns the number of words, or -1 when there are too many.
 */
static int
phone_split(char *s, char *words[PHONE_WORDS_MAX])
{
	bool quoted = false, escaped = false, in_word = false;
	char *out = s;
	int n = 0;

	for (; *s != '\0'; s++) {
		bool blank = (*s == ' ' || *s == '\t') && !quoted && !escaped;

		if (blank && in_word)
			*out++ = '\0';
		if (blank) {
			in_word = false;
			continue;
		}
		if (*s == '\\' && !escaped) {
			escaped = true;
			continue;
		}
		if (!in_word && n == PHONE_WORDS_MAX)
			return -1;
		if (!in_word)
			words[n++] = out;
		in_word = true;
		if (*s == '"' && !escaped)
			quoted = !quoted;
		else
			*out++ = *s;
		escaped = false;
	}
	*out = '\0';
	return n;
}

/* How many of the words a command's name takes; 0 when it is not it. */
static int
phone_match(const char *name, int n, char **words)
{
	size_t len;
	int i;

	for (i = 0; *name != '\0'; i++) {
		len = strcspn(name, " ");
		if (i == n || strlen(words[i]) != len ||
		    strncasecmp(words[i], name, len) != 0)
			return 0;
		name += len + (name[len] == ' ');
	}
	return i;
}

static void
phone_run(struct phone *p, int n, char **words)
{
	const struct phone_command *c = phone_commands;
	const size_t count = sizeof(phone_commands) / sizeof(phone_commands[0]);
	int used = 0;

	while (c < phone_commands + count &&
	    (used = phone_match(c->words, n, words)) == 0)
		c++;
	if (used == 0)
		phone_reply(p, "510 Invalid or unknown command\n");
	else if (p->dead && !c->dead_ok)
		phone_reply(p,
		    "511 Command Not Permitted on a dead channel or intercept "
		    "routine\n");
	else if (n - used < c->min || n - used > c->max)
		phone_reply(p,
		    "520 Invalid command syntax.  Proper usage not "
		    "available.\n");
	else
		c->run(p, n - used, words + used);
}

const char *
phone_command_run(struct phone *p, char *line)
{
	char *words[PHONE_WORDS_MAX];
	int n;

	if (strncasecmp(line, "failure", 7) == 0)
		return "a line that starts with \"failure\" ends the AGI";
	if ((n = phone_split(line, words)) == -1)
		return "a command has more than 128 words";
	phone_run(p, n, words);
	return p->fault;
}
