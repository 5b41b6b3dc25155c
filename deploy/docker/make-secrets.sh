#!/bin/sh
# Makes the secrets that compose.yml mounts, once; what is there stays.
#
# The folder is closed to others (700). The files in it can be read (444), because inside
# a container another user reads them, and compose mounts files as they are.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
chmod 700 secrets

random() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

keep() {
    if [ ! -s "secrets/$1" ]; then
        cat > "secrets/.$1.new"
        chmod 444 "secrets/.$1.new"
        mv "secrets/.$1.new" "secrets/$1"
        echo "made secrets/$1"
    fi
}

random | keep secret_key
random | keep postgres_password
random | keep admin_password
openssl genrsa 2048 2> /dev/null | keep jwt_key
printf 'postgres://lifeos:%s@postgres:5432/lifeos' "$(cat secrets/postgres_password)" | keep database_url

for file in fullchain.pem privkey.pem; do
    [ -s "secrets/$file" ] || echo "still to do: put your certificate into secrets/$file"
done
