/* SPDX-License-Identifier: Apache-2.0 */
#include "store_world.h"

#include <inttypes.h>

#include "store/dispatch.h"

#define S CLOCK_S_US
#define ALL \
	(1U << STORE_TELL_CA | 1U << STORE_TELL_HOLDER | \
	    1U << STORE_TELL_MUNICIPALITY)
#define COUNT_ALL "SELECT count(*) FROM dispatches"

/* A store that tells `tell`. */
static struct store *
open_telling(struct world *w, unsigned int tell)
{
	struct store_options o = world_options(w, 0);
	struct err err = { 0 };
	struct store *s;

	o.tell = tell;
	s = store_open(&o, &err);
	if (s == NULL)
		fail_msg("%s", err.text);
	return s;
}

static int
setup(void **state)
{
	struct world *w = world_folder();

	w->store = open_telling(w, ALL);
	*state = w;
	return 0;
}

static struct store_hold
held(struct world *w, uint8_t who, const char *receipt)
{
	struct store_hold r = hold_request(receipt, person(w, who), receipt);

	place(w, &r);
	assert_int_equal(r.outcome, STORE_HOLD_PLACED);
	return r;
}

/* What is due, into a page that the next take overwrites. */
static struct store_dispatch_take *
take(struct store *s, enum store_dispatch_kind kind)
{
	static struct store_dispatch_take r;

	r = (struct store_dispatch_take){
		.kind = kind, .max = STORE_DISPATCH_PAGE, .lease_us = 60 * S
	};
	store_dispatch_take(s, &r);
	must(s, &r.req);
	return &r;
}

static bool
settle(struct store *s, int64_t id, int64_t tries,
    enum store_dispatch_state state, int64_t after_us, const char *words)
{
	struct store_dispatch_settle r = {
		.id = id, .tries = tries, .state = state, .after_us = after_us
	};

	str_copy(r.words, sizeof(r.words), words);
	store_dispatch_settle(s, &r);
	must(s, &r.req);
	return r.lost;
}

/* Time passes, for the store and for the clock of its database: PostgreSQL's
 * is the server's own, so there the rows grow older instead. */
static void
pass(struct world *w, int64_t us)
{
	w->now_us += us;
#ifdef STORE_POSTGRES
	char sql[200];

	snprintf(sql, sizeof(sql),
	    "UPDATE dispatches SET claim_us = claim_us - %" PRId64
	    ", due_us = CASE WHEN due_us > 0 THEN due_us - %" PRId64
	    " ELSE due_us END",
	    us, us);
	world_sql(w, sql);
#endif
}

/* The newest row of a hold's, of one kind. */
static struct store_dispatch
newest(struct world *w, int64_t hold_id, enum store_dispatch_kind kind)
{
	static struct store_dispatch_list r;
	size_t i;

	r = (struct store_dispatch_list){ .hold_id = hold_id };
	store_dispatch_list(w->store, &r);
	must(w->store, &r.req);
	for (i = 0; i < r.n; i++)
		if (r.rows[i].kind == kind)
			return r.rows[i];
	fail_msg("no such row");
	return r.rows[0];
}

/* The registry revokes somebody's first certificate. */
static void
registry_revokes(struct world *w, uint8_t who)
{
	char serial[8];
	struct store_put r;

	snprintf(serial, sizeof(serial), "%02x01", who);
	r = row(who, serial, STORE_SIGNATURE);
	r.cert.status = STORE_REVOKED;
	r.cert.status_us = w->now_us;
	put(w, &r);
}

/* ---- writing */

static void
test_nobody_is_told_unless_asked_for(void **state)
{
	struct world *w = *state;

	store_close(w->store);
	w->store = open_telling(w, 0);
	held(w, 1, "1000000001");
	assert_int_equal(world_sql(w, COUNT_ALL), 0);
	store_close(w->store);
	w->store = open_telling(w, 1U << STORE_TELL_HOLDER);
	held(w, 2, "1000000002");
	assert_int_equal(world_sql(w, COUNT_ALL), 1);
	assert_int_equal(
	    world_sql(w, COUNT_ALL " WHERE kind = 1 AND what = 0"), 1);
}

static void
test_a_hold_is_told_to_all_three(void **state)
{
	struct world *w = *state;
	struct store_hold h = held(w, 1, "1000000001");
	struct store_dispatch_take *r = take(w->store, STORE_TELL_CA);
	size_t i;

	assert_int_equal(r->n, 2);
	for (i = 0; i < 2; i++) {
		struct store_dispatch *d = &r->rows[i];

		assert_int_equal(d->what, STORE_NEWS_HOLD);
		assert_int_equal(d->state, STORE_DISPATCH_WAITING);
		assert_int_equal(d->hold_id, h.hold_id);
		assert_int_equal(d->generation, 1);
		assert_int_equal(d->tries, 1);
		assert_int_equal(d->cert.status, STORE_HELD);
		assert_int_equal(d->cert.reason, 6);
		assert_int_equal(d->cert.status_us, NOON);
		assert_string_equal(d->cert.issuer, ISSUER);
		assert_int_equal(d->contact_len, 0);
	}
	assert_string_equal(r->rows[0].key, ISSUER "-0101-1");
	r = take(w->store, STORE_TELL_HOLDER);
	assert_int_equal(r->n, 1);
	assert_string_equal(r->rows[0].key, "holder-hold-1000000001");
	assert_string_equal(r->rows[0].receipt, "1000000001");
	assert_string_equal(r->rows[0].lang, "ja");
	assert_int_equal(r->rows[0].cert.id, 0);
	r = take(w->store, STORE_TELL_MUNICIPALITY);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->rows[0].what, STORE_NEWS_CASE);
	assert_string_equal(r->rows[0].key, "municipality-case-1000000001");
	assert_string_equal(r->rows[0].municipality, "131016");
}

static void
test_the_same_call_tells_once(void **state)
{
	struct world *w = *state;
	struct store_hold h = held(w, 1, "1000000001");
	struct store_hold again =
	    hold_request("1000000001", h.certs[0].holder, "1000000002");

	place(w, &again);
	assert_true(again.again);
	assert_int_equal(world_sql(w, COUNT_ALL), 4);
}

static void
test_contact_comes_sealed_and_only_to_tell_the_holder(void **state)
{
	struct world *w = *state;
	struct store_put p = row(1, "0101", STORE_SIGNATURE);
	struct store_hold h;
	struct store_dispatch_take *r;

	p.contact_len = 100;
	memset(p.contact, 0xee, p.contact_len);
	p.key_version = 3;
	put(w, &p);
	h = hold_request("c1", holder_of(w, 1), "1000000001");
	place(w, &h);
	r = take(w->store, STORE_TELL_MUNICIPALITY);
	assert_int_equal(r->rows[0].contact_len, 0);
	r = take(w->store, STORE_TELL_HOLDER);
	assert_int_equal(r->rows[0].key_version, 3);
	assert_int_equal(r->rows[0].contact_len, 100);
	assert_int_equal(r->rows[0].contact[99], 0xee);
}

/* ---- taking and settling */

static void
test_what_is_taken_is_nobody_elses(void **state)
{
	struct world *w = *state;
	struct store *other = open_telling(w, ALL);
	struct store_dispatch_take *r;

	held(w, 1, "1000000001");
	assert_int_equal(take(w->store, STORE_TELL_CA)->n, 2);
	assert_int_equal(take(other, STORE_TELL_CA)->n, 0);
	pass(w, 59 * S);
	assert_int_equal(take(other, STORE_TELL_CA)->n, 0);
	pass(w, 1 * S); /* the lease is over: its taker died */
	r = take(other, STORE_TELL_CA);
	assert_int_equal(r->n, 2);
	assert_int_equal(r->rows[0].tries, 2);
	assert_string_equal(r->rows[0].key, ISSUER "-0101-1");
	/* the first taker wakes up, too late to say anything */
	assert_true(
	    settle(w->store, r->rows[0].id, 1, STORE_DISPATCH_DONE, 0, "late"));
	assert_int_equal(world_sql(w, COUNT_ALL " WHERE state = 1"), 0);
	assert_int_equal(
	    world_sql(w,
		"SELECT count(*) FROM dispatch_attempts WHERE words = 'late'"),
	    1);
	store_close(other);
}

static void
test_every_attempt_is_on_record(void **state)
{
	struct world *w = *state;
	struct store_hold h = held(w, 1, "1000000001");
	struct store_dispatch_attempts a = { .n = 0 };
	struct store_dispatch d;

	d = take(w->store, STORE_TELL_HOLDER)->rows[0];
	pass(w, S);
	assert_false(settle(
	    w->store, d.id, 1, STORE_DISPATCH_WAITING, 5 * S, "no answer"));
	assert_int_equal(take(w->store, STORE_TELL_HOLDER)->n, 0);
	pass(w, 5 * S);
	assert_int_equal(take(w->store, STORE_TELL_HOLDER)->n, 1);
	pass(w, S);
	settle(w->store, d.id, 2, STORE_DISPATCH_DONE, 0, "accepted");
	d = newest(w, h.hold_id, STORE_TELL_HOLDER);
	assert_int_equal(d.state, STORE_DISPATCH_DONE);
	assert_int_equal(d.tries, 2);
	assert_int_equal(d.told_us, NOON + 7 * S);
	assert_int_equal(d.due_us, 0);
	assert_string_equal(d.last, "accepted");
	a.id = d.id;
	store_dispatch_attempts(w->store, &a);
	must(w->store, &a.req);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.attempts[1].nr, 1);
	assert_int_equal(a.attempts[1].begun_us, NOON);
	assert_int_equal(a.attempts[1].ended_us, NOON + S);
	assert_int_equal(a.attempts[1].state, STORE_DISPATCH_WAITING);
	assert_string_equal(a.attempts[1].words, "no answer");
	assert_int_equal(a.attempts[0].state, STORE_DISPATCH_DONE);
}

static void
test_the_longest_due_is_first(void **state)
{
	struct world *w = *state;
	struct store_dispatch_take r = {
		.kind = STORE_TELL_HOLDER, .max = 1, .lease_us = 60 * S
	};

	held(w, 1, "1000000001");
	pass(w, 1);
	held(w, 2, "1000000002");
	store_dispatch_take(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(r.n, 1);
	assert_string_equal(r.rows[0].receipt, "1000000001");
}

static void
test_a_clock_set_back_keeps_nothing_waiting(void **state)
{
	struct world *w = *state;
	struct store_dispatch d;

	held(w, 1, "1000000001");
	d = take(w->store, STORE_TELL_HOLDER)->rows[0];
	settle(w->store, d.id, 1, STORE_DISPATCH_WAITING, S, "x");
	take(w->store, STORE_TELL_CA);
	pass(w, -3650 * INT64_C(86400) * S);
	assert_int_equal(take(w->store, STORE_TELL_HOLDER)->n, 1);
	assert_int_equal(take(w->store, STORE_TELL_CA)->n, 2);
}

/* ---- order */

static void
test_a_newer_status_replaces_the_older(void **state)
{
	struct world *w = *state;
	struct store_hold h = held(w, 1, "1000000001");
	struct store_dispatch_take *r;

	registry_revokes(w, 1);
	r = take(w->store, STORE_TELL_CA);
	assert_int_equal(r->n, 2);
	assert_string_equal(r->rows[0].cert.serial, "0102");
	assert_string_equal(r->rows[1].cert.serial, "0101");
	assert_int_equal(r->rows[1].what, STORE_NEWS_REVOKE);
	assert_int_equal(r->rows[1].generation, 2);
	assert_int_equal(r->rows[1].hold_id, 0); /* the registry's word */
	assert_int_equal(r->rows[1].cert.status_us, NOON);
	assert_int_equal(
	    newest(w, h.hold_id, STORE_TELL_CA).state, STORE_DISPATCH_WAITING);
	assert_int_equal(world_sql(w, COUNT_ALL " WHERE state = 4"), 1);
}

static void
test_the_newer_waits_while_the_older_is_told(void **state)
{
	struct world *w = *state;
	struct store_dispatch first, second;

	held(w, 1, "1000000001");
	first = take(w->store, STORE_TELL_CA)->rows[0];
	assert_string_equal(first.cert.serial, "0101");
	registry_revokes(w, 1);
	assert_int_equal(take(w->store, STORE_TELL_CA)->n, 0);
	pass(w, S);
	settle(w->store, first.id, 1, STORE_DISPATCH_DONE, 0, "agrees");
	second = take(w->store, STORE_TELL_CA)->rows[0];
	assert_int_equal(second.generation, 2);
	assert_int_equal(world_sql(w, COUNT_ALL " WHERE state = 4"), 1);
}

static void
test_the_newer_goes_on_when_the_olders_taker_died(void **state)
{
	struct world *w = *state;

	held(w, 1, "1000000001");
	take(w->store, STORE_TELL_CA);
	registry_revokes(w, 1);
	pass(w, 60 * S);
	assert_int_equal(take(w->store, STORE_TELL_CA)->n, 2);
	assert_int_equal(
	    world_sql(w, COUNT_ALL " WHERE state = 4 AND claim_us > 0"), 1);
}

static void
test_what_was_told_stays_told(void **state)
{
	struct world *w = *state;
	struct store_dispatch d;

	held(w, 1, "1000000001");
	d = take(w->store, STORE_TELL_CA)->rows[0];
	settle(w->store, d.id, 1, STORE_DISPATCH_DONE, 3600 * S, "ok");
	registry_revokes(w, 1);
	assert_int_equal(
	    world_sql(w, COUNT_ALL " WHERE state = 1 AND due_us IS NULL"), 1);
}

static void
test_a_status_that_nobody_was_told_replaces_too(void **state)
{
	struct world *w = *state;

	held(w, 1, "1000000001");
	store_close(w->store);
	w->store = open_telling(w, 0);
	registry_revokes(w, 1);
	store_close(w->store);
	w->store = open_telling(w, ALL);
	assert_int_equal(take(w->store, STORE_TELL_CA)->n, 1);
	assert_int_equal(
	    world_sql(w, COUNT_ALL " WHERE state = 4 AND due_us IS NULL"), 1);
}

static void
test_what_the_registry_brings_is_not_told(void **state)
{
	struct world *w = *state;

	person(w, 1);
	registry_revokes(w, 1);
	assert_int_equal(world_sql(w, COUNT_ALL), 0);
}

/* What was done is looked at again, and what it is told does not change. */
static void
test_an_audit_keeps_the_time_of_telling(void **state)
{
	struct world *w = *state;
	struct store_dispatch d;

	held(w, 1, "1000000001");
	d = take(w->store, STORE_TELL_CA)->rows[0];
	settle(w->store, d.id, 1, STORE_DISPATCH_DONE, 3600 * S, "ok");
	pass(w, 3600 * S);
	d = take(w->store, STORE_TELL_CA)->rows[1];
	assert_int_equal(d.state, STORE_DISPATCH_DONE);
	assert_int_equal(d.told_us, NOON);
	settle(w->store, d.id, 2, STORE_DISPATCH_DISAGREES, 3600 * S,
	    "it says good");
	assert_int_equal(world_sql(w,
			     "SELECT told_us FROM dispatches"
			     " WHERE state = 3"),
	    NOON);
}

/* ---- retry, list, depth */

static void
retry(struct world *w, int64_t id, enum store_dispatch_kind kind,
    enum err_code code, int64_t n)
{
	struct store_dispatch_retry r = { .id = id, .kind = kind };

	store_dispatch_retry(w->store, &r);
	store_wait(w->store, &r.req);
	assert_int_equal(r.req.err.code, code);
	if (code == ERR_NONE)
		assert_int_equal(r.n, n);
}

static void
test_retry(void **state)
{
	struct world *w = *state;
	struct store_dispatch_take *r;
	struct store_dispatch a, b;

	held(w, 1, "1000000001");
	held(w, 2, "1000000002");
	r = take(w->store, STORE_TELL_HOLDER);
	a = r->rows[0];
	b = r->rows[1];
	retry(w, a.id, STORE_TELL_HOLDER, ERR_REFUSED, 0); /* under way */
	retry(w, 0, STORE_TELL_HOLDER, ERR_NONE, 0);
	settle(w->store, a.id, 1, STORE_DISPATCH_FAILED, 0, "no such number");
	settle(w->store, b.id, 1, STORE_DISPATCH_DONE, 0, "accepted");
	assert_int_equal(take(w->store, STORE_TELL_HOLDER)->n, 0);
	retry(w, 0, STORE_TELL_HOLDER, ERR_NONE, 1);
	retry(w, b.id, STORE_TELL_HOLDER, ERR_NONE, 1);
	assert_int_equal(take(w->store, STORE_TELL_HOLDER)->n, 2);
	retry(w, 999, STORE_TELL_HOLDER, ERR_NOTFOUND, 0);
	registry_revokes(w, 1);
	retry(w, world_sql(w, "SELECT id FROM dispatches WHERE state = 4"),
	    STORE_TELL_CA, ERR_REFUSED, 0);
}

static void
test_list_a_page_at_a_time(void **state)
{
	struct world *w = *state;
	static struct store_dispatch_list r;
	char receipt[STORE_RECEIPT_DIGITS + 1];
	int64_t n = 0, last = INT64_MAX;
	uint8_t who;
	size_t i;

	for (who = 1; who <= 10; who++) {
		snprintf(receipt, sizeof(receipt), "10000000%02u", who);
		held(w, who, receipt);
	}
	r = (struct store_dispatch_list){ .open = true };
	do {
		store_dispatch_list(w->store, &r);
		must(w->store, &r.req);
		for (i = 0; i < r.n; i++, n++) {
			assert_true(r.rows[i].id < last);
			last = r.rows[i].id;
		}
		r.before_id = last;
	} while (r.n == STORE_DISPATCH_PAGE);
	assert_int_equal(n, 40);
	r = (struct store_dispatch_list){ .cert_id = 1 };
	store_dispatch_list(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(r.n, 1);
	assert_string_equal(r.rows[0].cert.serial, "0101");
	assert_string_equal(r.rows[0].receipt, "1000000001");
}

static void
test_depth(void **state)
{
	struct world *w = *state;
	struct store_dispatch_depth r = { 0 };
	struct store_dispatch d;

	store_dispatch_depth(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(r.waiting[STORE_TELL_CA], 0);
	assert_int_equal(r.oldest_us[STORE_TELL_CA], 0);
	held(w, 1, "1000000001");
	pass(w, S);
	held(w, 2, "1000000002");
	d = take(w->store, STORE_TELL_CA)->rows[0];
	settle(w->store, d.id, 1, STORE_DISPATCH_DISAGREES, 9 * S, "x");
	d = take(w->store, STORE_TELL_HOLDER)->rows[0];
	settle(w->store, d.id, 1, STORE_DISPATCH_FAILED, 0, "x");
	store_dispatch_depth(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(r.waiting[STORE_TELL_CA], 3);
	assert_int_equal(r.disagrees[STORE_TELL_CA], 1);
	assert_int_equal(r.waiting[STORE_TELL_HOLDER], 1);
	assert_int_equal(r.failed[STORE_TELL_HOLDER], 1);
	assert_int_equal(r.waiting[STORE_TELL_MUNICIPALITY], 2);
	assert_int_equal(r.oldest_us[STORE_TELL_MUNICIPALITY], NOON);
	assert_int_equal(r.oldest_us[STORE_TELL_HOLDER], NOON + S);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nobody_is_told_unless_asked_for),
		TEST(test_a_hold_is_told_to_all_three),
		TEST(test_the_same_call_tells_once),
		TEST(test_contact_comes_sealed_and_only_to_tell_the_holder),
		TEST(test_what_is_taken_is_nobody_elses),
		TEST(test_every_attempt_is_on_record),
		TEST(test_the_longest_due_is_first),
		TEST(test_a_clock_set_back_keeps_nothing_waiting),
		TEST(test_a_newer_status_replaces_the_older),
		TEST(test_the_newer_waits_while_the_older_is_told),
		TEST(test_the_newer_goes_on_when_the_olders_taker_died),
		TEST(test_what_was_told_stays_told),
		TEST(test_a_status_that_nobody_was_told_replaces_too),
		TEST(test_what_the_registry_brings_is_not_told),
		TEST(test_an_audit_keeps_the_time_of_telling),
		TEST(test_retry),
		TEST(test_list_a_page_at_a_time),
		TEST(test_depth),
	};

	return cmocka_run_group_tests(tests, WORLD_START, WORLD_STOP);
}
