/* SPDX-License-Identifier: Apache-2.0 */
/* Which files of the registry's news were applied, and how far. */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "delta_inner.h"

static bool
is_content(const struct store_delta_file *file, const uint8_t *digest)
{
	unsigned int i;

	for (i = 0; i < file->n_digests; i++)
		if (memcmp(file->digests[i], digest, STORE_MAC_SIZE) == 0)
			return true;
	return false;
}

/* ---- begin */

static int
refuse_content(const struct store_delta_begin *r, struct err *err)
{
	if (r->done_us != 0)
		return err_set(err, ERR_REFUSED,
		    "number %" PRId64 " of the feed %s was applied already, "
		    "with another content; ask the registry for the correction "
		    "under a number of its own",
		    r->file.seq, r->file.name);
	return err_set(err, ERR_REFUSED,
	    "number %" PRId64 " of the feed %s was begun with another content; "
	    "apply that file again, it goes on where it was, and ask the "
	    "registry for the correction under the next number",
	    r->file.seq, r->file.name);
}

/* 1 = this number is known, and it is this file. */
static int
file_find(struct store_db *db, struct store_delta_begin *r, struct err *err)
{
	uint8_t digest[STORE_MAC_SIZE] = { 0 };
	struct db_query *q;
	int rc;

	r->done_us = r->taken = r->line = r->rejects = 0;
	q = db_query(db,
	    "SELECT digest, taken, line, rejects, done_us FROM deltas"
	    " WHERE name = $1 AND seq = $2");
	db_bind_text(q, r->file.name);
	db_bind_int(q, r->file.seq);
	if ((rc = db_step(q, err)) != 1)
		return rc;
	db_get_blob(q, digest, sizeof(digest));
	r->taken = db_get_int(q);
	r->line = db_get_int(q);
	r->rejects = db_get_int(q);
	r->done_us = db_get_int(q);
	return is_content(&r->file, digest) ? 1 : refuse_content(r, err);
}

static int
check_known(
    struct store_db *db, const struct store_delta_begin *r, struct err *err)
{
	char other[STORE_DELTA_NAME_MAX + 1] = "";
	struct db_query *q;
	int rc;

	if (r->first)
		return 0;
	q = db_query(
	    db, "SELECT name FROM deltas ORDER BY begun_us DESC LIMIT 1");
	if ((rc = db_step(q, err)) == -1)
		return -1;
	if (rc == 1)
		db_get_text(q, other, sizeof(other));
	return err_set(err, ERR_REFUSED,
	    "the store knows no feed %s%s%s; if it begins with this file, say "
	    "--first",
	    r->file.name, other[0] != '\0' ? ", the last one was " : "", other);
}

static int
check_next(
    const struct store_delta_begin *r, int64_t last, bool done, struct err *err)
{
	if (r->file.seq < last)
		return err_set(err, ERR_REFUSED,
		    "number %" PRId64 " of the feed %s is older than the last "
		    "one, %" PRId64 ", and was never applied; its news are out "
		    "of date, leave it out",
		    r->file.seq, r->file.name, last);
	if (!done)
		return err_set(err, ERR_REFUSED,
		    "number %" PRId64 " of the feed %s has not reached its "
		    "end; apply that file again first, it goes on where it "
		    "was",
		    last, r->file.name);
	if (r->file.seq > last + 1 && !r->first)
		return err_set(err, ERR_REFUSED,
		    "the feed %s is at number %" PRId64 " and this is %" PRId64
		    "; apply %" PRId64 " first.  If what is between cannot be "
		    "had, import the whole registry and then say --first",
		    r->file.name, last, r->file.seq, last + 1);
	return 0;
}

static int
check_turn(
    struct store_db *db, const struct store_delta_begin *r, struct err *err)
{
	struct db_query *q;
	int64_t last;
	int rc;

	q = db_query(db,
	    "SELECT seq, done_us FROM deltas WHERE name = $1"
	    " ORDER BY seq DESC LIMIT 1");
	db_bind_text(q, r->file.name);
	if ((rc = db_step(q, err)) == -1)
		return -1;
	if (rc == 0)
		return check_known(db, r, err);
	last = db_get_int(q);
	return check_next(r, last, db_get_int(q) != 0, err);
}

static int
begin_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_delta_begin *r = (struct store_delta_begin *)req;
	struct db_query *q;
	int rc;

	if ((rc = file_find(db, r, err)) != 0)
		return rc == 1 ? 0 : -1;
	if (check_turn(db, r, err) == -1)
		return -1;
	q = db_query(db,
	    "INSERT INTO deltas (name, seq, digest, taken, line, rejects,"
	    " applied, begun_us, done_us)"
	    " VALUES ($1, $2, $3, 0, 0, 0, 0, $4, 0)");
	db_bind_text(q, r->file.name);
	db_bind_int(q, r->file.seq);
	db_bind_blob(q, r->file.digests[0], STORE_MAC_SIZE);
	db_bind_int(q, db_now_us(db));
	return db_run(q, err);
}

void
store_delta_begin(struct store *s, struct store_delta_begin *r)
{
	assert(r->file.name[0] != '\0' && r->file.seq > 0);
	assert(r->file.n_digests > 0 && r->file.n_digests <= STORE_TAGS_MAX);
	/* DB_ALONE: it rests on numbers that are not there yet */
	store_submit_in_order(s, &r->req, begin_run, DB_ALONE,
	    store_order("delta", r->file.name, strlen(r->file.name)));
}

/* ---- its pages */

int
delta_file_lock(struct store_db *db, const struct store_delta_file *file,
    int64_t *applied, struct err *err)
{
	uint8_t digest[STORE_MAC_SIZE] = { 0 };
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT digest, applied FROM deltas"
	    " WHERE name = $1 AND seq = $2" DB_FOR_UPDATE);
	db_bind_text(q, file->name);
	db_bind_int(q, file->seq);
	if ((rc = db_step(q, err)) == 1) {
		db_get_blob(q, digest, sizeof(digest));
		*applied = db_get_int(q);
	}
	if (rc == -1 || (rc == 1 && is_content(file, digest)))
		return rc == -1 ? -1 : 0;
	return err_set(err, ERR_CONFLICT,
	    "number %" PRId64 " of the feed %s was not begun with this file",
	    file->seq, file->name);
}

static int
mark_place(
    struct store_db *db, const struct store_delta_page *page, struct err *err)
{
	struct db_query *q;

	if (page->mark == NULL)
		return 0;
	q = db_query(db,
	    "UPDATE deltas SET taken = $1, line = $2, rejects = $3"
	    " WHERE name = $4 AND seq = $5");
	db_bind_int(q, page->mark->taken);
	db_bind_int(q, page->mark->line);
	db_bind_int(q, page->mark->rejects);
	db_bind_text(q, page->file->name);
	db_bind_int(q, page->file->seq);
	return db_run(q, err);
}

int
delta_file_mark(struct store_db *db, const struct store_delta_page *page,
    int64_t applied, struct err *err)
{
	struct db_query *q;

	if (mark_place(db, page, err) == -1)
		return -1;
	q = db_query(
	    db, "UPDATE deltas SET applied = $1 WHERE name = $2 AND seq = $3");
	db_bind_int(q, applied);
	db_bind_text(q, page->file->name);
	db_bind_int(q, page->file->seq);
	return db_run(q, err);
}

/* ---- end */

static int
end_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_delta_end *r = (struct store_delta_end *)req;
	struct db_query *q;
	int64_t applied;

	if (delta_file_lock(db, r->file, &applied, err) == -1)
		return -1;
	q = db_query(db,
	    "UPDATE deltas SET done_us = $1"
	    " WHERE name = $2 AND seq = $3 AND done_us = 0");
	db_bind_int(q, db_now_us(db));
	db_bind_text(q, r->file->name);
	db_bind_int(q, r->file->seq);
	return db_run(q, err);
}

void
store_delta_end(struct store *s, struct store_delta_end *r)
{
	/* DB_WRITE: the file's row is locked */
	store_submit_in_order(s, &r->req, end_run, DB_WRITE,
	    store_order("delta", r->file->name, strlen(r->file->name)));
}

/* ---- looking */

static int
list_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_delta_list *r = (struct store_delta_list *)req;
	struct store_delta_feed *f;
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT name, seq, begun_us, done_us, line FROM deltas AS d"
	    " WHERE seq = (SELECT max(seq) FROM deltas WHERE name = d.name)"
	    " ORDER BY name LIMIT $1");
	db_bind_int(q, STORE_DELTA_FEEDS);
	for (r->n = 0; (rc = db_step(q, err)) == 1; r->n++) {
		f = &r->feeds[r->n];
		db_get_text(q, f->name, sizeof(f->name));
		f->seq = db_get_int(q);
		f->begun_us = db_get_int(q);
		f->done_us = db_get_int(q);
		f->line = db_get_int(q);
	}
	return rc;
}

void
store_delta_list(struct store *s, struct store_delta_list *r)
{
	store_submit(s, &r->req, list_run, DB_READ);
}
