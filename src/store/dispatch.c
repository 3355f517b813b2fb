/* SPDX-License-Identifier: Apache-2.0 */
/* Telling: rows are taken, and settled. */
#include <assert.h>
#include <inttypes.h>

#include "base/clock.h"
#include "db.h"
#include "dispatch_row.h"

/* A time further off than this means that the clock was set back since. */
#define FAR_US (31 * 24 * 3600 * CLOCK_S_US)

/* ---- take */

/* Begin an attempt: the row is ours until the lease ends. */
static int
row_begin(struct store_db *db, struct store_dispatch *row, int64_t now_us,
    int64_t lease_us, struct err *err)
{
	struct db_query *q;

	row->tries++;
	q = db_query(db,
	    "UPDATE dispatches SET tries = $1, due_us = $2, claim_us = $2"
	    " WHERE id = $3");
	db_bind_int(q, row->tries);
	db_bind_int(q, now_us + lease_us);
	db_bind_int(q, row->id);
	if (db_run(q, err) == -1)
		return -1;
	q = db_query(db,
	    "INSERT INTO dispatch_attempts (dispatch, nr, begun_us, ended_us,"
	    " state, words) VALUES ($1, $2, $3, 0, 0, '')");
	db_bind_int(q, row->id);
	db_bind_int(q, row->tries);
	db_bind_int(q, db_now_us(db));
	return db_run(q, err);
}

/* A status changed while nobody was to be told: the row is out of date. */
static int
row_replace(struct store_db *db, int64_t id, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "UPDATE dispatches SET due_us = NULL," DISPATCH_REPLACED
	    " WHERE id = $1");
	db_bind_int(q, id);
	return db_run(q, err);
}

/* Another row of the same certificate that is being told keeps this one
 * waiting, whatever became of it meanwhile. */
static int
rows_find(struct store_db *db, struct store_dispatch_take *r, int64_t now_us,
    struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT " DISPATCH_COLUMNS ", p.key_version, p.contact"
	    " FROM " DISPATCH_TABLES
	    " LEFT JOIN holders AS p ON p.id = h.holder AND d.kind = 1"
	    " WHERE d.kind = $1 AND d.due_us IS NOT NULL"
	    " AND (d.due_us <= $2 OR d.due_us > $3)"
	    " AND NOT EXISTS (SELECT 1 FROM dispatches AS o"
	    " WHERE o.cert = d.cert AND o.id <> d.id"
	    " AND o.claim_us > $2 AND o.claim_us <= $3)"
	    " ORDER BY d.due_us, d.id LIMIT $4" DB_FOR_UPDATE
	    " OF d SKIP LOCKED");
	db_bind_int(q, r->kind);
	db_bind_int(q, now_us);
	db_bind_int(q, now_us + FAR_US);
	db_bind_int(q, (int64_t)r->max);
	r->n = 0;
	while ((rc = db_step(q, err)) == 1) {
		dispatch_read(q, &r->rows[r->n]);
		r->rows[r->n].key_version = (uint32_t)db_get_int(q);
		r->rows[r->n].contact_len = db_get_blob(
		    q, r->rows[r->n].contact, STORE_DISPATCH_CONTACT);
		r->n++;
	}
	return rc;
}

static int
take_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_dispatch_take *r = (struct store_dispatch_take *)req;
	size_t i, kept = 0;
	int64_t now_us;

	if (db_clock(db, &now_us, err) == -1 ||
	    rows_find(db, r, now_us, err) == -1)
		return -1;
	for (i = 0; i < r->n; i++) {
		struct store_dispatch *row = &r->rows[i];

		if (row->cert.id != 0 &&
		    row->cert.generation != row->generation) {
			if (row_replace(db, row->id, err) == -1)
				return -1;
			continue;
		}
		if (row_begin(db, row, now_us, r->lease_us, err) == -1)
			return -1;
		if (kept != i)
			r->rows[kept] = *row;
		kept++;
	}
	r->n = kept;
	return 0;
}

void
store_dispatch_take(struct store *s, struct store_dispatch_take *r)
{
	assert(r->max > 0 && r->max <= STORE_DISPATCH_PAGE);
	assert(r->lease_us > 0 && r->lease_us <= FAR_US / 31);
	store_submit(s, &r->req, take_run, DB_WRITE);
}

/* ---- settle */

static int
attempt_end(
    struct store_db *db, const struct store_dispatch_settle *r, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "UPDATE dispatch_attempts SET ended_us = $1, state = $2,"
	    " words = $3 WHERE dispatch = $4 AND nr = $5 AND ended_us = 0");
	db_bind_int(q, db_now_us(db));
	db_bind_int(q, r->state);
	db_bind_text(q, r->words);
	db_bind_int(q, r->id);
	db_bind_int(q, r->tries);
	return db_run(q, err);
}

/* Replaced while it was told: only the lease ends. */
static int
lease_end(
    struct store_db *db, const struct store_dispatch_settle *r, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "UPDATE dispatches SET claim_us = 0, last = $1"
	    " WHERE id = $2 AND tries = $3 AND due_us IS NULL");
	db_bind_text(q, r->words);
	db_bind_int(q, r->id);
	db_bind_int(q, r->tries);
	return db_run(q, err);
}

static int
row_settle(struct store_db *db, const struct store_dispatch_settle *r,
    int64_t now_us, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "UPDATE dispatches SET claim_us = 0, last = $1, state = $2,"
	    " due_us = $3,"
	    " told_us = CASE WHEN told_us = 0 THEN $4 ELSE told_us END"
	    " WHERE id = $5 AND tries = $6 AND due_us IS NOT NULL");
	db_bind_text(q, r->words);
	db_bind_int(q, r->state);
	if (r->after_us != 0)
		db_bind_int(q, now_us + r->after_us);
	else
		db_bind_null(q);
	db_bind_int(q, r->state == STORE_DISPATCH_DONE ? db_now_us(db) : 0);
	db_bind_int(q, r->id);
	db_bind_int(q, r->tries);
	return db_run(q, err);
}

static int
settle_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_dispatch_settle *r = (struct store_dispatch_settle *)req;
	int64_t now_us;
	bool replaced;

	if (db_clock(db, &now_us, err) == -1 || attempt_end(db, r, err) == -1 ||
	    lease_end(db, r, err) == -1)
		return -1;
	replaced = db_changes(db) > 0;
	r->lost = false;
	if (replaced)
		return 0;
	if (row_settle(db, r, now_us, err) == -1)
		return -1;
	r->lost = db_changes(db) == 0;
	return 0;
}

void
store_dispatch_settle(struct store *s, struct store_dispatch_settle *r)
{
	assert(r->state < STORE_DISPATCH_REPLACED);
	assert(r->after_us >= 0 && r->after_us < FAR_US);
	assert(r->after_us == 0 || r->state != STORE_DISPATCH_FAILED);
	assert(r->after_us > 0 || r->state == STORE_DISPATCH_DONE ||
	    r->state == STORE_DISPATCH_FAILED);
	store_submit(s, &r->req, settle_run, DB_WRITE);
}

/* ---- retry */

/* Why was nothing to be retried? */
static int
retry_refuse(struct store_db *db, int64_t id, struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(db, "SELECT state FROM dispatches WHERE id = $1");
	db_bind_int(q, id);
	if ((rc = db_step(q, err)) == -1)
		return -1;
	if (rc == 0)
		return err_set(err, ERR_NOTFOUND,
		    "there is no dispatch %" PRId64
		    "; `holdline dispatch list` lists them",
		    id);
	if (db_get_int(q) == STORE_DISPATCH_REPLACED)
		return err_set(err, ERR_REFUSED,
		    "dispatch %" PRId64
		    " was replaced by a newer status; nobody is told old ones",
		    id);
	return err_set(err, ERR_REFUSED,
	    "dispatch %" PRId64 " is being told at this moment", id);
}

static int
retry_one(struct store_db *db, struct store_dispatch_retry *r, int64_t now_us,
    struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "UPDATE dispatches SET state = 0, due_us = $1, told_us = 0"
	    " WHERE id = $2 AND state <> 4"
	    " AND (claim_us <= $1 OR claim_us > $3)");
	db_bind_int(q, now_us);
	db_bind_int(q, r->id);
	db_bind_int(q, now_us + FAR_US);
	if (db_run(q, err) == -1)
		return -1;
	r->n = db_changes(db);
	return r->n > 0 ? 0 : retry_refuse(db, r->id, err);
}

static int
retry_all(struct store_db *db, struct store_dispatch_retry *r, int64_t now_us,
    struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "UPDATE dispatches SET state = 0, due_us = $1, told_us = 0"
	    " WHERE kind = $2 AND state IN (0, 2, 3)"
	    " AND (claim_us <= $1 OR claim_us > $3)");
	db_bind_int(q, now_us);
	db_bind_int(q, r->kind);
	db_bind_int(q, now_us + FAR_US);
	if (db_run(q, err) == -1)
		return -1;
	r->n = db_changes(db);
	return 0;
}

static int
retry_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_dispatch_retry *r = (struct store_dispatch_retry *)req;
	int64_t now_us;

	if (db_clock(db, &now_us, err) == -1)
		return -1;
	return r->id != 0 ? retry_one(db, r, now_us, err)
			  : retry_all(db, r, now_us, err);
}

void
store_dispatch_retry(struct store *s, struct store_dispatch_retry *r)
{
	store_submit(s, &r->req, retry_run, DB_WRITE);
}
