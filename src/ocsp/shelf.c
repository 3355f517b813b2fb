/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <sodium.h>

#include "base/secret.h"
#include "ocsp/shelf.h"

struct item {
	struct item *chained; /* the next of its bucket */
	TAILQ_ENTRY(item) link;
	struct ocsp_kept kept;
	size_t id_len;
	uint8_t id[OCSP_SHELF_ID_MAX];
	uint8_t bytes[];
};

TAILQ_HEAD(items, item);

struct ocsp_shelf {
	size_t max, n, mask;
	struct items recent; /* asked for last at the front */
	uint8_t key[crypto_shorthash_KEYBYTES];
	struct item *buckets[];
};

struct ocsp_shelf *
ocsp_shelf_new(size_t max)
{
	struct ocsp_shelf *shelf;
	size_t buckets = 1;

	while (buckets < max)
		buckets *= 2;
	shelf = calloc(1, sizeof(*shelf) + buckets * sizeof(shelf->buckets[0]));
	if (shelf == NULL)
		return NULL;
	shelf->max = max;
	shelf->mask = buckets - 1;
	TAILQ_INIT(&shelf->recent);
	/* Whoever asks chooses the CertIDs, but not where they fall. */
	secret_random(shelf->key, sizeof(shelf->key));
	return shelf;
}

/* Where the pointer to the item is, or would be. */
static struct item **
shelf_find(struct ocsp_shelf *shelf, struct der id)
{
	uint8_t hash[crypto_shorthash_BYTES];
	struct item **at;
	uint64_t h;

	crypto_shorthash(hash, id.at, id.len, shelf->key);
	memcpy(&h, hash, sizeof(h));
	for (at = &shelf->buckets[h & shelf->mask]; *at != NULL;
	     at = &(*at)->chained)
		if (der_equal(&id, (*at)->id, (*at)->id_len))
			break;
	return at;
}

static void
shelf_drop(struct ocsp_shelf *shelf, struct item *item)
{
	struct item **at =
	    shelf_find(shelf, (struct der){ item->id, item->id_len });

	*at = item->chained;
	TAILQ_REMOVE(&shelf->recent, item, link);
	shelf->n--;
	free(item);
}

void
ocsp_shelf_clear(struct ocsp_shelf *shelf)
{
	while (!TAILQ_EMPTY(&shelf->recent))
		shelf_drop(shelf, TAILQ_FIRST(&shelf->recent));
}

void
ocsp_shelf_free(struct ocsp_shelf *shelf)
{
	if (shelf == NULL)
		return;
	ocsp_shelf_clear(shelf);
	free(shelf);
}

const struct ocsp_kept *
ocsp_shelf_get(struct ocsp_shelf *shelf, struct der id,
    const struct ocsp_fact *fact, int64_t now_s)
{
	struct item *item = *shelf_find(shelf, id);
	const struct ocsp_fact *had;

	if (item == NULL)
		return NULL;
	had = &item->kept.fact;
	if (had->signer != fact->signer ||
	    had->generation != fact->generation ||
	    had->time_s != fact->time_s || had->status != fact->status ||
	    had->reason != fact->reason || now_s >= item->kept.use_until_s)
		return NULL;
	if (TAILQ_FIRST(&shelf->recent) != item) {
		TAILQ_REMOVE(&shelf->recent, item, link);
		TAILQ_INSERT_HEAD(&shelf->recent, item, link);
	}
	return &item->kept;
}

void
ocsp_shelf_put(
    struct ocsp_shelf *shelf, struct der id, const struct ocsp_kept *answer)
{
	struct item *item, **at;

	if (shelf->max == 0 || id.len > OCSP_SHELF_ID_MAX ||
	    (item = malloc(sizeof(*item) + answer->len)) == NULL)
		return;
	if (*(at = shelf_find(shelf, id)) != NULL)
		shelf_drop(shelf, *at);
	else if (shelf->n == shelf->max)
		shelf_drop(shelf, TAILQ_LAST(&shelf->recent, items));
	item->kept = *answer;
	item->kept.bytes = item->bytes;
	memcpy(item->bytes, answer->bytes, answer->len);
	memcpy(item->id, id.at, id.len);
	item->id_len = id.len;
	at = shelf_find(shelf, id); /* the drop may have moved it */
	item->chained = NULL;
	*at = item;
	TAILQ_INSERT_HEAD(&shelf->recent, item, link);
	shelf->n++;
}

size_t
ocsp_shelf_count(const struct ocsp_shelf *shelf)
{
	return shelf->n;
}
