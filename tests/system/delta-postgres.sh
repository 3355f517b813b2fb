#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The registry's news on PostgreSQL: the holders, certificates, cases and calls
# of delta.sh.
engine=postgres
. "$(dirname "$0")/delta.sh"
