/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crl_extension.h"

/* Add one; the value is freed with its own function by the caller. */
static bool
add(STACK_OF(X509_EXTENSION) * *list, int nid, bool critical, void *value)
{
	return value != NULL &&
	    X509V3_add1_i2d(list, nid, value, critical, X509V3_ADD_APPEND) == 1;
}

static bool
add_number(STACK_OF(X509_EXTENSION) * *list, int nid, bool critical, int64_t n)
{
	ASN1_INTEGER *value = ASN1_INTEGER_new();
	bool ok = value != NULL && ASN1_INTEGER_set_int64(value, n) == 1 &&
	    add(list, nid, critical, value);

	ASN1_INTEGER_free(value);
	return ok;
}

/* The issuer's own key identifier, as its certificates name it. */
static bool
add_key_id(STACK_OF(X509_EXTENSION) * *list, const X509 *issuer)
{
	const ASN1_OCTET_STRING *id = X509_get0_subject_key_id((X509 *)issuer);
	AUTHORITY_KEYID *value;
	bool ok;

	if (id == NULL)
		return true;
	if ((value = AUTHORITY_KEYID_new()) == NULL)
		return false;
	value->keyid = ASN1_OCTET_STRING_dup(id);
	ok = value->keyid != NULL &&
	    add(list, NID_authority_key_identifier, false, value);
	AUTHORITY_KEYID_free(value);
	return ok;
}

/* A distribution point's name: one URL. */
static DIST_POINT_NAME *
point_name(const char *url)
{
	DIST_POINT_NAME *name = DIST_POINT_NAME_new();
	GENERAL_NAME *general = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	if (name == NULL || general == NULL || text == NULL ||
	    (name->name.fullname = GENERAL_NAMES_new()) == NULL ||
	    ASN1_STRING_set(text, url, -1) != 1 ||
	    sk_GENERAL_NAME_push(name->name.fullname, general) <= 0) {
		DIST_POINT_NAME_free(name);
		GENERAL_NAME_free(general);
		ASN1_IA5STRING_free(text);
		return NULL;
	}
	name->type = 0;
	GENERAL_NAME_set0_value(general, GEN_URI, text);
	return name;
}

static bool
add_freshest(STACK_OF(X509_EXTENSION) * *list, const char *url)
{
	CRL_DIST_POINTS *points = CRL_DIST_POINTS_new();
	DIST_POINT *point = DIST_POINT_new();
	bool ok = false;

	if (points != NULL && point != NULL &&
	    (point->distpoint = point_name(url)) != NULL &&
	    sk_DIST_POINT_push(points, point) > 0) {
		point = NULL; /* the list's */
		ok = add(list, NID_freshest_crl, false, points);
	}
	DIST_POINT_free(point);
	CRL_DIST_POINTS_free(points);
	return ok;
}

static bool
add_idp(STACK_OF(X509_EXTENSION) * *list, const char *url)
{
	ISSUING_DIST_POINT *idp = ISSUING_DIST_POINT_new();
	bool ok = idp != NULL && (idp->distpoint = point_name(url)) != NULL &&
	    add(list, NID_issuing_distribution_point, true, idp);

	ISSUING_DIST_POINT_free(idp);
	return ok;
}

static bool
add_all(STACK_OF(X509_EXTENSION) * *list, const X509 *issuer, int64_t number,
    int64_t base, const char *freshest_url, const char *idp_url)
{
	return add_key_id(list, issuer) &&
	    add_number(list, NID_crl_number, false, number) &&
	    (base == 0 || add_number(list, NID_delta_crl, true, base)) &&
	    (freshest_url[0] == '\0' || add_freshest(list, freshest_url)) &&
	    (idp_url[0] == '\0' || add_idp(list, idp_url));
}

/* "[0] EXPLICIT" around the list. */
static unsigned char *
wrap(const unsigned char *der, int der_len, size_t *len)
{
	int size = ASN1_object_size(1, der_len, 0);
	unsigned char *out = malloc((size_t)size), *p = out;

	if (out == NULL)
		return NULL;
	ASN1_put_object(&p, 1, der_len, 0, V_ASN1_CONTEXT_SPECIFIC);
	memcpy(p, der, (size_t)der_len);
	*len = (size_t)size;
	return out;
}

unsigned char *
crl_extensions_make(const X509 *issuer, int64_t number, int64_t base,
    const char *freshest_url, const char *idp_url, size_t *len)
{
	STACK_OF(X509_EXTENSION) *list = NULL;
	unsigned char *der = NULL, *out = NULL;
	int der_len;

	if (add_all(&list, issuer, number, base, freshest_url, idp_url) &&
	    (der_len = i2d_X509_EXTENSIONS(list, &der)) > 0)
		out = wrap(der, der_len, len);
	OPENSSL_free(der);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	return out;
}
