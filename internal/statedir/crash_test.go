package statedir

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// op is one thing that was asked of the disk.
type op struct {
	kind  opKind
	name  string // of a creation, rename or removal
	to    string // of a rename
	inode int    // of a creation, write or sync
	data  []byte
}

type opKind int

const (
	opCreate opKind = iota
	opWrite
	opSyncFile
	opRename
	opRemove
	opSyncDir
)

// recorder is a disk that only notes what is asked of it.
type recorder struct {
	ops    []op
	inodes int
}

func (r *recorder) create(name string) (writer, error) {
	r.inodes++
	r.ops = append(r.ops, op{kind: opCreate, name: name, inode: r.inodes})
	return &recorded{r, r.inodes}, nil
}

func (r *recorder) rename(from, to string) error {
	r.ops = append(r.ops, op{kind: opRename, name: from, to: to})
	return nil
}

func (r *recorder) remove(name string) error {
	r.ops = append(r.ops, op{kind: opRemove, name: name})
	return nil
}

func (r *recorder) sync() error {
	r.ops = append(r.ops, op{kind: opSyncDir})
	return nil
}

type recorded struct {
	recorder *recorder
	inode    int
}

func (w *recorded) Write(p []byte) (int, error) {
	w.recorder.ops = append(w.recorder.ops, op{kind: opWrite, inode: w.inode, data: slices.Clone(p)})
	return len(p), nil
}

func (w *recorded) Sync() error {
	w.recorder.ops = append(w.recorder.ops, op{kind: opSyncFile, inode: w.inode})
	return nil
}

func (w *recorded) Close() error { return nil }

// names are the files of a directory, by name.
type names map[string]int

// afterPowerLoss gives what the disk may hold when the power fails after ops. Of the changes of names since the last
// sync of the directory any may have come to the disk, whatever their order. Of the content of a file any prefix may
// have, beyond what was synced.
func afterPowerLoss(before []byte, ops []op, yield func(map[string][]byte)) {
	content, synced := map[int][]byte{0: before}, map[int]int{0: len(before)}
	var pending []op
	durable := names{"f": 0}
	for _, o := range ops {
		switch o.kind {
		case opWrite:
			content[o.inode] = append(slices.Clone(content[o.inode]), o.data...)
		case opSyncFile:
			synced[o.inode] = len(content[o.inode])
		case opSyncDir:
			durable = apply(durable, pending)
			pending = nil
		default:
			pending = append(pending, o)
		}
	}
	for subset := range 1 << len(pending) {
		var done []op
		for i, o := range pending {
			if subset&(1<<i) != 0 || o.kind == opCreate { // a file without a name is no file
				done = append(done, o)
			}
		}
		eachContent(apply(durable, done), content, synced, yield)
	}
}

func eachContent(n names, content map[int][]byte, synced map[int]int, yield func(map[string][]byte)) {
	files := map[string][]byte{}
	var each func(rest []string)
	each = func(rest []string) {
		if len(rest) == 0 {
			yield(files)
			return
		}
		inode := n[rest[0]]
		for length := synced[inode]; length <= len(content[inode]); length++ {
			files[rest[0]] = content[inode][:length]
			each(rest[1:])
		}
	}
	each(slices.Sorted(maps.Keys(n)))
}

func apply(n names, ops []op) names {
	n = maps.Clone(n)
	for _, o := range ops {
		switch o.kind {
		case opCreate:
			n[o.name] = o.inode
		case opRename:
			if inode, ok := n[o.name]; ok {
				n[o.to] = inode
				delete(n, o.name)
			}
		case opRemove:
			delete(n, o.name)
		case opWrite, opSyncFile, opSyncDir: // of no name
		}
	}
	return n
}

// TestPowerLossLeavesTheOldOrTheNew has the power fail after each step of a write, with everything that a disk may then
// hold.
func TestPowerLossLeavesTheOldOrTheNew(t *testing.T) {
	d := open(t)
	before, ops := recordWrite(t, true)
	states := 0
	for k := range len(ops) + 1 {
		afterPowerLoss(before, ops[:k], func(files map[string][]byte) {
			states++
			got := d.with(t, files)
			if got != "old" && got != "new" || k == len(ops) && got != "new" {
				t.Fatalf("after %d of %d steps, with %v: read %q", k, len(ops), lengths(files), got)
			}
		})
	}
	if states < len(before) {
		t.Errorf("only %d states of the disk", states)
	}
}

// TestCrashOfTheProcessLeavesTheOldOrTheNew: all that was asked of the disk has come there, but the last write only in
// part.
func TestCrashOfTheProcessLeavesTheOldOrTheNew(t *testing.T) {
	for _, durable := range []bool{true, false} {
		d := open(t)
		before, ops := recordWrite(t, durable)
		for k := range len(ops) {
			steps := []op{}
			if ops[k].kind != opWrite {
				steps = append(steps, ops[k])
			}
			for length := range len(ops[k].data) {
				steps = append(steps, op{kind: opWrite, inode: ops[k].inode, data: ops[k].data[:length]})
			}
			for _, last := range steps {
				all := append(slices.Clone(ops[:k]), last)
				content := map[int][]byte{0: before}
				for _, o := range all {
					content[o.inode] = append(content[o.inode], o.data...)
				}
				files := map[string][]byte{}
				for name, inode := range apply(names{"f": 0}, all) {
					files[name] = content[inode]
				}
				if got := d.with(t, files); got != "old" && got != "new" || got != "new" && k == len(ops)-1 {
					t.Fatalf("durable %v: after step %d with %v: read %q", durable, k, lengths(files), got)
				}
			}
		}
	}
}

// recordWrite gives the bytes of the file before, and the steps of writing it anew.
func recordWrite(t *testing.T, durable bool) (before []byte, ops []op) {
	t.Helper()
	before, err := seal("old")
	if err != nil {
		t.Fatal(err)
	}
	after, err := seal("new")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	if err := replace(r, "f", after, durable); err != nil {
		t.Fatal(err)
	}
	return before, r.ops
}

// with makes the directory hold just these files, and reads the one.
func (d *Dir) with(t *testing.T, files map[string][]byte) string {
	t.Helper()
	for _, name := range []string{"f", "f" + temporary} {
		if err := d.Remove(name); err != nil {
			t.Fatal(err)
		}
		if text, ok := files[name]; ok {
			if err := os.WriteFile(filepath.Join(d.path, name), text, fileMode); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := ""
	if err := d.Read("f", &got); errors.Is(err, fs.ErrNotExist) {
		return "none"
	} else if err != nil {
		return err.Error()
	}
	return got
}

func lengths(files map[string][]byte) map[string]int {
	all := map[string]int{}
	for name, text := range files {
		all[name] = len(text)
	}
	return all
}
