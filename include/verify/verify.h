/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.h -- who is calling: one compound verdict over all answers.
 *
 * All factors are collected before anything is judged, every check does the
 * same work whether or not anybody has that birthday and postal code, and a
 * verdict does not say which factor failed.  The caller hears the same
 * whatever failed; only "person" is told apart, when the attempt limits are
 * reached or the answers fit more than one holder (twins at one address).
 *
 * Pure: no clock, sockets or files.  MACs are computed on the worker pool,
 * candidates come from the store.  Loop thread only.
 */
#ifndef VERIFY_VERIFY_H
#define VERIFY_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "verify/factor.h"

struct keyring;
struct store;
struct store_candidate;
struct store_lookup;
struct verify;       /* opaque: the room */
struct verify_check; /* opaque: one check under way */
struct work;

/* What a caller typed.  Digits only; "" where nothing was typed. */
struct verify_answers {
	char birth[FACTOR_BIRTH_DIGITS + 1];
	char postal[FACTOR_POSTAL_DIGITS + 1];
	char phone[FACTOR_PHONE_DIGITS + 1];
	char pin[FACTOR_PIN_MAX + 1]; /* "" = "never chose one" */
};

enum verify_verdict {
	VERIFY_OK,      /* exactly one holder fits */
	VERIFY_NO,      /* nobody does; which factor failed is not told */
	VERIFY_PERSON,  /* a person must decide: ambiguous, or too often */
	VERIFY_TROUBLE, /* the store or the pool failed; nothing is known */
	VERIFY_VERDICT_COUNT
};

/* "ok", "no", "person", "trouble"; never NULL. */
const char *verify_verdict_name(enum verify_verdict verdict);

struct verify_policy {
	unsigned int number_attempts; /* per calling number and window */
	unsigned int tag_attempts;    /* per lookup tag and window */
	int64_t window_us;
};

/*
 * The room.  All borrowed, must outlive it; `pool` runs verify_work().
 * Owned (verify_free); NULL when out of memory.
 */
struct verify *verify_new(struct store *store, struct work *pool,
    const struct keyring *keys, const struct verify_policy *policy);

/* Free; no check may be under way.  NULL is a no-op. */
void verify_free(struct verify *v);

struct work_item;
/* The pool's work function: give it to work_new(), batch = false. */
void verify_work(void *ctx, struct work_item *items);

/* holder is 0 unless the verdict is VERIFY_OK. */
typedef void verify_done_fn(
    void *ctx, enum verify_verdict verdict, int64_t holder);

/*
 * Check answers.  They are copied and cleansed when the check ends.
 *   number	the calling number, or NULL when withheld or unknown
 *	now_us	for the attempt limits: a clock that nobody sets, see
 *		timers_steady_us()
 * `done` is called exactly once, later, from the loop; the check is gone then.
 * NULL when out of memory or the pool's queue is full (done is then not
 * called): treat as VERIFY_TROUBLE.
 */
struct verify_check *verify_start(struct verify *v,
    const struct verify_answers *answers, const char *number, int64_t now_us,
    verify_done_fn *done, void *ctx);

/* Forget about it: done is not called any more.  The attempt still counts. */
void verify_cancel(struct verify_check *check);

/*
 * Where a call comes from, as a MAC: the gateway's address, the dialled and the
 * calling number (NULL = none).  A call that goes on at another node must come
 * from the same place.
 */
void verify_bind(const struct verify *v, const char *gateway, const char *dnis,
    const char *number, uint8_t mac[SECRET_MAC_SIZE]);

/* The MACs of one set of answers, a slot for each key version. */
struct verify_macs {
	unsigned int n;
	uint32_t versions[SECRET_KEYS_MAX];
	uint8_t tags[SECRET_KEYS_MAX][SECRET_MAC_SIZE];
	uint8_t phones[SECRET_KEYS_MAX][SECRET_MAC_SIZE];
	uint8_t pins[SECRET_KEYS_MAX][SECRET_MAC_SIZE];
};

/*
 * The compound judgement, pure and in constant time for a given number of
 * candidates: a holder fits when every factor that the holder has registered
 * matches, and at least one is registered.  A PIN typed by somebody for a
 * holder who never chose one neither helps nor harms.
 * Returns VERIFY_OK with *holder, VERIFY_NO or VERIFY_PERSON: several fit, or
 * one fits by a telephone that somebody with another PIN shares.
 */
enum verify_verdict verify_judge(const struct verify_macs *macs,
    const struct store_lookup *found, int64_t *holder);

#endif
