/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what a page of the registry is about; registry_write.c writes it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "registry_inner.h"

/* So many keys are asked for by one statement. */
#define ASK 128
#define ASKED \
	"($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14," \
	" $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26," \
	" $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38," \
	" $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50," \
	" $51, $52, $53, $54, $55, $56, $57, $58, $59, $60, $61, $62," \
	" $63, $64, $65, $66, $67, $68, $69, $70, $71, $72, $73, $74," \
	" $75, $76, $77, $78, $79, $80, $81, $82, $83, $84, $85, $86," \
	" $87, $88, $89, $90, $91, $92, $93, $94, $95, $96, $97, $98," \
	" $99, $100, $101, $102, $103, $104, $105, $106, $107, $108," \
	" $109, $110, $111, $112, $113, $114, $115, $116, $117, $118," \
	" $119, $120, $121, $122, $123, $124, $125, $126, $127, $128)"

/* ---- finding: MACs and serials are as good as random */

static size_t
ref_hash(const uint8_t ref[STORE_MAC_SIZE])
{
	uint64_t h = 0;
	size_t i;

	for (i = 0; i < STORE_MAC_SIZE; i++)
		h = h * 31 + ref[i];
	return (size_t)(h % PAGE_BUCKETS);
}

static size_t
serial_hash(const char *serial)
{
	uint64_t h = 0;

	for (; *serial != '\0'; serial++)
		h = h * 31 + (uint8_t)*serial;
	return (size_t)(h % PAGE_BUCKETS);
}

struct page_holder *
page_holder_find(struct page *p, const uint8_t ref[STORE_MAC_SIZE])
{
	struct page_holder *h = p->by_ref[ref_hash(ref)];

	while (h != NULL && memcmp(h->ref, ref, STORE_MAC_SIZE) != 0)
		h = h->next;
	return h;
}

static void
holder_link(struct page *p, struct page_holder *h)
{
	struct page_holder **bucket = &p->by_ref[ref_hash(h->ref)];

	h->next = *bucket;
	*bucket = h;
}

struct page_holder *
page_holder_add(struct page *p, const uint8_t ref[STORE_MAC_SIZE])
{
	struct page_holder *h = &p->holders[p->n_holders++];

	assert(p->n_holders <= p->n);
	h->id = -(int64_t)p->n_holders;
	memcpy(h->ref, ref, STORE_MAC_SIZE);
	holder_link(p, h);
	return h;
}

void
page_holder_rename(
    struct page *p, struct page_holder *h, const uint8_t ref[STORE_MAC_SIZE])
{
	struct page_holder **at = &p->by_ref[ref_hash(h->ref)];

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	memcpy(h->ref, ref, STORE_MAC_SIZE);
	holder_link(p, h);
	h->changed = true;
}

struct page_cert *
page_cert_find(struct page *p, const char *issuer, const char *serial)
{
	struct page_cert *c = p->by_serial[serial_hash(serial)];

	while (c != NULL &&
	    (strcmp(c->cert.serial, serial) != 0 ||
		strcmp(c->cert.issuer, issuer) != 0))
		c = c->next;
	return c;
}

static void
cert_link(struct page *p, struct page_cert *c)
{
	struct page_cert **bucket = &p->by_serial[serial_hash(c->cert.serial)];

	c->next = *bucket;
	*bucket = c;
}

struct page_cert *
page_cert_add(struct page *p, const struct store_cert *cert, int64_t holder)
{
	struct page_cert *c = &p->certs[p->n_certs++];

	assert(p->n_certs <= p->n);
	c->cert = *cert;
	c->cert.id = 0;
	c->cert.holder = holder;
	c->cert.generation = 0;
	c->cert.status = c->status = STORE_GOOD;
	cert_link(p, c);
	return c;
}

void
page_status_add(struct page *p, struct page_cert *c, enum store_status status,
    int64_t status_us, int64_t now_us)
{
	assert(p->n_changes < p->n);
	c->status = status;
	p->changes[p->n_changes++] =
	    (struct page_change){ c, status, status_us, now_us };
}

/* ---- reading */

/* Remember what was found, to be freed with the page. */
static void *
page_keep(struct page *p, size_t size, struct err *err)
{
	struct page_found *f = calloc(1, sizeof(*f) + size);

	if (f == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	f->next = p->found;
	p->found = f;
	return f->bytes;
}

void
page_holder_read(struct db_query *q, struct page_holder *h)
{
	h->id = db_get_int(q);
	db_get_blob(q, h->ref, STORE_MAC_SIZE);
	db_get_blob(q, h->tag, STORE_MAC_SIZE);
	h->key_version = (uint32_t)db_get_int(q);
	db_get_text(q, h->municipality, sizeof(h->municipality));
	h->has_pin = db_get_blob(q, h->pin, STORE_MAC_SIZE) == STORE_MAC_SIZE;
	h->contact_len = db_get_blob(q, h->contact, STORE_CONTACT_MAX);
	h->n_phones =
	    (unsigned int)(db_get_blob(q, h->phones, sizeof(h->phones)) /
		STORE_MAC_SIZE);
}

static int
holder_take(struct page *p, struct db_query *q, struct err *err)
{
	struct page_holder *h = page_keep(p, sizeof(*h), err);

	if (h == NULL)
		return -1;
	page_holder_read(q, h);
	if (page_holder_find(p, h->ref) != NULL)
		return 0; /* it was asked for before */
	holder_link(p, h);
	h->next_known = p->known;
	p->known = h;
	return 0;
}

/* Holders are locked in the order of the file: two nodes that import at once
 * may wait for each other, and one of them then runs alone. */
static int
holders_ask(struct store_db *db, struct page *p, const uint8_t *refs[ASK],
    size_t n, struct err *err)
{
	struct db_query *q;
	size_t i;
	int rc;

	if (n == 0)
		return 0;
	q = db_query(db,
	    "SELECT " PAGE_HOLDER_COLUMNS
	    " FROM holders WHERE ref IN " ASKED DB_FOR_UPDATE);
	for (i = 0; i < ASK; i++)
		db_bind_blob(q, refs[i < n ? i : n - 1], STORE_MAC_SIZE);
	while ((rc = db_step(q, err)) == 1)
		if (holder_take(p, q, err) == -1)
			return -1;
	return rc;
}

/* A reference of a row: its own, or the one under its old key `old` - 1. */
static const uint8_t *
row_ref(const struct store_put *r, unsigned int old)
{
	return old == 0       ? r->ref
	    : old <= r->n_old ? r->old_refs[old - 1]
			      : NULL;
}

/* Rows of one holder mostly stand together: ask once. */
static bool
asked_before(const struct store_put_page *r, size_t i, unsigned int old)
{
	const uint8_t *before = i > 0 ? row_ref(r->rows[i - 1], old) : NULL;

	return before != NULL &&
	    memcmp(before, row_ref(r->rows[i], old), STORE_MAC_SIZE) == 0;
}

static int
holders_read(struct store_db *db, struct page *p,
    const struct store_put_page *r, unsigned int old, struct err *err)
{
	const uint8_t *refs[ASK], *ref;
	size_t i, n = 0;

	for (i = 0; i < r->n; i++) {
		ref = row_ref(r->rows[i], old);
		if (ref == NULL || asked_before(r, i, old))
			continue;
		refs[n++] = ref;
		if (n == ASK) {
			if (holders_ask(db, p, refs, n, err) == -1)
				return -1;
			n = 0;
		}
	}
	return holders_ask(db, p, refs, n, err);
}

/* Are there rows that may be known by a name under key `old` - 1 only? */
static bool
old_wanted(const struct store_put_page *r, unsigned int old)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (old <= r->rows[i]->n_old)
			return true;
	return false;
}

static int
certs_ask(struct store_db *db, struct page *p, struct store_put *rows[ASK],
    size_t n, struct err *err)
{
	struct page_cert *c;
	struct db_query *q;
	size_t i;
	int rc;

	q = db_query(db,
	    "SELECT " CERT_COLUMNS " FROM certificates AS c"
	    " WHERE c.serial IN " ASKED);
	for (i = 0; i < ASK; i++)
		db_bind_text(q, rows[i < n ? i : n - 1]->cert.serial);
	while ((rc = db_step(q, err)) == 1) {
		if ((c = page_keep(p, sizeof(*c), err)) == NULL)
			return -1;
		cert_read(q, &c->cert);
		c->status = c->cert.status;
		if (page_cert_find(p, c->cert.issuer, c->cert.serial) == NULL)
			cert_link(p, c);
	}
	return rc;
}

static int
certs_read(struct store_db *db, struct page *p, const struct store_put_page *r,
    struct err *err)
{
	size_t i, n;

	for (i = 0; i < r->n; i += n) {
		n = r->n - i < ASK ? r->n - i : ASK;
		if (certs_ask(db, p, r->rows + i, n, err) == -1)
			return -1;
	}
	return 0;
}

static struct page *
page_new(size_t n, struct err *err)
{
	struct page *p = calloc(1, sizeof(*p));

	if (p != NULL) {
		p->n = n;
		p->holders = calloc(n + 1, sizeof(*p->holders));
		p->certs = calloc(n + 1, sizeof(*p->certs));
		p->changes = calloc(n + 1, sizeof(*p->changes));
	}
	if (p != NULL && p->holders != NULL && p->certs != NULL &&
	    p->changes != NULL)
		return p;
	page_free(p);
	err_set(err, ERR_NOMEM, "out of memory");
	return NULL;
}

/* First the holders, who are locked, and then what stays as it is meanwhile. */
struct page *
page_read(struct store_db *db, const struct store_put_page *r, struct err *err)
{
	struct page *p = page_new(r->n, err);
	unsigned int old;
	int rc = 0;

	if (p == NULL)
		return NULL;
	for (old = 0; rc == 0 && (old == 0 || old_wanted(r, old)); old++)
		rc = holders_read(db, p, r, old, err);
	if (rc == 0)
		rc = certs_read(db, p, r, err);
	if (rc == 0)
		return p;
	page_free(p);
	return NULL;
}

void
page_free(struct page *p)
{
	struct page_found *f, *next;

	if (p == NULL)
		return;
	for (f = p->found; f != NULL; f = next) {
		next = f->next;
		free(f);
	}
	free(p->holders);
	free(p->certs);
	free(p->changes);
	free(p);
}
