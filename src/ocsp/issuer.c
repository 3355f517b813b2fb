/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/err.h"
#include "base/str.h"
#include "ocsp/issuer.h"
#include "ocsp/pem.h"

#define HASH_MAX 32

struct issuer {
	X509 *cert;
	char *path;
	uint8_t name[2][HASH_MAX], key[2][HASH_MAX]; /* by enum ocsp_hash */
	char hex[OCSP_ISSUER_HEX + 1];
};

struct ocsp_issuers {
	size_t n;
	struct issuer at[OCSP_ISSUERS_MAX];
};

static const size_t hash_size[] = { [OCSP_SHA1] = 20, [OCSP_SHA256] = 32 };

static int
issuer_hash(struct issuer *issuer, enum ocsp_hash hash, const EVP_MD *md)
{
	const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(issuer->cert);

	return X509_NAME_digest(X509_get_subject_name(issuer->cert), md,
		   issuer->name[hash], NULL) == 1 &&
		EVP_Digest(ASN1_STRING_get0_data(key),
		    (size_t)ASN1_STRING_length(key), issuer->key[hash], NULL,
		    md, NULL) == 1
	    ? 0
	    : -1;
}

static int
issuer_load(struct issuer *issuer, const char *path, struct err *err)
{
	if ((issuer->path = strdup(path)) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	if ((issuer->cert = pem_cert(path, err)) == NULL)
		return -1;
	if (X509_check_ca(issuer->cert) != 1)
		return err_set(err, ERR_REFUSED,
		    "%s: is not the certificate of an authority (CA:TRUE)",
		    path);
	if (issuer_hash(issuer, OCSP_SHA1, EVP_sha1()) == -1 ||
	    issuer_hash(issuer, OCSP_SHA256, EVP_sha256()) == -1)
		return err_set(
		    err, ERR_PARSE, "%s: its key cannot be hashed", path);
	str_hex(issuer->key[OCSP_SHA1], 20, issuer->hex);
	return 0;
}

/* Name and key are what a CertID tells: they may stand there once. */
static const struct issuer *
issuer_twin(const struct ocsp_issuers *issuers, const struct issuer *issuer)
{
	size_t i;

	for (i = 0; i < issuers->n; i++)
		if (memcmp(issuers->at[i].key[OCSP_SHA256],
			issuer->key[OCSP_SHA256], 32) == 0)
			return &issuers->at[i];
	return NULL;
}

struct ocsp_issuers *
ocsp_issuers_load(char *const *paths, size_t n, struct err *err)
{
	struct ocsp_issuers *issuers = calloc(1, sizeof(*issuers));
	const struct issuer *twin;
	struct issuer *issuer;

	if (issuers == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	if (n == 0 || n > OCSP_ISSUERS_MAX) {
		err_set(err, ERR_RANGE,
		    "name 1 to %d certificates of authorities",
		    OCSP_ISSUERS_MAX);
		goto fail;
	}
	while (issuers->n < n) {
		issuer = &issuers->at[issuers->n];
		if (issuer_load(issuer, paths[issuers->n], err) == -1)
			goto fail_one;
		if ((twin = issuer_twin(issuers, issuer)) != NULL) {
			err_set(err, ERR_CONFLICT,
			    "%s and %s have the same key; leave one",
			    twin->path, issuer->path);
			goto fail_one;
		}
		issuers->n++;
	}
	return issuers;

fail_one:
	issuers->n++; /* free what it has */
fail:
	ocsp_issuers_free(issuers);
	return NULL;
}

void
ocsp_issuers_free(struct ocsp_issuers *issuers)
{
	size_t i;

	if (issuers == NULL)
		return;
	for (i = 0; i < issuers->n; i++) {
		X509_free(issuers->at[i].cert);
		free(issuers->at[i].path);
	}
	free(issuers);
}

size_t
ocsp_issuers_count(const struct ocsp_issuers *issuers)
{
	return issuers->n;
}

X509 *
ocsp_issuer_cert(const struct ocsp_issuers *issuers, size_t i)
{
	return issuers->at[i].cert;
}

const char *
ocsp_issuer_path(const struct ocsp_issuers *issuers, size_t i)
{
	return issuers->at[i].path;
}

const char *
ocsp_issuer_hex(const struct ocsp_issuers *issuers, size_t i)
{
	return issuers->at[i].hex;
}

size_t
ocsp_issuer_of(const struct ocsp_issuers *issuers, const struct ocsp_cert *cert)
{
	const struct issuer *issuer;
	size_t i;

	if (cert->hash == OCSP_HASH_OTHER)
		return OCSP_ISSUER_NONE;
	for (i = 0; i < issuers->n; i++) {
		issuer = &issuers->at[i];
		if (der_equal(&cert->key_hash, issuer->key[cert->hash],
			hash_size[cert->hash]) &&
		    der_equal(&cert->name_hash, issuer->name[cert->hash],
			hash_size[cert->hash]))
			return i;
	}
	return OCSP_ISSUER_NONE;
}
