/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault/watch_cache -- play the responder while faults are injected.
 *
 *	watch_cache CONF
 *
 * Reads the cache where responders do, over a connection of its own, and judges
 * as they do, hundreds of times a second.  Standard input names certificates
 * that are held from now on, "ISSUER SERIAL" a line; one that is judged good in
 * any round begun afterwards is a violation.  At the line "end" it tells what it
 * saw, and fails if there was one.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/timer.h"
#include "wire/loop.h"
#include "wire/redis_link.h"
#include "wire/status_record.h"

#define CERTS_MAX 1000
#define PAUSE_US 2000

struct cert {
	char key[RECORD_KEY_SIZE];
	struct record record; /* of this round */
	unsigned long good, held, unproven;
};

static struct {
	struct loop loop;
	struct redis_link *link;
	struct keyring *mac;
	struct timer next;
	struct watermark wm;
	struct watermark_seen seen;
	struct cert certs[CERTS_MAX];
	size_t n, asked, answered; /* certificates; of this round */
	bool broken;               /* a reply of this round is missing */
	unsigned long rounds, proven;
	char line[200];
	size_t used;
} watch;

static void round_begin(void *ctx);

static void
cert_judge(struct cert *c)
{
	switch (
	    record_judge(&c->record, &watch.wm, &watch.seen, clock_wall_us())) {
	case RECORD_IS_GOOD:
		if (c->good++ == 0)
			printf("VIOLATION %s: held, and judged good (%s, "
			       "generation %lld)\n",
			    c->key, record_found_name(c->record.found),
			    (long long)c->record.generation);
		break;
	case RECORD_IS_UNPROVEN:
		c->unproven++;
		break;
	default:
		c->held++;
	}
}

static void
round_end(void)
{
	size_t i;

	if (!watch.broken) {
		watermark_note(&watch.seen, &watch.wm, clock_wall_us());
		watch.rounds++;
		watch.proven +=
		    watermark_proves(&watch.wm, &watch.seen, clock_wall_us());
		for (i = 0; i < watch.asked; i++)
			cert_judge(&watch.certs[i]);
	}
	fflush(stdout);
	timer_start(
	    watch.loop.timers, &watch.next, PAUSE_US, round_begin, NULL);
}

static void
on_record(void *ctx, const struct redisReply *reply)
{
	struct cert *c = ctx;

	if (reply == NULL)
		watch.broken = true;
	else
		record_parse(&c->record, c->key, watch.mac, reply);
	if (++watch.answered == watch.asked + 1)
		round_end();
}

static void
on_watermark(void *ctx, const struct redisReply *reply)
{
	(void)ctx;
	if (reply == NULL)
		watch.broken = true;
	else
		watermark_parse(&watch.wm, watch.mac, reply);
	if (++watch.answered == watch.asked + 1)
		round_end();
}

/* The watermark first: what it proves must hold for what is read after it. */
static void
round_begin(void *ctx)
{
	const char *wm[] = { "HMGET", WATERMARK_KEY, WATERMARK_FIELDS };
	size_t i, n = watch.n;

	(void)ctx;
	if (redis_link_room(watch.link) < n + 1) {
		timer_start(watch.loop.timers, &watch.next, PAUSE_US,
		    round_begin, NULL);
		return;
	}
	watch.asked = n;
	watch.answered = 0;
	watch.broken = false;
	if (redis_link_send(watch.link, 2 + WATERMARK_N_FIELDS, wm, NULL,
		on_watermark, NULL) == -1)
		exit(3);
	for (i = 0; i < n; i++) {
		const char *get[] = { "HMGET", watch.certs[i].key,
			RECORD_FIELDS };

		if (redis_link_send(watch.link, 2 + RECORD_N_FIELDS, get, NULL,
			on_record, &watch.certs[i]) == -1)
			exit(3);
	}
}

static void
on_up(void *ctx, const struct redis_server *server)
{
	(void)ctx, (void)server;
	redis_link_good(watch.link);
}

static void
on_down(void *ctx)
{
	(void)ctx;
}

/* ---- who is held */

static void
take_line(const char *line)
{
	char issuer[RECORD_ISSUER_HEX + 1], serial[RECORD_SERIAL_MAX + 1];

	if (strcmp(line, "end") == 0) {
		event_base_loopexit(watch.loop.base, NULL);
		return;
	}
	if (sscanf(line, "%40s %40s", issuer, serial) != 2 ||
	    watch.n == CERTS_MAX) {
		fprintf(stderr,
		    "watch_cache: \"%s\" is not \"ISSUER SERIAL\"\n", line);
		exit(3);
	}
	record_key(issuer, serial, watch.certs[watch.n++].key);
}

static void
on_input(evutil_socket_t fd, short what, void *ctx)
{
	ssize_t n;
	char *end;

	(void)what, (void)ctx;
	n = read(
	    fd, watch.line + watch.used, sizeof(watch.line) - 1 - watch.used);
	if (n <= 0) {
		event_base_loopexit(watch.loop.base, NULL);
		return;
	}
	watch.used += (size_t)n;
	watch.line[watch.used] = '\0';
	while ((end = strchr(watch.line, '\n')) != NULL) {
		*end++ = '\0';
		take_line(watch.line);
		watch.used = strlen(end);
		memmove(watch.line, end, watch.used + 1);
	}
}

static void
run(void)
{
	struct event *input = event_new(watch.loop.base, STDIN_FILENO,
	    EV_READ | EV_PERSIST, on_input, NULL);

	event_add(input, NULL);
	timer_start(watch.loop.timers, &watch.next, 0, round_begin, NULL);
	while (!event_base_got_exit(watch.loop.base) &&
	    loop_turn(&watch.loop, INT64_MAX) == 0)
		;
	event_free(input);
}

static int
tell(void)
{
	unsigned long good = 0, held = 0, unproven = 0;
	size_t i;

	for (i = 0; i < watch.n; i++) {
		good += watch.certs[i].good;
		held += watch.certs[i].held;
		unproven += watch.certs[i].unproven;
	}
	printf("watched %zu held certificates in %lu rounds, %lu of them with "
	       "a proof: judged held %lu, unproven %lu, good %lu times\n",
	    watch.n, watch.rounds, watch.proven, held, unproven, good);
	return good > 0;
}

int
main(int argc, char **argv)
{
	struct redis_link_options o = { .want = REDIS_ANY,
		.timeout_s = 1,
		.retry_us = 20000,
		.module = "watch",
		.hint = "nothing is judged meanwhile",
		.lost = METRIC_PUBLISH_LINK_LOST,
		.on_up = on_up,
		.on_down = on_down };
	struct conf *conf;
	struct err err;
	int rc;

	if (argc != 2) {
		fputs("usage: watch_cache CONF <\"ISSUER SERIAL\" lines\n",
		    stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LEVEL_WARN);
	if ((conf = conf_load(argv[1], &err)) == NULL)
		goto fail;
	if (redis_mac_load(conf, &watch.mac, &err) == -1 ||
	    loop_open(&watch.loop, &err) == -1)
		goto fail;
	o.base = watch.loop.base;
	o.timers = watch.loop.timers;
	redis_place_from_conf(conf, true, &o.place);
	if ((watch.link = redis_link_new(&o, &err)) == NULL)
		goto fail;
	run();
	rc = tell();
	redis_link_free(watch.link);
	timer_stop(watch.loop.timers, &watch.next);
	loop_close(&watch.loop);
	keyring_free(watch.mac);
	conf_free(conf);
	return rc;

fail:
	fprintf(stderr, "watch_cache: %s\n", err.text);
	return 2;
}
