/* SPDX-License-Identifier: Apache-2.0 */
/*
 * case.h -- what the commands for cases share.
 */
#ifndef CLI_CASE_H
#define CLI_CASE_H

#include "cli/cli.h"
#include "hold/receipt.h"

/* A receipt number as people write it down ("148 467 8217", "148-467-8217").
 * Returns 0, or else the exit status, after saying what is wrong with it. */
int case_receipt(const struct cli_command *self, const char *text,
    char out[RECEIPT_DIGITS + 1]);

#endif
