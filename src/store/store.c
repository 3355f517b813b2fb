/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <poll.h>
#include <stdlib.h>

#include "base/metric.h"
#include "db.h"

#define BATCH_MAX 1000
#define BATCH_TRIES 4 /* when other nodes are in the way */

struct store {
	struct work *work;
	struct store_db *db; /* the store thread's, once there is one */
};

/* ---- on the store thread */

static struct store_req *
item_req(struct work_item *item)
{
	return (struct store_req *)item;
}

/* The transaction is lost, and with it what every request saw or wrote. */
static void
batch_fail(struct work_item *items, const struct err *err)
{
	for (; items != NULL; items = items->next)
		item_req(items)->err = *err;
}

static bool
batch_writes(struct work_item *items)
{
	for (; items != NULL; items = items->next)
		if (item_req(items)->writes)
			return true;
	return false;
}

/* Run one request.  1 = it failed after it had written, and only a savepoint
 * could undo that alone; -1 = the transaction is beyond use. */
static int
request_run(
    struct store_db *db, struct store_req *req, bool savepoint, struct err *err)
{
	int64_t written = db_written(db);
	int rc;

	savepoint = savepoint && req->writes;
	if (savepoint && db_save(db, err) == -1)
		return -1;
	req->err.code = ERR_NONE;
	rc = req->run(db, req, &req->err);
	assert((rc == 0) == (req->err.code == ERR_NONE));
	if (!db_in_transaction(db)) {
		*err = req->err;
		return -1;
	}
	if (savepoint)
		return db_save_end(db, rc == 0, err);
	return rc == -1 && db_written(db) != written;
}

/* Returns as request_run(); the transaction is open only with 0. */
static int
batch_run(struct store_db *db, struct work_item *items, enum db_mode mode,
    bool savepoints, struct err *err)
{
	struct work_item *item;
	int rc;

	if (db_begin(db, mode, err) == -1)
		return -1;
	for (item = items; item != NULL; item = item->next) {
		rc = request_run(db, item_req(item), savepoints, err);
		if (rc != 0) {
			db_rollback(db);
			return rc;
		}
	}
	return 0;
}

/*
 * A savepoint makes a hold a third dearer, and hardly any request fails after
 * it has written.  So: all without; if one did, undo the batch and run it
 * again with a savepoint each.  What a request asks is not changed by running
 * it, so it may run twice.
 */
static int
batch_try(struct store_db *db, struct work_item *items, enum db_mode mode,
    struct err *err)
{
	int rc = batch_run(db, items, mode, false, err);

	if (rc == 1)
		rc = batch_run(db, items, mode, true, err);
	return rc == -1 ? -1 : db_commit(db, err);
}

/* Two nodes that wait for each other, or make the same thing at once: one of
 * them loses its transaction, and runs it again with nobody in the way. */
static int
batch_commit(struct store_db *db, struct work_item *items, struct err *err)
{
	enum db_mode mode = batch_writes(items) ? DB_WRITE : DB_READ;
	int tries = 0, rc;

	while ((rc = batch_try(db, items, mode, err)) == -1 && db_again(db) &&
	    ++tries < BATCH_TRIES)
		if (mode == DB_WRITE)
			mode = DB_ALONE;
	if (rc == 0 && mode != DB_READ)
		metric_add(METRIC_STORE_COMMITS, 1);
	return rc;
}

/* Everything that waits: one transaction, one sync. */
static void
store_run(void *ctx, struct work_item *items)
{
	struct store *s = ctx;
	struct err err;

	if (batch_commit(s->db, items, &err) == -1)
		batch_fail(items, &err);
}

/* ---- on the loop */

static bool
is_fault(const struct err *err)
{
	return err->code == ERR_STORE || err->code == ERR_UNSURE;
}

/* run = NULL tells store_wait() that the request is done; done() may free
 * it. */
static void
request_done(struct work_item *item)
{
	struct store_req *req = item_req(item);

	if (is_fault(&req->err))
		metric_add(METRIC_STORE_FAILED, 1);
	req->run = NULL;
	if (req->done != NULL)
		req->done(req);
}

void
store_submit(struct store *s, struct store_req *req,
    int (*run)(struct store_db *db, struct store_req *req, struct err *err),
    bool writes)
{
	req->item.done = request_done;
	req->run = run;
	req->writes = writes;
	req->err = (struct err){ 0 };
	if (work_submit(s->work, &req->item) == 0)
		return;
	err_set(&req->err, ERR_STORE,
	    "too many requests wait for the store; its disk is too slow or "
	    "too much is asked of it");
	work_return(s->work, &req->item);
}

struct store *
store_open(const struct store_options *options, struct err *err)
{
	struct work_options work = {
		.threads = options->threads,
		.batch = true,
		.batch_max = BATCH_MAX,
		.queue_max = options->queue_max,
		.run = store_run,
	};
	struct store *s;

	assert(options->threads <= 1); /* one thread owns the database */
	if ((s = calloc(1, sizeof(*s))) == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	work.ctx = s;
	if ((s->db = db_open(options, err)) == NULL ||
	    migrate(s->db, err) == -1 ||
	    (s->work = work_new(&work, err)) == NULL) {
		store_close(s);
		return NULL;
	}
	return s;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	work_free(s->work);
	db_close(s->db);
	free(s);
}

int
store_fd(const struct store *s)
{
	return work_fd(s->work);
}

size_t
store_dispatch(struct store *s)
{
	return work_dispatch(s->work);
}

size_t
store_pending(const struct store *s)
{
	return work_pending(s->work);
}

int
store_wait(struct store *s, struct store_req *req)
{
	struct pollfd pfd = { .fd = store_fd(s), .events = POLLIN };

	while (req->run != NULL)
		if (store_dispatch(s) == 0 && pfd.fd != -1)
			poll(&pfd, 1, -1);
	return req->err.code == ERR_NONE ? 0 : -1;
}
