/* SPDX-License-Identifier: Apache-2.0 */
/*
 * responder.h -- from an OCSP request's bytes to an answer's.
 *
 * Asks the cache about every CertID, and says what that proves: revoked with
 * its true time, good, unknown for issuers that are not ours; and tryLater for
 * the whole request when one of its certificates cannot be told.  An answer
 * without a nonce about one certificate is kept and given again, after the
 * cache was asked again, while it says the same.  Loop thread only.
 */
#ifndef OCSP_RESPONDER_H
#define OCSP_RESPONDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ocsp/answer.h"
#include "wire/der.h"

struct err;
struct ocsp_ask;
struct ocsp_issuers;
struct ocsp_responder; /* opaque */
struct ocsp_signers;
struct timers;

struct ocsp_responder_options {
	const struct ocsp_issuers *issuers; /* borrowed */
	struct timers *timers;              /* borrowed */
	/* As ocsp_lookup_ask(). */
	void (*look_up)(void *ctx, struct ocsp_ask *ask);
	void *ctx;
	size_t max_certs;          /* of one request, to OCSP_CERTS_MAX */
	size_t kept_max;           /* answers that are kept */
	int64_t fresh_s;           /* nextUpdate of good and held */
	int64_t fresh_revoked_s;   /* nextUpdate of revoked for good */
	unsigned int sign_threads; /* for keys on a token */
	size_t sign_queue; /* signatures under way at once; more: tryLater */
};

/* An answer; borrowed.  A refusal is one, too. */
struct ocsp_reply {
	const uint8_t *bytes;
	size_t len;
	bool cacheable;   /* by HTTP caches, until next_s */
	int64_t next_s;   /* the earliest nextUpdate */
	const char *head; /* cacheable: HTTP headers, each with its CR LF */
};

typedef void ocsp_reply_fn(void *ctx, const struct ocsp_reply *reply);

/* `signers` gets one more owner.  Owned (ocsp_responder_free); NULL with
 * *err. */
struct ocsp_responder *ocsp_responder_new(
    const struct ocsp_responder_options *options, struct ocsp_signers *signers,
    struct err *err);

/* Free; those who ask must have been answered: free the look-up before, which
 * tells them, and call ocsp_responder_drain().  NULL is a no-op. */
void ocsp_responder_free(struct ocsp_responder *r);

/* Sign from now on with another set, which gets one more owner.  -1 with *err:
 * the old one stays. */
int ocsp_responder_renew(
    struct ocsp_responder *r, struct ocsp_signers *signers, struct err *err);

/*
 * Answer a request; its bytes are borrowed until this returns.  Returns 0, and
 * fn is called once from a later event; or the refusal that is the answer.
 */
int ocsp_responder_ask(
    struct ocsp_responder *r, struct der request, ocsp_reply_fn *fn, void *ctx);

/* A descriptor that is readable when ocsp_responder_dispatch() has something
 * to do; -1 when keys are in files.  Changes with ocsp_responder_renew(). */
int ocsp_responder_fd(const struct ocsp_responder *r);

/* Take signatures that were made meanwhile. */
void ocsp_responder_dispatch(struct ocsp_responder *r);

/* Wait for all signatures under way; blocks. */
void ocsp_responder_drain(struct ocsp_responder *r);

#endif
