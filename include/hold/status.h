/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.h -- what may become of a certificate, and what a hold would take.
 *
 * Pure; any thread.  Expiry is derived from Japanese days and never stored.
 */
#ifndef HOLD_STATUS_H
#define HOLD_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

/* What a caller's hold means for one certificate. */
enum status_fate {
	STATUS_HOLDABLE, /* good and not expired: will be held */
	STATUS_ON_HOLD,  /* held already */
	STATUS_EXPIRED,  /* its last day has passed; never held */
	STATUS_REVOKED,  /* terminal; never held */
	STATUS_FATE_COUNT
};

/* "holdable", "on-hold", "expired", "revoked"; never NULL. */
const char *status_fate_name(enum status_fate fate);

/* The fate of a certificate at an instant. */
enum status_fate status_fate(const struct store_cert *cert, int64_t now_us);

/* What can be done to a certificate's status. */
enum status_move {
	STATUS_MOVE_HOLD,   /* good -> hold */
	STATUS_MOVE_LIFT,   /* hold -> good */
	STATUS_MOVE_REVOKE, /* good, hold -> revoked */
	STATUS_MOVE_COUNT
};

/*
 * The whole machine: may this be done to the certificate at an instant?
 * Revoked is terminal, and an expired one stays as it is: it is neither held
 * nor lifted nor revoked any more.  A move that is allowed is not yet anybody's
 * right: who may lift is said in hold/decide.h.
 */
bool status_may(
    const struct store_cert *cert, enum status_move move, int64_t now_us);

/* Which carriers a caller has lost: a set of 1 << enum store_carrier. */
#define STATUS_CARRIERS_ALL 3u

/* What the conversation needs to know about a holder's certificates. */
struct status_plan {
	unsigned int held;     /* kinds on hold already: 1 << store_kind */
	unsigned int take;     /* kinds that would be held now */
	unsigned int dead;     /* kinds of which only dead ones are left */
	bool expired, revoked; /* why: there are expired, revoked ones */
	unsigned int carriers; /* carriers with something held or to hold */
};

/* Sum up certificates on the given carriers. */
struct status_plan status_plan(const struct store_cert *certs, size_t n,
    unsigned int carriers, int64_t now_us);

#endif
