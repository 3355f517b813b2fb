/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#include "db.h"
#include "store/lookup.h"

#define ATTEMPTS store_order("attempts", NULL, 0)

/* ---- attempts */

/*
 * One more attempt in the window that began with the first of them; *highest
 * grows to how many there are.  A clock that was set back forgives nothing;
 * the window then begins anew, so that nobody is kept out until the old time
 * comes round.
 */
static int
attempt_count(struct store_db *db, const uint8_t key[STORE_MAC_SIZE],
    const struct store_attempt *r, unsigned int *highest, struct err *err)
{
	struct db_query *q;
	int64_t n = 0;

	q = db_query(db,
	    "INSERT INTO attempts (key, since_us, n) VALUES ($1, $2, 1)"
	    " ON CONFLICT (key) DO UPDATE SET"
	    " since_us = CASE WHEN $2 < attempts.since_us"
	    " OR $2 - attempts.since_us >= $3"
	    " THEN $2 ELSE attempts.since_us END,"
	    " n = CASE WHEN $2 - attempts.since_us >= $3"
	    " THEN 1 ELSE attempts.n + 1 END RETURNING n");
	db_bind_blob(q, key, STORE_MAC_SIZE);
	db_bind_int(q, r->now_us);
	db_bind_int(q, r->window_us);
	if (db_run_number(q, &n, err) == -1)
		return -1;
	if (n > INT_MAX)
		n = INT_MAX;
	if ((unsigned int)n > *highest)
		*highest = (unsigned int)n;
	return 0;
}

/* Drop a few old rows: more than a lookup adds, so that the table does not
 * grow for ever. */
static int
attempts_purge(
    struct store_db *db, const struct store_attempt *r, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "DELETE FROM attempts WHERE key IN (SELECT key FROM attempts"
	    " WHERE since_us <= $1 ORDER BY since_us LIMIT $2)");
	db_bind_int(q, r->now_us - r->window_us);
	db_bind_int(q, r->n_tags + 2);
	return db_run(q, err);
}

static int
attempt_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_attempt *r = (struct store_attempt *)req;
	unsigned int i;

	assert(r->n_tags <= STORE_TAGS_MAX);
	r->number_attempts = r->tag_attempts = 0;
	if (db_lock(db, DB_LOCK_ATTEMPTS, err) == -1)
		return -1;
	if (r->has_number &&
	    attempt_count(db, r->number, r, &r->number_attempts, err) == -1)
		return -1;
	for (i = 0; i < r->n_tags; i++)
		if (attempt_count(db, r->tags[i], r, &r->tag_attempts, err) ==
		    -1)
			return -1;
	return attempts_purge(db, r, err);
}

void
store_attempt(struct store *s, struct store_attempt *r)
{
	/* DB_WRITE: attempts are counted under a lock of their own, so they
	 * all go one way and keep no other connection waiting */
	store_submit_in_order(s, &r->req, attempt_run, DB_WRITE, ATTEMPTS);
}

/* ---- candidates */

static void
candidate_read(struct db_query *q, struct store_candidate *c)
{
	size_t len;

	c->holder = db_get_int(q);
	c->key_version = (uint32_t)db_get_int(q);
	c->has_pin = db_get_blob(q, c->pin, STORE_MAC_SIZE) == STORE_MAC_SIZE;
	len = db_get_blob(q, c->phones, sizeof(c->phones));
	c->n_phones = (unsigned int)(len / STORE_MAC_SIZE);
}

static int
by_holder(const void *va, const void *vb)
{
	const struct store_candidate *a = va, *b = vb;

	return (a->holder > b->holder) - (a->holder < b->holder);
}

/* The index on the tag has all of it: one descent, and no row is read.  It has
 * no order by number, which most often would order a single candidate. */
static int
candidates_of_tag(struct store_db *db, struct store_lookup *r,
    const uint8_t tag[STORE_MAC_SIZE], struct err *err)
{
	unsigned int first = r->n;
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT id, key_version, pin, phones FROM holders WHERE tag = $1"
	    " LIMIT $2");
	db_bind_blob(q, tag, STORE_MAC_SIZE);
	db_bind_int(q, STORE_CANDIDATES_MAX + 1);
	while ((rc = db_step(q, err)) == 1) {
		if (r->n == STORE_CANDIDATES_MAX) {
			r->more = true;
			break;
		}
		candidate_read(q, &r->candidates[r->n++]);
	}
	if (r->n > first + 1)
		qsort(&r->candidates[first], r->n - first,
		    sizeof(r->candidates[0]), by_holder);
	return rc == -1 ? -1 : 0;
}

static int
lookup_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_lookup *r = (struct store_lookup *)req;
	unsigned int i;

	assert(r->n_tags <= STORE_TAGS_MAX);
	r->n = 0;
	r->more = false;
	for (i = 0; i < r->n_tags; i++)
		if (candidates_of_tag(db, r, r->tags[i], err) == -1)
			return -1;
	return 0;
}

void
store_lookup(struct store *s, struct store_lookup *r)
{
	store_submit(s, &r->req, lookup_run, DB_READ);
}

/* ---- refund */

static int
attempt_refund(
    struct store_db *db, const uint8_t key[STORE_MAC_SIZE], struct err *err)
{
	struct db_query *q;

	q = db_query(
	    db, "UPDATE attempts SET n = n - 1 WHERE key = $1 AND n > 0");
	db_bind_blob(q, key, STORE_MAC_SIZE);
	return db_run(q, err);
}

static int
refund_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_refund *r = (struct store_refund *)req;
	unsigned int i;

	assert(r->n_tags <= STORE_TAGS_MAX);
	if (db_lock(db, DB_LOCK_ATTEMPTS, err) == -1)
		return -1;
	if (r->has_number && attempt_refund(db, r->number, err) == -1)
		return -1;
	for (i = 0; i < r->n_tags; i++)
		if (attempt_refund(db, r->tags[i], err) == -1)
			return -1;
	return 0;
}

void
store_refund(struct store *s, struct store_refund *r)
{
	store_submit_in_order(s, &r->req, refund_run, DB_WRITE, ATTEMPTS);
}
