/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "settle.h"
#include "shared.h"
#include "store/hold.h"

/* What a request answers until it is known better. */
static void
answer_clear(struct store_hold *r)
{
	r->outcome = STORE_HOLD_NOTHING;
	r->again = false;
	r->hold_id = r->stored_us = r->visible_us = 0;
	r->receipt[0] = '\0';
	r->n = 0;
	memset(r->taken, 0, sizeof(r->taken));
}

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

static struct db_query *
again_ask(struct store_db *db, const struct store_hold *r)
{
	struct db_query *q;

	q = db_query(db,
	    "SELECT h.holder, h.id, h.stored_us, h.visible_us, k.receipt"
	    " FROM holds AS h JOIN cases AS k ON k.hold = h.id"
	    " WHERE h.call_id = $1");
	db_bind_text(q, r->call_id);
	return q;
}

/* 1 = answered: this call has made its hold before. */
static int
answer_again(struct store_db *db, struct store_hold *r, struct db_query *q,
    struct db_query *certs, struct err *err)
{
	int rc;

	if ((rc = db_step(q, err)) != 1)
		return rc;
	if (db_get_int(q) != r->holder)
		return err_set(err, ERR_CONFLICT,
		    "call %s has made a hold for another holder already; a "
		    "call can hold for one person only",
		    r->call_id);
	r->hold_id = db_get_int(q);
	r->stored_us = db_get_int(q);
	r->visible_us = db_get_int(q);
	db_get_text(q, r->receipt, sizeof(r->receipt));
	r->outcome = STORE_HOLD_PLACED;
	r->again = true;
	if (cert_take(db, certs, r->holder, r->certs, &r->n, err) == -1 ||
	    mark_taken(db, r, err) == -1)
		return -1;
	if (wants_more(r, db_now_us(db)))
		return err_set(err, ERR_CONFLICT,
		    "call %s has made its hold and asks for more now; one "
		    "call makes one hold",
		    r->call_id);
	return show_again(db, r, r->taken, err) == -1 ? -1 : 1;
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

/* ---- placing */

/* Whatever decide() says, a hold only ever takes a good certificate: revoked
 * is terminal, and a hold is not taken twice. */
static size_t
choose(struct store_hold *r, int64_t now_us)
{
	size_t i, n = 0;

	if (r->tell_only)
		return 0;
	r->decide(r->decide_ctx, r->certs, r->n, now_us, r->taken);
	for (i = 0; i < r->n; i++) {
		r->taken[i] = r->taken[i] && r->certs[i].status == STORE_GOOD;
		n += r->taken[i];
	}
	return n;
}

static int
insert_hold(struct store_db *db, struct store_hold *r, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO holds (call_id, holder, lang, reported_us,"
	    " verified_us, stored_us, visible_us)"
	    " VALUES ($1, $2, $3, $4, $5, $6, 0)" DB_ID);
	db_bind_text(q, r->call_id);
	db_bind_int(q, r->holder);
	db_bind_text(q, r->lang);
	db_bind_int(q, r->reported_us);
	db_bind_int(q, r->verified_us);
	db_bind_int(q, r->stored_us);
	return db_run_id(q, &r->hold_id, err) == -1 ? -1 : 0;
}

/* 1 = the case is there, 0 = that receipt number is taken. */
static int
try_receipt(struct store_db *db, const struct store_hold *r,
    const char *receipt, const char *municipality, int64_t *id, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO cases (receipt, hold, municipality, status,"
	    " created_us) VALUES ($1, $2, $3, 'open', $4)"
	    " ON CONFLICT (receipt) DO NOTHING" DB_ID);
	db_bind_text(q, receipt);
	db_bind_int(q, r->hold_id);
	db_bind_text(q, municipality);
	db_bind_int(q, r->stored_us);
	return db_run_id(q, id, err);
}

static int
insert_case(struct store_db *db, struct store_hold *r, const char *municipality,
    struct err *err)
{
	struct db_query *q;
	int64_t id = 0;
	int i, rc = 0;

	for (i = 0; i < STORE_RECEIPT_TRIES && rc == 0; i++) {
		if (r->receipts[i][0] == '\0')
			continue;
		if ((rc = try_receipt(
			 db, r, r->receipts[i], municipality, &id, err)) == -1)
			return -1;
		memcpy(r->receipt, r->receipts[i], sizeof(r->receipt));
	}
	if (rc == 0)
		return err_set(err, ERR_CONFLICT,
		    "all receipt numbers that were offered are taken; submit "
		    "again with others");
	q = db_query(db,
	    "INSERT INTO case_events (case_id, nr, at_us, what)"
	    " VALUES ($1, 1, $2, 'opened')");
	db_bind_int(q, id);
	db_bind_int(q, r->stored_us);
	return db_post(q, 1, err);
}

static int
take_cert(struct store_db *db, const struct store_hold *r,
    struct store_cert *cert, struct err *err)
{
	struct db_query *q;

	if (cert_change(db, cert, STORE_HELD, r->stored_us, r->hold_id, err) ==
	    -1)
		return -1;
	q = db_query(db,
	    "INSERT INTO hold_certs (hold, cert, generation)"
	    " VALUES ($1, $2, $3)");
	db_bind_int(q, r->hold_id);
	db_bind_int(q, cert->id);
	db_bind_int(q, cert->generation);
	return db_post(q, 1, err);
}

static int
take_certs(struct store_db *db, struct store_hold *r, struct err *err)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (r->taken[i] && take_cert(db, r, &r->certs[i], err) == -1)
			return -1;
	return 0;
}

/* A call's id comes from a gateway: it may not break the leaf's form. */
static void
plain(char *out, const char *in)
{
	for (; *in != '\0'; in++)
		*out++ = (unsigned char)*in < ' ' || *in == '"' || *in == '\\'
		    ? '?'
		    : *in;
	*out = '\0';
}

static int
write_leaf(struct store_db *db, const struct store_hold *r, struct err *err)
{
	char text[AUDIT_TEXT_MAX], call[STORE_CALL_ID_MAX + 1];
	const char *comma = "";
	size_t i;
	int len;

	plain(call, r->call_id);
	len = snprintf(text, sizeof(text),
	    "{\"hold\":%" PRId64 ",\"call\":\"%s\",\"case\":\"%s\","
	    "\"certs\":[",
	    r->hold_id, call, r->receipt);
	for (i = 0; i < r->n; i++) {
		const struct store_cert *c = &r->certs[i];

		if (!r->taken[i])
			continue;
		len += snprintf(text + len, sizeof(text) - (size_t)len,
		    "%s\"%s/%s:%" PRId64 "\"", comma, c->issuer, c->serial,
		    c->generation);
		comma = ",";
	}
	len += snprintf(text + len, sizeof(text) - (size_t)len, "]}");
	assert((size_t)len < sizeof(text)); /* 16 certificates fit */
	return audit_append(db, r->stored_us, text, err);
}

/* ---- the intent */

static struct db_query *
holder_ask(struct store_db *db, int64_t holder)
{
	struct db_query *q;

	q = db_query(
	    db, "SELECT municipality FROM holders WHERE id = $1" DB_FOR_UPDATE);
	db_bind_int(q, holder);
	return q;
}

/* 1 = there is one, and nobody else changes their certificates until the
 * commit; 0 = there is none. */
static int
lock_holder(struct db_query *q, char municipality[7], struct err *err)
{
	int rc;

	if ((rc = db_step(q, err)) == 1)
		db_get_text(q, municipality, 7);
	return rc;
}

/* The holder is locked first: another node may be storing the same call. */
static int
hold_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_hold *r = (struct store_hold *)req;
	struct db_query *holder, *again, *certs;
	bool take[STORE_CERTS_MAX] = { false };
	char municipality[7];
	int64_t now_us;
	int rc, known;

	answer_clear(r);
	db_ahead(holder = holder_ask(db, r->holder));
	db_ahead(again = again_ask(db, r));
	db_ahead(certs = cert_ask(db, r->holder));
	if ((known = lock_holder(holder, municipality, err)) == -1)
		return -1;
	if ((rc = answer_again(db, r, again, certs, err)) != 0)
		return rc == 1 ? 0 : -1;
	if (!known)
		return err_set(err, ERR_NOTFOUND, "there is no holder %" PRId64,
		    r->holder);
	if (cert_take(db, certs, r->holder, r->certs, &r->n, err) == -1)
		return -1;
	now_us = db_now_us(db);
	if (choose(r, now_us) == 0)
		return held_is_wanted(r, now_us, take)
		    ? answer_already(db, r, take, err)
		    : 0;
	r->outcome = STORE_HOLD_PLACED;
	r->stored_us = now_us;
	if (insert_hold(db, r, err) == -1 ||
	    insert_case(db, r, municipality, err) == -1 ||
	    take_certs(db, r, err) == -1 ||
	    dispatch_notice(db, r->hold_id, STORE_NEWS_HOLD, err) == -1 ||
	    feed_add(db, STORE_EVENT_HOLD, now_us, r->hold_id, 0, err) == -1)
		return -1;
	return write_leaf(db, r, err);
}

void
store_hold(struct store *s, struct store_hold *r)
{
	assert(r->call_id[0] != '\0' && r->decide != NULL);
	/* DB_WRITE: everything rests on the holder's row, which is locked */
	store_submit_in_order(s, &r->req, hold_run, DB_WRITE,
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
