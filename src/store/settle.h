/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settle.h -- how a case ends, for the intents that end one.  Each runs inside
 * the caller's transaction.  Store thread only.
 */
#ifndef STORE_SETTLE_H
#define STORE_SETTLE_H

#include "db.h"
#include "store/cases.h"

/* A case that is about to be decided, and its hold's certificates. */
struct settle {
	/* filled by settle_lock() */
	int64_t case_id, hold_id, holder;
	char receipt[STORE_RECEIPT_DIGITS + 1];
	char municipality[7];
	bool open;
	int64_t events; /* so far */
	size_t n;
	struct store_cert certs[STORE_CERTS_MAX];
	bool own[STORE_CERTS_MAX]; /* on hold by this hold, and no newer one */
	/* filled by the caller, for settle_write() */
	const char *key; /* NULL = none */
	const char *entry, *who, *outcome, *reason;
	int crl_reason;
	int64_t now_us;
	bool registry; /* the registry says so: it has told the authority, and
			  the holder knows */
	enum store_act acts[STORE_CERTS_MAX];
};

/*
 * Find a case, keep everybody else from its holder's certificates until the
 * commit, and read it.  1 = there is one, 0 = there is none, -1 = *err.
 */
int settle_lock(struct store_db *db, const char *receipt, struct settle *s,
    struct err *err);

/* Do what acts[] says with the certificates that are the hold's own, and close
 * the case: the decision, its event, the audit leaf. */
int settle_write(struct store_db *db, struct settle *s, struct err *err);

/* The same, and the case stays open for the others, with `outcome` as an
 * event. */
int settle_part(struct store_db *db, struct settle *s, struct err *err);

/* Add an event to a case whose holder is locked. */
int settle_event(struct store_db *db, int64_t case_id, int64_t at_us,
    const char *what, struct err *err);

#endif
