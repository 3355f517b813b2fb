/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "ocsp/request.h"

static const uint8_t oid_sha1[] = { 0x2b, 0x0e, 0x03, 0x02, 0x1a };
static const uint8_t oid_sha256[] = { 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
	0x02, 0x01 };
static const uint8_t oid_nonce[] = { 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30,
	0x01, 0x02 };

/* AlgorithmIdentifier: parameters are NULL or left out. */
static int
take_hash(struct der *in, enum ocsp_hash *hash)
{
	struct der algorithm, oid, none;

	if (der_take(in, DER_SEQUENCE, &algorithm, NULL) == -1 ||
	    der_take(&algorithm, DER_OID, &oid, NULL) == -1)
		return -1;
	*hash = der_equal(&oid, oid_sha1, sizeof(oid_sha1))   ? OCSP_SHA1
	    : der_equal(&oid, oid_sha256, sizeof(oid_sha256)) ? OCSP_SHA256
							      : OCSP_HASH_OTHER;
	if (*hash == OCSP_HASH_OTHER || algorithm.len == 0)
		return 0;
	if (der_take(&algorithm, DER_NULL, &none, NULL) == -1 || none.len != 0)
		return -1;
	return algorithm.len == 0 ? 0 : -1;
}

static int
take_serial(struct der *in, struct der *serial)
{
	struct der n;

	if (der_take(in, DER_INTEGER, &n, NULL) == -1 || n.len == 0)
		return -1;
	if (n.len > 1 && n.at[0] == 0 && n.at[1] < 0x80)
		return -1; /* a zero too many */
	if (n.len > 1 && n.at[0] == 0xff && n.at[1] >= 0x80)
		return -1;
	if (n.at[0] == 0)
		n.at++, n.len--;
	else if (n.at[0] >= 0x80)
		n.len = 0; /* negative */
	if (n.len > OCSP_SERIAL_MAX)
		n.len = 0;
	*serial = n;
	return 0;
}

static int
take_cert_id(struct der *in, struct ocsp_cert *cert)
{
	static const size_t sizes[] = { [OCSP_SHA1] = 20, [OCSP_SHA256] = 32 };
	struct der id;

	if (der_take(in, DER_SEQUENCE, &id, &cert->id) == -1 ||
	    take_hash(&id, &cert->hash) == -1 ||
	    der_take(&id, DER_OCTET_STRING, &cert->name_hash, NULL) == -1 ||
	    der_take(&id, DER_OCTET_STRING, &cert->key_hash, NULL) == -1 ||
	    take_serial(&id, &cert->serial) == -1 || id.len != 0)
		return -1;
	if (cert->hash != OCSP_HASH_OTHER &&
	    (cert->name_hash.len != sizes[cert->hash] ||
		cert->key_hash.len != sizes[cert->hash]))
		return -1;
	return 0;
}

struct extension {
	struct der whole, oid, value;
	bool critical;
};

static int
take_extension(struct der *in, struct extension *e)
{
	struct der seq, critical;

	e->critical = false;
	if (der_take(in, DER_SEQUENCE, &seq, &e->whole) == -1 ||
	    der_take(&seq, DER_OID, &e->oid, NULL) == -1)
		return -1;
	if (der_next_is(&seq, DER_BOOLEAN)) {
		if (der_take(&seq, DER_BOOLEAN, &critical, NULL) == -1 ||
		    critical.len != 1)
			return -1;
		e->critical = critical.at[0] != 0;
	}
	if (der_take(&seq, DER_OCTET_STRING, &e->value, NULL) == -1)
		return -1;
	return seq.len == 0 ? 0 : -1;
}

/* RFC 9654: 1 to 128 octets, in an OCTET STRING of their own. */
static int
take_nonce(
    struct ocsp_request *request, const struct extension *e, struct err *err)
{
	struct der value = e->value, nonce;

	if (der_take(&value, DER_OCTET_STRING, &nonce, NULL) == -1 ||
	    value.len != 0)
		return err_set(err, ERR_PARSE, "the nonce is not DER");
	if (nonce.len == 0 || nonce.len > OCSP_NONCE_MAX)
		return err_set(err, ERR_RANGE,
		    "the nonce has %zu octets, not 1 to %d", nonce.len,
		    OCSP_NONCE_MAX);
	if (request->nonce.len != 0)
		return err_set(err, ERR_PARSE, "there are two nonces");
	request->nonce = e->whole;
	return 0;
}

/* `request` is NULL for a single certificate's own extensions. */
static int
take_extensions(struct der *in, struct ocsp_request *request, struct err *err)
{
	struct der list;
	struct extension e;

	if (der_take(in, DER_SEQUENCE, &list, NULL) == -1 || in->len != 0)
		return err_set(err, ERR_PARSE, "its extensions are not DER");
	while (list.len > 0) {
		if (take_extension(&list, &e) == -1)
			return err_set(
			    err, ERR_PARSE, "an extension is not DER");
		if (request != NULL &&
		    der_equal(&e.oid, oid_nonce, sizeof(oid_nonce))) {
			if (take_nonce(request, &e, err) == -1)
				return -1;
		} else if (e.critical) {
			return err_set(
			    err, ERR_PARSE, "it has a critical extension");
		}
	}
	return 0;
}

static int
take_certs(struct der *in, struct ocsp_request *request, size_t max_certs,
    struct err *err)
{
	struct der list, one, extensions;

	if (der_take(in, DER_SEQUENCE, &list, NULL) == -1)
		return err_set(err, ERR_PARSE, "it has no requestList");
	if (list.len == 0)
		return err_set(err, ERR_RANGE, "it asks about nothing");
	while (list.len > 0) {
		if (request->n == max_certs)
			return err_set(err, ERR_RANGE,
			    "it asks about more than %zu certificates",
			    max_certs);
		if (der_take(&list, DER_SEQUENCE, &one, NULL) == -1 ||
		    take_cert_id(&one, &request->certs[request->n]) == -1)
			return err_set(err, ERR_PARSE, "CertID %zu is not DER",
			    request->n + 1);
		request->n++;
		if (one.len == 0)
			continue;
		if (der_take(&one, DER_EXPLICIT(0), &extensions, NULL) == -1 ||
		    one.len != 0)
			return err_set(err, ERR_PARSE,
			    "something follows CertID %zu", request->n);
		if (take_extensions(&extensions, NULL, err) == -1)
			return -1;
	}
	return 0;
}

/* version [0] (v1 is its only value), requestorName [1]: both optional. */
static int
skip_head(struct der *tbs)
{
	static const uint8_t v1[] = { 0 };
	struct der value, version;

	if (der_next_is(tbs, DER_EXPLICIT(0)) &&
	    (der_take(tbs, DER_EXPLICIT(0), &value, NULL) == -1 ||
		der_take(&value, DER_INTEGER, &version, NULL) == -1 ||
		value.len != 0 || !der_equal(&version, v1, sizeof(v1))))
		return -1;
	if (der_next_is(tbs, DER_EXPLICIT(1)) &&
	    der_take(tbs, DER_EXPLICIT(1), &value, NULL) == -1)
		return -1;
	return 0;
}

int
ocsp_request_parse(struct ocsp_request *request, struct der bytes,
    size_t max_certs, struct err *err)
{
	struct der all, tbs, extensions, signature;

	request->n = 0;
	request->nonce = (struct der){ NULL, 0 };
	if (der_take(&bytes, DER_SEQUENCE, &all, NULL) == -1 ||
	    bytes.len != 0 || der_take(&all, DER_SEQUENCE, &tbs, NULL) == -1)
		return err_set(err, ERR_PARSE, "it is not an OCSPRequest");
	if (all.len > 0 &&
	    (der_take(&all, DER_EXPLICIT(0), &signature, NULL) == -1 ||
		all.len != 0))
		return err_set(err, ERR_PARSE, "something follows the request");
	if (skip_head(&tbs) == -1)
		return err_set(err, ERR_PARSE, "its version is not 1");
	if (take_certs(&tbs, request, max_certs, err) == -1)
		return -1;
	if (tbs.len == 0)
		return 0;
	if (der_take(&tbs, DER_EXPLICIT(2), &extensions, NULL) == -1 ||
	    tbs.len != 0)
		return err_set(err, ERR_PARSE, "something follows the CertIDs");
	return take_extensions(&extensions, request, err);
}
