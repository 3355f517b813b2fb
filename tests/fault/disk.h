/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk.h -- a disk that forgets: an SQLite VFS in front of the real one.
 *
 * What was written but not synced is remembered beside what is safe, so that
 * a power cut can be made at any instant: each write since the last sync is
 * then there, or not, or torn at a sector.  The disk can also be full, or fail
 * to sync.  Included once, by a test with one thread.
 */
#ifndef TESTS_DISK_H
#define TESTS_DISK_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#define SECTOR 512

struct disk_bytes {
	uint8_t *bytes;
	size_t len;
};

struct disk_write {
	struct disk_write *next;
	bool truncate; /* to `at` */
	size_t at, len;
	uint8_t bytes[];
};

/* 0 = the database, 1 = its write-ahead log */
struct disk_image {
	struct disk_bytes safe;
	struct disk_write *first, **last;
};

static struct disk {
	sqlite3_vfs vfs, *real;
	bool recording;
	bool full, sync_fails;
	unsigned int syncs;
	struct disk_image images[2];
	void (*moment)(void); /* called before each write and sync */
} disk;

struct disk_file {
	sqlite3_file base;
	struct disk_image *image; /* NULL = of no interest */
	sqlite3_file *real;       /* follows this struct */
};

/* ---- bytes */

static void
bytes_resize(struct disk_bytes *b, size_t len)
{
	if (len > b->len) {
		b->bytes = realloc(b->bytes, len);
		assert(b->bytes != NULL);
		memset(b->bytes + b->len, 0, len - b->len);
	}
	b->len = len;
}

/* Apply the first `len` bytes of a write. */
static void
bytes_apply(struct disk_bytes *b, const struct disk_write *w, size_t len)
{
	if (w->truncate) {
		bytes_resize(b, w->at);
		return;
	}
	if (w->at + len > b->len)
		bytes_resize(b, w->at + len);
	if (len > 0)
		memcpy(b->bytes + w->at, w->bytes, len);
}

static void
image_note(struct disk_image *image, bool truncate, size_t at,
    const void *bytes, size_t len)
{
	struct disk_write *w = malloc(sizeof(*w) + len);

	assert(w != NULL);
	w->next = NULL;
	w->truncate = truncate;
	w->at = at;
	w->len = len;
	if (len > 0)
		memcpy(w->bytes, bytes, len);
	*image->last = w;
	image->last = &w->next;
}

/* Forget the pending writes, after applying them when they are safe now. */
static void
image_settle(struct disk_image *image, bool safe)
{
	struct disk_write *w, *next;

	for (w = image->first; w != NULL; w = next) {
		next = w->next;
		if (safe)
			bytes_apply(&image->safe, w, w->len);
		free(w);
	}
	image->first = NULL;
	image->last = &image->first;
}

/* What a power cut would leave of image i; the caller frees. */
static inline struct disk_bytes
disk_cut(size_t i)
{
	const struct disk_image *image = &disk.images[i];
	struct disk_bytes left = { 0 };
	const struct disk_write *w;

	bytes_resize(&left, image->safe.len);
	if (left.len > 0)
		memcpy(left.bytes, image->safe.bytes, left.len);
	for (w = image->first; w != NULL; w = w->next)
		switch (rand() % 3) {
		case 0:
			break;
		case 1:
			bytes_apply(&left, w, w->len);
			break;
		default:
			bytes_apply(&left, w,
			    w->len / SECTOR * (size_t)(rand() % 8) / 8 *
				SECTOR);
		}
	return left;
}

/* ---- the file */

static sqlite3_file *
real_of(sqlite3_file *f)
{
	return ((struct disk_file *)f)->real;
}

static struct disk_image *
recorded(sqlite3_file *f)
{
	struct disk_image *image = ((struct disk_file *)f)->image;

	if (!disk.recording || image == NULL)
		return NULL;
	if (disk.moment != NULL)
		disk.moment();
	return image;
}

static int
disk_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int
disk_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static int
disk_put(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	struct disk_image *image = recorded(f);

	if (image != NULL && disk.full)
		return SQLITE_FULL;
	if (image != NULL)
		image_note(image, false, (size_t)at, p, (size_t)n);
	return real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int
disk_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	struct disk_image *image = recorded(f);

	if (image != NULL)
		image_note(image, true, (size_t)size, NULL, 0);
	return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int
disk_sync(sqlite3_file *f, int flags)
{
	struct disk_image *image = recorded(f);

	(void)flags;
	if (image != NULL && disk.sync_fails)
		return SQLITE_IOERR_FSYNC;
	if (image != NULL) {
		image_settle(image, true);
		disk.syncs++;
	}
	return SQLITE_OK; /* the real one may stay in the page cache */
}

static int
disk_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int
disk_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int
disk_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int
disk_reserved(sqlite3_file *f, int *out)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int
disk_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int
disk_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int
disk_traits(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int
disk_shm_map(
    sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	return real_of(f)->pMethods->xShmMap(
	    real_of(f), page, size, extend, out);
}

static int
disk_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}

static void
disk_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int
disk_shm_unmap(sqlite3_file *f, int del)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), del);
}

static const sqlite3_io_methods disk_methods = { 2, disk_close, disk_read,
	disk_put, disk_truncate, disk_sync, disk_size, disk_lock, disk_unlock,
	disk_reserved, disk_control, disk_sector, disk_traits, disk_shm_map,
	disk_shm_lock, disk_shm_barrier, disk_shm_unmap, NULL, NULL };

static int
disk_open(
    sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct disk_file *d = (struct disk_file *)f;
	int rc;

	(void)vfs;
	d->real = (sqlite3_file *)(d + 1);
	d->image = (flags & SQLITE_OPEN_MAIN_DB) != 0 ? &disk.images[0]
	    : (flags & SQLITE_OPEN_WAL) != 0          ? &disk.images[1]
						      : NULL;
	rc = disk.real->xOpen(disk.real, name, d->real, flags, out);
	d->base.pMethods = d->real->pMethods != NULL ? &disk_methods : NULL;
	return rc;
}

/* ---- */

/* Put this disk in front of the real one, for all that is opened later. */
static inline void
disk_install(void)
{
	disk.real = sqlite3_vfs_find(NULL);
	disk.vfs = *disk.real;
	disk.vfs.zName = "forgetful";
	disk.vfs.szOsFile = (int)sizeof(struct disk_file) + disk.real->szOsFile;
	disk.vfs.xOpen = disk_open;
	sqlite3_vfs_register(&disk.vfs, 1);
}

/* From here on; `safe` is what is on the disk already. */
static inline void
disk_record(struct disk_bytes db, struct disk_bytes wal)
{
	disk.images[0] = (struct disk_image){ .safe = db };
	disk.images[1] = (struct disk_image){ .safe = wal };
	disk.images[0].last = &disk.images[0].first;
	disk.images[1].last = &disk.images[1].first;
	disk.recording = true;
	disk.syncs = 0;
}

/* Stop, and forget everything. */
static inline void
disk_stop(void)
{
	size_t i;

	disk.recording = disk.full = disk.sync_fails = false;
	disk.moment = NULL;
	for (i = 0; i < 2; i++) {
		image_settle(&disk.images[i], false);
		free(disk.images[i].safe.bytes);
		disk.images[i] = (struct disk_image){ 0 };
	}
}

#endif
