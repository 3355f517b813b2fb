/* SPDX-License-Identifier: Apache-2.0 */
#include "resp_world.h"

static int
setup_fake(void **state)
{
	struct world *w;

	setup(state);
	w = *state;
	fake_start(&w->fake, w->base, &w->server);
	return 0;
}

static void
test_nobody_there_is_an_error_or_a_close(void **state)
{
	struct world *w = *state;
	struct err err = { 0 };

	w->resp = connect_to(w, w->server.address, &handler, &err);
	if (w->resp == NULL) {
		assert_int_equal(err.code, ERR_IO);
		assert_true(strlen(err.text) > 0);
	} else
		wait_for(w, is_closed);
	resp_free(w->resp);
	w->closes = 0;
	w->resp = connect_to(w, "127.0.0.1:1", &handler, &err);
	if (w->resp != NULL) {
		assert_int_equal(send_words(w, "PING", NULL, NULL), -1);
		wait_for(w, is_closed);
		assert_true(strlen(w->why) > 0);
	}
	assert_false(w->open);
}

static void
test_bad_answers_end_the_connection(void **state)
{
	static const struct {
		const char *bytes;
		size_t replies; /* of two that are awaited */
		const char *why;
	} rows[] = {
		{ "hello\r\n", 0, "does not speak" },
		{ "+OK\r\n?\r\n", 1, "does not speak" },
		{ "HTTP/1.1 400 Bad Request\r\n", 0, "does not speak" },
		{ "$-7\r\n", 0, "does not speak" },
		{ "*2147483647\r\n", 0, "does not speak" },
		{ "+OK\r\n+OK\r\n+OK\r\n", 2, "nobody asked" },
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		w->open = false;
		w->closes = 0;
		w->replies = w->lost = 0;
		connect_now(w);
		send_words(w, "PING", NULL, NULL);
		send_words(w, "PING", NULL, NULL);
		w->wanted = 28;
		wait_for(w, has_heard);
		evbuffer_drain(w->fake.heard, 28);
		fake_say(&w->fake, rows[i].bytes);
		wait_for(w, is_closed);
		assert_int_equal(w->replies, rows[i].replies);
		assert_int_equal(w->lost, 2 - rows[i].replies);
		if (strstr(w->why, rows[i].why) == NULL)
			fail_msg("row %zu: %s", i, w->why);
		resp_free(w->resp);
		w->resp = NULL;
	}
}

static void
test_an_unasked_reply_ends_an_idle_connection(void **state)
{
	struct world *w = *state;

	connect_now(w);
	send_words(w, "PING", NULL, NULL);
	w->wanted = 14;
	wait_for(w, has_heard);
	fake_say(&w->fake, "+PONG\r\n");
	w->wanted = 1;
	wait_for(w, has_replies);
	fake_say(&w->fake, "+PONG\r\n");
	wait_for(w, is_closed);
	assert_int_equal(w->replies, 1);
	assert_int_equal(w->lost, 0);
}

static void
test_half_a_reply_is_none(void **state)
{
	struct world *w = *state;

	connect_now(w);
	send_words(w, "PING", NULL, NULL);
	send_words(w, "PING", NULL, NULL);
	w->wanted = 28;
	wait_for(w, has_heard);
	fake_hang_up(&w->fake, "$4\r\nPONG\r\n$4\r\nPO");
	wait_for(w, is_closed);
	assert_int_equal(w->replies, 1); /* what was whole still counts */
	assert_int_equal(w->lost, 1);
	assert_string_equal(w->why, "it closed the connection");
}

static void
test_replies_come_in_pieces(void **state)
{
	static const char reply[] = "*3\r\n$2\r\nab\r\n:7\r\n$-1\r\n";
	struct world *w = *state;
	char piece[2] = "";
	size_t i;

	connect_now(w);
	send_words(w, "PING", NULL, NULL);
	w->wanted = 14;
	wait_for(w, has_heard);
	for (i = 0; reply[i] != '\0'; i++) {
		assert_int_equal(w->replies, 0);
		piece[0] = reply[i];
		fake_say(&w->fake, piece);
		event_base_loop(w->base, EVLOOP_NONBLOCK);
	}
	w->wanted = 1;
	wait_for(w, has_replies);
	assert_int_equal(w->type, REDIS_REPLY_ARRAY);
}

/* Silence is only too long while a reply is missing: the idle connection is
 * the older one. */
static void
test_a_missing_reply_is_given_up(void **state)
{
	struct world *w = *state;
	struct err err;

	w->idle = connect_to(w, w->server.address, &idle_handler, &err);
	connect_now(w);
	wait_for(w, both_open);
	send_words(w, "PING", NULL, NULL);
	wait_for(w, is_closed);
	assert_string_equal(w->why, "no reply in time");
	assert_int_equal(w->lost, 1);
	assert_int_equal(w->replies, 0);
	assert_false(w->idle_closed);
}

/* One byte now and then is no reply either. */
static void
drip(evutil_socket_t fd, short what, void *ctx)
{
	struct world *w = ctx;

	(void)fd, (void)what;
	if (w->closes == 0)
		fake_say(&w->fake, "1");
}

static void
test_a_reply_that_drips_is_given_up(void **state)
{
	struct timeval often = { 0, 200000 };
	struct world *w = *state;
	struct event *dripping;

	connect_now(w);
	send_words(w, "PING", NULL, NULL);
	w->wanted = 14;
	wait_for(w, has_heard);
	fake_say(&w->fake, "$1");
	dripping = event_new(w->base, -1, EV_PERSIST, drip, w);
	event_add(dripping, &often);
	wait_for(w, is_closed);
	event_free(dripping);
	assert_string_equal(w->why, "no reply in time");
	assert_int_equal(w->lost, 1);
}

#define FAKE(name) cmocka_unit_test_setup_teardown(name, setup_fake, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_nobody_there_is_an_error_or_a_close, setup, teardown),
		FAKE(test_bad_answers_end_the_connection),
		FAKE(test_an_unasked_reply_ends_an_idle_connection),
		FAKE(test_half_a_reply_is_none),
		FAKE(test_replies_come_in_pieces),
		FAKE(test_a_missing_reply_is_given_up),
		FAKE(test_a_reply_that_drips_is_given_up),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("resp, odd", tests, NULL, NULL);
}
