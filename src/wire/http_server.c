/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "wire/http_server_inner.h"
#include "wire/stream.h"

#define ACCEPT_MAX 64            /* in a row, so that others have a turn */
#define PAUSE_US INT64_C(100000) /* when descriptors have run out */

/* ---- accepting */

static void
on_pause_over(void *ctx)
{
	struct http_server *s = ctx;

	if (s->acceptable != NULL && event_add(s->acceptable, NULL) == -1)
		abort();
}

/* Descriptors or memory have run out: somebody makes room, or the backlog
 * waits. */
static bool
server_starve(struct http_server *s, int why)
{
	if (!s->starved)
		s->counts.starved++;
	s->starved = true;
	if (http_server_may_log(s, &s->starved_quiet_until_us))
		log_error("http", NULL,
		    "event=no-descriptors connections=%u files=%u "
		    "reason=\"%s\" hint=\"late, idle and slow ones are "
		    "closed to make room; raise LimitNOFILE\"",
		    s->counts.connections, s->files, strerror(why));
	/* Once, and then not until after a pause: it may be of no use. */
	if (!s->gave_way && http_room_make(s)) {
		s->gave_way = true;
		return true;
	}
	s->gave_way = false;
	if (s->acceptable != NULL) {
		event_del(s->acceptable);
		timer_start(s->o.timers, &s->pause, PAUSE_US, on_pause_over, s);
	}
	return false;
}

/* Returns false when there is nobody to accept now. */
static bool
server_accept(struct http_server *s)
{
	int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd == -1) {
		if (errno == ECONNABORTED || errno == EINTR)
			return true;
		return errno != EAGAIN && server_starve(s, errno);
	}
	s->starved = s->gave_way = false;
	if (!http_room_for_one(s) || http_reader_open(s, fd) == -1)
		close(fd);
	return true;
}

static void
on_acceptable(evutil_socket_t fd, short what, void *ctx)
{
	unsigned int i;

	(void)fd, (void)what;
	for (i = 0; i < ACCEPT_MAX && server_accept(ctx); i++)
		;
}

/* ---- listening */

/* A Unix socket's file outlives whoever listened there.  One that nobody
 * answers is in the way. */
static void
remove_stale(const struct stream_addr *addr)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&addr->sa;
	int fd;

	if (addr->sa.ss_family != AF_UNIX)
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return;
	if (connect(fd, (const struct sockaddr *)un, addr->len) == -1 &&
	    errno == ECONNREFUSED)
		unlink(un->sun_path);
	close(fd);
}

static int
server_bind(struct http_server *s, struct stream_addr *addr, struct err *err)
{
	int on = 1;

	s->fd = socket(
	    addr->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd == -1)
		return err_set(
		    err, ERR_IO, "%s: %s", s->o.listen, strerror(errno));
	(void)setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (s->o.share_port && addr->sa.ss_family != AF_UNIX &&
	    setsockopt(s->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == -1)
		return err_set(err, ERR_IO, "%s: SO_REUSEPORT: %s", s->o.listen,
		    strerror(errno));
	remove_stale(addr);
	if (bind(s->fd, (struct sockaddr *)&addr->sa, addr->len) == -1)
		return err_set(err, ERR_IO, "%s: %s%s", s->o.listen,
		    strerror(errno),
		    errno == EADDRINUSE
			? "; another program listens there, or the same one "
			  "without sharing the port"
			: "");
	if (listen(s->fd, s->o.backlog) == -1 ||
	    getsockname(s->fd, (struct sockaddr *)&addr->sa, &addr->len) == -1)
		return err_set(
		    err, ERR_IO, "%s: %s", s->o.listen, strerror(errno));
	return 0;
}

struct http_server *
http_server_new(const struct http_server_options *options, struct err *err)
{
	struct http_server *s = calloc(1, sizeof(*s));
	struct stream_addr addr;
	enum http_queue queue;
	in_port_t port = 0;

	if (s == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	s->o = *options;
	s->fd = -1;
	for (queue = QUEUE_NONE; queue < QUEUE_COUNT; queue++)
		TAILQ_INIT(&s->queues[queue]);
	if (stream_addr_parse(s->o.listen, &addr, err) == -1 ||
	    server_bind(s, &addr, err) == -1)
		goto fail;
	if (addr.sa.ss_family == AF_INET)
		port = ((struct sockaddr_in *)&addr.sa)->sin_port;
	else if (addr.sa.ss_family == AF_INET6)
		port = ((struct sockaddr_in6 *)&addr.sa)->sin6_port;
	s->port = ntohs(port);
	s->acceptable =
	    event_new(s->o.base, s->fd, EV_READ | EV_PERSIST, on_acceptable, s);
	if (s->acceptable == NULL || event_add(s->acceptable, NULL) == -1) {
		err_set(err, ERR_NOMEM, "out of memory");
		goto fail;
	}
	return s;

fail:
	http_server_free(s);
	return NULL;
}

static void
server_unlisten(struct http_server *s)
{
	if (s->acceptable != NULL)
		event_free(s->acceptable);
	s->acceptable = NULL;
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
}

static void
server_close_silent(struct http_server *s, enum http_queue queue)
{
	struct http_exchange *x, *next;

	for (x = TAILQ_FIRST(&s->queues[queue]); x != NULL; x = next) {
		next = TAILQ_NEXT(x, link);
		if (x->state != HTTP_IDLE)
			continue;
		/* One that has just been accepted may have asked already. */
		x->keep = false;
		if (recv(x->fd, s->shared, 1, MSG_PEEK) <= 0)
			http_exchange_close(x);
	}
}

void
http_server_stop(struct http_server *s)
{
	if (s->stopping)
		return;
	while (server_accept(s))
		;
	server_unlisten(s);
	s->stopping = true;
	server_close_silent(s, QUEUE_IDLE);
	server_close_silent(s, QUEUE_ASKING);
	timer_start(s->o.timers, &s->pause, 0, http_exchange_drained, s);
}

void
http_server_free(struct http_server *s)
{
	struct http_exchange *x;
	enum http_queue queue;

	if (s == NULL)
		return;
	s->stopping = s->told = true;
	for (queue = QUEUE_NONE; queue < QUEUE_COUNT; queue++)
		while ((x = TAILQ_FIRST(&s->queues[queue])) != NULL)
			http_exchange_close(x);
	server_unlisten(s);
	timer_stop(s->o.timers, &s->pause);
	free(s);
}

unsigned int
http_server_port(const struct http_server *s)
{
	return s->port;
}

const struct http_counts *
http_server_counts(const struct http_server *s)
{
	return &s->counts;
}
