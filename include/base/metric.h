/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metric.h -- counters an operator can read.
 *
 * One table in metric.c names every counter there is, with its help.  The
 * daemon writes the non-zero ones to its log on SIGUSR1 and at its end.
 * Any thread.
 */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include <stdint.h>

enum metric {
	METRIC_CALLS,           /* calls admitted */
	METRIC_CALLS_GO_ON,     /* taken over after they were cut off */
	METRIC_CALLS_REFUSED,   /* turned away at the connection limit */
	METRIC_CALLS_HELD,      /* ended with a hold, or an earlier one */
	METRIC_CALLS_TO_PERSON, /* handed to a person */
	METRIC_CALLS_HUNG_UP,   /* the caller hung up first */
	METRIC_AGI_GARBAGE,     /* gateway lines that made no sense */
	METRIC_AGI_TOO_LONG,    /* gateway lines over the limit */
	METRIC_AGI_TIMEOUT,     /* commands that got no reply in time */
	METRIC_AGI_DEAD,        /* 511: the channel was gone */
	METRIC_VERIFY_FAILED,   /* verdicts other than verified */
	METRIC_VERIFY_LIMITED,  /* attempts over a limit */
	METRIC_STORE_FAILED,    /* store requests that failed */
	METRIC_STORE_COMMITS,   /* transactions committed */

	METRIC_CA_TOLD,         /* statuses that the authority reads back */
	METRIC_CA_FAULT,        /* attempts at it that got no answer */
	METRIC_CA_DISAGREES,    /* times that it said something else */
	METRIC_NOTICE_SENT,     /* notices that were accepted */
	METRIC_NOTICE_FAULT,    /* attempts at one that failed */
	METRIC_NOTICE_GIVEN_UP, /* notices that will not be sent */
	METRIC_DISPATCH_PAUSED, /* times that one of them was left alone */
	METRIC_DISPATCH_LATE,   /* minutes with rows that wait or disagree */

	METRIC_PUBLISH_VISIBLE,   /* status changes read back from the cache */
	METRIC_PUBLISH_LINK_LOST, /* connections to the cache lost or refused */
	METRIC_PUBLISH_ODD_REPLY, /* replies of a type that was not expected */
	METRIC_PUBLISH_REPAIRED, /* records of a wrong type that were replaced */
	METRIC_PUBLISH_CONFLICT, /* records that contradict the store */
	METRIC_PUBLISH_BEHIND,   /* pushes that replicas did not have in time */
	METRIC_PUBLISH_LATE, /* the cache was away for over 10 s with work */
	METRIC_CACHE_BEATS,  /* heartbeats written into the cache */
	METRIC_CACHE_WITHHELD, /* times it did not say "complete": a hold waited */
	METRIC_CACHE_FILLS,    /* times the cache was filled from the store */
	METRIC_CACHE_PASSES, /* comparisons of the whole cache with the store */
	METRIC_CACHE_DRIFT,  /* records that differed from the store */
	METRIC_CACHE_REPAIRED, /* of those, repaired */
	METRIC_CACHE_FORCED,   /* of those, replaced or deleted by force */
	METRIC_CRL_WRITTEN,    /* issuers' CRLs that were written */
	METRIC_CRL_FAILED,     /* runs that could not write them */
	METRIC_OCSP_REQUESTS,  /* HTTP requests taken */
	METRIC_OCSP_GOOD,      /* certificates answered so */
	METRIC_OCSP_REVOKED,   /* on hold or revoked for good */
	METRIC_OCSP_UNKNOWN,   /* not of our issuers */
	METRIC_OCSP_MALFORMED, /* requests that made no sense */
	METRIC_OCSP_TRY_LATER, /* the cache could prove nothing */
	METRIC_OCSP_INTERNAL,  /* no signature could be made */
	METRIC_OCSP_SIGNED,    /* signatures made */
	METRIC_OCSP_KEPT,      /* answers given again */
	METRIC_OCSP_CRLS,      /* CRLs asked for */
	METRIC_OCSP_LINK_LOST, /* the responder's connections to the cache */
	METRIC_COUNT
};

/* Add to a counter. */
void metric_add(enum metric m, uint64_t n);

/* A counter's value. */
uint64_t metric_get(enum metric m);

/* Its name, such as "calls_refused", and its one-sentence help. */
const char *metric_name(enum metric m);
/* One sentence; never NULL. */
const char *metric_help(enum metric m);

/* Write every counter that is not zero to the log, one line. */
void metric_log(void);

#endif
