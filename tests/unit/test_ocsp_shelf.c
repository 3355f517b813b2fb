/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ocsp/shelf.h"

static const struct ocsp_fact fact = { .signer = 1, .generation = 2 };

static void
put(struct ocsp_shelf *shelf, const char *id, const char *text)
{
	const struct ocsp_kept kept = { .fact = fact,
		.next_s = 60,
		.use_until_s = 30,
		.bytes = (const uint8_t *)text,
		.len = strlen(text) };

	ocsp_shelf_put(
	    shelf, (struct der){ (const uint8_t *)id, strlen(id) }, &kept);
}

static bool
has(struct ocsp_shelf *shelf, const char *id, const char *text)
{
	const struct ocsp_kept *kept = ocsp_shelf_get(
	    shelf, (struct der){ (const uint8_t *)id, strlen(id) }, &fact, 29);

	return kept != NULL && kept->len == strlen(text) &&
	    memcmp(kept->bytes, text, kept->len) == 0;
}

static void
test_the_oldest_goes(void **state)
{
	struct ocsp_shelf *shelf = ocsp_shelf_new(2);

	(void)state;
	put(shelf, "a", "1");
	put(shelf, "b", "2");
	assert_true(has(shelf, "a", "1"));
	put(shelf, "c", "3");
	assert_int_equal(ocsp_shelf_count(shelf), 2);
	assert_true(has(shelf, "a", "1"));
	assert_false(has(shelf, "b", "2"));
	assert_true(has(shelf, "c", "3"));
	put(shelf, "c", "33");
	assert_true(has(shelf, "c", "33"));
	assert_int_equal(ocsp_shelf_count(shelf), 2);
	ocsp_shelf_free(shelf);
}

static void
test_another_fact_is_not_found(void **state)
{
	struct ocsp_shelf *shelf = ocsp_shelf_new(2);
	const struct der id = { (const uint8_t *)"a", 1 };
	struct ocsp_fact other[5];
	size_t i;

	(void)state;
	put(shelf, "a", "1");
	for (i = 0; i < 5; i++)
		other[i] = fact;
	other[0].signer++;
	other[1].generation++;
	other[2].time_s++;
	other[3].status++;
	other[4].reason++;
	for (i = 0; i < 5; i++)
		assert_null(ocsp_shelf_get(shelf, id, &other[i], 0));
	assert_non_null(ocsp_shelf_get(shelf, id, &fact, 29));
	assert_null(ocsp_shelf_get(shelf, id, &fact, 30));
	ocsp_shelf_clear(shelf);
	assert_null(ocsp_shelf_get(shelf, id, &fact, 0));
	ocsp_shelf_free(shelf);
}

static void
test_many_are_found(void **state)
{
	struct ocsp_shelf *shelf = ocsp_shelf_new(1000);
	char id[16];
	int i;

	(void)state;
	for (i = 0; i < 3000; i++) {
		snprintf(id, sizeof(id), "id-%d", i);
		put(shelf, id, id);
	}
	assert_int_equal(ocsp_shelf_count(shelf), 1000);
	for (i = 0; i < 3000; i++) {
		snprintf(id, sizeof(id), "id-%d", i);
		assert_int_equal(has(shelf, id, id), i >= 2000);
	}
	ocsp_shelf_free(shelf);
}

static void
test_none_and_long_ones(void **state)
{
	struct ocsp_shelf *none = ocsp_shelf_new(0);
	struct ocsp_shelf *shelf = ocsp_shelf_new(1);
	char id[OCSP_SHELF_ID_MAX + 2];

	(void)state;
	put(none, "a", "1");
	assert_false(has(none, "a", "1"));
	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	put(shelf, id, "1");
	assert_int_equal(ocsp_shelf_count(shelf), 0);
	put(shelf, id + 1, "1");
	assert_true(has(shelf, id + 1, "1"));
	ocsp_shelf_free(none);
	ocsp_shelf_free(shelf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_oldest_goes),
		cmocka_unit_test(test_another_fact_is_not_found),
		cmocka_unit_test(test_many_are_found),
		cmocka_unit_test(test_none_and_long_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
