package passwords

import (
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// hash is that of a password, at the least cost.
func hash(t testing.TB, password string) string {
	t.Helper()
	b, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (f *File) look(name, password string) Verdict {
	v, _ := f.Known([]byte(name), []byte(password), nil)
	return v
}

// What was checked is remembered, right and wrong, until the file says something else. Another user's password is wrong
// for who is unknown.
func TestChecksAreRemembered(t *testing.T) {
	s, f, path := opened(t, "ann:"+hash(t, "secret")+"\n")
	for _, tt := range []struct {
		name, password string
		want           bool
	}{
		{"ann", "secret", true}, {"ann", "guess", false}, {"bob", "secret", false}, {"ann", "", false},
		{"ann", "secret2", false},
	} {
		if v := f.look(tt.name, tt.password); v != Unchecked {
			t.Errorf("%s %s: %v before it is checked", tt.name, tt.password, v)
		}
		if got := f.Check([]byte(tt.name), []byte(tt.password)); got != tt.want {
			t.Errorf("%s %s: %v, want %v", tt.name, tt.password, got, tt.want)
		}
		want := map[bool]Verdict{true: Right, false: Wrong}[tt.want]
		if v := f.look(tt.name, tt.password); v != want {
			t.Errorf("%s %s: %v once it is checked, want %v", tt.name, tt.password, v, want)
		}
	}
	write(t, path, "ann:"+hash(t, "new")+"\nbob:"+hash(t, "secret")+"\n")
	s.Reload()
	for _, name := range []string{"ann", "bob"} {
		if v := f.look(name, "secret"); v != Unchecked {
			t.Errorf("%s: %v under another hash", name, v)
		}
	}
	if f.Check([]byte("ann"), []byte("secret")) || !f.Check([]byte("bob"), []byte("secret")) {
		t.Error("what the file says now does not count")
	}
	write(t, path, "bob:"+hash(t, "x")+"\n")
	s.Reload()
	if v := f.look("bob", "secret"); v == Right {
		t.Error("an old password is still right")
	}
}

// Unknown users are held against a hash of the file: so they cost what known ones cost.
func TestUnknownUsersCostTheSame(t *testing.T) {
	_, f, _ := opened(t, "ann:"+hash(t, "a")+"\nbob:"+hash(t, "b")+"\ncy:"+hash(t, "c")+"\n")
	used := map[string]bool{}
	for i := range 100 {
		name := []byte("nobody" + string(rune('a'+i%26)) + string(rune('a'+i/26)))
		q, _ := f.ask(name, []byte("x"), nil)
		again, _ := f.ask(name, []byte("y"), nil)
		if q.known || string(again.hash) != string(q.hash) || again.digest == q.digest {
			t.Fatalf("%s is known: %v, its hash changes, or two passwords are one", name, q.known)
		}
		used[string(q.hash)] = true
	}
	if len(used) != 3 {
		t.Errorf("%d of 3 hashes stand in", len(used))
	}
}

func TestVerdictsAreBounded(t *testing.T) {
	var v verdicts
	at := func(i int) (d digest) {
		d[0], d[1], d[2] = byte(i), byte(i>>8), byte(i>>16)
		return d
	}
	for i := range 5 * maxVerdicts {
		v.add(at(i))
		if !v.has(at(0)) {
			t.Fatalf("what is asked for all the time is forgotten after %d others", i)
		}
	}
	if n := len(v.young) + len(v.old); n > 2*maxVerdicts || n < maxVerdicts {
		t.Errorf("%d are held, want %d to %d", n, maxVerdicts, 2*maxVerdicts)
	}
}

func TestLookDoesNotAllocate(t *testing.T) {
	_, f, _ := opened(t, "ann:"+hash(t, "secret")+"\n")
	f.Check([]byte("ann"), []byte("secret"))
	field, room, digest := []byte("Basic YW5uOnNlY3JldA=="), make([]byte, 0, 1024), make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		name, password, grown, _ := Credentials(field, room)
		v, d := f.Known(name, password, digest)
		if room, digest = grown, d; v != Right {
			t.Fatal("it is not right")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if strings.Contains(string(digest[:cap(digest)]), "secret") {
		t.Error("the memory it worked in still has the password")
	}
}

// BenchmarkLook is what a request with a password that is known costs.
func BenchmarkLook(b *testing.B) {
	_, f, _ := opened(b, "ann:"+hash(b, "secret")+"\n")
	f.Check([]byte("ann"), []byte("secret"))
	field, room, digest := []byte("Basic YW5uOnNlY3JldA=="), make([]byte, 0, 1024), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		name, password, grown, _ := Credentials(field, room)
		_, digest = f.Known(name, password, digest)
		room = grown
	}
}
