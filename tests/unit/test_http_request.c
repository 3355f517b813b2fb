/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/http_request.h"

#define BODY_MAX 100

static long
parse(struct http_request *r, const char *text)
{
	size_t scanned = 0;

	return http_request_parse(r, text, strlen(text), &scanned, BODY_MAX);
}

static void
test_requests_are_read(void **state)
{
	static const char get[] = "GET /a%2Fb?c HTTP/1.1\r\nHost: x\r\n"
				  "If-None-Match:  \"t\" \r\n"
				  "If-Modified-Since: then\r\n\r\n";
	static const char post[] = "POST http://x:80/p HTTP/1.0\r\n"
				   "content-TYPE: application/ocsp-request\r\n"
				   "Content-Length: 3\r\n\r\nabcGET";
	struct http_request r;

	(void)state;
	assert_int_equal(parse(&r, get), strlen(get));
	assert_int_equal(r.method, HTTP_GET);
	assert_true(http_text_is(&r.target, "/a%2Fb?c"));
	assert_true(http_text_is(&r.if_none_match, "\"t\""));
	assert_true(http_text_is(&r.if_modified_since, "then"));
	assert_true(r.keep);
	assert_int_equal(parse(&r, post), strlen(post) - 3);
	assert_int_equal(r.method, HTTP_POST);
	assert_true(http_text_is(&r.target, "/p"));
	assert_true(http_text_is(&r.body, "abc"));
	assert_true(http_text_is(&r.content_type, "application/ocsp-request"));
	assert_false(r.keep);
}

static void
test_keeping_is_asked_for(void **state)
{
	static const struct {
		const char *version, *header;
		bool keep;
	} cases[] = { { "1.1", "X: y", true }, { "1.0", "X: y", false },
		{ "1.1", "Connection: foo, Close", false },
		{ "1.0", "Connection: Keep-Alive", true },
		{ "1.0", "Connection: keep-alive , close", false } };
	struct http_request r;
	char text[200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text),
		    "HEAD / HTTP/%s\r\nHost: x\r\n%s\r\n\r\n", cases[i].version,
		    cases[i].header);
		assert_int_equal(parse(&r, text), strlen(text));
		assert_int_equal(r.keep, cases[i].keep);
	}
}

/* Whatever libevent's server would let through, and more. */
static void
test_what_has_two_readings_is_refused(void **state)
{
#define POST "POST / HTTP/1.1\r\nHost: x\r\n"
#define GET "GET / HTTP/1.1\r\nHost: x\r\n"
	static const struct {
		const char *text;
		long status;
	} cases[] = {
		{ POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
		    -400 },
		{ POST "Content-Length: +1\r\n\r\na", -400 },
		{ POST "Content-Length: 0x1\r\n\r\na", -400 },
		{ POST "Content-Length: 1, 1\r\n\r\na", -400 },
		{ POST "Content-Length:\r\n\r\na", -400 },
		{ POST "Content-Length : 1\r\n\r\na", -400 },
		{ POST "Content-Length: 101\r\n\r\n", -413 },
		{ POST "Content-Length: 99999999999999999999999\r\n\r\n",
		    -413 },
		{ POST "\r\n", -411 },
		{ POST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", -411 },
		{ POST "Transfer-Encoding: x\r\nContent-Length: 1\r\n\r\na",
		    -400 },
		{ GET "Content-Length: 1\r\n\r\na", -400 },
		{ GET "Host: y\r\n\r\n", -400 },
		{ "GET / HTTP/1.1\r\n\r\n", -400 },
		{ GET "X: y\n\r\n\r\n", -400 },
		{ GET "X: a\r\n b\r\n\r\n", -400 },
		{ GET "X: a\rb\r\n\r\n", -400 },
		{ GET "X\r\n\r\n", -400 },
		{ GET ": y\r\n\r\n", -400 },
		{ GET "X: \1\r\n\r\n", -400 },
		{ "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", -400 },
		{ "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", -400 },
		{ "GET a HTTP/1.1\r\nHost: x\r\n\r\n", -400 },
		{ "GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", -400 },
		{ "GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n", -400 },
		{ "GET / HTTP/2.0\r\nHost: x\r\n\r\n", -505 },
		{ "GET / HTTP/1.2\r\nHost: x\r\n\r\n", -505 },
		{ "GET / FTP/1.1\r\n\r\n", -400 },
		{ "GET /\r\n\r\n", -400 },
		{ "get / HTTP/1.1\r\nHost: x\r\n\r\n", -405 },
		{ "PUT / HTTP/1.1\r\nHost: x\r\n\r\n", -405 },
		{ "G(T / HTTP/1.1\r\nHost: x\r\n\r\n", -400 },
		{ "\r\n\r\n", -400 },
		{ "\r\n\r\nGET / HTTP/1.0\r\n\r\n", -400 },
		{ "\n\r\nGET / HTTP/1.0\r\n\r\n", -400 },
	};
	struct http_request r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (parse(&r, cases[i].text) != cases[i].status)
			fail_msg("%s: %ld, not %ld", cases[i].text,
			    parse(&r, cases[i].text), cases[i].status);
}

/* RFC 9112, 2.2: some send one behind a body. */
static void
test_one_empty_line_may_come_first(void **state)
{
	static const char text[] = "\r\nPOST / HTTP/1.1\r\nHost: x\r\n"
				   "Content-Length: 2\r\n\r\nab";
	const size_t len = strlen(text);
	struct http_request r;
	size_t i, scanned = 0;

	(void)state;
	for (i = 0; i < len; i++)
		assert_int_equal(
		    http_request_parse(&r, text, i, &scanned, BODY_MAX), 0);
	assert_int_equal(
	    http_request_parse(&r, text, len, &scanned, BODY_MAX), len);
	assert_int_equal(r.method, HTTP_POST);
	assert_true(http_text_is(&r.body, "ab"));
	assert_int_equal(parse(&r, text), len);
}

/* RFC 9110, 8.3: what a type's parameters say is not its name. */
static void
test_a_type_has_parameters(void **state)
{
	static const struct {
		const char *header, *type;
	} cases[] = { { "a/b", "a/b" }, { "A/B; charset=x", "a/b" },
		{ "a/b;charset=\"x;y\"", "a/b" }, { "a/b \t ;", "a/b" },
		{ ";a/b", "" }, { "a/b c; d", "a/b c" } };
	struct http_request r;
	char text[200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text),
		    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
		    "Content-Type: %s\r\n\r\n",
		    cases[i].header);
		assert_int_equal(parse(&r, text), strlen(text));
		if (!http_text_is(&r.content_type, cases[i].type))
			fail_msg("%s: %.*s", cases[i].header,
			    (int)r.content_type.len, r.content_type.at);
	}
}

static void
test_heads_have_limits(void **state)
{
	static char text[HTTP_HEAD_MAX + 100];
	struct http_request r;
	size_t n, i, scanned = 0;

	(void)state;
	n = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
	memset(text + n, 'x', HTTP_HEAD_MAX + 1 - n);
	assert_int_equal(
	    http_request_parse(&r, text, HTTP_HEAD_MAX, &scanned, 0), 0);
	assert_int_equal(
	    http_request_parse(&r, text, HTTP_HEAD_MAX + 1, &scanned, 0), -431);
	n = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: x\r\n");
	for (i = 0; i < HTTP_HEADERS_MAX; i++)
		n += (size_t)sprintf(text + n, "X: y\r\n");
	sprintf(text + n, "\r\n");
	assert_int_equal(parse(&r, text), -431);
}

/* However the bytes come, the same request is read once all are there. */
static void
test_a_request_may_come_in_pieces(void **state)
{
	static const char text[] = "POST /x HTTP/1.1\r\nHost: x\r\n"
				   "Expect: 100-Continue\r\n"
				   "Content-Length: 2\r\n\r\nab";
	const size_t len = strlen(text);
	struct http_request r;
	size_t i, scanned = 0;

	(void)state;
	for (i = 0; i < len; i++) {
		assert_int_equal(
		    http_request_parse(&r, text, i, &scanned, BODY_MAX), 0);
		assert_int_equal(r.expect_continue, i >= len - 2);
	}
	assert_int_equal(
	    http_request_parse(&r, text, len, &scanned, BODY_MAX), len);
	assert_true(http_text_is(&r.body, "ab"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_are_read),
		cmocka_unit_test(test_keeping_is_asked_for),
		cmocka_unit_test(test_what_has_two_readings_is_refused),
		cmocka_unit_test(test_one_empty_line_may_come_first),
		cmocka_unit_test(test_a_type_has_parameters),
		cmocka_unit_test(test_heads_have_limits),
		cmocka_unit_test(test_a_request_may_come_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
