/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite engine: an SQLite VFS in front of the real one that writes a
 * commit's part of the write-ahead log at once.  SQLite writes two pieces a
 * page, some fifty for one hold, and each is a system call; what follows the
 * piece before it is kept here instead until anything else is done with the
 * log, before each sync at the latest.  With synchronous=FULL every commit is
 * synced before anybody is told of it, in this process or another.
 *
 * What a transaction that is undone has left here is dropped before anybody
 * else may write (sqlite_log_drop()): its place in the log is theirs then.
 *
 * A write that fails is told late, by that sync: the commit's mark is the last
 * of what is written, so it is not complete then.
 */
#include <pthread.h>
#include <string.h>

#include "sqlite.h"

/* Pages with their heads; SQLite's own VFS writes less than 128 KiB at once. */
#define LOG_BUFFER (31 * 4120)
_Static_assert(LOG_BUFFER < 0x20000, "one write");

struct log_file {
	sqlite3_file base;
	sqlite3_file *real; /* follows this struct */
	sqlite3_int64 at;   /* where the bytes belong */
	int len;
	char *bytes; /* LOG_BUFFER; NULL = not yet */
};

static struct log_file *
log_of(sqlite3_file *f)
{
	return (struct log_file *)f;
}

/* What cannot be written is as good as what was never written. */
static int
log_flush(struct log_file *f)
{
	int len = f->len;

	f->len = 0;
	return len == 0
	    ? SQLITE_OK
	    : f->real->pMethods->xWrite(f->real, f->bytes, len, f->at);
}

static int
log_close(sqlite3_file *file)
{
	struct log_file *f = log_of(file);

	sqlite3_free(f->bytes); /* whatever was committed was synced */
	return f->real->pMethods->xClose(f->real);
}

static int
log_read(sqlite3_file *file, void *out, int len, sqlite3_int64 at)
{
	struct log_file *f = log_of(file);
	int rc = log_flush(f);

	return rc != SQLITE_OK
	    ? rc
	    : f->real->pMethods->xRead(f->real, out, len, at);
}

static int
log_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
	struct log_file *f = log_of(file);
	int rc;

	if (f->bytes == NULL)
		f->bytes = sqlite3_malloc(LOG_BUFFER);
	if ((at != f->at + f->len || len > LOG_BUFFER - f->len) &&
	    (rc = log_flush(f)) != SQLITE_OK)
		return rc;
	if (f->bytes == NULL || len > LOG_BUFFER)
		return f->real->pMethods->xWrite(f->real, bytes, len, at);
	if (f->len == 0)
		f->at = at;
	memcpy(f->bytes + f->len, bytes, (size_t)len);
	f->len += len;
	return SQLITE_OK;
}

static int
log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct log_file *f = log_of(file);
	int rc = log_flush(f);

	return rc != SQLITE_OK ? rc
			       : f->real->pMethods->xTruncate(f->real, size);
}

static int
log_sync(sqlite3_file *file, int flags)
{
	struct log_file *f = log_of(file);
	int rc = log_flush(f);

	return rc != SQLITE_OK ? rc : f->real->pMethods->xSync(f->real, flags);
}

static int
log_size(sqlite3_file *file, sqlite3_int64 *size)
{
	struct log_file *f = log_of(file);
	int rc = log_flush(f);

	return rc != SQLITE_OK ? rc
			       : f->real->pMethods->xFileSize(f->real, size);
}

static int
log_lock(sqlite3_file *file, int lock)
{
	return log_of(file)->real->pMethods->xLock(log_of(file)->real, lock);
}

static int
log_unlock(sqlite3_file *file, int lock)
{
	return log_of(file)->real->pMethods->xUnlock(log_of(file)->real, lock);
}

static int
log_check_lock(sqlite3_file *file, int *reserved)
{
	return log_of(file)->real->pMethods->xCheckReservedLock(
	    log_of(file)->real, reserved);
}

static int
log_control(sqlite3_file *file, int op, void *arg)
{
	return log_of(file)->real->pMethods->xFileControl(
	    log_of(file)->real, op, arg);
}

static int
log_sector_size(sqlite3_file *file)
{
	return log_of(file)->real->pMethods->xSectorSize(log_of(file)->real);
}

static int
log_device(sqlite3_file *file)
{
	return log_of(file)->real->pMethods->xDeviceCharacteristics(
	    log_of(file)->real);
}

static const sqlite3_io_methods log_methods = { 1, log_close, log_read,
	log_write, log_truncate, log_sync, log_size, log_lock, log_unlock,
	log_check_lock, log_control, log_sector_size, log_device, NULL, NULL,
	NULL, NULL, NULL, NULL };

/* Every other file is the real VFS's alone. */
static int
log_open(
    sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
	sqlite3_vfs *real = vfs->pAppData;
	struct log_file *f = log_of(file);
	int rc;

	if ((flags & SQLITE_OPEN_WAL) == 0)
		return real->xOpen(real, name, file, flags, out);
	memset(f, 0, sizeof(*f));
	f->real = (sqlite3_file *)(f + 1);
	rc = real->xOpen(real, name, f->real, flags, out);
	if (rc == SQLITE_OK)
		f->base.pMethods = &log_methods;
	return rc;
}

void
sqlite_log_drop(sqlite3 *db)
{
	sqlite3_file *file = NULL;

	if (sqlite3_file_control(
		db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) == SQLITE_OK &&
	    file != NULL && file->pMethods == &log_methods)
		log_of(file)->len = 0;
}

static sqlite3_vfs log_vfs;

static void
log_register(void)
{
	sqlite3_vfs *real = sqlite3_vfs_find(NULL);

	log_vfs = *real;
	log_vfs.pNext = NULL;
	log_vfs.zName = SQLITE_LOG_VFS;
	log_vfs.pAppData = real;
	log_vfs.szOsFile = (int)sizeof(struct log_file) + real->szOsFile;
	log_vfs.xOpen = log_open;
	sqlite3_vfs_register(&log_vfs, 0);
}

const char *
sqlite_log_vfs(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, log_register);
	return SQLITE_LOG_VFS;
}
