/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h -- reading the chain of audit leaves.
 *
 * Every change writes a leaf in its own transaction: seq, time, text, and
 * hash = SHA-256(previous hash, seq, time, text).  No personal data.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "store/store.h"

/* Walk the chain from the first leaf.  ERR_CONFLICT, with the place in the
 * text, when a leaf does not fit the one before it. */
struct store_audit_verify {
	struct store_req req;
	/* out */
	int64_t leaves;
	uint8_t last[32]; /* hash of the last leaf; zeros when empty */
};
void store_audit_verify(struct store *s, struct store_audit_verify *r);

#endif
