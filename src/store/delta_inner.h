/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delta_inner.h -- a row of the registry's news under way, for the files that
 * judge it, carry it out, and remember how far its file has come.  Each runs
 * inside the page's transaction.  Store thread only.
 */
#ifndef STORE_DELTA_INNER_H
#define STORE_DELTA_INNER_H

#include "registry_page.h"
#include "store/delta.h"

struct news {
	const struct store_delta_page *page;
	struct store_delta *row;
	struct page_holder holder; /* locked */
	struct store_cert subject; /* replaced or expired; id 0 = none */
	bool fresh; /* reissued: the new one is not on record yet */
	int64_t now_us;
};

/* What the row means for the holder's open cases: delta_case.c.  Counts in the
 * row. */
int delta_cases(struct store_db *db, struct news *n, struct err *err);

/* Lock a file that was begun, and where the last row began that was applied:
 * delta_file.c. */
int delta_file_lock(struct store_db *db, const struct store_delta_file *file,
    int64_t *applied, struct err *err);

/* Remember that rows up to `applied` were. */
int delta_file_mark(struct store_db *db, const struct store_delta_page *page,
    int64_t applied, struct err *err);

#endif
