#!/bin/sh
# Makes the secrets that compose.yaml mounts, where they are not there yet: `docker/secrets.sh`.
# HF_TOKEN of the environment becomes the hub's token; empty is right for public models.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
cd secrets

# A container sees the host's owner and mode of such a file, and is another user: the files are
# for all to read, and the folder keeps the others of the host out.
chmod 700 .
umask 022
[ -e hub_token ] || printf '%s' "${HF_TOKEN:-}" >hub_token
[ -e grafana_password ] || od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >grafana_password
