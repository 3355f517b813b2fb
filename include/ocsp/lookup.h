/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup.h -- what the revocation cache says now about certificates.
 *
 * All who ask in one turn of the event loop are answered together: their
 * records and then the watermark, in one pipeline.  "Good" needs more than a
 * watermark that proves itself: the one read before the records, on the same
 * connection, must be complete and of the same epoch, so that nothing was
 * wiped or refilled in between.  Loop thread only.
 */
#ifndef OCSP_LOOKUP_H
#define OCSP_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "wire/status_record.h"

struct err;
struct event_base;
struct keyring;
struct ocsp_lookup; /* opaque */
struct redis_link_options;
struct timers;

/* One certificate. */
struct ocsp_question {
	char key[RECORD_KEY_SIZE]; /* in: record_key() */
	struct record record;      /* out; .found may be anything */
	enum record_verdict verdict;
};

/* Everything that one request asks; embed it. */
struct ocsp_ask {
	STAILQ_ENTRY(ocsp_ask) link;
	struct ocsp_question *questions; /* borrowed until done() */
	size_t n;                        /* may be 0 */
	/* Called once, from a later event; the verdicts are RECORD_IS_UNPROVEN
	 * when the cache did not answer. */
	void (*done)(struct ocsp_ask *ask);
};

struct ocsp_lookup_options {
	struct event_base *base; /* borrowed */
	struct timers *timers;   /* borrowed */
	/* How to reach Redis; base, timers and callbacks are filled in here. */
	const struct redis_link_options *link;
	const struct keyring *mac; /* borrowed; NULL = records have no MAC */
	int64_t wait_us; /* whoever waited so long is told "unproven" */
};

/* Starts connecting.  Owned (ocsp_lookup_free); NULL with *err. */
struct ocsp_lookup *ocsp_lookup_new(
    const struct ocsp_lookup_options *options, struct err *err);

/* Those who wait are told "unproven".  NULL is a no-op. */
void ocsp_lookup_free(struct ocsp_lookup *lookup);

/* Ask; *ask is borrowed until its done(). */
void ocsp_lookup_ask(struct ocsp_lookup *lookup, struct ocsp_ask *ask);

/* Did the last watermark, at most a second or two ago, prove that "good" can
 * be said? */
bool ocsp_lookup_proven(const struct ocsp_lookup *lookup);

#endif
