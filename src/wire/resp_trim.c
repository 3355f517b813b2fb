/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "wire/resp_trim.h"

#define LINE_END 2 /* CR LF */

/* Where we are in the bytes at hand; those from `run` on were not fed yet. */
struct cursor {
	struct redisReader *reader;
	const char *run, *at, *end;
	size_t fed;
};

static void
feed(struct cursor *c, const char *bytes, size_t n)
{
	redisReaderFeed(c->reader, bytes, n);
	c->fed += n;
}

static void
flush(struct cursor *c)
{
	if (c->at > c->run)
		feed(c, c->run, (size_t)(c->at - c->run));
	c->run = c->at;
}

static size_t
left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

/* Step over as many of *n bytes as are there. */
static void
step(struct cursor *c, size_t *n)
{
	size_t here = *n < left(c) ? *n : left(c);

	c->at += here;
	*n -= here;
}

/* A value's first line, "$12\r\n".  Is the value to be cut?  What makes no sense
 * is hiredis' business. */
static bool
line_taken(struct resp_trim *t, const char *line, size_t n)
{
	char text[sizeof(t->line)], *end;
	long long len;

	memcpy(text, line + 1, n - 1);
	text[n - 1] = '\0';
	len = strtoll(text, &end, 10);
	t->at = TRIM_TYPE;
	if (end == text || *end != '\r' || len < 0)
		return false;
	t->at = TRIM_VALUE;
	t->keep = (size_t)len;
	t->skip = 0;
	t->end = LINE_END;
	if (len <= RESP_VALUE_MAX)
		return false;
	t->keep = RESP_VALUE_CUT;
	t->skip = (size_t)len - RESP_VALUE_CUT;
	return true;
}

static void
feed_cut(struct cursor *c)
{
	char line[sizeof(((struct resp_trim *)0)->line)];
	int n = snprintf(line, sizeof(line), "$%d\r\n", RESP_VALUE_CUT);

	feed(c, line, (size_t)n);
}

/* At "$": the line may be all there, or go on in the next piece. */
static void
take_length(struct resp_trim *t, struct cursor *c)
{
	size_t room = left(c) < sizeof(t->line) ? left(c) : sizeof(t->line);
	const char *end = memchr(c->at, '\n', room);
	const char *line = c->at;

	if (end != NULL) {
		if (!line_taken(t, line, (size_t)(end + 1 - line))) {
			c->at = end + 1;
			return;
		}
		flush(c);
		feed_cut(c);
		c->run = c->at = end + 1;
		return;
	}
	if (room == sizeof(t->line)) { /* no length is so long */
		t->at = TRIM_LINE;
		return;
	}
	flush(c);
	memcpy(t->line, c->at, room);
	t->n_line = room;
	t->at = TRIM_LENGTH;
	c->run = c->at = c->end;
}

/* The rest of a line that was begun. */
static void
take_rest(struct resp_trim *t, struct cursor *c)
{
	while (c->at < c->end && t->n_line < sizeof(t->line)) {
		t->line[t->n_line++] = *c->at++;
		if (t->line[t->n_line - 1] == '\n')
			break;
	}
	c->run = c->at;
	if (t->line[t->n_line - 1] != '\n' && t->n_line < sizeof(t->line))
		return;
	if (t->line[t->n_line - 1] != '\n')
		t->at = TRIM_LINE;
	else if (line_taken(t, t->line, t->n_line)) {
		feed_cut(c);
		return;
	}
	feed(c, t->line, t->n_line);
}

static void
take_value(struct resp_trim *t, struct cursor *c)
{
	step(c, &t->keep);
	if (t->keep == 0 && t->skip > 0) {
		flush(c);
		step(c, &t->skip);
		c->run = c->at;
	}
	if (t->keep == 0 && t->skip == 0)
		step(c, &t->end);
	if (t->end == 0)
		t->at = TRIM_TYPE;
}

static void
take_line(struct resp_trim *t, struct cursor *c)
{
	const char *end = memchr(c->at, '\n', left(c));

	c->at = end != NULL ? end + 1 : c->end;
	if (end != NULL)
		t->at = TRIM_TYPE;
}

size_t
resp_trim_feed(struct resp_trim *t, struct redisReader *reader,
    const char *bytes, size_t n)
{
	struct cursor c = { reader, bytes, bytes, bytes + n, 0 };

	while (c.at < c.end)
		switch (t->at) {
		case TRIM_TYPE:
			if (*c.at == '$')
				take_length(t, &c);
			else
				t->at = TRIM_LINE;
			break;
		case TRIM_LINE:
			take_line(t, &c);
			break;
		case TRIM_LENGTH:
			take_rest(t, &c);
			break;
		case TRIM_VALUE:
			take_value(t, &c);
			break;
		}
	flush(&c);
	return c.fed;
}
