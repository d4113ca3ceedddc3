package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// programDir is TestMain's: what the tests build once is there.
var programDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gateway-docs-*")
	if err != nil {
		panic(err)
	}
	programDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir) // a temporary folder
	os.Exit(code)
}

// gatewayProgram is the path of the gateway as users have it. Its file is named gateway, as in the commands of pages.
func gatewayProgram(t *testing.T) string {
	t.Helper()
	return program(t, builtGateway)
}

// benchProgram is the path of tools/bench.
func benchProgram(t *testing.T) string {
	t.Helper()
	return program(t, builtBench)
}

func program(t *testing.T, built func() (string, error)) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var (
	builtGateway = sync.OnceValues(func() (string, error) { return build("..", "gateway") })
	builtBench   = sync.OnceValues(func() (string, error) {
		return build(filepath.Join("..", "tools", "bench"), "bench")
	})
)

// build builds the program of a folder into one of its own, so that PATH may name that folder.
func build(folder, name string) (string, error) {
	path := filepath.Join(programDir, "of-"+name, name)
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build in %s: %w\n%s", folder, err, out)
	}
	return path, nil
}
