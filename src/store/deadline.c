/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "base/clock.h"
#include "base/str.h"
#include "settle.h"
#include "store/deadline.h"

#define STEP_MAX_US (72 * 3600 * CLOCK_S_US)
#define WATCH "deadlines"

/* ---- the time that counts */

/* Up to when it was watched; before the first time, the newest hold. */
static int
watch_read(
    struct store_db *db, int64_t now_us, int64_t *watch_us, struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(
	    db, "SELECT at_us FROM watches WHERE name = $1" DB_FOR_UPDATE);
	db_bind_text(q, WATCH);
	if ((rc = db_step(q, err)) == 1)
		*watch_us = db_get_int(q);
	if (rc != 0)
		return rc == -1 ? -1 : 0;
	q = db_query(db, "SELECT max(stored_us) FROM holds");
	if (db_step(q, err) == -1)
		return -1;
	*watch_us = db_get_int(q);
	if (*watch_us == 0 || *watch_us > now_us)
		*watch_us = now_us;
	return 0;
}

static int
watch_write(struct store_db *db, int64_t watch_us, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO watches (name, at_us) VALUES ($1, $2)"
	    " ON CONFLICT (name) DO UPDATE SET at_us = excluded.at_us");
	db_bind_text(q, WATCH);
	db_bind_int(q, watch_us);
	return db_run(q, err);
}

/* The clock is followed only while it is near. */
static int
watch_move(struct store_db *db, struct store_deadline *r, struct err *err)
{
	int64_t step_us;

	if (watch_read(db, r->now_us, &r->watch_us, err) == -1)
		return -1;
	if (r->watch_us < r->floor_us)
		r->watch_us = r->floor_us;
	step_us = r->now_us - r->watch_us;
	r->jumped = step_us > STEP_MAX_US || step_us < -STEP_MAX_US;
	if (step_us > 0 && !r->jumped)
		r->watch_us = r->now_us;
	return watch_write(db, r->watch_us, err);
}

/* ---- the cases */

/* What a page says of a case. */
struct due {
	int64_t id;
	char receipt[STORE_RECEIPT_DIGITS + 1];
	bool over, expired; /* and not noted yet */
};

static int
page_read(struct store_db *db, const struct store_deadline *r,
    struct due due[STORE_DEADLINE_PAGE], size_t *n, struct err *err)
{
	int64_t due_us =
	    r->max_hold_us == 0 ? INT64_MIN : r->watch_us - r->max_hold_us;
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT k.id, k.receipt, h.stored_us,"
	    " (SELECT count(*) FROM case_events WHERE case_id = k.id"
	    " AND what = 'max-hold'),"
	    " (SELECT count(*) FROM hold_certs AS t JOIN certificates AS c"
	    " ON c.id = t.cert AND c.generation = t.generation"
	    " WHERE t.hold = k.hold AND c.status = 1 AND c.not_after < $1),"
	    " (SELECT count(*) FROM case_events WHERE case_id = k.id"
	    " AND what = 'expired')"
	    " FROM cases AS k JOIN holds AS h ON h.id = k.hold"
	    " WHERE k.status = 'open' AND k.id > $2 ORDER BY k.id LIMIT $3");
	db_bind_int(q, clock_jst_ymd(r->watch_us));
	db_bind_int(q, r->after_id);
	db_bind_int(q, STORE_DEADLINE_PAGE);
	for (*n = 0; (rc = db_step(q, err)) == 1; ++*n) {
		struct due *d = &due[*n];

		d->id = db_get_int(q);
		db_get_text(q, d->receipt, sizeof(d->receipt));
		d->over = db_get_int(q) <= due_us;
		d->over = db_get_int(q) == 0 && d->over;
		d->expired = db_get_int(q) != 0;
		d->expired = db_get_int(q) == 0 && d->expired;
	}
	return rc;
}

/* Only what is the hold's own and has not expired; 0 = nothing is. */
static unsigned int
choose(struct settle *s, int today)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->own[i] && s->certs[i].not_after >= today) {
			s->acts[i] = STORE_ACT_REVOKE;
			n++;
		}
	return n;
}

static int
case_over(struct store_db *db, struct store_deadline *r, struct settle *s,
    struct err *err)
{
	r->over++;
	if (!r->revoke || choose(s, clock_jst_ymd(r->watch_us)) == 0)
		return settle_event(db, s->case_id, r->now_us, "max-hold", err);
	r->revoked++;
	s->entry = "deadline";
	s->who = "";
	s->outcome = "max-hold";
	s->reason = "policy.max_hold has passed";
	s->crl_reason = r->crl_reason;
	s->now_us = r->now_us;
	return settle_write(db, s, err);
}

static int
case_due(struct store_db *db, struct store_deadline *r, const struct due *due,
    struct err *err)
{
	struct settle s;

	if (settle_lock(db, due->receipt, &s, err) == -1)
		return -1;
	if (!s.open) /* a clerk was faster */
		return 0;
	if (due->expired) {
		r->expired++;
		if (settle_event(db, s.case_id, r->now_us, "expired", err) ==
		    -1)
			return -1;
	}
	return due->over ? case_over(db, r, &s, err) : 0;
}

static int
deadline_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_deadline *r = (struct store_deadline *)req;
	struct due due[STORE_DEADLINE_PAGE];
	size_t n, i;

	r->next_id = 0;
	r->revoked = r->over = r->expired = 0;
	if (watch_move(db, r, err) == -1 ||
	    page_read(db, r, due, &n, err) == -1)
		return -1;
	for (i = 0; i < n; i++)
		if ((due[i].over || due[i].expired) &&
		    case_due(db, r, &due[i], err) == -1)
			return -1;
	if (n == STORE_DEADLINE_PAGE)
		r->next_id = due[n - 1].id;
	return 0;
}

void
store_deadline(struct store *s, struct store_deadline *r)
{
	assert(r->now_us > 0 && r->max_hold_us >= 0);
	/* DB_WRITE: it locks the watch, and the holder of each case */
	store_submit(s, &r->req, deadline_run, DB_WRITE);
}
