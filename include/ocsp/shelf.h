/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shelf.h -- signed answers, kept to be given again.
 *
 * One for each CertID and signer, together with the record that it was made
 * from.  Whoever takes one compares that with the record of now, so that a
 * change is seen at once and nothing has to be told of it.  When the shelf is
 * full, the one not asked for since longest goes.  Loop thread only.
 */
#ifndef OCSP_SHELF_H
#define OCSP_SHELF_H

#include <stddef.h>
#include <stdint.h>

#include "wire/der.h"

struct ocsp_shelf; /* opaque */

#define OCSP_SHELF_ID_MAX 160 /* a longer CertID is not kept */
#define OCSP_SHELF_HEAD_MAX 256

/* What an answer says; all of it must be the same for it to be given. */
struct ocsp_fact {
	uint64_t signer;    /* ocsp_signer_id() */
	int64_t generation; /* 0 = there is no record */
	int64_t time_s;
	int status, reason; /* enum ocsp_status */
};

struct ocsp_kept {
	struct ocsp_fact fact;
	int64_t next_s; /* nextUpdate */
	int64_t use_until_s;
	char head[OCSP_SHELF_HEAD_MAX]; /* HTTP headers that do not change */
	const uint8_t *bytes;
	size_t len;
};

/* Room for so many; 0 = none is kept.  Owned (ocsp_shelf_free); NULL when out
 * of memory. */
struct ocsp_shelf *ocsp_shelf_new(size_t max);

/* NULL is a no-op. */
void ocsp_shelf_free(struct ocsp_shelf *shelf);

/* The answer for a CertID, if it says this fact and may be used still; or
 * NULL.  Borrowed until the next call. */
const struct ocsp_kept *ocsp_shelf_get(struct ocsp_shelf *shelf, struct der id,
    const struct ocsp_fact *fact, int64_t now_s);

/* Keep an answer, in place of the one for the same CertID; all is copied.
 * Without memory for it nothing is kept. */
void ocsp_shelf_put(
    struct ocsp_shelf *shelf, struct der id, const struct ocsp_kept *answer);

/* Forget all. */
void ocsp_shelf_clear(struct ocsp_shelf *shelf);

/* How many are kept. */
size_t ocsp_shelf_count(const struct ocsp_shelf *shelf);

#endif
