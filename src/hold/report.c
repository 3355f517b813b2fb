/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "hold/report.h"
#include "store/call.h"

struct report_job {
	struct store_call_open open;
	report_done_fn *done; /* NULL once cancelled */
	void *ctx;
};

static void
tell(const struct report_job *job, bool ok)
{
	const struct store_call_open *r = &job->open;
	struct report_known known = { .reported_us = r->reported_us,
		.goes_on = ok && r->goes_on };

	if (known.goes_on) {
		str_copy(known.lang, sizeof(known.lang), r->first_lang);
		known.holder = r->holder;
		known.verified_us = r->verified_us;
		known.carriers = r->carriers;
		known.confirmed = r->confirmed;
		known.held = r->held;
	}
	job->done(job->ctx, ok, &known);
}

static void
opened(struct store_req *req)
{
	struct report_job *job = req->ctx;
	bool ok = req->err.code == ERR_NONE;

	if (!ok)
		log_error("hold", job->open.call_id,
		    "event=report-not-stored error=\"%s\"", req->err.text);
	if (job->done != NULL)
		tell(job, ok);
	free(job);
}

struct report_job *
report_open(struct store *store, const char *call_id, const char *dnis,
    const char *lang, const uint8_t bind[REPORT_BIND_SIZE], int64_t begun_us,
    report_done_fn *done, void *ctx)
{
	struct report_job *job;

	if ((job = calloc(1, sizeof(*job))) == NULL)
		return NULL;
	if (str_copy(job->open.call_id, sizeof(job->open.call_id), call_id) ==
	    -1) {
		free(job);
		return NULL;
	}
	str_copy(job->open.dnis, sizeof(job->open.dnis), dnis);
	str_copy(job->open.lang, sizeof(job->open.lang), lang);
	memcpy(job->open.bind, bind, sizeof(job->open.bind));
	job->open.begun_us = begun_us;
	job->open.req.done = opened;
	job->open.req.ctx = job;
	job->done = done;
	job->ctx = ctx;
	store_call_open(store, &job->open);
	return job;
}

void
report_cancel(struct report_job *job)
{
	job->done = NULL;
}

static void
noted(struct store_req *req)
{
	struct store_call_note *r = req->ctx;

	if (req->err.code != ERR_NONE)
		log_warn("hold", r->call_id,
		    "event=progress-not-stored hint=\"another server would "
		    "ask this caller again\" error=\"%s\"",
		    req->err.text);
	free(r);
}

void
report_note(
    struct store *store, const char *call_id, const struct report_known *known)
{
	struct store_call_note *r;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return;
	if (str_copy(r->call_id, sizeof(r->call_id), call_id) == -1) {
		free(r); /* a cut id would be another call's */
		return;
	}
	r->holder = known->holder;
	r->verified_us = known->verified_us;
	r->carriers = known->carriers;
	r->confirmed = known->confirmed;
	r->req.done = noted;
	r->req.ctx = r;
	store_call_note(store, r);
}

static void
closed(struct store_req *req)
{
	struct store_call_close *r = req->ctx;

	if (req->err.code != ERR_NONE)
		log_error("hold", r->call_id,
		    "event=end-not-stored error=\"%s\"", req->err.text);
	free(r);
}

void
report_close(struct store *store, const char *call_id, const char *outcome,
    bool over, int64_t ended_us)
{
	struct store_call_close *r;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return;
	if (str_copy(r->call_id, sizeof(r->call_id), call_id) == -1) {
		free(r); /* a cut id would end another call */
		return;
	}
	str_copy(r->outcome, sizeof(r->outcome), outcome);
	r->over = over;
	r->ended_us = ended_us;
	r->req.done = closed;
	r->req.ctx = r;
	store_call_close(store, r);
}
