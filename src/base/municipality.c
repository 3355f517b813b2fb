/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/municipality.h"
#include "base/str.h"

static const struct municipality table[] = {
#include "generated/municipalities.inc"
};

#define TABLE_N (sizeof(table) / sizeof(table[0]))

/* The check digit of 全国地方公共団体コード: see the table's README. */
bool
municipality_code_valid(const char *code)
{
	int sum = 0, i;

	if (!str_is_digits(code, 6, 6))
		return false;
	for (i = 0; i < 5; i++)
		sum += (6 - i) * (code[i] - '0');
	return (11 - sum % 11) % 10 == code[5] - '0';
}

static int
compare(const void *key, const void *row)
{
	return strcmp(key, ((const struct municipality *)row)->code);
}

const struct municipality *
municipality_find(const char *code)
{
	return bsearch(code, table, TABLE_N, sizeof(table[0]), compare);
}

size_t
municipality_count(void)
{
	return TABLE_N;
}

const struct municipality *
municipality_at(size_t i)
{
	return &table[i];
}
