/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared.h -- what the intents of this room share: a certificate's row, its
 * change with the outbox row that tells of it, an audit leaf.  Each runs
 * inside the caller's transaction.  Store thread only.
 */
#ifndef STORE_SHARED_H
#define STORE_SHARED_H

#include "db.h"
#include "store/dispatch.h"
#include "store/feed.h"

#define AUDIT_TEXT_MAX 2400 /* a leaf's text, with the NUL */

/* The columns that cert_read() reads, of certificates AS c. */
#define CERT_COLUMNS \
	"c.id, c.holder, c.carrier, c.kind, c.issuer, c.serial, " \
	"c.not_before, c.not_after, c.status, c.generation, c.reason, " \
	"c.status_us"

/* Read CERT_COLUMNS off the row. */
void cert_read(struct db_query *q, struct store_cert *cert);

/*
 * A holder's certificates in store_cert_list()'s order.  When there are more
 * than fit, dead ones are left out; ERR_CONFLICT when live ones would be.
 */
int cert_load(struct store_db *db, int64_t holder,
    struct store_cert certs[STORE_CERTS_MAX], size_t *n, struct err *err);

/* The same in steps, of several holders at once: ask, for db_ahead(); add each
 * row (cert_read()) to its holder's list; sort each.  Adding tells
 * ERR_CONFLICT, and the list goes on. */
struct db_query *cert_ask(
    struct store_db *db, const int64_t *holders, size_t n);
int cert_list_add(struct store_cert certs[STORE_CERTS_MAX], size_t *n,
    const struct store_cert *cert, int64_t now_us, struct err *err);
void cert_list_end(struct store_cert certs[STORE_CERTS_MAX], size_t n);

/* Put a good one on hold, in memory: status, generation + 1. */
void cert_hold(struct store_cert *cert, int64_t now_us);

/* A certificate that has got a new status, in memory. */
struct cert_news {
	const struct store_cert *cert;
	int64_t hold_id; /* that did it; 0 = the registry says so */
	int64_t shown;   /* hold that becomes visible by it; 0 = none */
};

/*
 * Write the status of certificates that differ, the outbox rows, and what else
 * tells of it: events, CRLs, the certification authority.  Whoever changes
 * them has locked their holders; one that was changed by somebody else fails
 * all.
 */
int cert_tell(struct store_db *db, const struct cert_news *news, size_t n,
    struct err *err);

/* Give a certificate a new status, because the registry says so: generation +
 * 1, and cert_tell().  Updates *cert.  Never called for a revoked one. */
int cert_change(struct store_db *db, struct store_cert *cert,
    enum store_status status, int64_t status_us, struct err *err);

/* The authority is to be told certificates' new status; for cert_tell().
 * Nothing is written when it is not told of any. */
int dispatch_certs(struct store_db *db, const struct cert_news *news, size_t n,
    struct err *err);

/* A hold and its case. */
struct hold_ref {
	int64_t hold_id;
	const char *receipt;
};

/*
 * The holders are to be told what became of holds, which have their cases:
 * HOLD when they were placed (the municipalities hear of the cases then),
 * LIFT, REVOKE or PART when they were decided.  Once for each; nothing is
 * written when nobody is told.
 */
int dispatch_notices(struct store_db *db, const struct hold_ref *holds,
    size_t n, enum store_dispatch_what what, struct err *err);

/* The case of a hold is another municipality's now: it hears of it, and who
 * has not heard yet no longer needs to.  `nr` is the case's event. */
int dispatch_case_moved(struct store_db *db, const struct hold_ref *hold,
    int64_t nr, struct err *err);

/* Take one off hold, since now, with the hold that it was put on by; only
 * for settle.c. */
int cert_lift(struct store_db *db, struct store_cert *cert, int64_t now_us,
    int64_t hold_id, struct err *err);

/* Revoke one that is on hold, at the instant of its hold, with the hold that
 * it was put on by; or a good one, now.  hold_id = 0: the registry says so. */
int cert_revoke(struct store_db *db, struct store_cert *cert, int reason,
    int64_t hold_id, struct err *err);

/* Tell every node that something has happened, see feed.h; 0 = no hold, no
 * certificate. */
int feed_add(struct store_db *db, enum store_event_kind kind, int64_t at_us,
    int64_t hold_id, int64_t cert_id, struct err *err);

/* The same of several things: begin, add, then db_post_rows(). */
struct db_query *feed_rows(struct store_db *db);
int feed_row(struct db_query *q, enum store_event_kind kind, int64_t at_us,
    int64_t hold_id, int64_t cert_id, struct err *err);

/*
 * Add a leaf to the connection's audit chain.  It joins the chain only at the
 * commit, as the last thing that is written, when it is known which requests
 * of the batch stay.
 */
int audit_append(
    struct store_db *db, int64_t at_us, const char *text, struct err *err);

/* What a gateway or a person wrote, as it may stand in a leaf: nothing in it
 * breaks the leaf's form.  As long as `in`. */
void audit_plain(char *out, const char *in);

/* Verify all chains inside a transaction, as store_audit_verify() does. */
int audit_walk(struct store_db *db, int64_t *leaves, struct err *err);

/* For db.c: write the leaves that wait; drop those from a place on. */
struct audit_leaf;
int audit_write(struct store_db *db, struct err *err);
void audit_drop(struct store_db *db, struct audit_leaf **from);

#endif
