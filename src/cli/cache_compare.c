/* SPDX-License-Identifier: Apache-2.0 */
/* holdline cache verify, holdline cache rebuild */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/timer.h"
#include "cache_site.h"
#include "cli/option.h"
#include "cli/show.h"
#include "publish/compare.h"
#include "publish/library.h"
#include "publish/reconcile.h"

#define SHOW_US (CLOCK_S_US / 10)      /* between two looks of the progress */
#define PROOF_WAIT_US (8 * CLOCK_S_US) /* for a server's heartbeat */

struct comparison {
	struct cache_site site;
	struct compare *compare;
	struct watermark wm;
	int64_t total, compared, found, left, shown_us;
	json_t *list; /* of differences; NULL = they are printed */
	bool bar;     /* show progress */
	bool done;
	char why[200];
};

/* ---- what is found */

static void
show_progress(struct comparison *c)
{
	int64_t now_us = clock_mono_us();

	if (!c->bar || now_us < c->shown_us + SHOW_US)
		return;
	c->shown_us = now_us;
	fprintf(stderr, "\r%" PRId64 " of %" PRId64 " certificates compared",
	    c->compared, c->total);
}

static void
clear_progress(struct comparison *c)
{
	if (c->bar && c->shown_us != 0)
		fputs("\r\033[K", stderr);
	c->shown_us = 0;
}

/* "hold, generation 3, since ..." of the store; "none". */
static void
print_store(const struct store_status_row *row)
{
	if (row->id == 0) {
		fputs("no such certificate", stdout);
		return;
	}
	printf("%s, generation %" PRId64, store_status_name(row->status),
	    row->generation);
	if (row->generation > 0) {
		fputs(", since ", stdout);
		show_time(stdout, row->status_us);
	}
}

static const char *
letter_name(char status)
{
	return status == 'H' ? "hold" : status == 'R' ? "revoked" : "good";
}

static void
print_record(const struct record *r)
{
	if (r->found == RECORD_WHOLE || r->found == RECORD_UNSIGNED) {
		printf("%s, generation %" PRId64 ", since ",
		    letter_name(r->status), r->generation);
		show_time(stdout, r->time_s * CLOCK_S_US);
	}
	if (r->found != RECORD_WHOLE)
		printf("%s%s", r->found == RECORD_UNSIGNED ? ", " : "",
		    record_found_name(r->found));
}

static void
print_difference(const struct compare_difference *d)
{
	printf("%s\n  %-7s ", d->key, "is");
	printf("%s; %s\n  %-7s ", compare_kind_name(d->kind),
	    d->done == COMPARE_LEFT ? "left as it is"
				    : compare_done_name(d->done),
	    "store");
	print_store(d->row);
	printf("\n  %-7s ", "cache");
	print_record(d->record);
	putchar('\n');
}

static json_t *
record_json(const struct record *r)
{
	char status[2] = { r->status, '\0' };

	if (r->found != RECORD_WHOLE && r->found != RECORD_UNSIGNED)
		return json_pack("{s:s}", "found", record_found_name(r->found));
	return json_pack("{s:s, s:s, s:I, s:i, s:o}", "found",
	    record_found_name(r->found), "status", status, "generation",
	    (json_int_t)r->generation, "reason", r->reason, "since",
	    show_time_json(r->time_s * CLOCK_S_US));
}

static json_t *
store_json(const struct store_status_row *row)
{
	if (row->id == 0)
		return json_null();
	return json_pack("{s:s, s:I, s:i, s:o}", "status",
	    store_status_name(row->status), "generation",
	    (json_int_t)row->generation, "reason", row->reason, "since",
	    show_time_json(row->status_us));
}

static void
on_difference(void *ctx, const struct compare_difference *d)
{
	struct comparison *c = ctx;

	c->found++;
	if (d->done == COMPARE_LEFT || d->done == COMPARE_FAILED)
		c->left++;
	if (c->list != NULL)
		json_array_append_new(c->list,
		    json_pack("{s:s, s:s, s:s, s:o, s:o}", "key", d->key,
			"kind", compare_kind_name(d->kind), "done",
			compare_done_name(d->done), "store", store_json(d->row),
			"cache", record_json(d->record)));
	else {
		clear_progress(c);
		print_difference(d);
	}
}

/* A rebuild writes what is missing; that is no news. */
static void
on_written(void *ctx, const struct compare_difference *d)
{
	struct comparison *c = ctx;

	c->found++;
	if (d->done == COMPARE_FAILED)
		c->left++;
}

static void
on_progress(void *ctx, int64_t compared)
{
	struct comparison *c = ctx;

	c->compared = compared;
	show_progress(c);
}

static void
on_done(void *ctx, const char *why)
{
	struct comparison *c = ctx;

	c->done = true;
	snprintf(c->why, sizeof(c->why), "%s", why == NULL ? "" : why);
	clear_progress(c);
}

/* ---- a pass */

static void
on_watermark(void *ctx, const struct redisReply *reply)
{
	struct comparison *c = ctx;

	watermark_parse(&c->wm, c->site.mac, reply);
}

static int
read_watermark(struct comparison *c, struct err *err)
{
	const char *argv[] = { "HMGET", WATERMARK_KEY, WATERMARK_FIELDS };

	return cache_site_ask(
	    &c->site, 2 + WATERMARK_N_FIELDS, argv, on_watermark, c, err);
}

static int
count_certificates(struct comparison *c, int keep_day, struct err *err)
{
	struct store_status_count r = { .from_day = keep_day };

	store_status_count(c->site.site.store, &r);
	if (store_await(c->site.site.store, &r.req, err) == -1)
		return -1;
	c->total = r.n;
	return 0;
}

/* One pass from beginning to end. */
static int
comparison_pass(struct comparison *c, bool repair, bool fill, struct err *err)
{
	struct compare_options o = { .store = c->site.site.store,
		.timers = c->site.loop.timers,
		.mac = c->site.mac,
		.on_difference = fill ? on_written : on_difference,
		.on_progress = on_progress,
		.on_done = on_done,
		.ctx = c };
	struct compare_pass pass = { .link = cache_site_link(&c->site),
		.repair = repair,
		.fill = fill,
		.fence = c->wm.found == RECORD_WHOLE ? c->wm.fence : 0 };

	pass.keep_day = reconcile_keep_day(timers_wall_us(c->site.loop.timers),
	    timers_steady_us(c->site.loop.timers));
	if (count_certificates(c, pass.keep_day, err) == -1)
		return -1;
	if ((c->compare = compare_new(&o)) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	c->bar = isatty(STDERR_FILENO) == 1;
	compare_start(c->compare, &pass);
	while (!c->done) /* it ends by itself when the link is lost */
		cache_site_turn(&c->site, CLOCK_S_US);
	if (c->why[0] != '\0')
		return err_set(err, ERR_IO,
		    "it was broken off after %" PRId64 " of %" PRId64
		    " certificates: %s; run it again",
		    c->compared, c->total, c->why);
	return 0;
}

static void
comparison_close(struct comparison *c)
{
	struct compare *compare = c->compare;
	struct timers *timers = c->site.loop.timers;

	if (timers != NULL)
		compare_free(compare); /* nothing of it is under way */
	json_decref(c->list);
	cache_site_close(&c->site);
}

/* ---- verify */

static void
report(const struct comparison *c, bool json)
{
	if (json) {
		show_json(stdout,
		    json_pack("{s:I, s:I, s:I, s:O}", "compared",
			(json_int_t)c->compared, "found", (json_int_t)c->found,
			"left", (json_int_t)c->left, "differences", c->list));
		return;
	}
	if (c->found == 0)
		printf("%" PRId64 " certificates compared: the cache is what "
		       "the store says.\n",
		    c->compared);
	else
		printf("%" PRId64 " certificates compared: %" PRId64
		       " differences, %" PRId64 " repaired, %" PRId64
		       " left.\n",
		    c->compared, c->found, c->found - c->left, c->left);
}

static int
cache_verify_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf = NULL;
	bool json = false, repair = false;
	const struct cli_option options[] = {
		{ 'c', "config", &conf, NULL },
		{ 'j', "json", NULL, &json },
		{ 0, "repair", NULL, &repair },
		{ 0, NULL, NULL, NULL },
	};
	struct comparison c = { .found = 0 };
	struct err err;
	int rc;

	if (cli_options(self, argc, argv, options, 0, 0, &rc) == -1)
		return rc;
	c.list = json ? json_array() : NULL;
	if (cache_site_open(&c.site, conf, repair, &err) == -1 ||
	    read_watermark(&c, &err) == -1 ||
	    comparison_pass(&c, repair, false, &err) == -1)
		rc = cli_fail(self, err.text);
	else {
		report(&c, json);
		rc = c.left > 0 ? 1 : 0;
	}
	comparison_close(&c);
	return rc;
}

const struct cli_command cli_cache_verify = {
	.name = "cache verify",
	.summary = "Compare the revocation cache with the store, and repair it",
	.help =
	    "Usage: holdline cache verify [-c FILE] [--repair] [--json]\n"
	    "\n"
	    "Compares every record in the revocation cache with the store,\n"
	    "both ways, while the servers go on, and names each difference:\n"
	    "what the store says, what the cache says, what was done.  What\n"
	    "waits to be published is no difference.\n"
	    "\n"
	    "With --repair the store's word is written: where the cache is\n"
	    "behind, as the servers write it; where it contradicts the store,\n"
	    "by force.  A running server does the same all the time\n"
	    "(redis.compare_every).\n"
	    "\n"
	    "After an older copy of the store was restored, run it without\n"
	    "--repair before a server starts: it lists what that copy has\n"
	    "forgotten.\n"
	    "\n"
	    "Options:\n"
	    "  -c, --config FILE  configuration file\n"
	    "      --repair       repair what differs\n"
	    "  -j, --json         print JSON\n"
	    "  -h, --help         print this\n"
	    "\n"
	    "Exit status: 0 when no difference is left, 1 when some are or it\n"
	    "could not be done.\n"
	    "\n"
	    "Example:\n"
	    "  holdline cache verify --repair\n",
	.run = cache_verify_run,
};

/* ---- rebuild */

static void
on_deleted(void *ctx, const struct redisReply *reply)
{
	(void)ctx, (void)reply; /* it was there, or not */
}

/* Take the proof away: from now on nothing is told "good" for want of a
 * record, and the server that owns the heartbeat fills the cache as well. */
static int
take_proof(struct comparison *c, struct err *err)
{
	const char *argv[] = { "DEL", WATERMARK_KEY };

	return cache_site_ask(&c->site, 2, argv, on_deleted, c, err);
}

/* Does a server say "complete" again, before too long? */
static int
await_proof(struct comparison *c, bool *proof, struct err *err)
{
	int64_t until_us = clock_mono_us() + PROOF_WAIT_US;
	struct watermark_seen none = { .seq = 0 };

	*proof = false;
	while (!*proof && clock_mono_us() < until_us) {
		cache_site_turn(&c->site, SHOW_US);
		if (read_watermark(c, err) == -1)
			return -1;
		*proof = watermark_proves(&c->wm, &none, clock_wall_us());
	}
	return 0;
}

static void
report_rebuild(const struct comparison *c, bool proof, bool json)
{
	if (json) {
		show_json(stdout,
		    json_pack("{s:I, s:I, s:I, s:b}", "certificates",
			(json_int_t)c->compared, "written",
			(json_int_t)(c->found - c->left), "left",
			(json_int_t)c->left, "complete", proof));
		return;
	}
	printf("%" PRId64 " certificates: %" PRId64 " records written, %" PRId64
	       " were there already.\n",
	    c->compared, c->found - c->left,
	    c->found > c->compared ? 0 : c->compared - c->found);
	puts(proof ? "The cache is complete."
		   : "No server has called it complete yet: responders answer "
		     "\"try later\" for what\nhas no record.  Does a holdlined "
		     "run? `holdline cache status` shows it.");
}

static int
rebuild(struct comparison *c, bool *proof, struct err *err)
{
	if (read_watermark(c, err) == -1 || take_proof(c, err) == -1 ||
	    comparison_pass(c, true, true, err) == -1)
		return -1;
	return await_proof(c, proof, err);
}

static int
cache_rebuild_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf;
	bool json, proof = false;
	struct comparison c = { .found = 0 };
	struct err err;
	int rc;

	if (cli_options_plain(self, argc, argv, &conf, &json, 0, 0, &rc) == -1)
		return rc;
	if (cache_site_open(&c.site, conf, true, &err) == -1 ||
	    rebuild(&c, &proof, &err) == -1)
		rc = cli_fail(self, err.text);
	else {
		report_rebuild(&c, proof, json);
		rc = c.left > 0 || !proof ? 1 : 0;
	}
	comparison_close(&c);
	return rc;
}

const struct cli_command cli_cache_rebuild = {
	.name = "cache rebuild",
	.summary = "Write every record of the revocation cache anew",
	.help =
	    "Usage: holdline cache rebuild [-c FILE] [--json]\n"
	    "\n"
	    "Takes the cache's proof of wholeness away, writes a record for\n"
	    "every certificate that ever was not good, deletes records that\n"
	    "the store knows nothing of, and waits until a running server\n"
	    "calls the cache complete again, in a new epoch.  Calls and holds\n"
	    "go on meanwhile.  Until then responders answer \"try later\" for\n"
	    "what has no record; what is on hold or revoked is told.\n"
	    "\n"
	    "A server does this by itself when Redis was wiped, restarted or\n"
	    "replaced.\n"
	    "\n" CLI_OPTIONS_PLAIN
	    "Exit status: 0 when the cache is complete, 1 when it is not.\n"
	    "\n"
	    "Example:\n"
	    "  holdline cache rebuild\n",
	.run = cache_rebuild_run,
};
