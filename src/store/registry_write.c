/* SPDX-License-Identifier: Apache-2.0 */
/* Writing what a page of the registry has changed, most of it in bulk. */
#include <inttypes.h>
#include <stdio.h>

#include "registry_inner.h"

/* ---- holders */

/* The columns after the id, or before the WHERE. */
void
page_holder_bind(struct db_query *q, const struct page_holder *h)
{
	db_bind_blob(q, h->ref, STORE_MAC_SIZE);
	db_bind_blob(q, h->tag, STORE_MAC_SIZE);
	db_bind_int(q, h->key_version);
	db_bind_text(q, h->municipality);
	if (h->has_pin)
		db_bind_blob(q, h->pin, STORE_MAC_SIZE);
	else
		db_bind_null(q);
	if (h->contact_len > 0)
		db_bind_blob(q, h->contact, h->contact_len);
	else
		db_bind_null(q);
	if (h->n_phones > 0)
		db_bind_blob(q, h->phones, h->n_phones * STORE_MAC_SIZE);
	else
		db_bind_null(q);
}

/* New holders take their numbers; their certificates learn of them. */
static int
holders_number(struct store_db *db, struct page *p, struct err *err)
{
	int64_t ids[STORE_PAGE_MAX];
	size_t i;

	if (db_new_ids(db, "holders", ids, p->n_holders, err) == -1)
		return -1;
	for (i = 0; i < p->n_holders; i++)
		p->holders[i].id = ids[i];
	for (i = 0; i < p->n_certs; i++)
		if (p->certs[i].cert.holder < 0)
			p->certs[i].cert.holder =
			    ids[-p->certs[i].cert.holder - 1];
	return 0;
}

static int
holders_insert(struct store_db *db, struct page *p, struct err *err)
{
	struct db_query *q;
	size_t i;

	if (p->n_holders == 0)
		return 0;
	if (holders_number(db, p, err) == -1)
		return -1;
	q = db_load(db, "holders (" PAGE_HOLDER_COLUMNS ")");
	for (i = 0; i < p->n_holders; i++) {
		db_bind_int(q, p->holders[i].id);
		page_holder_bind(q, &p->holders[i]);
		if (db_load_row(q, err) == -1)
			return -1;
	}
	return db_load_end(q, err);
}

int
page_holder_write(
    struct store_db *db, const struct page_holder *h, struct err *err)
{
	struct db_query *q;

	if (!h->changed)
		return 0;
	q = db_query(db,
	    "UPDATE holders SET ref = $1, tag = $2, key_version = $3,"
	    " municipality = $4, pin = $5, contact = $6, phones = $7"
	    " WHERE id = $8");
	page_holder_bind(q, h);
	db_bind_int(q, h->id);
	return db_run(q, err);
}

static int
holders_update(struct store_db *db, struct page *p, struct err *err)
{
	struct page_holder *h;

	for (h = p->known; h != NULL; h = h->next_known)
		if (page_holder_write(db, h, err) == -1)
			return -1;
	return 0;
}

/* ---- certificates */

static struct db_query *
certs_into(struct store_db *db)
{
	return db_load(db, "certificates (" PAGE_CERT_COLUMNS ")");
}

int
page_cert_load(
    struct db_query *q, int64_t id, const struct store_cert *c, struct err *err)
{
	db_bind_int(q, id);
	db_bind_int(q, c->holder);
	db_bind_int(q, c->carrier);
	db_bind_int(q, c->kind);
	db_bind_text(q, c->issuer);
	db_bind_text(q, c->serial);
	db_bind_int(q, c->not_before);
	db_bind_int(q, c->not_after);
	db_bind_int(q, STORE_GOOD);
	db_bind_int(q, 0);
	db_bind_int(q, 0);
	db_bind_int(q, 0);
	db_bind_int(q, 0);
	return db_load_row(q, err);
}

/* New ones take their numbers together: a change of status needs them. */
static int
certs_insert(struct store_db *db, struct page *p, struct err *err)
{
	int64_t ids[STORE_PAGE_MAX];
	struct db_query *q;
	size_t i;

	if (p->n_certs == 0)
		return 0;
	if (db_new_ids(db, "certificates", ids, p->n_certs, err) == -1)
		return -1;
	q = certs_into(db);
	for (i = 0; i < p->n_certs; i++) {
		p->certs[i].cert.id = ids[i];
		if (page_cert_load(q, ids[i], &p->certs[i].cert, err) == -1)
			return -1;
	}
	return db_load_end(q, err);
}

int
registry_cert_add(
    struct store_db *db, const struct store_cert *c, struct err *err)
{
	struct db_query *q;
	int64_t id;

	if (db_new_ids(db, "certificates", &id, 1, err) == -1)
		return -1;
	q = certs_into(db);
	return page_cert_load(q, id, c, err) == -1 ? -1 : db_load_end(q, err);
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

/* A revoked hold keeps the instant of the hold. */
static int
change_write(struct store_db *db, struct page_change *change, struct err *err)
{
	struct store_cert *c = &change->cert->cert;
	int64_t status_us = c->status == STORE_HELD ? c->status_us
	    : change->status_us != 0                ? change->status_us
						    : change->now_us;

	if (cert_change(db, c, change->status, status_us, err) == -1)
		return -1;
	return write_leaf(db, c, change->now_us, err);
}

int
page_write(struct store_db *db, struct page *p, struct err *err)
{
	size_t i;

	if (holders_insert(db, p, err) == -1 ||
	    holders_update(db, p, err) == -1 || certs_insert(db, p, err) == -1)
		return -1;
	for (i = 0; i < p->n_changes; i++)
		if (change_write(db, &p->changes[i], err) == -1)
			return -1;
	return 0;
}
