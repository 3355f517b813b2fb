/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "flow/prompt.h"

static void
test_japanese_comes_first(void **state)
{
	size_t i, j;

	(void)state;
	assert_true(prompt_lang_count() >= 2);
	assert_string_equal(prompt_lang(0), "ja");
	for (i = 0; i < prompt_lang_count(); i++) {
		assert_true(prompt_lang_known(prompt_lang(i)));
		for (j = 0; j < i; j++)
			assert_string_not_equal(prompt_lang(i), prompt_lang(j));
	}
	assert_true(prompt_lang_known("en"));
	assert_false(prompt_lang_known(""));
	assert_false(prompt_lang_known("xx"));
	assert_false(prompt_lang_known("JA"));
}

/* An id is a sound file's name: nothing in it may end a command's word. */
static void
test_every_prompt_has_an_id_of_its_own(void **state)
{
	size_t i, j;

	(void)state;
	assert_true(prompt_count() > 30);
	for (i = 0; i < prompt_count(); i++) {
		assert_in_range(strlen(prompt_id(i)), 1, 31);
		assert_int_equal(strspn(prompt_id(i),
				     "abcdefghijklmnopqrstuvwxyz0123456789-"),
		    strlen(prompt_id(i)));
		for (j = 0; j < i; j++)
			assert_string_not_equal(prompt_id(i), prompt_id(j));
	}
}

static void
test_every_prompt_is_written_in_every_language(void **state)
{
	const char *text;
	size_t i, l;

	(void)state;
	for (i = 0; i < prompt_count(); i++)
		for (l = 0; l < prompt_lang_count(); l++) {
			text = prompt_text(prompt_lang(l), prompt_id(i));
			if (text == NULL || text[0] == '\0')
				fail_msg(
				    "%s in %s", prompt_id(i), prompt_lang(l));
			assert_true(str_is_utf8(text, strlen(text)));
		}
}

static void
test_unknown_prompts_have_no_text(void **state)
{
	(void)state;
	assert_null(prompt_text("ja", ""));
	assert_null(prompt_text("ja", "no-such-prompt"));
	assert_null(prompt_text("xx", "greeting"));
	assert_null(prompt_text("", "greeting"));
}

/* Generous: no prompt may outlast the time that is given to it. */
static void
test_lengths_are_generous_estimates(void **state)
{
	const char *text;
	unsigned int ms;
	size_t i, l, columns;

	(void)state;
	assert_int_equal(prompt_ms("ja", "no-such-prompt"), 1000);
	assert_int_equal(prompt_ms("xx", "greeting"), 1000);
	for (i = 0; i < prompt_count(); i++)
		for (l = 0; l < prompt_lang_count(); l++) {
			text = prompt_text(prompt_lang(l), prompt_id(i));
			ms = prompt_ms(prompt_lang(l), prompt_id(i));
			columns = str_columns(text);
			/* a wide character is a mora at the least; 160 words
			 * of six letters are 16 a second */
			assert_true(ms >= (strcmp(prompt_lang(l), "ja") == 0
						  ? columns / 2 * 1000 * 2 / 13
						  : columns * 1000 / 16));
			assert_true(ms < 120000);
		}
	assert_true(prompt_ms("ja", "digit-0") < prompt_ms("ja", "greeting"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_japanese_comes_first),
		cmocka_unit_test(test_every_prompt_has_an_id_of_its_own),
		cmocka_unit_test(
		    test_every_prompt_is_written_in_every_language),
		cmocka_unit_test(test_unknown_prompts_have_no_text),
		cmocka_unit_test(test_lengths_are_generous_estimates),
	};
	return cmocka_run_group_tests_name("prompt", tests, NULL, NULL);
}
