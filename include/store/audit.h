/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h -- reading the chains of audit leaves.
 *
 * Every change writes a leaf in its own transaction: number, time, text, and
 * hash = SHA-256(the hash before, number, time, text).  No personal data.
 *
 * Leaves stand in chains, one for each connection that writes, because a
 * leaf's transaction must know the leaf before it: with one chain for all,
 * only one transaction at a time could go to the disk.  A connection takes a
 * free chain and keeps it while it lasts; the next one goes on with it.  A
 * leaf's number is its chain's number in the upper bits and its place in the
 * lower ones, so the hash binds both; chain 0 is SQLite's only one.
 *
 * Inside a chain an altered, missing or moved leaf shows by itself.  What was
 * cut off at the ends, or made anew from some leaf on, shows against a
 * checkpoint held outside: the last leaf of every chain at one instant.  No
 * leaf can be altered without changing the last one of its chain, and no
 * chain be dropped without its last leaf missing.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "store/store.h"

#define STORE_AUDIT_CHAINS 256 /* connections that write at once */
#define STORE_AUDIT_HASH 32

/* One leaf, by its number and its hash. */
struct store_audit_mark {
	int64_t number;
	uint8_t hash[STORE_AUDIT_HASH];
};

/* Which chain, and which place in it (1, 2, ...)? */
unsigned int store_audit_chain(int64_t number);
int64_t store_audit_place(int64_t number);

/* The leaf's number there. */
int64_t store_audit_number(unsigned int chain, int64_t place);

/* Walk all chains from their first leaves.  ERR_CONFLICT, with the place in
 * the text, when a leaf does not fit the one before it, or is not what the
 * checkpoint says. */
struct store_audit_verify {
	struct store_req req;
	/* in: a checkpoint, in any order (it is sorted) */
	size_t n_checkpoint;
	struct store_audit_mark checkpoint[STORE_AUDIT_CHAINS];
	/* out */
	int64_t leaves;
	size_t n; /* chains that have leaves: a checkpoint of now */
	struct store_audit_mark last[STORE_AUDIT_CHAINS];
};
void store_audit_verify(struct store *s, struct store_audit_verify *r);

#endif
