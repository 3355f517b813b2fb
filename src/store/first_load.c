/* SPDX-License-Identifier: Apache-2.0 */
/* A whole registry for a store that has nobody: its rows.  first_load_end.c
 * puts them in their places. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "registry_page.h"
#include "store/first_load.h"

/*
 * The tables as the migrations have left holders and certificates, but for the
 * keys that are made at the end.  Numbers only grow, so the keys on them cost
 * next to nothing; the names of the others are free from now on.
 */
static const char begin[] =
    "DROP INDEX IF EXISTS holders_ref;" /* of an earlier one, of nobody */
    "DROP INDEX IF EXISTS certificates_serial;"
    "DROP INDEX IF EXISTS holders_tag;"
    "DROP INDEX IF EXISTS certificates_holder;"
    "DROP INDEX IF EXISTS certificates_changed;"
    "CREATE TABLE first_holders ("
    "	id INTEGER PRIMARY KEY,"
    "	ref BLOB NOT NULL,"
    "	tag BLOB NOT NULL,"
    "	key_version INTEGER NOT NULL,"
    "	municipality TEXT NOT NULL,"
    "	pin BLOB,"
    "	contact BLOB,"
    "	phones BLOB"
    ") STRICT;"
    "CREATE TABLE first_certificates ("
    "	id INTEGER PRIMARY KEY,"
    "	holder INTEGER NOT NULL REFERENCES first_holders (id),"
    "	carrier INTEGER NOT NULL CHECK (carrier BETWEEN 0 AND 1),"
    "	kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 1),"
    "	issuer TEXT NOT NULL,"
    "	serial TEXT NOT NULL,"
    "	not_before INTEGER NOT NULL,"
    "	not_after INTEGER NOT NULL,"
    "	status INTEGER NOT NULL CHECK (status BETWEEN 0 AND 2),"
    "	generation INTEGER NOT NULL,"
    "	reason INTEGER NOT NULL,"
    "	status_us INTEGER NOT NULL,"
    "	visible_us INTEGER NOT NULL"
    ") STRICT;"
    "CREATE INDEX certificates_holder ON first_certificates (holder);"
    "CREATE INDEX certificates_changed ON first_certificates (not_after, id)"
    " WHERE generation > 0;"
    "CREATE TABLE first_pages ("
    "	start INTEGER PRIMARY KEY," /* in the file */
    "	line INTEGER NOT NULL,"     /* of its first row */
    "	holder INTEGER NOT NULL,"   /* the last one before it */
    "	cert INTEGER NOT NULL,"     /* likewise */
    "	again INTEGER NOT NULL"     /* 0 no, 1 what is not good, 2 all */
    ") STRICT;"
    "CREATE INDEX first_pages_holder ON first_pages (holder, start);"
    "CREATE INDEX first_pages_cert ON first_pages (cert, start);"
    "CREATE TABLE first_twice (id INTEGER PRIMARY KEY) STRICT;"
    "CREATE TABLE first_again (id INTEGER PRIMARY KEY) STRICT";

static const char forget[] = "DROP TABLE first_certificates;"
			     "DROP TABLE first_holders;"
			     "DROP TABLE first_pages;"
			     "DROP TABLE first_twice;"
			     "DROP TABLE first_again";

/* ---- the state */

/* Of which file, and how far it is; stage 0: there is none. */
static int
state_read(struct store_db *db, struct store_first_begin *r,
    uint8_t key[STORE_MAC_SIZE], struct err *err)
{
	struct db_query *q = db_query(db, "SELECT stage, key FROM first_load");
	int rc = db_step(q, err);

	r->stage = 0;
	if (rc != 1)
		return rc;
	r->stage = (enum store_first_stage)db_get_int(q);
	db_get_blob(q, key, STORE_MAC_SIZE);
	return 0;
}

int
first_load_is(struct store_db *db, int64_t run, struct err *err)
{
	struct db_query *q = db_query(db, "SELECT run FROM first_load");
	int rc = db_step(q, err);

	if (rc == -1 || (rc == 1 && db_get_int(q) == run))
		return rc == -1 ? -1 : 0;
	return err_set(err, ERR_CONFLICT,
	    "another process goes on with this first load, or has ended it");
}

int
first_load_none(struct store_db *db, bool rows_in_place, struct err *err)
{
	struct db_query *q = db_query(db, "SELECT stage FROM first_load");
	int rc = db_step(q, err);

	if (rc == 1 && rows_in_place && db_get_int(q) == STORE_FIRST_AGAIN)
		return 0;
	if (rc == 1)
		return err_set(err, ERR_REFUSED,
		    "a first load of the registry is under way; let it end, or "
		    "go on with it: `holdline registry import --first FILE`");
	return rc;
}

/* ---- beginning */

static int
nobody_there(struct store_db *db, struct err *err)
{
	int rc = db_step(db_query(db, "SELECT id FROM holders LIMIT 1"), err);

	if (rc == 1)
		return err_set(err, ERR_REFUSED,
		    "the registry has holders already, and --first is for one "
		    "that is empty; import without it");
	return rc;
}

/* Never the number of a run before: one that was stopped may come back. */
static int
state_write(struct store_db *db, struct store_first_begin *r, struct err *err)
{
	struct db_query *q;

	randombytes_buf(&r->run, sizeof(r->run));
	r->run = (r->run & INT64_MAX) | 1;
	q = db_query(db,
	    "INSERT INTO first_load (one, key, stage, keys, run)"
	    " VALUES (1, $1, $2, 0, $3) ON CONFLICT (one) DO UPDATE SET"
	    " key = excluded.key, stage = excluded.stage,"
	    " keys = CASE excluded.stage WHEN 1 THEN 0"
	    " ELSE first_load.keys END, run = excluded.run");
	db_bind_blob(q, r->key, sizeof(r->key));
	db_bind_int(q, r->stage);
	db_bind_int(q, r->run);
	return db_run(q, err);
}

/* Where nobody is on record no mark of an import is true. */
static int
begin_new(struct store_db *db, struct store_first_begin *r, struct err *err)
{
	r->stage = STORE_FIRST_ROWS;
	r->taken = 0;
	if (nobody_there(db, err) == -1 ||
	    db_run(db_query(db, "DELETE FROM imports"), err) == -1 ||
	    db_swap_check(db, err) == -1)
		return -1;
	return db_script(db, begin, err);
}

/* ---- going on */

/* `sql` takes the place in the file. */
static int
run_at(struct store_db *db, const char *sql, int64_t at, struct err *err)
{
	struct db_query *q = db_query(db, sql);

	db_bind_int(q, at);
	return db_run(q, err);
}

/* The mark says what is kept.  A page's rows come after those before it. */
static int
forget_from(struct store_db *db, int64_t taken, struct err *err)
{
	if (run_at(db,
		"DELETE FROM first_certificates WHERE id > (SELECT cert"
		" FROM first_pages WHERE start >= $1 ORDER BY start LIMIT 1)",
		taken, err) == -1 ||
	    run_at(db,
		"DELETE FROM first_holders WHERE id > (SELECT holder"
		" FROM first_pages WHERE start >= $1 ORDER BY start LIMIT 1)",
		taken, err) == -1)
		return -1;
	return run_at(
	    db, "DELETE FROM first_pages WHERE start >= $1", taken, err);
}

static int
changed_since(enum store_first_stage stage, struct err *err)
{
	if (stage == STORE_FIRST_AGAIN)
		return err_set(err, ERR_REFUSED,
		    "the rows of this first load are in place, and the file "
		    "that they are from is needed to end it, as it was; or "
		    "import the whole registry with --from-start and without "
		    "--first");
	return err_set(err, ERR_REFUSED,
	    "the file was changed since its rows were taken in; put the old "
	    "one back, or give --from-start to forget them");
}

static int
begin_again(struct store_db *db, struct store_first_begin *r, bool same,
    struct err *err)
{
	if (!same && !r->from_start)
		return err_set(err, ERR_REFUSED,
		    "a first load of another file is under way; go on with "
		    "that one, or give --from-start to forget it");
	if (r->from_start || (r->stage == STORE_FIRST_ROWS && r->taken == 0))
		return db_script(db, forget, err) == -1 ? -1
							: begin_new(db, r, err);
	if (r->stage == STORE_FIRST_ROWS)
		return forget_from(db, r->taken, err);
	return r->taken == 0 ? changed_since(r->stage, err) : 0;
}

static int
begin_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_first_begin *r = (struct store_first_begin *)req;
	uint8_t key[STORE_MAC_SIZE];
	bool same;
	int rc = 0;

	if (state_read(db, r, key, err) == -1)
		return -1;
	same = r->stage != 0 && memcmp(key, r->key, sizeof(key)) == 0;
	if (r->stage == STORE_FIRST_ROWS || r->stage == STORE_FIRST_INDEX)
		rc = begin_again(db, r, same, err);
	else if (r->stage != STORE_FIRST_AGAIN || !same)
		rc = begin_new(db, r, err);
	else if (r->taken == 0)
		rc = changed_since(r->stage, err);
	return rc == -1 ? -1 : state_write(db, r, err);
}

void
store_first_begin(struct store *s, struct store_first_begin *r)
{
	/* DB_ALONE: that nobody is there must stay true */
	store_submit(s, &r->req, begin_run, DB_ALONE);
}

/* ---- a page */

static int
last_cert(struct store_db *db, int64_t *id, struct err *err)
{
	struct db_query *q =
	    db_query(db, "SELECT max(id) FROM first_certificates");
	int rc = db_step(q, err);

	*id = rc == 1 ? db_get_int(q) : 0;
	return rc == -1 ? -1 : 0;
}

/* What becomes of a page's rows. */
struct first_page {
	struct store_first_page *r;
	struct page_holder last; /* the holder of the row before; id 0: none */
	int64_t next_holder, next_cert;
	bool odd;                        /* not all rows are good */
	int64_t holders[STORE_PAGE_MAX]; /* of each row */
};

static int
last_holder(struct store_db *db, struct page_holder *h, struct err *err)
{
	struct db_query *q = db_query(db,
	    "SELECT " PAGE_HOLDER_COLUMNS
	    " FROM first_holders ORDER BY id DESC LIMIT 1");
	int rc = db_step(q, err);

	if (rc == 1)
		page_holder_read(q, h);
	return rc == -1 ? -1 : 0;
}

/* The last one's next row, or a new holder: one who is there twice is sifted
 * out when all rows are there. */
static int
holder_row(struct first_page *p, struct db_query *q, size_t i, struct err *err)
{
	const struct store_put *row = p->r->rows[i];
	struct page_holder *h = &p->last;

	if (h->id == 0 || memcmp(h->ref, row->ref, sizeof(h->ref)) != 0 ||
	    !page_holder_same(h, row)) {
		memset(h, 0, sizeof(*h));
		h->id = p->next_holder++;
		memcpy(h->ref, row->ref, sizeof(h->ref));
		page_holder_set(h, row);
		db_bind_int(q, h->id);
		page_holder_bind(q, h);
		if (db_load_row(q, err) == -1)
			return -1;
	}
	p->holders[i] = h->id;
	return 0;
}

static int
load_holders(struct store_db *db, struct first_page *p, struct err *err)
{
	struct db_query *q =
	    db_load(db, "first_holders (" PAGE_HOLDER_COLUMNS ")");
	size_t i;

	for (i = 0; i < p->r->n; i++)
		if (holder_row(p, q, i, err) == -1)
			return -1;
	return db_load_end(q, err);
}

/* All are good here; what is not good becomes so when it is read again. */
static int
load_certs(struct store_db *db, struct first_page *p, struct err *err)
{
	struct db_query *q =
	    db_load(db, "first_certificates (" PAGE_CERT_COLUMNS ")");
	struct store_cert cert;
	size_t i;

	for (i = 0; i < p->r->n; i++) {
		cert = p->r->rows[i]->cert;
		cert.holder = p->holders[i];
		p->odd = p->odd || cert.status != STORE_GOOD;
		if (page_cert_load(q, p->next_cert++, &cert, err) == -1)
			return -1;
	}
	return db_load_end(q, err);
}

static int
page_note(struct store_db *db, const struct first_page *p, int64_t holder,
    int64_t cert, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO first_pages (start, line, holder, cert, again)"
	    " VALUES ($1, $2, $3, $4, $5)");
	db_bind_int(q, (int64_t)p->r->start);
	db_bind_int(q, (int64_t)p->r->line);
	db_bind_int(q, holder);
	db_bind_int(q, cert);
	db_bind_int(q, p->odd);
	return db_run(q, err);
}

static int
page_store(struct store_db *db, struct first_page *p, struct err *err)
{
	int64_t holder, cert;

	if (last_holder(db, &p->last, err) == -1 ||
	    last_cert(db, &cert, err) == -1)
		return -1;
	holder = p->last.id;
	p->next_holder = holder + 1;
	p->next_cert = cert + 1;
	if (load_holders(db, p, err) == -1 || load_certs(db, p, err) == -1 ||
	    page_note(db, p, holder, cert, err) == -1)
		return -1;
	return p->r->mark != NULL ? import_mark(db, p->r->mark, err) : 0;
}

/* A page whose commit was not known may be there. */
static int
page_known(
    struct store_db *db, const struct store_first_page *r, struct err *err)
{
	struct db_query *q =
	    db_query(db, "SELECT again FROM first_pages WHERE start = $1");

	db_bind_int(q, (int64_t)r->start);
	return db_step(q, err);
}

static int
page_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_first_page *r = (struct store_first_page *)req;
	struct first_page *p;
	size_t i;
	int rc;

	assert(r->n <= STORE_PAGE_MAX);
	if (first_load_is(db, r->run, err) == -1)
		return -1;
	for (i = 0; i < r->n; i++) {
		r->rows[i]->req.err.code = ERR_NONE;
		r->rows[i]->result = STORE_PUT_NEW;
	}
	if ((rc = page_known(db, r, err)) != 0)
		return rc == 1 ? 0 : -1;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	p->r = r;
	rc = page_store(db, p, err);
	free(p);
	return rc;
}

void
store_first_page(struct store *s, struct store_first_page *r)
{
	/* DB_WRITE: whose run it is must stay true */
	store_submit(s, &r->req, page_run, DB_WRITE);
}
