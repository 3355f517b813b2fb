/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/option.h"
#include "cli/show.h"
#include "store/feed.h"

#define LOOK_MS 1000 /* when nothing is heard */

/* ---- one event */

static void
print_text(const struct store_event *e)
{
	char at[CLOCK_TEXT_SIZE], place[128];

	clock_format(e->at_us, at);
	printf("%" PRId64 "  %s  %s", e->place, at, store_event_name(e->kind));
	if (e->receipt[0] != '\0') {
		show_municipality(place, sizeof(place), e->municipality);
		printf(
		    "  receipt %s  %s %s", e->receipt, e->municipality, place);
	}
	if (e->serial[0] != '\0')
		printf("  certificate %s/%s  %s", e->issuer, e->serial,
		    store_status_name(e->status));
	putchar('\n');
}

static json_t *
text_or_null(const char *text)
{
	return text[0] == '\0' ? json_null() : json_string(text);
}

/* One line each: a stream has no end that a list could have. */
static void
print_json(const struct store_event *e)
{
	json_t *value;
	char *line;

	value = json_pack("{s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "place",
	    (json_int_t)e->place, "event", store_event_name(e->kind), "at",
	    show_time_json(e->at_us), "receipt", text_or_null(e->receipt),
	    "municipality_code", text_or_null(e->municipality), "issuer",
	    text_or_null(e->issuer), "serial", text_or_null(e->serial),
	    "status",
	    e->serial[0] == '\0' ? json_null()
				 : json_string(store_status_name(e->status)));
	if (value == NULL || (line = json_dumps(value, JSON_COMPACT)) == NULL)
		abort();
	puts(line);
	free(line);
	json_decref(value);
}

/* ---- events */

struct reader {
	struct store *store;
	struct store_feed feed;
	bool json, any;
};

static int
read_page(struct reader *r, bool place, struct err *err)
{
	r->feed.place = place;
	store_feed(r->store, &r->feed);
	return store_await(r->store, &r->feed.req, err);
}

/* Print all that there is.  -1 with *err. */
static int
read_all(struct reader *r, struct err *err)
{
	struct store_feed *f = &r->feed;
	size_t i;

	do {
		if (read_page(r, false, err) == -1 ||
		    (f->waiting && read_page(r, true, err) == -1))
			return -1;
		if (f->n > 0 && f->since > 0 && f->first > f->since + 1)
			fprintf(stderr,
			    "holdline events: events between %" PRId64
			    " and %" PRId64 " are no longer kept\n",
			    f->since, f->first);
		for (i = 0; i < f->n; i++)
			(r->json ? print_json : print_text)(&f->events[i]);
		if (f->n > 0)
			f->since = f->events[f->n - 1].place;
		r->any = r->any || f->n > 0;
	} while (f->n == STORE_FEED_PAGE);
	return 0;
}

/* What is there already is not printed; it gets its places, so that what has
 * none later is new. */
static int
skip_all(struct reader *r, struct err *err)
{
	r->feed.since = -1;
	if (read_page(r, true, err) == -1)
		return -1;
	r->feed.since = r->feed.last;
	return 0;
}

/* A store that is away, for a fail-over or a restart, comes back: that is said
 * once, and no event is lost. */
static void
tell_away(bool *away, bool now, const char *why)
{
	if (now && !*away)
		fprintf(stderr,
		    "holdline events: the store is away; this goes on when it "
		    "is back: %s\n",
		    why);
	else if (!now && *away)
		fputs("holdline events: the store is back\n", stderr);
	*away = now;
}

/* Until the reader of our output is gone, or we are ended. */
static int
follow(struct reader *r, struct feed_ear *ear, struct err *err)
{
	struct pollfd pfd = { .fd = feed_ear_fd(ear), .events = POLLIN };
	bool away = false;
	int rc;

	while (fflush(stdout) == 0) {
		if (poll(&pfd, 1, LOOK_MS) == 1)
			feed_ear_clear(ear);
		rc = read_all(r, err);
		if (rc == -1 && err->code != ERR_STORE &&
		    err->code != ERR_UNSURE)
			return -1;
		tell_away(&away, rc == -1, err->text);
	}
	return 0;
}

static int
events_report(const struct cli_command *self, const struct cli_site *site,
    int64_t since, bool follows, bool json)
{
	struct store_options options = { .path = site->conf->store };
	struct reader *r = calloc(1, sizeof(*r));
	struct feed_ear *ear = NULL;
	struct err err = { ERR_NONE, "out of memory" };
	int rc = -1;

	if (r == NULL)
		return cli_fail(self, err.text);
	r->store = site->store;
	r->feed.since = since;
	r->json = json;
	/* the ear rings when it is there: nothing is missed before */
	rc = since == -1 ? skip_all(r, &err) : read_all(r, &err);
	if (rc == 0 && follows)
		rc = (ear = feed_ear_new(&options, &err)) == NULL
		    ? -1
		    : follow(r, ear, &err);
	else if (rc == 0 && !r->any && !json)
		puts("Nothing has happened.");
	feed_ear_free(ear);
	free(r);
	return rc == -1 ? cli_fail(self, err.text) : 0;
}

static int
events_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf = NULL, *since = NULL;
	bool follows = false, fresh = false, json = false;
	const struct cli_option options[] = {
		{ 'c', "config", &conf, NULL },
		{ 'f', "follow", NULL, &follows },
		{ 'n', "new", NULL, &fresh },
		{ 's', "since", &since, NULL },
		{ 'j', "json", NULL, &json },
		{ 0, NULL, NULL, NULL },
	};
	struct cli_site site;
	int rc;

	if (cli_options(self, argc, argv, options, 0, 0, &rc) == -1)
		return rc;
	if (since != NULL && !str_is_digits(since, 1, 18))
		return cli_usage(
		    self, "--since %s: not the number of an event", since);
	if (fresh && (!follows || since != NULL))
		return cli_usage(
		    self, "--new goes with --follow and without --since");
	if ((rc = cli_begin(self, &site, conf)) != 0)
		return rc;
	rc = events_report(self, &site,
	    fresh               ? -1
		: since != NULL ? strtoll(since, NULL, 10)
				: 0,
	    follows, json);
	cli_close(&site);
	return rc;
}

const struct cli_command cli_events = {
	.name = "events",
	.summary = "Print what happens: holds, cases, changes of status",
	.help =
	    "Usage: holdline events [-c FILE] [--follow] [--since N | --new]\n"
	    "                       [--json]\n"
	    "\n"
	    "Prints events in their order, whichever server they happened on:\n"
	    "  hold     a hold was placed and its case opened\n"
	    "  visible  relying parties see all of it\n"
	    "  case     a case was changed\n"
	    "  status   a certificate's status was changed otherwise\n"
	    "Each has a number; --since goes on where an earlier reader stopped.\n"
	    "The last 100000 are kept.\n"
	    "\n"
	    "Options:\n"
	    "  -c, --config FILE  configuration file\n"
	    "  -f, --follow       print what has happened, then go on with\n"
	    "                     what happens, until ended; while the store\n"
	    "                     is away, wait for it\n"
	    "  -n, --new          with --follow: begin at the end, with what\n"
	    "                     happens from now on\n"
	    "  -s, --since N      only events after number N\n"
	    "  -j, --json         print JSON, a line each\n"
	    "  -h, --help         print this\n"
	    "\n"
	    "Example:\n"
	    "  holdline events --follow --since 1203\n",
	.run = events_run,
};
