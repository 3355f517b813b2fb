/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metric.h"
#include "base/work.h"
#include "store/lookup.h"
#include "verify/verify.h"

_Static_assert(STORE_TAGS_MAX == SECRET_KEYS_MAX, "a tag for each key");
_Static_assert(STORE_MAC_SIZE == SECRET_MAC_SIZE, "one size of MAC");

struct verify {
	struct store *store;
	struct work *pool;
	const struct keyring *keys;
	struct verify_policy policy;
};

/* One check: on the pool (MACs), at the store (candidates, and the attempt is
 * counted), judged. */
struct verify_check {
	struct work_item item; /* first: the pool's */
	struct verify *room;
	struct verify_answers answers;
	struct verify_macs macs;
	bool failed; /* out of memory on the pool */
	struct store_lookup lookup;
	struct store_attempt attempt;
	unsigned int asked;   /* of the store, and not answered yet */
	verify_done_fn *done; /* NULL once cancelled */
	void *ctx;
};

/* A verified attempt is given back after the check has ended. */
struct refund {
	struct store_refund req;
};

static const char *const verdict_names[] = {
	[VERIFY_OK] = "ok",
	[VERIFY_NO] = "no",
	[VERIFY_PERSON] = "person",
	[VERIFY_TROUBLE] = "trouble",
};
_Static_assert(
    sizeof(verdict_names) / sizeof(verdict_names[0]) == VERIFY_VERDICT_COUNT,
    "every verify_verdict needs a name");

const char *
verify_verdict_name(enum verify_verdict verdict)
{
	return verdict_names[verdict];
}

struct verify *
verify_new(struct store *store, struct work *pool, const struct keyring *keys,
    const struct verify_policy *policy)
{
	struct verify *v;

	if ((v = calloc(1, sizeof(*v))) == NULL)
		return NULL;
	v->store = store;
	v->pool = pool;
	v->keys = keys;
	v->policy = *policy;
	return v;
}

void
verify_free(struct verify *v)
{
	free(v);
}

void
verify_bind(const struct verify *v, const char *gateway, const char *dnis,
    const char *number, uint8_t mac[SECRET_MAC_SIZE])
{
	char text[256];
	int len;

	/* line ends come from no gateway: the parts cannot be shifted */
	len = snprintf(text, sizeof(text), "continue\n%.64s\n%.64s\n%.64s",
	    gateway, dnis, number != NULL ? number : "-");
	secret_mac(v->keys, keyring_count(v->keys) - 1, SECRET_USE_NUMBER, text,
	    (size_t)len, mac);
	secret_cleanse(text, sizeof(text));
}

/* Worker thread: the same arithmetic for every set of answers. */
static void
check_compute(struct verify_check *c)
{
	const struct keyring *keys = c->room->keys;
	struct verify_macs *m = &c->macs;
	unsigned int i;

	m->n = (unsigned int)keyring_count(keys);
	for (i = 0; i < m->n; i++) {
		m->versions[i] = keyring_version(keys, i);
		factor_tag(
		    keys, i, c->answers.birth, c->answers.postal, m->tags[i]);
		factor_phone(
		    keys, i, m->tags[i], c->answers.phone, m->phones[i]);
		if (factor_pin(
			keys, i, m->tags[i], c->answers.pin, m->pins[i]) == -1)
			c->failed = true;
	}
	secret_cleanse(&c->answers, sizeof(c->answers));
}

void
verify_work(void *ctx, struct work_item *items)
{
	(void)ctx;
	for (; items != NULL; items = items->next)
		check_compute((struct verify_check *)items);
}

static bool
mac_matches(const uint8_t (*registered)[SECRET_MAC_SIZE], unsigned int n,
    const uint8_t *typed)
{
	unsigned int i;
	bool hit = false;

	for (i = 0; i < n; i++) /* all of them, whatever was found */
		hit |= secret_equal(registered[i], typed);
	return hit;
}

static bool
candidate_fits(
    const struct verify_macs *m, const struct store_candidate *c, bool *but_pin)
{
	unsigned int slot, i;
	bool known = false, phone, pin;

	for (slot = 0, i = 0; i < m->n; i++)
		if (m->versions[i] == c->key_version) {
			slot = i;
			known = true;
		}
	phone = mac_matches(c->phones, c->n_phones, m->phones[slot]);
	pin = secret_equal(c->pin, m->pins[slot]);
	*but_pin = known & phone & c->has_pin & !pin;
	return known & (c->n_phones > 0 || c->has_pin) &
	    (phone | (c->n_phones == 0)) & (pin | !c->has_pin);
}

enum verify_verdict
verify_judge(const struct verify_macs *macs, const struct store_lookup *found,
    int64_t *holder)
{
	unsigned int i, fits = 0;
	bool fit, but_pin, near = false, by_pin = false;

	*holder = 0;
	for (i = 0; i < found->n; i++) {
		fit = candidate_fits(macs, &found->candidates[i], &but_pin);
		fits += fit;
		near |= but_pin;
		by_pin |= fit & found->candidates[i].has_pin;
		if (fit)
			*holder = found->candidates[i].holder;
	}
	/* Beside somebody who may only have mistyped a PIN, a telephone that
	 * two share proves nothing: twins (invariant: never by guess). */
	if (fits == 1 && !found->more && (by_pin || !near))
		return VERIFY_OK;
	*holder = 0;
	return fits > 0 ? VERIFY_PERSON : VERIFY_NO;
}

static void
check_end(struct verify_check *c, enum verify_verdict verdict, int64_t holder)
{
	if (verdict != VERIFY_OK)
		metric_add(METRIC_VERIFY_FAILED, 1);
	if (c->done != NULL)
		c->done(c->ctx, verdict, holder);
	secret_cleanse(c, sizeof(*c));
	free(c);
}

static void
refund_done(struct store_req *req)
{
	if (req->err.code != ERR_NONE)
		log_warn("verify", NULL, "event=refund-failed error=\"%s\"",
		    req->err.text);
	free(req->ctx);
}

/* A verified call is no attempt: people share telephones, and relay services
 * make many calls from one number. */
static void
check_refund(const struct verify_check *c)
{
	struct refund *r;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return; /* the count stays too high; a person helps */
	r->req.n_tags = c->attempt.n_tags;
	memcpy(r->req.tags, c->attempt.tags, sizeof(r->req.tags));
	r->req.has_number = c->attempt.has_number;
	memcpy(r->req.number, c->attempt.number, sizeof(r->req.number));
	r->req.req.done = refund_done;
	r->req.req.ctx = r;
	store_refund(c->room->store, &r->req);
}

static void
check_found(struct verify_check *c)
{
	const struct verify_policy *policy = &c->room->policy;
	enum verify_verdict verdict;
	int64_t holder;

	verdict = verify_judge(&c->macs, &c->lookup, &holder);
	if ((c->attempt.has_number &&
		c->attempt.number_attempts > policy->number_attempts) ||
	    c->attempt.tag_attempts > policy->tag_attempts) {
		metric_add(METRIC_VERIFY_LIMITED, 1);
		verdict = VERIFY_PERSON; /* right or wrong */
	}
	if (verdict == VERIFY_OK && c->done != NULL)
		check_refund(c);
	check_end(c, verdict, verdict == VERIFY_OK ? holder : 0);
}

/* Nobody is judged before the attempt is on record. */
static void
check_answered(struct store_req *req)
{
	struct verify_check *c = req->ctx;
	const struct err *err = &c->attempt.req.err;

	if (--c->asked > 0)
		return;
	if (err->code == ERR_NONE)
		err = &c->lookup.req.err;
	if (err->code == ERR_NONE) {
		check_found(c);
		return;
	}
	log_error(
	    "verify", NULL, "event=lookup-failed error=\"%s\"", err->text);
	check_end(c, VERIFY_TROUBLE, 0);
}

/* Back from the pool: find the candidates, and count. */
static void
check_computed(struct work_item *item)
{
	struct verify_check *c = (struct verify_check *)item;

	if (c->failed) {
		log_error("verify", NULL,
		    "event=no-memory hint=\"a check needs 19 MiB; lower "
		    "verify.threads\"");
		check_end(c, VERIFY_TROUBLE, 0);
		return;
	}
	c->lookup.n_tags = c->attempt.n_tags = c->macs.n;
	memcpy(c->lookup.tags, c->macs.tags, sizeof(c->lookup.tags));
	memcpy(c->attempt.tags, c->macs.tags, sizeof(c->attempt.tags));
	c->lookup.req.done = c->attempt.req.done = check_answered;
	c->lookup.req.ctx = c->attempt.req.ctx = c;
	c->asked = 2;
	store_attempt(c->room->store, &c->attempt);
	store_lookup(c->room->store, &c->lookup);
}

struct verify_check *
verify_start(struct verify *v, const struct verify_answers *answers,
    const char *number, int64_t now_us, verify_done_fn *done, void *ctx)
{
	struct verify_check *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->room = v;
	c->answers = *answers;
	c->done = done;
	c->ctx = ctx;
	c->item.done = check_computed;
	c->attempt.now_us = now_us;
	c->attempt.window_us = v->policy.window_us;
	if (number != NULL) {
		c->attempt.has_number = true;
		factor_number(v->keys, number, c->attempt.number);
	}
	if (work_submit(v->pool, &c->item) == -1) {
		log_warn("verify", NULL, "event=pool-full");
		secret_cleanse(c, sizeof(*c));
		free(c);
		return NULL;
	}
	return c;
}

void
verify_cancel(struct verify_check *check)
{
	check->done = NULL;
}
