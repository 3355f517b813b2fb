/* SPDX-License-Identifier: Apache-2.0 */
/* What connectors ask, and what they make of answers; the three steps are in
 * tests/system/ca.sh, with a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "publish/ca.h"

#define NOW INT64_C(1795485600000000)
#define HASH "00112233445566778899aabbccddeeff00112233"

static struct ca_issuers issuers = { 1,
	{ { HASH, "CN=発行 CA/1,O=A+B & C,C=JP" } } };
static struct webhook_secret secret = { 16, "0123456789abcdef" };

static struct store_cert
cert(enum store_status status, int reason)
{
	struct store_cert c = { .id = 1,
		.status = status,
		.reason = reason,
		.generation = 2,
		.status_us = NOW - 500000 };

	snprintf(c.issuer, sizeof(c.issuer), HASH);
	snprintf(c.serial, sizeof(c.serial), "0a01");
	return c;
}

#define BASE "https://ca.example/ejbca/ejbca-rest-api"
#define CERT \
	BASE \
	    "/v1/certificate/" \
	    "CN%3D%E7%99%BA%E8%A1%8C%20CA%2F1%2CO%3DA%2BB%20%26%20C%2CC%3DJP/0a01"

static const char *
tells(enum store_status status, int reason, bool backdate)
{
	static struct ca_request r;
	struct ca_site site = { BASE, &issuers, NULL, backdate };
	struct store_cert c = cert(status, reason);
	struct err err;

	assert_int_equal(ca_ejbca.tell(&site, &c, "k", NOW, &r, &err), 0);
	assert_string_equal(r.method, "PUT");
	assert_int_equal(r.body_len, 0);
	return r.url;
}

static void
test_ejbca_is_told(void **state)
{
	(void)state;
	assert_string_equal(tells(STORE_HELD, 6, false),
	    CERT "/revoke?reason=CERTIFICATE_HOLD");
	assert_string_equal(
	    tells(STORE_GOOD, 0, true), CERT "/revoke?reason=REMOVE_FROM_CRL");
	assert_string_equal(
	    tells(STORE_REVOKED, 0, false), CERT "/revoke?reason=UNSPECIFIED");
	assert_string_equal(tells(STORE_REVOKED, 1, false),
	    CERT "/revoke?reason=KEY_COMPROMISE");
	assert_string_equal(
	    tells(STORE_REVOKED, 4, false), CERT "/revoke?reason=SUPERSEDED");
	assert_string_equal(tells(STORE_REVOKED, 9, false),
	    CERT "/revoke?reason=PRIVILEGES_WITHDRAWN");
	/* a request cannot name these */
	assert_string_equal(
	    tells(STORE_REVOKED, 2, false), CERT "/revoke?reason=UNSPECIFIED");
	assert_string_equal(
	    tells(STORE_REVOKED, 10, false), CERT "/revoke?reason=UNSPECIFIED");
	assert_string_equal(tells(STORE_REVOKED, 0, true),
	    CERT "/revoke?reason=UNSPECIFIED&date=2026-11-24T01%3A59%3A59Z");
}

static void
test_ejbca_is_asked(void **state)
{
	struct ca_site site = { BASE, &issuers, NULL, false };
	struct store_cert c = cert(STORE_HELD, 6);
	struct ca_request r;
	struct err err;

	(void)state;
	assert_int_equal(ca_ejbca.ask(&site, &c, "k", NOW, &r, &err), 0);
	assert_string_equal(r.method, "GET");
	assert_string_equal(r.url, CERT "/revocationstatus");
	c.issuer[0] = 'f';
	assert_int_equal(ca_ejbca.ask(&site, &c, "k", NOW, &r, &err), -1);
	assert_non_null(strstr(err.text, "ca.issuers"));
}

/* What is made of an answer to the question. */
static struct ca_heard
hears(const struct ca_connector *connector, int status, const char *body,
    const char *why)
{
	struct web_answer a = { .status = status,
		.body = body,
		.len = strlen(body),
		.retry_after_us = 42 };
	struct ca_heard h;

	snprintf(a.why, sizeof(a.why), "%s", why);
	ca_hear_status(connector, &a, &h);
	assert_int_equal(h.retry_after_us, 42);
	return h;
}

#define OBJECT(revoked, reason) \
	"{\"issuer_dn\":\"CN=x\",\"serial_number\":\"0a01\"," \
	"\"revocation_reason\":" reason ",\"revoked\":" revoked "}"

static void
test_ejbca_answers(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum ca_says says;
	} cases[] = {
		{ 200, OBJECT("true", "\"CERTIFICATE_HOLD\""), CA_SAYS_HELD },
		{ 200, OBJECT("true", "\"KEY_COMPROMISE\""), CA_SAYS_REVOKED },
		{ 200, OBJECT("false", "null"), CA_SAYS_GOOD },
		{ 200, OBJECT("false", "\"NOT_REVOKED\""), CA_SAYS_GOOD },
		{ 200, OBJECT("true", "null"), CA_SAYS_NOTHING },
		{ 200, OBJECT("\"true\"", "\"x\""), CA_SAYS_NOTHING },
		{ 200, "", CA_SAYS_NOTHING },
		{ 200, "{", CA_SAYS_NOTHING },
		{ 200, "[]", CA_SAYS_NOTHING },
		{ 200, "<html>", CA_SAYS_NOTHING },
		{ 200, "null", CA_SAYS_NOTHING },
		{ 204, OBJECT("false", "null"), CA_SAYS_NOTHING },
		{ 301, "", CA_SAYS_NOTHING },
		{ 400, "", CA_SAYS_REFUSED },
		{ 401, "", CA_SAYS_NOTHING },
		{ 403, "", CA_SAYS_NOTHING },
		{ 404, "", CA_SAYS_UNKNOWN },
		{ 429, "", CA_SAYS_NOTHING },
		{ 500, OBJECT("false", "null"), CA_SAYS_NOTHING },
		{ 503, "", CA_SAYS_NOTHING },
	};
	struct ca_heard h;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		h = hears(&ca_ejbca, cases[i].status, cases[i].body, "");
		if (h.says != cases[i].says)
			fail_msg("%d %s: %s", cases[i].status, cases[i].body,
			    ca_says_name(h.says));
		if (h.says >= CA_SAYS_UNKNOWN)
			assert_string_not_equal(h.words, "");
	}
	/* half an answer is none, whatever stands in it */
	h = hears(&ca_ejbca, 200, OBJECT("false", "null"), "cut off");
	assert_int_equal(h.says, CA_SAYS_NOTHING);
	assert_string_equal(h.words, "cut off");
}

static void
test_nothing_of_a_body_is_repeated(void **state)
{
	struct ca_heard h;

	(void)state;
	h = hears(&ca_ejbca, 404,
	    "{\"error_message\":\"no certificate of YAMADA\"}", "");
	assert_null(strstr(h.words, "YAMADA"));
	h = hears(&ca_ejbca, 418, "YAMADA", "");
	assert_string_equal(h.words, "HTTP 418");
}

static void
test_answers_to_a_change(void **state)
{
	static const struct {
		int status;
		enum ca_says says;
	} cases[] = { { 200, CA_SAYS_GOOD }, { 204, CA_SAYS_GOOD },
		{ 202, CA_SAYS_REFUSED }, { 400, CA_SAYS_REFUSED },
		{ 404, CA_SAYS_UNKNOWN }, { 409, CA_SAYS_REFUSED },
		{ 422, CA_SAYS_REFUSED }, { 500, CA_SAYS_NOTHING },
		{ 302, CA_SAYS_NOTHING } };
	struct ca_heard h;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct web_answer a = { .status = cases[i].status, .body = "" };

		ca_hear_told(&a, &h);
		assert_int_equal(h.says, cases[i].says);
		assert_int_equal(h.words[0] == '\0', h.says == CA_SAYS_GOOD);
	}
}

static void
test_agreement(void **state)
{
	static const enum ca_says wanted[] = { [STORE_GOOD] = CA_SAYS_GOOD,
		[STORE_HELD] = CA_SAYS_HELD,
		[STORE_REVOKED] = CA_SAYS_REVOKED };
	int status, says;

	(void)state;
	for (status = 0; status < STORE_STATUS_COUNT; status++)
		for (says = 0; says < CA_SAYS_COUNT; says++) {
			struct store_cert c =
			    cert((enum store_status)status, 0);

			assert_int_equal(ca_agrees(&c, (enum ca_says)says),
			    wanted[status] == (enum ca_says)says);
		}
}

static void
test_webhook(void **state)
{
	struct ca_site site = { "https://h.example/ca", NULL, &secret, false };
	struct store_cert c = cert(STORE_HELD, 6);
	struct ca_request r;
	struct err err;

	(void)state;
	assert_int_equal(ca_webhook.ask(&site, &c, "k", NOW, &r, &err), 0);
	assert_string_equal(
	    r.url, "https://h.example/ca?issuer=" HASH "&serial=0a01");
	assert_string_equal(r.method, "GET");
	assert_int_equal(ca_webhook.tell(&site, &c, "k", NOW, &r, &err), 0);
	assert_string_equal(r.method, "POST");
	assert_string_equal(r.body,
	    "{\"issuer\":\"" HASH "\",\"serial\":\"0a01\",\"status\":\"hold\","
	    "\"reason\":6,\"since\":1795485599,\"generation\":2}");
	assert_int_equal(r.body_len, strlen(r.body));
	assert_int_equal(r.n_headers, WEBHOOK_HEADERS);
	assert_string_equal(r.headers[3], "Idempotency-Key: k");
	assert_int_equal(
	    hears(&ca_webhook, 200, "{\"status\":\"hold\"}", "").says,
	    CA_SAYS_HELD);
	assert_int_equal(hears(&ca_webhook, 200,
			     "{\"status\":\"good\",\"status\":\"hold\"}", "")
			     .says,
	    CA_SAYS_NOTHING);
	assert_int_equal(
	    hears(&ca_webhook, 200, "{\"status\":\"revoked\"}", "").says,
	    CA_SAYS_REVOKED);
	assert_int_equal(
	    hears(&ca_webhook, 200, "{\"status\":\"good\"}", "").says,
	    CA_SAYS_GOOD);
	assert_int_equal(
	    hears(&ca_webhook, 200, "{\"status\":\"Good\"}", "").says,
	    CA_SAYS_NOTHING);
	assert_int_equal(hears(&ca_webhook, 404, "", "").says, CA_SAYS_UNKNOWN);
}

static int
load(const char *text, struct ca_issuers *out, struct err *err)
{
	char path[] = "/tmp/holdline-issuers-XXXXXX";
	int fd = mkstemp(path), rc;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	rc = ca_issuers_load(path, out, err);
	unlink(path);
	return rc;
}

static void
test_issuers(void **state)
{
	static struct ca_issuers got;
	struct err err;

	(void)state;
	assert_int_equal(load("# a comment\n\n"
			      "00112233445566778899AABBCCDDEEFF00112233"
			      "\tCN=発行者, O=x  \r\n"
			      "0000000000000000000000000000000000000001 CN=y",
			     &got, &err),
	    0);
	assert_int_equal(got.n, 2);
	assert_string_equal(got.at[0].hash, HASH);
	assert_string_equal(got.at[0].dn, "CN=発行者, O=x");
	assert_string_equal(got.at[1].dn, "CN=y");
	assert_int_equal(load(HASH " CN=x\n" HASH " CN=y\n", &got, &err), -1);
	assert_non_null(strstr(err.text, ":2: "));
	assert_non_null(strstr(err.text, "twice"));
	assert_int_equal(load(HASH "\n", &got, &err), -1);
	assert_int_equal(load("xx CN=x\n", &got, &err), -1);
	assert_int_equal(load(HASH " CN=\xff\n", &got, &err), -1);
	assert_int_equal(load("", &got, &err), -1);
	assert_int_equal(ca_issuers_load("/nowhere/x", &got, &err), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ejbca_is_told),
		cmocka_unit_test(test_ejbca_is_asked),
		cmocka_unit_test(test_ejbca_answers),
		cmocka_unit_test(test_nothing_of_a_body_is_repeated),
		cmocka_unit_test(test_answers_to_a_change),
		cmocka_unit_test(test_agreement),
		cmocka_unit_test(test_webhook),
		cmocka_unit_test(test_issuers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
