/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/option.h"
#include "cli/registry_row.h"
#include "cli/show.h"
#include "publish/hooks.h"
#include "store/cert.h"
#include "wire/loop.h"

/* Asking the authority about one certificate after the other. */
struct check {
	struct event_base *base;
	const struct store_cert *cert;
	bool agrees;
};

static void
on_heard(void *ctx, const struct ca_heard *heard)
{
	struct check *c = ctx;
	const char *words = heard->words;

	c->agrees = ca_agrees(c->cert, heard->says);
	if (heard->says < CA_SAYS_UNKNOWN)
		words = ca_says_name(heard->says);
	printf("authority   %s\n", words);
	puts(c->agrees ? "            they agree"
		       : "            THEY DISAGREE, or it cannot be known");
	event_base_loopbreak(c->base);
}

/* 0 = they agree, 1 = not. */
static int
check_one(const struct cli_command *self, struct hooks *hooks,
    struct event_base *base, const struct store_cert *cert)
{
	struct check c = { .base = base, .cert = cert };
	struct err err;

	show_cert(stdout, "", cert, clock_wall_us());
	fflush(stdout);
	if (ca_check(hooks_ca(hooks), cert, on_heard, &c, &err) == -1)
		return cli_fail(self, err.text);
	event_base_dispatch(base);
	return c.agrees ? 0 : 1;
}

static int
check_all(const struct cli_command *self, struct hooks *hooks,
    struct event_base *base, const struct store_cert_find *found)
{
	int rc = 0;
	size_t i;

	if (found->n == 0)
		return cli_fail(self, "no certificate has this serial number");
	for (i = 0; i < found->n; i++) {
		if (i > 0)
			putchar('\n');
		if (check_one(self, hooks, base, &found->certs[i]) != 0)
			rc = 1;
	}
	return rc;
}

static int
check_report(const struct cli_command *self, const struct cli_site *site,
    struct store_cert_find *found)
{
	struct hooks_options o = { .conf = site->conf };
	struct loop loop = { .base = NULL };
	struct hooks *hooks = NULL;
	struct err err;
	int rc;

	store_cert_find(site->store, found);
	if (store_await(site->store, &found->req, &err) == -1)
		return cli_fail(self, err.text);
	if (loop_open(&loop, &err) == 0) {
		o.base = loop.base;
		o.timers = loop.timers;
		hooks = hooks_new(&o, &err);
	}
	if (hooks == NULL)
		rc = cli_fail(self, err.text);
	else if (hooks_ca(hooks) == NULL)
		rc = cli_fail(self,
		    "no certification authority is told: ca.connector is off");
	else
		rc = check_all(self, hooks, loop.base, found);
	hooks_free(hooks);
	loop_close(&loop);
	return rc;
}

static int
ca_check_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf = NULL;
	const struct cli_option options[] = {
		{ 'c', "config", &conf, NULL },
		{ 0, NULL, NULL, NULL },
	};
	struct store_cert_find found = { .n = 0 };
	struct cli_site site;
	struct err err;
	int at, rc;

	if ((at = cli_options(self, argc, argv, options, 1, 1, &rc)) == -1)
		return rc;
	if (registry_serial(found.serial, argv[at], &err) == -1)
		return cli_usage(self, "serial number: %s", err.text);
	if ((rc = cli_begin(self, &site, conf)) != 0)
		return rc;
	rc = check_report(self, &site, &found);
	cli_close(&site);
	return rc;
}

const struct cli_command cli_ca_check = {
	.name = "ca check",
	.summary = "Ask the certification authority about a certificate",
	.help =
	    "Usage: holdline ca check [-c FILE] SERIAL\n"
	    "\n"
	    "Shows every certificate with this serial number as the store has\n"
	    "it, asks the certification authority for its status, and says\n"
	    "whether they agree.  Nothing is changed.  `holdline dispatch\n"
	    "list --to ca` lists all that are known to disagree.\n"
	    "\n"
	    "Options:\n"
	    "  -c, --config FILE  configuration file\n"
	    "  -h, --help         print this\n"
	    "\n"
	    "Exit status: 0 when they agree, 1 when not or when the authority\n"
	    "does not answer.\n"
	    "\n"
	    "Example:\n"
	    "  holdline ca check 1a2b3c\n",
	.run = ca_check_run,
};
