/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <jansson.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "publish/contact.h"

/* "" when it is not there, is no text or does not fit. */
static void
take_text(const json_t *all, const char *name, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(all, name));

	if (text == NULL || str_copy(out, size, text) == -1)
		out[0] = '\0';
}

static void
take_phones(const json_t *all, struct contact *out)
{
	const json_t *phones = json_object_get(all, "phones");
	const char *text;
	size_t i;

	for (i = 0;
	     i < json_array_size(phones) && out->n_phones < CONTACT_PHONES_MAX;
	     i++) {
		text = json_string_value(json_array_get(phones, i));
		if (text != NULL && str_is_digits(text, 1, 15))
			str_copy(out->phones[out->n_phones++],
			    sizeof(out->phones[0]), text);
	}
}

static int
contact_parse(
    struct contact *out, const char *text, size_t len, struct err *err)
{
	json_t *all = json_loadb(text, len, 0, NULL);

	if (!json_is_object(all)) {
		json_decref(all);
		return err_set(err, ERR_PARSE, "the contact data is damaged");
	}
	take_text(all, "kana", out->name, sizeof(out->name));
	take_text(all, "mail", out->mail, sizeof(out->mail));
	take_text(all, "address", out->address, sizeof(out->address));
	take_text(all, "lang", out->lang, sizeof(out->lang));
	take_phones(all, out);
	if (!str_is_mail(out->mail))
		out->mail[0] = '\0';
	json_decref(all);
	return 0;
}

int
contact_open(struct contact *out, const struct keyring *keys,
    const struct store_dispatch *row, struct err *err)
{
	char text[STORE_DISPATCH_CONTACT];
	int rc;

	memset(out, 0, sizeof(*out));
	if (row->contact_len < SECRET_SEAL_EXTRA)
		return err_set(err, ERR_NOTFOUND, "there is no contact data");
	if (secret_open(keys, row->key_version, row->contact, row->contact_len,
		text) == -1)
		return err_set(err, ERR_REFUSED,
		    "the contact data does not open with version %u of the "
		    "key file",
		    (unsigned int)row->key_version);
	rc =
	    contact_parse(out, text, row->contact_len - SECRET_SEAL_EXTRA, err);
	secret_cleanse(text, sizeof(text));
	return rc;
}

void
contact_wipe(struct contact *c)
{
	secret_cleanse(c, sizeof(*c));
}

const char *
contact_mobile(const struct contact *c)
{
	unsigned int i;

	for (i = 0; i < c->n_phones; i++)
		if (strlen(c->phones[i]) == 11 && c->phones[i][0] == '0' &&
		    strchr("789", c->phones[i][1]) != NULL &&
		    c->phones[i][2] == '0')
			return c->phones[i];
	return NULL;
}
