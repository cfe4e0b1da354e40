package packaging

// Task is what varies in a logon task of Windows.
type Task struct {
	User      string // DOMAIN\name
	Exec      string
	Arguments string
}

// TaskXML is the task's definition, for schtasks /Create /XML.
func TaskXML(t Task) (string, error) {
	return fill("windows/falcred.xml", values{
		"User": escapeXML(t.User), "Exec": escapeXML(t.Exec), "Arguments": escapeXML(t.Arguments),
	})
}
