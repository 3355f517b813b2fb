/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdbool.h>

#include "base/err.h"
#include "cli/cli.h"
#include "flow/flow.h"
#include "flow/prompt.h"

struct flow_args {
	const char *lang;
	bool dot, check;
};

/* Returns -1 to go on, else the exit status. */
static int
flow_parse(const struct cli_command *self, int argc, char **argv,
    struct flow_args *args)
{
	static const struct option options[] = {
		{ "check", no_argument, NULL, 'k' },
		{ "dot", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "lang", required_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1)
		switch (opt) {
		case 'k':
			args->check = true;
			break;
		case 'd':
			args->dot = true;
			break;
		case 'h':
			fputs(self->help, stdout);
			return 0;
		case 'l':
			args->lang = optarg;
			break;
		default:
			return cli_bad_option(self, argv);
		}
	if (optind < argc)
		return cli_usage(self, "%s: not an option", argv[optind]);
	if (!prompt_lang_known(args->lang))
		return cli_usage(
		    self, "%s: there are no prompts in it", args->lang);
	return -1;
}

static int
flow_run(const struct cli_command *self, int argc, char **argv)
{
	struct flow_args args = { .lang = prompt_lang(0) };
	struct err err;
	int rc = flow_parse(self, argc, argv, &args);

	if (rc != -1)
		return rc;
	if (!args.check) {
		flow_print(stdout, args.lang, args.dot);
		return 0;
	}
	if (flow_check(&err) == -1)
		return cli_fail(self, err.text);
	printf("The conversation is whole: every step can be reached and left, "
	       "%zu prompts in %zu languages.\n",
	    prompt_count(), prompt_lang_count());
	return 0;
}

const struct cli_command cli_flow = {
	.name = "flow",
	.summary =
	    "Print the conversation: what is said, which key leads where",
	.help =
	    "Usage: holdline flow [--lang LANG] [--dot] [--check]\n"
	    "Print the conversation with callers, step by step.\n"
	    "\n"
	    "      --lang LANG  the language of the prompts (ja)\n"
	    "      --dot        as a graph for Graphviz\n"
	    "      --check      print nothing; check that every step can be\n"
	    "                   reached and left and every prompt exists\n"
	    "\n"
	    "Example, a picture of the conversation:\n"
	    "  holdline flow --lang en --dot | dot -Tsvg >flow.svg\n",
	.run = flow_run,
};
