/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "base/work.h"
#include "cli/delta_row.h"
#include "cli/registry_load.h"
#include "cli/registry_put.h"
#include "cli/registry_row.h"
#include "hold/ending.h"
#include "store/delta.h"
#include "store/first_load.h"
#include "store/registry.h"
#include "verify/factor.h"
#include "wire/csv.h"

#define PINS_MAX 64    /* of one page: they are slow, and progress is shown */
#define ROWS_FIRST 500 /* of the first page, where the time of one counts */
#define ROWS_MIN 100
#define TRIES_MAX 5 /* when a commit's outcome is not known */
#define PAGES 2     /* one is filled while the other is stored */
#define THREADS_MAX 4

/* One row under way. */
struct job {
	struct work_item item; /* first: the pool's */
	struct page *page;
	bool same_pin; /* has the PIN of the row before: takes its MAC */
	char pin[FACTOR_PIN_MAX + 1];
	uint64_t line;
	char *raw; /* owned */
	size_t raw_len;
	struct err err; /* why it is rejected, without asking the store */
	struct store_delta news; /* of an import only news.put */
};

/* Rows that share a commit. */
struct page {
	struct registry_load *load;
	size_t n;
	struct job jobs[STORE_PAGE_MAX];
	size_t n_pins;     /* stretched or to be stretched */
	size_t stretching; /* of them, still at the pool */
	bool storing;      /* handed to the store, and not retired yet */
	unsigned int tries;
	struct store_put *rows[STORE_PAGE_MAX]; /* of those not rejected */
	uint64_t start, line; /* of the file, where its first row begins */
	struct store_import_mark mark;
	struct store_put_page put;
	/* instead, of a first load */
	struct store_first_page first;
	/* instead, of news */
	struct store_delta *news[STORE_DELTA_PAGE];
	struct store_delta_page delta;
};

struct registry_load {
	struct registry_load_options options;
	struct work *pool;
	struct registry_counts counts;
	struct err failed; /* why the load has stopped, or ERR_NONE */
	/* The row before, whose holder may be this row's: a holder's rows
	 * stand together, and MACs, above all a PIN's, cost time. */
	struct registry_row row;
	const struct store_put *row_put; /* what became of it; NULL = none */
	/* The last PIN that came in, and the last MAC that was stored. */
	uint8_t pin_tag[SECRET_MAC_SIZE];
	char pin[FACTOR_PIN_MAX + 1];
	uint8_t pin_mac[SECRET_MAC_SIZE];
	int64_t stored_us; /* when the last page was, by the monotonic clock */
	size_t rows_max;   /* of the pages to come */
	unsigned int filling;
	bool begun; /* a page was handed to the store */
	struct page pages[PAGES];
};

/* Stop the load; the first reason stays. */
static void
fail(struct registry_load *load, const struct err *err)
{
	if (load->failed.code == ERR_NONE)
		load->failed = *err;
}

static void
page_clear(struct page *page)
{
	size_t i;

	for (i = 0; i < page->n; i++) {
		if (page->jobs[i].raw != NULL)
			secret_cleanse(
			    page->jobs[i].raw, page->jobs[i].raw_len);
		free(page->jobs[i].raw);
	}
	secret_cleanse(page->jobs, page->n * sizeof(page->jobs[0]));
	page->n = page->n_pins = page->stretching = 0;
	page->storing = false;
	page->tries = 0;
}

/* ---- PINs */

/* On a worker thread. */
static void
stretch(void *ctx, struct work_item *items)
{
	struct registry_load *load = ctx;
	struct job *job = (struct job *)items;

	if (factor_pin(load->options.keys, 0, job->news.put.tag, job->pin,
		job->news.put.pin) == -1)
		err_set(&job->err, ERR_NOMEM,
		    "out of memory while stretching a PIN");
}

static void
on_stretched(struct work_item *item)
{
	struct job *job = (struct job *)item;

	job->page->stretching--;
	if (job->err.code != ERR_NONE)
		fail(job->page->load, &job->err);
}

/* Give the PIN to the pool, unless the row before has the same. */
static void
job_pin(struct registry_load *load, struct job *job, const char *pin)
{
	if (pin[0] == '\0')
		return;
	if (strcmp(load->pin, pin) == 0 &&
	    secret_equal(load->pin_tag, job->news.put.tag)) {
		job->same_pin = true;
		return;
	}
	str_copy(load->pin, sizeof(load->pin), pin);
	memcpy(load->pin_tag, job->news.put.tag, SECRET_MAC_SIZE);
	str_copy(job->pin, sizeof(job->pin), pin);
	job->item.done = on_stretched;
	job->page->n_pins++;
	job->page->stretching++;
	work_submit(load->pool, &job->item); /* the queue has no limit */
}

static void
wait_for_pins(struct registry_load *load, struct page *page)
{
	struct pollfd pfd = { .fd = work_fd(load->pool), .events = POLLIN };

	while (page->stretching > 0)
		if (work_dispatch(load->pool) == 0 && pfd.fd != -1)
			poll(&pfd, 1, -1);
}

/* ---- at the store */

static bool
is_news(const struct registry_load *load)
{
	return load->options.delta != NULL;
}

static bool
is_first(const struct registry_load *load)
{
	return load->options.first != 0 && !load->options.again;
}

static size_t
rows_most(const struct registry_load *load)
{
	return is_news(load) ? STORE_DELTA_PAGE : STORE_PAGE_MAX;
}

struct registry_load *
registry_load_new(const struct registry_load_options *options, struct err *err)
{
	struct work_options pool = { .threads = options->threads,
		.run = stretch };
	struct registry_load *load;
	unsigned int i;

	if ((load = calloc(1, sizeof(*load))) == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	load->options = *options;
	load->rows_max = rows_most(load);
	if (options->page_us > 0 && load->rows_max > ROWS_FIRST)
		load->rows_max = ROWS_FIRST;
	for (i = 0; i < PAGES; i++)
		load->pages[i].load = load;
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

/* Does this say something about the row, and not about the store? */
static bool
is_verdict(enum err_code code)
{
	return code != ERR_UNSURE && code != ERR_STORE && code != ERR_IO &&
	    code != ERR_NOMEM;
}

unsigned int
registry_load_threads(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (unsigned int)n;
}

static struct store_req *
page_req(const struct registry_load *load, struct page *page)
{
	return is_news(load) ? &page->delta.req
	    : is_first(load) ? &page->first.req
			     : &page->put.req;
}

static void
page_hand_in(const struct registry_load *load, struct page *page)
{
	if (is_news(load))
		store_delta_page(load->options.store, &page->delta);
	else if (is_first(load))
		store_first_page(load->options.store, &page->first);
	else
		store_put_page(load->options.store, &page->put);
}

/* Rows with the PIN of the row before take its MAC, in file order. */
static void
gather_rows(struct registry_load *load, struct page *page)
{
	struct job *job;
	size_t i, n = 0;

	for (i = 0; i < page->n; i++) {
		job = &page->jobs[i];
		if (job->err.code != ERR_NONE)
			continue; /* rejected before it got here */
		if (job->same_pin)
			memcpy(
			    job->news.put.pin, load->pin_mac, SECRET_MAC_SIZE);
		else if (job->news.put.has_pin)
			memcpy(
			    load->pin_mac, job->news.put.pin, SECRET_MAC_SIZE);
		if (is_news(load))
			page->news[n++] = &job->news;
		else
			page->rows[n++] = &job->news.put;
	}
	page->put = (struct store_put_page){
		.n = n, .rows = page->rows, .run = load->options.first
	};
	page->first = (struct store_first_page){ .run = load->options.first,
		.n = n,
		.rows = page->rows,
		.start = page->start,
		.line = page->line };
	page->delta = (struct store_delta_page){ .file = load->options.delta,
		.ends = ending_of,
		.n = n,
		.rows = page->news };
}

/* Somebody else's turn: what waits for an SQLite file has no queue, and looks
 * again and again. */
static void
let_others(const struct registry_load *load)
{
	int64_t left_us =
	    load->stored_us + load->options.pause_us - clock_mono_us();
	struct timespec left = { .tv_nsec = left_us * 1000 };

	if (load->options.pause_us > 0 && left_us > 0)
		nanosleep(&left, NULL);
}

static void
page_mark(struct registry_load *load, struct page *page)
{
	struct err err;

	if (load->options.mark == NULL || !load->begun)
		return;
	page->put.mark = page->first.mark = page->delta.mark = &page->mark;
	if (load->options.mark(load->options.ctx, page->start, page->line,
		&page->mark, &err) == -1)
		fail(load, &err);
}

static void
page_submit(struct registry_load *load, struct page *page)
{
	gather_rows(load, page);
	if (load->failed.code == ERR_NONE)
		page_mark(load, page);
	if (load->failed.code != ERR_NONE)
		return;
	let_others(load);
	page->storing = load->begun = true;
	page_hand_in(load, page);
}

static void
reject(struct registry_load *load, const struct job *job, const char *reason)
{
	struct registry_reject r = {
		.line = job->line,
		.of_store = job->err.code == ERR_NONE,
		.reason = reason,
		.raw = job->raw,
		.raw_len = job->raw_len,
	};
	struct err err;

	load->counts.rejected++;
	if (load->options.reject(load->options.ctx, &r, &err) == -1)
		fail(load, &err);
}

static void
job_count(struct registry_load *load, const struct job *job)
{
	struct registry_counts *c = &load->counts;
	const struct err *err =
	    job->err.code != ERR_NONE ? &job->err : &job->news.put.req.err;

	c->rows++;
	if (err->code != ERR_NONE) {
		reject(load, job, err->text);
		return;
	}
	c->fresh += job->news.put.result == STORE_PUT_NEW;
	c->changed += job->news.put.result == STORE_PUT_CHANGED;
	c->unchanged += job->news.put.result == STORE_PUT_UNCHANGED;
	c->revoked += job->news.revoked;
	c->closed += job->news.closed;
	c->moved += job->news.moved;
	c->noted += job->news.noted;
}

/* As many rows as are stored in the time that others may wait: it depends on
 * the disk, on how large the store is, and on who else is busy. */
static void
page_adapt(struct registry_load *load, size_t rows, int64_t took_us)
{
	size_t n, most = rows_most(load);

	if (load->options.page_us == 0 || took_us <= 0)
		return;
	n = (size_t)((int64_t)rows * load->options.page_us / took_us);
	if (n > 4 * rows)
		n = 4 * rows; /* one quick page may be chance */
	if (n < ROWS_MIN)
		n = ROWS_MIN;
	load->rows_max = n < most ? n : most;
}

/* Wait until a page is durable, and count its rows in file order.  Rows that
 * met a failed store are not counted: they are as if they had not been
 * read. */
static void
page_retire(struct registry_load *load, struct page *page)
{
	struct store_req *req = page_req(load, page);
	size_t i;

	if (!page->storing)
		return;
	while (store_wait(load->options.store, req) == -1 &&
	    req->err.code == ERR_UNSURE && ++page->tries < TRIES_MAX)
		page_hand_in(load, page);
	load->stored_us = clock_mono_us();
	page_adapt(load, page->n, req->took_us);
	if (req->err.code != ERR_NONE)
		fail(load, &req->err);
	for (i = 0; i < page->n && load->failed.code == ERR_NONE; i++)
		job_count(load, &page->jobs[i]);
	page_clear(page);
}

/* The page that was filled goes to the store, after the one before it. */
static void
page_close(struct registry_load *load)
{
	struct page *page = &load->pages[load->filling];
	struct page *before = &load->pages[(load->filling + 1) % PAGES];

	load->row_put = NULL;
	wait_for_pins(load, page);
	page_retire(load, before);
	page_submit(load, page);
	load->filling = (load->filling + 1) % PAGES;
}

static int
outcome(const struct registry_load *load, struct err *err)
{
	if (load->failed.code == ERR_NONE)
		return 0;
	*err = load->failed;
	return -1;
}

/* ---- rows */

static int
job_put(struct registry_load *load, struct job *job,
    const struct registry_row *row, int64_t now_us, struct err *err)
{
	if (load->row_put != NULL &&
	    registry_row_same_holder(row, &load->row)) {
		registry_put_again(&job->news.put, load->row_put, row, now_us);
	} else if (registry_put_fill(&job->news.put, load->options.keys, row,
		       now_us, err) == -1)
		return -1;
	job_pin(load, job, row->pin);
	load->row = *row;
	load->row_put = &job->news.put;
	return 0;
}

/* News: what the row's kind needs of it. */
static int
job_news(struct registry_load *load, struct job *job,
    const struct delta_row *row, int64_t now_us, struct err *err)
{
	struct store_delta *d = &job->news;

	d->kind = row->kind;
	d->whole = row->whole;
	d->date = row->date;
	d->crl_reason =
	    row->crl_reason != -1 ? row->crl_reason : ending_reason(row->kind);
	memcpy(d->old_issuer, row->old_issuer, sizeof(d->old_issuer));
	memcpy(d->old_serial, row->old_serial, sizeof(d->old_serial));
	if (row->whole) {
		if (registry_put_fill(&d->put, load->options.keys, &row->row,
			now_us, err) == -1)
			return -1;
		job_pin(load, job, row->row.pin);
		return 0;
	}
	registry_put_ref(&d->put, load->options.keys, row->row.ref);
	memcpy(d->put.municipality, row->row.municipality,
	    sizeof(d->put.municipality));
	d->put.cert = row->row.cert;
	return 0;
}

static int
news_fill(struct registry_load *load, struct job *job,
    const struct csv_row *row, int64_t now_us, struct err *err)
{
	struct delta_row parsed;
	int rc;

	job->news.at = (int64_t)row->start;
	rc = delta_row_parse(&parsed, load->options.delta_header, row,
	    clock_jst_ymd(now_us), err);
	if (rc == 0)
		rc = job_news(load, job, &parsed, now_us, err);
	secret_cleanse(&parsed, sizeof(parsed));
	return rc;
}

static int
job_fill(struct registry_load *load, struct job *job, const struct csv_row *row,
    int64_t now_us, struct err *err)
{
	struct registry_row parsed;
	int rc;

	if (row->fault != NULL)
		return err_set(err, ERR_PARSE, "%s", row->fault);
	if (is_news(load))
		return news_fill(load, job, row, now_us, err);
	rc = registry_row_parse(
	    &parsed, load->options.header, row, clock_jst_ymd(now_us), err);
	if (rc == 0)
		rc = job_put(load, job, &parsed, now_us, err);
	secret_cleanse(&parsed, sizeof(parsed));
	return rc;
}

int
registry_load_row(struct registry_load *load, const struct csv_row *row,
    int64_t now_us, struct err *err)
{
	struct page *page = &load->pages[load->filling];
	struct job *job = &page->jobs[page->n];

	if (outcome(load, err) == -1)
		return -1;
	job->page = page;
	job->line = row->line;
	job->raw_len = row->raw_len;
	if ((job->raw = malloc(row->raw_len + 1)) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	memcpy(job->raw, row->raw, row->raw_len);
	if (page->n++ == 0) {
		page->start = row->start;
		page->line = row->line;
	}
	if (job_fill(load, job, row, now_us, &job->err) == -1 &&
	    !is_verdict(job->err.code))
		fail(load, &job->err);
	if (page->n >= load->rows_max || page->n_pins == PINS_MAX)
		page_close(load);
	return outcome(load, err);
}

int
registry_load_end(struct registry_load *load, struct err *err)
{
	unsigned int i;

	if (load->failed.code == ERR_NONE && load->pages[load->filling].n > 0)
		page_close(load);
	for (i = 0; i < PAGES; i++)
		page_retire(load, &load->pages[i]);
	return outcome(load, err);
}

void
registry_load_free(struct registry_load *load)
{
	unsigned int i;

	if (load == NULL)
		return;
	work_free(load->pool);
	for (i = 0; i < PAGES; i++) {
		if (load->pages[i].storing)
			store_wait(load->options.store,
			    page_req(load, &load->pages[i]));
		page_clear(&load->pages[i]);
	}
	secret_cleanse(load, sizeof(*load));
	free(load);
}
