/* SPDX-License-Identifier: Apache-2.0 */
/*
 * renewal.h -- signers whose certificates are renewed while we run.
 *
 * Looks once a minute whether a signer's or key's file has changed, and loads
 * all of them anew then, or when it is told to.  A new set that does not pass
 * its checks is said once and the old one stays.  Warns, once a day, of a
 * certificate that ends soon.  Loop thread only.
 */
#ifndef OCSP_RENEWAL_H
#define OCSP_RENEWAL_H

#include <stddef.h>
#include <stdint.h>

struct conf_list;
struct err;
struct ocsp_issuers;
struct ocsp_renewal; /* opaque */
struct ocsp_signers;
struct timers;

struct ocsp_renewal_options {
	struct timers *timers;              /* borrowed */
	const struct ocsp_issuers *issuers; /* borrowed */
	const struct conf_list *signers;    /* files; borrowed */
	const struct conf_list *keys;       /* files, URIs; borrowed */
	int64_t alarm_us;                   /* before the end */
	/* Another set has been loaded; keep it (ocsp_signers_keep()).  -1: it
	 * cannot be used now; tried again later. */
	int (*on_renewed)(void *ctx, struct ocsp_signers *signers);
	void *ctx;
};

/* Load the first set.  Owned (ocsp_renewal_free); NULL with *err. */
struct ocsp_renewal *ocsp_renewal_new(
    const struct ocsp_renewal_options *options, struct err *err);

/* NULL is a no-op. */
void ocsp_renewal_free(struct ocsp_renewal *renewal);

/* The set that is used; borrowed. */
struct ocsp_signers *ocsp_renewal_signers(const struct ocsp_renewal *renewal);

/* Load all files now, whether they have changed or not. */
void ocsp_renewal_now(struct ocsp_renewal *renewal);

#endif
