/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crl_extension.h -- a CRL's extensions (RFC 5280, 5.2), for crl_file.c.
 */
#ifndef WIRE_CRL_EXTENSION_H
#define WIRE_CRL_EXTENSION_H

#include <stddef.h>
#include <stdint.h>

struct x509_st;

/*
 * crlExtensions in DER, with its own tag: authority key identifier, CRL
 * number, and where they are wanted delta indicator (base > 0), freshest CRL
 * and issuing distribution point ("" = none).  Owned (free); NULL when out of
 * memory.
 */
unsigned char *crl_extensions_make(const struct x509_st *issuer, int64_t number,
    int64_t base, const char *freshest_url, const char *idp_url, size_t *len);

#endif
