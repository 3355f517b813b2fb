/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "shared.h"
#include "store/feed.h"

static const char *const event_names[] = {
	[STORE_EVENT_HOLD] = "hold",
	[STORE_EVENT_VISIBLE] = "visible",
	[STORE_EVENT_CASE] = "case",
	[STORE_EVENT_STATUS] = "status",
};
_Static_assert(
    sizeof(event_names) / sizeof(event_names[0]) == STORE_EVENT_COUNT,
    "every store_event_kind needs a name");

const char *
store_event_name(enum store_event_kind kind)
{
	return event_names[kind];
}

struct db_query *
feed_rows(struct store_db *db)
{
	return db_query(db,
	    "INSERT INTO events (place, kind, at_us, hold, cert)"
	    " VALUES (0, $1, $2, $3, $4)");
}

int
feed_row(struct db_query *q, enum store_event_kind kind, int64_t at_us,
    int64_t hold_id, int64_t cert_id, struct err *err)
{
	db_bind_int(q, kind);
	db_bind_int(q, at_us);
	db_bind_int(q, hold_id);
	db_bind_int(q, cert_id);
	return db_row(q, err);
}

int
feed_add(struct store_db *db, enum store_event_kind kind, int64_t at_us,
    int64_t hold_id, int64_t cert_id, struct err *err)
{
	struct db_query *q = feed_rows(db);

	return feed_row(q, kind, at_us, hold_id, cert_id, err) == -1
	    ? -1
	    : db_post_rows(q, 1, err);
}

/* ---- places */

static int
find_ends(struct store_db *db, struct store_feed *r, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "SELECT (SELECT place FROM events WHERE place > 0"
	    " ORDER BY place LIMIT 1), (SELECT place FROM events"
	    " WHERE place > 0 ORDER BY place DESC LIMIT 1),"
	    " (SELECT count(*) FROM (SELECT 1 FROM events WHERE place = 0"
	    " LIMIT 1) AS waiting)");
	if (db_step(q, err) != 1)
		return -1;
	r->first = db_get_int(q);
	r->last = db_get_int(q);
	r->waiting = db_get_int(q) != 0;
	return 0;
}

static int
forget_old(struct store_db *db, int64_t last, struct err *err)
{
	struct db_query *q;

	q = db_query(db, "DELETE FROM events WHERE place > 0 AND place <= $1");
	db_bind_int(q, last - STORE_FEED_KEEP);
	return db_run(q, err);
}

/* Those that are committed and have none get the next places.  The lock is
 * kept until the commit, so that nobody sees a place before those below it. */
static int
give_places(struct store_db *db, struct store_feed *r, struct err *err)
{
	struct db_query *q;

	if (db_lock(db, DB_LOCK_EVENTS, err) == -1 ||
	    find_ends(db, r, err) == -1)
		return -1;
	if (!r->waiting) /* another reader was faster */
		return 0;
	q = db_query(db,
	    "UPDATE events SET place = $1 + fresh.nr FROM"
	    " (SELECT id, row_number() OVER (ORDER BY id) AS nr FROM events"
	    " WHERE place = 0) AS fresh WHERE events.id = fresh.id");
	db_bind_int(q, r->last);
	if (db_run(q, err) == -1)
		return -1;
	r->last += db_changes(db);
	if (r->first == 0)
		r->first = 1;
	return forget_old(db, r->last, err) == -1 ? -1 : db_news(db, err);
}

/* ---- reading */

static void
event_read(struct db_query *q, struct store_event *e)
{
	e->place = db_get_int(q);
	e->kind = (enum store_event_kind)db_get_int(q);
	e->at_us = db_get_int(q);
	e->hold_id = db_get_int(q);
	db_get_text(q, e->receipt, sizeof(e->receipt));
	db_get_text(q, e->municipality, sizeof(e->municipality));
	db_get_text(q, e->issuer, sizeof(e->issuer));
	db_get_text(q, e->serial, sizeof(e->serial));
	e->status = (enum store_status)db_get_int(q);
}

static int
read_page(struct store_db *db, struct store_feed *r, struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT e.place, e.kind, e.at_us, e.hold, k.receipt,"
	    " k.municipality, c.issuer, c.serial, c.status FROM events AS e"
	    " LEFT JOIN cases AS k ON k.hold = e.hold"
	    " LEFT JOIN certificates AS c ON c.id = e.cert"
	    " WHERE e.place > $1 ORDER BY e.place LIMIT $2");
	db_bind_int(q, r->since);
	db_bind_int(q, STORE_FEED_PAGE);
	while ((rc = db_step(q, err)) == 1)
		event_read(q, &r->events[r->n++]);
	return rc;
}

static int
feed_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_feed *r = (struct store_feed *)req;

	r->n = 0;
	if (find_ends(db, r, err) == -1 ||
	    (r->waiting && r->place && give_places(db, r, err) == -1))
		return -1;
	return r->since < 0 ? 0 : read_page(db, r, err);
}

void
store_feed(struct store *s, struct store_feed *r)
{
	store_submit(s, &r->req, feed_run, r->place ? DB_WRITE : DB_READ);
}
