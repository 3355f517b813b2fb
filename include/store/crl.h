/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crl.h -- what certificate revocation lists are made of.
 *
 * Every certificate that ever was not good has a row in crl_changes.  Its mark
 * is 0 from the moment its status changes until a base CRL is begun, and then
 * that CRL's number.  So a delta CRL against base number b lists the rows whose
 * mark is 0 or higher than b: all that changed since, perhaps a few that the
 * base has too, and never one too few.  Numbers are given out before what they
 * stand for is read, so a higher number never has older news.
 *
 * The order of work: store_crl_begin(); for a base store_crl_mark() until
 * nothing is left; store_crl_scan(); the files; store_crl_done().  Meant for
 * a store that was opened with threads = 0 on a thread of its own: a scan
 * takes as long as there are entries.
 */
#ifndef STORE_CRL_H
#define STORE_CRL_H

#include "store/store.h"

#define STORE_CRL_MARK 1000 /* rows that one store_crl_mark() marks */
#define STORE_CRL_NUMBER_END (INT64_C(1) << 62) /* numbers are below it */

/*
 * The next CRL number of an issuer.  ERR_RANGE: `above`, or the number that the
 * store has, is none that another can follow; nothing was written.
 */
struct store_crl_begin {
	struct store_req req;
	/* in */
	char issuer[STORE_ISSUER_HEX + 1];
	int64_t above; /* a number that is published already: the new one is
			  higher, also after an older store was restored */
	int64_t base_every_us; /* how long one base serves */
	int64_t now_us;
	/* out */
	int64_t number;
	bool is_base;    /* this one shall become the base */
	int64_t base;    /* for a delta: number of the last base; 0 = none */
	int64_t base_us; /* when that was begun */
};
void store_crl_begin(struct store *s, struct store_crl_begin *r);

/* Mark a few of the changes as being in base `number`.  ERR_CONFLICT: another
 * server has begun a base since; this one cannot become it. */
struct store_crl_mark {
	struct store_req req;
	/* in */
	char issuer[STORE_ISSUER_HEX + 1];
	int64_t number;
	/* out */
	int64_t n; /* fewer than STORE_CRL_MARK: that was all */
};
void store_crl_mark(struct store *s, struct store_crl_mark *r);

/* Store thread.  -1 with *err ends the scan with that error.
 *   changed	since the base: it belongs into the delta, too */
typedef int store_crl_entry_fn(
    void *ctx, const struct store_cert *cert, bool changed, struct err *err);

/*
 * Every certificate of an issuer that is, or since the base was, not good, as
 * all were at one instant, by ascending id.  Only a page of them is in memory.
 */
struct store_crl_scan {
	struct store_req req;
	/* in */
	char issuer[STORE_ISSUER_HEX + 1];
	int64_t base;  /* for `changed`; 0 = nothing is */
	int not_after; /* leave out what ended before this Japanese day */
	store_crl_entry_fn *entry;
	void *ctx;
};
void store_crl_scan(struct store *s, struct store_crl_scan *r);

/* The files of a base are in place: deltas refer to it from now on.  Nothing
 * happens when another server has begun a base since. */
struct store_crl_done {
	struct store_req req;
	/* in */
	char issuer[STORE_ISSUER_HEX + 1];
	int64_t number;
	int64_t now_us; /* store_crl_begin.now_us */
	/* out */
	bool is_base;
};
void store_crl_done(struct store *s, struct store_crl_done *r);

#endif
