/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_server_inner.h -- a server and its connections, as the files that make
 * them up see them.  Each uses those above it:
 *
 *	http_exchange	the life of a connection; how it takes its reply
 *	http_reply	answering, up to the next request
 *	http_reader	from the first byte to a request that is handed over
 *	http_room	who is closed when another one comes
 *	http_server	listening and accepting
 *
 * A connection is its exchange.  It waits for a request, for its owner's
 * reply, or for the peer to take that; while it does not wait for a request it
 * does not read, so that a peer that asks on and on waits in its own buffers.
 * Loop thread only.
 */
#ifndef WIRE_HTTP_SERVER_INNER_H
#define WIRE_HTTP_SERVER_INNER_H

#include <sys/queue.h>
#include <time.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/timer.h"
#include "wire/http_server.h"

#define HTTP_SHARED_SIZE 65536 /* one read */
#define HTTP_SLOWEST 16384     /* bytes a second that a peer must take */
#define HTTP_LOOKS_MAX 64      /* at connections, to make room for one */
#define HTTP_QUIET_US INT64_C(60000000) /* one line of log for so long */

/* What it waits for. */
enum http_state {
	HTTP_IDLE,      /* for the first byte of a request */
	HTTP_READING,   /* for the rest of it */
	HTTP_ANSWERING, /* for http_reply() */
	HTTP_WRITING,   /* for the peer to take the reply */
	HTTP_DEAD       /* for http_reply(), which goes nowhere */
};

/* In each, whoever has been there for longest is first. */
enum http_queue {
	QUEUE_NONE,
	QUEUE_ASKING, /* for its first request, or for the rest of one */
	QUEUE_IDLE,   /* was served, and may ask again */
	QUEUE_OWED,   /* for http_reply() */
	QUEUE_TAKING, /* since it was seen to take enough */
	QUEUE_COUNT
};

struct http_exchange {
	struct http_server *server; /* NULL once that is gone */
	TAILQ_ENTRY(http_exchange) link;
	int fd;
	enum http_state state;
	struct event *readable, *writable; /* owned */
	struct timer timer;
	int64_t deadline_us; /* the timer may fire earlier, and looks again */
	int64_t since_us;    /* it asks, or `taken` bytes were taken */
	int64_t until_us;    /* all must be taken */
	int64_t taken;
	enum http_queue queue;
	bool looked;          /* it was read from before it would make room */
	bool keep, head_only; /* of the request */
	bool continued;       /* "100 Continue" was sent */
	bool paused;          /* it is not read from */
	bool ended;           /* nothing more will come */
	char *in;             /* owned; what no request was made of yet */
	size_t n_in, scanned;
	char *out; /* owned; what the socket has not taken */
	size_t n_out, out_at;
	int file; /* owned; -1 = none */
	off_t file_at, file_end;
};

TAILQ_HEAD(http_exchanges, http_exchange);

struct http_server {
	struct http_server_options o;
	int fd;
	struct event *acceptable; /* owned; NULL once stopped */
	struct timer pause;
	unsigned int port;
	struct http_exchanges queues[QUEUE_COUNT];
	struct http_counts counts;
	int64_t quiet_until_us, files_quiet_until_us, starved_quiet_until_us;
	unsigned int asking; /* the length of that queue */
	unsigned int files;  /* that are being sent */
	bool starved;        /* descriptors have run out */
	bool gave_way;       /* somebody did to mend that, since it was tried */
	bool stopping, told;
	time_t date_s;
	char date[40];
	char shared[HTTP_SHARED_SIZE];
};

/* May this be logged?  Then not again for a while. */
static inline bool
http_server_may_log(struct http_server *s, int64_t *quiet_until_us)
{
	int64_t now_us = timers_mono_us(s->o.timers);

	if (now_us < *quiet_until_us)
		return false;
	*quiet_until_us = now_us + HTTP_QUIET_US;
	return true;
}

/* ---- http_exchange.c */

/* It waits for something else now, at the end of that queue. */
void http_exchange_enter(struct http_exchange *x, enum http_state state);

/* At the end of that queue, whatever it waits for. */
void http_exchange_queue(struct http_exchange *x, enum http_queue queue);

/* What it waits for is due then. */
void http_exchange_deadline(struct http_exchange *x, int64_t in_us);

/* From now on it has so long to take some more of its reply. */
void http_exchange_mark(struct http_exchange *x);

/* The first one that takes too slowly, of a file or of anything, or NULL. */
struct http_exchange *http_exchange_slow(struct http_server *s, bool file);

/* It sends no file any more. */
void http_exchange_close_file(struct http_exchange *x);

/* The one way a connection ends.  Its memory stays for whoever owes it a
 * reply, and is else gone. */
void http_exchange_close(struct http_exchange *x);

/* The same, when its peer takes too little of a reply: the kernel, too, is to
 * forget what it has of that, which may be megabytes. */
void http_exchange_abort(struct http_exchange *x);

/* The memory of one that was closed. */
void http_exchange_free(struct http_exchange *x);

/* A timer's: tell the owner of `ctx`, a server, once, when it was stopped and
 * the last connection has gone. */
void http_exchange_drained(void *ctx);

/* ---- http_reply.c; http_reply() is its other one */

/* libevent's: go on with a reply.  `ctx` is an exchange, and may be gone
 * afterwards. */
void http_reply_writable(evutil_socket_t fd, short what, void *ctx);

/* ---- http_reader.c */

/* Begin with a connection that was accepted.  Returns 0, and then owns `fd`;
 * or -1 when out of memory. */
int http_reader_open(struct http_server *s, int fd);

/* libevent's: read on.  `ctx` is an exchange, and may be gone afterwards. */
void http_reader_readable(evutil_socket_t fd, short what, void *ctx);

/* ---- http_room.c */

/* Close one; false = there is none.  What it has said in the meantime is read
 * first: it may be a request. */
bool http_room_make(struct http_server *s);

/* Is there room for one more connection?  If not it is made. */
bool http_room_for_one(struct http_server *s);

#endif
