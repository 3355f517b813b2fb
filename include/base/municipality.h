/* SPDX-License-Identifier: Apache-2.0 */
/*
 * municipality.h -- Japan's local government codes (全国地方公共団体コード).
 *
 * Six digits, the last a check digit.  The table is compiled in from
 * src/base/municipalities.tsv.  A check digit misses some errors, so always
 * show the name back.  Any thread.
 */
#ifndef BASE_MUNICIPALITY_H
#define BASE_MUNICIPALITY_H

#include <stdbool.h>
#include <stddef.h>

struct municipality {
	const char *code;       /* "131016" */
	const char *prefecture; /* 東京都 */
	const char *name;       /* 千代田区 */
	const char *kana;       /* ちよだく */
};

/* Six digits whose check digit is right? */
bool municipality_code_valid(const char *code);

/* The municipality or ward that has this code, or NULL.  Prefectures have
 * codes too, but nobody's record is kept by one: they are not found.  It stays
 * for good, as all here. */
const struct municipality *municipality_find(const char *code);

/* How many there are, and each of them, by ascending code. */
size_t municipality_count(void);
/* The i-th; i < municipality_count(). */
const struct municipality *municipality_at(size_t i);

#endif
