/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include "wire/der.h"

#define TIME_MIN INT64_C(-62167219200) /* 0000-01-01 */
#define TIME_MAX INT64_C(253402300799) /* 9999-12-31 */

/* The length that stands at p[1]; its own size is added to *head.  -1: none
 * that DER allows. */
static int
take_length(const struct der *in, size_t *head, size_t *len)
{
	size_t n = in->at[1], i;

	*head = 2;
	*len = n;
	if (n < 0x80)
		return 0;
	n &= 0x7f;
	if (n == 0 || n > 4 || in->len < 2 + n || in->at[2] == 0)
		return -1;
	*head += n;
	*len = 0;
	for (i = 0; i < n; i++)
		*len = *len << 8 | in->at[2 + i];
	return *len < 0x80 ? -1 : 0;
}

int
der_take(struct der *in, unsigned int tag, struct der *value, struct der *whole)
{
	size_t head, len;

	if (in->len < 2 || in->at[0] != tag ||
	    take_length(in, &head, &len) == -1 || len > in->len - head)
		return -1;
	*value = (struct der){ in->at + head, len };
	if (whole != NULL)
		*whole = (struct der){ in->at, head + len };
	in->at += head + len;
	in->len -= head + len;
	return 0;
}

int
der_enter(struct der *in, unsigned int tag, size_t *len)
{
	size_t head;

	if (in->len < 2 || in->at[0] != tag ||
	    take_length(in, &head, len) == -1)
		return -1;
	in->at += head;
	in->len -= head;
	if (in->len > *len)
		in->len = *len;
	return 0;
}

bool
der_next_is(const struct der *in, unsigned int tag)
{
	return in->len > 0 && in->at[0] == tag;
}

bool
der_equal(const struct der *value, const void *bytes, size_t len)
{
	return value->len == len && memcmp(value->at, bytes, len) == 0;
}

void
der_out_begin(struct der_out *out, uint8_t *buf, size_t size)
{
	*out = (struct der_out){ .buf = buf, .size = size, .at = size };
}

void
der_put(struct der_out *out, const void *bytes, size_t len)
{
	if (out->full || len > out->at) {
		out->full = true;
		return;
	}
	out->at -= len;
	memcpy(out->buf + out->at, bytes, len);
}

static void
put_byte(struct der_out *out, size_t byte)
{
	uint8_t b = (uint8_t)byte;

	der_put(out, &b, 1);
}

void
der_wrap(struct der_out *out, unsigned int tag, size_t end)
{
	size_t len = end - out->at, n = 0;

	if (len < 0x80) {
		put_byte(out, len);
	} else {
		for (; len > 0; len >>= 8, n++)
			put_byte(out, len & 0xff);
		put_byte(out, 0x80 | n);
	}
	put_byte(out, tag);
}

void
der_put_element(
    struct der_out *out, unsigned int tag, const void *bytes, size_t len)
{
	size_t end = out->at;

	der_put(out, bytes, len);
	der_wrap(out, tag, end);
}

void
der_put_time(struct der_out *out, int64_t seconds)
{
	time_t t = seconds < TIME_MIN ? TIME_MIN
	    : seconds > TIME_MAX      ? TIME_MAX
				      : seconds;
	unsigned int parts[6], i;
	char text[15];
	struct tm tm;

	gmtime_r(&t, &tm);
	parts[0] = (unsigned int)tm.tm_year + 1900;
	parts[1] = (unsigned int)tm.tm_mon + 1;
	parts[2] = (unsigned int)tm.tm_mday;
	parts[3] = (unsigned int)tm.tm_hour;
	parts[4] = (unsigned int)tm.tm_min;
	parts[5] = (unsigned int)tm.tm_sec;
	text[0] = (char)('0' + parts[0] / 1000);
	text[1] = (char)('0' + parts[0] / 100 % 10);
	text[2] = (char)('0' + parts[0] / 10 % 10);
	text[3] = (char)('0' + parts[0] % 10);
	for (i = 1; i < 6; i++) {
		text[2 + 2 * i] = (char)('0' + parts[i] / 10);
		text[3 + 2 * i] = (char)('0' + parts[i] % 10);
	}
	text[14] = 'Z';
	der_put_element(out, DER_GENERALIZED_TIME, text, sizeof(text));
}
