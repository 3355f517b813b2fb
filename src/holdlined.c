/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdlined -- the server: wiring only.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/secret.h"
#include "base/str.h"
#include "base/timer.h"
#include "base/work.h"
#include "call/gateway.h"
#include "call/session.h"
#include "hold/deadline.h"
#include "hold/hold.h"
#include "hold/policy.h"
#include "holdlined_check.h"
#include "publish/beat.h"
#include "publish/cache.h"
#include "publish/crl.h"
#include "publish/crl_timer.h"
#include "publish/hooks.h"
#include "publish/publish.h"
#include "publish/reconcile.h"
#include "service.h"
#include "store/durable.h"
#include "store/feed.h"
#include "store/node.h"
#include "store/store.h"
#include "verify/site.h"
#include "verify/verify.h"

#define STORE_QUEUE_MAX 50000
#define OUTBOX_POLL_US (2 * CLOCK_S_US)
#define PUSH_FOR_OTHERS_US (CLOCK_S_US / 2)
#define FEED_POLL_US (1 * CLOCK_S_US)

static const char usage[] =
    "Usage: holdlined -c FILE\n"
    "\n"
    "Answers the loss-report line: takes calls from telephony gateways, puts\n"
    "certificates on hold, publishes their status.  Stays in the foreground\n"
    "and logs to standard error.\n"
    "\n"
    "  -c, --config FILE   the configuration; holdline conf prints one\n"
    "  -t, --test          check the configuration, the key file and\n"
    "                      the store's folder, and exit\n"
    "  -h, --help          this text\n"
    "  -V, --version       the version\n"
    "\n"
    "Signals: TERM or INT take no more calls and end when the last is over,\n"
    "a second one ends at once; USR1 logs the counters.\n"
    "\n"
    "Example: holdlined -c /etc/holdline/holdline.conf\n";

struct daemon {
	struct conf *conf;
	struct keyring *keys;
	struct keyring *cache_key; /* NULL = records are not signed */
	struct service service;
	struct work *pool;
	struct store *store;
	char node_id[STORE_NODE_ID + 1];
	struct node_beat *shown;
	struct feed_ear *ear;
	struct feed *feed;
	struct verify *verify;
	struct hold *hold;
	struct cache *cache;
	struct publish *publish;
	struct hooks *hooks;
	struct reconcile *reconcile;
	struct beat *beat;
	struct sessions *sessions;
	struct gateway *gateway;
	struct deadline *deadline;
	struct crl_timer *crl; /* NULL: no CRLs are written here */
	struct timer drain, others;
	bool stopping;
};

/* ---- the loop's own events */

static void
daemon_store_ready(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	store_dispatch(((struct daemon *)ctx)->store);
}

static void
daemon_crl_ready(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	crl_timer_dispatch(((struct daemon *)ctx)->crl);
}

static void
daemon_pool_ready(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	work_dispatch(((struct daemon *)ctx)->pool);
}

/* ---- news that travels upward */

static void
daemon_ear_ready(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;

	(void)fd, (void)what;
	feed_ear_clear(d->ear);
	feed_kick(d->feed);
}

static void
daemon_committed(void *ctx)
{
	struct daemon *d = ctx;

	publish_kick(d->publish);
	hooks_kick(d->hooks);
	feed_kick(d->feed);
}

static void
daemon_push_for_others(void *ctx)
{
	publish_kick(((struct daemon *)ctx)->publish);
}

/* What happened on any node, or was done by another program.  Whoever placed a
 * hold pushes it, too; this node looks for it a little later, in case that one
 * cannot. */
static void
daemon_event(void *ctx, const struct store_event *e, bool lost)
{
	struct daemon *d = ctx;

	/* whoever waits for a hold asks the store as well */
	if (lost || e->kind == STORE_EVENT_HOLD ||
	    e->kind == STORE_EVENT_STATUS)
		crl_timer_kick(d->crl);
	if (e->kind == STORE_EVENT_VISIBLE)
		hold_visible(d->hold, e->hold_id, e->at_us);
	else if (d->others.slot == 0)
		timer_start(d->service.loop.timers, &d->others,
		    PUSH_FOR_OTHERS_US, daemon_push_for_others, d);
}

static void
daemon_visible(void *ctx, int64_t hold_id, int64_t visible_us)
{
	hold_visible(((struct daemon *)ctx)->hold, hold_id, visible_us);
}

static int
daemon_push(void *ctx, const struct store_outbox_row *rows, size_t n)
{
	return cache_push(((struct daemon *)ctx)->cache, rows, n);
}

static void
daemon_cache_up(void *ctx)
{
	struct daemon *d = ctx;

	publish_link_up(d->publish);
	beat_link_up(d->beat);
}

static void
daemon_cache_down(void *ctx)
{
	struct daemon *d = ctx;

	beat_link_down(d->beat);
	reconcile_link_down(d->reconcile);
}

static void
daemon_owner(void *ctx, bool owner, int64_t fence)
{
	reconcile_own(((struct daemon *)ctx)->reconcile, owner, fence);
}

static void
daemon_doubt(void *ctx, bool doubted)
{
	beat_doubt(((struct daemon *)ctx)->beat, doubted);
}

static void
daemon_fill(void *ctx)
{
	reconcile_fill(((struct daemon *)ctx)->reconcile);
}

static void
daemon_filled(void *ctx, bool ok)
{
	beat_filled(((struct daemon *)ctx)->beat, ok);
}

static void
daemon_settled(void *ctx, const struct store_outbox_row *rows,
    const enum publish_outcome *outcomes)
{
	publish_settled(((struct daemon *)ctx)->publish, rows, outcomes);
}

/* ---- ending */

static void
daemon_maybe_exit(struct daemon *d)
{
	if (d->stopping && sessions_count(d->sessions) == 0)
		service_end(&d->service);
}

static void
daemon_call_over(void *ctx)
{
	daemon_maybe_exit(ctx);
}

static void
daemon_drained(void *ctx)
{
	struct daemon *d = ctx;

	log_warn("holdlined", NULL,
	    "event=drain-over calls=%u hint=\"their dialplans go on\"",
	    sessions_count(d->sessions));
	service_end(&d->service);
}

static void
daemon_stop(evutil_socket_t sig, short what, void *ctx)
{
	struct daemon *d = ctx;

	(void)what;
	if (d->stopping) {
		service_end(&d->service);
		return;
	}
	log_info("holdlined", NULL, "event=stopping signal=%d calls=%u",
	    (int)sig, sessions_count(d->sessions));
	d->stopping = true;
	gateway_stop(d->gateway);
	timer_start(d->service.loop.timers, &d->drain, d->conf->drain_us,
	    daemon_drained, d);
	daemon_maybe_exit(d);
}

/* Callers first, then what serves them, the store last but one: whatever its
 * requests still refer to must outlive it. */
static void
daemon_close(struct daemon *d)
{
	if (d->gateway != NULL)
		gateway_stop(d->gateway);
	if (d->sessions != NULL)
		sessions_hand_over(d->sessions);
	if (d->reconcile != NULL)
		reconcile_own(d->reconcile, false, 0);
	if (d->beat != NULL)
		beat_stop(d->beat);
	hooks_stop(d->hooks);
	work_free(d->pool);
	crl_timer_free(d->crl);
	if (d->shown != NULL)
		node_beat_leave(d->shown);
	store_close(d->store);
	deadline_free(d->deadline);
	node_beat_free(d->shown);
	feed_free(d->feed);
	feed_ear_free(d->ear);
	sessions_free(d->sessions);
	gateway_free(d->gateway);
	hooks_free(d->hooks);
	publish_free(d->publish);
	cache_free(d->cache);
	reconcile_free(d->reconcile);
	beat_free(d->beat);
	hold_free(d->hold);
	verify_free(d->verify);
	service_close(&d->service);
	keyring_free(d->keys);
	keyring_free(d->cache_key);
	conf_free(d->conf);
}

/* ---- beginning */

static int64_t
daemon_wall(void *ctx)
{
	(void)ctx;
	return clock_wall_us();
}

/* What a caller was told must not be lost with one server. */
static int
daemon_durable(
    const struct daemon *d, const struct store_options *store, struct err *err)
{
	enum store_durability wanted = STORE_DURABLE_AUTO;

	store_durable_parse(d->conf->store_durability, &wanted);
	return store_durable_check(store, wanted, err);
}

static int
daemon_open_back(struct daemon *d, struct err *err)
{
	const struct conf *conf = d->conf;
	struct work_options pool = { .threads = conf->verify_threads,
		.queue_max = conf->verify_queue,
		.run = verify_work };
	struct store_options store = { .path = conf->store,
		.threads = conf->store_connections,
		.queue_max = STORE_QUEUE_MAX,
		.wall_us = daemon_wall,
		.tell = hooks_tell(conf) };
	struct verify_policy policy = { .number_attempts =
					    conf->verify_number_attempts,
		.tag_attempts = conf->verify_tag_attempts,
		.window_us = conf->verify_window_us };
	struct hold_options hold = { .timers = d->service.loop.timers,
		.visible_wait_us = conf->call_visible_us,
		.on_commit = daemon_committed,
		.ctx = d };
	bool empty = false;

	if ((d->keys = keyring_load(conf->key_file, err)) == NULL ||
	    (d->store = store_open(&store, err)) == NULL ||
	    daemon_durable(d, &store, err) == -1 ||
	    site_check(d->store, d->keys, &empty, err) == -1 ||
	    (d->pool = work_new(&pool, err)) == NULL)
		return -1;
	if (empty)
		log_warn("holdlined", NULL,
		    "event=empty-store hint=\"nobody can be verified until "
		    "holdline registry import; or does the setting store name "
		    "the wrong place?\"");
	hold.store = d->store;
	d->verify = verify_new(d->store, d->pool, d->keys, &policy);
	d->hold = hold_new(&hold);
	if (d->verify == NULL || d->hold == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	return 0;
}

/* Who keeps the cache whole, when it is this server's turn. */
static int
daemon_open_beat(struct daemon *d)
{
	struct reconcile_options reconcile = { .store = d->store,
		.timers = d->service.loop.timers,
		.cache = d->cache,
		.mac = d->cache_key,
		.every_us = d->conf->redis_compare_us,
		.on_filled = daemon_filled,
		.on_doubt = daemon_doubt,
		.ctx = d };
	struct beat_options beat = { .store = d->store,
		.timers = d->service.loop.timers,
		.cache = d->cache,
		.mac = d->cache_key,
		.stuck_us = d->conf->redis_stuck_us,
		.on_owner = daemon_owner,
		.on_fill = daemon_fill,
		.ctx = d };
	uint8_t run[STORE_NODE_ID / 2];

	secret_random(run, sizeof(run));
	str_hex(run, sizeof(run), beat.node);
	d->reconcile = reconcile_new(&reconcile);
	d->beat = beat_new(&beat);
	return d->reconcile == NULL || d->beat == NULL ? -1 : 0;
}

static int
daemon_open_publish(struct daemon *d, struct err *err)
{
	struct redis_place read_place;
	struct publish_options publish = { .store = d->store,
		.timers = d->service.loop.timers,
		.node = d->node_id,
		.poll_us = OUTBOX_POLL_US,
		.push = daemon_push,
		.on_visible = daemon_visible,
		.ctx = d };
	struct cache_options cache = { .base = d->service.loop.base,
		.timers = d->service.loop.timers,
		.timeout_s = redis_timeout_s(d->conf),
		.retry_us = d->conf->redis_retry_us,
		.replicas = d->conf->redis_replicas,
		.wait_us = d->conf->redis_wait_us,
		.on_up = daemon_cache_up,
		.on_down = daemon_cache_down,
		.on_settled = daemon_settled,
		.ctx = d };

	redis_place_from_conf(d->conf, false, &cache.place);
	if (redis_mac_load(d->conf, &d->cache_key, err) == -1)
		return -1;
	cache.mac = d->cache_key;
	redis_place_from_conf(d->conf, true, &read_place);
	if (d->conf->redis_read_address[0] != '\0')
		cache.read_place = &read_place;
	if ((d->cache = cache_new(&cache, err)) == NULL)
		return -1;
	if ((d->publish = publish_new(&publish)) == NULL ||
	    daemon_open_beat(d) == -1)
		return err_set(err, ERR_NOMEM, "out of memory");
	return 0;
}

static int
daemon_open_time(struct daemon *d, struct err *err)
{
	const struct conf *conf = d->conf;
	struct deadline_options deadline = { .store = d->store,
		.timers = d->service.loop.timers,
		.max_hold_us = conf->policy_max_hold_us,
		.revoke = strcmp(conf->policy_max_hold_end, "revoke") == 0,
		.crl_reason = policy_reason_parse(conf->policy_lost_reason),
		.on_commit = daemon_committed,
		.ctx = d };
	struct crl_timer_options crl = { .crl = crl_options_of(conf),
		.timers = d->service.loop.timers,
		.every_us = conf->crl_every_us,
		.gap_us = conf->crl_gap_us,
		.on_change = conf->crl_on_change };
	uint8_t run[STORE_NODE_ID / 2];

	secret_random(run, sizeof(run));
	str_hex(run, sizeof(run), deadline.node);
	if ((d->deadline = deadline_new(&deadline)) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (!crl_wanted(conf))
		return 0;
	if (crl_check(conf, err) == -1 ||
	    (d->crl = crl_timer_new(&crl, err)) == NULL)
		return -1;
	return service_watch(&d->service, crl_timer_fd(d->crl), EV_READ,
	    daemon_crl_ready, d, err);
}

static int
daemon_open_hooks(struct daemon *d, struct err *err)
{
	struct hooks_options hooks = { .conf = d->conf,
		.base = d->service.loop.base,
		.timers = d->service.loop.timers,
		.store = d->store,
		.keys = d->keys };

	d->hooks = hooks_new(&hooks, err);
	return d->hooks == NULL ? -1 : 0;
}

static int
daemon_open_front(struct daemon *d, struct err *err)
{
	struct sessions_options sessions = { .conf = d->conf,
		.timers = d->service.loop.timers,
		.store = d->store,
		.verify = d->verify,
		.hold = d->hold,
		.on_end = daemon_call_over,
		.ctx = d };
	struct gateway_options gateway = { .base = d->service.loop.base,
		.timers = d->service.loop.timers,
		.listen = d->conf->agi_listen,
		.max_calls = d->conf->agi_max_calls,
		.backlog = (int)d->conf->agi_backlog,
		.slack_us = d->conf->agi_slack_us,
		.admit = sessions_admit,
		.events = &session_events };

	if ((d->sessions = sessions_new(&sessions)) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	gateway.ctx = d->sessions;
	d->gateway = gateway_new(&gateway, err);
	return d->gateway == NULL ? -1 : 0;
}

static unsigned int
daemon_calls(void *ctx)
{
	return sessions_count(((struct daemon *)ctx)->sessions);
}

/* Show this node to the others. */
static int
daemon_open_node(struct daemon *d, struct err *err)
{
	char name[STORE_NODE_NAME + 1] = "";
	struct node_beat_options beat = { .store = d->store,
		.timers = d->service.loop.timers,
		.id = d->node_id,
		.name = d->conf->node,
		.version = PACKAGE_VERSION,
		.pid = getpid(),
		.calls = daemon_calls,
		.ctx = d };

	if (beat.name[0] == '\0') {
		gethostname(name, sizeof(name) - 1);
		beat.name = name;
	}
	d->shown = node_beat_new(&beat);
	return d->shown != NULL ? 0 : err_set(err, ERR_NOMEM, "out of memory");
}

/* Hear what happens on every node. */
static int
daemon_open_feed(struct daemon *d, struct err *err)
{
	struct store_options store = { .path = d->conf->store };
	struct feed_options feed = { .store = d->store,
		.timers = d->service.loop.timers,
		.poll_us = FEED_POLL_US,
		.since = -1,
		.on_event = daemon_event,
		.ctx = d };

	if ((d->ear = feed_ear_new(&store, err)) == NULL)
		return -1;
	if ((d->feed = feed_new(&feed)) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (feed_ear_fd(d->ear) == -1)
		return 0;
	return service_watch(&d->service, feed_ear_fd(d->ear), EV_READ,
	    daemon_ear_ready, d, err);
}

static int
daemon_open_loop(struct daemon *d, struct err *err)
{
	struct service *s = &d->service;

	if (service_open(s, err) == -1 ||
	    service_watch(s, SIGTERM, EV_SIGNAL, daemon_stop, d, err) == -1 ||
	    service_watch(s, SIGINT, EV_SIGNAL, daemon_stop, d, err) == -1)
		return -1;
	return 0;
}

static int
daemon_open(struct daemon *d, struct err *err)
{
	enum log_level level;
	uint8_t id[STORE_NODE_ID / 2];

	secret_random(id, sizeof(id));
	str_hex(id, sizeof(id), d->node_id);
	if (log_level_parse(d->conf->log_level, &level) == 0)
		log_set_level(level);
	if (holdlined_check(d->conf, err) == -1 ||
	    daemon_open_loop(d, err) == -1 || daemon_open_back(d, err) == -1 ||
	    daemon_open_publish(d, err) == -1 ||
	    daemon_open_time(d, err) == -1 || daemon_open_hooks(d, err) == -1 ||
	    daemon_open_front(d, err) == -1 || daemon_open_node(d, err) == -1 ||
	    daemon_open_feed(d, err) == -1)
		return -1;
	if (service_watch(&d->service, store_fd(d->store), EV_READ,
		daemon_store_ready, d, err) == -1)
		return -1;
	return service_watch(
	    &d->service, work_fd(d->pool), EV_READ, daemon_pool_ready, d, err);
}

static void
daemon_run(struct daemon *d)
{
	holdlined_warn(d->conf);
	log_info("holdlined", NULL,
	    "event=ready version=" PACKAGE_VERSION " listen=%s port=%u",
	    d->conf->agi_listen, gateway_port(d->gateway));
	service_run(&d->service, NULL, NULL);
	metric_log();
	log_info("holdlined", NULL, "event=stopped");
}

int
main(int argc, char **argv)
{
	struct daemon d = { 0 };
	const char *path = NULL;
	struct err err;
	bool test = false;
	int rc;

	if ((rc = service_options(
		 argc, argv, "holdlined", usage, &path, &test)) != -1)
		return rc;
	signal(SIGPIPE, SIG_IGN);
	secret_no_core();
	rc = 1;
	if ((d.conf = conf_load(path, &err)) == NULL)
		fprintf(stderr, "holdlined: %s\n", err.text);
	else if (test && holdlined_check_files(d.conf, &err) == -1)
		fprintf(stderr, "holdlined: %s: %s\n", path, err.text);
	else if (test) {
		puts("the configuration is good");
		rc = 0;
	} else if (daemon_open(&d, &err) == -1) {
		log_error("holdlined", NULL, "event=no-start %s", err.text);
	} else {
		daemon_run(&d);
		rc = 0;
	}
	daemon_close(&d);
	return rc;
}
