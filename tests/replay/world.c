/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "base/timer.h"
#include "base/work.h"
#include "call/agi_leg.h"
#include "call/session.h"
#include "flow/prompt.h"
#include "hold/hold.h"
#include "publish/cache.h"
#include "publish/publish.h"
#include "verify/verify.h"
#include "wire/status_record.h"
#include "world.h"

#define MUST(x) \
	do { \
		if (!(x)) { \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, \
			    #x, err.text); \
			abort(); \
		} \
	} while (0)

static int64_t
world_mono(void *ctx)
{
	return ((struct world *)ctx)->mono_us;
}

static int64_t
world_wall(void *ctx)
{
	return ((struct world *)ctx)->wall_us;
}

/* ---- the revocation cache */

struct world_record *
world_record(struct world *w, const char *issuer, const char *serial, bool make)
{
	char key[RECORD_KEY_SIZE];
	size_t i;

	record_key(issuer, serial, key);
	for (i = 0; i < w->n_cache; i++)
		if (strcmp(w->cache[i].key, key) == 0)
			return &w->cache[i];
	if (!make)
		return NULL;
	assert(w->n_cache < WORLD_CACHE_MAX);
	memset(&w->cache[w->n_cache], 0, sizeof(w->cache[0]));
	str_copy(w->cache[w->n_cache].key, sizeof(w->cache[0].key), key);
	return &w->cache[w->n_cache++];
}

/* What jpki_set does (library.c), in C. */
static enum publish_outcome
cache_set(struct world *w, const struct store_outbox_row *row)
{
	struct world_record *r =
	    world_record(w, row->issuer, row->serial, true);
	char s = "GHR"[row->status];
	bool repaired = r->wrong_type;

	if (!repaired && row->generation < r->v)
		return r->v <= row->latest ? PUBLISH_SHOWN : PUBLISH_CONFLICT;
	if (!repaired && row->generation == r->v)
		return r->s == s ? PUBLISH_SHOWN : PUBLISH_CONFLICT;
	if (!repaired && r->s == 'R' && s != 'R')
		return PUBLISH_REFUSED;
	r->v = row->generation;
	r->s = s;
	r->t = row->status_us;
	r->wrong_type = false;
	return repaired ? PUBLISH_REPAIRED : PUBLISH_SHOWN;
}

static void
world_pushed(void *ctx)
{
	struct world *w = ctx;
	const struct store_outbox_row *rows = w->rows;
	enum publish_outcome outcomes[STORE_OUTBOX_PAGE];
	size_t i;

	for (i = 0; i < w->n_rows; i++)
		outcomes[i] = cache_set(w, &rows[i]);
	w->rows = NULL;
	publish_settled(w->publish, rows, w->push_lost ? NULL : outcomes);
}

static int
world_push(void *ctx, const struct store_outbox_row *rows, size_t n)
{
	struct world *w = ctx;

	if (w->away)
		return -1;
	assert(w->rows == NULL);
	w->pushes++;
	w->rows = rows;
	w->n_rows = n;
	timer_start(w->timers, &w->push, w->push_us, world_pushed, w);
	return 0;
}

void
world_cache_away(struct world *w, bool away)
{
	const struct store_outbox_row *rows = w->rows;

	w->away = away;
	if (away && rows != NULL) {
		timer_stop(w->timers, &w->push);
		w->rows = NULL;
		publish_settled(w->publish, rows, NULL);
	}
	if (!away)
		publish_link_up(w->publish);
}

/* ---- the server */

static void
world_committed(void *ctx)
{
	publish_kick(((struct world *)ctx)->publish);
}

static void
world_visible(void *ctx, int64_t hold_id, int64_t visible_us)
{
	hold_visible(((struct world *)ctx)->hold, hold_id, visible_us);
}

static void
server_open(struct world *w)
{
	char path[128];
	struct store_options store = {
		.path = path, .wall_us = world_wall, .wall_ctx = w
	};
	struct work_options pool = { .run = verify_work };
	struct verify_policy policy = { .number_attempts =
					    w->conf->verify_number_attempts,
		.tag_attempts = w->conf->verify_tag_attempts,
		.window_us = w->conf->verify_window_us };
	struct hold_options hold = { .timers = w->timers,
		.visible_wait_us = w->conf->call_visible_us,
		.on_commit = world_committed,
		.ctx = w };
	struct publish_options publish = { .timers = w->timers,
		.poll_us = 2 * CLOCK_S_US,
		.push = world_push,
		.on_visible = world_visible,
		.ctx = w };
	struct sessions_options sessions = { .conf = w->conf,
		.timers = w->timers };
	struct err err = { ERR_NONE, "" };

	snprintf(path, sizeof(path), "%s/db", w->dir);
	MUST((w->store = store_open(&store, &err)) != NULL);
	MUST((w->pool = work_new(&pool, &err)) != NULL);
	hold.store = publish.store = sessions.store = w->store;
	MUST((w->verify = verify_new(w->store, w->pool, w->keys, &policy)) !=
	    NULL);
	MUST((w->hold = hold_new(&hold)) != NULL);
	MUST((w->publish = publish_new(&publish)) != NULL);
	sessions.verify = w->verify;
	sessions.hold = w->hold;
	MUST((w->sessions = sessions_new(&sessions)) != NULL);
}

static void
server_close(struct world *w)
{
	size_t i;

	sessions_hand_over(w->sessions);
	timer_stop(w->timers, &w->push);
	w->rows = NULL;
	work_free(w->pool);
	store_close(w->store);
	sessions_free(w->sessions);
	publish_free(w->publish);
	hold_free(w->hold);
	verify_free(w->verify);
	for (i = 0; i < WORLD_CALLS_MAX; i++)
		w->calls[i].leg = NULL;
}

void
world_open(struct world *w)
{
	struct timer_clock clock = { world_mono, world_wall, w };
	struct err err = { ERR_NONE, "" };
	char path[128];

	memset(w, 0, sizeof(*w));
	snprintf(w->dir, sizeof(w->dir), "/tmp/holdline-replay-XXXXXX");
	MUST(mkdtemp(w->dir) != NULL);
	w->mono_us = 1;
	w->wall_us = clock_jst_start_us(20261123) + 3 * 3600 * CLOCK_S_US;
	snprintf(path, sizeof(path), "%s/key", w->dir);
	MUST(keyring_create(path, &err) == 0);
	MUST((w->keys = keyring_load(path, &err)) != NULL);
	MUST((w->conf = conf_new()) != NULL);
	MUST((w->timers = timers_new(&clock)) != NULL);
	w->push_us = 200;
	server_open(w);
}

void
world_restart(struct world *w)
{
	size_t i;

	server_close(w);
	for (i = 0; i < WORLD_CALLS_MAX; i++) {
		phone_free(w->calls[i].phone);
		w->calls[i].phone = NULL;
	}
	server_open(w);
}

void
world_close(struct world *w)
{
	char command[128];
	size_t i;

	server_close(w);
	for (i = 0; i < WORLD_CALLS_MAX; i++) {
		phone_free(w->calls[i].phone);
		free(w->calls[i].out);
	}
	timers_free(w->timers);
	conf_free(w->conf);
	keyring_free(w->keys);
	snprintf(command, sizeof(command), "rm -rf '%s'", w->dir);
	if (system(command) != 0)
		fprintf(stderr, "%s stays behind\n", w->dir);
}

/* ---- time */

/* Bytes on the wire are delivered one call at a time, so that neither side
 * runs inside the other. */
static bool
deliver(struct world_call *c)
{
	char *bytes = c->out;
	size_t len = c->out_len;

	if (bytes == NULL || c->leg == NULL)
		return false;
	c->out = NULL;
	c->out_len = 0;
	agi_leg_input(c->leg, bytes, len);
	free(bytes);
	return true;
}

void
world_settle(struct world *w)
{
	bool more = true;
	size_t i;

	while (more) {
		more = work_dispatch(w->pool) > 0;
		more |= store_dispatch(w->store) > 0;
		more |= store_pending(w->store) > 0;
		for (i = 0; i < WORLD_CALLS_MAX; i++)
			more |= deliver(&w->calls[i]);
		if (timers_next(w->timers) <= w->mono_us) {
			timers_run(w->timers);
			more = true;
		}
	}
}

void
world_pass(struct world *w, int64_t us)
{
	int64_t end_us = w->mono_us + us, next;

	world_settle(w);
	while ((next = timers_next(w->timers)) <= end_us) {
		w->wall_us += next - w->mono_us;
		w->mono_us = next;
		world_settle(w);
	}
	w->wall_us += end_us - w->mono_us;
	w->mono_us = end_us;
	world_settle(w);
}

/* ---- calls */

/* The server writes a command line to the gateway. */
static int
server_writes(void *ctx, const char *line, size_t len)
{
	struct world_call *c = ctx;
	const char *why = "";

	if (c->dead_gateway)
		return -1;
	if (phone_input(c->phone, line, len, &why) == -1) {
		fprintf(stderr, "not FastAGI: %s: %.*s", why, (int)len, line);
		abort();
	}
	return 0;
}

static int
gateway_writes(void *ctx, const char *bytes, size_t len)
{
	struct world_call *c = ctx;

	c->out = realloc(c->out, c->out_len + len);
	assert(c->out != NULL);
	memcpy(c->out + c->out_len, bytes, len);
	c->out_len += len;
	return 0;
}

static void
gateway_plays(void *ctx, const struct phone_play *play)
{
	struct world_call *c = ctx;
	size_t i;

	assert(!c->playing && play->n <= WORLD_HEARD_MAX);
	c->playing = true;
	c->heard_it = false;
	c->collecting = play->collect;
	c->max = play->max;
	c->ms = 0;
	c->n = 0;
	for (i = 0; i < play->n; i++) {
		if (strcmp(play->files[i], "silence") == 0)
			continue;
		str_copy(c->heard[c->n++], sizeof(c->heard[0]), play->files[i]);
		c->ms += prompt_ms(play->lang, play->files[i]);
	}
}

/* Between the session and its leg: learn when the leg is freed. */
struct watched_leg {
	struct leg leg;
	struct leg *agi;
	struct world_call *call;
};

static struct leg *
watched(struct leg *leg)
{
	return ((struct watched_leg *)leg)->agi;
}

static void
watched_answer(struct leg *leg)
{
	leg_answer(watched(leg));
}

static void
watched_say(struct leg *leg, const struct leg_say *say)
{
	leg_say(watched(leg), say);
}

static void
watched_collect(struct leg *leg, const struct leg_collect *collect)
{
	leg_collect(watched(leg), collect);
}

static void
watched_end(struct leg *leg, enum leg_next next, const char *result)
{
	leg_end(watched(leg), next, result);
}

static void
watched_free(struct leg *leg)
{
	struct watched_leg *l = (struct watched_leg *)leg;

	leg_free(l->agi);
	l->call->leg = NULL;
	free(l);
}

static const struct leg_ops watched_ops = { watched_answer, watched_say,
	watched_collect, watched_end, watched_free };

void
world_call(struct world *w, size_t i, const char *id, const char *from,
    const char *to, const char *lang)
{
	static const struct phone_driver driver = { gateway_writes,
		gateway_plays };
	struct world_call *c = &w->calls[i];
	struct phone_options phone = { .call_id = id,
		.from = from,
		.to = to,
		.lang = lang,
		.driver = &driver,
		.ctx = c };
	struct agi_leg_options leg = { .timers = w->timers,
		.events = &session_events,
		.slack_us = w->conf->agi_slack_us,
		.write = server_writes,
		.write_ctx = c };
	struct watched_leg *l;

	phone_free(c->phone);
	free(c->out);
	memset(c, 0, sizeof(*c));
	c->world = w;
	str_copy(c->id, sizeof(c->id), id);
	c->phone = phone_new(&phone);
	l = calloc(1, sizeof(*l));
	assert(c->phone != NULL && l != NULL);
	l->leg.ops = &watched_ops;
	l->call = c;
	leg.ctx = sessions_admit(w->sessions, &l->leg);
	assert(leg.ctx != NULL);
	l->agi = agi_leg_new(&leg);
	assert(l->agi != NULL);
	c->leg = l->agi;
	phone_dial(c->phone);
	world_settle(w);
}

void
world_played(struct world *w, size_t i, const char *digits, bool hung_up)
{
	struct world_call *c = &w->calls[i];

	assert(c->playing);
	world_pass(w, w->quick ? 0 : c->ms * 1000);
	c->playing = false;
	phone_played(c->phone, digits, hung_up);
	world_settle(w);
}

void
world_hang_up(struct world *w, size_t i)
{
	w->calls[i].playing = false;
	phone_hang_up(w->calls[i].phone);
	world_settle(w);
}

void
world_cut(struct world *w, size_t i)
{
	struct world_call *c = &w->calls[i];

	c->dead_gateway = true;
	c->playing = false;
	if (c->leg != NULL)
		agi_leg_closed(c->leg, "the connection was cut");
	world_settle(w);
}
