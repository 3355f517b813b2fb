/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/err.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "cli/option.h"

static int
key_create_run(const struct cli_command *self, int argc, char **argv)
{
	static const struct cli_option options[] = { { 0, NULL, NULL, NULL } };
	struct err err;
	int at, rc;

	if ((at = cli_options(self, argc, argv, options, 1, 1, &rc)) == -1)
		return rc;
	if (keyring_create(argv[at], &err) == -1)
		return cli_fail(self, err.text);
	printf("%s was created; only its owner may read it.\n"
	       "Keep a copy where the store and its backups are not: without "
	       "this key no caller\ncan be verified, and the registry must be "
	       "imported again under a new one.\n",
	    argv[at]);
	return 0;
}

const struct cli_command cli_key_create = {
	.name = "key create",
	.summary = "Create a key file for the store's keyed hashes",
	.help =
	    "Usage: holdline key create FILE\n"
	    "\n"
	    "Creates a key file with one random key, version 1, that only\n"
	    "its owner may read.  Birth dates, postal codes, telephone\n"
	    "numbers and PINs are kept in the store as keyed hashes, and\n"
	    "contacts sealed, under this key.  A file that exists is never\n"
	    "overwritten.  The setting key_file tells where it is.\n"
	    "\n"
	    "Options:\n"
	    "  -h, --help  print this\n"
	    "\n"
	    "Example:\n"
	    "  holdline key create /etc/holdline/keys\n",
	.run = key_create_run,
};
