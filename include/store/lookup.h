/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup.h -- finding who a caller may be, and counting attempts.
 *
 * Two intents for one check, submitted together: the lookup only reads, so it
 * waits for nobody's commit; the attempt is counted durably.  Both do the same
 * work whether or not anybody has the tag.  A verified attempt is given back
 * with store_refund().
 */
#ifndef STORE_LOOKUP_H
#define STORE_LOOKUP_H

#include "store/store.h"

#define STORE_TAGS_MAX 4        /* key versions in use */
#define STORE_CANDIDATES_MAX 32 /* people with one birthday and postal code */
#define STORE_PHONES_MAX 4      /* registered telephones of one holder */

/* A holder whose birth date and postal code are the caller's. */
struct store_candidate {
	int64_t holder;
	uint32_t key_version; /* under which the MACs were made */
	unsigned int n_phones;
	uint8_t phones[STORE_PHONES_MAX][STORE_MAC_SIZE];
	bool has_pin;
	uint8_t pin[STORE_MAC_SIZE]; /* stretched MAC */
};

/* Every candidate, whichever key the tag was made under. */
struct store_lookup {
	struct store_req req;
	/* in */
	unsigned int n_tags; /* one per key version */
	uint8_t tags[STORE_TAGS_MAX][STORE_MAC_SIZE];
	/* out */
	unsigned int n; /* candidates given */
	bool more;      /* there are more than fit: treat as ambiguous */
	struct store_candidate candidates[STORE_CANDIDATES_MAX];
};
void store_lookup(struct store *s, struct store_lookup *r);

/* Count an attempt against the calling number and against each lookup tag. */
struct store_attempt {
	struct store_req req;
	/* in */
	unsigned int n_tags;
	uint8_t tags[STORE_TAGS_MAX][STORE_MAC_SIZE];
	bool has_number; /* the calling number was sent and not withheld */
	uint8_t number[STORE_MAC_SIZE]; /* its MAC */
	int64_t now_us;
	int64_t window_us; /* attempts older than this no longer count */
	/* out */
	unsigned int number_attempts; /* in the window, this one included */
	unsigned int tag_attempts;    /* the highest of the tags, likewise */
};
void store_attempt(struct store *s, struct store_attempt *r);

/* Give an attempt back: it was verified.  Never below zero. */
struct store_refund {
	struct store_req req;
	/* in */
	unsigned int n_tags;
	uint8_t tags[STORE_TAGS_MAX][STORE_MAC_SIZE];
	bool has_number;
	uint8_t number[STORE_MAC_SIZE];
};
void store_refund(struct store *s, struct store_refund *r);

#endif
