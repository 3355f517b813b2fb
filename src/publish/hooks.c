/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "publish/hooks.h"
#include "publish/notice.h"

#define ANSWER_MAX 65536 /* bytes that an authority may answer */
#define POLL_US (2 * CLOCK_S_US)
#define CA_REQUESTS 3 /* ask, tell, ask again */

/* What an authority is reached with. */
struct authority {
	struct ca_issuers issuers;
	struct webhook_secret secret;
	char url[WEBHOOK_URL_MAX]; /* without a slash at its end */
};

struct hooks {
	struct hooks_options o;
	struct web *web;
	struct authority *authority; /* NULL = none is told */
	struct ca *ca;
	struct notice *notice;
	struct dispatch *dispatches[STORE_TELL_COUNT]; /* NULL = not told */
};

static bool
is_off(const char *setting)
{
	return strcmp(setting, "off") == 0;
}

unsigned int
hooks_tell(const struct conf *conf)
{
	unsigned int tell = 0;

	if (!is_off(conf->ca_connector))
		tell |= 1U << STORE_TELL_CA;
	if (!is_off(conf->notice_holder))
		tell |= 1U << STORE_TELL_HOLDER;
	if (!is_off(conf->notice_municipality))
		tell |= 1U << STORE_TELL_MUNICIPALITY;
	return tell;
}

/* ---- the authority */

static bool
is_ejbca(const struct conf *conf)
{
	return strcmp(conf->ca_connector, "ejbca") == 0;
}

static int
authority_fill(struct authority *a, const struct conf *conf, struct err *err)
{
	size_t len = strlen(conf->ca_url);

	while (len > 0 && conf->ca_url[len - 1] == '/')
		len--;
	if (len == 0 || len >= sizeof(a->url))
		return err_set(err, ERR_PARSE,
		    "ca.connector needs ca.url, which is empty or too long");
	memcpy(a->url, conf->ca_url, len);
	a->url[len] = '\0';
	if (is_ejbca(conf)) {
		if (conf->ca_issuers[0] == '\0')
			return err_set(err, ERR_PARSE,
			    "EJBCA needs the issuers' names: set ca.issuers");
		if (ca_issuers_load(conf->ca_issuers, &a->issuers, err) == -1)
			return err_add(err, "ca.issuers");
		return 0;
	}
	if (conf->ca_secret_file[0] == '\0')
		return err_set(err, ERR_PARSE,
		    "a webhook needs a secret: set ca.secret_file");
	if (webhook_secret_load(conf->ca_secret_file, &a->secret, err) == -1)
		return err_add(err, "ca.secret_file");
	return 0;
}

/* Owned (free); NULL with *err. */
static struct authority *
authority_new(const struct conf *conf, struct err *err)
{
	struct authority *a = calloc(1, sizeof(*a));

	if (a == NULL)
		err_set(err, ERR_NOMEM, "out of memory");
	else if (authority_fill(a, conf, err) == -1) {
		free(a);
		a = NULL;
	}
	return a;
}

static int
hooks_open_ca(struct hooks *h, struct err *err)
{
	const struct conf *conf = h->o.conf;
	struct ca_options ca = { .web = h->web,
		.timers = h->o.timers,
		.connector = is_ejbca(conf) ? &ca_ejbca : &ca_webhook,
		.peer = { .ca_file = conf->ca_tls_ca,
		    .cert_file = conf->ca_tls_cert,
		    .key_file = conf->ca_tls_key,
		    .proxy = conf->ca_proxy,
		    .connect_us = conf->ca_timeout_us,
		    .timeout_us = conf->ca_timeout_us,
		    .answer_max = ANSWER_MAX } };

	if (is_off(conf->ca_connector))
		return 0;
	if ((h->authority = authority_new(conf, err)) == NULL)
		return -1;
	ca.site = (struct ca_site){ .url = h->authority->url,
		.issuers = &h->authority->issuers,
		.secret = &h->authority->secret,
		.backdate = conf->ca_backdate };
	if ((h->ca = ca_new(&ca)) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	return 0;
}

/* ---- notices */

static int
hooks_open_notice(struct hooks *h, struct err *err)
{
	struct notice_options notice = { .web = h->web,
		.timers = h->o.timers,
		.keys = h->o.keys,
		.conf = h->o.conf };

	if (is_off(h->o.conf->notice_holder) &&
	    is_off(h->o.conf->notice_municipality))
		return 0;
	h->notice = notice_new(&notice, err);
	return h->notice == NULL ? -1 : 0;
}

/* ---- the drivers */

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static struct dispatch_options
ca_dispatch(const struct hooks *h)
{
	const struct conf *conf = h->o.conf;

	return (struct dispatch_options){ .port = ca_port(h->ca),
		.flying = conf->ca_in_flight,
		.lease_us = CA_REQUESTS * conf->ca_timeout_us + 5 * CLOCK_S_US,
		.retry_us = conf->ca_retry_us,
		.retry_max_us = conf->ca_retry_max_us,
		.audit_us = conf->ca_audit_us,
		.faults_max = conf->ca_faults,
		.pause_us = conf->ca_pause_us };
}

static struct dispatch_options
notice_dispatch(const struct hooks *h)
{
	const struct conf *conf = h->o.conf;

	return (struct dispatch_options){ .port = notice_port(h->notice),
		.flying = conf->notice_in_flight,
		.lease_us = conf->notice_timeout_us + 5 * CLOCK_S_US,
		.retry_us = conf->notice_retry_us,
		.retry_max_us = conf->notice_retry_max_us,
		.give_up_us = conf->notice_give_up_us,
		.faults_max = conf->notice_faults,
		.pause_us = conf->notice_pause_us };
}

static int
hooks_open_dispatches(struct hooks *h, struct err *err)
{
	unsigned int tell = hooks_tell(h->o.conf);
	struct dispatch_options o;
	int kind;

	for (kind = 0; kind < STORE_TELL_COUNT; kind++) {
		if ((tell & 1U << kind) == 0)
			continue;
		o = kind == STORE_TELL_CA ? ca_dispatch(h) : notice_dispatch(h);
		o.store = h->o.store;
		o.timers = h->o.timers;
		o.kind = (enum store_dispatch_kind)kind;
		o.poll_us = least(o.retry_us, POLL_US);
		if ((h->dispatches[kind] = dispatch_new(&o)) == NULL)
			return err_set(err, ERR_NOMEM, "out of memory");
	}
	return 0;
}

/* ---- all of it */

struct hooks *
hooks_new(const struct hooks_options *options, struct err *err)
{
	struct hooks *h = calloc(1, sizeof(*h));

	if (h == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	h->o = *options;
	if (hooks_tell(h->o.conf) == 0)
		return h;
	if ((h->web = web_new(h->o.base, err)) == NULL ||
	    hooks_open_ca(h, err) == -1 ||
	    (h->o.store != NULL &&
		(hooks_open_notice(h, err) == -1 ||
		    hooks_open_dispatches(h, err) == -1))) {
		hooks_free(h);
		return NULL;
	}
	return h;
}

void
hooks_stop(struct hooks *h)
{
	int kind;

	for (kind = 0; h != NULL && kind < STORE_TELL_COUNT; kind++)
		dispatch_stop(h->dispatches[kind]);
}

void
hooks_free(struct hooks *h)
{
	int kind;

	if (h == NULL)
		return;
	for (kind = 0; kind < STORE_TELL_COUNT; kind++)
		dispatch_free(h->dispatches[kind]);
	ca_free(h->ca);
	notice_free(h->notice);
	web_free(h->web);
	free(h->authority);
	free(h);
}

void
hooks_kick(struct hooks *h)
{
	int kind;

	for (kind = 0; kind < STORE_TELL_COUNT; kind++)
		if (h->dispatches[kind] != NULL)
			dispatch_kick(h->dispatches[kind]);
}

struct ca *
hooks_ca(struct hooks *h)
{
	return h->ca;
}

int
hooks_test(const struct conf *conf, struct err *err)
{
	struct hooks h = { .o = { .conf = conf } };
	int rc = 0;

	if (!is_off(conf->ca_connector) &&
	    (h.authority = authority_new(conf, err)) == NULL)
		rc = -1;
	if (rc == 0)
		rc = hooks_open_notice(&h, err);
	notice_free(h.notice);
	free(h.authority);
	return rc;
}
