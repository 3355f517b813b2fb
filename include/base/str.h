/* SPDX-License-Identifier: Apache-2.0 */
/*
 * str.h -- small, bounded things done to text.  Any thread.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Copy `src` into out[size], always NUL-terminated.  Returns 0, or -1 when it
 * did not fit (out then holds what did).
 */
int str_copy(char *out, size_t size, const char *src);

/* Is `s` between min and max characters, every one of them 0 to 9? */
bool str_is_digits(const char *s, size_t min, size_t max);

/* A number in decimal digits, as printf() does and faster; returns the end,
 * where the NUL is. */
#define STR_INT_SIZE 21 /* with its sign and the NUL */
char *str_int(char *out, int64_t n);

/* Bytes to lower-case hexadecimal; out holds 2 * len + 1 bytes. */
void str_hex(const void *bytes, size_t len, char *out);

/* Hexadecimal text of exactly 2 * len digits to bytes; -1 when it is not. */
int str_unhex(const char *hex, void *bytes, size_t len);

/* Is `s` well-formed UTF-8 without NUL, surrogates or overlong forms? */
bool str_is_utf8(const char *s, size_t len);

/* Does UTF-8 text stand in one line as it is read?  No control character (C0,
 * C1, DEL), no line or paragraph separator, and none that turns the direction of
 * what follows. */
bool str_is_line(const char *s);

/*
 * Is `s` a mail address that can stand in a header and in an SMTP command as
 * it is: local@domain of at most 254 ASCII letters, digits and the signs that
 * need no quotes?  It does not begin with "-": programs take that for an option.
 */
bool str_is_mail(const char *s);

/* Columns that `s` (UTF-8) takes on a terminal: East Asian wide count 2. */
size_t str_columns(const char *s);

#endif
