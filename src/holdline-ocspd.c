/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdline-ocspd -- the OCSP responder: wiring only.  It knows the signing key
 * and no personal data; it does not open the store.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
#include "service.h"
#include "wire/http_server.h"
#include "wire/redis_link.h"

#define BACKLOG 4096
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
	struct service service;
	struct ocsp_issuers *issuers;
	struct ocsp_renewal *renewal;
	struct ocsp_responder *responder;
	struct ocsp_lookup *lookup;
	struct ocsp_front *front;
	struct http_server *http, *metrics;
	struct event *signed_ready; /* owned */
	struct timer drain;
	bool stopping;
};

/* ---- the loop's own events */

static void
daemon_signed(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	ocsp_responder_dispatch(((struct daemon *)ctx)->responder);
}

/* Watch for signatures that threads have made; there may be no threads. */
static int
daemon_watch_signing(struct daemon *d)
{
	int fd = ocsp_responder_fd(d->responder);

	service_event_free(d->signed_ready);
	d->signed_ready = NULL;
	if (fd == -1)
		return 0;
	d->signed_ready = service_event_new(&d->service, fd, daemon_signed, d);
	return d->signed_ready == NULL ? -1 : 0;
}

static int
daemon_renewed(void *ctx, struct ocsp_signers *signers)
{
	struct daemon *d = ctx;
	struct err err;

	/* Its descriptor goes with what it watched. */
	service_event_free(d->signed_ready);
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
	service_end(&((struct daemon *)ctx)->service);
}

static void
daemon_stop(evutil_socket_t sig, short what, void *ctx)
{
	struct daemon *d = ctx;

	(void)what;
	if (d->stopping) {
		service_end(&d->service);
		return;
	}
	d->stopping = true;
	log_info("ocspd", NULL, "event=stopping signal=%d connections=%u",
	    (int)sig, http_server_counts(d->http)->connections);
	http_server_stop(d->http);
	timer_start(
	    d->service.loop.timers, &d->drain, DRAIN_US, daemon_drained, d);
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
	service_event_free(d->signed_ready);
	ocsp_responder_free(d->responder);
	ocsp_front_free(d->front);
	ocsp_renewal_free(d->renewal);
	ocsp_issuers_free(d->issuers);
	service_close(&d->service);
	keyring_free(d->mac);
	conf_free(d->conf);
}

/* ---- beginning */

static int
daemon_descriptors(const struct conf *conf, struct err *err)
{
	return service_descriptors("ocsp.max_connections + ocsp.max_downloads",
	    conf->ocsp_max_connections + conf->ocsp_max_downloads +
		METRICS_CONNECTIONS,
	    err);
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
	const struct ocsp_renewal_options options = {
		.timers = d->service.loop.timers,
		.issuers = d->issuers,
		.signers = &d->conf->ocsp_signers,
		.keys = &d->conf->ocsp_keys,
		.alarm_us = d->conf->ocsp_signer_alarm_us,
		.on_renewed = daemon_renewed,
		.ctx = d
	};

	d->renewal = ocsp_renewal_new(&options, err);
	return d->renewal == NULL ? err_add(err, "ocsp.signers") : 0;
}

static int
daemon_open_lookup(struct daemon *d, struct err *err)
{
	struct redis_link_options link = { .want = REDIS_ANY,
		.timeout_s = redis_timeout_s(d->conf),
		.retry_us = d->conf->redis_retry_us,
		.module = "ocsp",
		.hint = "until then the answer is tryLater",
		.lost = METRIC_OCSP_LINK_LOST };
	const struct ocsp_lookup_options lookup = { .base =
							d->service.loop.base,
		.timers = d->service.loop.timers,
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
		.timers = d->service.loop.timers,
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
	d->front =
	    ocsp_front_new(d->responder, d->service.loop.timers, conf->crl_dir);
	if (d->front == NULL || daemon_watch_signing(d) == -1)
		return err_set(err, ERR_NOMEM, "out of memory");
	return 0;
}

static int
daemon_open_http(struct daemon *d, struct err *err)
{
	const struct conf *conf = d->conf;
	struct http_server_options options = { .base = d->service.loop.base,
		.timers = d->service.loop.timers,
		.listen = conf->ocsp_listen,
		.backlog = BACKLOG,
		.share_port = conf->ocsp_share_port,
		.max_connections = conf->ocsp_max_connections,
		.max_files = conf->ocsp_max_downloads,
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
	options.max_files = 0;
	options.on_request = daemon_tell;
	options.ctx = d;
	if ((d->metrics = http_server_new(&options, err)) == NULL)
		return err_add(err, "ocsp.metrics");
	return 0;
}

static int
daemon_watch_signals(struct daemon *d, struct err *err)
{
	struct service *s = &d->service;

	if (service_watch(s, SIGTERM, EV_SIGNAL, daemon_stop, d, err) == -1 ||
	    service_watch(s, SIGINT, EV_SIGNAL, daemon_stop, d, err) == -1)
		return -1;
	return service_watch(s, SIGHUP, EV_SIGNAL, daemon_hup, d, err);
}

/* All that can be wrong in files. */
static int
daemon_load(struct daemon *d, struct err *err)
{
	if (service_open(&d->service, err) == -1 ||
	    daemon_descriptors(d->conf, err) == -1 ||
	    daemon_check_metrics(d->conf, err) == -1 ||
	    redis_mac_load(d->conf, &d->mac, err) == -1 ||
	    daemon_load_issuers(d, err) == -1 ||
	    daemon_load_signers(d, err) == -1)
		return -1;
	return 0;
}

static int
daemon_open(struct daemon *d, struct err *err)
{
	if (daemon_load(d, err) == -1 || daemon_watch_signals(d, err) == -1 ||
	    daemon_open_responder(d, err) == -1 ||
	    daemon_open_lookup(d, err) == -1 || daemon_open_http(d, err) == -1)
		return -1;
	return 0;
}

static bool
daemon_is_over(void *ctx)
{
	struct daemon *d = ctx;

	return d->stopping && http_server_counts(d->http)->connections == 0;
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
	service_run(&d->service, daemon_is_over, d);
	metric_log();
	log_info("ocspd", NULL, "event=stopped");
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

	if ((rc = service_options(
		 argc, argv, "holdline-ocspd", usage, &path, &test)) != -1)
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
