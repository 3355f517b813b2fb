/* SPDX-License-Identifier: Apache-2.0 */
#include "hold_world.h"

static void
test_a_placement_carries_all_that_was_asked(void **state)
{
	struct world *w = *state;
	char call_id[16] = "call-1", lang[4] = "ja";
	struct hold_request request = { .call_id = call_id,
		.holder = 5,
		.carriers = 1,
		.lang = lang,
		.reported_us = 11,
		.verified_us = 22 };
	struct store_hold *r;
	int i, j;

	for (i = 0; i < STORE_RECEIPT_TRIES; i++)
		request.random[i] = (uint64_t)i * 12345;
	assert_non_null(hold_place(w->hold, &request, placed, w));
	memset(call_id, 'x', sizeof(call_id));
	memset(lang, 'x', sizeof(lang));
	r = oldest(w);
	assert_string_equal(r->call_id, "call-1");
	assert_string_equal(r->lang, "ja");
	assert_int_equal(r->holder, 5);
	assert_int_equal(r->reported_us, 11);
	assert_int_equal(r->verified_us, 22);
	for (i = 0; i < STORE_RECEIPT_TRIES; i++) {
		assert_true(receipt_valid(r->receipts[i]));
		for (j = 0; j < i; j++)
			assert_string_not_equal(r->receipts[i], r->receipts[j]);
	}
	assert_int_equal(w->commits, 0);
	commit(w, STORE_HOLD_PLACED, 0);
	assert_int_equal(w->commits, 1);
	hold_visible(w->hold, 77, WALL + 5);
}

/* In the transaction: good ones on the carriers that are lost. */
static void
test_only_what_was_lost_and_can_be_held_is_taken(void **state)
{
	static const struct {
		unsigned int carriers;
		bool take[6];
	} rows[] = { { 1, { true, false, false, false, false, false } },
		{ 2, { false, true, false, false, false, false } },
		{ 3, { true, true, false, false, false, false } },
		{ 0, { false, false, false, false, false, false } } };
	struct store_cert certs[6] = {
		{ .carrier = STORE_CARD, .not_after = 20261124 },
		{ .carrier = STORE_SMARTPHONE, .not_after = 20261124 },
		{ .carrier = STORE_CARD, .not_after = 20261123 },
		{ .carrier = STORE_CARD,
		    .not_after = 20261124,
		    .status = STORE_HELD },
		{ .carrier = STORE_CARD,
		    .not_after = 20261124,
		    .status = STORE_REVOKED },
		{ .carrier = STORE_SMARTPHONE, .not_after = 20261123 },
	};
	struct world *w = *state;
	struct store_hold *r;
	bool take[6];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask_for(w, "call", rows[i].carriers);
		r = oldest(w);
		memset(take, 0, sizeof(take));
		r->decide(r->decide_ctx, certs, 6, WALL, take);
		assert_memory_equal(take, rows[i].take, sizeof(take));
		give_back(w, ERR_STORE);
	}
}

static void
test_a_hold_becomes_visible_in_time(void **state)
{
	struct world *w = *state;

	ask_for(w, "call", 3);
	assert_int_equal(w->dones, 0);
	commit(w, STORE_HOLD_PLACED, 0);
	assert_int_equal(w->dones, 0);
	pass(w, 100 * MS);
	hold_visible(w->hold, 76, WALL + 1); /* somebody else's */
	hold_visible(w->hold, 0, WALL + 1);
	assert_int_equal(w->dones, 0);
	hold_visible(w->hold, 77, WALL + 2);
	assert_int_equal(w->dones, 1);
	assert_int_equal(w->answer.result, HOLD_VISIBLE);
	assert_true(w->answer.visible);
	assert_string_equal(w->answer.receipt, "1234567890");
	assert_int_equal(w->answer.stored_us, WALL);
	assert_int_equal(w->answer.visible_us, WALL + 2);
	assert_int_equal(w->answer.plan.held, 1u << STORE_SIGNATURE);
	hold_visible(w->hold, 77, WALL + 3);
	pass(w, 10000 * MS);
	assert_int_equal(w->dones, 1);
}

/* Not a moment sooner or later than was promised. */
static void
test_a_hold_is_accepted_after_the_wait(void **state)
{
	static const int64_t waits[] = { 0, 100 * MS, 250 * MS, 600 * MS,
		2000 * MS };
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		open_room(w, waits[i]);
		w->dones = 0;
		ask_for(w, "call", 3);
		commit(w, STORE_HOLD_PLACED, 0);
		assert_int_equal(w->dones, 0); /* the caller is told later */
		if (waits[i] > 0) {
			pass_unseen(w, waits[i] - MS);
			assert_int_equal(w->dones, 0);
		}
		pass_unseen(w, 2 * MS);
		if (w->dones != 1)
			fail_msg("after %lld us", (long long)waits[i]);
		assert_int_equal(w->answer.result, HOLD_ACCEPTED);
		assert_false(w->answer.visible);
		assert_int_equal(w->answer.visible_us, 0);
		assert_string_equal(w->answer.receipt, "1234567890");
		/* News that comes now is for nobody. */
		hold_visible(w->hold, 77, WALL + 3);
		assert_int_equal(w->dones, 1);
	}
}

/* Another server's publisher was first: only the store knows. */
static void
test_the_store_may_know_that_it_is_visible(void **state)
{
	struct world *w = *state;
	struct store_hold_seen *seen;

	ask_for(w, "call", 3);
	commit(w, STORE_HOLD_PLACED, 0);
	pass(w, 300 * MS);
	assert_int_equal(w->store.seens, 1);
	seen = oldest(w);
	assert_int_equal(seen->hold_id, 77);
	give_back(w, ERR_NONE); /* not yet */
	pass(w, 300 * MS);
	assert_int_equal(w->store.seens, 2);
	give_back(w, ERR_STORE); /* that is no news either */
	assert_int_equal(w->dones, 0);
	pass(w, 300 * MS);
	seen = oldest(w);
	seen->visible_us = WALL + 44;
	give_back(w, ERR_NONE);
	assert_int_equal(w->dones, 1);
	assert_int_equal(w->answer.result, HOLD_VISIBLE);
	assert_int_equal(w->answer.visible_us, WALL + 44);
}

/* The store still has the question when the answer is known otherwise. */
static void
test_a_late_answer_of_the_store_is_dropped(void **state)
{
	struct world *w = *state;
	struct store_hold_seen *seen;

	ask_for(w, "call", 3);
	commit(w, STORE_HOLD_PLACED, 0);
	pass(w, 300 * MS);
	hold_visible(w->hold, 77, WALL + 2);
	assert_int_equal(w->dones, 1);
	hold_visible(w->hold, 77, WALL + 2);
	seen = oldest(w);
	seen->visible_us = WALL + 44;
	give_back(w, ERR_NONE);
	assert_int_equal(w->dones, 1);

	ask_for(w, "call", 3);
	commit(w, STORE_HOLD_PLACED, 0);
	pass(w, 9000 * MS); /* one question at a time, however slow */
	assert_int_equal(w->store.n, 1);
	assert_int_equal(w->dones, 2);
	assert_int_equal(w->answer.result, HOLD_ACCEPTED);
	give_back(w, ERR_NONE);
}

static void
test_what_was_on_hold_already_says_so(void **state)
{
	struct world *w = *state;

	ask_for(w, "call", 3);
	commit(w, STORE_HOLD_ALREADY, WALL - 5);
	assert_int_equal(w->dones, 1);
	assert_int_equal(w->answer.result, HOLD_ALREADY);
	assert_true(w->answer.visible);
	assert_int_equal(w->answer.visible_us, WALL - 5);
	assert_string_equal(w->answer.receipt, "1234567890");

	/* Not visible yet: wait as for a new one. */
	ask_for(w, "call", 3);
	commit(w, STORE_HOLD_ALREADY, 0);
	assert_int_equal(w->dones, 1);
	hold_visible(w->hold, 77, WALL + 6);
	assert_int_equal(w->dones, 2);
	assert_int_equal(w->answer.result, HOLD_ALREADY);
	assert_true(w->answer.visible);

	ask_for(w, "call", 3);
	commit(w, STORE_HOLD_ALREADY, 0);
	pass_unseen(w, 2001 * MS);
	assert_int_equal(w->dones, 3);
	assert_int_equal(w->answer.result, HOLD_ALREADY);
	assert_false(w->answer.visible);
}

static void
test_the_registrys_own_hold_has_no_receipt(void **state)
{
	struct world *w = *state;
	struct store_hold *r;

	ask_for(w, "call", 3);
	r = oldest(w);
	r->outcome = STORE_HOLD_ALREADY;
	give_back(w, ERR_NONE);
	assert_int_equal(w->dones, 1);
	assert_int_equal(w->answer.result, HOLD_ALREADY);
	assert_string_equal(w->answer.receipt, "");
	assert_int_equal(w->commits, 0);
}

static void
test_nothing_can_be_held(void **state)
{
	struct world *w = *state;
	struct store_hold *r;

	ask_for(w, "call", 3);
	r = oldest(w);
	r->outcome = STORE_HOLD_NOTHING;
	r->n = 1;
	r->certs[0].status = STORE_REVOKED;
	give_back(w, ERR_NONE);
	assert_int_equal(w->dones, 1);
	assert_int_equal(w->answer.result, HOLD_NOTHING);
	assert_string_equal(w->answer.receipt, "");
	assert_true(w->answer.plan.revoked); /* and why */
	assert_int_equal(w->commits, 0);
}

static void
test_a_caller_and_a_second_one_hear_of_the_same_hold(void **state)
{
	struct world *w = *state;

	ask_for(w, "call-1", 3);
	ask_for(w, "call-2", 3);
	commit(w, STORE_HOLD_PLACED, 0);
	commit(w, STORE_HOLD_ALREADY, 0);
	hold_visible(w->hold, 77, WALL + 6);
	assert_int_equal(w->dones, 2);
}

static void
test_results_have_names(void **state)
{
	(void)state;
	assert_string_equal(hold_result_name(HOLD_VISIBLE), "visible");
	assert_string_equal(hold_result_name(HOLD_ACCEPTED), "accepted");
	assert_string_equal(hold_result_name(HOLD_ALREADY), "already");
	assert_string_equal(hold_result_name(HOLD_NOTHING), "nothing");
	assert_string_equal(hold_result_name(HOLD_FAILED), "failed");
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_placement_carries_all_that_was_asked),
		TEST(test_only_what_was_lost_and_can_be_held_is_taken),
		TEST(test_a_hold_becomes_visible_in_time),
		TEST(test_a_hold_is_accepted_after_the_wait),
		TEST(test_the_store_may_know_that_it_is_visible),
		TEST(test_a_late_answer_of_the_store_is_dropped),
		TEST(test_what_was_on_hold_already_says_so),
		TEST(test_the_registrys_own_hold_has_no_receipt),
		TEST(test_nothing_can_be_held),
		TEST(test_a_caller_and_a_second_one_hear_of_the_same_hold),
		cmocka_unit_test(test_results_have_names),
	};
	return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
