/* SPDX-License-Identifier: Apache-2.0 */
/* Holds that wait together share their statements where that is cheaper: each
 * must be answered as if it were alone. */
#include <stdio.h>

#include "store/db.h"

#include "store_world.h"

#define MANY 200 /* several groups of one batch */

static int64_t
holders(struct world *w)
{
	return world_sql(w, "SELECT count(*) FROM holders");
}

/* So many people more, with a pair each. */
static void
people(struct world *w, size_t n, int64_t *ids)
{
	struct store_put *puts = calloc(2 * n, sizeof(*puts));
	struct store_lookup look;
	int64_t first = holders(w);
	char serial[24];
	uint64_t nr;
	size_t i;

	assert_non_null(puts);
	for (i = 0; i < 2 * n; i++) {
		nr = (uint64_t)first + i / 2 + 1;
		snprintf(serial, sizeof(serial), "%014llx%02x",
		    (unsigned long long)nr, (unsigned int)(i % 2));
		puts[i] = row(0, serial, i % 2);
		memcpy(puts[i].ref, &nr, sizeof(nr));
		memcpy(puts[i].tag, &nr, sizeof(nr));
		store_put(w->store, &puts[i]);
	}
	for (i = 0; i < 2 * n; i++)
		must(w->store, &puts[i].req);
	for (i = 0; i < n; i++) {
		look = (struct store_lookup){ .n_tags = 1 };
		memcpy(look.tags[0], puts[2 * i].tag, STORE_MAC_SIZE);
		store_lookup(w->store, &look);
		must(w->store, &look.req);
		assert_int_equal(look.n, 1);
		ids[i] = look.candidates[0].holder;
	}
	free(puts);
}

static struct store_hold
call_nr(size_t nr, int64_t holder)
{
	char call[16], receipt[16];

	snprintf(call, sizeof(call), "call-%zu", nr);
	snprintf(receipt, sizeof(receipt), "%010zu", nr + 1);
	return hold_request(call, holder, receipt);
}

/* Each has its own, in the order in which they were submitted. */
static void
test_many_are_each_placed_once(void **state)
{
	struct world *w = *state;
	static struct store_hold holds[MANY];
	static int64_t ids[MANY];
	char receipt[16];
	size_t i, k;

	people(w, MANY, ids);
	for (i = 0; i < MANY; i++) {
		holds[i] = call_nr(i, ids[i]);
		store_hold(w->store, &holds[i]);
	}
	for (i = 0; i < MANY; i++) {
		must(w->store, &holds[i].req);
		assert_int_equal(holds[i].outcome, STORE_HOLD_PLACED);
		assert_false(holds[i].again);
		snprintf(receipt, sizeof(receipt), "%010zu", i + 1);
		assert_string_equal(holds[i].receipt, receipt);
		assert_int_equal(holds[i].n, 2);
		for (k = 0; k < 2; k++) {
			assert_true(holds[i].taken[k]);
			assert_int_equal(holds[i].certs[k].holder, ids[i]);
			assert_int_equal(holds[i].certs[k].status, STORE_HELD);
		}
		if (i > 0)
			assert_true(holds[i].hold_id > holds[i - 1].hold_id);
	}
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), MANY);
	/* the outbox has them in that order, too */
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM outbox AS a JOIN outbox AS b"
			     " ON b.seq > a.seq AND b.hold < a.hold"),
	    0);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM events"), MANY);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM crl_changes"), 2 * MANY);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM case_events WHERE nr = 1"),
	    MANY);
	world_check_whole(w);
}

/* The same call twice, the same call for another, the same holder twice. */
static void
test_those_that_meet_keep_their_order(void **state)
{
	struct world *w = *state;
	struct store_hold first, twice, stolen, second, other;
	int64_t ids[3];

	people(w, 3, ids);
	first = call_nr(1, ids[0]);
	twice = call_nr(1, ids[0]);
	stolen = call_nr(1, ids[1]);
	second = call_nr(2, ids[0]);
	other = call_nr(3, ids[2]);
	store_hold(w->store, &first);
	store_hold(w->store, &twice);
	store_hold(w->store, &stolen);
	store_hold(w->store, &second);
	store_hold(w->store, &other);
	must(w->store, &first.req);
	must(w->store, &twice.req);
	assert_int_equal(store_wait(w->store, &stolen.req), -1);
	must(w->store, &second.req);
	must(w->store, &other.req);
	assert_false(first.again);
	assert_true(twice.again);
	assert_int_equal(twice.hold_id, first.hold_id);
	assert_string_equal(twice.receipt, first.receipt);
	assert_true(twice.taken[0] && twice.taken[1]);
	assert_int_equal(stolen.req.err.code, ERR_CONFLICT);
	assert_int_equal(second.outcome, STORE_HOLD_ALREADY);
	assert_int_equal(second.hold_id, first.hold_id);
	assert_int_equal(other.outcome, STORE_HOLD_PLACED);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), 2);
	world_check_whole(w);
}

/* All offer the same receipt numbers: one each, and no more than there are. */
static void
test_those_that_offer_one_receipt_get_one_each(void **state)
{
	struct world *w = *state;
	struct store_hold holds[4];
	int64_t ids[4];
	size_t i;

	people(w, 4, ids);
	for (i = 0; i < 4; i++) {
		holds[i] = call_nr(i, ids[i]);
		strcpy(holds[i].receipts[0], "");
		strcpy(holds[i].receipts[1], "1000000001");
		strcpy(holds[i].receipts[2], "1000000002");
		strcpy(holds[i].receipts[7], "1000000003");
		store_hold(w->store, &holds[i]);
	}
	for (i = 0; i < 3; i++)
		must(w->store, &holds[i].req);
	assert_int_equal(store_wait(w->store, &holds[3].req), -1);
	assert_string_equal(holds[0].receipt, "1000000001");
	assert_string_equal(holds[1].receipt, "1000000002");
	assert_string_equal(holds[2].receipt, "1000000003");
	assert_int_equal(holds[3].req.err.code, ERR_CONFLICT);
	world_check_whole(w);
}

/* Nobody there, and more certificates than fit: the others do not suffer. */
static void
test_one_that_fails_fails_alone(void **state)
{
	struct world *w = *state;
	struct store_hold before, nobody, many, after;
	struct store_put put_extra;
	char serial[16];
	int64_t ids[3];
	size_t i;

	people(w, 3, ids);
	for (i = 0; i < STORE_CERTS_MAX; i++) {
		uint64_t nr = 2;

		snprintf(serial, sizeof(serial), "ff%02zx", i);
		put_extra = row(0, serial, STORE_SIGNATURE);
		memcpy(put_extra.ref, &nr, sizeof(nr));
		memcpy(put_extra.tag, &nr, sizeof(nr));
		put(w, &put_extra);
	}
	before = call_nr(1, ids[0]);
	nobody = call_nr(2, 4711);
	many = call_nr(3, ids[1]);
	after = call_nr(4, ids[2]);
	store_hold(w->store, &before);
	store_hold(w->store, &nobody);
	store_hold(w->store, &many);
	store_hold(w->store, &after);
	must(w->store, &before.req);
	assert_int_equal(store_wait(w->store, &nobody.req), -1);
	assert_int_equal(store_wait(w->store, &many.req), -1);
	must(w->store, &after.req);
	assert_int_equal(nobody.req.err.code, ERR_NOTFOUND);
	assert_int_equal(many.req.err.code, ERR_CONFLICT);
	assert_int_equal(after.outcome, STORE_HOLD_PLACED);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), 2);
	world_check_whole(w);
}

/* ---- another request between them fails after it has written */

static int
write_and_fail(struct store_db *db, struct store_req *req, struct err *err)
{
	struct db_query *q;

	(void)req;
	q = db_query(db, "UPDATE holders SET municipality = '999999'");
	if (db_run(q, err) == -1)
		return -1;
	return err_set(err, ERR_CONFLICT, "it was only a test");
}

static void
test_one_that_fails_after_writing_is_undone_alone(void **state)
{
	struct world *w = *state;
	struct store_hold holds[6];
	struct store_req bad = { 0 };
	int64_t ids[6];
	size_t i;

	people(w, 6, ids);
	for (i = 0; i < 6; i++) {
		holds[i] = call_nr(i, ids[i]);
		store_hold(w->store, &holds[i]);
		if (i == 2)
			store_submit(w->store, &bad, write_and_fail, DB_WRITE);
	}
	assert_int_equal(store_wait(w->store, &bad), -1);
	assert_int_equal(bad.err.code, ERR_CONFLICT);
	for (i = 0; i < 6; i++) {
		must(w->store, &holds[i].req);
		assert_int_equal(holds[i].outcome, STORE_HOLD_PLACED);
		assert_false(holds[i].again);
	}
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM holders"
			     " WHERE municipality = '999999'"),
	    0);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM cases"), 6);
	world_check_whole(w);
}

/* ---- those who are told */

static int
setup_telling(void **state)
{
	struct world *w = world_folder();
	struct store_options o = world_options(w, 0);
	struct err err = { 0 };

	o.tell = 1U << STORE_TELL_CA | 1U << STORE_TELL_HOLDER |
	    1U << STORE_TELL_MUNICIPALITY;
	if ((w->store = store_open(&o, &err)) == NULL)
		fail_msg("%s", err.text);
	*state = w;
	return 0;
}

/* The authority of each certificate, holder and municipality of each hold. */
static void
test_each_is_told_of(void **state)
{
	struct world *w = *state;
	struct store_hold holds[5];
	int64_t ids[5];
	size_t i;

	people(w, 5, ids);
	for (i = 0; i < 5; i++) {
		holds[i] = call_nr(i, ids[i]);
		store_hold(w->store, &holds[i]);
	}
	for (i = 0; i < 5; i++)
		must(w->store, &holds[i].req);
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM dispatches AS d"
			     " JOIN hold_certs AS t ON t.hold = d.hold"
			     " AND t.cert = d.cert"
			     " AND t.generation = d.generation"
			     " WHERE d.kind = 0 AND d.what = 0"),
	    10);
	assert_int_equal(
	    world_sql(w,
		"SELECT count(*) FROM dispatches AS d JOIN cases AS k"
		" ON k.hold = d.hold WHERE d.key = 'holder-hold-' || receipt"
		" AND d.kind = 1 AND d.cert IS NULL"),
	    5);
	assert_int_equal(
	    world_sql(w,
		"SELECT count(*) FROM dispatches AS d JOIN cases AS k"
		" ON k.hold = d.hold WHERE d.kind = 2"
		" AND d.key = 'municipality-case-' || receipt"),
	    5);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM dispatches"), 20);
	world_check_whole(w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_many_are_each_placed_once),
		T(test_those_that_meet_keep_their_order),
		T(test_those_that_offer_one_receipt_get_one_each),
		T(test_one_that_fails_fails_alone),
		T(test_one_that_fails_after_writing_is_undone_alone),
		cmocka_unit_test_setup_teardown(
		    test_each_is_told_of, setup_telling, world_teardown),
	};
	return cmocka_run_group_tests_name(
	    "store_hold_batch", tests, WORLD_START, WORLD_STOP);
}
