/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.h -- the client's side of TLS: whom to trust, who we are, what to call
 * the server.
 *
 * TLS 1.2 or newer.  A server is believed when a trusted CA signed its
 * certificate and the certificate is for the name that was asked for.
 * Any thread, one at a time for each SSL.
 */
#ifndef WIRE_TLS_H
#define WIRE_TLS_H

#include <stddef.h>

struct err;
struct ssl_st; /* OpenSSL's SSL */

/* Borrowed texts, never NULL; "" = none. */
struct tls_files {
	const char *ca;   /* PEM, one or more; "" = those of the system */
	const char *cert; /* PEM, ours with its chain */
	const char *key;  /* PEM, of cert; others may not read it */
	const char *name; /* that the server's certificate must be for: a host
			   * name or an IP address; "" = the address */
};

/*
 * One connection's state, for a server at the numeric address `host`.  The
 * files are read anew each time, so that they may be renewed.  Owned
 * (SSL_free); NULL with *err, which names the file and what is wrong with it.
 */
struct ssl_st *tls_client(
    const struct tls_files *files, const char *host, struct err *err);

/*
 * Why a connection failed, in words that say what to do; `error` is from
 * OpenSSL's queue, 0 = the peer just closed.  Writes into out; returns it.
 */
const char *tls_why(
    const struct ssl_st *ssl, unsigned long error, char *out, size_t size);

#endif
