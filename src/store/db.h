/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db.h -- the database as the intents of this room see it.
 *
 * The only header between an intent and an engine: transactions, prepared
 * statements, parameters, columns.  SQL stands in the intents, once for every
 * engine, as literals with $1, $2, ... in order of first use; what engines say
 * differently is in engine.h.  Inside a room's run() a transaction is always
 * open.  A struct store_db is one connection, and belongs to one store thread;
 * only db_open() and db_close() may be called elsewhere.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/dispatch.h"
#include "store/store.h"

struct db_query; /* opaque: a prepared statement, kept by the database */

/*
 * How much of what run() sees must stay true until the commit: stated by each
 * intent where it is submitted, with its reason when it is not DB_WRITE's.
 * Intents that share a transaction get the strictest of theirs.
 */
enum db_mode {
	/* run() only reads, and all it reads is of one instant (PostgreSQL:
	 * REPEATABLE READ, READ ONLY) */
	DB_READ,
	/* run() writes only what it alone looks at, however long that takes
	 * (PostgreSQL: READ COMMITTED, and a DB_ALONE need not wait for it) */
	DB_ASIDE,
	/* run() writes; what it rests on it locks first and reads then, see
	 * DB_FOR_UPDATE and db_lock(); the rest may change under it
	 * (PostgreSQL: READ COMMITTED, which lets nodes write beside each
	 * other and needs no repeating) */
	DB_WRITE,
	/* nobody else writes meanwhile: for what rests on rows that are not
	 * there, which cannot be locked (stricter than SERIALIZABLE, and it
	 * never has to be repeated) */
	DB_ALONE,
};

/* ---- submitting (store.c) */

/* Queue `req` for run(), on any connection. */
void store_submit(struct store *s, struct store_req *req,
    int (*run)(struct store_db *db, struct store_req *req, struct err *err),
    enum db_mode mode);

/*
 * The same, and in order: requests with one number run in the order in which
 * they were submitted, each seeing what those before it wrote; the others run
 * beside them.  Without an order a read need not see what was submitted before
 * it and is not done().
 */
void store_submit_in_order(struct store *s, struct store_req *req,
    int (*run)(struct store_db *db, struct store_req *req, struct err *err),
    enum db_mode mode, uint64_t order);

/*
 * The same, for intents that cost less together where db_several() says so.
 * run_several() runs as many as it can of `n` of its kind, in order from the
 * first on, at least one, and says in *ran how many; what goes wrong with one
 * goes into its req.err.  It returns -1 when the transaction is beyond use,
 * and 1 when one failed after it had written: they all run again then, by
 * run().
 */
void store_submit_several(struct store *s, struct store_req *req,
    int (*run)(struct store_db *db, struct store_req *req, struct err *err),
    int (*run_several)(struct store_db *db, struct store_req *const *reqs,
	size_t n, size_t *ran, struct err *err),
    enum db_mode mode, uint64_t order);

/*
 * The number of a thing whose intents keep their order, such as "holder" with
 * the holder's id; never 0.  Two names of one thing are two numbers: intents
 * that know a holder by different names meet at the lock on the holder's row.
 */
uint64_t store_order(const char *what, const void *bytes, size_t len);

/* ---- the schema (migrate.c) */

/* Bring the schema up to date under a lock; ERR_REFUSED when it is newer. */
int migrate(struct store_db *db, struct err *err);

/* Only up to a version: for tests, which make what older programs left. */
int migrate_to(struct store_db *db, int64_t wanted, struct err *err);

/* The newest version that this program knows. */
int64_t migrate_newest(void);

/* In a DB_ALONE transaction: nobody shall use this store any more. */
int migrate_close(struct store_db *db, struct err *err);

/* ---- opening (db.c) */

/* Open the database that options->path names, with the engine that it names,
 * and assert how it is set up; the schema is not looked at.  Owned (db_close);
 * NULL with *err. */
struct store_db *db_open(const struct store_options *options, struct err *err);

/* Does the engine let only one write at a time, and others read meanwhile? */
bool db_one_writer(const struct store_db *db);

/* Close; a transaction still open is undone.  NULL is a no-op. */
void db_close(struct store_db *db);

/* The instant that stamps "stored" times. */
int64_t db_now_us(struct store_db *db);

/* The database's clock, which all nodes share however wrong theirs are: of
 * PostgreSQL's server; with a file, this machine's. */
int db_clock(struct store_db *db, int64_t *now_us, struct err *err);

/* Is this kind told of anything?  See store_options.tell. */
bool db_tells(const struct store_db *db, enum store_dispatch_kind kind);

/* The highest number that the table outbox has given out; 0 = none yet. */
int db_outbox_issued(struct store_db *db, int64_t *seq, struct err *err);

/* Numbered schema version; 0 = empty. */
int db_version(struct store_db *db, int64_t *version, struct err *err);

/* Run several statements, in SQLite's words for types, however long they take;
 * they are not kept. */
int db_script(struct store_db *db, const char *sql, struct err *err);

/* Inside a DB_ALONE transaction: put the tables first_holders and
 * first_certificates in the place of those without first_, which are empty. */
int db_swap(struct store_db *db, struct err *err);

/* Could it, as far as what others have made on these tables goes? */
int db_swap_check(struct store_db *db, struct err *err);

/* Inside a DB_ALONE transaction: db_script(), and set the version. */
int db_upgrade(
    struct store_db *db, const char *sql, int64_t version, struct err *err);

/* ---- transactions (db.c) */

int db_begin(struct store_db *db, enum db_mode mode, struct err *err);

/* Commit, with a sync to disk.  ERR_STORE: surely undone.  ERR_UNSURE: nobody
 * knows.  The transaction is over either way. */
int db_commit(struct store_db *db, struct err *err);

/* Undo everything.  Nothing happens when the engine has done so already. */
void db_rollback(struct store_db *db);

/* Is a transaction open?  Some faults (a full disk) make the engine undo all
 * of it by itself. */
bool db_in_transaction(struct store_db *db);

/* The transaction was lost because another node was in its way: all of it may
 * be run again at once, DB_ALONE. */
bool db_again(const struct store_db *db);

/* Open a savepoint, so that one request can be undone alone. */
int db_save(struct store_db *db, struct err *err);

/* Close the savepoint: keep what was written since, or undo it. */
int db_save_end(struct store_db *db, bool keep, struct err *err);

/* ---- what several nodes write at once */

/*
 * At the end of a SELECT: the row stays as it was read until the commit, and
 * what was read before it may be out of date, so lock first and read then.
 * A hold and the registry lock the holder, who stands for the holder's
 * certificates.  Where only one writes at a time anyway it means nothing.
 */
#define DB_FOR_UPDATE " FOR NO KEY UPDATE"

/* At the end of a SELECT inside another statement: rows that another node has
 * locked are left out, and the others stay as they are.  Means nothing there,
 * too. */
#define DB_SKIP_LOCKED " FOR NO KEY UPDATE SKIP LOCKED"

/* Until the commit this is done by nobody else. */
enum db_lock {
	DB_LOCK_ATTEMPTS, /* counting attempts */
	DB_LOCK_EVENTS,   /* giving events their places */
};

int db_lock(struct store_db *db, enum db_lock lock, struct err *err);

/* The number of the audit chain that this connection alone adds to. */
int db_chain(struct store_db *db, unsigned int *chain, struct err *err);

/* Tell every node at the commit that events have got their places. */
int db_news(struct store_db *db, struct err *err);

/* ---- statements (db.c) */

/*
 * The statement for `sql`, reset, its first parameter next.  Prepared once:
 * `sql` must be a literal, its address is the key.  Never NULL; what is wrong
 * with it is told by db_step().  Text and bytes are borrowed until the last
 * db_step().  Borrowed until the next db_query() of the same literal.
 */
struct db_query *db_query(struct store_db *db, const char *sql);

/* Set the next parameter. */
void db_bind_int(struct db_query *q, int64_t value);
void db_bind_text(struct db_query *q, const char *text);
void db_bind_blob(struct db_query *q, const void *bytes, size_t len);
void db_bind_null(struct db_query *q);

/*
 * Set the next parameter to a list, for "= " DB_ANY "($1)"; one list a
 * statement.  More than one element only with db_several().  Borrowed like
 * text.
 */
#define DB_ANY "ANY"
void db_bind_ints(struct db_query *q, const int64_t *values, size_t n);
void db_bind_texts(struct db_query *q, const char *const *texts, size_t n);

/* Is it cheaper to ask for several things by one statement?  (A server.) */
bool db_several(const struct store_db *db);

/*
 * Its rows will be wanted: with a server the statement is sent now, and what
 * was sent is answered together at the next db_step() of any.  Statements run
 * in the order in which they were sent or first stepped.
 */
void db_ahead(struct db_query *q);

/*
 * Run a statement that gives no rows and must write `rows` of them (-1 = any
 * number), without waiting for a server: what goes wrong is told by a later
 * call in this transaction, its commit at the latest.
 */
int db_post(struct db_query *q, int64_t rows, struct err *err);

/*
 * The same for several rows of values: bind a row's, db_row(), and so on, and
 * db_post_rows() at the end, which may have nothing to do; a server gets all
 * of it as one statement.  That is "INSERT INTO ... VALUES (...) ..." or
 * "UPDATE ... SET ... WHERE column = $n ...", whose rows do not meet each other.  `rows`
 * counts what all of them must write.  A NULL stands for a number.
 */
int db_row(struct db_query *q, struct err *err);
int db_post_rows(struct db_query *q, int64_t rows, struct err *err);

/* The next row: 1 = there is one, 0 = no more, -1 = *err says why. */
int db_step(struct db_query *q, struct err *err);

/* Run a statement that gives no rows. */
int db_run(struct db_query *q, struct err *err);

/* Run a statement that returns a number of the row that it writes: 1 = *n is
 * it, 0 = it wrote none. */
int db_run_number(struct db_query *q, int64_t *n, struct err *err);

/*
 * Ask for numbers for `n` new holds and as many cases: a row of two numbers
 * each, ascending.  What is locked first is locked before they are drawn, so
 * that a holder's newest hold has the highest.  NULL where a row that is
 * inserted with NULL for its number gets the next one, which db_last_id() has.
 */
struct db_query *db_hold_ids(struct store_db *db, size_t n);
int64_t db_last_id(struct store_db *db);

/* The next column of the row; NULL reads as 0, "" or no bytes. */
int64_t db_get_int(struct db_query *q);
/* Cut to size - 1 bytes. */
void db_get_text(struct db_query *q, char *out, size_t size);
/* At most `size` bytes; returns how many. */
size_t db_get_blob(struct db_query *q, void *out, size_t size);

/* ---- many rows at once (db.c) */

/*
 * Insert rows into a table by the engine's fastest way.  `into` is a literal,
 * "table (column, column, ...)".  Bind a row's values, db_load_row(), and so
 * on; the rows are there after db_load_end(), and until then nothing else is
 * run.  After -1 only a rollback is left.  Loading no row at all is fine.
 */
struct db_query *db_load(struct store_db *db, const char *into);
int db_load_row(struct db_query *q, struct err *err);
int db_load_end(struct db_query *q, struct err *err);

/* Numbers for `n` new rows of a table with an id that are then inserted by
 * this transaction, ascending. */
int db_new_ids(struct store_db *db, const char *table, int64_t *ids, size_t n,
    struct err *err);

/* How many rows the last db_run() wrote. */
int64_t db_changes(struct store_db *db);

/* A count that grows with every row that is written. */
int64_t db_written(struct store_db *db);

#endif
