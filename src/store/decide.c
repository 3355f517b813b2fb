/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "settle.h"
#include "shared.h"
#include "store/decide.h"

static void
answer_clear(struct store_decide *r)
{
	r->again = false;
	r->events = r->decided_us = 0;
	r->n = 0;
	memset(r->own, 0, sizeof(r->own));
	memset(r->acts, 0, sizeof(r->acts));
}

static void
answer_fill(struct store_decide *r, const struct settle *s)
{
	r->events = s->events;
	r->decided_us = s->now_us;
	r->n = s->n;
	memcpy(r->certs, s->certs, sizeof(r->certs));
	memcpy(r->own, s->own, sizeof(r->own));
	memcpy(r->acts, s->acts, sizeof(r->acts));
}

/* ---- it is decided already */

static int
acts_read(struct store_db *db, struct settle *s, struct err *err)
{
	struct db_query *q;
	int64_t cert;
	size_t i;
	int rc;

	q = db_query(
	    db, "SELECT cert, act FROM decision_certs WHERE case_id = $1");
	db_bind_int(q, s->case_id);
	while ((rc = db_step(q, err)) == 1) {
		cert = db_get_int(q);
		for (i = 0; i < s->n; i++)
			if (s->certs[i].id == cert)
				s->acts[i] = (enum store_act)db_get_int(q);
	}
	return rc;
}

/* By the same key: the first answer again.  Else the other is told who was
 * faster. */
static int
answer_decided(struct store_db *db, struct store_decide *r, struct settle *s,
    struct err *err)
{
	char key[STORE_KEY_MAX + 1], entry[STORE_ENTRY_MAX + 1];
	char who[STORE_WHO_MAX + 1], outcome[STORE_OUTCOME_MAX + 1];
	char when[CLOCK_TEXT_SIZE];
	struct db_query *q;

	q = db_query(db,
	    "SELECT key, entry, who, outcome, at_us FROM decisions"
	    " WHERE case_id = $1");
	db_bind_int(q, s->case_id);
	if (db_step(q, err) != 1)
		return err_set(err, ERR_STORE,
		    "case %s is closed, and there is no decision", s->receipt);
	db_get_text(q, key, sizeof(key));
	db_get_text(q, entry, sizeof(entry));
	db_get_text(q, who, sizeof(who));
	db_get_text(q, outcome, sizeof(outcome));
	s->now_us = db_get_int(q);
	if (!r->look && key[0] != '\0' && strcmp(key, r->key) == 0) {
		if (acts_read(db, s, err) == -1)
			return -1;
		answer_fill(r, s);
		r->again = true;
		return 0;
	}
	clock_format(s->now_us, when);
	return err_set(err, ERR_CONFLICT,
	    "case %s was decided already: %s, at %s by %s (%s)", s->receipt,
	    outcome, when, who[0] != '\0' ? who : "nobody", entry);
}

/* ---- deciding */

static int
check_key(struct store_db *db, const struct store_decide *r, struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(db, "SELECT case_id FROM decisions WHERE key = $1");
	db_bind_text(q, r->key);
	if ((rc = db_step(q, err)) == 1)
		return err_set(err, ERR_CONFLICT,
		    "the key %s has decided another case; take a new one",
		    r->key);
	return rc;
}

static int
check_seen(
    const struct store_decide *r, const struct settle *s, struct err *err)
{
	if (r->seen == s->events)
		return 0;
	return err_set(err, ERR_CONFLICT,
	    "something happened in case %s since you looked at it: the loss "
	    "may have been reported again; look at it once more, then decide",
	    s->receipt);
}

static int
decide_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_decide *r = (struct store_decide *)req;
	struct settle s;
	int rc;

	answer_clear(r);
	if ((rc = settle_lock(db, r->receipt, &s, err)) == 0)
		return err_set(err, ERR_NOTFOUND,
		    "no case has the receipt number %s", r->receipt);
	if (rc == -1)
		return -1;
	if (!s.open)
		return answer_decided(db, r, &s, err);
	s.now_us = db_now_us(db);
	r->decide(r->decide_ctx, s.certs, s.own, s.n, s.now_us, s.acts);
	if (r->look) {
		answer_fill(r, &s);
		return 0;
	}
	if (check_key(db, r, err) == -1 || check_seen(r, &s, err) == -1)
		return -1;
	s.key = r->key;
	s.entry = r->entry;
	s.who = r->who;
	s.outcome = r->outcome;
	s.reason = r->reason;
	s.crl_reason = r->crl_reason;
	if (settle_write(db, &s, err) == -1)
		return -1;
	answer_fill(r, &s);
	return 0;
}

/* What is asked about one case is answered in order. */
static uint64_t
case_order(const struct store_decide *r)
{
	return store_order("case", r->receipt, strlen(r->receipt));
}

void
store_decide(struct store *s, struct store_decide *r)
{
	assert(r->decide != NULL && r->key[0] != '\0' && r->entry[0] != '\0' &&
	    r->who[0] != '\0' && r->outcome[0] != '\0');
	r->look = false;
	/* DB_WRITE: everything rests on the holder's row, which is locked */
	store_submit_in_order(s, &r->req, decide_run, DB_WRITE, case_order(r));
}

void
store_decide_look(struct store *s, struct store_decide *r)
{
	assert(r->decide != NULL);
	r->look = true;
	/* DB_WRITE: it locks the holder, as the decision will */
	store_submit_in_order(s, &r->req, decide_run, DB_WRITE, case_order(r));
}
