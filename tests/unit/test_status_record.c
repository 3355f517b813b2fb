/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "base/err.h"
#include "base/secret.h"
#include "wire/status_record.h"

#define ISSUER "00112233445566778899aabbccddeeff00112233"
#define KEY "jpki:st:" ISSUER ":ab01"
#define OTHER_KEY "jpki:st:" ISSUER ":ab02"
#define EPOCH_1 "0000000000000007000000010badcafe"
#define EPOCH_2 "0000000000000007000000020badcafe"
#define EPOCH_OF_8 "0000000000000008000000010badcafe"
#define NOW INT64_C(1795485600000000)
#define K1 "1111111111111111111111111111111111111111111111111111111111111111"
#define K2 "2222222222222222222222222222222222222222222222222222222222222222"

static struct keyring *
ring(const char *lines)
{
	char path[] = "/tmp/holdline-test-record.XXXXXX";
	struct keyring *k;
	struct err err;
	int fd = mkstemp(path);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, lines, strlen(lines)), strlen(lines));
	close(fd);
	if ((k = keyring_load_cache(path, &err)) == NULL)
		fail_msg("%s", err.text);
	unlink(path);
	return k;
}

/* A reply as hiredis gives it, of bytes as Redis sends them. */
static redisReply *
reply_of(const char *bytes)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	redisReaderFeed(reader, bytes, strlen(bytes));
	assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
	assert_non_null(reply);
	redisReaderFree(reader);
	return reply;
}

/* HMGET's reply: six fields with blanks between, "-" = nil. */
static redisReply *
fields(const char *text)
{
	char bytes[600] = "*6\r\n", word[100];
	size_t used = 4;
	int n;

	while (sscanf(text, "%99s%n", word, &n) == 1) {
		text += n;
		used += (size_t)(strcmp(word, "-") == 0
			? snprintf(
			      bytes + used, sizeof(bytes) - used, "$-1\r\n")
			: snprintf(bytes + used, sizeof(bytes) - used,
			      "$%zu\r\n%s\r\n", strlen(word), word));
		assert_true(used < sizeof(bytes));
	}
	return reply_of(bytes);
}

static struct record
record_of(const char *text, const struct keyring *mac)
{
	redisReply *reply =
	    strstr(text, "\r\n") != NULL ? reply_of(text) : fields(text);
	struct record r;

	record_parse(&r, KEY, mac, reply);
	freeReplyObject(reply);
	return r;
}

static struct watermark
watermark_of(const char *text, const struct keyring *mac)
{
	redisReply *reply = fields(text);
	struct watermark wm;

	watermark_parse(&wm, mac, reply);
	freeReplyObject(reply);
	return wm;
}

static void
test_keys(void **state)
{
	char key[RECORD_KEY_SIZE + 1], issuer[RECORD_ISSUER_HEX + 1],
	    serial[RECORD_SERIAL_MAX + 1], longest[RECORD_SERIAL_MAX + 1];
	static const char *const bad[] = { "", "jpki:wm",
		"jpki:st:", "jpki:st:" ISSUER, "jpki:st:" ISSUER ":",
		"jpki:st:" ISSUER ":a", "jpki:st:" ISSUER ":AB01",
		"jpki:st:" ISSUER ":ab0", "jpki:st:" ISSUER ":ab01 ",
		"jpki:st:" ISSUER "0:ab01", "jpki:st:0011:ab01",
		"jpki:sT:" ISSUER ":ab01", "jpki:st:" ISSUER ":" ISSUER "01" };
	size_t i;

	(void)state;
	record_key(ISSUER, "ab01", key);
	assert_string_equal(key, KEY);
	assert_int_equal(record_key_parse(key, issuer, serial), 0);
	assert_string_equal(issuer, ISSUER);
	assert_string_equal(serial, "ab01");
	memset(longest, 'f', RECORD_SERIAL_MAX);
	longest[RECORD_SERIAL_MAX] = '\0';
	memset(key, '~', sizeof(key));
	record_key(ISSUER, longest, key);
	assert_int_equal(strlen(key), RECORD_KEY_SIZE - 1);
	assert_int_equal(key[RECORD_KEY_SIZE], '~');
	assert_int_equal(record_key_parse(key, issuer, serial), 0);
	assert_string_equal(serial, longest);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (record_key_parse(bad[i], issuer, serial) == 0)
			fail_msg("%s", bad[i]);
}

/* The form is a contract with whoever writes another responder: computed here
 * with Python's hmac from doc/cache.md. */
static void
test_a_record_is_signed_as_the_page_says(void **state)
{
	struct keyring *mac = ring("cache 1 " K1 "\n");
	struct record r = { .generation = 3,
		.status = 'H',
		.reason = 6,
		.time_s = 1795485600,
		.event = 41 };
	struct watermark wm = { .epoch = EPOCH_1,
		.seq = 41,
		.time_us = NOW,
		.complete = true,
		.fence = 7 };
	struct record_text t;
	struct watermark_text w;

	(void)state;
	record_format(&r, KEY, mac, &t);
	assert_string_equal(t.v, "3");
	assert_string_equal(t.s, "H");
	assert_string_equal(t.r, "6");
	assert_string_equal(t.t, "1795485600");
	assert_string_equal(t.e, "41");
	assert_string_equal(t.m, "40cbc288261c884cc8486b098a2f1259");
	record_format(&r, KEY, NULL, &t);
	assert_string_equal(t.m, "");
	watermark_format(&wm, mac, &w);
	assert_string_equal(w.epoch, EPOCH_1);
	assert_string_equal(w.seq, "41");
	assert_string_equal(w.time, "1795485600000000");
	assert_string_equal(w.state, "complete");
	assert_string_equal(w.fence, "7");
	assert_string_equal(w.m, "293c7a23da27a24e7d3a97564f2693b3");
	keyring_free(mac);
}

static void
test_what_is_found_under_a_key(void **state)
{
	static const struct {
		const char *reply;
		enum record_found found;
	} rows[] = {
		{ "3 H 6 1795485600 41 -", RECORD_WHOLE },
		{ "999999999999999 G 0 0 0 -", RECORD_WHOLE },
		{ "1 R 10 1795485600 0 x", RECORD_WHOLE },
		{ "- - - - - -", RECORD_ABSENT },
		{ "*6\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$0\r\n\r\n",
		    RECORD_MALFORMED },
		{ "- H 6 1795485600 41 -", RECORD_MALFORMED },
		{ "3 - 6 1795485600 41 -", RECORD_MALFORMED },
		{ "3 H - 1795485600 41 -", RECORD_MALFORMED },
		{ "3 H 6 - 41 -", RECORD_MALFORMED },
		{ "3 H 6 1795485600 - -", RECORD_MALFORMED },
		{ "0 H 6 1795485600 41 -", RECORD_MALFORMED },
		{ "-1 H 6 1795485600 41 -", RECORD_MALFORMED },
		{ "+3 H 6 1795485600 41 -", RECORD_MALFORMED },
		{ "0x3 H 6 1795485600 41 -", RECORD_MALFORMED },
		{ "inf H 6 1795485600 41 -", RECORD_MALFORMED },
		{ "3.0 H 6 1795485600 41 -", RECORD_MALFORMED },
		{ "1000000000000000 H 6 1795485600 41 -", RECORD_MALFORMED },
		{ "3 h 6 1795485600 41 -", RECORD_MALFORMED },
		{ "3 HH 6 1795485600 41 -", RECORD_MALFORMED },
		{ "3 X 6 1795485600 41 -", RECORD_MALFORMED },
		{ "3 H 7 1795485600 41 -", RECORD_MALFORMED },
		{ "3 H 11 1795485600 41 -", RECORD_MALFORMED },
		{ "3 H six 1795485600 41 -", RECORD_MALFORMED },
		{ "3 H 5 1795485600 41 -", RECORD_MALFORMED },
		{ "3 H 0 1795485600 41 -", RECORD_MALFORMED },
		{ "3 G 6 1795485600 41 -", RECORD_MALFORMED },
		{ "3 G 1 1795485600 41 -", RECORD_MALFORMED },
		{ "3 R 6 1795485600 41 -", RECORD_MALFORMED },
		{ "3 R 8 1795485600 41 -", RECORD_MALFORMED },
		{ "3 H 6 1795485600.5 41 -", RECORD_MALFORMED },
		{ "3 H 6 9999999999999999999 41 -", RECORD_MALFORMED },
		/* replies of another shape */
		{ "*5\r\n$1\r\n3\r\n$1\r\nH\r\n$1\r\n6\r\n$1\r\n5\r\n$1\r\n4"
		  "\r\n",
		    RECORD_UNREAD },
		{ "*0\r\n", RECORD_UNREAD },
		{ "*-1\r\n", RECORD_UNREAD },
		{ "+OK\r\n", RECORD_UNREAD },
		{ "$-1\r\n", RECORD_UNREAD },
	};
	struct record r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		r = record_of(rows[i].reply, NULL);
		if (r.found != rows[i].found)
			fail_msg("%s: %s", rows[i].reply,
			    record_found_name(r.found));
	}
	r = record_of("3 R 1 1795485600 41 -", NULL);
	assert_int_equal(r.generation, 3);
	assert_int_equal(r.status, 'R');
	assert_int_equal(r.reason, 1);
	assert_int_equal(r.time_s, 1795485600);
	assert_int_equal(r.event, 41);
}

static void
test_errors_and_bytes_that_hide(void **state)
{
	redisReply *reply;
	struct record r;

	(void)state;
	r = record_of("-WRONGTYPE Operation against a key\r\n", NULL);
	assert_int_equal(r.found, RECORD_WRONG_TYPE);
	r = record_of("-LOADING Redis is loading\r\n", NULL);
	assert_int_equal(r.found, RECORD_UNREAD);
	r = record_of("-NOPERM no right\r\n", NULL);
	assert_int_equal(r.found, RECORD_UNREAD);
	/* a NUL is no end */
	reply = fields("3 HxR 6 1795485600 41 -");
	reply->element[1]->str[1] = '\0';
	record_parse(&r, KEY, NULL, reply);
	assert_int_equal(r.found, RECORD_MALFORMED);
	freeReplyObject(reply);
}

/* Format a record, spoil it, read it. */
static enum record_found
signed_then_read(const struct keyring *writer, const struct keyring *reader,
    const char *key, const char *spoil)
{
	struct record r = { .generation = 3,
		.status = 'R',
		.reason = 0,
		.time_s = 1795485600,
		.event = 41 };
	struct record_text t;
	char text[200];

	record_format(&r, key, writer, &t);
	snprintf(text, sizeof(text), "%s %s %s %s %s %s",
	    strchr(spoil, 'v') != NULL ? "4" : t.v,
	    strchr(spoil, 's') != NULL ? "G" : t.s,
	    strchr(spoil, 'r') != NULL ? "1" : t.r,
	    strchr(spoil, 't') != NULL ? "1795485601" : t.t,
	    strchr(spoil, 'e') != NULL ? "42" : t.e,
	    strchr(spoil, 'm') != NULL ? "-"
		: strchr(spoil, 'M') != NULL
		? "00000000000000000000000000000000"
		: t.m[0] == '\0' ? "-"
				 : t.m);
	r = record_of(text, reader);
	return r.found;
}

static void
test_only_the_right_mac_will_do(void **state)
{
	struct keyring *k1 = ring("cache 1 " K1 "\n"),
		       *k2 = ring("cache 2 " K2 "\n"),
		       *both = ring("cache 2 " K2 "\ncache 1 " K1 "\n");
	const char *spoil;

	(void)state;
	assert_int_equal(signed_then_read(k1, k1, KEY, ""), RECORD_WHOLE);
	for (spoil = "vsrtemM"; *spoil != '\0'; spoil++) {
		char one[2] = { *spoil, '\0' };

		assert_int_equal(
		    signed_then_read(k1, k1, KEY, one), RECORD_UNSIGNED);
	}
	/* another certificate's record, put under this key */
	assert_int_equal(
	    signed_then_read(k1, k1, OTHER_KEY, ""), RECORD_UNSIGNED);
	assert_int_equal(signed_then_read(NULL, k1, KEY, ""), RECORD_UNSIGNED);
	assert_int_equal(signed_then_read(k2, k1, KEY, ""), RECORD_UNSIGNED);
	/* while the key is changed, readers know both; the newest signs */
	assert_int_equal(signed_then_read(k1, both, KEY, ""), RECORD_WHOLE);
	assert_int_equal(signed_then_read(k2, both, KEY, ""), RECORD_WHOLE);
	assert_int_equal(signed_then_read(both, k2, KEY, ""), RECORD_WHOLE);
	assert_int_equal(signed_then_read(both, k1, KEY, ""), RECORD_UNSIGNED);
	/* a reader without a key looks at none */
	assert_int_equal(signed_then_read(k1, NULL, KEY, "M"), RECORD_WHOLE);
	keyring_free(k1);
	keyring_free(k2);
	keyring_free(both);
}

static void
test_what_is_no_watermark(void **state)
{
	static const struct {
		const char *reply;
		enum record_found found;
	} rows[] = {
		{ EPOCH_1 " 41 1795485600000000 complete 7 -", RECORD_WHOLE },
		{ EPOCH_1 " 0 1795485600000000 loading 7 -", RECORD_WHOLE },
		/* the epoch and the fence are one owner's */
		{ EPOCH_1 " 0 1795485600000000 loading 8 -", RECORD_MALFORMED },
		{ "fffffffffffffffffffffffffffffff0 0 1795485600000000 "
		  "complete 7 -",
		    RECORD_MALFORMED },
		/* no number is so high */
		{ EPOCH_1 " 9999999999999999 1795485600000000 complete 7 -",
		    RECORD_MALFORMED },
		{ "- - - - - -", RECORD_ABSENT },
		{ EPOCH_1 "0 41 1795485600000000 complete 7 -",
		    RECORD_MALFORMED },
		{ "7 41 1795485600000000 complete 7 -", RECORD_MALFORMED },
		{ "000000000000000700000001EBADCAFE 41 1795485600000000"
		  " complete 7 -",
		    RECORD_MALFORMED },
		{ "- 41 1795485600000000 complete 7 -", RECORD_MALFORMED },
		{ EPOCH_1 " - 1795485600000000 complete 7 -",
		    RECORD_MALFORMED },
		{ EPOCH_1 " 41 - complete 7 -", RECORD_MALFORMED },
		{ EPOCH_1 " 41 1795485600000000 - 7 -", RECORD_MALFORMED },
		{ EPOCH_1 " 41 1795485600000000 complete - -",
		    RECORD_MALFORMED },
		{ EPOCH_1 " 41 1795485600000000 done 7 -", RECORD_MALFORMED },
		{ EPOCH_1 " -1 1795485600000000 complete 7 -",
		    RECORD_MALFORMED },
		{ EPOCH_1 " 41 inf complete 7 -", RECORD_MALFORMED },
	};
	struct watermark wm;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		wm = watermark_of(rows[i].reply, NULL);
		if (wm.found != rows[i].found)
			fail_msg("%s: %s", rows[i].reply,
			    record_found_name(wm.found));
	}
	wm = watermark_of(rows[0].reply, NULL);
	assert_string_equal(wm.epoch, EPOCH_1);
	assert_int_equal(wm.seq, 41);
	assert_int_equal(wm.time_us, NOW);
	assert_true(wm.complete);
	assert_int_equal(wm.fence, 7);
}

static void
test_a_watermark_is_signed_as_a_whole(void **state)
{
	static const char *const spoiled[] = {
		EPOCH_2 " 41 1795485600000000 complete 7 %s",
		EPOCH_1 " 40 1795485600000000 complete 7 %s",
		EPOCH_1 " 41 1795485600000001 complete 7 %s",
		EPOCH_1 " 41 1795485600000000 loading 7 %s",
		EPOCH_OF_8 " 41 1795485600000000 complete 8 %s",
	};
	struct keyring *mac = ring("cache 1 " K1 "\n");
	struct watermark wm = { .epoch = EPOCH_1,
		.seq = 41,
		.time_us = NOW,
		.complete = true,
		.fence = 7 };
	struct watermark_text t;
	char text[200];
	size_t i;

	(void)state;
	watermark_format(&wm, mac, &t);
	snprintf(text, sizeof(text), "%s %s %s %s %s %s", t.epoch, t.seq,
	    t.time, t.state, t.fence, t.m);
	assert_int_equal(watermark_of(text, mac).found, RECORD_WHOLE);
	for (i = 0; i < sizeof(spoiled) / sizeof(spoiled[0]); i++) {
		const char *space = strchr(spoiled[i], '%');

		snprintf(text, sizeof(text), "%.*s%s",
		    (int)(space - spoiled[i]), spoiled[i], t.m);
		assert_int_equal(
		    watermark_of(text, mac).found, RECORD_UNSIGNED);
		snprintf(text, sizeof(text), "%.*s-", (int)(space - spoiled[i]),
		    spoiled[i]);
		assert_int_equal(
		    watermark_of(text, mac).found, RECORD_UNSIGNED);
	}
	keyring_free(mac);
}

#define NONE "- - - - - -"
#define G "3 G 0 1795485600 41 -"
#define H "3 H 6 1795485600 41 -"
#define R "3 R 1 1795485600 41 -"
#define MALFORMED "inf G 0 1795485600 41 -"
#define PROOF EPOCH_1 " 41 1795485600000000 complete 7 -"

/* seen = what the reader had seen before, "" = nothing. */
static void
test_the_judgement(void **state)
{
	static const struct {
		const char *what, *record, *wm, *epoch;
		int64_t seq, now_us;
		enum record_verdict verdict;
	} rows[] = {
		{ "proof, no record", NONE, PROOF, "", 0, NOW, RECORD_IS_GOOD },
		{ "proof, lifted", G, PROOF, "", 0, NOW, RECORD_IS_GOOD },
		{ "proof, held", H, PROOF, "", 0, NOW, RECORD_IS_HELD },
		{ "proof, revoked", R, PROOF, "", 0, NOW, RECORD_IS_REVOKED },
		{ "cold: no watermark", NONE, NONE, "", 0, NOW,
		    RECORD_IS_UNPROVEN },
		{ "cold, lifted", G, NONE, "", 0, NOW, RECORD_IS_UNPROVEN },
		{ "cold, held is told", H, NONE, "", 0, NOW, RECORD_IS_HELD },
		{ "cold, revoked is told", R, NONE, "", 0, NOW,
		    RECORD_IS_REVOKED },
		{ "loading", NONE, EPOCH_1 " 41 1795485600000000 loading 7 -",
		    "", 0, NOW, RECORD_IS_UNPROVEN },
		{ "loading, held is told", H,
		    EPOCH_1 " 41 1795485600000000 loading 7 -", "", 0, NOW,
		    RECORD_IS_HELD },
		{ "five seconds old", NONE, PROOF, "", 0, NOW + 5000000,
		    RECORD_IS_GOOD },
		{ "older", NONE, PROOF, "", 0, NOW + 5000001,
		    RECORD_IS_UNPROVEN },
		{ "older, lifted", G, PROOF, "", 0, NOW + 5000001,
		    RECORD_IS_UNPROVEN },
		{ "older, held is told", H, PROOF, "", 0, NOW + 5000001,
		    RECORD_IS_HELD },
		{ "ten years old", NONE, PROOF, "", 0,
		    NOW + INT64_C(315360000000000), RECORD_IS_UNPROVEN },
		{ "five seconds ahead", NONE, PROOF, "", 0, NOW - 5000000,
		    RECORD_IS_GOOD },
		{ "further ahead", NONE, PROOF, "", 0, NOW - 5000001,
		    RECORD_IS_UNPROVEN },
		{ "seq as seen", NONE, PROOF, EPOCH_1, 41, NOW,
		    RECORD_IS_GOOD },
		{ "seq behind", NONE, PROOF, EPOCH_1, 42, NOW,
		    RECORD_IS_UNPROVEN },
		{ "seq behind, lifted", G, PROOF, EPOCH_1, 42, NOW,
		    RECORD_IS_UNPROVEN },
		{ "a later epoch begins anew", NONE,
		    EPOCH_2 " 5 1795485600000000 complete 7 -", EPOCH_1, 42,
		    NOW, RECORD_IS_GOOD },
		{ "an earlier epoch is back", NONE, PROOF, EPOCH_2, 5, NOW,
		    RECORD_IS_UNPROVEN },
		{ "a malformed record", MALFORMED, PROOF, "", 0, NOW,
		    RECORD_IS_UNPROVEN },
		{ "a wrong type", "-WRONGTYPE Operation\r\n", PROOF, "", 0, NOW,
		    RECORD_IS_UNPROVEN },
		{ "an error", "-LOADING Redis\r\n", PROOF, "", 0, NOW,
		    RECORD_IS_UNPROVEN },
		{ "a malformed watermark", NONE,
		    EPOCH_1 " inf 1795485600000000 complete 7 -", "", 0, NOW,
		    RECORD_IS_UNPROVEN },
	};
	struct watermark_seen seen;
	struct watermark wm;
	struct record r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		r = record_of(rows[i].record, NULL);
		wm = watermark_of(rows[i].wm, NULL);
		memset(&seen, 0, sizeof(seen));
		memcpy(seen.epoch, rows[i].epoch, strlen(rows[i].epoch));
		seen.seq = rows[i].seq;
		if (record_judge(&r, &wm, &seen, rows[i].now_us) !=
		    rows[i].verdict)
			fail_msg("%s: %s", rows[i].what,
			    record_verdict_name(
				record_judge(&r, &wm, &seen, rows[i].now_us)));
	}
}

/* What has no right MAC says nothing, not even "held". */
static void
test_what_is_not_signed_is_unproven(void **state)
{
	struct keyring *mac = ring("cache 1 " K1 "\n");
	static const char *const records[] = { G, H, R };
	struct watermark wm = { .epoch = EPOCH_1,
		.seq = 41,
		.time_us = NOW,
		.complete = true,
		.fence = 7 };
	struct watermark_seen seen = { .seq = 0 };
	struct watermark_text t;
	struct record r;
	char text[200];
	size_t i;

	(void)state;
	watermark_format(&wm, mac, &t);
	snprintf(
	    text, sizeof(text), EPOCH_1 " 41 %s complete 7 %s", t.time, t.m);
	wm = watermark_of(text, mac);
	for (i = 0; i < 3; i++) {
		r = record_of(records[i], mac);
		assert_int_equal(
		    record_judge(&r, &wm, &seen, NOW), RECORD_IS_UNPROVEN);
	}
	r = record_of(NONE, mac);
	assert_int_equal(record_judge(&r, &wm, &seen, NOW), RECORD_IS_GOOD);
	wm = watermark_of(PROOF, mac);
	assert_int_equal(record_judge(&r, &wm, &seen, NOW), RECORD_IS_UNPROVEN);
	keyring_free(mac);
}

static void
test_a_reader_remembers_the_best(void **state)
{
	struct watermark_seen seen = { .seq = 0 };
	struct watermark wm = watermark_of(PROOF, NULL);

	(void)state;
	watermark_note(&seen, &wm, NOW);
	assert_string_equal(seen.epoch, EPOCH_1);
	assert_int_equal(seen.seq, 41);
	wm.seq = 40; /* a replica that is behind */
	watermark_note(&seen, &wm, NOW);
	assert_int_equal(seen.seq, 41);
	assert_false(watermark_proves(&wm, &seen, NOW));
	wm.seq = 43;
	assert_true(watermark_proves(&wm, &seen, NOW));
	watermark_note(&seen, &wm, NOW);
	assert_int_equal(seen.seq, 43);
	wm = watermark_of(EPOCH_2 " 7 1795485600000000 loading 7 -", NULL);
	watermark_note(&seen, &wm, NOW);
	assert_string_equal(seen.epoch, EPOCH_2);
	assert_int_equal(seen.seq, 7);
	wm = watermark_of(PROOF, NULL); /* the old server is back */
	watermark_note(&seen, &wm, NOW);
	assert_string_equal(seen.epoch, EPOCH_2);
	assert_false(watermark_proves(&wm, &seen, NOW));
	wm = watermark_of(NONE, NULL);
	watermark_note(&seen, &wm, NOW);
	assert_string_equal(seen.epoch, EPOCH_2);
}

/* Owners are counted one by one: nobody is a million of them ahead. */
static void
test_a_reader_follows_no_leap(void **state)
{
	struct watermark_seen seen = { .seq = 0 };
	struct watermark wm = watermark_of(PROOF, NULL);
	struct watermark leap = watermark_of(
	    "00000000000f4248000000010badcafe 41 1795485600000000 complete "
	    "1000008 -",
	    NULL);

	(void)state;
	watermark_note(&seen, &wm, NOW);
	watermark_note(&seen, &leap, NOW);
	assert_false(watermark_proves(&leap, &seen, NOW));
	assert_true(watermark_proves(&wm, &seen, NOW));
	leap = watermark_of(
	    "00000000000f4247000000010badcafe 41 1795485600000000 complete "
	    "1000007 -",
	    NULL);
	watermark_note(&seen, &leap, NOW);
	assert_true(watermark_proves(&leap, &seen, NOW));
	assert_false(watermark_proves(&wm, &seen, NOW));
}

/* Without a MAC anybody who reaches the cache can write a watermark.  One that
 * is no heartbeat of now teaches nothing: the true one proves again. */
static void
test_a_reader_learns_from_heartbeats_only(void **state)
{
	struct watermark_seen seen = { .seq = 0 };
	struct watermark wm = watermark_of(PROOF, NULL);
	const struct watermark late =
	    watermark_of(EPOCH_2 " 7 1795485594999999 complete 7 -", NULL);
	const struct watermark early =
	    watermark_of(EPOCH_2 " 7 1795485605000001 complete 7 -", NULL);

	(void)state;
	watermark_note(&seen, &wm, NOW);
	watermark_note(&seen, &late, NOW);
	watermark_note(&seen, &early, NOW);
	assert_string_equal(seen.epoch, EPOCH_1);
	assert_true(watermark_proves(&wm, &seen, NOW));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_reader_learns_from_heartbeats_only),
		cmocka_unit_test(test_a_reader_follows_no_leap),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_a_record_is_signed_as_the_page_says),
		cmocka_unit_test(test_what_is_found_under_a_key),
		cmocka_unit_test(test_errors_and_bytes_that_hide),
		cmocka_unit_test(test_only_the_right_mac_will_do),
		cmocka_unit_test(test_what_is_no_watermark),
		cmocka_unit_test(test_a_watermark_is_signed_as_a_whole),
		cmocka_unit_test(test_the_judgement),
		cmocka_unit_test(test_what_is_not_signed_is_unproven),
		cmocka_unit_test(test_a_reader_remembers_the_best),
	};
	return cmocka_run_group_tests_name("status record", tests, NULL, NULL);
}
