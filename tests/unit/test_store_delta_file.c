/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the registry's news: in their order, each once, from where they
 * were stopped. */
#include "delta_world.h"

static void
end_of(struct world *w, const struct store_delta_file *f)
{
	struct store_delta_end r = { .file = f };

	store_delta_end(w->store, &r);
	must(w->store, &r.req);
}

/* Beginning it works. */
static struct store_delta_begin
begun(struct world *w, struct store_delta_file f, bool first)
{
	struct store_delta_begin r = begin(w->store, f, first);

	if (r.req.err.code != ERR_NONE)
		fail_msg("%s", r.req.err.text);
	return r;
}

static void
refused(
    struct world *w, struct store_delta_file f, bool first, const char *words)
{
	struct store_delta_begin r = begin(w->store, f, first);

	assert_int_equal(r.req.err.code, ERR_REFUSED);
	if (strstr(r.req.err.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", r.req.err.text, words);
}

static void
test_files_come_in_their_order(void **state)
{
	struct world *w = *state;
	struct store_delta_file a = file_of(41, 1), b = file_of(42, 2);

	refused(w, a, false, "knows no feed jpki; if it begins with this file");
	assert_int_equal(begun(w, a, true).done_us, 0);
	refused(w, b, false, "number 41 of the feed jpki has not reached");
	refused(w, b, true, "has not reached its end");
	end_of(w, &a);
	assert_int_equal(begun(w, a, false).done_us, NOON); /* nothing to do */
	refused(w, file_of(43, 3), false, "is at number 41 and this is 43");
	refused(w, file_of(43, 3), false, "apply 42 first");
	refused(w, file_of(40, 9), true, "older than the last one, 41");
	begun(w, b, false);
	refused(w, file_of(42, 9), false, "was begun with another content");
	end_of(w, &b);
	refused(w, file_of(42, 9), true, "applied already, with another");
	assert_int_equal(begun(w, a, false).done_us, NOON); /* still */
	refused(w, file_of(41, 9), false, "applied already, with another");
	begun(w, file_of(50, 5), true); /* an import has filled the gap */
	strcpy(a.name, "other");
	refused(w, a, false, "the last one was jpki");
	begun(w, a, true); /* a feed has numbers of its own */
}

/* Under a new key a file has another MAC, and is known by the older one. */
static void
test_a_file_is_known_under_an_older_key(void **state)
{
	struct world *w = *state;
	struct store_delta_file f = file_of(1, 1);

	begun(w, f, true);
	end_of(w, &f);
	f.n_digests = 2;
	memcpy(f.digests[1], f.digests[0], STORE_MAC_SIZE);
	memset(f.digests[0], 0x99, STORE_MAC_SIZE);
	assert_int_not_equal(begun(w, f, false).done_us, 0);
}

/* ---- pages */

static void
test_a_page_needs_its_file(void **state)
{
	struct world *w = *state;
	struct store_delta_file f = file_of(1, 1), other = file_of(1, 2);
	struct store_delta_page r = { .file = &f, .ends = ending_of };

	store_delta_page(w->store, &r);
	assert_int_equal(store_wait(w->store, &r.req), -1);
	assert_int_equal(r.req.err.code, ERR_CONFLICT);
	begun(w, f, true);
	store_delta_page(w->store, &r); /* an empty one */
	must(w->store, &r.req);
	r.file = &other;
	store_delta_page(w->store, &r);
	assert_int_equal(store_wait(w->store, &r.req), -1);
	assert_int_equal(r.req.err.code, ERR_CONFLICT);
}

static void
test_it_goes_on_at_the_mark(void **state)
{
	struct world *w = *state;
	struct store_import_mark mark = {
		.taken = 500, .line = 9, .rejects = 77
	};
	struct store_delta_file f = file_of(1, 1);
	struct store_delta_page r = { .file = &f, .ends = ending_of };
	struct store_delta_begin b = begun(w, f, true);

	assert_int_equal(b.taken, 0);
	r.mark = &mark;
	store_delta_page(w->store, &r);
	must(w->store, &r.req);
	b = begun(w, f, false);
	assert_int_equal(b.taken, 500);
	assert_int_equal(b.line, 9);
	assert_int_equal(b.rejects, 77);
	assert_int_equal(b.done_us, 0);
	r.mark = NULL; /* stays where it was */
	store_delta_page(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(begun(w, f, false).taken, 500);
}

/* Somebody moves away and back in one page, which is handed in again because
 * nobody knows whether it was committed: once is enough, and the rejected row
 * is found again. */
static void
test_a_row_takes_effect_once(void **state)
{
	struct world *w = *state;
	struct store_delta_file f;
	struct store_delta rows[4] = { moved(1, ELSEWHERE, 20261124),
		moved(1, "131016", 20261124), news(9, STORE_DELTA_DIED),
		news(2, STORE_DELTA_DIED) };
	struct store_hold h = hold_request("c1", person(w, 1), "1000000001");
	int i;

	person(w, 2);
	place(w, &h);
	begin_first(w, &f);
	for (i = 0; i < 3; i++) {
		apply_at(w, &f, 10, rows, i < 2 ? 3 : 4);
		assert_int_equal(rows[0].moved, i == 0);
		assert_int_equal(rows[0].put.result,
		    i == 0 ? STORE_PUT_CHANGED : STORE_PUT_UNCHANGED);
		assert_int_equal(rows[2].put.req.err.code, ERR_NOTFOUND);
		assert_int_equal(
		    world_sql(w, "SELECT count(*) FROM case_events"), 3);
	}
	assert_int_equal(rows[3].revoked, 2); /* it was not there before */
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM cases"
			     " WHERE municipality = '131016'"),
	    1);
}

static void
test_feeds_are_listed(void **state)
{
	struct world *w = *state;
	struct store_delta_file a = file_of(7, 1), b = file_of(8, 2);
	struct store_delta_list r = { .n = 9 };

	store_delta_list(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(r.n, 0);
	begun(w, a, true);
	end_of(w, &a);
	w->now_us++;
	begun(w, b, false);
	strcpy(a.name, "another");
	begun(w, a, true);
	store_delta_list(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.feeds[0].name, "another");
	assert_string_equal(r.feeds[1].name, FEED);
	assert_int_equal(r.feeds[1].seq, 8);
	assert_int_equal(r.feeds[1].begun_us, NOON + 1);
	assert_int_equal(r.feeds[1].done_us, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_files_come_in_their_order),
		T(test_a_file_is_known_under_an_older_key),
		T(test_a_page_needs_its_file),
		T(test_it_goes_on_at_the_mark),
		T(test_a_row_takes_effect_once),
		T(test_feeds_are_listed),
	};
	return cmocka_run_group_tests_name(
	    "store_delta_file", tests, WORLD_START, WORLD_STOP);
}
