/* SPDX-License-Identifier: Apache-2.0 */
/*
 * places.h -- the municipalities' mail addresses, from a file of lines
 * "<six digits> <address>".  Any thread once loaded.
 */
#ifndef PUBLISH_PLACES_H
#define PUBLISH_PLACES_H

struct err;
struct places; /* opaque */

/* Owned (places_free); NULL with *err, which names the line.  Empty lines and
 * # comments are skipped; a code twice, or that no municipality has, and an
 * address that is none are refused. */
struct places *places_load(const char *path, struct err *err);

/* NULL is a no-op. */
void places_free(struct places *p);

/* The address of a municipality, borrowed, or NULL; also when p is NULL. */
const char *places_find(const struct places *p, const char *code);

#endif
