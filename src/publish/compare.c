/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/str.h"
#include "base/timer.h"
#include "publish/cache.h"
#include "publish/compare.h"
#include "publish/key_set.h"
#include "publish/library.h"

#define KEYS_MAX 2048    /* that one SCAN may bring and we have not met */
#define KEYS_ASKED "512" /* its COUNT */
#define NOT_SENT "a command could not be sent to Redis"
#define CURSOR_SIZE 24

/* A certificate or a key, and what was found under it. */
struct item {
	struct store_status_row row;
	char key[RECORD_KEY_SIZE];
	struct record record;
	struct library_seen seen;
	bool named;   /* the key names a certificate */
	bool differs; /* ... and how */
	bool asked;   /* a repair is under way */
	bool moved;   /* it was something else by then */
	enum compare_kind kind;
	enum compare_done done;
};

struct compare {
	struct compare_options o;
	struct compare_pass pass;
	bool running;
	char why[200]; /* the pass must end; "" = not */
	struct timer timer;

	/* What every reply of the step at hand, or the store's, leads to. */
	void (*next)(struct compare *c);
	size_t pending, replied;

	struct store_status_scan scan;
	struct store_status_find find;
	size_t found[STORE_STATUS_PAGE]; /* the items asked for */
	int64_t compared;
	struct key_set *met;
	char cursor[CURSOR_SIZE];
	size_t n_keys, key_at;
	char keys[KEYS_MAX][RECORD_KEY_SIZE]; /* of the SCAN at hand */
	size_t n;
	struct item items[STORE_STATUS_PAGE];
};

static const char *const kind_names[] = {
	[COMPARE_MISSING] = "missing",
	[COMPARE_BEHIND] = "behind",
	[COMPARE_SPOILED] = "spoiled",
	[COMPARE_CONTRADICTS] = "contradicts",
	[COMPARE_UNKNOWN] = "unknown",
	[COMPARE_OVER] = "over",
};
_Static_assert(sizeof(kind_names) / sizeof(kind_names[0]) == COMPARE_KIND_COUNT,
    "every compare_kind needs a name");

static const char *const done_names[] = {
	[COMPARE_LEFT] = "left",
	[COMPARE_SET] = "set",
	[COMPARE_FORCED] = "forced",
	[COMPARE_DROPPED] = "dropped",
	[COMPARE_FAILED] = "failed",
};
_Static_assert(sizeof(done_names) / sizeof(done_names[0]) == COMPARE_DONE_COUNT,
    "every compare_done needs a name");

static void page_scan(struct compare *c);
static void page_report(struct compare *c);
static void keys_report(struct compare *c);
static void keys_scan(struct compare *c);
static void keys_page(struct compare *c);

const char *
compare_kind_name(enum compare_kind kind)
{
	return kind_names[kind];
}

const char *
compare_done_name(enum compare_done done)
{
	return done_names[done];
}

/* ---- how a pass goes on */

static void
compare_end(void *ctx)
{
	struct compare *c = ctx;

	key_set_free(c->met);
	c->met = NULL;
	c->running = false;
	c->o.on_done(c->o.ctx, c->why[0] == '\0' ? NULL : c->why);
}

/* End the pass from a later event. */
static void
compare_over(struct compare *c)
{
	timer_start(c->o.timers, &c->timer, 0, compare_end, c);
}

static void
compare_fail(struct compare *c, const char *why)
{
	if (c->why[0] == '\0')
		str_copy(c->why, sizeof(c->why), why);
}

/* All that was asked is answered? */
static void
compare_go_on(struct compare *c)
{
	if (c->pending > 0)
		return;
	if (c->why[0] != '\0' && c->next != page_report &&
	    c->next != keys_report)
		compare_over(c);
	else
		c->next(c); /* what was found is told in any case */
}

/* A reply came for the step at hand.  false: it is of no use. */
static bool
compare_reply(struct compare *c, const struct redisReply *reply)
{
	c->pending--;
	if (reply == NULL)
		compare_fail(c, "the link to Redis was lost");
	return reply != NULL;
}

static void
compare_sent(struct compare *c, int rc)
{
	if (rc == -1)
		compare_fail(c, NOT_SENT);
	else
		c->pending++;
}

static void
compare_page(void *ctx)
{
	page_scan(ctx);
}

void
compare_start(struct compare *c, const struct compare_pass *pass)
{
	assert(!c->running);
	c->pass = *pass;
	c->running = true;
	c->why[0] = '\0';
	c->pending = 0;
	c->compared = 0;
	c->scan.after_day = pass->keep_day;
	c->scan.after_id = 0;
	str_copy(c->cursor, sizeof(c->cursor), "0");
	if ((c->met = key_set_new()) == NULL) {
		compare_fail(c, "out of memory");
		compare_over(c);
		return;
	}
	timer_start(c->o.timers, &c->timer, 0, compare_page, c);
}

void
compare_stop(struct compare *c, const char *why)
{
	if (!c->running)
		return;
	compare_fail(c, why);
	if (c->timer.slot != 0) /* it waits for nothing but its pace */
		compare_over(c);
}

bool
compare_running(const struct compare *c)
{
	return c->running;
}

struct compare *
compare_new(const struct compare_options *options)
{
	struct compare *c = calloc(1, sizeof(*c));

	if (c != NULL)
		c->o = *options;
	return c;
}

void
compare_free(struct compare *c)
{
	if (c == NULL)
		return;
	timer_stop(c->o.timers, &c->timer);
	key_set_free(c->met);
	free(c);
}

/* ---- judging */

static void
item_want(const struct item *item, struct record *want)
{
	cache_record(want, item->row.status, item->row.generation,
	    item->row.reason, item->row.status_us, 0);
}

static bool
same_content(const struct record *a, const struct record *b)
{
	return a->generation == b->generation && a->status == b->status &&
	    a->reason == b->reason && a->time_s == b->time_s;
}

/* Of a certificate that must have a record. */
static void
item_judge(struct item *item)
{
	const struct record *have = &item->record;
	struct record want;

	item_want(item, &want);
	item->differs = true;
	item->done = COMPARE_LEFT;
	if (have->found == RECORD_ABSENT)
		item->kind = COMPARE_MISSING;
	else if (have->found != RECORD_WHOLE)
		item->kind = COMPARE_SPOILED;
	else if (have->generation < want.generation &&
	    (have->status != 'R' || want.status == 'R'))
		item->kind = COMPARE_BEHIND;
	else if (same_content(have, &want))
		item->differs = false;
	else
		item->kind = COMPARE_CONTRADICTS;
}

/* Does compare-and-set do, or must it be forced? */
static bool
item_is_settable(const struct item *item)
{
	struct record want;

	item_want(item, &want);
	return item->kind == COMPARE_MISSING || item->kind == COMPARE_BEHIND ||
	    (item->record.found == RECORD_UNSIGNED &&
		same_content(&item->record, &want));
}

/* What waits for publish is its business, unless the cache has something that
 * publish will not get past. */
static bool
item_is_publishs(const struct compare *c, const struct item *item)
{
	return !c->pass.fill && item->row.waiting &&
	    (item->kind == COMPARE_MISSING || item->kind == COMPARE_BEHIND);
}

/* ---- reading records */

static void
on_read(void *ctx, const struct redisReply *reply)
{
	struct compare *c = ctx;
	struct item *item = &c->items[c->replied++];

	if (compare_reply(c, reply)) {
		record_parse(&item->record, item->key, c->o.mac, reply);
		library_seen(&item->seen, reply);
		if (item->record.found == RECORD_UNREAD)
			compare_fail(c,
			    reply->type == REDIS_REPLY_ERROR
				? reply->str
				: "Redis' answer to HMGET makes no sense");
	}
	compare_go_on(c);
}

static void
items_read(struct compare *c, void (*next)(struct compare *c))
{
	size_t i;

	c->next = next;
	c->replied = 0;
	for (i = 0; i < c->n && c->why[0] == '\0'; i++)
		compare_sent(c,
		    library_send_read(
			c->pass.link, c->items[i].key, on_read, c));
	compare_go_on(c);
}

/* ---- asking the store again, for items that `wants` */

static void
on_found(struct store_req *req)
{
	struct compare *c = req->ctx;
	size_t i;

	c->pending--;
	if (req->err.code != ERR_NONE)
		compare_fail(c, req->err.text);
	else
		for (i = 0; i < c->find.n; i++)
			c->items[c->found[i]].row = c->find.rows[i];
	compare_go_on(c);
}

static void
items_find(struct compare *c, bool (*wants)(const struct item *item),
    void (*next)(struct compare *c))
{
	size_t i;

	c->next = next;
	memset(&c->find.req, 0, sizeof(c->find.req));
	for (i = 0, c->find.n = 0; i < c->n; i++)
		if (wants(&c->items[i])) {
			c->found[c->find.n] = i;
			c->find.rows[c->find.n++] = c->items[i].row;
		}
	if (c->find.n == 0) {
		next(c);
		return;
	}
	c->find.req.done = on_found;
	c->find.req.ctx = c;
	c->pending++;
	store_status_find(c->o.store, &c->find);
}

/* ---- repairing */

static bool
reply_is(const struct redisReply *reply, const char *word)
{
	return reply->type == REDIS_REPLY_STRING &&
	    strcmp(reply->str, word) == 0;
}

static void
item_repaired(
    struct compare *c, struct item *item, const struct redisReply *reply)
{
	if (reply_is(reply, "set") || reply_is(reply, "same") ||
	    reply_is(reply, "repaired"))
		item->done = COMPARE_SET;
	else if (reply_is(reply, "forced"))
		item->done = COMPARE_FORCED;
	else if (reply_is(reply, "dropped"))
		item->done = COMPARE_DROPPED;
	else if (reply_is(reply, "moved") || reply_is(reply, "stale"))
		item->moved = true; /* somebody was faster */
	else {
		item->done = COMPARE_FAILED;
		if (reply->type == REDIS_REPLY_ERROR)
			compare_fail(c, reply->str);
		else if (reply_is(reply, "fenced"))
			compare_fail(c,
			    "another server owns the revocation cache by now");
	}
}

static void
on_repaired(void *ctx, const struct redisReply *reply)
{
	struct compare *c = ctx;
	struct item *item;

	while (!c->items[c->replied].asked)
		c->replied++;
	item = &c->items[c->replied++];
	if (compare_reply(c, reply))
		item_repaired(c, item, reply);
	compare_go_on(c);
}

static int
item_send(struct compare *c, const struct item *item)
{
	bool drop = item->kind == COMPARE_UNKNOWN || item->kind == COMPARE_OVER;
	struct record_text text;
	struct record want;

	if (drop)
		return library_send_force(c->pass.link, item->key,
		    c->pass.fence, &item->seen, NULL, on_repaired, c);
	item_want(item, &want);
	record_format(&want, item->key, c->o.mac, &text);
	if (item_is_settable(item))
		return library_send_set(
		    c->pass.link, item->key, &text, on_repaired, c);
	return library_send_force(c->pass.link, item->key, c->pass.fence,
	    &item->seen, &text, on_repaired, c);
}

static void
items_report(struct compare *c, void (*next)(struct compare *c))
{
	struct compare_difference d;
	size_t i;

	for (i = 0; i < c->n; i++) {
		const struct item *item = &c->items[i];

		if (!item->differs || item->moved)
			continue;
		d = (struct compare_difference){ .kind = item->kind,
			.done = item->done,
			.key = item->key,
			.row = &item->row,
			.record = &item->record };
		c->o.on_difference(c->o.ctx, &d);
	}
	if (c->why[0] != '\0')
		compare_over(c);
	else
		next(c);
}

/* Repair those that differ, tell of them, and go on. */
static void
items_repair(struct compare *c, void (*next)(struct compare *c))
{
	size_t i;

	c->next = next;
	c->replied = 0;
	for (i = 0; i < c->n; i++) {
		struct item *item = &c->items[i];

		item->asked = item->moved = false;
		if (!item->differs || !c->pass.repair || c->why[0] != '\0')
			continue;
		compare_sent(c, item_send(c, item));
		item->asked = c->why[0] == '\0';
	}
	compare_go_on(c);
}

/* ---- what the store has */

static void
page_next(struct compare *c)
{
	c->compared += (int64_t)c->n;
	if (c->o.on_progress != NULL)
		c->o.on_progress(c->o.ctx, c->compared);
	if (c->scan.n < STORE_STATUS_PAGE)
		keys_scan(c);
	else
		timer_start(
		    c->o.timers, &c->timer, c->pass.pace_us, compare_page, c);
}

static void
page_report(struct compare *c)
{
	items_report(c, page_next);
}

static bool
is_to_be_forced(const struct item *item)
{
	return item->differs && !item_is_settable(item);
}

/* The store was asked again about what contradicted it. */
static void
page_repair(struct compare *c)
{
	size_t i;

	for (i = 0; i < c->n; i++) {
		struct item *item = &c->items[i];
		bool asked_again = is_to_be_forced(item);

		item_judge(item);
		if (item_is_publishs(c, item) ||
		    (asked_again && item->kind == COMPARE_BEHIND))
			item->differs = false; /* it went on meanwhile */
	}
	items_repair(c, page_report);
}

static void
page_judge(struct compare *c)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		item_judge(&c->items[i]);
	items_find(c, is_to_be_forced, page_repair);
}

static void
page_read(struct compare *c)
{
	size_t i;

	c->n = c->scan.n;
	for (i = 0; i < c->n; i++) {
		struct item *item = &c->items[i];

		item->row = c->scan.rows[i];
		item->named = true;
		record_key(item->row.issuer, item->row.serial, item->key);
		if (key_set_add(c->met, item->key) == -1)
			compare_fail(c, "out of memory");
	}
	items_read(c, page_judge);
}

static void
on_scanned(struct store_req *req)
{
	struct compare *c = req->ctx;

	c->pending--;
	if (req->err.code != ERR_NONE)
		compare_fail(c, req->err.text);
	compare_go_on(c);
}

static void
page_scan(struct compare *c)
{
	c->next = page_read;
	memset(&c->scan.req, 0, sizeof(c->scan.req));
	c->scan.req.done = on_scanned;
	c->scan.req.ctx = c;
	c->pending++;
	store_status_scan(c->o.store, &c->scan);
}

/* ---- what the cache has besides */

static void
keys_next(struct compare *c)
{
	if (c->key_at < c->n_keys)
		keys_page(c);
	else if (strcmp(c->cursor, "0") == 0)
		compare_over(c);
	else
		keys_scan(c);
}

static void
keys_report(struct compare *c)
{
	items_report(c, keys_next);
}

/* After the records were read, the store was asked about their certificates:
 * what it knows by now was pushed meanwhile. */
static void
keys_judge(struct compare *c)
{
	size_t i;

	for (i = 0; i < c->n; i++) {
		struct item *item = &c->items[i];

		item->done = COMPARE_LEFT;
		item->differs = item->record.found != RECORD_ABSENT;
		if (!item->named || item->row.generation == 0)
			item->kind = COMPARE_UNKNOWN;
		else if (item->row.not_after < c->pass.keep_day)
			item->kind = COMPARE_OVER;
		else
			item->differs = false;
	}
	items_repair(c, keys_report);
}

static bool
is_named(const struct item *item)
{
	return item->named;
}

static void
keys_find(struct compare *c)
{
	items_find(c, is_named, keys_judge);
}

/* The next keys that were not met: what is under them? */
static void
keys_page(struct compare *c)
{
	struct item *item;

	for (c->n = 0; c->n < STORE_STATUS_PAGE && c->key_at < c->n_keys;
	     c->n++) {
		item = &c->items[c->n];
		memset(&item->row, 0, sizeof(item->row));
		str_copy(item->key, sizeof(item->key), c->keys[c->key_at++]);
		item->named = record_key_parse(item->key, item->row.issuer,
				  item->row.serial) == 0;
		if (key_set_add(c->met, item->key) == -1)
			compare_fail(c, "out of memory");
	}
	items_read(c, keys_find);
}

/* A key that is longer than any record's is left alone: no reader asks for
 * it. */
static void
key_take(struct compare *c, const struct redisReply *key)
{
	if (key->type != REDIS_REPLY_STRING ||
	    strlen(key->str) >= RECORD_KEY_SIZE ||
	    key_set_has(c->met, key->str) || c->n_keys == KEYS_MAX)
		return;
	str_copy(c->keys[c->n_keys++], RECORD_KEY_SIZE, key->str);
}

static void
on_keys(void *ctx, const struct redisReply *reply)
{
	struct compare *c = ctx;
	size_t i;

	if (compare_reply(c, reply)) {
		if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
		    reply->element[0]->type != REDIS_REPLY_STRING ||
		    reply->element[1]->type != REDIS_REPLY_ARRAY ||
		    str_copy(c->cursor, sizeof(c->cursor),
			reply->element[0]->str) == -1)
			compare_fail(c,
			    reply->type == REDIS_REPLY_ERROR
				? reply->str
				: "Redis' answer to SCAN makes no sense");
		else
			for (i = 0; i < reply->element[1]->elements; i++)
				key_take(c, reply->element[1]->element[i]);
	}
	compare_go_on(c);
}

static void
keys_scan(struct compare *c)
{
	const char *argv[] = { "SCAN", c->cursor, "MATCH", RECORD_PREFIX "*",
		"COUNT", KEYS_ASKED };

	c->next = keys_next;
	c->n_keys = c->key_at = 0;
	compare_sent(
	    c, redis_link_send(c->pass.link, 6, argv, NULL, on_keys, c));
	compare_go_on(c);
}
