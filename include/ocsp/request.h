/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.h -- an OCSP request (RFC 6960, 4.1) taken apart.
 *
 * Everything points into the request's bytes, which are borrowed; nothing is
 * allocated.  A signature, the requestor's name and extensions that are not
 * critical are read over.  Pure; any thread.
 */
#ifndef OCSP_REQUEST_H
#define OCSP_REQUEST_H

#include <stddef.h>

#include "wire/der.h"

struct err;

#define OCSP_REQUEST_MAX 16384 /* bytes */
#define OCSP_CERTS_MAX 100     /* CertIDs in one request */
#define OCSP_SERIAL_MAX 20     /* octets without a sign (RFC 5280, 4.1.2.2) */
#define OCSP_NONCE_MAX 128     /* octets (RFC 9654, 2.1) */

/* What the issuer's name and key are hashed with. */
enum ocsp_hash {
	OCSP_SHA1,
	OCSP_SHA256,
	OCSP_HASH_OTHER, /* no issuer can be recognised by it */
	OCSP_HASH_COUNT
};

/* A certificate that is asked about. */
struct ocsp_cert {
	struct der id; /* the whole CertID, to be answered with */
	enum ocsp_hash hash;
	struct der name_hash, key_hash; /* of the issuer */
	/* Without leading zeros; empty when it is no serial number: zero,
	 * negative or longer than OCSP_SERIAL_MAX. */
	struct der serial;
};

struct ocsp_request {
	size_t n; /* at least 1 */
	struct ocsp_cert certs[OCSP_CERTS_MAX];
	struct der nonce; /* the whole extension, to be echoed; len 0 = none */
};

/*
 * Read a request that asks about at most max_certs (up to OCSP_CERTS_MAX)
 * certificates.  Returns 0, or -1 with *err (ERR_PARSE, ERR_RANGE): the answer
 * is then malformedRequest.
 */
int ocsp_request_parse(struct ocsp_request *request, struct der bytes,
    size_t max_certs, struct err *err);

#endif
