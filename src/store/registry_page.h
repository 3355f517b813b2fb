/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry_page.h -- the part of the store that a page of the registry is
 * about, in memory: read in bulk, changed row by row, written in bulk.
 * Nobody but the registry's files includes it.  Store thread only.
 */
#ifndef STORE_REGISTRY_PAGE_H
#define STORE_REGISTRY_PAGE_H

#include "shared.h"
#include "store/registry.h"

/* A holder as the rows so far have left it. */
struct page_holder {
	int64_t id; /* negative: not on record, stands for a new one's */
	uint8_t ref[STORE_MAC_SIZE];
	uint8_t tag[STORE_MAC_SIZE];
	uint32_t key_version;
	char municipality[7];
	bool has_pin;
	uint8_t pin[STORE_MAC_SIZE];
	size_t contact_len;
	uint8_t contact[STORE_CONTACT_MAX];
	unsigned int n_phones;
	uint8_t phones[STORE_PHONES_MAX][STORE_MAC_SIZE];
	bool changed;                   /* since it was read */
	struct page_holder *next;       /* in its bucket */
	struct page_holder *next_known; /* that was read */
};

/* A certificate likewise; `cert` is as the store has it, apart from a new
 * one's holder. */
struct page_cert {
	struct store_cert cert;   /* id 0: not on record */
	enum store_status status; /* that the rows so far have given it */
	struct page_cert *next;
};

/* The columns that page_holder_read() reads, of holders. */
#define PAGE_HOLDER_COLUMNS \
	"id, ref, tag, key_version, municipality, pin, contact, phones"

/* Read PAGE_HOLDER_COLUMNS off the row into a zeroed one. */
void page_holder_read(struct db_query *q, struct page_holder *h);

/* Is it what the row says, apart from the reference? */
bool page_holder_same(const struct page_holder *h, const struct store_put *r);

/* Make it what the row says; did anything differ? */
bool page_holder_set(struct page_holder *h, const struct store_put *r);

/* Write what has changed of one that is on record. */
int page_holder_write(
    struct store_db *db, const struct page_holder *h, struct err *err);

/* Does a certificate on record contradict what the registry says of one of a
 * holder's?  -1 with *err (ERR_CONFLICT). */
int registry_contradicts(const struct store_cert *known, int64_t holder,
    const struct store_cert *c, struct err *err);

/* The columns of PAGE_HOLDER_COLUMNS after the id. */
void page_holder_bind(struct db_query *q, const struct page_holder *h);

/* The columns of a certificate's row that page_cert_load() gives, which is a
 * good one's. */
#define PAGE_CERT_COLUMNS \
	"id, holder, carrier, kind, issuer, serial, not_before, not_after," \
	" status, generation, reason, status_us, visible_us"
int page_cert_load(struct db_query *q, int64_t id, const struct store_cert *c,
    struct err *err);

/* Put a new certificate on record, good. */
int registry_cert_add(
    struct store_db *db, const struct store_cert *c, struct err *err);

struct page; /* opaque */

/* Read all that `r` is about, and lock its holders.  Owned (page_free); NULL
 * with *err. */
struct page *page_read(
    struct store_db *db, const struct store_put_page *r, struct err *err);
void page_free(struct page *p);

/* The holder of that reference, or NULL. */
struct page_holder *page_holder_find(
    struct page *p, const uint8_t ref[STORE_MAC_SIZE]);

/* A new holder, empty but for its reference. */
struct page_holder *page_holder_add(
    struct page *p, const uint8_t ref[STORE_MAC_SIZE]);

/* Give a holder another reference. */
void page_holder_rename(
    struct page *p, struct page_holder *h, const uint8_t ref[STORE_MAC_SIZE]);

/* The certificate of that issuer and serial, or NULL. */
struct page_cert *page_cert_find(
    struct page *p, const char *issuer, const char *serial);

/* A new certificate of a holder (or of one that page_holder_add() made), good
 * for now. */
struct page_cert *page_cert_add(
    struct page *p, const struct store_cert *cert, int64_t holder);

/* A change of status, in the order in which they shall be written. */
void page_status_add(struct page *p, struct page_cert *c,
    enum store_status status, int64_t status_us, int64_t now_us);

/* Write what has changed. */
int page_write(struct store_db *db, struct page *p, struct err *err);

/* Is no first load under way, or are its rows in place and that is enough?
 * ERR_REFUSED, or another error. */
int first_load_none(struct store_db *db, bool rows_in_place, struct err *err);

/* The first load whose rows are in place is over; DB_ALONE. */
int first_load_end(struct store_db *db, int64_t *twice, struct err *err);

/* Is this the run of the first load that goes on?  ERR_CONFLICT, or another
 * error. */
int first_load_is(struct store_db *db, int64_t run, struct err *err);

/* Keep how far an import has come: registry_mark.c. */
int import_mark(
    struct store_db *db, const struct store_import_mark *mark, struct err *err);

#endif
