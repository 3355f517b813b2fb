/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/str.h"
#include "copy_inner.h"
#include "shared.h"

#define TELL_EVERY 10000
/* One side is idle while the other is read back: PostgreSQL must not end its
 * transaction for that. */
#define TIMEOUT_US (24 * 3600 * INT64_C(1000000))

/* ---- digests */

static void
hash_number(crypto_hash_sha256_state *state, uint64_t n)
{
	uint8_t bytes[8];
	int i;

	for (i = 7; i >= 0; i--, n >>= 8)
		bytes[i] = (uint8_t)n;
	crypto_hash_sha256_update(state, bytes, sizeof(bytes));
}

/* Text that is not UTF-8 is kept in hexadecimal by PostgreSQL. */
static void
hash_text(crypto_hash_sha256_state *state, const struct db_value *v)
{
	char odd[2 * STORE_CALL_ID_MAX + 3] = "\\x";
	const void *bytes = v->bytes;
	size_t len = v->len;

	if (!str_is_utf8(bytes, len)) {
		str_hex(bytes,
		    len < STORE_CALL_ID_MAX ? len : STORE_CALL_ID_MAX, odd + 2);
		bytes = odd;
		len = strlen(odd);
	}
	hash_number(state, len);
	crypto_hash_sha256_update(state, bytes, len);
}

static void
hash_value(crypto_hash_sha256_state *state, const struct db_value *v)
{
	uint8_t type = (uint8_t)v->type;

	crypto_hash_sha256_update(state, &type, 1);
	switch (v->type) {
	case DB_INT:
		hash_number(state, (uint64_t)v->number);
		break;
	case DB_TEXT:
		hash_text(state, v);
		break;
	case DB_BLOB:
		hash_number(state, v->len);
		crypto_hash_sha256_update(state, v->bytes, v->len);
		break;
	default:
		break;
	}
}

void
copy_sum_add(
    struct copy_sum *sum, const struct db_value *values, unsigned int n)
{
	crypto_hash_sha256_state state;
	uint64_t lanes[4];
	unsigned int i;

	crypto_hash_sha256_init(&state);
	for (i = 0; i < n; i++)
		hash_value(&state, &values[i]);
	crypto_hash_sha256_final(&state, (unsigned char *)lanes);
	for (i = 0; i < 4; i++)
		sum->lanes[i] += lanes[i];
	sum->rows++;
}

/* ---- going through a table */

void
copy_key_keep(
    struct copy_key *key, const struct db_value *values, unsigned int n)
{
	unsigned char *at = key->bytes;
	unsigned int i;

	for (i = 0; i < n; i++) {
		key->values[i] = values[i];
		if (values[i].type == DB_INT)
			continue;
		assert(values[i].len <=
		    (size_t)(key->bytes + COPY_KEY_BYTES - at));
		if (values[i].len > 0)
			memcpy(at, values[i].bytes, values[i].len);
		key->values[i].bytes = at;
		at += values[i].len;
	}
}

struct db_query *
copy_page(
    struct store_db *db, const struct table *t, const struct copy_key *key)
{
	struct db_query *q = db_query(db, key != NULL ? t->next : t->first);
	unsigned int i;

	for (i = 0; key != NULL && i < t->n_key; i++)
		q->values[q->n_values++] = key->values[i];
	return q;
}

typedef int row_fn(struct copy_run *r, const struct table *t,
    const struct db_value *values, struct err *err);

/* One page; how many rows it had, or -1. */
static int
page_walk(struct copy_run *r, struct store_db *db, const struct table *t,
    struct copy_key *key, bool first, row_fn *fn, struct err *err)
{
	struct db_query *q = copy_page(db, t, first ? NULL : key);
	struct db_value values[DB_VALUES_MAX];
	unsigned int i;
	int n = 0, rc;

	for (; (rc = db_step(q, err)) == 1; n++) {
		for (i = 0; i < t->n; i++)
			values[i] = db->engine->column(q, (int)i);
		if (n == TABLE_PAGE - 1)
			copy_key_keep(key, values, t->n_key);
		if (fn(r, t, values, err) == -1)
			return -1;
	}
	return rc == -1 ? -1 : n;
}

void
copy_tell(struct copy_run *r, bool verifying)
{
	if (++r->done % TELL_EVERY == 0 && r->copy->progress != NULL)
		r->copy->progress(r->copy->ctx, r->done, r->total, verifying);
}

/* ---- copying */

static int
row_copy(struct copy_run *r, const struct table *t,
    const struct db_value *values, struct err *err)
{
	struct db_query *q = db_load(r->to, t->into);

	copy_sum_add(&r->sums[t - tables], values, t->n);
	memcpy(q->values, values, t->n * sizeof(values[0]));
	q->n_values = (int)t->n;
	copy_tell(r, false);
	return db_load_row(q, err);
}

int
copy_table(struct copy_run *r, const struct table *t, struct err *err)
{
	struct copy_key key;
	bool first = true;
	int n;

	if (t->own)
		return 0;
	do {
		n = page_walk(r, r->from, t, &key, first, row_copy, err);
		if (n == -1 || db_load_end(db_load(r->to, t->into), err) == -1)
			return err_add(err, "table %s", t->name);
		first = false;
	} while (n == TABLE_PAGE);
	return copy_number(r, t, err);
}

int
copy_number(struct copy_run *r, const struct table *t, struct err *err)
{
	int64_t last;

	if (t->number == NULL)
		return 0;
	if (r->from->engine->last_number(
		r->from, t->name, t->number, &last, err) == -1)
		return -1;
	return r->to->engine->set_last_number(
	    r->to, t->name, t->number, last, err);
}

static int
table_count(
    struct store_db *db, const struct table *t, int64_t *n, struct err *err)
{
	struct db_query *q = db_query(db, t->count);
	int rc = db_step(q, err);

	if (rc == 1)
		*n = db_get_int(q);
	return rc == -1 ? -1 : 0;
}

/* Leases and the like may be there; people and what they reported may not. */
static int
check_empty(struct copy_run *r, struct err *err)
{
	const struct table *t;
	int64_t n = 0;

	for (t = tables; t->name != NULL; t++) {
		if (table_count(r->to, t, &n, err) == -1)
			return -1;
		if (n > 0)
			return err_set(err, ERR_REFUSED,
			    "the store to be written is not empty: its table "
			    "%s has %" PRId64 " rows; name a new one",
			    t->name, n);
	}
	return 0;
}

static int
count_all(struct copy_run *r, struct err *err)
{
	const struct table *t;
	int64_t n = 0;

	for (t = tables; t->name != NULL; t++) {
		if (table_count(r->from, t, &n, err) == -1)
			return -1;
		r->total += t->own ? 0 : n;
	}
	return 0;
}

int
copy_alive(struct store_db *db, char name[STORE_NODE_NAME + 1], struct err *err)
{
	struct store_node node;
	struct db_query *q;
	int64_t now_us;
	int rc, n = 0;

	if (db_clock(db, &now_us, err) == -1)
		return -1;
	q = db_query(db, "SELECT name, seen_us FROM nodes ORDER BY name");
	while ((rc = db_step(q, err)) == 1) {
		db_get_text(q, node.name, sizeof(node.name));
		node.seen_us = db_get_int(q);
		if (store_node_alive(&node, now_us) && n++ == 0)
			str_copy(name, STORE_NODE_NAME + 1, node.name);
	}
	return rc == -1 ? -1 : n;
}

/* ---- verifying what arrived */

static int
row_verify(struct copy_run *r, const struct table *t,
    const struct db_value *values, struct err *err)
{
	(void)err;
	copy_sum_add(&r->sums[t - tables], values, t->n);
	copy_tell(r, true);
	return 0;
}

static int
table_verify(struct copy_run *r, const struct table *t, struct err *err)
{
	struct copy_sum sent = r->sums[t - tables], *got = &r->sums[t - tables];
	bool first = true;
	struct copy_key key;
	int n;

	memset(got, 0, sizeof(*got));
	do {
		n = page_walk(r, r->to, t, &key, first, row_verify, err);
		if (n == -1)
			return err_add(err, "table %s", t->name);
		first = false;
	} while (n == TABLE_PAGE);
	if (got->rows == sent.rows &&
	    memcmp(got->lanes, sent.lanes, sizeof(sent.lanes)) == 0)
		return 0;
	return err_set(err, ERR_CONFLICT,
	    "what arrived in table %s is not what was sent: %" PRId64
	    " rows of %" PRId64 "; nothing was kept; check disks and memory",
	    t->name, got->rows, sent.rows);
}

static void
sum_up(struct copy_run *r)
{
	crypto_hash_sha256_state state;
	const struct table *t;
	unsigned int i;

	crypto_hash_sha256_init(&state);
	for (t = tables; t->name != NULL; t++) {
		const struct copy_sum *sum = &r->sums[t - tables];

		crypto_hash_sha256_update(&state,
		    (const unsigned char *)t->name, strlen(t->name) + 1);
		hash_number(&state, (uint64_t)sum->rows);
		for (i = 0; i < 4; i++)
			hash_number(&state, sum->lanes[i]);
		r->copy->rows += sum->rows;
		r->copy->n_tables++;
	}
	crypto_hash_sha256_final(&state, r->copy->digest);
}

/* ---- the whole */

static int
copy_all(struct copy_run *r, struct err *err)
{
	const struct table *t;

	if (check_empty(r, err) == -1)
		return -1;
	for (t = tables; t->name != NULL; t++)
		if (copy_table(r, t, err) == -1)
			return -1;
	return 0;
}

/* A first load has tables of its own until it has ended. */
static int
check_loaded(struct copy_run *r, struct err *err)
{
	struct db_query *q = db_query(r->from, "SELECT one FROM first_load");
	int rc = db_step(q, err);

	if (rc == 1)
		return err_set(err, ERR_REFUSED,
		    "a first load of the registry is under way in the store to "
		    "be copied; let it end before: `holdline registry import "
		    "--first FILE`");
	return rc;
}

static int
run_tables(struct copy_run *r, struct err *err)
{
	const struct table *t;

	if (check_loaded(r, err) == -1)
		return -1;
	r->copy->n_alive = copy_alive(r->from, r->copy->alive, err);
	if (r->copy->n_alive == -1)
		return -1;
	if (count_all(r, err) == -1 ||
	    (r->copy->update ? copy_update(r, err) : copy_all(r, err)) == -1)
		return -1;
	r->done = 0;
	for (t = tables; t->name != NULL; t++)
		if (table_verify(r, t, err) == -1)
			return -1;
	sum_up(r);
	return audit_walk(r->to, &r->copy->leaves, err);
}

/* All of `to`, in one transaction; and `from` is closed in its own. */
static int
run_within(struct copy_run *r, struct err *err)
{
	if (db_begin(r->to, DB_ALONE, err) == -1)
		return -1;
	if (run_tables(r, err) == -1 ||
	    (r->copy->close && migrate_close(r->from, err) == -1)) {
		db_rollback(r->to);
		return -1;
	}
	return db_commit(r->to, err);
}

static int
run_copy(struct copy_run *r, struct err *err)
{
	struct err why;

	if (migrate(r->from, err) == -1 || migrate(r->to, err) == -1)
		return -1;
	if (db_begin(r->from, r->copy->freeze ? DB_ALONE : DB_READ, err) == -1)
		return err_add(err, "reading");
	if (run_within(r, err) == -1) {
		db_rollback(r->from);
		return -1;
	}
	if (db_commit(r->from, &why) == 0)
		return 0;
	db_rollback(r->from);
	return !r->copy->close
	    ? 0
	    : err_set(err, ERR_UNSURE,
		  "the copy is whole, but the old store may still be open "
		  "(%s): put it away before anything starts on it",
		  why.text);
}

int
store_copy(struct store_copy *copy, struct err *err)
{
	struct store_options from = { .path = copy->from,
		.timeout_us = TIMEOUT_US },
			     to = { .path = copy->to,
				     .timeout_us = TIMEOUT_US };
	struct copy_run *r = calloc(1, sizeof(*r));
	int rc = -1;

	copy->rows = copy->leaves = 0;
	copy->n_tables = 0;
	if (r == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	r->copy = copy;
	if ((r->from = db_open(&from, err)) != NULL &&
	    (r->to = db_open(&to, err)) != NULL)
		rc = run_copy(r, err);
	db_close(r->to);
	db_close(r->from);
	free(r);
	return rc;
}
