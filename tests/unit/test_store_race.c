/* SPDX-License-Identifier: Apache-2.0 */
/* Two nodes with two connections each do what contradicts itself, about the
 * same people at the same moment.  A pair of requests is one race: submit one
 * to each node, the second node's in the opposite order, then judge what came
 * of it. */
#include <poll.h>

#include "delta_world.h"

#define PEOPLE 30

static struct store *nodes[2];
static int64_t holders[PEOPLE];

static int
setup(void **state)
{
	struct world *w = world_folder();
	uint8_t who;

	w->store = world_open_store(w, 0);
	for (who = 0; who < PEOPLE; who++)
		holders[who] = person(w, who);
	nodes[0] = world_open_store(w, 2);
	nodes[1] = world_open_store(w, 2);
	*state = w;
	return 0;
}

/* As doc/postgresql.md advises: batches in opposite orders deadlock here again
 * and again, and at the server's default each would wait for a second. */
static int
start(void **state)
{
	(void)state;
#ifdef STORE_POSTGRES
	if (WORLD_START(state) != 0)
		return -1;
	cluster_sql(
	    "postgres", "ALTER ROLE holdline SET deadlock_timeout = '20ms'");
#endif
	return 0;
}

/* Both have done all that they were asked. */
static void
finish(void)
{
	struct pollfd fds[2] = { { store_fd(nodes[0]), POLLIN, 0 },
		{ store_fd(nodes[1]), POLLIN, 0 } };

	while (store_pending(nodes[0]) + store_pending(nodes[1]) > 0)
		if (store_dispatch(nodes[0]) + store_dispatch(nodes[1]) == 0)
			poll(fds, 2, 10);
}

/* Every change of a certificate has its outbox row, and the chains hold. */
static int
teardown(void **state)
{
	struct world *w = *state;
	struct store_audit_verify v = { 0 };

	store_close(nodes[0]);
	store_close(nodes[1]);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM outbox WHERE generation > 0"),
	    world_sql(w, "SELECT sum(generation) FROM certificates"));
	store_audit_verify(w->store, &v);
	must(w->store, &v.req);
	return world_teardown(state);
}

static void
worked(const struct store_req *req)
{
	if (req->err.code != ERR_NONE)
		fail_msg("%s", req->err.text);
}

static struct store_hold
call_of(uint8_t who, int node)
{
	char call[16], receipt[16];

	snprintf(call, sizeof(call), "call-%d-%u", node, who);
	snprintf(receipt, sizeof(receipt), "%d%09u", node + 1, who);
	return hold_request(call, holders[who], receipt);
}

/* Two calls for one holder: one is placed, the other hears of it. */
static void
test_double_hold(void **state)
{
	struct world *w = *state;
	struct store_hold r[2][PEOPLE];
	uint8_t who;

	for (who = 0; who < PEOPLE; who++) {
		r[0][who] = call_of(who, 0);
		r[1][who] = call_of(who, 1);
	}
	for (who = 0; who < PEOPLE; who++) {
		store_hold(nodes[0], &r[0][who]);
		store_hold(nodes[1], &r[1][PEOPLE - 1 - who]);
	}
	finish();
	for (who = 0; who < PEOPLE; who++) {
		struct store_hold *a = &r[0][who], *b = &r[1][who];

		worked(&a->req);
		worked(&b->req);
		assert_int_equal((a->outcome == STORE_HOLD_PLACED) +
			(b->outcome == STORE_HOLD_PLACED),
		    1);
		assert_int_equal((a->outcome == STORE_HOLD_ALREADY) +
			(b->outcome == STORE_HOLD_ALREADY),
		    1);
		assert_string_equal(a->receipt, b->receipt);
	}
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), PEOPLE);
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM certificates"
			     " WHERE status = 1 AND generation = 1"),
	    2 * PEOPLE);
}

/* A call's hold meets the registry's revocation: whoever is first, they end
 * revoked. */
static void
test_hold_against_the_registry(void **state)
{
	struct world *w = *state;
	struct store_hold holds[PEOPLE];
	struct store_put *puts = calloc(2 * PEOPLE, sizeof(*puts));
	uint8_t who, i;
	char serial[8];

	assert_non_null(puts);
	for (who = 0; who < PEOPLE; who++)
		for (i = 0; i < 2; i++) {
			snprintf(
			    serial, sizeof(serial), "%02x%02x", who, i + 1);
			puts[2 * who + i] =
			    row(who, serial, (enum store_kind)i);
			puts[2 * who + i].cert.status = STORE_REVOKED;
			puts[2 * who + i].cert.status_us = NOON;
		}
	for (who = 0; who < PEOPLE; who++) {
		holds[who] = call_of(who, 0);
		store_hold(nodes[0], &holds[who]);
		i = (uint8_t)(PEOPLE - 1 - who);
		store_put(nodes[1], &puts[2 * i]);
		store_put(nodes[1], &puts[2 * i + 1]);
	}
	finish();
	for (who = 0; who < PEOPLE; who++) {
		worked(&holds[who].req);
		worked(&puts[2 * who].req);
		worked(&puts[2 * who + 1].req);
		assert_int_not_equal(holds[who].outcome, STORE_HOLD_ALREADY);
	}
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM certificates WHERE status = 2"),
	    2 * PEOPLE);
	free(puts);
}

/* A call's hold meets the news that the holder has died, or has a new pair:
 * whoever is first, the old ones end revoked, and the case is over when they
 * were all that it had on hold. */
static void
test_hold_against_the_news(void **state)
{
	enum { ROWS = 3 * PEOPLE / 2 };
	struct world *w = *state;
	struct store_hold holds[PEOPLE];
	static struct store_delta rows[ROWS];
	struct store_delta *list[ROWS];
	struct store_delta_file f;
	struct store_delta_page page;
	char old[8], fresh[8];
	uint8_t who, i;
	size_t n = 0;

	begin_first(w, &f);
	for (who = PEOPLE; who-- > 0;)
		if (who % 2 == 0) {
			rows[n++] = news(who, STORE_DELTA_DIED);
		} else
			for (i = 0; i < 2; i++) {
				snprintf(old, 8, "%02x%02x", who, i + 1);
				snprintf(fresh, 8, "%02x%02x", who, i + 17);
				rows[n++] = reissued(
				    who, fresh, (enum store_kind)i, old);
			}
	for (i = 0; i < ROWS; i++)
		rows[i].at = i + 1;
	page_of(&page, &f, rows, list, n);
	for (who = 0; who < PEOPLE; who++) {
		holds[who] = call_of(who, 0);
		store_hold(nodes[0], &holds[who]);
		if (who == PEOPLE / 3)
			store_delta_page(nodes[1], &page);
	}
	finish();
	worked(&page.req);
	for (i = 0; i < ROWS; i++)
		worked(&rows[i].put.req);
	for (who = 0; who < PEOPLE; who++)
		worked(&holds[who].req);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM certificates WHERE status = 2"),
	    2 * PEOPLE);
	/* what is on hold are new ones, of cases that are open; no other is */
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM hold_certs AS t"
			     " JOIN cases AS k ON k.hold = t.hold"
			     " JOIN certificates AS c ON c.id = t.cert"
			     " WHERE (k.status = 'open') <> (c.status = 1)"),
	    0);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM certificates"), 3 * PEOPLE);
}

/* ---- with a case each, that node 0 opened */

static void
open_cases(struct store_hold holds[PEOPLE])
{
	uint8_t who;

	for (who = 0; who < PEOPLE; who++) {
		holds[who] = call_of(who, 0);
		store_hold(nodes[0], &holds[who]);
	}
	finish();
	for (who = 0; who < PEOPLE; who++)
		worked(&holds[who].req);
}

static void
lift_at(struct store *s, const struct store_hold *hold, const char *who,
    struct decided *d)
{
	char key[48];
	struct decide_request r = decision(hold->receipt, key, lenient());
	struct authority *by = authority_grant("test", who);

	assert_non_null(by);
	snprintf(key, sizeof(key), "%s-%s", who, hold->receipt);
	assert_int_equal(hold_lift(s, by, &r, on_decided, d), 0);
	authority_free(by);
}

/* Two clerks decide each case at once: one has, the other hears it. */
static void
test_two_clerks(void **state)
{
	struct world *w = *state;
	struct store_hold holds[PEOPLE];
	static struct decided d[2][PEOPLE];
	uint8_t who;

	memset(d, 0, sizeof(d));
	open_cases(holds);
	for (who = 0; who < PEOPLE; who++) {
		lift_at(nodes[0], &holds[who], "clerk-a", &d[0][who]);
		lift_at(nodes[1], &holds[PEOPLE - 1 - who], "clerk-b",
		    &d[1][PEOPLE - 1 - who]);
		finish();
	}
	for (who = 0; who < PEOPLE; who++) {
		enum err_code a = d[0][who].answer.err.code,
			      b = d[1][who].answer.err.code;

		assert_true(d[0][who].done && d[1][who].done);
		assert_true((a == ERR_NONE && b == ERR_CONFLICT) ||
		    (a == ERR_CONFLICT && b == ERR_NONE));
	}
	assert_int_equal(world_sql(w,
			     "SELECT count(*) FROM certificates"
			     " WHERE status = 0 AND generation = 2"),
	    2 * PEOPLE);
}

/* The loss is reported again while a clerk lifts: whoever is first, the
 * certificates end on hold. */
static void
test_lift_against_hold(void **state)
{
	struct world *w = *state;
	struct store_hold holds[PEOPLE], again[PEOPLE];
	static struct decided d[PEOPLE];
	uint8_t who;

	memset(d, 0, sizeof(d));
	open_cases(holds);
	for (who = 0; who < PEOPLE; who++)
		again[who] = call_of(who, 1);
	for (who = 0; who < PEOPLE; who++) {
		lift_at(nodes[0], &holds[who], "clerk", &d[who]);
		store_hold(nodes[1], &again[PEOPLE - 1 - who]);
	}
	finish();
	for (who = 0; who < PEOPLE; who++) {
		worked(&again[who].req);
		if (again[who].outcome == STORE_HOLD_PLACED)
			assert_int_equal(d[who].answer.err.code, ERR_NONE);
		else
			assert_int_equal(d[who].answer.err.code, ERR_CONFLICT);
	}
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM certificates WHERE status = 1"),
	    2 * PEOPLE);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_double_hold),
		T(test_hold_against_the_registry),
		T(test_hold_against_the_news),
		T(test_two_clerks),
		T(test_lift_against_hold),
	};

	return cmocka_run_group_tests(tests, start, WORLD_STOP);
}
