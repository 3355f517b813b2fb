/* SPDX-License-Identifier: Apache-2.0 */
/*
 * site.h -- do this store and these keys belong together?
 *
 * A store keeps a check value of every key version it was filled under.  With
 * another key every caller would be a stranger, and nobody would know why.
 */
#ifndef STORE_SITE_H
#define STORE_SITE_H

#include "store/lookup.h"
#include "store/store.h"

/*
 * Versions the store has not seen are remembered; ERR_CONFLICT when one has
 * another check value and somebody is on record.
 */
struct store_site {
	struct store_req req;
	/* in */
	unsigned int n;
	uint32_t versions[STORE_TAGS_MAX];
	uint8_t checks[STORE_TAGS_MAX][STORE_MAC_SIZE];
	/* out */
	bool empty; /* no holder is on record */
};
void store_site(struct store *s, struct store_site *r);

#endif
