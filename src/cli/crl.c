/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/option.h"
#include "cli/show.h"
#include "publish/crl.h"

static void
print_result(void *ctx, const struct crl_result *r)
{
	(void)ctx;
	if (r->error != NULL) {
		cli_fail(&cli_crl, r->error);
		return;
	}
	printf("%s.crl        number %" PRId64 ", %" PRId64 " entries, %" PRId64
	       " bytes, %" PRId64 " ms%s\n",
	    r->issuer, r->number, r->entries, r->bytes, r->took_us / 1000,
	    r->is_base ? ", the new base" : "");
	if (r->base != 0)
		printf("%s-delta.crl  number %" PRId64 ", %" PRId64
		       " changes since base %" PRId64 ", %" PRId64 " bytes\n",
		    r->issuer, r->number, r->delta_entries, r->base,
		    r->delta_bytes);
	fflush(stdout);
}

static void
add_result(void *ctx, const struct crl_result *r)
{
	if (r->error != NULL) {
		json_array_append_new(ctx,
		    json_pack("{s:s, s:s, s:s}", "signer", r->signer, "issuer",
			r->issuer, "error", r->error));
		return;
	}
	json_array_append_new(ctx,
	    json_pack("{s:s, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "issuer",
		r->issuer, "number", (json_int_t)r->number, "is_base",
		r->is_base, "entries", (json_int_t)r->entries, "bytes",
		(json_int_t)r->bytes, "delta_base", (json_int_t)r->base,
		"delta_entries", (json_int_t)r->delta_entries, "delta_bytes",
		(json_int_t)r->delta_bytes, "ms",
		(json_int_t)(r->took_us / 1000)));
}

static int
write_lists(const struct cli_command *self, const struct conf *conf,
    const char *issuer, bool json)
{
	struct crl_options options = crl_options_of(conf);
	json_t *list = json ? json_array() : NULL;
	struct err err;
	int rc;

	if (!crl_wanted(conf))
		return cli_fail(self,
		    "crl.dir is not set, so nothing says where the lists go; "
		    "set it, and crl.signers");
	if (crl_check_settings(conf, &err) == -1)
		rc = -1;
	else
		rc = crl_write(&options, issuer,
		    json ? add_result : print_result, list, &err);
	if (list != NULL)
		show_json(stdout, list);
	return rc == -1 ? cli_fail(self, err.text) : 0;
}

static int
crl_run(const struct cli_command *self, int argc, char **argv)
{
	const char *path = NULL, *issuer = "";
	bool json = false;
	const struct cli_option options[] = {
		{ 'c', "config", &path, NULL },
		{ 'i', "issuer", &issuer, NULL },
		{ 'j', "json", NULL, &json },
		{ 0, NULL, NULL, NULL },
	};
	uint8_t bytes[STORE_ISSUER_HEX / 2];
	struct conf *conf;
	struct err err;
	int rc;

	if (cli_options(self, argc, argv, options, 0, 0, &rc) == -1)
		return rc;
	if (issuer[0] != '\0' &&
	    (strlen(issuer) != STORE_ISSUER_HEX ||
		str_unhex(issuer, bytes, sizeof(bytes)) == -1))
		return cli_usage(self,
		    "--issuer %s: not the SHA-1 of an issuer's key, %d "
		    "hexadecimal digits",
		    issuer, STORE_ISSUER_HEX);
	log_set_level(LOG_LEVEL_WARN);
	if ((conf = cli_conf_load(path, NULL, &err)) == NULL)
		return cli_fail(self, err.text);
	rc = write_lists(self, conf, issuer, json);
	conf_free(conf);
	return rc;
}

const struct cli_command cli_crl = {
	.name = "crl",
	.summary = "Write the certificate revocation lists now",
	.help =
	    "Usage: holdline crl [-c FILE] [--issuer HASH] [--json]\n"
	    "\n"
	    "Writes the full and the delta CRL of every issuer that\n"
	    "crl.signers has a certificate and a key of, into crl.dir, as\n"
	    "HASH.crl and HASH-delta.crl: HASH is the SHA-1 of the issuer's\n"
	    "key, as `holdline cert status` names the issuer.  The server\n"
	    "does the same by itself every crl.every and after changes; both\n"
	    "may be done at once.  Files are replaced whole or not at all.\n"
	    "What is wrong with one issuer's is told, and does not stop the\n"
	    "others; the exit status is then 1.\n"
	    "\n"
	    "Options:\n"
	    "  -c, --config FILE  configuration file\n"
	    "  -i, --issuer HASH  only this issuer's\n"
	    "  -j, --json         print JSON\n"
	    "  -h, --help         print this\n"
	    "\n"
	    "Example:\n"
	    "  holdline crl && openssl crl -in HASH.crl -noout -text\n",
	.run = crl_run,
};
