/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A first load is its rows one by one: random rows go into one store by a first
 * load and into another alone, and both must be alike.  Stops, files that
 * change, and others who write meanwhile.
 */
#include "store_world.h"

#include "base/err.h"
#include "store/first_load.h"
#include "store/lease.h"

#define ROWS 300
#define SEEDS 6

static const uint8_t file[STORE_MAC_SIZE] = { 7 },
		     other[STORE_MAC_SIZE] = { 8 };

static uint64_t state_of_chance;
static int64_t run; /* that begin() began last */

static unsigned int
chance(unsigned int n)
{
	state_of_chance = state_of_chance * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return (unsigned int)(state_of_chance >> 33) % n;
}

/* ---- steps */

static struct store_first_begin
begin(struct store *s, const uint8_t key[STORE_MAC_SIZE], bool from_start,
    int64_t taken)
{
	struct store_first_begin r = { .from_start = from_start,
		.taken = taken };

	memcpy(r.key, key, sizeof(r.key));
	store_first_begin(s, &r);
	if (store_wait(s, &r.req) == 0)
		run = r.run;
	return r;
}

static void
begins(struct store *s, const uint8_t key[STORE_MAC_SIZE],
    enum store_first_stage stage)
{
	struct store_first_begin r = begin(s, key, false, 0);

	if (r.req.err.code != ERR_NONE)
		fail_msg("%s", r.req.err.text);
	assert_int_equal(r.stage, stage);
}

/* Rows from..to-1 as one page; a row's number is its place in the file. */
static void
load(struct store *s, struct store_put *rows, size_t from, size_t to)
{
	struct store_put *page[ROWS];
	struct store_import_mark mark = { .taken = (int64_t)from };
	struct store_first_page r = { .run = run,
		.n = to - from,
		.rows = page,
		.start = from,
		.line = from + 2,
		.mark = &mark };
	size_t i;

	memcpy(mark.key, file, sizeof(mark.key));
	for (i = from; i < to; i++)
		page[i - from] = &rows[i];
	store_first_page(s, &r);
	must(s, &r.req);
}

static void
make_keys(struct store *s)
{
	struct store_import_mark all = { .taken = 99 };
	struct store_first_key r;
	unsigned int nr;

	memcpy(all.key, file, sizeof(all.key));
	for (nr = 0; nr < STORE_FIRST_KEYS; nr++) {
		r = (struct store_first_key){
			.run = run, .nr = nr, .mark = &all
		};
		store_first_key(s, &r);
		if (store_wait(s, &r.req) == 0)
			continue;
		assert_int_equal(r.req.err.code, ERR_STORE);
		r.sift = true;
		store_first_key(s, &r);
		must(s, &r.req);
	}
}

static void
swap(struct store *s)
{
	struct store_first_swap r;

	memset(&r, 0, sizeof(r));
	r.run = run;
	store_first_swap(s, &r);
	must(s, &r.req);
}

/* Those rows that are to be read again; how many. */
static size_t
read_again(struct store *s, struct store_put *rows, size_t n)
{
	struct store_first_next next = { .run = run };
	size_t i, fed = 0;

	for (;;) {
		store_first_next(s, &next);
		must(s, &next.req);
		if (!next.found)
			return fed;
		assert_int_equal(next.line, next.start + 2);
		for (i = next.start; i < n && i < next.end; i++) {
			if (!next.all && rows[i].cert.status == STORE_GOOD)
				continue;
			store_put(s, &rows[i]);
			store_wait(s, &rows[i].req);
			fed++;
		}
		next.start++;
	}
}

static int64_t
done(struct store *s)
{
	struct store_first_done r;

	memset(&r, 0, sizeof(r));
	r.run = run;
	store_first_done(s, &r);
	must(s, &r.req);
	return r.twice;
}

/* ---- a whole file */

static unsigned int people, odds;

/* Mostly a registry: a holder's rows stand together.  Now and then the holder
 * comes again later, says something else, or a serial is another's. */
static void
random_rows(struct store_put *rows, size_t n)
{
	uint8_t who = 1, next = 1;
	unsigned int serial = 0, used;
	char text[8];
	size_t i;

	for (i = 0; i < n; i++) {
		if (chance(5) < 2)
			who = next < people ? ++next
					    : (uint8_t)(1 + chance(people));
		if (chance(odds) == 0)
			who = (uint8_t)(1 + chance(people));
		used = chance(odds) == 0 ? chance(serial + 1) : serial++;
		snprintf(text, sizeof(text), "%04x", used);
		rows[i] = row(who, text,
		    used % 2 ? STORE_SIGNATURE : STORE_AUTHENTICATION);
		rows[i].tag[5] = (uint8_t)(chance(odds) == 0);
		rows[i].n_phones = chance(odds) == 0 ? 2 : 1;
		memset(rows[i].phones, who, sizeof(rows[i].phones));
		rows[i].has_pin = who % 2;
		memset(rows[i].pin, who, STORE_MAC_SIZE);
		rows[i].contact_len = who % 3 * 40U;
		memset(rows[i].contact, who, rows[i].contact_len);
		if (chance(odds) == 0)
			rows[i].cert.status =
			    chance(2) ? STORE_REVOKED : STORE_HELD;
		rows[i].cert.status_us = chance(2) ? NOON - 5 : 0;
		if (chance(2 * odds) == 0)
			rows[i].cert.not_after++;
	}
}

static int
by_serial(const void *a, const void *b)
{
	return strcmp(((const struct store_cert *)a)->serial,
	    ((const struct store_cert *)b)->serial);
}

static struct store_cert_list
certs_of(struct store *s, int64_t holder)
{
	struct store_cert_list r = { .holder = holder };

	store_cert_list(s, &r);
	must(s, &r.req);
	qsort(r.certs, r.n, sizeof(r.certs[0]), by_serial);
	return r;
}

static void
same_certificates(struct store *a, int64_t x, struct store *b, int64_t y)
{
	struct store_cert_list p = certs_of(a, x), q = certs_of(b, y);
	size_t i;

	assert_int_equal(p.n, q.n);
	for (i = 0; i < p.n; i++) {
		p.certs[i].id = q.certs[i].id;
		p.certs[i].holder = q.certs[i].holder;
		assert_string_equal(p.certs[i].serial, q.certs[i].serial);
		assert_int_equal(p.certs[i].status, q.certs[i].status);
		assert_int_equal(p.certs[i].generation, q.certs[i].generation);
		assert_int_equal(p.certs[i].reason, q.certs[i].reason);
		assert_int_equal(p.certs[i].status_us, q.certs[i].status_us);
		assert_int_equal(p.certs[i].not_after, q.certs[i].not_after);
		assert_int_equal(p.certs[i].kind, q.certs[i].kind);
	}
}

/* Everybody, whatever numbers they have got. */
static void
same_people(struct store *a, struct store *b)
{
	struct store_lookup x, y;
	unsigned int i;

	for (i = 2; i < 2 * (people + 1); i++) {
		x = (struct store_lookup){ .n_tags = 1 };
		memset(x.tags[0], 0x80 | (int)(i / 2), STORE_MAC_SIZE);
		x.tags[0][5] = (uint8_t)(i % 2);
		y = x;
		store_lookup(a, &x);
		must(a, &x.req);
		store_lookup(b, &y);
		must(b, &y.req);
		assert_int_equal(x.n, y.n);
		if (x.n == 0)
			continue;
		assert_int_equal(x.n, 1);
		assert_int_equal(
		    x.candidates[0].n_phones, y.candidates[0].n_phones);
		assert_int_equal(
		    x.candidates[0].has_pin, y.candidates[0].has_pin);
		assert_memory_equal(x.candidates[0].phones,
		    y.candidates[0].phones,
		    x.candidates[0].n_phones * STORE_MAC_SIZE);
		same_certificates(
		    a, x.candidates[0].holder, b, y.candidates[0].holder);
	}
}

/* The same changes in the same order, each with its leaf. */
static void
same_history(struct store *a, struct store *b)
{
	struct store_audit_verify x = { 0 }, y = { 0 };

	store_audit_verify(a, &x);
	must(a, &x.req);
	store_audit_verify(b, &y);
	must(b, &y.req);
	assert_int_equal(x.leaves, y.leaves);
	assert_int_equal(x.n, y.n);
	assert_memory_equal(x.last, y.last, sizeof(x.last[0]) * x.n);
}

static struct world *
new_world(void)
{
	struct world *w = world_folder();

	w->store = world_open_store(w, 0);
	return w;
}

static void
end_world(struct world *w)
{
	world_teardown((void **)&w);
}

/* The rows one by one. */
static void
put_all(struct store *s, struct store_put *rows)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		store_put(s, &rows[i]);
		store_wait(s, &rows[i].req);
	}
}

/* Pages of any size; now and then it stops, loses the pages since a mark, and
 * goes on there, or hands one in twice. */
static void
load_all(struct store *s, struct store_put *rows)
{
	size_t at, to, stopped = 0;
	struct store_first_begin r;

	begins(s, file, STORE_FIRST_ROWS);
	for (at = 0; at < ROWS; at = to) {
		to = at + 1 + chance(40);
		to = to < ROWS ? to : ROWS;
		load(s, rows, at, to);
		if (chance(6) == 0)
			load(s, rows, at, to); /* its commit was not known */
		if (at > 0 && ++stopped % 5 == 0) {
			r = begin(s, file, false, (int64_t)at);
			assert_int_equal(r.req.err.code, ERR_NONE);
			assert_int_equal(r.stage, STORE_FIRST_ROWS);
			to = at;
		}
	}
}

/* ---- tests */

static void
first_load_is_its_rows(uint64_t seed)
{
	struct world *a = new_world(), *b = new_world();
	struct store_put *x = calloc(2 * ROWS, sizeof(*x)), *y = x + ROWS;
	size_t i, again;
	int64_t twice;

	people = 120;
	odds = seed % 2 ? 12 : 1000000;
	state_of_chance = seed;
	random_rows(x, ROWS);
	memcpy(y, x, ROWS * sizeof(*x));
	put_all(b->store, y);
	load_all(a->store, x);
	make_keys(a->store);
	swap(a->store);
	again = read_again(a->store, x, ROWS);
	twice = done(a->store);
	for (i = 0; i < ROWS; i++)
		assert_int_equal(x[i].req.err.code, y[i].req.err.code);
	same_people(a->store, b->store);
	same_history(a->store, b->store);
	if (odds == 12) {
		assert_in_range(again, ROWS / 10, ROWS);
		assert_in_range(twice, 3, ROWS - 60);
	}
	free(x);
	end_world(a);
	end_world(b);
}

static void
test_a_first_load_is_its_rows(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= SEEDS; seed++)
		first_load_is_its_rows(seed);
}

/* A pair of each of `n` people, from serial 0. */
static void
pairs(struct store_put *rows, uint8_t n)
{
	char text[8];
	uint8_t i;

	for (i = 0; i < 2 * n; i++) {
		snprintf(text, sizeof(text), "%02x%02x", i / 2 + 1, i % 2 + 1);
		rows[i] = row((uint8_t)(i / 2 + 1), text,
		    i % 2 ? STORE_AUTHENTICATION : STORE_SIGNATURE);
	}
}

/* What a call and the registry's next rows do then is as ever. */
static void
test_life_goes_on_after_it(void **state)
{
	struct world *w = *state;
	struct store_put rows[20], more;
	struct store_hold h;

	pairs(rows, 10);
	begins(w->store, file, STORE_FIRST_ROWS);
	load(w->store, rows, 0, 20);
	make_keys(w->store);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holders"), 0);
	swap(w->store);
	assert_int_equal(read_again(w->store, rows, 20), 0);
	assert_int_equal(done(w->store), 0);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM imports"), 0);
	h = hold_request("c1", holder_of(w, 3), "1000000001");
	place(w, &h);
	assert_int_equal(h.outcome, STORE_HOLD_PLACED);
	assert_int_equal(h.n, 2);
	more = row(3, "0303", STORE_SIGNATURE); /* a new one of theirs */
	put(w, &more);
	assert_int_equal(more.result, STORE_PUT_NEW);
	more = row(99, "6301", STORE_SIGNATURE); /* somebody new */
	put(w, &more);
	assert_int_equal(more.result, STORE_PUT_NEW);
	more = row(98, "0301", STORE_SIGNATURE); /* not theirs */
	store_put(w->store, &more);
	assert_int_equal(store_wait(w->store, &more.req), -1);
	assert_int_equal(more.req.err.code, ERR_CONFLICT);
	assert_int_equal(world_sql(w, "SELECT max(id) FROM holders"), 11);
	assert_int_equal(world_sql(w, "SELECT max(id) FROM certificates"), 22);
}

/* Who was connected before finds what is there afterwards. */
static void
test_others_see_it(void **state)
{
	struct world *w = *state;
	struct store *reader = world_open_store(w, 0);
	struct store_lookup r = { .n_tags = 1 };
	struct store_put rows[4];

	memset(r.tags[0], 0x82, STORE_MAC_SIZE);
	store_lookup(reader, &r);
	must(reader, &r.req);
	assert_int_equal(r.n, 0);
	pairs(rows, 2);
	begins(w->store, file, STORE_FIRST_ROWS);
	load(w->store, rows, 0, 4);
	store_lookup(reader, &r);
	must(reader, &r.req);
	assert_int_equal(r.n, 0);
	make_keys(w->store);
	swap(w->store);
	store_lookup(reader, &r);
	must(reader, &r.req);
	assert_int_equal(r.n, 1);
	store_close(reader);
}

static void
test_it_is_for_an_empty_registry(void **state)
{
	struct world *w = *state;
	struct store_first_begin r;

	person(w, 1);
	r = begin(w->store, file, false, 0);
	assert_int_equal(r.req.err.code, ERR_REFUSED);
	r = begin(w->store, file, true, 0);
	assert_int_equal(r.req.err.code, ERR_REFUSED);
	assert_non_null(strstr(r.req.err.text, "import without it"));
	person(w, 2); /* nothing was begun */
}

static void
test_nobody_else_fills_it_meanwhile(void **state)
{
	struct world *w = *state;
	struct store_put rows[4], one = row(9, "0901", STORE_SIGNATURE);

	pairs(rows, 2);
	begins(w->store, file, STORE_FIRST_ROWS);
	load(w->store, rows, 0, 4);
	store_put(w->store, &one);
	assert_int_equal(store_wait(w->store, &one.req), -1);
	assert_int_equal(one.req.err.code, ERR_REFUSED);
	make_keys(w->store);
	store_put(w->store, &one);
	assert_int_equal(store_wait(w->store, &one.req), -1);
	assert_int_equal(one.req.err.code, ERR_REFUSED);
	swap(w->store);
	put(w, &one); /* from then on it is a registry as any other */
}

static void
test_another_file(void **state)
{
	struct world *w = *state;
	struct store_first_begin r;
	struct store_put rows[4];

	pairs(rows, 2);
	begins(w->store, file, STORE_FIRST_ROWS);
	load(w->store, rows, 0, 4);
	r = begin(w->store, other, false, 0);
	assert_int_equal(r.req.err.code, ERR_REFUSED);
	assert_non_null(strstr(r.req.err.text, "--from-start"));
	make_keys(w->store);
	r = begin(w->store, other, true, 0);
	assert_int_equal(r.req.err.code, ERR_NONE);
	assert_int_equal(r.stage, STORE_FIRST_ROWS);
	load(w->store, rows, 0, 2);
	make_keys(w->store);
	swap(w->store);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM certificates"), 2);
}

/* Wherever it is stopped, it goes on from there. */
static void
test_it_goes_on_at_each_stage(void **state)
{
	struct world *w = *state;
	struct store_first_begin r;
	struct store_put rows[8];

	pairs(rows, 4);
	rows[5] = rows[0]; /* the first one again, so that there is work left */
	rows[7].cert.status = STORE_REVOKED;
	begins(w->store, file, STORE_FIRST_ROWS);
	load(w->store, rows, 0, 4);
	load(w->store, rows, 4, 8);
	r = begin(w->store, file, false, 4);
	assert_int_equal(r.stage, STORE_FIRST_ROWS);
	load(w->store, rows, 4, 8);
	make_keys(w->store);
	r = begin(w->store, file, false, 4);
	assert_int_equal(r.stage, STORE_FIRST_INDEX);
	make_keys(w->store);
	swap(w->store);
	r = begin(w->store, file, false, 4);
	assert_int_equal(r.stage, STORE_FIRST_AGAIN);
	assert_int_equal(read_again(w->store, rows, 8), 4);
	assert_int_equal(rows[5].result, STORE_PUT_UNCHANGED);
	assert_int_equal(rows[7].result, STORE_PUT_CHANGED);
	assert_int_equal(world_sql(w, "SELECT max(taken) FROM imports"), 99);
	assert_int_equal(done(w->store), 1);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM certificates"), 7);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM certificates WHERE status = 2"),
	    1);
	r = begin(w->store, file, false, 4);
	assert_int_equal(r.req.err.code, ERR_REFUSED); /* it is over */
}

/* Rows that are read again must be those that were taken in. */
static void
test_a_file_that_was_changed(void **state)
{
	struct world *w = *state;
	struct store_first_begin r;
	struct store_put rows[4];

	pairs(rows, 2);
	begins(w->store, file, STORE_FIRST_ROWS);
	load(w->store, rows, 0, 4);
	make_keys(w->store);
	r = begin(w->store, file, false, 0); /* its mark does not fit it */
	assert_int_equal(r.req.err.code, ERR_REFUSED);
	assert_non_null(strstr(r.req.err.text, "--from-start"));
	swap(w->store);
	r = begin(w->store, file, true, 0);
	assert_int_equal(r.req.err.code, ERR_REFUSED);
	assert_non_null(strstr(r.req.err.text, "without --first"));
	put(w, &rows[0]); /* which works */
	r = begin(w->store, file, false, 99);
	assert_int_equal(r.req.err.code, ERR_NONE);
	done(w->store);
}

/* Who begins takes over; the other one is told so, whatever it asks. */
static void
test_one_process_at_a_time(void **state)
{
	struct world *w = *state;
	struct store_put rows[4], *page[2] = { &rows[2], &rows[3] };
	struct store_first_page late = { .n = 2, .rows = page, .start = 2 };
	struct store_first_key key = { .nr = 0 };
	struct store_first_next next = { .start = 0 };
	struct store_first_swap early;
	struct store_first_done over;

	pairs(rows, 2);
	begins(w->store, file, STORE_FIRST_ROWS);
	load(w->store, rows, 0, 2);
	late.run = key.run = next.run = run;
	begin(w->store, file, false, 2); /* another one */
	store_first_page(w->store, &late);
	assert_int_equal(store_wait(w->store, &late.req), -1);
	assert_int_equal(late.req.err.code, ERR_CONFLICT);
	load(w->store, rows, 2, 4);
	store_first_key(w->store, &key);
	assert_int_equal(store_wait(w->store, &key.req), -1);
	assert_int_equal(key.req.err.code, ERR_CONFLICT);
	make_keys(w->store);
	memset(&early, 0, sizeof(early));
	early.run = late.run;
	store_first_swap(w->store, &early);
	assert_int_equal(store_wait(w->store, &early.req), -1);
	assert_int_equal(early.req.err.code, ERR_CONFLICT);
	swap(w->store);
	store_first_next(w->store, &next);
	assert_int_equal(store_wait(w->store, &next.req), -1);
	assert_int_equal(next.req.err.code, ERR_CONFLICT);
	done(w->store);
	memset(&over, 0, sizeof(over));
	over.run = run;
	store_first_done(w->store, &over);
	assert_int_equal(store_wait(w->store, &over.req), -1);
	assert_int_equal(over.req.err.code, ERR_CONFLICT);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM certificates"), 4);
}

static bool
has_mark(struct world *w)
{
	return world_sql(w, "SELECT count(*) FROM imports") > 0;
}

/* A mark of rows that were forgotten would make an import leave them out. */
static void
test_no_mark_outlives_its_rows(void **state)
{
	struct world *w = *state;
	struct store_first_begin r;
	struct store_put rows[4];

	pairs(rows, 2);
	begins(w->store, file, STORE_FIRST_ROWS);
	load(w->store, rows, 0, 2);
	assert_true(has_mark(w));
	r = begin(w->store, file, true, 0);
	assert_int_equal(r.req.err.code, ERR_NONE);
	assert_false(has_mark(w));
	load(w->store, rows, 0, 2);
	r = begin(w->store, other, true, 2);
	assert_int_equal(r.req.err.code, ERR_NONE);
	assert_int_equal(r.taken, 0); /* whatever was asked */
	assert_false(has_mark(w));
	load(w->store, rows, 0, 4);
	make_keys(w->store);
	swap(w->store);
	done(w->store);
	assert_false(has_mark(w));
}

/* One that was stopped and comes back, after another first load has begun. */
static void
test_no_run_comes_twice(void **state)
{
	struct world *w = *state;
	struct store_put rows[2], *page[2] = { &rows[0], &rows[1] };
	struct store_first_page late = { .n = 2, .rows = page, .start = 50 };
	struct store_put_page again = { .n = 2, .rows = page };

	pairs(rows, 1);
	begins(w->store, file, STORE_FIRST_ROWS);
	late.run = again.run = run;
	assert_int_not_equal(run, 0);
	make_keys(w->store);
	swap(w->store); /* of nobody */
	done(w->store);
	begins(w->store, file, STORE_FIRST_ROWS);
	store_first_page(w->store, &late);
	assert_int_equal(store_wait(w->store, &late.req), -1);
	assert_int_equal(late.req.err.code, ERR_CONFLICT);
	make_keys(w->store);
	swap(w->store);
	store_put_page(w->store, &again);
	assert_int_equal(store_wait(w->store, &again.req), -1);
	assert_int_equal(again.req.err.code, ERR_CONFLICT);
	again.run = run;
	store_put_page(w->store, &again);
	must(w->store, &again.req);
}

/* The file is gone, and the rows are in their place: another import. */
static void
test_an_import_ends_it(void **state)
{
	struct world *w = *state;
	struct store_import_end end;
	struct store_put rows[4], more = row(9, "0901", STORE_SIGNATURE);
	struct store_lease lease = {
		.name = "x", .node = "n1", .ttl_us = 1000000, .if_whole = true
	};

	pairs(rows, 2);
	rows[1].cert.status = STORE_REVOKED;
	begins(w->store, file, STORE_FIRST_ROWS);
	load(w->store, rows, 0, 4);
	make_keys(w->store);
	swap(w->store);
	store_lease(w->store, &lease);
	must(w->store, &lease.req);
	assert_false(lease.held); /* a revoked one is good still */
	assert_true(lease.not_whole);
	put(w, &rows[1]);
	put(w, &more);
	memset(&end, 0, sizeof(end));
	end.accepted = 2; /* of a file with these two */
	store_import_end(w->store, &end);
	must(w->store, &end.req);
	assert_true(end.loading);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM first_load"), 1);
	memset(&end, 0, sizeof(end));
	end.accepted = 5; /* of one with all */
	store_import_end(w->store, &end);
	must(w->store, &end.req);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM first_load"), 0);
	store_lease(w->store, &lease);
	must(w->store, &lease.req);
	assert_true(lease.held);
	assert_false(lease.not_whole);
}

#ifdef STORE_POSTGRES
/* What would be gone with the tables, without a word. */
static void
test_what_others_have_made_is_refused(void **state)
{
	static const struct {
		const char *make, *drop, *says;
	} odd[] = {
		{ "CREATE VIEW ours AS SELECT id FROM holders",
		    "DROP VIEW ours", "the view ours" },
		{ "ALTER TABLE holders ENABLE ROW LEVEL SECURITY",
		    "ALTER TABLE holders DISABLE ROW LEVEL SECURITY",
		    "row level security" },
		{ "CREATE PUBLICATION p FOR TABLE certificates",
		    "DROP PUBLICATION p", "a publication" },
		{ "CREATE TABLE holders_ref (x int)", "DROP TABLE holders_ref",
		    "already exists" },
	};
	struct world *w = *state;
	struct store_first_begin r;
	struct store_first_key key = { .nr = 0 };
	struct store_put rows[4];
	size_t i;

	pairs(rows, 2);
	for (i = 0; i < 3; i++) {
		cluster_sql(w->dir, odd[i].make);
		r = begin(w->store, file, false, 0);
		assert_int_equal(r.req.err.code, ERR_STORE);
		if (strstr(r.req.err.text, odd[i].says) == NULL)
			fail_msg("%s", r.req.err.text);
		cluster_sql(w->dir, odd[i].drop);
	}
	begins(w->store, file, STORE_FIRST_ROWS);
	load(w->store, rows, 0, 4);
	cluster_sql(w->dir, odd[i].make);
	for (key.run = run; key.nr < 2; key.nr++) {
		store_first_key(w->store, &key);
		store_wait(w->store, &key.req);
	}
	assert_int_equal(key.req.err.code, ERR_STORE);
	assert_non_null(strstr(key.req.err.text, odd[i].says));
	cluster_sql(w->dir, odd[i].drop);
	make_keys(w->store);
	swap(w->store);
}

/* Somebody's functions there, which fit better than PostgreSQL's own. */
static void
test_nobody_elses_functions_are_called(void **state)
{
	struct world *w = *state;
	struct store_put rows[4];

	cluster_sql(w->dir,
	    "CREATE FUNCTION public.substr(name, int) RETURNS text AS"
	    " 'BEGIN RAISE EXCEPTION ''called''; END' LANGUAGE plpgsql;"
	    "CREATE FUNCTION public.format(text, regclass, name, text) RETURNS"
	    " text AS 'BEGIN RAISE EXCEPTION ''called''; END'"
	    " LANGUAGE plpgsql;"
	    "CREATE FUNCTION public.set_config(text, text, boolean) RETURNS"
	    " text AS 'BEGIN RAISE EXCEPTION ''called''; END'"
	    " LANGUAGE plpgsql");
	pairs(rows, 2);
	begins(w->store, file, STORE_FIRST_ROWS);
	load(w->store, rows, 0, 4);
	make_keys(w->store);
	swap(w->store);
	done(w->store);
}
#endif

/* A holder who fills the end of one page and the beginning of the next. */
static void
test_a_holder_across_pages(void **state)
{
	struct world *w = *state;
	struct store_put rows[4];

	pairs(rows, 2);
	begins(w->store, file, STORE_FIRST_ROWS);
	load(w->store, rows, 0, 1);
	load(w->store, rows, 1, 4);
	make_keys(w->store);
	swap(w->store);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holders"), 2);
	assert_int_equal(certs_of(w->store, holder_of(w, 1)).n, 2);
}

/* What the schema says of the two tables, without what made them. */
static int64_t
schema_of(struct world *w, const char *what)
{
	char sql[900];

	snprintf(sql, sizeof(sql),
#ifdef STORE_POSTGRES
	    "SELECT ('x' || substr(md5(string_agg(x, ';' ORDER BY x)), 1, 12))"
	    "::bit(48)::bigint FROM (%s) AS y",
#else
	    "SELECT sum(length(x) * (unicode(x) + unicode(substr(x, -3))"
	    " + unicode(substr(x, length(x) / 2)))) FROM (%s)",
#endif
	    what);
	return world_sql(w, sql);
}

/* Whoever comes after it finds the schema that a migration expects. */
static void
test_the_schema_is_as_before(void **state)
{
	static const char *const what[] = {
#ifdef STORE_POSTGRES
		"SELECT table_name || column_name || data_type || is_nullable"
		" || is_identity || coalesce(collation_name, '') AS x"
		" FROM information_schema.columns"
		" WHERE table_name IN ('holders', 'certificates')",
		"SELECT conrelid::regclass || conname ||"
		" pg_get_constraintdef(oid) AS x FROM pg_constraint"
		" WHERE conrelid <> 0",
		"SELECT indexdef AS x FROM pg_indexes"
		" WHERE schemaname = current_schema()",
		"SELECT c.relname::text || c.relkind::text || relowner::text"
		" || coalesce((SELECT string_agg(a::text, ',' ORDER BY a::text)"
		" FROM aclexplode(c.relacl) AS a), '') ||"
		" coalesce((SELECT string_agg(attname::text || attacl::text,"
		" ',' ORDER BY attname) FROM pg_attribute"
		" WHERE attrelid = c.oid AND attacl IS NOT NULL), '')"
		" AS x FROM pg_class AS c"
		" WHERE relnamespace = current_schema()::regnamespace",
#else
		"SELECT t.value || c.name || c.type || c.\"notnull\" || c.pk"
		" AS x FROM json_each('[\"holders\", \"certificates\"]') AS t,"
		" pragma_table_info(t.value) AS c",
		"SELECT m.name || f.\"table\" || f.\"from\" || f.\"to\" AS x"
		" FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f",
		"SELECT t.value || i.\"unique\" || i.partial || ("
		"SELECT group_concat(n.name, ',')"
		" FROM pragma_index_info(i.name) AS n) AS x"
		" FROM json_each('[\"holders\", \"certificates\"]') AS t,"
		" pragma_index_list(t.value) AS i",
		"SELECT name || tbl_name AS x FROM sqlite_schema"
		" WHERE name NOT LIKE 'sqlite_autoindex%'"
		" AND name NOT IN ('holders_ref', 'certificates_serial')",
#endif
	};
	const size_t n = sizeof(what) / sizeof(what[0]);
	struct world *w = *state;
	int64_t before[4];
	struct store_put rows[4];
	size_t i;

	assert_int_equal(n, 4);
#ifdef STORE_POSTGRES
	cluster_sql(w->dir,
	    "GRANT SELECT ON holders, certificates TO PUBLIC;"
	    "GRANT USAGE ON SEQUENCE holders_id_seq TO PUBLIC;"
	    "GRANT UPDATE (municipality) ON holders TO PUBLIC;"
	    "CREATE ROLE team NOLOGIN; GRANT team TO holdline;"
	    "GRANT CREATE ON SCHEMA public TO team;"
	    "GRANT INSERT ON holders TO team WITH GRANT OPTION;"
	    "ALTER TABLE certificates OWNER TO team");
#endif
	for (i = 0; i < n; i++)
		before[i] = schema_of(w, what[i]);
	pairs(rows, 2);
	begins(w->store, file, STORE_FIRST_ROWS);
	load(w->store, rows, 0, 4);
	for (i = 0; i < n; i++)
		assert_true(i == 0 || schema_of(w, what[i]) != before[i]);
	make_keys(w->store);
	swap(w->store);
	done(w->store);
	for (i = 0; i < n; i++)
		if (schema_of(w, what[i]) != before[i])
			fail_msg("differs: %s", what[i]);
}

#define T(t) cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_first_load_is_its_rows),
		T(test_life_goes_on_after_it),
		T(test_others_see_it),
		T(test_it_is_for_an_empty_registry),
		T(test_nobody_else_fills_it_meanwhile),
		T(test_another_file),
		T(test_it_goes_on_at_each_stage),
		T(test_a_file_that_was_changed),
		T(test_one_process_at_a_time),
		T(test_no_mark_outlives_its_rows),
		T(test_no_run_comes_twice),
		T(test_an_import_ends_it),
#ifdef STORE_POSTGRES
		T(test_what_others_have_made_is_refused),
		T(test_nobody_elses_functions_are_called),
#endif
		T(test_a_holder_across_pages),
		T(test_the_schema_is_as_before),
	};

	return cmocka_run_group_tests(tests, WORLD_START, WORLD_STOP);
}
