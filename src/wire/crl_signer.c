/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/file.h"
#include "base/str.h"
#include "wire/crl_signer.h"

#define HASH_SIZE 20 /* SHA-1: what OCSP calls the issuer key hash */

struct crl_signer {
	X509 *cert;
	EVP_PKEY *key;
	char hash[2 * HASH_SIZE + 1];
	const unsigned char *algorithm;
	size_t algorithm_len;
};

/* RFC 5758, 3.2; RFC 4055, 5. */
static const unsigned char ecdsa_sha256[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a,
	0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
static const unsigned char rsa_sha256[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86,
	0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00 };

/* Why OpenSSL refused, in its own words. */
static int
openssl_fail(struct err *err, enum err_code code, const char *path)
{
	char text[160];

	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	ERR_clear_error();
	return err_set(err, code, "%s: %s", path, text);
}

static int
load_cert(struct crl_signer *s, const char *path, struct err *err)
{
	FILE *f = file_open(path, 0, err);

	if (f == NULL)
		return -1;
	s->cert = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	if (s->cert == NULL)
		return openssl_fail(err, ERR_PARSE, path);
	return 0;
}

static int
load_key(struct crl_signer *s, const char *path, struct err *err)
{
	FILE *f = file_open(path, 0, err);
	struct stat st;

	if (f == NULL)
		return -1;
	if (fstat(fileno(f), &st) == -1 || (st.st_mode & 077) != 0) {
		fclose(f);
		return err_set(err, ERR_REFUSED,
		    "%s: others may read this key; chmod 600 it", path);
	}
	s->key = PEM_read_PrivateKey(f, NULL, NULL, (void *)"");
	fclose(f);
	if (s->key == NULL)
		return openssl_fail(err, ERR_PARSE, path);
	return 0;
}

static int
check_pair(const struct crl_signer *s, const char *cert_path,
    const char *key_path, struct err *err)
{
	if (X509_check_private_key(s->cert, s->key) != 1) {
		ERR_clear_error();
		return err_set(err, ERR_CONFLICT, "%s is not the key of %s",
		    key_path, cert_path);
	}
	if ((X509_get_extension_flags(s->cert) & EXFLAG_KUSAGE) != 0 &&
	    (X509_get_key_usage(s->cert) & KU_CRL_SIGN) == 0)
		return err_set(err, ERR_REFUSED,
		    "%s: this certificate may not sign CRLs: its key usage "
		    "has no cRLSign",
		    cert_path);
	return 0;
}

static int
choose_algorithm(struct crl_signer *s, const char *key_path, struct err *err)
{
	switch (EVP_PKEY_get_base_id(s->key)) {
	case EVP_PKEY_EC:
		s->algorithm = ecdsa_sha256;
		s->algorithm_len = sizeof(ecdsa_sha256);
		return 0;
	case EVP_PKEY_RSA:
		s->algorithm = rsa_sha256;
		s->algorithm_len = sizeof(rsa_sha256);
		return 0;
	default:
		return err_set(err, ERR_REFUSED,
		    "%s: neither an EC nor an RSA key", key_path);
	}
}

static int
signer_load(struct crl_signer *s, const char *cert_path, const char *key_path,
    struct err *err)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int len;

	if (load_cert(s, cert_path, err) == -1 ||
	    load_key(s, key_path, err) == -1 ||
	    check_pair(s, cert_path, key_path, err) == -1 ||
	    choose_algorithm(s, key_path, err) == -1)
		return -1;
	if (X509_pubkey_digest(s->cert, EVP_sha1(), hash, &len) != 1 ||
	    len != HASH_SIZE)
		return openssl_fail(err, ERR_PARSE, cert_path);
	str_hex(hash, HASH_SIZE, s->hash);
	return 0;
}

struct crl_signer *
crl_signer_load(const char *cert_path, const char *key_path, struct err *err)
{
	struct crl_signer *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	if (signer_load(s, cert_path, key_path, err) == -1) {
		crl_signer_free(s);
		return NULL;
	}
	return s;
}

void
crl_signer_free(struct crl_signer *s)
{
	if (s == NULL)
		return;
	X509_free(s->cert);
	EVP_PKEY_free(s->key);
	free(s);
}

const char *
crl_signer_hash(const struct crl_signer *s)
{
	return s->hash;
}

X509 *
crl_signer_cert(const struct crl_signer *s)
{
	return s->cert;
}

EVP_PKEY *
crl_signer_key(const struct crl_signer *s)
{
	return s->key;
}

const unsigned char *
crl_signer_algorithm(const struct crl_signer *s, size_t *len)
{
	*len = s->algorithm_len;
	return s->algorithm;
}
