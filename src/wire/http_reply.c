/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "wire/http_server_inner.h"

#define REPLY_HEAD_MAX 1024 /* our own headers are far shorter */

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

/* The reply is out: on to the next request, some of which may be there. */
static void
exchange_next(struct http_exchange *x)
{
	struct http_server *s = x->server;
	bool asked;

	free(x->out);
	x->out = NULL;
	x->n_out = x->out_at = 0;
	http_exchange_close_file(x);
	x->continued = false;
	if (!x->keep || s->stopping) {
		/* What it may still send must not make the kernel reset the
		 * connection under our reply. */
		shutdown(x->fd, SHUT_WR);
		http_exchange_close(x);
		return;
	}
	/* An empty line begins none. */
	asked = x->n_in > http_request_blank(x->in, x->n_in);
	http_exchange_enter(x, asked ? HTTP_READING : HTTP_IDLE);
	http_exchange_deadline(x, asked ? s->o.request_us : s->o.idle_us);
	if (x->paused && event_add(x->readable, NULL) == -1) {
		http_exchange_close(x);
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
		http_exchange_close(x);
	return false;
}

void
http_reply_writable(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	(void)exchange_go_on(ctx);
}

/* ---- what is written */

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
	if (http_server_may_log(s, &s->files_quiet_until_us))
		log_warn("http", NULL,
		    "event=file-limit limit=%u hint=\"slow clients make room; "
		    "without one, the answer is 503\"",
		    s->o.max_files);
	if ((slow = http_exchange_slow(s, true)) == NULL)
		return false;
	http_exchange_abort(slow);
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
		http_exchange_free(x);
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
	http_exchange_enter(x, HTTP_WRITING);
	sent = sendmsg(x->fd, &msg, MSG_NOSIGNAL);
	if ((sent == -1 && errno != EAGAIN && errno != EINTR) ||
	    exchange_keep(x, iov, sent == -1 ? 0 : (size_t)sent) == -1) {
		http_exchange_close(x);
		return;
	}
	if (!exchange_go_on(x))
		return;
	x->until_us = timers_mono_us(x->server->o.timers) +
	    x->server->o.request_us +
	    (int64_t)(reply->len / HTTP_SLOWEST * CLOCK_S_US);
	http_exchange_mark(x);
}
