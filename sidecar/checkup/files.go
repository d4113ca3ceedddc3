package checkup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/namedfile"
	"github.com/fabian4/gateway-homebrew-go/internal/passwords"
	"github.com/fabian4/gateway-homebrew-go/internal/statedir"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// certificates reads each certificate with its key, and each file of CAs, that the document names. It also reads those
// that the client of Consul and the exporters read by themselves.
func (c *checkup) certificates(context.Context) {
	told := map[string]bool{}
	any := false
	// A listener or cluster alone: of all that is wrong together nothing would be told that is well.
	for i := range c.doc.Listeners {
		if c.doc.Listeners[i].TLS.Enabled() {
			alone := config.Document{Listeners: make([]config.Listener, i+1)} // its place is in the messages
			alone.Listeners[i] = c.doc.Listeners[i]
			c.material(&alone, told)
			any = true
		}
	}
	for i := range c.doc.Clusters {
		if c.doc.Clusters[i].TLS.Enabled() {
			alone := config.Document{Clusters: make([]config.Cluster, i+1)}
			alone.Clusters[i] = c.doc.Clusters[i]
			c.material(&alone, told)
			any = true
		}
	}
	set := mtls.NewSet(mtls.Options{Unwatched: true})
	defer set.Close()
	set.Observe(sidecar.ForeignCertificates()) // what cannot be read is told where it is used
	c.dates(set, told)
	switch {
	case len(told) > 0:
	case any:
		c.good("none is named: endpoints are verified by the CAs of the system")
	case c.unread():
		c.skipped("not known: the document could not be read")
	default:
		c.good("none is named")
	}
}

// material tells of the files that one listener or cluster names, each once.
func (c *checkup) material(doc *config.Document, told map[string]bool) {
	set := mtls.NewSet(mtls.Options{Unwatched: true})
	defer set.Close()
	if _, err := set.Prepare(doc); err != nil {
		do := "put a whole file in its place, or mend the path in the document"
		if n := len(doc.Listeners); n > 0 && c.ofEnvironment(&doc.Listeners[n-1]) {
			do = "put a whole file in its place, or mend the path in GATEWAY_TLS_CERTS or GATEWAY_TLS_CLIENT_CA"
		}
		for _, one := range separate(err) {
			told[one.Error()] = true
			c.wrong(do, "%v", one)
		}
		return
	}
	c.dates(set, told)
}

// ofEnvironment tells whether a listener is the bootstrap's own, whose files variables name.
func (c *checkup) ofEnvironment(l *config.Listener) bool {
	own := c.own()
	return slices.ContainsFunc(own.Listeners, func(o config.Listener) bool {
		return o.Name == l.Name && o.Address == l.Address && slices.Equal(o.TLS.Certificates, l.TLS.Certificates) &&
			o.TLS.ClientCAFile == l.TLS.ClientCAFile
	})
}

// dates tells until when the files of a set are good.
func (c *checkup) dates(set *mtls.Set, told map[string]bool) {
	for _, st := range set.Status() {
		if told[st.Kind+st.Path+st.KeyPath] {
			continue
		}
		told[st.Kind+st.Path+st.KeyPath] = true
		text, bad := sidecar.CertificateTrouble(&st, c.now)
		switch {
		case bad:
			c.wrong("renew it: a new file is taken without a restart", "%s", text)
		case text != "":
			c.notice("renew it: a new file is taken without a restart", "%s", text)
		case st.KeyPath != "":
			c.good("%s %s: its key fits, good until %s", st.Kind, st.Path, day(st.NotAfter))
		default:
			c.good("%s %s: good until %s", st.Kind, st.Path, day(st.NotAfter))
		}
	}
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// files tells of the password files, the access log's and the state directory.
func (c *checkup) files(context.Context) {
	c.passwordFiles()
	b := &c.Bootstrap
	switch b.AccessLog {
	case "off", "stdout":
		c.good("access log: %s", b.AccessLog)
	default:
		if err := mayAppend(b.AccessLog); err != nil {
			c.wrong("set GATEWAY_ACCESS_LOG to a file that the gateway may write", "access log: %v", err)
		} else {
			c.good("access log: %s can be written", b.AccessLog)
			c.space("access log", b.AccessLog)
		}
	}
	switch {
	case b.StateDir == "":
		c.good("state directory: none (GATEWAY_STATE_DIR)")
	case c.Status != nil && c.Status.State != nil && c.Status.State.Error != "":
		c.skipped("state directory: the running gateway says what is wrong with it, see above")
	case c.Status != nil: // it has the directory for itself
		c.good("state directory: %s is the running gateway's", b.StateDir)
		c.space("state directory", b.StateDir)
	default:
		if err := mayUse(b.StateDir); err != nil {
			c.wrong("make it for the gateway's user alone, or set GATEWAY_STATE_DIR to another path: "+
				"install -d -m 0700 -o USER DIR", "state directory: %v", err)
		} else if err := sidecar.CheckState(b); err != nil {
			c.wrong("the start goes on without it: put a copy in its place, or let the gateway write it anew, or set "+
				"GATEWAY_STATE_DIR to another path", "state directory: %v", err)
		} else {
			c.good("state directory: %s can be used", b.StateDir)
			c.space("state directory", b.StateDir)
		}
	}
}

func (c *checkup) passwordFiles() {
	told := map[string]bool{}
	for i := range c.doc.Routes {
		path := c.doc.Routes[i].BasicAuth.File
		if path == "" || told[path] {
			continue
		}
		told[path] = true
		alone := config.Document{Routes: make([]config.Route, i+1)}
		alone.Routes[i] = c.doc.Routes[i]
		set := passwords.NewSet(passwords.Options{Unwatched: true})
		if prepared, err := set.Prepare(&alone); err != nil {
			c.wrong("mend the file, or the path in the document", "%v", err)
		} else {
			c.good("password file %s: %s", path, sidecar.Count(prepared.File(path).Users(), "user"))
		}
		set.Close()
	}
}

// mayAppend tries to open a file to write behind what it holds, and leaves none behind that was not there.
func mayAppend(path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return mayMake(filepath.Dir(path))
	}
	f, err := namedfile.Append(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// mayMake tries to make something in a directory.
func mayMake(dir string) error {
	f, err := os.CreateTemp(dir, ".gateway-check-*")
	if why, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", dir, why.Err)
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// mayUse tries to use a state directory as a start would, but makes none.
func mayUse(path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return mayMake(filepath.Dir(path))
	}
	d, err := statedir.Open(path)
	if err != nil {
		return err
	}
	d.Close()
	return mayMake(path)
}
