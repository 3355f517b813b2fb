/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/err.h"
#include "base/secret.h"

#define KEY_A "0000000000000000000000000000000000000000000000000000000000000001"
#define KEY_B "00000000000000000000000000000000000000000000000000000000000000ff"
#define KEY_C "ABCDEFabcdef0000000000000000000000000000000000000000000000000000"

struct world {
	char dir[64], path[80];
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	snprintf(w->dir, sizeof(w->dir), "/tmp/test_secret.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/key", w->dir);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	unlink(w->path);
	if (rmdir(w->dir) == -1)
		fail_msg("files are left in %s", w->dir);
	free(w);
	return 0;
}

static void
write_file(struct world *w, const char *lines, mode_t mode)
{
	FILE *f = fopen(w->path, "w");

	assert_non_null(f);
	fputs(lines, f);
	fclose(f);
	assert_int_equal(chmod(w->path, mode), 0);
}

static struct keyring *
ring(struct world *w, const char *lines)
{
	struct keyring *k;
	struct err err;

	write_file(w, lines, 0600);
	if ((k = keyring_load(w->path, &err)) == NULL)
		fail_msg("%s", err.text);
	return k;
}

static void
test_versions_are_sorted_newest_first(void **state)
{
	struct keyring *k =
	    ring(*state, "# keys\n\n3 " KEY_A "\r\n12 " KEY_B "\n1 " KEY_C);

	assert_int_equal(keyring_count(k), 3);
	assert_int_equal(keyring_version(k, 0), 12);
	assert_int_equal(keyring_version(k, 1), 3);
	assert_int_equal(keyring_version(k, 2), 1);
	keyring_free(k);
	keyring_free(NULL);
	k = ring(*state, "4294967295 " KEY_A "\n");
	assert_true(keyring_version(k, 0) == UINT32_MAX);
	keyring_free(k);
}

/* Each sentence names the file, and what is wrong with it. */
static void
test_bad_key_files_are_refused_in_words(void **state)
{
	static const struct {
		const char *lines;
		enum err_code code;
		const char *words;
	} rows[] = {
		{ "", ERR_PARSE, "there is no key in it" },
		{ "# only a comment\n", ERR_PARSE, "there is no key in it" },
		{ "nonsense\n", ERR_PARSE, "line 1: it must start with a" },
		{ KEY_A "\n", ERR_PARSE, "line 1: it must start with a" },
		{ "0 " KEY_A "\n", ERR_PARSE, "version number from 1" },
		{ "-1 " KEY_A "\n", ERR_PARSE, "version number from 1" },
		{ "4294967296 " KEY_A "\n", ERR_PARSE, "version number" },
		{ "99999999999999999999999 " KEY_A, ERR_PARSE, "version" },
		{ "1\t" KEY_A "\n", ERR_PARSE, "and a space" },
		{ "1  " KEY_A "\n", ERR_PARSE, "64 hexadecimal digits" },
		{ "1 " KEY_A "0\n", ERR_PARSE, "64 hexadecimal digits" },
		{ "1 " KEY_A " \n", ERR_PARSE, "64 hexadecimal digits" },
		{ "1 abcd\n", ERR_PARSE, "64 hexadecimal digits" },
		{ "1 g" KEY_A "\n", ERR_PARSE, "64 hexadecimal digits" },
		{ "1 " KEY_A "\n\n1 " KEY_B "\n", ERR_PARSE,
		    "line 3: version 1 is there twice" },
		{ "2 " KEY_A "\n1 " KEY_A "\n2 " KEY_A "\n", ERR_PARSE,
		    "line 3: version 2 is there twice" },
		{ "1 " KEY_A "\n2 " KEY_A "\n3 " KEY_A "\n4 " KEY_A "\n5 " KEY_A
		  "\n",
		    ERR_RANGE, "line 5: a key file holds at most 4 versions" },
	};
	struct world *w = *state;
	struct err err;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		write_file(w, rows[i].lines, 0600);
		assert_null(keyring_load(w->path, &err));
		if (err.code != rows[i].code ||
		    strstr(err.text, rows[i].words) == NULL ||
		    strstr(err.text, w->path) == NULL)
			fail_msg(
			    "row %zu: %s: %s", i, err_name(err.code), err.text);
		assert_null(strstr(err.text, "00000000")); /* never a key */
	}
}

static void
test_a_file_that_others_may_read_is_refused(void **state)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0610, 0601,
		0666, 0777 };
	struct world *w = *state;
	struct keyring *k;
	struct err err;
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		write_file(w, "1 " KEY_A "\n", modes[i]);
		assert_null(keyring_load(w->path, &err));
		assert_int_equal(err.code, ERR_REFUSED);
		assert_non_null(strstr(err.text, "chmod 600"));
	}
	write_file(w, "1 " KEY_A "\n", 0400);
	k = keyring_load(w->path, &err);
	assert_non_null(k);
	keyring_free(k);
}

static void
test_what_is_no_file_is_refused(void **state)
{
	struct world *w = *state;
	struct err err;

	assert_null(keyring_load(w->path, &err));
	assert_int_equal(err.code, ERR_IO);
	assert_non_null(strstr(err.text, "No such file"));
	assert_non_null(strstr(err.text, "holdline key create"));
	assert_null(keyring_load(w->dir, &err));
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.text, "not a regular file"));
	assert_int_equal(mkfifo(w->path, 0600), 0);
	assert_null(keyring_load(w->path, &err)); /* nobody writes into it */
	assert_int_equal(err.code, ERR_REFUSED);
}

/* The end of a long comment is never taken for a key. */
static void
test_a_line_that_is_too_long_is_refused(void **state)
{
	struct world *w = *state;
	struct err err;
	char lines[1000];

	memset(lines, '#', 255);
	snprintf(
	    lines + 255, sizeof(lines) - 255, "9 %s\n1 %s\n", KEY_B, KEY_A);
	write_file(w, lines, 0600);
	assert_null(keyring_load(w->path, &err));
	assert_int_equal(err.code, ERR_PARSE);
	assert_non_null(strstr(err.text, "line 1: it is longer than 254"));
	/* One that just fits is a comment like any other. */
	lines[254] = '\n';
	keyring_free(ring(w, lines));
}

static void
test_create_makes_a_private_file_and_never_overwrites(void **state)
{
	struct world *w = *state;
	struct keyring *k;
	uint8_t a[32], b[32];
	struct stat st;
	struct err err;
	mode_t old = umask(0);

	assert_int_equal(keyring_create(w->path, &err), 0);
	umask(old);
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	k = keyring_load(w->path, &err);
	assert_non_null(k);
	assert_int_equal(keyring_count(k), 1);
	assert_int_equal(keyring_version(k, 0), 1);
	secret_mac(k, 0, SECRET_USE_LOOKUP, "x", 1, a);
	keyring_free(k);

	assert_int_equal(keyring_create(w->path, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.text, w->path));
	k = keyring_load(w->path, &err);
	secret_mac(k, 0, SECRET_USE_LOOKUP, "x", 1, b);
	keyring_free(k);
	assert_memory_equal(a, b, 32);
	unlink(w->path); /* another one has another key */
	assert_int_equal(keyring_create(w->path, &err), 0);
	k = keyring_load(w->path, &err);
	secret_mac(k, 0, SECRET_USE_LOOKUP, "x", 1, b);
	keyring_free(k);
	assert_memory_not_equal(a, b, 32);
}

/* The responder's host must not get the store's key by mistake. */
static void
test_a_cache_has_a_key_file_of_its_own(void **state)
{
	struct world *w = *state;
	struct keyring *k;
	struct err err;

	assert_int_equal(keyring_create_cache(w->path, &err), 0);
	assert_int_equal(keyring_create_cache(w->path, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_null(keyring_load(w->path, &err));
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.text, "of the revocation cache"));
	assert_null(strstr(err.text, "--cache"));
	k = keyring_load_cache(w->path, &err);
	assert_non_null(k);
	assert_int_equal(keyring_count(k), 1);
	assert_int_equal(keyring_version(k, 0), 1);
	keyring_free(k);
	write_file(w, "1 " KEY_A "\n", 0600);
	assert_null(keyring_load_cache(w->path, &err));
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.text, "create --cache"));
	write_file(w, "cache 1 " KEY_A "\n2 " KEY_B "\n", 0600);
	assert_null(keyring_load_cache(w->path, &err));
	assert_non_null(strstr(err.text, "line 2"));
	write_file(w, "cache 1 " KEY_A "\ncache 2 " KEY_B "\n", 0600);
	k = keyring_load_cache(w->path, &err);
	assert_non_null(k);
	assert_int_equal(keyring_version(k, 0), 2);
	keyring_free(k);
	unlink(w->path);
	assert_null(keyring_load_cache(w->path, &err));
	assert_non_null(strstr(err.text, "create --cache"));
}

static void
test_create_says_why_it_cannot(void **state)
{
	struct world *w = *state;
	struct err err;
	char path[120];

	snprintf(path, sizeof(path), "%s/no/such/folder", w->dir);
	assert_int_equal(keyring_create(path, &err), -1);
	assert_int_equal(err.code, ERR_IO);
	assert_non_null(strstr(err.text, path));
}

static void
test_each_use_and_each_key_has_its_own_macs(void **state)
{
	static const char *const uses[] = { "holdline/lookup",
		"holdline/factor", "holdline/number", "holdline/holder",
		"holdline/contact", "holdline/cache" };
	struct keyring *k = ring(*state, "1 " KEY_A "\n2 " KEY_B "\n");
	uint8_t macs[2 * SECRET_USE_COUNT][32], key[32] = { 0 }, derived[32];
	uint8_t want[32];
	unsigned int i, j, n = 0;

	for (i = 0; i < 2; i++)
		for (j = 0; j < SECRET_USE_COUNT; j++, n++) {
			secret_mac(
			    k, i, (enum secret_use)j, "data", 4, macs[n]);
			key[31] = i == 0 ? 0xff : 0x01;
			HMAC(EVP_sha256(), key, 32, (const uint8_t *)uses[j],
			    strlen(uses[j]), derived, NULL);
			HMAC(EVP_sha256(), derived, 32, (const uint8_t *)"data",
			    4, want, NULL);
			assert_memory_equal(macs[n], want, 32);
		}
	for (i = 0; i < n; i++)
		for (j = 0; j < i; j++)
			assert_false(secret_equal(macs[i], macs[j]));
	assert_true(secret_equal(macs[0], macs[0]));
	keyring_free(k);
}

static void
test_what_is_sealed_can_be_opened(void **state)
{
	struct keyring *k = ring(*state, "1 " KEY_A "\n2 " KEY_B "\n");
	uint8_t sealed[300 + SECRET_SEAL_EXTRA], again[sizeof(sealed)];
	uint8_t text[300], out[300];
	size_t len;

	secret_random(text, sizeof(text));
	for (len = 0; len <= sizeof(text); len += 60) {
		secret_seal(k, text, len, sealed);
		secret_seal(k, text, len, again);
		assert_memory_equal(sealed, again, len + SECRET_SEAL_EXTRA);
		memset(out, 0, sizeof(out));
		assert_int_equal(
		    secret_open(k, 2, sealed, len + SECRET_SEAL_EXTRA, out), 0);
		assert_memory_equal(out, text, len);
		/* It is under the current key, and no other. */
		assert_int_equal(
		    secret_open(k, 1, sealed, len + SECRET_SEAL_EXTRA, out),
		    -1);
		assert_int_equal(
		    secret_open(k, 3, sealed, len + SECRET_SEAL_EXTRA, out),
		    -1);
	}
	/* The text itself cannot be seen. */
	secret_seal(k, "0123456789abcdef", 16, sealed);
	assert_null(memmem(sealed, 16 + SECRET_SEAL_EXTRA, "01234567", 8));
	keyring_free(k);
}

static void
test_what_was_altered_is_not_opened(void **state)
{
	struct keyring *k = ring(*state, "1 " KEY_A "\n");
	uint8_t sealed[5 + SECRET_SEAL_EXTRA], out[5];
	size_t i;

	secret_seal(k, "hello", 5, sealed);
	for (i = 0; i < sizeof(sealed) * 8; i++) {
		sealed[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(
		    secret_open(k, 1, sealed, sizeof(sealed), out), -1);
		sealed[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (i = 0; i < sizeof(sealed); i++)
		assert_int_equal(secret_open(k, 1, sealed, i, out), -1);
	assert_int_equal(secret_open(k, 1, sealed, sizeof(sealed), out), 0);
	keyring_free(k);
}

static void
test_old_versions_open_what_they_sealed(void **state)
{
	struct keyring *before = ring(*state, "1 " KEY_A "\n");
	struct keyring *after = ring(*state, "1 " KEY_A "\n2 " KEY_B "\n");
	uint8_t sealed[5 + SECRET_SEAL_EXTRA], out[5];

	secret_seal(before, "hello", 5, sealed);
	assert_int_equal(secret_open(after, 1, sealed, sizeof(sealed), out), 0);
	assert_memory_equal(out, "hello", 5);
	assert_int_equal(
	    secret_open(after, 2, sealed, sizeof(sealed), out), -1);
	keyring_free(before);
	keyring_free(after);
}

static void
test_stretching_depends_on_mac_and_salt(void **state)
{
	uint8_t mac[32] = { 1 }, salt[32] = { 2 }, a[32], b[32];

	(void)state;
	assert_int_equal(secret_stretch(mac, salt, a), 0);
	assert_int_equal(secret_stretch(mac, salt, b), 0);
	assert_memory_equal(a, b, 32);
	assert_memory_not_equal(a, mac, 32);
	salt[0]++;
	assert_int_equal(secret_stretch(mac, salt, b), 0);
	assert_memory_not_equal(a, b, 32);
	salt[0]--;
	mac[31]++;
	assert_int_equal(secret_stretch(mac, salt, b), 0);
	assert_memory_not_equal(a, b, 32);
}

static void
test_a_password_is_one_line(void **state)
{
	static const struct {
		const char *text, *read; /* NULL = refused... */
		const char *why;
	} rows[] = {
		{ "pass word", "pass word", NULL },
		{ "secret\n", "secret", NULL },
		{ "secret\r\n", "secret", NULL },
		{ "123456789", "123456789", NULL },
		{ "", NULL, "/key: it is empty" },
		{ "\n", NULL, "/key: it is empty" },
		{ "a\nb\n", NULL, "/key: it has more than one line" },
		{ "1234567890", NULL, "/key: it is longer than 9 characters" },
	};
	struct world *w = *state;
	char out[10];
	struct err err;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		write_file(w, rows[i].text, 0600);
		if (rows[i].read != NULL) {
			assert_int_equal(
			    secret_read(w->path, out, sizeof(out), &err), 0);
			assert_string_equal(out, rows[i].read);
			continue;
		}
		assert_int_equal(
		    secret_read(w->path, out, sizeof(out), &err), -1);
		assert_string_equal(err.text + strlen(w->dir), rows[i].why);
	}
	write_file(w, "secret", 0640);
	assert_int_equal(secret_read(w->path, out, sizeof(out), &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_int_equal(secret_read("/dev/null", out, sizeof(out), &err), -1);
	assert_string_equal(err.text, "/dev/null: it is not a regular file");
	assert_int_equal(secret_read("/none", out, sizeof(out), &err), -1);
	assert_string_equal(err.text, "/none: No such file or directory");
}

static void
test_small_tools(void **state)
{
	uint8_t a[64], b[64], zero[64] = { 0 };
	struct rlimit limit;

	(void)state;
	secret_random(a, sizeof(a));
	secret_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	secret_cleanse(a, sizeof(a));
	assert_memory_equal(a, zero, sizeof(a));
	secret_no_core();
	assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
	assert_int_equal(limit.rlim_cur, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_versions_are_sorted_newest_first),
		TEST(test_bad_key_files_are_refused_in_words),
		TEST(test_a_file_that_others_may_read_is_refused),
		TEST(test_what_is_no_file_is_refused),
		TEST(test_a_line_that_is_too_long_is_refused),
		TEST(test_create_makes_a_private_file_and_never_overwrites),
		TEST(test_a_cache_has_a_key_file_of_its_own),
		TEST(test_create_says_why_it_cannot),
		TEST(test_each_use_and_each_key_has_its_own_macs),
		TEST(test_what_is_sealed_can_be_opened),
		TEST(test_what_was_altered_is_not_opened),
		TEST(test_old_versions_open_what_they_sealed),
		TEST(test_stretching_depends_on_mac_and_salt),
		TEST(test_a_password_is_one_line),
		TEST(test_small_tools),
	};
	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
