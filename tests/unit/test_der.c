/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/der.h"

#define DER(...) \
	((struct der){ (const uint8_t[]){ __VA_ARGS__ }, \
	    sizeof((const uint8_t[]){ __VA_ARGS__ }) })

static void
test_elements_are_taken_in_order(void **state)
{
	struct der in = DER(0x30, 3, 2, 1, 5, 4, 0, 9), seq, n, whole;

	(void)state;
	assert_int_equal(der_take(&in, DER_SEQUENCE, &seq, &whole), 0);
	assert_int_equal(whole.len, 5);
	assert_int_equal(der_take(&seq, DER_INTEGER, &n, NULL), 0);
	assert_true(der_equal(&n, "\5", 1));
	assert_int_equal(seq.len, 0);
	assert_true(der_next_is(&in, DER_OCTET_STRING));
	assert_int_equal(der_take(&in, DER_OCTET_STRING, &n, NULL), 0);
	assert_int_equal(n.len, 0);
	assert_int_equal(in.len, 1);
}

/* As one does with the front of a long one. */
static void
test_an_element_is_entered_without_its_end(void **state)
{
	const struct der odd[] = { DER(0x30), DER(0x31, 1, 0),
		DER(0x30, 0x80, 0), DER(0x30, 0x82, 1), DER(0x30, 0x81, 5) };
	struct der in = DER(0x30, 0x82, 1, 0, 2, 1, 5, 4), n;
	size_t len, i;

	(void)state;
	assert_int_equal(der_enter(&in, DER_SEQUENCE, &len), 0);
	assert_int_equal(len, 256);
	assert_int_equal(in.len, 4);
	assert_int_equal(der_take(&in, DER_INTEGER, &n, NULL), 0);
	in = DER(0x30, 2, 5, 0, 9, 9); /* what comes after is not in it */
	assert_int_equal(der_enter(&in, DER_SEQUENCE, &len), 0);
	assert_int_equal(len, 2);
	assert_int_equal(in.len, 2);
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		in = odd[i];
		assert_int_equal(der_enter(&in, DER_SEQUENCE, &len), -1);
		assert_ptr_equal(in.at, odd[i].at);
		assert_int_equal(in.len, odd[i].len);
	}
}

static void
test_what_is_not_der_is_refused(void **state)
{
	const struct der odd[] = {
		DER(0x30),                /* no length */
		DER(0x30, 1),             /* cut short */
		DER(0x30, 0x80, 0, 0),    /* no definite length */
		DER(0x30, 0x81, 1, 0),    /* not the shortest form */
		DER(0x30, 0x82, 0, 0x80), /* likewise, a leading zero */
		DER(0x30, 0x84, 0xff, 0xff, 0xff, 0xff),
		DER(0x30, 0x85, 1, 0, 0, 0, 0), /* five bytes of length */
		DER(0x30, 0x89), DER(0x31, 0)   /* another tag */
	};
	struct der in, value;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		in = odd[i];
		assert_int_equal(der_take(&in, DER_SEQUENCE, &value, NULL), -1);
		assert_ptr_equal(in.at, odd[i].at);
		assert_int_equal(in.len, odd[i].len);
	}
	in = (struct der){ NULL, 0 };
	assert_int_equal(der_take(&in, DER_SEQUENCE, &value, NULL), -1);
	assert_false(der_next_is(&in, DER_SEQUENCE));
}

/* Whatever the length, what was written is read back. */
static void
test_lengths_go_through(void **state)
{
	static const size_t lens[] = { 0, 1, 127, 128, 255, 256, 65535, 65536 };
	static uint8_t bytes[65536], buf[65600];
	struct der_out out;
	struct der in, value;
	size_t i;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		der_out_begin(&out, buf, sizeof(buf));
		der_put_element(&out, DER_OCTET_STRING, bytes, lens[i]);
		assert_false(out.full);
		in = (struct der){ buf + out.at, out.size - out.at };
		assert_int_equal(
		    der_take(&in, DER_OCTET_STRING, &value, NULL), 0);
		assert_true(der_equal(&value, bytes, lens[i]));
		assert_int_equal(in.len, 0);
	}
}

static void
test_a_full_buffer_is_said(void **state)
{
	uint8_t buf[4] = { 9, 9, 9, 9 };
	struct der_out out;

	(void)state;
	der_out_begin(&out, buf, 3);
	der_put_element(&out, DER_OCTET_STRING, "ab", 2);
	assert_true(out.full);
	assert_int_equal(buf[3], 9);
	der_out_begin(&out, buf, 4);
	der_put_element(&out, DER_OCTET_STRING, "ab", 2);
	assert_false(out.full);
	assert_int_equal(out.at, 0);
}

static void
test_times_are_written(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} times[] = { { 0, "19700101000000Z" },
		{ 1795485600, "20261124020000Z" },
		{ 951782399, "20000228235959Z" },
		{ 951782400, "20000229000000Z" },
		{ INT64_MIN, "00000101000000Z" },
		{ INT64_MAX, "99991231235959Z" } };
	uint8_t buf[17];
	struct der_out out;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		der_out_begin(&out, buf, sizeof(buf));
		der_put_time(&out, times[i].seconds);
		assert_int_equal(out.at, 0);
		assert_int_equal(buf[0], DER_GENERALIZED_TIME);
		assert_memory_equal(buf + 2, times[i].text, 15);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elements_are_taken_in_order),
		cmocka_unit_test(test_an_element_is_entered_without_its_end),
		cmocka_unit_test(test_what_is_not_der_is_refused),
		cmocka_unit_test(test_lengths_go_through),
		cmocka_unit_test(test_a_full_buffer_is_said),
		cmocka_unit_test(test_times_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
