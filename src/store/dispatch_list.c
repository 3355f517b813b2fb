/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at what was told, and what is still to be. */
#include "dispatch_row.h"

void
dispatch_read(struct db_query *q, struct store_dispatch *row)
{
	row->id = db_get_int(q);
	row->kind = (enum store_dispatch_kind)db_get_int(q);
	row->what = (enum store_dispatch_what)db_get_int(q);
	row->state = (enum store_dispatch_state)db_get_int(q);
	row->hold_id = db_get_int(q);
	db_get_text(q, row->key, sizeof(row->key));
	row->generation = db_get_int(q);
	row->tries = db_get_int(q);
	row->created_us = db_get_int(q);
	row->due_us = db_get_int(q);
	row->told_us = db_get_int(q);
	db_get_text(q, row->last, sizeof(row->last));
	db_get_text(q, row->receipt, sizeof(row->receipt));
	db_get_text(q, row->municipality, sizeof(row->municipality));
	db_get_text(q, row->lang, sizeof(row->lang));
	cert_read(q, &row->cert);
	row->key_version = 0;
	row->contact_len = 0;
}

/* ---- list */

#define LIST "SELECT " DISPATCH_COLUMNS " FROM " DISPATCH_TABLES
#define NEWEST_FIRST " ORDER BY d.id DESC LIMIT "

static struct db_query *
list_query(struct store_db *db, const struct store_dispatch_list *r)
{
	struct db_query *q;

	if (r->hold_id != 0)
		q = db_query(db,
		    LIST " WHERE d.id < $1 AND d.hold = $2" NEWEST_FIRST "$3");
	else if (r->cert_id != 0)
		q = db_query(db,
		    LIST " WHERE d.id < $1 AND d.cert = $2" NEWEST_FIRST "$3");
	else if (r->open)
		q = db_query(db,
		    LIST
		    " WHERE d.id < $1 AND d.state IN (0, 2, 3)" NEWEST_FIRST
		    "$2");
	else
		q = db_query(db, LIST " WHERE d.id < $1" NEWEST_FIRST "$2");
	db_bind_int(q, r->before_id != 0 ? r->before_id : INT64_MAX);
	if (r->hold_id != 0)
		db_bind_int(q, r->hold_id);
	else if (r->cert_id != 0)
		db_bind_int(q, r->cert_id);
	db_bind_int(q, STORE_DISPATCH_PAGE);
	return q;
}

static int
list_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_dispatch_list *r = (struct store_dispatch_list *)req;
	struct db_query *q = list_query(db, r);
	int rc;

	r->n = 0;
	while ((rc = db_step(q, err)) == 1)
		dispatch_read(q, &r->rows[r->n++]);
	return rc;
}

void
store_dispatch_list(struct store *s, struct store_dispatch_list *r)
{
	store_submit(s, &r->req, list_run, DB_READ);
}

/* ---- attempts */

static int
attempts_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_dispatch_attempts *r =
	    (struct store_dispatch_attempts *)req;
	struct store_dispatch_attempt *a;
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT nr, begun_us, ended_us, state, words"
	    " FROM dispatch_attempts WHERE dispatch = $1"
	    " ORDER BY nr DESC LIMIT $2");
	db_bind_int(q, r->id);
	db_bind_int(q, STORE_DISPATCH_ATTEMPTS);
	r->n = 0;
	while ((rc = db_step(q, err)) == 1) {
		a = &r->attempts[r->n++];
		a->nr = db_get_int(q);
		a->begun_us = db_get_int(q);
		a->ended_us = db_get_int(q);
		a->state = (enum store_dispatch_state)db_get_int(q);
		db_get_text(q, a->words, sizeof(a->words));
	}
	return rc;
}

void
store_dispatch_attempts(struct store *s, struct store_dispatch_attempts *r)
{
	store_submit(s, &r->req, attempts_run, DB_READ);
}

/* ---- depth */

static int
depth_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_dispatch_depth *r = (struct store_dispatch_depth *)req;
	int64_t kind, state, n;
	struct db_query *q;
	int rc;

	for (kind = 0; kind < STORE_TELL_COUNT; kind++)
		r->waiting[kind] = r->failed[kind] = r->disagrees[kind] =
		    r->oldest_us[kind] = 0;
	q = db_query(db,
	    "SELECT kind, state, count(*), min(created_us) FROM dispatches"
	    " WHERE state IN (0, 2, 3) GROUP BY kind, state");
	while ((rc = db_step(q, err)) == 1) {
		kind = db_get_int(q);
		state = db_get_int(q);
		n = db_get_int(q);
		if (state == STORE_DISPATCH_FAILED) {
			r->failed[kind] = n;
		} else if (state == STORE_DISPATCH_DISAGREES) {
			r->disagrees[kind] = n;
		} else {
			r->waiting[kind] = n;
			r->oldest_us[kind] = db_get_int(q);
		}
	}
	return rc;
}

void
store_dispatch_depth(struct store *s, struct store_dispatch_depth *r)
{
	store_submit(s, &r->req, depth_run, DB_READ);
}
