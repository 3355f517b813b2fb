/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receipt.h -- receipt numbers (受付番号): ten digits, the last a check digit.
 *
 * The check digit is Damm's (a totally anti-symmetric quasigroup of order
 * 10): it catches every wrong digit and every swap of neighbours.  The first
 * digit is never 0, so that no spreadsheet shortens the number.
 * Pure; any thread.
 */
#ifndef HOLD_RECEIPT_H
#define HOLD_RECEIPT_H

#include <stdbool.h>
#include <stdint.h>

#define RECEIPT_DIGITS 10

/* A receipt number from a random number (any value). */
void receipt_make(uint64_t random, char out[RECEIPT_DIGITS + 1]);

/* Ten digits whose check digit is right? */
bool receipt_valid(const char *receipt);

#endif
