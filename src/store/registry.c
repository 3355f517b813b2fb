/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shared.h"
#include "store/registry.h"

/* ---- the holder */

/* A holder's row as it is; id = 0: there is none. */
struct holder {
	int64_t id;
	const uint8_t *ref; /* that it was found by */
	uint8_t tag[STORE_MAC_SIZE];
	uint32_t key_version;
	char municipality[7];
	bool has_pin;
	uint8_t pin[STORE_MAC_SIZE];
	size_t contact_len;
	uint8_t contact[STORE_CONTACT_MAX];
	unsigned int n_phones;
	uint8_t phones[STORE_PHONES_MAX][STORE_MAC_SIZE];
};

static int
phones_read(struct store_db *db, struct holder *h, struct err *err)
{
	struct db_query *q;
	int rc = 0;

	q = db_query(
	    db, "SELECT mac FROM phones WHERE holder = $1 ORDER BY place");
	db_bind_int(q, h->id);
	for (h->n_phones = 0; h->n_phones < STORE_PHONES_MAX; h->n_phones++) {
		if ((rc = db_step(q, err)) != 1)
			break;
		db_get_blob(q, h->phones[h->n_phones], STORE_MAC_SIZE);
	}
	return rc == -1 ? -1 : 0;
}

static int
holder_by_ref(struct store_db *db, const uint8_t ref[STORE_MAC_SIZE],
    struct holder *h, struct err *err)
{
	struct db_query *q;
	int rc;

	memset(h, 0, sizeof(*h));
	q = db_query(db,
	    "SELECT id, tag, key_version, municipality, pin, contact"
	    " FROM holders WHERE ref = $1" DB_FOR_UPDATE);
	db_bind_blob(q, ref, STORE_MAC_SIZE);
	if ((rc = db_step(q, err)) != 1)
		return rc;
	h->id = db_get_int(q);
	h->ref = ref;
	db_get_blob(q, h->tag, STORE_MAC_SIZE);
	h->key_version = (uint32_t)db_get_int(q);
	db_get_text(q, h->municipality, sizeof(h->municipality));
	h->has_pin = db_get_blob(q, h->pin, STORE_MAC_SIZE) == STORE_MAC_SIZE;
	h->contact_len = db_get_blob(q, h->contact, STORE_CONTACT_MAX);
	return phones_read(db, h, err);
}

/* By the present key's MAC of the reference, or by an older key's. */
static int
holder_read(struct store_db *db, const struct store_put *r, struct holder *h,
    struct err *err)
{
	unsigned int i;
	int rc = holder_by_ref(db, r->ref, h, err);

	for (i = 0; rc == 0 && h->id == 0 && i < r->n_old; i++)
		rc = holder_by_ref(db, r->old_refs[i], h, err);
	return rc;
}

static int
holder_rename(struct store_db *db, const struct store_put *r,
    const struct holder *h, struct err *err)
{
	struct db_query *q;

	q = db_query(db, "UPDATE holders SET ref = $1 WHERE id = $2");
	db_bind_blob(q, r->ref, STORE_MAC_SIZE);
	db_bind_int(q, h->id);
	return db_run(q, err);
}

static bool
phones_same(const struct holder *h, const struct store_put *r)
{
	return h->n_phones == r->n_phones &&
	    memcmp(h->phones, r->phones, r->n_phones * STORE_MAC_SIZE) == 0;
}

static bool
holder_same(const struct holder *h, const struct store_put *r)
{
	return h->ref == r->ref &&
	    memcmp(h->tag, r->tag, STORE_MAC_SIZE) == 0 &&
	    h->key_version == r->key_version &&
	    strcmp(h->municipality, r->municipality) == 0 &&
	    h->has_pin == r->has_pin &&
	    (!r->has_pin || memcmp(h->pin, r->pin, STORE_MAC_SIZE) == 0) &&
	    h->contact_len == r->contact_len &&
	    memcmp(h->contact, r->contact, r->contact_len) == 0;
}

static int
phones_write(struct store_db *db, int64_t holder, const struct store_put *r,
    struct err *err)
{
	struct db_query *q;
	unsigned int i;

	q = db_query(db, "DELETE FROM phones WHERE holder = $1");
	db_bind_int(q, holder);
	if (db_run(q, err) == -1)
		return -1;
	for (i = 0; i < r->n_phones; i++) {
		q = db_query(db,
		    "INSERT INTO phones (holder, place, mac)"
		    " VALUES ($1, $2, $3)");
		db_bind_int(q, holder);
		db_bind_int(q, i);
		db_bind_blob(q, r->phones[i], STORE_MAC_SIZE);
		if (db_run(q, err) == -1)
			return -1;
	}
	return 0;
}

/* Insert, or update by ref. */
static int
holder_upsert(struct store_db *db, const struct store_put *r, int64_t *id,
    struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO holders (ref, tag, key_version, municipality, pin,"
	    " contact) VALUES ($1, $2, $3, $4, $5, $6)"
	    " ON CONFLICT (ref) DO UPDATE SET tag = excluded.tag,"
	    " key_version = excluded.key_version,"
	    " municipality = excluded.municipality, pin = excluded.pin,"
	    " contact = excluded.contact" DB_ID);
	db_bind_blob(q, r->ref, STORE_MAC_SIZE);
	db_bind_blob(q, r->tag, STORE_MAC_SIZE);
	db_bind_int(q, r->key_version);
	db_bind_text(q, r->municipality);
	if (r->has_pin)
		db_bind_blob(q, r->pin, STORE_MAC_SIZE);
	else
		db_bind_null(q);
	if (r->contact_len > 0)
		db_bind_blob(q, r->contact, r->contact_len);
	else
		db_bind_null(q);
	return db_run_id(q, id, err) == -1 ? -1 : 0;
}

/* Bring the holder up to date; only what differs is written. */
static int
holder_put(
    struct store_db *db, struct store_put *r, struct holder *h, struct err *err)
{
	bool same = h->id != 0 && holder_same(h, r);
	int64_t id = 0;

	if (h->id != 0 && h->ref != r->ref &&
	    holder_rename(db, r, h, err) == -1)
		return -1;
	if (!same && holder_upsert(db, r, &id, err) == -1)
		return -1;
	if (h->id == 0)
		h->id = id;
	if (same && phones_same(h, r))
		return 0;
	r->result = STORE_PUT_CHANGED;
	return phones_same(h, r) ? 0 : phones_write(db, h->id, r, err);
}

/* ---- the certificate */

/* id = 0: not on record. */
static int
known_read(struct store_db *db, const struct store_put *r,
    struct store_cert *known, struct err *err)
{
	struct db_query *q;
	int rc;

	memset(known, 0, sizeof(*known));
	q = db_query(db,
	    "SELECT " CERT_COLUMNS " FROM certificates AS c"
	    " WHERE c.serial = $1 AND c.issuer = $2");
	db_bind_text(q, r->cert.serial);
	db_bind_text(q, r->cert.issuer);
	if ((rc = db_step(q, err)) == 1)
		cert_read(q, known);
	return rc == -1 ? -1 : 0;
}

/* Does the registry contradict what is on record? */
static int
known_check(const struct store_cert *known, int64_t holder,
    const struct store_put *r, struct err *err)
{
	const struct store_cert *c = &r->cert;

	if (known->id == 0)
		return 0;
	if (known->holder != holder)
		return err_set(err, ERR_CONFLICT,
		    "serial %s: already on record for another holder; one of "
		    "the two rows is wrong",
		    c->serial);
	if (known->carrier != c->carrier || known->kind != c->kind)
		return err_set(err, ERR_CONFLICT,
		    "serial %s: on record as a %s certificate on a %s; a "
		    "serial is never used twice",
		    c->serial, store_kind_name(known->kind),
		    store_carrier_name(known->carrier));
	if (known->not_before != c->not_before ||
	    known->not_after != c->not_after)
		return err_set(err, ERR_CONFLICT,
		    "serial %s: on record as valid from %d to %d; the dates "
		    "of a certificate never change",
		    c->serial, known->not_before, known->not_after);
	if (known->status == STORE_REVOKED && c->status != STORE_REVOKED)
		return err_set(err, ERR_CONFLICT,
		    "serial %s: revoked is final, yet the registry now says "
		    "%s; ask the certification authority",
		    c->serial, store_status_name(c->status));
	return 0;
}

static int
cert_insert(struct store_db *db, const struct store_put *r, int64_t holder,
    struct store_cert *made, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO certificates (holder, carrier, kind, issuer, serial,"
	    " not_before, not_after, status, generation, reason, status_us,"
	    " visible_us)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0, 0, 0)" DB_ID);
	db_bind_int(q, holder);
	db_bind_int(q, r->cert.carrier);
	db_bind_int(q, r->cert.kind);
	db_bind_text(q, r->cert.issuer);
	db_bind_text(q, r->cert.serial);
	db_bind_int(q, r->cert.not_before);
	db_bind_int(q, r->cert.not_after);
	*made = r->cert;
	if (db_run_id(q, &made->id, err) == -1)
		return -1;
	made->holder = holder;
	made->status = STORE_GOOD;
	made->generation = 0;
	return 0;
}

static int
write_leaf(struct store_db *db, const struct store_cert *c, int64_t now_us,
    struct err *err)
{
	char text[AUDIT_TEXT_MAX];

	snprintf(text, sizeof(text),
	    "{\"registry\":\"%s\",\"cert\":\"%s/%s:%" PRId64 "\"}",
	    store_status_name(c->status), c->issuer, c->serial, c->generation);
	return audit_append(db, now_us, text, err);
}

/* The registry may put on hold and revoke; "good" never lifts.  A revoked
 * hold keeps the instant of the hold. */
static int
status_put(struct store_db *db, struct store_put *r, struct store_cert *known,
    struct err *err)
{
	int64_t status_us;

	if (r->cert.status == STORE_GOOD || r->cert.status == known->status)
		return 0;
	status_us = known->status == STORE_HELD ? known->status_us
	    : r->cert.status_us != 0            ? r->cert.status_us
						: r->now_us;
	if (cert_change(db, known, r->cert.status, status_us, 0, err) == -1)
		return -1;
	if (r->result != STORE_PUT_NEW)
		r->result = STORE_PUT_CHANGED;
	return write_leaf(db, known, r->now_us, err);
}

/* All that can be refused is refused before anything is written. */
static int
put_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_put *r = (struct store_put *)req;
	struct store_cert known;
	struct holder holder;

	assert(r->n_phones <= STORE_PHONES_MAX && r->n_old <= STORE_TAGS_MAX);
	assert(r->contact_len <= STORE_CONTACT_MAX);
	r->result = STORE_PUT_UNCHANGED;
	if (holder_read(db, r, &holder, err) == -1 ||
	    known_read(db, r, &known, err) == -1 ||
	    known_check(&known, holder.id, r, err) == -1 ||
	    holder_put(db, r, &holder, err) == -1)
		return -1;
	if (known.id == 0) {
		if (cert_insert(db, r, holder.id, &known, err) == -1)
			return -1;
		r->result = STORE_PUT_NEW;
	}
	return status_put(db, r, &known, err);
}

void
store_put(struct store *s, struct store_put *r)
{
	/* DB_WRITE: the holder's row is locked; two that make one holder or
	 * certificate at once meet at its unique key */
	store_submit_in_order(s, &r->req, put_run, DB_WRITE,
	    store_order("ref", r->ref, sizeof(r->ref)));
}
