/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "db.h"
#include "store/status_scan.h"

#define STATUS_COLUMNS \
	"id, issuer, serial, not_after, generation, status, reason," \
	" status_us, visible_us"

static void
row_read(struct db_query *q, struct store_status_row *row)
{
	row->id = db_get_int(q);
	db_get_text(q, row->issuer, sizeof(row->issuer));
	db_get_text(q, row->serial, sizeof(row->serial));
	row->not_after = (int)db_get_int(q);
	row->generation = db_get_int(q);
	row->status = (enum store_status)db_get_int(q);
	row->reason = (int)db_get_int(q);
	row->status_us = db_get_int(q);
	row->waiting = row->generation > 0 && db_get_int(q) == 0;
}

/* An index has these certificates, and no others, in this order. */
static int
scan_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_status_scan *r = (struct store_status_scan *)req;
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT " STATUS_COLUMNS " FROM certificates"
	    " WHERE generation > 0 AND (not_after, id) > ($1, $2)"
	    " ORDER BY not_after, id LIMIT $3");
	db_bind_int(q, r->after_day);
	db_bind_int(q, r->after_id);
	db_bind_int(q, STORE_STATUS_PAGE);
	r->n = 0;
	while ((rc = db_step(q, err)) == 1)
		row_read(q, &r->rows[r->n++]);
	if (rc == 0 && r->n > 0) {
		r->after_day = r->rows[r->n - 1].not_after;
		r->after_id = r->rows[r->n - 1].id;
	}
	return rc;
}

void
store_status_scan(struct store *s, struct store_status_scan *r)
{
	store_submit(s, &r->req, scan_run, false);
}

static int
row_find(struct store_db *db, struct store_status_row *row, struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT " STATUS_COLUMNS " FROM certificates"
	    " WHERE serial = $1 AND issuer = $2");
	db_bind_text(q, row->serial);
	db_bind_text(q, row->issuer);
	if ((rc = db_step(q, err)) == 1)
		row_read(q, row);
	else
		row->id = row->generation = 0;
	return rc == -1 ? -1 : 0;
}

static int
find_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_status_find *r = (struct store_status_find *)req;
	size_t i;

	assert(r->n <= STORE_STATUS_PAGE);
	for (i = 0; i < r->n; i++)
		if (row_find(db, &r->rows[i], err) == -1)
			return -1;
	return 0;
}

void
store_status_find(struct store *s, struct store_status_find *r)
{
	store_submit(s, &r->req, find_run, false);
}

static int
progress_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_status_progress *r = (struct store_status_progress *)req;
	struct db_query *q;

	if (db_outbox_issued(db, &r->issued, err) == -1)
		return -1;
	q = db_query(db,
	    "SELECT (SELECT min(seq) FROM outbox), (SELECT min(seq) FROM outbox"
	    " WHERE hold > 0 AND status <> 0)");
	if (db_step(q, err) != 1)
		return -1;
	r->waiting = db_get_int(q);
	r->unsafe = db_get_int(q);
	return 0;
}

void
store_status_progress(struct store *s, struct store_status_progress *r)
{
	store_submit(s, &r->req, progress_run, false);
}

static int
count_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_status_count *r = (struct store_status_count *)req;
	struct db_query *q;

	q = db_query(db,
	    "SELECT count(*) FROM certificates"
	    " WHERE generation > 0 AND (not_after, id) > ($1, 0)");
	db_bind_int(q, r->from_day);
	if (db_step(q, err) != 1)
		return -1;
	r->n = db_get_int(q);
	return 0;
}

void
store_status_count(struct store *s, struct store_status_count *r)
{
	store_submit(s, &r->req, count_run, false);
}
