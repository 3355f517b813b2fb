/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/option.h"

#define HELP_AT CLI_OPTIONS_MAX /* beyond any row of the table */

/* What getopt_long wants; `at` in its val is 256 + the row's number. */
struct table {
	size_t n;
	struct option longs[CLI_OPTIONS_MAX + 2];
	char shorts[2 * CLI_OPTIONS_MAX + 4];
};

static void
table_fill(struct table *t, const struct cli_option *options)
{
	char *s = t->shorts;

	memset(t, 0, sizeof(*t));
	*s++ = ':'; /* a missing argument is ':' and not '?' */
	*s++ = 'h';
	for (; options[t->n].name != NULL; t->n++) {
		const struct cli_option *o = &options[t->n];
		struct option *l = &t->longs[t->n];

		assert(t->n < CLI_OPTIONS_MAX);
		assert((o->text == NULL) != (o->flag == NULL));
		l->name = o->name;
		l->has_arg = o->text != NULL;
		l->val = 256 + (int)t->n;
		if (o->letter != 0)
			*s++ = o->letter;
		if (o->letter != 0 && o->text != NULL)
			*s++ = ':';
	}
	t->longs[t->n].name = "help";
	t->longs[t->n].val = 256 + HELP_AT;
}

/* The row of what getopt_long returned. */
static size_t
table_find(const struct table *t, const struct cli_option *options, int c)
{
	size_t i;

	if (c >= 256)
		return (size_t)c - 256;
	for (i = 0; i < t->n; i++)
		if (options[i].letter == c)
			return i;
	assert(c == 'h');
	return HELP_AT;
}

/* What getopt_long stumbled over: "--word" as typed, or the letter. */
static int
complain(const struct cli_command *self, char **argv, int c)
{
	char letter[3] = { '-', (char)optopt, '\0' };
	const char *what = letter;

	if (optopt == 0 || optopt >= 256)
		what = argv[optind - 1];
	if (c == ':')
		return cli_usage(self, "%s needs an argument", what);
	return cli_usage(self, "there is no option %s", what);
}

/* How many operands are left in argv?  The help's first line shows what
 * there could be. */
static int
check_operands(
    const struct cli_command *self, int n, char **left, int min, int max)
{
	const char *line = self->help + strcspn(self->help, " ");

	if (n < min)
		return cli_usage(self, "something is missing:%.*s",
		    (int)strcspn(line, "\n"), line);
	if (n > max)
		return cli_usage(self, "%s: one word too many", left[max]);
	return 0;
}

int
cli_options(const struct cli_command *self, int argc, char **argv,
    const struct cli_option *options, int min, int max, int *status)
{
	struct table t;
	size_t at;
	int c;

	table_fill(&t, options);
	optind = 0; /* start anew, wherever an earlier scan ended */
	opterr = 0;
	while ((c = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
		if (c == '?' || c == ':') {
			*status = complain(self, argv, c);
			return -1;
		}
		if ((at = table_find(&t, options, c)) == HELP_AT) {
			*status = fputs(self->help, stdout) == EOF;
			return -1;
		}
		if (options[at].text != NULL)
			*options[at].text = optarg;
		else
			*options[at].flag = true;
	}
	*status = check_operands(self, argc - optind, argv + optind, min, max);
	if (*status != 0)
		return -1;
	return optind;
}

int
cli_options_plain(const struct cli_command *self, int argc, char **argv,
    const char **conf, bool *json, int min, int max, int *status)
{
	const struct cli_option options[] = {
		{ 'c', "config", conf, NULL },
		{ 'j', "json", NULL, json },
		{ 0, NULL, NULL, NULL },
	};

	*conf = NULL;
	*json = false;
	return cli_options(self, argc, argv, options, min, max, status);
}
