/* SPDX-License-Identifier: Apache-2.0 */
/* Any authority, behind a web service that somebody writes: doc/ca.md. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/err.h"
#include "publish/ca.h"

static int
request_sign(const struct ca_site *site, const char *key, int64_t now_us,
    struct ca_request *out)
{
	struct webhook_headers h;

	webhook_sign(&h, site->secret, now_us, out->method, out->url, key,
	    out->body, out->body_len);
	out->n_headers = WEBHOOK_HEADERS;
	memcpy(out->headers, h.lines, sizeof(h.lines));
	return 0;
}

static int
webhook_ask(const struct ca_site *site, const struct store_cert *cert,
    const char *key, int64_t now_us, struct ca_request *out, struct err *err)
{
	int n = snprintf(out->url, sizeof(out->url), "%s?issuer=%s&serial=%s",
	    site->url, cert->issuer, cert->serial);

	if (n < 0 || n >= WEBHOOK_URL_MAX)
		return err_set(err, ERR_RANGE, "ca.url is too long");
	out->method = "GET";
	out->body_len = 0;
	return request_sign(site, key, now_us, out);
}

static int
webhook_tell(const struct ca_site *site, const struct store_cert *cert,
    const char *key, int64_t now_us, struct ca_request *out, struct err *err)
{
	int n = snprintf(out->url, sizeof(out->url), "%s", site->url);

	if (n < 0 || n >= WEBHOOK_URL_MAX)
		return err_set(err, ERR_RANGE, "ca.url is too long");
	out->method = "POST";
	/* nothing in it needs escaping: hexadecimal, words, numbers */
	n = snprintf(out->body, sizeof(out->body),
	    "{\"issuer\":\"%s\",\"serial\":\"%s\",\"status\":\"%s\","
	    "\"reason\":%d,\"since\":%" PRId64 ",\"generation\":%" PRId64 "}",
	    cert->issuer, cert->serial, store_status_name(cert->status),
	    cert->status == STORE_GOOD ? 0 : cert->reason,
	    cert->status_us / CLOCK_S_US, cert->generation);
	out->body_len = (size_t)n;
	return request_sign(site, key, now_us, out);
}

/* {"status": "hold"} */
static enum ca_says
status_read(const char *body, size_t len)
{
	json_t *all = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
	const char *status = json_string_value(json_object_get(all, "status"));
	enum ca_says says = CA_SAYS_NOTHING;

	if (status != NULL && strcmp(status, "good") == 0)
		says = CA_SAYS_GOOD;
	else if (status != NULL && strcmp(status, "hold") == 0)
		says = CA_SAYS_HELD;
	else if (status != NULL && strcmp(status, "revoked") == 0)
		says = CA_SAYS_REVOKED;
	json_decref(all);
	return says;
}

const struct ca_connector ca_webhook = { .name = "webhook",
	.ask = webhook_ask,
	.tell = webhook_tell,
	.read = status_read,
	.hint = "" };
