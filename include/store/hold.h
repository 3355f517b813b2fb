/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold.h -- the transaction that puts certificates on hold.
 *
 * One transaction writes all of it or none: the certificates' status and
 * generation, the hold with its times, the follow-up case with its receipt
 * number, one outbox row a certificate, one audit leaf.
 */
#ifndef STORE_HOLD_H
#define STORE_HOLD_H

#include "store/store.h"

#define STORE_RECEIPT_TRIES 8

/* How the transaction ended, when it did not fail. */
enum store_hold_outcome {
	STORE_HOLD_PLACED,  /* certificates were put on hold, now or (again)
			       earlier in this call */
	STORE_HOLD_ALREADY, /* all that could be held was on hold already; the
			       receipt is the one given then */
	STORE_HOLD_NOTHING, /* nothing can be held: expired, revoked, none */
	STORE_HOLD_OUTCOME_COUNT
};

/*
 * Which of a holder's certificates to put on hold: sets take[i] for each.
 * Pure; called on the store thread inside the transaction, with the rows as
 * they are then.  Only good ones are taken, whatever it says.  When there is
 * nothing to take it is asked once more with the held ones shown as good:
 * whether it would take one of those tells ALREADY from NOTHING.  A transaction
 * may run twice, so it may be asked again.
 */
typedef void store_hold_decide(void *ctx, const struct store_cert *certs,
    size_t n, int64_t now_us, bool *take);

/*
 * Idempotent by call_id: the same call and holder get the first answer again
 * (again = true).  The same call_id with another holder, or
 * for more than it took, is ERR_CONFLICT.
 * ERR_NOTFOUND: no such holder.
 */
struct store_hold {
	struct store_req req;
	/* in */
	char call_id[STORE_CALL_ID_MAX + 1];
	int64_t holder;
	int64_t reported_us; /* the call's report, see call.h */
	int64_t verified_us;
	char lang[8];
	bool tell_only; /* take nothing new; answer what is on hold */
	store_hold_decide *decide;
	void *decide_ctx; /* borrowed until done(); read-only meanwhile */
	/* Candidates for the receipt number; the first free one is taken.
	 * All taken is ERR_CONFLICT. */
	char receipts[STORE_RECEIPT_TRIES][STORE_RECEIPT_DIGITS + 1];
	/* out */
	enum store_hold_outcome outcome;
	bool again;
	int64_t hold_id; /* 0 with NOTHING, or when what is on hold was put
			    there by the registry */
	char receipt[STORE_RECEIPT_DIGITS + 1]; /* "" when hold_id is 0 */
	int64_t stored_us;  /* stamped by the store's clock */
	int64_t visible_us; /* 0: to be read back from the cache, also when
			       it was before: it is pushed again */
	size_t n;           /* the holder's certificates, after the change */
	struct store_cert certs[STORE_CERTS_MAX];
	bool taken[STORE_CERTS_MAX]; /* put on hold by this hold */
};
void store_hold(struct store *s, struct store_hold *r);

/*
 * Has a hold become visible?  For a second server, whose publisher may not be
 * the one that pushed it.  ERR_NOTFOUND: no such hold.
 */
struct store_hold_seen {
	struct store_req req;
	int64_t hold_id;    /* in */
	int64_t visible_us; /* out: 0 = not yet */
};
void store_hold_seen(struct store *s, struct store_hold_seen *r);

#endif
