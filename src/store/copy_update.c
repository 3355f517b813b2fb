/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy is brought up to date.  Tables that grow with the registry are gone
 * through on both sides at once, in the order of their keys, and only rows that
 * differ are written; the others are emptied and written anew.
 */
#include <stdlib.h>
#include <string.h>

#include "copy_inner.h"

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

/* The first row that a query gives; its columns as bytes, 0 of them when there
 * is none. */
static int
first_row(
    struct store_db *db, const char *sql, uint8_t digest[32], struct err *err)
{
	struct copy_sum sum = { 0 };
	struct db_query *q = db_query(db, sql);
	struct db_value values[2];
	int rc = db_step(q, err);

	if (rc == 1) {
		values[0] = db->engine->column(q, 0);
		values[1] = db->engine->column(q, 1);
		copy_sum_add(&sum, values, 2);
	}
	memcpy(digest, sum.lanes, sizeof(sum.lanes));
	return rc == -1 ? -1 : 0;
}

/* A copy has the same key, and the audit chain that began in the original. */
static int
check_copy(struct copy_run *r, struct err *err)
{
	static const char *const marks[] = {
		"SELECT version, mac FROM key_checks ORDER BY version LIMIT 1",
		"SELECT seq, hash FROM audit ORDER BY seq LIMIT 1",
	};
	uint8_t ours[32], theirs[32];
	size_t i;

	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (first_row(r->from, marks[i], ours, err) == -1 ||
		    first_row(r->to, marks[i], theirs, err) == -1)
			return -1;
		if (memcmp(ours, theirs, sizeof(ours)) == 0)
			continue;
		/* before the first hold the copy's chain is empty */
		if (i == 1 && memcmp(theirs, (uint8_t[32]){ 0 }, 32) == 0)
			continue;
		return err_set(err, ERR_REFUSED,
		    "the store to be brought up to date is no copy of the "
		    "other one; name a new one, without --update");
	}
	return 0;
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
