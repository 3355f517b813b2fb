/* SPDX-License-Identifier: Apache-2.0 */
/* holdline cache status */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "cache_site.h"
#include "cli/option.h"
#include "cli/show.h"
#include "publish/reconcile.h"
#include "store/lease.h"
#include "store/outbox.h"
#include "store/status_scan.h"
#include "wire/status_record.h"

#define NOBODY "holdline-cache" /* never an owner: it only asks */

struct status {
	struct cache_site site;
	int64_t now_us;
	/* Redis */
	struct watermark wm;
	int64_t keys;
	bool pass_known;
	int64_t pass[RECONCILE_N_PASS_FIELDS];
	/* the store */
	struct store_status_count count;
	struct store_status_progress progress;
	struct store_outbox_depth depth;
	struct store_lease lease;
};

/* ---- asking */

static void
on_watermark(void *ctx, const struct redisReply *reply)
{
	struct status *s = ctx;

	watermark_parse(&s->wm, s->site.mac, reply);
}

static void
on_keys(void *ctx, const struct redisReply *reply)
{
	struct status *s = ctx;

	s->keys = reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
}

static void
on_pass(void *ctx, const struct redisReply *reply)
{
	struct status *s = ctx;
	size_t i;

	s->pass_known = reply->type == REDIS_REPLY_ARRAY &&
	    reply->elements == RECONCILE_N_PASS_FIELDS;
	for (i = 0; s->pass_known && i < RECONCILE_N_PASS_FIELDS; i++) {
		if (reply->element[i]->type != REDIS_REPLY_STRING)
			s->pass_known = false;
		else
			s->pass[i] = strtoll(reply->element[i]->str, NULL, 10);
	}
}

static int
ask_redis(struct status *s, struct err *err)
{
	const char *wm[] = { "HMGET", WATERMARK_KEY, WATERMARK_FIELDS };
	const char *pass[] = { "HMGET", RECONCILE_PASS_KEY,
		RECONCILE_PASS_FIELDS };
	const char *size[] = { "DBSIZE" };

	if (cache_site_ask(&s->site, 2 + WATERMARK_N_FIELDS, wm, on_watermark,
		s, err) == -1 ||
	    cache_site_ask(&s->site, 1, size, on_keys, s, err) == -1 ||
	    cache_site_ask(&s->site, 2 + RECONCILE_N_PASS_FIELDS, pass, on_pass,
		s, err) == -1)
		return -1;
	return 0;
}

static int
ask_store(struct status *s, struct err *err)
{
	struct store *store = s->site.site.store;
	struct store_req *reqs[] = { &s->count.req, &s->progress.req,
		&s->depth.req, &s->lease.req };
	size_t i;

	s->count.from_day = reconcile_keep_day(s->now_us, s->now_us);
	snprintf(s->lease.name, sizeof(s->lease.name), STORE_LEASE_BEAT);
	snprintf(s->lease.node, sizeof(s->lease.node), NOBODY);
	s->lease.release = true; /* of what is not ours: nothing changes */
	store_status_count(store, &s->count);
	store_status_progress(store, &s->progress);
	store_outbox_depth(store, &s->depth);
	store_lease(store, &s->lease);
	for (i = 0; i < sizeof(reqs) / sizeof(reqs[0]); i++)
		if (store_await(store, reqs[i], err) == -1)
			return -1;
	return 0;
}

/* ---- telling */

static bool
is_proof(const struct status *s)
{
	struct watermark_seen none = { .seq = 0 };

	return watermark_proves(&s->wm, &none, s->now_us);
}

/* Why there is no proof. */
static const char *
no_proof(const struct status *s)
{
	if (s->wm.found == RECORD_ABSENT)
		return "there is no watermark; does a holdlined run?";
	if (s->wm.found == RECORD_UNSIGNED)
		return "the watermark has no right MAC; is redis.mac_key_file "
		       "the server's?";
	if (s->wm.found != RECORD_WHOLE)
		return "the watermark makes no sense; who writes into Redis?";
	if (s->wm.time_us < s->now_us - WATERMARK_AGE_US)
		return "the heartbeat is old; does a holdlined run?";
	if (s->wm.time_us > s->now_us + WATERMARK_AGE_US)
		return "the heartbeat is from the future; a clock is wrong";
	return "it is being filled, or a hold waits to be published";
}

static void
print_watermark(const struct status *s)
{
	const struct watermark *wm = &s->wm;

	if (wm->found != RECORD_WHOLE) {
		printf("watermark   %s\n", record_found_name(wm->found));
		return;
	}
	printf("watermark   %s, epoch %s\n",
	    wm->complete ? "complete" : "loading", wm->epoch);
	printf("heartbeat   ");
	show_time(stdout, wm->time_us);
	printf(
	    ", %.1f s ago\n", (double)(s->now_us - wm->time_us) / CLOCK_S_US);
	printf("sequence    %" PRId64 " of %" PRId64 "\n", wm->seq,
	    s->progress.issued);
	printf("owner       fence %" PRId64 "\n", wm->fence);
}

static void
print_backlog(const struct status *s)
{
	if (s->depth.waiting == 0) {
		puts("backlog     none: all changes are published");
		return;
	}
	printf("backlog     %" PRId64 " waiting, the oldest since ",
	    s->depth.waiting);
	show_time(stdout, s->depth.oldest_us);
	putchar('\n');
}

static void
print_pass(const struct status *s)
{
	fputs("last pass   ", stdout);
	if (!s->pass_known) {
		puts("none yet");
		return;
	}
	show_time(stdout, s->pass[0]);
	printf(", %" PRId64 " certificates, %" PRId64 " differed, %" PRId64
	       " repaired, %.1f s\n",
	    s->pass[1], s->pass[2], s->pass[3],
	    (double)s->pass[4] / CLOCK_S_US);
}

static void
print_text(const struct status *s)
{
	printf("redis       %s\n", s->site.site.conf->redis_address);
	printf("signed      %s\n",
	    s->site.mac != NULL ? "yes" : "no: redis.mac_key_file is not set");
	print_watermark(s);
	printf("lease       %s, fence %" PRId64 "\n",
	    s->lease.owner[0] == '\0' ? "nobody's" : s->lease.owner,
	    s->lease.fence);
	printf("records     %" PRId64 " keys in Redis; %" PRId64
	       " certificates must have one\n",
	    s->keys, s->count.n);
	print_backlog(s);
	print_pass(s);
	if (is_proof(s))
		puts("proof       yes: what has no record is good");
	else
		printf("proof       no: responders answer \"try later\" for "
		       "what has no record\n            (%s)\n",
		    no_proof(s));
}

static json_t *
watermark_json(const struct status *s)
{
	const struct watermark *wm = &s->wm;

	if (wm->found != RECORD_WHOLE)
		return json_null();
	return json_pack("{s:s, s:I, s:s, s:o, s:I, s:I}", "epoch", wm->epoch,
	    "seq", (json_int_t)wm->seq, "state",
	    wm->complete ? "complete" : "loading", "time",
	    show_time_json(wm->time_us), "age_ms",
	    (json_int_t)((s->now_us - wm->time_us) / 1000), "fence",
	    (json_int_t)wm->fence);
}

static json_t *
pass_json(const struct status *s)
{
	if (!s->pass_known)
		return json_null();
	return json_pack("{s:o, s:I, s:I, s:I, s:I}", "time",
	    show_time_json(s->pass[0]), "compared", (json_int_t)s->pass[1],
	    "drift", (json_int_t)s->pass[2], "repaired", (json_int_t)s->pass[3],
	    "ms", (json_int_t)(s->pass[4] / 1000));
}

static void
print_json(const struct status *s)
{
	bool proof = is_proof(s);

	show_json(stdout,
	    json_pack("{s:b, s:s?, s:b, s:s, s:o, s:s, s:I, s:I, s:I, s:I, "
		      "s:o, s:o}",
		"proof", proof, "why_not", proof ? NULL : no_proof(s), "signed",
		s->site.mac != NULL, "found", record_found_name(s->wm.found),
		"watermark", watermark_json(s), "lease_owner", s->lease.owner,
		"keys", (json_int_t)s->keys, "certificates",
		(json_int_t)s->count.n, "issued",
		(json_int_t)s->progress.issued, "waiting",
		(json_int_t)s->depth.waiting, "oldest",
		show_time_json(s->depth.oldest_us), "last_pass", pass_json(s)));
}

static int
cache_status_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf;
	bool json;
	struct status s = { .keys = -1 };
	struct err err;
	int rc;

	if (cli_options_plain(self, argc, argv, &conf, &json, 0, 0, &rc) == -1)
		return rc;
	if (cache_site_open(&s.site, conf, false, &err) == -1)
		rc = cli_fail(self, err.text);
	else {
		s.now_us = clock_wall_us();
		if (ask_redis(&s, &err) == -1 || ask_store(&s, &err) == -1)
			rc = cli_fail(self, err.text);
		else {
			(json ? print_json : print_text)(&s);
			rc = is_proof(&s) ? 0 : 1;
		}
	}
	cache_site_close(&s.site);
	return rc;
}

const struct cli_command cli_cache_status = {
	.name = "cache status",
	.summary = "Show whether the revocation cache proves itself whole",
	.help =
	    "Usage: holdline cache status [-c FILE] [--json]\n"
	    "\n"
	    "Shows the revocation cache's watermark (epoch, state, sequence\n"
	    "number, heartbeat), whose the heartbeat is, how many records\n"
	    "there are, what waits to be published, and what the last\n"
	    "comparison with the store found.\n"
	    "\n" CLI_OPTIONS_PLAIN
	    "Exit status: 0 when the watermark is a proof, so that responders\n"
	    "answer \"good\" for what has no record; 1 when it is none.\n"
	    "\n"
	    "Example:\n"
	    "  holdline cache status\n",
	.run = cache_status_run,
};
