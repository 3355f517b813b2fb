/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdbool.h>

#include "base/conf.h"
#include "base/err.h"
#include "cli/cli.h"

static int
conf_run(const struct cli_command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "conf", required_argument, NULL, 'c' },
		{ "defaults", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "scdoc", no_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = NULL, *used = NULL;
	bool defaults = false;
	struct conf *c;
	struct err err;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1)
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case 'd':
			defaults = true;
			break;
		case 'h':
			fputs(self->help, stdout);
			return 0;
		case 's':
			conf_print_scdoc(stdout);
			return 0;
		default:
			return cli_bad_option(self, argv);
		}
	if (optind < argc)
		return cli_usage(self, "%s: not an option", argv[optind]);
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
	    "  -c, --conf FILE  the file to read (else $HOLDLINE_CONF, else\n"
	    "                   " HOLDLINE_CONF ")\n"
	    "      --defaults   read no file: print the defaults\n"
	    "      --scdoc      print the settings as the manual has them\n"
	    "\n"
	    "Example, a file to start from:\n"
	    "  holdline conf --defaults >holdline.conf\n",
	.run = conf_run,
};
