/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the registry's news do, row by row.  All that can be refused of a row
 * is refused before anything is changed, so that a row that is rejected leaves
 * nothing in the page's transaction.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "delta_inner.h"

#define CERTS 16 /* that are read at once */

/* ---- judging: 1 = go on, 0 = rejected (the row has the reason), -1 = the
 * store failed */

static int
reject(struct news *n, enum err_code code, const char *text)
{
	err_set(&n->row->put.req.err, code, "%s", text);
	return 0;
}

/* By the present key's MAC of the reference, or by an older key's. */
static int
holder_find(struct store_db *db, struct news *n, struct err *err)
{
	const struct store_put *r = &n->row->put;
	struct db_query *q;
	unsigned int i;
	int rc = 0;

	for (i = 0; i <= r->n_old && rc == 0; i++) {
		q = db_query(db,
		    "SELECT " PAGE_HOLDER_COLUMNS
		    " FROM holders WHERE ref = $1" DB_FOR_UPDATE);
		db_bind_blob(
		    q, i == 0 ? r->ref : r->old_refs[i - 1], STORE_MAC_SIZE);
		if ((rc = db_step(q, err)) == 1)
			page_holder_read(q, &n->holder);
	}
	return rc != 0
	    ? rc
	    : reject(n, ERR_NOTFOUND,
		  "holder_ref: nobody on record has it; import the registry, "
		  "or correct it");
}

/* 1 = *cert is it, 0 = it is not on record. */
static int
cert_find(struct store_db *db, const char *issuer, const char *serial,
    struct store_cert *cert, struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT " CERT_COLUMNS " FROM certificates AS c"
	    " WHERE c.serial = $1 AND c.issuer = $2");
	db_bind_text(q, serial);
	db_bind_text(q, issuer);
	if ((rc = db_step(q, err)) == 1)
		cert_read(q, cert);
	return rc;
}

/* The certificate that the row is about, which must be the holder's. */
static int
subject_find(struct store_db *db, struct news *n, const char *column,
    const char *issuer, const char *serial, struct err *err)
{
	struct err *why = &n->row->put.req.err;
	int rc = cert_find(db, issuer, serial, &n->subject, err);

	if (rc == -1)
		return -1;
	if (rc == 0) {
		err_set(why, ERR_NOTFOUND,
		    "%s: no certificate of this issuer has the serial %s; "
		    "import the registry, or correct it",
		    column, serial);
		return 0;
	}
	if (n->subject.holder != n->holder.id) {
		err_set(why, ERR_CONFLICT,
		    "%s: the serial %s is another holder's", column, serial);
		return 0;
	}
	return 1;
}

static int
judge_reissued(struct store_db *db, struct news *n, struct err *err)
{
	struct store_delta *row = n->row;
	const struct store_cert *c = &row->put.cert;
	struct store_cert known;
	int rc;

	rc = subject_find(
	    db, n, "replaces", row->old_issuer, row->old_serial, err);
	if (rc != 1)
		return rc;
	if (n->subject.kind != c->kind || n->subject.carrier != c->carrier) {
		err_set(&row->put.req.err, ERR_CONFLICT,
		    "replaces: the serial %s is a %s certificate on a %s, and "
		    "is not replaced by another kind",
		    n->subject.serial, store_kind_name(n->subject.kind),
		    store_carrier_name(n->subject.carrier));
		return 0;
	}
	if ((rc = cert_find(db, c->issuer, c->serial, &known, err)) == -1)
		return -1;
	n->fresh = rc == 0;
	return rc == 0 ||
		registry_contradicts(
		    &known, n->holder.id, c, &row->put.req.err) == 0
	    ? 1
	    : 0;
}

static int
judge_expired(struct store_db *db, struct news *n, struct err *err)
{
	const struct store_cert *c = &n->row->put.cert;
	int rc = subject_find(db, n, "serial", c->issuer, c->serial, err);

	if (rc != 1)
		return rc;
	if (n->subject.status == STORE_REVOKED)
		return reject(n, ERR_CONFLICT,
		    "serial: it is revoked, which is final; nothing is left to "
		    "expire");
	if (n->subject.not_after >= clock_jst_ymd(n->now_us)) {
		err_set(&n->row->put.req.err, ERR_CONFLICT,
		    "serial: on record as valid to the end of %d; it expires "
		    "after that day",
		    n->subject.not_after);
		return 0;
	}
	return 1;
}

static int
row_judge(struct store_db *db, struct news *n, struct err *err)
{
	int rc = holder_find(db, n, err);

	if (rc != 1)
		return rc;
	if (n->row->kind == STORE_DELTA_REISSUED)
		return judge_reissued(db, n, err);
	if (n->row->kind == STORE_DELTA_EXPIRED)
		return judge_expired(db, n, err);
	return 1;
}

/* ---- carrying it out */

/* What callers answer is bound to the lookup tag, so either all of it is new
 * or none. */
static int
holder_move(struct store_db *db, struct news *n, struct err *err)
{
	const struct store_put *r = &n->row->put;
	struct page_holder *h = &n->holder;

	if (n->row->whole) {
		if (memcmp(h->ref, r->ref, STORE_MAC_SIZE) != 0) {
			memcpy(h->ref, r->ref, STORE_MAC_SIZE);
			h->changed = true; /* an older key can go */
		}
		page_holder_set(h, r);
	} else if (strcmp(h->municipality, r->municipality) != 0) {
		memcpy(
		    h->municipality, r->municipality, sizeof(h->municipality));
		h->changed = true;
	}
	if (!h->changed)
		return 0;
	n->row->put.result = STORE_PUT_CHANGED;
	return page_holder_write(db, h, err);
}

static int
cert_issue(struct store_db *db, struct news *n, struct err *err)
{
	struct store_cert cert = n->row->put.cert;

	if (!n->fresh)
		return 0;
	cert.holder = n->holder.id;
	n->row->put.result = STORE_PUT_NEW;
	return registry_cert_add(db, &cert, err);
}

static int
write_leaf(struct store_db *db, const struct news *n,
    const struct store_cert *c, struct err *err)
{
	char text[AUDIT_TEXT_MAX];

	snprintf(text, sizeof(text),
	    "{\"registry\":\"%s\",\"delta\":\"%s:%" PRId64
	    "\",\"why\":\"%s\",\"cert\":\"%s/%s:%" PRId64 "\"}",
	    store_status_name(c->status), n->page->file->name,
	    n->page->file->seq, store_delta_name(n->row->kind), c->issuer,
	    c->serial, c->generation);
	return audit_append(db, n->now_us, text, err);
}

/* Some of the holder's certificates, in the order of their numbers; how many,
 * or -1. */
static int
certs_read(struct store_db *db, const struct news *n, int64_t after,
    struct store_cert certs[CERTS], struct err *err)
{
	struct db_query *q;
	int n_certs = 0, rc;

	q = db_query(db,
	    "SELECT " CERT_COLUMNS " FROM certificates AS c"
	    " WHERE c.holder = $1 AND c.id > $2 AND c.status <> 2"
	    " ORDER BY c.id LIMIT $3");
	db_bind_int(q, n->holder.id);
	db_bind_int(q, after);
	db_bind_int(q, CERTS);
	while ((rc = db_step(q, err)) == 1)
		cert_read(q, &certs[n_certs++]);
	return rc == -1 ? -1 : n_certs;
}

/* Those that no open case has on hold. */
static int
certs_end(struct store_db *db, struct news *n, struct err *err)
{
	struct store_cert certs[CERTS];
	int64_t after = 0;
	int n_certs, i;

	do {
		if ((n_certs = certs_read(db, n, after, certs, err)) == -1)
			return -1;
		for (i = 0; i < n_certs; i++) {
			after = certs[i].id;
			if (!n->page->ends(n->row, &certs[i], n->now_us))
				continue;
			if (cert_revoke(db, &certs[i], n->row->crl_reason, 0,
				err) == -1 ||
			    write_leaf(db, n, &certs[i], err) == -1)
				return -1;
			n->row->revoked++;
		}
	} while (n_certs == CERTS);
	return 0;
}

static int
row_apply(struct store_db *db, struct news *n, struct err *err)
{
	struct store_delta *row = n->row;

	if (row->kind == STORE_DELTA_MOVED && holder_move(db, n, err) == -1)
		return -1;
	if (row->kind == STORE_DELTA_REISSUED && cert_issue(db, n, err) == -1)
		return -1;
	if (delta_cases(db, n, err) == -1)
		return -1;
	if (row->kind != STORE_DELTA_EXPIRED && certs_end(db, n, err) == -1)
		return -1;
	if (row->put.result == STORE_PUT_UNCHANGED &&
	    row->revoked + row->closed + row->moved + row->noted > 0)
		row->put.result = STORE_PUT_CHANGED;
	return 0;
}

/* ---- the intent */

static void
answer_clear(struct store_delta *row)
{
	row->put.req.err.code = ERR_NONE;
	row->put.result = STORE_PUT_UNCHANGED;
	row->revoked = row->closed = row->moved = row->noted = 0;
}

static int
row_run(struct store_db *db, struct store_delta_page *r,
    struct store_delta *row, bool again, struct err *err)
{
	struct news n = { .page = r, .row = row, .now_us = db_now_us(db) };
	int rc;

	assert(row->at > 0 && row->put.n_old <= STORE_TAGS_MAX);
	assert(row->put.n_phones <= STORE_PHONES_MAX);
	assert(row->put.contact_len <= STORE_CONTACT_MAX);
	answer_clear(row);
	if ((rc = row_judge(db, &n, err)) != 1)
		return rc;
	return again ? 0 : row_apply(db, &n, err);
}

static int
page_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_delta_page *r = (struct store_delta_page *)req;
	int64_t applied;
	size_t i;

	if (first_load_none(db, false, err) == -1 ||
	    delta_file_lock(db, r->file, &applied, err) == -1)
		return -1;
	for (i = 0; i < r->n; i++) {
		assert(i == 0 || r->rows[i]->at > r->rows[i - 1]->at);
		if (row_run(db, r, r->rows[i], r->rows[i]->at <= applied,
			err) == -1)
			return -1;
	}
	if (r->n > 0 && r->rows[r->n - 1]->at > applied)
		applied = r->rows[r->n - 1]->at;
	return delta_file_mark(db, r, applied, err);
}

void
store_delta_page(struct store *s, struct store_delta_page *r)
{
	assert(r->n <= STORE_DELTA_PAGE && r->ends != NULL);
	/* DB_WRITE: the file's row is locked, then each holder before anything
	 * of theirs is read; a new certificate that another makes at once
	 * meets it at its unique key */
	store_submit_in_order(s, &r->req, page_run, DB_WRITE,
	    store_order("delta", r->file->name, strlen(r->file->name)));
}
