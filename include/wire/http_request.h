/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_request.h -- one HTTP/1 request read from bytes, strictly.
 *
 * What two parsers could read in two ways is refused: a bare LF, a folded
 * header, blanks before a colon, two lengths, a Transfer-Encoding, no Host or
 * two.  One empty line in front is skipped (RFC 9112, 2.2).  Everything points
 * into the bytes, which are borrowed.  Pure; any thread.
 */
#ifndef WIRE_HTTP_REQUEST_H
#define WIRE_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEAD_MAX 16384 /* bytes of the request line and the headers */
#define HTTP_HEADERS_MAX 64

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST };

/* Characters that are borrowed; no NUL at the end. */
struct http_text {
	const char *at;
	size_t len;
};

struct http_request {
	enum http_method method;
	struct http_text target; /* from the first slash on, with the query */
	struct http_text body;
	/* len 0 = not there; the type is without its parameters */
	struct http_text content_type, if_none_match, if_modified_since;
	bool keep;            /* the peer wants to ask again */
	bool expect_continue; /* it waits for "100 Continue" with its body */
};

/*
 * Read the request at the front.
 *   scanned	in and out: how many of the bytes were looked at without
 *		finding the head's end; 0 at first
 *   body_max	a longer body is refused
 * Returns how many bytes it took; 0 when its end has not come (then only
 * expect_continue means something); or, negative, the HTTP status with which
 * to refuse it and to close.
 */
long http_request_parse(struct http_request *request, const char *bytes,
    size_t len, size_t *scanned, size_t body_max);

/* The length of an empty line at the front; 0 = there is none. */
size_t http_request_blank(const char *bytes, size_t len);

/* Is it this text, whatever the case of its letters? */
bool http_text_is(const struct http_text *text, const char *word);

#endif
