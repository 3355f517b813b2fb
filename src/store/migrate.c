/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/log.h"
#include "db.h"

/* One telephone's MAC, or no bytes; SQLite makes them text and back. */
#define PHONE(place) \
	"coalesce((SELECT mac FROM phones WHERE holder = holders.id" \
	" AND place = " #place "), CAST('' AS BLOB))"
#define PHONES PHONE(0) " || " PHONE(1) " || " PHONE(2) " || " PHONE(3)

/*
 * Forward only: a migration that was released is never edited, a change is a
 * new one at the end.  Nothing is ever deleted but outbox rows, attempts and
 * marks of imports.
 * Types are SQLite's words, INTEGER, TEXT and BLOB, and a table ends in STRICT;
 * postgres_schema.c has what they are there.
 * No column holds a readable birth date, name, address or telephone number.
 */
static const char *const migrations[] = {
	/* 1: holders and their certificates, holds and cases, the outbox, the
	 * audit chain, calls, attempts */
	"CREATE TABLE holders ("
	"	id INTEGER PRIMARY KEY,"
	"	ref BLOB NOT NULL UNIQUE," /* MAC of the registry's reference */
	"	tag BLOB NOT NULL,"        /* MAC of birth date, postal code */
	"	key_version INTEGER NOT NULL,"
	"	municipality TEXT NOT NULL,"
	"	pin BLOB,"    /* stretched MAC */
	"	contact BLOB" /* sealed */
	") STRICT;"
	"CREATE INDEX holders_tag ON holders (tag);"
	"CREATE TABLE phones ("
	"	holder INTEGER NOT NULL REFERENCES holders (id),"
	"	place INTEGER NOT NULL,"
	"	mac BLOB NOT NULL,"
	"	PRIMARY KEY (holder, place)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE certificates ("
	"	id INTEGER PRIMARY KEY,"
	"	holder INTEGER NOT NULL REFERENCES holders (id),"
	"	carrier INTEGER NOT NULL CHECK (carrier BETWEEN 0 AND 1),"
	"	kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 1),"
	"	issuer TEXT NOT NULL,"
	"	serial TEXT NOT NULL,"
	"	not_before INTEGER NOT NULL," /* Japanese days */
	"	not_after INTEGER NOT NULL,"
	"	status INTEGER NOT NULL CHECK (status BETWEEN 0 AND 2),"
	"	generation INTEGER NOT NULL,"
	"	reason INTEGER NOT NULL,"
	"	status_us INTEGER NOT NULL,"
	"	visible_us INTEGER NOT NULL," /* of this generation; 0 = no */
	"	UNIQUE (serial, issuer)"
	") STRICT;"
	"CREATE INDEX certificates_holder ON certificates (holder);"
	"CREATE TABLE holds ("
	"	id INTEGER PRIMARY KEY,"
	"	call_id TEXT NOT NULL UNIQUE," /* one call, one hold */
	"	holder INTEGER NOT NULL REFERENCES holders (id),"
	"	lang TEXT NOT NULL,"
	"	reported_us INTEGER NOT NULL,"
	"	verified_us INTEGER NOT NULL,"
	"	stored_us INTEGER NOT NULL,"
	"	visible_us INTEGER NOT NULL" /* 0 = not yet */
	") STRICT;"
	"CREATE INDEX holds_holder ON holds (holder);"
	"CREATE TABLE hold_certs ("
	"	hold INTEGER NOT NULL REFERENCES holds (id),"
	"	cert INTEGER NOT NULL REFERENCES certificates (id),"
	"	generation INTEGER NOT NULL," /* that the hold gave it */
	"	PRIMARY KEY (hold, cert)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE cases ("
	"	id INTEGER PRIMARY KEY,"
	"	receipt TEXT NOT NULL UNIQUE,"
	"	hold INTEGER NOT NULL UNIQUE REFERENCES holds (id),"
	"	municipality TEXT NOT NULL,"
	"	status TEXT NOT NULL,"
	"	created_us INTEGER NOT NULL"
	") STRICT;"
	"CREATE INDEX cases_municipality ON cases (municipality, id);"
	"CREATE TABLE case_events ("
	"	case_id INTEGER NOT NULL REFERENCES cases (id),"
	"	nr INTEGER NOT NULL," /* 1, 2, ... of this case */
	"	at_us INTEGER NOT NULL,"
	"	what TEXT NOT NULL,"
	"	PRIMARY KEY (case_id, nr)"
	") STRICT, WITHOUT ROWID;"
	/* AUTOINCREMENT: a number that left the outbox never comes back */
	"CREATE TABLE outbox ("
	"	seq INTEGER PRIMARY KEY AUTOINCREMENT,"
	"	hold INTEGER REFERENCES holds (id)," /* NULL = the registry */
	"	cert INTEGER NOT NULL REFERENCES certificates (id),"
	"	generation INTEGER NOT NULL,"
	"	status INTEGER NOT NULL,"
	"	reason INTEGER NOT NULL,"
	"	status_us INTEGER NOT NULL,"
	"	park_us INTEGER NOT NULL" /* left alone until then; 0 = not */
	") STRICT;"
	"CREATE INDEX outbox_hold ON outbox (hold);"
	"CREATE TABLE audit ("
	"	seq INTEGER PRIMARY KEY," /* chain and place: audit.h */
	"	at_us INTEGER NOT NULL,"
	"	text TEXT NOT NULL,"
	"	hash BLOB NOT NULL"
	") STRICT;"
	"CREATE TABLE calls ("
	"	call_id TEXT PRIMARY KEY,"
	"	dnis TEXT NOT NULL,"
	"	lang TEXT NOT NULL,"
	"	begun_us INTEGER," /* NULL = only its end is known */
	"	outcome TEXT,"
	"	ended_us INTEGER"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE attempts ("
	"	key BLOB PRIMARY KEY,"
	"	since_us INTEGER NOT NULL,"
	"	n INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX attempts_since ON attempts (since_us);",
	/* 2: which keys it was filled under */
	"CREATE TABLE key_checks ("
	"	version INTEGER PRIMARY KEY,"
	"	mac BLOB NOT NULL"
	") STRICT;",
	/* 3: duties that one node has at a time */
	"CREATE TABLE leases ("
	"	name TEXT PRIMARY KEY,"
	"	owner TEXT NOT NULL,"    /* one run of one program; '' = free */
	"	fence INTEGER NOT NULL," /* grows with every change of owner */
	"	until_us INTEGER NOT NULL," /* the database's clock */
	"	ttl_us INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;",
	/* 4: what the certification authority, holders and municipalities are
	 * told, and each attempt at it */
	"CREATE TABLE dispatches ("
	"	id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"	kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2),"
	"	what INTEGER NOT NULL CHECK (what BETWEEN 0 AND 4),"
	"	cert INTEGER REFERENCES certificates (id)," /* NULL = notice */
	"	hold INTEGER REFERENCES holds (id)," /* NULL = the registry */
	"	generation INTEGER NOT NULL,"        /* 0 = notice */
	"	key TEXT NOT NULL UNIQUE,"
	"	state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 4),"
	"	tries INTEGER NOT NULL,"
	"	created_us INTEGER NOT NULL,"
	"	due_us INTEGER,"            /* NULL = never again */
	"	claim_us INTEGER NOT NULL," /* being told until then; 0 = not */
	"	told_us INTEGER NOT NULL,"  /* 0 = not yet */
	"	last TEXT NOT NULL"
	") STRICT;"
	"CREATE INDEX dispatches_due ON dispatches (kind, due_us)"
	" WHERE due_us IS NOT NULL;"
	"CREATE INDEX dispatches_open ON dispatches (kind, state, created_us)"
	" WHERE state IN (0, 2, 3);"
	"CREATE INDEX dispatches_cert ON dispatches (cert);"
	"CREATE INDEX dispatches_hold ON dispatches (hold);"
	"CREATE TABLE dispatch_attempts ("
	"	dispatch INTEGER NOT NULL REFERENCES dispatches (id),"
	"	nr INTEGER NOT NULL," /* 1, 2, ... of this row */
	"	begun_us INTEGER NOT NULL,"
	"	ended_us INTEGER NOT NULL," /* 0 = not yet */
	"	state INTEGER NOT NULL,"
	"	words TEXT NOT NULL,"
	"	PRIMARY KEY (dispatch, nr)"
	") STRICT, WITHOUT ROWID;",
	/* 5: what the revocation cache has a record of, for comparing */
	"CREATE INDEX certificates_changed ON certificates (not_after, id)"
	" WHERE generation > 0;",
	/* 6: how far imports have come that did not reach the end */
	"CREATE TABLE imports ("
	"	key BLOB PRIMARY KEY,"     /* MAC of the file's beginning */
	"	taken INTEGER NOT NULL,"   /* bytes of the file */
	"	line INTEGER NOT NULL,"    /* that comes next */
	"	digest BLOB NOT NULL,"     /* SHA-256 of those bytes */
	"	rejects INTEGER NOT NULL," /* bytes of the reject file */
	"	at_us INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;",
	/* 7: how cases were decided, and what that did */
	"CREATE TABLE decisions ("
	"	case_id INTEGER NOT NULL PRIMARY KEY REFERENCES cases (id),"
	"	key TEXT UNIQUE," /* NULL = nobody asked, such as a deadline */
	"	entry TEXT NOT NULL,"
	"	who TEXT NOT NULL,"
	"	outcome TEXT NOT NULL,"
	"	reason TEXT NOT NULL,"
	"	at_us INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE decision_certs ("
	"	case_id INTEGER NOT NULL REFERENCES decisions (case_id),"
	"	cert INTEGER NOT NULL REFERENCES certificates (id),"
	"	act INTEGER NOT NULL,"        /* 0 left, 1 lifted, 2 revoked */
	"	generation INTEGER NOT NULL," /* afterwards */
	"	PRIMARY KEY (case_id, cert)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX cases_open ON cases (id) WHERE status = 'open';",
	/* 8: up to when somebody has looked, for what time does */
	"CREATE TABLE watches ("
	"	name TEXT PRIMARY KEY,"
	"	at_us INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;",
	/* 9: what CRLs are made of: certificates that ever were not good */
	"CREATE TABLE crl_changes ("
	"	issuer TEXT NOT NULL,"
	"	cert INTEGER NOT NULL REFERENCES certificates (id),"
	"	mark INTEGER NOT NULL," /* number of the base since; 0 = none */
	"	PRIMARY KEY (issuer, cert)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX crl_changes_new ON crl_changes (issuer) WHERE mark = 0;"
	"INSERT INTO crl_changes (issuer, cert, mark)"
	" SELECT issuer, id, 0 FROM certificates WHERE generation > 0;"
	"CREATE TABLE crl_issuers ("
	"	issuer TEXT PRIMARY KEY,"
	"	number INTEGER NOT NULL,"  /* the last that was given out */
	"	marking INTEGER NOT NULL," /* of the last base that was begun */
	"	base INTEGER NOT NULL,"    /* of the last that was published */
	"	base_us INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;",
	/* 10: the nodes that share the store */
	"CREATE TABLE nodes ("
	"	id TEXT PRIMARY KEY," /* one run of one program */
	"	name TEXT NOT NULL,"
	"	version TEXT NOT NULL,"
	"	pid INTEGER NOT NULL,"
	"	calls INTEGER NOT NULL,"
	"	queue INTEGER NOT NULL,"
	"	lag_us INTEGER NOT NULL,"
	"	started_us INTEGER NOT NULL," /* the database's clock */
	"	seen_us INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;",
	/* 11: several publishers share the outbox */
	"ALTER TABLE outbox ADD COLUMN claim TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE outbox ADD COLUMN claim_us INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE outbox ADD COLUMN made_us INTEGER NOT NULL DEFAULT 0;",
	/* 12: what happened, for live views on every node */
	"CREATE TABLE events ("
	"	id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"	place INTEGER NOT NULL," /* 1, 2, ... in order; 0 = none yet */
	"	kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 3),"
	"	at_us INTEGER NOT NULL,"
	"	hold INTEGER NOT NULL," /* 0 = none */
	"	cert INTEGER NOT NULL"  /* 0 = none */
	") STRICT;"
	"CREATE INDEX events_place ON events (place);",
	/* 13: how far a call has come, for the node that takes it over */
	"ALTER TABLE calls ADD COLUMN bind BLOB;" /* MAC of where it is from */
	"ALTER TABLE calls ADD COLUMN holder INTEGER;" /* verified; or NULL */
	"ALTER TABLE calls ADD COLUMN verified_us INTEGER;"
	"ALTER TABLE calls ADD COLUMN proved_us INTEGER;" /* by the database's
							      clock */
	"ALTER TABLE calls ADD COLUMN carriers INTEGER;"
	"ALTER TABLE calls ADD COLUMN confirmed INTEGER;",
	/* 14: all that a lookup asks for stands in the index on the tag */
	"ALTER TABLE holders ADD COLUMN phones BLOB;" /* MACs in a row */
	"UPDATE holders SET phones = CAST(" PHONES " AS BLOB)"
	" WHERE EXISTS (SELECT 1 FROM phones WHERE holder = holders.id);"
	"DROP TABLE phones;"
	"DROP INDEX holders_tag;"
	"CREATE INDEX holders_tag ON holders (tag, key_version, pin, phones);",
	/* 15: which files of the registry's news were applied */
	"CREATE TABLE deltas ("
	"	name TEXT NOT NULL," /* of the feed */
	"	seq INTEGER NOT NULL,"
	"	digest BLOB NOT NULL,"     /* MAC of all of it */
	"	taken INTEGER NOT NULL,"   /* bytes: goes on there */
	"	line INTEGER NOT NULL,"    /* that is there */
	"	rejects INTEGER NOT NULL," /* bytes of the reject file */
	"	applied INTEGER NOT NULL," /* where its last row began */
	"	begun_us INTEGER NOT NULL,"
	"	done_us INTEGER NOT NULL," /* 0 = not yet */
	"	PRIMARY KEY (name, seq)"
	") STRICT, WITHOUT ROWID;",
	/* 16: a first load that is under way.  What changes holders or
	 * certificates changes first_load.c too. */
	"CREATE TABLE first_load ("
	"	one INTEGER PRIMARY KEY CHECK (one = 1),"
	"	key BLOB NOT NULL," /* of the file, as imports.key */
	"	stage INTEGER NOT NULL,"
	"	keys INTEGER NOT NULL," /* that were made */
	"	run INTEGER NOT NULL"   /* of the process that is at it */
	") STRICT;",
};

#define NEWEST ((int64_t)(sizeof(migrations) / sizeof(migrations[0])))
#define CLOSED 1000000 /* is added to the version of one that was moved */

static int
check_version(struct store_db *db, int64_t *version, struct err *err)
{
	if (db_version(db, version, err) == -1)
		return -1;
	if (*version > CLOSED)
		return err_set(err, ERR_REFUSED,
		    "this store was moved to another one and is only kept; "
		    "name the other one in the setting store");
	if (*version > NEWEST)
		return err_set(err, ERR_REFUSED,
		    "the store was made by a newer holdline (schema %" PRId64
		    ", this one knows %" PRId64 "); upgrade this program",
		    *version, NEWEST);
	return 0;
}

/* Under the lock: another process may have been faster. */
static int
run_missing(struct store_db *db, int64_t wanted, struct err *err)
{
	int64_t version;

	if (check_version(db, &version, err) == -1)
		return -1;
	for (; version < wanted; version++)
		if (db_upgrade(db, migrations[version], version + 1, err) == -1)
			return -1;
	return 0;
}

int64_t
migrate_newest(void)
{
	return NEWEST;
}

int
migrate_to(struct store_db *db, int64_t wanted, struct err *err)
{
	int64_t version;

	if (check_version(db, &version, err) == -1)
		return -1;
	if (version >= wanted)
		return 0;
	if (db_begin(db, DB_ALONE, err) == -1)
		return -1;
	if (run_missing(db, wanted, err) == -1) {
		db_rollback(db);
		return err_add(err, "upgrading the store's schema");
	}
	return db_commit(db, err);
}

/* A server that still runs fails at its next request: what it would write from
 * here on would be in neither store's copy. */
int
migrate_close(struct store_db *db, struct err *err)
{
	static const char away[] =
	    "ALTER TABLE calls RENAME TO moved_calls;"
	    "ALTER TABLE holders RENAME TO moved_holders;"
	    "ALTER TABLE certificates RENAME TO moved_certificates;"
	    "ALTER TABLE holds RENAME TO moved_holds;"
	    "ALTER TABLE cases RENAME TO moved_cases;";

	return db_upgrade(db, away, NEWEST + CLOSED, err);
}

int
migrate(struct store_db *db, struct err *err)
{
	int64_t before;

	if (check_version(db, &before, err) == -1 ||
	    migrate_to(db, NEWEST, err) == -1)
		return -1;
	if (before > 0 && before < NEWEST)
		log_warn("store", NULL,
		    "event=schema-upgraded from=%" PRId64 " to=%" PRId64
		    " hint=\"older programs do not start on this store any "
		    "more: upgrade the other nodes soon\"",
		    before, NEWEST);
	return 0;
}
