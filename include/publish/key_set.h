/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_set.h -- which keys were met, in 16 bytes a key.
 *
 * Keeps a hash of each key under a random seed and not the key: two keys are
 * taken for one once in 2^64, and nobody can choose them to be.  One thread.
 */
#ifndef PUBLISH_KEY_SET_H
#define PUBLISH_KEY_SET_H

#include <stdbool.h>
#include <stddef.h>

struct key_set; /* opaque */

/* An empty set; NULL when out of memory.  Owned (key_set_free). */
struct key_set *key_set_new(void);

/* NULL is a no-op. */
void key_set_free(struct key_set *s);

/* Add a key that may be there already.  -1: out of memory. */
int key_set_add(struct key_set *s, const char *key);

/* Was it added? */
bool key_set_has(const struct key_set *s, const char *key);

#endif
