/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/timer.h"
#include "wire/redis_greet.h"
#include "wire/redis_sentinel.h"
#include "wire/stream.h"

#define SWITCH_CHANNEL "+switch-master"
#define GRACE_US (CLOCK_S_US / 4) /* for the others, after the first answer */
#define AGAIN_US CLOCK_S_US       /* before a lost one is called again */

/* One Sentinel. */
struct peer {
	struct redis_sentinels *all;
	const char *address_text; /* borrowed from the place */
	struct stream_addr address;
	struct resp *resp;  /* NULL: for the timer */
	struct timer again; /* to connect, or to drop what makes no sense */
	bool asked;         /* it owes the round under way an answer */
	char why[160];      /* it has none */
};

struct redis_sentinels {
	struct redis_sentinels_options o;
	bool asking;
	struct timer grace, over;
	int64_t epoch;    /* of `primary`; -1 = none in this round yet */
	char primary[80]; /* the best answer */
	size_t n;
	struct peer peers[CONF_LIST_MAX];
};

static void peer_connect(void *ctx);

/* ---- the round */

/* Why nobody knows: the first Sentinel's reason. */
static void
round_ends(void *ctx)
{
	struct redis_sentinels *s = ctx;
	char why[300];

	timer_stop(s->o.timers, &s->grace);
	timer_stop(s->o.timers, &s->over);
	s->asking = false;
	if (s->epoch >= 0) {
		s->o.on_found(s->o.ctx, s->primary, NULL);
		return;
	}
	snprintf(why, sizeof(why), "no Sentinel names the primary; %s: %s",
	    s->peers[0].address_text, s->peers[0].why);
	s->o.on_found(s->o.ctx, NULL, why);
}

/* The round ends when all have answered, or soon after the first did. */
static void
round_look(struct redis_sentinels *s)
{
	size_t i, owing = 0;

	if (!s->asking)
		return;
	for (i = 0; i < s->n; i++)
		owing += s->peers[i].asked;
	if (owing == 0)
		timer_start(s->o.timers, &s->over, 0, round_ends, s);
	else if (s->epoch >= 0 && s->grace.slot == 0)
		timer_start(s->o.timers, &s->grace, GRACE_US, round_ends, s);
}

static void
peer_has_no_answer(struct peer *p, const char *why)
{
	p->asked = false;
	str_copy(p->why, sizeof(p->why), why);
	round_look(p->all);
}

/* A Sentinel names the primary: in the round, or when it came back later. */
static void
peer_answers(struct peer *p, const char *address, int64_t epoch)
{
	struct redis_sentinels *s = p->all;
	bool other = strcmp(address, s->primary) != 0;

	p->asked = false;
	if (epoch > s->epoch) {
		s->epoch = epoch;
		str_copy(s->primary, sizeof(s->primary), address);
		if (!s->asking && other)
			s->o.on_switch(s->o.ctx);
	}
	round_look(s);
}

/* ---- one Sentinel */

static void
peer_drop(struct peer *p)
{
	resp_free(p->resp);
	p->resp = NULL;
}

static void
on_closed(void *ctx, const char *why)
{
	struct peer *p = ctx;

	peer_drop(p);
	timer_start(p->all->o.timers, &p->again, AGAIN_US, peer_connect, p);
	if (p->asked)
		peer_has_no_answer(p, why);
}

/* A timer ends the connection from outside its callbacks. */
static void
peer_hang_up(void *ctx)
{
	resp_hang_up(((struct peer *)ctx)->resp, "dropped");
}

static void
peer_refuse(struct peer *p, const char *why)
{
	peer_has_no_answer(p, why);
	timer_start(p->all->o.timers, &p->again, 0, peer_hang_up, p);
}

/* A field of SENTINEL MASTER's flat list; NULL when it is not there. */
static const char *
master_field(const struct redisReply *reply, const char *name)
{
	size_t i;

	for (i = 0; i + 1 < reply->elements; i += 2)
		if (reply->element[i]->type == REDIS_REPLY_STRING &&
		    reply->element[i + 1]->type == REDIS_REPLY_STRING &&
		    strcmp(reply->element[i]->str, name) == 0)
			return reply->element[i + 1]->str;
	return NULL;
}

/* "10.0.0.7:6379" of a SENTINEL MASTER reply.  Returns its epoch, or -1. */
static int64_t
master_parse(const struct redisReply *reply, char *out, size_t size)
{
	const char *ip, *port, *epoch;
	struct stream_addr addr;
	struct err err;

	if (reply->type != REDIS_REPLY_ARRAY ||
	    (ip = master_field(reply, "ip")) == NULL ||
	    (port = master_field(reply, "port")) == NULL ||
	    (epoch = master_field(reply, "config-epoch")) == NULL ||
	    !str_is_digits(epoch, 1, 15))
		return -1;
	snprintf(
	    out, size, strchr(ip, ':') == NULL ? "%s:%s" : "[%s]:%s", ip, port);
	if (stream_addr_parse(out, &addr, &err) == -1)
		return -1;
	return strtoll(epoch, NULL, 10);
}

static void
on_master(void *ctx, const struct redisReply *reply)
{
	struct peer *p = ctx;
	char address[80];
	int64_t epoch;

	if (reply == NULL)
		return;
	if (reply->type == REDIS_REPLY_ERROR)
		peer_refuse(p, reply->str);
	else if ((epoch = master_parse(reply, address, sizeof(address))) == -1)
		peer_refuse(p,
		    "its answer names no numeric address (are "
		    "resolve-hostnames and announce-hostnames off?)");
	else
		peer_answers(p, address, epoch);
}

static void
on_nothing(void *ctx, const struct redisReply *reply)
{
	(void)ctx, (void)reply;
}

/* "message", "+switch-master", "mymaster 10.0.0.7 6379 10.0.0.8 6379" */
static void
on_push(void *ctx, const struct redisReply *reply)
{
	struct peer *p = ctx;
	const char *master = p->all->o.place->master;
	size_t n = strlen(master);

	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
	    reply->element[1]->type == REDIS_REPLY_STRING &&
	    strcmp(reply->element[1]->str, SWITCH_CHANNEL) == 0 &&
	    reply->element[2]->type == REDIS_REPLY_STRING &&
	    strncmp(reply->element[2]->str, master, n) == 0 &&
	    reply->element[2]->str[n] == ' ')
		p->all->o.on_switch(p->all->o.ctx);
}

/* It may want no password, or another one: what counts is its answer. */
static void
on_open(void *ctx)
{
	struct peer *p = ctx;
	const struct redis_place *place = p->all->o.place;
	const char *ask[] = { "SENTINEL", "MASTER", place->master };
	const char *listen[] = { "SUBSCRIBE", SWITCH_CHANNEL };
	size_t ask_lens[] = { 8, 6, strlen(place->master) };
	size_t listen_lens[] = { 9, strlen(SWITCH_CHANNEL) };
	struct err err = { .text = "out of memory" };

	if (redis_greet_auth(p->resp, place, on_nothing, p, &err) == -1 ||
	    resp_send(p->resp, 3, ask, ask_lens, on_master, p) == -1 ||
	    resp_send(p->resp, 2, listen, listen_lens, on_nothing, p) == -1)
		peer_refuse(p, err.text);
}

static const struct resp_handler handler = {
	.on_open = on_open, .on_closed = on_closed, .on_push = on_push
};

static void
peer_connect(void *ctx)
{
	struct peer *p = ctx;
	const struct redis_sentinels_options *o = &p->all->o;
	struct ssl_st *ssl;
	struct err err;

	peer_drop(p);
	if (redis_place_tls(o->place, &p->address, &ssl, &err) == 0)
		p->resp = resp_connect_tls(
		    o->base, &p->address, ssl, o->timeout_s, &handler, p, &err);
	if (p->resp != NULL)
		return;
	timer_start(o->timers, &p->again, AGAIN_US, peer_connect, p);
	if (p->asked)
		peer_has_no_answer(p, err.text);
}

/* ---- all of them */

void
redis_sentinels_ask(struct redis_sentinels *s)
{
	size_t i;

	timer_stop(s->o.timers, &s->grace);
	timer_stop(s->o.timers, &s->over);
	s->asking = true;
	s->epoch = -1;
	for (i = 0; i < s->n; i++) {
		s->peers[i].asked = true;
		timer_start(s->o.timers, &s->peers[i].again, 0, peer_connect,
		    &s->peers[i]);
	}
}

struct redis_sentinels *
redis_sentinels_new(
    const struct redis_sentinels_options *options, struct err *err)
{
	const struct redis_place *place = options->place;
	struct redis_sentinels *s;
	struct peer *p;
	size_t i;

	if (place->master[0] == '\0') {
		err_set(err, ERR_PARSE,
		    "redis.master: is empty; name what the Sentinels watch");
		return NULL;
	}
	if ((s = calloc(1, sizeof(*s))) == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	s->o = *options;
	s->epoch = -1;
	for (i = 0; i < place->n_sentinels; i++) {
		p = &s->peers[s->n++];
		p->all = s;
		p->address_text = place->sentinels[i];
		if (stream_addr_parse(p->address_text, &p->address, err) ==
		    -1) {
			err_add(err, "redis.sentinels");
			redis_sentinels_free(s);
			return NULL;
		}
	}
	return s;
}

void
redis_sentinels_free(struct redis_sentinels *s)
{
	size_t i;

	if (s == NULL)
		return;
	timer_stop(s->o.timers, &s->grace);
	timer_stop(s->o.timers, &s->over);
	for (i = 0; i < s->n; i++) {
		timer_stop(s->o.timers, &s->peers[i].again);
		resp_free(s->peers[i].resp);
	}
	free(s);
}
