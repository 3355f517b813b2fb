/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libevent's plain events and our own read() and send(): a bufferevent would
 * keep two buffers and cost a third more time for lines as short as ours.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/err.h"
#include "base/secret.h"
#include "wire/stream.h"

#define READ_SIZE 4096             /* a whole environment fits */
#define READS_MAX 16               /* in a row, so that others have a turn */
#define UNSENT_MAX ((size_t)65536) /* a peer that does not read is dead */

/* What the socket would not take yet. */
struct unsent {
	struct event writable;
	size_t from, len; /* bytes[from] to bytes[len - 1] wait */
	char bytes[];
};

struct stream {
	struct event readable;
	int fd;
	bool closed;  /* on_closed() was called */
	bool reading; /* freeing waits until the handler returns */
	bool freed;
	const struct stream_handler *handler;
	void *ctx;
	struct unsent *unsent; /* owned; NULL while nothing waits */
};

static void
unsent_free(struct stream *s)
{
	if (s->unsent == NULL)
		return;
	event_del(&s->unsent->writable);
	free(s->unsent);
	s->unsent = NULL;
}

/* The peer is gone: say so, once.  The handler may free the stream. */
static void
stream_closed(struct stream *s, const char *why)
{
	s->closed = true;
	event_del(&s->readable);
	unsent_free(s);
	s->handler->on_closed(s->ctx, why);
}

/* Read once.  Returns true when there may be more to read. */
static bool
stream_read(struct stream *s)
{
	char bytes[READ_SIZE];
	ssize_t n;

	n = recv(s->fd, bytes, sizeof(bytes), 0);
	if (n == 0)
		stream_closed(s, "connection closed by the peer");
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		stream_closed(s, strerror(errno));
	if (n <= 0)
		return false;
	s->reading = true;
	s->handler->on_read(s->ctx, bytes, (size_t)n);
	s->reading = false;
	secret_cleanse(bytes, (size_t)n);
	if (!s->freed)
		return n == (ssize_t)sizeof(bytes);
	free(s);
	return false;
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	int i;

	(void)fd, (void)what;
	for (i = 0; i < READS_MAX && stream_read(ctx); i++)
		;
}

struct stream *
stream_new(struct event_base *base, int fd,
    const struct stream_handler *handler, void *ctx)
{
	const int on = 1;
	struct stream *s;

	assert(fd >= 0);
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->fd = fd;
	s->handler = handler;
	s->ctx = ctx;
	/* Neither exists on a Unix socket; there nothing waits anyway. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (event_assign(&s->readable, base, fd, EV_READ | EV_PERSIST,
		on_readable, s) == -1 ||
	    event_add(&s->readable, NULL) == -1) {
		free(s);
		return NULL;
	}
	return s;
}

/* Send what the socket takes: how much, or -1 when the peer is gone. */
static ssize_t
stream_send(struct stream *s, const char *bytes, size_t len)
{
	ssize_t n;

	do
		n = send(s->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno == EAGAIN)
		n = 0;
	return n;
}

void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	if (s->unsent != NULL)
		(void)stream_send(s, s->unsent->bytes + s->unsent->from,
		    s->unsent->len - s->unsent->from);
	unsent_free(s);
	event_del(&s->readable);
	close(s->fd);
	s->freed = true;
	if (!s->reading)
		free(s);
}

void
stream_reset(struct stream *s)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (s == NULL)
		return;
	unsent_free(s);
	(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	stream_free(s);
}

static void
on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct stream *s = ctx;
	struct unsent *u = s->unsent;
	ssize_t n;

	(void)fd, (void)what;
	if ((n = stream_send(s, u->bytes + u->from, u->len - u->from)) == -1) {
		stream_closed(s, strerror(errno));
		return;
	}
	u->from += (size_t)n;
	if (u->from == u->len)
		unsent_free(s);
}

/* Keep bytes behind those that wait already. */
static int
unsent_keep(struct stream *s, const char *bytes, size_t len)
{
	struct unsent *old = s->unsent, *u;
	size_t had = old == NULL ? 0 : old->len - old->from;

	if (had + len > UNSENT_MAX ||
	    (u = malloc(sizeof(*u) + had + len)) == NULL)
		return -1;
	u->from = 0;
	u->len = had + len;
	if (had > 0)
		memcpy(u->bytes, old->bytes + old->from, had);
	memcpy(u->bytes + had, bytes, len);
	unsent_free(s);
	if (event_assign(&u->writable, event_get_base(&s->readable), s->fd,
		EV_WRITE | EV_PERSIST, on_writable, s) == -1 ||
	    event_add(&u->writable, NULL) == -1) {
		free(u);
		return -1;
	}
	s->unsent = u;
	return 0;
}

int
stream_write(struct stream *s, const void *bytes, size_t len)
{
	ssize_t n = 0;

	if (s->closed)
		return -1;
	if (s->unsent == NULL && (n = stream_send(s, bytes, len)) == -1)
		return -1;
	if ((size_t)n == len)
		return 0;
	return unsent_keep(s, (const char *)bytes + n, len - (size_t)n);
}

/* ---- addresses */

static int
addr_unix(const char *path, struct stream_addr *addr, struct err *err)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&addr->sa;
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(un->sun_path))
		return err_set(err, ERR_PARSE,
		    "\"unix:%s\" needs a path of 1 to %zu bytes", path,
		    sizeof(un->sun_path) - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len + 1);
	addr->len = (socklen_t)sizeof(*un);
	return 0;
}

/* "0" to "65535", digits only. */
static int
addr_port(const char *text, in_port_t *port)
{
	size_t len = strlen(text);
	unsigned long n;

	if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
		return -1;
	if ((n = strtoul(text, NULL, 10)) > 65535)
		return -1;
	*port = htons((in_port_t)n);
	return 0;
}

static int
addr_inet(const char *host, const char *port, struct stream_addr *addr)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&addr->sa;

	in->sin_family = AF_INET;
	addr->len = (socklen_t)sizeof(*in);
	return inet_pton(AF_INET, host, &in->sin_addr) == 1 &&
		addr_port(port, &in->sin_port) == 0
	    ? 0
	    : -1;
}

static int
addr_inet6(const char *host, const char *port, struct stream_addr *addr)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr->sa;

	in6->sin6_family = AF_INET6;
	addr->len = (socklen_t)sizeof(*in6);
	return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 &&
		addr_port(port, &in6->sin6_port) == 0
	    ? 0
	    : -1;
}

int
stream_addr_parse(const char *text, struct stream_addr *addr, struct err *err)
{
	const char *host = text, *colon = strrchr(text, ':');
	char copy[64];
	size_t len;

	*addr = (struct stream_addr){ .len = 0 };
	if (strncmp(text, "unix:", 5) == 0)
		return addr_unix(text + 5, addr, err);
	len = colon == NULL ? 0 : (size_t)(colon - text);
	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	if (colon == NULL || len >= sizeof(copy))
		goto bad;
	memcpy(copy, host, len);
	copy[len] = '\0';
	if ((host == text ? addr_inet : addr_inet6)(copy, colon + 1, addr) == 0)
		return 0;
bad:
	return err_set(err, ERR_PARSE,
	    "\"%s\" is not an address such as 127.0.0.1:4573, [::1]:4573 or "
	    "unix:/path",
	    text);
}

void
stream_addr_format(const struct stream_addr *addr, char out[128])
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&addr->sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr->sa;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&addr->sa;
	char host[INET6_ADDRSTRLEN] = "?";

	if (addr->sa.ss_family == AF_UNIX)
		snprintf(out, 128, "unix:%s", un->sun_path);
	else if (addr->sa.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(out, 128, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else {
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(out, 128, "%s:%u", host, ntohs(in->sin_port));
	}
}
