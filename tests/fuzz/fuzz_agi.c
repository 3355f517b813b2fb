/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte says where the rest is cut in two.  However it is cut, the
 * same events come out.  What comes in is also written as a command, which
 * must be one line within its limit, and read back by Asterisk's rules.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "wire/agi.h"

struct sum {
	uint64_t hash, events;
	bool env_ended;
};

static void
sum_text(struct sum *s, const char *text)
{
	for (; text != NULL && *text != '\0'; text++)
		s->hash =
		    (s->hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
}

static void
check_reply(const struct agi_event *e)
{
	size_t len;

	assert(e->code >= 200 && e->code <= 599);
	assert(e->has_result || e->result == 0);
	assert(strlen(e->rest) < AGI_LINE_MAX);
	if (e->data == NULL)
		return;
	len = strlen(e->data);
	assert(strchr(e->rest, '(') != NULL);
	assert(memcmp(strchr(e->rest, '(') + 1, e->data, len) == 0);
	assert(strchr(strrchr(e->rest, ')') + 1, ')') == NULL);
}

static int
on_event(void *ctx, const struct agi_event *e)
{
	struct sum *s = ctx;

	assert((e->type == AGI_REPLY || e->type == AGI_HANGUP) <= s->env_ended);
	assert((e->type == AGI_ENV || e->type == AGI_ENV_END) <= !s->env_ended);
	if (e->type == AGI_ENV) {
		assert(e->name[0] != '\0' && strchr(e->name, '\n') == NULL);
		assert(strchr(e->value, '\n') == NULL);
	}
	if (e->type == AGI_REPLY)
		check_reply(e);
	s->env_ended |= e->type == AGI_ENV_END;
	s->hash = (s->hash ^ (uint64_t)e->type) * UINT64_C(1099511628211);
	s->hash += (uint64_t)e->code + (uint64_t)e->result;
	sum_text(s, e->name);
	sum_text(s, e->value);
	sum_text(s, e->rest);
	sum_text(s, e->data);
	s->events++;
	return 0;
}

static struct sum
sum_of(const char *bytes, size_t size, size_t cut)
{
	struct sum s = { 0 };
	struct err err;
	struct agi_parser *p = agi_parser_new(on_event, &s);
	int rc;

	if (p == NULL)
		abort();
	rc = agi_feed(p, bytes, cut, &err);
	if (rc == 0)
		rc = agi_feed(p, bytes + cut, size - cut, &err);
	assert(rc == 0 || (rc == -1 && err.code == ERR_RANGE));
	agi_parser_free(p);
	return s;
}

/* Take a quoted word apart as Asterisk does. */
static const char *
unquote(const char *line, char *word)
{
	assert(*line++ == ' ');
	assert(*line++ == '"');
	for (; *line != '"'; line++) {
		if (*line == '\\')
			line++;
		assert(*line != '\n');
		*word++ = *line;
	}
	*word = '\0';
	return line + 1;
}

static void
check_command(const char *bytes, size_t size)
{
	char *word = calloc(1, size + 1), *kept = calloc(1, size + 1), *at;
	char out[AGI_COMMAND_MAX], back[AGI_COMMAND_MAX];
	const char *words[] = { "NOOP", word, NULL };
	struct err err;
	int len;

	if (word == NULL || kept == NULL)
		abort();
	memcpy(word, bytes, size);
	for (at = kept, bytes = word; *bytes != '\0'; bytes++)
		if (*bytes != '\r' && *bytes != '\n')
			*at++ = *bytes;
	len = agi_command(out, sizeof(out), words, &err);
	if (len == -1)
		assert(strlen(kept) > (AGI_COMMAND_MAX - 8) / 2);
	else {
		assert(len <= AGI_COMMAND_MAX && memcmp(out, "NOOP", 4) == 0);
		assert(*unquote(out + 4, back) == '\n');
		assert(strcmp(back, kept) == 0);
	}
	free(word);
	free(kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 1;
	struct sum whole, cut;

	if (size < 1)
		return 0;
	size--;
	whole = sum_of(bytes, size, size);
	cut = sum_of(bytes, size, size * data[0] / 255);
	assert(whole.hash == cut.hash && whole.events == cut.events);
	check_command(bytes, size);
	return 0;
}
