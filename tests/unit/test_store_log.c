/* SPDX-License-Identifier: Apache-2.0 */
/* The VFS that gathers what goes into SQLite's log: whatever is asked of the
 * log meanwhile, it is there. */
#include "store_world.h"

#include "store/sqlite.h"

#define ROWS 3000
#define ROW "zeroblob(400)"

static int64_t
number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;
	int64_t value = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	if (sqlite3_step(stmt) == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	return value;
}

static void
run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

/* So small a cache that pages leave for the log before the commit. */
static sqlite3 *
open_small(struct world *w)
{
	sqlite3 *db;

	assert_int_equal(
	    sqlite3_open_v2(w->path, &db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, sqlite_log_vfs()),
	    SQLITE_OK);
	run(db,
	    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
	    "PRAGMA cache_size = 10; PRAGMA wal_autocheckpoint = 0;"
	    "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, fill BLOB)");
	return db;
}

static void
insert_rows(sqlite3 *db)
{
	char sql[80];
	int i;

	for (i = 1; i <= ROWS; i++) {
		snprintf(sql, sizeof(sql),
		    "INSERT INTO t (n, fill) VALUES (%d, " ROW ")", i);
		run(db, sql);
	}
}

static void
test_a_long_transaction_sees_what_it_wrote(void **state)
{
	struct world *w = *state;
	sqlite3 *db = open_small(w);

	run(db, "BEGIN");
	insert_rows(db);
	assert_int_equal(
	    number(db, "SELECT sum(n) FROM t"), ROWS * (ROWS + 1) / 2);
	run(db, "UPDATE t SET n = n + 1 WHERE id % 7 = 0");
	assert_int_equal(number(db, "SELECT sum(n) FROM t"),
	    ROWS * (ROWS + 1) / 2 + ROWS / 7);
	/* another sees nothing of it before the commit, and all of it after */
	assert_int_equal(world_sql(w, "SELECT count(*) FROM t"), 0);
	run(db, "COMMIT");
	assert_int_equal(world_sql(w, "SELECT sum(n) FROM t"),
	    ROWS * (ROWS + 1) / 2 + ROWS / 7);
	assert_int_equal(
	    world_sql(
		w, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"),
	    1);
	sqlite3_close(db);
}

static void
test_what_was_rolled_back_is_written_over(void **state)
{
	struct world *w = *state;
	sqlite3 *db = open_small(w);

	run(db, "BEGIN");
	insert_rows(db);
	run(db, "ROLLBACK");
	run(db, "INSERT INTO t (n, fill) VALUES (1, " ROW ")");
	assert_int_equal(world_sql(w, "SELECT count(*) FROM t"), 1);
	run(db, "PRAGMA wal_checkpoint(TRUNCATE)");
	run(db, "INSERT INTO t (n, fill) VALUES (2, " ROW ")");
	assert_int_equal(world_sql(w, "SELECT sum(n) FROM t"), 3);
	assert_int_equal(
	    world_sql(
		w, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"),
	    1);
	sqlite3_close(db);
}

/* The one that died took what it had gathered with it, and no more. */
static void
test_a_copy_of_the_files_is_whole_after_each_commit(void **state)
{
	struct world *w = *state;
	sqlite3 *db = open_small(w);
	char command[1400], sql[80];
	sqlite3 *copy;
	int i;

	for (i = 1; i <= 20; i++) {
		snprintf(sql, sizeof(sql),
		    "INSERT INTO t (n, fill) VALUES (%d, " ROW ")", i);
		run(db, sql);
		snprintf(command, sizeof(command),
		    "cp %s %s.copy && cp %s-wal %s.copy-wal", w->path, w->path,
		    w->path, w->path);
		assert_int_equal(system(command), 0);
		snprintf(command, sizeof(command), "%s.copy", w->path);
		assert_int_equal(sqlite3_open(command, &copy), SQLITE_OK);
		assert_int_equal(number(copy, "SELECT max(n) FROM t"), i);
		sqlite3_close(copy);
		unlink(command);
	}
	sqlite3_close(db);
}

/* What was undone is nobody's: its place in the log is another's by then. */
static void
test_what_was_undone_is_never_written(void **state)
{
	struct world *w = *state;
	sqlite3 *a = open_small(w), *b;

	assert_int_equal(sqlite3_open(w->path, &b), SQLITE_OK);
	run(b,
	    "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
	    "CREATE TABLE u (n INTEGER, fill BLOB)");
	run(a, "BEGIN IMMEDIATE");
	insert_rows(a);
	sqlite_log_drop(a); /* as the engine does */
	run(a, "ROLLBACK");
	run(b,
	    "INSERT INTO u WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL"
	    " SELECT i + 1 FROM s WHERE i < 6000) SELECT i, " ROW " FROM s");
	assert_int_equal(number(a, "SELECT count(*) FROM t"), 0);
	assert_int_equal(number(a, "SELECT count(*) FROM u"), 6000);
	sqlite3_close(a);
	assert_int_equal(number(b, "SELECT count(*) FROM u"), 6000);
	run(b, "PRAGMA wal_checkpoint(TRUNCATE)");
	assert_int_equal(number(b,
			     "SELECT count(*) FROM pragma_integrity_check"
			     " WHERE integrity_check = 'ok'"),
	    1);
	sqlite3_close(b);
}

#define T(f) \
	cmocka_unit_test_setup_teardown(f, world_setup_folder, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_long_transaction_sees_what_it_wrote),
		T(test_what_was_rolled_back_is_written_over),
		T(test_a_copy_of_the_files_is_whole_after_each_commit),
		T(test_what_was_undone_is_never_written),
	};
	return cmocka_run_group_tests_name("store_log", tests, NULL, NULL);
}
