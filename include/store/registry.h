/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry.h -- taking in what the registry says about holders.
 *
 * All personal data arrives here already turned into MACs and sealed text;
 * see verify/factor.h.
 */
#ifndef STORE_REGISTRY_H
#define STORE_REGISTRY_H

#include "store/lookup.h"
#include "store/store.h"

#define STORE_CONTACT_MAX 1024 /* sealed bytes */
#define STORE_PAGE_MAX 4000    /* rows of one page */

enum store_put_result {
	STORE_PUT_NEW,       /* the certificate was not known */
	STORE_PUT_CHANGED,   /* something was different */
	STORE_PUT_UNCHANGED, /* all was as it is */
	STORE_PUT_RESULT_COUNT
};

/*
 * One row of the registry: a holder and one of the holder's certificates.
 * Inserts or updates.  A certificate's issuer, serial, holder, carrier, kind
 * and dates never change: other data under a known serial is ERR_CONFLICT.
 * Status: "good" never lifts a hold and never brings back a revoked one (the
 * latter is ERR_CONFLICT); "hold" and "revoked" take effect on a good
 * certificate, "revoked" also on a held one (its status_us stays the hold's),
 * each with generation + 1, an outbox row and an audit leaf; "hold" for a
 * revoked one is ERR_CONFLICT.
 */
struct store_put {
	struct store_req req;
	/* in: the holder */
	uint8_t ref[STORE_MAC_SIZE]; /* MAC of the holder reference: the key */
	unsigned int n_old;          /* its MACs under older keys: a holder */
	uint8_t old_refs[STORE_TAGS_MAX][STORE_MAC_SIZE]; /* found by one of
				them is renamed, so that keys can be retired */
	uint8_t tag[STORE_MAC_SIZE];                      /* lookup tag */
	uint32_t key_version;
	char municipality[7];
	unsigned int n_phones;
	uint8_t phones[STORE_PHONES_MAX][STORE_MAC_SIZE];
	bool has_pin;
	uint8_t pin[STORE_MAC_SIZE];
	size_t contact_len;
	uint8_t contact[STORE_CONTACT_MAX];
	/* in: the certificate; id, holder, generation and reason are ignored;
	 * status_us is the time of a status that is not good */
	struct store_cert cert;
	int64_t now_us;
	/* out */
	enum store_put_result result;
};
void store_put(struct store *s, struct store_put *r);

/* How far the import of one file has come: all of it before `taken`. */
struct store_import_mark {
	uint8_t key[STORE_MAC_SIZE]; /* which file, under which key */
	int64_t taken;               /* bytes of the file */
	int64_t line;                /* of the file, where it goes on */
	uint8_t digest[32];          /* SHA-256 of those bytes */
	int64_t rejects;             /* bytes of its reject file */
	int64_t at_us;
};

/*
 * Many rows in one transaction, read and written in bulk, with the outcome
 * that store_put() would have for one after the other.  Each row has its own
 * verdict in its req.err (ERR_NONE or ERR_CONFLICT), which does not touch the
 * others; the rows' req is not used otherwise.  The page's own req.err is
 * ERR_NONE when what the good rows say is durable.
 *
 * A caller waits for the page before it hands in the next one: that is what
 * keeps holds from waiting longer than for one page.
 */
struct store_put_page {
	struct store_req req;
	/* in */
	size_t n;                /* at most STORE_PAGE_MAX */
	struct store_put **rows; /* borrowed */
	int64_t run; /* of a first load whose page is read again; 0 = none */
	const struct store_import_mark
	    *mark; /* kept with the rows; NULL = none */
};
void store_put_page(struct store *s, struct store_put_page *r);

/* The mark of a file whose import has not reached the end; found = false:
 * there is none. */
struct store_import_find {
	struct store_req req;
	bool found;                    /* out */
	struct store_import_mark mark; /* in: key; out: the rest */
};
void store_import_find(struct store *s, struct store_import_find *r);

/*
 * The end was reached: forget the mark.  A first load whose rows are in place is
 * over, too, when as many rows were accepted as there are certificates: then
 * the file was the whole registry.
 */
struct store_import_end {
	struct store_req req;
	/* in */
	uint8_t key[STORE_MAC_SIZE];
	int64_t accepted; /* rows, by this run, from the start of the file */
	/* out */
	bool loading; /* a first load is under way still */
};
void store_import_end(struct store *s, struct store_import_end *r);

#endif
