/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/err.h"
#include "wire/stream.h"

#define BIG ((size_t)4 << 20)

/* One stream, and the far end of its connection. */
struct world {
	struct event_base *base;
	struct stream *stream;
	int fd, peer;
	char got[8192];
	size_t n_got, total, reads;
	char closed[128];
	int closes;
	struct event *patience;
	bool late;
	bool free_in_read, free_in_closed, reset_in_read, write_in_read;
};

static void
on_read(void *ctx, const void *bytes, size_t len)
{
	struct world *w = ctx;

	w->reads++;
	w->total += len;
	if (len <= sizeof(w->got) - w->n_got) {
		memcpy(w->got + w->n_got, bytes, len);
		w->n_got += len;
	}
	if (w->write_in_read)
		assert_int_equal(stream_write(w->stream, "echo", 4), 0);
	if (w->free_in_read)
		stream_free(w->stream);
	if (w->reset_in_read)
		stream_reset(w->stream);
	if (w->free_in_read || w->reset_in_read)
		w->stream = NULL;
}

static void
on_closed(void *ctx, const char *why)
{
	struct world *w = ctx;

	w->closes++;
	strncpy(w->closed, why, sizeof(w->closed) - 1);
	if (!w->free_in_closed)
		return;
	stream_free(w->stream);
	w->stream = NULL;
}

static const struct stream_handler handler = { on_read, on_closed };

/* A connected pair of TCP sockets; the first one is non-blocking. */
static void
connect_pair(int fds[2])
{
	struct stream_addr a;
	struct err err;
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(stream_addr_parse("127.0.0.1:0", &a, &err), 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&a.sa, a.len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(
	    getsockname(listener, (struct sockaddr *)&a.sa, &a.len), 0);
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fds[1], (struct sockaddr *)&a.sa, a.len), 0);
	fds[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fds[0] >= 0);
	close(listener);
}

static void
on_patience(evutil_socket_t fd, short what, void *ctx)
{
	struct world *w = ctx;

	(void)fd, (void)what;
	w->late = true;
}

static int
world_open(void **state)
{
	static struct world w;
	const struct timeval patience = { 20, 0 };
	int fds[2];

	w = (struct world){ .base = event_base_new() };
	connect_pair(fds);
	w.fd = fds[0];
	w.peer = fds[1];
	setsockopt(
	    w.peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	w.patience = evtimer_new(w.base, on_patience, &w);
	evtimer_add(w.patience, &patience);
	w.stream = stream_new(w.base, w.fd, &handler, &w);
	*state = &w;
	return w.stream == NULL;
}

static int
world_close(void **state)
{
	struct world *w = *state;

	stream_free(w->stream);
	if (w->peer != -1)
		close(w->peer);
	event_free(w->patience);
	event_base_free(w->base);
	return 0;
}

/* Run the loop until something has happened; fails when nothing does. */
static void
turn(struct world *w)
{
	assert_int_equal(event_base_loop(w->base, EVLOOP_ONCE), 0);
	assert_false(w->late);
}

/* Does the stream wait for its socket to take more? */
static bool
keeps_something(const struct world *w)
{
	return event_base_get_num_events(w->base, EVENT_BASE_COUNT_ADDED) > 2;
}

static void
say(struct world *w, const char *text)
{
	assert_int_equal(write(w->peer, text, strlen(text)), strlen(text));
}

static void
peer_hears(struct world *w, const char *text)
{
	char heard[64] = "";

	assert_int_equal(recv(w->peer, heard, sizeof(heard), 0), strlen(text));
	assert_string_equal(heard, text);
}

static void
test_bytes_come_and_go(void **state)
{
	struct world *w = *state;

	say(w, "HANGUP\n");
	turn(w);
	assert_memory_equal(w->got, "HANGUP\n", 7);
	assert_int_equal(stream_write(w->stream, "ANSWER\n", 7), 0);
	peer_hears(w, "ANSWER\n"); /* without a turn of the loop */
	assert_int_equal(w->closes, 0);
}

static void
test_socket_options(void **state)
{
	struct world *w = *state;
	int on = 0;
	socklen_t len = sizeof(on);

	getsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, &len);
	assert_int_not_equal(on, 0);
	on = 0;
	getsockopt(w->fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len);
	assert_int_not_equal(on, 0);
}

static void
test_peer_closes_once(void **state)
{
	struct world *w = *state;

	say(w, "x");
	close(w->peer);
	w->peer = -1;
	while (w->closes == 0)
		turn(w);
	assert_int_equal(w->n_got, 1);
	assert_string_equal(w->closed, "connection closed by the peer");
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	assert_int_equal(w->closes, 1);
	assert_int_equal(stream_write(w->stream, "x", 1), -1);
}

static void
test_half_close_is_a_close(void **state)
{
	struct world *w = *state;

	shutdown(w->peer, SHUT_WR);
	turn(w);
	assert_int_equal(w->closes, 1);
}

static void
test_free_in_read(void **state)
{
	struct world *w = *state;

	w->free_in_read = true;
	say(w, "x");
	turn(w);
	assert_null(w->stream);
	peer_hears(w, "");
}

static void
test_write_and_free_in_read(void **state)
{
	struct world *w = *state;

	w->write_in_read = w->free_in_read = true;
	say(w, "x");
	turn(w);
	peer_hears(w, "echo");
	peer_hears(w, "");
}

static void
test_free_in_closed(void **state)
{
	struct world *w = *state;

	w->free_in_closed = true;
	shutdown(w->peer, SHUT_WR);
	turn(w);
	assert_int_equal(w->closes, 1);
	assert_null(w->stream);
}

static void
peer_is_reset(struct world *w)
{
	char byte;

	assert_int_equal(recv(w->peer, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
}

static void
test_reset(void **state)
{
	struct world *w = *state;

	stream_reset(w->stream);
	w->stream = NULL;
	peer_is_reset(w);
}

static void
test_reset_in_read(void **state)
{
	struct world *w = *state;

	w->reset_in_read = true;
	say(w, "x");
	turn(w);
	peer_is_reset(w);
}

/* A burst is read in bounded pieces, and nothing of it is lost. */
static void
test_burst(void **state)
{
	struct world *w = *state;
	char *burst = calloc(1, BIG);
	size_t sent = 0;
	ssize_t n;

	while (w->total < BIG) {
		n = send(w->peer, burst + sent, BIG - sent, MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
		turn(w);
	}
	assert_int_equal(w->total, BIG);
	assert_true(w->reads >= BIG / 65536);
	free(burst);
}

/* Fill the socket until the stream has to keep something. */
static size_t
fill(struct world *w)
{
	static const char block[4096];
	size_t sent = 0;

	while (!keeps_something(w)) {
		assert_int_equal(
		    stream_write(w->stream, block, sizeof(block)), 0);
		sent += sizeof(block);
	}
	return sent;
}

static size_t
drain(struct world *w, size_t want)
{
	char block[65536];
	size_t sum = 0, most;
	ssize_t n;

	while (sum < want) {
		most = want - sum < sizeof(block) ? want - sum : sizeof(block);
		n = recv(w->peer, block, most, MSG_DONTWAIT);
		if (n > 0)
			sum += (size_t)n;
		else
			turn(w);
	}
	return sum;
}

static void
test_leftover_is_sent_later(void **state)
{
	struct world *w = *state;
	size_t sent = fill(w);

	assert_int_equal(stream_write(w->stream, "ANSWER\n", 7), 0);
	assert_int_equal(drain(w, sent), sent);
	while (keeps_something(w))
		turn(w);
	peer_hears(w, "ANSWER\n");
}

static void
test_peer_that_does_not_read(void **state)
{
	struct world *w = *state;
	static const char block[4096];
	size_t kept = 0;

	fill(w);
	while (stream_write(w->stream, block, sizeof(block)) == 0)
		kept += sizeof(block);
	assert_true(kept >= 65536 - 2 * sizeof(block) && kept <= 65536);
	assert_int_equal(w->closes, 0);
}

/* The failure comes from the loop, or as -1; never as a signal. */
static void
test_write_to_a_dead_peer(void **state)
{
	struct world *w = *state;
	const struct linger now = { 1, 0 };

	fill(w);
	setsockopt(w->peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(w->peer);
	w->peer = -1;
	assert_int_equal(w->closes, 0);
	while (w->closes == 0)
		turn(w);
	assert_int_equal(w->closes, 1);
	assert_int_equal(stream_write(w->stream, "x", 1), -1);
}

static void
test_write_fails_before_the_loop_knows(void **state)
{
	struct world *w = *state;
	const struct linger now = { 1, 0 };

	setsockopt(w->peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(w->peer);
	w->peer = -1;
	assert_int_equal(stream_write(w->stream, "x", 1), -1);
	assert_int_equal(stream_write(w->stream, "x", 1), -1); /* no SIGPIPE */
	assert_int_equal(w->closes, 0);
}

/* What an idle stream takes from malloc(). */
static void
test_idle_stream_is_small(void **state)
{
	struct world *w = *state;
	size_t before, after;
	int fds[2];
	struct stream *s;

	connect_pair(fds);
	before = mallinfo2().uordblks;
	s = stream_new(w->base, fds[0], &handler, w);
	after = mallinfo2().uordblks;
	assert_true(after - before <= 500);
	stream_free(s);
	close(fds[1]);
}

/* ---- addresses */

static void
address_is(const char *text, int family)
{
	struct stream_addr a;
	struct err err;
	char out[128];

	assert_int_equal(stream_addr_parse(text, &a, &err), 0);
	assert_int_equal(a.sa.ss_family, family);
	stream_addr_format(&a, out);
	assert_string_equal(out, text);
}

static void
test_addresses(void **state)
{
	(void)state;
	address_is("127.0.0.1:4573", AF_INET);
	address_is("0.0.0.0:0", AF_INET);
	address_is("[::1]:65535", AF_INET6);
	address_is("unix:/run/redis/redis.sock", AF_UNIX);
}

static void
test_bad_addresses(void **state)
{
	const char *bad[] = { "", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
		"127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
		"127.0.0.1: 1", "127.0.0.1:000001", "localhost:4573",
		"::1:4573", "[::1]", "[::1]4573", "[127.0.0.1]:1", ":4573",
		"[]:1", "unix:" };
	struct stream_addr a;
	struct err err;
	char path[256] = "unix:/", host[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.code = ERR_NONE;
		assert_int_equal(stream_addr_parse(bad[i], &a, &err), -1);
		assert_int_equal(err.code, ERR_PARSE);
	}
	memset(path + 6, 'x', 108);
	assert_int_equal(stream_addr_parse(path, &a, &err), -1);
	memset(host, '1', sizeof(host));
	strcpy(host + 100, ":1");
	assert_int_equal(stream_addr_parse(host, &a, &err), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_bytes_come_and_go),
		T(test_socket_options),
		T(test_peer_closes_once),
		T(test_half_close_is_a_close),
		T(test_free_in_read),
		T(test_write_and_free_in_read),
		T(test_free_in_closed),
		T(test_reset),
		T(test_reset_in_read),
		T(test_burst),
		T(test_leftover_is_sent_later),
		T(test_peer_that_does_not_read),
		T(test_write_to_a_dead_peer),
		T(test_write_fails_before_the_loop_knows),
		T(test_idle_stream_is_small),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_bad_addresses),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
