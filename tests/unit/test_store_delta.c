/* SPDX-License-Identifier: Apache-2.0 */
/* What the registry's news do to holders, certificates and open cases. */
#include "delta_world.h"
#include "store/dispatch.h"

#define RECEIPT "1000000001"
#define HOUR (3600 * CLOCK_S_US)

/* A person whose pair is on hold since NOON; an hour has passed since. */
static void
held(struct world *w, uint8_t who, const char *receipt)
{
	char call[16];
	struct store_hold h;

	snprintf(call, sizeof(call), "call-%s", receipt);
	h = hold_request(call, person(w, who), receipt);
	place(w, &h);
	assert_int_equal(h.outcome, STORE_HOLD_PLACED);
	w->now_us += HOUR;
}

static void
case_of(struct world *w, const char *receipt, struct store_case_show *show)
{
	memset(show, 0, sizeof(*show));
	str_copy(show->receipt, sizeof(show->receipt), receipt);
	store_case_show(w->store, show);
	must(w->store, &show->req);
}

static bool
happened(struct world *w, const char *what)
{
	char sql[120];

	snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM case_events WHERE what = '%s'", what);
	return world_sql(w, sql) == 1;
}

static void
tell(struct world *w)
{
	struct store_options o = world_options(w, 0);
	struct err err = { 0 };

	o.tell = 1u << STORE_TELL_CA | 1u << STORE_TELL_HOLDER |
	    1u << STORE_TELL_MUNICIPALITY;
	store_close(w->store);
	if ((w->store = store_open(&o, &err)) == NULL)
		fail_msg("%s", err.text);
}

static int64_t
dispatches(struct world *w, enum store_dispatch_kind kind, const char *where)
{
	char sql[160];

	snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM dispatches WHERE kind = %d AND %s", kind,
	    where);
	return world_sql(w, sql);
}

/* The chain holds, and every change of a status has its outbox row. */
static int
teardown(void **state)
{
	struct world *w = *state;
	struct store_audit_verify v = { 0 };

	store_audit_verify(w->store, &v);
	must(w->store, &v.req);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM outbox WHERE generation > 0"),
	    world_sql(
		w, "SELECT coalesce(sum(generation), 0) FROM certificates"));
	return world_teardown(state);
}

/* ---- moved */

/* Only a municipality's code: nobody's answers or certificates change, and
 * the case goes along. */
static void
test_a_new_municipality(void **state)
{
	struct world *w = *state;
	struct store_delta d = news(1, STORE_DELTA_MOVED);
	struct store_case_show show;

	tell(w);
	held(w, 1, RECEIPT);
	str_copy(d.put.municipality, sizeof(d.put.municipality), ELSEWHERE);
	d = apply(w, d);
	assert_int_equal(d.put.result, STORE_PUT_CHANGED);
	assert_int_equal(d.moved, 1);
	assert_int_equal(d.revoked + d.closed + d.noted, 0);
	case_of(w, RECEIPT, &show);
	assert_string_equal(show.found.municipality, ELSEWHERE);
	assert_string_equal(show.found.status, "open");
	assert_true(happened(w, "moved-from-131016"));
	is_now(w, "0101", STORE_HELD, 1, 6, NOON);
	assert_int_not_equal(holder_of(w, 1), 0);
	/* the one that had not heard of it need not; the new one is told */
	assert_int_equal(
	    dispatches(w, STORE_TELL_MUNICIPALITY, "state = 4"), 1);
	assert_int_equal(
	    dispatches(w, STORE_TELL_MUNICIPALITY, "state = 0"), 1);
	assert_int_equal(dispatches(w, STORE_TELL_MUNICIPALITY,
			     "key = 'municipality-case-2-" RECEIPT "'"),
	    1);
	assert_int_equal(apply(w, d).put.result, STORE_PUT_UNCHANGED);
}

/* A person: what callers answer is new, and the signature certificate ends,
 * for it carries the address; the other lives on, and so does its hold. */
static void
test_a_person_moves(void **state)
{
	struct world *w = *state;
	struct store_delta d = moved(1, ELSEWHERE, 20261124);
	struct store_lookup find = { .n_tags = 1 };
	struct store_case_show show;
	struct store_put fresh;

	held(w, 1, RECEIPT);
	fresh = row(1, "0103", STORE_SIGNATURE); /* issued as they moved in */
	fresh.cert.not_before = 20261124;
	put(w, &fresh);
	d.put.n_phones = 1;
	d = apply(w, d);
	assert_int_equal(d.revoked, 1);
	assert_int_equal(d.moved, 1);
	is_now(w, "0101", STORE_REVOKED, 2, 3, NOON);
	is_now(w, "0102", STORE_HELD, 1, 6, NOON);
	is_now(w, "0103", STORE_GOOD, 0, 0, 0);
	case_of(w, RECEIPT, &show);
	assert_string_equal(show.found.status, "open");
	assert_string_equal(show.found.municipality, ELSEWHERE);
	memcpy(find.tags[0], d.put.tag, STORE_MAC_SIZE);
	store_lookup(w->store, &find);
	must(w->store, &find.req);
	assert_int_equal(find.n, 1);
	assert_int_equal(find.candidates[0].n_phones, 1);
	memset(find.tags[0], 0x81, STORE_MAC_SIZE);
	store_lookup(w->store, &find);
	must(w->store, &find.req);
	assert_int_equal(find.n, 0);
}

static void
test_a_move_can_end_a_case(void **state)
{
	struct world *w = *state;
	struct store_put p = row(1, "0101", STORE_SIGNATURE);
	struct store_case_show show;
	struct store_hold h;
	struct store_delta d;

	put(w, &p); /* no authentication certificate */
	h = hold_request("c1", holder_of(w, 1), RECEIPT);
	place(w, &h);
	d = apply(w, moved(1, ELSEWHERE, 20261124));
	assert_int_equal(d.closed, 1);
	case_of(w, RECEIPT, &show);
	assert_string_equal(show.found.status, "closed");
	assert_string_equal(show.found.outcome, "moved");
	assert_string_equal(show.found.municipality, ELSEWHERE);
	is_now(w, "0101", STORE_REVOKED, 2, 3, NOON);
}

/* Keys are rotated: the holder is found by the older name, and gets the new
 * one with all that goes with it. */
static void
test_a_move_under_a_new_key(void **state)
{
	struct world *w = *state;
	struct store_delta d = moved(1, ELSEWHERE, 20261124);

	person(w, 1);
	d.put.n_old = 1;
	memcpy(d.put.old_refs[0], d.put.ref, STORE_MAC_SIZE);
	memset(d.put.ref, 0x77, STORE_MAC_SIZE);
	d.put.key_version = 2;
	apply(w, d);
	d.put.n_old = 0;
	assert_int_equal(apply(w, d).put.result, STORE_PUT_UNCHANGED);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holders"), 1);
}

/* ---- died */

static void
test_a_death_ends_everything(void **state)
{
	struct world *w = *state;
	struct store_case_show show;
	struct store_put p;
	struct store_delta d;

	tell(w);
	held(w, 1, RECEIPT);
	p = row(1, "0103", STORE_SIGNATURE); /* good, since the hold */
	put(w, &p);
	p = row(1, "0104", STORE_SIGNATURE); /* has ended by itself */
	p.cert.not_after = 20250101;
	put(w, &p);
	d = apply(w, news(1, STORE_DELTA_DIED));
	assert_int_equal(d.closed, 1);
	assert_int_equal(d.revoked, 3);
	is_now(w, "0101", STORE_REVOKED, 2, 5, NOON); /* the hold's instant */
	is_now(w, "0102", STORE_REVOKED, 2, 5, NOON);
	is_now(w, "0103", STORE_REVOKED, 1, 5, w->now_us);
	is_now(w, "0104", STORE_GOOD, 0, 0, 0);
	case_of(w, RECEIPT, &show);
	assert_string_equal(show.found.status, "closed");
	assert_string_equal(show.found.outcome, "died");
	assert_string_equal(show.found.entry, "registry");
	assert_string_equal(
	    show.reason, "the holder has died (delta jpki, number 1)");
	assert_int_equal(show.found.acts, 1u << STORE_ACT_REVOKE);
	/* the authority knows, and is compared; nobody writes to the dead */
	assert_int_equal(dispatches(w, STORE_TELL_CA,
			     "what = 2 AND hold IS NULL AND state = 0"),
	    2);
	assert_int_equal(
	    dispatches(w, STORE_TELL_CA, "what = 2 AND hold IS NOT NULL"), 0);
	assert_int_equal(dispatches(w, STORE_TELL_HOLDER, "what <> 0"), 0);
	/* a leaf each: the hold, the case, the one that was good */
	assert_int_equal(world_sql(w, "SELECT count(*) FROM audit"), 3);
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM audit WHERE text ="
			     " '{\"registry\":\"revoked\",\"delta\":"
			     "\"jpki:1\",\"why\":\"died\",\"cert\":"
			     "\"" ISSUER "/0103:1\"}'"),
	    1);
	assert_int_equal(apply(w, news(1, STORE_DELTA_DIED)).put.result,
	    STORE_PUT_UNCHANGED);
}

/* More certificates and cases than are read at once. */
static void
test_a_death_after_a_long_life(void **state)
{
	struct world *w = *state;
	struct store_hold h;
	struct store_put p;
	char serial[8], call[16], receipt[16];
	int64_t holder;
	int i;

	holder = person(w, 1);
	for (i = 0; i < 20; i++) {
		snprintf(call, sizeof(call), "call-%d", i);
		snprintf(receipt, sizeof(receipt), "20000000%02d", i);
		h = hold_request(call, holder, receipt);
		place(w, &h);
		snprintf(serial, sizeof(serial), "cc%02x", i);
		p = row(1, serial, STORE_SIGNATURE);
		put(w, &p);
		assert_int_equal(h.outcome, STORE_HOLD_PLACED);
		world_sql(w, /* dead since, so that there is room */
		    "UPDATE certificates SET not_after = 20200101"
		    " WHERE status = 1");
	}
	for (i = 0; i < 40; i++) {
		snprintf(serial, sizeof(serial), "dd%02x", i);
		p = row(1, serial, STORE_AUTHENTICATION);
		put(w, &p);
	}
	assert_int_equal(apply(w, news(1, STORE_DELTA_DIED)).closed, 20);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM certificates WHERE status = 2"),
	    41);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM cases WHERE status = 'open'"),
	    0);
}

/* ---- reissued */

static void
test_a_pair_is_issued_anew(void **state)
{
	struct world *w = *state;
	struct decide_request late = decision(RECEIPT, "k1", lenient());
	struct store_case_show show;
	struct store_hold again;
	struct store_delta d;

	tell(w);
	held(w, 1, RECEIPT);
	d = apply(w, reissued(1, "0111", STORE_SIGNATURE, "0101"));
	assert_int_equal(d.put.result, STORE_PUT_NEW);
	assert_int_equal(d.revoked, 1);
	assert_int_equal(d.noted, 1);
	is_now(w, "0101", STORE_REVOKED, 2, 4, NOON);
	is_now(w, "0111", STORE_GOOD, 0, 0, 0);
	case_of(w, RECEIPT, &show); /* the other one is still to be decided */
	assert_string_equal(show.found.status, "open");
	assert_true(happened(w, "reissued"));
	/* a clerk who looked before that must look again */
	assert_int_equal(decide(w, &late, POLICY_FOUND).err.code, ERR_CONFLICT);
	d = apply(w, reissued(1, "0112", STORE_AUTHENTICATION, "0102"));
	assert_int_equal(d.closed, 1);
	case_of(w, RECEIPT, &show);
	assert_string_equal(show.found.outcome, "reissued");
	assert_int_equal(dispatches(w, STORE_TELL_HOLDER, "what <> 0"), 0);
	/* the next loss finds the new ones */
	again = hold_request("c2", holder_of(w, 1), "1000000002");
	place(w, &again);
	assert_int_equal(again.outcome, STORE_HOLD_PLACED);
	is_now(w, "0111", STORE_HELD, 1, 6, w->now_us);
	is_now(w, "0112", STORE_HELD, 1, 6, w->now_us);
	is_now(w, "0101", STORE_REVOKED, 2, 4, NOON);
	/* and the news of long ago take nothing of it back */
	d = apply(w, reissued(1, "0111", STORE_SIGNATURE, "0101"));
	assert_int_equal(d.put.result, STORE_PUT_UNCHANGED);
	is_now(w, "0111", STORE_HELD, 1, 6, w->now_us);
}

/* What was decided as lost is revoked already: the new one must be found. */
static void
test_a_revoked_one_can_be_replaced(void **state)
{
	struct world *w = *state;
	struct decide_request r = decision(RECEIPT, "k1", strict());
	struct store_delta d;

	held(w, 1, RECEIPT);
	assert_int_equal(decide(w, &r, POLICY_LOST).err.code, ERR_NONE);
	d = apply(w, reissued(1, "0111", STORE_SIGNATURE, "0101"));
	assert_int_equal(d.put.result, STORE_PUT_NEW);
	assert_int_equal(d.revoked + d.closed + d.noted, 0);
	is_now(w, "0101", STORE_REVOKED, 2, 1, NOON);
	is_now(w, "0111", STORE_GOOD, 0, 0, 0);
}

/* A case about other certificates is left alone. */
static void
test_another_carriers_case_stays(void **state)
{
	struct world *w = *state;
	struct store_put p;
	struct store_delta d;

	held(w, 1, RECEIPT);
	p = row(1, "0103", STORE_SIGNATURE);
	p.cert.carrier = STORE_SMARTPHONE;
	put(w, &p);
	d = reissued(1, "0113", STORE_SIGNATURE, "0103");
	d.put.cert.carrier = STORE_SMARTPHONE;
	d = apply(w, d);
	assert_int_equal(d.revoked, 1);
	assert_int_equal(d.noted + d.closed, 0);
	is_now(w, "0103", STORE_REVOKED, 1, 4, w->now_us);
	is_now(w, "0101", STORE_HELD, 1, 6, NOON);
}

/* ---- expired */

/* Expiry is derived from the dates: a hold ends as history, and never as a
 * lift. */
static void
test_an_expiry_lifts_nothing(void **state)
{
	struct world *w = *state;
	struct store_case_show show;
	struct store_delta d;

	held(w, 1, RECEIPT);
	world_sql(w,
	    "UPDATE certificates SET not_after = 20270101"
	    " WHERE serial = '0101'");
	w->now_us = clock_jst_start_us(20270102);
	d = apply(w, expired(1, "0101"));
	assert_int_equal(d.noted, 1);
	case_of(w, RECEIPT, &show);
	assert_string_equal(show.found.status, "open");
	assert_true(happened(w, "expired"));
	assert_int_equal(
	    apply(w, expired(1, "0101")).put.result, STORE_PUT_UNCHANGED);
	w->now_us = clock_jst_start_us(20290402);
	d = apply(w, expired(1, "0102"));
	assert_int_equal(d.closed, 1);
	case_of(w, RECEIPT, &show);
	assert_string_equal(show.found.outcome, "expired");
	assert_int_equal(show.found.acts, 1u << STORE_ACT_NONE);
	is_now(w, "0101", STORE_HELD, 1, 6, NOON);
	is_now(w, "0102", STORE_HELD, 1, 6, NOON);
	assert_int_equal(
	    apply(w, expired(1, "0102")).put.result, STORE_PUT_UNCHANGED);
}

/* ---- rows that are rejected */

static void
test_rejected_rows_leave_nothing(void **state)
{
	static const struct {
		enum err_code code;
		const char *words;
	} verdicts[] = {
		{ ERR_NOTFOUND, "holder_ref: nobody on record has it" },
		{ ERR_NOTFOUND, "replaces: no certificate" },
		{ ERR_CONFLICT, "replaces: the serial 0201 is another" },
		{ ERR_CONFLICT, "is a signature certificate on a card" },
		{ ERR_CONFLICT, "serial 0202: already on record for another" },
		{ ERR_CONFLICT, "serial 0102: on record as valid from" },
		{ ERR_CONFLICT, "serial 0201: revoked is final" },
		{ ERR_NOTFOUND, "serial: no certificate" },
		{ ERR_CONFLICT, "serial: the serial 0201 is another" },
		{ ERR_CONFLICT, "serial: on record as valid to the end of" },
		{ ERR_CONFLICT, "serial: it is revoked, which is final" },
		{ ERR_NONE, "" },
	};
	enum { N = sizeof(verdicts) / sizeof(verdicts[0]) };
	struct world *w = *state;
	struct store_put p;
	struct store_delta d[N] = {
		news(9, STORE_DELTA_DIED),
		reissued(1, "0111", STORE_SIGNATURE, "0199"),
		reissued(1, "0111", STORE_SIGNATURE, "0201"),
		reissued(1, "0111", STORE_AUTHENTICATION, "0101"),
		reissued(1, "0202", STORE_SIGNATURE, "0101"),
		reissued(1, "0102", STORE_AUTHENTICATION, "0102"),
		reissued(2, "0201", STORE_SIGNATURE, "0203"),
		expired(1, "0199"),
		expired(1, "0201"),
		expired(1, "0102"),
		expired(2, "0201"),
		news(3, STORE_DELTA_DIED),
	};
	struct store_delta_file f;
	size_t i;

	person(w, 1);
	person(w, 2);
	person(w, 3);
	p = row(2, "0203", STORE_SIGNATURE);
	put(w, &p);
	p = row(2, "0201", STORE_SIGNATURE);
	p.cert.status = STORE_REVOKED;
	put(w, &p);
	d[5].put.cert.not_after--;
	begin_first(w, &f);
	apply_at(w, &f, 0, d, N);
	for (i = 0; i < N; i++) {
		assert_int_equal(d[i].put.req.err.code, verdicts[i].code);
		if (verdicts[i].code != ERR_NONE &&
		    strstr(d[i].put.req.err.text, verdicts[i].words) == NULL)
			fail_msg("row %zu: \"%s\" does not say \"%s\"", i,
			    d[i].put.req.err.text, verdicts[i].words);
	}
	assert_int_equal(world_sql(w, "SELECT count(*) FROM certificates"), 7);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM certificates WHERE status = 2"),
	    3);
	is_now(w, "0301", STORE_REVOKED, 1, 5, NOON);
}

/* ---- by chance: no news ever lift */

#define PEOPLE 12
#define ROUNDS 150

static uint64_t state_of_chance;

static unsigned int
chance(unsigned int n)
{
	state_of_chance = state_of_chance * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return (unsigned int)(state_of_chance >> 33) % n;
}

static struct store_delta
any_news(unsigned int *fresh)
{
	uint8_t who = (uint8_t)(1 + chance(PEOPLE + 1));
	enum store_kind kind = (enum store_kind)chance(2);
	char serial[8], old[8];

	snprintf(old, sizeof(old), "%02x%02x", who, kind + 1);
	switch (chance(6)) {
	case 0:
		return news(who, STORE_DELTA_DIED);
	case 1:
		return expired(who, old);
	case 2:
	case 3:
		return moved(who, chance(2) ? ELSEWHERE : "131016",
		    chance(2) ? 20261124 : 20240401);
	default:
		snprintf(serial, sizeof(serial), "e%03x", (*fresh)++);
		return reissued(who, serial, kind, old);
	}
}

/* As one number: what may only grow. */
#define REVOKED "SELECT count(*) FROM certificates WHERE status = 2"
#define NOT_GOOD "SELECT count(*) FROM certificates WHERE status <> 0"
/* a hold that was revoked has its instant; none is of the time of the news */
#define LATER \
	"SELECT count(*) FROM certificates AS c JOIN hold_certs AS t" \
	" ON t.cert = c.id JOIN holds AS h ON h.id = t.hold" \
	" WHERE c.status_us <> h.stored_us"

static void
test_no_news_ever_lift(void **state)
{
	struct world *w = *state;
	struct store_delta d[20];
	struct store_delta_file f;
	int64_t at = 0, revoked = 0, not_good = 0;
	unsigned int fresh = 1, round, i;
	uint8_t who;
	char receipt[16];

	for (who = 1; who <= PEOPLE; who++) {
		snprintf(receipt, sizeof(receipt), "10000000%02u", who);
		if (who % 3 == 0)
			person(w, who);
		else
			held(w, who, receipt);
	}
	begin_first(w, &f);
	for (state_of_chance = 7, round = 0; round < ROUNDS / 20; round++) {
		w->now_us += HOUR;
		for (i = 0; i < 20; i++)
			d[i] = any_news(&fresh);
		apply_at(w, &f, at, d, 20);
		at += 20;
		assert_true(world_sql(w, REVOKED) >= revoked);
		assert_true(world_sql(w, NOT_GOOD) >= not_good);
		revoked = world_sql(w, REVOKED);
		not_good = world_sql(w, NOT_GOOD);
	}
	assert_in_range(revoked, 15, 100);
	assert_int_equal(world_sql(w, LATER), 0);
	/* a case is open exactly while it has something on hold */
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM cases AS k WHERE"
			     " (k.status = 'open') <> EXISTS (SELECT 1"
			     " FROM hold_certs AS t JOIN certificates AS c"
			     " ON c.id = t.cert AND c.generation ="
			     " t.generation WHERE t.hold = k.hold"
			     " AND c.status = 1)"),
	    0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_new_municipality),
		T(test_a_person_moves),
		T(test_a_move_can_end_a_case),
		T(test_a_move_under_a_new_key),
		T(test_a_death_ends_everything),
		T(test_a_death_after_a_long_life),
		T(test_a_pair_is_issued_anew),
		T(test_a_revoked_one_can_be_replaced),
		T(test_another_carriers_case_stays),
		T(test_an_expiry_lifts_nothing),
		T(test_rejected_rows_leave_nothing),
		T(test_no_news_ever_lift),
	};
	return cmocka_run_group_tests_name(
	    "store_delta", tests, WORLD_START, WORLD_STOP);
}
