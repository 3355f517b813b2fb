/* SPDX-License-Identifier: Apache-2.0 */
/* The functions in a real Redis, each called as the modules call it. */
#include "redis_world.h"

#include "publish/library.h"

#define KEY "jpki:st:00112233445566778899aabbccddeeff00112233:ab01"
#define E1 "0000000000000007000000010badcafe"
#define E2 "0000000000000008000000010badcafe"

struct world {
	struct server server;
	redisContext *redis;
	char said[400];
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char out[400];

	server_folder(&w->server);
	server_start(&w->server);
	server_ask(&w->server, out, "FUNCTION LOAD REPLACE %s", library_text);
	assert_string_equal(out, LIBRARY_NAME);
	w->redis = redisConnectUnix(w->server.path);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	redisFree(w->redis);
	server_remove(&w->server);
	free(w);
	return 0;
}

/* A command of words with blanks between; "-" is the empty word.  Its answer
 * as text, elements with blanks between, "-" for nil and for "". */
static const char *
run(struct world *w, const char *command)
{
	const char *argv[24];
	char copy[600], *rest = copy, *word;
	redisReply *r, *e;
	size_t i, n, used = 0;
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", command);
	while ((word = strsep(&rest, " ")) != NULL && argc < 24)
		argv[argc++] = strcmp(word, "-") == 0 ? "" : word;
	r = redisCommandArgv(w->redis, argc, argv, NULL);
	assert_non_null(r);
	n = r->type == REDIS_REPLY_ARRAY ? r->elements : 1;
	w->said[0] = '\0';
	for (i = 0; i < n; i++) {
		e = r->type == REDIS_REPLY_ARRAY ? r->element[i] : r;
		used += (size_t)(e->type == REDIS_REPLY_INTEGER
			? snprintf(w->said + used, sizeof(w->said) - used,
			      "%s%lld", i > 0 ? " " : "", e->integer)
			: snprintf(w->said + used, sizeof(w->said) - used,
			      "%s%s", i > 0 ? " " : "",
			      e->type == REDIS_REPLY_NIL || e->len == 0
				  ? "-"
				  : e->str));
		assert_true(used < sizeof(w->said));
	}
	freeReplyObject(r);
	return w->said;
}

struct step {
	const char *before[2]; /* commands, or NULL */
	const char *call, *answer;
	const char *look, *after;
};

static void
run_steps(struct world *w, const struct step *steps, size_t n)
{
	size_t i, j;

	for (i = 0; i < n; i++) {
		run(w, "FLUSHALL");
		for (j = 0; j < 2 && steps[i].before[j] != NULL; j++)
			run(w, steps[i].before[j]);
		if (strcmp(run(w, steps[i].call), steps[i].answer) != 0)
			fail_msg("step %zu: %s: %s, not %s", i, steps[i].call,
			    w->said, steps[i].answer);
		if (strcmp(run(w, steps[i].look), steps[i].after) != 0)
			fail_msg("step %zu: %s: leaves %s, not %s", i,
			    steps[i].call, w->said, steps[i].after);
	}
}

#define STEPS(table) table, sizeof(table) / sizeof(table[0])
#define LOOK "HMGET " KEY " v s r t e m"
#define SET "FCALL jpki_set 1 " KEY " "
#define HSET "HSET " KEY " "

/* What test_cache does not show: the MAC, and what falls with it. */
static void
test_set_keeps_the_mac_of_what_it_writes(void **state)
{
	static const struct step steps[] = {
		{ { NULL }, SET "3 H 6 5 41 aa", "set", LOOK, "3 H 6 5 41 aa" },
		{ { NULL }, SET "3 H 6 5 41 -", "set", LOOK, "3 H 6 5 41 -" },
		{ { NULL }, SET "3 H 6 5 41", "set", LOOK, "3 H 6 5 41 -" },
		/* the key was changed, or there was none: signed anew */
		{ { HSET "v 3 s H r 6 t 5 e 41 m bb" }, SET "3 H 6 5 0 aa",
		    "same", LOOK, "3 H 6 5 0 aa" },
		{ { HSET "v 3 s H r 6 t 5 e 41" }, SET "3 H 6 5 0 aa", "same",
		    LOOK, "3 H 6 5 0 aa" },
		/* no key any more: a MAC that nobody keeps right is no use */
		{ { HSET "v 3 s H r 6 t 5 e 41 m bb" }, SET "3 H 6 5 0 -",
		    "same", LOOK, "3 H 6 5 0 -" },
		{ { HSET "v 2 s H r 6 t 5 e 41 m bb" }, SET "3 G 6 5 0 -",
		    "set", LOOK, "3 G 6 5 0 -" },
		/* a MAC gives an older state no right */
		{ { HSET "v 4 s G r 6 t 5 e 41 m bb" }, SET "3 H 6 5 0 aa",
		    "stale", LOOK, "4 G 6 5 41 bb" },
		{ { HSET "v 3 s G r 6 t 5 e 41 m bb" }, SET "3 H 6 5 0 aa",
		    "conflict", LOOK, "3 G 6 5 41 bb" },
		{ { HSET "v 2 s R r 6 t 5 e 41 m bb" }, SET "3 H 6 5 0 aa",
		    "refused", LOOK, "2 R 6 5 41 bb" },
		/* nothing deletes a record while its certificate is valid */
		{ { HSET "v 2 s H r 6 t 5 e 41", "EXPIRE " KEY " 100" },
		    SET "3 H 6 5 0 aa", "set", "TTL " KEY, "-1" },
	};

	run_steps(*state, STEPS(steps));
}

#define FORCE "FCALL jpki_force 2 " KEY " jpki:wm "
#define OWNER "HSET jpki:wm epoch " E1 " fence 7"

static void
test_force_replaces_only_what_was_seen(void **state)
{
	static const struct step steps[] = {
		{ { HSET "v 9 s G r 6 t 5 e 1" },
		    FORCE "7 9 G 6 5 1 - 3 H 6 5 0 aa", "forced", LOOK,
		    "3 H 6 5 0 aa" },
		{ { HSET "v 9 s G r 6 t 5 e 1 m bb", OWNER },
		    FORCE "7 9 G 6 5 1 bb 3 H 6 5 0 -", "forced", LOOK,
		    "3 H 6 5 0 -" },
		/* also revoked: the store has said so */
		{ { HSET "v 9 s R r 6 t 5 e 1" },
		    FORCE "7 9 R 6 5 1 - 3 H 6 5 0 aa", "forced", LOOK,
		    "3 H 6 5 0 aa" },
		/* somebody was faster */
		{ { HSET "v 10 s G r 6 t 5 e 1" },
		    FORCE "7 9 G 6 5 1 - 3 H 6 5 0 aa", "moved", LOOK,
		    "10 G 6 5 1 -" },
		{ { HSET "v 9 s G r 6 t 5 e 1 m bb" },
		    FORCE "7 9 G 6 5 1 - 3 H 6 5 0 aa", "moved", LOOK,
		    "9 G 6 5 1 bb" },
		{ { NULL }, FORCE "7 9 G 6 5 1 - 3 H 6 5 0 aa", "moved", LOOK,
		    "- - - - - -" },
		/* an owner that has lost it writes nothing */
		{ { HSET "v 9 s G r 6 t 5 e 1", OWNER },
		    FORCE "6 9 G 6 5 1 - 3 H 6 5 0 aa", "fenced", LOOK,
		    "9 G 6 5 1 -" },
		{ { HSET "v 9 s G r 6 t 5 e 1", OWNER },
		    FORCE "8 9 G 6 5 1 - 3 H 6 5 0 aa", "forced", LOOK,
		    "3 H 6 5 0 aa" },
		{ { "SET " KEY " x", OWNER }, FORCE "6 - - - - - -", "fenced",
		    "GET " KEY, "x" },
		/* deleting */
		{ { HSET "v 9 s G r 6 t 5 e 1", OWNER }, FORCE "7 9 G 6 5 1 -",
		    "dropped", "EXISTS " KEY, "0" },
		{ { HSET "v 9 s G r 6 t 6 e 1", OWNER }, FORCE "7 9 G 6 5 1 -",
		    "moved", "EXISTS " KEY, "1" },
		{ { "SET " KEY " x", OWNER }, FORCE "7 - - - - - -", "dropped",
		    "EXISTS " KEY, "0" },
		/* fields that are longer than any of ours */
		{ { HSET "v 9 s 0123456789012345678901234567890123456789"
			 " r 6 t 5 e 1" },
		    FORCE "7 9 01234567890123456789012345678901 6 5 1 -",
		    "dropped", "EXISTS " KEY, "0" },
		{ { HSET "v 9 s G r 6 t 5 e 1", "EXPIRE " KEY " 100" },
		    FORCE "7 9 G 6 5 1 - 3 H 6 5 0 aa", "forced", "TTL " KEY,
		    "-1" },
	};

	run_steps(*state, STEPS(steps));
}

#define BEAT "FCALL jpki_beat 1 jpki:wm "
#define WM "HMGET jpki:wm epoch seq time state fence m"
#define OLD_WM "HSET jpki:wm epoch " E1 " seq 4 time 5 state complete fence 7"
#define NEW E2 " 41 99 complete 8"

static void
test_a_beat_needs_the_last_fence(void **state)
{
	static const struct step steps[] = {
		{ { NULL }, BEAT NEW " aa - -", "beat", WM, NEW " aa" },
		{ { NULL }, BEAT NEW " - - -", "beat", WM, NEW " -" },
		{ { OLD_WM " m bb" }, BEAT NEW " - - -", "beat", WM, NEW " -" },
		{ { OLD_WM }, BEAT E1 " 5 6 loading 7 aa - -", "beat", WM,
		    E1 " 5 6 loading 7 aa" },
		/* one who has hung, and comes back */
		{ { OLD_WM }, BEAT E2 " 41 99 complete 6 aa - -", "fenced", WM,
		    E1 " 4 5 complete 7 -" },
		{ { OLD_WM }, BEAT E2 " 41 99 complete 6 aa " E1 " -", "fenced",
		    WM, E1 " 4 5 complete 7 -" },
		/* the watermark that it goes on from is gone */
		{ { NULL }, BEAT NEW " aa " E2 " -", "other", WM,
		    "- - - - - -" },
		{ { OLD_WM }, BEAT NEW " aa " E2 " -", "other", WM,
		    E1 " 4 5 complete 7 -" },
		{ { OLD_WM }, BEAT NEW " aa " E1 " - 4", "beat", WM,
		    NEW " aa" },
		/* it is, but somebody wrote into it meanwhile */
		{ { OLD_WM }, BEAT NEW " aa " E1 " - 3", "other", WM,
		    E1 " 4 5 complete 7 -" },
		{ { OLD_WM, "HDEL jpki:wm seq" }, BEAT NEW " aa " E1 " - 4",
		    "other", WM, E1 " - 5 complete 7 -" },
		/* a fence that is no owner's stops nobody, but only the one
		 * that was looked at */
		{ { OLD_WM " m bb" }, BEAT E2 " 41 99 loading 6 aa - 7", "beat",
		    WM, E2 " 41 99 loading 6 aa" },
		{ { OLD_WM " m cc" }, BEAT E2 " 41 99 loading 6 aa - 8",
		    "fenced", WM, E1 " 4 5 complete 7 cc" },
		/* nor does one that is a million owners away */
		{ { OLD_WM, "HSET jpki:wm fence 1000008" },
		    BEAT E2 " 41 99 loading 8 aa - -", "fenced", WM,
		    E1 " 4 5 complete 1000008 -" },
		{ { OLD_WM, "HSET jpki:wm fence 1000009" },
		    BEAT E2 " 41 99 loading 8 aa - -", "beat", WM,
		    E2 " 41 99 loading 8 aa" },
		{ { OLD_WM, "HSET jpki:wm fence 9999999999999999" },
		    BEAT E2 " 41 99 loading 8 aa - -", "beat", WM,
		    E2 " 41 99 loading 8 aa" },
		/* what is no fence, or no hash, is no owner's */
		{ { "HSET jpki:wm epoch x fence inf" }, BEAT NEW " aa - -",
		    "beat", WM, NEW " aa" },
		{ { "SET jpki:wm x" }, BEAT NEW " aa - -", "beat", WM,
		    NEW " aa" },
		{ { "SET jpki:wm x" }, BEAT NEW " aa " E1 " -", "other", WM,
		    "- - - - - -" },
		{ { OLD_WM, "EXPIRE jpki:wm 100" }, BEAT NEW " aa - -", "beat",
		    "TTL jpki:wm", "-1" },
	};

	run_steps(*state, STEPS(steps));
}

/* A user with no right to PUBLISH loses nothing else. */
static void
test_publish_may_be_forbidden(void **state)
{
	struct world *w = *state;

	assert_string_equal(run(w, "FCALL jpki_may_tell 0"), "yes");
	assert_string_equal(
	    run(w,
		"ACL SETUSER quiet on nopass ~jpki:* resetchannels"
		" +@hash +@keyspace +fcall -publish"),
	    "OK");
	assert_string_equal(run(w, "AUTH quiet x"), "OK");
	assert_string_equal(run(w, "FCALL jpki_may_tell 0"), "no");
	assert_string_equal(run(w, SET "3 H 6 5 41 aa"), "set");
	assert_string_equal(run(w, LOOK), "3 H 6 5 41 aa");
	assert_string_equal(
	    run(w, FORCE "7 3 H 6 5 41 aa 4 G 6 5 41 bb"), "forced");
	assert_string_equal(run(w, BEAT NEW " aa - -"), "beat");
}

/* What Redis gives back is what was loaded, so that it can be compared. */
static void
test_redis_tells_the_source_as_it_was_loaded(void **state)
{
	struct world *w = *state;
	char out[400];
	redisReply *list;
	int version;

	list = redisCommand(
	    w->redis, "FUNCTION LIST LIBRARYNAME " LIBRARY_NAME " WITHCODE");
	assert_int_equal(library_judge(list, &version), LIBRARY_OURS);
	freeReplyObject(list);
	server_ask(&w->server, out, "FUNCTION LOAD REPLACE %s%s", library_text,
	    "-- one more line\n");
	assert_string_equal(out, LIBRARY_NAME);
	list = redisCommand(
	    w->redis, "FUNCTION LIST LIBRARYNAME " LIBRARY_NAME " WITHCODE");
	assert_int_equal(library_judge(list, &version), LIBRARY_FOREIGN);
	freeReplyObject(list);
	run(w, "FUNCTION FLUSH");
	list = redisCommand(
	    w->redis, "FUNCTION LIST LIBRARYNAME " LIBRARY_NAME " WITHCODE");
	assert_int_equal(library_judge(list, &version), LIBRARY_MISSING);
	freeReplyObject(list);
	assert_string_equal(
	    run(w, "FCALL jpki_version 0"), "ERR Function not found");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_set_keeps_the_mac_of_what_it_writes),
		TEST(test_force_replaces_only_what_was_seen),
		TEST(test_a_beat_needs_the_last_fence),
		TEST(test_publish_may_be_forbidden),
		TEST(test_redis_tells_the_source_as_it_was_loaded),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("library", tests, NULL, NULL);
}
