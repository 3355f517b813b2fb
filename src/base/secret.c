/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"

#define NONCE_SIZE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_Static_assert(
    SECRET_SEAL_EXTRA == NONCE_SIZE + crypto_aead_xchacha20poly1305_ietf_ABYTES,
    "nonce and tag");

struct slot {
	uint32_t version;
	uint8_t key[SECRET_MAC_SIZE]; /* as read; cleansed after derivation */
	uint8_t use[SECRET_USE_COUNT][SECRET_MAC_SIZE];
};

struct keyring {
	size_t n;
	struct slot slots[SECRET_KEYS_MAX]; /* newest first */
};

static const char *const use_names[] = {
	[SECRET_USE_LOOKUP] = "holdline/lookup",
	[SECRET_USE_FACTOR] = "holdline/factor",
	[SECRET_USE_NUMBER] = "holdline/number",
	[SECRET_USE_HOLDER] = "holdline/holder",
	[SECRET_USE_CONTACT] = "holdline/contact",
	[SECRET_USE_CACHE] = "holdline/cache",
};
_Static_assert(sizeof(use_names) / sizeof(use_names[0]) == SECRET_USE_COUNT,
    "every secret_use needs a name");

#define CACHE_WORD "cache " /* begins the lines of a cache's key file */

static void
hmac(const uint8_t key[SECRET_MAC_SIZE], const void *data, size_t len,
    uint8_t mac[SECRET_MAC_SIZE])
{
	if (HMAC(EVP_sha256(), key, SECRET_MAC_SIZE, data, len, mac, NULL) ==
	    NULL)
		abort(); /* only out of memory */
}

static int
slot_parse(struct slot *slot, const char *line, struct err *err)
{
	unsigned long version;
	char *end;

	errno = 0;
	version = strtoul(line, &end, 10);
	if (end == line || *end != ' ' || errno != 0 || version == 0 ||
	    version > UINT32_MAX)
		return err_set(err, ERR_PARSE,
		    "it must start with a version number from 1 and a space");
	if (str_unhex(end + 1, slot->key, sizeof(slot->key)) == -1)
		return err_set(err, ERR_PARSE,
		    "after the version must come 64 hexadecimal digits");
	slot->version = (uint32_t)version;
	return 0;
}

static void
slot_derive(struct slot *slot)
{
	int use;

	for (use = 0; use < SECRET_USE_COUNT; use++)
		hmac(slot->key, use_names[use], strlen(use_names[use]),
		    slot->use[use]);
	secret_cleanse(slot->key, sizeof(slot->key));
}

/* Keep the slots sorted, newest first. */
static int
keyring_add(struct keyring *k, const struct slot *slot, struct err *err)
{
	size_t i;

	if (k->n == SECRET_KEYS_MAX)
		return err_set(err, ERR_RANGE,
		    "a key file holds at most %d versions; remove the oldest",
		    SECRET_KEYS_MAX);
	for (i = 0; i < k->n && k->slots[i].version > slot->version; i++)
		;
	if (i < k->n && k->slots[i].version == slot->version)
		return err_set(err, ERR_PARSE, "version %u is there twice",
		    (unsigned int)slot->version);
	memmove(
	    &k->slots[i + 1], &k->slots[i], (k->n - i) * sizeof(k->slots[0]));
	k->slots[i] = *slot;
	k->n++;
	return 0;
}

/* What a line says after the word that tells whose key it is. */
static const char *
line_key(const char *line, bool cache, struct err *err)
{
	size_t n = strlen(CACHE_WORD);
	bool is_cache = strncmp(line, CACHE_WORD, n) == 0;

	if (is_cache == cache)
		return cache ? line + n : line;
	err_set(err, ERR_REFUSED, "%s",
	    cache ? "it is not a key of the revocation cache; holdline key "
		    "create --cache makes one"
		  : "it is a key of the revocation cache and not the store's; "
		    "holdline key create makes that one");
	return NULL;
}

static int
keyring_take(struct keyring *k, struct slot *slot, const char *line, bool cache,
    struct err *err)
{
	if ((line = line_key(line, cache, err)) == NULL ||
	    slot_parse(slot, line, err) == -1)
		return -1;
	slot_derive(slot);
	return keyring_add(k, slot, err);
}

/* Cut the line's end off.  A line that did not fit would go on as the next
 * one: the end of a long comment must not become a key. */
static int
line_end(char *line, size_t size, struct err *err)
{
	size_t len = strcspn(line, "\r\n");

	if (len == size - 1)
		return err_set(err, ERR_PARSE,
		    "it is longer than %zu characters", size - 2);
	line[len] = '\0';
	return 0;
}

static int
keyring_read(struct keyring *k, FILE *f, bool cache, struct err *err)
{
	struct slot slot;
	char line[256];
	unsigned int nr = 0;
	int rc = 0;

	memset(&slot, 0, sizeof(slot));
	while (rc == 0 && fgets(line, sizeof(line), f) != NULL) {
		nr++;
		if ((rc = line_end(line, sizeof(line), err)) == 0) {
			if (line[0] == '\0' || line[0] == '#')
				continue;
			rc = keyring_take(k, &slot, line, cache, err);
		}
		if (rc == -1)
			err_add(err, "line %u", nr);
	}
	secret_cleanse(line, sizeof(line));
	secret_cleanse(&slot, sizeof(slot));
	if (rc == 0 && ferror(f))
		rc = err_set(err, ERR_IO, "it cannot be read to its end");
	if (rc == 0 && k->n == 0)
		rc = err_set(err, ERR_PARSE, "there is no key in it");
	return rc;
}

static int
file_check(int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return err_set(err, ERR_IO, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_REFUSED, "it is not a regular file");
	if ((st.st_mode & 077) != 0)
		return err_set(err, ERR_REFUSED,
		    "others may read it (mode %03o); run chmod 600 on it",
		    (unsigned int)st.st_mode & 0777);
	return 0;
}

static struct keyring *
ring_load(const char *path, bool cache, struct err *err)
{
	/* a FIFO must not keep us; file_check() refuses it */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	FILE *f = fd == -1 ? NULL : fdopen(fd, "r");
	struct keyring *k = NULL;

	if (sodium_init() == -1)
		abort();
	if (f == NULL) {
		err_set(err, ERR_IO, "%s%s", strerror(errno),
		    errno == ENOENT ? cache
			    ? "; holdline key create --cache makes it"
			    : "; if there never was one, holdline key create "
			      "makes it"
				    : "");
		goto fail;
	}
	if (file_check(fileno(f), err) == -1)
		goto fail;
	if ((k = calloc(1, sizeof(*k))) == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		goto fail;
	}
	setvbuf(f, NULL, _IONBF, 0); /* no second copy of the key */
	if (keyring_read(k, f, cache, err) == -1)
		goto fail;
	fclose(f);
	return k;

fail:
	err_add(err, "key file %s", path);
	keyring_free(k);
	if (f != NULL)
		fclose(f);
	else if (fd != -1)
		close(fd);
	return NULL;
}

struct keyring *
keyring_load(const char *path, struct err *err)
{
	return ring_load(path, false, err);
}

struct keyring *
keyring_load_cache(const char *path, struct err *err)
{
	return ring_load(path, true, err);
}

/* The text of a file that is nobody else's business, up to its end. */
static int
secret_slurp(int fd, char *out, size_t size, struct err *err)
{
	size_t used = 0;
	ssize_t n = 0;

	while (used < size && (n = read(fd, out + used, size - used)) > 0)
		used += (size_t)n;
	out[used < size ? used : 0] = '\0';
	if (used == size)
		return err_set(err, ERR_PARSE,
		    "it is longer than %zu characters", size - 1);
	if (n == -1)
		return err_set(err, ERR_IO, "%s", strerror(errno));
	return 0;
}

int
secret_read(const char *path, char *out, size_t size, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;
	size_t len;

	out[0] = '\0';
	if (fd == -1)
		return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	if ((rc = file_check(fd, err)) == 0)
		rc = secret_slurp(fd, out, size, err);
	close(fd);
	len = strcspn(out, "\r\n");
	if (rc == 0 && out[len + strspn(out + len, "\r\n")] != '\0')
		rc = err_set(err, ERR_PARSE, "it has more than one line");
	out[len] = '\0';
	if (rc == 0 && len == 0)
		rc = err_set(err, ERR_PARSE, "it is empty");
	return rc == 0 ? 0 : err_add(err, "%s", path);
}

void
keyring_free(struct keyring *k)
{
	if (k == NULL)
		return;
	secret_cleanse(k, sizeof(*k));
	free(k);
}

static int
ring_create(const char *path, const char *word, struct err *err)
{
	uint8_t key[SECRET_MAC_SIZE];
	char hex[2 * SECRET_MAC_SIZE + 1], line[sizeof(hex) + 16];
	int fd, n, rc = 0;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1 && errno == EEXIST)
		return err_set(err, ERR_CONFLICT,
		    "key file %s: it exists already and is left alone", path);
	if (fd == -1)
		return err_set(err, ERR_IO, "key file %s: %s%s", path,
		    strerror(errno),
		    errno == ENOENT ? "; make the folder first (mkdir -m 700)"
				    : "");
	secret_random(key, sizeof(key));
	str_hex(key, sizeof(key), hex);
	n = snprintf(line, sizeof(line), "%s1 %s\n", word, hex);
	if (write(fd, line, (size_t)n) != n || fsync(fd) == -1) {
		rc = err_set(
		    err, ERR_IO, "key file %s: %s", path, strerror(errno));
		unlink(path);
	}
	close(fd);
	secret_cleanse(key, sizeof(key));
	secret_cleanse(hex, sizeof(hex));
	secret_cleanse(line, sizeof(line));
	return rc;
}

int
keyring_create(const char *path, struct err *err)
{
	return ring_create(path, "", err);
}

int
keyring_create_cache(const char *path, struct err *err)
{
	return ring_create(path, CACHE_WORD, err);
}

size_t
keyring_count(const struct keyring *k)
{
	return k->n;
}

uint32_t
keyring_version(const struct keyring *k, size_t i)
{
	return k->slots[i].version;
}

void
secret_mac(const struct keyring *k, size_t i, enum secret_use use,
    const void *data, size_t len, uint8_t mac[SECRET_MAC_SIZE])
{
	hmac(k->slots[i].use[use], data, len, mac);
}

int
secret_stretch(const uint8_t mac[SECRET_MAC_SIZE],
    const uint8_t salt[SECRET_MAC_SIZE], uint8_t out[SECRET_MAC_SIZE])
{
	_Static_assert(crypto_pwhash_SALTBYTES <= SECRET_MAC_SIZE, "salt");

	return crypto_pwhash(out, SECRET_MAC_SIZE, (const char *)mac,
	    SECRET_MAC_SIZE, salt, 2, 19u * 1024 * 1024,
	    crypto_pwhash_ALG_ARGON2ID13);
}

void
secret_seal(const struct keyring *k, const void *text, size_t len, uint8_t *out)
{
	const uint8_t *key = k->slots[0].use[SECRET_USE_CONTACT];
	uint8_t nonce[SECRET_MAC_SIZE];

	hmac(key, text, len, nonce);
	memcpy(out, nonce, NONCE_SIZE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(
	    out + NONCE_SIZE, NULL, text, len, NULL, 0, NULL, out, key);
}

int
secret_open(const struct keyring *k, uint32_t version, const uint8_t *sealed,
    size_t len, void *out)
{
	size_t i;

	if (len < SECRET_SEAL_EXTRA)
		return -1;
	for (i = 0; i < k->n; i++)
		if (k->slots[i].version == version)
			return crypto_aead_xchacha20poly1305_ietf_decrypt(out,
			    NULL, NULL, sealed + NONCE_SIZE, len - NONCE_SIZE,
			    NULL, 0, sealed,
			    k->slots[i].use[SECRET_USE_CONTACT]);
	return -1;
}

bool
secret_equal(const uint8_t a[SECRET_MAC_SIZE], const uint8_t b[SECRET_MAC_SIZE])
{
	return sodium_memcmp(a, b, SECRET_MAC_SIZE) == 0;
}

void
secret_cleanse(void *p, size_t len)
{
	sodium_memzero(p, len);
}

void
secret_random(void *p, size_t len)
{
	randombytes_buf(p, len);
}

void
secret_no_core(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}
