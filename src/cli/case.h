/* SPDX-License-Identifier: Apache-2.0 */
/*
 * case.h -- what the commands for cases share.
 */
#ifndef CLI_CASE_H
#define CLI_CASE_H

#include "cli/cli.h"
#include "hold/receipt.h"
#include "store/cases.h"

struct json_t;

/* A receipt number as people write it down ("148 467 8217", "148-467-8217").
 * Returns 0, or else the exit status, after saying what is wrong with it. */
int case_receipt(const struct cli_command *self, const char *text,
    char out[RECEIPT_DIGITS + 1]);

/* What last happened in a case, in one word; "" = nothing since it was
 * opened. */
const char *case_news(const char *what);

/* Print what a clerk needs to know of what happened in a case.  Returns 0, or
 * -1 with *err. */
int case_notes_show(
    struct store *store, const struct store_case *c, struct err *err);

/* All that happened, [{"at", "what"}, ...]; NULL with *err. */
struct json_t *case_notes_json(
    struct store *store, const struct store_case *c, struct err *err);

#endif
