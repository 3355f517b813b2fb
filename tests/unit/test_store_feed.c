/* SPDX-License-Identifier: Apache-2.0 */
#include "store_world.h"

#include <poll.h>
#include <pthread.h>

#include "base/timer.h"
#include "store/feed.h"

static struct store_feed
look(struct store *s, int64_t since)
{
	struct store_feed r = { .since = since, .place = true };

	store_feed(s, &r);
	must(s, &r.req);
	return r;
}

static struct store_hold
hold_nr(struct world *w, uint8_t who)
{
	char call[16], receipt[STORE_RECEIPT_DIGITS + 1];

	snprintf(call, sizeof(call), "call%u", who);
	snprintf(receipt, sizeof(receipt), "%010u", who);
	return hold_request(call, person(w, who), receipt);
}

static void
test_a_hold_is_told_and_when_it_is_seen(void **state)
{
	struct world *w = *state;
	struct store_hold h = hold_nr(w, 1);
	struct store_outbox_ack ack;
	struct store_feed r = look(w->store, 0);

	assert_int_equal(r.n, 0); /* people are no news */
	assert_int_equal(r.first, 0);
	assert_int_equal(r.last, 0);
	place(w, &h);
	place(w, &h); /* the same call again: no news */
	r = look(w->store, 0);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.events[0].place, 1);
	assert_int_equal(r.events[0].kind, STORE_EVENT_HOLD);
	assert_int_equal(r.events[0].hold_id, h.hold_id);
	assert_string_equal(r.events[0].receipt, "0000000001");
	assert_string_equal(r.events[0].municipality, "131016");
	assert_string_equal(r.events[0].serial, "");
	assert_true(r.events[0].at_us == NOON);
	publish_all(w, NOON + 7, &ack);
	r = look(w->store, 1);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.events[0].place, 2);
	assert_int_equal(r.events[0].kind, STORE_EVENT_VISIBLE);
	assert_int_equal(r.events[0].hold_id, h.hold_id);
	assert_true(r.events[0].at_us == NOON + 7);
	assert_int_equal(r.first, 1);
	assert_int_equal(r.last, 2);
	assert_int_equal(look(w->store, 2).n, 0);
}

static void
test_a_change_by_the_registry_is_told(void **state)
{
	struct world *w = *state;
	struct store_put p = row(1, "0a01", STORE_SIGNATURE);
	struct store_feed r;

	put(w, &p);
	p.cert.status = STORE_REVOKED;
	p.cert.status_us = NOON - 1000;
	put(w, &p);
	r = look(w->store, 0);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.events[0].kind, STORE_EVENT_STATUS);
	assert_int_equal(r.events[0].hold_id, 0);
	assert_string_equal(r.events[0].issuer, ISSUER);
	assert_string_equal(r.events[0].serial, "0a01");
	assert_int_equal(r.events[0].status, STORE_REVOKED);
	assert_string_equal(r.events[0].receipt, "");
}

/* Reading only reads: places are given when they are asked for. */
static void
test_reading_gives_no_places(void **state)
{
	struct world *w = *state;
	struct store_hold h = hold_nr(w, 1);
	struct store_feed r = { .since = 0 };

	place(w, &h);
	store_feed(w->store, &r);
	must(w->store, &r.req);
	assert_true(r.waiting);
	assert_int_equal(r.n, 0);
	assert_int_equal(look(w->store, 0).n, 1);
	store_feed(w->store, &r);
	must(w->store, &r.req);
	assert_false(r.waiting);
	assert_int_equal(r.n, 1);
}

static void
test_from_now_on(void **state)
{
	struct world *w = *state;
	struct store_hold h = hold_nr(w, 1);
	struct store_feed r;

	place(w, &h);
	r = look(w->store, -1);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.last, 1);
}

static void
test_only_the_newest_are_kept(void **state)
{
	struct world *w = *state;
	struct store_hold h = hold_nr(w, 1);
	struct store_feed r;

	place(w, &h);
	look(w->store, 0);
	world_sql(w, "UPDATE events SET place = 200000");
	h = hold_nr(w, 2);
	place(w, &h);
	world_sql(w,
	    "INSERT INTO events (place, kind, at_us, hold, cert)"
	    " VALUES (100001, 0, 1, 1, 0), (100002, 0, 1, 1, 0)");
	r = look(w->store, 200000);
	assert_int_equal(r.events[0].place, 200001);
	r = look(w->store, 0);
	assert_int_equal(r.first, 100002);
}

#ifdef STORE_POSTGRES

/*
 * The one that began first ends last: what comes first is what was committed
 * first, and nobody who read on meanwhile misses the other.
 */
static void
test_who_commits_late_is_not_missed(void **state)
{
	struct world *w = *state;
	PGconn *late = PQconnectdb(w->path);
	struct store_hold h = hold_nr(w, 1);
	struct store_feed r;

	PQclear(PQexec(late, "BEGIN"));
	PQclear(PQexec(late,
	    "INSERT INTO events (place, kind, at_us, hold, cert)"
	    " VALUES (0, 2, 1, 0, 0)"));
	place(w, &h); /* a higher id, and committed */
	r = look(w->store, 0);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.events[0].kind, STORE_EVENT_HOLD);
	PQclear(PQexec(late, "COMMIT"));
	PQfinish(late);
	r = look(w->store, r.events[0].place);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.events[0].kind, STORE_EVENT_CASE);
	assert_int_equal(r.events[0].place, 2);
}

static bool
heard(struct feed_ear *e)
{
	struct pollfd pfd = { .fd = feed_ear_fd(e), .events = POLLIN };
	bool any = poll(&pfd, 1, 20000) == 1;

	feed_ear_clear(e);
	return any;
}

/* Another node hears at once that there are news, also after its connection
 * was cut off. */
static void
test_news_are_heard(void **state)
{
	struct world *w = *state;
	struct store_options o = { .path = w->path };
	struct err err = { 0 };
	struct feed_ear *ear = feed_ear_new(&o, &err);
	struct store_hold h = hold_nr(w, 1);
	struct pollfd pfd = { .events = POLLIN };

	assert_non_null(ear);
	assert_true(heard(ear)); /* it listens */
	place(w, &h);
	pfd.fd = feed_ear_fd(ear);
	assert_int_equal(poll(&pfd, 1, 0), 0); /* no place yet */
	look(w->store, 0);
	assert_true(heard(ear));
	cluster_sql("postgres",
	    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
	    " WHERE query LIKE 'LISTEN%'");
	assert_true(heard(ear)); /* again */
	h = hold_nr(w, 2);
	place(w, &h);
	look(w->store, 0);
	assert_true(heard(ear));
	feed_ear_free(ear);
}

static void
test_an_ear_for_a_server_that_is_away(void **state)
{
	struct store_options o = {
		.path = "postgresql://holdline@/none?host=/nonexistent"
	};
	struct err err = { 0 };
	struct feed_ear *ear = feed_ear_new(&o, &err);

	(void)state;
	assert_non_null(ear);
	feed_ear_free(ear); /* at once */
}

#else

static void
test_a_file_has_no_ear(void **state)
{
	struct world *w = *state;
	struct store_options o = { .path = w->path };
	struct err err = { 0 };
	struct feed_ear *ear = feed_ear_new(&o, &err);

	assert_non_null(ear);
	assert_int_equal(feed_ear_fd(ear), -1);
	feed_ear_free(ear);
}

#endif

/* ---- two nodes write while two read */

enum { PEOPLE = 60 };

struct reader {
	struct store *store;
	int64_t places[4 * PEOPLE];
	size_t n;
};

static void
read_on(struct reader *r)
{
	struct store_feed f;
	size_t i;

	do {
		f = look(r->store, r->n == 0 ? 0 : r->places[r->n - 1]);
		for (i = 0; i < f.n; i++)
			r->places[r->n++] = f.events[i].place;
	} while (f.n == STORE_FEED_PAGE);
}

static void
test_two_readers_miss_nothing(void **state)
{
	struct world *w = *state;
	struct store *writers[2] = { world_open_store(w, 1),
		world_open_store(w, 1) };
	static struct reader readers[2];
	static struct store_hold holds[PEOPLE];
	uint8_t who;
	size_t i;

	memset(readers, 0, sizeof(readers));
	readers[0].store = world_open_store(w, 1);
	readers[1].store = world_open_store(w, 0);
	for (who = 0; who < PEOPLE; who++)
		holds[who] = hold_nr(w, (uint8_t)(who + 1));
	for (who = 0; who < PEOPLE; who++) {
		store_hold(writers[who % 2], &holds[who]);
		if (who % 8 == 7) {
			read_on(&readers[0]);
			read_on(&readers[1]);
		}
	}
	for (who = 0; who < PEOPLE; who++)
		must(writers[who % 2], &holds[who].req);
	for (i = 0; i < 2; i++) {
		read_on(&readers[i]);
		assert_int_equal(readers[i].n, PEOPLE);
		for (who = 0; who < PEOPLE; who++)
			assert_int_equal(readers[i].places[who], who + 1);
		store_close(readers[i].store);
		store_close(writers[i]);
	}
}

/* ---- following */

struct follower {
	int64_t mono_us;
	size_t n;
	int64_t places[16];
	bool lost;
};

static int64_t
follower_us(void *ctx)
{
	return ((struct follower *)ctx)->mono_us;
}

static void
on_event(void *ctx, const struct store_event *e, bool lost)
{
	struct follower *f = ctx;

	f->places[f->n++] = e->place;
	f->lost = f->lost || lost;
}

static void
pass(struct follower *f, struct timers *timers, struct store *s, int64_t us)
{
	f->mono_us += us;
	do
		timers_run(timers);
	while (store_dispatch(s) > 0);
}

static void
test_it_follows(void **state)
{
	struct world *w = *state;
	struct follower at = { .mono_us = CLOCK_S_US };
	struct timer_clock clock = { follower_us, follower_us, &at };
	struct timers *timers = timers_new(&clock);
	struct feed_options o = { .store = w->store,
		.timers = timers,
		.poll_us = CLOCK_S_US,
		.since = -1,
		.on_event = on_event,
		.ctx = &at };
	struct store_hold h = hold_nr(w, 1);
	struct feed *f;

	place(w, &h); /* before it came */
	assert_non_null(f = feed_new(&o));
	pass(&at, timers, w->store, 0);
	assert_int_equal(at.n, 0);
	h = hold_nr(w, 2);
	place(w, &h);
	feed_kick(f);
	feed_kick(f);
	pass(&at, timers, w->store, CLOCK_S_US / 20);
	assert_int_equal(at.n, 0); /* not that often */
	pass(&at, timers, w->store, CLOCK_S_US / 20);
	assert_int_equal(at.n, 1);
	assert_int_equal(at.places[0], 2);
	h = hold_nr(w, 3);
	place(w, &h);
	pass(&at, timers, w->store, CLOCK_S_US); /* nobody kicked */
	assert_int_equal(at.n, 2);
	assert_int_equal(at.places[1], 3);
	assert_false(at.lost);
	world_sql(w, "UPDATE events SET place = place + 100 WHERE place > 2");
	world_sql(w, "DELETE FROM events WHERE place <= 2");
	h = hold_nr(w, 4);
	place(w, &h);
	pass(&at, timers, w->store, CLOCK_S_US);
	assert_int_equal(at.places[3], 104);
	assert_true(at.lost); /* it was away for too long */
	feed_free(f);
	timers_free(timers);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_hold_is_told_and_when_it_is_seen),
		T(test_a_change_by_the_registry_is_told),
		T(test_reading_gives_no_places),
		T(test_from_now_on),
		T(test_only_the_newest_are_kept),
#ifdef STORE_POSTGRES
		T(test_who_commits_late_is_not_missed),
		T(test_news_are_heard),
		T(test_an_ear_for_a_server_that_is_away),
#else
		T(test_a_file_has_no_ear),
#endif
		T(test_two_readers_miss_nothing),
		T(test_it_follows),
	};
	return cmocka_run_group_tests_name(
	    "store_feed", tests, WORLD_START, WORLD_STOP);
}
