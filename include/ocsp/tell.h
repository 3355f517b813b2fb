/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tell.h -- GET /metrics: the counters in Prometheus' text format.
 * Loop thread only.
 */
#ifndef OCSP_TELL_H
#define OCSP_TELL_H

#include <stdbool.h>

struct http_counts;
struct http_exchange;
struct http_request;

/* Answer.  `proven`: can "good" be said now? */
void ocsp_tell(struct http_exchange *exchange,
    const struct http_request *request, const struct http_counts *counts,
    bool proven);

#endif
