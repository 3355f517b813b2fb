/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/secret.h"
#include "publish/key_set.h"

#define ROOM_FIRST 1024 /* a power of two; at most half of it is used */

struct key_set {
	unsigned char seed[crypto_shorthash_KEYBYTES];
	size_t n, room;
	uint64_t *slots; /* 0 = free */
};

static uint64_t
hash(const struct key_set *s, const char *key)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t h;

	_Static_assert(sizeof(h) == sizeof(out), "64 bits");
	crypto_shorthash(out, (const unsigned char *)key, strlen(key), s->seed);
	memcpy(&h, out, sizeof(h));
	return h == 0 ? 1 : h;
}

/* Where it is, or the free slot where it would be. */
static uint64_t *
slot_of(uint64_t *slots, size_t room, uint64_t h)
{
	size_t i = (size_t)h & (room - 1);

	while (slots[i] != 0 && slots[i] != h)
		i = (i + 1) & (room - 1);
	return &slots[i];
}

static int
grow(struct key_set *s)
{
	size_t room = s->room == 0 ? ROOM_FIRST : 2 * s->room, i;
	uint64_t *slots = calloc(room, sizeof(slots[0]));

	if (slots == NULL)
		return -1;
	for (i = 0; i < s->room; i++)
		if (s->slots[i] != 0)
			*slot_of(slots, room, s->slots[i]) = s->slots[i];
	free(s->slots);
	s->slots = slots;
	s->room = room;
	return 0;
}

struct key_set *
key_set_new(void)
{
	struct key_set *s = calloc(1, sizeof(*s));

	if (s == NULL || grow(s) == -1) {
		free(s);
		return NULL;
	}
	secret_random(s->seed, sizeof(s->seed));
	return s;
}

void
key_set_free(struct key_set *s)
{
	if (s == NULL)
		return;
	free(s->slots);
	free(s);
}

int
key_set_add(struct key_set *s, const char *key)
{
	uint64_t h = hash(s, key), *slot;

	if (s->n >= s->room / 2 && grow(s) == -1)
		return -1;
	slot = slot_of(s->slots, s->room, h);
	if (*slot == 0)
		s->n++;
	*slot = h;
	return 0;
}

bool
key_set_has(const struct key_set *s, const char *key)
{
	uint64_t h = hash(s, key);

	return *slot_of(s->slots, s->room, h) == h;
}
