/* SPDX-License-Identifier: Apache-2.0 */
/* What a caller hears whose call made a hold before, or who has nothing that
 * could be taken. */
#include <string.h>

#include "hold_inner.h"
#include "settle.h"

/* ---- the same call again */

static int
mark_taken(struct store_db *db, struct store_hold *r, struct err *err)
{
	struct db_query *q;
	int64_t cert;
	size_t i;
	int rc;

	q = db_query(db, "SELECT cert FROM hold_certs WHERE hold = $1");
	db_bind_int(q, r->hold_id);
	while ((rc = db_step(q, err)) == 1) {
		cert = db_get_int(q);
		for (i = 0; i < r->n; i++)
			if (r->certs[i].id == cert)
				r->taken[i] = true;
	}
	return rc;
}

/* Would it take a good certificate now?  Then the first answer is none. */
static bool
wants_more(const struct store_hold *r, int64_t now_us)
{
	bool take[STORE_CERTS_MAX] = { false };
	size_t i;

	if (r->tell_only)
		return false;
	r->decide(r->decide_ctx, r->certs, r->n, now_us, take);
	for (i = 0; i < r->n; i++)
		if (take[i] && r->certs[i].status == STORE_GOOD)
			return true;
	return false;
}

/*
 * What relying parties once saw may be gone from the cache since.  So it is
 * pushed again, and is visible when it has been read back again.
 */
static int
show_again(struct store_db *db, struct store_hold *r, const bool *take,
    struct err *err)
{
	struct db_query *q;
	size_t i;

	r->visible_us = 0;
	for (i = 0; i < r->n; i++) {
		if (!take[i] || r->certs[i].status != STORE_HELD)
			continue;
		q = db_query(db,
		    "INSERT INTO outbox (hold, cert, generation, status,"
		    " reason, status_us, park_us, made_us)"
		    " SELECT $1, id, generation, status, reason, status_us, 0,"
		    " $2 FROM certificates WHERE id = $3 AND NOT EXISTS"
		    " (SELECT 1 FROM outbox WHERE cert = $3 AND hold = $1)");
		db_bind_int(q, r->hold_id);
		db_bind_int(q, db_now_us(db));
		db_bind_int(q, r->certs[i].id);
		if (db_run(q, err) == -1)
			return -1;
	}
	return 0;
}

int
hold_answer_again(
    struct store_db *db, const struct hold_slot *slot, struct err *err)
{
	struct store_hold *r = slot->r;

	if (slot->holder != r->holder)
		return err_set(err, ERR_CONFLICT,
		    "call %s has made a hold for another holder already; a "
		    "call can hold for one person only",
		    r->call_id);
	r->hold_id = slot->hold_id;
	r->stored_us = slot->stored_us;
	r->visible_us = slot->visible_us;
	memcpy(r->receipt, slot->receipt, sizeof(r->receipt));
	r->outcome = STORE_HOLD_PLACED;
	r->again = true;
	if (mark_taken(db, r, err) == -1)
		return -1;
	if (wants_more(r, db_now_us(db)))
		return err_set(err, ERR_CONFLICT,
		    "call %s has made its hold and asks for more now; one "
		    "call makes one hold",
		    r->call_id);
	return show_again(db, r, r->taken, err);
}

/* ---- nothing to take */

static bool
wanted(const struct store_hold *r, const bool *take, int64_t cert)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (r->certs[i].id == cert)
			return take[i];
	return false;
}

/* Would the caller's hold take what is on hold, if it were not?  Then it has
 * what it wants already. */
static bool
held_is_wanted(const struct store_hold *r, int64_t now_us, bool *take)
{
	struct store_cert as_good[STORE_CERTS_MAX];
	bool any = false;
	size_t i;

	memcpy(as_good, r->certs, sizeof(as_good));
	for (i = 0; i < r->n; i++)
		if (as_good[i].status == STORE_HELD)
			as_good[i].status = STORE_GOOD;
	r->decide(r->decide_ctx, as_good, r->n, now_us, take);
	for (i = 0; i < r->n; i++) {
		take[i] = take[i] && r->certs[i].status == STORE_HELD;
		any = any || take[i];
	}
	return any;
}

/* The newest hold that still has one of them on hold, if a call made it. */
static int
answer_already(struct store_db *db, struct store_hold *r, const bool *take,
    struct err *err)
{
	struct db_query *q;
	int rc;

	r->outcome = STORE_HOLD_ALREADY;
	q = db_query(db,
	    "SELECT c.id, h.id, h.stored_us, h.visible_us, k.receipt, k.id"
	    " FROM holds AS h JOIN cases AS k ON k.hold = h.id"
	    " JOIN hold_certs AS t ON t.hold = h.id"
	    " JOIN certificates AS c ON c.id = t.cert"
	    " AND c.generation = t.generation"
	    " WHERE h.holder = $1 AND c.status = 1 ORDER BY h.id DESC");
	db_bind_int(q, r->holder);
	while ((rc = db_step(q, err)) == 1) {
		if (!wanted(r, take, db_get_int(q)))
			continue;
		r->hold_id = db_get_int(q);
		r->stored_us = db_get_int(q);
		r->visible_us = db_get_int(q);
		db_get_text(q, r->receipt, sizeof(r->receipt));
		/* whoever is about to lift it must hear of this */
		if (settle_event(db, db_get_int(q), db_now_us(db),
			"reported-again", err) == -1)
			return -1;
		return show_again(db, r, take, err);
	}
	return rc;
}

int
hold_answer_none(
    struct store_db *db, struct store_hold *r, int64_t now_us, struct err *err)
{
	bool take[STORE_CERTS_MAX] = { false };

	return held_is_wanted(r, now_us, take)
	    ? answer_already(db, r, take, err)
	    : 0;
}
