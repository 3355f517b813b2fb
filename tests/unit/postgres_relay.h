/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postgres_relay.h -- a wire to PostgreSQL that can be cut at the commit.
 *
 * A thread listens on a Unix socket of its own and passes bytes on, one
 * connection after the other.  Armed, it closes both ends when it sees COMMIT
 * go by: before the server has it, or when the server has answered.
 */
#ifndef TESTS_POSTGRES_RELAY_H
#define TESTS_POSTGRES_RELAY_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/unit/postgres_cluster.h"

enum relay_cut {
	RELAY_WHOLE,
	RELAY_CUT_BEFORE, /* the server never hears COMMIT */
	RELAY_CUT_AFTER,  /* the client never hears the answer */
	RELAY_MUTE        /* as after, but the wire seems to be there */
};

struct relay {
	char dir[110];
	int listener;
	atomic_int cut; /* enum relay_cut; once */
	pthread_t thread;
};

static inline struct sockaddr_un
relay_address(const char *dir)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	assert_true(snprintf(a.sun_path, sizeof(a.sun_path),
			"%.90s/.s.PGSQL.5432", dir) > 0);
	return a;
}

/* Is "COMMIT" what the client says?  It is sent in one piece. */
static inline int
relay_is_commit(const char *bytes, size_t len)
{
	return memmem(bytes, len, "COMMIT", 6) != NULL &&
	    memmem(bytes, len, "COMMITTED", 9) == NULL;
}

static inline void
relay_wait_for_end(int client)
{
	char bytes[512];

	while (read(client, bytes, sizeof(bytes)) > 0)
		;
}

/* Pass one helping on; 0 = the connection is over. */
static inline int
relay_pass(struct relay *r, int client, int server, int from)
{
	char bytes[65536];
	ssize_t len = read(from, bytes, sizeof(bytes));
	int cut = RELAY_WHOLE, to = from == client ? server : client;

	if (len <= 0)
		return 0;
	if (from == client && relay_is_commit(bytes, (size_t)len))
		cut = atomic_exchange(&r->cut, RELAY_WHOLE);
	if (cut == RELAY_CUT_BEFORE)
		return 0;
	if (write(to, bytes, (size_t)len) != len)
		return 0;
	if (cut == RELAY_WHOLE)
		return 1;
	len = read(server, bytes, sizeof(bytes)); /* it is committed now */
	if (cut == RELAY_MUTE)
		relay_wait_for_end(client);
	return 0;
}

static inline void
relay_serve(struct relay *r, int client)
{
	struct sockaddr_un a = relay_address(cluster.dir);
	int server = socket(AF_UNIX, SOCK_STREAM, 0);
	struct pollfd pfds[2] = { { .fd = client, .events = POLLIN },
		{ .fd = server, .events = POLLIN } };
	int i, on = connect(server, (struct sockaddr *)&a, sizeof(a)) == 0;

	while (on && poll(pfds, 2, -1) > 0)
		for (i = 0; i < 2 && on; i++)
			if (pfds[i].revents != 0)
				on = relay_pass(r, client, server, pfds[i].fd);
	close(server);
	close(client);
}

static inline void *
relay_thread(void *arg)
{
	struct relay *r = arg;
	int client;

	while ((client = accept(r->listener, NULL, NULL)) != -1)
		relay_serve(r, client);
	return NULL;
}

static inline void
relay_listen(struct relay *r)
{
	assert_int_equal(listen(r->listener, 8), 0);
	atomic_store(&r->cut, RELAY_WHOLE);
	assert_int_equal(pthread_create(&r->thread, NULL, relay_thread, r), 0);
}

static inline void
relay_start(struct relay *r)
{
	struct sockaddr_un a;

	snprintf(r->dir, sizeof(r->dir), "%s/relay", cluster.dir);
	assert_int_equal(mkdir(r->dir, 0700), 0);
	a = relay_address(r->dir);
	r->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(
	    bind(r->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	relay_listen(r);
}

/* On loopback; returns the port. */
static inline int
relay_start_tcp(struct relay *r)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	r->dir[0] = '\0';
	r->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(
	    bind(r->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(
	    getsockname(r->listener, (struct sockaddr *)&a, &len), 0);
	relay_listen(r);
	return ntohs(a.sin_port);
}

/* When nobody is connected any more. */
static inline void
relay_stop(struct relay *r)
{
	struct sockaddr_un a = relay_address(r->dir);

	shutdown(r->listener, SHUT_RDWR);
	pthread_join(r->thread, NULL);
	close(r->listener);
	if (r->dir[0] == '\0')
		return;
	unlink(a.sun_path);
	rmdir(r->dir);
}

#endif
