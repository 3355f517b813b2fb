/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "decide_world.h"
#include "publish/crl.h"
#include "store/crl.h"
#include "wire/crl_file.h"
#include "wire/crl_number.h"
#include "wire/crl_signer.h"

#define DAY (24 * 3600 * CLOCK_S_US)

/* ---- an issuer, in a folder of its own */

struct issuer {
	char dir[64], crt[96], key[96];
	struct crl_signer *signer;
};

static void
issuer_write(const struct issuer *i, X509 *cert, EVP_PKEY *key)
{
	FILE *f = fopen(i->crt, "w");

	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, cert), 1);
	fclose(f);
	f = fopen(i->key, "w");
	assert_non_null(f);
	assert_int_equal(fchmod(fileno(f), 0600), 0);
	assert_int_equal(
	    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(f);
}

static void
issuer_make(struct issuer *i, const char *algorithm)
{
	EVP_PKEY *key = strcmp(algorithm, "EC") == 0
	    ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
	    : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	X509 *cert = X509_new();
	X509_NAME *name;

	assert_non_null(key);
	assert_non_null(cert);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	name = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
	    (const unsigned char *)"Test CA", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	snprintf(i->dir, sizeof(i->dir), "/tmp/holdline-crl-XXXXXX");
	assert_non_null(mkdtemp(i->dir));
	snprintf(i->crt, sizeof(i->crt), "%s/ca.crt", i->dir);
	snprintf(i->key, sizeof(i->key), "%s/ca.key", i->dir);
	issuer_write(i, cert, key);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void
issuer_open(struct issuer *i, const char *algorithm)
{
	struct err err = { 0 };

	issuer_make(i, algorithm);
	i->signer = crl_signer_load(i->crt, i->key, &err);
	if (i->signer == NULL)
		fail_msg("%s", err.text);
}

static void
issuer_close(struct issuer *i)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s.crl", i->dir,
	    crl_signer_hash(i->signer));
	unlink(path);
	snprintf(path, sizeof(path), "%s/%s-delta.crl", i->dir,
	    crl_signer_hash(i->signer));
	unlink(path);
	snprintf(path, sizeof(path), "%s/one.crl", i->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/.lock", i->dir);
	unlink(path);
	unlink(i->crt);
	unlink(i->key);
	if (rmdir(i->dir) == -1)
		fail_msg("files are left in %s", i->dir);
	crl_signer_free(i->signer);
}

/* A list as OpenSSL reads it, its signature verified. */
static X509_CRL *
crl_read(const struct issuer *i, const char *end)
{
	char path[160];
	X509_CRL *crl;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s%s", i->dir,
	    end[0] == '/' ? "" : crl_signer_hash(i->signer),
	    end[0] == '/' ? end + 1 : end);
	f = fopen(path, "r");
	assert_non_null(f);
	crl = d2i_X509_CRL_fp(f, NULL);
	assert_int_equal(getc(f), EOF); /* nothing after it */
	fclose(f);
	assert_non_null(crl);
	assert_int_equal(
	    X509_CRL_verify(crl, X509_get0_pubkey(crl_signer_cert(i->signer))),
	    1);
	return crl;
}

static int64_t
crl_int(const X509_CRL *crl, int nid)
{
	ASN1_INTEGER *value = X509_CRL_get_ext_d2i(crl, nid, NULL, NULL);
	int64_t n = value == NULL ? -1 : ASN1_INTEGER_get(value);

	ASN1_INTEGER_free(value);
	return n;
}

static int
crl_entries(X509_CRL *crl)
{
	STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);

	return list == NULL ? 0 : sk_X509_REVOKED_num(list);
}

/* The reason of an entry; -1 = it has none, -2 = it is not there. */
static int64_t
crl_reason(X509_CRL *crl, const char *serial)
{
	STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);
	BIGNUM *wanted = NULL;
	int64_t reason = -2;
	int i;

	BN_hex2bn(&wanted, serial);
	for (i = 0; list != NULL && i < sk_X509_REVOKED_num(list); i++) {
		X509_REVOKED *r = sk_X509_REVOKED_value(list, i);
		BIGNUM *n =
		    ASN1_INTEGER_to_BN(X509_REVOKED_get0_serialNumber(r), NULL);

		if (BN_cmp(n, wanted) == 0) {
			ASN1_ENUMERATED *value = X509_REVOKED_get_ext_d2i(
			    r, NID_crl_reason, NULL, NULL);

			reason =
			    value == NULL ? -1 : ASN1_ENUMERATED_get(value);
			ASN1_ENUMERATED_free(value);
		}
		BN_free(n);
	}
	BN_free(wanted);
	return reason;
}

/* ---- one file */

static struct crl_file_options
one_file(const struct issuer *i, char path[160])
{
	snprintf(path, 160, "%s/one.crl", i->dir);
	return (struct crl_file_options){ .signer = i->signer,
		.path = path,
		.number = 7,
		.this_us = NOON,
		.next_us = NOON + DAY,
		.freshest_url = "",
		.idp_url = "" };
}

/* Any length of it, and every form of a serial number and a time. */
static void
test_any_number_of_entries(void **state)
{
	static const int counts[] = { 0, 1, 2, 3, 200, 2000 };
	const char *algorithm;
	struct issuer issuer;
	size_t i, k;

	(void)state;
	for (k = 0; k < 2; k++) {
		algorithm = k == 0 ? "EC" : "RSA";
		issuer_open(&issuer, algorithm);
		for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
			char path[160], serial[16];
			struct crl_file_options o = one_file(&issuer, path);
			struct err err = { 0 };
			struct crl_file *f = crl_file_new(&o, &err);
			int64_t bytes = 0;
			X509_CRL *crl;
			struct stat st;
			int n;

			assert_non_null(f);
			for (n = 0; n < counts[i]; n++) {
				snprintf(serial, sizeof(serial), "%06x", n + 1);
				assert_int_equal(
				    crl_file_add(f, serial, 6, NOON, &err), 0);
			}
			if (crl_file_finish(f, &bytes, &err) == -1)
				fail_msg("%s", err.text);
			crl_file_free(f);
			assert_int_equal(stat(path, &st), 0);
			assert_int_equal(st.st_size, bytes);
			crl = crl_read(&issuer, "/one.crl");
			assert_int_equal(crl_entries(crl), counts[i]);
			assert_int_equal(crl_int(crl, NID_crl_number), 7);
			assert_int_equal(
			    crl_number_read(path, issuer.signer, &err), 7);
			X509_CRL_free(crl);
		}
		issuer_close(&issuer);
	}
}

static void
test_every_form_of_an_entry(void **state)
{
	static const struct {
		const char *serial;
		int reason;
		int ymd, type;
	} rows[] = {
		{ "01", 6, 20261124, V_ASN1_UTCTIME },
		{ "7f", 1, 20491231, V_ASN1_UTCTIME },
		{ "80", 0, 20500102, V_ASN1_GENERALIZEDTIME },
		{ "00ff", 4, 20261124, V_ASN1_UTCTIME },
		{ "ffffffffffffffffffffffffffffffffffffffff", 8, 20261124,
		    V_ASN1_UTCTIME },
	};
	struct err err = { 0 };
	struct issuer issuer;
	char path[160];
	struct crl_file_options o;
	struct crl_file *f;
	X509_CRL *crl;
	int64_t bytes;
	size_t i;

	(void)state;
	issuer_open(&issuer, "EC");
	o = one_file(&issuer, path);
	assert_non_null(f = crl_file_new(&o, &err));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
		    crl_file_add(f, rows[i].serial, rows[i].reason,
			clock_jst_start_us(rows[i].ymd) + DAY / 2, &err),
		    0);
	assert_int_equal(crl_file_add(f, "xy", 6, NOON, &err), -1);
	assert_int_equal(crl_file_add(f, "", 6, NOON, &err), -1);
	assert_int_equal(crl_file_add(f, "123", 6, NOON, &err), -1);
	assert_int_equal(crl_file_finish(f, &bytes, &err), 0);
	crl_file_free(f);
	crl = crl_read(&issuer, "/one.crl");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		X509_REVOKED *r =
		    sk_X509_REVOKED_value(X509_CRL_get_REVOKED(crl), (int)i);

		assert_int_equal(
		    X509_REVOKED_get0_revocationDate(r)->type, rows[i].type);
		assert_int_equal(crl_reason(crl, rows[i].serial),
		    rows[i].reason == 0 ? -1 : rows[i].reason);
	}
	X509_CRL_free(crl);
	issuer_close(&issuer);
}

static void
test_extensions_are_those_that_were_asked_for(void **state)
{
	struct err err = { 0 };
	struct issuer issuer;
	char path[160];
	struct crl_file_options o;
	struct crl_file *f;
	X509_CRL *crl;
	int64_t bytes;
	int critical;
	void *ext;

	(void)state;
	issuer_open(&issuer, "EC");
	o = one_file(&issuer, path);
	o.base = 5;
	o.freshest_url = "http://crl.example/delta.crl";
	o.idp_url = "http://crl.example/full.crl";
	assert_non_null(f = crl_file_new(&o, &err));
	assert_int_equal(crl_file_finish(f, &bytes, &err), 0);
	crl_file_free(f);
	crl = crl_read(&issuer, "/one.crl");
	assert_int_equal(crl_int(crl, NID_delta_crl), 5);
	ext = X509_CRL_get_ext_d2i(
	    crl, NID_issuing_distribution_point, &critical, NULL);
	assert_non_null(ext);
	assert_int_equal(critical, 1);
	ISSUING_DIST_POINT_free(ext);
	ext = X509_CRL_get_ext_d2i(crl, NID_delta_crl, &critical, NULL);
	assert_int_equal(critical, 1);
	ASN1_INTEGER_free(ext);
	ext = X509_CRL_get_ext_d2i(crl, NID_freshest_crl, &critical, NULL);
	assert_non_null(ext);
	assert_int_equal(critical, 0);
	CRL_DIST_POINTS_free(ext);
	X509_CRL_free(crl);
	issuer_close(&issuer);
}

/* An unfinished one leaves the older in place, and nothing else behind. */
static void
test_what_is_not_finished_changes_nothing(void **state)
{
	struct err err = { 0 };
	struct issuer issuer;
	char path[160];
	struct crl_file_options o;
	struct crl_file *f;
	int64_t bytes;

	(void)state;
	issuer_open(&issuer, "EC");
	o = one_file(&issuer, path);
	assert_non_null(f = crl_file_new(&o, &err));
	assert_int_equal(crl_file_finish(f, &bytes, &err), 0);
	crl_file_free(f);
	o.number = 8;
	assert_non_null(f = crl_file_new(&o, &err));
	assert_int_equal(crl_file_add(f, "01", 6, NOON, &err), 0);
	crl_file_free(f);
	assert_int_equal(crl_number_read(path, issuer.signer, &err), 7);
	issuer_close(&issuer); /* the folder is empty apart from it */
}

static void
test_signers_that_are_refused(void **state)
{
	struct issuer a, b;
	struct err err = { 0 };
	char path[160];

	(void)state;
	issuer_open(&a, "EC");
	issuer_open(&b, "EC");
	assert_null(crl_signer_load(a.crt, b.key, &err));
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_null(crl_signer_load(a.crt, "/no/such/file", &err));
	assert_int_equal(err.code, ERR_NOTFOUND);
	assert_null(crl_signer_load(a.key, a.key, &err));
	assert_int_equal(err.code, ERR_PARSE);
	assert_int_equal(chmod(a.key, 0640), 0);
	assert_null(crl_signer_load(a.crt, a.key, &err));
	assert_int_equal(err.code, ERR_REFUSED);
	snprintf(path, sizeof(path), "%s/fifo", a.dir);
	assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes into it */
	assert_null(crl_signer_load(path, b.key, &err));
	assert_int_equal(err.code, ERR_REFUSED);
	assert_null(crl_signer_load(b.crt, path, &err));
	assert_int_equal(err.code, ERR_REFUSED);
	unlink(path);
	issuer_close(&a);
	issuer_close(&b);
}

/* ---- what a file says about its number */

static void
list_write(const struct issuer *i, const char *path, int64_t number)
{
	struct crl_file_options o = { .signer = i->signer,
		.path = path,
		.number = number,
		.this_us = NOON,
		.next_us = NOON + DAY,
		.freshest_url = "",
		.idp_url = "" };
	struct err err = { 0 };
	struct crl_file *f = crl_file_new(&o, &err);
	int64_t bytes;

	assert_non_null(f);
	assert_int_equal(crl_file_add(f, "01", 6, NOON, &err), 0);
	assert_int_equal(crl_file_finish(f, &bytes, &err), 0);
	crl_file_free(f);
}

/* Change bytes of a file in place. */
static void
file_patch(const char *path, const void *from, const void *to, size_t len)
{
	int fd = open(path, O_RDWR);
	char bytes[4096], *at;
	ssize_t n = read(fd, bytes, sizeof(bytes));

	assert_true(n > 0);
	at = memmem(bytes, (size_t)n, from, len);
	assert_non_null(at);
	assert_int_equal(pwrite(fd, to, len, at - bytes), len);
	close(fd);
}

#define HUGE_NUMBER "\x7f\xff\xff\xff\xff\xff\xff\xff"
#define SOME_NUMBER INT64_C(0x0102030405060708)
#define SOME_BYTES "\1\2\3\4\5\6\7\10"

static void
test_a_number_is_believed_when_it_is_signed(void **state)
{
	struct issuer a, b;
	struct err err = { 0 };
	char path[160];
	struct stat st;
	off_t size;

	(void)state;
	issuer_open(&a, "EC");
	issuer_open(&b, "RSA");
	snprintf(path, sizeof(path), "%s/one.crl", a.dir);
	assert_int_equal(crl_number_read(path, a.signer, &err), 0);
	list_write(&a, path, SOME_NUMBER);
	assert_int_equal(crl_number_read(path, a.signer, &err), SOME_NUMBER);
	assert_int_equal(crl_number_read(path, b.signer, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	file_patch(path, SOME_BYTES, HUGE_NUMBER, 8);
	assert_int_equal(crl_number_read(path, a.signer, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	/* cut anywhere */
	list_write(&a, path, SOME_NUMBER);
	assert_int_equal(stat(path, &st), 0);
	for (size = st.st_size - 1; size >= 0; size--) {
		assert_int_equal(truncate(path, size), 0);
		assert_int_equal(crl_number_read(path, a.signer, &err), -1);
		assert_int_equal(err.code, ERR_REFUSED);
	}
	assert_int_equal(crl_number_read(a.crt, a.signer, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	issuer_close(&a);
	issuer_close(&b);
}

static void
test_a_number_that_none_can_follow(void **state)
{
	static const int64_t odd[] = { -1, INT64_MIN, CRL_NUMBER_END,
		INT64_MAX };
	struct issuer issuer;
	struct err err = { 0 };
	char path[160];
	size_t i;

	(void)state;
	issuer_open(&issuer, "EC");
	snprintf(path, sizeof(path), "%s/one.crl", issuer.dir);
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		list_write(&issuer, path, odd[i]);
		assert_int_equal(
		    crl_number_read(path, issuer.signer, &err), -1);
		assert_int_equal(err.code, ERR_RANGE);
		assert_non_null(strstr(err.text, "move the file away"));
	}
	list_write(&issuer, path, CRL_NUMBER_END - 1);
	assert_int_equal(
	    crl_number_read(path, issuer.signer, &err), CRL_NUMBER_END - 1);
	issuer_close(&issuer);
}

/* ---- from the store */

struct site {
	struct world *w;
	struct issuer issuer;
	struct crl_options options;
};

static struct crl_result last; /* that was written */
static char last_error[320];

static void
on_result(void *ctx, const struct crl_result *r)
{
	(void)ctx;
	if (r->error == NULL)
		last = *r;
	else
		str_copy(last_error, sizeof(last_error), r->error);
}

static int
site_setup(void **state)
{
	struct site *s = calloc(1, sizeof(*s));
	void *w;

	assert_non_null(s);
	world_setup(&w);
	s->w = w;
	issuer_open(&s->issuer, "EC");
	s->options = (struct crl_options){ .store = s->w->path,
		.dir = s->issuer.dir,
		.signers = s->issuer.dir,
		.url = "http://crl.example/",
		.delta = true,
		.next_update_us = DAY,
		.base_every_us = 30 * DAY,
		.wall_us = world_now,
		.wall_ctx = s->w };
	*state = s;
	return 0;
}

static int
site_teardown(void **state)
{
	struct site *s = *state;
	void *w = s->w;

	issuer_close(&s->issuer);
	world_teardown(&w);
	free(s);
	return 0;
}

static void
crl_run(struct site *s)
{
	struct err err = { 0 };

	if (crl_write(&s->options, "", on_result, NULL, &err) == -1)
		fail_msg("%s", err.text);
}

/* It fails, and says these words of a signer. */
static void
crl_fails(struct site *s, const char *words)
{
	struct err err = { 0 };

	last_error[0] = '\0';
	assert_int_equal(crl_write(&s->options, "", on_result, NULL, &err), -1);
	if (strstr(last_error, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", last_error, words);
}

static void
site_path(const struct site *s, const char *end, char path[160])
{
	snprintf(path, 160, "%s/%s%s", s->issuer.dir,
	    crl_signer_hash(s->issuer.signer), end);
}

/* A person whose certificates are our issuer's. */
static int64_t
our_person(struct site *s, uint8_t who)
{
	struct store_put r;
	char serial[8];
	int i;

	for (i = 1; i <= 2; i++) {
		snprintf(serial, sizeof(serial), "%02x%02x", who, i);
		r = row(who, serial,
		    i == 1 ? STORE_SIGNATURE : STORE_AUTHENTICATION);
		str_copy(r.cert.issuer, sizeof(r.cert.issuer),
		    crl_signer_hash(s->issuer.signer));
		put(s->w, &r);
	}
	return holder_of(s->w, who);
}

static void
our_hold(struct site *s, uint8_t who, const char *receipt)
{
	struct store_hold r =
	    hold_request(receipt, our_person(s, who), receipt);

	place(s->w, &r);
	assert_int_equal(r.outcome, STORE_HOLD_PLACED);
}

/* What the two lists say of a certificate, as its reasons (see
 * crl_reason()). */
static void
lists_say(struct site *s, const char *serial, int64_t full, int64_t delta)
{
	X509_CRL *crl = crl_read(&s->issuer, ".crl");

	assert_int_equal(crl_reason(crl, serial), full);
	X509_CRL_free(crl);
	crl = crl_read(&s->issuer, "-delta.crl");
	assert_int_equal(crl_reason(crl, serial), delta);
	X509_CRL_free(crl);
}

static void
test_the_first_lists_are_empty_and_belong_together(void **state)
{
	struct site *s = *state;
	X509_CRL *crl;

	person(s->w, 9); /* another issuer's */
	our_person(s, 1);
	crl_run(s);
	assert_true(last.is_base);
	crl = crl_read(&s->issuer, ".crl");
	assert_int_equal(crl_entries(crl), 0);
	assert_int_equal(crl_int(crl, NID_crl_number), 1);
	assert_int_equal(crl_int(crl, NID_delta_crl), -1);
	X509_CRL_free(crl);
	crl = crl_read(&s->issuer, "-delta.crl");
	assert_int_equal(crl_entries(crl), 0);
	assert_int_equal(crl_int(crl, NID_crl_number), 1);
	assert_int_equal(crl_int(crl, NID_delta_crl), 1);
	X509_CRL_free(crl);
}

static void
test_a_hold_a_lift_and_a_revocation(void **state)
{
	struct site *s = *state;
	struct decide_request lift = decision("1000000001", "k1", lenient());
	struct decide_request revoke = decision("1000000002", "k2", strict());

	crl_run(s);
	our_hold(s, 1, "1000000001");
	our_hold(s, 2, "1000000002");
	crl_run(s);
	assert_false(last.is_base);
	lists_say(s, "0101", 6, 6);
	decide(s->w, &lift, POLICY_FOUND);
	decide(s->w, &revoke, POLICY_LOST);
	crl_run(s);
	lists_say(s, "0101", -2, 8); /* removeFromCRL in the delta only */
	lists_say(s, "0201", 1, 1);
	/* the base has moved on: what it has, or has not, is not in the delta */
	s->w->now_us += 31 * DAY;
	crl_run(s);
	assert_true(last.is_base);
	lists_say(s, "0101", -2, 8);
	crl_run(s);
	lists_say(s, "0101", -2, -2);
	lists_say(s, "0201", 1, -2);
}

/* Held and lifted between two full lists: whoever has the one in between must
 * learn of it from the delta. */
static void
test_a_lift_of_what_the_base_has_not_is_in_the_delta(void **state)
{
	struct site *s = *state;
	struct decide_request lift = decision("1000000001", "k1", lenient());

	crl_run(s);
	our_hold(s, 1, "1000000001");
	crl_run(s);
	decide(s->w, &lift, POLICY_FOUND);
	crl_run(s);
	lists_say(s, "0101", -2, 8);
}

static void
test_an_expired_one_is_in_one_more_base(void **state)
{
	struct site *s = *state;

	our_hold(s, 1, "1000000001");
	crl_run(s);
	world_sql(s->w, "UPDATE certificates SET not_after = 20261210");
	s->w->now_us += 31 * DAY; /* it expired since the base */
	crl_run(s);
	assert_true(last.is_base);
	lists_say(s, "0101", 6, -2);
	s->w->now_us += 31 * DAY;
	crl_run(s);
	assert_true(last.is_base);
	lists_say(s, "0101", -2, -2);
}

/* Also when an older store was restored: what is published already counts. */
static void
test_numbers_only_grow(void **state)
{
	struct site *s = *state;

	crl_run(s);
	crl_run(s);
	assert_int_equal(last.number, 2);
	world_sql(s->w, "UPDATE crl_issuers SET number = 0");
	crl_run(s);
	assert_int_equal(last.number, 3);
}

/* The list, or its delta, with a number that the store has forgotten. */
static void
test_a_restored_store_learns_from_both_lists(void **state)
{
	struct site *s = *state;
	char path[160];

	crl_run(s);
	site_path(s, "-delta.crl", path);
	list_write(&s->issuer, path, 41);
	crl_run(s);
	assert_int_equal(last.number, 42);
	site_path(s, ".crl", path);
	list_write(&s->issuer, path, 99);
	crl_run(s);
	assert_int_equal(last.number, 100);
}

/* Whoever can write into the folder must not use up the numbers, nor stop the
 * lists. */
static void
test_a_forged_number_counts_for_nothing(void **state)
{
	struct site *s = *state;
	X509_CRL *crl;
	char path[160];

	crl_run(s);
	site_path(s, ".crl", path);
	list_write(&s->issuer, path, SOME_NUMBER);
	file_patch(path, SOME_BYTES, HUGE_NUMBER, 8);
	crl_run(s);
	assert_int_equal(last.number, 2);
	crl = crl_read(&s->issuer, ".crl");
	assert_int_equal(crl_int(crl, NID_crl_number), 2);
	X509_CRL_free(crl);
}

/* Numbers end before they wrap around, with a sentence. */
static void
test_numbers_do_not_overflow(void **state)
{
	static const char *const numbers[] = { "9223372036854775807",
		"4611686018427387903", "-9223372036854775808", "-1" };
	struct site *s = *state;
	char path[160], sql[120];
	struct err err = { 0 };
	size_t i;

	crl_run(s);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(sql, sizeof(sql), "UPDATE crl_issuers SET number = %s",
		    numbers[i]);
		world_sql(s->w, sql);
		crl_fails(s, numbers[i]);
		crl_fails(s, "according to the store");
	}
	/* what doc/crl.md tells to do */
	world_sql(s->w,
	    "UPDATE crl_issuers SET number = 1, marking = 0, base = 0,"
	    " base_us = 0");
	site_path(s, ".crl", path);
	list_write(&s->issuer, path, INT64_MAX);
	crl_fails(s, "move the file away");
	assert_int_equal(
	    crl_number_read(path, s->issuer.signer, &err), -1); /* as it was */
	assert_int_equal(err.code, ERR_RANGE);
	assert_int_equal(unlink(path), 0);
	crl_run(s);
	assert_int_equal(last.number, 2);
	assert_true(last.is_base);
}

/* A FIFO that nobody ever writes into, and a link out of the folder. */
static void
test_what_is_no_file_is_replaced(void **state)
{
	struct site *s = *state;
	char path[160];
	struct stat st;

	site_path(s, ".crl", path);
	assert_int_equal(mkfifo(path, 0644), 0);
	crl_run(s);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("ca.crt", path), 0);
	crl_run(s);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

/* ---- one trouble at a time */

/* Another issuer whose signer comes first, in the site's folder. */
static void
second_open(struct site *s, struct issuer *second)
{
	char crt[96], key[96];

	issuer_open(second, "EC");
	snprintf(crt, sizeof(crt), "%s/b.crt", s->issuer.dir);
	snprintf(key, sizeof(key), "%s/b.key", s->issuer.dir);
	assert_int_equal(rename(second->crt, crt), 0);
	assert_int_equal(rename(second->key, key), 0);
	assert_int_equal(rmdir(second->dir), 0);
	strcpy(second->dir, s->issuer.dir);
	strcpy(second->crt, crt);
	strcpy(second->key, key);
}

static void
second_close(struct issuer *second)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s.crl", second->dir,
	    crl_signer_hash(second->signer));
	unlink(path);
	snprintf(path, sizeof(path), "%s/%s-delta.crl", second->dir,
	    crl_signer_hash(second->signer));
	unlink(path);
	unlink(second->crt);
	unlink(second->key);
	crl_signer_free(second->signer);
}

static void
test_one_issuers_trouble_is_not_the_others(void **state)
{
	struct site *s = *state;
	struct issuer second;
	struct err err = { 0 };
	char path[160];

	second_open(s, &second);
	crl_run(s);
	assert_int_equal(last.number, 1);
	/* its key is too open */
	assert_int_equal(chmod(second.key, 0644), 0);
	crl_fails(s, "chmod 600");
	assert_string_equal(last.issuer, crl_signer_hash(s->issuer.signer));
	assert_int_equal(last.number, 2);
	/* who asks for one gets that one */
	assert_int_equal(
	    crl_write(&s->options, crl_signer_hash(s->issuer.signer), on_result,
		NULL, &err),
	    0);
	assert_int_equal(last.number, 3);
	assert_int_equal(crl_write(&s->options, crl_signer_hash(second.signer),
			     on_result, NULL, &err),
	    -1);
	assert_int_equal(chmod(second.key, 0600), 0);
	/* its list cannot be put in place */
	snprintf(path, sizeof(path), "%s/%s.crl", second.dir,
	    crl_signer_hash(second.signer));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	crl_fails(s, crl_signer_hash(second.signer));
	assert_string_equal(last.issuer, crl_signer_hash(s->issuer.signer));
	assert_int_equal(last.number, 4);
	assert_int_equal(rmdir(path), 0);
	crl_run(s);
	assert_int_equal(last.number, 5);
	second_close(&second);
}

static void
lock_says(struct site *s, const char *words)
{
	struct err err = { 0 };

	assert_int_equal(crl_write(&s->options, "", on_result, NULL, &err), -1);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

/* Who may read the folder can lock the folder itself, and nothing more. */
static void
test_a_reader_of_the_folder_stops_nothing(void **state)
{
	struct site *s = *state;
	struct stat st;
	char path[160];
	int fd = open(s->issuer.dir, O_RDONLY | O_DIRECTORY);

	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	crl_run(s);
	close(fd);
	snprintf(path, sizeof(path), "%s/.lock", s->issuer.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void
test_a_lock_is_not_awaited_for_ever(void **state)
{
	struct site *s = *state;
	char path[160], words[64];
	int fd;

	snprintf(path, sizeof(path), "%s/.lock", s->issuer.dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	lock_says(s, "another process writes CRLs there");
	snprintf(words, sizeof(words), "it is process %d:", (int)getpid());
	lock_says(s, words);
	close(fd);
	crl_run(s);
}

static void
test_a_lock_that_is_not_ours_is_refused(void **state)
{
	struct site *s = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s/.lock", s->issuer.dir);
	assert_int_equal(symlink("ca.key", path), 0);
	lock_says(s, "is not our lock");
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	lock_says(s, "is not our lock");
	unlink(path);
	crl_run(s);
	assert_int_equal(chmod(path, 0644), 0);
	lock_says(s, "is not our lock");
	assert_int_equal(chmod(path, 0600), 0);
	crl_run(s);
}

static struct store_crl_begin
begin(struct site *s, int64_t base_every_us)
{
	struct store_crl_begin b = { .base_every_us = base_every_us,
		.now_us = s->w->now_us };

	str_copy(b.issuer, sizeof(b.issuer), crl_signer_hash(s->issuer.signer));
	store_crl_begin(s->w->store, &b);
	must(s->w->store, &b.req);
	return b;
}

static int
mark(struct site *s, int64_t number)
{
	struct store_crl_mark m = { .number = number };

	str_copy(m.issuer, sizeof(m.issuer), crl_signer_hash(s->issuer.signer));
	store_crl_mark(s->w->store, &m);
	return store_wait(s->w->store, &m.req);
}

static bool
done(struct site *s, int64_t number)
{
	struct store_crl_done d = { .number = number, .now_us = NOON };

	str_copy(d.issuer, sizeof(d.issuer), crl_signer_hash(s->issuer.signer));
	store_crl_done(s->w->store, &d);
	must(s->w->store, &d.req);
	return d.is_base;
}

/* Two servers begin a base at once: only the later becomes one, or changes
 * that came between the two would be in no delta. */
static void
test_of_two_bases_at_once_the_later_counts(void **state)
{
	struct site *s = *state;
	struct store_crl_begin a, b;

	our_hold(s, 1, "1000000001");
	a = begin(s, 1);
	assert_true(a.is_base);
	assert_int_equal(mark(s, a.number), 0);
	b = begin(s, 1);
	assert_int_equal(b.number, a.number + 1);
	our_hold(s, 2, "1000000002"); /* after b began */
	assert_int_equal(mark(s, a.number), -1);
	assert_false(done(s, a.number));
	assert_true(done(s, b.number));
	crl_run(s);
	assert_false(last.is_base);
	assert_int_equal(last.base, b.number);
	lists_say(s, "0201", 6, 6);
}

/* A base that was begun and never published leaves nothing out. */
static void
test_a_base_that_was_not_finished(void **state)
{
	struct site *s = *state;
	struct store_crl_begin lost;

	crl_run(s);
	our_hold(s, 1, "1000000001");
	s->w->now_us += 31 * DAY;
	lost = begin(s, DAY);
	assert_true(lost.is_base);
	assert_int_equal(mark(s, lost.number), 0);
	s->w->now_us -= 31 * DAY;
	crl_run(s);
	assert_int_equal(last.base, 1);
	lists_say(s, "0101", 6, 6);
}

/* Entries by the thousand, straight into the tables; serial numbers of six
 * decimal digits and more are hexadecimal, too. */
static void
many(struct site *s, int64_t n)
{
	char sql[600];

	our_hold(s, 1, "1000000001");
	snprintf(sql, sizeof(sql),
	    "INSERT INTO certificates (id, holder, carrier, kind, issuer,"
	    " serial, not_before, not_after, status, generation, reason,"
	    " status_us, visible_us) WITH RECURSIVE n (i) AS (SELECT 10000000"
	    " UNION ALL SELECT i + 1 FROM n WHERE i < %lld)"
	    " SELECT i, 1, 0, 0, '%s', CAST(i AS TEXT), 20240401, 20290401, 1,"
	    " 1, 6, %lld, 0 FROM n",
	    (long long)(9999999 + n), crl_signer_hash(s->issuer.signer),
	    (long long)NOON);
	world_sql(s->w, sql);
	world_sql(s->w,
	    "INSERT INTO crl_changes (issuer, cert, mark)"
	    " SELECT issuer, id, 0 FROM certificates WHERE id >= 10000000");
}

/* How much the process has had in memory at most, in KB. */
static long
peak_kb(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/*
 * With CRL_ENTRIES=1000000 the long form, of which the peak is told.  That it
 * does not grow with the entries is asserted where there is no sanitizer,
 * which keeps what is freed.
 */
static void
test_many_entries(void **state)
{
	const char *wanted = getenv("CRL_ENTRIES");
	int64_t n = wanted != NULL ? strtoll(wanted, NULL, 10) : 20000;
	struct site *s = *state;
	struct err err = { 0 };
	char path[160];
	long before;

	many(s, n);
	s->options.delta = false;
	before = peak_kb();
	crl_run(s);
	assert_int_equal(last.entries, n + 2);
	if (wanted != NULL)
		print_message("%lld entries, %lld bytes, %lld ms, %ld KB "
			      "more at the peak\n",
		    (long long)last.entries, (long long)last.bytes,
		    (long long)last.took_us / 1000, peak_kb() - before);
#ifndef __SANITIZE_ADDRESS__
	/* SQLite's page cache is 64 MB of it, however many there are */
	assert_true(peak_kb() - before < 96 * 1024);
#endif
	snprintf(path, sizeof(path), "%s/%s.crl", s->issuer.dir,
	    crl_signer_hash(s->issuer.signer));
	assert_int_equal(crl_number_read(path, s->issuer.signer, &err), 1);
	if (n <= 20000) {
		X509_CRL *crl = crl_read(&s->issuer, ".crl");

		assert_int_equal(crl_entries(crl), n + 2);
		X509_CRL_free(crl);
	}
}

int
main(void)
{
#define SITE_TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, site_setup, site_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_number_of_entries),
		cmocka_unit_test(test_every_form_of_an_entry),
		cmocka_unit_test(test_extensions_are_those_that_were_asked_for),
		cmocka_unit_test(test_what_is_not_finished_changes_nothing),
		cmocka_unit_test(test_signers_that_are_refused),
		cmocka_unit_test(test_a_number_is_believed_when_it_is_signed),
		cmocka_unit_test(test_a_number_that_none_can_follow),
		SITE_TEST(test_the_first_lists_are_empty_and_belong_together),
		SITE_TEST(test_a_hold_a_lift_and_a_revocation),
		SITE_TEST(test_a_lift_of_what_the_base_has_not_is_in_the_delta),
		SITE_TEST(test_an_expired_one_is_in_one_more_base),
		SITE_TEST(test_numbers_only_grow),
		SITE_TEST(test_a_restored_store_learns_from_both_lists),
		SITE_TEST(test_a_forged_number_counts_for_nothing),
		SITE_TEST(test_numbers_do_not_overflow),
		SITE_TEST(test_what_is_no_file_is_replaced),
		SITE_TEST(test_one_issuers_trouble_is_not_the_others),
		SITE_TEST(test_a_reader_of_the_folder_stops_nothing),
		SITE_TEST(test_a_lock_is_not_awaited_for_ever),
		SITE_TEST(test_a_lock_that_is_not_ours_is_refused),
		SITE_TEST(test_of_two_bases_at_once_the_later_counts),
		SITE_TEST(test_a_base_that_was_not_finished),
		SITE_TEST(test_many_entries),
	};
	return cmocka_run_group_tests_name(
	    "crl", tests, WORLD_START, WORLD_STOP);
}
