/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdline-ocspd -- the OCSP responder: wiring only.  It knows the signing key
 * and no personal data; it does not open the store.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/secret.h"
#include "base/timer.h"
#include "ocsp/front.h"
#include "ocsp/issuer.h"
#include "ocsp/lookup.h"
#include "ocsp/renewal.h"
#include "ocsp/responder.h"
#include "ocsp/signer.h"
#include "ocsp/tell.h"
#include "wire/http_server.h"
#include "wire/redis_link.h"

#define BACKLOG 4096
#define DESCRIPTORS_OURS 64 /* besides connections: cache, files, events */
#define DRAIN_US (5 * CLOCK_S_US)
#define METRICS_CONNECTIONS 16

static const char usage[] =
    "Usage: holdline-ocspd -c FILE\n"
    "\n"
    "Answers OCSP from the revocation cache, and serves CRLs.  Stays in the\n"
    "foreground and logs to standard error.\n"
    "\n"
    "  -c, --config FILE   the configuration; holdline conf prints one\n"
    "  -t, --test          check the configuration, certificates and keys,\n"
    "                      and exit\n"
    "  -h, --help          this text\n"
    "  -V, --version       the version\n"
    "\n"
    "Signals: TERM or INT answer what has been asked and end; HUP loads the\n"
    "signers' certificates and keys anew; USR1 logs the counters.\n"
    "\n"
    "Example: holdline-ocspd -c /etc/holdline/holdline.conf\n";

struct daemon {
	struct conf *conf;
	struct keyring *mac;
	struct event_base *base;
	struct timers *timers;
	struct ocsp_issuers *issuers;
	struct ocsp_renewal *renewal;
	struct ocsp_responder *responder;
	struct ocsp_lookup *lookup;
	struct ocsp_front *front;
	struct http_server *http, *metrics;
	struct event *tick, *signed_ready;
	struct event *on_term, *on_int, *on_usr1, *on_hup;
	struct timer drain;
	bool stopping;
};

/* ---- the loop's own events */

static void
daemon_tick(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	timers_run(((struct daemon *)ctx)->timers);
}

/* One libevent timer serves all timers: armed before each wait. */
static void
daemon_arm(struct daemon *d)
{
	int64_t next = timers_next(d->timers), wait_us;
	struct timeval tv;

	if (next == INT64_MAX) {
		evtimer_del(d->tick);
		return;
	}
	wait_us = next - timers_mono_us(d->timers);
	if (wait_us < 0)
		wait_us = 0;
	tv.tv_sec = wait_us / CLOCK_S_US;
	tv.tv_usec = wait_us % CLOCK_S_US;
	evtimer_add(d->tick, &tv);
}

static void
daemon_signed(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	ocsp_responder_dispatch(((struct daemon *)ctx)->responder);
}

static struct event *
daemon_watch(struct daemon *d, int fd, short what, event_callback_fn fn)
{
	struct event *event = event_new(d->base, fd, what | EV_PERSIST, fn, d);

	if (event != NULL && event_add(event, NULL) == -1) {
		event_free(event);
		event = NULL;
	}
	return event;
}

static void
free_event(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

/* Watch for signatures that threads have made; there may be no threads. */
static int
daemon_watch_signing(struct daemon *d)
{
	int fd = ocsp_responder_fd(d->responder);

	free_event(d->signed_ready);
	d->signed_ready = NULL;
	if (fd == -1)
		return 0;
	d->signed_ready = daemon_watch(d, fd, EV_READ, daemon_signed);
	return d->signed_ready == NULL ? -1 : 0;
}

static int
daemon_renewed(void *ctx, struct ocsp_signers *signers)
{
	struct daemon *d = ctx;
	struct err err;

	/* Its descriptor goes with what it watched. */
	free_event(d->signed_ready);
	d->signed_ready = NULL;
	if (ocsp_responder_renew(d->responder, signers, &err) == -1) {
		log_error("ocspd", NULL, "event=signers-refused %s", err.text);
		(void)daemon_watch_signing(d);
		return -1;
	}
	return daemon_watch_signing(d);
}

static void
daemon_hup(evutil_socket_t sig, short what, void *ctx)
{
	(void)sig, (void)what;
	ocsp_renewal_now(((struct daemon *)ctx)->renewal);
}

static void
daemon_counters(evutil_socket_t sig, short what, void *ctx)
{
	(void)sig, (void)what, (void)ctx;
	metric_log();
}

static void
daemon_look_up(void *ctx, struct ocsp_ask *ask)
{
	ocsp_lookup_ask(((struct daemon *)ctx)->lookup, ask);
}

static void
daemon_tell(void *ctx, struct http_exchange *exchange,
    const struct http_request *request)
{
	struct daemon *d = ctx;

	ocsp_tell(exchange, request, http_server_counts(d->http),
	    ocsp_lookup_proven(d->lookup));
}

/* ---- ending */

static void
daemon_drained(void *ctx)
{
	event_base_loopexit(((struct daemon *)ctx)->base, NULL);
}

static void
daemon_stop(evutil_socket_t sig, short what, void *ctx)
{
	struct daemon *d = ctx;

	(void)what;
	if (d->stopping) {
		event_base_loopexit(d->base, NULL);
		return;
	}
	d->stopping = true;
	log_info("ocspd", NULL, "event=stopping signal=%d connections=%u",
	    (int)sig, http_server_counts(d->http)->connections);
	http_server_stop(d->http);
	timer_start(d->timers, &d->drain, DRAIN_US, daemon_drained, d);
}

/* Those who wait are answered into nothing. */
static void
daemon_close(struct daemon *d)
{
	http_server_free(d->http);
	http_server_free(d->metrics);
	ocsp_lookup_free(d->lookup);
	if (d->responder != NULL)
		ocsp_responder_drain(d->responder);
	free_event(d->signed_ready);
	ocsp_responder_free(d->responder);
	ocsp_front_free(d->front);
	ocsp_renewal_free(d->renewal);
	ocsp_issuers_free(d->issuers);
	free_event(d->tick);
	free_event(d->on_term);
	free_event(d->on_int);
	free_event(d->on_usr1);
	free_event(d->on_hup);
	timers_free(d->timers);
	if (d->base != NULL) {
		/* bufferevents are freed in one more turn of the loop */
		event_base_loop(d->base, EVLOOP_NONBLOCK);
		event_base_free(d->base);
	}
	keyring_free(d->mac);
	conf_free(d->conf);
}

/* ---- beginning */

/* As many descriptors as connections need, or a sentence that says so. */
static int
daemon_descriptors(const struct conf *conf, struct err *err)
{
	rlim_t need = (rlim_t)conf->ocsp_max_connections + DESCRIPTORS_OURS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return err_set(
		    err, ERR_IO, "RLIMIT_NOFILE: %s", strerror(errno));
	if (limit.rlim_cur >= need)
		return 0;
	limit.rlim_cur = need;
	if (limit.rlim_max < need)
		limit.rlim_max = need; /* root may */
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		return err_set(err, ERR_RANGE,
		    "ocsp.max_connections %u needs %llu file descriptors and "
		    "the limit is lower: raise LimitNOFILE (ulimit -n) or "
		    "lower ocsp.max_connections",
		    conf->ocsp_max_connections, (unsigned long long)need);
	return 0;
}

/* The counters are nobody else's business. */
static int
daemon_check_metrics(const struct conf *conf, struct err *err)
{
	const char *at = conf->ocsp_metrics;

	if (at[0] != '\0' && strncmp(at, "127.", 4) != 0 &&
	    strncmp(at, "[::1]:", 6) != 0 && strncmp(at, "unix:", 5) != 0)
		return err_set(err, ERR_REFUSED,
		    "ocsp.metrics: %s is not on loopback; name 127.0.0.1:PORT "
		    "or unix:PATH",
		    at);
	return 0;
}

static int
daemon_load_issuers(struct daemon *d, struct err *err)
{
	const struct conf_list *list = &d->conf->ocsp_issuers;

	d->issuers = ocsp_issuers_load(list->at, list->n, err);
	return d->issuers == NULL ? err_add(err, "ocsp.issuers") : 0;
}

static int
daemon_load_signers(struct daemon *d, struct err *err)
{
	const struct ocsp_renewal_options options = { .timers = d->timers,
		.issuers = d->issuers,
		.signers = &d->conf->ocsp_signers,
		.keys = &d->conf->ocsp_keys,
		.alarm_us = d->conf->ocsp_signer_alarm_us,
		.on_renewed = daemon_renewed,
		.ctx = d };

	d->renewal = ocsp_renewal_new(&options, err);
	return d->renewal == NULL ? err_add(err, "ocsp.signers") : 0;
}

static int
daemon_load_mac(struct daemon *d, struct err *err)
{
	if (d->conf->redis_mac_key_file[0] == '\0')
		return 0;
	d->mac = keyring_load_cache(d->conf->redis_mac_key_file, err);
	return d->mac == NULL ? err_add(err, "redis.mac_key_file") : 0;
}

static int
daemon_open_lookup(struct daemon *d, struct err *err)
{
	struct redis_link_options link = { .want = REDIS_ANY,
		.timeout_s = (unsigned int)((d->conf->redis_timeout_us +
						CLOCK_S_US - 1) /
		    CLOCK_S_US),
		.retry_us = d->conf->redis_retry_us,
		.module = "ocsp",
		.hint = "until then the answer is tryLater",
		.lost = METRIC_OCSP_LINK_LOST };
	const struct ocsp_lookup_options lookup = { .base = d->base,
		.timers = d->timers,
		.link = &link,
		.mac = d->mac,
		.wait_us = d->conf->ocsp_redis_wait_us };

	redis_place_from_conf(d->conf, true, &link.place);
	d->lookup = ocsp_lookup_new(&lookup, err);
	return d->lookup == NULL ? -1 : 0;
}

static int
daemon_open_responder(struct daemon *d, struct err *err)
{
	const struct conf *conf = d->conf;
	const struct ocsp_responder_options options = { .issuers = d->issuers,
		.timers = d->timers,
		.look_up = daemon_look_up,
		.ctx = d,
		.max_certs = conf->ocsp_max_certs,
		.kept_max = conf->ocsp_kept,
		.fresh_s = conf->ocsp_fresh_us / CLOCK_S_US,
		.fresh_revoked_s = conf->ocsp_fresh_revoked_us / CLOCK_S_US,
		.sign_threads = conf->ocsp_sign_threads,
		.sign_queue = conf->ocsp_sign_queue };

	d->responder =
	    ocsp_responder_new(&options, ocsp_renewal_signers(d->renewal), err);
	if (d->responder == NULL)
		return -1;
	d->front = ocsp_front_new(d->responder, d->timers, conf->crl_dir);
	if (d->front == NULL || daemon_watch_signing(d) == -1)
		return err_set(err, ERR_NOMEM, "out of memory");
	return 0;
}

static int
daemon_open_http(struct daemon *d, struct err *err)
{
	const struct conf *conf = d->conf;
	struct http_server_options options = { .base = d->base,
		.timers = d->timers,
		.listen = conf->ocsp_listen,
		.backlog = BACKLOG,
		.share_port = conf->ocsp_share_port,
		.max_connections = conf->ocsp_max_connections,
		.body_max = OCSP_REQUEST_MAX,
		.request_us = conf->ocsp_request_us,
		.idle_us = conf->ocsp_idle_us,
		.on_request = ocsp_front_serve,
		.on_drained = NULL,
		.ctx = d->front };

	if ((d->http = http_server_new(&options, err)) == NULL)
		return err_add(err, "ocsp.listen");
	if (conf->ocsp_metrics[0] == '\0')
		return 0;
	options.listen = conf->ocsp_metrics;
	options.share_port = false;
	options.max_connections = METRICS_CONNECTIONS;
	options.on_request = daemon_tell;
	options.ctx = d;
	if ((d->metrics = http_server_new(&options, err)) == NULL)
		return err_add(err, "ocsp.metrics");
	return 0;
}

static int
daemon_open_loop(struct daemon *d, struct err *err)
{
	d->base = event_base_new();
	if (d->base == NULL ||
	    (d->tick = evtimer_new(d->base, daemon_tick, d)) == NULL ||
	    (d->on_term = daemon_watch(d, SIGTERM, EV_SIGNAL, daemon_stop)) ==
		NULL ||
	    (d->on_int = daemon_watch(d, SIGINT, EV_SIGNAL, daemon_stop)) ==
		NULL ||
	    (d->on_hup = daemon_watch(d, SIGHUP, EV_SIGNAL, daemon_hup)) ==
		NULL ||
	    (d->on_usr1 = daemon_watch(
		 d, SIGUSR1, EV_SIGNAL, daemon_counters)) == NULL)
		return err_set(err, ERR_NOMEM, "cannot set up the event loop");
	return 0;
}

/* All that can be wrong in files. */
static int
daemon_load(struct daemon *d, struct err *err)
{
	if ((d->timers = timers_new(&timer_clock_real)) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (daemon_descriptors(d->conf, err) == -1 ||
	    daemon_check_metrics(d->conf, err) == -1 ||
	    daemon_load_mac(d, err) == -1 ||
	    daemon_load_issuers(d, err) == -1 ||
	    daemon_load_signers(d, err) == -1)
		return -1;
	return 0;
}

static int
daemon_open(struct daemon *d, struct err *err)
{
	if (daemon_load(d, err) == -1 || daemon_open_loop(d, err) == -1 ||
	    daemon_open_responder(d, err) == -1 ||
	    daemon_open_lookup(d, err) == -1 || daemon_open_http(d, err) == -1)
		return -1;
	return 0;
}

static void
daemon_run(struct daemon *d)
{
	size_t i;

	for (i = 0; i < ocsp_issuers_count(d->issuers); i++)
		log_info("ocspd", NULL, "event=issuer key_hash=%s file=%s",
		    ocsp_issuer_hex(d->issuers, i),
		    ocsp_issuer_path(d->issuers, i));
	log_info("ocspd", NULL,
	    "event=ready version=" PACKAGE_VERSION " listen=%s port=%u",
	    d->conf->ocsp_listen, http_server_port(d->http));
	while (!event_base_got_exit(d->base)) {
		if (d->stopping &&
		    http_server_counts(d->http)->connections == 0)
			break;
		daemon_arm(d);
		if (event_base_loop(d->base, EVLOOP_ONCE) == -1)
			break;
		timers_run(d->timers);
	}
	metric_log();
	log_info("ocspd", NULL, "event=stopped");
}

/* Returns -1 to go on, else an exit status. */
static int
parse_options(int argc, char **argv, const char **path, bool *test)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "test", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:thV", options, NULL)) != -1)
		switch (c) {
		case 'c':
			*path = optarg;
			break;
		case 't':
			*test = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'V':
			puts("holdline-ocspd " PACKAGE_VERSION);
			return 0;
		default:
			fputs("holdline-ocspd: see holdline-ocspd --help\n",
			    stderr);
			return 2;
		}
	if (*path == NULL || optind < argc) {
		fputs("holdline-ocspd: say where the configuration is, and "
		      "nothing else: holdline-ocspd -c FILE\n",
		    stderr);
		return 2;
	}
	return -1;
}

int
main(int argc, char **argv)
{
	struct daemon d = { 0 };
	const char *path = NULL;
	enum log_level level;
	bool test = false;
	struct err err;
	int rc;

	if ((rc = parse_options(argc, argv, &path, &test)) != -1)
		return rc;
	signal(SIGPIPE, SIG_IGN);
	secret_no_core();
	rc = 1;
	if ((d.conf = conf_load(path, &err)) == NULL) {
		fprintf(stderr, "holdline-ocspd: %s\n", err.text);
		return 1;
	}
	if (log_level_parse(d.conf->log_level, &level) == 0)
		log_set_level(test ? LOG_LEVEL_WARN : level);
	if (test) {
		if ((rc = daemon_load(&d, &err)) == -1)
			fprintf(
			    stderr, "holdline-ocspd: %s: %s\n", path, err.text);
		else
			puts("the configuration is good");
		rc = rc == 0 ? 0 : 1;
	} else if (daemon_open(&d, &err) == -1) {
		log_error("ocspd", NULL, "event=no-start %s", err.text);
	} else {
		daemon_run(&d);
		rc = 0;
	}
	daemon_close(&d);
	return rc;
}
