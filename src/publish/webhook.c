/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "publish/webhook.h"

#define WEBHOOK_TARGET_MAX 2048 /* time, method, path and query */

int
webhook_secret_load(
    const char *path, struct webhook_secret *secret, struct err *err)
{
	char text[WEBHOOK_SECRET_MAX + 1];
	int rc = secret_read(path, text, sizeof(text), err);

	secret->len = rc == 0 ? strlen(text) : 0;
	if (rc == 0 && secret->len < WEBHOOK_SECRET_MIN)
		rc = err_set(err, ERR_PARSE,
		    "%s: a secret has %d to %d bytes; make one with "
		    "`openssl rand -hex 32`",
		    path, WEBHOOK_SECRET_MIN, WEBHOOK_SECRET_MAX);
	if (rc == 0)
		memcpy(secret->bytes, text, secret->len);
	secret_cleanse(text, sizeof(text));
	return rc;
}

/* What follows the host: "/path?query", or "/" when there is nothing. */
static const char *
url_target(const char *url)
{
	const char *host = strstr(url, "://"), *target;

	host = host == NULL ? url : host + 3;
	target = host + strcspn(host, "/");
	return *target == '\0' ? "/" : target;
}

/* time LF method LF target LF body, and its MAC in hexadecimal. */
static void
signature(char hex[2 * SECRET_MAC_SIZE + 1],
    const struct webhook_secret *secret, const char *head, const void *body,
    size_t len)
{
	uint8_t text[WEBHOOK_TARGET_MAX + WEBHOOK_BODY_MAX];
	uint8_t mac[SECRET_MAC_SIZE];
	size_t n = strlen(head);

	assert(n <= WEBHOOK_TARGET_MAX && len <= WEBHOOK_BODY_MAX);
	memcpy(text, head, n);
	if (len > 0)
		memcpy(text + n, body, len);
	if (HMAC(EVP_sha256(), secret->bytes, (int)secret->len, text, n + len,
		mac, NULL) == NULL)
		abort(); /* out of memory */
	str_hex(mac, sizeof(mac), hex);
	secret_cleanse(text, sizeof(text));
}

void
webhook_sign(struct webhook_headers *out, const struct webhook_secret *secret,
    int64_t now_us, const char *method, const char *url, const char *key,
    const void *body, size_t len)
{
	char head[WEBHOOK_TARGET_MAX + 1], hex[2 * SECRET_MAC_SIZE + 1];
	int64_t now_s = now_us / CLOCK_S_US;

	snprintf(head, sizeof(head), "%" PRId64 "\n%s\n%s\n", now_s, method,
	    url_target(url));
	signature(hex, secret, head, body, len);
	snprintf(out->lines[0], WEBHOOK_HEADER_SIZE,
	    "Content-Type: application/json");
	snprintf(out->lines[1], WEBHOOK_HEADER_SIZE,
	    "X-Holdline-Time: %" PRId64, now_s);
	snprintf(out->lines[2], WEBHOOK_HEADER_SIZE,
	    "X-Holdline-Signature: v1=%s", hex);
	snprintf(
	    out->lines[3], WEBHOOK_HEADER_SIZE, "Idempotency-Key: %s", key);
}
