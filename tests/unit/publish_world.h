/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish_world.h -- the publisher between an outbox and a cache that answer
 * when and what they are told to, in virtual time.
 */
#ifndef TESTS_PUBLISH_WORLD_H
#define TESTS_PUBLISH_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/metric.h"
#include "base/timer.h"
#include "publish/publish.h"

#define WALL INT64_C(1795485600000000)
#define POLL_US (10 * CLOCK_S_US)
#define DAY_US (86400 * CLOCK_S_US)
#define ROWS 300

/* An outbox that answers when it is told to. */
struct store {
	struct store_outbox_row rows[ROWS];
	int64_t park_us[ROWS]; /* 0 = due; -1 = acknowledged */
	size_t n;
	struct store_outbox_take *take;      /* with the store, or NULL */
	struct store_outbox_ack *ack, *ack2; /* the older, and the newer one */
	struct store_outbox_release *release;
	int takes, acks, releases;
	struct store_outbox_ack last_ack;
};

/* A cache that answers when it is told to. */
struct world {
	struct store store;
	struct timers *timers;
	int64_t mono_us;
	struct publish *publish;
	bool link;
	int pushes;
	const struct store_outbox_row *pushed;  /* under way, or NULL: the */
	size_t n_pushed;                        /* older push, and */
	const struct store_outbox_row *pushed2; /* the newer one */
	size_t n_pushed2;
	size_t n_visible;
	int64_t visible[ROWS];
	bool kick_when_visible;
};

void
store_outbox_take(struct store *s, struct store_outbox_take *r)
{
	assert_null(s->take);
	assert_string_equal(r->node, "node");
	assert_true(r->now_us >= WALL);
	s->takes++;
	s->take = r;
}

void
store_outbox_ack(struct store *s, struct store_outbox_ack *r)
{
	assert_null(s->ack2);
	s->acks++;
	*(s->ack == NULL ? &s->ack : &s->ack2) = r;
	s->last_ack = *r;
}

void
store_outbox_release(struct store *s, struct store_outbox_release *r)
{
	assert_null(s->release);
	assert_string_equal(r->node, "node");
	s->releases++;
	s->release = r;
}

/* What was given back is free. */
static inline void
release_ends(struct world *w)
{
	struct store_outbox_release *r = w->store.release;

	assert_non_null(r);
	w->store.release = NULL;
	r->req.done(&r->req);
}

/* The take comes back. */
static inline void
take_ends(struct world *w, enum err_code code)
{
	struct store_outbox_take *r = w->store.take;
	size_t i;

	assert_non_null(r);
	w->store.take = NULL;
	r->req.err.code = code;
	r->n = 0;
	for (i = 0; code == ERR_NONE && i < w->store.n; i++)
		if (w->store.park_us[i] >= 0 &&
		    w->store.park_us[i] <= r->now_us &&
		    (w->store.rows[i].seq < r->skip_from ||
			w->store.rows[i].seq > r->skip_to) &&
		    r->n < STORE_OUTBOX_PAGE)
			r->rows[r->n++] = w->store.rows[i];
	r->req.done(&r->req);
}

/* The older acknowledgement comes back; each hold in it is visible now. */
static inline void
ack_ends(struct world *w, enum err_code code)
{
	struct store_outbox_ack *r = w->store.ack;
	size_t i;

	assert_non_null(r);
	w->store.ack = w->store.ack2;
	w->store.ack2 = NULL;
	r->req.err.code = code;
	r->n_visible = 0;
	for (i = 0; code == ERR_NONE && i < r->n; i++) {
		w->store.park_us[r->seqs[i] - 1] =
		    r->park_us[i] == 0 ? -1 : r->park_us[i];
		if (r->park_us[i] == 0 && r->holds[i] != 0) {
			r->visible[r->n_visible] = r->holds[i];
			r->visible_us[r->n_visible++] = r->now_us;
		}
	}
	r->req.done(&r->req);
}

static inline int
push(void *ctx, const struct store_outbox_row *rows, size_t n)
{
	struct world *w = ctx;

	assert_null(w->pushed2);
	if (!w->link)
		return -1;
	w->pushes++;
	*(w->pushed == NULL ? &w->pushed : &w->pushed2) = rows;
	*(w->pushed == rows ? &w->n_pushed : &w->n_pushed2) = n;
	return 0;
}

/* The older push, or the newer one, has ended. */
static inline void
push_settles(struct world *w, bool newer, const enum publish_outcome *outcomes)
{
	const struct store_outbox_row *rows = newer ? w->pushed2 : w->pushed;

	assert_non_null(rows);
	if (!newer) {
		w->pushed = w->pushed2;
		w->n_pushed = w->n_pushed2;
	}
	w->pushed2 = NULL;
	publish_settled(w->publish, rows, outcomes);
}

/* The older push has ended the same way for each row, or with the link. */
static inline void
push_ends(struct world *w, const enum publish_outcome *outcome)
{
	enum publish_outcome all[STORE_OUTBOX_PAGE];
	size_t i;

	for (i = 0; outcome != NULL && i < STORE_OUTBOX_PAGE; i++)
		all[i] = *outcome;
	push_settles(w, false, outcome == NULL ? NULL : all);
}

static const enum publish_outcome shown = PUBLISH_SHOWN;

static inline void
on_visible(void *ctx, int64_t hold_id, int64_t visible_us)
{
	struct world *w = ctx;

	assert_true(visible_us >= WALL);
	w->visible[w->n_visible++] = hold_id;
	if (w->kick_when_visible)
		publish_kick(w->publish);
}

static inline int64_t
world_mono(void *ctx)
{
	return ((struct world *)ctx)->mono_us;
}

static inline int64_t
world_wall(void *ctx)
{
	return WALL + ((struct world *)ctx)->mono_us;
}

static inline void
pass(struct world *w, int64_t us)
{
	w->mono_us += us;
	timers_run(w->timers);
}

/* A row of each hold id. */
static inline void
fill(struct world *w, size_t n)
{
	struct store_outbox_row *r;

	while (n-- > 0) {
		r = &w->store.rows[w->store.n++];
		r->seq = (int64_t)w->store.n;
		r->hold_id = 100 + r->seq;
		r->cert = 1000 + r->seq;
		r->latest = 1;
		r->generation = 1;
		r->status = STORE_HELD;
	}
}

static inline int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct timer_clock clock = { world_mono, world_wall, w };
	struct publish_options o = { .store = &w->store,
		.node = "node",
		.poll_us = POLL_US,
		.push = push,
		.on_visible = on_visible,
		.ctx = w };

	w->link = true;
	w->timers = o.timers = timers_new(&clock);
	w->publish = publish_new(&o);
	assert_non_null(w->publish);
	*state = w;
	return 0;
}

static inline int
teardown(void **state)
{
	struct world *w = *state;

	publish_free(w->publish);
	assert_true(timers_next(w->timers) == INT64_MAX);
	timers_free(w->timers);
	free(w);
	return 0;
}

#endif
