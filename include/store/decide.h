/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decide.h -- the transaction that ends a case: a hold is lifted or revoked.
 *
 * One transaction writes all of it or none: the certificates' status and
 * generation with an outbox row each, the decision, the case's event and its
 * end, one audit leaf.  The only intent that takes a certificate from hold to
 * good.  Only hold/ may include this header (tests/lint/layers.py); everybody
 * else goes through hold/decide.h, which asks for an authority.
 */
#ifndef STORE_DECIDE_H
#define STORE_DECIDE_H

#include "store/cases.h"
#include "store/store.h"

/*
 * What to do with each certificate of the case's hold.  Pure; called on the
 * store thread inside the transaction, with the rows as they are then.  Only
 * those for which own[i] is true are touched, whatever it says: the others
 * were revoked meanwhile, lifted, or held again by a newer hold.  A
 * transaction may run twice, so it may be asked again.
 */
typedef void store_decide_fn(void *ctx, const struct store_cert *certs,
    const bool *own, size_t n, int64_t now_us, enum store_act *acts);

/*
 * Idempotent by key: the same key and case get the first answer again (again =
 * true).  ERR_NOTFOUND: no such case.  ERR_CONFLICT, with the reason in
 * words: somebody else has decided it; or the loss was reported again since
 * `seen` events were looked at, so look again; or the key decided another
 * case.
 */
struct store_decide {
	struct store_req req;
	/* in */
	char receipt[STORE_RECEIPT_DIGITS + 1];
	char key[STORE_KEY_MAX + 1];
	char entry[STORE_ENTRY_MAX + 1]; /* by what right: "break-glass" */
	char who[STORE_WHO_MAX + 1];
	char outcome[STORE_OUTCOME_MAX + 1]; /* "found", "lost" */
	char reason[STORE_REASON_MAX + 1];   /* the person's own words */
	int crl_reason;                      /* CRLReason of what is revoked */
	int64_t seen;                        /* the case's events */
	store_decide_fn *decide;
	void *decide_ctx; /* borrowed until done(); read-only meanwhile */
	bool look;        /* set by store_decide_look() */
	/* out */
	bool again;
	int64_t events; /* the case's, before the decision: for `seen` */
	int64_t decided_us;
	size_t n; /* the hold's certificates, after the change */
	struct store_cert certs[STORE_CERTS_MAX];
	bool own[STORE_CERTS_MAX];
	enum store_act acts[STORE_CERTS_MAX]; /* done, or to be done */
};
void store_decide(struct store *s, struct store_decide *r);

/* What store_decide() would do now, from receipt, decide and decide_ctx alone;
 * nothing is written.  ERR_CONFLICT: it is decided already. */
void store_decide_look(struct store *s, struct store_decide *r);

#endif
