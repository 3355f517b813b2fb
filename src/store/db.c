/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "engine.h"
#include "shared.h"

/* ---- opening */

struct store_db *
db_open(const struct store_options *options, struct err *err)
{
	const struct db_engine *engine =
	    postgres_is_url(options->path) ? &postgres_engine : &sqlite_engine;
	struct store_db *db;

	if ((db = engine->open(options, err)) == NULL)
		return NULL;
	assert(db->engine == engine);
	db->wall_us = options->wall_us;
	db->wall_ctx = options->wall_ctx;
	db->tell = options->tell;
	db->last_leaf = &db->leaves;
	return db;
}

void
db_close(struct store_db *db)
{
	if (db == NULL)
		return;
	db_reset_running(db);
	audit_drop(db, &db->leaves);
	db->engine->close(db);
}

bool
db_one_writer(const struct store_db *db)
{
	return db->engine->one_writer;
}

bool
db_several(const struct store_db *db)
{
	return db->engine->several;
}

int64_t
db_now_us(struct store_db *db)
{
	return db->wall_us != NULL ? db->wall_us(db->wall_ctx)
				   : clock_wall_us();
}

bool
db_tells(const struct store_db *db, enum store_dispatch_kind kind)
{
	return (db->tell & 1U << kind) != 0;
}

int
db_clock(struct store_db *db, int64_t *now_us, struct err *err)
{
	struct db_query *q;

	if (db->engine->clock == NULL) {
		*now_us = db_now_us(db);
		return 0;
	}
	q = db_query(db, db->engine->clock);
	if (db_step(q, err) != 1)
		return -1;
	*now_us = db_get_int(q);
	return 0;
}

int
db_outbox_issued(struct store_db *db, int64_t *seq, struct err *err)
{
	struct db_query *q = db_query(db, db->engine->outbox_issued);
	int rc = db_step(q, err);

	*seq = rc == 1 ? db_get_int(q) : 0;
	return rc == -1 ? -1 : 0;
}

struct db_query *
db_hold_ids(struct store_db *db, size_t n)
{
	struct db_query *q;

	if (db->engine->hold_ids == NULL)
		return NULL;
	q = db_query(db, db->engine->hold_ids);
	db_bind_int(q, (int64_t)n);
	return q;
}

int64_t
db_last_id(struct store_db *db)
{
	assert(db->engine->last_id != NULL);
	return db->engine->last_id(db);
}

int
db_version(struct store_db *db, int64_t *version, struct err *err)
{
	return db->engine->version(db, version, err);
}

int
db_script(struct store_db *db, const char *sql, struct err *err)
{
	assert(db->writing);
	db_reset_running(db); /* or a table with rows left is locked */
	if (db->engine->script(db, sql, err) == 0)
		return 0;
	db->again = false; /* it takes too long to be tried once more */
	return -1;
}

int
db_swap_check(struct store_db *db, struct err *err)
{
	return db->engine->swap_check == NULL
	    ? 0
	    : db_script(db, db->engine->swap_check, err);
}

int
db_swap(struct store_db *db, struct err *err)
{
	static const char *const names[] = { "holders", "certificates" };
	int64_t last;
	size_t i;

	if (db_swap_check(db, err) == -1 ||
	    db_script(db, db->engine->swap, err) == -1)
		return -1;
	for (i = 0; i < 2; i++)
		if (db->engine->last_number(db, names[i], "id", &last, err) ==
			-1 ||
		    db->engine->set_last_number(
			db, names[i], "id", last, err) == -1)
			return -1;
	return 0;
}

int
db_upgrade(
    struct store_db *db, const char *sql, int64_t version, struct err *err)
{
	return db_script(db, sql, err) == -1
	    ? -1
	    : db->engine->set_version(db, version, err);
}

/* ---- transactions */

int
db_begin(struct store_db *db, enum db_mode mode, struct err *err)
{
	assert(!db_in_transaction(db) && db->leaves == NULL);
	db->writing = mode != DB_READ;
	db->again = false;
	db->locks = 0;
	return db->engine->begin(db, mode, err);
}

int
db_commit(struct store_db *db, struct err *err)
{
	int rc;

	db_reset_running(db);
	if (audit_write(db, err) == -1) {
		db_rollback(db);
		return -1;
	}
	rc = db->engine->commit(db, err);
	assert(!db_in_transaction(db));
	return rc;
}

void
db_rollback(struct store_db *db)
{
	db_reset_running(db);
	audit_drop(db, &db->leaves);
	db->engine->rollback(db);
	assert(!db_in_transaction(db));
}

bool
db_in_transaction(struct store_db *db)
{
	return db->engine->in_transaction(db);
}

bool
db_again(const struct store_db *db)
{
	return db->again;
}

int
db_save(struct store_db *db, struct err *err)
{
	db->saved_leaf = db->last_leaf;
	db->saved_locks = db->locks;
	return db_run(db_query(db, "SAVEPOINT request"), err);
}

/* A lock that was taken since is given back with what was written. */
int
db_save_end(struct store_db *db, bool keep, struct err *err)
{
	db_reset_running(db);
	if (!keep) {
		audit_drop(db, db->saved_leaf);
		db->locks = db->saved_locks;
		if (db_run(db_query(db, "ROLLBACK TO request"), err) == -1)
			return -1;
	}
	return db_run(db_query(db, "RELEASE request"), err);
}

int
db_lock(struct store_db *db, enum db_lock lock, struct err *err)
{
	assert(db->writing);
	if (db->engine->lock == NULL || (db->locks & 1U << lock) != 0)
		return 0;
	if (db->engine->lock(db, lock, err) == -1)
		return -1;
	db->locks |= 1U << lock;
	return 0;
}

int
db_chain(struct store_db *db, unsigned int *chain, struct err *err)
{
	assert(db->writing);
	*chain = 0;
	return db->engine->chain == NULL ? 0
					 : db->engine->chain(db, chain, err);
}

int
db_news(struct store_db *db, struct err *err)
{
	assert(db->writing);
	return db->engine->news == NULL ? 0 : db->engine->news(db, err);
}

/* ---- statements */

/* The statement's place: where it is, or where it belongs. */
static struct db_query *
query_place(struct store_db *db, const char *sql)
{
	size_t i =
	    (size_t)(((uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15)) >> 40);

	for (;; i++) {
		struct db_query *q = &db->queries[i % DB_QUERIES];

		if (q->sql == sql || q->sql == NULL)
			return q;
	}
}

static void
query_reset(struct db_query *q)
{
	struct db_query **p;

	q->db->engine->reset(q);
	if (!q->running)
		return;
	for (p = &q->db->running; *p != q; p = &(*p)->next_running)
		;
	*p = q->next_running;
	q->running = false;
}

struct db_query *
db_query(struct store_db *db, const char *sql)
{
	struct db_query *q = query_place(db, sql);

	if (q->sql == NULL) {
		db->n_queries++;
		assert(db->n_queries < DB_QUERIES);
		q->db = db;
		q->sql = sql;
	} else if (q->running) {
		query_reset(q);
	}
	q->n_values = 0;
	q->n_rows = q->rows_changed = 0;
	return q;
}

static struct db_value *
next_value(struct db_query *q)
{
	assert(!q->running && q->n_values < DB_VALUES_MAX);
	return &q->values[q->n_values++];
}

void
db_bind_int(struct db_query *q, int64_t value)
{
	*next_value(q) = (struct db_value){ DB_INT, value, NULL, 0 };
}

void
db_bind_text(struct db_query *q, const char *text)
{
	*next_value(q) = (struct db_value){ DB_TEXT, 0, text, strlen(text) };
}

void
db_bind_blob(struct db_query *q, const void *bytes, size_t len)
{
	*next_value(q) = (struct db_value){ DB_BLOB, 0, bytes, len };
}

void
db_bind_null(struct db_query *q)
{
	*next_value(q) = (struct db_value){ DB_NULL, 0, NULL, 0 };
}

/* A list of one is a value, for engines without lists. */
void
db_bind_ints(struct db_query *q, const int64_t *values, size_t n)
{
	assert(n > 0 && (n == 1 || db_several(q->db)));
	if (db_several(q->db))
		*next_value(q) = (struct db_value){ DB_INTS, 0, values, n };
	else
		db_bind_int(q, values[0]);
}

void
db_bind_texts(struct db_query *q, const char *const *texts, size_t n)
{
	assert(n > 0 && (n == 1 || db_several(q->db)));
	if (db_several(q->db))
		*next_value(q) = (struct db_value){ DB_TEXTS, 0, texts, n };
	else
		db_bind_text(q, texts[0]);
}

static void
query_running(struct db_query *q)
{
	q->running = true;
	q->next_running = q->db->running;
	q->db->running = q;
}

void
db_ahead(struct db_query *q)
{
	if (q->db->engine->ahead == NULL)
		return;
	q->db->engine->ahead(q);
	query_running(q);
}

int
db_post(struct db_query *q, int64_t rows, struct err *err)
{
	struct store_db *db = q->db;

	if (db->engine->post != NULL)
		return db->engine->post(q, rows, err);
	if (db_run(q, err) == -1)
		return -1;
	return rows == -1 || db->changes == rows ? 0 : db_odd_rows(err);
}

/* Without a server to be spared, a row is run at once. */
int
db_row(struct db_query *q, struct err *err)
{
	const struct db_engine *engine = q->db->engine;

	if ((engine->row != NULL ? engine->row(q, err) : db_run(q, err)) == -1)
		return -1;
	q->n_values = 0;
	q->n_rows++;
	q->rows_changed += q->db->changes;
	return 0;
}

int
db_post_rows(struct db_query *q, int64_t rows, struct err *err)
{
	const struct db_engine *engine = q->db->engine;

	if (q->n_rows > 0 && engine->post_rows != NULL)
		return engine->post_rows(q, rows, err);
	return rows == -1 || q->rows_changed == rows ? 0 : db_odd_rows(err);
}

int
db_odd_rows(struct err *err)
{
	return err_set(err, ERR_STORE,
	    "a row was changed by somebody else at the same moment; find out "
	    "who writes into this store");
}

int
db_step(struct db_query *q, struct err *err)
{
	int rc = q->db->engine->step(q, err);

	q->column = 0;
	if (rc != 1)
		query_reset(q);
	else if (!q->running)
		query_running(q);
	return rc;
}

int
db_run(struct db_query *q, struct err *err)
{
	int rc = db_step(q, err);

	assert(rc != 1); /* it gives no rows */
	return rc;
}

int
db_run_number(struct db_query *q, int64_t *n, struct err *err)
{
	int rc = db_step(q, err);

	if (rc != 1)
		return rc;
	*n = db_get_int(q);
	return db_run(q, err) == -1 ? -1 : 1;
}

/* ---- many rows at once */

struct db_query *
db_load(struct store_db *db, const char *into)
{
	assert(db->writing);
	return db_query(db, into);
}

int
db_load_row(struct db_query *q, struct err *err)
{
	int rc = q->db->engine->load_row(q, err);

	q->n_values = 0;
	return rc;
}

int
db_load_end(struct db_query *q, struct err *err)
{
	return q->db->engine->load_end(q, err);
}

int
db_new_ids(struct store_db *db, const char *table, int64_t *ids, size_t n,
    struct err *err)
{
	assert(db->writing);
	return db->engine->new_ids(db, table, ids, n, err);
}

/* ---- columns */

static struct db_value
next_column(struct db_query *q)
{
	assert(q->running);
	return q->db->engine->column(q, q->column++);
}

int64_t
db_get_int(struct db_query *q)
{
	return next_column(q).number;
}

void
db_get_text(struct db_query *q, char *out, size_t size)
{
	struct db_value v = next_column(q);

	if (v.len >= size)
		v.len = size - 1;
	if (v.len > 0)
		memcpy(out, v.bytes, v.len);
	out[v.len] = '\0';
}

size_t
db_get_blob(struct db_query *q, void *out, size_t size)
{
	struct db_value v = next_column(q);

	if (v.len > size)
		v.len = size;
	if (v.len > 0)
		memcpy(out, v.bytes, v.len);
	return v.len;
}

int64_t
db_changes(struct store_db *db)
{
	return db->changes;
}

int64_t
db_written(struct store_db *db)
{
	return db->written;
}

void
db_reset_running(struct store_db *db)
{
	while (db->running != NULL)
		query_reset(db->running);
}
