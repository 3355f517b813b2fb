/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decide.h -- the counter's decision: the hold of a case is lifted or revoked.
 *
 * The only door through which a hold is ever lifted, and it takes an
 * authority (authority.h).  The rooms that take calls may not include this
 * header; tests/lint/layers.py holds them to it.
 *
 * Pure: no clock, sockets or files.  Loop thread only.
 */
#ifndef HOLD_DECIDE_H
#define HOLD_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "hold/policy.h"
#include "store/cases.h"

struct authority;

/* Why a certificate becomes what it becomes. */
enum decide_why {
	DECIDE_POLICY,  /* the policy says so for this outcome */
	DECIDE_EXPIRED, /* left: it expired; that is not undone by anybody */
	DECIDE_REVOKED, /* left: it was revoked meanwhile, which is final */
	DECIDE_CHANGED, /* left: another decision or a newer hold has it */
	DECIDE_WHY_COUNT
};

/* "policy", "expired", "revoked", "changed"; never NULL. */
const char *decide_why_name(enum decide_why why);

struct decide_answer {
	struct err err; /* ERR_NONE: the rest counts */
	bool again;     /* this key has decided it before; the first answer */
	int64_t events; /* the case's, for decide_request.seen */
	int64_t decided_us;
	size_t n; /* the certificates of the case's hold */
	struct store_cert certs[STORE_CERTS_MAX];
	enum store_act acts[STORE_CERTS_MAX];
	enum decide_why why[STORE_CERTS_MAX];
};

typedef void decide_done_fn(void *ctx, const struct decide_answer *answer);

struct decide_request {
	const char *receipt; /* copied, as all of it */
	const char *key;     /* the same key decides once; "" for a look */
	const char *reason;  /* the person's own words; no personal data */
	int crl_reason;      /* CRLReason of what is revoked; -1 = policy's */
	int64_t seen;        /* decide_answer.events of the look */
	struct policy policy;
};

/* What hold_lift() (found) or hold_revoke() (lost) would do; changes nothing.
 * As those, it answers once, later.  Returns 0, or -1 when out of memory. */
int hold_decide_look(struct store *store, const struct decide_request *request,
    enum policy_outcome outcome, decide_done_fn *done, void *ctx);

/*
 * The holder has what was lost again: every certificate of the case is lifted
 * or revoked, as the policy says for "found", and the case is closed.  `done`
 * is called exactly once, later; on ERR_UNSURE do it again with the same key.
 * Errors are store_decide()'s.  Returns 0, or -1 when out of memory or a text
 * is too long (STORE_..._MAX); nothing happens then.
 */
int hold_lift(struct store *store, const struct authority *by,
    const struct decide_request *request, decide_done_fn *done, void *ctx);

/* It was not found, or is not wanted any more: as hold_lift(), with "lost".
 * What is revoked keeps the instant of the hold as its revocation date. */
int hold_revoke(struct store *store, const struct authority *by,
    const struct decide_request *request, decide_done_fn *done, void *ctx);

#endif
