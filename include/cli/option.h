/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option.h -- a command's options as a table.
 *
 * Over getopt_long: -h/--help prints the command's help, and what is wrong
 * with a command line is said in the words of cli_usage().
 */
#ifndef CLI_OPTION_H
#define CLI_OPTION_H

#include <stdbool.h>

struct cli_command;

#define CLI_OPTIONS_MAX 12

/* One option; exactly one of `text` and `flag` is set. */
struct cli_option {
	char letter;       /* 'c', or 0 when there is only the long form */
	const char *name;  /* "config"; NULL ends the table */
	const char **text; /* takes an argument, left here (borrowed) */
	bool *flag;        /* takes none; set to true */
};

/*
 * Read the options.  Returns the index in argv of the first operand, or -1
 * when the command is over already, with its exit status in *status: help was
 * asked for (0), or the command line was wrong (2).
 *   min, max	how many operands there may be
 */
int cli_options(const struct cli_command *self, int argc, char **argv,
    const struct cli_option *options, int min, int max, int *status);

/* The same for a command that has no options but --config, into *conf (else
 * NULL), and --json. */
int cli_options_plain(const struct cli_command *self, int argc, char **argv,
    const char **conf, bool *json, int min, int max, int *status);

/* What its help says of them. */
#define CLI_OPTIONS_PLAIN \
	"Options:\n" \
	"  -c, --config FILE  configuration file\n" \
	"  -j, --json         print JSON\n" \
	"  -h, --help         print this\n" \
	"\n"

#endif
