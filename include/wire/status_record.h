/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_record.h -- what stands in the revocation cache, and what it proves.
 *
 *	jpki:st:<issuer key hash>:<serial>  ->  hash v s r t e m
 *	jpki:wm                             ->  hash epoch seq time state fence m
 *
 * A record is a certificate's status: generation, G/H/R, RFC 5280 reason,
 * revocation time in seconds, event id.  Only certificates that ever were not
 * good have one, so its absence says "good" if the cache is whole and fresh.
 * The watermark is the proof of that: the publisher writes it every second.
 *
 * With a cache key (keyring_load_cache()) each carries a MAC, and what has no
 * right one proves nothing: whoever can write into Redis can then neither make
 * nor alter a record.  The hash, the fields and the judgement are the same for
 * whoever writes, reads or verifies.  Pure; any thread.
 */
#ifndef WIRE_STATUS_RECORD_H
#define WIRE_STATUS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keyring;
struct redisReply;

#define RECORD_ISSUER_HEX 40 /* SHA-1 of the issuer's key, lower case */
#define RECORD_SERIAL_MAX 40 /* hexadecimal digits, lower case, even */
#define RECORD_PREFIX "jpki:st:"
#define RECORD_KEY_SIZE \
	(sizeof(RECORD_PREFIX) + RECORD_ISSUER_HEX + 1 + RECORD_SERIAL_MAX)
#define RECORD_GENERATION_MAX INT64_C(999999999999999) /* below 2^53 */
#define RECORD_MAC_HEX 32
#define RECORD_TEXT_SIZE 24 /* a number's digits, with the NUL */

#define WATERMARK_KEY "jpki:wm"
#define WATERMARK_EPOCH_HEX 32
#define WATERMARK_AGE_US INT64_C(5000000) /* older, or as far ahead: stale */

/* What HMGET is asked for, in the order that the parsers want. */
#define RECORD_FIELDS "v", "s", "r", "t", "e", "m"
#define RECORD_N_FIELDS 6
#define WATERMARK_FIELDS "epoch", "seq", "time", "state", "fence", "m"
#define WATERMARK_N_FIELDS 6

/* What was found under a key. */
enum record_found {
	RECORD_ABSENT,     /* nothing */
	RECORD_WHOLE,      /* every field makes sense, and the MAC is right */
	RECORD_MALFORMED,  /* a field is missing or makes no sense */
	RECORD_WRONG_TYPE, /* the key is no hash */
	RECORD_UNSIGNED,   /* whole, but the MAC is missing or wrong */
	RECORD_UNREAD,     /* the server answered with an error of its own */
	RECORD_FOUND_COUNT
};

/* "absent", "whole", "malformed", "wrong type", ...; never NULL. */
const char *record_found_name(enum record_found found);

struct record {
	enum record_found found; /* the rest means something when whole */
	int64_t generation;
	char status;    /* 'G', 'H', 'R' */
	int reason;     /* RFC 5280 CRLReason */
	int64_t time_s; /* revocation time, seconds since 1970 */
	int64_t event;  /* the outbox row; 0 = written from the store's rows */
};

/* Owners are numbered one by one.  A fence that is further from the last one
 * than this is no owner's. */
#define WATERMARK_FENCE_STEP INT64_C(1000000)

struct watermark {
	enum record_found found;
	/* The fence in 16 hexadecimal digits, and 16 more.  Grows as text: a
	 * later epoch is the greater one. */
	char epoch[WATERMARK_EPOCH_HEX + 1];
	int64_t seq;     /* every outbox row up to it was read back */
	int64_t time_us; /* the publisher's wall clock */
	bool complete;   /* else the publisher is still filling the cache */
	int64_t fence;   /* of the publisher's ownership */
};

/* A record's fields as they stand in Redis. */
struct record_text {
	char v[RECORD_TEXT_SIZE], s[2], r[RECORD_TEXT_SIZE],
	    t[RECORD_TEXT_SIZE], e[RECORD_TEXT_SIZE], m[RECORD_MAC_HEX + 1];
};

/* A watermark's. */
struct watermark_text {
	char epoch[WATERMARK_EPOCH_HEX + 1], seq[RECORD_TEXT_SIZE],
	    time[RECORD_TEXT_SIZE], state[16], fence[RECORD_TEXT_SIZE],
	    m[RECORD_MAC_HEX + 1];
};

/* The key of a certificate's record.  Longer texts are cut. */
void record_key(
    const char *issuer, const char *serial, char out[RECORD_KEY_SIZE]);

/* Take a key apart.  -1 when it is not a record's key. */
int record_key_parse(const char *key, char issuer[RECORD_ISSUER_HEX + 1],
    char serial[RECORD_SERIAL_MAX + 1]);

/*
 * A record as fields, signed with the newest key of `mac`; without one (NULL)
 * m is "".  `found` is not looked at.
 */
void record_format(const struct record *record, const char *key,
    const struct keyring *mac, struct record_text *out);

/* Read the reply of HMGET key RECORD_FIELDS, which is borrowed.  With `mac`
 * any of its keys will do; without it (NULL) m is not looked at. */
void record_parse(struct record *record, const char *key,
    const struct keyring *mac, const struct redisReply *reply);

/* As record_format(), for the watermark. */
void watermark_format(const struct watermark *wm, const struct keyring *mac,
    struct watermark_text *out);

/* As record_parse(), for HMGET jpki:wm WATERMARK_FIELDS. */
void watermark_parse(struct watermark *wm, const struct keyring *mac,
    const struct redisReply *reply);

/* The best proof that a reader has seen; zero it first. */
struct watermark_seen {
	char epoch[WATERMARK_EPOCH_HEX + 1];
	int64_t seq;
};

/*
 * Remember a watermark that was read at now_us by the reader's wall clock, if
 * it is whole, a heartbeat of these seconds by an owner that can be, and not
 * behind what was seen.
 * Call it for each one that is read.
 */
void watermark_note(
    struct watermark_seen *seen, const struct watermark *wm, int64_t now_us);

/* Is this watermark a proof, at now_us by the reader's wall clock?  Complete,
 * fresh, and not behind what was seen: after a fail-over that lost data it
 * is behind. */
bool watermark_proves(const struct watermark *wm,
    const struct watermark_seen *seen, int64_t now_us);

/* What may be told of a certificate. */
enum record_verdict {
	RECORD_IS_GOOD,
	RECORD_IS_HELD,
	RECORD_IS_REVOKED,
	RECORD_IS_UNPROVEN, /* "try later": nothing may be told */
	RECORD_VERDICT_COUNT
};

/* "good", "held", "revoked", "unproven"; never NULL. */
const char *record_verdict_name(enum record_verdict verdict);

/*
 * The one judgement.  A record that is not good is told whatever the watermark
 * says; good, by a G record or by none, only with the proof.
 */
enum record_verdict record_judge(const struct record *record,
    const struct watermark *wm, const struct watermark_seen *seen,
    int64_t now_us);

#endif
