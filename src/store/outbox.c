/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "base/clock.h"
#include "shared.h"
#include "store/node.h"
#include "store/outbox.h"

/* A longer time off means that the clock was set back since. */
#define PARK_MAX_US (5 * 60 * CLOCK_S_US)

static void
row_read(struct db_query *q, struct store_outbox_row *row)
{
	row->seq = db_get_int(q);
	row->hold_id = db_get_int(q);
	row->cert = db_get_int(q);
	db_get_text(q, row->issuer, sizeof(row->issuer));
	db_get_text(q, row->serial, sizeof(row->serial));
	row->generation = db_get_int(q);
	row->status = (enum store_status)db_get_int(q);
	row->reason = (int)db_get_int(q);
	row->status_us = db_get_int(q);
	row->latest = db_get_int(q);
}

/* Does another node live, by the database's clock? */
static int
find_others(struct store_db *db, const char *node, int64_t now_us, bool *others,
    struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT id FROM nodes WHERE id <> $1 AND seen_us >= $2"
	    " AND seen_us <= $3 LIMIT 1");
	db_bind_text(q, node);
	db_bind_int(q, now_us - STORE_NODE_DEAD_US);
	db_bind_int(q, now_us + STORE_NODE_DEAD_US);
	if ((rc = db_step(q, err)) == -1)
		return -1;
	*others = rc == 1;
	return 0;
}

/* A claim that ends later than it can was made by another clock. */
static int
claim(struct store_db *db, const struct store_outbox_take *r, int64_t now_us,
    struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "UPDATE outbox SET claim = $1, claim_us = $2 WHERE seq IN"
	    " (SELECT seq FROM outbox WHERE seq NOT BETWEEN $3 AND $4"
	    " AND (park_us <= $5 OR park_us > $6)"
	    " AND (claim_us <= $7 OR claim_us > $2 OR claim = $1)"
	    " ORDER BY seq LIMIT $8" DB_SKIP_LOCKED ")");
	db_bind_text(q, r->node);
	db_bind_int(q, now_us + STORE_OUTBOX_CLAIM_US);
	db_bind_int(q, r->skip_from);
	db_bind_int(q, r->skip_to);
	db_bind_int(q, r->now_us);
	db_bind_int(q, r->now_us + PARK_MAX_US);
	db_bind_int(q, now_us);
	db_bind_int(q, STORE_OUTBOX_PAGE);
	return db_run(q, err);
}

/* With a node, only what it has claimed and may still have. */
static int
read_page(struct store_db *db, struct store_outbox_take *r, const char *node,
    int64_t now_us, struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT o.seq, o.hold, o.cert, c.issuer, c.serial, o.generation,"
	    " o.status, o.reason, o.status_us, c.generation FROM outbox AS o"
	    " JOIN certificates AS c ON c.id = o.cert"
	    " WHERE o.seq NOT BETWEEN $1 AND $2"
	    " AND (o.park_us <= $3 OR o.park_us > $4)"
	    " AND ($5 = '' OR (o.claim = $5 AND o.claim_us > $6))"
	    " ORDER BY o.seq LIMIT $7");
	db_bind_int(q, r->skip_from);
	db_bind_int(q, r->skip_to);
	db_bind_int(q, r->now_us);
	db_bind_int(q, r->now_us + PARK_MAX_US);
	db_bind_text(q, node);
	db_bind_int(q, now_us);
	db_bind_int(q, STORE_OUTBOX_PAGE);
	r->n = 0;
	while ((rc = db_step(q, err)) == 1)
		row_read(q, &r->rows[r->n++]);
	return rc;
}

/* A node that is alone claims nothing: that would be one more commit between
 * a hold and its becoming visible. */
static int
take_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_outbox_take *r = (struct store_outbox_take *)req;
	bool others = false;
	int64_t now_us = 0;

	if (r->node[0] != '\0' &&
	    (db_clock(db, &now_us, err) == -1 ||
		find_others(db, r->node, now_us, &others, err) == -1 ||
		(others && claim(db, r, now_us, err) == -1)))
		return -1;
	return read_page(db, r, others ? r->node : "", now_us, err);
}

void
store_outbox_take(struct store *s, struct store_outbox_take *r)
{
	store_submit(
	    s, &r->req, take_run, r->node[0] != '\0' ? DB_WRITE : DB_READ);
}

static int
release_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_outbox_release *r = (struct store_outbox_release *)req;
	struct db_query *q;

	q = db_query(db,
	    "UPDATE outbox SET claim_us = 0 WHERE claim = $1 AND claim_us <> 0");
	db_bind_text(q, r->node);
	return db_run(q, err);
}

void
store_outbox_release(struct store *s, struct store_outbox_release *r)
{
	store_submit(s, &r->req, release_run, DB_WRITE);
}

static int
row_park(struct store_db *db, int64_t seq, int64_t park_us, int64_t now_us,
    struct err *err)
{
	struct db_query *q;

	if (park_us > now_us + PARK_MAX_US)
		park_us = now_us + PARK_MAX_US;
	q = db_query(db, "UPDATE outbox SET park_us = $1 WHERE seq = $2");
	db_bind_int(q, park_us);
	db_bind_int(q, seq);
	return db_run(q, err);
}

/* The row leaves; relying parties see this generation from now on, unless a
 * newer one was made meanwhile. */
static int
row_done(struct store_db *db, int64_t seq, int64_t now_us, struct err *err)
{
	int64_t cert, generation;
	struct db_query *q;
	int rc;

	q = db_query(
	    db, "DELETE FROM outbox WHERE seq = $1 RETURNING cert, generation");
	db_bind_int(q, seq);
	if ((rc = db_step(q, err)) != 1)
		return rc;
	cert = db_get_int(q);
	generation = db_get_int(q);
	if (db_run(q, err) == -1)
		return -1;
	q = db_query(db,
	    "UPDATE certificates SET visible_us = $1"
	    " WHERE id = $2 AND generation = $3");
	db_bind_int(q, now_us);
	db_bind_int(q, cert);
	db_bind_int(q, generation);
	return db_run(q, err);
}

/* Nothing of the hold is left to push: it is visible, since the first time
 * that this was so. */
static int
hold_settle(struct store_db *db, int64_t hold_id, int64_t now_us,
    int64_t *visible_us, struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "UPDATE holds SET visible_us = $1 WHERE id = $2"
	    " AND visible_us = 0"
	    " AND NOT EXISTS (SELECT 1 FROM outbox WHERE hold = $2)");
	db_bind_int(q, now_us);
	db_bind_int(q, hold_id);
	if (db_run(q, err) == -1 ||
	    (db_changes(db) > 0 &&
		feed_add(db, STORE_EVENT_VISIBLE, now_us, hold_id, 0, err) ==
		    -1))
		return -1;
	q = db_query(db,
	    "SELECT visible_us FROM holds WHERE id = $1"
	    " AND NOT EXISTS (SELECT 1 FROM outbox WHERE hold = $1)");
	db_bind_int(q, hold_id);
	if ((rc = db_step(q, err)) == 1)
		*visible_us = db_get_int(q);
	return rc == -1 ? -1 : 0;
}

static bool
seen_before(const struct store_outbox_ack *r, size_t i)
{
	size_t j;

	for (j = 0; j < i; j++)
		if (r->holds[j] == r->holds[i])
			return true;
	return false;
}

/* Two publishers that each push a part of one hold must see each other's, or
 * neither finds that nothing is left of it. */
static int
lock_holds(
    struct store_db *db, const struct store_outbox_ack *r, struct err *err)
{
	struct db_query *q;
	size_t i;

	for (i = 0; i < r->n; i++) {
		if (r->holds[i] == 0 || seen_before(r, i))
			continue;
		q = db_query(
		    db, "SELECT id FROM holds WHERE id = $1" DB_FOR_UPDATE);
		db_bind_int(q, r->holds[i]);
		if (db_step(q, err) == -1)
			return -1;
	}
	return 0;
}

static int
ack_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_outbox_ack *r = (struct store_outbox_ack *)req;
	int64_t visible_us;
	size_t i;
	int rc;

	assert(r->n <= STORE_OUTBOX_PAGE && r->now_us > 0);
	if (lock_holds(db, r, err) == -1)
		return -1;
	for (i = 0; i < r->n; i++) {
		rc = r->park_us[i] == 0
		    ? row_done(db, r->seqs[i], r->now_us, err)
		    : row_park(db, r->seqs[i], r->park_us[i], r->now_us, err);
		if (rc == -1)
			return -1;
	}
	for (i = 0, r->n_visible = 0; i < r->n; i++) {
		if (r->holds[i] == 0 || seen_before(r, i))
			continue;
		visible_us = 0;
		if (hold_settle(db, r->holds[i], r->now_us, &visible_us, err) ==
		    -1)
			return -1;
		if (visible_us == 0)
			continue;
		r->visible[r->n_visible] = r->holds[i];
		r->visible_us[r->n_visible++] = visible_us;
	}
	return 0;
}

void
store_outbox_ack(struct store *s, struct store_outbox_ack *r)
{
	/* DB_WRITE: it locks the holds, and an outbox row never changes */
	store_submit(s, &r->req, ack_run, DB_WRITE);
}

static int
depth_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_outbox_depth *r = (struct store_outbox_depth *)req;
	struct db_query *q;

	q = db_query(db,
	    "SELECT count(*), (SELECT made_us FROM outbox"
	    " ORDER BY seq LIMIT 1) FROM outbox");
	if (db_step(q, err) != 1)
		return -1;
	r->waiting = db_get_int(q);
	r->oldest_us = db_get_int(q);
	return 0;
}

void
store_outbox_depth(struct store *s, struct store_outbox_depth *r)
{
	store_submit(s, &r->req, depth_run, DB_READ);
}
