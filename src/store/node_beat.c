/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "base/timer.h"
#include "store/node.h"

struct node_beat {
	struct node_beat_options o;
	struct store_node_beat beat;
	bool busy;   /* a beat is at the store */
	bool missed; /* the last one was not stored, and that was said */
	int64_t sent_us;
	struct timer timer;
};

static void beat_send(void *ctx);

static void
beat_stored(struct store_req *req)
{
	struct node_beat *b = req->ctx;

	b->busy = false;
	b->beat.node.lag_us = timers_mono_us(b->o.timers) - b->sent_us;
	if (req->err.code != ERR_NONE && !b->missed)
		log_warn("store", NULL,
		    "event=beat-failed hint=\"holdline node list shows this "
		    "node as dead meanwhile\" error=\"%s\"",
		    req->err.text);
	b->missed = req->err.code != ERR_NONE;
	timer_start(b->o.timers, &b->timer, STORE_NODE_BEAT_US, beat_send, b);
}

static void
beat_submit(struct node_beat *b)
{
	b->beat.req = (struct store_req){ .done = beat_stored, .ctx = b };
	b->beat.node.calls = b->o.calls(b->o.ctx);
	b->beat.node.queue = (int64_t)store_pending(b->o.store);
	b->sent_us = timers_mono_us(b->o.timers);
	b->busy = true;
	store_node_beat(b->o.store, &b->beat);
}

static void
beat_send(void *ctx)
{
	beat_submit(ctx);
}

struct node_beat *
node_beat_new(const struct node_beat_options *options)
{
	struct node_beat *b = calloc(1, sizeof(*b));
	struct store_node *node;

	if (b == NULL)
		return NULL;
	b->o = *options;
	node = &b->beat.node;
	str_copy(node->id, sizeof(node->id), options->id);
	str_copy(node->name, sizeof(node->name), options->name);
	str_copy(node->version, sizeof(node->version), options->version);
	node->pid = options->pid;
	timer_start(b->o.timers, &b->timer, 0, beat_send, b);
	return b;
}

void
node_beat_leave(struct node_beat *b)
{
	if (b->busy)
		store_wait(b->o.store, &b->beat.req);
	timer_stop(b->o.timers, &b->timer);
	memset(&b->beat.req, 0, sizeof(b->beat.req));
	b->beat.leave = true;
	store_node_beat(b->o.store, &b->beat);
	store_wait(b->o.store, &b->beat.req);
}

void
node_beat_free(struct node_beat *b)
{
	if (b == NULL)
		return;
	timer_stop(b->o.timers, &b->timer);
	free(b);
}
