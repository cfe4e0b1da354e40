//go:build linux

package drive_test

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"testing"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/sim/drive"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// An operation is to cost less than what the daemon does between two: a simulation has a
// hundred and more for a rotation.
func BenchmarkDrive(b *testing.B) {
	d := open(b, 1)
	path := home + "/file"
	testkit.Must(b, fsx.WriteAtomic(path, bytes.Repeat([]byte("x"), 1500)))
	list, err := disk.OpenFile(home+"/list", os.O_CREATE|os.O_RDWR, 0o600)
	testkit.Must(b, err)
	_, err = list.WriteAt(bytes.Repeat([]byte("x"), 100<<10), 0)
	testkit.Must(b, err)
	size, record, data := int64(100<<10), make([]byte, 16), make([]byte, 1500)
	record[0] = 1
	for _, bench := range []struct {
		name string
		do   func() error
	}{
		{"lstat", func() error { _, err := disk.Lstat(path); return err }},
		{"open and close", func() error {
			f, err := disk.OpenFile(path, os.O_RDONLY, 0)
			if err == nil {
				err = f.Close()
			}
			return err
		}},
		{"append and sync", func() error {
			_, err := list.WriteAt(record, size)
			if size += 16; size > 1<<20 {
				size = 100 << 10
				err = list.Truncate(size)
			}
			if err == nil {
				err = list.Sync()
			}
			return err
		}},
		{"rename there and back", func() error {
			if err := disk.Rename(path, path+"2"); err != nil {
				return err
			}
			return disk.Rename(path+"2", path)
		}},
		{"strict open", func() error {
			f, err := strict.Open(path, os.O_RDONLY, 0)
			if err == nil {
				_, err = f.ReadAt(data, 0)
				f.Close()
			}
			return err
		}},
		{"write atomic", func() error { return fsx.WriteAtomic(path, data) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			asked := 0
			d.Before = func(drive.Op) error { asked++; return nil }
			for b.Loop() {
				testkit.Must(b, bench.do())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(asked), "ns/operation")
		})
	}
}

// The files of one rotation, as package login has it use them.
func BenchmarkRotation(b *testing.B) {
	d := open(b, 1)
	held := tokenfile.TokenPair{Refresh: "r0", Access: "a0"}
	file := tokenfile.In(home, nil)
	testkit.Must(b, fsx.WriteAtomic(file.Path, held.Bytes()))
	asked := 0
	d.Before = func(drive.Op) error { asked++; return nil }
	for i := 1; b.Loop(); i++ {
		lock, err := tokenfile.Acquire(context.Background(), home)
		testkit.Must(b, err)
		entry, err := journal.Begin(file.Path, held.Refresh)
		testkit.Must(b, err)
		next := tokenfile.TokenPair{Refresh: "r" + strconv.Itoa(i), Access: "a"}
		testkit.Must(b, entry.Record(next))
		testkit.Must(b, entry.Trim(next))
		testkit.Must(b, lock.Confirm(context.Background()))
		testkit.Must(b, entry.Commit(file, file.Path, next))
		held = next
		lock.Release()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(asked), "ns/operation")
	b.ReportMetric(float64(asked)/float64(b.N), "operations/op")
}
