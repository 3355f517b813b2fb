/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crl_signer.h -- an issuer's certificate and key, for signing its CRLs.
 *
 * Read-only once loaded: any thread.
 */
#ifndef WIRE_CRL_SIGNER_H
#define WIRE_CRL_SIGNER_H

#include "base/err.h"

struct crl_signer; /* opaque */
struct evp_pkey_st;
struct x509_st;

/*
 * Load an issuer's certificate and key, both PEM; an EC or an RSA key.  Refuses
 * a key that others may read, that is not the certificate's, and a
 * certificate that may not sign CRLs.  Owned (crl_signer_free); NULL with *err.
 */
struct crl_signer *crl_signer_load(
    const char *cert_path, const char *key_path, struct err *err);

/* NULL is a no-op. */
void crl_signer_free(struct crl_signer *signer);

/* The issuer key hash, as the store's certificates name their issuer;
 * borrowed. */
const char *crl_signer_hash(const struct crl_signer *signer);

/* For crl_file.c; borrowed. */
struct x509_st *crl_signer_cert(const struct crl_signer *signer);
/* As crl_signer_cert(). */
struct evp_pkey_st *crl_signer_key(const struct crl_signer *signer);

/* The AlgorithmIdentifier of its signatures in DER, for crl_file.c; borrowed.
 * *len is its length. */
const unsigned char *crl_signer_algorithm(
    const struct crl_signer *signer, size_t *len);

#endif
