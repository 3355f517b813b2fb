/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/municipality.h"
#include "base/secret.h"
#include "base/str.h"
#include "case.h"
#include "cli/cli.h"
#include "cli/dispatch.h"
#include "cli/option.h"
#include "cli/registry_put.h"
#include "cli/registry_row.h"
#include "cli/show.h"
#include "store/cases.h"

#define PLACE_SIZE 128
#define PLACE_COLUMNS 24
#define RECEIPT_COLUMNS (RECEIPT_DIGITS + 2)
#define STATUS_COLUMNS 8
#define DECISION_COLUMNS 16
#define NEWS_COLUMNS 16
#define TIME_COLUMNS 31

/* The times of one case, in the order in which they happen. */
static const struct {
	const char *name, *label;
	size_t at;
} times[] = {
	{ "reported", "reported    ",
	    offsetof(struct store_case, reported_us) },
	{ "verified", "verified    ",
	    offsetof(struct store_case, verified_us) },
	{ "stored", "stored      ", offsetof(struct store_case, stored_us) },
	{ "visible", "visible     ", offsetof(struct store_case, visible_us) },
};
#define TIMES_N (sizeof(times) / sizeof(times[0]))

static int64_t
time_of(const struct store_case *c, size_t i)
{
	return *(const int64_t *)(const void *)((const char *)c + times[i].at);
}

/* What was decided, in one word; "" while nothing is. */
static const char *
decision_word(const struct store_case *c)
{
	bool lifted = (c->acts & 1u << STORE_ACT_LIFT) != 0;
	bool revoked = (c->acts & 1u << STORE_ACT_REVOKE) != 0;

	if (c->decided_us == 0)
		return "";
	if (lifted && revoked)
		return "lifted+revoked";
	return lifted ? "lifted" : revoked ? "revoked" : "unchanged";
}

static json_t *
case_json(const struct store_case *c)
{
	char place[PLACE_SIZE];
	json_t *value;
	size_t i;

	show_municipality(place, sizeof(place), c->municipality);
	value =
	    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "receipt", c->receipt,
		"status", c->status, "municipality_code", c->municipality,
		"municipality", place, "lang", c->lang, "call", c->call_id);
	if (value == NULL)
		abort();
	for (i = 0; i < TIMES_N; i++)
		json_object_set_new(
		    value, times[i].name, show_time_json(time_of(c, i)));
	json_object_set_new(value, "decided", show_time_json(c->decided_us));
	json_object_set_new(value, "outcome", json_string(c->outcome));
	json_object_set_new(value, "decision", json_string(decision_word(c)));
	json_object_set_new(value, "news", json_string(case_news(c->last)));
	return value;
}

/* ---- case list */

static void
list_header(void)
{
	show_padded(stdout, "receipt", RECEIPT_COLUMNS);
	show_padded(stdout, "status", STATUS_COLUMNS);
	show_padded(stdout, "stored", TIME_COLUMNS);
	show_padded(stdout, "visible after", 15);
	show_padded(stdout, "decision", DECISION_COLUMNS);
	show_padded(stdout, "news", NEWS_COLUMNS);
	puts("municipality");
}

static void
list_row(const struct store_case *c)
{
	char place[PLACE_SIZE], text[CLOCK_TEXT_SIZE];

	show_municipality(place, sizeof(place), c->municipality);
	show_padded(stdout, c->receipt, RECEIPT_COLUMNS);
	show_padded(stdout, c->status, STATUS_COLUMNS);
	clock_format(c->stored_us, text);
	show_padded(stdout, text, TIME_COLUMNS);
	snprintf(text, sizeof(text), "not yet");
	if (c->visible_us != 0)
		snprintf(text, sizeof(text), "%" PRId64 " ms",
		    (c->visible_us - c->stored_us) / 1000);
	show_padded(stdout, text, 15);
	show_padded(stdout, decision_word(c), DECISION_COLUMNS);
	show_padded(stdout, case_news(c->last), NEWS_COLUMNS);
	printf("%s %s\n", c->municipality, place);
}

/* One page: printed, or added to the JSON list. */
static void
list_page(const struct store_case_list *r, json_t *list)
{
	size_t i;

	if (list == NULL && r->before_id == 0 && r->n > 0)
		list_header();
	for (i = 0; i < r->n; i++)
		if (list != NULL)
			json_array_append_new(list, case_json(&r->cases[i]));
		else
			list_row(&r->cases[i]);
}

/* Read page after page.  -1 with *err. */
static int
list_all(struct store *store, const char *municipality, json_t *list,
    struct err *err)
{
	struct store_case_list *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	str_copy(r->municipality, sizeof(r->municipality), municipality);
	do {
		r->n = 0;
		store_case_list(store, r);
		if ((rc = store_await(store, &r->req, err)) == -1)
			break;
		list_page(r, list);
		if (r->n == 0 && r->before_id == 0 && list == NULL)
			puts("There are no cases.");
		if (r->n > 0)
			r->before_id = r->cases[r->n - 1].id;
	} while (r->n == STORE_CASE_PAGE);
	free(r);
	return rc;
}

static int
list_report(const struct cli_command *self, struct store *store,
    const char *municipality, bool json)
{
	json_t *list = json ? json_array() : NULL;
	struct err err;

	if (list_all(store, municipality, list, &err) == -1) {
		json_decref(list);
		return cli_fail(self, err.text);
	}
	if (list != NULL)
		show_json(stdout, list);
	return 0;
}

static int
case_list_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf = NULL, *municipality = "";
	bool json = false;
	const struct cli_option options[] = {
		{ 'c', "config", &conf, NULL },
		{ 'm', "municipality", &municipality, NULL },
		{ 'j', "json", NULL, &json },
		{ 0, NULL, NULL, NULL },
	};
	struct cli_site site;
	int rc;

	if (cli_options(self, argc, argv, options, 0, 0, &rc) == -1)
		return rc;
	if (municipality[0] != '\0' && !municipality_code_valid(municipality))
		return cli_usage(self,
		    "--municipality %s: not six digits with the right check "
		    "digit",
		    municipality);
	if (municipality[0] != '\0' && municipality_find(municipality) == NULL)
		return cli_usage(self,
		    "--municipality %s: no municipality has this code",
		    municipality);
	if ((rc = cli_begin(self, &site, conf)) != 0)
		return rc;
	rc = list_report(self, site.store, municipality, json);
	cli_close(&site);
	return rc;
}

const struct cli_command cli_case_list = {
	.name = "case list",
	.summary = "List the cases of the counters, newest first",
	.help =
	    "Usage: holdline case list [-c FILE] [--municipality CODE]\n"
	    "                          [--json]\n"
	    "\n"
	    "Lists the cases that losses have opened, the newest first, with\n"
	    "the municipality that keeps the holder's record.\n"
	    "\n"
	    "Options:\n"
	    "  -c, --config FILE        configuration file\n"
	    "  -m, --municipality CODE  only of this municipality, six\n"
	    "                           digits\n"
	    "  -j, --json               print JSON\n"
	    "  -h, --help               print this\n"
	    "\n"
	    "Example:\n"
	    "  holdline case list --municipality 131016\n",
	.run = case_list_run,
};

/* ---- case show */

/* The holder's reference, or a sentence that says why it cannot be shown. */
static bool
open_ref(const struct store_case_show *r, const char *key_file, char *out,
    size_t size)
{
	struct keyring *keys;
	struct err err;
	int rc = -1;

	if ((keys = keyring_load(key_file, &err)) != NULL)
		rc = registry_contact_ref(out, size, keys, r->key_version,
		    r->contact, r->contact_len, &err);
	keyring_free(keys);
	if (rc == -1)
		snprintf(out, size, "cannot be shown: %s", err.text);
	return rc == 0;
}

static void
show_times(const struct store_case *c)
{
	size_t i;

	for (i = 0; i < TIMES_N; i++) {
		fputs(times[i].label, stdout);
		show_time(stdout, time_of(c, i));
		if (i == TIMES_N - 1 && c->visible_us != 0)
			printf(" (%" PRId64 " ms after it was stored)",
			    (c->visible_us - c->stored_us) / 1000);
		putchar('\n');
	}
}

static void
show_decision(const struct store_case_show *r)
{
	const struct store_case *c = &r->found;

	if (c->decided_us == 0)
		return;
	printf("decision    %s: %s\n", c->outcome, decision_word(c));
	fputs("decided     ", stdout);
	show_time(stdout, c->decided_us);
	printf("\ndecided by  %s%s(%s)\n", r->who, r->who[0] != '\0' ? " " : "",
	    c->entry);
	printf("reason      %s\n", r->reason);
}

/* When relying parties saw what became of it. */
static void
show_seen(const struct store_case_show *r, size_t i)
{
	printf("  decision    %s\n  seen        ", store_act_name(r->acts[i]));
	show_time(stdout, r->seen_us[i]);
	putchar('\n');
}

static int
show_text(struct store *store, const struct store_case_show *r, const char *ref,
    const struct store_dispatch_list *told, struct err *err)
{
	const struct store_case *c = &r->found;
	char place[PLACE_SIZE];
	int64_t now_us = clock_wall_us();
	size_t i;

	show_municipality(place, sizeof(place), c->municipality);
	printf("receipt     %s (受付番号)\n", c->receipt);
	printf("status      %s\n", c->status);
	printf("counter     %s %s\n", c->municipality, place);
	printf("holder      %s\n", ref);
	printf("language    %s\n", c->lang);
	show_times(c);
	if (case_notes_show(store, c, err) == -1)
		return -1;
	show_decision(r);
	dispatch_show_told(told);
	printf("\nCertificates put on hold by this report: %zu\n", r->n);
	for (i = 0; i < r->n; i++) {
		putchar('\n');
		show_cert(stdout, "  ", &r->certs[i], now_us);
		if (c->decided_us != 0)
			show_seen(r, i);
	}
	if (c->decided_us != 0)
		return 0;
	puts(
	    "\nNext: the holder comes to the counter of this municipality with "
	    "the receipt\nnumber and a document that proves identity "
	    "(passport, driving licence, ...).\nWithout one, post an "
	    "inquiry letter first and ask for the reply.  Then decide:\n"
	    "card found, or not found and certificates revoked and issued "
	    "anew: doc/counter.md, `holdline case decide`.");
	return 0;
}

static int
show_case_json(struct store *store, const struct store_case_show *r,
    const char *ref, bool opened, const struct store_dispatch_list *told,
    struct err *err)
{
	json_t *notes = case_notes_json(store, &r->found, err);
	json_t *value, *certs, *cert;
	int64_t now_us = clock_wall_us();
	size_t i;

	if (notes == NULL)
		return -1;
	value = case_json(&r->found);
	certs = json_array();
	json_object_set_new(value, "notes", notes);
	for (i = 0; i < r->n; i++) {
		cert = show_cert_json(&r->certs[i], now_us);
		json_object_set_new(
		    cert, "seen", show_time_json(r->seen_us[i]));
		json_object_set_new(cert, "decision",
		    r->found.decided_us != 0
			? json_string(store_act_name(r->acts[i]))
			: json_null());
		json_array_append_new(certs, cert);
	}
	json_object_set_new(value, "decided_by", json_string(r->who));
	json_object_set_new(value, "reason", json_string(r->reason));
	json_object_set_new(
	    value, "holder_ref", opened ? json_string(ref) : json_null());
	if (!opened)
		json_object_set_new(value, "holder_note", json_string(ref));
	json_object_set_new(value, "certificates", certs);
	json_object_set_new(value, "told", dispatch_told_json(told));
	show_json(stdout, value);
	return 0;
}

static int
show_report(const struct cli_command *self, const struct cli_site *site,
    struct store_case_show *r, bool json)
{
	struct store_dispatch_list told = { .n = 0 };
	char ref[512], text[160];
	struct err err;
	bool opened;
	int rc;

	store_case_show(site->store, r);
	if (store_wait(site->store, &r->req) == -1) {
		if (r->req.err.code != ERR_NOTFOUND)
			return cli_fail(self, r->req.err.text);
		snprintf(text, sizeof(text),
		    "no case has the receipt number %s; `holdline case list` "
		    "lists them",
		    r->receipt);
		return cli_fail(self, text);
	}
	told.hold_id = r->found.hold_id;
	store_dispatch_list(site->store, &told);
	if (store_wait(site->store, &told.req) == -1)
		return cli_fail(self, told.req.err.text);
	opened = open_ref(r, site->conf->key_file, ref, sizeof(ref));
	rc = json ? show_case_json(site->store, r, ref, opened, &told, &err)
		  : show_text(site->store, r, ref, &told, &err);
	secret_cleanse(ref, sizeof(ref));
	return rc == 0 ? 0 : cli_fail(self, err.text);
}

/* As people write it down: "148 467 8217", "148-467-8217". */
static int
receipt_read(const char *text, char out[RECEIPT_DIGITS + 1])
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		if (*text == ' ' || *text == '-')
			continue;
		if (*text < '0' || *text > '9' || n == RECEIPT_DIGITS)
			return -1;
		out[n++] = *text;
	}
	out[n] = '\0';
	return n == RECEIPT_DIGITS ? 0 : -1;
}

int
case_receipt(const struct cli_command *self, const char *text,
    char out[RECEIPT_DIGITS + 1])
{
	if (receipt_read(text, out) == -1)
		return cli_usage(self,
		    "that is not a receipt number: those have %d digits",
		    RECEIPT_DIGITS);
	if (!receipt_valid(out))
		return cli_usage(self,
		    "that is not a receipt number: check digit; was a digit "
		    "misheard or were two swapped?");
	return 0;
}

static int
case_show_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf;
	bool json;
	struct store_case_show r = { .n = 0 };
	struct cli_site site;
	int at, rc;

	if ((at = cli_options_plain(
		 self, argc, argv, &conf, &json, 1, 1, &rc)) == -1)
		return rc;
	if ((rc = case_receipt(self, argv[at], r.receipt)) != 0)
		return rc;
	if ((rc = cli_begin(self, &site, conf)) != 0)
		return rc;
	rc = show_report(self, &site, &r, json);
	cli_close(&site);
	return rc;
}

const struct cli_command cli_case_show = {
	.name = "case show",
	.summary = "Show one case by its receipt number",
	.help =
	    "Usage: holdline case show [-c FILE] [--json] RECEIPT\n"
	    "\n"
	    "Shows the case with this receipt number (受付番号, ten digits):\n"
	    "the municipality, the times of report, verification, storing\n"
	    "and visibility to relying parties, the certificates that were\n"
	    "put on hold as they are now, the holder's reference, whether\n"
	    "holder and municipality were told and the certification\n"
	    "authority agrees (where they are told), and what the counter\n"
	    "does next.  The reference is sealed in the store;\n"
	    "it is opened with the key file.\n"
	    "\n" CLI_OPTIONS_PLAIN "Example:\n"
	    "  holdline case show 5724613804\n",
	.run = case_show_run,
};
