/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decide_world.h -- short ways to decide cases, over store_world.h.
 */
#ifndef TESTS_DECIDE_WORLD_H
#define TESTS_DECIDE_WORLD_H

#include "hold/authority_grant.h"
#include "hold/decide.h"
#include "store_world.h"

struct decided {
	bool done;
	struct decide_answer answer;
};

static inline void
on_decided(void *ctx, const struct decide_answer *answer)
{
	struct decided *d = ctx;

	assert_false(d->done); /* once */
	d->answer = *answer;
	d->done = true;
}

/* The default table: only a smartphone's authentication certificate is
 * lifted. */
static inline struct policy
strict(void)
{
	struct policy p = { .reasons = { 4, 1 } };

	p.found[STORE_SMARTPHONE][STORE_AUTHENTICATION] = POLICY_LIFT;
	return p;
}

/* What municipalities' pages describe: everything is lifted. */
static inline struct policy
lenient(void)
{
	struct policy p = { .reasons = { 4, 1 } };
	int carrier, kind;

	for (carrier = 0; carrier < STORE_CARRIER_COUNT; carrier++)
		for (kind = 0; kind < STORE_KIND_COUNT; kind++)
			p.found[carrier][kind] = POLICY_LIFT;
	return p;
}

static inline struct decide_request
decision(const char *receipt, const char *key, struct policy policy)
{
	return (struct decide_request){ .receipt = receipt,
		.key = key,
		.reason = "passport seen",
		.crl_reason = -1,
		.seen = 1, /* the case was opened */
		.policy = policy };
}

static inline void
until_done(struct store *s, const struct decided *d)
{
	while (!d->done)
		if (store_dispatch(s) == 0)
			poll(&(struct pollfd){ store_fd(s), POLLIN, 0 }, 1, 10);
}

static inline struct decide_answer
look(struct world *w, const char *receipt, struct policy policy,
    enum policy_outcome outcome)
{
	struct decide_request r = decision(receipt, "", policy);
	struct decided d = { .done = false };

	assert_int_equal(
	    hold_decide_look(w->store, &r, outcome, on_decided, &d), 0);
	until_done(w->store, &d);
	return d.answer;
}

/* By a clerk of that name. */
static inline struct decide_answer
decide_as(struct world *w, const char *who, const struct decide_request *r,
    enum policy_outcome outcome)
{
	struct authority *by = authority_grant("test", who);
	struct decided d = { .done = false };

	assert_non_null(by);
	assert_int_equal((outcome == POLICY_FOUND ? hold_lift : hold_revoke)(
			     w->store, by, r, on_decided, &d),
	    0);
	authority_free(by); /* it is not needed while the store works */
	until_done(w->store, &d);
	return d.answer;
}

static inline struct decide_answer
decide(struct world *w, const struct decide_request *r,
    enum policy_outcome outcome)
{
	return decide_as(w, "clerk", r, outcome);
}

/* The only certificate with that serial number. */
static inline struct store_cert
cert_of(struct world *w, const char *serial)
{
	struct store_cert_find r = { .n = 0 };

	str_copy(r.serial, sizeof(r.serial), serial);
	store_cert_find(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(r.n, 1);
	return r.certs[0];
}

static inline void
is_now(struct world *w, const char *serial, enum store_status status,
    int64_t generation, int reason, int64_t status_us)
{
	struct store_cert c = cert_of(w, serial);

	assert_int_equal(c.status, status);
	assert_int_equal(c.generation, generation);
	assert_int_equal(c.reason, reason);
	assert_int_equal(c.status_us, status_us);
}

#endif
