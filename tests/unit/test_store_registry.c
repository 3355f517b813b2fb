/* SPDX-License-Identifier: Apache-2.0 */
#include "store_world.h"

#include "store/site.h"

/* A row that must be refused, with a sentence that says `what`. */
static void
conflict(struct world *w, struct store_put *r, const char *what)
{
	int64_t before = world_sql(w,
	    "SELECT sum(generation) FROM "
	    "certificates");

	store_put(w->store, r);
	assert_int_equal(store_wait(w->store, &r->req), -1);
	assert_int_equal(r->req.err.code, ERR_CONFLICT);
	if (strstr(r->req.err.text, what) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", r->req.err.text, what);
	assert_int_equal(
	    world_sql(w, "SELECT sum(generation) FROM certificates"), before);
}

static struct store_cert
find(struct world *w, const char *serial)
{
	struct store_cert_find r = { 0 };

	snprintf(r.serial, sizeof(r.serial), "%s", serial);
	store_cert_find(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(r.n, 1);
	return r.certs[0];
}

static void
test_new_unchanged_changed(void **state)
{
	struct world *w = *state;
	struct store_put r = row(1, "0a", STORE_SIGNATURE);
	struct store_cert c;

	put(w, &r);
	assert_int_equal(r.result, STORE_PUT_NEW);
	put(w, &r);
	assert_int_equal(r.result, STORE_PUT_UNCHANGED);
	c = find(w, "0a");
	assert_int_equal(c.status, STORE_GOOD);
	assert_int_equal(c.generation, 0);
	assert_int_equal(c.status_us, 0);
	assert_int_equal(c.not_before, 20240401);
	assert_int_equal(c.not_after, 20290401);
	r.tag[0] ^= 1;
	put(w, &r);
	assert_int_equal(r.result, STORE_PUT_CHANGED);
	put(w, &r);
	assert_int_equal(r.result, STORE_PUT_UNCHANGED);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holders"), 1);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM outbox"), 0);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM audit"), 0);
}

/* Each part of a holder, changed alone, is noticed and kept. */
static void
test_every_part_of_a_holder_can_change(void **state)
{
	struct world *w = *state;
	struct store_put r = row(1, "0a", STORE_SIGNATURE);
	int part;

	put(w, &r);
	for (part = 0; part < 9; part++) {
		switch (part) {
		case 0:
			r.key_version = 2;
			break;
		case 1:
			strcpy(r.municipality, "011002");
			break;
		case 2:
			r.n_phones = 2;
			break;
		case 3:
			r.phones[1][31] = 9;
			break;
		case 4:
			r.n_phones = 1;
			break;
		case 5:
			r.has_pin = true;
			break;
		case 6:
			r.pin[3] = 1;
			break;
		case 7:
			r.contact_len = 5;
			break;
		default:
			r.contact[4] = 1;
			break;
		}
		put(w, &r);
		if (r.result != STORE_PUT_CHANGED)
			fail_msg("part %d was not noticed", part);
		put(w, &r);
		if (r.result != STORE_PUT_UNCHANGED)
			fail_msg("part %d was not kept", part);
	}
	r.has_pin = false;
	r.contact_len = 0;
	put(w, &r);
	assert_int_equal(r.result, STORE_PUT_CHANGED);
	assert_int_equal(
	    world_sql(w, "SELECT pin IS NULL AND contact IS NULL FROM holders"),
	    1);
	assert_int_equal(
	    world_sql(w, "SELECT length(phones) FROM holders"), STORE_MAC_SIZE);
}

#ifndef STORE_POSTGRES
static void
test_unchanged_rows_write_nothing(void **state)
{
	struct world *w = *state;
	struct store_put r = row(1, "0a", STORE_SIGNATURE);
	char wal[320];
	FILE *f;

	put(w, &r);
	world_sql(w, "PRAGMA wal_checkpoint(TRUNCATE)");
	put(w, &r);
	assert_int_equal(r.result, STORE_PUT_UNCHANGED);
	snprintf(wal, sizeof(wal), "%s-wal", w->path);
	f = fopen(wal, "r");
	assert_non_null(f);
	assert_int_equal(fgetc(f), EOF); /* nothing since it was emptied */
	fclose(f);
}
#endif

static void
test_what_never_changes(void **state)
{
	struct world *w = *state;
	struct store_put r = row(1, "0a1b", STORE_SIGNATURE), other;

	put(w, &r);
	other = row(2, "0a1b", STORE_SIGNATURE);
	conflict(
	    w, &other, "serial 0a1b: already on record for another holder");
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holders"), 1);
	other = r;
	other.cert.carrier = STORE_SMARTPHONE;
	conflict(w, &other, "serial 0a1b: on record as a signature");
	other = r;
	other.cert.kind = STORE_AUTHENTICATION;
	conflict(w, &other, "on a card");
	other = r;
	other.cert.not_before = 20240402;
	conflict(w, &other, "valid from 20240401 to 20290401");
	other = r;
	other.cert.not_after = 20290402;
	conflict(w, &other, "dates");
	/* another issuer's same serial is another certificate */
	other = r;
	other.cert.issuer[0] = 'f';
	put(w, &other);
	assert_int_equal(other.result, STORE_PUT_NEW);
}

static void
test_the_registry_holds_and_revokes(void **state)
{
	struct world *w = *state;
	struct store_put r = row(1, "0a", STORE_SIGNATURE);
	struct store_cert c;
	struct store_outbox_take take = { .now_us = NOON };

	put(w, &r);
	r.cert.status = STORE_HELD;
	r.cert.status_us = NOON - 777;
	put(w, &r);
	assert_int_equal(r.result, STORE_PUT_CHANGED);
	c = find(w, "0a");
	assert_int_equal(c.status, STORE_HELD);
	assert_int_equal(c.generation, 1);
	assert_int_equal(c.reason, 6);
	assert_int_equal(c.status_us, NOON - 777);
	put(w, &r);
	assert_int_equal(r.result, STORE_PUT_UNCHANGED);

	r.cert.status = STORE_REVOKED;
	r.cert.status_us = NOON;
	put(w, &r);
	assert_int_equal(r.result, STORE_PUT_CHANGED);
	c = find(w, "0a");
	assert_int_equal(c.status, STORE_REVOKED);
	assert_int_equal(c.generation, 2);
	assert_int_equal(c.reason, 0);
	assert_int_equal(c.status_us, NOON - 777); /* the hold's instant */

	store_outbox_take(w->store, &take);
	must(w->store, &take.req);
	assert_int_equal(take.n, 2);
	assert_int_equal(take.rows[0].hold_id, 0);
	assert_int_equal(take.rows[0].status, STORE_HELD);
	assert_int_equal(take.rows[1].status, STORE_REVOKED);
	assert_int_equal(take.rows[1].generation, 2);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM audit"), 2);
}

static void
test_a_new_row_may_be_revoked_already(void **state)
{
	struct world *w = *state;
	struct store_put r = row(1, "0a", STORE_SIGNATURE);
	struct store_cert c;

	r.cert.status = STORE_REVOKED;
	put(w, &r);
	assert_int_equal(r.result, STORE_PUT_NEW);
	c = find(w, "0a");
	assert_int_equal(c.status, STORE_REVOKED);
	assert_int_equal(c.generation, 1);
	assert_int_equal(c.status_us, NOON - 1000); /* no time: now */
}

static void
test_good_never_lifts(void **state)
{
	struct world *w = *state;
	struct store_hold h;
	struct store_put r = row(1, "0101", STORE_SIGNATURE);

	h = hold_request("c1", person(w, 1), "1000000001");
	place(w, &h);
	put(w, &r);
	assert_int_equal(r.result, STORE_PUT_UNCHANGED);
	assert_int_equal(find(w, "0101").status, STORE_HELD);
	assert_int_equal(find(w, "0101").generation, 1);
}

static void
test_revoked_is_final(void **state)
{
	struct world *w = *state;
	struct store_put r = row(1, "0a", STORE_SIGNATURE);

	r.cert.status = STORE_REVOKED;
	put(w, &r);
	r.cert.status = STORE_GOOD;
	conflict(w, &r, "revoked is final, yet the registry now says good");
	r.cert.status = STORE_HELD;
	conflict(w, &r, "revoked is final, yet the registry now says hold");
	r.cert.status = STORE_REVOKED;
	put(w, &r);
	assert_int_equal(r.result, STORE_PUT_UNCHANGED);
	assert_int_equal(find(w, "0a").generation, 1);
}

static void
test_certificates_are_listed_in_order(void **state)
{
	static const struct {
		const char *serial;
		enum store_kind kind;
		enum store_carrier carrier;
		int from;
	} certs[] = {
		{ "05", STORE_AUTHENTICATION, STORE_SMARTPHONE, 20240101 },
		{ "02", STORE_SIGNATURE, STORE_CARD, 20200101 },
		{ "04", STORE_AUTHENTICATION, STORE_CARD, 20240101 },
		{ "03", STORE_SIGNATURE, STORE_SMARTPHONE, 20240101 },
		{ "01", STORE_SIGNATURE, STORE_CARD, 20240101 },
	};
	struct world *w = *state;
	struct store_cert_list list = { 0 };
	struct store_put r;
	size_t i;

	for (i = 0; i < 5; i++) {
		r = row(1, certs[i].serial, certs[i].kind);
		r.cert.carrier = certs[i].carrier;
		r.cert.not_before = certs[i].from;
		put(w, &r);
	}
	list.holder = holder_of(w, 1);
	store_cert_list(w->store, &list);
	must(w->store, &list.req);
	assert_int_equal(list.n, 5);
	for (i = 0; i < 5; i++)
		assert_int_equal(list.certs[i].serial[1], '1' + (int)i);
	list.holder = 99;
	store_cert_list(w->store, &list);
	must(w->store, &list.req);
	assert_int_equal(list.n, 0);
}

/* Years of dead certificates never push a live one off the list. */
static void
test_dead_certificates_do_not_hide_live_ones(void **state)
{
	struct world *w = *state;
	struct store_put r;
	struct store_hold h;
	char serial[8];
	int i;

	r = row(1, "aaaa", STORE_AUTHENTICATION);
	put(w, &r);
	for (i = 0; i < 20; i++) {
		snprintf(serial, sizeof(serial), "%04x", i);
		r = row(1, serial, STORE_SIGNATURE);
		if (i % 2 == 0)
			r.cert.status = STORE_REVOKED;
		else
			r.cert.not_after = 20250101;
		put(w, &r);
	}
	r = row(1, "bbbb", STORE_SIGNATURE);
	put(w, &r);
	h = hold_request("c1", holder_of(w, 1), "1000000001");
	place(w, &h);
	assert_int_equal(h.outcome, STORE_HOLD_PLACED);
	assert_int_equal(h.n, STORE_CERTS_MAX);
	assert_int_equal(find(w, "aaaa").status, STORE_HELD);
	assert_int_equal(find(w, "bbbb").status, STORE_HELD);
	for (i = 0; i < 15; i++) {
		snprintf(serial, sizeof(serial), "cc%02x", i);
		r = row(1, serial, STORE_SIGNATURE);
		put(w, &r);
	}
	h = hold_request("c2", holder_of(w, 1), "1000000002");
	store_hold(w->store, &h);
	assert_int_equal(store_wait(w->store, &h.req), -1);
	assert_int_equal(h.req.err.code, ERR_CONFLICT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

/* A holder found under an older key's name is renamed: the old key can go. */
static void
test_a_new_key_renames_the_holder(void **state)
{
	struct world *w = *state;
	struct store_put a = row(1, "01", STORE_SIGNATURE), b = a;

	store_put(w->store, &a);
	must(w->store, &a.req);
	memset(b.ref, 0x77, sizeof(b.ref));
	b.key_version = 2;
	memset(b.tag, 0x78, sizeof(b.tag));
	b.n_old = 1;
	memcpy(b.old_refs[0], a.ref, sizeof(a.ref));
	store_put(w->store, &b);
	must(w->store, &b.req);
	assert_int_equal(b.result, STORE_PUT_CHANGED);
	b.n_old = 0; /* the old key is gone */
	store_put(w->store, &b);
	must(w->store, &b.req);
	assert_int_equal(b.result, STORE_PUT_UNCHANGED);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holders"), 1);
}

static void
test_a_store_knows_its_keys(void **state)
{
	struct world *w = *state;
	struct store_put a = row(1, "01", STORE_SIGNATURE);
	struct store_site site = { .n = 1, .versions = { 1 } };

	memset(site.checks[0], 0x11, STORE_MAC_SIZE);
	store_site(w->store, &site);
	must(w->store, &site.req);
	assert_true(site.empty);
	site.checks[0][5] ^= 1; /* nobody is on record: any key will do */
	store_site(w->store, &site);
	must(w->store, &site.req);
	store_put(w->store, &a);
	must(w->store, &a.req);
	site.n = 2; /* a second one is new, the first one known */
	site.versions[0] = 2;
	site.versions[1] = 1;
	memcpy(site.checks[1], site.checks[0], STORE_MAC_SIZE);
	memset(site.checks[0], 0x22, STORE_MAC_SIZE);
	store_site(w->store, &site);
	must(w->store, &site.req);
	assert_false(site.empty);
	site.checks[0][31] ^= 1;
	store_site(w->store, &site);
	assert_int_equal(store_wait(w->store, &site.req), -1);
	assert_int_equal(site.req.err.code, ERR_CONFLICT);
	assert_non_null(strstr(site.req.err.text, "version 2"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_new_unchanged_changed),
		T(test_every_part_of_a_holder_can_change),
#ifndef STORE_POSTGRES
		T(test_unchanged_rows_write_nothing),
#endif
		T(test_what_never_changes),
		T(test_the_registry_holds_and_revokes),
		T(test_a_new_row_may_be_revoked_already),
		T(test_good_never_lifts),
		T(test_revoked_is_final),
		T(test_certificates_are_listed_in_order),
		T(test_dead_certificates_do_not_hide_live_ones),
		T(test_a_new_key_renames_the_holder),
		T(test_a_store_knows_its_keys),
	};
	return cmocka_run_group_tests_name(
	    "store_registry", tests, WORLD_START, WORLD_STOP);
}
