#!/bin/sh
# deb calls it with "configure" and the version that was there before, if any;
# rpm with the number of versions that are there now.
set -e
case "$1:$2" in
configure: | 1:*) first=yes ;;
configure:* | 2:*) first= ;;
*) exit 0 ;;
esac
command -v systemctl >/dev/null || exit 0

# For everybody, and only once: what an administrator has changed since stays.
[ -z "$first" ] || systemctl --global preset falcred.socket >/dev/null 2>&1 || true
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload || true

# Nobody needs to log in again, and nobody's own manager can hold this up. What cannot be done for one user is no reason to
# leave the package half installed.
for unit in $(systemctl list-units --plain --no-legend --state=active 'user@*.service' | cut -d' ' -f1); do
	uid=${unit#user@}
	uid=${uid%.service}
	of_user() {
		timeout 30 setpriv --reuid="$uid" --regid="$(id -g "$uid")" --init-groups env -i \
			XDG_RUNTIME_DIR="/run/user/$uid" PATH="$PATH" systemctl --user "$@" || true
	}
	of_user daemon-reload
	if [ -z "$first" ]; then
		# The socket is left alone: it holds the queue of those who ask meanwhile.
		of_user try-restart 'falcred*.service'
	elif of_user is-enabled falcred.socket | grep -qx enabled; then
		of_user start falcred.socket
	fi
done
[ -n "$first" ] || systemctl try-restart 'falcred@*.service' || true
