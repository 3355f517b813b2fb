/* SPDX-License-Identifier: Apache-2.0 */
/* A whole registry for a store that has nobody: its keys, and its place. */
#include <assert.h>
#include <string.h>

#include "registry_page.h"
#include "store/first_load.h"

/* ---- keys */

/*
 * Of two rows with one serial the second is taken out.  A row that is refused
 * because its serial is another's does not make its holder either: a holder
 * goes with the first row.
 */
static const char serials_twice[] =
    "INSERT INTO first_twice (id)"
    " SELECT id FROM (SELECT id, row_number() OVER"
    " (PARTITION BY serial, issuer ORDER BY id) AS nr"
    " FROM first_certificates) AS numbered WHERE nr > 1;"
    "INSERT INTO first_again (id)"
    " SELECT DISTINCT c.holder FROM first_certificates AS c"
    " WHERE c.id IN (SELECT id FROM first_twice)"
    " AND NOT EXISTS (SELECT 1 FROM first_certificates AS d"
    " WHERE d.holder = c.holder AND d.id < c.id)";

static const char holders_twice[] =
    "INSERT INTO first_again (id)"
    " SELECT id FROM (SELECT id, row_number() OVER"
    " (PARTITION BY ref ORDER BY id) AS nr"
    " FROM first_holders) AS numbered WHERE nr > 1";

/* A certificate goes with its holder; the pages of all of them are read
 * again. */
static const char take_out[] =
    "INSERT INTO first_twice (id) SELECT id FROM first_certificates"
    " WHERE holder IN (SELECT id FROM first_again)"
    " ON CONFLICT (id) DO NOTHING;"
    "UPDATE first_pages SET again = 2 WHERE start IN"
    " (SELECT (SELECT start FROM first_pages WHERE holder < t.id"
    " ORDER BY holder DESC, start DESC LIMIT 1) FROM first_again AS t);"
    "UPDATE first_pages SET again = 2 WHERE start IN"
    " (SELECT (SELECT start FROM first_pages WHERE cert < t.id"
    " ORDER BY cert DESC, start DESC LIMIT 1) FROM first_twice AS t);"
    "DELETE FROM first_certificates"
    " WHERE id IN (SELECT id FROM first_twice);"
    "DELETE FROM first_holders WHERE id IN (SELECT id FROM first_again);"
    "DELETE FROM first_again";

/* Certificates first: of two rows with one serial, the first may belong to a
 * holder who goes; both are read again then, in their order. */
static const struct {
	const char *name, *twice, *make;
} keys[STORE_FIRST_KEYS] = {
	{ "certificates by serial", serials_twice,
	    "CREATE UNIQUE INDEX certificates_serial"
	    " ON first_certificates (serial, issuer)" },
	{ "holders by reference", holders_twice,
	    "CREATE UNIQUE INDEX holders_ref"
	    " ON first_holders (ref)" },
	{ "holders by lookup tag", NULL,
	    "CREATE INDEX holders_tag"
	    " ON first_holders (tag, key_version, pin, phones)" },
};

const char *
store_first_key_name(unsigned int nr)
{
	assert(nr < STORE_FIRST_KEYS);
	return keys[nr].name;
}

static int
keys_made(struct store_db *db, int64_t *n, struct err *err)
{
	struct db_query *q = db_query(db, "SELECT keys FROM first_load");
	int rc = db_step(q, err);

	*n = rc == 1 ? db_get_int(q) : 0;
	return rc == -1 ? -1 : 0;
}

/* Nobody else makes one: the state's row is locked. */
static int
key_note(struct store_db *db, const struct store_first_key *r, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "UPDATE first_load SET stage = 2, keys = $1 WHERE run = $2"
	    " AND keys + 1 = $1");
	db_bind_int(q, r->nr + 1);
	db_bind_int(q, r->run);
	return db_post(q, 1, err);
}

static int
key_run(struct store_db *db, struct store_req *req, struct err *err)
{
	const struct store_first_key *r = (struct store_first_key *)req;
	int64_t made;

	assert(r->nr < STORE_FIRST_KEYS);
	if (first_load_is(db, r->run, err) == -1 ||
	    keys_made(db, &made, err) == -1)
		return -1;
	if (r->nr < made)
		return 0;
	if (key_note(db, r, err) == -1)
		return -1;
	if (r->sift && keys[r->nr].twice != NULL &&
	    (db_script(db, keys[r->nr].twice, err) == -1 ||
		db_script(db, take_out, err) == -1))
		return -1;
	if (db_script(db, keys[r->nr].make, err) == -1)
		return -1;
	return r->mark != NULL ? import_mark(db, r->mark, err) : 0;
}

void
store_first_key(struct store *s, struct store_first_key *r)
{
	/* DB_ASIDE: nobody else looks at these tables, and it takes long */
	store_submit(s, &r->req, key_run, DB_ASIDE);
}

/* ---- the place */

static int
swap_run(struct store_db *db, struct store_req *req, struct err *err)
{
	const struct store_first_swap *r = (struct store_first_swap *)req;
	int rc;

	if (first_load_is(db, r->run, err) == -1)
		return -1;
	rc = db_step(db_query(db, "SELECT id FROM holders LIMIT 1"), err);
	if (rc == 1)
		return err_set(err, ERR_CONFLICT,
		    "the registry has got holders while it was loaded");
	if (rc == -1 || db_swap(db, err) == -1)
		return -1;
	return db_post(db_query(db, "UPDATE first_load SET stage = 3"), 1, err);
}

void
store_first_swap(struct store *s, struct store_first_swap *r)
{
	/* DB_ALONE: the tables are not there for a moment */
	store_submit(s, &r->req, swap_run, DB_ALONE);
}

/* ---- reading pages again */

static int
next_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_first_next *r = (struct store_first_next *)req;
	struct db_query *q;
	int rc;

	if (first_load_is(db, r->run, err) == -1)
		return -1;
	q = db_query(db,
	    "SELECT p.start, p.line, p.again, (SELECT min(start)"
	    " FROM first_pages WHERE start > p.start)"
	    " FROM first_pages AS p WHERE p.start >= $1 AND p.again > 0"
	    " ORDER BY p.start LIMIT 1");
	db_bind_int(q, (int64_t)r->start);
	if ((rc = db_step(q, err)) == -1)
		return -1;
	r->found = rc == 1;
	if (!r->found)
		return 0;
	r->start = (uint64_t)db_get_int(q);
	r->line = (uint64_t)db_get_int(q);
	r->all = db_get_int(q) == 2;
	if ((r->end = (uint64_t)db_get_int(q)) == 0)
		r->end = UINT64_MAX;
	return 0;
}

void
store_first_next(struct store *s, struct store_first_next *r)
{
	store_submit(s, &r->req, next_run, DB_READ);
}

/* ---- the end */

int
first_load_end(struct store_db *db, int64_t *twice, struct err *err)
{
	struct db_query *q = db_query(db, "SELECT count(*) FROM first_twice");

	if (db_step(q, err) != 1)
		return -1;
	*twice = db_get_int(q);
	return db_script(db,
	    "DROP TABLE first_pages;"
	    "DROP TABLE first_twice;"
	    "DROP TABLE first_again;"
	    "DELETE FROM first_load;"
	    "DELETE FROM imports",
	    err);
}

static int
done_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_first_done *r = (struct store_first_done *)req;

	return first_load_is(db, r->run, err) == -1
	    ? -1
	    : first_load_end(db, &r->twice, err);
}

void
store_first_done(struct store *s, struct store_first_done *r)
{
	/* DB_ALONE: an import may end it at the same moment */
	store_submit(s, &r->req, done_run, DB_ALONE);
}
