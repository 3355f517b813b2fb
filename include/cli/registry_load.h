/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry_load.h -- rows of the registry's file on their way to the store.
 *
 * Rows are gathered into pages that share a commit.  One page is stored while
 * the next one is filled and its PINs are stretched on all cores; the store
 * sees the rows, and the caller hears of rejected ones, in the order of the
 * file.  Memory does not grow with the file, and a page that takes longer to
 * store than it should is followed by smaller ones.  One thread, which is the store's
 * loop, whether that has a thread or not.
 */
#ifndef CLI_REGISTRY_LOAD_H
#define CLI_REGISTRY_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct csv_row;
struct delta_header;
struct err;
struct keyring;
struct registry_header;
struct registry_load; /* opaque */
struct store;
struct store_delta_file;

#define REGISTRY_PAGE_US \
	80000 /* for which others wait who write into an SQLite file */
#define REGISTRY_PAUSE_US \
	2000 /* a hold that waits for an SQLite file looks \
				  as often */

/* A row that was not taken, and why; `raw` is as it stood in the file. */
struct registry_reject {
	uint64_t line;
	bool of_store; /* the store refused it; or else it cannot be read */
	const char *reason;
	const char *raw;
	size_t raw_len;
};

/* Called in file order.  Return 0, or -1 with *err to stop the load. */
typedef int registry_reject_fn(
    void *ctx, const struct registry_reject *reject, struct err *err);

struct store_import_mark;
/*
 * Called before a page is stored, but for the first one, when the rejects of
 * all rows before it were reported: fill in *mark, which is kept with the
 * page's rows.  `start` and `line` are where its first row begins.  Returns as
 * registry_reject_fn.
 */
typedef int registry_mark_fn(void *ctx, uint64_t start, uint64_t line,
    struct store_import_mark *mark, struct err *err);

struct registry_load_options {
	struct store *store;                  /* borrowed */
	const struct keyring *keys;           /* borrowed */
	const struct registry_header *header; /* borrowed; of an import */
	/* of a file of news, instead; borrowed */
	const struct delta_header *delta_header;
	const struct store_delta_file *delta;
	int64_t first; /* of an import: the run of a first load; 0 = none */
	bool again;    /* its rows are read again; or else for the first time */
	unsigned int threads; /* for PINs; 0: no threads (tests) */
	int64_t pause_us; /* for others, between two pages; under a second */
	int64_t page_us;  /* pages get as large as are stored in that time;
			     0: as large as they may be */
	registry_reject_fn *reject;
	registry_mark_fn *mark; /* NULL = none */
	void *ctx;              /* for reject and mark; borrowed */
};

/* What became of the rows so far. */
struct registry_counts {
	int64_t rows, fresh, changed, unchanged, rejected;
	/* of news: certificates; cases */
	int64_t revoked, closed, moved, noted;
};

/* How many threads this machine has for PINs. */
unsigned int registry_load_threads(void);

/* Owned (registry_load_free); NULL with *err.  Options are copied. */
struct registry_load *registry_load_new(
    const struct registry_load_options *options, struct err *err);

/* Finish what is in flight, cleanse and free.  NULL is a no-op. */
void registry_load_free(struct registry_load *load);

/*
 * Take a row, which may block until there is room.  Returns 0, or -1 with
 * *err: the load has stopped and takes no more.
 */
int registry_load_row(struct registry_load *load, const struct csv_row *row,
    int64_t now_us, struct err *err);

/* Wait until all rows are stored or rejected.  Returns as _row(). */
int registry_load_end(struct registry_load *load, struct err *err);

/* The counts up to now. */
struct registry_counts registry_load_counts(const struct registry_load *load);

#endif
