/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "db.h"
#include "store/lease.h"

struct lease {
	char owner[STORE_NODE_ID + 1];
	int64_t fence, until_us, ttl_us;
};

/* The row stays as it is read until the commit. */
static int
lease_read(
    struct store_db *db, const char *name, struct lease *lease, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO leases (name, owner, fence, until_us, ttl_us)"
	    " VALUES ($1, '', 0, 0, 0) ON CONFLICT (name) DO NOTHING");
	db_bind_text(q, name);
	if (db_run(q, err) == -1)
		return -1;
	q = db_query(db,
	    "SELECT owner, fence, until_us, ttl_us FROM leases"
	    " WHERE name = $1" DB_FOR_UPDATE);
	db_bind_text(q, name);
	if (db_step(q, err) != 1)
		return -1;
	db_get_text(q, lease->owner, sizeof(lease->owner));
	lease->fence = db_get_int(q);
	lease->until_us = db_get_int(q);
	lease->ttl_us = db_get_int(q);
	return 0;
}

static int
lease_write(struct store_db *db, const char *name, const struct lease *lease,
    struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "UPDATE leases SET owner = $1, fence = $2, until_us = $3,"
	    " ttl_us = $4 WHERE name = $5");
	db_bind_text(q, lease->owner);
	db_bind_int(q, lease->fence);
	db_bind_int(q, lease->until_us);
	db_bind_int(q, lease->ttl_us);
	db_bind_text(q, name);
	return db_run(q, err);
}

/* Nobody's, or its time is up.  An end that is further away than it was ever
 * set says that the database's clock was set back, or is another server's. */
static bool
lease_free(const struct lease *lease, int64_t now_us)
{
	return lease->owner[0] == '\0' || lease->until_us <= now_us ||
	    lease->until_us - lease->ttl_us > now_us;
}

static void
lease_take(struct lease *lease, const struct store_lease *r, int64_t now_us)
{
	if (strcmp(lease->owner, r->node) != 0)
		lease->fence++;
	if (lease->fence <= r->above)
		lease->fence = r->above + 1;
	memcpy(lease->owner, r->node, sizeof(lease->owner));
	lease->until_us = now_us + r->ttl_us;
	lease->ttl_us = r->ttl_us;
}

/* Is somebody on record, and no first load under way? */
static int
is_whole(struct store_db *db, bool *whole, struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "SELECT count(*) FROM (SELECT id FROM certificates LIMIT 1) AS c"
	    " WHERE NOT EXISTS (SELECT one FROM first_load)");
	if (db_step(q, err) != 1)
		return -1;
	*whole = db_get_int(q) == 1;
	return 0;
}

/* The clock is read after the row was locked: who had to wait for it must not
 * judge by an instant that is over. */
static int
lease_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_lease *r = (struct store_lease *)req;
	struct lease lease;
	int64_t now_us;
	bool mine, change, whole = true;

	if (r->if_whole && is_whole(db, &whole, err) == -1)
		return -1;
	r->not_whole = !whole;
	if (lease_read(db, r->name, &lease, err) == -1 ||
	    db_clock(db, &now_us, err) == -1)
		return -1;
	mine = strcmp(lease.owner, r->node) == 0;
	change =
	    r->release ? mine : whole && (mine || lease_free(&lease, now_us));
	if (change && r->release)
		lease.owner[0] = '\0';
	else if (change)
		lease_take(&lease, r, now_us);
	if (change && lease_write(db, r->name, &lease, err) == -1)
		return -1;
	r->held = change && !r->release;
	r->fence = lease.fence;
	memcpy(r->owner, lease.owner, sizeof(r->owner));
	r->left_us = lease_free(&lease, now_us) ? 0 : lease.until_us - now_us;
	return 0;
}

void
store_lease(struct store *s, struct store_lease *r)
{
	assert(r->name[0] != '\0' && r->node[0] != '\0');
	assert(r->ttl_us > 0 || r->release);
	/* DB_WRITE: the row is made before it is locked, and locked before it
	 * is read */
	store_submit_in_order(s, &r->req, lease_run, DB_WRITE,
	    store_order("lease", r->name, strlen(r->name)));
}
