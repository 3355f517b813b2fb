/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret.h -- the key ring, and what is done with keys.
 *
 * A birth date, a postal code or four digits can be guessed by trying them
 * all; only a key that is not in the store protects them.  The key file holds
 * one line per version, "<version> <64 hexadecimal digits>"; the highest
 * version is current, older ones stay while the registry is re-imported.
 * Each purpose has a key of its own, derived from the file's by
 * HMAC-SHA256(key, "holdline/<purpose>").  The revocation cache has a key file
 * of its own, because a responder's host must not have the store's; its lines
 * are "cache <version> <64 hexadecimal digits>".
 * A struct keyring is read-only once loaded: any thread.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_MAC_SIZE 32
#define SECRET_KEYS_MAX 4    /* versions in one key file */
#define SECRET_SEAL_EXTRA 40 /* a sealed text is this much longer */

struct err;
struct keyring; /* opaque */

/* What a key may be used for; each has a derived key of its own. */
enum secret_use {
	SECRET_USE_LOOKUP,  /* birth date + postal code -> lookup tag */
	SECRET_USE_FACTOR,  /* telephone, PIN */
	SECRET_USE_NUMBER,  /* a calling number, for attempt counters */
	SECRET_USE_HOLDER,  /* a holder reference */
	SECRET_USE_CONTACT, /* sealing contact data */
	SECRET_USE_CACHE,   /* records in the revocation cache */
	SECRET_USE_COUNT
};

/*
 * Load a key file.  Refuses one that others may read (mode & 077), that is
 * malformed, or that holds a version twice.  Owned (keyring_free); NULL with
 * *err: ERR_IO, ERR_PARSE, ERR_REFUSED.
 */
struct keyring *keyring_load(const char *path, struct err *err);

/* As keyring_load(), for the key file of the revocation cache.  Each of the two
 * refuses the other's file. */
struct keyring *keyring_load_cache(const char *path, struct err *err);

/* Cleanse and free.  NULL is a no-op. */
void keyring_free(struct keyring *k);

/*
 * Create a key file with one random key, version 1, mode 0600, synced.
 * Never overwrites: ERR_CONFLICT when the path exists.
 */
int keyring_create(const char *path, struct err *err);

/* As keyring_create(), for the revocation cache. */
int keyring_create_cache(const char *path, struct err *err);

/* How many versions there are, at least 1. */
size_t keyring_count(const struct keyring *k);

/* The version number of slot i; slot 0 is the current key. */
uint32_t keyring_version(const struct keyring *k, size_t i);

/* HMAC-SHA256 of `len` bytes under slot i's key for `use`. */
void secret_mac(const struct keyring *k, size_t i, enum secret_use use,
    const void *data, size_t len, uint8_t mac[SECRET_MAC_SIZE]);

/*
 * Stretch a MAC by argon2id (t=2, m=19 MiB; about 35 ms): never on the event
 * loop.  The first 16 bytes of `salt` count.
 * Returns 0, or -1 when out of memory.
 */
int secret_stretch(const uint8_t mac[SECRET_MAC_SIZE],
    const uint8_t salt[SECRET_MAC_SIZE], uint8_t out[SECRET_MAC_SIZE]);

/*
 * Seal (XChaCha20-Poly1305, nonce derived from key and text, so the same text
 * seals to the same bytes) under the current key.  `out` takes
 * len + SECRET_SEAL_EXTRA bytes.
 */
void secret_seal(
    const struct keyring *k, const void *text, size_t len, uint8_t *out);

/* Undo secret_seal() with key version `version`; out takes len -
 * SECRET_SEAL_EXTRA bytes.  -1 when the key is missing or it was altered. */
int secret_open(const struct keyring *k, uint32_t version,
    const uint8_t *sealed, size_t len, void *out);

/*
 * Read a file of one line, such as a password, without its line end.  Refuses
 * one that others may read (mode & 077).  Returns 0, or -1 with *err, which
 * names the file: ERR_IO, ERR_PARSE (empty, several lines, no room in out),
 * ERR_REFUSED.  The caller cleanses `out`.
 */
int secret_read(const char *path, char *out, size_t size, struct err *err);

/* Are two MACs equal?  In constant time. */
bool secret_equal(
    const uint8_t a[SECRET_MAC_SIZE], const uint8_t b[SECRET_MAC_SIZE]);

/* Overwrite memory in a way the compiler keeps. */
void secret_cleanse(void *p, size_t len);

/* Fill with random bytes from the operating system. */
void secret_random(void *p, size_t len);

/* Switch core dumps off for this process, so that answers in memory are not
 * written to disk by a crash. */
void secret_no_core(void);

#endif
