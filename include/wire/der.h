/* SPDX-License-Identifier: Apache-2.0 */
/*
 * der.h -- DER: reading it strictly, and writing it without counting ahead.
 *
 * Reading walks over borrowed bytes and allocates nothing.  Tags of one byte,
 * lengths in their shortest form; anything else is refused.  Writing goes from
 * the end to the front, so that a length is known when its header is written.
 * Pure; any thread.
 */
#ifndef WIRE_DER_H
#define WIRE_DER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_ENUMERATED = 0x0a,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30
};
#define DER_CONTEXT(n) (0x80 | (n))  /* [n] IMPLICIT, primitive */
#define DER_EXPLICIT(n) (0xa0 | (n)) /* [n] EXPLICIT, or constructed */

/* Bytes that are borrowed. */
struct der {
	const uint8_t *at;
	size_t len;
};

/*
 * Take the next element, which must have this tag, off the front of `in`.
 * `value` is what it holds; `whole` is it with its header, and may be NULL.
 * Returns 0, or -1 when it is something else, malformed or cut short; *in is
 * then unchanged.
 */
int der_take(
    struct der *in, unsigned int tag, struct der *value, struct der *whole);

/*
 * Step into the element at the front of `in`, whose end need not be there: *in
 * becomes what there is of its value, and *len is how long all of it is.
 * Returns 0, or -1 as der_take() does.
 */
int der_enter(struct der *in, unsigned int tag, size_t *len);

/* Is the next element one with this tag? */
bool der_next_is(const struct der *in, unsigned int tag);

/* Are both the same bytes? */
bool der_equal(const struct der *value, const void *bytes, size_t len);

/* A buffer that fills from its end; what was written is the `size - at` bytes
 * from buf + at on. */
struct der_out {
	uint8_t *buf;
	size_t size, at;
	bool full; /* something did not fit: the bytes are of no use */
};

/* Begin; `buf` is borrowed. */
void der_out_begin(struct der_out *out, uint8_t *buf, size_t size);

/* Put bytes in front of what is there. */
void der_put(struct der_out *out, const void *bytes, size_t len);

/*
 * Put a header in front of all that was written since `end`, which is what
 * out->at was then.
 */
void der_wrap(struct der_out *out, unsigned int tag, size_t end);

/* A whole element: der_put() with its header. */
void der_put_element(
    struct der_out *out, unsigned int tag, const void *bytes, size_t len);

/* A GeneralizedTime, such as 20261124173000Z, of seconds since 1970; those
 * outside the years 0 to 9999 come out as their nearest end. */
void der_put_time(struct der_out *out, int64_t seconds);

#endif
