/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "base/work.h"
#include "cli/registry_load.h"
#include "cli/registry_put.h"
#include "cli/registry_row.h"
#include "store/registry.h"
#include "verify/factor.h"
#include "wire/csv.h"

#define JOBS_MAX 512             /* rows in flight */
#define BATCH_MIN (JOBS_MAX / 2) /* rows worth a commit while PINs are slow */
#define TRIES_MAX 5              /* when a commit's outcome is not known */

enum job_state {
	JOB_STRETCHING, /* waits for the pool to stretch its PIN */
	JOB_SAME_PIN,   /* has the PIN of the row before: takes its MAC */
	JOB_READY,      /* waits for its turn at the store */
	JOB_STORING,    /* waits for the store */
	JOB_DONE        /* waits for the rows before it to be counted */
};

/* One row in flight. */
struct job {
	struct work_item item; /* first: the pool's */
	struct registry_load *load;
	enum job_state state;
	char pin[FACTOR_PIN_MAX + 1];
	bool no_memory; /* the pool could not stretch the PIN */
	unsigned int tries;
	uint64_t line;
	char *raw; /* owned */
	size_t raw_len;
	struct err err; /* ERR_NONE, or why it is rejected */
	struct store_put put;
};

struct registry_load {
	struct registry_load_options options;
	struct work *pool;
	struct registry_counts counts;
	struct err failed; /* why the load has stopped, or ERR_NONE */
	/* The last PIN that came in, and the last MAC that was stored: a
	 * holder's rows stand together, and a PIN is dear to stretch. */
	uint8_t pin_tag[SECRET_MAC_SIZE];
	char pin[FACTOR_PIN_MAX + 1];
	uint8_t pin_mac[SECRET_MAC_SIZE];
	/* A ring: head..next are at the store or done, next..tail wait. */
	uint64_t head, next, tail;
	struct job jobs[JOBS_MAX];
};

static struct job *
job_at(struct registry_load *load, uint64_t i)
{
	return &load->jobs[i % JOBS_MAX];
}

/* Stop the load; the first reason stays. */
static void
fail(struct registry_load *load, const struct err *err)
{
	if (load->failed.code == ERR_NONE)
		load->failed = *err;
}

static void
job_clear(struct job *job)
{
	if (job->raw != NULL)
		secret_cleanse(job->raw, job->raw_len);
	free(job->raw);
	secret_cleanse(job, sizeof(*job));
}

/* On a worker thread. */
static void
stretch(void *ctx, struct work_item *items)
{
	struct registry_load *load = ctx;
	struct job *job = (struct job *)items;

	job->no_memory = factor_pin(load->options.keys, 0, job->put.tag,
			     job->pin, job->put.pin) == -1;
}

static void
on_stretched(struct work_item *item)
{
	struct job *job = (struct job *)item;

	if (job->no_memory) {
		err_set(&job->err, ERR_NOMEM,
		    "out of memory while stretching a PIN");
		fail(job->load, &job->err);
	}
	job->state = JOB_READY;
}

struct registry_load *
registry_load_new(const struct registry_load_options *options, struct err *err)
{
	struct work_options pool = { .threads = options->threads,
		.run = stretch };
	struct registry_load *load;

	if ((load = calloc(1, sizeof(*load))) == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	load->options = *options;
	pool.ctx = load;
	if ((load->pool = work_new(&pool, err)) == NULL) {
		free(load);
		return NULL;
	}
	return load;
}

struct registry_counts
registry_load_counts(const struct registry_load *load)
{
	return load->counts;
}

/* ---- PINs */

/* Give the PIN to the pool, unless the row before has the same. */
static void
job_pin(struct registry_load *load, struct job *job, const char *pin)
{
	if (pin[0] == '\0') {
		job->state = JOB_READY;
		return;
	}
	if (strcmp(load->pin, pin) == 0 &&
	    secret_equal(load->pin_tag, job->put.tag)) {
		job->state = JOB_SAME_PIN;
		return;
	}
	str_copy(load->pin, sizeof(load->pin), pin);
	memcpy(load->pin_tag, job->put.tag, SECRET_MAC_SIZE);
	str_copy(job->pin, sizeof(job->pin), pin);
	job->state = JOB_STRETCHING;
	job->item.done = on_stretched;
	work_submit(load->pool, &job->item); /* the queue has no limit */
}

/* ---- at the store */

static void
count(struct registry_counts *c, enum store_put_result result)
{
	c->rows++;
	c->fresh += result == STORE_PUT_NEW;
	c->changed += result == STORE_PUT_CHANGED;
	c->unchanged += result == STORE_PUT_UNCHANGED;
}

static void on_put(struct store_req *req);

static void
job_store(struct job *job)
{
	job->state = JOB_STORING;
	memset(&job->put.req, 0, sizeof(job->put.req));
	job->put.req.done = on_put;
	job->put.req.ctx = job;
	store_put(job->load->options.store, &job->put);
}

/* Does this say something about the row, and not about the store? */
static bool
is_verdict(enum err_code code)
{
	return code != ERR_UNSURE && code != ERR_STORE && code != ERR_IO &&
	    code != ERR_NOMEM;
}

static void
on_put(struct store_req *req)
{
	struct job *job = req->ctx;

	/* All of the lost batch comes by here, in order, so the order of the
	 * file is kept. */
	if (req->err.code == ERR_UNSURE && ++job->tries < TRIES_MAX) {
		job_store(job);
		return;
	}
	job->err = req->err;
	job->state = JOB_DONE;
	if (!is_verdict(req->err.code))
		fail(job->load, &req->err);
}

/* ---- the ring */

/* Hand to the store, in file order, what is ready for it. */
static void
advance(struct registry_load *load)
{
	struct job *job;

	for (; load->next < load->tail; load->next++) {
		job = job_at(load, load->next);
		if (job->state == JOB_STRETCHING)
			return;
		if (job->state == JOB_DONE)
			continue; /* rejected before it got here */
		if (job->state == JOB_SAME_PIN)
			memcpy(job->put.pin, load->pin_mac, SECRET_MAC_SIZE);
		else if (job->put.has_pin)
			memcpy(load->pin_mac, job->put.pin, SECRET_MAC_SIZE);
		job_store(job);
	}
}

static void
reject(struct registry_load *load, const struct job *job)
{
	struct registry_reject r = {
		.line = job->line,
		.reason = job->err.text,
		.raw = job->raw,
		.raw_len = job->raw_len,
	};
	struct err err;

	load->counts.rows++;
	load->counts.rejected++;
	if (load->options.reject(load->options.ctx, &r, &err) == -1)
		fail(load, &err);
}

/* Count what is done, in file order.  Rows that met a failed store are not
 * counted: they are as if they had not been read. */
static void
retire(struct registry_load *load)
{
	struct job *job;

	for (; load->head < load->next; load->head++) {
		job = job_at(load, load->head);
		if (job->state != JOB_DONE)
			return;
		if (job->err.code == ERR_NONE)
			count(&load->counts, job->put.result);
		else if (is_verdict(job->err.code) &&
		    load->failed.code == ERR_NONE)
			reject(load, job);
		job_clear(job);
	}
}

/* Get on: block on the pool while it holds up a batch worth a commit, else on
 * the store. */
static void
pump(struct registry_load *load)
{
	struct pollfd pfd = { .fd = work_fd(load->pool), .events = POLLIN };

	work_dispatch(load->pool);
	if (load->failed.code != ERR_NONE)
		return;
	advance(load);
	if (load->next == load->tail ||
	    store_pending(load->options.store) >= BATCH_MIN)
		store_dispatch(load->options.store);
	else if (pfd.fd != -1)
		poll(&pfd, 1, -1);
	retire(load);
}

static int
outcome(const struct registry_load *load, struct err *err)
{
	if (load->failed.code == ERR_NONE)
		return 0;
	*err = load->failed;
	return -1;
}

static int
job_fill(
    struct job *job, const struct csv_row *row, int64_t now_us, struct err *err)
{
	struct registry_load *load = job->load;
	struct registry_row parsed;
	int rc;

	if (row->fault != NULL)
		return err_set(err, ERR_PARSE, "%s", row->fault);
	rc = registry_row_parse(
	    &parsed, load->options.header, row, clock_jst_ymd(now_us), err);
	if (rc == 0)
		rc = registry_put_fill(
		    &job->put, load->options.keys, &parsed, now_us, err);
	if (rc == 0)
		job_pin(load, job, parsed.pin);
	secret_cleanse(&parsed, sizeof(parsed));
	return rc;
}

int
registry_load_row(struct registry_load *load, const struct csv_row *row,
    int64_t now_us, struct err *err)
{
	struct job *job;

	while (load->failed.code == ERR_NONE &&
	    load->tail - load->head == JOBS_MAX)
		pump(load);
	if (outcome(load, err) == -1)
		return -1;
	job = job_at(load, load->tail);
	job->load = load;
	job->line = row->line;
	job->raw_len = row->raw_len;
	if ((job->raw = malloc(row->raw_len + 1)) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	memcpy(job->raw, row->raw, row->raw_len);
	if (job_fill(job, row, now_us, &job->err) == -1) {
		job->state = JOB_DONE;
		if (!is_verdict(job->err.code))
			fail(load, &job->err);
	}
	load->tail++;
	return outcome(load, err);
}

int
registry_load_end(struct registry_load *load, struct err *err)
{
	while (load->failed.code == ERR_NONE && load->head < load->tail)
		pump(load);
	return outcome(load, err);
}

void
registry_load_free(struct registry_load *load)
{
	uint64_t i;

	if (load == NULL)
		return;
	work_free(load->pool);
	for (i = load->head; i < load->next; i++)
		if (job_at(load, i)->state == JOB_STORING)
			store_wait(
			    load->options.store, &job_at(load, i)->put.req);
	for (i = load->head; i < load->tail; i++)
		job_clear(job_at(load, i));
	secret_cleanse(load, sizeof(*load));
	free(load);
}
