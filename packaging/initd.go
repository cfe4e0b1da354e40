package packaging

import (
	"path/filepath"
	"strings"
)

// Script is what varies in a script of /etc/init.d. The texts are raw: they are quoted
// where they are put in.
type Script struct {
	Name  string // of the script: falcred-ann
	User  string // whom the daemon runs as, never root in a user's home
	Group string
	Home  string // the user's home folder
	Exec  string // absolute path of falcred
}

// OpenRC is the script for OpenRC's supervise-daemon, in terms that version 0.45 knows
// already.
func OpenRC(s Script) string {
	// These are evaluated once more when supervise-daemon is called.
	again := func(word string) string { return quoteSh(quoteSh(word)) }
	return `#!/sbin/openrc-run
# The daemon of a user who need not be logged in. Use rc-service: Debian's service(8) notes a
# start or stop as done before OpenRC is asked to do it, which then does nothing.

description="Credential daemon for fal.ai logins"
supervisor=supervise-daemon
command=` + again(s.Exec) + `
command_args="run --syslog"
# HOME and USER are set from it, and OpenRC has taken away the variables of whoever typed this.
command_user=` + again(s.User+":"+s.Group) + `
directory=/
umask=077
# Whatever rc_env_allow lets through, the socket is that of the standard home.
unset FAL_HOME_DIR FALCRED_SOCKET

# A refresh in flight is finished first: 17 s at most.
retry=TERM/25/KILL/5
# It is started again whatever its exit status says, so what goes on ending is given up after
# ten times. The period is longer than ten of the longest beginnings, of 30 s each: else the
# count would start anew, for ever.
respawn_delay=2
respawn_max=10
respawn_period=600

depend() {
	# There is no common name for a syslog in Debian.
	use logger rsyslog sysklogd syslog-ng busybox-syslogd inetutils-syslogd
	after netmount mountnfs
}
`
}

// SysV is the script for sysvinit, with Debian's start-stop-daemon. Its status is what the
// Linux Standard Base wants: 0 runs, 1 ended by itself, 3 stopped. That of start is 5 where the
// program is gone.
func SysV(s Script) string {
	return `#!/bin/sh
### BEGIN INIT INFO
# Provides:          ` + facility(s.Name) + `
# Required-Start:    $remote_fs $syslog
# Required-Stop:     $remote_fs $syslog
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Credential daemon for fal.ai logins
# Description:       The daemon of a user who need not be logged in. Nothing
#                    starts it again: docker-credential-fal does, when it is asked.
### END INIT INFO

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
name=` + quoteSh(s.Name) + `
user=` + quoteSh(s.User) + `
group=` + quoteSh(s.Group) + `
home=` + quoteSh(s.Home) + `
program=` + quoteSh(s.Exec) + `
comm=` + quoteSh(comm(s.Exec)) + `
pidfile=/run/$name.pid

# control is for the process that start has begun. The number alone may be another's by now,
# and the file that it runs is another after an upgrade: the user and the name stay. The daemon
# gets no variable of whoever typed this.
control() {
	env -i PATH="$PATH" HOME="$home" USER="$user" LOGNAME="$user" \
		start-stop-daemon --quiet --pidfile "$pidfile" --user "$user" --name "$comm" "$@"
}

# start waits until it serves. A daemon that docker-credential-fal has started makes way.
start() {
	if ! [ -x "$program" ]; then
		echo "$program is not there" >&2
		return 5
	fi
	control --start --oknodo --chuid "$user:$group" --chdir / --umask 077 --background --make-pidfile \
		--notify-await --notify-timeout 5 --startas "$program" -- run --syslog && return
	control --status && return # it takes its time, as where another must end first
	echo "$name has ended at once: the syslog says why" >&2
	return 1
}

# stop lets a refresh in flight finish first: 17 s at most.
stop() {
	control --stop --oknodo --retry TERM/25/KILL/5 && rm -f "$pidfile"
}

status() {
	control --status
	case $? in
	0) echo Running ;;
	1) echo "Stopped: $name has ended by itself"; return 1 ;;
	*) echo Stopped; return 3 ;;
	esac
}

case "$1" in
start | stop | status) "$1" ;;
restart | force-reload) stop && start ;;
*)
	echo "usage: $0 start|stop|restart|force-reload|status" >&2
	exit 2
	;;
esac
`
}

// quoteSh makes one word of it for sh. Two braces are parted, since the library that installs
// a script would take them for its own.
func quoteSh(s string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "{", "{''").Replace(s) + "'"
}

// facility is a name within a comment, which nothing can quote.
func facility(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t$+{}", r) {
			return '_'
		}
		return r
	}, name)
}

// comm is what Linux calls a program's process: at most 15 bytes.
func comm(exec string) string {
	name := filepath.Base(exec)
	return name[:min(len(name), 15)]
}
