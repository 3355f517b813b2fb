/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/err.h"
#include "base/timer.h"
#include "wire/http_server.h"

#define GET "GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
#define SECOND INT64_C(1000000)
#define BIG ((size_t)8 * 1024 * 1024)

/* The network is real, the time is not. */
struct world {
	struct event_base *base;
	struct timers *timers;
	int64_t now_us;
	struct http_server *server;
	struct http_exchange *waiting[8]; /* with `later` */
	size_t n_waiting;
	bool later; /* requests are not answered at once */
	int drained;
	char target[64], body[64];
	const char *answer;
	size_t answer_len;
	int file; /* -1, or what to answer with */
	int fds[128];
	size_t n_fds;
	char dir[32], path[40]; /* of a Unix socket; "" = it is TCP */
	int fillers[64];
	size_t n_fillers;
};

static int64_t
world_now(void *ctx)
{
	return ((struct world *)ctx)->now_us;
}

static void
answer(struct world *w, struct http_exchange *x)
{
	struct http_reply reply = { .status = 200,
		.type = "text/plain",
		.headers = "X-Y: z\r\n",
		.body = w->answer,
		.len = w->answer_len };

	if (w->file != -1) {
		reply.file = w->file;
		reply.file_set = true;
		w->file = -1;
	}
	http_reply(x, &reply);
}

static void
on_request(
    void *ctx, struct http_exchange *x, const struct http_request *request)
{
	struct world *w = ctx;

	snprintf(w->target, sizeof(w->target), "%.*s", (int)request->target.len,
	    request->target.at);
	snprintf(w->body, sizeof(w->body), "%.*s", (int)request->body.len,
	    request->body.len > 0 ? request->body.at : "");
	if (w->later)
		w->waiting[w->n_waiting++] = x;
	else
		answer(w, x);
}

static void
on_drained(void *ctx)
{
	((struct world *)ctx)->drained++;
}

/* A server anew, with these limits. */
static void
serve(struct world *w, const char *listen, unsigned int max_connections,
    unsigned int max_files)
{
	const struct http_server_options o = { .base = w->base,
		.timers = w->timers,
		.listen = listen,
		.backlog = 128,
		.max_connections = max_connections,
		.max_files = max_files,
		.body_max = 40,
		.request_us = 10 * SECOND,
		.idle_us = 60 * SECOND,
		.on_request = on_request,
		.on_drained = on_drained,
		.ctx = w };
	struct err err;

	http_server_free(w->server);
	w->server = http_server_new(&o, &err);
	if (w->server == NULL)
		fail_msg("%s", err.text);
}

/* The same by a Unix socket, where what was taken is known at once. */
static void
serve_unix(struct world *w)
{
	char address[64];

	strcpy(w->dir, "/tmp/holdline-http-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/s", w->dir);
	snprintf(address, sizeof(address), "unix:%s", w->path);
	serve(w, address, 3, 2);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct timer_clock clock = { world_now, world_now, w };

	w->base = event_base_new();
	w->timers = timers_new(&clock);
	w->answer = "hello";
	w->answer_len = 5;
	w->file = -1;
	serve(w, "127.0.0.1:0", 3, 2);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	http_server_free(w->server);
	while (w->n_fds > 0)
		close(w->fds[--w->n_fds]);
	timers_free(w->timers);
	event_base_free(w->base);
	if (w->path[0] != '\0') {
		unlink(w->path);
		rmdir(w->dir);
	}
	free(w);
	return 0;
}

static int
dial(struct world *w)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((in_port_t)http_server_port(w->server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

static int
dial_unix(struct world *w)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(un.sun_path, w->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static int
client(struct world *w)
{
	int fd = w->path[0] != '\0' ? dial_unix(w) : dial(w);

	w->fds[w->n_fds++] = fd;
	return fd;
}

/* The same one connects anew. */
static void
client_again(struct world *w, int fd)
{
	int other = dial(w);

	dup2(other, fd);
	close(other);
}

/* What there is to do now. */
static void
turn(struct world *w)
{
	int i;

	for (i = 0; i < 20; i++) {
		event_base_loop(w->base, EVLOOP_NONBLOCK);
		timers_run(w->timers);
	}
}

static void
pass(struct world *w, int64_t us)
{
	w->now_us += us;
	turn(w);
}

static void
say(struct world *w, int fd, const char *text)
{
	assert_int_equal(
	    send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turn(w);
}

/* All that has come; "" = nothing, "(closed)" at the end when it is. */
static const char *
heard(int fd)
{
	static char text[2000];
	ssize_t n, all = 0;

	while ((n = recv(fd, text + all, sizeof(text) - 12 - (size_t)all,
		    MSG_DONTWAIT)) > 0)
		all += n;
	text[all] = '\0';
	if (n == 0)
		strcat(text, "(closed)");
	return text;
}

static bool
closed(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);

	return n == 0 || (n == -1 && errno != EAGAIN);
}

/* ---- tests */

static void
test_a_request_is_answered(void **state)
{
	struct world *w = *state;
	int fd = client(w);

	say(w, fd, GET);
	assert_string_equal(w->target, "/x");
	assert_string_equal(heard(fd),
	    "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
	    "Content-Type: text/plain\r\nContent-Length: 5\r\n"
	    "Connection: keep-alive\r\nX-Y: z\r\n\r\nhello");
	say(w, fd, "HEAD /y HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_string_equal(w->target, "/y");
	assert_null(strstr(heard(fd), "hello"));
	say(w, fd, "GET / HTTP/1.0\r\n\r\n");
	assert_non_null(strstr(heard(fd), "hello(closed)"));
}

static void
test_requests_wait_for_their_turn(void **state)
{
	struct world *w = *state;
	int fd = client(w);

	w->later = true;
	say(w, fd, GET "GET /second HTTP/1.1\r\nHost: x\r\n\r\nGET /thi");
	assert_int_equal(w->n_waiting, 1);
	say(w, fd, "rd HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(w->n_waiting, 1);
	answer(w, w->waiting[0]);
	turn(w);
	assert_int_equal(w->n_waiting, 2);
	assert_string_equal(w->target, "/second");
	answer(w, w->waiting[1]);
	turn(w);
	assert_int_equal(w->n_waiting, 3);
	assert_string_equal(w->target, "/third");
	answer(w, w->waiting[2]);
}

static void
test_a_client_may_leave_before_the_reply(void **state)
{
	struct world *w = *state;
	const struct linger now = { 1, 0 };
	int fd = client(w);

	w->later = true;
	say(w, fd, GET);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd); /* a reset */
	w->n_fds--;
	turn(w);
	answer(w, w->waiting[0]);
	turn(w);
	assert_int_equal(http_server_counts(w->server)->connections, 0);
}

static void
test_the_server_may_go_before_the_reply(void **state)
{
	struct world *w = *state;
	int fd = client(w);

	w->later = true;
	say(w, fd, GET);
	http_server_free(w->server);
	w->server = NULL;
	answer(w, w->waiting[0]); /* into nothing */
	assert_true(closed(fd));
}

static void
test_slow_clients_are_closed(void **state)
{
	struct world *w = *state;
	int silent = client(w), slow = client(w), idle = client(w);

	turn(w);
	say(w, slow, "GET ");
	say(w, idle, GET);
	heard(idle);
	pass(w, 9 * SECOND);
	say(w, slow, "/ HT"); /* drops do not help */
	assert_false(closed(slow));
	pass(w, SECOND);
	assert_true(closed(slow));
	assert_true(closed(silent));
	pass(w, 49 * SECOND);
	assert_string_equal(heard(idle), "");
	pass(w, 2 * SECOND);
	assert_string_equal(heard(idle), "(closed)");
	assert_int_equal(http_server_counts(w->server)->refused, 1);
}

static void
test_nonsense_is_refused_and_closed(void **state)
{
	static const struct {
		const char *text, *status;
	} cases[] = { { "GET / HTTP/1.1\r\n\r\n", "400 Bad" },
		{ "PUT / HTTP/1.1\r\nHost: x\r\n\r\n", "405" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 41\r\n\r\n",
		    "413" },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked"
		  "\r\n\r\n0\r\n\r\n",
		    "411" } };
	struct world *w = *state;
	const char *text;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fd = client(w);
		say(w, fd, cases[i].text);
		text = heard(fd);
		if (strstr(text, cases[i].status) == NULL ||
		    strstr(text, "(closed)") == NULL)
			fail_msg("%s: %s", cases[i].text, text);
	}
	assert_string_equal(w->target, "");
	assert_int_equal(http_server_counts(w->server)->connections, 0);
}

static void
test_a_body_is_awaited(void **state)
{
	struct world *w = *state;
	int fd = client(w);

	say(w, fd,
	    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
	    "Expect: 100-continue\r\n\r\n");
	assert_string_equal(heard(fd), "HTTP/1.1 100 Continue\r\n\r\n");
	say(w, fd, "ab");
	assert_string_equal(heard(fd), "");
	say(w, fd, "c");
	assert_string_equal(w->body, "abc");
	assert_non_null(strstr(heard(fd), "hello"));
}

/* Its request may be whole all the same. */
static void
test_a_client_may_hang_up_after_asking(void **state)
{
	struct world *w = *state;
	int whole = client(w), half = client(w);

	assert_int_equal(send(whole, GET, strlen(GET), 0), strlen(GET));
	shutdown(whole, SHUT_WR);
	turn(w);
	assert_non_null(strstr(heard(whole), "hello(closed)"));
	say(w, half,
	    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na");
	shutdown(half, SHUT_WR);
	turn(w);
	assert_true(closed(half));
	assert_int_equal(http_server_counts(w->server)->connections, 0);
}

static void
test_the_idlest_makes_room(void **state)
{
	struct world *w = *state;
	int fds[5], i;

	w->later = true;
	for (i = 0; i < 3; i++) {
		fds[i] = client(w);
		turn(w);
	}
	say(w, fds[0], GET); /* at work: it stays */
	fds[3] = client(w);
	turn(w);
	assert_false(closed(fds[0]));
	assert_true(closed(fds[1]));
	assert_false(closed(fds[2]));
	say(w, fds[2], GET);
	say(w, fds[3], GET);
	fds[4] = client(w);
	turn(w);
	assert_true(closed(fds[4])); /* there is nobody to make room */
	assert_int_equal(http_server_counts(w->server)->evicted, 2);
	for (i = 0; i < 3; i++)
		answer(w, w->waiting[i]);
}

/* All ask before the server has had its turn: who makes room for another one
 * is answered first, be it new or not. */
static void
test_a_crowd_is_served_in_turns(void **state)
{
	struct world *w = *state;
	int fds[60], i;

	for (i = 0; i < 3; i++) {
		fds[i] = client(w);
		say(w, fds[i], GET);
		heard(fds[i]);
	}
	for (i = 3; i < 60; i++)
		fds[i] = client(w);
	for (i = 0; i < 60; i++)
		assert_int_equal(
		    send(fds[i], GET, strlen(GET), 0), strlen(GET));
	turn(w);
	for (i = 0; i < 60; i++)
		if (strstr(heard(fds[i]), "hello") == NULL)
			fail_msg("%d got no answer", i);
}

/* Requests that never become whole lock nobody out. */
static void
test_drippers_make_room(void **state)
{
#define DRIPPERS 60
	struct world *w = *state;
	int drippers[DRIPPERS], fd, kept, i, round, answers = 0, closings = 0;

	serve(w, "127.0.0.1:0", 50, 2);
	kept = client(w);
	say(w, kept, GET);
	heard(kept);
	for (i = 0; i < DRIPPERS; i++)
		drippers[i] = client(w);
	for (round = 0; round < 100; round++) {
		for (i = 0; i < DRIPPERS; i++) {
			if (closed(drippers[i])) {
				closings++;
				client_again(w, drippers[i]);
			}
			(void)!send(drippers[i], "P", 1, MSG_NOSIGNAL);
		}
		turn(w);
		fd = client(w);
		pass(w, SECOND / 100);
		if (send(fd, GET, strlen(GET), MSG_NOSIGNAL) > 0)
			turn(w);
		answers += strstr(heard(fd), "hello") != NULL;
		close(fd);
		w->n_fds--;
	}
	assert_int_equal(answers, 100);
	assert_true(closings > 100);
	say(w, kept, GET); /* who was served is worth more */
	assert_non_null(strstr(heard(kept), "hello"));
}

/* Read all that comes, slowly or not; how much it was. */
static size_t
drink(struct world *w, int fd, size_t most)
{
	static char bytes[65536];
	size_t all = 0;
	ssize_t n;

	while (all < most) {
		turn(w);
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n <= 0)
			break;
		all += (size_t)n;
	}
	return all;
}

static void
test_long_replies_go_as_the_peer_takes_them(void **state)
{
	struct world *w = *state;
	char *big = calloc(1, BIG), path[] = "/tmp/holdline-http-XXXXXX";
	int fd = client(w), other = client(w), file = mkstemp(path);

	w->answer = big;
	w->answer_len = BIG;
	say(w, fd, GET);
	assert_true(drink(w, fd, BIG) >= BIG);
	say(w, fd, GET); /* the connection goes on */
	assert_true(drink(w, fd, BIG) >= BIG);
	assert_int_equal(ftruncate(file, (off_t)BIG), 0);
	w->file = file;
	say(w, other, GET);
	pass(w, 5 * SECOND);
	assert_true(drink(w, other, BIG) >= BIG);
	unlink(path);
	free(big);
}

/* No byte stands in for those that a file has lost since it was measured: the
 * client sees that the reply is cut. */
static void
test_a_file_that_shrinks_ends_the_reply(void **state)
{
	struct world *w = *state;
	char path[] = "/tmp/holdline-http-XXXXXX";
	int fd = client(w), file = mkstemp(path);
	size_t got;

	w->answer_len = BIG;
	assert_int_equal(ftruncate(file, (off_t)BIG / 2), 0);
	w->file = file;
	say(w, fd, GET);
	got = drink(w, fd, BIG);
	assert_true(got >= BIG / 2 && got < BIG / 2 + 512);
	assert_int_equal(http_server_counts(w->server)->connections, 0);
	unlink(path);
}

static void
ask_for_much(struct world *w, int fd)
{
	static char *big;

	if (big == NULL)
		big = calloc(1, BIG);
	w->answer = big;
	w->answer_len = BIG;
	say(w, fd, GET);
}

static void
ask_for_file(struct world *w, int fd)
{
	char path[] = "/tmp/holdline-http-XXXXXX";

	w->file = mkstemp(path);
	unlink(path);
	assert_int_equal(ftruncate(w->file, (off_t)BIG), 0);
	w->answer_len = BIG;
	say(w, fd, GET);
}

/* A peer that takes nothing is not waited for, however much it is to take. */
static void
test_a_reply_must_be_taken(void **state)
{
	struct world *w = *state;
	int fd;

	serve_unix(w);
	fd = client(w);
	ask_for_much(w, fd);
	pass(w, 9 * SECOND);
	assert_int_equal(http_server_counts(w->server)->connections, 1);
	pass(w, 2 * SECOND);
	assert_int_equal(http_server_counts(w->server)->connections, 0);
}

/* One that takes a little is, until it is far too late. */
static void
test_a_reply_may_be_taken_slowly(void **state)
{
	struct world *w = *state;
	int fd, i;

	serve_unix(w);
	fd = client(w);
	ask_for_much(w, fd);
	for (i = 0; i < 57; i++) { /* to 513 s; there are 522 s for it */
		pass(w, 9 * SECOND);
		assert_int_equal(http_server_counts(w->server)->connections, 1);
		drink(w, fd, 1);
	}
	pass(w, 10 * SECOND);
	assert_int_equal(http_server_counts(w->server)->connections, 0);
}

/* Who takes its reply stays, who does not makes room. */
static void
test_slow_readers_make_room(void **state)
{
	struct world *w = *state;
	int fast, slow, work, other;
	size_t drunk;

	serve_unix(w);
	fast = client(w);
	slow = client(w);
	work = client(w);
	w->later = true;
	say(w, work, GET);
	w->later = false;
	ask_for_much(w, fast);
	ask_for_much(w, slow);
	pass(w, SECOND / 2);
	other = client(w);
	turn(w);
	assert_true(closed(other)); /* it is early days */
	drunk = drink(w, fast, BIG / 8);
	pass(w, SECOND);
	w->answer = "hello";
	w->answer_len = 5;
	other = client(w);
	say(w, other, GET);
	assert_non_null(strstr(heard(other), "hello"));
	assert_true(drunk + drink(w, fast, BIG) >= BIG);
	assert_true(drink(w, slow, BIG) < BIG);
	answer(w, w->waiting[0]);
}

/* Each takes a descriptor more, so there is a limit of their own. */
static void
test_files_have_a_limit(void **state)
{
	struct world *w = *state;
	int fast, slow, other;
	size_t drunk;

	serve_unix(w);
	fast = client(w);
	slow = client(w);
	other = client(w);
	ask_for_file(w, fast);
	ask_for_file(w, slow);
	ask_for_file(w, other);
	assert_non_null(strstr(heard(other),
	    "503 Service Unavailable\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT"
	    "\r\nContent-Length: 0\r\nConnection: keep-alive\r\n"
	    "Cache-Control: no-store\r\nRetry-After: 5\r\n"));
	assert_int_equal(http_server_counts(w->server)->files_over, 1);
	drunk = drink(w, fast, BIG / 8);
	pass(w, SECOND);
	ask_for_file(w, other); /* in the place of the slow one */
	assert_true(drink(w, other, BIG) >= BIG);
	assert_true(drunk + drink(w, fast, BIG) >= BIG);
	assert_true(drink(w, slow, BIG) < BIG);
	assert_int_equal(http_server_counts(w->server)->connections, 2);
	drink(w, other, BIG); /* the rest */
	drink(w, fast, BIG);
	ask_for_file(w, fast); /* there is room again */
	ask_for_file(w, other);
	assert_true(drink(w, fast, BIG) >= BIG);
	assert_true(drink(w, other, BIG) >= BIG);
	assert_int_equal(http_server_counts(w->server)->files_over, 2);
}

/* ---- descriptors */

/* From now on the process can open no more of them. */
static void
use_up_descriptors(struct world *w, struct rlimit *before)
{
	struct rlimit limit;
	int fd;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
	limit = *before;
	while ((fd = dup(0)) < 40)
		w->fillers[w->n_fillers++] = fd;
	close(fd);
	limit.rlim_cur = 40;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void
test_descriptors_run_out(void **state)
{
	struct world *w = *state;
	int fds[3], i, starved[2];
	struct rlimit before;

	w->later = true;
	fds[0] = client(w);
	say(w, fds[0], GET);
	w->later = false;
	for (i = 1; i < 3; i++)
		fds[i] = client(w); /* the server has had no turn yet */
	use_up_descriptors(w, &before);
	for (i = 1; i < 3; i++)
		say(w, fds[i], GET);
	starved[0] = (int)http_server_counts(w->server)->starved;
	pass(w, 30 * SECOND); /* one episode, however long */
	starved[1] = (int)http_server_counts(w->server)->starved;
	answer(w, w->waiting[0]);
	pass(w, SECOND); /* each makes room for the next */
	while (w->n_fillers > 0)
		close(w->fillers[--w->n_fillers]);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(starved[0], 1);
	assert_int_equal(starved[1], 1);
	for (i = 0; i < 3; i++)
		assert_non_null(
		    strstr(heard(fds[i]), i < 2 ? "hello(closed)" : "hello"));
}

static void
test_stopping_lets_replies_out(void **state)
{
	struct world *w = *state;
	int idle = client(w), busy = client(w), late;

	w->later = true;
	turn(w);
	say(w, busy, GET);
	late = client(w); /* in the backlog */
	assert_int_equal(send(late, GET, strlen(GET), 0), strlen(GET));
	http_server_stop(w->server);
	turn(w);
	assert_true(closed(idle));
	assert_int_equal(w->n_waiting, 2);
	assert_int_equal(w->drained, 0);
	answer(w, w->waiting[0]);
	answer(w, w->waiting[1]);
	turn(w);
	assert_non_null(strstr(heard(busy), "Connection: close"));
	assert_non_null(strstr(heard(late), "hello(closed)"));
	assert_int_equal(w->drained, 1);
}

static void
test_a_port_can_be_shared(void **state)
{
	struct world *w = *state;
	char address[32];
	struct http_server_options o = { .base = w->base,
		.timers = w->timers,
		.listen = "127.0.0.1:0",
		.backlog = 8,
		.share_port = true,
		.on_request = on_request,
		.ctx = w };
	struct http_server *a, *b;
	struct err err;

	a = http_server_new(&o, &err);
	assert_non_null(a);
	snprintf(address, sizeof(address), "127.0.0.1:%u", http_server_port(a));
	o.listen = address;
	b = http_server_new(&o, &err);
	assert_non_null(b);
	o.share_port = false;
	assert_null(http_server_new(&o, &err));
	assert_non_null(strstr(err.text, "another program listens there"));
	http_server_free(a);
	http_server_free(b);
}

/* A file that a server left behind is not in the way; a server is. */
static void
test_a_unix_socket_is_taken_over(void **state)
{
	struct world *w = *state;
	char dir[] = "/tmp/holdline-http-XXXXXX", address[64];
	struct http_server_options o = { .base = w->base,
		.timers = w->timers,
		.listen = address,
		.backlog = 8,
		.on_request = on_request,
		.ctx = w };
	struct http_server *a, *b;
	struct err err;

	assert_non_null(mkdtemp(dir));
	snprintf(address, sizeof(address), "unix:%s/s", dir);
	a = http_server_new(&o, &err);
	assert_non_null(a);
	assert_int_equal(http_server_port(a), 0);
	assert_null(http_server_new(&o, &err));
	http_server_free(a);
	b = http_server_new(&o, &err);
	assert_non_null(b);
	http_server_free(b);
	unlink(address + strlen("unix:"));
	assert_int_equal(rmdir(dir), 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_request_is_answered),
		TEST(test_requests_wait_for_their_turn),
		TEST(test_a_client_may_leave_before_the_reply),
		TEST(test_the_server_may_go_before_the_reply),
		TEST(test_slow_clients_are_closed),
		TEST(test_nonsense_is_refused_and_closed),
		TEST(test_a_body_is_awaited),
		TEST(test_a_client_may_hang_up_after_asking),
		TEST(test_the_idlest_makes_room),
		TEST(test_a_crowd_is_served_in_turns),
		TEST(test_drippers_make_room),
		TEST(test_long_replies_go_as_the_peer_takes_them),
		TEST(test_a_file_that_shrinks_ends_the_reply),
		TEST(test_a_reply_must_be_taken),
		TEST(test_a_reply_may_be_taken_slowly),
		TEST(test_slow_readers_make_room),
		TEST(test_files_have_a_limit),
		TEST(test_descriptors_run_out),
		TEST(test_stopping_lets_replies_out),
		TEST(test_a_port_can_be_shared),
		TEST(test_a_unix_socket_is_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
