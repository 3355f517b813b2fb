/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agi -- the FastAGI side under load, beside a floor made in the same run.
 *
 *	agi [--quick]		our gateway against a raw epoll server
 *	agi [--quick] ADDRESS	a holdlined that runs already; figures only
 *
 * This process plays Asterisk for 64 calls at once.  The servers are its
 * children: one is nothing but epoll, read() and send(); the other is our
 * gateway and agi_leg under a session that asks for the same twelve commands.
 * They take turns for several rounds, and medians are reported, because the
 * machine's speed drifts.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/err.h"
#include "base/log.h"
#include "call/gateway.h"
#include "tests/bench/figure.h"
#include "wire/loop.h"
#include "wire/stream.h"

#define AT_ONCE 64
#define ROUNDS_MAX 15
#define IDLE_CALLS 10000
#define SAMPLES_MAX 1000000
#define EVENTS 64

/* The environment; each call has a unique id of its own. */
#define ENV_FORMAT \
	"agi_network: yes\nagi_request: agi://127.0.0.1/\n" \
	"agi_channel: PJSIP/trunk-00000001\nagi_language: ja\n" \
	"agi_type: PJSIP\nagi_uniqueid: bench-%d.%u\nagi_version: 23.4.1\n" \
	"agi_callerid: 0312345678\nagi_calleridname: unknown\n" \
	"agi_callingpres: 0\nagi_callingani2: 0\nagi_callington: 0\n" \
	"agi_callingtns: 0\nagi_dnid: 0120950178\nagi_rdnis: unknown\n" \
	"agi_context: holdline\nagi_extension: 0120950178\n" \
	"agi_priority: 3\nagi_enhanced: 0.0\nagi_accountcode: \n" \
	"agi_threadid: 140245\n\n"

/* The twelve commands, as our session makes agi_leg send them. */
static const char *const script[] = {
	"ANSWER\n",
	"EXEC Playback \"holdline/greeting&holdline/notice\"\n",
	"SET VARIABLE \"TIMEOUT(response)\" \"7\"\n",
	"SET VARIABLE \"TIMEOUT(digit)\" \"5\"\n",
	"EXEC Read \"HOLDLINE_D,holdline/menu&holdline/silence,1,,1\"\n",
	"GET FULL VARIABLE \"${READSTATUS}:${HOLDLINE_D}\"\n",
	"EXEC Read \"HOLDLINE_D,holdline/ask-birth&holdline/silence,8,,1\"\n",
	"GET FULL VARIABLE \"${READSTATUS}:${HOLDLINE_D}\"\n",
	"SET VARIABLE \"HOLDLINE_D\" \"\"\n",
	"SET VARIABLE \"HOLDLINE_RESULT\" \"visible\"\n",
	"SET VARIABLE \"HOLDLINE_NEXT\" \"hangup\"\n",
	"SET VARIABLE \"HOLDLINE_DONE\" \"1\"\n",
};
#define COMMANDS (sizeof(script) / sizeof(script[0]))

__attribute__((noreturn, format(printf, 1, 2))) static void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("agi: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* ---- what both servers tell us on their control socket */

struct usage {
	double cpu_us;
	long rss_kib;
};

static struct usage
usage_now(void)
{
	struct usage u = { .rss_kib = 0 };
	struct rusage r;
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1)
		die("/proc/self/statm cannot be read");
	fclose(f);
	getrusage(RUSAGE_SELF, &r);
	u.cpu_us = 1e6 * (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	    (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
	u.rss_kib = pages * (sysconf(_SC_PAGESIZE) / 1024);
	return u;
}

/* Answer one question, or leave when our parent has gone. */
static void
usage_tell(int control)
{
	struct usage u = usage_now();
	char byte;

	if (read(control, &byte, 1) != 1 ||
	    write(control, &u, sizeof(u)) != (ssize_t)sizeof(u))
		_exit(0);
}

/* ---- the floor: epoll, read() and send() */

struct raw {
	int fd;
	unsigned int step; /* next command; its reply or the env is awaited */
	char last;         /* byte, for the environment's empty line */
};

static int
raw_listen(uint16_t *port)
{
	const int on = 1;
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&in, len) == -1 ||
	    listen(fd, 4096) == -1 ||
	    getsockname(fd, (struct sockaddr *)&in, &len) == -1)
		die("cannot listen: %s", strerror(errno));
	*port = ntohs(in.sin_port);
	return fd;
}

static void
raw_watch(int ep, int fd, void *ptr)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = ptr };

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == -1)
		die("epoll: %s", strerror(errno));
}

static void
raw_accept(int ep, int listener)
{
	const int on = 1;
	struct raw *c;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) != -1) {
		if ((c = calloc(1, sizeof(*c))) == NULL)
			die("out of memory");
		c->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		raw_watch(ep, fd, c);
	}
}

static void
raw_serve(struct raw *c)
{
	char bytes[4096];
	ssize_t i, n = read(c->fd, bytes, sizeof(bytes));
	bool gone = n == 0 || (n == -1 && errno != EAGAIN);

	for (i = 0; i < n && !gone; i++) {
		if (bytes[i] == '\n' && (c->step > 0 || c->last == '\n')) {
			gone = c->step == COMMANDS ||
			    send(c->fd, script[c->step],
				strlen(script[c->step]), MSG_NOSIGNAL) == -1;
			c->step++;
		}
		c->last = bytes[i];
	}
	if (!gone)
		return;
	close(c->fd);
	free(c);
}

__attribute__((noreturn)) static void
raw_server(int control)
{
	struct epoll_event events[EVENTS];
	uint16_t port;
	int i, n, ep = epoll_create1(0), listener = raw_listen(&port);
	struct raw self = { .fd = control };

	if (write(control, &port, sizeof(port)) != (ssize_t)sizeof(port))
		_exit(1);
	raw_watch(ep, listener, NULL);
	raw_watch(ep, control, &self);
	for (;;) {
		n = epoll_wait(ep, events, EVENTS, -1);
		for (i = 0; i < n; i++)
			if (events[i].data.ptr == NULL)
				raw_accept(ep, listener);
			else if (events[i].data.ptr == &self)
				usage_tell(control);
			else
				raw_serve(events[i].data.ptr);
	}
}

/* ---- ours: the gateway under a session that asks for the same */

struct call {
	struct leg *leg;
	bool again;
};

static void
call_free(struct call *c)
{
	leg_free(c->leg);
	free(c);
}

static void
on_ready(void *ctx, const struct leg_info *info)
{
	(void)info;
	leg_answer(((struct call *)ctx)->leg);
}

static void
on_answered(void *ctx)
{
	const char *files[] = { "greeting", "notice" };
	const struct leg_say say = {
		.lang = "ja", .files = files, .n = 2, .ms = 10000
	};

	leg_say(((struct call *)ctx)->leg, &say);
}

static void
call_collect(struct call *c, const char *file, unsigned int max)
{
	const struct leg_collect collect = {
		.say = { .lang = "ja", .files = &file, .n = 1, .ms = 10000 },
		.max = max,
		.first_ms = 7000,
		.next_ms = 5000
	};

	leg_collect(c->leg, &collect);
}

static void
on_said(void *ctx)
{
	call_collect(ctx, "menu", 1);
}

static void
on_collected(void *ctx, enum leg_collect_end end, const char *digits)
{
	struct call *c = ctx;

	(void)end, (void)digits;
	if (c->again)
		leg_end(c->leg, LEG_NEXT_HANGUP, "visible");
	else
		call_collect(c, "ask-birth", 8);
	c->again = true;
}

static void
on_failed(void *ctx, const char *why)
{
	(void)why;
	call_free(ctx);
}

static void
on_ended(void *ctx)
{
	call_free(ctx);
}

static const struct leg_events call_events = { .ready = on_ready,
	.answered = on_answered,
	.said = on_said,
	.collected = on_collected,
	.hung_up = on_ended,
	.failed = on_failed,
	.ended = on_ended };

static void *
call_admit(void *ctx, struct leg *leg)
{
	struct call *c = calloc(1, sizeof(*c));

	(void)ctx;
	if (c != NULL)
		c->leg = leg;
	return c;
}

static void
on_control(evutil_socket_t fd, short what, void *ctx)
{
	(void)what, (void)ctx;
	usage_tell(fd);
}

__attribute__((noreturn)) static void
our_server(int control)
{
	struct gateway_options options = { .listen = "127.0.0.1:0",
		.max_calls = 100000,
		.backlog = 4096,
		.slack_us = 600000000,
		.admit = call_admit,
		.events = &call_events };
	struct loop loop = { .base = NULL };
	struct gateway *g;
	struct err err;
	uint16_t port;

	if (loop_open(&loop, &err) == -1)
		die("%s", err.text);
	options.base = loop.base;
	options.timers = loop.timers;
	if ((g = gateway_new(&options, &err)) == NULL)
		die("%s", err.text);
	port = (uint16_t)gateway_port(g);
	event_add(event_new(loop.base, control, EV_READ | EV_PERSIST,
		      on_control, NULL),
	    NULL);
	if (write(control, &port, sizeof(port)) != (ssize_t)sizeof(port))
		_exit(1);
	for (;;)
		loop_turn(&loop, INT64_MAX);
}

/* ---- a server seen from here */

struct server {
	const char *name;
	struct sockaddr_storage sa;
	socklen_t sa_len;
	int control; /* -1: not our child */
	pid_t pid;
	double rate[ROUNDS_MAX], cpu[ROUNDS_MAX]; /* per round */
	uint32_t *ns; /* turnarounds of all rounds */
	size_t n_ns;
};

static void
server_start(struct server *s, const char *name, void (*run)(int control))
{
	struct sockaddr_in *in = (struct sockaddr_in *)&s->sa;
	uint16_t port;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == -1)
		die("socketpair: %s", strerror(errno));
	s->name = name;
	if ((s->pid = fork()) == 0) {
		close(fds[0]);
		run(fds[1]);
	}
	close(fds[1]);
	s->control = fds[0];
	if (read(s->control, &port, sizeof(port)) != (ssize_t)sizeof(port))
		die("the %s server did not start", name);
	*in = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };
	s->sa_len = sizeof(*in);
}

static struct usage
server_usage(const struct server *s)
{
	struct usage u = { .rss_kib = 0 };

	if (s->control == -1)
		return u;
	if (write(s->control, "?", 1) != 1 ||
	    read(s->control, &u, sizeof(u)) != (ssize_t)sizeof(u))
		die("the %s server has died", s->name);
	return u;
}

static void
server_stop(struct server *s)
{
	free(s->ns);
	if (s->control == -1)
		return;
	close(s->control);
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
}

/* ---- this side: Asterisk */

struct phone {
	int fd;
	int64_t replied_ns; /* 0: the environment, or nothing, was sent */
	size_t len;
	char line[2048];
};

struct load {
	struct server *server;
	int ep;
	unsigned int open, started, calls; /* `calls` are wanted in all */
	uint64_t commands;
};

static void
phone_dial(struct load *l, struct phone *p)
{
	static unsigned int id;
	const int on = 1;
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = p };
	char env[1024];
	int len = snprintf(env, sizeof(env), ENV_FORMAT, getpid(), ++id);

	p->fd = socket(l->server->sa.ss_family, SOCK_STREAM, 0);
	if (p->fd == -1 ||
	    connect(p->fd, (struct sockaddr *)&l->server->sa,
		l->server->sa_len) == -1)
		die("cannot connect to the %s server: %s", l->server->name,
		    strerror(errno));
	fcntl(p->fd, F_SETFL, O_NONBLOCK);
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	epoll_ctl(l->ep, EPOLL_CTL_ADD, p->fd, &e);
	p->len = 0;
	p->replied_ns = 0;
	l->started++;
	l->open++;
	send(p->fd, env, (size_t)len, MSG_NOSIGNAL);
}

static void
phone_reply(struct load *l, struct phone *p)
{
	const char *reply = strncmp(p->line, "GET FULL", 8) == 0
	    ? "200 result=1 (OK:1)\n"
	    : "200 result=0\n";
	struct server *s = l->server;
	int64_t ns = now_ns();

	if (p->replied_ns != 0 && s->n_ns < SAMPLES_MAX)
		s->ns[s->n_ns++] = (uint32_t)(ns - p->replied_ns);
	l->commands++;
	p->len = 0;
	p->replied_ns = ns;
	send(p->fd, reply, strlen(reply), MSG_NOSIGNAL);
}

static void
phone_hear(struct load *l, struct phone *p)
{
	ssize_t n = read(p->fd, p->line + p->len, sizeof(p->line) - 1 - p->len);

	if (n == -1 && errno == EAGAIN)
		return;
	if (n > 0) {
		p->len += (size_t)n;
		p->line[p->len] = '\0';
		if (p->line[p->len - 1] == '\n')
			phone_reply(l, p);
		return;
	}
	close(p->fd);
	l->open--;
	if (l->started < l->calls)
		phone_dial(l, p);
}

/* `calls` calls, AT_ONCE at a time, to their ends. */
static void
load_run(struct load *l)
{
	static struct phone phones[AT_ONCE];
	struct epoll_event events[EVENTS];
	int i, n;

	for (i = 0; i < AT_ONCE && l->started < l->calls; i++)
		phone_dial(l, &phones[i]);
	while (l->open > 0) {
		n = epoll_wait(l->ep, events, EVENTS, 20000);
		if (n == 0)
			die("the %s server has said nothing for 20 s",
			    l->server->name);
		for (i = 0; i < n; i++)
			phone_hear(l, events[i].data.ptr);
	}
}

static void
run_round(struct server *s, unsigned int calls, int round)
{
	struct load l = { .server = s, .ep = epoll_create1(0), .calls = calls };
	struct usage before = server_usage(s), after;
	int64_t begun = now_ns();
	double commands;

	load_run(&l);
	commands = (double)l.commands;
	s->rate[round] = commands * 1e9 / (double)(now_ns() - begun);
	after = server_usage(s);
	s->cpu[round] = (after.cpu_us - before.cpu_us) / commands;
	close(l.ep);
	if (s->control != -1 && l.commands != calls * COMMANDS)
		die("the %s server sent %.0f commands in %u calls, not %zu a "
		    "call",
		    s->name, commands, calls, COMMANDS);
}

/* ---- memory of calls that wait */

static unsigned int
idle_calls(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur < IDLE_CALLS + 100
	    ? (unsigned int)limit.rlim_cur - 100
	    : IDLE_CALLS;
}

/* Calls that have been asked to answer and never do. */
static double
idle_memory(struct server *s, unsigned int calls)
{
	struct phone *phones = calloc(calls, sizeof(*phones));
	struct load l = { .server = s, .ep = epoll_create1(0) };
	struct usage before = server_usage(s), after;
	unsigned int i;
	ssize_t n;

	if (phones == NULL)
		die("out of memory");
	for (i = 0; i < calls; i++)
		phone_dial(&l, &phones[i]);
	for (i = 0; i < calls; i++) {
		fcntl(phones[i].fd, F_SETFL, 0);
		n = read(phones[i].fd, phones[i].line, sizeof(phones[i].line));
		if (n <= 0)
			die("the %s server closed call %u", s->name, i);
	}
	after = server_usage(s);
	for (i = 0; i < calls; i++)
		close(phones[i].fd);
	close(l.ep);
	free(phones);
	return (double)(after.rss_kib - before.rss_kib) / calls;
}

/* ---- figures */

static int
by_ns(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
print_server(struct server *s, int rounds)
{
	double rate = median(s->rate, (size_t)rounds);

	qsort(s->ns, s->n_ns, sizeof(*s->ns), by_ns);
	printf("%-9s %9.0f commands/s %8.0f calls/s   turnaround p50 %.0f us, "
	       "p99 %.0f us",
	    s->name, rate, rate / COMMANDS, s->ns[s->n_ns / 2] / 1e3,
	    s->ns[s->n_ns * 99 / 100] / 1e3);
	if (s->control != -1)
		printf(
		    "   CPU %.1f us a command", median(s->cpu, (size_t)rounds));
	printf("\n");
}

/* Of each round; median() puts rounds out of order. */
static double
median_ratio(const double *a, const double *b, int n)
{
	double ratios[ROUNDS_MAX];
	int i;

	for (i = 0; i < n; i++)
		ratios[i] = a[i] / b[i];
	return median(ratios, (size_t)n);
}

static void
samples_new(struct server *s)
{
	if ((s->ns = malloc(SAMPLES_MAX * sizeof(*s->ns))) == NULL)
		die("out of memory");
}

/* A server that runs elsewhere, whatever its conversation is. */
static void
bench_remote(const char *address, unsigned int calls, int rounds)
{
	struct server s = { .name = "holdlined", .control = -1 };
	struct stream_addr addr;
	struct err err;
	int i;

	if (stream_addr_parse(address, &addr, &err) == -1)
		die("%s", err.text);
	s.sa = addr.sa;
	s.sa_len = addr.len;
	samples_new(&s);
	for (i = 0; i < rounds; i++)
		run_round(&s, calls, i);
	if (s.n_ns == 0)
		die("it took no call; see its log");
	print_server(&s, rounds);
	server_stop(&s);
}

static void
bench_both(unsigned int calls, int rounds)
{
	struct server raw = { .control = -1 }, ours = { .control = -1 };
	unsigned int idle;
	double raw_kib, our_kib, cpu, rate;
	int i;

	idle = idle_calls(); /* before the children inherit the limit */
	server_start(&raw, "raw epoll", raw_server);
	server_start(&ours, "ours", our_server);
	samples_new(&raw);
	samples_new(&ours);
	run_round(&raw, AT_ONCE, 0); /* warm up */
	run_round(&ours, AT_ONCE, 0);
	raw.n_ns = ours.n_ns = 0;
	for (i = 0; i < rounds; i++) {
		run_round(i % 2 == 0 ? &raw : &ours, calls, i);
		run_round(i % 2 == 0 ? &ours : &raw, calls, i);
	}
	raw_kib = idle_memory(&raw, idle);
	our_kib = idle_memory(&ours, idle);
	cpu = median_ratio(ours.cpu, raw.cpu, rounds);
	rate = median_ratio(ours.rate, raw.rate, rounds);
	print_server(&raw, rounds);
	print_server(&ours, rounds);
	printf("%u idle calls: raw epoll %.2f, ours %.2f KiB a call\n", idle,
	    raw_kib, our_kib);
	report("agi-cpu", cpu, "<=", 1.6);
	report("agi-rate", rate, ">=", 0.8);
	report_in("KiB", "agi-memory", our_kib, "<=", 4);
	server_stop(&raw);
	server_stop(&ours);
}

int
main(int argc, char **argv)
{
	bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	unsigned int calls = quick ? 400 : 2000;
	int rounds = quick ? 5 : 11;

	if (argc > 2 + quick ||
	    (argc > 1 + quick && argv[1 + quick][0] == '-')) {
		fputs("usage: agi [--quick] [ADDRESS]\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_set_level(LOG_LEVEL_ERROR);
	if (argc > 1 + quick)
		bench_remote(argv[1 + quick], calls, rounds);
	else
		bench_both(calls, rounds);
	return 0;
}
