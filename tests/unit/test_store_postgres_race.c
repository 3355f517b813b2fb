/* SPDX-License-Identifier: Apache-2.0 */
/* Two nodes, each with a connection of its own, do the same at the same time,
 * the second in the opposite order, so that they wait for each other. */
#include "store_world.h"

#define CALLS 1000

static int
setup(void **state)
{
	int rc = cluster_setup(state);

	cluster_kill(SIGINT);
	cluster_start_with("deadlock_timeout=20ms", NULL, NULL);
	return rc;
}

static void
serial_of(char serial[16], size_t nr, enum store_kind kind)
{
	snprintf(serial, 16, "%08x", (unsigned int)(2 * nr + kind));
}

/* The registry's row of person `nr`, of whom there may be many. */
static struct store_put
row_of(size_t nr, enum store_kind kind)
{
	struct store_put r;
	char serial[16];

	serial_of(serial, nr, kind);
	r = row(0, serial, kind);
	memcpy(r.ref, &nr, sizeof(nr));
	memcpy(r.tag, &nr, sizeof(nr));
	return r;
}

static void
finish(struct store *s)
{
	while (store_pending(s) > 0)
		if (store_dispatch(s) == 0)
			poll(&(struct pollfd){ store_fd(s), POLLIN, 0 }, 1, -1);
}

/* Both import the same file, and nothing is there twice. */
static void
import_twice(struct store *a, struct store *b)
{
	struct store_put *puts = calloc(4 * CALLS, sizeof(*puts));
	size_t i;

	assert_non_null(puts);
	for (i = 0; i < 2 * CALLS; i++) {
		puts[i] = row_of(i / 2, i % 2);
		puts[4 * CALLS - 1 - i] = puts[i];
		store_put(a, &puts[i]);
	}
	for (i = 2 * CALLS; i < 4 * CALLS; i++)
		store_put(b, &puts[i]);
	finish(a);
	finish(b);
	for (i = 0; i < 4 * CALLS; i++)
		if (puts[i].req.err.code != ERR_NONE)
			fail_msg("%s", puts[i].req.err.text);
	free(puts);
}

static int64_t
holder_nr(struct world *w, size_t nr)
{
	char sql[160], serial[16];

	serial_of(serial, nr, STORE_SIGNATURE);
	snprintf(sql, sizeof(sql),
	    "SELECT holder FROM certificates WHERE serial = '%s'", serial);
	return world_sql(w, sql);
}

/* Holders in the order of their serials. */
static void
holders_read(struct world *w, int64_t holders[CALLS])
{
	PGconn *conn = PQconnectdb(w->path);
	PGresult *result = PQexec(conn,
	    "SELECT holder FROM certificates WHERE kind = 0 ORDER BY serial");
	int i;

	assert_int_equal(PQntuples(result), CALLS);
	for (i = 0; i < CALLS; i++)
		holders[i] = strtoll(PQgetvalue(result, i, 0), NULL, 10);
	PQclear(result);
	PQfinish(conn);
	assert_int_equal(holders[7], holder_nr(w, 7));
}

static struct store_hold
call_nr(size_t nr, int64_t holder, char node)
{
	struct store_hold r;
	char call[16], receipt[16];

	snprintf(call, sizeof(call), "call-%zu", nr);
	snprintf(receipt, sizeof(receipt), "%c%09zu", node, nr);
	r = hold_request(call, holder, receipt);
	return r;
}

static void
check_one_each(struct store_hold *ra, struct store_hold *rb)
{
	size_t i;

	for (i = 0; i < CALLS; i++) {
		if (ra[i].req.err.code != ERR_NONE)
			fail_msg("%s", ra[i].req.err.text);
		if (rb[i].req.err.code != ERR_NONE)
			fail_msg("%s", rb[i].req.err.text);
		assert_int_equal(ra[i].outcome, STORE_HOLD_PLACED);
		assert_int_equal(rb[i].outcome, STORE_HOLD_PLACED);
		assert_int_equal(ra[i].hold_id, rb[i].hold_id);
		assert_string_equal(ra[i].receipt, rb[i].receipt);
		assert_int_equal(ra[i].again + rb[i].again, 1);
	}
}

/* In pieces, so that there are many batches that meet each other. */
static void
submit_and_finish(struct store *a, struct store *b, struct store_hold *ra,
    struct store_hold *rb)
{
	size_t i, j, piece = 50;

	for (i = 0; i < CALLS; i += piece) {
		for (j = 0; j < piece; j++) {
			store_hold(a, &ra[i + j]);
			store_hold(b, &rb[i + piece - 1 - j]);
		}
		finish(a);
		finish(b);
	}
}

static void
test_two_nodes_race_for_a_thousand_calls(void **state)
{
	struct world *w = *state;
	struct store *a = world_open_store(w, 1), *b = world_open_store(w, 1);
	struct store_hold *ra = calloc(CALLS, sizeof(*ra));
	struct store_hold *rb = calloc(CALLS, sizeof(*rb));
	static int64_t holders[CALLS];
	size_t i;

	assert_true(ra != NULL && rb != NULL);
	import_twice(a, b);
	holders_read(w, holders);
	for (i = 0; i < CALLS; i++) {
		ra[i] = call_nr(i, holders[i], '1');
		rb[i] = call_nr(i, holders[i], '2');
	}
	submit_and_finish(a, b, ra, rb);
	check_one_each(ra, rb);
	store_close(a);
	store_close(b);
	free(ra);
	free(rb);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holders"), CALLS);
	world_check_whole(w);
}

/* One call id, two people: the first is held, the second is refused. */
static void
test_two_nodes_race_with_one_call_for_two_holders(void **state)
{
	enum { N = 20 };
	struct world *w = *state;
	struct store *a = world_open_store(w, 1), *b = world_open_store(w, 1);
	struct store_hold ra, rb;
	uint8_t i;
	int refused;

	for (i = 0; i < N; i++) {
		ra = call_nr(i, person(w, (uint8_t)(2 * i + 1)), '1');
		rb = call_nr(i, person(w, (uint8_t)(2 * i + 2)), '2');
		store_hold(a, &ra);
		store_hold(b, &rb);
		refused = store_wait(a, &ra.req) == -1 &&
		    ra.req.err.code == ERR_CONFLICT;
		refused += store_wait(b, &rb.req) == -1 &&
		    rb.req.err.code == ERR_CONFLICT;
		assert_int_equal(refused, 1);
	}
	store_close(a);
	store_close(b);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), N);
	world_check_whole(w);
}

/* One holder rings twice at once: one hold, and the other call hears of it. */
static void
test_two_nodes_race_with_two_calls_for_one_holder(void **state)
{
	enum { N = 40 };
	struct world *w = *state;
	struct store *a = world_open_store(w, 1), *b = world_open_store(w, 1);
	struct store_hold ra, rb;
	int64_t holder;
	uint8_t i;

	for (i = 0; i < N; i++) {
		holder = person(w, (uint8_t)(i + 1));
		ra = call_nr(i, holder, '1');
		rb = call_nr(N + i, holder, '2');
		store_hold(a, &ra);
		store_hold(b, &rb);
		must(a, &ra.req);
		must(b, &rb.req);
		assert_int_not_equal(ra.outcome, rb.outcome);
		assert_int_equal(ra.hold_id, rb.hold_id);
		assert_string_equal(ra.receipt, rb.receipt);
	}
	store_close(a);
	store_close(b);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), N);
	world_check_whole(w);
}

/* ---- a receipt number is taken between the look and the insert */

static void
take_receipts(void *ctx, const struct store_cert *certs, size_t n,
    int64_t now_us, bool *take)
{
	struct world **w = ctx;

	decide_all(NULL, certs, n, now_us, take);
	if (*w != NULL)
		cluster_sql((*w)->dir,
		    "WITH h AS (INSERT INTO holds (call_id, holder, lang,"
		    " reported_us, verified_us, stored_us, visible_us)"
		    " SELECT 'taker', min(id), 'ja', 0, 0, 0, 0 FROM holders"
		    " RETURNING id) INSERT INTO cases (receipt, hold,"
		    " municipality, status, created_us)"
		    " SELECT '1000000001', id, '131016', 'open', 0 FROM h");
	*w = NULL;
}

/* The batch runs again, and takes the next one that was offered. */
static void
test_a_receipt_taken_meanwhile_is_passed_over(void **state)
{
	struct world *w = *state, *once = w;
	struct store_hold r[3];
	uint8_t i;

	for (i = 0; i < 3; i++)
		r[i] = call_nr(i, person(w, (uint8_t)(i + 1)), '2');
	strcpy(r[1].receipts[0], "1000000001");
	strcpy(r[1].receipts[1], "1000000002");
	r[1].decide = take_receipts;
	r[1].decide_ctx = &once;
	for (i = 0; i < 3; i++)
		store_hold(w->store, &r[i]);
	for (i = 0; i < 3; i++) {
		must(w->store, &r[i].req);
		assert_int_equal(r[i].outcome, STORE_HOLD_PLACED);
		assert_false(r[i].again);
	}
	assert_null(once);
	assert_string_equal(r[1].receipt, "1000000002");
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), 4);
	cluster_sql(w->dir,
	    "DELETE FROM cases WHERE receipt = '1000000001';"
	    "DELETE FROM holds WHERE call_id = 'taker'");
	world_check_whole(w);
}

/* No attempt is lost between two nodes: they share the limits. */
static void
test_two_nodes_count_the_same_attempts(void **state)
{
	struct world *w = *state;
	struct store *stores[2] = { world_open_store(w, 1),
		world_open_store(w, 1) };
	struct store_attempt *r = calloc(2 * CALLS, sizeof(*r));
	size_t i;

	assert_non_null(r);
	for (i = 0; i < 2 * CALLS; i++) {
		r[i].has_number = true;
		r[i].n_tags = 1;
		r[i].number[0] = (uint8_t)(i % 2 ? i / 2 % 5 : 4 - i / 2 % 5);
		r[i].tags[0][0] = 99;
		r[i].now_us = NOON;
		r[i].window_us = 1000000;
		store_attempt(stores[i % 2], &r[i]);
	}
	finish(stores[0]);
	finish(stores[1]);
	for (i = 0; i < 2 * CALLS; i++)
		if (r[i].req.err.code != ERR_NONE)
			fail_msg("%s", r[i].req.err.text);
	store_close(stores[0]);
	store_close(stores[1]);
	free(r);
	assert_int_equal(
	    world_sql(w, "SELECT max(n) FROM attempts"), 2 * CALLS);
	assert_int_equal(
	    world_sql(w, "SELECT sum(n) FROM attempts"), 4 * CALLS);
}

/* Each pushed one half of every hold: all become visible, once. */
static void
test_two_publishers_settle_halves_of_a_hold(void **state)
{
	enum { N = 40 };
	struct world *w = *state;
	struct store *a = world_open_store(w, 1), *b = world_open_store(w, 1);
	struct store_outbox_take take = { .now_us = NOON };
	struct store_outbox_ack half[2];
	struct store_hold r;
	uint8_t i;
	size_t k;

	for (i = 0; i < N; i++) {
		r = call_nr(i, person(w, (uint8_t)(i + 1)), '1');
		place(w, &r);
		take.skip_to = 2 * i;
		store_outbox_take(w->store, &take);
		must(w->store, &take.req);
		assert_int_equal(take.n, 2);
		for (k = 0; k < 2; k++)
			half[k] = (struct store_outbox_ack){ .n = 1,
				.now_us = NOON + 1,
				.seqs = { take.rows[k].seq },
				.holds = { take.rows[k].hold_id } };
		store_outbox_ack(a, &half[0]);
		store_outbox_ack(b, &half[1]);
		must(a, &half[0].req);
		must(b, &half[1].req);
		assert_true(half[0].n_visible + half[1].n_visible >= 1);
	}
	store_close(a);
	store_close(b);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM holds WHERE visible_us = 0"), 0);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM outbox"), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_two_nodes_race_for_a_thousand_calls),
		T(test_two_nodes_race_with_one_call_for_two_holders),
		T(test_two_nodes_race_with_two_calls_for_one_holder),
		T(test_a_receipt_taken_meanwhile_is_passed_over),
		T(test_two_nodes_count_the_same_attempts),
		T(test_two_publishers_settle_halves_of_a_hold),
	};
	return cmocka_run_group_tests_name(
	    "store_postgres_race", tests, setup, cluster_teardown);
}
