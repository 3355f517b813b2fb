/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "wire/http_server_inner.h"

#define ASKING_US INT64_C(200000) /* a request of one packet is there by then */

/*
 * Whose place a newcomer may have; NULL = nobody's.  A good client's request
 * comes at once, so one that is still not whole is worth less than a client
 * that was served and may come again; next is who does not take its reply.
 * However many come again how fast, those who ask have half of the room; in
 * that, and when all others are busy, it is the one that asks for longest,
 * however short that is: to turn newcomers away instead would leave the room
 * to whoever comes again the fastest.
 */
static struct http_exchange *
server_least(struct http_server *s)
{
	struct http_exchange *asks = TAILQ_FIRST(&s->queues[QUEUE_ASKING]);
	struct http_exchange *idle = TAILQ_FIRST(&s->queues[QUEUE_IDLE]);
	struct http_exchange *slow;

	if (asks != NULL &&
	    (s->asking > s->o.max_connections / 2 ||
		timers_mono_us(s->o.timers) - asks->since_us >= ASKING_US))
		return asks;
	if (idle != NULL)
		return idle;
	slow = http_exchange_slow(s, false);
	return slow != NULL ? slow : asks;
}

bool
http_room_make(struct http_server *s)
{
	unsigned int before = s->counts.connections, i;
	struct http_exchange *x;

	for (i = 0; i < HTTP_LOOKS_MAX && (x = server_least(s)) != NULL; i++) {
		if (x->state == HTTP_WRITING) {
			http_exchange_abort(x);
		} else if (x->looked) {
			http_exchange_close(x);
		} else {
			x->looked = true;
			http_reader_readable(x->fd, EV_READ, x);
		}
		if (s->counts.connections < before)
			return true;
	}
	return false;
}

bool
http_room_for_one(struct http_server *s)
{
	if (s->counts.connections < s->o.max_connections)
		return true;
	s->counts.evicted++;
	if (http_server_may_log(s, &s->quiet_until_us))
		log_warn("http", NULL,
		    "event=connection-limit limit=%u hint=\"late, idle and "
		    "slow ones are closed to make room\"",
		    s->o.max_connections);
	return http_room_make(s);
}
