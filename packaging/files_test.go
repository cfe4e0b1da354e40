package packaging_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/falcred/falcred/packaging"
)

// hostile is what a path may hold, and must stay within its place.
const hostile = `/a b/%h $HOME "q" 'q' \t <x>&amp;{{Exec}}`

func TestUnitQuotes(t *testing.T) {
	service, socket, err := packaging.User(packaging.Unit{Name: "falcred", Exec: hostile, Socket: hostile, Home: hostile,
		Env: map[string]string{"FAL_HOME_DIR": hostile}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`ExecStart="/a b/%%h $$HOME \"q\" 'q' \\t <x>&amp;{{Exec}}" run` + "\n",
		`Environment="FAL_HOME_DIR=/a b/%%h $HOME \"q\" 'q' \\t <x>&amp;{{Exec}}"` + "\n",
	} {
		if !strings.Contains(service, want) {
			t.Errorf("no %s in\n%s", want, service)
		}
	}
	if want := "ListenStream=" + strings.ReplaceAll(hostile, "%", "%%") + "\n"; !strings.Contains(socket, want) {
		t.Errorf("no %s in\n%s", want, socket)
	}
	if packaging.Check("/a\nExecStartPre=/bin/sh") == nil || packaging.Check(hostile) != nil {
		t.Error("Check lets a line break through, or refuses a path")
	}
}

// The packages' units hold %h, and no path of a build.
func TestPackagedUnits(t *testing.T) {
	service, socket, err := packaging.Packaged()
	if err != nil {
		t.Fatal(err)
	}
	system, err := packaging.PackagedSystem()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		service: "ExecStart=/usr/bin/falcred run\n",
		socket:  "ListenStream=%h/.fal/falcred.sock\nSocketMode=0600\n",
		system:  "User=%i\nExecStart=/usr/bin/falcred run\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestTask(t *testing.T) {
	text, err := packaging.TaskXML(packaging.Task{User: `HOME\ann`, Exec: hostile, Arguments: `run --home "C:\a & b"`})
	if err != nil {
		t.Fatal(err)
	}
	var task struct {
		Command   string `xml:"Actions>Exec>Command"`
		Arguments string `xml:"Actions>Exec>Arguments"`
		Who       string `xml:"Triggers>LogonTrigger>UserId"`
	}
	d := xml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&task); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Token(); err != nil && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if task.Command != hostile || task.Arguments != `run --home "C:\a & b"` || task.Who != `HOME\ann` {
		t.Errorf("%+v", task)
	}
}
