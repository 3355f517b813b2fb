/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "base/timer.h"
#include "wire/redis_greet.h"
#include "wire/redis_link.h"
#include "wire/redis_sentinel.h"
#include "wire/stream.h"

#define RETRY_MAX_US (5 * CLOCK_S_US)
#define WORDS_MAX 16

enum state {
	LINK_DOWN,       /* for the retry timer */
	LINK_ASKING,     /* for the Sentinels */
	LINK_CONNECTING, /* for the connection */
	LINK_GREETING,   /* for the server's verdict */
	LINK_UP,         /* for the user */
	LINK_DROPPING    /* for the timer that ends the connection */
};

struct redis_link {
	struct redis_link_options o;
	struct redis_sentinels *sentinels; /* NULL = the address is fixed */
	char at[128];                      /* the server now, or the last one */
	struct stream_addr address;        /* the same */
	enum state state;
	struct resp *resp;
	struct redis_greet greet;
	struct timer retry;
	int64_t wait_us;
	bool user_up;    /* on_up() was called, on_down() not yet */
	bool said_up;    /* logged, and not down since */
	char said[400];  /* the last reason that was logged */
	char run_id[41]; /* of the server that was called good, and its */
	char replid[41]; /* history */
};

static void link_connect(void *ctx);

/* ---- down */

/* Say why there is no link, once for each reason. */
static void
link_say(
    struct redis_link *l, const char *event, const char *why, const char *hint)
{
	char text[sizeof(l->said)];

	snprintf(text, sizeof(text), "%s %s", event, why);
	if (!l->said_up && strcmp(text, l->said) == 0)
		return;
	l->said_up = false;
	str_copy(l->said, sizeof(l->said), text);
	log_error(l->o.module, NULL,
	    "event=%s address=%s why=\"%s\" hint=\"%s; %s\"", event, l->at, why,
	    hint, l->o.hint);
}

/* The connection is gone, or none could be made. */
static void
link_down(struct redis_link *l)
{
	bool user_up = l->user_up;

	metric_add(l->o.lost, 1);
	resp_free(l->resp);
	l->resp = NULL;
	l->state = LINK_DOWN;
	l->user_up = false;
	timer_start(l->o.timers, &l->retry, l->wait_us, link_connect, l);
	l->wait_us *= 2;
	if (l->wait_us > RETRY_MAX_US)
		l->wait_us = RETRY_MAX_US;
	if (user_up)
		l->o.on_down(l->o.ctx);
}

/* What to do when a connection ends in this state. */
static const char *
link_hint(const struct redis_link *l)
{
	const struct redis_place *p = &l->o.place;

	if (l->state == LINK_UP || l->address.sa.ss_family == AF_UNIX ||
	    (l->state == LINK_CONNECTING && !p->tls))
		return "bring Redis back";
	if (!p->tls)
		return "bring Redis back; does this port speak TLS "
		       "(redis.tls)?";
	if (p->files.cert[0] == '\0')
		return "see redis.tls_*; does the server want a client "
		       "certificate (redis.tls_cert)?";
	return "see redis.tls_*";
}

static void
on_closed(void *ctx, const char *why)
{
	struct redis_link *l = ctx;

	if (l->state != LINK_DROPPING)
		link_say(l, "cache-away", why, link_hint(l));
	timer_stop(l->o.timers, &l->retry);
	link_down(l);
}

/* A timer ends the connection from outside its callbacks. */
static void
link_dropped(void *ctx)
{
	struct redis_link *l = ctx;

	resp_hang_up(l->resp, "dropped");
}

void
redis_link_refuse(struct redis_link *l, const char *why, const char *hint)
{
	if (l->resp == NULL || l->state == LINK_DROPPING)
		return;
	if (hint != NULL)
		link_say(l, "cache-refuses", why, hint);
	l->state = LINK_DROPPING;
	timer_start(l->o.timers, &l->retry, 0, link_dropped, l);
}

/* ---- up */

/* What no user has to look for: this server is not the one any more. */
static void
on_error(void *ctx, const char *text)
{
	struct redis_link *l = ctx;

	if (l->state == LINK_UP &&
	    (strncmp(text, "READONLY", 8) == 0 ||
		strncmp(text, "UNBLOCKED", 9) == 0 ||
		strncmp(text, "NOAUTH", 6) == 0))
		redis_link_refuse(l, text, redis_greet_hint(text));
}

static void
on_greeted(void *ctx, const char *why, const char *hint)
{
	struct redis_link *l = ctx;
	struct redis_server *server = &l->greet.server;

	if (why != NULL) {
		redis_link_refuse(l, why, hint);
		return;
	}
	l->state = LINK_UP;
	str_copy(server->address, sizeof(server->address), l->at);
	server->same = l->run_id[0] != '\0' &&
	    strcmp(l->run_id, server->run_id) == 0 &&
	    strcmp(l->replid, server->replid) == 0;
	l->user_up = true;
	l->o.on_up(l->o.ctx, server);
}

static void
on_open(void *ctx)
{
	struct redis_link *l = ctx;
	struct err err;

	l->state = LINK_GREETING;
	l->greet = (struct redis_greet){
		.want = l->o.want, .done = on_greeted, .ctx = l
	};
	if (redis_greet(&l->greet, l->resp, &l->o.place, &err) == -1)
		redis_link_refuse(l, err.text, "see to it");
}

static const struct resp_handler handler = {
	.on_open = on_open, .on_closed = on_closed, .on_error = on_error
};

/* Connect to l->address. */
static void
link_open(struct redis_link *l)
{
	struct ssl_st *ssl;
	struct err err;

	l->state = LINK_CONNECTING;
	if (redis_place_tls(&l->o.place, &l->address, &ssl, &err) == -1)
		link_say(l, "cache-refuses", err.text, "see redis.tls_*");
	else if ((l->resp = resp_connect_tls(l->o.base, &l->address, ssl,
		      l->o.timeout_s, &handler, l, &err)) == NULL)
		link_say(l, "cache-away", err.text, "bring Redis back");
	if (l->resp == NULL)
		link_down(l);
}

static void
link_connect(void *ctx)
{
	struct redis_link *l = ctx;

	if (l->sentinels == NULL) {
		link_open(l);
		return;
	}
	l->state = LINK_ASKING;
	redis_sentinels_ask(l->sentinels);
}

/* ---- what the Sentinels say */

static void
on_found(void *ctx, const char *address, const char *why)
{
	struct redis_link *l = ctx;
	struct err err;

	if (l->state != LINK_ASKING)
		return;
	if (address == NULL) {
		link_say(l, "cache-away", why,
		    "bring the Sentinels back; see redis.sentinels and "
		    "redis.master");
		link_down(l);
		return;
	}
	str_copy(l->at, sizeof(l->at), address);
	if (stream_addr_parse(l->at, &l->address, &err) == 0) /* they have */
		link_open(l);
}

/* The old primary may still answer, and lose what it takes. */
static void
on_switch(void *ctx)
{
	struct redis_link *l = ctx;

	if (l->state == LINK_DROPPING || l->state == LINK_ASKING)
		return;
	log_warn(l->o.module, NULL,
	    "event=cache-moves address=%s hint=\"the Sentinels name another "
	    "primary; it is looked for\"",
	    l->at);
	l->wait_us = l->o.retry_us;
	if (l->state == LINK_DOWN)
		timer_start(
		    l->o.timers, &l->retry, l->wait_us, link_connect, l);
	else
		redis_link_refuse(l, "another primary is named", NULL);
}

void
redis_link_good(struct redis_link *l)
{
	if (l->state != LINK_UP)
		return;
	l->wait_us = l->o.retry_us;
	str_copy(l->run_id, sizeof(l->run_id), l->greet.server.run_id);
	str_copy(l->replid, sizeof(l->replid), l->greet.server.replid);
	if (!l->said_up)
		log_info(l->o.module, NULL, "event=cache-up address=%s", l->at);
	l->said_up = true;
}

/* ---- commands */

size_t
redis_link_room(const struct redis_link *l)
{
	size_t pending;

	if (l->state != LINK_UP || resp_unsent(l->resp) > REDIS_LINK_UNSENT_MAX)
		return 0;
	pending = resp_pending(l->resp);
	return pending < REDIS_LINK_PENDING_MAX
	    ? REDIS_LINK_PENDING_MAX - pending
	    : 0;
}

int
redis_link_send(struct redis_link *l, int argc, const char **argv,
    const size_t *lens, resp_reply_fn *fn, void *ctx)
{
	size_t own[WORDS_MAX];
	int i;

	if (redis_link_room(l) == 0)
		return -1;
	if (lens == NULL) {
		assert(argc <= WORDS_MAX);
		for (i = 0; i < argc; i++)
			own[i] = strlen(argv[i]);
		lens = own;
	}
	return resp_send(l->resp, argc, argv, lens, fn, ctx);
}

/* ---- beginning and end */

/* Whoever sits between could make a certificate on hold look good. */
static void
link_warn_plain(const struct redis_link *l)
{
	const char *at = l->o.place.n_sentinels > 0 ? l->o.place.sentinels[0]
						    : l->o.place.address;

	if (l->o.place.tls || strncmp(at, "unix:", 5) == 0 ||
	    strncmp(at, "127.", 4) == 0 || strncmp(at, "[::1]", 5) == 0)
		return;
	log_warn(l->o.module, NULL,
	    "event=plain-text address=%s hint=\"the revocation cache is "
	    "reached without TLS; set redis.tls\"",
	    at);
}

/* Where the server is, or who will tell. */
static int
link_find(struct redis_link *l, struct err *err)
{
	struct redis_sentinels_options o = { .base = l->o.base,
		.timers = l->o.timers,
		.place = &l->o.place,
		.timeout_s = l->o.timeout_s,
		.on_found = on_found,
		.on_switch = on_switch,
		.ctx = l };

	if (l->o.place.n_sentinels > 0) {
		str_copy(l->at, sizeof(l->at), "unknown");
		l->sentinels = redis_sentinels_new(&o, err);
		return l->sentinels == NULL ? -1 : 0;
	}
	str_copy(l->at, sizeof(l->at), l->o.place.address);
	return stream_addr_parse(l->at, &l->address, err) == 0
	    ? 0
	    : err_add(err, "redis.address");
}

/* Would each connection's own get its files? */
static int
link_check_tls(const struct redis_link *l, struct err *err)
{
	struct stream_addr any;
	struct ssl_st *ssl;

	if (stream_addr_parse("127.0.0.1:0", &any, err) == -1 ||
	    redis_place_tls(&l->o.place, &any, &ssl, err) == -1)
		return err_add(err, "redis");
	SSL_free(ssl);
	return 0;
}

struct redis_link *
redis_link_new(const struct redis_link_options *options, struct err *err)
{
	const struct redis_place *place = &options->place;
	struct redis_link *l;

	if (place->user[0] != '\0' && place->password_file[0] == '\0') {
		err_set(err, ERR_PARSE,
		    "redis.user: needs redis.password_file with its password");
		return NULL;
	}
	if ((l = calloc(1, sizeof(*l))) == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	l->o = *options;
	l->wait_us = l->o.retry_us;
	if (redis_place_copy(&l->o.place, place) == -1) {
		err_set(err, ERR_NOMEM, "out of memory");
		free(l);
		return NULL;
	}
	if (link_find(l, err) == -1 || link_check_tls(l, err) == -1) {
		redis_link_free(l);
		return NULL;
	}
	link_warn_plain(l);
	timer_start(l->o.timers, &l->retry, 0, link_connect, l);
	return l;
}

void
redis_link_free(struct redis_link *l)
{
	if (l == NULL)
		return;
	timer_stop(l->o.timers, &l->retry);
	redis_sentinels_free(l->sentinels);
	resp_free(l->resp);
	redis_place_drop(&l->o.place);
	free(l);
}
