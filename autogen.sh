#!/bin/sh
# Makes ./configure from configure.ac. Needs autoconf, automake, libtool, autoconf-archive and pkg-config.
set -e
cd "$(dirname "$0")"
exec autoreconf --install --force --warnings=all
