/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"
#include "db.h"

#define BATCH_MAX 1000
#define BATCH_TRIES 4 /* when other nodes are in the way */
#define SEVERAL_MAX 64

/* A queue, and the thread with the connection that serves it. */
struct lane {
	struct work *work;
	struct store_db *db; /* the store thread's, once there is one */
};

struct store {
	size_t n_lanes, n_writers; /* the first ones write */
	int epoll;                 /* over several lanes; -1 = there is one */
	struct lane lanes[];
};

/* ---- on the store thread */

static struct store_req *
item_req(struct work_item *item)
{
	return (struct store_req *)item;
}

/*
 * A batch is two transactions: of what writes or has an order, and of what only
 * reads.  These read one instant, and neither waits for locks nor makes the
 * others' transaction longer.
 */
enum part { PART_WRITES, PART_READS };

static enum part
req_part(const struct store_req *req)
{
	return req->mode == DB_READ && req->order == 0 ? PART_READS
						       : PART_WRITES;
}

/* The first one at `item` or after it that belongs to the part. */
static struct work_item *
part_next(struct work_item *item, enum part part)
{
	while (item != NULL && req_part(item_req(item)) != part)
		item = item->next;
	return item;
}

/* The transaction is lost, and with it what every request saw or wrote. */
static void
batch_fail(struct work_item *items, enum part part, const struct err *err)
{
	struct work_item *item;

	for (item = part_next(items, part); item != NULL;
	     item = part_next(item->next, part))
		item_req(item)->err = *err;
}

/* The strictest mode that one of them wants. */
static enum db_mode
batch_mode(struct work_item *items, enum part part)
{
	enum db_mode mode = DB_READ;
	struct work_item *item;

	for (item = part_next(items, part); item != NULL;
	     item = part_next(item->next, part))
		if (item_req(item)->mode > mode)
			mode = item_req(item)->mode;
	return mode;
}

/* Run one request.  1 = it failed after it had written, and only a savepoint
 * could undo that alone; -1 = the transaction is beyond use. */
static int
request_run(
    struct store_db *db, struct store_req *req, bool savepoint, struct err *err)
{
	int64_t written = db_written(db);
	int rc;

	savepoint = savepoint && req->mode != DB_READ;
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

/* The same for requests of one kind that follow each other: some of them, and
 * *item becomes the one after those. */
static int
several_run(struct store_db *db, struct work_item **item, enum part part,
    struct err *err)
{
	struct store_req *reqs[SEVERAL_MAX];
	struct work_item *next = *item;
	size_t n = 0, ran = 0;
	int rc;

	do {
		reqs[n++] = item_req(next);
		next = part_next(next->next, part);
	} while (n < SEVERAL_MAX && next != NULL &&
	    item_req(next)->run_several == reqs[0]->run_several);
	rc = reqs[0]->run_several(db, reqs, n, &ran, err);
	assert(ran > 0 && ran <= n);
	for (; ran > 0; ran--)
		*item = part_next((*item)->next, part);
	return rc;
}

/* Returns as request_run(); the transaction is open only with 0. */
static int
batch_run(struct store_db *db, struct work_item *items, enum part part,
    enum db_mode mode, bool savepoints, struct err *err)
{
	struct work_item *item = part_next(items, part);
	int rc;

	if (db_begin(db, mode, err) == -1)
		return -1;
	while (item != NULL) {
		if (item_req(item)->run_several != NULL && !savepoints &&
		    db_several(db))
			rc = several_run(db, &item, part, err);
		else {
			rc = request_run(db, item_req(item), savepoints, err);
			item = part_next(item->next, part);
		}
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
batch_try(struct store_db *db, struct work_item *items, enum part part,
    enum db_mode mode, struct err *err)
{
	int rc = batch_run(db, items, part, mode, false, err);

	if (rc == 1)
		rc = batch_run(db, items, part, mode, true, err);
	return rc == -1 ? -1 : db_commit(db, err);
}

/* Two that wait for each other, or make the same thing at once: one of them
 * loses its transaction, and runs it again with nobody in the way. */
static int
batch_commit(struct store_db *db, struct work_item *items, enum part part,
    struct err *err)
{
	enum db_mode mode = batch_mode(items, part);
	int tries = 0, rc;

	while ((rc = batch_try(db, items, part, mode, err)) == -1 &&
	    db_again(db) && ++tries < BATCH_TRIES)
		if (mode == DB_WRITE)
			mode = DB_ALONE;
	if (rc == 0 && mode != DB_READ)
		metric_add(METRIC_STORE_COMMITS, 1);
	return rc;
}

static void
part_run(struct lane *lane, struct work_item *items, enum part part)
{
	struct work_item *item = part_next(items, part);
	int64_t begun_us = clock_mono_us(), took_us;
	struct err err;

	if (item == NULL)
		return;
	if (batch_commit(lane->db, items, part, &err) == -1)
		batch_fail(items, part, &err);
	took_us = clock_mono_us() - begun_us;
	for (; item != NULL; item = part_next(item->next, part))
		item_req(item)->took_us = took_us;
}

/* Everything that waits: one transaction, one sync. */
static void
lane_run(void *ctx, struct work_item *items)
{
	part_run(ctx, items, PART_WRITES);
	part_run(ctx, items, PART_READS);
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

/* FNV-1a. */
uint64_t
store_order(const char *what, const void *bytes, size_t len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	const uint8_t *p = bytes;

	for (; *what != '\0'; what++)
		hash = (hash ^ (uint8_t)*what) * UINT64_C(0x100000001b3);
	for (; len > 0; len--)
		hash = (hash ^ *p++) * UINT64_C(0x100000001b3);
	return hash != 0 ? hash : 1;
}

/* What has an order stays with one lane; the rest goes where least waits. */
static struct lane *
lane_for(struct store *s, const struct store_req *req)
{
	struct lane *best;
	size_t i = 0, end = s->n_writers;

	if (req->order != 0)
		return &s->lanes[(req->order >> 32) % s->n_writers];
	if (req->mode == DB_READ && s->n_lanes > s->n_writers) {
		i = s->n_writers;
		end = s->n_lanes;
	}
	for (best = &s->lanes[i++]; i < end; i++)
		if (work_pending(s->lanes[i].work) < work_pending(best->work))
			best = &s->lanes[i];
	return best;
}

void
store_submit_several(struct store *s, struct store_req *req,
    int (*run)(struct store_db *db, struct store_req *req, struct err *err),
    int (*run_several)(struct store_db *db, struct store_req *const *reqs,
	size_t n, size_t *ran, struct err *err),
    enum db_mode mode, uint64_t order)
{
	struct lane *lane;

	req->item.done = request_done;
	req->run = run;
	req->run_several = run_several;
	req->mode = mode;
	req->order = order;
	req->err = (struct err){ 0 };
	lane = lane_for(s, req);
	if (work_submit(lane->work, &req->item) == 0)
		return;
	err_set(&req->err, ERR_STORE,
	    "too many requests wait for the store; its disk is too slow or "
	    "too much is asked of it");
	work_return(lane->work, &req->item);
}

void
store_submit_in_order(struct store *s, struct store_req *req,
    int (*run)(struct store_db *db, struct store_req *req, struct err *err),
    enum db_mode mode, uint64_t order)
{
	store_submit_several(s, req, run, NULL, mode, order);
}

void
store_submit(struct store *s, struct store_req *req,
    int (*run)(struct store_db *db, struct store_req *req, struct err *err),
    enum db_mode mode)
{
	store_submit_in_order(s, req, run, mode, 0);
}

/* ---- opening and closing */

static int
lane_open(struct store *s, struct lane *lane,
    const struct store_options *options, struct err *err)
{
	struct work_options work = {
		.threads = options->threads > 0 ? 1 : 0,
		.batch = true,
		.batch_max = BATCH_MAX,
		.queue_max = (options->queue_max + s->n_lanes - 1) / s->n_lanes,
		.run = lane_run,
		.ctx = lane,
	};

	if ((lane->db = db_open(options, err)) == NULL ||
	    (lane == s->lanes && migrate(lane->db, err) == -1) ||
	    (lane->work = work_new(&work, err)) == NULL)
		return -1;
	return 0;
}

/* One descriptor for all of them. */
static int
lanes_watch(struct store *s, struct err *err)
{
	struct epoll_event event = { .events = EPOLLIN };
	size_t i;

	if (s->n_lanes == 1)
		return 0;
	if ((s->epoll = epoll_create1(EPOLL_CLOEXEC)) == -1)
		return err_set(err, ERR_IO, "epoll: %s", strerror(errno));
	for (i = 0; i < s->n_lanes; i++)
		if (epoll_ctl(s->epoll, EPOLL_CTL_ADD,
			work_fd(s->lanes[i].work), &event) == -1)
			return err_set(
			    err, ERR_IO, "epoll: %s", strerror(errno));
	return 0;
}

struct store *
store_open(const struct store_options *options, struct err *err)
{
	size_t i, n = options->threads > 0 ? options->threads : 1;
	struct store *s = calloc(1, sizeof(*s) + n * sizeof(s->lanes[0]));

	if (s == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	s->epoll = -1;
	s->n_lanes = n;
	for (i = 0; i < n; i++)
		if (lane_open(s, &s->lanes[i], options, err) == -1)
			goto fail;
	s->n_writers = db_one_writer(s->lanes[0].db) ? 1 : n;
	if (lanes_watch(s, err) == -1)
		goto fail;
	return s;

fail:
	store_close(s);
	return NULL;
}

/* Whatever done() submits, there is a lane for it until nothing is left. */
static void
store_drain(struct store *s)
{
	struct pollfd pfd = { .events = POLLIN };

	while (store_pending(s) > 0) {
		pfd.fd = store_fd(s);
		if (store_dispatch(s) == 0 && pfd.fd != -1)
			poll(&pfd, 1, -1);
	}
}

void
store_close(struct store *s)
{
	size_t i;

	if (s == NULL)
		return;
	store_drain(s);
	for (i = 0; i < s->n_lanes; i++) {
		work_free(s->lanes[i].work);
		db_close(s->lanes[i].db);
	}
	if (s->epoll != -1)
		close(s->epoll);
	free(s);
}

/* ---- dispatching */

int
store_fd(const struct store *s)
{
	return s->epoll != -1 ? s->epoll : work_fd(s->lanes[0].work);
}

size_t
store_dispatch(struct store *s)
{
	size_t i, n = 0;

	for (i = 0; i < s->n_lanes; i++)
		n += work_dispatch(s->lanes[i].work);
	return n;
}

bool
store_one_writer(const struct store *s)
{
	return db_one_writer(s->lanes[0].db);
}

size_t
store_pending(const struct store *s)
{
	size_t i, n = 0;

	for (i = 0; i < s->n_lanes; i++)
		if (s->lanes[i].work != NULL)
			n += work_pending(s->lanes[i].work);
	return n;
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

int
store_await(struct store *s, struct store_req *req, struct err *err)
{
	if (store_wait(s, req) == 0)
		return 0;
	*err = req->err;
	return -1;
}
