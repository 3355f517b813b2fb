/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_value.h -- a setting's value: read from text, shown, freed; inside base/
 * only.  Any thread, as long as nobody else has the struct conf.
 */
#ifndef BASE_CONF_VALUE_H
#define BASE_CONF_VALUE_H

#include "base/conf_table.h"

struct conf;
struct err;

/* Room for the longest value that is not a path. */
#define CONF_VALUE_SIZE 128

/* Read one value, or one entry of a list, into its field.  Returns 0, or -1
 * with *err, which does not name the setting; *c is then unchanged. */
int conf_value_take(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err);

/* Set a field to its default.  -1: out of memory. */
int conf_value_take_initial(struct conf *c, const struct conf_def *d);

/* Is it a list? */
bool conf_value_is_list(const struct conf_def *d);

/* How many entries a list has. */
size_t conf_value_count(const struct conf *c, const struct conf_def *d);

/* Does its value stand in quotes? */
bool conf_value_is_quoted(const struct conf_def *d);

/* Free what a field owns; a list is empty then. */
void conf_value_drop(struct conf *c, const struct conf_def *d);

/* A field as text, entry i of a list; borrowed from `c` or written to buf. */
const char *conf_value_show(const struct conf *c, const struct conf_def *d,
    size_t i, char buf[CONF_VALUE_SIZE]);

/* "duration, 1s to 10min" of a row; returns buf. */
const char *conf_value_kind(
    const struct conf_def *d, char buf[CONF_VALUE_SIZE]);

#endif
