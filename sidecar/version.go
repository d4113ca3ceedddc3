package sidecar

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// Version is what this binary was made from.
type Version struct {
	Number   string `json:"number"`             // v1.2.3, a pseudo-version, or "devel"
	Revision string `json:"revision,omitempty"` // of the version control
	Modified bool   `json:"modified,omitempty"` // built from a tree with changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// ReadVersion reads what the toolchain wrote into the binary: no linker flag is
// needed, and none can lie.
func ReadVersion() Version {
	v := Version{Number: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "(devel)" {
		v.Number = cmp.Or(info.Main.Version, v.Number)
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

// String gives all of it in a line.
func (v Version) String() string {
	s := v.Number
	if v.Revision != "" {
		s += " " + v.Revision[:min(len(v.Revision), 12)]
	}
	if v.Modified {
		s += " (modified)"
	}
	return s + " " + v.Go + " " + v.Platform
}
