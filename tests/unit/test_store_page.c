/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of the registry is its rows one by one: random rows go into one store
 * in pages and into another alone, and both stores must be alike.
 */
#include "store_world.h"

#define ROWS 2000
#define PEOPLE 25
#define SERIALS 60
#define SEEDS 3

static uint64_t state_of_chance;

static unsigned int
chance(unsigned int n)
{
	state_of_chance = state_of_chance * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return (unsigned int)(state_of_chance >> 33) % n;
}

/* Mostly what a registry says; now and then something that contradicts it. */
static struct store_put
random_row(void)
{
	uint8_t who = (uint8_t)(1 + chance(PEOPLE));
	unsigned int serial = who * 4 + chance(4), odd = chance(12);
	struct store_put r;
	char text[8];

	snprintf(
	    text, sizeof(text), "%04x", odd == 0 ? chance(SERIALS) : serial);
	r = row(who, text, serial % 2 ? STORE_SIGNATURE : STORE_AUTHENTICATION);
	if (chance(3) == 0) { /* under a new key */
		r.n_old = 1;
		memcpy(r.old_refs[0], r.ref, STORE_MAC_SIZE);
		memset(r.ref, who, 16);
		memset(r.ref + 16, 0x40, 16);
		r.key_version = 2;
	}
	r.tag[5] = (uint8_t)chance(2);
	r.n_phones = chance(4);
	memset(r.phones[0], (int)chance(3), sizeof(r.phones[0]));
	r.has_pin = chance(2) != 0;
	r.contact_len = chance(3) * 40;
	memset(r.contact, who, r.contact_len);
	r.cert.status = chance(5) == 0 ? STORE_REVOKED
	    : chance(4) == 0           ? STORE_HELD
				       : STORE_GOOD;
	r.cert.status_us = chance(2) ? NOON - (int64_t)chance(1000) : 0;
	r.now_us = NOON + chance(1000);
	if (odd == 1)
		r.cert.not_after++;
	if (odd == 2)
		r.cert.carrier = STORE_SMARTPHONE;
	return r;
}

/* The rows in pages of any size. */
static void
put_in_pages(struct store *s, struct store_put *rows, size_t n)
{
	struct store_put *page[ROWS];
	struct store_put_page r;
	size_t i, at;

	for (at = 0; at < n; at += r.n) {
		r = (struct store_put_page){ .rows = page };
		r.n = 1 + chance(chance(2) ? 20 : 400);
		r.n = r.n < n - at ? r.n : n - at;
		for (i = 0; i < r.n; i++)
			page[i] = &rows[at + i];
		store_put_page(s, &r);
		must(s, &r.req);
	}
}

static void
same_verdicts(const struct store_put *a, const struct store_put *b, size_t n)
{
	size_t i, taken = 0;

	for (i = 0; i < n; i++) {
		if (a[i].req.err.code != b[i].req.err.code)
			fail_msg("row %zu: \"%s\" and \"%s\"", i,
			    a[i].req.err.text, b[i].req.err.text);
		if (a[i].req.err.code == ERR_NONE) {
			assert_int_equal(a[i].result, b[i].result);
			taken++;
		} else
			assert_string_equal(
			    a[i].req.err.text, b[i].req.err.text);
	}
	assert_in_range(taken, n / 20, n * 19 / 20);
}

static void
same_certificates(struct store *a, struct store *b)
{
	struct store_cert_find x, y;
	unsigned int i;

	for (i = 0; i < 4 * (PEOPLE + 1); i++) {
		x = (struct store_cert_find){ .n = 0 };
		snprintf(x.serial, sizeof(x.serial), "%04x", i);
		y = x;
		store_cert_find(a, &x);
		must(a, &x.req);
		store_cert_find(b, &y);
		must(b, &y.req);
		assert_int_equal(x.n, y.n);
		if (x.n == 0)
			continue;
		assert_int_equal(x.certs[0].id, y.certs[0].id);
		assert_int_equal(x.certs[0].holder, y.certs[0].holder);
		assert_int_equal(x.certs[0].status, y.certs[0].status);
		assert_int_equal(x.certs[0].generation, y.certs[0].generation);
		assert_int_equal(x.certs[0].reason, y.certs[0].reason);
		assert_int_equal(x.certs[0].status_us, y.certs[0].status_us);
		assert_int_equal(x.certs[0].not_after, y.certs[0].not_after);
		assert_int_equal(x.certs[0].kind, y.certs[0].kind);
	}
}

static void
same_holders(struct store *a, struct store *b)
{
	struct store_lookup x, y;
	unsigned int i, j;

	for (i = 2; i < 2 * (PEOPLE + 1); i++) {
		x = (struct store_lookup){ .n_tags = 1 };
		memset(x.tags[0], 0x80 | (int)(i / 2), STORE_MAC_SIZE);
		x.tags[0][5] = (uint8_t)(i % 2);
		y = x;
		store_lookup(a, &x);
		must(a, &x.req);
		store_lookup(b, &y);
		must(b, &y.req);
		assert_int_equal(x.n, y.n);
		for (j = 0; j < x.n; j++) {
			assert_int_equal(
			    x.candidates[j].n_phones, y.candidates[j].n_phones);
			assert_memory_equal(x.candidates[j].phones,
			    y.candidates[j].phones,
			    x.candidates[j].n_phones * STORE_MAC_SIZE);
			assert_int_equal(x.candidates[j].key_version,
			    y.candidates[j].key_version);
			assert_int_equal(
			    x.candidates[j].has_pin, y.candidates[j].has_pin);
			assert_int_equal(
			    x.candidates[j].holder, y.candidates[j].holder);
		}
	}
}

/* The same changes in the same order, each with its leaf. */
static void
same_history(struct store *a, struct store *b)
{
	struct store_audit_verify x = { 0 }, y = { 0 };
	struct store_outbox_take *u = calloc(2, sizeof(*u)), *v = u + 1;
	size_t i;

	store_audit_verify(a, &x);
	must(a, &x.req);
	store_audit_verify(b, &y);
	must(b, &y.req);
	assert_int_equal(x.leaves, y.leaves);
	assert_in_range(x.leaves, 20, ROWS);
	assert_memory_equal(x.last, y.last, sizeof(x.last));
	u->now_us = v->now_us = NOON;
	store_outbox_take(a, u);
	must(a, &u->req);
	store_outbox_take(b, v);
	must(b, &v->req);
	assert_int_equal(u->n, v->n);
	for (i = 0; i < u->n; i++) {
		assert_string_equal(u->rows[i].serial, v->rows[i].serial);
		assert_int_equal(u->rows[i].generation, v->rows[i].generation);
	}
	free(u);
}

static void
test_a_page_is_its_rows_one_by_one(void **state)
{
	struct world *a = *state, *b = world_folder();
	struct store_put *x = calloc(2 * ROWS, sizeof(*x)), *y = x + ROWS;
	size_t i;

	b->store = world_open_store(b, 0);
	for (state_of_chance = 1; state_of_chance <= SEEDS;) {
		uint64_t seed = state_of_chance;

		for (i = 0; i < ROWS; i++)
			x[i] = y[i] = random_row();
		put_in_pages(a->store, x, ROWS);
		for (i = 0; i < ROWS; i++) {
			store_put(b->store, &y[i]);
			store_wait(b->store, &y[i].req);
		}
		same_verdicts(x, y, ROWS);
		state_of_chance = seed + 1;
	}
	same_certificates(a->store, b->store);
	same_holders(a->store, b->store);
	same_history(a->store, b->store);
	free(x);
	world_teardown((void **)&b);
}

/* A row that is refused leaves no trace, and the page goes on. */
static void
test_a_refused_row_leaves_nothing(void **state)
{
	struct world *w = *state;
	struct store_put rows[3], *page[3] = { &rows[0], &rows[1], &rows[2] };
	struct store_put_page r = { .n = 3, .rows = page };

	rows[0] = row(1, "0a", STORE_SIGNATURE);
	rows[1] = row(2, "0a", STORE_SIGNATURE); /* somebody else's */
	rows[2] = row(3, "0b", STORE_SIGNATURE);
	store_put_page(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(rows[0].req.err.code, ERR_NONE);
	assert_int_equal(rows[1].req.err.code, ERR_CONFLICT);
	assert_int_equal(rows[2].req.err.code, ERR_NONE);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holders"), 2);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM certificates"), 2);
}

static void
test_an_empty_page(void **state)
{
	struct world *w = *state;
	struct store_put_page r = { .n = 0 };

	store_put_page(w->store, &r);
	must(w->store, &r.req);
}

/* A page and a hold in one batch: the hold sees what the page wrote. */
static void
test_a_page_among_other_requests(void **state)
{
	struct world *w = *state;
	int64_t id = person(w, 1);
	struct store_put rows[2], *page[2] = { &rows[0], &rows[1] };
	struct store_put_page r = { .n = 2, .rows = page };
	struct store_hold h = hold_request("c1", id, "1000000001");

	rows[0] = row(1, "0103", STORE_SIGNATURE);
	rows[1] = row(1, "0102", STORE_AUTHENTICATION);
	rows[1].cert.status = STORE_REVOKED;
	store_put_page(w->store, &r);
	store_hold(w->store, &h);
	must(w->store, &r.req);
	must(w->store, &h.req);
	assert_int_equal(h.outcome, STORE_HOLD_PLACED);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM certificates WHERE status = 1"),
	    2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_page_is_its_rows_one_by_one),
		T(test_a_refused_row_leaves_nothing),
		T(test_an_empty_page),
		T(test_a_page_among_other_requests),
	};
	return cmocka_run_group_tests_name(
	    "store_page", tests, WORLD_START, WORLD_STOP);
}
