/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h -- what db.c and the engines share; intents include db.h only.
 *
 * An engine is a table of functions and a struct that begins with a struct
 * store_db.  db.c keeps statements, parameters, savepoints and counts; the
 * engine runs a statement, gives its rows and ends transactions.  Store
 * thread only, apart from open() and close().
 */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include "db.h"

#define DB_QUERIES 256 /* more than there are literals; power of two */
#define DB_VALUES_MAX 128

enum db_type { DB_NULL, DB_INT, DB_TEXT, DB_BLOB, DB_INTS, DB_TEXTS };

/* A parameter or a column. */
struct db_value {
	enum db_type type;
	int64_t number;
	const void *bytes; /* text or blob; text need not end in NUL; a list */
	size_t len;        /* in bytes; of a list, how many */
};

struct db_query {
	struct store_db *db;
	const char *sql;                       /* the literal; NULL = free */
	struct db_value values[DB_VALUES_MAX]; /* the parameters */
	int n_values, column;
	int64_t n_rows, rows_changed; /* since db_query(): db_row() */
	bool running; /* it was stepped and may have more rows */
	struct db_query *next_running;
	/* the engine's */
	void *handle; /* statement, or rows */
	int row;      /* of the rows */
	void *rows;   /* of values: db_row() */
	/* on the connection that there is; for one row, and for several */
	bool prepared, prepared_rows;
};

struct db_engine {
	bool one_writer; /* see db_one_writer() */
	bool several;    /* see db_several() */
	/* A struct that begins with a struct store_db, zeroed but for what
	 * open() fills; NULL = *err. */
	struct store_db *(*open)(
	    const struct store_options *options, struct err *err);
	/* Free it; its statements have been reset. */
	void (*close)(struct store_db *db);
	int (*version)(struct store_db *db, int64_t *version, struct err *err);
	int (*script)(struct store_db *db, const char *sql, struct err *err);
	int (*set_version)(
	    struct store_db *db, int64_t version, struct err *err);
	/* See db_swap(); first a check of what could not be kept, NULL =
	 * nothing is in the way. */
	const char *swap_check, *swap;
	int (*begin)(struct store_db *db, enum db_mode mode, struct err *err);
	/* The transaction is over, whatever it returns. */
	int (*commit)(struct store_db *db, struct err *err);
	void (*rollback)(struct store_db *db);
	bool (*in_transaction)(struct store_db *db);
	/* NULL: one writes at a time anyway. */
	int (*lock)(struct store_db *db, enum db_lock lock, struct err *err);
	/* NULL: the one who writes has chain 0. */
	int (*chain)(struct store_db *db, unsigned int *chain, struct err *err);
	/* Send it; its rows are for a later step.  NULL: that would be no
	 * faster. */
	void (*ahead)(struct db_query *q);
	/* See db_post(); NULL: run it now. */
	int (*post)(struct db_query *q, int64_t rows, struct err *err);
	/* See db_row(): keep q->values; run them all.  NULL: as post(). */
	int (*row)(struct db_query *q, struct err *err);
	int (*post_rows)(struct db_query *q, int64_t rows, struct err *err);
	/* The first step (q->running is false) runs it with q->values. */
	int (*step)(struct db_query *q, struct err *err);
	/* Borrowed until the next step. */
	struct db_value (*column)(struct db_query *q, int column);
	/* Of db_load(): add a row of q->values; end. */
	int (*load_row)(struct db_query *q, struct err *err);
	int (*load_end)(struct db_query *q, struct err *err);
	/* See db_new_ids(). */
	int (*new_ids)(struct store_db *db, const char *table, int64_t *ids,
	    size_t n, struct err *err);
	/* The last number that a table's column gave out, and the one after
	 * which it goes on. */
	int (*last_number)(struct store_db *db, const char *table,
	    const char *column, int64_t *last, struct err *err);
	int (*set_last_number)(struct store_db *db, const char *table,
	    const char *column, int64_t last, struct err *err);
	/* No more rows are wanted. */
	void (*reset)(struct db_query *q);
	/* At the commit, tell whoever listens on another connection; listen;
	 * a descriptor that is readable when there is something to hear, and
	 * taking it off (-1: the connection is lost).  NULL: nobody can. */
	int (*news)(struct store_db *db, struct err *err);
	int (*news_start)(struct store_db *db, struct err *err);
	int (*news_fd)(struct store_db *db);
	int (*news_read)(struct store_db *db);
	/* Hosts that the setting names, and: does the server say that it waits
	 * for a standby?  For a server only. */
	unsigned int (*hosts)(struct store_db *db);
	int (*standby)(struct store_db *db, struct err *err);
	/* A SELECT of the server's clock in microseconds; NULL: db_now_us(). */
	const char *clock;
	/* A SELECT of the highest number that outbox has given out. */
	const char *outbox_issued;
	/* A SELECT of $1 rows of numbers, see db_hold_ids(); or the number of
	 * the row that was inserted last. */
	const char *hold_ids;
	int64_t (*last_id)(struct store_db *db);
};

extern const struct db_engine sqlite_engine, postgres_engine;

/* What an operator should do when a table is not there. */
#define ENGINE_NO_TABLE \
	"a table is missing: the store may have been moved to another one " \
	"(`holdline node list` says so; name that one in the setting " \
	"store), or else somebody removed it"

/* Does this path of the store name a PostgreSQL server? */
bool postgres_is_url(const char *path);

struct store_db {
	const struct db_engine *engine;
	int64_t (*wall_us)(void *ctx); /* NULL = the machine's */
	void *wall_ctx;
	unsigned int tell;        /* of store_options */
	bool writing;             /* of the transaction that is open */
	bool again;               /* see db_again() */
	unsigned int locks;       /* bits of enum db_lock that are held */
	unsigned int saved_locks; /* when the savepoint was opened */
	int64_t changes, written; /* set by the engine's step() */
	struct audit_leaf *leaves, **last_leaf; /* for the commit: audit.c */
	struct audit_leaf **saved_leaf;         /* as saved_locks */
	struct db_query *running;
	size_t n_queries;
	struct db_query queries[DB_QUERIES]; /* by address of sql */
};

/* A statement that was posted wrote more or fewer rows; returns -1. */
int db_odd_rows(struct err *err);

/* Reset every statement that has rows left. */
void db_reset_running(struct store_db *db);

#endif
