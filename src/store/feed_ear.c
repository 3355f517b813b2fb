/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that waits for the database's word that there are news, and makes a
 * descriptor readable.  The rest of the store does not know it.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine.h"
#include "store/feed.h"

#define AGAIN_MS 1000 /* after the connection was lost */

struct feed_ear {
	struct store_options options;
	char *path;
	int news, stop; /* eventfds */
	bool started;
	pthread_t thread;
};

static void
ear_ring(struct feed_ear *e)
{
	uint64_t one = 1;

	(void)!write(e->news, &one, sizeof(one));
}

/* Wait for the server's word, or the end.  False: it is the end. */
static bool
ear_wait(struct feed_ear *e, int fd, int timeout_ms)
{
	struct pollfd fds[2] = { { .fd = e->stop, .events = POLLIN },
		{ .fd = fd, .events = POLLIN } };

	while (poll(fds, 2, timeout_ms) == -1 && errno == EINTR)
		;
	return fds[0].revents == 0;
}

/* Until the connection is lost or it is the end. */
static bool
ear_listen(struct feed_ear *e, struct store_db *db)
{
	while (ear_wait(e, db->engine->news_fd(db), -1)) {
		if (db->engine->news_read(db) == -1)
			return true;
		ear_ring(e);
	}
	return false;
}

/* Whatever was told while nobody listened is found by looking, so the bell
 * rings with every new connection. */
static void *
ear_run(void *arg)
{
	struct feed_ear *e = arg;
	struct store_db *db;
	struct err err;
	bool go_on = true;

	while (go_on) {
		if ((db = db_open(&e->options, &err)) != NULL &&
		    db->engine->news_start(db, &err) == 0) {
			ear_ring(e);
			go_on = ear_listen(e, db);
		}
		db_close(db);
		go_on = go_on && ear_wait(e, -1, AGAIN_MS);
	}
	return NULL;
}

static int
ear_start(struct feed_ear *e)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&e->thread, NULL, ear_run, e);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	e->started = rc == 0;
	return e->started ? 0 : -1;
}

struct feed_ear *
feed_ear_new(const struct store_options *options, struct err *err)
{
	struct feed_ear *e = calloc(1, sizeof(*e));

	if (e == NULL)
		goto fail;
	e->news = e->stop = -1;
	if (!postgres_is_url(options->path))
		return e;
	e->options = *options;
	e->options.path = e->path = strdup(options->path);
	e->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->path == NULL || e->news == -1 || e->stop == -1 ||
	    ear_start(e) == -1)
		goto fail;
	return e;

fail:
	feed_ear_free(e);
	err_set(err, ERR_NOMEM, "cannot set up a listener at the store");
	return NULL;
}

int
feed_ear_fd(const struct feed_ear *e)
{
	return e->news;
}

void
feed_ear_clear(struct feed_ear *e)
{
	uint64_t n;

	(void)!read(e->news, &n, sizeof(n));
}

void
feed_ear_free(struct feed_ear *e)
{
	uint64_t one = 1;

	if (e == NULL)
		return;
	if (e->started) {
		(void)!write(e->stop, &one, sizeof(one));
		pthread_join(e->thread, NULL);
	}
	if (e->news != -1)
		close(e->news);
	if (e->stop != -1)
		close(e->stop);
	free(e->path);
	free(e);
}
