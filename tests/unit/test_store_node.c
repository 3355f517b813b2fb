/* SPDX-License-Identifier: Apache-2.0 */
#include "store_world.h"

#include "base/timer.h"
#include "store/node.h"

static struct store_node_beat
node(const char *id, const char *name)
{
	struct store_node_beat r = { .node = { .pid = 42 } };

	str_copy(r.node.id, sizeof(r.node.id), id);
	str_copy(r.node.name, sizeof(r.node.name), name);
	str_copy(r.node.version, sizeof(r.node.version), "1.2.3");
	return r;
}

static void
beat(struct store *s, const char *id, const char *name, int64_t calls)
{
	struct store_node_beat r = node(id, name);

	r.node.calls = calls;
	r.node.queue = 2;
	r.node.lag_us = 3000;
	store_node_beat(s, &r);
	must(s, &r.req);
}

static struct store_node_list
list(struct world *w)
{
	struct store_node_list r = { .n = 99 };

	store_node_list(w->store, &r);
	must(w->store, &r.req);
	return r;
}

/* A node was last seen so much earlier. */
static void
make_older(struct world *w, const char *id, int64_t by_us)
{
	char sql[120];

	snprintf(sql, sizeof(sql),
	    "UPDATE nodes SET seen_us = seen_us - %lld WHERE id = '%s'",
	    (long long)by_us, id);
	world_sql(w, sql);
}

static void
test_nodes_are_listed_by_name(void **state)
{
	struct world *w = *state;
	struct store *other = world_open_store(w, 0);
	struct store_node_list r = list(w);

	assert_int_equal(r.n, 0);
	beat(w->store, "1111", "tokyo", 7);
	beat(other, "2222", "osaka", 8);
	r = list(w);
	assert_int_equal(r.n, 2);
	assert_false(r.more);
	assert_string_equal(r.nodes[0].name, "osaka");
	assert_string_equal(r.nodes[1].name, "tokyo");
	assert_string_equal(r.nodes[1].id, "1111");
	assert_string_equal(r.nodes[1].version, "1.2.3");
	assert_int_equal(r.nodes[1].pid, 42);
	assert_int_equal(r.nodes[1].calls, 7);
	assert_int_equal(r.nodes[1].queue, 2);
	assert_int_equal(r.nodes[1].lag_us, 3000);
	assert_true(store_node_alive(&r.nodes[0], r.now_us));
	assert_true(r.nodes[1].started_us == r.nodes[1].seen_us);
	beat(w->store, "1111", "tokyo", 9); /* the same run again */
	r = list(w);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.nodes[1].calls, 9);
	store_close(other);
}

static void
test_a_dead_one_is_shown_and_then_forgotten(void **state)
{
	struct world *w = *state;
	struct store_node_list r;

	beat(w->store, "1111", "tokyo", 0);
	make_older(w, "1111", STORE_NODE_DEAD_US + CLOCK_S_US);
	beat(w->store, "2222", "osaka", 0);
	r = list(w);
	assert_int_equal(r.n, 2);
	assert_true(store_node_alive(&r.nodes[0], r.now_us));
	assert_false(store_node_alive(&r.nodes[1], r.now_us));
	make_older(w, "1111", STORE_NODE_FORGET_US);
	beat(w->store, "2222", "osaka", 0);
	r = list(w);
	assert_int_equal(r.n, 1);
	assert_string_equal(r.nodes[0].name, "osaka");
}

/* Its successor takes the name; but two that live are both shown. */
static void
test_a_name_is_taken_over_from_the_dead_only(void **state)
{
	struct world *w = *state;
	struct store_node_list r;

	beat(w->store, "1111", "tokyo", 0);
	beat(w->store, "2222", "tokyo", 0);
	assert_int_equal(list(w).n, 2);
	make_older(w, "1111", STORE_NODE_DEAD_US + CLOCK_S_US);
	beat(w->store, "2222", "tokyo", 0);
	r = list(w);
	assert_int_equal(r.n, 1);
	assert_string_equal(r.nodes[0].id, "2222");
}

static void
test_who_leaves_is_forgotten_at_once(void **state)
{
	struct world *w = *state;
	struct store_node_beat r = node("1111", "tokyo");

	beat(w->store, "1111", "tokyo", 0);
	r.leave = true;
	store_node_beat(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(list(w).n, 0);
}

/* Seen "in an hour": the clock was set back; it is not alive until it beats. */
static void
test_the_databases_clock_is_set_back(void **state)
{
	struct world *w = *state;
	struct store_node_list r;

	beat(w->store, "1111", "tokyo", 0);
	make_older(w, "1111", -INT64_C(3600000000));
	r = list(w);
	assert_int_equal(r.n, 1);
	assert_false(store_node_alive(&r.nodes[0], r.now_us));
	beat(w->store, "1111", "tokyo", 0);
	r = list(w);
	assert_true(store_node_alive(&r.nodes[0], r.now_us));
}

#ifdef STORE_POSTGRES
static void
test_a_node_that_is_an_hour_wrong_lives(void **state)
{
	struct world *w = *state;
	struct world wrong = *w;
	struct store *other;
	struct store_node_list r;

	wrong.now_us += INT64_C(3600000000);
	other = world_open_store(&wrong, 0);
	beat(w->store, "1111", "tokyo", 0);
	beat(other, "2222", "osaka", 0);
	r = list(w);
	assert_true(store_node_alive(&r.nodes[0], r.now_us));
	assert_true(store_node_alive(&r.nodes[1], r.now_us));
	store_close(other);
}
#endif

/* ---- beating by itself */

static int64_t mono_us;

static int64_t
virtual_us(void *ctx)
{
	(void)ctx;
	return mono_us;
}

static unsigned int
five_calls(void *ctx)
{
	(void)ctx;
	return 5;
}

static void
run_until(struct timers *timers, struct store *s, int64_t us)
{
	for (; mono_us < us; mono_us += CLOCK_S_US) {
		timers_run(timers);
		store_dispatch(s);
	}
}

static void
test_it_beats_by_itself(void **state)
{
	struct world *w = *state;
	struct timer_clock clock = { virtual_us, virtual_us, NULL };
	struct timers *timers = timers_new(&clock);
	struct node_beat_options o = { .store = w->store,
		.timers = timers,
		.id = "3333",
		.name = "nara",
		.version = "1.0",
		.pid = 1,
		.calls = five_calls };
	struct node_beat *b = node_beat_new(&o);

	assert_true(timers != NULL && b != NULL);
	mono_us = CLOCK_S_US;
	run_until(timers, w->store, 2 * CLOCK_S_US);
	assert_int_equal(list(w).n, 1);
	assert_int_equal(list(w).nodes[0].calls, 5);
	make_older(w, "3333", STORE_NODE_DEAD_US + CLOCK_S_US);
	run_until(timers, w->store, 2 * CLOCK_S_US + STORE_NODE_BEAT_US);
	assert_true(store_node_alive(&list(w).nodes[0], list(w).now_us));
	timers_run(timers);
	node_beat_leave(b);
	assert_int_equal(list(w).n, 0);
	node_beat_free(b);
	timers_free(timers);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nodes_are_listed_by_name),
		T(test_a_dead_one_is_shown_and_then_forgotten),
		T(test_a_name_is_taken_over_from_the_dead_only),
		T(test_who_leaves_is_forgotten_at_once),
		T(test_the_databases_clock_is_set_back),
#ifdef STORE_POSTGRES
		T(test_a_node_that_is_an_hour_wrong_lives),
#endif
		T(test_it_beats_by_itself),
	};
	return cmocka_run_group_tests_name(
	    "store_node", tests, WORLD_START, WORLD_STOP);
}
