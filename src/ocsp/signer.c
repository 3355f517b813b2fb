/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/err.h"
#include "ocsp/issuer.h"
#include "ocsp/pem.h"
#include "ocsp/signer.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX (8 * OCSP_SIGNATURE_MAX)

static const uint8_t ecdsa_sha256[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
	0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
static const uint8_t rsa_sha256[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48,
	0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00 };

struct ocsp_signer {
	X509 *cert;
	char *path;
	EVP_PKEY *key;
	bool on_token, nocheck;
	EVP_PKEY_CTX *signing; /* used again and again on the loop thread */
	EVP_MD_CTX *digesting;
	EVP_MD *sha256;
	uint64_t id;
	int64_t not_before_s, not_after_s;
	uint8_t responder[24]; /* [2] EXPLICIT KeyHash */
	struct der algorithm;
	uint8_t *certs; /* owned */
	size_t n_certs; /* bytes */
};

struct ocsp_signers {
	unsigned int owners;
	size_t n;
	struct ocsp_signer at[OCSP_ISSUERS_MAX];
	size_t n_issuers;
	struct ocsp_signer *of[OCSP_ISSUERS_MAX]; /* by issuer */
};

/* ---- loading one */

static int
asn1_seconds(const ASN1_TIME *t, int64_t *seconds)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return -1;
	*seconds = timegm(&tm);
	return 0;
}

static int
signer_read_dates(struct ocsp_signer *s, int64_t now_s, struct err *err)
{
	if (asn1_seconds(X509_get0_notBefore(s->cert), &s->not_before_s) ==
		-1 ||
	    asn1_seconds(X509_get0_notAfter(s->cert), &s->not_after_s) == -1)
		return err_set(
		    err, ERR_PARSE, "%s: its dates make no sense", s->path);
	if (now_s > s->not_after_s)
		return err_set(err, ERR_REFUSED,
		    "%s: this signer's certificate has expired; renew it",
		    s->path);
	if (now_s < s->not_before_s)
		return err_set(err, ERR_REFUSED,
		    "%s: this signer's certificate is not valid yet; is this "
		    "machine's clock right?",
		    s->path);
	return 0;
}

static int
signer_check_usage(struct ocsp_signer *s, struct err *err)
{
	uint32_t flags = X509_get_extension_flags(s->cert);

	if ((flags & EXFLAG_INVALID) != 0)
		return err_set(err, ERR_PARSE,
		    "%s: its extensions make no sense", s->path);
	if ((flags & EXFLAG_XKUSAGE) == 0 ||
	    (X509_get_extended_key_usage(s->cert) & XKU_OCSP_SIGN) == 0)
		return err_set(err, ERR_REFUSED,
		    "%s: has no extended key usage OCSPSigning, so that no "
		    "client would believe it; have it issued with one",
		    s->path);
	if ((flags & EXFLAG_KUSAGE) != 0 &&
	    (X509_get_key_usage(s->cert) & KU_DIGITAL_SIGNATURE) == 0)
		return err_set(err, ERR_REFUSED,
		    "%s: its key usage lacks digitalSignature; have it issued "
		    "with that",
		    s->path);
	s->nocheck =
	    X509_get_ext_by_NID(s->cert, NID_id_pkix_OCSP_noCheck, -1) >= 0;
	return 0;
}

/* How it signs, or a refusal of its kind of key. */
static int
signer_choose_algorithm(struct ocsp_signer *s, struct err *err)
{
	const EVP_PKEY *key = X509_get0_pubkey(s->cert);
	int kind = key == NULL ? EVP_PKEY_NONE : EVP_PKEY_get_base_id(key);

	if (kind == EVP_PKEY_EC)
		s->algorithm =
		    (struct der){ ecdsa_sha256, sizeof(ecdsa_sha256) };
	else if (kind == EVP_PKEY_RSA &&
	    EVP_PKEY_get_bits(key) >= RSA_BITS_MIN &&
	    EVP_PKEY_get_bits(key) <= RSA_BITS_MAX)
		s->algorithm = (struct der){ rsa_sha256, sizeof(rsa_sha256) };
	else
		return err_set(err, ERR_REFUSED,
		    "%s: its key is neither of an elliptic curve, such as "
		    "P-256, nor RSA of %d to %d bits",
		    s->path, RSA_BITS_MIN, RSA_BITS_MAX);
	return 0;
}

/* What stands in every answer is made once. */
static int
signer_prepare(struct ocsp_signer *s, struct err *err)
{
	const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(s->cert);
	int len = i2d_X509(s->cert, NULL);
	uint8_t *at, hash[20];
	struct der_out out;
	size_t size;

	if (len <= 0 || key == NULL ||
	    EVP_Digest(ASN1_STRING_get0_data(key),
		(size_t)ASN1_STRING_length(key), hash, NULL, EVP_sha1(),
		NULL) != 1)
		return err_set(
		    err, ERR_PARSE, "%s: cannot be used as it is", s->path);
	der_out_begin(&out, s->responder, sizeof(s->responder));
	der_put_element(&out, DER_OCTET_STRING, hash, sizeof(hash));
	der_wrap(&out, DER_EXPLICIT(2), sizeof(s->responder));
	assert(!out.full && out.at == 0);

	size = (size_t)len + 16;
	if ((s->certs = malloc(size)) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	der_out_begin(&out, s->certs, size);
	at = s->certs + 16;
	i2d_X509(s->cert, &at);
	out.at = 16;
	der_wrap(&out, DER_SEQUENCE, size);
	der_wrap(&out, DER_EXPLICIT(0), size);
	assert(!out.full);
	s->n_certs = size - out.at;
	memmove(s->certs, s->certs + out.at, s->n_certs);
	return 0;
}

static int
signer_load(
    struct ocsp_signer *s, const char *path, int64_t now_s, struct err *err)
{
	static uint64_t last_id;

	s->id = ++last_id;
	if ((s->path = strdup(path)) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	if ((s->cert = pem_cert(path, err)) == NULL ||
	    signer_check_usage(s, err) == -1 ||
	    signer_read_dates(s, now_s, err) == -1 ||
	    signer_choose_algorithm(s, err) == -1)
		return -1;
	return signer_prepare(s, err);
}

/* ---- keys */

static EVP_PKEY_CTX *
signing_new(EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

	if (ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1)
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

/* Does its certificate verify what the key signs? */
static bool
signer_works(struct ocsp_signer *s)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(X509_get0_pubkey(s->cert), NULL);
	uint8_t digest[OCSP_DIGEST_SIZE], signature[OCSP_SIGNATURE_MAX];
	size_t len;
	bool works;

	ocsp_signer_digest(s, s->path, strlen(s->path), digest);
	len = ocsp_signer_sign(s, digest, signature);
	works = len > 0 && ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
	    EVP_PKEY_verify(ctx, signature, len, digest, sizeof(digest)) == 1;
	EVP_PKEY_CTX_free(ctx);
	return works;
}

static int
signer_take_key(
    struct ocsp_signer *s, EVP_PKEY *key, bool on_token, struct err *err)
{
	EVP_PKEY_up_ref(key);
	s->key = key;
	s->on_token = on_token;
	s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	s->digesting = EVP_MD_CTX_new();
	if (s->sha256 == NULL || s->digesting == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (!on_token)
		s->signing = signing_new(key);
	if (!signer_works(s)) {
		ERR_clear_error();
		return err_set(err, ERR_REFUSED,
		    "%s: the signature that its key makes is not one that the "
		    "certificate verifies",
		    s->path);
	}
	return 0;
}

/* Give each certificate the key that is its own. */
static int
signers_load_keys(struct ocsp_signers *set,
    const struct ocsp_signers_options *o, struct err *err)
{
	struct ocsp_signer *s;
	EVP_PKEY *key;
	size_t i, k;
	int rc = 0;

	for (k = 0; k < o->n_keys && rc == 0; k++) {
		if ((key = pem_key(o->keys[k], err)) == NULL)
			return -1;
		for (i = 0; i < set->n && rc == 0; i++) {
			s = &set->at[i];
			if (s->key == NULL &&
			    EVP_PKEY_eq(X509_get0_pubkey(s->cert), key) == 1)
				rc = signer_take_key(
				    s, key, pem_is_token(o->keys[k]), err);
		}
		EVP_PKEY_free(key);
	}
	ERR_clear_error();
	for (i = 0; i < set->n && rc == 0; i++)
		if (set->at[i].key == NULL)
			rc = err_set(err, ERR_NOTFOUND,
			    "%s: none of the keys (ocsp.keys) belongs to this "
			    "certificate",
			    set->at[i].path);
	return rc;
}

/* ---- who signs for whom */

static bool
signer_issued_by(const struct ocsp_signer *s, X509 *issuer)
{
	bool yes = X509_check_issued(issuer, s->cert) == X509_V_OK &&
	    X509_verify(s->cert, X509_get0_pubkey(issuer)) == 1;

	ERR_clear_error();
	return yes;
}

/* RFC 6960, 4.2.2.2: the authority's own key, or one that may only do this.
 * A subordinate authority's could issue certificates besides. */
static int
signer_check_rank(
    const struct ocsp_signer *s, const X509 *issuer, struct err *err)
{
	if (X509_check_ca(s->cert) == 0 ||
	    EVP_PKEY_eq(X509_get0_pubkey(s->cert), X509_get0_pubkey(issuer)) ==
		1)
		return 0;
	return err_set(err, ERR_REFUSED,
	    "%s: is itself an authority's certificate; a signer that is not "
	    "the issuer must be no authority: have it issued with "
	    "basicConstraints CA:FALSE",
	    s->path);
}

static int
signers_match_one(struct ocsp_signers *set, const struct ocsp_issuers *issuers,
    size_t nr, struct err *err)
{
	struct ocsp_signer **of = &set->of[nr];
	size_t i;

	for (i = 0; i < set->n; i++) {
		if (!signer_issued_by(
			&set->at[i], ocsp_issuer_cert(issuers, nr)))
			continue;
		if (signer_check_rank(
			&set->at[i], ocsp_issuer_cert(issuers, nr), err) == -1)
			return -1;
		if (*of != NULL)
			return err_set(err, ERR_CONFLICT,
			    "%s and %s are both issued by %s; leave one",
			    (*of)->path, set->at[i].path,
			    ocsp_issuer_path(issuers, nr));
		*of = &set->at[i];
	}
	if (*of == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "%s: none of the signers (ocsp.signers) was issued by "
		    "this authority",
		    ocsp_issuer_path(issuers, nr));
	return 0;
}

static int
signers_match(struct ocsp_signers *set, const struct ocsp_issuers *issuers,
    struct err *err)
{
	size_t i, nr;

	set->n_issuers = ocsp_issuers_count(issuers);
	for (nr = 0; nr < set->n_issuers; nr++)
		if (signers_match_one(set, issuers, nr, err) == -1)
			return -1;
	for (i = 0; i < set->n; i++) {
		for (nr = 0; nr < set->n_issuers; nr++)
			if (set->of[nr] == &set->at[i])
				break;
		if (nr == set->n_issuers)
			return err_set(err, ERR_REFUSED,
			    "%s: was issued by none of the authorities "
			    "(ocsp.issuers)",
			    set->at[i].path);
	}
	return 0;
}

struct ocsp_signers *
ocsp_signers_load(const struct ocsp_signers_options *o, struct err *err)
{
	struct ocsp_signers *set = calloc(1, sizeof(*set));

	if (set == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	set->owners = 1;
	if (o->n_certs == 0 || o->n_certs > OCSP_ISSUERS_MAX) {
		err_set(err, ERR_RANGE, "name 1 to %d signers' certificates",
		    OCSP_ISSUERS_MAX);
		goto fail;
	}
	while (set->n < o->n_certs) {
		set->n++; /* whatever it has is freed */
		if (signer_load(&set->at[set->n - 1], o->certs[set->n - 1],
			o->now_s, err) == -1)
			goto fail;
	}
	if (signers_match(set, o->issuers, err) == -1 ||
	    signers_load_keys(set, o, err) == -1)
		goto fail;
	return set;

fail:
	ocsp_signers_free(set);
	return NULL;
}

struct ocsp_signers *
ocsp_signers_keep(struct ocsp_signers *set)
{
	set->owners++;
	return set;
}

void
ocsp_signers_free(struct ocsp_signers *set)
{
	struct ocsp_signer *s;

	if (set == NULL || --set->owners > 0)
		return;
	for (s = set->at; s < set->at + set->n; s++) {
		EVP_PKEY_CTX_free(s->signing);
		EVP_MD_CTX_free(s->digesting);
		EVP_MD_free(s->sha256);
		EVP_PKEY_free(s->key);
		X509_free(s->cert);
		free(s->certs);
		free(s->path);
	}
	free(set);
}

/* ---- what a set says about itself */

struct ocsp_signer *
ocsp_signers_of(const struct ocsp_signers *set, size_t issuer)
{
	assert(issuer < set->n_issuers);
	return set->of[issuer];
}

int64_t
ocsp_signers_expire_s(const struct ocsp_signers *set, const char **path)
{
	const struct ocsp_signer *first = &set->at[0];
	size_t i;

	for (i = 1; i < set->n; i++)
		if (set->at[i].not_after_s < first->not_after_s)
			first = &set->at[i];
	*path = first->path;
	return first->not_after_s;
}

bool
ocsp_signers_on_token(const struct ocsp_signers *set)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		if (set->at[i].on_token)
			return true;
	return false;
}

const char *
ocsp_signers_checked(const struct ocsp_signers *set)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		if (!set->at[i].nocheck)
			return set->at[i].path;
	return NULL;
}

bool
ocsp_signer_valid(const struct ocsp_signer *s, int64_t now_s)
{
	return now_s >= s->not_before_s && now_s <= s->not_after_s;
}

uint64_t
ocsp_signer_id(const struct ocsp_signer *s)
{
	return s->id;
}

struct der
ocsp_signer_responder(const struct ocsp_signer *s)
{
	return (struct der){ s->responder, sizeof(s->responder) };
}

struct der
ocsp_signer_algorithm(const struct ocsp_signer *s)
{
	return s->algorithm;
}

struct der
ocsp_signer_certs(const struct ocsp_signer *s)
{
	return (struct der){ s->certs, s->n_certs };
}

/* ---- signing */

void
ocsp_signer_digest(struct ocsp_signer *s, const void *bytes, size_t len,
    uint8_t digest[OCSP_DIGEST_SIZE])
{
	if (EVP_DigestInit_ex2(s->digesting, s->sha256, NULL) != 1 ||
	    EVP_DigestUpdate(s->digesting, bytes, len) != 1 ||
	    EVP_DigestFinal_ex(s->digesting, digest, NULL) != 1)
		abort(); /* only without memory */
}

size_t
ocsp_signer_sign(struct ocsp_signer *s, const uint8_t digest[OCSP_DIGEST_SIZE],
    uint8_t out[OCSP_SIGNATURE_MAX])
{
	EVP_PKEY_CTX *ctx = s->on_token ? signing_new(s->key) : s->signing;
	size_t len = OCSP_SIGNATURE_MAX;
	int rc = 0;

	if (ctx != NULL)
		rc = EVP_PKEY_sign(ctx, out, &len, digest, OCSP_DIGEST_SIZE);
	if (s->on_token)
		EVP_PKEY_CTX_free(ctx);
	if (rc != 1)
		ERR_clear_error();
	return rc == 1 ? len : 0;
}
