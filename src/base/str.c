/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"

int
str_copy(char *out, size_t size, const char *src)
{
	size_t len = strlen(src), n = len < size ? len : size - 1;

	memcpy(out, src, n);
	out[n] = '\0';
	return n == len ? 0 : -1;
}

bool
str_is_digits(const char *s, size_t min, size_t max)
{
	size_t n = strspn(s, "0123456789");

	return s[n] == '\0' && n >= min && n <= max;
}

char *
str_int(char *out, int64_t n)
{
	char digits[STR_INT_SIZE], *d = digits + sizeof(digits);
	uint64_t rest = n < 0 ? -(uint64_t)n : (uint64_t)n;

	*--d = '\0';
	do
		*--d = (char)('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (n < 0)
		*--d = '-';
	memcpy(out, d, (size_t)(digits + sizeof(digits) - d));
	return out + (digits + sizeof(digits) - d) - 1;
}

void
str_hex(const void *bytes, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = bytes;
	size_t i;

	for (i = 0; i < len; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * len] = '\0';
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
str_unhex(const char *hex, void *bytes, size_t len)
{
	unsigned char *p = bytes;
	size_t i;
	int hi, lo;

	for (i = 0; i < len; i++) {
		if ((hi = hex_value(hex[2 * i])) == -1 ||
		    (lo = hex_value(hex[2 * i + 1])) == -1)
			return -1;
		p[i] = (unsigned char)(hi << 4 | lo);
	}
	return hex[2 * len] == '\0' ? 0 : -1;
}

/*
 * Decode one character of at most `len` bytes; returns its length, or 0 when
 * the bytes are not UTF-8 (RFC 3629).
 */
static size_t
utf8_next(const unsigned char *p, size_t len, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n, i;

	if (len == 0 || p[0] == 0)
		return 0;
	if (p[0] < 0x80) {
		*code = p[0];
		return 1;
	}
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > len)
		return 0;
	*code = p[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (p[i] & 0x3f);
	}
	if (*code < least[n] || *code > 0x10ffff ||
	    (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return n;
}

bool
str_is_utf8(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t code;
	size_t n;

	for (; len > 0; p += n, len -= n)
		if ((n = utf8_next(p, len, &code)) == 0)
			return false;
	return true;
}

bool
str_is_line(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t len = strlen(s), n;
	uint32_t c = 0;

	for (; len > 0; p += n, len -= n)
		if ((n = utf8_next(p, len, &c)) == 0 || c < 0x20 ||
		    (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e ||
		    c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
		    (c >= 0x2066 && c <= 0x2069))
			return false;
	return true;
}

static bool
is_wide(uint32_t c)
{
	return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
	    (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
	    (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
	    (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x20000 && c <= 0x3fffd);
}

size_t
str_columns(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t len = strlen(s), n, columns = 0;
	uint32_t code = 0;

	for (; len > 0; p += n, len -= n) {
		if ((n = utf8_next(p, len, &code)) == 0) {
			n = 1;
			code = '?';
		}
		columns += is_wide(code) ? 2 : 1;
	}
	return columns;
}

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

bool
str_is_mail(const char *s)
{
	size_t local = strspn(s, LETTERS ".!#$%&'*+/=?^_`{|}~-"), domain;

	if (local == 0 || local > 64 || s[0] == '-' || s[local] != '@')
		return false;
	s += local + 1;
	domain = strspn(s, LETTERS ".-");
	return domain > 0 && s[domain] == '\0' && domain + local < 254 &&
	    s[0] != '.' && s[0] != '-' && s[domain - 1] != '.' &&
	    s[domain - 1] != '-';
}
