/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl asks for sockets to be watched and one timer; the loop does both.
 * web_call.c has the requests. */
#include <assert.h>
#include <stdlib.h>

#include <event2/event.h>

#include "base/err.h"
#include "web_inner.h"

/* What libcurl has finished is told: from an event of the loop, never from
 * inside its own callbacks.  A callback may begin or cancel others. */
static void
web_tell(struct web *w)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(w->multi, &left)) != NULL)
		if (msg->msg == CURLMSG_DONE)
			web_call_over(msg->easy_handle, msg->data.result);
}

static void
on_socket(evutil_socket_t fd, short what, void *ctx)
{
	struct web *w = ctx;
	int running, flags = 0;

	if ((what & EV_READ) != 0)
		flags |= CURL_CSELECT_IN;
	if ((what & EV_WRITE) != 0)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(w->multi, fd, flags, &running);
	web_tell(w);
}

static void
on_time(evutil_socket_t fd, short what, void *ctx)
{
	struct web *w = ctx;
	int running;

	(void)fd, (void)what;
	curl_multi_socket_action(w->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	web_tell(w);
}

/* libcurl: watch this socket so, or no more.  `event` is what we left with
 * it the last time. */
static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *event)
{
	struct web *w = ctx;
	short flags = EV_PERSIST;

	(void)easy;
	if (event != NULL)
		event_free(event);
	event = NULL;
	if (what != CURL_POLL_REMOVE) {
		if (what != CURL_POLL_OUT)
			flags |= EV_READ;
		if (what != CURL_POLL_IN)
			flags |= EV_WRITE;
		event = event_new(w->base, fd, flags, on_socket, w);
		if (event == NULL || event_add(event, NULL) == -1)
			abort(); /* out of memory */
	}
	curl_multi_assign(w->multi, fd, event);
	return 0;
}

static int
watch_time(CURLM *multi, long ms, void *ctx)
{
	struct web *w = ctx;
	struct timeval tv = { .tv_sec = ms / 1000,
		.tv_usec = ms % 1000 * 1000 };

	(void)multi;
	if (ms < 0)
		evtimer_del(w->timer);
	else
		evtimer_add(w->timer, &tv);
	return 0;
}

struct web *
web_new(struct event_base *base, struct err *err)
{
	struct web *w = calloc(1, sizeof(*w));

	if (w == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(w);
		err_set(err, ERR_NOMEM, "libcurl does not start");
		return NULL;
	}
	w->base = base;
	w->multi = curl_multi_init();
	w->timer = evtimer_new(base, on_time, w);
	if (w->multi == NULL || w->timer == NULL) {
		web_free(w);
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w);
	curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, watch_time);
	curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, w);
	return w;
}

void
web_free(struct web *w)
{
	if (w == NULL)
		return;
	while (w->calls != NULL)
		web_cancel(w->calls);
	/* closes what is left of connections, and lets go of their sockets */
	if (w->multi != NULL)
		curl_multi_cleanup(w->multi);
	if (w->timer != NULL)
		event_free(w->timer);
	free(w);
	curl_global_cleanup();
}
