/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/str.h"
#include "base/timer.h"
#include "base/work.h"
#include "ocsp/issuer.h"
#include "ocsp/lookup.h"
#include "ocsp/responder.h"
#include "ocsp/shelf.h"
#include "ocsp/signer.h"

#define DATA_MAX \
	OCSP_TBS_ROOM(OCSP_CERTS_MAX, OCSP_REQUEST_MAX, OCSP_REQUEST_MAX)
#define CERTS_ROOM 16384 /* a signer's certificate */
#define ANSWER_MAX \
	(OCSP_ANSWER_ROOM + DATA_MAX + OCSP_SIGNATURE_MAX + CERTS_ROOM)
#define NOT_ASKED ((size_t)-1)
#define REASON_HOLD 6
#define AHEAD_S (WATERMARK_AGE_US / CLOCK_S_US) /* what clocks may differ by */

/* One CertID of a request. */
struct part {
	struct der id;
	size_t question; /* its number, or NOT_ASKED: unknown */
	struct ocsp_fact fact;
};

/* One request, from its bytes to its answer. */
struct query {
	struct work_item item; /* first */
	struct ocsp_responder *r;
	struct ocsp_signers *signers; /* one owner */
	struct ocsp_signer *signer;   /* of the first issuer that is ours */
	ocsp_reply_fn *fn;
	void *ctx;
	struct ocsp_ask ask;
	size_t n;
	struct part *parts;              /* in this allocation, as are ... */
	struct ocsp_question *questions; /* ... these, and the request */
	struct der nonce;
	int64_t now_s, next_s;
	uint8_t *data; /* owned; what is signed */
	size_t n_data;
	uint8_t digest[OCSP_DIGEST_SIZE];
	uint8_t signature[OCSP_SIGNATURE_MAX];
	size_t n_signature;
};

struct ocsp_responder {
	struct ocsp_responder_options o;
	struct ocsp_signers *signers;
	struct ocsp_shelf *shelf;
	struct work *signing;
	bool said_expired;
	struct ocsp_request request; /* the one being read */
	uint8_t scratch[ANSWER_MAX];
};

/* ---- the end of a query */

static void
query_free(struct query *q)
{
	ocsp_signers_free(q->signers);
	free(q->data);
	free(q);
}

static void
query_refuse(struct query *q, enum ocsp_refusal refusal)
{
	uint8_t bytes[OCSP_REFUSAL_SIZE];
	const struct ocsp_reply reply = { .bytes = bytes,
		.len = sizeof(bytes) };

	metric_add(refusal == OCSP_TRY_LATER ? METRIC_OCSP_TRY_LATER
					     : METRIC_OCSP_INTERNAL,
	    1);
	ocsp_answer_refusal(refusal, bytes);
	q->fn(q->ctx, &reply);
	query_free(q);
}

static void
query_count(const struct query *q)
{
	static const enum metric metrics[] = { [OCSP_GOOD] = METRIC_OCSP_GOOD,
		[OCSP_REVOKED] = METRIC_OCSP_REVOKED,
		[OCSP_UNKNOWN] = METRIC_OCSP_UNKNOWN };
	size_t i;

	for (i = 0; i < q->n; i++)
		metric_add(metrics[q->parts[i].fact.status], 1);
}

static void
query_answer(struct query *q, const struct ocsp_kept *kept, bool cacheable)
{
	const struct ocsp_reply reply = { .bytes = kept->bytes,
		.len = kept->len,
		.cacheable = cacheable,
		.next_s = kept->next_s,
		.head = kept->head };

	query_count(q);
	q->fn(q->ctx, &reply);
	query_free(q);
}

/* ---- signing */

/* On a worker for a token's key, on the loop for a file's. */
static void
sign_work(void *ctx, struct work_item *items)
{
	struct query *q;

	(void)ctx;
	for (; items != NULL; items = items->next) {
		q = (struct query *)items;
		q->n_signature =
		    ocsp_signer_sign(q->signer, q->digest, q->signature);
	}
}

/* The headers that RFC 5019, 6.2 wants and that stay as they are. */
static void
keep_head(struct ocsp_kept *kept, int64_t this_s,
    const uint8_t digest[OCSP_DIGEST_SIZE])
{
	char modified[40], expires[40], tag[33];
	time_t times[2] = { (time_t)this_s, (time_t)kept->next_s };
	struct tm tm;

	gmtime_r(&times[0], &tm);
	strftime(modified, sizeof(modified), "%a, %d %b %Y %T GMT", &tm);
	gmtime_r(&times[1], &tm);
	strftime(expires, sizeof(expires), "%a, %d %b %Y %T GMT", &tm);
	str_hex(digest, 16, tag);
	snprintf(kept->head, sizeof(kept->head),
	    "Last-Modified: %s\r\nExpires: %s\r\nETag: \"%s\"\r\n", modified,
	    expires, tag);
}

/* May it be given again?  One certificate, no nonce. */
static bool
query_may_keep(const struct query *q)
{
	return q->n == 1 && q->nonce.len == 0;
}

static void
on_signed(struct work_item *item)
{
	struct query *q = (struct query *)item;
	struct ocsp_responder *r = q->r;
	struct ocsp_kept kept = { .fact = q->parts[0].fact,
		.next_s = q->next_s };
	struct der_out out;

	if (q->n_signature == 0) {
		log_error("ocsp", NULL,
		    "event=signature-failed hint=\"is the token there, and "
		    "its PIN right?\"");
		query_refuse(q, OCSP_INTERNAL);
		return;
	}
	metric_add(METRIC_OCSP_SIGNED, 1);
	der_out_begin(&out, r->scratch, sizeof(r->scratch));
	ocsp_answer_whole(&out, q->signer, (struct der){ q->data, q->n_data },
	    (struct der){ q->signature, q->n_signature });
	if (out.full) {
		query_refuse(q, OCSP_INTERNAL);
		return;
	}
	kept.bytes = out.buf + out.at;
	kept.len = out.size - out.at;
	if (query_may_keep(q)) {
		/* Half of its time is left for whoever gets it last. */
		kept.use_until_s = q->now_s + (q->next_s - q->now_s) / 2;
		keep_head(&kept, q->now_s, q->digest);
		ocsp_shelf_put(r->shelf, q->parts[0].id, &kept);
	}
	query_answer(q, &kept, query_may_keep(q));
}

static void
single_fill(
    const struct query *q, const struct part *part, struct ocsp_single *single)
{
	const struct ocsp_responder_options *o = &q->r->o;
	const struct ocsp_fact *fact = &part->fact;
	bool final =
	    fact->status == OCSP_REVOKED && fact->reason != REASON_HOLD;

	*single = (struct ocsp_single){ .id = part->id,
		.status = (enum ocsp_status)fact->status,
		.reason = fact->reason,
		.revoked_s = fact->time_s,
		.this_s = q->now_s };
	/* A store whose clock is a little ahead: no answer is older than what
	 * it tells of.  A record from far ahead is told as one of now: a client
	 * refuses an answer of tomorrow, and the hold must be seen. */
	if (fact->status == OCSP_REVOKED && fact->time_s > q->now_s) {
		if (fact->time_s > q->now_s + AHEAD_S)
			single->revoked_s = q->now_s;
		else
			single->this_s = fact->time_s;
	}
	single->next_s =
	    single->this_s + (final ? o->fresh_revoked_s : o->fresh_s);
}

static void
query_sign(struct query *q)
{
	struct ocsp_responder *r = q->r;
	struct ocsp_single singles[OCSP_CERTS_MAX];
	struct der_out out;
	size_t i;

	q->next_s = INT64_MAX;
	for (i = 0; i < q->n; i++) {
		single_fill(q, &q->parts[i], &singles[i]);
		if (singles[i].next_s < q->next_s)
			q->next_s = singles[i].next_s;
	}
	der_out_begin(&out, r->scratch, sizeof(r->scratch));
	ocsp_answer_data(&out, q->signer, q->now_s, singles, q->n, q->nonce);
	q->n_data = out.size - out.at;
	if (out.full || (q->data = malloc(q->n_data)) == NULL) {
		query_refuse(q, OCSP_INTERNAL);
		return;
	}
	memcpy(q->data, out.buf + out.at, q->n_data);
	ocsp_signer_digest(q->signer, q->data, q->n_data, q->digest);
	q->item.done = on_signed;
	if (work_submit(r->signing, &q->item) == -1) {
		query_refuse(q, OCSP_TRY_LATER);
		return;
	}
	if (work_fd(r->signing) == -1)
		work_dispatch(r->signing);
}

/* ---- what the cache said */

static void
fact_fill(struct ocsp_fact *fact, const struct ocsp_question *question)
{
	const struct record *record = &question->record;

	if (record->found == RECORD_WHOLE) {
		fact->generation = record->generation;
		fact->time_s = record->time_s;
	}
	fact->status = OCSP_GOOD;
	if (question->verdict != RECORD_IS_GOOD) {
		fact->status = OCSP_REVOKED;
		fact->reason = question->verdict == RECORD_IS_HELD
		    ? REASON_HOLD
		    : record->reason;
	}
}

/* An expired signer makes no signature that anybody would believe. */
static bool
query_signer_valid(struct query *q)
{
	bool valid = ocsp_signer_valid(q->signer, q->now_s);

	if (!valid && !q->r->said_expired)
		log_error("ocsp", NULL,
		    "event=signer-expired hint=\"renew its certificate; until "
		    "then the answer is internalError\"");
	q->r->said_expired = !valid;
	return valid;
}

static void
on_looked_up(struct ocsp_ask *ask)
{
	struct query *q =
	    (struct query *)((char *)ask - offsetof(struct query, ask));
	const struct ocsp_kept *kept;
	struct part *part;

	q->now_s = timers_wall_us(q->r->o.timers) / CLOCK_S_US;
	for (part = q->parts; part < q->parts + q->n; part++) {
		part->fact = (struct ocsp_fact){ .status = OCSP_UNKNOWN,
			.signer = ocsp_signer_id(q->signer) };
		if (part->question == NOT_ASKED)
			continue;
		if (q->questions[part->question].verdict ==
		    RECORD_IS_UNPROVEN) {
			query_refuse(q, OCSP_TRY_LATER);
			return;
		}
		fact_fill(&part->fact, &q->questions[part->question]);
	}
	if (!query_signer_valid(q)) {
		query_refuse(q, OCSP_INTERNAL);
		return;
	}
	kept = query_may_keep(q) ? ocsp_shelf_get(q->r->shelf, q->parts[0].id,
				       &q->parts[0].fact, q->now_s)
				 : NULL;
	if (kept == NULL) {
		query_sign(q);
		return;
	}
	metric_add(METRIC_OCSP_KEPT, 1);
	query_answer(q, kept, true);
}

/* ---- the beginning of a query */

/* Bytes of the request, in the query's own copy of it. */
static struct der
moved(struct der part, struct der from, const uint8_t *to)
{
	if (part.len > 0)
		part.at = to + (part.at - from.at);
	return part;
}

static void
query_add(struct query *q, const struct ocsp_cert *cert)
{
	struct ocsp_responder *r = q->r;
	size_t issuer = ocsp_issuer_of(r->o.issuers, cert);
	struct part *part = &q->parts[q->n++];
	char serial[RECORD_SERIAL_MAX + 1];

	part->question = NOT_ASKED;
	if (issuer == OCSP_ISSUER_NONE)
		return;
	if (q->signer == NULL)
		q->signer = ocsp_signers_of(q->signers, issuer);
	if (cert->serial.len == 0)
		return;
	str_hex(cert->serial.at, cert->serial.len, serial);
	part->question = q->ask.n++;
	record_key(ocsp_issuer_hex(r->o.issuers, issuer), serial,
	    q->questions[part->question].key);
}

static struct query *
query_new(struct ocsp_responder *r, struct der bytes)
{
	const struct ocsp_request *request = &r->request;
	const size_t each = sizeof(struct part) + sizeof(struct ocsp_question);
	struct query *q = calloc(1, sizeof(*q) + request->n * each + bytes.len);
	uint8_t *copy;
	size_t i;

	if (q == NULL)
		return NULL;
	q->r = r;
	q->signers = ocsp_signers_keep(r->signers);
	q->questions = (struct ocsp_question *)(q + 1);
	q->parts = (struct part *)(q->questions + request->n);
	copy = (uint8_t *)(q->parts + request->n);
	memcpy(copy, bytes.at, bytes.len);
	q->nonce = moved(request->nonce, bytes, copy);
	for (i = 0; i < request->n; i++) {
		query_add(q, &request->certs[i]);
		q->parts[i].id = moved(request->certs[i].id, bytes, copy);
	}
	if (q->signer == NULL)
		q->signer = ocsp_signers_of(q->signers, 0);
	q->ask.questions = q->questions;
	q->ask.done = on_looked_up;
	return q;
}

int
ocsp_responder_ask(
    struct ocsp_responder *r, struct der request, ocsp_reply_fn *fn, void *ctx)
{
	struct query *q;
	struct err err;

	if (ocsp_request_parse(&r->request, request, r->o.max_certs, &err) ==
	    -1) {
		metric_add(METRIC_OCSP_MALFORMED, 1);
		log_debug("ocsp", NULL, "event=malformed why=\"%s\"", err.text);
		return OCSP_MALFORMED;
	}
	if ((q = query_new(r, request)) == NULL) {
		metric_add(METRIC_OCSP_TRY_LATER, 1);
		return OCSP_TRY_LATER;
	}
	q->fn = fn;
	q->ctx = ctx;
	r->o.look_up(r->o.ctx, &q->ask);
	return 0;
}

/* ---- the responder */

static struct work *
signing_open(const struct ocsp_responder_options *o,
    const struct ocsp_signers *signers, struct err *err)
{
	const struct work_options options = {
		.threads = ocsp_signers_on_token(signers) ? o->sign_threads : 0,
		.queue_max = o->sign_queue,
		.run = sign_work
	};

	return work_new(&options, err);
}

struct ocsp_responder *
ocsp_responder_new(const struct ocsp_responder_options *options,
    struct ocsp_signers *signers, struct err *err)
{
	struct ocsp_responder *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		err_set(err, ERR_NOMEM, "out of memory");
		return NULL;
	}
	r->o = *options;
	if ((r->shelf = ocsp_shelf_new(r->o.kept_max)) == NULL)
		err_set(err, ERR_NOMEM, "out of memory");
	else if (ocsp_responder_renew(r, signers, err) == 0)
		return r;
	ocsp_responder_free(r);
	return NULL;
}

int
ocsp_responder_renew(
    struct ocsp_responder *r, struct ocsp_signers *signers, struct err *err)
{
	struct work *signing = signing_open(&r->o, signers, err);

	if (signing == NULL)
		return -1;
	work_free(r->signing); /* waits for what is under way */
	r->signing = signing;
	ocsp_signers_free(r->signers);
	r->signers = ocsp_signers_keep(signers);
	ocsp_shelf_clear(r->shelf);
	return 0;
}

void
ocsp_responder_free(struct ocsp_responder *r)
{
	if (r == NULL)
		return;
	work_free(r->signing);
	ocsp_shelf_free(r->shelf);
	ocsp_signers_free(r->signers);
	free(r);
}

int
ocsp_responder_fd(const struct ocsp_responder *r)
{
	return work_fd(r->signing);
}

void
ocsp_responder_dispatch(struct ocsp_responder *r)
{
	work_dispatch(r->signing);
}

void
ocsp_responder_drain(struct ocsp_responder *r)
{
	work_drain(r->signing);
}
