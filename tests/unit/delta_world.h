/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delta_world.h -- short ways to apply the registry's news, over
 * decide_world.h.
 */
#ifndef TESTS_DELTA_WORLD_H
#define TESTS_DELTA_WORLD_H

#include <poll.h>

#include "decide_world.h"
#include "hold/ending.h"
#include "store/delta.h"

#define FEED "jpki"
#define ELSEWHERE "271276"

/* A file of the feed, whose content is `content`. */
static inline struct store_delta_file
file_of(int64_t seq, uint8_t content)
{
	struct store_delta_file f = {
		.name = FEED, .seq = seq, .n_digests = 1
	};

	memset(f.digests[0], content, STORE_MAC_SIZE);
	return f;
}

static inline struct store_delta_begin
begin(struct store *s, struct store_delta_file file, bool first)
{
	struct store_delta_begin r = { .file = file, .first = first };

	store_delta_begin(s, &r);
	store_wait(s, &r.req);
	return r;
}

/* Begin number 1. */
static inline void
begin_first(struct world *w, struct store_delta_file *file)
{
	struct store_delta_begin r;

	*file = file_of(1, 1);
	r = begin(w->store, *file, true);
	must(w->store, &r.req);
}

/* News of person `who`; `at` is set by apply(). */
static inline struct store_delta
news(uint8_t who, enum store_delta_kind kind)
{
	struct store_delta d = { .put = row(who, "", STORE_SIGNATURE),
		.kind = kind,
		.crl_reason = ending_reason(kind) };

	return d;
}

/* Certificate `serial` replaces `old`. */
static inline struct store_delta
reissued(uint8_t who, const char *serial, enum store_kind kind, const char *old)
{
	struct store_delta d = news(who, STORE_DELTA_REISSUED);

	d.put = row(who, serial, kind);
	str_copy(d.old_issuer, sizeof(d.old_issuer), ISSUER);
	str_copy(d.old_serial, sizeof(d.old_serial), old);
	return d;
}

static inline struct store_delta
expired(uint8_t who, const char *serial)
{
	struct store_delta d = news(who, STORE_DELTA_EXPIRED);

	str_copy(d.put.cert.serial, sizeof(d.put.cert.serial), serial);
	return d;
}

/* The person has moved, with all that is known of them. */
static inline struct store_delta
moved(uint8_t who, const char *municipality, int date)
{
	struct store_delta d = news(who, STORE_DELTA_MOVED);

	d.whole = true;
	d.date = date;
	d.put.tag[5] ^= 0x55;
	str_copy(d.put.municipality, sizeof(d.put.municipality), municipality);
	return d;
}

static inline void
page_of(struct store_delta_page *r, const struct store_delta_file *file,
    struct store_delta *rows, struct store_delta **list, size_t n)
{
	size_t i;

	*r = (struct store_delta_page){
		.file = file, .ends = ending_of, .n = n, .rows = list
	};
	for (i = 0; i < n; i++)
		list[i] = &rows[i];
}

/* The rows, each at the next byte of the file, of which `at` were before. */
static inline void
apply_at(struct world *w, const struct store_delta_file *file, int64_t at,
    struct store_delta *rows, size_t n)
{
	struct store_delta *list[STORE_DELTA_PAGE];
	struct store_delta_page r;
	size_t i;

	for (i = 0; i < n; i++)
		rows[i].at = at + (int64_t)i + 1;
	page_of(&r, file, rows, list, n);
	store_delta_page(w->store, &r);
	must(w->store, &r.req);
}

/* One row of a file of its own, which must be taken. */
static inline struct store_delta
apply(struct world *w, struct store_delta d)
{
	struct store_delta_file f;
	struct store_delta_end end = { .file = &f };
	struct store_delta_begin b;
	int64_t seq = 1 + world_sql(w, "SELECT count(*) FROM deltas");

	f = file_of(seq, (uint8_t)seq);
	b = begin(w->store, f, seq == 1);
	must(w->store, &b.req);
	apply_at(w, &f, 0, &d, 1);
	store_delta_end(w->store, &end);
	must(w->store, &end.req);
	return d;
}

#endif
