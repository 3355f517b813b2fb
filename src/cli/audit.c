/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/option.h"
#include "store/audit.h"

/* ---- a checkpoint: lines of CHAIN.PLACE HASH */

static void
print_checkpoint(const struct store_audit_verify *r)
{
	char hex[2 * STORE_AUDIT_HASH + 1];
	size_t i;

	for (i = 0; i < r->n; i++) {
		str_hex(r->last[i].hash, STORE_AUDIT_HASH, hex);
		printf("%u.%" PRId64 " %s\n",
		    store_audit_chain(r->last[i].number),
		    store_audit_place(r->last[i].number), hex);
	}
}

static int
mark_read(const char *line, struct store_audit_mark *mark)
{
	char hex[2 * STORE_AUDIT_HASH + 1];
	unsigned int chain;
	int64_t place;
	int end = 0;

	if (sscanf(line, "%4u.%12" SCNd64 " %64[0-9a-f] %n", &chain, &place,
		hex, &end) != 3 ||
	    line[end] != '\0' || chain >= STORE_AUDIT_CHAINS || place <= 0 ||
	    str_unhex(hex, mark->hash, STORE_AUDIT_HASH) == -1)
		return -1;
	mark->number = store_audit_number(chain, place);
	return 0;
}

/* What this command printed once: its sentence is passed over. */
static int
checkpoint_read(
    FILE *f, const char *path, struct store_audit_verify *r, struct err *err)
{
	char line[256];
	unsigned int nr;

	for (nr = 1; fgets(line, sizeof(line), f) != NULL; nr++) {
		if (line[0] < '0' || line[0] > '9')
			continue;
		if (r->n_checkpoint == STORE_AUDIT_CHAINS ||
		    mark_read(line, &r->checkpoint[r->n_checkpoint]) == -1)
			return err_set(err, ERR_PARSE,
			    "%s:%u: this is no line of a checkpoint; keep the "
			    "lines as `holdline audit verify` prints them",
			    path, nr);
		r->n_checkpoint++;
	}
	if (ferror(f))
		return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	if (r->n_checkpoint == 0)
		return err_set(err, ERR_PARSE,
		    "%s: there is no checkpoint in it; keep what `holdline "
		    "audit verify` prints",
		    path);
	return 0;
}

static int
checkpoint_load(const char *path, struct store_audit_verify *r, struct err *err)
{
	FILE *f = fopen(path, "r");
	int rc;

	if (f == NULL)
		return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	rc = checkpoint_read(f, path, r, err);
	fclose(f);
	return rc;
}

/* ---- the command */

static void
print_whole(const struct store_audit_verify *r)
{
	if (r->leaves == 0) {
		puts("The audit record is empty: nothing has been changed "
		     "yet.");
		return;
	}
	printf("The audit record is whole%s: %" PRId64 " %s in %zu %s.\n",
	    r->n_checkpoint > 0 ? " and has the checkpoint in it" : "",
	    r->leaves, r->leaves == 1 ? "leaf" : "leaves", r->n,
	    r->n == 1 ? "chain" : "chains");
	print_checkpoint(r);
}

static int
audit_verify_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf = NULL, *against = NULL;
	const struct cli_option options[] = {
		{ 'c', "config", &conf, NULL },
		{ 0, "against", &against, NULL },
		{ 0, NULL, NULL, NULL },
	};
	struct store_audit_verify r = { .leaves = 0 };
	struct cli_site site;
	struct err err;
	int rc;

	if (cli_options(self, argc, argv, options, 0, 0, &rc) == -1)
		return rc;
	if (against != NULL && checkpoint_load(against, &r, &err) == -1)
		return cli_fail(self, err.text);
	if ((rc = cli_begin(self, &site, conf)) != 0)
		return rc;
	store_audit_verify(site.store, &r);
	if (store_wait(site.store, &r.req) == -1)
		rc = cli_fail(self, r.req.err.text);
	else
		print_whole(&r);
	cli_close(&site);
	return rc;
}

const struct cli_command cli_audit_verify = {
	.name = "audit verify",
	.summary = "Check that nobody has altered the record of changes",
	.help =
	    "Usage: holdline audit verify [-c FILE] [--against FILE]\n"
	    "\n"
	    "Every change of a certificate's status writes a leaf whose hash\n"
	    "covers the leaf before it, in one chain for each connection that\n"
	    "writes.  This walks all chains and prints how many leaves there\n"
	    "are and the last one of each chain, or the first leaf that does\n"
	    "not fit.\n"
	    "\n"
	    "What is printed is a checkpoint.  Keep it where whoever can write\n"
	    "into the store cannot: leaves that were cut off at the end of a\n"
	    "chain, or a chain that was made anew, show only against one.\n"
	    "\n"
	    "Options:\n"
	    "      --against FILE  also check that all that a checkpoint saw\n"
	    "                      is there still, unaltered\n"
	    "  -c, --config FILE   configuration file\n"
	    "  -h, --help          print this\n"
	    "\n"
	    "Exit status: 0 when the record is whole, 1 when it is not or\n"
	    "cannot be read.\n"
	    "\n"
	    "Example:\n"
	    "  holdline audit verify\n"
	    "  The audit record is whole: 1204 leaves in 2 chains.\n"
	    "  0.1187 5df6e0e2761359d30a8275058e299fcc...\n"
	    "  1.17 c2a4f3a0d1c5e9b67f2f44c1b8a7d3e0...\n"
	    "\n"
	    "  holdline audit verify --against checkpoint-of-yesterday\n",
	.run = audit_verify_run,
};
