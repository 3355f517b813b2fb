/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resp.h -- a connection to Redis: commands out, replies in, pipelined.
 *
 * hiredis' reader over a libevent bufferevent.  A text or value of over 16 KiB
 * comes as its first KiB: none of ours is so long.  One connection,
 * no reconnecting: when it fails, every command in flight gets its callback
 * with a NULL reply, then on_closed() is called.  Loop thread only.
 */
#ifndef WIRE_RESP_H
#define WIRE_RESP_H

#include <stddef.h>

struct err;
struct event_base;
struct redisReply;
struct resp;   /* opaque */
struct ssl_st; /* OpenSSL's SSL */
struct stream_addr;

/* A reply has come (borrowed), or NULL: the connection failed first, and
 * whether the command was carried out is not known. */
typedef void resp_reply_fn(void *ctx, const struct redisReply *reply);

struct resp_handler {
	void (*on_open)(void *ctx); /* connected; commands may be sent */
	/* The connection is gone; `why` is a few words.  Called once, from the
	 * event loop, never from inside resp_send(), never after
	 * resp_free(). */
	void (*on_closed)(void *ctx, const char *why);
	/* A reply is an error; the command's own callback follows.  May be
	 * NULL. */
	void (*on_error)(void *ctx, const char *text);
	/* What comes unasked after SUBSCRIBE.  NULL: nothing may come unasked,
	 * and what does ends the connection. */
	void (*on_push)(void *ctx, const struct redisReply *reply);
};

/*
 * Start connecting.  Owned (resp_free); NULL with *err.
 *   timeout_s	for connecting, and for the oldest reply that is missing
 *   handler	borrowed, must outlive the connection
 */
struct resp *resp_connect(struct event_base *base,
    const struct stream_addr *addr, unsigned int timeout_s,
    const struct resp_handler *handler, void *ctx, struct err *err);

/* As resp_connect(), within TLS (tls_client() makes `ssl`; taken, also when it
 * fails; NULL = plain). */
struct resp *resp_connect_tls(struct event_base *base,
    const struct stream_addr *addr, struct ssl_st *ssl, unsigned int timeout_s,
    const struct resp_handler *handler, void *ctx, struct err *err);

/* Close and free; callbacks of commands in flight are not called.  Not from
 * inside a reply callback.  NULL is a no-op. */
void resp_free(struct resp *r);

/* End it as a failure would: NULL for each command in flight, then
 * on_closed(why).  Not from inside a reply callback. */
void resp_hang_up(struct resp *r, const char *why);

/* Send one command.  Returns 0, and fn is called exactly once later unless
 * resp_free() comes first; or -1 when memory is out or it is closed. */
int resp_send(struct resp *r, int argc, const char **argv,
    const size_t *argvlen, resp_reply_fn *fn, void *ctx);

/* Commands whose reply has not come. */
size_t resp_pending(const struct resp *r);

/* Bytes of commands that the socket has not taken. */
size_t resp_unsent(const struct resp *r);

#endif
