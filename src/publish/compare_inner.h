/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare_inner.h -- what the two halves of a comparison share: the certificates
 * that the store has (compare.c), and the keys that the cache has besides
 * (compare_keys.c).  A step asks for something and names what comes next;
 * that is called when every answer is there.  Loop thread only.
 */
#ifndef PUBLISH_COMPARE_INNER_H
#define PUBLISH_COMPARE_INNER_H

#include "base/timer.h"
#include "publish/compare.h"
#include "publish/library.h"

#define KEYS_MAX 2048 /* that one SCAN may bring and we have not met */
#define CURSOR_SIZE 24

/* A certificate or a key, and what was found under it. */
struct compare_item {
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

	void (*next)(struct compare *c); /* when nothing is pending */
	void (*told)(struct compare *c); /* after the differences were told */
	bool telling; /* ... and it is called also when the pass must end */
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
	struct compare_item items[STORE_STATUS_PAGE];
};

/* The second half begins. */
void compare_keys(struct compare *c);

/* The pass must end, for this reason; the first one counts. */
void compare_fail(struct compare *c, const char *why);

/* End it now. */
void compare_over(struct compare *c);

/* All that was asked is answered?  Then what is next. */
void compare_go_on(struct compare *c);

/* A command was sent, if rc is 0. */
void compare_sent(struct compare *c, int rc);

/* A reply came.  false: the link was lost. */
bool compare_reply(struct compare *c, const struct redisReply *reply);

/* ---- steps, each over c->items */

/* Read what is under their keys. */
void compare_read(struct compare *c, void (*next)(struct compare *c));

/* Ask the store about those that `wants`. */
void compare_find(struct compare *c,
    bool (*wants)(const struct compare_item *item),
    void (*next)(struct compare *c));

/* Repair those that differ, if the pass shall, and tell of them. */
void compare_repair(struct compare *c, void (*next)(struct compare *c));

#endif
