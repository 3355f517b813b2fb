/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer.h -- an OCSP response (RFC 6960, 4.2) put together.
 *
 * First what is to be signed, then the whole around it and its signature.  All
 * that does not change from answer to answer comes ready-made from the signer.
 * Pure; any thread.
 */
#ifndef OCSP_ANSWER_H
#define OCSP_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "wire/der.h"

struct ocsp_signer;

/* OCSPResponseStatus, but for successful. */
enum ocsp_refusal { OCSP_MALFORMED = 1, OCSP_INTERNAL = 2, OCSP_TRY_LATER = 3 };

/* "malformedRequest", ...; never NULL. */
const char *ocsp_refusal_name(enum ocsp_refusal refusal);

#define OCSP_REFUSAL_SIZE 5 /* bytes of an unsigned answer */
void ocsp_answer_refusal(
    enum ocsp_refusal refusal, uint8_t out[OCSP_REFUSAL_SIZE]);

enum ocsp_status { OCSP_GOOD, OCSP_REVOKED, OCSP_UNKNOWN };

/* What is said about one certificate. */
struct ocsp_single {
	struct der id; /* the CertID as it was asked */
	enum ocsp_status status;
	int reason;             /* RFC 5280 CRLReason; 0 = not said */
	int64_t revoked_s;      /* of revoked */
	int64_t this_s, next_s; /* thisUpdate, nextUpdate */
};

/* Bytes that what is to be signed may take, for n CertIDs of `ids` bytes
 * together and a nonce. */
#define OCSP_TBS_ROOM(n, ids, nonce) (96 + (ids) + (nonce) + (n)*96)

/*
 * Write ResponseData in front of what `out` holds.
 *   nonce	the extension to echo; len 0 = none
 */
void ocsp_answer_data(struct der_out *out, const struct ocsp_signer *signer,
    int64_t produced_s, const struct ocsp_single *singles, size_t n,
    struct der nonce);

/* Bytes that the whole may take beyond data, signature and certificates. */
#define OCSP_ANSWER_ROOM 96

/* Write the whole OCSPResponse around signed data. */
void ocsp_answer_whole(struct der_out *out, const struct ocsp_signer *signer,
    struct der data, struct der signature);

#endif
