/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line is parsed in a scratch copy, because its parts are handed out as
 * strings.  Most lines come whole and are short: they are copied to the stack
 * and wiped there.  Only half a line is kept between two feeds, on the heap.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/secret.h"
#include "wire/agi.h"

#define SHORT_LINE 255 /* longer ones are parsed on the heap */
#define USAGE_END "520 End of proper usage."

enum state {
	STATE_ENV,   /* environment lines, up to the empty one */
	STATE_REPLY, /* replies and HANGUP */
	STATE_USAGE  /* usage text after "520-", up to USAGE_END */
};

struct agi_parser {
	agi_event_fn *fn;
	void *ctx;
	enum state state;
	char *half; /* owned; NULL while no half line is kept */
	size_t len, cap;
};

struct agi_parser *
agi_parser_new(agi_event_fn *fn, void *ctx)
{
	struct agi_parser *p;

	assert(fn != NULL);
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	p->fn = fn;
	p->ctx = ctx;
	return p;
}

static void
half_release(struct agi_parser *p)
{
	if (p->half == NULL)
		return;
	secret_cleanse(p->half, p->len);
	free(p->half);
	p->half = NULL;
	p->len = p->cap = 0;
}

void
agi_parser_free(struct agi_parser *p)
{
	if (p == NULL)
		return;
	half_release(p);
	free(p);
}

/* Keep bytes until the rest of their line comes; room grows by doubling, and
 * what is left behind is wiped, which realloc() would not do. */
static int
half_keep(struct agi_parser *p, const char *bytes, size_t len, struct err *err)
{
	size_t cap = p->cap == 0 ? 64 : p->cap, had = p->len;
	char *room;

	assert(had + len < AGI_LINE_MAX);
	while (cap < had + len)
		cap *= 2;
	if (cap > p->cap) {
		if ((room = malloc(cap)) == NULL)
			return err_set(err, ERR_NOMEM,
			    "no memory for a line from the gateway");
		if (had > 0)
			memcpy(room, p->half, had);
		half_release(p);
		p->half = room;
		p->cap = cap;
	}
	memcpy(p->half + had, bytes, len);
	p->len = had + len;
	return 0;
}

/* ---- what a line says */

static int
tell(struct agi_parser *p, enum agi_event_type type)
{
	const struct agi_event event = { .type = type, .rest = "" };

	return p->fn(p->ctx, &event);
}

/* "agi_callerid: 0312345678"; "agi_accountcode:" is an empty value. */
static int
parse_env(struct agi_parser *p, char *line, size_t len)
{
	struct agi_event event = { .type = AGI_ENV, .name = line, .rest = "" };
	char *sep;

	if (len == 0) {
		p->state = STATE_REPLY;
		return tell(p, AGI_ENV_END);
	}
	if ((sep = strstr(line, ": ")) != NULL)
		event.value = sep + 2;
	else if (line[len - 1] == ':')
		event.value = (sep = line + len - 1) + 1;
	if (sep == NULL || sep == line)
		return tell(p, AGI_ODD);
	*sep = '\0';
	return p->fn(p->ctx, &event);
}

/* "result=12 (timeout)": the number, if that is what follows. */
static void
parse_result(struct agi_event *event)
{
	const char *text;
	char *end;

	if (strncmp(event->rest, "result=", 7) != 0)
		return;
	text = event->rest + 7;
	if (!isdigit((unsigned char)text[text[0] == '-']))
		return;
	errno = 0;
	event->result = strtol(text, &end, 10);
	event->has_result = errno == 0 && (*end == '\0' || *end == ' ');
	if (!event->has_result)
		event->result = 0;
}

/*
 * Values are not escaped, so a value's end is the last ')' there is.  The
 * copy goes behind the line, where as much room again is left for it.
 */
static void
parse_data(struct agi_event *event, char *line, size_t len)
{
	const char *open = strchr(event->rest, '(');
	const char *close = open == NULL ? NULL : strrchr(open, ')');
	char *data = line + len + 1;
	size_t n;

	if (close == NULL)
		return;
	n = (size_t)(close - open) - 1;
	memcpy(data, open + 1, n);
	data[n] = '\0';
	event->data = data;
}

/* Usage text ends with USAGE_END, which Asterisk may glue to its last line. */
static int
parse_usage(struct agi_parser *p, const char *line, size_t len)
{
	const size_t n = strlen(USAGE_END);
	const struct agi_event event = {
		.type = AGI_REPLY, .code = AGI_USAGE, .rest = &USAGE_END[4]
	};

	if (len < n || strcmp(line + len - n, USAGE_END) != 0)
		return 0;
	p->state = STATE_REPLY;
	return p->fn(p->ctx, &event);
}

/* "200 result=1 (value)"; the code is three digits and stands alone. */
static int
parse_reply(struct agi_parser *p, char *line, size_t len)
{
	struct agi_event event = { .type = AGI_REPLY };

	if (strspn(line, "0123456789") != 3 ||
	    (line[3] != ' ' && line[3] != '-' && line[3] != '\0'))
		return tell(p, AGI_ODD);
	event.code = atoi(line);
	if (event.code == AGI_USAGE && line[3] == '-') {
		p->state = STATE_USAGE;
		return parse_usage(p, line, len);
	}
	if (event.code == AGI_TRYING && line[3] == ' ')
		return 0;
	if (event.code < 200 || event.code > 599 || line[3] == '-')
		return tell(p, AGI_ODD);
	event.rest = line + (line[3] == '\0' ? 3 : 4);
	parse_result(&event);
	parse_data(&event, line, len);
	return p->fn(p->ctx, &event);
}

/* One line without its end, NUL-terminated, and len + 1 bytes behind it. */
static int
parse_line(struct agi_parser *p, char *line, size_t len)
{
	if (len > 0 && line[len - 1] == '\r')
		line[--len] = '\0';
	if (memchr(line, '\0', len) != NULL)
		return tell(p, AGI_ODD);
	if (p->state == STATE_ENV)
		return parse_env(p, line, len);
	if (strcmp(line, "HANGUP") == 0)
		return tell(p, AGI_HANGUP);
	if (p->state == STATE_USAGE)
		return parse_usage(p, line, len);
	return parse_reply(p, line, len);
}

/* ---- bytes to lines */

/* The half line that was kept, if any, and `len` more bytes make a line. */
static int
whole_line(struct agi_parser *p, const char *bytes, size_t len, struct err *err)
{
	char stack[2 * (SHORT_LINE + 1)], *line = stack;
	size_t total = p->len + len;
	int rc;

	if (total > SHORT_LINE && (line = malloc(2 * (total + 1))) == NULL)
		return err_set(
		    err, ERR_NOMEM, "no memory for a line from the gateway");
	if (p->len > 0)
		memcpy(line, p->half, p->len);
	memcpy(line + p->len, bytes, len);
	line[total] = '\0';
	half_release(p);
	rc = parse_line(p, line, total) == 0 ? 0 : 1; /* p may be gone */
	secret_cleanse(line, 2 * (total + 1));
	if (line != stack)
		free(line);
	return rc;
}

int
agi_feed(struct agi_parser *p, const void *bytes, size_t len, struct err *err)
{
	const char *at = bytes, *nl;
	size_t most, n;
	int rc;

	while (len > 0) {
		most = AGI_LINE_MAX - p->len;
		nl = memchr(at, '\n', len < most ? len : most);
		if (nl == NULL && len >= most)
			return err_set(err, ERR_RANGE,
			    "a line from the gateway is longer than %d bytes",
			    AGI_LINE_MAX);
		if (nl == NULL)
			return half_keep(p, at, len, err);
		n = (size_t)(nl - at);
		if ((rc = whole_line(p, at, n, err)) != 0)
			return rc;
		at += n + 1;
		len -= n + 1;
	}
	return 0;
}

/* ---- commands */

/* A command being written; what does not fit is only counted. */
struct out {
	char *at;
	size_t room, len;
};

static void
put(struct out *o, char c)
{
	if (o->len < o->room)
		o->at[o->len] = c;
	o->len++;
}

/* There is no escape for a line's end, so it is left out. */
static void
put_quoted(struct out *o, const char *word)
{
	put(o, ' ');
	put(o, '"');
	for (; *word != '\0'; word++) {
		if (*word == '\r' || *word == '\n')
			continue;
		if (*word == '"' || *word == '\\')
			put(o, '\\');
		put(o, *word);
	}
	put(o, '"');
}

int
agi_command(char *out, size_t size, const char *const *words, struct err *err)
{
	struct out o = { .at = out, .room = size };
	const char *c;

	if (o.room > AGI_COMMAND_MAX)
		o.room = AGI_COMMAND_MAX;
	/* A line that begins with "failure" would end the AGI. */
	assert(words[0] != NULL && strncmp(words[0], "failure", 7) != 0);
	for (c = words[0]; *c != '\0'; c++) {
		assert(isprint((unsigned char)*c));
		put(&o, *c);
	}
	while (*++words != NULL)
		put_quoted(&o, *words);
	put(&o, '\n');
	if (o.len > o.room)
		return err_set(err, ERR_RANGE,
		    "a command of %zu bytes is longer than %zu", o.len, o.room);
	return (int)o.len;
}
