/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h -- the operator's command: one file and one struct per command.
 *
 * `holdline NAME [SUB] ...` finds the command in cli_commands[] (cli.c) by its
 * words.  Exit status: 0 done, 1 not done (the error is on standard error, one
 * sentence that says what to do), 2 the command line was wrong.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdio.h>

struct cli_command {
	const char *name;    /* "registry import" */
	const char *summary; /* one line, for `holdline --help` */
	const char *help;    /* all of --help: usage, options, an example */
	/* argv[0] is the last word of the name; options with getopt_long. */
	int (*run)(const struct cli_command *self, int argc, char **argv);
};

extern const struct cli_command cli_ca_check, cli_dispatch_list,
    cli_dispatch_retry, cli_dispatch_show;
extern const struct cli_command cli_cache_rebuild, cli_cache_status,
    cli_cache_verify, cli_call, cli_case_decide, cli_case_list, cli_case_show,
    cli_cert_status, cli_conf, cli_crl, cli_flow, cli_key_create,
    cli_registry_apply, cli_registry_feeds, cli_registry_import,
    cli_registry_sample, cli_audit_verify, cli_store_backup, cli_store_copy,
    cli_store_restore, cli_node_list, cli_events;

/* Find the command in argv and run it; the program's exit status. */
int cli_main(int argc, char **argv);

/* "holdline NAME: TEXT" on standard error; returns 1. */
int cli_fail(const struct cli_command *self, const char *text);

/* What is wrong with the command line, and where help is; returns 2. */
int cli_usage(const struct cli_command *self, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

struct conf;
struct err;
struct keyring;
struct store;

/* What most commands work on. */
struct cli_site {
	struct conf *conf;
	struct store *store;
	struct keyring *keys; /* NULL unless cli_open_busy() opened it */
};

/*
 * Load the configuration (`path`, or else $HOLDLINE_CONF, or else
 * /etc/holdline/holdline.conf) and open its store, without a thread.  Returns
 * 0, or -1 with *err; close in both cases.
 */
int cli_open(struct cli_site *site, const char *path, struct err *err);

/* The same, for a command that has nothing else to open: 0, or, after saying
 * why not, its exit status, and nothing is open. */
int cli_begin(
    const struct cli_command *self, struct cli_site *site, const char *path);

/* As cli_open(), with the key file, which is the one that the store was filled
 * under, and a store with a thread of its own: for a command that has other
 * things to do while the store works. */
int cli_open_busy(struct cli_site *site, const char *path, struct err *err);

/*
 * Load the configuration alone, as cli_open() does; when nothing names a file
 * and there is none at /etc, all defaults.  *used, unless NULL, becomes the
 * file's path (borrowed), or NULL for the defaults.  Owned (conf_free), or
 * NULL with *err.
 */
struct conf *cli_conf_load(
    const char *path, const char **used, struct err *err);

/* Close whatever is open. */
void cli_close(struct cli_site *site);

#endif
