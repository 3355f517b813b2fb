/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/http_server_inner.h"

#define TAKING_US INT64_C(1000000) /* how long a peer's taking is looked at */

/* ---- its life */

void
http_exchange_queue(struct http_exchange *x, enum http_queue queue)
{
	struct http_server *s = x->server;

	if (x->queue != QUEUE_NONE)
		TAILQ_REMOVE(&s->queues[x->queue], x, link);
	s->asking -= x->queue == QUEUE_ASKING;
	s->asking += queue == QUEUE_ASKING;
	x->queue = queue;
	x->looked = false;
	if (queue != QUEUE_NONE)
		TAILQ_INSERT_TAIL(&s->queues[queue], x, link);
}

void
http_exchange_enter(struct http_exchange *x, enum http_state state)
{
	static const enum http_queue queues[] = { [HTTP_IDLE] = QUEUE_IDLE,
		[HTTP_READING] = QUEUE_ASKING,
		[HTTP_ANSWERING] = QUEUE_OWED,
		[HTTP_WRITING] = QUEUE_TAKING,
		[HTTP_DEAD] = QUEUE_NONE };

	x->state = state;
	if (state == HTTP_READING && x->queue == QUEUE_ASKING)
		return; /* the first byte of the first request wins no time */
	http_exchange_queue(x, queues[state]);
	if (state == HTTP_READING)
		x->since_us = timers_mono_us(x->server->o.timers);
}

void
http_exchange_free(struct http_exchange *x)
{
	free(x->in);
	free(x->out);
	free(x);
}

void
http_exchange_drained(void *ctx)
{
	struct http_server *s = ctx;

	if (!s->stopping || s->told || s->counts.connections > 0)
		return;
	s->told = true;
	if (s->o.on_drained != NULL)
		s->o.on_drained(s->o.ctx);
}

void
http_exchange_close_file(struct http_exchange *x)
{
	if (x->file == -1)
		return;
	close(x->file);
	x->file = -1;
	x->server->files--;
}

void
http_exchange_close(struct http_exchange *x)
{
	struct http_server *s = x->server;
	bool owed = x->state == HTTP_ANSWERING;

	http_exchange_enter(x, HTTP_DEAD);
	timer_stop(s->o.timers, &x->timer);
	if (x->readable != NULL)
		event_free(x->readable);
	if (x->writable != NULL)
		event_free(x->writable);
	close(x->fd);
	http_exchange_close_file(x);
	x->server = NULL;
	if (!owed)
		http_exchange_free(x);
	if (--s->counts.connections == 0 && s->stopping)
		timer_start(
		    s->o.timers, &s->pause, 0, http_exchange_drained, s);
}

void
http_exchange_abort(struct http_exchange *x)
{
	const struct linger now = { 1, 0 };

	(void)setsockopt(x->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	http_exchange_close(x);
}

static void on_timer(void *ctx);

void
http_exchange_deadline(struct http_exchange *x, int64_t in_us)
{
	struct timers *timers = x->server->o.timers;
	int64_t now_us = timers_mono_us(timers);

	x->deadline_us = now_us + in_us;
	if (x->timer.slot == 0 || x->timer.at_us > x->deadline_us)
		timer_start(timers, &x->timer, in_us, on_timer, x);
}

/* ---- how its reply is taken */

/* What the peer has taken of the reply, up to a constant: what the socket has
 * taken tells little, because that may hold megabytes. */
static int64_t
exchange_taken(const struct http_exchange *x)
{
	int waiting = 0;

	if (ioctl(x->fd, SIOCOUTQ, &waiting) == -1)
		waiting = 0;
	return (int64_t)x->out_at + x->file_at - waiting;
}

/* From now on it has so long to take some more. */
static void
exchange_mark(struct http_exchange *x, int64_t taken)
{
	struct http_server *s = x->server;
	int64_t left_us;

	x->since_us = timers_mono_us(s->o.timers);
	x->taken = taken;
	http_exchange_queue(x, QUEUE_TAKING);
	left_us = x->until_us > x->since_us ? x->until_us - x->since_us : 0;
	http_exchange_deadline(
	    x, left_us < s->o.request_us ? left_us : s->o.request_us);
}

void
http_exchange_mark(struct http_exchange *x)
{
	exchange_mark(x, exchange_taken(x));
}

/* Has it taken that much since it was marked?  Then it is marked anew. */
static bool
exchange_takes(struct http_exchange *x, int64_t least)
{
	int64_t taken = exchange_taken(x);

	if (taken - x->taken < least)
		return false;
	exchange_mark(x, taken);
	return true;
}

struct http_exchange *
http_exchange_slow(struct http_server *s, bool file)
{
	int64_t now_us = timers_mono_us(s->o.timers), for_us;
	struct http_exchange *x, *next;
	unsigned int i;

	x = TAILQ_FIRST(&s->queues[QUEUE_TAKING]);
	for (i = 0; x != NULL && i < HTTP_LOOKS_MAX; i++, x = next) {
		next = TAILQ_NEXT(x, link);
		for_us = now_us - x->since_us;
		if (for_us < TAKING_US)
			break;
		if ((!file || x->file != -1) &&
		    !exchange_takes(x, for_us / CLOCK_S_US * HTTP_SLOWEST))
			return x;
	}
	return NULL;
}

static void
on_timer(void *ctx)
{
	struct http_exchange *x = ctx;
	struct http_server *s = x->server;
	int64_t now_us = timers_mono_us(s->o.timers);

	if (x->state == HTTP_ANSWERING)
		return; /* ours to be on time */
	if (now_us < x->deadline_us) {
		timer_start(s->o.timers, &x->timer, x->deadline_us - now_us,
		    on_timer, x);
		return;
	}
	if (x->state == HTTP_READING)
		s->counts.refused++;
	if (x->state != HTTP_WRITING)
		http_exchange_close(x);
	else if (now_us >= x->until_us || !exchange_takes(x, HTTP_SLOWEST))
		http_exchange_abort(x);
}
