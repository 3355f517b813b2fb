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

/* The same in two steps, for db_ahead() between them. */
struct db_query *cert_ask(struct store_db *db, int64_t holder);
int cert_take(struct store_db *db, struct db_query *q, int64_t holder,
    struct store_cert certs[STORE_CERTS_MAX], size_t *n, struct err *err);

/*
 * Give a certificate a new status: generation + 1, the outbox row, and what
 * the certification authority is to be told.  Updates *cert.  hold_id = 0: the registry says so.  Never called for a
 * revoked one.
 */
int cert_change(struct store_db *db, struct store_cert *cert,
    enum store_status status, int64_t status_us, int64_t hold_id,
    struct err *err);

/* The authority is to be told a certificate's new status; for
 * cert_change().  Nothing is written when it is not told of any. */
int dispatch_cert(struct store_db *db, const struct store_cert *cert,
    int64_t hold_id, struct err *err);

/*
 * The holder is to be told what became of a hold, which has its case: HOLD
 * when it was placed (the municipality hears of the case then), LIFT, REVOKE
 * or PART when it was decided.  Once for each; nothing is written when nobody
 * is told.
 */
int dispatch_notice(struct store_db *db, int64_t hold_id,
    enum store_dispatch_what what, struct err *err);

/* The case of a hold is another municipality's now: it hears of it, and who
 * has not heard yet no longer needs to.  `nr` is the case's event. */
int dispatch_case_moved(
    struct store_db *db, int64_t hold_id, int64_t nr, struct err *err);

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

/*
 * Add a leaf to the connection's audit chain.  It joins the chain only at the
 * commit, as the last thing that is written, when it is known which requests
 * of the batch stay.
 */
int audit_append(
    struct store_db *db, int64_t at_us, const char *text, struct err *err);

/* Verify all chains inside a transaction, as store_audit_verify() does. */
int audit_walk(struct store_db *db, int64_t *leaves, struct err *err);

/* For db.c: write the leaves that wait; drop those from a place on. */
struct audit_leaf;
int audit_write(struct store_db *db, struct err *err);
void audit_drop(struct store_db *db, struct audit_leaf **from);

#endif
