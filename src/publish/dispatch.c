/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/timer.h"
#include "publish/breaker.h"
#include "publish/dispatch.h"

#define STORE_RETRY_US (CLOCK_S_US / 2) /* the store refused a request */
#define LOOK_US (60 * CLOCK_S_US)       /* between looks at what piles up */
#define LATE_US (600 * CLOCK_S_US)      /* a row that waits longer: alarm */

struct dispatch_run {
	struct dispatch *owner;
	bool used, settling;
	void *task; /* the port's; NULL = none */
	int64_t begun_us;
	struct timer retry; /* of the settling */
	struct store_dispatch row;
	struct store_dispatch_settle settle;
};

struct dispatch {
	struct dispatch_options o;
	struct breaker breaker;
	bool taking, again; /* a take is with the store; kicked meanwhile */
	bool stopped;
	struct timer poll, look;
	size_t flying;
	struct dispatch_run runs[DISPATCH_FLYING_MAX];
	struct store_dispatch_take take;
	struct store_dispatch_depth depth;
};

static void dispatch_take(struct dispatch *d);
static void run_settle(void *ctx);

static const char *
dispatch_name(const struct dispatch *d)
{
	return store_dispatch_kind_name(d->o.kind);
}

/* ---- words for the log: a receipt, or issuer and serial; nothing else */

static void
row_label(const struct store_dispatch *row, char out[128])
{
	if (row->cert.id != 0)
		snprintf(out, 128, "issuer=%s serial=%s generation=%" PRId64,
		    row->cert.issuer, row->cert.serial, row->generation);
	else
		snprintf(out, 128, "receipt=%s", row->receipt);
}

static void
result_log(const struct dispatch_run *run, const struct dispatch_result *r)
{
	const struct store_dispatch *row = &run->row;
	const char *to = store_dispatch_kind_name(row->kind);
	const char *what = store_dispatch_what_name(row->what);
	char label[128];

	row_label(row, label);
	switch (r->state) {
	case STORE_DISPATCH_DONE:
		if (row->told_us == 0)
			log_info("dispatch", NULL,
			    "event=told to=%s what=%s %s tries=%" PRId64
			    " said=\"%s\"",
			    to, what, label, row->tries, r->words);
		break;
	case STORE_DISPATCH_DISAGREES:
		log_error("dispatch", NULL,
		    "event=disagrees to=%s what=%s %s said=\"%s\" hint=\"see "
		    "holdline dispatch show %" PRId64 "\"",
		    to, what, label, r->words, row->id);
		break;
	case STORE_DISPATCH_FAILED:
		log_error("dispatch", NULL,
		    "event=gave-up to=%s what=%s %s said=\"%s\" hint=\"tell "
		    "them by other means, or see holdline dispatch show "
		    "%" PRId64 "\"",
		    to, what, label, r->words, row->id);
		break;
	default:
		log_warn("dispatch", NULL,
		    "event=not-told to=%s what=%s %s tries=%" PRId64
		    " said=\"%s\"",
		    to, what, label, row->tries, r->words);
	}
}

static void
result_count(const struct dispatch *d, const struct dispatch_result *r)
{
	bool ca = d->o.kind == STORE_TELL_CA;

	switch (r->state) {
	case STORE_DISPATCH_DONE:
		metric_add(ca ? METRIC_CA_TOLD : METRIC_NOTICE_SENT, 1);
		break;
	case STORE_DISPATCH_DISAGREES:
		metric_add(METRIC_CA_DISAGREES, 1);
		break;
	case STORE_DISPATCH_FAILED:
		metric_add(METRIC_NOTICE_GIVEN_UP, 1);
		break;
	default:
		metric_add(ca ? METRIC_CA_FAULT : METRIC_NOTICE_FAULT, 1);
	}
}

/* ---- settling */

static void
run_settled(struct store_req *req)
{
	struct dispatch_run *run = req->ctx;
	struct dispatch *d = run->owner;

	if (req->err.code != ERR_NONE) { /* unsure too: it may be repeated */
		log_error("dispatch", NULL, "event=settle-failed error=\"%s\"",
		    req->err.text);
		timer_start(
		    d->o.timers, &run->retry, STORE_RETRY_US, run_settle, run);
		return;
	}
	run->used = run->settling = false;
	d->flying--;
	dispatch_kick(d);
}

static void
run_settle(void *ctx)
{
	struct dispatch_run *run = ctx;

	run->settle.req = (struct store_req){ .done = run_settled, .ctx = run };
	store_dispatch_settle(run->owner->o.store, &run->settle);
}

/* When is the row looked at again? */
static int64_t
row_after(const struct dispatch *d, const struct store_dispatch *row,
    const struct dispatch_result *r)
{
	int64_t us;

	if (r->state == STORE_DISPATCH_FAILED)
		return 0;
	if (r->state == STORE_DISPATCH_DONE)
		return row->kind == STORE_TELL_CA &&
			clock_jst_ymd(timers_wall_us(d->o.timers)) <=
			    row->cert.not_after
		    ? d->o.audit_us
		    : 0;
	us = breaker_back_off(
	    d->o.retry_us, d->o.retry_max_us, row->tries, row->id);
	if (r->retry_after_us > us)
		us = r->retry_after_us < d->o.retry_max_us ? r->retry_after_us
							   : d->o.retry_max_us;
	return us;
}

/* Nobody wants to hear today what was true a week ago. */
static bool
row_too_old(const struct dispatch *d, const struct store_dispatch *row)
{
	return d->o.give_up_us != 0 &&
	    timers_wall_us(d->o.timers) - row->created_us >= d->o.give_up_us;
}

static void
breaker_hear(struct dispatch *d, const struct dispatch_result *r)
{
	int64_t now_us = timers_mono_us(d->o.timers);

	if (!r->fault) {
		if (breaker_answered(&d->breaker))
			log_info("dispatch", NULL, "event=back to=%s",
			    dispatch_name(d));
		return;
	}
	if (!breaker_fault(&d->breaker, now_us))
		return;
	metric_add(METRIC_DISPATCH_PAUSED, 1);
	log_error("dispatch", NULL,
	    "event=away to=%s said=\"%s\" hint=\"nothing is lost: holds are "
	    "stored and visible, and this is tried again\"",
	    dispatch_name(d), r->words);
}

void
dispatch_ended(struct dispatch_run *run, const struct dispatch_result *result)
{
	struct dispatch *d = run->owner;
	struct dispatch_result r = *result;

	assert(run->used && !run->settling);
	assert(r.state != STORE_DISPATCH_REPLACED);
	run->task = NULL;
	run->settling = true;
	breaker_hear(d, &r);
	if (r.state == STORE_DISPATCH_WAITING && row_too_old(d, &run->row))
		r.state = STORE_DISPATCH_FAILED;
	result_count(d, &r);
	result_log(run, &r);
	run->settle = (struct store_dispatch_settle){ .id = run->row.id,
		.tries = run->row.tries,
		.state = r.state,
		.after_us = row_after(d, &run->row, &r) };
	memcpy(run->settle.words, r.words, sizeof(run->settle.words));
	run_settle(run);
}

/* ---- taking */

static struct dispatch_run *
run_free(struct dispatch *d)
{
	size_t i = 0;

	while (d->runs[i].used)
		i++;
	assert(i < d->o.flying);
	return &d->runs[i];
}

static void
run_begin(struct dispatch *d, const struct store_dispatch *row)
{
	struct dispatch_run *run = run_free(d);
	struct dispatch_result now = { .state = STORE_DISPATCH_WAITING };

	*run = (struct dispatch_run){ .owner = d, .used = true, .row = *row };
	d->flying++;
	run->task = d->o.port.begin(d->o.port.ctx, &run->row, run, &now);
	if (run->task == NULL)
		dispatch_ended(run, &now);
}

static void
dispatch_poll(void *ctx)
{
	dispatch_kick(ctx);
}

static void
dispatch_taken(struct store_req *req)
{
	struct dispatch *d = req->ctx;
	bool all = d->take.n < d->take.max;
	size_t i;

	d->taking = false;
	if (req->err.code != ERR_NONE) {
		log_error("dispatch", NULL, "event=take-failed error=\"%s\"",
		    req->err.text);
		d->again = false;
		d->take.n = 0;
	}
	for (i = 0; i < d->take.n && !d->stopped; i++)
		run_begin(d, &d->take.rows[i]);
	if (d->again || (!all && req->err.code == ERR_NONE))
		dispatch_take(d);
	if (!d->taking)
		timer_start(
		    d->o.timers, &d->poll, d->o.poll_us, dispatch_poll, d);
}

/* As many as there is room for; a run that ends makes room and kicks. */
static void
dispatch_take(struct dispatch *d)
{
	size_t room = breaker_room(&d->breaker, timers_mono_us(d->o.timers),
	    d->flying, d->o.flying - d->flying);

	d->again = false;
	if (room == 0 || d->stopped)
		return;
	d->taking = true;
	d->take.req = (struct store_req){ .done = dispatch_taken, .ctx = d };
	d->take.kind = d->o.kind;
	d->take.max = room;
	d->take.lease_us = d->o.lease_us;
	store_dispatch_take(d->o.store, &d->take);
}

void
dispatch_kick(struct dispatch *d)
{
	if (d->taking) {
		d->again = true;
		return;
	}
	dispatch_take(d);
	if (!d->taking)
		timer_start(
		    d->o.timers, &d->poll, d->o.poll_us, dispatch_poll, d);
}

/* ---- what piles up: said again and again, until somebody acts */

static void dispatch_look(void *ctx);

static void
dispatch_looked(struct store_req *req)
{
	struct dispatch *d = req->ctx;
	enum store_dispatch_kind k = d->o.kind;
	int64_t waits_us = 0;

	timer_start(d->o.timers, &d->look, LOOK_US, dispatch_look, d);
	if (req->err.code != ERR_NONE)
		return;
	if (d->depth.oldest_us[k] != 0)
		waits_us = timers_wall_us(d->o.timers) - d->depth.oldest_us[k];
	if (waits_us <= LATE_US && d->depth.disagrees[k] == 0)
		return;
	metric_add(METRIC_DISPATCH_LATE, 1);
	log_error("dispatch", NULL,
	    "event=behind to=%s waiting=%" PRId64 " oldest_s=%" PRId64
	    " disagrees=%" PRId64 " hint=\"holdline dispatch list\"",
	    dispatch_name(d), d->depth.waiting[k], waits_us / CLOCK_S_US,
	    d->depth.disagrees[k]);
}

static void
dispatch_look(void *ctx)
{
	struct dispatch *d = ctx;

	d->depth.req = (struct store_req){ .done = dispatch_looked, .ctx = d };
	store_dispatch_depth(d->o.store, &d->depth);
}

/* ---- beginning and ending */

struct dispatch *
dispatch_new(const struct dispatch_options *options)
{
	struct dispatch *d;

	assert(options->flying >= 1 && options->flying <= DISPATCH_FLYING_MAX);
	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	d->o = *options;
	d->breaker = (struct breaker){ .faults_max = d->o.faults_max,
		.pause_us = d->o.pause_us,
		.pause_max_us = d->o.retry_max_us };
	timer_start(d->o.timers, &d->poll, 0, dispatch_poll, d);
	timer_start(d->o.timers, &d->look, LOOK_US, dispatch_look, d);
	return d;
}

void
dispatch_stop(struct dispatch *d)
{
	if (d != NULL)
		d->stopped = true;
}

void
dispatch_free(struct dispatch *d)
{
	size_t i;

	if (d == NULL)
		return;
	for (i = 0; i < d->o.flying; i++) {
		timer_stop(d->o.timers, &d->runs[i].retry);
		if (d->runs[i].task != NULL)
			d->o.port.cancel(d->runs[i].task);
	}
	timer_stop(d->o.timers, &d->poll);
	timer_stop(d->o.timers, &d->look);
	free(d);
}
