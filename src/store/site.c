/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "db.h"
#include "store/site.h"

static int
remember_key(struct store_db *db, uint32_t version,
    const uint8_t check[STORE_MAC_SIZE], struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO key_checks (version, mac) VALUES ($1, $2)"
	    " ON CONFLICT (version) DO UPDATE SET mac = excluded.mac");
	db_bind_int(q, version);
	db_bind_blob(q, check, STORE_MAC_SIZE);
	return db_run(q, err);
}

/* An empty store was filled under no key: any will do. */
static int
check_key(struct store_db *db, uint32_t version,
    const uint8_t check[STORE_MAC_SIZE], bool empty, struct err *err)
{
	uint8_t known[STORE_MAC_SIZE] = { 0 };
	struct db_query *q;
	int rc;

	q = db_query(db, "SELECT mac FROM key_checks WHERE version = $1");
	db_bind_int(q, version);
	if ((rc = db_step(q, err)) == -1)
		return -1;
	if (rc == 1)
		db_get_blob(q, known, sizeof(known));
	if (rc == 1 && memcmp(known, check, sizeof(known)) == 0)
		return 0;
	if (rc == 0 || empty)
		return remember_key(db, version, check, err);
	return err_set(err, ERR_CONFLICT,
	    "the store was filled under another key of version %u; use the "
	    "key file that belongs to it, or import the registry under a new "
	    "version",
	    (unsigned int)version);
}

static int
site_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_site *r = (struct store_site *)req;
	struct db_query *q;
	unsigned int i;
	int rc;

	assert(r->n <= STORE_TAGS_MAX);
	q = db_query(db, "SELECT id FROM holders LIMIT 1");
	if ((rc = db_step(q, err)) == -1)
		return -1;
	r->empty = rc == 0;
	for (i = 0; i < r->n; i++)
		if (check_key(
			db, r->versions[i], r->checks[i], r->empty, err) == -1)
			return -1;
	return 0;
}

void
store_site(struct store *s, struct store_site *r)
{
	/* DB_ALONE: it rests on there being nobody on record, and on a key not
	 * being known: another node may bring another key at this moment */
	store_submit(s, &r->req, site_run, DB_ALONE);
}
