package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"text/template"
	"time"

	"github.com/falcred/falcred/packaging"
)

// common makes what is the same on every architecture.
func (b *build) common() error {
	if err := b.units(); err != nil {
		return err
	}
	if err := b.manual(); err != nil {
		return err
	}
	texts, err := licences()
	if err != nil {
		return err
	}
	// Beside the packages, as the documents: for goreleaser's archives too.
	if err := os.WriteFile(filepath.Join(b.out, licencesName), []byte(texts), 0o644); err != nil { // #nosec G306 -- of a package: everybody's
		return err
	}
	if err := b.documents(); err != nil {
		return err
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		text, err := exec.Command("go", "run", "-trimpath", "-buildvcs=false", "./cmd/falcred", "completion", shell).Output() // #nosec G204 -- the shells are a list above
		if err != nil {
			return fmt.Errorf("completion %s: %w", shell, err)
		}
		if err := b.write("completion."+shell, text); err != nil {
			return err
		}
	}
	return nil
}

func (b *build) units() error {
	service, socket := packaging.Packaged()
	for name, text := range map[string]string{"falcred.service": service, "falcred.socket": socket, "falcred@.service": packaging.PackagedSystem()} {
		if err := b.write(name, []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

// manual compresses the pages, without a name and a time in the header.
func (b *build) manual() error {
	raw := filepath.Join(b.stage, "raw")
	for _, folder := range []string{raw, filepath.Join(b.stage, "man1"), filepath.Join(b.stage, "man5")} {
		if err := os.Mkdir(folder, 0o755); err != nil { // #nosec G301 -- of a package: everybody's
			return err
		}
	}
	if _, err := b.command(nil, "go", "run", "-tags", "man", "-buildvcs=false", "-ldflags", "-X main.release="+b.version, "./cmd/falcred", "man", raw); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(raw, "*.1"))
	if err != nil {
		return err
	}
	for _, file := range append(files, "packaging/docker-credential-fal.1", "packaging/falcred.env.5") {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var packed bytes.Buffer
		w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		w.Write(text)
		w.Close()
		if err := b.write("man"+filepath.Ext(file)[1:]+"/"+filepath.Base(file)+".gz", packed.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func (b *build) write(name string, data []byte) error {
	return os.WriteFile(filepath.Join(b.stage, name), data, 0o644) // #nosec G306 -- of a package: everybody's
}

// file is one entry of a package, a folder where it is made From nothing.
type file struct{ From, To, Mode, Packager string }

// config renders nfpm's file for one architecture.
func (b *build) config(arch string) (string, error) {
	text, err := template.ParseFiles("packaging/nfpm/nfpm.yaml")
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = text.Execute(&out, map[string]any{
		"Arch": arch, "Version": b.version, "Date": b.date.Format(time.RFC3339), "Files": b.files(arch),
	})
	if err != nil {
		return "", err
	}
	name := "nfpm-" + arch + ".yaml"
	return filepath.Join(b.stage, name), b.write(name, out.Bytes())
}

func (b *build) files(arch string) []file {
	var list []file
	add := func(from, to, mode, packager string) {
		list = append(list, file{filepath.Join(b.stage, from), to, mode, packager})
	}
	add(arch+"/falcred", packaging.PackagedExec, "0755", "")
	add(arch+"/docker-credential-fal", "/usr/bin/docker-credential-fal", "0755", "")
	add("falcred.service", "/usr/lib/systemd/user/falcred.service", "0644", "")
	add("falcred.socket", "/usr/lib/systemd/user/falcred.socket", "0644", "")
	add("falcred@.service", "/usr/lib/systemd/system/falcred@.service", "0644", "")
	list = append(list, file{"packaging/systemd/85-falcred.preset", "/usr/lib/systemd/user-preset/85-falcred.preset", "0644", ""})
	list = append(list, b.documentation()...)
	add("completion.bash", "/usr/share/bash-completion/completions/falcred", "0644", "")
	add("completion.zsh", "/usr/share/zsh/vendor-completions/_falcred", "0644", "deb")
	add("completion.zsh", "/usr/share/zsh/site-functions/_falcred", "0644", "rpm")
	add("completion.fish", "/usr/share/fish/vendor_completions.d/falcred.fish", "0644", "")
	add("man1/*.gz", "/usr/share/man/man1/", "0644", "")
	add("man5/*.gz", "/usr/share/man/man5/", "0644", "")
	return list
}

// documentation is the package's folder of it. Folders are named too: rpm leaves those behind that are not.
func (b *build) documentation() []file {
	const doc = "/usr/share/doc/falcred"
	list := []file{
		{"packaging/falcred.env.example", doc + "/falcred.env.example", "0644", ""},
		{filepath.Join(b.out, licencesName), path.Join(doc, licencesName), "0644", ""},
	}
	folders := map[string]bool{}
	for _, page := range documents {
		list = append(list, file{filepath.Join(b.out, documentsName, page), path.Join(doc, page), "0644", ""})
		for folder := path.Join(doc, path.Dir(page)); folder != path.Dir(doc); folder = path.Dir(folder) {
			folders[folder] = true
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		list = append(list, file{"", folder, "0755", ""})
	}
	return list
}
