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
#include "base/timer.h"
#include "publish/cache.h"
#include "wire/resp.h"
#include "wire/stream.h"

#define LIBRARY_VERSION 1
#define RETRY_MAX_US (5 * CLOCK_S_US)

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
	CACHE_DOWN,       /* for the retry timer */
	CACHE_CONNECTING, /* for the connection */
	CACHE_ASKING,     /* for the library's version */
	CACHE_LOADING,    /* for FUNCTION LOAD */
	CACHE_UP          /* for work */
};

struct cache {
	struct cache_options o;
	char *address_text;
	struct stream_addr address;
	enum state state;
	struct resp *resp;
	struct timer retry;
	int64_t wait_us;
	bool said_down;    /* logged already */
	bool library_gone; /* jpki_set was not there */
	bool refused;      /* an error that is the server's, in this push */
	bool said_refused; /* logged already; no push has worked since */

	const struct store_outbox_row *rows; /* borrowed; NULL = no push */
	size_t n, asked, read;               /* rows; replies so far */
	enum publish_outcome said[STORE_OUTBOX_PAGE];
	enum publish_outcome outcomes[STORE_OUTBOX_PAGE];
};

static void cache_connect(void *ctx);

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

/* ---- the connection */

static void
cache_go_down(struct cache *c, const char *why)
{
	const struct store_outbox_row *rows = c->rows;

	metric_add(METRIC_PUBLISH_LINK_LOST, 1);
	if (!c->said_down)
		log_error("publish", NULL,
		    "event=cache-away address=%s why=\"%s\" hint=\"holds are "
		    "accepted and published when it is back\"",
		    c->address_text, why);
	c->said_down = true;
	resp_free(c->resp);
	c->resp = NULL;
	c->state = CACHE_DOWN;
	timer_start(c->o.timers, &c->retry, c->wait_us, cache_connect, c);
	c->wait_us *= 2;
	if (c->wait_us > RETRY_MAX_US)
		c->wait_us = RETRY_MAX_US;
	c->rows = NULL;
	if (rows != NULL)
		c->o.on_settled(c->o.ctx, NULL);
}

static void
on_closed(void *ctx, const char *why)
{
	cache_go_down(ctx, why);
}

static void
cache_is_up(struct cache *c)
{
	c->state = CACHE_UP;
	c->library_gone = c->refused = false;
	if (!c->said_refused) {
		c->wait_us = c->o.retry_us;
		c->said_down = false;
		log_info("publish", NULL, "event=cache-up address=%s",
		    c->address_text);
	}
	c->o.on_up(c->o.ctx);
}

/* A retry timer tears the connection down from outside its callbacks. */
static void
cache_give_up(void *ctx)
{
	cache_go_down(ctx, "a command could not be sent or was refused");
}

static void
on_loaded(void *ctx, const struct redisReply *reply)
{
	struct cache *c = ctx;

	if (reply == NULL)
		return; /* on_closed() follows */
	if (reply->type != REDIS_REPLY_ERROR) {
		cache_is_up(c);
		return;
	}
	if (!c->said_refused)
		log_error("publish", NULL,
		    "event=library-refused error=\"%s\" hint=\"Redis 7 or newer is "
		    "needed, and the right to FUNCTION LOAD\"",
		    reply->str);
	c->said_refused = c->said_down = true;
	timer_start(c->o.timers, &c->retry, 0, cache_give_up, c);
}

static int
cache_send(struct cache *c, int argc, const char **argv, resp_reply_fn *fn)
{
	size_t lens[12];
	int i;

	assert(argc <= 12);
	for (i = 0; i < argc; i++)
		lens[i] = strlen(argv[i]);
	return resp_send(c->resp, argc, argv, lens, fn, c);
}

static void
cache_load(struct cache *c)
{
	static const char *load[] = { "FUNCTION", "LOAD", "REPLACE",
		cache_library };

	c->state = CACHE_LOADING;
	if (cache_send(c, 4, load, on_loaded) == -1)
		timer_start(c->o.timers, &c->retry, 0, cache_give_up, c);
}

static void
on_version(void *ctx, const struct redisReply *reply)
{
	struct cache *c = ctx;

	if (reply == NULL)
		return;
	if (reply->type == REDIS_REPLY_INTEGER &&
	    reply->integer >= LIBRARY_VERSION) {
		cache_is_up(c);
		return;
	}
	cache_load(c);
}

static void
on_open(void *ctx)
{
	static const char *ask[] = { "FCALL", "jpki_version", "0" };
	struct cache *c = ctx;

	c->state = CACHE_ASKING;
	if (cache_send(c, 3, ask, on_version) == -1)
		timer_start(c->o.timers, &c->retry, 0, cache_give_up, c);
}

static const struct resp_handler handler = { on_open, on_closed };

static void
cache_connect(void *ctx)
{
	struct cache *c = ctx;
	struct err err;

	c->state = CACHE_CONNECTING;
	c->resp = resp_connect(
	    c->o.base, &c->address, c->o.timeout_s, &handler, c, &err);
	if (c->resp == NULL)
		cache_go_down(c, err.text);
}

struct cache *
cache_new(const struct cache_options *options, struct err *err)
{
	struct cache *c;

	if ((c = calloc(1, sizeof(*c))) == NULL ||
	    (c->address_text = strdup(options->address)) == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		goto fail;
	}
	c->o = *options;
	c->wait_us = c->o.retry_us;
	if (stream_addr_parse(c->address_text, &c->address, err) == -1) {
		err_add(err, "redis.address");
		goto fail;
	}
	timer_start(c->o.timers, &c->retry, 0, cache_connect, c);
	return c;

fail:
	cache_free(c);
	return NULL;
}

void
cache_free(struct cache *c)
{
	if (c == NULL)
		return;
	if (c->o.timers != NULL)
		timer_stop(c->o.timers, &c->retry);
	resp_free(c->resp);
	free(c->address_text);
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
	if (strstr(error, "Function not found") != NULL)
		c->library_gone = true; /* somebody flushed it */
	else
		c->refused = true;
	if (c->refused && !c->said_refused) {
		c->said_refused = c->said_down = true;
		metric_add(METRIC_PUBLISH_ODD_REPLY, 1);
		log_error("publish", NULL,
		    "event=cache-refuses error=\"%s\" hint=\"see to Redis; "
		    "holds are accepted and published when it takes them\"",
		    error);
	}
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

/* A push has worked, after refusals. */
static void
cache_takes_again(struct cache *c)
{
	c->said_refused = c->said_down = false;
	c->wait_us = c->o.retry_us;
	log_info("publish", NULL, "event=cache-up address=%s", c->address_text);
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
	if (c->refused) { /* told when the link is down */
		timer_start(c->o.timers, &c->retry, 0, cache_give_up, c);
		return;
	}
	c->rows = NULL;
	if (c->library_gone)
		cache_load_again(c);
	else if (c->said_refused)
		cache_takes_again(c);
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
	return cache_send(c, 9, argv, on_set);
}

static int
send_seen(struct cache *c, const struct store_outbox_row *row)
{
	char key[CACHE_KEY_SIZE];
	const char *argv[] = { "HMGET", key, "v", "s", "r", "t" };

	cache_key(row->issuer, row->serial, key);
	return cache_send(c, 6, argv, on_seen);
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
		timer_start(c->o.timers, &c->retry, 0, cache_give_up, c);
	return 0;
}
