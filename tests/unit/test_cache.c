/* SPDX-License-Identifier: Apache-2.0 */
#include "cache_world.h"

#define KEY "jpki:st:" ISSUER ":ab01"

static int
setup_real(void **state)
{
	struct world *w;

	setup(state);
	w = *state;
	server_start(&w->server);
	return 0;
}

/* A command without values of its own. */
static void
server_order(struct server *s, const char *command)
{
	redisContext *redis = redisConnectUnix(s->path);
	char *line;
	void *reply = NULL;

	assert_int_equal(
	    asprintf(&line, "%s\r\n", command), strlen(command) + 2);
	redisAppendFormattedCommand(redis, line, strlen(line));
	assert_int_equal(redisGetReply(redis, &reply), REDIS_OK);
	assert_int_not_equal(((redisReply *)reply)->type, REDIS_REPLY_ERROR);
	freeReplyObject(reply);
	free(line);
	redisFree(redis);
}

static void
test_the_library_is_loaded_where_it_is_missing(void **state)
{
	struct world *w = *state;
	char out[400];

	assert_non_null(strstr(
	    server_ask(&w->server, out, "FCALL jpki_version 0"), "not found"));
	open_cache(w);
	wait_up(w, 1);
	assert_string_equal(
	    server_ask(&w->server, out, "FCALL jpki_version 0"), "3");
}

static void
test_a_record_is_written_and_told(void **state)
{
	struct world *w = *state;
	struct store_outbox_row r = change("ab01", 3, STORE_HELD);
	redisContext *listener;
	redisReply *heard = NULL;
	char out[400];

	open_cache(w);
	wait_up(w, 1);
	listener = redisConnectUnix(w->server.path);
	freeReplyObject(redisCommand(listener, "SUBSCRIBE jpki:changed"));
	push(w, &r, 1);
	assert_int_equal(w->outcomes[0], PUBLISH_SHOWN);
	assert_string_equal(
	    server_ask(&w->server, out, "HMGET " KEY " v s r t e"),
	    "3 H 6 1795485600 41");
	assert_string_equal(server_ask(&w->server, out, "HLEN " KEY), "5");
	assert_int_equal(redisGetReply(listener, (void **)&heard), REDIS_OK);
	assert_string_equal(heard->element[2]->str, KEY);
	freeReplyObject(heard);
	redisFree(listener);
}

static void
test_compare_and_set(void **state)
{
	static const struct {
		const char *before; /* a command, or NULL */
		int64_t generation;
		enum store_status status;
		enum publish_outcome outcome;
		const char *after; /* v s r t e */
	} rows[] = {
		/* a new record, and a newer one over an older one */
		{ NULL, 1, STORE_HELD, PUBLISH_SHOWN, "1 H 6 1795485600 41" },
		{ "HSET " KEY " v 1 s H r 6 t 5 e 1", 2, STORE_GOOD,
		    PUBLISH_SHOWN, "2 G 0 1795485600 41" },
		{ "HSET " KEY " v 9 s H r 6 t 5 e 1", 10, STORE_REVOKED,
		    PUBLISH_SHOWN, "10 R 0 1795485600 41" },
		{ "HSET " KEY " v 2 s G r 0 t 5 e 1", 3, STORE_HELD,
		    PUBLISH_SHOWN, "3 H 6 1795485600 41" },
		/* the same once more: nothing changes, not even e */
		{ "HSET " KEY " v 3 s H r 6 t 1795485600 e 7", 3, STORE_HELD,
		    PUBLISH_SHOWN, "3 H 6 1795485600 7" },
		/* a late retry never undoes a newer state */
		{ "HSET " KEY " v 4 s G r 0 t 5 e 8", 3, STORE_HELD,
		    PUBLISH_SHOWN, "4 G 0 5 8" },
		{ "HSET " KEY " v 10 s G r 0 t 5 e 8", 9, STORE_HELD,
		    PUBLISH_SHOWN, "10 G 0 5 8" },
		/* the same generation with other content */
		{ "HSET " KEY " v 3 s G r 0 t 1795485600 e 7", 3, STORE_HELD,
		    PUBLISH_CONFLICT, "3 G 0 1795485600 7" },
		{ "HSET " KEY " v 3 s H r 1 t 1795485600 e 7", 3, STORE_HELD,
		    PUBLISH_CONFLICT, "3 H 1 1795485600 7" },
		{ "HSET " KEY " v 3 s H r 6 t 1795485601 e 7", 3, STORE_HELD,
		    PUBLISH_CONFLICT, "3 H 6 1795485601 7" },
		/* revoked is terminal */
		{ "HSET " KEY " v 3 s R r 1 t 5 e 7", 4, STORE_GOOD,
		    PUBLISH_REFUSED, "3 R 1 5 7" },
		{ "HSET " KEY " v 3 s R r 1 t 5 e 7", 4, STORE_HELD,
		    PUBLISH_REFUSED, "3 R 1 5 7" },
		{ "HSET " KEY " v 3 s R r 1 t 5 e 7", 4, STORE_REVOKED,
		    PUBLISH_SHOWN, "4 R 0 1795485600 41" },
		/* what is no record is replaced */
		{ "SET " KEY " nonsense", 3, STORE_HELD, PUBLISH_REPAIRED,
		    "3 H 6 1795485600 41" },
		{ "RPUSH " KEY " a b", 3, STORE_HELD, PUBLISH_REPAIRED,
		    "3 H 6 1795485600 41" },
		{ "HSET " KEY " s R r 6", 3, STORE_HELD, PUBLISH_REPAIRED,
		    "3 H 6 1795485600 41" },
		{ "HSET " KEY " v x s H r 6 t 5", 3, STORE_HELD,
		    PUBLISH_REPAIRED, "3 H 6 1795485600 41" },
		{ "HSET " KEY " v 9 s X r 6 t 5", 3, STORE_HELD,
		    PUBLISH_REPAIRED, "3 H 6 1795485600 41" },
		{ "HSET " KEY " v inf s G r 0 t 5", 3, STORE_HELD,
		    PUBLISH_REPAIRED, "3 H 6 1795485600 41" },
		{ "HSET " KEY " v 99999999999999999999 s G r 0 t 5", 3,
		    STORE_HELD, PUBLISH_REPAIRED, "3 H 6 1795485600 41" },
		{ "HSET " KEY " v -1 s G r 0 t 5", 3, STORE_HELD,
		    PUBLISH_REPAIRED, "3 H 6 1795485600 41" },
		{ "HSET " KEY " v 999999999999999 s G r 0 t 5 e 1", 3,
		    STORE_HELD, PUBLISH_CONFLICT, "999999999999999 G 0 5 1" },
		{ "HSET " KEY " v 0x7 s G r 0 t 5", 3, STORE_HELD,
		    PUBLISH_REPAIRED, "3 H 6 1795485600 41" },
		{ "HSET " KEY " other thing", 3, STORE_HELD, PUBLISH_REPAIRED,
		    "3 H 6 1795485600 41" },
	};
	struct world *w = *state;
	struct store_outbox_row r;
	char out[400];
	size_t i;

	open_cache(w);
	wait_up(w, 1);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		server_ask(&w->server, out, "DEL " KEY);
		if (rows[i].before != NULL)
			server_order(&w->server, rows[i].before);
		r = change("ab01", rows[i].generation, rows[i].status);
		r.latest = r.generation + 1; /* made by the store since */
		push(w, &r, 1);
		assert_false(w->lost);
		server_ask(&w->server, out, "HMGET " KEY " v s r t e");
		if (w->outcomes[0] != rows[i].outcome ||
		    strcmp(out, rows[i].after) != 0)
			fail_msg("%s: %s: %s",
			    rows[i].before == NULL ? "-" : rows[i].before,
			    publish_outcome_name(w->outcomes[0]), out);
	}
}

/* Each row has its own outcome, in order. */
static void
test_a_page_is_judged_row_by_row(void **state)
{
	struct world *w = *state;
	struct store_outbox_row rows[STORE_OUTBOX_PAGE];
	char serial[16], out[400];
	int i;

	open_cache(w);
	wait_up(w, 1);
	server_ask(&w->server, out, "SET jpki:st:" ISSUER ":1003 x");
	server_ask(&w->server, out,
	    "HSET jpki:st:" ISSUER ":1005 v 1 s G r 0 t 0 e 0");
	server_ask(&w->server, out,
	    "HSET jpki:st:" ISSUER ":1127 v 0 s R r 0 t 0 e 0");
	for (i = 0; i < STORE_OUTBOX_PAGE; i++) {
		snprintf(serial, sizeof(serial), "%d", 1000 + i);
		rows[i] = change(serial, 1, STORE_HELD);
	}
	push(w, rows, STORE_OUTBOX_PAGE);
	for (i = 0; i < STORE_OUTBOX_PAGE; i++)
		assert_int_equal(w->outcomes[i],
		    i == 3         ? PUBLISH_REPAIRED
			: i == 5   ? PUBLISH_CONFLICT
			: i == 127 ? PUBLISH_REFUSED
				   : PUBLISH_SHOWN);
	assert_string_equal(
	    server_ask(&w->server, out, "HGET jpki:st:" ISSUER ":1126 s"), "H");
}

static void
test_two_pages_are_pushed_at_once(void **state)
{
	struct world *w = *state;
	struct store_outbox_row a[2] = { change("ab01", 1, STORE_HELD),
		change("ab02", 1, STORE_HELD) };
	struct store_outbox_row b[2] = { change("ab01", 2, STORE_GOOD),
		change("ab03", 1, STORE_HELD) };
	char out[400];
	int i;

	open_cache(w);
	wait_up(w, 1);
	start_pushes(w, a, b, 2);
	wait_for(w, both_settled);
	assert_ptr_equal(w->settled[0], a);
	assert_ptr_equal(w->settled[1], b);
	assert_false(w->lost);
	assert_string_equal(server_ask(&w->server, out, "HGET " KEY " s"), "G");
	for (i = 0; i < 3; i++) { /* on what is left of it */
		start_pushes(w, a, b, 2);
		if (i == 0)
			server_ask(&w->server, out,
			    "CLIENT KILL TYPE normal SKIPME yes");
		else if (i == 1)
			server_stop(&w->server);
		wait_for(w, both_settled);
		assert_int_equal(w->settles, 2);
		assert_int_equal(w->lost, i < 2);
		assert_int_equal(cache_push(w->cache, a, 2), i < 2 ? -1 : 0);
		if (i == 1)
			server_start(&w->server);
		if (i < 2)
			wait_up(w, 2 + i);
	}
}

/* None of them is blamed on the rows; the link is up once when it is back. */
static void
test_two_pages_meet_a_library_that_was_flushed(void **state)
{
	struct world *w = *state;
	struct store_outbox_row a = change("ab01", 1, STORE_HELD);
	struct store_outbox_row b = change("ab02", 1, STORE_HELD);
	char out[400];

	open_cache(w);
	wait_up(w, 1);
	server_ask(&w->server, out, "FUNCTION FLUSH");
	start_pushes(w, &a, &b, 1);
	w->n_lost = 0;
	wait_for(w, both_settled);
	assert_int_equal(w->n_lost, 2);
	assert_int_equal(cache_push(w->cache, &a, 1), -1);
	wait_up(w, 2);
	start_pushes(w, &a, &b, 1);
	wait_for(w, both_settled);
	assert_false(w->lost);
	assert_int_equal(w->ups, 2);
}

static void
test_a_server_that_comes_back_empty_is_filled_again(void **state)
{
	struct world *w = *state;
	struct store_outbox_row r = change("ab01", 1, STORE_HELD);
	char out[400];

	open_cache(w);
	wait_up(w, 1);
	push(w, &r, 1);
	kill(w->server.pid, SIGSTOP);
	start_push(w, &r, 1);
	server_stop(&w->server);
	wait_for(w, is_settled);
	assert_true(w->lost);
	assert_int_equal(cache_push(w->cache, &r, 1), -1);
	server_start(&w->server);
	assert_string_equal(server_ask(&w->server, out, "EXISTS " KEY), "0");
	wait_up(w, 2);
	push(w, &r, 1);
	assert_int_equal(w->outcomes[0], PUBLISH_SHOWN);
	assert_string_equal(server_ask(&w->server, out, "HGET " KEY " s"), "H");
}

/* A server that shuts down politely closes an idle connection. */
static void
test_an_idle_link_notices_a_shutdown(void **state)
{
	struct world *w = *state;
	struct store_outbox_row r = change("ab01", 1, STORE_HELD);

	open_cache(w);
	wait_up(w, 1);
	kill(w->server.pid, SIGTERM);
	server_stop(&w->server);
	server_start(&w->server);
	wait_up(w, 2);
	assert_int_equal(w->settles, 0); /* nothing was under way */
	push(w, &r, 1);
	assert_int_equal(w->outcomes[0], PUBLISH_SHOWN);
}

static void
test_a_library_that_was_flushed_is_loaded_again(void **state)
{
	struct world *w = *state;
	struct store_outbox_row r = change("ab01", 1, STORE_HELD);
	char out[400];

	open_cache(w);
	wait_up(w, 1);
	server_ask(&w->server, out, "FUNCTION FLUSH");
	push(w, &r, 1);
	assert_true(w->lost);
	wait_up(w, 2);
	push(w, &r, 1);
	assert_false(w->lost);
	assert_int_equal(w->outcomes[0], PUBLISH_SHOWN);
}

static void
test_freeing_with_a_push_under_way_is_silent(void **state)
{
	struct world *w = *state;
	struct store_outbox_row r = change("ab01", 1, STORE_HELD);

	open_cache(w);
	wait_up(w, 1);
	start_push(w, &r, 1);
	cache_free(w->cache);
	w->cache = NULL;
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	assert_int_equal(w->settles, 0);
}

#define REAL(name) cmocka_unit_test_setup_teardown(name, setup_real, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		REAL(test_the_library_is_loaded_where_it_is_missing),
		REAL(test_a_record_is_written_and_told),
		REAL(test_compare_and_set),
		REAL(test_a_page_is_judged_row_by_row),
		REAL(test_two_pages_are_pushed_at_once),
		REAL(test_two_pages_meet_a_library_that_was_flushed),
		REAL(test_a_server_that_comes_back_empty_is_filled_again),
		REAL(test_an_idle_link_notices_a_shutdown),
		REAL(test_a_library_that_was_flushed_is_loaded_again),
		REAL(test_freeing_with_a_push_under_way_is_silent),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
