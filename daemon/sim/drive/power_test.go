//go:build linux

package drive_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/sim/drive"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
)

const home = "/home/me/.fal"

// open is a simulated disk in the system's place, with a home.
func open(t testing.TB, seed uint64) *drive.Drive {
	t.Helper()
	d := drive.New(rand.New(rand.NewPCG(seed, 0)))
	d.Home(home)
	disk.Simulate(d)
	t.Cleanup(func() { disk.Simulate(nil) })
	return d
}

type crash struct{}

// crashAt has the machine die before the operation of that number. over says that do was done
// before that.
func crashAt(d *drive.Drive, number int, do func()) (over bool) {
	d.Before = func(drive.Op) error {
		if number--; number < 0 {
			panic(crash{})
		}
		return nil
	}
	defer func() {
		d.Before = nil
		if got := recover(); got != nil && got != (crash{}) {
			panic(got)
		}
		d.PowerCut()
	}()
	do()
	return true
}

// What was fsynced, the file and the folder that names it, is there for ever, whatever comes
// after it; what was not is lost in some cuts, kept in some, and torn in some.
func TestWhatWasSyncedStays(t *testing.T) {
	kept, lost, torn := 0, 0, 0
	old, fresh := bytes.Repeat([]byte("a"), 3000), bytes.Repeat([]byte("b"), 3000)
	for seed := range uint64(1000) {
		d := open(t, seed)
		for _, name := range []string{"synced", "written"} {
			testkit.Must(t, fsx.WriteAtomic(filepath.Join(home, name), old))
		}
		file, err := d.OpenFile(home+"/written", os.O_WRONLY, 0)
		testkit.Must(t, err)
		_, err = file.WriteAt(fresh, 0)
		testkit.Must(t, err)
		for range 3 {
			d.PowerCut()
		}
		if _, err := file.WriteAt(fresh, 0); !errors.Is(err, os.ErrClosed) {
			t.Fatalf("a file is open after the end of the machine: %v", err)
		}
		if data, _ := d.ReadRaw(home + "/synced"); !bytes.Equal(data, old) {
			t.Fatalf("seed %d: what was synced is gone: %d bytes", seed, len(data))
		}
		switch data, _ := d.ReadRaw(home + "/written"); {
		case bytes.Equal(data, fresh):
			kept++
		case bytes.Equal(data, old):
			lost++
		default:
			torn++
			for part := range slices.Chunk(data, 512) {
				if !bytes.Equal(part, old[:len(part)]) && !bytes.Equal(part, fresh[:len(part)]) {
					t.Fatalf("seed %d: a block is torn", seed)
				}
			}
		}
	}
	if min(kept, lost, torn) < 100 {
		t.Errorf("kept %d times, lost %d, torn %d", kept, lost, torn)
	}
}

// The fsync of a file makes its name no safer; that of the folder does.
func TestNamesNeedTheFoldersSync(t *testing.T) {
	there := map[bool]int{}
	for seed := range uint64(200) {
		d := open(t, seed)
		testkit.Must(t, fsx.WriteRename(home+"/file", []byte("x")))
		d.PowerCut()
		_, ok := d.ReadRaw(home + "/file")
		there[ok]++
		testkit.Must(t, fsx.WriteRename(home+"/file", []byte("y")))
		testkit.Must(t, fsx.SyncFolder(home))
		d.PowerCut()
		if data, _ := d.ReadRaw(home + "/file"); string(data) != "y" {
			t.Fatalf("seed %d: %q", seed, data)
		}
	}
	if min(there[true], there[false]) < 20 {
		t.Errorf("it was there %d times, and not %d", there[true], there[false])
	}
}

// A rename leaves the file by its old name or its new one or by both, and who had the new name
// before is there as long; also from one folder to another, whichever is synced.
func TestRenameLosesNothing(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(1000) {
		d := open(t, seed)
		testkit.Must(t, d.MkdirAll(home+"/sub", 0o700))
		from, to := home+"/from", home+"/to"
		if seed%2 == 0 {
			to = home + "/sub/to"
		}
		for path, text := range map[string]string{from: "new", to: "old"} {
			testkit.Must(t, fsx.WriteAtomic(path, []byte(text)))
		}
		testkit.Must(t, fsx.SyncFolder(home))
		testkit.Must(t, d.Rename(from, to))
		switch seed % 3 {
		case 0:
			testkit.Must(t, fsx.WriteRename(from, []byte("next")))
		case 1:
			testkit.Must(t, fsx.SyncFolder(home)) // without the folder of the new name, perhaps
		}
		d.PowerCut()
		one, _ := d.ReadRaw(from)
		two, _ := d.ReadRaw(to)
		seen[string(one)+" "+string(two)]++
	}
	for got := range seen {
		if !slices.Contains([]string{"new old", "new new", " new", "next new"}, got) {
			t.Errorf("left: %q", got)
		}
	}
	if len(seen) != 4 {
		t.Errorf("only seen: %v", seen)
	}
}

// careless is WriteAtomic without its fsyncs.
func careless(path string, data []byte) error {
	file, err := disk.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write(data); err != nil {
		return err
	}
	return disk.Rename(file.Name(), path)
}

// F1: wherever the machine dies, WriteAtomic leaves the old content or the new, and the new
// once it has returned. Without its fsyncs it does not: the disk has teeth.
func TestWriteAtomicAtEachStep_F1(t *testing.T) {
	old, fresh := bytes.Repeat([]byte("old "), 500), bytes.Repeat([]byte("fresh"), 600)
	path := home + "/file"
	run := func(write func(string, []byte) error, step int, seed uint64) (data []byte, over bool) {
		d := open(t, seed)
		testkit.Must(t, fsx.WriteAtomic(path, old))
		over = crashAt(d, step, func() { testkit.Must(t, write(path, fresh)) })
		data, _ = d.ReadRaw(path)
		return data, over
	}
	steps, torn := 0, 0
	for over := false; !over; steps++ {
		for seed := range uint64(1000) {
			var data []byte
			data, over = run(fsx.WriteAtomic, steps, seed)
			if !bytes.Equal(data, fresh) && (over || !bytes.Equal(data, old)) {
				t.Fatalf("step %d, seed %d: %d bytes", steps, seed, len(data))
			}
		}
	}
	for seed := range uint64(1000) {
		if data, _ := run(careless, 100, seed); !bytes.Equal(data, fresh) && !bytes.Equal(data, old) {
			torn++
		}
	}
	if steps < 10 || torn < 100 {
		t.Errorf("%d steps; without fsync it was torn %d times", steps, torn)
	}
}

// A file has one owner; its lock goes with the last that has it open, and with its process.
func TestLocksAndKill(t *testing.T) {
	d := open(t, 1)
	asking := "one"
	d.Owner = func() any { return asking }
	path := home + "/lock"
	first, err := fsx.TryLockPath(path)
	if testkit.Must(t, err); first == nil {
		t.Fatal("nobody has it")
	}
	asking = "two"
	if second, err := fsx.TryLockPath(path); second != nil || err != nil {
		t.Fatalf("two have it: %v", err)
	}
	file, err := disk.OpenFile(home+"/file", os.O_CREATE|os.O_WRONLY, 0o600)
	testkit.Must(t, err)
	_, err = file.Write([]byte("written"))
	testkit.Must(t, err)
	told := 0
	d.Notify(func(string) { told++ })
	d.Kill("one")
	second, err := fsx.TryLockPath(path)
	if testkit.Must(t, err); second == nil {
		t.Fatal("the dead have it")
	}
	if told != 0 {
		t.Error("a lock is no change")
	}
	if err := disk.TryLock(file); err != nil {
		t.Errorf("another file: %v", err)
	}
	d.Kill("two")
	testkit.Must(t, fsx.WriteRename(home+"/file2", nil))
	if _, err := file.Write(nil); !errors.Is(err, os.ErrClosed) || told != 0 {
		t.Errorf("the dead write: %v, and are told %d times", err, told)
	}
	if data, _ := d.ReadRaw(home + "/file"); string(data) != "written" {
		t.Errorf("what was written before is %q", data)
	}
}

// What is told of is the file's own path, by whichever link it was reached.
func TestNotify(t *testing.T) {
	d := open(t, 1)
	testkit.Must(t, d.MkdirAll(home+"/sub", 0o700))
	testkit.Must(t, d.Symlink("sub", home+"/link"))
	var told []string
	stop := d.Notify(func(path string) { told = append(told, path) })
	testkit.Must(t, fsx.WriteAtomic(home+"/link/a", []byte("x")))
	testkit.Must(t, d.Chmod(home+"/sub/a", 0o644))
	testkit.Must(t, d.Remove(home+"/link/a"))
	stop()
	testkit.Must(t, fsx.WriteAtomic(home+"/b", nil))
	temp, a := home+"/sub/.a.tmp-1", home+"/sub/a"
	if want := []string{temp, temp, a, temp, a, a}; !slices.Equal(told, want) {
		t.Errorf("%v", told)
	}
}

// A full disk lets files go and be written over, and takes nothing that grows; one that is
// read-only takes nothing at all.
func TestFullAndReadOnly(t *testing.T) {
	d := open(t, 3)
	path := home + "/file"
	testkit.Must(t, fsx.WriteAtomic(path, make([]byte, 2000)))
	file, err := disk.OpenFile(path, os.O_RDWR, 0)
	testkit.Must(t, err)
	d.Full = true
	if n, err := file.WriteAt(bytes.Repeat([]byte("x"), 2000), 0); n != 2000 || err != nil {
		t.Errorf("written over: %d, %v", n, err)
	}
	wrote := map[bool]int{}
	for range 50 {
		n, err := file.WriteAt(bytes.Repeat([]byte("y"), 1000), 2000)
		if !errors.Is(err, syscall.ENOSPC) || n == 1000 {
			t.Fatalf("%d, %v", n, err)
		}
		wrote[n > 0]++
		testkit.Must(t, file.Truncate(2000))
	}
	if min(wrote[true], wrote[false]) < 5 {
		t.Errorf("a part was written, or not: %v", wrote)
	}
	testkit.Must(t, disk.Rename(path, path+"2"))
	d.Full, d.ReadOnly = false, true
	for what, err := range map[string]error{
		"write": func() error { _, err := file.WriteAt([]byte("z"), 0); return err }(), "remove": disk.Remove(path + "2"),
		"rename": disk.Rename(path+"2", path), "chmod": disk.Chmod(path+"2", 0o644), "create": fsx.WriteAtomic(path, nil),
		"open": func() error { _, err := disk.OpenFile(path+"2", os.O_RDWR, 0); return err }(), "truncate": file.Truncate(0),
	} {
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What the simulator says is what an operation fails with, and then nothing has happened.
func TestBefore(t *testing.T) {
	d := open(t, 1)
	var asked []drive.Op
	d.Before = func(op drive.Op) error {
		asked = append(asked, op)
		if op.Kind == drive.Rename {
			return syscall.EIO
		}
		return nil
	}
	err := fsx.WriteAtomic(home+"/file", []byte("x"))
	var link *os.LinkError
	if !errors.As(err, &link) || !errors.Is(err, syscall.EIO) {
		t.Errorf("%v", err)
	}
	if entries, _ := d.ReadDir(home); len(entries) != 0 {
		t.Errorf("left: %v", entries)
	}
	if last := asked[len(asked)-2]; last.Kind != drive.Remove || last.Path != home+"/.file.tmp-1" {
		t.Errorf("asked: %v", asked)
	}
}

// Whatever was done before a power cut, what comes of it follows from the seed alone; each file
// has as many names as it says, and no folder has two.
func TestAnyCut(t *testing.T) {
	most := 0
	run := func(seed uint64) (text string) {
		rng := rand.New(rand.NewPCG(seed, 2))
		d := open(t, seed)
		for range 10 {
			s := &side{files: d}
			for range rng.IntN(60) {
				_, do := draw(rng, home, len(s.open))
				do(s)
				if rng.IntN(20) == 0 {
					fsx.SyncFolder(home + []string{"", "/sub", "/deep", "/deep/er"}[rng.IntN(4)])
				}
			}
			d.PowerCut()
			text += s.listing(home)
			names, says := map[uint64]int{}, map[uint64]int{}
			count(t, d, "/home", names, says)
			if most = max(most, len(names)); !maps.Equal(names, says) {
				t.Fatalf("seed %d: names by inode %v, and as they say %v", seed, names, says)
			}
		}
		return text
	}
	for seed := range uint64(60) {
		if text, again := run(seed), run(seed); again != text {
			t.Fatalf("seed %d:\n%s\nand then\n%s", seed, text, again)
		}
	}
	if most < 8 {
		t.Errorf("there were %d files and folders at most", most)
	}
}

// count finds how many names each file and folder has, and how many it says that it has.
func count(t *testing.T, d *drive.Drive, folder string, names, says map[uint64]int) {
	d.Chmod(folder, 0o700) // root's are open to us as they are
	entries, err := d.ReadDir(folder)
	testkit.Must(t, err)
	for _, entry := range entries {
		info, err := entry.Info()
		testkit.Must(t, err)
		stat := info.Sys().(*syscall.Stat_t)
		names[stat.Ino]++
		if says[stat.Ino] = int(stat.Nlink); info.IsDir() {
			says[stat.Ino] = 1
			count(t, d, filepath.Join(folder, entry.Name()), names, says)
		}
	}
}

// A Watch of the token file hears what happens to it on a Drive, by links too, and what
// happened before it aimed.
func TestWatchHears(t *testing.T) {
	d := open(t, 1)
	watch := tokenfile.OpenWatch(func(err error) { t.Error(err) })
	defer watch.Close()
	path := filepath.Join(home, "auth0_token")
	heard := func() bool {
		select {
		case <-watch.Changed():
			return true
		default:
			return false
		}
	}
	testkit.Must(t, fsx.WriteAtomic(path, []byte("x")))
	if heard() {
		t.Error("it aims at nothing yet")
	}
	watch.Aim(path)
	if !heard() {
		t.Error("what happened before was not reported")
	}
	watch.Aim(path)
	testkit.Must(t, fsx.WriteAtomic(home+"/falcred.json", nil))
	if heard() {
		t.Error("another file has changed")
	}
	testkit.Must(t, fsx.WriteInPlace(path, []byte("y")))
	if !heard() {
		t.Error("a write was not heard")
	}
	testkit.Must(t, d.Remove(path))
	if !heard() {
		t.Error("a removal was not heard")
	}
}

// A file that is put back is as it was, for ever; so is its lack.
func TestSaveAndPut(t *testing.T) {
	d := open(t, 1)
	path := home + "/file"
	none := d.Save(path)
	testkit.Must(t, fsx.WriteAtomic(path, []byte("one")))
	one := d.Save(path)
	add := func(file disk.File, text string) {
		_, err := file.Write([]byte(text))
		testkit.Must(t, err)
	}
	file, err := disk.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	testkit.Must(t, err)
	add(file, "two")
	d.Put(one)
	add(file, "3") // what is open is another file now
	fresh, err := disk.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	testkit.Must(t, err)
	add(fresh, "4")
	if data, _ := io.ReadAll(file); string(data) != "" {
		t.Errorf("after its end: %q", data)
	}
	for file, want := range map[disk.File]string{file: "onetwo3", fresh: "one4"} {
		if data, _ := io.ReadAll(io.NewSectionReader(file, 0, 100)); string(data) != want {
			t.Errorf("it holds %q, not %q", data, want)
		}
	}
	d.Put(one)
	d.PowerCut()
	if data, _ := d.ReadRaw(path); string(data) != "one" {
		t.Errorf("it holds %q", data)
	}
	d.Put(none)
	d.PowerCut()
	if data, there := d.ReadRaw(path); there {
		t.Errorf("it holds %q", data)
	}
}
