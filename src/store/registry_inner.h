/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry_inner.h -- a page of the registry in memory, as the two files that
 * read and write it see it.  Store thread only.
 */
#ifndef STORE_REGISTRY_INNER_H
#define STORE_REGISTRY_INNER_H

#include "registry_page.h"

#define PAGE_BUCKETS 8192

/* Something read from the store. */
struct page_found {
	struct page_found *next;
	_Alignas(16) unsigned char bytes[];
};

/* A certificate's new status. */
struct page_change {
	struct page_cert *cert;
	enum store_status status;
	int64_t status_us, now_us;
};

struct page {
	size_t n;                    /* rows: the room in the arrays */
	struct page_found *found;    /* all that was read */
	struct page_holder *known;   /* of it, the holders */
	struct page_holder *holders; /* new ones, in the order of the rows */
	size_t n_holders;
	struct page_cert *certs; /* likewise */
	size_t n_certs;
	struct page_change *changes;
	size_t n_changes;
	struct page_holder *by_ref[PAGE_BUCKETS];
	struct page_cert *by_serial[PAGE_BUCKETS];
};

#endif
