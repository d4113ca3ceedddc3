package passwords

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// opened is a set with one file of that content.
func opened(t testing.TB, content string) (*Set, *File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, content)
	s := NewSet(Options{Unwatched: true})
	t.Cleanup(s.Close)
	p, err := s.Prepare(asking(path))
	if err != nil {
		t.Fatal(err)
	}
	return s, p.File(path), path
}

func asking(paths ...string) *config.Document {
	d := &config.Document{}
	for _, p := range paths {
		d.Routes = append(d.Routes, config.Route{BasicAuth: config.BasicAuth{File: p}})
	}
	return d
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file that is broken is told of, and what served serves on. Each use is counted.
func TestSet(t *testing.T) {
	s, f, path := opened(t, "ann:"+hash(t, "secret")+"\n")
	other := filepath.Join(t.TempDir(), "missing")
	_, err := s.Prepare(asking(path, other, path))
	if err == nil || err.Error() != "routes[1].basic_auth.file: "+other+": no such file or directory" {
		t.Errorf("prepared with %v", err)
	}
	write(t, path, "ann:secret\n")
	s.Reload()
	want := path + `: line 1: user "ann": the hash is none of bcrypt: write the user anew with htpasswd -B`
	if st := s.Status(); len(st) != 1 || st[0].Error != want || st[0].Users != 1 {
		t.Errorf("status is %+v, want the error %s", st, want)
	}
	if !f.Check([]byte("ann"), []byte("secret")) {
		t.Error("the last good content does not serve")
	}
	p, err := s.Prepare(asking(path)) // known, so good as it was
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	p.Close()
	if len(s.Status()) != 1 {
		t.Error("a file that another revision uses is given up")
	}
}

func TestWatched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, "ann:"+hash(t, "secret")+"\n")
	s := NewSet(Options{})
	defer s.Close()
	p, err := s.Prepare(asking(path))
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "bob:"+hash(t, "secret")+"\ncy:"+hash(t, "secret")+"\n")
	testserver.WaitFor(t, 10*time.Second, "the new users", func() bool { return p.File(path).Users() == 2 })
	p.Close()
	if len(s.Status()) != 0 {
		t.Error("a file that nobody uses is kept")
	}
}
