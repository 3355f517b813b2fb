/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/metric.h"
#include "ocsp/tell.h"
#include "wire/http_server.h"

static void
tell_one(FILE *out, const char *name, const char *kind, const char *help,
    uint64_t value)
{
	fprintf(out,
	    "# HELP holdline_%s %s\n# TYPE holdline_%s %s\n"
	    "holdline_%s %" PRIu64 "\n",
	    name, help, name, kind, name, value);
}

static void
tell_all(FILE *out, const struct http_counts *counts, bool proven)
{
	char name[64];
	unsigned int m;

	for (m = METRIC_OCSP_REQUESTS; m <= METRIC_OCSP_LINK_LOST; m++) {
		snprintf(name, sizeof(name), "%s_total",
		    metric_name((enum metric)m));
		tell_one(out, name, "counter", metric_help((enum metric)m),
		    metric_get((enum metric)m));
	}
	tell_one(out, "ocsp_http_refused_total", "counter",
	    "HTTP requests that were malformed, too large or late.",
	    counts->refused);
	tell_one(out, "ocsp_http_evicted_total", "counter",
	    "Times that the limit of connections was reached.",
	    counts->evicted);
	tell_one(out, "ocsp_http_downloads_over_total", "counter",
	    "Times that the limit of downloads was reached.",
	    counts->files_over);
	tell_one(out, "ocsp_http_starved_total", "counter",
	    "Times that descriptors ran out.", counts->starved);
	tell_one(out, "ocsp_http_connections", "gauge",
	    "HTTP connections that are open.", counts->connections);
	tell_one(out, "ocsp_proven", "gauge",
	    "1 while the cache proves that good can be said.", proven);
}

void
ocsp_tell(struct http_exchange *exchange, const struct http_request *request,
    const struct http_counts *counts, bool proven)
{
	struct http_reply reply = { .status = 404 };
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (http_text_is(&request->target, "/metrics") &&
	    (out = open_memstream(&text, &len)) != NULL) {
		tell_all(out, counts, proven);
		if (fclose(out) == 0)
			reply = (struct http_reply){ .status = 200,
				.type = "text/plain; version=0.0.4",
				.body = text,
				.len = len };
	}
	http_reply(exchange, &reply);
	free(text);
}
