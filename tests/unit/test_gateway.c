/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/err.h"
#include "base/metric.h"
#include "base/timer.h"
#include "call/gateway.h"

#define MAX_CALLS 100
#define CLIENTS 300

#define ENV_OF(id) \
	"agi_network: yes\nagi_uniqueid: " id "\nagi_dnid: 0120950178\n\n"

/* The listener, callers made of sockets, and a session that notes what it
 * hears.  Everything runs in one thread: the loop turns until what the test
 * waits for has happened. */
struct world {
	struct event_base *base;
	struct event *patience;
	bool late;
	struct timers *timers;
	struct gateway *gateway;
	struct call {
		struct leg *leg;
		char told[256];
	} calls[CLIENTS];
	unsigned int admitted;
	bool refuse; /* the session takes no more */
	int fds[CLIENTS];
	uint64_t refused, too_long, garbage; /* counters at the start */
};

static void
note(struct call *c, const char *text)
{
	assert_true(strlen(c->told) + strlen(text) < sizeof(c->told));
	strcat(c->told, text);
}

static void
call_drop(struct call *c)
{
	leg_free(c->leg);
	c->leg = NULL;
}

static void
on_ready(void *ctx, const struct leg_info *info)
{
	struct call *c = ctx;

	note(c, "ready ");
	note(c, info->call_id);
	note(c, "\n");
	leg_answer(c->leg);
}

static void
on_answered(void *ctx)
{
	const char *file = "goodbye";
	const struct leg_say say = {
		.lang = "", .files = &file, .n = 1, .ms = 1000
	};
	struct call *c = ctx;

	note(c, "answered\n");
	leg_say(c->leg, &say);
}

static void
on_said(void *ctx)
{
	const char *file = "menu";
	const struct leg_collect collect = {
		.say = { .lang = "", .files = &file, .n = 1, .ms = 1000 },
		.max = 1,
		.first_ms = 7000,
		.next_ms = 5000
	};
	struct call *c = ctx;

	note(c, "said\n");
	leg_collect(c->leg, &collect);
}

static void
on_collected(void *ctx, enum leg_collect_end end, const char *digits)
{
	struct call *c = ctx;

	(void)end;
	note(c, digits);
	note(c, "\n");
	leg_end(c->leg, LEG_NEXT_HANGUP, "visible");
}

static void
on_hung_up(void *ctx)
{
	struct call *c = ctx;

	note(c, "hung_up\n");
	leg_end(c->leg, LEG_NEXT_HANGUP, "hung-up");
}

static void
on_failed(void *ctx, const char *why)
{
	struct call *c = ctx;

	note(c, "failed ");
	note(c, why);
	call_drop(c);
}

static void
on_ended(void *ctx)
{
	struct call *c = ctx;

	note(c, "ended\n");
	call_drop(c);
}

static const struct leg_events events = { .ready = on_ready,
	.answered = on_answered,
	.said = on_said,
	.collected = on_collected,
	.hung_up = on_hung_up,
	.failed = on_failed,
	.ended = on_ended };

static void *
admit(void *ctx, struct leg *leg)
{
	struct world *w = ctx;

	if (w->refuse)
		return NULL;
	w->calls[w->admitted].leg = leg;
	return &w->calls[w->admitted++];
}

static void
on_patience(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	((struct world *)ctx)->late = true;
}

static struct gateway *
listen_on(struct world *w, const char *address, struct err *err)
{
	return gateway_new(&(const struct gateway_options){ .base = w->base,
			       .timers = w->timers,
			       .listen = address,
			       .max_calls = MAX_CALLS,
			       .backlog = 1024,
			       .slack_us = 5000000,
			       .admit = admit,
			       .events = &events,
			       .ctx = w },
	    err);
}

static int
world_open(void **state)
{
	static struct world w;
	const struct timeval patience = { 30, 0 };
	struct err err;
	int i;

	w = (struct world){ .base = event_base_new(),
		.timers = timers_new(&timer_clock_real),
		.refused = metric_get(METRIC_CALLS_REFUSED),
		.too_long = metric_get(METRIC_AGI_TOO_LONG),
		.garbage = metric_get(METRIC_AGI_GARBAGE) };
	for (i = 0; i < CLIENTS; i++)
		w.fds[i] = -1;
	w.patience = evtimer_new(w.base, on_patience, &w);
	evtimer_add(w.patience, &patience);
	w.gateway = listen_on(&w, "127.0.0.1:0", &err);
	*state = &w;
	return w.gateway == NULL;
}

static int
world_close(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 0; i < CLIENTS; i++) {
		call_drop(&w->calls[i]);
		if (w->fds[i] != -1)
			close(w->fds[i]);
	}
	assert_int_equal(gateway_calls(w->gateway), 0);
	gateway_free(w->gateway);
	timers_free(w->timers);
	event_free(w->patience);
	event_base_free(w->base);
	return 0;
}

/* ---- callers */

/* Turn the loop until `condition` holds. */
#define UNTIL(w, condition) \
	do { \
		turn(w); \
	} while (!(condition))

static void
turn(struct world *w)
{
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	timers_run(w->timers);
	assert_false(w->late);
}

static int
dial(struct world *w, int i)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((in_port_t)gateway_port(w->gateway)) };

	w->fds[i] = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(w->fds[i] >= 0);
	assert_int_equal(
	    connect(w->fds[i], (const struct sockaddr *)&to, sizeof(to)), 0);
	return w->fds[i];
}

static void
hang_up(struct world *w, int i)
{
	close(w->fds[i]);
	w->fds[i] = -1;
}

static void
say(struct world *w, int i, const char *text)
{
	assert_int_equal(
	    send(w->fds[i], text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The next command, or "" when the gateway has closed. */
static const char *
hear(struct world *w, int i)
{
	static char line[1025];
	size_t len = 0;
	ssize_t n;

	do {
		turn(w);
		n = recv(w->fds[i], line + len, sizeof(line) - 1 - len,
		    MSG_DONTWAIT);
		if (n > 0)
			len += (size_t)n;
		line[len] = '\0';
	} while (n != 0 && strchr(line, '\n') == NULL);
	return line;
}

static void
expect(struct world *w, int i, const char *command, const char *reply)
{
	assert_string_equal(hear(w, i), command);
	say(w, i, reply);
}

static bool
was_reset(struct world *w, int i)
{
	char byte;

	return recv(w->fds[i], &byte, 1, MSG_DONTWAIT) == -1 &&
	    errno == ECONNRESET;
}

static uint64_t
refused(const struct world *w)
{
	return metric_get(METRIC_CALLS_REFUSED) - w->refused;
}

/* ---- calls */

static void
test_a_whole_call(void **state)
{
	struct world *w = *state;

	dial(w, 0);
	say(w, 0, ENV_OF("1.1"));
	expect(w, 0, "ANSWER\n", "200 result=0\n");
	expect(w, 0, "EXEC Playback \"holdline/goodbye\"\n", "200 result=0\n");
	expect(w, 0, "SET VARIABLE \"TIMEOUT(response)\" \"7\"\n",
	    "200 result=1\n");
	expect(
	    w, 0, "SET VARIABLE \"TIMEOUT(digit)\" \"5\"\n", "200 result=1\n");
	expect(w, 0,
	    "EXEC Read \"HOLDLINE_D,holdline/menu&holdline/silence,1,,1\"\n",
	    "200 result=0\n");
	expect(w, 0, "GET FULL VARIABLE \"${READSTATUS}:${HOLDLINE_D}\"\n",
	    "200 result=1 (OK:1)\n");
	expect(w, 0, "SET VARIABLE \"HOLDLINE_D\" \"\"\n", "200 result=1\n");
	expect(w, 0, "SET VARIABLE \"HOLDLINE_RESULT\" \"visible\"\n",
	    "200 result=1\n");
	expect(w, 0, "SET VARIABLE \"HOLDLINE_NEXT\" \"hangup\"\n",
	    "200 result=1\n");
	assert_int_equal(gateway_calls(w->gateway), 1);
	expect(
	    w, 0, "SET VARIABLE \"HOLDLINE_DONE\" \"1\"\n", "200 result=1\n");
	assert_string_equal(hear(w, 0), ""); /* closed promptly */
	assert_string_equal(
	    w->calls[0].told, "ready 1.1\nanswered\nsaid\n1\nended\n");
	assert_int_equal(gateway_calls(w->gateway), 0);
}

static void
test_half_lines(void **state)
{
	const char env[] = ENV_OF("1.2");
	struct world *w = *state;
	size_t i;
	char byte[2] = "";

	dial(w, 0);
	for (i = 0; i < strlen(env); i++) {
		byte[0] = env[i];
		say(w, 0, byte);
		turn(w);
	}
	expect(w, 0, "ANSWER\n", "200 res");
	turn(w);
	say(w, 0, "ult=0\n");
	expect(w, 0, "EXEC Playback \"holdline/goodbye\"\n", "HAN");
	turn(w);
	say(w, 0, "GUP\n200 result=-1\n");
	expect(w, 0, "SET VARIABLE \"HOLDLINE_RESULT\" \"hung-up\"\n", "");
	assert_string_equal(w->calls[0].told, "ready 1.2\nanswered\nhung_up\n");
}

/* Asterisk half-closes at the end of a session; it is gone for us then. */
static void
test_caller_closes(void **state)
{
	struct world *w = *state;

	dial(w, 0);
	say(w, 0, ENV_OF("1.3"));
	assert_string_equal(hear(w, 0), "ANSWER\n");
	shutdown(w->fds[0], SHUT_WR);
	UNTIL(w, w->calls[0].leg == NULL);
	assert_non_null(strstr(w->calls[0].told, "failed the gateway is gone"));
	assert_int_equal(gateway_calls(w->gateway), 0);
}

static void
test_closed_after_end(void **state)
{
	struct world *w = *state;

	dial(w, 0);
	say(w, 0, ENV_OF("1.4"));
	expect(w, 0, "ANSWER\n", "200 result=-1\n");
	expect(w, 0, "SET VARIABLE \"HOLDLINE_RESULT\" \"hung-up\"\n", "");
	hang_up(w, 0);
	UNTIL(w, w->calls[0].leg == NULL);
	assert_string_equal(w->calls[0].told, "ready 1.4\nhung_up\nended\n");
}

static void
test_leg_freed_by_its_owner(void **state)
{
	struct world *w = *state;

	dial(w, 0);
	say(w, 0, ENV_OF("1.5"));
	assert_string_equal(hear(w, 0), "ANSWER\n");
	call_drop(&w->calls[0]);
	assert_int_equal(gateway_calls(w->gateway), 0);
	assert_string_equal(hear(w, 0), "");
}

/* ---- peers that are not Asterisk */

static void
test_garbage(void **state)
{
	struct world *w = *state;

	dial(w, 0);
	say(w, 0, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	UNTIL(w, w->calls[0].leg == NULL && w->admitted == 1);
	assert_non_null(strstr(w->calls[0].told, "agi_uniqueid"));
	assert_int_equal(metric_get(METRIC_AGI_GARBAGE), w->garbage + 1);
	dial(w, 1);
	say(w, 1, "\x16\x03\x01\x02\x01\xff\n\n");
	UNTIL(w, w->calls[1].leg == NULL && w->admitted == 2);
}

static void
test_endless_line(void **state)
{
	struct world *w = *state;
	char *block = malloc(65536);
	size_t sent = 0;
	ssize_t n = 0;

	memset(block, 'x', 65536);
	dial(w, 0);
	while (sent < (10 << 20)) {
		n = send(w->fds[0], block, 65536, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
		turn(w);
	}
	assert_true(n == -1); /* cut off long before it was through */
	assert_null(w->calls[0].leg);
	assert_int_equal(metric_get(METRIC_AGI_TOO_LONG), w->too_long + 1);
	free(block);
}

static void
test_closed_at_once(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 0; i < 20; i++) {
		dial(w, i);
		hang_up(w, i);
	}
	UNTIL(w, w->admitted == 20 && gateway_calls(w->gateway) == 0);
	for (i = 0; i < 20; i++)
		assert_non_null(strstr(w->calls[i].told, "failed"));
}

/* ---- limits */

/* Three times as many callers as there are places: the rest is reset at
 * once, never accepted and left waiting. */
static void
test_refused_at_the_limit(void **state)
{
	struct world *w = *state;
	int i, resets = 0;

	for (i = 0; i < CLIENTS; i++)
		dial(w, i);
	UNTIL(w, refused(w) == CLIENTS - MAX_CALLS);
	assert_int_equal(gateway_calls(w->gateway), MAX_CALLS);
	assert_int_equal(w->admitted, MAX_CALLS);
	for (i = 0; i < CLIENTS; i++)
		resets += was_reset(w, i);
	assert_int_equal(resets, CLIENTS - MAX_CALLS);
	for (i = 0; i < CLIENTS; i++)
		hang_up(w, i);
	UNTIL(w, gateway_calls(w->gateway) == 0);
	dial(w, 0); /* and there is room again */
	say(w, 0, ENV_OF("2.1"));
	assert_string_equal(hear(w, 0), "ANSWER\n");
	assert_int_equal(refused(w), CLIENTS - MAX_CALLS);
}

static void
test_refused_by_the_session(void **state)
{
	struct world *w = *state;

	w->refuse = true;
	dial(w, 0);
	UNTIL(w, refused(w) == 1);
	assert_true(was_reset(w, 0));
	assert_int_equal(gateway_calls(w->gateway), 0);
}

/* Let the process have no descriptor left but those it holds now. */
static void
no_more_descriptors(struct rlimit *was)
{
	struct rlimit now;
	int fd = dup(0);

	getrlimit(RLIMIT_NOFILE, was);
	now = *was;
	now.rlim_cur = (rlim_t)fd;
	close(fd);
	setrlimit(RLIMIT_NOFILE, &now);
	assert_int_equal(dup(0), -1);
}

static void
test_refused_without_descriptors(void **state)
{
	struct world *w = *state;
	struct rlimit was;
	int i;

	for (i = 0; i < 5; i++)
		dial(w, i);
	no_more_descriptors(&was);
	UNTIL(w, refused(w) == 5);
	for (i = 0; i < 5; i++)
		assert_true(was_reset(w, i));
	assert_int_equal(gateway_calls(w->gateway), 0);
	setrlimit(RLIMIT_NOFILE, &was);
	dial(w, 5);
	say(w, 5, ENV_OF("2.2"));
	assert_string_equal(hear(w, 5), "ANSWER\n");
}

/* ---- the listener */

static void
test_stop(void **state)
{
	struct world *w = *state;
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	dial(w, 0);
	say(w, 0, ENV_OF("3.1"));
	assert_string_equal(hear(w, 0), "ANSWER\n");
	gateway_stop(w->gateway);
	w->fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	to.sin_port = htons((in_port_t)gateway_port(w->gateway));
	assert_int_equal(
	    connect(w->fds[1], (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	say(w, 0, "200 result=0\n"); /* the call lives on */
	assert_string_equal(hear(w, 0), "EXEC Playback \"holdline/goodbye\"\n");
	gateway_stop(w->gateway);
}

static void
test_address_taken(void **state)
{
	struct world *w = *state;
	char address[64];
	struct err err;

	snprintf(
	    address, sizeof(address), "127.0.0.1:%u", gateway_port(w->gateway));
	assert_null(listen_on(w, address, &err));
	assert_int_equal(err.code, ERR_IO);
	assert_non_null(strstr(err.text, address));
	assert_non_null(strstr(err.text, "agi.listen"));
}

static void
test_bad_address(void **state)
{
	struct world *w = *state;
	struct err err;

	assert_null(listen_on(w, "localhost", &err));
	assert_int_equal(err.code, ERR_PARSE);
	assert_null(listen_on(w, "unix:/tmp/x", &err));
	assert_int_equal(err.code, ERR_PARSE);
	gateway_free(NULL);
}

#define FDS 64

/* Every descriptor that a gateway and a call open. */
static void
test_close_on_exec(void **state)
{
	struct world *w = *state;
	struct gateway *other;
	struct err err;
	bool before[FDS];
	int fd, opened = 0;

	for (fd = 0; fd < FDS; fd++)
		before[fd] = fcntl(fd, F_GETFD) != -1;
	other = listen_on(w, "127.0.0.1:0", &err);
	assert_non_null(other);
	dial(w, 0);
	UNTIL(w, gateway_calls(w->gateway) == 1);
	for (fd = 0; fd < FDS; fd++) {
		if (before[fd] || fd == w->fds[0] || fcntl(fd, F_GETFD) == -1)
			continue;
		assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		opened++;
	}
	assert_int_equal(opened, 3); /* listening, reserve, accepted */
	gateway_free(other);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_whole_call),
		T(test_half_lines),
		T(test_caller_closes),
		T(test_closed_after_end),
		T(test_leg_freed_by_its_owner),
		T(test_garbage),
		T(test_endless_line),
		T(test_closed_at_once),
		T(test_refused_at_the_limit),
		T(test_refused_by_the_session),
		T(test_refused_without_descriptors),
		T(test_stop),
		T(test_address_taken),
		T(test_bad_address),
		T(test_close_on_exec),
	};

	return cmocka_run_group_tests_name("gateway", tests, NULL, NULL);
}
