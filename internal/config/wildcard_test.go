package config

import (
	"slices"
	"testing"
)

func TestWildcardSuffix(t *testing.T) {
	for _, row := range []struct {
		pattern, want string
		wild          bool
	}{
		{"*.example.com", ".example.com", true}, {"*.com", ".com", true},
		{"example.com", "", false}, {"*", "", false}, {"*example.com", "", false}, {"", "", false},
		{"a.*.com", "", false},
	} {
		got, wild := WildcardSuffix(row.pattern)
		if got != row.want || wild != row.wild {
			t.Errorf("WildcardSuffix(%q) = %q, %v, want %q, %v", row.pattern, got, wild, row.want, row.wild)
		}
	}
}

func TestNextSuffix(t *testing.T) {
	for _, row := range []struct {
		name string
		want []string
	}{
		{"a.b.example.com", []string{".b.example.com", ".example.com", ".com"}},
		{"example.com", []string{".com"}},
		{"localhost", nil},
		{"", nil},
		{".", nil},
		{".example.com", []string{".com"}},
		{"a..example.com", []string{"..example.com", ".example.com", ".com"}},
		{"example.com.", []string{".com.", "."}},
	} {
		var texts, bytes []string
		for i := NextSuffix(row.name, 0); i > 0; i = NextSuffix(row.name, i) {
			texts = append(texts, row.name[i:])
		}
		b := []byte(row.name)
		for i := NextSuffix(b, 0); i > 0; i = NextSuffix(b, i) {
			bytes = append(bytes, string(b[i:]))
		}
		if !slices.Equal(texts, row.want) || !slices.Equal(bytes, row.want) {
			t.Errorf("suffixes of %q: %q as text, %q as bytes, want %q", row.name, texts, bytes, row.want)
		}
	}
}
