package config

import "errors"

// Decode reads one document.
func Decode(data []byte, base Base) (*Document, error) {
	return DecodeParts([]Part{{Data: data}}, base)
}

// DecodeParts reads the documents of a folder as one.
func DecodeParts(parts []Part, base Base) (*Document, error) {
	return nil, errors.New("document: reading is not built yet")
}

// FromBootstrap makes the revision of a base alone.
func FromBootstrap(base Base) *Document { return &Document{} }

// Check gives the problems of a base.
func (b Base) Check() error { return nil }

// YAML gives the document as text that decodes to the same revision.
func (d *Document) YAML() ([]byte, error) { return nil, nil }

// JSON gives the document as text that decodes to the same revision.
func (d *Document) JSON() []byte { return nil }

// Diff tells in short lines what changed.
func Diff(old, new *Document) []string { return nil }

// SameAddress tells whether two listen or endpoint addresses are one.
func SameAddress(a, b string) bool { return a == b }
