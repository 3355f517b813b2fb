/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metric.h"
#include "base/str.h"
#include "base/timer.h"
#include "hold/hold.h"
#include "store/cert.h"
#include "store/hold.h"

#define POLL_US INT64_C(250000)  /* ask the store, behind the publisher */
#define RETRY_US INT64_C(500000) /* ask again whether a commit happened */
#define RETRIES_MAX 6

_Static_assert(RECEIPT_DIGITS == STORE_RECEIPT_DIGITS, "one receipt");
_Static_assert(HOLD_RANDOM == STORE_RECEIPT_TRIES, "a number for each try");

/*
 * A look has one request.  A placement goes through: submitted (waits for the
 * commit), perhaps submitted again (unknown commit), visible (waits for the
 * read-back), done.
 */
struct hold_job {
	struct hold *room;
	struct hold_job *next, **prev; /* among the room's placements */
	struct timer timer;
	int64_t deadline_us; /* monotonic: when "accepted" is said; 0 = not
				committed yet */
	unsigned int carriers;
	unsigned int retries;
	bool cancelled; /* done must not be called */
	bool asking;    /* `seen` is with the store */
	bool settled;   /* done was called; free when `seen` is back */
	hold_look_fn *looked;
	hold_done_fn *done;
	void *ctx;
	union {
		struct store_cert_list look;
		struct store_hold place;
	};
	struct store_hold_seen seen;
	struct hold_answer answer;
};

struct hold {
	struct hold_options options;
	struct hold_job *first;
};

static const char *const result_names[] = {
	[HOLD_VISIBLE] = "visible",
	[HOLD_ACCEPTED] = "accepted",
	[HOLD_ALREADY] = "already",
	[HOLD_NOTHING] = "nothing",
	[HOLD_FAILED] = "failed",
};
_Static_assert(
    sizeof(result_names) / sizeof(result_names[0]) == HOLD_RESULT_COUNT,
    "every hold_result needs a name");

const char *
hold_result_name(enum hold_result result)
{
	return result_names[result];
}

struct hold *
hold_new(const struct hold_options *options)
{
	struct hold *h;

	if ((h = calloc(1, sizeof(*h))) == NULL)
		return NULL;
	h->options = *options;
	return h;
}

static void
job_free(struct hold_job *job)
{
	timer_stop(job->room->options.timers, &job->timer);
	if (job->prev != NULL) {
		*job->prev = job->next;
		if (job->next != NULL)
			job->next->prev = job->prev;
	}
	free(job);
}

void
hold_free(struct hold *h)
{
	if (h == NULL)
		return;
	while (h->first != NULL)
		job_free(h->first);
	free(h);
}

static void
look_done(struct store_req *req)
{
	struct hold_job *job = req->ctx;
	bool ok = req->err.code == ERR_NONE;

	if (!ok)
		log_error("hold", NULL, "event=look-failed error=\"%s\"",
		    req->err.text);
	if (!job->cancelled)
		job->looked(job->ctx, ok, job->look.certs, job->look.n);
	job_free(job);
}

struct hold_job *
hold_look(struct hold *h, int64_t holder, hold_look_fn *done, void *ctx)
{
	struct hold_job *job;

	if ((job = calloc(1, sizeof(*job))) == NULL)
		return NULL;
	job->room = h;
	job->looked = done;
	job->ctx = ctx;
	job->look.holder = holder;
	job->look.req.done = look_done;
	job->look.req.ctx = job;
	store_cert_list(h->options.store, &job->look);
	return job;
}

/* Store thread, inside the transaction: what a caller's hold takes. */
static void
job_decide(void *ctx, const struct store_cert *certs, size_t n, int64_t now_us,
    bool *take)
{
	const struct hold_job *job = ctx;
	size_t i;

	for (i = 0; i < n; i++)
		take[i] = (job->carriers & 1u << certs[i].carrier) != 0 &&
		    status_may(&certs[i], STATUS_MOVE_HOLD, now_us);
}

/* Tell the caller once; the job goes when nothing refers to it any more. */
static void
job_settle(struct hold_job *job, enum hold_result result)
{
	assert(!job->settled);
	job->settled = true;
	timer_stop(job->room->options.timers, &job->timer);
	job->answer.result = result;
	if (!job->cancelled)
		job->done(job->ctx, &job->answer);
	if (!job->asking)
		job_free(job);
}

static void
job_became_visible(struct hold_job *job, int64_t visible_us)
{
	job->answer.visible = true;
	job->answer.visible_us = visible_us;
	job_settle(job,
	    job->place.outcome == STORE_HOLD_ALREADY ? HOLD_ALREADY
						     : HOLD_VISIBLE);
}

static void
job_seen(struct store_req *req)
{
	struct hold_job *job = req->ctx;

	job->asking = false;
	if (job->settled)
		job_free(job);
	else if (req->err.code == ERR_NONE && job->seen.visible_us != 0)
		job_became_visible(job, job->seen.visible_us);
}

static void job_poll(void *ctx);

/* Once more after a while, and at the deadline. */
static void
job_poll_later(struct hold_job *job)
{
	struct timers *timers = job->room->options.timers;
	int64_t left_us = job->deadline_us - timers_mono_us(timers);

	if (left_us < 0) /* time went on since it was compared */
		left_us = 0;
	timer_start(timers, &job->timer, left_us < POLL_US ? left_us : POLL_US,
	    job_poll, job);
}

/* Not visible yet: ask the store, in case another server's publisher was
 * first; at the deadline say that it is accepted. */
static void
job_poll(void *ctx)
{
	struct hold_job *job = ctx;
	struct timers *timers = job->room->options.timers;

	if (timers_mono_us(timers) >= job->deadline_us) {
		job_settle(job,
		    job->place.outcome == STORE_HOLD_ALREADY ? HOLD_ALREADY
							     : HOLD_ACCEPTED);
		return;
	}
	if (!job->asking && job->place.outcome == STORE_HOLD_PLACED &&
	    !job->place.again) {
		memset(&job->seen, 0, sizeof(job->seen));
		job->seen.hold_id = job->place.hold_id;
		job->seen.req.done = job_seen;
		job->seen.req.ctx = job;
		job->asking = true;
		store_hold_seen(job->room->options.store, &job->seen);
	}
	job_poll_later(job);
}

/* Committed; wait until it has been read back from the cache. */
static void
job_wait_visible(struct hold_job *job)
{
	struct hold *h = job->room;

	job->deadline_us =
	    timers_mono_us(h->options.timers) + h->options.visible_wait_us;
	job_poll_later(job);
	if (h->options.on_commit != NULL)
		h->options.on_commit(h->options.ctx);
}

static void
job_fill_answer(struct hold_job *job)
{
	const struct store_hold *p = &job->place;
	struct hold_answer *a = &job->answer;

	memcpy(a->receipt, p->receipt, sizeof(a->receipt));
	a->stored_us = p->stored_us;
	a->visible_us = p->visible_us;
	a->visible = p->visible_us != 0;
	a->plan = status_plan(p->certs, p->n, job->carriers,
	    timers_wall_us(job->room->options.timers));
}

static void
job_committed(struct hold_job *job)
{
	job_fill_answer(job);
	if (job->place.outcome == STORE_HOLD_NOTHING)
		job_settle(job, HOLD_NOTHING);
	else if (job->answer.visible)
		job_became_visible(job, job->answer.visible_us);
	else if (job->place.hold_id == 0) /* the registry's own hold */
		job_settle(job, HOLD_ALREADY);
	else
		job_wait_visible(job);
}

static void job_submit(void *ctx);

static void
job_placed(struct store_req *req)
{
	struct hold_job *job = req->ctx;

	if (req->err.code == ERR_NONE) {
		job_committed(job);
		return;
	}
	log_error("hold", job->place.call_id, "event=not-stored error=\"%s\"",
	    req->err.text);
	if (req->err.code == ERR_UNSURE && job->retries++ < RETRIES_MAX) {
		timer_start(job->room->options.timers, &job->timer, RETRY_US,
		    job_submit, job);
		return;
	}
	job_settle(job, HOLD_FAILED);
}

static void
job_submit(void *ctx)
{
	struct hold_job *job = ctx;

	job->place.req = (struct store_req){ .done = job_placed, .ctx = job };
	store_hold(job->room->options.store, &job->place);
}

struct hold_job *
hold_place(struct hold *h, const struct hold_request *request,
    hold_done_fn *done, void *ctx)
{
	struct hold_job *job;
	struct store_hold *p;
	int i;

	if ((job = calloc(1, sizeof(*job))) == NULL)
		return NULL;
	job->room = h;
	job->done = done;
	job->ctx = ctx;
	job->carriers = request->carriers;
	p = &job->place;
	if (str_copy(p->call_id, sizeof(p->call_id), request->call_id) == -1) {
		free(job); /* a cut id would be another call's */
		return NULL;
	}
	str_copy(p->lang, sizeof(p->lang), request->lang);
	p->holder = request->holder;
	p->reported_us = request->reported_us;
	p->verified_us = request->verified_us;
	p->tell_only = !request->confirmed;
	p->decide = job_decide;
	p->decide_ctx = job;
	for (i = 0; i < STORE_RECEIPT_TRIES; i++)
		receipt_make(request->random[i], p->receipts[i]);
	job->next = h->first;
	job->prev = &h->first;
	if (job->next != NULL)
		job->next->prev = &job->next;
	h->first = job;
	job_submit(job);
	return job;
}

void
hold_cancel(struct hold_job *job)
{
	job->cancelled = true;
}

void
hold_visible(struct hold *h, int64_t hold_id, int64_t visible_us)
{
	struct hold_job *job, *next;

	for (job = h->first; job != NULL; job = next) {
		next = job->next;
		if (job->deadline_us != 0 && !job->settled &&
		    job->place.hold_id == hold_id)
			job_became_visible(job, visible_us);
	}
}
