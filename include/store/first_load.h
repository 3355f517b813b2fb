/* SPDX-License-Identifier: Apache-2.0 */
/*
 * first_load.h -- taking a whole registry into a store that has nobody yet.
 *
 * Rows go into tables that nobody looks at and that have no keys to be looked
 * up; when all of them are there the keys are made at once, and the tables take
 * the place of the empty ones.  Until then no holder is found.  What is not as
 * simple as that (a holder or a serial that is there twice, a status that is not
 * good) is given to store_put_page() afterwards, page by page; the outcome is
 * what it would have made of all rows.
 *
 * In this order, one at a time:
 *
 *	store_first_begin	once, and again after a stop
 *	store_first_page	all rows of the file
 *	store_first_key		until it has no more to do
 *	store_first_swap
 *	store_first_next	each page that is to be read again
 *	store_first_done
 *
 * Who begins takes over from a process that is at it still: what that one asks
 * from then on is ERR_CONFLICT, as is a page that is read again with its run.
 * From begin to swap store_put() and store_put_page() are refused
 * (ERR_REFUSED), so that the registry is still empty then; news of the registry
 * are refused to the end, and so is the lease of the heartbeat that asks
 * for a whole registry.  From the swap on an import that comes to its end
 * (store_import_end) ends the first load, too.
 */
#ifndef STORE_FIRST_LOAD_H
#define STORE_FIRST_LOAD_H

#include "store/registry.h"

enum store_first_stage {
	STORE_FIRST_ROWS = 1, /* rows are taken in */
	STORE_FIRST_INDEX,    /* all are; keys are made */
	STORE_FIRST_AGAIN,    /* they are in place; pages are read again */
};

/*
 * Begin, or go on with the file of `key`: what was taken in of it before
 * `taken` is kept, the rest is forgotten.  ERR_REFUSED: there are holders
 * already, or a first load of another file is under way and from_start is
 * false, or all rows are there but the mark of all of them does not fit the
 * file any more; one sentence that says what to do.
 */
struct store_first_begin {
	struct store_req req;
	/* in */
	uint8_t key[STORE_MAC_SIZE]; /* of store_import_mark */
	bool from_start;             /* forget all, of whatever file */
	/* in and out: of the mark; 0 = there is none, or nothing is kept */
	int64_t taken;
	/* out */
	enum store_first_stage stage;
	int64_t run; /* for all that follows; never 0 */
};
void store_first_begin(struct store *s, struct store_first_begin *r);

/*
 * Rows in one transaction, as store_put_page(): the file's page at `start`.  The
 * same page twice is one.  Every row's result is STORE_PUT_NEW.
 */
struct store_first_page {
	struct store_req req;
	/* in */
	int64_t run;
	size_t n;                /* at most STORE_PAGE_MAX */
	struct store_put **rows; /* borrowed */
	uint64_t start, line;    /* of the first row, in the file */
	const struct store_import_mark *mark; /* kept; NULL = none */
};
void store_first_page(struct store *s, struct store_first_page *r);

#define STORE_FIRST_KEYS 3

/*
 * Make key `nr`, 0 to STORE_FIRST_KEYS - 1, which takes its time; with an
 * SQLite file nobody else can write meanwhile.  One that is there already is
 * left as it is.  ERR_STORE: perhaps because something is there twice; ask
 * again with `sift`, which takes that out first, and its pages will be read
 * again.  (Most files have nothing twice, and looking takes as long as the
 * key.)
 */
struct store_first_key {
	struct store_req req;
	/* in */
	int64_t run;
	unsigned int nr;
	bool sift;
	const struct store_import_mark *mark; /* of all rows; NULL = none */
};
void store_first_key(struct store *s, struct store_first_key *r);

/* The name of what that key finds, such as "holders by reference". */
const char *store_first_key_name(unsigned int nr);

/* All of them are there: put the tables in their places.  ERR_CONFLICT: the
 * registry has got holders meanwhile. */
struct store_first_swap {
	struct store_req req;
	int64_t run; /* in */
};
void store_first_swap(struct store *s, struct store_first_swap *r);

/* The first page at `start` or after it that is to be read again. */
struct store_first_next {
	struct store_req req;
	int64_t run;    /* in */
	uint64_t start; /* in and out: of the file */
	/* out */
	bool found;
	uint64_t line;
	uint64_t end; /* of the page, in the file; UINT64_MAX = its end */
	bool all; /* all rows; or else only those whose status is not good */
};
void store_first_next(struct store *s, struct store_first_next *r);

/* It is over: forget what was only needed for it, with the file's mark. */
struct store_first_done {
	struct store_req req;
	int64_t run;   /* in */
	int64_t twice; /* out: rows that key's sift took out */
};
void store_first_done(struct store *s, struct store_first_done *r);

#endif
