/* SPDX-License-Identifier: Apache-2.0 */
/*
 * site.h -- hold a key ring against the store it is meant for.
 *
 * Before anything is served or imported.  Waits for the store: never on a
 * running loop.
 */
#ifndef VERIFY_SITE_H
#define VERIFY_SITE_H

#include <stdbool.h>

struct err;
struct keyring;
struct store;

/*
 * Returns 0 and *empty (no holder is on record), or -1 with *err: ERR_CONFLICT
 * when a key is not the one the store was filled under, or the store's error.
 */
int site_check(struct store *store, const struct keyring *keys, bool *empty,
    struct err *err);

#endif
