/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "cli/caller.h"
#include "cli/dial.h"
#include "flow/prompt.h"
#include "wire/stream.h"

#define DIAL_FIRST_S 7 /* as the server's defaults, should it set none */
#define DIAL_NEXT_S 5

struct dial {
	char *servers, *rest; /* all of them; those not tried yet */
	const char *address;  /* of the present one; in `servers` */
	int64_t timeout_us;
	int fd;
	struct phone_options options;
	struct phone *phone;
	struct caller *caller; /* borrowed */
	bool asked;            /* a line of keys is wanted */
	bool hung_up;          /* by Ctrl-C */
	int64_t until_us;      /* patience with whoever is to act next */
	size_t n_keys;
	bool keys_end;
	char keys[512]; /* from the terminal, not yet used */
};

static volatile sig_atomic_t dial_interrupted;

static void
dial_on_signal(int sig)
{
	(void)sig;
	if (dial_interrupted++ > 0)
		_exit(2); /* the second Ctrl-C does not wait */
}

/* ---- the telephone */

static int
dial_write(void *ctx, const char *bytes, size_t len)
{
	const struct dial *d = ctx;
	ssize_t n;

	while (len > 0) {
		n = send(d->fd, bytes, len, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static void
dial_wait_for_server(struct dial *d)
{
	d->asked = false;
	d->until_us = clock_mono_us() + d->timeout_us;
}

static int64_t
dial_seconds(const struct dial *d, const char *name, long otherwise)
{
	const char *value = phone_variable(d->phone, name);

	return CLOCK_S_US * (value == NULL ? otherwise : atol(value));
}

/* A person at the keys has as long as one at a telephone has to hear what is
 * asked and to answer; the server does not wait longer. */
static void
dial_wait_for_keys(struct dial *d, const struct phone_play *play)
{
	int64_t us = 0;
	size_t i;

	for (i = 0; i < play->n; i++)
		us += prompt_ms(play->lang, play->files[i]) * INT64_C(1000);
	us += dial_seconds(d, "TIMEOUT(response)", DIAL_FIRST_S);
	us += dial_seconds(d, "TIMEOUT(digit)", DIAL_NEXT_S) * play->max;
	d->asked = true;
	d->until_us = clock_mono_us() + us;
}

static void
dial_act(struct dial *d, struct caller_act *act)
{
	if (act->what == CALLER_IS_ASKED)
		return;
	dial_wait_for_server(d);
	phone_played(d->phone, act->keys, act->what == CALLER_HANGS_UP);
	secret_cleanse(act, sizeof(*act));
}

static void
dial_play(void *ctx, const struct phone_play *play)
{
	struct dial *d = ctx;
	struct caller_act act;

	caller_hear(d->caller, play, clock_mono_us(), &act);
	if (act.what == CALLER_IS_ASKED)
		dial_wait_for_keys(d, play);
	dial_act(d, &act);
}

static const struct phone_driver dial_driver = { dial_write, dial_play };

/* ---- the connection */

static int
dial_left(const struct dial *d, const char *why, struct err *err)
{
	return err_set(err, ERR_IO,
	    "%s: the server left the call (%s): it is full, stopping or in "
	    "trouble; its log says which.  A gateway would now try the next "
	    "server, or a person",
	    d->address, why);
}

/* Wait until a connection that was begun is there; errno says why not. */
static int
dial_connected(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(errno);
	int error = 0, n = poll(&p, 1, timeout_ms);

	if (n == 0)
		errno = ETIMEDOUT;
	if (n != 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		return -1;
	if (error != 0) {
		errno = error;
		return -1;
	}
	return 0;
}

static int
dial_connect(struct dial *d, const struct stream_addr *addr, struct err *err)
{
	int one = 1, rc,
	    fd = socket(addr->sa.ss_family,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return err_set(err, ERR_IO, "socket: %s", strerror(errno));
	rc = connect(fd, (const struct sockaddr *)&addr->sa, addr->len);
	if (rc == -1 && errno == EINPROGRESS)
		rc = dial_connected(fd, (int)(d->timeout_us / 1000));
	if (rc == -1) {
		if (errno == ECONNRESET)
			dial_left(d, strerror(errno), err);
		else
			err_set(err, ERR_IO,
			    "%s: %s; is the server running?  `holdlined -c "
			    "FILE` starts it, --server names another",
			    d->address, strerror(errno));
		close(fd);
		return -1;
	}
	/* Replies are short: writing may block, reading is polled for. */
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	d->fd = fd;
	return 0;
}

/* ---- the call */

static void
dial_hang_up(struct dial *d)
{
	struct caller_act act;

	d->hung_up = true;
	if (d->asked) {
		caller_typed(d->caller, NULL, clock_mono_us(), &act);
		dial_act(d, &act);
	} else {
		dial_wait_for_server(d);
		phone_hang_up(d->phone);
	}
}

/* The next server that can be had; -1 with *err of the last one. */
static int
dial_next(struct dial *d, struct err *err)
{
	struct stream_addr addr;

	while ((d->address = strsep(&d->rest, ",")) != NULL) {
		if (stream_addr_parse(d->address, &addr, err) == -1)
			return -1; /* a slip of the keys is no server away */
		if (dial_connect(d, &addr, err) == -1)
			continue;
		phone_free(d->phone);
		d->phone = phone_new(&d->options);
		return d->phone != NULL
		    ? 0
		    : err_set(err, ERR_NOMEM, "out of memory");
	}
	return -1;
}

/* The server left in the middle.  A caller who is still there comes to the
 * next one. */
static int
dial_move(struct dial *d, const char *why, struct err *err)
{
	dial_left(d, why, err);
	close(d->fd);
	d->fd = -1;
	if (d->hung_up || d->rest == NULL || dial_next(d, err) == -1)
		return -1;
	caller_moved(d->caller);
	dial_wait_for_server(d);
	phone_dial(d->phone);
	return 0;
}

/* Returns 0 to go on, 1 when the call is over, -1 with *err. */
static int
dial_read(struct dial *d, struct err *err)
{
	char bytes[4096];
	const char *why;
	ssize_t n = recv(d->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0 && phone_done(d->phone))
		return 1; /* as it should be */
	if (n <= 0)
		return dial_move(
		    d, n == 0 ? "it closed" : strerror(errno), err);
	if (!d->asked)
		dial_wait_for_server(d);
	if (phone_input(d->phone, bytes, (size_t)n, &why) == -1)
		return err_set(err, ERR_PARSE,
		    "%s: what answers there does not speak FastAGI: %s",
		    d->address, why);
	return 0;
}

/* One line of what was typed, if there is a whole one; was there? */
static bool
dial_use_keys(struct dial *d)
{
	char *end = memchr(d->keys, '\n', d->n_keys);
	bool full = d->n_keys == sizeof(d->keys) - 1;
	struct caller_act act;
	size_t used;

	if (end == NULL && !d->keys_end && !full)
		return false;
	used = end == NULL ? d->n_keys : (size_t)(end - d->keys) + 1;
	d->keys[end == NULL ? used : used - 1] = '\0';
	caller_typed(
	    d->caller, used == 0 ? NULL : d->keys, clock_mono_us(), &act);
	memmove(d->keys, d->keys + used, d->n_keys - used);
	d->n_keys -= used;
	dial_act(d, &act);
	return true;
}

static void
dial_read_keys(struct dial *d)
{
	ssize_t n = read(
	    STDIN_FILENO, d->keys + d->n_keys, sizeof(d->keys) - 1 - d->n_keys);

	if (n > 0)
		d->n_keys += (size_t)n;
	else if (n == 0 || errno != EINTR)
		d->keys_end = true;
}

/* Whoever is to act next has taken too long. */
static int
dial_too_late(struct dial *d, struct err *err)
{
	struct caller_act act;

	if (!d->asked)
		return err_set(err, ERR_IO,
		    "%s: the server has been silent for %" PRId64
		    " s; --timeout waits longer, its log may say why",
		    d->address, d->timeout_us / CLOCK_S_US);
	caller_too_late(d->caller, &act);
	dial_act(d, &act);
	return 0;
}

/* Wait for the server, the keys, or the end of patience. */
static int
dial_wait(struct dial *d, const sigset_t *signals, struct pollfd polls[2])
{
	int64_t left = d->until_us - clock_mono_us();
	struct timespec ts = { 0, 0 };

	polls[0] = (struct pollfd){ .fd = d->fd, .events = POLLIN };
	polls[1] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	if (left > 0) {
		ts.tv_sec = left / CLOCK_S_US;
		ts.tv_nsec = left % CLOCK_S_US * 1000;
	}
	return ppoll(polls, d->asked ? 2 : 1, &ts, signals);
}

/* Signals come only while dial_wait() waits, so that none is missed. */
static void
dial_catch_signals(sigset_t *before)
{
	struct sigaction act = { .sa_handler = dial_on_signal };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, before);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
}

int
dial_talk(struct dial *d, struct err *err)
{
	struct pollfd polls[2];
	sigset_t signals;
	int n, rc = 0;

	dial_catch_signals(&signals);
	dial_wait_for_server(d);
	phone_dial(d->phone);
	while (rc == 0) {
		if (dial_interrupted > 0 && !d->hung_up)
			dial_hang_up(d);
		if (d->asked && dial_use_keys(d))
			continue;
		if ((n = dial_wait(d, &signals, polls)) == 0)
			rc = dial_too_late(d, err);
		else if (n > 0 && polls[0].revents != 0)
			rc = dial_read(d, err);
		else if (n > 0)
			dial_read_keys(d);
	}
	return rc == 1 ? 0 : -1;
}

/* ---- life */

struct dial *
dial_open(const struct dial_options *options, struct err *err)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (d != NULL)
		d->fd = -1;
	if (d == NULL || (d->servers = strdup(options->servers)) == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		goto failed;
	}
	d->rest = d->servers;
	d->timeout_us = options->timeout_us;
	d->caller = options->caller;
	d->options = options->phone;
	d->options.driver = &dial_driver;
	d->options.ctx = d;
	if (dial_next(d, err) == 0)
		return d;
failed:
	dial_close(d);
	return NULL;
}

const struct phone *
dial_phone(const struct dial *d)
{
	return d->phone;
}

void
dial_close(struct dial *d)
{
	if (d == NULL)
		return;
	phone_free(d->phone);
	if (d->fd != -1)
		close(d->fd);
	free(d->servers);
	secret_cleanse(d, sizeof(*d));
	free(d);
}
