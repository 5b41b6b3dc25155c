#!/bin/sh
# One word decides which process this container is; anything else is a manage.py command.
set -eu
umask 022

case "${1:-serve}" in
    serve)
        # Alone: it sets itself up.
        python manage.py setup
        exec python manage.py serve ;;
    setup | web | bridge) exec python manage.py "$@" ;;
    tasks) exec python manage.py run_huey ;;
    sh | bash | python) exec "$@" ;;
    *) exec python manage.py "$@" ;;
esac
