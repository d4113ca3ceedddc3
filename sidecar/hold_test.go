package sidecar

import (
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

func document(t *testing.T, text string) *config.Document {
	t.Helper()
	doc, err := config.Decode([]byte(text), config.Standard())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
