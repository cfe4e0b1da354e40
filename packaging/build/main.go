// Build makes the packages: deb and rpm, for one version and some
// architectures. Run it in the module's root:
//
//	go run ./packaging/build -version 0.1.0 -out dist
//
// It says what it does on standard error, and each package's file on standard output. Beside them it
// leaves the licences of what falcred links, and the documents as the packages have them.
//
// Two runs on one commit give the same bytes: nothing of the clock, the machine
// or the folder gets in. The date of everything is SOURCE_DATE_EPOCH, else the
// commit's.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// nfpm is run as a module of its own: its dependencies are not ours.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0"

// build is one run.
type build struct {
	version string
	out     string
	stage   string
	date    time.Time
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("build: ")
	version := flag.String("version", "0.0.0-dev", "the packages' version, as semver")
	out := flag.String("out", "dist", "the folder for the packages")
	arches := flag.String("arch", "amd64,arm64", "architectures, comma-separated")
	formats := flag.String("format", "deb,rpm", "formats, comma-separated")
	flag.Parse()
	if err := run(*version, *out, strings.Split(*arches, ","), strings.Split(*formats, ",")); err != nil {
		log.Fatal(err)
	}
}

func run(version, out string, arches, formats []string) error {
	date, err := sourceDate()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil { // #nosec G301 -- of a package: everybody's
		return err
	}
	stage, err := os.MkdirTemp("", "falcred-build")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	b := &build{version: version, out: out, stage: stage, date: date}
	log.Printf("falcred %s, with %s: units, manual, completions, licences", version, runtime.Version())
	if err := b.common(); err != nil {
		return err
	}
	for i, arch := range arches {
		log.Printf("%s: compiling falcred and docker-credential-fal", arch)
		if err := b.binaries(arch); err != nil {
			return err
		}
		config, err := b.config(arch)
		if err != nil {
			return err
		}
		if i == 0 {
			log.Print("nfpm, which makes the packages, is compiled first where it has not been yet: some minutes")
		}
		for _, format := range formats {
			log.Printf("%s: packing the %s", arch, format)
			if err := b.pack(config, format); err != nil {
				return err
			}
		}
	}
	return nil
}

func sourceDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := exec.Command("git", "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("no commit to take the date from: %w\nset SOURCE_DATE_EPOCH", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// binaries are those of one architecture, stripped and without paths.
func (b *build) binaries(arch string) error {
	folder := filepath.Join(b.stage, arch)
	if err := os.MkdirAll(folder, 0o755); err != nil { // #nosec G301 -- of a package: everybody's
		return err
	}
	flags := "-s -w -buildid= -X main.release=" + b.version + " -X github.com/falcred/falcred/helper/dockercred.release=" + b.version
	_, err := b.command([]string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + arch},
		"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", folder+"/", "./cmd/falcred", "./cmd/docker-credential-fal")
	return err
}

// pack makes one package, and prints its file.
func (b *build) pack(config, format string) error {
	said, err := b.command(nil, "go", "run", nfpm, "package", "-f", config, "-p", format, "-t", b.out)
	if err != nil {
		return err
	}
	_, name, found := strings.Cut(said, "created package: ")
	if !found {
		return fmt.Errorf("nfpm does not say what it has made:\n%s", said)
	}
	fmt.Print(name)
	return nil
}

// command runs in the module's root, and returns what it has said, which is in its error too.
func (b *build) command(env []string, name string, args ...string) (said string, err error) {
	cmd := exec.Command(name, args...) // #nosec G204 -- a build's own tools
	cmd.Env = append(cmd.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(b.date.Unix(), 10))
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), err
}
