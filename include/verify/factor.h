/* SPDX-License-Identifier: Apache-2.0 */
/*
 * factor.h -- from what a person says or a registry holds to keyed MACs.
 *
 * The same functions serve a call and a registry import, so that the same
 * answer always gives the same bytes.  Under key version v:
 *
 *	tag	HMAC(v.lookup, birth date | postal code)
 *	phone	HMAC(v.factor, "phone4" | tag | last four digits)
 *	pin	argon2id(HMAC(v.factor, "pin" | tag | PIN), salt = tag)
 *
 * Pure.  Any thread; factor_pin() takes about 35 ms, so never on the loop.
 */
#ifndef VERIFY_FACTOR_H
#define VERIFY_FACTOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

#define FACTOR_BIRTH_DIGITS 8  /* YYYYMMDD, Gregorian */
#define FACTOR_POSTAL_DIGITS 7 /* without the hyphen */
#define FACTOR_PHONE_DIGITS 4  /* the last four */
#define FACTOR_PIN_MIN 4
#define FACTOR_PIN_MAX 10

/* The lookup tag, under key slot `slot`.  Digits only, already checked. */
void factor_tag(const struct keyring *keys, size_t slot, const char *birth,
    const char *postal, uint8_t tag[SECRET_MAC_SIZE]);

/* A telephone's last four digits. */
void factor_phone(const struct keyring *keys, size_t slot,
    const uint8_t tag[SECRET_MAC_SIZE], const char *last4,
    uint8_t mac[SECRET_MAC_SIZE]);

/* The passphrase PIN; "" is a PIN like any other here.  -1: no memory. */
int factor_pin(const struct keyring *keys, size_t slot,
    const uint8_t tag[SECRET_MAC_SIZE], const char *pin,
    uint8_t mac[SECRET_MAC_SIZE]);

/* A calling number, for attempt counters: its digits, under the oldest key. */
void factor_number(const struct keyring *keys, const char *number,
    uint8_t mac[SECRET_MAC_SIZE]);

/* A holder reference, under key slot `slot`. */
void factor_ref(const struct keyring *keys, size_t slot, const char *ref,
    uint8_t mac[SECRET_MAC_SIZE]);

#endif
