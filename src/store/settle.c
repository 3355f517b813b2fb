/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "settle.h"
#include "shared.h"

/* ---- reading it */

/* What never changes of a case. */
static int
case_find(
    struct store_db *db, const char *receipt, struct settle *s, struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT k.id, h.id, h.holder FROM cases AS k"
	    " JOIN holds AS h ON h.id = k.hold WHERE k.receipt = $1");
	db_bind_text(q, receipt);
	if ((rc = db_step(q, err)) != 1)
		return rc;
	s->case_id = db_get_int(q);
	s->hold_id = db_get_int(q);
	s->holder = db_get_int(q);
	return 1;
}

/* The holder stands for the certificates, as in a hold. */
static int
holder_lock(struct store_db *db, int64_t holder, struct err *err)
{
	struct db_query *q;

	q = db_query(db, "SELECT id FROM holders WHERE id = $1" DB_FOR_UPDATE);
	db_bind_int(q, holder);
	return db_step(q, err);
}

static int
case_read(struct store_db *db, struct settle *s, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "SELECT municipality, CASE WHEN status = 'open' THEN 1 ELSE 0 END,"
	    " (SELECT count(*) FROM case_events WHERE case_id = $1)"
	    " FROM cases WHERE id = $1");
	db_bind_int(q, s->case_id);
	if (db_step(q, err) != 1)
		return -1;
	db_get_text(q, s->municipality, sizeof(s->municipality));
	s->open = db_get_int(q) != 0;
	s->events = db_get_int(q);
	return 0;
}

/* A certificate is the hold's own while it has the generation that the hold
 * gave it: whatever happens to it afterwards takes another. */
static int
certs_read(struct store_db *db, struct settle *s, struct err *err)
{
	struct store_cert *cert;
	struct db_query *q;
	int rc = 0;

	q = db_query(db,
	    "SELECT " CERT_COLUMNS ", t.generation FROM hold_certs AS t"
	    " JOIN certificates AS c ON c.id = t.cert WHERE t.hold = $1"
	    " ORDER BY c.kind, c.carrier, c.not_before DESC, c.id DESC");
	db_bind_int(q, s->hold_id);
	for (s->n = 0; s->n < STORE_CERTS_MAX; s->n++) {
		if ((rc = db_step(q, err)) != 1)
			break;
		cert = &s->certs[s->n];
		cert_read(q, cert);
		s->own[s->n] = cert->status == STORE_HELD &&
		    cert->generation == db_get_int(q);
	}
	return rc == -1 ? -1 : 0;
}

int
settle_lock(
    struct store_db *db, const char *receipt, struct settle *s, struct err *err)
{
	int rc;

	memset(s, 0, sizeof(*s));
	str_copy(s->receipt, sizeof(s->receipt), receipt);
	if ((rc = case_find(db, receipt, s, err)) != 1)
		return rc;
	if (holder_lock(db, s->holder, err) == -1 ||
	    case_read(db, s, err) == -1 || certs_read(db, s, err) == -1)
		return -1;
	return 1;
}

/* ---- writing it */

int
settle_event(struct store_db *db, int64_t case_id, int64_t at_us,
    const char *what, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO case_events (case_id, nr, at_us, what)"
	    " SELECT $1, count(*) + 1, $2, $3 FROM case_events"
	    " WHERE case_id = $1");
	db_bind_int(q, case_id);
	db_bind_int(q, at_us);
	db_bind_text(q, what);
	return db_run(q, err);
}

static int
cert_act(struct store_db *db, const struct settle *s, struct store_cert *cert,
    enum store_act act, struct err *err)
{
	int64_t hold_id = s->registry ? 0 : s->hold_id;

	assert(act != STORE_ACT_LIFT || !s->registry);
	if (act == STORE_ACT_LIFT)
		return cert_lift(db, cert, s->now_us, s->hold_id, err);
	if (act == STORE_ACT_REVOKE)
		return cert_revoke(db, cert, s->crl_reason, hold_id, err);
	return 0;
}

static int
cert_settled(struct store_db *db, const struct settle *s,
    const struct store_cert *cert, enum store_act act, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO decision_certs (case_id, cert, act, generation)"
	    " VALUES ($1, $2, $3, $4)");
	db_bind_int(q, s->case_id);
	db_bind_int(q, cert->id);
	db_bind_int(q, act);
	db_bind_int(q, cert->generation);
	return db_run(q, err);
}

static int
decision_insert(struct store_db *db, const struct settle *s, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO decisions (case_id, key, entry, who, outcome, reason,"
	    " at_us) VALUES ($1, $2, $3, $4, $5, $6, $7)");
	db_bind_int(q, s->case_id);
	if (s->key != NULL)
		db_bind_text(q, s->key);
	else
		db_bind_null(q);
	db_bind_text(q, s->entry);
	db_bind_text(q, s->who);
	db_bind_text(q, s->outcome);
	db_bind_text(q, s->reason);
	db_bind_int(q, s->now_us);
	return db_run(q, err);
}

static int
case_close(struct store_db *db, const struct settle *s, struct err *err)
{
	struct db_query *q;

	q = db_query(db, "UPDATE cases SET status = 'closed' WHERE id = $1");
	db_bind_int(q, s->case_id);
	if (db_run(q, err) == -1)
		return -1;
	return settle_event(db, s->case_id, s->now_us, s->outcome, err);
}

/* The holder hears of it, unless nothing has changed. */
static int
tell_holder(struct store_db *db, const struct settle *s, struct err *err)
{
	bool lifted = false, revoked = false;
	size_t i;

	for (i = 0; i < s->n; i++) {
		lifted = lifted || s->acts[i] == STORE_ACT_LIFT;
		revoked = revoked || s->acts[i] == STORE_ACT_REVOKE;
	}
	if ((!lifted && !revoked) || s->registry)
		return 0;
	return dispatch_notices(db,
	    &(struct hold_ref){ s->hold_id, s->receipt }, 1,
	    !revoked      ? STORE_NEWS_LIFT
		: !lifted ? STORE_NEWS_REVOKE
			  : STORE_NEWS_PART,
	    err);
}

/* `word`: "decision", or "note" when the case stays open. */
static int
write_leaf(struct store_db *db, const struct settle *s, const char *word,
    struct err *err)
{
	char text[AUDIT_TEXT_MAX], who[STORE_WHO_MAX + 1];
	char reason[STORE_REASON_MAX + 1];
	const char *comma = "";
	size_t i;
	int len;

	audit_plain(who, s->who);
	audit_plain(reason, s->reason);
	len = snprintf(text, sizeof(text),
	    "{\"%s\":\"%s\",\"by\":\"%s\",\"case\":\"%s\","
	    "\"outcome\":\"%s\",\"reason\":\"%s\",\"certs\":[",
	    word, s->entry, who, s->receipt, s->outcome, reason);
	for (i = 0; i < s->n; i++) {
		const struct store_cert *c = &s->certs[i];

		len += snprintf(text + len, sizeof(text) - (size_t)len,
		    "%s\"%s/%s:%" PRId64 ":%s\"", comma, c->issuer, c->serial,
		    c->generation, store_act_name(s->acts[i]));
		comma = ",";
	}
	len += snprintf(text + len, sizeof(text) - (size_t)len, "]}");
	assert((size_t)len < sizeof(text)); /* 16 certificates fit */
	return audit_append(db, s->now_us, text, err);
}

/* Do what acts[] says, but only to what is the hold's own. */
static int
certs_act(struct store_db *db, struct settle *s, struct err *err)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		if (!s->own[i])
			s->acts[i] = STORE_ACT_NONE;
		if (cert_act(db, s, &s->certs[i], s->acts[i], err) == -1)
			return -1;
	}
	return 0;
}

int
settle_part(struct store_db *db, struct settle *s, struct err *err)
{
	if (certs_act(db, s, err) == -1 ||
	    settle_event(db, s->case_id, s->now_us, s->outcome, err) == -1 ||
	    feed_add(db, STORE_EVENT_CASE, s->now_us, s->hold_id, 0, err) == -1)
		return -1;
	return write_leaf(db, s, "note", err);
}

int
settle_write(struct store_db *db, struct settle *s, struct err *err)
{
	size_t i;

	if (certs_act(db, s, err) == -1 || decision_insert(db, s, err) == -1)
		return -1;
	for (i = 0; i < s->n; i++)
		if (cert_settled(db, s, &s->certs[i], s->acts[i], err) == -1)
			return -1;
	if (case_close(db, s, err) == -1 || tell_holder(db, s, err) == -1 ||
	    feed_add(db, STORE_EVENT_CASE, s->now_us, s->hold_id, 0, err) == -1)
		return -1;
	return write_leaf(db, s, "decision", err);
}
