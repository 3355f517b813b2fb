/* SPDX-License-Identifier: Apache-2.0 */
#include "store_world.h"

static int64_t
leaves(struct world *w)
{
	struct store_audit_verify r = { 0 };

	store_audit_verify(w->store, &r);
	must(w->store, &r.req);
	return r.leaves;
}

static void
test_a_hold_writes_everything_or_nothing(void **state)
{
	struct world *w = *state;
	struct store_hold r = hold_request("c1", person(w, 1), "1000000001");

	place(w, &r);
	assert_int_equal(r.outcome, STORE_HOLD_PLACED);
	assert_false(r.again);
	assert_string_equal(r.receipt, "1000000001");
	assert_int_equal(r.stored_us, NOON);
	assert_int_equal(r.visible_us, 0);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.certs[0].kind, STORE_SIGNATURE);
	assert_int_equal(r.certs[1].kind, STORE_AUTHENTICATION);
	for (size_t i = 0; i < 2; i++) {
		assert_true(r.taken[i]);
		assert_int_equal(r.certs[i].status, STORE_HELD);
		assert_int_equal(r.certs[i].generation, 1);
		assert_int_equal(r.certs[i].reason, 6);
		assert_int_equal(r.certs[i].status_us, NOON);
	}
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), 1);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM hold_certs"), 2);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM cases"), 1);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM case_events"), 1);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM outbox"), 2);
	assert_int_equal(leaves(w), 1);
	assert_int_equal(
	    world_sql(w,
		"SELECT text = '{\"hold\":1,\"call\":\"c1\",\"case\":"
		"\"1000000001\",\"certs\":[\"" ISSUER "/0101:1\",\"" ISSUER
		"/0102:1\"]}' FROM audit"),
	    1);
}

static void
test_the_same_call_gets_the_first_answer(void **state)
{
	struct world *w = *state;
	int64_t holder = person(w, 1);
	struct store_hold first = hold_request("c1", holder, "1000000001");
	struct store_hold again = hold_request("c1", holder, "1000000009");
	struct store_outbox_ack ack;

	place(w, &first);
	w->now_us += 5000000;
	publish_all(w, NOON + 700, &ack);
	place(w, &again);
	assert_int_equal(again.outcome, STORE_HOLD_PLACED);
	assert_true(again.again);
	assert_int_equal(again.hold_id, first.hold_id);
	assert_string_equal(again.receipt, "1000000001");
	assert_int_equal(again.stored_us, NOON);
	/* pushed and read back again before anybody hears it again */
	assert_int_equal(again.visible_us, 0);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM outbox"), 2);
	publish_all(w, NOON + 900, &ack);
	assert_int_equal(ack.n_visible, 1);
	assert_int_equal(ack.visible_us[0], NOON + 700); /* the first time */
	assert_int_equal(world_sql(w, "SELECT count(*) FROM outbox"), 0);
	assert_true(again.taken[0] && again.taken[1]);
	assert_int_equal(again.n, 2);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM cases"), 1);
	assert_int_equal(leaves(w), 1);
}

static void
test_another_holder_in_the_same_call_is_refused(void **state)
{
	struct world *w = *state;
	int64_t one = person(w, 1), two = person(w, 2);
	struct store_hold first = hold_request("c1", one, "1000000001");
	struct store_hold other = hold_request("c1", two, "1000000002");

	place(w, &first);
	store_hold(w->store, &other);
	assert_int_equal(store_wait(w->store, &other.req), -1);
	assert_int_equal(other.req.err.code, ERR_CONFLICT);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM certificates WHERE status = 1"),
	    2);
}

static void
test_an_unknown_holder_is_not_found(void **state)
{
	struct world *w = *state;
	struct store_hold r = hold_request("c1", 77, "1000000001");

	store_hold(w->store, &r);
	assert_int_equal(store_wait(w->store, &r.req), -1);
	assert_int_equal(r.req.err.code, ERR_NOTFOUND);
}

static void
test_a_second_call_hears_already_with_the_first_receipt(void **state)
{
	struct world *w = *state;
	int64_t holder = person(w, 1);
	struct store_hold first = hold_request("c1", holder, "1000000001");
	struct store_hold second = hold_request("c2", holder, "1000000002");

	place(w, &first);
	w->now_us += 1000000;
	place(w, &second);
	assert_int_equal(second.outcome, STORE_HOLD_ALREADY);
	assert_int_equal(second.hold_id, first.hold_id);
	assert_string_equal(second.receipt, "1000000001");
	assert_int_equal(second.stored_us, NOON);
	assert_false(second.taken[0] || second.taken[1]);
	assert_int_equal(second.certs[0].generation, 1);
	assert_int_equal(leaves(w), 1);
}

static void
test_already_after_the_registrys_own_hold_has_no_receipt(void **state)
{
	struct world *w = *state;
	int64_t holder = person(w, 1);
	struct store_put a = row(1, "0101", STORE_SIGNATURE);
	struct store_put b = row(1, "0102", STORE_AUTHENTICATION);
	struct store_hold r = hold_request("c1", holder, "1000000001");

	a.cert.status = b.cert.status = STORE_HELD;
	put(w, &a);
	put(w, &b);
	place(w, &r);
	assert_int_equal(r.outcome, STORE_HOLD_ALREADY);
	assert_int_equal(r.hold_id, 0);
	assert_string_equal(r.receipt, "");
	assert_int_equal(r.stored_us, 0);
}

/* Only the smartphone is lost; what is on hold is the card's. */
static void
decide_smartphone(void *ctx, const struct store_cert *certs, size_t n,
    int64_t now_us, bool *take)
{
	size_t i;

	decide_all(ctx, certs, n, now_us, take);
	for (i = 0; i < n; i++)
		take[i] = take[i] && certs[i].carrier == STORE_SMARTPHONE;
}

static void
test_a_hold_of_another_carrier_is_not_already(void **state)
{
	struct world *w = *state;
	int64_t holder = person(w, 1);
	struct store_hold card = hold_request("c1", holder, "1000000001");
	struct store_hold phone = hold_request("c2", holder, "1000000002");

	place(w, &card);
	phone.decide = decide_smartphone;
	place(w, &phone);
	assert_int_equal(phone.outcome, STORE_HOLD_NOTHING);
	assert_int_equal(phone.hold_id, 0);
}

static void
test_nothing_can_be_held(void **state)
{
	struct world *w = *state;
	struct store_put revoked = row(1, "0101", STORE_SIGNATURE);
	struct store_put expired = row(1, "0102", STORE_AUTHENTICATION);
	struct store_hold r;

	revoked.cert.status = STORE_REVOKED;
	expired.cert.not_after = 20251231;
	put(w, &revoked);
	put(w, &expired);
	r = hold_request("c1", holder_of(w, 1), "1000000001");
	place(w, &r);
	assert_int_equal(r.outcome, STORE_HOLD_NOTHING);
	assert_int_equal(r.hold_id, 0);
	assert_string_equal(r.receipt, "");
	assert_int_equal(r.n, 2);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM cases"), 0);
	assert_int_equal(leaves(w), 1); /* the registry's revocation */
}

static void
test_one_dead_of_a_pair_holds_the_other(void **state)
{
	struct world *w = *state;
	int64_t holder = person(w, 1);
	struct store_put dead = row(1, "0101", STORE_SIGNATURE);
	struct store_hold r = hold_request("c1", holder, "1000000001");

	dead.cert.status = STORE_REVOKED;
	put(w, &dead);
	place(w, &r);
	assert_int_equal(r.outcome, STORE_HOLD_PLACED);
	assert_false(r.taken[0]);
	assert_int_equal(r.certs[0].status, STORE_REVOKED);
	assert_true(r.taken[1]);
	assert_int_equal(r.certs[1].status, STORE_HELD);
}

static void
test_a_rash_decision_never_touches_revoked_or_held(void **state)
{
	struct world *w = *state;
	int64_t holder = person(w, 1);
	struct store_put a = row(1, "0101", STORE_SIGNATURE);
	struct store_put b = row(1, "0102", STORE_AUTHENTICATION);
	struct store_hold r = hold_request("c1", holder, "1000000001");

	a.cert.status = STORE_REVOKED;
	b.cert.status = STORE_HELD;
	put(w, &a);
	put(w, &b);
	r.decide = decide_rash;
	place(w, &r);
	assert_int_equal(r.outcome, STORE_HOLD_ALREADY);
	assert_int_equal(r.certs[0].status, STORE_REVOKED);
	assert_int_equal(r.certs[0].generation, 1);
	assert_int_equal(r.certs[1].status, STORE_HELD);
	assert_int_equal(r.certs[1].generation, 1);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), 0);
}

static void
test_taken_receipts_are_passed_over(void **state)
{
	struct world *w = *state;
	int64_t one = person(w, 1), two = person(w, 2), three = person(w, 3);
	struct store_hold a = hold_request("c1", one, "1000000001");
	struct store_hold b = hold_request("c2", two, "1000000001");
	struct store_hold c = hold_request("c3", three, "1000000001");

	place(w, &a);
	snprintf(b.receipts[1], sizeof(b.receipts[1]), "1000000002");
	place(w, &b);
	assert_string_equal(b.receipt, "1000000002");
	for (size_t i = 0; i < STORE_RECEIPT_TRIES; i++)
		snprintf(c.receipts[i], sizeof(c.receipts[i]), "1000000002");
	store_hold(w->store, &c);
	assert_int_equal(store_wait(w->store, &c.req), -1);
	assert_int_equal(c.req.err.code, ERR_CONFLICT);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), 2);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM certificates WHERE status = 1"),
	    4);
}

static void
test_the_outbox_gives_rows_in_order(void **state)
{
	struct world *w = *state;
	struct store_hold a = hold_request("c1", person(w, 1), "1000000001");
	struct store_hold b = hold_request("c2", person(w, 2), "1000000002");
	struct store_outbox_take take = { .now_us = NOON };
	struct store_outbox_depth depth = { 0 };

	store_outbox_depth(w->store, &depth);
	must(w->store, &depth.req);
	assert_int_equal(depth.waiting, 0);
	assert_int_equal(depth.oldest_us, 0);
	place(w, &a);
	w->now_us += 9;
	place(w, &b);
	store_outbox_take(w->store, &take);
	must(w->store, &take.req);
	assert_int_equal(take.n, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(take.rows[i].seq, i + 1);
		assert_int_equal(take.rows[i].status, STORE_HELD);
		assert_int_equal(take.rows[i].generation, 1);
		assert_int_equal(take.rows[i].reason, 6);
		assert_string_equal(take.rows[i].issuer, ISSUER);
	}
	assert_string_equal(take.rows[0].serial, "0101");
	assert_int_equal(take.rows[3].hold_id, b.hold_id);
	assert_int_equal(take.rows[3].status_us, NOON + 9);
	take.skip_to = 3;
	store_outbox_take(w->store, &take);
	must(w->store, &take.req);
	assert_int_equal(take.n, 1);
	store_outbox_depth(w->store, &depth);
	must(w->store, &depth.req);
	assert_int_equal(depth.waiting, 4);
	assert_int_equal(depth.oldest_us, NOON);
}

static int64_t
seen(struct world *w, int64_t hold_id)
{
	struct store_hold_seen r = { .hold_id = hold_id };

	store_hold_seen(w->store, &r);
	must(w->store, &r.req);
	return r.visible_us;
}

static void
test_a_hold_is_visible_when_its_last_row_is_read_back(void **state)
{
	struct world *w = *state;
	struct store_hold r = hold_request("c1", person(w, 1), "1000000001");
	struct store_outbox_ack ack = { .n = 1, .now_us = NOON + 5 };
	struct store_cert_find find = { .serial = "0101" };

	place(w, &r);
	ack.seqs[0] = 1;
	ack.holds[0] = r.hold_id;
	store_outbox_ack(w->store, &ack);
	must(w->store, &ack.req);
	assert_int_equal(ack.n_visible, 0);
	assert_int_equal(seen(w, r.hold_id), 0);
	store_cert_find(w->store, &find);
	must(w->store, &find.req);
	assert_int_equal(find.visible_us[0], NOON + 5);

	publish_all(w, NOON + 8, &ack);
	assert_int_equal(ack.n, 1);
	assert_int_equal(ack.n_visible, 1);
	assert_int_equal(ack.visible[0], r.hold_id);
	assert_int_equal(ack.visible_us[0], NOON + 8);
	assert_int_equal(seen(w, r.hold_id), NOON + 8);

	/* again, from a second publisher: the first time stays */
	ack.now_us = NOON + 99;
	store_outbox_ack(w->store, &ack);
	must(w->store, &ack.req);
	assert_int_equal(ack.n_visible, 1);
	assert_int_equal(ack.visible_us[0], NOON + 8);
	assert_int_equal(seen(w, r.hold_id), NOON + 8);
}

static void
test_both_rows_in_one_ack_report_the_hold_once(void **state)
{
	struct world *w = *state;
	struct store_hold a = hold_request("c1", person(w, 1), "1000000001");
	struct store_hold b = hold_request("c2", person(w, 2), "1000000002");
	struct store_outbox_ack ack;
	struct store_outbox_take take = { .now_us = NOON };

	place(w, &a);
	place(w, &b);
	publish_all(w, NOON + 8, &ack);
	assert_int_equal(ack.n_visible, 2);
	assert_int_equal(ack.visible[0], a.hold_id);
	assert_int_equal(ack.visible[1], b.hold_id);
	store_outbox_take(w->store, &take);
	must(w->store, &take.req);
	assert_int_equal(take.n, 0);
	/* numbers are never used again */
	a = hold_request("c3", person(w, 3), "1000000003");
	place(w, &a);
	store_outbox_take(w->store, &take);
	must(w->store, &take.req);
	assert_int_equal(take.rows[0].seq, 5);
}

static void
test_parked_rows_wait_and_the_hold_with_them(void **state)
{
	struct world *w = *state;
	struct store_hold r = hold_request("c1", person(w, 1), "1000000001");
	struct store_outbox_ack ack = { .n = 2, .now_us = NOON };
	struct store_outbox_take take = { .now_us = NOON };

	place(w, &r);
	ack.seqs[0] = 1;
	ack.seqs[1] = 2;
	ack.holds[0] = ack.holds[1] = r.hold_id;
	ack.park_us[1] = NOON + 1000;
	store_outbox_ack(w->store, &ack);
	must(w->store, &ack.req);
	assert_int_equal(ack.n_visible, 0);
	store_outbox_take(w->store, &take);
	must(w->store, &take.req);
	assert_int_equal(take.n, 0);
	take.now_us = NOON + 1000;
	store_outbox_take(w->store, &take);
	must(w->store, &take.req);
	assert_int_equal(take.n, 1);
	assert_int_equal(take.rows[0].seq, 2);
	/* a clock set back by ten years does not keep it parked */
	take.now_us = NOON - INT64_C(315360000000000);
	store_outbox_take(w->store, &take);
	must(w->store, &take.req);
	assert_int_equal(take.n, 1);
}

static void
test_a_missing_hold_is_not_found(void **state)
{
	struct world *w = *state;
	struct store_hold_seen r = { .hold_id = 5 };

	store_hold_seen(w->store, &r);
	assert_int_equal(store_wait(w->store, &r.req), -1);
	assert_int_equal(r.req.err.code, ERR_NOTFOUND);
}

static void
test_a_hostile_call_id_cannot_forge_a_leaf(void **state)
{
	struct world *w = *state;
	struct store_hold r =
	    hold_request("x\",\"hold\":\"9\n", person(w, 1), "1000000001");

	place(w, &r);
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM audit WHERE text LIKE"
			     " '{\"hold\":1,\"call\":\"x?,?hold?:?9?\",%'"),
	    1);
}

static void
test_cases_are_listed_newest_first(void **state)
{
	struct world *w = *state;
	struct store_case_list list = { 0 };
	struct store_hold r;
	struct store_put p;
	char call[8], receipt[11];

	for (uint8_t i = 1; i <= 3; i++) {
		snprintf(call, sizeof(call), "c%u", i);
		snprintf(receipt, sizeof(receipt), "100000000%u", i);
		p = row(i, call + 1, STORE_SIGNATURE);
		snprintf(p.municipality, sizeof(p.municipality),
		    i == 2 ? "011002" : "131016");
		put(w, &p);
		r = hold_request(call, holder_of(w, i), receipt);
		place(w, &r);
	}
	store_case_list(w->store, &list);
	must(w->store, &list.req);
	assert_int_equal(list.n, 3);
	assert_string_equal(list.cases[0].receipt, "1000000003");
	assert_string_equal(list.cases[2].call_id, "c1");
	assert_string_equal(list.cases[2].status, "open");
	assert_int_equal(list.cases[0].reported_us, NOON - 60000000);
	assert_int_equal(list.cases[0].verified_us, NOON - 20000000);
	assert_int_equal(list.cases[0].created_us, NOON);
	list.before_id = list.cases[0].id;
	snprintf(list.municipality, sizeof(list.municipality), "131016");
	store_case_list(w->store, &list);
	must(w->store, &list.req);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.cases[0].receipt, "1000000001");
}

static void
test_a_case_shows_its_certificates_and_contact(void **state)
{
	struct world *w = *state;
	struct store_case_show show = { .receipt = "1000000001" };
	struct store_put p = row(1, "0102", STORE_AUTHENTICATION);
	struct store_hold r = hold_request("c1", person(w, 1), "1000000001");

	p.contact_len = 3;
	memcpy(p.contact, "\0xy", 3);
	p.key_version = 7;
	put(w, &p);
	place(w, &r);
	store_case_show(w->store, &show);
	must(w->store, &show.req);
	assert_int_equal(show.found.hold_id, r.hold_id);
	assert_string_equal(show.found.municipality, "131016");
	assert_int_equal(show.n, 2);
	assert_string_equal(show.certs[0].serial, "0101");
	assert_int_equal(show.key_version, 7);
	assert_int_equal(show.contact_len, 3);
	assert_memory_equal(show.contact, "\0xy", 3);
	snprintf(show.receipt, sizeof(show.receipt), "9999999999");
	store_case_show(w->store, &show);
	assert_int_equal(store_wait(w->store, &show.req), -1);
	assert_int_equal(show.req.err.code, ERR_NOTFOUND);
}

/* Two servers take the same call, each with a thread of its own. */
static void
test_two_stores_race_for_one_call(void **state)
{
	struct world *w = *state;
	struct store *a = world_open_store(w, 1), *b = world_open_store(w, 1);
	struct store_hold ra, rb;
	char call[8], receipt[11];
	int64_t holder;
	uint8_t i;

	for (i = 1; i <= 40; i++) {
		holder = person(w, i);
		snprintf(call, sizeof(call), "c%u", i);
		snprintf(receipt, sizeof(receipt), "10000000%02u", i);
		ra = hold_request(call, holder, receipt);
		receipt[0] = '2';
		rb = hold_request(call, holder, receipt);
		store_hold(a, &ra);
		store_hold(b, &rb);
		must(a, &ra.req);
		must(b, &rb.req);
		assert_int_equal(ra.hold_id, rb.hold_id);
		assert_string_equal(ra.receipt, rb.receipt);
		assert_int_equal(ra.again + rb.again, 1);
	}
	store_close(a);
	store_close(b);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), 40);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM cases"), 40);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM outbox"), 80);
	assert_int_equal(leaves(w), 40);
}

/* Ten years either way: no status moves, nothing is released or reordered. */
static void
test_clock_jumps_release_nothing(void **state)
{
	static const int64_t jumps[] = { INT64_C(315360000000000),
		-INT64_C(630720000000000) };
	struct world *w = *state;
	struct store_hold r = hold_request("c1", person(w, 1), "1000000001");
	struct store_hold next;
	struct store_case_list list = { 0 };
	char call[8];

	place(w, &r);
	for (uint8_t i = 0; i < 2; i++) {
		w->now_us += jumps[i];
		snprintf(call, sizeof(call), "j%u", i);
		next = hold_request(call, r.holder, "1000000009");
		place(w, &next);
		assert_int_equal(next.certs[0].status, STORE_HELD);
		assert_int_equal(next.certs[0].generation, 1);
	}
	next = hold_request("c2", person(w, 2), "1000000002");
	place(w, &next);
	assert_int_equal(next.outcome, STORE_HOLD_PLACED);
	store_case_list(w->store, &list);
	must(w->store, &list.req);
	assert_string_equal(list.cases[0].receipt, "1000000002");
	assert_int_equal(leaves(w), 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_hold_writes_everything_or_nothing),
		T(test_the_same_call_gets_the_first_answer),
		T(test_another_holder_in_the_same_call_is_refused),
		T(test_an_unknown_holder_is_not_found),
		T(test_a_second_call_hears_already_with_the_first_receipt),
		T(test_already_after_the_registrys_own_hold_has_no_receipt),
		T(test_a_hold_of_another_carrier_is_not_already),
		T(test_nothing_can_be_held),
		T(test_one_dead_of_a_pair_holds_the_other),
		T(test_a_rash_decision_never_touches_revoked_or_held),
		T(test_taken_receipts_are_passed_over),
		T(test_the_outbox_gives_rows_in_order),
		T(test_a_hold_is_visible_when_its_last_row_is_read_back),
		T(test_both_rows_in_one_ack_report_the_hold_once),
		T(test_parked_rows_wait_and_the_hold_with_them),
		T(test_a_missing_hold_is_not_found),
		T(test_a_hostile_call_id_cannot_forge_a_leaf),
		T(test_cases_are_listed_newest_first),
		T(test_a_case_shows_its_certificates_and_contact),
		T(test_two_stores_race_for_one_call),
		T(test_clock_jumps_release_nothing),
	};
	return cmocka_run_group_tests_name(
	    "store_hold", tests, WORLD_START, WORLD_STOP);
}
