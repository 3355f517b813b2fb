/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/option.h"
#include "flow/flow.h"
#include "flow/prompt.h"

static int
flow_run(const struct cli_command *self, int argc, char **argv)
{
	const char *lang = prompt_lang(0);
	bool dot = false, check = false;
	const struct cli_option options[] = {
		{ 0, "check", NULL, &check },
		{ 0, "dot", NULL, &dot },
		{ 0, "lang", &lang, NULL },
		{ 0, NULL, NULL, NULL },
	};
	struct err err;
	int status;

	if (cli_options(self, argc, argv, options, 0, 0, &status) == -1)
		return status;
	if (!prompt_lang_known(lang))
		return cli_usage(self, "%s: there are no prompts in it", lang);
	if (!check) {
		flow_print(stdout, lang, dot);
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
	.help = "Usage: holdline flow [--lang LANG] [--dot] [--check]\n"
		"Print the conversation with callers, step by step.\n"
		"\n"
		"      --lang LANG  the language of the prompts (ja)\n"
		"      --dot        as a graph for Graphviz\n"
		"      --check      check instead that every step can be\n"
		"                   reached and left and every prompt exists\n"
		"\n"
		"Example, a picture of the conversation:\n"
		"  holdline flow --lang en --dot | dot -Tsvg >flow.svg\n",
	.run = flow_run,
};
