/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/option.h"
#include "cli/registry_row.h"
#include "cli/show.h"
#include "store/cert.h"

static void
print_visible(const struct store_cert *cert, int64_t visible_us)
{
	fputs("visible     ", stdout);
	if (cert->generation == 0)
		fputs("nothing to publish: the status never changed", stdout);
	else if (visible_us == 0)
		fputs("not yet: it waits for the revocation cache", stdout);
	else
		show_time(stdout, visible_us);
	putchar('\n');
}

static void
print_text(const struct store_cert_find *r, int64_t now_us)
{
	size_t i;

	for (i = 0; i < r->n; i++) {
		if (i > 0)
			putchar('\n');
		show_cert(stdout, "", &r->certs[i], now_us);
		print_visible(&r->certs[i], r->visible_us[i]);
	}
}

static void
print_json(const struct store_cert_find *r, int64_t now_us)
{
	json_t *list = json_array(), *cert;
	size_t i;

	for (i = 0; i < r->n; i++) {
		cert = show_cert_json(&r->certs[i], now_us);
		json_object_set_new(
		    cert, "visible", show_time_json(r->visible_us[i]));
		json_array_append_new(list, cert);
	}
	show_json(stdout,
	    json_pack("{s:s, s:o}", "serial", r->serial, "certificates", list));
}

static int
report(
    const struct cli_command *self, const struct store_cert_find *r, bool json)
{
	char text[160];

	if (json)
		print_json(r, clock_wall_us());
	else
		print_text(r, clock_wall_us());
	if (r->n > 0)
		return 0;
	snprintf(text, sizeof(text),
	    "no certificate has the serial number %s; has the registry been "
	    "imported?",
	    r->serial);
	return cli_fail(self, text);
}

static int
cert_status_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf;
	bool json;
	struct store_cert_find r = { .n = 0 };
	struct cli_site site;
	struct err err;
	int at, rc;

	if ((at = cli_options_plain(
		 self, argc, argv, &conf, &json, 1, 1, &rc)) == -1)
		return rc;
	if (registry_serial(r.serial, argv[at], &err) == -1)
		return cli_usage(self, "serial number: %s", err.text);
	if ((rc = cli_begin(self, &site, conf)) != 0)
		return rc;
	store_cert_find(site.store, &r);
	if (store_wait(site.store, &r.req) == -1)
		rc = cli_fail(self, r.req.err.text);
	else
		rc = report(self, &r, json);
	cli_close(&site);
	return rc;
}

const struct cli_command cli_cert_status = {
	.name = "cert status",
	.summary = "Show what is known about a certificate",
	.help =
	    "Usage: holdline cert status [-c FILE] [--json] SERIAL\n"
	    "\n"
	    "Shows every certificate with this serial number, in whatever\n"
	    "way it is written (0x1A2B, 1a2b, 001A2B): kind, carrier,\n"
	    "issuer, validity, status, since when, and when relying parties\n"
	    "could first see that status in the revocation cache.\n"
	    "\n" CLI_OPTIONS_PLAIN
	    "Exit status: 0 when there is one, 1 when there is none.\n"
	    "\n"
	    "Example:\n"
	    "  holdline cert status 1a2b3c\n",
	.run = cert_status_run,
};
