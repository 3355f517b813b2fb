/* SPDX-License-Identifier: Apache-2.0 */
#include "link_world.h"

#define SENTINELS 3

/* A scripted Sentinel: a listener, and what it says. */
struct sentinel {
	struct server at;
	struct fake fake;
	char address[120];
	char master[400]; /* its answer to SENTINEL MASTER; "" = silence */
};

static struct sentinel sentinels[SENTINELS];
static const char *addresses[SENTINELS];
static struct server other; /* than the world's; both listen on loopback */
static char ports[2][8], names[2][32];

/* "*6 ip 127.0.0.1 port 1 config-epoch 2" */
static void
names_primary(struct sentinel *s, const char *ip, const char *port, int epoch)
{
	char digits[16];

	snprintf(digits, sizeof(digits), "%d", epoch);
	snprintf(s->master, sizeof(s->master),
	    "*8\r\n$4\r\nname\r\n$3\r\nthe\r\n$2\r\nip\r\n$%zu\r\n%s\r\n"
	    "$4\r\nport\r\n$%zu\r\n%s\r\n$12\r\nconfig-epoch\r\n$%zu\r\n%s\r\n",
	    strlen(ip), ip, strlen(port), port, strlen(digits), digits);
}

static void
all_name(int which, int epoch)
{
	int i;

	for (i = 0; i < SENTINELS; i++)
		names_primary(&sentinels[i], "127.0.0.1", ports[which], epoch);
}

static void
answer(void *ctx, struct fake *f, const redisReply *command)
{
	struct sentinel *s = ctx;

	if (strcmp(command->element[0]->str, "SENTINEL") == 0) {
		assert_string_equal(command->element[1]->str, "MASTER");
		assert_string_equal(command->element[2]->str, "the");
		if (s->master[0] != '\0')
			fake_say(f, s->master);
	} else if (strcmp(command->element[0]->str, "AUTH") == 0) {
		fake_say(f,
		    "-ERR AUTH <password> called without any "
		    "password configured\r\n");
	} else {
		assert_string_equal(command->element[0]->str, "SUBSCRIBE");
		fake_say(f,
		    "*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n");
	}
}

static void
listen_again(struct world *w, struct sentinel *s)
{
	unlink(s->at.path);
	fake_start(&s->fake, w->base, &s->at);
	s->fake.reader = redisReaderCreate();
	s->fake.answer = answer;
	s->fake.ctx = s;
}

/* A message on +switch-master. */
static void
tell(struct sentinel *s, const char *text)
{
	char message[300];

	snprintf(message, sizeof(message),
	    "*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$%zu\r\n%s\r\n",
	    strlen(text), text);
	fake_say(&s->fake, message);
}

static void
serve(struct server *s, int which)
{
	snprintf(ports[which], sizeof(ports[which]), "%d", free_port());
	snprintf(
	    names[which], sizeof(names[which]), "127.0.0.1:%s", ports[which]);
	s->more[0] = "--port";
	s->more[1] = ports[which];
	server_start(s);
}

static int
setup_sentinels(void **state)
{
	struct world *w;
	int i;

	setup(state);
	w = *state;
	let_time_pass(w);
	serve(&w->server, 0);
	server_folder(&other);
	serve(&other, 1);
	for (i = 0; i < SENTINELS; i++) {
		server_folder(&sentinels[i].at);
		addresses[i] = sentinels[i].at.address;
		listen_again(w, &sentinels[i]);
	}
	w->o.place.sentinels = addresses;
	w->o.place.n_sentinels = SENTINELS;
	w->o.place.master = "the";
	w->o.place.address = "127.0.0.1:1"; /* is not used */
	return 0;
}

static int
teardown_sentinels(void **state)
{
	struct world *w = *state;
	int i;

	close_link(w);
	for (i = 0; i < SENTINELS; i++) {
		fake_stop(&sentinels[i].fake);
		server_remove(&sentinels[i].at);
	}
	server_remove(&other);
	return teardown(state);
}

/* One that was cut off still names the old primary; one does not answer. */
static void
test_the_newest_answer_counts(void **state)
{
	struct world *w = *state;

	names_primary(&sentinels[0], "127.0.0.1", ports[0], 3);
	names_primary(&sentinels[1], "127.0.0.1", ports[1], 10);
	sentinels[2].master[0] = '\0';
	open_link(w);
	wait_for(w, has_ups, 1);
	assert_string_equal(w->server_seen.address, names[1]);
}

static void
test_all_that_answer_are_enough(void **state)
{
	struct world *w = *state;

	all_name(0, 1);
	fake_stop(&sentinels[0].fake);
	fake_stop(&sentinels[2].fake);
	open_link(w);
	wait_for(w, has_ups, 1);
	assert_string_equal(w->server_seen.address, names[0]);
}

static void
test_a_switch_is_followed(void **state)
{
	struct world *w = *state;

	all_name(0, 1);
	open_link(w);
	wait_for(w, has_ups, 1);
	assert_int_equal(order(w, "PING", NULL, NULL), 0);
	all_name(1, 2);
	tell(&sentinels[0], "others 10.0.0.1 1 10.0.0.2 1");
	tell(&sentinels[0], "them 10.0.0.1 1 10.0.0.2 1");
	wait_for(w, has_replies, 1);
	assert_int_equal(w->downs, 0);
	tell(&sentinels[1], "the 127.0.0.1 1 127.0.0.1 2");
	wait_for(w, has_ups, 2);
	assert_string_equal(w->server_seen.address, names[1]);
	assert_false(w->server_seen.same);
	wait_said(w, "event=cache-moves address=");
}

/* They name a server that has not been promoted yet. */
static void
test_only_a_primary_will_do(void **state)
{
	struct world *w = *state;
	char out[400];

	server_ask(&other, out, "REPLICAOF 127.0.0.1 1");
	all_name(1, 2);
	open_link(w);
	wait_said(w, "why=\"it is a replica and takes no writes\"");
	assert_int_equal(w->ups, 0);
	server_ask(&other, out, "REPLICAOF NO ONE");
	wait_for(w, has_ups, 1);
	assert_string_equal(w->server_seen.address, names[1]);
}

/* The message was missed; it is learnt when the Sentinel is back. */
static void
test_one_that_comes_back_knows_better(void **state)
{
	struct world *w = *state;

	all_name(0, 4);
	fake_stop(&sentinels[2].fake);
	open_link(w);
	wait_for(w, has_ups, 1);
	assert_string_equal(w->server_seen.address, names[0]);
	names_primary(&sentinels[2], "127.0.0.1", ports[1], 5);
	listen_again(w, &sentinels[2]);
	wait_for(w, has_ups, 2);
	assert_string_equal(w->server_seen.address, names[1]);
}

static void
test_a_primary_that_dies_is_asked_for_again(void **state)
{
	struct world *w = *state;

	all_name(0, 1);
	open_link(w);
	wait_for(w, has_ups, 1);
	server_stop(&w->server);
	wait_for(w, has_downs, 1);
	all_name(1, 2);
	wait_for(w, has_ups, 2);
	assert_string_equal(w->server_seen.address, names[1]);
}

static void
test_no_answer_is_a_sentence(void **state)
{
	static const struct {
		const char *answer, *said;
	} rows[] = {
		{ "-ERR No such master with that name\r\n",
		    "/s: ERR No such master with that name\" hint=\"bring the "
		    "Sentinels back; see redis.sentinels and redis.master; " },
		{ "-NOAUTH Authentication required.\r\n", "NOAUTH" },
		{ "*0\r\n", "its answer names no numeric address" },
		{ "+OK\r\n", "its answer names no numeric address" },
		{ "*1\r\n$2\r\nip\r\n", "its answer names no numeric address" },
		{ "hello\r\n", "it does not speak the Redis protocol" },
	};
	struct world *w = *state;
	size_t i;
	int s;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (s = 0; s < SENTINELS; s++)
			snprintf(sentinels[s].master,
			    sizeof(sentinels[s].master), "%s", rows[i].answer);
		open_link(w);
		wait_said(w, rows[i].said);
		assert_int_equal(w->ups, 0);
		close_link(w);
	}
	for (s = 0; s < SENTINELS; s++)
		names_primary(&sentinels[s], "redis.example", ports[0], 1);
	open_link(w);
	wait_said(w, "(are resolve-hostnames and announce-hostnames off?)");
	for (s = 0; s < SENTINELS; s++)
		fake_stop(&sentinels[s].fake);
	wait_said(w, "why=\"no Sentinel names the primary; unix:/tmp/");
	for (s = 0; s < SENTINELS; s++)
		listen_again(w, &sentinels[s]);
	all_name(0, 1);
	wait_for(w, has_ups, 1);
}

static void
test_places_that_are_none(void **state)
{
	struct world *w = *state;
	struct err err;

	w->o.place.master = "";
	assert_null(redis_link_new(&w->o, &err));
	assert_string_equal(
	    err.text, "redis.master: is empty; name what the Sentinels watch");
	w->o.place.master = "the";
	addresses[1] = "sentinel.example:26379";
	assert_null(redis_link_new(&w->o, &err));
	assert_memory_equal(err.text, "redis.sentinels: \"sentinel.", 26);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown( \
	    name, setup_sentinels, teardown_sentinels)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_newest_answer_counts),
		TEST(test_all_that_answer_are_enough),
		TEST(test_a_switch_is_followed),
		TEST(test_only_a_primary_will_do),
		TEST(test_one_that_comes_back_knows_better),
		TEST(test_a_primary_that_dies_is_asked_for_again),
		TEST(test_no_answer_is_a_sentence),
		TEST(test_places_that_are_none),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name(
	    "redis, sentinels", tests, NULL, NULL);
}
