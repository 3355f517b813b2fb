/* SPDX-License-Identifier: Apache-2.0 */
#include "store_world.h"

#define HOUR INT64_C(3600000000)
#define TEN_YEARS INT64_C(315360000000000)

/* A check of a caller's: who may it be, and how often did they try? */
struct check {
	struct store_lookup found;
	struct store_attempt counted;
};

static struct check
caller(uint8_t number, uint8_t who, int64_t now_us)
{
	struct check c = { .found = { .n_tags = 1 },
		.counted = { .n_tags = 1,
		    .has_number = true,
		    .now_us = now_us,
		    .window_us = HOUR } };

	memset(c.counted.number, number, sizeof(c.counted.number));
	memset(c.counted.tags[0], 0x80 | who, STORE_MAC_SIZE);
	memset(c.found.tags[0], 0x80 | who, STORE_MAC_SIZE);
	return c;
}

static struct check
look(struct world *w, uint8_t number, uint8_t who, int64_t now_us)
{
	struct check c = caller(number, who, now_us);

	store_attempt(w->store, &c.counted);
	store_lookup(w->store, &c.found);
	must(w->store, &c.counted.req);
	must(w->store, &c.found.req);
	return c;
}

static void
test_everyone_with_the_tag_is_given(void **state)
{
	struct world *w = *state;
	struct store_put a = row(1, "01", STORE_SIGNATURE);
	struct store_put b = row(2, "02", STORE_SIGNATURE);
	struct store_put c = row(3, "03", STORE_SIGNATURE);
	struct check r;

	memset(b.tag, 0x81, sizeof(b.tag)); /* twins at one address */
	a.key_version = 5; /* by number, whatever the index begins with */
	a.n_phones = 2;
	memset(a.phones[0], 0x11, STORE_MAC_SIZE);
	memset(a.phones[1], 0x22, STORE_MAC_SIZE);
	b.has_pin = true;
	memset(b.pin, 0x33, STORE_MAC_SIZE);
	b.key_version = 4;
	put(w, &a);
	put(w, &b);
	put(w, &c);
	r = look(w, 9, 1, NOON);
	assert_int_equal(r.found.n, 2);
	assert_false(r.found.more);
	assert_int_equal(r.found.candidates[0].n_phones, 2);
	assert_int_equal(r.found.candidates[0].phones[1][31], 0x22);
	assert_false(r.found.candidates[0].has_pin);
	assert_int_equal(r.found.candidates[1].n_phones, 0);
	assert_true(r.found.candidates[1].has_pin);
	assert_int_equal(r.found.candidates[1].pin[0], 0x33);
	assert_int_equal(r.found.candidates[1].key_version, 4);
}

static void
test_nobody_counts_like_somebody(void **state)
{
	struct world *w = *state;
	struct check r;

	r = look(w, 9, 1, NOON);
	assert_int_equal(r.found.n, 0);
	assert_int_equal(r.counted.number_attempts, 1);
	assert_int_equal(r.counted.tag_attempts, 1);
	r = look(w, 8, 1, NOON + 1);
	assert_int_equal(r.counted.number_attempts, 1);
	assert_int_equal(r.counted.tag_attempts, 2);
}

static void
test_more_than_fit_are_said_to_be_more(void **state)
{
	struct world *w = *state;
	struct check r;
	struct store_put p;
	char serial[8];

	for (uint8_t i = 1; i <= STORE_CANDIDATES_MAX + 1; i++) {
		if (i == STORE_CANDIDATES_MAX + 1) {
			r = look(w, 9, 1, NOON);
			assert_int_equal(r.found.n, STORE_CANDIDATES_MAX);
			assert_false(r.found.more);
		}
		snprintf(serial, sizeof(serial), "%02x", i);
		p = row(i, serial, STORE_SIGNATURE);
		memset(p.tag, 0x81, sizeof(p.tag));
		put(w, &p);
	}
	r = look(w, 9, 1, NOON);
	assert_int_equal(r.found.n, STORE_CANDIDATES_MAX);
	assert_true(r.found.more);
}

static void
test_tags_of_two_key_versions(void **state)
{
	struct world *w = *state;
	struct check r = caller(9, 1, NOON);

	person(w, 1);
	person(w, 2);
	memset(r.found.tags[1], 0x82, STORE_MAC_SIZE);
	memset(r.counted.tags[1], 0x82, STORE_MAC_SIZE);
	r.found.n_tags = r.counted.n_tags = 2;
	r.counted.has_number = false;
	store_attempt(w->store, &r.counted);
	store_lookup(w->store, &r.found);
	must(w->store, &r.counted.req);
	must(w->store, &r.found.req);
	assert_int_equal(r.found.n, 2);
	assert_int_equal(r.counted.number_attempts, 0);
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM attempts"
			     " WHERE since_us = 1795485600000000"),
	    2);
}

static void
test_attempts_fade_after_the_window(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 1; i <= 5; i++)
		assert_int_equal(
		    look(w, 9, 1, NOON + i).counted.number_attempts, i);
	assert_int_equal(look(w, 9, 2, NOON + HOUR).counted.number_attempts, 6);
	assert_int_equal(
	    look(w, 9, 1, NOON + 1 + HOUR).counted.number_attempts, 1);
	assert_int_equal(
	    look(w, 9, 1, NOON + 2 + HOUR).counted.tag_attempts, 2);
}

/* Set back, the clock forgives nothing; nor is anybody kept out until the old
 * time comes round again. */
static void
test_a_clock_set_back_unlocks_nobody(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 1; i <= 3; i++)
		look(w, 9, 1, NOON);
	assert_int_equal(
	    look(w, 9, 1, NOON - TEN_YEARS).counted.number_attempts, 4);
	assert_int_equal(
	    look(w, 9, 1, NOON - TEN_YEARS + 1).counted.number_attempts, 5);
	assert_int_equal(
	    look(w, 9, 1, NOON - TEN_YEARS + HOUR).counted.number_attempts, 1);
}

static void
test_a_refund_gives_one_attempt_back(void **state)
{
	struct world *w = *state;
	struct store_refund f = { .n_tags = 1, .has_number = true };
	int i;

	memset(f.number, 9, sizeof(f.number));
	memset(f.tags[0], 0x81, STORE_MAC_SIZE);
	look(w, 9, 1, NOON);
	look(w, 9, 1, NOON);
	store_refund(w->store, &f);
	must(w->store, &f.req);
	assert_int_equal(look(w, 9, 1, NOON).counted.number_attempts, 2);
	for (i = 0; i < 5; i++) {
		store_refund(w->store, &f);
		must(w->store, &f.req);
	}
	assert_int_equal(world_sql(w, "SELECT min(n) FROM attempts"), 0);
	assert_int_equal(look(w, 9, 1, NOON).counted.tag_attempts, 1);
}

static void
test_the_table_of_attempts_does_not_grow(void **state)
{
	struct world *w = *state;
	int64_t now_us = NOON;
	int i;

	for (i = 0; i < 100; i++)
		look(w, (uint8_t)i, (uint8_t)(i % 100), now_us);
	assert_true(world_sql(w, "SELECT count(*) FROM attempts") > 100);
	now_us += 2 * HOUR;
	for (i = 0; i < 300; i++, now_us += HOUR / 4)
		look(w, (uint8_t)(i | 0x80), (uint8_t)(i % 100), now_us);
	assert_true(world_sql(w, "SELECT count(*) FROM attempts") < 20);
}

static void
test_attempts_survive_a_restart(void **state)
{
	struct world *w = *state;

	look(w, 9, 1, NOON);
	store_close(w->store);
	w->store = world_open_store(w, 0);
	assert_int_equal(look(w, 9, 1, NOON).counted.number_attempts, 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_everyone_with_the_tag_is_given),
		T(test_nobody_counts_like_somebody),
		T(test_more_than_fit_are_said_to_be_more),
		T(test_tags_of_two_key_versions),
		T(test_attempts_fade_after_the_window),
		T(test_a_clock_set_back_unlocks_nobody),
		T(test_a_refund_gives_one_attempt_back),
		T(test_the_table_of_attempts_does_not_grow),
		T(test_attempts_survive_a_restart),
	};
	return cmocka_run_group_tests_name(
	    "store_lookup", tests, WORLD_START, WORLD_STOP);
}
