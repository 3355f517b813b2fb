/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h -- one accepted connection on the event loop, and addresses.
 *
 * Small (no buffers while idle) and eager (a write goes to the socket at
 * once, whole if the socket takes it).  Bytes that were read are wiped after
 * on_read() returns, because a caller's digits may be in them.
 * Loop thread only.
 */
#ifndef WIRE_STREAM_H
#define WIRE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct err;
struct event_base;
struct stream; /* opaque */

struct stream_handler {
	/* Bytes have come in; borrowed, wiped afterwards. */
	void (*on_read)(void *ctx, const void *bytes, size_t len);
	/* The peer closed or the connection failed: `why` is a few words.
	 * Called at most once, never after stream_free(), never from inside
	 * stream_write(). */
	void (*on_closed)(void *ctx, const char *why);
};

/*
 * Take over a connected, non-blocking descriptor.  Owned (stream_free); NULL
 * when out of memory (the descriptor is then still the caller's).
 * `handler` is borrowed and must outlive the stream.
 */
struct stream *stream_new(struct event_base *base, int fd,
    const struct stream_handler *handler, void *ctx);

/* Close and free, also from inside a handler.  What was written but not yet
 * taken by the socket is tried once more.  NULL is a no-op. */
void stream_free(struct stream *s);

/* As stream_free(), but the peer sees a reset at once. */
void stream_reset(struct stream *s);

/*
 * Write all of it; what the socket does not take now is kept and sent later.
 * Returns 0, or -1 when the connection has failed, the peer has not read
 * 64 KiB of what was sent or memory is out: free the stream then.
 */
int stream_write(struct stream *s, const void *bytes, size_t len);

/* An address to listen on or connect to. */
struct stream_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

/*
 * "127.0.0.1:4573", "[::1]:4573" or "unix:/path"; numeric only, no names.
 * A port of 0 is allowed.  Returns 0, or -1 with *err (ERR_PARSE).
 */
int stream_addr_parse(
    const char *text, struct stream_addr *addr, struct err *err);

/* "127.0.0.1:4573" of an address; out takes 128 bytes. */
void stream_addr_format(const struct stream_addr *addr, char out[128]);

#endif
