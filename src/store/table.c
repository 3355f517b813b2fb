/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "table.h"

#define LIMIT " LIMIT 2000"
_Static_assert(TABLE_PAGE == 2000, "LIMIT says it in words");

#define TABLE(name, n_key, key, marks, n, rest, number, merge, own) \
	{ \
		name, n_key, n, number, \
		    "SELECT " key rest " FROM " name " ORDER BY " key LIMIT, \
		    "SELECT " key rest " FROM " name " WHERE (" key \
		    ") > (" marks ") ORDER BY " key LIMIT, \
		    "SELECT count(*) FROM " name, name " (" key rest ")", \
		    "DELETE FROM " name, merge, own \
	}
/* A key of one column, and of two. */
#define ONE(name, key, n, rest, number) \
	TABLE(name, 1, key, "$1", n, rest, number, NULL, false)
#define TWO(name, key, n, rest) \
	TABLE(name, 2, key, "$1, $2", n, rest, NULL, NULL, false)
/* Of one store alone: who is busy with it. */
#define OWN(name, key, n, rest) \
	TABLE(name, 1, key, "$1", n, rest, NULL, NULL, true)
/* One that grows with the registry, and what brings a row up to date. */
#define BIG(name, key, n, rest, marks, update) \
	TABLE(name, 1, key, "$1", n, rest, key, \
	    "INSERT INTO " name " (" key rest ") VALUES (" marks \
	    ") ON CONFLICT (" key ") DO UPDATE SET " update, \
	    false)

const struct table tables[] = {
	BIG("holders", "id", 8,
	    ", ref, tag, key_version, municipality, pin, contact, phones",
	    "$1, $2, $3, $4, $5, $6, $7, $8",
	    "ref = excluded.ref, tag = excluded.tag,"
	    " key_version = excluded.key_version,"
	    " municipality = excluded.municipality, pin = excluded.pin,"
	    " contact = excluded.contact, phones = excluded.phones"),
	BIG("certificates", "id", 13,
	    ", holder, carrier, kind, issuer, serial, not_before, not_after,"
	    " status, generation, reason, status_us, visible_us",
	    "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13",
	    "holder = excluded.holder, carrier = excluded.carrier,"
	    " kind = excluded.kind, issuer = excluded.issuer,"
	    " serial = excluded.serial, not_before = excluded.not_before,"
	    " not_after = excluded.not_after, status = excluded.status,"
	    " generation = excluded.generation, reason = excluded.reason,"
	    " status_us = excluded.status_us,"
	    " visible_us = excluded.visible_us"),
	ONE("holds", "id", 8,
	    ", call_id, holder, lang, reported_us, verified_us, stored_us,"
	    " visible_us",
	    "id"),
	TWO("hold_certs", "hold, cert", 3, ", generation"),
	ONE("cases", "id", 6,
	    ", receipt, hold, municipality, status, created_us", "id"),
	TWO("case_events", "case_id, nr", 4, ", at_us, what"),
	ONE("outbox", "seq", 11,
	    ", hold, cert, generation, status, reason, status_us, park_us,"
	    " claim, claim_us, made_us",
	    "seq"),
	ONE("audit", "seq", 4, ", at_us, text, hash", NULL),
	ONE("calls", "call_id", 12,
	    ", dnis, lang, begun_us, outcome, ended_us, bind, holder,"
	    " verified_us, proved_us, carriers, confirmed",
	    NULL),
	ONE("attempts", "key", 3, ", since_us, n", NULL),
	ONE("key_checks", "version", 2, ", mac", NULL),
	ONE("leases", "name", 5, ", owner, fence, until_us, ttl_us", NULL),
	ONE("dispatches", "id", 14,
	    ", kind, what, cert, hold, generation, key, state, tries,"
	    " created_us, due_us, claim_us, told_us, last",
	    "id"),
	TWO("dispatch_attempts", "dispatch, nr", 6,
	    ", begun_us, ended_us, state, words"),
	ONE("decisions", "case_id", 7,
	    ", key, entry, who, outcome, reason, at_us", NULL),
	TWO("decision_certs", "case_id, cert", 4, ", act, generation"),
	ONE("watches", "name", 2, ", at_us", NULL),
	ONE("crl_issuers", "issuer", 5, ", number, marking, base, base_us",
	    NULL),
	TWO("crl_changes", "issuer, cert", 3, ", mark"),
	ONE("imports", "key", 6, ", taken, line, digest, rejects, at_us", NULL),
	ONE("first_load", "one", 5, ", key, stage, keys, run", NULL),
	TWO("deltas", "name, seq", 9,
	    ", digest, taken, line, rejects, applied, begun_us, done_us"),
	OWN("nodes", "id", 9,
	    ", name, version, pid, calls, queue, lag_us, started_us, seen_us"),
	ONE("events", "id", 6, ", place, kind, at_us, hold, cert", "id"),
	{ .name = NULL },
};
