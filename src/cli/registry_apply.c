/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "cli/delta_file.h"
#include "cli/option.h"
#include "cli/registry_load.h"
#include "cli/registry_reject.h"
#include "cli/registry_show.h"
#include "wire/csv.h"

#define PIECE (64 * 1024) /* bytes read at once */
#define FIRST_LINES 2     /* the file's name, the header */

/* One file of news being applied. */
struct apply {
	const char *path;
	char *rejects; /* where rejected rows go; owned */
	FILE *reject_file;
	struct cli_site site;
	struct delta_file file;
	struct store_delta_begin begin; /* how far it had come */
	bool begun;
	int64_t rows; /* seen, with the first lines; only from the start */
	struct csv *csv;
	struct registry_load *load;
	struct registry_progress progress;
	struct err err; /* why it has stopped */
};

/* ---- rows that are rejected */

static int
on_reject(void *ctx, const struct registry_reject *r, struct err *err)
{
	struct apply *a = ctx;

	if (a->reject_file == NULL &&
	    (a->reject_file = registry_reject_open(a->rejects, err)) == NULL)
		return -1;
	return registry_reject_write(a->reject_file, a->rejects, r, err);
}

static int
on_mark(void *ctx, uint64_t start, uint64_t line,
    struct store_import_mark *mark, struct err *err)
{
	struct apply *a = ctx;

	memset(mark, 0, sizeof(*mark));
	mark->taken = (int64_t)start;
	mark->line = (int64_t)line;
	return registry_reject_sync(
	    a->reject_file, a->rejects, &mark->rejects, err);
}

/* ---- beginning, or going on where it was */

static int
begin(struct apply *a, bool first)
{
	a->begin.file = a->file.known;
	a->begin.first = first;
	store_delta_begin(a->site.store, &a->begin);
	if (store_await(a->site.store, &a->begin.req, &a->err) == -1)
		return -1;
	a->begun = a->begin.done_us == 0;
	return 0;
}

/* The rejected rows so far are found again by reading all rows; those that
 * took effect do not do so again. */
static int
find_rejects(struct apply *a)
{
	if (a->begin.rejects == 0)
		return 0;
	a->reject_file =
	    registry_reject_reopen(a->rejects, a->begin.rejects, &a->err);
	if (a->reject_file != NULL)
		return 0;
	if (a->err.code == ERR_CONFLICT)
		return -1;
	fprintf(stderr,
	    "It was stopped before, but %s; reading it from the start.\n",
	    a->err.text);
	a->begin.taken = 0;
	return 0;
}

static int
jump(struct apply *a)
{
	char line[REGISTRY_NUMBER_SIZE];

	if (find_rejects(a) == -1)
		return -1;
	if (lseek(a->file.fd, a->begin.taken, SEEK_SET) == -1)
		return err_set(&a->err, ERR_IO, "%s", strerror(errno));
	if (a->begin.taken == 0)
		return 0;
	fprintf(stderr, "Going on at line %s, where it had come to.\n",
	    registry_commas(line, a->begin.line));
	csv_jump(a->csv, (uint64_t)a->begin.taken, (uint64_t)a->begin.line);
	a->rows = FIRST_LINES;
	a->progress.taken = a->begin.taken;
	return 0;
}

/* ---- reading the rows */

static int
on_row(void *ctx, const struct csv_row *row)
{
	struct apply *a = ctx;

	if (a->rows < FIRST_LINES) {
		a->rows++;
		return 0;
	}
	if (registry_load_row(a->load, row, clock_wall_us(), &a->err) == -1)
		return -1;
	registry_progress_show(
	    &a->progress, registry_load_counts(a->load).rows);
	return 0;
}

static int
read_rows(struct apply *a)
{
	unsigned char piece[PIECE];
	ssize_t n = 0;
	int rc = 0;

	while (rc == 0 && (n = read(a->file.fd, piece, PIECE)) > 0) {
		a->progress.taken += n;
		rc = csv_feed(a->csv, piece, (size_t)n);
	}
	secret_cleanse(piece, sizeof(piece));
	if (rc == 0 && n == -1)
		rc = err_set(&a->err, ERR_IO, "%s", strerror(errno));
	if (rc == 0)
		rc = csv_end(a->csv);
	return rc == 0 ? registry_load_end(a->load, &a->err) : rc;
}

/* All rows have taken effect or were rejected. */
static int
finish(struct apply *a)
{
	struct store_delta_end end = { .file = &a->file.known };

	if (delta_file_check(&a->file, &a->err) == -1)
		return -1;
	store_delta_end(a->site.store, &end);
	return store_await(a->site.store, &end.req, &a->err);
}

static int
apply_rows(struct apply *a)
{
	struct registry_load_options options = {
		.store = a->site.store,
		.keys = a->site.keys,
		.delta_header = &a->file.header,
		.delta = &a->file.known,
		.threads = registry_load_threads(),
		.pause_us = REGISTRY_PAUSE_US,
		.page_us = REGISTRY_PAGE_US,
		.reject = on_reject,
		.mark = on_mark,
		.ctx = a,
	};
	int rc;

	if ((a->csv = csv_new(on_row, a)) == NULL)
		return err_set(&a->err, ERR_NOMEM, "out of memory");
	if ((a->load = registry_load_new(&options, &a->err)) == NULL)
		return -1;
	a->progress.begun_us = clock_mono_us();
	rc = jump(a) == -1 ? -1 : read_rows(a);
	if (registry_reject_close(a->reject_file, a->rejects, &a->err) == -1)
		rc = -1;
	if (rc == 0)
		rc = finish(a);
	registry_progress_clear(&a->progress);
	return rc;
}

/* ---- what the operator sees */

static void
print_done(const struct apply *a)
{
	char when[CLOCK_TEXT_SIZE];

	clock_format(a->begin.done_us, when);
	printf("Number %" PRId64 " of the feed %s was applied at %s; there is "
	       "nothing to do.\n",
	    a->file.line.seq, a->file.line.name, when);
}

static void
print_effects(const struct apply *a)
{
	struct registry_counts c = registry_load_counts(a->load);
	char n[REGISTRY_NUMBER_SIZE];

	registry_summary(c, a->rejects);
	printf("Number %" PRId64 " of the feed %s is applied: ",
	    a->file.line.seq, a->file.line.name);
	printf("%s certificate%s revoked; of the open cases ",
	    registry_commas(n, c.revoked), c.revoked == 1 ? "" : "s");
	printf("%s closed, ", registry_commas(n, c.closed));
	printf(
	    "%s moved to another municipality, ", registry_commas(n, c.moved));
	printf("%s noted.\n", registry_commas(n, c.noted));
}

/* Say why it has stopped, and what is known then. */
static int
explain(const struct apply *a, const struct cli_command *self)
{
	char text[1024], taken[REGISTRY_NUMBER_SIZE];

	if (!a->begun)
		snprintf(text, sizeof(text), "%s: %s; nothing was applied",
		    a->path, a->err.text);
	else
		snprintf(text, sizeof(text),
		    "%s: %s; it has stopped after %s rows.  They are kept: "
		    "when the cause is removed, apply the file again, and it "
		    "goes on there",
		    a->path, a->err.text,
		    registry_commas(taken,
			a->load != NULL ? registry_load_counts(a->load).rows
					: 0));
	return cli_fail(self, text);
}

static int
apply(struct apply *a, const struct cli_command *self, bool first)
{
	int rc = begin(a, first);

	if (rc == 0 && a->begin.done_us != 0)
		print_done(a);
	else if (rc == 0 && (rc = apply_rows(a)) == 0)
		print_effects(a);
	rc = rc == -1 ? explain(a, self) : 0;
	registry_load_free(a->load);
	csv_free(a->csv);
	return rc;
}

/* ---- the command */

static int
open_all(struct apply *a, const char *conf, const char *rejects)
{
	if (cli_open_busy(&a->site, conf, &a->err) == -1)
		return -1;
	if (delta_file_open(&a->file, a->path, a->site.keys, &a->err) == -1) {
		err_add(&a->err, "%s", a->path);
		return -1;
	}
	a->progress.size = a->file.st.st_size;
	a->progress.bar = isatty(STDERR_FILENO);
	a->rejects =
	    registry_reject_choose(a->path, rejects, a->file.fd, &a->err);
	return a->rejects != NULL ? 0 : -1;
}

static int
apply_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf = NULL, *rejects = NULL;
	bool first = false;
	const struct cli_option options[] = {
		{ 'c', "config", &conf, NULL },
		{ 'r', "rejects", &rejects, NULL },
		{ 'f', "first", NULL, &first },
		{ 0, NULL, NULL, NULL },
	};
	struct apply a = { .file = { .fd = -1 } };
	char text[1024];
	int at, rc;

	if ((at = cli_options(self, argc, argv, options, 1, 1, &rc)) == -1)
		return rc;
	secret_no_core();
	a.path = argv[at];
	if (open_all(&a, conf, rejects) == 0) {
		rc = apply(&a, self, first);
	} else {
		snprintf(
		    text, sizeof(text), "%s; nothing was applied", a.err.text);
		rc = cli_fail(self, text);
	}
	cli_close(&a.site);
	delta_file_close(&a.file);
	free(a.rejects);
	return rc;
}

const struct cli_command cli_registry_apply = {
	.name = "registry apply",
	.summary = "Apply the registry's news: moved, died, reissued, expired",
	.help =
	    "Usage: holdline registry apply [-c FILE] [--rejects FILE]\n"
	    "                               [--first] FILE\n"
	    "\n"
	    "Applies a file of the registry's news to holders, certificates\n"
	    "and open cases.  FILE is CSV in UTF-8 whose first line names it,\n"
	    "\n"
	    "  delta,NAME,NUMBER,ROWS\n"
	    "\n"
	    "the feed, its number in the feed, and how many rows follow the\n"
	    "header.  The columns change and holder_ref must be there; which\n"
	    "of the others a row needs goes by its change:\n"
	    "\n"
	    "  moved     municipality_code; and if a person has moved: date,\n"
	    "            birth_date, postal_code, and what else callers are\n"
	    "            asked.  Ends signature certificates; open cases go\n"
	    "            along to the new municipality\n"
	    "  died      ends all certificates and open cases\n"
	    "  reissued  carrier, kind, issuer, serial, not_before, not_after\n"
	    "            of the new one, replaces: the old one's serial, which\n"
	    "            is revoked\n"
	    "  expired   issuer, serial.  A case ends when nothing else is\n"
	    "            left in it\n"
	    "\n"
	    "Nothing here lifts a hold.  Files of a feed are applied in the\n"
	    "order of their numbers, each once: applying one again changes\n"
	    "nothing, one that was stopped goes on where it was, and a gap is\n"
	    "refused.  A row that is not right is written to the rejects file\n"
	    "with its number and the reason, and the rest is applied.\n"
	    "\n"
	    "Options:\n"
	    "  -c, --config FILE   configuration file\n"
	    "  -r, --rejects FILE  where rejected lines go; FILE.rejects\n"
	    "                      unless given.  Only the owner may read it\n"
	    "  -f, --first         the feed begins with this file, or a gap\n"
	    "                      before it was filled by an import of the\n"
	    "                      whole registry\n"
	    "  -h, --help          print this\n"
	    "\n"
	    "Exit status: 0 when the file was applied to its end, now or\n"
	    "before, even if lines were rejected; 1 when it was not; 2 for a\n"
	    "wrong command line.\n"
	    "\n"
	    "Example:\n"
	    "  holdline registry apply delta-42.csv\n"
	    "  4 rows: 1 new, 2 changed, 0 unchanged, 1 rejected (see\n"
	    "  delta-42.csv.rejects)\n",
	.run = apply_run,
};
