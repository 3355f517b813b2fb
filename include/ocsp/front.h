/* SPDX-License-Identifier: Apache-2.0 */
/*
 * front.h -- what relying parties see over HTTP.
 *
 *	POST /...			OCSP, RFC 6960 A.1
 *	GET  /<base64 of a request>	OCSP, likewise
 *	GET  /crl/<issuer key hash>.crl, -delta.crl
 *					CRLs, from files
 *
 * Loop thread only.
 */
#ifndef OCSP_FRONT_H
#define OCSP_FRONT_H

#include <stddef.h>
#include <stdint.h>

struct http_exchange;
struct http_request;
struct ocsp_front; /* opaque */
struct ocsp_responder;
struct timers;

/* Owned (ocsp_front_free); NULL when out of memory.
 *   crl_dir	where the CRLs are; "" = none are served; copied */
struct ocsp_front *ocsp_front_new(struct ocsp_responder *responder,
    struct timers *timers, const char *crl_dir);

/* NULL is a no-op. */
void ocsp_front_free(struct ocsp_front *front);

/* As http_server_options.on_request; ctx is the front. */
void ocsp_front_serve(void *ctx, struct http_exchange *exchange,
    const struct http_request *request);

/*
 * The bytes of a request in the path of a GET: after the leading slashes,
 * base64 in which any character may be written as %XX.  `out` takes len bytes.
 * Returns how many it wrote, or -1 when it is none.  Pure.
 */
long ocsp_front_decode(const char *path, size_t len, uint8_t *out);

#endif
