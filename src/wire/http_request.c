/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "wire/http_request.h"

#define BAD_REQUEST (-400)
#define NOT_ALLOWED (-405)
#define LENGTH_REQUIRED (-411)
#define TOO_LARGE (-413)
#define HEAD_TOO_LARGE (-431)
#define VERSION_UNKNOWN (-505)

/* What the headers say, while they are read. */
struct head {
	struct http_request *request;
	unsigned int minor; /* of HTTP/1.minor */
	unsigned int n, hosts, lengths;
	bool coded; /* a Transfer-Encoding */
	bool close, keep_alive;
	size_t length;
	size_t body_max;
	int refusal;
};

bool
http_text_is(const struct http_text *text, const char *word)
{
	return text->len == strlen(word) &&
	    strncasecmp(text->at, word, text->len) == 0;
}

/* RFC 9110, 5.6.2 */
static bool
is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* ---- the request line */

static int
parse_method(struct http_request *r, const struct http_text *word)
{
	static const struct {
		const char *name;
		enum http_method method;
	} methods[] = { { "GET", HTTP_GET }, { "HEAD", HTTP_HEAD },
		{ "POST", HTTP_POST } };
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (word->len == strlen(methods[i].name) &&
		    memcmp(word->at, methods[i].name, word->len) == 0) {
			r->method = methods[i].method;
			return 0;
		}
	for (i = 0; i < word->len; i++)
		if (!is_token_char(word->at[i]))
			return BAD_REQUEST;
	return word->len == 0 ? BAD_REQUEST : NOT_ALLOWED;
}

/* "/path", or "http://host/path" as a proxy is asked. */
static int
parse_target(struct http_request *r, struct http_text word)
{
	static const char scheme[] = "http://";
	const char *slash;
	size_t i;

	for (i = 0; i < word.len; i++)
		if (word.at[i] < 0x21 || word.at[i] > 0x7e)
			return BAD_REQUEST;
	if (word.len > strlen(scheme) &&
	    strncasecmp(word.at, scheme, strlen(scheme)) == 0) {
		word.at += strlen(scheme);
		word.len -= strlen(scheme);
		slash = memchr(word.at, '/', word.len);
		if (slash == NULL)
			return BAD_REQUEST;
		word.len -= (size_t)(slash - word.at);
		word.at = slash;
	}
	if (word.len == 0 || word.at[0] != '/')
		return BAD_REQUEST;
	r->target = word;
	return 0;
}

/* Cut the text at its first blank. */
static int
take_word(struct http_text *line, struct http_text *word)
{
	const char *blank = memchr(line->at, ' ', line->len);

	if (blank == NULL)
		return BAD_REQUEST;
	*word = (struct http_text){ line->at, (size_t)(blank - line->at) };
	line->len -= word->len + 1;
	line->at = blank + 1;
	return 0;
}

static int
parse_request_line(struct head *h, struct http_text line)
{
	static const char version[] = "HTTP/1.";
	struct http_text method = { "", 0 }, target = { "", 0 };
	int rc;

	if (take_word(&line, &method) != 0 || take_word(&line, &target) != 0)
		return BAD_REQUEST;
	if ((rc = parse_method(h->request, &method)) != 0 ||
	    (rc = parse_target(h->request, target)) != 0)
		return rc;
	if (line.len != strlen("HTTP/1.1") || memcmp(line.at, version, 5) != 0)
		return BAD_REQUEST;
	if (memcmp(line.at, version, strlen(version)) != 0 ||
	    (line.at[7] != '0' && line.at[7] != '1'))
		return VERSION_UNKNOWN;
	h->minor = (unsigned int)(line.at[7] - '0');
	return 0;
}

/* ---- headers */

static void
on_host(struct head *h, const struct http_text *value)
{
	(void)value;
	h->hosts++;
}

static void
on_length(struct head *h, const struct http_text *value)
{
	size_t i, n = 0;

	if (h->lengths++ > 0 || value->len == 0)
		h->refusal = BAD_REQUEST;
	for (i = 0; i < value->len && h->refusal == 0; i++) {
		if (value->at[i] < '0' || value->at[i] > '9')
			h->refusal = BAD_REQUEST;
		else if (n <= h->body_max) /* more digits do not matter */
			n = 10 * n + (size_t)(value->at[i] - '0');
	}
	h->length = n;
}

static void
on_transfer_encoding(struct head *h, const struct http_text *value)
{
	(void)value;
	h->coded = true;
}

static void
on_connection(struct head *h, const struct http_text *value)
{
	struct http_text rest = *value, word;
	size_t n;

	while (rest.len > 0) {
		for (n = 0; n < rest.len && rest.at[n] != ','; n++)
			;
		word = (struct http_text){ rest.at, n };
		while (word.len > 0 && strchr(" \t", word.at[0]) != NULL)
			word.at++, word.len--;
		while (word.len > 0 &&
		    strchr(" \t", word.at[word.len - 1]) != NULL)
			word.len--;
		h->close |= http_text_is(&word, "close");
		h->keep_alive |= http_text_is(&word, "keep-alive");
		n += n < rest.len;
		rest.at += n;
		rest.len -= n;
	}
}

static void
on_expect(struct head *h, const struct http_text *value)
{
	h->request->expect_continue = http_text_is(value, "100-continue");
}

static void
on_content_type(struct head *h, const struct http_text *value)
{
	struct http_text *type = &h->request->content_type;
	const char *mark = memchr(value->at, ';', value->len);

	*type = *value;
	if (mark == NULL)
		return;
	type->len = (size_t)(mark - value->at);
	while (type->len > 0 && strchr(" \t", type->at[type->len - 1]) != NULL)
		type->len--;
}

static void
on_if_none_match(struct head *h, const struct http_text *value)
{
	h->request->if_none_match = *value;
}

static void
on_if_modified_since(struct head *h, const struct http_text *value)
{
	h->request->if_modified_since = *value;
}

static const struct {
	const char *name;
	void (*take)(struct head *h, const struct http_text *value);
} headers[] = { { "host", on_host }, { "content-length", on_length },
	{ "transfer-encoding", on_transfer_encoding },
	{ "connection", on_connection }, { "expect", on_expect },
	{ "content-type", on_content_type },
	{ "if-none-match", on_if_none_match },
	{ "if-modified-since", on_if_modified_since } };

static int
parse_header(struct head *h, const struct http_text *line)
{
	struct http_text name = { line->at, 0 }, value;
	size_t i;

	if (++h->n > HTTP_HEADERS_MAX)
		return HEAD_TOO_LARGE;
	while (name.len < line->len && is_token_char(name.at[name.len]))
		name.len++;
	if (name.len == 0 || name.len == line->len || name.at[name.len] != ':')
		return BAD_REQUEST; /* folded, "Name :" or no header at all */
	value.at = name.at + name.len + 1;
	value.len = line->len - name.len - 1;
	while (value.len > 0 && strchr(" \t", value.at[0]) != NULL &&
	    value.at[0] != '\0')
		value.at++, value.len--;
	for (i = 0; i < value.len; i++)
		if (((unsigned char)value.at[i] < 0x20 &&
			value.at[i] != '\t') ||
		    value.at[i] == 0x7f)
			return BAD_REQUEST;
	while (value.len > 0 &&
	    (value.at[value.len - 1] == ' ' || value.at[value.len - 1] == '\t'))
		value.len--;
	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (http_text_is(&name, headers[i].name))
			headers[i].take(h, &value);
	return h->refusal;
}

/* All lines up to the empty one; each ends in CR LF. */
static int
parse_lines(struct head *h, const char *bytes, size_t len)
{
	struct http_text line;
	const char *end;
	bool first = true;
	int rc;

	while (len > 2) {
		if ((end = memchr(bytes, '\n', len)) == NULL || end == bytes ||
		    end[-1] != '\r')
			return BAD_REQUEST;
		line = (struct http_text){ bytes, (size_t)(end - bytes) - 1 };
		if (memchr(line.at, '\r', line.len) != NULL)
			return BAD_REQUEST;
		rc = first ? parse_request_line(h, line)
			   : parse_header(h, &line);
		if (rc != 0)
			return rc;
		first = false;
		len -= (size_t)(end + 1 - bytes);
		bytes = end + 1;
	}
	return first ? BAD_REQUEST : 0;
}

/* What is asked for, once all headers are known. */
static int
check_head(struct head *h)
{
	struct http_request *r = h->request;

	if (h->hosts > 1 || (h->hosts == 0 && h->minor == 1))
		return BAD_REQUEST;
	if (h->coded || (r->method == HTTP_POST && h->lengths == 0))
		return h->lengths > 0 ? BAD_REQUEST : LENGTH_REQUIRED;
	if (h->length > h->body_max)
		return TOO_LARGE;
	if (r->method != HTTP_POST && h->length > 0)
		return BAD_REQUEST;
	r->keep = !h->close && (h->minor == 1 || h->keep_alive);
	return 0;
}

/* Where the head ends, behind its empty line; 0 when that has not come. */
static size_t
head_end(const char *bytes, size_t len, size_t start, size_t *scanned)
{
	static const char mark[] = "\r\n\r\n";
	size_t from = *scanned < start + 3 ? start : *scanned - 3;
	const char *at = memmem(bytes + from, len - from, mark, 4);

	*scanned = len;
	return at == NULL ? 0 : (size_t)(at - bytes) + 4;
}

size_t
http_request_blank(const char *bytes, size_t len)
{
	return len >= 2 && memcmp(bytes, "\r\n", 2) == 0 ? 2 : 0;
}

long
http_request_parse(struct http_request *request, const char *bytes, size_t len,
    size_t *scanned, size_t body_max)
{
	struct head h = { .request = request, .body_max = body_max };
	size_t start = http_request_blank(bytes, len), end;
	int rc;

	assert(*scanned <= len && body_max < INT_MAX - HTTP_HEAD_MAX);
	*request = (struct http_request){ .method = HTTP_GET };
	if (http_request_blank(bytes + start, len - start) > 0)
		return BAD_REQUEST; /* one is enough */
	end = head_end(bytes, len, start, scanned);
	if (end == 0)
		return len > HTTP_HEAD_MAX ? HEAD_TOO_LARGE : 0;
	*scanned = end - 1; /* it is found again when the body has come */
	if (end > HTTP_HEAD_MAX)
		return HEAD_TOO_LARGE;
	if ((rc = parse_lines(&h, bytes + start, end - start)) != 0 ||
	    (rc = check_head(&h)) != 0)
		return rc;
	if (len - end < h.length)
		return 0;
	request->body = (struct http_text){ bytes + end, h.length };
	return (long)(end + h.length);
}
