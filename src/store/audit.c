/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/str.h"
#include "engine.h"
#include "shared.h"
#include "store/audit.h"

#define HASH_SIZE STORE_AUDIT_HASH
_Static_assert(HASH_SIZE == crypto_hash_sha256_BYTES, "SHA-256");

#define PLACE_BITS 40
#define PLACE_MAX ((INT64_C(1) << PLACE_BITS) - 1)

#define VERIFY_PAGE 1000 /* leaves read at once */

unsigned int
store_audit_chain(int64_t number)
{
	return (unsigned int)(number >> PLACE_BITS);
}

int64_t
store_audit_place(int64_t number)
{
	return number & PLACE_MAX;
}

int64_t
store_audit_number(unsigned int chain, int64_t place)
{
	assert(place >= 0 && place <= PLACE_MAX);
	return (int64_t)chain << PLACE_BITS | place;
}

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

/* The chain that is ours, and where it ends: nobody else adds to it. */
static int
last_leaf(
    struct store_db *db, int64_t *seq, uint8_t hash[HASH_SIZE], struct err *err)
{
	unsigned int chain;
	struct db_query *q;
	int rc;

	if (db_chain(db, &chain, err) == -1)
		return -1;
	*seq = store_audit_number(chain, 0);
	memset(hash, 0, HASH_SIZE);
	q = db_query(db,
	    "SELECT seq, hash FROM audit WHERE seq BETWEEN $1 AND $2"
	    " ORDER BY seq DESC LIMIT 1");
	db_bind_int(q, *seq);
	db_bind_int(q, store_audit_number(chain, PLACE_MAX));
	if ((rc = db_step(q, err)) != 1)
		return rc;
	*seq = db_get_int(q);
	db_get_blob(q, hash, HASH_SIZE);
	return 0;
}

static int
leaf_row(struct db_query *q, const struct audit_leaf *leaf, int64_t seq,
    uint8_t hash[HASH_SIZE], struct err *err)
{
	leaf_hash(hash, seq, leaf->at_us, leaf->text);
	db_bind_int(q, seq);
	db_bind_int(q, leaf->at_us);
	db_bind_text(q, leaf->text);
	db_bind_blob(q, hash, HASH_SIZE);
	return db_row(q, err);
}

void
audit_plain(char *out, const char *in)
{
	for (; *in != '\0'; in++)
		*out++ = (unsigned char)*in < ' ' || *in == '"' || *in == '\\'
		    ? '?'
		    : *in;
	*out = '\0';
}

int
audit_append(
    struct store_db *db, int64_t at_us, const char *text, struct err *err)
{
	size_t size = strlen(text) + 1;
	struct audit_leaf *leaf = malloc(sizeof(*leaf) + size);
	char *p;

	if (leaf == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	leaf->next = NULL;
	leaf->at_us = at_us;
	memcpy(leaf->text, text, size);
	/* Whatever a gateway called its call: the text is hashed as it is
	 * stored, and PostgreSQL stores UTF-8. */
	if (!str_is_utf8(text, size - 1))
		for (p = leaf->text; *p != '\0'; p++)
			*p = (unsigned char)*p < 0x80 ? *p : '?';
	*db->last_leaf = leaf;
	db->last_leaf = &leaf->next;
	return 0;
}

int
audit_write(struct store_db *db, struct err *err)
{
	uint8_t hash[HASH_SIZE];
	struct audit_leaf *leaf;
	struct db_query *q;
	int64_t seq, first;

	if (db->leaves == NULL)
		return 0;
	if (last_leaf(db, &seq, hash, err) == -1)
		return -1;
	first = seq;
	q = db_query(db,
	    "INSERT INTO audit (seq, at_us, text, hash)"
	    " VALUES ($1, $2, $3, $4)");
	for (leaf = db->leaves; leaf != NULL; leaf = leaf->next)
		if (leaf_row(q, leaf, ++seq, hash, err) == -1)
			return -1;
	if (db_post_rows(q, seq - first, err) == -1)
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

/* Where the walk is, and which leaf of the checkpoint comes next. */
struct walk {
	struct store_audit_verify *r;
	int64_t number; /* of the leaf before; 0 = none yet */
	uint8_t hash[HASH_SIZE];
	size_t next;
};

#define EVIDENCE \
	"keep this store as evidence and compare it with the last good copy"

static int
missing(unsigned int chain, int64_t place, const char *why, struct err *err)
{
	return err_set(err, ERR_CONFLICT,
	    "audit leaf %u.%" PRId64 " is missing: %s; " EVIDENCE, chain, place,
	    why);
}

/* Is the leaf the one after the last, or the first of another chain? */
static int
check_place(struct walk *w, int64_t number, struct err *err)
{
	unsigned int chain = store_audit_chain(number);
	int64_t place = store_audit_place(number);
	char why[64];

	if (w->number != 0 && number == w->number + 1)
		return 0;
	if (w->number == 0 || chain != store_audit_chain(w->number)) {
		if (place != 1)
			return missing(chain, 1, "its chain begins later", err);
		memset(w->hash, 0, sizeof(w->hash));
		return 0;
	}
	snprintf(why, sizeof(why), "after %" PRId64 " comes %" PRId64,
	    store_audit_place(w->number), place);
	return missing(chain, store_audit_place(w->number) + 1, why, err);
}

/* Leaves of the checkpoint up to here must have been met. */
static int
check_checkpoint(struct walk *w, int64_t number, struct err *err)
{
	const struct store_audit_verify *r = w->r;
	const struct store_audit_mark *mark = &r->checkpoint[w->next];

	if (w->next == r->n_checkpoint || mark->number > number)
		return 0;
	if (mark->number < number)
		return missing(store_audit_chain(mark->number),
		    store_audit_place(mark->number),
		    "the checkpoint has it; its chain was cut off", err);
	if (memcmp(mark->hash, w->hash, HASH_SIZE) != 0)
		return err_set(err, ERR_CONFLICT,
		    "audit leaf %u.%" PRId64 " is not the one that the "
		    "checkpoint has: its chain was made anew; " EVIDENCE,
		    store_audit_chain(number), store_audit_place(number));
	w->next++;
	return check_checkpoint(w, number, err);
}

static int
note_last(struct walk *w, int64_t number, struct err *err)
{
	struct store_audit_verify *r = w->r;

	if (w->number == 0 ||
	    store_audit_chain(w->number) != store_audit_chain(number)) {
		if (store_audit_chain(number) >= STORE_AUDIT_CHAINS)
			return err_set(err, ERR_CONFLICT,
			    "audit leaf %u.%" PRId64 " is in a chain that "
			    "nobody writes; " EVIDENCE,
			    store_audit_chain(number),
			    store_audit_place(number));
		r->n++;
	}
	r->last[r->n - 1].number = number;
	memcpy(r->last[r->n - 1].hash, w->hash, HASH_SIZE);
	r->leaves++;
	w->number = number;
	return 0;
}

/* One step of the walk: does the leaf fit the one before it? */
static int
verify_leaf(struct walk *w, struct db_query *q, struct err *err)
{
	char text[AUDIT_TEXT_MAX + 1]; /* a longer one does not fit anyway */
	uint8_t hash[HASH_SIZE] = { 0 };
	int64_t number = db_get_int(q), at_us = db_get_int(q);

	db_get_text(q, text, sizeof(text));
	db_get_blob(q, hash, sizeof(hash));
	if (check_place(w, number, err) == -1)
		return -1;
	leaf_hash(w->hash, number, at_us, text);
	if (memcmp(hash, w->hash, HASH_SIZE) != 0)
		return err_set(err, ERR_CONFLICT,
		    "audit leaf %u.%" PRId64 " does not fit the one before "
		    "it: one of them was altered; " EVIDENCE,
		    store_audit_chain(number), store_audit_place(number));
	if (check_checkpoint(w, number, err) == -1)
		return -1;
	return note_last(w, number, err);
}

/* How many leaves of the next page there were, or -1. */
static int
verify_page(struct store_db *db, struct walk *w, struct err *err)
{
	struct db_query *q;
	int n = 0, rc;

	q = db_query(db,
	    "SELECT seq, at_us, text, hash FROM audit WHERE seq > $1"
	    " ORDER BY seq LIMIT $2");
	db_bind_int(q, w->number);
	db_bind_int(q, VERIFY_PAGE);
	for (; (rc = db_step(q, err)) == 1; n++)
		if (verify_leaf(w, q, err) == -1)
			return -1;
	return rc == -1 ? -1 : n;
}

static int
verify_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_audit_verify *r = (struct store_audit_verify *)req;
	struct walk w = { .r = r };
	int n;

	r->leaves = 0;
	r->n = 0;
	while ((n = verify_page(db, &w, err)) == VERIFY_PAGE)
		;
	return n == -1 ? -1 : check_checkpoint(&w, INT64_MAX, err);
}

int
audit_walk(struct store_db *db, int64_t *leaves, struct err *err)
{
	struct store_audit_verify *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	rc = verify_run(db, &r->req, err);
	*leaves = r->leaves;
	free(r);
	return rc;
}

static int
by_number(const void *a, const void *b)
{
	const struct store_audit_mark *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

void
store_audit_verify(struct store *s, struct store_audit_verify *r)
{
	assert(r->n_checkpoint <= STORE_AUDIT_CHAINS);
	qsort(r->checkpoint, r->n_checkpoint, sizeof(r->checkpoint[0]),
	    by_number);
	/* DB_READ: the last leaves of one instant are a checkpoint */
	store_submit(s, &r->req, verify_run, DB_READ);
}
