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
#include "publish/push.h"
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
	struct redis_link *reader; /* NULL = responders read the same server */
	struct push pushes[PUBLISH_PAGES];
	bool said_behind;  /* for them */
	bool library_gone; /* jpki_set was not there */
	bool refused;      /* the server has refused; no push worked since */
	bool said_silent;  /* that nobody can be told of changes */
	struct redis_server server; /* while it is up */
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
	struct cache *c = ctx;
	const struct store_outbox_row *rows;
	size_t i;

	c->state = CACHE_DOWN;
	for (i = 0; i < PUBLISH_PAGES; i++)
		if ((rows = push_give_up(&c->pushes[i])) != NULL)
			c->o.on_settled(c->o.ctx, rows, NULL);
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
	c->library_gone = false;
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

/* ---- pushing */

/* Is a push under way? */
static bool
is_pushing(const struct cache *c)
{
	size_t i;

	for (i = 0; i < PUBLISH_PAGES; i++)
		if (c->pushes[i].rows != NULL)
			return true;
	return false;
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
	if (is_pushing(c))
		c->library_gone = true; /* the last one under way sees to it */
	else
		cache_load_again(c);
}

static void
on_checked(void *ctx, const struct redisReply *reply)
{
	struct cache *c = ctx;
	enum library_state found;
	int version;

	if (reply == NULL || c->state != CACHE_UP)
		return;
	found = library_judge(reply, &version);
	if (found == LIBRARY_OURS || found == LIBRARY_UNREAD)
		return;
	if (is_pushing(c))
		c->library_gone = true;
	else
		cache_ask(c); /* and what it finds is said and replaced */
}

void
cache_check_library(struct cache *c)
{
	if (c->state == CACHE_UP)
		(void)library_send_list(c->link, on_checked, c);
}

static void
on_push_library_gone(void *ctx)
{
	((struct cache *)ctx)->library_gone = true;
}

static void
on_push_refused(void *ctx, const char *error)
{
	struct cache *c = ctx;

	if (!c->refused)
		metric_add(METRIC_PUBLISH_ODD_REPLY, 1);
	cache_refused(c, error, "see to Redis");
}

static void
on_push_end(
    void *ctx, const struct push *push, const struct store_outbox_row *rows)
{
	struct cache *c = ctx;
	bool lost = c->library_gone || push->library_gone;

	if (!lost && c->refused) { /* it takes pushes again */
		c->refused = false;
		redis_link_good(c->link);
	}
	/* no on_up() before each of them has ended */
	if (c->library_gone && !is_pushing(c))
		cache_load_again(c);
	c->o.on_settled(c->o.ctx, rows, lost ? NULL : push->outcomes);
}

int
cache_push(void *ctx, const struct store_outbox_row *rows, size_t n)
{
	struct cache *c = ctx;
	size_t i = 0;

	if (c->state != CACHE_UP || c->library_gone)
		return -1;
	while (i < PUBLISH_PAGES && c->pushes[i].rows != NULL)
		i++;
	assert(i < PUBLISH_PAGES);
	if (push_start(&c->pushes[i], rows, n) == -1)
		redis_link_refuse(c->link, NOT_SENT, "it is tried again");
	return 0;
}

/* ---- beginning and end */

static void
on_reader_up(void *ctx, const struct redis_server *server)
{
	(void)server;
	redis_link_good(((struct cache *)ctx)->reader);
}

static void
on_reader_down(void *ctx)
{
	(void)ctx; /* the push under way has got NULLs */
}

/* The link that writes, and one to where responders read if that is another
 * server. */
static int
cache_open(struct cache *c, struct err *err)
{
	struct redis_link_options link = { .base = c->o.base,
		.timers = c->o.timers,
		.place = c->o.place,
		.want = REDIS_MASTER,
		.timeout_s = c->o.timeout_s,
		.retry_us = c->o.retry_us,
		.module = "publish",
		.hint = "holds are accepted, and published when it is back",
		.lost = METRIC_PUBLISH_LINK_LOST,
		.on_up = on_up,
		.on_down = on_down,
		.ctx = c };

	if (c->o.wait_us >= c->o.timeout_s * CLOCK_S_US)
		return err_set(err, ERR_RANGE,
		    "redis.wait: must be shorter than redis.timeout");
	if ((c->link = redis_link_new(&link, err)) == NULL)
		return -1;
	if (c->o.read_place == NULL)
		return 0;
	link.place = *c->o.read_place;
	link.want = REDIS_ANY;
	link.hint = "holds are written, and count as visible when it is back";
	link.on_up = on_reader_up;
	link.on_down = on_reader_down;
	c->reader = redis_link_new(&link, err);
	return c->reader == NULL ? err_add(err, "redis.read_address") : 0;
}

struct cache *
cache_new(const struct cache_options *options, struct err *err)
{
	struct cache *c;
	size_t i;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	c->o = *options;
	if (cache_open(c, err) == -1) {
		cache_free(c);
		return NULL;
	}
	for (i = 0; i < PUBLISH_PAGES; i++)
		c->pushes[i] = (struct push){ .timers = c->o.timers,
			.mac = c->o.mac,
			.writer = c->link,
			.reader = c->reader,
			.replicas = c->o.replicas,
			.wait_us = c->o.wait_us,
			.said_behind = &c->said_behind,
			.on_end = on_push_end,
			.on_refused = on_push_refused,
			.on_library_gone = on_push_library_gone,
			.ctx = c };
	return c;
}

void
cache_free(struct cache *c)
{
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < PUBLISH_PAGES; i++)
		if (c->pushes[i].timers != NULL)
			(void)push_give_up(&c->pushes[i]);
	redis_link_free(c->reader);
	redis_link_free(c->link);
	free(c);
}
