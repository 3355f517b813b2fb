/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection is its exchange.  It waits for a request, for its owner's
 * reply, or for the peer to take that; while it does not wait for a request it
 * does not read, so that a peer that asks on and on waits in its own buffers.
 *
 * When there are as many connections as there may be, a newcomer takes the
 * place of the one that is worth least: see server_least().
 */
#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/timer.h"
#include "wire/http_server.h"
#include "wire/stream.h"

#define ACCEPT_MAX 64             /* in a row, so that others have a turn */
#define REPLY_HEAD_MAX 1024       /* our own headers are far shorter */
#define SHARED_SIZE 65536         /* one read */
#define SLOWEST 16384             /* bytes a second that a peer must take */
#define ASKING_US INT64_C(200000) /* a request of one packet is there by then */
#define TAKING_US INT64_C(1000000) /* how long a peer's taking is looked at */
#define LOOKS_MAX 64               /* at connections, to make room for one */
#define QUIET_US INT64_C(60000000) /* one line of log for so long */
#define PAUSE_US INT64_C(100000)   /* when descriptors have run out */

enum state {
	HTTP_IDLE,      /* for the first byte of a request */
	HTTP_READING,   /* for the rest of it */
	HTTP_ANSWERING, /* for http_reply() */
	HTTP_WRITING,   /* for the peer to take the reply */
	HTTP_DEAD       /* for http_reply(), which goes nowhere */
};

/* In each, whoever has been there for longest is first. */
enum queue {
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
	enum state state;
	struct event *readable, *writable; /* owned */
	struct timer timer;
	int64_t deadline_us; /* the timer may fire earlier, and looks again */
	int64_t since_us;    /* it asks, or `taken` bytes were taken */
	int64_t until_us;    /* all must be taken */
	int64_t taken;
	enum queue queue;
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

TAILQ_HEAD(exchanges, http_exchange);

struct http_server {
	struct http_server_options o;
	int fd;
	struct event *acceptable; /* owned; NULL once stopped */
	struct timer pause;
	unsigned int port;
	struct exchanges queues[QUEUE_COUNT];
	struct http_counts counts;
	int64_t quiet_until_us, files_quiet_until_us, starved_quiet_until_us;
	unsigned int asking; /* the length of that queue */
	unsigned int files;  /* that are being sent */
	bool starved;        /* descriptors have run out */
	bool gave_way;       /* somebody did to mend that, since it was tried */
	bool stopping, told;
	time_t date_s;
	char date[40];
	char shared[SHARED_SIZE];
};

/* ---- the life of a connection */

/* One line of log for so long. */
static bool
server_may_log(struct http_server *s, int64_t *quiet_until_us)
{
	int64_t now_us = timers_mono_us(s->o.timers);

	if (now_us < *quiet_until_us)
		return false;
	*quiet_until_us = now_us + QUIET_US;
	return true;
}

static void
enter_queue(struct http_exchange *x, enum queue queue)
{
	struct http_server *s = x->server;

	if (x->queue != QUEUE_NONE)
		TAILQ_REMOVE(&s->queues[x->queue], x, link);
	s->asking -= x->queue == QUEUE_ASKING;
	s->asking += queue == QUEUE_ASKING;
	x->queue = queue;
	x->looked = false;
	if (queue != QUEUE_NONE)
		TAILQ_INSERT_TAIL(&s->queues[queue], x, link);
}

/* Move it to where its state has it. */
static void
enter_state(struct http_exchange *x, enum state state)
{
	static const enum queue queues[] = { [HTTP_IDLE] = QUEUE_IDLE,
		[HTTP_READING] = QUEUE_ASKING,
		[HTTP_ANSWERING] = QUEUE_OWED,
		[HTTP_WRITING] = QUEUE_TAKING,
		[HTTP_DEAD] = QUEUE_NONE };

	x->state = state;
	if (state == HTTP_READING && x->queue == QUEUE_ASKING)
		return; /* the first byte of the first request wins no time */
	enter_queue(x, queues[state]);
	if (state == HTTP_READING)
		x->since_us = timers_mono_us(x->server->o.timers);
}

static void
exchange_free(struct http_exchange *x)
{
	free(x->in);
	free(x->out);
	free(x);
}

static void
server_maybe_drained(void *ctx)
{
	struct http_server *s = ctx;

	if (!s->stopping || s->told || s->counts.connections > 0)
		return;
	s->told = true;
	if (s->o.on_drained != NULL)
		s->o.on_drained(s->o.ctx);
}

static void
exchange_close_file(struct http_exchange *x)
{
	if (x->file == -1)
		return;
	close(x->file);
	x->file = -1;
	x->server->files--;
}

/* The one way a connection ends.  Its memory stays for whoever refers to
 * it. */
static void
exchange_close(struct http_exchange *x)
{
	struct http_server *s = x->server;
	bool owed = x->state == HTTP_ANSWERING;

	enter_state(x, HTTP_DEAD);
	timer_stop(s->o.timers, &x->timer);
	if (x->readable != NULL)
		event_free(x->readable);
	if (x->writable != NULL)
		event_free(x->writable);
	close(x->fd);
	exchange_close_file(x);
	x->server = NULL;
	if (!owed)
		exchange_free(x);
	if (--s->counts.connections == 0 && s->stopping)
		timer_start(s->o.timers, &s->pause, 0, server_maybe_drained, s);
}

/* Its peer takes too little of a reply.  The kernel, too, is to forget what it
 * has of that, which may be megabytes. */
static void
exchange_abort(struct http_exchange *x)
{
	const struct linger now = { 1, 0 };

	(void)setsockopt(x->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	exchange_close(x);
}

static void on_timer(void *ctx);

/* The timer moves only when it must fire earlier. */
static void
exchange_deadline(struct http_exchange *x, int64_t in_us)
{
	struct timers *timers = x->server->o.timers;
	int64_t now_us = timers_mono_us(timers);

	x->deadline_us = now_us + in_us;
	if (x->timer.slot == 0 || x->timer.at_us > x->deadline_us)
		timer_start(timers, &x->timer, in_us, on_timer, x);
}

/* ---- how a reply is taken */

/* What the peer has taken of the reply, up to a constant: what the socket has
 * taken tells little, because that may hold megabytes. */
static int64_t
exchange_taken(const struct http_exchange *x)
{
	int waiting = 0;

	if (ioctl(x->fd, SIOCOUTQ, &waiting) == -1)
		waiting = 0;
	return (int64_t)x->out_at + x->file_at - waiting;
}

/* From now on it has so long to take some more. */
static void
exchange_mark(struct http_exchange *x, int64_t taken)
{
	struct http_server *s = x->server;
	int64_t left_us;

	x->since_us = timers_mono_us(s->o.timers);
	x->taken = taken;
	enter_queue(x, QUEUE_TAKING);
	left_us = x->until_us > x->since_us ? x->until_us - x->since_us : 0;
	exchange_deadline(
	    x, left_us < s->o.request_us ? left_us : s->o.request_us);
}

/* Has it taken that much since it was marked?  Then it is marked anew. */
static bool
exchange_takes(struct http_exchange *x, int64_t least)
{
	int64_t taken = exchange_taken(x);

	if (taken - x->taken < least)
		return false;
	exchange_mark(x, taken);
	return true;
}

/* The first one that takes too slowly, of a file or of anything, or NULL. */
static struct http_exchange *
server_slow(struct http_server *s, bool file)
{
	int64_t now_us = timers_mono_us(s->o.timers), for_us;
	struct http_exchange *x, *next;
	unsigned int i;

	x = TAILQ_FIRST(&s->queues[QUEUE_TAKING]);
	for (i = 0; x != NULL && i < LOOKS_MAX; i++, x = next) {
		next = TAILQ_NEXT(x, link);
		for_us = now_us - x->since_us;
		if (for_us < TAKING_US)
			break;
		if ((!file || x->file != -1) &&
		    !exchange_takes(x, for_us / CLOCK_S_US * SLOWEST))
			return x;
	}
	return NULL;
}

static void
on_timer(void *ctx)
{
	struct http_exchange *x = ctx;
	struct http_server *s = x->server;
	int64_t now_us = timers_mono_us(s->o.timers);

	if (x->state == HTTP_ANSWERING)
		return; /* ours to be on time */
	if (now_us < x->deadline_us) {
		timer_start(s->o.timers, &x->timer, x->deadline_us - now_us,
		    on_timer, x);
		return;
	}
	if (x->state == HTTP_READING)
		s->counts.refused++;
	if (x->state != HTTP_WRITING)
		exchange_close(x);
	else if (now_us >= x->until_us || !exchange_takes(x, SLOWEST))
		exchange_abort(x);
}

/* ---- writing */

/* Is there more to send?  -1: the peer is gone. */
static int
exchange_flush(struct http_exchange *x)
{
	ssize_t n;

	while (x->out_at < x->n_out) {
		n = send(x->fd, x->out + x->out_at, x->n_out - x->out_at,
		    MSG_NOSIGNAL);
		if (n == -1)
			return errno == EAGAIN || errno == EINTR ? 1 : -1;
		x->out_at += (size_t)n;
	}
	while (x->file != -1 && x->file_at < x->file_end) {
		n = sendfile(x->fd, x->file, &x->file_at,
		    (size_t)(x->file_end - x->file_at));
		if (n == -1)
			return errno == EAGAIN || errno == EINTR ? 1 : -1;
		if (n == 0)
			return -1; /* the file was cut under our hands */
	}
	return 0;
}

/* Is it the beginning of one?  An empty line is not. */
static bool
is_request(const char *bytes, size_t len)
{
	return len > http_request_blank(bytes, len);
}

/* The reply is out: on to the next request, some of which may be there. */
static void
exchange_next(struct http_exchange *x)
{
	struct http_server *s = x->server;

	free(x->out);
	x->out = NULL;
	x->n_out = x->out_at = 0;
	exchange_close_file(x);
	x->continued = false;
	if (!x->keep || s->stopping) {
		/* What it may still send must not make the kernel reset the
		 * connection under our reply. */
		shutdown(x->fd, SHUT_WR);
		exchange_close(x);
		return;
	}
	enter_state(x, is_request(x->in, x->n_in) ? HTTP_READING : HTTP_IDLE);
	exchange_deadline(
	    x, x->state == HTTP_READING ? s->o.request_us : s->o.idle_us);
	if (x->paused && event_add(x->readable, NULL) == -1) {
		exchange_close(x);
		return;
	}
	x->paused = false;
	if (x->n_in > 0) /* perhaps a whole one; nothing more may come */
		event_active(x->readable, EV_READ, 0);
}

/* Is the reply not out yet?  If it is, x may be gone. */
static bool
exchange_go_on(struct http_exchange *x)
{
	int rc = exchange_flush(x);

	if (rc == 1 && event_add(x->writable, NULL) == 0)
		return true;
	if (rc == 0)
		exchange_next(x);
	else
		exchange_close(x);
	return false;
}

static void
on_writable(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	(void)exchange_go_on(ctx);
}

static const char *
status_word(int status)
{
	static const struct {
		int status;
		const char *word;
	} words[] = { { 200, "OK" }, { 304, "Not Modified" },
		{ 400, "Bad Request" }, { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 411, "Length Required" },
		{ 413, "Content Too Large" }, { 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" } };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].status == status)
			return words[i].word;
	return "Answer";
}

/* "Tue, 24 Nov 2026 17:30:00 GMT", made once a second. */
static const char *
server_date(struct http_server *s)
{
	time_t now = (time_t)(timers_wall_us(s->o.timers) / CLOCK_S_US);
	struct tm tm;

	if (now != s->date_s || s->date[0] == '\0') {
		s->date_s = now;
		gmtime_r(&now, &tm);
		strftime(s->date, sizeof(s->date), "%a, %d %b %Y %T GMT", &tm);
	}
	return s->date;
}

static size_t
reply_head(struct http_exchange *x, const struct http_reply *reply,
    char out[REPLY_HEAD_MAX])
{
	const char *connection = !x->keep || x->server->stopping
	    ? "Connection: close\r\n"
	    : "Connection: keep-alive\r\n";
	char length[48] = "";
	int n;

	if (reply->status != 304)
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n",
		    reply->len);
	n = snprintf(out, REPLY_HEAD_MAX,
	    "HTTP/1.1 %d %s\r\nDate: %s\r\n%s%s%s%s%s%s\r\n", reply->status,
	    status_word(reply->status), server_date(x->server),
	    reply->type != NULL ? "Content-Type: " : "",
	    reply->type != NULL ? reply->type : "",
	    reply->type != NULL ? "\r\n" : "", length, connection,
	    reply->headers != NULL ? reply->headers : "");
	assert(n > 0 && n < REPLY_HEAD_MAX);
	return (size_t)n;
}

/* Keep what the socket did not take at once; -1: no memory. */
static int
exchange_keep(struct http_exchange *x, const struct iovec *iov, size_t sent)
{
	size_t total = iov[0].iov_len + iov[1].iov_len, skip;

	if (sent == total)
		return 0;
	x->n_out = total - sent;
	x->out_at = 0;
	if ((x->out = malloc(x->n_out)) == NULL)
		return -1;
	if (sent < iov[0].iov_len) {
		skip = iov[0].iov_len - sent;
		memcpy(x->out, (char *)iov[0].iov_base + sent, skip);
		if (iov[1].iov_len > 0)
			memcpy(x->out + skip, iov[1].iov_base, iov[1].iov_len);
	} else {
		memcpy(x->out,
		    (char *)iov[1].iov_base + (sent - iov[0].iov_len),
		    x->n_out);
	}
	return 0;
}

/* Another file may be sent; one that is hardly taken makes room. */
static bool
server_has_file(struct http_server *s)
{
	struct http_exchange *slow;

	if (s->files < s->o.max_files)
		return true;
	s->counts.files_over++;
	if (server_may_log(s, &s->files_quiet_until_us))
		log_warn("http", NULL,
		    "event=file-limit limit=%u hint=\"slow clients make room; "
		    "without one, the answer is 503\"",
		    s->o.max_files);
	if ((slow = server_slow(s, true)) == NULL)
		return false;
	exchange_abort(slow);
	return true;
}

/* Take the file that is to be sent; false when there are too many. */
static bool
exchange_take_file(struct http_exchange *x, const struct http_reply *reply)
{
	if (!server_has_file(x->server)) {
		close(reply->file);
		return false;
	}
	x->server->files++;
	x->file = reply->file;
	x->file_at = 0;
	x->file_end = x->head_only ? 0 : (off_t)reply->len;
	return true;
}

void
http_reply(struct http_exchange *x, const struct http_reply *reply)
{
	static const struct http_reply busy = { .status = 503,
		.headers = "Cache-Control: no-store\r\nRetry-After: 5\r\n" };
	char head[REPLY_HEAD_MAX];
	struct iovec iov[2] = { { head, 0 }, { NULL, 0 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t sent;

	if (x->state == HTTP_DEAD) { /* the peer did not wait */
		if (reply->file_set)
			close(reply->file);
		exchange_free(x);
		return;
	}
	assert(x->state == HTTP_ANSWERING);
	if (reply->file_set && !exchange_take_file(x, reply))
		reply = &busy;
	iov[0].iov_len = reply_head(x, reply, head);
	if (!x->head_only && !reply->file_set) {
		iov[1].iov_base = (void *)(uintptr_t)reply->body;
		iov[1].iov_len = reply->len;
	}
	enter_state(x, HTTP_WRITING);
	sent = sendmsg(x->fd, &msg, MSG_NOSIGNAL);
	if ((sent == -1 && errno != EAGAIN && errno != EINTR) ||
	    exchange_keep(x, iov, sent == -1 ? 0 : (size_t)sent) == -1) {
		exchange_close(x);
		return;
	}
	if (!exchange_go_on(x))
		return;
	x->until_us = timers_mono_us(x->server->o.timers) +
	    x->server->o.request_us +
	    (int64_t)(reply->len / SLOWEST * CLOCK_S_US);
	exchange_mark(x, exchange_taken(x));
}

/* ---- reading */

static void
exchange_refuse(struct http_exchange *x, int status)
{
	const struct http_reply reply = { .status = status };

	x->server->counts.refused++;
	x->keep = x->head_only = false;
	x->n_in = 0;
	enter_state(x, HTTP_ANSWERING);
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
		exchange_close(x); /* if ended it never will be */
		return;
	}
	if (expect_continue)
		exchange_continue(x);
	if (x->state == HTTP_IDLE && is_request(bytes, len)) {
		enter_state(x, HTTP_READING);
		exchange_deadline(x, x->server->o.request_us);
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
		exchange_close(x);
		return;
	}
	s->counts.requests++;
	x->keep = request.keep;
	x->head_only = request.method == HTTP_HEAD;
	enter_state(x, HTTP_ANSWERING);
	s->o.on_request(s->o.ctx, x, &request);
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
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
	n = recv(fd, bytes + len, SHARED_SIZE - len, 0);
	if (n > 0)
		len += (size_t)n;
	if (n <= 0 && len == 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			exchange_close(x);
		return;
	}
	x->ended |= n == 0;
	if (n == -1 && errno != EAGAIN && errno != EINTR)
		exchange_close(x);
	else
		exchange_take(x, bytes, len);
}

/* ---- accepting */

static int
exchange_open(struct http_server *s, int fd)
{
	struct http_exchange *x = calloc(1, sizeof(*x));
	int on = 1;

	if (x == NULL)
		return -1;
	x->server = s;
	x->fd = fd;
	x->file = -1;
	x->readable =
	    event_new(s->o.base, fd, EV_READ | EV_PERSIST, on_readable, x);
	x->writable = event_new(s->o.base, fd, EV_WRITE, on_writable, x);
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
	enter_queue(x, QUEUE_ASKING);
	s->counts.connections++;
	/* The first request is due as any is, from its first byte on: the
	 * connection's. */
	exchange_deadline(x, s->o.request_us);
	return 0;
}

/*
 * Whose place a newcomer may have; NULL = nobody's.  A good client's request
 * comes at once, so one that is still not whole is worth less than a client
 * that was served and may come again; next is who does not take its reply.
 * However many come again how fast, those who ask have half of the room; in
 * that, and when all others are busy, it is the one that asks for longest,
 * however short that is: to turn newcomers away instead would leave the room
 * to whoever comes again the fastest.
 */
static struct http_exchange *
server_least(struct http_server *s)
{
	struct http_exchange *asks = TAILQ_FIRST(&s->queues[QUEUE_ASKING]);
	struct http_exchange *idle = TAILQ_FIRST(&s->queues[QUEUE_IDLE]);
	struct http_exchange *slow;

	if (asks != NULL &&
	    (s->asking > s->o.max_connections / 2 ||
		timers_mono_us(s->o.timers) - asks->since_us >= ASKING_US))
		return asks;
	if (idle != NULL)
		return idle;
	slow = server_slow(s, false);
	return slow != NULL ? slow : asks;
}

/* Close one; false = there is none.  What it has said in the meantime is read
 * first: it may be a request. */
static bool
server_displace(struct http_server *s)
{
	unsigned int before = s->counts.connections, i;
	struct http_exchange *x;

	for (i = 0; i < LOOKS_MAX && (x = server_least(s)) != NULL; i++) {
		if (x->state == HTTP_WRITING) {
			exchange_abort(x);
		} else if (x->looked) {
			exchange_close(x);
		} else {
			x->looked = true;
			on_readable(x->fd, EV_READ, x);
		}
		if (s->counts.connections < before)
			return true;
	}
	return false;
}

static bool
server_has_room(struct http_server *s)
{
	if (s->counts.connections < s->o.max_connections)
		return true;
	s->counts.evicted++;
	if (server_may_log(s, &s->quiet_until_us))
		log_warn("http", NULL,
		    "event=connection-limit limit=%u hint=\"late, idle and "
		    "slow ones are closed to make room\"",
		    s->o.max_connections);
	return server_displace(s);
}

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
	if (server_may_log(s, &s->starved_quiet_until_us))
		log_error("http", NULL,
		    "event=no-descriptors connections=%u files=%u "
		    "reason=\"%s\" hint=\"late, idle and slow ones are "
		    "closed to make room; raise LimitNOFILE\"",
		    s->counts.connections, s->files, strerror(why));
	/* Once, and then not until after a pause: it may be of no use. */
	if (!s->gave_way && server_displace(s)) {
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
	if (!server_has_room(s) || exchange_open(s, fd) == -1)
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
	enum queue queue;
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
server_close_silent(struct http_server *s, enum queue queue)
{
	struct http_exchange *x, *next;

	for (x = TAILQ_FIRST(&s->queues[queue]); x != NULL; x = next) {
		next = TAILQ_NEXT(x, link);
		if (x->state != HTTP_IDLE)
			continue;
		/* One that has just been accepted may have asked already. */
		x->keep = false;
		if (recv(x->fd, s->shared, 1, MSG_PEEK) <= 0)
			exchange_close(x);
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
	timer_start(s->o.timers, &s->pause, 0, server_maybe_drained, s);
}

void
http_server_free(struct http_server *s)
{
	struct http_exchange *x;
	enum queue queue;

	if (s == NULL)
		return;
	s->stopping = s->told = true;
	for (queue = QUEUE_NONE; queue < QUEUE_COUNT; queue++)
		while ((x = TAILQ_FIRST(&s->queues[queue])) != NULL)
			exchange_close(x);
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
