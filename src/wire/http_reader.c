/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "wire/http_server_inner.h"

static void
exchange_refuse(struct http_exchange *x, int status)
{
	const struct http_reply reply = { .status = status };

	x->server->counts.refused++;
	x->keep = x->head_only = false;
	x->n_in = 0;
	http_exchange_enter(x, HTTP_ANSWERING);
	http_reply(x, &reply);
}

/* Keep bytes for later.  -1: no memory. */
static int
exchange_save(struct http_exchange *x, const char *bytes, size_t len)
{
	free(x->in);
	x->in = NULL;
	x->n_in = len;
	if (len == 0)
		return 0;
	if ((x->in = malloc(len)) == NULL)
		return -1;
	memcpy(x->in, bytes, len);
	return 0;
}

static void
exchange_continue(struct http_exchange *x)
{
	static const char words[] = "HTTP/1.1 100 Continue\r\n\r\n";

	/* A peer that takes not even this will get no reply either. */
	if (!x->continued)
		(void)!send(x->fd, words, strlen(words), MSG_NOSIGNAL);
	x->continued = true;
}

/* A request is not whole yet. */
static void
exchange_await(struct http_exchange *x, const char *bytes, size_t len,
    bool expect_continue)
{
	if (x->ended || exchange_save(x, bytes, len) == -1) {
		http_exchange_close(x); /* if ended it never will be */
		return;
	}
	if (expect_continue)
		exchange_continue(x);
	if (x->state == HTTP_IDLE && len > http_request_blank(bytes, len)) {
		http_exchange_enter(x, HTTP_READING);
		http_exchange_deadline(x, x->server->o.request_us);
	}
}

/* A request at the front of the shared bytes is handed over where it lies,
 * after what follows it was saved.  May free x. */
static void
exchange_take(struct http_exchange *x, const char *bytes, size_t len)
{
	struct http_server *s = x->server;
	struct http_request request;
	long used;

	used = http_request_parse(
	    &request, bytes, len, &x->scanned, s->o.body_max);
	if (used < 0) {
		exchange_refuse(x, (int)-used);
		return;
	}
	if (used == 0) {
		exchange_await(x, bytes, len, request.expect_continue);
		return;
	}
	x->scanned = 0;
	if (exchange_save(x, bytes + used, len - (size_t)used) == -1) {
		http_exchange_close(x);
		return;
	}
	s->counts.requests++;
	x->keep = request.keep;
	x->head_only = request.method == HTTP_HEAD;
	http_exchange_enter(x, HTTP_ANSWERING);
	s->o.on_request(s->o.ctx, x, &request);
}

void
http_reader_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct http_exchange *x = ctx;
	char *bytes = x->server->shared;
	size_t len = x->n_in;
	ssize_t n;

	(void)what;
	if (x->state != HTTP_IDLE && x->state != HTTP_READING) {
		event_del(x->readable);
		x->paused = true;
		return;
	}
	if (len > 0)
		memcpy(bytes, x->in, len);
	n = recv(fd, bytes + len, HTTP_SHARED_SIZE - len, 0);
	if (n > 0)
		len += (size_t)n;
	if (n <= 0 && len == 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			http_exchange_close(x);
		return;
	}
	x->ended |= n == 0;
	if (n == -1 && errno != EAGAIN && errno != EINTR)
		http_exchange_close(x);
	else
		exchange_take(x, bytes, len);
}

int
http_reader_open(struct http_server *s, int fd)
{
	struct http_exchange *x = calloc(1, sizeof(*x));
	int on = 1;

	if (x == NULL)
		return -1;
	x->server = s;
	x->fd = fd;
	x->file = -1;
	x->readable = event_new(
	    s->o.base, fd, EV_READ | EV_PERSIST, http_reader_readable, x);
	x->writable =
	    event_new(s->o.base, fd, EV_WRITE, http_reply_writable, x);
	if (x->readable == NULL || x->writable == NULL ||
	    event_add(x->readable, NULL) == -1) {
		if (x->readable != NULL)
			event_free(x->readable);
		if (x->writable != NULL)
			event_free(x->writable);
		free(x);
		return -1;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	x->since_us = timers_mono_us(s->o.timers);
	http_exchange_queue(x, QUEUE_ASKING);
	s->counts.connections++;
	/* The first request is due as any is, from its first byte on: the
	 * connection's. */
	http_exchange_deadline(x, s->o.request_us);
	return 0;
}
