/* SPDX-License-Identifier: Apache-2.0 */
/* holdline store copy, backup, restore: all of a store into another one. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/option.h"
#include "store/copy.h"

#define BAR_WIDTH 20

static void
on_progress(void *ctx, int64_t rows, int64_t total, bool verifying)
{
	int done = total > 0 ? (int)(rows * 100 / total) : 100;

	(void)ctx;
	done = done > 100 ? 100 : done;
	fprintf(stderr, "\r[%-*.*s] %3d %%  %s\033[K", BAR_WIDTH,
	    done * BAR_WIDTH / 100, "####################", done,
	    verifying ? "reading it back" : "copying");
	fflush(stderr);
}

static int
run_copy(struct store_copy *copy, struct err *err)
{
	bool bar = isatty(STDERR_FILENO);
	int rc;

	log_set_level(LOG_LEVEL_WARN);
	copy->progress = bar ? on_progress : NULL;
	rc = store_copy(copy, err);
	if (bar)
		fputs("\r\033[K", stderr);
	return rc;
}

static void
print_copy(const struct store_copy *copy, const char *what)
{
	int i;

	printf("%s: %" PRId64 " rows of %u tables, read back and the same.\n"
	       "The audit chain is whole: %" PRId64 " leaves.\n"
	       "Digest ",
	    what, copy->rows, copy->n_tables, copy->leaves);
	for (i = 0; i < STORE_DIGEST_SIZE; i++)
		printf("%02x", copy->digest[i]);
	putchar('\n');
}

/* ---- copy */

static void
warn_alive(const struct cli_command *self, const struct store_copy *copy)
{
	fprintf(stderr,
	    "holdline %s: warning: %d server%s still ran on the old store "
	    "(%s%s) and sends callers to people now; stop it, and start it on "
	    "the new one\n",
	    self->name, copy->n_alive, copy->n_alive > 1 ? "s" : "",
	    copy->alive, copy->n_alive > 1 ? ", ..." : "");
}

static int
copy_run(const struct cli_command *self, int argc, char **argv)
{
	struct store_copy copy = { .freeze = false };
	bool rehearse = false;
	const struct cli_option options[] = {
		{ 0, "from", &copy.from, NULL },
		{ 0, "to", &copy.to, NULL },
		{ 0, "rehearse", NULL, &rehearse },
		{ 0, "update", NULL, &copy.update },
		{ 0, NULL, NULL, NULL },
	};
	struct err err = { 0 };
	int rc;

	if (cli_options(self, argc, argv, options, 0, 0, &rc) == -1)
		return rc;
	if (copy.from == NULL || copy.to == NULL)
		return cli_usage(self, "--from and --to are both needed");
	if (strcmp(copy.from, copy.to) == 0)
		return cli_usage(self, "--from and --to are the same");
	if (access(copy.from, F_OK) == -1 && strchr(copy.from, '=') == NULL &&
	    strstr(copy.from, "://") == NULL)
		return cli_fail(self, "--from names a file that is not there");
	copy.freeze = copy.close = !rehearse;
	if (run_copy(&copy, &err) == -1)
		return cli_fail(self, err.text);
	print_copy(&copy, rehearse ? "Copied" : "Moved");
	if (!rehearse)
		puts("The old store is closed: servers refuse it.");
	if (!rehearse && copy.n_alive > 0)
		warn_alive(self, &copy);
	return 0;
}

const struct cli_command cli_store_copy = {
	.name = "store copy",
	.summary = "Move a store from one engine to another",
	.help =
	    "Usage: holdline store copy --from STORE --to STORE [--rehearse]\n"
	    "                           [--update]\n"
	    "\n"
	    "Copies all of a store into an empty one.  STORE is what the\n"
	    "setting store may be: an SQLite file or a PostgreSQL URL.  The\n"
	    "copy is one transaction: it is committed when every table that\n"
	    "was written has been read back with the same rows and digest,\n"
	    "and otherwise nothing is kept and it can be begun again.\n"
	    "\n"
	    "Nobody can write into the old store meanwhile, nor afterwards:\n"
	    "it is closed when the copy is committed.  A server that still\n"
	    "runs on it sends its callers to people.  To move:\n"
	    "\n"
	    "  1. copy with --rehearse while calls are served;\n"
	    "  2. bring that copy up to date with --rehearse --update, to\n"
	    "     learn how long the stop will be;\n"
	    "  3. stop the servers, which drain politely;\n"
	    "  4. copy with --update;\n"
	    "  5. name the new store in the configuration and start them.\n"
	    "\n"
	    "Options:\n"
	    "      --from STORE  the store to read\n"
	    "      --to STORE    the empty store to write; a file is made\n"
	    "      --rehearse    let calls be served meanwhile: what they\n"
	    "                    change is not in the copy, and the old\n"
	    "                    store stays the one to use\n"
	    "      --update      the store to write has an earlier copy:\n"
	    "                    write what has changed since; all of it is\n"
	    "                    read back all the same; refused when it has\n"
	    "                    what the old one lacks, or a server runs on it\n"
	    "  -h, --help        print this\n"
	    "\n"
	    "Example:\n"
	    "  holdline store copy --from /var/lib/holdline/holdline.db \\\n"
	    "      --to 'postgresql://holdline@db1/holdline'\n",
	.run = copy_run,
};

/* ---- backup */

/* The file and its folder are on disk under the name. */
static int
put_in_place(const char *part, const char *path, struct err *err)
{
	if (link(part, path) == -1)
		return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	unlink(part);
	return 0;
}

static void
remove_part(const char *part)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char *path;
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (asprintf(&path, "%s%s", part, ends[i]) == -1)
			return;
		unlink(path);
		free(path);
	}
}

static int
backup(const char *store, const char *path, struct store_copy *copy,
    struct err *err)
{
	char *part;
	int rc;

	if (access(path, F_OK) == 0)
		return err_set(err, ERR_REFUSED,
		    "%s is there already and is not overwritten", path);
	if (asprintf(&part, "%s.part", path) == -1)
		return err_set(err, ERR_NOMEM, "out of memory");
	remove_part(part); /* of one that was killed */
	copy->from = store;
	copy->to = part;
	rc = run_copy(copy, err);
	if (rc == 0)
		rc = put_in_place(part, path, err);
	if (rc == -1)
		remove_part(part);
	free(part);
	return rc;
}

/* The store that the configuration names. */
static int
with_store(const struct cli_command *self, int argc, char **argv,
    int (*fn)(const char *store, const char *path, struct store_copy *copy,
	struct err *err),
    const char *what)
{
	const char *path = NULL;
	const struct cli_option options[] = {
		{ 'c', "config", &path, NULL },
		{ 0, NULL, NULL, NULL },
	};
	struct store_copy copy = { .freeze = false };
	struct err err = { 0 };
	struct conf *conf;
	int at, rc;

	if ((at = cli_options(self, argc, argv, options, 1, 1, &rc)) == -1)
		return rc;
	if ((conf = cli_conf_load(path, NULL, &err)) == NULL)
		return cli_fail(self, err.text);
	if (fn(conf->store, argv[at], &copy, &err) == -1)
		rc = cli_fail(self, err.text);
	else {
		print_copy(&copy, what);
		rc = 0;
	}
	conf_free(conf);
	return rc;
}

static int
backup_run(const struct cli_command *self, int argc, char **argv)
{
	return with_store(self, argc, argv, backup, "Backed up");
}

const struct cli_command cli_store_backup = {
	.name = "store backup",
	.summary = "Make a consistent copy of the store while it is in use",
	.help =
	    "Usage: holdline store backup [-c FILE] BACKUP\n"
	    "\n"
	    "Writes all of the store, as it is at one instant, into the new\n"
	    "file BACKUP, whatever the engine; calls are served meanwhile.\n"
	    "BACKUP is an SQLite store that only its owner may read.  It\n"
	    "gets its name when all of it has been read back and is the\n"
	    "same.  The key file is not in it: keep that elsewhere.\n"
	    "\n"
	    "Options:\n"
	    "  -c, --config FILE  configuration file\n"
	    "  -h, --help         print this\n"
	    "\n"
	    "Example:\n"
	    "  holdline store backup /backup/holdline-$(date +%F).db\n",
	.run = backup_run,
};

/* ---- restore */

static int
restore(const char *store, const char *path, struct store_copy *copy,
    struct err *err)
{
	if (access(path, R_OK) == -1)
		return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	copy->from = path;
	copy->to = store;
	copy->freeze = true;
	return run_copy(copy, err);
}

static int
restore_run(const struct cli_command *self, int argc, char **argv)
{
	return with_store(self, argc, argv, restore, "Restored");
}

const struct cli_command cli_store_restore = {
	.name = "store restore",
	.summary = "Fill an empty store from a backup",
	.help =
	    "Usage: holdline store restore [-c FILE] BACKUP\n"
	    "\n"
	    "Fills the store that the configuration names, which must be\n"
	    "empty, from BACKUP, into either engine.  It is committed when\n"
	    "every table has been read back with the rows and the digest of\n"
	    "the backup and the audit chain is whole; otherwise nothing is\n"
	    "kept.  The digest that is printed is the one that `store\n"
	    "backup` printed.\n"
	    "\n"
	    "What the revocation cache says may be newer than the backup:\n"
	    "stop the servers first, and compare before they start again.\n"
	    "\n"
	    "Options:\n"
	    "  -c, --config FILE  configuration file\n"
	    "  -h, --help         print this\n"
	    "\n"
	    "Example:\n"
	    "  holdline store restore /backup/holdline-2026-11-24.db\n",
	.run = restore_run,
};
