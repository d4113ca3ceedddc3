package config

// Who said a value that is in force.
const (
	OriginRoute     = "route"
	OriginDocument  = "document"
	OriginBootstrap = "bootstrap"
	OriginDefault   = "default"
)

// Setting is a value that is in force, and who said it. A document keeps values and not how they were written, so this
// is found out by comparing. A value that is said again, the same as it was below, counts as said below.
type Setting struct {
	Name  string `json:"name"` // the key
	Value string `json:"value"`
	From  string `json:"from"`
}

// origin compares a value of a document with what it would have been without one.
func origin[T comparable](v, boot, standard T) string {
	switch {
	case v != boot:
		return OriginDocument
	case v != standard:
		return OriginBootstrap
	}
	return OriginDefault
}
