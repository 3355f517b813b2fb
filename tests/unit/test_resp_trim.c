/* SPDX-License-Identifier: Apache-2.0 */
/* Replies whose values are cut, in pieces of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "src/wire/resp_trim.h"

/* What comes of a stream: a letter and a length for each reply and element. */
static const char *
read_all(const char *bytes, size_t n, size_t piece)
{
	static char out[400];
	struct resp_trim trim = { 0 };
	redisReader *reader = redisReaderCreate();
	redisReply *r = NULL;
	size_t at, i, used = 0;

	out[0] = '\0';
	for (at = 0; at < n; at += piece)
		resp_trim_feed(
		    &trim, reader, bytes + at, piece < n - at ? piece : n - at);
	while (
	    redisReaderGetReply(reader, (void **)&r) == REDIS_OK && r != NULL) {
		for (i = 0; i < (r->elements > 0 ? r->elements : 1); i++) {
			redisReply *e = r->elements > 0 ? r->element[i] : r;

			used += (size_t)snprintf(out + used, sizeof(out) - used,
			    "%d/%zu ", e->type, (size_t)e->len);
		}
		freeReplyObject(r);
		r = NULL;
	}
	if (reader->err != 0)
		snprintf(out + used, sizeof(out) - used, "error");
	redisReaderFree(reader);
	return out;
}

/* A stream in which a "#" stands for a value's bytes, as many as its length
 * says. */
static size_t
write_stream(char *out, const char *text)
{
	size_t n = 0, len = 0;

	for (; *text != '\0'; text++) {
		if (*text == '$')
			len = (size_t)strtoul(text + 1, NULL, 10);
		if (*text == '#') {
			memset(out + n, '$', len); /* as odd as can be */
			n += len;
		} else
			out[n++] = *text;
	}
	return n;
}

static void
test_pieces_of_every_size(void **state)
{
	static const struct {
		const char *stream, *wanted;
	} rows[] = {
		{ "+OK\r\n$3\r\n#\r\n:5\r\n", "5/2 1/3 3/0 " },
		{ "*4\r\n$0\r\n\r\n$-1\r\n$1\r\n#\r\n:1\r\n$2\r\n#\r\n",
		    "1/0 4/0 1/1 3/0 1/2 " },
		{ "$16384\r\n#\r\n$16385\r\n#\r\n+$9\r\n",
		    "1/16384 1/1024 5/2 " },
		{ "*2\r\n$100000\r\n#\r\n$20000\r\n#\r\n-ERR $5 x\r\n*0\r\n",
		    "1/1024 1/1024 6/8 2/0 " },
	};
	char *bytes = malloc(200000);
	size_t i, n, piece;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n = write_stream(bytes, rows[i].stream);
		for (piece = 1; piece < 70; piece++)
			assert_string_equal(
			    read_all(bytes, n, piece), rows[i].wanted);
		assert_string_equal(read_all(bytes, n, n), rows[i].wanted);
	}
	free(bytes);
}

/* What is no length is hiredis' to refuse, and nothing is kept of it. */
static void
test_lengths_that_are_none(void **state)
{
	static const char *const streams[] = { "$x\r\n", "$\r\n", "$12x\r\n",
		"$111111111111111111111111111111111111111111\r\n" };
	size_t i, piece;

	(void)state;
	for (i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
		for (piece = 1; piece < 50; piece += 7)
			assert_non_null(strstr(
			    read_all(streams[i], strlen(streams[i]), piece),
			    "error"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_of_every_size),
		cmocka_unit_test(test_lengths_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
