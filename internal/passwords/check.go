package passwords

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// Verdict is what is known of a name and a password.
type Verdict uint8

// The verdicts.
const (
	Unchecked Verdict = iota
	Right
	Wrong
)

// digest stands for a name and a password, as they are asked about in one state of a file.
type digest [sha256.Size]byte

// checks is what has been checked before, over all files.
type checks struct {
	secret [32]byte
	right  verdicts
	wrong  verdicts
}

func newChecks() *checks {
	c := new(checks)
	_, _ = rand.Read(c.secret[:]) // never fails
	return c
}

// question is one user's hash and the digest for a password. known: there is such a user.
type question struct {
	digest digest
	hash   []byte
	known  bool
}

// ask finds the hash that a password is held against. Who is unknown is given that of another user, so that a check
// takes as long. room is memory to work in.
func (f *File) ask(name, password, room []byte) (q question, grown []byte) {
	u := f.users.Load()
	i, known := u.byName[string(name)]
	tag := byte('k')
	if !known {
		tag = 'u' // else the other user's password would be the right one
		room = append(append(room[:0], f.checks.secret[:]...), name...)
		sum := sha256.Sum256(room)
		i = int(uint32(sum[0])<<16|uint32(sum[1])<<8|uint32(sum[2])) % len(u.all)
	}
	q.hash, q.known = u.all[i].hash, known
	room = append(append(room[:0], f.checks.secret[:]...), tag)
	room = append(append(room, q.hash...), password...) // a hash has one length
	q.digest = sha256.Sum256(room)
	clear(room)
	return q, room
}

// Known tells what is known of a name and its password, without a check. room is memory to work in. It is returned,
// grown where it had to be, and cleared.
func (f *File) Known(name, password, room []byte) (v Verdict, grown []byte) {
	q, room := f.ask(name, password, room)
	switch {
	case f.checks.right.has(q.digest):
		v = Right
	case f.checks.wrong.has(q.digest):
		v = Wrong
	}
	return v, room
}

// Check tells whether it is the user's password. It takes as long as the cost of the user's hash says, some tens of
// milliseconds of a processor.
func (f *File) Check(name, password []byte) bool {
	q, _ := f.ask(name, password, nil)
	fits := bcrypt.CompareHashAndPassword(q.hash, password) == nil
	if fits && q.known {
		f.checks.right.add(q.digest)
		return true
	}
	f.checks.wrong.add(q.digest)
	return false
}

// maxVerdicts is how many of each kind are known at least, before those asked for longest ago are forgotten. Twice as
// many are held.
const maxVerdicts = 4096

// verdicts are digests of one verdict, in two halves: when the younger one is full, the older is forgotten.
type verdicts struct {
	mu sync.Mutex
	// +checklocks:mu
	young map[digest]struct{}
	// +checklocks:mu
	old map[digest]struct{}
}

func (v *verdicts) has(d digest) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.young[d]; ok {
		return true
	}
	_, ok := v.old[d]
	if ok {
		v.put(d)
	}
	return ok
}

func (v *verdicts) add(d digest) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.put(d)
}

// put makes d one of the younger half.
//
// +checklocks:v.mu
func (v *verdicts) put(d digest) {
	if len(v.young) >= maxVerdicts {
		v.young, v.old = nil, v.young
	}
	if v.young == nil {
		v.young = map[digest]struct{}{}
	}
	v.young[d] = struct{}{}
}
