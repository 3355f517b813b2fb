/* SPDX-License-Identifier: Apache-2.0 */
#include "cache_world.h"

#include <inttypes.h>

/* A primary, which is the world's server, and a replica that responders read:
 * both listen on loopback for each other; the time is real. */
static struct server replica;
static struct event *tick;
static char ports[2][8];
static struct redis_place read_place;

static void
on_tick(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what, (void)ctx;
}

static bool
time_passes(void *ctx)
{
	struct world *w = ctx;
	struct timeval tv = { 0, 0 };
	int64_t wait_us;

	timers_run(w->timers);
	if (timers_next(w->timers) == INT64_MAX)
		return false;
	wait_us = timers_next(w->timers) - timers_mono_us(w->timers);
	if (wait_us > 0)
		tv = (struct timeval){ wait_us / 1000000, wait_us % 1000000 };
	evtimer_add(tick, &tv);
	return false;
}

static void
wait_real(struct world *w, bool (*until)(void *ctx))
{
	loop_until(w->base, until, time_passes, w);
}

static void
serve(struct server *s, int which)
{
	snprintf(ports[which], sizeof(ports[which]), "%d", free_port());
	s->more[0] = "--port";
	s->more[1] = ports[which];
	s->more[2] = "--repl-diskless-sync-delay";
	s->more[3] = "0";
	s->more[4] = "--repl-diskless-load"; /* leaves no file */
	s->more[5] = "swapdb";
	server_start(s);
}

static bool
is_linked(void *ctx)
{
	char out[400];

	(void)ctx;
	return strstr(server_ask(&replica, out, "ROLE"), "connected") != NULL;
}

/* Until the replica follows the primary. */
static void
follow(struct world *w)
{
	char out[400];

	server_ask(&replica, out, "REPLICAOF 127.0.0.1 %s", ports[0]);
	while (!is_linked(w))
		usleep(5000);
}

static int
setup_pair(void **state)
{
	struct world *w;

	setup(state);
	w = *state;
	timers_free(w->timers);
	w->timers = timers_new(&timer_clock_real);
	tick = evtimer_new(w->base, on_tick, NULL);
	serve(&w->server, 0);
	server_folder(&replica);
	serve(&replica, 1);
	follow(w);
	return 0;
}

static int
teardown_pair(void **state)
{
	struct world *w = *state;

	cache_free(w->cache);
	w->cache = NULL;
	event_free(tick);
	server_remove(&replica);
	return teardown(state);
}

/* A cache whose changes must be on so many replicas, and be read there. */
static void
open_pair(struct world *w, unsigned int replicas, bool read_there)
{
	struct cache_options o = { .base = w->base,
		.timers = w->timers,
		.place = { .address = w->server.address,
		    .master = "",
		    .user = "",
		    .password_file = "",
		    .files = { "", "", "", "" } },
		.replicas = replicas,
		.wait_us = 100000,
		.timeout_s = 1,
		.retry_us = RETRY_US,
		.on_up = on_up,
		.on_settled = on_settled,
		.ctx = w };
	struct err err;

	if (read_there) {
		read_place = o.place;
		read_place.address = replica.address;
		o.read_place = &read_place;
	}
	w->cache = cache_new(&o, &err);
	if (w->cache == NULL)
		fail_msg("%s", err.text);
	w->ups_wanted = 1;
	wait_real(w, is_up);
}

static enum publish_outcome
push_one(struct world *w, const struct store_outbox_row *row)
{
	start_push(w, row, 1);
	wait_real(w, is_settled);
	assert_int_equal(w->settles, 1);
	assert_false(w->lost);
	return w->outcomes[0];
}

/* As the publisher does: behind is tried again. */
static void
push_until_shown(struct world *w, const struct store_outbox_row *row)
{
	enum publish_outcome outcome;

	do {
		outcome = push_one(w, row);
	} while (outcome == PUBLISH_BEHIND);
	assert_int_equal(outcome, PUBLISH_SHOWN);
}

static const char *
status_on(struct server *s, const char *serial)
{
	static char out[400];

	return server_ask(s, out, "HGET jpki:st:" ISSUER ":%s s", serial);
}

static void
test_it_counts_when_the_replica_has_it(void **state)
{
	struct world *w = *state;
	struct store_outbox_row rows[3] = { change("01", 1, STORE_HELD),
		change("02", 1, STORE_HELD), change("03", 1, STORE_REVOKED) };
	size_t i;

	open_pair(w, 1, true);
	start_push(w, rows, 3);
	wait_real(w, is_settled);
	for (i = 0; i < 3; i++)
		if (w->outcomes[i] != PUBLISH_SHOWN)
			assert_int_equal(w->outcomes[i], PUBLISH_BEHIND);
	push_until_shown(w, &rows[2]);
	assert_string_equal(status_on(&replica, "03"), "R");
}

static void
test_a_frozen_replica_is_waited_for(void **state)
{
	struct world *w = *state;
	struct store_outbox_row row = change("01", 1, STORE_HELD);

	open_pair(w, 1, false);
	push_until_shown(w, &row);
	row = change("02", 1, STORE_HELD);
	kill(replica.pid, SIGSTOP);
	assert_int_equal(push_one(w, &row), PUBLISH_BEHIND);
	assert_string_equal(status_on(&w->server, "02"), "H");
	/* The same again, which writes nothing: it is not there yet. */
	assert_int_equal(push_one(w, &row), PUBLISH_BEHIND);
	kill(replica.pid, SIGCONT);
	push_until_shown(w, &row);
	assert_string_equal(status_on(&replica, "02"), "H");
}

/* A connection that has written nothing yet waits for what another wrote. */
static void
test_a_new_connection_waits_too(void **state)
{
	struct world *w = *state;
	struct store_outbox_row row = change("01", 1, STORE_HELD);
	char out[400];

	open_pair(w, 1, false);
	push_until_shown(w, &row);
	row = change("02", 1, STORE_HELD);
	kill(replica.pid, SIGSTOP);
	assert_int_equal(push_one(w, &row), PUBLISH_BEHIND);
	server_ask(&w->server, out, "CLIENT KILL TYPE normal SKIPME yes");
	w->ups_wanted = 2;
	wait_real(w, is_up);
	assert_int_equal(push_one(w, &row), PUBLISH_BEHIND);
	kill(replica.pid, SIGCONT);
	push_until_shown(w, &row);
}

static void
test_too_few_replicas(void **state)
{
	struct world *w = *state;
	struct store_outbox_row row = change("01", 1, STORE_HELD);
	char out[400];

	open_pair(w, 2, false);
	assert_int_equal(push_one(w, &row), PUBLISH_BEHIND);
	cache_free(w->cache);
	server_ask(&replica, out, "REPLICAOF NO ONE");
	w->ups = 0;
	open_pair(w, 1, false);
	assert_int_equal(push_one(w, &row), PUBLISH_BEHIND);
	follow(w);
	push_until_shown(w, &row);
}

/* Responders read a server that is no longer kept up to date. */
static void
test_the_reader_must_have_it(void **state)
{
	struct world *w = *state;
	struct store_outbox_row row = change("01", 1, STORE_HELD);
	char out[400];

	open_pair(w, 0, true);
	push_until_shown(w, &row);
	server_ask(&replica, out, "REPLICAOF NO ONE");
	row = change("01", 2, STORE_GOOD); /* it has an older generation */
	assert_int_equal(push_one(w, &row), PUBLISH_BEHIND);
	assert_string_equal(status_on(&w->server, "01"), "G");
	assert_string_equal(status_on(&replica, "01"), "H");
	follow(w);
	push_until_shown(w, &row);
	/* something else there is no delay */
	server_ask(&replica, out, "REPLICAOF NO ONE");
	server_ask(&replica, out, "SET jpki:st:" ISSUER ":02 x");
	row = change("02", 1, STORE_HELD);
	assert_int_equal(push_one(w, &row), PUBLISH_ODD);
}

static void
test_the_reader_is_away(void **state)
{
	struct world *w = *state;
	struct store_outbox_row row = change("01", 1, STORE_HELD);

	open_pair(w, 0, true);
	push_until_shown(w, &row);
	server_stop(&replica);
	row = change("02", 1, STORE_HELD);
	assert_int_equal(push_one(w, &row), PUBLISH_BEHIND);
	assert_string_equal(status_on(&w->server, "02"), "H");
	server_start(&replica);
	follow(w);
	push_until_shown(w, &row);
}

/* The writer is lost while the frozen reader owes answers, which come later
 * and belong to no push. */
static void
test_late_answers_belong_to_nobody(void **state)
{
	struct world *w = *state;
	struct store_outbox_row a = change("01", 1, STORE_HELD),
				b = change("02", 1, STORE_REVOKED);
	char out[400];

	open_pair(w, 0, true);
	push_until_shown(w, &a);
	kill(replica.pid, SIGSTOP);
	start_push(w, &a, 1);
	event_base_loop(w->base, EVLOOP_ONCE);
	event_base_loop(w->base, EVLOOP_ONCE);
	server_ask(&w->server, out, "CLIENT KILL TYPE normal SKIPME yes");
	wait_real(w, is_settled);
	assert_true(w->lost);
	kill(replica.pid, SIGCONT);
	w->ups_wanted = 2;
	wait_real(w, is_up);
	push_until_shown(w, &b);
	push_until_shown(w, &a);
}

static void
test_a_server_that_refuses_to_wait(void **state)
{
	struct world *w = *state;
	struct store_outbox_row row = change("01", 1, STORE_HELD);
	char out[400];

	open_pair(w, 1, false);
	server_ask(&w->server, out, "ACL SETUSER default -wait");
	start_push(w, &row, 1);
	wait_real(w, is_settled);
	assert_true(w->lost);
	server_ask(&w->server, out, "ACL SETUSER default +wait");
	w->ups_wanted = 2;
	wait_real(w, is_up);
	push_until_shown(w, &row);
}

static void
test_waiting_is_shorter_than_the_timeout(void **state)
{
	struct world *w = *state;
	struct cache_options o = { .base = w->base,
		.timers = w->timers,
		.timeout_s = 1,
		.wait_us = 1000000 };
	struct err err;

	assert_null(cache_new(&o, &err));
	assert_string_equal(
	    err.text, "redis.wait: must be shorter than redis.timeout");
}

#define PAIR(name) \
	cmocka_unit_test_setup_teardown(name, setup_pair, teardown_pair)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR(test_it_counts_when_the_replica_has_it),
		PAIR(test_a_frozen_replica_is_waited_for),
		PAIR(test_a_new_connection_waits_too),
		PAIR(test_too_few_replicas),
		PAIR(test_the_reader_must_have_it),
		PAIR(test_the_reader_is_away),
		PAIR(test_late_answers_belong_to_nobody),
		PAIR(test_a_server_that_refuses_to_wait),
		cmocka_unit_test_setup_teardown(
		    test_waiting_is_shorter_than_the_timeout, setup, teardown),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("push", tests, NULL, NULL);
}
