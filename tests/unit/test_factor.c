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
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/err.h"
#include "verify/factor.h"

#define KEY_OLD \
	"0000000000000000000000000000000000000000000000000000000000000001"
#define KEY_NEW \
	"0000000000000000000000000000000000000000000000000000000000000002"

/* A key ring of these lines. */
static struct keyring *
ring(const char *lines)
{
	char path[] = "/tmp/test_factor.XXXXXX";
	struct keyring *k;
	struct err err;
	FILE *f;
	int fd = mkstemp(path);

	assert_int_not_equal(fd, -1);
	f = fdopen(fd, "w");
	fputs(lines, f);
	fclose(f);
	k = keyring_load(path, &err);
	unlink(path);
	assert_non_null(k);
	return k;
}

static int
setup(void **state)
{
	*state = ring("1 " KEY_OLD "\n7 " KEY_NEW "\n");
	return 0;
}

static int
teardown(void **state)
{
	keyring_free(*state);
	return 0;
}

/* HMAC(HMAC(key, purpose), message), with OpenSSL alone. */
static void
expected(uint8_t last, const char *purpose, const void *message, size_t len,
    uint8_t mac[32])
{
	uint8_t key[32] = { 0 }, derived[32];

	key[31] = last;
	HMAC(EVP_sha256(), key, 32, (const uint8_t *)purpose, strlen(purpose),
	    derived, NULL);
	HMAC(EVP_sha256(), derived, 32, message, len, mac, NULL);
}

static void
test_the_tag_is_what_the_contract_says(void **state)
{
	uint8_t tag[32], want[32];

	factor_tag(*state, 0, "19800229", "1000001", tag);
	expected(2, "holdline/lookup", "198002291000001", 15, want);
	assert_memory_equal(tag, want, 32);
	factor_tag(*state, 1, "19800229", "1000001", tag);
	expected(1, "holdline/lookup", "198002291000001", 15, want);
	assert_memory_equal(tag, want, 32);
}

static void
test_a_telephone_is_bound_to_its_tag(void **state)
{
	uint8_t tag[32], other[32], a[32], b[32], want[32], message[6 + 32 + 4];

	factor_tag(*state, 0, "19800229", "1000001", tag);
	factor_tag(*state, 0, "19800229", "1000002", other);
	factor_phone(*state, 0, tag, "0178", a);
	memcpy(message, "phone4", 6);
	memcpy(message + 6, tag, 32);
	memcpy(message + 38, "0178", 4);
	expected(2, "holdline/factor", message, sizeof(message), want);
	assert_memory_equal(a, want, 32);
	factor_phone(*state, 0, other, "0178", b);
	assert_memory_not_equal(a, b, 32);
	factor_phone(*state, 0, tag, "0179", b);
	assert_memory_not_equal(a, b, 32);
	factor_phone(*state, 1, tag, "0178", b);
	assert_memory_not_equal(a, b, 32);
}

static void
test_a_pin_is_stretched(void **state)
{
	uint8_t tag[32], other[32], a[32], b[32], quick[32], want[32];
	uint8_t message[3 + 32 + 4];

	factor_tag(*state, 0, "19800229", "1000001", tag);
	assert_int_equal(factor_pin(*state, 0, tag, "0178", a), 0);
	memcpy(message, "pin", 3);
	memcpy(message + 3, tag, 32);
	memcpy(message + 35, "0178", 4);
	expected(2, "holdline/factor", message, sizeof(message), quick);
	assert_memory_not_equal(a, quick, 32);
	assert_int_equal(secret_stretch(quick, tag, want), 0);
	assert_memory_equal(a, want, 32);
	assert_int_equal(factor_pin(*state, 0, tag, "0178", b), 0);
	assert_memory_equal(a, b, 32);
	assert_int_equal(factor_pin(*state, 0, tag, "01780", b), 0);
	assert_memory_not_equal(a, b, 32);
	factor_tag(*state, 0, "19800228", "1000001", other);
	assert_int_equal(factor_pin(*state, 0, other, "0178", b), 0);
	assert_memory_not_equal(a, b, 32);
}

/* Answers of odd lengths are answers, not crashes. */
static void
test_empty_and_longest_answers_work(void **state)
{
	uint8_t tag[32], none[32], a[32], b[32];

	factor_tag(*state, 0, "", "", none);
	factor_tag(*state, 0, "19800229", "1000001", tag);
	assert_memory_not_equal(tag, none, 32);
	factor_phone(*state, 0, tag, "", a);
	assert_int_equal(factor_pin(*state, 0, tag, "", b), 0);
	assert_memory_not_equal(a, b, 32);
	assert_int_equal(factor_pin(*state, 0, tag, "0123456789", a), 0);
	assert_memory_not_equal(a, b, 32);
}

/* Counters outlive a new key; a record's name can be found under each. */
static void
test_references_have_a_name_under_each_key(void **state)
{
	struct keyring *old = ring("1 " KEY_OLD "\n");
	uint8_t a[32], b[32], want[32];

	factor_ref(*state, 1, "ref-1", a);
	factor_ref(old, 0, "ref-1", b);
	assert_memory_equal(a, b, 32);
	expected(1, "holdline/holder", "ref-1", 5, want);
	assert_memory_equal(a, want, 32);
	factor_number(*state, "09000000001", a);
	factor_number(old, "09000000001", b);
	assert_memory_equal(a, b, 32);
	factor_number(*state, "+090 0000-0001 ", b); /* the same digits */
	assert_memory_equal(a, b, 32);
	expected(1, "holdline/number", "09000000001", 11, want);
	assert_memory_equal(a, want, 32);
	keyring_free(old);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_tag_is_what_the_contract_says),
		cmocka_unit_test(test_a_telephone_is_bound_to_its_tag),
		cmocka_unit_test(test_a_pin_is_stretched),
		cmocka_unit_test(test_empty_and_longest_answers_work),
		cmocka_unit_test(test_references_have_a_name_under_each_key),
	};
	return cmocka_run_group_tests_name("factor", tests, setup, teardown);
}
