/* SPDX-License-Identifier: Apache-2.0 */
/* One request: what libcurl is told of it, and what comes back. */
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "web_inner.h"

struct web_call {
	struct web *web;
	struct web_call *next, **place;
	CURL *easy;
	struct curl_slist *headers, *recipients;
	web_done_fn *done;
	void *ctx;
	char *sent; /* body, or message; wiped */
	size_t sent_len, sent_at;
	char *body; /* the answer's */
	size_t len, max;
	bool too_long;
	char why[CURL_ERROR_SIZE];
};

static void
call_free(struct web_call *c)
{
	if (c == NULL)
		return;
	if (c->place != NULL) {
		*c->place = c->next;
		if (c->next != NULL)
			c->next->place = c->place;
		curl_multi_remove_handle(c->web->multi, c->easy);
	}
	if (c->easy != NULL)
		curl_easy_cleanup(c->easy);
	curl_slist_free_all(c->headers);
	curl_slist_free_all(c->recipients);
	if (c->sent != NULL)
		secret_cleanse(c->sent, c->sent_len);
	free(c->sent);
	free(c->body);
	free(c);
}

void
web_cancel(struct web_call *call)
{
	call_free(call);
}

/* ---- what comes back */

static size_t
on_body(char *bytes, size_t size, size_t n, void *ctx)
{
	struct web_call *c = ctx;
	char *body;

	n *= size;
	if (n > c->max - c->len) {
		c->too_long = true;
		return CURL_WRITEFUNC_ERROR;
	}
	if ((body = realloc(c->body, c->len + n + 1)) == NULL)
		return CURL_WRITEFUNC_ERROR;
	c->body = body;
	memcpy(body + c->len, bytes, n);
	c->len += n;
	body[c->len] = '\0';
	return n;
}

static void
answer_fill(struct web_call *c, CURLcode code, struct web_answer *a)
{
	curl_off_t retry_s = 0;
	long status = 0;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &retry_s);
	a->status = (int)status;
	if (retry_s > 0 && retry_s < INT64_MAX / CLOCK_S_US)
		a->retry_after_us = retry_s * CLOCK_S_US;
	a->body = c->body != NULL ? c->body : "";
	a->len = c->len;
	if (c->too_long)
		snprintf(a->why, sizeof(a->why),
		    "the answer is longer than %zu bytes", c->max);
	else if (code != CURLE_OK)
		str_copy(a->why, sizeof(a->why),
		    c->why[0] != '\0' ? c->why : curl_easy_strerror(code));
}

void
web_call_over(CURL *easy, CURLcode code)
{
	struct web_answer answer = { .status = 0 };
	struct web_call *c = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &c);
	assert(c != NULL && c->easy == easy);
	answer_fill(c, code, &answer);
	c->done(c->ctx, &answer);
	call_free(c);
}

/* ---- what is asked */

static bool
is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

/* CURLE_OK or the first that failed; libcurl copies strings. */
static CURLcode
set_peer(CURL *e, const struct web_peer *p)
{
	CURLcode rc = CURLE_OK;

#define SET(option, value) \
	(rc = rc != CURLE_OK ? rc : curl_easy_setopt(e, option, value))
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROXY, is_set(p->proxy) ? p->proxy : "");
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (is_set(p->ca_file)) {
		SET(CURLOPT_CAINFO, p->ca_file);
		SET(CURLOPT_CAPATH, NULL);
		SET(CURLOPT_PROXY_CAINFO, p->ca_file);
	}
	if (is_set(p->cert_file))
		SET(CURLOPT_SSLCERT, p->cert_file);
	if (is_set(p->cert_file) && is_set(p->key_file))
		SET(CURLOPT_SSLKEY, p->key_file);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(p->connect_us / 1000));
	SET(CURLOPT_TIMEOUT_MS, (long)(p->timeout_us / 1000));
	return rc;
}

/* A call with what all have; NULL = out of memory. */
static struct web_call *
call_new(struct web *w, const struct web_peer *peer, web_done_fn *done,
    void *ctx, const void *sent, size_t len)
{
	struct web_call *c = calloc(1, sizeof(*c));
	CURLcode rc = CURLE_OK;
	CURL *e;

	if (c == NULL)
		return NULL;
	c->web = w;
	c->done = done;
	c->ctx = ctx;
	c->max = peer->answer_max;
	c->easy = e = curl_easy_init();
	if (e == NULL || (c->sent = malloc(len + 1)) == NULL)
		goto fail;
	if (len > 0)
		memcpy(c->sent, sent, len);
	c->sent_len = len;
	rc = set_peer(e, peer);
	SET(CURLOPT_PRIVATE, c);
	SET(CURLOPT_ERRORBUFFER, c->why);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, c);
	if (rc == CURLE_OK)
		return c;

fail:
	call_free(c);
	return NULL;
}

/* From here on it is libcurl's; a callback is to come. */
static struct web_call *
call_begin(struct web_call *c, CURLcode rc, struct err *err)
{
	struct web *w;

	if (rc != CURLE_OK) {
		err_set(err, rc == CURLE_OUT_OF_MEMORY ? ERR_NOMEM : ERR_PARSE,
		    "%s", curl_easy_strerror(rc));
		call_free(c);
		return NULL;
	}
	w = c->web;
	if (curl_multi_add_handle(w->multi, c->easy) != CURLM_OK) {
		err_set(err, ERR_NOMEM, "out of memory");
		call_free(c);
		return NULL;
	}
	c->next = w->calls;
	c->place = &w->calls;
	if (c->next != NULL)
		c->next->place = &c->next;
	w->calls = c;
	return c;
}

static CURLcode
add_headers(struct web_call *c, const struct web_request *r)
{
	struct curl_slist *more;
	size_t i;

	/* no "Expect: 100-continue": a second's wait for nothing */
	c->headers = curl_slist_append(NULL, "Expect:");
	for (i = 0; i < WEB_HEADERS_MAX && r->headers[i] != NULL; i++) {
		assert(strpbrk(r->headers[i], "\r\n") == NULL);
		more = curl_slist_append(c->headers, r->headers[i]);
		if (more == NULL)
			return CURLE_OUT_OF_MEMORY;
		c->headers = more;
	}
	return curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
}

struct web_call *
web_send(struct web *w, const struct web_peer *peer,
    const struct web_request *request, web_done_fn *done, void *ctx,
    struct err *err)
{
	struct web_call *c;
	CURLcode rc;
	CURL *e;

	c = call_new(w, peer, done, ctx, request->body, request->body_len);
	if (c == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	e = c->easy;
	rc = add_headers(c, request);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_URL, request->url);
	if (strcmp(request->method, "GET") != 0) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->sent_len);
		SET(CURLOPT_POSTFIELDS, c->sent);
		SET(CURLOPT_CUSTOMREQUEST, request->method);
	}
	return call_begin(c, rc, err);
}

/* ---- mail */

static size_t
on_upload(char *bytes, size_t size, size_t n, void *ctx)
{
	struct web_call *c = ctx;

	n *= size;
	if (n > c->sent_len - c->sent_at)
		n = c->sent_len - c->sent_at;
	memcpy(bytes, c->sent + c->sent_at, n);
	c->sent_at += n;
	return n;
}

/* On this machine: nobody is between us and the server. */
static bool
is_local(const char *url)
{
	static const char *const hosts[] = { "smtp://127.0.0.1", "smtp://[::1]",
		"smtp://localhost" };
	size_t i, n;

	for (i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		n = strlen(hosts[i]);
		if (strncmp(url, hosts[i], n) == 0 &&
		    (url[n] == '\0' || url[n] == ':' || url[n] == '/'))
			return true;
	}
	return false;
}

struct web_call *
web_mail_send(struct web *w, const struct web_peer *peer,
    const struct web_mail *mail, web_done_fn *done, void *ctx, struct err *err)
{
	struct web_call *c;
	CURLcode rc = CURLE_OK;
	CURL *e;

	c = call_new(w, peer, done, ctx, mail->text, mail->text_len);
	if (c == NULL ||
	    (c->recipients = curl_slist_append(NULL, mail->to)) == NULL) {
		call_free(c);
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	e = c->easy;
	SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	SET(CURLOPT_URL, mail->url);
	SET(CURLOPT_USE_SSL,
	    (long)(is_local(mail->url) ? CURLUSESSL_TRY : CURLUSESSL_ALL));
	SET(CURLOPT_MAIL_FROM, mail->from);
	SET(CURLOPT_MAIL_RCPT, c->recipients);
	if (is_set(peer->mail_user)) {
		SET(CURLOPT_USERNAME, peer->mail_user);
		SET(CURLOPT_PASSWORD,
		    peer->mail_secret != NULL ? peer->mail_secret : "");
	}
	SET(CURLOPT_UPLOAD, 1L);
	SET(CURLOPT_READFUNCTION, on_upload);
	SET(CURLOPT_READDATA, c);
	SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)c->sent_len);
	return call_begin(c, rc, err);
}
