/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_files.h -- a CA and certificates in PEM files, for tests of TLS.
 * Included once by each test that needs them.
 */
#ifndef TESTS_TLS_FILES_H
#define TESTS_TLS_FILES_H

#include <stdio.h>
#include <sys/stat.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* A certificate and its key, as they are also in files. */
struct identity {
	X509 *cert;
	EVP_PKEY *key;
	char cert_path[100], key_path[100];
};

static inline void
identity_extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

static inline void
identity_write(struct identity *id, const char *dir, const char *name)
{
	FILE *f;

	snprintf(id->cert_path, sizeof(id->cert_path), "%s/%s.crt", dir, name);
	snprintf(id->key_path, sizeof(id->key_path), "%s/%s.key", dir, name);
	f = fopen(id->cert_path, "w");
	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, id->cert), 1);
	fclose(f);
	f = fopen(id->key_path, "w");
	assert_non_null(f);
	assert_int_equal(fchmod(fileno(f), 0600), 0);
	assert_int_equal(
	    PEM_write_PrivateKey(f, id->key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(f);
}

/*
 * Make one and write DIR/NAME.crt and DIR/NAME.key.
 *   ca		who signs; NULL makes a CA
 *   names	"DNS:x,IP:y" for a server, NULL for a client
 *   days	that it is valid for; negative = it has ended
 */
static inline void
identity_make(struct identity *id, const char *dir, const char *name,
    const struct identity *ca, const char *names, long days)
{
	static long serial;
	X509_NAME *subject;

	id->key = EVP_EC_gen("P-256");
	id->cert = X509_new();
	assert_non_null(id->key);
	assert_non_null(id->cert);
	X509_set_version(id->cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(id->cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(id->cert), -10 * 86400);
	X509_gmtime_adj(X509_getm_notAfter(id->cert), days * 86400);
	subject = X509_get_subject_name(id->cert);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
	    (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(
	    id->cert, ca == NULL ? subject : X509_get_subject_name(ca->cert));
	X509_set_pubkey(id->cert, id->key);
	identity_extend(id->cert, ca == NULL ? id->cert : ca->cert,
	    NID_basic_constraints,
	    ca == NULL ? "critical,CA:TRUE" : "CA:FALSE");
	if (names != NULL)
		identity_extend(
		    id->cert, ca->cert, NID_subject_alt_name, names);
	assert_true(X509_sign(id->cert, ca == NULL ? id->key : ca->key,
			EVP_sha256()) > 0);
	identity_write(id, dir, name);
}

static inline void
identity_drop(struct identity *id)
{
	X509_free(id->cert);
	EVP_PKEY_free(id->key);
	unlink(id->cert_path);
	unlink(id->key_path);
}

#endif
