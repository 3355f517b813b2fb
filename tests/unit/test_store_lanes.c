/* SPDX-License-Identifier: Apache-2.0 */
/* Several store threads with a connection each: what keeps its order, what is
 * seen by whom, and that many callers at once lose nothing. */
#include <poll.h>

#include "store_world.h"

#define LANES 4
#define PEOPLE 41 /* no multiple of LANES: turns do not go one way by chance */
#define TURNS 25

static int
setup_lanes(void **state)
{
	struct world *w = world_folder();

	w->store = world_open_store(w, LANES);
	*state = w;
	return 0;
}

static void
finish(struct store *s)
{
	struct pollfd pfd = { .fd = store_fd(s), .events = POLLIN };

	while (store_pending(s) > 0)
		if (store_dispatch(s) == 0)
			poll(&pfd, 1, -1);
}

/* ---- order */

/* An end of a call, and when it was done. */
struct turn {
	struct store_call_close close;
	unsigned int at;
};

static unsigned int done_count;

static void
turn_done(struct store_req *req)
{
	struct turn *t = req->ctx;

	t->at = ++done_count;
}

/* Each call ends again and again without waiting: its ends keep their order,
 * so the last one counts. */
static void
test_one_calls_requests_keep_their_order(void **state)
{
	struct world *w = *state;
	struct turn *turns = calloc(PEOPLE * TURNS, sizeof(*turns));
	size_t i;

	assert_non_null(turns);
	done_count = 0;
	for (i = 0; i < PEOPLE * TURNS; i++) {
		struct store_call_close *r = &turns[i].close;

		snprintf(
		    r->call_id, sizeof(r->call_id), "call-%zu", i % PEOPLE);
		snprintf(
		    r->outcome, sizeof(r->outcome), "turn-%zu", i / PEOPLE);
		r->ended_us = (int64_t)i + 1;
		r->req.done = turn_done;
		r->req.ctx = &turns[i];
		store_call_close(w->store, r);
	}
	finish(w->store);
	for (i = 0; i < PEOPLE * TURNS; i++) {
		assert_int_equal(turns[i].close.req.err.code, ERR_NONE);
		if (i >= PEOPLE)
			assert_true(turns[i].at > turns[i - PEOPLE].at);
	}
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM calls"
			     " WHERE outcome = 'turn-24'"),
	    PEOPLE);
	free(turns);
}

/* ---- who sees what */

/* Whatever connection reads, it sees what was done before it was asked. */
static void
test_what_is_done_is_seen_by_all(void **state)
{
	struct world *w = *state;
	struct store_cert_find finds[2 * LANES];
	struct store_put r;
	char serial[8];
	size_t i;
	uint8_t who;

	for (who = 1; who <= PEOPLE; who++) {
		snprintf(serial, sizeof(serial), "%02x01", who);
		r = row(who, serial, STORE_SIGNATURE);
		put(w, &r);
		memset(finds, 0, sizeof(finds));
		for (i = 0; i < 2 * LANES; i++) {
			str_copy(
			    finds[i].serial, sizeof(finds[i].serial), serial);
			store_cert_find(w->store, &finds[i]);
		}
		finish(w->store);
		for (i = 0; i < 2 * LANES; i++)
			assert_int_equal(finds[i].n, 1);
	}
}

/* A writer that waits for a lock keeps nobody from reading. */
static void
test_reads_pass_a_writer_that_waits(void **state)
{
	struct world *w = *state;
	struct store_cert_find find = { .serial = "0101" };
	struct store_call_open open = { .call_id = "c1", .begun_us = 7 };
	void *block;

	person(w, 1);
	block = world_block(w);
	store_call_open(w->store, &open);
	store_cert_find(w->store, &find);
	must(w->store, &find.req);
	assert_int_equal(find.n, 1);
	assert_non_null(open.req.run); /* still waiting */
	world_release(block);
	must(w->store, &open.req);
}

/* ---- many at once */

struct caller {
	struct store_call_open open;
	struct store_hold hold, twice;
	struct store_call_close close;
	int64_t holder;
	unsigned int done;
};

static struct store *store;

static void
caller_held(struct store_req *req)
{
	struct caller *c = req->ctx;

	if (++c->done < 2)
		return;
	str_copy(c->close.outcome, sizeof(c->close.outcome), "held");
	c->close.ended_us = NOON;
	store_call_close(store, &c->close);
}

static void
caller_opened(struct store_req *req)
{
	struct caller *c = req->ctx;

	c->hold.req.done = c->twice.req.done = caller_held;
	c->hold.req.ctx = c->twice.req.ctx = c;
	store_hold(store, &c->hold);
	store_hold(store, &c->twice);
}

static void
caller_begin(struct caller *c, uint8_t who, int64_t holder)
{
	char call[16], receipt[16];

	snprintf(call, sizeof(call), "call-%u", who);
	snprintf(receipt, sizeof(receipt), "%010u", who);
	c->holder = holder;
	str_copy(c->open.call_id, sizeof(c->open.call_id), call);
	str_copy(c->close.call_id, sizeof(c->close.call_id), call);
	c->open.begun_us = NOON;
	c->open.req.done = caller_opened;
	c->open.req.ctx = c;
	c->hold = c->twice = hold_request(call, holder, receipt);
	store_call_open(store, &c->open);
}

/* Every caller's hold is asked for twice without waiting: the second is told
 * the first one's answer. */
static void
test_many_callers_at_once(void **state)
{
	struct world *w = *state;
	struct caller *callers = calloc(PEOPLE, sizeof(*callers));
	uint8_t who;

	assert_non_null(callers);
	store = w->store;
	for (who = 1; who <= PEOPLE; who++)
		callers[who - 1].holder = person(w, who);
	for (who = 1; who <= PEOPLE; who++)
		caller_begin(&callers[who - 1], who, callers[who - 1].holder);
	finish(w->store);
	for (who = 0; who < PEOPLE; who++) {
		struct caller *c = &callers[who];

		assert_int_equal(c->hold.req.err.code, ERR_NONE);
		assert_int_equal(c->twice.req.err.code, ERR_NONE);
		assert_int_equal(c->hold.outcome, STORE_HOLD_PLACED);
		assert_false(c->hold.again);
		assert_true(c->twice.again);
		assert_int_equal(c->hold.hold_id, c->twice.hold_id);
		assert_int_equal(c->close.req.err.code, ERR_NONE);
	}
	world_check_whole(w);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), PEOPLE);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM calls WHERE outcome = 'held'"),
	    PEOPLE);
	free(callers);
}

static void
close_again(struct store_req *req)
{
	struct store_call_open *next = req->ctx;

	if (next != NULL)
		store_call_open(store, next);
}

/* What done() submits while the store closes finds a connection, too. */
static void
test_closing_finishes_what_follows(void **state)
{
	struct world *w = *state;
	struct store_call_open opens[8] = { 0 };
	size_t i;

	store = w->store;
	for (i = 0; i < 8; i++) {
		snprintf(opens[i].call_id, sizeof(opens[i].call_id), "c%zu", i);
		opens[i].begun_us = 1;
		opens[i].req.done = close_again;
		opens[i].req.ctx = i < 7 ? &opens[i + 1] : NULL;
	}
	store_call_open(store, &opens[0]);
	store_close(store);
	w->store = NULL;
	assert_int_equal(world_sql(w, "SELECT count(*) FROM calls"), 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_one_calls_requests_keep_their_order, setup_lanes,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    test_what_is_done_is_seen_by_all, setup_lanes,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    test_reads_pass_a_writer_that_waits, setup_lanes,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    test_many_callers_at_once, setup_lanes, world_teardown),
		cmocka_unit_test_setup_teardown(
		    test_closing_finishes_what_follows, setup_lanes,
		    world_teardown),
	};

	return cmocka_run_group_tests(tests, WORLD_START, WORLD_STOP);
}
