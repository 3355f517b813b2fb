/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hold/authority.h"
#include "hold/decide.h"
#include "hold/status.h"
#include "store/decide.h"

struct decision {
	struct store_decide store;
	struct policy policy;
	enum policy_outcome outcome;
	decide_done_fn *done;
	void *ctx;
};

static const char *const why_names[] = {
	[DECIDE_POLICY] = "policy",
	[DECIDE_EXPIRED] = "expired",
	[DECIDE_REVOKED] = "revoked",
	[DECIDE_CHANGED] = "changed",
};
_Static_assert(sizeof(why_names) / sizeof(why_names[0]) == DECIDE_WHY_COUNT,
    "every decide_why needs a name");

const char *
decide_why_name(enum decide_why why)
{
	return why_names[why];
}

/* What a certificate of the hold would become, and why. */
static enum store_act
cert_decide(const struct decision *d, const struct store_cert *cert, bool own,
    int64_t now_us, enum decide_why *why)
{
	bool lift = policy_act(&d->policy, cert->carrier, cert->kind,
			d->outcome) == POLICY_LIFT;

	*why = DECIDE_POLICY;
	if (status_fate(cert, now_us) == STATUS_REVOKED)
		*why = DECIDE_REVOKED;
	else if (status_fate(cert, now_us) == STATUS_EXPIRED)
		*why = DECIDE_EXPIRED;
	else if (!own ||
	    !status_may(
		cert, lift ? STATUS_MOVE_LIFT : STATUS_MOVE_REVOKE, now_us))
		*why = DECIDE_CHANGED;
	if (*why != DECIDE_POLICY)
		return STORE_ACT_NONE;
	return lift ? STORE_ACT_LIFT : STORE_ACT_REVOKE;
}

/* Store thread, inside the transaction. */
static void
decision_choose(void *ctx, const struct store_cert *certs, const bool *own,
    size_t n, int64_t now_us, enum store_act *acts)
{
	enum decide_why why;
	size_t i;

	for (i = 0; i < n; i++)
		acts[i] = cert_decide(ctx, &certs[i], own[i], now_us, &why);
}

/* Why one was left; what was done stands in its act, and its row is already
 * as it became. */
static enum decide_why
answer_why(const struct decision *d, size_t i)
{
	const struct store_decide *r = &d->store;
	enum decide_why why = DECIDE_POLICY;

	if (r->acts[i] == STORE_ACT_NONE)
		cert_decide(d, &r->certs[i], r->own[i], r->decided_us, &why);
	return why;
}

static void
decision_done(struct store_req *req)
{
	struct decision *d = req->ctx;
	struct decide_answer answer = { .err = req->err };
	size_t i;

	if (req->err.code == ERR_NONE) {
		answer.again = d->store.again;
		answer.events = d->store.events;
		answer.decided_us = d->store.decided_us;
		answer.n = d->store.n;
		for (i = 0; i < answer.n; i++) {
			answer.certs[i] = d->store.certs[i];
			answer.acts[i] = d->store.acts[i];
			answer.why[i] = answer_why(d, i);
		}
	}
	d->done(d->ctx, &answer);
	free(d);
}

static struct decision *
decision_new(const struct decide_request *request, enum policy_outcome outcome,
    decide_done_fn *done, void *ctx)
{
	struct decision *d = calloc(1, sizeof(*d));
	struct store_decide *r;

	if (d == NULL)
		return NULL;
	r = &d->store;
	if (str_copy(r->receipt, sizeof(r->receipt), request->receipt) == -1 ||
	    str_copy(r->key, sizeof(r->key), request->key) == -1 ||
	    str_copy(r->reason, sizeof(r->reason), request->reason) == -1) {
		free(d); /* cut, it would say something else */
		return NULL;
	}
	str_copy(r->outcome, sizeof(r->outcome), policy_outcome_name(outcome));
	r->crl_reason = request->crl_reason != -1
	    ? request->crl_reason
	    : request->policy.reasons[outcome];
	r->seen = request->seen;
	r->decide = decision_choose;
	r->decide_ctx = d;
	r->req.done = decision_done;
	r->req.ctx = d;
	d->policy = request->policy;
	d->outcome = outcome;
	d->done = done;
	d->ctx = ctx;
	return d;
}

static int
decision_submit(struct store *store, const struct authority *by,
    const struct decide_request *request, enum policy_outcome outcome,
    decide_done_fn *done, void *ctx)
{
	struct decision *d = decision_new(request, outcome, done, ctx);

	if (d == NULL)
		return -1;
	str_copy(d->store.entry, sizeof(d->store.entry), authority_entry(by));
	str_copy(d->store.who, sizeof(d->store.who), authority_who(by));
	store_decide(store, &d->store);
	return 0;
}

int
hold_decide_look(struct store *store, const struct decide_request *request,
    enum policy_outcome outcome, decide_done_fn *done, void *ctx)
{
	struct decision *d = decision_new(request, outcome, done, ctx);

	if (d == NULL)
		return -1;
	store_decide_look(store, &d->store);
	return 0;
}

int
hold_lift(struct store *store, const struct authority *by,
    const struct decide_request *request, decide_done_fn *done, void *ctx)
{
	return decision_submit(store, by, request, POLICY_FOUND, done, ctx);
}

int
hold_revoke(struct store *store, const struct authority *by,
    const struct decide_request *request, decide_done_fn *done, void *ctx)
{
	return decision_submit(store, by, request, POLICY_LOST, done, ctx);
}
