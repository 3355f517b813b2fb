/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All of a store goes into another one and back.  With -DSTORE_POSTGRES the
 * first one is PostgreSQL; the other one is always an SQLite file.
 */
#include "store_world.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "store/copy.h"
#include "store/db.h"
#include "store/first_load.h"
#include "store/lease.h"
#include "store/node.h"
#include "store/table.h"

static char copies[128]; /* a folder */

static char *
copy_path(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", copies, name);
	return path;
}

static int
setup(void **state)
{
	snprintf(copies, sizeof(copies), "/tmp/holdline-copy-XXXXXX");
	assert_non_null(mkdtemp(copies));
	return world_setup(state);
}

static int
teardown(void **state)
{
	char command[200];

	snprintf(command, sizeof(command), "rm -r %s", copies);
	assert_int_equal(system(command), 0);
	return world_teardown(state);
}

static struct store *
open_path(const char *path)
{
	struct store_options o = { .path = path };
	struct err err = { 0 };
	struct store *s = store_open(&o, &err);

	if (s == NULL)
		fail_msg("%s", err.text);
	return s;
}

/* Something in most tables, with gaps in the numbers. */
static void
fill(struct world *w)
{
	struct store_outbox_ack ack;
	struct store_lease lease = { .name = "beat", .node = "n", .ttl_us = 1 };
	struct store_hold h;
	struct store_put r;
	int64_t id = person(w, 1);

	store_lease(w->store, &lease);
	must(w->store, &lease.req);
	lease.release = true; /* its owner is "" now, which is not NULL */
	store_lease(w->store, &lease);
	must(w->store, &lease.req);

	h = hold_request("c1", id, "1000000001");
	place(w, &h);
	publish_all(w, NOON, &ack); /* outbox numbers 1 and 2 are used up */
	h = hold_request("not \xff utf-8", person(w, 2), "1000000002");
	place(w, &h);
	r = row(3, "0301", STORE_SIGNATURE);
	r.n_phones = 2;
	r.has_pin = true;
	r.contact_len = 100;
	r.cert.status = STORE_REVOKED;
	put(w, &r);
	publish_all(w, NOON, &ack); /* and all others: it is empty */
}

static void
must_copy(struct store_copy *c)
{
	struct err err = { 0 };

	if (store_copy(c, &err) == -1)
		fail_msg("%s", err.text);
}

static void
test_the_list_is_the_schema(void **state)
{
	struct world *w = *state;
	const struct table *t;
	int64_t n = 0;
	char sql[300];

	for (t = tables; t->name != NULL; t++, n++) {
#ifdef STORE_POSTGRES
		snprintf(sql, sizeof(sql),
		    "SELECT count(*) FROM information_schema.columns"
		    " WHERE table_name = '%s'",
		    t->name);
#else
		snprintf(sql, sizeof(sql),
		    "SELECT count(*) FROM pragma_table_info('%s')", t->name);
#endif
		if (world_sql(w, sql) != t->n)
			fail_msg("columns of table %s", t->name);
		world_sql(w, t->first); /* they have these names */
	}
#ifdef STORE_POSTGRES
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM information_schema.tables"
			     " WHERE table_schema = 'public'"
			     " AND table_name <> 'holdline'"),
	    n);
#else
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM sqlite_schema"
			     " WHERE type = 'table'"
			     " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"),
	    n);
#endif
	assert_in_range(n, 16, STORE_TABLES_MAX);
}

static void
test_there_and_back(void **state)
{
	struct world *w = *state, *back = world_folder();
	struct store_copy there = { .from = w->path }, again;
	struct store_cert_find find = { .serial = "0301" };
	struct store_outbox_take take = { .now_us = NOON };
	struct store_put r = row(4, "0401", STORE_SIGNATURE);
	struct store_audit_verify v = { 0 };
	struct store *s;

	fill(w);
	there.to = copy_path("there");
	must_copy(&there);
	assert_in_range(there.rows, 20, 60);
	assert_int_equal(there.leaves, 3);
	again = (struct store_copy){
		.from = there.to, .to = back->path, .freeze = true
	};
	must_copy(&again);
	assert_int_equal(again.rows, there.rows);
	assert_memory_equal(again.digest, there.digest, STORE_DIGEST_SIZE);

	s = open_path(back->path);
	store_cert_find(s, &find);
	must(s, &find.req);
	assert_int_equal(find.n, 1);
	assert_int_equal(find.certs[0].status, STORE_REVOKED);
	store_audit_verify(s, &v);
	must(s, &v.req);
	/* a number that left the outbox does not come back */
	r.cert.status = STORE_HELD;
	store_put(s, &r);
	must(s, &r.req);
	store_outbox_take(s, &take);
	must(s, &take.req);
	assert_int_equal(take.n, 1);
	assert_in_range(take.rows[0].seq, 6, 1000);
	store_close(s);
	world_teardown((void **)&back);
}

/* What a server that was forgotten would write into the old store would be
 * lost: it cannot, and none starts on it. */
static void
test_a_store_that_was_moved_is_closed(void **state)
{
	struct world *w = *state;
	struct store_copy c = {
		.from = w->path, .freeze = true, .close = true
	};
	struct store_options o = { .path = w->path };
	struct store_lookup lookup = { .n_tags = 1 };
	struct store_hold h = hold_request("late", 1, "1000000009");
	struct store_put r = row(9, "0901", STORE_SIGNATURE);
	struct err err = { 0 };
	struct store *s;

	fill(w);
	c.to = copy_path("moved");
	must_copy(&c);
	store_hold(w->store, &h);
	assert_int_equal(store_wait(w->store, &h.req), -1);
	store_put(w->store, &r);
	assert_int_equal(store_wait(w->store, &r.req), -1);
	store_lookup(w->store, &lookup);
	assert_int_equal(store_wait(w->store, &lookup.req), -1);
	assert_non_null(strstr(lookup.req.err.text,
	    "the store may have been moved to another one (`holdline node "
	    "list` says so"));
	assert_non_null(strstr(lookup.req.err.text, "holders"));
	assert_null(store_open(&o, &err));
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.text, "was moved to another one"));
	c.to = copy_path("again");
	assert_int_equal(store_copy(&c, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);

	s = open_path(copy_path("moved"));
	h = hold_request("late", 1, "1000000009");
	store_hold(s, &h);
	must(s, &h.req);
	store_close(s);
}

static void
test_a_store_in_use_is_refused(void **state)
{
	struct world *w = *state;
	struct store_copy c = { .from = w->path };
	struct err err = { 0 };

	fill(w);
	c.to = copy_path("a");
	must_copy(&c);
	assert_int_equal(store_copy(&c, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.text, "is not empty"));
}

/* Its rows stand where no copy looks. */
static void
test_a_first_load_ends_before_it(void **state)
{
	struct world *w = *state;
	struct store_copy c = { .from = w->path };
	struct store_first_begin begin = { .taken = 0 };
	struct err err = { 0 };

	store_first_begin(w->store, &begin);
	must(w->store, &begin.req);
	c.to = copy_path("loading");
	assert_int_equal(store_copy(&c, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.text, "a first load of the registry"));
}

/* A copy, calls, and the copy again: only what is new is on its way, and what
 * was deleted here is deleted there. */
static void
test_a_copy_is_brought_up_to_date(void **state)
{
	struct world *w = *state, *other = world_folder();
	struct store_copy c = { .from = w->path, .to = other->path };
	struct store_copy fresh = { .from = w->path };
	struct store_outbox_ack ack;
	struct store_put r = row(1, "0101", STORE_SIGNATURE);
	struct store_hold h;
	struct err err = { 0 };

	fill(w);
	must_copy(&c);
	/* a holder moves, another comes, one reports, the outbox is emptied */
	snprintf(r.municipality, sizeof(r.municipality), "271276");
	put(w, &r);
	h = hold_request("c9", person(w, 7), "1000000009");
	place(w, &h);
	publish_all(w, NOON, &ack);
	c.update = true;
	must_copy(&c);
	fresh.to = copy_path("fresh");
	must_copy(&fresh);
	assert_int_equal(c.rows, fresh.rows);
	assert_memory_equal(c.digest, fresh.digest, STORE_DIGEST_SIZE);
	must_copy(&c); /* nothing is new */
	assert_memory_equal(c.digest, fresh.digest, STORE_DIGEST_SIZE);

	/* one that went its own way */
	other->store = world_open_store(other, 0);
	person(other, 9);
	store_close(other->store);
	other->store = NULL;
	assert_int_equal(store_copy(&c, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.text, "is no copy of it"));
	world_teardown((void **)&other);
}

static void
test_another_store_is_no_copy(void **state)
{
	struct world *w = *state, *other = world_folder();
	struct store_copy c = { .from = w->path, .to = other->path };
	struct store_hold h;
	struct err err = { 0 };

	fill(w);
	other->store = world_open_store(other, 0);
	h = hold_request("x", person(other, 1), "1000000077");
	place(other, &h);
	store_close(other->store);
	other->store = NULL;
	c.update = true;
	assert_int_equal(store_copy(&c, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.text, "is no copy"));
	world_teardown((void **)&other);
}

/* The live store has gone on since it was copied: its copy must not be written
 * over it, whatever it is that is new. */
static void
test_the_wrong_way_round_is_refused(void **state)
{
	struct world *w = *state, *other = world_folder();
	struct store_copy c = { .from = w->path, .to = other->path };
	struct store_copy wrong = {
		.from = other->path, .to = w->path, .update = true
	};
	struct store_call_open call = {
		.call_id = "nothing came of it", .lang = "ja", .begun_us = NOON
	};
	struct store_put moved = row(1, "0101", STORE_SIGNATURE);
	struct store_hold h;
	struct err err = { 0 };

	fill(w);
	must_copy(&c);
	c.update = true;

	store_call_open(w->store, &call);
	must(w->store, &call.req);
	assert_int_equal(store_copy(&wrong, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.text, "has a call that"));
	assert_non_null(strstr(err.text, "right way round?"));
	must_copy(&c);

	moved.cert.status = STORE_REVOKED;
	put(w, &moved);
	assert_int_equal(store_copy(&wrong, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.text, "right way round?"));
	must_copy(&c);

	h = hold_request("c9", person(w, 7), "1000000009");
	place(w, &h);
	assert_int_equal(store_copy(&wrong, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.text, "has audit leaf "));
	assert_non_null(strstr(err.text, "right way round?"));
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), 3);
	must_copy(&c);
	world_teardown((void **)&other);
}

/* A server that lives on the copy is not written over, and one that lives on
 * the original is told of; the copy itself has none. */
static void
test_servers_that_live_are_seen(void **state)
{
	struct world *w = *state, *other = world_folder();
	struct store_copy c = { .from = w->path, .to = other->path };
	struct store_node_beat beat = { .node = {
					    .id = "a", .name = "tokyo" } };
	struct err err = { 0 };

	fill(w);
	must_copy(&c);
	assert_int_equal(c.n_alive, 0);
	w->now_us = other->now_us = clock_wall_us();
	store_node_beat(w->store, &beat);
	must(w->store, &beat.req);
	c.update = true;
	must_copy(&c);
	assert_int_equal(c.n_alive, 1);
	assert_string_equal(c.alive, "tokyo");
	assert_int_equal(world_sql(other, "SELECT count(*) FROM nodes"), 0);
	must_copy(&c);

	other->store = world_open_store(other, 0);
	store_node_beat(other->store, &beat);
	must(other->store, &beat.req);
	store_close(other->store);
	other->store = NULL;
	assert_int_equal(store_copy(&c, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.text, "a server runs on the store"));
	assert_non_null(strstr(err.text, "tokyo"));
	world_teardown((void **)&other);
}

/* A backup that an older program made, with somebody in it. */
static void
test_an_older_backup_is_restored(void **state)
{
	struct world *w = *state;
	struct store_copy c = { .to = w->path, .freeze = true };
	struct store_options o = { .path = copy_path("old") };
	struct store_lookup lookup = { .n_tags = 1 };
	struct err err = { 0 };
	struct store_db *db = db_open(&o, &err);
	struct db_query *q;

	if (db == NULL || migrate_to(db, 1, &err) == -1 ||
	    db_begin(db, DB_WRITE, &err) == -1)
		fail_msg("%s", err.text);
	memset(lookup.tags[0], 0x81, STORE_MAC_SIZE);
	q = db_query(db,
	    "INSERT INTO holders (ref, tag, key_version, municipality)"
	    " VALUES ($1, $1, 1, '131016')");
	db_bind_blob(q, lookup.tags[0], STORE_MAC_SIZE);
	if (db_run(q, &err) == -1 || db_commit(db, &err) == -1)
		fail_msg("%s", err.text);
	db_close(db);
	c.from = o.path;
	must_copy(&c);
	assert_int_equal(c.rows, 1);
	store_lookup(w->store, &lookup);
	must(w->store, &lookup.req);
	assert_int_equal(lookup.n, 1);
}

/* More than a few pages, and calls are served meanwhile. */
static void
on_progress(void *ctx, int64_t rows, int64_t total, bool verifying)
{
	struct world *w = ctx;
	struct store_put r = row(200, "aaaa", STORE_SIGNATURE);

	assert_in_range(rows, 1, total);
	if (verifying)
		return;
	put(w, &r);
}

static void
test_what_is_written_meanwhile_is_not_in_it(void **state)
{
	struct world *w = *state;
	struct store_put *rows = calloc(STORE_PAGE_MAX, sizeof(*rows));
	struct store_put **page = calloc(STORE_PAGE_MAX, sizeof(*page));
	struct store_put_page p = { .rows = page, .n = STORE_PAGE_MAX };
	struct store_copy c = {
		.from = w->path, .progress = on_progress, .ctx = w
	};
	struct store_cert_find find = { .serial = "aaaa" };
	struct store *s;
	char serial[20];
	size_t i;

	for (i = 0; i < 2 * p.n; i++) {
		snprintf(serial, sizeof(serial), "%04zx", i);
		rows[i % p.n] = row(1, serial, STORE_SIGNATURE);
		memcpy(rows[i % p.n].ref, &i, sizeof(i));
		page[i % p.n] = &rows[i % p.n];
		if (i % p.n < p.n - 1)
			continue;
		store_put_page(w->store, &p);
		must(w->store, &p.req);
	}
	c.to = copy_path("a");
	must_copy(&c);
	assert_int_equal(c.rows, 4 * STORE_PAGE_MAX);
	s = open_path(c.to);
	store_cert_find(s, &find);
	must(s, &find.req);
	assert_int_equal(find.n, 0);
	store_close(s);
	store_cert_find(w->store, &find);
	must(w->store, &find.req);
	assert_int_equal(find.n, 1);
	free(rows);
	free(page);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_the_list_is_the_schema),
		T(test_there_and_back),
		T(test_a_store_that_was_moved_is_closed),
		T(test_a_store_in_use_is_refused),
		T(test_a_first_load_ends_before_it),
		T(test_a_copy_is_brought_up_to_date),
		T(test_another_store_is_no_copy),
		T(test_the_wrong_way_round_is_refused),
		T(test_servers_that_live_are_seen),
		T(test_an_older_backup_is_restored),
		T(test_what_is_written_meanwhile_is_not_in_it),
	};
	return cmocka_run_group_tests_name(
	    "store_copy", tests, WORLD_START, WORLD_STOP);
}
