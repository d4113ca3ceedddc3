package filewatch

import (
	"os"
	"path/filepath"
	"strings"
)

// maxLinks is how many symbolic links one path may lead through, as in the kernel.
const maxLinks = 40

// chain returns the directory entries that decide which file a path leads to: each symbolic link on the way, and last
// the file itself. Kubernetes changes a mounted Secret by replacing the link `..data` beside tls.crt, certbot by
// replacing the file's own link. The walk ends at what is missing, and its appearance is what to wait for. Every
// directory is given by a path without links.
func chain(path string) []string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil // no working directory; reading the file will tell
	}
	var entries []string
	at, rest := "/", strings.Split(abs, "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		entry := filepath.Join(at, part)
		info, err := os.Lstat(entry)
		if err != nil {
			return append(entries, entry)
		}
		if info.Mode()&os.ModeSymlink == 0 {
			at = entry
			continue
		}
		entries = append(entries, entry)
		target, err := os.Readlink(entry)
		if links++; err != nil || links > maxLinks {
			return entries
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return append(entries, at)
}
