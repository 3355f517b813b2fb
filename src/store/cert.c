/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "shared.h"
#include "store/cert.h"

#define REASON_UNSPECIFIED 0 /* RFC 5280, 5.3.1 */
#define REASON_HOLD 6

void
cert_read(struct db_query *q, struct store_cert *cert)
{
	cert->id = db_get_int(q);
	cert->holder = db_get_int(q);
	cert->carrier = (enum store_carrier)db_get_int(q);
	cert->kind = (enum store_kind)db_get_int(q);
	db_get_text(q, cert->issuer, sizeof(cert->issuer));
	db_get_text(q, cert->serial, sizeof(cert->serial));
	cert->not_before = (int)db_get_int(q);
	cert->not_after = (int)db_get_int(q);
	cert->status = (enum store_status)db_get_int(q);
	cert->generation = db_get_int(q);
	cert->reason = (int)db_get_int(q);
	cert->status_us = db_get_int(q);
}

/* Does `a` matter less than `b`: revoked, or sooner at its end? */
static bool
matters_less(const struct store_cert *a, const struct store_cert *b)
{
	if ((a->status == STORE_REVOKED) != (b->status == STORE_REVOKED))
		return a->status == STORE_REVOKED;
	return a->not_after < b->not_after;
}

static bool
is_live(const struct store_cert *cert, int today)
{
	return cert->status != STORE_REVOKED && cert->not_after >= today;
}

/* No room for `extra`: it takes the place of the least of all, which becomes
 * *extra. */
static void
squeeze_in(struct store_cert certs[STORE_CERTS_MAX], struct store_cert *extra)
{
	struct store_cert swap, *least = &certs[0];
	size_t i;

	for (i = 1; i < STORE_CERTS_MAX; i++)
		if (matters_less(&certs[i], least))
			least = &certs[i];
	if (matters_less(extra, least))
		return;
	swap = *least;
	*least = *extra;
	*extra = swap;
}

static int
by_list_order(const void *va, const void *vb)
{
	const struct store_cert *a = va, *b = vb;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->carrier != b->carrier)
		return a->carrier < b->carrier ? -1 : 1;
	if (a->not_before != b->not_before)
		return a->not_before > b->not_before ? -1 : 1;
	return a->id > b->id ? -1 : 1;
}

struct db_query *
cert_ask(struct store_db *db, const int64_t *holders, size_t n)
{
	struct db_query *q;

	q = db_query(db,
	    "SELECT " CERT_COLUMNS " FROM certificates AS c"
	    " WHERE c.holder = " DB_ANY "($1)");
	db_bind_ints(q, holders, n);
	return q;
}

int
cert_list_add(struct store_cert certs[STORE_CERTS_MAX], size_t *n,
    const struct store_cert *cert, int64_t now_us, struct err *err)
{
	struct store_cert extra = *cert;

	if (*n < STORE_CERTS_MAX) {
		certs[(*n)++] = extra;
		return 0;
	}
	squeeze_in(certs, &extra);
	return is_live(&extra, clock_jst_ymd(now_us))
	    ? err_set(err, ERR_CONFLICT,
		  "holder %" PRId64 " has more than %d live certificates; "
		  "correct the registry",
		  cert->holder, STORE_CERTS_MAX)
	    : 0;
}

void
cert_list_end(struct store_cert certs[STORE_CERTS_MAX], size_t n)
{
	qsort(certs, n, sizeof(certs[0]), by_list_order);
}

int
cert_load(struct store_db *db, int64_t holder,
    struct store_cert certs[STORE_CERTS_MAX], size_t *n, struct err *err)
{
	struct db_query *q = cert_ask(db, &holder, 1);
	struct store_cert cert;
	int rc;

	*n = 0;
	while ((rc = db_step(q, err)) == 1) {
		cert_read(q, &cert);
		if (cert_list_add(certs, n, &cert, db_now_us(db), err) == -1)
			return -1;
	}
	cert_list_end(certs, *n);
	return rc;
}

/* ---- a new status, of several at once: each statement is for all */

static int
statuses_write(struct store_db *db, const struct cert_news *news, size_t n,
    struct err *err)
{
	const struct store_cert *cert;
	struct db_query *q;
	size_t i;

	q = db_query(db,
	    "UPDATE certificates SET status = $1, generation = $2,"
	    " reason = $3, status_us = $4, visible_us = 0"
	    " WHERE id = $5 AND generation = $6 AND status <> 2");
	for (i = 0; i < n; i++) {
		cert = news[i].cert;
		db_bind_int(q, cert->status);
		db_bind_int(q, cert->generation);
		db_bind_int(q, cert->reason);
		db_bind_int(q, cert->status_us);
		db_bind_int(q, cert->id);
		db_bind_int(q, cert->generation - 1);
		if (db_row(q, err) == -1)
			return -1;
	}
	return db_post_rows(q, (int64_t)n, err); /* we lock the holder */
}

/* Of a hold there is one event for all its certificates. */
static int
events_add(struct store_db *db, const struct cert_news *news, size_t n,
    struct err *err)
{
	struct db_query *q = feed_rows(db);
	size_t i;

	for (i = 0; i < n; i++)
		if ((news[i].hold_id == 0 ||
			news[i].cert->status != STORE_HELD) &&
		    feed_row(q, STORE_EVENT_STATUS, db_now_us(db),
			news[i].hold_id, news[i].cert->id, err) == -1)
			return -1;
	return db_post_rows(q, -1, err);
}

static int
outbox_add(struct store_db *db, const struct cert_news *news, size_t n,
    struct err *err)
{
	const struct store_cert *cert;
	struct db_query *q;
	size_t i;

	q = db_query(db,
	    "INSERT INTO outbox (hold, cert, generation, status, reason,"
	    " status_us, park_us, made_us)"
	    " VALUES ($1, $2, $3, $4, $5, $6, 0, $7)");
	for (i = 0; i < n; i++) {
		cert = news[i].cert;
		if (news[i].shown != 0)
			db_bind_int(q, news[i].shown);
		else
			db_bind_null(q);
		db_bind_int(q, cert->id);
		db_bind_int(q, cert->generation);
		db_bind_int(q, cert->status);
		db_bind_int(q, cert->reason);
		db_bind_int(q, cert->status_us);
		db_bind_int(q, db_now_us(db));
		if (db_row(q, err) == -1)
			return -1;
	}
	return db_post_rows(q, (int64_t)n, err);
}

/* The next CRLs have to do with them; crl.h says how. */
static int
crls_note(struct store_db *db, const struct cert_news *news, size_t n,
    struct err *err)
{
	struct db_query *q;
	size_t i;

	q = db_query(db,
	    "INSERT INTO crl_changes (issuer, cert, mark) VALUES ($1, $2, 0)"
	    " ON CONFLICT (issuer, cert) DO UPDATE SET mark = 0");
	for (i = 0; i < n; i++) {
		db_bind_text(q, news[i].cert->issuer);
		db_bind_int(q, news[i].cert->id);
		if (db_row(q, err) == -1)
			return -1;
	}
	return db_post_rows(q, (int64_t)n, err);
}

int
cert_tell(struct store_db *db, const struct cert_news *news, size_t n,
    struct err *err)
{
	if (statuses_write(db, news, n, err) == -1 ||
	    events_add(db, news, n, err) == -1 ||
	    outbox_add(db, news, n, err) == -1 ||
	    crls_note(db, news, n, err) == -1)
		return -1;
	return dispatch_certs(db, news, n, err);
}

static void
cert_set(struct store_cert *cert, enum store_status status, int reason,
    int64_t status_us)
{
	assert(cert->status != STORE_REVOKED);
	cert->status = status;
	cert->generation++;
	cert->reason = reason;
	cert->status_us = status_us;
}

void
cert_hold(struct store_cert *cert, int64_t now_us)
{
	assert(cert->status == STORE_GOOD);
	cert_set(cert, STORE_HELD, REASON_HOLD, now_us);
}

/* Generation + 1, and what tells of it.  `shown` is the hold that becomes
 * visible by it, 0 = none. */
static int
cert_write(struct store_db *db, struct store_cert *cert,
    enum store_status status, int reason, int64_t status_us, int64_t hold_id,
    int64_t shown, struct err *err)
{
	const struct cert_news news = { cert, hold_id, shown };

	cert_set(cert, status, reason, status_us);
	return cert_tell(db, &news, 1, err);
}

int
cert_change(struct store_db *db, struct store_cert *cert,
    enum store_status status, int64_t status_us, struct err *err)
{
	assert(status != STORE_GOOD);
	return cert_write(db, cert, status,
	    status == STORE_HELD ? REASON_HOLD : REASON_UNSPECIFIED, status_us,
	    0, 0, err);
}

int
cert_lift(struct store_db *db, struct store_cert *cert, int64_t now_us,
    int64_t hold_id, struct err *err)
{
	assert(cert->status == STORE_HELD);
	return cert_write(
	    db, cert, STORE_GOOD, REASON_UNSPECIFIED, now_us, hold_id, 0, err);
}

int
cert_revoke(struct store_db *db, struct store_cert *cert, int reason,
    int64_t hold_id, struct err *err)
{
	return cert_write(db, cert, STORE_REVOKED, reason,
	    cert->status == STORE_HELD ? cert->status_us : db_now_us(db),
	    hold_id, 0, err);
}

static int
list_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_cert_list *r = (struct store_cert_list *)req;

	return cert_load(db, r->holder, r->certs, &r->n, err);
}

void
store_cert_list(struct store *s, struct store_cert_list *r)
{
	store_submit(s, &r->req, list_run, DB_READ);
}

static int
find_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_cert_find *r = (struct store_cert_find *)req;
	struct db_query *q;
	int rc = 0;

	q = db_query(db,
	    "SELECT " CERT_COLUMNS ", c.visible_us FROM certificates AS c"
	    " WHERE c.serial = $1 ORDER BY c.issuer");
	db_bind_text(q, r->serial);
	for (r->n = 0; r->n < STORE_CERTS_MAX; r->n++) {
		if ((rc = db_step(q, err)) != 1)
			break;
		cert_read(q, &r->certs[r->n]);
		r->visible_us[r->n] = db_get_int(q);
	}
	return rc == -1 ? -1 : 0;
}

void
store_cert_find(struct store *s, struct store_cert_find *r)
{
	store_submit(s, &r->req, find_run, DB_READ);
}
