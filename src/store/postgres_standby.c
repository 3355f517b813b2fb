/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL engine: does a second server have what is committed? */
#include <string.h>

#include "postgres.h"

static const char *
option_value(const PQconninfoOption *o, const char *keyword)
{
	for (; o->keyword != NULL; o++)
		if (strcmp(o->keyword, keyword) == 0)
			return o->val;
	return NULL;
}

static unsigned int
count_names(const char *list)
{
	unsigned int n = 1;

	for (; *list != '\0'; list++)
		n += *list == ',';
	return n;
}

unsigned int
postgres_hosts(struct store_db *db)
{
	PQconninfoOption *o = PQconninfoParse(postgres_of(db)->url.text, NULL);
	unsigned int n = 1;
	const char *list;

	if (o == NULL)
		return n;
	list = option_value(o, "host");
	if (list == NULL)
		list = option_value(o, "hostaddr");
	if (list != NULL)
		n = count_names(list);
	PQconninfoFree(o);
	return n;
}

/* In the order of the columns below: 't' refuses. */
static const char *const demands[] = {
	"it has no synchronous standby: set synchronous_standby_names to the "
	"standby's name",
	"it does not wait for its standby: set synchronous_commit to on or "
	"remote_apply for this role, database or server",
};

#define DEMANDS \
	"SELECT current_setting('synchronous_standby_names') = ''," \
	" current_setting('synchronous_commit')" \
	" NOT IN ('on', 'remote_apply')"

int
postgres_standby(struct store_db *db, struct err *err)
{
	struct postgres_db *d = postgres_of(db);
	PGresult *result = postgres_ask(d, DEMANDS, d->timeout_ms, err);
	const char *fault = NULL;
	int i;

	if (result == NULL)
		return -1;
	for (i = 0; i < PQnfields(result) && fault == NULL; i++)
		if (*PQgetvalue(result, 0, i) == 't')
			fault = demands[i];
	PQclear(result);
	if (fault == NULL)
		return 0;
	return err_set(err, ERR_REFUSED,
	    "store %s: %s; or set store_durability = \"local\" and risk the "
	    "newest holds when the server is lost",
	    d->url.where, fault);
}
