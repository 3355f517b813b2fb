/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/log.h"
#include "engine.h"
#include "store/durable.h"

static const char *const names[] = {
	[STORE_DURABLE_AUTO] = "auto",
	[STORE_DURABLE_STANDBY] = "standby",
	[STORE_DURABLE_LOCAL] = "local",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == STORE_DURABLE_COUNT,
    "every store_durability needs a name");

int
store_durable_parse(const char *name, enum store_durability *out)
{
	int i;

	for (i = 0; i < STORE_DURABLE_COUNT; i++)
		if (strcmp(names[i], name) == 0) {
			*out = (enum store_durability)i;
			return 0;
		}
	return -1;
}

/* A commit that comes back was confirmed by whoever must. */
static int
prove(struct store_db *db, struct err *err)
{
	if (db_begin(db, DB_WRITE, err) == -1)
		return -1;
	if (db_run(db_query(db, "UPDATE holdline SET version = version"),
		err) == -1) {
		db_rollback(db);
		return -1;
	}
	return db_commit(db, err);
}

static int
check_standby(struct store_db *db, struct err *err)
{
	char why[sizeof(err->text)];

	if (db->engine->standby(db, err) == -1)
		return -1;
	if (prove(db, err) == 0)
		return 0;
	memcpy(why, err->text, sizeof(why));
	return err_set(err, ERR_REFUSED,
	    "no standby has confirmed a commit: see that the one that "
	    "synchronous_standby_names means is connected, or set "
	    "store_durability = \"local\" and risk the newest holds when the "
	    "server is lost (%.160s)",
	    why);
}

static bool
wants_standby(struct store_db *db, enum store_durability wanted)
{
	return wanted == STORE_DURABLE_STANDBY ||
	    (wanted == STORE_DURABLE_AUTO && db->engine->hosts(db) > 1);
}

int
store_durable_check(const struct store_options *options,
    enum store_durability wanted, struct err *err)
{
	struct store_db *db;
	int rc = 0;

	if (!postgres_is_url(options->path)) {
		if (wanted != STORE_DURABLE_STANDBY)
			return 0;
		return err_set(err, ERR_REFUSED,
		    "store_durability = \"standby\" needs a PostgreSQL with a "
		    "standby; a file has none");
	}
	if ((db = db_open(options, err)) == NULL)
		return -1;
	if (wants_standby(db, wanted)) {
		rc = check_standby(db, err);
	} else {
		log_warn("store", NULL,
		    "event=durability kept-by=one-server hint=\"when that "
		    "server is lost for good, so are the holds since its last "
		    "copy: a synchronous standby would keep them, see "
		    "store_durability\"");
	}
	db_close(db);
	return rc;
}
