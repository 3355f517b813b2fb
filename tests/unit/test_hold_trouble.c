/* SPDX-License-Identifier: Apache-2.0 */
#include "hold_world.h"

#include "hold/report.h"
#include "store/call.h"

static struct store_call_open *opened;
static struct store_call_close *closed;
static struct store_call_note *noted;

void
store_call_open(struct store *s, struct store_call_open *r)
{
	store_ask(s, &r->req);
	opened = r;
}

void
store_call_close(struct store *s, struct store_call_close *r)
{
	store_ask(s, &r->req);
	closed = r;
}

void
store_call_note(struct store *s, struct store_call_note *r)
{
	store_ask(s, &r->req);
	noted = r;
}

static void
looked(void *ctx, bool ok, const struct store_cert *certs, size_t n)
{
	struct world *w = ctx;

	(void)certs;
	w->lookeds++;
	w->ok = ok;
	w->n_certs = n;
}

static void
test_a_look_gives_the_certificates(void **state)
{
	struct world *w = *state;
	struct store_cert_list *r;

	assert_non_null(hold_look(w->hold, 5, looked, w));
	assert_int_equal(w->lookeds, 0);
	r = oldest(w);
	assert_int_equal(r->holder, 5);
	r->n = 3;
	give_back(w, ERR_NONE);
	assert_int_equal(w->lookeds, 1);
	assert_true(w->ok);
	assert_int_equal(w->n_certs, 3);
}

static void
test_a_look_can_fail_or_be_cancelled(void **state)
{
	struct world *w = *state;

	hold_look(w->hold, 5, looked, w);
	give_back(w, ERR_STORE);
	assert_int_equal(w->lookeds, 1);
	assert_false(w->ok);
	hold_cancel(hold_look(w->hold, 5, looked, w));
	give_back(w, ERR_NONE);
	assert_int_equal(w->lookeds, 1);
}

static void
test_a_refused_hold_is_not_tried_again(void **state)
{
	static const enum err_code codes[] = { ERR_STORE, ERR_CONFLICT,
		ERR_NOTFOUND, ERR_NOMEM };
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		w->dones = 0;
		ask_for(w, "call", 3);
		give_back(w, codes[i]);
		assert_int_equal(w->dones, 1);
		assert_int_equal(w->answer.result, HOLD_FAILED);
		assert_string_equal(w->answer.receipt, "");
		pass(w, 60000 * MS);
		assert_int_equal(w->store.n, 0);
	}
	assert_int_equal(w->commits, 0);
}

/* "It may have been written": the same request tells. */
static void
test_an_unknown_commit_is_asked_again(void **state)
{
	struct world *w = *state;
	struct store_hold before, *r;

	ask_for(w, "call", 3);
	before = *(struct store_hold *)oldest(w);
	give_back(w, ERR_UNSURE);
	assert_int_equal(w->dones, 0);
	assert_int_equal(w->store.n, 0);
	pass(w, 10000 * MS);
	assert_int_equal(w->store.n, 1);
	r = oldest(w);
	assert_string_equal(r->call_id, before.call_id);
	assert_int_equal(r->holder, before.holder);
	assert_int_equal(r->reported_us, before.reported_us);
	assert_memory_equal(r->receipts, before.receipts, sizeof(r->receipts));
	assert_int_equal(r->req.err.code, ERR_NONE);
	r->again = true;
	commit(w, STORE_HOLD_PLACED, WALL + 3);
	assert_int_equal(w->dones, 1);
	assert_int_equal(w->answer.result, HOLD_VISIBLE);
	assert_int_equal(w->answer.visible_us, WALL + 3);
}

static void
test_a_commit_that_stays_unknown_fails_in_the_end(void **state)
{
	struct world *w = *state;
	int n = 0;

	ask_for(w, "call", 3);
	for (; w->store.n > 0; n++) {
		assert_int_equal(w->dones, 0);
		assert_true(n < 100);
		give_back(w, ERR_UNSURE);
		pass(w, 1000 * MS);
	}
	assert_true(n > 1);
	assert_int_equal(w->dones, 1);
	assert_int_equal(w->answer.result, HOLD_FAILED);
}

/* A second opinion that says "refused" is an answer. */
static void
test_an_unknown_commit_may_turn_out_refused(void **state)
{
	struct world *w = *state;

	ask_for(w, "call", 3);
	give_back(w, ERR_UNSURE);
	pass(w, 1000 * MS);
	give_back(w, ERR_STORE);
	assert_int_equal(w->dones, 1);
	assert_int_equal(w->answer.result, HOLD_FAILED);
}

static void
test_a_cancelled_hold_happens_in_silence(void **state)
{
	struct world *w = *state;
	struct hold_job *job;

	hold_cancel(ask_for(w, "before-the-commit", 3));
	commit(w, STORE_HOLD_PLACED, 0);
	assert_int_equal(w->commits, 1);
	hold_visible(w->hold, 77, WALL + 2);

	job = ask_for(w, "while-it-waits", 3);
	commit(w, STORE_HOLD_PLACED, 0);
	hold_cancel(job);
	pass_unseen(w, 3000 * MS);
	assert_int_equal(w->commits, 2);

	job = ask_for(w, "while-nobody-knows", 3);
	give_back(w, ERR_UNSURE);
	hold_cancel(job);
	pass(w, 1000 * MS);
	assert_int_equal(w->store.n, 1); /* it is made sure of all the same */
	commit(w, STORE_HOLD_PLACED, WALL + 1);
	assert_int_equal(w->dones, 0);
}

/* Nothing is left behind, and no timer fires into a room that is gone. */
static void
test_freeing_the_room_drops_what_waits(void **state)
{
	struct world *w = *state;

	ask_for(w, "visible", 3);
	ask_for(w, "visible-too", 3);
	ask_for(w, "unknown", 3);
	commit(w, STORE_HOLD_PLACED, 0);
	commit(w, STORE_HOLD_PLACED, 0);
	give_back(w, ERR_UNSURE);
	hold_free(w->hold);
	w->hold = NULL;
	pass(w, 60000 * MS);
	assert_int_equal(w->store.n, 0);
	assert_int_equal(w->dones, 0);
	hold_free(NULL);
}

/* A cut id would be another call's. */
static void
test_a_call_id_that_is_too_long_is_refused(void **state)
{
	struct world *w = *state;
	char id[STORE_CALL_ID_MAX + 2];

	memset(id, 'x', sizeof(id));
	id[STORE_CALL_ID_MAX + 1] = '\0';
	assert_null(ask_for(w, id, 3));
	assert_int_equal(w->store.n, 0);
	id[STORE_CALL_ID_MAX] = '\0';
	assert_non_null(ask_for(w, id, 3));
	give_back(w, ERR_STORE);
}

/* ---- reports */

static const uint8_t bind[REPORT_BIND_SIZE] = { 1, 2, 3 };

struct told {
	int n;
	bool ok;
	int64_t reported_us;
	struct report_known known;
};

static void
reported(void *ctx, bool ok, const struct report_known *known)
{
	struct told *t = ctx;

	t->n++;
	t->ok = ok;
	t->reported_us = known->reported_us;
	t->known = *known;
}

static void
test_a_report_is_stored_before_it_is_told(void **state)
{
	struct world *w = *state;
	char id[8] = "call-1", dnis[8] = "0120", lang[4] = "ja";
	struct told t = { 0 };

	assert_non_null(
	    report_open(&w->store, id, dnis, lang, bind, 123, reported, &t));
	memset(id, 'x', sizeof(id));
	memset(dnis, 'x', sizeof(dnis));
	memset(lang, 'x', sizeof(lang));
	assert_string_equal(opened->call_id, "call-1");
	assert_string_equal(opened->dnis, "0120");
	assert_string_equal(opened->lang, "ja");
	assert_int_equal(opened->begun_us, 123);
	assert_int_equal(t.n, 0);
	opened->reported_us = 100; /* another server was first */
	give_back(w, ERR_NONE);
	assert_int_equal(t.n, 1);
	assert_true(t.ok);
	assert_int_equal(t.reported_us, 100);
}

/* What a call had come to elsewhere is passed on only when it goes on. */
static void
test_what_a_call_had_come_to(void **state)
{
	struct world *w = *state;
	struct report_known k = {
		.holder = 9, .verified_us = 5, .carriers = 2, .confirmed = true
	};
	struct told t = { 0 };
	int again;

	for (again = 0; again < 2; again++) {
		report_open(&w->store, "call", "", "en", bind, 1, reported, &t);
		assert_memory_equal(opened->bind, bind, sizeof(bind));
		opened->goes_on = again;
		opened->holder = 7;
		opened->carriers = 1;
		opened->confirmed = opened->held = true;
		memcpy(opened->first_lang, "ja", 3);
		give_back(w, ERR_NONE);
		assert_int_equal(t.known.goes_on, again);
		assert_int_equal(t.known.holder, again ? 7 : 0);
		assert_int_equal(t.known.carriers, again);
		assert_int_equal(t.known.confirmed, again);
		assert_int_equal(t.known.held, again);
	}
	assert_string_equal(t.known.lang, "ja");
	report_note(&w->store, "call", &k);
	assert_string_equal(noted->call_id, "call");
	assert_int_equal(noted->holder, 9);
	assert_int_equal(noted->verified_us, 5);
	assert_int_equal(noted->carriers, 2);
	assert_true(noted->confirmed);
	give_back(w, ERR_STORE);
}

static void
test_a_report_can_fail_or_be_cancelled(void **state)
{
	struct world *w = *state;
	struct told t = { 0 };

	report_open(&w->store, "call", "", "ja", bind, 1, reported, &t);
	give_back(w, ERR_STORE);
	assert_int_equal(t.n, 1);
	assert_false(t.ok);
	report_cancel(
	    report_open(&w->store, "call", "", "ja", bind, 1, reported, &t));
	give_back(w, ERR_NONE);
	assert_int_equal(t.n, 1);
}

static void
test_an_end_is_stored_or_logged(void **state)
{
	struct world *w = *state;

	report_close(&w->store, "call-1", "held", true, 456);
	assert_string_equal(closed->call_id, "call-1");
	assert_string_equal(closed->outcome, "held");
	assert_int_equal(closed->ended_us, 456);
	give_back(w, ERR_NONE);
	report_close(&w->store, "call-1", "held", true, 456);
	give_back(w, ERR_STORE);
}

/* Reports and ends of a call whose id is too long name no other call. */
static void
test_a_report_never_names_another_call(void **state)
{
	struct world *w = *state;
	char id[STORE_CALL_ID_MAX + 2];
	struct told t = { 0 };

	memset(id, 'x', sizeof(id));
	id[STORE_CALL_ID_MAX + 1] = '\0';
	assert_null(
	    report_open(&w->store, id, "", "ja", bind, 1, reported, &t));
	report_close(&w->store, id, "person", true, 2);
	assert_int_equal(w->store.n, 0);
	assert_int_equal(t.n, 0);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_look_gives_the_certificates),
		TEST(test_a_look_can_fail_or_be_cancelled),
		TEST(test_a_refused_hold_is_not_tried_again),
		TEST(test_an_unknown_commit_is_asked_again),
		TEST(test_a_commit_that_stays_unknown_fails_in_the_end),
		TEST(test_an_unknown_commit_may_turn_out_refused),
		TEST(test_a_cancelled_hold_happens_in_silence),
		TEST(test_freeing_the_room_drops_what_waits),
		TEST(test_a_call_id_that_is_too_long_is_refused),
		TEST(test_a_report_is_stored_before_it_is_told),
		TEST(test_what_a_call_had_come_to),
		TEST(test_a_report_can_fail_or_be_cancelled),
		TEST(test_an_end_is_stored_or_logged),
		TEST(test_a_report_never_names_another_call),
	};
	return cmocka_run_group_tests_name("hold, trouble", tests, NULL, NULL);
}
