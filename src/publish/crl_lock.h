/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crl_lock.h -- one writer of a CRL folder at a time.  Inside publish/ only.
 *
 * The lock is on a file that nobody else may open, .lock in the folder: who can
 * only read the folder could lock that itself, and stop all CRLs.  Blocks, for
 * as long as it is told; any one thread.
 */
#ifndef PUBLISH_CRL_LOCK_H
#define PUBLISH_CRL_LOCK_H

#include <stdint.h>

struct err;

/*
 * Returns a descriptor that holds the lock until it is closed; -1 with *err:
 * ERR_IO, ERR_REFUSED (the file is not one of ours), ERR_CONFLICT (somebody had
 * the lock for longer than wait_us; the text says who).
 */
int crl_lock(const char *dir, int64_t wait_us, struct err *err);

#endif
