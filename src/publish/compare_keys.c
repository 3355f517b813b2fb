/* SPDX-License-Identifier: Apache-2.0 */
/* A comparison's second half: what the cache has besides. */
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/str.h"
#include "publish/compare_inner.h"
#include "publish/key_set.h"

#define KEYS_ASKED "512" /* SCAN's COUNT */

static void keys_scan(struct compare *c);
static void keys_page(struct compare *c);

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

/* After the records were read, the store was asked about their certificates:
 * what it knows by now was pushed meanwhile. */
static void
keys_judge(struct compare *c)
{
	size_t i;

	for (i = 0; i < c->n; i++) {
		struct compare_item *item = &c->items[i];

		item->done = COMPARE_LEFT;
		item->differs = item->record.found != RECORD_ABSENT;
		if (!item->named || item->row.generation == 0)
			item->kind = COMPARE_UNKNOWN;
		else if (item->row.not_after < c->pass.keep_day)
			item->kind = COMPARE_OVER;
		else
			item->differs = false;
	}
	compare_repair(c, keys_next);
}

static bool
is_named(const struct compare_item *item)
{
	return item->named;
}

static void
keys_find(struct compare *c)
{
	compare_find(c, is_named, keys_judge);
}

/* The next keys that were not met: what is under them? */
static void
keys_page(struct compare *c)
{
	struct compare_item *item;

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
	compare_read(c, keys_find);
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

void
compare_keys(struct compare *c)
{
	keys_scan(c);
}
