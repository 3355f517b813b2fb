/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pem.h -- certificates and private keys from files and tokens, inside ocsp/.
 * May block: when starting, and where a reload may.
 */
#ifndef OCSP_PEM_H
#define OCSP_PEM_H

#include <stdbool.h>

struct err;
struct evp_pkey_st;
struct x509_st;

/* The one certificate in a file, PEM or DER.  Owned (X509_free); NULL with
 * *err, which names the file. */
struct x509_st *pem_cert(const char *path, struct err *err);

/*
 * A private key: a PEM or DER file that only its owner can read, or a
 * "pkcs11:" URI, which goes to OpenSSL's PKCS#11 provider if one is configured
 * and else to its pkcs11 engine.  Owned (EVP_PKEY_free); NULL with *err.
 */
struct evp_pkey_st *pem_key(const char *name, struct err *err);

/* Is it a "pkcs11:" URI? */
bool pem_is_token(const char *name);

/* OpenSSL's own words for what went wrong last, and forget them; static. */
const char *pem_why(char *out, unsigned int size);

#endif
