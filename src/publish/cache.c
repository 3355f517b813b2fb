/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/metric.h"
#include "publish/cache.h"
#include "publish/library.h"
#include "wire/status_record.h"

#define NOT_SENT "a command could not be sent"

enum state {
	CACHE_DOWN,    /* for the link */
	CACHE_ASKING,  /* for the library that there is */
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
	bool said_silent;  /* that nobody can be told of changes */
	struct redis_server server; /* while it is up */

	const struct store_outbox_row *rows; /* borrowed; NULL = no push */
	size_t n, asked, read;               /* rows; replies so far */
	enum publish_outcome said[STORE_OUTBOX_PAGE];
	enum publish_outcome outcomes[STORE_OUTBOX_PAGE];
};

static char
status_letter(enum store_status status)
{
	static const char letters[] = {
		[STORE_GOOD] = 'G', [STORE_HELD] = 'H', [STORE_REVOKED] = 'R'
	};
	_Static_assert(sizeof(letters) == STORE_STATUS_COUNT, "a letter each");

	return letters[status];
}

void
cache_record(struct record *record, enum store_status status,
    int64_t generation, int reason, int64_t status_us, int64_t event)
{
	*record = (struct record){ .found = RECORD_WHOLE,
		.generation = generation,
		.status = status_letter(status),
		.reason = reason,
		.time_s = status_us / CLOCK_S_US,
		.event = event };
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
	if (c->o.on_down != NULL)
		c->o.on_down(c->o.ctx);
}

/* The server's answer is no; it is asked again later. */
static void
cache_refused(struct cache *c, const char *why, const char *hint)
{
	c->refused = true;
	redis_link_refuse(c->link, why, hint);
}

/* Subscribers to jpki:changed are a courtesy. */
static void
on_may_tell(void *ctx, const struct redisReply *reply)
{
	struct cache *c = ctx;

	if (reply == NULL || c->said_silent ||
	    reply->type != REDIS_REPLY_STRING || strcmp(reply->str, "no") != 0)
		return;
	c->said_silent = true;
	log_warn("publish", NULL,
	    "event=nobody-told hint=\"records are published all the same; "
	    "give the user +publish and &jpki:changed for those that "
	    "subscribe\"");
}

static void
cache_is_up(struct cache *c)
{
	c->state = CACHE_UP;
	c->library_gone = c->bad = false;
	if (!c->refused)
		redis_link_good(c->link);
	(void)library_send_may_tell(c->link, on_may_tell, c);
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
		    "Redis 7 or newer is needed, the right to FUNCTION LOAD, "
		    "and no other library with our functions' names");
	else
		cache_is_up(c);
}

static void
cache_load(struct cache *c)
{
	c->state = CACHE_LOADING;
	if (library_send_load(c->link, on_loaded, c) == -1)
		redis_link_refuse(c->link, NOT_SENT, "it is tried again");
}

/* Another library stands under our name: what it does is not known. */
static void
cache_replace(struct cache *c, enum library_state found, int version)
{
	if (found == LIBRARY_OLDER)
		log_info("publish", NULL,
		    "event=library-upgraded from=%d to=%d", version,
		    LIBRARY_VERSION);
	else if (found == LIBRARY_FOREIGN)
		log_warn("publish", NULL,
		    "event=library-foreign hint=\"the functions in Redis were "
		    "not those of this program; they are replaced; find out "
		    "who loads others\"");
	cache_load(c);
}

static void
on_listed(void *ctx, const struct redisReply *reply)
{
	enum library_state found;
	struct cache *c = ctx;
	int version;

	if (reply == NULL)
		return;
	switch (found = library_judge(reply, &version)) {
	case LIBRARY_OURS:
		cache_is_up(c);
		break;
	case LIBRARY_NEWER:
		cache_refused(c, "its functions are of a newer holdline",
		    "upgrade this program; or, when the newer one is gone for "
		    "good, run FUNCTION DELETE holdline in Redis");
		break;
	case LIBRARY_UNREAD:
		cache_refused(c,
		    reply->type == REDIS_REPLY_ERROR
			? reply->str
			: "its answer to FUNCTION LIST makes no sense",
		    "Redis 7 or newer is needed, and the right to FUNCTION "
		    "LIST");
		break;
	default:
		cache_replace(c, found, version);
	}
}

static void
cache_ask(struct cache *c)
{
	c->state = CACHE_ASKING;
	if (library_send_list(c->link, on_listed, c) == -1)
		redis_link_refuse(c->link, NOT_SENT, "it is tried again");
}

static void
on_up(void *ctx, const struct redis_server *server)
{
	struct cache *c = ctx;

	c->server = *server;
	cache_ask(c);
}

struct redis_link *
cache_link(struct cache *c)
{
	return c->state == CACHE_UP ? c->link : NULL;
}

const struct redis_server *
cache_server(const struct cache *c)
{
	return &c->server;
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

static void
row_record(const struct store_outbox_row *row, struct record *record)
{
	cache_record(record, row->status, row->generation, row->reason,
	    row->status_us, row->seq);
}

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

/* What the record that was read back says about the row.  A newer generation
 * is as good, if it is one that the store has made: after a restore of either
 * side it may not be, and says nothing about this status. */
static enum publish_outcome
judge_seen(const struct store_outbox_row *row, const struct keyring *mac,
    enum publish_outcome said, const struct redisReply *seen)
{
	char key[RECORD_KEY_SIZE];
	struct record have, want;

	if (said != PUBLISH_SHOWN && said != PUBLISH_REPAIRED)
		return said;
	record_key(row->issuer, row->serial, key);
	record_parse(&have, key, mac, seen);
	row_record(row, &want);
	if (have.found != RECORD_WHOLE || have.generation < want.generation)
		return PUBLISH_ODD;
	if (have.generation > want.generation)
		return have.generation <= row->latest ? said : PUBLISH_CONFLICT;
	return have.status == want.status && have.reason == want.reason &&
		have.time_s == want.time_s
	    ? said
	    : PUBLISH_ODD;
}

enum publish_outcome
cache_judge(const struct store_outbox_row *row, const struct keyring *mac,
    const struct redisReply *set, const struct redisReply *seen)
{
	return judge_seen(row, mac, judge_set(set), seen);
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
	cache_ask(c);
}

void
cache_library_gone(struct cache *c)
{
	if (c->state != CACHE_UP)
		return;
	if (c->rows != NULL)
		c->library_gone = true; /* the push under way sees to it */
	else
		cache_load_again(c);
}

static void
on_seen(void *ctx, const struct redisReply *reply)
{
	struct cache *c = ctx;
	size_t i = c->read;

	if (reply == NULL || c->rows == NULL)
		return;
	c->outcomes[i] = judge_seen(&c->rows[i], c->o.mac, c->said[i], reply);
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
	char key[RECORD_KEY_SIZE];
	struct record_text text;
	struct record record;

	record_key(row->issuer, row->serial, key);
	row_record(row, &record);
	record_format(&record, key, c->o.mac, &text);
	return library_send_set(c->link, key, &text, on_set, c);
}

static int
send_seen(struct cache *c, const struct store_outbox_row *row)
{
	char key[RECORD_KEY_SIZE];

	record_key(row->issuer, row->serial, key);
	return library_send_read(c->link, key, on_seen, c);
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
