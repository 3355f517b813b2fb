/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite engine: opening and asserting, transactions, what faults mean.
 * sqlite_query.c has the statements.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sqlite.h"

#define APPLICATION_ID 0x686f6c64 /* "hold" */
#define BUSY_MS 5000
#define BUSY_STEP_MS 20
/* An import writes the same pages again and again: a log of 64 MB, and not the
 * usual 4 MB, makes it three times as fast.  The same for all processes, or
 * those that write little would do it for the one that writes much. */
#define CHECKPOINT_PAGES "16384"

/* What an operator should do, by SQLite's primary result code. */
static const struct {
	int rc;
	const char *text;
} faults[] = {
	{ SQLITE_BUSY,
	    "another process has kept it locked for 5 s; find it with "
	    "fuser(1), and end it if it hangs" },
	{ SQLITE_FULL, "the disk is full; free some space" },
	{ SQLITE_IOERR, "the disk failed; look at the kernel's log" },
	{ SQLITE_READONLY,
	    "it cannot be written; let this user write the file and its "
	    "folder" },
	{ SQLITE_PERM,
	    "access is denied; let this user read and write the file" },
	{ SQLITE_CORRUPT, "it is damaged; restore the last good copy" },
	{ SQLITE_NOTADB,
	    "the file is not a database; move it away or name another one" },
	{ SQLITE_CANTOPEN,
	    "it cannot be opened; let this user read and write the file and "
	    "its folder" },
	{ SQLITE_NOMEM, "out of memory" },
};

struct sqlite_db *
sqlite_of(struct store_db *db)
{
	assert(db->engine == &sqlite_engine);
	return (struct sqlite_db *)db;
}

int
sqlite_fault(struct sqlite_db *db, int rc, struct err *err)
{
	const char *detail = sqlite3_errmsg(db->sqlite);
	size_t i;

	if (rc == SQLITE_ERROR && strncmp(detail, "no such table", 13) == 0)
		return err_set(err, ERR_STORE,
		    "store %s: " ENGINE_NO_TABLE " (SQLite %d: %s)", db->path,
		    rc, detail);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (faults[i].rc == (rc & 0xff))
			return err_set(err, ERR_STORE,
			    "store %s: %s (SQLite %d: %s)", db->path,
			    faults[i].text, rc, detail);
	return err_set(
	    err, ERR_STORE, "store %s: SQLite %d: %s", db->path, rc, detail);
}

/* ---- opening */

/* A slip of the keyboard is not a file's name; it may have a password in it. */
static bool
is_other_url(const char *path)
{
	return strstr(path, "://") != NULL ||
	    (strncmp(path, "postgres", 8) == 0 && strchr(path, ':') != NULL);
}

/*
 * Create a missing file for ourselves alone; SQLite gives its companions the
 * same mode.  An existing file is left untouched: closing a descriptor of a
 * database that this process has open would drop its locks.
 */
static int
file_prepare(const char *path, struct err *err)
{
	struct stat st;
	int fd;

	if (path == NULL || *path == '\0')
		return err_set(err, ERR_REFUSED,
		    "no file is named; give the store a path");
	if (is_other_url(path))
		return err_set(err, ERR_REFUSED,
		    "a store is a file, or PostgreSQL: postgresql://...; what "
		    "is set is neither");
	if (stat(path, &st) == 0)
		return S_ISREG(st.st_mode)
		    ? 0
		    : err_set(err, ERR_REFUSED,
			  "store %s: this is not a file; name a file, such as "
			  "%s/holdline.db",
			  path, path);
	if (errno == ENOENT) {
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd != -1) {
			close(fd);
			return 0;
		}
	}
	if (errno == EEXIST)
		return 0;
	if (errno == ENOENT || errno == ENOTDIR)
		return err_set(err, ERR_IO,
		    "store %s: its folder does not exist; make it first", path);
	return err_set(err, ERR_IO,
	    "store %s: cannot be made: %s; let this user write its folder",
	    path, strerror(errno));
}

/* The first column of the first row of a statement that is run once. */
static int
one_int(struct sqlite_db *db, const char *sql, int64_t *value, struct err *err)
{
	sqlite3_stmt *stmt;
	int rc;

	rc = sqlite3_prepare_v2(db->sqlite, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		*value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? 0 : sqlite_fault(db, rc, err);
}

static int
exec(struct sqlite_db *db, const char *sql, struct err *err)
{
	int rc = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : sqlite_fault(db, rc, err);
}

/* Ours, or empty; looked at in one transaction, because another process may
 * be making the schema at this moment. */
static int
check_owner(struct sqlite_db *db, struct err *err)
{
	int64_t id, tables;
	int rc;

	if (exec(db, "BEGIN", err) == -1)
		return -1;
	rc = one_int(db, "SELECT count(*) FROM sqlite_schema", &tables, err);
	if (rc == 0)
		rc = one_int(db, "PRAGMA application_id", &id, err);
	sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
	if (rc == -1)
		return -1;
	if (id == APPLICATION_ID || (id == 0 && tables == 0))
		return 0;
	return err_set(err, ERR_REFUSED,
	    "store %s: this database belongs to another application "
	    "(application id %lld); name another file",
	    db->path, (long long)id);
}

/* Two processes that do this at once to a new file block each other without
 * SQLite's own waiting, so wait here. */
static int
set_wal(struct sqlite_db *db, struct err *err)
{
	sqlite3_stmt *stmt;
	bool wal = false;
	int rc, waited;

	for (waited = 0;; waited += BUSY_STEP_MS) {
		rc = sqlite3_prepare_v2(
		    db->sqlite, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);
		if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
			wal = strcmp((const char *)sqlite3_column_text(stmt, 0),
				  "wal") == 0;
		sqlite3_finalize(stmt);
		if ((rc & 0xff) != SQLITE_BUSY || waited >= BUSY_MS)
			break;
		sqlite3_sleep(BUSY_STEP_MS);
	}
	if (rc != SQLITE_ROW)
		return sqlite_fault(db, rc, err);
	if (!wal)
		return err_set(err, ERR_REFUSED,
		    "store %s: its file system cannot keep a write-ahead log; "
		    "put it on a local disk",
		    db->path);
	return 0;
}

/* Without these a power cut could take back what a caller was told. */
static int
assert_durable(struct sqlite_db *db, struct err *err)
{
	int64_t synchronous, keys;

	if (exec(db,
		"PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
		"PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
		"PRAGMA temp_store = FILE; PRAGMA cache_size = -65536;"
		"PRAGMA wal_autocheckpoint = " CHECKPOINT_PAGES,
		err) == -1 ||
	    set_wal(db, err) == -1 ||
	    one_int(db, "PRAGMA synchronous", &synchronous, err) == -1 ||
	    one_int(db, "PRAGMA foreign_keys", &keys, err) == -1)
		return -1;
	if (synchronous == 2 && keys == 1)
		return 0;
	return err_set(err, ERR_REFUSED,
	    "store %s: this SQLite library does not do synchronous=FULL and "
	    "foreign keys; install another one",
	    db->path);
}

/* Look every millisecond: SQLite's own waiting backs off to 100 ms, and finds
 * a busy importer's pauses by chance only. */
static int
on_busy(void *ctx, int times)
{
	(void)ctx;
	sqlite3_sleep(1);
	return times < BUSY_MS;
}

static int
open_file(struct sqlite_db *db, struct err *err)
{
	int rc;

	if (file_prepare(db->path, err) == -1)
		return -1;
	rc = sqlite3_open_v2(db->path, &db->sqlite,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
	    sqlite_log_vfs());
	if (rc != SQLITE_OK)
		return sqlite_fault(db, rc, err);
	if (sqlite3_db_readonly(db->sqlite, "main") == 1)
		return sqlite_fault(db, SQLITE_READONLY, err);
	sqlite3_busy_handler(db->sqlite, on_busy, NULL);
	if (check_owner(db, err) == -1)
		return -1;
	return assert_durable(db, err);
}

static void
sqlite_close(struct store_db *db)
{
	struct sqlite_db *d = sqlite_of(db);
	size_t i;

	for (i = 0; i < DB_QUERIES; i++)
		sqlite3_finalize(db->queries[i].handle);
	sqlite3_close(d->sqlite);
	free(d->path);
	free(d);
}

static struct store_db *
sqlite_open(const struct store_options *options, struct err *err)
{
	struct sqlite_db *d;

	if ((d = calloc(1, sizeof(*d))) == NULL ||
	    (d->path = strdup(options->path ? options->path : "")) == NULL) {
		free(d);
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	d->db.engine = &sqlite_engine;
	if (open_file(d, err) == -1) {
		sqlite_close(&d->db);
		return NULL;
	}
	return &d->db;
}

static int
sqlite_version(struct store_db *db, int64_t *version, struct err *err)
{
	return one_int(sqlite_of(db), "PRAGMA user_version", version, err);
}

static int
sqlite_script(struct store_db *db, const char *sql, struct err *err)
{
	return exec(sqlite_of(db), sql, err);
}

static int
sqlite_set_version(struct store_db *db, int64_t version, struct err *err)
{
	char mark[96];

	sqlite3_snprintf(sizeof(mark), mark,
	    "PRAGMA application_id = %d; PRAGMA user_version = %lld",
	    APPLICATION_ID, (long long)version);
	return exec(sqlite_of(db), mark, err);
}

/* What refers to the old tables refers to the new ones of that name. */
static const char swap[] =
    "DROP TABLE certificates;"
    "DROP TABLE holders;"
    "ALTER TABLE first_holders RENAME TO holders;"
    "ALTER TABLE first_certificates RENAME TO certificates";

/* ---- transactions */

/* To write is to be the only one: with the write lock taken at once,
 * everything read later is still true at the commit. */
static int
sqlite_begin(struct store_db *db, enum db_mode mode, struct err *err)
{
	static const char *const begin[] = {
		[DB_READ] = "BEGIN DEFERRED",
		[DB_ASIDE] = "BEGIN IMMEDIATE",
		[DB_WRITE] = "BEGIN IMMEDIATE",
		[DB_ALONE] = "BEGIN EXCLUSIVE",
	};

	sqlite_log_drop(sqlite_of(db)->sqlite); /* of one that undid itself */
	return db_run(db_query(db, begin[mode]), err);
}

/*
 * Only what SQLite meets before the log's commit mark is complete is surely
 * undone.  A failed write or sync after it may still be found there by the
 * recovery after a crash.
 */
static bool
surely_undone(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_FULL:
	case SQLITE_NOMEM:
	case SQLITE_CONSTRAINT:
	case SQLITE_READONLY:
		return true;
	default:
		return false;
	}
}

static void
sqlite_rollback(struct store_db *db)
{
	/* while the lock is ours */
	sqlite_log_drop(sqlite_of(db)->sqlite);
	if (db_in_transaction(db))
		sqlite3_exec(
		    sqlite_of(db)->sqlite, "ROLLBACK", NULL, NULL, NULL);
}

static int
sqlite_commit(struct store_db *db, struct err *err)
{
	int rc;

	if (db_run(db_query(db, "COMMIT"), err) == 0)
		return 0;
	rc = sqlite3_extended_errcode(sqlite_of(db)->sqlite);
	if (db->writing && !surely_undone(rc))
		err->code = ERR_UNSURE;
	sqlite_rollback(db);
	return -1;
}

static bool
sqlite_in_transaction(struct store_db *db)
{
	return sqlite3_get_autocommit(sqlite_of(db)->sqlite) == 0;
}

const struct db_engine sqlite_engine = {
	.one_writer = true,
	.open = sqlite_open,
	.close = sqlite_close,
	.version = sqlite_version,
	.script = sqlite_script,
	.set_version = sqlite_set_version,
	.swap = swap,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.in_transaction = sqlite_in_transaction,
	.step = sqlite_step,
	.column = sqlite_column,
	.load_row = sqlite_load_row,
	.load_end = sqlite_load_end,
	.new_ids = sqlite_new_ids,
	.last_number = sqlite_last_number,
	.set_last_number = sqlite_set_last_number,
	.reset = sqlite_reset,
	.outbox_issued =
	    "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'",
	.last_id = sqlite_last_id,
};
