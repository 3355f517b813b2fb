/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/option.h"
#include "store/audit.h"

static void
print_whole(const struct store_audit_verify *r)
{
	char hex[2 * sizeof(r->last) + 1];

	if (r->leaves == 0) {
		puts("The audit chain is empty: nothing has been changed yet.");
		return;
	}
	str_hex(r->last, sizeof(r->last), hex);
	printf("The audit chain is whole: %" PRId64 " %s.\nLast hash: %s\n",
	    r->leaves, r->leaves == 1 ? "leaf" : "leaves", hex);
}

static int
audit_verify_run(const struct cli_command *self, int argc, char **argv)
{
	const char *conf = NULL;
	const struct cli_option options[] = {
		{ 'c', "config", &conf, NULL },
		{ 0, NULL, NULL, NULL },
	};
	struct store_audit_verify r = { .leaves = 0 };
	struct cli_site site;
	struct err err;
	int rc;

	if (cli_options(self, argc, argv, options, 0, 0, &rc) == -1)
		return rc;
	if (cli_open(&site, conf, 0, &err) == -1) {
		rc = cli_fail(self, err.text);
		goto out;
	}
	store_audit_verify(site.store, &r);
	if (store_wait(site.store, &r.req) == -1)
		rc = cli_fail(self, r.req.err.text);
	else
		print_whole(&r);

out:
	cli_close(&site);
	return rc;
}

const struct cli_command cli_audit_verify = {
	.name = "audit verify",
	.summary = "Check that nobody has altered the record of changes",
	.help =
	    "Usage: holdline audit verify [-c FILE]\n"
	    "\n"
	    "Every change of a certificate's status writes a leaf whose hash\n"
	    "covers the leaf before it.  This walks the chain from its first\n"
	    "leaf and prints how many there are and the last hash, or where\n"
	    "the first leaf stands that does not fit.\n"
	    "\n"
	    "Leaves cut off at the end leave a chain that is whole.  Write\n"
	    "number and last hash down elsewhere from time to time, and\n"
	    "compare: the number never falls.\n"
	    "\n"
	    "Options:\n"
	    "  -c, --config FILE  configuration file\n"
	    "  -h, --help         print this\n"
	    "\n"
	    "Exit status: 0 when the chain is whole, 1 when it is not or\n"
	    "cannot be read.\n"
	    "\n"
	    "Example:\n"
	    "  holdline audit verify\n"
	    "  The audit chain is whole: 1204 leaves.\n"
	    "  Last hash: 5df6e0e2761359d30a8275058e299fcc...\n",
	.run = audit_verify_run,
};
