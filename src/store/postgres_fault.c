/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL engine: what faults mean, and what to do about them. */
#include <stdio.h>
#include <string.h>

#include "postgres.h"

/* By the beginning of SQLSTATE, longer ones first. */
static const struct {
	const char *state;
	const char *text;
	bool leave; /* this connection leads nowhere */
	bool again; /* it was another node's transaction */
} faults[] = {
	{ "23505", "another node made the same thing at once", false, true },
	{ "25006",
	    "the server has become read-only; look for the one that writes "
	    "now and name both in the URL",
	    true, false },
	{ "25P03", "this program was too slow and lost its transaction", true,
	    false },
	{ "42501",
	    "this role may not do that; make it the owner of the database and "
	    "its tables",
	    false, false },
	{ "2BP01",
	    "something that is not holdline's, such as a view, depends on a "
	    "table; remove it, and make it anew in another schema afterwards",
	    false, false },
	{ "42P01", ENGINE_NO_TABLE, false, false },
	{ "42P07",
	    "something that is not holdline's has a name that is needed; move "
	    "it to a database of its own",
	    false, false },
	{ "53100", "the server's disk is full; free some space", false, false },
	{ "53200", "the server is out of memory; give it more", false, false },
	{ "55P03",
	    "another session keeps what is wanted locked; find it in "
	    "pg_stat_activity, and end it if it hangs",
	    false, false },
	{ "57014",
	    "the server took too long; look at its load, its disk and "
	    "pg_stat_activity",
	    false, false },
	{ "40", "other nodes were in the way each time", false, true },
	{ "08", "the connection failed; look at the network", true, false },
	{ "57P", "the server is ending or starting; see that it comes back",
	    true, false },
	{ "58", "the server's disk failed; look at its log", false, false },
	{ "XX", "the server is damaged; look at its log", false, false },
};

void
postgres_line(const char *message, char *out, size_t size)
{
	size_t n = 0;

	for (; *message != '\0' && n + 2 < size; message++) {
		if (*message != '\n' && *message != '\t')
			out[n++] = *message;
		else if (n > 0 && out[n - 1] != ' ')
			out[n++] = ' ';
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
}

static int
fault_lost(struct postgres_db *d, struct err *err)
{
	char line[160];

	postgres_line(d->conn == NULL || PQstatus(d->conn) != CONNECTION_BAD
		? "no answer in time"
		: PQerrorMessage(d->conn),
	    line, sizeof(line));
	postgres_disconnect(d);
	return err_set(err, ERR_STORE,
	    "store %s: the connection to the server was lost (%s); the next "
	    "request connects again",
	    d->url.where, line);
}

int
postgres_fault(struct postgres_db *d, const PGresult *result, struct err *err)
{
	const char *state, *text;
	char line[160];
	size_t i;

	d->failed = true; /* whatever transaction there was */
	if (result == NULL ||
	    (state = PQresultErrorField(result, PG_DIAG_SQLSTATE)) == NULL)
		return fault_lost(d, err);
	text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	postgres_line(text != NULL ? text : "", line, sizeof(line));
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (strncmp(faults[i].state, state, strlen(faults[i].state)))
			continue;
		d->db.again = faults[i].again;
		err_set(err, ERR_STORE, "store %s: %s (PostgreSQL %s: %s)",
		    d->url.where, faults[i].text, state, line);
		if (faults[i].leave)
			postgres_disconnect(d);
		return -1;
	}
	return err_set(err, ERR_STORE, "store %s: PostgreSQL %s: %s",
	    d->url.where, state, line);
}
