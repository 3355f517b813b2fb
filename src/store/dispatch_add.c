/* SPDX-License-Identifier: Apache-2.0 */
/* Writing what is to be told, in the transaction that makes it true. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dispatch_row.h"
#include "shared.h"

static const enum store_dispatch_what news_of[] = {
	[STORE_GOOD] = STORE_NEWS_LIFT,
	[STORE_HELD] = STORE_NEWS_HOLD,
	[STORE_REVOKED] = STORE_NEWS_REVOKE,
};
_Static_assert(sizeof(news_of) / sizeof(news_of[0]) == STORE_STATUS_COUNT,
    "every store_status is news");

/* Was the authority ever told of it, or is to be? */
static int
is_known(struct store_db *db, int64_t cert, bool *known, struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(db, "SELECT id FROM dispatches WHERE cert = $1 LIMIT 1");
	db_bind_int(q, cert);
	if ((rc = db_step(q, err)) == -1)
		return -1;
	*known = rc == 1;
	return 0;
}

/* What was not told yet never will be.  Its lease stays: while it is being
 * told, the newer one waits. */
static int
replace_older(struct store_db *db, const struct cert_news *news, size_t n,
    struct err *err)
{
	struct db_query *q;
	size_t i;

	q = db_query(db,
	    "UPDATE dispatches SET due_us = NULL," DISPATCH_REPLACED
	    " WHERE cert = $1 AND due_us IS NOT NULL");
	for (i = 0; i < n; i++) {
		db_bind_int(q, news[i].cert->id);
		if (db_row(q, err) == -1)
			return -1;
	}
	return db_post_rows(q, -1, err);
}

static int
cert_row(struct store_db *db, struct db_query *q, const struct cert_news *news,
    struct err *err)
{
	const struct store_cert *cert = news->cert;
	char key[STORE_DISPATCH_KEY_SIZE];

	snprintf(key, sizeof(key), "%s-%s-%" PRId64, cert->issuer, cert->serial,
	    cert->generation);
	db_bind_int(q, news_of[cert->status]);
	db_bind_int(q, cert->id);
	if (news->hold_id != 0)
		db_bind_int(q, news->hold_id);
	else
		db_bind_null(q);
	db_bind_int(q, cert->generation);
	db_bind_text(q, key);
	db_bind_int(q, db_now_us(db));
	return db_row(q, err);
}

/*
 * What the registry says, the authority has most likely told it.  So it is
 * compared, and only where the authority had been told something else before.
 */
int
dispatch_certs(struct store_db *db, const struct cert_news *news, size_t n,
    struct err *err)
{
	struct db_query *q;
	bool known = true;
	size_t i;

	if (!db_tells(db, STORE_TELL_CA))
		return 0;
	if (news->hold_id == 0) {
		assert(n == 1);
		if (is_known(db, news->cert->id, &known, err) == -1)
			return -1;
		if (!known)
			return 0;
	}
	if (replace_older(db, news, n, err) == -1)
		return -1;
	q = db_query(db,
	    "INSERT INTO dispatches (kind, what, cert, hold, generation, key,"
	    " state, tries, created_us, due_us, claim_us, told_us, last)"
	    " VALUES (0, $1, $2, $3, $4, $5, 0, 0, $6, 0, 0, 0, '')");
	for (i = 0; i < n; i++)
		if (cert_row(db, q, &news[i], err) == -1)
			return -1;
	return db_post_rows(q, (int64_t)n, err);
}

/* `nr` 0: the first of its kind; else what sets it apart. */
static int
notices_add(struct store_db *db, enum store_dispatch_kind kind,
    enum store_dispatch_what what, const struct hold_ref *holds, size_t n,
    int64_t nr, struct err *err)
{
	char key[STORE_DISPATCH_KEY_SIZE], apart[24] = "";
	struct db_query *q;
	size_t i;

	if (!db_tells(db, kind))
		return 0;
	if (nr != 0)
		snprintf(apart, sizeof(apart), "%" PRId64 "-", nr);
	q = db_query(db,
	    "INSERT INTO dispatches (kind, what, cert, hold, generation, key,"
	    " state, tries, created_us, due_us, claim_us, told_us, last)"
	    " VALUES ($1, $2, NULL, $3, 0, $4, 0, 0, $5, 0, 0, 0, '')"
	    " ON CONFLICT (key) DO NOTHING");
	for (i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "%s-%s-%s%s",
		    store_dispatch_kind_name(kind),
		    store_dispatch_what_name(what), apart, holds[i].receipt);
		db_bind_int(q, kind);
		db_bind_int(q, what);
		db_bind_int(q, holds[i].hold_id);
		db_bind_text(q, key);
		db_bind_int(q, db_now_us(db));
		if (db_row(q, err) == -1)
			return -1;
	}
	return db_post_rows(q, -1, err);
}

int
dispatch_notices(struct store_db *db, const struct hold_ref *holds, size_t n,
    enum store_dispatch_what what, struct err *err)
{
	assert(what <= STORE_NEWS_PART);
	if (notices_add(db, STORE_TELL_HOLDER, what, holds, n, 0, err) == -1)
		return -1;
	return what != STORE_NEWS_HOLD
	    ? 0
	    : notices_add(db, STORE_TELL_MUNICIPALITY, STORE_NEWS_CASE, holds,
		  n, 0, err);
}

int
dispatch_case_moved(struct store_db *db, const struct hold_ref *hold,
    int64_t nr, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "UPDATE dispatches SET due_us = NULL," DISPATCH_REPLACED
	    " WHERE hold = $1 AND kind = $2 AND due_us IS NOT NULL");
	db_bind_int(q, hold->hold_id);
	db_bind_int(q, STORE_TELL_MUNICIPALITY);
	if (db_run(q, err) == -1)
		return -1;
	return notices_add(
	    db, STORE_TELL_MUNICIPALITY, STORE_NEWS_CASE, hold, 1, nr, err);
}
