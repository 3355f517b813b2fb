/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "db.h"
#include "store/call.h"

/* begun_us is NULL when only the end of the call had reached us so far. */
static int
open_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_call_open *r = (struct store_call_open *)req;
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO calls (call_id, dnis, lang, begun_us)"
	    " VALUES ($1, $2, $3, $4) ON CONFLICT (call_id) DO UPDATE"
	    " SET dnis = excluded.dnis, lang = excluded.lang,"
	    " begun_us = excluded.begun_us WHERE calls.begun_us IS NULL");
	db_bind_text(q, r->call_id);
	db_bind_text(q, r->dnis);
	db_bind_text(q, r->lang);
	db_bind_int(q, r->begun_us);
	if (db_run(q, err) == -1)
		return -1;
	r->again = db_changes(db) == 0;
	r->reported_us = r->begun_us;
	if (!r->again)
		return 0;
	q = db_query(db, "SELECT begun_us FROM calls WHERE call_id = $1");
	db_bind_text(q, r->call_id);
	if (db_step(q, err) != 1)
		return -1;
	r->reported_us = db_get_int(q);
	return 0;
}

void
store_call_open(struct store *s, struct store_call_open *r)
{
	/* DB_WRITE: an upsert locks its row; begin and end keep their order */
	store_submit_in_order(s, &r->req, open_run, DB_WRITE,
	    store_order("call", r->call_id, strlen(r->call_id)));
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
	return db_run(q, err);
}

void
store_call_close(struct store *s, struct store_call_close *r)
{
	store_submit_in_order(s, &r->req, close_run, DB_WRITE,
	    store_order("call", r->call_id, strlen(r->call_id)));
}
