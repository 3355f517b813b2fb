/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/err.h"
#include "base/timer.h"
#include "ocsp/issuer.h"
#include "ocsp/lookup.h"
#include "ocsp/responder.h"
#include "ocsp/signer.h"
#include "ocsp_world.h"

#define HELD_S (NOW_S - 1000)

/* A cache that says what the test wants, when it wants. */
struct world {
	struct certs certs;
	int64_t now_us;
	struct timers *timers;
	struct ocsp_issuers *issuers;
	struct ocsp_signers *signers;
	struct ocsp_responder *r;
	struct ocsp_ask *ask; /* the one that waits */
	struct record record; /* what it is told */
	enum record_verdict verdict;
	int answers;
	bool cacheable;
	int64_t next_s;
	uint8_t bytes[8192];
	size_t len;
	char said[128];
};

static int64_t
world_now(void *ctx)
{
	return ((struct world *)ctx)->now_us;
}

static void
world_look_up(void *ctx, struct ocsp_ask *ask)
{
	struct world *w = ctx;

	assert_null(w->ask);
	w->ask = ask;
}

static struct ocsp_signers *
world_signers(struct world *w, const char *name, const struct signer_flaws *f)
{
	char cert[2][128], key[2][128], names[2][32];
	char *certs[] = { cert[0], cert[1] }, *keys[] = { key[0], key[1] };
	struct ocsp_signers_options o = { .issuers = w->issuers,
		.certs = certs,
		.n_certs = 2,
		.keys = keys,
		.n_keys = 2,
		.now_s = NOW_S };
	struct ocsp_signers *signers;
	char file[64];
	struct err err;
	int i;

	for (i = 0; i < 2; i++) {
		snprintf(names[i], sizeof(names[i]), "%s%d", name, i);
		EVP_PKEY_free(signer_make(&w->certs,
		    i == 0 ? &w->certs.a : &w->certs.b, names[i], f));
		snprintf(file, sizeof(file), "%s.crt", names[i]);
		certs_path(&w->certs, file, cert[i]);
		snprintf(file, sizeof(file), "%s.key", names[i]);
		certs_path(&w->certs, file, key[i]);
	}
	signers = ocsp_signers_load(&o, &err);
	if (signers == NULL)
		fail_msg("%s", err.text);
	return signers;
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct timer_clock clock = { world_now, world_now, w };
	const struct signer_flaws good = { 0 }, ends = { .to_s = DAY_S };
	char *paths[2];
	struct ocsp_responder_options o = { .look_up = world_look_up,
		.ctx = w,
		.max_certs = 3,
		.kept_max = 2,
		.fresh_s = 60,
		.fresh_revoked_s = 3600,
		.sign_threads = 1,
		.sign_queue = 10 };
	struct err err;

	(void)good;
	w->now_us = NOW_S * CLOCK_S_US;
	w->timers = timers_new(&clock);
	certs_make(&w->certs);
	paths[0] = w->certs.a.path;
	paths[1] = w->certs.b.path;
	w->issuers = ocsp_issuers_load(paths, 2, &err);
	assert_non_null(w->issuers);
	w->signers = world_signers(w, "s", &ends);
	o.issuers = w->issuers;
	o.timers = w->timers;
	w->r = ocsp_responder_new(&o, w->signers, &err);
	assert_non_null(w->r);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	ocsp_responder_free(w->r);
	ocsp_signers_free(w->signers);
	ocsp_issuers_free(w->issuers);
	certs_remove(&w->certs);
	timers_free(w->timers);
	free(w);
	return 0;
}

static void
on_reply(void *ctx, const struct ocsp_reply *reply)
{
	struct world *w = ctx;

	w->answers++;
	w->cacheable = reply->cacheable;
	w->next_s = reply->next_s;
	assert_true(reply->len <= sizeof(w->bytes));
	memcpy(w->bytes, reply->bytes, reply->len);
	w->len = reply->len;
}

/* Ask, answer from the cache, and say what came of it. */
static void
ask_der(struct world *w, uint8_t *der, size_t len)
{
	struct ocsp_ask *ask;
	uint8_t *copy = malloc(len);
	size_t i;

	memcpy(copy, der, len); /* its bytes are gone when it returns */
	w->answers = 0;
	assert_int_equal(
	    ocsp_responder_ask(w->r, (struct der){ copy, len }, on_reply, w),
	    0);
	memset(copy, 0, len);
	free(copy);
	assert_int_equal(w->answers, 0);
	ask = w->ask;
	w->ask = NULL;
	for (i = 0; i < ask->n; i++) {
		ask->questions[i].record = w->record;
		ask->questions[i].verdict = w->verdict;
	}
	ask->done(ask);
	assert_int_equal(w->answers, 1);
}

static const char *
ask_as(struct world *w, const struct authority *a, const char *hex,
    const EVP_MD *md, bool nonce)
{
	size_t len;
	uint8_t *der = client_request(a, hex, md, nonce, &len);

	ask_der(w, der, len);
	OPENSSL_free(der);
	return client_read(a, hex, md, w->bytes, w->len, w->said);
}

static const char *
ask(struct world *w, const char *hex)
{
	return ask_as(w, &w->certs.a, hex, EVP_sha1(), false);
}

static void
cache_says(struct world *w, enum record_verdict verdict, int64_t generation,
    char status, int reason)
{
	w->verdict = verdict;
	w->record = (struct record){ .found = generation == 0 ? RECORD_ABSENT
							      : RECORD_WHOLE,
		.generation = generation,
		.status = status,
		.reason = reason,
		.time_s = generation == 0 ? 0 : HELD_S };
}

/* ---- tests */

static void
test_every_status_is_told(void **state)
{
	struct world *w = *state;
	char held[64], revoked[64];

	snprintf(held, sizeof(held), "revoked certificateHold %lld",
	    (long long)HELD_S);
	snprintf(revoked, sizeof(revoked), "revoked keyCompromise %lld",
	    (long long)HELD_S);
	cache_says(w, RECORD_IS_GOOD, 0, 0, 0);
	assert_string_equal(ask(w, "0A01"), "good");
	assert_int_equal(w->next_s, NOW_S + 60);
	cache_says(w, RECORD_IS_HELD, 1, 'H', 6);
	assert_string_equal(ask(w, "0A01"), held);
	assert_int_equal(w->next_s, NOW_S + 60);
	cache_says(w, RECORD_IS_GOOD, 2, 'G', 0);
	assert_string_equal(ask(w, "0A01"), "good");
	cache_says(w, RECORD_IS_REVOKED, 3, 'R', 1);
	assert_string_equal(ask(w, "0A01"), revoked);
	assert_int_equal(w->next_s, NOW_S + 3600);
	cache_says(w, RECORD_IS_REVOKED, 3, 'R', 0);
	snprintf(revoked, sizeof(revoked), "revoked - %lld", (long long)HELD_S);
	assert_string_equal(ask(w, "0A02"), revoked);
	cache_says(w, RECORD_IS_UNPROVEN, 0, 0, 0);
	assert_string_equal(ask(w, "0A01"), "trylater");
	assert_false(w->cacheable);
}

static void
test_the_key_is_the_store_s(void **state)
{
	/* A serial number with the high bit set has a zero in front in DER;
	 * neither that nor other zeros stand in the key. */
	static const char *const serials[][2] = { { "9F01", "9f01" },
		{ "01", "01" },
		{ "7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
		    "7fffffffffffffffffffffffffffffffffffffff" },
		{ "FF00000000000000000000000000000000000001",
		    "ff00000000000000000000000000000000000001" } };
	struct world *w = *state;
	const EVP_MD *mds[] = { EVP_sha1(), EVP_sha256() };
	char key[RECORD_KEY_SIZE];
	uint8_t *der;
	size_t i, m, len;

	for (m = 0; m < 2; m++)
		for (i = 0; i < 4; i++) {
			der = client_request(
			    &w->certs.a, serials[i][0], mds[m], false, &len);
			ocsp_responder_ask(
			    w->r, (struct der){ der, len }, on_reply, w);
			OPENSSL_free(der);
			record_key(
			    ocsp_issuer_hex(w->issuers, 0), serials[i][1], key);
			assert_int_equal(w->ask->n, 1);
			assert_string_equal(w->ask->questions[0].key, key);
			w->ask->questions[0].verdict = RECORD_IS_UNPROVEN;
			w->ask->done(w->ask);
			w->ask = NULL;
		}
}

static void
test_other_hashes_and_issuers(void **state)
{
	struct world *w = *state;
	struct authority twin = w->certs.a;

	cache_says(w, RECORD_IS_GOOD, 0, 0, 0);
	assert_string_equal(
	    ask_as(w, &w->certs.a, "0A01", EVP_sha256(), false), "good");
	assert_string_equal(
	    ask_as(w, &w->certs.b, "0A01", EVP_sha1(), false), "good");
	/* SHA-512 names no issuer that we could recognise. */
	assert_string_equal(
	    ask_as(w, &w->certs.a, "0A01", EVP_sha512(), false), "unknown");
	/* The name of one, the key of another. */
	twin.cert = cert_new("c", w->certs.a.key, NULL, 9);
	cert_extend(
	    twin.cert, twin.cert, NID_basic_constraints, "critical,CA:TRUE");
	X509_sign(twin.cert, w->certs.a.key, EVP_sha256());
	cache_says(w, RECORD_IS_UNPROVEN, 0, 0, 0); /* nobody looks */
	assert_non_null(
	    strstr(ask_as(w, &twin, "0A01", EVP_sha1(), false), "unknown"));
	X509_free(twin.cert);
	/* No certificate has these. */
	assert_string_equal(ask(w, "00"), "unknown");
	assert_string_equal(
	    ask(w, "0100000000000000000000000000000000000000FF"), "unknown");
}

static void
test_a_nonce_comes_back(void **state)
{
	struct world *w = *state;
	const uint8_t *at = w->bytes;
	OCSP_RESPONSE *response;
	OCSP_BASICRESP *basic;
	OCSP_REQUEST *request;
	uint8_t *der;
	size_t len;

	cache_says(w, RECORD_IS_GOOD, 0, 0, 0);
	der = client_request(&w->certs.a, "0A01", EVP_sha1(), true, &len);
	ask_der(w, der, len);
	response = d2i_OCSP_RESPONSE(NULL, &at, (long)w->len);
	basic = OCSP_response_get1_basic(response);
	at = der;
	request = d2i_OCSP_REQUEST(NULL, &at, (long)len);
	assert_int_equal(OCSP_check_nonce(request, basic), 1);
	assert_false(w->cacheable);
	OCSP_REQUEST_free(request);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	OPENSSL_free(der);
	/* Nor is the answer given to anybody else. */
	assert_string_equal(ask(w, "0A01"), "good");
	assert_true(w->cacheable);
}

/* The same bytes while the record says the same and half their time is left;
 * others as soon as it does not. */
static void
test_answers_are_kept(void **state)
{
	struct world *w = *state;
	uint8_t first[8192];

	cache_says(w, RECORD_IS_GOOD, 0, 0, 0);
	ask(w, "0A01");
	memcpy(first, w->bytes, w->len);
	w->now_us += 29 * CLOCK_S_US;
	assert_string_equal(ask(w, "0A01"), "good");
	assert_memory_equal(first, w->bytes, w->len);
	assert_int_equal(w->next_s, NOW_S + 60);
	w->now_us += 1 * CLOCK_S_US;
	ask(w, "0A01");
	assert_int_equal(w->next_s, NOW_S + 90);
	cache_says(w, RECORD_IS_HELD, 1, 'H', 6);
	assert_non_null(strstr(ask(w, "0A01"), "certificateHold"));
	cache_says(w, RECORD_IS_UNPROVEN, 1, 'G', 0);
	assert_string_equal(ask(w, "0A01"), "trylater");
	cache_says(w, RECORD_IS_GOOD, 2, 'G', 0);
	assert_string_equal(ask(w, "0A01"), "good");
}

/* revocationTime and thisUpdate of a hold that began `ahead_s` from now, each
 * in seconds from now. */
static void
times_of(struct world *w, int64_t ahead_s, int *revoked_s, int *this_s)
{
	ASN1_GENERALIZEDTIME *revoked, *this_update, *next_update;
	OCSP_CERTID *id = client_id(&w->certs.a, "0A01", EVP_sha1());
	ASN1_TIME *now = ASN1_TIME_set(NULL, NOW_S);
	const uint8_t *at = w->bytes;
	int status, reason, days;
	OCSP_RESPONSE *response;
	OCSP_BASICRESP *basic;

	cache_says(w, RECORD_IS_HELD, 1, 'H', 6);
	w->record.time_s = NOW_S + ahead_s;
	assert_non_null(strstr(ask(w, "0A01"), "certificateHold"));
	response = d2i_OCSP_RESPONSE(NULL, &at, (long)w->len);
	basic = OCSP_response_get1_basic(response);
	assert_int_equal(OCSP_resp_find_status(basic, id, &status, &reason,
			     &revoked, &this_update, &next_update),
	    1);
	ASN1_TIME_diff(&days, revoked_s, now, revoked);
	assert_int_equal(days, 0);
	ASN1_TIME_diff(&days, this_s, now, this_update);
	assert_int_equal(days, 0);
	ASN1_TIME_free(now);
	OCSP_CERTID_free(id);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
}

static void
test_no_answer_is_older_than_its_news(void **state)
{
	int revoked_s, this_s;

	times_of(*state, -7, &revoked_s, &this_s);
	assert_int_equal(revoked_s, -7);
	assert_int_equal(this_s, 0);
	times_of(*state, 5, &revoked_s, &this_s); /* the store's clock */
	assert_int_equal(revoked_s, 5);
	assert_int_equal(this_s, 5);
}

/* openssl and all others refuse an answer of tomorrow. */
static void
test_a_record_of_tomorrow_is_told_as_of_now(void **state)
{
	static const int64_t ahead_s[] = { 6, 86400, INT64_C(999999999999) };
	int revoked_s, this_s;
	size_t i;

	for (i = 0; i < sizeof(ahead_s) / sizeof(ahead_s[0]); i++) {
		times_of(*state, ahead_s[i], &revoked_s, &this_s);
		assert_int_equal(revoked_s, 0);
		assert_int_equal(this_s, 0);
	}
}

/* A request's DER about n certificates of two issuers. */
static uint8_t *
many(struct world *w, int n, size_t *len)
{
	OCSP_REQUEST *request = OCSP_REQUEST_new();
	uint8_t *der = NULL;
	char hex[8];
	int i;

	for (i = 0; i < n; i++) {
		snprintf(hex, sizeof(hex), "%04X", 0x100 + i);
		OCSP_request_add0_id(request,
		    client_id(i % 2 ? &w->certs.b : &w->certs.a, hex,
			i % 2 ? EVP_sha256() : EVP_sha1()));
	}
	*len = (size_t)i2d_OCSP_REQUEST(request, &der);
	OCSP_REQUEST_free(request);
	return der;
}

static void
test_several_are_answered_together(void **state)
{
	struct world *w = *state;
	uint8_t *der;
	size_t len;
	char out[128];

	cache_says(w, RECORD_IS_HELD, 1, 'H', 6);
	der = many(w, 3, &len);
	ask_der(w, der, len);
	OPENSSL_free(der);
	assert_false(w->cacheable);
	assert_non_null(strstr(
	    client_read(&w->certs.a, "0100", EVP_sha1(), w->bytes, w->len, out),
	    "revoked certificateHold"));
	assert_non_null(strstr(client_read(&w->certs.b, "0101", EVP_sha256(),
				   w->bytes, w->len, out),
	    "revoked certificateHold"));
	assert_non_null(strstr(
	    client_read(&w->certs.a, "0102", EVP_sha1(), w->bytes, w->len, out),
	    "revoked certificateHold"));
	der = many(w, 4, &len); /* max_certs is 3 */
	assert_int_equal(
	    ocsp_responder_ask(w->r, (struct der){ der, len }, on_reply, w),
	    OCSP_MALFORMED);
	OPENSSL_free(der);
}

/* One that cannot be told: nothing is told of the others either. */
static void
test_one_unproven_is_try_later(void **state)
{
	struct world *w = *state;
	uint8_t *der;
	size_t len;

	der = many(w, 3, &len);
	w->answers = 0;
	ocsp_responder_ask(w->r, (struct der){ der, len }, on_reply, w);
	OPENSSL_free(der);
	w->ask->questions[0].verdict = RECORD_IS_GOOD;
	w->ask->questions[1].verdict = RECORD_IS_GOOD;
	w->ask->questions[2].verdict = RECORD_IS_UNPROVEN;
	w->ask->done(w->ask);
	assert_int_equal(w->answers, 1);
	assert_memory_equal(w->bytes, "\x30\3\x0a\1\3", 5);
	w->ask = NULL;
}

static void
test_nonsense_is_malformed(void **state)
{
	struct world *w = *state;
	uint8_t *der, *cut;
	size_t len, i;

	der = client_request(&w->certs.a, "0A01", EVP_sha1(), true, &len);
	for (i = 0; i < len; i++) {
		cut = malloc(i + 1); /* so that reading on is noticed */
		memcpy(cut, der, i);
		assert_int_equal(ocsp_responder_ask(
				     w->r, (struct der){ cut, i }, on_reply, w),
		    OCSP_MALFORMED);
		free(cut);
	}
	OPENSSL_free(der);
	assert_null(w->ask);
}

static void
test_an_expired_signer_signs_nothing(void **state)
{
	const struct signer_flaws good = { 0 };
	struct ocsp_signers *signers;
	struct world *w = *state;
	struct err err;

	cache_says(w, RECORD_IS_HELD, 1, 'H', 6);
	w->now_us = (NOW_S + DAY_S + 1) * CLOCK_S_US;
	assert_string_equal(ask(w, "0A01"), "internalerror");
	signers = world_signers(w, "t", &good);
	assert_int_equal(ocsp_responder_renew(w->r, signers, &err), 0);
	ocsp_signers_free(signers);
	assert_non_null(strstr(ask(w, "0A01"), "certificateHold"));
}

/* What was signed with the old certificate is not given again. */
static void
test_a_renewed_signer_signs(void **state)
{
	const struct signer_flaws good = { 0 };
	struct ocsp_signers *signers;
	struct world *w = *state;
	uint8_t first[8192];
	struct err err;

	cache_says(w, RECORD_IS_GOOD, 0, 0, 0);
	ask(w, "0A01");
	memcpy(first, w->bytes, w->len);
	signers = world_signers(w, "t", &good);
	assert_int_equal(ocsp_responder_renew(w->r, signers, &err), 0);
	ocsp_signers_free(signers);
	assert_string_equal(ask(w, "0A01"), "good");
	assert_memory_not_equal(first, w->bytes, w->len);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_every_status_is_told),
		TEST(test_the_key_is_the_store_s),
		TEST(test_other_hashes_and_issuers),
		TEST(test_a_nonce_comes_back),
		TEST(test_answers_are_kept),
		TEST(test_no_answer_is_older_than_its_news),
		TEST(test_a_record_of_tomorrow_is_told_as_of_now),
		TEST(test_several_are_answered_together),
		TEST(test_one_unproven_is_try_later),
		TEST(test_nonsense_is_malformed),
		TEST(test_an_expired_signer_signs_nothing),
		TEST(test_a_renewed_signer_signs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
