/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/str.h"
#include "base/timer.h"
#include "publish/cache.h"
#include "publish/compare_inner.h"
#include "publish/key_set.h"

#define NOT_SENT "a command could not be sent to Redis"

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
static void items_report(struct compare *c);

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
void
compare_over(struct compare *c)
{
	timer_start(c->o.timers, &c->timer, 0, compare_end, c);
}

void
compare_fail(struct compare *c, const char *why)
{
	if (c->why[0] == '\0')
		str_copy(c->why, sizeof(c->why), why);
}

/* All that was asked is answered? */
void
compare_go_on(struct compare *c)
{
	if (c->pending > 0)
		return;
	if (c->why[0] != '\0' && !c->telling)
		compare_over(c);
	else
		c->next(c);
}

/* A reply came for the step at hand.  false: it is of no use. */
bool
compare_reply(struct compare *c, const struct redisReply *reply)
{
	c->pending--;
	if (reply == NULL)
		compare_fail(c, "the link to Redis was lost");
	return reply != NULL;
}

void
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
	c->telling = false;
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
item_want(const struct compare_item *item, struct record *want)
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
item_judge(struct compare_item *item)
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
item_is_settable(const struct compare_item *item)
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
item_is_publishs(const struct compare *c, const struct compare_item *item)
{
	return !c->pass.fill && item->row.waiting &&
	    (item->kind == COMPARE_MISSING || item->kind == COMPARE_BEHIND);
}

/* ---- reading records */

static void
on_read(void *ctx, const struct redisReply *reply)
{
	struct compare *c = ctx;
	struct compare_item *item = &c->items[c->replied++];

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

void
compare_read(struct compare *c, void (*next)(struct compare *c))
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

void
compare_find(struct compare *c, bool (*wants)(const struct compare_item *item),
    void (*next)(struct compare *c))
{
	size_t i;

	c->next = next;
	c->find.req = (struct store_req){ .done = on_found, .ctx = c };
	for (i = 0, c->find.n = 0; i < c->n; i++)
		if (wants(&c->items[i])) {
			c->found[c->find.n] = i;
			c->find.rows[c->find.n++] = c->items[i].row;
		}
	if (c->find.n == 0) {
		next(c);
		return;
	}
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

/* Was a repair made, as Redis says? */
static bool
item_is_done(const struct compare_item *item)
{
	return item->asked && !item->moved && item->done != COMPARE_LEFT &&
	    item->done != COMPARE_FAILED;
}

static void
item_repaired(struct compare *c, struct compare_item *item,
    const struct redisReply *reply)
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
	struct compare_item *item;

	while (!c->items[c->replied].asked)
		c->replied++;
	item = &c->items[c->replied++];
	if (compare_reply(c, reply))
		item_repaired(c, item, reply);
	compare_go_on(c);
}

static int
item_send(struct compare *c, const struct compare_item *item)
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

/* What Redis said of a repair is proved by what stands there now. */
static void
item_prove(struct compare *c, struct compare_item *item,
    const struct redisReply *reply)
{
	bool drop = item->kind == COMPARE_UNKNOWN || item->kind == COMPARE_OVER;
	struct record now, want;

	record_parse(&now, item->key, c->o.mac, reply);
	item_want(item, &want);
	if (drop ? now.found == RECORD_ABSENT
		 : now.found == RECORD_WHOLE &&
		    (same_content(&now, &want) ||
			now.generation > want.generation))
		return;
	item->done = COMPARE_FAILED;
}

static void
on_proof(void *ctx, const struct redisReply *reply)
{
	struct compare *c = ctx;
	struct compare_item *item;

	while (!item_is_done(&c->items[c->replied]))
		c->replied++;
	item = &c->items[c->replied++];
	if (compare_reply(c, reply))
		item_prove(c, item, reply);
	else
		item->done = COMPARE_FAILED;
	compare_go_on(c);
}

static void
repairs_prove(struct compare *c)
{
	size_t i;

	c->next = items_report;
	c->replied = 0;
	for (i = 0; i < c->n && c->why[0] == '\0'; i++)
		if (item_is_done(&c->items[i]))
			compare_sent(c,
			    library_send_read(
				c->pass.link, c->items[i].key, on_proof, c));
	compare_go_on(c);
}

/* What was found is told, even when the pass must end. */
static void
items_report(struct compare *c)
{
	struct compare_difference d;
	size_t i;

	c->telling = false;
	for (i = 0; i < c->n; i++) {
		const struct compare_item *item = &c->items[i];

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
		c->told(c);
}

void
compare_repair(struct compare *c, void (*next)(struct compare *c))
{
	size_t i;

	c->next = repairs_prove;
	c->telling = true;
	c->told = next;
	c->replied = 0;
	for (i = 0; i < c->n; i++) {
		struct compare_item *item = &c->items[i];

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
		compare_keys(c);
	else
		timer_start(
		    c->o.timers, &c->timer, c->pass.pace_us, compare_page, c);
}

static bool
is_to_be_forced(const struct compare_item *item)
{
	return item->differs && !item_is_settable(item);
}

/* The store was asked again about what contradicted it. */
static void
page_repair(struct compare *c)
{
	size_t i;

	for (i = 0; i < c->n; i++) {
		struct compare_item *item = &c->items[i];
		bool asked_again = is_to_be_forced(item);

		item_judge(item);
		if (item_is_publishs(c, item) ||
		    (asked_again && item->kind == COMPARE_BEHIND))
			item->differs = false; /* it went on meanwhile */
	}
	compare_repair(c, page_next);
}

static void
page_judge(struct compare *c)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		item_judge(&c->items[i]);
	compare_find(c, is_to_be_forced, page_repair);
}

static void
page_read(struct compare *c)
{
	size_t i;

	c->n = c->scan.n;
	for (i = 0; i < c->n; i++) {
		struct compare_item *item = &c->items[i];

		item->row = c->scan.rows[i];
		item->named = true;
		record_key(item->row.issuer, item->row.serial, item->key);
		if (key_set_add(c->met, item->key) == -1)
			compare_fail(c, "out of memory");
	}
	compare_read(c, page_judge);
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
	c->scan.req = (struct store_req){ .done = on_scanned, .ctx = c };
	c->pending++;
	store_status_scan(c->o.store, &c->scan);
}
