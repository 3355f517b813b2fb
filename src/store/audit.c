/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "engine.h"
#include "shared.h"
#include "store/audit.h"

#define HASH_SIZE 32
_Static_assert(HASH_SIZE == crypto_hash_sha256_BYTES, "SHA-256");

#define VERIFY_PAGE 1000 /* leaves read at once */

/* A leaf that waits for the commit. */
struct audit_leaf {
	struct audit_leaf *next;
	int64_t at_us;
	char text[];
};

static void
put_be64(uint8_t out[8], int64_t value)
{
	uint64_t v = (uint64_t)value;
	int i;

	for (i = 7; i >= 0; i--, v >>= 8)
		out[i] = (uint8_t)v;
}

/* hash = SHA-256(the hash before, seq, time, text) */
static void
leaf_hash(uint8_t hash[HASH_SIZE], int64_t seq, int64_t at_us, const char *text)
{
	crypto_hash_sha256_state state;
	uint8_t numbers[16];

	put_be64(numbers, seq);
	put_be64(numbers + 8, at_us);
	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, hash, HASH_SIZE);
	crypto_hash_sha256_update(&state, numbers, sizeof(numbers));
	crypto_hash_sha256_update(
	    &state, (const unsigned char *)text, strlen(text));
	crypto_hash_sha256_final(&state, hash);
}

/* ---- adding */

static int
last_leaf(
    struct store_db *db, int64_t *seq, uint8_t hash[HASH_SIZE], struct err *err)
{
	struct db_query *q;
	int rc;

	*seq = 0;
	memset(hash, 0, HASH_SIZE);
	q = db_query(
	    db, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1");
	if ((rc = db_step(q, err)) != 1)
		return rc;
	*seq = db_get_int(q);
	db_get_blob(q, hash, HASH_SIZE);
	return 0;
}

static int
write_leaf(struct store_db *db, const struct audit_leaf *leaf, int64_t seq,
    uint8_t hash[HASH_SIZE], struct err *err)
{
	struct db_query *q;

	leaf_hash(hash, seq, leaf->at_us, leaf->text);
	q = db_query(db,
	    "INSERT INTO audit (seq, at_us, text, hash)"
	    " VALUES ($1, $2, $3, $4)");
	db_bind_int(q, seq);
	db_bind_int(q, leaf->at_us);
	db_bind_text(q, leaf->text);
	db_bind_blob(q, hash, HASH_SIZE);
	return db_run(q, err);
}

int
audit_append(
    struct store_db *db, int64_t at_us, const char *text, struct err *err)
{
	size_t size = strlen(text) + 1;
	struct audit_leaf *leaf = malloc(sizeof(*leaf) + size);

	if (leaf == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	leaf->next = NULL;
	leaf->at_us = at_us;
	memcpy(leaf->text, text, size);
	*db->last_leaf = leaf;
	db->last_leaf = &leaf->next;
	return 0;
}

int
audit_write(struct store_db *db, struct err *err)
{
	uint8_t hash[HASH_SIZE];
	struct audit_leaf *leaf;
	int64_t seq;

	if (db->leaves == NULL)
		return 0;
	if (db_lock(db, DB_LOCK_AUDIT, err) == -1 ||
	    last_leaf(db, &seq, hash, err) == -1)
		return -1;
	for (leaf = db->leaves; leaf != NULL; leaf = leaf->next)
		if (write_leaf(db, leaf, ++seq, hash, err) == -1)
			return -1;
	db_reset_running(db);
	audit_drop(db, &db->leaves);
	return 0;
}

void
audit_drop(struct store_db *db, struct audit_leaf **from)
{
	struct audit_leaf *leaf = *from, *next;

	*from = NULL;
	db->last_leaf = from;
	for (; leaf != NULL; leaf = next) {
		next = leaf->next;
		free(leaf);
	}
}

/* ---- verifying */

/* One step of the walk: does the leaf fit the one before it? */
static int
verify_leaf(struct store_audit_verify *r, struct db_query *q, struct err *err)
{
	char text[AUDIT_TEXT_MAX + 1]; /* a longer one does not fit anyway */
	uint8_t hash[HASH_SIZE] = { 0 };
	int64_t seq = db_get_int(q), at_us = db_get_int(q);

	db_get_text(q, text, sizeof(text));
	db_get_blob(q, hash, sizeof(hash));
	if (seq != r->leaves + 1)
		return err_set(err, ERR_CONFLICT,
		    "audit leaf %" PRId64 " is missing: after %" PRId64
		    " comes %" PRId64 "; keep this store as evidence and "
		    "compare it with the last good copy",
		    r->leaves + 1, r->leaves, seq);
	leaf_hash(r->last, seq, at_us, text);
	if (memcmp(hash, r->last, HASH_SIZE) != 0)
		return err_set(err, ERR_CONFLICT,
		    "audit leaf %" PRId64 " does not fit the one before it: "
		    "one of them was altered; keep this store as evidence and "
		    "compare it with the last good copy",
		    seq);
	r->leaves = seq;
	return 0;
}

/* How many leaves of the next page there were, or -1. */
static int
verify_page(struct store_db *db, struct store_audit_verify *r, struct err *err)
{
	struct db_query *q;
	int n = 0, rc;

	q = db_query(db,
	    "SELECT seq, at_us, text, hash FROM audit WHERE seq > $1"
	    " ORDER BY seq LIMIT $2");
	db_bind_int(q, r->leaves);
	db_bind_int(q, VERIFY_PAGE);
	for (; (rc = db_step(q, err)) == 1; n++)
		if (verify_leaf(r, q, err) == -1)
			return -1;
	return rc == -1 ? -1 : n;
}

static int
verify_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_audit_verify *r = (struct store_audit_verify *)req;
	int n;

	r->leaves = 0;
	memset(r->last, 0, sizeof(r->last));
	while ((n = verify_page(db, r, err)) == VERIFY_PAGE)
		;
	return n == -1 ? -1 : 0;
}

void
store_audit_verify(struct store *s, struct store_audit_verify *r)
{
	store_submit(s, &r->req, verify_run, DB_READ);
}
