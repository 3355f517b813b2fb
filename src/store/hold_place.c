/* SPDX-License-Identifier: Apache-2.0 */
/* Writing holds that were decided on: each statement is for all of a group. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "hold_inner.h"

/* The next one at `slot` or after it that is to be placed; NULL = none. */
static struct hold_slot *
placed(struct hold_group *g, struct hold_slot *slot)
{
	for (; slot < g->slots + g->n; slot++)
		if (slot->place)
			return slot;
	return NULL;
}

#define EACH_PLACED(g, slot) \
	for (slot = placed(g, (g)->slots); slot != NULL; \
	     slot = placed(g, slot + 1))

/* ---- the hold and its case */

/* The row's number, or 0 for the next one. */
static void
bind_id(struct db_query *q, int64_t id)
{
	if (id != 0)
		db_bind_int(q, id);
	else
		db_bind_null(q);
}

/* The row whose number was bound so. */
static int
id_row(struct store_db *db, struct db_query *q, int64_t *id, struct err *err)
{
	if (db_row(q, err) == -1)
		return -1;
	if (*id == 0)
		*id = db_last_id(db);
	return 0;
}

static int
insert_holds(
    struct store_db *db, struct hold_group *g, int64_t n, struct err *err)
{
	struct hold_slot *slot;
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO holds (id, call_id, holder, lang, reported_us,"
	    " verified_us, stored_us, visible_us)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7, 0)");
	EACH_PLACED(g, slot)
	{
		bind_id(q, slot->ids[0]);
		db_bind_text(q, slot->r->call_id);
		db_bind_int(q, slot->r->holder);
		db_bind_text(q, slot->r->lang);
		db_bind_int(q, slot->r->reported_us);
		db_bind_int(q, slot->r->verified_us);
		db_bind_int(q, slot->r->stored_us);
		if (id_row(db, q, &slot->ids[0], err) == -1)
			return -1;
		slot->r->hold_id = slot->ids[0];
	}
	return db_post_rows(q, n, err);
}

/* A receipt number that somebody has taken since makes another node's fault of
 * it, and the batch runs again, alone. */
static int
insert_cases(
    struct store_db *db, struct hold_group *g, int64_t n, struct err *err)
{
	struct hold_slot *slot;
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO cases (id, receipt, hold, municipality, status,"
	    " created_us) VALUES ($1, $2, $3, $4, 'open', $5)");
	EACH_PLACED(g, slot)
	{
		bind_id(q, slot->ids[1]);
		db_bind_text(q, slot->r->receipt);
		db_bind_int(q, slot->r->hold_id);
		db_bind_text(q, slot->municipality);
		db_bind_int(q, slot->r->stored_us);
		if (id_row(db, q, &slot->ids[1], err) == -1)
			return -1;
	}
	return db_post_rows(q, n, err);
}

static int
insert_case_events(
    struct store_db *db, struct hold_group *g, int64_t n, struct err *err)
{
	struct hold_slot *slot;
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO case_events (case_id, nr, at_us, what)"
	    " VALUES ($1, 1, $2, 'opened')");
	EACH_PLACED(g, slot)
	{
		db_bind_int(q, slot->ids[1]);
		db_bind_int(q, slot->r->stored_us);
		if (db_row(q, err) == -1)
			return -1;
	}
	return db_post_rows(q, n, err);
}

/* ---- its certificates */

static int
insert_taken(struct store_db *db, const struct cert_news *news, size_t n,
    struct err *err)
{
	struct db_query *q;
	size_t i;

	q = db_query(db,
	    "INSERT INTO hold_certs (hold, cert, generation)"
	    " VALUES ($1, $2, $3)");
	for (i = 0; i < n; i++) {
		db_bind_int(q, news[i].hold_id);
		db_bind_int(q, news[i].cert->id);
		db_bind_int(q, news[i].cert->generation);
		if (db_row(q, err) == -1)
			return -1;
	}
	return db_post_rows(q, (int64_t)n, err);
}

static int
take_certs(struct store_db *db, struct hold_group *g, struct err *err)
{
	struct cert_news news[HOLD_GROUP * STORE_CERTS_MAX] = { 0 };
	struct hold_slot *slot;
	struct store_hold *r;
	size_t i, n = 0;

	EACH_PLACED(g, slot)
	{
		r = slot->r;
		for (i = 0; i < r->n; i++) {
			if (!r->taken[i])
				continue;
			cert_hold(&r->certs[i], r->stored_us);
			news[n++] = (struct cert_news){ &r->certs[i],
				r->hold_id, r->hold_id };
		}
	}
	return cert_tell(db, news, n, err) == -1
	    ? -1
	    : insert_taken(db, news, n, err);
}

/* ---- who hears of it */

static int
tell_people(struct store_db *db, struct hold_group *g, struct err *err)
{
	struct hold_ref holds[HOLD_GROUP];
	struct hold_slot *slot;
	size_t n = 0;

	EACH_PLACED(g, slot)
	holds[n++] = (struct hold_ref){ slot->r->hold_id, slot->r->receipt };
	return dispatch_notices(db, holds, n, STORE_NEWS_HOLD, err);
}

static int
add_events(
    struct store_db *db, struct hold_group *g, int64_t n, struct err *err)
{
	struct db_query *q = feed_rows(db);
	struct hold_slot *slot;

	EACH_PLACED(g, slot)
	if (feed_row(q, STORE_EVENT_HOLD, slot->r->stored_us, slot->r->hold_id,
		0, err) == -1)
		return -1;
	return db_post_rows(q, n, err);
}

static int
write_leaf(struct store_db *db, const struct store_hold *r, struct err *err)
{
	char text[AUDIT_TEXT_MAX], call[STORE_CALL_ID_MAX + 1];
	const char *comma = "";
	size_t i;
	int len;

	audit_plain(call, r->call_id);
	len = snprintf(text, sizeof(text),
	    "{\"hold\":%" PRId64 ",\"call\":\"%s\",\"case\":\"%s\","
	    "\"certs\":[",
	    r->hold_id, call, r->receipt);
	for (i = 0; i < r->n; i++) {
		const struct store_cert *c = &r->certs[i];

		if (!r->taken[i])
			continue;
		len += snprintf(text + len, sizeof(text) - (size_t)len,
		    "%s\"%s/%s:%" PRId64 "\"", comma, c->issuer, c->serial,
		    c->generation);
		comma = ",";
	}
	len += snprintf(text + len, sizeof(text) - (size_t)len, "]}");
	assert((size_t)len < sizeof(text)); /* 16 certificates fit */
	return audit_append(db, r->stored_us, text, err);
}

static int
write_leaves(struct store_db *db, struct hold_group *g, struct err *err)
{
	struct hold_slot *slot;

	EACH_PLACED(g, slot)
	if (write_leaf(db, slot->r, err) == -1)
		return -1;
	return 0;
}

int
holds_place(
    struct store_db *db, struct hold_group *g, int64_t now_us, struct err *err)
{
	struct hold_slot *slot;
	int64_t n = 0;

	EACH_PLACED(g, slot)
	{
		slot->r->outcome = STORE_HOLD_PLACED;
		slot->r->stored_us = now_us;
		n++;
	}
	if (n == 0)
		return 0;
	if (insert_holds(db, g, n, err) == -1 ||
	    insert_cases(db, g, n, err) == -1 ||
	    insert_case_events(db, g, n, err) == -1 ||
	    take_certs(db, g, err) == -1 || tell_people(db, g, err) == -1 ||
	    add_events(db, g, n, err) == -1)
		return -1;
	return write_leaves(db, g, err);
}
