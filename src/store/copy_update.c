/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy is brought up to date.  Tables that grow with the registry are gone
 * through on both sides at once, in the order of their keys, and only rows that
 * differ are written; the others are emptied and written anew.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy_inner.h"
#include "store/audit.h"

/* One side of a table, a page at a time in memory. */
struct side {
	struct store_db *db;
	const struct table *t;
	struct copy_key key;
	bool begun, last;
	int n, at;
	struct db_value *rows[TABLE_PAGE]; /* owned; their bytes behind them */
};

/* ---- a row in memory */

static struct db_value *
row_keep(const struct db_value *values, unsigned int n)
{
	size_t size = n * sizeof(values[0]);
	struct db_value *row;
	unsigned char *to;
	unsigned int i;

	for (i = 0; i < n; i++)
		size += values[i].bytes != NULL ? values[i].len : 0;
	if ((row = malloc(size)) == NULL)
		return NULL;
	memcpy(row, values, n * sizeof(values[0]));
	to = (unsigned char *)(row + n);
	for (i = 0; i < n; i++) {
		if (values[i].bytes == NULL || values[i].len == 0)
			continue;
		memcpy(to, values[i].bytes, values[i].len);
		row[i].bytes = to;
		to += values[i].len;
	}
	return row;
}

/* As both engines sort: numbers, and bytes. */
static int
value_order(const struct db_value *a, const struct db_value *b)
{
	size_t n = a->len < b->len ? a->len : b->len;
	int order;

	if (a->type == DB_INT || b->type == DB_INT)
		return (a->number > b->number) - (a->number < b->number);
	order = n > 0 ? memcmp(a->bytes, b->bytes, n) : 0;
	return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static int
key_order(
    const struct table *t, const struct db_value *a, const struct db_value *b)
{
	unsigned int i;
	int order = 0;

	for (i = 0; i < t->n_key && order == 0; i++)
		order = value_order(&a[i], &b[i]);
	return order;
}

static bool
row_same(
    const struct table *t, const struct db_value *a, const struct db_value *b)
{
	unsigned int i;

	for (i = 0; i < t->n; i++)
		if (a[i].type != b[i].type ||
		    (a[i].type != DB_NULL && value_order(&a[i], &b[i]) != 0))
			return false;
	return true;
}

/* ---- a side */

static void
side_clear(struct side *s)
{
	while (s->n > 0)
		free(s->rows[--s->n]);
	s->at = 0;
}

static int
side_load(struct side *s, struct err *err)
{
	struct db_query *q = copy_page(s->db, s->t, s->begun ? &s->key : NULL);
	struct db_value values[DB_VALUES_MAX];
	unsigned int i;
	int rc;

	side_clear(s);
	while ((rc = db_step(q, err)) == 1) {
		for (i = 0; i < s->t->n; i++)
			values[i] = s->db->engine->column(q, (int)i);
		if ((s->rows[s->n] = row_keep(values, s->t->n)) == NULL)
			return err_set(err, ERR_NOMEM, "out of memory");
		s->n++;
	}
	if (rc == -1)
		return -1;
	s->begun = true;
	s->last = s->n < TABLE_PAGE;
	if (s->n > 0)
		copy_key_keep(&s->key, s->rows[s->n - 1], s->t->n_key);
	return 0;
}

/* The row that is next in *row, NULL at the end. */
static int
side_peek(struct side *s, const struct db_value **row, struct err *err)
{
	if (s->at == s->n && !s->last && side_load(s, err) == -1)
		return -1;
	*row = s->at < s->n ? s->rows[s->at] : NULL;
	return 0;
}

/* ---- a table that grows with the registry */

static int
row_write(struct store_db *db, const struct table *t,
    const struct db_value *values, struct err *err)
{
	struct db_query *q = db_query(db, t->merge);

	memcpy(q->values, values, t->n * sizeof(values[0]));
	q->n_values = (int)t->n;
	return db_run(q, err);
}

/* Of `to` alone. */
static int
refuse_row(const struct table *t, struct err *err)
{
	return err_set(err, ERR_REFUSED,
	    "the store to be brought up to date has rows in its table %s that "
	    "the other one never had: it is no copy of it; name a new one, "
	    "without --update",
	    t->name);
}

static int
merge_sides(
    struct copy_run *r, struct side *from, struct side *to, struct err *err)
{
	const struct table *t = from->t;
	const struct db_value *ours, *theirs;
	int order;

	for (;;) {
		if (side_peek(from, &ours, err) == -1 ||
		    side_peek(to, &theirs, err) == -1)
			return -1;
		if (ours == NULL && theirs == NULL)
			return 0;
		order = ours == NULL ? 1
		    : theirs == NULL ? -1
				     : key_order(t, ours, theirs);
		if (order > 0)
			return refuse_row(t, err);
		if ((order < 0 || !row_same(t, ours, theirs)) &&
		    row_write(r->to, t, ours, err) == -1)
			return -1;
		copy_sum_add(&r->sums[t - tables], ours, t->n);
		copy_tell(r, false);
		from->at++;
		to->at += order == 0;
	}
}

static int
table_merge(struct copy_run *r, const struct table *t, struct err *err)
{
	struct side *sides = calloc(2, sizeof(*sides));
	int rc;

	if (sides == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	sides[0].t = sides[1].t = t;
	sides[0].db = r->from;
	sides[1].db = r->to;
	rc = merge_sides(r, &sides[0], &sides[1], err);
	side_clear(&sides[0]);
	side_clear(&sides[1]);
	free(sides);
	return rc == -1 ? err_add(err, "table %s", t->name)
			: copy_number(r, t, err);
}

/* ---- the whole */

/* What the copy has is asked for in the other one; `key` are a row's first
 * columns.  1 = it is there, 0 = it is not. */
static int
is_there(struct store_db *db, const char *sql, const struct copy_key *key,
    unsigned int n, struct err *err)
{
	struct db_query *q = db_query(db, sql);
	unsigned int i;

	for (i = 0; i < n; i++)
		q->values[q->n_values++] = key->values[i];
	return db_step(q, err);
}

/* The columns of the one row that `q` gives.  1 = there is one. */
static int
one_row(
    struct db_query *q, struct copy_key *key, unsigned int n, struct err *err)
{
	struct db_value values[TABLE_KEY_MAX];
	unsigned int i;
	int rc = db_step(q, err);

	for (i = 0; rc == 1 && i < n; i++)
		values[i] = q->db->engine->column(q, (int)i);
	if (rc == 1)
		copy_key_keep(key, values, n);
	return rc;
}

/* Written where it was not to be, a live store would lose what is new in it. */
static int
refuse_newer(const char *what, struct err *err)
{
	return err_set(err, ERR_REFUSED,
	    "the store to be brought up to date has %s that the other one "
	    "lacks: it is no copy of it; are --from and --to the right way "
	    "round?",
	    what);
}

static int
check_keys(struct copy_run *r, struct err *err)
{
	static const char first[] =
	    "SELECT version, mac FROM key_checks ORDER BY version LIMIT 1";
	struct copy_key ours, theirs;
	int a = one_row(db_query(r->from, first), &ours, 2, err);
	int b = a == -1 ? -1 : one_row(db_query(r->to, first), &theirs, 2, err);

	if (b == -1)
		return -1;
	if (a == b &&
	    (a == 0 ||
		(value_order(&ours.values[0], &theirs.values[0]) == 0 &&
		    value_order(&ours.values[1], &theirs.values[1]) == 0)))
		return 0;
	return err_set(err, ERR_REFUSED,
	    "the store to be brought up to date is no copy of the other one; "
	    "name a new one, without --update");
}

/* One audit chain of the copy, from its first number on: it is as far as the
 * original was, and the same. */
static int
check_chain(struct copy_run *r, unsigned int chain, struct err *err)
{
	struct copy_key leaf;
	struct db_query *q;
	char what[64];
	int64_t seq;
	int rc;

	q = db_query(r->to,
	    "SELECT seq, hash FROM audit WHERE seq BETWEEN $1 AND $2"
	    " ORDER BY seq DESC LIMIT 1");
	db_bind_int(q, store_audit_number(chain, 0));
	db_bind_int(q, store_audit_number(chain + 1, 0) - 1);
	if ((rc = one_row(q, &leaf, 2, err)) != 1)
		return rc;
	rc = is_there(r->from,
	    "SELECT 1 FROM audit WHERE seq = $1 AND hash = $2", &leaf, 2, err);
	if (rc != 0)
		return rc == 1 ? 0 : -1;
	seq = leaf.values[0].number;
	snprintf(what, sizeof(what), "audit leaf %u.%" PRId64,
	    store_audit_chain(seq), store_audit_place(seq));
	return refuse_newer(what, err);
}

static int
check_chains(struct copy_run *r, struct err *err)
{
	struct copy_key leaf;
	unsigned int chain = 0;
	struct db_query *q;
	int rc;

	for (;; chain++) {
		q = db_query(r->to,
		    "SELECT seq FROM audit WHERE seq >= $1 ORDER BY seq"
		    " LIMIT 1");
		db_bind_int(q, store_audit_number(chain, 0));
		if ((rc = one_row(q, &leaf, 1, err)) != 1)
			return rc;
		chain = store_audit_chain(leaf.values[0].number);
		if (check_chain(r, chain, err) == -1)
			return -1;
	}
}

/* Numbers are given out in their order, and those that were given out are in
 * the original, too. */
static int
check_numbers(struct copy_run *r, struct err *err)
{
	const struct table *t;
	int64_t ours, theirs;
	char what[64];

	for (t = tables; t->name != NULL; t++) {
		if (t->number == NULL)
			continue;
		if (r->from->engine->last_number(
			r->from, t->name, t->number, &ours, err) == -1 ||
		    r->to->engine->last_number(
			r->to, t->name, t->number, &theirs, err) == -1)
			return -1;
		if (theirs <= ours)
			continue;
		snprintf(what, sizeof(what), "number %" PRId64 " in table %s",
		    theirs, t->name);
		return refuse_newer(what, err);
	}
	return 0;
}

/* The newest row of tables without numbers: calls that came to nothing, files
 * that changed where somebody lives. */
static int
check_newest(struct copy_run *r, struct err *err)
{
	static const struct {
		const char *what, *newest, *find;
		unsigned int n;
	} marks[] = {
		/* what begins so may be text that is not UTF-8: an engine
		 * keeps it in another form */
		{ "a call",
		    "SELECT call_id FROM calls WHERE substr(call_id, 1, 1)"
		    " <> '\\' ORDER BY begun_us DESC LIMIT 1",
		    "SELECT 1 FROM calls WHERE call_id = $1", 1 },
		{ "a decision",
		    "SELECT case_id, at_us FROM decisions ORDER BY at_us DESC"
		    " LIMIT 1",
		    "SELECT 1 FROM decisions WHERE case_id = $1"
		    " AND at_us = $2",
		    2 },
		{ "a file of the registry's news",
		    "SELECT name, seq FROM deltas ORDER BY begun_us DESC"
		    " LIMIT 1",
		    "SELECT 1 FROM deltas WHERE name = $1 AND seq = $2", 2 },
	};
	struct copy_key key;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		rc = one_row(
		    db_query(r->to, marks[i].newest), &key, marks[i].n, err);
		if (rc == 1)
			rc = is_there(r->from, marks[i].find, &key, marks[i].n,
				 err) -
			    1;
		if (rc == -2)
			return -1;
		if (rc == -1)
			return refuse_newer(marks[i].what, err);
	}
	return 0;
}

/* A copy has the same key, and nothing that the original has not; nobody
 * serves calls on it. */
static int
check_copy(struct copy_run *r, struct err *err)
{
	char name[STORE_NODE_NAME + 1];
	int n;

	if (check_keys(r, err) == -1 ||
	    (n = copy_alive(r->to, name, err)) == -1)
		return -1;
	if (n > 0)
		return err_set(err, ERR_REFUSED,
		    "a server runs on the store to be brought up to date (%s); "
		    "are --from and --to the right way round?",
		    name);
	return check_chains(r, err) == -1 || check_numbers(r, err) == -1
	    ? -1
	    : check_newest(r, err);
}

int
copy_update(struct copy_run *r, struct err *err)
{
	const struct table *t, *end = tables;

	if (check_copy(r, err) == -1)
		return -1;
	while (end->name != NULL)
		end++;
	for (t = end; t-- > tables;)
		if (t->merge == NULL &&
		    db_run(db_query(r->to, t->empty), err) == -1)
			return err_add(err, "table %s", t->name);
	for (t = tables; t < end; t++)
		if ((t->merge != NULL ? table_merge : copy_table)(r, t, err) ==
		    -1)
			return -1;
	return 0;
}
