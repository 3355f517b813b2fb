/* SPDX-License-Identifier: Apache-2.0 */
#include "cache_world.h"

#define NOT_FOUND "-ERR Function not found\r\n"
#define SET "+set\r\n"
/* HMGET v s r t e m: generation 3, held, as change() makes it. */
#define HELD_3 \
	FIELDS("$1\r\n3\r\n", "$1\r\nH\r\n", "$1\r\n6\r\n", \
	    "$10\r\n1795485600\r\n")
#define FIELDS(v, s, r, t) "*6\r\n" v s r t "$2\r\n41\r\n$-1\r\n"

static bool
is(const redisReply *command, size_t word, const char *text)
{
	return word < command->elements &&
	    strcmp(command->element[word]->str, text) == 0;
}

/* FUNCTION LIST's reply: one library with this source. */
static void
say_library(struct fake *f, const char *source)
{
	static const char begin[] =
	    "*1\r\n*8\r\n$12\r\nlibrary_name\r\n$8\r\nholdline\r\n"
	    "$6\r\nengine\r\n$3\r\nLUA\r\n$9\r\nfunctions\r\n*0\r\n"
	    "$12\r\nlibrary_code\r\n";
	char *text;

	if (source == NULL)
		return;
	if (source[0] == '\0')
		fake_say(f, "*0\r\n");
	else if (strchr("-+*", source[0]) != NULL)
		fake_say(f, source);
	else {
		assert_int_not_equal(asprintf(&text, "%s$%zu\r\n%s\r\n", begin,
					 strlen(source), source),
		    -1);
		fake_say(f, text);
		free(text);
	}
}

/* The scripted cache: NULL is silence, "!..." hangs up after the rest. */
static void
answer(void *ctx, struct fake *f, const redisReply *command)
{
	struct world *w = ctx;
	const char *words = w->seen;

	if (is(command, 1, "LIST")) {
		say_library(f, w->library);
		return;
	}
	if (is(command, 0, "ROLE"))
		words = FAKE_ROLE;
	else if (is(command, 0, "INFO"))
		words = FAKE_INFO;
	else if (is(command, 1, "jpki_may_tell"))
		words = "$3\r\nyes\r\n";
	else if (is(command, 1, "LOAD")) {
		assert_string_equal(command->element[3]->str, library_text);
		w->loads++;
		words = w->load;
	} else if (is(command, 1, "jpki_set"))
		words = w->set;
	if (words == NULL)
		return;
	if (words[0] == '!')
		fake_hang_up(f, words + 1);
	else
		fake_say(f, words);
}

static int
setup_fake(void **state)
{
	struct world *w;

	setup(state);
	w = *state;
	fake_start(&w->fake, w->base, &w->server);
	w->fake.reader = redisReaderCreate();
	w->fake.answer = answer;
	w->fake.ctx = w;
	w->library = library_text;
	w->load = "$8\r\nholdline\r\n";
	w->set = SET;
	w->seen = HELD_3;
	return 0;
}

static redisReply *
parse(const char *bytes)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	redisReaderFeed(reader, bytes, strlen(bytes));
	assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
	assert_non_null(reply);
	redisReaderFree(reader);
	return reply;
}

static const struct {
	const char *set, *seen;
	enum publish_outcome outcome;
} judged[] = {
	{ SET, HELD_3, PUBLISH_SHOWN },
	{ "$4\r\nsame\r\n", HELD_3, PUBLISH_SHOWN },
	{ "$5\r\nstale\r\n", HELD_3, PUBLISH_SHOWN },
	{ "$8\r\nrepaired\r\n", HELD_3, PUBLISH_REPAIRED },
	{ "$8\r\nconflict\r\n", HELD_3, PUBLISH_CONFLICT },
	{ "$7\r\nrefused\r\n", HELD_3, PUBLISH_REFUSED },
	/* words that make no sense, whatever is read back */
	{ "+SET\r\n", HELD_3, PUBLISH_ODD },
	{ "+\r\n", HELD_3, PUBLISH_ODD },
	{ "+OK\r\n", HELD_3, PUBLISH_ODD },
	{ "$0\r\n\r\n", HELD_3, PUBLISH_ODD },
	{ "$-1\r\n", HELD_3, PUBLISH_ODD },
	{ ":1\r\n", HELD_3, PUBLISH_ODD },
	{ "*1\r\n+set\r\n", HELD_3, PUBLISH_ODD },
	{ "*0\r\n", HELD_3, PUBLISH_ODD },
	{ "-OOM command not allowed\r\n", HELD_3, PUBLISH_ODD },
	{ "-READONLY You can't write\r\n", HELD_3, PUBLISH_ODD },
	/* a newer generation is as good; an older or none is not */
	{ SET,
	    FIELDS("$1\r\n4\r\n", "$1\r\nG\r\n", "$1\r\n0\r\n", "$1\r\n5\r\n"),
	    PUBLISH_SHOWN },
	{ SET,
	    FIELDS("$2\r\n10\r\n", "$1\r\nG\r\n", "$1\r\n0\r\n", "$1\r\n5\r\n"),
	    PUBLISH_CONFLICT }, /* newer than the store knows of */
	{ SET,
	    FIELDS("$1\r\n2\r\n", "$1\r\nH\r\n", "$1\r\n6\r\n",
		"$10\r\n1795485600\r\n"),
	    PUBLISH_ODD },
	{ "$8\r\nrepaired\r\n",
	    FIELDS("$1\r\n2\r\n", "$1\r\nH\r\n", "$-1\r\n", "$-1\r\n"),
	    PUBLISH_ODD },
	{ SET, FIELDS("$-1\r\n", "$-1\r\n", "$-1\r\n", "$-1\r\n"),
	    PUBLISH_ODD },
	{ SET,
	    FIELDS("$2\r\n3x\r\n", "$1\r\nH\r\n", "$1\r\n6\r\n",
		"$10\r\n1795485600\r\n"),
	    PUBLISH_ODD },
	{ SET,
	    FIELDS("$0\r\n\r\n", "$1\r\nH\r\n", "$1\r\n6\r\n",
		"$10\r\n1795485600\r\n"),
	    PUBLISH_ODD },
	/* this generation with another status, reason or time */
	{ SET,
	    FIELDS("$1\r\n3\r\n", "$1\r\nG\r\n", "$1\r\n0\r\n",
		"$10\r\n1795485600\r\n"),
	    PUBLISH_ODD },
	{ SET,
	    FIELDS("$1\r\n3\r\n", "$1\r\nH\r\n", "$1\r\n1\r\n",
		"$10\r\n1795485600\r\n"),
	    PUBLISH_ODD },
	{ SET,
	    FIELDS("$1\r\n3\r\n", "$1\r\nH\r\n", "$1\r\n6\r\n",
		"$10\r\n1795485601\r\n"),
	    PUBLISH_ODD },
	{ SET, FIELDS("$1\r\n3\r\n", "$1\r\nH\r\n", "$1\r\n6\r\n", "$-1\r\n"),
	    PUBLISH_ODD },
	{ SET, FIELDS(":3\r\n", "$1\r\nH\r\n", "$1\r\n6\r\n", "$-1\r\n"),
	    PUBLISH_ODD },
	/* a newer one that is none: nothing is told by half a record */
	{ SET, FIELDS("$1\r\n4\r\n", "$1\r\nG\r\n", "$-1\r\n", "$-1\r\n"),
	    PUBLISH_ODD },
	/* replies of another shape */
	{ SET, "*4\r\n$1\r\n3\r\n$1\r\nH\r\n$1\r\n6\r\n$1\r\n5\r\n",
	    PUBLISH_ODD },
	{ SET, "*3\r\n$1\r\n3\r\n$1\r\nH\r\n$1\r\n6\r\n", PUBLISH_ODD },
	{ SET, "*0\r\n", PUBLISH_ODD },
	{ SET, "*-1\r\n", PUBLISH_ODD },
	{ SET, "+OK\r\n", PUBLISH_ODD },
	{ SET, ":3\r\n", PUBLISH_ODD },
	{ SET, "-WRONGTYPE Operation\r\n", PUBLISH_ODD },
};
#define JUDGED (sizeof(judged) / sizeof(judged[0]))

static void
test_only_what_was_read_counts(void **state)
{
	struct store_outbox_row row = change("ab01", 3, STORE_HELD);
	enum publish_outcome outcome;
	redisReply *set, *seen;
	size_t i;

	(void)state;
	row.latest = 4; /* the store has made one change since */
	for (i = 0; i < JUDGED; i++) {
		set = parse(judged[i].set);
		seen = parse(judged[i].seen);
		outcome = cache_judge(&row, NULL, set, seen);
		freeReplyObject(set);
		freeReplyObject(seen);
		if (outcome != judged[i].outcome)
			fail_msg(
			    "row %zu: %s", i, publish_outcome_name(outcome));
	}
}

/* The same over the wire, two rows at a time. */
static void
test_odd_replies_are_outcomes_and_not_the_end(void **state)
{
	struct world *w = *state;
	struct store_outbox_row rows[2] = { change("ab01", 3, STORE_HELD),
		change("ab02", 3, STORE_HELD) };
	size_t i;

	open_cache(w);
	wait_up(w, 1);
	rows[0].latest = rows[1].latest = 4;
	for (i = 0; i < JUDGED; i++) {
		if (judged[i].set[0] == '-')
			continue; /* the server's, not the row's */
		w->set = judged[i].set;
		w->seen = judged[i].seen;
		push(w, rows, 2);
		assert_false(w->lost);
		assert_int_equal(w->outcomes[0], judged[i].outcome);
		assert_int_equal(w->outcomes[1], judged[i].outcome);
	}
	assert_int_equal(w->fake.accepts, 1);
}

/* An error is the whole server's: no row is blamed, the link is given up and
 * the rows can be pushed again when it is up. */
static void
test_a_server_that_refuses_loses_the_link(void **state)
{
	struct world *w = *state;
	struct store_outbox_row row = change("ab01", 3, STORE_HELD);

	open_cache(w);
	wait_up(w, 1);
	w->set = "-OOM command not allowed when used memory > 'maxmemory'\r\n";
	w->seen = HELD_3;
	push(w, &row, 1);
	assert_true(w->lost);
	wait_up(w, 2);
	w->set = SET;
	push(w, &row, 1);
	assert_false(w->lost);
	assert_int_equal(w->outcomes[0], PUBLISH_SHOWN);
	assert_int_equal(w->fake.accepts, 2);
}

#define HEAD "#!lua name=holdline\n-- version "

static const struct {
	const char *source;
	enum library_state found;
	int version, loads;
} libraries[] = {
	{ "", LIBRARY_MISSING, 0, 1 },
	/* the first version did not say which it was */
	{ "#!lua name=holdline\nlocal function set() end", LIBRARY_OLDER, 0,
	    1 },
	{ HEAD "1\n", LIBRARY_OLDER, 1, 1 },
	{ HEAD "2\nredis.register_function('jpki_set', nothing)",
	    LIBRARY_FOREIGN, 2, 1 },
	{ HEAD "two\n", LIBRARY_OLDER, 0, 1 },
	{ "x", LIBRARY_OLDER, 0, 1 },
};

static void
test_another_library_is_replaced(void **state)
{
	struct world *w = *state;
	size_t i;

	w->library = library_text;
	open_cache(w);
	wait_up(w, 1);
	assert_int_equal(w->loads, 0);
	for (i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		cache_free(w->cache);
		w->library = libraries[i].source;
		w->loads = w->ups = 0;
		open_cache(w);
		wait_up(w, 1);
		assert_int_equal(w->loads, libraries[i].loads);
	}
}

/* What FUNCTION LIST says, judged on its own. */
static void
test_only_the_same_text_is_our_library(void **state)
{
	static const char *const odd[] = { "-NOPERM no\r\n", "+OK\r\n",
		":2\r\n", "$-1\r\n", "*1\r\n+x\r\n", "*1\r\n*0\r\n",
		"*1\r\n*2\r\n$12\r\nlibrary_code\r\n:1\r\n",
		"*1\r\n*1\r\n$12\r\nlibrary_code\r\n" };
	redisReply *reply;
	int version;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		reply = parse(odd[i]);
		assert_int_equal(
		    library_judge(reply, &version), LIBRARY_UNREAD);
		freeReplyObject(reply);
	}
}

static bool
two_accepts(void *ctx)
{
	return ((struct world *)ctx)->fake.accepts >= 2;
}

/* A newer program's functions are not taken away from it. */
static void
test_a_newer_library_is_left_alone(void **state)
{
	struct world *w = *state;

	w->library = HEAD "4\nredis.register_function('jpki_set', better)";
	open_cache(w);
	wait_for(w, two_accepts);
	assert_int_equal(w->ups, 0);
	assert_int_equal(w->loads, 0);
	assert_null(cache_link(w->cache));
	w->library = library_text;
	wait_up(w, 1);
	assert_non_null(cache_link(w->cache));
}

/* A record that carries no MAC of ours is not what was pushed. */
static void
test_a_read_back_must_be_signed(void **state)
{
	struct store_outbox_row row = change("ab01", 3, STORE_HELD);
	struct keyring *mac = mac_key(1), *other = mac_key(2);
	redisReply *set = parse(SET), *seen;
	char key[RECORD_KEY_SIZE], bytes[300];
	struct record_text t;
	struct record r;
	int i;

	(void)state;
	cache_record(
	    &r, row.status, row.generation, row.reason, row.status_us, row.seq);
	record_key(row.issuer, row.serial, key);
	for (i = 0; i < 3; i++) {
		record_format(&r, key,
		    i == 0       ? mac
			: i == 1 ? other
				 : NULL,
		    &t);
		snprintf(bytes, sizeof(bytes),
		    "*6\r\n$1\r\n3\r\n$1\r\nH\r\n$1\r\n6\r\n$10\r\n1795485600"
		    "\r\n$2\r\n41\r\n$%zu\r\n%s\r\n",
		    strlen(t.m), t.m);
		seen = parse(bytes);
		assert_int_equal(cache_judge(&row, mac, set, seen),
		    i == 0 ? PUBLISH_SHOWN : PUBLISH_ODD);
		assert_int_equal(
		    cache_judge(&row, NULL, set, seen), PUBLISH_SHOWN);
		freeReplyObject(seen);
	}
	freeReplyObject(set);
	keyring_free(mac);
	keyring_free(other);
}

static bool
three_accepts(void *ctx)
{
	return ((struct world *)ctx)->fake.accepts >= 3;
}

static void
test_a_library_that_is_refused_is_tried_again_later(void **state)
{
	struct world *w = *state;
	struct store_outbox_row row = change("ab01", 3, STORE_HELD);

	w->library = "";
	w->load = "-NOPERM no right to FUNCTION\r\n";
	open_cache(w);
	wait_for(w, three_accepts);
	assert_int_equal(w->ups, 0);
	assert_int_equal(cache_push(w->cache, &row, 1), -1);
	assert_int_equal(w->delays[0], RETRY_US);
	assert_int_equal(w->delays[1], 2 * RETRY_US);
	w->load = "+holdline\r\n";
	wait_up(w, 1);
	push(w, &row, 1);
	assert_int_equal(w->outcomes[0], PUBLISH_SHOWN);
}

/* Cut off at any point, the rows are given back, once, and the link is made
 * again. */
static void
test_a_link_that_breaks_gives_the_rows_back(void **state)
{
	static const struct {
		const char *set, *seen;
	} rows[] = {
		{ "!", HELD_3 }, { "!+se", HELD_3 }, { "!" SET, HELD_3 },
		{ SET, "!" }, { SET, "!*6\r\n$1\r\n3\r\n$1\r\nH" },
		{ "hello\r\n", HELD_3 }, { SET, "*6\r\n?\r\n" },
		{ NULL, NULL },        /* silence: given up after a second */
		{ SET, "!" HELD_3 },   /* of two rows, one */
		{ SET SET SET, NULL }, /* more than was asked, in the wrong
					  place: judged as a read-back */
	};
	struct world *w = *state;
	struct store_outbox_row both[2] = { change("ab01", 3, STORE_HELD),
		change("ab02", 3, STORE_HELD) };
	size_t i;
	int ups = 1;

	open_cache(w);
	wait_up(w, 1);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		w->set = rows[i].set;
		w->seen = rows[i].seen;
		push(w, both, 2);
		if (!w->lost) {
			assert_int_not_equal(w->outcomes[0], PUBLISH_SHOWN);
			assert_int_not_equal(w->outcomes[1], PUBLISH_SHOWN);
		}
		w->set = SET;
		w->seen = HELD_3;
		wait_up(w, ++ups);
		assert_int_equal(w->settles, 1);
		push(w, both, 2);
		assert_false(w->lost);
		assert_int_equal(w->outcomes[1], PUBLISH_SHOWN);
	}
}

static bool
one_accept(void *ctx)
{
	return ((struct world *)ctx)->fake.accepts >= 1;
}

static void
test_a_server_that_never_answers_is_left(void **state)
{
	struct world *w = *state;

	w->library = NULL;
	open_cache(w);
	wait_for(w, one_accept);
	w->library = library_text; /* for the next one */
	wait_up(w, 1);
	assert_int_equal(w->fake.accepts, 2);
}

static bool
ten_delays(void *ctx)
{
	return ((struct world *)ctx)->n_delays >= 10;
}

static void
test_delays_double_up_to_five_seconds(void **state)
{
	struct world *w = *state;
	int64_t want = RETRY_US;
	size_t i;

	fake_stop(&w->fake);
	unlink(w->server.path);
	open_cache(w);
	wait_for(w, ten_delays);
	for (i = 0; i < 10; i++) {
		assert_int_equal(w->delays[i], want);
		want = want * 2 > 5000000 ? 5000000 : want * 2;
	}
	assert_int_equal(w->ups, 0);
	assert_int_equal(w->settles, 0);
}

/* Once it was up, the next delay is the first one again. */
static void
test_a_link_that_was_up_is_made_again_soon(void **state)
{
	struct world *w = *state;
	int i;

	open_cache(w);
	for (i = 1; i <= 4; i++) {
		wait_up(w, i);
		fake_hang_up(&w->fake, "");
	}
	wait_up(w, 5);
	assert_int_equal(w->n_delays, 4);
	for (i = 0; i < 4; i++)
		assert_int_equal(w->delays[i], RETRY_US);
}

static void
test_an_address_that_is_none_is_refused(void **state)
{
	struct world *w = *state;
	struct cache_options o = { .base = w->base,
		.timers = w->timers,
		.place = { .address = "redis.example:6379",
		    .master = "",
		    .user = "",
		    .password_file = "",
		    .files = { "", "", "", "" } },
		.timeout_s = 1,
		.retry_us = RETRY_US };
	struct err err;

	assert_null(cache_new(&o, &err));
	assert_int_equal(err.code, ERR_PARSE);
	assert_memory_equal(err.text, "redis.address: ", 15);
	cache_free(NULL);
}

#define FAKE(name) cmocka_unit_test_setup_teardown(name, setup_fake, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_was_read_counts),
		FAKE(test_odd_replies_are_outcomes_and_not_the_end),
		FAKE(test_a_server_that_refuses_loses_the_link),
		FAKE(test_another_library_is_replaced),
		cmocka_unit_test(test_only_the_same_text_is_our_library),
		FAKE(test_a_newer_library_is_left_alone),
		cmocka_unit_test(test_a_read_back_must_be_signed),
		FAKE(test_a_library_that_is_refused_is_tried_again_later),
		FAKE(test_a_link_that_breaks_gives_the_rows_back),
		FAKE(test_a_server_that_never_answers_is_left),
		FAKE(test_delays_double_up_to_five_seconds),
		FAKE(test_a_link_that_was_up_is_made_again_soon),
		FAKE(test_an_address_that_is_none_is_refused),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("cache, odd", tests, NULL, NULL);
}
