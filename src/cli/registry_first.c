/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "cli/registry_first.h"
#include "cli/registry_resume.h"
#include "cli/registry_row.h"
#include "wire/csv.h"

#define PIECE (64 * 1024) /* bytes read at once */

int
registry_first_begin(struct registry_first *f, struct store *store,
    struct registry_resume *resume, int64_t size, bool from_start,
    struct err *err)
{
	struct store_first_begin r = { .from_start = from_start,
		.taken = resume->found ? resume->mark.taken : 0 };

	memcpy(r.key, resume->mark.key, sizeof(r.key));
	f->store = store;
	f->fd = resume->fd;
	f->size = size;
	store_first_begin(store, &r);
	if (store_await(f->store, &r.req, err) == -1)
		return -1;
	if (r.taken == 0)
		registry_resume_forget(resume);
	f->run = r.run;
	f->stage = r.stage;
	return 0;
}

/* ---- keys, and the place */

static void
say(const struct registry_first *f, const char *doing, const char *what,
    unsigned int nr)
{
	if (f->bar)
		fprintf(stderr, "\rAll rows are in; %s %s (%u of %u)\033[K",
		    doing, what, nr + 1, STORE_FIRST_KEYS + 1U);
}

/* Most files have nothing twice: look for it only when the key says so. */
static int
make_key(struct registry_first *f, unsigned int nr,
    const struct store_import_mark *mark, struct err *err)
{
	struct store_first_key r = { .run = f->run, .nr = nr, .mark = mark };

	say(f, "indexing", store_first_key_name(nr), nr);
	store_first_key(f->store, &r);
	if (store_await(f->store, &r.req, err) == 0)
		return 0;
	if (err->code != ERR_STORE)
		return -1;
	r.sift = true;
	store_first_key(f->store, &r);
	return store_await(f->store, &r.req, err);
}

int
registry_first_place(struct registry_first *f,
    const struct store_import_mark *mark, struct err *err)
{
	struct store_first_swap swap;
	unsigned int nr;

	if (f->stage == STORE_FIRST_AGAIN)
		return 0;
	for (nr = 0; nr < STORE_FIRST_KEYS; nr++)
		if (make_key(f, nr, mark, err) == -1)
			return -1;
	say(f, "putting them", "in their place", nr);
	memset(&swap, 0, sizeof(swap));
	swap.run = f->run;
	store_first_swap(f->store, &swap);
	if (f->bar)
		fputs("\r\033[K", stderr);
	return store_await(f->store, &swap.req, err);
}

/* ---- reading pages again */

struct again {
	struct registry_first *f;
	const struct registry_load_options *options;
	struct registry_header header;
	bool header_known;
	struct store_first_next page;
	struct registry_load *load;
	int64_t odd;     /* rows whose status is not good, of their pages */
	int64_t refused; /* rows, by the store */
	struct err err;
};

/* What cannot be read was reported the first time. */
static int
on_reject(void *ctx, const struct registry_reject *r, struct err *err)
{
	struct again *a = ctx;

	if (!r->of_store)
		return 0;
	a->refused++;
	return a->options->reject(a->options->ctx, r, err);
}

/* One that cannot be read counts as good: it was reported. */
static bool
is_good(const struct again *a, const struct csv_row *row)
{
	size_t at = a->header.at[REGISTRY_STATUS];
	struct registry_row status = { .n_phones = 0 };
	char text[16];
	struct err ignored;

	return row->fault != NULL || at >= row->n ||
	    registry_trim(text, sizeof(text), row->fields[at]) == -1 ||
	    registry_column_parse(&status, REGISTRY_STATUS, text, &ignored) ==
	    -1 ||
	    status.cert.status == STORE_GOOD;
}

static int
on_row(void *ctx, const struct csv_row *row)
{
	struct again *a = ctx;

	if (!a->header_known) {
		a->header_known =
		    registry_header_parse(&a->header, row, &a->err) == 0;
		return -1; /* to the first page */
	}
	if (!a->page.all) {
		if (is_good(a, row))
			return 0;
		a->odd++;
	}
	return registry_load_row(a->load, row, clock_wall_us(), &a->err);
}

/* Feed the file from `start` to `end`, or to its own; -1 with a->err, or when
 * on_row() says stop. */
static int
feed(struct again *a, struct csv *csv, uint64_t start, uint64_t end)
{
	char *piece = malloc(PIECE);
	uint64_t left;
	ssize_t n;
	int rc = 0;

	if (piece == NULL)
		return err_set(&a->err, ERR_NOMEM, "out of memory");
	if (end > (uint64_t)a->f->size)
		end = (uint64_t)a->f->size;
	for (; rc == 0 && start < end; start += (uint64_t)n) {
		left = end - start;
		n = pread(
		    a->f->fd, piece, left < PIECE ? left : PIECE, (off_t)start);
		if (n > 0)
			rc = csv_feed(csv, piece, (size_t)n);
		else
			rc = err_set(&a->err, ERR_IO, "%s",
			    n == -1 ? strerror(errno)
				    : "it has become shorter");
	}
	/* a quote that is open there was found to be none the first time */
	if (rc == 0)
		rc = csv_end(csv);
	secret_cleanse(piece, PIECE);
	free(piece);
	return rc;
}

static int
read_header(struct again *a, struct csv *csv)
{
	feed(a, csv, 0, UINT64_MAX);
	if (a->header_known)
		return 0;
	return a->err.code != ERR_NONE
	    ? -1
	    : err_set(&a->err, ERR_PARSE, "it has no header any more");
}

static int
read_pages(struct again *a, struct csv *csv)
{
	struct registry_load_options options = *a->options;

	options.header = &a->header;
	options.mark = NULL;
	options.again = true;
	options.reject = on_reject;
	options.ctx = a;
	a->page.run = a->f->run;
	if ((a->load = registry_load_new(&options, &a->err)) == NULL)
		return -1;
	for (;; a->page.start++) {
		store_first_next(a->f->store, &a->page);
		if (store_await(a->f->store, &a->page.req, &a->err) == -1)
			return -1;
		if (!a->page.found)
			return registry_load_end(a->load, &a->err);
		csv_jump(csv, a->page.start, a->page.line);
		if (feed(a, csv, a->page.start, a->page.end) == -1)
			return -1;
	}
}

int
registry_first_again(struct registry_first *f,
    const struct registry_load_options *options, struct registry_again *again,
    struct err *err)
{
	struct again a = { .f = f, .options = options };
	struct csv *csv = csv_new(on_row, &a);
	struct registry_counts c;
	int rc = 0;

	if (csv == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (read_header(&a, csv) == -1 || read_pages(&a, csv) == -1) {
		*err = a.err;
		rc = -1;
	} else {
		c = registry_load_counts(a.load);
		*again = (struct registry_again){ .fresh = c.fresh,
			.changed = c.changed - a.odd,
			.refused = a.refused,
			.rows = c.rows };
	}
	registry_load_free(a.load);
	csv_free(csv);
	return rc;
}

static int64_t
not_less(int64_t n)
{
	return n > 0 ? n : 0;
}

int
registry_first_end(struct registry_first *f, const struct registry_again *again,
    struct registry_counts *c, struct err *err)
{
	struct store_first_done done;

	memset(&done, 0, sizeof(done));
	done.run = f->run;
	store_first_done(f->store, &done);
	if (store_await(f->store, &done.req, err) == -1)
		return -1;
	if (c->rows == 0) /* they were read by an earlier run */
		c->rows = again->rows;
	c->fresh = not_less(c->fresh + again->fresh - done.twice);
	c->changed = not_less(again->changed);
	c->rejected += again->refused;
	c->unchanged = not_less(c->rows - c->fresh - c->changed - c->rejected);
	return 0;
}
