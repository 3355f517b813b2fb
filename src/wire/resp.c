/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <openssl/ssl.h>

#include "base/err.h"
#include "base/str.h"
#include "wire/resp.h"
#include "wire/resp_trim.h"
#include "wire/stream.h"
#include "wire/tls.h"

#define REPLY_MAX (16u * 1024 * 1024) /* bytes of replies not yet complete */
#define ELEMENTS_MAX 1048576          /* of one array */

#if HIREDIS_MAJOR >= 1
typedef size_t elements_t;
#else
typedef int elements_t;
#endif

struct waiting {
	struct waiting *next;
	resp_reply_fn *fn;
	void *ctx;
};

struct resp {
	redisReplyObjectFunctions makers; /* hiredis', but for ... */
	void *(*make_array)(const redisReadTask *task, elements_t elements);
	struct bufferevent *bev;
	struct ssl_st *ssl; /* owned by bev; NULL = plain */
	struct event *late; /* the oldest missing reply is overdue */
	struct redisReader *reader;
	struct resp_trim trim;
	size_t unread; /* bytes of the reply that is not complete, or less */
	const struct resp_handler *handler;
	void *ctx;
	struct timeval timeout;
	bool open, closed;
	size_t pending;
	struct waiting *first, **last;
};

static void
forget_all(struct resp *r, bool tell)
{
	struct waiting *w;

	while ((w = r->first) != NULL) {
		r->first = w->next;
		r->pending--;
		if (tell)
			w->fn(w->ctx, NULL);
		free(w);
	}
	r->last = &r->first;
}

/* The one way a connection ends by itself. */
static void
resp_close(struct resp *r, const char *why)
{
	if (r->closed)
		return;
	r->closed = true;
	evtimer_del(r->late);
	bufferevent_disable(r->bev, EV_READ | EV_WRITE);
	forget_all(r, true);
	r->handler->on_closed(r->ctx, why); /* may free r */
}

/* The clock of the oldest missing reply; bytes that drip do not stop it. */
static void
resp_watch(struct resp *r)
{
	if (r->pending > 0)
		evtimer_add(r->late, &r->timeout);
	else
		evtimer_del(r->late);
}

/* Has the server been reached, and TLS been begun? */
static bool
resp_in_tls(const struct resp *r)
{
	return r->ssl != NULL && SSL_get_state(r->ssl) != TLS_ST_BEFORE;
}

/* A handshake is begun before the server has answered at all. */
static bool
resp_has_no_peer(const struct resp *r)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	return getpeername(bufferevent_getfd(r->bev), (struct sockaddr *)&peer,
		   &len) == -1;
}

static void
resp_too_late(struct resp *r)
{
	resp_close(r,
	    r->open ? "no reply in time"
		: resp_in_tls(r)
		? "no answer in TLS in time; is it the TLS port?"
		: "no connection in time");
}

static void
on_late(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	resp_too_late(ctx);
}

static void
resp_deliver(struct resp *r, const struct redisReply *reply)
{
	struct waiting *w = r->first;

	r->first = w->next;
	if (r->first == NULL)
		r->last = &r->first;
	r->pending--;
	if (reply->type == REDIS_REPLY_ERROR && r->handler->on_error != NULL)
		r->handler->on_error(r->ctx, reply->str);
	w->fn(w->ctx, reply);
	free(w);
}

/* An array's length is only said; hiredis would set memory aside for it,
 * gigabytes if need be. */
static void *
make_array(const redisReadTask *task, elements_t elements)
{
	const struct resp *r = task->privdata;

	return elements > ELEMENTS_MAX ? NULL : r->make_array(task, elements);
}

static int
resp_reader_new(struct resp *r)
{
	if ((r->reader = redisReaderCreate()) == NULL)
		return -1;
	r->makers = *r->reader->fn;
	r->make_array = r->makers.createArray;
	r->makers.createArray = make_array;
	r->reader->fn = &r->makers;
	r->reader->privdata = r;
	return 0;
}

static void
on_read(struct bufferevent *bev, void *ctx)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct resp *r = ctx;
	bool answered = false;
	void *reply = NULL;
	size_t len;

	while ((len = evbuffer_get_contiguous_space(in)) > 0) {
		r->unread += resp_trim_feed(&r->trim, r->reader,
		    (char *)evbuffer_pullup(in, (ssize_t)len), len);
		evbuffer_drain(in, len);
	}
	for (;;) {
		if (redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
			resp_close(r, "it does not speak the Redis protocol");
			return;
		}
		if (reply == NULL)
			break;
		if (r->first == NULL && r->handler->on_push == NULL) {
			freeReplyObject(reply);
			resp_close(r, "a reply came that nobody asked for");
			return;
		}
		if (r->first == NULL)
			r->handler->on_push(r->ctx, reply);
		else {
			resp_deliver(r, reply);
			answered = true;
		}
		freeReplyObject(reply);
		r->unread = r->reader->len - r->reader->pos;
	}
	if (answered) /* once for all that came together */
		resp_watch(r);
	if (r->unread > REPLY_MAX)
		resp_close(r, "a reply is longer than 16 MiB");
}

static void
on_event(struct bufferevent *bev, short what, void *ctx)
{
	int error = EVUTIL_SOCKET_ERROR();
	struct resp *r = ctx;
	char why[256];

	if ((what & BEV_EVENT_CONNECTED) != 0) {
		r->open = true;
		resp_watch(r);
		r->handler->on_open(r->ctx);
	} else if ((what & BEV_EVENT_TIMEOUT) != 0)
		resp_too_late(r);
	else if (!r->open && resp_in_tls(r) && resp_has_no_peer(r))
		resp_close(r,
		    "the connection was refused or reset; does it run there?");
	else if (resp_in_tls(r))
		resp_close(r,
		    tls_why(r->ssl, bufferevent_get_openssl_error(bev), why,
			sizeof(why)));
	else if ((what & BEV_EVENT_EOF) != 0)
		resp_close(r, "it closed the connection");
	else
		resp_close(r, evutil_socket_error_to_string(error));
}

/* What carries the bytes; takes `ssl`. */
static struct bufferevent *
resp_carrier(struct event_base *base, struct ssl_st *ssl)
{
	const int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
	struct bufferevent *bev;

	if (ssl == NULL)
		return bufferevent_socket_new(base, -1, options);
	bev = bufferevent_openssl_socket_new(
	    base, -1, ssl, BUFFEREVENT_SSL_CONNECTING, options);
	if (bev == NULL)
		SSL_free(ssl);
	else /* Redis just closes; an end that was cut shows in the replies */
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

struct resp *
resp_connect_tls(struct event_base *base, const struct stream_addr *addr,
    struct ssl_st *ssl, unsigned int timeout_s,
    const struct resp_handler *resp_handler, void *ctx, struct err *err)
{
	struct resp *r;

	if ((r = calloc(1, sizeof(*r))) == NULL) {
		SSL_free(ssl);
		goto nomem;
	}
	r->handler = resp_handler;
	r->ctx = ctx;
	r->timeout.tv_sec = timeout_s;
	r->last = &r->first;
	r->ssl = ssl;
	if ((r->bev = resp_carrier(base, ssl)) == NULL ||
	    resp_reader_new(r) == -1 ||
	    (r->late = evtimer_new(base, on_late, r)) == NULL)
		goto nomem;
	bufferevent_setcb(r->bev, on_read, NULL, on_event, r);
	evtimer_add(r->late, &r->timeout);
	if (bufferevent_enable(r->bev, EV_READ | EV_WRITE) == -1)
		goto nomem;
	/* A refusal comes through on_event(), like any other failure. */
	if (bufferevent_socket_connect(r->bev,
		(const struct sockaddr *)&addr->sa, (int)addr->len) == -1) {
		err_set(err, ERR_IO, "%s",
		    evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
		resp_free(r);
		return NULL;
	}
	return r;

nomem:
	err_set(err, ERR_NOMEM, "out of memory");
	resp_free(r);
	return NULL;
}

struct resp *
resp_connect(struct event_base *base, const struct stream_addr *addr,
    unsigned int timeout_s, const struct resp_handler *resp_handler, void *ctx,
    struct err *err)
{
	return resp_connect_tls(
	    base, addr, NULL, timeout_s, resp_handler, ctx, err);
}

void
resp_free(struct resp *r)
{
	if (r == NULL)
		return;
	forget_all(r, false);
	if (r->bev != NULL)
		bufferevent_free(r->bev);
	if (r->late != NULL)
		event_free(r->late);
	if (r->reader != NULL)
		redisReaderFree(r->reader);
	free(r);
}

void
resp_hang_up(struct resp *r, const char *why)
{
	resp_close(r, why);
}

/* "*2\r\n", "$14\r\n": what is counted, and how many. */
#define COUNT_MAX (STR_INT_SIZE + 2)
static char *
put_count(char *at, char what, size_t n)
{
	*at++ = what;
	at = str_int(at, (int64_t)n);
	*at++ = '\r';
	*at++ = '\n';
	return at;
}

/* What redisFormatCommandArgv() makes; that prints each length with sprintf(),
 * which was a third of the time of a push. */
static char *
put_command(char *at, int argc, const char **argv, const size_t *argvlen)
{
	int i;

	at = put_count(at, '*', (size_t)argc);
	for (i = 0; i < argc; i++) {
		at = put_count(at, '$', argvlen[i]);
		memcpy(at, argv[i], argvlen[i]);
		at += argvlen[i];
		*at++ = '\r';
		*at++ = '\n';
	}
	return at;
}

static int
resp_write(struct resp *r, int argc, const char **argv, const size_t *argvlen)
{
	char small[1024], *bytes = small;
	size_t max = COUNT_MAX;
	int i, rc;

	for (i = 0; i < argc; i++)
		max += COUNT_MAX + argvlen[i] + 2;
	if (max > sizeof(small) && (bytes = malloc(max)) == NULL)
		return -1;
	rc = bufferevent_write(r->bev, bytes,
	    (size_t)(put_command(bytes, argc, argv, argvlen) - bytes));
	if (bytes != small)
		free(bytes);
	return rc;
}

int
resp_send(struct resp *r, int argc, const char **argv, const size_t *argvlen,
    resp_reply_fn *fn, void *ctx)
{
	struct waiting *w;

	if (r->closed || !r->open)
		return -1;
	if ((w = calloc(1, sizeof(*w))) == NULL)
		return -1;
	if (resp_write(r, argc, argv, argvlen) == -1) {
		free(w);
		return -1;
	}
	w->fn = fn;
	w->ctx = ctx;
	*r->last = w;
	r->last = &w->next;
	if (r->pending++ == 0)
		resp_watch(r);
	return 0;
}

size_t
resp_pending(const struct resp *r)
{
	return r->pending;
}

size_t
resp_unsent(const struct resp *r)
{
	return evbuffer_get_length(bufferevent_get_output(r->bev));
}
