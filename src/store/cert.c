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
cert_ask(struct store_db *db, int64_t holder)
{
	struct db_query *q;

	q = db_query(db,
	    "SELECT " CERT_COLUMNS " FROM certificates AS c"
	    " WHERE c.holder = $1");
	db_bind_int(q, holder);
	return q;
}

int
cert_load(struct store_db *db, int64_t holder,
    struct store_cert certs[STORE_CERTS_MAX], size_t *n, struct err *err)
{
	return cert_take(db, cert_ask(db, holder), holder, certs, n, err);
}

int
cert_take(struct store_db *db, struct db_query *q, int64_t holder,
    struct store_cert certs[STORE_CERTS_MAX], size_t *n, struct err *err)
{
	struct store_cert extra;
	int rc;

	*n = 0;
	while ((rc = db_step(q, err)) == 1) {
		if (*n < STORE_CERTS_MAX) {
			cert_read(q, &certs[(*n)++]);
			continue;
		}
		cert_read(q, &extra);
		squeeze_in(certs, &extra);
		if (is_live(&extra, clock_jst_ymd(db_now_us(db))))
			return err_set(err, ERR_CONFLICT,
			    "holder %" PRId64 " has more than %d live "
			    "certificates; correct the registry",
			    holder, STORE_CERTS_MAX);
	}
	qsort(certs, *n, sizeof(certs[0]), by_list_order);
	return rc;
}

static int
outbox_add(struct store_db *db, const struct store_cert *cert, int64_t hold_id,
    struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO outbox (hold, cert, generation, status, reason,"
	    " status_us, park_us, made_us)"
	    " VALUES ($1, $2, $3, $4, $5, $6, 0, $7)");
	if (hold_id != 0)
		db_bind_int(q, hold_id);
	else
		db_bind_null(q);
	db_bind_int(q, cert->id);
	db_bind_int(q, cert->generation);
	db_bind_int(q, cert->status);
	db_bind_int(q, cert->reason);
	db_bind_int(q, cert->status_us);
	db_bind_int(q, db_now_us(db));
	return db_post(q, 1, err);
}

/* The next CRLs have to do with it; crl.h says how. */
static int
crl_note(struct store_db *db, const struct store_cert *cert, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO crl_changes (issuer, cert, mark) VALUES ($1, $2, 0)"
	    " ON CONFLICT (issuer, cert) DO UPDATE SET mark = 0");
	db_bind_text(q, cert->issuer);
	db_bind_int(q, cert->id);
	return db_post(q, 1, err);
}

/* Generation + 1, and what tells of it.  `shown` is the hold that becomes
 * visible by it, 0 = none. */
static int
cert_write(struct store_db *db, struct store_cert *cert,
    enum store_status status, int reason, int64_t status_us, int64_t hold_id,
    int64_t shown, struct err *err)
{
	struct db_query *q;

	assert(cert->status != STORE_REVOKED);
	cert->status = status;
	cert->generation++;
	cert->reason = reason;
	cert->status_us = status_us;
	q = db_query(db,
	    "UPDATE certificates SET status = $1, generation = $2,"
	    " reason = $3, status_us = $4, visible_us = 0"
	    " WHERE id = $5 AND generation = $6 AND status <> 2");
	db_bind_int(q, cert->status);
	db_bind_int(q, cert->generation);
	db_bind_int(q, cert->reason);
	db_bind_int(q, cert->status_us);
	db_bind_int(q, cert->id);
	db_bind_int(q, cert->generation - 1);
	if (db_post(q, 1, err) == -1) /* one row: we lock the holder */
		return -1;
	/* of a hold there is one event for all its certificates */
	if ((hold_id == 0 || status != STORE_HELD) &&
	    feed_add(db, STORE_EVENT_STATUS, db_now_us(db), hold_id, cert->id,
		err) == -1)
		return -1;
	if (outbox_add(db, cert, shown, err) == -1 ||
	    crl_note(db, cert, err) == -1)
		return -1;
	return dispatch_cert(db, cert, hold_id, err);
}

int
cert_change(struct store_db *db, struct store_cert *cert,
    enum store_status status, int64_t status_us, int64_t hold_id,
    struct err *err)
{
	assert(status != STORE_GOOD);
	return cert_write(db, cert, status,
	    status == STORE_HELD ? REASON_HOLD : REASON_UNSPECIFIED, status_us,
	    hold_id, hold_id, err);
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
