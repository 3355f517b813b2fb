/* SPDX-License-Identifier: Apache-2.0 */
/* Removal, edit, reordering and rollback of audit leaves are seen. */
#include "store_world.h"

static struct store_audit_verify verify;

/* Everything is whole, and *checkpoint says so. */
static void
whole(struct world *w, struct store_audit_verify *checkpoint)
{
	memset(checkpoint, 0, sizeof(*checkpoint));
	store_audit_verify(w->store, checkpoint);
	must(w->store, &checkpoint->req);
}

static void
against(
    struct store_audit_verify *r, const struct store_audit_verify *checkpoint)
{
	memset(r, 0, sizeof(*r));
	r->n_checkpoint = checkpoint->n;
	memcpy(r->checkpoint, checkpoint->last, sizeof(r->checkpoint));
}

static void
not_whole(struct world *w, struct store_audit_verify *r, const char *what)
{
	store_audit_verify(w->store, r);
	assert_int_equal(store_wait(w->store, &r->req), -1);
	assert_int_equal(r->req.err.code, ERR_CONFLICT);
	if (strstr(r->req.err.text, what) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", r->req.err.text, what);
}

/* Person `who` is put on hold through a store. */
static void
hold_one(struct world *w, struct store *s, uint8_t who)
{
	struct store *mine = w->store;
	char call[8];
	struct store_hold h;

	snprintf(call, sizeof(call), "c%u", who);
	h = hold_request(call, person(w, who), call);
	w->store = s;
	place(w, &h);
	w->store = mine;
}

/* Each row breaks the chain in another way. */
static void
test_tampering_with_the_audit_chain_shows(void **state)
{
	static const char *const deeds[] = {
		"UPDATE audit SET text = text || ' ' WHERE seq = 2",
		"UPDATE audit SET at_us = at_us + 1 WHERE seq = 2",
		("UPDATE audit SET hash = (SELECT hash FROM kept WHERE seq = 1)"
		 " WHERE seq = 3"),
		"DELETE FROM audit WHERE seq = 2",
		"DELETE FROM audit WHERE seq = 1",
		"UPDATE audit SET seq = 9 WHERE seq = 3",
	};
	struct world *w = *state;
	struct store_audit_verify *r = &verify, checkpoint;
	size_t i;

	for (i = 0; i < 3; i++)
		hold_one(w, w->store, (uint8_t)(i + 1));
	whole(w, &checkpoint);
	assert_int_equal(checkpoint.leaves, 3);
	world_sql(w, "CREATE TABLE kept AS SELECT * FROM audit");
	for (i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		world_sql(w, deeds[i]);
		memset(r, 0, sizeof(*r));
		store_audit_verify(w->store, r);
		if (store_wait(w->store, &r->req) == 0)
			fail_msg("not seen: %s", deeds[i]);
		assert_int_equal(r->req.err.code, ERR_CONFLICT);
		world_sql(w, "DELETE FROM audit");
		world_sql(w, "INSERT INTO audit SELECT * FROM kept");
	}
	/* cutting the end off shows only against a checkpoint */
	world_sql(w, "DELETE FROM audit WHERE seq = 3");
	whole(w, r);
	assert_int_equal(r->leaves, 2);
	against(r, &checkpoint);
	not_whole(w, r, "audit leaf 0.3 is missing: the checkpoint has it");
}

/* Two connections that write, and what each has written so far. */
static void
hold_by_two(struct world *w, struct store *other, uint8_t first)
{
	hold_one(w, w->store, first);
	hold_one(w, other, (uint8_t)(first + 1));
	hold_one(w, other, (uint8_t)(first + 2));
}

/* With PostgreSQL each connection has its chain, and goes on with it; with a
 * file there is one for all. */
static void
test_connections_have_chains_of_their_own(void **state)
{
	struct world *w = *state;
	struct store *other = world_open_store(w, 0);
	struct store_audit_verify r;

	hold_by_two(w, other, 1);
	whole(w, &r);
	assert_int_equal(r.leaves, 3);
#ifdef STORE_POSTGRES
	assert_int_equal(r.n, 2);
	assert_int_equal(store_audit_chain(r.last[1].number), 1);
	assert_int_equal(store_audit_place(r.last[1].number), 2);
#else
	assert_int_equal(r.n, 1);
#endif
	store_close(w->store);
	w->store = world_open_store(w, 0);
	hold_by_two(w, other, 4);
	store_close(other);
	whole(w, &r);
	assert_int_equal(r.leaves, 6);
#ifdef STORE_POSTGRES
	assert_int_equal(r.n, 2); /* the next connection goes on with it */
#endif
}

/* Several threads write at once; the chains hold, and a checkpoint of before
 * is found in them. */
static void
test_many_threads_write_their_chains(void **state)
{
	struct world *w = *state;
	struct store *many = world_open_store(w, 4);
	struct store_hold holds[60];
	struct store_audit_verify before, after;
	char call[8];
	uint8_t who;

	for (who = 0; who < 60; who++) {
		snprintf(call, sizeof(call), "c%u", who);
		holds[who] = hold_request(call, person(w, who), call);
	}
	for (who = 0; who < 60; who++) {
		if (who == 30)
			whole(w, &before);
		store_hold(many, &holds[who]);
	}
	store_close(many);
	for (who = 0; who < 60; who++)
		assert_int_equal(holds[who].req.err.code, ERR_NONE);
	against(&after, &before);
	store_audit_verify(w->store, &after);
	must(w->store, &after.req);
	assert_int_equal(after.leaves, 60);
}

/* What hides inside chains that are whole is told by the checkpoint. */
static void
test_a_checkpoint_tells_what_chains_hide(void **state)
{
	static const struct {
		const char *deed, *said;
	} rows[] = {
		/* a whole chain is gone */
		{ "DELETE FROM audit WHERE seq >= "
		  "(SELECT max(seq) FROM kept) / 1099511627776 * 1099511627776",
		    "is missing: the checkpoint has it" },
		/* the newest leaf of the last chain is gone */
		{ "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM kept)",
		    "is missing: the checkpoint has it" },
		/* the last chain is renumbered */
		{ "UPDATE audit SET seq = seq + 7 * 1099511627776 WHERE seq = "
		  "(SELECT max(seq) FROM kept)",
		    "" },
	};
	struct world *w = *state;
	struct store *other = world_open_store(w, 0);
	struct store_audit_verify checkpoint;
	size_t i;

	hold_by_two(w, other, 1);
	store_close(other);
	whole(w, &checkpoint);
	world_sql(w, "CREATE TABLE kept AS SELECT * FROM audit");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		world_sql(w, rows[i].deed);
		against(&verify, &checkpoint);
		not_whole(w, &verify, rows[i].said);
		world_sql(w, "DELETE FROM audit");
		world_sql(w, "INSERT INTO audit SELECT * FROM kept");
	}
	against(&verify, &checkpoint);
	store_audit_verify(w->store, &verify);
	must(w->store, &verify.req);
}

/* An older copy is put back and goes on: its chain is whole, and another. */
static void
test_a_rolled_back_store_is_seen(void **state)
{
	struct world *w = *state;
	struct store_audit_verify checkpoint;

	hold_one(w, w->store, 1);
	hold_one(w, w->store, 2);
	whole(w, &checkpoint);
	world_sql(w, "DELETE FROM audit WHERE seq = 2");
	hold_one(w, w->store, 3);
	hold_one(w, w->store, 4);
	whole(w, &verify);
	assert_int_equal(verify.leaves, 3);
	against(&verify, &checkpoint);
	not_whole(w, &verify, "audit leaf 0.2 is not the one that the");
}

#define T(test) \
	cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_tampering_with_the_audit_chain_shows),
		T(test_connections_have_chains_of_their_own),
		T(test_many_threads_write_their_chains),
		T(test_a_checkpoint_tells_what_chains_hide),
		T(test_a_rolled_back_store_is_seen),
	};

	return cmocka_run_group_tests(tests, WORLD_START, WORLD_STOP);
}
