package filewatch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// longest is how long a machine that has other things to do may take.
const longest = time.Minute

// follower reads a file each time that the watcher tells of a change.
type follower struct {
	*Watcher
	path string
	read chan string // every content, "" for none
}

func newFollower(t *testing.T, path string) *follower {
	t.Helper()
	testserver.Goroutines(t)
	f := &follower{path: path, read: make(chan string, 100)}
	f.Watcher = New(func() {
		text, _ := os.ReadFile(path)
		f.read <- string(text)
	}, nil)
	t.Cleanup(f.Close)
	f.Follow([]string{path})
	return f
}

// sees waits until the content was read.
func (f *follower) sees(t *testing.T, want string) {
	t.Helper()
	for {
		select {
		case got := <-f.read:
			if got == want {
				return
			}
		case <-time.After(longest):
			t.Fatalf("%q was not seen", want)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	must(t, os.WriteFile(path, content, 0o600))
}

func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".new", []byte(text))
	must(t, os.Rename(path+".new", path))
}

func relink(t *testing.T, target, link string) {
	t.Helper()
	must(t, os.Symlink(target, link+".new"))
	must(t, os.Rename(link+".new", link))
}

// ways are the ways in which what a path leads to changes. Each makes a file with the content "one" and returns the
// path to watch and what changes it.
var ways = []struct {
	name string
	make func(t *testing.T, dir string) (path string, change func(text string))
	poll bool // nothing announces it
}{
	{"in place", func(t *testing.T, dir string) (string, func(string)) {
		path := filepath.Join(dir, "file")
		return path, func(text string) { write(t, path, []byte(text)) }
	}, false},
	{"renamed over", func(t *testing.T, dir string) (string, func(string)) {
		path := filepath.Join(dir, "file")
		return path, func(text string) { replace(t, path, text) }
	}, false},
	{"removed and made anew", func(t *testing.T, dir string) (string, func(string)) {
		path := filepath.Join(dir, "file")
		return path, func(text string) {
			must(t, os.RemoveAll(path))
			write(t, path, []byte(text))
		}
	}, false},
	{"through another name of the file, as behind a mount of one file",
		func(t *testing.T, dir string) (string, func(string)) {
			inside, outside := filepath.Join(dir, "in"), filepath.Join(dir, "out")
			must(t, os.Mkdir(inside, 0o700))
			must(t, os.Mkdir(outside, 0o700))
			other := filepath.Join(outside, "file")
			write(t, other, nil)
			must(t, os.Link(other, filepath.Join(inside, "file")))
			return filepath.Join(inside, "file"), func(text string) { write(t, other, []byte(text)) }
		}, false},
	{"the link ..data, as in a ConfigMap", func(t *testing.T, dir string) (string, func(string)) {
		path := filepath.Join(dir, "file")
		must(t, os.Symlink("..data/file", path))
		version := "..v"
		return path, func(text string) {
			version += "x"
			must(t, os.Mkdir(filepath.Join(dir, version), 0o700))
			write(t, filepath.Join(dir, version, "file"), []byte(text))
			relink(t, version, filepath.Join(dir, "..data"))
		}
	}, false},
	{"a link above the file", func(t *testing.T, dir string) (string, func(string)) {
		version := filepath.Join(dir, "v")
		return filepath.Join(dir, "current", "sub", "file"), func(text string) {
			version += "x"
			must(t, os.MkdirAll(filepath.Join(version, "sub"), 0o700))
			write(t, filepath.Join(version, "sub", "file"), []byte(text))
			relink(t, version, filepath.Join(dir, "current"))
		}
	}, false},
	{"a link to elsewhere, and in place there", func(t *testing.T, dir string) (string, func(string)) {
		must(t, os.Mkdir(filepath.Join(dir, "elsewhere"), 0o700))
		target, path := filepath.Join(dir, "elsewhere", "real"), filepath.Join(dir, "file")
		must(t, os.Symlink(target, path))
		return path, func(text string) { write(t, target, []byte(text)) }
	}, false},
	{"the directory is replaced", func(t *testing.T, dir string) (string, func(string)) {
		home := filepath.Join(dir, "home")
		return filepath.Join(home, "file"), func(text string) {
			must(t, os.RemoveAll(home))
			must(t, os.Mkdir(home+".new", 0o700))
			write(t, filepath.Join(home+".new", "file"), []byte(text))
			must(t, os.Rename(home+".new", home))
		}
	}, false},
	{"a directory above is replaced", func(t *testing.T, dir string) (string, func(string)) {
		above := filepath.Join(dir, "above")
		return filepath.Join(above, "home", "file"), func(text string) {
			must(t, os.MkdirAll(filepath.Join(above+".new", "home"), 0o700))
			write(t, filepath.Join(above+".new", "home", "file"), []byte(text))
			if _, err := os.Stat(above); err == nil {
				must(t, os.Rename(above, filepath.Join(dir, "old"+text)))
			}
			must(t, os.Rename(above+".new", above))
		}
	}, true},
}

func TestEveryWayToChangeIsSeen(t *testing.T) {
	for _, row := range ways {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path, change := row.make(t, t.TempDir())
			change("one")
			f := newFollower(t, path)
			f.sees(t, "one") // new to the watcher
			for _, text := range []string{"two", "three, which is longer"} {
				change(text)
				f.sees(t, text)
			}
		})
	}
}

// TestEveryWayIsAnnounced has no poll at all.
func TestEveryWayIsAnnounced(t *testing.T) {
	for _, row := range ways {
		if row.poll {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path, change := row.make(t, t.TempDir())
			change("one")
			for _, text := range []string{"two", "three"} {
				notify, err := newNotifier() // which has heard of nothing yet
				must(t, err)
				must(t, notify.follow([]string{path}))
				change(text)
				events, _ := notify.channels()
				for announced := false; !announced; {
					select {
					case e := <-events:
						announced = notify.concerns(e)
					case <-time.After(longest):
						t.Fatalf("nothing announced %q", text)
					}
				}
				notify.close()
			}
		})
	}
}

// TestEveryWayIsPolled has no inotify, as on a machine that has no watches left, and no time to lose.
func TestEveryWayIsPolled(t *testing.T) {
	for _, row := range ways {
		t.Run(row.name, func(t *testing.T) {
			path, change := row.make(t, t.TempDir())
			change("one")
			synctest.Test(t, func(t *testing.T) {
				read := ""
				w := newWatcher(func() {
					text, _ := os.ReadFile(path)
					read = string(text)
				}, nil, noNotifier)
				defer w.Close()
				w.Follow([]string{path})
				for _, text := range []string{"two", "three, which is longer"} {
					change(text)
					<-time.After(PollInterval + Quiet)
					synctest.Wait()
					if read != text {
						t.Errorf("%v after the change %q was read, want %q", PollInterval+Quiet, read, text)
					}
				}
			})
		})
	}
}

func TestNewPathsAreToldOnce(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, nil)
	synctest.Test(t, func(t *testing.T) {
		told := 0
		w := newWatcher(func() { told++ }, nil, noNotifier)
		defer w.Close()
		for _, row := range []struct {
			paths []string
			want  int
		}{
			{nil, 0}, {[]string{a}, 1}, {[]string{a}, 1}, {[]string{a, a}, 1}, {[]string{b, a}, 2}, {[]string{a, b}, 2},
			{[]string{b}, 2}, {nil, 2}, {[]string{a}, 3},
		} {
			w.Follow(row.paths)
			<-time.After(10 * PollInterval)
			synctest.Wait()
			if told != row.want {
				t.Errorf("after Follow(%q) it was told %d times, want %d", row.paths, told, row.want)
			}
		}
	})
}

// TestWhatNeverRestsIsTold changes a file more often than Quiet.
func TestWhatNeverRestsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []time.Duration
		began := time.Now()
		w := newWatcher(func() { told = append(told, time.Since(began)) }, nil, noNotifier)
		defer w.Close()
		for i := range 40 { // each is new, and so a reason to wait
			w.Follow([]string{strings.Repeat("x", i+1)})
			<-time.After(Quiet / 2)
		}
		synctest.Wait()
		if len(told) == 0 || told[0] != Most {
			t.Errorf("told after %v, want first after %v", told, Most)
		}
	})
}

func TestOthersAreNoNews(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	write(t, path, []byte("one"))
	f := newFollower(t, path)
	f.sees(t, "one")
	write(t, filepath.Join(dir, "access.log"), []byte("a line"))
	replace(t, path, "two")
	select {
	case got := <-f.read:
		if got != "two" {
			t.Errorf("read %q, want two: its neighbour is no news", got)
		}
	case <-time.After(longest):
		t.Error("the file's own change was not seen")
	}
}

// A watcher without a path has no goroutine and no descriptor, and neither has one that is closed.
func TestNothingRunsWithoutAPath(t *testing.T) {
	testserver.Goroutines(t)
	opened := 0
	open := func() (*notifier, error) {
		opened++
		return newNotifier()
	}
	New(func() {}, nil).Follow(nil) // the goroutines tell that nothing is left to close
	w := newWatcher(func() {}, nil, open)
	w.Follow(nil)
	if opened != 0 {
		t.Error("a watcher without a path has asked the system for watches")
	}
	path := filepath.Join(t.TempDir(), "file")
	w.Follow([]string{path})
	w.Close()
	w.Close()
	w.Follow([]string{path, path + "2"})
	if opened != 1 {
		t.Errorf("asked the system for watches %d times, want once", opened)
	}
	var none *Watcher
	none.Follow([]string{path})
	none.Close()
}

func TestPathsThatAreDroppedAreNotWatched(t *testing.T) {
	testserver.Goroutines(t)
	one, two := t.TempDir(), t.TempDir()
	w := New(func() {}, nil)
	defer w.Close()
	watches := func() string {
		w.mu.Lock()
		defer w.mu.Unlock()
		return strings.Join(w.notify.events.WatchList(), " ")
	}
	w.Follow([]string{filepath.Join(one, "file"), filepath.Join(two, "file")})
	if got := watches(); !strings.Contains(got, one) || !strings.Contains(got, two) {
		t.Errorf("watched: %s", got)
	}
	w.Follow([]string{filepath.Join(two, "file")})
	if got := watches(); strings.Contains(got, one) || !strings.Contains(got, two) {
		t.Errorf("watched after the first is dropped: %s", got)
	}
	w.Follow(nil)
	if got := watches(); got != "" {
		t.Errorf("still watched: %s", got)
	}
}

// noNotifier is a system that gives no watches.
func noNotifier() (*notifier, error) { return nil, nil }

func TestComplainsOnce(t *testing.T) {
	var log strings.Builder
	w := newWatcher(func() {}, hclog.New(&hclog.LoggerOptions{Output: &log, DisableTime: true}), noNotifier)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, err := range []error{os.ErrPermission, os.ErrPermission, nil, os.ErrPermission} {
		w.complain(err)
	}
	if got := strings.Count(log.String(), "polled each second: reason=\"permission denied\""); got != 2 {
		t.Errorf("logged %d times, want once for each time that it began:\n%s", got, log.String())
	}
}
