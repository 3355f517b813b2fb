/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h -- an error as one sentence, with a code a program can branch on.
 *
 * A struct err lives on its caller's stack.  The code that first sees a fault
 * writes it with err_set(); callers put context in front with err_add(), so
 * that the finished text reads "what was tried: what went wrong; what to do".
 * Any thread.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_code {
	ERR_NONE,
	ERR_NOMEM,    /* out of memory */
	ERR_RANGE,    /* a number outside its limits */
	ERR_PARSE,    /* bytes that are not what they should be */
	ERR_REFUSED,  /* a rule forbids it */
	ERR_UNSURE,   /* it may or may not have happened */
	ERR_IO,       /* the operating system said no */
	ERR_STORE,    /* the store said no; nothing was written */
	ERR_NOTFOUND, /* there is no such thing */
	ERR_CONFLICT, /* it contradicts what is already known */
	ERR_CODE_COUNT
};

struct err {
	enum err_code code;
	char text[320]; /* NUL-terminated, cut when too long */
};

/*
 * Record an error and return -1, so that `return err_set(...)` reads well.
 * Overwrites; call it where the fault is first seen.  `err` may not be NULL.
 */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "context: " in front of the text and return -1; the code is kept. */
int err_add(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The code's own name, such as "ERR_RANGE"; never NULL. */
const char *err_name(enum err_code code);

#endif
