/* SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "wire/agi.h"

#define ENV "agi_network: yes\nagi_uniqueid: 1732.17\n\n"

/* Events as text: "E name=value", ".", "R code result (data) rest", "H", "?".
 */
struct seen {
	char text[65536];
	int left; /* say stop when this many events have come; -1 never */
	struct agi_parser *free_in_event;
};

__attribute__((format(printf, 2, 3))) static void
note(struct seen *s, const char *fmt, ...)
{
	size_t len = strlen(s->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->text + len, sizeof(s->text) - len, fmt, ap);
	va_end(ap);
}

static void
note_reply(struct seen *s, const struct agi_event *e)
{
	note(s, "R %d ", e->code);
	if (e->has_result)
		note(s, "%ld ", e->result);
	else
		note(s, "- ");
	if (e->data != NULL)
		note(s, "(%s) ", e->data);
	note(s, "%s\n", e->rest);
}

static int
on_event(void *ctx, const struct agi_event *e)
{
	struct seen *s = ctx;

	assert_non_null(e->rest);
	switch (e->type) {
	case AGI_ENV:
		note(s, "E %s=%s\n", e->name, e->value);
		break;
	case AGI_ENV_END:
		note(s, ".\n");
		break;
	case AGI_REPLY:
		note_reply(s, e);
		break;
	case AGI_HANGUP:
		note(s, "H\n");
		break;
	case AGI_ODD:
		note(s, "?\n");
		break;
	}
	if (s->left < 0 || --s->left > 0)
		return 0;
	agi_parser_free(s->free_in_event);
	return -1;
}

static struct seen seen;

/* The events of `bytes`, fed in pieces of `piece` bytes. */
static const char *
events_of(const char *bytes, size_t len, size_t piece)
{
	struct agi_parser *p = agi_parser_new(on_event, &seen);
	struct err err;
	size_t n;

	seen = (struct seen){ .left = -1 };
	for (; len > 0; bytes += n, len -= n) {
		n = len < piece ? len : piece;
		assert_int_equal(agi_feed(p, bytes, n, &err), 0);
	}
	agi_parser_free(p);
	return seen.text;
}

/* However it is cut, `bytes` mean `events`. */
static void
means(const char *bytes, size_t len, const char *events)
{
	size_t piece;

	for (piece = 1; piece <= len; piece = piece < 9 ? piece + 1 : len + 1)
		assert_string_equal(events_of(bytes, len, piece), events);
	assert_string_equal(events_of(bytes, len, len), events);
}

/* What `lines` mean after the environment. */
static void
reply_means(const char *lines, const char *events)
{
	static char bytes[32768], all[32768];

	snprintf(bytes, sizeof(bytes), "\n%s", lines);
	snprintf(all, sizeof(all), ".\n%s", events);
	means(bytes, strlen(bytes), all);
}

static void
test_environment(void **state)
{
	const char env[] = "agi_network: yes\n"
			   "agi_network_script: loss/path?x=1\n"
			   "agi_callerid: unknown\n"
			   "agi_calleridname: \xe5\xb1\xb1\xe7\x94\xb0: x\n"
			   "agi_callingpres: 67\n"
			   "agi_accountcode: \n"
			   "agi_arg_1:\n"
			   "agi_arg_2: a b: c:d\n"
			   "\n";

	(void)state;
	means(env, strlen(env),
	    "E agi_network=yes\n"
	    "E agi_network_script=loss/path?x=1\n"
	    "E agi_callerid=unknown\n"
	    "E agi_calleridname=\xe5\xb1\xb1\xe7\x94\xb0: x\n"
	    "E agi_callingpres=67\n"
	    "E agi_accountcode=\n"
	    "E agi_arg_1=\n"
	    "E agi_arg_2=a b: c:d\n"
	    ".\n");
}

static void
test_environment_odd_lines(void **state)
{
	const char odd[] = "HANGUP\n: x\nno colon\nagi_type:x\n:\nk: :v\n\n";

	(void)state;
	means(odd, strlen(odd), "?\n?\n?\n?\n?\nE k=:v\n.\n");
}

static void
test_crlf_is_tolerated(void **state)
{
	const char crlf[] = "a: b\r\n\r\n200 result=1\r\nHANGUP\r\n";

	(void)state;
	means(crlf, strlen(crlf), "E a=b\n.\nR 200 1 result=1\nH\n");
}

static void
test_results(void **state)
{
	(void)state;
	reply_means("200 result=0\n", "R 200 0 result=0\n");
	reply_means(
	    "200 result=-1 endpos=4160\n", "R 200 -1 result=-1 endpos=4160\n");
	reply_means("200 result=-2\n", "R 200 -2 result=-2\n");
	reply_means("200 result=\n", "R 200 - result=\n");
	reply_means("200 result=timeout\n", "R 200 - result=timeout\n");
	reply_means("200 result=-\n", "R 200 - result=-\n");
	reply_means("200 result=1*\n", "R 200 - result=1*\n");
	reply_means("200 result= 1\n", "R 200 - result= 1\n");
	reply_means("200 result=99999999999999999999\n",
	    "R 200 - result=99999999999999999999\n");
	reply_means("200\n", "R 200 - \n");
	reply_means("200 \n", "R 200 - \n");
	reply_means("200 ok result=1\n", "R 200 - ok result=1\n");
}

static void
test_data_ends_at_last_parenthesis(void **state)
{
	(void)state;
	reply_means(
	    "200 result=1 (OK:123)\n", "R 200 1 (OK:123) result=1 (OK:123)\n");
	reply_means(
	    "200 result=1 (a)b) c\n", "R 200 1 (a)b) result=1 (a)b) c\n");
	reply_means("200 result=1 ()\n", "R 200 1 () result=1 ()\n");
	reply_means(
	    "200 result= (timeout)\n", "R 200 - (timeout) result= (timeout)\n");
	reply_means("200 result=12 (timeout)\n",
	    "R 200 12 (timeout) result=12 (timeout)\n");
	reply_means("200 result=1 (open\n", "R 200 1 result=1 (open\n");
	reply_means("200 result=1 )(\n", "R 200 1 result=1 )(\n");
}

static void
test_other_codes(void **state)
{
	(void)state;
	reply_means("510 Invalid or unknown command\n",
	    "R 510 - Invalid or unknown command\n");
	reply_means("511 Command Not Permitted on a dead channel or intercept "
		    "routine\n",
	    "R 511 - Command Not Permitted on a dead channel or intercept "
	    "routine\n");
	reply_means("520 Invalid command syntax.  Proper usage not "
		    "available.\n",
	    "R 520 - Invalid command syntax.  Proper usage not available.\n");
}

static void
test_usage_text_is_one_reply(void **state)
{
	const char *reply = "R 520 - End of proper usage.\nR 200 1 result=1\n";

	(void)state;
	reply_means("520-Invalid command syntax.  Proper usage follows:\n"
		    "Answers channel.  200 result=0\n"
		    "\n"
		    "520 End of proper usage.\n200 result=1\n",
	    reply);
	reply_means("520-Invalid command syntax.  Proper usage follows:\n"
		    "200 result=0 if successful.520 End of proper usage.\n"
		    "200 result=1\n",
	    reply);
}

static void
test_trying_is_interim(void **state)
{
	(void)state;
	reply_means("100 result=0 Trying...\n200 result=0 Gosub complete\n",
	    "R 200 0 result=0 Gosub complete\n");
}

static void
test_hangup_at_any_moment(void **state)
{
	(void)state;
	reply_means("HANGUP\n200 result=-1 endpos=4160\nHANGUP\n",
	    "H\nR 200 -1 result=-1 endpos=4160\nH\n");
	reply_means("520-Invalid command syntax.  Proper usage follows:\n"
		    "HANGUP\n"
		    "Usage: HANGUP [<channel>]520 End of proper usage.\n",
	    "H\nR 520 - End of proper usage.\n");
}

static void
test_odd_lines_are_reported_and_skipped(void **state)
{
	(void)state;
	reply_means("\nHANGUP \nhangup\n20 x\n2000 x\n200x\n200-x\n110 x\n"
		    "100-x\n000 x\n999 x\n-20 x\nresult=1\n200 result=7\n",
	    "?\n?\n?\n?\n?\n?\n?\n?\n?\n?\n?\n?\n?\nR 200 7 result=7\n");
}

static void
test_nul_is_odd(void **state)
{
	const char env[] = "a\0b: c\nd: e\0f\n\n200 result=1\0\nHANGUP\0\n";

	(void)state;
	means(env, sizeof(env) - 1, "?\n?\n.\n?\n?\n");
}

/* ---- limits */

/* Feed the environment's end and a line of `len` bytes with its line end. */
static int
feed_line(size_t len, size_t piece)
{
	struct agi_parser *p = agi_parser_new(on_event, &seen);
	char *line = malloc(len);
	struct err err = { .code = ERR_NONE };
	size_t at, n;
	int rc = agi_feed(p, "\n", 1, &err);

	seen = (struct seen){ .left = -1 };
	memset(line, 'x', len);
	memcpy(line, "200 (", 5);
	line[len - 2] = ')';
	line[len - 1] = '\n';
	for (at = 0; at < len && rc == 0; at += n) {
		n = len - at < piece ? len - at : piece;
		rc = agi_feed(p, line + at, n, &err);
	}
	assert_int_equal(err.code, rc == 0 ? ERR_NONE : ERR_RANGE);
	agi_parser_free(p);
	free(line);
	return rc;
}

static void
test_line_limit(void **state)
{
	const size_t pieces[] = { 1, 7, 4096, 8191, 8192, 8193, 100000 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		assert_int_equal(feed_line(AGI_LINE_MAX, pieces[i]), 0);
		assert_true(strlen(seen.text) > (size_t)2 * AGI_LINE_MAX - 40);
		assert_int_equal(feed_line(AGI_LINE_MAX + 1, pieces[i]), -1);
		assert_string_equal(seen.text, "");
	}
}

/* A line without an end never takes more memory than a line may. */
static void
test_endless_line_is_bounded(void **state)
{
	struct agi_parser *p = agi_parser_new(on_event, &seen);
	char *endless = malloc(10 << 20);
	size_t before = mallinfo2().uordblks, fed = 0;
	struct err err;
	int rc = 0;

	(void)state;
	memset(endless, 'x', 10 << 20);
	assert_int_equal(agi_feed(p, endless, 10 << 20, &err), -1);
	assert_int_equal(err.code, ERR_RANGE);
	for (; rc == 0 && fed < 10 << 20; fed += 100)
		rc = agi_feed(p, endless, 100, &err);
	assert_int_equal(rc, -1);
	assert_true(fed <= AGI_LINE_MAX + 100);
	assert_true(mallinfo2().uordblks <= before + AGI_LINE_MAX + 64);
	agi_parser_free(p);
	free(endless);
}

static void
test_no_memory_is_kept_between_lines(void **state)
{
	struct agi_parser *p = agi_parser_new(on_event, &seen);
	size_t before = mallinfo2().uordblks;
	struct err err;
	char half[4000];

	(void)state;
	seen = (struct seen){ .left = -1 };
	memset(half, 'x', sizeof(half));
	assert_int_equal(agi_feed(p, half, sizeof(half), &err), 0);
	assert_int_equal(agi_feed(p, "\n200 resu", 9, &err), 0);
	assert_int_equal(agi_feed(p, "lt\n", 3, &err), 0);
	assert_true(mallinfo2().uordblks <= before);
	agi_parser_free(p);
}

/* ---- stopping */

static void
test_stop(void **state)
{
	struct agi_parser *p = agi_parser_new(on_event, &seen);
	struct err err;

	(void)state;
	seen = (struct seen){ .left = 2 };
	assert_int_equal(agi_feed(p, ENV, strlen(ENV), &err), 1);
	assert_string_equal(
	    seen.text, "E agi_network=yes\nE agi_uniqueid=1732.17\n");
	agi_parser_free(p);
}

static void
test_free_inside_event(void **state)
{
	struct agi_parser *p = agi_parser_new(on_event, &seen);
	struct err err;

	(void)state;
	seen = (struct seen){ .left = 3, .free_in_event = p };
	assert_int_equal(agi_feed(p, "agi_ne", 6, &err), 0);
	assert_int_equal(
	    agi_feed(p, ENV "HANGUP\nHAN", strlen(ENV) + 10, &err), 1);
	agi_parser_free(NULL);
}

/* ---- commands */

static void
command_is(const char *const *words, const char *line)
{
	char out[AGI_COMMAND_MAX];
	struct err err;
	int len = agi_command(out, sizeof(out), words, &err);

	assert_int_equal(len, strlen(line));
	assert_memory_equal(out, line, strlen(line));
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
test_command(void **state)
{
	(void)state;
	command_is(WORDS("ANSWER"), "ANSWER\n");
	command_is(WORDS("SET VARIABLE", "HOLDLINE_DONE", "1"),
	    "SET VARIABLE \"HOLDLINE_DONE\" \"1\"\n");
	command_is(WORDS("SET VARIABLE", "HOLDLINE_D", ""),
	    "SET VARIABLE \"HOLDLINE_D\" \"\"\n");
	command_is(
	    WORDS("EXEC Read", "D,f1&f2,8,,1"), "EXEC Read \"D,f1&f2,8,,1\"\n");
}

static void
test_command_quotes(void **state)
{
	(void)state;
	command_is(WORDS("NOOP", "a\"b\\c"), "NOOP \"a\\\"b\\\\c\"\n");
	command_is(WORDS("NOOP", "a\r\nfailure\nb"), "NOOP \"afailureb\"\n");
}

static void
test_command_limit(void **state)
{
	char word[AGI_COMMAND_MAX + 8], out[2 * AGI_COMMAND_MAX];
	const size_t most = AGI_COMMAND_MAX - strlen("NOOP \"\"\n");
	struct err err;

	(void)state;
	memset(word, 'x', sizeof(word));
	word[most] = '\0';
	assert_int_equal(
	    agi_command(out, sizeof(out), WORDS("NOOP", word), &err),
	    AGI_COMMAND_MAX);
	assert_int_equal(out[AGI_COMMAND_MAX - 1], '\n');
	word[0] = '"'; /* takes two */
	assert_int_equal(
	    agi_command(out, sizeof(out), WORDS("NOOP", word), &err), -1);
	assert_int_equal(err.code, ERR_RANGE);
	assert_int_equal(agi_command(out, 7, WORDS("ANSWER"), &err), 7);
	assert_int_equal(agi_command(out, 6, WORDS("ANSWER"), &err), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_environment_odd_lines),
		cmocka_unit_test(test_crlf_is_tolerated),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_data_ends_at_last_parenthesis),
		cmocka_unit_test(test_other_codes),
		cmocka_unit_test(test_usage_text_is_one_reply),
		cmocka_unit_test(test_trying_is_interim),
		cmocka_unit_test(test_hangup_at_any_moment),
		cmocka_unit_test(test_odd_lines_are_reported_and_skipped),
		cmocka_unit_test(test_nul_is_odd),
		cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_endless_line_is_bounded),
		cmocka_unit_test(test_no_memory_is_kept_between_lines),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_free_inside_event),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_command_quotes),
		cmocka_unit_test(test_command_limit),
	};

	return cmocka_run_group_tests_name("agi", tests, NULL, NULL);
}
