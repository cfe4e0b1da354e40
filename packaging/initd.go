package packaging

// Script is what varies in a script of /etc/init.d.
type Script struct{ Name, User, Group, Home, Exec string }

func OpenRC(s Script) string { return "#!/sbin/openrc-run\n" }
func SysV(s Script) string   { return "#!/bin/sh\n" }
