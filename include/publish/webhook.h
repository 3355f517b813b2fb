/* SPDX-License-Identifier: Apache-2.0 */
/*
 * webhook.h -- requests that somebody's own web service can trust.
 *
 * Each carries the time, a key that is the same in every attempt, and
 *
 *	HMAC-SHA256(secret, time LF method LF path?query LF body)
 *
 * under a secret that both sides have in a file.  Pure but for loading it.
 * doc/ca.md and doc/notices.md say what the other side has to do.
 */
#ifndef PUBLISH_WEBHOOK_H
#define PUBLISH_WEBHOOK_H

#include <stddef.h>
#include <stdint.h>

#define WEBHOOK_SECRET_MIN 16
#define WEBHOOK_SECRET_MAX 256
#define WEBHOOK_BODY_MAX 4096 /* bytes of a request */
#define WEBHOOK_URL_MAX 1024  /* of a URL, with the NUL */
#define WEBHOOK_HEADERS 4
#define WEBHOOK_HEADER_SIZE 192

struct err;

struct webhook_secret {
	size_t len;
	uint8_t bytes[WEBHOOK_SECRET_MAX];
};

/* Header lines of a request: content type, time, signature, key. */
struct webhook_headers {
	char lines[WEBHOOK_HEADERS][WEBHOOK_HEADER_SIZE];
};

/* Load the secret, one line of 16 to 256 bytes, as secret_read() does.  0, or
 * -1 with *err. */
int webhook_secret_load(
    const char *path, struct webhook_secret *secret, struct err *err);

/* The header lines for a request to `url`.  `key` is the idempotency key. */
void webhook_sign(struct webhook_headers *out,
    const struct webhook_secret *secret, int64_t now_us, const char *method,
    const char *url, const char *key, const void *body, size_t len);

#endif
