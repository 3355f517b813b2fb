/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redis_place.h -- where Redis is, how to get in, and whom to believe.
 * Plain values.  Any thread.
 */
#ifndef WIRE_REDIS_PLACE_H
#define WIRE_REDIS_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/tls.h"

struct conf;
struct err;
struct keyring;
struct stream_addr;

/* Texts are never NULL, "" = none.  Addresses are "unix:/path", "ip:port". */
struct redis_place {
	const char *address;
	const char *const *sentinels; /* when there are some, they name the
				       * primary and address is not used */
	size_t n_sentinels;
	const char *master;        /* what the Sentinels call it */
	const char *user;          /* of the ACL; "" = the default user */
	const char *password_file; /* read anew for each connection */
	bool tls;                  /* except on a Unix socket */
	struct tls_files files;
};

/*
 * The place that the settings name.
 *   reading	the replica that is read (redis.read_address), if one is set;
 *		else the server that is written to
 * Texts are borrowed from *conf.
 */
void redis_place_from_conf(
    const struct conf *conf, bool reading, struct redis_place *place);

/* The setting redis.timeout, in whole seconds, rounded up. */
unsigned int redis_timeout_s(const struct conf *conf);

/* The key that signs the records, into *mac: owned (keyring_free), or NULL when
 * the settings say none does.  0, or -1 with *err. */
int redis_mac_load(
    const struct conf *conf, struct keyring **mac, struct err *err);

/* A copy with texts of its own (redis_place_drop).  -1: out of memory. */
int redis_place_copy(struct redis_place *copy, const struct redis_place *place);

/* Free a copy's texts. */
void redis_place_drop(struct redis_place *copy);

/* TLS for one connection to `addr`, as tls_client(); *ssl is NULL where it is
 * not spoken.  Returns 0, or -1 with *err. */
int redis_place_tls(const struct redis_place *place,
    const struct stream_addr *addr, struct ssl_st **ssl, struct err *err);

#endif
