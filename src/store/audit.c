/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include <sodium.h>

#include "shared.h"
#include "store/audit.h"

#define HASH_SIZE 32
_Static_assert(HASH_SIZE == crypto_hash_sha256_BYTES, "SHA-256");

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

/* Read afresh each time: another process may have written since, and a
 * savepoint may have been undone. */
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

int
audit_append(
    struct store_db *db, int64_t at_us, const char *text, struct err *err)
{
	uint8_t hash[HASH_SIZE];
	struct db_query *q;
	int64_t seq;

	if (last_leaf(db, &seq, hash, err) == -1)
		return -1;
	leaf_hash(hash, ++seq, at_us, text);
	q = db_query(db,
	    "INSERT INTO audit (seq, at_us, text, hash)"
	    " VALUES ($1, $2, $3, $4)");
	db_bind_int(q, seq);
	db_bind_int(q, at_us);
	db_bind_text(q, text);
	db_bind_blob(q, hash, sizeof(hash));
	return db_run(q, err);
}

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
		    " comes %" PRId64 "; keep this file as evidence and "
		    "compare it with the last good copy",
		    r->leaves + 1, r->leaves, seq);
	leaf_hash(r->last, seq, at_us, text);
	if (memcmp(hash, r->last, HASH_SIZE) != 0)
		return err_set(err, ERR_CONFLICT,
		    "audit leaf %" PRId64 " does not fit the one before it: "
		    "one of them was altered; keep this file as evidence and "
		    "compare it with the last good copy",
		    seq);
	r->leaves = seq;
	return 0;
}

static int
verify_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_audit_verify *r = (struct store_audit_verify *)req;
	struct db_query *q;
	int rc;

	r->leaves = 0;
	memset(r->last, 0, sizeof(r->last));
	q = db_query(
	    db, "SELECT seq, at_us, text, hash FROM audit ORDER BY seq");
	while ((rc = db_step(q, err)) == 1)
		if (verify_leaf(r, q, err) == -1)
			return -1;
	return rc;
}

void
store_audit_verify(struct store *s, struct store_audit_verify *r)
{
	store_submit(s, &r->req, verify_run, false);
}
