/* SPDX-License-Identifier: Apache-2.0 */
#include "store_world.h"

#include "store/status_scan.h"

#define MANY (2 * STORE_STATUS_PAGE + 40)

/* `n` certificates 1000, 1001, ... of one person who is no card holder's
 * equal; each ends a day of its own, and the registry says that they are
 * revoked. */
static void
many_revoked(struct world *w, int n)
{
	struct store_put r;
	char serial[8];
	int i;

	for (i = 0; i < n; i++) {
		snprintf(serial, sizeof(serial), "%d", 1000 + i);
		r = row((uint8_t)(i % 100), serial, STORE_SIGNATURE);
		r.cert.not_after = 20290401 + i % 28;
		r.cert.status = STORE_REVOKED;
		r.cert.status_us = NOON - 5000000;
		store_put(w->store, &r);
		must(w->store, &r.req);
	}
}

static struct store_status_scan
scan(struct world *w, int day)
{
	struct store_status_scan r = { .after_day = day };

	store_status_scan(w->store, &r);
	must(w->store, &r.req);
	return r;
}

static struct store_status_progress
progress(struct world *w)
{
	struct store_status_progress r = { 0 };

	store_status_progress(w->store, &r);
	must(w->store, &r.req);
	return r;
}

static void
test_only_what_changed_is_scanned(void **state)
{
	struct world *w = *state;
	struct store_hold hold =
	    hold_request("call", person(w, 1), "1111111111");
	struct store_status_scan r;
	struct store_outbox_ack ack;

	person(w, 2);
	assert_int_equal(scan(w, 0).n, 0);
	place(w, &hold);
	r = scan(w, 0);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.rows[0].serial, "0101");
	assert_string_equal(r.rows[0].issuer, ISSUER);
	assert_string_equal(r.rows[1].serial, "0102");
	assert_int_equal(r.rows[0].generation, 1);
	assert_int_equal(r.rows[0].status, STORE_HELD);
	assert_int_equal(r.rows[0].reason, 6);
	assert_int_equal(r.rows[0].status_us, hold.certs[0].status_us);
	assert_int_equal(r.rows[0].not_after, 20290401);
	assert_true(r.rows[0].waiting && r.rows[1].waiting);
	publish_all(w, NOON + 1, &ack);
	r = scan(w, 0);
	assert_false(r.rows[0].waiting || r.rows[1].waiting);
}

/* Each certificate once, whatever the pages cut through. */
static void
test_pages_meet(void **state)
{
	struct world *w = *state;
	static bool seen[MANY];
	struct store_status_scan r = { 0 };
	struct store_status_count count = { 0 };
	int total = 0, day = 0, nr;
	size_t i;

	memset(seen, 0, sizeof(seen));
	many_revoked(w, MANY);
	do {
		store_status_scan(w->store, &r);
		must(w->store, &r.req);
		for (i = 0; i < r.n; i++) {
			nr = atoi(r.rows[i].serial) - 1000;
			assert_false(seen[nr]);
			seen[nr] = true;
			assert_true(r.rows[i].not_after >= day);
			day = r.rows[i].not_after;
			total++;
		}
	} while (r.n == STORE_STATUS_PAGE);
	assert_int_equal(total, MANY);
	store_status_count(w->store, &count);
	must(w->store, &count.req);
	assert_int_equal(count.n, MANY);
}

static void
test_what_ended_before_a_day_is_left_out(void **state)
{
	struct world *w = *state;
	struct store_status_count count = { .from_day = 20290403 };

	many_revoked(w, 5); /* end on the 1st to the 5th */
	assert_int_equal(scan(w, 20290405).n, 1);
	assert_string_equal(scan(w, 20290405).rows[0].serial, "1004");
	assert_int_equal(scan(w, 20290406).n, 0);
	assert_int_equal(scan(w, 20290401).n, 5);
	store_status_count(w->store, &count);
	must(w->store, &count.req);
	assert_int_equal(count.n, 3);
}

/* The scan reads the index alone, not everybody's certificates. */
static void
test_the_index_serves_the_scan(void **state)
{
#ifdef STORE_POSTGRES
	struct world *w = *state;

	/* for so few rows it would rather read them all */
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM pg_indexes"
			     " WHERE indexname = 'certificates_changed'"
			     " AND indexdef LIKE '%WHERE (generation > 0)'"),
	    1);
#else
	struct world *w = *state;
	sqlite3_stmt *stmt;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db,
		"EXPLAIN QUERY PLAN SELECT id FROM certificates"
		" WHERE generation > 0 AND (not_after, id) > (1, 2)"
		" ORDER BY not_after, id LIMIT 3",
		-1, &stmt, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_non_null(strstr((const char *)sqlite3_column_text(stmt, 3),
	    "SEARCH certificates USING INDEX certificates_changed"));
	assert_int_equal(sqlite3_step(stmt), SQLITE_DONE); /* no sorting */
	sqlite3_finalize(stmt);
	sqlite3_close(db);
#endif
}

static void
test_certificates_by_name(void **state)
{
	struct world *w = *state;
	struct store_hold hold =
	    hold_request("call", person(w, 1), "1111111111");
	struct store_status_find r = { .n = 4 };

	person(w, 2);
	place(w, &hold);
	str_copy(r.rows[0].serial, sizeof(r.rows[0].serial), "0102");
	str_copy(r.rows[1].serial, sizeof(r.rows[1].serial), "0201");
	str_copy(r.rows[2].serial, sizeof(r.rows[2].serial), "ffff");
	str_copy(r.rows[3].serial, sizeof(r.rows[3].serial), "0101");
	str_copy(r.rows[0].issuer, sizeof(r.rows[0].issuer), ISSUER);
	str_copy(r.rows[1].issuer, sizeof(r.rows[1].issuer), ISSUER);
	str_copy(r.rows[2].issuer, sizeof(r.rows[2].issuer), ISSUER);
	str_copy(r.rows[3].issuer, sizeof(r.rows[3].issuer),
	    "ffffffffffffffffffffffffffffffffffffffff");
	r.rows[2].id = r.rows[2].generation = 77; /* of an earlier use */
	store_status_find(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(r.rows[0].status, STORE_HELD);
	assert_int_equal(r.rows[0].generation, 1);
	assert_true(r.rows[0].id > 0 && r.rows[0].waiting);
	assert_true(r.rows[1].id > 0 && !r.rows[1].waiting);
	assert_int_equal(r.rows[1].generation, 0);
	assert_int_equal(r.rows[1].status, STORE_GOOD);
	assert_int_equal(r.rows[2].id, 0);
	assert_int_equal(r.rows[2].generation, 0);
	assert_int_equal(r.rows[3].id, 0); /* another issuer's */
}

static void
test_how_far_publishing_has_come(void **state)
{
	struct world *w = *state;
	struct store_hold hold =
	    hold_request("call", person(w, 1), "1111111111");
	struct store_status_progress r = progress(w);
	struct store_outbox_ack ack;

	assert_int_equal(r.issued, 0);
	assert_int_equal(r.waiting, 0);
	assert_int_equal(r.unsafe, 0);
	many_revoked(w, 3); /* the registry's: it says so itself */
	place(w, &hold);
	r = progress(w);
	assert_int_equal(r.issued, 5);
	assert_int_equal(r.waiting, 1);
	assert_int_equal(r.unsafe, 4);
	/* a lift that waits shows "held": safe */
	world_sql(w, "UPDATE outbox SET status = 0 WHERE seq = 4");
	assert_int_equal(progress(w).unsafe, 5);
	publish_all(w, NOON + 1, &ack);
	r = progress(w);
	assert_int_equal(r.issued, 5); /* though the outbox is empty */
	assert_int_equal(r.waiting, 0);
	assert_int_equal(r.unsafe, 0);
	store_close(w->store);
	w->store = world_open_store(w, 0);
	assert_int_equal(progress(w).issued, 5);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_only_what_changed_is_scanned),
		TEST(test_pages_meet),
		TEST(test_what_ended_before_a_day_is_left_out),
		TEST(test_the_index_serves_the_scan),
		TEST(test_certificates_by_name),
		TEST(test_how_far_publishing_has_come),
	};
	return cmocka_run_group_tests_name(
	    "store, status scan", tests, WORLD_START, WORLD_STOP);
}
