/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ocsp_world.h -- authorities, signers and their files, made by OpenSSL in a
 * private folder; and requests and answers as a client of OpenSSL has them.
 * Included once by each test that needs them.
 */
#ifndef TESTS_OCSP_WORLD_H
#define TESTS_OCSP_WORLD_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define DAY_S INT64_C(86400)
#define NOW_S INT64_C(1795485600)

struct authority {
	X509 *cert;
	EVP_PKEY *key;
	char path[128];
};

struct certs {
	char dir[64];
	struct authority a, b; /* two that know nothing of each other */
};

/* How a signer is made; zero = as it should be. */
struct signer_flaws {
	const char *usage;    /* extended key usage; NULL = OCSPSigning */
	bool checked;         /* without nocheck */
	int64_t from_s, to_s; /* from NOW_S on; 0 = a day ago, a year */
	bool rsa;
	bool ca; /* an authority's */
};

static inline const char *
certs_path(const struct certs *c, const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", c->dir, name);
	return out;
}

static inline void
certs_write(const struct certs *c, const char *name, X509 *cert, EVP_PKEY *key)
{
	char path[128];
	FILE *f = fopen(certs_path(c, name, path), "w");

	assert_non_null(f);
	assert_int_equal(chmod(path, 0600), 0);
	if (cert != NULL)
		assert_int_equal(PEM_write_X509(f, cert), 1);
	if (key != NULL)
		assert_int_equal(
		    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(f);
}

static inline void
cert_extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(cert, e, -1), 1);
	X509_EXTENSION_free(e);
}

/* A certificate of `name` for a key, not yet extended or signed. */
static inline X509 *
cert_new(const char *name, EVP_PKEY *key, X509 *issuer, long serial)
{
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);

	assert_int_equal(X509_set_version(cert, 2), 1);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
	    (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(
	    cert, issuer != NULL ? X509_get_subject_name(issuer) : subject);
	X509_set_pubkey(cert, key);
	ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(NOW_S - DAY_S));
	ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(NOW_S + 365 * DAY_S));
	return cert;
}

static inline void
authority_make(struct certs *c, struct authority *a, const char *name)
{
	char file[64];

	a->key = EVP_EC_gen("P-256");
	a->cert = cert_new(name, a->key, NULL, 1);
	cert_extend(
	    a->cert, a->cert, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(a->cert, a->key, EVP_sha256()) > 0);
	snprintf(file, sizeof(file), "%s.crt", name);
	certs_path(c, file, a->path);
	certs_write(c, file, a->cert, NULL);
}

static inline void
certs_make(struct certs *c)
{
	snprintf(c->dir, sizeof(c->dir), "/tmp/holdline-ocsp-XXXXXX");
	assert_non_null(mkdtemp(c->dir));
	authority_make(c, &c->a, "a");
	authority_make(c, &c->b, "b");
}

static inline void
certs_remove(struct certs *c)
{
	DIR *dir = opendir(c->dir);
	struct dirent *e;
	char path[400];

	while ((e = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", c->dir, e->d_name);
		unlink(path);
	}
	closedir(dir);
	assert_int_equal(rmdir(c->dir), 0);
	X509_free(c->a.cert);
	X509_free(c->b.cert);
	EVP_PKEY_free(c->a.key);
	EVP_PKEY_free(c->b.key);
}

/* A signer, as files NAME.crt and NAME.key; returns its key (owned). */
static inline EVP_PKEY *
signer_make(struct certs *c, const struct authority *by, const char *name,
    const struct signer_flaws *flaws)
{
	EVP_PKEY *key = flaws->rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	X509 *cert = cert_new(name, key, by->cert, 2);
	char file[64];

	if (flaws->from_s != 0)
		ASN1_TIME_set(
		    X509_getm_notBefore(cert), (time_t)(NOW_S + flaws->from_s));
	if (flaws->to_s != 0)
		ASN1_TIME_set(
		    X509_getm_notAfter(cert), (time_t)(NOW_S + flaws->to_s));
	cert_extend(cert, by->cert, NID_ext_key_usage,
	    flaws->usage != NULL ? flaws->usage : "OCSPSigning");
	if (flaws->ca)
		cert_extend(
		    cert, by->cert, NID_basic_constraints, "critical,CA:TRUE");
	if (!flaws->checked)
		cert_extend(cert, by->cert, NID_id_pkix_OCSP_noCheck, "");
	assert_true(X509_sign(cert, by->key, EVP_sha256()) > 0);
	snprintf(file, sizeof(file), "%s.crt", name);
	certs_write(c, file, cert, NULL);
	snprintf(file, sizeof(file), "%s.key", name);
	certs_write(c, file, NULL, key);
	X509_free(cert);
	return key;
}

/* ---- a client */

/* A CertID of a serial number in hexadecimal; owned. */
static inline OCSP_CERTID *
client_id(const struct authority *a, const char *hex, const EVP_MD *md)
{
	ASN1_INTEGER *serial;
	OCSP_CERTID *id;
	BIGNUM *n = NULL;

	assert_true(BN_hex2bn(&n, hex) > 0);
	serial = BN_to_ASN1_INTEGER(n, NULL);
	id = OCSP_cert_id_new(md, X509_get_subject_name(a->cert),
	    X509_get0_pubkey_bitstr(a->cert), serial);
	assert_non_null(id);
	ASN1_INTEGER_free(serial);
	BN_free(n);
	return id;
}

/* A request's DER about one certificate; owned (OPENSSL_free). */
static inline uint8_t *
client_request(const struct authority *a, const char *hex, const EVP_MD *md,
    bool nonce, size_t *len)
{
	OCSP_REQUEST *request = OCSP_REQUEST_new();
	uint8_t *der = NULL;
	int n;

	assert_non_null(OCSP_request_add0_id(request, client_id(a, hex, md)));
	if (nonce)
		assert_int_equal(OCSP_request_add1_nonce(request, NULL, 32), 1);
	n = i2d_OCSP_REQUEST(request, &der);
	assert_true(n > 0);
	*len = (size_t)n;
	OCSP_REQUEST_free(request);
	return der;
}

/* What an answer says about a certificate: "good", "unknown",
 * "revoked certificateHold 1795485600", or the response's own status; with
 * " UNVERIFIED" when its signature does not count. */
static inline const char *
client_read(const struct authority *a, const char *hex, const EVP_MD *md,
    const uint8_t *bytes, size_t len, char out[128])
{
	const uint8_t *at = bytes;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)len);
	ASN1_GENERALIZEDTIME *revoked, *this_update, *next_update;
	OCSP_CERTID *id = client_id(a, hex, md);
	X509_STORE *store = X509_STORE_new();
	int status, reason, verified, rc;
	OCSP_BASICRESP *basic;
	struct tm tm;

	assert_non_null(response);
	assert_ptr_equal(at, bytes + len);
	status = OCSP_response_status(response);
	snprintf(out, 128, "%s", OCSP_response_status_str(status));
	if (status == OCSP_RESPONSE_STATUS_SUCCESSFUL) {
		basic = OCSP_response_get1_basic(response);
		assert_non_null(basic);
		X509_STORE_add_cert(store, a->cert);
		X509_VERIFY_PARAM_set_time(
		    X509_STORE_get0_param(store), (time_t)NOW_S);
		verified = OCSP_basic_verify(basic, NULL, store, 0);
		rc = OCSP_resp_find_status(basic, id, &status, &reason,
		    &revoked, &this_update, &next_update);
		assert_int_equal(rc, 1);
		snprintf(out, 128, "%s", OCSP_cert_status_str(status));
		if (status == V_OCSP_CERTSTATUS_REVOKED) {
			ASN1_TIME_to_tm(revoked, &tm);
			snprintf(out, 128, "revoked %s %lld",
			    reason == -1 ? "-" : OCSP_crl_reason_str(reason),
			    (long long)timegm(&tm));
		}
		if (verified != 1)
			strcat(out, " UNVERIFIED");
		OCSP_BASICRESP_free(basic);
	}
	ERR_clear_error();
	X509_STORE_free(store);
	OCSP_CERTID_free(id);
	OCSP_RESPONSE_free(response);
	return out;
}

#endif
