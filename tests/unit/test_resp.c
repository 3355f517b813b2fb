/* SPDX-License-Identifier: Apache-2.0 */
#include "resp_world.h"

static int
setup_real(void **state)
{
	setup(state);
	server_start(&((struct world *)*state)->server);
	return 0;
}

static void
test_commands_are_answered_in_order(void **state)
{
	struct world *w = *state;
	size_t i;

	connect_now(w);
	for (i = 0; i < MANY; i++)
		assert_int_equal(send_words(w, "INCR", "counter", NULL), 0);
	assert_int_equal(w->replies, 0); /* never inside resp_send() */
	assert_int_equal(resp_pending(w->resp), MANY);
	w->wanted = MANY;
	wait_for(w, has_replies);
	assert_int_equal(w->replies, MANY);
	assert_true(w->in_order);
	assert_int_equal(w->number, MANY);
	assert_int_equal(resp_pending(w->resp), 0);
	assert_int_equal(w->closes, 0);
}

static void
test_bytes_of_any_kind_go_through(void **state)
{
	static const char bytes[] = "a\0b\r\n$3\r\n\xff";
	const char *argv[] = { "SET", "key", bytes };
	size_t lens[] = { 3, 3, sizeof(bytes) - 1 };
	struct world *w = *state;

	connect_now(w);
	assert_int_equal(resp_send(w->resp, 3, argv, lens, on_reply, w), 0);
	assert_int_equal(send_words(w, "STRLEN", "key", NULL), 0);
	w->wanted = 2;
	wait_for(w, has_replies);
	assert_int_equal(w->number, sizeof(bytes) - 1);
}

/* No word, and words at the ends of each number of digits of their length. */
static void
test_words_of_any_length_go_through(void **state)
{
	static const size_t sizes[] = { 0, 1, 9, 10, 99, 100, 999, 1000, 1001,
		9999, 10000, 100000, 1000000 };
	struct world *w = *state;
	char *bytes = malloc(1000000);
	const char *argv[] = { "SET", "", bytes };
	size_t lens[] = { 3, 0, 0 }, i;

	memset(bytes, 'x', 1000000);
	connect_now(w);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		lens[2] = sizes[i];
		assert_int_equal(
		    resp_send(w->resp, 3, argv, lens, on_reply, w), 0);
		assert_int_equal(send_words(w, "STRLEN", "", NULL), 0);
		w->wanted += 2;
		wait_for(w, has_replies);
		assert_int_equal(w->type, REDIS_REPLY_INTEGER);
		assert_int_equal(w->number, sizes[i]);
	}
	free(bytes);
}

static void
test_an_error_is_a_reply(void **state)
{
	struct world *w = *state;

	connect_now(w);
	send_words(w, "NONSENSE", NULL, NULL);
	w->wanted = 1;
	wait_for(w, has_replies);
	assert_int_equal(w->type, REDIS_REPLY_ERROR);
	send_words(w, "PING", NULL, NULL);
	w->wanted = 2;
	wait_for(w, has_replies);
	assert_string_equal(w->text, "PONG");
	assert_int_equal(w->closes, 0);
}

/* A value that is longer than any of ours: its beginning comes, its rest is
 * thrown away, and what follows is not touched by it. */
static void
test_a_value_that_is_too_long_is_cut(void **state)
{
	struct world *w = *state;
	char out[400];

	w->timeout_s = 60; /* it is much to read */
	server_ask(&w->server, out, "SETRANGE whole 16383 x");
	server_ask(&w->server, out, "SETRANGE big 16384 x");
	server_ask(&w->server, out, "SETRANGE huge 4000000 x");
	connect_now(w);
	send_words(w, "GET", "whole", NULL);
	send_words(w, "GET", "big", NULL);
	send_words(w, "GET", "huge", NULL);
	send_words(w, "PING", NULL, NULL);
	w->wanted = 1;
	wait_for(w, has_replies);
	w->wanted = 4;
	wait_for(w, has_replies);
	assert_string_equal(w->text, "PONG");
	assert_true(w->in_order);
	assert_int_equal(w->closes, 0);
	assert_int_equal(resp_pending(w->resp), 0);
}

/* Of many such at once, not all are kept either. */
static void
test_a_reply_has_a_limit(void **state)
{
	const char *argv[] = { "LRANGE", "list", "0", "-1" };
	const size_t lens[] = { 6, 4, 1, 2 };
	struct world *w = *state;
	char out[400];

	w->timeout_s = 60;
	server_ask(&w->server, out, "SETRANGE some 16000 x");
	server_ask(&w->server, out, "EVAL %s 0",
	    "for i=1,2000 do redis.call('RPUSH','list',"
	    "redis.call('GET','some')) end");
	connect_now(w);
	assert_int_equal(resp_send(w->resp, 4, argv, lens, on_reply, w), 0);
	wait_for(w, is_closed);
	assert_int_equal(w->lost, 1);
	assert_non_null(strstr(w->why, "longer"));
}

static void
test_a_server_that_dies_takes_its_replies_along(void **state)
{
	struct world *w = *state;

	connect_now(w);
	kill(w->server.pid, SIGSTOP);
	send_words(w, "INCR", "counter", NULL);
	send_words(w, "INCR", "counter", NULL);
	server_stop(&w->server);
	wait_for(w, is_closed);
	assert_int_equal(w->lost, 2);
	assert_int_equal(w->replies, 0);
	assert_int_equal(resp_pending(w->resp), 0);
	assert_int_equal(send_words(w, "PING", NULL, NULL), -1);
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	assert_int_equal(w->closes, 1);
}

static void
test_freeing_is_silent(void **state)
{
	struct world *w = *state;

	connect_now(w);
	send_words(w, "PING", NULL, NULL);
	resp_free(w->resp);
	w->resp = NULL;
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	assert_int_equal(w->replies + w->lost, 0);
	assert_int_equal(w->closes, 0);
	resp_free(NULL);
}

#define REAL(name) cmocka_unit_test_setup_teardown(name, setup_real, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		REAL(test_commands_are_answered_in_order),
		REAL(test_bytes_of_any_kind_go_through),
		REAL(test_words_of_any_length_go_through),
		REAL(test_an_error_is_a_reply),
		REAL(test_a_value_that_is_too_long_is_cut),
		REAL(test_a_reply_has_a_limit),
		REAL(test_a_server_that_dies_takes_its_replies_along),
		REAL(test_freeing_is_silent),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("resp", tests, NULL, NULL);
}
