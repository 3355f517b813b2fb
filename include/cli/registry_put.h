/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry_put.h -- a row of the registry as the store takes it.
 *
 * This is where personal data ends: what comes out is keyed MACs, and the
 * contact sealed.  Pure.  Any thread.
 */
#ifndef CLI_REGISTRY_PUT_H
#define CLI_REGISTRY_PUT_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct keyring;
struct registry_row;
struct store_put;

/*
 * Fill in all of a zeroed `put` but the PIN's MAC, which takes long: has_pin
 * says whether factor_pin() must still make it.  All under the current key.
 *   now_us	when the row came in, also the time of a status other than good
 * Returns 0, or -1 with *err (ERR_NOMEM).
 */
int registry_put_fill(struct store_put *put, const struct keyring *keys,
    const struct registry_row *row, int64_t now_us, struct err *err);

/* Only who it is: the MACs of the holder's reference. */
void registry_put_ref(
    struct store_put *put, const struct keyring *keys, const char *ref);

/*
 * Likewise from `before`, which was filled from a row of the same holder
 * (registry_row_same_holder()), under the same keys: much faster.
 */
void registry_put_again(struct store_put *put, const struct store_put *before,
    const struct registry_row *row, int64_t now_us);

/*
 * The holder reference out of a sealed contact.  Returns 0, or -1 with *err:
 * the key version is not in the ring, or the contact was altered.
 */
int registry_contact_ref(char *out, size_t size, const struct keyring *keys,
    uint32_t key_version, const uint8_t *sealed, size_t len, struct err *err);

#endif
