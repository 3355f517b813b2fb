/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault/power_store -- power cuts and bad disks under the store.
 *
 * Holds are placed on a disk that forgets what was not synced (disk.h), and
 * the power is cut at hundreds of instants: between any two writes, and right
 * after a caller was told.  Whatever is left must open, be whole, and have
 * every hold that had been told by then.  STORE_SEED=n repeats a run.
 */
#include <time.h>

#include "base/metric.h"
#include "disk.h"
#include "tests/unit/store_world.h"

#define BATCHES 40
#define PER_BATCH 3
#define CUTS_MAX 4000
#define CUTS_AT_ONCE 8 /* a write is long, and is torn in many ways */
#define CUT_ONE_IN 4

struct cut {
	struct disk_bytes left[2];
	size_t told; /* how many callers had been told */
};

static struct cut cuts[CUTS_MAX];
static size_t n_cuts, n_told;
static char told[BATCHES * PER_BATCH][STORE_RECEIPT_DIGITS + 1];

/* ---- files */

static struct disk_bytes
file_read(const char *path)
{
	struct disk_bytes b = { 0 };
	FILE *f = fopen(path, "r");
	size_t n;

	if (f == NULL)
		return b;
	fseek(f, 0, SEEK_END);
	n = (size_t)ftell(f);
	rewind(f);
	bytes_resize(&b, n);
	if (n > 0)
		assert_int_equal(fread(b.bytes, 1, n, f), n);
	fclose(f);
	return b;
}

static void
file_write(const char *path, const struct disk_bytes *b)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	if (b->len > 0)
		assert_int_equal(fwrite(b->bytes, 1, b->len, f), b->len);
	assert_int_equal(fclose(f), 0);
}

/* ---- a store on that disk, with people in it */

static int64_t first_holder;

static int
setup(void **state)
{
	struct world *w;
	char wal[320];
	uint8_t i;

	world_setup(state);
	w = *state;
	first_holder = person(w, 1);
	for (i = 2; i <= BATCHES * PER_BATCH; i++)
		assert_int_equal(person(w, i), first_holder + i - 1);
	snprintf(wal, sizeof(wal), "%s-wal", w->path);
	disk_record(file_read(w->path), file_read(wal));
	return 0;
}

static int
teardown(void **state)
{
	disk_stop();
	return world_teardown(state);
}

static struct store_hold
nth_hold(size_t i)
{
	char text[24];

	snprintf(text, sizeof(text), "%010zu", i);
	return hold_request(text, first_holder + (int64_t)i, text);
}

/* ---- power cuts */

static void
cut_now(void)
{
	struct cut *c = &cuts[n_cuts++];

	assert_true(n_cuts < CUTS_MAX);
	c->left[0] = disk_cut(0);
	c->left[1] = disk_cut(1);
	c->told = n_told;
}

static void
cut_sometimes(void)
{
	int i;

	for (i = 0; i < CUTS_AT_ONCE; i++)
		if (rand() % CUT_ONE_IN == 0)
			cut_now();
}

static void
tell(struct store_req *req)
{
	struct store_hold *r = (struct store_hold *)req;

	assert_int_equal(req->err.code, ERR_NONE);
	memcpy(told[n_told++], r->receipt, sizeof(told[0]));
	cut_now();
}

static void
place_all(struct world *w)
{
	struct store_hold r[PER_BATCH];
	size_t i, j;

	for (i = 0; i < BATCHES; i++) {
		for (j = 0; j < PER_BATCH; j++) {
			r[j] = nth_hold(i * PER_BATCH + j);
			r[j].req.done = tell;
			store_hold(w->store, &r[j]);
		}
		store_dispatch(w->store);
		if (i % 10 == 9) /* the log goes into the file */
			world_sql(w, "PRAGMA wal_checkpoint(RESTART)");
	}
}

static void
check_cut(struct cut *c)
{
	struct world *after = world_folder();
	char wal[320];
	void *state = after;
	size_t i;

	snprintf(wal, sizeof(wal), "%s-wal", after->path);
	file_write(after->path, &c->left[0]);
	file_write(wal, &c->left[1]);
	after->store = world_open_store(after, 0);
	for (i = 0; i < c->told; i++)
		world_check_told(after, told[i]);
	world_check_whole(after);
	world_teardown(&state);
	free(c->left[0].bytes);
	free(c->left[1].bytes);
}

static void
test_no_power_cut_takes_back_what_was_told(void **state)
{
	struct world *w = *state;
	const char *seed = getenv("STORE_SEED");
	unsigned int s =
	    seed != NULL ? (unsigned int)atoi(seed) : (unsigned int)time(NULL);
	size_t i;

	srand(s);
	print_message("STORE_SEED=%u\n", s);
	disk.moment = cut_sometimes;
	place_all(w);
	disk_stop();
	assert_int_equal(n_told, BATCHES * PER_BATCH);
	print_message("%zu power cuts\n", n_cuts);
	for (i = 0; i < n_cuts; i++)
		check_cut(&cuts[i]);
}

/* ---- what a commit does with the disk */

static unsigned int moments;

static void
count_moment(void)
{
	moments++;
}

/* One write and one sync, however many pages a hold changes. */
static void
test_a_hold_is_written_at_once(void **state)
{
	struct world *w = *state;
	struct store_hold r;
	size_t i;

	for (i = 0; i < 20; i++) {
		r = nth_hold(i);
		moments = 0;
		disk.moment = count_moment;
		place(w, &r);
		disk.moment = NULL;
		assert_int_equal(moments, 2);
	}
}

/* ---- bad disks */

static void
test_each_commit_is_synced_before_it_is_told(void **state)
{
	struct world *w = *state;
	struct store_hold r;
	struct store_hold_seen seen = { .hold_id = 1 };
	unsigned int before;
	size_t i;

	for (i = 0; i < 20; i++) {
		r = nth_hold(i);
		before = disk.syncs;
		place(w, &r);
		assert_true(disk.syncs > before);
	}
	before = disk.syncs;
	store_hold_seen(w->store, &seen);
	must(w->store, &seen.req);
	assert_int_equal(disk.syncs, before);
}

/* Run three holds on a disk that is bad, then the same again on a good one. */
static void
bad_then_good(struct world *w, enum err_code code)
{
	struct store_hold r[PER_BATCH];
	uint64_t failed = metric_get(METRIC_STORE_FAILED);
	size_t j;

	for (j = 0; j < PER_BATCH; j++) {
		r[j] = nth_hold(j);
		store_hold(w->store, &r[j]);
	}
	assert_int_equal(store_dispatch(w->store), PER_BATCH);
	for (j = 0; j < PER_BATCH; j++)
		assert_int_equal(r[j].req.err.code, code);
	assert_int_equal(metric_get(METRIC_STORE_FAILED) - failed, PER_BATCH);
	disk.full = disk.sync_fails = false;
	for (j = 0; j < PER_BATCH; j++)
		place(w, &r[j]);
	world_check_whole(w);
	assert_int_equal(world_sql(w, "SELECT count(*) FROM cases"), PER_BATCH);
}

static void
test_a_failed_sync_leaves_all_unsure(void **state)
{
	disk.sync_fails = true;
	bad_then_good(*state, ERR_UNSURE);
}

static void
test_a_full_disk_undoes_all(void **state)
{
	disk.full = true;
	bad_then_good(*state, ERR_STORE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_no_power_cut_takes_back_what_was_told),
		T(test_a_hold_is_written_at_once),
		T(test_each_commit_is_synced_before_it_is_told),
		T(test_a_failed_sync_leaves_all_unsure),
		T(test_a_full_disk_undoes_all),
	};

	disk_install();
	return cmocka_run_group_tests_name("power_store", tests, NULL, NULL);
}
