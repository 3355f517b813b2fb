/* SPDX-License-Identifier: Apache-2.0 */
/* What the registry's news mean for the open cases of a holder. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "delta_inner.h"
#include "settle.h"

#define CASES 16 /* that are read at once */

static const char *const why[] = {
	[STORE_DELTA_MOVED] = "the holder has moved",
	[STORE_DELTA_DIED] = "the holder has died",
	[STORE_DELTA_REISSUED] = "a new certificate was issued",
	[STORE_DELTA_EXPIRED] = "the certificates have expired",
};
_Static_assert(sizeof(why) / sizeof(why[0]) == STORE_DELTA_COUNT,
    "every store_delta_kind needs its words");

/* One open case that is looked at. */
struct look {
	struct settle s;
	unsigned int ending; /* on hold by it, and ended by the row */
	unsigned int left;   /* on hold by it, and still to be decided */
	bool about;          /* the row is about one of its certificates */
};

static void
look_at(struct look *l, const struct news *n)
{
	struct settle *s = &l->s;
	int today = clock_jst_ymd(n->now_us);
	size_t i;

	l->ending = l->left = 0;
	l->about = n->subject.id == 0;
	for (i = 0; i < s->n; i++) {
		l->about = l->about || s->certs[i].id == n->subject.id;
		s->acts[i] = STORE_ACT_NONE;
		if (!s->own[i])
			continue;
		if (n->page->ends(n->row, &s->certs[i], n->now_us)) {
			s->acts[i] = STORE_ACT_REVOKE;
			l->ending++;
		} else if (s->certs[i].not_after >= today)
			l->left++;
	}
}

/* ---- another municipality */

static int
case_transfer(struct store_db *db, const struct settle *s,
    const char *municipality, struct err *err)
{
	struct db_query *q;

	q = db_query(db, "UPDATE cases SET municipality = $1 WHERE id = $2");
	db_bind_text(q, municipality);
	db_bind_int(q, s->case_id);
	return db_run(q, err);
}

static bool
is_elsewhere(const struct news *n, const struct settle *s)
{
	return n->row->kind == STORE_DELTA_MOVED &&
	    strcmp(s->municipality, n->row->put.municipality) != 0;
}

/* ---- a note in the case */

/* What time does to a case is noted once. */
static int
is_noted(struct store_db *db, const struct settle *s, const char *what,
    struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "SELECT count(*) FROM case_events"
	    " WHERE case_id = $1 AND what = $2");
	db_bind_int(q, s->case_id);
	db_bind_text(q, what);
	return db_step(q, err) == 1 ? db_get_int(q) != 0 : -1;
}

static int
case_note(struct store_db *db, struct news *n, struct look *l, bool elsewhere,
    struct err *err)
{
	char what[STORE_EVENT_MAX + 1];
	int64_t nr = l->s.events + 1;

	str_copy(what, sizeof(what), store_delta_name(n->row->kind));
	if (elsewhere)
		snprintf(
		    what, sizeof(what), "moved-from-%s", l->s.municipality);
	l->s.outcome = what;
	if (settle_part(db, &l->s, err) == -1)
		return -1;
	n->row->revoked += l->ending;
	n->row->moved += elsewhere;
	n->row->noted += !elsewhere;
	return elsewhere
	    ? dispatch_case_moved(
		  db, &(struct hold_ref){ l->s.hold_id, l->s.receipt }, nr, err)
	    : 0;
}

/* ---- its end */

static int
case_end(struct store_db *db, struct news *n, struct look *l, struct err *err)
{
	l->s.outcome = store_delta_name(n->row->kind);
	if (settle_write(db, &l->s, err) == -1)
		return -1;
	n->row->revoked += l->ending;
	n->row->closed++;
	return 0;
}

/* Is nothing left that somebody could decide, because of this row? */
static bool
is_over(const struct news *n, const struct look *l)
{
	if (l->left > 0)
		return false;
	return n->row->kind != STORE_DELTA_MOVED || l->ending > 0;
}

static int
case_news(
    struct store_db *db, struct news *n, const char *receipt, struct err *err)
{
	char reason[STORE_REASON_MAX + 1];
	struct look l;
	bool elsewhere;
	int noted = 0;

	if (settle_lock(db, receipt, &l.s, err) != 1)
		return -1;
	look_at(&l, n);
	if (!l.s.open || !l.about)
		return 0;
	snprintf(reason, sizeof(reason), "%s (delta %s, number %" PRId64 ")",
	    why[n->row->kind], n->page->file->name, n->page->file->seq);
	l.s.registry = true;
	l.s.entry = "registry";
	l.s.who = "";
	l.s.reason = reason;
	l.s.crl_reason = n->row->crl_reason;
	l.s.now_us = n->now_us;
	elsewhere = is_elsewhere(n, &l.s);
	if (elsewhere &&
	    case_transfer(db, &l.s, n->row->put.municipality, err) == -1)
		return -1;
	if (is_over(n, &l))
		return case_end(db, n, &l, err);
	if (n->row->kind == STORE_DELTA_EXPIRED)
		noted = is_noted(db, &l.s, "expired", err);
	else if (l.ending == 0 && !elsewhere)
		return 0;
	return noted != 0 ? (noted == -1 ? -1 : 0)
			  : case_note(db, n, &l, elsewhere, err);
}

/* ---- all of them */

static int
cases_read(struct store_db *db, const struct news *n, int64_t *after,
    char receipts[CASES][STORE_RECEIPT_DIGITS + 1], struct err *err)
{
	struct db_query *q;
	int n_cases = 0, rc;

	q = db_query(db,
	    "SELECT k.id, k.receipt FROM holds AS h"
	    " JOIN cases AS k ON k.hold = h.id"
	    " WHERE h.holder = $1 AND k.status = 'open' AND k.id > $2"
	    " ORDER BY k.id LIMIT $3");
	db_bind_int(q, n->holder.id);
	db_bind_int(q, *after);
	db_bind_int(q, CASES);
	while ((rc = db_step(q, err)) == 1) {
		*after = db_get_int(q);
		db_get_text(q, receipts[n_cases++], STORE_RECEIPT_DIGITS + 1);
	}
	return rc == -1 ? -1 : n_cases;
}

int
delta_cases(struct store_db *db, struct news *n, struct err *err)
{
	char receipts[CASES][STORE_RECEIPT_DIGITS + 1];
	int64_t after = 0;
	int n_cases, i;

	do {
		n_cases = cases_read(db, n, &after, receipts, err);
		for (i = 0; i < n_cases; i++)
			if (case_news(db, n, receipts[i], err) == -1)
				return -1;
	} while (n_cases == CASES);
	return n_cases == -1 ? -1 : 0;
}
