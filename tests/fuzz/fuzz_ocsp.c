/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP request as it comes from the network, cut in two by the first byte:
 * however it is cut, it is read or refused alike.  What is asked in it, by GET
 * or by POST, is taken apart as OCSP; so are the bytes themselves, and as a
 * CRL's name.  What was taken lies within the bytes, and what the answer is
 * made of fits into the room that is reckoned for it.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ocsp/answer.h"
#include "ocsp/front.h"
#include "ocsp/request.h"
#include "wire/http_request.h"

static void
check_within(struct der part, const uint8_t *bytes, size_t len)
{
	if (part.len > 0)
		assert(part.at >= bytes && part.at + part.len <= bytes + len);
}

static void
check_cert(const struct ocsp_cert *cert, const uint8_t *bytes, size_t len)
{
	check_within(cert->id, bytes, len);
	check_within(cert->name_hash, bytes, len);
	check_within(cert->key_hash, bytes, len);
	check_within(cert->serial, bytes, len);
	assert(cert->id.len > 0 && cert->hash < OCSP_HASH_COUNT);
	assert(cert->serial.len <= OCSP_SERIAL_MAX);
	assert(cert->serial.len == 0 || cert->serial.at[0] != 0);
	if (cert->hash == OCSP_SHA1)
		assert(cert->name_hash.len == 20 && cert->key_hash.len == 20);
	if (cert->hash == OCSP_SHA256)
		assert(cert->name_hash.len == 32 && cert->key_hash.len == 32);
}

static void
check_ocsp(const uint8_t *bytes, size_t len)
{
	static struct ocsp_request request;
	uint8_t *copy = malloc(len + 1); /* so that reading on is noticed */
	struct err err;
	size_t i;

	if (copy == NULL)
		abort();
	memcpy(copy, bytes, len);
	if (ocsp_request_parse(&request, (struct der){ copy, len },
		OCSP_CERTS_MAX, &err) == 0) {
		assert(request.n >= 1 && request.n <= OCSP_CERTS_MAX);
		for (i = 0; i < request.n; i++)
			check_cert(&request.certs[i], copy, len);
		check_within(request.nonce, copy, len);
	} else
		assert(err.code == ERR_PARSE || err.code == ERR_RANGE);
	free(copy);
}

static void
check_path(const char *path, size_t len)
{
	uint8_t *out = malloc(len + 1);
	long n;

	if (out == NULL)
		abort();
	n = ocsp_front_decode(path, len, out);
	assert(n <= (long)len);
	if (n >= 0)
		check_ocsp(out, (size_t)n);
	free(out);
}

/* Read it, the first `cut` bytes first, as a server does. */
static long
read_http(
    struct http_request *request, const char *bytes, size_t size, size_t cut)
{
	size_t scanned = 0;
	long used =
	    http_request_parse(request, bytes, cut, &scanned, OCSP_REQUEST_MAX);

	if (used == 0)
		used = http_request_parse(
		    request, bytes, size, &scanned, OCSP_REQUEST_MAX);
	return used;
}

static void
check_http(const char *bytes, size_t size, size_t cut)
{
	struct http_request whole, parts;
	long used = read_http(&whole, bytes, size, size);

	assert(read_http(&parts, bytes, size, cut) == used);
	assert(used <= (long)size);
	if (used <= 0)
		return;
	assert(whole.target.len > 0 && whole.target.at[0] == '/');
	assert(whole.body.len == parts.body.len);
	assert(whole.body.at == NULL ||
	    whole.body.at + whole.body.len == bytes + used);
	if (whole.method == HTTP_POST)
		check_ocsp((const uint8_t *)whole.body.at, whole.body.len);
	else
		check_path(whole.target.at, whole.target.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 1;

	if (size < 1)
		return 0;
	size--;
	check_ocsp((const uint8_t *)bytes, size);
	check_http(bytes, size, size * data[0] / 255);
	return 0;
}
