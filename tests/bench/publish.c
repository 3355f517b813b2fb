/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/publish -- how fast a change of status reaches those who read.
 *
 * push-rate: changes per second through the publisher's cache, each compared
 * and set by FCALL and read back, in pages as from the outbox, as many at once
 * as the publisher has; divided by what redis-benchmark reaches with FCALL
 * alone over one connection with as many in flight, right after it in each
 * round.
 *
 * push-delay: from the commit of a hold to the first answer "revoked" of a
 * holdline-ocspd, which a relying party asks by HTTP again and again over its
 * own connection, and whose signature it checks; one hold alone, and while 200
 * holds/s run.
 *
 * Medians of one run; --quick takes seconds.
 */
#include <err.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <sodium.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/timer.h"
#include "publish/cache.h"
#include "publish/publish.h"
#include "store/hold.h"
#include "store/registry.h"
#include "tests/bench/figure.h"
#include "tests/bench/holding.h"
#include "tests/bench/parts.h"
#include "tests/fault/ask_ocsp.h"
#include "wire/loop.h"
#include "wire/redis_link.h"
#include "wire/status_record.h"

#define BEAT_US INT64_C(500000) /* of the watermark */
#define EPOCH "0000000000000001000000010badcafe"
#define EVERY_US INT64_C(5000) /* 200 holds/s */
#define IN_FLIGHT (PUBLISH_PAGES * STORE_OUTBOX_PAGE)

static unsigned int rounds = 25, pages = 100, probes = 1000;

static struct {
	char address[200];
	char issuer[STORE_ISSUER_HEX + 1];
	struct loop loop;
	struct event *store_ready;
	struct store *store;
	struct cache *cache;
	struct publish *publish;
	struct redis_link *beats; /* writes the watermark */
	bool cache_up, beats_up, beaten, done;

	/* push-rate */
	bool pushing; /* else the outcomes are the publisher's */
	struct store_outbox_row rows[PUBLISH_PAGES][STORE_OUTBOX_PAGE];
	unsigned int page, pages_left, pages_out; /* to begin; under way */

	/* push-delay */
	unsigned int person, n;
	bool under_load;
	struct timer next_probe, next_hold, next_beat;
	struct store_hold probe;
	const char *serial;
	struct ask ask;
	struct event *answered;
	int64_t committed_us;
	double *delays;
} b;

/* ---- the loop */

static void
on_store(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what, (void)ctx;
	store_dispatch(b.store);
}

static void
run_until(const bool *flag)
{
	while (!*flag)
		loop_turn(&b.loop, INT64_MAX);
}

/* ---- push-rate */

static void
push_page(struct store_outbox_row *rows)
{
	struct store_outbox_row *r;
	size_t i;

	for (i = 0; i < STORE_OUTBOX_PAGE; i++) {
		r = &rows[i];
		*r = (struct store_outbox_row){
			.seq = (int64_t)(b.page * STORE_OUTBOX_PAGE + i + 1),
			.generation = 1,
			.latest = 1,
			.status = STORE_HELD,
			.reason = 6,
			.status_us = INT64_C(1795485600000000)
		};
		strcpy(r->issuer, b.issuer);
		snprintf(r->serial, sizeof(r->serial), "%016" PRIx64, r->seq);
	}
	b.page++;
	b.pages_left--;
	b.pages_out++;
	if (cache_push(b.cache, rows, STORE_OUTBOX_PAGE) == -1)
		errx(1, "the link is down");
}

static void
push_settled(
    const struct store_outbox_row *rows, const enum publish_outcome *outcomes)
{
	size_t i;

	if (outcomes == NULL)
		errx(1, "the link was lost");
	for (i = 0; i < STORE_OUTBOX_PAGE; i++)
		if (outcomes[i] != PUBLISH_SHOWN)
			errx(1, "a push is %s",
			    publish_outcome_name(outcomes[i]));
	b.pages_out--;
	if (b.pages_left > 0)
		push_page(b.rows[rows != b.rows[0]]);
	else
		b.done = b.pages_out == 0;
}

static double
rate_ours(void)
{
	int64_t began = clock_mono_us();
	size_t i;

	b.pushing = true;
	b.done = false;
	b.pages_left = pages;
	for (i = 0; i < PUBLISH_PAGES; i++)
		push_page(b.rows[i]);
	run_until(&b.done);
	b.pushing = false;
	return (double)pages * STORE_OUTBOX_PAGE * 1e6 /
	    (double)(clock_mono_us() - began);
}

/* redis-benchmark's own figure, for keys that are mostly new. */
static double
rate_bare(void)
{
	char command[900], line[300];
	double rate = 0;
	FILE *f;

	snprintf(command, sizeof(command),
	    "redis-benchmark -s %s --csv -c 1 -P %d -n %u -r 1000000000 "
	    "FCALL jpki_set 1 jpki:st:%s:__rand_int__ 1 H 6 1795485600 1 ''",
	    in_dir("redis.sock"), IN_FLIGHT, pages * STORE_OUTBOX_PAGE,
	    b.issuer);
	if ((f = popen(command, "r")) == NULL)
		err(1, "redis-benchmark");
	while (fgets(line, sizeof(line), f) != NULL)
		if (strstr(line, "\",\"") != NULL && line[1] == 'F')
			rate = strtod(strstr(line, "\",\"") + 3, NULL);
	pclose(f);
	if (rate <= 0)
		errx(1, "redis-benchmark gave no rate");
	return rate;
}

static void
bench_rate(void)
{
	double ours[64], bare[64], ratio[64];
	unsigned int i;

	for (i = 0; i < rounds; i++) {
		ours[i] = rate_ours();
		bare[i] = rate_bare();
		ratio[i] = ours[i] / bare[i];
	}
	printf("pushed and read back %.0f/s, redis-benchmark's FCALL %.0f/s, "
	       "%d in flight\n",
	    median(ours, rounds), median(bare, rounds), IN_FLIGHT);
	report("push-rate", median(ratio, rounds), ">=", 0.8);
}

/* ---- push-delay */

static void probe_begin(void *ctx);

static void
hold_submit(struct store_hold *r, void (*done)(struct store_req *req))
{
	fill_hold(r, ++b.person);
	r->req.done = done;
	store_hold(b.store, r);
}

static void
hold_committed(struct store_req *req)
{
	if (req->err.code != ERR_NONE)
		errx(1, "hold failed: %s", req->err.text);
	publish_kick(b.publish);
}

/* One of the 200 in a second. */
static void
other_committed(struct store_req *req)
{
	hold_committed(req);
	free((char *)req - offsetof(struct store_hold, req));
}

static void
other_begin(void *ctx)
{
	(void)ctx;
	hold_submit(malloc(sizeof(struct store_hold)), other_committed);
	timer_start(b.loop.timers, &b.next_hold, EVERY_US, other_begin, NULL);
}

static void
probe_ask(void)
{
	if (ask_send(&b.ask, b.serial) == -1)
		errx(1, "the responder is gone");
	if (b.answered == NULL) /* the first question connects */
		errx(1, "nobody waits for the answer");
}

static void
probe_over(void)
{
	b.delays[b.n++] = (double)(clock_mono_us() - b.committed_us) / 1000;
	if (b.n == probes)
		b.done = true;
	else
		timer_start(b.loop.timers, &b.next_probe, 0, probe_begin, NULL);
}

static void
on_answer(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what, (void)ctx;
	switch (ask_take(&b.ask)) {
	case ASK_NOT_YET:
		break;
	case ASK_GOOD:
		probe_ask();
		break;
	case ASK_REVOKED:
		probe_over();
		break;
	default:
		errx(1, "the responder says neither good nor revoked");
	}
}

static void
probe_committed(struct store_req *req)
{
	b.committed_us = clock_mono_us();
	hold_committed(req);
	if (b.probe.n == 0)
		errx(1, "a hold held nothing");
	b.serial = b.probe.certs[b.probe.n - 1].serial;
	probe_ask();
}

static void
probe_begin(void *ctx)
{
	(void)ctx;
	hold_submit(&b.probe, probe_committed);
}

static void
bench_delay(const char *name)
{
	char figure[64];
	double p50, p99;

	b.n = 0;
	b.done = false;
	probe_begin(NULL);
	run_until(&b.done);
	p50 = median(b.delays, probes);
	p99 = quantile(b.delays, probes, 99);
	printf("%s: commit to the changed answer p50 %.2f ms, p99 %.2f ms\n",
	    name, p50, p99);
	snprintf(figure, sizeof(figure), "push-delay-%s-p99", name);
	report_in("ms", figure, p99, "<=", 1000);
}

/* ---- what is measured */

static void
on_cache_up(void *ctx)
{
	(void)ctx;
	b.cache_up = true;
	if (b.publish != NULL)
		publish_link_up(b.publish);
}

static void
on_settled(void *ctx, const struct store_outbox_row *rows,
    const enum publish_outcome *outcomes)
{
	(void)ctx;
	if (b.pushing)
		push_settled(rows, outcomes);
	else
		publish_settled(b.publish, rows, outcomes);
}

static void
on_beats_up(void *ctx, const struct redis_server *server)
{
	(void)ctx, (void)server;
	b.beats_up = true;
	redis_link_good(b.beats);
}

static void
on_beats_down(void *ctx)
{
	(void)ctx;
}

static void
on_beat(void *ctx, const struct redisReply *reply)
{
	(void)ctx;
	if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
		errx(1, "the watermark cannot be written");
	b.beaten = true;
}

/* The publisher's proof, twice a second; the real one knows less of a store
 * that is this full. */
static void
beat(void *ctx)
{
	char now[24];
	const char *argv[] = { "HSET", WATERMARK_KEY, "epoch", EPOCH, "seq",
		"5", "time", now, "state", "complete", "fence", "1" };

	(void)ctx;
	snprintf(now, sizeof(now), "%" PRId64, clock_wall_us());
	if (redis_link_send(b.beats, 12, argv, NULL, on_beat, NULL) == -1)
		errx(1, "the link for the watermark is down");
	timer_start(b.loop.timers, &b.next_beat, BEAT_US, beat, NULL);
}

static int
push(void *ctx, const struct store_outbox_row *rows, size_t n)
{
	(void)ctx;
	return cache_push(b.cache, rows, n);
}

/* Person i has certificates 2i - 1 and 2i. */
static void
fill(unsigned int people)
{
	struct store_put *rows = calloc(1000, sizeof(*rows)), *r;
	unsigned int i, person;

	for (i = 0; i < 2 * people; i++) {
		r = &rows[i % 1000];
		memset(r, 0, sizeof(*r));
		person = i / 2 + 1;
		memcpy(r->ref, &person, sizeof(person));
		crypto_hash_sha256(r->tag, (void *)&person, sizeof(person));
		strcpy(r->municipality, "131016");
		strcpy(r->cert.issuer, b.issuer);
		snprintf(r->cert.serial, sizeof(r->cert.serial), "ff%014x", i);
		r->cert.kind = i % 2 ? STORE_AUTHENTICATION : STORE_SIGNATURE;
		r->cert.not_before = 20240101;
		r->cert.not_after = 20990101;
		r->now_us = 1;
		store_put(b.store, r);
		if (i % 1000 == 999 || i + 1 == 2 * people)
			while (store_pending(b.store) > 0)
				store_dispatch(b.store);
		if (r->req.err.code != ERR_NONE)
			errx(1, "%s", r->req.err.text);
	}
	free(rows);
}

static void
open_links(void)
{
	struct cache_options cache = { .base = b.loop.base,
		.timers = b.loop.timers,
		.place = { b.address, NULL, 0, "", "", "", false,
		    { "", "", "", "" } },
		.timeout_s = 5,
		.wait_us = 300000,
		.retry_us = 100000,
		.on_up = on_cache_up,
		.on_settled = on_settled };
	struct redis_link_options beats = { .base = b.loop.base,
		.timers = b.loop.timers,
		.place = cache.place,
		.want = REDIS_ANY,
		.timeout_s = 5,
		.retry_us = 100000,
		.module = "bench",
		.hint = "",
		.on_up = on_beats_up,
		.on_down = on_beats_down };
	struct err err;

	if ((b.cache = cache_new(&cache, &err)) == NULL ||
	    (b.beats = redis_link_new(&beats, &err)) == NULL)
		errx(1, "%s", err.text);
	run_until(&b.cache_up);
	run_until(&b.beats_up);
}

/* ---- the relying party's side */

/* The SHA-1 of its key, as records have it. */
static void
read_issuer(void)
{
	const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(b.ask.ca);
	unsigned char hash[20];
	size_t i;

	EVP_Digest(ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key),
	    hash, NULL, EVP_sha1(), NULL);
	for (i = 0; i < sizeof(hash); i++)
		snprintf(b.issuer + 2 * i, 3, "%02x", hash[i]);
}

static void
write_conf(const char *path)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		err(1, "%s", path);
	fprintf(f,
	    "redis {\n\taddress = \"%s\"\n}\n"
	    "ocsp {\n\tlisten = \"127.0.0.1:0\"\n"
	    "\tissuers = { \"%s/ca.crt\" }\n"
	    "\tsigners = { \"%s/ocsp.crt\" }\n"
	    "\tkeys = { \"%s/ocsp.key\" }\n}\n",
	    b.address, dir, dir, dir);
	fclose(f);
}

/* The program that stands two folders above this one; ready, and proven. */
static pid_t
responder_start(const char *self, unsigned int *port)
{
	char program[600], line[600];
	const char *conf = in_dir("ocspd.conf");
	const char *slash = strrchr(self, '/'), *found;
	bool proven = false;
	int out[2];
	FILE *f;
	pid_t pid;

	snprintf(program, sizeof(program), "%.*s/../../holdline-ocspd",
	    slash == NULL ? 1 : (int)(slash - self),
	    slash == NULL ? "." : self);
	write_conf(conf);
	if (pipe(out) == -1 || (pid = fork()) == -1)
		err(1, "%s", program);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(out[1], STDERR_FILENO);
		close(out[0]);
		close(out[1]);
		execl(program, program, "-c", conf, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	f = fdopen(out[0], "r");
	*port = 0;
	while (
	    (!proven || *port == 0) && fgets(line, sizeof(line), f) != NULL) {
		if (strstr(line, "event=ready") != NULL &&
		    (found = strstr(line, " port=")) != NULL)
			*port = (unsigned int)strtoul(found + 6, NULL, 10);
		proven = proven || strstr(line, "event=proven") != NULL;
	}
	if (*port == 0 || !proven)
		errx(1, "%s did not start", program);
	return pid; /* f stays open, or it gets SIGPIPE */
}

static void
bench_delays(void)
{
	struct publish_options o = {
		.timers = b.loop.timers, .poll_us = 2 * CLOCK_S_US, .push = push
	};

	b.store = open_store(in_dir("store.db"), 0);
	fill(20 * probes + 10000);
	store_close(b.store);
	b.store = open_store(in_dir("store.db"), 1);
	o.store = b.store;
	b.delays = calloc(probes, sizeof(double));
	b.store_ready = event_new(b.loop.base, store_fd(b.store),
	    EV_READ | EV_PERSIST, on_store, NULL);
	event_add(b.store_ready, NULL);
	b.publish = publish_new(&o);
	b.answered = event_new(
	    b.loop.base, b.ask.fd, EV_READ | EV_PERSIST, on_answer, NULL);
	event_add(b.answered, NULL);
	bench_delay("alone");
	other_begin(NULL);
	bench_delay("loaded");
	timer_stop(b.loop.timers, &b.next_hold);
	event_free(b.answered);
	event_free(b.store_ready);
	free(b.delays);
}

int
main(int argc, char **argv)
{
	struct err error;
	unsigned int port;
	pid_t redis, responder;

	if (argc > 1 && strcmp(argv[1], "--quick") == 0)
		rounds = 7, probes = 200;
	folder_make();
	snprintf(b.address, sizeof(b.address), "unix:%s", in_dir("redis.sock"));
	atexit(folder_remove);
	log_set_level(LOG_LEVEL_ERROR);
	redis = redis_start();
	if (loop_open(&b.loop, &error) == -1)
		errx(1, "%s", error.text);
	make_authority();
	ask_open(&b.ask, 0, in_dir("ca.crt"));
	read_issuer();
	open_links();
	bench_rate();
	beat(NULL);
	run_until(&b.beaten); /* what comes now takes longer than a reply may */
	responder = responder_start(argv[0], &port);
	b.ask.port = htons((in_port_t)port);
	if (ask_connect(&b.ask) == -1)
		errx(1, "the responder does not listen");
	bench_delays();
	timer_stop(b.loop.timers, &b.next_beat);
	ask_close(&b.ask);
	kill(responder, SIGTERM);
	waitpid(responder, NULL, 0);
	store_close(b.store);
	publish_free(b.publish);
	cache_free(b.cache);
	redis_link_free(b.beats);
	loop_close(&b.loop);
	kill(redis, SIGTERM);
	waitpid(redis, NULL, 0);
	return 0;
}
