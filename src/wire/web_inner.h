/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web_inner.h -- what web.c and web_call.c share.  Loop thread only.
 */
#ifndef WIRE_WEB_INNER_H
#define WIRE_WEB_INNER_H

#include <curl/curl.h>

#include "wire/web.h"

struct event;

struct web {
	struct event_base *base; /* borrowed */
	CURLM *multi;
	struct event *timer;    /* libcurl's */
	struct web_call *calls; /* under way */
};

/* A transfer has ended: tell its owner and free it. */
void web_call_over(CURL *easy, CURLcode code);

#endif
