/* SPDX-License-Identifier: Apache-2.0 */
/* Each fact about Asterisk's side of FastAGI that the telephone imitates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/phone.h"

/* A telephone, all it has sent, and what it is playing. */
struct world {
	struct phone *phone;
	char sent[8192];
	size_t n_sent, n_read;
	bool gone; /* writes fail */

	bool playing;
	struct phone_play play;
	char lang[8];
	char files[512]; /* of the play, with blanks between them */

	/* The caller's answer to a play, at once; NULL: the test answers. */
	const char *answer;
	bool answer_hangs_up;

	const char *next; /* the server's reaction to the next write */
};

static int
world_write(void *ctx, const char *bytes, size_t len)
{
	struct world *w = ctx;
	const char *next = w->next;

	if (w->gone)
		return -1;
	assert_true(w->n_sent + len < sizeof(w->sent));
	memcpy(w->sent + w->n_sent, bytes, len);
	w->n_sent += len;
	w->sent[w->n_sent] = '\0';
	w->next = NULL;
	if (next != NULL)
		assert_int_equal(
		    phone_input(w->phone, next, strlen(next), NULL), 0);
	return 0;
}

static void
world_play(void *ctx, const struct phone_play *play)
{
	struct world *w = ctx;
	size_t i;

	assert_false(w->playing);
	w->play = *play;
	snprintf(w->lang, sizeof(w->lang), "%s", play->lang);
	w->files[0] = '\0';
	for (i = 0; i < play->n; i++) {
		if (i > 0)
			strcat(w->files, " ");
		strcat(w->files, play->files[i]);
	}
	if (w->answer != NULL)
		phone_played(w->phone, w->answer, w->answer_hangs_up);
	else
		w->playing = true;
}

static const struct phone_driver driver = { world_write, world_play };

static void
world_new_phone(struct world *w, const char *from, const char *to)
{
	struct phone_options options = { .call_id = "1732331.17",
		.from = from,
		.to = to,
		.lang = "ja",
		.driver = &driver,
		.ctx = w };

	phone_free(w->phone);
	w->phone = phone_new(&options);
	assert_non_null(w->phone);
}

static int
world_open(void **state)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	world_new_phone(&w, "0312345678", "0120950178");
	*state = &w;
	return 0;
}

static int
world_close(void **state)
{
	struct world *w = *state;

	phone_free(w->phone);
	return 0;
}

/* What the telephone has sent since the last look. */
static const char *
sent(struct world *w)
{
	const char *text = w->sent + w->n_read;

	w->n_read = w->n_sent;
	return text;
}

static int
feed(struct world *w, const char *text, const char **why)
{
	return phone_input(w->phone, text, strlen(text), why);
}

/* A command, and what is sent in return. */
static const char *
command(struct world *w, const char *line)
{
	assert_int_equal(feed(w, line, NULL), 0);
	return sent(w);
}

static void
played(struct world *w, const char *digits, bool hung_up)
{
	assert_true(w->playing);
	w->playing = false;
	phone_played(w->phone, digits, hung_up);
}

/* ---- environment */

static void
test_environment_in_order(void **state)
{
	struct world *w = *state;

	phone_dial(w->phone);
	assert_string_equal(sent(w),
	    "agi_network: yes\n"
	    "agi_request: agi://localhost\n"
	    "agi_channel: PJSIP/holdline-00000001\n"
	    "agi_language: ja\n"
	    "agi_type: PJSIP\n"
	    "agi_uniqueid: 1732331.17\n"
	    "agi_version: 23.4.1\n"
	    "agi_callerid: 0312345678\n"
	    "agi_calleridname: unknown\n"
	    "agi_callingpres: 0\n"
	    "agi_callingani2: 0\n"
	    "agi_callington: 0\n"
	    "agi_callingtns: 0\n"
	    "agi_dnid: 0120950178\n"
	    "agi_rdnis: unknown\n"
	    "agi_context: holdline\n"
	    "agi_extension: 0120950178\n"
	    "agi_priority: 1\n"
	    "agi_enhanced: 0.0\n"
	    "agi_accountcode: \n"
	    "agi_threadid: 140000000000001\n"
	    "\n");
}

static void
test_no_number(void **state)
{
	struct world *w = *state;
	const char *env;

	world_new_phone(w, NULL, NULL);
	phone_dial(w->phone);
	env = sent(w);
	assert_non_null(strstr(env, "\nagi_callerid: unknown\n"));
	assert_non_null(strstr(env, "\nagi_callingpres: 67\n"));
	assert_non_null(strstr(env, "\nagi_dnid: unknown\n"));
	assert_non_null(strstr(env, "\nagi_extension: s\n"));
}

static void
test_environment_cannot_be_forged(void **state)
{
	struct world *w = *state;

	world_new_phone(w, "03\n\nagi_x: 1\r", NULL);
	phone_dial(w->phone);
	assert_non_null(strstr(sent(w), "\nagi_callerid: 03agi_x: 1\n"));
}

/* ---- replies, one row each */

static void
test_replies(void **state)
{
	static const struct {
		const char *line, *reply;
	} rows[] = {
		{ "CHANNEL STATUS\n", "200 result=4\n" },
		{ "ANSWER\n", "200 result=0\n" },
		{ "CHANNEL STATUS\n", "200 result=6\n" },
		{ "NOOP\n", "200 result=0\n" },
		{ "noop a b c\n", "200 result=0\n" },
		{ "NOOP\r\n", "510 Invalid or unknown command\n" },
		{ "\n", "510 Invalid or unknown command\n" },
		{ "SAY DIGITS 1 \"\"\n", "510 Invalid or unknown command\n" },
		{ "SET\n", "510 Invalid or unknown command\n" },
		{ "NOOPS\n", "510 Invalid or unknown command\n" },
		{ "VERBOSE \"hello\" 3\n", "200 result=1\n" },
		{ "GET VARIABLE X\n", "200 result=0\n" },
		{ "GET FULL VARIABLE ${X}\n", "200 result=1 ()\n" },
		{ "SET VARIABLE X \"\"\n", "200 result=1\n" },
		{ "GET VARIABLE X\n", "200 result=1 ()\n" },
		{ "SET VARIABLE X a\n", "200 result=1\n" },
		{ "SET VARIABLE Y \"b c)\"\n", "200 result=1\n" },
		{ "GET VARIABLE Y\n", "200 result=1 (b c))\n" },
		{ "GET FULL VARIABLE \"${X}:${Y}:${Z}:$X{}\"\n",
		    "200 result=1 (a:b c)::$X{})\n" },
		{ "GET FULL VARIABLE \"${X\"\n", "200 result=1 (${X)\n" },
		{ "SET VARIABLE X\n",
		    "520 Invalid command syntax.  Proper usage not "
		    "available.\n" },
		{ "EXEC\n",
		    "520 Invalid command syntax.  Proper usage not "
		    "available.\n" },
		{ "EXEC NoSuchThing \"x\"\n", "200 result=-2\n" },
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(command(w, rows[i].line), rows[i].reply);
}

static void
test_quoting(void **state)
{
	static const struct {
		const char *line, *value;
	} rows[] = {
		{ "SET VARIABLE V plain\n", "plain" },
		{ "SET VARIABLE V \"a b\"\n", "a b" },
		{ "SET VARIABLE V \"say \\\"x\\\"\"\n", "say \"x\"" },
		{ "SET VARIABLE V \"back\\\\slash\"\n", "back\\slash" },
		{ "SET VARIABLE V out\\\\side\n", "out\\side" },
		{ "SET VARIABLE V out\\ side\n", "out side" },
		{ "SET VARIABLE V \"\"\n", "" },
		{ "SET \t VARIABLE  V   wide  \n", "wide" },
		{ "SET VARIABLE V \"\xe7\xb4\x9b\"\n", "\xe7\xb4\x9b" },
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_string_equal(command(w, rows[i].line), "200 result=1\n");
		assert_string_equal(
		    phone_variable(w->phone, "V"), rows[i].value);
	}
}

/* GET VARIABLE cuts at 1,023 characters, GET FULL VARIABLE does not. */
static void
test_long_values(void **state)
{
	struct world *w = *state;
	char line[1600] = "SET VARIABLE V ";
	size_t head = strlen(line);

	memset(line + head, 'v', 1200);
	strcpy(line + head + 1200, "\n");
	command(w, line);
	assert_int_equal(strlen(command(w, "GET VARIABLE V\n")),
	    strlen("200 result=1 ()\n") + 1023);
	assert_int_equal(strlen(command(w, "GET FULL VARIABLE ${V}\n")),
	    strlen("200 result=1 ()\n") + 1200);
}

/* ---- lines */

static void
test_a_line_in_pieces(void **state)
{
	struct world *w = *state;

	assert_string_equal(command(w, "NO"), "");
	assert_string_equal(command(w, "OP"), "");
	assert_string_equal(command(w, "\n"), "200 result=0\n");
}

static void
test_the_longest_line(void **state)
{
	struct world *w = *state;
	char line[2100] = "NOOP ";
	const char *why;

	memset(line + 5, 'x', 2047 - 6);
	strcpy(line + 2046, "\n"); /* 2,047 bytes with it */
	assert_string_equal(command(w, line), "200 result=0\n");
	strcpy(line + 2046, "x\n");
	assert_int_equal(feed(w, line, &why), -1);
	assert_string_equal(why, "a command is longer than 2,047 bytes");
}

static void
test_an_endless_line(void **state)
{
	struct world *w = *state;
	char piece[1024];
	const char *why;

	memset(piece, 'x', sizeof(piece));
	assert_int_equal(phone_input(w->phone, piece, 1024, &why), 0);
	assert_int_equal(phone_input(w->phone, piece, 1023, &why), 0);
	assert_int_equal(phone_input(w->phone, piece, 1, &why), -1);
	assert_string_equal(why, "a command is longer than 2,047 bytes");
}

static void
test_lines_that_end_it(void **state)
{
	struct world *w = *state;
	char words[600] = "NOOP";
	const char *why;
	int i;

	assert_int_equal(feed(w, "failure\n", &why), -1);
	assert_string_equal(
	    why, "a line that starts with \"failure\" ends the AGI");
	assert_int_equal(phone_input(w->phone, "NO\0P\n", 5, &why), -1);
	assert_string_equal(why, "a command has a NUL byte");
	for (i = 1; i < 128; i++)
		strcat(words, " x");
	strcat(words, "\n");
	assert_string_equal(command(w, words), "200 result=0\n");
	words[strlen(words) - 1] = '\0';
	strcat(words, " x\n");
	assert_int_equal(feed(w, words, &why), -1);
	assert_string_equal(why, "a command has more than 128 words");
}

static void
test_one_command_in_flight(void **state)
{
	struct world *w = *state;
	const char *why;

	assert_int_equal(feed(w, "NOOP\nNOOP\n", &why), -1);
	assert_string_equal(why, "two commands came in one piece");
	assert_int_equal(feed(w, "EXEC Playback holdline/menu\n", &why), 0);
	assert_int_equal(feed(w, "NO", &why), -1);
	assert_string_equal(
	    why, "a second command came while one was in flight");
}

/* ---- playing */

static void
test_playback(void **state)
{
	struct world *w = *state;

	assert_string_equal(
	    command(w, "EXEC Playback \"holdline/greeting&holdline/notice\"\n"),
	    "");
	assert_string_equal(w->files, "greeting notice");
	assert_string_equal(w->lang, "ja");
	assert_false(w->play.collect);
	played(w, "", false);
	assert_string_equal(sent(w), "200 result=0\n");
	assert_string_equal(command(w, "CHANNEL STATUS\n"), "200 result=6\n");
}

static void
test_the_language_is_a_function(void **state)
{
	struct world *w = *state;

	command(w, "SET VARIABLE CHANNEL(language) en\n");
	command(w, "EXEC Playback beep,noanswer\n");
	assert_string_equal(w->lang, "en");
	assert_string_equal(w->files, "beep");
	played(w, "", false);
	assert_string_equal(command(w, "SET VARIABLE TIMEOUT(response) 7\n"),
	    "200 result=0\n200 result=1\n");
	assert_string_equal(phone_variable(w->phone, "TIMEOUT(response)"), "7");
}

static void
test_more_files_than_fit(void **state)
{
	struct world *w = *state;
	char line[2048] = "EXEC Playback \"a";
	const char *why;
	int i;

	for (i = 1; i < PHONE_FILES_MAX; i++)
		strcat(line, "&a");
	strcat(line, "\"\n");
	w->answer = "";
	assert_string_equal(command(w, line), "200 result=0\n");
	line[strlen(line) - 2] = '\0';
	strcat(line, "&a\"\n");
	assert_int_equal(feed(w, line, &why), -1);
	assert_string_equal(why, "more than 64 files are to be played");
}

/* ---- Read */

#define READ "EXEC Read \"D,holdline/ask-postal&holdline/silence,7,,1\"\n"
#define STATUS "GET FULL VARIABLE \"${READSTATUS}:${D}\"\n"

static void
test_read_statuses(void **state)
{
	static const struct {
		const char *typed;
		bool hung_up;
		const char *reply, *status;
	} rows[] = {
		{ "1000001", false, "200 result=0\n", "OK:1000001" },
		{ "10000019", false, "200 result=0\n", "OK:1000001" },
		{ "12#", false, "200 result=0\n", "OK:12" },
		{ "12#34", false, "200 result=0\n", "OK:12" },
		{ "#", false, "200 result=0\n", "OK:" },
		{ "1*2#", false, "200 result=0\n", "OK:1*2" },
		{ "12", false, "200 result=0\n", "TIMEOUT:12" },
		{ "", false, "200 result=0\n", "TIMEOUT:" },
		{ "12", true, "200 result=-1\nHANGUP\n", "HANGUP:12" },
		{ "", true, "200 result=-1\nHANGUP\n", "HANGUP:" },
		/* Complete before the hang-up: Read had ended. */
		{ "1000001", true, "200 result=0\nHANGUP\n", "OK:1000001" },
		{ "1#", true, "200 result=0\nHANGUP\n", "OK:1" },
	};
	struct world *w = *state;
	char reply[64];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		world_new_phone(w, NULL, NULL);
		assert_string_equal(command(w, READ), "");
		assert_true(w->play.collect);
		assert_int_equal(w->play.max, 7);
		assert_string_equal(w->files, "ask-postal silence");
		played(w, rows[i].typed, rows[i].hung_up);
		assert_string_equal(sent(w), rows[i].reply);
		snprintf(reply, sizeof(reply), "200 result=1 (%s)\n",
		    rows[i].status);
		assert_string_equal(command(w, STATUS), reply);
	}
}

/* Digits of an earlier Read are gone: nothing is carried over. */
static void
test_read_starts_anew(void **state)
{
	struct world *w = *state;

	w->answer = "1234567890";
	command(w, READ);
	w->answer = "";
	command(w, READ);
	assert_string_equal(command(w, STATUS), "200 result=1 (TIMEOUT:)\n");
}

static void
test_read_without_limit_or_variable(void **state)
{
	struct world *w = *state;

	command(w, "EXEC Read \"D\"\n");
	assert_int_equal(w->play.max, 255);
	assert_int_equal(w->play.n, 0);
	played(w, "1", false);
	command(w, "EXEC Read \"D,a,0\"\n");
	assert_int_equal(w->play.max, 255);
	played(w, "1", false);
	sent(w);
	assert_string_equal(command(w, "EXEC Read \"\"\n"), "200 result=0\n");
	assert_string_equal(phone_variable(w->phone, "READSTATUS"), "ERROR");
}

/* ---- hang-up */

static void
test_hangup_while_idle(void **state)
{
	struct world *w = *state;

	phone_hang_up(w->phone);
	assert_string_equal(sent(w), "HANGUP\n");
	phone_hang_up(w->phone);
	assert_string_equal(sent(w), "");
}

static void
test_hangup_in_playback(void **state)
{
	struct world *w = *state;

	command(w, "EXEC Playback a\n");
	phone_hang_up(w->phone);
	assert_string_equal(sent(w), "200 result=-1\nHANGUP\n");
	phone_played(w->phone, "", false); /* the player's own end: late */
	assert_string_equal(sent(w), "");
}

static void
test_a_dead_channel(void **state)
{
	static const struct {
		const char *line, *reply;
	} rows[] = {
		{ "NOOP\n", "200 result=0\n" },
		{ "SET VARIABLE HOLDLINE_RESULT visible\n", "200 result=1\n" },
		{ "GET VARIABLE HOLDLINE_RESULT\n",
		    "200 result=1 (visible)\n" },
		{ "GET FULL VARIABLE \"${HOLDLINE_RESULT}\"\n",
		    "200 result=1 (visible)\n" },
		{ "VERBOSE x\n", "200 result=1\n" },
		{ "EXEC Playback a\n", "200 result=-1\n" },
		{ "EXEC NoSuchThing\n", "200 result=-2\n" },
		{ READ, "200 result=-1\n" },
		{ STATUS, "200 result=1 (HANGUP:)\n" },
	};
	static const char *const refused[] = { "ANSWER\n", "HANGUP\n",
		"CHANNEL STATUS\n" };
	struct world *w = *state;
	size_t i;

	phone_hang_up(w->phone);
	sent(w);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(command(w, rows[i].line), rows[i].reply);
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_memory_equal(command(w, refused[i]), "511 ", 4);
	assert_false(w->playing); /* nobody is there to hear it */
}

static void
test_the_server_hangs_up(void **state)
{
	struct world *w = *state;

	assert_string_equal(command(w, "HANGUP\n"), "200 result=1\nHANGUP\n");
	assert_memory_equal(command(w, "ANSWER\n"), "511 ", 4);
}

/* The server may answer -1 before it has seen HANGUP: the channel is dead
 * already. */
static void
test_a_command_between_reply_and_hangup(void **state)
{
	struct world *w = *state;

	command(w, "EXEC Playback a\n");
	w->next = "CHANNEL STATUS\n";
	played(w, "", true);
	assert_string_equal(sent(w),
	    "200 result=-1\n"
	    "511 Command Not Permitted on a dead channel or intercept "
	    "routine\n"
	    "HANGUP\n");
}

/* A server in the same thread answers from inside a reply. */
static void
test_commands_from_inside_replies(void **state)
{
	struct world *w = *state;

	w->next = READ;
	assert_int_equal(feed(w, "ANSWER\n", NULL), 0);
	assert_true(w->playing);
	w->next = STATUS;
	played(w, "7#", false);
	assert_string_equal(
	    sent(w), "200 result=0\n200 result=0\n200 result=1 (OK:7)\n");
}

/* ---- the end */

static void
test_done_is_the_last_word(void **state)
{
	struct world *w = *state;

	assert_false(phone_done(w->phone));
	command(w, "SET VARIABLE HOLDLINE_DONE 0\n");
	assert_false(phone_done(w->phone));
	command(w, "SET VARIABLE HOLDLINE_DONE 1\n");
	assert_true(phone_done(w->phone));
	assert_null(phone_variable(w->phone, "holdline_done"));
}

static void
test_a_lost_connection(void **state)
{
	struct world *w = *state;

	w->gone = true;
	assert_string_equal(command(w, "NOOP\n"), "");
	w->gone = false; /* it is not tried again */
	assert_string_equal(command(w, "NOOP\n"), "");
	phone_free(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_environment_in_order),
		T(test_no_number),
		T(test_environment_cannot_be_forged),
		T(test_replies),
		T(test_quoting),
		T(test_long_values),
		T(test_a_line_in_pieces),
		T(test_the_longest_line),
		T(test_an_endless_line),
		T(test_lines_that_end_it),
		T(test_one_command_in_flight),
		T(test_playback),
		T(test_the_language_is_a_function),
		T(test_more_files_than_fit),
		T(test_read_statuses),
		T(test_read_starts_anew),
		T(test_read_without_limit_or_variable),
		T(test_hangup_while_idle),
		T(test_hangup_in_playback),
		T(test_a_dead_channel),
		T(test_the_server_hangs_up),
		T(test_a_command_between_reply_and_hangup),
		T(test_commands_from_inside_replies),
		T(test_done_is_the_last_word),
		T(test_a_lost_connection),
	};
	return cmocka_run_group_tests_name("phone", tests, NULL, NULL);
}
