/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "db.h"
#include "store/node.h"

/* ---- the beat */

static int
node_forget(struct store_db *db, const struct store_node *node, int64_t now_us,
    struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "DELETE FROM nodes WHERE id <> $1"
	    " AND (seen_us < $2 OR seen_us > $3"
	    " OR (name = $4 AND seen_us < $5))");
	db_bind_text(q, node->id);
	db_bind_int(q, now_us - STORE_NODE_FORGET_US);
	db_bind_int(q, now_us + STORE_NODE_FORGET_US);
	db_bind_text(q, node->name);
	db_bind_int(q, now_us - STORE_NODE_DEAD_US);
	return db_run(q, err);
}

static int
node_write(struct store_db *db, const struct store_node *node, int64_t now_us,
    struct err *err)
{
	struct db_query *q;

	q = db_query(db,
	    "INSERT INTO nodes (id, name, version, pid, calls, queue, lag_us,"
	    " started_us, seen_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)"
	    " ON CONFLICT (id) DO UPDATE SET calls = excluded.calls,"
	    " queue = excluded.queue, lag_us = excluded.lag_us,"
	    " seen_us = excluded.seen_us");
	db_bind_text(q, node->id);
	db_bind_text(q, node->name);
	db_bind_text(q, node->version);
	db_bind_int(q, node->pid);
	db_bind_int(q, node->calls);
	db_bind_int(q, node->queue);
	db_bind_int(q, node->lag_us);
	db_bind_int(q, now_us);
	return db_run(q, err);
}

static int
beat_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_node_beat *r = (struct store_node_beat *)req;
	struct db_query *q;
	int64_t now_us;

	if (r->leave) {
		q = db_query(db, "DELETE FROM nodes WHERE id = $1");
		db_bind_text(q, r->node.id);
		return db_run(q, err);
	}
	if (db_clock(db, &now_us, err) == -1 ||
	    node_write(db, &r->node, now_us, err) == -1)
		return -1;
	return node_forget(db, &r->node, now_us, err);
}

void
store_node_beat(struct store *s, struct store_node_beat *r)
{
	assert(r->node.id[0] != '\0');
	store_submit_in_order(s, &r->req, beat_run, DB_WRITE,
	    store_order("node", r->node.id, strlen(r->node.id)));
}

/* ---- the list */

static void
node_read(struct db_query *q, struct store_node *node)
{
	db_get_text(q, node->id, sizeof(node->id));
	db_get_text(q, node->name, sizeof(node->name));
	db_get_text(q, node->version, sizeof(node->version));
	node->pid = db_get_int(q);
	node->calls = db_get_int(q);
	node->queue = db_get_int(q);
	node->lag_us = db_get_int(q);
	node->started_us = db_get_int(q);
	node->seen_us = db_get_int(q);
}

static int
list_run(struct store_db *db, struct store_req *req, struct err *err)
{
	struct store_node_list *r = (struct store_node_list *)req;
	struct db_query *q;
	int rc;

	if (db_clock(db, &r->now_us, err) == -1)
		return -1;
	q = db_query(db,
	    "SELECT id, name, version, pid, calls, queue, lag_us, started_us,"
	    " seen_us FROM nodes ORDER BY name, started_us, id LIMIT $1");
	db_bind_int(q, STORE_NODES_MAX + 1);
	for (r->n = 0, r->more = false; (rc = db_step(q, err)) == 1;)
		if (r->n == STORE_NODES_MAX)
			r->more = true;
		else
			node_read(q, &r->nodes[r->n++]);
	return rc;
}

void
store_node_list(struct store *s, struct store_node_list *r)
{
	store_submit(s, &r->req, list_run, DB_READ);
}

bool
store_node_alive(const struct store_node *node, int64_t now_us)
{
	int64_t age_us = now_us - node->seen_us;

	/* seen in the future: the database's clock was set back since */
	return age_us <= STORE_NODE_DEAD_US && age_us >= -STORE_NODE_DEAD_US;
}
