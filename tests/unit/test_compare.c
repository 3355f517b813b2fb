/* SPDX-License-Identifier: Apache-2.0 */
/* The comparison between a real store and a real Redis. */
#include "site_world.h"

#include "publish/compare.h"

#define FOUND_MAX 1200
#define MANY 1100 /* more than two pages */

/* What a pass has told. */
struct told {
	struct compare *compare;
	size_t n;
	struct {
		enum compare_kind kind;
		enum compare_done done;
		char key[RECORD_KEY_SIZE];
	} found[FOUND_MAX];
	int64_t compared;
	bool over, whole;
	char why[200];
};

static void
on_difference(void *ctx, const struct compare_difference *d)
{
	struct told *t = ((struct site *)ctx)->test;

	assert_true(t->n < FOUND_MAX);
	t->found[t->n].kind = d->kind;
	t->found[t->n].done = d->done;
	str_copy(t->found[t->n++].key, RECORD_KEY_SIZE, d->key);
}

static void
on_progress(void *ctx, int64_t compared)
{
	((struct told *)((struct site *)ctx)->test)->compared = compared;
}

static void
on_done(void *ctx, const char *why)
{
	struct told *t = ((struct site *)ctx)->test;

	t->over = true;
	t->whole = why == NULL;
	snprintf(t->why, sizeof(t->why), "%s", why == NULL ? "" : why);
}

static int
setup(void **state)
{
	struct site *s = site_new();
	struct cache_options cache = { .on_up = site_on_up, .ctx = s };
	struct compare_options o = { .store = s->w->store,
		.timers = s->timers,
		.on_difference = on_difference,
		.on_progress = on_progress,
		.on_done = on_done,
		.ctx = s };
	struct told *t = calloc(1, sizeof(*t));

	s->test = t;
	s->mac = site_key(1);
	o.mac = s->mac;
	site_connect(s, &cache);
	site_until(s, site_is_up);
	t->compare = compare_new(&o);
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct site *s = *state;
	struct told *t = s->test;

	store_close(s->w->store);
	compare_free(t->compare);
	free(t);
	site_free(s);
	return 0;
}

static bool
is_over(void *ctx)
{
	return ((struct told *)((struct site *)ctx)->test)->over;
}

static struct told *
begin(struct site *s, bool repair, bool fill, int keep_day)
{
	struct told *t = s->test;
	struct compare_pass pass = { .link = cache_link(s->cache),
		.repair = repair,
		.fill = fill,
		.keep_day = keep_day,
		.fence = 7 };

	t->n = 0;
	t->over = false;
	compare_start(t->compare, &pass);
	assert_false(t->over);
	return t;
}

static struct told *
pass(struct site *s, bool repair, bool fill)
{
	struct told *t = begin(s, repair, fill, 0);

	site_until(s, is_over);
	if (!t->whole)
		fail_msg("%s", t->why);
	return t;
}

/* Two certificates on hold, 0101 and 0102, published and in the cache. */
static void
two_held(struct site *s)
{
	struct store_hold hold =
	    hold_request("call", person(s->w, 1), "1111111111");
	struct store_outbox_ack ack;

	place(s->w, &hold);
	publish_all(s->w, NOON + 1, &ack);
	assert_int_equal(pass(s, true, true)->n, 2);
	assert_int_equal(pass(s, false, false)->n, 0);
}

static void
test_each_difference_is_told_and_repaired(void **state)
{
	static const struct {
		const char *spoil;
		enum compare_kind kind;
		enum compare_done done;
	} rows[] = {
		{ "DEL " KEY("0101"), COMPARE_MISSING, COMPARE_SET },
		{ "HSET " KEY("0101") " v 0", COMPARE_SPOILED, COMPARE_FORCED },
		{ "HDEL " KEY("0101") " v", COMPARE_SPOILED, COMPARE_FORCED },
		{ "HSET " KEY("0101") " s X", COMPARE_SPOILED, COMPARE_FORCED },
		{ "SET " KEY("0101") " x", COMPARE_SPOILED, COMPARE_FORCED },
		{ "HSET " KEY("0101") " s G", COMPARE_SPOILED, COMPARE_FORCED },
		{ "HSET " KEY("0101") " v 999999999999999 s G", COMPARE_SPOILED,
		    COMPARE_FORCED },
		{ "HSET " KEY("0101") " s R", COMPARE_SPOILED, COMPARE_FORCED },
		/* whole but for its MAC: signed anew, not forced */
		{ "HDEL " KEY("0101") " m", COMPARE_SPOILED, COMPARE_SET },
		{ "HSET " KEY("0101") " m 00000000000000000000000000000000",
		    COMPARE_SPOILED, COMPARE_SET },
		{ "HSET " KEY("0b01") " v 3 s H r 6 t 5 e 0", COMPARE_UNKNOWN,
		    COMPARE_DROPPED },
		{ "SET " KEY("0b01") " x", COMPARE_UNKNOWN, COMPARE_DROPPED },
		{ "SET jpki:st:nonsense x", COMPARE_UNKNOWN, COMPARE_DROPPED },
	};
	struct site *s = *state;
	char before[400];
	struct told *t;
	size_t i;

	two_held(s);
	person(s->w, 0x0b);
	str_copy(before, sizeof(before),
	    site_redis(s, "HMGET " KEY("0101") " v s r t e m"));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		site_redis(s, rows[i].spoil);
		t = pass(s, false, false);
		if (t->n != 1 || t->found[0].kind != rows[i].kind ||
		    t->found[0].done != COMPARE_LEFT)
			fail_msg("%s: %zu, %s", rows[i].spoil, t->n,
			    compare_kind_name(t->found[0].kind));
		t = pass(s, true, false);
		if (t->n != 1 || t->found[0].done != rows[i].done)
			fail_msg("%s: %zu, %s", rows[i].spoil, t->n,
			    compare_done_name(t->found[0].done));
		assert_int_equal(pass(s, false, false)->n, 0);
		assert_string_equal(
		    site_redis(s, "HMGET " KEY("0101") " v s r t e m"), before);
		assert_string_equal(site_redis(s, "DBSIZE"), "2");
	}
}

/* Put a record that is whole: another copy of the store has written it. */
static void
put_record(struct site *s, const char *serial, int64_t v, char status)
{
	struct record r = { .generation = v,
		.status = status,
		.reason = status == 'H' ? 6 : 0,
		.time_s = NOON / CLOCK_S_US };
	char key[RECORD_KEY_SIZE], out[400];
	struct record_text text;

	record_key(ISSUER, serial, key);
	record_format(&r, key, s->mac, &text);
	server_ask(&s->server, out, "HSET %s v %s s %s r %s t %s e %s m %s",
	    key, text.v, text.s, text.r, text.t, text.e, text.m);
}

static void
test_the_store_is_the_truth(void **state)
{
	static const struct {
		int64_t v;
		char status;
	} rows[] = { { 1, 'G' }, { 2, 'G' }, { 9, 'H' }, { 9, 'R' },
		{ 1, 'R' } };
	struct site *s = *state;
	struct told *t;
	size_t i;

	two_held(s);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_record(s, "0101", rows[i].v, rows[i].status);
		t = pass(s, false, false);
		assert_int_equal(t->n, 1);
		assert_int_equal(t->found[0].kind, COMPARE_CONTRADICTS);
		t = pass(s, true, false);
		assert_int_equal(t->found[0].done, COMPARE_FORCED);
		assert_string_equal(
		    site_redis(s, "HMGET " KEY("0101") " v s"), "1 H");
	}
	/* an older generation is only late; but revoked stays so unless the
	 * store has said otherwise since */
	world_sql(s->w, "UPDATE certificates SET generation = 5");
	put_record(s, "0101", 4, 'H');
	put_record(s, "0102", 4, 'R');
	t = pass(s, true, false);
	assert_int_equal(t->n, 2);
	assert_int_equal(t->found[0].kind, COMPARE_BEHIND);
	assert_int_equal(t->found[0].done, COMPARE_SET);
	assert_int_equal(t->found[1].kind, COMPARE_CONTRADICTS);
	assert_int_equal(t->found[1].done, COMPARE_FORCED);
	assert_int_equal(pass(s, false, false)->n, 0);
}

/* Good for the reason of a hold, held for another one: it says two things, so
 * it says nothing, and is replaced. */
static void
test_what_contradicts_itself_is_spoiled(void **state)
{
	static const char *const spoiled[][2] = { { "s", "G" }, { "r", "5" },
		{ "s", "R" } };
	struct site *s = *state;
	struct told *t;
	char out[400];
	size_t i;

	two_held(s);
	for (i = 0; i < sizeof(spoiled) / sizeof(spoiled[0]); i++) {
		server_ask(&s->server, out, "HSET %s %s %s", KEY("0101"),
		    spoiled[i][0], spoiled[i][1]);
		t = pass(s, true, false);
		assert_int_equal(t->n, 1);
		assert_int_equal(t->found[0].kind, COMPARE_SPOILED);
		assert_int_equal(t->found[0].done, COMPARE_FORCED);
		assert_string_equal(
		    site_redis(s, "HMGET " KEY("0101") " s r"), "H 6");
	}
}

/* What Redis says of a repair is not believed: functions that do nothing say
 * the same. */
static void
test_a_repair_is_read_back(void **state)
{
	static const char *const spoiled[] = { "DEL " KEY("0101"),
		"HSET " KEY("0101") " s X",
		"HSET " KEY("0b01") " v 3 s H r 6 t 5 e 0" };
	struct site *s = *state;
	struct told *t;
	size_t i;

	two_held(s);
	site_foreign_library(s);
	for (i = 0; i < sizeof(spoiled) / sizeof(spoiled[0]); i++) {
		site_redis(s, spoiled[i]);
		t = pass(s, true, false);
		assert_true(t->n > 0);
		assert_int_equal(t->found[t->n - 1].done, COMPARE_FAILED);
	}
}

/* More than any link takes: it is repaired, and nothing else is kept from
 * being so. */
static void
test_a_giant_value_keeps_nobody_from_repairs(void **state)
{
	struct site *s = *state;
	size_t size = 2000000;
	char *giant = malloc(size + 1), out[400];
	struct told *t;

	two_held(s);
	memset(giant, '9', size);
	giant[size] = '\0';
	server_ask(&s->server, out, "HSET %s v %s", KEY("0101"), giant);
	server_ask(&s->server, out, "SET %s %s", KEY("0b01"), giant);
	site_redis(s, "DEL " KEY("0102"));
	t = pass(s, true, false);
	assert_int_equal(t->n, 3);
	assert_int_equal(pass(s, false, false)->n, 0);
	assert_string_equal(site_redis(s, "HGET " KEY("0101") " s"), "H");
	assert_string_equal(site_redis(s, "HGET " KEY("0102") " s"), "H");
	assert_string_equal(site_redis(s, "DBSIZE"), "2");
	free(giant);
}

/* What publish has not come to yet is its business; not so what it will not
 * get past. */
static void
test_what_waits_for_publish_is_left_to_it(void **state)
{
	struct site *s = *state;
	struct store_hold hold =
	    hold_request("call", person(s->w, 1), "1111111111");
	struct told *t;

	place(s->w, &hold);
	assert_int_equal(pass(s, true, false)->n, 0);
	assert_string_equal(site_redis(s, "DBSIZE"), "0");
	put_record(s, "0101", 4, 'G');
	t = pass(s, true, false);
	assert_int_equal(t->n, 1);
	assert_int_equal(t->found[0].done, COMPARE_FORCED);
	assert_string_equal(site_redis(s, "HGET " KEY("0101") " s"), "H");
	assert_int_equal(pass(s, true, true)->n, 1); /* filling takes all */
	assert_string_equal(site_redis(s, "HGET " KEY("0102") " s"), "H");
}

static void
many_revoked(struct site *s)
{
	struct store_put r;
	struct store_outbox_ack ack;
	char serial[8];
	int i;

	for (i = 0; i < MANY; i++) {
		snprintf(serial, sizeof(serial), "%d", 1000 + i);
		r = row((uint8_t)(i % 100), serial, STORE_SIGNATURE);
		r.cert.not_after = 20290401 + i % 28;
		r.cert.status = STORE_REVOKED;
		r.cert.status_us = NOON - 5000000;
		put(s->w, &r);
	}
	do
		publish_all(s->w, NOON + 1, &ack);
	while (ack.n > 0);
}

static void
test_more_than_a_page_of_both(void **state)
{
	struct site *s = *state;
	struct told *t;
	char out[400];
	int i;

	many_revoked(s);
	t = pass(s, false, false);
	assert_int_equal(t->compared, MANY);
	assert_int_equal(t->n, MANY);
	pass(s, true, true);
	assert_string_equal(site_redis(s, "DBSIZE"), "1100");
	assert_int_equal(pass(s, false, false)->n, 0);
	for (i = 0; i < 300; i++)
		server_ask(&s->server, out,
		    "HSET jpki:st:" ISSUER ":%04x v 1 s H r 6 t 5 e 0",
		    0xa000 + i);
	assert_int_equal(pass(s, true, false)->n, 300);
	assert_string_equal(site_redis(s, "DBSIZE"), "1100");
	assert_int_equal(pass(s, false, false)->n, 0);
}

/* Long after a certificate's end its record goes; other keys stay. */
static void
test_records_of_the_past_are_dropped(void **state)
{
	struct site *s = *state;
	struct told *t;

	two_held(s); /* to 2029-04-01 */
	site_redis(s, "SET other x");
	begin(s, true, false, 20290401);
	site_until(s, is_over);
	assert_int_equal(((struct told *)s->test)->n, 0);
	t = begin(s, true, false, 20290402);
	site_until(s, is_over);
	assert_int_equal(t->n, 2);
	assert_int_equal(t->found[0].kind, COMPARE_OVER);
	assert_int_equal(t->found[0].done, COMPARE_DROPPED);
	assert_string_equal(site_redis(s, "DBSIZE"), "1");
	/* the clock was wrong: they are back */
	assert_int_equal(pass(s, true, false)->n, 2);
}

static void
test_an_owner_that_was_followed_forces_nothing(void **state)
{
	struct site *s = *state;
	struct told *t;

	two_held(s);
	put_record(s, "0101", 9, 'G');
	site_redis(s, "HSET jpki:wm fence 8");
	t = begin(s, true, false, 0);
	site_until(s, is_over);
	assert_false(t->whole);
	assert_non_null(strstr(t->why, "another server"));
	assert_int_equal(t->found[0].done, COMPARE_FAILED);
	assert_string_equal(site_redis(s, "HGET " KEY("0101") " s"), "G");
}

/* Whatever a pass waits for, it ends when it is told to, once. */
static void
test_a_pass_that_is_stopped_ends(void **state)
{
	struct site *s = *state;
	struct told *t = s->test;

	two_held(s);
	begin(s, true, false, 0);
	compare_stop(t->compare, "enough"); /* before its first event */
	site_until(s, is_over);
	assert_string_equal(t->why, "enough");
	begin(s, true, false, 0);
	site_idle(s); /* the store is asked */
	compare_stop(t->compare, "enough");
	compare_stop(t->compare, "more than that");
	site_until(s, is_over);
	assert_string_equal(t->why, "enough");
	assert_false(compare_running(t->compare));
	assert_int_equal(pass(s, false, false)->n, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_difference_is_told_and_repaired),
		TEST(test_the_store_is_the_truth),
		TEST(test_what_contradicts_itself_is_spoiled),
		TEST(test_a_repair_is_read_back),
		TEST(test_a_giant_value_keeps_nobody_from_repairs),
		TEST(test_what_waits_for_publish_is_left_to_it),
		TEST(test_more_than_a_page_of_both),
		TEST(test_records_of_the_past_are_dropped),
		TEST(test_an_owner_that_was_followed_forces_nothing),
		TEST(test_a_pass_that_is_stopped_ends),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name(
	    "compare", tests, WORLD_START, WORLD_STOP);
}
