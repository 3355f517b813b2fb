/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "cli/option.h"
#include "cli/registry_first.h"
#include "cli/registry_load.h"
#include "cli/registry_reject.h"
#include "cli/registry_resume.h"
#include "cli/registry_row.h"
#include "cli/registry_show.h"
#include "wire/csv.h"

#define PIECE (64 * 1024) /* bytes read at once */

/* One import under way. */
struct import {
	const char *path; /* "-" = standard input */
	char *rejects;    /* where rejected rows go; owned */
	int fd;
	FILE *reject_file; /* NULL until there is one to write */
	struct cli_site site;
	struct csv *csv;
	struct registry_header header;
	struct registry_load *load; /* NULL until the header was read */
	struct err err;             /* why it has stopped */
	struct registry_resume resume;
	bool from_start; /* asked for */
	bool is_first;   /* likewise */
	struct registry_first first;
	bool jump; /* after the header: to where it was */
	struct registry_progress progress;
};

static const char *
name_of(const struct import *im)
{
	return strcmp(im->path, "-") == 0 ? "standard input" : im->path;
}

/* ---- rows that are rejected */

static int
on_reject(void *ctx, const struct registry_reject *r, struct err *err)
{
	struct import *im = ctx;

	if (im->reject_file == NULL &&
	    (im->reject_file = registry_reject_open(im->rejects, err)) == NULL)
		return -1;
	return registry_reject_write(im->reject_file, im->rejects, r, err);
}

/* ---- going on where an earlier import was */

static int
on_mark(void *ctx, uint64_t start, uint64_t line,
    struct store_import_mark *mark, struct err *err)
{
	struct import *im = ctx;
	int64_t rejects;

	if (registry_reject_sync(im->reject_file, im->rejects, &rejects, err) ==
	    -1)
		return -1;
	return registry_resume_mark(
	    &im->resume, start, line, rejects, mark, err);
}

/* Go on with the rows that were rejected so far; *gone: they are not there. */
static int
resume_rejects(struct import *im, bool *gone)
{
	*gone = false;
	if (!im->resume.found || im->resume.mark.rejects == 0)
		return 0;
	im->reject_file = registry_reject_reopen(
	    im->rejects, im->resume.mark.rejects, &im->err);
	*gone = im->reject_file == NULL;
	return *gone && im->err.code == ERR_CONFLICT ? -1 : 0;
}

static int
close_rejects(struct import *im)
{
	FILE *f = im->reject_file;

	im->reject_file = NULL;
	return registry_reject_close(f, im->rejects, &im->err);
}

/* A first load: its rows may all be there. */
static bool
rows_are_in(const struct import *im)
{
	return im->first.stage == STORE_FIRST_INDEX ||
	    im->first.stage == STORE_FIRST_AGAIN;
}

static int
first_begin(struct import *im, bool from_start)
{
	im->first.bar = im->progress.bar;
	return registry_first_begin(&im->first, im->site.store, &im->resume,
	    im->progress.size, from_start, &im->err);
}

/* All rows were taken in before. */
static void
say_rows_are_in(const struct import *im, bool gone)
{
	fprintf(stderr,
	    "All rows were taken in by an earlier run; going on after "
	    "them.\n");
	if (gone)
		fprintf(stderr, "The lines that it rejected are lost: %s.\n",
		    im->err.text);
}

/* Where rows were taken in before, by a first load or not.  Only reading all
 * rows again can tell which ones were rejected. */
static int
resume_at(struct import *im)
{
	bool gone;

	if (resume_rejects(im, &gone) == -1 ||
	    (im->is_first && first_begin(im, im->from_start) == -1))
		return -1;
	if (rows_are_in(im)) {
		say_rows_are_in(im, gone);
		return 0;
	}
	if (!im->resume.found && close_rejects(im) == -1)
		return -1; /* a list of rows that nothing was kept of */
	if (im->resume.found && gone) {
		fprintf(stderr,
		    "An earlier import was stopped, but %s; starting from "
		    "the start.\n",
		    im->err.text);
		registry_resume_forget(&im->resume);
		if (im->is_first)
			return first_begin(im, true);
	}
	im->jump = im->resume.found;
	return 0;
}

/* Is there something to go on with? */
static int
resume(struct import *im)
{
	char line[REGISTRY_NUMBER_SIZE];

	if (im->progress.size == 0)
		return 0;
	if (registry_resume_open(&im->resume, im->site.store, im->site.keys,
		im->fd, im->progress.size, im->is_first, &im->err) == -1)
		return -1;
	if (im->from_start)
		registry_resume_forget(&im->resume);
	if (resume_at(im) == -1)
		return -1;
	if (im->jump)
		fprintf(stderr,
		    "Going on at line %s, where an earlier import of this "
		    "file had come to; --from-start reads all of it.\n",
		    registry_commas(line, im->resume.mark.line));
	return 0;
}

/* The header is known: leave out what is stored already. */
static int
jump(struct import *im)
{
	const struct store_import_mark *mark = &im->resume.mark;

	im->jump = false;
	if (lseek(im->fd, mark->taken, SEEK_SET) == -1)
		return err_set(&im->err, ERR_IO, "%s", strerror(errno));
	csv_jump(im->csv, (uint64_t)mark->taken, (uint64_t)mark->line);
	im->progress.taken = mark->taken;
	return 0;
}

/* ---- reading */

static struct registry_load_options
load_options(struct import *im)
{
	return (struct registry_load_options){
		.store = im->site.store,
		.keys = im->site.keys,
		.header = &im->header,
		.first = im->is_first ? im->first.run : 0,
		.threads = registry_load_threads(),
		.pause_us = REGISTRY_PAUSE_US,
		.page_us =
		    store_one_writer(im->site.store) ? REGISTRY_PAGE_US : 0,
		.reject = on_reject,
		.mark = im->resume.store != NULL ? on_mark : NULL,
		.ctx = im,
	};
}

/* The first row: it must be the header. */
static int
take_header(struct import *im, const struct csv_row *row)
{
	struct registry_load_options options = load_options(im);

	if (registry_text_check(row, &im->err) == -1 ||
	    registry_header_parse(&im->header, row, &im->err) == -1)
		return -1;
	im->load = registry_load_new(&options, &im->err);
	return im->load != NULL ? 0 : -1;
}

static int
on_row(void *ctx, const struct csv_row *row)
{
	struct import *im = ctx;
	int64_t now_us = clock_wall_us();

	if (im->load == NULL)
		return take_header(im, row);
	if (im->jump)
		return -1; /* to jump() */
	if (registry_load_row(im->load, row, now_us, &im->err) == -1)
		return -1;
	registry_progress_show(
	    &im->progress, registry_load_counts(im->load).rows);
	return 0;
}

/* Read the file to its end.  -1 with im->err. */
static int
read_file(struct import *im)
{
	char *piece = malloc(PIECE);
	ssize_t n = -1;
	int rc = 0;

	if (piece == NULL)
		return err_set(&im->err, ERR_NOMEM, "out of memory");
	while (rc == 0 && (n = read(im->fd, piece, PIECE)) > 0) {
		im->progress.taken += n;
		rc = csv_feed(im->csv, piece, (size_t)n);
		if (im->jump && im->load != NULL)
			rc = jump(im);
	}
	if (rc == 0 && n == -1)
		rc = err_set(&im->err, ERR_IO, "%s", strerror(errno));
	if (rc == 0)
		rc = csv_end(im->csv);
	if (rc == 0 && im->load == NULL)
		rc = err_set(&im->err, ERR_PARSE, "it is empty");
	if (rc == 0)
		rc = registry_load_end(im->load, &im->err);
	secret_cleanse(piece, PIECE);
	free(piece);
	return rc;
}

/* Say why it has stopped, and what is known then. */
static int
explain(struct import *im, const struct cli_command *self)
{
	char text[1024], taken[REGISTRY_NUMBER_SIZE];

	if (rows_are_in(im))
		snprintf(text, sizeof(text),
		    "%s: %s; all rows were taken in: when the cause is "
		    "removed, import the file again, and it goes on after them",
		    name_of(im), im->err.text);
	else if (im->load == NULL && im->err.code == ERR_PARSE)
		snprintf(text, sizeof(text),
		    "%s: %s; nothing was imported.  The first line must be "
		    "%s",
		    name_of(im), im->err.text, REGISTRY_HEADER);
	else if (im->load == NULL)
		snprintf(text, sizeof(text), "%s: %s; nothing was imported",
		    name_of(im), im->err.text);
	else
		snprintf(text, sizeof(text),
		    "%s: %s; it has stopped after %s rows.  They are kept: "
		    "when the cause is removed, import the file again%s",
		    name_of(im), im->err.text,
		    registry_commas(taken, registry_load_counts(im->load).rows),
		    im->resume.store != NULL ? ", and it goes on there"
					     : " from its start");
	return cli_fail(self, text);
}

/* What a first load does after its rows, all of which are marked.  The list of
 * rejected ones is closed before the store forgets that there was one. */
static int
first_end(struct import *im, struct registry_counts *counts)
{
	struct registry_load_options options = load_options(im);
	const uint64_t size = (uint64_t)im->progress.size;
	struct store_import_mark mark = im->resume.mark, now;
	struct registry_again again;

	registry_progress_clear(&im->progress);
	if (!rows_are_in(im) && on_mark(im, size, 0, &mark, &im->err) == -1)
		return -1;
	if (registry_first_place(&im->first, &mark, &im->err) == -1 ||
	    registry_first_again(&im->first, &options, &again, &im->err) ==
		-1 ||
	    close_rejects(im) == -1)
		return -1;
	registry_resume_forget(&im->resume); /* and read all of it once more */
	if (registry_resume_mark(&im->resume, size, 0, 0, &now, &im->err) == -1)
		return -1;
	if (memcmp(now.digest, mark.digest, sizeof(now.digest)) != 0)
		return err_set(&im->err, ERR_CONFLICT,
		    "it was changed while it was read; put the old one back");
	return registry_first_end(&im->first, &again, counts, &im->err);
}

static int
import(struct import *im, const struct cli_command *self)
{
	struct registry_counts counts = { .rows = 0 };
	bool loading = false;
	int rc;

	if ((im->csv = csv_new(on_row, im)) == NULL)
		return cli_fail(self, "out of memory");
	im->progress.begun_us = clock_mono_us();
	rc = resume(im);
	if (rc == 0 && !rows_are_in(im))
		rc = read_file(im);
	if (im->load != NULL)
		counts = registry_load_counts(im->load);
	if (rc == 0 && im->is_first)
		rc = first_end(im, &counts);
	if (close_rejects(im) == -1)
		rc = -1;
	if (rc == 0 && !im->is_first)
		rc = registry_resume_end(&im->resume, im->site.store,
		    counts.rows - counts.rejected, &loading, &im->err);
	registry_progress_clear(&im->progress);
	rc = rc == -1 ? explain(im, self) : 0;
	if (rc == 0)
		registry_summary(counts, im->rejects);
	if (loading)
		fputs("A first load has not ended, and this was not all of the "
		      "registry: go on with it (--first), or import the whole "
		      "registry with --from-start.\n",
		    stderr);
	registry_load_free(im->load);
	csv_free(im->csv);
	return rc;
}

/* ---- the command */

static int
open_input(struct import *im, struct err *err)
{
	struct stat st;

	im->fd = strcmp(im->path, "-") == 0
	    ? STDIN_FILENO
	    : open(im->path, O_RDONLY | O_CLOEXEC);
	if (im->fd == -1 || fstat(im->fd, &st) == -1)
		return err_set(
		    err, ERR_IO, "%s: %s", name_of(im), strerror(errno));
	if (S_ISDIR(st.st_mode))
		return err_set(err, ERR_IO, "%s: it is a folder", im->path);
	im->progress.size = S_ISREG(st.st_mode) ? st.st_size : 0;
	im->progress.bar = isatty(STDERR_FILENO);
	if (im->is_first && im->progress.size == 0)
		return err_set(err, ERR_REFUSED,
		    "%s: a first load reads parts of it twice; give it a file "
		    "that has something in it",
		    name_of(im));
	return 0;
}

static int
import_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf = NULL, *rejects = NULL;
	bool from_start = false, first = false;
	const struct cli_option options[] = {
		{ 'c', "config", &conf, NULL },
		{ 'r', "rejects", &rejects, NULL },
		{ 's', "from-start", NULL, &from_start },
		{ 'f', "first", NULL, &first },
		{ 0, NULL, NULL, NULL },
	};
	struct import im = { .fd = -1 };
	struct err err;
	int at, rc;

	if ((at = cli_options(self, argc, argv, options, 1, 1, &rc)) == -1)
		return rc;
	secret_no_core();
	im.path = argv[at];
	im.from_start = from_start;
	im.is_first = first;
	if (open_input(&im, &err) == -1 ||
	    (im.rejects = registry_reject_choose(
		 strcmp(im.path, "-") == 0 ? "stdin" : im.path, rejects, im.fd,
		 &err)) == NULL ||
	    cli_open_busy(&im.site, conf, &err) == -1)
		rc = cli_fail(self, err.text);
	else
		rc = import(&im, self);
	cli_close(&im.site);
	free(im.rejects);
	if (im.fd > STDIN_FILENO)
		close(im.fd);
	return rc;
}

const struct cli_command cli_registry_import = {
	.name = "registry import",
	.summary = "Take in holders and their certificates from a CSV file",
	.help =
	    "Usage: holdline registry import [-c FILE] [--rejects FILE]\n"
	    "                                [--first] [--from-start] FILE\n"
	    "\n"
	    "Takes the registry's holders and certificates into the store.\n"
	    "FILE is CSV in UTF-8 with a header; \"-\" reads standard input.\n"
	    "Each line is one certificate with its holder.  The columns, in\n"
	    "any order:\n"
	    "\n"
	    "  holder_ref         the registry's name for the holder; never a\n"
	    "                     My Number\n"
	    "  birth_date         YYYY-MM-DD\n"
	    "  postal_code        seven digits, with or without the hyphen\n"
	    "  municipality_code  six digits with their check digit\n"
	    "  telephones         up to four, between them a space or ';'\n"
	    "  pin                4 to 10 digits, or empty\n"
	    "  kana_name          or empty\n"
	    "  carrier            card or smartphone\n"
	    "  kind               signature or authentication\n"
	    "  issuer             SHA-1 of the issuer's key, 40 hexadecimal\n"
	    "                     digits\n"
	    "  serial             hexadecimal\n"
	    "  not_before         YYYY-MM-DD\n"
	    "  not_after          YYYY-MM-DD\n"
	    "  status             good (or empty), hold or revoked\n"
	    "  mail               for notices; these three columns may be\n"
	    "  address            left out\n"
	    "  lang               such as ja or en\n"
	    "\n"
	    "A line that is not right is written to the rejects file with\n"
	    "its number and the reason, and the rest is read on.  Importing\n"
	    "the same file again changes nothing.  A good in the file never\n"
	    "lifts a hold.  An import that was stopped goes on where it was\n"
	    "when the same file is imported again.\n"
	    "\n"
	    "Options:\n"
	    "  -c, --config FILE   configuration file\n"
	    "  -r, --rejects FILE  where rejected lines go; FILE.rejects\n"
	    "                      unless given, stdin.rejects for \"-\".\n"
	    "                      Only the owner may read it\n"
	    "  -f, --first         for a registry that is still empty: many\n"
	    "                      times faster, but nobody is found before\n"
	    "                      the end; best before the servers start\n"
	    "  -s, --from-start    read all of FILE, even if an earlier\n"
	    "                      import of it was stopped in the middle;\n"
	    "                      with --first, forget whatever file it was\n"
	    "  -h, --help          print this\n"
	    "\n"
	    "Exit status: 0 when the file was read to its end, even if lines\n"
	    "were rejected; 1 when it was not; 2 for a wrong command line.\n"
	    "\n"
	    "Example:\n"
	    "  holdline registry import holders.csv\n"
	    "  1,234 rows: 1,200 new, 10 changed, 20 unchanged, 4 rejected\n"
	    "  (see holders.csv.rejects)\n",
	.run = import_run,
};
