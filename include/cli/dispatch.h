/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch.h -- how commands show what somebody was told.
 */
#ifndef CLI_DISPATCH_H
#define CLI_DISPATCH_H

#include <jansson.h>

#include "store/dispatch.h"

/* One of them as JSON; owned (json_decref). */
json_t *dispatch_json(const struct store_dispatch *d);

/* For a case: a line for each that somebody was or is to be told; none when
 * there is none. */
void dispatch_show_told(const struct store_dispatch_list *told);

/* The same as a JSON list; owned (json_decref). */
json_t *dispatch_told_json(const struct store_dispatch_list *told);

#endif
