/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/metric.h"

static int kept_stderr;
static FILE *file;
static char text[8192]; /* what was written to standard error */

/* Standard error goes into a file... */
static void
listen_in(void)
{
	fflush(stderr);
	kept_stderr = dup(STDERR_FILENO);
	file = tmpfile();
	assert_non_null(file);
	assert_int_not_equal(dup2(fileno(file), STDERR_FILENO), -1);
}

/* ... and out of it into text. */
static void
heard(void)
{
	size_t n;

	fflush(stderr);
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	rewind(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
}

static void
assert_matches(const char *pattern)
{
	regex_t re;
	int rc;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	rc = regexec(&re, text, 0, NULL, 0);
	regfree(&re);
	if (rc != 0)
		fail_msg("not like %s: %s", pattern, text);
}

#define WHEN "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}\\+09:00 "

static void
test_a_line_has_a_time_a_level_and_an_id(void **state)
{
	(void)state;
	listen_in();
	log_info("call", "1732.17", "event=%s ms=%d", "held", 8);
	heard();
	assert_matches(WHEN "info call 1732\\.17 event=held ms=8\n$");
	listen_in();
	log_warn("call", NULL, "event=x");
	heard();
	assert_matches(WHEN "warn call - event=x\n$");
}

static void
test_levels_below_the_least_are_not_written(void **state)
{
	(void)state;
	listen_in();
	log_debug("t", NULL, "silent");
	log_set_level(LOG_LEVEL_ERROR);
	log_info("t", NULL, "silent");
	log_warn("t", NULL, "silent");
	log_error("t", NULL, "loud");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("t", NULL, "detail");
	log_set_level(LOG_LEVEL_INFO);
	heard();
	assert_null(strstr(text, "silent"));
	assert_non_null(strstr(text, " error t - loud\n"));
	assert_non_null(strstr(text, " debug t - detail\n"));
}

static void
test_levels_are_read(void **state)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	enum log_level level;
	unsigned int i;

	(void)state;
	for (i = 0; i < LOG_LEVEL_COUNT; i++) {
		assert_int_equal(log_level_parse(names[i], &level), 0);
		assert_int_equal(level, i);
	}
	assert_int_equal(log_level_parse("", &level), -1);
	assert_int_equal(log_level_parse("INFO", &level), -1);
	assert_int_equal(log_level_parse("warning", &level), -1);
}

/* A peer's text cannot pretend to be a line of its own. */
static void
test_a_line_cannot_be_forged(void **state)
{
	const char *end;

	(void)state;
	listen_in();
	log_info("agi", "id\r\n2026 info", "from=%s",
	    "a\nb\tc\033[2J\x7f"
	    "東");
	heard();
	end = strchr(text, '\n');
	assert_non_null(end);
	assert_string_equal(end, "\n");
	assert_non_null(strstr(text, "id??2026 info from=a?b?c?[2J?東"));
}

static void
test_a_long_line_is_cut_and_ended(void **state)
{
	char big[5000];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	listen_in();
	log_info("t", NULL, "event=%s", big);
	log_info("t", big, "event=still-there");
	heard();
	assert_matches("info t - event=x+\n");
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_true(strlen(text) < 2 * 1024 + 2);
}

static void *
count(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 50000; i++)
		metric_add(METRIC_CALLS, 1);
	return NULL;
}

static void
test_counters_count_from_any_thread(void **state)
{
	uint64_t before = metric_get(METRIC_CALLS);
	pthread_t threads[4];
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, count, NULL), 0);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(metric_get(METRIC_CALLS) - before, 200000);
	metric_add(METRIC_CALLS, UINT64_C(1) << 40);
	assert_int_equal(
	    metric_get(METRIC_CALLS) - before, 200000 + (UINT64_C(1) << 40));
}

static void
test_counters_are_separate_and_named(void **state)
{
	unsigned int i, j;
	const char *help;

	(void)state;
	for (i = 0; i < METRIC_COUNT; i++) {
		assert_true(strlen(metric_name((enum metric)i)) > 0);
		assert_int_equal(strspn(metric_name((enum metric)i),
				     "abcdefghijklmnopqrstuvwxyz_"),
		    strlen(metric_name((enum metric)i)));
		help = metric_help((enum metric)i);
		assert_int_equal(help[strlen(help) - 1], '.');
		for (j = 0; j < i; j++)
			assert_string_not_equal(metric_name((enum metric)i),
			    metric_name((enum metric)j));
	}
	assert_string_equal(metric_name(METRIC_CALLS_REFUSED), "calls_refused");
	assert_int_equal(metric_get(METRIC_AGI_DEAD), 0);
	metric_add(METRIC_AGI_DEAD, 3);
	assert_int_equal(metric_get(METRIC_AGI_DEAD), 3);
	assert_int_equal(metric_get(METRIC_AGI_TIMEOUT), 0);
}

static void
test_counters_that_count_are_logged(void **state)
{
	unsigned int i;
	const char *line;
	char pair[80];

	(void)state;
	listen_in();
	metric_log();
	heard();
	assert_non_null(strstr(text, " agi_dead=3"));
	assert_null(strstr(text, "agi_timeout"));
	/* All of them at their longest still fit. */
	for (i = 0; i < METRIC_COUNT; i++)
		metric_add((enum metric)i,
		    UINT64_MAX / 2 - metric_get((enum metric)i));
	listen_in();
	metric_log();
	heard();
	for (i = 0; i < METRIC_COUNT; i++) {
		snprintf(pair, sizeof(pair), " %s=9223372036854775807",
		    metric_name((enum metric)i));
		if (strstr(text, pair) == NULL)
			fail_msg("%s is missing in %s", pair, text);
	}
	for (line = text; *line != '\0'; line = strchr(line, '\n') + 1)
		assert_non_null(strstr(line, " event=counters "));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line_has_a_time_a_level_and_an_id),
		cmocka_unit_test(test_levels_below_the_least_are_not_written),
		cmocka_unit_test(test_levels_are_read),
		cmocka_unit_test(test_a_line_cannot_be_forged),
		cmocka_unit_test(test_a_long_line_is_cut_and_ended),
		cmocka_unit_test(test_counters_count_from_any_thread),
		cmocka_unit_test(test_counters_are_separate_and_named),
		cmocka_unit_test(test_counters_that_count_are_logged),
	};
	return cmocka_run_group_tests_name("log, metric", tests, NULL, NULL);
}
