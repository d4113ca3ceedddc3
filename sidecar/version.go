package sidecar

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// Build is what this binary was made from.
type Build struct {
	Version  string `json:"number"`             // v1.2.3, a pseudo-version, or "devel"
	Revision string `json:"revision,omitempty"` // of the version control
	Modified bool   `json:"modified,omitempty"` // built from a tree with changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Built reads what the toolchain wrote into the binary: no linker flag is
// needed, and none can lie.
func Built() Build {
	b := Build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "(devel)" {
		b.Version = cmp.Or(info.Main.Version, b.Version)
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String gives all of it in a line.
func (b Build) String() string {
	s := b.Version
	if b.Revision != "" {
		s += " " + b.Revision[:min(len(b.Revision), 12)]
	}
	if b.Modified {
		s += " (modified)"
	}
	return s + " " + b.Go + " " + b.Platform
}
