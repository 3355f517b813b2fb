/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.h -- how records look on a terminal and in JSON.
 *
 * Shared by the commands that print certificates and cases.  Times are shown
 * in Japan Standard Time.  Any one thread.
 */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json_t; /* jansson's */
struct store_cert;

/* Print text, filled up with blanks to so many columns of a terminal; at least
 * one blank. */
void show_padded(FILE *out, const char *text, unsigned int columns);

/* Print an instant, or "not yet" for 0. */
void show_time(FILE *out, int64_t us);

/* "東京都千代田区" of a code, or "" when it is not known. */
void show_municipality(char *out, size_t size, const char *code);

/* Has the certificate's last Japanese day passed? */
bool show_expired(const struct store_cert *cert, int64_t now_us);

/* Print a certificate in lines that begin with `indent`; without the time at
 * which relying parties saw it. */
void show_cert(FILE *out, const char *indent, const struct store_cert *cert,
    int64_t now_us);

/* A certificate as a JSON object; owned, aborts when out of memory. */
struct json_t *show_cert_json(const struct store_cert *cert, int64_t now_us);

/* An instant as a JSON string, or null for 0; owned. */
struct json_t *show_time_json(int64_t us);

/* Print a JSON value and a line end, and free it. */
void show_json(FILE *out, struct json_t *value);

#endif
