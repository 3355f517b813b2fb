/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/str.h"
#include "break_glass.h"
#include "case.h"
#include "cli/cli.h"
#include "cli/option.h"
#include "cli/show.h"
#include "hold/authority.h"
#include "hold/decide.h"
#include "store/cases.h"
#include "store/store.h"

#define KEY_BYTES 16
#define UNSURE_TRIES 5
#define POLL_US INT64_C(100000)
#define WAIT_DEFAULT_S 15
#define WAIT_MAX_S 3600

/* What the command line says, and what came of it. */
struct job {
	const struct cli_command *self;
	const char *conf, *reason, *crl_reason, *wait;
	bool lift, revoke, yes, accept_revoke, json;
	char receipt[RECEIPT_DIGITS + 1];
	int reason_nr; /* CRLReason, -1 = the policy's */
	int64_t wait_us;
	struct cli_site site;
	struct authority *by;
	struct policy policy;
	bool answered;
	struct decide_answer answer;
	int64_t visible_us; /* 0 = not yet */
};

static enum policy_outcome
outcome_of(const struct job *j)
{
	return j->lift ? POLICY_FOUND : POLICY_LOST;
}

static unsigned int
count(const struct job *j, enum store_act act)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < j->answer.n; i++)
		n += j->answer.acts[i] == act;
	return n;
}

/* ---- asking the store */

static void
on_answer(void *ctx, const struct decide_answer *answer)
{
	struct job *j = ctx;

	j->answer = *answer;
	j->answered = true;
}

static struct decide_request
request_of(const struct job *j, const char *key)
{
	return (struct decide_request){ .receipt = j->receipt,
		.key = key,
		.reason = j->reason,
		.crl_reason = j->reason_nr,
		.seen = j->answer.events,
		.policy = j->policy };
}

/* The commands' store has no thread: it works inside store_dispatch(). */
static int
wait_answer(struct job *j, int submitted)
{
	if (submitted == -1) {
		err_set(&j->answer.err, ERR_NOMEM, "out of memory");
		return -1;
	}
	while (!j->answered)
		store_dispatch(j->site.store);
	return j->answer.err.code == ERR_NONE ? 0 : -1;
}

static int
ask_look(struct job *j)
{
	struct decide_request r = request_of(j, "");

	j->answered = false;
	return wait_answer(j,
	    hold_decide_look(j->site.store, &r, outcome_of(j), on_answer, j));
}

/* With one key, so that a commit nobody is sure of can be asked for again. */
static int
ask_decision(struct job *j)
{
	char key[2 * KEY_BYTES + 1];
	uint8_t random[KEY_BYTES];
	struct decide_request r;
	int tries = 0, rc;

	secret_random(random, sizeof(random));
	str_hex(random, sizeof(random), key);
	r = request_of(j, key);
	do {
		j->answered = false;
		rc = wait_answer(j,
		    (j->lift ? hold_lift : hold_revoke)(
			j->site.store, j->by, &r, on_answer, j));
	} while (rc == -1 && j->answer.err.code == ERR_UNSURE &&
	    ++tries < UNSURE_TRIES);
	return rc;
}

/* ---- saying what it does */

/* "policy.card_signature" */
static void
print_setting(const struct store_cert *cert)
{
	printf("policy.%s_%s", store_carrier_name(cert->carrier),
	    store_kind_name(cert->kind));
}

static void
print_why(const struct job *j, size_t i)
{
	switch (j->answer.why[i]) {
	case DECIDE_EXPIRED:
		fputs("it has expired, and stays as it is", stdout);
		break;
	case DECIDE_REVOKED:
		fputs("it was revoked before, which is final", stdout);
		break;
	case DECIDE_CHANGED:
		fputs("it is not this case's any more: another decision or a "
		      "newer report has it",
		    stdout);
		break;
	default:
		if (!j->lift) {
			fputs("what was not found is revoked", stdout);
			break;
		}
		print_setting(&j->answer.certs[i]);
		fputs(j->answer.acts[i] == STORE_ACT_LIFT ? " says lift"
							  : " says revoke",
		    stdout);
	}
}

/* The reason that it will have, or has. */
static int
crl_reason_of(const struct job *j)
{
	return j->reason_nr != -1 ? j->reason_nr
				  : j->policy.reasons[outcome_of(j)];
}

static void
print_cert(const struct job *j, size_t i, bool done)
{
	static const char *const will[] = { "stays as it is", "will be lifted",
		"will be REVOKED" };
	static const char *const was[] = { "left as it is", "lifted",
		"revoked" };
	const struct store_cert *c = &j->answer.certs[i];
	enum store_act act = j->answer.acts[i];

	printf("  %-14s on a %-10s  %s  %s", store_kind_name(c->kind),
	    store_carrier_name(c->carrier), c->serial,
	    (done ? was : will)[act]);
	if (act == STORE_ACT_REVOKE)
		printf(" (%s)", policy_reason_name(crl_reason_of(j)));
	fputs(": ", stdout);
	print_why(j, i);
	putchar('\n');
}

static void
print_certs(const struct job *j, bool done)
{
	size_t i;

	for (i = 0; i < j->answer.n; i++)
		print_cert(j, i, done);
}

static void
print_plan(const struct job *j)
{
	printf("Case %s: %s.\n\n", j->receipt,
	    j->lift ? "found, decided by the lifting policy"
		    : "not found, to be revoked");
	print_certs(j, false);
	if (j->lift && count(j, STORE_ACT_REVOKE) > 0)
		printf("\nYou asked to lift, and the policy REVOKES %u of "
		       "them, for good.\n",
		    count(j, STORE_ACT_REVOKE));
	else if (count(j, STORE_ACT_REVOKE) > 0)
		puts("\nRevoking is final.");
}

/* ---- the confirmation */

/* -1 = it was not given. */
static int
confirm_typed(const struct job *j)
{
	const char *word = count(j, STORE_ACT_REVOKE) > 0 ? "revoke"
	    : j->lift                                     ? "lift"
							  : "close";
	char line[32];

	printf("\nType %s to do this as %s: ", word, authority_who(j->by));
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		return -1;
	line[strcspn(line, "\n")] = '\0';
	return strcmp(line, word) == 0 ? 0 : -1;
}

static int
confirm(const struct job *j)
{
	bool surprise = j->lift && count(j, STORE_ACT_REVOKE) > 0;

	if (j->yes && surprise && !j->accept_revoke)
		return cli_fail(j->self,
		    "nothing was changed: you asked to lift and the policy "
		    "revokes; --yes does not answer for that, "
		    "--accept-revoke does");
	if (j->yes)
		return 0;
	if (!isatty(STDIN_FILENO))
		return cli_fail(j->self,
		    "nothing was changed: standard input is not a terminal "
		    "to confirm it at; --yes confirms it");
	if (confirm_typed(j) == -1)
		return cli_fail(
		    j->self, "nothing was changed: it was not confirmed");
	return 0;
}

/* ---- does anybody see it? */

static int64_t
case_id_of(struct job *j)
{
	struct store_case_show show = { .n = 0 };

	str_copy(show.receipt, sizeof(show.receipt), j->receipt);
	store_case_show(j->site.store, &show);
	if (store_wait(j->site.store, &show.req) == -1)
		return 0;
	return show.found.id;
}

/* The server's publisher pushes it and reads it back. */
static void
wait_visible(struct job *j)
{
	struct timespec nap = { .tv_nsec = POLL_US * 1000 };
	int64_t end_us = clock_mono_us() + j->wait_us;
	struct store_case_seen seen = { .case_id = case_id_of(j) };

	while (seen.case_id != 0) {
		store_case_seen(j->site.store, &seen);
		if (store_wait(j->site.store, &seen.req) == -1)
			return;
		j->visible_us = seen.visible_us;
		if (seen.visible_us != 0 || clock_mono_us() >= end_us)
			return;
		nanosleep(&nap, NULL);
	}
}

static bool
changed(const struct job *j)
{
	return count(j, STORE_ACT_LIFT) + count(j, STORE_ACT_REVOKE) > 0;
}

static int
not_seen(const struct job *j)
{
	return cli_fail(j->self,
	    "it is decided and stored, but relying parties DO NOT SEE "
	    "IT YET: the change waits for the revocation cache; is "
	    "holdlined running, and its Redis up?  `holdline case "
	    "show` tells when it is seen");
}

static int
report_visible(const struct job *j)
{
	char when[CLOCK_TEXT_SIZE];

	if (!changed(j)) {
		puts("\nNo certificate was changed; the case is closed.");
		return 0;
	}
	if (j->visible_us == 0)
		return not_seen(j);
	clock_format(j->visible_us, when);
	printf("\nRelying parties see it since %s, %" PRId64
	       " ms after the decision.\n",
	    when, (j->visible_us - j->answer.decided_us) / 1000);
	return 0;
}

static int
report_json(const struct job *j)
{
	json_t *certs = json_array(), *cert;
	size_t i;

	for (i = 0; i < j->answer.n; i++) {
		cert =
		    show_cert_json(&j->answer.certs[i], j->answer.decided_us);
		json_object_set_new(cert, "decision",
		    json_string(store_act_name(j->answer.acts[i])));
		json_object_set_new(cert, "why",
		    json_string(decide_why_name(j->answer.why[i])));
		json_array_append_new(certs, cert);
	}
	show_json(stdout,
	    json_pack("{s:s, s:s, s:o, s:o, s:o}", "receipt", j->receipt,
		"outcome", policy_outcome_name(outcome_of(j)), "decided",
		show_time_json(j->answer.decided_us), "visible",
		show_time_json(j->visible_us), "certificates", certs));
	return changed(j) && j->visible_us == 0 ? not_seen(j) : 0;
}

static void
tell_logs(const struct job *j)
{
	char result[64];

	snprintf(result, sizeof(result), "lifted=%u revoked=%u left=%u",
	    count(j, STORE_ACT_LIFT), count(j, STORE_ACT_REVOKE),
	    count(j, STORE_ACT_NONE));
	log_warn("case", j->receipt,
	    "event=break-glass outcome=%s %s by=\"%s\"",
	    policy_outcome_name(outcome_of(j)), result, authority_who(j->by));
	break_glass_tell(
	    j->by, j->receipt, policy_outcome_name(outcome_of(j)), result);
}

/* ---- the command */

static int
decide(struct job *j)
{
	int rc;

	if (ask_look(j) == -1)
		return cli_fail(j->self, j->answer.err.text);
	if (!j->json)
		print_plan(j);
	if ((rc = confirm(j)) != 0)
		return rc;
	if (ask_decision(j) == -1)
		return cli_fail(j->self, j->answer.err.text);
	tell_logs(j);
	if (!j->json) {
		printf("\nDecided, as %s:\n\n", authority_who(j->by));
		print_certs(j, true);
		fflush(stdout);
	}
	if (changed(j))
		wait_visible(j);
	return j->json ? report_json(j) : report_visible(j);
}

/* Whole, in UTF-8, and on one line: it goes into the audit. */
static int
check_reason(const struct job *j)
{
	size_t len = strlen(j->reason);

	if (strspn(j->reason, " ") == len || len > STORE_REASON_MAX)
		return cli_usage(j->self,
		    "--reason: say why, in 1 to %d bytes, and without names",
		    STORE_REASON_MAX);
	if (!str_is_utf8(j->reason, len))
		return cli_usage(j->self, "--reason: that is not UTF-8");
	if (!str_is_line(j->reason))
		return cli_usage(j->self,
		    "--reason: there is a control character in it, or one that "
		    "turns the direction of the text");
	return 0;
}

static int
check_words(struct job *j, const char *receipt)
{
	int rc;

	if (j->lift == j->revoke)
		return cli_usage(
		    j->self, "say either --lift or --revoke, and not both");
	if ((rc = case_receipt(j->self, receipt, j->receipt)) != 0 ||
	    (rc = check_reason(j)) != 0)
		return rc;
	j->reason_nr = -1;
	if (j->crl_reason != NULL &&
	    (j->reason_nr = policy_reason_parse(j->crl_reason)) == -1)
		return cli_usage(j->self,
		    "--crl-reason %s: not unspecified, keyCompromise, "
		    "affiliationChanged, superseded, cessationOfOperation or "
		    "privilegeWithdrawn",
		    j->crl_reason);
	j->wait_us = WAIT_DEFAULT_S * CLOCK_S_US;
	if (j->wait != NULL) {
		if (!str_is_digits(j->wait, 1, 4) ||
		    strtol(j->wait, NULL, 10) > WAIT_MAX_S)
			return cli_usage(j->self,
			    "--wait %s: not a number of seconds up to %d",
			    j->wait, WAIT_MAX_S);
		j->wait_us = strtol(j->wait, NULL, 10) * CLOCK_S_US;
	}
	return 0;
}

static int
case_decide_run(const struct cli_command *self, int argc, char **argv)
{
	struct job j = { .self = self, .reason = "" };
	const struct cli_option options[] = {
		{ 'c', "config", &j.conf, NULL },
		{ 0, "lift", NULL, &j.lift },
		{ 0, "revoke", NULL, &j.revoke },
		{ 'r', "reason", &j.reason, NULL },
		{ 0, "crl-reason", &j.crl_reason, NULL },
		{ 'y', "yes", NULL, &j.yes },
		{ 0, "accept-revoke", NULL, &j.accept_revoke },
		{ 'w', "wait", &j.wait, NULL },
		{ 'j', "json", NULL, &j.json },
		{ 0, NULL, NULL, NULL },
	};
	struct err err;
	int at, rc;

	if ((at = cli_options(self, argc, argv, options, 1, 1, &rc)) == -1)
		return rc;
	if ((rc = check_words(&j, argv[at])) != 0)
		return rc;
	if (cli_open(&j.site, j.conf, &err) == -1 ||
	    (j.by = break_glass_open(j.site.conf->break_glass_group, &err)) ==
		NULL) {
		rc = cli_fail(self, err.text);
	} else {
		policy_load(&j.policy, j.site.conf);
		rc = decide(&j);
	}
	authority_free(j.by);
	cli_close(&j.site);
	return rc;
}

const struct cli_command cli_case_decide = {
	.name = "case decide",
	.summary = "Lift or revoke the hold of a case (break-glass)",
	.help =
	    "Usage: holdline case decide [-c FILE] --lift|--revoke\n"
	    "                            --reason TEXT [--crl-reason NAME]\n"
	    "                            [--yes] [--accept-revoke]\n"
	    "                            [--wait SECONDS] [--json] RECEIPT\n"
	    "\n"
	    "Decides the case with this receipt number and closes it.  With\n"
	    "--lift the card or smartphone was found: each certificate is\n"
	    "lifted or revoked, as the settings policy.* say, and by default\n"
	    "those of a card are revoked.  With --revoke it was not found:\n"
	    "all are revoked, at the instant of the hold.  What expired or\n"
	    "was revoked meanwhile is left as it is.  What will happen is\n"
	    "shown first, and must be confirmed.\n"
	    "\n"
	    "This is the break-glass entry on the server's own host: only\n"
	    "members of the group that break_glass_group names may use it,\n"
	    "root included.  The audit chain and the host's log keep who did\n"
	    "it and why.  Afterwards it waits until the change has been read\n"
	    "back from the revocation cache, and says so.\n"
	    "\n"
	    "Options:\n"
	    "  -c, --config FILE      configuration file\n"
	    "      --lift             it was found\n"
	    "      --revoke           it was not found, or is not wanted\n"
	    "  -r, --reason TEXT      why, for the audit; without names\n"
	    "      --crl-reason NAME  of what is revoked, instead of\n"
	    "                         policy.found_reason or\n"
	    "                         policy.lost_reason\n"
	    "  -y, --yes              do not ask\n"
	    "      --accept-revoke    with --lift --yes: also where the\n"
	    "                         policy revokes instead of lifting\n"
	    "  -w, --wait SECONDS     for relying parties to see it; 15\n"
	    "  -j, --json             print JSON; needs --yes\n"
	    "  -h, --help             print this\n"
	    "\n"
	    "Exit status: 0 decided and seen by relying parties, 1 not\n"
	    "decided, or not seen yet (it says which).\n"
	    "\n"
	    "Example:\n"
	    "  holdline case decide --revoke --reason \"not found, police "
	    "report seen\" \\\n"
	    "      5724613804\n",
	.run = case_decide_run,
};
