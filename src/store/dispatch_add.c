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

/* What was not told yet never will be.  Its lease stays: while it is being
 * told, the newer one waits. */
static int
replace_older(struct store_db *db, const struct store_cert *cert, bool *known,
    struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(db, "SELECT id FROM dispatches WHERE cert = $1 LIMIT 1");
	db_bind_int(q, cert->id);
	if ((rc = db_step(q, err)) == -1)
		return -1;
	*known = rc == 1;
	if (!*known)
		return 0;
	q = db_query(db,
	    "UPDATE dispatches SET due_us = NULL," DISPATCH_REPLACED
	    " WHERE cert = $1 AND due_us IS NOT NULL");
	db_bind_int(q, cert->id);
	return db_run(q, err);
}

/*
 * What the registry says, the authority has most likely told it.  So it is
 * compared, and only where the authority had been told something else before.
 */
int
dispatch_cert(struct store_db *db, const struct store_cert *cert,
    int64_t hold_id, struct err *err)
{
	char key[STORE_DISPATCH_KEY_SIZE];
	int64_t now_us = db_now_us(db);
	struct db_query *q;
	bool known;

	if (!db_tells(db, STORE_TELL_CA))
		return 0;
	if (replace_older(db, cert, &known, err) == -1)
		return -1;
	if (hold_id == 0 && !known)
		return 0;
	snprintf(key, sizeof(key), "%s-%s-%" PRId64, cert->issuer, cert->serial,
	    cert->generation);
	q = db_query(db,
	    "INSERT INTO dispatches (kind, what, cert, hold, generation, key,"
	    " state, tries, created_us, due_us, claim_us, told_us, last)"
	    " VALUES (0, $1, $2, $3, $4, $5, 0, 0, $6, 0, 0, 0, '')");
	db_bind_int(q, news_of[cert->status]);
	db_bind_int(q, cert->id);
	if (hold_id != 0)
		db_bind_int(q, hold_id);
	else
		db_bind_null(q);
	db_bind_int(q, cert->generation);
	db_bind_text(q, key);
	db_bind_int(q, now_us);
	return db_run(q, err);
}

/* `nr` 0: the first of its kind; else what sets it apart. */
static int
notice_add(struct store_db *db, enum store_dispatch_kind kind,
    enum store_dispatch_what what, int64_t hold_id, int64_t nr, struct err *err)
{
	struct db_query *q;
	char prefix[64];

	if (!db_tells(db, kind))
		return 0;
	snprintf(prefix, sizeof(prefix), "%s-%s-",
	    store_dispatch_kind_name(kind), store_dispatch_what_name(what));
	if (nr != 0)
		snprintf(prefix + strlen(prefix),
		    sizeof(prefix) - strlen(prefix), "%" PRId64 "-", nr);
	q = db_query(db,
	    "INSERT INTO dispatches (kind, what, cert, hold, generation, key,"
	    " state, tries, created_us, due_us, claim_us, told_us, last)"
	    " SELECT $1, $2, NULL, hold, 0, $3 || receipt, 0, 0, $4, 0, 0, 0,"
	    " '' FROM cases WHERE hold = $5 ON CONFLICT (key) DO NOTHING");
	db_bind_int(q, kind);
	db_bind_int(q, what);
	db_bind_text(q, prefix);
	db_bind_int(q, db_now_us(db));
	db_bind_int(q, hold_id);
	return db_run(q, err);
}

int
dispatch_notice(struct store_db *db, int64_t hold_id,
    enum store_dispatch_what what, struct err *err)
{
	assert(what <= STORE_NEWS_PART);
	if (notice_add(db, STORE_TELL_HOLDER, what, hold_id, 0, err) == -1)
		return -1;
	return what != STORE_NEWS_HOLD ? 0
				       : notice_add(db, STORE_TELL_MUNICIPALITY,
					     STORE_NEWS_CASE, hold_id, 0, err);
}

int
dispatch_case_moved(
    struct store_db *db, int64_t hold_id, int64_t nr, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "UPDATE dispatches SET due_us = NULL," DISPATCH_REPLACED
	    " WHERE hold = $1 AND kind = $2 AND due_us IS NOT NULL");
	db_bind_int(q, hold_id);
	db_bind_int(q, STORE_TELL_MUNICIPALITY);
	if (db_run(q, err) == -1)
		return -1;
	return notice_add(
	    db, STORE_TELL_MUNICIPALITY, STORE_NEWS_CASE, hold_id, nr, err);
}
