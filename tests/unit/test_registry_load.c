/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load against a store made of a list: what is put, in which order, and
 * what happens when the store loses a commit or fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/delta_row.h"
#include "cli/registry_load.h"
#include "cli/registry_put.h"
#include "cli/registry_row.h"
#include "store/first_load.h"
#include "store/registry.h"
#include "wire/csv.h"

#define ROWS_MAX 12000
#define NOW (INT64_C(1795400000) * CLOCK_S_US) /* in November 2026 */

/* ---- a store made of a list */

struct store {
	struct store_req *waiting;
	bool news;       /* what waits is a page of them */
	size_t n_news;   /* rows of news, as committed */
	int64_t last_at; /* of the last of them */
	struct store_delta last_news;
	struct store_first_page *first; /* waits, of a first load */
	uint64_t next_line; /* of the file, where its next page must begin */
	size_t most;        /* the most rows that ever shared a commit */
	size_t commits;
	size_t unsure;  /* so many commits more are lost */
	size_t fail_at; /* this commit fails; 0 = none */
	size_t last;    /* rows of the last page */
	int64_t row_us; /* for which a row keeps the store busy */
	char serials[ROWS_MAX][STORE_SERIAL_MAX + 1]; /* as committed */
	uint8_t pins[ROWS_MAX][STORE_MAC_SIZE];
	size_t n_serials;
};

void
store_put_page(struct store *s, struct store_put_page *r)
{
	assert_null(s->waiting); /* one at a time */
	s->waiting = &r->req;
	s->news = false;
	s->last = r->n;
	r->req.run = (void *)1; /* not done */
	if (r->n > s->most)
		s->most = r->n;
}

void
store_first_page(struct store *s, struct store_first_page *r)
{
	assert_null(s->waiting);
	assert_in_range(r->n, 1, STORE_PAGE_MAX);
	s->waiting = &r->req;
	s->news = false;
	s->first = r;
	r->req.run = (void *)1;
}

/* Pages follow each other without a gap; every row is new for now. */
static void
commit_first(struct store *s, struct store_first_page *r)
{
	size_t i;

	assert_int_equal(r->run, 7);
	assert_int_equal(r->line, s->next_line);
	assert_int_equal(r->start, 10 * r->line);
	s->next_line += r->n;
	s->first = NULL;
	s->commits++;
	r->req.err = (struct err){ 0 };
	r->req.run = NULL;
	for (i = 0; i < r->n; i++) {
		r->rows[i]->req.err = (struct err){ 0 };
		r->rows[i]->result = STORE_PUT_NEW;
	}
}

void
store_delta_page(struct store *s, struct store_delta_page *r)
{
	assert_null(s->waiting);
	assert_in_range(r->n, 0, STORE_DELTA_PAGE);
	s->waiting = &r->req;
	s->news = true;
	r->req.run = (void *)1;
}

/* Every row revokes one and closes a case; those of nobody are rejected. */
static void
commit_news(struct store *s, struct store_delta_page *r)
{
	struct store_delta *d;
	size_t i;

	s->commits++;
	r->req.took_us = (int64_t)r->n * s->row_us;
	r->req.err = (struct err){ 0 };
	r->req.run = NULL;
	for (i = 0; i < r->n; i++) {
		d = r->rows[i];
		assert_true(d->at > s->last_at); /* in the file's order */
		s->last_at = d->at;
		d->put.req.err = (struct err){ 0 };
		d->put.result = STORE_PUT_CHANGED;
		d->revoked = d->closed = 1;
		d->moved = d->noted = 0;
		if (d->kind == STORE_DELTA_EXPIRED) {
			err_set(&d->put.req.err, ERR_NOTFOUND, "of nobody");
			d->revoked = d->closed = 0;
		}
		s->last_news = *d;
		s->n_news++;
	}
}

static bool
known(const struct store *s, const char *serial)
{
	size_t i;

	for (i = 0; i < s->n_serials; i++)
		if (strcmp(s->serials[i], serial) == 0)
			return true;
	return false;
}

static void
carry_out(struct store *s, struct store_put *r)
{
	r->req.err = (struct err){ 0 };
	if (known(s, r->cert.serial)) {
		err_set(&r->req.err, ERR_CONFLICT, "twice");
		return;
	}
	assert_true(s->n_serials < ROWS_MAX);
	memcpy(s->pins[s->n_serials], r->pin, STORE_MAC_SIZE);
	strcpy(s->serials[s->n_serials++], r->cert.serial);
	r->result = STORE_PUT_NEW;
}

static void
commit(struct store *s, struct store_put_page *r)
{
	size_t i;

	s->commits++;
	r->req.took_us = (int64_t)r->n * s->row_us;
	r->req.err = (struct err){ 0 };
	r->req.run = NULL;
	if (s->unsure > 0) {
		s->unsure--;
		err_set(&r->req.err, ERR_UNSURE, "lost");
	} else if (s->commits == s->fail_at) {
		err_set(&r->req.err, ERR_STORE, "disk is full");
	} else
		for (i = 0; i < r->n; i++)
			carry_out(s, r->rows[i]);
}

int
store_wait(struct store *s, struct store_req *req)
{
	if (req->run != NULL) {
		assert_ptr_equal(s->waiting, req);
		s->waiting = NULL;
		if (s->news)
			commit_news(s, (struct store_delta_page *)req);
		else if (s->first != NULL)
			commit_first(s, s->first);
		else
			commit(s, (struct store_put_page *)req);
	}
	return req->err.code == ERR_NONE ? 0 : -1;
}

/* ---- a load */

struct load {
	struct store *store;
	struct keyring *keys;
	struct registry_header header;
	struct delta_header delta_header;
	struct store_delta_file file;
	struct registry_load *load;
	uint64_t rejects[ROWS_MAX]; /* line numbers */
	size_t n_rejects;
	size_t stop_at; /* the reject that cannot be written; 0 = none */
	char last_reason[320], last_raw[320];
};

static int
on_reject(void *ctx, const struct registry_reject *r, struct err *err)
{
	struct load *l = ctx;

	l->rejects[l->n_rejects++] = r->line;
	snprintf(l->last_reason, sizeof(l->last_reason), "%s", r->reason);
	snprintf(
	    l->last_raw, sizeof(l->last_raw), "%.*s", (int)r->raw_len, r->raw);
	if (l->n_rejects == l->stop_at)
		return err_set(err, ERR_IO, "cannot be written");
	return 0;
}

static struct keyring *
ring(void)
{
	char path[] = "/tmp/test_registry.XXXXXX";
	struct keyring *k;
	struct err err;
	int fd = mkstemp(path);

	assert_int_not_equal(fd, -1);
	assert_int_equal(dprintf(fd, "3 %064d\n", 7), 67);
	close(fd);
	k = keyring_load(path, &err);
	unlink(path);
	assert_non_null(k);
	return k;
}

static void
begin_with(struct load *l, struct registry_load_options options)
{
	struct err err;
	size_t i;

	memset(l, 0, sizeof(*l));
	options.reject = on_reject;
	options.ctx = l;
	l->store = calloc(1, sizeof(*l->store));
	l->keys = ring();
	l->header.n = REGISTRY_OPTIONAL;
	for (i = 0; i < REGISTRY_COLUMN_COUNT; i++)
		l->header.at[i] = i;
	options.store = l->store;
	options.keys = l->keys;
	options.header = &l->header;
	assert_non_null(l->load = registry_load_new(&options, &err));
}

static void
begin_as(struct load *l, unsigned int threads, bool news, int64_t page_us)
{
	struct registry_load_options options = { .threads = threads,
		.page_us = page_us };

	if (news) {
		options.delta = &l->file;
		options.delta_header = &l->delta_header;
	}
	begin_with(l, options);
}

static void
begin(struct load *l, unsigned int threads)
{
	begin_as(l, threads, false, 0);
}

static void
end(struct load *l)
{
	registry_load_free(l->load);
	keyring_free(l->keys);
	free(l->store);
}

/* Row `nr` is certificate number `serial` of somebody with that PIN. */
static int
feed(struct load *l, uint64_t nr, unsigned int serial, const char *pin,
    struct err *err)
{
	char hex[16], raw[16];
	struct csv_row row = { .line = nr,
		.start = 10 * nr,
		.n = REGISTRY_OPTIONAL,
		.fields = { "ref-1", "1980-02-29", "1000001", "131016",
		    "0300000001;09011110001;0300000002", pin, "ヤマダ", "card",
		    "signature", "0123456789012345678901234567890123456789",
		    hex, "2024-04-01", "2029-02-28", "hold" },
		.raw = raw };

	snprintf(hex, sizeof(hex), "%x", serial);
	row.raw_len = (size_t)snprintf(raw, sizeof(raw), "row %u", serial);
	return registry_load_row(l->load, &row, NOW, err);
}

/* ---- tests */

static void
test_the_order_of_the_file_is_kept(void **state)
{
	struct registry_counts c;
	struct load l;
	struct err err;
	unsigned int i;
	char want[16], pin[16];

	(void)state;
	begin(&l, 2);
	for (i = 1; i <= 1500; i++) {
		snprintf(pin, sizeof(pin), "%04u", i);
		assert_int_equal(
		    feed(&l, i, i, i % 100 == 1 ? pin : "", &err), 0);
	}
	assert_int_equal(registry_load_end(l.load, &err), 0);
	assert_int_equal(l.store->n_serials, 1500);
	for (i = 1; i <= 1500; i++) {
		snprintf(want, sizeof(want),
		    i < 0x10        ? "%02x"
			: i < 0x100 ? "%x"
				    : "%04x",
		    i);
		assert_string_equal(l.store->serials[i - 1], want);
	}
	c = registry_load_counts(l.load);
	assert_int_equal(c.rows, 1500);
	assert_int_equal(c.fresh, 1500);
	assert_in_range(l.store->most, 100, STORE_PAGE_MAX);
	assert_in_range(l.store->commits, 1, 40); /* hundreds share one */
	end(&l);
}

/* Others wait no longer than they should, whether the store is quick, slow, or
 * becomes slow; and whatever it is, there is some way on. */
static void
test_pages_get_as_large_as_time_allows(void **state)
{
	static const struct {
		int64_t row_us;
		size_t rows;
	} steps[] = { { 10, 4000 }, { 50, 1000 }, { 5000, 100 } };
	struct load l;
	struct err err;
	unsigned int i, nr = 0;
	size_t step;

	(void)state;
	for (step = 0; step < sizeof(steps) / sizeof(steps[0]); step++) {
		begin_as(&l, 0, false, 50000);
		l.store->row_us = steps[step].row_us;
		for (i = 0; i < ROWS_MAX - 1000; i++)
			assert_int_equal(feed(&l, ++nr, i + 1, "", &err), 0);
		assert_in_range(
		    l.store->last, steps[step].rows * 9 / 10, steps[step].rows);
		assert_int_equal(registry_load_end(l.load, &err), 0);
		assert_int_equal(l.store->n_serials, ROWS_MAX - 1000);
		end(&l);
	}
}

/* A first load's pages say where they stand in the file. */
static void
test_a_first_load_knows_its_places(void **state)
{
	struct registry_load_options options = { .first = 7 };
	struct registry_counts c;
	struct load l;
	struct err err;
	unsigned int i;

	(void)state;
	begin_with(&l, options);
	l.store->next_line = 1;
	for (i = 1; i <= 9500; i++)
		assert_int_equal(feed(&l, i, i, "", &err), 0);
	assert_int_equal(registry_load_end(l.load, &err), 0);
	c = registry_load_counts(l.load);
	assert_int_equal(c.fresh, 9500);
	assert_int_equal(l.store->commits, 3);
	assert_int_equal(l.store->next_line, 9501);
	assert_int_equal(l.store->n_serials, 0); /* nothing the other way */
	end(&l);
}

/* What is put is keyed and sealed as it should be. */
static void
test_a_row_is_put(void **state)
{
	struct registry_row row = { .ref = "ref-1",
		.birth = "19800229",
		.postal = "1000001",
		.municipality = "131016",
		.n_phones = 3,
		.phones = { "0300000001", "09011110001", "0300000002" },
		.pin = "4711",
		.kana = "ヤマダ",
		.cert = { .status = STORE_REVOKED, .serial = "01" } };
	char text[STORE_CONTACT_MAX] = "", ref[8];
	uint8_t tag[32], mac[32];
	struct store_put put = { .n_phones = 0 };
	struct keyring *keys = ring();
	struct err err;

	(void)state;
	assert_int_equal(registry_put_fill(&put, keys, &row, NOW, &err), 0);
	factor_ref(keys, 0, "ref-1", mac);
	assert_memory_equal(put.ref, mac, 32);
	factor_tag(keys, 0, "19800229", "1000001", tag);
	assert_memory_equal(put.tag, tag, 32);
	assert_int_equal(put.key_version, 3);
	assert_string_equal(put.municipality, "131016");
	assert_int_equal(put.n_phones, 2); /* two of the three end in 0001 */
	factor_phone(keys, 0, tag, "0001", mac);
	assert_memory_equal(put.phones[0], mac, 32);
	factor_phone(keys, 0, tag, "0002", mac);
	assert_memory_equal(put.phones[1], mac, 32);
	assert_true(put.has_pin);
	assert_string_equal(put.cert.serial, "01");
	assert_int_equal(put.cert.status_us, NOW);
	assert_int_equal(
	    secret_open(keys, 3, put.contact, put.contact_len, text), 0);
	assert_string_equal(text,
	    "{\"kana\":\"ヤマダ\",\"phones\":[\"0300000001\","
	    "\"09011110001\",\"0300000002\"],\"ref\":\"ref-1\"}");
	assert_int_equal(registry_contact_ref(ref, sizeof(ref), keys, 3,
			     put.contact, put.contact_len, &err),
	    0);
	assert_string_equal(ref, "ref-1");
	assert_int_equal(registry_contact_ref(ref, sizeof(ref), keys, 2,
			     put.contact, put.contact_len, &err),
	    -1);
	put.contact[30] ^= 1;
	assert_int_equal(registry_contact_ref(ref, sizeof(ref), keys, 3,
			     put.contact, put.contact_len, &err),
	    -1);
	assert_int_equal(registry_contact_ref(
			     ref, sizeof(ref), keys, 3, put.contact, 10, &err),
	    -1);
	keyring_free(keys);
}

/* The longest of everything still fits where the store keeps it. */
static void
test_the_longest_contact_fits(void **state)
{
	struct registry_row row = { .birth = "19800229",
		.postal = "1000001",
		.municipality = "131016",
		.n_phones = 4,
		.phones = { "09000000001", "09000000002", "09000000003",
		    "09000000004" } };
	struct store_put put = { .n_phones = 0 };
	struct keyring *keys = ring();
	char ref[REGISTRY_REF_MAX + 1];
	struct err err;
	size_t i;

	(void)state;
	memset(row.ref, '"', REGISTRY_REF_MAX);
	for (i = 0; i < REGISTRY_KANA_MAX; i++)
		memcpy(row.kana + 4 * i, "\xf0\xa0\xae\xb7", 4);
	assert_int_equal(registry_put_fill(&put, keys, &row, NOW, &err), 0);
	assert_in_range(put.contact_len, 600, STORE_CONTACT_MAX);
	assert_int_equal(registry_contact_ref(ref, sizeof(ref), keys, 3,
			     put.contact, put.contact_len, &err),
	    0);
	assert_string_equal(ref, row.ref);
	keyring_free(keys);
}

static void
test_rows_share_their_holders_pin(void **state)
{
	uint8_t tag[32], want[32], none[32] = { 0 };
	struct load l;
	struct err err;

	(void)state;
	begin(&l, 0);
	feed(&l, 2, 1, "4711", &err);
	feed(&l, 3, 2, "4711", &err);
	feed(&l, 4, 3, "", &err);
	feed(&l, 5, 4, "4711", &err);
	feed(&l, 6, 5, "4712", &err);
	assert_int_equal(registry_load_end(l.load, &err), 0);
	factor_tag(l.keys, 0, "19800229", "1000001", tag);
	factor_pin(l.keys, 0, tag, "4711", want);
	assert_memory_equal(l.store->pins[0], want, 32);
	assert_memory_equal(l.store->pins[1], want, 32);
	assert_memory_equal(l.store->pins[2], none, 32);
	assert_memory_equal(l.store->pins[3], want, 32);
	factor_pin(l.keys, 0, tag, "4712", want);
	assert_memory_equal(l.store->pins[4], want, 32);
	end(&l);
}

static void
test_rejects_come_in_file_order(void **state)
{
	struct registry_counts c;
	struct load l;
	struct err err;
	unsigned int i;

	(void)state;
	begin(&l, 2);
	for (i = 2; i < 1002; i++) /* every 3rd: bad PIN; every 7th: twice */
		assert_int_equal(feed(&l, i, i % 7 == 0 ? 1 : i + 1,
				     i % 3 == 0 ? "1" : "", &err),
		    0);
	assert_int_equal(registry_load_end(l.load, &err), 0);
	c = registry_load_counts(l.load);
	assert_int_equal(c.rows, 1000);
	assert_int_equal(c.rejected, l.n_rejects);
	assert_int_equal(c.fresh, 1000 - l.n_rejects);
	assert_in_range(l.n_rejects, 400, 500);
	for (i = 1; i < l.n_rejects; i++)
		assert_true(l.rejects[i - 1] < l.rejects[i]);
	assert_string_equal(l.last_reason, "twice"); /* line 1001 = 7 * 143 */
	assert_string_equal(l.last_raw, "row 1");
	end(&l);
}

static void
test_a_lost_commit_is_tried_again(void **state)
{
	struct registry_counts c;
	struct load l;
	struct err err;
	unsigned int i;

	(void)state;
	begin(&l, 0);
	l.store->unsure = 3;
	for (i = 1; i <= 100; i++)
		assert_int_equal(feed(&l, i, i, "", &err), 0);
	assert_int_equal(registry_load_end(l.load, &err), 0);
	c = registry_load_counts(l.load);
	assert_int_equal(c.fresh, 100);
	assert_int_equal(c.rejected, 0);
	assert_string_equal(l.store->serials[0], "01");
	assert_string_equal(l.store->serials[99], "64");
	end(&l);

	begin(&l, 0);
	l.store->unsure = 1000; /* but not for ever */
	assert_int_equal(feed(&l, 1, 1, "", &err), 0);
	assert_int_equal(registry_load_end(l.load, &err), -1);
	assert_string_equal(err.text, "lost");
	assert_int_equal(registry_load_counts(l.load).rows, 0);
	end(&l);
}

static void
test_a_failed_store_stops_the_load(void **state)
{
	struct registry_counts c;
	struct load l;
	struct err err;
	unsigned int i;

	(void)state;
	begin(&l, 0);
	l.store->fail_at = 2;
	for (i = 1; i <= 3 * STORE_PAGE_MAX; i++)
		if (feed(&l, i, i, "", &err) == -1)
			break;
	assert_in_range(i, STORE_PAGE_MAX + 1, 3 * STORE_PAGE_MAX);
	assert_string_equal(err.text, "disk is full");
	assert_int_equal(feed(&l, i, i, "", &err), -1);
	assert_int_equal(registry_load_end(l.load, &err), -1);
	c = registry_load_counts(l.load);
	assert_int_equal(c.rows, STORE_PAGE_MAX);
	assert_int_equal(c.rejected, 0); /* the rows are not at fault */
	assert_int_equal(l.n_rejects, 0);
	end(&l);
}

static void
test_rejects_that_cannot_be_written_stop_the_load(void **state)
{
	struct load l;
	struct err err;

	(void)state;
	begin(&l, 0);
	l.stop_at = 1;
	feed(&l, 2, 1, "1", &err);
	feed(&l, 3, 2, "1", &err);
	assert_int_equal(registry_load_end(l.load, &err), -1);
	assert_string_equal(err.text, "cannot be written");
	assert_int_equal(l.n_rejects, 1);
	end(&l);
}

/* ---- news */

static void
news_header(struct load *l)
{
	static const size_t columns[] = { DELTA_CHANGE, REGISTRY_HOLDER_REF,
		DELTA_DATE, REGISTRY_BIRTH_DATE, REGISTRY_POSTAL_CODE,
		REGISTRY_MUNICIPALITY, REGISTRY_PIN, REGISTRY_ISSUER,
		REGISTRY_SERIAL };
	size_t i;

	l->delta_header.n = sizeof(columns) / sizeof(columns[0]);
	for (i = 0; i < DELTA_COLUMN_COUNT; i++)
		l->delta_header.at[i] = CSV_FIELDS_MAX;
	for (i = 0; i < l->delta_header.n; i++)
		l->delta_header.at[columns[i]] = i;
}

#define ISSUER "0123456789012345678901234567890123456789"

/* A move with a PIN, a death, an expiry, in turn. */
static int
feed_news(struct load *l, uint64_t nr, struct err *err)
{
	char pin[16], raw[] = "raw";
	struct csv_row rows[] = {
		{ .fields = { "moved", "ref-1", "2026-11-01", "1980-02-29",
		      "1000001", "131016", pin, "", "" } },
		{ .fields = { "died", "ref-1", "", "", "", "", "", "", "" } },
		{ .fields = { "expired", "ref-1", "", "", "", "", "", ISSUER,
		      "01" } },
	};
	struct csv_row *row = &rows[nr % 3];

	snprintf(pin, sizeof(pin), "%04u", (unsigned int)(nr / 3 % 7));
	row->line = nr + 3;
	row->start = nr * 10 + 50;
	row->n = l->delta_header.n;
	row->raw = raw;
	row->raw_len = 3;
	return registry_load_row(l->load, row, NOW, err);
}

/* Pages are short, so that a hold waits less; what became of the rows is
 * counted, and those that the store refuses are rejected in file order. */
static void
test_news_are_applied_in_their_order(void **state)
{
	struct registry_counts c;
	struct load l;
	struct err err;
	uint64_t i;

	(void)state;
	begin_as(&l, 2, true, 0);
	news_header(&l);
	for (i = 0; i < 900; i++)
		assert_int_equal(feed_news(&l, i, &err), 0);
	assert_int_equal(registry_load_end(l.load, &err), 0);
	c = registry_load_counts(l.load);
	assert_int_equal(c.rows, 900);
	assert_int_equal(c.changed, 600);
	assert_int_equal(c.rejected, 300);
	assert_int_equal(c.revoked, 600);
	assert_int_equal(c.closed, 600);
	assert_int_equal(l.store->n_news, 900);
	assert_in_range(l.store->commits, 5, 10);
	for (i = 0; i < 300; i++)
		assert_int_equal(l.rejects[i], 3 * i + 5);
	assert_string_equal(l.last_reason, "of nobody");
	end(&l);
}

/* However quick the store is, a page of news is a short one (the store made of
 * a list refuses a longer one); and where it is slow, they get shorter. */
static void
test_pages_of_news_are_short(void **state)
{
	static const int64_t row_us[] = { 1, 700 };
	struct load l;
	struct err err;
	uint64_t i;
	int slow;

	(void)state;
	for (slow = 0; slow < 2; slow++) {
		begin_as(&l, 0, true, 80000);
		news_header(&l);
		l.store->row_us = row_us[slow];
		for (i = 0; i < 1200; i++) /* deaths */
			assert_int_equal(feed_news(&l, 3 * i + 1, &err), 0);
		assert_int_equal(registry_load_end(l.load, &err), 0);
		assert_int_equal(l.store->n_news, 1200);
		if (slow)
			assert_in_range(l.store->commits, 10, 12);
		else
			assert_int_equal(l.store->commits, 6);
		end(&l);
	}
}

/* What each kind hands to the store, keyed and without more than it needs. */
static void
test_what_news_hand_over(void **state)
{
	static const uint8_t none[STORE_MAC_SIZE];
	uint8_t tag[32], mac[32];
	struct store_delta *d;
	struct load l;
	struct err err;

	(void)state;
	begin_as(&l, 0, true, 0);
	news_header(&l);
	d = &l.store->last_news;
	assert_int_equal(feed_news(&l, 3, &err), 0); /* moved */
	assert_int_equal(registry_load_end(l.load, &err), 0);
	assert_int_equal(d->kind, STORE_DELTA_MOVED);
	assert_int_equal(d->at, 80);
	assert_true(d->whole);
	assert_int_equal(d->date, 20261101);
	assert_int_equal(d->crl_reason, 3);
	factor_ref(l.keys, 0, "ref-1", mac);
	assert_memory_equal(d->put.ref, mac, 32);
	factor_tag(l.keys, 0, "19800229", "1000001", tag);
	assert_memory_equal(d->put.tag, tag, 32);
	factor_pin(l.keys, 0, tag, "0001", mac);
	assert_true(d->put.has_pin);
	assert_memory_equal(d->put.pin, mac, 32);
	assert_string_equal(d->put.municipality, "131016");
	assert_int_equal(feed_news(&l, 4, &err), 0); /* died */
	assert_int_equal(registry_load_end(l.load, &err), 0);
	factor_ref(l.keys, 0, "ref-1", mac);
	assert_memory_equal(d->put.ref, mac, 32);
	assert_memory_equal(d->put.tag, none, 32);
	assert_int_equal(d->put.contact_len, 0);
	assert_int_equal(d->crl_reason, 5);
	assert_int_equal(feed_news(&l, 5, &err), 0); /* expired */
	assert_int_equal(registry_load_end(l.load, &err), 0);
	assert_string_equal(d->put.cert.serial, "01");
	assert_string_equal(d->put.cert.issuer, ISSUER);
	end(&l);
}

/* Freed in the middle: nothing is lost or touched afterwards (ASan). */
static void
test_it_can_be_given_up(void **state)
{
	struct load l;
	struct err err;

	(void)state;
	begin(&l, 1);
	feed(&l, 2, 1, "4711", &err);
	feed(&l, 3, 2, "", &err);
	end(&l);
	registry_load_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_get_as_large_as_time_allows),
		cmocka_unit_test(test_the_order_of_the_file_is_kept),
		cmocka_unit_test(test_a_first_load_knows_its_places),
		cmocka_unit_test(test_a_row_is_put),
		cmocka_unit_test(test_the_longest_contact_fits),
		cmocka_unit_test(test_rows_share_their_holders_pin),
		cmocka_unit_test(test_rejects_come_in_file_order),
		cmocka_unit_test(test_a_lost_commit_is_tried_again),
		cmocka_unit_test(test_a_failed_store_stops_the_load),
		cmocka_unit_test(
		    test_rejects_that_cannot_be_written_stop_the_load),
		cmocka_unit_test(test_news_are_applied_in_their_order),
		cmocka_unit_test(test_pages_of_news_are_short),
		cmocka_unit_test(test_what_news_hand_over),
		cmocka_unit_test(test_it_can_be_given_up),
	};
	return cmocka_run_group_tests_name("registry_load", tests, NULL, NULL);
}
