/* SPDX-License-Identifier: Apache-2.0 */
#include "redis_world.h"

#include "base/err.h"
#include "wire/resp.h"
#include "wire/stream.h"

#define MANY 3000

struct world {
	struct event_base *base;
	struct server server;
	struct fake fake;
	struct resp *resp, *idle;
	bool open, idle_open, idle_closed;
	int closes;
	char why[100];
	size_t replies, lost; /* replies that came, and NULLs */
	size_t wanted;
	int type; /* of the last one */
	char text[64];
	long long number;
	bool in_order;
};

static void
on_open(void *ctx)
{
	((struct world *)ctx)->open = true;
}

static void
on_closed(void *ctx, const char *why)
{
	struct world *w = ctx;

	w->closes++;
	snprintf(w->why, sizeof(w->why), "%s", why);
	assert_int_equal(resp_pending(w->resp), 0);
}

static const struct resp_handler handler = { on_open, on_closed };

static void
idle_open(void *ctx)
{
	((struct world *)ctx)->idle_open = true;
}

static void
idle_closed(void *ctx, const char *why)
{
	(void)why;
	((struct world *)ctx)->idle_closed = true;
}

static const struct resp_handler idle_handler = { idle_open, idle_closed };

static void
on_reply(void *ctx, const struct redisReply *reply)
{
	struct world *w = ctx;

	if (reply == NULL) {
		assert_int_equal(w->closes, 0); /* before on_closed() */
		w->lost++;
		return;
	}
	if (reply->type == REDIS_REPLY_INTEGER &&
	    reply->integer != (long long)w->replies + 1)
		w->in_order = false;
	w->replies++;
	w->type = reply->type;
	w->number = reply->integer;
	snprintf(w->text, sizeof(w->text), "%s",
	    reply->str == NULL ? "" : reply->str);
}

static bool
is_open(void *ctx)
{
	return ((struct world *)ctx)->open;
}

static bool
both_open(void *ctx)
{
	return is_open(ctx) && ((struct world *)ctx)->idle_open;
}

static bool
is_closed(void *ctx)
{
	return ((struct world *)ctx)->closes > 0;
}

static bool
has_replies(void *ctx)
{
	struct world *w = ctx;

	return w->replies + w->lost >= w->wanted;
}

static bool
has_heard(void *ctx)
{
	struct world *w = ctx;

	return evbuffer_get_length(w->fake.heard) >= w->wanted;
}

static void
wait_for(struct world *w, bool (*until)(void *ctx))
{
	loop_until(w->base, until, NULL, w);
}

static struct resp *
connect_to(struct world *w, const char *address,
    const struct resp_handler *with, struct err *err)
{
	struct stream_addr addr;

	assert_int_equal(stream_addr_parse(address, &addr, err), 0);
	return resp_connect(w->base, &addr, 1, with, w, err);
}

static void
connect_now(struct world *w)
{
	struct err err;

	w->resp = connect_to(w, w->server.address, &handler, &err);
	if (w->resp == NULL)
		fail_msg("%s", err.text);
	wait_for(w, is_open);
}

static int
send_words(struct world *w, const char *a, const char *b, const char *c)
{
	const char *argv[] = { a, b, c };
	int argc = b == NULL ? 1 : c == NULL ? 2 : 3, i;
	size_t lens[3];

	for (i = 0; i < argc; i++)
		lens[i] = strlen(argv[i]);
	return resp_send(w->resp, argc, argv, lens, on_reply, w);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->base = event_base_new();
	w->in_order = true;
	server_folder(&w->server);
	*state = w;
	return 0;
}

static int
setup_real(void **state)
{
	setup(state);
	server_start(&((struct world *)*state)->server);
	return 0;
}

static int
setup_fake(void **state)
{
	struct world *w;

	setup(state);
	w = *state;
	fake_start(&w->fake, w->base, &w->server);
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	resp_free(w->resp);
	resp_free(w->idle);
	fake_stop(&w->fake);
	event_base_loop(w->base, EVLOOP_NONBLOCK); /* libevent's own frees */
	event_base_free(w->base);
	server_remove(&w->server);
	free(w);
	return 0;
}

/* ---- a real server */

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

static void
test_a_reply_has_a_limit(void **state)
{
	struct world *w = *state;
	char out[400];

	server_ask(&w->server, out, "SETRANGE big 900000 x");
	server_ask(&w->server, out, "SETRANGE huge 4000000 x");
	connect_now(w);
	send_words(w, "GET", "big", NULL);
	w->wanted = 1;
	wait_for(w, has_replies);
	assert_int_equal(w->replies, 1);
	send_words(w, "GET", "huge", NULL);
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

/* ---- no server */

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

/* ---- a server that misbehaves */

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

#define REAL(name) cmocka_unit_test_setup_teardown(name, setup_real, teardown)
#define FAKE(name) cmocka_unit_test_setup_teardown(name, setup_fake, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		REAL(test_commands_are_answered_in_order),
		REAL(test_bytes_of_any_kind_go_through),
		REAL(test_an_error_is_a_reply),
		REAL(test_a_reply_has_a_limit),
		REAL(test_a_server_that_dies_takes_its_replies_along),
		REAL(test_freeing_is_silent),
		cmocka_unit_test_setup_teardown(
		    test_nobody_there_is_an_error_or_a_close, setup, teardown),
		FAKE(test_bad_answers_end_the_connection),
		FAKE(test_an_unasked_reply_ends_an_idle_connection),
		FAKE(test_half_a_reply_is_none),
		FAKE(test_replies_come_in_pieces),
		FAKE(test_a_missing_reply_is_given_up),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("resp", tests, NULL, NULL);
}
