#!/bin/sh
# deb calls it with "remove" or "upgrade", rpm with the number of versions that
# stay. No file in any home is touched, except that a socket goes with its unit.
set -e
case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac
command -v systemctl >/dev/null || exit 0
systemctl --global disable falcred.socket falcred.service >/dev/null 2>&1 || true
[ -d /run/systemd/system ] || exit 0

for unit in $(systemctl list-units --plain --no-legend --state=active 'user@*.service' | cut -d' ' -f1); do
	uid=${unit#user@}
	uid=${uid%.service}
	timeout 90 setpriv --reuid="$uid" --regid="$(id -g "$uid")" --init-groups env -i \
		XDG_RUNTIME_DIR="/run/user/$uid" PATH="$PATH" systemctl --user stop 'falcred*.socket' 'falcred*.service' || true
done
systemctl stop 'falcred@*.service' || true
for link in /etc/systemd/system/*.wants/falcred@*.service; do
	[ ! -L "$link" ] || systemctl disable "$(basename "$link")" || true
done
