/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <limits.h>

#include "db.h"
#include "store/lookup.h"

/* ---- attempts */

struct attempt {
	int64_t since_us, n;
};

static int
attempt_read(struct store_db *db, const uint8_t key[STORE_MAC_SIZE],
    struct attempt *a, struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(db, "SELECT since_us, n FROM attempts WHERE key = $1");
	db_bind_blob(q, key, STORE_MAC_SIZE);
	if ((rc = db_step(q, err)) != 1)
		return rc;
	a->since_us = db_get_int(q);
	a->n = db_get_int(q);
	return 0;
}

/*
 * One more attempt in the window that began with the first of them.  A clock
 * that was set back forgives nothing; the window then begins anew, so that
 * nobody is kept out until the old time comes round.
 */
static void
attempt_add(struct attempt *a, int64_t now_us, int64_t window_us)
{
	if (now_us >= a->since_us && now_us - a->since_us >= window_us)
		*a = (struct attempt){ now_us, 0 };
	if (now_us < a->since_us)
		a->since_us = now_us;
	if (a->n < INT_MAX)
		a->n++;
}

static int
attempt_count(struct store_db *db, const uint8_t key[STORE_MAC_SIZE],
    const struct store_lookup *r, unsigned int *highest, struct err *err)
{
	struct attempt a = { r->now_us, 0 };
	struct db_query *q;

	if (attempt_read(db, key, &a, err) == -1)
		return -1;
	attempt_add(&a, r->now_us, r->window_us);
	if ((unsigned int)a.n > *highest)
		*highest = (unsigned int)a.n;
	q = db_query(db,
	    "INSERT INTO attempts (key, since_us, n) VALUES ($1, $2, $3)"
	    " ON CONFLICT (key) DO UPDATE SET since_us = excluded.since_us,"
	    " n = excluded.n");
	db_bind_blob(q, key, STORE_MAC_SIZE);
	db_bind_int(q, a.since_us);
	db_bind_int(q, a.n);
	return db_run(q, err);
}

/* Drop a few old rows: more than a lookup adds, so that the table does not
 * grow for ever. */
static int
attempts_purge(
    struct store_db *db, const struct store_lookup *r, struct err *err)
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
attempts_count(struct store_db *db, struct store_lookup *r, struct err *err)
{
	unsigned int i;

	r->number_attempts = r->tag_attempts = 0;
	if (r->has_number &&
	    attempt_count(db, r->number, r, &r->number_attempts, err) == -1)
		return -1;
	for (i = 0; i < r->n_tags; i++)
		if (attempt_count(db, r->tags[i], r, &r->tag_attempts, err) ==
		    -1)
			return -1;
	return attempts_purge(db, r, err);
}

/* ---- candidates */

static int
candidate_phones(
    struct store_db *db, struct store_candidate *c, struct err *err)
{
	struct db_query *q;
	int rc = 0;

	q = db_query(
	    db, "SELECT mac FROM phones WHERE holder = $1 ORDER BY place");
	db_bind_int(q, c->holder);
	for (c->n_phones = 0; c->n_phones < STORE_PHONES_MAX; c->n_phones++) {
		if ((rc = db_step(q, err)) != 1)
			break;
		db_get_blob(q, c->phones[c->n_phones], STORE_MAC_SIZE);
	}
	return rc == -1 ? -1 : 0;
}

static int
candidates_of_tag(struct store_db *db, struct store_lookup *r,
    const uint8_t tag[STORE_MAC_SIZE], struct err *err)
{
	struct store_candidate *c;
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT id, key_version, pin FROM holders WHERE tag = $1"
	    " ORDER BY id LIMIT $2");
	db_bind_blob(q, tag, STORE_MAC_SIZE);
	db_bind_int(q, STORE_CANDIDATES_MAX + 1);
	while ((rc = db_step(q, err)) == 1) {
		if (r->n == STORE_CANDIDATES_MAX) {
			r->more = true;
			break;
		}
		c = &r->candidates[r->n++];
		c->holder = db_get_int(q);
		c->key_version = (uint32_t)db_get_int(q);
		c->has_pin =
		    db_get_blob(q, c->pin, STORE_MAC_SIZE) == STORE_MAC_SIZE;
		if (candidate_phones(db, c, err) == -1)
			return -1;
	}
	return rc == -1 ? -1 : 0;
}

static int
lookup_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_lookup *r = (struct store_lookup *)req;
	unsigned int i;

	assert(r->n_tags <= STORE_TAGS_MAX);
	if (attempts_count(db, r, err) == -1)
		return -1;
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
	store_submit(s, &r->req, lookup_run, true);
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
	store_submit(s, &r->req, refund_run, true);
}
