/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "publish/cache.h"
#include "publish/library.h"
#include "publish/push.h"
#include "wire/redis_link.h"
#include "wire/status_record.h"

#define PAUSE_US (2 * CLOCK_S_US / 1000) /* before the first reading again */
/* Written before WAIT, which then covers whatever was written before it: also
 * by a connection that is lost, as when jpki_set says "same". */
#define WAIT_KEY "jpki:wait"

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
 * side it may not be, and says nothing about this status.  `older`: what it
 * means when nothing or an older generation is there. */
static enum publish_outcome
judge_seen(const struct store_outbox_row *row, const struct keyring *mac,
    enum publish_outcome said, enum publish_outcome older,
    const struct redisReply *seen)
{
	char key[RECORD_KEY_SIZE];
	struct record have, want;

	if (said != PUBLISH_SHOWN && said != PUBLISH_REPAIRED)
		return said;
	record_key(row->issuer, row->serial, key);
	record_parse(&have, key, mac, seen);
	row_record(row, &want);
	if (have.found == RECORD_ABSENT || have.found == RECORD_UNREAD ||
	    (have.found == RECORD_WHOLE && have.generation < want.generation))
		return older;
	if (have.found != RECORD_WHOLE)
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
	return judge_seen(row, mac, judge_set(set), PUBLISH_ODD, seen);
}

/* ---- the end */

static void
push_say_behind(struct push *p)
{
	metric_add(METRIC_PUBLISH_BEHIND, 1);
	if (*p->said_behind)
		return;
	*p->said_behind = true;
	if (p->short_of)
		log_error("publish", NULL,
		    "event=not-replicated wanted=%u hint=\"fewer replicas "
		    "than redis.replicas have it within redis.wait: see to "
		    "them; it is tried again, and holds do not count as "
		    "visible meanwhile\"",
		    p->replicas);
	else
		log_error("publish", NULL,
		    "event=not-replicated hint=\"the replica at "
		    "redis.read_address does not have it within redis.wait: "
		    "see to it; it is tried again, and holds do not count as "
		    "visible meanwhile\"");
}

static void
push_end(struct push *p)
{
	const struct store_outbox_row *rows = p->rows;
	bool behind = false;
	size_t i;

	for (i = 0; i < p->n; i++)
		behind = behind || p->outcomes[i] == PUBLISH_BEHIND;
	if (behind)
		push_say_behind(p);
	else if (*p->said_behind) {
		*p->said_behind = false;
		log_info("publish", NULL, "event=replicated");
	}
	p->rows = NULL;
	p->on_end(p->ctx, p, rows);
}

const struct store_outbox_row *
push_give_up(struct push *p)
{
	const struct store_outbox_row *rows = p->rows;

	timer_stop(p->timers, &p->again);
	if (rows != NULL && p->reader != NULL)
		p->skip += p->sent - p->read; /* the writer's have all come */
	p->rows = NULL;
	return rows;
}

/* ---- reading back */

static void push_read(void *ctx);

static void
push_was_read(struct push *p)
{
	bool behind = false;
	size_t i;

	if (p->refused)
		return; /* push_give_up() follows */
	for (i = 0; i < p->n; i++)
		behind = behind || p->outcomes[i] == PUBLISH_BEHIND;
	if (!behind || p->short_of || redis_link_room(p->reader) < p->n ||
	    timers_mono_us(p->timers) >= p->until_us) {
		push_end(p);
		return;
	}
	timer_start(p->timers, &p->again, p->pause_us, push_read, p);
	p->pause_us *= 2;
}

static void
on_seen(void *ctx, const struct redisReply *reply)
{
	struct push *p = ctx;
	size_t i;

	if (p->skip > 0) {
		p->skip--;
		return;
	}
	if (p->rows == NULL || (reply == NULL && p->reader == NULL))
		return;
	i = p->read++;
	if (reply != NULL) /* else the reader is lost */
		p->outcomes[i] = judge_seen(&p->rows[i], p->mac, p->said[i],
		    p->reader == NULL ? PUBLISH_ODD : PUBLISH_BEHIND, reply);
	if (p->short_of &&
	    (p->outcomes[i] == PUBLISH_SHOWN ||
		p->outcomes[i] == PUBLISH_REPAIRED))
		p->outcomes[i] = PUBLISH_BEHIND;
	if (p->read == p->n)
		push_was_read(p);
}

/* Read every row's record where responders read. */
static int
push_send_reads(struct push *p, struct redis_link *from)
{
	char key[RECORD_KEY_SIZE];
	size_t i;

	p->sent = p->read = 0;
	for (i = 0; i < p->n; i++) {
		record_key(p->rows[i].issuer, p->rows[i].serial, key);
		if (library_send_read(from, key, on_seen, p) == -1)
			return -1;
		p->sent++;
	}
	return 0;
}

/* The records are written; look at the replica, if one can be looked at. */
static void
push_read(void *ctx)
{
	struct push *p = ctx;
	size_t i;

	for (i = 0; i < p->n; i++)
		p->outcomes[i] = p->said[i] == PUBLISH_SHOWN ||
			p->said[i] == PUBLISH_REPAIRED
		    ? PUBLISH_BEHIND
		    : p->said[i];
	if (p->short_of || redis_link_room(p->reader) < p->n)
		push_was_read(p);
	else if (push_send_reads(p, p->reader) == -1) { /* out of memory */
		p->skip += p->sent;
		push_end(p);
	}
}

/* ---- writing */

/* An error is the server's (READONLY, OOM, LOADING, NOPERM, ...), not the
 * row's: the link is given up, and the rows are pushed again. */
static void
push_refused(struct push *p, const char *error)
{
	if (strstr(error, "Function not found") != NULL) {
		p->library_gone = true; /* somebody flushed it */
		p->on_library_gone(p->ctx);
		return;
	}
	p->refused = true;
	p->on_refused(p->ctx, error);
}

/* The last reply before the reading, if that is elsewhere. */
static void
push_is_written(struct push *p)
{
	if (p->reader != NULL && !p->refused)
		push_read(p);
}

static void
on_set(void *ctx, const struct redisReply *reply)
{
	struct push *p = ctx;

	if (reply == NULL || p->rows == NULL)
		return;
	p->said[p->asked++] = judge_set(reply);
	if (reply->type == REDIS_REPLY_ERROR)
		push_refused(p, reply->str);
	if (p->asked == p->n && p->replicas == 0)
		push_is_written(p);
}

static void
on_marked(void *ctx, const struct redisReply *reply)
{
	struct push *p = ctx;

	if (reply != NULL && p->rows != NULL &&
	    reply->type == REDIS_REPLY_ERROR)
		push_refused(p, reply->str);
}

static void
on_waited(void *ctx, const struct redisReply *reply)
{
	struct push *p = ctx;

	if (reply == NULL || p->rows == NULL)
		return;
	if (reply->type == REDIS_REPLY_ERROR)
		push_refused(p, reply->str);
	p->short_of = reply->type != REDIS_REPLY_INTEGER ||
	    reply->integer < (long long)p->replicas;
	push_is_written(p);
}

static int
send_set(struct push *p, const struct store_outbox_row *row)
{
	char key[RECORD_KEY_SIZE];
	struct record_text text;
	struct record record;

	record_key(row->issuer, row->serial, key);
	row_record(row, &record);
	record_format(&record, key, p->mac, &text);
	return library_send_set(p->writer, key, &text, on_set, p);
}

static int
send_wait(struct push *p)
{
	static const char *mark[] = { "SET", WAIT_KEY, "1" };
	char replicas[12], ms[24];
	const char *wait[] = { "WAIT", replicas, ms };

	snprintf(replicas, sizeof(replicas), "%u", p->replicas);
	snprintf(ms, sizeof(ms), "%" PRId64, p->wait_us / 1000);
	return redis_link_send(p->writer, 3, mark, NULL, on_marked, p) == 0
	    ? redis_link_send(p->writer, 3, wait, NULL, on_waited, p)
	    : -1;
}

int
push_start(struct push *p, const struct store_outbox_row *rows, size_t n)
{
	size_t i;

	assert(n > 0 && n <= STORE_OUTBOX_PAGE && p->rows == NULL);
	p->rows = rows;
	p->n = n;
	p->asked = p->sent = p->read = 0;
	p->refused = p->library_gone = p->short_of = false;
	p->pause_us = PAUSE_US;
	p->until_us = timers_mono_us(p->timers) + p->wait_us;
	for (i = 0; i < n; i++)
		if (send_set(p, &rows[i]) == -1)
			return -1;
	if (p->replicas > 0 && send_wait(p) == -1)
		return -1;
	return p->reader == NULL ? push_send_reads(p, p->writer) : 0;
}
