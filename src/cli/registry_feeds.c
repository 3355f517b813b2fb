/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/option.h"
#include "cli/show.h"
#include "store/delta.h"

static void
feed_row(const struct store_delta_feed *f)
{
	char when[CLOCK_TEXT_SIZE];

	printf("%-*s  ", 16, f->name);
	if (f->done_us != 0) {
		clock_format(f->done_us, when);
		printf("at number %" PRId64 ", applied at %s\n", f->seq, when);
		return;
	}
	clock_format(f->begun_us, when);
	printf("number %" PRId64 " was begun at %s and has not reached its "
	       "end; apply its file again\n",
	    f->seq, when);
}

static json_t *
feed_json(const struct store_delta_feed *f)
{
	json_t *value = json_pack(
	    "{s:s, s:I}", "feed", f->name, "number", (json_int_t)f->seq);

	if (value == NULL)
		abort();
	json_object_set_new(value, "begun", show_time_json(f->begun_us));
	json_object_set_new(value, "applied", show_time_json(f->done_us));
	return value;
}

static void
report(const struct store_delta_list *r, bool json)
{
	json_t *list = json_array();
	size_t i;

	if (r->n == 0 && !json)
		puts("No delta of the registry was ever applied.");
	for (i = 0; i < r->n; i++)
		if (json)
			json_array_append_new(list, feed_json(&r->feeds[i]));
		else
			feed_row(&r->feeds[i]);
	if (json)
		show_json(stdout, list);
	else
		json_decref(list);
}

static int
feeds_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf;
	bool json;
	struct store_delta_list r = { .n = 0 };
	struct cli_site site;
	int rc;

	if (cli_options_plain(self, argc, argv, &conf, &json, 0, 0, &rc) == -1)
		return rc;
	if ((rc = cli_begin(self, &site, conf)) != 0)
		return rc;
	store_delta_list(site.store, &r);
	if (store_wait(site.store, &r.req) == -1)
		rc = cli_fail(self, r.req.err.text);
	else
		report(&r, json);
	cli_close(&site);
	return rc;
}

const struct cli_command cli_registry_feeds = {
	.name = "registry feeds",
	.summary = "Show how far the registry's news were applied",
	.help =
	    "Usage: holdline registry feeds [-c FILE] [--json]\n"
	    "\n"
	    "Shows the last number of each feed of which `holdline registry\n"
	    "apply` has applied a file: the next number is the next file.\n"
	    "\n" CLI_OPTIONS_PLAIN "Example:\n"
	    "  holdline registry feeds\n",
	.run = feeds_run,
};
