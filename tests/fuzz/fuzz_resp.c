/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as from a Redis server, over a real socket, in two pieces, into a
 * connection that has asked three times.  It may close the connection; it must
 * answer each question at most once, and what it takes for a record or a
 * watermark must be one.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "base/err.h"
#include "wire/resp.h"
#include "wire/status_record.h"
#include "wire/stream.h"

#define ASKED 3
#define TURNS_MAX 64

struct world {
	int answers;
	bool open, closed;
};

static void
on_open(void *ctx)
{
	((struct world *)ctx)->open = true;
}

static void
on_closed(void *ctx, const char *why)
{
	struct world *w = ctx;

	assert(why != NULL && !w->closed);
	w->closed = true;
}

static const struct resp_handler handler = { .on_open = on_open,
	.on_closed = on_closed };

static void
on_reply(void *ctx, const struct redisReply *reply)
{
	struct world *w = ctx;
	struct watermark wm;
	struct record record;

	assert(!w->closed && w->answers < ASKED);
	w->answers++;
	if (reply == NULL)
		return;
	record_parse(&record, "jpki:st:x:01", NULL, reply);
	assert(record.found < RECORD_FOUND_COUNT);
	if (record.found == RECORD_WHOLE) {
		assert(record.generation > 0 &&
		    record.generation <= RECORD_GENERATION_MAX);
		assert(strchr("GHR", record.status) != NULL);
	}
	watermark_parse(&wm, NULL, reply);
	assert(wm.found < RECORD_FOUND_COUNT);
	if (wm.found == RECORD_WHOLE)
		assert(strlen(wm.epoch) == WATERMARK_EPOCH_HEX);
}

/* A listener of our own in the abstract namespace: no files are left. */
static int
listen_at(struct stream_addr *addr)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&addr->sa;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	*addr = (struct stream_addr){ .len = sizeof(sa_family_t) };
	un->sun_family = AF_UNIX; /* the kernel chooses a name */
	if (fd == -1 || bind(fd, (struct sockaddr *)un, addr->len) == -1 ||
	    listen(fd, 1) == -1)
		abort();
	addr->len = sizeof(addr->sa);
	if (getsockname(fd, (struct sockaddr *)un, &addr->len) == -1)
		abort();
	return fd;
}

static void
turns(struct event_base *base)
{
	int i;

	for (i = 0; i < 4; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
play(struct resp *r, struct world *w, struct event_base *base, int peer,
    const uint8_t *bytes, size_t size, size_t cut)
{
	static const char *ping[] = { "PING" };
	static const size_t lens[] = { 4 };
	int i;

	for (i = 0; i < TURNS_MAX && !w->open && !w->closed; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	for (i = 0; i < ASKED && w->open; i++)
		if (resp_send(r, 1, ping, lens, on_reply, w) == -1)
			abort();
	if (send(peer, bytes, cut, MSG_NOSIGNAL) >= 0)
		turns(base);
	if (!w->closed &&
	    send(peer, bytes + cut, size - cut, MSG_NOSIGNAL) >= 0)
		turns(base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_base *base;
	struct world w = { 0 };
	struct stream_addr addr;
	struct resp *r;
	struct err err;
	int listener, peer;

	if (size < 1 || size > 65536)
		return 0;
	if (base == NULL)
		base = event_base_new();
	listener = listen_at(&addr);
	r = resp_connect(base, &addr, 5, &handler, &w, &err);
	if (r == NULL)
		abort();
	peer = accept(listener, NULL, NULL);
	play(r, &w, base, peer, data + 1, size - 1, (size - 1) * data[0] / 255);
	close(peer);
	turns(base);
	assert(w.closed && w.answers == (w.open ? ASKED : 0));
	resp_free(r);
	turns(base);
	close(listener);
	return 0;
}
