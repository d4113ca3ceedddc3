package mtls

import (
	"cmp"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// maxSubjects is how many names of one file are told.
const maxSubjects = 16

// Status is how one identity, or one set of roots, stands.
type Status struct {
	Kind     string   `json:"kind"` // certificate or ca
	Path     string   `json:"path"`
	KeyPath  string   `json:"key_path,omitempty"`
	Subjects []string `json:"subjects"` // of what serves; the first few
	// NotBefore is when all of what serves is good, NotAfter the first expiry in it.
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	// Error is why what is on disk does not serve; empty when it does.
	Error string `json:"error,omitempty"`
	// Since is when the error began or, without one, when this content was loaded.
	Since time.Time `json:"since"`
}

// Status lists what is in use, by path. It never waits for files being read.
func (s *Set) Status() []Status { return slices.Clone(*s.status.Load()) }

// Certificates is Status as the expiry metric wants it; it does not block. A file
// that is used in two ways is told once.
func (s *Set) Certificates() []telemetry.Certificate {
	var list []telemetry.Certificate
	for _, st := range *s.status.Load() {
		if last := len(list) - 1; last >= 0 && list[last].Name == st.Path {
			if st.NotAfter.Before(list[last].NotAfter) {
				list[last].NotAfter = st.NotAfter
			}
			continue
		}
		list = append(list, telemetry.Certificate{Name: st.Path, NotAfter: st.NotAfter})
	}
	return list
}

// describe makes the list for Status.
//
// +checklocks:s.mu
func (s *Set) describe() *[]Status {
	list := make([]Status, 0, len(s.sources))
	for _, src := range s.sources {
		good := src.onDisk.Content()
		st := Status{
			Kind: src.kind.String(), Path: src.file, KeyPath: src.key,
			Subjects: shorten(good.subjects), NotBefore: good.notBefore, NotAfter: good.notAfter,
			Since: src.onDisk.Since(),
		}
		if err := src.onDisk.Err(); err != nil {
			st.Error = err.Error()
		}
		list = append(list, st)
	}
	slices.SortFunc(list, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.KeyPath, b.KeyPath))
	})
	return &list
}

func shorten(subjects []string) []string {
	return slices.Clone(subjects[:min(len(subjects), maxSubjects)])
}
