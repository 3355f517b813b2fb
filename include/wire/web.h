/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web.h -- asking other people's servers: HTTP requests, and mail by SMTP.
 *
 * libcurl's multi interface on the event loop; nothing blocks, not even the
 * look-up of a name.  Certificates and host names are always checked, redirects
 * are not followed, the environment's proxies are not used, and an answer is
 * read up to a limit.  No policy: what an answer means, and whether to ask
 * again, is the caller's business.  Loop thread only.
 */
#ifndef WIRE_WEB_H
#define WIRE_WEB_H

#include <stddef.h>
#include <stdint.h>

#define WEB_HEADERS_MAX 8
#define WEB_WHY_SIZE 200

struct err;
struct event_base;
struct web;      /* opaque: libcurl on a loop, with its connections */
struct web_call; /* opaque: one request under way */

/* How to reach a server; "" or NULL is as good as not set.  Borrowed by
 * web_send() only. */
struct web_peer {
	const char *ca_file;     /* PEM; else the system's authorities */
	const char *cert_file;   /* PEM: our certificate */
	const char *key_file;    /* PEM: its key; else in cert_file */
	const char *proxy;       /* http://, https:// or socks5h:// URL */
	int64_t connect_us;      /* for name, connection and TLS */
	int64_t timeout_us;      /* for all of it */
	size_t answer_max;       /* bytes of an answer; more is a failure */
	const char *mail_user;   /* of the mail server; else no login */
	const char *mail_secret; /* that user's password */
};

/* An HTTP request.  All copied. */
struct web_request {
	const char *method;                   /* "GET", "PUT", "POST" */
	const char *url;                      /* http:// or https:// */
	const char *headers[WEB_HEADERS_MAX]; /* "Name: value"; NULL ends */
	const void *body;                     /* NULL = none */
	size_t body_len;
};

/* A message for one recipient.  All copied; the copy is wiped. */
struct web_mail {
	const char *url;  /* smtp://host:port, which must offer STARTTLS unless
			     it is on this machine, or smtps:// */
	const char *from; /* address only */
	const char *to;   /* address only */
	const char *text; /* header and body, lines end in CR LF */
	size_t text_len;
};

/* How it ended.  Borrowed until the callback returns. */
struct web_answer {
	int status; /* HTTP's or SMTP's; 0 = there was no answer */
	/* "" when the answer is whole; else a few words, without what was sent
	 * or received.  Whether the server acted is then not known. */
	char why[WEB_WHY_SIZE];
	int64_t retry_after_us; /* the server's wish; 0 = none */
	const char *body;       /* NUL-terminated; "" when there is none */
	size_t len;
};

/* Called exactly once, from a later turn of the loop. */
typedef void web_done_fn(void *ctx, const struct web_answer *answer);

/* Owned (web_free); NULL with *err. */
struct web *web_new(struct event_base *base, struct err *err);

/* Cancels what is under way.  Not from inside a callback.  NULL is a no-op. */
void web_free(struct web *w);

/*
 * Begin a request.  Owned by the web until its callback has returned.  NULL
 * with *err: it could not be begun (a URL that is none, no memory) and done()
 * is not called.
 */
struct web_call *web_send(struct web *w, const struct web_peer *peer,
    const struct web_request *request, web_done_fn *done, void *ctx,
    struct err *err);

/* Begin to hand over a message, as web_send().  A status of 250 to 259 says
 * that the server took it. */
struct web_call *web_mail_send(struct web *w, const struct web_peer *peer,
    const struct web_mail *mail, web_done_fn *done, void *ctx, struct err *err);

/* Forget about it: done() is not called.  Not from inside its done().  NULL
 * is a no-op. */
void web_cancel(struct web_call *call);

#endif
