/* SPDX-License-Identifier: Apache-2.0 */
/* The three steps; and what they come to. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "base/timer.h"
#include "publish/ca.h"

struct ca {
	struct ca_options o;
};

enum state {
	CA_ASKING,  /* for its status before */
	CA_TELLING, /* for it to take the change */
	CA_READING  /* for its status after */
};

/* One certificate's change, or check. */
struct ca_task {
	struct ca *ca;
	enum state state;
	const struct store_dispatch *row; /* borrowed; NULL = a check */
	struct dispatch_run *run;
	struct ca_heard told; /* the answer to the change */
	struct web_call *call;
	void (*checked)(void *ctx, const struct ca_heard *heard);
	void *ctx;
	struct ca_request request; /* that is under way */
};

static const char *const says_names[] = {
	[CA_SAYS_GOOD] = "good",
	[CA_SAYS_HELD] = "on hold",
	[CA_SAYS_REVOKED] = "revoked",
	[CA_SAYS_UNKNOWN] = "unknown",
	[CA_SAYS_REFUSED] = "refused",
	[CA_SAYS_NOTHING] = "nothing",
};
_Static_assert(sizeof(says_names) / sizeof(says_names[0]) == CA_SAYS_COUNT,
    "every ca_says needs a name");

const char *
ca_says_name(enum ca_says says)
{
	return says_names[says];
}

bool
ca_agrees(const struct store_cert *cert, enum ca_says says)
{
	static const enum ca_says wanted[] = { [STORE_GOOD] = CA_SAYS_GOOD,
		[STORE_HELD] = CA_SAYS_HELD,
		[STORE_REVOKED] = CA_SAYS_REVOKED };

	return says == wanted[cert->status];
}

/* ---- what the HTTP status alone says; nothing of a body is repeated: an
 * authority may put a holder's name into it */

static const struct {
	int status;
	enum ca_says says;
	const char *words;
} statuses[] = {
	{ 202, CA_SAYS_REFUSED,
	    "it waits for another administrator's approval (HTTP 202)" },
	{ 400, CA_SAYS_REFUSED, "it takes no such request (HTTP 400)" },
	{ 401, CA_SAYS_NOTHING,
	    "it does not know us (HTTP 401): look at our certificate" },
	{ 403, CA_SAYS_NOTHING,
	    "we are not allowed to (HTTP 403): look at our role there" },
	{ 404, CA_SAYS_UNKNOWN,
	    "it knows no such certificate (HTTP 404): is its issuer's name "
	    "right?" },
	{ 409, CA_SAYS_REFUSED,
	    "it says that this was done before (HTTP 409)" },
	{ 422, CA_SAYS_REFUSED,
	    "its certificate profile forbids it (HTTP 422)" },
	{ 429, CA_SAYS_NOTHING, "it is too busy (HTTP 429)" },
};

void
ca_hear_told(const struct web_answer *answer, struct ca_heard *out)
{
	size_t i;

	*out = (struct ca_heard){ .says = CA_SAYS_NOTHING,
		.retry_after_us = answer->retry_after_us };
	if (answer->why[0] != '\0') {
		str_copy(out->words, sizeof(out->words), answer->why);
		return;
	}
	for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].status == answer->status) {
			out->says = statuses[i].says;
			str_copy(
			    out->words, sizeof(out->words), statuses[i].words);
			return;
		}
	if (answer->status >= 200 && answer->status <= 299) {
		out->says = CA_SAYS_GOOD;
		return;
	}
	if (answer->status >= 400 && answer->status <= 499)
		out->says = CA_SAYS_REFUSED;
	snprintf(out->words, sizeof(out->words), "HTTP %d", answer->status);
}

void
ca_hear_status(const struct ca_connector *connector,
    const struct web_answer *answer, struct ca_heard *out)
{
	ca_hear_told(answer, out);
	if (answer->why[0] != '\0' || answer->status < 200 ||
	    answer->status > 299)
		return;
	out->says = CA_SAYS_NOTHING;
	if (answer->status == 200)
		out->says = connector->read(answer->body, answer->len);
	if (out->says == CA_SAYS_NOTHING)
		snprintf(out->words, sizeof(out->words),
		    "its answer (HTTP %d) is not a status%s", answer->status,
		    connector->hint);
}

/* ---- one request */

static void on_answer(void *ctx, const struct web_answer *answer);

static int
task_send(struct ca_task *t, struct err *err)
{
	const struct ca_request *r = &t->request;
	struct web_request request = { .method = r->method,
		.url = r->url,
		.body = r->body_len > 0 ? r->body : NULL,
		.body_len = r->body_len };
	size_t i;

	_Static_assert(WEBHOOK_HEADERS < WEB_HEADERS_MAX, "they fit");
	for (i = 0; i < r->n_headers; i++)
		request.headers[i] = r->headers[i];
	t->call =
	    web_send(t->ca->o.web, &t->ca->o.peer, &request, on_answer, t, err);
	return t->call == NULL ? -1 : 0;
}

static int
task_ask(struct ca_task *t, const struct store_cert *cert, const char *key,
    struct err *err)
{
	const struct ca_options *o = &t->ca->o;

	if (o->connector->ask(&o->site, cert, key, timers_wall_us(o->timers),
		&t->request, err) == -1)
		return -1;
	return task_send(t, err);
}

static int
task_tell(struct ca_task *t, struct err *err)
{
	const struct ca_options *o = &t->ca->o;

	t->state = CA_TELLING;
	if (o->connector->tell(&o->site, &t->row->cert, t->row->key,
		timers_wall_us(o->timers), &t->request, err) == -1)
		return -1;
	return task_send(t, err);
}

/* ---- what it comes to */

static void
task_end(struct ca_task *t, enum store_dispatch_state state, bool fault,
    int64_t retry_after_us, const char *words)
{
	struct dispatch_result r = {
		.state = state, .fault = fault, .retry_after_us = retry_after_us
	};
	struct dispatch_run *run = t->run;

	str_copy(r.words, sizeof(r.words), words);
	free(t);
	dispatch_ended(run, &r);
}

/* Our own side cannot: the settings are wrong, or memory is out. */
static void
task_cannot(struct ca_task *t, const struct err *err)
{
	task_end(t, STORE_DISPATCH_WAITING, false, 0, err->text);
}

static void
task_disagrees(struct ca_task *t, const struct ca_heard *heard)
{
	char words[STORE_DISPATCH_WORDS + 32]; /* cut in the end */

	if (heard->says == CA_SAYS_UNKNOWN || heard->says == CA_SAYS_REFUSED)
		str_copy(words, sizeof(words), heard->words);
	else if (t->state == CA_ASKING)
		snprintf(words, sizeof(words), "it says %s",
		    ca_says_name(heard->says));
	else if (t->told.words[0] != '\0')
		snprintf(words, sizeof(words), "it says %s; %s",
		    ca_says_name(heard->says), t->told.words);
	else
		snprintf(words, sizeof(words),
		    "it says that it did it, and then %s",
		    ca_says_name(heard->says));
	task_end(
	    t, STORE_DISPATCH_DISAGREES, false, heard->retry_after_us, words);
}

/* May it be told?  Not what the registry says, nor once more what it took
 * before and has changed since; and revoked is final there, too. */
static bool
task_may_tell(const struct ca_task *t, enum ca_says says)
{
	return t->state == CA_ASKING && t->row->hold_id != 0 &&
	    t->row->told_us == 0 &&
	    (says == CA_SAYS_GOOD || says == CA_SAYS_HELD);
}

static void
heard_status(struct ca_task *t, const struct ca_heard *heard)
{
	char words[STORE_DISPATCH_WORDS];
	struct err err = { ERR_NONE, "" };

	if (heard->says == CA_SAYS_NOTHING) {
		task_end(t, STORE_DISPATCH_WAITING, true, heard->retry_after_us,
		    heard->words);
	} else if (ca_agrees(&t->row->cert, heard->says)) {
		snprintf(words, sizeof(words), "it says %s%s",
		    ca_says_name(heard->says),
		    t->state == CA_ASKING ? " already" : "");
		task_end(t, STORE_DISPATCH_DONE, false, 0, words);
	} else if (!task_may_tell(t, heard->says)) {
		task_disagrees(t, heard);
	} else if (task_tell(t, &err) == -1) {
		task_cannot(t, &err);
	}
}

/* Whether it did it is not known until it is asked again; an answer that never
 * came leaves that to the next attempt. */
static void
heard_told(struct ca_task *t, const struct web_answer *answer)
{
	struct err err = { ERR_NONE, "" };

	ca_hear_told(answer, &t->told);
	if (t->told.says == CA_SAYS_NOTHING) {
		task_end(t, STORE_DISPATCH_WAITING, true,
		    t->told.retry_after_us, t->told.words);
		return;
	}
	t->state = CA_READING;
	if (task_ask(t, &t->row->cert, t->row->key, &err) == -1)
		task_cannot(t, &err);
}

static void
on_answer(void *ctx, const struct web_answer *answer)
{
	struct ca_task *t = ctx;
	struct ca_heard heard;

	t->call = NULL;
	if (t->state == CA_TELLING) {
		heard_told(t, answer);
		return;
	}
	ca_hear_status(t->ca->o.connector, answer, &heard);
	if (t->row != NULL) {
		heard_status(t, &heard);
		return;
	}
	t->checked(t->ctx, &heard);
	free(t);
}

/* ---- beginning */

static struct ca_task *
task_new(struct ca *c)
{
	struct ca_task *t = calloc(1, sizeof(*t));

	if (t != NULL) {
		t->ca = c;
		t->state = CA_ASKING;
	}
	return t;
}

static void *
ca_begin(void *ctx, const struct store_dispatch *row, struct dispatch_run *run,
    struct dispatch_result *now)
{
	struct ca_task *t = task_new(ctx);
	struct err err = { ERR_NOMEM, "out of memory" };

	assert(row->cert.id != 0);
	if (t != NULL) {
		t->row = row;
		t->run = run;
		if (task_ask(t, &row->cert, row->key, &err) == 0)
			return t;
	}
	free(t);
	str_copy(now->words, sizeof(now->words), err.text);
	return NULL;
}

static void
ca_cancel(void *task)
{
	struct ca_task *t = task;

	web_cancel(t->call);
	free(t);
}

struct dispatch_port
ca_port(struct ca *c)
{
	return (struct dispatch_port){ ca_begin, ca_cancel, c };
}

int
ca_check(struct ca *c, const struct store_cert *cert,
    void (*done)(void *ctx, const struct ca_heard *heard), void *ctx,
    struct err *err)
{
	struct ca_task *t = task_new(c);

	if (t == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	t->checked = done;
	t->ctx = ctx;
	if (task_ask(t, cert, "check", err) == 0)
		return 0;
	free(t);
	return -1;
}

struct ca *
ca_new(const struct ca_options *options)
{
	struct ca *c = calloc(1, sizeof(*c));

	if (c != NULL)
		c->o = *options;
	return c;
}

void
ca_free(struct ca *c)
{
	free(c);
}
