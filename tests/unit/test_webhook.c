/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "publish/webhook.h"

#define NOW INT64_C(1795485600000000)

static struct webhook_secret
secret(void)
{
	struct webhook_secret s = { .len = 16 };

	memcpy(s.bytes, "0123456789abcdef", 16);
	return s;
}

/* As Python says it: hmac.new(b"0123456789abcdef",
 * b"1795485600\nPOST\n/hook?x=1\n{}", "sha256").hexdigest() */
static void
test_the_signature_is_the_documented_one(void **state)
{
	struct webhook_secret s = secret();
	struct webhook_headers h;

	(void)state;
	webhook_sign(&h, &s, NOW, "POST", "https://a.example:8443/hook?x=1",
	    "k-1", "{}", 2);
	assert_string_equal(h.lines[0], "Content-Type: application/json");
	assert_string_equal(h.lines[1], "X-Holdline-Time: 1795485600");
	assert_string_equal(h.lines[2],
	    "X-Holdline-Signature: v1="
	    "b0c94db196721368c5058de7cb2631975d11749647bb45de21220135a7efd0d1");
	assert_string_equal(h.lines[3], "Idempotency-Key: k-1");
	webhook_sign(&h, &s, NOW, "GET", "https://a.example", "k", NULL, 0);
	assert_string_equal(h.lines[2],
	    "X-Holdline-Signature: v1="
	    "fc967e448b9d0dfd734da6c536ce5e04db6004091ea53ffe41aeb939560ad92f");
}

/* What the file says, or what is wrong with it. */
static void
load(const char *text, size_t len, mode_t mode, struct webhook_secret *s,
    struct err *err)
{
	char path[] = "/tmp/holdline-secret-XXXXXX";
	int fd = mkstemp(path), rc;

	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	err->code = ERR_NONE;
	rc = webhook_secret_load(path, s, err);
	assert_int_equal(rc, err->code == ERR_NONE ? 0 : -1);
	unlink(path);
}

static void
test_secrets(void **state)
{
	char text[300];
	struct webhook_secret s;
	struct err err;

	(void)state;
	memset(text, 'x', sizeof(text));
	load("0123456789abcdef\n", 17, 0600, &s, &err);
	assert_int_equal(err.code, ERR_NONE);
	assert_int_equal(s.len, 16);
	load("0123456789abcde\n", 16, 0600, &s, &err);
	assert_int_equal(err.code, ERR_PARSE);
	load("0123456789abcdef", 16, 0640, &s, &err);
	assert_int_equal(err.code, ERR_REFUSED);
	load(text, 256, 0400, &s, &err);
	assert_int_equal(err.code, ERR_NONE);
	assert_int_equal(s.len, 256);
	load(text, 257, 0400, &s, &err);
	assert_int_equal(err.code, ERR_PARSE);
	assert_int_equal(webhook_secret_load("/nowhere/x", &s, &err), -1);
	assert_int_equal(err.code, ERR_IO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_signature_is_the_documented_one),
		cmocka_unit_test(test_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
