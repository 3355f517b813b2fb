/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/secret.h"
#include "base/str.h"
#include "wire/status_record.h"

#define REASON_MAX 10 /* RFC 5280, 5.3.1: 0 to 10, 7 is not used */
#define REASON_HOLD 6
#define REASON_NONE 7
#define REASON_UNLISTED 8 /* removeFromCRL: a CRL's word, no status */
#define LUA_DIGITS 15     /* below 2^53 */
#define EVENT_DIGITS 18   /* stays within int64_t */

static const char *const found_names[] = {
	[RECORD_ABSENT] = "absent",
	[RECORD_WHOLE] = "whole",
	[RECORD_MALFORMED] = "malformed",
	[RECORD_WRONG_TYPE] = "wrong type",
	[RECORD_UNSIGNED] = "wrong MAC",
	[RECORD_UNREAD] = "unread",
};
_Static_assert(
    sizeof(found_names) / sizeof(found_names[0]) == RECORD_FOUND_COUNT,
    "every record_found needs a name");

static const char *const verdict_names[] = {
	[RECORD_IS_GOOD] = "good",
	[RECORD_IS_HELD] = "held",
	[RECORD_IS_REVOKED] = "revoked",
	[RECORD_IS_UNPROVEN] = "unproven",
};
_Static_assert(
    sizeof(verdict_names) / sizeof(verdict_names[0]) == RECORD_VERDICT_COUNT,
    "every record_verdict needs a name");

const char *
record_found_name(enum record_found found)
{
	return found_names[found];
}

const char *
record_verdict_name(enum record_verdict verdict)
{
	return verdict_names[verdict];
}

/* ---- keys */

static char *
put(char *at, const char *text, size_t max)
{
	size_t n = strnlen(text, max);

	memcpy(at, text, n);
	return at + n;
}

void
record_key(const char *issuer, const char *serial, char out[RECORD_KEY_SIZE])
{
	char *at = stpcpy(out, RECORD_PREFIX);

	at = put(at, issuer, RECORD_ISSUER_HEX);
	*at++ = ':';
	*put(at, serial, RECORD_SERIAL_MAX) = '\0';
}

/* Copy `n` lower-case hexadecimal digits. */
static int
take_hex(char *out, const char *text, size_t n)
{
	if (strspn(text, "0123456789abcdef") < n)
		return -1;
	memcpy(out, text, n);
	out[n] = '\0';
	return 0;
}

int
record_key_parse(const char *key, char issuer[RECORD_ISSUER_HEX + 1],
    char serial[RECORD_SERIAL_MAX + 1])
{
	size_t len, at = sizeof(RECORD_PREFIX) - 1;

	if (strncmp(key, RECORD_PREFIX, at) != 0 ||
	    take_hex(issuer, key + at, RECORD_ISSUER_HEX) == -1 ||
	    key[at += RECORD_ISSUER_HEX] != ':')
		return -1;
	len = strlen(key + at + 1);
	if (len == 0 || len > RECORD_SERIAL_MAX || len % 2 != 0)
		return -1;
	return take_hex(serial, key + at + 1, len);
}

/* ---- MACs */

/* The bytes under a MAC: a word for what it is, the key and each field, with a
 * line end after each; none of them can hold one. */
struct signed_text {
	char bytes[400];
	size_t len;
};

static void
signed_add(struct signed_text *s, const char *field)
{
	size_t n = strlen(field);

	if (n >= sizeof(s->bytes) - s->len)
		abort(); /* every field has its limit */
	memcpy(s->bytes + s->len, field, n);
	s->bytes[s->len + n] = '\n';
	s->len += n + 1;
}

static void
signed_mac(const struct signed_text *s, const struct keyring *mac, size_t slot,
    char out[RECORD_MAC_HEX + 1])
{
	uint8_t bytes[SECRET_MAC_SIZE];

	secret_mac(mac, slot, SECRET_USE_CACHE, s->bytes, s->len, bytes);
	str_hex(bytes, RECORD_MAC_HEX / 2, out);
}

/* Is `m` the MAC under any version of the key? */
static bool
signed_is(const struct signed_text *s, const struct keyring *mac, const char *m)
{
	uint8_t have[SECRET_MAC_SIZE] = { 0 }, want[SECRET_MAC_SIZE];
	size_t i;

	if (str_unhex(m, have, RECORD_MAC_HEX / 2) == -1)
		return false;
	for (i = 0; i < keyring_count(mac); i++) {
		secret_mac(mac, i, SECRET_USE_CACHE, s->bytes, s->len, want);
		memset(want + RECORD_MAC_HEX / 2, 0,
		    sizeof(want) - RECORD_MAC_HEX / 2);
		if (secret_equal(have, want))
			return true;
	}
	return false;
}

static void
record_signed(
    const struct record_text *t, const char *key, struct signed_text *out)
{
	out->len = 0;
	signed_add(out, "holdline/record");
	signed_add(out, key);
	signed_add(out, t->v);
	signed_add(out, t->s);
	signed_add(out, t->r);
	signed_add(out, t->t);
	signed_add(out, t->e);
}

static void
watermark_signed(const struct watermark_text *t, struct signed_text *out)
{
	out->len = 0;
	signed_add(out, "holdline/watermark");
	signed_add(out, t->epoch);
	signed_add(out, t->seq);
	signed_add(out, t->time);
	signed_add(out, t->state);
	signed_add(out, t->fence);
}

/* ---- to fields */

_Static_assert(RECORD_TEXT_SIZE >= STR_INT_SIZE, "every number fits");

static void
record_fields(const struct record *record, struct record_text *out)
{
	str_int(out->v, record->generation);
	out->s[0] = record->status;
	out->s[1] = '\0';
	str_int(out->r, record->reason);
	str_int(out->t, record->time_s);
	str_int(out->e, record->event);
	out->m[0] = '\0';
}

void
record_format(const struct record *record, const char *key,
    const struct keyring *mac, struct record_text *out)
{
	struct signed_text text;

	record_fields(record, out);
	if (mac == NULL)
		return;
	record_signed(out, key, &text);
	signed_mac(&text, mac, 0, out->m);
}

static void
watermark_fields(const struct watermark *wm, struct watermark_text *out)
{
	memcpy(out->epoch, wm->epoch, sizeof(out->epoch));
	str_int(out->seq, wm->seq);
	str_int(out->time, wm->time_us);
	snprintf(out->state, sizeof(out->state), "%s",
	    wm->complete ? "complete" : "loading");
	str_int(out->fence, wm->fence);
	out->m[0] = '\0';
}

void
watermark_format(const struct watermark *wm, const struct keyring *mac,
    struct watermark_text *out)
{
	struct signed_text text;

	watermark_fields(wm, out);
	if (mac == NULL)
		return;
	watermark_signed(out, &text);
	signed_mac(&text, mac, 0, out->m);
}

/* ---- from replies */

/* A field's text, or NULL. */
static const char *
field_text(const struct redisReply *reply, size_t i)
{
	const struct redisReply *field = reply->element[i];

	if (field->type != REDIS_REPLY_STRING ||
	    strlen(field->str) != (size_t)field->len)
		return NULL;
	return field->str;
}

/* A whole number of at most `digits` digits. */
static int
take_number(
    const struct redisReply *reply, size_t i, size_t digits, int64_t *out)
{
	const char *text = field_text(reply, i);

	if (text == NULL || !str_is_digits(text, 1, digits))
		return -1;
	*out = strtoll(text, NULL, 10);
	return 0;
}

/* What is plain from the reply's shape; WHOLE = look at its fields. */
static enum record_found
reply_found(const struct redisReply *reply, size_t n)
{
	size_t i;

	if (reply->type == REDIS_REPLY_ERROR)
		return strncmp(reply->str, "WRONGTYPE", 9) == 0
		    ? RECORD_WRONG_TYPE
		    : RECORD_UNREAD;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != n)
		return RECORD_UNREAD;
	for (i = 0; i < n; i++)
		if (reply->element[i]->type != REDIS_REPLY_NIL)
			return RECORD_WHOLE;
	return RECORD_ABSENT;
}

static bool
is_status(const char *text)
{
	return text != NULL &&
	    (strcmp(text, "G") == 0 || strcmp(text, "H") == 0 ||
		strcmp(text, "R") == 0);
}

/* Do status and reason tell the same?  What the publisher writes does. */
static bool
is_reason_of(char status, int64_t reason)
{
	switch (status) {
	case 'G':
		return reason == 0;
	case 'H':
		return reason == REASON_HOLD;
	default:
		return reason <= REASON_MAX && reason != REASON_HOLD &&
		    reason != REASON_NONE && reason != REASON_UNLISTED;
	}
}

static int
record_take(struct record *record, const struct redisReply *reply)
{
	const char *status = field_text(reply, 1);
	int64_t reason;

	if (!is_status(status) ||
	    take_number(reply, 0, LUA_DIGITS, &record->generation) == -1 ||
	    record->generation == 0 ||
	    take_number(reply, 2, 2, &reason) == -1 ||
	    !is_reason_of(status[0], reason) ||
	    take_number(reply, 3, EVENT_DIGITS, &record->time_s) == -1 ||
	    take_number(reply, 4, EVENT_DIGITS, &record->event) == -1)
		return -1;
	record->status = status[0];
	record->reason = (int)reason;
	return 0;
}

void
record_parse(struct record *record, const char *key, const struct keyring *mac,
    const struct redisReply *reply)
{
	struct record_text fields;
	struct signed_text text;
	const char *m;

	memset(record, 0, sizeof(*record));
	record->found = reply_found(reply, RECORD_N_FIELDS);
	if (record->found != RECORD_WHOLE)
		return;
	if (record_take(record, reply) == -1) {
		record->found = RECORD_MALFORMED;
		return;
	}
	if (mac == NULL)
		return;
	record_fields(record, &fields);
	record_signed(&fields, key, &text);
	m = field_text(reply, 5);
	if (m == NULL || !signed_is(&text, mac, m))
		record->found = RECORD_UNSIGNED;
}

/* The fence that an epoch begins with. */
static int64_t
epoch_fence(const char *epoch)
{
	char text[17];

	snprintf(text, sizeof(text), "%.16s", epoch);
	return (int64_t)strtoull(text, NULL, 16);
}

static int
watermark_take(struct watermark *wm, const struct redisReply *reply)
{
	const char *epoch = field_text(reply, 0), *state = field_text(reply, 3);

	if (epoch == NULL || strlen(epoch) != WATERMARK_EPOCH_HEX ||
	    take_hex(wm->epoch, epoch, WATERMARK_EPOCH_HEX) == -1 ||
	    take_number(reply, 1, LUA_DIGITS, &wm->seq) == -1 ||
	    take_number(reply, 2, EVENT_DIGITS, &wm->time_us) == -1 ||
	    state == NULL ||
	    take_number(reply, 4, LUA_DIGITS, &wm->fence) == -1 ||
	    epoch_fence(wm->epoch) != wm->fence)
		return -1;
	wm->complete = strcmp(state, "complete") == 0;
	return wm->complete || strcmp(state, "loading") == 0 ? 0 : -1;
}

void
watermark_parse(struct watermark *wm, const struct keyring *mac,
    const struct redisReply *reply)
{
	struct watermark_text fields;
	struct signed_text text;
	const char *m;

	memset(wm, 0, sizeof(*wm));
	wm->found = reply_found(reply, WATERMARK_N_FIELDS);
	if (wm->found != RECORD_WHOLE)
		return;
	if (watermark_take(wm, reply) == -1) {
		wm->found = RECORD_MALFORMED;
		return;
	}
	if (mac == NULL)
		return;
	watermark_fields(wm, &fields);
	watermark_signed(&fields, &text);
	m = field_text(reply, 5);
	if (m == NULL || !signed_is(&text, mac, m))
		wm->found = RECORD_UNSIGNED;
}

/* ---- the judgement */

/* Nobody can be so many owners ahead of the last one that was seen. */
static bool
is_leap(const struct watermark *wm, const struct watermark_seen *seen)
{
	return seen->epoch[0] != '\0' &&
	    wm->fence - epoch_fence(seen->epoch) > WATERMARK_FENCE_STEP;
}

static bool
is_heartbeat(const struct watermark *wm, const struct watermark_seen *seen,
    int64_t now_us)
{
	return wm->found == RECORD_WHOLE && !is_leap(wm, seen) &&
	    wm->time_us >= now_us - WATERMARK_AGE_US &&
	    wm->time_us <= now_us + WATERMARK_AGE_US;
}

void
watermark_note(
    struct watermark_seen *seen, const struct watermark *wm, int64_t now_us)
{
	int order;

	if (!is_heartbeat(wm, seen, now_us))
		return;
	order = strcmp(wm->epoch, seen->epoch);
	if (order > 0) {
		memcpy(seen->epoch, wm->epoch, sizeof(seen->epoch));
		seen->seq = wm->seq;
	} else if (order == 0 && wm->seq > seen->seq)
		seen->seq = wm->seq;
}

bool
watermark_proves(const struct watermark *wm, const struct watermark_seen *seen,
    int64_t now_us)
{
	int order;

	if (!is_heartbeat(wm, seen, now_us) || !wm->complete)
		return false;
	order = strcmp(wm->epoch, seen->epoch);
	return order > 0 || (order == 0 && wm->seq >= seen->seq);
}

enum record_verdict
record_judge(const struct record *record, const struct watermark *wm,
    const struct watermark_seen *seen, int64_t now_us)
{
	if (record->found == RECORD_WHOLE && record->status == 'R')
		return RECORD_IS_REVOKED;
	if (record->found == RECORD_WHOLE && record->status == 'H')
		return RECORD_IS_HELD;
	if (record->found != RECORD_WHOLE && record->found != RECORD_ABSENT)
		return RECORD_IS_UNPROVEN;
	return watermark_proves(wm, seen, now_us) ? RECORD_IS_GOOD
						  : RECORD_IS_UNPROVEN;
}
