/* SPDX-License-Identifier: Apache-2.0 */
/* The heartbeat between a real store and a real Redis, in virtual time. */
#include "site_world.h"

#include "publish/beat.h"

#define STUCK_US (10 * CLOCK_S_US)

struct heart {
	struct beat *beat;
	bool owner, fill_fails;
	int owned, lost, fills, filled;
	int64_t fence;
};

static struct heart *
heart_of(struct site *s)
{
	return s->test;
}

static void
on_up(void *ctx)
{
	beat_link_up(heart_of(ctx)->beat);
}

static void
on_down(void *ctx)
{
	beat_link_down(heart_of(ctx)->beat);
}

static void
on_owner(void *ctx, bool owner, int64_t fence)
{
	struct heart *h = heart_of(ctx);

	h->owner = owner;
	h->fence = fence;
	if (owner)
		h->owned++;
	else
		h->lost++;
}

static void
on_fill(void *ctx)
{
	heart_of(ctx)->fills++;
}

static struct beat *
heart_new(struct site *s, const char *node)
{
	struct beat_options o = { .store = s->w->store,
		.timers = s->timers,
		.cache = s->cache,
		.mac = s->mac,
		.stuck_us = STUCK_US,
		.on_owner = on_owner,
		.on_fill = on_fill,
		.ctx = s };

	str_copy(o.node, sizeof(o.node), node);
	return beat_new(&o);
}

static struct site *
site_begin(void)
{
	struct site *s = site_new();
	struct cache_options cache = {
		.on_up = on_up, .on_down = on_down, .ctx = s
	};

	s->test = calloc(1, sizeof(struct heart));
	s->mac = site_key(1);
	site_connect(s, &cache);
	heart_of(s)->beat = heart_new(s, "a");
	return s;
}

static int
setup_nobody(void **state)
{
	*state = site_begin();
	return 0;
}

static int
setup(void **state)
{
	struct site *s = *state = site_begin();

	person(s->w, 1);
	return 0;
}

static int
teardown(void **state)
{
	struct site *s = *state;
	struct beat *beat = heart_of(s)->beat;

	beat_stop(beat);
	store_close(s->w->store);
	cache_free(s->cache);
	s->cache = NULL;
	beat_free(beat);
	free(s->test);
	site_free(s);
	return 0;
}

/* ---- waiting */

static int64_t tick_until_us;

static bool
time_is_up(void *ctx)
{
	return ((struct site *)ctx)->mono_us >= tick_until_us;
}

static void
site_wake(void *ctx)
{
	(void)ctx;
}

/* Let seconds pass, and all that happens in them. */
static void
seconds(struct site *s, int n)
{
	struct timer wake = { 0 };

	/* Redis answers in real time: one second of ours at a time */
	for (; n > 0; n--) {
		tick_until_us = s->mono_us + CLOCK_S_US;
		timer_start(s->timers, &wake, CLOCK_S_US, site_wake, s);
		site_until(s, time_is_up);
		(void)site_redis(s, "PING"); /* after what was sent before */
		event_base_loop(s->base, EVLOOP_NONBLOCK);
		event_base_loop(s->base, EVLOOP_NONBLOCK);
	}
}

static bool
is_filling(void *ctx)
{
	struct heart *h = heart_of(ctx);

	return h->fills > h->filled;
}

/* The cache must be filled, for the n-th time; and is. */
static void
fill(struct site *s, int n)
{
	struct heart *h = heart_of(s);

	site_until(s, is_filling);
	assert_int_equal(h->fills, n);
	h->filled++;
	seconds(s, 1);
	assert_string_equal(site_redis(s, "HGET jpki:wm state"), "loading");
	beat_filled(h->beat, true);
	seconds(s, 2);
	assert_string_equal(site_redis(s, "HGET jpki:wm state"), "complete");
}

static struct watermark
watermark(struct site *s)
{
	redisContext *redis = redisConnectUnix(s->server.path);
	redisReply *r =
	    redisCommand(redis, "HMGET jpki:wm epoch seq time state fence m");
	struct watermark wm;

	watermark_parse(&wm, s->mac, r);
	freeReplyObject(r);
	redisFree(redis);
	return wm;
}

/* A watermark as some publisher writes it. */
static void
put_watermark(
    struct site *s, const struct watermark *wm, const struct keyring *mac)
{
	struct watermark_text t;
	char out[400];

	watermark_format(wm, mac, &t);
	server_ask(&s->server, out,
	    "HSET jpki:wm epoch %s seq %s time %s state %s fence %s m %s",
	    t.epoch, t.seq, t.time, t.state, t.fence, t.m);
}

/* ---- tests */

static void
test_an_empty_cache_is_filled_first(void **state)
{
	struct site *s = *state;
	struct watermark wm, later;

	fill(s, 1);
	wm = watermark(s);
	assert_int_equal(wm.found, RECORD_WHOLE);
	assert_int_equal(wm.fence, 1);
	assert_int_equal(wm.seq, 0);
	assert_true(s->w->now_us - wm.time_us <= 2 * CLOCK_S_US);
	seconds(s, 10);
	later = watermark(s);
	assert_string_equal(wm.epoch, later.epoch);
	assert_true(later.time_us - wm.time_us >= 9 * CLOCK_S_US);
	assert_int_equal(heart_of(s)->fills, 1);
	assert_int_equal(heart_of(s)->owned, 1);
}

/* It may be the wrong store: what another one's server has made is left as it
 * is, and nobody proves it, until somebody is on record. */
static void
test_a_store_of_nobody_leaves_the_cache_alone(void **state)
{
	struct site *s = *state;

	site_redis(s, "HSET " KEY("0101") " s H");
	site_redis(s, "HSET jpki:wm state complete");
	seconds(s, 10);
	assert_int_equal(heart_of(s)->fills, 0);
	assert_int_equal(heart_of(s)->owned, 0);
	assert_string_equal(site_redis(s, "HGET " KEY("0101") " s"), "H");
	assert_string_equal(site_redis(s, "HLEN jpki:wm"), "1");
	person(s->w, 1);
	fill(s, 1);
}

static void
test_a_filling_that_fails_is_asked_for_again(void **state)
{
	struct site *s = *state;
	struct heart *h = heart_of(s);

	site_until(s, is_filling);
	seconds(s, 3);
	assert_int_equal(h->fills, 1); /* it takes its time */
	beat_filled(h->beat, false);
	seconds(s, 2);
	assert_int_equal(h->fills, 2);
	assert_false(watermark(s).complete);
	beat_filled(h->beat, true);
	seconds(s, 2);
	assert_true(watermark(s).complete);
}

/* Each of these may have lost records; readers see a later epoch, and no proof
 * until it is filled. */
static void
test_what_may_have_lost_records_is_filled(void **state)
{
	static const char *const loss[] = { "FLUSHALL", "DEL jpki:wm",
		"HSET jpki:wm epoch 0123456789abcdef0123456789abcdef",
		"HDEL jpki:wm epoch", "SET jpki:wm x" };
	struct site *s = *state;
	struct watermark wm, later;
	size_t i;

	fill(s, 1);
	for (i = 0; i < sizeof(loss) / sizeof(loss[0]); i++) {
		wm = watermark(s);
		if (i == 4)
			site_redis(s, "DEL jpki:wm");
		site_redis(s, loss[i]);
		fill(s, (int)i + 2);
		later = watermark(s);
		assert_true(strcmp(later.epoch, wm.epoch) > 0);
	}
}

static void
test_functions_that_were_flushed_are_loaded_again(void **state)
{
	struct site *s = *state;
	int64_t before;

	fill(s, 1);
	site_redis(s, "FUNCTION FLUSH");
	seconds(s, 1);
	before = s->w->now_us;
	seconds(s, 4);
	assert_true(watermark(s).complete);
	assert_true(watermark(s).time_us > before);
	assert_int_equal(heart_of(s)->fills, 1); /* no record was lost */
}

/* The next owner, on the same server: it knows by the watermark that nothing
 * was lost. */
static void
test_who_follows_fills_nothing(void **state)
{
	struct site *s = *state;
	struct heart *h = heart_of(s);
	struct watermark wm, later;

	fill(s, 1);
	wm = watermark(s);
	beat_stop(h->beat); /* gives the lease back */
	seconds(s, 1);
	beat_free(h->beat);
	h->beat = heart_new(s, "b");
	beat_link_up(h->beat);
	seconds(s, 3);
	later = watermark(s);
	assert_int_equal(h->fills, 1);
	assert_int_equal(later.fence, wm.fence + 1);
	assert_true(later.complete);
	assert_true(strcmp(later.epoch, wm.epoch) > 0);
}

static void
test_a_server_that_was_restarted_is_filled(void **state)
{
	struct site *s = *state;
	struct watermark wm;

	fill(s, 1);
	wm = watermark(s);
	server_stop(&s->server);
	server_start(&s->server);
	put_watermark(s, &wm, s->mac); /* it had a copy on its disk */
	fill(s, 2);
	assert_string_not_equal(watermark(s).epoch, wm.epoch);
}

/* As another owner would have written it. */
static void
owned_by(struct watermark *wm, int64_t fence)
{
	char text[17];

	wm->fence = fence;
	snprintf(text, sizeof(text), "%016llx", (long long)fence);
	memcpy(wm->epoch, text, 16);
}

/* One who hung while another took over: it writes nothing more. */
static void
test_a_later_owner_is_not_overwritten(void **state)
{
	struct site *s = *state;
	struct heart *h = heart_of(s);
	struct watermark wm;

	fill(s, 1);
	wm = watermark(s);
	owned_by(&wm, 9);
	put_watermark(s, &wm, s->mac);
	seconds(s, 2);
	assert_true(h->lost > 0); /* Redis may be slower than these seconds */
	/* the store knows nothing of a 9: it is an older copy.  It gives a
	 * number above, and all begins anew */
	seconds(s, 3);
	assert_true(h->owner);
	assert_true(h->fence > 9);
	assert_true(watermark(s).fence > 9);
}

/* Another's number without our MAC is nobody's. */
static void
test_a_forged_fence_stops_nobody(void **state)
{
	struct site *s = *state;
	struct keyring *other = site_key(2);
	struct watermark wm;

	fill(s, 1);
	wm = watermark(s);
	owned_by(&wm, 9);
	put_watermark(s, &wm, other);
	keyring_free(other);
	fill(s, 2);
	assert_int_equal(watermark(s).fence, 1);
	/* nor is what makes no sense, whatever it says */
	site_redis(s, "HSET jpki:wm epoch nonsense fence 9");
	fill(s, 3);
	assert_int_equal(watermark(s).fence, 1);
}

/* A fence that no owner can have, in a watermark that is whole: the store must
 * not learn it, or the numbers come to their end. */
static void
test_an_absurd_fence_is_nobodys(void **state)
{
	static const int64_t fences[] = { 2000000, 999999999999999 };
	struct site *s = *state;
	struct watermark wm;
	size_t i;

	fill(s, 1);
	for (i = 0; i < 2; i++) {
		wm = watermark(s);
		owned_by(&wm, fences[i]);
		put_watermark(s, &wm, s->mac);
		fill(s, (int)i + 2);
		assert_true(heart_of(s)->fence < 10);
		assert_true(watermark(s).fence < 10);
		assert_true(watermark(s).complete);
	}
}

/* Readers may have met a number that is too high: they are told to begin
 * anew. */
static void
test_a_number_that_was_tampered_with_begins_an_epoch(void **state)
{
	struct site *s = *state;
	struct watermark wm, later;

	fill(s, 1);
	wm = watermark(s);
	site_redis(s, "HSET jpki:wm seq 999999999999999");
	fill(s, 2);
	later = watermark(s);
	assert_true(strcmp(later.epoch, wm.epoch) > 0);
	assert_true(later.complete);
}

static void
test_doubt_takes_the_proof_away(void **state)
{
	struct site *s = *state;

	fill(s, 1);
	assert_true(watermark(s).complete);
	beat_doubt(heart_of(s)->beat, true);
	seconds(s, 2);
	assert_false(watermark(s).complete);
	beat_doubt(heart_of(s)->beat, false);
	seconds(s, 2);
	assert_true(watermark(s).complete);
}

/* While another holds the lease, nothing is written. */
static void
test_only_the_owner_beats(void **state)
{
	struct site *s = *state;
	struct heart *h = heart_of(s);
	int64_t time_us;
	char sql[160];

	fill(s, 1);
	/* this one's lease was over, and the other was faster */
	snprintf(sql, sizeof(sql),
	    "UPDATE leases SET owner = 'other', fence = fence + 1,"
	    " until_us = %lld, ttl_us = 60000000",
	    (long long)(s->w->now_us + 60 * CLOCK_S_US));
	world_sql(s->w, sql);
	seconds(s, 2);
	assert_false(h->owner);
	time_us = watermark(s).time_us;
	seconds(s, 5);
	assert_true(watermark(s).time_us == time_us);
}

static void
hold_person(struct site *s, uint8_t who, const char *call)
{
	struct store_hold hold = hold_request(call, person(s->w, who), call);

	store_hold(s->w->store, &hold);
	while (store_pending(s->w->store) > 0)
		store_dispatch(s->w->store);
	assert_int_equal(hold.req.err.code, ERR_NONE);
}

static void
test_a_hold_that_is_not_published_takes_the_proof_away(void **state)
{
	struct site *s = *state;
	struct store_outbox_ack ack;
	struct watermark wm;

	fill(s, 1);
	hold_person(s, 1, "1111111111");
	seconds(s, 5);
	wm = watermark(s);
	assert_true(wm.complete); /* that may happen */
	assert_int_equal(wm.seq, 0);
	seconds(s, 8);
	assert_false(watermark(s).complete);
	publish_all(s->w, s->w->now_us, &ack);
	seconds(s, 2);
	wm = watermark(s);
	assert_true(wm.complete);
	assert_int_equal(wm.seq, 2);
	assert_int_equal(heart_of(s)->fills, 1);
	/* a flow of them, each published in time, is no fault */
	for (int i = 0; i < 6; i++) {
		char call[16];

		snprintf(call, sizeof(call), "%010d", 2222222 + i);
		hold_person(s, (uint8_t)(2 + i), call);
		seconds(s, 3);
		publish_all(s->w, s->w->now_us, &ack);
		hold_person(s, (uint8_t)(20 + i), call + 1);
		assert_true(watermark(s).complete);
	}
}

/* The watermark that says so, within some beats: Redis answers in its own
 * time. */
static struct watermark
watermark_at(struct site *s, int64_t seq)
{
	struct watermark wm;
	int i;

	for (i = 0; i < 20; i++) {
		seconds(s, 1);
		wm = watermark(s);
		if (wm.seq == seq)
			return wm;
	}
	fail_msg("it is at %lld", (long long)wm.seq);
	return wm;
}

/* A number that comes late, after a higher one was published. */
static void
test_a_late_number_begins_an_epoch(void **state)
{
	struct site *s = *state;
	struct store_outbox_ack ack;
	struct watermark wm, later;

	fill(s, 1);
	hold_person(s, 1, "1111111111");
	publish_all(s->w, s->w->now_us, &ack);
	wm = watermark_at(s, 2);
	world_sql(s->w,
	    "INSERT INTO outbox (seq, hold, cert, generation, status, reason,"
	    " status_us, park_us) SELECT 1, NULL, id, 1, 1, 6, 5, 0"
	    " FROM certificates WHERE serial = '0101'");
	later = watermark_at(s, 0);
	assert_true(strcmp(later.epoch, wm.epoch) > 0);
	assert_true(later.complete);
	publish_all(s->w, s->w->now_us, &ack);
	watermark_at(s, 2);
}

/* Set back by an hour: what had ended may be valid again. */
static void
test_a_clock_that_was_set_back_fills(void **state)
{
	struct site *s = *state;

	fill(s, 1);
	s->w->now_us += 3600 * CLOCK_S_US; /* forward: stale or not, whole */
	seconds(s, 5);
	assert_int_equal(heart_of(s)->fills, 1);
	s->w->now_us -= 3600 * CLOCK_S_US;
	fill(s, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_empty_cache_is_filled_first),
		cmocka_unit_test_setup_teardown(
		    test_a_store_of_nobody_leaves_the_cache_alone, setup_nobody,
		    teardown),
		TEST(test_a_filling_that_fails_is_asked_for_again),
		TEST(test_what_may_have_lost_records_is_filled),
		TEST(test_functions_that_were_flushed_are_loaded_again),
		TEST(test_who_follows_fills_nothing),
		TEST(test_a_server_that_was_restarted_is_filled),
		TEST(test_a_later_owner_is_not_overwritten),
		TEST(test_a_forged_fence_stops_nobody),
		TEST(test_an_absurd_fence_is_nobodys),
		TEST(test_a_number_that_was_tampered_with_begins_an_epoch),
		TEST(test_doubt_takes_the_proof_away),
		TEST(test_only_the_owner_beats),
		TEST(test_a_hold_that_is_not_published_takes_the_proof_away),
		TEST(test_a_late_number_begins_an_epoch),
		TEST(test_a_clock_that_was_set_back_fills),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name(
	    "beat", tests, WORLD_START, WORLD_STOP);
}
