/* SPDX-License-Identifier: Apache-2.0 */
#include "store/cases.h"
#include "shared.h"

#define CASE_COLUMNS \
	"k.id, k.receipt, k.municipality, k.status, k.created_us, h.id, " \
	"h.call_id, h.lang, h.reported_us, h.verified_us, h.stored_us, " \
	"h.visible_us, d.at_us, d.outcome, d.entry, " \
	"(SELECT count(*) FROM decision_certs AS x WHERE x.case_id = k.id" \
	" AND x.act = 0), " \
	"(SELECT count(*) FROM decision_certs AS x WHERE x.case_id = k.id" \
	" AND x.act = 1), " \
	"(SELECT count(*) FROM decision_certs AS x WHERE x.case_id = k.id" \
	" AND x.act = 2), " \
	"(SELECT e.what FROM case_events AS e WHERE e.case_id = k.id" \
	" AND e.nr > 1 ORDER BY e.nr DESC LIMIT 1)"
#define CASE_TABLES \
	" FROM cases AS k JOIN holds AS h ON h.id = k.hold" \
	" LEFT JOIN decisions AS d ON d.case_id = k.id"

static void
case_read(struct db_query *q, struct store_case *k)
{
	unsigned int act;

	k->id = db_get_int(q);
	db_get_text(q, k->receipt, sizeof(k->receipt));
	db_get_text(q, k->municipality, sizeof(k->municipality));
	db_get_text(q, k->status, sizeof(k->status));
	k->created_us = db_get_int(q);
	k->hold_id = db_get_int(q);
	db_get_text(q, k->call_id, sizeof(k->call_id));
	db_get_text(q, k->lang, sizeof(k->lang));
	k->reported_us = db_get_int(q);
	k->verified_us = db_get_int(q);
	k->stored_us = db_get_int(q);
	k->visible_us = db_get_int(q);
	k->decided_us = db_get_int(q);
	db_get_text(q, k->outcome, sizeof(k->outcome));
	db_get_text(q, k->entry, sizeof(k->entry));
	for (act = 0, k->acts = 0; act < STORE_ACT_COUNT; act++)
		if (db_get_int(q) != 0)
			k->acts |= 1u << act;
	db_get_text(q, k->last, sizeof(k->last));
}

static struct db_query *
list_query(struct store_db *db, const struct store_case_list *r)
{
	struct db_query *q;

	if (r->municipality[0] == '\0')
		q = db_query(db,
		    "SELECT " CASE_COLUMNS CASE_TABLES
		    " WHERE k.id < $1 ORDER BY k.id DESC LIMIT $2");
	else
		q = db_query(db,
		    "SELECT " CASE_COLUMNS CASE_TABLES
		    " WHERE k.id < $1 AND k.municipality = $2"
		    " ORDER BY k.id DESC LIMIT $3");
	db_bind_int(q, r->before_id != 0 ? r->before_id : INT64_MAX);
	if (r->municipality[0] != '\0')
		db_bind_text(q, r->municipality);
	db_bind_int(q, STORE_CASE_PAGE);
	return q;
}

static int
list_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_case_list *r = (struct store_case_list *)req;
	struct db_query *q = list_query(db, r);
	int rc;

	r->n = 0;
	while ((rc = db_step(q, err)) == 1)
		case_read(q, &r->cases[r->n++]);
	return rc;
}

void
store_case_list(struct store *s, struct store_case_list *r)
{
	store_submit(s, &r->req, list_run, DB_READ);
}

static int
show_certs(struct store_db *db, struct store_case_show *r, struct err *err)
{
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT " CERT_COLUMNS ", c.visible_us, x.act"
	    " FROM hold_certs AS t JOIN certificates AS c ON c.id = t.cert"
	    " LEFT JOIN decision_certs AS x ON x.case_id = $1"
	    " AND x.cert = t.cert WHERE t.hold = $2"
	    " ORDER BY c.kind, c.carrier, c.not_before DESC, c.id DESC");
	db_bind_int(q, r->found.id);
	db_bind_int(q, r->found.hold_id);
	r->n = 0;
	while (r->n < STORE_CERTS_MAX && (rc = db_step(q, err)) != 0) {
		if (rc == -1)
			return -1;
		cert_read(q, &r->certs[r->n]);
		r->seen_us[r->n] = db_get_int(q);
		r->acts[r->n++] = (enum store_act)db_get_int(q);
	}
	return 0;
}

static int
show_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_case_show *r = (struct store_case_show *)req;
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT " CASE_COLUMNS ", d.who, d.reason, p.key_version,"
	    " p.contact" CASE_TABLES
	    " JOIN holders AS p ON p.id = h.holder WHERE k.receipt = $1");
	db_bind_text(q, r->receipt);
	if ((rc = db_step(q, err)) == 0)
		return err_set(err, ERR_NOTFOUND,
		    "no case has the receipt number %s", r->receipt);
	if (rc == -1)
		return -1;
	case_read(q, &r->found);
	db_get_text(q, r->who, sizeof(r->who));
	db_get_text(q, r->reason, sizeof(r->reason));
	r->key_version = (uint32_t)db_get_int(q);
	r->contact_len = db_get_blob(q, r->contact, sizeof(r->contact));
	return show_certs(db, r, err);
}

void
store_case_show(struct store *s, struct store_case_show *r)
{
	store_submit(s, &r->req, show_run, DB_READ);
}

static int
events_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_case_events *r = (struct store_case_events *)req;
	struct store_case_event *e;
	struct db_query *q;
	int rc;

	q = db_query(db,
	    "SELECT nr, at_us, what FROM case_events"
	    " WHERE case_id = $1 AND nr > $2 ORDER BY nr LIMIT $3");
	db_bind_int(q, r->case_id);
	db_bind_int(q, r->after_nr);
	db_bind_int(q, STORE_CASE_PAGE);
	for (r->n = 0; (rc = db_step(q, err)) == 1; r->n++) {
		e = &r->events[r->n];
		e->nr = db_get_int(q);
		e->at_us = db_get_int(q);
		db_get_text(q, e->what, sizeof(e->what));
	}
	return rc;
}

void
store_case_events(struct store *s, struct store_case_events *r)
{
	store_submit(s, &r->req, events_run, DB_READ);
}

static int
seen_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_case_seen *r = (struct store_case_seen *)req;
	int64_t decided_us, last_us;
	struct db_query *q;
	bool waits;
	int rc;

	q = db_query(db,
	    "SELECT d.at_us, (SELECT max(c.visible_us)"
	    " FROM decision_certs AS x JOIN certificates AS c ON c.id = x.cert"
	    " WHERE x.case_id = d.case_id AND x.act <> 0),"
	    " (SELECT count(*) FROM decision_certs AS x"
	    " JOIN certificates AS c ON c.id = x.cert"
	    " AND c.generation = x.generation WHERE x.case_id = d.case_id"
	    " AND x.act <> 0 AND c.visible_us = 0)"
	    " FROM decisions AS d WHERE d.case_id = $1");
	db_bind_int(q, r->case_id);
	if ((rc = db_step(q, err)) == 0)
		return err_set(
		    err, ERR_NOTFOUND, "that case is not decided yet");
	if (rc == -1)
		return -1;
	decided_us = db_get_int(q);
	last_us = db_get_int(q);
	waits = db_get_int(q) != 0;
	r->visible_us = waits ? 0 : last_us != 0 ? last_us : decided_us;
	return 0;
}

void
store_case_seen(struct store *s, struct store_case_seen *r)
{
	store_submit(s, &r->req, seen_run, DB_READ);
}
