/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_server.h -- a small HTTP/1.1 server: one listener, its connections.
 *
 * Reads requests strictly (http_request.h), one at a time for a connection,
 * hands each to its owner, and takes the reply whenever it comes.  Everything
 * has a limit: the connections (a newcomer takes the place of one whose request
 * is late, else of the one idle for longest, else of one that hardly takes its
 * reply), the files that are sent at once, a request's size, the time for a
 * request, for a reply to be taken, and between requests.  Loop thread only.
 */
#ifndef WIRE_HTTP_SERVER_H
#define WIRE_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/http_request.h"

struct err;
struct event_base;
struct http_exchange; /* opaque: a request that waits for its reply */
struct http_server;   /* opaque */
struct timers;

struct http_server_options {
	struct event_base *base; /* borrowed */
	struct timers *timers;   /* borrowed */
	const char *listen;      /* "ip:port" or "unix:/path" */
	int backlog;
	bool share_port; /* other processes may listen there, too */
	unsigned int max_connections; /* a descriptor each */
	unsigned int max_files; /* of replies that are being sent; one more
				 * in each; beyond it the reply is 503 */
	size_t body_max;        /* of a request */
	int64_t request_us;     /* from a request's first byte to its last; for
			     * taking a reply, and a second for 16 KiB, but
			     * in each such time at least 16 KiB */
	int64_t idle_us;        /* between requests */
	/*
	 * A request is there; it is borrowed until this returns.  Answer with
	 * http_reply(), exactly once, now or later.
	 */
	void (*on_request)(void *ctx, struct http_exchange *exchange,
	    const struct http_request *request);
	/* The last reply after http_server_stop() has been sent.  May be
	 * NULL. */
	void (*on_drained)(void *ctx);
	void *ctx;
};

struct http_reply {
	int status;          /* such as 200 */
	const char *type;    /* Content-Type; NULL = none */
	const char *headers; /* more, each with its CR LF; NULL = none */
	const void *body;
	size_t len;
	/* With file_set the body is `len` bytes of this file instead; its
	 * descriptor is then the server's. */
	int file;
	bool file_set;
};

/* How it stands. */
struct http_counts {
	unsigned int connections;
	uint64_t requests, refused; /* refused: malformed, too large, late */
	uint64_t evicted;           /* times that max_connections was reached */
	uint64_t files_over;        /* times that max_files was */
	uint64_t starved;           /* times that descriptors ran out */
};

/* Starts listening.  Owned (http_server_free); NULL with *err. */
struct http_server *http_server_new(
    const struct http_server_options *options, struct err *err);

/* Close everything at once.  Replies to what it had handed out may still come;
 * they go nowhere.  NULL is a no-op. */
void http_server_free(struct http_server *server);

/* Take what waits in the backlog, stop listening, close idle connections and
 * the others after their reply; on_drained() follows from a later event. */
void http_server_stop(struct http_server *server);

/* The port it listens on; 0 for a Unix socket. */
unsigned int http_server_port(const struct http_server *server);

/* Borrowed. */
const struct http_counts *http_server_counts(const struct http_server *server);

/*
 * Answer; all of *reply is borrowed.  The exchange is gone afterwards.  When
 * its peer has gone before, nothing happens.
 */
void http_reply(struct http_exchange *exchange, const struct http_reply *reply);

#endif
