/* SPDX-License-Identifier: Apache-2.0 */
/*
 * issuer.h -- the certification authorities whose certificates we know about.
 *
 * A CertID names its issuer by the hashes of its name and key; a record in the
 * revocation cache by the SHA-1 of its key.  Read-only once loaded: any
 * thread.
 */
#ifndef OCSP_ISSUER_H
#define OCSP_ISSUER_H

#include <stddef.h>

#include "ocsp/request.h"

struct err;
struct ocsp_issuers; /* opaque */
struct x509_st;

#define OCSP_ISSUERS_MAX 16
#define OCSP_ISSUER_HEX 40
#define OCSP_ISSUER_NONE ((size_t)-1)

/*
 * Read each of the n files, PEM or DER, one certificate each.  Owned
 * (ocsp_issuers_free); NULL with *err, which names the file: it cannot be
 * read, is no certificate of an authority, or stands there twice.
 */
struct ocsp_issuers *ocsp_issuers_load(
    char *const *paths, size_t n, struct err *err);

/* NULL is a no-op. */
void ocsp_issuers_free(struct ocsp_issuers *issuers);

/* How many there are, at least 1. */
size_t ocsp_issuers_count(const struct ocsp_issuers *issuers);

/* The i-th one's certificate, its file, and SHA-1 of its key in lower-case
 * hexadecimal; borrowed. */
struct x509_st *ocsp_issuer_cert(const struct ocsp_issuers *issuers, size_t i);
/* As it was given; borrowed. */
const char *ocsp_issuer_path(const struct ocsp_issuers *issuers, size_t i);
/* OCSP_ISSUER_HEX digits; borrowed. */
const char *ocsp_issuer_hex(const struct ocsp_issuers *issuers, size_t i);

/* Which of them issued it, or OCSP_ISSUER_NONE. */
size_t ocsp_issuer_of(
    const struct ocsp_issuers *issuers, const struct ocsp_cert *cert);

#endif
