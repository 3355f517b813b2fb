/* SPDX-License-Identifier: Apache-2.0 */
#include "link_world.h"

#include <sys/stat.h>

static int
setup_real(void **state)
{
	struct world *w;

	setup(state);
	w = *state;
	server_start(&w->server);
	return 0;
}

static void
cut(struct world *w)
{
	char out[400];
	int downs = w->downs;

	server_ask(&w->server, out, "CLIENT KILL TYPE normal SKIPME yes");
	wait_for(w, has_downs, downs + 1);
}

/* What may be lost is told by who the server is, each time. */
static void
test_the_same_server_is_known_again(void **state)
{
	struct world *w = *state;
	char out[400];

	open_link(w);
	wait_for(w, has_ups, 1);
	assert_false(w->server_seen.same);
	assert_true(w->server_seen.master);
	assert_int_equal(strlen(w->server_seen.run_id), 40);
	assert_string_equal(w->server_seen.address, w->server.address);
	cut(w);
	wait_for(w, has_ups, 2);
	assert_true(w->server_seen.same);
	server_stop(&w->server); /* another process */
	wait_for(w, has_downs, 2);
	server_start(&w->server);
	wait_for(w, has_ups, 3);
	assert_false(w->server_seen.same);
	/* the same process, another history */
	server_ask(&w->server, out, "REPLICAOF 127.0.0.1 1");
	server_ask(&w->server, out, "REPLICAOF NO ONE");
	cut(w);
	wait_for(w, has_ups, 4);
	assert_false(w->server_seen.same);
}

/* It is the last good server that counts, not the last one that answered. */
static void
test_a_server_that_was_not_good_is_not_known(void **state)
{
	struct world *w = *state;

	w->shy = true;
	open_link(w);
	wait_for(w, has_ups, 1);
	cut(w);
	wait_for(w, has_ups, 2);
	assert_false(w->server_seen.same);
	redis_link_good(w->link);
	cut(w);
	wait_for(w, has_ups, 3);
	assert_true(w->server_seen.same);
}

static void
test_a_replica_takes_no_writes(void **state)
{
	struct world *w = *state;
	char out[400];

	server_ask(&w->server, out, "REPLICAOF 127.0.0.1 1");
	open_link(w);
	wait_said(w, "event=cache-refuses address=unix:/tmp/holdline-redis-");
	wait_said(w, ""); /* it goes on trying */
	assert_int_equal(w->ups, 0);
	server_ask(&w->server, out, "REPLICAOF NO ONE");
	wait_for(w, has_ups, 1);
	close_link(w);
	server_ask(&w->server, out, "REPLICAOF 127.0.0.1 1");
	w->o.want = REDIS_ANY;
	open_link(w);
	wait_for(w, has_ups, 1);
	assert_false(w->server_seen.master);
}

/* A primary that becomes a replica is left at the first READONLY. */
static void
test_readonly_drops_the_link(void **state)
{
	struct world *w = *state;
	char out[400];

	open_link(w);
	wait_for(w, has_ups, 1);
	server_ask(&w->server, out, "REPLICAOF 127.0.0.1 1");
	/* Redis itself closes nothing; writes are refused. */
	assert_int_equal(order(w, "SET", "a", "b"), 0);
	assert_int_equal(order(w, "GET", "a", NULL), 0);
	wait_for(w, has_downs, 1);
	assert_int_equal(w->replies + w->lost, 2);
	assert_int_equal(order(w, "SET", "a", "b"), -1);
	wait_said(w,
	    "why=\"READONLY You can't write against a read only "
	    "replica.\" hint=\"the server has become a replica; ");
	wait_said(w,
	    "why=\"it is a replica and takes no writes\" "
	    "hint=\"name the primary in redis.address, or the "
	    "Sentinels in redis.sentinels; it matters\"");
	server_ask(&w->server, out, "REPLICAOF NO ONE");
	wait_for(w, has_ups, 2);
	assert_false(w->server_seen.same);
}

static void
test_what_evicts_is_refused(void **state)
{
	struct world *w = *state;
	char out[400];

	server_ask(&w->server, out, "CONFIG SET maxmemory-policy allkeys-lru");
	open_link(w);
	wait_said(w, "event=cache-refuses address=unix:/tmp/");
	server_ask(&w->server, out, "CONFIG SET maxmemory-policy volatile-ttl");
	wait_said(w,
	    "why=\"its maxmemory-policy is \"volatile-ttl\"\" hint=\"set it to "
	    "noeviction: a record that was evicted would let a certificate on "
	    "hold pass; it matters\"");
	assert_int_equal(w->ups, 0);
	w->o.want = REDIS_ANY; /* neither will do to read from */
	close_link(w);
	open_link(w);
	wait_said(w, "why=\"its maxmemory-policy is \"volatile-ttl\"\"");
	server_ask(&w->server, out, "CONFIG SET maxmemory-policy noeviction");
	wait_for(w, has_ups, 1);
}

static void
write_password(struct world *w, char path[100], const char *text, mode_t mode)
{
	FILE *f;

	snprintf(path, 100, "%s/pw", w->server.dir);
	unlink(path);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fchmod(fileno(f), mode), 0);
	fclose(f);
}

static void
test_passwords(void **state)
{
	struct world *w = *state;
	char out[400], path[100];

	write_password(w, path, "secret\n", 0600);
	w->o.place.password_file = path;
	open_link(w);
	wait_said(w,
	    "hint=\"the server has no password: remove "
	    "redis.password_file, or set redis.user; ");
	server_ask(&w->server, out, "CONFIG SET requirepass secret");
	wait_for(w, has_ups, 1);
	close_link(w);

	w->o.place.password_file = "";
	open_link(w);
	wait_said(w,
	    "why=\"NOAUTH Authentication required.\" hint=\"the "
	    "server wants a password: set redis.password_file, and "
	    "redis.user if it has an ACL; ");
	close_link(w);

	w->o.place.password_file = path;
	write_password(w, path, "secrets", 0600);
	open_link(w);
	wait_said(w,
	    "why=\"WRONGPASS invalid username-password pair or user "
	    "is disabled.\" hint=\"compare redis.user and "
	    "redis.password_file with the server's ACL");
	write_password(w, path, "", 0600);
	wait_said(w, "/pw: it is empty\" hint=");
	write_password(w, path, "a\nb\n", 0600);
	wait_said(w, "/pw: it has more than one line\" hint=");
	write_password(w, path, "secret", 0644);
	wait_said(w, "/pw: others may read it (mode 644); run chmod 600");
	unlink(path);
	wait_said(w, "/pw: No such file or directory\" hint=");
	assert_int_equal(w->ups, 0);
	write_password(w, path, "secret", 0600); /* read anew each time */
	wait_for(w, has_ups, 1);
	unlink(path);
}

static void
test_users_of_the_acl(void **state)
{
	struct world *w = *state;
	char out[400], path[100];

	write_password(w, path, "pw", 0600);
	server_ask(&w->server, out, "ACL SETUSER holdline on >pw ~jpki:* +get");
	w->o.place.user = "holdline";
	w->o.place.password_file = path;
	open_link(w);
	wait_said(w,
	    "why=\"NOPERM this user has no permissions to run the "
	    "'role' command\" hint=\"give the user the commands and "
	    "keys that doc/redis.md lists for it (ACL SETUSER); ");
	server_ask(&w->server, out, "ACL SETUSER holdline +role");
	wait_said(w,
	    "why=\"NOPERM this user has no permissions to run the "
	    "'info' command\"");
	server_ask(&w->server, out, "ACL SETUSER holdline +info");
	wait_for(w, has_ups, 1);
	assert_int_equal(order(w, "GET", "jpki:x", NULL), 0);
	wait_for(w, has_replies, 1);
	assert_int_equal(w->lost, 0);
	unlink(path);
}

/* A frozen server: each command is told once that the link is lost. */
static void
test_what_is_in_flight_is_told(void **state)
{
	struct world *w = *state;
	int i;

	open_link(w);
	wait_for(w, has_ups, 1);
	kill(w->server.pid, SIGSTOP);
	for (i = 0; i < 20; i++)
		assert_int_equal(order(w, "PING", NULL, NULL), 0);
	wait_for(w, has_downs, 1);
	assert_int_equal(w->lost, 20);
	kill(w->server.pid, SIGCONT);
	wait_for(w, has_ups, 2);
	assert_int_equal(w->replies, 0);
	assert_true(w->server_seen.same);
}

static void
test_there_is_room_for_so_much(void **state)
{
	struct world *w = *state;
	static char big[100000];
	int i, n;

	open_link(w);
	assert_int_equal(order(w, "PING", NULL, NULL), -1); /* not yet up */
	assert_int_equal(redis_link_room(w->link), 0);
	wait_for(w, has_ups, 1);
	for (n = 0; order(w, "PING", NULL, NULL) == 0; n++)
		;
	assert_int_equal(n, REDIS_LINK_PENDING_MAX);
	wait_for(w, has_replies, n);
	assert_int_equal(redis_link_room(w->link), REDIS_LINK_PENDING_MAX);

	memset(big, 'x', sizeof(big) - 1);
	kill(w->server.pid, SIGSTOP);
	for (i = 0; order(w, "ECHO", big, NULL) == 0; i++)
		;
	assert_in_range(i, 30, 100); /* 4 MiB and what the socket takes */
	assert_int_equal(redis_link_room(w->link), 0);
	kill(w->server.pid, SIGCONT);
	wait_for(w, has_replies, n + i);
	assert_int_equal(w->lost, 0);
	assert_int_not_equal(redis_link_room(w->link), 0);
}

static void
test_freeing_is_silent(void **state)
{
	struct world *w = *state;

	open_link(w);
	close_link(w); /* before it could connect */
	open_link(w);
	wait_for(w, has_ups, 1);
	assert_int_equal(order(w, "PING", NULL, NULL), 0);
	redis_link_refuse(w->link, "no more", "none");
	assert_int_equal(order(w, "PING", NULL, NULL), -1);
	redis_link_free(w->link); /* before the drop */
	w->link = NULL;
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	assert_int_equal(w->downs, 0);
	assert_int_equal(w->replies + w->lost, 0);
	redis_link_free(NULL);
}

/* ---- a server that says odd things, in each state of the greeting */

struct script {
	const char *auth, *role, *info, *ping;
};

static struct script script;

static void
answer(void *ctx, struct fake *f, const redisReply *command)
{
	struct script *s = ctx;
	const char *name = command->element[0]->str;
	const char *words = strcmp(name, "AUTH") == 0 ? s->auth
	    : strcmp(name, "ROLE") == 0               ? s->role
	    : strcmp(name, "INFO") == 0               ? s->info
						      : s->ping;

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
	script =
	    (struct script){ "+OK\r\n", FAKE_ROLE, FAKE_INFO, "+PONG\r\n" };
	w->fake.ctx = &script;
	return 0;
}

static void
test_odd_servers_are_refused(void **state)
{
	static const struct {
		const char *role, *info, *said;
	} rows[] = {
		{ "+OK\r\n", FAKE_INFO, "its answer to ROLE makes no sense" },
		{ "*0\r\n", FAKE_INFO, "its answer to ROLE makes no sense" },
		{ "*1\r\n:1\r\n", FAKE_INFO,
		    "its answer to ROLE makes no sense" },
		{ "*2\r\n$8\r\nsentinel\r\n*0\r\n", FAKE_INFO,
		    "why=\"it is a Sentinel\" hint=\"name Sentinels in "
		    "redis.sentinels; it matters\"" },
		{ "-LOADING Redis is loading the dataset in memory\r\n",
		    FAKE_INFO, "hint=\"the server reads its data; " },
		{ FAKE_ROLE, "+OK\r\n", "its answer to INFO makes no sense" },
		{ FAKE_ROLE, "$0\r\n\r\n", "its maxmemory-policy is \"\"" },
		{ FAKE_ROLE, "-ERR unknown command 'INFO'\r\n",
		    "why=\"ERR unknown command 'INFO'\" hint=\"see to Redis" },
		{ "!", NULL, "why=\"it closed the connection\"" },
		{ FAKE_ROLE, "!$90\r\nrun_id", "it closed the connection" },
		{ "!*3\r\n$6\r\nmas", NULL, "it closed the connection" },
		{ "hello\r\n", NULL, "it does not speak the Redis protocol" },
		{ FAKE_ROLE, NULL, "no reply in time" },
		{ NULL, NULL, "no reply in time" },
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		script.role = rows[i].role;
		script.info = rows[i].info;
		open_link(w);
		wait_said(w, rows[i].said);
		assert_int_equal(w->ups, 0);
		script.role = FAKE_ROLE;
		script.info = FAKE_INFO;
		wait_for(w, has_ups, 1); /* it goes on trying */
		close_link(w);
	}
}

/* A reason is logged once, however often it is met; the delay grows until the
 * user calls the server good. */
static void
test_a_reason_is_said_once(void **state)
{
	struct world *w = *state;
	int i;

	script.ping = "!";
	w->shy = true;
	open_link(w);
	for (i = 1; i <= 8; i++) {
		wait_for(w, has_ups, i);
		assert_int_equal(order(w, "PING", NULL, NULL), 0);
		wait_for(w, has_downs, i);
		assert_int_equal(w->lost, i);
		wait_for(w, has_ups, i + 1);
	}
	assert_int_equal(w->last_delay_us, 5000000);
	fflush(w->log);
	assert_non_null(strstr(w->said, "closed"));
	assert_null(strstr(strstr(w->said, "closed") + 1, "closed"));
	redis_link_good(w->link);
	redis_link_good(w->link);
	fake_hang_up(&w->fake, "");
	wait_for(w, has_ups, 10);
	assert_int_equal(w->last_delay_us, RETRY_US);
	fflush(w->log);
	assert_non_null(strstr(w->said, "event=cache-up"));
}

static void
test_places_that_are_none(void **state)
{
	struct world *w = *state;
	struct err err;

	w->o.place.address = "redis.example:6379";
	assert_null(redis_link_new(&w->o, &err));
	assert_memory_equal(err.text, "redis.address: ", 15);
	w->o.place.address = "127.0.0.1:1";
	w->o.place.user = "holdline";
	assert_null(redis_link_new(&w->o, &err));
	assert_string_equal(err.text,
	    "redis.user: needs redis.password_file with its password");
}

#define REAL(name) cmocka_unit_test_setup_teardown(name, setup_real, teardown)
#define FAKE(name) cmocka_unit_test_setup_teardown(name, setup_fake, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		REAL(test_the_same_server_is_known_again),
		REAL(test_a_server_that_was_not_good_is_not_known),
		REAL(test_a_replica_takes_no_writes),
		REAL(test_readonly_drops_the_link),
		REAL(test_what_evicts_is_refused),
		REAL(test_passwords),
		REAL(test_users_of_the_acl),
		REAL(test_what_is_in_flight_is_told),
		REAL(test_there_is_room_for_so_much),
		REAL(test_freeing_is_silent),
		FAKE(test_odd_servers_are_refused),
		FAKE(test_a_reason_is_said_once),
		cmocka_unit_test_setup_teardown(
		    test_places_that_are_none, setup, teardown),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("redis link", tests, NULL, NULL);
}
