/* SPDX-License-Identifier: Apache-2.0 */
/* How far imports have come. */
#include <string.h>

#include "registry_page.h"

int
import_mark(
    struct store_db *db, const struct store_import_mark *mark, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO imports (key, taken, line, digest, rejects, at_us)"
	    " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (key) DO UPDATE SET"
	    " taken = excluded.taken, line = excluded.line,"
	    " digest = excluded.digest, rejects = excluded.rejects,"
	    " at_us = excluded.at_us");
	db_bind_blob(q, mark->key, sizeof(mark->key));
	db_bind_int(q, mark->taken);
	db_bind_int(q, mark->line);
	db_bind_blob(q, mark->digest, sizeof(mark->digest));
	db_bind_int(q, mark->rejects);
	db_bind_int(q, mark->at_us);
	return db_run(q, err);
}

static int
find_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_import_find *r = (struct store_import_find *)req;
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT taken, line, digest, rejects, at_us FROM imports"
	    " WHERE key = $1");
	db_bind_blob(q, r->mark.key, sizeof(r->mark.key));
	if ((rc = db_step(q, err)) == -1)
		return -1;
	r->found = rc == 1;
	if (!r->found)
		return 0;
	r->mark.taken = db_get_int(q);
	r->mark.line = db_get_int(q);
	db_get_blob(q, r->mark.digest, sizeof(r->mark.digest));
	r->mark.rejects = db_get_int(q);
	r->mark.at_us = db_get_int(q);
	return 0;
}

void
store_import_find(struct store *s, struct store_import_find *r)
{
	store_submit(s, &r->req, find_run, DB_READ);
}

/* Are its rows in place, and has an import of them all just ended? */
static int
first_load_look(struct store_db *db, struct store_import_end *r, bool *over,
    struct err *err)
{
	struct db_query *q =
	    db_query(db, "SELECT stage FROM first_load WHERE stage = 3");
	int rc = db_step(q, err);

	*over = false;
	r->loading = rc == 1;
	if (rc != 1 || r->accepted == 0)
		return rc == -1 ? -1 : 0;
	q = db_query(db, "SELECT count(*) FROM certificates");
	if (db_step(q, err) != 1)
		return -1;
	*over = r->accepted >= db_get_int(q);
	r->loading = !*over;
	return 0;
}

static int
end_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_import_end *r = (struct store_import_end *)req;
	struct db_query *q;
	int64_t ignored;
	bool over;

	if (first_load_look(db, r, &over, err) == -1 ||
	    (over && first_load_end(db, &ignored, err) == -1))
		return -1;
	q = db_query(db, "DELETE FROM imports WHERE key = $1");
	db_bind_blob(q, r->key, sizeof(r->key));
	return db_run(q, err);
}

void
store_import_end(struct store *s, struct store_import_end *r)
{
	/* DB_ALONE: it may end a first load */
	store_submit(s, &r->req, end_run, DB_ALONE);
}
