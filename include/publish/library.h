/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library.h -- the functions in Redis that write the revocation cache.
 *
 * A Redis function library, in Lua, of one version of this program.  Only the
 * library that is this text, to the letter, is trusted with the cache: the one
 * that stands in Redis under our name is read back and compared.  doc/cache.md
 * says what each function promises.  Loop thread only.
 */
#ifndef PUBLISH_LIBRARY_H
#define PUBLISH_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#include "wire/redis_link.h"
#include "wire/status_record.h"

struct redisReply;

#define LIBRARY_VERSION 3
#define LIBRARY_NAME "holdline"

/* The library's source. */
extern const char library_text[];

/* What stands in Redis under our name. */
enum library_state {
	LIBRARY_OURS,
	LIBRARY_MISSING,
	LIBRARY_OLDER,   /* of an earlier version: replaced */
	LIBRARY_FOREIGN, /* says that it is ours and is not: replaced */
	LIBRARY_NEWER,   /* of a later version: this program is outdated */
	LIBRARY_UNREAD,  /* an error, or no such reply */
	LIBRARY_STATE_COUNT
};

/* What the reply of FUNCTION LIST LIBRARYNAME holdline WITHCODE says.
 * *version: of an older or newer one, 0 when it does not say.  Pure. */
enum library_state library_judge(const struct redisReply *list, int *version);

/* ---- calls; all return as redis_link_send() */

/* FUNCTION LIST LIBRARYNAME holdline WITHCODE. */
int library_send_list(struct redis_link *l, resp_reply_fn *fn, void *ctx);

/* FUNCTION LOAD REPLACE. */
int library_send_load(struct redis_link *l, resp_reply_fn *fn, void *ctx);

/* jpki_set: "set", "same", "stale", "repaired", "conflict", "refused". */
int library_send_set(struct redis_link *l, const char *key,
    const struct record_text *record, resp_reply_fn *fn, void *ctx);

/* HMGET of a record, for record_parse(). */
int library_send_read(
    struct redis_link *l, const char *key, resp_reply_fn *fn, void *ctx);

/* The beginning of each of a record's fields, to say "as it was then". */
#define LIBRARY_SEEN_MAX 32
struct library_seen {
	char fields[RECORD_N_FIELDS][LIBRARY_SEEN_MAX];
	size_t lens[RECORD_N_FIELDS];
};

/* Keep what HMGET RECORD_FIELDS answered. */
void library_seen(struct library_seen *seen, const struct redisReply *reply);

/*
 * jpki_force: replace a record by `record`, or delete it (NULL), if it still is
 * what was seen and no later owner than `fence` has written the watermark.
 * "forced", "dropped", "moved", "fenced".
 */
int library_send_force(struct redis_link *l, const char *key, int64_t fence,
    const struct library_seen *seen, const struct record_text *record,
    resp_reply_fn *fn, void *ctx);

/*
 * jpki_beat: write the watermark: "beat", "fenced" (a later owner has written
 * it), "other" (its epoch is not the expected one).
 *	expect	the epoch that must stand there; "" = any
 *	expect_seq	and its number
 *	nobodys	the fence of a watermark that no owner has written and that is to
 *		be replaced whatever it says; "" = none
 */
int library_send_beat(struct redis_link *l, const struct watermark_text *wm,
    const char *expect, const char *expect_seq, const char *nobodys,
    resp_reply_fn *fn, void *ctx);

/* HMGET of the watermark, for watermark_parse(). */
int library_send_watermark(struct redis_link *l, resp_reply_fn *fn, void *ctx);

/* jpki_may_tell: may this user PUBLISH to jpki:changed?  "yes", "no". */
int library_send_may_tell(struct redis_link *l, resp_reply_fn *fn, void *ctx);

#endif
