/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delta.h -- the registry's news: who moved, who died, which certificates
 * were issued anew or have expired, and what that does to open cases.
 *
 * News come in files.  A file has the name of its feed and a number, and the
 * store remembers the files that were applied: each is applied once, in the
 * order of the numbers, and one that was stopped goes on where it was.
 *
 * News end certificates and cases; they never lift a hold.  A certificate
 * that they revoke keeps the instant of its hold, takes generation + 1, an
 * outbox row and an audit leaf like every other, and the certification
 * authority is compared, not told: the registry speaks for it.
 */
#ifndef STORE_DELTA_H
#define STORE_DELTA_H

#include "store/registry.h"

#define STORE_DELTA_PAGE 200    /* rows of one page */
#define STORE_DELTA_NAME_MAX 32 /* characters of a feed's name */

enum store_delta_kind {
	STORE_DELTA_MOVED,
	STORE_DELTA_DIED,
	STORE_DELTA_REISSUED,
	STORE_DELTA_EXPIRED,
	STORE_DELTA_COUNT
};

/* "moved", "died", "reissued", "expired"; never NULL.  Also the event in a
 * case that it touched, and the outcome of one that it closed. */
const char *store_delta_name(enum store_delta_kind kind);

/* ---- one row */

/*
 * Of `put`, req is used as in a page of the registry: req.err is the row's own
 * verdict, ERR_NOTFOUND or ERR_CONFLICT; and of the rest
 *	all	ref, n_old, old_refs: a holder who must be on record
 *	moved	municipality; with `whole` all of the holder, because what
 *		callers answer is bound to birth date and postal code
 *	reissued	cert: the new one, good
 *	expired	cert: its issuer and serial
 * result is NEW when a certificate was not known, CHANGED when anything was
 * written, else UNCHANGED.
 */
struct store_delta {
	struct store_put put;
	enum store_delta_kind kind;
	int64_t at; /* where it begins in its file, in bytes; over 0 */
	bool whole; /* moved: a person did, and not a municipality's code */
	int date;   /* moved, whole: the Japanese day of the move */
	/* reissued: the one that is replaced */
	char old_issuer[STORE_ISSUER_HEX + 1];
	char old_serial[STORE_SERIAL_MAX + 1];
	int crl_reason; /* CRLReason of what is revoked by it */
	/* out */
	unsigned int revoked; /* certificates */
	unsigned int closed;  /* cases that it ended */
	unsigned int moved;   /* cases that another municipality has now */
	unsigned int noted;   /* other cases with a note of it */
};

/*
 * Does the row end this certificate of its holder, which is not revoked?
 * Pure; on the store thread, with the certificate as it is then; may be asked
 * again.  hold/ending.h is it.
 */
typedef bool store_delta_fn(const struct store_delta *row,
    const struct store_cert *cert, int64_t now_us);

/* ---- a file */

/* A feed's file.  Its content is known by MACs, the first of them under the
 * newest key; one that fits is enough. */
struct store_delta_file {
	char name[STORE_DELTA_NAME_MAX + 1];
	int64_t seq; /* over 0 */
	unsigned int n_digests;
	uint8_t digests[STORE_TAGS_MAX][STORE_MAC_SIZE];
};

/*
 * Begin to apply a file, or find how far it has come.  ERR_REFUSED, with a
 * sentence that says what to do: it is not the next one, an earlier one has
 * not reached its end, the number was used for another content, nobody knows
 * the feed.
 */
struct store_delta_begin {
	struct store_req req;
	/* in */
	struct store_delta_file file;
	bool first; /* a new feed, or a gap that an import has filled */
	/* out */
	int64_t done_us; /* applied to its end then; 0 = not yet */
	int64_t taken;   /* go on at this byte; 0 = at the first row */
	int64_t line;    /* which is on this line */
	int64_t rejects; /* bytes of its reject file up to there */
};
void store_delta_begin(struct store *s, struct store_delta_begin *r);

/*
 * Apply rows of a file that was begun, in one transaction.  A row takes effect
 * once: of those that were applied before, as their `at` says, only the
 * verdict is found again.  ERR_CONFLICT: the file was not begun.
 */
struct store_delta_page {
	struct store_req req;
	/* in */
	const struct store_delta_file *file; /* borrowed */
	store_delta_fn *ends;
	size_t n;                  /* at most STORE_DELTA_PAGE */
	struct store_delta **rows; /* borrowed; ascending by `at` */
	/* where to go on: taken, line, rejects; NULL = where it was */
	const struct store_import_mark *mark;
};
void store_delta_page(struct store *s, struct store_delta_page *r);

/* All rows were applied: the next number may come. */
struct store_delta_end {
	struct store_req req;
	const struct store_delta_file *file; /* in; borrowed */
};
void store_delta_end(struct store *s, struct store_delta_end *r);

/* The newest file of each feed, by name; at most a page. */
#define STORE_DELTA_FEEDS 64
struct store_delta_feed {
	char name[STORE_DELTA_NAME_MAX + 1];
	int64_t seq;
	int64_t begun_us, done_us; /* done_us 0: it has not reached its end */
	int64_t line;              /* where it goes on then; 0 = first row */
};
struct store_delta_list {
	struct store_req req;
	size_t n; /* out */
	struct store_delta_feed feeds[STORE_DELTA_FEEDS];
};
void store_delta_list(struct store *s, struct store_delta_list *r);

#endif
