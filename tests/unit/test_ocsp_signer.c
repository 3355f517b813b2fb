/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "ocsp/issuer.h"
#include "ocsp/signer.h"
#include "ocsp_world.h"

static int
setup(void **state)
{
	struct certs *c = calloc(1, sizeof(*c));

	certs_make(c);
	*state = c;
	return 0;
}

static int
teardown(void **state)
{
	certs_remove(*state);
	free(*state);
	return 0;
}

/* Load with the files named, separated by blanks, and say what comes of it;
 * "" = it is good. */
static const char *
load(struct certs *c, const char *certs, const char *keys, bool both)
{
	static struct err err;
	char *issuer_paths[] = { c->a.path, c->b.path };
	char cert_paths[4][128], key_paths[4][128], text[128], *rest, *word;
	char *cert_list[4], *key_list[4];
	struct ocsp_signers_options o = {
		.certs = cert_list, .keys = key_list, .now_s = NOW_S
	};
	struct ocsp_issuers *issuers;
	struct ocsp_signers *signers;

	for (rest = strcpy(text, certs); (word = strsep(&rest, " ")) != NULL;
	     o.n_certs++)
		cert_list[o.n_certs] =
		    (char *)certs_path(c, word, cert_paths[o.n_certs]);
	for (rest = strcpy(text, keys); (word = strsep(&rest, " ")) != NULL;
	     o.n_keys++)
		key_list[o.n_keys] =
		    (char *)certs_path(c, word, key_paths[o.n_keys]);
	issuers = ocsp_issuers_load(issuer_paths, both ? 2 : 1, &err);
	assert_non_null(issuers);
	o.issuers = issuers;
	err.text[0] = '\0';
	signers = ocsp_signers_load(&o, &err);
	assert_int_equal(signers == NULL, err.text[0] != '\0');
	ocsp_signers_free(signers);
	ocsp_issuers_free(issuers);
	return err.text;
}

static void
must_say(const char *said, const char *words)
{
	if (strstr(said, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", said, words);
}

static void
test_a_good_signer_is_taken(void **state)
{
	const struct signer_flaws good = { 0 }, rsa = { .rsa = true };
	struct certs *c = *state;

	EVP_PKEY_free(signer_make(c, &c->a, "s", &good));
	EVP_PKEY_free(signer_make(c, &c->b, "r", &rsa));
	assert_string_equal(load(c, "s.crt", "s.key", false), "");
	assert_string_equal(load(c, "r.crt s.crt", "s.key r.key", true), "");
}

static void
test_flaws_are_refused(void **state)
{
	static const struct {
		struct signer_flaws flaws;
		const char *words;
	} cases[] = {
		{ { .usage = "clientAuth" }, "OCSPSigning" },
		{ { .to_s = -1 }, "has expired; renew it" },
		{ { .from_s = 60, .to_s = DAY_S }, "is not valid yet" },
	};
	struct certs *c = *state;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EVP_PKEY_free(signer_make(c, &c->a, "s", &cases[i].flaws));
		must_say(load(c, "s.crt", "s.key", false), cases[i].words);
		must_say(load(c, "s.crt", "s.key", false), "s.crt");
	}
}

static void
test_files_must_belong_together(void **state)
{
	const struct signer_flaws good = { 0 };
	struct certs *c = *state;
	char path[128];

	EVP_PKEY_free(signer_make(c, &c->a, "s", &good));
	EVP_PKEY_free(signer_make(c, &c->a, "t", &good));
	EVP_PKEY_free(signer_make(c, &c->b, "u", &good));
	must_say(load(c, "s.crt", "t.key", false), "none of the keys");
	must_say(load(c, "u.crt", "u.key", false), "a.crt: none of the sign");
	must_say(load(c, "s.crt t.crt", "s.key t.key", false), "leave one");
	must_say(load(c, "s.crt u.crt", "s.key u.key", false),
	    "u.crt: was issued by none");
	must_say(load(c, "s.crt", "s.key", true), "b.crt: none of the sign");
	must_say(load(c, "none.crt", "s.key", false), "none.crt: cannot be");
	must_say(load(c, "s.crt", "none.key", false), "none.key: cannot be");
	must_say(load(c, "s.key", "s.key", false), "is not a certificate");
	must_say(load(c, "s.crt", "s.crt", false), "is not a private key");
	assert_int_equal(chmod(certs_path(c, "s.key", path), 0640), 0);
	must_say(load(c, "s.crt", "s.key", false), "chmod 600");
}

/* Nobody ever writes into it: whoever waited would wait for ever. */
static void
test_a_fifo_is_refused(void **state)
{
	const struct signer_flaws good = { 0 };
	struct certs *c = *state;
	char path[128];

	EVP_PKEY_free(signer_make(c, &c->a, "s", &good));
	assert_int_equal(mkfifo(certs_path(c, "fifo", path), 0600), 0);
	must_say(load(c, "fifo", "s.key", false), "not a regular file");
	must_say(load(c, "s.crt", "fifo", false), "not a regular file");
}

/* Its key could issue certificates, and is on a machine that the network
 * reaches; the authority's own key may sign, too. */
static void
test_an_authority_is_no_signer_of_another(void **state)
{
	const struct signer_flaws sub = { .ca = true };
	struct certs *c = *state;

	EVP_PKEY_free(signer_make(c, &c->a, "s", &sub));
	must_say(load(c, "s.crt", "s.key", false), "CA:FALSE");
	X509_free(c->a.cert);
	c->a.cert = cert_new("a", c->a.key, NULL, 1);
	cert_extend(
	    c->a.cert, c->a.cert, NID_basic_constraints, "critical,CA:TRUE");
	cert_extend(c->a.cert, c->a.cert, NID_ext_key_usage, "OCSPSigning");
	assert_true(X509_sign(c->a.cert, c->a.key, EVP_sha256()) > 0);
	certs_write(c, "a.crt", c->a.cert, c->a.key);
	assert_string_equal(load(c, "a.crt", "a.crt", false), "");
}

/* An authority of the same name with another key has not issued it. */
static void
test_a_name_is_not_enough(void **state)
{
	const struct signer_flaws good = { 0 };
	struct certs *c = *state;
	struct authority twin = { 0 };
	char path[128];

	authority_make(c, &twin, "a");
	EVP_PKEY_free(signer_make(c, &twin, "s", &good));
	certs_write(c, "a.crt", c->a.cert, NULL);
	must_say(load(c, "s.crt", "s.key", false), "none of the signers");
	certs_path(c, "a.crt", path);
	X509_free(twin.cert);
	EVP_PKEY_free(twin.key);
}

static void
test_issuers_are_checked(void **state)
{
	const struct signer_flaws good = { 0 };
	struct certs *c = *state;
	char path[128];
	char *leaf[] = { path }, *twice[] = { c->a.path, c->a.path };
	struct err err;

	EVP_PKEY_free(signer_make(c, &c->a, "s", &good));
	certs_path(c, "s.crt", path);
	assert_null(ocsp_issuers_load(leaf, 1, &err));
	must_say(err.text, "not the certificate of an authority");
	assert_null(ocsp_issuers_load(twice, 2, &err));
	must_say(err.text, "the same key");
	assert_null(ocsp_issuers_load(twice, 0, &err));
	must_say(err.text, "name 1 to 16");
}

static void
test_the_end_and_nocheck_are_known(void **state)
{
	const struct signer_flaws soon = { .to_s = DAY_S, .checked = true };
	struct certs *c = *state;
	char *issuer_paths[] = { c->a.path };
	char cert[128], key[128];
	char *certs[] = { cert }, *keys[] = { key };
	struct ocsp_signers_options o = { .certs = certs,
		.n_certs = 1,
		.keys = keys,
		.n_keys = 1,
		.now_s = NOW_S };
	struct ocsp_issuers *issuers;
	struct ocsp_signers *signers;
	const char *path;
	struct err err;

	EVP_PKEY_free(signer_make(c, &c->a, "s", &soon));
	certs_path(c, "s.crt", cert);
	certs_path(c, "s.key", key);
	o.issuers = issuers = ocsp_issuers_load(issuer_paths, 1, &err);
	signers = ocsp_signers_load(&o, &err);
	assert_non_null(signers);
	assert_int_equal(ocsp_signers_expire_s(signers, &path), NOW_S + DAY_S);
	assert_string_equal(path, cert);
	assert_string_equal(ocsp_signers_checked(signers), cert);
	assert_false(ocsp_signers_on_token(signers));
	assert_true(
	    ocsp_signer_valid(ocsp_signers_of(signers, 0), NOW_S + DAY_S));
	assert_false(
	    ocsp_signer_valid(ocsp_signers_of(signers, 0), NOW_S + DAY_S + 1));
	ocsp_signers_free(signers);
	ocsp_issuers_free(issuers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_a_good_signer_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_flaws_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_files_must_belong_together, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_name_is_not_enough, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_fifo_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_an_authority_is_no_signer_of_another, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_issuers_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_the_end_and_nocheck_are_known, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
