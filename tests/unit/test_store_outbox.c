/* SPDX-License-Identifier: Apache-2.0 */
/* Several publishers share one outbox. */
#include "store_world.h"

#include "store/node.h"

#define A "aaaa"
#define B "bbbb"

static void
beat(struct store *s, const char *id)
{
	struct store_node_beat r = { .node = { .pid = 1 } };

	str_copy(r.node.id, sizeof(r.node.id), id);
	str_copy(r.node.name, sizeof(r.node.name), id);
	store_node_beat(s, &r);
	must(s, &r.req);
}

static void
take(struct store *s, const char *node, struct store_outbox_take *r)
{
	*r = (struct store_outbox_take){ .now_us = NOON };
	str_copy(r->node, sizeof(r->node), node);
	store_outbox_take(s, r);
	must(s, &r->req);
}

static struct store_outbox_ack
ack(struct store *s, const struct store_outbox_take *t)
{
	struct store_outbox_ack r = { .n = t->n, .now_us = NOON + 5 };
	size_t i;

	for (i = 0; i < t->n; i++) {
		r.seqs[i] = t->rows[i].seq;
		r.holds[i] = t->rows[i].hold_id;
	}
	store_outbox_ack(s, &r);
	must(s, &r.req);
	return r;
}

/* Person `who` is put on hold: two rows. */
static void
hold_one(struct world *w, uint8_t who)
{
	char call[16], receipt[STORE_RECEIPT_DIGITS + 1];
	struct store_hold r;

	snprintf(call, sizeof(call), "call%u", who);
	snprintf(receipt, sizeof(receipt), "%010u", who);
	r = hold_request(call, person(w, who), receipt);
	place(w, &r);
	assert_int_equal(r.outcome, STORE_HOLD_PLACED);
}

static int64_t
claims(struct world *w)
{
	return world_sql(w, "SELECT count(*) FROM outbox WHERE claim <> ''");
}

static void
test_who_is_alone_claims_nothing(void **state)
{
	struct world *w = *state;
	struct store_outbox_take t;

	hold_one(w, 1);
	beat(w->store, A);
	take(w->store, A, &t);
	assert_int_equal(t.n, 2);
	assert_int_equal(claims(w), 0);
	take(w->store, "", &t); /* only looks */
	assert_int_equal(t.n, 2);
}

static void
test_a_row_is_given_to_one_at_a_time(void **state)
{
	struct world *w = *state;
	struct store_outbox_take t;

	beat(w->store, A);
	beat(w->store, B);
	hold_one(w, 1);
	take(w->store, A, &t);
	assert_int_equal(t.n, 2);
	assert_int_equal(claims(w), 2);
	hold_one(w, 2);
	take(w->store, B, &t);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.rows[0].seq, 3);
	take(w->store, A, &t); /* again: its own */
	assert_int_equal(t.n, 2);
	assert_int_equal(t.rows[0].seq, 1);
	take(w->store, "", &t);
	assert_int_equal(t.n, 4);
}

/* More than a page: the second one has the rest. */
static void
test_a_page_each(void **state)
{
	struct world *w = *state;
	struct store_outbox_take t;
	uint8_t who;

	beat(w->store, A);
	beat(w->store, B);
	for (who = 1; who <= STORE_OUTBOX_PAGE / 2 + 3; who++)
		hold_one(w, who);
	take(w->store, A, &t);
	assert_int_equal(t.n, STORE_OUTBOX_PAGE);
	take(w->store, B, &t);
	assert_int_equal(t.n, 6);
	assert_int_equal(t.rows[0].seq, STORE_OUTBOX_PAGE + 1);
}

/* A publisher was killed between the push and the acknowledgement: another
 * pushes the rows again when the claim is over.  Its ghost comes back, and
 * nothing is done twice. */
static void
test_killed_between_push_and_acknowledgement(void **state)
{
	struct world *w = *state;
	struct store *b = world_open_store(w, 0);
	struct store_outbox_take ta, tb;
	struct store_outbox_ack done;

	beat(w->store, A);
	beat(b, B);
	hold_one(w, 1);
	take(w->store, A, &ta);
	take(b, B, &tb);
	assert_int_equal(tb.n, 0);
	world_sql(w, "UPDATE outbox SET claim_us = claim_us - 5000000");
	take(b, B, &tb);
	assert_int_equal(tb.n, 2);
	done = ack(b, &tb);
	assert_int_equal(done.n_visible, 1);
	assert_int_equal(done.visible_us[0], NOON + 5);
	take(b, B, &tb);
	assert_int_equal(tb.n, 0);
	done = ack(w->store, &ta);
	assert_int_equal(done.n_visible, 1); /* the same news */
	assert_int_equal(done.visible_us[0], NOON + 5);
	store_close(b);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM outbox"), 0);
}

static void
test_without_a_link_they_are_given_back(void **state)
{
	struct world *w = *state;
	struct store_outbox_release back = { .node = A };
	struct store_outbox_take t;

	beat(w->store, A);
	beat(w->store, B);
	hold_one(w, 1);
	hold_one(w, 2);
	take(w->store, A, &t);
	assert_int_equal(t.n, 4);
	take(w->store, B, &t);
	assert_int_equal(t.n, 0);
	store_outbox_release(w->store, &back);
	must(w->store, &back.req);
	take(w->store, B, &t);
	assert_int_equal(t.n, 4);
}

/* Nobody waits an hour for a claim that was made before the clock was set
 * back. */
static void
test_the_databases_clock_is_set_back(void **state)
{
	struct world *w = *state;
	struct store_outbox_take t;

	beat(w->store, A);
	beat(w->store, B);
	hold_one(w, 1);
	take(w->store, A, &t);
	world_sql(w, "UPDATE outbox SET claim_us = claim_us + 3600000000");
	take(w->store, B, &t);
	assert_int_equal(t.n, 2);
}

/* Whoever died is not waited for: the one that is left takes all at once. */
static void
test_the_last_one_takes_all(void **state)
{
	struct world *w = *state;
	struct store_outbox_take t;

	beat(w->store, A);
	beat(w->store, B);
	hold_one(w, 1);
	take(w->store, A, &t);
	world_sql(w,
	    "UPDATE nodes SET seen_us = seen_us - 21000000 WHERE id = 'aaaa'");
	take(w->store, B, &t);
	assert_int_equal(t.n, 2);
}

/* ---- two at once */

enum { PEOPLE = 120 };

static void
count_pushed(const struct store_outbox_take *t, int pushed[])
{
	size_t i;

	for (i = 0; i < t->n; i++) {
		assert_true(t->rows[i].seq <= 2 * PEOPLE);
		pushed[t->rows[i].seq]++;
	}
}

/* Two threads take and acknowledge at once until nothing is left: every row is
 * pushed, none of them twice. */
static void
test_two_publishers_drain_together(void **state)
{
	struct world *w = *state;
	static const char *const ids[2] = { A, B };
	struct store *stores[2] = { world_open_store(w, 1),
		world_open_store(w, 1) };
	static struct store_outbox_take t[2];
	static int pushed[2 * PEOPLE + 1];
	uint8_t who;
	int i, k, n;

	memset(pushed, 0, sizeof(pushed));
	beat(stores[0], A);
	beat(stores[1], B);
	for (who = 1; who <= PEOPLE; who++)
		hold_one(w, who);
	do {
		for (k = 0; k < 2; k++) {
			t[k] = (struct store_outbox_take){ .now_us = NOON };
			str_copy(t[k].node, sizeof(t[k].node), ids[k]);
			store_outbox_take(stores[k], &t[k]);
		}
		for (k = 0, n = 0; k < 2; k++) {
			must(stores[k], &t[k].req);
			count_pushed(&t[k], pushed);
			n += (int)t[k].n;
		}
		for (k = 0; k < 2; k++)
			ack(stores[k], &t[k]);
	} while (n > 0);
	for (i = 1; i <= 2 * PEOPLE; i++)
		assert_int_equal(pushed[i], 1);
	store_close(stores[0]);
	store_close(stores[1]);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM outbox"), 0);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM holds WHERE visible_us = 0"), 0);
}

static void
test_the_depth_tells_how_long_the_oldest_waits(void **state)
{
	struct world *w = *state;
	struct store_outbox_depth depth = { .waiting = -1 };

	store_outbox_depth(w->store, &depth);
	must(w->store, &depth.req);
	assert_int_equal(depth.waiting, 0);
	assert_int_equal(depth.oldest_us, 0);
	hold_one(w, 1);
	w->now_us += CLOCK_S_US;
	hold_one(w, 2);
	memset(&depth, 0, sizeof(depth));
	store_outbox_depth(w->store, &depth);
	must(w->store, &depth.req);
	assert_int_equal(depth.waiting, 4);
	assert_int_equal(depth.oldest_us, NOON);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_who_is_alone_claims_nothing),
		T(test_a_row_is_given_to_one_at_a_time),
		T(test_a_page_each),
		T(test_killed_between_push_and_acknowledgement),
		T(test_without_a_link_they_are_given_back),
		T(test_the_databases_clock_is_set_back),
		T(test_the_last_one_takes_all),
		T(test_two_publishers_drain_together),
		T(test_the_depth_tells_how_long_the_oldest_waits),
	};
	return cmocka_run_group_tests_name(
	    "store_outbox", tests, WORLD_START, WORLD_STOP);
}
