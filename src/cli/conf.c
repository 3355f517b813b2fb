/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>

#include "base/conf.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/option.h"

static int
conf_run(const struct cli_command *self, int argc, char **argv)
{
	const char *path = NULL, *used = NULL;
	bool defaults = false, scdoc = false;
	const struct cli_option options[] = {
		{ 'c', "config", &path, NULL },
		{ 0, "defaults", NULL, &defaults },
		{ 0, "scdoc", NULL, &scdoc },
		{ 0, NULL, NULL, NULL },
	};
	struct conf *c;
	struct err err;
	int status;

	if (cli_options(self, argc, argv, options, 0, 0, &status) == -1)
		return status;
	if (scdoc) {
		conf_print_scdoc(stdout);
		return 0;
	}
	c = defaults ? conf_new() : cli_conf_load(path, &used, &err);
	if (c == NULL)
		return cli_fail(self, defaults ? "out of memory" : err.text);
	if (used == NULL)
		puts("# holdline.conf: all settings at their defaults\n");
	else
		printf(
		    "# holdline.conf: all settings as %s has them\n\n", used);
	conf_print(stdout, c);
	conf_free(c);
	return 0;
}

const struct cli_command cli_conf = {
	.name = "conf",
	.summary = "Print all settings with their values and what they mean",
	.help =
	    "Usage: holdline conf [-c FILE] [--defaults] [--scdoc]\n"
	    "Check the configuration file and print all settings with the\n"
	    "values that are in force, as a file that can be used.\n"
	    "\n"
	    "  -c, --config FILE  the file to read (else $HOLDLINE_CONF, else\n"
	    "                     " HOLDLINE_CONF ")\n"
	    "      --defaults     read no file: print the defaults\n"
	    "      --scdoc        print the settings as the manual has them\n"
	    "\n"
	    "Example, a file to start from:\n"
	    "  holdline conf --defaults >holdline.conf\n",
	.run = conf_run,
};
