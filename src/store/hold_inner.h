/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold_inner.h -- holds on their way, as hold.c and the files that answer and
 * place them see them.  Store thread only.
 */
#ifndef STORE_HOLD_INNER_H
#define STORE_HOLD_INNER_H

#include "shared.h"
#include "store/hold.h"

#define HOLD_GROUP 64

/* One request of a group, and what the store knows of it. */
struct hold_slot {
	struct store_hold *r;
	bool known; /* there is such a holder, who is locked */
	char municipality[7];
	/* the call's hold, when it has made one before */
	bool again;
	int64_t holder, hold_id, stored_us, visible_us;
	char receipt[STORE_RECEIPT_DIGITS + 1];
	/* for a new one */
	int64_t ids[2];    /* of the hold and its case; 0 = comes later */
	const char *first; /* receipt number that is offered; NULL = none */
	bool first_taken;
	bool place;
};

/* Requests that share no holder and no call, so that each may be answered as
 * if it were alone. */
struct hold_group {
	size_t n;
	struct hold_slot slots[HOLD_GROUP];
};

/* Answer a call that has made its hold before: hold_answer.c. */
int hold_answer_again(
    struct store_db *db, const struct hold_slot *slot, struct err *err);

/* Answer one whose certificates cannot be taken, at that instant. */
int hold_answer_none(
    struct store_db *db, struct store_hold *r, int64_t now_us, struct err *err);

/* Write those that are to be placed: hold_place.c. */
int holds_place(
    struct store_db *db, struct hold_group *g, int64_t now_us, struct err *err);

#endif
