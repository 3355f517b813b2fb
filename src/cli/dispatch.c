/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/dispatch.h"
#include "cli/option.h"
#include "cli/show.h"
#include "store/dispatch.h"

#define ID_COLUMNS 8
#define TO_COLUMNS 14
#define WHAT_COLUMNS 8
#define ABOUT_COLUMNS 26
#define STATE_COLUMNS 11
#define TRIES_COLUMNS 7

/* "1234" -> the number; -1 when it is none. */
static int
id_read(const char *text, int64_t *id)
{
	if (!str_is_digits(text, 1, 18))
		return -1;
	*id = strtoll(text, NULL, 10);
	return *id > 0 ? 0 : -1;
}

static int
kind_read(const char *text, int *kind)
{
	for (*kind = 0; *kind < STORE_TELL_COUNT; (*kind)++)
		if (strcmp(text,
			store_dispatch_kind_name(
			    (enum store_dispatch_kind) * kind)) == 0)
			return 0;
	return -1;
}

#define KINDS "ca, holder or municipality"

/* What it is about: a certificate, or a case. */
static const char *
about(const struct store_dispatch *d, char out[80])
{
	if (d->cert.id != 0)
		snprintf(
		    out, 80, "%s gen %" PRId64, d->cert.serial, d->generation);
	else
		snprintf(out, 80, "%s", d->receipt);
	return out;
}

json_t *
dispatch_json(const struct store_dispatch *d)
{
	json_t *value = json_pack(
	    "{s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:o, s:o}", "id",
	    (json_int_t)d->id, "to", store_dispatch_kind_name(d->kind), "what",
	    store_dispatch_what_name(d->what), "state",
	    store_dispatch_state_name(d->state), "receipt", d->receipt, "tries",
	    (json_int_t)d->tries, "last", d->last, "created",
	    show_time_json(d->created_us), "told", show_time_json(d->told_us));

	if (value == NULL)
		abort();
	if (d->cert.id != 0) {
		json_object_set_new(
		    value, "issuer", json_string(d->cert.issuer));
		json_object_set_new(
		    value, "serial", json_string(d->cert.serial));
		json_object_set_new(
		    value, "generation", json_integer(d->generation));
	}
	return value;
}

/* ---- of one case */

void
dispatch_show_told(const struct store_dispatch_list *told)
{
	const struct store_dispatch *d;
	size_t i;

	for (i = told->n; i-- > 0;) { /* oldest first */
		d = &told->rows[i];
		printf("told        %s", store_dispatch_kind_name(d->kind));
		if (d->cert.id != 0)
			printf(" (%s)", d->cert.serial);
		printf(": %s, %s", store_dispatch_state_name(d->state),
		    store_dispatch_what_name(d->what));
		if (d->told_us != 0) {
			fputs(", ", stdout);
			show_time(stdout, d->told_us);
		} else if (d->last[0] != '\0') {
			printf("; %s", d->last);
		}
		putchar('\n');
	}
}

json_t *
dispatch_told_json(const struct store_dispatch_list *told)
{
	json_t *list = json_array();
	size_t i;

	for (i = told->n; i-- > 0;)
		json_array_append_new(list, dispatch_json(&told->rows[i]));
	return list;
}

/* ---- dispatch list */

static void
list_header(void)
{
	show_padded(stdout, "id", ID_COLUMNS);
	show_padded(stdout, "to", TO_COLUMNS);
	show_padded(stdout, "what", WHAT_COLUMNS);
	show_padded(stdout, "about", ABOUT_COLUMNS);
	show_padded(stdout, "state", STATE_COLUMNS);
	show_padded(stdout, "tries", TRIES_COLUMNS);
	puts("last");
}

static void
list_row(const struct store_dispatch *d)
{
	char text[80];

	snprintf(text, sizeof(text), "%" PRId64, d->id);
	show_padded(stdout, text, ID_COLUMNS);
	show_padded(stdout, store_dispatch_kind_name(d->kind), TO_COLUMNS);
	show_padded(stdout, store_dispatch_what_name(d->what), WHAT_COLUMNS);
	show_padded(stdout, about(d, text), ABOUT_COLUMNS);
	show_padded(stdout, store_dispatch_state_name(d->state), STATE_COLUMNS);
	snprintf(text, sizeof(text), "%" PRId64, d->tries);
	show_padded(stdout, text, TRIES_COLUMNS);
	puts(d->last);
}

/* The rows of a page that are wanted; returns how many. */
static size_t
list_page(
    const struct store_dispatch_list *r, int kind, json_t *list, bool first)
{
	size_t i, n = 0;

	for (i = 0; i < r->n; i++) {
		if (kind >= 0 && (int)r->rows[i].kind != kind)
			continue;
		if (list != NULL)
			json_array_append_new(list, dispatch_json(&r->rows[i]));
		else if (first && n == 0)
			list_header();
		if (list == NULL)
			list_row(&r->rows[i]);
		n++;
	}
	return n;
}

static int
list_all(struct store *store, int kind, bool all, json_t *list, struct err *err)
{
	struct store_dispatch_list *r = calloc(1, sizeof(*r));
	size_t n = 0;
	int rc;

	if (r == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	r->open = !all;
	do {
		store_dispatch_list(store, r);
		if ((rc = store_await(store, &r->req, err)) == -1)
			break;
		n += list_page(r, kind, list, n == 0);
		if (r->n > 0)
			r->before_id = r->rows[r->n - 1].id;
	} while (r->n == STORE_DISPATCH_PAGE);
	if (rc == 0 && n == 0 && list == NULL)
		puts(all ? "Nobody was to be told of anything."
			 : "Nothing waits, failed or disagrees.");
	free(r);
	return rc;
}

static int
dispatch_list_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf = NULL, *to = NULL;
	bool json = false, all = false;
	const struct cli_option options[] = {
		{ 'c', "config", &conf, NULL },
		{ 't', "to", &to, NULL },
		{ 'a', "all", NULL, &all },
		{ 'j', "json", NULL, &json },
		{ 0, NULL, NULL, NULL },
	};
	struct cli_site site;
	json_t *list = NULL;
	int rc, kind = -1;
	struct err err;

	if (cli_options(self, argc, argv, options, 0, 0, &rc) == -1)
		return rc;
	if (to != NULL && kind_read(to, &kind) == -1)
		return cli_usage(self, "--to %s: not " KINDS, to);
	if ((rc = cli_begin(self, &site, conf)) != 0)
		return rc;
	if (json)
		list = json_array();
	if (list_all(site.store, kind, all, list, &err) == -1) {
		json_decref(list);
		rc = cli_fail(self, err.text);
	} else if (list != NULL) {
		show_json(stdout, list);
	}
	cli_close(&site);
	return rc;
}

const struct cli_command cli_dispatch_list = {
	.name = "dispatch list",
	.summary = "List what others are still to be told, and who disagrees",
	.help =
	    "Usage: holdline dispatch list [-c FILE] [--to WHOM] [--all]\n"
	    "                              [--json]\n"
	    "\n"
	    "Lists what the certification authority, holders and\n"
	    "municipalities are still to be told, what was given up, and\n"
	    "where the authority says something else than the store, newest\n"
	    "first, with how the last attempt ended.\n"
	    "\n"
	    "Options:\n"
	    "  -c, --config FILE  configuration file\n"
	    "  -t, --to WHOM      only to ca, holder or municipality\n"
	    "  -a, --all          also what is done or was replaced by a newer\n"
	    "                     status\n"
	    "  -j, --json         print JSON\n"
	    "  -h, --help         print this\n"
	    "\n"
	    "Example:\n"
	    "  holdline dispatch list --to ca\n",
	.run = dispatch_list_run,
};

/* ---- dispatch show */

static void
show_row(const struct store_dispatch *d)
{
	char text[80];

	printf("to          %s\n", store_dispatch_kind_name(d->kind));
	printf("what        %s\n", store_dispatch_what_name(d->what));
	printf("about       %s\n", about(d, text));
	printf("state       %s\n", store_dispatch_state_name(d->state));
	printf("key         %s\n", d->key);
	fputs("created     ", stdout);
	show_time(stdout, d->created_us);
	fputs("\ntold        ", stdout);
	show_time(stdout, d->told_us);
	printf("\n\nAttempts: %" PRId64 "\n", d->tries);
}

static void
show_attempt(const struct store_dispatch_attempt *a)
{
	char text[80];

	snprintf(text, sizeof(text), "  %" PRId64, a->nr);
	show_padded(stdout, text, ID_COLUMNS);
	show_time(stdout, a->begun_us);
	if (a->ended_us == 0)
		puts("  not ended: under way, or its server died");
	else
		printf("  %5" PRId64 " ms  %s: %s\n",
		    (a->ended_us - a->begun_us) / 1000,
		    store_dispatch_state_name(a->state), a->words);
}

static json_t *
attempts_json(const struct store_dispatch_attempts *r)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < r->n; i++)
		json_array_append_new(list,
		    json_pack("{s:I, s:o, s:o, s:s, s:s}", "nr",
			(json_int_t)r->attempts[i].nr, "begun",
			show_time_json(r->attempts[i].begun_us), "ended",
			show_time_json(r->attempts[i].ended_us), "state",
			store_dispatch_state_name(r->attempts[i].state),
			"words", r->attempts[i].words));
	return list;
}

static void
show_print(const struct store_dispatch *d,
    const struct store_dispatch_attempts *r, bool json)
{
	json_t *value;
	size_t i;

	if (json) {
		value = dispatch_json(d);
		json_object_set_new(value, "attempts", attempts_json(r));
		show_json(stdout, value);
		return;
	}
	show_row(d);
	for (i = 0; i < r->n; i++)
		show_attempt(&r->attempts[i]);
}

static int
show_report(
    const struct cli_command *self, struct store *store, int64_t id, bool json)
{
	struct store_dispatch_attempts attempts = { .id = id };
	struct store_dispatch_list row = { .before_id = id + 1 };

	store_dispatch_list(store, &row);
	if (store_wait(store, &row.req) == -1)
		return cli_fail(self, row.req.err.text);
	if (row.n == 0 || row.rows[0].id != id)
		return cli_fail(self,
		    "nothing has this number; `holdline dispatch list --all` "
		    "lists them");
	store_dispatch_attempts(store, &attempts);
	if (store_wait(store, &attempts.req) == -1)
		return cli_fail(self, attempts.req.err.text);
	show_print(&row.rows[0], &attempts, json);
	return 0;
}

static int
dispatch_show_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf;
	bool json;
	struct cli_site site;
	int64_t id;
	int at, rc;

	if ((at = cli_options_plain(
		 self, argc, argv, &conf, &json, 1, 1, &rc)) == -1)
		return rc;
	if (id_read(argv[at], &id) == -1)
		return cli_usage(self, "\"%s\" is not a number", argv[at]);
	if ((rc = cli_begin(self, &site, conf)) != 0)
		return rc;
	rc = show_report(self, site.store, id, json);
	cli_close(&site);
	return rc;
}

const struct cli_command cli_dispatch_show = {
	.name = "dispatch show",
	.summary = "Show what somebody was told, with every attempt",
	.help =
	    "Usage: holdline dispatch show [-c FILE] [--json] ID\n"
	    "\n"
	    "Shows one entry of `holdline dispatch list`: whom it is for, what\n"
	    "it says, its state, and every attempt (the newest 64) with how it\n"
	    "ended.\n"
	    "\n" CLI_OPTIONS_PLAIN "Example:\n"
	    "  holdline dispatch show 42\n",
	.run = dispatch_show_run,
};

/* ---- dispatch retry */

static int
retry_report(
    const struct cli_command *self, struct store *store, int64_t id, int kind)
{
	struct store_dispatch_retry r = { .id = id };

	if (id == 0)
		r.kind = (enum store_dispatch_kind)kind;
	store_dispatch_retry(store, &r);
	if (store_wait(store, &r.req) == -1)
		return cli_fail(self, r.req.err.text);
	printf("%" PRId64 " will be told again now, by the server.\n", r.n);
	return 0;
}

static int
dispatch_retry_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf = NULL, *to = NULL;
	const struct cli_option options[] = {
		{ 'c', "config", &conf, NULL },
		{ 't', "to", &to, NULL },
		{ 0, NULL, NULL, NULL },
	};
	struct cli_site site;
	int64_t id = 0;
	int at, rc, kind = 0;

	if ((at = cli_options(self, argc, argv, options, 0, 1, &rc)) == -1)
		return rc;
	if ((to == NULL) == (at == argc))
		return cli_usage(self, "name one number, or --to " KINDS);
	if (to != NULL && kind_read(to, &kind) == -1)
		return cli_usage(self, "--to %s: not " KINDS, to);
	if (to == NULL && id_read(argv[at], &id) == -1)
		return cli_usage(self, "\"%s\" is not a number", argv[at]);
	if ((rc = cli_begin(self, &site, conf)) != 0)
		return rc;
	rc = retry_report(self, site.store, id, kind);
	cli_close(&site);
	return rc;
}

const struct cli_command cli_dispatch_retry = {
	.name = "dispatch retry",
	.summary = "Have somebody told again, now",
	.help =
	    "Usage: holdline dispatch retry [-c FILE] ID\n"
	    "       holdline dispatch retry [-c FILE] --to WHOM\n"
	    "\n"
	    "Makes one entry of `holdline dispatch list`, or all of one kind\n"
	    "that wait, failed or disagree, due at once: the server tells them\n"
	    "again within seconds, with the same idempotency key.  One that is\n"
	    "done is told again only when its number is named; one that a newer\n"
	    "status replaced never is.\n"
	    "\n"
	    "Options:\n"
	    "  -c, --config FILE  configuration file\n"
	    "  -t, --to WHOM      all to ca, holder or municipality\n"
	    "  -h, --help         print this\n"
	    "\n"
	    "Example:\n"
	    "  holdline dispatch retry --to ca\n",
	.run = dispatch_retry_run,
};
