/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold_world.h -- the hold room over a store that answers when and what it is
 * told to, in virtual time.  Included once by each test of the room.
 */
#ifndef TESTS_HOLD_WORLD_H
#define TESTS_HOLD_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/timer.h"
#include "hold/hold.h"
#include "store/cert.h"
#include "store/hold.h"

#define WALL INT64_C(1795485600000000) /* 2026-11-24, Japan */
#define MS INT64_C(1000)
#define ASKED_MAX 8

/* What is with the store, oldest first. */
struct store {
	struct store_req *asked[ASKED_MAX];
	size_t n;
	int places, seens, looks;
};

struct world {
	struct store store;
	struct timers *timers;
	int64_t mono_us;
	struct hold *hold;
	int commits;
	int dones;
	struct hold_answer answer;
	int lookeds;
	bool ok;
	size_t n_certs;
};

static inline void
store_ask(struct store *s, struct store_req *req)
{
	assert_true(s->n < ASKED_MAX);
	assert_non_null(req->done);
	s->asked[s->n++] = req;
}

void
store_hold(struct store *s, struct store_hold *r)
{
	s->places++;
	store_ask(s, &r->req);
}

void
store_hold_seen(struct store *s, struct store_hold_seen *r)
{
	s->seens++;
	store_ask(s, &r->req);
}

void
store_cert_list(struct store *s, struct store_cert_list *r)
{
	s->looks++;
	store_ask(s, &r->req);
}

/* The oldest request; it stays with the store. */
static inline void *
oldest(struct world *w)
{
	assert_true(w->store.n > 0);
	return w->store.asked[0];
}

/* Give the oldest request back. */
static inline void
give_back(struct world *w, enum err_code code)
{
	struct store_req *req = oldest(w);

	w->store.n--;
	memmove(w->store.asked, w->store.asked + 1,
	    w->store.n * sizeof(w->store.asked[0]));
	req->err.code = code;
	snprintf(req->err.text, sizeof(req->err.text), "%s",
	    code == ERR_NONE ? "" : "the test says no");
	req->done(req);
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
on_commit(void *ctx)
{
	((struct world *)ctx)->commits++;
}

static inline void
open_room(struct world *w, int64_t wait_us)
{
	struct hold_options o = { .store = &w->store,
		.timers = w->timers,
		.visible_wait_us = wait_us,
		.on_commit = on_commit,
		.ctx = w };

	hold_free(w->hold);
	w->hold = hold_new(&o);
	assert_non_null(w->hold);
}

static inline int
world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct timer_clock clock = { world_mono, world_wall, w };

	w->mono_us = 7000 * MS;
	w->timers = timers_new(&clock);
	open_room(w, 2000 * MS);
	*state = w;
	return 0;
}

static inline int
world_teardown(void **state)
{
	struct world *w = *state;

	assert_int_equal(w->store.n, 0);
	hold_free(w->hold);
	assert_true(timers_next(w->timers) == INT64_MAX);
	timers_free(w->timers);
	free(w);
	return 0;
}

/* Let time pass, timer by timer. */
static inline void
pass(struct world *w, int64_t us)
{
	int64_t until = w->mono_us + us;

	while (timers_next(w->timers) <= until) {
		if (timers_next(w->timers) > w->mono_us)
			w->mono_us = timers_next(w->timers);
		timers_run(w->timers);
	}
	w->mono_us = until;
}

/* Let time pass with a store that has not seen anything become visible. */
static inline void
pass_unseen(struct world *w, int64_t us)
{
	int64_t until = w->mono_us + us;

	while (w->mono_us < until) {
		pass(w, MS);
		while (w->store.n > 0)
			give_back(w, ERR_NONE);
	}
}

static inline void
placed(void *ctx, const struct hold_answer *answer)
{
	struct world *w = ctx;

	w->dones++;
	w->answer = *answer;
}

static inline struct hold_job *
ask_for(struct world *w, const char *call_id, unsigned int carriers)
{
	struct hold_request r = { .call_id = call_id,
		.holder = 5,
		.carriers = carriers,
		.lang = "en",
		.reported_us = WALL - 9,
		.verified_us = WALL - 3,
		.random = { 1, 2, 3, 4, 5, 6, 7, UINT64_MAX } };

	return hold_place(w->hold, &r, placed, w);
}

/* The store commits the oldest request, as hold 77. */
static inline void
commit(struct world *w, enum store_hold_outcome outcome, int64_t visible_us)
{
	struct store_hold *r = oldest(w);

	r->outcome = outcome;
	r->hold_id = outcome == STORE_HOLD_NOTHING ? 0 : 77;
	snprintf(r->receipt, sizeof(r->receipt), "%s",
	    outcome == STORE_HOLD_NOTHING ? "" : "1234567890");
	r->stored_us = outcome == STORE_HOLD_NOTHING ? 0 : WALL;
	r->visible_us = visible_us;
	r->n = 1;
	r->certs[0].status = STORE_HELD;
	r->certs[0].not_after = 20290101;
	give_back(w, ERR_NONE);
}

#endif
