/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to a server in the same loop that answers by a script, byte for
 * byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "base/clock.h"
#include "base/err.h"
#include "wire/web.h"

struct world {
	struct event_base *base;
	struct evconnlistener *listener;
	struct web *web;
	char url[64];
	const char *answer; /* sent when a request is whole; NULL = silence */
	bool hang_up;       /* and then, or at once, the connection ends */
	char asked[8192];   /* the last request */
	struct bufferevent *conns[8];
	size_t n_conns;
	/* what came back */
	int answers;
	struct web_answer last;
	char body[4096];
};

static void
on_request(struct bufferevent *bev, void *ctx)
{
	struct world *w = ctx;
	size_t n = strlen(w->asked), body = 0;
	const char *end, *length;

	n += bufferevent_read(bev, w->asked + n, sizeof(w->asked) - n - 1);
	w->asked[n] = '\0';
	if ((end = strstr(w->asked, "\r\n\r\n")) == NULL)
		return;
	if ((length = strstr(w->asked, "Content-Length: ")) != NULL)
		body = strtoul(length + 16, NULL, 10);
	if (strlen(end + 4) < body)
		return;
	if (w->answer != NULL)
		bufferevent_write(bev, w->answer, strlen(w->answer));
	if (w->hang_up)
		bufferevent_flush(bev, EV_WRITE, BEV_FLUSH);
}

/* Written out: end it if the script says so. */
static void
on_written(struct bufferevent *bev, void *ctx)
{
	struct world *w = ctx;

	if (w->hang_up && w->asked[0] != '\0' && w->answer != NULL)
		shutdown(bufferevent_getfd(bev), SHUT_WR);
}

static void
on_gone(struct bufferevent *bev, short what, void *ctx)
{
	(void)bev, (void)what, (void)ctx;
}

static void
on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa,
    int len, void *ctx)
{
	struct world *w = ctx;
	struct bufferevent *bev;

	(void)l, (void)sa, (void)len;
	if (w->hang_up && w->answer == NULL) {
		evutil_closesocket(fd);
		return;
	}
	bev = bufferevent_socket_new(w->base, fd, BEV_OPT_CLOSE_ON_FREE);
	assert_true(w->n_conns < 8);
	w->conns[w->n_conns++] = bev;
	bufferevent_setcb(bev, on_request, on_written, on_gone, w);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static int
setup(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct world *w = calloc(1, sizeof(*w));
	socklen_t len = sizeof(sa);
	struct err err;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	w->base = event_base_new();
	w->listener = evconnlistener_new_bind(w->base, on_accept, w,
	    LEV_OPT_CLOSE_ON_FREE, 8, (struct sockaddr *)&sa, sizeof(sa));
	assert_non_null(w->listener);
	getsockname(
	    evconnlistener_get_fd(w->listener), (struct sockaddr *)&sa, &len);
	snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u/a?b",
	    ntohs(sa.sin_port));
	w->web = web_new(w->base, &err);
	assert_non_null(w->web);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;
	size_t i;

	web_free(w->web);
	for (i = 0; i < w->n_conns; i++)
		bufferevent_free(w->conns[i]);
	evconnlistener_free(w->listener);
	event_base_free(w->base);
	free(w);
	return 0;
}

static void
on_answer(void *ctx, const struct web_answer *answer)
{
	struct world *w = ctx;

	w->answers++;
	w->last = *answer;
	assert_int_equal(answer->body[answer->len], '\0');
	snprintf(w->body, sizeof(w->body), "%s", answer->body);
	event_base_loopbreak(w->base);
}

static const struct web_peer peer = { .connect_us = 5 * CLOCK_S_US,
	.timeout_us = 10 * CLOCK_S_US,
	.answer_max = 1000 };

static struct web_call *
begin(struct world *w, const struct web_peer *p, const char *method,
    const char *body)
{
	struct web_request r = { .method = method,
		.url = w->url,
		.headers = { "X-One: 1" },
		.body = body,
		.body_len = body == NULL ? 0 : strlen(body) };
	struct web_call *call;
	struct err err;

	w->asked[0] = '\0';
	w->answers = 0;
	call = web_send(w->web, p, &r, on_answer, w, &err);
	assert_non_null(call);
	assert_int_equal(w->answers, 0); /* never inside the call */
	return call;
}

static void
ask(struct world *w, const char *method, const char *body)
{
	begin(w, &peer, method, body);
	event_base_dispatch(w->base);
	assert_int_equal(w->answers, 1);
}

static bool
asked(const struct world *w, const char *words)
{
	return strstr(w->asked, words) != NULL;
}

static void
test_get(void **state)
{
	struct world *w = *state;

	w->answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
	ask(w, "GET", NULL);
	assert_int_equal(w->last.status, 200);
	assert_string_equal(w->last.why, "");
	assert_string_equal(w->body, "hi");
	assert_int_equal(w->last.len, 2);
	assert_true(asked(w, "GET /a?b HTTP/1.1\r\n"));
	assert_true(asked(w, "X-One: 1\r\n"));
	assert_false(asked(w, "Expect"));
}

static void
test_put_without_and_post_with_a_body(void **state)
{
	struct world *w = *state;

	w->answer = "HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n";
	ask(w, "PUT", NULL);
	assert_int_equal(w->last.status, 204);
	assert_true(asked(w, "PUT /a?b HTTP/1.1\r\n"));
	assert_true(asked(w, "Content-Length: 0\r\n"));
	ask(w, "POST", "{\"x\":1}");
	assert_true(asked(w, "POST /a?b"));
	assert_true(asked(w, "\r\n\r\n{\"x\":1}"));
	/* the connection was kept */
	assert_int_equal(w->n_conns, 1);
}

static void
test_errors_and_wishes_are_told_not_followed(void **state)
{
	struct world *w = *state;

	w->answer = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n"
		    "Content-Length: 0\r\n\r\n";
	ask(w, "GET", NULL);
	assert_int_equal(w->last.status, 503);
	assert_int_equal(w->last.retry_after_us, 7 * CLOCK_S_US);
	assert_string_equal(w->last.why, "");
	w->answer = "HTTP/1.1 302 Away\r\nLocation: http://127.0.0.1:1/\r\n"
		    "Content-Length: 0\r\n\r\n";
	ask(w, "GET", NULL);
	assert_int_equal(w->last.status, 302);
}

static void
test_an_answer_is_not_read_for_ever(void **state)
{
	static char answer[4000];
	struct world *w = *state;

	snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\n\r\n%03000d", 0);
	w->answer = answer;
	ask(w, "GET", NULL);
	assert_string_equal(
	    w->last.why, "the answer is longer than 1000 bytes");
}

static void
test_half_an_answer_is_none(void **state)
{
	struct world *w = *state;

	w->answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
	w->hang_up = true;
	ask(w, "GET", NULL);
	assert_string_not_equal(w->last.why, "");
}

static void
test_garbage_is_no_answer(void **state)
{
	struct world *w = *state;

	w->answer = "250 welcome\r\n\r\n";
	w->hang_up = true;
	ask(w, "GET", NULL);
	assert_string_not_equal(w->last.why, "");
	assert_int_equal(w->last.status, 0);
}

static void
test_nobody_there(void **state)
{
	struct world *w = *state;

	w->hang_up = true;
	ask(w, "GET", NULL); /* closed at once */
	assert_string_not_equal(w->last.why, "");
	assert_int_equal(w->last.status, 0);
	evconnlistener_disable(w->listener);
	snprintf(w->url, sizeof(w->url), "http://127.0.0.1:1/");
	ask(w, "GET", NULL);
	assert_string_not_equal(w->last.why, "");
}

/* By the proxy that was set, and by no other. */
static void
test_proxies(void **state)
{
	struct web_peer by = peer;
	struct world *w = *state;
	char proxy[64];

	w->answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
	ask(w, "GET", NULL);
	assert_int_equal(w->last.status, 200);
	assert_true(asked(w, "GET /a?b HTTP/1.1\r\n"));
	unsetenv("http_proxy");
	snprintf(proxy, sizeof(proxy), "%.*s",
	    (int)(strlen(w->url) - strlen("/a?b")), w->url);
	by.proxy = proxy;
	snprintf(w->url, sizeof(w->url), "http://ca.invalid/x");
	begin(w, &by, "GET", NULL);
	event_base_dispatch(w->base);
	assert_int_equal(w->last.status, 200);
	assert_true(asked(w, "GET http://ca.invalid/x HTTP/1.1\r\n"));
}

static void
test_silence_ends(void **state)
{
	struct web_peer hasty = peer;
	struct world *w = *state;

	hasty.timeout_us = CLOCK_S_US / 10;
	begin(w, &hasty, "GET", NULL);
	event_base_dispatch(w->base);
	assert_int_equal(w->answers, 1);
	assert_non_null(strstr(w->last.why, "timed out"));
}

static void
test_cancelled_is_never_told(void **state)
{
	struct world *w = *state;
	struct web_call *first, *second;

	w->answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	first = begin(w, &peer, "GET", NULL);
	second = begin(w, &peer, "GET", NULL);
	assert_ptr_not_equal(first, second);
	web_cancel(first);
	event_base_dispatch(w->base);
	assert_int_equal(w->answers, 1);
	begin(w, &peer, "GET", NULL); /* left for web_free() */
	event_base_loop(w->base, EVLOOP_NONBLOCK);
}

static void
test_what_cannot_be_asked(void **state)
{
	struct world *w = *state;

	snprintf(w->url, sizeof(w->url), "file:///etc/passwd");
	ask(w, "GET", NULL);
	assert_int_equal(w->last.status, 0);
	assert_string_not_equal(w->last.why, "");
	assert_string_equal(w->body, "");
}

/* A mail server that is not on this machine has to offer TLS; one that is has
 * not, and what it is handed is what we were. */
static void
test_mail(void **state)
{
	struct web_mail mail = { .from = "a@b.example",
		.to = "c@d.example",
		.text = "Subject: x\r\n\r\nhi\r\n",
		.text_len = 18 };
	struct world *w = *state;
	struct err err;

	/* it speaks first, and gets no further than a script can */
	w->hang_up = true;
	mail.url = "smtp://127.0.0.1:1";
	assert_non_null(
	    web_mail_send(w->web, &peer, &mail, on_answer, w, &err));
	event_base_dispatch(w->base);
	assert_int_equal(w->answers, 1);
	assert_string_not_equal(w->last.why, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_get),
		TEST(test_put_without_and_post_with_a_body),
		TEST(test_errors_and_wishes_are_told_not_followed),
		TEST(test_an_answer_is_not_read_for_ever),
		TEST(test_half_an_answer_is_none),
		TEST(test_garbage_is_no_answer),
		TEST(test_nobody_there),
		TEST(test_proxies),
		TEST(test_silence_ends),
		TEST(test_cancelled_is_never_told),
		TEST(test_what_cannot_be_asked),
		TEST(test_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
