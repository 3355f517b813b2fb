/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/metric.h"

static const struct {
	const char *name, *help;
} metrics[] = {
	[METRIC_CALLS] = { "calls", "Calls admitted." },
	[METRIC_CALLS_GO_ON] = { "calls_go_on",
	    "Calls that were cut off at another server and went on here." },
	[METRIC_CALLS_REFUSED] = { "calls_refused",
	    "Calls turned away at the connection limit." },
	[METRIC_CALLS_HELD] = { "calls_held",
	    "Calls that ended with certificates on hold." },
	[METRIC_CALLS_TO_PERSON] = { "calls_to_person",
	    "Calls handed to a person." },
	[METRIC_CALLS_HUNG_UP] = { "calls_hung_up",
	    "Calls in which the caller hung up first." },
	[METRIC_AGI_GARBAGE] = { "agi_garbage",
	    "Lines from a gateway that made no sense." },
	[METRIC_AGI_TOO_LONG] = { "agi_too_long",
	    "Lines from a gateway over the length limit." },
	[METRIC_AGI_TIMEOUT] = { "agi_timeout",
	    "Gateway commands that got no reply in time." },
	[METRIC_AGI_DEAD] = { "agi_dead",
	    "Commands answered by 511 because the channel was gone." },
	[METRIC_VERIFY_FAILED] = { "verify_failed",
	    "Verdicts other than verified." },
	[METRIC_VERIFY_LIMITED] = { "verify_limited",
	    "Verification attempts over a limit." },
	[METRIC_STORE_FAILED] = { "store_failed",
	    "Store requests that failed." },
	[METRIC_STORE_COMMITS] = { "store_commits", "Transactions committed." },
	[METRIC_CA_TOLD] = { "ca_told",
	    "Statuses that the certification authority was read to have." },
	[METRIC_CA_FAULT] = { "ca_fault",
	    "Attempts at telling the authority that got no usable answer." },
	[METRIC_CA_DISAGREES] = { "ca_disagrees",
	    "Times that the authority said something else than the store." },
	[METRIC_NOTICE_SENT] = { "notice_sent",
	    "Notices that a gateway or mail server accepted." },
	[METRIC_NOTICE_FAULT] = { "notice_fault",
	    "Attempts at a notice that failed and are repeated." },
	[METRIC_NOTICE_GIVEN_UP] = { "notice_given_up",
	    "Notices that were given up." },
	[METRIC_DISPATCH_PAUSED] = { "dispatch_paused",
	    "Times that a server which does not answer was left alone." },
	[METRIC_DISPATCH_LATE] = { "dispatch_late",
	    "Minutes in which something waited over 10 min to be told, or the "
	    "authority disagreed." },
	[METRIC_PUBLISH_VISIBLE] = { "publish_visible",
	    "Status changes read back from the revocation cache." },
	[METRIC_PUBLISH_LINK_LOST] = { "publish_link_lost",
	    "Connections to the revocation cache lost or refused." },
	[METRIC_PUBLISH_ODD_REPLY] = { "publish_odd_reply",
	    "Cache replies of a type that was not expected." },
	[METRIC_PUBLISH_REPAIRED] = { "publish_repaired",
	    "Cache records of a wrong type that were replaced." },
	[METRIC_PUBLISH_CONFLICT] = { "publish_conflict",
	    "Cache records that contradict the store." },
	[METRIC_PUBLISH_BEHIND] = { "publish_behind",
	    "Pushes that replicas did not have within redis.wait." },
	[METRIC_PUBLISH_LATE] = { "publish_late",
	    "Times that changes waited over 10 s for the cache." },
	[METRIC_CACHE_BEATS] = { "cache_beats",
	    "Heartbeats written into the revocation cache." },
	[METRIC_CACHE_WITHHELD] = { "cache_withheld",
	    "Times the heartbeat stopped saying complete because a hold waited "
	    "for the cache for too long." },
	[METRIC_CACHE_FILLS] = { "cache_fills",
	    "Times the cache was filled from the store." },
	[METRIC_CACHE_PASSES] = { "cache_passes",
	    "Comparisons of the whole cache with the store." },
	[METRIC_CACHE_DRIFT] = { "cache_drift",
	    "Records in the cache that differed from the store." },
	[METRIC_CACHE_REPAIRED] = { "cache_repaired",
	    "Records that differed and were repaired." },
	[METRIC_CACHE_FORCED] = { "cache_forced",
	    "Records that contradicted the store and were replaced or "
	    "deleted." },
	[METRIC_CRL_WRITTEN] = { "crl_written", "CRLs written." },
	[METRIC_CRL_FAILED] = { "crl_failed",
	    "Runs that could not write the CRLs." },
	[METRIC_OCSP_REQUESTS] = { "ocsp_requests",
	    "HTTP requests that the responder took." },
	[METRIC_OCSP_GOOD] = { "ocsp_good", "Certificates answered as good." },
	[METRIC_OCSP_REVOKED] = { "ocsp_revoked",
	    "Certificates answered as revoked, those on hold among them." },
	[METRIC_OCSP_UNKNOWN] = { "ocsp_unknown",
	    "Certificates answered as unknown." },
	[METRIC_OCSP_MALFORMED] = { "ocsp_malformed",
	    "OCSP requests that made no sense." },
	[METRIC_OCSP_TRY_LATER] = { "ocsp_try_later",
	    "OCSP requests answered by tryLater." },
	[METRIC_OCSP_INTERNAL] = { "ocsp_internal",
	    "OCSP requests for which no signature could be made." },
	[METRIC_OCSP_SIGNED] = { "ocsp_signed", "OCSP answers signed." },
	[METRIC_OCSP_KEPT] = { "ocsp_kept",
	    "OCSP answers given that had been signed before." },
	[METRIC_OCSP_CRLS] = { "ocsp_crls", "CRLs that clients asked for." },
	[METRIC_OCSP_LINK_LOST] = { "ocsp_link_lost",
	    "The responder's connections to the cache lost or refused." },
};
_Static_assert(sizeof(metrics) / sizeof(metrics[0]) == METRIC_COUNT,
    "every metric needs a name");

static _Atomic uint64_t values[METRIC_COUNT];

void
metric_add(enum metric m, uint64_t n)
{
	atomic_fetch_add_explicit(&values[m], n, memory_order_relaxed);
}

uint64_t
metric_get(enum metric m)
{
	return atomic_load_explicit(&values[m], memory_order_relaxed);
}

const char *
metric_name(enum metric m)
{
	return metrics[m].name;
}

const char *
metric_help(enum metric m)
{
	return metrics[m].help;
}

/* In as many lines as it takes: one line of the log holds about 25. */
void
metric_log(void)
{
	char text[800] = "", pair[64];
	size_t used = 0, len;
	unsigned int m;

	for (m = 0; m < METRIC_COUNT; m++) {
		if (metric_get((enum metric)m) == 0)
			continue;
		len = (size_t)snprintf(pair, sizeof(pair), " %s=%" PRIu64,
		    metrics[m].name, metric_get((enum metric)m));
		if (used + len >= sizeof(text)) {
			log_info("metric", NULL, "event=counters%s", text);
			used = 0;
		}
		memcpy(text + used, pair, len + 1);
		used += len;
	}
	log_info("metric", NULL, "event=counters%s", text);
}
