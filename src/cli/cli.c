/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "publish/hooks.h"
#include "store/store.h"
#include "verify/site.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "(unknown version)"
#endif

static const struct cli_command *const cli_commands[] = { &cli_registry_import,
	&cli_registry_apply, &cli_registry_feeds, &cli_registry_sample,
	&cli_key_create, &cli_cert_status, &cli_case_list, &cli_case_show,
	&cli_case_decide, &cli_crl, &cli_audit_verify, &cli_cache_status,
	&cli_cache_verify, &cli_cache_rebuild, &cli_store_backup,
	&cli_store_copy, &cli_store_restore, &cli_node_list, &cli_events,
	&cli_dispatch_list, &cli_dispatch_show, &cli_dispatch_retry,
	&cli_ca_check, &cli_call, &cli_conf, &cli_flow };

#define CLI_N (sizeof(cli_commands) / sizeof(cli_commands[0]))
#define CLI_NEAR 3 /* one change in so many characters may be a slip */

/* ---- names */

/* How many of `words` the command's name is; 0 when they are not it. */
static int
cli_match(const char *name, int n, char **words)
{
	int i;
	size_t len;

	for (i = 0; *name != '\0'; i++) {
		len = strcspn(name, " ");
		if (i == n || strlen(words[i]) != len ||
		    strncmp(words[i], name, len) != 0)
			return 0;
		name += len + (name[len] == ' ');
	}
	return i;
}

/* Does the command's name begin with this word and go on? */
static bool
cli_is_under(const struct cli_command *c, const char *group)
{
	size_t len = strlen(group);

	return strncmp(c->name, group, len) == 0 && c->name[len] == ' ';
}

static bool
cli_is_group(const char *word)
{
	size_t i;

	for (i = 0; i < CLI_N; i++)
		if (cli_is_under(cli_commands[i], word))
			return true;
	return false;
}

static size_t
cli_least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Single-character changes between two words (Levenshtein). */
static size_t
cli_distance(const char *a, const char *b)
{
	size_t row[64], i, j, n = strlen(b), left, corner;

	if (n >= sizeof(row) / sizeof(row[0]))
		return n;
	for (j = 0; j <= n; j++)
		row[j] = j;
	for (i = 1; a[i - 1] != '\0'; i++) {
		corner = row[0];
		row[0] = i;
		for (j = 1; j <= n; j++) {
			left = row[j - 1];
			corner += a[i - 1] != b[j - 1];
			corner = cli_least(corner, cli_least(left, row[j]) + 1);
			left = row[j];
			row[j] = corner;
			corner = left;
		}
	}
	return row[n];
}

/* The command whose name is nearest to what was typed, or NULL. */
static const struct cli_command *
cli_nearest(int n, char **words)
{
	const struct cli_command *best = NULL;
	size_t i, d, least = SIZE_MAX;
	char typed[64];

	for (i = 0; i < CLI_N; i++) {
		bool two = n > 1 && strchr(cli_commands[i]->name, ' ') != NULL;

		snprintf(typed, sizeof(typed), "%s%s%s", words[0],
		    two ? " " : "", two ? words[1] : "");
		d = cli_distance(typed, cli_commands[i]->name);
		if (d < least && d * CLI_NEAR <= strlen(typed)) {
			least = d;
			best = cli_commands[i];
		}
	}
	return best;
}

/* ---- help */

/* List the commands, or those of one group. */
static void
cli_print_list(FILE *out, const char *group)
{
	size_t i;

	for (i = 0; i < CLI_N; i++)
		if (group == NULL || cli_is_under(cli_commands[i], group))
			fprintf(out, "  %-16s  %s\n", cli_commands[i]->name,
			    cli_commands[i]->summary);
}

static void
cli_print_help(FILE *out, const char *group)
{
	if (group == NULL)
		fputs("Usage: holdline COMMAND [OPTION ...]\n"
		      "The operator's command for the loss-report hotline.\n\n",
		    out);
	else
		fprintf(
		    out, "Usage: holdline %s COMMAND [OPTION ...]\n\n", group);
	cli_print_list(out, group);
	fprintf(out, "\n`holdline %s%sCOMMAND --help` explains one of them.\n",
	    group == NULL ? "" : group, group == NULL ? "" : " ");
	if (group == NULL)
		fputs("`holdline --version` tells the version.\n", out);
}

/* There is no such command; the program's exit status. */
static int
cli_unknown(int n, char **words)
{
	const struct cli_command *near = cli_nearest(n, words);
	bool in_group = cli_is_group(words[0]) && n > 1;

	fprintf(stderr, "holdline: there is no command \"%s%s%s\"", words[0],
	    in_group ? " " : "", in_group ? words[1] : "");
	if (near != NULL)
		fprintf(stderr, "; did you mean `holdline %s`?\n", near->name);
	else
		fprintf(stderr, "; `holdline%s%s --help` lists them\n",
		    in_group ? " " : "", in_group ? words[0] : "");
	return 2;
}

static bool
cli_is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
	    strcmp(word, "help") == 0;
}

/* ---- running */

static const struct cli_command *
cli_find(int n, char **words, int *used)
{
	size_t i;

	for (i = 0; i < CLI_N; i++)
		if ((*used = cli_match(cli_commands[i]->name, n, words)) > 0)
			return cli_commands[i];
	return NULL;
}

/* `words` are not all of a command's name. */
static int
cli_incomplete(int n, char **words)
{
	bool asked = n == 0 || cli_is_help(words[n == 1 ? 0 : 1]);
	const char *group = NULL;

	if (n > 0 && cli_is_group(words[0])) {
		group = words[0];
		asked = n > 1 && asked;
	} else if (n > 0 && !cli_is_help(words[0])) {
		return cli_unknown(n, words);
	}
	if (n > 1 && !asked)
		return cli_unknown(n, words);
	cli_print_help(asked && n > 0 ? stdout : stderr, group);
	return asked && n > 0 ? 0 : 2;
}

/* What is printed must have arrived: a full disk is not a success. */
static int
cli_flush(int rc)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return rc;
	fprintf(stderr, "holdline: the output could not be written: %s\n",
	    strerror(errno));
	return rc == 0 ? 1 : rc;
}

int
cli_main(int argc, char **argv)
{
	const struct cli_command *c;
	int n = argc - 1, used = 0;
	char **words = argv + 1;

	setlocale(LC_ALL, "");
	if (n > 0 && strcmp(words[0], "--version") == 0) {
		puts("holdline " PACKAGE_VERSION);
		return cli_flush(0);
	}
	if (n > 1 && cli_is_help(words[0])) { /* holdline help COMMAND */
		c = cli_find(n - 1, words + 1, &used);
		if (c != NULL) {
			fputs(c->help, stdout);
			return cli_flush(0);
		}
		if (cli_is_group(words[1])) {
			cli_print_help(stdout, words[1]);
			return cli_flush(0);
		}
		return cli_unknown(n - 1, words + 1);
	}
	if ((c = cli_find(n, words, &used)) == NULL)
		return cli_flush(cli_incomplete(n, words));
	return cli_flush(c->run(c, argc - used, argv + used));
}

/* ---- for the commands */

int
cli_fail(const struct cli_command *self, const char *text)
{
	fflush(stdout);
	fprintf(stderr, "holdline %s: %s\n", self->name, text);
	return 1;
}

int
cli_usage(const struct cli_command *self, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "holdline %s: ", self->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; see `holdline %s --help`\n", self->name);
	return 2;
}

/* The file that `path` stands for; *named: somebody asked for it. */
static const char *
cli_conf_path(const char *path, bool *named)
{
	const char *env = getenv("HOLDLINE_CONF");

	*named = true;
	if (path != NULL)
		return path;
	if (env != NULL && env[0] != '\0')
		return env;
	*named = false;
	return HOLDLINE_CONF;
}

struct conf *
cli_conf_load(const char *path, const char **used, struct err *err)
{
	bool named;
	struct conf *c;

	path = cli_conf_path(path, &named);
	c = conf_load(path, err);
	if (c == NULL && err->code == ERR_NOTFOUND && !named) {
		path = NULL;
		if ((c = conf_new()) == NULL)
			err_set(err, ERR_NOMEM, "out of memory");
	}
	if (used != NULL)
		*used = path;
	return c;
}

static int64_t
cli_wall_us(void *ctx)
{
	(void)ctx;
	return clock_wall_us();
}

static int
cli_open_site(struct cli_site *site, const char *path, bool with_keys,
    unsigned int threads, struct err *err)
{
	struct store_options options = {
		.threads = threads,
		.wall_us = cli_wall_us,
	};
	bool named;

	*site = (struct cli_site){ NULL, NULL, NULL };
	/* Commands report by themselves; only what is amiss is logged. */
	log_set_level(LOG_LEVEL_WARN);
	site->conf = conf_load(cli_conf_path(path, &named), err);
	if (site->conf == NULL)
		return -1;
	options.path = site->conf->store;
	options.tell = hooks_tell(site->conf);
	if ((site->store = store_open(&options, err)) == NULL)
		return -1;
	if (with_keys &&
	    (site->keys = keyring_load(site->conf->key_file, err)) == NULL)
		return -1;
	return 0;
}

int
cli_open(struct cli_site *site, const char *path, struct err *err)
{
	return cli_open_site(site, path, false, 0, err);
}

int
cli_begin(
    const struct cli_command *self, struct cli_site *site, const char *path)
{
	struct err err;

	if (cli_open(site, path, &err) == 0)
		return 0;
	cli_close(site);
	return cli_fail(self, err.text);
}

int
cli_open_busy(struct cli_site *site, const char *path, struct err *err)
{
	bool empty;

	return cli_open_site(site, path, true, 1, err) == -1
	    ? -1
	    : site_check(site->store, site->keys, &empty, err);
}

void
cli_close(struct cli_site *site)
{
	store_close(site->store);
	keyring_free(site->keys);
	conf_free(site->conf);
	*site = (struct cli_site){ NULL, NULL, NULL };
}
