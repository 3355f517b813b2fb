/* SPDX-License-Identifier: Apache-2.0 */
/* Texts, mail messages, contact data, addresses, what answers come to; that
 * they are sent is in tests/system/notices.sh. */
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
#include "base/secret.h"
#include "base/str.h"
#include "publish/contact.h"
#include "publish/mail.h"
#include "publish/notice.h"
#include "publish/notice_text.h"
#include "publish/places.h"

#define NOW INT64_C(1795485600000000)

static void
test_a_text_names_the_receipt_and_where_to_call(void **state)
{
	static const char *const langs[] = { "ja", "en" };
	char text[NOTICE_TEXT_SIZE];
	size_t i, what;

	(void)state;
	for (i = 0; i < 2; i++)
		for (what = 0; what < STORE_NEWS_COUNT; what++) {
			notice_text(text, langs[i],
			    (enum store_dispatch_what)what, "1484678217",
			    "0120950178");
			assert_non_null(strstr(text, "1484678217"));
			assert_int_equal(strstr(text, "0120950178") != NULL,
			    what != STORE_NEWS_CASE);
			assert_null(strpbrk(text, "{}\r\n"));
			assert_true(str_is_utf8(text, strlen(text)));
			assert_true(strlen(text) < NOTICE_TEXT_SIZE - 1);
			assert_string_not_equal(
			    notice_subject(
				langs[i], (enum store_dispatch_what)what),
			    "");
		}
	notice_text(text, "en", STORE_NEWS_LIFT, "1484678217", "0120017827");
	assert_string_equal(text,
	    "The hold on your electronic certificates, receipt number "
	    "1484678217, was lifted. If it was not you who asked for it, call "
	    "0120017827 at once.");
	assert_string_equal(notice_lang("en"), "en");
	assert_string_equal(notice_lang("tlh"), "ja");
	assert_string_equal(notice_lang(""), "ja");
}

static void
test_a_message_is_ascii_with_everything_it_needs(void **state)
{
	struct mail mail = { .from = "hotline@jpki.example",
		.to = "taro@mail.example",
		.subject =
		    "電子証明書の一時保留のお知らせ、長い題名は分けられる",
		.text = "受付番号は1484678217です。",
		.id = "holder-hold-1484678217",
		.now_us = NOW };
	char out[MAIL_SIZE], *line, *rest = out;
	size_t len = mail_format(out, &mail), i;

	(void)state;
	assert_int_equal(len, strlen(out));
	for (i = 0; i < len; i++)
		assert_true((unsigned char)out[i] < 0x80);
	assert_non_null(
	    strstr(out, "Date: Tue, 24 Nov 2026 02:00:00 +0000\r\n"));
	assert_non_null(strstr(out, "From: <hotline@jpki.example>\r\n"));
	assert_non_null(strstr(out, "To: <taro@mail.example>\r\n"));
	assert_non_null(strstr(
	    out, "Message-ID: <holder-hold-1484678217@jpki.example>\r\n"));
	assert_non_null(strstr(out, "Subject: =?UTF-8?B?"));
	assert_non_null(strstr(out,
	    "\r\n\r\n5Y+X5LuY55Wq5Y+344GvMTQ4NDY3ODIx"
	    "N+OBp+OBmeOAgg==\r\n"));
	while ((line = strsep(&rest, "\n")) != NULL) {
		assert_true(strlen(line) <= 79);
		if (rest != NULL)
			assert_int_equal(line[strlen(line) - 1], '\r');
	}
}

static void
test_only_plain_addresses(void **state)
{
	static const char *const bad[] = { "", "a", "@", "a@", "@b", "a@b@c",
		"a b@c", "a@b c", "a@b\r\n", "a\r\nBcc: x@y", "<a@b>", "a@-b",
		"a@b.", "-oQ@b", "a,b@c", "\"a\"@b", "山@b", "a@山", "a;b@c",
		"a@b>" };
	static const char *const good[] = { "a@b", "a.b+c=d@e-f.example",
		"o'neil@x.example" };
	char longest[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (str_is_mail(bad[i]))
			fail_msg("%s", bad[i]);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!str_is_mail(good[i]))
			fail_msg("%s", good[i]);
	snprintf(longest, sizeof(longest), "a@%0252d", 0);
	assert_true(str_is_mail(longest));
	snprintf(longest, sizeof(longest), "a@%0253d", 0);
	assert_false(str_is_mail(longest));
}

/* ---- contact data */

static struct keyring *
ring(void)
{
	char path[] = "/tmp/holdline-notice-XXXXXX";
	struct keyring *keys;
	struct err err;

	close(mkstemp(path));
	unlink(path);
	assert_int_equal(keyring_create(path, &err), 0);
	keys = keyring_load(path, &err);
	assert_non_null(keys);
	unlink(path);
	return keys;
}

static int
open_text(struct contact *c, const char *text, struct err *err)
{
	struct store_dispatch row = { .key_version = 1 };
	struct keyring *keys = ring();
	int rc;

	secret_seal(keys, text, strlen(text), row.contact);
	row.contact_len = strlen(text) + SECRET_SEAL_EXTRA;
	rc = contact_open(c, keys, &row, err);
	row.contact[3] ^= 1;
	if (rc == 0) {
		struct contact other;

		assert_int_equal(contact_open(&other, keys, &row, err), -1);
		assert_int_equal(err->code, ERR_REFUSED);
	}
	row.contact_len = 0;
	{
		struct contact other;

		assert_int_equal(contact_open(&other, keys, &row, err), -1);
	}
	keyring_free(keys);
	return rc;
}

static void
test_contact(void **state)
{
	struct contact c;
	struct err err;

	(void)state;
	assert_int_equal(open_text(&c,
			     "{\"kana\":\"ヤマダ\",\"phones\":[\"0312345678\","
			     "\"08012345678\"],\"ref\":\"r\",\"mail\":\"a@b\","
			     "\"address\":\"東京都\",\"lang\":\"en\"}",
			     &err),
	    0);
	assert_string_equal(c.name, "ヤマダ");
	assert_string_equal(c.mail, "a@b");
	assert_string_equal(c.address, "東京都");
	assert_string_equal(c.lang, "en");
	assert_string_equal(contact_mobile(&c), "08012345678");
	contact_wipe(&c);
	assert_string_equal(c.name, "");
	assert_int_equal(open_text(&c,
			     "{\"kana\":\"\",\"phones\":[\"0312345678\"],"
			     "\"ref\":\"r\",\"mail\":\"a@b\\r\\nBcc: c@d\"}",
			     &err),
	    0);
	assert_null(contact_mobile(&c));
	assert_string_equal(c.mail, "");
	assert_int_equal(open_text(&c, "[]", &err), -1);
	assert_int_equal(open_text(&c, "{\"phones\":3,\"kana\":[]}", &err), 0);
	assert_int_equal(c.n_phones, 0);
}

/* ---- addresses of municipalities */

static struct places *
load(const char *text, struct err *err)
{
	char path[] = "/tmp/holdline-places-XXXXXX";
	int fd = mkstemp(path);
	struct places *p;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	p = places_load(path, err);
	unlink(path);
	return p;
}

static void
refuses(const char *text, const char *what)
{
	struct err err = { ERR_NONE, "" };

	assert_null(load(text, &err));
	if (strstr(err.text, what) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, what);
}

static void
test_places(void **state)
{
	struct err err;
	struct places *p;

	(void)state;
	p = load("# codes\n\n131016 \t a@chiyoda.example\r\n"
		 "271276 b@osaka.example",
	    &err);
	assert_non_null(p);
	assert_string_equal(places_find(p, "131016"), "a@chiyoda.example");
	assert_string_equal(places_find(p, "271276"), "b@osaka.example");
	assert_null(places_find(p, "131024"));
	assert_null(places_find(NULL, "131016"));
	places_free(p);
	refuses("131016 a@b\n131016 c@d\n", ":2: 131016 is there twice");
	refuses("131017 a@b\n", "no municipality has the code");
	refuses("131016\n", "not a municipality's code and its address");
	refuses("131016 a@b c@d\n", "not a municipality's code");
	refuses("131016 a\n", "\"a\" is not a mail address");
	assert_null(places_load("/nowhere/x", &err));
}

/* ---- what answers come to */

#define W STORE_DISPATCH_WAITING
#define D STORE_DISPATCH_DONE
#define F STORE_DISPATCH_FAILED

static void
test_answers(void **state)
{
	static const struct {
		bool mail;
		int status;
		const char *why;
		enum store_dispatch_state is;
		bool fault;
	} cases[] = {
		{ false, 200, "", D, false },
		{ false, 202, "", D, false },
		{ false, 400, "", F, false },
		{ false, 422, "", F, false },
		{ false, 410, "", F, false },
		{ false, 401, "", W, true },
		{ false, 403, "", W, true },
		{ false, 404, "", W, true },
		{ false, 408, "", W, true },
		{ false, 409, "", W, false },
		{ false, 429, "", W, true },
		{ false, 500, "", W, true },
		{ false, 302, "", W, true },
		{ false, 200, "cut off", W, true },
		{ false, 0, "refused", W, true },
		{ true, 250, "", D, false },
		{ true, 0, "no route", W, true },
		{ true, 354, "cut off", W, true },
		{ true, 421, "x", W, true },
		{ true, 451, "x", W, false },
		{ true, 550, "x", F, false },
		{ true, 552, "x", F, false },
		{ true, 530, "x", W, true },
		{ true, 535, "x", W, true },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct web_answer a = { .status = cases[i].status,
			.body = "YAMADA" };
		struct dispatch_result r;

		str_copy(a.why, sizeof(a.why), cases[i].why);
		(cases[i].mail ? notice_judge_mail : notice_judge_web)(&a, &r);
		if (r.state != cases[i].is || r.fault != cases[i].fault)
			fail_msg("%d \"%s\"", cases[i].status, cases[i].why);
		assert_string_not_equal(r.words, "");
		assert_null(strstr(r.words, "YAMADA"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_text_names_the_receipt_and_where_to_call),
		cmocka_unit_test(
		    test_a_message_is_ascii_with_everything_it_needs),
		cmocka_unit_test(test_only_plain_addresses),
		cmocka_unit_test(test_contact),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
