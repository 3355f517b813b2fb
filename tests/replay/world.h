/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world.h -- the whole product in one process, in virtual time.
 *
 * Real: store (SQLite), verify, hold, flow, session, FastAGI leg, publisher.
 * Made up: the clock, the revocation cache, the gateway and the caller (a
 * struct phone on each call, whose plays are queued here).
 */
#ifndef REPLAY_WORLD_H
#define REPLAY_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/timer.h"
#include "cli/phone.h"
#include "store/store.h"

#define WORLD_CACHE_MAX 64
#define WORLD_CALLS_MAX 4
#define WORLD_HEARD_MAX 96

/* One record of the made-up revocation cache. */
struct world_record {
	char key[100];
	int64_t v, t;
	char s;
	bool wrong_type;
};

/* One telephone, and what it is being played. */
struct world_call {
	struct world *world;
	struct phone *phone;
	struct leg *leg; /* NULL: the gateway has closed the connection */
	void *session;
	char id[64];
	bool playing, collecting, dead_gateway;
	bool heard_it; /* the script has looked at this play */
	unsigned int max;
	int64_t ms; /* how long the play takes */
	size_t n;
	char heard[WORLD_HEARD_MAX][32]; /* prompt ids of the play */
	char *out; /* bytes to the gateway, not yet delivered */
	size_t out_len;
};

struct world {
	char dir[64];
	struct conf *conf;
	struct keyring *keys;
	struct timers *timers;
	struct store *store;
	struct work *pool;
	struct verify *verify;
	struct hold *hold;
	struct publish *publish;
	struct sessions *sessions;
	int64_t mono_us, wall_us;
	bool quick;      /* prompts take no time */
	bool away;       /* the cache cannot be reached */
	int64_t push_us; /* how long a push takes */
	bool push_lost;  /* a push reaches the cache, its answer does not */
	const struct store_outbox_row *rows;
	size_t n_rows;
	struct timer push;
	struct world_record cache[WORLD_CACHE_MAX];
	size_t n_cache;
	unsigned int pushes;
	struct world_call calls[WORLD_CALLS_MAX];
};

/* Build it in a temporary folder, at 2026-11-23 03:00 in Japan.  Aborts when
 * that fails. */
void world_open(struct world *w);
/* Stop the server and start it again on the same store; calls are cut. */
void world_restart(struct world *w);
/* Free all and remove the folder. */
void world_close(struct world *w);

/* Run everything that can run without time passing. */
void world_settle(struct world *w);
/* Let time pass, timers firing in order. */
void world_pass(struct world *w, int64_t us);

/* Start a call in slot `i`. */
void world_call(struct world *w, size_t i, const char *id, const char *from,
    const char *to, const char *lang);
/* The play under way ends, as phone_played(). */
void world_played(struct world *w, size_t i, const char *digits, bool hung_up);
/* The caller hangs up. */
void world_hang_up(struct world *w, size_t i);
/* The gateway's connection breaks. */
void world_cut(struct world *w, size_t i);

/* The cache back, or away. */
void world_cache_away(struct world *w, bool away);
/* The cache's record of a certificate, or NULL. */
struct world_record *world_record(
    struct world *w, const char *issuer, const char *serial, bool make);

#endif
