/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "shared.h"
#include "store/crl.h"

#define SCAN_PAGE 2000

struct issuer_row {
	int64_t number;  /* the last that was given out */
	int64_t marking; /* of the base that is being made, or was */
	int64_t base, base_us;
};

/* Keep other servers from it until the commit. */
static int
issuer_lock(struct store_db *db, const char *issuer, struct issuer_row *row,
    struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT number, marking, base, base_us FROM crl_issuers"
	    " WHERE issuer = $1" DB_FOR_UPDATE);
	db_bind_text(q, issuer);
	if ((rc = db_step(q, err)) == 1) {
		row->number = db_get_int(q);
		row->marking = db_get_int(q);
		row->base = db_get_int(q);
		row->base_us = db_get_int(q);
	}
	return rc;
}

static int
issuer_write(struct store_db *db, const char *issuer,
    const struct issuer_row *row, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "UPDATE crl_issuers SET number = $1, marking = $2, base = $3,"
	    " base_us = $4 WHERE issuer = $5");
	db_bind_int(q, row->number);
	db_bind_int(q, row->marking);
	db_bind_int(q, row->base);
	db_bind_int(q, row->base_us);
	db_bind_text(q, issuer);
	return db_run(q, err);
}

/* ---- a number */

/* A clock that was set, either way, makes a new base due, and does no other
 * harm. */
static bool
base_is_due(const struct issuer_row *row, const struct store_crl_begin *r)
{
	return row->base == 0 ||
	    llabs(r->now_us - row->base_us) >= r->base_every_us;
}

/* Half of all numbers stays free, so that none ever wraps around. */
static int
check_number(
    const char *issuer, int64_t number, const char *whose, struct err *err)
{
	if (number >= 0 && number < STORE_CRL_NUMBER_END - 1)
		return 0;
	return err_set(err, ERR_RANGE,
	    "the last CRL number of issuer %s is %" PRId64 " according to %s, "
	    "and must be from 0 to 2^62 - 2 for another to follow; doc/crl.md "
	    "says how to set it right",
	    issuer, number, whose);
}

static int
begin_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_crl_begin *r = (struct store_crl_begin *)req;
	struct issuer_row row = { 0 };
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO crl_issuers (issuer, number, marking, base, base_us)"
	    " VALUES ($1, 0, 0, 0, 0) ON CONFLICT (issuer) DO NOTHING");
	db_bind_text(q, r->issuer);
	if (db_run(q, err) == -1 || issuer_lock(db, r->issuer, &row, err) == -1)
		return -1;
	if (check_number(r->issuer, row.number, "the store", err) == -1 ||
	    check_number(r->issuer, r->above, "its file", err) == -1)
		return -1;
	if (row.number < r->above)
		row.number = r->above;
	r->number = ++row.number;
	r->base = row.base;
	r->base_us = row.base_us;
	r->is_base = base_is_due(&row, r);
	if (r->is_base)
		row.marking = r->number;
	return issuer_write(db, r->issuer, &row, err);
}

void
store_crl_begin(struct store *s, struct store_crl_begin *r)
{
	assert(r->issuer[0] != '\0' && r->base_every_us > 0);
	/* DB_WRITE: it locks the issuer */
	store_submit(s, &r->req, begin_run, DB_WRITE);
}

/* ---- a base */

static int
mark_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_crl_mark *r = (struct store_crl_mark *)req;
	struct issuer_row row = { 0 };
	struct db_query *q;

	r->n = 0;
	if (issuer_lock(db, r->issuer, &row, err) == -1)
		return -1;
	if (row.marking != r->number)
		return err_set(err, ERR_CONFLICT,
		    "another server has begun base CRL %" PRId64
		    " while %" PRId64 " was made",
		    row.marking, r->number);
	q = db_query(db,
	    "UPDATE crl_changes SET mark = $1 WHERE issuer = $2"
	    " AND cert IN (SELECT cert FROM crl_changes WHERE issuer = $2"
	    " AND mark = 0 LIMIT $3)");
	db_bind_int(q, r->number);
	db_bind_text(q, r->issuer);
	db_bind_int(q, STORE_CRL_MARK);
	if (db_run(q, err) == -1)
		return -1;
	r->n = db_changes(db);
	return 0;
}

void
store_crl_mark(struct store *s, struct store_crl_mark *r)
{
	/* DB_WRITE: it locks the issuer; a row that changes meanwhile is marked
	 * only when it has been committed before */
	store_submit(s, &r->req, mark_run, DB_WRITE);
}

static int
done_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_crl_done *r = (struct store_crl_done *)req;
	struct issuer_row row = { 0 };

	if (issuer_lock(db, r->issuer, &row, err) == -1)
		return -1;
	r->is_base = row.marking == r->number;
	if (!r->is_base)
		return 0;
	row.base = r->number;
	row.base_us = r->now_us;
	return issuer_write(db, r->issuer, &row, err);
}

void
store_crl_done(struct store *s, struct store_crl_done *r)
{
	/* DB_WRITE: it locks the issuer */
	store_submit(s, &r->req, done_run, DB_WRITE);
}

/* ---- the entries */

/* How many rows the page had, or -1; *after becomes its last. */
static int
scan_page(struct store_db *db, const struct store_crl_scan *r, int64_t *after,
    struct err *err)
{
	struct store_cert cert;
	struct db_query *q;
	int64_t mark;
	int n = 0, rc;

	q = db_query(db,
	    "SELECT " CERT_COLUMNS ", x.mark FROM crl_changes AS x"
	    " JOIN certificates AS c ON c.id = x.cert WHERE x.issuer = $1"
	    " AND x.cert > $2 ORDER BY x.cert LIMIT $3");
	db_bind_text(q, r->issuer);
	db_bind_int(q, *after);
	db_bind_int(q, SCAN_PAGE);
	for (; (rc = db_step(q, err)) == 1; n++) {
		cert_read(q, &cert);
		mark = db_get_int(q);
		*after = cert.id;
		if (cert.not_after < r->not_after)
			continue;
		if (r->entry(r->ctx, &cert,
			r->base != 0 && (mark == 0 || mark > r->base),
			err) == -1)
			return -1;
	}
	return rc == -1 ? -1 : n;
}

static int
scan_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_crl_scan *r = (struct store_crl_scan *)req;
	int64_t after = 0;
	int n;

	while ((n = scan_page(db, r, &after, err)) == SCAN_PAGE)
		;
	return n == -1 ? -1 : 0;
}

void
store_crl_scan(struct store *s, struct store_crl_scan *r)
{
	assert(r->entry != NULL);
	store_submit(s, &r->req, scan_run, DB_READ);
}
