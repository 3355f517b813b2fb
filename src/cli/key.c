/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "cli/option.h"

static const char advice_store[] =
    "Keep a copy where the store and its backups are not: without this key no "
    "caller\ncan be verified, and the registry must be imported again under a "
    "new one.\n";

static const char advice_cache[] =
    "The setting redis.mac_key_file tells where it is.  Copy it to the hosts of "
    "the\nresponders, over a channel that keeps it secret; it is no use for "
    "anything else.\n";

static int
key_create_run(const struct cli_command *self, int argc, char **argv)
{
	bool cache = false;
	const struct cli_option options[] = {
		{ 0, "cache", NULL, &cache },
		{ 0, NULL, NULL, NULL },
	};
	struct err err;
	int at, rc;

	if ((at = cli_options(self, argc, argv, options, 1, 1, &rc)) == -1)
		return rc;
	rc = cache ? keyring_create_cache(argv[at], &err)
		   : keyring_create(argv[at], &err);
	if (rc == -1)
		return cli_fail(self, err.text);
	printf("%s was created; only its owner may read it.\n%s", argv[at],
	    cache ? advice_cache : advice_store);
	return 0;
}

const struct cli_command cli_key_create = {
	.name = "key create",
	.summary = "Create a key file, for the store or the revocation cache",
	.help =
	    "Usage: holdline key create [--cache] FILE\n"
	    "\n"
	    "Creates a key file with one random key, version 1, that only\n"
	    "its owner may read.  Birth dates, postal codes, telephone\n"
	    "numbers and PINs are kept in the store as keyed hashes, and\n"
	    "contacts sealed, under this key.  A file that exists is never\n"
	    "overwritten.  The setting key_file tells where it is.\n"
	    "\n"
	    "With --cache it is the key that signs the records in the\n"
	    "revocation cache, so that whoever can write into Redis can make\n"
	    "none.  The hosts of responders get this one and no other.  The\n"
	    "setting redis.mac_key_file tells where it is.\n"
	    "\n"
	    "Options:\n"
	    "      --cache  a key for the revocation cache\n"
	    "  -h, --help   print this\n"
	    "\n"
	    "Examples:\n"
	    "  holdline key create /etc/holdline/keys\n"
	    "  holdline key create --cache /etc/holdline/cache-key\n",
	.run = key_create_run,
};
