/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include "store_world.h"

#include "base/secret.h"
#include "verify/verify.h"

#define KEY_1 "0000000000000000000000000000000000000000000000000000000000000001"
#define KEY_2 "0000000000000000000000000000000000000000000000000000000000000002"
#define HOUR INT64_C(3600000000)

/* The rooms around one check, driven by hand. */
struct rooms {
	struct world *w;
	struct keyring *keys;
	struct work *pool;
	struct verify *verify;
	int64_t now_us;
	int dones;
	enum verify_verdict verdict;
	int64_t holder;
};

static struct keyring *
ring(struct world *w, const char *lines)
{
	struct keyring *k;
	struct err err;
	char path[320];
	FILE *f;

	snprintf(path, sizeof(path), "%s/key", w->dir);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fchmod(fileno(f), 0600), 0);
	fputs(lines, f);
	fclose(f);
	if ((k = keyring_load(path, &err)) == NULL)
		fail_msg("%s", err.text);
	unlink(path);
	return k;
}

static int
setup(void **state)
{
	static const struct verify_policy policy = {
		.number_attempts = 3, .tag_attempts = 4, .window_us = HOUR
	};
	static const struct work_options pool = { .run = verify_work,
		.queue_max = 2 };
	struct rooms *r = calloc(1, sizeof(*r));
	void *world = NULL;
	struct err err;

	assert_int_equal(world_setup(&world), 0);
	r->w = world;
	r->keys = ring(r->w, "1 " KEY_1 "\n2 " KEY_2 "\n");
	r->pool = work_new(&pool, &err);
	r->verify = verify_new(r->w->store, r->pool, r->keys, &policy);
	r->now_us = NOON;
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rooms *r = *state;
	void *world = r->w;

	work_free(r->pool);
	world_teardown(&world); /* finishes refunds */
	verify_free(r->verify);
	keyring_free(r->keys);
	free(r);
	return 0;
}

/* Register somebody under key slot `slot`; "" = no such factor. */
static int64_t
enrol(struct rooms *r, uint8_t who, size_t slot, const char *phone,
    const char *pin)
{
	struct store_lookup found = { .n_tags = 0 };
	struct store_put p;
	char serial[8];
	unsigned int i;

	snprintf(serial, sizeof(serial), "%02x01", who);
	p = row(who, serial, STORE_AUTHENTICATION);
	factor_tag(r->keys, slot, "19800229", "1000001", p.tag);
	p.key_version = keyring_version(r->keys, slot);
	if (phone[0] != '\0') {
		p.n_phones = 1;
		factor_phone(r->keys, slot, p.tag, phone, p.phones[0]);
	}
	if (pin[0] != '\0') {
		p.has_pin = true;
		factor_pin(r->keys, slot, p.tag, pin, p.pin);
	}
	put(r->w, &p);
	found.n_tags = 1;
	memcpy(found.tags[0], p.tag, sizeof(p.tag));
	store_lookup(r->w->store, &found);
	must(r->w->store, &found.req);
	for (i = 0; i + 1 < found.n; i++)
		if (found.candidates[i].holder > found.candidates[i + 1].holder)
			found.candidates[i + 1] = found.candidates[i];
	return found.candidates[found.n - 1].holder;
}

static void
done(void *ctx, enum verify_verdict verdict, int64_t holder)
{
	struct rooms *r = ctx;

	r->dones++;
	r->verdict = verdict;
	r->holder = holder;
}

static void
run_all(struct rooms *r)
{
	while (work_pending(r->pool) > 0 || store_pending(r->w->store) > 0) {
		work_dispatch(r->pool);
		store_dispatch(r->w->store);
	}
}

static struct verify_check *
start(struct rooms *r, const char *number, const char *phone, const char *pin)
{
	struct verify_answers a = { .birth = "19800229", .postal = "1000001" };

	snprintf(a.phone, sizeof(a.phone), "%s", phone);
	snprintf(a.pin, sizeof(a.pin), "%s", pin);
	return verify_start(r->verify, &a, number, r->now_us, done, r);
}

/* One whole check; its verdict. */
static enum verify_verdict
check(struct rooms *r, const char *number, const char *phone, const char *pin)
{
	r->dones = 0;
	r->holder = -1;
	assert_non_null(start(r, number, phone, pin));
	assert_int_equal(r->dones, 0); /* never inside the call */
	run_all(r);
	assert_int_equal(r->dones, 1);
	if (r->verdict != VERIFY_OK)
		assert_int_equal(r->holder, 0);
	return r->verdict;
}

static void
test_right_answers_find_the_holder(void **state)
{
	struct rooms *r = *state;
	int64_t holder = enrol(r, 1, 0, "0178", "123456");

	assert_int_equal(check(r, "0311112222", "0178", "123456"), VERIFY_OK);
	assert_int_equal(r->holder, holder);
}

static void
test_any_wrong_answer_is_a_no(void **state)
{
	struct rooms *r = *state;
	struct verify_answers other = { "19800228", "1000001", "0178", "" };

	enrol(r, 1, 0, "0178", "123456");
	assert_int_equal(check(r, NULL, "0178", "123457"), VERIFY_NO);
	assert_int_equal(check(r, NULL, "0179", "123456"), VERIFY_NO);
	assert_int_equal(check(r, NULL, "0178", ""), VERIFY_NO);
	r->now_us += 2 * HOUR;
	assert_non_null(
	    verify_start(r->verify, &other, NULL, r->now_us, done, r));
	run_all(r);
	assert_int_equal(r->verdict, VERIFY_NO);
	assert_int_equal(r->holder, 0);
}

static void
test_a_pin_that_was_never_chosen_does_not_matter(void **state)
{
	struct rooms *r = *state;
	int64_t holder = enrol(r, 1, 0, "0178", "");

	assert_int_equal(check(r, NULL, "0178", ""), VERIFY_OK);
	assert_int_equal(check(r, NULL, "0178", "999999"), VERIFY_OK);
	assert_int_equal(r->holder, holder);
}

static void
test_nobody_without_a_factor_is_verified(void **state)
{
	struct rooms *r = *state;

	enrol(r, 1, 0, "", "");
	assert_int_equal(check(r, NULL, "0178", "123456"), VERIFY_NO);
	assert_int_equal(check(r, NULL, "", ""), VERIFY_NO);
}

static void
test_an_old_keys_macs_are_found_until_imported_again(void **state)
{
	struct rooms *r = *state;
	int64_t holder = enrol(r, 1, 1, "0178", "123456");

	assert_int_equal(keyring_version(r->keys, 1), 1);
	assert_int_equal(check(r, NULL, "0178", "123456"), VERIFY_OK);
	assert_int_equal(r->holder, holder);
	assert_int_equal(check(r, NULL, "0178", "123457"), VERIFY_NO);
}

static void
test_twins_are_told_apart_or_sent_to_a_person(void **state)
{
	struct rooms *r = *state;
	int64_t second;

	enrol(r, 1, 0, "0178", "123456");
	second = enrol(r, 2, 0, "0178", "654321");
	assert_int_equal(check(r, NULL, "0178", "654321"), VERIFY_OK);
	assert_int_equal(r->holder, second);
	enrol(r, 3, 1, "0178", "");
	assert_int_equal(check(r, NULL, "0178", "654321"), VERIFY_PERSON);
}

static void
test_a_number_has_so_many_attempts(void **state)
{
	struct rooms *r = *state;
	int i;

	enrol(r, 1, 0, "0178", "");
	for (i = 0; i < 3; i++)
		assert_int_equal(check(r, "0311112222", "0000", ""), VERIFY_NO);
	/* Over the limit nothing is told, right or wrong. */
	assert_int_equal(check(r, "0311112222", "0178", ""), VERIFY_PERSON);
	r->now_us += HOUR + 1;
	assert_int_equal(check(r, "0311112222", "0178", ""), VERIFY_OK);
}

static void
test_a_tag_has_so_many_attempts_from_anywhere(void **state)
{
	static const char *const numbers[] = { "031", NULL, "032", NULL };
	struct rooms *r = *state;
	size_t i;

	enrol(r, 1, 0, "0178", "");
	for (i = 0; i < 4; i++)
		assert_int_equal(check(r, numbers[i], "0000", ""), VERIFY_NO);
	assert_int_equal(check(r, "033", "0178", ""), VERIFY_PERSON);
}

/* Relay services make many calls from one number. */
static void
test_verified_calls_are_no_attempts(void **state)
{
	struct rooms *r = *state;
	int i;

	enrol(r, 1, 0, "0178", "");
	for (i = 0; i < 8; i++)
		assert_int_equal(check(r, "0311112222", "0178", ""), VERIFY_OK);
}

static void
test_a_cancelled_check_is_silent_and_counts(void **state)
{
	struct rooms *r = *state;
	struct verify_check *c;
	int i;

	enrol(r, 1, 0, "0178", "");
	for (i = 0; i < 3; i++) {
		c = start(r, "0311112222", "0000", "");
		assert_non_null(c);
		if (i == 1) /* also when the store is at it already */
			work_dispatch(r->pool);
		verify_cancel(c);
		run_all(r);
	}
	assert_int_equal(r->dones, 0);
	assert_int_equal(check(r, "0311112222", "0178", ""), VERIFY_PERSON);
}

static void
test_a_full_pool_refuses(void **state)
{
	struct rooms *r = *state;

	enrol(r, 1, 0, "0178", "");
	assert_non_null(start(r, NULL, "0178", ""));
	assert_non_null(start(r, NULL, "0178", ""));
	assert_null(start(r, NULL, "0178", ""));
	run_all(r);
	assert_int_equal(r->dones, 2);
	assert_int_equal(r->verdict, VERIFY_OK);
}

static void
test_a_store_that_refuses_is_trouble(void **state)
{
	struct rooms *r = *state;
	struct store_options o = world_options(r->w, 0);
	struct store_lookup filler = { .n_tags = 1 };
	struct verify_policy policy = { 9, 9, HOUR };
	struct verify_answers a = { "19800229", "1000001", "0178", "" };
	struct store *narrow;
	struct verify *v;
	struct err err;

	enrol(r, 1, 0, "0178", "");
	o.queue_max = 1;
	narrow = store_open(&o, &err);
	assert_non_null(narrow);
	v = verify_new(narrow, r->pool, r->keys, &policy);
	assert_non_null(verify_start(v, &a, NULL, r->now_us, done, r));
	store_lookup(narrow, &filler); /* now it is full */
	while (work_pending(r->pool) > 0)
		work_dispatch(r->pool);
	store_close(narrow);
	assert_int_equal(r->dones, 1);
	assert_int_equal(r->verdict, VERIFY_TROUBLE);
	assert_int_equal(r->holder, 0);
	verify_free(v);
}

static void
test_verdicts_have_names(void **state)
{
	(void)state;
	assert_string_equal(verify_verdict_name(VERIFY_OK), "ok");
	assert_string_equal(verify_verdict_name(VERIFY_NO), "no");
	assert_string_equal(verify_verdict_name(VERIFY_PERSON), "person");
	assert_string_equal(verify_verdict_name(VERIFY_TROUBLE), "trouble");
	verify_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_right_answers_find_the_holder),
		TEST(test_any_wrong_answer_is_a_no),
		TEST(test_a_pin_that_was_never_chosen_does_not_matter),
		TEST(test_nobody_without_a_factor_is_verified),
		TEST(test_an_old_keys_macs_are_found_until_imported_again),
		TEST(test_twins_are_told_apart_or_sent_to_a_person),
		TEST(test_a_number_has_so_many_attempts),
		TEST(test_a_tag_has_so_many_attempts_from_anywhere),
		TEST(test_verified_calls_are_no_attempts),
		TEST(test_a_cancelled_check_is_silent_and_counts),
		TEST(test_a_full_pool_refuses),
		TEST(test_a_store_that_refuses_is_trouble),
		cmocka_unit_test(test_verdicts_have_names),
	};
	return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
