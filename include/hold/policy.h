/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy.h -- what the counter's decision means for each certificate.
 *
 * A table by carrier, kind and outcome.  Sources differ about what "lifting"
 * is: one reading of the JPKI practice statement revokes both certificates of
 * a card and issues new ones whatever happened, municipalities' pages speak of
 * lifting; for the smartphone the authentication certificate is lifted and the
 * signature certificate issued anew.  So it is a setting (policy.*), and the
 * stricter reading is its default.  What was not found is always revoked.
 * Pure; any thread.
 */
#ifndef HOLD_POLICY_H
#define HOLD_POLICY_H

#include "store/store.h"

struct conf;

/* What came out at the counter. */
enum policy_outcome {
	POLICY_FOUND, /* the holder has the card, or the telephone, again */
	POLICY_LOST,  /* it was not found, or the holder wants it revoked */
	POLICY_OUTCOME_COUNT
};

enum policy_act { POLICY_REVOKE, POLICY_LIFT, POLICY_ACT_COUNT };

/* "found", "lost"; never NULL. */
const char *policy_outcome_name(enum policy_outcome outcome);

/* RFC 5280, 5.3.1, for revoking; -1 = there is no such name, or it is not a
 * reason to revoke for good. */
int policy_reason_parse(const char *name);
/* "keyCompromise", ...; "unspecified" for what has no name.  Never NULL. */
const char *policy_reason_name(int reason);

/* A plain value; copied by whoever keeps it. */
struct policy {
	enum policy_act found[STORE_CARRIER_COUNT][STORE_KIND_COUNT];
	int reasons[POLICY_OUTCOME_COUNT]; /* CRLReason when it revokes */
};

/* The table that the settings policy.* say. */
void policy_load(struct policy *policy, const struct conf *conf);

/* One cell of the table. */
enum policy_act policy_act(const struct policy *policy,
    enum store_carrier carrier, enum store_kind kind,
    enum policy_outcome outcome);

#endif
