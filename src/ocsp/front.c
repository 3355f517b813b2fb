/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"
#include "base/timer.h"
#include "ocsp/crl_file.h"
#include "ocsp/front.h"
#include "ocsp/responder.h"
#include "wire/http_server.h"

#define CRL_PATH "/crl/"
#define NO_STORE "Cache-Control: no-store\r\n"
#define HEADERS_MAX 512

struct ocsp_front {
	struct ocsp_responder *responder; /* borrowed */
	struct timers *timers;            /* borrowed */
	char *crl_dir;
	uint8_t decoded[HTTP_HEAD_MAX];
};

struct ocsp_front *
ocsp_front_new(struct ocsp_responder *responder, struct timers *timers,
    const char *crl_dir)
{
	struct ocsp_front *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->responder = responder;
	f->timers = timers;
	if ((f->crl_dir = strdup(crl_dir)) == NULL) {
		free(f);
		return NULL;
	}
	return f;
}

void
ocsp_front_free(struct ocsp_front *f)
{
	if (f == NULL)
		return;
	free(f->crl_dir);
	free(f);
}

/* ---- base64 in a path */

/* One character, which may be written as %XX.  -1: malformed. */
static int
path_char(const char **at, const char *end)
{
	int value = 0, i, c;

	if (**at != '%')
		return (unsigned char)*(*at)++;
	if (end - *at < 3)
		return -1;
	for (i = 1; i <= 2; i++) {
		c = (*at)[i];
		c = c >= '0' && c <= '9'   ? c - '0'
		    : c >= 'a' && c <= 'f' ? c - 'a' + 10
		    : c >= 'A' && c <= 'F' ? c - 'A' + 10
					   : -1;
		if (c == -1)
			return -1;
		value = value * 16 + c;
	}
	*at += 3;
	return value;
}

static int
base64_value(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

long
ocsp_front_decode(const char *path, size_t len, uint8_t *out)
{
	unsigned int bits = 0, n_bits = 0, chars = 0, pads = 0;
	const char *end = path + len;
	uint8_t *to = out;
	int c;

	while (path < end && *path == '/')
		path++;
	while (path < end) {
		if ((c = path_char(&path, end)) == '=') {
			pads++;
			continue;
		}
		if (pads > 0 || c == -1 || (c = base64_value(c)) == -1)
			return -1;
		chars++;
		bits = (bits << 6 | (unsigned int)c) & 0xffff;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			*to++ = (uint8_t)(bits >> n_bits);
		}
	}
	if (chars == 0 || chars % 4 == 1 ||
	    (bits & ((1u << n_bits) - 1)) != 0 ||
	    (pads > 0 && (chars + pads) % 4 != 0) || pads > 2)
		return -1;
	return to - out;
}

/* ---- OCSP */

static void
reply_status(struct http_exchange *exchange, int status)
{
	const struct http_reply reply = { .status = status,
		.headers = NO_STORE };

	http_reply(exchange, &reply);
}

static void
reply_ocsp(struct http_exchange *exchange, const void *bytes, size_t len,
    const char *headers)
{
	const struct http_reply reply = { .status = 200,
		.type = "application/ocsp-response",
		.headers = headers,
		.body = bytes,
		.len = len };

	http_reply(exchange, &reply);
}

/* The exchange's front is not at hand here, and need not be: the clock is. */
static void
on_answer(void *ctx, const struct ocsp_reply *answer)
{
	char headers[HEADERS_MAX];
	int64_t left_s;

	if (!answer->cacheable) {
		reply_ocsp(ctx, answer->bytes, answer->len, NO_STORE);
		return;
	}
	left_s = answer->next_s - clock_wall_us() / CLOCK_S_US;
	snprintf(headers, sizeof(headers),
	    "%sCache-Control: max-age=%" PRId64
	    ", public, no-transform, must-revalidate\r\n",
	    answer->head, left_s > 0 ? left_s : 0);
	reply_ocsp(ctx, answer->bytes, answer->len, headers);
}

static void
reply_refusal(struct http_exchange *exchange, int refusal)
{
	uint8_t bytes[OCSP_REFUSAL_SIZE];

	ocsp_answer_refusal((enum ocsp_refusal)refusal, bytes);
	reply_ocsp(exchange, bytes, sizeof(bytes), NO_STORE);
}

static void
front_ask(
    struct ocsp_front *f, struct http_exchange *exchange, struct der request)
{
	int refusal =
	    ocsp_responder_ask(f->responder, request, on_answer, exchange);

	if (refusal != 0)
		reply_refusal(exchange, refusal);
}

static void
front_post(struct ocsp_front *f, struct http_exchange *exchange,
    const struct http_request *request)
{
	/* Some clients do not say what they send. */
	if (request->content_type.len > 0 &&
	    !http_text_is(&request->content_type, "application/ocsp-request"))
		reply_status(exchange, 415);
	else
		front_ask(f, exchange,
		    (struct der){
			(const uint8_t *)request->body.at, request->body.len });
}

static void
front_get(struct ocsp_front *f, struct http_exchange *exchange,
    const struct http_request *request)
{
	long len = ocsp_front_decode(
	    request->target.at, request->target.len, f->decoded);

	if (request->target.len == 1) { /* somebody looks whether we are here */
		reply_status(exchange, 404);
	} else if (len == -1) {
		metric_add(METRIC_OCSP_MALFORMED, 1);
		reply_refusal(exchange, OCSP_MALFORMED);
	} else {
		front_ask(f, exchange, (struct der){ f->decoded, (size_t)len });
	}
}

/* ---- CRLs */

/* If-Modified-Since counts only without If-None-Match: RFC 9110, 13.1.3. */
static bool
client_has(const struct crl_file *crl, const struct http_request *request)
{
	const struct http_text *tags = &request->if_none_match;
	const struct http_text *since = &request->if_modified_since;

	return tags->len > 0 ? crl_file_is(crl, tags->at, tags->len)
			     : crl_file_since(crl, since->at, since->len);
}

static void
front_crl(struct ocsp_front *f, struct http_exchange *exchange,
    const struct http_request *request)
{
	const struct http_text name = { request->target.at + strlen(CRL_PATH),
		request->target.len - strlen(CRL_PATH) };
	struct http_reply reply = {
		.status = 200, .type = "application/pkix-crl", .file_set = true
	};
	struct crl_file crl;
	char headers[HEADERS_MAX];

	if (crl_file_open(&crl, f->crl_dir, name.at, name.len) == -1) {
		reply_status(exchange, 404);
		return;
	}
	metric_add(METRIC_OCSP_CRLS, 1);
	crl_file_headers(&crl, timers_wall_us(f->timers) / CLOCK_S_US, headers,
	    sizeof(headers));
	reply.headers = headers;
	if (client_has(&crl, request)) {
		close(crl.fd);
		reply.status = 304;
		reply.file_set = false;
		reply.type = NULL;
	} else {
		reply.file = crl.fd;
		reply.len = crl.size;
	}
	http_reply(exchange, &reply);
}

void
ocsp_front_serve(void *ctx, struct http_exchange *exchange,
    const struct http_request *request)
{
	struct ocsp_front *f = ctx;

	metric_add(METRIC_OCSP_REQUESTS, 1);
	if (request->method == HTTP_POST)
		front_post(f, exchange, request);
	else if (request->target.len > strlen(CRL_PATH) &&
	    memcmp(request->target.at, CRL_PATH, strlen(CRL_PATH)) == 0)
		front_crl(f, exchange, request);
	else
		front_get(f, exchange, request);
}
