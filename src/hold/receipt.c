/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "hold/receipt.h"

/* H. M. Damm's quasigroup of order 10 (dissertation, Marburg 2004): totally
 * anti-symmetric, with zeros on the diagonal. */
static const unsigned char damm[10][10] = {
	{ 0, 3, 1, 7, 5, 9, 8, 6, 4, 2 },
	{ 7, 0, 9, 2, 1, 5, 4, 8, 6, 3 },
	{ 4, 2, 0, 6, 8, 7, 1, 3, 5, 9 },
	{ 1, 7, 5, 0, 9, 8, 3, 4, 2, 6 },
	{ 6, 1, 2, 3, 0, 4, 5, 9, 7, 8 },
	{ 3, 6, 7, 4, 2, 0, 9, 5, 8, 1 },
	{ 5, 8, 6, 9, 7, 2, 0, 1, 3, 4 },
	{ 8, 9, 4, 5, 3, 6, 2, 0, 1, 7 },
	{ 9, 4, 3, 8, 6, 1, 7, 2, 0, 5 },
	{ 2, 5, 8, 1, 4, 3, 6, 7, 9, 0 },
};

static unsigned int
damm_over(const char *digits, size_t n)
{
	unsigned int interim = 0;
	size_t i;

	for (i = 0; i < n; i++)
		interim = damm[interim][digits[i] - '0'];
	return interim;
}

void
receipt_make(uint64_t random, char out[RECEIPT_DIGITS + 1])
{
	uint64_t body = 100000000 + random % 900000000;
	int i;

	for (i = RECEIPT_DIGITS - 2; i >= 0; i--, body /= 10)
		out[i] = (char)('0' + body % 10);
	out[RECEIPT_DIGITS - 1] =
	    (char)('0' + damm_over(out, RECEIPT_DIGITS - 1));
	out[RECEIPT_DIGITS] = '\0';
}

bool
receipt_valid(const char *receipt)
{
	return str_is_digits(receipt, RECEIPT_DIGITS, RECEIPT_DIGITS) &&
	    receipt[0] != '0' && damm_over(receipt, RECEIPT_DIGITS) == 0;
}
