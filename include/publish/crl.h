/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crl.h -- an issuer's full and delta CRL, from the store into their files.
 *
 * <issuer key hash>.crl and <issuer key hash>-delta.crl in the folder; a
 * responder serves them as they are.  The full one has everything that is not
 * good, on every run: some relying parties ignore deltas.  The delta names
 * what changed since the base, with removeFromCRL for what was lifted.  An
 * expired certificate stays until it was in one base after its last day.
 *
 * Blocks, for seconds where there are a million entries: never on the event
 * loop.  Opens the store for itself.  Several may run at once, in one folder
 * or on several machines.  Any one thread.
 */
#ifndef PUBLISH_CRL_H
#define PUBLISH_CRL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

struct conf;

struct crl_options {
	const char *store;   /* as store_options.path; all borrowed */
	const char *dir;     /* of the lists */
	const char *signers; /* of NAME.crt and NAME.key of each issuer */
	const char *url;     /* that serves dir, with its "/"; "" = not said */
	bool delta;
	bool idp; /* issuing distribution point; needs the url */
	int64_t next_update_us;
	int64_t base_every_us;
	int64_t lock_wait_us; /* how long for another run in dir to end */
	int64_t (*wall_us)(void *ctx); /* NULL = the machine's */
	void *wall_ctx;
};

/* Options as the settings crl.* have them; borrows from `conf`. */
struct crl_options crl_options_of(const struct conf *conf);

/* Are CRLs written here at all? */
bool crl_wanted(const struct conf *conf);

/* Do the settings fit each other?  Returns 0, or -1 with *err. */
int crl_check_settings(const struct conf *conf, struct err *err);

/* That, and can every signer be loaded?  Returns 0, or -1 with *err. */
int crl_check(const struct conf *conf, struct err *err);

/* What became of one issuer's. */
struct crl_result {
	const char *signer; /* its NAME.crt; borrowed, as is error */
	const char *error;  /* NULL = both lists were written; else why not,
			       and what follows the issuer means nothing */
	char issuer[STORE_ISSUER_HEX + 1]; /* "" = the signer did not load */
	int64_t number;
	bool is_base;
	int64_t base; /* the delta's; 0 = there is no delta */
	int64_t entries, delta_entries;
	int64_t bytes, delta_bytes;
	int64_t took_us;
};
typedef void crl_result_fn(void *ctx, const struct crl_result *result);

/*
 * Write the lists of every issuer that there is a signer of, or only of one
 * ("" = of all); `done`, which may be NULL, is called after each, written or
 * not.  One that fails does not stop the others; its older files are then still
 * in place.  Returns 0, or -1 with *err: why nothing could be begun, or how many
 * failed, each of which `done` was told of.
 */
int crl_write(const struct crl_options *options, const char *issuer,
    crl_result_fn *done, void *ctx, struct err *err);

#endif
