#!/bin/sh
# Installs Life-OS from this checkout for systemd: user, code, secrets, units. Run it as
# root; again after each update. It starts nothing that does not run already.
#   sh deploy/systemd/install.sh            several processes, PostgreSQL, Redis
#   sh deploy/systemd/install.sh embedded   one process, SQLite
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
kind=${1:-scaled}
[ "$(id -u)" = 0 ] || { echo "Run this as root." >&2; exit 1; }

id lifeos > /dev/null 2>&1 || useradd --system --home-dir /var/lib/lifeos --shell /usr/sbin/nologin lifeos
install -d -m 755 /opt/lifeos
for part in lifeos accounts gallery generation templates static; do
    # Into place at once, so that no process sees half of it.
    rm -rf "/opt/lifeos/.$part.new"
    cp -R "$source/$part" "/opt/lifeos/.$part.new"
    rm -rf "/opt/lifeos/.$part.old"
    [ ! -e "/opt/lifeos/$part" ] || mv "/opt/lifeos/$part" "/opt/lifeos/.$part.old"
    mv "/opt/lifeos/.$part.new" "/opt/lifeos/$part"
    rm -rf "/opt/lifeos/.$part.old"
done
cp "$source/manage.py" "$source/VERSION" "$source/requirements.txt" /opt/lifeos/
[ -x /opt/lifeos/.venv/bin/python ] || python3 -m venv /opt/lifeos/.venv
/opt/lifeos/.venv/bin/pip install -q --disable-pip-version-check -r /opt/lifeos/requirements.txt

install -d -m 755 /etc/lifeos
[ -e /etc/lifeos/lifeos.env ] || install -m 644 "$here/lifeos.env" /etc/lifeos/lifeos.env
install -d -m 700 /etc/lifeos/secrets
umask 077
[ -s /etc/lifeos/secrets/secret_key ] || head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > /etc/lifeos/secrets/secret_key
[ -s /etc/lifeos/secrets/jwt_key ] || openssl genrsa -out /etc/lifeos/secrets/jwt_key 2048
install -d -o lifeos -g lifeos -m 700 /var/backups/lifeos

if [ "$kind" = embedded ]; then
    install -m 644 "$here/lifeos.service" /etc/systemd/system/
    next="systemctl enable --now lifeos.service"
else
    [ -s /etc/lifeos/secrets/database_url ] || echo "still to do: write postgres://… into /etc/lifeos/secrets/database_url"
    for unit in "$here"/lifeos-*.service "$here"/*.socket "$here"/*.target "$here"/*.timer; do
        install -m 644 "$unit" /etc/systemd/system/
    done
    next="systemctl enable --now lifeos-web.socket lifeos.target lifeos-backup.timer"
fi
systemctl daemon-reload
echo "Edit /etc/lifeos/lifeos.env, then: $next"
