/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EJBCA's REST interface: PUT .../revoke takes a hold, takes it back
 * (REMOVE_FROM_CRL) and revokes; its answer repeats what was asked for, so the
 * status is read by GET .../revocationstatus.  Never an invalidity date: with
 * one set, EJBCA 8.2 reported lifting a hold and did nothing.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "publish/ca.h"

/* By RFC 5280's number; those that a request cannot name are unspecified. */
static const char *const reasons[] = {
	[0] = "UNSPECIFIED",
	[1] = "KEY_COMPROMISE",
	[3] = "AFFILIATION_CHANGED",
	[4] = "SUPERSEDED",
	[5] = "CESSATION_OF_OPERATION",
	[9] = "PRIVILEGES_WITHDRAWN",
};
#define REASONS_N (int)(sizeof(reasons) / sizeof(reasons[0]))

static const char *
reason_of(const struct store_cert *cert)
{
	if (cert->status == STORE_HELD)
		return "CERTIFICATE_HOLD";
	if (cert->status == STORE_GOOD)
		return "REMOVE_FROM_CRL";
	if (cert->reason >= 0 && cert->reason < REASONS_N &&
	    reasons[cert->reason] != NULL)
		return reasons[cert->reason];
	return reasons[0];
}

/* RFC 3986: all but the unreserved. */
static int
percent_encode(char *out, size_t size, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789-._~";
	size_t n = 0;

	for (; *text != '\0'; text++) {
		if (n + 4 > size)
			return -1;
		if (strchr(plain, *text) != NULL)
			out[n++] = *text;
		else
			n += (size_t)snprintf(out + n, size - n, "%%%02X",
			    (unsigned int)(unsigned char)*text);
	}
	out[n] = '\0';
	return 0;
}

static const char *
issuer_dn(const struct ca_site *site, const char *hash)
{
	size_t i;

	for (i = 0; i < site->issuers->n; i++)
		if (strcmp(site->issuers->at[i].hash, hash) == 0)
			return site->issuers->at[i].dn;
	return NULL;
}

static int
request_begin(const struct ca_site *site, const struct store_cert *cert,
    const char *method, const char *what, struct ca_request *out,
    struct err *err)
{
	const char *dn = issuer_dn(site, cert->issuer);
	char encoded[3 * CA_DN_MAX];
	int n;

	if (dn == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "ca.issuers has no name for the issuer %s", cert->issuer);
	out->method = method;
	out->body_len = 0;
	out->n_headers = 1;
	snprintf(out->headers[0], sizeof(out->headers[0]),
	    "Accept: application/json");
	if (percent_encode(encoded, sizeof(encoded), dn) == -1)
		return err_set(err, ERR_RANGE, "the issuer's name is too long");
	n = snprintf(out->url, sizeof(out->url), "%s/v1/certificate/%s/%s/%s",
	    site->url, encoded, cert->serial, what);
	if (n < 0 || (size_t)n >= sizeof(out->url))
		return err_set(err, ERR_RANGE, "ca.url is too long");
	return 0;
}

static int
ejbca_ask(const struct ca_site *site, const struct store_cert *cert,
    const char *key, int64_t now_us, struct ca_request *out, struct err *err)
{
	(void)key, (void)now_us;
	return request_begin(site, cert, "GET", "revocationstatus", out, err);
}

/* "2026-11-24T03:00:00Z" */
static void
format_utc(int64_t us, char out[32])
{
	time_t s = (time_t)(us / CLOCK_S_US);
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static int
ejbca_tell(const struct ca_site *site, const struct store_cert *cert,
    const char *key, int64_t now_us, struct ca_request *out, struct err *err)
{
	char what[128], date[32], encoded[96];

	(void)key, (void)now_us;
	snprintf(what, sizeof(what), "revoke?reason=%s", reason_of(cert));
	if (site->backdate && cert->status != STORE_GOOD) {
		format_utc(cert->status_us, date);
		(void)percent_encode(encoded, sizeof(encoded), date);
		snprintf(what, sizeof(what), "revoke?reason=%s&date=%s",
		    reason_of(cert), encoded);
	}
	return request_begin(site, cert, "PUT", what, out, err);
}

/* {"revoked": true, "revocation_reason": "CERTIFICATE_HOLD", ...} */
static enum ca_says
status_read(const char *body, size_t len)
{
	json_t *all = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *revoked = json_object_get(all, "revoked");
	const char *reason =
	    json_string_value(json_object_get(all, "revocation_reason"));
	enum ca_says says = CA_SAYS_NOTHING;

	if (json_is_false(revoked))
		says = CA_SAYS_GOOD;
	else if (json_is_true(revoked) && reason != NULL)
		says = strcmp(reason, "CERTIFICATE_HOLD") == 0
		    ? CA_SAYS_HELD
		    : CA_SAYS_REVOKED;
	json_decref(all);
	return says;
}

const struct ca_connector ca_ejbca = { .name = "ejbca",
	.ask = ejbca_ask,
	.tell = ejbca_tell,
	.read = status_read,
	.hint = "; is ca.url right?" };
