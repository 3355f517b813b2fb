/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/str.h"
#include "publish/cache.h"

#define LIBRARY_VERSION 1
#define NOT_SENT "a command could not be sent"

/* Generations are compared as numbers: they stay below 2^53.  What is not one,
 * such as "inf", must not pass for a newer generation. */
const char cache_library[] =
    "#!lua name=holdline\n"
    "local function set(keys, args)\n"
    "  local key, outcome = keys[1], 'set'\n"
    "  local kind = redis.call('TYPE', key).ok\n"
    "  if kind ~= 'none' and kind ~= 'hash' then\n"
    "    redis.call('DEL', key)\n"
    "    outcome = 'repaired'\n"
    "  end\n"
    "  local now = redis.call('HMGET', key, 'v', 's', 'r', 't')\n"
    "  local v, new = nil, tonumber(args[1])\n"
    "  if now[1] and #now[1] < 16 and string.find(now[1], '^%d+$') then\n"
    "    v = tonumber(now[1])\n"
    "  end\n"
    "  if redis.call('EXISTS', key) == 1 and (not v or\n"
    "      (now[2] ~= 'G' and now[2] ~= 'H' and now[2] ~= 'R')) then\n"
    "    redis.call('DEL', key)\n"
    "    v, now, outcome = nil, {}, 'repaired'\n"
    "  end\n"
    "  if v and new < v then return 'stale' end\n"
    "  if v and new == v then\n"
    "    if now[2] == args[2] and now[3] == args[3] and now[4] == args[4]\n"
    "    then return 'same' else return 'conflict' end\n"
    "  end\n"
    "  if now[2] == 'R' and args[2] ~= 'R' then return 'refused' end\n"
    "  redis.call('HSET', key, 'v', args[1], 's', args[2], 'r', args[3],\n"
    "    't', args[4], 'e', args[5])\n"
    "  redis.call('PERSIST', key)\n"
    "  redis.call('PUBLISH', 'jpki:changed', key)\n"
    "  return outcome\n"
    "end\n"
    "redis.register_function('jpki_set', set)\n"
    "redis.register_function{function_name='jpki_version',\n"
    "  callback=function() return 1 end, flags={'no-writes'}}\n";

enum state {
	CACHE_DOWN,    /* for the link */
	CACHE_ASKING,  /* for the library's version */
	CACHE_LOADING, /* for FUNCTION LOAD */
	CACHE_UP       /* for work */
};

struct cache {
	struct cache_options o;
	struct redis_link *link;
	enum state state;
	bool library_gone; /* jpki_set was not there */
	bool bad;          /* this push met an error that is the server's */
	bool refused;      /* so did one before, and none has worked since */

	const struct store_outbox_row *rows; /* borrowed; NULL = no push */
	size_t n, asked, read;               /* rows; replies so far */
	enum publish_outcome said[STORE_OUTBOX_PAGE];
	enum publish_outcome outcomes[STORE_OUTBOX_PAGE];
};

void
cache_key(const char *issuer, const char *serial, char *out)
{
	snprintf(out, CACHE_KEY_SIZE, "jpki:st:%s:%s", issuer, serial);
}

static char
status_letter(enum store_status status)
{
	static const char letters[] = {
		[STORE_GOOD] = 'G', [STORE_HELD] = 'H', [STORE_REVOKED] = 'R'
	};
	_Static_assert(sizeof(letters) == STORE_STATUS_COUNT, "a letter each");

	return letters[status];
}

/* ---- the link */

static void
on_down(void *ctx)
{
	const struct store_outbox_row *rows;
	struct cache *c = ctx;

	rows = c->rows;
	c->state = CACHE_DOWN;
	c->rows = NULL;
	if (rows != NULL)
		c->o.on_settled(c->o.ctx, NULL);
}

/* The server's answer is no; it is asked again later. */
static void
cache_refused(struct cache *c, const char *why, const char *hint)
{
	c->refused = true;
	redis_link_refuse(c->link, why, hint);
}

static void
cache_is_up(struct cache *c)
{
	c->state = CACHE_UP;
	c->library_gone = c->bad = false;
	if (!c->refused)
		redis_link_good(c->link);
	c->o.on_up(c->o.ctx);
}

static void
on_loaded(void *ctx, const struct redisReply *reply)
{
	struct cache *c = ctx;

	if (reply == NULL)
		return; /* on_down() follows */
	if (reply->type == REDIS_REPLY_ERROR)
		cache_refused(c, reply->str,
		    "Redis 7 or newer is needed, and the right to FUNCTION "
		    "LOAD");
	else
		cache_is_up(c);
}

static void
cache_load(struct cache *c)
{
	static const char *load[] = { "FUNCTION", "LOAD", "REPLACE",
		cache_library };

	c->state = CACHE_LOADING;
	if (redis_link_send(c->link, 4, load, NULL, on_loaded, c) == -1)
		redis_link_refuse(c->link, NOT_SENT, "it is tried again");
}

static void
on_version(void *ctx, const struct redisReply *reply)
{
	struct cache *c = ctx;

	if (reply == NULL)
		return;
	if (reply->type == REDIS_REPLY_INTEGER &&
	    reply->integer >= LIBRARY_VERSION)
		cache_is_up(c);
	else
		cache_load(c);
}

static void
on_up(void *ctx, const struct redis_server *server)
{
	static const char *ask[] = { "FCALL", "jpki_version", "0" };
	struct cache *c = ctx;

	(void)server;
	c->state = CACHE_ASKING;
	if (redis_link_send(c->link, 3, ask, NULL, on_version, c) == -1)
		redis_link_refuse(c->link, NOT_SENT, "it is tried again");
}

struct cache *
cache_new(const struct cache_options *options, struct err *err)
{
	struct redis_link_options link = { .base = options->base,
		.timers = options->timers,
		.place = options->place,
		.want = REDIS_MASTER,
		.timeout_s = options->timeout_s,
		.retry_us = options->retry_us,
		.module = "publish",
		.hint = "holds are accepted, and published when it is back",
		.lost = METRIC_PUBLISH_LINK_LOST,
		.on_up = on_up,
		.on_down = on_down };
	struct cache *c;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	c->o = *options;
	link.ctx = c;
	if ((c->link = redis_link_new(&link, err)) != NULL)
		return c;
	free(c);
	return NULL;
}

void
cache_free(struct cache *c)
{
	if (c == NULL)
		return;
	redis_link_free(c->link);
	free(c);
}

/* ---- pushing */

/* What jpki_set answered; SHOWN means "look at what is read back". */
static enum publish_outcome
judge_set(const struct redisReply *reply)
{
	static const struct {
		const char *word;
		enum publish_outcome outcome;
	} words[] = { { "set", PUBLISH_SHOWN }, { "same", PUBLISH_SHOWN },
		{ "stale", PUBLISH_SHOWN }, { "repaired", PUBLISH_REPAIRED },
		{ "conflict", PUBLISH_CONFLICT },
		{ "refused", PUBLISH_REFUSED } };
	size_t i;

	if (reply->type == REDIS_REPLY_STRING ||
	    reply->type == REDIS_REPLY_STATUS)
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strcmp(reply->str, words[i].word) == 0)
				return words[i].outcome;
	return PUBLISH_ODD;
}

static bool
field_is(const struct redisReply *field, const char *text)
{
	return field->type == REDIS_REPLY_STRING &&
	    strcmp(field->str, text) == 0;
}

/* What the record that was read back says about the row.  A newer generation
 * is as good, if it is one that the store has made: after a restore of either
 * side it may not be, and says nothing about this status. */
static enum publish_outcome
judge_seen(const struct store_outbox_row *row, enum publish_outcome said,
    const struct redisReply *seen)
{
	char s[2] = { status_letter(row->status), '\0' }, r[16], t[24];
	long long v;

	if (said != PUBLISH_SHOWN && said != PUBLISH_REPAIRED)
		return said;
	if (seen->type != REDIS_REPLY_ARRAY || seen->elements != 4 ||
	    seen->element[0]->type != REDIS_REPLY_STRING ||
	    !str_is_digits(seen->element[0]->str, 1, 15))
		return PUBLISH_ODD;
	v = strtoll(seen->element[0]->str, NULL, 10);
	if (v < row->generation)
		return PUBLISH_ODD;
	if (v > row->generation)
		return v <= row->latest ? said : PUBLISH_CONFLICT;
	snprintf(r, sizeof(r), "%d", row->reason);
	snprintf(t, sizeof(t), "%" PRId64, row->status_us / CLOCK_S_US);
	return field_is(seen->element[1], s) && field_is(seen->element[2], r) &&
		field_is(seen->element[3], t)
	    ? said
	    : PUBLISH_ODD;
}

enum publish_outcome
cache_judge(const struct store_outbox_row *row, const struct redisReply *set,
    const struct redisReply *seen)
{
	return judge_seen(row, judge_set(set), seen);
}

/* An error is the server's (READONLY, OOM, LOADING, NOPERM, ...), not the
 * row's: the link is given up, and the rows are pushed again. */
static void
on_set_error(struct cache *c, const char *error)
{
	if (strstr(error, "Function not found") != NULL) {
		c->library_gone = true; /* somebody flushed it */
		return;
	}
	if (!c->refused)
		metric_add(METRIC_PUBLISH_ODD_REPLY, 1);
	c->bad = true;
	cache_refused(c, error, "see to Redis");
}

static void
on_set(void *ctx, const struct redisReply *reply)
{
	struct cache *c = ctx;

	if (reply == NULL || c->rows == NULL)
		return;
	c->said[c->asked++] = judge_set(reply);
	if (reply->type == REDIS_REPLY_ERROR)
		on_set_error(c, reply->str);
}

/* The rows are pushed again when the library is back. */
static void
cache_load_again(struct cache *c)
{
	log_warn("publish", NULL,
	    "event=library-gone hint=\"something ran FUNCTION FLUSH; it is "
	    "loaded again\"");
	c->library_gone = false;
	cache_load(c);
}

static void
on_seen(void *ctx, const struct redisReply *reply)
{
	struct cache *c = ctx;
	size_t i = c->read;

	if (reply == NULL || c->rows == NULL)
		return;
	c->outcomes[i] = judge_seen(&c->rows[i], c->said[i], reply);
	if (++c->read < c->n)
		return;
	if (c->bad)
		return; /* on_down() follows */
	c->rows = NULL;
	if (c->library_gone)
		cache_load_again(c);
	else if (c->refused) { /* it takes pushes again */
		c->refused = false;
		redis_link_good(c->link);
	}
	c->o.on_settled(c->o.ctx, c->state == CACHE_UP ? c->outcomes : NULL);
}

static int
send_set(struct cache *c, const struct store_outbox_row *row)
{
	char key[CACHE_KEY_SIZE], v[24], r[16], t[24], e[24];
	char s[2] = { status_letter(row->status), '\0' };
	const char *argv[] = { "FCALL", "jpki_set", "1", key, v, s, r, t, e };

	cache_key(row->issuer, row->serial, key);
	snprintf(v, sizeof(v), "%" PRId64, row->generation);
	snprintf(r, sizeof(r), "%d", row->reason);
	snprintf(t, sizeof(t), "%" PRId64, row->status_us / CLOCK_S_US);
	snprintf(e, sizeof(e), "%" PRId64, row->seq);
	return redis_link_send(c->link, 9, argv, NULL, on_set, c);
}

static int
send_seen(struct cache *c, const struct store_outbox_row *row)
{
	char key[CACHE_KEY_SIZE];
	const char *argv[] = { "HMGET", key, "v", "s", "r", "t" };

	cache_key(row->issuer, row->serial, key);
	return redis_link_send(c->link, 6, argv, NULL, on_seen, c);
}

int
cache_push(void *ctx, const struct store_outbox_row *rows, size_t n)
{
	struct cache *c = ctx;
	size_t i;
	int rc = 0;

	assert(n > 0 && n <= STORE_OUTBOX_PAGE && c->rows == NULL);
	if (c->state != CACHE_UP)
		return -1;
	c->rows = rows;
	c->n = n;
	c->asked = c->read = 0;
	for (i = 0; i < n && rc == 0; i++)
		rc = send_set(c, &rows[i]);
	for (i = 0; i < n && rc == 0; i++)
		rc = send_seen(c, &rows[i]);
	if (rc == -1) /* half a push: start over on a new connection */
		redis_link_refuse(c->link, NOT_SENT, "it is tried again");
	return 0;
}
