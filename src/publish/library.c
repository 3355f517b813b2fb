/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "publish/library.h"

#define HEADER "#!lua name=" LIBRARY_NAME "\n-- version "

/* clang-format off */
const char library_text[] =
    "#!lua name=holdline\n"
    "-- version 3\n"
    "-- The writing side of holdline's revocation cache: see doc/cache.md.\n"
    "\n"
    "-- Numbers stay below 2^53.  What is none, such as \"inf\", is nil.\n"
    "local function number(text)\n"
    "  if text and #text < 16 and string.find(text, '^%d+$') then\n"
    "    return tonumber(text)\n"
    "  end\n"
    "  return nil\n"
    "end\n"
    "\n"
    "-- Subscribers learn of changes sooner; a user who may not PUBLISH loses\n"
    "-- nothing else.\n"
    "local function tell(key)\n"
    "  redis.pcall('PUBLISH', 'jpki:changed', key)\n"
    "end\n"
    "\n"
    "local function read(key)\n"
    "  return redis.call('HMGET', key, 'v', 's', 'r', 't', 'e', 'm')\n"
    "end\n"
    "\n"
    "-- args[at] to args[at + 5] become the record; had: there was an m.\n"
    "local function write(key, args, at, had)\n"
    "  redis.call('HSET', key, 'v', args[at], 's', args[at + 1],\n"
    "    'r', args[at + 2], 't', args[at + 3], 'e', args[at + 4])\n"
    "  if args[at + 5] and args[at + 5] ~= '' then\n"
    "    redis.call('HSET', key, 'm', args[at + 5])\n"
    "  elseif had then\n"
    "    redis.call('HDEL', key, 'm')\n"
    "  end\n"
    "  redis.call('PERSIST', key)\n"
    "end\n"
    "\n"
    "-- The key is a hash, or gone; true = it was something else.\n"
    "local function clear(key)\n"
    "  local kind = redis.call('TYPE', key).ok\n"
    "  if kind == 'none' or kind == 'hash' then return false end\n"
    "  redis.call('DEL', key)\n"
    "  return true\n"
    "end\n"
    "\n"
    "-- RECORD: v s r t e m.  Compare and set by generation: a late retry\n"
    "-- never undoes a newer state, and revoked is terminal.\n"
    "local function set(keys, args)\n"
    "  local key = keys[1]\n"
    "  local outcome = clear(key) and 'repaired' or 'set'\n"
    "  local now, new = read(key), tonumber(args[1])\n"
    "  local v = number(now[1])\n"
    "  if (not v or (now[2] ~= 'G' and now[2] ~= 'H' and now[2] ~= 'R'))\n"
    "    and redis.call('EXISTS', key) == 1 then\n"
    "    redis.call('DEL', key)\n"
    "    v, now, outcome = nil, {}, 'repaired'\n"
    "  end\n"
    "  if v and new < v then return 'stale' end\n"
    "  if v and new == v then\n"
    "    if now[2] ~= args[2] or now[3] ~= args[3] or now[4] ~= args[4] then\n"
    "      return 'conflict'\n"
    "    end\n"
    "    if (now[6] or '') ~= (args[6] or '') then\n"
    "      write(key, args, 1, now[6])\n"
    "    end\n"
    "    return 'same'\n"
    "  end\n"
    "  if now[2] == 'R' and args[2] ~= 'R' then return 'refused' end\n"
    "  write(key, args, 1, now[6])\n"
    "  tell(key)\n"
    "  return outcome\n"
    "end\n"
    "\n"
    "-- Does the watermark belong to an owner that came after `fence`?  Owners\n"
    "-- are numbered one by one: a number that is far away is nobody's.\n"
    "local function outdated(key, fence)\n"
    "  if redis.call('TYPE', key).ok ~= 'hash' then return false end\n"
    "  local now = number(redis.call('HGET', key, 'fence'))\n"
    "  return now and tonumber(fence) < now\n"
    "    and now - tonumber(fence) <= 1000000\n"
    "end\n"
    "\n"
    "-- RECORD WATERMARK: fence, then v s r t e m as they were seen ('' for\n"
    "-- none, 32 bytes of each at most), then the record that it must be;\n"
    "-- without one it must go.  For what contradicts the store: there no\n"
    "-- generation decides.\n"
    "local function force(keys, args)\n"
    "  local key = keys[1]\n"
    "  if outdated(keys[2], args[1]) then return 'fenced' end\n"
    "  local was = clear(key)\n"
    "  local now = read(key)\n"
    "  for i = 1, 6 do\n"
    "    if string.sub(now[i] or '', 1, 32) ~= args[i + 1] then\n"
    "      return 'moved'\n"
    "    end\n"
    "  end\n"
    "  if args[8] then\n"
    "    write(key, args, 8, now[6])\n"
    "    tell(key)\n"
    "    return 'forced'\n"
    "  end\n"
    "  if redis.call('DEL', key) == 1 then was = true end\n"
    "  if was then tell(key) end\n"
    "  return 'dropped'\n"
    "end\n"
    "\n"
    "-- WATERMARK: epoch seq time state fence m, the epoch that must be there\n"
    "-- ('' for any), the fence of a watermark that no owner has written (''\n"
    "-- for none), which is to be replaced, and the seq that goes with that\n"
    "-- epoch: readers who met a higher one must be told to begin anew.\n"
    "local function beat(keys, args)\n"
    "  local key = keys[1]\n"
    "  clear(key)\n"
    "  local now = redis.call('HMGET', key, 'epoch', 'fence', 'seq')\n"
    "  local epoch, fence = now[1] or '', now[2] or ''\n"
    "  if outdated(key, args[5]) and (args[8] == '' or fence ~= args[8]) then\n"
    "    return 'fenced'\n"
    "  end\n"
    "  if args[7] ~= '' and (epoch ~= args[7] or now[3] ~= args[9]) then\n"
    "    return 'other'\n"
    "  end\n"
    "  redis.call('HSET', key, 'epoch', args[1], 'seq', args[2],\n"
    "    'time', args[3], 'state', args[4], 'fence', args[5])\n"
    "  if args[6] ~= '' then\n"
    "    redis.call('HSET', key, 'm', args[6])\n"
    "  else\n"
    "    redis.call('HDEL', key, 'm')\n"
    "  end\n"
    "  redis.call('PERSIST', key)\n"
    "  return 'beat'\n"
    "end\n"
    "\n"
    "-- May this user PUBLISH?\n"
    "local function may_tell()\n"
    "  return redis.acl_check_cmd('PUBLISH', 'jpki:changed', '')\n"
    "    and 'yes' or 'no'\n"
    "end\n"
    "\n"
    "redis.register_function('jpki_set', set)\n"
    "redis.register_function('jpki_force', force)\n"
    "redis.register_function('jpki_beat', beat)\n"
    "redis.register_function{function_name='jpki_may_tell',\n"
    "  callback=may_tell, flags={'no-writes'}}\n"
    "redis.register_function{function_name='jpki_version',\n"
    "  callback=function() return 3 end, flags={'no-writes'}}\n";
/* clang-format on */

/* ---- which library it is */

static bool
is_text(const struct redisReply *reply, const char *text)
{
	return (reply->type == REDIS_REPLY_STRING ||
		   reply->type == REDIS_REPLY_STATUS) &&
	    strcmp(reply->str, text) == 0;
}

/* The source, of one library's names and values in turn; or NULL. */
static const char *
library_code(const struct redisReply *library)
{
	size_t i;

	if (library->type != REDIS_REPLY_ARRAY)
		return NULL;
	for (i = 0; i + 1 < library->elements; i += 2)
		if (is_text(library->element[i], "library_code") &&
		    library->element[i + 1]->type == REDIS_REPLY_STRING)
			return library->element[i + 1]->str;
	return NULL;
}

/* The first one, of version 1, did not say. */
static int
code_version(const char *code)
{
	size_t n = strlen(HEADER);

	return strncmp(code, HEADER, n) == 0 ? atoi(code + n) : 0;
}

enum library_state
library_judge(const struct redisReply *list, int *version)
{
	const char *code;

	*version = 0;
	if (list->type != REDIS_REPLY_ARRAY)
		return LIBRARY_UNREAD;
	if (list->elements == 0)
		return LIBRARY_MISSING;
	if ((code = library_code(list->element[0])) == NULL)
		return LIBRARY_UNREAD;
	if (strcmp(code, library_text) == 0)
		return LIBRARY_OURS;
	*version = code_version(code);
	if (*version > LIBRARY_VERSION)
		return LIBRARY_NEWER;
	return *version == LIBRARY_VERSION ? LIBRARY_FOREIGN : LIBRARY_OLDER;
}

/* ---- calls */

int
library_send_list(struct redis_link *l, resp_reply_fn *fn, void *ctx)
{
	static const char *argv[] = { "FUNCTION", "LIST", "LIBRARYNAME",
		LIBRARY_NAME, "WITHCODE" };

	return redis_link_send(l, 5, argv, NULL, fn, ctx);
}

int
library_send_load(struct redis_link *l, resp_reply_fn *fn, void *ctx)
{
	static const char *argv[] = { "FUNCTION", "LOAD", "REPLACE",
		library_text };

	return redis_link_send(l, 4, argv, NULL, fn, ctx);
}

int
library_send_set(struct redis_link *l, const char *key,
    const struct record_text *t, resp_reply_fn *fn, void *ctx)
{
	const char *argv[] = { "FCALL", "jpki_set", "1", key, t->v, t->s, t->r,
		t->t, t->e, t->m };

	return redis_link_send(l, 10, argv, NULL, fn, ctx);
}

int
library_send_read(
    struct redis_link *l, const char *key, resp_reply_fn *fn, void *ctx)
{
	const char *argv[] = { "HMGET", key, RECORD_FIELDS };

	return redis_link_send(l, 2 + RECORD_N_FIELDS, argv, NULL, fn, ctx);
}

void
library_seen(struct library_seen *seen, const struct redisReply *reply)
{
	const struct redisReply *field;
	size_t i, n;

	memset(seen, 0, sizeof(*seen));
	if (reply->type != REDIS_REPLY_ARRAY ||
	    reply->elements != RECORD_N_FIELDS)
		return; /* no hash: no fields */
	for (i = 0; i < RECORD_N_FIELDS; i++) {
		field = reply->element[i];
		if (field->type != REDIS_REPLY_STRING)
			continue;
		n = (size_t)field->len;
		seen->lens[i] = n < LIBRARY_SEEN_MAX ? n : LIBRARY_SEEN_MAX;
		memcpy(seen->fields[i], field->str, seen->lens[i]);
	}
}

/* FCALL jpki_force, two keys, a fence, what was seen, what it must be. */
#define FORCE_WORDS (6 + 2 * RECORD_N_FIELDS)

int
library_send_force(struct redis_link *l, const char *key, int64_t fence,
    const struct library_seen *seen, const struct record_text *t,
    resp_reply_fn *fn, void *ctx)
{
	char fence_text[RECORD_TEXT_SIZE];
	const char *argv[FORCE_WORDS] = { "FCALL", "jpki_force", "2", key,
		WATERMARK_KEY, fence_text };
	size_t lens[FORCE_WORDS], i, n = 6;

	snprintf(fence_text, sizeof(fence_text), "%" PRId64, fence);
	for (i = 0; i < n; i++)
		lens[i] = strlen(argv[i]);
	for (i = 0; i < RECORD_N_FIELDS; i++, n++) {
		argv[n] = seen->fields[i];
		lens[n] = seen->lens[i];
	}
	if (t != NULL) {
		const char *fields[] = { t->v, t->s, t->r, t->t, t->e, t->m };

		for (i = 0; i < RECORD_N_FIELDS; i++, n++) {
			argv[n] = fields[i];
			lens[n] = strlen(fields[i]);
		}
	}
	return redis_link_send(l, (int)n, argv, lens, fn, ctx);
}

int
library_send_beat(struct redis_link *l, const struct watermark_text *t,
    const char *expect, const char *expect_seq, const char *nobodys,
    resp_reply_fn *fn, void *ctx)
{
	const char *argv[] = { "FCALL", "jpki_beat", "1", WATERMARK_KEY,
		t->epoch, t->seq, t->time, t->state, t->fence, t->m, expect,
		nobodys, expect_seq };

	return redis_link_send(l, 13, argv, NULL, fn, ctx);
}

int
library_send_watermark(struct redis_link *l, resp_reply_fn *fn, void *ctx)
{
	static const char *argv[] = { "HMGET", WATERMARK_KEY,
		WATERMARK_FIELDS };

	return redis_link_send(l, 2 + WATERMARK_N_FIELDS, argv, NULL, fn, ctx);
}

int
library_send_may_tell(struct redis_link *l, resp_reply_fn *fn, void *ctx)
{
	static const char *argv[] = { "FCALL", "jpki_may_tell", "0" };

	return redis_link_send(l, 3, argv, NULL, fn, ctx);
}
