/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/work.h"

struct list {
	struct work_item *head, **tail;
	size_t n;
};

struct work {
	struct work_options options;
	pthread_mutex_t lock; /* over waiting, finished, stop */
	pthread_cond_t wake;
	struct list waiting, finished;
	bool stop;
	int fd;
	size_t pending; /* loop thread only */
	unsigned int started;
	pthread_t threads[]; /* options.threads of them */
};

static void
list_clear(struct list *l)
{
	l->head = NULL;
	l->tail = &l->head;
	l->n = 0;
}

static void
list_append(struct list *l, struct work_item *item)
{
	item->next = NULL;
	*l->tail = item;
	l->tail = &item->next;
	l->n++;
}

/* Take up to `max` items (0 = all) off the front, as a NULL-ended list. */
static struct work_item *
list_take(struct list *l, size_t max)
{
	struct work_item *first = l->head, *last = first;
	size_t n = 1;

	if (first == NULL || max == 0 || max >= l->n) {
		list_clear(l);
		return first;
	}
	for (; n < max; n++)
		last = last->next;
	l->head = last->next;
	l->n -= n;
	last->next = NULL;
	return first;
}

static size_t
work_grab_max(const struct work *w)
{
	return w->options.batch ? w->options.batch_max : 1;
}

/* Put what ran on the finished list; the caller holds the lock. */
static void
work_finish(struct work *w, struct work_item *items)
{
	struct work_item *next;

	for (; items != NULL; items = next) {
		next = items->next;
		list_append(&w->finished, items);
	}
}

static void *
work_thread(void *arg)
{
	struct work *w = arg;
	struct work_item *items;
	uint64_t one = 1;
	bool first;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (w->waiting.n == 0 && !w->stop)
			pthread_cond_wait(&w->wake, &w->lock);
		if (w->waiting.n == 0)
			break;
		items = list_take(&w->waiting, work_grab_max(w));
		pthread_mutex_unlock(&w->lock);
		w->options.run(w->options.ctx, items);
		pthread_mutex_lock(&w->lock);
		first = w->finished.n == 0;
		work_finish(w, items);
		if (first && write(w->fd, &one, sizeof(one)) == -1)
			abort(); /* an eventfd takes 2^64 - 2 of these */
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Signals belong to the loop thread. */
static int
work_start_threads(struct work *w, struct err *err)
{
	sigset_t all, old;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (w->started < w->options.threads && rc == 0)
		if ((rc = pthread_create(
			 &w->threads[w->started], NULL, work_thread, w)) == 0)
			w->started++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		return err_set(
		    err, ERR_IO, "cannot start a thread: %s", strerror(rc));
	return 0;
}

struct work *
work_new(const struct work_options *options, struct err *err)
{
	struct work *w;

	w = calloc(1, sizeof(*w) + options->threads * sizeof(w->threads[0]));
	if (w == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	w->options = *options;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	list_clear(&w->waiting);
	list_clear(&w->finished);
	w->fd = -1;
	if (options->threads > 0 &&
	    (w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1) {
		err_set(err, ERR_IO, "eventfd: %s", strerror(errno));
		goto fail;
	}
	if (work_start_threads(w, err) == -1)
		goto fail;
	return w;

fail:
	work_free(w);
	return NULL;
}

void
work_free(struct work *w)
{
	unsigned int i;

	if (w == NULL)
		return;
	work_drain(w);
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	for (i = 0; i < w->started; i++)
		pthread_join(w->threads[i], NULL);
	if (w->fd != -1)
		close(w->fd);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int
work_submit(struct work *w, struct work_item *item)
{
	int rc = 0;

	assert(item->done != NULL);
	pthread_mutex_lock(&w->lock);
	if (w->options.queue_max > 0 && w->waiting.n >= w->options.queue_max)
		rc = -1;
	else {
		list_append(&w->waiting, item);
		pthread_cond_signal(&w->wake);
	}
	pthread_mutex_unlock(&w->lock);
	if (rc == 0)
		w->pending++;
	return rc;
}

void
work_return(struct work *w, struct work_item *item)
{
	uint64_t one = 1;

	assert(item->done != NULL);
	pthread_mutex_lock(&w->lock);
	item->next = NULL;
	work_finish(w, item);
	pthread_mutex_unlock(&w->lock);
	w->pending++;
	if (w->fd != -1 && write(w->fd, &one, sizeof(one)) == -1)
		abort();
}

int
work_fd(const struct work *w)
{
	return w->fd;
}

/* threads = 0: do one helping of the work here. */
static void
work_run_inline(struct work *w)
{
	struct work_item *items;

	if ((items = list_take(&w->waiting, work_grab_max(w))) == NULL)
		return;
	w->options.run(w->options.ctx, items);
	work_finish(w, items);
}

size_t
work_dispatch(struct work *w)
{
	struct work_item *items, *next;
	uint64_t count;
	size_t n = 0;

	if (w->options.threads == 0)
		work_run_inline(w);
	else if (read(w->fd, &count, sizeof(count)) == -1 && errno != EAGAIN)
		abort();
	pthread_mutex_lock(&w->lock);
	items = list_take(&w->finished, 0);
	pthread_mutex_unlock(&w->lock);
	for (; items != NULL; items = next) {
		next = items->next;
		assert(w->pending > 0);
		w->pending--;
		n++;
		items->done(items);
	}
	return n;
}

size_t
work_pending(const struct work *w)
{
	return w->pending;
}

void
work_drain(struct work *w)
{
	struct pollfd pfd = { .fd = w->fd, .events = POLLIN };

	while (w->pending > 0)
		if (work_dispatch(w) == 0 && w->fd != -1)
			poll(&pfd, 1, -1);
}
