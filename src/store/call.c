/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "db.h"
#include "store/call.h"

/* Not long ago, whichever way the clock was set meanwhile. */
static bool
proof_holds(int64_t proved_us, int64_t now_us)
{
	return now_us - proved_us <= STORE_CALL_GOES_ON_US &&
	    proved_us - now_us <= STORE_CALL_GOES_ON_US;
}

static void
read_progress(struct db_query *q, struct store_call_open *r, int64_t now_us)
{
	int64_t holder = db_get_int(q), verified_us = db_get_int(q);

	if (holder == 0 || !proof_holds(db_get_int(q), now_us))
		return;
	r->holder = holder;
	r->verified_us = verified_us;
	r->carriers = (unsigned int)db_get_int(q);
	r->confirmed = db_get_int(q) != 0;
	r->held = db_get_int(q) != 0;
}

/* What is known of a call that was there before. */
static int
read_again(struct store_db *db, struct store_call_open *r, struct err *err)
{
	uint8_t bind[STORE_MAC_SIZE] = { 0 };
	struct db_query *q;
	int64_t now_us;

	if (db_clock(db, &now_us, err) == -1)
		return -1;
	q = db_query(db,
	    "SELECT c.begun_us, c.lang, c.bind, c.holder, c.verified_us,"
	    " c.proved_us, c.carriers, c.confirmed,"
	    " (SELECT count(*) FROM holds AS h WHERE h.call_id = c.call_id"
	    " AND h.holder = c.holder) FROM calls AS c WHERE c.call_id = $1");
	db_bind_text(q, r->call_id);
	if (db_step(q, err) != 1)
		return -1;
	r->reported_us = db_get_int(q);
	db_get_text(q, r->first_lang, sizeof(r->first_lang));
	r->goes_on = db_get_blob(q, bind, sizeof(bind)) == sizeof(bind) &&
	    memcmp(bind, r->bind, sizeof(bind)) == 0;
	if (r->goes_on)
		read_progress(q, r, now_us);
	return 0;
}

/* begun_us is NULL when only the end of the call had reached us so far. */
static int
open_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_call_open *r = (struct store_call_open *)req;
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO calls (call_id, dnis, lang, begun_us, bind)"
	    " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (call_id) DO UPDATE"
	    " SET dnis = excluded.dnis, lang = excluded.lang,"
	    " begun_us = excluded.begun_us, bind = excluded.bind"
	    " WHERE calls.begun_us IS NULL");
	db_bind_text(q, r->call_id);
	db_bind_text(q, r->dnis);
	db_bind_text(q, r->lang);
	db_bind_int(q, r->begun_us);
	db_bind_blob(q, r->bind, sizeof(r->bind));
	if (db_run(q, err) == -1)
		return -1;
	r->again = db_changes(db) == 0;
	r->reported_us = r->begun_us;
	r->goes_on = r->confirmed = r->held = false;
	r->holder = 0;
	return r->again ? read_again(db, r, err) : 0;
}

void
store_call_open(struct store *s, struct store_call_open *r)
{
	/* DB_WRITE: an upsert locks its row; begin and end keep their order */
	store_submit_in_order(s, &r->req, open_run, DB_WRITE,
	    store_order("call", r->call_id, strlen(r->call_id)));
}

/* Who was verified before is not verified anew: the time runs on. */
static int
note_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_call_note *r = (struct store_call_note *)req;
	struct db_query *q;
	int64_t now_us;

	if (db_clock(db, &now_us, err) == -1)
		return -1;
	q = db_query(db,
	    "UPDATE calls SET proved_us = CASE WHEN holder = $1"
	    " THEN proved_us ELSE $2 END, holder = $1, verified_us = $3,"
	    " carriers = $4, confirmed = $5 WHERE call_id = $6");
	db_bind_int(q, r->holder);
	db_bind_int(q, now_us);
	db_bind_int(q, r->verified_us);
	db_bind_int(q, r->carriers);
	db_bind_int(q, r->confirmed);
	db_bind_text(q, r->call_id);
	return db_run(q, err);
}

void
store_call_note(struct store *s, struct store_call_note *r)
{
	/* DB_WRITE: one row, by its key; in order with the call's others */
	store_submit_in_order(s, &r->req, note_run, DB_WRITE,
	    store_order("call", r->call_id, strlen(r->call_id)));
}

static int
forget_proof(struct store_db *db, const char *call_id, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "UPDATE calls SET holder = NULL, verified_us = NULL,"
	    " proved_us = NULL WHERE call_id = $1 AND holder IS NOT NULL");
	db_bind_text(q, call_id);
	return db_run(q, err);
}

/* The last end counts: a call that was lost may go on at another server. */
static int
close_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_call_close *r = (struct store_call_close *)req;
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO calls (call_id, dnis, lang, outcome, ended_us)"
	    " VALUES ($1, '', '', $2, $3) ON CONFLICT (call_id) DO UPDATE"
	    " SET outcome = excluded.outcome, ended_us = excluded.ended_us");
	db_bind_text(q, r->call_id);
	db_bind_text(q, r->outcome);
	db_bind_int(q, r->ended_us);
	if (db_run(q, err) == -1)
		return -1;
	return r->over ? forget_proof(db, r->call_id, err) : 0;
}

void
store_call_close(struct store *s, struct store_call_close *r)
{
	store_submit_in_order(s, &r->req, close_run, DB_WRITE,
	    store_order("call", r->call_id, strlen(r->call_id)));
}
