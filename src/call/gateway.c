/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gateway leg is a leg on an Asterisk channel together with the connection
 * it speaks over; the session sees only the one it was given.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/err.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/timer.h"
#include "call/agi_leg.h"
#include "call/gateway.h"
#include "wire/stream.h"

#define ACCEPT_MAX 64              /* in a row, so that calls have a turn */
#define PAUSE_US INT64_C(100000)   /* when not even refusing is possible */
#define QUIET_US INT64_C(60000000) /* one line of log for so long */

struct gateway {
	struct gateway_options o;
	int fd;                 /* listening; -1 once stopped */
	int reserve;            /* spent to refuse when descriptors run out */
	struct event *readable; /* owned; NULL once stopped */
	struct timer pause;     /* until accepting is tried again */
	unsigned int port, calls;
	int64_t quiet_until_us; /* the log has been told of refusals */
};

struct gateway_leg {
	struct leg leg; /* what the session sees */
	struct gateway *gateway;
	struct leg *agi;       /* owned */
	struct stream *stream; /* owned */
	char peer[INET6_ADDRSTRLEN];
};

/* ---- one leg */

static struct gateway_leg *
leg_of(struct leg *leg)
{
	return (struct gateway_leg *)leg;
}

static void
gateway_leg_answer(struct leg *leg)
{
	leg_answer(leg_of(leg)->agi);
}

static void
gateway_leg_say(struct leg *leg, const struct leg_say *say)
{
	leg_say(leg_of(leg)->agi, say);
}

static void
gateway_leg_collect(struct leg *leg, const struct leg_collect *collect)
{
	leg_collect(leg_of(leg)->agi, collect);
}

static void
gateway_leg_end(struct leg *leg, enum leg_next next, const char *result)
{
	leg_end(leg_of(leg)->agi, next, result);
}

static void
gateway_leg_free(struct leg *leg)
{
	struct gateway_leg *l = leg_of(leg);

	assert(l->gateway->calls > 0);
	l->gateway->calls--;
	leg_free(l->agi);
	stream_free(l->stream);
	free(l);
}

static const struct leg_ops gateway_leg_ops = { .answer = gateway_leg_answer,
	.say = gateway_leg_say,
	.collect = gateway_leg_collect,
	.end = gateway_leg_end,
	.free = gateway_leg_free };

static int
gateway_leg_write(void *ctx, const char *line, size_t len)
{
	struct gateway_leg *l = ctx;

	return stream_write(l->stream, line, len);
}

static void
on_stream_read(void *ctx, const void *bytes, size_t len)
{
	struct gateway_leg *l = ctx;

	agi_leg_input(l->agi, bytes, len);
}

static void
on_stream_closed(void *ctx, const char *why)
{
	struct gateway_leg *l = ctx;

	agi_leg_closed(l->agi, why);
}

static const struct stream_handler stream_handler = { on_stream_read,
	on_stream_closed };

/* The gateway's address, without the port, which each call has anew. */
static void
peer_name(int fd, char out[INET6_ADDRSTRLEN])
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	out[0] = '\0';
	if (getpeername(fd, (struct sockaddr *)&ss, &len) == -1)
		return;
	if (ss.ss_family == AF_INET)
		inet_ntop(AF_INET, &((struct sockaddr_in *)&ss)->sin_addr, out,
		    INET6_ADDRSTRLEN);
	else if (ss.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&ss)->sin6_addr,
		    out, INET6_ADDRSTRLEN);
}

/* Make a leg of a connection.  -1: the descriptor is still the caller's. */
static int
gateway_admit(struct gateway *g, int fd)
{
	struct gateway_leg *l;
	void *owner;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return -1;
	l->leg.ops = &gateway_leg_ops;
	l->gateway = g;
	if ((owner = g->o.admit(g->o.ctx, &l->leg)) == NULL) {
		free(l);
		return -1;
	}
	g->calls++;
	peer_name(fd, l->peer);
	l->stream = stream_new(g->o.base, fd, &stream_handler, l);
	if (l->stream != NULL)
		l->agi = agi_leg_new(
		    &(const struct agi_leg_options){ .timers = g->o.timers,
			.events = g->o.events,
			.ctx = owner,
			.gateway = l->peer,
			.slack_us = g->o.slack_us,
			.write = gateway_leg_write,
			.write_ctx = l });
	if (l->agi != NULL)
		return 0;
	if (l->stream == NULL)
		close(fd);
	g->o.events->failed(owner, "no memory for another call");
	return 0;
}

/* ---- accepting */

/* The peer sees a reset at once, and its dialplan goes on. */
static void
gateway_refuse(struct gateway *g, int fd, const char *why)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	int64_t now_us = timers_mono_us(g->o.timers);

	metric_add(METRIC_CALLS_REFUSED, 1);
	if (now_us >= g->quiet_until_us) {
		log_warn("call", NULL, "event=refusing calls=%u why=\"%s\"",
		    g->calls, why);
		g->quiet_until_us = now_us + QUIET_US;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static int
reserve_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
on_pause_over(void *ctx)
{
	struct gateway *g = ctx;

	if (g->reserve == -1)
		g->reserve = reserve_open();
	if (g->readable != NULL && event_add(g->readable, NULL) == -1)
		abort();
}

/* Descriptors have run out: spend the reserve to refuse one caller rather
 * than leave it waiting.  Returns false when even that fails. */
static bool
gateway_refuse_by_reserve(struct gateway *g)
{
	int fd;

	if (g->reserve == -1) {
		event_del(g->readable);
		timer_start(g->o.timers, &g->pause, PAUSE_US, on_pause_over, g);
		return false;
	}
	close(g->reserve);
	if ((fd = accept4(g->fd, NULL, NULL, SOCK_CLOEXEC)) != -1)
		gateway_refuse(g, fd,
		    "no descriptors left; raise LimitNOFILE, or lower "
		    "agi.max_calls");
	g->reserve = reserve_open();
	return fd != -1;
}

/* Returns false when there is nobody left to accept. */
static bool
gateway_accept(struct gateway *g)
{
	int fd = accept4(g->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd == -1 && (errno == EMFILE || errno == ENFILE))
		return gateway_refuse_by_reserve(g);
	if (fd == -1)
		return errno == ECONNABORTED || errno == EINTR;
	if (g->calls >= g->o.max_calls)
		gateway_refuse(g, fd,
		    "agi.max_calls is reached; raise it if the machine can "
		    "take more");
	else if (gateway_admit(g, fd) == -1)
		gateway_refuse(g, fd, "no memory for another call");
	return true;
}

static void
on_connection(evutil_socket_t fd, short what, void *ctx)
{
	struct gateway *g = ctx;
	int i;

	(void)fd, (void)what;
	for (i = 0; i < ACCEPT_MAX && g->fd != -1 && gateway_accept(g); i++)
		;
}

/* ---- the listener */

static int
gateway_bind(struct gateway *g, const struct stream_addr *addr)
{
	const int on = 1;
	struct sockaddr_storage bound = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(bound);

	g->fd = socket(
	    addr->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (g->fd == -1 ||
	    setsockopt(g->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ==
		-1 ||
	    bind(g->fd, (const struct sockaddr *)&addr->sa, addr->len) == -1 ||
	    listen(g->fd, g->o.backlog) == -1 ||
	    getsockname(g->fd, (struct sockaddr *)&bound, &len) == -1)
		return -1;
	/* sin_port and sin6_port lie at the same place. */
	g->port = ntohs(((struct sockaddr_in *)&bound)->sin_port);
	return 0;
}

static int
gateway_listen(struct gateway *g, struct err *err)
{
	struct stream_addr addr;
	char text[128];

	if (stream_addr_parse(g->o.listen, &addr, err) == -1)
		return err_add(err, "agi.listen");
	if (addr.sa.ss_family == AF_UNIX)
		return err_set(err, ERR_PARSE,
		    "agi.listen: Asterisk connects by TCP only; name an "
		    "address and a port");
	stream_addr_format(&addr, text);
	if (gateway_bind(g, &addr) == -1)
		return err_set(err, ERR_IO,
		    "cannot listen on %s: %s; stop what else listens there, or "
		    "change agi.listen",
		    text, strerror(errno));
	return 0;
}

struct gateway *
gateway_new(const struct gateway_options *options, struct err *err)
{
	struct gateway *g;

	if ((g = calloc(1, sizeof(*g))) == NULL) {
		err_set(err, ERR_NOMEM, "no memory for the gateway listener");
		return NULL;
	}
	g->o = *options;
	g->fd = -1;
	g->reserve = reserve_open();
	if (gateway_listen(g, err) == -1)
		goto fail;
	g->o.listen = NULL; /* borrowed for this call only */
	g->readable =
	    event_new(g->o.base, g->fd, EV_READ | EV_PERSIST, on_connection, g);
	if (g->readable == NULL || event_add(g->readable, NULL) == -1) {
		err_set(err, ERR_NOMEM, "no memory for the gateway listener");
		goto fail;
	}
	return g;
fail:
	gateway_free(g);
	return NULL;
}

void
gateway_stop(struct gateway *g)
{
	timer_stop(g->o.timers, &g->pause);
	if (g->readable != NULL)
		event_free(g->readable);
	g->readable = NULL;
	if (g->fd != -1)
		close(g->fd);
	g->fd = -1;
}

void
gateway_free(struct gateway *g)
{
	if (g == NULL)
		return;
	assert(g->calls == 0);
	gateway_stop(g);
	if (g->reserve != -1)
		close(g->reserve);
	free(g);
}

unsigned int
gateway_port(const struct gateway *g)
{
	return g->port;
}

unsigned int
gateway_calls(const struct gateway *g)
{
	return g->calls;
}
