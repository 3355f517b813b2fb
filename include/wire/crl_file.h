/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crl_file.h -- one certificate revocation list (RFC 5280, section 5), written
 * to a file however many entries it has.
 *
 * The entries go to an unnamed temporary file as they come.  Their length is
 * known at the end; then the list's head is made, all of it is hashed and
 * signed as a stream, and the finished file takes the old one's place in one
 * rename, synced to disk.  Nothing that grows with the entries is in memory.
 *
 * Blocks: never on the event loop.  Any one thread.
 */
#ifndef WIRE_CRL_FILE_H
#define WIRE_CRL_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CRL_FILE_UNSPECIFIED 0 /* unspecified: the extension is left out */
#define CRL_FILE_REMOVE 8      /* removeFromCRL: in a delta only */

struct crl_file; /* opaque: a list that is being written */
struct crl_signer;

struct crl_file_options {
	const struct crl_signer *signer; /* borrowed */
	const char *path;                /* the finished file; copied */
	int64_t number;
	int64_t base; /* 0: a full CRL; else a delta against this number */
	int64_t this_us, next_us;
	const char *freshest_url; /* where the delta is; "" = not said */
	const char *idp_url;      /* issuing distribution point; "" = none */
};

/* Begin.  Owned (crl_file_free); NULL with *err (ERR_IO, ERR_NOMEM). */
struct crl_file *crl_file_new(
    const struct crl_file_options *options, struct err *err);

/*
 * Add an entry.
 *   serial	hexadecimal, whole bytes, positive
 *   reason	CRLReason
 *   when_us	the revocation date
 * Returns 0, or -1 with *err, after which the file is only good to be freed.
 */
int crl_file_add(struct crl_file *f, const char *serial, int reason,
    int64_t when_us, struct err *err);

/* Sign it and put it in place; *bytes is its size.  Returns 0, or -1 with
 * *err; an older file is then still there. */
int crl_file_finish(struct crl_file *f, int64_t *bytes, struct err *err);

/* Drop what is not finished.  NULL is a no-op. */
void crl_file_free(struct crl_file *f);

#endif
