/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a row of the registry does.  The rows of a page are judged one after
 * the other in memory, against what page_read() found and the rows before
 * have changed: a page is its rows one by one, at the price of a few
 * statements.
 */
#include <assert.h>
#include <string.h>

#include "registry_page.h"

/* ---- the holder */

/* By the present key's MAC of the reference, or by an older key's. */
static struct page_holder *
holder_find(struct page *p, const struct store_put *r)
{
	struct page_holder *h = page_holder_find(p, r->ref);
	unsigned int i;

	for (i = 0; h == NULL && i < r->n_old; i++)
		h = page_holder_find(p, r->old_refs[i]);
	return h;
}

bool
page_holder_same(const struct page_holder *h, const struct store_put *r)
{
	return memcmp(h->tag, r->tag, STORE_MAC_SIZE) == 0 &&
	    h->key_version == r->key_version &&
	    strcmp(h->municipality, r->municipality) == 0 &&
	    h->has_pin == r->has_pin &&
	    (!r->has_pin || memcmp(h->pin, r->pin, STORE_MAC_SIZE) == 0) &&
	    h->contact_len == r->contact_len &&
	    memcmp(h->contact, r->contact, r->contact_len) == 0 &&
	    h->n_phones == r->n_phones &&
	    memcmp(h->phones, r->phones, r->n_phones * STORE_MAC_SIZE) == 0;
}

static void
holder_set(struct page_holder *h, const struct store_put *r)
{
	memcpy(h->tag, r->tag, STORE_MAC_SIZE);
	h->key_version = r->key_version;
	memcpy(h->municipality, r->municipality, sizeof(h->municipality));
	h->has_pin = r->has_pin;
	memcpy(h->pin, r->pin, STORE_MAC_SIZE);
	h->contact_len = r->contact_len;
	memcpy(h->contact, r->contact, r->contact_len);
	h->n_phones = r->n_phones;
	memcpy(h->phones, r->phones, r->n_phones * STORE_MAC_SIZE);
	h->changed = true;
}

bool
page_holder_set(struct page_holder *h, const struct store_put *r)
{
	if (page_holder_same(h, r))
		return false;
	holder_set(h, r);
	return true;
}

/* Bring the holder up to date; only what differs is written.  `h` NULL: a new
 * one. */
static struct page_holder *
holder_put(struct page *p, struct store_put *r, struct page_holder *h)
{
	if (h == NULL) {
		h = page_holder_add(p, r->ref);
	} else if (memcmp(h->ref, r->ref, STORE_MAC_SIZE) != 0) {
		page_holder_rename(p, h, r->ref);
		r->result = STORE_PUT_CHANGED;
	}
	if (page_holder_set(h, r))
		r->result = STORE_PUT_CHANGED;
	return h;
}

/* ---- the certificate */

int
registry_contradicts(const struct store_cert *known, int64_t holder,
    const struct store_cert *c, struct err *err)
{
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
known_check(const struct page_cert *k, const struct page_holder *holder,
    const struct store_put *r, struct err *err)
{
	struct store_cert known;

	if (k == NULL)
		return 0;
	known = k->cert;
	known.status = k->status; /* as the rows before have left it */
	return registry_contradicts(
	    &known, holder != NULL ? holder->id : 0, &r->cert, err);
}

/* The registry may put on hold and revoke; "good" never lifts. */
static void
status_put(struct page *p, struct store_put *r, struct page_cert *c)
{
	if (r->cert.status == STORE_GOOD || r->cert.status == c->status)
		return;
	page_status_add(p, c, r->cert.status, r->cert.status_us, r->now_us);
	if (r->result != STORE_PUT_NEW)
		r->result = STORE_PUT_CHANGED;
}

/* All that can be refused is refused before anything is changed. */
static int
row_put(struct page *p, struct store_put *r, struct err *err)
{
	struct page_holder *holder = holder_find(p, r);
	struct page_cert *cert =
	    page_cert_find(p, r->cert.issuer, r->cert.serial);

	assert(r->n_phones <= STORE_PHONES_MAX && r->n_old <= STORE_TAGS_MAX);
	assert(r->contact_len <= STORE_CONTACT_MAX);
	r->result = STORE_PUT_UNCHANGED;
	if (known_check(cert, holder, r, err) == -1)
		return -1;
	holder = holder_put(p, r, holder);
	if (cert == NULL) {
		cert = page_cert_add(p, &r->cert, holder->id);
		r->result = STORE_PUT_NEW;
	}
	status_put(p, r, cert);
	return 0;
}

/* ---- the intents */

static int
page_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_put_page *r = (struct store_put_page *)req;
	struct page *p;
	size_t i;
	int rc;

	assert(r->n <= STORE_PAGE_MAX);
	if ((r->run != 0 ? first_load_is(db, r->run, err)
			 : first_load_none(db, true, err)) == -1 ||
	    (p = page_read(db, r, err)) == NULL)
		return -1;
	for (i = 0; i < r->n; i++) {
		r->rows[i]->req.err.code = ERR_NONE;
		row_put(p, r->rows[i], &r->rows[i]->req.err);
	}
	rc = page_write(db, p, err);
	page_free(p);
	return rc == 0 && r->mark != NULL ? import_mark(db, r->mark, err) : rc;
}

void
store_put_page(struct store *s, struct store_put_page *r)
{
	store_submit(s, &r->req, page_run, DB_WRITE);
}

static int
put_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_put *r = (struct store_put *)req;
	struct store_put_page one = { .n = 1, .rows = &r };
	struct err fault = { 0 };

	if (page_run(db, &one.req, &fault) == -1)
		*err = fault;
	return err->code == ERR_NONE ? 0 : -1;
}

void
store_put(struct store *s, struct store_put *r)
{
	/* DB_WRITE: the holder's row is locked; two that make one holder or
	 * certificate at once meet at its unique key */
	store_submit_in_order(s, &r->req, put_run, DB_WRITE,
	    store_order("ref", r->ref, sizeof(r->ref)));
}
