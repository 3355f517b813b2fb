/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/metric.h"
#include "store/db.h"
#include "store_world.h"

#define NOBODY 65534

/* ---- opening */

/* Opening must fail, and the sentence must say `what`. */
static void
refused(const char *path, enum err_code code, const char *what)
{
	struct store_options o = { .path = path };
	struct err err = { 0 };

	assert_null(store_open(&o, &err));
	assert_int_equal(err.code, code);
	if (strstr(err.text, what) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, what);
}

#ifndef STORE_POSTGRES

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void
test_paths_that_are_no_files(void **state)
{
	struct world *w = *state;
	char path[320];

	refused(w->dir, ERR_REFUSED, "this is not a file; name a file");
	refused("", ERR_REFUSED, "give the store a path");
	snprintf(path, sizeof(path), "%s/none/store.db", w->dir);
	refused(path, ERR_IO, "its folder does not exist; make it first");
	refused("mysql://u:secret@host/db", ERR_REFUSED,
	    "a store is a file, or PostgreSQL: postgresql://...");
	refused("postgres:/host/db", ERR_REFUSED, "postgresql://...");
	write_file(w->path, "hello");
	snprintf(path, sizeof(path), "%s/store.db", w->path);
	refused(path, ERR_IO, "its folder does not exist; make it first");
}

static void
test_a_file_that_is_no_database(void **state)
{
	struct world *w = *state;
	char text[4096];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	write_file(w->path, text);
	refused(w->path, ERR_STORE, "not a database; move it away");
}

static void
test_a_database_of_another_application(void **state)
{
	struct world *w = *state;

	world_sql(w, "CREATE TABLE t (x)");
	refused(w->path, ERR_REFUSED, "belongs to another application");
	world_sql(w, "PRAGMA application_id = 7");
	refused(w->path, ERR_REFUSED, "(application id 7); name another");
	assert_int_equal(world_sql(w, "SELECT count(*) FROM sqlite_schema"), 1);
}

#endif

static void
test_a_newer_schema(void **state)
{
	struct world *w = *state;

	store_close(world_open_store(w, 0));
	world_sql(w, WORLD_SET_VERSION "99");
	refused(w->path, ERR_REFUSED, "newer holdline");
	refused(w->path, ERR_REFUSED, "upgrade this program");
	assert_int_equal(world_sql(w, WORLD_VERSION), 99);
}

#ifndef STORE_POSTGRES

/* As root nothing is read-only, so be nobody for a moment. */
static void
test_files_that_cannot_be_written(void **state)
{
	struct world *w = *state;
	uid_t me = geteuid();

	store_close(world_open_store(w, 0));
	assert_int_equal(chmod(w->path, 0444), 0);
	assert_int_equal(chmod(w->dir, 0555), 0);
	if (me == 0)
		assert_int_equal(seteuid(NOBODY), 0);
	refused(w->path, ERR_STORE, "let this user write the file");
	if (me == 0)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(w->dir, 0755), 0);
	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(chmod(w->dir, 0555), 0);
	if (me == 0)
		assert_int_equal(seteuid(NOBODY), 0);
	refused(w->path, ERR_IO, "let this user write its folder");
	if (me == 0)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(w->dir, 0755), 0);
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 0777;
}

static void
test_a_new_store_is_private_and_durable(void **state)
{
	struct world *w = *state;
	char wal[320];
	mode_t old = umask(0);

	w->store = world_open_store(w, 0);
	umask(old);
	person(w, 1);
	assert_int_equal(mode_of(w->path), 0600);
	snprintf(wal, sizeof(wal), "%s-wal", w->path);
	assert_int_equal(mode_of(wal), 0600);
	assert_int_equal(world_sql(w, "PRAGMA application_id"), 0x686f6c64);
	assert_int_equal(world_sql(w, WORLD_VERSION), migrate_newest());
	assert_int_equal(
	    world_sql(
		w, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"),
	    1);
}

#endif

static void
test_an_old_store_opens_again(void **state)
{
	struct world *w = *state;
	int64_t holder;

	w->store = world_open_store(w, 0);
	holder = person(w, 1);
	store_close(w->store);
	w->store = world_open_store(w, 1);
	assert_int_equal(holder_of(w, 1), holder);
}

/* Two telephones of that holder, as they were kept up to version 13. */
static int
add_older_phones(struct store_db *db, struct err *err)
{
	uint8_t mac[STORE_MAC_SIZE];
	struct db_query *q;
	uint8_t i;

	for (i = 0; i < 2; i++) {
		q = db_query(db,
		    "INSERT INTO phones (holder, place, mac)"
		    " SELECT id, $1, $2 FROM holders");
		memset(mac, 0xf0 | i, sizeof(mac));
		mac[7 + i] = 0;
		db_bind_int(q, i);
		db_bind_blob(q, mac, sizeof(mac));
		if (db_run(q, err) == -1)
			return -1;
	}
	return 0;
}

/* They are found with the holder. */
static void
check_older_phones(struct world *w)
{
	struct store_lookup r = { .n_tags = 1 };
	uint8_t mac[STORE_MAC_SIZE];
	uint8_t i;

	memset(r.tags[0], 0x81, STORE_MAC_SIZE);
	store_lookup(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.candidates[0].n_phones, 2);
	for (i = 0; i < 2; i++) {
		memset(mac, 0xf0 | i, sizeof(mac));
		mac[7 + i] = 0;
		assert_memory_equal(
		    r.candidates[0].phones[i], mac, STORE_MAC_SIZE);
	}
}

/* What a program of that version left, with somebody in it. */
static void
make_older(struct world *w, int64_t version)
{
	struct store_options o = world_options(w, 0);
	struct err err = { 0 };
	struct store_db *db = db_open(&o, &err);
	struct db_query *q;
	uint8_t mac[STORE_MAC_SIZE];

	if (db == NULL || migrate_to(db, version, &err) == -1 ||
	    db_begin(db, DB_WRITE, &err) == -1)
		fail_msg("%s", err.text);
	q = db_query(db,
	    "INSERT INTO holders (ref, tag, key_version, municipality)"
	    " VALUES ($1, $1, 1, '131016')");
	memset(mac, 0x81, sizeof(mac));
	db_bind_blob(q, mac, sizeof(mac));
	if (db_run(q, &err) == -1 ||
	    (version < 14 && add_older_phones(db, &err) == -1) ||
	    db_commit(db, &err) == -1)
		fail_msg("%s", err.text);
	db_close(db);
	assert_int_equal(world_sql(w, WORLD_VERSION), version);
}

/* A store of each earlier schema, with people in it, is brought up to date. */
static void
test_older_schemas_are_upgraded(void **state)
{
	struct world *old;
	int64_t version;

	(void)state;
	for (version = 1; version < migrate_newest(); version++) {
		old = world_folder();
		make_older(old, version);
		old->store = world_open_store(old, 0);
		assert_int_equal(
		    world_sql(old, WORLD_VERSION), migrate_newest());
		assert_int_not_equal(holder_of(old, 1), 0);
		if (version < 14)
			check_older_phones(old);
		person(old, 2);
		store_close(old->store);
		world_remove(old);
		free(old);
	}
}

/* Open the store; what is written to standard error meanwhile. */
static void
open_heard(struct world *w, char *heard, size_t size)
{
	FILE *file = tmpfile();
	int kept = dup(STDERR_FILENO);
	struct store_options o = world_options(w, 0);
	struct err err = { 0 };
	struct store *s;
	size_t n;

	assert_non_null(file);
	fflush(stderr);
	assert_int_not_equal(dup2(fileno(file), STDERR_FILENO), -1);
	s = store_open(&o, &err);
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(file);
	n = fread(heard, 1, size - 1, file);
	heard[n] = '\0';
	fclose(file);
	assert_non_null(s);
	store_close(s);
}

/* It is said once, and not of a store that is made. */
static void
test_an_upgrade_is_said(void **state)
{
	struct world *w = *state, *fresh = world_folder();
	char heard[2000], wanted[80];

	make_older(w, 15);
	open_heard(w, heard, sizeof(heard));
	snprintf(wanted, sizeof(wanted), "event=schema-upgraded from=15 to=%d ",
	    (int)migrate_newest());
	if (strstr(heard, wanted) == NULL || strstr(heard, " warn ") == NULL)
		fail_msg("\"%s\" does not say \"%s\"", heard, wanted);
	assert_null(
	    strstr(strstr(heard, wanted) + strlen(wanted), "schema-upgraded"));
	open_heard(w, heard, sizeof(heard));
	assert_null(strstr(heard, "schema-upgraded"));
	open_heard(fresh, heard, sizeof(heard));
	assert_null(strstr(heard, "schema-upgraded"));
	world_remove(fresh);
	free(fresh);
}

static void *
open_thread(void *arg)
{
	struct world *w = arg;
	struct store_options o = world_options(w, 0);
	struct err err = { 0 };
	struct store *s = store_open(&o, &err);

	if (s == NULL)
		fprintf(stderr, "%s\n", err.text);
	return s;
}

/* Each makes the file, the log and the schema, or finds them made. */
static void
test_many_open_a_new_file_at_once(void **state)
{
	struct world *w = *state;
	pthread_t threads[6];
	void *s;
	size_t i;
	int bad = 0;

	for (i = 0; i < 6; i++)
		pthread_create(&threads[i], NULL, open_thread, w);
	for (i = 0; i < 6; i++) {
		pthread_join(threads[i], &s);
		bad += s == NULL;
		store_close(s);
	}
	assert_int_equal(bad, 0);
	assert_int_equal(world_sql(w, WORLD_VERSION), migrate_newest());
}

static void
test_two_stores_share_one_file(void **state)
{
	struct world *w = *state;
	struct store *a = w->store, *b;
	struct store_hold r;
	struct store_audit_verify v = { 0 };
	char call[8], receipt[11];
	uint8_t i;

	b = world_open_store(w, 0);
	for (i = 1; i <= 6; i++) {
		w->store = i % 2 ? a : b;
		snprintf(call, sizeof(call), "c%u", i);
		snprintf(receipt, sizeof(receipt), "100000000%u", i);
		r = hold_request(call, person(w, i), receipt);
		w->store = i % 2 ? b : a;
		place(w, &r);
		assert_int_equal(r.outcome, STORE_HOLD_PLACED);
	}
	w->store = a;
	store_audit_verify(b, &v);
	must(b, &v.req);
	assert_int_equal(v.leaves, 6);
	store_close(b);
}

/* ---- the queue and its batches */

static size_t done_count;

static void
count_done(struct store_req *req)
{
	(void)req;
	done_count++;
}

static void
test_one_commit_for_all_that_waits(void **state)
{
	struct world *w = *state;
	struct store_put puts[20];
	uint64_t before;
	char serial[8];
	uint8_t i;

	for (i = 0; i < 20; i++) {
		snprintf(serial, sizeof(serial), "%04x", i);
		puts[i] = row((uint8_t)(i + 1), serial, STORE_SIGNATURE);
		puts[i].req.done = count_done;
		store_put(w->store, &puts[i]);
	}
	done_count = 0;
	before = metric_get(METRIC_STORE_COMMITS);
	assert_int_equal(store_pending(w->store), 20);
	assert_int_equal(store_dispatch(w->store), 20);
	assert_int_equal(done_count, 20);
	assert_int_equal(metric_get(METRIC_STORE_COMMITS) - before, 1);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holders"), 20);
}

static void
test_reading_commits_nothing(void **state)
{
	struct world *w = *state;
	struct store_cert_find r = { .serial = "00" };
	uint64_t before = metric_get(METRIC_STORE_COMMITS);

	store_cert_find(w->store, &r);
	must(w->store, &r.req);
	assert_int_equal(r.n, 0);
	assert_int_equal(metric_get(METRIC_STORE_COMMITS), before);
}

static void
test_a_batch_has_a_limit(void **state)
{
	enum { N = 1500 };
	struct world *w = *state;
	struct store_cert_find *r = calloc(N, sizeof(*r));
	size_t i;

	assert_non_null(r);
	for (i = 0; i < N; i++)
		store_cert_find(w->store, &r[i]);
	assert_int_equal(store_dispatch(w->store), 1000);
	assert_int_equal(store_pending(w->store), 500);
	assert_int_equal(store_dispatch(w->store), 500);
	free(r);
}

/* The one in the middle fails after it has written its hold; the others'
 * holds stay, and nothing is left of it. */
static void
test_a_failing_request_spoils_nothing(void **state)
{
	struct world *w = *state;
	struct store_hold r[3];
	struct store_audit_verify v = { 0 };
	int64_t one = person(w, 1), two = person(w, 2), three = person(w, 3);

	r[0] = hold_request("c1", one, "1000000001");
	r[1] = hold_request("c2", two, "1000000001");
	r[2] = hold_request("c3", three, "1000000003");
	for (size_t i = 0; i < 3; i++)
		store_hold(w->store, &r[i]);
	assert_int_equal(store_dispatch(w->store), 3);
	assert_int_equal(r[0].req.err.code, ERR_NONE);
	assert_int_equal(r[1].req.err.code, ERR_CONFLICT);
	assert_int_equal(r[2].req.err.code, ERR_NONE);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM holds"), 2);
	assert_int_equal(
	    world_sql(w, "SELECT count(*) FROM holds WHERE call_id = 'c2'"), 0);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM outbox"), 4);
	store_audit_verify(w->store, &v);
	must(w->store, &v.req);
	assert_int_equal(v.leaves, 2);
}

static void
test_a_full_queue_refuses_but_answers(void **state)
{
	struct world *w = *state;
	struct store_options o = world_options(w, 0);
	struct store_cert_find r[3] = { 0 };
	struct err err;
	uint64_t before = metric_get(METRIC_STORE_FAILED);

	o.queue_max = 2;
	store_close(w->store);
	w->store = store_open(&o, &err);
	assert_non_null(w->store);
	done_count = 0;
	for (size_t i = 0; i < 3; i++) {
		r[i].req.done = count_done;
		store_cert_find(w->store, &r[i]);
	}
	assert_int_equal(done_count, 0); /* never inside the submit */
	assert_int_equal(store_pending(w->store), 3);
	assert_int_equal(store_dispatch(w->store), 3);
	assert_int_equal(done_count, 3);
	assert_int_equal(store_dispatch(w->store), 0);
	assert_int_equal(r[1].req.err.code, ERR_NONE);
	assert_int_equal(r[2].req.err.code, ERR_STORE);
	assert_int_equal(metric_get(METRIC_STORE_FAILED) - before, 1);
}

/* The thread is kept busy behind somebody else's write lock meanwhile, so one
 * runs, one waits, and at least one of three is refused. */
static void
test_a_refusal_wakes_the_loop(void **state)
{
	struct world *w = *state;
	struct store_options o = world_options(w, 1);
	struct store_put puts[3];
	struct pollfd pfd = { .events = POLLIN };
	struct err err;
	void *other;
	size_t i;
	int stored;

	o.queue_max = 1;
	store_close(w->store);
	w->store = store_open(&o, &err);
	assert_non_null(w->store);
	other = world_block(w);
	done_count = 0;
	for (i = 0; i < 3; i++) {
		puts[i] = row(1, i == 0 ? "aa" : "bb", STORE_SIGNATURE);
		puts[i].req.done = count_done;
		store_put(w->store, &puts[i]);
	}
	pfd.fd = store_fd(w->store);
	assert_int_equal(poll(&pfd, 1, -1), 1);
	assert_true(store_dispatch(w->store) > 0);
	assert_int_equal(done_count + store_pending(w->store), 3);
	world_release(other);
	for (i = 0, stored = 0; i < 3; i++)
		stored += store_wait(w->store, &puts[i].req) == 0;
	assert_int_equal(done_count, 3);
	assert_in_range(stored, 1, 2);
}

static void
test_closing_finishes_what_waits(void **state)
{
	struct world *w = *state;
	struct store_put puts[50];
	char serial[8];
	uint8_t i;

	store_close(w->store);
	w->store = world_open_store(w, 1);
	done_count = 0;
	for (i = 0; i < 50; i++) {
		snprintf(serial, sizeof(serial), "%04x", i);
		puts[i] = row((uint8_t)(i + 1), serial, STORE_SIGNATURE);
		puts[i].req.done = count_done;
		store_put(w->store, &puts[i]);
	}
	store_close(w->store);
	w->store = NULL;
	assert_int_equal(done_count, 50);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM certificates"), 50);
	store_close(NULL);
}

/* ---- calls */

static void
test_the_first_report_of_a_call_stays(void **state)
{
	struct world *w = *state;
	struct store_call_open a = { .call_id = "c1", .begun_us = NOON };
	struct store_call_open b = { .call_id = "c1", .begun_us = NOON + 9 };
	struct store_call_close end = {
		.call_id = "c1", .outcome = "held", .ended_us = NOON + 50
	};

	store_call_open(w->store, &a);
	must(w->store, &a.req);
	assert_false(a.again);
	assert_int_equal(a.reported_us, NOON);
	store_call_open(w->store, &b);
	must(w->store, &b.req);
	assert_true(b.again);
	assert_int_equal(b.reported_us, NOON);
	store_call_close(w->store, &end);
	must(w->store, &end.req);
	assert_int_equal(world_sql(w,
			     "SELECT ended_us - begun_us FROM calls"
			     " WHERE outcome = 'held'"),
	    50);
}

static void
test_the_end_of_an_unknown_call_is_kept(void **state)
{
	struct world *w = *state;
	struct store_call_close end = {
		.call_id = "c1", .outcome = "hung-up", .ended_us = NOON
	};
	struct store_call_open late = { .call_id = "c1", .begun_us = NOON - 9 };

	store_call_close(w->store, &end);
	must(w->store, &end.req);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM calls"), 1);
	store_call_open(w->store, &late);
	must(w->store, &late.req);
	assert_false(late.again);
	assert_int_equal(late.reported_us, NOON - 9);
	assert_int_equal(
	    world_sql(w, "SELECT ended_us - begun_us FROM calls"), 9);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(store_status_name(STORE_HELD), "hold");
	assert_string_equal(store_kind_name(STORE_SIGNATURE), "signature");
	assert_string_equal(store_carrier_name(STORE_CARD), "card");
}

#define F(f) \
	cmocka_unit_test_setup_teardown(f, world_setup_folder, world_teardown)
#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
#ifndef STORE_POSTGRES
		F(test_paths_that_are_no_files),
		F(test_a_file_that_is_no_database),
		F(test_a_database_of_another_application),
		F(test_files_that_cannot_be_written),
		F(test_a_new_store_is_private_and_durable),
#endif
		F(test_older_schemas_are_upgraded),
		F(test_an_upgrade_is_said),
		F(test_a_newer_schema),
		F(test_an_old_store_opens_again),
		F(test_many_open_a_new_file_at_once),
		T(test_two_stores_share_one_file),
		T(test_one_commit_for_all_that_waits),
		T(test_reading_commits_nothing),
		T(test_a_batch_has_a_limit),
		T(test_a_failing_request_spoils_nothing),
		T(test_a_full_queue_refuses_but_answers),
		T(test_a_refusal_wakes_the_loop),
		T(test_closing_finishes_what_waits),
		T(test_the_first_report_of_a_call_stays),
		T(test_the_end_of_an_unknown_call_is_kept),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests_name(
	    "store", tests, WORLD_START, WORLD_STOP);
}
