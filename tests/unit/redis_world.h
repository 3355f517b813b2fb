/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redis_world.h -- an event loop that runs until something happens, a real
 * redis-server on a Unix socket, and a scripted one that misbehaves.
 * Included once by each test that needs them.
 */
#ifndef TESTS_REDIS_WORLD_H
#define TESTS_REDIS_WORLD_H

#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <hiredis/hiredis.h>

#define DEADLINE_S 20

struct server {
	char dir[64], path[80], address[96]; /* the socket */
	pid_t pid;                           /* of redis-server, or 0 */
	FILE *log;
	const char *more[24]; /* arguments; they win over the usual ones */
};

static inline void
server_folder(struct server *s)
{
	char dir[] = "/tmp/holdline-redis-XXXXXX";

	assert_non_null(mkdtemp(dir));
	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	snprintf(s->path, sizeof(s->path), "%s/s", dir);
	snprintf(s->address, sizeof(s->address), "unix:%s/s", dir);
}

static inline void
server_exec(struct server *s, int out)
{
	const char *argv[48] = { "redis-server", "--port", "0", "--unixsocket",
		s->path, "--save", "", "--appendonly", "no", "--dir", s->dir };
	size_t i, n = 11;

	for (i = 0; s->more[i] != NULL; i++)
		argv[n++] = s->more[i];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, STDOUT_FILENO);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

/* A port of loopback that nobody uses now. */
static inline int
free_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	close(fd);
	return ntohs(in.sin_port);
}

/* Start it, and wait until it says that it is ready. */
static inline void
server_start(struct server *s)
{
	char line[1000];
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	if ((s->pid = fork()) == 0)
		server_exec(s, fds[1]);
	assert_true(s->pid > 0);
	close(fds[1]);
	s->log = fdopen(fds[0], "r");
	while (fgets(line, sizeof(line), s->log) != NULL)
		if (strstr(line, "eady to accept") != NULL)
			return;
	fail_msg("redis-server did not start; is it installed?");
}

static inline void
server_stop(struct server *s)
{
	if (s->pid == 0)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	fclose(s->log);
	s->pid = 0;
	unlink(s->path);
}

static inline void
server_remove(struct server *s)
{
	server_stop(s);
	unlink(s->path);
	if (rmdir(s->dir) == -1)
		fail_msg("files are left in %s", s->dir);
}

/* Ask the real server over a connection of our own; printf-like as hiredis
 * has it.  The answer as text: a word, a number, "(nil)", or an array's
 * elements with spaces between. */
__attribute__((format(printf, 3, 4))) static inline const char *
server_ask(struct server *s, char out[400], const char *fmt, ...)
{
	redisContext *redis = redisConnectUnix(s->path);
	redisReply *r, *e;
	size_t i, used = 0;
	va_list ap;

	assert_non_null(redis);
	assert_int_equal(redis->err, 0);
	va_start(ap, fmt);
	r = redisvCommand(redis, fmt, ap);
	va_end(ap);
	assert_non_null(r);
	out[0] = '\0';
	for (i = 0; i < (r->type == REDIS_REPLY_ARRAY ? r->elements : 1); i++) {
		e = r->type == REDIS_REPLY_ARRAY ? r->element[i] : r;
		used += (size_t)(e->type == REDIS_REPLY_INTEGER
			? snprintf(out + used, 400 - used, "%s%lld",
			      i > 0 ? " " : "", e->integer)
			: snprintf(out + used, 400 - used, "%s%s",
			      i > 0 ? " " : "",
			      e->type == REDIS_REPLY_NIL ? "(nil)" : e->str));
		assert_true(used < 400);
	}
	freeReplyObject(r);
	redisFree(redis);
	return out;
}

/* ---- a server that does as it is told */

/* What a server says that is fit to hold the revocation cache. */
#define FAKE_ROLE "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
#define FAKE_INFO \
	"$58\r\nrun_id:a1\r\nmaxmemory_policy:noeviction\r\n" \
	"master_replid:b1\r\n\r\n"

struct fake {
	struct evconnlistener *listener;
	struct bufferevent *peer; /* the last one that came */
	int accepts;
	struct evbuffer *heard; /* what it sent */
	/* With `reader`, each command is answered by this. */
	void (*answer)(void *ctx, struct fake *f, const redisReply *command);
	redisReader *reader;
	void *ctx;
};

static inline void
fake_say(struct fake *f, const char *bytes)
{
	assert_non_null(f->peer);
	bufferevent_write(f->peer, bytes, strlen(bytes));
}

/* Say something last, and hang up. */
static inline void
fake_hang_up(struct fake *f, const char *bytes)
{
	assert_non_null(f->peer);
	assert_int_equal(
	    write(bufferevent_getfd(f->peer), bytes, strlen(bytes)),
	    strlen(bytes));
	bufferevent_free(f->peer);
	f->peer = NULL;
}

static inline void
fake_read(struct bufferevent *bev, void *ctx)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct fake *f = ctx;
	void *command = NULL;
	char bytes[4096];
	int n;

	if (f->reader == NULL) {
		evbuffer_add_buffer(f->heard, in);
		return;
	}
	while ((n = evbuffer_remove(in, bytes, sizeof(bytes))) > 0)
		redisReaderFeed(f->reader, bytes, (size_t)n);
	while (f->peer == bev &&
	    redisReaderGetReply(f->reader, &command) == REDIS_OK &&
	    command != NULL) {
		f->answer(f->ctx, f, command);
		freeReplyObject(command);
	}
}

static inline void
fake_event(struct bufferevent *bev, short what, void *ctx)
{
	struct fake *f = ctx;

	(void)what;
	bufferevent_free(bev);
	if (f->peer == bev)
		f->peer = NULL;
}

static inline void
fake_accept(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *sa, int len, void *ctx)
{
	struct fake *f = ctx;

	(void)sa, (void)len;
	f->accepts++;
	f->peer = bufferevent_socket_new(
	    evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(f->peer, fake_read, NULL, fake_event, f);
	bufferevent_enable(f->peer, EV_READ | EV_WRITE);
	if (f->reader != NULL) {
		redisReaderFree(f->reader);
		f->reader = redisReaderCreate();
	}
}

static inline void
fake_start(struct fake *f, struct event_base *base, const struct server *s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	memcpy(un.sun_path, s->path, sizeof(s->path));
	f->heard = evbuffer_new();
	f->listener = evconnlistener_new_bind(base, fake_accept, f,
	    LEV_OPT_CLOSE_ON_FREE, 8, (struct sockaddr *)&un, sizeof(un));
	assert_non_null(f->listener);
}

static inline void
fake_stop(struct fake *f)
{
	if (f->listener == NULL)
		return;
	evconnlistener_free(f->listener);
	if (f->peer != NULL)
		bufferevent_free(f->peer);
	evbuffer_free(f->heard);
	if (f->reader != NULL)
		redisReaderFree(f->reader);
	memset(f, 0, sizeof(*f));
}

/* ---- the loop */

static inline void
too_late(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	*(bool *)ctx = true;
}

/* Run events until until(ctx).  `idle` runs before each turn; true = it has
 * more to do; it may be NULL.  Fails the test when it takes too long. */
static inline void
loop_until(struct event_base *base, bool (*until)(void *ctx),
    bool (*idle)(void *ctx), void *ctx)
{
	struct timeval limit = { .tv_sec = DEADLINE_S };
	struct event *alarm_event;
	bool late = false, more = false;

	alarm_event = evtimer_new(base, too_late, &late);
	evtimer_add(alarm_event, &limit);
	for (;;) {
		if (idle != NULL)
			more = idle(ctx);
		if (until(ctx) || late)
			break;
		event_base_loop(base, more ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
	}
	event_free(alarm_event);
	if (late)
		fail_msg("it did not happen within %d s", DEADLINE_S);
}

#endif
