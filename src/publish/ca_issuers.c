/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "publish/ca.h"

#define BLANKS " \t"

/* "<hash> <name>", without its line end. */
static int
line_take(struct ca_issuers *issuers, char *line, struct err *err)
{
	uint8_t bytes[STORE_ISSUER_HEX / 2];
	size_t len = strcspn(line, BLANKS), i;
	char *dn = line + len;

	dn += strspn(dn, BLANKS);
	if (len != STORE_ISSUER_HEX || *dn == '\0')
		return err_set(err, ERR_PARSE,
		    "not the 40 hexadecimal digits of an issuer's key and its "
		    "name");
	line[len] = '\0';
	if (str_unhex(line, bytes, sizeof(bytes)) == -1)
		return err_set(err, ERR_PARSE,
		    "\"%s\" is not 40 hexadecimal digits", line);
	if (issuers->n == CA_ISSUERS_MAX)
		return err_set(
		    err, ERR_RANGE, "more than %d issuers", CA_ISSUERS_MAX);
	str_hex(bytes, sizeof(bytes), issuers->at[issuers->n].hash);
	for (i = 0; i < issuers->n; i++)
		if (strcmp(issuers->at[i].hash, issuers->at[issuers->n].hash) ==
		    0)
			return err_set(err, ERR_CONFLICT,
			    "%s is there twice; leave one", line);
	if (!str_is_utf8(dn, strlen(dn)) ||
	    str_copy(issuers->at[issuers->n].dn, CA_DN_MAX, dn) == -1)
		return err_set(err, ERR_PARSE,
		    "the name is not UTF-8, or longer than %d bytes",
		    CA_DN_MAX - 1);
	issuers->n++;
	return 0;
}

static int
file_read(
    FILE *in, const char *path, struct ca_issuers *issuers, struct err *err)
{
	char line[CA_DN_MAX + STORE_ISSUER_HEX + 64];
	int nr = 0;

	while (fgets(line, sizeof(line), in) != NULL) {
		size_t len = strcspn(line, "\r\n");

		nr++;
		while (len > 0 && strchr(BLANKS, line[len - 1]) != NULL)
			len--;
		line[len] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (line_take(issuers, line, err) == -1)
			return err_add(err, "%s:%d", path, nr);
	}
	if (ferror(in))
		return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	if (issuers->n == 0)
		return err_set(
		    err, ERR_PARSE, "%s: there are no issuers in it", path);
	return 0;
}

int
ca_issuers_load(const char *path, struct ca_issuers *issuers, struct err *err)
{
	FILE *in = fopen(path, "re");
	int rc;

	issuers->n = 0;
	if (in == NULL)
		return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	rc = file_read(in, path, issuers, err);
	fclose(in);
	return rc;
}
