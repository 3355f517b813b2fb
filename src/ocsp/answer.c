/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "ocsp/answer.h"
#include "ocsp/signer.h"

const char *
ocsp_refusal_name(enum ocsp_refusal refusal)
{
	switch (refusal) {
	case OCSP_MALFORMED:
		return "malformedRequest";
	case OCSP_INTERNAL:
		return "internalError";
	case OCSP_TRY_LATER:
		return "tryLater";
	}
	return "?";
}

void
ocsp_answer_refusal(enum ocsp_refusal refusal, uint8_t out[OCSP_REFUSAL_SIZE])
{
	static const uint8_t head[] = { DER_SEQUENCE, 3, DER_ENUMERATED, 1 };

	memcpy(out, head, sizeof(head));
	out[4] = (uint8_t)refusal;
}

/* CertStatus: good [0] NULL, revoked [1] RevokedInfo, unknown [2] NULL. */
static void
put_status(struct der_out *out, const struct ocsp_single *single)
{
	size_t end = out->at, reason_end;
	uint8_t reason = (uint8_t)single->reason;

	if (single->status != OCSP_REVOKED) {
		der_put_element(out,
		    DER_CONTEXT(single->status == OCSP_GOOD ? 0 : 2), "", 0);
		return;
	}
	assert(single->reason >= 0 && single->reason < 0x80);
	if (single->reason != 0) { /* RFC 5280, 5.3.1: not 0 as a word */
		reason_end = out->at;
		der_put_element(out, DER_ENUMERATED, &reason, 1);
		der_wrap(out, DER_EXPLICIT(0), reason_end);
	}
	der_put_time(out, single->revoked_s);
	der_wrap(out, DER_EXPLICIT(1), end);
}

static void
put_single(struct der_out *out, const struct ocsp_single *single)
{
	size_t end = out->at;

	der_put_time(out, single->next_s);
	der_wrap(out, DER_EXPLICIT(0), end);
	der_put_time(out, single->this_s);
	put_status(out, single);
	der_put(out, single->id.at, single->id.len);
	der_wrap(out, DER_SEQUENCE, end);
}

void
ocsp_answer_data(struct der_out *out, const struct ocsp_signer *signer,
    int64_t produced_s, const struct ocsp_single *singles, size_t n,
    struct der nonce)
{
	struct der responder = ocsp_signer_responder(signer);
	size_t end = out->at, list_end;

	if (nonce.len > 0) {
		der_put(out, nonce.at, nonce.len);
		der_wrap(out, DER_SEQUENCE, end);
		der_wrap(out, DER_EXPLICIT(1), end);
	}
	list_end = out->at;
	while (n > 0)
		put_single(out, &singles[--n]);
	der_wrap(out, DER_SEQUENCE, list_end);
	der_put_time(out, produced_s);
	der_put(out, responder.at, responder.len);
	der_wrap(out, DER_SEQUENCE, end);
}

void
ocsp_answer_whole(struct der_out *out, const struct ocsp_signer *signer,
    struct der data, struct der signature)
{
	/* id-pkix-ocsp-basic */
	static const uint8_t basic[] = { DER_OID, 9, 0x2b, 0x06, 0x01, 0x05,
		0x05, 0x07, 0x30, 0x01, 0x01 };
	static const uint8_t successful[] = { DER_ENUMERATED, 1, 0 };
	struct der certs = ocsp_signer_certs(signer);
	struct der algorithm = ocsp_signer_algorithm(signer);
	size_t end = out->at, bits_end;

	der_put(out, certs.at, certs.len);
	bits_end = out->at;
	der_put(out, signature.at, signature.len);
	der_put(out, "", 1); /* no unused bits */
	der_wrap(out, DER_BIT_STRING, bits_end);
	der_put(out, algorithm.at, algorithm.len);
	der_put(out, data.at, data.len);
	der_wrap(out, DER_SEQUENCE, end);
	der_wrap(out, DER_OCTET_STRING, end);
	der_put(out, basic, sizeof(basic));
	der_wrap(out, DER_SEQUENCE, end);
	der_wrap(out, DER_EXPLICIT(0), end);
	der_put(out, successful, sizeof(successful));
	der_wrap(out, DER_SEQUENCE, end);
}
