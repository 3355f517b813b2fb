/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "base/timer.h"
#include "publish/contact.h"
#include "publish/mail.h"
#include "publish/notice.h"
#include "publish/notice_text.h"
#include "publish/places.h"

#define ANSWER_MAX 65536 /* bytes that a gateway may answer */

struct notice {
	struct notice_options o;
	struct webhook_secret secret;
	char mail_secret[256];
	struct places *places; /* NULL = none */
	struct web_peer gateway, mail_server;
};

/* One notice under way. */
struct notice_task {
	struct dispatch_run *run;
	struct web_call *call;
	void (*judge)(
	    const struct web_answer *answer, struct dispatch_result *out);
};

/* What is said to whom.  Personal data: wiped. */
struct letter {
	const char *lang;
	const char *channel; /* of a gateway */
	const char *to;      /* number, address; NULL = the gateway knows */
	const char *name;    /* NULL = none */
	char text[NOTICE_TEXT_SIZE];
};

/* ---- what answers come to */

static void
judge_words(struct dispatch_result *out, const char *words, int status)
{
	if (status == 0)
		str_copy(out->words, sizeof(out->words), words);
	else
		snprintf(
		    out->words, sizeof(out->words), "%s (%d)", words, status);
}

/* It was this notice that was refused, not us. */
static bool
web_refuses(int status)
{
	return status >= 400 && status <= 499 && status != 401 &&
	    status != 403 && status != 404 && status != 405 && status != 408 &&
	    status != 409 && status != 425 && status != 429;
}

void
notice_judge_web(const struct web_answer *answer, struct dispatch_result *out)
{
	int status = answer->status;

	*out = (struct dispatch_result){ .state = STORE_DISPATCH_WAITING,
		.retry_after_us = answer->retry_after_us };
	if (answer->why[0] != '\0') {
		out->fault = true;
		judge_words(out, answer->why, 0);
	} else if (status >= 200 && status <= 299) {
		out->state = STORE_DISPATCH_DONE;
		judge_words(out, "accepted", status);
	} else if (web_refuses(status)) {
		out->state = STORE_DISPATCH_FAILED;
		judge_words(out, "the gateway refuses it", status);
	} else {
		out->fault = status != 409;
		judge_words(out, "the gateway does not take it now", status);
	}
}

void
notice_judge_mail(const struct web_answer *answer, struct dispatch_result *out)
{
	int status = answer->status;

	*out = (struct dispatch_result){ .state = STORE_DISPATCH_WAITING };
	if (answer->why[0] == '\0') {
		out->state = STORE_DISPATCH_DONE;
		judge_words(out, "accepted", status);
	} else if (status == 530 || status == 534 || status == 535 ||
	    status == 538) {
		out->fault = true;
		judge_words(out, "the mail server refuses our login", status);
	} else if (status >= 500 && status <= 599) {
		out->state = STORE_DISPATCH_FAILED;
		judge_words(out, "the mail server refuses it", status);
	} else if (status >= 400 && status <= 499) {
		out->fault = status == 421;
		judge_words(
		    out, "the mail server does not take it now", status);
	} else {
		out->fault = true;
		judge_words(out, answer->why, 0);
	}
}

/* ---- sending */

static void
on_answer(void *ctx, const struct web_answer *answer)
{
	struct notice_task *t = ctx;
	struct dispatch_run *run = t->run;
	struct dispatch_result r;

	t->judge(answer, &r);
	free(t);
	dispatch_ended(run, &r);
}

/* The body of a request; its length, or 0 when it does not fit. */
static size_t
body_format(char body[WEBHOOK_BODY_MAX], const struct store_dispatch *row,
    const struct letter *l)
{
	json_t *all = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s*, s:s*}",
	    "event", store_dispatch_what_name(row->what), "municipality",
	    row->municipality, "receipt", row->receipt, "lang", l->lang,
	    "channel", l->channel, "text", l->text, "to", l->to, "name",
	    l->name);
	size_t len;

	if (all == NULL)
		return 0;
	len = json_dumpb(
	    all, body, WEBHOOK_BODY_MAX, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(all);
	return len <= WEBHOOK_BODY_MAX ? len : 0;
}

static int
send_web(struct notice *n, struct notice_task *t,
    const struct store_dispatch *row, const struct letter *l, struct err *err)
{
	struct web_request request = { .method = "POST",
		.url = n->o.conf->notice_url };
	char body[WEBHOOK_BODY_MAX];
	struct webhook_headers h;
	size_t i;

	t->judge = notice_judge_web;
	request.body = body;
	if ((request.body_len = body_format(body, row, l)) == 0)
		return err_set(err, ERR_RANGE, "the notice is too long");
	webhook_sign(&h, &n->secret, timers_wall_us(n->o.timers), "POST",
	    request.url, row->key, body, request.body_len);
	for (i = 0; i < WEBHOOK_HEADERS; i++)
		request.headers[i] = h.lines[i];
	t->call = web_send(n->o.web, &n->gateway, &request, on_answer, t, err);
	secret_cleanse(body, sizeof(body));
	return t->call == NULL ? -1 : 0;
}

static int
send_mail(struct notice *n, struct notice_task *t,
    const struct store_dispatch *row, const struct letter *l, struct err *err)
{
	struct mail mail = { .from = n->o.conf->smtp_from,
		.to = l->to,
		.subject = notice_subject(l->lang, row->what),
		.text = l->text,
		.id = row->key,
		.now_us = timers_wall_us(n->o.timers) };
	char text[MAIL_SIZE];
	struct web_mail m = { .url = n->o.conf->smtp_url,
		.from = mail.from,
		.to = mail.to,
		.text = text,
		.text_len = mail_format(text, &mail) };

	t->judge = notice_judge_mail;
	t->call =
	    web_mail_send(n->o.web, &n->mail_server, &m, on_answer, t, err);
	secret_cleanse(text, sizeof(text));
	return t->call == NULL ? -1 : 0;
}

/* ---- whom, and by what */

/* The hotline's own number for a language. */
static const char *
line_of(const struct conf *conf, const char *lang)
{
	size_t i;

	for (i = 0; i < conf->n_lines; i++)
		if (strcmp(conf->lines[i].lang, lang) == 0)
			return conf->lines[i].dnis;
	return conf->n_lines > 0 ? conf->lines[0].dnis : "";
}

/* A gateway sends what it can by what the registry knows. */
static int
letter_address(
    struct letter *l, const struct contact *c, bool mail, struct err *err)
{
	const char *mobile = contact_mobile(c);

	l->name = NULL;
	if (!mail && mobile != NULL) {
		l->channel = "sms";
		l->to = mobile;
	} else if (c->mail[0] != '\0') {
		l->channel = "mail";
		l->to = c->mail;
	} else if (!mail && c->address[0] != '\0') {
		l->channel = "letter";
		l->to = c->address;
		l->name = c->name[0] != '\0' ? c->name : NULL;
	} else {
		return err_set(err, ERR_NOTFOUND,
		    mail ? "the registry has no mail address"
			 : "the registry has no mobile number, mail or postal "
			   "address");
	}
	return 0;
}

static int
tell_holder(struct notice *n, struct notice_task *t,
    const struct store_dispatch *row, struct err *err)
{
	bool mail = strcmp(n->o.conf->notice_holder, "smtp") == 0;
	struct letter l = { .name = NULL };
	struct contact c;
	int rc;

	rc = contact_open(&c, n->o.keys, row, err);
	if (rc == 0)
		rc = letter_address(&l, &c, mail, err);
	if (rc == 0) {
		l.lang = notice_lang(c.lang[0] != '\0' ? c.lang : row->lang);
		notice_text(l.text, l.lang, row->what, row->receipt,
		    line_of(n->o.conf, l.lang));
		rc = mail ? send_mail(n, t, row, &l, err)
			  : send_web(n, t, row, &l, err);
	}
	contact_wipe(&c);
	secret_cleanse(&l, sizeof(l));
	return rc;
}

static int
tell_municipality(struct notice *n, struct notice_task *t,
    const struct store_dispatch *row, struct err *err)
{
	struct letter l = { .lang = notice_lang("ja"), .channel = "case" };

	l.to = places_find(n->places, row->municipality);
	if (l.to == NULL && n->o.conf->notice_default[0] != '\0')
		l.to = n->o.conf->notice_default;
	notice_text(l.text, l.lang, row->what, row->receipt, "");
	if (strcmp(n->o.conf->notice_municipality, "smtp") != 0)
		return send_web(n, t, row, &l, err);
	if (l.to == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "notice.addresses has no address for the municipality %s",
		    row->municipality);
	return send_mail(n, t, row, &l, err);
}

static void *
notice_begin(void *ctx, const struct store_dispatch *row,
    struct dispatch_run *run, struct dispatch_result *now)
{
	struct err err = { ERR_NOMEM, "out of memory" };
	struct notice_task *t = calloc(1, sizeof(*t));
	struct notice *n = ctx;
	int rc = -1;

	if (t != NULL) {
		t->run = run;
		rc = row->kind == STORE_TELL_HOLDER
		    ? tell_holder(n, t, row, &err)
		    : tell_municipality(n, t, row, &err);
	}
	if (rc == 0)
		return t;
	free(t);
	if (err.code == ERR_NOTFOUND || err.code == ERR_RANGE)
		now->state = STORE_DISPATCH_FAILED;
	str_copy(now->words, sizeof(now->words), err.text);
	return NULL;
}

static void
notice_cancel(void *task)
{
	struct notice_task *t = task;

	web_cancel(t->call);
	free(t);
}

struct dispatch_port
notice_port(struct notice *n)
{
	return (struct dispatch_port){ notice_begin, notice_cancel, n };
}

/* ---- beginning and ending */

static bool
uses(const struct conf *conf, const char *by)
{
	return strcmp(conf->notice_holder, by) == 0 ||
	    strcmp(conf->notice_municipality, by) == 0;
}

static int
open_gateway(struct notice *n, struct err *err)
{
	const struct conf *conf = n->o.conf;

	if (conf->notice_url[0] == '\0' || conf->notice_secret_file[0] == '\0')
		return err_set(err, ERR_PARSE,
		    "notices by webhook need notice.url and "
		    "notice.secret_file");
	if (webhook_secret_load(conf->notice_secret_file, &n->secret, err) ==
	    -1)
		return err_add(err, "notice.secret_file");
	n->gateway = (struct web_peer){ .ca_file = conf->notice_tls_ca,
		.cert_file = conf->notice_tls_cert,
		.key_file = conf->notice_tls_key,
		.proxy = conf->notice_proxy,
		.connect_us = conf->notice_timeout_us,
		.timeout_us = conf->notice_timeout_us,
		.answer_max = ANSWER_MAX };
	return 0;
}

static int
open_mail(struct notice *n, struct err *err)
{
	const struct conf *conf = n->o.conf;

	if (conf->smtp_url[0] == '\0' || !str_is_mail(conf->smtp_from))
		return err_set(err, ERR_PARSE,
		    "notices by mail need smtp.url and smtp.from");
	if (conf->smtp_password_file[0] != '\0' &&
	    secret_read(conf->smtp_password_file, n->mail_secret,
		sizeof(n->mail_secret), err) == -1)
		return err_add(err, "smtp.password_file");
	n->mail_server = (struct web_peer){ .ca_file = conf->smtp_tls_ca,
		.connect_us = conf->notice_timeout_us,
		.timeout_us = conf->notice_timeout_us,
		.answer_max = ANSWER_MAX,
		.mail_user = conf->smtp_user,
		.mail_secret = n->mail_secret };
	return 0;
}

static int
open_places(struct notice *n, struct err *err)
{
	const struct conf *conf = n->o.conf;

	if (conf->notice_default[0] != '\0' &&
	    !str_is_mail(conf->notice_default))
		return err_set(err, ERR_PARSE,
		    "notice.default_address is not a mail address");
	if (conf->notice_addresses[0] == '\0')
		return 0;
	if ((n->places = places_load(conf->notice_addresses, err)) == NULL)
		return err_add(err, "notice.addresses");
	return 0;
}

struct notice *
notice_new(const struct notice_options *options, struct err *err)
{
	struct notice *n = calloc(1, sizeof(*n));

	if (n == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	n->o = *options;
	if ((uses(n->o.conf, "webhook") && open_gateway(n, err) == -1) ||
	    (uses(n->o.conf, "smtp") && open_mail(n, err) == -1) ||
	    open_places(n, err) == -1) {
		notice_free(n);
		return NULL;
	}
	return n;
}

void
notice_free(struct notice *n)
{
	if (n == NULL)
		return;
	places_free(n->places);
	secret_cleanse(n, sizeof(*n));
	free(n);
}
