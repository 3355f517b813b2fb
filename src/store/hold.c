/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds that wait together are placed together: what they rest on is asked for
 * at once, each is decided in memory, and what they write is written at once.
 * One alone is a group of one.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "hold_inner.h"

/* ---- asking, all of it ahead */

/* The statements, and what their parameters borrow. */
struct ask {
	int64_t holders[HOLD_GROUP];
	const char *calls[HOLD_GROUP], *receipts[HOLD_GROUP];
	struct db_query *lock, *ids, *again, *certs, *taken;
};

/* The holders are locked first, always in the same order: another node may be
 * storing the same call. */
static struct db_query *
holders_ask(struct store_db *db, const int64_t *holders, size_t n)
{
	struct db_query *q;

	q = db_query(db,
	    "SELECT id, municipality FROM holders WHERE id = " DB_ANY "($1)"
	    " ORDER BY id" DB_FOR_UPDATE);
	db_bind_ints(q, holders, n);
	return q;
}

static struct db_query *
again_ask(struct store_db *db, const char *const *calls, size_t n)
{
	struct db_query *q;

	q = db_query(db,
	    "SELECT h.call_id, h.holder, h.id, h.stored_us, h.visible_us,"
	    " k.receipt FROM holds AS h JOIN cases AS k ON k.hold = h.id"
	    " WHERE h.call_id = " DB_ANY "($1)");
	db_bind_texts(q, calls, n);
	return q;
}

static struct db_query *
receipts_ask(struct store_db *db, const char *const *receipts, size_t n)
{
	struct db_query *q;

	q = db_query(
	    db, "SELECT receipt FROM cases WHERE receipt = " DB_ANY "($1)");
	db_bind_texts(q, receipts, n);
	return q;
}

static void
ask_all(struct store_db *db, struct hold_group *g, struct ask *a)
{
	size_t i, n_receipts = 0;

	for (i = 0; i < g->n; i++) {
		a->holders[i] = g->slots[i].r->holder;
		a->calls[i] = g->slots[i].r->call_id;
		if (g->slots[i].first != NULL)
			a->receipts[n_receipts++] = g->slots[i].first;
	}
	db_ahead(a->lock = holders_ask(db, a->holders, g->n));
	db_ahead(a->again = again_ask(db, a->calls, g->n));
	db_ahead(a->certs = cert_ask(db, a->holders, g->n));
	if ((a->ids = db_hold_ids(db, g->n)) != NULL)
		db_ahead(a->ids);
	a->taken = NULL;
	if (n_receipts > 0)
		db_ahead(a->taken = receipts_ask(db, a->receipts, n_receipts));
}

/* ---- taking the answers */

static struct hold_slot *
slot_of_holder(struct hold_group *g, int64_t holder)
{
	size_t i;

	for (i = 0; i < g->n; i++)
		if (g->slots[i].r->holder == holder)
			return &g->slots[i];
	return NULL;
}

static int
take_holders(struct hold_group *g, struct db_query *q, struct err *err)
{
	struct hold_slot *slot;
	int rc;

	while ((rc = db_step(q, err)) == 1)
		if ((slot = slot_of_holder(g, db_get_int(q))) != NULL) {
			slot->known = true;
			db_get_text(
			    q, slot->municipality, sizeof(slot->municipality));
		}
	return rc;
}

/* A call alone need not be told apart, nor does its id always come back as it
 * was bound. */
static struct hold_slot *
slot_of_call(struct hold_group *g, const char *call)
{
	size_t i;

	for (i = 0; i < g->n; i++)
		if (g->n == 1 || strcmp(g->slots[i].r->call_id, call) == 0)
			return &g->slots[i];
	return NULL;
}

static int
take_again(struct hold_group *g, struct db_query *q, struct err *err)
{
	char call[2 * STORE_CALL_ID_MAX + 3];
	struct hold_slot *slot;
	int rc;

	while ((rc = db_step(q, err)) == 1) {
		db_get_text(q, call, sizeof(call));
		if ((slot = slot_of_call(g, call)) == NULL)
			continue;
		slot->again = true;
		slot->holder = db_get_int(q);
		slot->hold_id = db_get_int(q);
		slot->stored_us = db_get_int(q);
		slot->visible_us = db_get_int(q);
		db_get_text(q, slot->receipt, sizeof(slot->receipt));
	}
	return rc;
}

/* A holder who has too many fails alone. */
static int
take_certs(struct store_db *db, struct hold_group *g, struct db_query *q,
    struct err *err)
{
	int64_t now_us = db_now_us(db);
	struct hold_slot *slot;
	struct store_cert cert;
	size_t i;
	int rc;

	while ((rc = db_step(q, err)) == 1) {
		cert_read(q, &cert);
		if ((slot = slot_of_holder(g, cert.holder)) != NULL)
			cert_list_add(slot->r->certs, &slot->r->n, &cert,
			    now_us, &slot->r->req.err);
	}
	for (i = 0; i < g->n; i++)
		cert_list_end(g->slots[i].r->certs, g->slots[i].r->n);
	return rc;
}

static int
take_ids(struct hold_group *g, struct db_query *q, struct err *err)
{
	size_t i;
	int rc;

	if (q == NULL) /* they come with the rows */
		return 0;
	for (i = 0; (rc = db_step(q, err)) == 1; i++) {
		assert(i < g->n);
		g->slots[i].ids[0] = db_get_int(q);
		g->slots[i].ids[1] = db_get_int(q);
	}
	assert(rc == -1 || i == g->n);
	return rc;
}

static int
take_receipts(struct hold_group *g, struct db_query *q, struct err *err)
{
	char receipt[STORE_RECEIPT_DIGITS + 1];
	struct hold_slot *slot;
	int rc;

	if (q == NULL)
		return 0;
	while ((rc = db_step(q, err)) == 1) {
		db_get_text(q, receipt, sizeof(receipt));
		for (slot = g->slots; slot < g->slots + g->n; slot++)
			if (slot->first != NULL &&
			    strcmp(slot->first, receipt) == 0)
				slot->first_taken = true;
	}
	return rc;
}

static int
take_all(
    struct store_db *db, struct hold_group *g, struct ask *a, struct err *err)
{
	return take_holders(g, a->lock, err) == -1 ||
		take_again(g, a->again, err) == -1 ||
		take_certs(db, g, a->certs, err) == -1 ||
		take_ids(g, a->ids, err) == -1 ||
		take_receipts(g, a->taken, err) == -1
	    ? -1
	    : 0;
}

/* ---- deciding */

/* Whatever decide() says, a hold only ever takes a good certificate: revoked
 * is terminal, and a hold is not taken twice. */
static bool
choose(struct store_hold *r, int64_t now_us)
{
	bool any = false;
	size_t i;

	if (r->tell_only)
		return false;
	r->decide(r->decide_ctx, r->certs, r->n, now_us, r->taken);
	for (i = 0; i < r->n; i++) {
		r->taken[i] = r->taken[i] && r->certs[i].status == STORE_GOOD;
		any = any || r->taken[i];
	}
	return any;
}

/* By the store, or by one of the group before it? */
static int
receipt_is_taken(struct store_db *db, const struct hold_group *g,
    const struct hold_slot *slot, const char *receipt, struct err *err)
{
	const struct hold_slot *other;

	for (other = g->slots; other < slot; other++)
		if (other->place && strcmp(other->r->receipt, receipt) == 0)
			return 1;
	if (receipt == slot->first)
		return slot->first_taken;
	return db_step(receipts_ask(db, &receipt, 1), err);
}

static int
choose_receipt(struct store_db *db, const struct hold_group *g,
    struct hold_slot *slot, struct err *err)
{
	struct store_hold *r = slot->r;
	int i, taken;

	for (i = 0; i < STORE_RECEIPT_TRIES; i++) {
		if (r->receipts[i][0] == '\0')
			continue;
		taken = receipt_is_taken(db, g, slot, r->receipts[i], err);
		if (taken == -1)
			return -1;
		if (taken == 0) {
			memcpy(r->receipt, r->receipts[i], sizeof(r->receipt));
			return 0;
		}
	}
	return err_set(err, ERR_CONFLICT,
	    "all receipt numbers that were offered are taken; submit again "
	    "with others");
}

static int
slot_decide(struct store_db *db, const struct hold_group *g,
    struct hold_slot *slot, int64_t now_us, struct err *err)
{
	struct store_hold *r = slot->r;

	if (err->code != ERR_NONE) /* too many certificates */
		return -1;
	if (slot->again)
		return hold_answer_again(db, slot, err);
	if (!slot->known)
		return err_set(err, ERR_NOTFOUND, "there is no holder %" PRId64,
		    r->holder);
	if (!choose(r, now_us))
		return hold_answer_none(db, r, now_us, err);
	if (choose_receipt(db, g, slot, err) == -1)
		return -1;
	slot->place = true;
	return 0;
}

/* Returns as group_run(). */
static int
group_decide(
    struct store_db *db, struct hold_group *g, int64_t now_us, struct err *err)
{
	int64_t written;
	struct hold_slot *slot;
	struct err *why;

	for (slot = g->slots; slot < g->slots + g->n; slot++) {
		written = db_written(db);
		why = &slot->r->req.err;
		if (slot_decide(db, g, slot, now_us, why) == 0)
			continue;
		if (!db_in_transaction(db)) {
			*err = *why;
			return -1;
		}
		if (db_written(db) != written)
			return 1;
	}
	return 0;
}

/* ---- the intent */

/* What a request answers until it is known better. */
static void
answer_clear(struct store_hold *r)
{
	r->req.err.code = ERR_NONE;
	r->outcome = STORE_HOLD_NOTHING;
	r->again = false;
	r->hold_id = r->stored_us = r->visible_us = 0;
	r->receipt[0] = '\0';
	r->n = 0;
	memset(r->taken, 0, sizeof(r->taken));
}

static void
slot_fill(struct hold_slot *slot, struct store_hold *r)
{
	size_t i;

	*slot = (struct hold_slot){ .r = r };
	answer_clear(r);
	for (i = 0; i < STORE_RECEIPT_TRIES && slot->first == NULL; i++)
		if (r->receipts[i][0] != '\0')
			slot->first = r->receipts[i];
}

/* An id that is no UTF-8 comes back as another: such a call stays alone. */
static bool
is_odd(const struct store_hold *r)
{
	return !str_is_utf8(r->call_id, strlen(r->call_id));
}

/* Does it share nothing with those that are there? */
static bool
fits(const struct hold_group *g, const struct store_hold *r)
{
	const struct hold_slot *slot;

	if (g->n > 0 && (is_odd(r) || is_odd(g->slots[0].r)))
		return false;
	for (slot = g->slots; slot < g->slots + g->n; slot++)
		if (slot->r->holder == r->holder ||
		    strcmp(slot->r->call_id, r->call_id) == 0)
			return false;
	return g->n < HOLD_GROUP;
}

static int
group_run(struct store_db *db, struct hold_group *g, struct err *err)
{
	int64_t now_us;
	struct ask a;
	int rc;

	ask_all(db, g, &a);
	if (take_all(db, g, &a, err) == -1)
		return -1;
	now_us = db_now_us(db);
	if ((rc = group_decide(db, g, now_us, err)) != 0)
		return rc;
	return holds_place(db, g, now_us, err);
}

/* As many as there are from the first on that share nothing. */
static int
holds_run(struct store_db *db, struct store_req *const *reqs, size_t n,
    size_t *ran, struct err *err)
{
	struct hold_group g = { 0 };
	struct store_hold *r;

	for (; g.n < n; g.n++) {
		r = (struct store_hold *)reqs[g.n];
		if (!fits(&g, r))
			break;
		slot_fill(&g.slots[g.n], r);
	}
	*ran = g.n;
	return group_run(db, &g, err);
}

static int
hold_run(struct store_db *db, struct store_req *req, struct err *err)
{
	size_t ran;

	if (holds_run(db, &req, 1, &ran, err) != 0)
		return -1;
	return req->err.code == ERR_NONE ? 0 : -1;
}

void
store_hold(struct store *s, struct store_hold *r)
{
	assert(r->call_id[0] != '\0' && r->decide != NULL);
	/* DB_WRITE: everything rests on the holder's row, which is locked */
	store_submit_several(s, &r->req, hold_run, holds_run, DB_WRITE,
	    store_order("holder", &r->holder, sizeof(r->holder)));
}

static int
seen_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_hold_seen *r = (struct store_hold_seen *)req;
	struct db_query *q;
	int rc;

	q = db_query(db, "SELECT visible_us FROM holds WHERE id = $1");
	db_bind_int(q, r->hold_id);
	if ((rc = db_step(q, err)) == 1) {
		r->visible_us = db_get_int(q);
		return 0;
	}
	return rc == -1 ? -1
			: err_set(err, ERR_NOTFOUND,
			      "there is no hold %" PRId64, r->hold_id);
}

void
store_hold_seen(struct store *s, struct store_hold_seen *r)
{
	store_submit(s, &r->req, seen_run, DB_READ);
}
