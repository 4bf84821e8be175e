#!/bin/sh
# Starts the Redis of docker-compose.yml, with users.acl beside this file and the passwords of its environment in it.
# A file of users holds no variables, and one that holds passwords belongs on no disk.

set -eu
umask 077
here=$(dirname "$0")
users=${TMPDIR:-/tmp}/users.acl

for name in REDIS_WORKER_PASSWORD REDIS_ENDPOINT_PASSWORD REDIS_VERBS_PASSWORD; do
    eval "password=\${$name:-}"
    case $password in
    '' | *[!A-Za-z0-9._-]*)
        echo "$name is empty, or has what an address cannot hold; allowed are letters, digits, dots, dashes and _" >&2
        exit 78
        ;;
    esac
done

sed -e "s/>WORKER-PASSWORD/>$REDIS_WORKER_PASSWORD/" \
    -e "s/>ENDPOINT-PASSWORD/>$REDIS_ENDPOINT_PASSWORD/" \
    -e "s/>VERBS-PASSWORD/>$REDIS_VERBS_PASSWORD/" \
    "$here/users.acl" >"$users"
exec redis-server "$here/redis.conf" --aclfile "$users" "$@"
