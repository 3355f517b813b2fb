/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/metric.h"
#include "base/timer.h"
#include "call/agi_leg.h"

#define MS INT64_C(1000)
#define S INT64_C(1000000)
#define SLACK (5 * S)

#define ENV_HEAD \
	"agi_network: yes\nagi_request: agi://127.0.0.1/\n" \
	"agi_channel: PJSIP/trunk-00000001\nagi_language: ja\n" \
	"agi_type: PJSIP\nagi_uniqueid: tokyo-1732.17\nagi_version: 23.4.1\n"
#define ENV_TAIL \
	"agi_callingani2: 0\nagi_callington: 0\nagi_callingtns: 0\n" \
	"agi_dnid: 0120950178\nagi_rdnis: unknown\nagi_context: holdline\n" \
	"agi_extension: 0120950178\nagi_priority: 3\nagi_enhanced: 0.0\n" \
	"agi_accountcode: \nagi_threadid: 140245\n\n"
#define ENV \
	ENV_HEAD "agi_callerid: 0312345678\nagi_calleridname: x\n" \
		 "agi_callingpres: 0\n" ENV_TAIL

#define READ(files, max) \
	"EXEC Read \"HOLDLINE_D," files "&holdline/silence," max ",,1\"\n"
#define FETCH "GET FULL VARIABLE \"${READSTATUS}:${HOLDLINE_D}\"\n"
#define SET(name, value) "SET VARIABLE \"" name "\" \"" value "\"\n"

/* One leg in virtual time: what it wrote and what it reported, as text. */
struct world {
	struct timers *timers;
	int64_t now_us;
	struct leg *leg;
	char wrote[65536], told[4096];
	bool broken; /* writing fails */
	bool in_request;
	/* What the session does inside an event. */
	bool free_on_ready, free_on_collected, end_on_collected;
	bool end_on_hung_up, say_on_collected, free_on_failed;
	uint64_t garbage, too_long, timeout, dead; /* counters at the start */
};

static int64_t
world_now(void *ctx)
{
	return ((struct world *)ctx)->now_us;
}

__attribute__((format(printf, 2, 3))) static void
note(struct world *w, const char *fmt, ...)
{
	size_t len = strlen(w->told);
	va_list ap;

	assert_false(w->in_request); /* events never come from a request */
	va_start(ap, fmt);
	vsnprintf(w->told + len, sizeof(w->told) - len, fmt, ap);
	va_end(ap);
}

static void
drop(struct world *w)
{
	leg_free(w->leg);
	w->leg = NULL;
}

static void
on_ready(void *ctx, const struct leg_info *i)
{
	struct world *w = ctx;

	note(w, "ready %s %s [%s] [%s]\n", i->call_id,
	    i->number == NULL ? "-" : i->number, i->dnis, i->lang);
	if (w->free_on_ready)
		drop(w);
}

static void
on_answered(void *ctx)
{
	note(ctx, "answered\n");
}

static void
on_said(void *ctx)
{
	note(ctx, "said\n");
}

static void say(
    struct world *w, const char *lang, const char *file, unsigned int ms);
static void end(struct world *w, enum leg_next next, const char *result);

static void
on_collected(void *ctx, enum leg_collect_end how, const char *digits)
{
	const char *names[] = { "full", "timeout", "hangup" };
	struct world *w = ctx;

	note(w, "%s [%s]\n", names[how], digits);
	if (w->end_on_collected)
		end(w, LEG_NEXT_PERSON, "trouble");
	if (w->say_on_collected)
		say(w, "ja", "menu", 1000);
	if (w->free_on_collected)
		drop(w);
}

static void
on_hung_up(void *ctx)
{
	struct world *w = ctx;

	note(w, "hung_up\n");
	if (w->end_on_hung_up)
		end(w, LEG_NEXT_HANGUP, "hung-up");
}

static void
on_failed(void *ctx, const char *why)
{
	struct world *w = ctx;

	note(w, "failed %s\n", why);
	if (w->free_on_failed)
		drop(w);
}

static void
on_ended(void *ctx)
{
	struct world *w = ctx;

	note(w, "ended\n");
	drop(w);
}

static const struct leg_events events = { .ready = on_ready,
	.answered = on_answered,
	.said = on_said,
	.collected = on_collected,
	.hung_up = on_hung_up,
	.failed = on_failed,
	.ended = on_ended };

static int
world_write(void *ctx, const char *line, size_t len)
{
	struct world *w = ctx;
	size_t had = strlen(w->wrote);

	assert_true(len <= 1024 && line[len - 1] == '\n');
	assert_ptr_equal(memchr(line, '\n', len), line + len - 1);
	assert_true(had + len < sizeof(w->wrote));
	if (w->broken)
		return -1;
	memcpy(w->wrote + had, line, len);
	w->wrote[had + len] = '\0';
	return 0;
}

static int
world_open(void **state)
{
	static struct world w;
	const struct timer_clock clock = { world_now, world_now, &w };

	w = (struct world){ .now_us = 1000 * S,
		.garbage = metric_get(METRIC_AGI_GARBAGE),
		.too_long = metric_get(METRIC_AGI_TOO_LONG),
		.timeout = metric_get(METRIC_AGI_TIMEOUT),
		.dead = metric_get(METRIC_AGI_DEAD) };
	w.timers = timers_new(&clock);
	w.leg = agi_leg_new(&(const struct agi_leg_options){ .timers = w.timers,
	    .events = &events,
	    .ctx = &w,
	    .slack_us = SLACK,
	    .write = world_write,
	    .write_ctx = &w });
	*state = &w;
	return w.leg == NULL;
}

static int
world_close(void **state)
{
	struct world *w = *state;

	leg_free(w->leg);
	assert_true(timers_next(w->timers) == INT64_MAX);
	timers_free(w->timers);
	return 0;
}

/* ---- what the gateway and the session do */

static void
hear(struct world *w, const char *bytes)
{
	agi_leg_input(w->leg, bytes, strlen(bytes));
}

/* `command` was written, and nothing else; the gateway then says `reply`. */
static void
turn(struct world *w, const char *command, const char *reply)
{
	assert_string_equal(w->wrote, command);
	w->wrote[0] = '\0';
	hear(w, reply);
}

static void
told(struct world *w, const char *what)
{
	assert_string_equal(w->told, what);
	w->told[0] = '\0';
}

/* It was told that the leg failed, and why. */
static void
failed(struct world *w, const char *part)
{
	assert_memory_equal(w->told, "failed ", 7);
	assert_non_null(strstr(w->told, part));
	assert_ptr_equal(strchr(w->told, '\n'), w->told + strlen(w->told) - 1);
	w->told[0] = '\0';
}

static void
quiet(struct world *w)
{
	told(w, "");
	assert_string_equal(w->wrote, "");
}

static void
pass(struct world *w, int64_t us)
{
	w->now_us += us;
	timers_run(w->timers);
}

/* The deadline is exactly `us` away. */
static void
waits(struct world *w, int64_t us)
{
	assert_int_equal(timers_next(w->timers) - w->now_us, us);
}

static void
answer(struct world *w)
{
	w->in_request = true;
	leg_answer(w->leg);
	w->in_request = false;
}

static void
say(struct world *w, const char *lang, const char *file, unsigned int ms)
{
	const struct leg_say s = {
		.lang = lang, .files = &file, .n = 1, .ms = ms
	};
	bool was = w->in_request;

	w->in_request = true;
	leg_say(w->leg, &s);
	w->in_request = was;
}

static void
collect(struct world *w, unsigned int max, unsigned int first_ms,
    unsigned int next_ms)
{
	const char *files[] = { "ask-birth", "beep" };
	const struct leg_collect c = {
		.say = { .lang = "ja", .files = files, .n = 2, .ms = 4200 },
		.max = max,
		.first_ms = first_ms,
		.next_ms = next_ms
	};

	w->in_request = true;
	leg_collect(w->leg, &c);
	w->in_request = false;
}

static void
end(struct world *w, enum leg_next next, const char *result)
{
	bool was = w->in_request;

	w->in_request = true;
	leg_end(w->leg, next, result);
	w->in_request = was;
}

static void
begin(struct world *w)
{
	hear(w, ENV);
	told(w, "ready tokyo-1732.17 0312345678 [0120950178] [ja]\n");
}

/* Idle, with the time-outs set by an earlier collection. */
static void
begin_and_collect(struct world *w)
{
	begin(w);
	collect(w, 8, 7000, 5000);
	turn(w, SET("TIMEOUT(response)", "7"), "200 result=1\n");
	turn(w, SET("TIMEOUT(digit)", "5"), "200 result=1\n");
	turn(
	    w, READ("holdline/ask-birth&holdline/beep", "8"), "200 result=0\n");
	turn(w, FETCH, "200 result=1 (OK:19850412)\n");
	told(w, "full [19850412]\n");
}

/* Until Read is in flight. */
static void
begin_reading(struct world *w)
{
	begin_and_collect(w);
	collect(w, 4, 7000, 5000);
	assert_string_equal(
	    w->wrote, READ("holdline/ask-birth&holdline/beep", "4"));
	w->wrote[0] = '\0';
}

/* ---- the environment */

static void
test_ready(void **state)
{
	struct world *w = *state;

	hear(w, ENV_HEAD);
	quiet(w); /* the server speaks only after the empty line */
	waits(w, 10 * S);
	hear(w, "agi_callerid: 0312345678\n" ENV_TAIL);
	told(w, "ready tokyo-1732.17 0312345678 [0120950178] [ja]\n");
	quiet(w);
	assert_true(timers_next(w->timers) == INT64_MAX);
}

static void
number_is(void **state, const char *lines, const char *number)
{
	struct world *w = *state;
	char expect[256];

	hear(w, ENV_HEAD);
	hear(w, lines);
	hear(w, ENV_TAIL);
	snprintf(expect, sizeof(expect),
	    "ready tokyo-1732.17 %s [0120950178] [ja]\n", number);
	told(w, expect);
}

static void
test_number_unknown(void **state)
{
	number_is(state, "agi_callerid: unknown\nagi_callingpres: 67\n", "-");
}

static void
test_number_empty(void **state)
{
	number_is(state, "agi_callerid: \n", "-");
}

static void
test_number_withheld(void **state)
{
	number_is(
	    state, "agi_callerid: 0312345678\nagi_callingpres: 35\n", "-");
}

static void
test_number_unavailable(void **state)
{
	number_is(
	    state, "agi_callerid: 0312345678\nagi_callingpres: 67\n", "-");
}

static void
test_number_shown_whatever_screening(void **state)
{
	number_is(state, "agi_callerid: +81312345678\nagi_callingpres: 3\n",
	    "+81312345678");
}

static void
test_number_with_odd_presentation(void **state)
{
	number_is(state, "agi_callerid: 0312345678\nagi_callingpres: x\n", "-");
}

/* A name is not escaped: what looks like lines in it changes nothing. */
static void
test_name_cannot_forge(void **state)
{
	number_is(state,
	    "agi_callerid: 0312345678\nagi_calleridname: \n"
	    "agi_uniqueid: forged\nagi_callerid: 110\n",
	    "0312345678");
}

static void
test_dialled_number(void **state)
{
	struct world *w = *state;

	hear(w,
	    "agi_uniqueid: 1.2\nagi_dnid: unknown\n"
	    "agi_extension: 0120950178\n\n");
	told(w, "ready 1.2 - [0120950178] []\n");
}

static void
test_no_dialled_number(void **state)
{
	struct world *w = *state;

	hear(w, "agi_uniqueid: 1.2\nagi_dnid: unknown\nagi_extension: s\n\n");
	told(w, "ready 1.2 - [] []\n");
}

static void
test_no_unique_id(void **state)
{
	struct world *w = *state;

	hear(w, "agi_network: yes\nagi_uniqueid: \n\n");
	failed(w, "agi_uniqueid");
	assert_true(timers_next(w->timers) == INT64_MAX);
	hear(w, "200 result=0\nHANGUP\n"); /* no event after failed */
	agi_leg_closed(w->leg, "closed");
	quiet(w);
}

static void
test_long_unique_id(void **state)
{
	struct world *w = *state;
	char env[128] = "agi_uniqueid: ";

	memset(env + 14, '1', 64);
	strcpy(env + 14 + 64, "\n\n");
	hear(w, env);
	failed(w, "longer than 63 bytes");
}

static void
test_longest_unique_id(void **state)
{
	struct world *w = *state;
	char env[128] = "agi_uniqueid: ";

	memset(env + 14, '1', 63);
	strcpy(env + 14 + 63, "\n\n");
	hear(w, env);
	assert_memory_equal(w->told, "ready 111", 9);
}

static void
test_environment_deadline(void **state)
{
	struct world *w = *state;

	hear(w, ENV_HEAD);
	pass(w, 10 * S - 1);
	quiet(w);
	pass(w, 1);
	failed(w, "no call came within 10 s");
}

static void
test_garbage(void **state)
{
	struct world *w = *state;

	hear(w, "GET / HTTP/1.1\r\n");
	assert_int_equal(metric_get(METRIC_AGI_GARBAGE), w->garbage + 1);
	quiet(w);
}

static void
test_endless_line(void **state)
{
	struct world *w = *state;
	static char endless[100000];

	memset(endless, 'x', sizeof(endless) - 1);
	w->free_on_failed = true;
	hear(w, endless);
	failed(w, "longer than 8192 bytes");
	assert_null(w->leg);
	assert_int_equal(metric_get(METRIC_AGI_TOO_LONG), w->too_long + 1);
}

static void
test_closed_before_a_call(void **state)
{
	struct world *w = *state;

	w->free_on_failed = true;
	agi_leg_closed(w->leg, "connection closed by the peer");
	failed(w, "connection closed by the peer");
}

static void
test_free_inside_ready(void **state)
{
	struct world *w = *state;

	w->free_on_ready = true;
	hear(w, ENV "HANGUP\n");
	told(w, "ready tokyo-1732.17 0312345678 [0120950178] [ja]\n");
}

/* ---- answering and speaking */

static void
test_answer(void **state)
{
	struct world *w = *state;

	begin(w);
	answer(w);
	waits(w, 500 * MS + SLACK);
	turn(w, "ANSWER\n", "200 result=0\n");
	told(w, "answered\n");
	assert_true(timers_next(w->timers) == INT64_MAX);
}

static void
test_say(void **state)
{
	struct world *w = *state;

	begin(w);
	say(w, "ja", "greeting", 4000);
	waits(w, 4000 * MS + SLACK);
	turn(w, "EXEC Playback \"holdline/greeting\"\n", "200 result=0\n");
	told(w, "said\n");
}

static void
test_language_when_it_changes(void **state)
{
	struct world *w = *state;

	begin(w);
	say(w, "en", "greeting", 4000);
	waits(w, SLACK);
	turn(w, SET("CHANNEL(language)", "en"), "200 result=1\n");
	turn(w, "EXEC Playback \"holdline/greeting\"\n", "200 result=0\n");
	told(w, "said\n");
	say(w, "en", "menu", 4000);
	turn(w, "EXEC Playback \"holdline/menu\"\n", "200 result=0\n");
}

/* EXEC Playback of a missing file returns 0: the conversation goes on. */
static void
test_result_missing_or_not_a_number(void **state)
{
	struct world *w = *state;

	begin(w);
	say(w, "ja", "greeting", 4000);
	turn(w, "EXEC Playback \"holdline/greeting\"\n", "200 result=\n");
	told(w, "said\n");
}

static void
test_trying_is_no_reply(void **state)
{
	struct world *w = *state;

	begin(w);
	answer(w);
	turn(w, "ANSWER\n", "100 result=0 Trying...\n");
	quiet(w);
	hear(w, "200 result=0\n");
	told(w, "answered\n");
}

#define MANY 60

/* `n` prompts of 30 bytes each with their separator. */
static void
many(const char *files[MANY], char names[MANY][24])
{
	int i;

	for (i = 0; i < MANY; i++) {
		snprintf(names[i], 24, "a-very-long-prompt-%d", 10 + i);
		files[i] = names[i];
	}
}

/* How many prompts the commands hold, in order, none lost or played twice. */
static void
all_played(const char *commands, int n)
{
	char name[64];
	int i;

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "holdline/a-very-long-prompt-%d",
		    10 + i);
		commands = strstr(commands, name);
		assert_non_null(commands);
		commands += strlen(name);
		assert_null(strstr(commands, name));
	}
}

static void
test_long_list_is_played_in_parts(void **state)
{
	struct world *w = *state;
	static char names[MANY][24];
	const char *files[MANY];
	struct leg_say s = { .lang = "ja", .files = files, .ms = 60000 };
	int parts;

	many(files, names);
	begin(w);
	for (s.n = 30; s.n <= MANY; s.n++) {
		w->wrote[0] = '\0';
		leg_say(w->leg, &s);
		for (parts = 1; w->told[0] == '\0'; parts++)
			hear(w, "200 result=0\n");
		told(w, "said\n");
		all_played(w->wrote, (int)s.n);
		assert_in_range(parts, s.n <= 32 ? 2 : 3, s.n <= 32 ? 2 : 4);
	}
}

/* For a collection the last command is a Read that holds all it can. */
static void
test_long_list_before_read(void **state)
{
	struct world *w = *state;
	static char names[MANY][24];
	const char *files[MANY], *read;
	struct leg_collect c = { .say = { .lang = "ja", .files = files },
		.max = 32,
		.first_ms = 7000,
		.next_ms = 5000 };

	many(files, names);
	begin_and_collect(w);
	for (c.say.n = 25; c.say.n <= MANY; c.say.n++) {
		leg_collect(w->leg, &c);
		while ((read = strstr(w->wrote, "EXEC Read")) == NULL)
			hear(w, "200 result=0\n");
		assert_ptr_equal(
		    strchr(read, '\n') + 1, w->wrote + strlen(w->wrote));
		all_played(w->wrote, (int)c.say.n);
		if (c.say.n > 32)
			assert_in_range(strlen(read), 1024 - 31, 1024);
		hear(w, "200 result=0\n");
		hear(w, "200 result=1 (OK:1)\n");
		told(w, "full [1]\n");
		w->wrote[0] = '\0';
	}
}

/* ---- collecting */

static void
test_collect(void **state)
{
	struct world *w = *state;

	begin(w);
	collect(w, 8, 7000, 4001);
	waits(w, SLACK);
	turn(w, SET("TIMEOUT(response)", "7"), "200 result=1\n");
	turn(w, SET("TIMEOUT(digit)", "5"), "200 result=1\n");
	waits(w, 4200 * MS + 7 * S + 8 * 5 * S + SLACK);
	turn(
	    w, READ("holdline/ask-birth&holdline/beep", "8"), "200 result=0\n");
	waits(w, SLACK);
	turn(w, FETCH, "200 result=1 (OK:19850412)\n");
	told(w, "full [19850412]\n");
	collect(w, 4, 7000, 5000); /* nothing changed: two round trips */
	turn(
	    w, READ("holdline/ask-birth&holdline/beep", "4"), "200 result=0\n");
	turn(w, FETCH, "200 result=1 (TIMEOUT:12)\n");
	told(w, "timeout [12]\n");
	collect(w, 4, 9000, 5000); /* only one of them changed */
	turn(w, SET("TIMEOUT(response)", "9"), "200 result=1\n");
	turn(
	    w, READ("holdline/ask-birth&holdline/beep", "4"), "200 result=0\n");
}

/* What Read and GET FULL VARIABLE say -> what the session hears. */
static void
fetched(void **state, const char *reply, const char *events_told)
{
	struct world *w = *state;

	begin_reading(w);
	hear(w, "200 result=0\n");
	turn(w, FETCH, reply);
	told(w, events_told);
}

static void
test_lone_hash(void **state)
{
	fetched(state, "200 result=1 (OK:)\n", "full []\n");
}

static void
test_star(void **state)
{
	fetched(state, "200 result=1 (OK:1*2)\n", "full [1*2]\n");
}

/* Keys that no telephone of a caller has make no entry of digits. */
static void
test_letters(void **state)
{
	fetched(state, "200 result=1 (OK:1AbD)\n", "full [1***]\n");
}

static void
test_nothing_typed(void **state)
{
	fetched(state, "200 result=1 (TIMEOUT:)\n", "timeout []\n");
}

static void
test_hangup_keeps_digits(void **state)
{
	fetched(state, "200 result=1 (HANGUP:12)\n", "hangup [12]\nhung_up\n");
}

static void
test_read_error(void **state)
{
	fetched(state, "200 result=1 (ERROR:)\n", "timeout []\n");
}

static void
test_read_interrupted(void **state)
{
	fetched(state, "200 result=1 (INTERRUPTED:1)\n", "timeout [1]\n");
}

static void
test_variables_unset(void **state)
{
	fetched(state, "200 result=1 (:)\n", "timeout []\n");
}

static void
test_variable_without_value(void **state)
{
	fetched(state, "200 result=0\n", "timeout []\n");
}

static void
refuses_value(void **state, const char *reply)
{
	struct world *w = *state;

	begin_reading(w);
	hear(w, "200 result=0\n");
	turn(w, FETCH, reply);
	failed(w, "HOLDLINE_D");
	assert_int_equal(metric_get(METRIC_AGI_GARBAGE), w->garbage + 1);
}

static void
test_value_too_long(void **state)
{
	refuses_value(state, "200 result=1 (OK:12345)\n");
}

static void
test_value_with_hash(void **state)
{
	refuses_value(state, "200 result=1 (OK:12#)\n");
}

static void
test_value_of_text(void **state)
{
	refuses_value(state, "200 result=1 (OK:x)y)\n");
}

static void
test_value_without_colon(void **state)
{
	refuses_value(state, "200 result=1 (OK)\n");
}

static void
test_free_inside_collected(void **state)
{
	struct world *w = *state;

	begin_reading(w);
	w->free_on_collected = true;
	hear(w, "200 result=0\n");
	turn(w, FETCH, "200 result=1 (HANGUP:12)\nHANGUP\n");
	told(w, "hangup [12]\n");
}

/* ---- hanging up */

static void
ends_dead(struct world *w)
{
	end(w, LEG_NEXT_HANGUP, "hung-up");
	waits(w, 2 * S);
	turn(w, SET("HOLDLINE_RESULT", "hung-up"), "200 result=1\n");
	turn(w, SET("HOLDLINE_NEXT", "hangup"), "200 result=1\n");
	turn(w, SET("HOLDLINE_DONE", "1"), "200 result=1\n");
	told(w, "ended\n");
}

static void
test_hangup_when_idle(void **state)
{
	struct world *w = *state;

	begin(w);
	hear(w, "HANGUP\n");
	told(w, "hung_up\n");
	hear(w, "HANGUP\n"); /* a second one comes at every session's end */
	quiet(w);
	ends_dead(w);
}

static void
test_hangup_after_playback(void **state)
{
	struct world *w = *state;

	begin(w);
	say(w, "ja", "greeting", 4000);
	turn(w, "EXEC Playback \"holdline/greeting\"\n",
	    "200 result=-1 endpos=4160\n");
	told(w, "hung_up\n");
	pass(w, 42 * MS);
	hear(w, "HANGUP\n");
	quiet(w);
	ends_dead(w);
}

/* HANGUP crosses a command: its reply is still to come. */
static void
test_hangup_before_the_reply(void **state)
{
	struct world *w = *state;

	begin(w);
	say(w, "ja", "greeting", 60000);
	hear(w, "HANGUP\n");
	told(w, "");
	waits(w, 2 * S);
	turn(w, "EXEC Playback \"holdline/greeting\"\n", "200 result=0\n");
	told(w, "hung_up\n");
	ends_dead(w);
}

/* The reply after HANGUP never comes: nothing more is sent. */
static void
test_hangup_and_no_reply(void **state)
{
	struct world *w = *state;

	begin(w);
	say(w, "ja", "greeting", 60000);
	hear(w, "HANGUP\n");
	w->wrote[0] = '\0';
	pass(w, 2 * S);
	told(w, "hung_up\n");
	assert_int_equal(metric_get(METRIC_AGI_TIMEOUT), w->timeout + 1);
	end(w, LEG_NEXT_HANGUP, "hung-up");
	quiet(w);
	pass(w, 0);
	told(w, "ended\n");
	assert_string_equal(w->wrote, "");
}

static void
test_hangup_between_language_and_playback(void **state)
{
	struct world *w = *state;

	begin(w);
	say(w, "en", "greeting", 4000);
	hear(w, "HANGUP\n");
	turn(w, SET("CHANNEL(language)", "en"), "200 result=1\n");
	told(w, "hung_up\n");
	assert_string_equal(w->wrote, "");
}

static void
test_hangup_during_read_keeps_digits(void **state)
{
	struct world *w = *state;

	begin_reading(w);
	hear(w, "HANGUP\n");
	waits(w, 2 * S);
	hear(w, "200 result=0\n");
	waits(w, 2 * S);
	turn(w, FETCH, "200 result=1 (HANGUP:12)\n");
	told(w, "hangup [12]\nhung_up\n");
}

static void
test_hangup_during_fetch_keeps_digits(void **state)
{
	struct world *w = *state;

	begin_reading(w);
	hear(w, "200 result=0\n");
	hear(w, "HANGUP\n");
	waits(w, 2 * S);
	told(w, "");
	turn(w, FETCH, "200 result=1 (OK:1)\n");
	told(w, "hangup [1]\nhung_up\n");
	hear(w, "HANGUP\n");
	quiet(w);
}

static void
test_read_fails_by_hangup(void **state)
{
	struct world *w = *state;

	begin_reading(w);
	hear(w, "200 result=-1\n");
	turn(w, FETCH, "200 result=1 (OK:12)\n");
	told(w, "hangup [12]\nhung_up\n");
}

static void
test_hangup_and_digits_never_come(void **state)
{
	struct world *w = *state;

	begin_reading(w);
	hear(w, "HANGUP\n200 result=0\n");
	w->wrote[0] = '\0';
	pass(w, 2 * S);
	told(w, "hung_up\n");
}

static void
test_closed_after_hangup(void **state)
{
	struct world *w = *state;

	begin_reading(w);
	hear(w, "HANGUP\n");
	agi_leg_closed(w->leg, "closed");
	told(w, "hung_up\n");
	end(w, LEG_NEXT_HANGUP, "hung-up");
	quiet(w);
	pass(w, 0);
	told(w, "ended\n");
}

/* hung_up comes once, also when nobody ends the leg before it closes. */
static void
test_closed_after_digits_and_hangup(void **state)
{
	struct world *w = *state;

	begin_reading(w);
	hear(w, "200 result=0\n");
	hear(w, "200 result=1 (HANGUP:12)\n");
	told(w, "hangup [12]\nhung_up\n");
	agi_leg_closed(w->leg, "closed");
	failed(w, "closed");
}

/* AGISIGHUP=no: no HANGUP line, only 511 or -1. */
static void
test_dead_channel_511(void **state)
{
	struct world *w = *state;

	begin(w);
	answer(w);
	turn(w, "ANSWER\n",
	    "511 Command Not Permitted on a dead channel or intercept "
	    "routine\n");
	told(w, "hung_up\n");
	assert_int_equal(metric_get(METRIC_AGI_DEAD), w->dead + 1);
	ends_dead(w);
}

static void
test_dead_channel_511_for_read(void **state)
{
	struct world *w = *state;

	begin_reading(w);
	hear(w, "511 Command Not Permitted on a dead channel\n");
	told(w, "hung_up\n"); /* old digits are not taken for new ones */
	assert_string_equal(w->wrote, "");
}

static void
test_answer_fails_by_hangup(void **state)
{
	struct world *w = *state;

	begin(w);
	answer(w);
	turn(w, "ANSWER\n", "200 result=-1\nHANGUP\n");
	told(w, "hung_up\n");
}

static void
test_end_inside_hung_up(void **state)
{
	struct world *w = *state;

	begin(w);
	w->end_on_hung_up = true;
	hear(w, "HANGUP\n");
	told(w, "hung_up\n");
	turn(w, SET("HOLDLINE_RESULT", "hung-up"), "200 result=1\nHANGUP\n");
	turn(w, SET("HOLDLINE_NEXT", "hangup"), "200 result=1\n");
	turn(w, SET("HOLDLINE_DONE", "1"), "200 result=1\n");
	told(w, "ended\n");
}

/* The session may end the call when it hears the digits, and once more when
 * it hears of the hang-up. */
static void
test_end_inside_collected_and_hung_up(void **state)
{
	struct world *w = *state;

	begin_reading(w);
	w->end_on_collected = w->end_on_hung_up = true;
	hear(w, "200 result=0\n");
	turn(w, FETCH, "200 result=1 (HANGUP:1)\n");
	told(w, "hangup [1]\nhung_up\n");
	turn(w, SET("HOLDLINE_D", ""), "200 result=1\n");
	turn(w, SET("HOLDLINE_RESULT", "trouble"), "200 result=1\n");
	turn(w, SET("HOLDLINE_NEXT", "person"), "200 result=1\n");
	turn(w, SET("HOLDLINE_DONE", "1"), "200 result=1\n");
	told(w, "ended\n");
}

static void
test_request_overtaken_by_hung_up(void **state)
{
	struct world *w = *state;

	begin_reading(w);
	w->say_on_collected = true;
	hear(w, "200 result=0\n");
	turn(w, FETCH, "200 result=1 (HANGUP:1)\n");
	told(w, "hangup [1]\nhung_up\n");
	assert_string_equal(w->wrote, "");
}

/* ---- ending */

static void
test_end(void **state)
{
	struct world *w = *state;

	begin(w);
	end(w, LEG_NEXT_PERSON, "not-verified");
	waits(w, SLACK);
	turn(w, SET("HOLDLINE_RESULT", "not-verified"), "200 result=1\n");
	turn(w, SET("HOLDLINE_NEXT", "person"), "200 result=1\n");
	waits(w, 2 * S);
	turn(w, SET("HOLDLINE_DONE", "1"), "200 result=1\n");
	told(w, "ended\n");
}

static void
test_done_is_the_last_act(void **state)
{
	struct world *w = *state;

	begin_and_collect(w);
	end(w, LEG_NEXT_HANGUP, "visible");
	turn(w, SET("HOLDLINE_D", ""), "200 result=1\n");
	turn(w, SET("HOLDLINE_RESULT", "visible"), "200 result=1\n");
	turn(w, SET("HOLDLINE_NEXT", "hangup"), "200 result=1\n");
	told(w, "");
	turn(w, SET("HOLDLINE_DONE", "1"), "200 result=1\n");
	told(w, "ended\n");
	assert_null(w->leg);
}

static void
begin_ending(struct world *w)
{
	begin(w);
	end(w, LEG_NEXT_PERSON, "trouble");
	turn(w, SET("HOLDLINE_RESULT", "trouble"), "200 result=1\n");
	turn(w, SET("HOLDLINE_NEXT", "person"), "200 result=1\n");
	assert_string_equal(w->wrote, SET("HOLDLINE_DONE", "1"));
	told(w, "");
}

static void
test_end_without_reply(void **state)
{
	struct world *w = *state;

	begin_ending(w);
	pass(w, 2 * S - 1);
	told(w, "");
	pass(w, 1);
	told(w, "ended\n");
}

static void
test_end_and_close(void **state)
{
	struct world *w = *state;

	begin_ending(w);
	agi_leg_closed(w->leg, "closed");
	told(w, "ended\n");
}

static void
test_end_and_hangup(void **state)
{
	struct world *w = *state;

	begin_ending(w);
	hear(w, "HANGUP\n");
	told(w, "");
	hear(w, "200 result=1\n");
	told(w, "ended\n");
}

static void
test_end_refused(void **state)
{
	struct world *w = *state;

	begin(w);
	end(w, LEG_NEXT_PERSON, "trouble");
	hear(w, "510 Invalid or unknown command\n");
	hear(w, "520 Invalid command syntax.\n");
	hear(w, "511 Command Not Permitted\n");
	told(w, "ended\n");
}

static void
test_end_and_write_fails(void **state)
{
	struct world *w = *state;

	begin(w);
	w->broken = true;
	end(w, LEG_NEXT_PERSON, "trouble");
	told(w, "");
	pass(w, 0);
	told(w, "ended\n");
}

/* ---- failing */

static void
test_command_deadline(void **state)
{
	struct world *w = *state;

	begin(w);
	say(w, "ja", "greeting", 4000);
	pass(w, 4000 * MS + SLACK - 1);
	told(w, "");
	pass(w, 1);
	failed(w, "did not reply to EXEC Playback in time");
	assert_int_equal(metric_get(METRIC_AGI_TIMEOUT), w->timeout + 1);
	hear(w, "200 result=0\n"); /* too late */
	told(w, "");
}

static void
test_write_fails(void **state)
{
	struct world *w = *state;

	begin(w);
	w->broken = true;
	answer(w);
	told(w, ""); /* never from inside the request */
	pass(w, 0);
	failed(w, "no longer reads");
}

static void
test_closed_in_mid_command(void **state)
{
	struct world *w = *state;

	begin(w);
	answer(w);
	agi_leg_closed(w->leg, "connection closed by the peer");
	failed(w, "connection closed by the peer");
	agi_leg_closed(w->leg, "again");
	told(w, "");
}

static void
test_no_playback(void **state)
{
	struct world *w = *state;

	begin(w);
	say(w, "ja", "greeting", 4000);
	hear(w, "200 result=-2\n");
	failed(w, "app_playback");
}

static void
test_no_read(void **state)
{
	struct world *w = *state;

	begin_reading(w);
	hear(w, "200 result=-2\n");
	failed(w, "app_read");
}

static void
test_refused_510(void **state)
{
	struct world *w = *state;

	begin(w);
	answer(w);
	hear(w, "510 Invalid or unknown command\n");
	failed(w, "answered 510 to ANSWER");
}

static void
test_refused_520(void **state)
{
	struct world *w = *state;

	begin_reading(w);
	hear(w,
	    "520-Invalid command syntax.  Proper usage follows:\n"
	    "Usage: EXEC 200 result=0520 End of proper usage.\n");
	failed(w, "answered 520 to EXEC Read");
}

static void
test_hangup_inside_usage(void **state)
{
	struct world *w = *state;

	begin_reading(w);
	hear(w, "520-Invalid command syntax.\nHANGUP\nUsage\n");
	told(w, "");
	hear(w, "520 End of proper usage.\n");
	told(w, "hung_up\n");
}

static void
test_reply_to_nothing(void **state)
{
	struct world *w = *state;

	begin(w);
	hear(w, "200 result=0\n\nxyz\n");
	quiet(w);
	assert_int_equal(metric_get(METRIC_AGI_GARBAGE), w->garbage + 3);
}

/* A sentence for the log never holds what was typed. */
static void
test_failure_tells_no_digits(void **state)
{
	struct world *w = *state;

	begin_reading(w);
	hear(w, "200 result=0\n");
	hear(w, "200 result=1 (OK:19850412)\n");
	assert_memory_equal(w->told, "failed ", 7);
	assert_null(strstr(w->told, "1985"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_ready),
		T(test_number_unknown),
		T(test_number_empty),
		T(test_number_withheld),
		T(test_number_unavailable),
		T(test_number_shown_whatever_screening),
		T(test_number_with_odd_presentation),
		T(test_name_cannot_forge),
		T(test_dialled_number),
		T(test_no_dialled_number),
		T(test_no_unique_id),
		T(test_long_unique_id),
		T(test_longest_unique_id),
		T(test_environment_deadline),
		T(test_garbage),
		T(test_endless_line),
		T(test_closed_before_a_call),
		T(test_free_inside_ready),
		T(test_answer),
		T(test_say),
		T(test_language_when_it_changes),
		T(test_result_missing_or_not_a_number),
		T(test_trying_is_no_reply),
		T(test_long_list_is_played_in_parts),
		T(test_long_list_before_read),
		T(test_collect),
		T(test_lone_hash),
		T(test_star),
		T(test_letters),
		T(test_nothing_typed),
		T(test_hangup_keeps_digits),
		T(test_read_error),
		T(test_read_interrupted),
		T(test_variables_unset),
		T(test_variable_without_value),
		T(test_value_too_long),
		T(test_value_with_hash),
		T(test_value_of_text),
		T(test_value_without_colon),
		T(test_free_inside_collected),
		T(test_hangup_when_idle),
		T(test_hangup_after_playback),
		T(test_hangup_before_the_reply),
		T(test_hangup_and_no_reply),
		T(test_hangup_between_language_and_playback),
		T(test_hangup_during_read_keeps_digits),
		T(test_hangup_during_fetch_keeps_digits),
		T(test_read_fails_by_hangup),
		T(test_hangup_and_digits_never_come),
		T(test_closed_after_hangup),
		T(test_closed_after_digits_and_hangup),
		T(test_dead_channel_511),
		T(test_dead_channel_511_for_read),
		T(test_answer_fails_by_hangup),
		T(test_end_inside_hung_up),
		T(test_end_inside_collected_and_hung_up),
		T(test_request_overtaken_by_hung_up),
		T(test_end),
		T(test_done_is_the_last_act),
		T(test_end_without_reply),
		T(test_end_and_close),
		T(test_end_and_hangup),
		T(test_end_refused),
		T(test_end_and_write_fails),
		T(test_command_deadline),
		T(test_write_fails),
		T(test_closed_in_mid_command),
		T(test_no_playback),
		T(test_no_read),
		T(test_refused_510),
		T(test_refused_520),
		T(test_hangup_inside_usage),
		T(test_reply_to_nothing),
		T(test_failure_tells_no_digits),
	};

	return cmocka_run_group_tests_name("agi_leg", tests, NULL, NULL);
}
