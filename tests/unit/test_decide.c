/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>

#include "decide_world.h"
#include "store/dispatch.h"

static int64_t
leaves(struct world *w)
{
	struct store_audit_verify r = { 0 };

	store_audit_verify(w->store, &r);
	must(w->store, &r.req);
	return r.leaves;
}

/* A person with two pairs, all four on hold: the serials are <who>01 to 04,
 * the second pair is a smartphone's. */
static void
held_person(struct world *w, uint8_t who, const char *receipt)
{
	struct store_put r;
	struct store_hold hold;
	char serial[8], call[16];

	person(w, who);
	snprintf(serial, sizeof(serial), "%02x03", who);
	r = row(who, serial, STORE_SIGNATURE);
	r.cert.carrier = STORE_SMARTPHONE;
	put(w, &r);
	snprintf(serial, sizeof(serial), "%02x04", who);
	r = row(who, serial, STORE_AUTHENTICATION);
	r.cert.carrier = STORE_SMARTPHONE;
	put(w, &r);
	snprintf(call, sizeof(call), "call-%u", who);
	hold = hold_request(call, holder_of(w, who), receipt);
	place(w, &hold);
	assert_int_equal(hold.outcome, STORE_HOLD_PLACED);
}

/* ---- what a decision writes */

static void
test_found_goes_by_the_policy(void **state)
{
	struct world *w = *state;
	struct decide_request r = decision("1000000001", "k1", strict());
	struct decide_answer a;

	held_person(w, 1, "1000000001");
	w->now_us += 3600 * CLOCK_S_US;
	a = decide(w, &r, POLICY_FOUND);
	assert_int_equal(a.err.code, ERR_NONE);
	assert_false(a.again);
	assert_int_equal(a.n, 4);
	assert_int_equal(a.decided_us, w->now_us);
	/* a revoked hold keeps the hold's instant; a lifted one is good since
	 * now */
	is_now(w, "0101", STORE_REVOKED, 2, 4, NOON);
	is_now(w, "0102", STORE_REVOKED, 2, 4, NOON);
	is_now(w, "0103", STORE_REVOKED, 2, 4, NOON);
	is_now(w, "0104", STORE_GOOD, 2, 0, w->now_us);
}

static void
test_lost_revokes_everything_under_any_policy(void **state)
{
	struct world *w = *state;
	struct decide_request r = decision("1000000001", "k1", lenient());

	held_person(w, 1, "1000000001");
	w->now_us += 3600 * CLOCK_S_US;
	assert_int_equal(decide(w, &r, POLICY_LOST).err.code, ERR_NONE);
	is_now(w, "0101", STORE_REVOKED, 2, 1, NOON);
	is_now(w, "0104", STORE_REVOKED, 2, 1, NOON);
}

static void
test_a_reason_of_the_clerks_own(void **state)
{
	struct world *w = *state;
	struct decide_request r = decision("1000000001", "k1", strict());

	held_person(w, 1, "1000000001");
	r.crl_reason = 5;
	assert_int_equal(decide(w, &r, POLICY_LOST).err.code, ERR_NONE);
	is_now(w, "0101", STORE_REVOKED, 2, 5, NOON);
}

static void
test_a_decision_writes_everything(void **state)
{
	struct world *w = *state;
	struct decide_request r = decision("1000000001", "k1", lenient());
	struct store_case_show show = { .receipt = "1000000001" };
	struct store_outbox_ack ack;
	int64_t before;

	held_person(w, 1, "1000000001");
	publish_all(w, NOON + 5, &ack);
	before = leaves(w);
	r.reason = "\"found\" at home \\ \n見つかった";
	assert_int_equal(decide(w, &r, POLICY_FOUND).err.code, ERR_NONE);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM outbox"), 4);
	assert_int_equal(leaves(w), before + 1);
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM audit WHERE text LIKE"
			     " '{\"decision\":\"test\",\"by\":\"clerk\","
			     "\"case\":\"1000000001\",\"outcome\":\"found\","
			     "\"reason\":\"?found? at home ? ?見つかった\","
			     "\"certs\":[\"" ISSUER "/0101:2:lifted\",%]}'"),
	    1);
	store_case_show(w->store, &show);
	must(w->store, &show.req);
	assert_string_equal(show.found.status, "closed");
	assert_string_equal(show.found.outcome, "found");
	assert_string_equal(show.found.entry, "test");
	assert_int_equal(show.found.decided_us, NOON);
	assert_int_equal(show.found.acts, 1u << STORE_ACT_LIFT);
	assert_string_equal(show.who, "clerk");
	assert_string_equal(show.reason, r.reason);
	assert_int_equal(show.acts[3], STORE_ACT_LIFT);
	assert_int_equal(show.certs[0].status, STORE_GOOD);
}

/* The authority is told of each certificate, the holder of the whole. */
static void
test_a_decision_is_told(void **state)
{
	static const struct {
		enum policy_outcome outcome;
		bool strict;
		enum store_dispatch_what holder;
	} rows[] = {
		{ POLICY_FOUND, true, STORE_NEWS_PART },
		{ POLICY_FOUND, false, STORE_NEWS_LIFT },
		{ POLICY_LOST, false, STORE_NEWS_REVOKE },
	};
	static const char *const receipts[] = { "1000000001", "1000000002",
		"1000000003" };
	struct world *w = *state;
	struct store_options o = world_options(w, 0);
	struct err err = { 0 };
	char sql[160];
	size_t i;

	o.tell = 1U << STORE_TELL_CA | 1U << STORE_TELL_HOLDER;
	store_close(w->store);
	if ((w->store = store_open(&o, &err)) == NULL)
		fail_msg("%s", err.text);
	for (i = 0; i < 3; i++) {
		struct decide_request r = decision(receipts[i], receipts[i],
		    rows[i].strict ? strict() : lenient());

		held_person(w, (uint8_t)(1 + i), receipts[i]);
		assert_int_equal(
		    decide(w, &r, rows[i].outcome).err.code, ERR_NONE);
		snprintf(sql, sizeof(sql),
		    "SELECT count(*) FROM dispatches WHERE kind = %d"
		    " AND what = %d",
		    STORE_TELL_HOLDER, (int)rows[i].holder);
		assert_int_equal(world_sql(w, sql), 1);
	}
	/* four were lifted, four revoked, and four as the strict table says */
	snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM dispatches WHERE kind = %d AND what = %d"
	    " AND hold IS NOT NULL",
	    STORE_TELL_CA, STORE_NEWS_LIFT);
	assert_int_equal(world_sql(w, sql), 5);
	snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM dispatches WHERE kind = %d AND what = %d",
	    STORE_TELL_CA, STORE_NEWS_REVOKE);
	assert_int_equal(world_sql(w, sql), 7);
}

static void
test_events_of_a_case_in_order(void **state)
{
	struct world *w = *state;
	struct decide_request r = decision("1000000001", "k1", strict());
	struct store_case_events e = { .case_id = 1 };

	held_person(w, 1, "1000000001");
	assert_int_equal(decide(w, &r, POLICY_LOST).err.code, ERR_NONE);
	store_case_events(w->store, &e);
	must(w->store, &e.req);
	assert_int_equal(e.n, 2);
	assert_string_equal(e.events[0].what, "opened");
	assert_int_equal(e.events[1].nr, 2);
	assert_string_equal(e.events[1].what, "lost");
	e.after_nr = 2;
	store_case_events(w->store, &e);
	must(w->store, &e.req);
	assert_int_equal(e.n, 0);
}

/* ---- the look before */

static void
test_a_look_says_it_and_changes_nothing(void **state)
{
	struct world *w = *state;
	struct decide_answer a;

	held_person(w, 1, "1000000001");
	a = look(w, "1000000001", strict(), POLICY_FOUND);
	assert_int_equal(a.err.code, ERR_NONE);
	assert_int_equal(a.events, 1);
	assert_int_equal(a.n, 4);
	assert_int_equal(a.acts[0], STORE_ACT_REVOKE); /* card, signature */
	assert_int_equal(a.acts[1], STORE_ACT_REVOKE); /* phone, signature */
	assert_int_equal(a.acts[2], STORE_ACT_REVOKE); /* card */
	assert_int_equal(a.acts[3], STORE_ACT_LIFT);   /* phone */
	is_now(w, "0104", STORE_HELD, 1, 6, NOON);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM decisions"), 0);
	a = look(w, "1000000009", strict(), POLICY_FOUND);
	assert_int_equal(a.err.code, ERR_NOTFOUND);
}

/* ---- what is left as it is */

static void
test_an_expired_one_is_neither_lifted_nor_revoked(void **state)
{
	struct world *w = *state;
	struct decide_request r = decision("1000000001", "k1", lenient());
	struct decide_answer a;

	held_person(w, 1, "1000000001");
	w->now_us = clock_jst_start_us(20290402);
	a = decide(w, &r, POLICY_FOUND);
	assert_int_equal(a.err.code, ERR_NONE);
	assert_int_equal(a.acts[0], STORE_ACT_NONE);
	assert_int_equal(a.why[0], DECIDE_EXPIRED);
	is_now(w, "0101", STORE_HELD, 1, 6, NOON);
	is_now(w, "0104", STORE_HELD, 1, 6, NOON);
	assert_int_equal(look(w, "1000000001", lenient(), POLICY_LOST).err.code,
	    ERR_CONFLICT);
}

static void
test_its_last_day_is_not_over_before_midnight(void **state)
{
	struct world *w = *state;
	struct decide_request r = decision("1000000001", "k1", lenient());

	held_person(w, 1, "1000000001");
	w->now_us = clock_jst_start_us(20290402) - 1;
	assert_int_equal(decide(w, &r, POLICY_FOUND).acts[0], STORE_ACT_LIFT);
}

/* The registry was faster for one of them. */
static void
test_what_the_registry_revoked_stays_revoked(void **state)
{
	struct world *w = *state;
	struct decide_request r = decision("1000000001", "k1", lenient());
	struct store_put p = row(1, "0101", STORE_SIGNATURE);
	struct decide_answer a;

	held_person(w, 1, "1000000001");
	p.cert.status = STORE_REVOKED;
	put(w, &p);
	a = decide(w, &r, POLICY_FOUND);
	assert_int_equal(a.err.code, ERR_NONE);
	assert_int_equal(a.acts[0], STORE_ACT_NONE);
	assert_int_equal(a.why[0], DECIDE_REVOKED);
	is_now(w, "0101", STORE_REVOKED, 2, 0, NOON);
	is_now(w, "0102", STORE_GOOD, 2, 0, NOON);
}

/* Another case's lift, then a new report: the older case has no say in it. */
static void
test_a_newer_hold_is_not_lifted_by_an_older_case(void **state)
{
	struct world *w = *state;
	struct decide_request first = decision("1000000001", "k1", lenient());
	struct decide_request late = decision("1000000001", "k2", lenient());
	struct store_hold again;
	struct decide_answer a;

	held_person(w, 1, "1000000001");
	assert_int_equal(decide(w, &first, POLICY_FOUND).err.code, ERR_NONE);
	again = hold_request("call-again", holder_of(w, 1), "1000000002");
	place(w, &again);
	assert_int_equal(again.outcome, STORE_HOLD_PLACED);
	is_now(w, "0101", STORE_HELD, 3, 6, NOON);
	late.seen = 2;
	a = decide(w, &late, POLICY_FOUND);
	assert_int_equal(a.err.code, ERR_CONFLICT);
	/* nor by the same decision's retry */
	assert_true(decide(w, &first, POLICY_FOUND).again);
	is_now(w, "0101", STORE_HELD, 3, 6, NOON);
}

/* The same while the older case is still open: the registry's own change gave
 * the certificate another generation. */
static void
test_a_generation_that_is_not_the_holds_is_left(void **state)
{
	struct world *w = *state;
	struct decide_request r = decision("1000000001", "k1", lenient());
	struct decide_answer a;

	held_person(w, 1, "1000000001");
	world_sql(
	    w, "UPDATE certificates SET generation = 3 WHERE serial = '0101'");
	a = decide(w, &r, POLICY_FOUND);
	assert_int_equal(a.err.code, ERR_NONE);
	assert_int_equal(a.acts[0], STORE_ACT_NONE);
	assert_int_equal(a.why[0], DECIDE_CHANGED);
	is_now(w, "0101", STORE_HELD, 3, 6, NOON);
	is_now(w, "0102", STORE_GOOD, 2, 0, NOON);
}

/* The caller heard "already on hold": a clerk who looked before that may not
 * lift it behind the caller's back. */
static void
test_a_report_since_the_look_stops_the_decision(void **state)
{
	struct world *w = *state;
	struct decide_request r = decision("1000000001", "k1", lenient());
	struct store_hold again;

	held_person(w, 1, "1000000001");
	again = hold_request("call-again", holder_of(w, 1), "1000000002");
	place(w, &again);
	assert_int_equal(again.outcome, STORE_HOLD_ALREADY);
	assert_int_equal(decide(w, &r, POLICY_FOUND).err.code, ERR_CONFLICT);
	is_now(w, "0101", STORE_HELD, 1, 6, NOON);
	r.seen = look(w, "1000000001", lenient(), POLICY_FOUND).events;
	assert_int_equal(r.seen, 2);
	assert_int_equal(decide(w, &r, POLICY_FOUND).err.code, ERR_NONE);
	is_now(w, "0101", STORE_GOOD, 2, 0, NOON);
}

/* ---- once */

static void
test_the_same_key_gets_the_first_answer(void **state)
{
	struct world *w = *state;
	struct decide_request r = decision("1000000001", "k1", strict());
	struct decide_answer a;
	int64_t before;

	held_person(w, 1, "1000000001");
	decide(w, &r, POLICY_FOUND);
	before = leaves(w);
	w->now_us += CLOCK_S_US;
	a = decide(w, &r, POLICY_FOUND);
	assert_int_equal(a.err.code, ERR_NONE);
	assert_true(a.again);
	assert_int_equal(a.decided_us, NOON);
	assert_int_equal(a.acts[0], STORE_ACT_REVOKE);
	assert_int_equal(a.acts[3], STORE_ACT_LIFT);
	assert_int_equal(leaves(w), before);
	is_now(w, "0104", STORE_GOOD, 2, 0, NOON);
}

static void
test_a_key_decides_one_case(void **state)
{
	struct world *w = *state;
	struct decide_request r = decision("1000000001", "k1", strict());

	held_person(w, 1, "1000000001");
	held_person(w, 2, "1000000002");
	decide(w, &r, POLICY_FOUND);
	r.receipt = "1000000002";
	assert_int_equal(decide(w, &r, POLICY_FOUND).err.code, ERR_CONFLICT);
	is_now(w, "0204", STORE_HELD, 1, 6, NOON);
}

static void
test_of_two_clerks_one_wins_and_the_other_is_told(void **state)
{
	struct world *w = *state;
	struct decide_request one = decision("1000000001", "k1", lenient());
	struct decide_request two = decision("1000000001", "k2", lenient());
	struct decide_answer a;

	held_person(w, 1, "1000000001");
	decide_as(w, "clerk one", &one, POLICY_FOUND);
	a = decide_as(w, "clerk two", &two, POLICY_LOST);
	assert_int_equal(a.err.code, ERR_CONFLICT);
	assert_non_null(strstr(a.err.text, "found"));
	assert_non_null(strstr(a.err.text, "clerk one"));
	is_now(w, "0101", STORE_GOOD, 2, 0, NOON);
}

/* Both at once, from two processes that opened the store: every case is
 * decided once, whoever was first. */
static void
test_two_clerks_at_once(void **state)
{
	enum { CASES = 40 };
	static char receipts[CASES][16], keys[2 * CASES][16];
	struct world *w = *state;
	struct authority *by = authority_grant("test", "clerk");
	struct store *stores[2];
	struct decided d[2 * CASES] = { 0 };
	unsigned int i, won = 0;

	assert_non_null(by);
	for (i = 0; i < CASES; i++) {
		snprintf(receipts[i], sizeof(receipts[i]), "10000000%02u", i);
		held_person(w, (uint8_t)(1 + i), receipts[i]);
	}
	stores[0] = world_open_store(w, 1);
	stores[1] = world_open_store(w, 1);
	for (i = 0; i < 2 * CASES; i++) {
		unsigned int nr = i / 2;
		struct decide_request r;

		/* the second comes from the other end */
		if (i % 2 == 1)
			nr = CASES - 1 - nr;
		snprintf(keys[i], sizeof(keys[i]), "k%u", i);
		r = decision(receipts[nr], keys[i], lenient());
		assert_int_equal((i % 2 == 0 ? hold_lift : hold_revoke)(
				     stores[i % 2], by, &r, on_decided, &d[i]),
		    0);
	}
	for (i = 0; i < 2 * CASES; i++) {
		until_done(stores[i % 2], &d[i]);
		won += d[i].answer.err.code == ERR_NONE;
		if (d[i].answer.err.code != ERR_NONE)
			assert_int_equal(d[i].answer.err.code, ERR_CONFLICT);
	}
	assert_int_equal(won, CASES);
	authority_free(by);
	store_close(stores[0]);
	store_close(stores[1]);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM decisions"), CASES);
	/* all four of a case went the same way, once */
	assert_int_equal(
	    world_sql(w,
		"SELECT count(*) FROM certificates WHERE generation = 2"
		" AND status <> 1"),
	    4 * CASES);
	assert_int_equal(
	    world_sql(w,
		"SELECT count(*) FROM decisions AS d WHERE 4 <> (SELECT"
		" count(*) FROM decision_certs AS x JOIN certificates AS c"
		" ON c.id = x.cert WHERE x.case_id = d.case_id AND c.status ="
		" CASE d.outcome WHEN 'found' THEN 0 ELSE 2 END)"),
	    0);
}

/* A lift against a new report, at once: whoever was told "on hold" last has
 * it on hold, or the case says that it was reported again. */
static void
test_a_lift_races_new_reports(void **state)
{
	enum { CASES = 40 };
	static char receipts[CASES][16], more[CASES][16], keys[CASES][16];
	static struct store_hold holds[CASES];
	struct world *w = *state;
	struct authority *by = authority_grant("test", "clerk");
	struct store *stores[2];
	struct decided d[CASES] = { 0 };
	unsigned int i;

	assert_non_null(by);
	for (i = 0; i < CASES; i++) {
		snprintf(receipts[i], sizeof(receipts[i]), "10000000%02u", i);
		snprintf(more[i], sizeof(more[i]), "again-%u", i);
		snprintf(keys[i], sizeof(keys[i]), "k%u", i);
		held_person(w, (uint8_t)(1 + i), receipts[i]);
		holds[i] =
		    hold_request(more[i], holder_of(w, (uint8_t)(1 + i)), "");
		snprintf(holds[i].receipts[0], sizeof(holds[i].receipts[0]),
		    "20000000%02u", i);
	}
	stores[0] = world_open_store(w, 1);
	stores[1] = world_open_store(w, 1);
	for (i = 0; i < CASES; i++) {
		struct decide_request r =
		    decision(receipts[i], keys[i], lenient());

		assert_int_equal(
		    hold_lift(stores[0], by, &r, on_decided, &d[i]), 0);
		store_hold(stores[1], &holds[CASES - 1 - i]);
	}
	for (i = 0; i < CASES; i++) {
		until_done(stores[0], &d[i]);
		must(stores[1], &holds[CASES - 1 - i].req);
	}
	authority_free(by);
	store_close(stores[0]);
	store_close(stores[1]);
	for (i = 0; i < CASES; i++) {
		char serial[8];
		bool lifted = d[i].answer.err.code == ERR_NONE;

		snprintf(serial, sizeof(serial), "%02x01", 1 + i);
		/* the report came first: not lifted; or it made a hold of its
		 * own afterwards: on hold either way */
		assert_int_equal(holds[i].outcome,
		    lifted ? STORE_HOLD_PLACED : STORE_HOLD_ALREADY);
		assert_int_equal(cert_of(w, serial).status, STORE_HELD);
		assert_int_equal(cert_of(w, serial).generation, lifted ? 3 : 1);
	}
}

/* ---- what relying parties see of it */

static void
test_it_is_visible_when_all_of_it_was_read_back(void **state)
{
	struct world *w = *state;
	struct decide_request r = decision("1000000001", "k1", strict());
	struct store_case_seen seen = { .case_id = 1 };
	struct store_outbox_ack ack;

	held_person(w, 1, "1000000001");
	publish_all(w, NOON + 5, &ack);
	store_case_seen(w->store, &seen);
	assert_int_equal(store_wait(w->store, &seen.req), -1);
	assert_int_equal(seen.req.err.code, ERR_NOTFOUND);
	decide(w, &r, POLICY_FOUND);
	store_case_seen(w->store, &seen);
	must(w->store, &seen.req);
	assert_int_equal(seen.visible_us, 0);
	publish_all(w, NOON + 900, &ack);
	store_case_seen(w->store, &seen);
	must(w->store, &seen.req);
	assert_int_equal(seen.visible_us, NOON + 900);
}

/* The decision is not the hold's: that stays seen since it was seen. */
static void
test_a_hold_that_was_not_seen_yet_is_decided(void **state)
{
	struct world *w = *state;
	struct decide_request r = decision("1000000001", "k1", lenient());
	struct store_case_show show = { .receipt = "1000000001" };
	struct store_outbox_ack ack;

	held_person(w, 1, "1000000001");
	decide(w, &r, POLICY_FOUND);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM outbox"), 8);
	publish_all(w, NOON + 900, &ack);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM outbox"), 0);
	store_case_show(w->store, &show);
	must(w->store, &show.req);
	assert_int_equal(show.found.visible_us, NOON + 900);
	assert_int_equal(show.seen_us[0], NOON + 900);
}

/* ---- the authority */

static void
test_an_authority_has_a_name_or_is_none(void **state)
{
	struct authority *a = authority_grant("break-glass", "root");
	char longer[STORE_WHO_MAX + 2];

	(void)state;
	assert_non_null(a);
	assert_string_equal(authority_entry(a), "break-glass");
	assert_string_equal(authority_who(a), "root");
	authority_free(a);
	authority_free(NULL);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_null(authority_grant("break-glass", longer));
	assert_null(authority_grant("break-glass", ""));
	assert_null(authority_grant("", "root"));
	assert_null(authority_grant("a-very-long-entry", "root"));
}

static void
test_texts_that_do_not_fit_are_refused(void **state)
{
	struct world *w = *state;
	struct authority *by = authority_grant("test", "clerk");
	struct decide_request r = decision("1000000001", "k1", strict());
	char longer[STORE_REASON_MAX + 2];
	struct decided d = { .done = false };

	assert_non_null(by);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	r.reason = longer;
	assert_int_equal(hold_lift(w->store, by, &r, on_decided, &d), -1);
	assert_false(d.done);
	authority_free(by);
}

int
main(void)
{
#define STORE_TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_found_goes_by_the_policy),
		STORE_TEST(test_lost_revokes_everything_under_any_policy),
		STORE_TEST(test_a_reason_of_the_clerks_own),
		STORE_TEST(test_a_decision_writes_everything),
		STORE_TEST(test_a_decision_is_told),
		STORE_TEST(test_events_of_a_case_in_order),
		STORE_TEST(test_a_look_says_it_and_changes_nothing),
		STORE_TEST(test_an_expired_one_is_neither_lifted_nor_revoked),
		STORE_TEST(test_its_last_day_is_not_over_before_midnight),
		STORE_TEST(test_what_the_registry_revoked_stays_revoked),
		STORE_TEST(test_a_newer_hold_is_not_lifted_by_an_older_case),
		STORE_TEST(test_a_generation_that_is_not_the_holds_is_left),
		STORE_TEST(test_a_report_since_the_look_stops_the_decision),
		STORE_TEST(test_the_same_key_gets_the_first_answer),
		STORE_TEST(test_a_key_decides_one_case),
		STORE_TEST(test_of_two_clerks_one_wins_and_the_other_is_told),
		STORE_TEST(test_two_clerks_at_once),
		STORE_TEST(test_a_lift_races_new_reports),
		STORE_TEST(test_it_is_visible_when_all_of_it_was_read_back),
		STORE_TEST(test_a_hold_that_was_not_seen_yet_is_decided),
		cmocka_unit_test(test_an_authority_has_a_name_or_is_none),
		STORE_TEST(test_texts_that_do_not_fit_are_refused),
	};
	return cmocka_run_group_tests_name(
	    "decide", tests, WORLD_START, WORLD_STOP);
}
