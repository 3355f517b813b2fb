/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cert.h -- reading certificates.
 */
#ifndef STORE_CERT_H
#define STORE_CERT_H

#include "store/store.h"

/* All certificates of one holder, signature before authentication, card
 * before smartphone, newest first.  None is not an error.  When there are
 * more than fit, dead ones are left out; ERR_CONFLICT when live ones would
 * be. */
struct store_cert_list {
	struct store_req req;
	/* in */
	int64_t holder;
	/* out */
	size_t n;
	struct store_cert certs[STORE_CERTS_MAX];
};
void store_cert_list(struct store *s, struct store_cert_list *r);

/* Certificates with one serial number (any issuer).  None is not an error. */
struct store_cert_find {
	struct store_req req;
	/* in */
	char serial[STORE_SERIAL_MAX + 1]; /* lower-case hexadecimal */
	/* out */
	size_t n;
	struct store_cert certs[STORE_CERTS_MAX];
	int64_t visible_us[STORE_CERTS_MAX]; /* of the newest change; 0 = not
						yet, or generation 0 */
};
void store_cert_find(struct store *s, struct store_cert_find *r);

#endif
